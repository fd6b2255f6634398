/* The automaton of a graph, made state by state as texts reach them. A state is the set of places (node, stack) that a text may have led to. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"

enum { MOST_PLACES = 4096 };
static const size_t MOST_WORK = (size_t)8 << 20; /* places looked at in one call: a part of a second */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

void pt_con_auto_free(pt_con_auto *a)
{
    free(a->seen_slot);
    free(a->seen);
    free(a->todo);
    free(a->frame_slot);
    free(a->state_slot);
    free(a->frame);
    free(a->next);
    free(a->place);
    free(a->state);
    *a = (pt_con_auto){0};
}

size_t pt_con_auto_bytes(const pt_con_auto *a)
{
    return a->cap * sizeof *a->state + a->cap_places * sizeof *a->place + a->cap_next * sizeof *a->next + a->cap_frames * sizeof *a->frame +
           (a->state_mask + a->frame_mask + 2) * sizeof(uint32_t) + (a->cap_todo + a->cap_seen) * sizeof(pt_con_place) +
           a->cap_seen_slot * sizeof(uint32_t);
}

/* A table of twice as many slots; hash_of gives the hash of entry i. */
static pt_status more_slots(uint32_t **slot, size_t *mask, size_t n, const pt_con_auto *a, uint64_t (*hash_of)(const pt_con_auto *, size_t))
{
    size_t want = *slot ? (*mask + 1) * 2 : 256;
    uint32_t *fresh;
    if (*slot && 2 * n < *mask) return PT_OK;
    PT_RETURN(pt_alloc0(&fresh, want));
    for (size_t i = 0; i < n; i++) {
        size_t k = hash_of(a, i) & (want - 1);
        while (fresh[k]) k = (k + 1) & (want - 1);
        fresh[k] = (uint32_t)i + 1;
    }
    free(*slot);
    *slot = fresh;
    *mask = want - 1;
    return PT_OK;
}

static uint64_t hash_frame(const pt_con_auto *a, size_t i)
{
    const pt_con_frame *f = &a->frame[i];
    return mix(mix(1, (uint64_t)f->back << 32 | f->under), f->depth);
}

static uint64_t hash_places(const pt_con_place *p, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = mix(h, (uint64_t)p[i].node << 32 | p[i].stack);
    return h;
}
static uint64_t hash_state(const pt_con_auto *a, size_t i)
{
    return hash_places(a->place + a->state[i].first, a->state[i].n);
}

/* The stack of a frame on another one. */
static pt_status stack_of(pt_con_auto *a, pt_con_frame f, uint32_t *out)
{
    PT_RETURN(more_slots(&a->frame_slot, &a->frame_mask, a->n_frames, a, hash_frame));
    PT_RETURN(pt_reserve(&a->frame, &a->cap_frames, a->n_frames + 1));
    a->frame[a->n_frames] = f;
    size_t k = hash_frame(a, a->n_frames) & a->frame_mask;
    for (; a->frame_slot[k]; k = (k + 1) & a->frame_mask) {
        const pt_con_frame *g = &a->frame[a->frame_slot[k] - 1];
        if (g->back == f.back && g->under == f.under && g->depth == f.depth) {
            *out = a->frame_slot[k]; /* frame i is stack i + 1 */
            return PT_OK;
        }
    }
    a->frame_slot[k] = (uint32_t)++a->n_frames;
    *out = (uint32_t)a->n_frames;
    return PT_OK;
}

static uint32_t depth_of(const pt_con_auto *a, uint32_t stack)
{
    return stack ? a->frame[stack - 1].depth : 0;
}

