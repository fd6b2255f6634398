/* keep_dequantised on the CUDA backend: runs that keep all, some and none of the matrices as numbers are one run, bit by bit; memory is as planned; what auto takes
 * of what is free, what is given up for lack of memory, and what is refused in which words. */
#include "tests/invariant/loop_fixture.h"

#include "base/log.h"
#include "emu.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"

static char work[64], rows[128];
enum { MATRICES = 15, ALL_MEMORY = 0 };

static bool plain(void)
{
    return strcmp(emu_build(), "plain") == 0;
}

typedef struct seen {
    pt_run_plan plan;
    char text[8192];
    double loss[8];
    int steps;
} seen;

static void see_plan(void *user, const pt_run_plan *p, const char *text)
{
    seen *s = user;
    s->plan = *p;
    assert_true(strlen(text) < sizeof s->text);
    memcpy(s->text, text, strlen(text) + 1);
}
static void see_step(void *user, const pt_step_report *r)
{
    seen *s = user;
    pt_cuda_counts now;
    pt_cuda_counts_get(&now);
    assert_int_equal(now.bytes, s->plan.device_need);
    s->loss[s->steps++] = r->loss;
}

static pt_config config_of(pt_dataset_spec *spec, pt_keep keep, const char *out)
{
    pt_config c = small_config(spec, rows, out);
    c.device.compute = PT_COMPUTE_KIND_BF16;
    c.device.keep_dequantised = keep;
    c.run.max_steps = plain() ? 4 : 2;
    c.data.cache_dir = work;
    c.data.val_set_size = 0.25;
    c.run.eval_steps = 2;
    return c;
}

static void set_memory(size_t bytes)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", bytes ? bytes : (size_t)8 << 30);
    assert_true(emu_setting("MEM", text));
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' is not in: %s", part, text);
}

static void folder(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", work, name);
}

static seen run_of(pt_config *c, const char *name, size_t memory)
{
    seen s = {.steps = 0};
    char out[128];
    folder(out, name);
    c->run.output_dir = out;
    set_memory(memory);
    pt_train_hooks hooks = {.user = &s, .ops = pt_cuda_ops(), .on_plan = see_plan, .on_step = see_step};
    MUST(pt_train_run(c, &hooks, NULL));
    assert_int_equal(s.steps, c->run.max_steps);
    set_memory(ALL_MEMORY);
    return s;
}

static void same_run(const char *a, const char *b, const seen *x, const seen *y)
{
    char path[2][200], *text[2];
    size_t n[2];
    assert_memory_equal(x->loss, y->loss, sizeof x->loss);
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s/adapter_model.safetensors", work, i ? b : a);
        MUST(pt_file_read(&text[i], &n[i], path[i], 1 << 24));
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(text[0], text[1], n[0]);
    free(text[0]), free(text[1]);
}

static void says_kept(const seen *s, size_t n)
{
    char want[64];
    assert_int_equal(s->plan.kept, n);
    assert_int_equal(s->plan.keepable, MATRICES);
    snprintf(want, sizeof want, "\nkept      %zu of %d matrices as numbers", n, MATRICES);
    expect(s->text, want);
    assert_true((s->plan.role[PT_ROLE_KEPT] > 0) == (n > 0));
    assert_true((strstr(s->text, "  weights as numbers ") != NULL) == (n > 0));
}

/* Bytes on the device, libraries and all, of which auto leaves a twentieth. */
static size_t memory_for(const seen *s)
{
    return (size_t)((double)(s->plan.device_need + s->plan.device_libraries) / 0.95) + 2;
}

