/* The whole trainer on the CUDA backend: golden steps of SFT, DPO and reward, one wait a step, memory as planned, resuming with
 * the same bits, and what goes wrong: no driver, no GPU, too little memory, a kernel that fails in the middle. */
#define GOLDEN_ON_DEVICE
#include "tests/golden/loop_train.c"

#include <sys/wait.h>

#include "checkpoints/state.h"
#include "emu.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"

static char work[64], rows_file[2][128];
/* Instrumented builds run fewer steps and no golden ones: the bits are those of the plain build. */
static bool plain(void)
{
    return strcmp(emu_build(), "plain") == 0;
}
static bool asan(void)
{
    return strcmp(emu_build(), "asan") == 0;
} /* five times slower still: one step */

static pt_config small_run(pt_dataset_spec *spec, bool pairs, const char *out)
{
    pt_config c = small_config(spec, rows_file[pairs], out);
    c.device.compute = PT_COMPUTE_KIND_BF16;
    c.batch.batch_rows = 6;
    c.batch.micro_batch_size = 1;
    c.run.max_steps = plain() ? 4 : 2;
    c.data.cache_dir = work;
    c.adapter.lora_dropout = 0.1;
    if (pairs) c.objective = pt_objective_find("dpo");
    return c;
}

static void out_folder(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", work, name);
}

/* ---- counts ----------------------------------------------------------------------------------------------------------------
 */

typedef struct watch {
    pt_cuda_counts last;
    size_t planned;
    int steps, micro, roles;
    unsigned long long launches;
} watch;

/* Bytes that the backend holds; on the emulated device, which nobody else uses, it says the same. */
static size_t in_use(void)
{
    size_t left, total;
    pt_cuda_counts c;
    pt_cuda_counts_get(&c);
    if (strcmp(pt_cuda_ops()->name, "emulated") != 0) return c.bytes;
    MUST(pt_cuda_ops()->memory(NULL, &left, &total));
    assert_int_equal(total - left, c.bytes);
    return c.bytes;
}

/* The plan's line `name` holds so many bytes. */
static void says_bytes(const char *text, const char *name, size_t bytes)
{
    char want[96];
    snprintf(want, sizeof want, "  %-24s %10.1f MiB\n", name, (double)bytes / (1 << 20));
    if (!strstr(text, want)) fail_msg("no line '%s' in\n%s", want, text);
}

static void see_plan(void *user, const pt_run_plan *p, const char *text)
{
    watch *w = user;
    w->planned = p->device_need;
    w->micro = p->micro_batches;
    for (int i = 0; i < PT_ROLE_COUNT; i++) w->roles += p->role[i] > 0;
    assert_true(p->device_need > 0 && p->device_need <= p->device_free);
    assert_int_equal(p->device_libraries, (size_t)362 << 20); /* of one process: the sources stand in train/loop/plan.c */
    says_bytes(text, "libraries (estimate)", p->device_libraries);
    says_bytes(text, "on the device", p->device_need + p->device_libraries);
    says_bytes(text, "free on the device", p->device_free);
    pt_cuda_counts_get(&w->last);
    assert_int_equal(in_use(), 0); /* planning allocates nothing there */
}

static void see_step(void *user, const pt_step_report *r)
{
    watch *w = user;
    pt_cuda_counts now;
    pt_cuda_counts_get(&now);
    assert_int_equal(in_use(), w->planned);
    if (w->steps == 0) assert_int_equal(now.allocs - w->last.allocs, w->roles + 1); /* one a role, and the tile lists */
    if (w->steps > 0) {
        assert_int_equal(now.syncs - w->last.syncs, 1);
        assert_int_equal(now.allocs, w->last.allocs);
        w->launches = now.launches - w->last.launches + now.gemms - w->last.gemms;
    }
    w->last = now;
    w->steps++;
}

static void counted_run(const char *name, pt_config *c)
{
    watch w = {.steps = 0};
    pt_train_hooks hooks = {.user = &w, .ops = pt_cuda_ops(), .on_plan = see_plan, .on_step = see_step};
    MUST(pt_train_run(c, &hooks, NULL));
    assert_int_equal(w.steps, c->run.max_steps);
    assert_int_equal(in_use(), 0);
    if (w.steps > 1)
        print_message("# figure %s: %llu launches a step of up to %d micro-batches, 1 wait, %zu bytes as planned\n", name,
                      w.launches, w.micro, w.planned);
}

