/* Result files know when a bit of theirs was changed: every single bit of an adapter, of weights in safetensors and of a GGUF file is flipped
 * once, and no such file loads. Files of other programs, which have no seal, load as before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "checkpoints/gguf.h"
#include "checkpoints/peft.h"
#include "checkpoints/seal.h"
#include "tests/scratch.h"

static float numbers[64];
static int warnings;

static void hear(void *user, pt_log_level level, const char *text)
{
    (void)user, (void)text;
    warnings += level == PT_LOG_WARN;
}

static void OK(pt_status rc)
{
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
}

static const char path_q[] = "model.layers.0.self_attn.q_proj";

/* A folder with an adapter of rank 2 on one matrix of 8 x 4. */
static void write_adapter(const char *dir)
{
    pt_peft *p;
    pt_st_writer w = {0};
    char digest[17], *a, *b, *file;
    OK(pt_dir_make(dir));
    OK(pt_peft_new(&p, 2, 4));
    OK(pt_peft_list_add(&p->targets, "q_proj"));
    OK(pt_peft_write(p, dir));
    OK(pt_peft_digest(p, digest));
    OK(pt_path_join(&file, dir, "adapter_model.safetensors"));
    OK(pt_st_writer_open(&w, file));
    OK(pt_st_writer_meta(&w, PT_PEFT_DIGEST_KEY, digest));
    OK(pt_peft_tensor_name(&a, path_q, PT_PEFT_A));
    OK(pt_peft_tensor_name(&b, path_q, PT_PEFT_B));
    OK(pt_st_writer_add(&w, a, PT_F32, 2, (int64_t[]){2, 4}));
    OK(pt_st_writer_add(&w, b, PT_F32, 2, (int64_t[]){8, 2}));
    OK(pt_st_writer_write(&w, numbers, 8 * sizeof *numbers));
    OK(pt_st_writer_write(&w, numbers, 16 * sizeof *numbers));
    OK(pt_st_writer_commit(&w));
    pt_st_writer_close(&w);
    pt_peft_free(p);
    free(a);
    free(b);
    free(file);
}

static pt_status load_adapter(const char *dir)
{
    pt_peft *p = NULL;
    pt_st *st = NULL;
    pt_status rc = pt_peft_read(&p, dir);
    if (rc == PT_OK) rc = pt_peft_open_tensors(p, &st, dir);
    pt_st_close(st);
    pt_peft_free(p);
    return rc;
}

static pt_status load_st(const char *file)
{
    pt_st *st = NULL;
    pt_status rc = pt_st_open(&st, file);
    if (rc == PT_OK) rc = pt_st_verify(st);
    pt_st_close(st);
    return rc;
}

static pt_status load_gguf(const char *file)
{
    pt_gguf *g = NULL;
    pt_status rc = pt_gguf_open(&g, file);
    if (rc == PT_OK) rc = pt_gguf_verify(g);
    pt_gguf_close(g);
    return rc;
}

static void write_gguf(const char *file)
{
    pt_gguf_writer w = {0};
    OK(pt_gguf_writer_open(&w, file));
    OK(pt_gguf_put_text(&w, "general.architecture", "llama", 5));
    OK(pt_gguf_put_f32(&w, "adapter.lora.alpha", 16));
    OK(pt_gguf_put_seal(&w));
    OK(pt_gguf_put_tensor(&w, "a", PT_F32, 1, (int64_t[]){24}));
    OK(pt_gguf_write(&w, numbers, 24 * sizeof *numbers));
    OK(pt_gguf_writer_commit(&w));
    pt_gguf_writer_close(&w);
}

static void put_byte(const char *file, size_t at, char byte)
{
    int fd = open(file, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, &byte, 1, (off_t)at) == 1 && close(fd) == 0);
}

/* Flips every bit of `file` in turn; load(what) must fail each time, and name the file. */
static void flip_all(const char *file, pt_status (*load)(const char *), const char *what)
{
    char *bytes;
    size_t n;
    OK(load(what));
    OK(pt_file_read(&bytes, &n, file, 1 << 20));
    for (size_t i = 0; i < 8 * n; i++) {
        put_byte(file, i / 8, (char)(bytes[i / 8] ^ 1 << (i % 8)));
        if (load(what) == PT_OK) fail_msg("bit %zu of byte %zu of %s changed in silence", i % 8, i / 8, file);
        assert_non_null(strstr(pt_err_msg(), pt_path_base(file)));
        if (i % 8 == 7) put_byte(file, i / 8, bytes[i / 8]);
    }
    OK(load(what));
    free(bytes);
}

static void test_adapter(void **state)
{
    (void)state;
    char dir[200], file[256];
    snprintf(dir, sizeof dir, "%s", scratch_path("adapter"));
    write_adapter(dir);
    snprintf(file, sizeof file, "%s/adapter_model.safetensors", dir);
    flip_all(file, load_adapter, dir);
}

static void test_files(void **state)
{
    (void)state;
    char file[200];
    snprintf(file, sizeof file, "%s", scratch_path("x.gguf"));
    write_gguf(file);
    flip_all(file, load_gguf, file);
    write_adapter(scratch_path("weights"));
    snprintf(file, sizeof file, "%s", scratch_path("weights/adapter_model.safetensors"));
    flip_all(file, load_st, file);
}

/* The same numbers give the same bytes. */
static void test_deterministic(void **state)
{
    (void)state;
    char *a, *b;
    size_t n, m;
    for (int k = 0; k < 2; k++) {
        const char *name[] = {k ? "1.gguf" : "one", k ? "2.gguf" : "two"};
        for (int i = 0; i < 2; i++) k ? write_gguf(scratch_path(name[i])) : write_adapter(scratch_path(name[i]));
        OK(pt_file_read(&a, &n, scratch_path(k ? "1.gguf" : "one/adapter_model.safetensors"), 1 << 20));
        OK(pt_file_read(&b, &m, scratch_path(k ? "2.gguf" : "two/adapter_model.safetensors"), 1 << 20));
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        free(a);
        free(b);
    }
}

/* An edited configuration is said, and loads; another place of the base is no difference. */
static void test_config(void **state)
{
    (void)state;
    pt_peft *p;
    const char *dir = scratch_path("edited");
    write_adapter(dir);
    pt_log_set_sink(hear, NULL);
    OK(pt_peft_read(&p, dir));
    OK(pt_peft_set_text(&p->base_model, "elsewhere"));
    OK(pt_peft_write(p, dir));
    warnings = 0;
    OK(load_adapter(dir));
    assert_int_equal(warnings, 0);
    p->alpha = 5;
    OK(pt_peft_write(p, dir));
    OK(load_adapter(dir));
    assert_int_equal(warnings, 1);
    pt_peft_free(p);
    pt_log_set_sink(NULL, NULL);
}

/* A file without a seal is someone else's. */
static void test_foreign(void **state)
{
    (void)state;
    const char head[] = "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    unsigned char all[8 + sizeof head - 1 + 4] = {sizeof head - 1};
    memcpy(all + 8, head, sizeof head - 1);
    scratch_write(scratch_path("foreign.safetensors"), all, sizeof all);
    OK(load_st(scratch_path("foreign.safetensors")));
    all[sizeof all - 1] ^= 1;
    scratch_write(scratch_path("foreign.safetensors"), all, sizeof all);
    OK(load_st(scratch_path("foreign.safetensors")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_adapter), cmocka_unit_test(test_files), cmocka_unit_test(test_deterministic),
                                       cmocka_unit_test(test_config), cmocka_unit_test(test_foreign)};
    for (int i = 0; i < 64; i++) numbers[i] = (float)(i + 1) / 8;
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
