/* Result files know when a bit of theirs was changed: every single bit of an adapter, of weights in safetensors and of a GGUF file is flipped
 * once; no such file loads, but with a warning where the bit is one of the metadata. What tools made of such files loads with a warning, and still
 * knows the bits of its tensors. Files of other programs, which have no seal, load as before. */
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

/* Where the metadata stands, the version and bytes between header and data with it: what a bit may change with a warning only. */
static bool in_metadata(const char *bytes, size_t n, size_t i)
{
    size_t from = 0, to = 0, data = n;
    if (!memcmp(bytes, "GGUF", 4)) {
        for (from = 4; to + 1 < n && memcmp(bytes + to, "ptrain_tensors", 14) != 0;) to++;
        to += 14 + 4 + 8 + PT_SEAL_TENSORS_DIGITS; /* the last key */
        data = n - 24 * sizeof *numbers;
    } else {
        from = (size_t)(strstr(bytes + 8, "__metadata__") - bytes);
        to = (size_t)(strchr(bytes + from, '}') - bytes);
        data = 8 + (size_t)(unsigned char)bytes[0] + ((size_t)(unsigned char)bytes[1] << 8);
    }
    return (i >= from && i < to) || (i < data && i >= data - 32 && (bytes[i] == 0 || bytes[i] == ' '));
}

/* Flips every bit of `file` in turn; load(what) must fail each time, and name the file, or warn of changed metadata. */
static void flip_all(const char *file, pt_status (*load)(const char *), const char *what)
{
    char *bytes;
    size_t n, passed = 0;
    pt_log_set_sink(hear, NULL);
    warnings = 0;
    OK(load(what));
    OK(pt_file_read(&bytes, &n, file, 1 << 20));
    int before = warnings; /* of a file that was edited already */
    for (size_t i = 0; i < 8 * n; i++) {
        put_byte(file, i / 8, (char)(bytes[i / 8] ^ 1 << (i % 8)));
        warnings = 0;
        if (load(what) == PT_OK) {
            passed++;
            if (!warnings || !in_metadata(bytes, n, i / 8))
                fail_msg("bit %zu of byte %zu of %s changed in silence", i % 8, i / 8, file);
        } else assert_non_null(strstr(pt_err_msg(), pt_path_base(file)));
        if (i % 8 == 7) put_byte(file, i / 8, bytes[i / 8]);
    }
    warnings = 0;
    OK(load(what));
    assert_int_equal(warnings, before);
    assert_true(passed && passed < 8 * n);
    pt_log_set_sink(NULL, NULL);
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

/* What a tool for GGUF files makes of `from`: its keys but `drop`, one more, its tensors as `type` (PT_DTYPE_COUNT: as they are), the last first. */
static void rewrite_gguf(const char *from, const char *to, const char *drop, pt_dtype type)
{
    pt_gguf *g;
    pt_gguf_writer w = {0};
    OK(pt_gguf_open(&g, from));
    OK(pt_gguf_writer_open(&w, to));
    OK(pt_gguf_put_text(&w, "general.name", "another", 7));
    for (size_t i = 0; i < g->n_kvs; i++)
        if (strcmp(g->kvs[i].key, drop) != 0) OK(pt_gguf_put_copy(&w, NULL, &g->kvs[i]));
    for (size_t i = g->n_tensors; i-- > 0;)
        OK(pt_gguf_put_tensor(&w, g->tensors[i].name, type == PT_DTYPE_COUNT ? g->tensors[i].type : type, g->tensors[i].n_dims, g->tensors[i].dims));
    for (size_t i = g->n_tensors; i-- > 0;)
        OK(pt_gguf_write(&w, type == PT_F16 ? (const void *)numbers : g->tensors[i].data, g->tensors[i].bytes / (type == PT_F16 ? 2 : 1)));
    OK(pt_gguf_writer_commit(&w));
    pt_gguf_writer_close(&w);
    pt_gguf_close(g);
}

/* Loads with so many warnings. */
static void loads(pt_status (*load)(const char *), const char *what, int warned)
{
    pt_log_set_sink(hear, NULL);
    warnings = 0;
    OK(load(what));
    assert_int_equal(warnings, warned);
    pt_log_set_sink(NULL, NULL);
}

static void refused(pt_status (*load)(const char *), const char *what)
{
    assert_int_equal(load(what), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "damaged"));
}

