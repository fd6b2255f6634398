/* Every tensor of a model: its name, shape and place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/model/families.h"
#include "train/model/heads.h"

bool pt_module_on(const pt_model_config *c, pt_module m)
{
    switch (m) {
    case PT_MOD_Q:
    case PT_MOD_K:
    case PT_MOD_V: return !c->fused_qkv;
    case PT_MOD_QKV: return c->fused_qkv;
    case PT_MOD_GATE: return !c->plain_mlp && !c->fused_gate_up;
    case PT_MOD_UP: return !c->fused_gate_up;
    case PT_MOD_GATE_UP: return c->fused_gate_up;
    case PT_MOD_IN:
    case PT_MOD_OUT: return c->embed_width > 0;
    default: return m < PT_MOD_COUNT;
    }
}

void pt_module_shape(const pt_model_config *c, pt_module m, int64_t *out, int64_t *in)
{
    int64_t q = (int64_t)c->heads * c->head_dim, kv = (int64_t)c->kv_heads * c->head_dim;
    switch (m) {
    case PT_MOD_Q: *out = q, *in = c->hidden; break;
    case PT_MOD_K:
    case PT_MOD_V: *out = kv, *in = c->hidden; break;
    case PT_MOD_QKV: *out = q + 2 * kv, *in = c->hidden; break;
    case PT_MOD_O: *out = c->hidden, *in = q; break;
    case PT_MOD_GATE:
    case PT_MOD_UP: *out = c->ffn, *in = c->hidden; break;
    case PT_MOD_GATE_UP: *out = 2 * (int64_t)c->ffn, *in = c->hidden; break;
    case PT_MOD_IN: *out = c->hidden, *in = pt_config_embed(c); break;
    case PT_MOD_OUT: *out = pt_config_embed(c), *in = c->hidden; break;
    default: *out = c->hidden, *in = c->ffn; break;
    }
}

/* ---- orders of rows ------------------------------------------------------------------------------------------------------------- */

static int64_t grouped_of_ours(const pt_model_config *c, int64_t r)
{
    int64_t dim = c->head_dim, per = c->heads / c->kv_heads, head = r / dim, group, at;
    if (head < c->heads)
        group = head / per, at = head % per;
    else if (head < c->heads + c->kv_heads)
        group = head - c->heads, at = per;
    else
        group = head - c->heads - c->kv_heads, at = per + 1;
    return (group * (per + 2) + at) * dim + r % dim;
}

static int64_t ours_of_grouped(const pt_model_config *c, int64_t r)
{
    int64_t dim = c->head_dim, per = c->heads / c->kv_heads, head = r / dim, group = head / (per + 2), at = head % (per + 2);
    int64_t ours = at < per ? group * per + at : at == per ? c->heads + group : c->heads + c->kv_heads + group;
    return ours * dim + r % dim;
}

/* Row r of q, k or of both in one matrix, by half or adjacent pairs; rows of v stay. */
static int64_t pairs(const pt_model_config *c, bool to_adjacent, int64_t r)
{
    if (r >= (int64_t)(c->heads + c->kv_heads) * c->head_dim) return r;
    return to_adjacent ? pt_row_hf_of_adjacent(r, c->head_dim) : pt_row_adjacent_of_hf(r, c->head_dim);
}

int64_t pt_row_from(const pt_model_config *c, pt_rows_order order, int64_t r)
{
    switch (order) {
    case PT_ROWS_FROM_ADJACENT: return pairs(c, false, r);
    case PT_ROWS_TO_ADJACENT: return pairs(c, true, r);
    case PT_ROWS_FROM_GROUPED: return grouped_of_ours(c, c->permuted ? pairs(c, true, r) : r);
    case PT_ROWS_TO_GROUPED: r = ours_of_grouped(c, r); return c->permuted ? pairs(c, false, r) : r;
    default: return r;
    }
}

static pt_rows_order rotary(int module, bool from, bool to)
{
    if ((module != PT_MOD_Q && module != PT_MOD_K && module != PT_MOD_QKV) || from == to) return PT_ROWS_SAME;
    return from ? PT_ROWS_FROM_ADJACENT : PT_ROWS_TO_ADJACENT;
}

