/* Frozen weights of a model: views of the source's mapping, or parts of one block of memory; and their second forms. */
#include "base/mapped.h"
#include "base/mem.h"
#include "train/model/adapters.h"

/* Of a tensor in the block: what an allocation of its own would have. */
#define WEIGHT_ALIGN 256

/* ---- places ---------------------------------------------------------------------------------------------------------------- */

/* new_rows.c writes into it. */
static bool rewritten(const pt_model *m, const pt_tensor_spec *t)
{
    return m->new_rows.n && (t->kind == PT_TENSOR_EMBED || t->kind == PT_TENSOR_HEAD);
}

/* Whether products of many rows read it: layers' matrices, and the vocabulary's. */
static bool multiplied(const pt_model *m, const pt_tensor_spec *t)
{
    if (rewritten(m, t)) return false;
    if (t->part == PT_PART_EMBED) return m->cfg.tied && (m->opt.heads & PT_HEAD_VOCABULARY);
    return t->kind == PT_TENSOR_MATRIX || t->kind == PT_TENSOR_HEAD;
}

/* Columns for B's and rows for A of an adapter: where a product over the longer rows can stand for that of the base and the adapter's. */
static void make_room(const pt_model *m, const pt_tensor_spec *t, pt_buf *b)
{
    int first, last, sum = 0;
    if (t->kind != PT_TENSOR_MATRIX || t->layer < 0 || !m->ctx->ops->apart) return;
    if (!pt_model_folds(m) || !m->blocks[t->layer].rank[t->part]) return;
    pt_lora_group(t->part, &first, &last);
    for (int k = first; k <= last; k++) sum += pt_lora_columns(m->blocks[t->layer].rank[k]);
    b->room_cols = sum;
    b->room_rows = pt_lora_columns(m->blocks[t->layer].rank[t->part]);
}

/* The next `bytes` of the block. */
static pt_status take(pt_model *m, size_t bytes, size_t *at)
{
    const size_t next = pt_align_up(bytes, WEIGHT_ALIGN);
    *at = m->weights.bytes + 1;
    if (next < bytes || __builtin_add_overflow(m->weights.bytes, next, &m->weights.bytes)) return pt_fail(PT_ESHAPE, "the weights' sizes overflow");
    return PT_OK;
}

/* A matrix of the activations' type has the room behind its own numbers: it is its own second form. */
static pt_status place(pt_model *m, const pt_tensor_spec *t, pt_frozen *f, pt_view *v)
{
    const pt_ops *ops = m->ctx->ops;
    make_room(m, t, &f->buf);
    if (v->type == m->ctx->act && f->buf.room_cols) {
        const size_t elem = pt_dtype_get(v->type)->bytes;
        v->ld += f->buf.room_cols;
        if (!pt_mul_size((size_t)(v->rows + f->buf.room_rows), (size_t)v->ld * elem, &f->buf.bytes)) return pt_fail(PT_ESHAPE, "the weights' sizes overflow");
        f->buf.kept = true;
    }
    if (m->opt.train && ops->apart && ops->packed_bytes && multiplied(m, t)) f->as_numbers = ops->packed_bytes(m->ctx, PT_FORM_PRODUCTS, *v);
    const size_t packed = m->opt.hold && ops->packed_bytes ? ops->packed_bytes(m->ctx, PT_FORM_DECODE, *v) : 0;
    if (packed) return take(m, packed, &f->packed_at);
    return ops->apart || m->opt.hold ? take(m, f->buf.bytes, &f->at) : PT_OK;
}

pt_status pt_frozen_place(pt_model *m)
{
    PT_RETURN(pt_alloc0(&m->fixed, m->n_specs));
    for (size_t i = 0; i < m->n_specs; i++) {
        const pt_tensor_spec *t = &m->specs[i];
        pt_frozen *f = &m->fixed[i];
        pt_source_tensor w;
        if (pt_tensor_trained(m, t)) continue;
        PT_RETURN(pt_source_describe(m->src, t->name, t->rows, t->cols, &w));
        pt_view v = {.buf = &f->buf, .type = w.type, .rows = w.rows, .cols = w.cols, .ld = w.cols};
        f->buf.bytes = w.bytes;
        PT_RETURN(place(m, t, f, &v));
        pt_lin *l = pt_lin_of(m, t);
        if (t->kind == PT_TENSOR_BIAS)
            l->b = v;
        else
            l->w = v;
    }
    pt_tie_heads(m);
    return PT_OK;
}

size_t pt_frozen_wrapped(const pt_model *m)
{
    size_t sum = 0;
    for (size_t i = 0; i < m->n_specs; i++)
        if (!m->fixed[i].at) sum += m->fixed[i].buf.bytes;
    return sum;
}

void pt_frozen_bind(pt_model *m)
{
    for (size_t i = 0; i < m->n_specs; i++)
        if (m->fixed[i].at) m->fixed[i].buf.base = m->weights.base + m->fixed[i].at - 1;
}

