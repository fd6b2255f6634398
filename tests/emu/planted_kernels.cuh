/* Kernels of self_bugs.cu, each wrong in one way; bug = 0 is the right one. */
#ifndef PT_PLANTED_KERNELS_CUH
#define PT_PLANTED_KERNELS_CUH
#include "kernels/cuda/dev.cuh"

enum { N = 256 };

__global__ void k_barrier(const float *x, float *y, int bug) /* write, barrier, read a neighbour's */
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    s[t] = x[t];
    if (!bug) {
        __syncthreads();
    }
    y[t] = s[(t + 1) % N];
}
__global__ void k_tail(const float *x, float *y, int bug) /* a loop that reuses its tile */
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    float acc = 0;
    for (int r = 0; r < 3; r++) {
        s[t] = x[t] + (float)r;
        __syncthreads();
        acc += s[(t + 33) % N];
        if (!bug) {
            __syncthreads();
        }
    }
    y[t] = acc;
}
__global__ void k_store_global(const float *x, float *y, int bug) /* st.global to shared memory */
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    if (bug)
        vst(s + t, x[t]);
    else
        vst_shared(s + t, x[t]);
    __syncthreads();
    y[t] = s[N - 1 - t];
}
__global__ void k_store_shared(const float *x, float *y, int bug) /* st.shared to global memory */
{
    int t = (int)threadIdx.x;
    if (bug)
        vst_shared(y + t, x[t]);
    else
        vst(y + t, x[t]);
}
__global__ void k_store_local(const float *x, float *y, int bug) /* st.global to a local variable */
{
    int t = (int)threadIdx.x;
    float own = x[t];
    if (bug) vst(&own, 2 * x[t]);
    y[t] = own;
}
__global__ void k_wait(const float *x, float *y, int bug) /* two groups of copies, the wrong count of them awaited */
{
    PT_SHARED(float, s, [2][N]);
    int t = (int)threadIdx.x;
    for (int g = 0; g < 2; g++) {
        if (t < N / 4) cp_async16(&s[g][4 * t], x + 4 * t);
        cp_async_commit();
    }
    if (bug)
        cp_async_wait<2>();
    else
        cp_async_wait<1>();
    __syncthreads();
    y[t] = s[0][N - 1 - t];
    cp_async_wait<0>();
}
__global__ void k_wait_alone(const float *x, float *y,
                             int bug) /* a wait without the barrier: only the issuing thread sees its copy */
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    if (t < N / 4) cp_async16(&s[4 * t], x + 4 * t);
    cp_async_commit();
    cp_async_wait<0>();
    if (!bug) {
        __syncthreads();
    }
    y[t] = s[N - 1 - t];
}
__global__ void k_refill(const float *x, float *y, int bug) /* cp.async into a tile that others still read */
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    y[t] = s[N - 1 - t];
    if (!bug) {
        __syncthreads();
    }
    if (t < N / 4) cp_async16(&s[4 * t], x + 4 * t);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    y[t] += s[t];
}
__global__ void k_shared_sum(const float *x, float *y, int bug)
{
    PT_SHARED(float, s, [1]);
    if (threadIdx.x == 0) s[0] = 0;
    __syncthreads();
    if (bug)
        s[0] += x[threadIdx.x];
    else
        atomicAdd(&s[0], x[threadIdx.x]);
    __syncthreads();
    if (threadIdx.x == 0) y[0] = s[0];
}
__global__ void k_static_overrun(const float *x, float *y, int bug)
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    s[t + bug] = x[t];
    __syncthreads();
    y[t] = t ? s[t] : 0;
}
__global__ void k_dynamic_overrun(const float *x, float *y, int bug)
{
    DYN_SHARED(float, s);
    int t = (int)threadIdx.x;
    s[t + bug] = x[t];
    __syncthreads();
    y[t] = t ? s[t] : 0;
}
__global__ void k_beside_dynamic(const float *x, float *y, int)
{
    PT_SHARED(float, own, [N]);
    DYN_SHARED(float, s);
    int t = (int)threadIdx.x;
    own[t] = x[t];
    s[t] = own[t];
    y[t] = s[t];
}
__global__ void k_global_overrun(const float *x, float *y, int bug)
{
    y[threadIdx.x] = x[threadIdx.x + bug];
}
__global__ void k_copy(const float *x, float *y, int)
{
    y[threadIdx.x] = x[threadIdx.x];
}
__global__ void k_copy_n(const float *x, float *y, int n)
{
    if ((int)threadIdx.x < n) y[threadIdx.x] = x[threadIdx.x];
}
__global__ void k_blocks(float *y, int bug) /* all blocks write the same place */
{
    if (threadIdx.x == 0) {
        if (bug)
            y[0] += 1;
        else
            atomicAdd(&y[0], 1.0f);
    }
}
__global__ void k_other_block(const float *x, float *y, int bug) /* reads what another block writes */
{
    int i = (int)(blockIdx.x * 64 + threadIdx.x);
    y[i] = x[i];
    __syncthreads();
    int j = bug ? (i + 64) % N : (int)(blockIdx.x * 64 + (threadIdx.x + 1) % 64);
    if (y[j] > 100) y[j] = 0;
}
__global__ void k_write_twice(const float *x, float *y, int bug) /* overlapping tiles of two blocks, same value */
{
    int i = (int)(blockIdx.x * (unsigned)(64 - bug) + threadIdx.x);
    y[i] = x[0];
}
__global__ void k_syncwarp(const float *x, float *y, int bug)
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    s[t] = x[t];
    if (!bug) __syncwarp();
    y[t] = s[t ^ 1];
}
__global__ void k_shuffle_is_no_fence(const float *x, float *y, int bug)
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    s[t] = x[t];
    float v = __shfl_xor_sync(PT_FULL, x[t], 1);
    if (!bug) __syncwarp();
    y[t] = s[t ^ 1] + v;
}
__global__ void k_divergent(float *y, int bug)
{
    if (bug && threadIdx.x < 64) {
        __syncthreads();
    }
    if (!bug || threadIdx.x >= 64) y[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = 2;
}
__global__ void k_early_return(float *y, int bug)
{
    if (bug && threadIdx.x == 77) return;
    y[threadIdx.x] = 1;
    __syncthreads();
}
__global__ void k_half_shuffle(float *y, int bug)
{
    float v = 1;
    if ((threadIdx.x & 31) < 16) v = __shfl_xor_sync(bug ? PT_FULL : 0xffffu, v, 1);
    y[threadIdx.x] = v;
}
__global__ void k_two_shuffles(float *y, int bug)
{
    float v = 1;
    if (threadIdx.x & 1)
        v = __shfl_xor_sync(bug ? PT_FULL : 0xaaaaaaaau, v, 2);
    else
        v = __shfl_down_sync(bug ? PT_FULL : 0x55555555u, v, 0);
    y[threadIdx.x] = v;
}
__global__ void k_not_in_mask(float *y, int bug)
{
    float v = 1;
    if ((threadIdx.x & 31) <= 15) v = __shfl_xor_sync(bug ? 0x7fffu : 0xffffu, v, 0);
    y[threadIdx.x] = v;
}
__global__ void k_reads_outside_mask(float *y, int bug)
{
    float v = 1;
    if ((threadIdx.x & 31) < 16) v = __shfl_xor_sync(0xffffu, v, bug ? 16 : 8);
    y[threadIdx.x] = v;
}
__global__ void k_exited_lane(float *y, int bug)
{
    if (bug && (threadIdx.x & 31) == 31) return;
    y[threadIdx.x] = __shfl_xor_sync(PT_FULL, 1.0f, 1);
}
__global__ void k_misaligned(const float *x, float *y, int bug)
{
    if (threadIdx.x < 32) {
        float4 v = vld(reinterpret_cast<const float4 *>(x + 4 * threadIdx.x + bug));
        y[threadIdx.x] = v.x + v.w;
    }
}
__global__ void k_misaligned_copy(const float *x, float *y, int bug)
{
    PT_SHARED(float, s, [N]);
    if (threadIdx.x < 32) cp_async16(&s[4 * threadIdx.x], x + 4 * threadIdx.x + bug);
    cp_async_commit();
    cp_async_wait<0>();
    if (threadIdx.x < 32) y[threadIdx.x] = s[4 * threadIdx.x];
}
__global__ void k_ldmatrix_row(const float *x, float *y, int bug)
{
    PT_SHARED(uint32_t, s, [N]);
    s[threadIdx.x] = (uint32_t)x[threadIdx.x];
    __syncthreads();
    if (threadIdx.x < 32) {
        uint32_t r[2];
        ldmatrix_x2(r, &s[4 * (threadIdx.x & 15) + (unsigned)bug]);
        y[threadIdx.x] = (float)r[0];
    }
}
__global__ void k_pad(const float *x, float *y, int bug) /* a tile of 250 of 256; the padding must be filled */
{
    PT_SHARED(float, s, [N]);
    int t = (int)threadIdx.x;
    if (t < 250)
        s[t] = x[t];
    else if (!bug)
        s[t] = 0;
    __syncthreads();
    y[t] = s[t] + s[N - 1];
}
__global__ void k_local(float *y, int bug) /* a pointer to another thread's local variable */
{
    PT_SHARED(float *, s, [64]);
    float mine = (float)threadIdx.x;
    s[threadIdx.x] = &mine;
    __syncthreads();
    y[threadIdx.x] = *s[bug ? (threadIdx.x + 1) % 64 : threadIdx.x];
    __syncthreads();
}
__global__ void k_named(const float *x, float *y, int bug) /* a named barrier of the wrong warps */
{
    PT_SHARED(float, s, [128]);
    int t = (int)threadIdx.x, half = t / 64;
    s[t] = x[t];
    bar_sync(1 + half, 64);
    y[t] = s[bug ? (t + 64) % 128 : half * 64 + (t + 32) % 64];
}
__global__ void k_bytes(uint8_t *y, int bug) /* neighbouring bytes of two threads are no race; the same byte is */
{
    PT_SHARED(uint8_t, s, [N]);
    s[bug ? threadIdx.x / 2 : threadIdx.x] = (uint8_t)threadIdx.x;
    y[threadIdx.x] = s[bug ? threadIdx.x / 2 : threadIdx.x];
}
__global__ void k_registers(float *y, int n) /* a local array past its end */
{
    float a[8];
    for (int i = 0; i < 8; i++) a[i] = (float)i;
    float s = 0;
    for (int i = 0; i < n; i++) s += a[i];
    y[threadIdx.x] = s;
}
__global__ void k_overflow(const float *x, float *y, int bug) /* rows * columns in int */
{
    int row = 50000, cols = bug ? 50000 : 5;
    y[threadIdx.x] = x[(row + (int)threadIdx.x) * cols > 0 ? 0 : 1];
}
__global__ void k_named_count(float *y, int bug)
{
    bar_sync(1, bug ? 128 : 64);
    y[threadIdx.x] = 1;
}
/* Stages of copies, each made ready by the thread that copied it (lora_staged.cuh). bug 1: waits for one copy too few; 2: the next copy
 * goes into the tile that others still read; 3: makes a neighbour's part ready; 4: one ready tile where two are needed. */
__global__ void k_ring(const float *x, float *y, int bug)
{
    PT_SHARED(float, raw, [3][N]);
    PT_SHARED(float, ready, [2][N]);
    int t = (int)threadIdx.x, mine = 4 * (bug == 3 ? (t + 32) % (N / 4) : t);
    float acc = 0;
    for (int i = 0; i < 2; i++) {
        cp_async16(&raw[i][4 * t], x + 4 * t);
        cp_async_commit();
    }
    for (int s = 0; s < 6; s++) {
        float *to = ready[bug == 4 ? 0 : s & 1];
        if (bug == 1)
            cp_async_wait<2>();
        else
            cp_async_wait<1>();
        for (int i = 0; i < 4; i++) to[mine + i] = raw[s % 3][mine + i];
        if (bug == 2 && s + 2 < 6) cp_async16(&raw[(s + 2) % 3][4 * t], x + 4 * t);
        __syncthreads();
        if (bug != 2 && s + 2 < 6) cp_async16(&raw[(s + 2) % 3][4 * t], x + 4 * t);
        cp_async_commit();
        acc += to[N - 1 - t] + raw[s % 3][N - 1 - t];
    }
    y[t] = acc;
}
/* Sums in pieces, a block each, added by the block that ends last. bug 1: by the last block of the grid; 2: one arrival too early; 3: pieces
 * that overlap; 4: reads past the pieces. */
__global__ void k_pieces(const float *x, float *y, float *sums, unsigned *counter, int bug)
{
    PT_SHARED(unsigned, flag, [1]);
    int t = (int)threadIdx.x, b = (int)blockIdx.x, n = (int)gridDim.x, each = 64 - (bug == 3);
    sums[b * each + t] = x[b * 64 + t];
    bool last = bug == 1 ? b == n - 1 : pt_last_block(counter, (unsigned)(n - (bug == 2)), flag);
    if (!last) return;
    float s = 0;
    for (int i = 0; i < n; i++) s += sums[i * each + (bug == 4 ? 63 + t : t)];
    y[t] = s;
}
__global__ void k_stack_only(const float *x, float *y, int)
{
    *y = *x;
}
#endif