static bool grouped(const pt_model_config *c, int module)
{
    return module >= 0 && pt_family_of(c)->layout[module] == PT_LAYOUT_GROUPED;
}

pt_rows_order pt_rows_to_hf(const pt_model_config *c, int module)
{
    return grouped(c, module) ? PT_ROWS_TO_GROUPED : rotary(module, c->permuted, false);
}

pt_rows_order pt_rows_of_hf(const pt_model_config *c, int module)
{
    return grouped(c, module) ? PT_ROWS_FROM_GROUPED : rotary(module, false, c->permuted);
}

pt_rows_order pt_rows_to_gguf(const pt_model_config *c, int module)
{
    return rotary(module, c->permuted, pt_family_of(c)->permuted);
}

float pt_family_norm_add(const pt_family *f)
{
    pt_model_config c = {0};
    if (f->shape) f->shape(&c);
    return c.norm_add;
}

void pt_config_forget_file(pt_model_config *c)
{
    if (c->permuted) c->rope_kind = c->rope_kind == PT_ROPE_HALF ? PT_ROPE_ADJACENT : PT_ROPE_HALF;
    c->permuted = false;
    c->norm_add = pt_family_norm_add(pt_family_of(c));
}

typedef struct tensor_list {
    const pt_model_config *c;
    const pt_family *f;
    pt_tensor_spec *t;
    size_t n, cap;
} tensor_list;

static pt_status add(tensor_list *l, pt_tensor_kind kind, int layer, int part, int64_t rows, int64_t cols)
{
    char path[80];
    PT_RETURN(pt_reserve(&l->t, &l->cap, l->n + 1));
    pt_tensor_spec *t = &l->t[l->n++];
    *t = (pt_tensor_spec){.kind = kind, .part = part, .rows = rows, .cols = cols, .layer = layer, .module = part < PT_MOD_COUNT ? part : -1};
    PT_RETURN(pt_part_path(l->f, part, layer, path, sizeof path));
    snprintf(t->name, sizeof t->name, "%s.%s", path, kind == PT_TENSOR_BIAS ? "bias" : "weight");
    return PT_OK;
}

static bool has_bias(const pt_model_config *c, int module)
{
    switch (module) {
    case PT_MOD_Q:
    case PT_MOD_K:
    case PT_MOD_V:
    case PT_MOD_QKV: return c->qkv_bias;
    case PT_MOD_O: return c->o_bias;
    case PT_MOD_IN:
    case PT_MOD_OUT: return false;
    default: return c->mlp_bias;
    }
}

static pt_status add_linear(tensor_list *l, int layer, int m)
{
    const pt_model_config *c = l->c;
    int64_t out, in;
    if (!pt_module_on(c, (pt_module)m)) return PT_OK;
    pt_module_shape(c, (pt_module)m, &out, &in);
    for (int bias = 0; bias <= has_bias(c, m); bias++) {
        PT_RETURN(bias ? add(l, PT_TENSOR_BIAS, layer, m, 1, out) : add(l, PT_TENSOR_MATRIX, layer, m, out, in));
        pt_tensor_spec *t = &l->t[l->n - 1];
        t->rotary_heads = m == PT_MOD_Q ? c->heads : m == PT_MOD_K ? c->kv_heads : 0;
        t->layout = l->f->layout[m];
    }
    return PT_OK;
}

static pt_status add_norm(tensor_list *l, int layer, int part, bool bias, int64_t n)
{
    if (l->c->norm_plain) return PT_OK;
    PT_RETURN(add(l, PT_TENSOR_NORM, layer, part, 1, n));
    return bias ? add(l, PT_TENSOR_BIAS, layer, part, 1, n) : PT_OK;
}

int pt_first_norm(const pt_model_config *c)
{
    if (c->no_pre_norm) return PT_PART_POST1;
    if (c->sum_norm) return PT_PART_SUM1;
    return c->parallel && !c->shared_norm ? PT_PART_SIDE1 : PT_PART_NORM1;
}

