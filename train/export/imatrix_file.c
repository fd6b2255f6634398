/* Files of importances: train/export/imatrix.h says what stands in them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/gguf.h"
#include "train/export/imatrix.h"

static const char sums_end[] = ".in_sum2", counts_end[] = ".counts";
static const size_t MAX_FILE = (size_t)1 << 30;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pt_imatrix_entry *)a)->name, ((const pt_imatrix_entry *)b)->name);
}

/* A new entry of `cols` columns; its means are to be filled. */
static pt_status add_entry(pt_imatrix *im, const char *name, size_t n, int64_t cols, double count, pt_imatrix_entry **out)
{
    PT_RETURN(pt_reserve(&im->entries, &im->cap, im->n + 1));
    pt_imatrix_entry *e = *out = &im->entries[im->n++];
    *e = (pt_imatrix_entry){.cols = cols, .count = count};
    PT_RETURN(pt_strndup(&e->name, name, n));
    return pt_calloc(&e->mean, (size_t)cols, sizeof *e->mean);
}

/* Sums to means; what no token reached weighs 1, as llama.cpp has it. */
static pt_status fill(pt_imatrix_entry *e, const unsigned char *sums)
{
    for (int64_t c = 0; c < e->cols; c++) {
        float s;
        memcpy(&s, sums + 4 * c, 4);
        e->mean[c] = e->count > 0 ? (float)((double)s / e->count) : 1;
        if (!isfinite(s) || s < 0 || !isfinite(e->mean[c]))
            return pt_fail(PT_EFORMAT, "the sum of squares of %s, column %lld, is %g", e->name, (long long)c, (double)s);
    }
    return PT_OK;
}

static pt_status sort_entries(pt_imatrix *im)
{
    if (!im->n) return pt_fail(PT_EFORMAT, "it holds no importances");
    qsort(im->entries, im->n, sizeof *im->entries, by_name);
    for (size_t i = 1; i < im->n; i++)
        if (!strcmp(im->entries[i - 1].name, im->entries[i].name)) return pt_fail(PT_EFORMAT, "%s stands twice", im->entries[i].name);
    return PT_OK;
}

/* ---- GGUF --------------------------------------------------------------------------------------------------------------------------------- */

static pt_status read_entry(pt_imatrix *im, const pt_gguf *g, const pt_gguf_tensor *t)
{
    pt_status rc = PT_OK;
    size_t n = strlen(t->name) - (sizeof sums_end - 1);
    const pt_gguf_tensor *c;
    pt_imatrix_entry *e;
    char *counts = NULL;
    float count;
    PT_TRY(pt_asprintf(&counts, "%.*s%s", (int)n, t->name, counts_end));
    PT_TRY(pt_gguf_need(g, counts, &c));
    PT_CHECK(t->known && t->type == PT_F32 && c->type == PT_F32, PT_EFORMAT, "%s is not f32", t->name);
    PT_CHECK(t->rows == 1 && c->rows == 1 && c->dims[0] == 1, PT_ENOSUP, "%s is of a matrix of experts, which no model here has", t->name);
    memcpy(&count, c->data, 4);
    PT_CHECK(isfinite(count) && count >= 0, PT_EFORMAT, "%s is %g", counts, (double)count);
    PT_TRY(add_entry(im, t->name, n, t->dims[0], (double)count, &e));
    PT_TRY(fill(e, t->data));
done:
    free(counts);
    return rc;
}

static pt_status read_gguf(pt_imatrix *im, const char *path)
{
    pt_status rc = PT_OK;
    pt_gguf *g = NULL;
    pt_gguf_str type, *data = NULL;
    size_t n = 0;
    PT_TRY(pt_gguf_open(&g, path));
    PT_TRY(pt_gguf_text(g, "general.type", &type));
    PT_CHECK(type.n == 7 && !memcmp(type.s, "imatrix", 7), PT_EARG, "a GGUF file of a %.*s, not of importances", (int)(type.n < 40 ? type.n : 40), type.s);
    if (pt_gguf_find(g, "imatrix.datasets")) PT_TRY(pt_gguf_texts(g, "imatrix.datasets", &data, &n));
    if (n) PT_TRY(pt_strndup(&im->data, data[0].s, data[0].n));
    if (pt_gguf_find(g, "imatrix.chunk_count")) PT_TRY(pt_gguf_int(g, "imatrix.chunk_count", 0, UINT32_MAX, &im->chunks));
    if (pt_gguf_find(g, "imatrix.chunk_size")) PT_TRY(pt_gguf_int(g, "imatrix.chunk_size", 0, UINT32_MAX, &im->chunk_size));
    for (size_t i = 0; i < g->n_tensors; i++) {
        size_t len = strlen(g->tensors[i].name);
        if (len > sizeof sums_end - 1 && !strcmp(g->tensors[i].name + len - (sizeof sums_end - 1), sums_end)) PT_TRY(read_entry(im, g, &g->tensors[i]));
    }
done:
    free(data);
    pt_gguf_close(g);
    return rc;
}

/* ---- .dat --------------------------------------------------------------------------------------------------------------------------------- */

