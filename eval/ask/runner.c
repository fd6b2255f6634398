#include "eval/ask/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/batch/loader.h"
#include "eval/ask/holds.h"
#include "eval/ask/sampling.h"
#include "train/generate/generate.h"
#include "train/generate/near.h"

enum { TOKENS = 2048, GROUPS = 256, TAIL = 64, COPIED = 16 };
/* Texts that are generated together: each step reads all weights once for all of them, and each has its keys and values in memory. */
enum { CHUNK = 64, DECODE_LEAST = 16, DECODE_POSITIONS = 8192 };

/* A question, once however many ask it. */
typedef struct item {
    const pt_request *r;
    size_t at; /* of the request in the list; of several equal ones, the first */
    pt_answer_key key;
    bool known;
    pt_reply got; /* when it was computed; text owned */
} item;

/* Items [from, to), those to be computed among them. */
typedef struct batch {
    size_t from, to, left;
} batch;

typedef struct work {
    pt_runner *runner;
    item *list; /* in order of their ids */
    size_t n;
    size_t *of; /* [requests] its item */
    item **some; /* [n] of a batch */
    batch *batches;
    size_t n_batches, cap;
    size_t left;       /* those that nobody has answered */
    pt_holds holds;    /* constraints of texts */
} work;

/* tokens: of a pass; text: positions of one that is written, 0: none is; count: how many of those there are at once, 0: nobody knows. */
static pt_status make_room(int64_t tokens, int64_t text, int64_t count, pt_model_caps *caps)
{
    if (tokens >= 1 << 24 || text >= 1 << 24) return pt_fail(PT_EARG, "a test record has %lld tokens", (long long)(tokens > text ? tokens : text));
    int32_t room = tokens + TAIL > TOKENS ? (int32_t)(tokens + 2 * TAIL - 1) / TAIL * TAIL : TOKENS;
    if (room > caps->tokens) caps->tokens = caps->heads = caps->rows = room;
    caps->segs = 2 * GROUPS + 2;
    caps->groups = GROUPS;
    if (text > caps->decode_len) caps->decode_len = (int32_t)text;
    if (text) {
        const int32_t rows = DECODE_POSITIONS / caps->decode_len, fit = rows < DECODE_LEAST ? DECODE_LEAST : rows > CHUNK ? CHUNK : rows;
        const int64_t wanted = count > 0 && count < CHUNK ? count : CHUNK;
        if (wanted > caps->decode_rows) caps->decode_rows = (int32_t)wanted;
        if (fit < caps->decode_rows) caps->decode_rows = fit;
    }
    return PT_OK;
}

pt_status pt_runner_reserve(int64_t context, bool text, int64_t count, pt_model_caps *caps)
{
    return make_room(context, text ? context + 1 : 0, count, caps);
}

pt_status pt_runner_needs(const pt_requests *q, pt_model_caps *caps)
{
    int64_t tokens = 0, prompt = 0, text = 0, count = 0;
    for (size_t i = 0; i < q->n; i++) {
        const pt_request *r = &q->list[i];
        if (r->ask == PT_ASK_TEXT) {
            count++;
            if (r->n > prompt) prompt = r->n;
            if (r->n + r->sampling.max_new_tokens + 1 > text) text = r->n + r->sampling.max_new_tokens + 1;
        } else if (r->to > tokens)
            tokens = r->to;
    }
    return make_room(prompt > tokens ? prompt : tokens, text, count, caps);
}

