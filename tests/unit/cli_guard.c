/* What an earlier export left and this one did not write goes; what this one wrote stays, also where the file system gives a new file the number
 * of the old one: an export writes some names twice, and a number is free as soon as its file is replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoints/safetensors.h"
#include "tests/scratch.h"
#include "train/cli/open.h"

static void OK(pt_status rc)
{
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
}

static ino_t number(const char *path)
{
    struct stat s;
    return lstat(path, &s) ? 0 : s.st_ino;
}

static void test_numbers(void **state)
{
    (void)state;
    char dir[128], file[256], tokens[256], other[256];
    pt_st_writer w = {0};
    pt_cli c = {.to = (char *)(uintptr_t)"hf"};
    pt_opened o = {0};
    pt_guard g = {0};
    snprintf(dir, sizeof dir, "%s", scratch_path("export"));
    snprintf(file, sizeof file, "%s/chat_template.jinja", dir);
    snprintf(tokens, sizeof tokens, "%s/added_tokens.json", dir);
    OK(pt_dir_make(dir));
    snprintf(other, sizeof other, "%s/model.safetensors", dir);
    OK(pt_st_writer_open(&w, other));
    OK(pt_st_writer_commit(&w));
    pt_st_writer_close(&w);
    OK(pt_file_write_whole(file, "old", 3));
    OK(pt_file_write_whole(tokens, "old", 3));
    ino_t old = number(file);
    OK(pt_guard_export(&c, &o, dir, &g));
    assert_int_equal(unlink(file), 0);
    for (int i = 0; i < 100 && number(file) != old; i++) { /* new files until one has the old one's number */
        snprintf(other, sizeof other, "%s/%d", scratch_dir, i);
        if (i) assert_int_equal(rename(file, other), 0);
        scratch_write(file, "new", 3);
    }
    OK(pt_guard_done(&g));
    pt_guard_close(&g);
    assert_true(number(file) != 0);
    assert_int_equal(number(tokens), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
