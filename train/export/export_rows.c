#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/quant.h"
#include "train/export/export_impl.h"

enum { PIECE = 1 << 18 }; /* elements made at a time, 1 MiB of f32: what an export holds beside the model is planned (train/loop/plan.c) */

const pt_lora_module *pt_lora_module_at(const pt_model *m, int layer, int kind)
{
    for (size_t i = 0; i < m->n_modules; i++)
        if (m->modules[i].layer == layer && m->modules[i].kind == kind) return &m->modules[i];
    return NULL;
}

pt_status pt_out_adapter(pt_model *m, const pt_lora_module *x, float **a, float **b)
{
    const pt_lora_slot *s = pt_block_at(m, x->layer)->slots[x->kind];
    PT_RETURN(pt_calloc(a, (size_t)(x->r * x->in), sizeof **a));
    PT_RETURN(pt_calloc(b, (size_t)(x->out * x->r), sizeof **b));
    PT_RETURN(m->ctx->ops->download(m->ctx, *a, s->a));
    return m->ctx->ops->download(m->ctx, *b, s->b);
}

pt_status pt_export_plain_type(pt_dtype asked, pt_dtype fallback, pt_dtype *out)
{
    *out = asked == PT_DTYPE_COUNT ? fallback : asked;
    if (*out == PT_F32 || *out == PT_F16 || *out == PT_BF16) return PT_OK;
    return pt_fail(PT_ENOSUP, "safetensors hold f32, f16 or bf16, not %s", pt_dtype_get(*out)->name);
}

/* Rows that a piece has to hold together. */
static int64_t unit_of(const pt_out_tensor *o)
{
    if (o->transposed || o->order == PT_ROWS_TO_GROUPED) return o->spec->rows;
    return o->order != PT_ROWS_SAME && o->spec->rows > 1 ? o->m->cfg.head_dim : 1;
}

pt_status pt_out_open(pt_out_tensor *o, pt_model *m, const pt_tensor_spec *spec, pt_out_format format)
{
    pt_status rc = PT_OK;
    const pt_lora_module *x = spec->kind == PT_TENSOR_MATRIX ? pt_lora_module_at(m, spec->layer, spec->module) : NULL;
    int64_t at = pt_param_find(m, spec->name);
    *o = (pt_out_tensor){.m = m, .spec = spec};
    if (at >= 0)
        o->trained = pt_param_part(m->flat, &m->params[at]);
    else
        PT_TRY(pt_source_tensor_get(m->src, spec->name, spec->rows, spec->cols, &o->src));
    for (int k = 0; k < PT_ROWS_OF; k++) {
        bool its = k == PT_ROWS_OF_EMBED ? spec->kind == PT_TENSOR_EMBED : spec->kind == PT_TENSOR_HEAD && spec->head == PT_HEAD_AT_VOCABULARY;
        if (!its || !pt_new_rows_on(m, k)) continue;
        PT_TRY(pt_calloc(&o->fresh, (size_t)(m->new_rows.n * spec->cols), sizeof *o->fresh));
        PT_TRY(pt_new_rows_get(m, k, o->fresh));
    }
    if (x) {
        PT_TRY(pt_out_adapter(m, x, &o->a, &o->b));
        o->r = x->r;
        o->scale = (float)x->scale;
    }
    if (spec->module >= 0) o->order = format == PT_OUT_GGUF ? pt_rows_to_gguf(&m->cfg, spec->module) : pt_rows_to_hf(&m->cfg, spec->module);
    if (spec->kind == PT_TENSOR_NORM) o->shift = m->cfg.norm_add - (format == PT_OUT_GGUF ? 0 : pt_family_norm_add(m->fam));
    o->transposed = format == PT_OUT_HF && spec->kind == PT_TENSOR_MATRIX && spec->layout == PT_LAYOUT_TRANSPOSED;
    int64_t unit = unit_of(o);
    o->piece = PIECE / spec->cols / unit * unit;
    if (o->piece < unit) o->piece = unit;
    if (o->piece > spec->rows) o->piece = spec->rows;
    PT_TRY(pt_calloc(&o->rows, (size_t)(o->piece * spec->cols), sizeof *o->rows));
    if (o->order != PT_ROWS_SAME || o->transposed) PT_TRY(pt_calloc(&o->turned, (size_t)(o->piece * spec->cols), sizeof *o->turned));
done:
    if (rc != PT_OK) pt_out_close(o);
    return rc;
}

