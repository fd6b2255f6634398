/* A teacher's log-probabilities beside token ids, of every supervised token, in one of two shapes:
 *   prompt_logprobs: vLLM's, a list of one object an id: {"ID": {"logprob": x, ...}, ...} or {"ID": x}; null where nothing is said
 *   target_token_ids, target_logprobs: axolotl's, a list of ids and a list of numbers an id
 * Both are of predicting the id at their own place, as labels are. The probabilities that are named are made to sum to 1. */
#include <math.h>
#include <stdlib.h>

#include "data/read/record.h"

enum { MOST = 1024 }; /* targets of a token */

typedef struct targets {
    int32_t id[MOST];
    double logp[MOST];
    float p[MOST];
    size_t n;
} targets;

void pt_targets_free(pt_targets *t)
{
    free(t->start);
    free(t->id);
    free(t->p);
    *t = (pt_targets){0};
}

pt_status pt_targets_add(pt_targets *t, const int32_t *id, const float *p, size_t n)
{
    PT_RETURN(pt_reserve(&t->start, &t->start_cap, t->n_tokens + 2));
    if (!t->n_tokens) t->start[0] = 0;
    size_t at = (size_t)t->start[t->n_tokens];
    PT_RETURN(pt_reserve(&t->id, &t->id_cap, at + n));
    PT_RETURN(pt_reserve(&t->p, &t->p_cap, at + n));
    for (size_t k = 0; k < n; k++) {
        t->id[at + k] = id[k];
        t->p[at + k] = p[k];
    }
    t->start[++t->n_tokens] = (int64_t)(at + n);
    return PT_OK;
}

static pt_status put(targets *t, json_int_t id, const json_t *logp)
{
    double x = json_number_value(logp);
    if (t->n == MOST) return pt_fail(PT_EFORMAT, "more than %d targets", MOST);
    if (id < 0 || id > INT32_MAX) return pt_fail(PT_EFORMAT, "%lld is no token id", (long long)id);
    if (!json_is_number(logp)) return pt_fail(PT_EFORMAT, "the log-probability of id %lld is %s, a number is wanted", (long long)id, pt_row_kind(logp));
    if (!isfinite(x) || x > 1e-3) return pt_fail(PT_EFORMAT, "the log-probability of id %lld is %g, which is out of range", (long long)id, x);
    for (size_t k = 0; k < t->n; k++)
        if (t->id[k] == id) return pt_fail(PT_EFORMAT, "id %lld is named twice", (long long)id);
    t->id[t->n] = (int32_t)id;
    t->logp[t->n++] = x;
    return PT_OK;
}

static pt_status of_object(json_t *v, targets *t)
{
    const char *key;
    json_t *x;
    if (!json_is_object(v)) return pt_fail(PT_EFORMAT, "%s, an object is wanted", pt_row_kind(v));
    json_object_foreach(v, key, x)
    {
        char *end;
        long long id = key[0] >= '0' && key[0] <= '9' ? strtoll(key, &end, 10) : -1;
        if (id < 0 || *end) return pt_fail(PT_EFORMAT, "'%.40s' is no token id", key);
        PT_RETURN(put(t, id, json_is_object(x) && !pt_json_odd(x) ? json_object_get(x, "logprob") : x));
    }
    return PT_OK;
}

static pt_status of_lists(const json_t *ids, const json_t *logps, targets *t)
{
    size_t i;
    json_t *id;
    if (!json_is_array(ids) || !json_is_array(logps)) return pt_fail(PT_EFORMAT, "no two lists");
    if (json_array_size(ids) != json_array_size(logps)) return pt_fail(PT_EFORMAT, "%zu ids and %zu log-probabilities", json_array_size(ids), json_array_size(logps));
    json_array_foreach(ids, i, id)
    {
        if (!json_is_integer(id)) return pt_fail(PT_EFORMAT, "target %zu is no token id", i);
        PT_RETURN(put(t, json_integer_value(id), json_array_get(logps, i)));
    }
    return PT_OK;
}

/* Log-probabilities to probabilities that sum to 1; those that are nothing beside the rest are left out. */
static void normalise(targets *t)
{
    double most = -INFINITY, sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < t->n; k++) most = fmax(most, t->logp[k]);
    for (size_t k = 0; k < t->n; k++) sum += exp(t->logp[k] - most);
    for (size_t k = 0; k < t->n; k++) {
        double p = exp(t->logp[k] - most) / sum;
        if (p < 1e-30) continue;
        t->id[n] = t->id[k];
        t->p[n++] = (float)p;
    }
    t->n = n;
}

static pt_status list_like_ids(pt_reader *r, json_t *row, const char *key, json_t **out)
{
    size_t ids = json_array_size(json_object_get(row, "input_ids"));
    *out = pt_row_take(r, row, key);
    if (*out && !json_is_array(*out)) return pt_fail(PT_EFORMAT, "field '%s' is not a list", key);
    if (*out && json_array_size(*out) != ids) return pt_fail(PT_EFORMAT, "%zu %s for %zu ids", json_array_size(*out), key, ids);
    return PT_OK;
}

pt_status pt_read_teacher(pt_reader *r, json_t *row, size_t from, size_t to)
{
    pt_answer *a = &r->rec.answers[0];
    json_t *objects, *ids = NULL, *logps = NULL;
    targets t;
    PT_RETURN(list_like_ids(r, row, "prompt_logprobs", &objects));
    if (!objects) {
        PT_RETURN(list_like_ids(r, row, "target_token_ids", &ids));
        PT_RETURN(list_like_ids(r, row, "target_logprobs", &logps));
        if (!ids && !logps) return pt_row_missing(NULL, row, "prompt_logprobs");
        if (!ids || !logps) return pt_row_missing(NULL, row, ids ? "target_logprobs" : "target_token_ids");
    }
    for (size_t i = from; i < to; i++) {
        t.n = 0;
        if (i > from && a->label[i - from] > PT_WEIGHT_HELD) {
            pt_status rc = objects ? of_object(json_array_get(objects, i), &t) : of_lists(json_array_get(ids, i), json_array_get(logps, i), &t);
            if (rc == PT_OK && !t.n) rc = pt_fail(PT_EFORMAT, "a token that is trained on, and the teacher says nothing of it");
            if (rc != PT_OK) return pt_fail_prefix(rc, "'%s' %zu", objects ? "prompt_logprobs" : "target_logprobs", i);
            normalise(&t);
        }
        PT_RETURN(pt_targets_add(&a->teacher, t.id, t.p, t.n));
    }
    return PT_OK;
}
