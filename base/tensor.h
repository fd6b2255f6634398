/* Device memory as handles: pt_buf is memory somewhere, pt_view is a matrix in it.
 *
 * Nothing outside kernels/ reads `base`: it may be an address of another device (or of nothing, in a dry run, where
 * base is NULL and only sizes count). Data moves by pt_ops.upload / download. Views own nothing and go by value. */
#ifndef PT_BASE_TENSOR_H
#define PT_BASE_TENSOR_H
#include "base/dtype.h"

typedef struct pt_buf {
    unsigned char *base; /* the backend's address; NULL in a dry run */
    size_t bytes;
    void *owner; /* the backend's own use */
    /* the matrix that begins at base a second time, as pt_ops.pack wrote it; NULL = there is none */
    const void *packed;
    /* that second form is the matrix as numbers of the activations' type, whole, for products (PT_FORM_PRODUCTS); a dry run sees kept before packed is there */
    bool kept;
    int room_cols, room_rows; /* of it: columns and rows behind the matrix's own for the backend's use, multiples of 8, zeros at first */
} pt_buf;

typedef struct pt_view {
    const pt_buf *buf; /* NULL = no tensor (an optional argument left out) */
    size_t off;        /* bytes from buf->base */
    pt_dtype type;
    int64_t rows, cols; /* a vector of n is rows = 1, cols = n */
    int64_t ld;         /* elements from one row to the next; = cols when dense; always cols for block types */
} pt_view;

#define PT_NO_VIEW ((pt_view){0})
static inline bool pt_view_ok(pt_view v) { return v.buf != NULL; }
/* Bytes between rows; cols and ld must be multiples of the block. */
static inline size_t pt_view_row_bytes(pt_view v)
{
    const pt_dtype_info *d = pt_dtype_get(v.type);
    return (size_t)v.ld / d->block * d->bytes;
}
/* Rows [r0, r0+n) of v. */
static inline pt_view pt_view_rows(pt_view v, int64_t r0, int64_t n)
{
    v.off += (size_t)r0 * pt_view_row_bytes(v);
    v.rows = n;
    return v;
}
/* Columns [c0, c0+n) of v; plain types only. */
static inline pt_view pt_view_cols(pt_view v, int64_t c0, int64_t n)
{
    v.off += (size_t)c0 * pt_dtype_get(v.type)->bytes;
    v.cols = n;
    return v;
}
/* The same dense memory seen as [rows, cols]. */
static inline pt_view pt_view_reshape(pt_view v, int64_t rows, int64_t cols)
{
    v.rows = rows;
    v.cols = v.ld = cols;
    return v;
}
#endif
