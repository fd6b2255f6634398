/* Rotary position embedding on the device: kernels/rope.h.
 * Bytes at least: rope N*heads*rot*(2e) + N*rot*4 (x read and written once, the row's table read once and kept in shared
 * memory); rope_table N*rot*4 + N*4 + rot*2. */
#include "kernels/cuda/op_args.cuh"

namespace
{
/* ---- kernels ---- */
constexpr int TABLE_BLOCK = 256, BLOCK = 128, MAX_ROT = 1024;

/* sin and cos of an angle below about 1e9, in double to 1e-13 and without the local memory of the library's reduction: whole
 * turns and quarters off, then Taylor series for |r| <= pi/4 (x^15/15! < 3e-14). A position of 1e6 keeps 9 digits after its
 * turns. */
PT_DEV void sine_cosine(double angle, double *s, double *c)
{
    double turns = angle * 0.15915494309189533577, part = turns - rint(turns), quarters = rint(4 * part);
    double r = (part - 0.25 * quarters) * 6.28318530717958647693, q = r * r;
    double sn =
        r *
        (1 + q * (-1.0 / 6 +
                  q * (1.0 / 120 + q * (-1.0 / 5040 + q * (1.0 / 362880 + q * (-1.0 / 39916800 + q * (1.0 / 6227020800.0)))))));
    double cs =
        1 + q * (-0.5 + q * (1.0 / 24 +
                             q * (-1.0 / 720 + q * (1.0 / 40320 + q * (-1.0 / 3628800 +
                                                                       q * (1.0 / 479001600 + q * (-1.0 / 87178291200.0)))))));
    int k = (int)quarters & 3;
    *s = k == 0 ? sn : k == 1 ? cs : k == 2 ? -sn : -cs;
    *c = k == 0 ? cs : k == 1 ? -sn : k == 2 ? -cs : sn;
}

__global__ void __launch_bounds__(TABLE_BLOCK)
    rope_table_k(float *table, int64_t ld, const int32_t *pos, const float *freq, int64_t n, int half, float mscale, bool wide)
{
    int64_t at = (int64_t)blockIdx.x * TABLE_BLOCK + threadIdx.x;
    if (at >= n * half) return;
    int64_t r = at / half, i = at % half;
    double s, c;
    sine_cosine((double)pos[r] * (double)freq[i], &s, &c);
    float *t = table + r * ld + 2 * i;
    float2 cs = make_float2((float)((double)mscale * c), (float)((double)mscale * s));
    if (wide)
        vst(reinterpret_cast<float2 *>(t), cs);
    else
        t[0] = cs.x, t[1] = cs.y;
}

PT_DEV void turn(float *u, float *v, float c, float s)
{
    float a = *u, b = *v;
    *u = a * c - b * s;
    *v = b * c + a * s;
}

/* Two pairs' cosines and sines are 16 bytes. Neighbouring threads, of PAIRS pairs each, want every PAIRS/2-th of these: they lie
 * swizzled, so that filling and reading meet all banks. The place of the n-th. */
template <int PAIRS> PT_DEV int place(int n)
{
    constexpr int each = PAIRS > 2 ? PAIRS / 2 : 1;
    return n ^ (n / 8 & (each - 1));
}
/* Those of PAIRS pairs from pair p on, a multiple of PAIRS. */
template <int PAIRS> PT_DEV void ld_angles(const float *angle, int p, float *cs)
{
    if constexpr (PAIRS == 1) {
        float2 v = vld(reinterpret_cast<const float2 *>(angle) + p);
        cs[0] = v.x, cs[1] = v.y;
    } else {
#pragma unroll
        for (int e = 0; e < PAIRS; e += 2) ld_vec<4>(angle + 4 * place<PAIRS>((p + e) / 2), cs + 2 * e);
    }
}

/* One block a row. HALF: a thread takes V pairs (i.., i + half..); ADJACENT: V/2 pairs that lie together (V > 1), or one. */
template <typename T, int V, bool HALF>
__global__ void __launch_bounds__(BLOCK)
    rope_k(T *x, int64_t ld, const float *table, int64_t ld_table, int heads, int dim, int half, float sign)
{
    PT_SHARED(float, angle, [MAX_ROT]);
    constexpr int PAIRS = HALF || V == 1 ? V : V / 2;
    int64_t row = blockIdx.x;
    for (int i = (int)threadIdx.x; i < 2 * half; i += BLOCK)
        angle[4 * place<PAIRS>(i / 4) + i % 4] = (i % 2 ? sign : 1.0f) * table[row * ld_table + i];
    __syncthreads();
    int per = half / PAIRS, items = heads * per;
#pragma unroll 1
    for (int item = (int)threadIdx.x; item < items; item += BLOCK) {
        int head = item / per, p = item % per * PAIRS;
        T *at = x + row * ld + (int64_t)head * dim;
        float cs[2 * PAIRS];
        if constexpr (HALF) {
            float u[V], v[V];
            ld_vec<V>(at + p, u);
            ld_vec<V>(at + half + p, v);
            ld_angles<PAIRS>(angle, p, cs);
#pragma unroll
            for (int e = 0; e < V; e++) turn(u + e, v + e, cs[2 * e], cs[2 * e + 1]);
            st_vec<V>(at + p, u);
            st_vec<V>(at + half + p, v);
        } else if constexpr (V == 1) {
            float u = to_f(at[2 * p]), v = to_f(at[2 * p + 1]);
            ld_angles<PAIRS>(angle, p, cs);
            turn(&u, &v, cs[0], cs[1]);
            at[2 * p] = from_f<T>(u);
            at[2 * p + 1] = from_f<T>(v);
        } else {
            float u[V];
            ld_vec<V>(at + 2 * p, u);
            ld_angles<PAIRS>(angle, p, cs);
#pragma unroll
            for (int e = 0; e < V; e += 2) turn(u + e, u + e + 1, cs[e], cs[e + 1]);
            st_vec<V>(at + 2 * p, u);
        }
    }
}

/* ---- launchers ---- */
template <typename T> pt_status run(pt_ctx *ctx, const pt_rope_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    int half = a->rot / 2;
    float sign = a->inverse ? -1.0f : 1.0f;
    bool steps = pt_steps(a->x, V) && a->dim % V == 0 && (a->kind == PT_ROPE_HALF ? half % V == 0 : a->rot % V == 0);
    dim3 grid((unsigned)a->x.rows), block(BLOCK);
    cudaStream_t s = pt_stream(ctx);
    T *x = pt_ptr<T>(a->x);
    float *t = pt_ptr<float>(a->table);
    if (a->kind == PT_ROPE_HALF) {
        if (steps)
            return pt_launch(rope_k<T, V, true>, grid, block, 0, s, x, a->x.ld, t, a->table.ld, a->heads, a->dim, half, sign);
        return pt_launch(rope_k<T, 1, true>, grid, block, 0, s, x, a->x.ld, t, a->table.ld, a->heads, a->dim, half, sign);
    }
    if (steps)
        return pt_launch(rope_k<T, V, false>, grid, block, 0, s, x, a->x.ld, t, a->table.ld, a->heads, a->dim, half, sign);
    return pt_launch(rope_k<T, 1, false>, grid, block, 0, s, x, a->x.ld, t, a->table.ld, a->heads, a->dim, half, sign);
}
} // namespace

