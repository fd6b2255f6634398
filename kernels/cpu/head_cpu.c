#include <math.h>
#include <omp.h>

#include "base/threads.h"
#include "kernels/check_linear.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/dequant_v.h"
#include "kernels/cpu/device_cpu.h"
#include "kernels/cpu/head_v.h"

/* Chunks of rows; within a chunk, blocks of the vocabulary. The softmax works on what a product just wrote.
 * - forward alone, and forward with dx: every block's logits use the same memory. dx is gathered as attention gathers its output (online softmax):
 *   dx += exp(z - ref) . w_block, rescaled when a row's maximum outgrows its reference, divided by the sum at the end; the targets'
 *   terms, rows of w, are added then. So logits never leave the cache, and w is read once a chunk.
 * - with dw, or with sums over the vocabulary that need the softmax whole (pt_head_sums): a chunk's logits stay (at most CHUNK_BYTES, the
 *   reference's among them), block by block, and become gradients in place when the sums are known. */
enum { CHUNK_BYTES = 48 << 20, MIN_ROWS = 16, MAX_ROWS = 1024, VB = 512 };
static const float OUTGROWN = 8; /* exp(8) leaves f32 and bf16 room enough */

/* Log-sum-exp of rows that is running: [rows] each. */
typedef struct running {
    double *max, *sum, *zsum;
} running;

typedef struct head_work {
    pt_ctx *ctx;
    const pt_head_args *a;
    pt_operand w;
    int64_t rows, blocks;    /* of a chunk */
    bool stream, keep;       /* dx as the blocks come; all blocks kept until the softmax is known */
    bool sums;               /* pt_head_sums */
    void *scratch;           /* [VB, C] of w when it is not in place */
    const void *x, *xr;      /* [Hd, C] operands; xr NULL without a reference */
    int64_t ldx, ldxr;
    float *z, *zr;           /* [blocks or 1][rows][VB] */
    uint16_t *dz;            /* [rows][VB] bf16 copy for the products of the backward */
    float *ref;              /* [rows] stream: what the exponents of dx are relative to */
    float *word;             /* [threads][C] stream: a row of w */
    float *target_z;         /* [M] */
    int64_t *start;          /* [rows + 1]: rows m of each head row of the chunk */
    running own, other;      /* other: of the reference */
    pt_head_soft *soft;      /* [rows] with sums: the softmax, and what the sums are */
    pt_head_slopes *slopes;
    int32_t *where;
} head_work;

/* kept: matrices of logits that stay */
static int64_t chunk_rows(int64_t hd, int64_t vocab, int kept)
{
    int64_t r = kept ? CHUNK_BYTES / 4 / kept / vocab / MIN_ROWS * MIN_ROWS : MAX_ROWS;
    r = r < MIN_ROWS ? MIN_ROWS : r > MAX_ROWS ? MAX_ROWS : r;
    return r < hd ? r : hd;
}

static pt_status take_running(pt_ws *ws, size_t rows, running *r)
{
    PT_RETURN(pt_ws_take(ws, &r->max, rows * sizeof *r->max));
    PT_RETURN(pt_ws_take(ws, &r->sum, rows * sizeof *r->sum));
    return pt_ws_take(ws, &r->zsum, rows * sizeof *r->zsum);
}

static pt_status take_sums(pt_ws *ws, size_t rows, head_work *w)
{
    if (w->sums) PT_RETURN(pt_ws_take(ws, &w->soft, rows * sizeof *w->soft));
    if (w->sums) PT_RETURN(pt_ws_take(ws, &w->slopes, rows * sizeof *w->slopes));
    if (!pt_head_reference(w->a)) return PT_OK;
    PT_RETURN(pt_operand_act(w->ctx, ws, w->a->xr, &w->xr, &w->ldxr));
    PT_RETURN(pt_ws_take(ws, &w->zr, rows * VB * (size_t)w->blocks * sizeof *w->zr));
    return take_running(ws, rows, &w->other);
}

