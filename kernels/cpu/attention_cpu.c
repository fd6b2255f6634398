/* Attention on the CPU: cuts the work into items (attention_v.h), orders them, and lets the threads take them one by one.
 *
 * Order: the blocks with most keys first; for each block all KV heads. dk and dv of one cell of keys receive their items in
 * this order, whichever thread works on them: an item that comes too early waits for those before it, which are done or in work
 * (items are handed out in order), so nobody waits for ever and the bits do not depend on the thread count. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/check_ops.h"
#include "kernels/cpu/attention_v.h"
#include "kernels/cpu/cpu.h"
#include "kernels/forest.h"

typedef struct plan {
    int32_t n_blocks, n_cells;
    int threads;
    int64_t *order;        /* [n_blocks] cost << 32 | INT32_MAX - block, largest first */
    int32_t *turn_of;      /* [n_blocks][n_cells] (backward) */
    _Atomic int32_t *turn; /* [n_kv][n_cells] (backward) */
    float *scratch;
    size_t scratch_each; /* floats */
} plan;

static int block_tokens(int group, int dim)
{
    int rows = dim <= 128 ? PT_ATTN_ROWS : PT_ATTN_ROWS / 2;
    return group < rows ? rows / group : 1;
}

static void set_blocks(pt_attn_job *j, int group, int dim)
{
    j->group = group;
    j->dim = dim;
    j->block_tokens = block_tokens(group, dim);
    j->row_pad = (j->block_tokens * group + 15) / 16 * 16;
}

/* Sizes and the workspace; nothing is read from the forest, so that a dry run asks for the same. */
static pt_status plan_begin(plan *p, pt_ws *ws, const pt_attn_job *j, int64_t n, int n_kv, bool backward)
{
    *p = (plan){.threads = pt_threads_get()};
    p->n_blocks = (int32_t)((n + j->block_tokens - 1) / j->block_tokens);
    p->n_cells = (int32_t)((n + PT_ATTN_CELL - 1) / PT_ATTN_CELL);
    p->scratch_each =
        pt_align_up(backward ? pt_attn_scratch_bwd(j->row_pad, j->dim) : pt_attn_scratch_fwd(j->row_pad, j->dim), 16);
    PT_RETURN(pt_ws_take(ws, &p->order, (size_t)p->n_blocks * sizeof *p->order));
    if (backward) {
        PT_RETURN(pt_ws_take(ws, &p->turn_of, (size_t)p->n_blocks * (size_t)p->n_cells * sizeof *p->turn_of));
        PT_RETURN(pt_ws_take(ws, &p->turn, (size_t)n_kv * (size_t)p->n_cells * sizeof *p->turn));
    }
    return pt_ws_take(ws, &p->scratch, (size_t)p->threads * p->scratch_each * sizeof(float));
}

static int descending(const void *pa, const void *pb)
{
    int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
    return a > b ? -1 : a < b;
}

static int32_t block_of(const plan *p, int32_t i)
{
    return INT32_MAX - (int32_t)(p->order[i] & INT32_MAX);
}

static int32_t block_end(const pt_attn_job *j, int32_t q0)
{
    int32_t n = j->forest->n_tokens;
    return n - q0 < j->block_tokens ? n : q0 + j->block_tokens;
}

static void order_blocks(plan *p, const pt_attn_job *j)
{
    for (int32_t b = 0; b < p->n_blocks; b++) {
        int32_t q0 = b * j->block_tokens, q1 = block_end(j, q0);
        int64_t keys = 0;
        pt_attn_tile t;
        for (pt_attn_walk w = pt_attn_walk_begin(j->forest, q0, q1); pt_attn_next(&w, &t);) keys += t.k1 - t.k0;
        p->order[b] = keys << 32 | (INT32_MAX - b); /* keys <= n < 2^31 */
    }
    qsort(p->order, (size_t)p->n_blocks, sizeof *p->order, descending);
}

/* turn_of[b][c]: how many blocks before b in the order touch cell c. turn serves as the counter of the first head, then starts
 * at 0. */
static void number_turns(plan *p, const pt_attn_job *j, int n_kv)
{
    for (int64_t i = 0; i < (int64_t)n_kv * p->n_cells; i++) atomic_init(p->turn + i, 0);
    for (int32_t i = 0; i < p->n_blocks; i++) {
        int32_t b = block_of(p, i), q0 = b * j->block_tokens, lowest = p->n_cells;
        pt_attn_tile t;
        for (pt_attn_walk w = pt_attn_walk_begin(j->forest, q0, block_end(j, q0)); pt_attn_next(&w, &t);)
            for (int32_t c = (t.k1 - 1) / PT_ATTN_CELL; c >= t.k0 / PT_ATTN_CELL; c--) {
                if (c >= lowest) continue; /* tiles come from high to low: counted already */
                p->turn_of[(int64_t)b * p->n_cells + c] = atomic_fetch_add_explicit(p->turn + c, 1, memory_order_relaxed);
                lowest = c;
            }
    }
    for (int32_t c = 0; c < p->n_cells; c++) atomic_store_explicit(p->turn + c, 0, memory_order_relaxed);
}

