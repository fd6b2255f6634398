/* A fast 64-bit digest of bytes that come in pieces: four FNV-1a lanes over little-endian 8-byte words, joined at the end with
 * the length. Each step is a bijection of the lane for a fixed word and of the word for a fixed lane, so one damaged word never
 * goes unseen. Same digest however the bytes are cut. */
#ifndef PT_CHECKPOINTS_DIGEST_H
#define PT_CHECKPOINTS_DIGEST_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct pt_digest {
    uint64_t lane[4];
    uint64_t bytes;
    unsigned char rest[32]; /* bytes % 32 of them wait */
} pt_digest;

static inline void pt_digest_start(pt_digest *d)
{
    *d = (pt_digest){.lane = {0xcbf29ce484222325ull, 0x84222325cbf29ce4ull, 0x9e3779b97f4a7c15ull, 0xbf58476d1ce4e5b9ull}};
}

static inline void pt_digest_block(pt_digest *d, const unsigned char *p)
{
    for (int i = 0; i < 4; i++) {
        uint64_t w = 0;
        for (int k = 0; k < 8; k++) w |= (uint64_t)p[8 * i + k] << (8 * k);
        d->lane[i] = (d->lane[i] ^ w) * 0x100000001b3ull;
    }
}

static inline void pt_digest_add(pt_digest *d, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t have = d->bytes % 32;
    d->bytes += n;
    if (have) {
        size_t k = n < 32 - have ? n : 32 - have;
        memcpy(d->rest + have, p, k);
        if (have + k < 32) return;
        pt_digest_block(d, d->rest);
        p += k;
        n -= k;
    }
    for (; n >= 32; p += 32, n -= 32) pt_digest_block(d, p);
    if (n) memcpy(d->rest, p, n);
}

static inline uint64_t pt_digest_end(pt_digest *d)
{
    uint64_t h = d->bytes * 0x9e3779b97f4a7c15ull;
    size_t have = d->bytes % 32;
    memset(d->rest + have, 0, 32 - have);
    if (have) pt_digest_block(d, d->rest);
    for (int i = 0; i < 4; i++) {
        h = (h ^ d->lane[i]) * 0x100000001b3ull;
        h ^= h >> 29;
    }
    return h;
}
#endif
