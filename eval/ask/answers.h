/* The answers that a model has given: JSON Lines, one answer a line, in the order that they came. An evaluation that was cut off, and the next one
 * that asks the same, find them there.
 *
 *     {"key": 32 hex digits, "of": identity, "ask": "logp", "value": -3.25, "tokens": 2}
 *     {"key": ..., "of": ..., "ask": "score", "value": 0.5}
 *     {"key": ..., "of": ..., "ask": "text", "text": "...", "tokens": 12, "stopped": true}        ("near": N where near ties were counted;
 *         "prompt": N, "tries": N, "guessed": true of a remote endpoint)
 *
 * key: the first 32 digits of the SHA-256 of the identity (what gives the answers: model, adapter, compute type, judge), of the request's ids and
 * place, and of a text's sampling, stop ids, seed, repeat number and constraint; of a remote endpoint's, the request as it is sent. `of` is the identity in a form
 * to read. Values are written with 17 digits: what is read back is the same number. */
#ifndef PT_EVAL_ANSWERS_H
#define PT_EVAL_ANSWERS_H
#include <stdio.h>

#include "eval/ask/request.h"

typedef struct pt_answers pt_answers;

/* path NULL: kept in memory alone. A file that is not there begins. A last line without an end (the machine stopped) is cut off; other lines that
 * hold no answer are named by a warning and left alone. PT_EIO, PT_ENOMEM. */
pt_status pt_answers_open(pt_answers **out, const char *path);
void pt_answers_free(pt_answers *a);
size_t pt_answers_count(const pt_answers *a);
/* How many of them are of another identity. */
size_t pt_answers_foreign(const pt_answers *a, const char *identity);

typedef struct pt_answer_key {
    unsigned char byte[16];
} pt_answer_key;
void pt_answers_key(pt_answer_key *key, const char *identity, const pt_request *r, const int32_t *stops, size_t n_stops);
/* Of a question that is a text itself. */
void pt_answers_key_text(pt_answer_key *key, const char *identity, const char *text, size_t n);
/* NULL: nobody asked yet. Valid until the next put. */
const pt_reply *pt_answers_find(const pt_answers *a, const pt_answer_key *key);
/* Takes a copy; in the file after the next flush. */
pt_status pt_answers_put(pt_answers *a, const pt_answer_key *key, const char *identity, pt_ask ask, const pt_reply *reply);
/* What was put goes into the file, by one write, and to the disk: whoever is killed leaves all of it or nothing. */
pt_status pt_answers_flush(pt_answers *a);
#endif
