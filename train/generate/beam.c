#include "train/generate/beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEVER (-1.0e9f) /* transformers' score of what does not count */

typedef struct candidate {
    float sum;
    int32_t beam, token;
    bool ended;
} candidate;

/* An answer, whole or on its way. */
typedef struct line {
    int32_t *ids;
    int n;
    float score;
    bool finished;
} line;

struct pt_beam {
    pt_beam_options o;
    int64_t vocab;
    int most, keep, length; /* new tokens at most; candidates a step; steps so far */
    const int32_t *stops;
    size_t n_stops;
    candidate *list;      /* [keep] */
    line *running, *next, *done, *merged; /* [beams] */
    int32_t *ids;         /* all of theirs */
};

pt_status pt_beam_new(pt_beam **out, const pt_beam_options *o, int64_t vocab, int max_new_tokens, const int32_t *stops, size_t n_stops)
{
    pt_status rc = PT_OK;
    pt_beam *b = NULL;
    *out = NULL;
    PT_CHECK(o->beams >= 2 && o->beams <= PT_BEAMS_MOST, PT_EARG, "beam search with %d beams: it takes 2 to %d", o->beams, PT_BEAMS_MOST);
    PT_CHECK(isfinite(o->length_penalty), PT_EARG, "beam search: length_penalty %g", (double)o->length_penalty);
    PT_CHECK(max_new_tokens >= 1, PT_EARG, "beam search of %d tokens", max_new_tokens);
    const int keep = (n_stops > 1 ? 1 + (int)n_stops : 2) * o->beams;
    PT_CHECK(keep <= vocab, PT_EARG, "beam search: %d beams and %zu stops take %d candidates, the vocabulary has %lld", o->beams, n_stops, keep, (long long)vocab);
    PT_TRY(pt_alloc0(&b, 1));
    *b = (pt_beam){.o = *o, .vocab = vocab, .most = max_new_tokens, .keep = keep, .stops = stops, .n_stops = n_stops};
    PT_TRY(pt_alloc0(&b->list, keep));
    line **const sets[] = {&b->running, &b->next, &b->done, &b->merged};
    PT_TRY(pt_alloc0(&b->ids, (int64_t)4 * o->beams * max_new_tokens));
    for (int k = 0; k < 4; k++) {
        PT_TRY(pt_alloc0(sets[k], o->beams));
        for (int i = 0; i < o->beams; i++)
            (*sets[k])[i] = (line){.ids = b->ids + (int64_t)(k * o->beams + i) * max_new_tokens, .score = k == 0 && i == 0 ? 0 : NEVER};
    }
    *out = b;
    b = NULL;
done:
    pt_beam_free(b);
    return rc;
}

void pt_beam_free(pt_beam *b)
{
    if (!b) return;
    free(b->list);
    free(b->running);
    free(b->next);
    free(b->done);
    free(b->merged);
    free(b->ids);
    free(b);
}

/* The n largest so far, largest first, stand in list[0..*n); c goes among them when it is one of the `most` largest. */
static void put(candidate *list, int *n, int most, candidate c)
{
    if (*n == most && !(c.sum > list[most - 1].sum)) return;
    int at = *n < most ? (*n)++ : most - 1;
    for (; at > 0 && c.sum > list[at - 1].sum; at--) list[at] = list[at - 1];
    list[at] = c;
}

static pt_status best_candidates(pt_beam *b, const float *const *logits)
{
    const int rows = b->length ? b->o.beams : 1;
    int n = 0;
    for (int r = 0; r < rows; r++) {
        const float *z = logits[r];
        float top = z[0];
        double sum = 0;
        for (int64_t i = 1; i < b->vocab; i++) top = z[i] > top ? z[i] : top;
        for (int64_t i = 0; i < b->vocab; i++) sum += (double)expf(z[i] - top);
        if (!isfinite(sum)) return pt_fail(PT_ENONFINITE, "beam search: no token could be chosen (NaN in the logits?)");
        const float less = (float)log(sum), base = b->running[r].score;
        for (int64_t i = 0; i < b->vocab; i++) put(b->list, &n, b->keep, (candidate){z[i] - top - less + base, r, (int32_t)i, false});
    }
    return PT_OK;
}

