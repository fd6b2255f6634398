/* Weights of a model: which there are, and the trained ones as parts of the flat vectors (frozen.c has the others). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"
#include "train/model/random_init.h"

pt_status pt_param_add(pt_model *m, const char *name, int64_t rows, int64_t cols, bool decay)
{
    size_t cap = m->n_params; /* the list grows by doubling at powers of two */
    if ((cap & (cap - 1)) == 0) {
        pt_param *p = realloc(m->params, (cap ? 2 * cap : 1) * sizeof *p);
        if (!p) return pt_fail(PT_ENOMEM, "out of memory: %zu parameters", cap);
        m->params = p;
    }
    pt_param *p = &m->params[m->n_params++];
    *p = (pt_param){.rows = rows, .cols = cols, .decay = decay};
    if (snprintf(p->name, sizeof p->name, "%s", name) >= (int)sizeof p->name)
        return pt_fail(PT_EINTERNAL, "parameter name %s is too long", name);
    return PT_OK;
}

static bool is_a(const pt_param *p)
{
    return strstr(p->name, ".lora_A.") != NULL;
}

pt_status pt_param_layout(pt_model *m)
{
    pt_param *sorted = NULL;
    size_t n = 0;
    int64_t at = 0;
    PT_RETURN(pt_alloc0(&sorted, m->n_params));
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < m->n_params; i++)
            if (m->params[i].decay == (pass == 0)) sorted[n++] = m->params[i];
    for (size_t i = 0; i < n; i++) {
        if (!(i && is_a(&sorted[i]) && is_a(&sorted[i - 1]))) at = (at + 15) / 16 * 16;
        sorted[i].offset = at;
        int64_t size;
        if (__builtin_mul_overflow(sorted[i].rows, sorted[i].cols, &size) || __builtin_add_overflow(at, size, &at) ||
            at > INT64_MAX / 8) {
            free(sorted);
            return pt_fail(PT_ESHAPE, "the trained parameters overflow");
        }
    }
    free(m->params);
    m->params = sorted;
    m->n_flat = (at + 15) / 16 * 16;
    return PT_OK;
}

pt_view pt_param_part(pt_view flat, const pt_param *p)
{
    if (!pt_view_ok(flat)) return flat;
    flat.off += (size_t)p->offset * 4;
    flat.rows = p->rows;
    flat.cols = flat.ld = p->cols;
    return flat;
}

int64_t pt_param_find(const pt_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_params; i++)
        if (strcmp(m->params[i].name, name) == 0) return (int64_t)i;
    return -1;
}

pt_lin *pt_lin_of(pt_model *m, const pt_tensor_spec *t)
{
    if (t->kind == PT_TENSOR_HEAD) return &m->head[t->head];
    if (t->part == PT_PART_EMBED) return &m->embed;
    if (t->part == PT_PART_POSITIONS) return &m->positions;
    if (t->part == PT_PART_NORM) return &m->norm;
    pt_block_weights *b = pt_block_at(m, t->layer);
    switch (t->part) {
    case PT_PART_SIDE1:
    case PT_PART_NORM1: return &b->norm1;
    case PT_PART_POST1: return &b->post1;
    case PT_PART_SIDE2:
    case PT_PART_SUM1:
    case PT_PART_NORM2: return &b->norm2;
    case PT_PART_SUM2: return t->layer + 1 < m->cfg.layers ? &b[1].norm1 : &m->norm; /* what the next block begins with, the last one before the head */
    case PT_PART_POST2: return &b->post2;
    case PT_PART_QNORM: return &b->qnorm;
    case PT_PART_KNORM: return &b->knorm;
    default: return &b->lin[t->part];
    }
}

/* A head that is trained whatever else is frozen. */
static bool is_saved_head(const pt_tensor_spec *t)
{
    return t->kind == PT_TENSOR_HEAD && pt_head_at(t->head)->saved;
}

bool pt_tensor_trained(const pt_model *m, const pt_tensor_spec *t)
{
    return m->opt.full || is_saved_head(t);
}

void pt_tie_heads(pt_model *m)
{
    for (int k = 0; k < PT_HEAD_KINDS; k++)
        if (m->cfg.tied && pt_head_on(m->opt.heads, k) && pt_head_at(k)->tied) m->head[k] = m->embed;
}

pt_status pt_model_list_weights(pt_model *m)
{
    PT_RETURN(pt_config_tensors(&m->cfg, m->opt.heads, m->opt.values, &m->specs, &m->n_specs));
    for (size_t i = 0; i < m->n_specs; i++) {
        const pt_tensor_spec *t = &m->specs[i];
        if (pt_tensor_trained(m, t)) PT_RETURN(pt_param_add(m, t->name, t->rows, t->cols, !pt_tensor_is_vector(t)));
    }
    return PT_OK;
}

void pt_param_bind(pt_model *m)
{
    for (size_t i = 0; i < m->n_specs; i++) {
        const pt_tensor_spec *t = &m->specs[i];
        if (!pt_tensor_trained(m, t)) continue;
        int64_t at = pt_param_find(m, t->name);
        pt_view w = pt_param_part(m->flat, &m->params[at]), d = pt_param_part(m->grad, &m->params[at]);
        pt_lin *l = pt_lin_of(m, t);
        if (t->kind == PT_TENSOR_BIAS) {
            l->b = w;
            l->db = d;
        } else {
            l->w = w;
            l->dw = d;
        }
    }
    pt_tie_heads(m);
}

/* A head that the base has none of: normal numbers as Hugging Face draws them for a new linear. */
static pt_status load_trained(pt_model *m, const pt_tensor_spec *t, float *host)
{
    pt_lin *l = pt_lin_of(m, t);
    if (is_saved_head(t) && !pt_source_has(m->src, t->name))
        pt_random_normal(m->opt.seed, PT_RNG_INIT, t->name, (float)m->cfg.initializer_range, t->rows * t->cols, host);
    else
        PT_RETURN(pt_source_load_f32(m->src, t->name, t->rows, t->cols, host));
    return m->ctx->ops->upload(m->ctx, t->kind == PT_TENSOR_BIAS ? l->b : l->w, host);
}

pt_status pt_model_load_weights(pt_model *m)
{
    pt_status rc = PT_OK;
    float *host = NULL;
    size_t most = 0;
    PT_TRY(pt_source_check_weights(m->src));
    for (size_t i = 0; i < m->n_specs; i++) {
        size_t n = (size_t)(m->specs[i].rows * m->specs[i].cols);
        if (pt_tensor_trained(m, &m->specs[i]) && n > most) most = n;
    }
    if (most) PT_TRY(pt_calloc(&host, most, sizeof *host));
    for (size_t i = 0; i < m->n_specs; i++) {
        if (pt_tensor_trained(m, &m->specs[i]))
            PT_TRY(load_trained(m, &m->specs[i], host));
        else
            PT_TRY(pt_frozen_load(m, i));
    }
done:
    free(host);
    return rc;
}
