/* Porter's stemmer for English (M. F. Porter, "An algorithm for suffix stripping", 1980) with nltk 3.10.4's extensions (its default mode): irregular words, words
 * of two letters as they are, and changed rules for -ies, -ied, -y, -alli, -fulli and -logi. */
#ifndef PT_EVAL_STEM_H
#define PT_EVAL_STEM_H
#include <stddef.h>

/* Stems word[n] of lower case in place, where there is room for n + 1 letters; returns its new length. Other bytes than letters count as consonants. */
size_t pt_stem(char *word, size_t n);
#endif
