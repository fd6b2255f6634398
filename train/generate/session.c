#include "train/generate/session.h"

#include <stdlib.h>

#include "train/generate/generate_impl.h"

struct pt_gen_session {
    pt_model *m;
    pt_ids ids;     /* what the cache holds, from row 0 on */
    int32_t filled; /* rows behind these hold zeros */
    int slot;       /* of the adapter that the keys were made with */
};

pt_status pt_gen_session_new(pt_gen_session **out, pt_model *m)
{
    PT_RETURN(pt_alloc0(out, 1));
    (*out)->m = m;
    (*out)->filled = m->caps.decode_len;
    return PT_OK;
}

void pt_gen_session_free(pt_gen_session *s)
{
    if (!s) return;
    free(s->ids.ids);
    free(s);
}

/* The prompt behind the first `kept` rows. */
static pt_status enter(pt_gen *g, pt_gen_session *s, int32_t kept)
{
    const int32_t n = (int32_t)g->prompts[0].n, len = g->m->caps.decode_len;
    int entered = 0;
    if (!pt_gen_is_behind(kept, n)) {
        g->room = len - n;
        s->filled = len;
        PT_RETURN(pt_gen_forest(g, 0, 1, &entered));
        return entered ? PT_OK : pt_fail(PT_EINTERNAL, "an empty cache has no room for a prompt of %d tokens", n);
    }
    g->seqs[0] = (pt_gen_seq){.len = kept, .n_spans = 1, .span = {{0, len}}};
    PT_RETURN(pt_gen_clear(g, kept, s->filled - kept));
    s->filled = n;
    return pt_gen_feed(g, 0, 1);
}

/* What the cache holds now: prompt and answer, but for a last token that was never fed. */
static pt_status remember(pt_gen_session *s, const pt_gen *g)
{
    const pt_ids *p = &g->prompts[0], *r = &g->results[0].ids;
    const size_t n = (size_t)g->seqs[0].len;
    s->ids.n = 0;
    PT_RETURN(pt_reserve(&s->ids.ids, &s->ids.cap, n));
    for (size_t i = 0; i < n; i++) s->ids.ids[i] = i < p->n ? p->ids[i] : r->ids[i - p->n];
    s->ids.n = n;
    return PT_OK;
}

pt_status pt_gen_session_answer(pt_gen_session *s, const pt_ids *prompt, const pt_gen_options *opt, pt_gen_result *result, pt_gen_sink sink, void *user,
                                int32_t *kept)
{
    pt_status rc = PT_OK;
    pt_gen g = {.m = s->m, .prompts = prompt, .opt = opt, .results = result, .sink = sink, .user = user};
    if (kept) *kept = 0;
    PT_TRY(pt_gen_check(s->m, prompt, 1, opt));
    if (opt->max_new_tokens == 0) goto done;
    PT_TRY(pt_gen_begin(&g, 1, prompt->n));
    const size_t same = s->slot == opt->slot ? pt_gen_same(&s->ids, prompt) : 0;
    const int32_t held = (int32_t)(same < prompt->n ? same : prompt->n - 1);
    s->ids.n = 0; /* until all is well */
    if (kept && pt_gen_is_behind(held, (int64_t)prompt->n)) *kept = held;
    PT_TRY(enter(&g, s, held));
    for (g.n = 1; !g.seqs[0].done; s->filled = g.seqs[0].len > s->filled ? g.seqs[0].len : s->filled) PT_TRY(pt_gen_step(&g));
    s->slot = opt->slot;
    PT_TRY(remember(s, &g));
done:
    if (rc != PT_OK) s->filled = s->m->caps.decode_len;
    pt_gen_end(&g, 1);
    return rc;
}
