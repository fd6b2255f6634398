/* The vocabulary of the CUDA kernels, and the only file with inline assembly. One source, two compilers: nvcc, or g++/clang++
 * with tests/emu/cuda_emu.h force-included and CUDA_EMU defined, where each wrapper has a twin in C++ (tests/emu).
 *
 * Rules for kernels (more in docs/gpu.md):
 *  1. Launch by pt_launch(kernel, grid, block, shared_bytes, stream, args...): returns pt_status with the kernel's name in the
 *     message; arguments by value, trivially copyable. No <<<>>>, no __device__ or __constant__ variables (constexpr tables
 *     inside functions are fine).
 *  2. Shared memory only by PT_SHARED(T, name, [n]...) inside the kernel (16-byte aligned) and DYN_SHARED(T, name) (128-byte
 *     aligned, at most once). Pass them to helpers as pointers.
 *  3. Block sizes are multiples of 32; only _sync warp operations, mask = all lanes (PT_FULL) unless the exact subset is known;
 *     __syncwarp() between a write to shared memory and another lane's read of it: shuffles and mma order no memory.
 *  4. No return before a barrier or a full-mask warp operation; __syncthreads() not in divergent code, each on a line of its
 *     own.
 *  5. No float atomics where bits must repeat; no waiting for other blocks; pt_last_block() for the "last block finishes"
 *     pattern.
 *  6. Define memory before reading it, padding too (cp_async16_zfill). 64-bit element offsets. Vector accesses only where
 *     alignment is sure. */
#ifndef PT_KERNELS_CUDA_DEV_CUH
#define PT_KERNELS_CUDA_DEV_CUH
#include <stddef.h>
#include <stdint.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "base/err.h"

typedef __nv_bfloat16 bf16;
typedef __nv_bfloat162 bf162;
#define PT_FULL 0xffffffffu
#define PT_DEV static __device__ __forceinline__

/* ---- launching ---- */
/* What the host knows of its launches: counted for the budgets, the last one named in asynchronous errors. `each_sync` waits
 * after every launch (make test-gpu), so that an error names its kernel. */
typedef struct pt_launch_state {
    unsigned long long count;
    const char *text; /* "kernel, grid, block, ..." as written in the source */
    const char *file;
    int line;
    bool each_sync;
} pt_launch_state;
inline pt_launch_state pt_launches;

/* Length of the kernel's name at the start of a launch's source text: up to the first comma outside <> and (). */
static inline int pt_launch_name_len(const char *text)
{
    int n = 0, depth = 0;
    for (; text[n]; n++) {
        if (text[n] == '<' || text[n] == '(') depth++;
        if (text[n] == '>' || text[n] == ')') depth--;
        if (text[n] == ',' && depth == 0) break;
    }
    return n;
}

#ifndef CUDA_EMU
template <typename... P>
static inline cudaError_t pt_launch_raw(const char *, void (*kernel)(P...), dim3 grid, dim3 block, size_t smem, cudaStream_t s,
                                        P... p)
{
    void *args[] = {(void *)&p..., nullptr};
    return cudaLaunchKernel((const void *)kernel, grid, block, args, smem, s);
}
#endif

template <typename... P, typename... A>
static inline pt_status pt_launch_at(const char *text, const char *file, int line, void (*kernel)(P...), dim3 grid, dim3 block,
                                     size_t smem, cudaStream_t stream, A... args)
{
    static_assert(sizeof...(P) == sizeof...(A), "number of the kernel's arguments");
    pt_launches.count++;
    pt_launches.text = text;
    pt_launches.file = file;
    pt_launches.line = line;
    cudaError_t e = cudaSuccess;
    if (smem > 0) /* what the kernel declares counts towards the 48 KB too, and only the compiler of the device knows it */
        e = cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)smem);
    if (e == cudaSuccess) e = pt_launch_raw<P...>(text, kernel, grid, block, smem, stream, static_cast<P>(args)...);
    if (e == cudaSuccess && pt_launches.each_sync) e = cudaStreamSynchronize(stream);
    if (e == cudaSuccess) return PT_OK;
    return pt_fail(e == cudaErrorMemoryAllocation ? PT_ENOMEM : PT_EINTERNAL,
                   "kernel %.*s (grid %ux%ux%u, block %ux%ux%u, shared %zu; %s:%d): %s", pt_launch_name_len(text), text, grid.x,
                   grid.y, grid.z, block.x, block.y, block.z, smem, file, line, cudaGetErrorString(e));
}
#define pt_launch(...) pt_launch_at(#__VA_ARGS__, __FILE__, __LINE__, __VA_ARGS__)

/* ---- shared memory ---- */
#ifndef CUDA_EMU
#define PT_SHARED(T, name, ...) __shared__ __align__(16) T name __VA_ARGS__
#define DYN_SHARED(T, name)                                            \
    extern __shared__ __align__(128) unsigned char pt_dyn_shared[];    \
    T *const name = reinterpret_cast<T *>(pt_dyn_shared)
#endif

