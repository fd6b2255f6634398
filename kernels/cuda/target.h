/* Which of the plugin's compiled codes a chip runs. `make cuda` compiles the kernels for each of CUDA_ARCHS and adds PTX of the newest without a letter; the driver
 * takes, by the chip's compute capability (CUDA programming guide, "Binary Compatibility" and "Architecture-Specific Features"):
 *
 *   sm_XYa        for exactly X.Y: it may hold instructions of that chip alone (wgmma, TMA), which no other chip has
 *   sm_XY         for X.Z, Z >= Y
 *   PTX of XY     for anything that is not older, translated when the plugin is loaded
 *
 * and of several, as is taken here, the most particular: only a real GPU can show which. Nothing in the kernels differs between sm_90 and sm_90a yet. */
#ifndef PT_KERNELS_TARGET_H
#define PT_KERNELS_TARGET_H
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
/* archs: CUDA_ARCHS, "80 86 89 90 90a". Writes "sm_90a", "sm_86" or "PTX of sm_90"; false, and text untouched, when the chip can run none of them. */
bool pt_cuda_target(const char *archs, int major, int minor, char *text, size_t size);
/* CUDA_ARCHS of this build. */
const char *pt_cuda_archs(void);
/* For `ptrain doctor`: the first GPU's name and the code that it runs, "NVIDIA H100 80GB HBM3, code for sm_90a". NULL where the device does not answer. */
const char *pt_cuda_code(void);
#ifdef __cplusplus
}
#endif
#endif
