#include "eval/ask/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request on its way; its ids follow, and its samplers and constraint (more, held: their bytes; -1: none). */
typedef struct wire {
    uint64_t seed;
    float temperature, top_p;
    int32_t ask, n, from, to, max_new_tokens, repeat, held, more;
} wire;

typedef struct order {
    int64_t number; /* of the runner; END, FAILED: no more */
    uint64_t requests, bytes;
} order;
enum { END = -1, FAILED = -2 };

pt_status pt_server_add(pt_server *s, pt_runner *r, size_t *number)
{
    PT_RETURN(pt_reserve(&s->runners, &s->cap, s->n + 1));
    *number = s->n;
    s->runners[s->n++] = r;
    return PT_OK;
}

void pt_server_free(pt_server *s)
{
    free(s->runners);
    for (size_t i = 0; i < s->n_more; i++) free(s->more[i]);
    free(s->more);
    *s = (pt_server){0};
}

static bool several(const pt_server *s)
{
    return s->comm && s->comm->size > 1;
}

static pt_status pack(const pt_requests *q, pt_str *out)
{
    for (size_t i = 0; i < q->n; i++) {
        const pt_request *r = &q->list[i];
        wire x;
        memset(&x, 0, sizeof x);
        x = (wire){.seed = r->sampling.seed, .temperature = r->sampling.temperature, .top_p = r->sampling.top_p, .ask = r->ask, .n = r->n,
                   .from = r->from, .to = r->to, .max_new_tokens = r->sampling.max_new_tokens, .repeat = r->repeat, .held = r->constraint ? (int32_t)strlen(r->constraint) : -1,
                   .more = r->sampling.more ? (int32_t)strlen(r->sampling.more) : -1};
        PT_RETURN(pt_str_add(out, (const char *)&x, sizeof x));
        PT_RETURN(pt_str_add(out, (const char *)r->ids, (size_t)r->n * sizeof *r->ids));
        if (r->sampling.more) PT_RETURN(pt_str_add(out, r->sampling.more, (size_t)x.more));
        if (r->constraint) PT_RETURN(pt_str_add(out, r->constraint, (size_t)x.held));
    }
    return PT_OK;
}

/* The samplers of requests are lent: rank 0's tasks have them, the other ranks this list. */
static pt_status keep_more(pt_server *s, const char *at, size_t n, const char **out)
{
    for (size_t i = 0; i < s->n_more; i++)
        if (strlen(s->more[i]) == n && !memcmp(s->more[i], at, n)) {
            *out = s->more[i];
            return PT_OK;
        }
    PT_RETURN(pt_reserve(&s->more, &s->cap_more, s->n_more + 1));
    PT_RETURN(pt_strndup(&s->more[s->n_more], at, n));
    *out = s->more[s->n_more++];
    return PT_OK;
}

static pt_status unpack_one(pt_server *s, pt_request *r, const char **at, size_t *left)
{
    wire x;
    if (*left < sizeof x) return pt_fail(PT_EIO, "what rank 0 asks did not come whole");
    memcpy(&x, *at, sizeof x);
    *at += sizeof x;
    *left -= sizeof x;
    if (x.n < 0 || *left / sizeof *r->ids < (size_t)x.n) return pt_fail(PT_EIO, "what rank 0 asks did not come whole");
    *r = (pt_request){.ask = (pt_ask)x.ask, .n = x.n, .from = x.from, .to = x.to, .repeat = x.repeat,
                      .sampling = {x.max_new_tokens, x.temperature, x.top_p, x.seed, NULL}};
    PT_RETURN(pt_alloc0(&r->ids, r->n));
    memcpy(r->ids, *at, (size_t)x.n * sizeof *r->ids);
    *at += (size_t)x.n * sizeof *r->ids;
    *left -= (size_t)x.n * sizeof *r->ids;
    if (x.more >= 0) {
        if (*left < (size_t)x.more) return pt_fail(PT_EIO, "what rank 0 asks did not come whole");
        PT_RETURN(keep_more(s, *at, (size_t)x.more, &r->sampling.more));
        *at += x.more;
        *left -= (size_t)x.more;
    }
    if (x.held < 0) return PT_OK;
    if (*left < (size_t)x.held) return pt_fail(PT_EIO, "what rank 0 asks did not come whole");
    PT_RETURN(pt_strndup(&r->constraint, *at, (size_t)x.held));
    *at += x.held;
    *left -= (size_t)x.held;
    return PT_OK;
}