/* A place that is looked at once, where the text can still be finished within the depth. */
static pt_status visit(pt_con_auto *a, uint32_t node, uint32_t stack)
{
    if (a->g->need[node] + depth_of(a, stack) > PT_CONSTRAINT_DEPTH) return PT_OK;
    if (2 * a->n_seen >= a->cap_seen_slot) {
        size_t want = a->cap_seen_slot ? 2 * a->cap_seen_slot : 64;
        free(a->seen_slot);
        a->cap_seen_slot = 0;
        PT_RETURN(pt_alloc0(&a->seen_slot, want));
        a->cap_seen_slot = want;
        for (size_t i = 0; i < a->n_seen; i++) {
            size_t k = hash_places(&a->seen[i], 1) & (want - 1);
            while (a->seen_slot[k]) k = (k + 1) & (want - 1);
            a->seen_slot[k] = (uint32_t)i + 1;
        }
    }
    pt_con_place p = {node, stack};
    size_t k = hash_places(&p, 1) & (a->cap_seen_slot - 1);
    for (; a->seen_slot[k]; k = (k + 1) & (a->cap_seen_slot - 1)) {
        const pt_con_place *q = &a->seen[a->seen_slot[k] - 1];
        if (q->node == node && q->stack == stack) return PT_OK;
    }
    if (++a->work > MOST_WORK || a->n_seen > 8 * MOST_PLACES)
        return pt_fail(PT_ENOSUP, "the constraint is too ambiguous: too many ways to read one text (repetitions inside of repetitions, alternatives that begin alike)");
    PT_RETURN(pt_reserve(&a->seen, &a->cap_seen, a->n_seen + 1));
    PT_RETURN(pt_reserve(&a->todo, &a->cap_todo, a->n_todo + 1));
    a->seen[a->n_seen++] = p;
    a->seen_slot[k] = (uint32_t)a->n_seen;
    a->todo[a->n_todo++] = p;
    return PT_OK;
}

static void closure_begin(pt_con_auto *a)
{
    if (a->cap_seen_slot > 1024 && a->n_seen < a->cap_seen_slot / 16) {
        for (size_t i = 0; i < a->n_seen; i++) { /* few of many: each by its own chain, which ends where nothing stands */
            size_t k = hash_places(&a->seen[i], 1) & (a->cap_seen_slot - 1);
            while (a->seen_slot[k]) a->seen_slot[k] = 0, k = (k + 1) & (a->cap_seen_slot - 1);
        }
    } else if (a->seen_slot) {
        memset(a->seen_slot, 0, a->cap_seen_slot * sizeof *a->seen_slot);
    }
    a->n_seen = a->n_todo = 0;
}

static pt_status call(pt_con_auto *a, const pt_con_edge *e, uint32_t stack)
{
    const pt_con_rule *r = &a->g->rule[e->rule];
    uint32_t depth = depth_of(a, stack), above;
    if (e->to == PT_CON_END && !r->deep) return visit(a, r->start, stack);
    if (a->g->need[e->to] + depth > PT_CONSTRAINT_DEPTH || a->g->need[r->start] + depth + r->deep > PT_CONSTRAINT_DEPTH) return PT_OK;
    PT_RETURN(stack_of(a, (pt_con_frame){e->to, stack, depth + r->deep}, &above));
    return visit(a, r->start, above);
}

/* Everything that is reached without a byte; places that read one, or where the text is complete, stay in a->seen[0..n_seen). */
static pt_status closure_end(pt_con_auto *a)
{
    size_t kept = 0;
    while (a->n_todo) {
        pt_con_place p = a->todo[--a->n_todo];
        if (p.node == PT_CON_END && p.stack) {
            pt_con_frame f = a->frame[p.stack - 1];
            PT_RETURN(visit(a, f.back, f.under));
        }
        for (uint32_t e = a->g->first[p.node]; e; e = a->g->edge[e - 1].next) {
            const pt_con_edge *edge = &a->g->edge[e - 1];
            if (edge->kind == PT_CON_NONE) PT_RETURN(visit(a, edge->to, p.stack));
            if (edge->kind == PT_CON_CALL) PT_RETURN(call(a, edge, p.stack));
        }
    }
    PT_RETURN(pt_reserve(&a->todo, &a->cap_todo, a->n_seen));
    for (size_t i = 0; i < a->n_seen; i++) {
        pt_con_place p = a->seen[i];
        bool reads = p.node == PT_CON_END && !p.stack;
        for (uint32_t e = a->g->first[p.node]; e && !reads; e = a->g->edge[e - 1].next) reads = a->g->edge[e - 1].kind == PT_CON_BYTE;
        if (reads) a->todo[kept++] = p;
    }
    a->n_todo = kept; /* the places of the state */
    return PT_OK;
}

