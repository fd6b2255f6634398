/* What keeps a result from being written is met before the first step; what keeps it all the same, after the last, leaves a folder that the same
 * command with resume completes, with the bits of a run that never failed. Full tuning and LoRA. */
#include "tests/invariant/loop_fixture.h"

#include <sys/stat.h>

#include "base/log.h"

static char work[64], rows[128];
static int64_t steps_done;
static char in_the_way[256];

static void count(void *user, const pt_step_report *r)
{
    (void)user;
    steps_done = r->step;
    if (in_the_way[0] && r->step == 1) assert_int_equal(mkdir(in_the_way, 0777), 0); /* no file takes a folder's name */
}

static pt_config config(pt_dataset_spec *spec, const char *dir, bool full)
{
    pt_config c = small_config(spec, rows, dir);
    c.run.num_epochs = 4;
    c.run.max_steps = 3;
    c.data.cache_dir = work;
    if (full) c.adapter.kind = PT_ADAPTER_NONE;
    return c;
}

static pt_status train(const char *dir, bool full, bool resume)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, dir, full);
    if (resume) c.run.resume_from_checkpoint = (char *)"auto";
    steps_done = 0;
    return pt_train_run(&c, &(pt_train_hooks){.on_step = count}, &(pt_train_result){0});
}

static void same(const char *a, const char *b, const char *name)
{
    char path[256], x[65], y[65];
    snprintf(path, sizeof path, "%s/%s", a, name);
    MUST(pt_sha256_file(x, path));
    snprintf(path, sizeof path, "%s/%s", b, name);
    MUST(pt_sha256_file(y, path));
    assert_string_equal(x, y);
}

/* The weights' file cannot take its name at the end: the error says so and how to go on, and going on writes it. */
static void test_fails_at_the_end(void **state)
{
    bool full = *state != NULL;
    const char *weights = full ? "model.safetensors" : "adapter_model.safetensors", *config = full ? "config.json" : "adapter_config.json";
    char whole[128], broken[128], path[256];
    snprintf(whole, sizeof whole, "%s/whole-%d", work, full);
    snprintf(broken, sizeof broken, "%s/broken-%d", work, full);
    in_the_way[0] = 0;
    MUST(train(whole, full, false));
    snprintf(in_the_way, sizeof in_the_way, "%s/%s", broken, weights);
    pt_status rc = train(broken, full, false);
    assert_int_equal(rc, PT_EIO);
    assert_int_equal(steps_done, 3);
    assert_non_null(strstr(pt_err_msg(), "checkpoint-3"));
    assert_non_null(strstr(pt_err_msg(), "--resume_from_checkpoint=auto"));
    assert_non_null(strstr(pt_err_msg(), weights));
    snprintf(path, sizeof path, "%s/%s", broken, config); /* everything beside the weights is there already */
    assert_true(full ? pt_file_exists(path) : true);
    assert_int_equal(rmdir(in_the_way), 0);
    in_the_way[0] = 0;
    MUST(train(broken, full, true));
    assert_int_equal(steps_done, 0);
    same(whole, broken, weights);
    same(whole, broken, config);
}

/* The same before the first step: nothing is trained. */
static void test_fails_at_once(void **state)
{
    bool full = *state != NULL;
    char dir[128], path[256];
    in_the_way[0] = 0;
    snprintf(dir, sizeof dir, "%s/blocked-%d", work, full);
    snprintf(path, sizeof path, "%s/%s", dir, full ? "model.safetensors" : "adapter_model.safetensors");
    MUST(pt_dir_make(path));
    assert_int_not_equal(train(dir, full, false), PT_OK);
    assert_int_equal(steps_done, 0);
    assert_non_null(strstr(pt_err_msg(), path));
}

/* A model that config.json cannot express is refused before the first step. */
static void test_config_that_cannot_be_written(void **state)
{
    (void)state;
    char dir[128], path[256];
    in_the_way[0] = 0;
    snprintf(dir, sizeof dir, "%s/blocked-config", work);
    snprintf(path, sizeof path, "%s/config.json", dir);
    MUST(pt_dir_make(path));
    assert_int_not_equal(train(dir, true, false), PT_OK);
    assert_int_equal(steps_done, 0);
    assert_non_null(strstr(pt_err_msg(), path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"full: fails at the end", test_fails_at_the_end, NULL, NULL, (void *)"full"},
        {"lora: fails at the end", test_fails_at_the_end, NULL, NULL, NULL},
        {"full: fails at once", test_fails_at_once, NULL, NULL, (void *)"full"},
        {"lora: fails at once", test_fails_at_once, NULL, NULL, NULL},
        cmocka_unit_test(test_config_that_cannot_be_written),
    };
    temp_folder(work);
    snprintf(rows, sizeof rows, "%s/rows.jsonl", work);
    FILE *f = fopen(rows, "w");
    for (int i = 0; f && i < 12; i++) fprintf(f, "{\"input_ids\": [1, %d, %d, %d, 2], \"labels\": [-100, -100, %d, %d, 2]}\n", 3 + i, 20 + i, 40 + i, 20 + i, 40 + i);
    if (!f || fclose(f)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return pt_dir_remove(work) != PT_OK || failed;
}
