/* Mutated safetensors files and indexes. */
#include "tests/fuzz/mutate.h"

#include "checkpoints/safetensors.h"

static int opened;

static void read_all(const pt_st *st)
{
    for (size_t i = 0; i < st->n_tensors; i++) {
        const pt_st_tensor *t;
        float *x;
        pt_status rc = pt_st_need(st, st->tensors[i].name, &t);
        fuzz_clean(rc);
        assert_ptr_equal(pt_st_find(st, st->tensors[i].name), &st->tensors[i]);
        (void)pt_fnv1a(PT_FNV_START, st->tensors[i].data, st->tensors[i].bytes);
        fuzz_clean(pt_st_check_shape(&st->tensors[i], 2, (int64_t[]){2, 3}));
        if (rc != PT_OK) continue;
        assert_int_equal(pt_calloc(&x, (size_t)t->count, 4), PT_OK);
        fuzz_clean(pt_st_to_f32(t, x));
        free(x);
    }
}

static void open_and_read(const char *path)
{
    pt_st *st;
    pt_status rc = pt_st_open(&st, path);
    fuzz_clean(rc);
    assert_true((st != NULL) == (rc == PT_OK));
    if (!st) return;
    opened++;
    read_all(st);
    pt_st_close(st);
}

static void run_file(const unsigned char *bytes, size_t n)
{
    scratch_write(scratch_path("f.safetensors"), bytes, n);
    open_and_read(scratch_path("f.safetensors"));
}

static void run_index(const unsigned char *bytes, size_t n)
{
    scratch_write(scratch_path("dir/model.safetensors.index.json"), bytes, n);
    open_and_read(scratch_path("dir"));
}

static void mutated_files(void **state)
{
    const char *seed = scratch_path("seed");
    pt_st_writer w;
    const char bytes[64] = {1, 2, 3};
    assert_int_equal(pt_st_writer_open(&w, seed), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "a.weight", PT_F32, 2, (int64_t[]){2, 3}), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "b", PT_BF16, 1, (int64_t[]){4}), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "c", PT_U8, 0, NULL), PT_OK);
    assert_int_equal(pt_st_writer_write(&w, bytes, w.declared), PT_OK);
    assert_int_equal(pt_st_writer_commit(&w), PT_OK);
    pt_st_writer_close(&w);
    fuzz_memory_file(scratch_path("f.safetensors"));
    fuzz_file(seed, 6000, run_file);
    fuzz_file("tests/golden/data/peft_adapter/adapter_model.safetensors", 2000, run_file);
    assert_true(opened > 100); /* many mutations hit the data only */
}

static void mutated_indexes(void **state)
{
    const char *seed = scratch_path("index"),
               *text = "{\"metadata\":{\"total_size\":33},\"weight_map\":{\"a.weight\":\"one\",\"b\":\"one\"}}";
    char *file;
    size_t n;
    assert_int_equal(pt_dir_make(scratch_path("dir")), PT_OK);
    assert_int_equal(pt_file_read(&file, &n, scratch_path("seed"), 1 << 16), PT_OK);
    scratch_write(scratch_path("dir/one"), file, n);
    scratch_write(seed, text, strlen(text));
    free(file);
    opened = 0;
    fuzz_memory_file(scratch_path("dir/model.safetensors.index.json"));
    fuzz_file(seed, 3000, run_index);
    assert_true(opened > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutated_files), cmocka_unit_test(mutated_indexes)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
