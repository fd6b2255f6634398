/* One run at a time: plan = allocation, nothing grows after step 1, steps that are not finite, margins, files of the output
 * folder. */
#include "tests/invariant/loop_fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "train/loop/manifest.h"

static char work[64], rows_file[2][128], out_dir[128];

static pt_str log_text;
static void keep_log(void *user, pt_log_level level, const char *text)
{
    assert_int_equal(pt_str_printf(&log_text, "%s\n", text), PT_OK);
}

static pt_config config(pt_dataset_spec *spec, bool pairs)
{
    pt_config c = small_config(spec, rows_file[pairs], out_dir);
    c.run.num_epochs = 2;
    c.batch.micro_batch_size = 2;
    return c;
}

/* ---- a backend that counts, and that can be told to fail -------------------------------------------------------------------
 */

static struct {
    size_t bytes, calls, calls_at_step_1, forest;
    bool poison;
    int steps;
    int32_t sick_token;
} spy;

static pt_status spy_alloc(pt_ctx *ctx, pt_buf *buf, size_t bytes)
{
    spy.bytes += bytes;
    spy.calls++;
    return pt_ops_cpu.alloc(ctx, buf, bytes);
}

static pt_status spy_lora_bwd(pt_ctx *ctx, const pt_lora_args *a)
{
    pt_status rc = pt_ops_cpu.lora_bwd(ctx, a);
    const pt_lora_part *p = &a->parts[a->n_parts - 1];
    if (rc == PT_OK && spy.poison && !ctx->dry && p->module / 16 == 1 && a->n_parts == 3) {
        float bad = INFINITY;
        pt_view v = pt_view_cols(p->slots[0].db, 1, 1);
        v.rows = 1;
        rc = ctx->ops->upload(ctx, v, &bad);
    }
    return rc;
}

/* The embedding of one token is NaN. */
static pt_status spy_embed(pt_ctx *ctx, const pt_embed_args *a)
{
    pt_status rc = pt_ops_cpu.embed(ctx, a);
    int32_t ids[1024];
    if (rc != PT_OK || !spy.sick_token || ctx->dry) return rc;
    assert_true(a->tokens.cols <= 1024);
    MUST(ctx->ops->download(ctx, ids, a->tokens));
    for (int64_t i = 0; i < a->tokens.cols; i++) {
        float bad = NAN;
        pt_view v = pt_view_cols(pt_view_rows(a->y, i, 1), 0, 1);
        if (ids[i] == spy.sick_token) MUST(ctx->ops->upload(ctx, v, &bad));
    }
    return rc;
}

static size_t spy_forest(pt_ctx *ctx, const pt_forest_caps *caps)
{
    return spy.forest = pt_ops_cpu.forest_bytes(ctx, caps);
}

static pt_ops spy_ops(void)
{
    pt_ops o = pt_ops_cpu;
    memset(&spy, 0, sizeof spy);
    o.alloc = spy_alloc;
    o.lora_bwd = spy_lora_bwd;
    o.embed = spy_embed;
    o.forest_bytes = spy_forest;
    return o;
}

static void count_allocs(void *user, const pt_step_report *r)
{
    if (r->step == 1) spy.calls_at_step_1 = spy.calls;
    spy.steps++;
}

static void keep_plan(void *user, const pt_run_plan *p, const char *text)
{
    *(pt_run_plan *)user = *p;
    assert_non_null(strstr(text, "memory"));
    assert_int_equal(spy.calls, 0); /* nothing was allocated before */
}

