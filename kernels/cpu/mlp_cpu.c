#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

enum { PIECE = 4096, SMALL_WORK = 1 << 13 };

/* Every row is cut into pieces, so that one long row also spreads over the threads. */
static int64_t pieces_of(int64_t cols)
{
    return (cols + PIECE - 1) / PIECE;
}

static int64_t piece_len(int64_t at, int64_t cols)
{
    return cols - at < PIECE ? cols - at : PIECE;
}

/* Element `at` of row r; NULL of an absent view. */
static float *element(pt_view v, int64_t r, int64_t at)
{
    return pt_view_ok(v) ? pt_f32_row(v, r) + at : NULL;
}

pt_status pt_cpu_gated(pt_ctx *ctx, const pt_gated_args *a)
{
    PT_RETURN(pt_check_gated(ctx, a));
    int64_t n = a->g.rows, f = a->g.cols, pieces = pieces_of(f);
    if (ctx->dry || n == 0 || f == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * f > SMALL_WORK)
    for (int64_t t = 0; t < n * pieces; t++) {
        int64_t r = t / pieces, at = t % pieces * PIECE;
        PT_PICK(pt_gated_run)
        (element(a->y, r, at), element(a->g, r, at), element(a->u, r, at), piece_len(at, f), a->kind);
    }
    pt_prof_end(ctx, PT_PROF_MLP, t0, 5.0 * (double)n * (double)f);
    return PT_OK;
}

pt_status pt_cpu_gated_bwd(pt_ctx *ctx, const pt_gated_bwd_args *a)
{
    PT_RETURN(pt_check_gated_bwd(ctx, a));
    int64_t n = a->g.rows, f = a->g.cols, pieces = pieces_of(f);
    if (ctx->dry || n == 0 || f == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * f > SMALL_WORK)
    for (int64_t t = 0; t < n * pieces; t++) {
        int64_t r = t / pieces, at = t % pieces * PIECE;
        PT_PICK(pt_gated_bwd_run)
        (element(a->dg, r, at), element(a->du, r, at), element(a->y, r, at), element(a->dy, r, at), element(a->g, r, at), element(a->u, r, at),
         piece_len(at, f), a->kind);
    }
    pt_prof_end(ctx, PT_PROF_MLP, t0, 10.0 * (double)n * (double)f);
    return PT_OK;
}