static int32_t most(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* What a model that is planned for something else needs besides: own is what it would need alone. */
static void widen(int64_t longest, const pt_model_caps *own, pt_model_caps *caps)
{
    caps->tokens = most(caps->tokens, (int32_t)(longest + 2 * TAIL - 1) / TAIL * TAIL);
    caps->heads = most(caps->heads, caps->tokens);
    caps->rows = most(caps->rows, caps->tokens);
    caps->segs = most(caps->segs, own->segs);
    caps->groups = most(caps->groups, own->groups);
    caps->decode_len = most(caps->decode_len, own->decode_len);
    caps->decode_rows = most(caps->decode_rows, own->decode_rows < DECODE_LEAST ? own->decode_rows : DECODE_LEAST);
}

pt_status pt_runner_reserve_within(int64_t context, bool text, int64_t count, pt_model_caps *caps)
{
    pt_model_caps own = {0};
    PT_RETURN(pt_runner_reserve(context, text, count, &own));
    widen(context, &own, caps);
    return PT_OK;
}

pt_status pt_runner_needs_within(const pt_requests *q, pt_model_caps *caps)
{
    pt_model_caps own = {0};
    int32_t longest = 0;
    PT_RETURN(pt_runner_needs(q, &own));
    for (size_t i = 0; i < q->n; i++) longest = most(longest, q->list[i].ask == PT_ASK_TEXT ? q->list[i].n : q->list[i].to);
    widen(longest, &own, caps);
    return PT_OK;
}

/* Tokens that a pass has to visit: what stands behind the measured ones says nothing about them. */
static int32_t visited(const pt_request *r)
{
    return r->ask == PT_ASK_TEXT ? r->n : r->to;
}

/* What can share a pass stands together, and of that what begins alike. */
static int by_ids(const void *pa, const void *pb)
{
    const item *a = pa, *b = pb;
    if (a->r->ask != b->r->ask) return a->r->ask < b->r->ask ? -1 : 1;
    int how = a->r->ask == PT_ASK_TEXT ? pt_sampling_compare(&a->r->sampling, &b->r->sampling) : 0;
    if (how) return how;
    int32_t na = visited(a->r), nb = visited(b->r);
    for (int32_t i = 0; i < na && i < nb; i++)
        if (a->r->ids[i] != b->r->ids[i]) return a->r->ids[i] < b->r->ids[i] ? -1 : 1;
    if (na != nb) return na < nb ? -1 : 1;
    if (a->r->from != b->r->from) return a->r->from < b->r->from ? -1 : 1;
    int same = memcmp(&a->key, &b->key, sizeof a->key);
    return same ? same : a->at < b->at ? -1 : a->at > b->at;
}

static pt_status find_items(work *w, const pt_requests *q)
{
    pt_runner *r = w->runner;
    size_t n = 0;
    PT_RETURN(pt_alloc0(&w->list, q->n));
    PT_RETURN(pt_alloc0(&w->some, q->n));
    PT_RETURN(pt_alloc0(&w->of, q->n));
    for (size_t i = 0; i < q->n; i++) {
        w->list[i].r = &q->list[i];
        w->list[i].at = i;
        pt_answers_key(&w->list[i].key, r->identity, w->list[i].r, r->stops, r->n_stops);
        w->list[i].known = pt_answers_find(r->answers, &w->list[i].key) != NULL;
    }
    qsort(w->list, q->n, sizeof *w->list, by_ids);
    for (size_t i = 0; i < q->n; i++) {
        if (!n || memcmp(&w->list[n - 1].key, &w->list[i].key, sizeof w->list[i].key)) w->list[n++] = w->list[i];
        w->of[w->list[i].at] = n - 1;
    }
    w->n = n;
    return PT_OK;
}

/* All ranks must ask the same; rank 0 says what is known already. */
static pt_status agree(work *w)
{
    pt_status rc = PT_OK;
    pt_comm *c = w->runner->comm;
    unsigned char *known = NULL, digest[32];
    pt_sha256 h;
    int64_t least, most;
    if (!c || c->size < 2) return PT_OK;
    pt_sha256_start(&h);
    for (size_t i = 0; i < w->n; i++) pt_sha256_add(&h, w->list[i].key.byte, sizeof w->list[i].key.byte);
    pt_sha256_end(&h, digest);
    memcpy(&least, digest, sizeof least);
    most = least;
    PT_TRY(c->allreduce_min(c, &least, 1));
    PT_TRY(c->allreduce_max(c, &most, 1));
    PT_CHECK(least == most, PT_EARG, "the ranks do not ask the same: they were started with different models, adapters, data or settings");
    PT_TRY(pt_alloc0(&known, w->n));
    for (size_t i = 0; i < w->n; i++) known[i] = w->list[i].known;
    PT_TRY(c->broadcast(c, known, w->n, 0));
    for (size_t i = 0; i < w->n; i++) w->list[i].known = known[i];
done:
    free(known);
    return rc;
}

static size_t shared(const pt_request *a, const pt_request *b)
{
    int32_t n = visited(a) < visited(b) ? visited(a) : visited(b), i = 0;
    while (i < n && a->ids[i] == b->ids[i]) i++;
    return (size_t)i;
}

/* How many requests from `at` on go into one batch: by tokens after sharing (short shared pieces may be copied), rows and groups. */
static size_t batch_end(const work *w, size_t at)
{
    const pt_model_caps *caps = &w->runner->caps;
    size_t to = at, tokens = 0, rows = 0;
    for (; to < w->n && w->list[to].r->ask == w->list[at].r->ask && to - at < (size_t)caps->groups; to++) {
        const pt_request *r = w->list[to].r;
        size_t same = to > at ? shared(w->list[to - 1].r, r) : 0;
        tokens += (size_t)visited(r) - same + (same ? COPIED : 0);
        rows += (size_t)(r->to - r->from);
        if (to > at && (tokens + TAIL > (size_t)caps->tokens || rows > (size_t)caps->rows)) break;
    }
    return to;
}

/* What the batch says: a group's log-probability is the sum over its rows. */
static pt_status take_batch(pt_runner *r, item *const *some, const pt_batch *b, const float *out)
{
    for (int32_t g = 0; g < b->n_groups; g++) {
        item *p = some[g];
        pt_reply reply = {.tokens = p->r->to - p->r->from};
        if (p->r->ask == PT_ASK_SCORE) reply.value = (double)out[g];
        for (int32_t k = b->group_row_start[g]; p->r->ask == PT_ASK_LOGP && k < b->group_row_start[g + 1]; k++)
            reply.value += (double)out[b->group_rows[k]];
        if (!isfinite(reply.value)) return pt_fail(PT_ENONFINITE, "the log-probability of an answer of %d tokens is not finite", (int)reply.tokens);
        p->got = reply;
        r->tokens_asked += visited(p->r);
    }
    r->tokens_computed += b->n_live;
    return PT_OK;
}

static pt_status run_batch(pt_runner *r, item *const *some, size_t n)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    pt_seq *seqs = NULL;
    float *out = NULL, *weights = NULL;
    size_t tokens = 0, used = 0;
    bool score = some[0]->r->ask == PT_ASK_SCORE;
    for (size_t i = 0; i < n; i++) tokens += (size_t)visited(some[i]->r);
    PT_TRY(pt_alloc0(&seqs, n));
    PT_TRY(pt_alloc0(&weights, tokens));
    for (size_t i = 0; i < n; i++) {
        const pt_request *x = some[i]->r;
        for (int32_t k = x->from; !score && k < x->to; k++) weights[used + (size_t)k] = 1;
        seqs[i] = (pt_seq){.ids = x->ids, .weight = weights + used, .n = visited(x), .slot = r->slot, .end_index = score ? x->from : -1};
        used += (size_t)visited(x);
    }
    PT_TRY(pt_batch_build(&b, seqs, n, PT_PACKING_FOREST));
    if (n > 1 && (b.n_tokens > r->caps.tokens || b.n_segs > r->caps.segs)) {
        PT_TRY(run_batch(r, some, n / 2));
        PT_TRY(run_batch(r, some + n / 2, n - n / 2));
        goto done;
    }
    PT_CHECK(b.n_tokens <= r->caps.tokens, PT_EARG, "a test record has %d tokens, the model was planned for %d", b.n_live, r->caps.tokens);
    PT_TRY(pt_model_load_batch(r->model, &b, 0, false));
    PT_TRY(pt_model_forward(r->model, r->slot, false));
    PT_TRY(pt_alloc0(&out, b.n_rows > b.n_groups ? b.n_rows : b.n_groups));
    PT_TRY(score ? pt_model_values(r->model, out) : pt_model_logp(r->model, NULL, out));
    PT_TRY(take_batch(r, some, &b, out));
done:
    pt_batch_free(&b);
    free(seqs);
    free(out);
    free(weights);
    return rc;
}