static void plan_holds(const char *name, bool full, bool checkpointing)
{
    pt_dataset_spec spec;
    const pt_objective *objective = pt_objective_find(name);
    pt_config c = config(&spec, objective->answers == 2);
    pt_ops ops = spy_ops();
    pt_run_plan plan, alone;
    c.objective = objective;
    c.adapter.kind = full ? PT_ADAPTER_NONE : PT_ADAPTER_LORA;
    c.device.gradient_checkpointing = checkpointing;
    c.data.val_set_size = 3;
    pt_train_hooks hooks = {.user = &plan, .ops = &ops, .on_plan = keep_plan, .on_step = count_allocs};
    MUST(pt_train_plan(&c, &hooks, &alone, NULL));
    assert_int_equal(spy.calls, 0);
    pt_train_result res;
    MUST(pt_train_run(&c, &hooks, &res));
    size_t planned = 0;
    for (int i = 0; i < PT_ROLE_COUNT; i++) {
        planned += plan.role[i];
        assert_int_equal(plan.role[i], alone.role[i]);
    }
    assert_true(plan.role[PT_ROLE_ACTIVATIONS] > 0 && plan.role[PT_ROLE_GRADIENTS] > 0 && plan.role[PT_ROLE_OPTIMISER] > 0);
    /* frozen weights are adopted where they lie, and the forest's tile lists are made by forest_new: both are in the plan, not
     * in alloc */
    size_t weights = full ? 0 : plan.role[PT_ROLE_WEIGHTS];
    if (spy.bytes != planned - weights - spy.forest)
        fail_msg("%zu bytes allocated, %zu planned (%zu of them weights, %zu the forest)", spy.bytes, planned,
                 plan.role[PT_ROLE_WEIGHTS], spy.forest);
    assert_true(spy.steps > 5 && res.steps == spy.steps);
    assert_int_equal(spy.calls, spy.calls_at_step_1);
}

static void test_plan(void **state)
{
    plan_holds("sft", false, false);
    plan_holds("sft", true, false);
    plan_holds("dpo", false, true);
    plan_holds("dpo", true, false);
    plan_holds("reward", false, false);
}

static void test_warnings(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_run_plan p;
    pt_str text = {0};
    c.optim.warmup_steps = 1000;
    MUST(pt_train_plan(&c, NULL, &p, &text));
    assert_int_equal(p.n_warnings, 2);
    assert_non_null(strstr(text.text, "warning: only 20 steps"));
    assert_non_null(strstr(text.text, "warning: warm-up takes 1000 of 20 steps"));
    assert_true(p.data.steps == 20 && p.data.records_a_step == 4 && p.data.prefixes_a_step > 1);
    pt_str_free(&text);
    c.optim.warmup_steps = 2;
    c.run.num_epochs = 5;
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    assert_int_equal(p.n_warnings, 0);
    c.data.sequence_len = 4096; /* the records are as before, and fit */
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    assert_int_equal(p.n_warnings, 1);
    assert_non_null(strstr(p.warnings[0], "sequence_len 4096 is more than the"));
    c.data.sequence_len = 128;
    c.run.max_steps = 1; /* asked for: more records or a smaller batch would change nothing */
    c.optim.warmup_steps = 0;
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    assert_int_equal(p.n_warnings, 1);
    assert_string_equal(p.warnings[0], "only 1 step: max_steps is 1");
}

/* ---- not finite
 * ---------------------------------------------------------------------------------------------------------------- */

static void poison_two(void *user, const pt_step_report *r)
{
    int *skipped = user;
    *skipped += r->skipped;
    if (r->skipped) assert_true(r->step == 4 || r->step == 5);
    spy.poison = r->step == 3 || r->step == 4; /* spoils steps 4 and 5 */
}

static void test_bad_gradient(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_ops ops = spy_ops();
    int skipped = 0;
    pt_train_hooks hooks = {.user = &skipped, .ops = &ops, .on_step = poison_two};
    pt_train_result res;
    log_text.len = 0;
    MUST(pt_train_run(&c, &hooks, &res));
    assert_int_equal(skipped, 2);
    assert_int_equal(res.skipped, 2);
    assert_true(res.steps == 20 && isfinite(res.loss));
    assert_non_null(strstr(log_text.text, "step 4 is not finite and was skipped: model.layers.1.self_attn.v_proj.lora_B"));
    assert_non_null(strstr(log_text.text, "rows-0.jsonl:"));
    assert_null(strstr(log_text.text, "step 6"));
}

