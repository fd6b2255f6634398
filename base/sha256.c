#include "base/sha256.h"

#include <string.h>

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t ror(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

/* A round on eight of a ring of names: what was h is the new a, so that nothing is moved. */
static inline void turn(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g, uint32_t *h, uint32_t kw)
{
    uint32_t t = *h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + kw;
    *d += t;
    *h = t + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

void pt_sha256_blocks_plain(uint32_t state[8], const unsigned char *p, size_t n)
{
    for (; n--; p += 64) {
        uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
        for (int i = 16; i < 64; i++) {
            uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (ror(x, 7) ^ ror(x, 18) ^ (x >> 3)) + (ror(y, 17) ^ ror(y, 19) ^ (y >> 10));
        }
        for (int i = 0; i < 64; i += 8) {
            turn(a, b, c, &d, e, f, g, &h, sha_k[i] + w[i]);
            turn(h, a, b, &c, d, e, f, &g, sha_k[i + 1] + w[i + 1]);
            turn(g, h, a, &b, c, d, e, &f, sha_k[i + 2] + w[i + 2]);
            turn(f, g, h, &a, b, c, d, &e, sha_k[i + 3] + w[i + 3]);
            turn(e, f, g, &h, a, b, c, &d, sha_k[i + 4] + w[i + 4]);
            turn(d, e, f, &g, h, a, b, &c, sha_k[i + 5] + w[i + 5]);
            turn(c, d, e, &f, g, h, a, &b, sha_k[i + 6] + w[i + 6]);
            turn(b, c, d, &e, f, g, h, &a, sha_k[i + 7] + w[i + 7]);
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static bool has_sha(void)
{
    unsigned a, b, c, d;
    bool ssse3 = __get_cpuid(1, &a, &b, &c, &d) && (c >> 9 & 1) && (c >> 19 & 1); /* SSSE3, SSE4.1 */
    return ssse3 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

/* Intel's SHA extensions: the state stands as ABEF and CDGH, four rounds of the message in a register. */
__attribute__((target("sha,ssse3,sse4.1"))) static void blocks_sha(uint32_t h[8], const unsigned char *p, size_t n)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
    __m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const void *)h), 0xB1), s1 = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(h + 4)), 0x1B);
    __m128i s0 = _mm_alignr_epi8(t, s1, 8);
    s1 = _mm_blend_epi16(s1, t, 0xF0);
    for (; n--; p += 64) {
        __m128i m[4], was0 = s0, was1 = s1;
        for (int i = 0; i < 16; i++) {
            if (i < 4) {
                m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(p + 16 * i)), swap);
            } else {
                __m128i x = _mm_sha256msg1_epu32(m[i & 3], m[(i + 1) & 3]);
                x = _mm_add_epi32(x, _mm_alignr_epi8(m[(i + 3) & 3], m[(i + 2) & 3], 4));
                m[i & 3] = _mm_sha256msg2_epu32(x, m[(i + 3) & 3]);
            }
            __m128i k = _mm_add_epi32(m[i & 3], _mm_loadu_si128((const void *)(sha_k + 4 * i)));
            s1 = _mm_sha256rnds2_epu32(s1, s0, k);
            s0 = _mm_sha256rnds2_epu32(s0, s1, _mm_shuffle_epi32(k, 0x0E));
        }
        s0 = _mm_add_epi32(s0, was0);
        s1 = _mm_add_epi32(s1, was1);
    }
    t = _mm_shuffle_epi32(s0, 0x1B);
    s1 = _mm_shuffle_epi32(s1, 0xB1);
    _mm_storeu_si128((void *)h, _mm_blend_epi16(t, s1, 0xF0));
    _mm_storeu_si128((void *)(h + 4), _mm_alignr_epi8(s1, t, 8));
}

bool pt_sha256_blocks_native(uint32_t h[8], const unsigned char *p, size_t n)
{
    static _Thread_local signed char known; /* asked once a thread: 1 yes, -1 no */
    if (!known) known = has_sha() ? 1 : -1;
    if (known < 0) return false;
    blocks_sha(h, p, n);
    return true;
}
#else
bool pt_sha256_blocks_native(uint32_t h[8], const unsigned char *p, size_t n)
{
    return false;
}
#endif

void pt_sha256_blocks(uint32_t h[8], const unsigned char *p, size_t n)
{
    if (n && !pt_sha256_blocks_native(h, p, n)) pt_sha256_blocks_plain(h, p, n);
}
