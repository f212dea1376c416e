/* Reads Postgres's COPY in binary format into the buffers of Arrow arrays.

   Belongs here: the format of rows and values, and receiving them through libpq. Does not belong here: what becomes of a row whose
   values do not fit; such a row is only pointed out. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

static inline uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t be32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline uint64_t be64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return __builtin_bswap64(v); }

enum { FITS = 0, DOUBTFUL = 1, MALFORMED = 2 };

#define MAX_COLUMNS 1600 /* of a table in Postgres */

/* The end of the row at p; NULL if it is not complete. *state is MALFORMED if it is no row of so many columns. */
static const uint8_t *row_end(const uint8_t *p, const uint8_t *end, int columns, int *state) {
    if (end - p < 2) return NULL;
    if (be16(p) != columns) { *state = MALFORMED; return NULL; }
    p += 2;
    for (int c = 0; c < columns; c++) {
        if (end - p < 4) return NULL;
        int32_t length = (int32_t)be32(p);
        p += 4;
        if (length < -1) { *state = MALFORMED; return NULL; }
        if (length > 0) {
            if (end - p < length) return NULL;
            p += length;
        }
    }
    return p;
}

static int bounds(Py_ssize_t start, Py_ssize_t end, Py_ssize_t size) {
    if (0 <= start && start <= end && end <= size) return 1;
    PyErr_SetString(PyExc_ValueError, "the bounds are not within the block");
    return 0;
}

static PyObject *malformed(void) {
    PyErr_SetString(PyExc_ValueError, "the block is not binary COPY with these columns, or ends within a row");
    return NULL;
}

/* scan(block, start, columns) -> (end of the last complete row, whether the trailer follows it) */
static PyObject *scan(PyObject *self, PyObject *args) {
    PyObject *block;
    Py_ssize_t start, size;
    int columns, state = FITS, ended = 0;
    char *data;
    if (!PyArg_ParseTuple(args, "Sni", &block, &start, &columns) || PyBytes_AsStringAndSize(block, &data, &size) < 0) return NULL;
    if (!bounds(start, size, size)) return NULL;
    const uint8_t *p = (uint8_t *)data + start, *end = (uint8_t *)data + size, *next;
    Py_BEGIN_ALLOW_THREADS
    for (;;) {
        if (end - p >= 2 && be16(p) == 0xFFFF) { ended = 1; break; }
        next = row_end(p, end, columns, &state);
        if (!next) break;
        p = next;
    }
    Py_END_ALLOW_THREADS
    if (state == MALFORMED) return malformed();
    return Py_BuildValue("nO", (Py_ssize_t)(p - (uint8_t *)data), ended ? Py_True : Py_False);
}

/* cut(block, start, end, columns, pieces) -> offsets that divide the rows into about so many pieces */
static PyObject *cut(PyObject *self, PyObject *args) {
    PyObject *block;
    Py_ssize_t start, stop, size;
    int columns, pieces, state = FITS;
    char *data;
    if (!PyArg_ParseTuple(args, "Snnii", &block, &start, &stop, &columns, &pieces) ||
        PyBytes_AsStringAndSize(block, &data, &size) < 0 || !bounds(start, stop, size)) return NULL;
    PyObject *found = PyList_New(0);
    if (!found) return NULL;
    Py_ssize_t step = pieces > 0 ? (stop - start) / pieces : stop - start, due = start + step;
    const uint8_t *p = (uint8_t *)data + start, *end = (uint8_t *)data + stop;
    while (p < end) {
        p = row_end(p, end, columns, &state);
        if (!p) { Py_DecRef(found); return malformed(); }
        Py_ssize_t at = p - (uint8_t *)data;
        if (at >= due && p < end) {
            PyObject *number = PyLong_FromSsize_t(at);
            if (!number || PyList_Append(found, number) < 0) { Py_XDECREF(number); Py_DecRef(found); return NULL; }
            Py_DecRef(number);
            due = at + step;
        }
    }
    return found;
}

static const uint64_t POWERS[] = {1, 10, 100, 1000, 10000};

