/* Projections between the embedding and the blocks and between these and the head (OPT-350M): with dropout, and with sequences of which one runs without
 * the adapter, loss and gradients of a packed batch and of a forest are those of separate ones. */
#include "tests/golden/model_fixture.h"

#define FOLDER "tests/golden/data/families/opt_350m"

static const pt_model_caps caps = {.tokens = 128, .segs = 16, .heads = 64, .rows = 64, .groups = 8};

static double weight_of(const rows *r)
{
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        for (int32_t t = 1; t < r->seq[i].n; t++) sum += (double)r->seq[i].weight[t];
    return sum;
}

/* Adds the loss of n sequences and their gradients. */
static double pass(bench *b, const pt_seq *seq, size_t n, pt_packing packing, double weight)
{
    pt_batch batch;
    double loss = 0;
    OK(pt_batch_build(&batch, seq, n, packing));
    float *logp = calloc((size_t)batch.n_rows, sizeof *logp), *d = calloc((size_t)batch.n_rows, sizeof *d);
    for (int32_t k = 0; k < batch.n_rows; k++) d[k] = (float)(-(double)batch.row_weight[k] / weight);
    OK(pt_model_load_batch(b->m, &batch, 3, true));
    OK(pt_model_forward(b->m, PT_SLOT_OWN, true));
    OK(pt_model_logp(b->m, d, logp));
    OK(pt_model_backward(b->m));
    for (int32_t k = 0; k < batch.n_rows; k++) loss -= (double)batch.row_weight[k] / weight * (double)logp[k];
    free(logp);
    free(d);
    pt_batch_free(&batch);
    return loss;
}

static void test_layouts(void **state)
{
    const pt_packing packing[] = {PT_PACKING_OFF, PT_PACKING_PLAIN, PT_PACKING_FOREST};
    json_t *golden = json_at(FOLDER "/golden.json");
    rows r = rows_sft(golden);
    const double weight = weight_of(&r);
    float *g[3];
    double loss[3] = {0};
    int64_t n = 0;
    r.seq[1].slot = PT_SLOT_NONE;
    for (int k = 0; k < 3; k++) {
        bench b;
        pt_model_options o = {.train = true, .seed = 1, .lora = {.on = true, .start_dir = FOLDER "/adapter", .dropout = 0.3f}};
        bench_open(&b, *state, PT_COMPUTE_F32, FOLDER, &o, &caps);
        n = pt_model_param_count(b.m);
        if (packing[k] == PT_PACKING_OFF)
            for (size_t i = 0; i < r.n; i++) loss[k] += pass(&b, &r.seq[i], 1, PT_PACKING_OFF, weight);
        else
            loss[k] = pass(&b, r.seq, r.n, packing[k], weight);
        g[k] = download_grads(&b);
        bench_close(&b);
    }
    for (int k = 1; k < 3; k++) {
        if (!(fabs(loss[k] - loss[0]) <= 1e-6 * loss[0])) fail_msg("layout %d: a loss of %.9f, separate %.9f", k, loss[k], loss[0]);
        double apart = rel_error(g[k], g[0], n);
        if (!(apart <= 5e-6)) fail_msg("layout %d lies %.2e from separate rows", k, apart);
    }
    for (int k = 0; k < 3; k++) free(g[k]);
    rows_free(&r);
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_layouts, (void *)(uintptr_t)&pt_ops_ref), cmocka_unit_test_prestate(test_layouts, (void *)(uintptr_t)&pt_ops_cpu)};
    return cmocka_run_group_tests_name("projections at the ends of a model", tests, NULL, NULL);
}
