/* Serial load loops: a loop in which fewer than SERIAL_LOADS loads from global memory are under way when their results are
 * waited for, and what they bring is stored to shared memory in the same trip (LDG, wait, STS, branch). A block that fills a tile
 * so pays a whole latency of memory a trip. Not serial: loads that stay under way over a tensor-core product or over the back
 * edge (a stage ahead), SERIAL_LOADS or more at once, and asynchronous copies, which are no loads.
 *
 * Each way through the loop along forward edges is followed; loads wait by the barriers of the instructions, and what they
 * brought is followed through registers. A loop that holds a serial loop is not counted itself. At most SERIAL_STEPS
 * instructions are followed a loop: a loop with more ways than that may be missed. */
#ifndef SASS_SERIAL_H
#define SASS_SERIAL_H
#include "code.h"

enum { SERIAL_LOADS = 4, SERIAL_STEPS = 1 << 21, SERIAL_DEPTH = 256, MOST_PENDING = 64 };

typedef struct span {
    size_t first, last;
} span;

typedef struct pending { /* a load under way */
    unsigned char reg, regs, barrier, most; /* most: of them at once, as far as it saw */
} pending;

typedef struct serial_state {
    uint64_t serial[4]; /* registers that hold what a serial load brought */
    pending load[MOST_PENDING];
    unsigned n;
} serial_state;

static inline bool serial_has(const serial_state *s, unsigned reg)
{
    return reg < NO_REG && s->serial[reg / 64] >> reg % 64 & 1;
}
static inline void serial_set(serial_state *s, unsigned reg, bool on)
{
    if (reg >= NO_REG) return;
    uint64_t bit = (uint64_t)1 << reg % 64;
    s->serial[reg / 64] = on ? s->serial[reg / 64] | bit : s->serial[reg / 64] & ~bit;
}

/* The instruction waits for the barriers in `mask`: loads that set them are over. */
static inline void serial_wait(serial_state *s, unsigned mask)
{
    unsigned kept = 0;
    for (unsigned k = 0; k < s->n; k++) {
        pending l = s->load[k];
        if (l.barrier < NO_BARRIER && mask >> l.barrier & 1) {
            for (unsigned r = 0; r < l.regs; r++) serial_set(s, l.reg + r, l.most < SERIAL_LOADS);
        } else
            s->load[kept++] = l;
    }
    s->n = kept;
}

static inline void serial_load(serial_state *s, const code *c, size_t i)
{
    unsigned reg = (unsigned)(low(c, i) >> 16 & 0xff), regs = (width(c, i) + 3) / 4;
    if (s->n == MOST_PENDING) return;
    for (unsigned r = 0; r < regs; r++) serial_set(s, reg + r, false);
    s->load[s->n++] = (pending){(unsigned char)reg, (unsigned char)regs, (unsigned char)(high(c, i) >> 46 & 7), 0};
    for (unsigned k = 0; k < s->n; k++)
        if (s->load[k].most < s->n) s->load[k].most = (unsigned char)s->n;
}

/* One instruction; true when it stores to shared memory what a serial load brought. */
static inline bool serial_step(serial_state *s, const code *c, size_t i)
{
    uint64_t lo = low(c, i), hi = high(c, i);
    unsigned op = opcode(c, i), a = (unsigned)(lo >> 24 & 0xff), b = (lo >> 9 & 7) == 1 ? (unsigned)(lo >> 32 & 0xff) : NO_REG,
             d = (unsigned)(hi & 0xff);
    serial_wait(s, (unsigned)(hi >> 52 & 0x3f));
    if (op == STS || op == STS_U) {
        unsigned data = (unsigned)(lo >> 32 & 0xff);
        for (unsigned r = 0; r < (width(c, i) + 3) / 4; r++)
            if (serial_has(s, data + r)) return true;
        return false;
    }
    if (op == HMMA)
        for (unsigned k = 0; k < s->n; k++) s->load[k].most = SERIAL_LOADS;
    if (op == LDG)
        serial_load(s, c, i);
    else if (op != STG && op != ST && op != BRA && op != EXIT) {
        bool from = serial_has(s, a) || serial_has(s, b) || serial_has(s, d);
        if (from || always(c, i)) serial_set(s, (unsigned)(lo >> 16 & 0xff), from);
    }
    return false;
}

/* Is there a serial way from `first` to the branch at `last`? */
static inline bool serial_loop(const code *c, size_t first, size_t last)
{
    static struct {
        size_t at;
        serial_state s;
    } todo[SERIAL_DEPTH];
    size_t n = 1, steps = 0;
    todo[0].at = first;
    memset(&todo[0].s, 0, sizeof todo[0].s);
    while (n > 0) {
        size_t i = todo[--n].at;
        serial_state s = todo[n].s;
        for (; i <= last; i++) {
            if (++steps > SERIAL_STEPS) return false;
            if (serial_step(&s, c, i)) return true;
            if (opcode(c, i) == EXIT && always(c, i)) break;
            if (opcode(c, i) != BRA || i == last) continue;
            int64_t to = target(c, i);
            bool inside = to > (int64_t)i && to <= (int64_t)last;
            if (inside && n < SERIAL_DEPTH) {
                todo[n].at = (size_t)to;
                todo[n++].s = s;
            }
            if (always(c, i)) break;
        }
    }
    return false;
}

/* The serial loops of c, by the order of their ends; at most `most`. */
static inline size_t serial_loops(const code *c, span *out, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n && n < most; i++) {
        if (opcode(c, i) != BRA) continue;
        int64_t to = target(c, i);
        bool holds = false;
        if (to < 0 || to >= (int64_t)i) continue;
        for (size_t k = 0; k < n; k++) holds = holds || out[k].first >= (size_t)to;
        if (!holds && serial_loop(c, (size_t)to, i)) out[n++] = (span){(size_t)to, i};
    }
    return n;
}
#endif
