/* Macros of character cards and chat front ends in texts. Names in any letter case, spaces around them do not count; the innermost is filled in first:
 *   {{char}} <CHAR> <BOT>    the one who speaks        (Character Card V1, V3)
 *   {{user}} <USER>          the human's name
 *   {{random:A,B}} {{random::A::B}} {{pick...}}        one of the values ("\," is a comma); {{roll:6}} {{roll:d6}} {{roll:2d6}}  the sum of dice
 *   {{reverse:A}} {{newline}} {{noop}}; {{// A}} {{comment:A}} {{hidden_key:A}} say nothing; {{trim}} takes the line breaks around it away
 *   {{original}}             the data set's system_prompt, "" where it says none (Character Card V2: the front end's own prompt)
 * What is drawn follows from the text and the place in it alone: the same file gives the same records.
 *
 * A macro without a value is PT_EFORMAT: {{user}} where nobody is named, and those of SillyTavern's that stand for a clock, variables or the state of
 * a front end ({{time}}, {{getvar::x}}, {{persona}} ...). Names that none of them has ({{x}} in a formula) stay as they stand and are noted. */
#ifndef PT_DATA_MACRO_H
#define PT_DATA_MACRO_H
#include "data/read/record.h"

typedef struct pt_macros {
    const char *who, *user, *original; /* NULL: no value */
    char unknown[48];                  /* set by pt_macros_fill: a name that was left as it stands, "" = none */
} pt_macros;

/* Whether a text may hold macros at all. */
bool pt_macros_any(const char *text, size_t n);
/* Appends the text with its macros filled in. */
pt_status pt_macros_fill(pt_macros *m, const char *text, size_t n, pt_str *out);
/* The same for a text of the present row: *out is the text itself where nothing stands in it, else owned by the record. who, user: NULL = no value. */
pt_status pt_text_macros(pt_reader *r, const char *text, size_t n, const char *who, const char *user, const char **out, size_t *bytes);
#endif
