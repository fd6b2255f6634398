/* checkpoints/gguf.h: files of the gguf package read, the same file written byte for byte, hostile files with their messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/quant.h"
#include "checkpoints/gguf.h"
#include "tests/scratch.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
static const char golden[] = "tests/golden/data/gguf_all.gguf", all_types[] = "tests/golden/data/gguf_types.gguf";

static void reads_the_package_s_file(void **state)
{
    pt_gguf *g;
    int64_t i, *ints;
    double d, *nums;
    bool b;
    pt_gguf_str s, *texts;
    size_t n;
    char *name;
    const pt_gguf_tensor *t;
    float x[64];
    assert_int_equal(pt_gguf_open(&g, golden), PT_OK);
    assert_true(g->version == 3 && g->n_kvs == 10 && g->n_tensors == 4);
    assert_string_equal(g->kvs[0].key, "general.architecture");
    assert_int_equal(pt_gguf_int(g, "test.i32", -10, 10, &i), PT_OK);
    assert_int_equal(i, -7);
    assert_int_equal(pt_gguf_int(g, "test.u64", 0, INT64_MAX, &i), PT_OK);
    assert_int_equal(i, 1ll << 40);
    assert_int_equal(pt_gguf_num(g, "llama.rope.freq_base", &d), PT_OK);
    assert_true(d == 10000);
    assert_int_equal(pt_gguf_bool(g, "tokenizer.ggml.add_bos_token", &b), PT_OK);
    assert_true(b);
    assert_int_equal(pt_gguf_text_dup(g, "general.name", &name), PT_OK);
    assert_string_equal(name, "tiny \xe4\xb8\xad\xe6\x96\x87");
    free(name);
    assert_int_equal(pt_gguf_text(g, "general.architecture", &s), PT_OK);
    assert_true(s.n == 5 && !memcmp(s.s, "llama", 5));
    assert_int_equal(pt_gguf_texts(g, "tokenizer.ggml.tokens", &texts, &n), PT_OK);
    assert_true(n == 4 && texts[2].n == 3 &&
                !memcmp(texts[2].s,
                        "\xc4\xa0"
                        "b",
                        3) &&
                texts[3].n == 0);
    free(texts);
    assert_int_equal(pt_gguf_nums(g, "tokenizer.ggml.scores", &nums, &n), PT_OK);
    assert_true(n == 4 && nums[1] == -1.5 && nums[3] == 0.25);
    free(nums);
    assert_int_equal(pt_gguf_ints(g, "tokenizer.ggml.token_type", &ints, &n), PT_OK);
    assert_true(n == 4 && ints[0] == 2 && ints[3] == 3);
    free(ints);
    assert_int_equal(pt_gguf_need(g, "blk.0.attn_k.weight", &t), PT_OK);
    assert_true(t->type == PT_F16 && t->n_dims == 2 && t->dims[0] == 32 && t->dims[1] == 2 && t->rows == 2 && t->bytes == 128);
    assert_int_equal(pt_gguf_check_shape(g, t, 2, 32), PT_OK);
    assert_int_equal(pt_gguf_check_shape(g, t, 32, 2), PT_ESHAPE);
    assert_string_equal(
        pt_err_msg(),
        "tests/golden/data/gguf_all.gguf: tensor 'blk.0.attn_k.weight' has sizes [32, 2, 1, 1], the model asks for [2, 32]");
    assert_int_equal(pt_dequant_rows(t->type, t->data, t->rows, t->dims[0], x), PT_OK);
    for (int k = 0; k < 64; k++) assert_true(x[k] == (float)k / 8);
    assert_int_equal(pt_gguf_need(g, "blk.0.attn_q.weight", &t), PT_OK);
    assert_true(t->type == PT_Q8_0 && t->data[67] == 67);
    assert_int_equal(pt_gguf_need(g, "blk.0.attn_v.weight", &t), PT_EFORMAT);
    pt_gguf_close(g);
}

static void reads_every_scalar_type(void **state)
{
    static const struct {
        const char *key;
        int64_t want;
    } ints[] = {{"test.u8", 200}, {"test.i8", -100}, {"test.u16", 60000}, {"test.i16", -30000}, {"test.i64", -(1ll << 40)}};
    pt_gguf *g;
    int64_t i, *bools;
    double d;
    size_t n;
    assert_int_equal(pt_gguf_open(&g, all_types), PT_OK);
    for (size_t k = 0; k < COUNT(ints); k++) {
        assert_int_equal(pt_gguf_int(g, ints[k].key, INT64_MIN, INT64_MAX, &i), PT_OK);
        assert_true(i == ints[k].want);
        assert_int_equal(pt_gguf_num(g, ints[k].key, &d), PT_OK);
        assert_true(d == (double)ints[k].want);
    }
    assert_int_equal(pt_gguf_num(g, "test.f64", &d), PT_OK);
    assert_true(d == 0.1);
    assert_int_equal(pt_gguf_num(g, "test.huge", &d), PT_OK);
    assert_true(d == 0x1p64);
    assert_int_equal(pt_gguf_int(g, "test.huge", 0, INT64_MAX, &i), PT_EFORMAT);
    assert_string_equal(pt_err_msg(),
                        "tests/golden/data/gguf_types.gguf: key 'test.huge' is 18446744073709551616; it must lie in "
                        "0..9223372036854775807");
    assert_int_equal(pt_gguf_ints(g, "test.bools", &bools, &n), PT_EFORMAT);
    assert_string_equal(pt_err_msg(),
                        "tests/golden/data/gguf_types.gguf: key 'test.bools' is an array of bool, not a list of integers");
    assert_int_equal(pt_gguf_bool(g, "test.u8", &(bool){0}), PT_EFORMAT);
    assert_string_equal(pt_err_msg(), "tests/golden/data/gguf_types.gguf: key 'test.u8' is of type u8, not true or false");
    assert_int_equal(pt_gguf_int(g, "test.u8", 0, 100, &i), PT_EFORMAT);
    assert_string_equal(pt_err_msg(), "tests/golden/data/gguf_types.gguf: key 'test.u8' is 200; it must lie in 0..100");
    assert_int_equal(pt_gguf_int(g, "nothing", 0, 100, &i), PT_EFORMAT);
    assert_string_equal(pt_err_msg(), "tests/golden/data/gguf_types.gguf: key 'nothing' is missing");
    pt_gguf_close(g);
}

static void same_file(const char *a, const char *b)
{
    char *x, *y;
    size_t n, m;
    assert_int_equal(pt_file_read(&x, &n, a, 1 << 20), PT_OK);
    assert_int_equal(pt_file_read(&y, &m, b, 1 << 20), PT_OK);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* Tensors of the golden file, with its bytes, in pieces of `step` bytes. */
