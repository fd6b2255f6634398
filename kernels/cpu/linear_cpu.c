#include <string.h>

#include "kernels/check_linear.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/dequant_v.h"
#include "kernels/cpu/device_cpu.h"
#include "kernels/cpu/digits_v.h"
#include "kernels/cpu/lanes_v.h"
#include "kernels/cpu/packed_v.h"

static pt_gemv_args gemv_of(const pt_linear_args *a)
{
    return (pt_gemv_args){.type = a->w.type, .w = pt_at(a->w), .row_bytes = pt_view_row_bytes(a->w), .cols = a->w.cols, .x = pt_f32_at(a->x),
                          .x_ld = a->x.ld, .n = (int)a->x.rows, .y = pt_f32_at(a->y), .y_ld = a->y.ld, .beta = a->beta};
}

/* Few rows against the second form of a matrix. False where x has no bytes: nothing is written then. */
static bool packed_rows(const pt_linear_args *a, pt_packed_x *x)
{
    pt_gemv_args g = gemv_of(a);
    const int64_t blocks = g.cols / 32, strips = (a->w.rows + PT_PACKED_ROWS - 1) / PT_PACKED_ROWS;
    g.w = a->w.buf->packed;
    for (int r = 0; r < g.n; r++)
        if (!PT_PICK(pt_vpacked_put)(g.type, g.x + r * g.x_ld, g.cols, x + r * blocks)) return false;
#pragma omp parallel for schedule(static)
    for (int64_t s = 0; s < strips; s++) {
        const int64_t o = s * PT_PACKED_ROWS, left = a->w.rows - o;
        PT_PICK(pt_vpacked_gemv)(&g, x, o, left < PT_PACKED_ROWS ? a->w.rows : o + PT_PACKED_ROWS);
    }
    return true;
}

/* Few rows: every weight is read once from where it lies and meets all rows of x; threads share the output features. */
static void few_rows(const pt_linear_args *a, pt_digits *x, pt_packed_x *packed)
{
    const pt_gemv_args g = gemv_of(a);
    if (a->w.buf->packed && a->w.off == 0 && packed && packed_rows(a, packed)) return;
    int64_t step = 16, blocks = (a->w.rows + step - 1) / step;
    bool digits = g.n == 1 && pt_digits_type(g.type) && PT_PICK(pt_vdigits)(g.x, g.cols, x);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks; b++) {
        int64_t end = (b + 1) * step < a->w.rows ? (b + 1) * step : a->w.rows;
        if (digits) PT_PICK(pt_vdigits_gemv)(&g, x, b * step, end);
        else PT_PICK(pt_vgemv)(&g, b * step, end);
    }
}

/* Pieces of work that a thread takes at a time: some eight a thread, so that one which starts late or shares its core with others holds nobody up. */
static int64_t at_a_time(int64_t pieces)
{
    int64_t n = pieces / (8 * (int64_t)pt_threads_get());
    return n > 1 ? n : 1;
}

/* Rows as lanes: x becomes bytes once, then threads share the output features. False where x has no bytes: nothing is written then. */
static bool rows_as_lanes(const pt_linear_args *a, int places, pt_lane_block *x)
{
    const pt_gemv_args g = gemv_of(a);
    const int64_t blocks = g.cols / 32, items = blocks * ((g.n + PT_LANES_ROWS - 1) / PT_LANES_ROWS), steps = (a->w.rows + PT_LANES_STEP - 1) / PT_LANES_STEP,
                  chunk = at_a_time(steps);
    int bad = 0;
#pragma omp parallel
    {
#pragma omp for schedule(static) reduction(+ : bad)
        for (int64_t i = 0; i < items; i++) bad += !PT_PICK(pt_vlanes_put)(&g, places, i / blocks, i % blocks, &x[i]);
        if (!bad) {
#pragma omp for schedule(dynamic, chunk) nowait
            for (int64_t s = 0; s < steps; s++) {
                const int64_t o = s * PT_LANES_STEP, left = a->w.rows - o;
                PT_PICK(pt_vlanes_gemm)(&g, places, x, o, left < PT_LANES_STEP ? a->w.rows : o + PT_LANES_STEP);
            }
        }
    }
    return !bad;
}

static void add_bias(const pt_linear_args *a)
{
    size_t elem = pt_dtype_get(a->b.type)->bytes;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < a->x.rows; n++) {
        float buf[512], *y = pt_f32_row(a->y, n);
        for (int64_t o = 0; o < a->w.rows; o += 512) {
            int64_t now = a->w.rows - o < 512 ? a->w.rows - o : 512;
            PT_PICK(pt_vdequant)(a->b.type, (const uint8_t *)pt_at(a->b) + (size_t)o * elem, now, buf);
            for (int64_t i = 0; i < now; i++) y[o + i] += buf[i];
        }
    }
}

