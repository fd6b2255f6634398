#include <string.h>

#include "base/rng.h"
#include "kernels/check_linear.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/device_cpu.h"
#include "kernels/cpu/lora_v.h"

/* Products are f32 in every compute type: adapters are small and their values are masters. */

enum { DROP_ROWS = 256 }; /* rows of dropped x that exist at a time */

typedef struct lora_work {
    pt_ctx *ctx;
    const pt_lora_args *a;
    float *t;    /* [N, sum of the parts' largest ranks] */
    float *drop; /* [DROP_ROWS, I] with dropout */
    float *side; /* [largest rank, largest O] backward: dB transposed */
    double flops;
} lora_work;

/* A run of tokens in one slot: neighbouring runs of the same slot are taken together. */
static bool next_run(const pt_lora_args *a, int *i, pt_lora_run *run)
{
    if (*i >= a->n_runs) return false;
    *run = a->runs[(*i)++];
    while (*i < a->n_runs && a->runs[*i].slot == run->slot && a->runs[*i].begin == run->end) run->end = a->runs[(*i)++].end;
    return true;
}

static pt_status work_begin(pt_ctx *ctx, const pt_lora_args *a, bool backward, lora_work *w)
{
    size_t ranks = 0, side = 0;
    for (int p = 0; p < a->n_parts; p++) {
        size_t r = 0, out = backward ? (size_t)a->parts[p].dy.cols : 0;
        for (int s = 0; s < a->n_slots; s++)
            if ((size_t)a->parts[p].slots[s].rank > r) r = (size_t)a->parts[p].slots[s].rank;
        ranks += r;
        if (r * out > side) side = r * out;
    }
    pt_ws ws = pt_ws_begin(ctx);
    *w = (lora_work){.ctx = ctx, .a = a};
    PT_RETURN(pt_ws_take(&ws, &w->t, (size_t)a->x.rows * ranks * sizeof *w->t));
    if (a->dropout > 0) PT_RETURN(pt_ws_take(&ws, &w->drop, (size_t)DROP_ROWS * (size_t)a->x.cols * sizeof *w->drop));
    PT_RETURN(pt_ws_take(&ws, &w->side, side * sizeof *w->side));
    pt_ws_done(&ws);
    return PT_OK;
}

static pt_status gemm(lora_work *w, pt_gemm_args g)
{
    g.type = PT_F32;
    w->flops += 2.0 * (double)g.m * (double)g.n * (double)g.k;
    return pt_gemm_run(pt_cpu_gemm(w->ctx), &g);
}

/* True when y lies right behind x in memory, so that both are one matrix. Absent views follow absent ones. */
static bool follows(pt_view x, pt_view y)
{
    if (!pt_view_ok(x) || !pt_view_ok(y)) return !pt_view_ok(x) && !pt_view_ok(y);
    return x.ld == x.cols && y.ld == y.cols && x.cols == y.cols && pt_f32_at(y) == pt_f32_at(x) + x.rows * x.cols;
}

/* Parts [p, q) that run through slot s as one: their A's (and, backward, dA's) are adjacent. One part alone with dropout, or with a dt of its own. */
static int group_end(const pt_lora_args *a, int p, int s, bool backward, int *rank)
{
    int q = p + 1;
    *rank = a->parts[p].slots[s].rank;
    if (a->dropout > 0 || a->half != PT_LORA_BOTH || *rank == 0) return q;
    for (; q < a->n_parts; q++) {
        const pt_lora_slot *l = &a->parts[q - 1].slots[s], *r = &a->parts[q].slots[s];
        if (r->rank == 0 || !follows(l->a, r->a) || (backward && !follows(l->da, r->da))) break;
        *rank += r->rank;
    }
    return q;
}

static void drop_rows(const pt_lora_args *a, uint32_t module, int64_t n0, int64_t n, float *out)
{
    const uint64_t *key = pt_at(a->token_key);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        pt_drop_args d = {a->seed, pt_hash_mix(key[n0 + i], a->step), module, a->dropout};
        PT_PICK(pt_vdrop)(&d, pt_f32_row(a->x, n0 + i), a->x.cols, out + i * a->x.cols, 0);
    }
}

