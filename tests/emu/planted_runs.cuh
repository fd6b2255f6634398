/* What self_bugs.cu runs: a launch of each planted kernel, and host code that is wrong in one way. run_NAME(0) is right. */
#ifndef PT_PLANTED_RUNS_CUH
#define PT_PLANTED_RUNS_CUH
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu.h"
#include "planted_kernels.cuh"

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
#define XY(name, kernel, block)                                                                                                \
    static void run_##name(int bug)                                                                                            \
    {                                                                                                                          \
        pt_launch(kernel, 1, block, 0, 0, dx, dy, bug);                                                                        \
    }
#define Y(name, kernel, grid, block)                                                                                           \
    static void run_##name(int bug)                                                                                            \
    {                                                                                                                          \
        pt_launch(kernel, grid, block, 0, 0, dy, bug);                                                                         \
    }
XY(barrier, k_barrier, N)
XY(tail, k_tail, N)
XY(store_global, k_store_global, N)
XY(store_shared, k_store_shared, N)
XY(store_local, k_store_local, N)
XY(wait, k_wait, N)
XY(wait_alone, k_wait_alone, N)
XY(refill, k_refill, N)
XY(shared_sum, k_shared_sum, N)
XY(static_overrun, k_static_overrun, N)
static void run_dynamic_overrun(int bug)
{
    pt_launch(k_dynamic_overrun, 1, N, N * 4, 0, dx, dy, bug);
}
/* 1,024 bytes of its own beside 47 KB and 128: more than 48 KB, though the launch asks for fewer. */
static void run_beside_dynamic(int bug)
{
    size_t bytes = 47 * 1024 + 128;
    if (bug)
        pt_launch_raw<const float *, float *, int>("k_beside_dynamic", k_beside_dynamic, 1, N, bytes, 0, dx, dy, 0);
    else
        pt_launch(k_beside_dynamic, 1, N, bytes, 0, dx, dy, 0);
}
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
static void run_other_block(int bug)
{
    pt_launch(k_other_block, 4, 64, 0, 0, dx, dy, bug);
}
static void run_write_twice(int bug)
{
    pt_launch(k_write_twice, 4, 64, 0, 0, dx, dy, bug);
}
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
static void run_bytes(int bug)
{
    pt_launch(k_bytes, 1, N, 0, 0, (uint8_t *)dy, bug);
}
XY(overflow, k_overflow, 32)
static void run_registers(int bug)
{
    pt_launch(k_registers, 1, 32, 0, 0, dy, 8 + bug);
}
Y(named_count, k_named_count, 1, 64)
static void run_double_free(int bug)
{
    cudaFree(dx);
    if (bug) cudaFree(dx);
}
static void run_free_inside(int bug)
{
    cudaFree(dx + bug);
}
static void run_copy_overrun(int bug)
{
    float h[N + 1] = {0};
    cudaMemcpy(dx, h, (size_t)(N + bug) * 4, cudaMemcpyHostToDevice);
}
static void run_set_overrun(int bug)
{
    cudaMemset(dx + bug, 0, N * 4);
}
static void run_direction(int bug)
{
    float h[N];
    cudaMemcpy(h, dx, 4, bug ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost);
}
static void run_host_reads(int bug)
{
    float h;
    if (bug)
        h = *(volatile float *)dx;
    else
        cudaMemcpy(&h, dx, 4, cudaMemcpyDeviceToHost);
    fprintf(stderr, "%g", (double)h);
}
__attribute__((no_sanitize("thread"))) static void run_guard(int bug) /* as code that is not instrumented */
{
    float h;
    emu_setting("GUARD", "1");
    setup();
    if (bug)
        h = *(volatile float *)dx;
    else
        cudaMemcpy(&h, dx, 4, cudaMemcpyDeviceToHost);
    fprintf(stderr, "%g", (double)h);
}
static void run_stream_gone(int bug)
{
    cudaStream_t s;
    cudaStreamCreate(&s);
    if (bug) cudaStreamDestroy(s);
    pt_launch(k_copy, 1, N, 0, s, dx, dy, 0);
}
struct two_streams {
    cudaStream_t a, b;
    cudaEvent_t e;
};
static two_streams open_streams(void)
{
    two_streams t;
    cudaStreamCreateWithFlags(&t.a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&t.b, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&t.e, cudaEventDisableTiming);
    cudaDeviceSynchronize();
    return t;
}
static void run_event_wait(int bug) /* stream b reads what stream a writes */
{
    two_streams t = open_streams();
    pt_launch(k_copy, 1, N, 0, t.a, dx, dy, 0);
    cudaEventRecord(t.e, t.a);
    if (!bug) cudaStreamWaitEvent(t.b, t.e, 0);
    pt_launch(k_copy_n, 1, N, 0, t.b, dy, dx, 10);
    cudaDeviceSynchronize();
}
static void run_event_early(int bug) /* the event is recorded before the work it should cover */
{
    two_streams t = open_streams();
    if (bug) cudaEventRecord(t.e, t.a);
    pt_launch(k_copy, 1, N, 0, t.a, dx, dy, 0);
    if (!bug) cudaEventRecord(t.e, t.a);
    cudaStreamWaitEvent(t.b, t.e, 0);
    cudaMemsetAsync(dy, 0, 16, t.b); /* writes after an unordered write */
    cudaDeviceSynchronize();
}
static void run_upload_race(int bug) /* the next upload overwrites what the kernel may still read */
{
    static float *pinned;
    cudaMallocHost((void **)&pinned, N * 4);
    memset(pinned, 0, N * 4);
    two_streams t = open_streams();
    pt_launch(k_copy, 1, N, 0, t.a, dx, dy, 0);
    cudaEventRecord(t.e, t.a);
    if (!bug) cudaStreamWaitEvent(t.b, t.e, 0);
    cudaMemcpyAsync(dx, pinned, N * 4, cudaMemcpyHostToDevice, t.b);
    cudaDeviceSynchronize();
}
#define RING(name, number)                                                                                                     \
    static void run_##name(int bug)                                                                                            \
    {                                                                                                                          \
        pt_launch(k_ring, 1, N / 4, 0, 0, dx, dy, bug ? number : 0);                                                           \
    }
RING(ring_wait, 1)
RING(ring_refill, 2)
RING(ring_neighbour, 3)
RING(ring_one, 4)
static void pieces(int bug)
{
    float *sums;
    unsigned *counter;
    cudaMalloc((void **)&sums, N * 4);
    cudaMalloc((void **)&counter, 4);
    cudaMemset(counter, 0, 4);
    pt_launch(k_pieces, 4, 64, 0, 0, dx, dy, sums, counter, bug);
}
#define PIECES(name, number)                                                                                                   \
    static void run_##name(int bug)                                                                                            \
    {                                                                                                                          \
        pieces(bug ? number : 0);                                                                                              \
    }
PIECES(pieces_grid, 1)
PIECES(pieces_early, 2)
PIECES(pieces_overlap, 3)
PIECES(pieces_past, 4)
template <int KB> __global__ void k_big(float *y)
{
    PT_SHARED(float, s, [KB * 256]);
    s[threadIdx.x] = 1;
    y[threadIdx.x] = s[threadIdx.x];
}
static void run_static_limit(int bug)
{
    if (bug)
        pt_launch(k_big<49>, 1, 32, 0, 0, dy);
    else
        pt_launch(k_big<48>, 1, 32, 0, 0, dy);
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
#endif
