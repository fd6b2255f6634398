#include "kernels/cpu/gemv_v.h"

#include "base/quant.h"
#include "kernels/cpu/unpack.h"
#include "kernels/cpu/vec.h"

/* Pieces of a row that are dequantised at a time where no direct kernel exists: a multiple of every block, inside the first-level cache. */
enum { STEP = 1024 };
/* Rows of x that one pass over a weight row serves with their sums in registers. */
enum { TOGETHER = 4 };

/* What one row of the weight meets: n <= TOGETHER rows of x; two vectors of partial sums each. */
typedef struct meet {
    const float *x;
    int64_t x_ld, cols;
} meet;

static inline __attribute__((always_inline)) void add_piece(const pt_vf *q, int vectors, const float *x, int64_t x_ld, int n, pt_vf (*acc)[2])
{
    for (int r = 0; r < n; r++)
        for (int v = 0; v < vectors; v++) acc[r][v % 2] = pt_vfma(q[v], pt_vload(x + r * x_ld + v * PT_W), acc[r][v % 2]);
}

static inline __attribute__((always_inline)) void add_tail(const float *w, const meet *m, int64_t from, int64_t count, int n, pt_vf (*acc)[2])
{
    for (int64_t i = 0; i < count; i += PT_W) {
        int64_t now = count - i < PT_W ? count - i : PT_W;
        pt_vf q = pt_vload_part(w + i, now, 0);
        for (int r = 0; r < n; r++) acc[r][0] = pt_vfma(q, pt_vload_part(m->x + r * m->x_ld + from + i, now, 0), acc[r][0]);
    }
}

/* Rows without a direct kernel, and all of them on narrow vectors: a piece to floats, then the product. */
static void row_generic(pt_dtype t, const uint8_t *w, const meet *m, int n, pt_vf (*acc)[2])
{
    float buf[STEP];
    const pt_dtype_info *d = pt_dtype_get(t);
    for (int64_t i = 0; i < m->cols; i += STEP) {
        int64_t now = m->cols - i < STEP ? m->cols - i : STEP, whole = now / (2 * PT_W) * (2 * PT_W);
        pt_dequant_run(t, w + (size_t)i / d->block * d->bytes, now, buf);
        for (int64_t k = 0; k < whole; k += 2 * PT_W) {
            pt_vf q[2] = {pt_vload(buf + k), pt_vload(buf + k + PT_W)};
            add_piece(q, 2, m->x + i + k, m->x_ld, n, acc);
        }
        add_tail(buf + whole, m, i + whole, now - whole, n, acc);
    }
}

#if PT_W >= 8
/* Block types: PIECES pieces of 32 elements a block, unpacked into registers by fn(block, piece, q). */
#define BLOCK_ROW(fn, pieces, size)                                                                            \
    for (int64_t i = 0; i < m->cols; w += (size))                                                              \
        for (int p = 0; p < (pieces); p++, i += 32) {                                                          \
            pt_vf q[32 / PT_W];                                                                                \
            fn(w, p, q);                                                                                       \
            add_piece(q, 32 / PT_W, m->x + i, m->x_ld, n, acc);                                                \
        }                                                                                                      \
    break

static inline __attribute__((always_inline)) void row_plain(pt_dtype t, const uint8_t *w, const meet *m, int n, pt_vf (*acc)[2])
{
    size_t elem = t == PT_F32 ? 4 : 2;
    int64_t whole = m->cols / (2 * PT_W) * (2 * PT_W);
    for (int64_t i = 0; i < whole; i += 2 * PT_W) {
        pt_vf q[2];
        for (int v = 0; v < 2; v++) {
            const uint8_t *p = w + (size_t)(i + v * PT_W) * elem;
            q[v] = t == PT_F32 ? pt_vload((const float *)(const void *)p) : t == PT_F16 ? pt_vload_f16(p) : pt_vload_bf16(p);
        }
        add_piece(q, 2, m->x + i, m->x_ld, n, acc);
    }
    float rest[2 * PT_W];
    pt_dequant_run(t, w + (size_t)whole * elem, m->cols - whole, rest);
    add_tail(rest, m, whole, m->cols - whole, n, acc);
}

static inline __attribute__((always_inline)) void row_any(pt_dtype t, const uint8_t *w, const meet *m, int n, pt_vf (*acc)[2])
{
    switch (t) {
    case PT_F32: row_plain(PT_F32, w, m, n, acc); break;
    case PT_F16: row_plain(PT_F16, w, m, n, acc); break;
    case PT_BF16: row_plain(PT_BF16, w, m, n, acc); break;
    case PT_Q8_0: BLOCK_ROW(pt_unpack_q8_0, 1, 34);
    case PT_Q4_0: BLOCK_ROW(pt_unpack_q4_0, 1, 18);
    case PT_Q4_1: BLOCK_ROW(pt_unpack_q4_1, 1, 20);
    case PT_Q5_0: BLOCK_ROW(pt_unpack_q5_0, 1, 22);
    case PT_Q5_1: BLOCK_ROW(pt_unpack_q5_1, 1, 24);
    case PT_IQ4_NL: BLOCK_ROW(pt_unpack_iq4_nl, 1, 18);
    case PT_Q2_K: BLOCK_ROW(pt_unpack_q2_k, 8, 84);
    case PT_Q3_K: BLOCK_ROW(pt_unpack_q3_k, 8, 110);
    case PT_Q4_K: BLOCK_ROW(pt_unpack_q4_k, 8, 144);
    case PT_Q5_K: BLOCK_ROW(pt_unpack_q5_k, 8, 176);
    case PT_Q6_K: BLOCK_ROW(pt_unpack_q6_k, 8, 210);
    case PT_IQ4_XS: BLOCK_ROW(pt_unpack_iq4_xs, 8, 136);
    case PT_IQ3_S: BLOCK_ROW(pt_unpack_iq3_s, 8, 110);
    default: row_generic(t, w, m, n, acc);
    }
}
#else
static inline __attribute__((always_inline)) void row_any(pt_dtype t, const uint8_t *w, const meet *m, int n, pt_vf (*acc)[2])
{
    row_generic(t, w, m, n, acc);
}
#endif

/* n is a constant at each call, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void rows(const pt_gemv_args *g, int r0, int n, int64_t o0, int64_t o1)
{
    meet m = {g->x + r0 * g->x_ld, g->x_ld, g->cols};
    for (int64_t o = o0; o < o1; o++) {
        pt_vf acc[TOGETHER][2] = {{{0}}};
        row_any(g->type, (const uint8_t *)g->w + (size_t)o * g->row_bytes, &m, n, acc);
        for (int r = 0; r < n; r++) {
            float *y = g->y + (r0 + r) * g->y_ld + o, s = pt_vsum(acc[r][0] + acc[r][1]);
            *y = g->beta == 0 ? s : *y + s;
        }
    }
}

void PT_V(pt_vgemv)(const pt_gemv_args *g, int64_t o0, int64_t o1)
{
    for (int r = 0; r < g->n; r += TOGETHER) {
        switch (g->n - r) {
        case 1: rows(g, r, 1, o0, o1); break;
        case 2: rows(g, r, 2, o0, o1); break;
        case 3: rows(g, r, 3, o0, o1); break;
        default: rows(g, r, TOGETHER, o0, o1);
        }
    }
}