static pt_status many_rows(pt_ctx *ctx, pt_ws *ws, const pt_linear_args *a)
{
    pt_operand op = pt_operand_plan(ctx, a->w);
    const void *x;
    void *scratch;
    int64_t ldx;
    PT_RETURN(pt_ws_take(ws, &scratch, op.bytes));
    PT_RETURN(pt_operand_act(ctx, ws, a->x, &x, &ldx));
    pt_ws_done(ws);
    if (ctx->dry) return PT_OK;
    if (op.type == PT_F32 && a->x.rows >= PT_GEMM_STORED_ROWS) /* dequantised strip by strip */
        return pt_gemm_run(pt_cpu_gemm(ctx), &(pt_gemm_args){.tb = true, .m = a->x.rows, .n = a->w.rows, .k = a->w.cols, .alpha = 1, .a = x, .lda = ldx,
                                                             .b = pt_at(a->w), .ldb = a->w.ld, .beta = a->beta, .c = pt_f32_at(a->y), .ldc = a->y.ld,
                                                             .stored = a->w.type});
    for (int64_t o = 0; o < a->w.rows; o += op.block_rows) {
        int64_t now = a->w.rows - o < op.block_rows ? a->w.rows - o : op.block_rows;
        pt_gemm_args g = {.type = op.type, .tb = true, .m = a->x.rows, .n = now, .k = a->w.cols, .alpha = 1, .a = x, .lda = ldx,
                          .b = pt_operand_rows(ctx, &op, o, now, scratch), .ldb = a->w.cols, .beta = a->beta, .c = pt_f32_at(a->y) + o, .ldc = a->y.ld};
        if (op.in_place) g.ldb = a->w.ld;
        PT_RETURN(pt_gemm_run(pt_cpu_gemm(ctx), &g));
    }
    return PT_OK;
}

/* The time of an op without what its dequantising noted for itself. */
static void note(pt_ctx *ctx, double t0, double dequant0, double flops)
{
    pt_prof_end(ctx, PT_PROF_LINEAR, t0, flops);
    if (ctx->profile && !ctx->dry) ctx->profile->seconds[PT_PROF_LINEAR] -= ctx->profile->seconds[PT_PROF_DEQUANT] - dequant0;
}

static double dequant_seconds(const pt_ctx *ctx)
{
    return ctx->profile ? ctx->profile->seconds[PT_PROF_DEQUANT] : 0;
}

/* What rows of x become, by the product that takes them; NULL: it is not taken. */
typedef struct forms {
    pt_digits *digits;
    pt_lane_block *lanes;
    pt_packed_x *packed;
} forms;

/* The room grows with the rows, whatever product they take. */
static pt_status take_forms(pt_ws *ws, const pt_linear_args *a, forms *f)
{
    const int64_t blocks = a->x.cols / 32, few = a->x.rows < PT_GEMV_ROWS ? a->x.rows : PT_GEMV_ROWS, rows = a->x.rows < PT_LANES_MOST ? a->x.rows : PT_LANES_MOST;
    *f = (forms){0};
    if (pt_digits_type(a->w.type)) PT_RETURN(pt_ws_take(ws, &f->digits, (size_t)pt_digits_quads(a->x.cols) * sizeof *f->digits));
    if (PT_PICK(pt_vpacked_bytes)(a->w.type, a->w.rows, a->w.cols)) PT_RETURN(pt_ws_take(ws, &f->packed, (size_t)(few * blocks) * sizeof *f->packed));
    if (rows > PT_GEMV_ROWS && PT_PICK(pt_vlanes)(a->w.type))
        PT_RETURN(pt_ws_take(ws, &f->lanes, (size_t)((rows + PT_LANES_ROWS - 1) / PT_LANES_ROWS * blocks) * sizeof *f->lanes));
    return PT_OK;
}

pt_status pt_cpu_product(pt_ctx *ctx, const pt_linear_args *a)
{
    forms f;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(take_forms(&ws, a, &f));
    if (f.lanes && a->x.rows <= PT_LANES_MOST && !ctx->dry && rows_as_lanes(a, pt_cpu_operand_type(ctx) == PT_F32 ? 3 : 2, f.lanes)) {
        pt_ws_done(&ws);
        return PT_OK;
    }
    if (a->x.rows > PT_GEMV_ROWS) return many_rows(ctx, &ws, a);
    pt_ws_done(&ws);
    if (!ctx->dry) few_rows(a, f.digits, f.packed);
    return PT_OK;
}

