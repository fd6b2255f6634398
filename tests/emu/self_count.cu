/* The counters against kernels whose traffic is known; sampled blocks of launches of full size over sparse memory; and 32-bit
 * overflow there. */
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
#include "emu_counters.h"
#include "kernels/cuda/dev.cuh"

__global__ void c_copy(const float *x, float *y, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) y[i] = x[i];
}
__global__ void c_copy16(const float4 *x, float4 *y)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    vst(y + i, vld(x + i));
}
__global__ void c_strided(const float *x, float *y, int stride)
{
    y[threadIdx.x] = x[(int)threadIdx.x * stride];
}
__global__ void c_twice(const float *x, float *y)
{
    y[threadIdx.x] = x[threadIdx.x] + x[threadIdx.x ^ 1];
}
__global__ void c_banks(float *y, int stride)
{
    PT_SHARED(float, s, [1024]);
    for (int i = (int)threadIdx.x; i < 1024; i += 32) s[i] = 1; /* 32 phases, no conflict */
    __syncwarp();
    y[threadIdx.x] = s[(int)threadIdx.x * stride]; /* one phase */
}
template <int PAD> __global__ void c_ldmatrix(float *y)
{
    PT_SHARED(bf16, s, [16 * (16 + PAD)]);
    int l = lane_id();
    for (int i = l; i < 16 * (16 + PAD); i += 32) s[i] = from_f<bf16>(1);
    __syncwarp();
    uint32_t r[4];
    ldmatrix_x4(r, s + (l & 15) * (16 + PAD) + (l >> 4) * 8); /* 4 phases */
    y[l] = unpack_lo(r[0]);
}

static float *dx, *dy;
static int setup(void **)
{
    cudaMalloc((void **)&dx, 1 << 20);
    cudaMalloc((void **)&dy, 1 << 20);
    cudaMemset(dx, 0, 1 << 20);
    cudaMemset(dy, 0, 1 << 20);
    emu_setting("COUNT", "1");
    emu_counts_reset();
    return 0;
}
static int teardown(void **)
{
    cudaFree(dx);
    cudaFree(dy);
    emu_setting("COUNT", "0");
    return 0;
}
static bool counted(void)
{
    if (strcmp(emu_build(), "check") == 0) return true;
    return false;
}

static void test_traffic(void **)
{
    assert_int_equal(pt_launch(c_copy, 4, 128, 0, 0, dx, dy, 512), PT_OK);
    assert_int_equal(emu_launch_count(), 1);
    const emu_kernel_counts *c = emu_counts_of("c_copy");
    assert_non_null(c);
    assert_int_equal(c->launches, 1);
    assert_int_equal(c->blocks, 4);
    assert_null(emu_counts_of("c_cop"));
    if (!counted()) return;
    assert_int_equal(c->read_bytes, 2048);
    assert_int_equal(c->write_bytes, 2048);
    assert_int_equal(c->read_sectors, 64);
    assert_int_equal(c->write_sectors, 64);
    assert_int_equal(c->accesses, 32);
    assert_int_equal(c->unique_read_sectors, 64);
    assert_int_equal(pt_launch(c_copy, 1, 128, 0, 0, dx + 1, dy, 100),
                     PT_OK); /* shifted by 4 bytes: 5 sectors where 4 would do */
    c = emu_counts_of("c_copy");
    assert_int_equal(c->read_sectors - 64, 5 + 5 + 5 + 1);
    assert_int_equal(c->write_sectors - 64, 13);
    assert_int_equal(pt_launch(c_copy16, 2, 64, 0, 0, (const float4 *)dx, (float4 *)dy), PT_OK);
    c = emu_counts_of("c_copy16");
    assert_int_equal(c->accesses, 8); /* one of 512 bytes a warp and direction */
    assert_int_equal(c->read_sectors, 64);
    assert_int_equal(c->read_bytes, 2048);
    assert_int_equal(pt_launch(c_strided, 1, 32, 0, 0, dx, dy, 9), PT_OK);
    c = emu_counts_of("c_strided");
    assert_int_equal(c->read_sectors, 32);
    assert_int_equal(pt_launch(c_twice, 1, 64, 0, 0, dx, dy), PT_OK);
    c = emu_counts_of("c_twice");
    assert_int_equal(c->read_sectors, 16);       /* touched twice */
    assert_int_equal(c->unique_read_sectors, 8); /* in memory once */
}

static void test_banks(void **)
{
    if (!counted()) skip();
    static const struct { int stride, worst; } cases[] = {{1, 1}, {2, 2}, {4, 4}, {32, 32}, {31, 1}, {0, 1}, {8, 8}};
    for (auto &k : cases) {
        emu_counts_reset();
        assert_int_equal(pt_launch(c_banks, 1, 32, 0, 0, dy, k.stride), PT_OK);
        const emu_kernel_counts *c = emu_counts_of("c_banks");
        assert_int_equal(c->shared_accesses, 33);
        assert_int_equal(c->shared_cycles, 32 + k.worst);
        assert_int_equal(c->shared_worst, k.worst);
    }
    emu_counts_reset();
    assert_int_equal(pt_launch(c_ldmatrix<0>, 1, 32, 0, 0, dy), PT_OK); /* rows of 32 bytes: 8 rows fold onto 4 places, twice */
    assert_int_equal(emu_counts_of("c_ldmatrix")->shared_worst, 2);
    emu_counts_reset();
    assert_int_equal(pt_launch(c_ldmatrix<8>, 1, 32, 0, 0, dy), PT_OK); /* rows of 48 bytes: 8 rows on 8 places */
    assert_int_equal(emu_counts_of("c_ldmatrix")->shared_worst, 1);
}

/* ---- launches of full size ---- */
__global__ void c_rows(const float *x, float *y, int64_t cols, int bug)
{
    for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        if (bug) {
            int at = (int)blockIdx.x * (int)cols + (int)c; /* wraps past 2^31 elements */
            y[at] = x[at];
        } else {
            y[blockIdx.x * cols + c] = x[blockIdx.x * cols + c];
        }
    }
}
static void test_sampled(void **)
{
    const int64_t rows = 1 << 20, cols = 4096; /* 16 GiB */
    for (int bug = 0; bug < 2; bug++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            if (bug && freopen("/dev/null", "w", stderr) == NULL) _exit(1);
            float *x = (float *)emu_malloc_sparse((size_t)(rows * cols) * 4),
                  *y = (float *)emu_malloc_sparse((size_t)(rows * cols) * 4);
            emu_setting("SAMPLE", "5");
            emu_setting("ORDER", "rand:4");
            if (!x) _exit(77); /* AddressSanitizer leaves too few addresses */
            pt_status s = pt_launch(c_rows, (unsigned)rows, 128, 0, 0, x, y, cols, bug);
            const emu_kernel_counts *c = emu_counts_of("c_rows");
            _exit(s == PT_OK && c->blocks >= 3 && c->blocks <= 5 ? 0 : 2);
        }
        int st;
        assert_int_equal(waitpid(pid, &st, 0), pid);
        int code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
        if (code == 77) skip();
        if (!bug) assert_int_equal(code, 0);
        else if (counted()) assert_int_equal(code, 97); /* the plain build has no bounds: it may well pass */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_traffic, setup, teardown),
        cmocka_unit_test_setup_teardown(test_banks, setup, teardown),
        cmocka_unit_test(test_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
