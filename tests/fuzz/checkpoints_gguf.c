/* Mutated GGUF files: opened, every key read in every way, every tensor dequantised, every key copied. */
#include "tests/fuzz/mutate.h"

#include "base/quant.h"
#include "checkpoints/gguf.h"

static int opened;

static void read_keys(const pt_gguf *g)
{
    for (size_t i = 0; i < g->n_kvs; i++) {
        const char *key = g->kvs[i].key;
        int64_t v, *ints;
        double d, *nums;
        bool b;
        char *text;
        pt_gguf_str *texts;
        size_t n;
        assert_ptr_equal(pt_gguf_find(g, key), &g->kvs[i]);
        fuzz_clean(pt_gguf_int(g, key, INT64_MIN, INT64_MAX, &v));
        fuzz_clean(pt_gguf_num(g, key, &d));
        fuzz_clean(pt_gguf_bool(g, key, &b));
        fuzz_clean(pt_gguf_text_dup(g, key, &text));
        fuzz_clean(pt_gguf_ints(g, key, &ints, &n));
        fuzz_clean(pt_gguf_nums(g, key, &nums, &n));
        fuzz_clean(pt_gguf_texts(g, key, &texts, &n));
        uint64_t h = PT_FNV_START;
        for (size_t k = 0; k < n; k++) h = pt_fnv1a(h, texts[k].s, texts[k].n);
        free(text);
        free(ints);
        free(nums);
        free(texts);
    }
}

static void run(const unsigned char *bytes, size_t n)
{
    pt_gguf *g;
    const char *path = scratch_path("f.gguf");
    scratch_write(path, bytes, n);
    pt_status rc = pt_gguf_open(&g, path);
    fuzz_clean(rc);
    assert_true((g != NULL) == (rc == PT_OK));
    if (!g) return;
    opened++;
    read_keys(g);
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pt_gguf_tensor *t;
        float *x;
        rc = pt_gguf_need(g, g->tensors[i].name, &t);
        fuzz_clean(rc);
        if (rc != PT_OK || t->rows * t->dims[0] > 1 << 20) continue;
        assert_int_equal(pt_calloc(&x, (size_t)(t->rows * t->dims[0]), 4), PT_OK);
        fuzz_clean(pt_dequant_rows(t->type, t->data, t->rows, t->dims[0], x));
        free(x);
    }
    if (opened % 8) {
        pt_gguf_close(g);
        return;
    }
    pt_gguf_writer w;
    assert_int_equal(pt_gguf_writer_open(&w, scratch_path("copy.gguf")), PT_OK);
    for (size_t i = 0; i < g->n_kvs; i++) assert_int_equal(pt_gguf_put_copy(&w, NULL, &g->kvs[i]), PT_OK);
    pt_gguf_writer_close(&w);
    pt_gguf_close(g);
}

static void mutated_files(void **state)
{
    fuzz_memory_file(scratch_path("f.gguf"));
    fuzz_file("tests/golden/data/gguf_all.gguf", 6000, run);
    fuzz_file("tests/golden/data/gguf_types.gguf", 3000, run);
    assert_true(opened > 1); /* the seeds themselves, at least */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutated_files)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