/* t[n, rank] = drop(x) . A^T for the run */
static pt_status shrink(lora_work *w, const pt_lora_part *p, const pt_lora_run *run, int rank, float *t, int64_t ldt)
{
    const pt_lora_args *a = w->a;
    pt_view A = p->slots[run->slot].a;
    pt_gemm_args g = {.tb = true, .m = run->end - run->begin, .n = rank, .k = a->x.cols, .alpha = 1, .a = pt_f32_row(a->x, run->begin),
                      .lda = a->x.ld, .b = pt_f32_at(A), .ldb = A.ld, .c = t, .ldc = ldt};
    if (a->dropout == 0) return gemm(w, g);
    for (int64_t n = run->begin; n < run->end; n += DROP_ROWS) {
        g.m = run->end - n < DROP_ROWS ? run->end - n : DROP_ROWS;
        drop_rows(a, p->module, n, g.m, w->drop);
        g.a = w->drop;
        g.lda = a->x.cols;
        g.c = t + (n - run->begin) * ldt;
        PT_RETURN(gemm(w, g));
    }
    return PT_OK;
}

/* Parts [p, q) of a run, forward. t lies where the caller keeps it when that is one part, else in the workspace first. */
static pt_status forward_group(lora_work *w, const pt_lora_run *run, int p, int q, int rank)
{
    const pt_lora_args *a = w->a;
    int64_t rows = run->end - run->begin, ldt = rank;
    float *t = w->t;
    bool direct = q == p + 1 && pt_view_ok(a->parts[p].t);
    if (direct) {
        t = pt_f32_row(a->parts[p].t, run->begin);
        ldt = a->parts[p].t.ld;
    }
    PT_RETURN(shrink(w, &a->parts[p], run, rank, t, ldt));
    for (int at = 0; p < q; p++) {
        const pt_lora_part *part = &a->parts[p];
        const pt_lora_slot *s = &part->slots[run->slot];
        if (!direct && pt_view_ok(part->t))
            for (int64_t n = 0; n < rows; n++) memcpy(pt_f32_row(part->t, run->begin + n), t + n * ldt + at, (size_t)s->rank * sizeof *t);
        pt_gemm_args g = {.tb = true, .m = rows, .n = part->y.cols, .k = s->rank, .alpha = s->scale, .a = t + at, .lda = ldt, .b = pt_f32_at(s->b),
                          .ldb = s->b.ld, .beta = 1, .c = pt_f32_row(part->y, run->begin), .ldc = part->y.ld};
        PT_RETURN(gemm(w, g));
        at += s->rank;
    }
    return PT_OK;
}

pt_status pt_cpu_lora(pt_ctx *ctx, const pt_lora_args *a)
{
    lora_work w;
    pt_lora_run run;
    int i = 0, rank;
    PT_RETURN(pt_check_lora(ctx, a, false));
    PT_RETURN(pt_lora_base(ctx, a, false));
    PT_RETURN(work_begin(ctx, a, false, &w));
    if (ctx->dry) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    while (next_run(a, &i, &run)) {
        if (run.slot < 0 || run.begin == run.end) continue;
        for (int p = 0, q; p < a->n_parts; p = q) {
            q = group_end(a, p, run.slot, false, &rank);
            if (rank > 0) PT_RETURN(forward_group(&w, &run, p, q, rank));
        }
    }
    pt_prof_end(ctx, PT_PROF_LORA, t0, w.flops);
    return PT_OK;
}

/* dA += dt^T . drop(x) and dx += keep * (dt . A), with dropout: piece of rows by piece of rows. */
static pt_status input_side_dropped(lora_work *w, const pt_lora_part *p, const pt_lora_run *run, const float *dt, int64_t ldt)
{
    const pt_lora_args *a = w->a;
    const pt_lora_slot *s = &p->slots[run->slot];
    const uint64_t *key = pt_at(a->token_key);
    int64_t in = a->x.cols;
    for (int64_t n = run->begin; n < run->end; n += DROP_ROWS) {
        int64_t rows = run->end - n < DROP_ROWS ? run->end - n : DROP_ROWS;
        const float *d = dt + (n - run->begin) * ldt;
        if (a->half != PT_LORA_TO_X && pt_view_ok(s->da)) {
            drop_rows(a, p->module, n, rows, w->drop);
            PT_RETURN(gemm(w, (pt_gemm_args){.ta = true, .m = s->rank, .n = in, .k = rows, .alpha = 1, .a = d, .lda = ldt, .b = w->drop,
                                             .ldb = in, .beta = 1, .c = pt_f32_at(s->da), .ldc = s->da.ld}));
        }
        if (!pt_view_ok(a->dx)) continue;
        PT_RETURN(gemm(w, (pt_gemm_args){.m = rows, .n = in, .k = s->rank, .alpha = 1, .a = d, .lda = ldt, .b = pt_f32_at(s->a), .ldb = s->a.ld,
                                         .c = w->drop, .ldc = in}));
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < rows; i++) {
            pt_drop_args da = {a->seed, pt_hash_mix(key[n + i], a->step), p->module, a->dropout};
            PT_PICK(pt_vdrop)(&da, w->drop + i * in, in, pt_f32_row(a->dx, n + i), 1);
        }
    }
    return PT_OK;
}