static void poison_always(void *user, const pt_step_report *r)
{
    spy.poison = r->step >= 3;
}

static void test_gives_up(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_ops ops = spy_ops();
    pt_train_hooks hooks = {.ops = &ops, .on_step = poison_always};
    pt_train_result res;
    assert_int_equal(pt_train_run(&c, &hooks, &res), PT_ENONFINITE);
    assert_non_null(strstr(pt_err_msg(), "step 13: 10 steps in a row were not finite"));
    assert_int_equal(res.skipped, 10);
}

static void test_bad_sample(void **state)
{
    char rows[128], want[64];
    snprintf(rows, sizeof rows, "%s/one-bad.jsonl", work);
    FILE *f = fopen(rows, "w");
    for (int i = 0; i < 16; i++)
        fprintf(f, "{\"input_ids\": [1, %d, 5, 6, 2], \"labels\": [-100, -100, 5, 6, 2]}\n", i == 9 ? 90 : 10 + i);
    fclose(f);
    pt_dataset_spec spec;
    pt_config c = small_config(&spec, rows, out_dir);
    pt_ops ops = spy_ops();
    pt_train_hooks hooks = {.ops = &ops};
    pt_train_result res;
    log_text.len = 0;
    spy.sick_token = 90;
    MUST(pt_train_run(&c, &hooks, &res));
    assert_int_equal(res.skipped, 1);
    snprintf(want, sizeof want, "record 9 (%.40s", work);
    if (!strstr(log_text.text, want)) fail_msg("no '%s' in: %s", want, log_text.text);
    assert_non_null(strstr(log_text.text, "one-bad.jsonl:10)"));
}

/* ---- a step without weight ----------------------------------------------------------------------------------------------- */

typedef struct weightless {
    float weights[3][4096]; /* before steps 2, 3 and 4 */
    int64_t n;
    int steps;
} weightless;

static void look_before(void *user, pt_ctx *ctx, pt_model *m, int64_t step)
{
    weightless *w = user;
    pt_view v = pt_model_param_view(m);
    w->n = v.cols = v.cols < 4096 ? v.cols : 4096;
    if (step >= 1 && step <= 3) MUST(ctx->ops->download(ctx, w->weights[step - 1], v));
}
static void look_after(void *user, const pt_step_report *r)
{
    weightless *w = user;
    w->steps++;
    assert_int_equal(r->empty, r->step == 2);
    assert_int_equal(r->skipped, r->step == 2);
    assert_true(isfinite(r->loss) && (r->step == 2) == (r->loss == 0));
}

/* All records of step 2 weigh nothing: it moves nothing, not by weight decay either, and the run goes on. Evaluation passes such records over. */
static void without_weight(const char *name)
{
    static weightless w;
    char cache[128];
    const pt_objective *o = pt_objective_find(name);
    pt_dataset_spec spec;
    pt_config c = config(&spec, o->answers == 2);
    pt_train_hooks hooks = {.user = &w, .on_gradients = look_before, .on_step = look_after};
    pt_train_result res;
    snprintf(cache, sizeof cache, "%s/no-weight-%s", work, name);
    memset(&w, 0, sizeof w);
    c.objective = o;
    c.data.cache_dir = cache;
    c.batch.shuffle_merged_datasets = false;
    c.batch.batch_rows = 3;
    c.optim.weight_decay = 0.5;
    c.run.max_steps = 4;
    c.run.save_steps = 3;
    c.run.loss_watchdog_threshold = 1e-3;
    c.run.loss_watchdog_patience = 4; /* an empty step is neither high nor low: three in a row here */
    weigh_nothing(&c, 3, 6);
    log_text.len = 0;
    MUST(pt_train_run(&c, &hooks, &res));
    assert_int_equal(res.steps, 4);
    assert_int_equal(res.empty, 1);
    assert_int_equal(res.skipped, 0);
    assert_int_equal(w.steps, 4);
    assert_true(w.n > 0 && !memcmp(w.weights[0], w.weights[1], (size_t)w.n * sizeof(float)));
    assert_memory_not_equal(w.weights[1], w.weights[2], (size_t)w.n * sizeof(float));
    assert_non_null(strstr(log_text.text, "step 2 was skipped: the weights of its records sum to 0"));
    c.run.resume_from_checkpoint = (char *)"auto"; /* the count goes on */
    MUST(pt_train_run(&c, &hooks, &res));
    assert_true(w.steps == 5 && res.steps == 4 && res.empty == 1 && res.skipped == 0);
}
static void test_without_weight(void **state)
{
    without_weight("sft");
    without_weight("dpo");
}

