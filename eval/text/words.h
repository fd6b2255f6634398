/* Text as a sequence of numbers: the units that the text metrics compare.
 *
 * Words: lower case as Python's str.lower, then the maximal runs of [a-z0-9]; no stemming. This is rouge_score 0.1.2's
 * tokenizer (tokenize.py). Outside ASCII two letters become ASCII in lower case, U+0130 (to "i" and a combining dot) and
 * U+212A (to "k"): they count as those letters; every other byte past 0x7f separates words, as does broken UTF-8.
 * Characters (for Chinese): Unicode code points except white space (Python's str.isspace), case kept; a byte that is no
 * valid UTF-8 is one U+FFFD. */
#ifndef PT_EVAL_WORDS_H
#define PT_EVAL_WORDS_H
#include "base/mem.h"

typedef enum pt_units { PT_UNITS_WORDS, PT_UNITS_CHARS } pt_units;

/* Characters when text holds at least as many Han, kana and Hangul code points as words, and one at least; else words. */
pt_units pt_units_pick(const char *text);

typedef struct pt_words {
    uint32_t *id; /* [n] equal numbers are equal units, among sequences of one book */
    size_t n, cap;
} pt_words;
void pt_words_free(pt_words *w);

/* Numbers words in order of first appearance; exact (no two words share a number). Zero-initialise. */
typedef struct pt_wordbook {
    struct pt_wordbook_entry *entry; /* [n] */
    size_t n, cap;
    char *text; /* the words, one after the other */
    size_t text_len, text_cap;
    uint32_t *slot; /* [slots] entry + 1, or 0; slots is a power of two */
    size_t slots;
} pt_wordbook;
void pt_wordbook_free(pt_wordbook *b);
/* The number of a text, made when it is new. */
pt_status pt_wordbook_number(pt_wordbook *b, const char *word, size_t len, uint32_t *id);
/* The text of a number, not ended by a zero; valid until the next new one. */
const char *pt_wordbook_text(const pt_wordbook *b, uint32_t id, size_t *len);
pt_status pt_words_add(pt_words *w, uint32_t id);

/* The code point at s (left > 0 bytes) and its bytes; U+FFFD and one byte where the UTF-8 is broken. */
int32_t pt_char_next(const char *s, size_t left, size_t *bytes);
bool pt_char_is_space(int32_t c); /* Python's str.isspace */

/* Replaces w's content with text's units. b is used for PT_UNITS_WORDS only and may grow. */
pt_status pt_words_split(pt_wordbook *b, pt_units units, const char *text, pt_words *w);
#endif
