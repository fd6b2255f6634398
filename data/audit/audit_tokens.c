/* What the tokens of a pack show: how sequences begin, whether answers' ends are learnt, what was cut; and what the pack left out. */
#include <stdlib.h>
#include <string.h>

#include "data/audit/audit_priv.h"

static bool is_stop(const pt_pack_options *o, int32_t id)
{
    size_t n = 0;
    const int32_t *stops = o->tmpl ? pt_template_stops(o->tmpl, &n) : o->tok ? pt_tok_stops(o->tok, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        if (stops[i] == id) return true;
    return false;
}

static bool learnt(const pt_packed_answer *x, int32_t i)
{
    return pt_weight_at(x->weight, (size_t)i) > 0;
}

/* Whether the text before an end token is learnt and that token is not: the token behind *at. */
static bool end_is_context(const pt_pack_options *o, const pt_packed_answer *x, int32_t *at)
{
    for (int32_t i = 1; i < x->n; i++) {
        if (!learnt(x, i - 1) || learnt(x, i) || is_stop(o, x->ids[i - 1]) || !is_stop(o, x->ids[i])) continue;
        *at = i - 1;
        return true;
    }
    return false;
}

/* What stands behind the last token that is learnt is not in a pack: an answer that ends without an end token has none that counts. */
static bool ends_open(const pt_pack_options *o, const pt_packed_answer *x)
{
    bool asked = false;
    for (int32_t i = 1; i < x->n; i++) asked = asked || !learnt(x, i);
    return asked && x->n > 1 && learnt(x, x->n - 1) && !is_stop(o, x->ids[x->n - 1]);
}

typedef struct scan {
    pt_audit *a;
    const pt_audit_side *side;
} scan;

/* The last tokens up to `at`, as text. */
static void show_tokens(const scan *s, const pt_packed_answer *x, int32_t at, char out[PT_AUDIT_EXCERPT])
{
    pt_str text = {0};
    int32_t from = at > 12 ? at - 12 : 0;
    out[0] = 0;
    if (s->a->options->tok && pt_tok_decode(s->a->options->tok, x->ids + from, (size_t)(at - from + 1), false, &text) == PT_OK)
        pt_audit_excerpt(out, text.text ? text.text : "", text.len, text.len);
    pt_str_free(&text);
}

static void look_at_answer(const scan *s, const pt_packed *r, int32_t k, bool first[PT_FOUND_KINDS])
{
    const pt_pack_options *o = s->a->options;
    pt_packed_answer x = pt_pack_answer(s->side->pack, r, k);
    const pt_data_type *type = pt_data_type_find(s->side->sets[pt_pack_set(s->side->pack, r->source)].type);
    bool ends = type && (!type->plain || type->ids) && !type->judged && !o->train_on_inputs && !o->pretrain && o->tok;
    int32_t bos = o->tok ? pt_tok_bos(o->tok) : -1, at = x.n - 1;
    bool was[PT_FOUND_KINDS] = {0};
    if (x.n >= 2 && bos >= 0) was[PT_FOUND_DOUBLE_BOS] = x.ids[0] == bos && x.ids[1] == bos;
    if (x.n >= 1 && bos >= 0 && type && type->ids && pt_tok_add_bos(o->tok)) was[PT_FOUND_MISSING_BOS] = x.ids[0] != bos;
    bool open = ends && ends_open(o, &x);
    was[PT_FOUND_CUT_ANSWER] = open && x.n >= o->sequence_len;
    was[PT_FOUND_END_NOT_TRAINED] = (open && x.n < o->sequence_len) || (ends && end_is_context(o, &x, &at));
    for (int f = 0; f < PT_FOUND_KINDS; f++) {
        char text[PT_AUDIT_EXCERPT];
        if (!was[f] || first[f]) continue;
        first[f] = true;
        show_tokens(s, &x, f == PT_FOUND_CUT_ANSWER || f == PT_FOUND_END_NOT_TRAINED ? at : x.n < 8 ? x.n - 1 : 7, text);
        pt_audit_put(s->a, (pt_audit_found)f, pt_pack_source(s->side->pack, r->source), r->line, text, NULL);
    }
}

pt_status pt_audit_tokens(pt_audit *a, const pt_audit_side *side)
{
    scan s = {.a = a, .side = side};
    for (int64_t i = 0; i < pt_pack_count(side->pack); i++) {
        pt_packed r;
        bool first[PT_FOUND_KINDS] = {0};
        PT_RETURN(pt_pack_get(side->pack, i, &r));
        for (int32_t k = 0; k < r.n_answers; k++) look_at_answer(&s, &r, k, first);
    }
    return PT_OK;
}

/* ---- lengths and roles ---- */

static int ascending(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void take_quantiles(int32_t *v, size_t n, long long out[PT_AUDIT_QUANTILES])
{
    static const double at[PT_AUDIT_QUANTILES] = {0, 0.1, 0.5, 0.9, 0.99, 1};
    qsort(v, n, sizeof *v, ascending);
    for (int q = 0; q < PT_AUDIT_QUANTILES; q++) out[q] = n ? v[(size_t)(at[q] * (double)(n - 1) + 0.5)] : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct pt_audit_role *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static pt_status count_role(pt_audit *a, const pt_pack *p, int32_t role)
{
    for (size_t k = a->n_roles; k <= (size_t)role; k++) {
        PT_RETURN(pt_reserve(&a->roles, &a->roles_cap, k + 1));
        a->roles[k].n = 0;
        PT_RETURN(pt_strdup(&a->roles[k].name, pt_pack_role(p, (int32_t)k)));
        a->n_roles = k + 1;
    }
    a->roles[role].n++;
    return PT_OK;
}

pt_status pt_audit_measure(pt_audit *a, const pt_audit_side *side)
{
    pt_status rc = PT_OK;
    int32_t *prompt = NULL, *answer = NULL;
    int64_t n = pt_pack_count(side->pack);
    PT_TRY(pt_alloc0(&prompt, n));
    PT_TRY(pt_alloc0(&answer, n));
    for (int64_t i = 0; i < n; i++) {
        pt_packed r;
        PT_TRY(pt_pack_get(side->pack, i, &r));
        pt_packed_answer x = pt_pack_answer(side->pack, &r, 0);
        while (prompt[i] < x.n && !learnt(&x, prompt[i])) prompt[i]++;
        for (int32_t t = prompt[i]; t < x.n; t++) answer[i] += learnt(&x, t);
        a->validation += r.validation;
        if (r.role >= 0) PT_TRY(count_role(a, side->pack, r.role));
    }
    a->records = n;
    take_quantiles(prompt, (size_t)n, a->lengths.prompt);
    take_quantiles(answer, (size_t)n, a->lengths.answer);
    if (a->n_roles) qsort(a->roles, a->n_roles, sizeof *a->roles, by_name);
done:
    free(answer);
    free(prompt);
    return rc;
}

/* ---- what was left out ---- */

/* The pack's own words for what is not a fault of the rows, or is told elsewhere. */
static pt_audit_found kind_of_drop(const char *reason)
{
    static const struct {
        const char *text;
        pt_audit_found kind;
    } known[] = {{PT_DROP_UNSUPERVISED, PT_FOUND_UNSUPERVISED}, {PT_DROP_CUT_UNSUPERVISED, PT_FOUND_TOO_LONG}, {PT_DROP_LONG, PT_FOUND_TOO_LONG},
                 {PT_DROP_SHORT, PT_FOUND_KINDS}, {PT_DROP_AGAIN, PT_FOUND_KINDS}, {PT_DROP_WEIGHTLESS, PT_FOUND_KINDS}, {PT_DROP_EQUAL_PAIR, PT_FOUND_KINDS}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].text, reason)) return known[i].kind;
    return PT_FOUND_UNUSABLE;
}

static void put_counted(pt_audit *a, pt_audit_found k, long long n, const char *where, const char *text)
{
    pt_audit_finding *f = &a->found[k];
    f->n += n;
    if (f->n_places == PT_AUDIT_PLACES) return;
    pt_audit_place *p = &f->place[f->n_places++];
    *p = (pt_audit_place){.file = NULL};
    pt_text_fit(p->like, sizeof p->like, where);
    pt_text_fit(p->text, sizeof p->text, text);
}

void pt_audit_drops(pt_audit *a, const pt_audit_side *side)
{
    const pt_pack_report *r = side->report;
    for (int d = 0; d < r->n_dropped; d++) {
        pt_audit_found k = kind_of_drop(r->dropped[d].reason);
        if (k != PT_FOUND_KINDS) put_counted(a, k, r->dropped[d].n, r->dropped[d].where, r->dropped[d].reason);
    }
    if (r->turns_cut) put_counted(a, PT_FOUND_CUT_TURNS, r->turns_cut, r->turns_cut_where, "");
}