/* The same without dropout: two products for all parts of the group. */
static pt_status input_side(lora_work *w, const pt_lora_part *p, const pt_lora_run *run, int rank, const float *dt, int64_t ldt)
{
    const pt_lora_args *a = w->a;
    const pt_lora_slot *s = &p->slots[run->slot];
    int64_t rows = run->end - run->begin, in = a->x.cols;
    if (a->half != PT_LORA_TO_X && pt_view_ok(s->da))
        PT_RETURN(gemm(w, (pt_gemm_args){.ta = true, .m = rank, .n = in, .k = rows, .alpha = 1, .a = dt, .lda = ldt, .b = pt_f32_row(a->x, run->begin),
                                         .ldb = a->x.ld, .beta = 1, .c = pt_f32_at(s->da), .ldc = s->da.ld}));
    if (pt_view_ok(a->dx))
        PT_RETURN(gemm(w, (pt_gemm_args){.m = rows, .n = in, .k = rank, .alpha = 1, .a = dt, .lda = ldt, .b = pt_f32_at(s->a), .ldb = s->a.ld,
                                         .beta = 1, .c = pt_f32_row(a->dx, run->begin), .ldc = a->dx.ld}));
    return PT_OK;
}

/* dB += scale * dy^T . t, by way of t^T . dy: GEMMs with a short side are up to 2.5 times as fast with that side first. */
static pt_status grad_b(lora_work *w, const pt_lora_part *p, const pt_lora_run *run)
{
    const pt_lora_slot *s = &p->slots[run->slot];
    int64_t out = p->dy.cols, rank = s->rank;
    PT_RETURN(gemm(w, (pt_gemm_args){.ta = true, .m = rank, .n = out, .k = run->end - run->begin, .alpha = s->scale, .a = pt_f32_row(p->t, run->begin),
                                     .lda = p->t.ld, .b = pt_f32_row(p->dy, run->begin), .ldb = p->dy.ld, .c = w->side, .ldc = out}));
#pragma omp parallel for schedule(static)
    for (int64_t o = 0; o < out; o++) {
        float *db = pt_f32_row(s->db, o);
        for (int64_t k = 0; k < rank; k++) db[k] += w->side[k * out + o];
    }
    return PT_OK;
}

static pt_status backward_group(lora_work *w, const pt_lora_run *run, int p, int q, int rank)
{
    const pt_lora_args *a = w->a;
    const pt_lora_part *first = &a->parts[p];
    int64_t rows = run->end - run->begin;
    bool input = pt_view_ok(a->dx) || pt_view_ok(first->slots[run->slot].da), kept = a->half != PT_LORA_BOTH; /* one part: its own dt */
    float *dt = kept ? pt_f32_row(first->dt, run->begin) : w->t;
    const int64_t ldt = kept ? first->dt.ld : rank;
    for (int at = 0; p < q; p++) {
        const pt_lora_part *part = &a->parts[p];
        const pt_lora_slot *s = &part->slots[run->slot];
        const float *dy = pt_f32_row(part->dy, run->begin);
        if (a->half != PT_LORA_TO_X && pt_view_ok(s->db)) PT_RETURN(grad_b(w, part, run));
        if (input && a->half != PT_LORA_OWN)
            PT_RETURN(gemm(w, (pt_gemm_args){.m = rows, .n = s->rank, .k = part->dy.cols, .alpha = s->scale, .a = dy, .lda = part->dy.ld,
                                             .b = pt_f32_at(s->b), .ldb = s->b.ld, .c = dt + at, .ldc = ldt}));
        at += s->rank;
    }
    if (!input) return PT_OK;
    return a->dropout > 0 ? input_side_dropped(w, first, run, dt, ldt) : input_side(w, first, run, rank, dt, ldt);
}

pt_status pt_cpu_lora_bwd(pt_ctx *ctx, const pt_lora_args *a)
{
    lora_work w;
    pt_lora_run run;
    int i = 0, rank;
    PT_RETURN(pt_check_lora(ctx, a, true));
    PT_RETURN(pt_lora_base(ctx, a, true));
    PT_RETURN(work_begin(ctx, a, true, &w));
    if (ctx->dry) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    while (next_run(a, &i, &run)) {
        if (run.slot < 0 || run.begin == run.end) continue;
        for (int p = 0, q; p < a->n_parts; p = q) {
            q = group_end(a, p, run.slot, true, &rank);
            if (rank > 0) PT_RETURN(backward_group(&w, &run, p, q, rank));
        }
    }
    pt_prof_end(ctx, PT_PROF_LORA, t0, w.flops);
    return PT_OK;
}
