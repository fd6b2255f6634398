/* The emulated CUDA language: launches, thread numbers, barriers, shuffles, votes, atomics, shared memory, cp.async, mma and
 * ldmatrix against plain loops, in every thread order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

extern "C" {
#include <cmocka.h>
}
#include "emu.h"
#include "emu_counters.h"
#include "kernels/cuda/dev.cuh"

static const char *const orders[] = {"fwd", "rev", "rand:1", "rand:2", "rand:3"};
static uint64_t seed = 1;
static uint32_t draw(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33);
}
static float uniform(void) { return (float)(draw() & 0xffff) / 65536.0f * 2 - 1; }

template <typename T> struct dev { /* a device array, filled from the host */
    T *p;
    size_t n;
    explicit dev(const std::vector<T> &v) : p(NULL), n(v.size())
    {
        assert_int_equal(cudaMalloc((void **)&p, n * sizeof(T)), cudaSuccess);
        assert_int_equal(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
    }
    std::vector<T> get() const
    {
        std::vector<T> v(n);
        assert_int_equal(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
        return v;
    }
    explicit dev(int count) : dev(std::vector<T>((size_t)count, T())) {}
    dev(const dev &) = delete;
    ~dev() { cudaFree(p); }
};

#define EACH_ORDER(i) for (size_t i = 0; i < sizeof orders / sizeof *orders && emu_setting("ORDER", orders[i]); i++)

/* ---- numbers of threads and blocks ---- */
__global__ void k_ids(int *out)
{
    int t = (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    int b = (int)(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
    out[b * (int)(blockDim.x * blockDim.y * blockDim.z) + t] = 1000 * b + t;
}
static void test_ids(void **)
{
    EACH_ORDER(o) {
        dev<int> out(std::vector<int>(24 * 96, -1));
        assert_int_equal(pt_launch(k_ids, dim3(2, 3, 4), dim3(8, 4, 3), 0, 0, out.p), PT_OK);
        std::vector<int> v = out.get();
        for (int b = 0; b < 24; b++)
            for (int t = 0; t < 96; t++) assert_int_equal(v[(size_t)(b * 96 + t)], 1000 * b + t);
    }
}

/* ---- block reductions and shared memory ---- */
template <int N> __global__ void k_reduce(const float *x, float *sum, float *top, float *reversed)
{
    PT_SHARED(float, red, [32]);
    PT_SHARED(float, tile, [2][N]);
    float v = x[blockIdx.x * N + threadIdx.x];
    tile[blockIdx.x & 1][threadIdx.x] = v;
    float s = block_sum(v, red), m = block_max(v, red);
    reversed[blockIdx.x * N + threadIdx.x] = tile[blockIdx.x & 1][N - 1 - threadIdx.x];
    if (threadIdx.x == 0) {
        sum[blockIdx.x] = s;
        top[blockIdx.x] = m;
    }
}
static void test_reduce(void **)
{
    const int B = 3, N = 96;
    std::vector<float> x(B * N);
    for (float &f : x) f = uniform();
    std::vector<float> first;
    EACH_ORDER(o) {
        dev<float> dx(x), s(B), m(B), r(B * N);
        assert_int_equal(pt_launch(k_reduce<96>, B, N, 0, 0, dx.p, s.p, m.p, r.p), PT_OK);
        std::vector<float> gs = s.get(), gm = m.get(), gr = r.get();
        if (first.empty()) first = gs;
        for (int b = 0; b < B; b++) {
            double want = 0, top = -9;
            for (int i = 0; i < N; i++) {
                want += x[(size_t)(b * N + i)];
                top = fmax(top, x[(size_t)(b * N + i)]);
                assert_true(gr[(size_t)(b * N + i)] == x[(size_t)(b * N + N - 1 - i)]);
            }
            assert_true(fabs(gs[(size_t)b] - want) < 1e-4);
            assert_true(gm[(size_t)b] == (float)top);
            assert_memory_equal(&gs[(size_t)b], &first[(size_t)b], 4); /* the same bits in every order */
        }
    }
}

/* ---- warp operations ---- */
__global__ void k_warp(const int *x, int *out)
{
    int t = (int)threadIdx.x, v = x[t], n = (int)blockDim.x, lane = t & 31;
    int *o = out + t;
    o[0 * n] = __shfl_sync(PT_FULL, v, (lane * 7 + 3) & 31);
    o[1 * n] = __shfl_up_sync(PT_FULL, v, 3);
    o[2 * n] = __shfl_down_sync(PT_FULL, v, 5, 16);
    o[3 * n] = __shfl_xor_sync(PT_FULL, v, 9);
    o[4 * n] = (int)__ballot_sync(PT_FULL, v & 1);
    o[5 * n] = __any_sync(PT_FULL, v == 17) + 2 * __all_sync(PT_FULL, v >= 0);
    o[6 * n] = __reduce_add_sync(PT_FULL, v);
    o[7 * n] = __reduce_max_sync(PT_FULL, v);
    unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    o[8 * n] = __shfl_xor_sync(half, v, 4);
    o[9 * n] = __syncthreads_count(v & 1);
    o[10 * n] = __syncthreads_or(v == 17);
    o[11 * n] = (int)__shfl_sync(PT_FULL, (double)v * 0.5, 2);
}
static void test_warp(void **)
{
    const int n = 64;
    std::vector<int> x((size_t)n);
    for (int &v : x) v = (int)(draw() % 100);
    int odd = 0, has17 = 0;
    for (int v : x) odd += v & 1, has17 |= v == 17;
    EACH_ORDER(o) {
        dev<int> dx(x), out(12 * n);
        assert_int_equal(pt_launch(k_warp, 1, n, 0, 0, dx.p, out.p), PT_OK);
        std::vector<int> g = out.get();
        for (int t = 0; t < n; t++) {
            int base = t & ~31, lane = t & 31, sum = 0, top = 0, any = 0, all = 1;
            unsigned bits = 0;
            for (int l = 0; l < 32; l++) {
                int v = x[(size_t)(base + l)];
                sum += v;
                top = v > top ? v : top;
                any |= v == 17;
                bits |= (unsigned)(v & 1) << l;
            }
            const int want[12] = {x[(size_t)(base + ((lane * 7 + 3) & 31))],
                                  x[(size_t)(lane < 3 ? t : t - 3)],
                                  x[(size_t)((lane & 15) + 5 > 15 ? t : t + 5)],
                                  x[(size_t)(base + (lane ^ 9))],
                                  (int)bits,
                                  any + 2 * all,
                                  sum,
                                  top,
                                  x[(size_t)(base + (lane ^ 4))],
                                  odd,
                                  has17,
                                  (int)(x[(size_t)(base + 2)] * 0.5)};
            for (int i = 0; i < 12; i++) assert_int_equal(g[(size_t)(i * n + t)], want[i]);
        }
    }
}

/* ---- tensor cores: load by cp.async and ldmatrix, multiply, store; against a loop ---- */
__global__ void k_mma(const bf16 *a, const bf16 *b, const bf16 *bt, float *d, float *dt, int rows)
{
    DYN_SHARED(bf16, sh);
    bf16 *sa = sh, *sb = sh + 16 * 24, *sbt = sb + 16 * 8; /* a[16][24 wide], b[16][8], b transposed [8][24 wide] */
    int l = lane_id();
    for (int i = l; i < 32; i += 32) cp_async16_zfill(sa + i / 2 * 24 + i % 2 * 8, a + i * 8, i / 2 < rows ? 16 : 0);
    cp_async_commit();
    if (l < 16) {
        cp_async16(sb + l * 8, b + l * 8);
        cp_async16(sbt + l / 2 * 24 + l % 2 * 8, bt + l * 8);
    }
    cp_async_commit();
    cp_async_wait<0>();
    __syncwarp();
    uint32_t fa[4], fb[2], fc[2], fx[4];
    ldmatrix_x4(fa, sa + (l & 15) * 24 + (l >> 4) * 8);
    ldmatrix_x2_trans(fb, sb + (l & 15) * 8);
    ldmatrix_x2(fc, sbt + (l & 7) * 24 + (l >> 3 & 1) * 8);
    ldmatrix_x4_trans(fx, sa + (l & 15) * 24 + (l >> 4) * 8);
    float c[4] = {0, 0, 0, 0}, e[4] = {1, 1, 1, 1};
    mma_bf16_16816(c, fa, fb);
    mma_bf16_16816(e, fa, fc);
    int g = l / 4, t = l % 4;
    for (int i = 0; i < 4; i++) {
        int at = (g + i / 2 * 8) * 8 + 2 * t + i % 2;
        d[at] = c[i];
        dt[at] = e[i];
        dt[128 + i * 64 + l * 2] = unpack_lo(fx[i]);
        dt[128 + i * 64 + l * 2 + 1] = unpack_hi(fx[i]);
    }
}
static void test_mma(void **)
{
    for (int round = 0; round < 4; round++)
        EACH_ORDER(o) {
            int rows = round == 3 ? 11 : 16;
            std::vector<bf16> a(256), b(128), bt(128);
            for (bf16 &v : a) v = __float2bfloat16(uniform());
            for (int k = 0; k < 16; k++)
                for (int n = 0; n < 8; n++) b[(size_t)(k * 8 + n)] = bt[(size_t)(n * 16 + k)] = __float2bfloat16(uniform());
            dev<bf16> da(a), db(b), dbt(bt);
            dev<float> d(128), dt(128 + 256);
            emu_setting("ASYNC", round == 1 ? "early" : round == 2 ? "rand" : "late");
            assert_int_equal(pt_launch(k_mma, 1, 32, 2 * (16 * 24 + 16 * 8 + 8 * 24), 0, da.p, db.p, dbt.p, d.p, dt.p, rows),
                             PT_OK);
            emu_setting("ASYNC", "late");
            std::vector<float> g = d.get(), gt = dt.get();
            for (int m = 0; m < 16; m++)
                for (int n = 0; n < 8; n++) {
                    double want = 0;
                    for (int k = 0; k < 16 && m < rows; k++)
                        want += (double)to_f(a[(size_t)(m * 16 + k)]) * to_f(b[(size_t)(k * 8 + n)]);
                    assert_true(fabs(g[(size_t)(m * 8 + n)] - want) < 1e-5);
                    assert_true(fabs(gt[(size_t)(m * 8 + n)] - want - 1) < 1e-5);
                }
            for (int i = 0; i < 4; i++) /* matrix i of x4: rows (i%2)*8.., columns (i/2)*8.., transposed per lane */
                for (int l = 0; l < 32; l++)
                    for (int h = 0; h < 2; h++) {
                        int row = i % 2 * 8 + l % 4 * 2 + h, col = i / 2 * 8 + l / 4;
                        float want = row < rows ? to_f(a[(size_t)(row * 16 + col)]) : 0;
                        assert_true(gt[(size_t)(128 + i * 64 + l * 2 + h)] == want);
                    }
        }
}

/* ---- atomics, the last block, named barriers ---- */
__global__ void k_last(const float *x, float *part, float *out, unsigned *counter, int *hits, int n)
{
    PT_SHARED(float, red, [32]);
    PT_SHARED(unsigned, flag, [1]);
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    float s = block_sum(i < n ? x[i] : 0.0f, red);
    atomicAdd(hits + (i % 3), 1);
    if (threadIdx.x == 0) part[blockIdx.x] = s;
    if (pt_last_block(counter, gridDim.x, flag)) {
        float t = 0;
        for (unsigned b = threadIdx.x; b < gridDim.x; b += blockDim.x) t += part[b];
        t = block_sum(t, red);
        if (threadIdx.x == 0) out[0] = t;
    }
}
static void test_last_block(void **)
{
    const int n = 1000;
    std::vector<float> x((size_t)n);
    double want = 0;
    for (float &f : x) want += f = uniform();
    EACH_ORDER(o) {
        dev<float> dx(x), part(16), out(1);
        dev<unsigned> counter(1);
        dev<int> hits(3);
        for (int again = 0; again < 2; again++)
            assert_int_equal(pt_launch(k_last, 16, 64, 0, 0, dx.p, part.p, out.p, counter.p, hits.p, n), PT_OK);
        assert_true(fabs(out.get()[0] - want) < 1e-4);
        std::vector<int> h = hits.get();
        assert_int_equal(h[0] + h[1] + h[2], 2048);
    }
}

__global__ void k_named(int *out)
{
    PT_SHARED(int, box, [2][64]);
    int half = (int)threadIdx.x / 64, t = (int)threadIdx.x % 64;
    for (int r = 0; r < 3 + half; r++) { /* the halves run at their own pace */
        box[half][t] = r * 100 + t;
        bar_sync(1 + half, 64);
        int v = box[half][63 - t];
        bar_sync(1 + half, 64);
        out[threadIdx.x] = v;
    }
}
static void test_named_barriers(void **)
{
    EACH_ORDER(o) {
        dev<int> out(128);
        assert_int_equal(pt_launch(k_named, 1, 128, 0, 0, out.p), PT_OK);
        std::vector<int> v = out.get();
        for (int i = 0; i < 128; i++) assert_int_equal(v[(size_t)i], (2 + i / 64) * 100 + 63 - i % 64);
    }
}

/* ---- what the launch refuses ---- */
__global__ void k_nothing(int) {}
static void test_limits(void **)
{
    uint64_t before = pt_launches.count;
    assert_int_equal(pt_launch(k_nothing, 0, 32, 0, 0, 1), PT_EINTERNAL);
    assert_non_null(strstr(pt_err_msg(), "kernel k_nothing (grid 0x1x1, block 32x1x1, shared 0;"));
    assert_int_equal(pt_launch(k_nothing, dim3(1, 65536), 32, 0, 0, 1), PT_EINTERNAL);
    assert_int_equal(pt_launch(k_nothing, dim3(1, 65535), 32, 0, 0, 1), PT_OK);
    assert_int_equal(pt_launch(k_nothing, 1, 1056, 0, 0, 1), PT_EINTERNAL);
    assert_int_equal(pt_launch(k_nothing, 1, 32, 164 * 1024, 0, 1), PT_EINTERNAL); /* sm_80: 163 KB */
    assert_int_equal(pt_launch(k_nothing, 1, 32, 163 * 1024, 0, 1), PT_OK);
    emu_setting("ARCH", "86");
    assert_int_equal(pt_launch(k_nothing, 1, 32, 100 * 1024, 0, 1), PT_EINTERNAL);
    assert_int_equal(pt_launch(k_nothing, 1, 32, 99 * 1024, 0, 1), PT_OK);
    emu_setting("ARCH", "80");
    assert_int_equal(pt_launches.count - before, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),    cmocka_unit_test(test_reduce),     cmocka_unit_test(test_warp),
        cmocka_unit_test(test_mma),    cmocka_unit_test(test_last_block), cmocka_unit_test(test_named_barriers),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