static int by_place(const void *a, const void *b)
{
    const pt_con_place *x = a, *y = b;
    return x->node != y->node ? (x->node < y->node ? -1 : 1) : (x->stack > y->stack) - (x->stack < y->stack);
}

/* A state with these places, though there may be one. */
static pt_status add_state(pt_con_auto *a, const pt_con_place *p, size_t n, int32_t *out)
{
    PT_RETURN(pt_reserve(&a->state, &a->cap, a->n + 1));
    PT_RETURN(pt_reserve(&a->place, &a->cap_places, a->n_places + n));
    PT_RETURN(pt_reserve(&a->next, &a->cap_next, (a->n + 1) * a->classes));
    memcpy(a->place + a->n_places, p, n * sizeof *p);
    pt_con_state s = {.first = (uint32_t)a->n_places, .n = (uint32_t)n, .accept = n && p[0].node == PT_CON_END};
    s.more = n > s.accept;
    a->n_places += n;
    for (unsigned k = 0; k < a->classes; k++) a->next[a->n * a->classes + k] = PT_CON_UNKNOWN;
    a->state[a->n] = s;
    *out = (int32_t)a->n++;
    return PT_OK;
}

/* The state of the places that the closure left. */
static pt_status settle(pt_con_auto *a, int32_t *out)
{
    size_t n = a->n_todo;
    *out = PT_CON_DEAD;
    if (!n) return PT_OK;
    if (n > MOST_PLACES)
        return pt_fail(PT_ENOSUP, "the constraint is too ambiguous: more than %d ways to read one text (repetitions inside of repetitions, alternatives that begin alike)",
                       MOST_PLACES);
    qsort(a->todo, n, sizeof *a->todo, by_place);
    PT_RETURN(more_slots(&a->state_slot, &a->state_mask, a->n, a, hash_state));
    size_t k = hash_places(a->todo, n) & a->state_mask;
    for (; a->state_slot[k]; k = (k + 1) & a->state_mask) {
        const pt_con_state *s = &a->state[a->state_slot[k] - 1];
        if (s->n == n && memcmp(a->place + s->first, a->todo, n * sizeof *a->todo) == 0) {
            *out = (int32_t)a->state_slot[k] - 1;
            return PT_OK;
        }
    }
    PT_RETURN(add_state(a, a->todo, n, out));
    a->state_slot[k] = (uint32_t)a->n;
    a->n_todo = 0;
    return PT_OK;
}

/* Blanks that vanish at the start of a text: the states before it, each of which reads one and nothing else of the kind. */
static pt_status begin_states(pt_con_auto *a)
{
    for (unsigned i = 0; i < a->lead; i++) {
        pt_con_state s = a->state[a->start];
        int32_t before = a->start;
        pt_con_place *copy;
        PT_RETURN(pt_alloc0(&copy, s.n));
        memcpy(copy, a->place + s.first, s.n * sizeof *copy);
        pt_status rc = add_state(a, copy, s.n, &a->start);
        free(copy);
        PT_RETURN(rc);
        a->next[(size_t)a->start * a->classes + a->class_of[' ']] = before;
    }
    return PT_OK;
}

pt_status pt_con_auto_reset(pt_con_auto *a)
{
    a->n = a->n_places = a->n_frames = 0;
    a->work = 0;
    a->generation++;
    if (a->state_slot) memset(a->state_slot, 0, (a->state_mask + 1) * sizeof *a->state_slot);
    if (a->frame_slot) memset(a->frame_slot, 0, (a->frame_mask + 1) * sizeof *a->frame_slot);
    closure_begin(a);
    PT_RETURN(visit(a, a->g->start, 0));
    PT_RETURN(closure_end(a));
    PT_RETURN(settle(a, &a->start));
    if (a->start == PT_CON_DEAD) return pt_fail(PT_EARG, "no text can satisfy the constraint (with the bytes of the vocabulary's tokens, and %d references inside each other)", PT_CONSTRAINT_DEPTH);
    return begin_states(a);
}

