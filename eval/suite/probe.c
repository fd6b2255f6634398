#include "eval/suite/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/generate/generate.h"

typedef struct collector {
    pt_probe *p;
    const pt_tokenizer *tok;
    const pt_template *tmpl;
    size_t most; /* tokens up to the end of the present set */
    pt_probe_most all;
    pt_rendered r;
    pt_message *m;
    size_t m_cap;
} collector;

void pt_probe_free(pt_probe *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->seqs[i].ids.ids);
        free(p->seqs[i].weight);
    }
    free(p->seqs);
    *p = (pt_probe){0};
}

/* Takes c->r, cut, as the next sequence. */
static pt_status take(collector *c)
{
    pt_probe *p = c->p;
    pt_rendered *r = &c->r;
    PT_RETURN(pt_reserve(&p->seqs, &p->cap, p->n + 1));
    pt_probe_seq *s = &p->seqs[p->n];
    *s = (pt_probe_seq){.ids = r->ids, .weight = r->weight};
    r->ids = (pt_ids){0};
    r->weight = NULL;
    r->weight_cap = 0;
    if (s->ids.n > c->all.cut) s->ids.n = c->all.cut;
    p->n++;
    p->tokens += s->ids.n;
    if (s->ids.n > p->longest) p->longest = s->ids.n;
    return PT_OK;
}

static float turn_weight(const pt_record *rec, size_t i, const pt_turn *t)
{
    if (i < rec->n_prompt) return 0;
    return t->has_weight ? t->weight : pt_speaker_is(t->speaker, PT_ASSISTANT);
}

static pt_status render_chat(collector *c, const pt_record *rec, int side)
{
    const pt_turns *t = &rec->answers[side].turns;
    if (!c->tmpl) return pt_fail(PT_EFORMAT, "no chat template");
    PT_RETURN(pt_reserve(&c->m, &c->m_cap, t->n));
    for (size_t i = 0; i < t->n; i++) c->m[i] = pt_turn_message(&t->turns[i], turn_weight(rec, i, &t->turns[i]));
    if (t->n) c->m[0].tools = rec->tools;
    size_t n = t->n;
    pt_status rc = pt_template_render(c->tmpl, c->m, n, false, &c->r);
    if (rc == PT_OK || !c->r.rewrites) return rc;
    while (n > 1 && !(c->m[n - 1].weight > 0)) n--; /* earlier answers are written otherwise: the last one is looked at */
    for (size_t i = 0; i + 1 < n; i++) c->m[i].weight = 0;
    pt_rendered_clear(&c->r);
    return pt_template_render(c->tmpl, c->m, n, false, &c->r);
}

static pt_status render_plain(collector *c, const pt_record *rec, int side)
{
    pt_rendered *r = &c->r;
    const pt_ids *ids = &rec->answers[side].ids;
    if (rec->kind == PT_RECORD_TEXT && !c->tok) return pt_fail(PT_EFORMAT, "no tokenizer");
    if (rec->kind == PT_RECORD_TEXT)
        PT_RETURN(pt_tok_encode(c->tok, rec->answers[side].text, rec->answers[side].bytes, true, true, &r->ids));
    else
        for (size_t i = 0; i < ids->n; i++) PT_RETURN(pt_ids_add(&r->ids, ids->ids[i]));
    PT_RETURN(pt_reserve(&r->weight, &r->weight_cap, r->ids.n + 1));
    for (size_t i = 0; i < r->ids.n; i++) r->weight[i] = rec->kind == PT_RECORD_TEXT ? 1 : rec->answers[side].label[i];
    return PT_OK;
}

/* PT_ESTOP: enough. A row that cannot be rendered is left out. */
static pt_status keep(void *user, const pt_record *rec, int64_t line)
{
    collector *c = user;
    pt_probe *p = c->p;
    size_t first = p->n;
    (void)line;
    for (int side = 0; side < (p->pairs ? 2 : 1) && (size_t)side < rec->n_answers; side++) {
        pt_rendered_clear(&c->r);
        pt_status rc = rec->kind == PT_RECORD_CHAT ? render_chat(c, rec, side) : render_plain(c, rec, side);
        if (rc == PT_ENOMEM) return rc;
        if (rc == PT_OK && c->r.ids.n > 1) PT_RETURN(take(c));
    }
    if (p->pairs && p->n == first + 1) { /* half a pair is none */
        free(p->seqs[first].ids.ids);
        free(p->seqs[first].weight);
        p->n = first;
    }
    p->rows += p->n > first;
    return p->tokens >= c->most || p->rows >= c->all.rows ? PT_ESTOP : PT_OK;
}

