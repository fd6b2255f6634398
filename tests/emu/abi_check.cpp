/* Compiled twice, against our own headers (tests/emu/include) and against the toolkit's where one is installed: both must agree
 * with this list of values, sizes and prototypes, so that code which compiles for the emulation means the same to CUDA. */
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <nccl.h>
#include <stddef.h>
#include <type_traits>

#define VALUE(name, v) static_assert((int)(name) == (v), #name)
#define SIZE(type, n, a) static_assert(sizeof(type) == (n) && alignof(type) == (a), #type)
#define CALL(name, ...) static_assert(std::is_same<decltype(&name), __VA_ARGS__>::value, #name)

VALUE(cudaSuccess, 0);
VALUE(cudaErrorInvalidValue, 1);
VALUE(cudaErrorMemoryAllocation, 2);
VALUE(cudaErrorInitializationError, 3);
VALUE(cudaErrorInvalidConfiguration, 9);
VALUE(cudaErrorInsufficientDriver, 35);
VALUE(cudaErrorInvalidDeviceFunction, 98);
VALUE(cudaErrorNoDevice, 100);
VALUE(cudaErrorInvalidDevice, 101);
VALUE(cudaErrorNoKernelImageForDevice, 209);
VALUE(cudaErrorInvalidResourceHandle, 400);
VALUE(cudaErrorNotReady, 600);
VALUE(cudaErrorIllegalAddress, 700);
VALUE(cudaErrorLaunchOutOfResources, 701);
VALUE(cudaErrorLaunchFailure, 719);
VALUE(cudaErrorNotSupported, 801);
VALUE(cudaErrorUnknown, 999);
VALUE(cudaMemcpyHostToDevice, 1);
VALUE(cudaMemcpyDeviceToHost, 2);
VALUE(cudaMemcpyDeviceToDevice, 3);
VALUE(cudaMemcpyDefault, 4);
VALUE(cudaFuncAttributeMaxDynamicSharedMemorySize, 8);
VALUE(cudaFuncAttributePreferredSharedMemoryCarveout, 9);
VALUE(cudaDevAttrMultiProcessorCount, 16);
VALUE(cudaDevAttrComputeCapabilityMajor, 75);
VALUE(cudaDevAttrComputeCapabilityMinor, 76);
VALUE(cudaDevAttrMaxSharedMemoryPerMultiprocessor, 81);
VALUE(cudaDevAttrMaxSharedMemoryPerBlockOptin, 97);
VALUE(cudaStreamNonBlocking, 1);
VALUE(cudaEventBlockingSync, 1);
VALUE(cudaEventDisableTiming, 2);
VALUE(cudaDeviceScheduleBlockingSync, 4);
SIZE(float2, 8, 8);
SIZE(float4, 16, 16);
SIZE(double2, 16, 16);
SIZE(uint2, 8, 8);
SIZE(uint3, 12, 4);
SIZE(uint4, 16, 16);
SIZE(int4, 16, 16);
SIZE(uchar4, 4, 4);
SIZE(ushort4, 8, 8);
SIZE(ushort2, 4, 4);
SIZE(dim3, 12, 4);
SIZE(__nv_bfloat16, 2, 2);
SIZE(__nv_bfloat162, 4, 4);
SIZE(__half, 2, 2);
CALL(cudaMemcpyAsync, cudaError_t (*)(void *, const void *, size_t, cudaMemcpyKind, cudaStream_t));
CALL(cudaMemcpy2DAsync, cudaError_t (*)(void *, size_t, const void *, size_t, size_t, size_t, cudaMemcpyKind, cudaStream_t));
CALL(cudaMemset2DAsync, cudaError_t (*)(void *, size_t, int, size_t, size_t, cudaStream_t));
CALL(cudaMemsetAsync, cudaError_t (*)(void *, int, size_t, cudaStream_t));
CALL(cudaMemGetInfo, cudaError_t (*)(size_t *, size_t *));
CALL(cudaStreamCreateWithPriority, cudaError_t (*)(cudaStream_t *, unsigned, int));
CALL(cudaDeviceGetStreamPriorityRange, cudaError_t (*)(int *, int *));
CALL(cudaStreamGetPriority, cudaError_t (*)(cudaStream_t, int *));
CALL(cudaStreamWaitEvent, cudaError_t (*)(cudaStream_t, cudaEvent_t, unsigned));
CALL(cudaEventRecord, cudaError_t (*)(cudaEvent_t, cudaStream_t));
CALL(cudaEventElapsedTime, cudaError_t (*)(float *, cudaEvent_t, cudaEvent_t));
CALL(cudaDeviceGetAttribute, cudaError_t (*)(int *, cudaDeviceAttr, int));
CALL(cudaGetDeviceProperties, cudaError_t (*)(cudaDeviceProp *, int));