/* Texts to n requests that are sampled alike. Each draws from a stream of its own key: whoever is asked beside it changes nothing. */
static pt_status run_texts(pt_runner *r, pt_holds *holds, item *const *some, size_t n)
{
    pt_status rc = PT_OK;
    const pt_sampling *how = &some[0]->r->sampling;
    pt_ids *prompts = NULL;
    pt_gen_result *results = NULL;
    uint64_t *streams = NULL;
    pt_constraint **held = NULL;
    pt_drawing drawing = {0};
    PT_TRY(pt_sampling_open(how, r->tok, holds->rows, &drawing));
    PT_TRY(pt_alloc0(&held, n));
    PT_TRY(pt_alloc0(&prompts, n));
    PT_TRY(pt_alloc0(&results, n));
    PT_TRY(pt_alloc0(&streams, n));
    for (size_t i = 0; i < n; i++) {
        prompts[i] = (pt_ids){.ids = some[i]->r->ids, .n = (size_t)some[i]->r->n};
        memcpy(&streams[i], some[i]->key.byte, sizeof streams[i]);
        PT_TRY(pt_holds_get(holds, some[i]->r, &held[i]));
    }
    pt_gen_options g = {.max_new_tokens = how->max_new_tokens, .sampler = drawing.sampler, .stop_texts = drawing.stop.n ? &drawing.stop : NULL, .stops = r->stops, .n_stops = r->n_stops, .slot = r->slot, .streams = streams, .constraints = held, .near = r->comm && r->comm->size > 1};
    PT_TRY(pt_generate(r->model, prompts, n, &g, results, NULL, NULL));
    for (size_t i = 0; i < n; i++) {
        pt_str text = {0};
        rc = pt_str_puts(&text, "");
        if (rc == PT_OK) rc = pt_tok_decode(r->tok, results[i].ids.ids, results[i].ids.n, true, &text);
        if (rc == PT_OK && drawing.stop.n) text.text[text.len = pt_stop_find(&drawing.stop, text.text, text.len)] = 0;
        some[i]->got = (pt_reply){.text = text.text, .tokens = (int32_t)results[i].ids.n, .stopped = results[i].stopped, .near = results[i].near};
        PT_TRY(rc);
    }
done:
    for (size_t i = 0; results && i < n; i++) free(results[i].ids.ids);
    free(prompts);
    free(results);
    free(streams);
    free(held);
    pt_drawing_free(&drawing);
    return rc;
}

