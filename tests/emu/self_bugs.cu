/* Planted bugs: each kernel below is wrong in one way and the check build must say so, in every thread order, with the right
 * words; and beside each stands the right version, which must pass. A child process runs each, since the device leaves with 97
 * or 98. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}
#include "emu.h"
#include "kernels/cuda/dev.cuh"

enum { N = 256 };
static const char *const orders[] = {"fwd", "rev", "rand:1", "rand:2"};

/* ---- the kernels; bug = 0 is the right one ---- */
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
__global__ void k_wait(const float *x, float *y, int bug) /* two groups of copies, the wrong count of them awaited */
{
    PT_SHARED(float, s, [2][N]);
    int t = (int)threadIdx.x;
    for (int g = 0; g < 2; g++) {
        if (t < N / 4) cp_async16(&s[g][4 * t], x + 4 * t);
        cp_async_commit();
    }
    if (bug) cp_async_wait<2>();
    else cp_async_wait<1>();
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
    if (bug) s[0] += x[threadIdx.x];
    else atomicAdd(&s[0], x[threadIdx.x]);
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
__global__ void k_global_overrun(const float *x, float *y, int bug) { y[threadIdx.x] = x[threadIdx.x + bug]; }
__global__ void k_copy(const float *x, float *y, int) { y[threadIdx.x] = x[threadIdx.x]; }
__global__ void k_copy_n(const float *x, float *y, int n)
{
    if ((int)threadIdx.x < n) y[threadIdx.x] = x[threadIdx.x];
}
__global__ void k_blocks(float *y, int bug) /* all blocks write the same place */
{
    if (threadIdx.x == 0) {
        if (bug) y[0] += 1;
        else atomicAdd(&y[0], 1.0f);
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
    if (threadIdx.x & 1) v = __shfl_xor_sync(bug ? PT_FULL : 0xaaaaaaaau, v, 2);
    else v = __shfl_down_sync(bug ? PT_FULL : 0x55555555u, v, 0);
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
    if (t < 250) s[t] = x[t];
    else if (!bug) s[t] = 0;
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
__global__ void k_stack_only(const float *x, float *y, int) { *y = *x; }

/* ---- running them ---- */
static float *dx, *dy;
static void setup(void)
{
    float h[N];
    for (int i = 0; i < N; i++) h[i] = (float)i;
    cudaMalloc((void **)&dx, sizeof h);
    cudaMalloc((void **)&dy, sizeof h);
    cudaMemcpy(dx, h, sizeof h, cudaMemcpyHostToDevice);
    cudaMemset(dy, 0, sizeof h);
}
#define XY(name, kernel, block) \
    static void run_##name(int bug) { pt_launch(kernel, 1, block, 0, 0, dx, dy, bug); }
#define Y(name, kernel, grid, block) \
    static void run_##name(int bug) { pt_launch(kernel, grid, block, 0, 0, dy, bug); }
XY(barrier, k_barrier, N)
XY(tail, k_tail, N)
XY(wait, k_wait, N)
XY(wait_alone, k_wait_alone, N)
XY(refill, k_refill, N)
XY(shared_sum, k_shared_sum, N)
XY(static_overrun, k_static_overrun, N)
static void run_dynamic_overrun(int bug) { pt_launch(k_dynamic_overrun, 1, N, N * 4, 0, dx, dy, bug); }
XY(global_overrun, k_global_overrun, N)
static void run_free(int bug)
{
    if (bug) cudaFree(dx);
    pt_launch(k_copy, 1, N, 0, 0, dx, dy, 0);
}
static void run_host_pointer(int bug)
{
    static float host[N];
    float *heap = (float *)calloc(N, 4);
    pt_launch(k_copy, 1, N, 0, 0, bug ? host : dx, dy, 0);
    pt_launch(k_copy, 1, N, 0, 0, bug ? heap : dx, dy, 0);
    free(heap);
}
static void run_host_heap(int bug)
{
    float *heap = (float *)calloc(N, 4);
    pt_launch(k_copy, 1, N, 0, 0, bug ? heap : dx, dy, 0);
    free(heap);
}
static void run_host_written(int bug)
{
    float *heap = (float *)calloc(N, 4);
    pt_launch(k_copy, 1, N, 0, 0, dx, bug ? heap : dy, 0);
    free(heap);
}
static void run_undefined(int bug)
{
    float *z;
    cudaMalloc((void **)&z, N * 4);
    cudaMemset(z, 0, (size_t)(N - bug) * 4);
    pt_launch(k_copy, 1, N, 0, 0, z, dy, 0);
}
static void run_copied_undefined(int bug)
{
    float *z;
    cudaMalloc((void **)&z, N * 4);
    if (!bug) cudaMemset(z, 0, N * 4);
    cudaMemcpy(dx, z, N * 4, cudaMemcpyDeviceToDevice);
    pt_launch(k_copy, 1, N, 0, 0, dx, dy, 0);
}
Y(blocks, k_blocks, 4, 32)
static void run_other_block(int bug) { pt_launch(k_other_block, 4, 64, 0, 0, dx, dy, bug); }
static void run_write_twice(int bug) { pt_launch(k_write_twice, 4, 64, 0, 0, dx, dy, bug); }
XY(syncwarp, k_syncwarp, N)
XY(no_fence, k_shuffle_is_no_fence, N)
Y(divergent, k_divergent, 1, N)
Y(early_return, k_early_return, 1, N)
Y(half_shuffle, k_half_shuffle, 1, 64)
Y(two_shuffles, k_two_shuffles, 1, 64)
Y(not_in_mask, k_not_in_mask, 1, 64)
Y(outside_mask, k_reads_outside_mask, 1, 64)
Y(exited_lane, k_exited_lane, 1, 64)
XY(misaligned, k_misaligned, 32)
XY(misaligned_copy, k_misaligned_copy, 32)
XY(ldmatrix_row, k_ldmatrix_row, N)
XY(pad, k_pad, N)
Y(local, k_local, 1, 64)
XY(named, k_named, 128)
static void run_bytes(int bug) { pt_launch(k_bytes, 1, N, 0, 0, (uint8_t *)dy, bug); }
XY(overflow, k_overflow, 32)
static void run_registers(int bug) { pt_launch(k_registers, 1, 32, 0, 0, dy, 8 + bug); }
Y(named_count, k_named_count, 1, 64)
static void run_double_free(int bug)
{
    cudaFree(dx);
    if (bug) cudaFree(dx);
}
static void run_free_inside(int bug) { cudaFree(dx + bug); }
static void run_copy_overrun(int bug)
{
    float h[N + 1] = {0};
    cudaMemcpy(dx, h, (size_t)(N + bug) * 4, cudaMemcpyHostToDevice);
}
static void run_set_overrun(int bug) { cudaMemset(dx + bug, 0, N * 4); }
static void run_direction(int bug)
{
    float h[N];
    cudaMemcpy(h, dx, 4, bug ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost);
}
static void run_host_reads(int bug)
{
    float h;
    if (bug) h = *(volatile float *)dx;
    else cudaMemcpy(&h, dx, 4, cudaMemcpyDeviceToHost);
    fprintf(stderr, "%g", (double)h);
}
__attribute__((no_sanitize("thread"))) static void run_guard(int bug) /* as code that is not instrumented */
{
    float h;
    emu_setting("GUARD", "1");
    setup();
    if (bug) h = *(volatile float *)dx;
    else cudaMemcpy(&h, dx, 4, cudaMemcpyDeviceToHost);
    fprintf(stderr, "%g", (double)h);
}
static void run_stream_gone(int bug)
{
    cudaStream_t s;
    cudaStreamCreate(&s);
    if (bug) cudaStreamDestroy(s);
    pt_launch(k_copy, 1, N, 0, s, dx, dy, 0);
}
static void run_event_wait(int bug) /* stream b reads what stream a writes */
{
    cudaStream_t a, b;
    cudaEvent_t e;
    cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    cudaDeviceSynchronize();
    pt_launch(k_copy, 1, N, 0, a, dx, dy, 0);
    cudaEventRecord(e, a);
    if (!bug) cudaStreamWaitEvent(b, e, 0);
    pt_launch(k_copy_n, 1, N, 0, b, dy, dx, 10);
    cudaDeviceSynchronize();
}
static void run_event_early(int bug) /* the event is recorded before the work it should cover */
{
    cudaStream_t a, b;
    cudaEvent_t e;
    cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    cudaDeviceSynchronize();
    if (bug) cudaEventRecord(e, a);
    pt_launch(k_copy, 1, N, 0, a, dx, dy, 0);
    if (!bug) cudaEventRecord(e, a);
    cudaStreamWaitEvent(b, e, 0);
    cudaMemsetAsync(dy, 0, 16, b); /* writes after an unordered write */
    cudaDeviceSynchronize();
}
static void run_upload_race(int bug) /* the next upload overwrites what the kernel may still read */
{
    cudaStream_t a, b;
    cudaEvent_t e;
    static float *pinned;
    cudaMallocHost((void **)&pinned, N * 4);
    memset(pinned, 0, N * 4);
    cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    cudaDeviceSynchronize();
    pt_launch(k_copy, 1, N, 0, a, dx, dy, 0);
    cudaEventRecord(e, a);
    if (!bug) cudaStreamWaitEvent(b, e, 0);
    cudaMemcpyAsync(dx, pinned, N * 4, cudaMemcpyHostToDevice, b);
    cudaDeviceSynchronize();
}
static void run_static_limit(int bug);
template <int KB> __global__ void k_big(float *y)
{
    PT_SHARED(float, s, [KB * 256]);
    s[threadIdx.x] = 1;
    y[threadIdx.x] = s[threadIdx.x];
}
static void run_static_limit(int bug)
{
    if (bug) pt_launch(k_big<49>, 1, 32, 0, 0, dy);
    else pt_launch(k_big<48>, 1, 32, 0, 0, dy);
}
static void run_stack(int bug)
{
    float local = 1;
    pt_launch(k_stack_only, 1, 1, 0, 0, bug ? &local : dx, dy, 0);
}
static void run_pinned_twice(int bug)
{
    void *p;
    cudaMallocHost(&p, 64);
    cudaFreeHost(p);
    if (bug) cudaFreeHost(p);
}

enum { PLAIN = 1, CHECK = 2, ASAN = 4, ALL = 7 };
static const struct planted {
    const char *name;
    void (*run)(int bug);
    int where, code; /* builds that must find it; exit code */
    const char *words;
} bugs[] = {
    {"missing __syncthreads", run_barrier, CHECK, 97, ""}, /* a race, or a read of memory that nothing wrote */
    {"missing __syncthreads at the loop's tail", run_tail, CHECK, 97, "race: shared"},
    {"wrong wait_group", run_wait, CHECK, 97, "cp.async not waited for"},
    {"wait without barrier", run_wait_alone, CHECK, 97, "thread"},
    {"cp.async into a tile still read", run_refill, CHECK, 97, "unsynchronised"},
    {"+= on shared memory", run_shared_sum, CHECK, 97, "race: shared"},
    {"static shared overrun", run_static_overrun, CHECK | ASAN, 97, "past the end of an array"},
    {"dynamic shared overrun", run_dynamic_overrun, CHECK | ASAN, 97, "dynamic shared memory, byte 1024 of 1024"},
    {"global overrun", run_global_overrun, CHECK | ASAN, 97, "out of bounds: byte 1024 of allocation 1 (1024 bytes)"},
    {"use after free", run_free, CHECK | ASAN, 97, "use after free"},
    {"host array in a kernel", run_host_pointer, CHECK, 97, "host memory in a kernel"},
    {"host heap in a kernel", run_host_heap, CHECK, 97, "read of 4 bytes"},
    {"kernel writes host heap", run_host_written, CHECK, 97, "write of 4 bytes"},
    {"undefined global memory", run_undefined, CHECK, 97, "read of memory that nothing wrote: byte 1020"},
    {"undefined memory copied on", run_copied_undefined, CHECK, 97, "read of memory that nothing wrote"},
    {"+= from several blocks", run_blocks, CHECK, 97, "race between blocks"},
    {"reads another block's output", run_other_block, CHECK, 97, ""},
    {"tiles of two blocks overlap", run_write_twice, CHECK, 97, "race between blocks"},
    {"missing __syncwarp", run_syncwarp, CHECK, 97, ""},
    {"a shuffle taken for a fence", run_no_fence, CHECK, 97, ""},
    {"divergent __syncthreads", run_divergent, ALL, 97, "threads meet at different barriers"},
    {"return before a barrier", run_early_return, ALL, 97, "return"},
    {"full-mask shuffle of half a warp", run_half_shuffle, ALL, 97, "exit"},
    {"two shuffles meet", run_two_shuffles, ALL, 97, "different operations"},
    {"lane outside of its mask", run_not_in_mask, ALL, 97, "is not in its mask"},
    {"shuffle reads outside of the mask", run_outside_mask, ALL, 97, "which is not in mask"},
    {"mask names an exited lane", run_exited_lane, ALL, 97, "exit"},
    {"misaligned float4", run_misaligned, CHECK | ASAN, 97, "misaligned access of 16 bytes"},
    {"misaligned cp.async", run_misaligned_copy, ALL, 97, "the global address is not aligned"},
    {"misaligned ldmatrix row", run_ldmatrix_row, ALL, 97, "no multiple of 16"},
    {"undefined padding", run_pad, CHECK, 97, "read of memory that nothing wrote"},
    {"another thread's local variable", run_local, CHECK, 97, "a local variable of another thread"},
    {"named barrier of the wrong warps", run_named, CHECK, 97, ""},
    {"two threads write one byte", run_bytes, CHECK, 97, "race: shared"},
    {"register array past its end", run_registers, CHECK | ASAN, 97, "index past the end of an array"},
    {"32-bit index overflows", run_overflow, CHECK | ASAN, 97, "a product overflows its integer type"},
    {"named barrier of too many threads", run_named_count, ALL, 97, "within the block"},
    {"double free", run_double_free, ALL, 97, "freed twice"},
    {"free of an inner address", run_free_inside, ALL, 97, "no device memory of its own"},
    {"copy past the end", run_copy_overrun, ALL, 97, "out of bounds, bytes 0 to 1028 of allocation 1"},
    {"memset past the end", run_set_overrun, ALL, 97, "out of bounds"},
    {"wrong direction", run_direction, ALL, 97, "direction"},
    {"host reads device memory", run_host_reads, CHECK, 97, "the host reads device memory"},
    {"host reads device memory (guard)", run_guard, ALL, 97, "the host dereferences device memory"},
    {"destroyed stream", run_stream_gone, ALL, 97, "is no stream"},
    {"missing event wait", run_event_wait, CHECK, 97, "race between streams"},
    {"event recorded too early", run_event_early, CHECK, 97, "race between streams"},
    {"upload over a tensor in use", run_upload_race, CHECK, 97, "race between streams"},
    {"too much static shared memory", run_static_limit, ALL, 97, "48 KB is the limit"},
    {"host stack in a kernel", run_stack, CHECK, 97, "host memory in a kernel"},
    {"pinned memory freed twice", run_pinned_twice, ALL, 97, "freed twice"},
};

static int source; /* reports with file and line: slow */
/* Runs one in a child; returns its exit code and what it said. */
static int child(const struct planted *b, int bug, const char *order, int lazy, char *said, size_t n)
{
    int fd[2], st;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 2);
        close(fd[0]);
        emu_setting("ORDER", order);
        emu_setting("LAZY", lazy ? "1" : "0");
        emu_setting("SOURCE", source ? "1" : "0");
        if (b->run != run_guard) setup();
        b->run(bug);
        cudaDeviceSynchronize();
        _exit(cudaGetLastError() == cudaSuccess ? 0 : 3);
    }
    close(fd[1]);
    size_t len = 0;
    for (ssize_t k; (k = read(fd[0], said + len, n - 1 - len)) > 0;) len += (size_t)k;
    said[len] = 0;
    close(fd[0]);
    assert_int_equal(waitpid(pid, &st, 0), pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static void test_bugs(void **)
{
    static char said[16384];
    const char *build = emu_build();
    int mine = strcmp(build, "plain") == 0 ? PLAIN : strcmp(build, "check") == 0 ? CHECK : ASAN, found = 0, bad = 0;
    const size_t n_orders = mine == ASAN ? 2 : sizeof orders / sizeof *orders; /* slow to fork */
    for (const struct planted &b : bugs) {
        for (size_t o = 0; o < n_orders; o++) {
            int lazy = o & 1;
            int code = child(&b, 0, orders[o], lazy, said, sizeof said);
            if (code != 0 && !(mine == ASAN && b.run == run_local)) {
                bad++;
                print_message("# %s, right version, %s: exit %d: %s\n", b.name, orders[o], code, said);
            }
            if (!(b.where & mine)) continue;
            code = child(&b, 1, orders[o], lazy, said, sizeof said);
            bool sanitizer = mine == ASAN && (strstr(said, "AddressSanitizer") || strstr(said, "runtime error"));
            if (!sanitizer && (code != b.code || !strstr(said, b.words))) {
                bad++;
                print_message("# %s, %s: exit %d (want %d, \"%s\"): %s\n", b.name, orders[o], code, b.code, b.words, said);
            } else {
                found++;
            }
        }
    }
    print_message("# figure planted bugs found by the %s build: %d of them in %d orders\n", build, found / (int)n_orders,
                  (int)n_orders);
    assert_int_equal(bad, 0);
    assert_true(found > 0);
}

/* A report names the line. */
static void test_source(void **)
{
    static char said[16384];
    if (strcmp(emu_build(), "check") != 0) skip();
    source = 1;
    assert_int_equal(child(&bugs[5], 1, "fwd", 0, said, sizeof said), 97);
    source = 0;
    assert_non_null(strstr(said, "self_bugs.cu:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bugs), cmocka_unit_test(test_source)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
