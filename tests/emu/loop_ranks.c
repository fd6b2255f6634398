/* The trainer on two and three emulated devices, with slices of the gradient so small that many are on their way while backward
 * runs: the numbers of one device, the same bits for any size of slices; in the check build no kernel touches a slice between
 * its start and the end of its sum. Ranks are children of this program. */
#include "tests/invariant/loop_fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "emu.h"
#include "kernels/cuda/ops_cuda.h"
#include "train/dist/launch.h"
#include "train/dist/nccl.h"

enum { STEPS = 2, MOST = 40000 };
static char work[64], rows_file[2][128];

typedef struct result {
    double loss[STEPS], norm[STEPS];
    int steps, skipped;
    size_t libraries; /* of the plan */
    int64_t n;
    float weights[MOST];
} result;

static void keep_plan(void *user, const pt_run_plan *p, const char *text)
{
    ((result *)user)->libraries = p->device_libraries;
}
static void keep_step(void *user, const pt_step_report *r)
{
    result *out = user;
    out->skipped += r->skipped;
    out->loss[out->steps] = r->loss;
    out->norm[out->steps++] = r->grad_norm;
}
static void keep_weights(void *user, pt_ctx *ctx, pt_model *m, int64_t step)
{
    result *out = user;
    pt_view v = pt_model_param_view(m);
    out->n = v.cols;
    if (v.cols <= MOST) MUST(ctx->ops->download(ctx, out->weights, v)); /* as they are before this step: after the others */
}

static bool stands_still; /* a learning rate of nothing */
static bool weightless;   /* the records of the first step weigh nothing */
static pt_config config_of(pt_dataset_spec *spec, bool full, const char *out)
{
    pt_config c = small_config(spec, rows_file[!full], out);
    c.objective = full ? pt_objective_find("sft") : pt_objective_find("dpo");
    c.adapter.kind = full ? PT_ADAPTER_NONE : PT_ADAPTER_LORA;
    c.model.init.tie_word_embeddings = true;
    c.batch.micro_batch_size = 1;
    c.data.sequence_len = 96;
    c.batch.batch_rows = 3;
    c.run.max_steps = STEPS;
    if (stands_still) c.optim.learning_rate = 0;
    c.data.cache_dir = work;
    static char other[128];
    snprintf(other, sizeof other, "%s/weightless", work);
    if (weightless) c.data.cache_dir = other, c.batch.shuffle_merged_datasets = false;
    return c;
}

/* Of the rank that spoils its loss in the first step: the head's first log-probability of a training pass is -inf. */
static bool spoil_one;
static int sick_rank = -1;
static pt_status sick_head(pt_ctx *ctx, const pt_head_args *a)
{
    float bad = -INFINITY;
    pt_status rc = pt_cuda_ops()->head(ctx, a);
    if (rc != PT_OK || ctx->dry || !spoil_one || !pt_view_ok(a->logp) || !pt_view_ok(a->dx) || a->logp.cols == 0) return rc;
    spoil_one = false;
    pt_view one = pt_view_cols(a->logp, 0, 1);
    one.ld = 1;
    return ctx->ops->upload(ctx, one, &bad);
}

/* look: weights are read before each step, which makes the run wait between backward and the optimiser; else as a run is. */
static pt_status train(pt_comm *comm, bool full, bool look, const char *name, result *out)
{
    char dir[128];
    pt_dataset_spec spec;
    snprintf(dir, sizeof dir, "%s/%s", work, name);
    pt_config c = config_of(&spec, full, dir);
    pt_ops table = *pt_cuda_ops();
    table.head = sick_head;
    pt_train_hooks hooks = {.user = out,
                            .comm = comm,
                            .ops = &table,
                            .on_plan = keep_plan,
                            .on_step = keep_step,
                            .on_gradients = look ? keep_weights : NULL};
    memset(out, 0, sizeof *out);
    return pt_train_run(&c, &hooks, NULL);
}

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

static int as_rank(pt_launch l, size_t bucket, bool full, bool look, const char *name, result *out)
{
    pt_comm *host = NULL, *dev = NULL;
    pt_status rc = l.size > 1 ? pt_comm_tcp(&l, &host) : PT_OK;
    if (rc == PT_OK && host) rc = pt_nccl_open(&(pt_nccl_open_args){.host = host, .bucket_bytes = bucket}, &dev);
    spoil_one = l.rank == sick_rank;
    if (rc == PT_OK) rc = train(dev, full, look, name, out);
    if (rc != PT_OK) fprintf(stderr, "rank %d: %s\n", l.rank, pt_err_msg());
    if (rc != PT_OK && host) host->abort(host, 1);
    if (dev) dev->close(dev);
    if (host) host->close(host);
    return rc != PT_OK;
}

/* One run of `ranks` processes (1: without a communicator); rank 0's numbers. The parent itself never uses the device or
 * threads. */