static void write_tensors(pt_gguf_writer *w, const pt_gguf *g, size_t step)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        const pt_gguf_tensor *t = &g->tensors[i];
        assert_int_equal(pt_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims), PT_OK);
    }
    for (size_t i = 0; i < g->n_tensors; i++)
        for (size_t at = 0; at < g->tensors[i].bytes; at += step) {
            size_t left = g->tensors[i].bytes - at;
            assert_int_equal(pt_gguf_write(w, g->tensors[i].data + at, left < step ? left : step), PT_OK);
        }
    assert_int_equal(pt_gguf_writer_commit(w), PT_OK);
    pt_gguf_writer_close(w);
}

static void writes_the_same_bytes(void **state)
{
    const pt_gguf_str tokens[] = {{"<unk>", 5},
                                  {"a", 1},
                                  {"\xc4\xa0"
                                   "b",
                                   3},
                                  {"", 0}};
    const char *path = scratch_path("w.gguf"), *name = "tiny \xe4\xb8\xad\xe6\x96\x87";
    pt_gguf_writer w;
    pt_gguf *g;
    assert_int_equal(pt_gguf_open(&g, golden), PT_OK);
    assert_int_equal(pt_gguf_writer_open(&w, path), PT_OK);
    assert_int_equal(pt_gguf_put_text(&w, "general.architecture", "llama", 5), PT_OK);
    assert_int_equal(pt_gguf_put_text(&w, "general.name", name, strlen(name)), PT_OK);
    assert_int_equal(pt_gguf_put_u32(&w, "llama.block_count", 2), PT_OK);
    assert_int_equal(pt_gguf_put_i32(&w, "test.i32", -7), PT_OK);
    assert_int_equal(pt_gguf_put_u64(&w, "test.u64", 1ull << 40), PT_OK);
    assert_int_equal(pt_gguf_put_f32(&w, "llama.rope.freq_base", 10000), PT_OK);
    assert_int_equal(pt_gguf_put_bool(&w, "tokenizer.ggml.add_bos_token", true), PT_OK);
    assert_int_equal(pt_gguf_put_texts(&w, "tokenizer.ggml.tokens", tokens, 4), PT_OK);
    assert_int_equal(pt_gguf_put_f32s(&w, "tokenizer.ggml.scores", (float[]){0, -1.5f, -2, 0.25f}, 4), PT_OK);
    assert_int_equal(pt_gguf_put_i32s(&w, "tokenizer.ggml.token_type", (int32_t[]){2, 1, 1, 3}, 4), PT_OK);
    write_tensors(&w, g, 7);
    same_file(path, golden);
    /* and by copying every key */
    assert_int_equal(pt_gguf_writer_open(&w, path), PT_OK);
    for (size_t i = 0; i < g->n_kvs; i++) assert_int_equal(pt_gguf_put_copy(&w, NULL, &g->kvs[i]), PT_OK);
    write_tensors(&w, g, 1 << 20);
    same_file(path, golden);
    pt_gguf_close(g);
}

