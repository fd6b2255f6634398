/* What launchers leave in the environment: torchrun, Slurm, MPI; wrong numbers; nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "train/cli/env.h"

static const char *const all[] = {"OMPI_COMM_WORLD_SIZE",
                                  "PMI_SIZE",
                                  "PMIX_RANK",
                                  "RANK",
                                  "WORLD_SIZE",
                                  "LOCAL_RANK",
                                  "MASTER_ADDR",
                                  "MASTER_PORT",
                                  "TORCHELASTIC_USE_AGENT_STORE",
                                  "TORCHELASTIC_RUN_ID",
                                  "SLURM_STEP_ID",
                                  "SLURM_STEPID",
                                  "SLURM_STEP_NUM_TASKS",
                                  "SLURM_NTASKS",
                                  "SLURM_PROCID",
                                  "SLURM_LOCALID",
                                  "SLURM_STEP_NODELIST",
                                  "SLURM_JOB_NODELIST",
                                  "SLURM_JOB_ID",
                                  "SLURM_JOBID",
                                  "PTRAIN_STORE",
                                  "PTRAIN_TOKEN"};

/* "NAME=value" pairs; nothing else of the list is set. */
static pt_status launch(pt_launch *l, const char *const *set)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) unsetenv(all[i]);
    for (; *set; set++) {
        char name[64];
        size_t n = strcspn(*set, "=");
        memcpy(name, *set, n);
        name[n] = 0;
        setenv(name, *set + n + 1, 1);
    }
    return pt_env_launch(l);
}
#define LAUNCH(l, ...) launch(l, (const char *const[]){__VA_ARGS__, NULL})
#define TORCH "RANK=2", "WORLD_SIZE=4", "LOCAL_RANK=1", "MASTER_ADDR=10.0.0.7", "MASTER_PORT=29500"

static void test_alone(void **state)
{
    pt_launch l;
    assert_int_equal(launch(&l, (const char *const[]){NULL}), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_ONE);
    assert_true(l.size == 1 && l.rank == 0 && l.local_rank == -1 && l.wait_seconds == 1800 && l.join_seconds == 300);
    assert_int_equal(LAUNCH(&l, "WORLD_SIZE=1", "RANK=0"), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_ONE);
    assert_int_equal(LAUNCH(&l, "OMPI_COMM_WORLD_SIZE=2", TORCH), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_MPI);
    /* a batch script under Slurm is no rank; a single task of srun is alone */
    assert_int_equal(LAUNCH(&l, "SLURM_NTASKS=8", "SLURM_PROCID=0", "SLURM_JOB_ID=5", "SLURM_JOB_NODELIST=a[1-2]"), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_ONE);
    assert_int_equal(LAUNCH(&l, "SLURM_NTASKS=8", "SLURM_STEP_NUM_TASKS=1", "SLURM_STEP_ID=0", "SLURM_PROCID=0"), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_ONE);
}

static void test_torch(void **state)
{
    pt_launch l;
    assert_int_equal(LAUNCH(&l, TORCH), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_TCP);
    assert_true(l.rank == 2 && l.size == 4 && l.local_rank == 1 && l.port == 29500);
    assert_string_equal(l.host, "10.0.0.7");
    char token[sizeof l.token]; /* made of the user's secret: the same again, another for another job */
    memcpy(token, l.token, sizeof token);
    assert_int_equal(strlen(token), 64);
    assert_non_null(strstr(l.token_from, "/ptrain/ranks.secret"));
    assert_int_equal(LAUNCH(&l, TORCH), PT_OK);
    assert_string_equal(l.token, token);
    assert_false(l.one_machine);
    assert_int_equal(LAUNCH(&l, TORCH, "TORCHELASTIC_USE_AGENT_STORE=True", "TORCHELASTIC_RUN_ID=abc", "LOCAL_WORLD_SIZE=4"), PT_OK);
    assert_true(l.port == 29501 && l.one_machine);
    assert_true(strlen(l.token) == 64 && strcmp(l.token, token) && !strstr(l.token, "abc"));
    assert_int_equal(LAUNCH(&l, TORCH, "TORCHELASTIC_USE_AGENT_STORE=False", "PTRAIN_TOKEN=x", "TORCHELASTIC_RUN_ID=abc"),
                     PT_OK);
    assert_true(l.port == 29500);
    assert_string_equal(l.token, "x");
    assert_string_equal(l.token_from, "PTRAIN_TOKEN");
    assert_int_equal(LAUNCH(&l, "RANK=0", "WORLD_SIZE=2", "PTRAIN_STORE=/shared/meet"), PT_OK);
    assert_int_equal(l.kind, PT_LAUNCH_FILE);
    assert_string_equal(l.path, "/shared/meet");
    assert_int_equal(l.local_rank, -1);
    assert_int_equal(LAUNCH(&l, TORCH, "SLURM_STEP_ID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_PROCID=0"),
                     PT_OK); /* torchrun inside srun */
    assert_true(l.rank == 2 && l.size == 4);
}

