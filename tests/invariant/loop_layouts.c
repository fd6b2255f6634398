/* Sharing, packing, micro-batches, ranks and recomputation are layout only: loss and every gradient of a step stay the same
 * (f32, 1e-5 by norm), for every objective, with the window on and off, with dropout on and off. Batches hold beginnings shared
 * on two levels, answers that part at their first token (several targets on one position) and rows that share nothing. */
#include "tests/invariant/loop_fixture.h"

#include <sys/wait.h>

#define TOLERANCE 1e-5

typedef struct shape {
    const char *objective;
    bool full, window, dropout, shuffle;
    const char *family;
} shape;

typedef struct layout {
    const char *name;
    pt_packing packing;
    int micro, sequence_len;
    bool checkpointing;
} layout;

static const layout layouts[] = {
    {"off", PT_PACKING_OFF, 1, 128, false},
    {"plain", PT_PACKING_PLAIN, 2, 128, false},
    {"forest", PT_PACKING_FOREST, 4, 128, false},
    {"forest, small micro-batches", PT_PACKING_FOREST, 1, 96, false},
    {"plain, small micro-batches", PT_PACKING_PLAIN, 1, 96, false},
    {"forest, recomputed", PT_PACKING_FOREST, 4, 128, true},
};
#define N_LAYOUTS (int)(sizeof layouts / sizeof *layouts)

enum { ROWS, PAIRS, LABELLED, LISTS, FILES };
static char work[64], rows_file[FILES][128];

/* Which file an objective takes; judged answers are taken apart out of pairs. */
static int file_of(const pt_objective *o)
{
    if (!strcmp(o->data, "labels")) return LABELLED;
    if (!strcmp(o->data, "rated")) return LISTS;
    return o->answers == 2 || o->verdicts ? PAIRS : ROWS;
}

/* The types that have no rows of ids, or a label beside them; heads of three values. */
static void heads(pt_config *c, pt_dataset_spec *spec, int file)
{
    if (file == LABELLED) spec->type = (char *)"labels";
    if (file == LABELLED) MUST(pt_objective_set(c->options, "num_labels", 3));
    if (file != LISTS) return;
    spec->type = (char *)"rated";
    c->model.tokenizer = (char *)"tests/golden/data/tok_bpe";
    c->model.chat_template = (char *)"chatml";
    c->model.init.vocab_size = 772;
}

/* The family "golden": the model, the adapter and the rows of tokens of tests/golden, weights and a teacher beside them; the reference is the base. */
#define GOLDEN "tests/golden/data/train/"
static void golden(pt_config *c, pt_dataset_spec *spec)
{
    static const struct {
        const char *key;
        double value;
    } set[] = {{"kl_coef", 0.5}, {"kl_reference", PT_REFERENCE_AT_BASE}, {"kd_ce_alpha", 0.3}};
    spec->path = (char *)GOLDEN "tokens.jsonl";
    c->model.init.random = false;
    c->model.base_model = (char *)GOLDEN "model";
    if (c->adapter.kind == PT_ADAPTER_LORA) c->adapter.lora_model_dir = (char *)GOLDEN "adapter";
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) MUST(pt_objective_set(c->options, set[i].key, set[i].value));
}

static pt_config config_of(const shape *s, const layout *l, pt_dataset_spec *spec, char *out)
{
    const pt_objective *o = pt_objective_find(s->objective);
    pt_config c = small_config(spec, rows_file[file_of(o)], out);
    c.objective = o;
    heads(&c, spec, file_of(o));
    c.adapter.kind = s->full ? PT_ADAPTER_NONE : PT_ADAPTER_LORA;
    c.model.init.family = (char *)s->family;
    if (!strcmp(s->family, "golden")) golden(&c, spec);
    c.model.init.sliding_window = s->window ? 13 : 0;
    c.adapter.lora_dropout = s->dropout ? 0.3 : 0;
    c.batch.shuffle_merged_datasets = s->shuffle;
    c.batch.batch_rows = 11;
    c.batch.sample_packing = l->packing;
    c.batch.micro_batch_size = l->micro;
    c.data.sequence_len = l->sequence_len;
    c.device.gradient_checkpointing = l->checkpointing;
    return c;
}

