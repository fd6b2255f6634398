/* Sequences in the cache: prompts enter as a forest or behind what is there, then each step adds a token to every one of them. */
#include <stdlib.h>
#include <string.h>

#include "train/generate/generate_impl.h"

/* ---- a forest of prompts ------------------------------------------------------------------------------------------------------- */

/* What goes where while the forest runs. */
typedef struct plan {
    const pt_batch *b;
    int32_t *users, *at;  /* [segments] sequences whose path goes through; cache row, -1: none */
    int32_t *path;        /* [segments] of one sequence, from the root on */
    int32_t *tokens;      /* [longest path] */
    pt_view *index;       /* [segments + sequences] runs */
    int32_t *run_at, *run_n;
    int runs;
    int64_t listed; /* entries of the index table so far */
} plan;

static void plan_free(plan *p)
{
    free(p->users);
    free(p->at);
    free(p->path);
    free(p->tokens);
    free(p->index);
    free(p->run_at);
    free(p->run_n);
}

static pt_status plan_new(plan *p, const pt_batch *b, int count)
{
    *p = (plan){.b = b};
    PT_RETURN(pt_alloc0(&p->users, b->n_segs));
    PT_RETURN(pt_alloc0(&p->at, b->n_segs));
    PT_RETURN(pt_alloc0(&p->path, b->n_segs));
    PT_RETURN(pt_alloc0(&p->tokens, b->n_tokens));
    PT_RETURN(pt_alloc0(&p->index, b->n_segs + count));
    PT_RETURN(pt_alloc0(&p->run_at, b->n_segs + count));
    PT_RETURN(pt_alloc0(&p->run_n, b->n_segs + count));
    for (int32_t s = 0; s < b->n_segs; s++) p->at[s] = -1;
    return PT_OK;
}

/* The segments from the root to the one of token `end`; returns how many. */
static int32_t path_to(plan *p, int32_t end)
{
    const pt_batch *b = p->b;
    int32_t n = 0, seg = 0;
    while (seg + 1 < b->n_segs && b->seg_start[seg + 1] <= end) seg++;
    for (int32_t s = seg; s >= 0; s = b->seg_parent[s]) n++;
    for (int32_t i = n - 1, s = seg; i >= 0; i--, s = b->seg_parent[s]) p->path[i] = s;
    return n;
}

/* n tokens go into the rows from `at` on: those listed, or without a list the ones from `first` on. */
static pt_status add_run(pt_gen *g, plan *p, int32_t at, int32_t n, const int32_t *tokens, int32_t first)
{
    const pt_view v = g->m->dec.index;
    if (n == 0) return PT_OK;
    if (p->listed + n > v.cols) return pt_fail(PT_EINTERNAL, "prompts of more than the %lld positions of the cache", (long long)v.cols);
    for (int32_t i = 0; i < n; i++) g->index[p->listed + i] = tokens ? tokens[i] : first + i;
    p->index[p->runs] = pt_view_cols(v, p->listed, n);
    p->index[p->runs].ld = n;
    p->run_at[p->runs] = at;
    p->run_n[p->runs++] = n;
    p->listed += n;
    return PT_OK;
}

/* The leading segments that others go through too become spans, each stored once; the rest of the path and the room behind it are the sequence's own. */
static pt_status place_one(pt_gen *g, plan *p, pt_gen_seq *s, int32_t end, bool *fits)
{
    const pt_batch *b = p->b;
    const int32_t depth = path_to(p, end), n = (int32_t)g->prompts[s->request].n;
    int32_t held = 0, shared = 0;
    for (int32_t i = 0; i < depth; i++)
        for (int32_t t = b->seg_start[p->path[i]]; t < b->seg_start[p->path[i] + 1] && t <= end && held < n; t++) p->tokens[held++] = t;
    if (held != n || p->tokens[n - 1] != end) return pt_fail(PT_EINTERNAL, "a prompt of %d tokens has a path of %d", n, held);
    *fits = true;
    for (int32_t k = 0; k < depth && k < PT_DECODE_SPANS - 1 && p->users[p->path[k]] > 1; k++) {
        const int32_t seg = p->path[k], whole = b->seg_start[seg + 1] - b->seg_start[seg], most = n - shared < whole ? n - shared : whole;
        if (p->at[seg] >= 0) pt_gen_share(g, s, &(pt_gen_seq){.n_spans = 1, .span = {{p->at[seg], most}}}, most);
        else {
            PT_RETURN(pt_gen_own(g, s, whole, fits));
            if (!*fits) return PT_OK;
            p->at[seg] = s->span[s->n_spans - 1].at;
            s->span[s->n_spans - 1].n = most;
            PT_RETURN(add_run(g, p, p->at[seg], whole, NULL, b->seg_start[seg]));
        }
        shared += most;
    }
    PT_RETURN(pt_gen_own(g, s, n - shared + g->room, fits));
    s->len = n;
    return *fits ? add_run(g, p, s->span[s->n_spans - 1].at, n - shared, p->tokens + shared, 0) : PT_OK;
}

