/* checkpoints/gguf.h: a model over several files, written and read; files that do not belong together. That llama.cpp reads ours and we read what
 * llama-gguf-split writes is tried in tests/full/exchange.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "checkpoints/gguf.h"
#include "tests/scratch.h"

enum { TENSORS = 5 };
static const int64_t widths[TENSORS] = {8, 64, 8, 8, 8}; /* of f32: 32, 256, 32, 32, 32 bytes */

static void write_model(const char *name, size_t limit, bool seal)
{
    pt_gguf_writer w;
    char tensor[16];
    float x[64];
    assert_int_equal(pt_gguf_writer_open(&w, scratch_path(name)), PT_OK);
    pt_gguf_writer_limit(&w, limit);
    assert_int_equal(pt_gguf_put_text(&w, "general.name", "all", 3), PT_OK);
    if (seal) assert_int_equal(pt_gguf_put_seal(&w), PT_OK);
    for (int i = 0; i < TENSORS; i++) {
        snprintf(tensor, sizeof tensor, "t%d", i);
        assert_int_equal(pt_gguf_put_tensor(&w, tensor, PT_F32, 1, &widths[i]), PT_OK);
    }
    for (int i = 0; i < TENSORS; i++) {
        for (int k = 0; k < widths[i]; k++) x[k] = (float)(100 * i + k);
        assert_int_equal(pt_gguf_write(&w, x, 16), PT_OK); /* in pieces */
        assert_int_equal(pt_gguf_write(&w, x + 4, (size_t)widths[i] * 4 - 16), PT_OK);
    }
    assert_int_equal(pt_gguf_writer_commit(&w), PT_OK);
    pt_gguf_writer_close(&w);
}

static void check_model(const char *name, size_t parts)
{
    pt_gguf *g;
    pt_gguf_str s;
    assert_int_equal(pt_gguf_open(&g, scratch_path(name)), PT_OK);
    assert_int_equal(g->n_parts, parts - 1);
    assert_int_equal(g->n_tensors, TENSORS);
    assert_int_equal(pt_gguf_text(g, "general.name", &s), PT_OK);
    assert_int_equal(pt_gguf_verify(g), PT_OK);
    for (int i = 0; i < TENSORS; i++) {
        char tensor[16];
        float x[64];
        const pt_gguf_tensor *t;
        snprintf(tensor, sizeof tensor, "t%d", i);
        assert_int_equal(pt_gguf_need(g, tensor, &t), PT_OK);
        assert_int_equal(t->dims[0], widths[i]);
        memcpy(x, t->data, t->bytes);
        for (int k = 0; k < widths[i]; k++) assert_true(x[k] == (float)(100 * i + k));
    }
    pt_gguf_close(g);
}

static void goes_round(void **state)
{
    write_model("one.gguf", 1 << 20, true);
    check_model("one.gguf", 1);
    assert_int_not_equal(access(scratch_path("one-00001-of-00001.gguf"), F_OK), 0);
    write_model("m.gguf", 64, true); /* t0 | t1, larger than the limit | t2 t3 | t4 */
    assert_int_not_equal(access(scratch_path("m.gguf"), F_OK), 0);
    check_model("m-00001-of-00004.gguf", 4);
    write_model("plain", 100, false);
    check_model("plain-00001-of-00003.gguf", 3); /* t0 | t1 | t2 t3 t4: 96 bytes */
}

static void refuse(const char *name, pt_status status, const char *text)
{
    pt_gguf *g = NULL;
    pt_err_clear();
    assert_int_equal(pt_gguf_open(&g, scratch_path(name)), status);
    assert_null(g);
    if (!strstr(pt_err_msg(), text)) fail_msg("'%s' lacks '%s'", pt_err_msg(), text);
}

static void copy(const char *from, const char *to)
{
    char *b;
    size_t n;
    assert_int_equal(pt_file_read(&b, &n, scratch_path(from), 1 << 20), PT_OK);
    scratch_write(scratch_path(to), b, n);
    free(b);
}

static void refuses_what_does_not_belong(void **state)
{
    pt_gguf *g;
    write_model("m.gguf", 64, true);
    refuse("m-00002-of-00004.gguf", PT_EARG, "is part 2 of 4 of a split model: name its first file (...-00001-of-00004.gguf)");
    copy("m-00001-of-00004.gguf", "other.gguf");
    refuse("other.gguf", PT_EFORMAT, "the first of 4 files of a split model; its name must end in -00001-of-00004.gguf");
    copy("m-00001-of-00004.gguf", "n-00001-of-00004.gguf");
    refuse("n-00001-of-00004.gguf", PT_EIO, "part 2 of 4 is missing: ");
    copy("m-00003-of-00004.gguf", "n-00002-of-00004.gguf");
    refuse("n-00001-of-00004.gguf", PT_EFORMAT, "says that it is part 3 of 4 of a split model; part 2 of 4 is asked for");
    write_model("k.gguf", 100, true); /* another division of the same */
    copy("k-00002-of-00003.gguf", "n-00002-of-00004.gguf");
    refuse("n-00001-of-00004.gguf", PT_EFORMAT, "says that it is part 2 of 3 of a split model; part 2 of 4 is asked for");
    copy("one.gguf", "n-00002-of-00004.gguf");
    refuse("n-00001-of-00004.gguf", PT_EFORMAT, "key 'split.no' is missing");
    scratch_write(scratch_path("n-00002-of-00004.gguf"), "no", 2);
    refuse("n-00001-of-00004.gguf", PT_EFORMAT, "n-00002-of-00004.gguf: not a GGUF file");
    /* a damaged part is found by its own seal */
    char *b;
    size_t n;
    assert_int_equal(pt_file_read(&b, &n, scratch_path("m-00002-of-00004.gguf"), 1 << 20), PT_OK);
    b[n - 1] ^= 1;
    scratch_write(scratch_path("m-00002-of-00004.gguf"), b, n);
    free(b);
    assert_int_equal(pt_gguf_open(&g, scratch_path("m-00001-of-00004.gguf")), PT_OK);
    assert_int_equal(pt_gguf_verify(g), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "m-00002-of-00004.gguf"));
    pt_gguf_close(g);
}

/* Files that a writer of ours cannot make: their tensors by hand. */
static void counts_and_names_are_checked(void **state)
{
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 2; i++) {
            pt_gguf_writer w;
            char path[64];
            const uint32_t v[2] = {(uint32_t)i, 2};
            const int64_t dim = 1;
            float x = 0;
            snprintf(path, sizeof path, "h-%05d-of-00002.gguf", i + 1);
            assert_int_equal(pt_gguf_writer_open(&w, scratch_path(path)), PT_OK);
            assert_int_equal(pt_gguf_put_u32(&w, "split.no", v[0]), PT_OK);
            assert_int_equal(pt_gguf_put_u32(&w, "split.count", v[1]), PT_OK);
            assert_int_equal(pt_gguf_put_u32(&w, "split.tensors.count", k ? 2 : 3), PT_OK);
            assert_int_equal(pt_gguf_put_tensor(&w, "same", PT_F32, 1, &dim), PT_OK);
            assert_int_equal(pt_gguf_write(&w, &x, 4), PT_OK);
            assert_int_equal(pt_gguf_writer_commit(&w), PT_OK);
            pt_gguf_writer_close(&w);
        }
        refuse("h-00001-of-00002.gguf", PT_EFORMAT, k ? "tensor 'same' stands twice" : "the split model has 3 tensors, its 2 files hold 2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goes_round), cmocka_unit_test(refuses_what_does_not_belong),
                                       cmocka_unit_test(counts_and_names_are_checked)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
