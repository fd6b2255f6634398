/* checkpoints/safetensors.h: round trips, a file of the Python package, shards, and hostile files with their messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoints/safetensors.h"
#include "tests/scratch.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Writes a file of a header text and n bytes of data. */
static void write_st(const char *path, const char *header, size_t n)
{
    unsigned char bytes[8192] = {0};
    uint64_t h = strlen(header);
    assert_true(8 + h + n <= sizeof bytes);
    memcpy(bytes, &h, 8);
    memcpy(bytes + 8, header, h);
    for (size_t i = 0; i < n; i++) bytes[8 + h + i] = (unsigned char)i;
    scratch_write(path, bytes, 8 + h + n);
}

static void round_trip(void **state)
{
    const char *path = scratch_path("a.safetensors");
    const int64_t shape[] = {2, 3}, none[] = {0, 4};
    const float x[6] = {1, -2, 0.5f, 1e-20f, 3e38f, -0.0f};
    const uint16_t h[6] = {0x3c00, 0xc000, 0, 1, 0x7bff, 0x8000};
    pt_st_writer w;
    pt_st *st;
    const pt_st_tensor *t;
    assert_int_equal(pt_st_writer_open(&w, path), PT_OK);
    assert_int_equal(pt_st_writer_meta(&w, "note", "made by a test"), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "b.weight", PT_F32, 2, shape), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "empty", PT_F32, 2, none), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "scalar", PT_F32, 0, NULL), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "a.weight", PT_F16, 2, shape), PT_OK);
    assert_int_equal(pt_st_writer_write(&w, x, 5), PT_OK);
    assert_int_equal(pt_st_writer_write(&w, (const char *)x + 5, 19), PT_OK);
    assert_int_equal(pt_st_writer_write(&w, &x[2], 4), PT_OK);
    assert_false(pt_file_exists(path));
    assert_int_equal(pt_st_writer_write(&w, h, 12), PT_OK);
    assert_int_equal(pt_st_writer_commit(&w), PT_OK);
    pt_st_writer_close(&w);
    assert_int_equal(pt_st_open(&st, path), PT_OK);
    assert_int_equal(st->n_tensors, 4);
    assert_int_equal(pt_st_need(st, "b.weight", &t), PT_OK);
    assert_memory_equal(t->data, x, sizeof x);
    assert_int_equal(pt_st_check_shape(t, 2, shape), PT_OK);
    assert_int_equal(pt_st_check_shape(t, 2, (int64_t[]){3, 2}), PT_ESHAPE);
    assert_string_equal(scratch_message(), "a.safetensors: tensor 'b.weight' has shape [2, 3], the model asks for [3, 2]");
    assert_int_equal(pt_st_need(st, "a.weight", &t), PT_OK);
    float y[6];
    const float want[6] = {1, -2, 0, 0x1p-24f, 65504, -0.0f};
    assert_int_equal(pt_st_to_f32(t, y), PT_OK);
    assert_memory_equal(y, want, sizeof want);
    assert_int_equal(pt_st_need(st, "empty", &t), PT_OK);
    assert_int_equal(t->count, 0);
    assert_int_equal(pt_st_need(st, "scalar", &t), PT_OK);
    assert_true(t->n_dims == 0 && t->count == 1);
    assert_null(pt_st_find(st, "c"));
    pt_st_close(st);
}

static void writer_refuses(void **state)
{
    pt_st_writer w;
    const int64_t three[] = {3}, bad[] = {2, -1}, large[] = {INT64_MAX, 4};
    assert_int_equal(pt_st_writer_open(&w, scratch_path("w.safetensors")), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "x", PT_F16, 1, three), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "x", PT_F16, 1, three), PT_EARG);
    assert_string_equal(scratch_message(), "w.safetensors: tensor 'x' added twice");
    assert_int_equal(pt_st_writer_add(&w, "y", PT_F32, 1, three), PT_EARG);
    assert_string_equal(scratch_message(), "w.safetensors: tensor 'y' would be unaligned or too large; add wider types first");
    assert_int_equal(pt_st_writer_add(&w, "z", PT_F16, 2, bad), PT_EARG);
    assert_int_equal(pt_st_writer_add(&w, "z", PT_F16, 2, large), PT_EARG);
    assert_int_equal(pt_st_writer_add(&w, "z", PT_Q4_0, 1, three), PT_ENOSUP);
    assert_string_equal(scratch_message(), "w.safetensors: safetensors cannot hold 'z' as q4_0");
    assert_int_equal(pt_st_writer_add(&w, "\xff", PT_F16, 1, three), PT_EARG);
    assert_int_equal(pt_st_writer_write(&w, "1234", 4), PT_OK);
    assert_int_equal(pt_st_writer_add(&w, "late", PT_F16, 1, three), PT_ESTATE);
    assert_int_equal(pt_st_writer_write(&w, "1234", 4), PT_ESTATE);
    assert_string_equal(scratch_message(), "w.safetensors: 2 bytes more than the tensors have");
    assert_int_equal(pt_st_writer_commit(&w), PT_ESTATE);
    assert_string_equal(scratch_message(), "w.safetensors: 2 bytes of tensor data are missing");
    pt_st_writer_close(&w);
    assert_false(pt_file_exists(scratch_path("w.safetensors")));
    pt_st_writer zero = {0};
    pt_st_writer_close(&zero);
}