/* Rows of the cache for all of them, or for none. */
static pt_status place(pt_gen *g, plan *p, int first, int count, bool *fits)
{
    const pt_batch *b = p->b;
    pt_status rc = PT_OK;
    *fits = true;
    for (int i = 0; i < count; i++) {
        PT_CHECK(b->group_end_head[i] >= 0, PT_EINTERNAL, "a prompt without an end position");
        for (int32_t d = path_to(p, b->head_token[b->group_end_head[i]]); d > 0;) p->users[p->path[--d]]++;
    }
    for (int i = 0; *fits && i < count; i++) PT_TRY(place_one(g, p, &g->seqs[first + i], b->head_token[b->group_end_head[i]], fits));
done:
    for (int i = 0; (rc != PT_OK || !*fits) && i < count; i++) pt_gen_release(g, &g->seqs[first + i]);
    return rc;
}

pt_status pt_gen_clear(pt_gen *g, int64_t at, int64_t n)
{
    const pt_ops *ops = g->m->ctx->ops;
    for (int l = 0; n && l < g->m->cfg.layers; l++) {
        PT_RETURN(ops->zero(g->m->ctx, pt_view_rows(g->m->dec.k[l], at, n)));
        PT_RETURN(ops->zero(g->m->ctx, pt_view_rows(g->m->dec.v[l], at, n)));
    }
    return PT_OK;
}

/* Runs the forest and leaves the logits of the sequences' last tokens in the first `count` rows. */
static pt_status run_forest(pt_gen *g, const plan *p, int first, int count)
{
    pt_model *m = g->m;
    pt_prefill fill = {p->runs, p->run_at, p->run_n, p->index};
    for (int i = first; i < first + count; i++) {
        const pt_gen_seq *s = &g->seqs[i];
        const pt_gen_span own = s->span[s->n_spans - 1];
        PT_RETURN(pt_gen_clear(g, own.at + own.n - g->room, g->room));
    }
    PT_RETURN(pt_model_load_batch(m, p->b, 0, false));
    PT_RETURN(m->ctx->ops->upload(m->ctx, pt_view_reshape(m->dec.index, 1, p->listed), g->index));
    m->prefill = &fill;
    pt_status rc = pt_model_forward(m, g->opt->slot, false);
    m->prefill = NULL;
    PT_RETURN(rc);
    pt_view at = pt_trim_vec(m->dec.lens, count), rows = pt_view_reshape(m->tab.hidden_at_heads, count, m->tab.normed_at_heads.cols);
    PT_RETURN(m->ctx->ops->upload(m->ctx, at, p->b->group_end_head)); /* equal prompts share a head position */
    PT_RETURN(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = rows, .x = pt_trim(m->tab.normed_at_heads, p->b->n_heads), .index = at}));
    return pt_decode_logits(m, count, rows);
}

static pt_status build(const pt_gen *g, int first, int count, pt_batch *b)
{
    pt_seq *seqs;
    PT_RETURN(pt_alloc0(&seqs, count));
    for (int i = 0; i < count; i++) {
        const pt_ids *p = &g->prompts[g->seqs[first + i].request];
        seqs[i] = (pt_seq){.ids = p->ids, .weight = g->zeros, .n = (int32_t)p->n, .slot = 0, .end_index = (int32_t)p->n - 1};
    }
    pt_status rc = pt_batch_build(b, seqs, (size_t)count, PT_PACKING_FOREST);
    free(seqs);
    return rc;
}

pt_status pt_gen_forest(pt_gen *g, int first, int count, int *entered)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    plan p = {0};
    bool fits = false;
    *entered = 0;
    for (; count > 0; count /= 2) {
        plan_free(&p);
        p = (plan){0};
        pt_batch_free(&b);
        b = (pt_batch){0};
        PT_TRY(build(g, first, count, &b));
        if (count > 1 && (b.n_tokens > g->m->caps.tokens || b.n_segs > g->m->caps.segs)) continue;
        PT_TRY(plan_new(&p, &b, count));
        PT_TRY(place(g, &p, first, count, &fits));
        if (fits) break;
    }
    if (count == 0) goto done;
    PT_TRY(run_forest(g, &p, first, count));
    *entered = count;
    PT_TRY(pt_gen_choose(g, first, count));
done:
    plan_free(&p);
    pt_batch_free(&b);
    return rc;
}

/* ---- tokens behind the cache --------------------------------------------------------------------------------------------------- */

static pt_status upload_vec(pt_gen *g, pt_view table, int n)
{
    return g->m->ctx->ops->upload(g->m->ctx, pt_view_reshape(table, 1, n), g->i32);
}

