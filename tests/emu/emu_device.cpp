/* What the emulated device says of itself. */
#include <stdio.h>
#include <string.h>

#include "emu_rt.h"

extern "C" {
static const struct { cudaError_t code; const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
};
const char *cudaGetErrorName(cudaError_t e)
{
    for (auto &x : errors)
        if (x.code == e) return x.name;
    return "cudaErrorUnknown";
}
const char *cudaGetErrorString(cudaError_t e)
{
    for (auto &x : errors)
        if (x.code == e) return x.text;
    return "unknown error";
}
static int current;
cudaError_t cudaGetDeviceCount(int *n)
{
    emu_init();
    *n = emu_set.devices > 0 ? emu_set.devices : 0;
    return emu_set.devices > 0 ? cudaSuccess
                               : emu_set_error(emu_set.devices < 0 ? cudaErrorInsufficientDriver : cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int *d)
{
    *d = current;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int d)
{
    emu_init();
    if (d < 0 || d >= emu_set.devices) return emu_set_error(cudaErrorInvalidDevice);
    current = d;
    return cudaSuccess;
}
cudaError_t cudaSetDeviceFlags(unsigned int) { return cudaSuccess; }
cudaError_t cudaDeviceReset(void) { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int *v)
{
    *v = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *v)
{
    *v = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d)
{
    emu_init();
    if (d < 0 || d >= emu_set.devices) return emu_set_error(cudaErrorInvalidDevice);
    int a = emu_set.arch;
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "emulated sm_%d", a);
    p->totalGlobalMem = emu_set.memory;
    p->sharedMemPerBlock = 48 * 1024;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->totalConstMem = 65536;
    p->major = a / 10;
    p->minor = a % 10;
    p->multiProcessorCount = a == 90 ? 132 : a == 80 ? 108 : a == 89 ? 128 : 84;
    p->maxThreadsPerMultiProcessor = a == 80 || a == 90 ? 2048 : 1536;
    p->sharedMemPerMultiprocessor = (a == 90 ? 228 : a == 80 ? 164 : 100) * (size_t)1024;
    p->sharedMemPerBlockOptin = p->sharedMemPerMultiprocessor - 1024;
    p->reservedSharedMemPerBlock = 1024;
    p->maxBlocksPerMultiProcessor = a == 86 ? 16 : a == 89 ? 24 : 32;
    p->l2CacheSize = (a == 90 ? 50 : a == 80 ? 40 : a == 89 ? 72 : 6) << 20;
    p->asyncEngineCount = 2;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr attr, int d)
{
    struct cudaDeviceProp p;
    cudaError_t e = cudaGetDeviceProperties(&p, d);
    if (e != cudaSuccess) return e;
    switch (attr) {
    case cudaDevAttrMaxThreadsPerBlock: *v = p.maxThreadsPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *v = (int)p.sharedMemPerBlock; break;
    case cudaDevAttrMultiProcessorCount: *v = p.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *v = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *v = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *v = (int)p.sharedMemPerMultiprocessor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *v = (int)p.sharedMemPerBlockOptin; break;
    default: return emu_set_error(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *)
{
    memset(a, 0, sizeof *a);
    a->maxThreadsPerBlock = 1024;
    a->ptxVersion = a->binaryVersion = emu_set.arch;
    return cudaSuccess;
}
}
