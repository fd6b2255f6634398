/* What a row of `match` wants beside references: a pattern, fields of JSON, labels of a sequence, slots; and how far an answer has it. */
#ifndef PT_EVAL_WANTED_H
#define PT_EVAL_WANTED_H
#include <regex.h>

#include "eval/text/spans.h"

typedef struct pt_wanted {
    bool has_pattern;
    regex_t pattern;      /* POSIX extended */
    json_t *fields;       /* an object; NULL: none */
    bool labels, slots;   /* which of the two the spans are */
    size_t length;        /* of the labels */
    pt_spans spans;
    json_t *slot_object;  /* the spans' source, until the units are known */
} pt_wanted;

/* Of a row {"pattern": TEXT, "json": {...}, "labels": [...] | "O B-X ...", "slots": {...}}; `pattern` (may be NULL) where the row has none. *out = NULL: it wants nothing. PT_EFORMAT: a bad
 * pattern, a label that is none, labels and slots both. */
pt_status pt_wanted_read(const json_t *row, const char *pattern, pt_wanted **out);
void pt_wanted_free(pt_wanted *w);
/* The slots by word or character; again: anew. */
pt_status pt_wanted_split(pt_wanted *w, pt_units units);

bool pt_wanted_matched(const pt_wanted *w, const char *answer);
/* Field i of w->fields is right: the same value in the answer's first JSON object; texts without spaces around them, numbers by value. */
typedef struct pt_wanted_fields {
    bool read; /* the answer has an object */
    size_t right, n;
} pt_wanted_fields;
/* right[n] may be NULL. */
void pt_wanted_compare(const pt_wanted *w, const char *answer, pt_wanted_fields *out, bool *right);
/* The answer's spans: entities of its labels, cut or filled up with O to the length wanted, or slots. *read: labels of that length; slots at all. */
pt_status pt_wanted_find(const pt_wanted *w, pt_units units, const char *answer, pt_spans *out, bool *read);
#endif