static void test_counts(void **state)
{
    char out[128];
    pt_dataset_spec spec;
    out_folder(out, "counts");
    pt_config c = small_run(&spec, false, out);
    if (asan()) c.run.max_steps = 1;
    counted_run("sft", &c);
    if (asan()) return;
    c = small_run(&spec, true, out);
    counted_run("dpo", &c);
    MUST(pt_objective_set(c.options, "dpo_reference", PT_REFERENCE_AT_BASE));
    c.device.gradient_checkpointing = true;
    counted_run("dpo against the base, blocks run again", &c);
    c.objective = pt_objective_find("reward");
    counted_run("reward", &c);
    c = small_run(&spec, true, out);
    c.adapter.kind = PT_ADAPTER_NONE;
    c.adapter.lora_dropout = 0;
    counted_run("dpo, full, stored reference", &c);
}

/* ---- going on --------------------------------------------------------------------------------------------------------------
 */

typedef struct history {
    double loss[16], norm[16];
    volatile sig_atomic_t stop;
    int stop_at;
} history;

static void note(void *user, const pt_step_report *r)
{
    history *h = user;
    if (r->step < 16) h->loss[r->step] = r->loss, h->norm[r->step] = r->grad_norm;
    if (h->stop_at && r->step + 1 >= h->stop_at) h->stop = 1; /* seen at the end of the next step */
}

static void same_file(const char *a, const char *b, const char *name)
{
    char path[2][256], *text[2];
    size_t n[2];
    snprintf(path[0], sizeof path[0], "%s/%s", a, name);
    snprintf(path[1], sizeof path[1], "%s/%s", b, name);
    for (int i = 0; i < 2; i++) MUST(pt_file_read(&text[i], &n[i], path[i], 1 << 24));
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(text[0], text[1], n[0]);
    free(text[0]);
    free(text[1]);
}

/* A run of 6 steps, and one that stops after the third and goes on. */
static void resume_case(bool pairs)
{
    char out[2][128];
    pt_dataset_spec spec;
    history h[2] = {{.stop_at = 0}, {.stop_at = plain() ? 3 : 2}};
    for (int i = 0; i < 2; i++) {
        out_folder(out[i], i ? "stopped" : "whole");
        pt_config c = small_run(&spec, pairs, out[i]);
        c.run.max_steps = plain() ? 6 : 4;
        pt_train_hooks hooks = {.user = &h[i], .ops = pt_cuda_ops(), .on_step = note, .stop = &h[i].stop};
        assert_int_equal(pt_train_run(&c, &hooks, NULL), i ? PT_ESTOP : PT_OK);
        if (!i) continue;
        h[i].stop = h[i].stop_at = 0;
        c.run.resume_from_checkpoint = (char *)"auto";
        MUST(pt_train_run(&c, &hooks, NULL));
    }
    assert_memory_equal(h[0].loss, h[1].loss, sizeof h[0].loss);
    assert_memory_equal(h[0].norm, h[1].norm, sizeof h[0].norm);
    assert_true(h[0].loss[plain() ? 6 : 4] > 0);
    same_file(out[0], out[1], "adapter_model.safetensors");
    MUST(pt_dir_remove(out[0]));
    MUST(pt_dir_remove(out[1]));
}

static void test_resume(void **state)
{
    if (plain()) resume_case(false);
    resume_case(true);
}

/* ---- what goes wrong -------------------------------------------------------------------------------------------------------
 */

static void expect(const char *part)
{
    if (!strstr(pt_err_msg(), part)) fail_msg("'%s' is not in: %s", part, pt_err_msg());
}

/* A real GPU does not lack memory or fail on demand. */
static void need_emulation(void)
{
    if (strcmp(pt_cuda_ops()->name, "emulated") != 0) skip();
}

