# cython: language_level=3, boundscheck=False, wraparound=False
"""Rows in the binary form of PostgreSQL's COPY, taken apart into columns as Arrow has them.

A row is a 16-bit count of fields, then for each a 32-bit length, -1 for null, and as many bytes, big-endian. A count
of -1 ends the rows (PostgreSQL, COPY, "Binary Format").
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset


cdef struct Column:
    int32_t width  # of every cell in bytes; 0 for texts
    int64_t size  # of all cells in bytes
    int64_t nulls
    uint8_t* data
    int32_t* ends
    uint8_t* valid


def split(bytes rows, list widths):
    """Return how many rows there are, and for each column its null count, and bytes of validity, ends and data.

    Parameters
    ----------
    rows
        Whole rows.
    widths
        How many bytes a value of each column takes: 1, 2, 4 or 8; 0 for texts, which alone have ends.

    Raises
    ------
    ValueError
        These are not such rows.
    OverflowError
        The texts of a column take 2 GiB or more.
    """
    cdef int count = len(widths)
    cdef Column* columns = <Column*>PyMem_Calloc(count, sizeof(Column))
    cdef const uint8_t* at = <const uint8_t*>PyBytes_AS_STRING(rows)
    cdef const uint8_t* end = at + len(rows)
    cdef int64_t number
    cdef int index
    if columns == NULL:
        raise MemoryError
    try:
        for index in range(count):
            columns[index].width = widths[index]
        with nogil:
            number = measure(at, end, columns, count)
        if number < 0:
            raise ValueError("the database sent what is not rows of these columns")
        made = [with_room(&columns[index], number) for index in range(count)]
        with nogil:
            fill(at, number, columns, count)
        return number, made
    finally:
        PyMem_Free(columns)


cdef tuple with_room(Column* column, int64_t rows):
    """Give a column the memory for its cells, and return the objects that own this."""
    valid = ends = None
    data = PyBytes_FromStringAndSize(NULL, rows * column.width if column.width else column.size)
    column.data = <uint8_t*>PyBytes_AS_STRING(data)
    if not column.width:
        if column.size > INT32_MAX:
            raise OverflowError("the texts of a column take 2 GiB or more")
        ends = PyBytes_FromStringAndSize(NULL, 4 * (rows + 1))
        column.ends = <int32_t*>PyBytes_AS_STRING(ends)
        column.ends[0] = 0
    if column.nulls:
        valid = PyBytes_FromStringAndSize(NULL, (rows + 7) // 8)
        column.valid = <uint8_t*>PyBytes_AS_STRING(valid)
        memset(column.valid, 0xFF, (rows + 7) // 8)
    return column.nulls, valid, ends, data


cdef int64_t measure(const uint8_t* at, const uint8_t* end, Column* columns, int count) noexcept nogil:
    """Return how many rows there are, after a look at every length; -1 if something is wrong."""
    cdef int64_t rows = 0
    cdef int64_t size
    cdef int fields, index
    while at < end:
        if end - at < 2:
            return -1
        fields = at[0] << 8 | at[1]
        at += 2
        if fields == 0xFFFF:
            return rows if at == end else -1
        if fields != count:
            return -1
        for index in range(count):
            if end - at < 4:
                return -1
            size = length(at)
            at += 4
            if size < 0:
                columns[index].nulls += 1
            elif size > end - at or (columns[index].width and size != columns[index].width):
                return -1
            else:
                columns[index].size += size
                at += size
        rows += 1
    return rows


cdef void fill(const uint8_t* at, int64_t rows, Column* columns, int count) noexcept nogil:
    """Write the cells of rows that `measure` has found whole."""
    cdef int64_t row, size
    cdef int32_t written
    cdef int index
    cdef Column* column
    for row in range(rows):
        at += 2
        for index in range(count):
            column = &columns[index]
            size = length(at)
            at += 4
            if size < 0:
                column.valid[row // 8] &= ~(1 << (row % 8))
                size = 0
                if column.width:
                    memset(column.data + row * column.width, 0, column.width)
            elif column.width:
                turned(column.data + row * column.width, at, column.width)
            else:
                memcpy(column.data + column.ends[row], at, size)
            if column.ends != NULL:
                column.ends[row + 1] = column.ends[row] + <int32_t>size
            at += size


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline int32_t length(const uint8_t *at) {
        return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
    }
    static inline void turned(uint8_t *to, const uint8_t *at, int32_t width) {
        if (width == 8) {
            uint64_t value = (uint64_t)(uint32_t)length(at) << 32 | (uint32_t)length(at + 4);
            memcpy(to, &value, 8);
        } else if (width == 4) {
            int32_t value = length(at);
            memcpy(to, &value, 4);
        } else if (width == 2) {
            uint16_t value = (uint16_t)(at[0] << 8 | at[1]);
            memcpy(to, &value, 2);
        } else {
            *to = *at;
        }
    }
    """
    int32_t length(const uint8_t* at) noexcept nogil
    void turned(uint8_t* to, const uint8_t* at, int32_t width) noexcept nogil
