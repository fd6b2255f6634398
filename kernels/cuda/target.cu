#include "kernels/cuda/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cuda_runtime_api.h>

extern "C" const char *pt_cuda_archs(void)
{
    return PT_CUDA_ARCHS;
}

extern "C" bool pt_cuda_target(const char *archs, int major, int minor, char *text, size_t size)
{
    int chip = 10 * major + minor, best = -1, ptx = -1;
    bool own = false; /* the code for this chip alone */
    for (const char *at = archs; *at;) {
        char *end;
        int arch = (int)strtol(at, &end, 10);
        if (end == at) { /* a space, or something that the makefile would not have taken */
            at++;
            continue;
        }
        if (*end == 'a') {
            own = own || arch == chip;
            end++;
        } else {
            if (arch / 10 == major && arch <= chip && arch > best) best = arch;
            if (arch > ptx) ptx = arch;
        }
        at = end;
    }
    if (own)
        snprintf(text, size, "sm_%da", chip);
    else if (best >= 0)
        snprintf(text, size, "sm_%d", best);
    else if (ptx >= 0 && ptx <= chip)
        snprintf(text, size, "PTX of sm_%d", ptx);
    else
        return false;
    return true;
}

extern "C" const char *pt_cuda_code(void)
{
    static char text[128];
    char code[24];
    cudaDeviceProp p;
    if (cudaGetDeviceProperties(&p, 0) != cudaSuccess || !pt_cuda_target(pt_cuda_archs(), p.major, p.minor, code, sizeof code)) {
        cudaGetLastError();
        return NULL;
    }
    snprintf(text, sizeof text, "%.63s, code for %s", p.name, code);
    return text;
}
