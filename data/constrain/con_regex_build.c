/* Regular expressions as graphs. */
#include <stdlib.h>

#include "data/constrain/con_priv.h"

typedef struct maker {
    pt_con_graph *g;
    const pt_con_regex *r;
    bool json, flat; /* flat: repetitions are written out, so that every edge but an empty one is one character */
} maker;

static const pt_con_part *at(const pt_con_regex *r, uint32_t i)
{
    return &r->part[i - 1];
}

static uint32_t plus(uint32_t a, uint32_t b)
{
    return a > PT_CON_MANY - b ? PT_CON_MANY : a + b;
}
static uint32_t times(uint32_t a, uint32_t b)
{
    return !a || !b ? 0 : a > PT_CON_MANY / b ? PT_CON_MANY : a * b;
}

static void length(const pt_con_regex *r, uint32_t i, uint32_t *min, uint32_t *max)
{
    const pt_con_part *p = at(r, i);
    uint32_t lo, hi;
    *min = *max = p->kind == PT_CON_SET;
    if (p->kind == PT_CON_REPEAT) {
        length(r, p->child, &lo, &hi);
        *min = times(lo, p->min);
        *max = times(hi, p->max);
    }
    if (p->kind != PT_CON_CAT && p->kind != PT_CON_ALT) return;
    for (uint32_t c = p->child; c; c = at(r, c)->next) {
        length(r, c, &lo, &hi);
        bool first = c == p->child;
        if (p->kind == PT_CON_CAT) {
            *min = plus(*min, lo);
            *max = plus(*max, hi);
        } else {
            *min = first || lo < *min ? lo : *min;
            *max = first || hi > *max ? hi : *max;
        }
    }
}

static uint32_t build(const maker *m, uint32_t i, uint32_t next);

/* Children first..last of a sequence, from the last one back. */
static uint32_t build_list(const maker *m, uint32_t first, uint32_t behind, uint32_t next)
{
    uint32_t *list = NULL;
    size_t n = 0, cap = 0;
    for (uint32_t c = first; c && c != behind; c = at(m->r, c)->next) {
        pt_con_fail(m->g, pt_reserve(&list, &cap, n + 1));
        if (m->g->status != PT_OK) break;
        list[n++] = c;
    }
    while (n && m->g->status == PT_OK) next = build(m, list[--n], next);
    free(list);
    return next;
}

/* A repetition of repetitions as one, where every count between is reached: (x{a,b}){c,d} = x{ac,bd} for a <= 1. Else each way to share a count among the inner
 * ones would be a reading of its own. */
static pt_con_part joined(const pt_con_regex *r, const pt_con_part *outermost)
{
    enum { MOST = 10 * PT_CONSTRAINT_REPEAT };
    pt_con_part p = *outermost;
    for (;;) {
        const pt_con_part *c = at(r, p.child);
        while ((c->kind == PT_CON_ALT || c->kind == PT_CON_CAT) && c->child && !at(r, c->child)->next) c = at(r, c->child);
        uint32_t min = times(c->min, p.min), max = times(c->max, p.max);
        if (c->kind != PT_CON_REPEAT || c->min > 1 || !c->max || (max > MOST && max != PT_CON_MANY)) return p;
        p.child = c->child;
        p.min = min;
        p.max = max;
    }
}

/* The child's copies one behind the other. */
static uint32_t build_flat(const maker *m, const pt_con_part *p, uint32_t next)
{
    pt_con_graph *g = m->g;
    uint32_t at = next, n = p->max == PT_CON_MANY ? p->min : p->max;
    if (p->max == PT_CON_MANY) {
        at = pt_con_node(g);
        pt_con_none(g, at, next);
        pt_con_none(g, at, build(m, p->child, at));
    }
    for (uint32_t i = n; i-- > 0 && g->status == PT_OK;) {
        at = build(m, p->child, at);
        if (i >= p->min) at = pt_con_either(g, at, next);
    }
    return at;
}

