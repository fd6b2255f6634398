/* Steps whose loss is not finite though every gradient is: a device skips them as the CPU does, with the same words and counts,
 * and nothing moves. The heads' outputs are spoiled by an op table around the backend's own. */
#include "tests/invariant/loop_fixture.h"

#include "base/log.h"
#include "emu.h"
#include "kernels/cuda/ops_cuda.h"

static char work[64];

static pt_str said;
static void keep_log(void *user, pt_log_level level, const char *text)
{
    if (level == PT_LOG_WARN) assert_int_equal(pt_str_printf(&said, "%s\n", text), PT_OK);
}

/* ---- a table that spoils ----------------------------------------------------------------------------------------------- */

static struct {
    const pt_ops *real;
    int32_t token; /* log-probabilities of this target are -inf */
    bool once;     /* the first log-probability or score from here on is -inf */
} sick;

static void spoil(pt_ctx *ctx, pt_view v, int64_t col)
{
    float f32 = -INFINITY;
    uint16_t bf16 = 0xff80;
    pt_view one = pt_view_cols(v, col, 1);
    one.rows = 1;
    MUST(ctx->ops->upload(ctx, one, v.type == PT_F32 ? (const void *)&f32 : (const void *)&bf16));
}

static pt_status sick_head(pt_ctx *ctx, const pt_head_args *a)
{
    int32_t target[4096];
    pt_status rc = sick.real->head(ctx, a);
    if (rc != PT_OK || ctx->dry || !pt_view_ok(a->logp) || a->logp.cols == 0) return rc;
    if (sick.once) spoil(ctx, a->logp, 0);
    sick.once = false;
    if (!sick.token) return rc;
    assert_true(a->logp.cols <= 4096);
    MUST(ctx->ops->download(ctx, target, a->row_target));
    for (int64_t m = 0; m < a->logp.cols; m++)
        if (target[m] == sick.token) spoil(ctx, a->logp, m);
    return rc;
}

/* The scalar head is a product of one column. */
static pt_status sick_linear(pt_ctx *ctx, const pt_linear_args *a)
{
    pt_status rc = sick.real->linear(ctx, a);
    if (rc != PT_OK || ctx->dry || a->w.rows != 1 || a->y.rows == 0 || !sick.once) return rc;
    spoil(ctx, a->y, 0);
    sick.once = false;
    return rc;
}

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

enum { STEPS = 4 };
typedef struct outcome {
    double loss[STEPS + 1], norm[STEPS + 1];
    bool skipped[STEPS + 1];
    int64_t n_skipped, n_empty;
    char said[2000];
    int spoil_after; /* the step after this one; 0 = none */
} outcome;

static void note(void *user, const pt_step_report *r)
{
    outcome *o = user;
    assert_in_range(r->step, 1, STEPS);
    o->loss[r->step] = r->loss;
    o->norm[r->step] = r->grad_norm;
    o->skipped[r->step] = r->skipped;
    sick.once = r->step == o->spoil_after;
}

static outcome run_on(const pt_ops *real, const pt_config *c, int32_t token, int spoil_after)
{
    outcome o = {.spoil_after = spoil_after};
    pt_ops table = *real;
    pt_train_result res;
    pt_train_hooks hooks = {.user = &o, .ops = &table, .on_step = note};
    table.head = sick_head;
    table.linear = sick_linear;
    memset(&sick, 0, sizeof sick);
    sick.real = real;
    sick.token = token;
    MUST(pt_dir_remove(c->run.output_dir));
    said.len = 0;
    if (said.text) said.text[0] = 0;
    MUST(pt_train_run(c, &hooks, &res));
    assert_int_equal(res.steps, STEPS);
    o.n_skipped = res.skipped;
    o.n_empty = res.empty;
    snprintf(o.said, sizeof o.said, "%s", said.text ? said.text : "");
    return o;
}

/* step: the one that is skipped; words: what is said of it. */
static void compare(const char *name, const pt_config *c, int32_t token, int spoil_after, const char *words)
{
    outcome cpu = run_on(&pt_ops_cpu, c, token, spoil_after), dev = run_on(pt_cuda_ops(), c, token, spoil_after);
    print_message("# %s: %s", name, dev.said);
    assert_int_equal(cpu.n_skipped, 1);
    assert_int_equal(dev.n_skipped, 1);
    assert_non_null(strstr(cpu.said, words));
    assert_string_equal(cpu.said, dev.said);
    for (int i = 1; i <= STEPS; i++) {
        assert_int_equal(cpu.skipped[i], dev.skipped[i]);
        if (cpu.skipped[i]) {
            assert_true(!isfinite(dev.loss[i]) && !isfinite(cpu.loss[i]) && dev.norm[i] == cpu.norm[i]);
            continue;
        }
        if (!(fabs(cpu.loss[i] - dev.loss[i]) <= 1e-5 * fabs(cpu.loss[i]) &&
              fabs(cpu.norm[i] - dev.norm[i]) <= 1e-4 * cpu.norm[i]))
            fail_msg("%s, step %d: loss %.9g and norm %.9g, on the cpu %.9g and %.9g", name, i, dev.loss[i], dev.norm[i],
                     cpu.loss[i], cpu.norm[i]);
    }
}