/* ---- dpo's first margin
 * ----------------------------------------------------------------------------------------------------------- */

static void first_margin(void *user, const pt_step_report *r)
{
    if (r->step == 1) *(double *)user = r->metric[2];
}

static void test_first_margin(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, true);
    double margin = 1;
    pt_train_hooks hooks = {.user = &margin, .on_step = first_margin};
    pt_train_result res;
    c.objective = pt_objective_find("dpo");
    MUST(pt_train_run(&c, &hooks, &res));
    assert_true(margin == 0);
    /* the check sees a difference: a run whose weights moved before step 1 */
    pt_run r;
    pt_step_sums s;
    MUST(pt_run_open(&r, &c, NULL));
    MUST(pt_run_commit(&r));
    stir(&r, 0.2f);
    MUST(pt_run_gradients(&r, 0, &s));
    assert_true(s.apart != 0);
    pt_run_close(&r);
}

/* ---- the output folder
 * ------------------------------------------------------------------------------------------------------------- */

static bool has(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", out_dir, name);
    return pt_file_exists(path) || pt_dir_exists(path);
}

/* A small file in the output folder, with the folders above it. */
static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", out_dir, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    MUST(pt_dir_make(path));
    *slash = '/';
    MUST(pt_file_write_whole(path, text, strlen(text)));
}

static void test_folder(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_train_result res;
    MUST(pt_dir_remove(out_dir));
    c.run.save_steps = 4;
    c.run.save_total_limit = 2;
    c.source.yaml_text = (char *)"objective: sft\n";
    MUST(pt_train_run(&c, NULL, &res));
    assert_true(has("metrics.jsonl") && has("config.yaml") && has("runs") && has("adapter_model.safetensors") &&
                has("adapter_config.json"));
    assert_true(has("checkpoint-20") && has("checkpoint-16") && !has("checkpoint-12"));
    assert_true(has("checkpoint-20/adapter_model.safetensors") && !has("profiles.json"));
    /* files of others, whatever their names: those of ours, of temporary files, of a model, of TensorBoard */
    static const char *const others[] = {"notes.txt", "notes.tmp-1", "notes.old-1", "model.safetensors", "tokenizer.json", "runs/events.out.tfevents.1.mine",
                                         "checkpoint-8.old-1/state.json", "checkpoint-9/notes.txt", "checkpoint-20/notes.txt", "cache.tmp-99/rows.jsonl"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) put(others[i], "mine");
    MUST(pt_manifest_claim(out_dir, "eval.json")); /* as ptrain eval does */
    put("eval.json", "{}");
    log_text.len = 0;
    c.run.save_steps = 0;
    MUST(pt_train_run(&c, NULL, &res));
    assert_non_null(strstr(log_text.text, "held an earlier run"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!has(others[i])) fail_msg("%s is gone", others[i]);
    assert_true(has("adapter_model.safetensors") && !has("checkpoint-20/state.json") && !has("checkpoint-20/state.bin") && !has("checkpoint-16") &&
                !has("eval.json"));
    assert_null(strstr(log_text.text, "0 checkpoint"));
    assert_string_equal(res.output, out_dir);
}

/* A folder in which no run of ours was: what has the names of our files is moved aside. */
static void test_folder_of_others(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_train_result res;
    static const char *const moved[] = {"metrics.jsonl", "config.yaml", "adapter_model.safetensors", "adapter_config.json", "checkpoint-4"};
    MUST(pt_dir_remove(out_dir));
    put("metrics.jsonl", "mine");
    put("config.yaml", "mine");
    put("adapter_model.safetensors", "mine");
    put("adapter_config.json", "mine");
    put("config.json", "mine");
    put("checkpoint-4/trainer_state.json", "mine");
    c.run.save_steps = 4;
    c.run.max_steps = 8;
    c.source.yaml_text = (char *)"objective: sft\n";
    log_text.len = 0;
    MUST(pt_train_run(&c, NULL, &res));
    assert_null(strstr(log_text.text, "held an earlier run"));
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
        char aside[64];
        snprintf(aside, sizeof aside, "%s.kept-1", moved[i]);
        if (!has(aside) || !has(moved[i])) fail_msg("%s was not moved aside", moved[i]);
    }
    assert_true(has("config.json") && !has("config.json.kept-1") && has("checkpoint-4.kept-1/trainer_state.json"));
    MUST(pt_train_run(&c, NULL, &res)); /* now they are ours, and are replaced */
    assert_false(has("metrics.jsonl.kept-2") || has("checkpoint-4.kept-2"));
}

