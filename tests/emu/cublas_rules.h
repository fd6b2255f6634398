/* What cuBLASLt accepts, as checked by the stand-in (emu_blas.cpp). From the table of supported types in the cuBLASLt reference
 * (cublasLtMatmul, regular data orders) and its rules of alignment; anything else is CUBLAS_STATUS_NOT_SUPPORTED here, although
 * the library may take more: what this project uses must be listed. */
#ifndef PT_EMU_CUBLAS_RULES_H
#define PT_EMU_CUBLAS_RULES_H
#include "cublasLt.h"
typedef struct emu_gemm_types {
    cublasComputeType_t compute;
    cudaDataType_t scale, a, b, c, d;
} emu_gemm_types;
static const emu_gemm_types emu_gemm_allowed[] = {
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F},
    {CUBLAS_COMPUTE_32F_PEDANTIC, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F},
    {CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F},
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF},
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F},
};
enum {
    EMU_GEMM_DEFAULT_ALIGN = 256,   /* a preference assumes pointers of this alignment unless told otherwise */
    EMU_GEMM_WORKSPACE_ALIGN = 256, /* of the workspace's address */
    EMU_GEMM_FAST_ALIGN = 16        /* rows of bf16 that are no multiple of this run on slow paths: counted (emu_gemm_slow) */
};
#endif
