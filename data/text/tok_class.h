/* Classes of characters as the tokenizers library's components take them (its crates have Unicode tables of several ages, so that none of
 * them is utf8proc's). */
#ifndef PT_DATA_TOK_CLASS_H
#define PT_DATA_TOK_CLASS_H
#include <stdbool.h>
#include <stdint.h>

typedef enum pt_tok_class {
    PT_CLASS_SPACE,      /* Unicode White_Space */
    PT_CLASS_CLEAN,      /* what BertNormalizer's clean_text takes away */
    PT_CLASS_NONSPACING, /* what its strip_accents takes away */
    PT_CLASS_MARK,       /* what StripAccents takes away */
    PT_CLASS_PUNCT,      /* Punctuation, BertPreTokenizer */
    PT_CLASS_WORD,       /* \w of Whitespace */
    PT_CLASS_ONE,        /* one character: CharDelimiterSplit */
} pt_tok_class;

/* one: the character of PT_CLASS_ONE. */
bool pt_tok_class_has(pt_tok_class c, uint32_t cp, uint32_t one);
/* Number of the script that UnicodeScripts sees (Hiragana, Katakana and U+30FC are Han); 0 for a blank and for what has none. */
unsigned pt_tok_script(uint32_t cp);
#endif