/* Gradient and loss of step 1 (so that dropout's key is not 0) under one layout; ownership of the gradient passes to the
 * caller. */
static float *measure(const shape *s, const layout *l, pt_comm *comm, double *loss, int *micro, pt_run *keep)
{
    pt_dataset_spec spec;
    pt_config c = config_of(s, l, &spec, work);
    pt_train_hooks hooks = {.comm = comm};
    pt_step_sums sums;
    int64_t n;
    pt_run here, *r = keep ? keep : &here;
    MUST(pt_run_open(r, &c, &hooks));
    MUST(pt_run_commit(r));
    stir(r, 0.2f);
    MUST(pt_run_gradients(r, 1, &sums));
    assert_true(sums.finite && sums.info.records == 11);
    *loss = sums.loss;
    *micro = sums.info.n_micro;
    float *g = gradient(r, &n);
    if (!keep) pt_run_close(r);
    return g;
}

static void check(const char *what, pt_run *r, const float *got, double loss, const float *want, double want_loss)
{
    const char *name;
    double e = worst_part(r, got, want, &name);
    if (!(fabs(loss - want_loss) <= TOLERANCE * fabs(want_loss)))
        fail_msg("%s: loss %.9g, packing off %.9g", what, loss, want_loss);
    if (!(e <= TOLERANCE)) fail_msg("%s: gradient of %s differs by %.3g", what, name, e);
}

static void all_layouts(const shape *s)
{
    double want_loss, loss;
    int micro, most = 0, least = 1000;
    pt_run r;
    float *want = measure(s, &layouts[0], NULL, &want_loss, &micro, &r);
    for (int i = 1; i < N_LAYOUTS; i++) {
        float *g = measure(s, &layouts[i], NULL, &loss, &micro, NULL);
        check(layouts[i].name, &r, g, loss, want, want_loss);
        if (micro > most) most = micro;
        if (micro < least) least = micro;
        free(g);
    }
    assert_true(most > least); /* the layouts did cut the step differently */
    free(want);
    pt_run_close(&r);
}

static void test_sft(void **state)
{
    all_layouts(&(shape){"sft", false, false, false, true, "llama"});
    all_layouts(&(shape){"sft", false, true, false, false, "mistral"});
    all_layouts(&(shape){"sft", false, true, true, true, "mistral"});
    all_layouts(&(shape){"sft", true, false, false, true, "qwen3"});
}

/* Weights of a shared token and its share to imitate differ from copy to copy; a position has several targets by its teacher. */
static void test_tokens(void **state)
{
    all_layouts(&(shape){"sft", false, false, false, true, "golden"});
    all_layouts(&(shape){"sft_kl", false, false, false, true, "golden"});
    all_layouts(&(shape){"kl_sft", false, false, false, true, "golden"});
    all_layouts(&(shape){"kd", false, false, false, false, "golden"});
    all_layouts(&(shape){"kd", true, false, false, true, "golden"});
}

static void test_dpo(void **state)
{
    all_layouts(&(shape){"dpo", false, false, false, true, "llama"});
    all_layouts(&(shape){"dpo", false, true, true, false, "mistral"});
}

static void test_reward(void **state)
{
    all_layouts(&(shape){"reward", false, false, false, true, "qwen2"});
    all_layouts(&(shape){"reward", true, true, false, true, "mistral"});
}

static void test_heads(void **state)
{
    all_layouts(&(shape){"classify", false, false, false, true, "llama"});
    all_layouts(&(shape){"classify", true, true, false, true, "mistral"});
    all_layouts(&(shape){"ordinal", false, false, false, true, "qwen2"});
    all_layouts(&(shape){"plackett_luce", false, false, false, true, "llama"});
    all_layouts(&(shape){"plackett_luce", true, true, false, true, "mistral"});
}