static int numeric(const uint8_t *p, int32_t length, int precision_digits, int scale, __int128 *out) {
    if (length < 8) return MALFORMED;
    int digits = be16(p), sign = be16(p + 4);
    int weight = (int16_t)be16(p + 2);
    if (length != 8 + 2 * digits) return MALFORMED;
    if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000) return DOUBTFUL; /* NaN and the infinities */
    if (sign != 0 && sign != 0x4000) return MALFORMED;
    p += 8;
    for (int i = 0; i < digits; i++) if (be16(p + 2 * i) > 9999) return MALFORMED;
    while (digits && be16(p + 2 * (digits - 1)) == 0) digits--;
    while (digits && be16(p) == 0) { p += 2; digits--; weight--; }
    if (!digits) { *out = 0; return FITS; }
    int exponent = 4 * (weight - digits + 1) + scale; /* of ten, of the last digit */
    if (exponent <= -4 || 4 * weight + scale > 38) return DOUBTFUL;
    const u128 most = (u128)10000000000000000000ULL * 10000000000000000000ULL; /* 1e38 */
    u128 value = 0;
    int whole = exponent < 0 ? digits - 1 : digits;
    for (int i = 0; i < whole; i++) {
        if (value > most / 10000) return DOUBTFUL;
        value = value * 10000 + be16(p + 2 * i);
    }
    if (exponent < 0) {
        uint64_t divisor = POWERS[-exponent], last = be16(p + 2 * (digits - 1));
        if (last % divisor || value > most / 10000) return DOUBTFUL;
        value = value * POWERS[4 + exponent] + last / divisor;
    }
    for (; exponent > 0; exponent--) {
        if (value > most / 10) return DOUBTFUL;
        value *= 10;
    }
    u128 limit = 1;
    for (int i = 0; i < precision_digits; i++) limit *= 10;
    if (value >= limit) return DOUBTFUL;
    *out = sign ? -(__int128)value : (__int128)value;
    return FITS;
}

typedef struct {
    char kind;
    int precision, scale;
    uint8_t *valid, *data;
    int32_t *offsets;
    int64_t bytes, nulls;
} Column;

/* The size of a value of a kind that has one; 0 for texts and booleans; -1 for no kind. */
static int width(char kind) {
    switch (kind) {
        case 'l': case 'T': return 8;
        case 'i': case 'D': return 4;
        case 's': return 2;
        case 'n': return 16;
        case 't': case 'b': return 0;
        default: return -1;
    }
}

static int put(Column *column, int64_t row, const uint8_t *p, int32_t length) {
    switch (column->kind) {
        case 'l': case 'i': case 's': {
            if (length != 8) return MALFORMED;
            int64_t value = (int64_t)be64(p);
            if (column->kind == 'l') memcpy(column->data + 8 * row, &value, 8);
            else if (column->kind == 'i') {
                int32_t narrow = (int32_t)value;
                if (narrow != value) return DOUBTFUL;
                memcpy(column->data + 4 * row, &narrow, 4);
            } else {
                int16_t narrow = (int16_t)value;
                if (narrow != value) return DOUBTFUL;
                memcpy(column->data + 2 * row, &narrow, 2);
            }
            return FITS;
        }
        case 'T': {
            if (length != 8) return MALFORMED;
            int64_t value = (int64_t)be64(p);
            if (value == INT64_MIN || value > INT64_MAX - 946684800000000LL) return DOUBTFUL; /* infinities */
            value += 946684800000000LL;                                                      /* from 2000 to 1970 */
            memcpy(column->data + 8 * row, &value, 8);
            return FITS;
        }
        case 'D': {
            if (length != 4) return MALFORMED;
            int32_t value = (int32_t)be32(p);
            if (value == INT32_MIN || value > INT32_MAX - 10957) return DOUBTFUL;
            value += 10957;
            memcpy(column->data + 4 * row, &value, 4);
            return FITS;
        }
        case 'n': {
            __int128 value;
            int state = numeric(p, length, column->precision, column->scale, &value);
            if (state == FITS) memcpy(column->data + 16 * row, &value, 16);
            return state;
        }
        case 'b':
            if (length != 1 || *p > 1) return MALFORMED;
            if (*p) column->data[row >> 3] |= (uint8_t)(1 << (row & 7));
            return FITS;
        default:
            memcpy(column->data + column->bytes, p, (size_t)length);
            column->bytes += length;
            return FITS;
    }
}

