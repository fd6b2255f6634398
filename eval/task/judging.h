/* What a judge is asked, and where its verdict is read: pure functions of texts.
 *
 * Judged texts are hostile. Two random markers a request keep them apart from everything else: the FENCE (128 bits) stands around each judged text, the SEAL (32 bits) beside the
 * verdict alone. A judge that quotes an answer, whatever that says, quotes neither: its verdict is read where the seal stands, and nowhere else. Markers are a pure function of
 * seed and item (base/rng.h), so that a judge is asked the same again, and are drawn anew where a judged text holds them.
 *
 * A template is a text file: lines KEY: VALUE, a line ---, and the text that the judge reads, with {FIELD} of the row and
 *   {answer}                 what is judged, in its fence; {answer_a} and {answer_b} of a pair
 *   {verdict}                the place for the verdict (below)
 *   {low} {high}             the scale
 *   {criterion} {rubric}     of an entry's `criteria`: its name and its text
 *   {question} {reference} {system}   of a row that has no field of that name: what was asked (a conversation as lines WHO: TEXT), the first reference, the system text
 *   {fence}                  the fence's marker, for templates that say in words of their own what a fence is; without it a line in English before the text does
 * Lines before ---:
 *   mode: score | pairwise   what a verdict is: a number from low to high; A, B or TIE
 *   low: N   high: N         the scale of a score; an entry's own win
 *   verdict: line            {verdict} is "VERDICT 1a2b3c4d", behind which, after a colon, the verdict stands
 *            json FIELD      {verdict} is the seal; the verdict is FIELD of a JSON object one of whose texts is the seal
 *            pattern ERE     {verdict} is the seal; ERE, a POSIX extended regular expression with {verdict} in it, holds the verdict in its first group (line by line)
 *   seal: no                 of json and pattern: published forms without a marker. Read from the reply's last line, or from the object at its end, alone
 *   system: TEXT             the judge's system text
 *   # ...                    says something to people
 * Of several verdicts of one reply the last one counts. */
#ifndef PT_EVAL_JUDGING_H
#define PT_EVAL_JUDGING_H
#include <jansson.h>

#include "base/mem.h"

typedef enum pt_judge_place { PT_JUDGE_LINE, PT_JUDGE_JSON, PT_JUDGE_PATTERN } pt_judge_place;

typedef struct pt_judge_template {
    char *name;              /* its file, or a built-in's name */
    char *system, *text;     /* owned; system may be NULL */
    char *field;             /* JSON: the field; PATTERN: the expression */
    pt_judge_place place;
    bool pairs, open;        /* A, B or TIE; verdicts without a seal */
    double low, high;        /* NAN: it does not say */
} pt_judge_template;

/* From a file, or one that is built in: `rating`, `pair`, `dialogue`. PT_EFORMAT: FILE:LINE: what is wrong; no place for the verdict, no {answer}. */
pt_status pt_judge_template_load(pt_judge_template *t, const char *name);
pt_status pt_judge_template_parse(pt_judge_template *t, const char *name, const char *text);
void pt_judge_template_free(pt_judge_template *t);
/* The expression of a request: {verdict} replaced. Owned. */
pt_status pt_judge_pattern(const pt_judge_template *t, const char *seal, char **out);

typedef struct pt_seal {
    char fence[33], seal[9]; /* hex digits */
} pt_seal;
/* Neither marker stands in a text. */
void pt_seal_draw(pt_seal *s, uint64_t seed, uint64_t item, const char *const *texts, size_t n);

typedef struct pt_judge_case {
    const json_t *row;
    const char *answer[2];            /* of a pair A and B */
    const char *criterion, *rubric;   /* NULL: none */
    const char *question, *reference, *system; /* NULL: none */
    double low, high;
} pt_judge_case;
/* Owned texts; *system NULL: none. A field that the row lacks is PT_EFORMAT. */
pt_status pt_judge_ask(const pt_judge_template *t, const pt_seal *seal, const pt_judge_case *c, char **system, char **prompt);

typedef enum pt_judge_found { PT_JUDGE_READ, PT_JUDGE_UNREAD, PT_JUDGE_OUTSIDE } pt_judge_found;
/* The verdict of a reply: a score from low to high, or of a pair how much A has won: 1, 0, 0.5 = tie. UNREAD: there is none at its place; OUTSIDE: it is none of the scale. Then NAN. */
pt_status pt_judge_read(const pt_judge_template *t, const pt_seal *seal, double low, double high, const char *reply, double *verdict, pt_judge_found *found);
#endif