static bool is_stop(const pt_beam *b, int32_t id)
{
    for (size_t i = 0; i < b->n_stops; i++)
        if (b->stops[i] == id) return true;
    return false;
}

static void copy_line(line *to, const line *from)
{
    memcpy(to->ids, from->ids, (size_t)from->n * sizeof *from->ids);
    to->n = from->n;
    to->score = from->score;
    to->finished = from->finished;
}

static void go_on(const pt_beam *b, line *to, const candidate *c, float score, bool finished)
{
    copy_line(to, &b->running[c->beam]);
    to->ids[to->n++] = c->token;
    to->score = score;
    to->finished = finished;
}

/* The finished answers and the candidates that have just ended: the best of both. Both stand in order but for the penalty, which is the same for all
 * candidates of a step. */
static void finish(pt_beam *b)
{
    const int beams = b->o.beams;
    const float by = (float)pow((double)(b->length + 1), (double)b->o.length_penalty);
    int old = 0, new = 0;
    for (int i = 0; i < beams; i++) {
        while (new < beams && !b->list[new].ended) new++;
        const float score = new < beams ? b->list[new].sum / by : NEVER;
        if (new < beams && (!b->done[old].finished || score > b->done[old].score)) go_on(b, &b->merged[i], &b->list[new++], score, true);
        else copy_line(&b->merged[i], &b->done[old++]);
    }
    line *t = b->done;
    b->done = b->merged;
    b->merged = t;
}

/* Whether a running beam may still become better than the worst finished one. */
static bool may_improve(const pt_beam *b)
{
    const int by = b->o.early == PT_EARLY_NEVER && b->o.length_penalty > 0 ? b->most : b->length;
    const float best = b->running[0].score / (float)pow((double)by, (double)b->o.length_penalty);
    return !b->done[b->o.beams - 1].finished || best > b->done[b->o.beams - 1].score;
}

pt_status pt_beam_step(pt_beam *b, const float *const *logits, int32_t *parent, int32_t *token, bool *over)
{
    const int beams = b->o.beams;
    int n = 0, ended = 0;
    PT_RETURN(best_candidates(b, logits));
    for (int i = 0; i < b->keep; i++) {
        b->list[i].ended = is_stop(b, b->list[i].token) || b->length + 1 >= b->most;
        ended += b->list[i].ended;
    }
    for (int pass = 0; pass < 2; pass++) /* those that ended fill up what is left; they are never fed when all did */
        for (int i = 0; i < b->keep && n < beams; i++) {
            const candidate *c = &b->list[i];
            if (c->ended != (pass == 1)) continue;
            go_on(b, &b->next[n], c, pass ? c->sum + NEVER : c->sum, false);
            parent[n] = c->beam;
            token[n++] = c->token;
        }
    finish(b);
    line *t = b->running;
    b->running = b->next;
    b->next = t;
    b->length++;
    *over = ended == b->keep || (b->o.early == PT_EARLY_TRUE && b->done[beams - 1].finished) || !may_improve(b);
    return PT_OK;
}

pt_status pt_beam_best(const pt_beam *b, pt_ids *ids, float *score, bool *stopped)
{
    const line *best = &b->done[0];
    if (!best->finished) return pt_fail(PT_ESTATE, "beam search: no answer is finished yet");
    *stopped = is_stop(b, best->ids[best->n - 1]);
    const size_t n = (size_t)(best->n - *stopped);
    PT_RETURN(pt_reserve(&ids->ids, &ids->cap, ids->n + n));
    if (n) memcpy(ids->ids + ids->n, best->ids, n * sizeof *best->ids);
    ids->n += n;
    *score = best->score;
    return PT_OK;
}