static int fill(Column *columns, int count, const uint8_t *p, int64_t rows) {
    for (int64_t row = 0; row < rows; row++) {
        p += 2;
        for (int c = 0; c < count; c++) {
            Column *column = columns + c;
            int32_t length = (int32_t)be32(p);
            p += 4;
            if (length < 0) {
                column->nulls++;
                column->valid[row >> 3] &= (uint8_t)~(1 << (row & 7));
                int size = width(column->kind);
                if (size) memset(column->data + size * row, 0, (size_t)size);
            } else {
                int state = put(column, row, p, length);
                if (state != FITS) return state;
                p += length;
            }
            if (column->offsets) column->offsets[row + 1] = (int32_t)column->bytes;
        }
    }
    return FITS;
}

static PyObject *new_bytes(int64_t size, void **data) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes) *data = PyBytes_AsString(bytes);
    return bytes;
}

/* (validity or None, number of nulls, data, offsets or None) of a column */
static PyObject *allocate(Column *column, int64_t rows) {
    void *valid, *data, *offsets = NULL;
    int64_t bits = (rows + 7) / 8, size = column->kind == 't' ? column->bytes : column->kind == 'b' ? bits : width(column->kind) * rows;
    PyObject *a = new_bytes(bits, &valid), *b = new_bytes(size, &data), *c = NULL;
    if (column->kind == 't') c = new_bytes(4 * (rows + 1), &offsets);
    else { c = Py_None; Py_IncRef(c); }
    if (!a || !b || !c) { Py_XDECREF(a); Py_XDECREF(b); Py_XDECREF(c); return NULL; }
    memset(valid, 0xFF, (size_t)bits);
    if (column->kind == 'b') memset(data, 0, (size_t)size);
    if (offsets) memset(offsets, 0, 4);
    column->valid = valid, column->data = data, column->offsets = offsets, column->bytes = column->nulls = 0;
    return Py_BuildValue("NNN", a, b, c);
}