static bool file_set(const pt_dataset_spec *d)
{
    return d->path && pt_file_exists(d->path);
}

pt_status pt_probe_read(pt_probe *p, const pt_dataset_spec *sets, size_t n_sets, bool pairs, const pt_tokenizer *tok, const pt_template *tmpl,
                        pt_probe_most most)
{
    pt_status rc = PT_OK;
    size_t there = 0;
    collector c = {.p = p, .tok = tok, .tmpl = tmpl, .all = most};
    *p = (pt_probe){.pairs = pairs};
    for (size_t i = 0; i < n_sets; i++) there += file_set(&sets[i]);
    for (size_t i = 0, done = 0; i < n_sets; i++) {
        if (!file_set(&sets[i])) continue;
        c.most = most.tokens * ++done / there;
        pt_reader r = {.spec = &sets[i], .pairs = pairs, .passed_over = true, .sink = keep, .user = &c};
        rc = p->rows < most.rows && p->tokens < c.most ? pt_reader_run(&r) : PT_OK;
        pt_reader_free(&r);
        if (rc == PT_ENOMEM) goto done;
        if (rc != PT_OK) pt_err_clear(); /* enough, or a file that changed since */
        rc = PT_OK;
    }
done:
    pt_rendered_free(&c.r);
    free(c.m);
    if (rc != PT_OK) pt_probe_free(p);
    return rc;
}

pt_status pt_probe_add(pt_probe *p, const int32_t *ids, size_t n, const float *weight)
{
    pt_status rc = PT_OK;
    pt_probe_seq s = {0};
    PT_TRY(pt_reserve(&p->seqs, &p->cap, p->n + 1));
    PT_TRY(pt_reserve(&s.ids.ids, &s.ids.cap, n + 1));
    PT_TRY(pt_calloc(&s.weight, n + 1, sizeof *s.weight));
    memcpy(s.ids.ids, ids, n * sizeof *ids);
    for (size_t i = 0; i < n; i++) s.weight[i] = weight ? weight[i] : 1;
    s.ids.n = n;
    p->seqs[p->n++] = s;
    p->tokens += n;
    if (n > p->longest) p->longest = n;
    s = (pt_probe_seq){0};
done:
    free(s.ids.ids);
    free(s.weight);
    return rc;
}

pt_status pt_probe_measure(const pt_probe *p, pt_model *m, int slot, const pt_probe_sums *out)
{
    pt_status rc = PT_OK;
    float *logp = NULL;
    PT_TRY(pt_alloc0(&logp, p->longest));
    for (size_t i = 0; i < p->n; i++) {
        const pt_probe_seq *s = &p->seqs[i];
        out->sum[i] = out->all[i] = 0;
        PT_TRY(pt_model_token_logps(m, s->ids.ids, (int32_t)s->ids.n, slot, logp));
        for (size_t k = 1; k < s->ids.n; k++) {
            if (s->weight[k] > 0) out->sum[i] += (double)s->weight[k] * (double)logp[k - 1];
            out->all[i] += (double)logp[k - 1];
        }
    }
done:
    free(logp);
    return rc;
}

double pt_probe_loss(const pt_probe *p, const pt_probe_sums *s, const pt_probe_sums *base, int objective, const pt_core_step *step)
{
    double loss = 0, weights = 0, one;
    for (size_t i = 0; !p->pairs && i < p->n; i++) {
        loss -= s->sum[i];
        for (size_t k = 1; k < p->seqs[i].ids.n; k++) weights += (double)p->seqs[i].weight[k];
    }
    for (size_t i = 0; p->pairs && i + 1 < p->n; i += 2, weights++) {
        pt_core_answer a[2];
        for (size_t k = 0; k < 2; k++) {
            a[k] = (pt_core_answer){.logp = s->sum[i + k], .reference = base->sum[i + k]};
            for (size_t t = 1; t < p->seqs[i + k].ids.n; t++) a[k].tokens += (double)p->seqs[i + k].weight[t];
        }
        if (pt_record_loss(objective, step, a, 2, &one, NULL) == PT_OK) loss += one;
    }
    return weights > 0 ? loss / weights : NAN;
}

double pt_probe_nll(const pt_probe *p, const pt_probe_sums *s)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < p->n; i++) {
        sum -= s->all[i];
        n += (double)(p->seqs[i].ids.n - 1);
    }
    return n > 0 ? sum / n : NAN;
}
