/* PT_HD marks a small function of a header that the host compiler and nvcc both compile. */
#ifndef PT_BASE_HD_H
#define PT_BASE_HD_H
#ifdef __CUDACC__
#define PT_HD __host__ __device__ __forceinline__
#else
#define PT_HD static inline
#endif
#endif
