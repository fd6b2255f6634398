/* Peak resident memory of a run is within 10 % of its plan, from a model of nothing to one of 250 MiB; each run is a process of
 * its own. */
#include "tests/invariant/loop_fixture.h"

#include <sys/wait.h>

typedef struct shape {
    int hidden, layers, vocab;
    bool full, checkpointing, pairs, bf16;
} shape;

static const shape shapes[] = {
    {32, 2, 96, false, false, false, false},   {256, 6, 8192, false, false, false, false},
    {256, 6, 8192, true, false, false, false}, {512, 6, 8192, false, true, false, false},
    {512, 6, 8192, false, false, true, false}, {512, 6, 8192, false, false, false, true},
    {384, 6, 8192, true, false, true, false},
};
#define N_SHAPES (int)(sizeof shapes / sizeof *shapes)

/* Runs shape i in `dir`; writes planned and peak bytes to dir/result. */
static int child(const char *dir, int i)
{
    const shape *s = &shapes[i];
    char rows[128], path[128], text[64];
    pt_dataset_spec spec;
    pt_train_result res;
    snprintf(rows, sizeof rows, "%s/rows.jsonl", dir);
    write_rows(rows, 40, s->pairs);
    pt_config c = small_config(&spec, rows, dir);
    c.objective = s->pairs ? pt_objective_find("dpo") : pt_objective_find("sft");
    c.adapter.kind = s->full ? PT_ADAPTER_NONE : PT_ADAPTER_LORA;
    c.adapter.lora_r = 16;
    c.device.compute = s->bf16 ? PT_COMPUTE_KIND_BF16 : PT_COMPUTE_KIND_F32;
    c.model.init.hidden_size = s->hidden;
    c.model.init.intermediate_size = 3 * s->hidden;
    c.model.init.head_dim = s->hidden / 4;
    c.model.init.num_hidden_layers = s->layers;
    c.model.init.vocab_size = s->vocab;
    c.device.gradient_checkpointing = s->checkpointing;
    c.batch.micro_batch_size = 8;
    c.batch.batch_rows = 16;
    c.run.max_steps = 3;
    if (pt_train_run(&c, NULL, &res) != PT_OK) {
        fprintf(stderr, "%s\n", pt_err_msg());
        return 1;
    }
    snprintf(text, sizeof text, "%zu %zu", res.planned, res.peak_rss);
    snprintf(path, sizeof path, "%s/result", dir);
    return pt_file_write_whole(path, text, strlen(text)) == PT_OK ? 0 : 1;
}

static void test_shape(void **state)
{
    int i = *(int *)*state, st = 0;
    char self[4096], dir[64], number[16], path[128], *text;
    unsigned long long planned, peak;
    size_t size;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* its shadow is not in the plan */
#endif
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    temp_folder(dir);
    snprintf(number, sizeof number, "%d", i);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(self, self, dir, number, (char *)NULL);
        _exit(126);
    }
    assert_int_equal(waitpid(pid, &st, 0), pid);
    assert_true(WIFEXITED(st) && WEXITSTATUS(st) == 0);
    snprintf(path, sizeof path, "%s/result", dir);
    MUST(pt_file_read(&text, &size, path, 100));
    assert_int_equal(sscanf(text, "%llu %llu", &planned, &peak), 2);
    free(text);
    MUST(pt_dir_remove(dir));
    double ratio = (double)peak / (double)planned;
    print_message("# shape %d: planned %.1f MiB, peak %.1f MiB, ratio %.3f\n", i, (double)planned / 1048576,
                  (double)peak / 1048576, ratio);
    if (!(ratio >= 0.9 && ratio <= 1.1)) fail_msg("shape %d: peak %llu, planned %llu, ratio %.3f", i, peak, planned, ratio);
}

int main(int argc, char **argv)
{
    if (argc == 3) return child(argv[1], (int)strtol(argv[2], NULL, 10));
    struct CMUnitTest tests[N_SHAPES];
    static int number[N_SHAPES];
    static char name[N_SHAPES][32];
    setenv("OMP_WAIT_POLICY", "passive", 1);
    for (int i = 0; i < N_SHAPES; i++) {
        number[i] = i;
        snprintf(name[i], sizeof name[i], "shape_%d", i);
        tests[i] = (struct CMUnitTest){name[i], test_shape, NULL, NULL, &number[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