static pt_status add_qk_norms(tensor_list *l, int i)
{
    const pt_model_config *c = l->c;
    for (int k = 0; c->qk_norm && k < 2; k++) {
        const int64_t heads = k ? c->kv_heads : c->heads, whole = c->qk_norm == PT_QK_NORM_ROWS ? heads : 1;
        PT_RETURN(add(l, PT_TENSOR_NORM, i, k ? PT_PART_KNORM : PT_PART_QNORM, c->qk_norm == PT_QK_NORM_EACH ? heads : 1, c->head_dim * whole));
        l->t[l->n - 1].layout = l->f->qk_norm_layout;
    }
    return PT_OK;
}

static pt_status add_block(tensor_list *l, int i)
{
    const pt_model_config *c = l->c;
    const bool bias = c->norm_bias, before = !c->no_pre_norm && !c->sum_norm;
    if (before) PT_RETURN(add_norm(l, i, pt_first_norm(c), bias, c->hidden));
    PT_RETURN(add_linear(l, i, PT_MOD_QKV));
    for (int m = PT_MOD_Q; m <= PT_MOD_V; m++) PT_RETURN(add_linear(l, i, m));
    PT_RETURN(add_qk_norms(l, i));
    PT_RETURN(add_linear(l, i, PT_MOD_O));
    if (c->post_norm) PT_RETURN(add_norm(l, i, PT_PART_POST1, bias, c->hidden));
    if (c->sum_norm) PT_RETURN(add_norm(l, i, PT_PART_SUM1, bias, c->hidden));
    if (before && !(c->parallel && c->shared_norm)) PT_RETURN(add_norm(l, i, c->parallel ? PT_PART_SIDE2 : PT_PART_NORM2, bias, c->hidden));
    PT_RETURN(add_linear(l, i, PT_MOD_GATE_UP));
    for (int m = PT_MOD_GATE; m <= PT_MOD_DOWN; m++) PT_RETURN(add_linear(l, i, m));
    if (c->sum_norm) PT_RETURN(add_norm(l, i, PT_PART_SUM2, bias, c->hidden));
    return c->post_norm ? add_norm(l, i, PT_PART_POST2, bias, c->hidden) : PT_OK;
}

pt_status pt_config_tensors(const pt_model_config *c, unsigned heads, int values, pt_tensor_spec **out, size_t *n)
{
    pt_status rc = PT_OK;
    tensor_list l = {.c = c, .f = pt_family_of(c)};
    PT_CHECK(l.f, PT_EINTERNAL, "a model of no family: '%.15s'", c->family);
    PT_TRY(add(&l, PT_TENSOR_EMBED, -1, PT_PART_EMBED, c->vocab, pt_config_embed(c)));
    PT_TRY(add_linear(&l, -1, PT_MOD_IN));
    if (c->learned_positions) PT_TRY(add(&l, PT_TENSOR_EMBED, -1, PT_PART_POSITIONS, c->learned_positions + c->position_offset, c->hidden));
    for (int i = 0; i < c->layers; i++) PT_TRY(add_block(&l, i));
    if (!c->sum_norm) PT_TRY(add_norm(&l, -1, PT_PART_NORM, c->norm_bias, c->hidden));
    PT_TRY(add_linear(&l, -1, PT_MOD_OUT));
    for (int k = 0; k < PT_HEAD_KINDS; k++) {
        const pt_head *h = pt_head_at(k);
        if (!pt_head_on(heads, k) || (h->tied && c->tied)) continue;
        PT_TRY(add(&l, PT_TENSOR_HEAD, -1, PT_PART_HEAD, h->width(c, values), pt_config_embed(c)));
        if (!h->tied) { /* a head of our own */
            l.t[l.n - 1].part = PT_PART_COUNT;
            snprintf(l.t[l.n - 1].name, sizeof l.t->name, "%s", h->tensor);
        }
        l.t[l.n - 1].head = k;
    }
    *out = l.t;
    *n = l.n;
    return PT_OK;
done:
    free(l.t);
    return rc;
}

pt_status pt_config_matrix_name(const pt_model_config *c, char *out, size_t size)
{
    char path[96];
    PT_RETURN(pt_part_path(pt_family_of(c), c->fused_qkv ? PT_MOD_QKV : PT_MOD_Q, 0, path, sizeof path));
    return snprintf(out, size, "%s.weight", path) < (int)size ? PT_OK : pt_fail(PT_EINTERNAL, "%s: too long a name", path);
}
