/* A run that was stopped or killed at any moment and resumed gives the same bits as one never stopped: losses, norms, weights,
 * moments. Every run is a process of its own (this program again). 20 kills (6 under the sanitizers): half at random moments, half while a
 * checkpoint is being written. */
#include "tests/invariant/loop_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <jansson.h>

#include "base/log.h"
#include "base/threads.h"
#include "checkpoints/state_list.h"

static char work[64], self[4096];

/* ---- the child: child WORK KIND OUT RESUME STOP (N: after step N; eN, tN: in the evaluation of the first or second set after it) ----------------------------------------------------------------------
 */

enum { STEPS = 16 };
#ifdef __SANITIZE_ADDRESS__
enum { KILLS = 6, IN_A_WRITE = 1 }; /* each process takes a second there; what is looked for is memory, not moments */
#else
enum { KILLS = 20, IN_A_WRITE = 5 };
#endif
static volatile sig_atomic_t stop_flag;
static int stop_after, stop_in_eval, stop_in_test;

static void count_step(void *user, const pt_step_report *r)
{
    if (stop_after && r->step + 1 >= stop_after) stop_flag = 1; /* is seen at the end of the next step */
    if (stop_in_eval && r->step >= stop_in_eval) stop_flag = 1; /* is seen in the evaluation that follows */
}

static void after_eval(void *user, const pt_eval_report *r)
{
    if (stop_in_test && r->step >= stop_in_test) stop_flag = 1; /* is seen in that of the next set */
}

static void to_file(void *user, pt_log_level level, const char *text)
{
    fprintf(user, "%s\n", text);
}

static int child(char **arg)
{
    char rows[128], log_path[160];
    pt_dataset_spec spec;
    const char *kind = arg[1];
    bool pairs = !strncmp(kind, "dpo", 3);
    snprintf(rows, sizeof rows, "%s/rows-%d.jsonl", arg[0], pairs);
    snprintf(log_path, sizeof log_path, "%s.log", arg[2]);
    FILE *log = fopen(log_path, "w");
    if (!log) return 9;
    pt_log_set_sink(to_file, log);
    pt_config c = small_config(&spec, rows, arg[2]);
    c.run.num_epochs = 50;
    c.run.max_steps = STEPS;
    c.run.save_steps = 1;
    c.run.save_total_limit = 3;
    c.batch.batch_rows = 6;
    c.optim.warmup_steps = 3;
    c.optim.weight_decay = 0.01;
    c.data.val_set_size = 4;
    c.run.eval_steps = 5;
    c.data.cache_dir = arg[0];
    if (!strcmp(kind, "sft")) c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "sft-eval")) c.data.val_set_size = 14, c.data.test_datasets = &spec, c.data.n_test_datasets = 1;
    if (!strcmp(kind, "sft-rate")) c.optim.learning_rate = 1e-3, c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "sft-alpha")) c.adapter.lora_alpha = 16, c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "sft-rslora")) c.adapter.peft_use_rslora = true, c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "sft-draw")) c.data.datasets[0].weight = 0.5, c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "sft-saves")) c.run.save_steps = 4, c.adapter.lora_dropout = 0.2;
    char rate[32], weight[32], saves[32]; /* what the schema says of a config: train/cli/schema_effect.c */
    snprintf(rate, sizeof rate, "%g", c.optim.learning_rate);
    snprintf(weight, sizeof weight, "%g", c.data.datasets[0].weight);
    snprintf(saves, sizeof saves, "%g", (double)c.run.save_steps);
    pt_setting_value settings[] = {{(char *)"learning_rate", rate, PT_EFFECT_RANKS | PT_EFFECT_RESUME},
                                   {(char *)"datasets[0].weight", weight, PT_EFFECT_RANKS | PT_EFFECT_RESUME},
                                   {(char *)"save_steps", saves, PT_EFFECT_RANKS}};
    c.source.settings = settings;
    c.source.n_settings = 3;
    if (!strcmp(kind, "sft-rank")) c.adapter.lora_r = 2, c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "sft-base")) c.run.seed = 8, c.adapter.lora_dropout = 0.2;
    if (!strcmp(kind, "dpo-full")) c.objective = pt_objective_find("dpo"), c.adapter.kind = PT_ADAPTER_NONE;
    if (!strcmp(kind, "dpo-sync")) c.reference = (pt_config_reference){.sync = true, .mixup = 0.6, .every = 2};
    if (!strcmp(kind, "dpo-sync") || !strcmp(kind, "dpo-kept")) c.objective = pt_objective_find("dpo");
    if (!strcmp(kind, "dpo-kept")) c.reference.precompute = true;
    if (!strcmp(kind, "dpo")) c.objective = pt_objective_find("dpo");
    if (strcmp(arg[3], "no")) c.run.resume_from_checkpoint = arg[3];
    int n = (int)strtol(arg[4] + strcspn(arg[4], "0123456789"), NULL, 10);
    *(arg[4][0] == 'e' ? &stop_in_eval : arg[4][0] == 't' ? &stop_in_test : &stop_after) = n;
    pt_train_hooks hooks = {.stop = &stop_flag, .on_step = count_step, .on_eval = after_eval};
    pt_train_result res;
    pt_status rc = pt_train_run(&c, &hooks, &res);
    fprintf(log, "%s %s\n", pt_status_name(rc), rc == PT_OK ? "" : pt_err_msg());
    fclose(log);
    return rc == PT_OK ? 0 : rc == PT_ESTOP ? 3 : 1;
}

