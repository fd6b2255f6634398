/* Emulation: float16 as bits, and its conversion; kernels read the scales of GGUF blocks with it. */
#ifndef PT_EMU_CUDA_FP16_H
#define PT_EMU_CUDA_FP16_H
#ifdef __cplusplus
struct __half { unsigned short x; };
static inline __half __ushort_as_half(unsigned short u) { __half h = {u}; return h; }
static inline float __half2float(__half h)
{
    unsigned s = (unsigned)(h.x & 0x8000) << 16, e = (h.x >> 10) & 31, m = h.x & 1023, u;
    if (e == 31) u = s | 0x7f800000u | m << 13;
    else if (e) u = s | (e + 112) << 23 | m << 13;
    else {
        float v = (float)m * 0x1p-24f;
        return s ? -v : v;
    }
    float f;
    __builtin_memcpy(&f, &u, 4);
    return f;
}
#endif
#endif