static void writer_refuses(void **state)
{
    pt_gguf_writer w;
    const int64_t dims[] = {32, 2}, odd[] = {33, 2}, zero[] = {32, 0};
    assert_int_equal(pt_gguf_writer_open(&w, scratch_path("r.gguf")), PT_OK);
    assert_int_equal(pt_gguf_put_u32(&w, "k", 1), PT_OK);
    assert_int_equal(pt_gguf_put_bool(&w, "k", true), PT_EARG);
    assert_string_equal(scratch_message(), "r.gguf: 'k' added twice");
    assert_int_equal(pt_gguf_put_u32(&w, "", 1), PT_EARG);
    assert_int_equal(pt_gguf_put_tensor(&w, "k", PT_Q4_0, 2, dims), PT_OK); /* a key and a tensor may share a name */
    assert_int_equal(pt_gguf_put_tensor(&w, "k", PT_Q4_0, 2, dims), PT_EARG);
    assert_int_equal(pt_gguf_put_tensor(&w, "t", PT_Q4_0, 2, odd), PT_ESHAPE);
    assert_int_equal(pt_gguf_put_tensor(&w, "t", PT_F32, 2, zero), PT_EARG);
    assert_int_equal(pt_gguf_put_tensor(&w, "t", PT_U64, 2, dims), PT_ENOSUP);
    assert_string_equal(scratch_message(), "r.gguf: GGUF cannot hold 't' as u64");
    char bytes[64] = {0};
    assert_int_equal(pt_gguf_write(&w, bytes, 35), PT_OK);
    assert_int_equal(pt_gguf_put_u32(&w, "late", 1), PT_ESTATE);
    assert_int_equal(pt_gguf_writer_commit(&w), PT_ESTATE);
    assert_string_equal(scratch_message(), "r.gguf: the data of 1 tensors is missing");
    assert_int_equal(pt_gguf_write(&w, bytes, 2), PT_ESTATE);
    pt_gguf_writer_close(&w);
    assert_false(pt_file_exists(scratch_path("r.gguf")));
}

/* ---- hostile files: a good one built by hand, with one thing changed ----------------------------------------------------- */

typedef struct maker {
    unsigned char b[4096];
    size_t n;
} maker;

static void add(maker *m, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) m->b[m->n++] = (unsigned char)(v >> (8 * i));
}

static void add_str(maker *m, const char *s)
{
    add(m, strlen(s), 8);
    memcpy(m->b + m->n, s, strlen(s));
    m->n += strlen(s);
}

enum field { NONE, VERSION, TENSORS, KEYS, TYPE, VALUE, DIMS, D0, D1, GGML, OFFSET, FIELDS };

typedef struct gguf_case {
    struct {
        enum field field;
        uint64_t value;
    } set[2];                 /* what differs from the good file */
    const char *key, *tensor; /* names, NULL = "k", "b" */
    size_t cut;               /* bytes taken off the end */
    pt_status status;
    const char *text;
} gguf_case;