static void kept_runs(bool again)
{
    pt_dataset_spec spec;
    pt_config c = config_of(&spec, PT_KEEP_NONE, NULL);
    seen none, all, some;
    c.device.gradient_checkpointing = again;
    none = run_of(&c, "none", ALL_MEMORY);
    says_kept(&none, 0);
    c.device.keep_dequantised = PT_KEEP_ALL;
    all = run_of(&c, "all", ALL_MEMORY);
    says_kept(&all, MATRICES);
    same_run("none", "all", &none, &all);
    c.device.keep_dequantised = PT_KEEP_AUTO;
    some = run_of(&c, "auto", ALL_MEMORY);
    says_kept(&some, MATRICES);
    same_run("none", "auto", &none, &some);
    some = run_of(&c, "just", memory_for(&all)); /* all of them, and 5 % are left */
    says_kept(&some, MATRICES);
    some = run_of(&c, "some", memory_for(&all) - 4096);
    assert_in_range(some.plan.kept, 1, MATRICES - 1);
    says_kept(&some, some.plan.kept);
    assert_true((double)(some.plan.device_need + some.plan.device_libraries) <= 0.95 * (double)some.plan.device_free);
    same_run("none", "some", &none, &some);
    /* where none fits none is kept, down to the last byte that the run needs */
    some = run_of(&c, "tight", none.plan.device_need + none.plan.device_libraries);
    says_kept(&some, 0);
    same_run("none", "tight", &none, &some);
}
static void test_one_run(void **state)
{
    kept_runs(false);
}
static void test_blocks_again(void **state)
{
    kept_runs(true);
}

static pt_status try_run(pt_config *c, const pt_ops *ops, size_t memory)
{
    char out[128];
    folder(out, "refused");
    c->run.output_dir = out;
    set_memory(memory);
    pt_train_hooks hooks = {.ops = ops};
    pt_status rc = pt_train_run(c, &hooks, NULL);
    set_memory(ALL_MEMORY);
    return rc;
}

static char warned[4096];
static void hear(void *user, pt_log_level level, const char *text)
{
    (void)user;
    size_t n = strlen(warned);
    if (level == PT_LOG_WARN) snprintf(warned + n, sizeof warned - n, "%s\n", text);
}
/* Goes on with the run of that name. */
static seen resumed(pt_config *c, const char *name, size_t memory)
{
    seen s = {.steps = 0};
    char out[128];
    folder(out, name);
    c->run.output_dir = out;
    c->run.resume_from_checkpoint = "auto";
    set_memory(memory);
    warned[0] = 0;
    pt_log_set_sink(hear, NULL);
    pt_train_hooks hooks = {.user = &s, .ops = pt_cuda_ops(), .on_plan = see_plan, .on_step = see_step};
    MUST(pt_train_run(c, &hooks, NULL));
    pt_log_set_sink(NULL, NULL);
    c->run.resume_from_checkpoint = NULL;
    set_memory(ALL_MEMORY);
    assert_int_equal(s.steps, 1);
    return s;
}
/* Where not even that is enough, the head takes smaller pieces of its matrix, with the same bits; a smaller need than that is refused. */
static void test_tight_head(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config_of(&spec, PT_KEEP_AUTO, NULL);
    if (!plain()) skip(); /* large, and of kernels that smaller runs launch */
    c.model.init.vocab_size = 40000;
    c.model.init.hidden_size = 512; /* 20.5 M elements, of which 16.8 are taken at a time */
    c.run.max_steps = 1;
    c.run.save_steps = 1;
    c.data.val_set_size = 0;
    c.run.eval_steps = 0;
    c.device.keep_dequantised = PT_KEEP_NONE;
    seen free = run_of(&c, "free", ALL_MEMORY), tight;
    assert_false(free.plan.tight);
    const size_t need = free.plan.device_need + free.plan.device_libraries, less = (size_t)(40000 * 512 - (16 << 20)) * 2;
    c.device.keep_dequantised = PT_KEEP_AUTO;
    tight = run_of(&c, "pieces", need - less);
    assert_true(tight.plan.tight && tight.plan.kept == 0);
    assert_int_equal(free.plan.role[PT_ROLE_SCRATCH] - tight.plan.role[PT_ROLE_SCRATCH], less);
    expect(tight.text, "\nhead      in smaller pieces");
    same_run("free", "pieces", &free, &tight);
    c.run.max_steps = 2; /* a checkpoint's way is gone on */
    assert_true(resumed(&c, "pieces", ALL_MEMORY).plan.tight);
    c.run.max_steps = 1;
    tight = run_of(&c, "whole", need);
    assert_false(tight.plan.tight);
    assert_int_equal(try_run(&c, pt_cuda_ops(), need - less - 4096), PT_ENOMEM);
    expect(pt_err_msg(), "this run needs ");
}

