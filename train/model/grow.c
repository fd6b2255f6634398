/* Rows for tokens that a base does not have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/quant.h"
#include "train/model/heads.h"
#include "train/model/source_impl.h"

static bool by_token(const pt_source_entry *e)
{
    return e->spec.kind == PT_TENSOR_EMBED || (e->spec.kind == PT_TENSOR_HEAD && e->spec.head == PT_HEAD_AT_VOCABULARY);
}

/* out[c] = the mean of the rows of `ids`; NULL: of rows [0, n). */
static pt_status mean_of(const pt_source_tensor *t, const pt_ids *ids, int64_t n, float *out)
{
    pt_status rc = PT_OK;
    float *row = NULL;
    double *sum = NULL;
    size_t bytes;
    if (ids) n = (int64_t)ids->n;
    PT_TRY(pt_dtype_row_bytes(t->type, (size_t)t->cols, &bytes));
    PT_TRY(pt_calloc(&row, (size_t)t->cols, sizeof *row));
    PT_TRY(pt_calloc(&sum, (size_t)t->cols, sizeof *sum));
    for (int64_t r = 0; r < n; r++) {
        const size_t at = (size_t)(ids ? ids->ids[r] : r);
        pt_dequant_run(t->type, (const unsigned char *)t->data + at * bytes, t->cols, row);
        for (int64_t c = 0; c < t->cols; c++) sum[c] += (double)row[c];
    }
    for (int64_t c = 0; c < t->cols; c++) out[c] = (float)(sum[c] / (double)n);
done:
    free(row);
    free(sum);
    return rc;
}

/* The first values of the new rows. */
static pt_status begin_rows(const pt_source *s, const pt_source_tensor *t, const pt_ids *from, pt_dtype type, unsigned char *made, float *row)
{
    size_t bytes;
    PT_RETURN(pt_dtype_row_bytes(type, (size_t)t->cols, &bytes));
    for (int32_t i = 0; i < s->grown_n; i++) {
        if (i == 0 || from) PT_RETURN(mean_of(t, from ? &from[i] : NULL, s->grown_first, row));
        PT_RETURN(pt_quant_rows(type, row, 1, t->cols, made + (size_t)(s->grown_first + i) * bytes));
    }
    return PT_OK;
}

/* The tensor's copy of `rows` rows; a quantised one becomes f16, in which new rows can change. */
static pt_status grow_entry(pt_source *s, pt_source_entry *e, int64_t rows, const pt_ids *from)
{
    pt_status rc = PT_OK;
    unsigned char *made = NULL;
    float *row = NULL;
    size_t bytes, old;
    pt_source_tensor t;
    PT_TRY(pt_source_tensor_get(s, e->spec.name, 0, 0, &t));
    const pt_dtype type = pt_dtype_quantised(t.type) ? PT_F16 : t.type;
    PT_TRY(pt_dtype_row_bytes(type, (size_t)t.cols, &bytes));
    PT_TRY(pt_dtype_row_bytes(t.type, (size_t)t.cols, &old));
    PT_TRY(pt_calloc(&made, (size_t)rows, bytes));
    PT_TRY(pt_calloc(&row, (size_t)t.cols, sizeof *row));
    if (type == t.type)
        memcpy(made, t.data, (size_t)t.rows * bytes);
    for (int64_t r = 0; type != t.type && r < t.rows; r++) {
        pt_dequant_run(t.type, (const unsigned char *)t.data + (size_t)r * old, t.cols, row);
        PT_TRY(pt_quant_rows(type, row, 1, t.cols, made + (size_t)r * bytes));
    }
    PT_TRY(begin_rows(s, &t, from, type, made, row));
    if (type != t.type) pt_log(PT_LOG_INFO, "added_tokens: %s is %s and is held as f16, in memory and in exports", e->spec.name, pt_dtype_get(t.type)->name);
    free(e->made);
    e->made = made;
    made = NULL;
    e->t = (pt_source_tensor){e->made, (size_t)rows * bytes, type, rows, t.cols};
    e->stored = (pt_source_tensor){0};
    e->spec.rows = rows;
done:
    free(made);
    free(row);
    return rc;
}

pt_status pt_source_grow(pt_source *s, int32_t first, int32_t n, const pt_ids *from)
{
    const int32_t old = s->cfg.vocab, rows = first + n > old ? first + n : old;
    uint64_t bytes = 0;
    if (s->grown_n) return pt_fail(PT_ESTATE, "%s: rows for added tokens twice", s->path);
    if (first < 1 || n < 1 || first > old || n > INT32_MAX - first) return pt_fail(PT_EARG, "%s: rows %d to %lld for added tokens, of a vocabulary of %d", s->path, first, (long long)first + n - 1, old);
    for (int32_t i = 0; from && i < n; i++)
        for (size_t k = 0; k < from[i].n || k == 0; k++)
            if (from[i].n == 0 || from[i].ids[k] < 0 || from[i].ids[k] >= first) return pt_fail(PT_EARG, "%s: added token %d has no rows to begin from", s->path, i);
    s->grown_first = first;
    s->grown_n = n;
    for (size_t i = 0; i < s->n_entries; i++) {
        if (!by_token(&s->entries[i])) continue;
        PT_RETURN(grow_entry(s, &s->entries[i], rows, from));
        bytes += s->entries[i].t.bytes;
    }
    s->cfg.vocab = rows;
    char what[64], size[80];
    snprintf(what, sizeof what, n == 1 ? "1 token, id %d" : "%d tokens, ids %d to %d", n == 1 ? first : n, first, first + n - 1);
    snprintf(size, sizeof size, "from %d rows to %d", old, rows);
    pt_log(PT_LOG_INFO, "added_tokens: %s: the %s%s; the %s takes %llu MiB", what, rows > old ? "vocabulary grows " : "model has rows for them, so it does not grow",
           rows > old ? size : "", rows > old ? "grown copy" : "copy in which they change", (unsigned long long)(bytes >> 20));
    return PT_OK;
}

int32_t pt_source_grown(const pt_source *s, int32_t *first)
{
    *first = s->grown_first;
    return s->grown_n;
}
