/* Kernels for sass_plants.sh: what sass_count must find in machine code, and beside each the version that it must not. Compiled
 * only; nothing runs them. */
#include "kernels/cuda/op_args.cuh"

constexpr int COLS = 64, ROWS = 64, LD = COLS + 8;

/* ---- serial load loops ---- */
/* A load, a wait, a store, a trip. */
extern "C" __global__ void __launch_bounds__(128) serial_plain(bf16 *out, const bf16 *x, int64_t ld, int rows)
{
    PT_SHARED(bf16, tile, [ROWS * LD]);
#pragma unroll 1
    for (int u = (int)threadIdx.x; u < rows * 8; u += 128) st16_shared(tile + u / 8 * LD + u % 8 * 8, ld16(x + u / 8 * ld + u % 8 * 8));
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 3];
}
/* Two loads at once, changed on their way, past a branch. */
extern "C" __global__ void __launch_bounds__(128) serial_two(bf16 *out, const float *x, int64_t ld, int rows, int cols)
{
    PT_SHARED(bf16, tile, [ROWS * LD]);
#pragma unroll 1
    for (int u = (int)threadIdx.x; u < rows * 8; u += 128) {
        float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        int c = u % 8 * 8;
        if (c < cols) {
            ld_vec<4>(x + u / 8 * ld + c, v);
            ld_vec<4>(x + u / 8 * ld + c + 4, v + 4);
        }
        st16_shared(tile + u / 8 * LD + c, make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7])));
    }
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 3];
}
/* The loop holds another, for the ends. */
extern "C" __global__ void __launch_bounds__(128) serial_outer(uint8_t *out, const uint8_t *x, int n, int shift)
{
    PT_SHARED(uint8_t, raw, [8192]);
#pragma unroll 1
    for (int at = 16 * (int)threadIdx.x; at < n; at += 16 * 128) {
        if (at >= shift && at + 16 <= n) {
            st16_shared(raw + at, pt_ldg16(x + at));
        } else {
#pragma unroll 1
            for (int i = at; i < at + 16 && i < n; i++) raw[i] = (uint8_t)i;
        }
    }
    __syncthreads();
    out[threadIdx.x] = raw[threadIdx.x * 3];
}
/* One way of two is serial. */
extern "C" __global__ void __launch_bounds__(128) serial_one_way(bf16 *out, const bf16 *x, int64_t ld, int rows, int wide)
{
    PT_SHARED(bf16, tile, [ROWS * LD]);
#pragma unroll 1
    for (int u = (int)threadIdx.x; u < rows; u += 128) {
        const bf16 *from = x + u * ld;
        if (wide) {
            uint4 v[4];
#pragma unroll
            for (int i = 0; i < 4; i++) v[i] = ld16(from + 8 * i);
#pragma unroll
            for (int i = 0; i < 4; i++) st16_shared(tile + u * LD + 8 * i, v[i]);
        } else {
            st16_shared(tile + u * LD, ld16(from));
            __syncthreads();
            st16_shared(tile + u * LD + 8, ld16(from + 8));
        }
    }
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 3];
}

/* Right: copied without a register. */
extern "C" __global__ void __launch_bounds__(128) overlapped_async(bf16 *out, const bf16 *x, int64_t ld, int rows)
{
    PT_SHARED(bf16, tile, [ROWS * LD]);
#pragma unroll 1
    for (int u = (int)threadIdx.x; u < rows * 8; u += 128) cp_async16(tile + u / 8 * LD + u % 8 * 8, x + u / 8 * ld + u % 8 * 8);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 3];
}
/* Right: four loads under way at once. */
extern "C" __global__ void __launch_bounds__(128) overlapped_four(bf16 *out, const bf16 *x, int64_t ld, int rows)
{
    PT_SHARED(bf16, tile, [ROWS * LD]);
#pragma unroll 1
    for (int u = (int)threadIdx.x; u < rows; u += 128) {
        uint4 v[4];
#pragma unroll
        for (int i = 0; i < 4; i++) v[i] = ld16(x + u * ld + 8 * i);
#pragma unroll
        for (int i = 0; i < 4; i++) st16_shared(tile + u * LD + 8 * i, v[i]);
    }
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 3];
}
/* Right: a load is under way while the last one's numbers are worked on. */
extern "C" __global__ void __launch_bounds__(128) overlapped_ahead(float *out, const bf16 *x, int64_t ld, int rows)
{
    PT_SHARED(bf16, tile, [2 * 128 * 8]);
    uint4 next = ld16(x + threadIdx.x * 8);
    float sum = 0;
#pragma unroll 1
    for (int r = 0; r < rows; r++) {
        st16_shared(tile + threadIdx.x * 8, next);
        __syncthreads();
        next = ld16(x + (r + 1) * ld + threadIdx.x * 8);
        for (int i = 0; i < 16; i++) sum += to_f(tile[(threadIdx.x * 7 + i * 9) % 1024]);
        __syncthreads();
    }
    out[threadIdx.x] = sum;
}
/* Right: a load is under way over a product. */
extern "C" __global__ void __launch_bounds__(32) overlapped_product(float *out, const bf16 *x, int64_t ld, int rows)
{
    PT_SHARED(bf16, tile, [16 * 24]);
    int l = (int)threadIdx.x;
    float acc[4] = {0, 0, 0, 0};
#pragma unroll 1
    for (int r = 0; r < rows; r++) {
        uint4 next = ld16(x + r * ld + l * 8);
        uint32_t a[4];
        __syncthreads();
        ldmatrix_x4(a, tile + (l % 16) * 24 + l / 16 * 8);
        mma_bf16_16816(acc, a, a[0], a[1]);
        __syncthreads();
        st16_shared(tile + (l / 2) * 24 + l % 2 * 8, next);
    }
    for (int i = 0; i < 4; i++) out[l * 4 + i] = acc[i];
}

/* ---- bytes of ldmatrix an mma ---- */
/* Four matrices of 8 x 8 and one, for two products: 320 bytes. */
extern "C" __global__ void __launch_bounds__(32) fetched_five(float *out, const bf16 *x, int rows)
{
    PT_SHARED(bf16, tile, [32 * 24]);
    int l = (int)threadIdx.x;
    float acc[4] = {0, 0, 0, 0};
    st16_shared(tile + l * 24, ld16(x + l * 8));
    __syncthreads();
#pragma unroll 1
    for (int r = 0; r < rows; r++) {
        uint32_t a[4], b;
        ldmatrix_x4(a, tile + (l % 16) * 24 + r % 2 * 8);
        asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(b) : "r"((uint32_t)__cvta_generic_to_shared(tile + l % 8 * 24 + r % 2 * 8)));
        mma_bf16_16816(acc, a, b, a[0]);
        mma_bf16_16816(acc, a, a[1], b);
    }
    for (int i = 0; i < 4; i++) out[l * 4 + i] = acc[i];
}

/* ---- narrow and wide accesses ---- */
/* Two numbers of a row, one by one. */
extern "C" __global__ void __launch_bounds__(256) narrow_row(float *y, const float *x, int64_t n)
{
    int64_t i = ((int64_t)blockIdx.x * 256 + threadIdx.x) * 2;
    if (i >= n) return;
    y[i] = x[i] * 2;
    y[i + 1] = x[i + 1] * 2;
}
