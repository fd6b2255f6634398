#include "train/export/recode.h"

#include <stdlib.h>
#include <string.h>

#include "base/quant.h"
#include "train/model/heads.h"
#include "train/model/source_impl.h"

typedef struct replaced {
    pt_source_entry *e;
    pt_source_tensor was;
    unsigned char *bytes;
} replaced;

struct pt_recoded {
    replaced *list;
    size_t n;
};

static pt_source_entry *entry_of(pt_source *s, const char *name)
{
    for (size_t i = 0; i < s->n_entries; i++)
        if (!strcmp(s->entries[i].spec.name, name)) return &s->entries[i];
    return NULL;
}

/* Pieces of rows go through floats: the whole matrix as floats may be large. */
static pt_status quantise(const pt_source_tensor *t, pt_dtype type, const float *weights, unsigned char *bytes)
{
    pt_status rc = PT_OK;
    float *x = NULL;
    size_t row, from;
    int64_t piece = ((int64_t)1 << 22) / t->cols + 1;
    PT_TRY(pt_dtype_row_bytes(type, (size_t)t->cols, &row));
    PT_TRY(pt_dtype_row_bytes(t->type, (size_t)t->cols, &from));
    PT_TRY(pt_calloc(&x, (size_t)((piece < t->rows ? piece : t->rows) * t->cols), sizeof *x));
    for (int64_t r = 0; r < t->rows; r += piece) {
        int64_t n = t->rows - r < piece ? t->rows - r : piece;
        PT_TRY(pt_dequant_rows(t->type, (const unsigned char *)t->data + (size_t)r * from, n, t->cols, x));
        PT_TRY(pt_quant_rows_weighted(type, x, n, t->cols, weights, bytes + (size_t)r * row));
    }
done:
    free(x);
    return rc;
}

static pt_status recode_one(pt_recoded *r, pt_source *s, const pt_tensor_spec *spec, pt_dtype type, const pt_imatrix *im)
{
    pt_status rc = PT_OK;
    pt_source_tensor t;
    unsigned char *bytes = NULL;
    size_t row, all;
    char name[128];
    PT_TRY(pt_source_tensor_get(s, spec->name, spec->rows, spec->cols, &t));
    if (t.type == type) goto done;
    const float *weights = im && pt_tensor_gguf_name(pt_family_of(&s->cfg), spec, name, sizeof name) ? pt_imatrix_mean(im, name, spec->cols) : NULL;
    PT_TRY(pt_dtype_row_bytes(type, (size_t)t.cols, &row));
    PT_CHECK(pt_mul_size(row, (size_t)t.rows, &all), PT_ESHAPE, "%s overflows", spec->name);
    PT_TRY(pt_alloc0(&bytes, all + 4));
    PT_TRY(quantise(&t, type, weights, bytes));
    pt_source_entry *e = entry_of(s, spec->name);
    PT_CHECK(e, PT_EINTERNAL, "%s has no entry", spec->name);
    r->list[r->n++] = (replaced){e, e->t, bytes};
    e->t = (pt_source_tensor){bytes, all, type, t.rows, t.cols};
    bytes = NULL;
done:
    free(bytes);
    return rc;
}

pt_status pt_recode(pt_recoded **out, pt_source *s, const pt_dtype *types, size_t n, const pt_imatrix *im)
{
    pt_status rc = PT_OK;
    pt_recoded *r = NULL;
    pt_tensor_spec *specs = NULL;
    size_t n_specs = 0;
    *out = NULL;
    PT_TRY(pt_config_tensors(&s->cfg, PT_HEAD_VOCABULARY, 0, &specs, &n_specs));
    PT_CHECK(n == n_specs, PT_ESTATE, "the base has %zu tensors, the export %zu", n_specs, n);
    PT_TRY(pt_alloc0(&r, 1));
    PT_TRY(pt_alloc0(&r->list, n));
    for (size_t i = 0; i < n; i++)
        if (!pt_tensor_is_vector(&specs[i])) PT_TRY(recode_one(r, s, &specs[i], types[i], im));
    *out = r;
    r = NULL;
done:
    pt_recode_undo(r);
    free(specs);
    return rc;
}

void pt_recode_undo(pt_recoded *r)
{
    if (!r) return;
    for (size_t i = 0; r->list && i < r->n; i++) {
        r->list[i].e->t = r->list[i].was;
        free(r->list[i].bytes);
    }
    free(r->list);
    free(r);
}
