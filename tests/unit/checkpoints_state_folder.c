/* checkpoints/state.h: what was put comes back bit for bit, damage is found. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "checkpoints/digest.h"
#include "checkpoints/state.h"
#include "tests/scratch.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A checkpoint with two numbers, a text, three blobs and a file of the caller's. */
static void write_one_of(const char *dir, int64_t step, double loss)
{
    pt_state_writer w;
    float m[100];
    const uint64_t u[3] = {1, UINT64_MAX, 7};
    for (int i = 0; i < 100; i++) m[i] = (float)i / 7 + (float)step;
    assert_int_equal(pt_state_writer_open(&w, dir, step), PT_OK);
    assert_int_equal(pt_state_put_int(&w, "records", -step), PT_OK);
    assert_int_equal(pt_state_put_num(&w, "loss", loss), PT_OK);
    assert_int_equal(pt_state_put_text(&w, "compute", "f32"), PT_OK);
    assert_int_equal(pt_state_begin_blob(&w, "adam.m", PT_F32, 100), PT_OK);
    assert_int_equal(pt_state_write(&w, m, 33), PT_OK);
    assert_int_equal(pt_state_write(&w, (char *)m + 33, 367), PT_OK);
    assert_int_equal(pt_state_put_blob(&w, "empty", PT_U8, NULL, 0), PT_OK);
    assert_int_equal(pt_state_put_blob(&w, "rng", PT_U64, u, 3), PT_OK);
    char *path;
    assert_int_equal(pt_path_join(&path, w.tmp, "adapter.bin"), PT_OK);
    assert_int_equal(pt_file_write_whole(path, "adapter", 7), PT_OK);
    free(path);
    assert_int_equal(pt_state_writer_commit(&w), PT_OK);
    pt_state_writer_close(&w);
}

static void write_one(const char *dir, int64_t step)
{
    write_one_of(dir, step, 0.1 + 0.2);
}

static void round_trip(void **state)
{
    const char *dir = scratch_path("run");
    char *folder;
    pt_state *s;
    int64_t i, n;
    double d;
    const char *text;
    const void *data;
    write_one(dir, 12);
    write_one(dir, 12); /* the same step again replaces it */
    assert_int_equal(pt_state_folder(&folder, dir, 12), PT_OK);
    assert_int_equal(pt_state_open(&s, folder), PT_OK);
    assert_int_equal(pt_state_step(s), 12);
    assert_int_equal(pt_state_int(s, "records", &i), PT_OK);
    assert_int_equal(i, -12);
    assert_int_equal(pt_state_num(s, "loss", &d), PT_OK);
    assert_true(d == 0.1 + 0.2);
    assert_int_equal(pt_state_text(s, "compute", &text), PT_OK);
    assert_string_equal(text, "f32");
    assert_int_equal(pt_state_blob(s, "adam.m", PT_F32, 100, &data, NULL), PT_OK);
    assert_true((uintptr_t)data % 64 == 0);
    for (int k = 0; k < 100; k++) assert_true(((const float *)data)[k] == (float)k / 7 + 12);
    assert_int_equal(pt_state_blob(s, "rng", PT_U64, -1, &data, &n), PT_OK);
    assert_true(n == 3 && ((const uint64_t *)data)[1] == UINT64_MAX);
    assert_true(pt_state_has(s, "empty") && pt_state_has(s, "loss") && !pt_state_has(s, "other"));
    assert_int_equal(pt_state_blob(s, "adam.m", PT_F32, 99, &data, NULL), PT_ESHAPE);
    assert_string_equal(scratch_message(), "run/checkpoint-12: 'adam.m' has 100 elements; this run has 99");
    assert_int_equal(pt_state_blob(s, "adam.m", PT_F16, 100, &data, NULL), PT_EFORMAT);
    assert_string_equal(scratch_message(), "run/checkpoint-12: 'adam.m' holds f32, not f16");
    assert_int_equal(pt_state_blob(s, "adam.v", PT_F32, 100, &data, NULL), PT_EFORMAT);
    assert_string_equal(scratch_message(), "run/checkpoint-12: 'adam.v' is missing");
    assert_int_equal(pt_state_int(s, "loss", &i), PT_EFORMAT);
    assert_string_equal(scratch_message(), "run/checkpoint-12: 'loss' is a number, not an integer");
    assert_int_equal(pt_state_num(s, "gone", &d), PT_EFORMAT);
    assert_string_equal(scratch_message(), "run/checkpoint-12: 'gone' is missing, not a number");
    pt_state_close(s);
    free(folder);
}

static void writer_refuses(void **state)
{
    pt_state_writer w;
    const char *dir = scratch_path("refused");
    assert_int_equal(pt_state_writer_open(&w, dir, -1), PT_EARG);
    assert_int_equal(pt_state_writer_open(&w, dir, 3), PT_OK);
    assert_int_equal(pt_state_put_num(&w, "x", (double)NAN), PT_ENONFINITE);
    assert_string_equal(scratch_message(), "refused/checkpoint-3: 'x' is nan");
    assert_int_equal(pt_state_put_int(&w, "x", 1), PT_OK);
    assert_int_equal(pt_state_begin_blob(&w, "x", PT_F32, 2), PT_EARG);
    assert_string_equal(scratch_message(), "refused/checkpoint-3: 'x' is put twice");
    assert_int_equal(pt_state_write(&w, "1234", 4), PT_ESTATE);
    assert_int_equal(pt_state_begin_blob(&w, "y", PT_F32, 2), PT_OK);
    assert_int_equal(pt_state_write(&w, "1234", 4), PT_OK);
    assert_int_equal(pt_state_begin_blob(&w, "z", PT_F32, 2), PT_ESTATE);
    assert_string_equal(scratch_message(), "refused/checkpoint-3: a blob lacks 4 bytes");
    assert_int_equal(pt_state_write(&w, "12345", 5), PT_ESTATE);
    assert_int_equal(pt_state_writer_commit(&w), PT_ESTATE);
    pt_state_writer_close(&w);
    assert_false(pt_dir_exists(scratch_path("refused/checkpoint-3")));
    pt_state_writer zero = {0};
    pt_state_writer_close(&zero);
}

