/* GGUF files: opened, every key read in every way, every tensor dequantised, every key copied into a new file. */
#include "tests/fuzz/harness.h"

#include "base/quant.h"
#include "checkpoints/gguf.h"

static void read_key(const pt_gguf *g, const char *key)
{
    int64_t v, *ints = NULL;
    double d, *nums = NULL;
    bool b;
    char *text = NULL;
    pt_gguf_str *texts = NULL;
    size_t n;
    fuzz_clean(pt_gguf_int(g, key, INT64_MIN, INT64_MAX, &v));
    fuzz_clean(pt_gguf_num(g, key, &d));
    fuzz_clean(pt_gguf_bool(g, key, &b));
    fuzz_clean(pt_gguf_text_dup(g, key, &text));
    fuzz_clean(pt_gguf_ints(g, key, &ints, &n));
    fuzz_clean(pt_gguf_nums(g, key, &nums, &n));
    pt_status rc = pt_gguf_texts(g, key, &texts, &n);
    fuzz_clean(rc);
    for (size_t k = 0; rc == PT_OK && k < n; k++) fuzz_touch(texts[k].s, texts[k].n);
    free(text);
    free(ints);
    free(nums);
    free(texts);
}

static void read_tensors(const pt_gguf *g)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pt_gguf_tensor *t;
        float *x;
        pt_status rc = pt_gguf_need(g, g->tensors[i].name, &t);
        fuzz_clean(rc);
        if (rc != PT_OK) continue;
        fuzz_clean(pt_gguf_check_shape(g, t, 2, t->dims[0]));
        fuzz_touch(t->data, t->bytes);
        fuzz_assert(pt_calloc(&x, (size_t)(t->rows * t->dims[0]), sizeof *x) == PT_OK);
        fuzz_clean(pt_dequant_rows(t->type, t->data, t->rows, t->dims[0], x));
        free(x);
    }
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    pt_gguf *g;
    pt_gguf_writer w;
    pt_status rc = pt_gguf_open(&g, fuzz_put("f.gguf", bytes, n));
    fuzz_clean(rc);
    fuzz_assert((g != NULL) == (rc == PT_OK));
    if (!g) return 0;
    fuzz_accepted++;
    fuzz_clean(pt_gguf_verify(g));
    for (size_t i = 0; i < g->n_kvs; i++) {
        fuzz_assert(pt_gguf_find(g, g->kvs[i].key) == &g->kvs[i]);
        read_key(g, g->kvs[i].key);
    }
    read_tensors(g);
    if (bytes[n - 1] % 8 == 0) { /* now and then: it makes a file */
        fuzz_assert(pt_gguf_writer_open(&w, fuzz_path("copy.gguf")) == PT_OK);
        for (size_t i = 0; i < g->n_kvs; i++) fuzz_clean(pt_gguf_put_copy(&w, NULL, &g->kvs[i]));
        pt_gguf_writer_close(&w);
    }
    pt_gguf_close(g);
    return 0;
}