static void test_slurm(void **state)
{
    static const char *const lists[][2] = {
        {"gpu[003-008,11],login1", "gpu003"}, {"n1,n2", "n1"},    {"solo", "solo"},
        {"a[1,3]b[04-05]-ib", "a1b04-ib"},    {"x-y[7]", "x-y7"}, {"p[2-3].site.org,q1", "p2.site.org"}};
    pt_launch l;
    char nodes[128];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        snprintf(nodes, sizeof nodes, "SLURM_JOB_NODELIST=%s", lists[i][0]);
        assert_int_equal(
            LAUNCH(&l, "SLURM_STEP_ID=0", "SLURM_NTASKS=8", "SLURM_PROCID=5", "SLURM_LOCALID=1", "SLURM_JOB_ID=123456", nodes),
            PT_OK);
        assert_string_equal(l.host, lists[i][1]);
        assert_true(l.kind == PT_LAUNCH_TCP && l.rank == 5 && l.size == 8 && l.local_rank == 1 &&
                    l.port == 20000 + 123456 % 20000);
        assert_true(strlen(l.token) == 64 && strstr(l.token_from, "SLURM_JOB_ID"));
    }
    assert_int_equal(LAUNCH(&l, "SLURM_STEP_ID=0", "SLURM_NTASKS=8", "SLURM_STEP_NUM_TASKS=2", "SLURM_PROCID=1",
                            "SLURM_STEP_NODELIST=z9", "SLURM_JOB_NODELIST=z[1-9]", "MASTER_PORT=777"),
                     PT_OK);
    assert_true(l.size == 2 && l.port == 777);
    assert_string_equal(l.host, "z9");
    assert_int_equal(
        LAUNCH(&l, "SLURM_STEPID=0", "SLURM_NTASKS=8", "SLURM_PROCID=1", "SLURM_JOB_NODELIST=z[1-9]", "MASTER_ADDR=head"),
        PT_OK);
    assert_string_equal(l.host, "head");
}

static void refused(const char *part, const char *const *set)
{
    pt_launch l;
    assert_int_equal(launch(&l, set), PT_EARG);
    if (!strstr(pt_err_msg(), part)) fail_msg("'%s' does not say '%s'", pt_err_msg(), part);
}
#define REFUSED(part, ...) refused(part, (const char *const[]){__VA_ARGS__, NULL})

static void test_wrong(void **state)
{
    char longer[1200] = "PTRAIN_STORE=", host[400] = "SLURM_JOB_NODELIST=";
    REFUSED("RANK is '4', not a whole number from 0 to 3", "RANK=4", "WORLD_SIZE=4", "MASTER_ADDR=a", "MASTER_PORT=1");
    REFUSED("RANK is '-1'", "RANK=-1", "WORLD_SIZE=4");
    REFUSED("RANK is '1x'", "RANK=1x", "WORLD_SIZE=4");
    REFUSED("RANK is not set", "WORLD_SIZE=4");
    REFUSED("WORLD_SIZE is '0'", "RANK=0", "WORLD_SIZE=0");
    REFUSED("WORLD_SIZE is '99999999999999999999'", "RANK=0", "WORLD_SIZE=99999999999999999999");
    REFUSED("MASTER_PORT is '65536'", "RANK=0", "WORLD_SIZE=2", "MASTER_ADDR=a", "MASTER_PORT=65536");
    REFUSED("MASTER_ADDR or MASTER_PORT is not set", "RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=a");
    REFUSED("MASTER_ADDR or MASTER_PORT is not set", "RANK=1", "WORLD_SIZE=2", "MASTER_PORT=7");
    REFUSED("no list of hosts", "SLURM_STEP_ID=0", "SLURM_NTASKS=2", "SLURM_PROCID=1", "SLURM_JOB_NODELIST=a[1-");
    REFUSED("no list of hosts", "SLURM_STEP_ID=0", "SLURM_NTASKS=2", "SLURM_PROCID=1", "SLURM_JOB_NODELIST=,");
    memset(longer + 13, 'p', sizeof longer - 14);
    REFUSED("PTRAIN_STORE is longer", "RANK=1", "WORLD_SIZE=2", longer);
    memset(host + 19, 'h', sizeof host - 20);
    REFUSED("longer than 255", "SLURM_STEP_ID=0", "SLURM_NTASKS=2", "SLURM_PROCID=1", host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_torch), cmocka_unit_test(test_slurm),
                                       cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