static uint32_t build_repeat(const maker *m, const pt_con_part *stated, uint32_t next)
{
    pt_con_graph *g = m->g;
    pt_con_part one = joined(m->r, stated), *p = &one;
    if (p->max == PT_CON_MANY && p->min <= 1) {
        uint32_t loop = pt_con_node(g), body = build(m, p->child, loop);
        pt_con_none(g, loop, next);
        pt_con_none(g, loop, body);
        return p->min ? body : loop;
    }
    uint32_t least, most;
    length(m->r, p->child, &least, &most);
    if (p->max == 0 || most == 0) return next;
    if (p->max == 1) {
        uint32_t body = build(m, p->child, next);
        return p->min ? body : pt_con_either(g, body, next);
    }
    if (m->flat) return build_flat(m, p, next);
    uint32_t rule = pt_con_rule_new(g, false), start = build(m, p->child, PT_CON_END);
    if (g->status != PT_OK) return PT_CON_END;
    g->rule[rule].start = start;
    return pt_con_times(g, rule, p->min, p->max, next);
}

static uint32_t build(const maker *m, uint32_t i, uint32_t next)
{
    const pt_con_part *p = at(m->r, i);
    pt_con_graph *g = m->g;
    if (g->status != PT_OK) return PT_CON_END;
    switch (p->kind) {
    case PT_CON_EMPTY: return next;
    case PT_CON_SET: return pt_con_one(g, &m->r->set[p->set], m->json, next);
    case PT_CON_CAT: return build_list(m, p->child, 0, next);
    case PT_CON_REPEAT: return build_repeat(m, p, next);
    case PT_CON_ALT: {
        if (!at(m->r, p->child)->next) return build(m, p->child, next);
        uint32_t from = pt_con_node(g);
        for (uint32_t c = p->child; c; c = at(m->r, c)->next) pt_con_none(g, from, build(m, c, next));
        return from;
    }
    default:
        pt_con_fail(g, pt_fail(PT_EARG, "an anchor inside of it: ^ is supported at the start of it (or of one of its alternatives), $ at the end"));
        return PT_CON_END;
    }
}

/* The alternatives that anchors are looked for in: a group around everything is none. */
static uint32_t outer(const pt_con_regex *r)
{
    uint32_t i = r->root;
    for (;;) {
        uint32_t cat = at(r, i)->child, only = cat && !at(r, cat)->next ? at(r, cat)->child : 0;
        if (!only || at(r, only)->next || at(r, only)->kind != PT_CON_ALT) return i;
        i = only;
    }
}

/* Any characters, then next. */
static uint32_t anything(const maker *m, uint32_t next)
{
    pt_con_graph *g = m->g;
    pt_con_set all = {0};
    uint32_t loop = pt_con_node(g);
    pt_con_fail(g, pt_con_set_add(&all, 0, PT_CON_LAST));
    pt_con_fail(g, pt_con_set_tidy(&all));
    pt_con_none(g, loop, next);
    pt_con_none(g, loop, pt_con_one(g, &all, m->json, loop));
    free(all.span);
    return loop;
}

/* Of a sequence: the children between its anchors, and which it has. */
static void anchors(const pt_con_regex *r, uint32_t cat, uint32_t *first, uint32_t *behind, bool *begin, bool *finish)
{
    uint32_t c = at(r, cat)->child, tail = 0;
    *begin = *finish = false;
    for (; c && at(r, c)->kind == PT_CON_BEGIN; c = at(r, c)->next) *begin = true;
    *first = c;
    for (; c; c = at(r, c)->next) {
        if (at(r, c)->kind != PT_CON_FINISH)
            tail = 0;
        else if (!tail)
            tail = c;
    }
    *behind = tail;
    *finish = tail != 0;
}

