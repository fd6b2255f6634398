/* Force-included before a .cu file that g++ or clang++ compiles: the CUDA language as C++. Each CUDA thread is a fiber
 * (emu_sched.cpp); the names below are what kernels see. See docs/gpu.md for what this can and cannot find. */
#ifndef PT_EMU_CUDA_EMU_H
#define PT_EMU_CUDA_EMU_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <functional>
#include <tuple>
#include <type_traits>

#include "cuda_runtime.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

struct emu_thread;
struct emu_public { /* what the running thread sees */
    uint3 tid;
    uint3 block;
    dim3 bdim, gdim;
};
extern emu_public emu_now;
#define threadIdx (emu_now.tid)
#define blockIdx (emu_now.block)
#define blockDim (emu_now.bdim)
#define gridDim (emu_now.gdim)
static const int warpSize = 32;

/* ---- launching ---- */
cudaError_t emu_launch(const char *text, const void *kernel, dim3 grid, dim3 block, size_t smem, cudaStream_t s,
                       void (*call)(const void *), const void *args, size_t bytes);
template <typename... P> struct emu_call { /* a kernel and its arguments, copied as bytes */
    void (*kernel)(P...);
    std::tuple<P...> args;
    static void run(const void *p)
    {
        const emu_call *c = (const emu_call *)p;
        std::apply(c->kernel, c->args);
    }
};
template <typename... P>
static inline cudaError_t pt_launch_raw(const char *text, void (*kernel)(P...), dim3 grid, dim3 block, size_t smem,
                                        cudaStream_t s, P... p)
{
    static_assert((std::is_trivially_copyable<P>::value && ...), "arguments of kernels are copied as bytes");
    emu_call<P...> c = {kernel, std::tuple<P...>(p...)};
    return emu_launch(text, (const void *)kernel, grid, block, smem, s, emu_call<P...>::run, &c, sizeof c);
}

/* ---- shared memory ---- */
struct emu_slot { /* one PT_SHARED of one kernel instance */
    const char *name;
    unsigned long launch; /* the launch that placed it */
    unsigned offset;
};
void *emu_static_shared(emu_slot *slot, size_t bytes);
void *emu_dyn_shared(size_t align);
#define PT_SHARED(T, name, ...)                                                                     \
    typedef T emu_type_##name __VA_ARGS__;                                                          \
    static emu_slot emu_slot_##name = {#name, 0, 0};                                                \
    emu_type_##name &name = *(emu_type_##name *)emu_static_shared(&emu_slot_##name, sizeof(emu_type_##name))
#define DYN_SHARED(T, name) T *const name = (T *)emu_dyn_shared(alignof(T))

/* ---- barriers and warp operations ---- */
int emu_barrier(int id, int count, int kind, int pred, const char *file, int line);
#define __syncthreads() ((void)emu_barrier(0, -1, 0, 0, __FILE__, __LINE__))
#define __syncthreads_or(p) emu_barrier(0, -1, 1, (p) != 0, __FILE__, __LINE__)
#define __syncthreads_and(p) emu_barrier(0, -1, 2, (p) != 0, __FILE__, __LINE__)
#define __syncthreads_count(p) emu_barrier(0, -1, 3, (p) != 0, __FILE__, __LINE__)