void pt_out_close(pt_out_tensor *o)
{
    free(o->a);
    free(o->b);
    free(o->fresh);
    free(o->rows);
    free(o->turned);
    *o = (pt_out_tensor){0};
}

/* w += scale * B.A for rows r0.. of the stored order */
static void merge(const pt_out_tensor *o, int64_t r0, int64_t n)
{
    int64_t cols = o->spec->cols;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        float *w = o->rows + i * cols;
        for (int k = 0; k < o->r; k++) {
            float f = o->scale * o->b[(r0 + i) * o->r + k];
            const float *a = o->a + k * cols;
            for (int64_t c = 0; c < cols; c++) w[c] += f * a[c];
        }
    }
}

/* Rows of a matrix, or the elements of a bias vector, into the target's order. */
static void turn(const pt_out_tensor *o, int64_t n)
{
    bool vector = o->spec->rows == 1;
    int64_t units = vector ? o->spec->cols : n, size = vector ? 1 : o->spec->cols;
    for (int64_t i = 0; i < units; i++)
        memcpy(o->turned + i * size, o->rows + pt_row_from(&o->m->cfg, o->order, i) * size, (size_t)size * sizeof *o->rows);
}

static void transpose(const pt_out_tensor *o)
{
    int64_t rows = o->spec->rows, cols = o->spec->cols;
    for (int64_t c = 0; c < cols; c++)
        for (int64_t r = 0; r < rows; r++) o->turned[c * rows + r] = o->rows[r * cols + c];
}

pt_status pt_out_rows(pt_out_tensor *o, int64_t r0, int64_t n, const float **rows)
{
    int64_t cols = o->spec->cols;
    if (pt_view_ok(o->trained))
        PT_RETURN(o->m->ctx->ops->download(o->m->ctx, o->rows, pt_view_rows(o->trained, r0, n)));
    else {
        size_t row;
        PT_RETURN(pt_dtype_row_bytes(o->src.type, (size_t)cols, &row));
        const unsigned char *p = (const unsigned char *)o->src.data + (size_t)r0 * row;
#pragma omp parallel for schedule(static) if (n > 16)
        for (int64_t i = 0; i < n; i++) pt_dequant_run(o->src.type, p + (size_t)i * row, cols, o->rows + i * cols);
    }
    if (o->a) merge(o, r0, n);
    for (int64_t i = 0, f = r0 - o->m->new_rows.first; o->fresh && i < n; i++, f++)
        if (f >= 0 && f < o->m->new_rows.n) memcpy(o->rows + i * cols, o->fresh + f * cols, (size_t)cols * sizeof *o->rows);
    for (int64_t i = 0; o->shift != 0 && i < n * cols; i++) o->rows[i] += o->shift;
    *rows = o->turned ? o->turned : o->rows;
    if (o->transposed) transpose(o); /* the piece is the whole matrix */
    else if (o->turned) turn(o, n);  /* a piece holds what is reordered together */
    return PT_OK;
}

bool pt_out_verbatim(const pt_out_tensor *o, pt_dtype type)
{
    return o->src.data && o->src.type == type && !o->a && !o->fresh && !o->turned && o->shift == 0;
}

