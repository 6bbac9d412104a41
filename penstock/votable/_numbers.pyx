# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""Columns of numbers as text, each in the fewest digits that read back as the same number."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT32_MAX, int16_t, int32_t, int64_t, uint8_t

LONGEST = 25  # of -1.7976931348623157e+308, and a byte


cdef extern from *:
    """
    #include <charconv>
    #include <cmath>
    #include <cstdint>
    #include <cstring>

    template <typename T> static char *spell_whole(char *to, T value) { return std::to_chars(to, to + 25, value).ptr; }

    template <typename T> static char *spell_real(char *to, T value) {
        if (!std::isfinite(value)) {
            const char *text = std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
            std::memcpy(to, text, std::strlen(text));
            return to + std::strlen(text);
        }
        const T size = std::fabs(value);
        const bool plain = size == 0 || (size >= T(1e-5) && size < T(1e15));
        return std::to_chars(to, to + 25, value, plain ? std::chars_format::fixed : std::chars_format::scientific).ptr;
    }
    """
    char* spell_whole[T](char* to, T value) noexcept nogil
    char* spell_real[T](char* to, T value) noexcept nogil


def spell(str kind, values, valid, int64_t rows):
    """Return the ends of the texts, and the texts.

    Parameters
    ----------
    kind
        What numpy calls the type of the numbers: u1, i2, i4, i8, f4 or f8.
    values, valid
        Buffers of the numbers, and of bits that are 0 where one is null; None where none is. Null is an empty text.
    rows
        How many.

    Raises
    ------
    ValueError
        There are fewer numbers, or no such kind.
    OverflowError
        The texts could take 2 GiB or more.
    """
    cdef Py_buffer numbers, bits
    cdef const uint8_t* flags = NULL
    cdef char* scratch
    cdef int64_t size
    cdef int code = KINDS.get(kind, 0)
    cdef int32_t* ends
    if rows > INT32_MAX // LONGEST:
        raise OverflowError("the texts of a column could take 2 GiB or more")
    PyObject_GetBuffer(values, &numbers, PyBUF_SIMPLE)
    try:
        if code == 0 or numbers.len < rows * WIDTHS[kind]:
            raise ValueError(f"these are not {rows} numbers of the kind {kind}")
        made = PyBytes_FromStringAndSize(NULL, 4 * (rows + 1))
        ends = <int32_t*>PyBytes_AS_STRING(made)
        if valid is not None:
            PyObject_GetBuffer(valid, &bits, PyBUF_SIMPLE)
            flags = <const uint8_t*>bits.buf
        scratch = <char*>PyMem_Malloc(rows * LONGEST + 1)
        try:
            if scratch == NULL:
                raise MemoryError
            if flags != NULL and bits.len < (rows + 7) // 8:
                raise ValueError("there are fewer bits than numbers")
            with nogil:
                size = write(scratch, ends, code, numbers.buf, flags, rows)
            return made, PyBytes_FromStringAndSize(scratch, size)
        finally:
            PyMem_Free(scratch)
            if flags != NULL:
                PyBuffer_Release(&bits)
    finally:
        PyBuffer_Release(&numbers)


KINDS = {"u1": 1, "i2": 2, "i4": 3, "i8": 4, "f4": 5, "f8": 6}
WIDTHS = {"u1": 1, "i2": 2, "i4": 4, "i8": 8, "f4": 4, "f8": 8}


cdef int64_t write(
    char* begin, int32_t* ends, int code, const void* values, const uint8_t* flags, int64_t rows
) noexcept nogil:
    cdef char* to = begin
    cdef int64_t row
    ends[0] = 0
    for row in range(rows):
        if flags == NULL or flags[row >> 3] >> (row & 7) & 1:
            if code == 6:
                to = spell_real(to, (<const double*>values)[row])
            elif code == 5:
                to = spell_real(to, (<const float*>values)[row])
            elif code == 4:
                to = spell_whole(to, (<const int64_t*>values)[row])
            elif code == 3:
                to = spell_whole(to, (<const int32_t*>values)[row])
            elif code == 2:
                to = spell_whole(to, (<const int16_t*>values)[row])
            else:
                to = spell_whole(to, (<const uint8_t*>values)[row])
        ends[row + 1] = <int32_t>(to - begin)
    return to - begin
