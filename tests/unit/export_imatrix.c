/* train/export/imatrix.h: both file formats, what is no importances, means. Values of llama-imatrix: tests/full/exchange.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "checkpoints/gguf.h"
#include "tests/scratch.h"
#include "train/export/imatrix.h"

static void check(const pt_imatrix *im)
{
    const float *q = pt_imatrix_mean(im, "blk.0.attn_q.weight", 4), *d = pt_imatrix_mean(im, "blk.0.ffn_down.weight", 2);
    assert_int_equal(im->n, 2);
    assert_string_equal(im->data, "text.txt");
    assert_int_equal(im->chunks, 3);
    assert_non_null(q);
    assert_non_null(d);
    for (int c = 0; c < 4; c++) assert_true(fabsf(q[c] - (float)c / 8) < 1e-6f);
    assert_true(d[0] == 0.5f && d[1] == 2);
    assert_null(pt_imatrix_mean(im, "blk.0.attn_q.weight", 5));
    assert_null(pt_imatrix_mean(im, "blk.1.attn_q.weight", 4));
}

static void add_i32(pt_str *s, int32_t v)
{
    assert_int_equal(pt_str_add(s, (const char *)&v, 4), PT_OK);
}

/* As llama-imatrix --output-format dat writes it: mean * calls. */
static void dat(pt_str *s)
{
    const char *names[] = {"blk.0.ffn_down.weight", "blk.0.attn_q.weight"};
    const float mean[2][4] = {{0.5f, 2}, {0, 0.125f, 0.25f, 0.375f}};
    s->len = 0;
    add_i32(s, 2);
    for (int k = 0; k < 2; k++) {
        add_i32(s, (int32_t)strlen(names[k]));
        assert_int_equal(pt_str_puts(s, names[k]), PT_OK);
        add_i32(s, 3);
        add_i32(s, k ? 4 : 2);
        for (int c = 0; c < (k ? 4 : 2); c++) {
            float v = mean[k][c] * 3;
            assert_int_equal(pt_str_add(s, (const char *)&v, 4), PT_OK);
        }
    }
    add_i32(s, 3);
    add_i32(s, 8);
    assert_int_equal(pt_str_puts(s, "text.txt"), PT_OK);
}

static void goes_round(void **state)
{
    pt_imatrix im;
    pt_str s = {0};
    dat(&s);
    scratch_write(scratch_path("i.dat"), s.text, s.len);
    assert_int_equal(pt_imatrix_read(&im, scratch_path("i.dat")), PT_OK);
    check(&im);
    assert_int_equal(pt_imatrix_write(&im, scratch_path("i.gguf")), PT_OK);
    pt_imatrix_free(&im);
    assert_int_equal(pt_imatrix_read(&im, scratch_path("i.gguf")), PT_OK);
    check(&im);
    pt_imatrix_free(&im);
    scratch_write(scratch_path("i.dat"), s.text, s.len - 16); /* what stands behind the entries may be missing */
    assert_int_equal(pt_imatrix_read(&im, scratch_path("i.dat")), PT_OK);
    assert_null(im.data);
    pt_imatrix_free(&im);
    pt_str_free(&s);
}

static void refuse(const char *name, pt_status status, const char *text)
{
    pt_imatrix im;
    pt_err_clear();
    assert_int_equal(pt_imatrix_read(&im, scratch_path(name)), status);
    assert_true(!im.n && !im.path);
    if (!strstr(scratch_message(), text)) fail_msg("'%s' lacks '%s'", scratch_message(), text);
}

static void hostile_dats(void **state)
{
    pt_str s = {0};
    float bad[] = {-1, NAN, INFINITY};
    dat(&s);
    for (size_t n = 0; n + 16 < s.len; n++) { /* cut off anywhere before the last entry's end */
        scratch_write(scratch_path("cut"), s.text, n);
        refuse("cut", PT_EFORMAT, "cut: ");
    }
    for (size_t k = 0; k < 3; k++) {
        dat(&s);
        memcpy(s.text + 4 + 4 + 21 + 8, &bad[k], 4);
        scratch_write(scratch_path("bad"), s.text, s.len);
        refuse("bad", PT_EFORMAT, "bad: the sum of squares of blk.0.ffn_down.weight, column 0, is ");
    }
    for (int at = 0; at < 3; at++) { /* lengths: entries, a name's, columns */
        const size_t where[] = {0, 4, 4 + 4 + 21 + 4};
        const int32_t huge = INT32_MAX;
        dat(&s);
        memcpy(s.text + where[at], &huge, 4);
        scratch_write(scratch_path("bad"), s.text, s.len);
        refuse("bad", PT_EFORMAT, at ? "bad: entry 1 of 2 is damaged, or the file is cut off" : "bad: no importances");
    }
    scratch_write(scratch_path("plain"), "hello world, this is a text", 27);
    refuse("plain", PT_EFORMAT, "plain: no importances: neither a GGUF file nor an imatrix.dat");
    pt_str_free(&s);
}

static void put(const char *type, const char *second, pt_dtype second_type, int64_t counts)
{
    pt_gguf_writer w;
    const int64_t cols = 2;
    float x[4] = {1, 2, 3, 4};
    assert_int_equal(pt_gguf_writer_open(&w, scratch_path("g")), PT_OK);
    assert_int_equal(pt_gguf_put_text(&w, "general.type", type, strlen(type)), PT_OK);
    assert_int_equal(pt_gguf_put_tensor(&w, "a.in_sum2", PT_F32, 1, &cols), PT_OK);
    assert_int_equal(pt_gguf_put_tensor(&w, second, second_type, 1, &counts), PT_OK);
    assert_int_equal(pt_gguf_write(&w, x, 8 + (second_type == PT_F16 ? 2 : 4) * (size_t)counts), PT_OK);
    assert_int_equal(pt_gguf_writer_commit(&w), PT_OK);
    pt_gguf_writer_close(&w);
}

static void hostile_ggufs(void **state)
{
    pt_imatrix im;
    put("imatrix", "a.counts", PT_F32, 1);
    assert_int_equal(pt_imatrix_read(&im, scratch_path("g")), PT_OK);
    assert_true(im.n == 1 && im.entries[0].count == 3);
    pt_imatrix_free(&im);
    put("model", "a.counts", PT_F32, 1);
    refuse("g", PT_EARG, "g: a GGUF file of a model, not of importances");
    put("imatrix", "b.counts", PT_F32, 1);
    refuse("g", PT_EFORMAT, "g: tensor 'a.counts' is missing");
    put("imatrix", "a.counts", PT_F16, 1);
    refuse("g", PT_EFORMAT, "g: a.in_sum2 is not f32");
    put("imatrix", "a.counts", PT_F32, 2);
    refuse("g", PT_ENOSUP, "g: a.in_sum2 is of a matrix of experts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goes_round), cmocka_unit_test(hostile_dats), cmocka_unit_test(hostile_ggufs)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