/* Which items make a batch: of all, whatever is known. */
static pt_status cut_batches(work *w)
{
    for (size_t at = 0, to; at < w->n; at = to) {
        size_t left = 0;
        if (w->list[at].r->ask == PT_ASK_TEXT)
            for (to = at + 1; to < w->n && to - at < CHUNK && !pt_sampling_compare(&w->list[at].r->sampling, &w->list[to].r->sampling);) to++;
        else to = batch_end(w, at);
        for (size_t i = at; i < to; i++) left += !w->list[i].known;
        if (!left) continue;
        PT_RETURN(pt_reserve(&w->batches, &w->cap, w->n_batches + 1));
        w->batches[w->n_batches++] = (batch){at, to, left};
        w->left += left;
    }
    w->runner->asked += w->n;
    w->runner->known += w->n - w->left;
    return PT_OK;
}

static pt_status compute(work *w, const batch *b)
{
    size_t n = 0;
    for (size_t i = b->from; i < b->to; i++)
        if (!w->list[i].known) w->some[n++] = &w->list[i];
    return w->some[0]->r->ask == PT_ASK_TEXT ? run_texts(w->runner, &w->holds, w->some, n) : run_batch(w->runner, w->some, n);
}

/* ---- ranks ---- */

/* A reply on its way; `bytes` of text follow, -1: none. */
typedef struct wire {
    double value;
    int32_t tokens, near, stopped, bytes;
} wire;

