/* Guests: adapters beside the first one, each as it was saved, with a rank and targets of its own. Read only; a pass takes one by its slot. */
#include <stdlib.h>

#include "train/model/adapters.h"

int pt_model_guest_slot(const pt_model *m, size_t guest)
{
    return 1 + m->opt.lora.frozen_copy + (int)guest;
}

pt_status pt_guests_resolve(pt_model *m, const pt_lora_options *o)
{
    PT_RETURN(pt_alloc0(&m->guests, o->n_guests));
    for (; m->n_guests < o->n_guests;) {
        pt_guest *g = &m->guests[m->n_guests++];
        PT_RETURN(pt_strdup(&g->dir, o->guests[g - m->guests]));
        PT_RETURN(pt_peft_read(&g->peft, g->dir));
        if (g->peft->modules_to_save.n) return pt_fail(PT_ENOSUP, "%s brings a head of its own: such an adapter cannot stand beside others", g->dir);
        if (g->peft->n_rows) return pt_fail(PT_ENOSUP, "%s trains rows of added tokens: such an adapter cannot stand beside others", g->dir);
        PT_RETURN(pt_lora_list(m, g->peft, g->dir, &g->modules, &g->n_modules));
        PT_RETURN(pt_alloc0(&g->a, g->n_modules));
        PT_RETURN(pt_alloc0(&g->b, g->n_modules));
    }
    return PT_OK;
}

static int64_t up16(int64_t n)
{
    return (n + 15) / 16 * 16;
}

/* Where the matrices lie: A's of one input one behind the other, as the first adapter's do, so that one product serves them and rounds as it does
 * there; else every one at a multiple of 16 elements. a, b (may be NULL): [n_modules]. Elements of all. */
static int64_t lay_out(const pt_guest *g, int64_t *a, int64_t *b)
{
    int64_t at = 0;
    for (size_t k = 0, end; k < g->n_modules; k = end) {
        for (end = k; end < g->n_modules && pt_lora_same_input(&g->modules[k], &g->modules[end]); end++) {
            if (a) a[end] = at;
            at += g->modules[end].r * g->modules[end].in;
        }
        for (size_t i = k; i < end; i++) {
            at = up16(at);
            if (b) b[i] = at;
            at += g->modules[i].out * g->modules[i].r;
        }
        at = up16(at);
    }
    return at;
}

pt_status pt_guests_carve(pt_model *m)
{
    for (size_t i = 0; i < m->n_guests; i++) {
        pt_guest *g = &m->guests[i];
        PT_RETURN(pt_arena_carve(&m->arena[PT_ROLE_ADAPTERS], PT_F32, 1, lay_out(g, NULL, NULL), &g->flat));
    }
    return PT_OK;
}

void pt_guests_bind(pt_model *m)
{
    for (size_t i = 0; i < m->n_guests; i++) {
        const pt_guest *g = &m->guests[i];
        lay_out(g, g->a, g->b);
        for (size_t k = 0; k < g->n_modules; k++) {
            const pt_lora_module *x = &g->modules[k];
            const pt_param a = {.offset = g->a[k], .rows = x->r, .cols = x->in}, b = {.offset = g->b[k], .rows = x->out, .cols = x->r};
            pt_lora_slot *s = pt_slots_at(m, x->layer, x->kind);
            pt_block_at(m, x->layer)->slots[x->kind] = s;
            s[pt_model_guest_slot(m, i)] =
                (pt_lora_slot){.a = pt_param_part(g->flat, &a), .b = pt_param_part(g->flat, &b), .scale = (float)x->scale, .rank = x->r};
        }
    }
}

static pt_status load(pt_model *m, size_t guest)
{
    pt_status rc = PT_OK;
    const pt_guest *g = &m->guests[guest];
    const size_t most = pt_lora_most(g->modules, g->n_modules);
    pt_st *st = NULL;
    float *one = NULL, *two = NULL;
    PT_TRY(pt_calloc(&one, most, sizeof *one));
    PT_TRY(pt_calloc(&two, most, sizeof *two));
    PT_TRY(pt_peft_open_tensors(g->peft, &st, g->dir));
    PT_TRY(pt_lora_all_used(m, st, g->modules, g->n_modules));
    for (size_t i = 0; i < g->n_modules; i++) {
        const pt_lora_module *x = &g->modules[i];
        PT_TRY(pt_lora_read(m, st, x, &pt_block_at(m, x->layer)->slots[x->kind][pt_model_guest_slot(m, guest)], one, two));
    }
done:
    pt_st_close(st);
    free(one);
    free(two);
    return rc;
}

pt_status pt_guests_load(pt_model *m)
{
    for (size_t i = 0; i < m->n_guests; i++) PT_RETURN(load(m, i));
    return PT_OK;
}

void pt_guests_free(pt_model *m)
{
    for (size_t i = 0; i < m->n_guests; i++) {
        pt_peft_free(m->guests[i].peft);
        free(m->guests[i].modules);
        free(m->guests[i].a);
        free(m->guests[i].b);
        free(m->guests[i].dir);
    }
    free(m->guests);
}