static pid_t start(const char *kind, const char *out, const char *resume, const char *after)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(self, self, "child", work, kind, out, resume, after, (char *)NULL);
        _exit(126);
    }
    return pid;
}

static int finish(pid_t pid)
{
    int st = 0;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static char *log_of(const char *out)
{
    char path[160], *text;
    size_t n;
    snprintf(path, sizeof path, "%s.log", out);
    MUST(pt_file_read(&text, &n, path, 1 << 20));
    return text;
}

/* ---- comparing two output folders
 * -------------------------------------------------------------------------------------------- */

typedef struct line {
    double loss, norm, eval;
} line;

/* Loss, norm and evaluation of every step; each must stand once. */
static void read_metrics(const char *out, line *l)
{
    char path[160], *text, *save = NULL;
    size_t n;
    snprintf(path, sizeof path, "%s/metrics.jsonl", out);
    MUST(pt_file_read(&text, &n, path, 1 << 20));
    for (int i = 0; i <= STEPS; i++) l[i] = (line){NAN, NAN, NAN};
    for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
        json_t *j = json_loads(s, 0, NULL);
        assert_non_null(j);
        json_int_t step = json_integer_value(json_object_get(j, "step"));
        assert_in_range(step, 1, STEPS);
        json_t *loss = json_object_get(j, "loss"), *eval = json_object_get(j, "eval_loss");
        assert_true((loss != NULL) != (eval != NULL));
        double *to = loss ? &l[step].loss : &l[step].eval;
        if (!isnan(*to)) fail_msg("%s: step %d stands twice", path, (int)step);
        *to = json_real_value(loss ? loss : eval);
        if (loss) l[step].norm = json_real_value(json_object_get(j, "grad_norm"));
        json_decref(j);
    }
    free(text);
}

static void same_file(const char *a, const char *b, const char *name)
{
    char pa[192], pb[192], ha[65], hb[65];
    snprintf(pa, sizeof pa, "%s/%s", a, name);
    snprintf(pb, sizeof pb, "%s/%s", b, name);
    MUST(pt_sha256_file(ha, pa));
    MUST(pt_sha256_file(hb, pb));
    if (strcmp(ha, hb)) fail_msg("%s differs between %s and %s", name, a, b);
}

static void same_run(const char *a, const char *b, const char *weights)
{
    line la[STEPS + 1], lb[STEPS + 1];
    char name[64];
    read_metrics(a, la);
    read_metrics(b, lb);
    for (int i = 1; i <= STEPS; i++) {
        if (la[i].loss != lb[i].loss || la[i].norm != lb[i].norm)
            fail_msg("step %d: loss %.17g and %.17g, norm %.17g and %.17g", i, la[i].loss, lb[i].loss, la[i].norm, lb[i].norm);
        assert_true(la[i].eval == lb[i].eval || (isnan(la[i].eval) && isnan(lb[i].eval)));
        assert_int_equal(isnan(la[i].eval), i % 5 != 0 && i != STEPS);
    }
    snprintf(name, sizeof name, "checkpoint-%d/state.bin", STEPS); /* parameters and moments */
    same_file(a, b, name);
    same_file(a, b, weights);
}

/* ---- tests
 * --------------------------------------------------------------------------------------------------------------------- */

static void out_path(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", work, name);
}

static void stop_and_go_on(const char *kind, const char *weights)
{
    char whole[128], parts[128], name[32];
    snprintf(name, sizeof name, "%s-whole", kind);
    out_path(whole, name);
    snprintf(name, sizeof name, "%s-parts", kind);
    out_path(parts, name);
    assert_int_equal(finish(start(kind, whole, "no", "0")), 0);
    assert_int_equal(finish(start(kind, parts, "no", "5")), 3);
    char *text = log_of(parts);
    assert_non_null(strstr(text, "stopped after step 5 of 16"));
    free(text);
    assert_int_equal(finish(start(kind, parts, "auto", "11")), 3);
    assert_int_equal(finish(start(kind, parts, "auto", "0")), 0);
    same_run(whole, parts, weights);
}