static pt_status work_begin(pt_ctx *ctx, const pt_head_args *a, head_work *w)
{
    int64_t m = pt_view_ok(a->row_head) ? a->row_head.cols : 0;
    pt_ws ws = pt_ws_begin(ctx);
    bool sums = pt_head_sums(a), keep = sums || pt_view_ok(a->dw);
    *w = (head_work){.ctx = ctx, .a = a, .w = pt_operand_plan(ctx, a->w), .rows = chunk_rows(a->x.rows, a->w.rows, keep + pt_head_reference(a)),
                     .blocks = (a->w.rows + VB - 1) / VB, .keep = keep, .stream = !keep && pt_view_ok(a->dx), .sums = sums};
    size_t rows = (size_t)w->rows, block = rows * VB, elem = w->w.type == PT_BF16 ? 2 : 4;
    if (!w->w.in_place) PT_RETURN(pt_ws_take(&ws, &w->scratch, VB * (size_t)a->w.cols * elem));
    PT_RETURN(pt_operand_act(ctx, &ws, a->x, &w->x, &w->ldx));
    PT_RETURN(pt_ws_take(&ws, &w->z, block * (keep ? (size_t)w->blocks : 1) * sizeof *w->z));
    if (w->stream) {
        PT_RETURN(pt_ws_take(&ws, &w->ref, rows * sizeof *w->ref));
        PT_RETURN(pt_ws_take(&ws, &w->word, (size_t)pt_threads_get() * (size_t)a->w.cols * sizeof *w->word));
    }
    if ((keep || w->stream) && w->w.type == PT_BF16) PT_RETURN(pt_ws_take(&ws, &w->dz, block * sizeof *w->dz));
    PT_RETURN(pt_ws_take(&ws, &w->target_z, (size_t)m * sizeof *w->target_z));
    PT_RETURN(pt_ws_take(&ws, &w->start, (rows + 1) * sizeof *w->start));
    PT_RETURN(take_running(&ws, rows, &w->own));
    PT_RETURN(pt_ws_take(&ws, &w->where, rows * sizeof *w->where));
    PT_RETURN(take_sums(&ws, rows, w));
    pt_ws_done(&ws);
    return PT_OK;
}

/* Fills start[] for head rows [h0, h0 + n); *at moves past their rows m. Checks order and targets. */
static pt_status rows_of(head_work *w, int64_t h0, int64_t n, int64_t *at)
{
    const pt_head_args *a = w->a;
    int64_t m = pt_view_ok(a->row_head) ? a->row_head.cols : 0;
    const int32_t *head = m ? pt_at(a->row_head) : NULL, *target = m ? pt_at(a->row_target) : NULL;
    w->start[0] = *at;
    for (int64_t h = 0; h < n; h++) {
        for (; *at < m && head[*at] == h0 + h; ++*at)
            if (target[*at] < 0 || target[*at] >= a->w.rows)
                return pt_fail(PT_ESHAPE, "head: row %lld has target %d of %lld", (long long)*at, target[*at], (long long)a->w.rows);
        w->start[h + 1] = *at;
    }
    if (h0 + n == a->x.rows && *at != m)
        return pt_fail(PT_ESHAPE, "head: row_head[%lld] is not ascending or not below %lld", (long long)*at, (long long)a->x.rows);
    return PT_OK;
}

/* Takes a block's part sums of head row h (of the chunk) into the running ones. */
static void merge(running *r, int64_t h, bool first, const pt_head_part *p)
{
    if (first) {
        r->max[h] = p->max, r->sum[h] = p->sum, r->zsum[h] = p->zsum;
        return;
    }
    double top = p->max > r->max[h] ? p->max : r->max[h], old = exp(r->max[h] - top), new = exp(p->max - top);
    r->sum[h] = r->sum[h] * old + p->sum * new;
    r->zsum[h] = r->zsum[h] * old + p->zsum * new;
    r->max[h] = top;
}

/* The same of the policy: the largest logit's place too, and the targets' logits. */
static void merge_own(head_work *w, int64_t h, int64_t v0, int64_t n, const float *z, const pt_head_part *p)
{
    if (pt_view_ok(w->a->argmax) && (v0 == 0 || p->max > w->own.max[h])) w->where[h] = (int32_t)v0 + PT_PICK(pt_vhead_find)(z, n, p->max);
    merge(&w->own, h, v0 == 0, p);
    if (w->start[h] == w->start[h + 1]) return;
    const int32_t *target = pt_at(w->a->row_target);
    for (int64_t m = w->start[h]; m < w->start[h + 1]; m++)
        if (target[m] >= v0 && target[m] < v0 + n) w->target_z[m] = z[target[m] - v0];
}

