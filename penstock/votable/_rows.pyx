# cython: language_level=3, boundscheck=False, wraparound=False
"""The loop of `joining`: the cells of columns one after the other, row by row."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy


cdef struct Piece:
    Py_buffer data
    Py_buffer ends  # of 32-bit integers; empty where all cells are of one width
    int64_t width
    int64_t stride
    int64_t item


def join(int64_t rows, list pieces):
    """Return the cells of the first row, then those of the second, and so on.

    Parameters
    ----------
    rows
        How many.
    pieces
        For every column its `data` (a buffer), `ends`, `width`, `stride` and `item`. Where `ends` is None, cell n is
        the `width` bytes from `n * stride` on; its items of so many bytes are written in the opposite order of bytes.
        Else it is what lies between items n and n + 1 of `ends`, a buffer of 32-bit integers.

    Raises
    ------
    ValueError
        A column is shorter than the rows.
    """
    cdef int count = len(pieces)
    cdef Piece* columns = <Piece*>PyMem_Calloc(count, sizeof(Piece))
    cdef int64_t size = 0
    cdef int index
    cdef uint8_t* to
    if columns == NULL:
        raise MemoryError
    try:
        for index in range(count):
            size += hold(&columns[index], pieces[index], rows)
        joined = PyBytes_FromStringAndSize(NULL, size)
        to = <uint8_t*>PyBytes_AS_STRING(joined)
        with nogil:
            write(to, rows, columns, count)
        return joined
    finally:
        for index in range(count):
            PyBuffer_Release(&columns[index].data)  # does nothing where nothing is held
            PyBuffer_Release(&columns[index].ends)
        PyMem_Free(columns)


cdef int64_t hold(Piece* column, tuple piece, int64_t rows) except -1:
    """Keep the memory of a piece where it is, and return how many bytes all its cells take."""
    cdef const int32_t* ends
    cdef int64_t row
    data, bounds, column.width, column.stride, column.item = piece
    PyObject_GetBuffer(data, &column.data, PyBUF_SIMPLE)
    if bounds is None:
        if rows and column.data.len < column.stride * (rows - 1) + column.width:
            raise ValueError("a column is shorter than the rows")
        return rows * column.width
    PyObject_GetBuffer(bounds, &column.ends, PyBUF_SIMPLE)
    ends = <const int32_t*>column.ends.buf
    if column.ends.len < 4 * (rows + 1) or ends[0] < 0 or ends[rows] > column.data.len:
        raise ValueError("a column is shorter than the rows")
    for row in range(rows):
        if ends[row] > ends[row + 1]:
            raise ValueError("a cell is shorter than nothing")
    return ends[rows] - ends[0]


cdef void write(uint8_t* to, int64_t rows, const Piece* columns, int count) noexcept nogil:
    cdef const Piece* column
    cdef const uint8_t* data
    cdef const int32_t* ends
    cdef int64_t row, size
    cdef int index
    for row in range(rows):
        for index in range(count):
            column = &columns[index]
            data = <const uint8_t*>column.data.buf
            ends = <const int32_t*>column.ends.buf
            if ends == NULL:
                copy(to, data + row * column.stride, column.width, column.item)
                to += column.width
            else:
                size = ends[row + 1] - ends[row]
                memcpy(to, data + ends[row], size)
                to += size


cdef inline void copy(uint8_t* to, const uint8_t* cell, int64_t width, int64_t item) noexcept nogil:
    cdef int64_t at
    if item == 1:
        memcpy(to, cell, width)
    elif item == 8:
        for at in range(0, width, 8):
            turn8(to + at, cell + at)
    elif item == 4:
        for at in range(0, width, 4):
            turn4(to + at, cell + at)
    else:
        for at in range(0, width, 2):
            to[at] = cell[at + 1]
            to[at + 1] = cell[at]


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline void turn8(uint8_t *to, const uint8_t *from) {
        uint64_t value;
        memcpy(&value, from, 8);
        value = __builtin_bswap64(value);
        memcpy(to, &value, 8);
    }
    static inline void turn4(uint8_t *to, const uint8_t *from) {
        uint32_t value;
        memcpy(&value, from, 4);
        value = __builtin_bswap32(value);
        memcpy(to, &value, 4);
    }
    """
    void turn8(uint8_t* to, const uint8_t* source) noexcept nogil
    void turn4(uint8_t* to, const uint8_t* source) noexcept nogil