static int64_t metrics_bytes(void)
{
    struct stat st;
    char path[256];
    snprintf(path, sizeof path, "%s/metrics.jsonl", out_dir);
    assert_int_equal(stat(path, &st), 0);
    return (int64_t)st.st_size;
}

/* Two runs never write into one folder: the second is refused before it touches anything; the plan asks for nothing. */
static void test_one_at_a_time(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_train_result res;
    pt_run_plan p;
    MUST(pt_dir_remove(out_dir));
    MUST(pt_train_run(&c, NULL, &res));
    int64_t bytes = metrics_bytes();
    int fd = open(out_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* what another run holds */
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(pt_train_run(&c, NULL, &res), PT_ESTATE);
    assert_non_null(strstr(pt_err_msg(), "another run is writing into"));
    assert_true(has("adapter_model.safetensors") && metrics_bytes() == bytes);
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    close(fd);
    MUST(pt_train_run(&c, NULL, &res));
    fd = open(out_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* the run gave it back */
    close(fd);
}

/* What is not ours stays: a folder without a run of ours, and the folders that the run starts from. */
static void test_not_ours(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_train_result res;
    char path[256];
    MUST(pt_dir_remove(out_dir));
    snprintf(path, sizeof path, "%s/checkpoint-3", out_dir);
    MUST(pt_dir_make(path));
    snprintf(path, sizeof path, "%s/model.safetensors", out_dir);
    MUST(pt_file_write_whole(path, "theirs", 6));
    MUST(pt_train_run(&c, NULL, &res));
    assert_true(has("model.safetensors") && has("checkpoint-3"));
    c.model.init.random = false;
    c.model.base_model = (char *)"tests/golden/data/train/model";
    c.run.output_dir = (char *)"tests/golden/data/train/../train/model";
    assert_int_equal(pt_train_run(&c, NULL, &res), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "folder of base_model"));
    c.adapter.lora_model_dir = (char *)"tests/golden/data/train/adapter";
    c.run.output_dir = c.adapter.lora_model_dir;
    assert_int_equal(pt_train_run(&c, NULL, &res), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "folder of lora_model_dir"));
}