/* What the running sums of a chunk's rows say. */
static void put_rows(head_work *w, int64_t h0, int64_t n)
{
    const pt_head_args *a = w->a;
    for (int64_t h = 0; h < n; h++) {
        double log_sum = log(w->own.sum[h]);
        if (pt_view_ok(a->lse)) pt_f32_at(a->lse)[h0 + h] = (float)(w->own.max[h] + log_sum);
        if (pt_view_ok(a->entropy)) pt_f32_at(a->entropy)[h0 + h] = (float)(w->own.max[h] + log_sum - w->own.zsum[h] / w->own.sum[h]);
        if (pt_view_ok(a->argmax)) ((int32_t *)pt_at(a->argmax))[h0 + h] = w->where[h];
        if (pt_view_ok(a->logp))
            for (int64_t m = w->start[h]; m < w->start[h + 1]; m++) pt_f32_at(a->logp)[m] = (float)(w->target_z[m] - w->own.max[h] - log_sum);
    }
}

/* Row h of a block's transformed logits becomes exp(z - ref) d softcap / temperature; dx follows when ref does. Targets are left out: for them
 * 1 - p is taken before anything is rounded (stream_end). */
static void stream_row(head_work *w, int64_t h0, int64_t h, int64_t v0, float top, int64_t n, float *z)
{
    const pt_head_args *a = w->a;
    bool first = v0 == 0;
    if (first) w->ref[h] = top;
    if (top > w->ref[h] + OUTGROWN) {
        float *dx = pt_f32_row(a->dx, h0 + h), scale = expf(w->ref[h] - top);
        for (int64_t c = 0; c < a->w.cols; c++) dx[c] *= scale;
        w->ref[h] = top;
    }
    PT_PICK(pt_vhead_grad)(z, n, w->ref[h], 1, a->softcap, a->temperature);
    const int32_t *target = pt_view_ok(a->row_target) ? pt_at(a->row_target) : NULL;
    for (int64_t m = w->start[h]; m < w->start[h + 1]; m++)
        if (target[m] >= v0 && target[m] < v0 + n) z[target[m] - v0] = 0;
    if (w->w.type == PT_BF16) PT_PICK(pt_vto_bf16)(z, n, w->dz + h * VB);
}

/* Sum of dlogp over the head row's rows that aim at row m's target; false when an earlier one has it. */
static bool aimed_at(const head_work *w, int64_t h, int64_t m, double *aimed)
{
    const int32_t *target = pt_at(w->a->row_target);
    *aimed = 0;
    for (int64_t k = w->start[h]; k < w->start[h + 1]; k++) {
        if (target[k] != target[m]) continue;
        if (k < m) return false;
        *aimed += pt_f32_at(w->a->dlogp)[k];
    }
    return true;
}

/* What all of them lose at that target: total p. */
static double target_share(const head_work *w, int64_t h, int64_t m, double total)
{
    return total * exp(w->target_z[m] - w->own.max[h]) / w->own.sum[h];
}

/* dx = sum over the row's m of dlogp (d z_target - sum_v p d z_v): scales the gathered sum and adds the targets' rows of w. */
static void stream_end(head_work *w, int64_t h0, int64_t n)
{
    const pt_head_args *a = w->a;
    const int32_t *target = pt_view_ok(a->row_target) ? pt_at(a->row_target) : NULL;
    size_t row = pt_view_row_bytes(a->w);
#pragma omp parallel for schedule(static)
    for (int64_t h = 0; h < n; h++) {
        float *dx = pt_f32_row(a->dx, h0 + h), *word = w->word + omp_get_thread_num() * a->w.cols;
        double total = 0;
        for (int64_t m = w->start[h]; m < w->start[h + 1]; m++) total += pt_f32_at(a->dlogp)[m];
        float scale = (float)(-total * exp(w->ref[h] - w->own.max[h]) / w->own.sum[h]);
        for (int64_t c = 0; c < a->w.cols; c++) dx[c] *= scale;
        for (int64_t m = w->start[h]; m < w->start[h + 1]; m++) {
            float t = a->softcap > 0 ? w->target_z[m] * a->temperature / a->softcap : 0;
            double aimed;
            if (!aimed_at(w, h, m, &aimed)) continue;
            float g = (float)(aimed - target_share(w, h, m, total)) / a->temperature * (1 - t * t);
            PT_PICK(pt_vdequant)(a->w.type, (const uint8_t *)pt_at(a->w) + (size_t)target[m] * row, a->w.cols, word);
            for (int64_t c = 0; c < a->w.cols; c++) dx[c] += g * word[c];
        }
    }
}

