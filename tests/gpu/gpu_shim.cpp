/* Linked into the programs of tests/emu when they run on a plugin (make test-gpu): waits after every launch, so that an error
 * is reported by the kernel that made it; runs one test where GPU_TEST names it, so that the runner goes on past a lost device;
 * and, on a real GPU, stands for the emulation's switches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include <cmocka.h>

#include "emu.h"
#include "emu_counters.h"
#include "kernels/cuda/device_cuda.h"
}

static void __attribute__((constructor)) gpu_shim_begin(void)
{
    const char *why = pt_cuda_why_not(), *one = getenv("GPU_TEST");
    if (why) {
        printf("1..0 # SKIP %s\n", why);
        exit(0);
    }
    pt_cuda_each_sync(true);
    if (one) cmocka_set_test_filter(one);
}

#ifndef GPU_EMULATED
extern "C" {
/* As the build without instrumentation. The order of blocks and the chip's limits are the hardware's: setting them does
 * nothing. */
const char *emu_build(void)
{
    return "plain";
}
int emu_setting(const char *name, const char *)
{
    return strcmp(name, "ORDER") == 0 || strcmp(name, "ARCH") == 0;
}
void emu_counts_reset(void) {}
const emu_kernel_counts *emu_counts_of(const char *)
{
    return NULL;
}
/* All of it is real here. */
void *emu_malloc_sparse(size_t bytes)
{
    void *p = NULL;
    return cudaMalloc(&p, bytes) == cudaSuccess ? p : NULL;
}
uint64_t emu_launch_count(void)
{
    pt_cuda_counts c;
    pt_cuda_counts_get(&c);
    return c.launches;
}
}
#endif
