/* The GPUs of this machine, a line each; exit 3 with the reason when none can be used. Links the CUDA runtime alone, so that it
 * is there in a second, before the plugin is built. */
#include <stdio.h>

#include <cuda_runtime.h>

int main(void)
{
    int n = 0, driver = 0, runtime = 0, usable = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    cudaDriverGetVersion(&driver); /* 0: none */
    if (e != cudaSuccess || n < 1) {
        printf("no GPU: %s\n", driver == 0 ? "no NVIDIA driver" : e != cudaSuccess ? cudaGetErrorString(e) : "none is visible");
        return 3;
    }
    cudaRuntimeGetVersion(&runtime);
    for (int i = 0; i < n; i++) {
        cudaDeviceProp p;
        if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
        printf("GPU %d: %s, sm_%d%d, %.1f GiB, %d multiprocessors, driver %d, runtime %d\n", i, p.name, p.major, p.minor,
               (double)p.totalGlobalMem / 1073741824.0, p.multiProcessorCount, driver, runtime);
        usable += p.major >= 8;
    }
    if (!usable) printf("no GPU: none of these is sm_80 or newer\n");
    return usable ? 0 : 3;
}
