/* The adapter bank: which modules have adapters, where their matrices lie, and their first values.
 *
 * Slot 0 is the trained adapter, slot 1 (when asked for) a frozen copy of its start; behind them guests (guests.c). On disk B's rows are in Hugging
 * Face's order; where the model holds them in another (pt_rows_of_hf: q and k for adjacent rotary pairs out of GGUF, a qkv that is grouped by key heads)
 * they are reordered on the way in and out, so that one adapter fits all copies of a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoints/peft.h"
#include "train/model/adapters.h"
#include "train/model/random_init.h"

static const char *const no_lora[] = {"lm_head", "embed_tokens", "score"};

static pt_status fresh(const pt_lora_options *o, pt_peft **out)
{
    pt_status rc = PT_OK;
    pt_peft *p = NULL;
    PT_CHECK(o->r >= 1 && o->r <= 4096, PT_EARG, "lora_r is %d, not in 1..4096", o->r);
    PT_CHECK(isfinite(o->alpha) && o->alpha > 0, PT_EARG, "lora_alpha is %g", o->alpha);
    PT_TRY(pt_peft_new(&p, o->r, o->alpha));
    p->rslora = o->rslora;
    p->dropout = (double)o->dropout;
    if (o->n_targets == 0 || (o->n_targets == 1 && strcmp(o->targets[0], "all-linear") == 0))
        p->all_linear = true;
    else if (o->n_targets == 1 && pt_peft_is_regex(o->targets[0]))
        PT_TRY(pt_peft_set_target_regex(p, o->targets[0]));
    else
        for (size_t i = 0; i < o->n_targets; i++) {
            for (size_t k = 0; k < sizeof no_lora / sizeof *no_lora; k++)
                PT_CHECK(strcmp(o->targets[i], no_lora[k]) != 0, PT_ENOSUP,
                         "lora_target_modules: an adapter on %s is not supported", no_lora[k]);
            PT_TRY(pt_peft_list_add(&p->targets, o->targets[i]));
        }
    *out = p;
    p = NULL;
done:
    pt_peft_free(p);
    return rc;
}

static pt_status add_module(pt_model *m, const pt_peft *p, int layer, pt_module kind, pt_lora_module *list, size_t *n)
{
    pt_lora_module *x = &list[*n];
    bool on;
    int64_t r;
    *x = (pt_lora_module){.layer = layer, .kind = (int)kind};
    if (!pt_module_on(&m->cfg, kind) || !pt_module_in(kind, layer)) return PT_OK;
    PT_RETURN(pt_part_path(m->fam, (int)kind, layer, x->path, sizeof x->path));
    PT_RETURN(pt_peft_targets(p, x->path, &on));
    if (!on) return PT_OK;
    PT_RETURN(pt_peft_scale(p, x->path, &r, &x->alpha, &x->scale));
    if (r < 1 || r > 4096) return pt_fail(PT_EFORMAT, "the rank of %s is %lld", x->path, (long long)r);
    x->r = (int)r;
    pt_module_shape(&m->cfg, kind, &x->out, &x->in);
    if (x->r > pt_block_at(m, layer)->rank[kind]) pt_block_at(m, layer)->rank[kind] = x->r;
    ++*n;
    return PT_OK;
}

/* Modules outside the blocks that a target names: refused, since their adapter would be lost. */
static pt_status refuse_outside(const pt_family *f, const pt_peft *p)
{
    static const int parts[] = {PT_PART_HEAD, PT_PART_EMBED, PT_PART_POSITIONS};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool on;
        char path[128];
        PT_RETURN(pt_part_path(f, parts[i], -1, path, sizeof path));
        PT_RETURN(pt_peft_targets(p, path, &on));
        if (on && !p->all_linear)
            return pt_fail(PT_ENOSUP, "lora_target_modules: an adapter on %s is not supported", path);
    }
    return PT_OK;
}

static pt_status check_saved(const pt_peft *p, const char *dir)
{
    for (size_t i = 0; i < p->modules_to_save.n; i++) {
        const char *name = p->modules_to_save.names[i];
        if (strcmp(name, "score") != 0 && strcmp(name, "classifier") != 0)
            return pt_fail(PT_ENOSUP, "%s/adapter_config.json: modules_to_save: %s is not supported (only score)", dir, name);
    }
    return PT_OK;
}

