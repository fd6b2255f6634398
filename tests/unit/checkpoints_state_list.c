/* checkpoints/state_list.h: which checkpoints are of the run as it stands, rotation, and that only what is ours is removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/temp.h"
#include "checkpoints/state_list.h"
#include "tests/scratch.h"

#define OK(call)                                                         \
    do {                                                                 \
        if ((call) != PT_OK) fail_msg("%s: %s", #call, pt_err_msg());    \
    } while (0)

/* A checkpoint as the run writes it; without a course as programs wrote them that knew no serials. */
static void save(const char *dir, int64_t step, pt_state_course *c)
{
    pt_state_writer w;
    char *path;
    OK(pt_state_writer_open(&w, dir, step));
    OK(pt_state_put_int(&w, "records", step));
    if (c) OK(pt_state_put_course(&w, c));
    OK(pt_path_join(&path, w.tmp, "adapter.bin"));
    OK(pt_file_write_whole(path, "adapter", 7));
    free(path);
    OK(pt_state_writer_commit(&w));
    pt_state_writer_close(&w);
    if (c) OK(pt_state_course_saved(dir));
}

/* The run starts again from checkpoint-STEP of dir, or of another folder. */
static void go_on(const char *dir, const char *from, int64_t step, pt_state_course *c)
{
    char *path;
    pt_state *s;
    pt_state_course_free(c);
    OK(pt_state_folder(&path, from, step));
    OK(pt_state_open(&s, path));
    OK(pt_state_course_of(c, s));
    pt_state_close(s);
    OK(pt_state_go_on(c, dir, path));
    free(path);
}

/* "3 20 (40) (60)": in order, those left behind in brackets; then "<- 8" for a note. */
static const char *order(const char *dir)
{
    static char text[400];
    size_t n = 0;
    pt_state_list l;
    OK(pt_state_list_read(&l, dir));
    text[0] = 0;
    for (size_t i = 0; i < l.n; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, l.of[i].left ? "%s(%lld)" : "%s%lld", n ? " " : "", (long long)l.of[i].step);
    if (l.back_to) snprintf(text + n, sizeof text - n, " <- %s", l.back_to[0] ? pt_path_base(l.back_to) : "start");
    pt_state_list_free(&l);
    return text;
}

static const char *fresh(const char *name)
{
    static char dir[300];
    snprintf(dir, sizeof dir, "%s", scratch_path(name));
    OK(pt_dir_make(dir));
    return dir;
}

static void touch_dir(const char *dir, const char *format, long pid)
{
    char name[128], path[600];
    snprintf(name, sizeof name, format, pid);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    OK(pt_dir_make(path));
}