/* z = x . w_block^T. */
static pt_status block_logits(head_work *w, const void *x, int64_t ldx, int64_t h0, int64_t n, const void *rows, int64_t now, float *z)
{
    const pt_head_args *a = w->a;
    pt_gemm_args g = {.type = w->w.type, .tb = true, .m = n, .n = now, .k = a->w.cols, .alpha = 1,
                      .a = (const uint8_t *)x + (size_t)(h0 * ldx) * (w->w.type == PT_BF16 ? 2 : 4), .lda = ldx, .b = rows,
                      .ldb = w->w.in_place ? a->w.ld : a->w.cols, .c = z, .ldc = VB};
    return pt_gemm_run(pt_cpu_gemm(w->ctx), &g);
}

/* The reference's logits of a block: by the same products in the same order as the policy's, so that equal hidden states have equal bits. */
static pt_status reference_block(head_work *w, int64_t h0, int64_t n, int64_t v0, int64_t now, const void *rows)
{
    float *z = w->zr + v0 / VB * w->rows * VB;
    PT_RETURN(block_logits(w, w->xr, w->ldxr, h0, n, rows, now, z));
#pragma omp parallel for schedule(static)
    for (int64_t h = 0; h < n; h++) {
        pt_head_part p;
        PT_PICK(pt_vhead_part)(z + h * VB, now, w->a->softcap, w->a->temperature, &p);
        merge(&w->other, h, v0 == 0, &p);
    }
    return PT_OK;
}

static float slope(pt_view d, int64_t h)
{
    return pt_view_ok(d) ? pt_f32_at(d)[h] : 0;
}

/* A chunk's sums over the vocabulary, from its logits. */
static void sum_chunk(head_work *w, int64_t h0, int64_t n)
{
    const pt_head_args *a = w->a;
#pragma omp parallel for schedule(static)
    for (int64_t h = 0; h < n; h++) {
        double lse = w->own.max[h] + log(w->own.sum[h]), squares = 0, kl = 0;
        pt_head_soft s = {.max = (float)w->own.max[h], .inv = (float)(1 / w->own.sum[h]), .log_sum = (float)log(w->own.sum[h]), .reverse = a->kl_reverse};
        if (w->xr) {
            s.max_r = (float)w->other.max[h];
            s.inv_r = (float)(1 / w->other.sum[h]);
            s.shift = (float)(lse - (w->other.max[h] + log(w->other.sum[h])));
        }
        for (int64_t b = 0; b < w->blocks; b++) {
            int64_t at = (b * w->rows + h) * VB, now = a->w.rows - b * VB < VB ? a->w.rows - b * VB : VB;
            float part[2];
            PT_PICK(pt_vhead_sums)(w->z + at, w->xr ? w->zr + at : NULL, now, &s, part);
            squares += part[0];
            kl += part[1];
        }
        if (pt_view_ok(a->log_squares)) pt_f32_at(a->log_squares)[h0 + h] = (float)log(squares);
        if (pt_view_ok(a->kl)) pt_f32_at(a->kl)[h0 + h] = (float)kl;
        w->soft[h] = s;
        w->slopes[h] = (pt_head_slopes){.dentropy = slope(a->dentropy, h0 + h), .dsquares = (float)(slope(a->dlog_squares, h0 + h) / squares), .dkl = slope(a->dkl, h0 + h),
                                        .entropy = (float)(lse - w->own.zsum[h] / w->own.sum[h]), .squares = (float)squares, .kl = (float)kl};
    }
}