static pt_status unpack(pt_server *s, pt_requests *q, size_t n, const char *at, size_t bytes)
{
    PT_RETURN(pt_reserve(&q->list, &q->cap, n));
    for (; q->n < n; q->n++) PT_RETURN(unpack_one(s, &q->list[q->n], &at, &bytes));
    return PT_OK;
}

/* Of these two every rank has heard (eval/ask/runner.h). */
static bool by_all(pt_status rc)
{
    return rc == PT_OK || rc == PT_ENONFINITE || rc == PT_ESTOP;
}

pt_status pt_server_all(pt_server *s, size_t number, const pt_requests *q, pt_reply *replies)
{
    pt_status rc = pt_runner_run(s->runners[number], q, replies);
    s->lost = s->lost || !by_all(rc);
    return rc;
}

pt_status pt_server_run(pt_server *s, size_t number, const pt_requests *q, pt_reply *replies)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    if (several(s)) {
        PT_TRY(pack(q, &text));
        order o = {(int64_t)number, q->n, text.len};
        PT_TRY(s->comm->broadcast(s->comm, &o, sizeof o, 0));
        PT_TRY(s->comm->broadcast(s->comm, text.text, text.len, 0));
    }
    PT_TRY(pt_runner_run(s->runners[number], q, replies));
done:
    s->lost = s->lost || !by_all(rc);
    pt_str_free(&text);
    return rc;
}

static pt_status serve_one(pt_server *s, const order *o)
{
    pt_status rc = PT_OK;
    pt_requests q = {0};
    pt_reply *none = NULL;
    char *text = NULL;
    size_t cap = 0;
    PT_CHECK(o->number < (int64_t)s->n, PT_EARG, "rank 0 asks model %lld, and there are %zu here: the ranks were started with different settings", (long long)o->number, s->n);
    PT_TRY(pt_reserve(&text, &cap, (size_t)o->bytes + 1));
    PT_TRY(s->comm->broadcast(s->comm, text, (size_t)o->bytes, 0));
    PT_TRY(unpack(s, &q, (size_t)o->requests, text, (size_t)o->bytes));
    PT_TRY(pt_alloc0(&none, q.n));
    PT_TRY(pt_runner_run(s->runners[o->number], &q, none));
done:
    free(none);
    free(text);
    pt_requests_free(&q);
    return rc;
}

pt_status pt_server_serve(pt_server *s)
{
    pt_status first = PT_OK;
    char why[400] = "";
    order o = {0};
    while (several(s)) {
        pt_status rc = s->comm->broadcast(s->comm, &o, sizeof o, 0);
        if (rc == PT_OK && o.number < 0) break;
        if (rc == PT_OK) rc = serve_one(s, &o);
        if (rc != PT_OK && first == PT_OK && by_all(rc)) {
            first = rc;
            snprintf(why, sizeof why, "%s", pt_err_msg());
        }
        if (by_all(rc)) continue;
        s->lost = true;
        return rc;
    }
    if (first != PT_OK) return pt_fail(first, "%s", why);
    return o.number == FAILED ? pt_fail(PT_ESTATE, "rank 0 says why") : PT_OK;
}

pt_status pt_server_end(pt_server *s, pt_status rc)
{
    order o = {rc == PT_OK ? END : FAILED, 0, 0};
    if (!several(s) || s->lost) return rc;
    pt_status sent = s->comm->broadcast(s->comm, &o, sizeof o, 0);
    s->lost = sent != PT_OK;
    return sent == PT_OK ? rc : sent;
}