VALUE(CUDA_R_32F, 0);
VALUE(CUDA_R_16F, 2);
VALUE(CUDA_R_16BF, 14);
VALUE(CUBLAS_STATUS_INVALID_VALUE, 7);
VALUE(CUBLAS_STATUS_EXECUTION_FAILED, 13);
VALUE(CUBLAS_STATUS_NOT_SUPPORTED, 15);
VALUE(CUBLAS_OP_T, 1);
VALUE(CUBLAS_COMPUTE_32F, 68);
VALUE(CUBLAS_COMPUTE_32F_PEDANTIC, 69);
VALUE(CUBLAS_COMPUTE_32F_FAST_TF32, 77);
VALUE(CUBLASLT_ORDER_COL, 0);
VALUE(CUBLASLT_ORDER_ROW, 1);
VALUE(CUBLASLT_EPILOGUE_DEFAULT, 1);
VALUE(CUBLASLT_EPILOGUE_BIAS, 4);
VALUE(CUBLASLT_MATRIX_LAYOUT_TYPE, 0);
VALUE(CUBLASLT_MATRIX_LAYOUT_ORDER, 1);
VALUE(CUBLASLT_MATRIX_LAYOUT_LD, 4);
VALUE(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5);
VALUE(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6);
VALUE(CUBLASLT_MATMUL_DESC_POINTER_MODE, 2);
VALUE(CUBLASLT_MATMUL_DESC_TRANSA, 3);
VALUE(CUBLASLT_MATMUL_DESC_TRANSB, 4);
VALUE(CUBLASLT_MATMUL_DESC_EPILOGUE, 7);
VALUE(CUBLASLT_MATMUL_DESC_BIAS_POINTER, 8);
VALUE(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1);
VALUE(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3);
VALUE(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5);
VALUE(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8);
SIZE(cublasLtMatmulAlgo_t, 64, 8);
static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 96, "heuristic result");
CALL(cublasLtMatrixLayoutCreate, cublasStatus_t (*)(cublasLtMatrixLayout_t *, cudaDataType, uint64_t, uint64_t, int64_t));
CALL(cublasLtMatmulDescCreate, cublasStatus_t (*)(cublasLtMatmulDesc_t *, cublasComputeType_t, cudaDataType_t));
CALL(cublasLtMatmulAlgoGetHeuristic,
     cublasStatus_t (*)(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                        cublasLtMatmulHeuristicResult_t *, int *));
CALL(cublasLtMatmul,
     cublasStatus_t (*)(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t,
                        const void *, cublasLtMatrixLayout_t, const void *, const void *, cublasLtMatrixLayout_t, void *,
                        cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t));

VALUE(ncclRemoteError, 6);
VALUE(ncclInProgress, 7);
VALUE(ncclSum, 0);
VALUE(ncclMax, 2);
VALUE(ncclMin, 3);
VALUE(ncclAvg, 4);
VALUE(ncclUint8, 1);
VALUE(ncclInt32, 2);
VALUE(ncclUint64, 5);
VALUE(ncclFloat32, 7);
VALUE(ncclFloat64, 8);
VALUE(ncclBfloat16, 9);
SIZE(ncclUniqueId, 128, 1);
CALL(ncclCommInitRank, ncclResult_t (*)(ncclComm_t *, int, ncclUniqueId, int));
CALL(ncclCommInitRankConfig, ncclResult_t (*)(ncclComm_t *, int, ncclUniqueId, int, ncclConfig_t *));
CALL(ncclCommFinalize, ncclResult_t (*)(ncclComm_t));
static_assert(offsetof(ncclConfig_t, blocking) == 16, "ncclConfig_t: size, magic, version, blocking");
CALL(ncclAllReduce, ncclResult_t (*)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t));
CALL(ncclBroadcast, ncclResult_t (*)(const void *, void *, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t));
CALL(ncclReduce, ncclResult_t (*)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, int, ncclComm_t, cudaStream_t));
CALL(ncclAllGather, ncclResult_t (*)(const void *, void *, size_t, ncclDataType_t, ncclComm_t, cudaStream_t));
CALL(ncclReduceScatter, ncclResult_t (*)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t));
CALL(ncclCommGetAsyncError, ncclResult_t (*)(ncclComm_t, ncclResult_t *));
CALL(ncclCommAbort, ncclResult_t (*)(ncclComm_t));
CALL(ncclCommUserRank, ncclResult_t (*)(const ncclComm_t, int *));
