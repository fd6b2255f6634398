/* The reference of a preference loss: computed before the first step under a key of what decides it, so that steps run no pass for it; and a
 * reference that moves (sync_ref_model). */
#include "tests/invariant/loop_fixture.h"

#include "base/log.h"
#include "train/objective/loss_types.h"

static char work[64], rows_file[128], out_dir[3][128];

static pt_str log_text;
static void keep_log(void *user, pt_log_level level, const char *text)
{
    assert_int_equal(pt_str_printf(&log_text, "%s\n", text), PT_OK);
}

static pt_config config(pt_dataset_spec *spec, int out)
{
    pt_config c = small_config(spec, rows_file, out_dir[out]);
    c.objective = pt_objective_find("dpo");
    MUST(pt_objective_set(c.options, "beta", 0.3));
    c.data.cache_dir = work;
    c.run.max_steps = 4;
    c.batch.batch_rows = 8;
    return c;
}

/* ---- passes are counted by the embedding that begins each ------------------------------------------------------------------- */

static struct {
    int passes, first, last, steps;
    double loss[8];
} seen;

static pt_status spy_embed(pt_ctx *ctx, const pt_embed_args *a)
{
    seen.passes += !ctx->dry;
    return pt_ops_cpu.embed(ctx, a);
}

static void on_step(void *user, const pt_step_report *r)
{
    if (r->step == 1) seen.first = seen.passes;
    seen.last = seen.passes;
    seen.loss[r->step - 1] = r->loss;
    seen.steps++;
}

/* Passes of the steps behind the first. */
static int train(const pt_config *c)
{
    pt_ops ops = pt_ops_cpu;
    pt_train_result res;
    ops.embed = spy_embed;
    memset(&seen, 0, sizeof seen);
    pt_str_free(&log_text);
    pt_train_hooks hooks = {.ops = &ops, .on_step = on_step};
    MUST(pt_train_run(c, &hooks, &res));
    assert_int_equal(seen.steps, 4);
    return seen.last - seen.first;
}

static bool said(const char *text)
{
    return log_text.text && strstr(log_text.text, text);
}

#define COMPUTED "reference log-probabilities of"

/* `kept`: they were there. The same losses as with a pass in every step. */
static void compare(pt_config *c, bool kept, const char *name)
{
    double loss[8];
    c->reference.precompute = false;
    int with = train(c);
    assert_false(said(COMPUTED));
    memcpy(loss, seen.loss, sizeof loss);
    c->reference.precompute = true;
    int without = train(c);
    if (said(COMPUTED) == kept) fail_msg("%s: %s", name, kept ? "computed again" : "not computed");
    if (with != 2 * without || without < 3) fail_msg("%s: %d passes, %d without a reference", name, with, without);
    for (int i = 0; i < 4; i++)
        if (!(fabs(loss[i] - seen.loss[i]) <= 2e-6 * loss[i])) fail_msg("%s step %d: loss %.9g, kept %.9g", name, i + 1, loss[i], seen.loss[i]);
}

static void test_kept(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, 0);
    pt_log_set_sink(keep_log, NULL);
    compare(&c, false, "fresh");
    compare(&c, true, "fresh again");
    c.adapter.lora_r = 2; /* the base alone decides it */
    compare(&c, true, "another rank");
    c.run.seed = 8; /* other random weights; the pack is another one too, for its split's sake */
    compare(&c, false, "another base");
    pt_config s = config(&spec, 1); /* a starting adapter decides, too: out_dir[0] holds one that four steps made */
    s.adapter.lora_model_dir = out_dir[0];
    MUST(pt_objective_set(s.options, "dpo_reference", PT_REFERENCE_AT_START));
    compare(&s, false, "start");
    compare(&s, true, "start again");
    pt_config t = config(&spec, 2);
    t.adapter.lora_model_dir = out_dir[1];
    compare(&t, false, "another start");
    MUST(pt_objective_set(t.options, "dpo_reference", PT_REFERENCE_AT_BASE));
    compare(&t, true, "the base under a start");
    pt_log_set_sink(NULL, NULL);
}

/* The references of a pack under the name of another key, or damaged: said, and made again. */
static void test_not_theirs(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, 0);
    char pattern[160];
    glob_t found;
    c.reference.precompute = true;
    c.data.cache_dir = out_dir[2]; /* removed with the folder */
    MUST(pt_dir_make(out_dir[2]));
    pt_log_set_sink(keep_log, NULL);
    train(&c);
    assert_true(said(COMPUTED));
    snprintf(pattern, sizeof pattern, "%s/pack-*-ref-*.h5", out_dir[2]);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    train(&c);
    assert_false(said("are made again"));
    for (int k = 0; k < 2; k++) {
        if (k == 0) {
            pt_config d = config(&spec, 0); /* another base: another key */
            d.reference.precompute = true;
            d.data.cache_dir = out_dir[2];
            d.model.init.initializer_range = 0.1;
            train(&d);
            glob_t both;
            assert_int_equal(glob(pattern, 0, NULL, &both), 0);
            assert_int_equal(both.gl_pathc, 2);
            const char *other = both.gl_pathv[!strcmp(both.gl_pathv[0], found.gl_pathv[0])];
            assert_int_equal(rename(other, found.gl_pathv[0]), 0);
            globfree(&both);
        } else
            assert_int_equal(truncate(found.gl_pathv[0], 100), 0);
        train(&c);
        assert_true(said(COMPUTED) && said("are made again"));
        if (k == 0) assert_true(said("made by another reference"));
    }
    globfree(&found);
    pt_log_set_sink(NULL, NULL);
}

