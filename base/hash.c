/* The digests of base/file.h. SHA-256: FIPS 180-4. HMAC: RFC 2104. */
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/sha256.h"

uint64_t pt_fnv1a(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 0x100000001b3ull;
    return h;
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
        if (have + first == 64) pt_sha256_blocks(s->h, s->rest, 1);
        p += first;
        bytes -= first;
    }
    pt_sha256_blocks(s->h, p, bytes / 64);
    if (bytes % 64) memcpy(s->rest, p + bytes / 64 * 64, bytes % 64);
}

void pt_sha256_end(pt_sha256 *s, unsigned char out[32])
{
    unsigned char tail[128] = {0};
    size_t rest = s->bytes % 64, pad = rest < 56 ? 64 : 128;
    if (rest) memcpy(tail, s->rest, rest);
    tail[rest] = 0x80;
    uint64_t bits = s->bytes * 8;
    for (int i = 0; i < 8; i++) tail[pad - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    pt_sha256_blocks(s->h, tail, pad / 64);
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