static uint32_t whole(const maker *m, bool search, uint32_t next)
{
    pt_con_graph *g = m->g;
    const pt_con_regex *r = m->r;
    uint32_t from = pt_con_node(g);
    for (uint32_t cat = at(r, outer(r))->child; cat && g->status == PT_OK; cat = at(r, cat)->next) {
        uint32_t first, behind;
        bool begin, finish;
        anchors(r, cat, &first, &behind, &begin, &finish);
        uint32_t end = search && !finish ? anything(m, next) : next;
        uint32_t body = first == behind ? end : build_list(m, first, behind, end);
        pt_con_none(g, from, search && !begin ? anything(m, body) : body);
    }
    return from;
}

uint32_t pt_con_regex_build(pt_con_graph *g, const pt_con_regex *r, bool search, bool json, uint32_t next)
{
    return whole(&(maker){.g = g, .r = r, .json = json}, search, next);
}

/* Nodes of a graph, once for each number of characters before them. */
typedef struct layers {
    pt_con_graph *g;
    uint32_t *node; /* [nodes][last + 1]; 0: not yet */
    uint32_t *todo; /* (node - first) * (last + 1) + layer */
    size_t nodes, n_todo, cap_todo;
    uint32_t first, last;
} layers;

static uint32_t layer_node(layers *l, uint32_t node, uint32_t layer)
{
    size_t at = (size_t)(node - l->first) * (l->last + 1) + layer;
    if (l->g->status != PT_OK) return PT_CON_END;
    if (!l->node[at]) {
        l->node[at] = pt_con_node(l->g);
        pt_con_fail(l->g, pt_reserve(&l->todo, &l->cap_todo, l->n_todo + 1));
        if (l->g->status == PT_OK) l->todo[l->n_todo++] = (uint32_t)at;
    }
    return l->node[at];
}

uint32_t pt_con_regex_counted(pt_con_graph *g, const pt_con_regex *r, bool search, bool json, uint32_t min, uint32_t max, uint32_t next)
{
    uint32_t stop = pt_con_node(g), start = whole(&(maker){.g = g, .r = r, .json = json, .flat = true}, search, stop), from = PT_CON_END;
    layers l = {.g = g, .first = stop, .nodes = g->n - stop, .last = max == PT_CON_MANY ? min : max};
    if (g->status == PT_OK && l.nodes * (l.last + 1) > 16 * (size_t)PT_CONSTRAINT_NODES)
        pt_con_fail(g, pt_fail(PT_EARG, "the expression and its counts are too large for a least or largest length beside it: write the count into the expression"));
    if (g->status == PT_OK) pt_con_fail(g, pt_alloc0(&l.node, l.nodes * (l.last + 1)));
    from = layer_node(&l, start, 0);
    while (l.n_todo && g->status == PT_OK) {
        uint32_t at = l.todo[--l.n_todo], node = stop + at / (l.last + 1), layer = at % (l.last + 1), here = l.node[at];
        bool more = layer < l.last || max == PT_CON_MANY;
        if (node == stop && layer >= min) pt_con_none(g, here, next);
        for (uint32_t e = g->first[node]; e; e = g->edge[e - 1].next) {
            pt_con_edge edge = g->edge[e - 1]; /* the list moves as edges are added */
            if (edge.kind == PT_CON_NONE) pt_con_none(g, here, layer_node(&l, edge.to, layer));
            if (edge.kind == PT_CON_NONE || !more) continue;
            uint32_t to = layer_node(&l, edge.to, layer < l.last ? layer + 1 : layer);
            if (edge.kind == PT_CON_BYTE) pt_con_byte(g, here, edge.lo, edge.hi, to);
            if (edge.kind == PT_CON_CALL) pt_con_call(g, here, edge.rule, to);
        }
    }
    free(l.todo);
    free(l.node);
    return from;
}

void pt_con_regex_length(const pt_con_regex *r, uint32_t *min, uint32_t *max, bool search)
{
    length(r, r->root, min, max);
    if (!search) return;
    for (uint32_t cat = at(r, outer(r))->child; cat; cat = at(r, cat)->next) {
        uint32_t first, behind;
        bool begin, finish;
        anchors(r, cat, &first, &behind, &begin, &finish);
        if (!begin || !finish) *max = PT_CON_MANY;
    }
}
