/* Arenas: one block of device memory per role, carved in order, sized by a dry run of the same code.
 *
 *   measure:  pt_arena_init(&a, "activations"); carve...; a.used is the size      (buf.base == NULL)
 *   give:     a.buf = memory of a.peak bytes (pt_ops.alloc); pt_arena_reset(&a); carve again, same order
 *   seal:     after step 1 a carve past `peak` is PT_ESTATE: our arenas never grow.
 * pt_arena_mark / pt_arena_back give stack-like reuse inside a step; peak is the high-water mark. */
#ifndef PT_BASE_ARENA_H
#define PT_BASE_ARENA_H
#include "base/tensor.h"

typedef enum pt_role {
    PT_ROLE_WEIGHTS,
    PT_ROLE_KEPT, /* frozen matrices a second time, as numbers for products */
    PT_ROLE_ADAPTERS,
    PT_ROLE_GRADIENTS,
    PT_ROLE_OPTIMISER,
    PT_ROLE_ACTIVATIONS,
    PT_ROLE_SCRATCH,
    PT_ROLE_COMM,
    PT_ROLE_CACHE, /* generation: keys and values */
    PT_ROLE_COUNT
} pt_role;
const char *pt_role_name(pt_role r);

typedef struct pt_arena {
    pt_role role;
    pt_buf buf;        /* base NULL while measuring */
    size_t used, peak; /* bytes; every carve starts at a multiple of 64 */
    bool sealed;       /* true once buf holds real memory of `peak` bytes */
} pt_arena;

void pt_arena_init(pt_arena *a, pt_role role);
/* A dense [rows, cols] view; contents undefined. PT_ESTATE past the end of a sealed arena. The view points at a->buf:
 * the arena must not move in memory while views of it live. */
pt_status pt_arena_carve(pt_arena *a, pt_dtype type, int64_t rows, int64_t cols, pt_view *out);
static inline size_t pt_arena_mark(const pt_arena *a) { return a->used; }
static inline void pt_arena_back(pt_arena *a, size_t mark) { a->used = mark; }
static inline void pt_arena_reset(pt_arena *a) { a->used = 0; }
#endif
