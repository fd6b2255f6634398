/* The inner loop of SHA-256 (FIPS 180-4), for base/hash.c and its tests: n blocks of 64 bytes into the state h. */
#ifndef PT_BASE_SHA256_H
#define PT_BASE_SHA256_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pt_sha256_blocks(uint32_t h[8], const unsigned char *p, size_t n);
/* In plain C, and by the processor's own instructions; false where it has none. Both give the same. */
void pt_sha256_blocks_plain(uint32_t h[8], const unsigned char *p, size_t n);
bool pt_sha256_blocks_native(uint32_t h[8], const unsigned char *p, size_t n);
#endif