static pt_status pack(const work *w, const batch *b, pt_str *out)
{
    for (size_t i = b->from; i < b->to; i++) {
        const pt_reply *r = &w->list[i].got;
        if (w->list[i].known) continue;
        const wire x = {r->value, r->tokens, r->near, r->stopped, r->text ? (int32_t)strlen(r->text) : -1};
        PT_RETURN(pt_str_add(out, (const char *)&x, sizeof x));
        if (r->text) PT_RETURN(pt_str_add(out, r->text, (size_t)x.bytes));
    }
    return PT_OK;
}

static pt_status unpack(work *w, const batch *b, const char *at, size_t n)
{
    for (size_t i = b->from; i < b->to; i++) {
        pt_reply *r = &w->list[i].got;
        wire x;
        if (w->list[i].known) continue;
        if (n < sizeof x) return pt_fail(PT_EIO, "a rank's answers did not come whole");
        memcpy(&x, at, sizeof x);
        at += sizeof x;
        n -= sizeof x;
        size_t bytes = x.bytes > 0 ? (size_t)x.bytes : 0;
        if (n < bytes) return pt_fail(PT_EIO, "a rank's answers did not come whole");
        *r = (pt_reply){.value = x.value, .tokens = x.tokens, .near = x.near, .stopped = x.stopped};
        if (x.bytes >= 0) PT_RETURN(pt_calloc(&r->text, bytes + 1, 1));
        if (bytes) memcpy(r->text, at, bytes);
        at += bytes;
        n -= bytes;
    }
    return PT_OK;
}

/* A batch's replies from the rank that has them. */
static pt_status exchange(work *w, const batch *b, int from)
{
    pt_status rc = PT_OK;
    pt_comm *c = w->runner->comm;
    pt_str text = {0};
    uint64_t bytes;
    if (c->rank == from) PT_TRY(pack(w, b, &text));
    bytes = text.len;
    PT_TRY(c->broadcast(c, &bytes, sizeof bytes, from));
    PT_TRY(pt_reserve(&text.text, &text.cap, (size_t)bytes + 1));
    PT_TRY(c->broadcast(c, text.text, (size_t)bytes, from));
    if (c->rank != from) PT_TRY(unpack(w, b, text.text, (size_t)bytes));
done:
    pt_str_free(&text);
    return rc;
}

/* Takes a batch's replies into the answers. */
static pt_status keep(work *w, const batch *b)
{
    pt_runner *r = w->runner;
    for (size_t i = b->from; i < b->to; i++) {
        item *x = &w->list[i];
        if (x->known) continue;
        PT_RETURN(pt_answers_put(r->answers, &x->key, r->identity, x->r->ask, &x->got));
        free(x->got.text);
        x->got.text = NULL;
    }
    return PT_OK;
}

/* What all ranks must hear of, so that none waits for another: a number that is none, a stop. */
static pt_status agree_end(pt_runner *r, pt_status mine)
{
    int64_t end = mine == PT_ESTOP ? 2 : mine == PT_ENONFINITE;
    if (r->comm && r->comm->size > 1) PT_RETURN(r->comm->allreduce_max(r->comm, &end, 1));
    if (end == 2) return pt_fail(PT_ESTOP, "stopped before everything was answered");
    return !end || mine == PT_ENONFINITE ? mine : pt_fail(PT_ENONFINITE, "another rank found a log-probability that is not finite");
}

