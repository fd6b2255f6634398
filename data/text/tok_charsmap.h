/* SentencePiece's precompiled character map: a list of rules "these bytes become that text", packed as
 *     u32 (little endian): bytes of the trie; the trie, a double array of u32 units as Darts-clone writes it; zero-terminated texts.
 * The value of a trie's leaf is an offset into the texts. Source: sentencepiece src/normalizer.cc, third_party/darts_clone/darts.h.
 * Files from outside: a walk never leaves the trie, a text never leaves its block, and what would not be UTF-8 is no rule. */
#ifndef PT_DATA_TOK_CHARSMAP_H
#define PT_DATA_TOK_CHARSMAP_H
#include <stdint.h>
#include "base/mem.h"

typedef struct pt_charsmap pt_charsmap;

/* Copies the map out of n bytes; *out is owned. PT_EFORMAT: too short, a trie that is longer than the rest, texts that do not end in a zero or
 * are not UTF-8. */
pt_status pt_charsmap_open(pt_charsmap **out, const void *bytes, size_t n);
/* The same from base64, as tokenizer.json has it ("precompiled_charsmap"). */
pt_status pt_charsmap_base64(pt_charsmap **out, const char *text);
void pt_charsmap_free(pt_charsmap *m);
/* The bytes it was made of, borrowed. */
const void *pt_charsmap_bytes(const pt_charsmap *m, size_t *n);

/* The longest rule for the beginning of s (n bytes of valid UTF-8): the zero-terminated text that takes the place of *took bytes; NULL, and
 * *took = 0, when no rule is. As SentencePiece takes rules. */
const char *pt_charsmap_longest(const pt_charsmap *m, const char *s, size_t n, size_t *took);
/* The shortest one, which the tokenizers library takes (its crate spm_precompiled). */
const char *pt_charsmap_shortest(const pt_charsmap *m, const char *s, size_t n);
/* Bytes of the next character as a reader sees it (extended grapheme cluster, UAX 29): the tokenizers library asks for a rule of a whole one
 * of up to 5 bytes first, then for rules of its code points. n > 0. */
size_t pt_charsmap_cluster(const char *s, size_t n);
#endif
