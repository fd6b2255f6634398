/* Compiled regular expressions of an adapter's configuration; inner header of checkpoints/peft*.c. */
#ifndef PT_CHECKPOINTS_PEFT_PATTERN_H
#define PT_CHECKPOINTS_PEFT_PATTERN_H
#include "checkpoints/peft.h"

/* Keeps `regex` as text and compiles before + regex + after; replaces what *p held. PT_EARG when it does not compile. */
pt_status pt_peft_pattern_set(pt_peft_pattern *p, const char *before, const char *regex, const char *after, double value);
void pt_peft_pattern_free(pt_peft_pattern *p);
/* Whether the whole of text matches; PT_EFORMAT when the match takes too long. */
pt_status pt_peft_pattern_match(const pt_peft_pattern *p, const char *text, bool *out);
#endif
