/* One kernel a wrapper of dev.cuh, for self_ptx.cpp: nvcc -ptx makes its text, and an interpreter written from the PTX manual
 * runs that text. So what is tested is the inline assembly itself, which the emulation never sees. One warp, straight-line
 * code. */
#include "kernels/cuda/dev.cuh"

extern "C" __global__ void probe_mma(const uint32_t *in, const float *c, float *d)
{
    int l = (int)threadIdx.x;
    uint32_t a[4] = {in[l * 6], in[l * 6 + 1], in[l * 6 + 2], in[l * 6 + 3]}, b[2] = {in[l * 6 + 4], in[l * 6 + 5]};
    float v[4] = {c[l * 4], c[l * 4 + 1], c[l * 4 + 2], c[l * 4 + 3]};
    mma_bf16_16816(v, a, b);
    for (int i = 0; i < 4; i++) d[l * 4 + i] = v[i];
}

/* in: 32 * 8 words for shared memory; row[l]: the byte offset that lane l gives. */
#define PROBE_LDMATRIX(name, n)                                                                    \
    extern "C" __global__ void probe_##name(const uint32_t *in, const uint32_t *row, uint32_t *out) \
    {                                                                                              \
        DYN_SHARED(uint32_t, s);                                                                   \
        int l = (int)threadIdx.x;                                                                  \
        for (int i = 0; i < 8; i++) s[l * 8 + i] = in[l * 8 + i];                                  \
        __syncwarp();                                                                              \
        uint32_t r[n];                                                                             \
        name(r, (const char *)s + row[l]);                                                         \
        for (int i = 0; i < n; i++) out[l * n + i] = r[i];                                         \
    }
PROBE_LDMATRIX(ldmatrix_x4, 4)
PROBE_LDMATRIX(ldmatrix_x4_trans, 4)
PROBE_LDMATRIX(ldmatrix_x2, 2)
PROBE_LDMATRIX(ldmatrix_x2_trans, 2)

/* Three groups of copies: whole, partly filled with zeros, 4 bytes; each read back when its wait allows. */
extern "C" __global__ void probe_cp_async(const uint32_t *in, const int *bytes, uint32_t *out)
{
    DYN_SHARED(uint32_t, s);
    int l = (int)threadIdx.x;
    cp_async16(s + l * 4, in + l * 4);
    cp_async_commit();
    cp_async16_zfill(s + 128 + l * 4, in + l * 4, bytes[l]);
    cp_async_commit();
    cp_async4_zfill(s + 256 + l, in + l * 4, bytes[l] & 4);
    cp_async_commit();
    cp_async_wait<2>();
    uint4 a = ld16(s + l * 4);
    cp_async_wait<1>();
    uint4 b = ld16(s + 128 + l * 4);
    cp_async_wait<0>();
    uint32_t c = s[256 + l];
    st16(out + l * 8, a);
    st16(out + l * 8 + 4, b);
    out[256 + l] = c;
}

/* 16 and 8 bytes a lane to shared memory, and from there, the other way round, to global. */
extern "C" __global__ void probe_stores(const uint32_t *in, uint32_t *out)
{
    DYN_SHARED(uint32_t, s);
    int l = (int)threadIdx.x, o = 31 - l;
    st16_shared(s + 4 * l, make_uint4(in[4 * l], in[4 * l + 1], in[4 * l + 2], in[4 * l + 3]));
    vst_shared(reinterpret_cast<uint2 *>(s + 128 + 2 * l), make_uint2(in[128 + 2 * l], in[129 + 2 * l]));
    __syncwarp();
    st16(out + 4 * l, make_uint4(s[4 * o], s[4 * o + 1], s[4 * o + 2], s[4 * o + 3]));
    vst(reinterpret_cast<uint2 *>(out + 128 + 2 * l), make_uint2(s[128 + 2 * o], s[129 + 2 * o]));
}

extern "C" __global__ void probe_numbers(const float *x, float *out)
{
    int l = (int)threadIdx.x;
    uint32_t p = pack_bf16(x[2 * l], x[2 * l + 1]);
    out[4 * l] = ex2_approx(x[2 * l]);
    out[4 * l + 1] = unpack_lo(p);
    out[4 * l + 2] = unpack_hi(p);
    bar_sync(3, 32);
    out[4 * l + 3] = to_f(pt_ldg(reinterpret_cast<const bf16 *>(x) + 2 * l + 1));
}