/* A file of two tensors, as tools leave it. */
static void test_tools(void **state)
{
    (void)state;
    char from[200], to[200];
    pt_gguf_writer w = {0};
    snprintf(from, sizeof from, "%s", scratch_path("ours.gguf"));
    snprintf(to, sizeof to, "%s", scratch_path("tool.gguf"));
    OK(pt_gguf_writer_open(&w, from));
    OK(pt_gguf_put_seal(&w));
    OK(pt_gguf_put_text(&w, "general.description", "one", 3));
    OK(pt_gguf_put_tensor(&w, "a", PT_F32, 1, (int64_t[]){24}));
    OK(pt_gguf_put_tensor(&w, "b", PT_F32, 2, (int64_t[]){4, 3}));
    OK(pt_gguf_write(&w, numbers, 24 * sizeof *numbers));
    OK(pt_gguf_write(&w, numbers + 24, 12 * sizeof *numbers));
    OK(pt_gguf_writer_commit(&w));
    pt_gguf_writer_close(&w);
    loads(load_gguf, from, 0);
    const char *const drop[] = {"", "general.description", PT_SEAL_KEY, PT_SEAL_DIGEST_KEY};
    for (size_t i = 0; i < sizeof drop / sizeof *drop; i++) {
        char *bytes;
        size_t n;
        rewrite_gguf(from, to, drop[i], PT_DTYPE_COUNT);
        loads(load_gguf, to, 1);
        OK(pt_file_read(&bytes, &n, to, 1 << 20));
        for (size_t k = n - 36 * sizeof *numbers - 16; k < n; k++) { /* b's 48 bytes, 16 up to the next place, a */
            if (k >= n - 24 * sizeof *numbers - 16 && k < n - 24 * sizeof *numbers) continue;
            put_byte(to, k, (char)(bytes[k] ^ 1 << k % 8));
            refused(load_gguf, to);
            put_byte(to, k, bytes[k]);
        }
        loads(load_gguf, to, 1);
        free(bytes);
    }
    rewrite_gguf(from, to, PT_SEAL_TENSORS_KEY, PT_DTYPE_COUNT);
    refused(load_gguf, to);
    rewrite_gguf(from, to, "", PT_F16); /* quantised again: no tensor is what it was */
    loads(load_gguf, to, 1);
}

/* A header that another program wrote anew, with spaces and a key more. */
static void test_tools_st(void **state)
{
    (void)state;
    char file[256], *bytes;
    size_t n, head = 0, m = 0;
    static char out[1 << 12];
    write_adapter(scratch_path("spaced"));
    snprintf(file, sizeof file, "%s", scratch_path("spaced/adapter_model.safetensors"));
    OK(pt_file_read(&bytes, &n, file, 1 << 20));
    for (int k = 0; k < 8; k++) head |= (size_t)(unsigned char)bytes[k] << (8 * k);
    m = 8;
    for (size_t i = 8; i < 8 + head; i++) {
        out[m++] = bytes[i];
        if (bytes[i] == ':' || bytes[i] == ',') out[m++] = ' ';
        if (bytes[i] == '{' && !memcmp(bytes + i - 2, "\":{\"format", 11)) m += (size_t)snprintf(out + m, sizeof out - m, "\"author\": \"me\", ");
    }
    for (int k = 0; k < 8; k++) out[k] = (char)((m - 8) >> (8 * k));
    size_t data = m;
    memcpy(out + m, bytes + 8 + head, n - 8 - head);
    m += n - 8 - head;
    scratch_write(file, out, m);
    loads(load_adapter, scratch_path("spaced"), 1);
    for (size_t k = data; k < m; k++) {
        put_byte(file, k, (char)(out[k] ^ 1 << k % 8));
        refused(load_adapter, scratch_path("spaced"));
        put_byte(file, k, out[k]);
    }
    free(bytes);
}

/* A seal of version 1, which has the digest of the whole alone: every change is damage. */
static void test_version_1(void **state)
{
    (void)state;
    char file[200], *bytes, text[PT_SEAL_DIGITS + 1];
    size_t n, at = 0;
    pt_gguf_writer w = {0};
    pt_digest d;
    snprintf(file, sizeof file, "%s", scratch_path("v1.gguf"));
    OK(pt_gguf_writer_open(&w, file));
    OK(pt_gguf_put_text(&w, PT_SEAL_KEY, "1", 1));
    OK(pt_gguf_put_text(&w, PT_SEAL_DIGEST_KEY, PT_SEAL_BLANK, PT_SEAL_DIGITS));
    OK(pt_gguf_put_tensor(&w, "a", PT_F32, 1, (int64_t[]){24}));
    OK(pt_gguf_write(&w, numbers, 24 * sizeof *numbers));
    OK(pt_gguf_writer_commit(&w));
    pt_gguf_writer_close(&w);
    OK(pt_file_read(&bytes, &n, file, 1 << 20));
    while (memcmp(bytes + at, PT_SEAL_BLANK, PT_SEAL_DIGITS) != 0) at++;
    pt_digest_start(&d);
    pt_digest_add(&d, bytes, n);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)pt_digest_end(&d));
    for (int i = 0; i < PT_SEAL_DIGITS; i++) put_byte(file, at + (size_t)i, text[i]);
    loads(load_gguf, file, 0);
    put_byte(file, n - 1, (char)(bytes[n - 1] ^ 1));
    refused(load_gguf, file);
    put_byte(file, n - 1, bytes[n - 1]);
    put_byte(file, at, (char)(text[0] ^ 1));
    refused(load_gguf, file);
    free(bytes);
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
                                       cmocka_unit_test(test_config), cmocka_unit_test(test_tools),   cmocka_unit_test(test_tools_st),
                                       cmocka_unit_test(test_version_1), cmocka_unit_test(test_foreign)};
    for (int i = 0; i < 64; i++) numbers[i] = (float)(i + 1) / 8;
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