static pt_status nothing_targeted(const pt_model *m, const char *dir)
{
    char names[512] = "";
    size_t n = 0;
    for (int k = 0; k < PT_MOD_COUNT; k++)
        if (pt_module_on(&m->cfg, (pt_module)k) && n < sizeof names)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", pt_module_name(m->fam, (pt_module)k));
    return pt_fail(PT_EARG, "%s%slora_target_modules match no linear layer; there are %s under %s%sN", dir ? dir : "", dir ? ": " : "", names,
                   m->fam->trunk ? m->fam->trunk : "model.", m->fam->block ? m->fam->block : "layers.");
}

pt_status pt_lora_list(pt_model *m, const pt_peft *p, const char *dir, pt_lora_module **list, size_t *n)
{
    *n = 0;
    if (dir) PT_RETURN(check_saved(p, dir));
    PT_RETURN(refuse_outside(m->fam, p));
    PT_RETURN(pt_alloc0(list, (size_t)(m->cfg.layers + 1) * PT_MOD_COUNT));
    for (int l = -1; l < m->cfg.layers; l++)
        for (int k = 0; k < PT_MOD_COUNT; k++) PT_RETURN(add_module(m, p, l, (pt_module)k, *list, n));
    if (*n) return PT_OK;
    return nothing_targeted(m, dir);
}

/* A name of the list that fits nothing is most likely misspelt; PEFT passes over it, so that one list serves several families. */
static void warn_of_idle(const pt_model *m)
{
    const pt_peft_list *l = &m->peft->targets;
    for (size_t t = 0; t < l->n; t++) {
        bool used = false;
        for (size_t i = 0; i < m->n_modules && !used; i++) used = pt_peft_name_fits(l->names[t], m->modules[i].path);
        if (!used) pt_log(PT_LOG_WARN, "lora_target_modules: %s matches no linear layer of this model", l->names[t]);
    }
}

pt_status pt_lora_resolve(pt_model *m, const pt_lora_options *o)
{
    if (!o->on) return PT_OK;
    if (!(o->dropout >= 0 && o->dropout < 1)) return pt_fail(PT_EARG, "lora_dropout is %g, not in [0,1)", (double)o->dropout);
    if (o->start_dir) {
        PT_RETURN(pt_strdup(&m->start_dir, o->start_dir));
        PT_RETURN(pt_peft_read(&m->peft, o->start_dir));
    } else
        PT_RETURN(fresh(o, &m->peft));
    PT_RETURN(pt_lora_list(m, m->peft, m->start_dir, &m->modules, &m->n_modules));
    if (!o->start_dir) warn_of_idle(m);
    m->n_slots = 1 + o->frozen_copy + (int)o->n_guests;
    return pt_guests_resolve(m, o);
}

/* Modules that read the same input: [first, last]. */
static const int groups[][2] = {{PT_MOD_QKV, PT_MOD_QKV},         {PT_MOD_Q, PT_MOD_V},     {PT_MOD_O, PT_MOD_O},
                                {PT_MOD_GATE_UP, PT_MOD_GATE_UP}, {PT_MOD_GATE, PT_MOD_UP}, {PT_MOD_DOWN, PT_MOD_DOWN},
                                {PT_MOD_IN, PT_MOD_IN},           {PT_MOD_OUT, PT_MOD_OUT}};
enum { N_GROUPS = sizeof groups / sizeof *groups };

bool pt_lora_same_input(const pt_lora_module *x, const pt_lora_module *y)
{
    for (int g = 0; g < N_GROUPS; g++)
        if (x->kind >= groups[g][0] && x->kind <= groups[g][1]) return x->layer == y->layer && y->kind >= groups[g][0] && y->kind <= groups[g][1];
    return false;
}

void pt_lora_group(int kind, int *first, int *last)
{
    *first = *last = kind;
    for (int g = 0; g < N_GROUPS; g++)
        if (kind >= groups[g][0] && kind <= groups[g][1]) *first = groups[g][0], *last = groups[g][1];
}

static const pt_lora_module *module_of(const pt_model *m, int layer, int kind)
{
    for (size_t i = 0; i < m->n_modules; i++)
        if (m->modules[i].layer == layer && m->modules[i].kind == kind) return &m->modules[i];
    return NULL;
}