/* A stack whose topmost frame with a base goes back to that; the stack itself where none has one. */
static pt_status base_stack(pt_con_auto *a, uint32_t stack, uint32_t *out, uint32_t *reach)
{
    pt_con_frame above[8];
    const pt_con_graph *g = a->g;
    uint32_t at = stack;
    int n = 0;
    *out = stack;
    for (; at && n < 8; at = a->frame[at - 1].under) {
        pt_con_frame f = a->frame[at - 1];
        if (f.back < g->cap_chain && g->chain[f.back].base) {
            if (g->chain[f.back].reach < *reach) *reach = g->chain[f.back].reach;
            PT_RETURN(stack_of(a, (pt_con_frame){g->chain[f.back].base, f.under, f.depth}, out));
            while (n-- > 0) PT_RETURN(stack_of(a, (pt_con_frame){above[n].back, *out, above[n].depth}, out));
            return PT_OK;
        }
        above[n++] = f;
    }
    return PT_OK;
}

enum { WORTH = 6 }; /* below so many bytes nearly all tokens would be looked at anyhow */

pt_status pt_con_auto_base(pt_con_auto *a, int32_t state, int32_t *base, uint32_t *reach)
{
    pt_con_state s = a->state[state];
    bool same = true;
    size_t k = 0;
    *base = state;
    *reach = UINT32_MAX;
    if (pt_con_auto_bytes(a) > a->most_bytes) return PT_OK;
    PT_RETURN(pt_reserve(&a->todo, &a->cap_todo, s.n));
    for (uint32_t i = 0; i < s.n; i++) {
        pt_con_place p = a->place[s.first + i];
        uint32_t stack;
        PT_RETURN(base_stack(a, p.stack, &stack, reach));
        same &= stack == p.stack;
        a->todo[i] = (pt_con_place){p.node, stack};
    }
    if (same || *reach < WORTH) return PT_OK;
    qsort(a->todo, s.n, sizeof *a->todo, by_place);
    for (uint32_t i = 0; i < s.n; i++)
        if (!k || by_place(&a->todo[k - 1], &a->todo[i]) != 0) a->todo[k++] = a->todo[i];
    a->n_todo = k;
    return settle(a, base);
}

/* Bytes that no edge tells apart are one class. */
static void classes(pt_con_auto *a)
{
    bool cut[257] = {false};
    cut[' '] = cut[' ' + 1] = true;
    for (size_t i = 0; i < a->g->n_edges; i++)
        if (a->g->edge[i].kind == PT_CON_BYTE) cut[a->g->edge[i].lo] = cut[a->g->edge[i].hi + 1] = true;
    a->classes = 1;
    for (unsigned b = 0; b < 256; b++) {
        if (cut[b] && b) a->byte_of[a->classes++] = (uint8_t)b;
        a->class_of[b] = (uint8_t)(a->classes - 1);
    }
}

pt_status pt_con_auto_make(pt_con_auto *a, const pt_con_graph *g, unsigned lead, size_t most_bytes)
{
    *a = (pt_con_auto){.g = g, .lead = lead, .most_bytes = most_bytes};
    classes(a);
    return pt_con_auto_reset(a);
}

pt_status pt_con_auto_step(pt_con_auto *a, int32_t state, unsigned char byte, int32_t *to)
{
    *to = pt_con_auto_known(a, state, byte);
    if (*to != PT_CON_UNKNOWN) return PT_OK;
    if (pt_con_auto_bytes(a) > a->most_bytes)
        return pt_fail(PT_ENOSUP, "the constraint's automaton grows past %zu MiB at one place of the text: a simpler one is needed", a->most_bytes >> 20);
    unsigned char b = a->byte_of[a->class_of[byte]];
    closure_begin(a);
    for (uint32_t i = 0; i < a->state[state].n; i++) {
        pt_con_place p = a->place[a->state[state].first + i];
        for (uint32_t e = a->g->first[p.node]; e; e = a->g->edge[e - 1].next) {
            const pt_con_edge *edge = &a->g->edge[e - 1];
            a->work++;
            if (edge->kind == PT_CON_BYTE && edge->lo <= b && b <= edge->hi) PT_RETURN(visit(a, edge->to, p.stack));
        }
    }
    PT_RETURN(closure_end(a));
    PT_RETURN(settle(a, to));
    a->next[(size_t)state * a->classes + a->class_of[byte]] = *to;
    return PT_OK;
}