#define E(dtype, shape, a, b) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #a "," #b "]}"

static const struct bad_file {
    const char *header;
    size_t data;
    pt_status status;
    const char *text;
} bad_files[] = {
    {"{\"a\":" E("F32", "[2]", 0, 8) "}", 7, PT_EFORMAT,
     "f: tensor 'a': its data [0, 8) is outside the 7 bytes of data; the file is damaged or cut off"},
    {"{\"a\":" E("F32", "[3]", 0, 8) "}", 8, PT_EFORMAT, "f: tensor 'a': shape [3] of F32 does not make 8 bytes"},
    {"{\"a\":" E("F32", "[]", 0, 8) "}", 8, PT_EFORMAT, "f: tensor 'a': shape [] of F32 does not make 8 bytes"},
    {"{\"a\":" E("F32", "[2]", 8, 0) "}", 8, PT_EFORMAT,
     "f: tensor 'a': its data [8, 0) is outside the 8 bytes of data; the file is damaged or cut off"},
    {"{\"a\":" E("F32", "[2]", -8, 0) "}", 8, PT_EFORMAT,
     "f: tensor 'a': its data [-8, 0) is outside the 8 bytes of data; the file is damaged or cut off"},
    {"{\"a\":" E("F32", "[4294967296,4294967296,1]", 0, 8) "}", 8, PT_EFORMAT, "f: tensor 'a': its shape overflows"},
    {"{\"a\":" E("F32", "[2305843009213693952,2]", 0, 0) "}", 0, PT_EFORMAT,
     "f: tensor 'a': shape [2305843009213693952, 2] of F32 does not make 0 bytes"},
    {"{\"a\":" E("F32", "[-2]", 0, 8) "}", 8, PT_EFORMAT, "f: tensor 'a': dimension 0 is no size"},
    {"{\"a\":" E("F32", "[2.0]", 0, 8) "}", 8, PT_EFORMAT, "f: tensor 'a': dimension 0 is no size"},
    {"{\"a\":" E("F32", "[1,1,1,1,1,1,1,1,2]", 0, 8) "}", 8, PT_EFORMAT,
     "f: tensor 'a': its shape has 9 dimensions; at most 8 are read"},
    {"{\"a\":" E("F32", "2", 0, 8) "}", 8, PT_EFORMAT, "f: tensor 'a': its shape is not a list"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, PT_EFORMAT, "f: tensor 'a': its data_offsets are not two integers"},
    {"{\"a\":{\"shape\":[2]}}", 8, PT_EFORMAT, "f: tensor 'a': it has no readable dtype"},
    {"{\"a\":7}", 0, PT_EFORMAT, "f: tensor 'a': its entry is not an object"},
    {"{\"a\":" E("F32", "[2]", 0, 8) ",\"b\":" E("F32", "[2]", 4, 12) "}", 12, PT_EFORMAT, "f: tensors 'a' and 'b' overlap"},
    {"{\"a\":" E("F32", "[2]", 0, 8) ",\"b\":" E("F32", "[2]", 12, 20) "}", 20, PT_EFORMAT,
     "f: 4 bytes before tensor 'b' belong to nothing"},
    {"{\"a\":" E("F32", "[2]", 0, 8) "}", 9, PT_EFORMAT, "f: the last 1 bytes belong to nothing"},
    {"{\"a\":" E("F32", "[2]", 0, 8) ",\"a\":" E("F32", "[1]", 0, 4) "}", 8, PT_EFORMAT,
     "f: the last 4 bytes belong to nothing"}, /* of a name that stands twice the last entry counts */
    {"[1,2]", 0, PT_EFORMAT, "f: the header does not start with '{': not a safetensors file"},
    {"{\"a\":", 0, PT_EFORMAT, "f: header:1:6: broken JSON: the text is cut off"},
    {"{\"\xff\":1}", 0, PT_EFORMAT, "f: header:1:3: broken JSON: a string is not UTF-8"},
};

static void bad_headers(void **state)
{
    for (size_t i = 0; i < COUNT(bad_files); i++) {
        const struct bad_file *b = &bad_files[i];
        pt_st *st;
        write_st(scratch_path("f"), b->header, b->data);
        assert_int_equal(pt_st_open(&st, scratch_path("f")), b->status);
        assert_null(st);
        assert_string_equal(scratch_message(), b->text);
    }
}

static void bad_lengths(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {"", 0, "f: 0 bytes are too few for a safetensors file"},
        {"\1\0\0\0\0\0\0", 7, "f: 7 bytes are too few for a safetensors file"},
        {"\377\377\377\377\377\377\377\377{}", 10,
         "f: a header of 18446744073709551615 bytes does not fit a file of 10: not a safetensors file, or cut off"},
        {"\3\0\0\0\0\0\0\0{}", 10, "f: a header of 3 bytes does not fit a file of 10: not a safetensors file, or cut off"},
        {"\0\0\0\0\0\0\0\0{}", 10, "f: the header does not start with '{': not a safetensors file"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        pt_st *st;
        scratch_write(scratch_path("f"), cases[i].bytes, cases[i].n);
        assert_int_equal(pt_st_open(&st, scratch_path("f")), PT_EFORMAT);
        assert_string_equal(scratch_message(), cases[i].text);
    }
}

