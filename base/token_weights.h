/* Loss weights of tokens that lie behind each other, borrowed: as numbers, or a byte each that names one of at most 256 numbers. Data sets have a few
 * weights (0 and 1, mostly), so that a byte is what a token needs; what has more is kept as numbers. Neither: every token weighs 1. */
#ifndef PT_BASE_TOKEN_WEIGHTS_H
#define PT_BASE_TOKEN_WEIGHTS_H
#include <stddef.h>
#include <stdint.h>

enum { PT_WEIGHT_LEVELS = 256 };

typedef struct pt_weights {
    const float *plain;  /* [tokens]; NULL: by code */
    const uint8_t *code; /* [tokens] indices into level */
    const float *level;  /* [PT_WEIGHT_LEVELS] */
} pt_weights;

static inline float pt_weight_at(pt_weights w, size_t i)
{
    return w.plain ? w.plain[i] : w.code ? w.level[w.code[i]] : 1;
}
/* From token `at` on. */
static inline pt_weights pt_weights_from(pt_weights w, size_t at)
{
    return (pt_weights){w.plain ? w.plain + at : NULL, w.code ? w.code + at : NULL, w.level};
}
#endif