static void test_no_device(void **state)
{
    need_emulation();
    pt_ctx ctx = {0};
    assert_null(pt_cuda_why_not());
    assert_true(emu_setting("DEVICES", "0"));
    assert_string_equal(pt_cuda_why_not(), "no GPU is visible");
    assert_int_equal(pt_cuda_ops()->open(&ctx, PT_COMPUTE_BF16), PT_ENOSUP);
    expect("no GPU is visible");
    assert_true(emu_setting("DEVICES", "-1"));
    assert_int_equal(pt_cuda_ops()->open(&ctx, PT_COMPUTE_BF16), PT_ENOSUP);
    expect("driver");
    assert_true(emu_setting("DEVICES", "2"));
    ctx.index = 2;
    assert_int_equal(pt_cuda_ops()->open(&ctx, PT_COMPUTE_BF16), PT_EARG);
    expect("process 2 of this machine has no GPU: 2 are visible");
    assert_true(emu_setting("DEVICES", "1"));
    MUST(pt_cuda_ops()->open(&ctx, PT_COMPUTE_BF16)); /* the only one that this process was shown */
    pt_cuda_ops()->close(&ctx);
}

/* A chip that the kernels are not made for: whoever asks for the device is told, and device: auto would have the reason. */
static void test_old_chip(void **state)
{
    static const char *const want = "GPU 0 (emulated sm_75) has compute capability 7.5; ptrain needs 8.0 or newer";
    pt_ctx ctx = {0};
    need_emulation();
    assert_true(emu_setting("ARCH", "75"));
    assert_non_null(pt_cuda_why_not());
    assert_non_null(strstr(pt_cuda_why_not(), want));
    assert_int_equal(pt_cuda_ops()->open(&ctx, PT_COMPUTE_BF16), PT_ENOSUP);
    expect(want);
    assert_null(ctx.device);
    assert_true(emu_setting("ARCH", "86"));
    assert_null(pt_cuda_why_not());
    assert_true(emu_setting("ARCH", "80"));
}

/* The plan says what would fit, and that does fit. */
static void test_small_memory(void **state)
{
    char out[128], limit[32];
    pt_dataset_spec spec;
    pt_run_plan plan;
    int fits = 0;
    need_emulation();
    out_folder(out, "small");
    pt_config c = small_run(&spec, false, out);
    c.batch.micro_batch_size = 6;
    pt_train_hooks hooks = {.ops = pt_cuda_ops()};
    MUST(pt_train_plan(&c, &hooks, &plan, NULL));
    snprintf(limit, sizeof limit, "%zu", plan.device_need + plan.device_libraries - 4096);
    assert_true(emu_setting("MEM", limit));
    assert_int_equal(pt_train_run(&c, &hooks, NULL), PT_ENOMEM);
    expect("gradient_checkpointing: true makes it fit");
    c.device.gradient_checkpointing = true;
    MUST(pt_train_run(&c, &hooks, NULL));
    MUST(pt_train_plan(&c, &hooks, &plan, NULL));
    snprintf(limit, sizeof limit, "%zu", plan.device_need + plan.device_libraries - 65536);
    assert_true(emu_setting("MEM", limit));
    assert_int_equal(pt_train_run(&c, &hooks, NULL), PT_ENOMEM);
    const char *at = strstr(pt_err_msg(), "micro-batches of at most ");
    assert_non_null(at);
    fits = (int)strtol(at + strlen("micro-batches of at most "), NULL, 10);
    assert_in_range(fits, 64, 6 * 128 - 1);
    c.batch.micro_batch_size = 1;
    c.data.sequence_len = fits;
    MUST(pt_train_run(&c, &hooks, NULL));
    assert_true(emu_setting("MEM", "1000000"));
    assert_int_equal(pt_train_run(&c, &hooks, NULL), PT_ENOMEM);
    expect("no micro-batch fits");
    assert_true(emu_setting("MEM", "8589934592"));
}

/* Run in a process of its own: a device that failed stays so. Prints its status and message. */
static int failing_child(char **arg)
{
    pt_dataset_spec spec;
    snprintf(work, sizeof work, "%s", arg[0]);
    snprintf(rows_file[1], sizeof rows_file[1], "%s/rows-1.jsonl", work);
    pt_config c = small_run(&spec, true, arg[1]);
    c.run.save_steps = 2;
    pt_train_hooks hooks = {.ops = pt_cuda_ops()};
    if (!emu_setting("FAIL", arg[2])) return 9;
    pt_status rc = pt_train_run(&c, &hooks, NULL);
    printf("%s %s\n", pt_status_name(rc), pt_err_msg());
    return rc == PT_EINTERNAL ? 3 : 4;
}

