#include "train/export/imatrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/quant.h"
#include "train/model/families.h"
#include "train/model/model_impl.h"

void pt_imatrix_free(pt_imatrix *im)
{
    for (size_t i = 0; i < im->n; i++) {
        free(im->entries[i].name);
        free(im->entries[i].mean);
    }
    free(im->entries);
    free(im->path);
    free(im->data);
    *im = (pt_imatrix){0};
}

static const pt_imatrix_entry *find(const pt_imatrix *im, const char *name)
{
    size_t lo = 0, hi = im->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(im->entries[mid].name, name);
        if (c == 0) return &im->entries[mid];
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

const float *pt_imatrix_mean(const pt_imatrix *im, const char *name, int64_t cols)
{
    const pt_imatrix_entry *e = find(im, name);
    return e && e->cols == cols ? e->mean : NULL;
}

/* ---- whose it is -------------------------------------------------------------------------------------------------------------------------- */

static const char *label(const pt_imatrix *im)
{
    return im->path ? im->path : "the importances";
}

pt_status pt_imatrix_check(const pt_imatrix *im, const pt_model *m)
{
    size_t met = 0;
    char name[128];
    for (size_t i = 0; i < m->n_specs; i++) {
        const pt_tensor_spec *s = &m->specs[i];
        if (pt_tensor_is_vector(s) || !pt_tensor_gguf_name(m->fam, s, name, sizeof name)) continue;
        const pt_imatrix_entry *e = find(im, name);
        if (!e && s->kind == PT_TENSOR_MATRIX)
            return pt_fail(PT_EARG, "%s has no importances of %s: it was computed on another model", label(im), name);
        if (!e) continue;
        met++;
        if (e->cols != s->cols)
            return pt_fail(PT_EARG, "%s has importances of %lld columns of %s, the model's has %lld: it was computed on another model", label(im),
                           (long long)e->cols, name, (long long)s->cols);
    }
    for (size_t i = 0; met < im->n && i < im->n; i++) {
        bool known = !strcmp(im->entries[i].name, "output.weight"); /* of a tied head: the embedding's own name is another */
        for (size_t k = 0; k < m->n_specs && !known; k++)
            known = pt_tensor_gguf_name(m->fam, &m->specs[k], name, sizeof name) && !strcmp(name, im->entries[i].name);
        if (!known)
            return pt_fail(PT_EARG, "%s has importances of %s, which the model has not: it was computed on another model", label(im), im->entries[i].name);
    }
    return PT_OK;
}

/* ---- computing ---------------------------------------------------------------------------------------------------------------------------- */

struct pt_imatrix_run {
    pt_model *m;
    double *sums, *one;  /* [layers * PT_MOD_COUNT, width]; of one input */
    double *counts;      /* [layers * PT_MOD_COUNT] tokens */
    int64_t width;       /* the widest input */
    unsigned char *raw;  /* as the device has it */
    float *x;            /* [rows, cols] */
    size_t raw_cap, x_cap;
};

/* sum[c] = sum over rows of x[r][c]^2 */
static void add_squares(const float *x, int64_t rows, int64_t cols, double *sum)
{
#pragma omp parallel for schedule(static)
    for (int64_t c0 = 0; c0 < cols; c0 += 64) {
        int64_t c1 = c0 + 64 < cols ? c0 + 64 : cols;
        for (int64_t c = c0; c < c1; c++) sum[c] = 0;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = c0; c < c1; c++) sum[c] += (double)x[r * cols + c] * (double)x[r * cols + c];
    }
}