/* decode(block, start, end, kinds, precisions, scales) -> (rows, [(validity, nulls, data, offsets)]), or None if a value may not fit */
static PyObject *decode(PyObject *self, PyObject *args) {
    PyObject *block, *result = NULL, *buffers = NULL;
    Py_ssize_t start, stop, size, count, precisions, scales;
    const char *kinds, *precision, *scale;
    char *data;
    if (!PyArg_ParseTuple(args, "Snny#y#y#", &block, &start, &stop, &kinds, &count, &precision, &precisions, &scale, &scales) ||
        PyBytes_AsStringAndSize(block, &data, &size) < 0 || !bounds(start, stop, size)) return NULL;
    if (count < 1 || count > MAX_COLUMNS || precisions != count || scales != count) {
        PyErr_SetString(PyExc_ValueError, "there must be 1 to 1600 columns, each with a kind, a precision and a scale");
        return NULL;
    }
    Column *columns = calloc((size_t)count, sizeof(Column));
    if (!columns) return PyErr_NoMemory();
    for (int c = 0; c < count; c++) {
        columns[c].kind = kinds[c], columns[c].precision = (unsigned char)precision[c], columns[c].scale = (unsigned char)scale[c];
        if (width(kinds[c]) < 0 || columns[c].precision > 38 || columns[c].scale > 38) {
            PyErr_SetString(PyExc_ValueError, "there is no such kind of column");
            goto done;
        }
    }
    int state = FITS;
    int64_t rows = 0;
    const uint8_t *first = (uint8_t *)data + start, *end = (uint8_t *)data + stop;
    Py_BEGIN_ALLOW_THREADS
    for (const uint8_t *p = first; p < end; rows++) {
        const uint8_t *next = row_end(p, end, (int)count, &state);
        if (!next) { state = MALFORMED; break; }
        p += 2;
        for (int c = 0; c < count; c++) {
            int32_t length = (int32_t)be32(p);
            p += 4;
            if (length > 0) columns[c].bytes += length, p += length;
        }
    }
    Py_END_ALLOW_THREADS
    if (state == MALFORMED) { malformed(); goto done; }
    for (int c = 0; c < count; c++) {
        if (columns[c].kind == 't' && columns[c].bytes > INT32_MAX) { result = Py_None; Py_IncRef(result); goto done; }
    }
    buffers = PyList_New(0);
    if (!buffers) goto done;
    for (int c = 0; c < count; c++) {
        PyObject *each = allocate(columns + c, rows);
        if (!each || PyList_Append(buffers, each) < 0) { Py_XDECREF(each); goto done; }
        Py_DecRef(each);
    }
    Py_BEGIN_ALLOW_THREADS
    state = fill(columns, (int)count, first, rows);
    Py_END_ALLOW_THREADS
    if (state == MALFORMED) { malformed(); goto done; }
    if (state == DOUBTFUL) { result = Py_None; Py_IncRef(result); goto done; }
    PyObject *nulls = PyList_New(0);
    for (int c = 0; nulls && c < count; c++) {
        PyObject *number = PyLong_FromLongLong(columns[c].nulls);
        if (!number || PyList_Append(nulls, number) < 0) { Py_XDECREF(number); Py_DecRef(nulls); nulls = NULL; break; }
        Py_DecRef(number);
    }
    if (nulls) result = Py_BuildValue("LNO", (long long)rows, nulls, buffers);
done:
    Py_XDECREF(buffers);
    free(columns);
    return result;
}

typedef int (*GetCopyData)(void *, char **, int);
typedef void (*FreeMemory)(void *);

/* receive(connection, PQgetCopyData, PQfreemem, enough) -> (bytes, status): the next messages, at least so many bytes of them.
   The status is that of PQgetCopyData: positive if more may follow, -1 at the end, -2 after an error. */
static PyObject *receive(PyObject *self, PyObject *args) {
    unsigned long long connection, get, free_memory;
    Py_ssize_t enough;
    if (!PyArg_ParseTuple(args, "KKKn", &connection, &get, &free_memory, &enough)) return NULL;
    size_t used = 0, room = (size_t)(enough < 1 ? 1 : enough) + 65536;
    char *data = malloc(room), *message;
    int length = 1, failed = data == NULL;
    Py_BEGIN_ALLOW_THREADS
    while (!failed && used < (size_t)enough && (length = ((GetCopyData)(uintptr_t)get)((void *)(uintptr_t)connection, &message, 0)) > 0) {
        if (used + (size_t)length > room) {
            size_t larger = (used + (size_t)length) + room / 2;
            char *moved = realloc(data, larger);
            if (moved) data = moved, room = larger;
            else failed = 1;
        }
        if (!failed) memcpy(data + used, message, (size_t)length), used += (size_t)length;
        ((FreeMemory)(uintptr_t)free_memory)(message);
    }
    Py_END_ALLOW_THREADS
    if (failed) { free(data); return PyErr_NoMemory(); }
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)used);
    free(data);
    return bytes ? Py_BuildValue("Ni", bytes, length) : NULL;
}

static PyMethodDef METHODS[] = {
    {"scan", scan, METH_VARARGS, "scan(block, start, columns): the end of the last complete row, and whether the trailer follows it."},
    {"cut", cut, METH_VARARGS, "cut(block, start, end, columns, pieces): offsets of rows that divide the block into such pieces."},
    {"decode", decode, METH_VARARGS, "decode(block, start, end, kinds, precisions, scales): see copy_decoder."},
    {"receive", receive, METH_VARARGS, "receive(connection, PQgetCopyData, PQfreemem, enough): the next messages of a COPY, and a status."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&MODULE); }