/* ---- numbers ---- */
PT_DEV float to_f(float x) { return x; }
PT_DEV float to_f(bf16 x) { return __bfloat162float(x); }
template <typename T> PT_DEV T from_f(float x);
template <> __device__ __forceinline__ float from_f<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 from_f<bf16>(float x) { return __float2bfloat16_rn(x); }
/* f16 bits, such as the scale of a GGUF block. */
PT_DEV float f16_to_f(uint16_t h) { return __half2float(__ushort_as_half(h)); }
/* Two bf16 in one register: lo in bits 0-15 (the lower address). */
PT_DEV uint32_t pack_bf16(float lo, float hi)
{
    bf162 v = __floats2bfloat162_rn(lo, hi);
    uint32_t u;
    memcpy(&u, &v, 4);
    return u;
}
PT_DEV float unpack_lo(uint32_t u) { return __uint_as_float(u << 16); }
PT_DEV float unpack_hi(uint32_t u) { return __uint_as_float(u & 0xffff0000u); }

/* 2^x by the special function unit: relative error 2^-22, results below 2^-126 are 0. */
PT_DEV float ex2_approx(float x)
{
#ifdef CUDA_EMU
    return emu_ex2(x);
#else
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

/* One access of sizeof(T) bytes (4, 8, 16; aligned so): float4, uint2, ... Use these rather than *p for vector types: the
 * emulation's counters then see one access, as the hardware does. pt_ldg*: memory that nothing writes during the kernel
 * (ld.global.nc). */
template <typename T> PT_DEV T vld(const T *p)
{
#ifdef CUDA_EMU
    return emu_vec_load(p);
#else
    return *p;
#endif
}
/* Stores name their memory: global, or with _shared shared memory. Whole numbers by inline assembly: written as *p = v, nvcc cuts
 * those that were packed from smaller ones into stores of 4 bytes. */
#ifdef CUDA_EMU
template <typename T> PT_DEV void vst(T *p, T v) { emu_vec_store_global(p, v); }
template <typename T> PT_DEV void vst_shared(T *p, T v) { emu_vec_store_shared(p, v); }
#else
template <typename T> PT_DEV void vst(T *p, T v) { *p = v; }
template <typename T> PT_DEV void vst_shared(T *p, T v) { *p = v; }
PT_DEV void vst(uint4 *p, uint4 v)
{
    asm volatile("st.global.v4.b32 [%0], {%1,%2,%3,%4};" ::"l"(__cvta_generic_to_global(p)), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
                 : "memory");
}
PT_DEV void vst(uint2 *p, uint2 v)
{
    asm volatile("st.global.v2.b32 [%0], {%1,%2};" ::"l"(__cvta_generic_to_global(p)), "r"(v.x), "r"(v.y) : "memory");
}
PT_DEV void vst_shared(uint4 *p, uint4 v)
{
    asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"((uint32_t)__cvta_generic_to_shared(p)), "r"(v.x), "r"(v.y), "r"(v.z),
                 "r"(v.w)
                 : "memory");
}
PT_DEV void vst_shared(uint2 *p, uint2 v)
{
    asm volatile("st.shared.v2.b32 [%0], {%1,%2};" ::"r"((uint32_t)__cvta_generic_to_shared(p)), "r"(v.x), "r"(v.y) : "memory");
}
#endif
PT_DEV uint4 ld16(const void *p) { return vld(reinterpret_cast<const uint4 *>(p)); }
PT_DEV void st16(void *p, uint4 v) { vst(reinterpret_cast<uint4 *>(p), v); }
PT_DEV void st16_shared(void *p, uint4 v) { vst_shared(reinterpret_cast<uint4 *>(p), v); }
template <typename T> PT_DEV T pt_ldg(const T *p) { return __ldg(p); }
PT_DEV uint4 pt_ldg16(const void *p) { return __ldg(reinterpret_cast<const uint4 *>(p)); }
PT_DEV bf16 pt_ldg(const bf16 *p)
{
    return __ushort_as_bfloat16(__ldg(reinterpret_cast<const unsigned short *>(p)));
}

/* ---- asynchronous copies to shared memory ---- */
/* 16 bytes global -> shared, both 16-byte aligned; visible to the issuing thread after its cp_async_wait, to others after a
 * barrier too. */
PT_DEV void cp_async16(void *shared, const void *global)
{
#ifdef CUDA_EMU
    emu_cp_async(shared, global, 16, 16);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)), "l"(global)
                 : "memory");
#endif
}
/* Copies the first `bytes` (0..16) and fills the rest of the 16 with zeros. The address must be valid to form, not to read,
 * when bytes = 0. */
PT_DEV void cp_async16_zfill(void *shared, const void *global, int bytes)
{
#ifdef CUDA_EMU
    emu_cp_async(shared, global, 16, bytes);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)), "l"(global),
                 "r"(bytes)
                 : "memory");