enum emu_warp_kind {
    EMU_SYNCWARP,
    EMU_SHFL_IDX,
    EMU_SHFL_UP,
    EMU_SHFL_DOWN,
    EMU_SHFL_XOR,
    EMU_BALLOT,
    EMU_ADD,
    EMU_MIN,
    EMU_MAX,
    EMU_OR,
    EMU_AND,
    EMU_MMA,
    EMU_LDMATRIX
};
void emu_syncwarp(unsigned mask);
uint64_t emu_shfl(unsigned mask, int kind, uint64_t v, int arg, int width, int bytes);
unsigned emu_ballot(unsigned mask, int pred);
int64_t emu_reduce(unsigned mask, int kind, int64_t v);
static inline void __syncwarp(unsigned mask = 0xffffffffu) { emu_syncwarp(mask); }
template <typename T> static inline T emu_shfl_t(unsigned mask, int kind, T v, int arg, int width)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    uint64_t u = 0;
    __builtin_memcpy(&u, &v, sizeof v);
    u = emu_shfl(mask, kind, u, arg, width, (int)sizeof v);
    __builtin_memcpy(&v, &u, sizeof v);
    return v;
}
template <typename T> static inline T __shfl_sync(unsigned m, T v, int src, int w = 32)
{
    return emu_shfl_t(m, EMU_SHFL_IDX, v, src, w);
}
template <typename T> static inline T __shfl_up_sync(unsigned m, T v, unsigned d, int w = 32)
{
    return emu_shfl_t(m, EMU_SHFL_UP, v, (int)d, w);
}
template <typename T> static inline T __shfl_down_sync(unsigned m, T v, unsigned d, int w = 32)
{
    return emu_shfl_t(m, EMU_SHFL_DOWN, v, (int)d, w);
}
template <typename T> static inline T __shfl_xor_sync(unsigned m, T v, int x, int w = 32)
{
    return emu_shfl_t(m, EMU_SHFL_XOR, v, x, w);
}
static inline unsigned __ballot_sync(unsigned m, int p) { return emu_ballot(m, p); }
static inline int __any_sync(unsigned m, int p) { return emu_ballot(m, p) != 0; }
static inline int __all_sync(unsigned m, int p) { return emu_ballot(m, p) == m; }
static inline int __reduce_add_sync(unsigned m, int v) { return (int)emu_reduce(m, EMU_ADD, v); }
static inline unsigned __reduce_add_sync(unsigned m, unsigned v) { return (unsigned)emu_reduce(m, EMU_ADD, v); }
static inline int __reduce_min_sync(unsigned m, int v) { return (int)emu_reduce(m, EMU_MIN, v); }
static inline int __reduce_max_sync(unsigned m, int v) { return (int)emu_reduce(m, EMU_MAX, v); }
static inline unsigned __reduce_min_sync(unsigned m, unsigned v) { return (unsigned)emu_reduce(m, EMU_MIN, v); }
static inline unsigned __reduce_max_sync(unsigned m, unsigned v) { return (unsigned)emu_reduce(m, EMU_MAX, v); }
static inline unsigned __reduce_or_sync(unsigned m, unsigned v) { return (unsigned)emu_reduce(m, EMU_OR, v); }
static inline unsigned __reduce_and_sync(unsigned m, unsigned v) { return (unsigned)emu_reduce(m, EMU_AND, v); }

void emu_cp_async(void *shared, const void *global, int size, int bytes);
void emu_cp_async_commit(void);
void emu_cp_async_wait(int n);
void emu_mma_16816(float *d, const uint32_t *a, uint32_t b0, uint32_t b1);
void emu_ldmatrix(uint32_t *r, const void *row, int n, int trans);
void emu_block_sees_all(void);
static inline void __threadfence(void) {}
static inline void __threadfence_block(void) {}

/* ---- atomics: the access is told to the shadow memory, then done ---- */
void emu_atomic_access(const void *p, int bytes);
#define EMU_RAW __attribute__((no_sanitize("thread")))
template <typename T, typename F> EMU_RAW static inline T emu_atomic(T *p, F f)
{
    emu_atomic_access(p, (int)sizeof(T));
    T old = *p;
    *p = f(old);
    return old;
}
template <typename T> using emu_same = typename std::common_type<T>::type; /* not deduced */
template <typename T> EMU_RAW static inline T atomicAdd(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T o) EMU_RAW { return (T)(o + v); });
}
template <typename T> EMU_RAW static inline T atomicSub(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T o) EMU_RAW { return (T)(o - v); });
}
template <typename T> EMU_RAW static inline T atomicExch(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T) EMU_RAW { return v; });
}
template <typename T> EMU_RAW static inline T atomicMax(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T o) EMU_RAW { return o > v ? o : v; });
}
template <typename T> EMU_RAW static inline T atomicMin(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T o) EMU_RAW { return o < v ? o : v; });
}
template <typename T> EMU_RAW static inline T atomicOr(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T o) EMU_RAW { return (T)(o | v); });
}
template <typename T> EMU_RAW static inline T atomicAnd(T *p, emu_same<T> v)
{
    return emu_atomic(p, [v](T o) EMU_RAW { return (T)(o & v); });
}
template <typename T> EMU_RAW static inline T atomicCAS(T *p, emu_same<T> c, emu_same<T> v)
{
    return emu_atomic(p, [c, v](T o) EMU_RAW { return o == c ? v : o; });
}
EMU_RAW static inline unsigned atomicInc(unsigned *p, unsigned lim)
{
    return emu_atomic(p, [lim](unsigned o) EMU_RAW { return o >= lim ? 0u : o + 1; });
}