static double flops(const pt_forest *f, int n_heads, int dim, int products)
{
    return 2.0 * products * (double)f->n_pairs * n_heads * dim;
}

static void run_items(const plan *p, const pt_attn_job *j, int n_kv, bool backward)
{
    _Atomic int64_t next = 0;
    int64_t items = (int64_t)p->n_blocks * n_kv;
#pragma omp parallel num_threads(p->threads)
    {
        float *scratch = p->scratch + (size_t)omp_get_thread_num() * p->scratch_each;
        for (int64_t i; (i = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed)) < items;) {
            int32_t b = block_of(p, (int32_t)(i / n_kv));
            int kv = (int)(i % n_kv);
            if (backward)
                PT_PICK(pt_attn_backward)(j, kv, b, scratch);
            else
                PT_PICK(pt_attn_forward)(j, kv, b, scratch);
        }
    }
}

pt_status pt_cpu_attention(pt_ctx *ctx, const pt_attention_args *a)
{
    PT_RETURN(pt_check_attention(ctx, a));
    int64_t n = a->q.rows;
    if (n == 0) return PT_OK;
    plan p;
    pt_ws ws = pt_ws_begin(ctx);
    pt_attn_job j = {.forest = a->forest,
                     .scale = a->scale,
                     .softcap = a->softcap,
                     .ld_q = a->q.ld,
                     .ld_k = a->k.ld,
                     .ld_v = a->v.ld,
                     .ld_o = a->o.ld,
                     .ld_lse = a->lse.ld};
    set_blocks(&j, a->n_heads / a->n_kv, a->dim);
    PT_RETURN(plan_begin(&p, &ws, &j, n, a->n_kv, false));
    pt_ws_done(&ws);
    if (ctx->dry) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    j.slopes = pt_view_ok(a->slopes) ? pt_f32_at(a->slopes) : NULL;
    j.q = pt_f32_at(a->q);
    j.k = pt_f32_at(a->k);
    j.v = pt_f32_at(a->v);
    j.o = pt_f32_at(a->o);
    j.lse = pt_view_ok(a->lse) ? pt_f32_at(a->lse) : NULL;
    order_blocks(&p, &j);
    run_items(&p, &j, a->n_kv, false);
    pt_prof_end(ctx, PT_PROF_ATTENTION, t0, flops(a->forest, a->n_heads, a->dim, 2));
    return PT_OK;
}

static void clear_rows(pt_view v)
{
#pragma omp parallel for schedule(static) if (v.rows * v.cols > (1 << 14))
    for (int64_t r = 0; r < v.rows; r++) memset(pt_f32_row(v, r), 0, (size_t)v.cols * sizeof(float));
}

pt_status pt_cpu_attention_bwd(pt_ctx *ctx, const pt_attention_bwd_args *a)
{
    PT_RETURN(pt_check_attention_bwd(ctx, a));
    int64_t n = a->q.rows;
    if (n == 0) return PT_OK;
    plan p;
    pt_ws ws = pt_ws_begin(ctx);
    pt_attn_job j = {.forest = a->forest,
                     .scale = a->scale,
                     .softcap = a->softcap,
                     .ld_q = a->q.ld,
                     .ld_k = a->k.ld,
                     .ld_v = a->v.ld};
    set_blocks(&j, a->n_heads / a->n_kv, a->dim);
    PT_RETURN(plan_begin(&p, &ws, &j, n, a->n_kv, true));
    pt_ws_done(&ws);
    if (ctx->dry) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    j.slopes = pt_view_ok(a->slopes) ? pt_f32_at(a->slopes) : NULL;
    j.q = pt_f32_at(a->q);
    j.k = pt_f32_at(a->k);
    j.v = pt_f32_at(a->v);
    j.out = pt_f32_at(a->o);
    j.lse_in = pt_f32_at(a->lse);
    j.dout = pt_f32_at(a->dout);
    j.dq = pt_f32_at(a->dq);
    j.dk = pt_f32_at(a->dk);
    j.dv = pt_f32_at(a->dv);
    j.ld_out = a->o.ld;
    j.ld_lse = a->lse.ld;
    j.ld_dout = a->dout.ld;
    j.ld_dq = a->dq.ld;
    j.ld_dk = a->dk.ld;
    j.ld_dv = a->dv.ld;
    order_blocks(&p, &j);
    number_turns(&p, &j, a->n_kv);
    j.n_cells = p.n_cells;
    j.turn_of = p.turn_of;
    j.turn = p.turn;
    clear_rows(a->dk);
    clear_rows(a->dv);
    run_items(&p, &j, a->n_kv, true);
    pt_prof_end(ctx, PT_PROF_ATTENTION, t0, flops(a->forest, a->n_heads, a->dim, 5));
    return PT_OK;
}
