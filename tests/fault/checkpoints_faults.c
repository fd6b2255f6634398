/* Checkpoints while writing fails or the process is killed: the old state stays whole, nothing half-written gets a final name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "checkpoints/gguf.h"
#include "checkpoints/hf.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/state_list.h"
#include "tests/scratch.h"

enum { FLOATS = 5000 };

/* A checkpoint whose floats all hold its step, with an adapter file of the same number. */
static int extra; /* empty files in each checkpoint */

static pt_status save(const char *dir, int64_t step)
{
    pt_status rc = PT_OK;
    char name[300];
    pt_state_writer w = {0};
    pt_st_writer st = {0};
    float x[FLOATS];
    char *path = NULL;
    for (int i = 0; i < FLOATS; i++) x[i] = (float)step;
    PT_TRY(pt_state_writer_open(&w, dir, step));
    PT_TRY(pt_state_put_num(&w, "loss", 0.25));
    PT_TRY(pt_state_put_blob(&w, "m", PT_F32, x, FLOATS));
    PT_TRY(pt_state_put_blob(&w, "v", PT_F32, x, FLOATS));
    PT_TRY(pt_path_join(&path, w.tmp, "adapter_model.safetensors"));
    PT_TRY(pt_st_writer_open(&st, path));
    PT_TRY(pt_st_writer_add(&st, "a", PT_F32, 1, (int64_t[]){FLOATS}));
    PT_TRY(pt_st_writer_write(&st, x, sizeof x));
    PT_TRY(pt_st_writer_commit(&st));
    for (int i = 0; i < extra; i++) {
        snprintf(name, sizeof name, "%s/%d", w.tmp, i);
        scratch_write(name, "", 0);
    }
    PT_TRY(pt_state_writer_commit(&w));
    PT_TRY(pt_state_rotate(dir, 2, -1));
done:
    pt_st_writer_close(&st);
    pt_state_writer_close(&w);
    free(path);
    return rc;
}

/* Every checkpoint listed opens and holds its own step; returns the newest, -1 when there is none. */
static int64_t check_all(const char *dir)
{
    int64_t newest = -1;
    pt_state_list l;
    assert_int_equal(pt_state_list_read(&l, dir), PT_OK);
    for (size_t i = 0; i < l.n; i++) {
        char *folder;
        pt_state *s;
        const void *data;
        assert_int_equal(pt_state_folder(&folder, dir, l.of[i].step), PT_OK);
        if (pt_state_open(&s, folder) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_state_blob(s, "v", PT_F32, FLOATS, &data, NULL), PT_OK);
        assert_true(((const float *)data)[FLOATS - 1] == (float)l.of[i].step);
        pt_state_close(s);
        free(folder);
        newest = l.of[i].step;
    }
    pt_state_list_free(&l);
    return newest;
}

static void limit_files(rlim_t bytes)
{
    struct rlimit r;
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

/* The device is full after `limit` bytes of one file, for limits all over the sizes of the files that are written. */
static void full_disk(void **state)
{
    const char *dir = scratch_path("full");
    int failed = 0, done = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(save(dir, 1), PT_OK);
    for (rlim_t limit = 0; limit < 42000; limit += limit < 2000 ? 61 : 1999) {
        limit_files(limit);
        pt_status rc = save(dir, 2);
        limit_files(RLIM_INFINITY);
        if (rc == PT_OK) {
            done++;
            assert_int_equal(check_all(dir), 2);
            assert_int_equal(pt_dir_remove(scratch_path("full/checkpoint-2")), PT_OK);
            continue;
        }
        failed++;
        assert_int_equal(rc, PT_EIO);
        assert_non_null(strstr(pt_err_msg(), "File too large"));
        assert_int_equal(check_all(dir), 1);
        int left;
        assert_int_equal(pt_state_clean(dir, &left), PT_OK);
        assert_int_equal(left, 0); /* the writer removed its own temporary folder */
    }
    assert_true(failed > 40 && done > 0);
}

/* The same for a step that is already there: the old content stays until the new one is complete. */
static void full_disk_on_replacing(void **state)
{
    const char *dir = scratch_path("again");
    assert_int_equal(save(dir, 5), PT_OK);
    limit_files(30000);
    pt_status rc = save(dir, 5);
    limit_files(RLIM_INFINITY);
    assert_int_equal(rc, PT_EIO);
    assert_int_equal(check_all(dir), 5);
    assert_int_equal(save(dir, 5), PT_OK);
    assert_int_equal(check_all(dir), 5);
}

/* A child saves step after step and is killed at a moment that moves through the work. */
static void killed_while_saving(void **state)
{
    const char *dir = scratch_path("killed");
    int with_leftovers = 0;
    int64_t last = 0;
    assert_int_equal(save(dir, 0), PT_OK);
    for (int round = 0; round < 40; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (int64_t step = last;; step++) /* the newest is saved again first */
                if (save(dir, step) != PT_OK) _exit(1);
        }
        struct timespec t = {0, 3000000L + 4330000L * (round % 30)};
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        int64_t newest = check_all(dir);
        assert_true(newest >= last); /* never loses what was there */
        last = newest;
        int left;
        assert_int_equal(pt_state_clean(dir, &left), PT_OK);
        with_leftovers += left > 0;
    }
    assert_true(with_leftovers > 5); /* else the kills missed the writing */
    print_message("# figure killed_while_saving: 40 kills, %d in the middle of a save, newest step %lld\n", with_leftovers,
                  (long long)last);
}