extern "C" pt_status pt_cuda_rope_table(pt_ctx *ctx, const pt_rope_table_args *a)
{
    int64_t n = a->table.rows, half = a->table.cols / 2;
    PT_RETURN(pt_check_typed("rope_table", "table", a->table, PT_F32, n, 2 * half));
    PT_RETURN(pt_check_typed("rope_table", "positions", a->positions, PT_I32, 1, n));
    PT_RETURN(pt_check_typed("rope_table", "inv_freq", a->inv_freq, PT_F32, 1, half));
    if (half > MAX_ROT / 2) return pt_fail(PT_ESHAPE, "rope_table: %lld features", (long long)a->table.cols);
    if (ctx->dry || n == 0 || half == 0) return PT_OK;
    return pt_launch(rope_table_k, dim3((unsigned)pt_ceil_div(n * half, TABLE_BLOCK)), dim3(TABLE_BLOCK), 0, pt_stream(ctx),
                     pt_ptr<float>(a->table), a->table.ld, pt_ptr<int32_t>(a->positions), pt_ptr<float>(a->inv_freq), n,
                     (int)half, a->mscale, pt_steps(a->table, 2));
}

extern "C" pt_status pt_cuda_rope(pt_ctx *ctx, const pt_rope_args *a)
{
    int64_t n = a->x.rows;
    if (a->heads < 1 || a->dim < 1 || a->rot < 0 || a->rot % 2 || a->rot > a->dim || a->rot > MAX_ROT ||
        (int64_t)a->heads * a->dim > INT32_MAX)
        return pt_fail(PT_ESHAPE, "rope: %d heads of %d features, %d of them rotated", a->heads, a->dim, a->rot);
    if (a->kind != PT_ROPE_HALF && a->kind != PT_ROPE_ADJACENT) return pt_fail(PT_EARG, "rope: kind %d", (int)a->kind);
    PT_RETURN(pt_check_typed("rope", "x", a->x, ctx->act, n, (int64_t)a->heads * a->dim));
    PT_RETURN(pt_check_typed("rope", "table", a->table, PT_F32, n, a->rot));
    if (ctx->dry || n == 0 || a->rot == 0) return PT_OK;
    return PT_BY_ACT(ctx, run, ctx, a);
}
