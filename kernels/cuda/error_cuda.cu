/* Messages of failed CUDA calls. */
#include <string.h>

#include "kernels/cuda/dev.cuh"

#include "kernels/cuda/device_cuda.h"

/* Errors of the call itself; all others may come from work that was issued before it. */
static bool own_error(cudaError_t e)
{
    return e == cudaErrorMemoryAllocation || e == cudaErrorInvalidValue || e == cudaErrorInsufficientDriver ||
           e == cudaErrorNoDevice || e == cudaErrorInvalidDevice || e == cudaErrorInitializationError ||
           e == cudaErrorNotSupported || e == cudaErrorInvalidConfiguration || e == cudaErrorInvalidResourceHandle ||
           e == cudaErrorInvalidMemcpyDirection;
}

extern "C" pt_status pt_cuda_failed(const char *call, int error)
{
    cudaError_t e = (cudaError_t)error;
    int name = (int)strcspn(call, "(");
    cudaGetLastError(); /* a sticky error stays; one of this call alone is taken off */
    if (e == cudaErrorMemoryAllocation) return pt_fail(PT_ENOMEM, "%.*s: out of device memory", name, call);
    if (own_error(e) || !pt_launches.text) return pt_fail(PT_EINTERNAL, "%.*s: %s", name, call, cudaGetErrorString(e));
    return pt_fail(PT_EINTERNAL, "%.*s: %s (launch %llu was the last before it: kernel %.*s, %s:%d)", name, call,
                   cudaGetErrorString(e), pt_launches.count, pt_launch_name_len(pt_launches.text), pt_launches.text,
                   pt_launches.file, pt_launches.line);
}

extern "C" void pt_cuda_each_sync(bool on)
{
    pt_launches.each_sync = on;
}