typedef struct rest {
    const unsigned char *p;
    size_t n;
} rest;

static bool take_i32(rest *r, int32_t *v)
{
    if (r->n < 4) return false;
    *v = (int32_t)((uint32_t)r->p[0] | (uint32_t)r->p[1] << 8 | (uint32_t)r->p[2] << 16 | (uint32_t)r->p[3] << 24);
    r->p += 4;
    r->n -= 4;
    return true;
}

static bool take_bytes(rest *r, int32_t n, const unsigned char **out)
{
    if (n < 1 || (size_t)n > r->n) return false;
    *out = r->p;
    r->p += n;
    r->n -= (size_t)n;
    return true;
}

static pt_status read_dat(pt_imatrix *im, rest r)
{
    int32_t n = 0, len, calls, cols;
    const unsigned char *name, *sums;
    if (!take_i32(&r, &n) || n < 1 || (size_t)n > r.n / 17) return pt_fail(PT_EFORMAT, "no importances: neither a GGUF file nor an imatrix.dat");
    for (int32_t i = 0; i < n; i++) {
        pt_imatrix_entry *e;
        if (!take_i32(&r, &len) || !take_bytes(&r, len, &name) || memchr(name, 0, (size_t)len) || !take_i32(&r, &calls) || calls < 0 || !take_i32(&r, &cols) ||
            cols < 1 || (size_t)cols > r.n / 4 || !take_bytes(&r, cols * 4, &sums))
            return pt_fail(PT_EFORMAT, "entry %d of %d is damaged, or the file is cut off", i + 1, n);
        PT_RETURN(add_entry(im, (const char *)name, (size_t)len, cols, calls, &e));
        PT_RETURN(fill(e, sums));
    }
    if (take_i32(&r, &calls)) im->chunks = calls < 0 ? 0 : calls;
    if (take_i32(&r, &len) && take_bytes(&r, len, &name)) return pt_strndup(&im->data, (const char *)name, (size_t)len);
    return PT_OK;
}

pt_status pt_imatrix_read(pt_imatrix *out, const char *path)
{
    pt_status rc = PT_OK;
    char *bytes = NULL;
    size_t n;
    *out = (pt_imatrix){0};
    PT_TRY(pt_file_read(&bytes, &n, path, MAX_FILE));
    rc = n >= 4 && !memcmp(bytes, "GGUF", 4) ? read_gguf(out, path) : read_dat(out, (rest){(const unsigned char *)bytes, n});
    if (rc == PT_OK) rc = sort_entries(out);
    if (rc != PT_OK && strncmp(pt_err_msg(), path, strlen(path))) pt_fail_prefix(rc, "%s", path);
    if (rc == PT_OK) rc = pt_strdup(&out->path, path);
done:
    free(bytes);
    if (rc != PT_OK) pt_imatrix_free(out);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------------------ */

static pt_status put_entries(pt_gguf_writer *w, const pt_imatrix *im)
{
    pt_status rc = PT_OK;
    char *name = NULL;
    for (size_t i = 0; i < im->n; i++)
        for (int k = 0; k < 2; k++) {
            const int64_t dims[2] = {k ? 1 : im->entries[i].cols, 1};
            PT_TRY(pt_asprintf(&name, "%s%s", im->entries[i].name, k ? counts_end : sums_end));
            PT_TRY(pt_gguf_put_tensor(w, name, PT_F32, 2, dims));
            free(name);
            name = NULL;
        }
done:
    free(name);
    return rc;
}

static pt_status write_entries(pt_gguf_writer *w, const pt_imatrix *im)
{
    for (size_t i = 0; i < im->n; i++) {
        const pt_imatrix_entry *e = &im->entries[i];
        float count = (float)e->count;
        for (int64_t c = 0; c < e->cols; c++) {
            float sum = (float)((double)e->mean[c] * e->count);
            PT_RETURN(pt_gguf_write(w, &sum, 4));
        }
        PT_RETURN(pt_gguf_write(w, &count, 4));
    }
    return PT_OK;
}

pt_status pt_imatrix_write(const pt_imatrix *im, const char *path)
{
    pt_status rc = PT_OK;
    pt_gguf_writer w = {0};
    const pt_gguf_str data = {im->data ? im->data : "", im->data ? strlen(im->data) : 0};
    PT_TRY(pt_gguf_writer_open(&w, path));
    PT_TRY(pt_gguf_put_text(&w, "general.type", "imatrix", 7));
    PT_TRY(pt_gguf_put_texts(&w, "imatrix.datasets", &data, 1));
    PT_TRY(pt_gguf_put_u32(&w, "imatrix.chunk_count", (uint32_t)im->chunks));
    PT_TRY(pt_gguf_put_u32(&w, "imatrix.chunk_size", (uint32_t)im->chunk_size));
    PT_TRY(pt_gguf_put_seal(&w));
    PT_TRY(put_entries(&w, im));
    PT_TRY(write_entries(&w, im));
    PT_TRY(pt_gguf_writer_commit(&w));
done:
    pt_gguf_writer_close(&w);
    return rc;
}
