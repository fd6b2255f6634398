#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/ref/ref.h"

static char owned; /* pt_buf.owner of memory that free() must release */

pt_status pt_host_alloc(pt_ctx *ctx, pt_buf *buf, size_t bytes)
{
    *buf = (pt_buf){0};
    void *p;
    PT_RETURN(pt_alloc_pages(&p, bytes));
    *buf = (pt_buf){.base = p, .bytes = bytes, .owner = &owned};
    return PT_OK;
}

void pt_host_free(pt_ctx *ctx, pt_buf *buf)
{
    if (buf->owner == &owned) free(buf->base);
    *buf = (pt_buf){0};
}

pt_status pt_host_adopt(pt_ctx *ctx, pt_buf *buf, const void *host, size_t bytes)
{
    *buf = (pt_buf){.base = (unsigned char *)(uintptr_t)host, .bytes = bytes};
    return PT_OK;
}

/* Bytes of a dense row; the checks of pt_check_view. */
static pt_status dense_row(const char *op, pt_view v, size_t *bytes)
{
    PT_RETURN(pt_check_view(op, "the view", v, v.rows, v.cols));
    return pt_dtype_row_bytes(v.type, (size_t)v.cols, bytes);
}

pt_status pt_host_upload(pt_ctx *ctx, pt_view dst, const void *src)
{
    size_t row;
    PT_RETURN(dense_row("upload", dst, &row));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < dst.rows && row; r++)
        memcpy((unsigned char *)pt_at(dst) + (size_t)r * pt_view_row_bytes(dst), (const unsigned char *)src + (size_t)r * row, row);
    return PT_OK;
}

pt_status pt_host_download(pt_ctx *ctx, void *dst, pt_view src)
{
    size_t row;
    PT_RETURN(dense_row("download", src, &row));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < src.rows && row; r++)
        memcpy((unsigned char *)dst + (size_t)r * row, (const unsigned char *)pt_at(src) + (size_t)r * pt_view_row_bytes(src), row);
    return PT_OK;
}

pt_status pt_host_zero(pt_ctx *ctx, pt_view v)
{
    size_t row;
    PT_RETURN(dense_row("zero", v, &row));
    if (ctx->dry) return PT_OK;
    if (v.ld == v.cols) {
        if (row && v.rows) memset(pt_at(v), 0, row * (size_t)v.rows);
        return PT_OK;
    }
    for (int64_t r = 0; r < v.rows && row; r++) memset((unsigned char *)pt_at(v) + (size_t)r * pt_view_row_bytes(v), 0, row);
    return PT_OK;
}

pt_status pt_host_sync(pt_ctx *ctx)
{
    return PT_OK;
}

static pt_status open_ref(pt_ctx *ctx, pt_compute compute)
{
    if (compute != PT_COMPUTE_F32) return pt_fail(PT_ENOSUP, "the reference backend computes in f32 only");
    ctx->ops = &pt_ops_ref;
    ctx->device = ctx->stream = NULL;
    ctx->compute = compute;
    ctx->act = PT_F32;
    return PT_OK;
}

static void close_ref(pt_ctx *ctx)
{
    ctx->device = NULL;
}

#define PT_REF_ENTRY(op, args) .op = pt_ref_##op,
const pt_ops pt_ops_ref = {
    .name = "ref",
    .open = open_ref,
    .close = close_ref,
    .alloc = pt_host_alloc,
    .free = pt_host_free,
    .adopt = pt_host_adopt,
    .upload = pt_host_upload,
    .download = pt_host_download,
    .zero = pt_host_zero,
    .sync = pt_host_sync,
    .fetch = pt_host_download,
    .load = pt_host_upload,
    .forest_new = pt_ref_forest_new,
    .forest_set = pt_ref_forest_set,
    .forest_bytes = pt_ref_forest_bytes,
    .forest_free = pt_ref_forest_free,
    PT_OP_LIST(PT_REF_ENTRY)
};
