/* What every backend on the host shares: addresses of views, checks of shapes, and the workspace. */
#ifndef PT_KERNELS_CHECK_H
#define PT_KERNELS_CHECK_H
#include <stdarg.h>
#include "kernels/ctx.h"

/* Address of a view's first element. Never called in a dry run (base is NULL there). */
static inline void *pt_at(pt_view v) { return v.buf->base + v.off; }
static inline float *pt_f32_at(pt_view v) { return (float *)(void *)(v.buf->base + v.off); }
/* Row r of an f32 view. */
static inline float *pt_f32_row(pt_view v, int64_t r) { return pt_f32_at(v) + r * v.ld; }

/* PT_ESHAPE with names and numbers unless v is present, has this shape and lies inside its buffer (the latter not in a dry run). */
pt_status pt_check_view(const char *op, const char *name, pt_view v, int64_t rows, int64_t cols);
/* The same, and PT_ENOSUP unless the element type is `type`. */
pt_status pt_check_typed(const char *op, const char *name, pt_view v, pt_dtype type, int64_t rows, int64_t cols);

/* Workspace of one op call. In a dry run take() only counts; in a real call it hands out 64-byte aligned pieces of ctx->workspace,
 * PT_ESTATE past its end. pt_ws_done raises ctx->workspace_need in a dry run. */
typedef struct pt_ws {
    pt_ctx *ctx;
    size_t used;
} pt_ws;
static inline pt_ws pt_ws_begin(pt_ctx *ctx) { return (pt_ws){ctx, 0}; }
pt_status pt_ws_take(pt_ws *ws, void *out_ptr, size_t bytes); /* *out = NULL in a dry run */
void pt_ws_done(pt_ws *ws);
#endif
