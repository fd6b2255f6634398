/* Building of graphs, backwards. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"
#include "data/text/tok_utf8.h"

void pt_con_graph_free(pt_con_graph *g)
{
    for (size_t i = 0; i < g->n_kept; i++) free(g->kept[i].set.span);
    free(g->chain);
    free(g->kept);
    free(g->rule);
    free(g->need);
    free(g->first);
    free(g->edge);
    *g = (pt_con_graph){0};
}

size_t pt_con_graph_bytes(const pt_con_graph *g)
{
    return g->cap_edges * sizeof *g->edge + g->cap * sizeof *g->first + g->cap_need + g->cap_chain * sizeof *g->chain + g->cap_rules * sizeof *g->rule + g->cap_kept * sizeof *g->kept;
}

void pt_con_fail(pt_con_graph *g, pt_status rc)
{
    if (g->status == PT_OK) g->status = rc;
}

uint32_t pt_con_node(pt_con_graph *g)
{
    if (g->status != PT_OK) return PT_CON_END;
    size_t n = g->n ? g->n + 1 : 2; /* the first one stands behind PT_CON_END */
    if (n > PT_CONSTRAINT_NODES) {
        pt_con_fail(g, pt_fail(PT_EARG, "the constraint is too large: more than %d nodes; smaller counts or fewer values are needed", PT_CONSTRAINT_NODES));
        return PT_CON_END;
    }
    pt_con_fail(g, pt_reserve(&g->first, &g->cap, n));
    if (g->status != PT_OK) return PT_CON_END;
    g->first[n - 1] = 0;
    if (!g->n) g->first[PT_CON_END] = 0;
    g->n = n;
    return (uint32_t)n - 1;
}

static void add_edge(pt_con_graph *g, uint32_t from, pt_con_edge e)
{
    if (g->status != PT_OK) return;
    if (g->n_edges >= 4 * (size_t)PT_CONSTRAINT_NODES) {
        pt_con_fail(g, pt_fail(PT_EARG, "the constraint is too large: more than %d edges", 4 * PT_CONSTRAINT_NODES));
        return;
    }
    pt_con_fail(g, pt_reserve(&g->edge, &g->cap_edges, g->n_edges + 1));
    if (g->status != PT_OK) return;
    e.next = g->first[from];
    g->edge[g->n_edges++] = e;
    g->first[from] = (uint32_t)g->n_edges;
}

void pt_con_byte(pt_con_graph *g, uint32_t from, unsigned lo, unsigned hi, uint32_t to)
{
    add_edge(g, from, (pt_con_edge){.kind = PT_CON_BYTE, .lo = (uint8_t)lo, .hi = (uint8_t)hi, .to = to});
}

void pt_con_none(pt_con_graph *g, uint32_t from, uint32_t to)
{
    add_edge(g, from, (pt_con_edge){.kind = PT_CON_NONE, .to = to});
}

void pt_con_call(pt_con_graph *g, uint32_t from, uint32_t rule, uint32_t to)
{
    add_edge(g, from, (pt_con_edge){.kind = PT_CON_CALL, .to = to, .rule = rule});
}

uint32_t pt_con_rule_new(pt_con_graph *g, bool deep)
{
    if (g->status != PT_OK) return 0;
    pt_con_fail(g, pt_reserve(&g->rule, &g->cap_rules, g->n_rules + 1));
    if (g->status != PT_OK) return 0;
    g->rule[g->n_rules] = (pt_con_rule){PT_CON_END, deep};
    return (uint32_t)g->n_rules++;
}

uint32_t pt_con_text(pt_con_graph *g, const char *s, size_t n, uint32_t next)
{
    while (n) {
        uint32_t from = pt_con_node(g);
        unsigned char b = (unsigned char)s[--n];
        pt_con_byte(g, from, b, b, next);
        next = from;
    }
    return next;
}

uint32_t pt_con_either(pt_con_graph *g, uint32_t a, uint32_t b)
{
    uint32_t from = pt_con_node(g);
    pt_con_none(g, from, b);
    pt_con_none(g, from, a);
    return from;
}

/* A chain's nodes behind its first byte, shared between code points of one set: {lo, hi} -> to. */
typedef struct tails {
    struct tail {
        uint32_t node, to;
        uint8_t lo, hi;
    } *all;
    size_t n, cap;
} tails;

static uint32_t tail(pt_con_graph *g, tails *t, unsigned lo, unsigned hi, uint32_t to)
{
    for (size_t i = t->n; i-- > 0 && t->n - i < 64;) /* neighbours in the order of code points */
        if (t->all[i].lo == lo && t->all[i].hi == hi && t->all[i].to == to) return t->all[i].node;
    uint32_t node = pt_con_node(g);
    pt_con_byte(g, node, lo, hi, to);
    pt_con_fail(g, pt_reserve(&t->all, &t->cap, t->n + 1));
    if (g->status == PT_OK) t->all[t->n++] = (struct tail){node, to, (uint8_t)lo, (uint8_t)hi};
    return node;
}