static pt_status forward_chunk(head_work *w, int64_t h0, int64_t n)
{
    const pt_head_args *a = w->a;
    size_t elem = w->w.type == PT_BF16 ? 2 : 4;
    int64_t ldw = w->w.in_place ? a->w.ld : a->w.cols;
    for (int64_t b = 0; b < w->blocks; b++) {
        int64_t v0 = b * VB, now = a->w.rows - v0 < VB ? a->w.rows - v0 : VB;
        float *z = w->z + (w->keep ? b * w->rows * VB : 0);
        const void *rows = pt_operand_rows(w->ctx, &w->w, v0, now, w->scratch);
        PT_RETURN(block_logits(w, w->x, w->ldx, h0, n, rows, now, z));
        if (w->xr) PT_RETURN(reference_block(w, h0, n, v0, now, rows));
#pragma omp parallel for schedule(static)
        for (int64_t h = 0; h < n; h++) {
            pt_head_part p;
            PT_PICK(pt_vhead_part)(z + h * VB, now, a->softcap, a->temperature, &p);
            merge_own(w, h, v0, now, z + h * VB, &p);
            if (w->stream) stream_row(w, h0, h, v0, p.max, now, z + h * VB);
        }
        if (!w->stream) continue;
        pt_gemm_args d = {.type = w->w.type, .m = n, .n = a->w.cols, .k = now, .alpha = 1, .a = elem == 2 ? (const void *)w->dz : z, .lda = VB,
                          .b = rows, .ldb = ldw, .beta = b ? 1 : 0, .c = pt_f32_row(a->dx, h0), .ldc = a->dx.ld};
        PT_RETURN(pt_gemm_run(pt_cpu_gemm(w->ctx), &d));
    }
    put_rows(w, h0, n);
    if (w->sums) sum_chunk(w, h0, n);
    if (w->stream) stream_end(w, h0, n);
    return PT_OK;
}

/* One row's logits of a block become dL/d raw logit. What the targets add is taken with 1 - p whole before anything is rounded, as in stream_end; beside
 * sums over the vocabulary it joins theirs. */
static void grad_row(const head_work *w, int64_t h, int64_t v0, int64_t n, float *z)
{
    const pt_head_args *a = w->a;
    double total = 0;
    for (int64_t m = w->start[h]; m < w->start[h + 1]; m++) total += pt_f32_at(a->dlogp)[m];
    if (w->sums) {
        pt_head_slopes d = w->slopes[h];
        d.total = (float)total;
        PT_PICK(pt_vhead_sums_grad)(z, w->xr ? w->zr + v0 / VB * w->rows * VB + h * VB : NULL, n, &w->soft[h], &d, a->softcap, a->temperature);
    } else {
        PT_PICK(pt_vhead_grad)(z, n, (float)w->own.max[h], (float)(-total / w->own.sum[h]), a->softcap, a->temperature);
    }
    if (w->start[h] == w->start[h + 1]) return;
    const int32_t *target = pt_at(w->a->row_target);
    for (int64_t m = w->start[h]; m < w->start[h + 1]; m++) {
        if (target[m] < v0 || target[m] >= v0 + n) continue;
        double aimed;
        float t = a->softcap > 0 ? w->target_z[m] * a->temperature / a->softcap : 0, by_raw = (1 - t * t) / a->temperature;
        if (!aimed_at(w, h, m, &aimed)) continue;
        float *at = &z[target[m] - v0];
        *at = w->sums ? *at + (float)aimed * by_raw : (float)(aimed - target_share(w, h, m, total)) * by_raw;
    }
}