static pt_status heard(void *user, int layer, int module, int n, pt_view x)
{
    pt_imatrix_run *run = user;
    size_t row;
    if (!x.rows) return PT_OK;
    PT_RETURN(pt_dtype_row_bytes(x.type, (size_t)x.cols, &row));
    PT_RETURN(pt_reserve(&run->raw, &run->raw_cap, row * (size_t)x.rows));
    PT_RETURN(pt_reserve(&run->x, &run->x_cap, (size_t)(x.rows * x.cols)));
    PT_RETURN(run->m->ctx->ops->download(run->m->ctx, run->raw, x));
    PT_RETURN(pt_dequant_rows(x.type, run->raw, x.rows, x.cols, run->x));
    add_squares(run->x, x.rows, x.cols, run->one);
    for (int i = 0; i < n; i++) {
        int64_t at = (int64_t)layer * PT_MOD_COUNT + module + i;
        for (int64_t c = 0; c < x.cols; c++) run->sums[at * run->width + c] += run->one[c];
        run->counts[at] += (double)x.rows;
    }
    return PT_OK;
}

pt_status pt_imatrix_begin(pt_imatrix_run **out, pt_model *m)
{
    pt_status rc = PT_OK;
    pt_imatrix_run *run = NULL;
    size_t modules = (size_t)m->cfg.layers * PT_MOD_COUNT;
    *out = NULL;
    PT_CHECK(m->fam->gguf, PT_ENOSUP, "llama.cpp has no %s models: importances have no names for them", m->fam->name);
    PT_TRY(pt_alloc0(&run, 1));
    run->m = m;
    for (int k = 0; k < PT_MOD_COUNT; k++) {
        int64_t rows, cols;
        if (!pt_module_on(&m->cfg, (pt_module)k)) continue;
        pt_module_shape(&m->cfg, (pt_module)k, &rows, &cols);
        if (cols > run->width) run->width = cols;
    }
    PT_TRY(pt_alloc0(&run->sums, modules * (size_t)run->width));
    PT_TRY(pt_alloc0(&run->one, (size_t)run->width));
    PT_TRY(pt_alloc0(&run->counts, modules));
    pt_model_on_inputs(m, heard, run);
    *out = run;
    run = NULL;
done:
    if (run) pt_imatrix_run_free(run);
    return rc;
}

static pt_status make_entry(const pt_imatrix_run *run, const pt_tensor_spec *s, pt_imatrix *im)
{
    char name[128];
    int64_t at = (int64_t)s->layer * PT_MOD_COUNT + s->module;
    if (!pt_tensor_gguf_name(run->m->fam, s, name, sizeof name)) return pt_fail(PT_ENOSUP, "%s has no name in GGUF", s->name);
    if (!(run->counts[at] > 0)) return pt_fail(PT_ESTATE, "no tokens went through %s", s->name);
    PT_RETURN(pt_reserve(&im->entries, &im->cap, im->n + 1));
    pt_imatrix_entry *e = &im->entries[im->n++];
    *e = (pt_imatrix_entry){.cols = s->cols, .count = run->counts[at]};
    PT_RETURN(pt_strdup(&e->name, name));
    PT_RETURN(pt_calloc(&e->mean, (size_t)s->cols, sizeof *e->mean));
    for (int64_t c = 0; c < s->cols; c++) {
        e->mean[c] = (float)(run->sums[at * run->width + c] / run->counts[at]);
        if (!isfinite(e->mean[c])) return pt_fail(PT_ENONFINITE, "column %lld of what %s reads is not finite", (long long)c, s->name);
    }
    return PT_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pt_imatrix_entry *)a)->name, ((const pt_imatrix_entry *)b)->name);
}

pt_status pt_imatrix_end(pt_imatrix_run *run, pt_imatrix *im)
{
    pt_model_on_inputs(run->m, NULL, NULL);
    for (size_t i = 0; i < run->m->n_specs; i++)
        if (run->m->specs[i].kind == PT_TENSOR_MATRIX) PT_RETURN(make_entry(run, &run->m->specs[i], im));
    qsort(im->entries, im->n, sizeof *im->entries, by_name);
    return PT_OK;
}

void pt_imatrix_run_free(pt_imatrix_run *run)
{
    if (!run) return;
    pt_model_on_inputs(run->m, NULL, NULL);
    free(run->sums);
    free(run->one);
    free(run->counts);
    free(run->raw);
    free(run->x);
    free(run);
}