static void run_ranks(int ranks, size_t bucket, bool full, bool look, const char *name, result *out)
{
    pt_launch l = {
        .kind = PT_LAUNCH_TCP, .size = ranks, .local_rank = -1, .host = "127.0.0.1", .join_seconds = 60, .wait_seconds = 60, .token = "emu"};
    pid_t pids[4];
    int fd[2], bad = 0;
    l.port = free_port();
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    for (l.rank = 0; l.rank < ranks; l.rank++) {
        pids[l.rank] = fork();
        assert_true(pids[l.rank] >= 0);
        if (pids[l.rank]) continue;
        close(fd[0]);
        int code = as_rank(l, bucket, full, look, name, out);
        const char *p = (const char *)out;
        for (size_t at = 0; l.rank == 0 && code == 0 && at < sizeof *out;) {
            ssize_t k = write(fd[1], p + at, sizeof *out - at);
            if (k <= 0)
                code = 1;
            else
                at += (size_t)k;
        }
        _exit(code);
    }
    close(fd[1]);
    size_t got = 0;
    for (ssize_t k; got < sizeof *out && (k = read(fd[0], (char *)out + got, sizeof *out - got)) > 0;) got += (size_t)k;
    close(fd[0]);
    for (int r = 0; r < ranks; r++) {
        int st;
        assert_int_equal(waitpid(pids[r], &st, 0), pids[r]);
        bad |= st;
    }
    if (bad || got != sizeof *out) fail_msg("%s: a rank failed", name);
    assert_int_equal(out->steps, STEPS);
    assert_int_equal(out->libraries, (size_t)(ranks > 1 ? 362 + 512 : 362) << 20); /* NCCL's connections: train/loop/plan.c */
}

static void near_to(const result *a, const result *b)
{
    for (int i = 0; i < STEPS; i++) {
        assert_true(fabs(a->loss[i] - b->loss[i]) <= 1e-5 * fabs(b->loss[i]));
        assert_true(fabs(a->norm[i] - b->norm[i]) <= 1e-5 * fabs(b->norm[i]));
    }
}
static void same(const result *a, const result *b)
{
    assert_memory_equal(a->loss, b->loss, sizeof a->loss);
    assert_memory_equal(a->norm, b->norm, sizeof a->norm);
}

/* For the builds that look at every access: one run. */
static void test_checked(void **state)
{
    static result one;
    run_ranks(2, 2048, true, false, "checked", &one);
}

static void compare(bool full, int ranks)
{
    static result one, small, large, seen, again;
    run_ranks(1, 0, full, false, "one", &one);
    run_ranks(ranks, 2048, full, false, "small", &small);
    run_ranks(ranks, (size_t)1 << 22, full, false, "large", &large);
    near_to(&small, &one);
    same(&small, &large);
    if (!full) return;
    run_ranks(ranks, 2048, full, true, "seen", &seen);
    run_ranks(ranks, (size_t)1 << 22, full, true, "again", &again);
    same(&small, &seen);
    assert_true(seen.n > 512 * 8 && seen.n <= MOST); /* more than a few slices */
    assert_memory_equal(seen.weights, again.weights, (size_t)seen.n * sizeof *seen.weights);
}

/* A loss that is not finite on the last of two ranks: no rank moves in that step, so the next one is that of a run which never
 * moves. */
static void test_sick_rank(void **state)
{
    static result well, still, sick;
    run_ranks(2, 2048, true, false, "well", &well);
    stands_still = true;
    run_ranks(2, 2048, true, false, "still", &still);
    stands_still = false;
    sick_rank = 1;
    run_ranks(2, 2048, true, false, "sick", &sick);
    sick_rank = -1;
    assert_int_equal(well.skipped, 0);
    assert_int_equal(sick.skipped, 1);
    assert_false(isfinite(sick.loss[0]));
    assert_true(well.loss[1] != still.loss[1]);
    assert_true(sick.loss[1] == still.loss[1] && sick.norm[1] == still.norm[1]);
}

/* A first step without weight: on one rank and on two. */
static void test_weightless(void **state)
{
    static result one, two;
    pt_dataset_spec spec;
    weightless = true;
    pt_config c = config_of(&spec, true, work);
    int st;
    fflush(NULL);
    pid_t pid = fork(); /* threads are made there */
    if (pid == 0) {
        weigh_nothing(&c, 0, 3);
        _exit(0);
    }
    assert_true(waitpid(pid, &st, 0) == pid && st == 0);
    run_ranks(1, 0, true, false, "weightless one", &one);
    run_ranks(2, 2048, true, false, "weightless two", &two);
    weightless = false;
    assert_true(one.skipped == 1 && two.skipped == 1 && one.loss[0] == 0 && two.loss[0] == 0 && one.norm[0] == 0 && two.norm[0] == 0);
    assert_true(two.loss[1] > 0 && two.norm[1] > 0);
    near_to(&two, &one);
}

static void test_full(void **state)
{
    compare(true, 2);
}
static void test_dpo(void **state)
{
    compare(false, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full), cmocka_unit_test(test_dpo),
                                       cmocka_unit_test(test_sick_rank), cmocka_unit_test(test_weightless)},
                            check[] = {cmocka_unit_test(test_checked)};
    temp_folder(work);
    for (int p = 0; p < 2; p++) {
        snprintf(rows_file[p], sizeof rows_file[p], "%s/%s.jsonl", work, p ? "pairs" : "rows");
        write_rows(rows_file[p], 16, p == 1);
    }
    int bad =
        strcmp(emu_build(), "plain") ? cmocka_run_group_tests(check, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
    pt_dir_remove(work);
    return bad;
}
