/* Machine code of a kernel, as far as the counters need it (sm_70 to sm_90).
 *
 * An instruction is 16 bytes: its opcode the low 12 bits, predicate bits 12-15 (7: always), registers in bits 16-23 (result),
 * 24-31, 32-39 (where bits 9-11 say 1: a register) and 64-71; 255 is none. Bits 73-75 of a load or store tell its width (0-3:
 * 1 or 2 bytes, 4: 4, 5: 8, 6: 16); bits 72-73 of LDSM how many 8x8 matrices it fetches (0: 1, 1: 2, 2: 4). From bit 105 on:
 * stall count (4 bits), yield, the barrier that its result sets (3 bits; 7: none), the barrier of its operands (3), and the
 * barriers that it waits for (6). Calibrated against the PTX of small kernels: HMMA 0x23c, LDSM 0x83b, LDGSTS 0xfae, LDL
 * 0x983, STL 0x387, BRA 0x947, LDG 0x981, STG 0x986, ST 0x985, STS 0x388 and 0x988 (by a uniform register). A branch's
 * distance from the next instruction, in steps of 4 bytes, lies in the bits from 34 on; since sm_90 its low 8 bits lie in bits
 * 16-23. The branch to itself that closes every kernel tells which. */
#ifndef SASS_CODE_H
#define SASS_CODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    HMMA = 0x23c, LDSM = 0x83b, LDGSTS = 0xfae, LDL = 0x983, STL = 0x387, BRA = 0x947, LDG = 0x981, STG = 0x986, ST = 0x985,
    STS = 0x388, STS_U = 0x988, EXIT = 0x94d, NO_REG = 255, NO_BARRIER = 7, OPCODES = 4096
};

typedef struct code {
    const unsigned char *p;
    size_t n;   /* instructions */
    bool split; /* branches as since sm_90 */
} code;

static inline uint64_t u64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t low(const code *c, size_t i) { return u64(c->p + 16 * i); }
static inline uint64_t high(const code *c, size_t i) { return u64(c->p + 16 * i + 8); }
static inline unsigned opcode(const code *c, size_t i) { return (unsigned)(low(c, i) & 0xfff); }
static inline bool always(const code *c, size_t i) { return (low(c, i) >> 12 & 15) == 7; }
/* Bytes a thread of the load or store at i; 2 for all that is narrower than 4. */
static inline unsigned width(const code *c, size_t i)
{
    unsigned w = (unsigned)(high(c, i) >> 9 & 7);
    return w < 4 ? 2 : 4u << (w - 4);
}
/* Bytes of shared memory that a warp fetches by the ldmatrix at i. */
static inline unsigned ldsm_bytes(const code *c, size_t i) { return 128u << (high(c, i) >> 8 & 3); }

/* Says in c->split how branches are written. */
static inline void find_split(code *c)
{
    for (size_t i = 0; i < c->n; i++) /* BRA to itself */
        if (opcode(c, i) == BRA && (low(c, i) & 0xff0000) == 0xfc0000 && low(c, i) >> 34 == 0x3fffffff) c->split = true;
}

/* Target of the branch at i, an instruction's number; negative or past the end when it is none of ours. */
static inline int64_t target(const code *c, size_t i)
{
    uint64_t lo = low(c, i), hi = high(c, i);
    int64_t far = (int64_t)((lo >> 34 | (hi & 0x3ffff) << 30) << 16) >> 16; /* 48 bits */
    int64_t steps = c->split ? far * 256 + (int64_t)(lo >> 16 & 0xff) : far;
    return (int64_t)i + 1 + steps / 4;
}
#endif