static void expect(const char *kind, const char *out, const char *resume, int code, const char *says);

static void test_stop_sft(void **state)
{
    stop_and_go_on("sft", "adapter_model.safetensors");
}
static void test_stop_dpo(void **state)
{
    stop_and_go_on("dpo", "adapter_model.safetensors");
}
/* The reference moves, at steps on both sides of the stops; and it is computed beforehand. */
static void test_stop_dpo_sync(void **state)
{
    char whole[128], still[128], path[192];
    line a[STEPS + 1], b[STEPS + 1];
    stop_and_go_on("dpo-sync", "adapter_model.safetensors");
    out_path(whole, "dpo-sync-whole");
    out_path(still, "dpo-whole");
    read_metrics(whole, a);
    read_metrics(still, b);
    assert_true(a[2].loss == b[2].loss && a[3].loss != b[3].loss);
    snprintf(path, sizeof path, "%s/checkpoint-15", whole);
    expect("dpo", whole, path, 1, "was made with sync_ref_model");
    snprintf(path, sizeof path, "%s/checkpoint-15", still);
    expect("dpo-sync", still, path, 1, "was made without sync_ref_model");
}
static void test_stop_dpo_kept(void **state)
{
    stop_and_go_on("dpo-kept", "adapter_model.safetensors");
}
static void test_stop_dpo_full(void **state)
{
    stop_and_go_on("dpo-full", "model.safetensors");
}

/* The lines without what a clock says. */
static void same_lines(const char *a, const char *b)
{
    const char *of[] = {a, b};
    char *text[2], path[160];
    size_t n;
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/metrics.jsonl", of[k]);
        MUST(pt_file_read(&text[k], &n, path, 1 << 20));
        char *to = text[k], *save = NULL;
        for (char *s = strtok_r(text[k], "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
            char *clock = strstr(s, "_seconds\": ");
            if (!clock) clock = strstr(s, "_per_second\": ");
            size_t keep = clock ? (size_t)(clock - s) : strlen(s);
            memmove(to, s, keep);
            to += keep;
            *to++ = '\n';
        }
        *to = 0;
    }
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

/* Stops while an evaluation runs: after some steps, in the first set and in the second, in the last one, and in one that is done again. */
static void test_stop_in_evaluation(void **state)
{
    char whole[128], parts[128];
    out_path(whole, "eval-whole");
    out_path(parts, "eval-parts");
    assert_int_equal(finish(start("sft-eval", whole, "no", "0")), 0);
    static const char *const stops[] = {"e5", "t5", "e9", "e9", "t10", "e15", "t15"};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        if (finish(start("sft-eval", parts, i ? "auto" : "no", stops[i])) != 3) fail_msg("%s: %s", stops[i], log_of(parts));
        char *text = log_of(parts);
        if (i < 2) assert_non_null(strstr(text, "stopped after step 5 of 16")); /* not after the evaluation and another step */
        free(text);
    }
    assert_int_equal(finish(start("sft-eval", parts, "auto", "0")), 0);
    same_lines(whole, parts);
    same_file(whole, parts, "checkpoint-16/state.bin");
    same_file(whole, parts, "adapter_model.safetensors");
}

static void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Whether a checkpoint is being written now. */
static bool writing(const char *out)
{
    DIR *d = opendir(out);
    bool found = false;
    if (!d) return false;
    for (struct dirent *e; (e = readdir(d));) found |= strstr(e->d_name, ".ptrain-new-") != NULL;
    closedir(d);
    return found;
}

/* Every whole-looking checkpoint must be whole. */
static void checkpoints_whole(const char *out)
{
    pt_state_list l;
    MUST(pt_state_list_read(&l, out));
    for (size_t i = 0; i < l.n; i++) {
        char *path;
        pt_state *s;
        MUST(pt_state_folder(&path, out, l.of[i].step));
        MUST(pt_state_open(&s, path));
        pt_state_close(s);
        free(path);
    }
    pt_state_list_free(&l);
}