/* Code points lo..hi as UTF-8, from a node to another: cut until the bytes behind the first one that differ run over all of theirs. */
static void span(pt_con_graph *g, tails *t, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    static const uint32_t last[] = {0x7F, 0x7FF, 0xFFFF};
    for (int i = 0; i < 3; i++)
        if (lo <= last[i] && hi > last[i]) {
            span(g, t, from, lo, last[i], to);
            span(g, t, from, last[i] + 1, hi, to);
            return;
        }
    if (hi >= 0x80)
        for (int k = 1; k < 4; k++) {
            uint32_t m = (1u << 6 * k) - 1;
            if ((lo & ~m) == (hi & ~m)) break;
            if (lo & m) {
                span(g, t, from, lo, lo | m, to);
                span(g, t, from, (lo | m) + 1, hi, to);
                return;
            }
            if ((hi & m) != m) {
                span(g, t, from, lo, (hi & ~m) - 1, to);
                span(g, t, from, hi & ~m, hi, to);
                return;
            }
        }
    char a[4], b[4];
    size_t n = pt_utf8_put(a, lo);
    pt_utf8_put(b, hi);
    for (size_t i = n - 1; i > 0; i--) to = tail(g, t, (unsigned char)a[i], (unsigned char)b[i], to);
    pt_con_byte(g, from, (unsigned char)a[0], (unsigned char)b[0], to);
}

static bool escaped(uint32_t c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* The escape of one code point in a JSON string. */
static void escape(pt_con_graph *g, uint32_t from, uint32_t c, uint32_t to)
{
    static const char from_c[] = "\b\f\n\r\t\"\\", to_c[] = "bfnrt\"\\", hex[] = "0123456789abcdef";
    const char *hit = c ? strchr(from_c, (int)c) : NULL;
    char s[] = "\\u0000";
    if (hit) s[1] = to_c[hit - from_c];
    s[4] = hex[c >> 4 & 1];
    s[5] = hex[c & 15];
    pt_con_none(g, from, pt_con_text(g, s, hit ? 2 : 6, to));
}

static bool plain(const pt_con_set *s, bool json)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->span[i].hi >= 0x80) return false;
        for (uint32_t c = s->span[i].lo; json && c <= s->span[i].hi; c++)
            if (escaped(c)) return false;
    }
    return true;
}

static uint32_t set_rule(pt_con_graph *g, const pt_con_set *s, bool json)
{
    for (size_t i = 0; i < g->n_kept; i++) {
        const pt_con_kept *k = &g->kept[i];
        if (k->json == json && k->set.n == s->n && memcmp(k->set.span, s->span, s->n * sizeof *s->span) == 0) return k->rule;
    }
    uint32_t rule = pt_con_rule_new(g, false), from = pt_con_node(g);
    tails t = {0};
    pt_con_set copy = {0};
    for (size_t i = 0; i < s->n && g->status == PT_OK; i++) {
        uint32_t lo = s->span[i].lo, hi = s->span[i].hi;
        if (!json || lo > '\\') {
            span(g, &t, from, lo, hi, PT_CON_END);
            continue;
        }
        for (; lo <= hi && lo <= '\\'; lo++) {
            if (escaped(lo))
                escape(g, from, lo, PT_CON_END);
            else
                pt_con_byte(g, from, lo, lo, PT_CON_END);
        }
        if (lo <= hi) span(g, &t, from, lo, hi, PT_CON_END);
    }
    free(t.all);
    pt_con_fail(g, pt_con_set_join(&copy, s));
    pt_con_fail(g, pt_reserve(&g->kept, &g->cap_kept, g->n_kept + 1));
    if (g->status != PT_OK) {
        free(copy.span);
        return 0;
    }
    g->rule[rule].start = from;
    g->kept[g->n_kept++] = (pt_con_kept){copy, json, rule};
    return rule;
}

uint32_t pt_con_one(pt_con_graph *g, const pt_con_set *s, bool json, uint32_t next)
{
    uint32_t from = pt_con_node(g);
    if (plain(s, json))
        for (size_t i = 0; i < s->n; i++) pt_con_byte(g, from, s->span[i].lo, s->span[i].hi, next);
    else
        pt_con_call(g, from, set_rule(g, s, json), next);
    return from;
}

/* Hexadecimal digits of \uXXXX: n of them, any. */
static uint32_t hex_digits(pt_con_graph *g, int n, uint32_t to)
{
    while (n-- > 0) {
        uint32_t from = pt_con_node(g);
        pt_con_byte(g, from, '0', '9', to);
        pt_con_byte(g, from, 'A', 'F', to);
        pt_con_byte(g, from, 'a', 'f', to);
        to = from;
    }
    return to;
}