static char self[4096];

/* What the child prints. */
static int run_child(const char *out, const char *fail, char *text, size_t size)
{
    char command[4600];
    snprintf(command, sizeof command, "%s fail %s %s %s", self, work, out, fail);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, size - 1, f);
    text[n] = 0;
    int st = pclose(f);
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

/* A launch that fails in the fourth step: named, and the checkpoint before it serves. */
static void test_failure(void **state)
{
    char out[2][128], fail[64], text[4096];
    pt_dataset_spec spec;
    history h[2] = {{.stop_at = 0}, {.stop_at = 0}};
    pt_cuda_counts before, after;
    pt_config c;
    pt_train_hooks hooks = {.user = &h[0], .ops = pt_cuda_ops(), .on_step = note};
    need_emulation();
    out_folder(out[0], "fine");
    out_folder(out[1], "failed");
    c = small_run(&spec, true, out[0]);
    c.run.save_steps = 2;
    pt_cuda_counts_get(&before);
    MUST(pt_train_run(&c, &hooks, NULL));
    pt_cuda_counts_get(&after);
    snprintf(fail, sizeof fail, "launch:%llu", after.launches - before.launches - 20);
    assert_int_equal(run_child(out[1], fail, text, sizeof text), 3);
    print_message("# %s", text);
    assert_non_null(strstr(text, "PT_EINTERNAL step 4 (the checkpoint of step 2 is whole): kernel "));
    c = small_run(&spec, true, out[1]);
    c.run.save_steps = 2;
    c.run.resume_from_checkpoint = (char *)"auto";
    hooks.user = &h[1];
    MUST(pt_train_run(&c, &hooks, NULL));
    assert_memory_equal(&h[0].loss[3], &h[1].loss[3], 2 * sizeof(double));
    same_file(out[0], out[1], "adapter_model.safetensors");
    assert_int_equal(run_child(out[1], "malloc:3", text, sizeof text), 4);
    assert_non_null(strstr(text, "PT_ENOMEM memory for "));
}

/* ---- golden ----------------------------------------------------------------------------------------------------------------
 */

static void test_golden(void **state)
{
    const golden_case *g = *state;
    backend = pt_cuda_ops();
    compute = PT_COMPUTE_KIND_F32;
    run_case(g, g == &cases[0] ? PT_PACKING_OFF : PT_PACKING_FOREST);
    compute = PT_COMPUTE_KIND_BF16;
    run_case(g, PT_PACKING_FOREST);
}

/* Weights of tokens, divergences and a teacher's rows: the loss of rows and their columns on the device. */
static void test_tokens(void **state)
{
    backend = pt_cuda_ops();
    compute = PT_COMPUTE_KIND_F32;
    run_by_tokens(1);
}

static int set_up(void **state)
{
    temp_folder(work);
    for (int p = 0; p < 2; p++) {
        snprintf(rows_file[p], sizeof rows_file[p], "%s/rows-%d.jsonl", work, p);
        write_rows(rows_file[p], 24, p);
    }
    return 0;
}
static int tear_down(void **state)
{
    return pt_dir_remove(work) == PT_OK ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "fail") == 0) return failing_child(argv + 2);
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return 2;
    static struct CMUnitTest list[18] = {cmocka_unit_test(test_counts),       cmocka_unit_test(test_resume),
                                         cmocka_unit_test(test_no_device),    cmocka_unit_test(test_old_chip),
                                         cmocka_unit_test(test_small_memory), cmocka_unit_test(test_failure)};
    size_t n = plain() ? 6 : 4;
    if (asan()) list[1] = list[2], list[2] = list[3], n = 3;
    for (size_t i = 0; plain() && i < sizeof cases / sizeof *cases; i++)
        list[n++] = (struct CMUnitTest){cases[i].name, test_golden, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    if (plain()) list[n++] = (struct CMUnitTest)cmocka_unit_test(test_tokens);
    return _cmocka_run_group_tests("training on a device", list, n, set_up, tear_down);
}