static pt_status add_part(pt_model *m, int layer, int kind, bool a)
{
    char name[160];
    const pt_lora_module *x = module_of(m, layer, kind);
    if (!x) return PT_OK;
    snprintf(name, sizeof name, "%s.lora_%c.weight", x->path, a ? 'A' : 'B');
    return pt_param_add(m, name, a ? x->r : x->out, a ? x->in : x->r, true);
}

pt_status pt_lora_add_params(pt_model *m)
{
    for (int l = -1; l < m->cfg.layers && m->n_modules; l++)
        for (int g = 0; g < N_GROUPS; g++)
            for (int part = 0; part < 2; part++)
                for (int k = groups[g][0]; k <= groups[g][1]; k++) PT_RETURN(add_part(m, l, k, part == 0));
    if (m->n_modules) PT_RETURN(pt_alloc0(&m->slot_memory, (size_t)(m->cfg.layers + 1) * PT_MOD_COUNT * (size_t)m->n_slots));
    return PT_OK;
}

void pt_lora_bind(pt_model *m)
{
    char name[160];
    for (size_t i = 0; i < m->n_modules; i++) {
        const pt_lora_module *x = &m->modules[i];
        pt_lora_slot *s = pt_slots_at(m, x->layer, x->kind);
        snprintf(name, sizeof name, "%s.lora_A.weight", x->path);
        const pt_param *a = &m->params[pt_param_find(m, name)];
        snprintf(name, sizeof name, "%s.lora_B.weight", x->path);
        const pt_param *b = &m->params[pt_param_find(m, name)];
        s[0] = (pt_lora_slot){.a = pt_param_part(m->flat, a),
                              .b = pt_param_part(m->flat, b),
                              .da = pt_param_part(m->grad, a),
                              .db = pt_param_part(m->grad, b),
                              .scale = (float)x->scale,
                              .rank = x->r};
        if (m->opt.lora.frozen_copy)
            s[1] = (pt_lora_slot){
                .a = pt_param_part(m->frozen, a), .b = pt_param_part(m->frozen, b), .scale = (float)x->scale, .rank = x->r};
        pt_block_at(m, x->layer)->slots[x->kind] = s;
    }
}

void pt_lora_permute_b(const pt_model *m, int kind, const float *src, float *dst, int64_t rows, int64_t cols, bool to_stored)
{
    const pt_rows_order order = to_stored ? pt_rows_of_hf(&m->cfg, kind) : pt_rows_to_hf(&m->cfg, kind);
    for (int64_t r = 0; r < rows; r++) memcpy(dst + r * cols, src + pt_row_from(&m->cfg, order, r) * cols, (size_t)cols * sizeof *dst);
}

/* Reads one matrix of the starting adapter. */
static pt_status read_start(const pt_st *st, const pt_lora_module *x, pt_peft_part part, float *dst)
{
    const pt_st_tensor *t;
    int64_t dims[2] = {part == PT_PEFT_A ? x->r : x->out, part == PT_PEFT_A ? x->in : x->r};
    PT_RETURN(pt_peft_find(st, x->path, part, &t));
    if (!t)
        return pt_fail(PT_EFORMAT, "%s: no %s of %s, which target_modules names", st->path,
                       part == PT_PEFT_A ? "lora_A" : "lora_B", x->path);
    PT_RETURN(pt_st_check_shape(t, 2, dims));
    return pt_st_to_f32(t, dst);
}

pt_status pt_lora_read(const pt_model *m, const pt_st *st, const pt_lora_module *x, const pt_lora_slot *s, float *one, float *two)
{
    PT_RETURN(read_start(st, x, PT_PEFT_A, one));
    PT_RETURN(m->ctx->ops->upload(m->ctx, s->a, one));
    PT_RETURN(read_start(st, x, PT_PEFT_B, one));
    pt_lora_permute_b(m, x->kind, one, two, x->out, x->r, true);
    return m->ctx->ops->upload(m->ctx, s->b, two);
}

static pt_status load_module(pt_model *m, const pt_lora_module *x, const pt_st *st, float *one, float *two)
{
    char name[160];
    const pt_lora_slot *s = pt_block_at(m, x->layer)->slots[x->kind];
    if (st) return pt_lora_read(m, st, x, s, one, two);
    snprintf(name, sizeof name, "%s.lora_A.weight", x->path);
    pt_random_uniform(m->opt.seed, PT_RNG_LORA, name, (float)(1 / sqrt((double)x->in)), x->r * x->in, one);
    return m->ctx->ops->upload(m->ctx, s->a, one); /* B stays zero */
}