/* The tables of g->rows[0..n), and the pass over them. */
static pt_status load_rows(pt_gen *g, int n, pt_lora_run *one, pt_pass *p)
{
    pt_model *m = g->m;
    m->loaded.there = m->loaded.forwarded = false; /* the tables are about to hold decoding state */
    for (int i = 0; i < n; i++) g->i32[i] = g->rows[i].token;
    PT_RETURN(upload_vec(g, m->tab.tokens, n));
    for (int i = 0; i < n; i++) g->i32[i] = g->rows[i].position;
    PT_RETURN(upload_vec(g, m->tab.positions, n));
    for (int i = 0; i < n; i++) g->i32[i] = pt_gen_cell(g->rows[i].seq, g->rows[i].position);
    PT_RETURN(upload_vec(g, m->dec.index, n));
    for (int i = 0; i < n; i++) g->i32[i] = g->rows[i].position + 1;
    PT_RETURN(upload_vec(g, m->dec.lens, n));
    for (int i = 0; i < n; i++) pt_gen_runs(g->rows[i].seq, g->rows[i].position + 1, g->runs + 2 * PT_DECODE_SPANS * i);
    PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim(m->dec.spans, n), g->runs));
    m->loaded.n_live = n;
    return pt_pass_make(m, g->opt->slot, false, one, p);
}

int32_t pt_gen_held(const pt_gen *g, int n_seqs, const pt_ids *p, const pt_gen_seq **by)
{
    int32_t best = 0;
    for (int i = 0; i <= n_seqs; i++) {
        const pt_gen_seq *s = i < n_seqs ? &g->seqs[i] : &g->past;
        if (!s->n_spans) continue;
        const size_t same = pt_gen_same(&g->prompts[s->request], p), most = p->n - 1;
        const int32_t held = pt_gen_within(s, (int32_t)(same < most ? same : most), PT_DECODE_SPANS - 1);
        if (held <= best) continue;
        best = held;
        *by = s;
    }
    return best;
}

pt_status pt_gen_feed(pt_gen *g, int first, int count)
{
    const int chunk = pt_decode_chunk(g->m);
    int n = 0, heads = 0, chosen = first;
    pt_lora_run one;
    pt_pass p;
    int32_t *at; /* rows that end a prompt */
    pt_status rc = PT_OK;
    PT_RETURN(pt_alloc0(&at, chunk));
    for (int i = first; i < first + count; i++) {
        pt_gen_seq *s = &g->seqs[i];
        const pt_ids *prompt = &g->prompts[s->request];
        while (s->len < (int32_t)prompt->n) {
            g->rows[n++] = (pt_gen_row){s, prompt->ids[s->len], s->len};
            if (++s->len == (int32_t)prompt->n) at[heads++] = n - 1;
            if (n < chunk && !(i == first + count - 1 && s->len == (int32_t)prompt->n)) continue;
            PT_TRY(load_rows(g, n, &one, &p));
            PT_TRY(pt_decode_tokens(g->m, n, heads, at, &p));
            if (heads) PT_TRY(pt_gen_choose(g, chosen, heads));
            chosen += heads;
            n = heads = 0;
        }
    }
done:
    free(at);
    return rc;
}

pt_status pt_gen_behind(pt_gen *g, int first, int count, int *entered)
{
    bool fits = true;
    int n = 0;
    for (; n < count; n++) {
        pt_gen_seq *s = &g->seqs[first + n];
        const pt_ids *p = &g->prompts[s->request];
        const pt_gen_seq *by = NULL;
        const int32_t held = pt_gen_held(g, first + n, p, &by), rest = (int32_t)p->n - held + g->room;
        pt_gen_share(g, s, by, held);
        PT_RETURN(pt_gen_own(g, s, rest, &fits));
        if (!fits) {
            pt_gen_release(g, s);
            break;
        }
        s->len = held;
        PT_RETURN(pt_gen_clear(g, s->span[s->n_spans - 1].at, rest));
    }
    *entered = n;
    return pt_gen_feed(g, first, n);
}

/* ---- steps --------------------------------------------------------------------------------------------------------------------- */

void pt_gen_drop_done(pt_gen *g)
{
    for (int i = 0; i < g->n;) {
        if (!g->seqs[i].done) {
            i++;
            continue;
        }
        pt_gen_retire(g, &g->seqs[i]);
        g->seqs[i] = g->seqs[--g->n];
    }
}

pt_status pt_gen_step(pt_gen *g)
{
    pt_lora_run one;
    pt_pass p;
    for (int i = 0; i < g->n; i++) g->rows[i] = (pt_gen_row){&g->seqs[i], g->seqs[i].last, g->seqs[i].len};
    PT_RETURN(load_rows(g, g->n, &one, &p));
    for (int i = 0; i < g->n; i++) g->seqs[i].len++;
    PT_RETURN(pt_decode_step(g->m, g->n, &p));
    return pt_gen_choose(g, 0, g->n);
}