pt_status pt_out_write(pt_out_tensor *o, pt_dtype type, const float *weights, pt_out_put put, void *user)
{
    pt_status rc = PT_OK;
    unsigned char *bytes = NULL;
    size_t row;
    const pt_tensor_spec *s = o->spec;
    if (pt_out_verbatim(o, type)) return put(user, o->src.data, o->src.bytes);
    int64_t cols = o->transposed ? s->rows : s->cols, rows = o->transposed ? s->cols : s->rows, piece = o->transposed ? rows : o->piece;
    PT_TRY(pt_dtype_row_bytes(type, (size_t)cols, &row));
    PT_TRY(pt_alloc0(&bytes, row * (size_t)piece));
    for (int64_t r = 0; r < rows; r += piece) {
        int64_t n = rows - r < piece ? rows - r : piece;
        const float *f;
        PT_TRY(pt_out_rows(o, r, o->transposed ? s->rows : n, &f));
        PT_TRY(pt_quant_rows_weighted(type, f, n, cols, weights, bytes));
        PT_TRY(put(user, bytes, row * (size_t)n));
    }
done:
    free(bytes);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "writing %s", s->name);
}

/* ---- how much of a change a type keeps ------------------------------------------------------------------------------------------------- */

/* The same tensor as the base has it, in the same order. */
static pt_status open_base(pt_out_tensor *o, pt_model *m, const pt_tensor_spec *spec, pt_out_format format)
{
    PT_RETURN(pt_out_open(o, m, spec, format));
    free(o->a);
    free(o->b);
    free(o->fresh);
    o->a = o->b = o->fresh = NULL;
    if (!pt_view_ok(o->trained)) return PT_OK;
    o->trained = PT_NO_VIEW;
    return pt_source_tensor_get(m->src, spec->name, spec->rows, spec->cols, &o->src);
}

/* Adds a piece of a tensor: what is written of the change, along the change, and the change itself. */
static pt_status add_kept(pt_out_tensor *now, pt_out_tensor *base, pt_dtype type, double *along, double *whole)
{
    pt_status rc = PT_OK;
    int64_t cols = now->spec->cols, n = now->piece, unit = now->turned ? now->piece : 1;
    const float *f, *w;
    unsigned char *bytes = NULL;
    float *q = NULL;
    size_t row;
    if (n * cols > 1 << 16 && unit == 1) n = (1 << 16) / cols > 0 ? (1 << 16) / cols : 1;
    PT_TRY(pt_dtype_row_bytes(type, (size_t)cols, &row));
    PT_TRY(pt_alloc0(&bytes, row * (size_t)n));
    PT_TRY(pt_calloc(&q, (size_t)(n * cols), sizeof *q));
    PT_TRY(pt_out_rows(now, 0, n, &f));
    PT_TRY(pt_out_rows(base, 0, n, &w));
    PT_TRY(pt_quant_rows(type, f, n, cols, bytes));
    PT_TRY(pt_dequant_rows(type, bytes, n, cols, q));
    for (int64_t i = 0; i < n * cols; i++) {
        double change = (double)f[i] - (double)w[i];
        *along += ((double)q[i] - (double)w[i]) * change;
        *whole += change * change;
    }
done:
    free(bytes);
    free(q);
    return rc;
}

pt_status pt_export_kept(pt_model *m, bool gguf, pt_dtype type, double *kept)
{
    pt_status rc = PT_OK;
    pt_out_tensor now = {0}, base = {0};
    double along = 0, whole = 0;
    *kept = NAN;
    for (size_t i = 0; i < m->n_specs && !m->src->random; i++) {
        const pt_tensor_spec *s = &m->specs[i];
        bool changed = pt_param_find(m, s->name) >= 0 || pt_lora_module_at(m, s->layer, s->module);
        if (s->kind != PT_TENSOR_MATRIX || !changed || s->cols % pt_dtype_get(type)->block) continue;
        PT_TRY(pt_out_open(&now, m, s, gguf ? PT_OUT_GGUF : PT_OUT_HF));
        PT_TRY(open_base(&base, m, s, gguf ? PT_OUT_GGUF : PT_OUT_HF));
        PT_TRY(add_kept(&now, &base, type, &along, &whole));
        pt_out_close(&now);
        pt_out_close(&base);
    }
    if (whole > 0) *kept = along / whole;
done:
    pt_out_close(&now);
    pt_out_close(&base);
    return rc;
}