/* With answers that the loader adds, statistics of the step, and sums of tokens over it. */
static void test_judged(void **state)
{
    all_layouts(&(shape){"kto", false, false, false, true, "llama"});
    all_layouts(&(shape){"kto", false, true, true, true, "mistral"});
    all_layouts(&(shape){"bco", true, false, false, true, "qwen3"});
    all_layouts(&(shape){"unlikelihood", false, false, false, true, "llama"});
    all_layouts(&(shape){"unlikelihood", true, true, false, true, "mistral"});
}

static void test_no_reference(void **state)
{
    all_layouts(&(shape){"orpo", false, false, false, true, "llama"});
    all_layouts(&(shape){"orpo", true, true, false, true, "mistral"});
    all_layouts(&(shape){"cpo", true, false, false, false, "llama"});
}

/* Dropout does something, and depends on the step: else the cases above with dropout would say nothing. */
static void test_dropout_matters(void **state)
{
    double a, b;
    int micro;
    float *g = measure(&(shape){"sft", false, false, true, true, "llama"}, &layouts[0], NULL, &a, &micro, NULL);
    free(g);
    g = measure(&(shape){"sft", false, false, false, true, "llama"}, &layouts[0], NULL, &b, &micro, NULL);
    free(g);
    assert_true(fabs(a - b) > 1e-4);
}

/* The same records whatever the layout, but other ones with another seed or without shuffling. */
static void test_order_matters(void **state)
{
    double a, b;
    int micro;
    free(measure(&(shape){"sft", false, false, false, true, "llama"}, &layouts[2], NULL, &a, &micro, NULL));
    free(measure(&(shape){"sft", false, false, false, false, "llama"}, &layouts[2], NULL, &b, &micro, NULL));
    assert_true(fabs(a - b) > 1e-4);
}

/* ---- ranks --------------------------------------------------------------------------------------------------------------- */

static const shape rank_shapes[] = {
    {"sft", false, false, true, true, "llama"},
    {"dpo", false, true, false, true, "mistral"},
    {"reward", true, false, false, true, "llama"},
    {"kl_sft", false, false, false, true, "golden"},
    {"kd", false, false, false, true, "golden"},
    {"kto", false, false, true, true, "llama"},
    {"bco", false, false, false, true, "llama"},
    {"unlikelihood", false, false, false, true, "llama"},
    {"orpo", true, false, false, true, "llama"},
};
#define N_RANK_SHAPES (int)(sizeof rank_shapes / sizeof *rank_shapes)

static void result_path(char *out, size_t size, int shape_index)
{
    snprintf(out, size, "%s/ranks-%d.bin", work, shape_index);
}

/* As one rank of several: writes loss and gradient of each shape (rank 0). */
static int as_rank(void)
{
    pt_comm *comm;
    if (pt_comm_mpi(60, &comm) != PT_OK) return 2;
    for (int i = 0; i < N_RANK_SHAPES; i++) {
        double loss;
        int micro;
        pt_run r;
        float *g = measure(&rank_shapes[i], &layouts[2], comm, &loss, &micro, &r);
        char path[160];
        result_path(path, sizeof path, i);
        if (comm->rank == 0) {
            FILE *f = fopen(path, "wb");
            size_t n = (size_t)pt_model_param_count(r.model);
            if (!f || fwrite(&loss, sizeof loss, 1, f) != 1 || fwrite(g, sizeof *g, n, f) != n || fclose(f)) return 3;
        }
        free(g);
        pt_run_close(&r);
    }
    comm->close(comm);
    return 0;
}

static int under_mpirun(const char *ranks)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout)) _exit(126);
        execlp("mpirun", "mpirun", "-n", ranks, "--allow-run-as-root", "--oversubscribe", self, "rank", work, (char *)NULL);
        _exit(127);
    }
    int st = 0;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

