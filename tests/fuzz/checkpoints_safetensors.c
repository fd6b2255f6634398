/* Safetensors: one file; or, behind a byte 0xff at its front, a folder whose index the input is. */
#include "tests/fuzz/harness.h"

#include "checkpoints/safetensors.h"

static void make_shard(void)
{
    static const char bytes[33] = {1, 2, 3};
    pt_st_writer w;
    fuzz_assert(pt_dir_make(fuzz_path("dir")) == PT_OK);
    fuzz_assert(pt_st_writer_open(&w, fuzz_path("dir/one")) == PT_OK);
    fuzz_assert(pt_st_writer_add(&w, "a.weight", PT_F32, 2, (int64_t[]){2, 3}) == PT_OK);
    fuzz_assert(pt_st_writer_add(&w, "b", PT_BF16, 1, (int64_t[]){4}) == PT_OK);
    fuzz_assert(pt_st_writer_add(&w, "c", PT_U8, 0, NULL) == PT_OK);
    fuzz_assert(pt_st_writer_write(&w, bytes, w.declared) == PT_OK);
    fuzz_assert(pt_st_writer_commit(&w) == PT_OK);
    pt_st_writer_close(&w);
}

static void read_all(const pt_st *st)
{
    fuzz_clean(pt_st_verify(st));
    (void)pt_st_meta(st, "format");
    for (size_t i = 0; i < st->n_tensors; i++) {
        const pt_st_tensor *t;
        float *x;
        pt_status rc = pt_st_need(st, st->tensors[i].name, &t);
        fuzz_clean(rc);
        fuzz_assert(pt_st_find(st, st->tensors[i].name) == &st->tensors[i]);
        fuzz_touch(st->tensors[i].data, st->tensors[i].bytes);
        fuzz_clean(pt_st_check_shape(&st->tensors[i], 2, (int64_t[]){2, 3}));
        if (rc != PT_OK) continue;
        fuzz_assert(pt_calloc(&x, (size_t)t->count, sizeof *x) == PT_OK);
        fuzz_clean(pt_st_to_f32(t, x));
        free(x);
    }
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static bool made;
    pt_st *st;
    const char *path = NULL;
    if (!made) make_shard();
    made = true;
    if (n && bytes[0] == 0xff) {
        fuzz_put("dir/model.safetensors.index.json", bytes + 1, n - 1);
        path = fuzz_path("dir");
    } else {
        path = fuzz_put("f.safetensors", bytes, n);
    }
    pt_status rc = pt_st_open(&st, path);
    fuzz_clean(rc);
    fuzz_assert((st != NULL) == (rc == PT_OK));
    if (!st) return 0;
    fuzz_accepted++;
    read_all(st);
    pt_st_close(st);
    return 0;
}