pt_status pt_cpu_linear(pt_ctx *ctx, const pt_linear_args *a)
{
    PT_RETURN(pt_check_linear(ctx, a));
    if (a->x.rows == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx), d0 = dequant_seconds(ctx);
    PT_RETURN(pt_cpu_product(ctx, a));
    if (pt_view_ok(a->b) && !ctx->dry) add_bias(a);
    note(ctx, t0, d0, 2.0 * (double)a->x.rows * (double)a->w.rows * (double)a->w.cols);
    return PT_OK;
}

pt_status pt_cpu_linear_bwd_x(pt_ctx *ctx, const pt_linear_bwd_x_args *a)
{
    PT_RETURN(pt_check_linear_bwd_x(ctx, a));
    if (a->dx.rows == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx), d0 = dequant_seconds(ctx);
    pt_ws ws = pt_ws_begin(ctx);
    pt_operand op = pt_operand_plan(ctx, a->w);
    const void *dy;
    void *scratch;
    int64_t ldy;
    PT_RETURN(pt_ws_take(&ws, &scratch, op.bytes));
    PT_RETURN(pt_operand_act(ctx, &ws, a->dy, &dy, &ldy));
    pt_ws_done(&ws);
    if (ctx->dry) return PT_OK;
    size_t elem = op.type == PT_BF16 ? 2 : 4;
    for (int64_t o = 0; o < a->w.rows; o += op.block_rows) {
        int64_t now = a->w.rows - o < op.block_rows ? a->w.rows - o : op.block_rows;
        pt_gemm_args g = {.type = op.type, .m = a->dx.rows, .n = a->w.cols, .k = now, .alpha = 1, .a = (const uint8_t *)dy + (size_t)o * elem,
                          .lda = ldy, .b = pt_operand_rows(ctx, &op, o, now, scratch), .ldb = op.in_place ? a->w.ld : a->w.cols,
                          .beta = o ? 1 : a->beta, .c = pt_f32_at(a->dx), .ldc = a->dx.ld};
        PT_RETURN(pt_gemm_run(pt_cpu_gemm(ctx), &g));
    }
    if (a->w.rows == 0 && a->beta == 0)
        for (int64_t n = 0; n < a->dx.rows; n++) memset(pt_f32_row(a->dx, n), 0, (size_t)a->dx.cols * 4);
    note(ctx, t0, d0, 2.0 * (double)a->dx.rows * (double)a->w.rows * (double)a->w.cols);
    return PT_OK;
}

/* db: each column is summed over the rows in order, so the thread count does not matter. */
static void bias_grad(const pt_linear_bwd_w_args *a)
{
    int64_t cols = a->dy.cols, step = 64;
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < cols; c += step) {
        float sum[64] = {0}, *db = pt_f32_at(a->db) + c;
        int64_t now = cols - c < step ? cols - c : step;
        for (int64_t n = 0; n < a->dy.rows; n++) {
            const float *dy = pt_f32_row(a->dy, n) + c;
            for (int64_t i = 0; i < now; i++) sum[i] += dy[i];
        }
        for (int64_t i = 0; i < now; i++) db[i] += sum[i];
    }
}

pt_status pt_cpu_linear_bwd_w(pt_ctx *ctx, const pt_linear_bwd_w_args *a)
{
    PT_RETURN(pt_check_linear_bwd_w(ctx, a));
    if (a->dy.rows == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx), d0 = dequant_seconds(ctx);
    if (pt_view_ok(a->dw)) {
        pt_ws ws = pt_ws_begin(ctx);
        const void *dy, *x;
        int64_t ldy, ldx;
        PT_RETURN(pt_operand_act(ctx, &ws, a->dy, &dy, &ldy));
        PT_RETURN(pt_operand_act(ctx, &ws, a->x, &x, &ldx));
        pt_ws_done(&ws);
        pt_gemm_args g = {.type = pt_cpu_operand_type(ctx), .ta = true, .m = a->dy.cols, .n = a->x.cols, .k = a->dy.rows, .alpha = 1, .a = dy,
                          .lda = ldy, .b = x, .ldb = ldx, .beta = 1};
        if (!ctx->dry) {
            g.c = pt_f32_at(a->dw);
            g.ldc = a->dw.ld;
            PT_RETURN(pt_gemm_run(pt_cpu_gemm(ctx), &g));
        }
    }
    if (pt_view_ok(a->db) && !ctx->dry) bias_grad(a);
    note(ctx, t0, d0, pt_view_ok(a->dw) ? 2.0 * (double)a->dy.rows * (double)a->dy.cols * (double)a->x.cols : 0);
    return PT_OK;
}
