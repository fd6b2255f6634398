/* LoRA for compute f32: kernels/lora.h by cuBLASLt products in f32, a run and a part at a time; dropout by two small kernels.
 */
#include "kernels/cuda/gemm_cuda.h"
#include "kernels/cuda/lora.cuh"

namespace
{
constexpr int BLOCK = 256;

/* y = keep * x, or y += keep * x; [n, c], token r is token n0 + r of the keys */
__global__ void __launch_bounds__(BLOCK) drop_f32_k(float *y, int64_t ld_y, const float *x, int64_t ld_x, pt_lora_drop d,
                                                    uint32_t module, int64_t n0, int64_t n, int64_t c, bool add)
{
    int64_t quad = (int64_t)blockIdx.x * BLOCK + threadIdx.x;
    if (4 * quad >= c) return;
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y) {
        float keep[4];
        pt_lora_keep(d, module, d.key[n0 + r], (uint32_t)quad, keep);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int64_t f = 4 * quad + i;
            if (f < c) y[r * ld_y + f] = keep[i] * x[r * ld_x + f] + (add ? y[r * ld_y + f] : 0.0f);
        }
    }
}

struct work {
    pt_ctx *ctx;
    const pt_lora_args *a;
    float *t, *x; /* [N, largest rank]; [N, I] with dropout */
    void *scratch;
};

pt_status gemm(const work *w, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
               const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    pt_cuda_gemm_args g = {};
    g.type = g.ctype = PT_F32, g.ta = ta, g.tb = tb, g.m = m, g.n = n, g.k = k, g.alpha = alpha, g.a = a, g.lda = lda, g.b = b,
    g.ldb = ldb;
    g.beta = beta, g.c = c, g.ldc = ldc, g.scratch = w->scratch;
    return pt_cuda_gemm(w->ctx, &g);
}

pt_status drop(const work *w, const pt_lora_part *p, int64_t n0, int64_t n, float *y, int64_t ld_y, const float *x,
               int64_t ld_x, bool add)
{
    int64_t c = w->a->x.cols;
    dim3 grid((unsigned)pt_ceil_div(pt_ceil_div(c, 4), BLOCK), pt_grid_y(n));
    return pt_launch(drop_f32_k, grid, dim3(BLOCK), 0, pt_stream(w->ctx), y, ld_y, x, ld_x, pt_lora_drop_of(w->a), p->module,
                     n0, n, c, add);
}

float *row(pt_view v, int64_t r)
{
    return pt_ptr<float>(v) + r * v.ld;
}

/* x of the run, dropped into the workspace where there is dropout. */
pt_status input(const work *w, const pt_lora_part *p, const pt_lora_run *run, const float **x, int64_t *ld)
{
    *x = row(w->a->x, run->begin), *ld = w->a->x.ld;
    if (w->a->dropout == 0) return PT_OK;
    PT_RETURN(drop(w, p, run->begin, run->end - run->begin, w->x, w->a->x.cols, *x, *ld, false));
    *x = w->x, *ld = w->a->x.cols;
    return PT_OK;
}

pt_status forward(const work *w, const pt_lora_part *p, const pt_lora_run *run)
{
    const pt_lora_slot *s = &p->slots[run->slot];
    int64_t n = run->end - run->begin, ld, ld_t = pt_view_ok(p->t) ? p->t.ld : s->rank;
    float *t = pt_view_ok(p->t) ? row(p->t, run->begin) : w->t;
    const float *x;
    PT_RETURN(input(w, p, run, &x, &ld));
    PT_RETURN(gemm(w, false, true, n, s->rank, w->a->x.cols, 1, x, ld, pt_ptr<float>(s->a), s->a.ld, 0, t, ld_t));
    return gemm(w, false, true, n, p->y.cols, s->rank, s->scale, t, ld_t, pt_ptr<float>(s->b), s->b.ld, 1,
                row(p->y, run->begin), p->y.ld);
}

pt_status backward_part(const work *w, const pt_lora_part *p, const pt_lora_run *run)
{
    const pt_lora_slot *s = &p->slots[run->slot];
    int64_t n = run->end - run->begin, in = w->a->x.cols, ld;
    const float *dy = row(p->dy, run->begin), *x;
    pt_view dx = w->a->dx;
    const pt_lora_half half = w->a->half;
    float *dt = half == PT_LORA_BOTH ? w->t : row(p->dt, run->begin);
    const int64_t ld_t = half == PT_LORA_BOTH ? s->rank : p->dt.ld;
    if (half != PT_LORA_TO_X && pt_view_ok(s->db))
        PT_RETURN(gemm(w, true, false, p->dy.cols, s->rank, n, s->scale, dy, p->dy.ld, row(p->t, run->begin), p->t.ld, 1,
                       pt_ptr<float>(s->db), s->db.ld));
    if (!pt_view_ok(s->da) && !pt_view_ok(dx)) return PT_OK;
    if (half != PT_LORA_OWN)
        PT_RETURN(gemm(w, false, false, n, s->rank, p->dy.cols, s->scale, dy, p->dy.ld, pt_ptr<float>(s->b), s->b.ld, 0, dt, ld_t));
    if (half != PT_LORA_TO_X && pt_view_ok(s->da)) {
        PT_RETURN(input(w, p, run, &x, &ld));
        PT_RETURN(gemm(w, true, false, s->rank, in, n, 1, dt, ld_t, x, ld, 1, pt_ptr<float>(s->da), s->da.ld));
    }
    if (!pt_view_ok(dx)) return PT_OK;
    if (w->a->dropout == 0)
        return gemm(w, false, false, n, in, s->rank, 1, dt, ld_t, pt_ptr<float>(s->a), s->a.ld, 1, row(dx, run->begin),
                    dx.ld);
    PT_RETURN(gemm(w, false, false, n, in, s->rank, 1, dt, ld_t, pt_ptr<float>(s->a), s->a.ld, 0, w->x, in));
    return drop(w, p, run->begin, n, row(dx, run->begin), dx.ld, w->x, in, true);
}
} // namespace

pt_status pt_cuda_lora_f32(pt_ctx *ctx, const pt_lora_args *a, bool backward)
{
    work w = {ctx, a, NULL, NULL, NULL};
    pt_lora_run run;
    int rank = 0;
    for (int p = 0; p < a->n_parts; p++)
        rank = pt_lora_rank(&a->parts[p], a->n_slots) > rank ? pt_lora_rank(&a->parts[p], a->n_slots) : rank;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &w.t, (size_t)a->x.rows * (size_t)rank * sizeof(float)));
    if (a->dropout > 0) PT_RETURN(pt_take(&ws, &w.x, (size_t)a->x.rows * (size_t)a->x.cols * sizeof(float)));
    PT_RETURN(pt_take(&ws, &w.scratch, PT_GEMM_SCRATCH));
    pt_ws_done(&ws);
    if (ctx->dry || a->x.rows == 0) return PT_OK;
    for (int i = 0; pt_lora_next(a, &i, &run);) {
        if (run.slot < 0 || run.begin == run.end) continue;
        for (int p = 0; p < a->n_parts; p++) {
            if (a->parts[p].slots[run.slot].rank == 0) continue;
            PT_RETURN(backward ? backward_part(&w, &a->parts[p], &run) : forward(&w, &a->parts[p], &run));
        }
    }
    return PT_OK;
}
