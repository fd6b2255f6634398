/* Register tiles for files compiled per instruction set: sizes, the inner product, its variants, transposing. */
#ifndef PT_KERNELS_TILE_H
#define PT_KERNELS_TILE_H
#include "kernels/cpu/vec.h"

#define PT_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define PT_UNROLL(n) _Pragma("clang loop unroll(full)")
#else
#define PT_UNROLL_(x) _Pragma(#x)
#define PT_UNROLL(n) PT_UNROLL_(GCC unroll n)
#endif

/* A register tile is MR x NR vectors: as many as leave room for NR operands and one broadcast. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { MR = 8 };
#else
enum { MR = 4 };
#endif
enum { NR = 3, PANEL = NR * PT_W };

/* Over the M x NV vectors of a register tile, unrolled. */
#define PT_EACH(m, M, v, NV) PT_UNROLL(8) for (int m = 0; m < M; m++) PT_UNROLL(3) for (int v = 0; v < NV; v++)

/* acc[m][v] += sum_k A(m,k) * b[k*ldb + v*PT_W ...]; A(m,k) = a[m*sm + k*sk]. M and NV are constants where this is inlined. */
PT_INLINE void product(const int M, const int NV, pt_vf acc[MR][NR], const float *a, int64_t sm, int64_t sk, const float *b,
                       int64_t ldb, int64_t n)
{
    for (int64_t k = 0; k < n; k++, a += sk, b += ldb) {
        pt_vf x[NR];
        PT_UNROLL(3)
        for (int v = 0; v < NV; v++) x[v] = pt_vload(b + v * PT_W);
        PT_UNROLL(8)
        for (int m = 0; m < M; m++) {
            pt_vf y = pt_vset(a[m * sm]);
            PT_UNROLL(3)
            for (int v = 0; v < NV; v++) acc[m][v] = pt_vfma(y, x[v], acc[m][v]);
        }
    }
}

PT_INLINE void clear(const int M, const int NV, pt_vf acc[MR][NR])
{
    PT_EACH(m, M, v, NV)
    {
        acc[m][v] = pt_vset(0);
    }
}

/* A kernel is written once as PT_INLINE void fn(const int M, const int NV, const void *args, int64_t row), for rows [row, row +
 * M). PT_TILE_VARIANTS makes a function of every size; none is inlined, since the register tiles fill the register file and
 * what a caller keeps in registers would push them out (measured: a third of the speed). */
typedef void (*tile_fn)(const void *args, int64_t row);
#define PT_TILE_VARIANT(fn, M, NV)                                                                                             \
    static __attribute__((noinline)) void fn##_##M##_##NV(const void *args, int64_t row)                                       \
    {                                                                                                                          \
        fn(M, NV, args, row);                                                                                                  \
    }
#define PT_TILE_WIDTH(fn, NV)                                                                                                  \
    PT_TILE_VARIANT(fn, MR, NV)                                                                                                \
    PT_TILE_VARIANT(fn, 4, NV)                                                                                                 \
    PT_TILE_VARIANT(fn, 2, NV)                                                                                                 \
    PT_TILE_VARIANT(fn, 1, NV)
#define PT_TILE_VARIANTS(fn)                                                                                                   \
    PT_TILE_WIDTH(fn, 1)                                                                                                       \
    PT_TILE_WIDTH(fn, 2)                                                                                                       \
    PT_TILE_WIDTH(fn, 3)                                                                                                       \
    static const tile_fn fn##_table[NR][4] = {{fn##_MR_1, fn##_4_1, fn##_2_1, fn##_1_1},                                       \
                                              {fn##_MR_2, fn##_4_2, fn##_2_2, fn##_1_2},                                       \
                                              {fn##_MR_3, fn##_4_3, fn##_2_3, fn##_1_3}};

/* Rows [0, count) in tiles of MR rows, then 4, 2, 1; sizes = fn_table[vectors - 1]. */
static inline void by_tiles(const tile_fn sizes[4], const void *args, int64_t count)
{
    int64_t row = 0;
    for (; row + MR <= count; row += MR) sizes[0](args, row);
    for (; row + 4 <= count; row += 4) sizes[1](args, row);
    for (; row + 2 <= count; row += 2) sizes[2](args, row);
    if (row < count) sizes[3](args, row);
}

/* ---- transposing -------------------------------------------------------------------------------------------------- */
#if defined(__clang__)
#define PT_SHUF(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PT_SHUF(a, b, ...) __builtin_shuffle(a, b, (pt_vi){__VA_ARGS__})
#endif
#define PT_LO(l, s) ((((l) & (s)) == 0) ? (l) : PT_W + (l) - (s))
#define PT_HI(l, s) ((((l) & (s)) == 0) ? (l) + (s) : PT_W + (l))
#if PT_W == 16
#define PT_LANES(f, s)                                                                                                         \
    f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s), f(8, s), f(9, s), f(10, s), f(11, s), f(12, s),    \
        f(13, s), f(14, s), f(15, s)
#elif PT_W == 8
#define PT_LANES(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s)
#else
#define PT_LANES(f, s) f(0, s), f(1, s), f(2, s), f(3, s)
#endif
#define PT_STAGE(r, s)                                                                                                         \
    PT_UNROLL(16)                                                                                                              \
    for (int i_ = 0; i_ < PT_W; i_++)                                                                                          \
        if ((i_ & (s)) == 0) {                                                                                                 \
            pt_vf a_ = r[i_], b_ = r[i_ + (s)];                                                                                \
            r[i_] = PT_SHUF(a_, b_, PT_LANES(PT_LO, s));                                                                       \
            r[i_ + (s)] = PT_SHUF(a_, b_, PT_LANES(PT_HI, s));                                                                 \
        }

/* r[i] lane j <-> r[j] lane i */
PT_INLINE void transpose(pt_vf r[PT_W])
{
    PT_STAGE(r, 1)
    PT_STAGE(r, 2)
#if PT_W > 4
    PT_STAGE(r, 4)
#endif
#if PT_W > 8
    PT_STAGE(r, 8)
#endif
}

/* Lane i of the result is the sum over the lanes of r[i], by halves; r is used up. */
#define PT_FOLD(r, s)                                                                                                          \
    PT_UNROLL(16)                                                                                                              \
    for (int i_ = 0; i_ < PT_W; i_ += 2 * (s)) r[i_] = PT_SHUF(r[i_], r[i_ + (s)], PT_LANES(PT_LO, s)) + PT_SHUF(r[i_], r[i_ + (s)], PT_LANES(PT_HI, s));
PT_INLINE pt_vf sums_of(pt_vf r[PT_W])
{
    PT_FOLD(r, 1)
    PT_FOLD(r, 2)
#if PT_W > 4
    PT_FOLD(r, 4)
#endif
#if PT_W > 8
    PT_FOLD(r, 8)
#endif
    return r[0];
}
#endif
