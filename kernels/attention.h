/* Attention over a segment forest, tiled (Dao 2023, arXiv:2307.08691, online softmax); never materialises [N,N].
 *   s[i,j] = scale * q_i . k_j   for j visible to i;   p = softmax_j(s);   o_i = sum_j p[i,j] v_j;   lse_i = log sum_j exp(s)
 * With softcap c > 0 (Gemma 2, arXiv:2408.00118): s = c * tanh(scale * q_i . k_j / c). With slopes (ALiBi, Press et al. 2022,
 * arXiv:2108.12409): s[i,j] -= slopes[h] * (position(i) - position(j)), after the softcap. Neither: c = 0, slopes absent.
 * Visible: j <= i < seg_end[seg(j)] and, with window w > 0, position(i) - position(j) < w. Head h reads KV head h / (H/K).
 * Backward: delta_i = do_i . o_i;  ds = p*(do_i.v_j - delta_i)*scale;  dq_i = sum_j ds k_j;  dk_j = sum_i ds q_i;
 * dv_j = sum_i p do_i (dk, dv also sum over the heads of a group). With a softcap ds *= 1 - (s/c)^2, s before the slopes, which
 * are not trained. scale > 0, softcap >= 0, both finite (else PT_EARG); slopes finite (their values are not checked); dim even,
 * at most 1024 (CUDA: 256).
 * Every matrix may have ld > cols: q, k and v, or dq, dk and dv, may be slices of the columns of one buffer [N, (H+2K)*D], as a
 * fused projection leaves them. Outputs overlap neither inputs nor each other.
 * Deterministic and independent of the thread count: the work items, and the order in which their partial sums of dk and dv are
 * added, follow from the forest alone (CPU: items of (KV head, query block), longest first; kernels/cpu/attention_v.h). */
#ifndef PT_KERNELS_ATTENTION_H
#define PT_KERNELS_ATTENTION_H
#include "kernels/ctx.h"

/* The tile lists of one batch's forest: made once, filled per batch without allocating. Opaque; host and device parts are the
 * backend's. */
typedef struct pt_forest pt_forest;
typedef struct pt_forest_caps {
    int32_t max_tokens, max_segs;
} pt_forest_caps;
typedef struct pt_forest_desc { /* host arrays, as in base/batch.h */
    int32_t n_tokens, n_segs;
    const int32_t *seg_start, *seg_parent, *seg_end, *positions;
    int32_t window; /* 0 = none */
} pt_forest_desc;

typedef struct pt_attention_args {
    pt_view o;    /* out [N, H*D] act */
    pt_view lse;  /* out [H, N] f32; may be absent in inference */
    pt_view q;    /* [N, H*D] act (ld may be larger: a slice of a fused buffer) */
    pt_view k, v; /* [N, K*D] act */
    const pt_forest *forest;
    int n_heads, n_kv, dim;
    float scale;
    float softcap;  /* 0 = none */
    pt_view slopes; /* [1,H] f32; may be absent */
} pt_attention_args;
typedef struct pt_attention_bwd_args {
    pt_view dq;     /* out [N, H*D] act */
    pt_view dk, dv; /* out [N, K*D] act */
    pt_view dout;   /* [N, H*D] act */
    pt_view o, lse, q, k, v;
    const pt_forest *forest;
    int n_heads, n_kv, dim;
    float scale;
    float softcap;  /* as in the forward, as are the slopes */
    pt_view slopes; /* [1,H] f32; may be absent */
} pt_attention_bwd_args;

/* Decoding: B new tokens against a cache. Row b of q stands at position len_b - 1 of its sequence and attends to positions [start_b, len_b),
 * start_b = max(0, len_b - window) (its own k and v were written already). Without spans a row is a sequence, whose position j lies in cache row
 * b*max_len + j. With spans [B, 2S] the positions of row b are S runs of cache rows, one behind the other: run s is spans[b][2s+1] >= 0 rows from
 * row spans[b][2s] on, and the runs of b hold len_b rows together. Rows may name the same runs (a prompt that several answers share), and
 * the tokens of one sequence may be rows of one call. softcap and slopes as above. Each row's sum goes by pieces of 256 keys at most, cut at the
 * ends of runs too (CPU): other runs give another rounding, nothing else. */
enum { PT_DECODE_SPANS = 8 };
typedef struct pt_decode_args {
    pt_view o;    /* out [B, H*D] act */
    pt_view q;    /* [B, H*D] act */
    pt_view k, v; /* cache: [B*max_len, K*D] act, or as many rows as spans speak of */
    pt_view lens; /* [1,B] i32, at most max_len */
    pt_view spans; /* [B, 2S] i32, S at most PT_DECODE_SPANS; may be absent */
    int max_len, n_heads, n_kv, dim, window;
    float scale;
    float softcap;  /* 0 = none */
    pt_view slopes; /* [1,H] f32; may be absent */
} pt_decode_args;
#endif