/* A file with general.alignment = 32, key c->key of type u32, tensor "a" [32] f32 and tensor c->tensor [8, 2] f32. */
static void build(maker *m, const gguf_case *c)
{
    uint64_t v[FIELDS] = {
        [VERSION] = 3, [TENSORS] = 2, [KEYS] = 2, [TYPE] = PT_GGUF_U32, [DIMS] = 2, [D0] = 8, [D1] = 2, [OFFSET] = 128};
    for (int i = 0; i < 2; i++) v[c->set[i].field] = c->set[i].value;
    m->n = 0;
    add(m, 0x46554747, 4); /* "GGUF" */
    add(m, v[VERSION], 4);
    add(m, v[TENSORS], 8);
    add(m, v[KEYS], 8);
    add_str(m, "general.alignment");
    add(m, PT_GGUF_U32, 4);
    add(m, 32, 4);
    add_str(m, c->key ? c->key : "k");
    add(m, v[TYPE], 4);
    add(m, v[VALUE], v[TYPE] == PT_GGUF_STR ? 8 : 4);
    if (v[TYPE] == PT_GGUF_ARRAY) add(m, 1ull << 62, 8);
    add_str(m, "a");
    add(m, 1, 4);
    add(m, 32, 8);
    add(m, 0, 4);
    add(m, 0, 8);
    add_str(m, c->tensor ? c->tensor : "b");
    add(m, v[DIMS], 4);
    add(m, v[D0], 8);
    add(m, v[D1], 8);
    add(m, v[GGML], 4);
    add(m, v[OFFSET], 8);
    while (m->n % 32) add(m, 0, 1);
    for (int i = 0; i < 192; i++) add(m, 0x3f, 1); /* a: 128 bytes, the other: 64 */
    m->n -= c->cut;
}

static const gguf_case cases[] = {
    {.status = PT_OK},
    {.set = {{VERSION, 2}}, .status = PT_OK},
    {.set = {{VERSION, 1}}, .status = PT_ENOSUP, .text = "g: GGUF version 1; 2 and 3 are read: convert the model again"},
    {.set = {{VERSION, 3u << 24}}, .status = PT_ENOSUP, .text = "g: a big-endian GGUF file; convert it to little endian"},
    {.set = {{KEYS, 1ull << 60}},
     .status = PT_EFORMAT,
     .text = "g: 1152921504606846976 keys and 2 tensors do not fit into 352 bytes; the file is damaged or cut off"},
    {.set = {{TENSORS, UINT64_MAX}},
     .status = PT_EFORMAT,
     .text = "g: 2 keys and 18446744073709551615 tensors do not fit into 352 bytes; the file is damaged or cut off"},
    {.key = "general.alignment", .status = PT_EFORMAT, .text = "g: key 'general.alignment' stands twice"},
    {.key = "", .status = PT_EFORMAT, .text = "g: a key at byte 57 is empty, too long or not valid UTF-8"},
    {.key = "\xc3(", .status = PT_EFORMAT, .text = "g: a key at byte 57 is empty, too long or not valid UTF-8"},
    {.set = {{TYPE, 13}}, .status = PT_EFORMAT, .text = "g: key 'k' has unknown type 13"},
    {.set = {{TYPE, PT_GGUF_STR}, {VALUE, UINT64_MAX}},
     .status = PT_EFORMAT,
     .text = "g: the value of 'k' runs past the end of the file (byte 78 of 352); the file is damaged or cut off"},
    {.set = {{TYPE, PT_GGUF_ARRAY}, {VALUE, PT_GGUF_ARRAY}},
     .status = PT_EFORMAT,
     .text = "g: key 'k' is an array of type 9, which is not read"},
    {.set = {{TYPE, PT_GGUF_ARRAY}, {VALUE, PT_GGUF_F64}},
     .status = PT_EFORMAT,
     .text = "g: the value of 'k' runs past the end of the file (byte 82 of 352); the file is damaged or cut off"},
    {.set = {{TYPE, PT_GGUF_ARRAY}, {VALUE, PT_GGUF_STR}},
     .status = PT_EFORMAT,
     .text = "g: the value of 'k' runs past the end of the file (byte 82 of 352); the file is damaged or cut off"},
    {.set = {{VALUE, 3}},
     .key = "split.count",
     .status = PT_EFORMAT,
     .text = "g: key 'split.no' is missing"},
    {.tensor = "a", .status = PT_EFORMAT, .text = "g: tensor 'a' stands twice"},
    {.set = {{DIMS, 5}}, .status = PT_EFORMAT, .text = "g: tensor 'b' has 5 dimensions; 1 to 4 are read"},
    {.set = {{DIMS, 0}}, .status = PT_EFORMAT, .text = "g: tensor 'b' has 0 dimensions; 1 to 4 are read"},
    {.set = {{D1, 0}}, .status = PT_EFORMAT, .text = "g: tensor 'b' has dimension 1 of 0"},
    {.set = {{D0, 1ull << 63}}, .status = PT_EFORMAT, .text = "g: tensor 'b' has dimension 0 of 9223372036854775808"},
    {.set = {{D0, 1ull << 62}, {D1, 8}},
     .status = PT_EFORMAT,
     .text = "g: tensor 'b': a row of 4611686018427387904 f32 overflows"},
    {.set = {{D0, 1 << 20}, {D1, 1ull << 50}},
     .status = PT_EFORMAT,
     .text = "g: tensor 'b' runs past the end of the file; the file is damaged or cut off"},
    {.set = {{GGML, 2}}, .status = PT_EFORMAT, .text = "g: tensor 'b': a row of 8 is no multiple of q4_0's block of 32"},
    {.set = {{OFFSET, 120}}, .status = PT_EFORMAT, .text = "g: tensor 'b' is not aligned to 32 bytes"},
    {.set = {{OFFSET, 96}}, .status = PT_EFORMAT, .text = "g: tensors 'a' and 'b' overlap"},
    {.set = {{OFFSET, 1ull << 63}},
     .status = PT_EFORMAT,
     .text = "g: tensor 'b' starts past the end of the file; the file is cut off"},
    {.cut = 1, .status = PT_EFORMAT, .text = "g: tensor 'b' runs past the end of the file; the file is damaged or cut off"},
    {.cut = 193, .status = PT_EFORMAT, .text = "g: the data starts past the end of the file; the file is cut off"},
    {.cut = 230,
     .status = PT_EFORMAT,
     .text = "g: a tensor's entry runs past the end of the file (byte 120 of 122); the file is damaged or cut off"},
    {.cut = 344,
     .status = PT_EFORMAT,
     .text = "g: the head runs past the end of the file (byte 8 of 8); the file is damaged or cut off"},
    {.cut = 349, .status = PT_EFORMAT, .text = "g: not a GGUF file (it does not start with \"GGUF\")"},
};