static pt_config config_of(pt_dataset_spec *spec, const char *data, const char *out)
{
    pt_config c = small_config(spec, data, out);
    c.data.cache_dir = work;
    c.run.max_steps = STEPS;
    c.model.init.num_hidden_layers = 1; /* nothing here depends on depth, and 50 schedules are run of it */
    c.data.sequence_len = 8; /* a record a micro-batch: the others of the step are fine */
    return c;
}

/* One record of sixteen has the token; it is named. */
static void test_sft(void **state)
{
    char rows[128], out[128];
    pt_dataset_spec spec;
    snprintf(rows, sizeof rows, "%s/one-bad.jsonl", work);
    snprintf(out, sizeof out, "%s/sft", work);
    FILE *f = fopen(rows, "w");
    assert_non_null(f);
    for (int i = 0; i < 16; i++)
        fprintf(f, "{\"input_ids\": [1, %d, 5, 6, %d, 2], \"labels\": [-100, -100, 5, 6, %d, 2]}\n", 10 + i, i == 9 ? 90 : 7,
                i == 9 ? 90 : 7);
    assert_int_equal(fclose(f), 0);
    pt_config c = config_of(&spec, rows, out);
    compare("sft", &c, 90, 0, "log-probabilities of record 9 (");
    if (strcmp(emu_build(), "plain")) return;
    c.adapter.kind = PT_ADAPTER_NONE;
    compare("sft, all weights", &c, 90, 0, "one-bad.jsonl:10)");
}

/* A pair's chosen side once, in one pass: no record alone shows it. */
static void test_pairs(void **state)
{
    char rows[128], out[128];
    pt_dataset_spec spec;
    snprintf(rows, sizeof rows, "%s/pairs.jsonl", work);
    snprintf(out, sizeof out, "%s/pairs", work);
    FILE *f = fopen(rows, "w");
    assert_non_null(f);
    for (int i = 0; i < 16; i++)
        fprintf(f, "{\"prompt_input_ids\": [1, %d], \"chosen_input_ids\": [5, %d, 2], \"rejected_input_ids\": [6, %d, 2]}\n",
                10 + i, 30 + i, 50 + i);
    assert_int_equal(fclose(f), 0);
    pt_config c = config_of(&spec, rows, out);
    c.data.sequence_len = 16;
    c.objective = pt_objective_find("reward");
    compare("reward", &c, 0, 2, "step 3 is not finite and was skipped: the loss, though no record alone is");
    if (strcmp(emu_build(), "plain")) return;
    c.objective = pt_objective_find("dpo");
    c.adapter.kind = PT_ADAPTER_NONE; /* the reference is stored: the head runs for the policy only */
    compare("dpo", &c, 0, 2, "step 3 is not finite and was skipped: the loss, though no record alone is");
}

/* A step whose records weigh nothing: the same words and numbers, and nothing runs. */
static void test_without_weight(void **state)
{
    char rows[128], out[128], cache[128];
    pt_dataset_spec spec;
    snprintf(rows, sizeof rows, "%s/weightless.jsonl", work);
    snprintf(out, sizeof out, "%s/weightless", work);
    snprintf(cache, sizeof cache, "%s/weightless-cache", work);
    write_rows(rows, 16, false);
    pt_config c = config_of(&spec, rows, out);
    c.data.sequence_len = 64;
    c.data.cache_dir = cache;
    c.batch.shuffle_merged_datasets = false;
    weigh_nothing(&c, 4, 8);
    outcome cpu = run_on(&pt_ops_cpu, &c, 0, 0), dev = run_on(pt_cuda_ops(), &c, 0, 0);
    assert_non_null(strstr(cpu.said, "step 2 was skipped: the weights of its records sum to 0"));
    assert_string_equal(cpu.said, dev.said);
    assert_true(cpu.n_empty == 1 && dev.n_empty == 1 && cpu.n_skipped == 0 && dev.n_skipped == 0);
    for (int i = 1; i <= STEPS; i++) {
        assert_true(cpu.skipped[i] == (i == 2) && dev.skipped[i] == (i == 2));
        assert_true(fabs(cpu.loss[i] - dev.loss[i]) <= 1e-5 * cpu.loss[i] && fabs(cpu.norm[i] - dev.norm[i]) <= 1e-4 * cpu.norm[i]);
    }
}

static int set_up(void **state)
{
    temp_folder(work);
    pt_log_set_sink(keep_log, NULL);
    return 0;
}
static int tear_down(void **state)
{
    pt_log_set_sink(NULL, NULL);
    pt_str_free(&said);
    return pt_dir_remove(work) == PT_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sft), cmocka_unit_test(test_pairs), cmocka_unit_test(test_without_weight)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