static void test_refusals(void **state)
{
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    pt_run_plan p;
    c.device.kind = PT_DEVICE_CUDA;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_ENOSUP);
    c = config(&spec, false);
    c.model.quantised_wanted = true;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    c = config(&spec, false);
    c.adapter.lora_model_dir = (char *)"tests/golden/data/train/adapter";
    c.adapter.lora_r = 8;
    c.adapter.lora_r_set = true;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "lora_r: 8"));
    assert_non_null(strstr(pt_err_msg(), "has r 4"));
    c.adapter.lora_r_set = false;
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    c.adapter.peft_use_rslora = true;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "leave peft_use_rslora out"));
    c.adapter.peft_use_rslora = false;
    char *targets[] = {(char *)"q_proj"}, **was = c.adapter.lora_target_modules;
    size_t n = c.adapter.n_lora_target_modules;
    c.adapter.lora_target_modules = targets;
    c.adapter.n_lora_target_modules = 1;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "brings its own"));
    c.adapter.lora_target_modules = was;
    c.adapter.n_lora_target_modules = n;
    c.adapter.lora_target_linear = true; /* what the adapter does; one on fewer modules is another thing than what was asked for */
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    static const char narrow[] = "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"target_modules\": [\"q_proj\", \"v_proj\"]}";
    char dir[200], file[256];
    snprintf(dir, sizeof dir, "%s/narrow", work);
    snprintf(file, sizeof file, "%s/adapter_config.json", dir);
    MUST(pt_dir_make(dir));
    MUST(pt_file_write_whole(file, narrow, strlen(narrow)));
    c.adapter.lora_model_dir = dir;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "lora_target_linear: true, but the adapter in lora_model_dir"));
    assert_non_null(strstr(pt_err_msg(), "has nothing on model.layers.0.self_attn.k_proj"));
    c.adapter.lora_target_linear = false;
    MUST(pt_train_plan(&c, NULL, &p, NULL));
    c.adapter.kind = PT_ADAPTER_NONE;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    c = config(&spec, false);
    c.model.init.family = (char *)"gpt5";
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
    c = config(&spec, false);
    c.model.init.vocab_size = 50; /* ids of the data lie above */
    assert_true(pt_train_plan(&c, NULL, &p, NULL) != PT_OK);
    c = config(&spec, false);
    c.run.output_dir = NULL;
    assert_int_equal(pt_train_plan(&c, NULL, &p, NULL), PT_EARG);
}

/* init: random of families that rotate a part of each head. */
static void test_random_rotation(void **state)
{
    static const struct {
        const char *family;
        int of_16;
    } cases[] = {{"llama", 16}, {"glm", 8}, {"chatglm", 8}, {"stablelm", 4}};
    pt_dataset_spec spec;
    pt_config c = config(&spec, false);
    c.model.init.head_dim = 16;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_base b;
        c.model.init.family = (char *)(uintptr_t)cases[i].family;
        MUST(pt_setup_base(&c, NULL, false, &b));
        assert_int_equal(pt_source_config(b.source)->rot, cases[i].of_16);
        pt_base_free(&b);
    }
}

static int make_files(void **state)
{
    pt_log_set_sink(keep_log, NULL);
    temp_folder(work);
    snprintf(out_dir, sizeof out_dir, "%s/out", work);
    for (int i = 0; i < 2; i++) {
        snprintf(rows_file[i], sizeof rows_file[i], "%s/rows-%d.jsonl", work, i);
        write_rows(rows_file[i], 40, i == 1);
    }
    return 0;
}
static int remove_files(void **state)
{
    pt_str_free(&log_text);
    return pt_dir_remove(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),     cmocka_unit_test(test_warnings),   cmocka_unit_test(test_bad_gradient),
        cmocka_unit_test(test_gives_up), cmocka_unit_test(test_bad_sample), cmocka_unit_test(test_without_weight), cmocka_unit_test(test_first_margin),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_folder_of_others),   cmocka_unit_test(test_not_ours),   cmocka_unit_test(test_random_rotation),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
