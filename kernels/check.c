#include "kernels/check.h"

#include "base/mem.h"

pt_status pt_check_view(const char *op, const char *name, pt_view v, int64_t rows, int64_t cols)
{
    if (!pt_view_ok(v)) return pt_fail(PT_ESHAPE, "%s: %s is missing", op, name);
    if (v.rows != rows || v.cols != cols)
        return pt_fail(PT_ESHAPE, "%s: %s is [%lld, %lld], expected [%lld, %lld]", op, name, (long long)v.rows, (long long)v.cols, (long long)rows,
                       (long long)cols);
    const pt_dtype_info *d = pt_dtype_get(v.type);
    if (cols < 0 || rows < 0 || v.ld < cols || v.ld % d->block || cols % d->block || (d->block > 1 && v.ld != cols))
        return pt_fail(PT_ESHAPE, "%s: %s has row length %lld and leading dimension %lld, not fit for %s", op, name, (long long)cols, (long long)v.ld,
                       d->name);
    if (!v.buf->base || rows == 0 || cols == 0) return PT_OK;
    size_t need = (size_t)(rows - 1) * pt_view_row_bytes(v) + (size_t)cols / d->block * d->bytes;
    if (v.off > v.buf->bytes || need > v.buf->bytes - v.off)
        return pt_fail(PT_ESHAPE, "%s: %s ends at byte %zu of a buffer of %zu", op, name, v.off + need, v.buf->bytes);
    return PT_OK;
}

pt_status pt_check_typed(const char *op, const char *name, pt_view v, pt_dtype type, int64_t rows, int64_t cols)
{
    PT_RETURN(pt_check_view(op, name, v, rows, cols));
    if (v.type != type)
        return pt_fail(PT_ENOSUP, "%s: %s is %s, this backend takes %s", op, name, pt_dtype_get(v.type)->name, pt_dtype_get(type)->name);
    return PT_OK;
}

pt_status pt_ws_take(pt_ws *ws, void *out_ptr, size_t bytes)
{
    size_t at = ws->used;
    void **out = out_ptr;
    *out = NULL;
    ws->used += pt_align_up(bytes, 64);
    if (ws->ctx->dry) return PT_OK;
    size_t have = pt_view_ok(ws->ctx->workspace) ? (size_t)ws->ctx->workspace.cols : 0;
    if (ws->used > have) return pt_fail(PT_ESTATE, "the workspace holds %zu bytes, this call needs %zu: the dry run missed it", have, ws->used);
    *out = (unsigned char *)pt_at(ws->ctx->workspace) + at;
    return PT_OK;
}

void pt_ws_done(pt_ws *ws)
{
    if (ws->ctx->dry && ws->used > ws->ctx->workspace_need) ws->ctx->workspace_need = ws->used;
}
