/* Constraints opened, and the states of texts. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"

void pt_con_constraint_free(pt_constraint *c)
{
    pt_con_mask_drop_all(c);
    c->v->cache.bytes -= c->counted;
    pt_con_auto_free(&c->a);
    pt_con_graph_free(&c->g);
    free(c->key);
    free(c);
}

/* The texts of a spec as one: equal ones make equal constraints. */
static pt_status key_of(const pt_constraint_spec *s, pt_str *key)
{
    PT_RETURN(pt_str_add(key, "", 0));
    if (s->kind != PT_CONSTRAIN_CHOICES) return pt_str_add(key, s->text, s->bytes);
    if (s->n_choices > PT_CONSTRAINT_CHOICES_MOST)
        return pt_fail(PT_EARG, "%zu choices: at most %d are supported", s->n_choices, PT_CONSTRAINT_CHOICES_MOST);
    for (size_t i = 0; i < s->n_choices && key->len <= 2 * (size_t)PT_CONSTRAINT_TEXT; i++) PT_RETURN(pt_str_add(key, s->choices[i], strlen(s->choices[i]) + 1));
    return PT_OK;
}

static pt_constraint *find(pt_constraint_vocab *v, pt_constraint_kind kind, const pt_str *key)
{
    for (pt_constraint *c = v->all; c; c = c->next)
        if (c->kind == kind && c->key_bytes == key->len && memcmp(c->key, key->text, key->len) == 0) return c;
    return NULL;
}

static pt_status build(pt_constraint *c, const pt_constraint_spec *s)
{
    pt_con_graph *g = &c->g;
    if (s->kind == PT_CONSTRAIN_CHOICES) {
        PT_RETURN(pt_con_choices_build(g, s->choices, s->n_choices));
    } else if (s->kind == PT_CONSTRAIN_REGEX) {
        pt_con_regex r;
        PT_RETURN(pt_con_regex_parse(&r, s->text, s->bytes));
        g->start = pt_con_regex_build(g, &r, false, false, PT_CON_END);
        pt_con_regex_free(&r);
    } else {
        PT_RETURN(pt_con_schema_build(g, s->text, s->bytes));
    }
    return pt_con_needs(g, c->v->has);
}

/* The present call may make a place's states; older ones go where they take half of the room. */
pt_status pt_con_prepare(pt_constraint *c)
{
    size_t half = c->v->cache.limit / 2;
    c->used = ++c->v->clock;
    c->a.work = 0;
    c->a.most_bytes = half + ((size_t)64 << 20);
    if (c->a.n < 2 || pt_con_auto_bytes(&c->a) <= half) return PT_OK;
    pt_con_mask_drop_all(c);
    pt_con_auto a = c->a, fresh;
    PT_RETURN(pt_con_auto_make(&fresh, &c->g, c->v->lead, c->a.most_bytes));
    fresh.generation += a.generation;
    pt_con_auto_free(&a);
    c->a = fresh;
    c->v->cache.resets++;
    pt_con_cache_settle(c->v, c, NULL);
    return PT_OK;
}

/* Bits of the first token are there: what no token can begin is refused at once. */
static pt_status check_begins(pt_constraint *c)
{
    const uint64_t *bits;
    PT_RETURN(pt_con_mask_of(c, c->a.start, &bits));
    for (size_t i = 0; i < c->v->words; i++)
        if (bits[i]) return PT_OK;
    return pt_fail(PT_EARG, "no token of the vocabulary can begin a text that satisfies the constraint");
}

pt_status pt_constraint_open(pt_constraint_vocab *v, const pt_constraint_spec *s, pt_constraint **out)
{
    static const char *const names[] = {[PT_CONSTRAIN_SCHEMA] = "JSON schema", [PT_CONSTRAIN_REGEX] = "regular expression", [PT_CONSTRAIN_CHOICES] = "choices"};
    pt_str key = {0};
    pt_constraint *c = NULL;
    pt_status rc = PT_OK;
    *out = NULL;
    PT_TRY(key_of(s, &key));
    c = find(v, s->kind, &key);
    if (c) {
        c->refs++;
        c->used = ++v->clock;
        *out = c;
        c = NULL;
        goto done;
    }
    PT_TRY(pt_alloc0(&c, 1));
    c->v = v;
    c->kind = s->kind;
    c->key = key.text;
    c->key_bytes = key.len;
    key = (pt_str){0};
    PT_TRY(build(c, s));
    PT_TRY(pt_con_auto_make(&c->a, &c->g, v->lead, v->cache.limit / 2 + ((size_t)64 << 20)));
    c->refs = 1;
    c->used = ++v->clock;
    PT_TRY(check_begins(c));
    c->next = v->all;
    v->all = c;
    *out = c;
    c = NULL;
done:
    if (rc == PT_ENOSUP) rc = PT_EARG; /* past the limits: another constraint is needed */
    if (rc == PT_EARG) pt_fail_prefix(rc, "%s", names[s->kind]);
    if (c) pt_con_constraint_free(c);
    pt_str_free(&key);
    return rc;
}

