/* Scripts: what a text is written in, by the ranges of Unicode (Scripts.txt). A language is not told by them, but a wrong one often shows. */
#ifndef PT_DATA_AUDIT_SCRIPT_H
#define PT_DATA_AUDIT_SCRIPT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pt_script {
    PT_SCRIPT_NONE, /* digits, signs, spaces */
    PT_SCRIPT_LATIN,
    PT_SCRIPT_HAN,
    PT_SCRIPT_KANA, /* Japanese: of texts, also where Han stands beside it */
    PT_SCRIPT_HANGUL,
    PT_SCRIPT_CYRILLIC,
    PT_SCRIPT_GREEK,
    PT_SCRIPT_ARABIC,
    PT_SCRIPT_HEBREW,
    PT_SCRIPT_INDIC,
    PT_SCRIPT_SOUTHEAST, /* Thai, Lao, Khmer, Myanmar */
    PT_SCRIPT_OTHER,
    PT_SCRIPTS
} pt_script;

const char *pt_script_name(pt_script s);
/* Of one character. */
pt_script pt_script_of(uint32_t c);
/* Whether words of its script are not parted by spaces: each such character is a word. */
bool pt_script_unspaced(uint32_t c);
/* What most letters of a text (valid UTF-8) belong to, where a character of a script without spaces counts as three; PT_SCRIPT_NONE without letters.
 * *some (may be NULL): a bit, 1 << script, for each that a tenth of the letters belong to. */
pt_script pt_script_text(const char *text, size_t bytes, unsigned *some);
#endif
