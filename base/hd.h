/* PT_HD marks a small function of a header that the host compiler and nvcc both compile; PT_ONE_BY_ONE before a loop keeps nvcc from
 * writing its body once a round. */
#ifndef PT_BASE_HD_H
#define PT_BASE_HD_H
#ifdef __CUDACC__
#define PT_HD __host__ __device__ __forceinline__
#else
#define PT_HD static inline
#endif
#ifdef __CUDA_ARCH__ /* the host's compiler, to which nvcc passes the same function, does not know it */
#define PT_ONE_BY_ONE _Pragma("unroll 1")
#else
#define PT_ONE_BY_ONE
#endif
#endif