void pt_constraint_close(pt_constraint *c)
{
    if (!c) return;
    c->refs--;
    pt_con_cache_settle(c->v, c, NULL);
}

pt_status pt_constraint_begin(pt_constraint *c, pt_constraint_state *s)
{
    s->c = c;
    s->ids.n = 0;
    s->ended = false;
    s->at = c->a.start;
    s->generation = c->a.generation;
    return PT_OK;
}

pt_status pt_constraint_copy(const pt_constraint_state *s, pt_constraint_state *to)
{
    PT_RETURN(pt_reserve(&to->ids.ids, &to->ids.cap, s->ids.n));
    if (s->ids.n) memcpy(to->ids.ids, s->ids.ids, s->ids.n * sizeof *s->ids.ids);
    to->ids.n = s->ids.n;
    to->c = s->c;
    to->at = s->at;
    to->generation = s->generation;
    to->ended = s->ended;
    return PT_OK;
}

void pt_constraint_state_free(pt_constraint_state *s)
{
    free(s->ids.ids);
    *s = (pt_constraint_state){0};
}

/* Where a token leads; PT_CON_DEAD where it is not allowed. */
static pt_status walk(pt_constraint *c, int32_t from, int32_t id, int32_t *to)
{
    const pt_constraint_vocab *v = c->v;
    *to = id >= 0 && id < v->rows && v->at[id + 1] > v->at[id] ? from : PT_CON_DEAD;
    for (uint32_t i = *to == PT_CON_DEAD ? 0 : v->at[id]; *to != PT_CON_DEAD && i < v->at[id + 1]; i++)
        PT_RETURN(pt_con_auto_step(&c->a, *to, (unsigned char)v->bytes[i], to));
    return PT_OK;
}

/* The state's place in the automaton as it is now. */
static pt_status place(pt_constraint_state *s)
{
    PT_RETURN(pt_con_prepare(s->c));
    if (s->generation == s->c->a.generation) return PT_OK;
    int32_t at = s->c->a.start;
    for (size_t i = 0; i < s->ids.n; i++) {
        PT_RETURN(walk(s->c, at, s->ids.ids[i], &at));
        s->c->a.work = 0;
    }
    s->at = at;
    s->generation = s->c->a.generation;
    return PT_OK;
}

pt_status pt_constraint_mask(pt_constraint_state *s, const uint64_t **bits)
{
    if (s->ended) return pt_fail(PT_ESTATE, "a constrained text that has ended");
    PT_RETURN(place(s));
    PT_RETURN(pt_con_mask_of(s->c, s->at, bits));
    for (size_t i = 0; i < s->c->v->words; i++)
        if ((*bits)[i]) return PT_OK;
    return pt_fail(PT_ENOSUP, "no token of the vocabulary can go on with the constrained text after %zu tokens: it lacks single bytes", s->ids.n);
}

pt_status pt_constraint_advance(pt_constraint_state *s, int32_t id)
{
    const pt_constraint_vocab *v = s->c->v;
    int32_t to;
    if (s->ended) return pt_fail(PT_ESTATE, "a constrained text that has ended");
    PT_RETURN(place(s));
    if (id >= 0 && id < v->rows && v->ends[id / 64] >> (id % 64) & 1) {
        if (!s->c->a.state[s->at].accept) return pt_fail(PT_EARG, "the end token %d where the constrained text is not complete", id);
        s->ended = true;
        return PT_OK;
    }
    PT_RETURN(walk(s->c, s->at, id, &to));
    if (to == PT_CON_DEAD) return pt_fail(PT_EARG, "token %d is not allowed by the constraint after %zu tokens", id, s->ids.n);
    PT_RETURN(pt_ids_add(&s->ids, id));
    s->at = to;
    return PT_OK;
}

pt_status pt_constraint_complete(pt_constraint_state *s, bool *complete, bool *closed)
{
    PT_RETURN(place(s));
    const pt_con_state *a = &s->c->a.state[s->at];
    *complete = a->accept;
    if (closed) *closed = !a->more;
    return PT_OK;
}

pt_status pt_constraint_accepts(pt_constraint *c, const char *text, size_t n, bool *whole, bool *begins)
{
    PT_RETURN(pt_con_prepare(c));
    int32_t at = c->a.start;
    for (unsigned i = 0; i < c->v->lead; i++) PT_RETURN(pt_con_auto_step(&c->a, at, ' ', &at));
    for (size_t i = 0; i < n && at != PT_CON_DEAD; i++) {
        PT_RETURN(pt_con_auto_step(&c->a, at, (unsigned char)text[i], &at));
        if (i % 4096 == 0) c->a.work = 0;
    }
    *whole = at != PT_CON_DEAD && c->a.state[at].accept;
    if (begins) *begins = at != PT_CON_DEAD;
    return PT_OK;
}
