/* Where DRY's repetitions are cut off: texts ("\n", ":", ...) that may begin or end inside of tokens. As llama.cpp (get_overlapping_token_sequences): a token
 * that contains the text is a breaker by itself; one that ends with a beginning of it is one when the tokens of the rest follow. */
#ifndef PT_GENERATE_DRY_H
#define PT_GENERATE_DRY_H
#include "data/text/tokenizer.h"

typedef struct pt_dry_breakers {
    size_t n;
    int32_t *head;  /* [n] ascending */
    int32_t *from;  /* [n + 1] tail i: tail[from[i]..from[i + 1]) */
    int32_t *tail;
} pt_dry_breakers;

enum { PT_DRY_LONGEST = 40, PT_DRY_TAIL = 20 }; /* bytes of a text, tokens of a tail: what is longer is cut (llama.cpp's limits) */

/* *out is NULL for no texts. A text is UTF-8 and not empty. */
pt_status pt_dry_breakers_make(pt_dry_breakers **out, const pt_tokenizer *tok, const char *const *texts, size_t n);
void pt_dry_breakers_free(pt_dry_breakers *b);
/* The first breaker that begins with `id`, or n; those after it that begin with it too follow. */
size_t pt_dry_breakers_find(const pt_dry_breakers *b, int32_t id);
#endif