/* ---- a reference that moves -------------------------------------------------------------------------------------------------- */

static float *fetch(pt_run *r, pt_view v)
{
    float *p = malloc((size_t)v.cols * sizeof *p);
    assert_non_null(p);
    MUST(r->ctx.ops->download(&r->ctx, p, v));
    return p;
}

/* The reference of three syncs is what TRL's arithmetic makes of the same parameters; steps that moved nothing do not count. */
static void test_mix(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, 0);
    pt_run r;
    c.reference = (pt_config_reference){.sync = true, .mixup = 0.6, .every = 2};
    MUST(pt_run_open(&r, &c, NULL));
    MUST(pt_run_commit(&r));
    assert_int_equal(r.reference, PT_REFERENCE_START);
    float *want = fetch(&r, pt_model_frozen_view(r.model));
    for (int64_t step = 1; step <= 8; step++) {
        stir(&r, 0.1f);
        if (step == 3 || step == 4) r.skipped++; /* applied: 1, 2, 2, 2, 3, 4, 5, 6 */
        r.step = step;
        if (step != 3 && step != 4) MUST(pt_run_sync_reference(&r));
        float *p = fetch(&r, pt_model_param_view(r.model)), *f = fetch(&r, pt_model_frozen_view(r.model));
        for (int64_t i = 0; i < pt_model_param_count(r.model); i++) {
            if (step == 2 || step == 6 || step == 8) want[i] = 0.4f * want[i] + 0.6f * p[i];
            if (!(fabsf(f[i] - want[i]) <= 1e-6f * (fabsf(want[i]) + fabsf(p[i])))) fail_msg("step %d, element %d: %g, not %g", (int)step, (int)i, f[i], want[i]);
        }
        free(p);
        free(f);
    }
    free(want);
    pt_run_close(&r);
}

/* A reference that is the policy after every step: no margin before any, exactly. One that never moves: none but the first. */
static void test_whole(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, 0);
    c.reference = (pt_config_reference){.sync = true, .mixup = 1, .every = 1};
    assert_int_equal(train(&c) % 2, 0);
    for (int i = 0; i < 4; i++)
        if (seen.loss[i] != log1p(1.0)) fail_msg("step %d: loss %.17g, not log 2", i + 1, seen.loss[i]);
    c.reference.every = 100;
    train(&c);
    assert_true(seen.loss[0] == log1p(1.0) && seen.loss[1] != log1p(1.0));
    double still = seen.loss[3];
    c.reference.sync = false;
    train(&c);
    if (!(fabs(seen.loss[3] - still) <= 1e-6 * still)) fail_msg("a frozen copy of a fresh adapter is the base: %.9g, %.9g", seen.loss[3], still);
}

/* ---- a drift that stays low ------------------------------------------------------------------------------------------------- */

static int drifts, low, lowest_run;
static void count_drift(void *user, const pt_step_report *r)
{
    for (int i = 0; i < r->n_metrics; i++) {
        if (strcmp(r->metric_name[i], "drift/chosen_per_token")) continue;
        drifts++;
        low = r->metric[i] < -0.1 ? low + 1 : 0;
        lowest_run = low > lowest_run ? low : lowest_run;
    }
}

/* Warned of once, after 20 steps in a row below -0.1 nat a token, not before; a run stopped in between counts on. */
static void fall(double rate, int steps, bool warned)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, 0);
    pt_train_hooks hooks = {.on_step = count_drift};
    MUST(pt_objective_set(c.options, "loss_type", PT_LOSS_APO_DOWN)); /* moves both answers down */
    c.optim.learning_rate = rate;
    c.optim.lr_scheduler = PT_SCHED_CONSTANT;
    c.run.num_epochs = 100;
    c.run.max_steps = steps;
    drifts = low = lowest_run = 0;
    pt_str_free(&log_text);
    MUST(pt_train_run(&c, &hooks, NULL));
    assert_int_equal(drifts, steps);
    assert_true((lowest_run >= 20) == warned);
    const char *at = log_text.text ? strstr(log_text.text, "drift/chosen_per_token was below -0.1 in 20 steps in a row") : NULL;
    if ((at != NULL) != warned) fail_msg("rate %g, %d steps: %s", rate, steps, warned ? "not said" : "said");
    if (at) assert_null(strstr(at + 1, "drift/chosen_per_token was"));
}

static void test_fallen(void **state)
{
    pt_log_set_sink(keep_log, NULL);
    fall(0.05, 60, true);
    fall(1e-5, 40, false);
    fall(0.05, 19, false); /* not yet for long */
    pt_log_set_sink(NULL, NULL);
}

static int set_up(void **state)
{
    temp_folder(work);
    snprintf(rows_file, sizeof rows_file, "%s/rows.jsonl", work);
    for (int i = 0; i < 3; i++) snprintf(out_dir[i], sizeof out_dir[i], "%s/out-%d", work, i);
    write_rows(rows_file, 24, true);
    return 0;
}
static int tear_down(void **state)
{
    pt_str_free(&log_text);
    return pt_dir_remove(work) == PT_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_not_theirs), cmocka_unit_test(test_mix), cmocka_unit_test(test_whole), cmocka_unit_test(test_fallen)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