static bool there(const char *dir, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void listing(void **state)
{
    int cleaned;
    assert_string_equal(order(scratch_path("nowhere")), "");
    const char *dir = fresh("list");
    const int64_t steps[] = {100, 20, 3};
    for (size_t i = 0; i < 3; i++) save(dir, steps[i], NULL);
    touch_dir(dir, "checkpoint-500", 0);                                   /* someone else's: no state.json */
    touch_dir(dir, "checkpoint-0007", 0);                                  /* not our spelling */
    touch_dir(dir, "checkpoint-600.ptrain-new-%ld", 4194305);              /* past the largest pid */
    touch_dir(dir, "checkpoint-700.ptrain-new-%ld", (long)getppid());      /* alive */
    touch_dir(dir, "checkpoint-800.ptrain-old-%ld", 4194305);
    touch_dir(dir, "checkpoint-900.tmp-%ld", 4194305);                     /* a user's */
    touch_dir(dir, "checkpoint-900.old-%ld", 4194305);
    touch_dir(dir, "notes.ptrain-new-x%ld", 1);
    assert_string_equal(order(dir), "3 20 100"); /* without serials by step */
    OK(pt_state_clean(dir, &cleaned));
    assert_int_equal(cleaned, 2);
    assert_false(there(dir, "checkpoint-600.ptrain-new-4194305"));
    assert_true(there(dir, "checkpoint-800")); /* moved back */
    assert_true(there(dir, "notes.ptrain-new-x1") && there(dir, "checkpoint-900.tmp-4194305") && there(dir, "checkpoint-900.old-4194305"));
    OK(pt_state_rotate(dir, 0, -1)); /* 0: keep all */
    OK(pt_state_rotate(dir, 2, -1));
    assert_string_equal(order(dir), "20 100");
    OK(pt_state_rotate(dir, 1, -1));
    OK(pt_state_rotate(dir, 1, -1));
    assert_string_equal(order(dir), "100");
    assert_true(there(dir, "checkpoint-500"));
}

static void going_back(void **state)
{
    const char *dir = fresh("back");
    pt_state_course c = {0};
    OK(pt_state_go_on(&c, dir, NULL));
    for (int64_t step = 4; step <= 20; step += 4) save(dir, step, &c);
    assert_string_equal(order(dir), "4 8 12 16 20");
    go_on(dir, dir, 20, &c);
    assert_string_equal(order(dir), "4 8 12 16 20"); /* from the newest: nothing is left behind, no note */
    go_on(dir, dir, 8, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) (20) <- checkpoint-8"); /* also when the run is killed here */
    go_on(dir, dir, 8, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) (20) <- checkpoint-8");
    go_on(dir, dir, 20, &c); /* thought better of it, nothing saved in between */
    assert_string_equal(order(dir), "4 8 12 16 20 <- checkpoint-20");
    go_on(dir, dir, 12, &c);
    assert_string_equal(order(dir), "4 8 12 (16) (20) <- checkpoint-12");
    go_on(dir, dir, 8, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) (20) <- checkpoint-8");
    save(dir, 9, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) (20) 9");
    save(dir, 12, &c); /* the number of an abandoned one */
    assert_string_equal(order(dir), "4 8 (16) (20) 9 12");
    go_on(dir, dir, 20, &c); /* and forward to what was left */
    assert_string_equal(order(dir), "4 8 16 20 (9) (12) <- checkpoint-20");
    save(dir, 24, &c);
    assert_string_equal(order(dir), "4 8 16 20 (9) (12) 24");
    OK(pt_state_rotate(dir, 4, -1)); /* what was left goes first */
    assert_string_equal(order(dir), "8 16 20 24");
    go_on(dir, dir, 8, &c);
    save(dir, 10, &c);
    OK(pt_state_rotate(dir, 2, 16)); /* the best one stays, also of what was left */
    assert_string_equal(order(dir), "(16) 10");
    OK(pt_state_rotate(dir, 1, 16)); /* more than one then: the newest and the best */
    assert_string_equal(order(dir), "(16) 10");
    OK(pt_state_rotate(dir, 1, 10));
    assert_string_equal(order(dir), "10");
    pt_state_course_free(&c);
}

/* Checkpoints of a program that knew no serials, and of other folders. */
static void old_ones_and_copies(void **state)
{
    const char *dir = fresh("old");
    char other[300], note[400];
    pt_state_course c = {0};
    for (int64_t step = 4; step <= 16; step += 4) save(dir, step, NULL);
    go_on(dir, dir, 8, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) <- checkpoint-8");
    save(dir, 9, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) 9");
    snprintf(other, sizeof other, "%s", scratch_path("elsewhere"));
    OK(pt_dir_make(other));
    save(other, 5, NULL);
    go_on(dir, other, 5, &c); /* not one of this folder: all of it is left behind */
    assert_string_equal(order(dir), "(4) (8) (12) (16) (9) <- checkpoint-5");
    save(dir, 6, &c);
    assert_string_equal(order(dir), "(4) (8) (12) (16) (9) 6");
    save(other, 8, NULL); /* bit for bit the 8 of the folder: it stands for it */
    go_on(dir, other, 8, &c);
    assert_string_equal(order(dir), "4 8 (12) (16) (9) (6) <- checkpoint-8");
    snprintf(note, sizeof note, "%s/resumed_from.json", dir);
    scratch_write(note, "{\"folder\": 3", 12); /* damaged: passed over */
    assert_string_equal(order(dir), "(4) (8) (12) (16) (9) 6");
    pt_state_course_free(&c);
    OK(pt_state_go_on(&c, dir, NULL)); /* started anew beside them */
    assert_string_equal(order(dir), "(4) (8) (12) (16) (9) (6) <- start");
    save(dir, 2, &c);
    assert_string_equal(order(dir), "(4) (8) (12) (16) (9) (6) 2");
    pt_state_course_free(&c);
}

static void damaged_json(void **state)
{
    const char *dir = fresh("damaged");
    char path[400];
    pt_state_course c = {0};
    for (int64_t step = 4; step <= 12; step += 4) save(dir, step, &c);
    snprintf(path, sizeof path, "%s/checkpoint-8/state.json", dir);
    scratch_write(path, "{", 1);
    assert_string_equal(order(dir), "4 8 12"); /* where its step puts it */
    OK(pt_state_rotate(dir, 2, -1));
    assert_string_equal(order(dir), "8 12");
    OK(pt_state_rotate(dir, 1, -1));
    assert_string_equal(order(dir), "12");
    pt_state_course_free(&c);
}

/* Files of a user in a checkpoint, and a folder of a user in its place. */
static void files_of_others(void **state)
{
    const char *dir = fresh("others");
    char path[400];
    for (int64_t step = 1; step <= 3; step++) save(dir, step, NULL);
    for (int64_t step = 1; step <= 2; step++) {
        snprintf(path, sizeof path, "%s/checkpoint-%d/notes.txt", dir, (int)step);
        scratch_write(path, "mine", 4);
    }
    OK(pt_state_rotate(dir, 2, -1));
    assert_true(there(dir, "checkpoint-1/notes.txt") && !there(dir, "checkpoint-1/state.bin") && !there(dir, "checkpoint-1/adapter.bin"));
    assert_string_equal(order(dir), "2 3");
    save(dir, 2, NULL); /* replaced: the folder with the notes is moved aside whole */
    assert_true(there(dir, "checkpoint-2.kept-1/notes.txt") && there(dir, "checkpoint-2/state.bin") && !there(dir, "checkpoint-2/notes.txt"));
    save(dir, 1, NULL); /* a folder that is no checkpoint */
    assert_true(there(dir, "checkpoint-1.kept-1/notes.txt") && there(dir, "checkpoint-1/state.bin"));
    assert_string_equal(order(dir), "1 2 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listing),         cmocka_unit_test(going_back),      cmocka_unit_test(old_ones_and_copies),
        cmocka_unit_test(damaged_json),    cmocka_unit_test(files_of_others),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