/* Round after round, a batch for each rank. */
static pt_status run_batches(work *w)
{
    pt_runner *r = w->runner;
    const size_t ranks = r->comm ? (size_t)r->comm->size : 1, me = r->comm ? (size_t)r->comm->rank : 0;
    const int64_t asked = r->tokens_asked, computed = r->tokens_computed;
    size_t done = 0;
    for (size_t at = 0; at < w->n_batches; at += ranks) {
        const batch *b = w->batches + at;
        const size_t n = w->n_batches - at < ranks ? w->n_batches - at : ranks;
        if (r->progress) r->progress(r->user, w->list[b->from].r->ask == PT_ASK_TEXT ? "answers" : "likelihoods", done, w->left);
        pt_status rc = r->stop && r->stop(r->user) ? pt_fail(PT_ESTOP, "stopped") : PT_OK;
        if (rc == PT_OK && me < n) rc = compute(w, &b[me]);
        if (rc != PT_OK && rc != PT_ENONFINITE && rc != PT_ESTOP) return rc;
        PT_RETURN(agree_end(r, rc));
        for (size_t k = 0; k < n; k++) {
            if (ranks > 1) PT_RETURN(exchange(w, &b[k], (int)k));
            PT_RETURN(keep(w, &b[k]));
            done += b[k].left;
        }
        PT_RETURN(pt_answers_flush(r->answers));
    }
    if (ranks > 1) { /* what each has counted */
        double sums[2] = {(double)(r->tokens_asked - asked), (double)(r->tokens_computed - computed)}; /* of this run: those before it are known to all */
        PT_RETURN(r->comm->allreduce_f64(r->comm, sums, 2));
        r->tokens_asked = asked + (int64_t)sums[0];
        r->tokens_computed = computed + (int64_t)sums[1];
    }
    if (r->progress && done) r->progress(r->user, "", done, done);
    return PT_OK;
}

/* ---- near ties ---- */

static const pt_reply *reply_of(const work *w, size_t i)
{
    return pt_answers_find(w->runner->answers, &w->list[i].key);
}

/* Of answers behind one beginning, which lie side by side, the two likeliest. */
static void count_near(work *w)
{
    pt_runner *r = w->runner;
    for (size_t i = 0, to; i < w->n; i = to) {
        const pt_request *x = w->list[i].r;
        double best = -INFINITY, next = -INFINITY;
        to = i;
        if (x->ask == PT_ASK_TEXT) {
            const pt_reply *a = reply_of(w, to++);
            r->texts++;
            r->near_texts += a && a->near > 0;
            continue;
        }
        do {
            const pt_reply *a = reply_of(w, to++);
            double v = a ? a->value : -INFINITY;
            next = fmax(next, fmin(best, v));
            best = fmax(best, v);
        } while (x->ask == PT_ASK_LOGP && to < w->n && w->list[to].r->ask == PT_ASK_LOGP && w->list[to].r->from == x->from &&
                 shared(w->list[to].r, x) >= (size_t)x->from);
        r->likelihoods += to - i > 1;
        r->near_likelihoods += to - i > 1 && best - next < PT_NEAR_GAP;
    }
}

static pt_status give(const work *w, const pt_requests *q, pt_reply *replies)
{
    for (size_t i = 0; i < q->n; i++) {
        const pt_reply *x = reply_of(w, w->of[i]);
        if (!x) return pt_fail(PT_EINTERNAL, "request %zu was not answered", i);
        replies[i] = *x;
        replies[i].text = NULL;
        if (x->text) PT_RETURN(pt_strdup(&replies[i].text, x->text));
    }
    return PT_OK;
}

pt_status pt_runner_run(pt_runner *r, const pt_requests *q, pt_reply *replies)
{
    pt_status rc = PT_OK;
    work w = {.runner = r, .holds = {.tok = r->tok, .rows = pt_model_config_get(r->model)->vocab, .stops = r->stops, .n_stops = r->n_stops}};
    PT_TRY(find_items(&w, q));
    PT_TRY(agree(&w));
    PT_TRY(cut_batches(&w));
    PT_TRY(run_batches(&w));
    if (r->comm && r->comm->rank) goto done;
    count_near(&w);
    PT_TRY(give(&w, q, replies));
done:
    for (size_t i = 0; i < w.n; i++) free(w.list[i].got.text);
    pt_holds_free(&w.holds);
    free(w.list);
    free(w.of);
    free(w.some);
    free(w.batches);
    return rc;
}
