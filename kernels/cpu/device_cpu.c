#include "kernels/cpu/device_cpu.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/dequant_v.h"

/* Elements of one scratch block: 16 MiB as f32, near the last-level cache, and wide enough that packing x again for each block does
 * not show. Rows come in multiples of 64. */
enum { BLOCK_ELEMS = 4 << 20, MIN_ROWS = 64 };

pt_operand pt_operand_plan(const pt_ctx *ctx, pt_view w)
{
    pt_operand p = {.w = w, .type = pt_cpu_operand_type(ctx), .block_rows = w.rows};
    size_t elem = p.type == PT_BF16 ? 2 : 4;
    p.in_place = w.type == p.type; /* a file may leave it unaligned: oneDNN's loads do not ask for alignment */
    if (p.in_place) return p;
    int64_t rows = BLOCK_ELEMS / (w.cols > 0 ? w.cols : 1) / MIN_ROWS * MIN_ROWS;
    if (rows < MIN_ROWS) rows = MIN_ROWS;
    if (rows < w.rows) p.block_rows = rows;
    int64_t cap = BLOCK_ELEMS > MIN_ROWS * w.cols ? BLOCK_ELEMS : MIN_ROWS * w.cols;
    int64_t elems = w.rows < cap / (w.cols > 0 ? w.cols : 1) ? w.rows * w.cols : cap; /* min(rows*cols, cap): grows with both */
    p.bytes = (size_t)elems * elem;
    return p;
}

const void *pt_operand_rows(pt_ctx *ctx, const pt_operand *p, int64_t r0, int64_t n, void *scratch)
{
    pt_view w = p->w;
    const uint8_t *base = (const uint8_t *)pt_at(w) + (size_t)r0 * pt_view_row_bytes(w);
    if (p->in_place) return base;
    double t0 = pt_prof_begin(ctx);
    int64_t cols = w.cols;
    size_t row = pt_view_row_bytes(w);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < n; r++) {
        if (p->type == PT_BF16) PT_PICK(pt_vdequant_bf16)(w.type, base + (size_t)r * row, cols, (uint16_t *)scratch + r * cols);
        else PT_PICK(pt_vdequant)(w.type, base + (size_t)r * row, cols, (float *)scratch + r * cols);
    }
    pt_prof_end(ctx, PT_PROF_DEQUANT, t0, 0);
    return scratch;
}

pt_status pt_operand_act(pt_ctx *ctx, pt_ws *ws, pt_view x, const void **out, int64_t *ld)
{
    *out = NULL;
    *ld = x.ld;
    if (pt_cpu_operand_type(ctx) == PT_F32) {
        if (!ctx->dry) *out = pt_at(x);
        return PT_OK;
    }
    uint16_t *y;
    PT_RETURN(pt_ws_take(ws, &y, (size_t)x.rows * (size_t)x.cols * 2));
    *out = y;
    *ld = x.cols;
    if (ctx->dry) return PT_OK;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < x.rows; r++) PT_PICK(pt_vto_bf16)(pt_f32_row(x, r), x.cols, y + r * x.cols);
    return PT_OK;
}