uint32_t pt_con_jchar(pt_con_graph *g)
{
    if (g->jchar || g->status != PT_OK) return g->jchar ? g->jchar - 1 : 0;
    pt_con_set s = {0};
    pt_con_fail(g, pt_con_set_add(&s, ' ', '!'));
    pt_con_fail(g, pt_con_set_add(&s, '#', '['));
    pt_con_fail(g, pt_con_set_add(&s, ']', PT_CON_LAST));
    pt_con_fail(g, pt_con_set_tidy(&s));
    uint32_t rule = pt_con_rule_new(g, false), from = pt_con_one(g, &s, false, PT_CON_END), back = pt_con_node(g);
    free(s.span);
    pt_con_byte(g, from, '\\', '\\', back);
    for (const char *c = "\"\\/bfnrt"; *c; c++) pt_con_byte(g, back, (unsigned)*c, (unsigned)*c, PT_CON_END);
    /* \u and a code point that is no surrogate, or two of them that make one */
    uint32_t u = pt_con_node(g), high = pt_con_node(g), low = pt_con_node(g), second = pt_con_node(g);
    uint32_t three = hex_digits(g, 3, PT_CON_END), two = hex_digits(g, 2, PT_CON_END);
    pt_con_byte(g, second, 'D', 'D', low);
    pt_con_byte(g, second, 'd', 'd', low);
    pt_con_byte(g, low, 'C', 'F', two);
    pt_con_byte(g, low, 'c', 'f', two);
    uint32_t paired = hex_digits(g, 2, pt_con_text(g, "\\u", 2, second));
    pt_con_byte(g, high, '0', '7', two);
    pt_con_byte(g, high, '8', '9', paired);
    pt_con_byte(g, high, 'A', 'B', paired);
    pt_con_byte(g, high, 'a', 'b', paired);
    pt_con_byte(g, back, 'u', 'u', u);
    pt_con_byte(g, u, '0', '9', three);
    static const char other[] = "ABCEFabcef";
    for (size_t i = 0; i + 1 < sizeof other; i++) pt_con_byte(g, u, (unsigned)other[i], (unsigned)other[i], three);
    pt_con_byte(g, u, 'D', 'D', high);
    pt_con_byte(g, u, 'd', 'd', high);
    if (g->status != PT_OK) return 0;
    g->rule[rule].start = from;
    g->jchar = rule + 1;
    return rule;
}

/* Of n + 1 nodes of a chain, node[i] behind i pieces. Where pieces still must come, the first one stands for all: a token too short to reach the last of
 * them tells nothing apart. Where they only may, the first of those that may. */
static void link_chain(pt_con_graph *g, const uint32_t *node, uint32_t n, uint32_t min)
{
    pt_con_fail(g, pt_reserve(&g->chain, &g->cap_chain, g->n));
    for (uint32_t i = 1; i < n && g->status == PT_OK; i++)
        if (i != min) g->chain[node[i]] = i < min ? (pt_con_chain){node[0], min - i} : (pt_con_chain){node[min], n - i};
}

uint32_t pt_con_times(pt_con_graph *g, uint32_t rule, uint32_t min, uint32_t max, uint32_t next)
{
    uint32_t at = next, n = max == PT_CON_MANY ? min : max, *node = NULL;
    pt_con_fail(g, pt_alloc0(&node, n + 1));
    if (max == PT_CON_MANY) {
        at = pt_con_node(g);
        pt_con_call(g, at, rule, at);
        pt_con_none(g, at, next);
    }
    for (uint32_t i = n; i-- > 0 && g->status == PT_OK;) {
        uint32_t from = pt_con_node(g);
        pt_con_call(g, from, rule, at);
        if (i >= min) pt_con_none(g, from, next);
        at = node[i] = from;
    }
    if (g->status == PT_OK && n) link_chain(g, node, n, min);
    free(node);
    return at;
}

/* The least that an edge takes to end, from what is known now. count[b]: bytes below b that some token has. */
static unsigned edge_need(const pt_con_graph *g, const pt_con_edge *e, const unsigned *count)
{
    unsigned to = g->need[e->to], in = 0;
    if (e->kind == PT_CON_BYTE && count[e->hi + 1] == count[e->lo]) return 255;
    if (e->kind == PT_CON_CALL) {
        const pt_con_rule *r = &g->rule[e->rule];
        in = g->need[r->start] == 255 ? 255 : g->need[r->start] + r->deep;
    }
    return to > in ? to : in;
}

pt_status pt_con_needs(pt_con_graph *g, const bool *has)
{
    unsigned count[257] = {0};
    PT_RETURN(g->status);
    PT_RETURN(pt_reserve(&g->need, &g->cap_need, g->n));
    memset(g->need, 255, g->n);
    g->need[PT_CON_END] = 0;
    for (int b = 0; b < 256; b++) count[b + 1] = count[b] + (!has || has[b]);
    bool moved = true;
    for (bool up = true; moved; up = !up) { /* what a node needs lies mostly before it, but for loops and rules */
        moved = false;
        for (size_t k = 0; k < g->n; k++) {
            size_t i = up ? k : g->n - 1 - k;
            for (uint32_t e = g->first[i]; e; e = g->edge[e - 1].next) {
                unsigned need = edge_need(g, &g->edge[e - 1], count);
                if (need < g->need[i] && need <= PT_CONSTRAINT_DEPTH) {
                    g->need[i] = (uint8_t)need;
                    moved = true;
                }
            }
        }
    }
    return PT_OK;
}
