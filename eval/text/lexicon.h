/* A user's word lists, {NAME: [TEXT, ...], ...}, and how much of a text stands in them: the share of its words (characters) that belong to an entry found in it. An
 * entry of several words is found where they follow one another; one of words that ends in * stands for every word that begins so. */
#ifndef PT_EVAL_LEXICON_H
#define PT_EVAL_LEXICON_H
#include "eval/text/words.h"

typedef struct pt_lexicon pt_lexicon;
/* PT_EFORMAT: not such a file, a list without entries. */
pt_status pt_lexicon_open(pt_lexicon **out, const char *path);
void pt_lexicon_free(pt_lexicon *x);
size_t pt_lexicon_count(const pt_lexicon *x);
const char *pt_lexicon_name(const pt_lexicon *x, size_t list);
/* Splits the entries, in numbers of the book. PT_EFORMAT: one holds no word (character). */
pt_status pt_lexicon_split(pt_lexicon *x, pt_wordbook *b, pt_units units);
/* How many of a text's units stand in list `list`. */
pt_status pt_lexicon_find(const pt_lexicon *x, size_t list, const pt_wordbook *b, const pt_words *text, size_t *out);
#endif
