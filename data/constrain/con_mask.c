/* Masks of states, and the room that they and the automata share. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"

static void unlink_mask(pt_constraint_vocab *v, pt_con_mask *m)
{
    *(m->older ? &m->older->newer : &v->oldest) = m->newer;
    *(m->newer ? &m->newer->older : &v->newest) = m->older;
    m->older = m->newer = NULL;
}

static void link_newest(pt_constraint_vocab *v, pt_con_mask *m)
{
    m->older = v->newest;
    m->newer = NULL;
    *(v->newest ? &v->newest->newer : &v->oldest) = m;
    v->newest = m;
    m->used = ++v->clock;
}

static size_t mask_bytes(const pt_constraint_vocab *v)
{
    return sizeof(pt_con_mask) + v->words * sizeof(uint64_t);
}

static void drop(pt_constraint_vocab *v, pt_con_mask *m)
{
    unlink_mask(v, m);
    m->owner->a.state[m->state].mask = NULL;
    v->cache.bytes -= mask_bytes(v);
    v->cache.evicted++;
    free(m);
}

void pt_con_mask_drop_all(pt_constraint *c)
{
    for (size_t i = 0; i < c->a.n; i++)
        if (c->a.state[i].mask) drop(c->v, c->a.state[i].mask);
}

/* The constraint that nobody has open and that was not used for the longest time. */
static pt_constraint *idle(pt_constraint_vocab *v)
{
    pt_constraint *found = NULL;
    for (pt_constraint *c = v->all; c; c = c->next)
        if (!c->refs && (!found || c->used < found->used)) found = c;
    return found;
}

static void remove_constraint(pt_constraint_vocab *v, pt_constraint *c)
{
    for (pt_constraint **p = &v->all; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    pt_con_constraint_free(c);
}

void pt_con_cache_settle(pt_constraint_vocab *v, pt_constraint *c, const pt_con_mask *keep)
{
    if (c) {
        size_t now = sizeof *c + c->key_bytes + pt_con_graph_bytes(&c->g) + pt_con_auto_bytes(&c->a);
        v->cache.bytes = v->cache.bytes - c->counted + now;
        c->counted = now;
    }
    while (v->cache.bytes > v->cache.limit) {
        pt_con_mask *m = v->oldest == keep && keep ? v->oldest->newer : v->oldest;
        pt_constraint *unused = idle(v);
        if (unused && (!m || unused->used <= m->used))
            remove_constraint(v, unused);
        else if (m)
            drop(v, m);
        else
            break;
    }
}

static void put_bit(uint64_t *bits, uint32_t id, bool on)
{
    uint64_t bit = (uint64_t)1 << (id % 64);
    if (on)
        bits[id / 64] |= bit;
    else
        bits[id / 64] &= ~bit;
}

/* Of tokens longer than `known` bytes: sets the bits of those whose bytes a text at `state` can go on with, clears those of the others. */
static pt_status fill(pt_constraint *c, int32_t state, uint32_t known, uint64_t *bits)
{
    pt_constraint_vocab *v = c->v;
    pt_con_auto *a = &c->a;
    v->path[0] = state;
    for (size_t i = 0; i < v->n_tree;) {
        const pt_con_tree *t = &v->tree[i];
        if (t->longest <= known) {
            i = t->skip;
            continue;
        }
        int32_t from = v->path[t->depth - 1], to = pt_con_auto_known(a, from, t->byte);
        if (to == PT_CON_UNKNOWN) PT_RETURN(pt_con_auto_step(a, from, t->byte, &to));
        if (to == PT_CON_DEAD) {
            for (uint32_t k = known ? t->token : 0; known && k < v->tree[t->skip].token; k++)
                if (v->at[v->order[k] + 1] - v->at[v->order[k]] > known) put_bit(bits, v->order[k], false);
            i = t->skip;
            continue;
        }
        v->path[t->depth] = to;
        for (uint32_t k = t->token; k < t[1].token && t->depth > known; k++) put_bit(bits, v->order[k], true);
        i++;
    }
    for (size_t i = 0; i < v->n_ends; i++) put_bit(bits, (uint32_t)v->end[i], a->state[state].accept);
    return PT_OK;
}

/* From the mask of the state's base where it has one. */
static pt_status make(pt_constraint *c, int32_t state, uint64_t *bits)
{
    int32_t base;
    uint32_t known = 0;
    PT_RETURN(pt_con_auto_base(&c->a, state, &base, &known));
    if (base == state) return fill(c, state, 0, bits);
    const uint64_t *from;
    PT_RETURN(pt_con_mask_of(c, base, &from));
    memcpy(bits, from, c->v->words * sizeof *bits);
    return fill(c, state, known, bits);
}

pt_status pt_con_mask_of(pt_constraint *c, int32_t state, const uint64_t **bits)
{
    pt_constraint_vocab *v = c->v;
    pt_con_mask *m = c->a.state[state].mask;
    pt_status rc = PT_OK;
    if (m) {
        v->cache.hits++;
        unlink_mask(v, m);
        link_newest(v, m);
        *bits = m->bits;
        return PT_OK;
    }
    PT_RETURN(pt_calloc(&m, 1, mask_bytes(v)));
    PT_TRY(make(c, state, m->bits));
    m->owner = c;
    m->state = state;
    c->a.state[state].mask = m;
    link_newest(v, m);
    v->cache.bytes += mask_bytes(v);
    v->cache.made++;
    *bits = m->bits;
    pt_con_cache_settle(v, c, m);
    m = NULL;
done:
    free(m);
    return rc;
}