/* Flips one bit of every `stride`-th byte of a file in turn; each must be refused as text says (NULL: any message). */
static void flip_bytes(const char *folder, const char *name, size_t stride, const char *text)
{
    char path[256], *bytes;
    size_t n;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(pt_file_read(&bytes, &n, path, 1 << 20), PT_OK);
    for (size_t i = 0; i < n; i += stride) {
        pt_state *s;
        bytes[i] ^= 1;
        scratch_write(path, bytes, n);
        pt_status rc = pt_state_open(&s, folder);
        if (rc == PT_OK) fail_msg("byte %zu of %s is not protected", i, name);
        if (text && strcmp(scratch_message(), text)) fail_msg("byte %zu: %s", i, scratch_message());
        bytes[i] ^= 1;
    }
    pt_state *s;
    scratch_write(path, bytes, n - 2); /* cut off: more than a final newline */
    assert_int_not_equal(pt_state_open(&s, folder), PT_OK);
    scratch_write(path, bytes, n);
    assert_int_equal(pt_state_open(&s, folder), PT_OK);
    pt_state_close(s);
    free(bytes);
}

static void damage_is_found(void **state)
{
    const char *dir = scratch_path("damage");
    write_one_of(dir, 1, 0.5); /* the 17th digit of 0.1 + 0.2 may change without changing the number */
    char folder[256];
    snprintf(folder, sizeof folder, "%s/checkpoint-1", dir);
    flip_bytes(folder, "adapter.bin", 1, "damage/checkpoint-1: adapter.bin is damaged; resume from another checkpoint");
    flip_bytes(folder, "state.json", 3, NULL);
    char path[300], *bytes;
    size_t n;
    pt_state *s;
    snprintf(path, sizeof path, "%s/state.bin", folder);
    assert_int_equal(pt_file_read(&bytes, &n, path, 1 << 20), PT_OK);
    for (size_t i = 0; i < n; i += 3) { /* 400 bytes of adam.m, padding, 24 bytes of rng */
        const char *want = i < 400 ? "'adam.m'" : "'rng'";
        char text[200];
        if (i >= 400 && i < 448) continue;
        bytes[i] ^= 0x40;
        scratch_write(path, bytes, n);
        snprintf(text, sizeof text, "damage/checkpoint-1: %s in state.bin is damaged; resume from another checkpoint", want);
        assert_int_equal(pt_state_open(&s, folder), PT_EFORMAT);
        assert_string_equal(scratch_message(), text);
        bytes[i] ^= 0x40;
    }
    scratch_write(path, bytes, n + 1 > n ? n - 1 : 0);
    assert_int_equal(pt_state_open(&s, folder), PT_EFORMAT);
    assert_string_equal(scratch_message(), "damage/checkpoint-1: state.bin is damaged; resume from another checkpoint");
    assert_int_equal(pt_dir_remove(path), PT_OK);
    assert_int_equal(pt_state_open(&s, folder), PT_EIO);
    assert_string_equal(scratch_message(), "cannot open damage/checkpoint-1/state.bin: No such file or directory");
    free(bytes);
}

static void newer_version_is_refused(void **state)
{
    pt_state *s;
    const char *dir = scratch_path("newer"), *json = "{\"version\": 2, \"step\": 1}";
    assert_int_equal(pt_dir_make(dir), PT_OK);
    scratch_write(scratch_path("newer/state.json"), json, strlen(json));
    assert_int_equal(pt_state_open(&s, dir), PT_ENOSUP);
    assert_string_equal(scratch_message(), "newer/state.json: checkpoint version 2; this program reads 1");
}

static void digest_does_not_depend_on_the_pieces(void **state)
{
    unsigned char bytes[200];
    pt_digest d;
    for (int i = 0; i < 200; i++) bytes[i] = (unsigned char)(i * 37);
    for (size_t n = 0; n <= 200; n++) {
        pt_digest_start(&d);
        pt_digest_add(&d, bytes, n);
        uint64_t whole = pt_digest_end(&d);
        for (size_t step = 1; step < 70; step += 3) {
            pt_digest_start(&d);
            for (size_t i = 0; i < n; i += step) pt_digest_add(&d, bytes + i, n - i < step ? n - i : step);
            assert_true(pt_digest_end(&d) == whole);
        }
        pt_digest_start(&d); /* a zero more is another text */
        unsigned char more[201];
        memcpy(more, bytes, n);
        more[n] = 0;
        pt_digest_add(&d, more, n + 1);
        assert_true(pt_digest_end(&d) != whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),           cmocka_unit_test(writer_refuses),
        cmocka_unit_test(damage_is_found),      cmocka_unit_test(newer_version_is_refused), cmocka_unit_test(digest_does_not_depend_on_the_pieces),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