static void hostile_files(void **state)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        maker m;
        pt_gguf *g;
        build(&m, &cases[i]);
        scratch_write(scratch_path("g"), m.b, m.n);
        pt_err_clear();
        pt_status got = pt_gguf_open(&g, scratch_path("g"));
        if (cases[i].text) assert_string_equal(scratch_message(), cases[i].text);
        assert_int_equal(got, cases[i].status);
        assert_true((g != NULL) == (got == PT_OK));
        pt_gguf_close(g);
    }
}

static void bad_alignment(void **state)
{
    gguf_case good = cases[0];
    static const struct {
        uint32_t value;
        const char *text;
    } bad[] = {{0, "g: key 'general.alignment' is 0; it must lie in 1..1048576"},
               {48, "g: general.alignment is 48, no power of two"},
               {1u << 31, "g: key 'general.alignment' is 2147483648; it must lie in 1..1048576"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        maker m;
        pt_gguf *g;
        build(&m, &good);
        memcpy(m.b + 53, &bad[i].value, 4);
        scratch_write(scratch_path("g"), m.b, m.n);
        assert_int_equal(pt_gguf_open(&g, scratch_path("g")), PT_EFORMAT);
        assert_string_equal(scratch_message(), bad[i].text);
    }
}

static void unknown_types_are_carried(void **state)
{
    gguf_case c = cases[0];
    static const struct {
        uint64_t id;
        const char *name;
    } ids[] = {{39, "MXFP4"}, {18, "IQ3_XXS"}, {77, "type 77"}, {UINT32_MAX, "type -1"}, {26, "I32"}};
    for (size_t i = 0; i < COUNT(ids); i++) {
        maker m;
        pt_gguf *g;
        const pt_gguf_tensor *t;
        char want[160];
        c.set[0].field = GGML;
        c.set[0].value = ids[i].id;
        build(&m, &c);
        scratch_write(scratch_path("g"), m.b, m.n);
        assert_int_equal(pt_gguf_open(&g, scratch_path("g")), PT_OK);
        assert_non_null(pt_gguf_find_tensor(g, "b"));
        assert_int_equal(pt_gguf_need(g, "b", &t), PT_ENOSUP);
        snprintf(want, sizeof want,
                 "g: tensor 'b' is stored as %s, which is not read as weights; use a file of another quantisation",
                 ids[i].name);
        assert_string_equal(scratch_message(), want);
        pt_gguf_close(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_package_s_file),
        cmocka_unit_test(reads_every_scalar_type),
        cmocka_unit_test(writes_the_same_bytes),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(hostile_files),
        cmocka_unit_test(bad_alignment),
        cmocka_unit_test(unknown_types_are_carried),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