static void other_types_are_carried(void **state)
{
    pt_st *st;
    const pt_st_tensor *t;
    write_st(scratch_path("f"),
             "{\"i\":" E("I64", "[2]", 0, 16) ",\"q\":" E("F4", "[3]", 16, 18) ",\"n\":" E("I32", "[1]", 18, 22) "}  ", 22);
    assert_int_equal(pt_st_open(&st, scratch_path("f")), PT_OK);
    assert_int_equal(pt_st_need(st, "i", &t), PT_ENOSUP);
    assert_string_equal(scratch_message(), "f: tensor 'i' is stored as I64; weights are read from F32, F16 and BF16");
    assert_int_equal(pt_st_need(st, "q", &t), PT_ENOSUP);
    assert_int_equal(pt_st_need(st, "n", &t), PT_ENOSUP);
    t = pt_st_find(st, "n");
    assert_true(t->known && t->type == PT_I32 && t->data[0] == 18);
    assert_false(pt_st_find(st, "q")->known);
    assert_int_equal(pt_st_need(st, "none", &t), PT_EFORMAT);
    assert_string_equal(scratch_message(), "f: tensor 'none' is missing");
    pt_st_close(st);
}

static void write_text(const char *path, const char *text)
{
    scratch_write(path, text, strlen(text));
}

static void shards(void **state)
{
    const char *dir = scratch_path("sharded"), *index = scratch_path("sharded/model.safetensors.index.json");
    pt_st *st;
    assert_int_equal(pt_dir_make(dir), PT_OK);
    assert_int_equal(pt_st_open(&st, dir), PT_EIO);
    assert_string_equal(scratch_message(), "sharded holds neither model.safetensors nor model.safetensors.index.json");
    write_text(scratch_path("sharded/pytorch_model.bin"), "x");
    assert_int_equal(pt_st_open(&st, dir), PT_ENOSUP);
    assert_string_equal(scratch_message(),
                        "sharded holds pytorch_model.bin, which is not read; convert it to model.safetensors");
    write_st(scratch_path("sharded/one"), "{\"a\":" E("F32", "[2]", 0, 8) "}", 8);
    write_st(scratch_path("sharded/two"), "{\"b\":" E("BF16", "[2]", 0, 4) "}", 4);
    write_text(index, "{\"metadata\":{},\"weight_map\":{\"a\":\"one\",\"b\":\"two\"}}");
    assert_int_equal(pt_st_open(&st, dir), PT_OK);
    assert_int_equal(st->n_tensors, 2);
    assert_int_equal(pt_st_find(st, "b")->type, PT_BF16);
    pt_st_close(st);
    static const struct {
        const char *index;
        pt_status status;
        const char *text;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"../one\"}}", PT_EFORMAT, "tensor 'a' names no file of this folder"},
        {"{\"weight_map\":{\"a\":\"x/one\"}}", PT_EFORMAT, "tensor 'a' names no file of this folder"},
        {"{\"weight_map\":{\"a\":3}}", PT_EFORMAT, "tensor 'a' names no file of this folder"},
        {"{\"weight_map\":{}}", PT_EFORMAT, "0 shards; 1 to 4096 are read"},
        {"{\"map\":{}}", PT_EFORMAT, "sharded/model.safetensors.index.json: no weight_map"},
        {"{\n \"weight_map\": nul}", PT_EFORMAT, "sharded/model.safetensors.index.json:2:16: broken JSON: a value is wanted"},
        {"{\"weight_map\":{\"a\":\"three\"}}", PT_EIO, "cannot open sharded/three: No such file or directory"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_text(index, cases[i].index);
        assert_int_equal(pt_st_open(&st, dir), cases[i].status);
        assert_string_equal(scratch_message(), cases[i].text);
    }
}

/* Written by safetensors 0.8.0 through PEFT. */
static void reads_the_package_s_file(void **state)
{
    pt_st *st;
    const pt_st_tensor *t;
    float x[64];
    assert_int_equal(pt_st_open(&st, "tests/golden/data/peft_adapter/adapter_model.safetensors"), PT_OK);
    assert_int_equal(st->n_tensors, 12);
    assert_int_equal(pt_st_need(st, "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight", &t), PT_OK);
    assert_int_equal(pt_st_check_shape(t, 2, (int64_t[]){16, 2}), PT_OK);
    assert_int_equal(pt_st_to_f32(t, x), PT_OK);
    for (int i = 0; i < 32; i++) assert_true(x[i] == (float)i / 64);
    pt_st_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(bad_lengths),
        cmocka_unit_test(other_types_are_carried),
        cmocka_unit_test(shards),
        cmocka_unit_test(reads_the_package_s_file),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