static void test_kill(void **state)
{
    char whole[128], parts[128];
    uint64_t rng = 1000;
    int kills = 0, during_write = 0, ended = 0;
    out_path(whole, "kill-whole");
    out_path(parts, "kill-parts");
    double t0 = pt_seconds();
    assert_int_equal(finish(start("sft", whole, "no", "0")), 0);
    double whole_time = pt_seconds() - t0;
    for (int i = 0; kills < KILLS && i < 4 * KILLS; i++) {
        if (ended) { /* it came to its end before the kill: begin again */
            MUST(pt_dir_remove(parts));
            ended = 0;
        }
        pid_t pid = start("sft", parts, "auto", "0");
        double began = pt_seconds(), wait = whole_time * random_below(&rng, 1000) / 1400.0;
        int st = 0;
        if (kills % 2 == 0)
            nap(wait);
        else { /* some way into the run, then the next write */
            nap(wait / 2);
            while (!writing(parts) && pt_seconds() - began < 2 * whole_time && waitpid(pid, &st, WNOHANG) == 0) nap(0.0001);
        }
        bool was_writing = writing(parts);
        pid_t over = waitpid(pid, &st, WNOHANG);
        if (over == 0) {
            kill(pid, SIGKILL);
            int code = finish(pid);
            ended = code == 0; /* it came to its end just before the signal */
            assert_true(ended || code == 128 + SIGKILL);
            kills += !ended;
            during_write += was_writing && !ended;
        } else
            ended = 1;
        checkpoints_whole(parts);
    }
    assert_int_equal(kills, KILLS);
    assert_true(during_write >= IN_A_WRITE);
    if (ended) MUST(pt_dir_remove(parts));
    assert_int_equal(finish(start("sft", parts, "auto", "0")), 0);
    same_run(whole, parts, "adapter_model.safetensors");
    assert_false(writing(parts)); /* leftovers are gone */
}

/* The newest checkpoint is damaged: said, and the one before it serves. */
static void test_damaged(void **state)
{
    char out[128], path[192];
    out_path(out, "damaged");
    assert_int_equal(finish(start("sft", out, "no", "9")), 3);
    snprintf(path, sizeof path, "%s/checkpoint-9/state.bin", out);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 1000, SEEK_SET), 0);
    assert_int_equal(fputc('x', f), 'x');
    fclose(f);
    assert_int_equal(finish(start("sft", out, "auto", "0")), 0);
    char *text = log_of(out), whole[128];
    assert_non_null(strstr(text, "damaged checkpoint is passed over"));
    assert_non_null(strstr(text, "checkpoint-8: step 8 of 16"));
    free(text);
    out_path(whole, "sft-whole");
    same_run(whole, out, "adapter_model.safetensors");
}

static void expect(const char *kind, const char *out, const char *resume, int code, const char *says)
{
    int got = finish(start(kind, out, resume, "0"));
    char *text = log_of(out);
    if (got != code || !strstr(text, says)) fail_msg("%s: exit %d, log without '%s':\n%s", kind, got, says, text);
    free(text);
}

/* What does not belong together is refused by name; what may differ is announced. */
static void test_differences(void **state)
{
    char out[128], path[192];
    out_path(out, "differences");
    assert_int_equal(finish(start("sft", out, "no", "5")), 3);
    snprintf(path, sizeof path, "%s/checkpoint-5", out);
    expect("sft-rank", out, path, 1, "another set of trained parameters");
    expect("sft-base", out, path, 1, "another base model");
    expect("dpo", out, path, 1, "another objective");
    expect("sft", out, "/nonexistent", 1, "resume_from_checkpoint");
    expect("sft-alpha", out, path, 1, "another scale of its adapters (lora_alpha");
    expect("sft-rslora", out, path, 1, "another scale of its adapters (lora_alpha");
    int code = finish(start("sft-saves", out, path, "6")); /* its first step is its last: the checkpoint stays */
    char *text = log_of(out);
    assert_int_equal(code, 3);
    assert_null(strstr(text, "in the checkpoint"));
    free(text);
    int draws = finish(start("sft-draw", out, path, "6"));
    text = log_of(out);
    assert_int_equal(draws, 3);
    assert_non_null(strstr(text, "datasets[0].weight is 0.5 here and was 1 in the checkpoint"));
    free(text);
    expect("sft-rate", out, path, 0, "learning_rate is 0.001 here and was 0.002 in the checkpoint");
    /* a new run in the same folder replaces it, and says so */
    expect("sft", out, "no", 0, "held an earlier run");
    line l[STEPS + 1];
    read_metrics(out, l);
}

static int make_files(void **state)
{
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return 1;
    setenv("OMP_WAIT_POLICY", "passive", 1); /* many short processes on few cores */
    temp_folder(work);
    for (int i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/rows-%d.jsonl", work, i);
        write_rows(path, 40, i == 1);
    }
    return 0;
}
static int remove_files(void **state)
{
    return pt_dir_remove(work);
}

int main(int argc, char **argv)
{
    if (argc == 7) return child(argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_sft), cmocka_unit_test(test_stop_dpo), cmocka_unit_test(test_stop_dpo_full),
        cmocka_unit_test(test_stop_dpo_sync), cmocka_unit_test(test_stop_dpo_kept),
        cmocka_unit_test(test_stop_in_evaluation), cmocka_unit_test(test_kill),     cmocka_unit_test(test_damaged),  cmocka_unit_test(test_differences),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