static void test_ranks(void **state)
{
    static const char *const counts[] = {"2", "3"};
    if (!pt_comm_has_mpi()) skip();
    for (int c = 0; c < 2; c++) {
        int code = under_mpirun(counts[c]);
        if (code == 127) skip();
        assert_int_equal(code, 0);
        for (int i = 0; i < N_RANK_SHAPES; i++) {
            double want_loss, loss = 0;
            int micro;
            pt_run r;
            char path[160];
            float *want = measure(&rank_shapes[i], &layouts[2], NULL, &want_loss, &micro, &r);
            size_t n = (size_t)pt_model_param_count(r.model);
            float *got = malloc(n * sizeof *got);
            result_path(path, sizeof path, i);
            FILE *f = fopen(path, "rb");
            assert_true(got && f && fread(&loss, sizeof loss, 1, f) == 1 && fread(got, sizeof *got, n, f) == n);
            fclose(f);
            unlink(path);
            check(counts[c], &r, got, loss, want, want_loss);
            free(got);
            free(want);
            pt_run_close(&r);
        }
    }
}

static void name_files(void)
{
    for (int i = 0; i < FILES; i++) snprintf(rows_file[i], sizeof rows_file[i], "%s/rows-%d.jsonl", work, i);
}

/* Sequences with a class each; two profiles stand before them. */
static void write_labelled(const char *path, int n)
{
    FILE *f = fopen(path, "w");
    uint64_t rng = 500;
    assert_non_null(f);
    for (int r = 0; r < n; r++) {
        int ids[48], len = 0;
        for (int i = 0; i < 20; i++) ids[len++] = 3 + (r % 2 * 7 + i * i) % 90;
        for (int i = 0, more = 2 + (int)random_below(&rng, 9); i < more; i++) ids[len++] = i < r % 3 ? 10 + i : 3 + (int)random_below(&rng, 93);
        fprintf(f, "{");
        put_ids(f, "input_ids", ids, len, false);
        fprintf(f, "\"label\": %d}\n", (int)random_below(&rng, 3));
    }
    assert_int_equal(fclose(f), 0);
}

/* Two to four answers a question, six questions. */
static void write_lists(const char *path, int n)
{
    static const char *const words[] = {"sun", "moon", "rain", "river", "stone"};
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int r = 0; r < n; r++) {
        fprintf(f, "{\"prompt\": \"which of them is it, the %s or what stands behind the %s?\", \"answers\": [", words[r % 2], words[r % 3]);
        for (int k = 0; k < 2 + r % 3; k++) fprintf(f, "%s\"the %s %d\"", k ? ", " : "", words[(r + k) % 5], r % 7);
        fprintf(f, "], \"ratings\": [");
        for (int k = 0; k < 2 + r % 3; k++) fprintf(f, "%s%d", k ? ", " : "", (r + 2 * k) % 5);
        fprintf(f, "]}\n");
    }
    assert_int_equal(fclose(f), 0);
}

static int make_files(void **state)
{
    temp_folder(work);
    name_files();
    write_rows(rows_file[ROWS], 40, false);
    write_rows(rows_file[PAIRS], 40, true);
    write_labelled(rows_file[LABELLED], 40);
    write_lists(rows_file[LISTS], 40);
    return 0;
}
static int remove_files(void **state)
{
    return pt_dir_remove(work);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strlen(argv[2]) < sizeof work) {
        memcpy(work, argv[2], strlen(argv[2]) + 1);
        name_files();
        return as_rank();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),        cmocka_unit_test(test_sft),           cmocka_unit_test(test_dpo),
        cmocka_unit_test(test_reward),        cmocka_unit_test(test_heads),         cmocka_unit_test(test_judged),        cmocka_unit_test(test_no_reference),
        cmocka_unit_test(test_dropout_matters),
        cmocka_unit_test(test_order_matters), cmocka_unit_test(test_ranks),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
