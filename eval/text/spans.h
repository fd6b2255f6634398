/* Parts of an answer that are found or not: entities in a sequence of BIO labels (strict IOB2, as seqeval 1.2.2: B-X and what follows it as I-X; an I-X elsewhere is
 * nothing), or slots with their values. A set: each (type, value) counts once. */
#ifndef PT_EVAL_SPANS_H
#define PT_EVAL_SPANS_H
#include <jansson.h>

#include "eval/text/words.h"

typedef struct pt_span {
    char *type, *value; /* of an entity its place, "from-to" */
} pt_span;

typedef struct pt_spans {
    pt_span *list;
    size_t n, cap;
} pt_spans;
void pt_spans_free(pt_spans *s);
pt_status pt_spans_add(pt_spans *s, const char *type, size_t n, const char *value);
bool pt_spans_have(const pt_spans *s, const pt_span *x);

/* labels[n]; what is neither O nor B-X nor I-X is O. */
pt_status pt_spans_entities(char *const *labels, size_t n, pt_spans *out);
bool pt_label_is_one(const char *label);
/* The labels in an answer: the texts of its first JSON list, else what stands between white space and commas. Free each, and *out. */
pt_status pt_labels_read(const char *answer, char ***out, size_t *n);

/* {NAME: VALUE | [VALUE, ...], ...}: values in their normal form (eval/text/squad.h); a value that is null or empty is none. PT_EFORMAT: a value is an object. */
pt_status pt_spans_slots(const json_t *object, pt_units units, pt_spans *out);
/* The slots of an answer: of its first JSON object, else of its lines NAME: VALUE or NAME = VALUE; *read: there were any such. An object's "a, b" is a list where
 * `wanted` (may be NULL) has a list of that name. */
pt_status pt_slots_read(const char *answer, const json_t *wanted, pt_units units, pt_spans *out, bool *read);

/* Of sums {found and wanted, found, wanted} of each type: its F1 in each[types] (NAN: of neither), and {precision, recall, F1} as means over the types that have any; NAN: none has. */
void pt_spans_macro(const double *sums, size_t types, double *each, double macro[3]);

/* The first JSON value in a text that begins with `opens` ('{' or '['); NULL: none. */
json_t *pt_json_in_text(const char *text, char opens);
#endif