static pt_status backward_chunk(head_work *w, int64_t h0, int64_t n)
{
    const pt_head_args *a = w->a;
    bool bf16 = w->w.type == PT_BF16;
    const void *x = (const uint8_t *)w->x + (size_t)(h0 * w->ldx) * (bf16 ? 2 : 4);
    for (int64_t b = 0; b < w->blocks; b++) {
        int64_t v0 = b * VB, now = a->w.rows - v0 < VB ? a->w.rows - v0 : VB;
        float *z = w->z + b * w->rows * VB;
#pragma omp parallel for schedule(static)
        for (int64_t h = 0; h < n; h++) {
            grad_row(w, h, v0, now, z + h * VB);
            if (bf16) PT_PICK(pt_vto_bf16)(z + h * VB, now, w->dz + h * VB);
        }
        const void *dz = bf16 ? (const void *)w->dz : z;
        if (pt_view_ok(a->dx)) {
            pt_gemm_args g = {.type = w->w.type, .m = n, .n = a->w.cols, .k = now, .alpha = 1, .a = dz, .lda = VB,
                              .b = pt_operand_rows(w->ctx, &w->w, v0, now, w->scratch), .ldb = w->w.in_place ? a->w.ld : a->w.cols,
                              .beta = b ? 1 : 0, .c = pt_f32_row(a->dx, h0), .ldc = a->dx.ld};
            PT_RETURN(pt_gemm_run(pt_cpu_gemm(w->ctx), &g));
        }
        int64_t from = v0 > a->dw_first ? v0 : a->dw_first, end = a->dw_first + a->dw.rows < v0 + now ? a->dw_first + a->dw.rows : v0 + now;
        if (pt_view_ok(a->dw) && from < end) {
            pt_gemm_args g = {.type = w->w.type, .ta = true, .m = end - from, .n = a->w.cols, .k = n, .alpha = 1, .a = (const uint8_t *)dz + (from - v0) * (bf16 ? 2 : 4),
                              .lda = VB, .b = x, .ldb = w->ldx, .beta = 1, .c = pt_f32_row(a->dw, from - a->dw_first), .ldc = a->dw.ld};
            PT_RETURN(pt_gemm_run(pt_cpu_gemm(w->ctx), &g));
        }
    }
    return PT_OK;
}

/* All logits of all rows: for the few of a decoding step, a product that reads w once from where it lies. */
static pt_status put_logits(pt_ctx *ctx, const pt_head_args *a)
{
    PT_RETURN(pt_cpu_product(ctx, &(pt_linear_args){.y = a->logits, .x = a->x, .w = a->w}));
    if (ctx->dry || (a->softcap == 0 && a->temperature == 1)) return PT_OK;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t h = 0; h < a->x.rows; h++)
        for (int64_t v = 0; v < a->w.rows; v += VB)
            PT_PICK(pt_vhead_transform)(pt_f32_row(a->logits, h) + v, a->w.rows - v < VB ? a->w.rows - v : VB, a->softcap, a->temperature);
    return PT_OK;
}

static pt_status rest(pt_ctx *ctx, const pt_head_args *a)
{
    head_work w;
    PT_RETURN(work_begin(ctx, a, &w));
    if (ctx->dry) return PT_OK;
    int64_t at = 0;
    for (int64_t h = 0; h < a->x.rows; h += w.rows) {
        int64_t n = a->x.rows - h < w.rows ? a->x.rows - h : w.rows;
        PT_RETURN(rows_of(&w, h, n, &at));
        PT_RETURN(forward_chunk(&w, h, n));
        if (w.keep && (pt_view_ok(a->dx) || pt_view_ok(a->dw))) PT_RETURN(backward_chunk(&w, h, n));
    }
    return PT_OK;
}

pt_status pt_cpu_head(pt_ctx *ctx, const pt_head_args *a)
{
    PT_RETURN(pt_check_head(ctx, a));
    if (a->x.rows == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx), d0 = ctx->profile ? ctx->profile->seconds[PT_PROF_DEQUANT] : 0;
    if (pt_view_ok(a->logits)) PT_RETURN(put_logits(ctx, a));
    if (pt_head_more(a)) PT_RETURN(rest(ctx, a));
    if (ctx->dry) return PT_OK;
    int products = (pt_view_ok(a->logits) ? 1 : 0) + (pt_head_more(a) ? 1 : 0) + (pt_view_ok(a->dx) ? 1 : 0) + (pt_view_ok(a->dw) ? 1 : 0) + (pt_head_reference(a) ? 1 : 0);
    pt_prof_end(ctx, PT_PROF_HEAD, t0, 2.0 * products * (double)a->x.rows * (double)a->w.rows * (double)a->w.cols);
    if (ctx->profile) ctx->profile->seconds[PT_PROF_HEAD] -= ctx->profile->seconds[PT_PROF_DEQUANT] - d0;
    return PT_OK;
}
