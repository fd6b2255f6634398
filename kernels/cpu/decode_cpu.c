/* Decode attention: (KV head, piece of at most 256 keys in one run, row) are the items; the pieces of one head are joined in order, so that long
 * contexts spread over the threads also at batch 1 and the thread count changes nothing. Rows go innermost: those that share a run read it while
 * it is near. */
#include <math.h>

#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/decode_v.h"

enum { RANGE = 256 };

typedef struct decode_job {
    const pt_decode_args *a;
    int group, ranges;
    float *o, *top, *sum; /* [B][n_kv][ranges][group]([dim]) */
} decode_job;

static int32_t first_key(const pt_decode_args *a, int32_t len)
{
    return a->window > 0 && len > a->window ? len - a->window : 0;
}

/* Piece r of row b: from which cache row, at which position, how many keys (0: it has no piece r). */
typedef struct piece {
    int64_t row;
    int32_t position, keys;
} piece;

static piece piece_of(const pt_decode_args *a, int64_t b, int r)
{
    const int32_t len = ((const int32_t *)pt_at(a->lens))[b], start = first_key(a, len);
    const int32_t whole[2] = {0, len};
    const bool runs = pt_view_ok(a->spans);
    const int32_t *s = runs ? (const int32_t *)pt_at(a->spans) + b * a->spans.ld : whole;
    int32_t at = 0;
    for (int64_t i = 0; i < (runs ? a->spans.cols : 2); at += s[i + 1], i += 2) {
        int32_t from = start > at ? start - at : 0, n = s[i + 1] - from;
        if (n <= 0) continue;
        int pieces = (n + RANGE - 1) / RANGE;
        if (r >= pieces) {
            r -= pieces;
            continue;
        }
        from += r * RANGE;
        n -= r * RANGE;
        return (piece){(runs ? 0 : b * a->max_len) + s[i] + from, at + from, n < RANGE ? n : RANGE};
    }
    return (piece){0, 0, 0};
}

static void one_range(const decode_job *j, int64_t b, int kv, int range)
{
    const pt_decode_args *a = j->a;
    const int32_t len = ((const int32_t *)pt_at(a->lens))[b];
    const piece x = piece_of(a, b, range);
    if (!x.keys) return;
    int64_t row = x.row, slot = ((b * a->n_kv + kv) * j->ranges + range) * j->group;
    bool bent = a->softcap > 0 || pt_view_ok(a->slopes);
    pt_decode_part p = {.q = pt_f32_row(a->q, b) + (int64_t)kv * j->group * a->dim,
                        .k = pt_f32_row(a->k, row) + (int64_t)kv * a->dim,
                        .v = pt_f32_row(a->v, row) + (int64_t)kv * a->dim,
                        .ld_k = a->k.ld,
                        .ld_v = a->v.ld,
                        .group = j->group,
                        .dim = a->dim,
                        .keys = x.keys,
                        .c = bent ? a->scale : a->scale * 1.44269504088896340736f,
                        .softcap = a->softcap,
                        .slopes = pt_view_ok(a->slopes) ? pt_f32_at(a->slopes) + (int64_t)kv * j->group : NULL,
                        .last = len - 1 - x.position,
                        .o = j->o + slot * a->dim,
                        .top = j->top + slot,
                        .sum = j->sum + slot};
    PT_PICK(pt_decode_keys)(&p);
}

static void join(const decode_job *j, int64_t b, int kv, int g)
{
    const pt_decode_args *a = j->a;
    int ranges = 1; /* the new token's own at least */
    while (ranges < j->ranges && piece_of(a, b, ranges).keys) ranges++;
    int64_t slot = (b * a->n_kv + kv) * j->ranges * j->group + g;
    float *out = pt_f32_row(a->o, b) + ((int64_t)kv * j->group + g) * a->dim, top = -INFINITY, sum = 0;
    for (int r = 0; r < ranges; r++) top = fmaxf(top, j->top[slot + (int64_t)r * j->group]);
    for (int d = 0; d < a->dim; d++) out[d] = 0;
    for (int r = 0; r < ranges; r++) {
        int64_t at = slot + (int64_t)r * j->group;
        float w = exp2f(j->top[at] - top);
        sum += w * j->sum[at];
        for (int d = 0; d < a->dim; d++) out[d] += w * j->o[at * a->dim + d];
    }
    for (int d = 0; d < a->dim; d++) out[d] /= sum;
}

pt_status pt_cpu_decode_attention(pt_ctx *ctx, const pt_decode_args *a)
{
    PT_RETURN(pt_check_decode(ctx, a));
    int64_t seqs = a->q.rows;
    decode_job j = {.a = a, .group = a->n_heads / a->n_kv, .ranges = (a->max_len + RANGE - 1) / RANGE + (pt_view_ok(a->spans) ? (int)a->spans.cols / 2 - 1 : 0)};
    size_t slots = (size_t)seqs * (size_t)a->n_heads * (size_t)j.ranges;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_ws_take(&ws, &j.o, slots * (size_t)a->dim * sizeof(float)));
    PT_RETURN(pt_ws_take(&ws, &j.top, slots * sizeof(float)));
    PT_RETURN(pt_ws_take(&ws, &j.sum, slots * sizeof(float)));
    pt_ws_done(&ws);
    if (ctx->dry || seqs == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx), keys = 0;
    for (int64_t b = 0; b < seqs; b++) {
        int32_t len = ((const int32_t *)pt_at(a->lens))[b];
        keys += len - first_key(a, len);
    }
    int64_t items = seqs * a->n_kv * j.ranges, heads = seqs * a->n_heads;
#pragma omp parallel if (keys * a->n_heads * a->dim > (1 << 14))
    {
#pragma omp for schedule(dynamic, 1)
        for (int64_t i = 0; i < items; i++)
            one_range(&j, i % seqs, (int)(i / seqs / j.ranges), (int)(i / seqs % j.ranges));
#pragma omp for schedule(static)
        for (int64_t h = 0; h < heads; h++)
            join(&j, h / a->n_heads, (int)(h % a->n_heads / j.group), (int)(h % a->n_heads % j.group));
    }
    pt_prof_end(ctx, PT_PROF_ATTENTION, t0, 4 * keys * a->n_heads * a->dim);
    return PT_OK;
}
