/* Beam search over the cache: all beams of a prompt share its keys, and each has its own behind them. */
#include "train/generate/beams.h"

#include <stdlib.h>

#include "train/generate/generate_impl.h"

struct pt_gen_beams {
    pt_beam *beam;
    float *logits;      /* [places][vocab] */
    const float **row;  /* [beams] of them */
    int32_t *place;     /* [beams] which sequence of the cache a beam is */
    int32_t *next;      /* the same after the step */
    int32_t *parent, *token;
    bool *taken;        /* [places] */
    bool over;
};

static pt_status beams_new(pt_gen_beams *b, const pt_gen *g, const pt_beam_options *o)
{
    const pt_gen_options *opt = g->opt;
    PT_RETURN(pt_beam_new(&b->beam, o, g->m->cfg.vocab, opt->max_new_tokens, opt->stops, opt->n_stops));
    PT_RETURN(pt_alloc0(&b->logits, o->beams * g->m->cfg.vocab));
    PT_RETURN(pt_alloc0(&b->row, o->beams));
    PT_RETURN(pt_alloc0(&b->place, o->beams));
    PT_RETURN(pt_alloc0(&b->next, o->beams));
    PT_RETURN(pt_alloc0(&b->parent, o->beams));
    PT_RETURN(pt_alloc0(&b->token, o->beams));
    PT_RETURN(pt_alloc0(&b->taken, o->beams));
    for (int i = 0; i < o->beams; i++) b->place[i] = i;
    return PT_OK;
}

static void beams_free(pt_gen_beams *b)
{
    pt_beam_free(b->beam);
    free(b->logits);
    free(b->row);
    free(b->place);
    free(b->next);
    free(b->parent);
    free(b->token);
    free(b->taken);
}

/* The keys of sequence `from` behind the prompt become those of `to`: both have as many, behind the same prompt. */
static pt_status copy_own(pt_gen *g, int from, int to)
{
    const pt_ops *ops = g->m->ctx->ops;
    const pt_gen_seq *a = &g->seqs[from], *b = &g->seqs[to];
    const int32_t n = a->len - pt_gen_within(a, a->len, a->n_spans - 1);
    for (int l = 0; n && l < g->m->cfg.layers; l++)
        for (int kv = 0; kv < 2; kv++) {
            const pt_view c = kv ? g->m->dec.v[l] : g->m->dec.k[l];
            const pt_view x = pt_view_rows(c, a->span[a->n_spans - 1].at, n), y = pt_view_rows(c, b->span[b->n_spans - 1].at, n);
            PT_RETURN(ops->cast(g->m->ctx, &(pt_cast_args){.y = y, .x = x}));
        }
    return PT_OK;
}

/* The first child of a beam stays in its place; the others take places of beams without children, so that nothing is overwritten that is still read. */
static pt_status move_keys(pt_gen *g, pt_gen_beams *b)
{
    int free_place = 0;
    for (int i = 0; i < g->n; i++) b->taken[i] = false;
    for (int k = 0; k < g->n; k++) {
        const int32_t at = b->place[b->parent[k]];
        b->next[k] = b->taken[at] ? -1 : at;
        b->taken[at] = true;
    }
    for (int k = 0; k < g->n; k++) {
        if (b->next[k] >= 0) continue;
        while (b->taken[free_place]) free_place++;
        PT_RETURN(copy_own(g, b->place[b->parent[k]], free_place));
        b->taken[free_place] = true;
        b->next[k] = free_place;
    }
    int32_t *t = b->place;
    b->place = b->next;
    b->next = t;
    for (int k = 0; k < g->n; k++) g->seqs[b->place[k]].last = b->token[k];
    return PT_OK;
}

pt_status pt_gen_choose_beams(pt_gen *g, int count)
{
    pt_gen_beams *b = g->beams;
    const int64_t vocab = g->m->cfg.vocab;
    PT_RETURN(g->m->ctx->ops->download(g->m->ctx, b->logits, pt_trim(g->m->dec.logits, count)));
    for (int k = 0; k < count; k++) b->row[k] = b->logits + b->place[k] * vocab;
    g->n = count;
    PT_RETURN(pt_beam_step(b->beam, b->row, b->parent, b->token, &b->over));
    return b->over ? PT_OK : move_keys(g, b);
}

static pt_status one_prompt(pt_gen *g, const pt_beam_options *o, pt_gen_result *result)
{
    pt_status rc = PT_OK;
    pt_gen_beams b = {0};
    int entered = 0;
    PT_TRY(beams_new(&b, g, o));
    g->beams = &b;
    PT_TRY(pt_gen_begin(g, 1, g->prompts[0].n));
    for (int i = 0; i < o->beams; i++) g->seqs[i] = (pt_gen_seq){.request = (size_t)i};
    PT_TRY(pt_gen_forest(g, 0, o->beams, &entered));
    PT_CHECK(entered == o->beams, PT_EARG, "beam search: %d beams behind a prompt of %zu tokens are more than the planned cache holds", o->beams, g->prompts[0].n);
    while (!b.over) PT_TRY(pt_gen_step(g));
    PT_TRY(pt_beam_best(b.beam, &result->ids, &result->score, &result->stopped));
done:
    beams_free(&b);
    pt_gen_end(g, 1);
    return rc;
}

pt_status pt_generate_beams(pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *opt, const pt_beam_options *o, pt_gen_result *results)
{
    pt_status rc = PT_OK;
    pt_ids *same = NULL; /* a beam's prompt */
    pt_gen_options plain = *opt;
    plain.constraints = NULL;
    PT_TRY(pt_gen_check(m, prompts, n, opt));
    for (size_t i = 0; opt->constraints && i < n; i++) PT_CHECK(!opt->constraints[i], PT_EARG, "beam search of prompt %zu: constraints do not go with it", i);
    PT_CHECK(!opt->near && !opt->logp && opt->sampler.temperature == 0, PT_EARG, "beam search takes the likeliest answers: it draws nothing and counts no near ties");
    PT_CHECK(o->beams <= m->caps.decode_rows, PT_EARG, "%d beams, but the model is planned for %d sequences", o->beams, m->caps.decode_rows);
    PT_TRY(pt_alloc0(&same, o->beams));
    for (size_t i = 0; i < n && opt->max_new_tokens > 0; i++) {
        for (int k = 0; k < o->beams; k++) same[k] = prompts[i];
        pt_gen g = {.m = m, .prompts = same, .opt = &plain};
        PT_TRY(one_prompt(&g, o, &results[i]));
    }
done:
    free(same);
    return rc;
}

int32_t pt_beam_cells(size_t longest, int beams, int max_new_tokens)
{
    const int64_t cells = (int64_t)longest + (int64_t)beams * (max_new_tokens + 1);
    return cells > INT32_MAX ? 0 : (int32_t)cells;
}