#endif
}
/* 4 bytes (both 4-byte aligned), or zeros when bytes = 0. */
PT_DEV void cp_async4_zfill(void *shared, const void *global, int bytes)
{
#ifdef CUDA_EMU
    emu_cp_async(shared, global, 4, bytes);
#else
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)), "l"(global),
                 "r"(bytes)
                 : "memory");
#endif
}
PT_DEV void cp_async_commit(void)
{
#ifdef CUDA_EMU
    emu_cp_async_commit();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/* Waits until at most N of the calling thread's committed groups are still under way. */
template <int N> PT_DEV void cp_async_wait(void)
{
#ifdef CUDA_EMU
    emu_cp_async_wait(N);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

/* ---- tensor cores ---- */
/* d[16x8] += a[16x16] . b[16x8], all lanes. With g = lane / 4, t = lane % 4 (PTX ISA, mma.m16n8k16):
 *   a[0] = A[g][2t..2t+1]  a[1] = A[g+8][2t..]  a[2] = A[g][2t+8..]  a[3] = A[g+8][2t+8..]
 *   b[0] = B[2t..2t+1][g]  b[1] = B[2t+8..][g];   d[0..1] = D[g][2t..2t+1]  d[2..3] = D[g+8][2t..] */
PT_DEV void mma_bf16_16816(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
#ifdef CUDA_EMU
    emu_mma_16816(d, a, b0, b1);
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}
PT_DEV void mma_bf16_16816(float d[4], const uint32_t a[4], const uint32_t b[2]) { mma_bf16_16816(d, a, b[0], b[1]); }

/* ldmatrix: lane l gives the address of row l%8 of 8x8 matrix l/8 (16 bytes, 16-byte aligned, in shared memory); x2 uses lanes
 * 0-15. r[m] of lane l: elements [l/4][2(l%4)..+1] of matrix m; with _trans [2(l%4)..+1][l/4]. */
#ifdef CUDA_EMU
#define PT_LDMATRIX(name, n, trans) \
    PT_DEV void name(uint32_t r[n], const void *row) { emu_ldmatrix(r, row, n, trans); }
PT_LDMATRIX(ldmatrix_x4, 4, 0)
PT_LDMATRIX(ldmatrix_x4_trans, 4, 1)
PT_LDMATRIX(ldmatrix_x2, 2, 0)
PT_LDMATRIX(ldmatrix_x2_trans, 2, 1)
#else
PT_DEV void ldmatrix_x4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}
PT_DEV void ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}
PT_DEV void ldmatrix_x2(uint32_t r[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1]) : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}
PT_DEV void ldmatrix_x2_trans(uint32_t r[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1]) : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}
#endif

/* Named barrier `id` (1..15) of the first `threads` arrivals (a multiple of 32): whole warps only. */
#ifdef CUDA_EMU
#define bar_sync(id, threads) emu_barrier((id), (threads), 0, 0, __FILE__, __LINE__)
#else
PT_DEV void bar_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
#endif

/* ---- reductions: the same order of sums on every run ---- */
template <typename T> PT_DEV T warp_sum(T v)
{
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(PT_FULL, v, o);
    return v;
}
PT_DEV float warp_max(float v)
{
    for (int o = 16; o > 0; o >>= 1) v = fmaxf(v, __shfl_xor_sync(PT_FULL, v, o));
    return v;
}
PT_DEV double warp_max(double v)
{
    for (int o = 16; o > 0; o >>= 1) v = fmax(v, __shfl_xor_sync(PT_FULL, v, o));
    return v;
}
PT_DEV int lane_id(void) { return (int)(threadIdx.x & 31); }
PT_DEV int warp_id(void) { return (int)(threadIdx.x >> 5); }
/* Sum / maximum over a block of one dimension (all threads call; all get the result). `red`: shared memory for 32 T, free for
 * other use after the caller's next barrier; starts with a barrier, so red may be reused at once by another reduction. */
template <typename T> PT_DEV T block_sum(T v, T *red)
{
    v = warp_sum(v);
    __syncthreads();
    if (lane_id() == 0) red[warp_id()] = v;
    __syncthreads();
    v = lane_id() < (int)(blockDim.x >> 5) ? red[lane_id()] : T(0);
    return warp_sum(v);
}
template <typename T> PT_DEV T block_max(T v, T *red)
{
    v = warp_max(v);
    __syncthreads();
    if (lane_id() == 0) red[warp_id()] = v;
    __syncthreads();
    v = lane_id() < (int)(blockDim.x >> 5) ? red[lane_id()] : T(-INFINITY);
    return warp_max(v);
}
/* True in all threads of the one block that arrives last of `blocks`; what the others wrote before is visible to it then.
 * *counter is 0 before the kernel and 0 again after it. All threads call; `flag`: shared memory. */
PT_DEV bool pt_last_block(unsigned *counter, unsigned blocks, unsigned *flag)
{
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) *flag = atomicInc(counter, blocks - 1) == blocks - 1;
    __syncthreads();
    bool last = *flag != 0;
    if (last) __threadfence();
#ifdef CUDA_EMU
    if (last) emu_block_sees_all();
#endif
    return last;
}
#endif