static int count_files(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    if (!d) return -1;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* The program's own unlinkat stands before the C library's: the process dies just before the removal number `die_at` (0: never). */
static int die_at;
int unlinkat(int folder, const char *name, int flags)
{
    if (die_at && --die_at == 0) raise(SIGKILL);
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}

/* A checkpoint with many files is being removed when the process dies, at the first file, at the last and between: it is there with all of
 * them, or not listed at all. */
static void killed_while_rotating(void **state)
{
    enum { FILES = 60 };
    const char *dir = scratch_path("rotate"), *first = scratch_path("rotate/checkpoint-1");
    static const int moments[] = {1, 2, 3, FILES / 2, FILES + 2, FILES + 3};
    for (size_t round = 0; round < sizeof moments / sizeof *moments; round++) {
        extra = FILES;
        assert_int_equal(save(dir, 1), PT_OK);
        extra = 0;
        assert_int_equal(save(dir, 2), PT_OK);
        assert_int_equal(count_files(first), FILES + 2 + 3); /* and . and .. */
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            die_at = moments[round];
            _exit(pt_state_rotate(dir, 1, -1) != PT_OK);
        }
        int status, left;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(count_files(first), -1);
        assert_int_equal(check_all(dir), 2);
        assert_int_equal(pt_state_clean(dir, &left), PT_OK);
        assert_int_equal(left, 1);
        assert_int_equal(pt_state_clean(dir, &left), PT_OK);
        assert_int_equal(left, 0);
    }
}

/* Single files and export folders on a full device: the old content stays, no temporary name is left. */
static void exports_on_a_full_disk(void **state)
{
    const char *dir = scratch_path("export"), *st_path = scratch_path("m.safetensors"), *gguf_path = scratch_path("m.gguf");
    const int64_t dims[] = {32, 100};
    static float x[3200];
    scratch_write(st_path, "old", 3);
    scratch_write(gguf_path, "old", 3);
    for (rlim_t limit = 0; limit < 13200; limit += 330) {
        pt_st_writer s;
        pt_gguf_writer g;
        pt_hf_folder f;
        limit_files(limit);
        pt_status a = pt_st_writer_open(&s, st_path), b, c;
        if (a == PT_OK) a = pt_st_writer_add(&s, "x", PT_F32, 2, dims);
        if (a == PT_OK) a = pt_st_writer_write(&s, x, sizeof x);
        if (a == PT_OK) a = pt_st_writer_commit(&s);
        pt_st_writer_close(&s);
        b = pt_gguf_writer_open(&g, gguf_path);
        if (b == PT_OK) b = pt_gguf_put_u32(&g, "k", 1);
        if (b == PT_OK) b = pt_gguf_put_tensor(&g, "x", PT_F32, 2, dims);
        if (b == PT_OK) b = pt_gguf_write(&g, x, sizeof x);
        if (b == PT_OK) b = pt_gguf_writer_commit(&g);
        pt_gguf_writer_close(&g);
        c = pt_hf_folder_open(&f, dir, true);
        if (c == PT_OK) c = pt_hf_folder_copy(&f, "tests/golden/data/peft_adapter/adapter_model.safetensors", "x");
        if (c == PT_OK && limit >= 4056) c = PT_ESTATE; /* whole, but not committed */
        pt_hf_folder_close(&f);
        limit_files(RLIM_INFINITY);
        assert_true(a == PT_EIO && b == PT_EIO && (limit < 4056 ? c == PT_EIO : c == PT_ESTATE) && !pt_dir_exists(dir));
        char *text;
        assert_int_equal(pt_file_read(&text, NULL, limit % 660 ? st_path : gguf_path, 10), PT_OK);
        assert_string_equal(text, "old");
        free(text);
        int left;
        assert_int_equal(pt_state_clean(scratch_dir, &left), PT_OK);
        assert_int_equal(left, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk),
        cmocka_unit_test(full_disk_on_replacing),
        cmocka_unit_test(killed_while_saving),
        cmocka_unit_test(killed_while_rotating),
        cmocka_unit_test(exports_on_a_full_disk),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