/* What auto chose is the checkpoint's: as many are kept again, whatever is free now; fewer where they do not fit, with a line. */
static void test_resumed(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config_of(&spec, PT_KEEP_NONE, NULL);
    c.run.max_steps = 1;
    c.run.save_steps = 1;
    c.run.eval_steps = 0;
    seen none = run_of(&c, "without", ALL_MEMORY);
    c.device.keep_dequantised = PT_KEEP_AUTO;
    seen all = run_of(&c, "room", ALL_MEMORY), some = run_of(&c, "less", memory_for(&all) - 4096);
    assert_in_range(some.plan.kept, 1, MATRICES - 1);
    c.run.max_steps = 2;
    assert_int_equal(resumed(&c, "less", ALL_MEMORY).plan.kept, some.plan.kept);
    assert_null(strstr(warned, "kept as numbers"));
    assert_int_equal(resumed(&c, "room", none.plan.device_need + none.plan.device_libraries).plan.kept, 0);
    expect(warned, "was made with 15 matrices kept as numbers (keep_dequantised), this run keeps 0");
    c.run.max_steps = 3; /* that of the second run keeps none */
    assert_int_equal(resumed(&c, "room", ALL_MEMORY).plan.kept, 0);
    c.run.max_steps = 4;
    c.device.keep_dequantised = PT_KEEP_ALL;
    assert_int_equal(resumed(&c, "room", ALL_MEMORY).plan.kept, MATRICES);
    expect(warned, "was made with 0 matrices kept as numbers (keep_dequantised), this run keeps 15");
}

static void test_refused(void **state)
{
    pt_dataset_spec spec;
    pt_run_plan all, none;
    pt_config c = config_of(&spec, PT_KEEP_ALL, NULL);
    char out[128], want[128];
    folder(out, "refused");
    c.run.output_dir = out;
    pt_train_hooks hooks = {.ops = pt_cuda_ops()};
    set_memory(ALL_MEMORY);
    MUST(pt_train_plan(&c, &hooks, &all, NULL));
    c.device.keep_dequantised = PT_KEEP_NONE;
    MUST(pt_train_plan(&c, &hooks, &none, NULL));
    c.device.keep_dequantised = PT_KEEP_ALL;
    assert_int_equal(try_run(&c, pt_cuda_ops(), all.device_need + all.device_libraries - 4096), PT_ENOMEM);
    expect(pt_err_msg(), "keep_dequantised: true: this run needs ");
    expect(pt_err_msg(), "auto keeps what fits of 15 matrices");
    assert_int_equal(try_run(&c, pt_cuda_ops(), none.device_need + none.device_libraries - 4096), PT_ENOMEM);
    expect(pt_err_msg(), "gradient_checkpointing: true makes it fit"); /* without them it does not fit either: what would */
    set_memory(all.device_need + all.device_libraries - 4096); /* the plan warns */
    pt_str text = {0};
    MUST(pt_train_plan(&c, &hooks, &all, &text));
    expect(text.text, "the run would be refused");
    pt_str_free(&text);
    set_memory(ALL_MEMORY);
    c.device.compute = PT_COMPUTE_KIND_F32; /* of an f32 base */
    assert_int_equal(try_run(&c, pt_cuda_ops(), ALL_MEMORY), PT_EARG);
    expect(pt_err_msg(), "is dequantised in a step of this run: say auto or false");
    snprintf(want, sizeof want, "keep_dequantised: true: device %s has no memory of its own", pt_ops_cpu.name);
    assert_int_equal(try_run(&c, &pt_ops_cpu, ALL_MEMORY), PT_EARG);
    expect(pt_err_msg(), want);
    c.device.keep_dequantised = PT_KEEP_AUTO;
    c.run.max_steps = 1;
    MUST(try_run(&c, &pt_ops_cpu, ALL_MEMORY));
}

static int set_up(void **state)
{
    temp_folder(work);
    snprintf(rows, sizeof rows, "%s/rows.jsonl", work);
    write_rows(rows, 24, false);
    return 0;
}
static int tear_down(void **state)
{
    return pt_dir_remove(work) == PT_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_run), cmocka_unit_test(test_blocks_again), cmocka_unit_test(test_tight_head), cmocka_unit_test(test_resumed), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