/* ---- vector accesses, told to the shadow memory as one: 0 a load, 1 a store to global memory, 2 one to shared memory ---- */
#if defined EMU_CHECK
void emu_vec_access(const void *p, int bytes, int how);
#else
static inline void emu_vec_access(const void *, int, int) {}
#endif
template <typename T> EMU_RAW static inline T emu_vec_load(const T *p)
{
    emu_vec_access(p, (int)sizeof(T), 0);
    return *p;
}
template <typename T> EMU_RAW static inline void emu_vec_store_global(T *p, T v)
{
    emu_vec_access(p, (int)sizeof(T), 1);
    *p = v;
}
template <typename T> EMU_RAW static inline void emu_vec_store_shared(T *p, T v)
{
    emu_vec_access(p, (int)sizeof(T), 2);
    *p = v;
}

/* ---- functions that exist on the device only ---- */
template <typename T> static inline T __ldg(const T *p) { return emu_vec_load(p); }
template <typename T> static inline T __ldcs(const T *p) { return emu_vec_load(p); }
template <typename T> static inline T __ldcg(const T *p) { return emu_vec_load(p); }
template <typename T> static inline void __stcs(T *p, T v) { emu_vec_store_global(p, v); }
template <typename T> static inline void __stcg(T *p, T v) { emu_vec_store_global(p, v); }
template <typename A, typename B> static constexpr inline typename std::common_type<A, B>::type min(A a, B b)
{
    typedef typename std::common_type<A, B>::type T;
    return (T)b < (T)a ? (T)b : (T)a;
}
template <typename A, typename B> static constexpr inline typename std::common_type<A, B>::type max(A a, B b)
{
    typedef typename std::common_type<A, B>::type T;
    return (T)a < (T)b ? (T)b : (T)a;
}
template <typename T, typename F> static inline T emu_bits(F f)
{
    static_assert(sizeof(T) == sizeof(F), "same size");
    T t;
    __builtin_memcpy(&t, &f, sizeof t);
    return t;
}
static inline unsigned __float_as_uint(float f) { return emu_bits<unsigned>(f); }
static inline int __float_as_int(float f) { return emu_bits<int>(f); }
static inline float __uint_as_float(unsigned u) { return emu_bits<float>(u); }
static inline float __int_as_float(int u) { return emu_bits<float>(u); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
/* glibc declares these names itself */
#define __expf(x) (expf((float)(x)))
#define __exp10f(x) (powf(10.0f, (float)(x)))
#define __logf(x) (logf((float)(x)))
#define __log2f(x) (log2f((float)(x)))
#define __sinf(x) (sinf((float)(x)))
#define __cosf(x) (cosf((float)(x)))
#define __powf(x, y) (powf((float)(x), (float)(y)))
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float a) { return 1.0f / a; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
static inline int __float2int_rn(float x) { return (int)nearbyintf(x); }
static inline int __float2int_rd(float x) { return (int)floorf(x); }
static inline int __float2int_rz(float x) { return (int)x; }
static inline float __int2float_rn(int x) { return (float)x; }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned s)
{
    uint64_t v = (uint64_t)b << 32 | a;
    unsigned r = 0;
    for (int i = 0; i < 4; i++) {
        unsigned sel = s >> (4 * i) & 15, byte = (unsigned)(v >> (8 * (sel & 7))) & 255;
        if (sel & 8) byte = byte & 128 ? 255 : 0;
        r |= byte << (8 * i);
    }
    return r;
}
static inline int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 4; i++) c += (int)(int8_t)(a >> (8 * i)) * (int)(int8_t)(b >> (8 * i));
    return c;
}
static inline float emu_ex2(float x)
{
    float y = exp2f(x);
    return y < 0x1p-126f ? 0.0f : y;
}
#endif