pt_status pt_lora_all_used(const pt_model *m, const pt_st *st, const pt_lora_module *list, size_t n)
{
    char rows[96];
    for (size_t i = 0; i < st->n_tensors; i++) {
        char *path = NULL;
        pt_peft_part part;
        PT_RETURN(pt_peft_parse_name(st->tensors[i].name, &path, &part));
        bool known = false;
        for (int k = 0; k < PT_HEAD_KINDS && part == PT_PEFT_SAVED; k++)
            known = known || (pt_head_at(k)->saved && strcmp(path, pt_head_at(k)->tensor) == 0);
        for (size_t k = 0; k < n && part < PT_PEFT_SAVED; k++) known = known || strcmp(list[k].path, path) == 0;
        for (int k = 0; k < PT_ROWS_OF && part == PT_PEFT_ROWS; k++)
            known = known || (pt_new_rows_on(m, k) && pt_new_rows_path(m, k, rows, sizeof rows) == PT_OK && strcmp(path, rows) == 0);
        free(path);
        if (!known)
            return pt_fail(PT_ENOSUP, "%s: tensor %s belongs to no targeted linear layer of this model", st->path,
                           st->tensors[i].name);
    }
    return PT_OK;
}

/* A head that the adapter holds whole. */
static pt_status load_head(pt_model *m, const pt_st *st, int kind)
{
    pt_status rc = PT_OK;
    float *host = NULL;
    const pt_st_tensor *t;
    const pt_head *h = pt_head_at(kind);
    pt_view w = m->head[kind].w;
    int64_t dims[2] = {w.rows, w.cols};
    PT_TRY(pt_peft_find(st, h->tensor, PT_PEFT_SAVED, &t));
    if (!t) goto done;
    PT_TRY(pt_st_check_shape(t, 2, dims));
    PT_TRY(pt_calloc(&host, (size_t)(w.rows * w.cols), sizeof *host));
    PT_TRY(pt_st_to_f32(t, host));
    PT_TRY(m->ctx->ops->upload(m->ctx, w, host));
done:
    free(host);
    return rc;
}

size_t pt_lora_most(const pt_lora_module *list, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t here = (size_t)(list[i].in > list[i].out ? list[i].in : list[i].out) * (size_t)list[i].r;
        most = here > most ? here : most;
    }
    return most;
}

pt_status pt_lora_load(pt_model *m)
{
    pt_status rc = PT_OK;
    pt_st *st = NULL;
    float *one = NULL, *two = NULL;
    const size_t most = pt_lora_most(m->modules, m->n_modules);
    if (m->n_modules == 0) return PT_OK;
    PT_TRY(pt_calloc(&one, most, sizeof *one));
    PT_TRY(pt_calloc(&two, most, sizeof *two));
    if (m->start_dir) {
        PT_TRY(pt_peft_open_tensors(m->peft, &st, m->start_dir));
        PT_TRY(pt_lora_all_used(m, st, m->modules, m->n_modules));
        for (int k = 0; k < PT_HEAD_KINDS; k++)
            if (pt_head_on(m->opt.heads, k) && pt_head_at(k)->saved) PT_TRY(load_head(m, st, k));
    }
    for (size_t i = 0; i < m->n_modules; i++) PT_TRY(load_module(m, &m->modules[i], st, one, two));
    PT_TRY(pt_new_rows_load(m, st));
    if (m->opt.lora.frozen_copy) PT_TRY(m->ctx->ops->cast(m->ctx, &(pt_cast_args){.y = m->frozen, .x = m->flat}));
done:
    pt_st_close(st);
    free(one);
    free(two);
    return rc;
}

pt_view pt_model_frozen_view(const pt_model *m)
{
    return m->frozen;
}

pt_status pt_model_mix_frozen(pt_model *m, float share)
{
    if (!m->opt.lora.frozen_copy) return pt_fail(PT_ESTATE, "a model without a frozen copy of its adapter");
    return m->ctx->ops->axpby(m->ctx, &(pt_axpby_args){.y = m->frozen, .x = m->flat, .alpha = share, .beta = 1 - share});
}

size_t pt_model_lora_modules(const pt_model *m, const pt_lora_module **list)
{
    *list = m->modules;
    return m->n_modules;
}
