/* The digests of base/file.h. SHA-256: FIPS 180-4. HMAC: RFC 2104. */
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"

uint64_t pt_fnv1a(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 0x100000001b3ull;
    return h;
}

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

static void sha_block(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (ror(a, 7) ^ ror(a, 18) ^ (a >> 3)) + (ror(b, 17) ^ ror(b, 19) ^ (b >> 10));
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha_k[i] + w[i];
        uint32_t t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

void pt_sha256_start(pt_sha256 *s)
{
    *s = (pt_sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void pt_sha256_add(pt_sha256 *s, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    size_t have = s->bytes % 64, first = have && bytes ? 64 - have : 0;
    if (first > bytes) first = bytes;
    s->bytes += bytes;
    if (first) {
        memcpy(s->rest + have, p, first);
        if (have + first == 64) sha_block(s->h, s->rest);
        p += first;
        bytes -= first;
    }
    for (; bytes >= 64; p += 64, bytes -= 64) sha_block(s->h, p);
    if (bytes) memcpy(s->rest, p, bytes);
}

void pt_sha256_end(pt_sha256 *s, unsigned char out[32])
{
    unsigned char tail[128] = {0};
    size_t rest = s->bytes % 64, pad = rest < 56 ? 64 : 128;
    if (rest) memcpy(tail, s->rest, rest);
    tail[rest] = 0x80;
    uint64_t bits = s->bytes * 8;
    for (int i = 0; i < 8; i++) tail[pad - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    for (size_t i = 0; i < pad; i += 64) sha_block(s->h, tail + i);
    for (int i = 0; i < 32; i++) out[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

static void end_hex(pt_sha256 *s, char out[65])
{
    unsigned char raw[32];
    static const char hex[] = "0123456789abcdef";
    pt_sha256_end(s, raw);
    for (int i = 0; i < 64; i++) out[i] = hex[(raw[i / 2] >> (i % 2 ? 0 : 4)) & 15];
    out[64] = 0;
}

void pt_sha256_hex(char out[65], const void *data, size_t bytes)
{
    pt_sha256 s;
    pt_sha256_start(&s);
    pt_sha256_add(&s, data, bytes);
    end_hex(&s, out);
}

void pt_hmac_start(pt_hmac *m, const void *key, size_t bytes)
{
    unsigned char pad[64] = {0};
    if (bytes > sizeof pad) {
        pt_sha256_start(&m->inner);
        pt_sha256_add(&m->inner, key, bytes);
        pt_sha256_end(&m->inner, pad);
    } else if (bytes)
        memcpy(pad, key, bytes);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
    pt_sha256_start(&m->inner);
    pt_sha256_add(&m->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++) m->outer[i] = pad[i] ^ 0x36 ^ 0x5c;
}

void pt_hmac_add(pt_hmac *m, const void *data, size_t bytes)
{
    pt_sha256_add(&m->inner, data, bytes);
}

void pt_hmac_end(pt_hmac *m, unsigned char out[32])
{
    pt_sha256 s;
    pt_sha256_end(&m->inner, out);
    pt_sha256_start(&s);
    pt_sha256_add(&s, m->outer, sizeof m->outer);
    pt_sha256_add(&s, out, 32);
    pt_sha256_end(&s, out);
}

pt_status pt_sha256_file(char out[65], const char *path)
{
    enum { PIECE = 4 << 20 };
    pt_map m;
    pt_sha256 s;
    PT_RETURN(pt_map_open(&m, path));
    pt_sha256_start(&s);
    for (size_t at = 0; at < m.bytes; at += PIECE) { /* a large file takes no more memory than a piece */
        size_t n = m.bytes - at < PIECE ? m.bytes - at : PIECE;
        pt_sha256_add(&s, m.data + at, n);
        if (n == PIECE) (void)madvise(m.data + at, n, MADV_DONTNEED);
    }
    end_hex(&s, out);
    pt_map_close(&m);
    return PT_OK;
}