/* ---- numbers for products -------------------------------------------------------------------------------------------------- */

/* Marks the first n of the matrices that can be kept; of NULL nothing is marked. How many there are. */
static size_t mark(const pt_model *m, pt_frozen *f, size_t n)
{
    size_t seen = 0;
    for (int layers = 0; layers < 2; layers++)
        for (size_t i = 0; i < m->n_specs; i++)
            if ((m->specs[i].kind == PT_TENSOR_MATRIX) == layers && m->fixed[i].as_numbers) {
                if (f) f[i].buf.kept = seen < n;
                seen++;
            }
    return seen;
}

pt_status pt_model_keep(pt_model *m, size_t n)
{
    if (m->committed) return pt_fail(PT_ESTATE, "the model is committed: what it keeps is fixed");
    mark(m, m->fixed, n);
    return PT_OK;
}

size_t pt_model_keepable(const pt_model *m)
{
    return mark(m, NULL, 0);
}

size_t pt_model_keeps(const pt_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_specs; i++) n += m->fixed[i].buf.kept && m->fixed[i].as_numbers;
    return n;
}

pt_status pt_frozen_carve(pt_model *m)
{
    for (size_t i = 0; i < m->n_specs; i++) {
        pt_frozen *f = &m->fixed[i];
        f->numbers = PT_NO_VIEW;
        const size_t bytes = f->buf.kept ? f->as_numbers : 0;
        if (bytes) PT_RETURN(pt_arena_carve(&m->arena[PT_ROLE_KEPT], PT_U8, 1, (int64_t)bytes, &f->numbers));
        if (f->buf.base && f->buf.kept) f->buf.packed = bytes ? f->numbers.buf->base + f->numbers.off : f->buf.base;
    }
    return PT_OK;
}

/* ---- loading --------------------------------------------------------------------------------------------------------------- */

/* A backend reads f32 and 16-bit weights by their own alignment; a file may hold them anywhere. */
static bool aligned(const pt_source_tensor *t)
{
    uintptr_t need = t->type == PT_F32 ? 3 : t->type == PT_F16 || t->type == PT_BF16 ? 1 : 0;
    return ((uintptr_t)t->data & need) == 0;
}

/* Into the device's memory; zeros where it has room, its numbers where they are kept. */
static pt_status load_apart(pt_model *m, const pt_frozen *f, pt_view at, const void *data)
{
    const pt_ops *ops = m->ctx->ops;
    PT_RETURN(ops->load(m->ctx, at, data));
    if (pt_view_ok(f->numbers)) return ops->pack(m->ctx, at, f->numbers.buf->base + f->numbers.off);
    if (at.ld == at.cols) return PT_OK;
    pt_view beside = {.buf = at.buf, .off = (size_t)at.cols * pt_dtype_get(at.type)->bytes, .type = at.type, .rows = at.rows, .cols = at.ld - at.cols, .ld = at.ld};
    pt_view below = {.buf = at.buf, .off = (size_t)at.rows * pt_view_row_bytes(at), .type = at.type, .rows = f->buf.room_rows, .cols = at.ld, .ld = at.ld};
    PT_RETURN(ops->zero(m->ctx, beside));
    return ops->zero(m->ctx, below);
}

pt_status pt_frozen_load(pt_model *m, size_t i)
{
    const pt_tensor_spec *t = &m->specs[i];
    const pt_ops *ops = m->ctx->ops;
    pt_frozen *f = &m->fixed[i];
    pt_source_tensor w;
    PT_RETURN(pt_source_tensor_get(m->src, t->name, t->rows, t->cols, &w));
    const pt_view at = t->kind == PT_TENSOR_BIAS ? pt_lin_of(m, t)->b : pt_lin_of(m, t)->w;
    if (ops->apart) return load_apart(m, f, at, w.data);
    if (f->at) {
        PT_RETURN(ops->upload(m->ctx, at, w.data));
        pt_mapped_forget(w.data, w.bytes);
        return PT_OK;
    }
    bool written = m->new_rows.n && w.rows == m->cfg.vocab && t->kind != PT_TENSOR_MATRIX; /* new_rows.c writes into it: a copy of this model's own */
    if (aligned(&w) && !written) {
        PT_RETURN(ops->adopt(m->ctx, &f->buf, w.data, w.bytes));
        if (f->packed_at) {
            void *to = m->weights.base + f->packed_at - 1;
            PT_RETURN(ops->pack(m->ctx, at, to));
            f->buf.packed = to;
            pt_mapped_forget(w.data, w.bytes);
        }
        return PT_OK;
    }
    PT_RETURN(ops->alloc(m->ctx, &f->buf, w.bytes));
    pt_view v = {.buf = &f->buf, .type = w.type, .rows = w.rows, .cols = w.cols, .ld = w.cols};
    return ops->upload(m->ctx, v, w.data);
}
