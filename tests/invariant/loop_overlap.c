/* Gradients summed while backward runs: no slice starts before its gradients are whole, every gradient is sent once, most
 * slices start inside backward, and the order does not depend on the batch. Sums are played by a communicator that doubles what
 * it is given, as a second rank with the same gradients would: whatever was added later would not be doubled. */
#include "tests/invariant/loop_fixture.h"
#include "train/loop/overlap.h"

enum { MOST = 4096 };
typedef struct recorder {
    pt_comm c;
    pt_run *run;
    int n, waits;
    int64_t at[MOST], size[MOST];
} recorder;

static pt_status start(pt_comm *c, pt_view v, void *after)
{
    recorder *k = c->state;
    pt_view grad = pt_model_grad_view(k->run->model);
    assert_true(k->n < MOST && v.buf == grad.buf && v.rows == 1 && v.ld == v.cols && after == k->run->ctx.stream);
    k->at[k->n] = (int64_t)(v.off - grad.off) / 4;
    k->size[k->n++] = v.cols;
    float *x = malloc((size_t)v.cols * sizeof *x);
    assert_non_null(x);
    MUST(k->run->ctx.ops->download(&k->run->ctx, x, v));
    for (int64_t i = 0; i < v.cols; i++) x[i] *= 2;
    MUST(k->run->ctx.ops->upload(&k->run->ctx, v, x));
    free(x);
    return PT_OK;
}
static pt_status wait_all(pt_comm *c, void *stream)
{
    ((recorder *)c->state)->waits++;
    return PT_OK;
}

static char work[64], rows_file[2][128];

typedef struct shape {
    const char *name;
    const char *objective;
    bool full, tied, recompute;
    int micro, sequence_len;
    const char *family;
} shape;
static const shape shapes[] = {
    {"LoRA", "sft", false, false, false, 4, 128, "llama"},
    {"LoRA, small micro-batches", "sft", false, false, false, 1, 96, "llama"},
    {"LoRA, recomputed", "sft", false, false, true, 1, 96, "llama"},
    {"full, head of its own", "sft", true, false, false, 1, 96, "qwen3"},
    {"full, tied", "sft", true, true, false, 1, 96, "qwen2"},
    {"dpo", "dpo", false, false, false, 1, 128, "llama"},
    {"reward", "reward", false, false, false, 4, 128, "llama"},
};

static void open_run(pt_run *r, pt_config *c, pt_dataset_spec *spec, const shape *s)
{
    bool pairs = pt_objective_find(s->objective)->answers == 2;
    *c = small_config(spec, rows_file[pairs], work);
    c->objective = pt_objective_find(s->objective);
    c->adapter.kind = s->full ? PT_ADAPTER_NONE : PT_ADAPTER_LORA;
    c->model.init.family = (char *)s->family;
    c->model.init.tie_word_embeddings = s->tied;
    c->model.init.num_hidden_layers = 3;
    c->batch.batch_rows = 11;
    c->batch.micro_batch_size = s->micro;
    c->data.sequence_len = s->sequence_len;
    c->device.gradient_checkpointing = s->recompute;
    MUST(pt_run_open(r, c, &(pt_train_hooks){0}));
    MUST(pt_run_commit(r));
    stir(r, 0.2f);
}

/* Every element once. */
static void check_cover(const recorder *k, int64_t count)
{
    unsigned char *seen = calloc((size_t)count, 1);
    assert_non_null(seen);
    for (int i = 0; i < k->n; i++)
        for (int64_t e = k->at[i]; e < k->at[i] + k->size[i]; e++) {
            assert_true(e >= 0 && e < count);
            assert_int_equal(seen[e]++, 0);
        }
    for (int64_t e = 0; e < count; e++) assert_int_equal(seen[e], 1);
    free(seen);
}

static void check_order(const recorder *a, const recorder *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->at, b->at, (size_t)a->n * sizeof *a->at);
    assert_memory_equal(a->size, b->size, (size_t)a->n * sizeof *a->size);
}

static pt_status backward_of(pt_run *r, const pt_batch *b)
{
    float zero[16] = {0}, out[16];
    PT_RETURN(pt_model_load_batch(r->model, b, 1, true));
    PT_RETURN(pt_model_forward(r->model, PT_SLOT_OWN, true));
    PT_RETURN(r->cfg->objective->channels & PT_CHANNEL_SCORE ? pt_model_values_backward(r->model, zero)
                                                 : pt_model_logp(r->model, zero, out));
    return pt_model_backward(r->model);
}

static void one(const shape *s, size_t bucket)
{
    static recorder k, idle;
    pt_dataset_spec spec;
    pt_config c;
    pt_run r;
    pt_step_sums sums;
    int64_t n, m;
    open_run(&r, &c, &spec, s);
    MUST(pt_run_gradients(&r, 1, &sums));
    float *want = gradient(&r, &n);
    for (int again = 0; again < 2; again++) { /* the second step begins anew */
        memset(&k, 0, sizeof k);
        k.run = &r;
        k.c = (pt_comm){.name = "recorder",
                        .size = 2,
                        .state = &k,
                        .allreduce_start = start,
                        .allreduce_wait = wait_all,
                        .bucket_bytes = bucket};
        if (!again) MUST(pt_overlap_new(&r.overlap, &k.c, r.model, r.ctx.stream));
        MUST(pt_run_gradients(&r, 1, &sums));
        if (s->micro == 1 && sums.info.n_micro < 2) fail_msg("%s: one micro-batch only", s->name);
        float *got = gradient(&r, &m);
        assert_int_equal(n, m);
        for (int64_t i = 0; i < n; i++)
            if (got[i] != 2 * want[i])
                fail_msg("%s, slices of %zu: element %lld is %g, not twice %g", s->name, bucket, (long long)i, (double)got[i],
                         (double)want[i]);
        free(got);
        check_cover(&k, n);
        assert_int_equal(k.waits, 1);
        if (bucket < 4096) assert_true(k.n > 8);
    }
    /* a rank without records, and a batch without rows */
    memset(&idle, 0, sizeof idle);
    idle.run = &r;
    idle.c = k.c;
    idle.c.state = &idle;
    r.overlap->comm = &idle.c;
    pt_overlap_begin(r.overlap);
    MUST(pt_overlap_end(r.overlap));
    check_order(&k, &idle);
    for (int rows = 0; rows < 2; rows++) {
        pt_batch b = {0};
        int32_t ids[9] = {3, 4, 5, 6, 7, 8, 9, 10, 2};
        float weight[9] = {0};
        weight[7] = weight[8] = !strcmp(s->objective, "reward") ? 0 : (float)rows;
        pt_seq seq = {.ids = ids, .weight = weight, .n = 9, .end_index = !strcmp(s->objective, "reward") && rows ? 8 : -1};
        MUST(pt_batch_build(&b, &seq, 1, PT_PACKING_FOREST));
        assert_int_equal(b.n_heads > 0, rows);
        idle.n = 0;
        pt_overlap_begin(r.overlap);
        MUST(backward_of(&r, &b));
        assert_int_equal(idle.n, k.n); /* all of them inside backward */
        MUST(pt_overlap_end(r.overlap));
        check_order(&k, &idle);
        MUST(backward_of(&r, &b)); /* nobody listens any more */
        assert_int_equal(idle.n, k.n);
        pt_batch_free(&b);
    }
    free(want);
    pt_run_close(&r);
}

static void test_slices(void **state)
{
    static const size_t buckets[] = {256, 4096, (size_t)1 << 22};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t b = 0; b < sizeof buckets / sizeof *buckets; b++) one(&shapes[i], buckets[b]);
}

/* The last blocks are sent while the first ones still work: with slices of a block or so, one starts in each stage. */
static void test_spread(void **state)
{
    pt_dataset_spec spec;
    pt_config c;
    pt_run r;
    open_run(&r, &c, &spec, &shapes[3]);
    pt_comm comm = {.allreduce_start = start, .bucket_bytes = 4096};
    pt_overlap *o;
    MUST(pt_overlap_new(&o, &comm, r.model, NULL));
    int at_stage[8] = {0};
    for (int i = 0; i < o->n; i++) {
        assert_true(o->list[i].stage >= 0 && o->list[i].stage <= 4 && (i == 0 || o->list[i].stage >= o->list[i - 1].stage));
        at_stage[o->list[i].stage]++;
    }
    for (int s = 0; s <= 4; s++) assert_true(at_stage[s] > 0); /* head, three blocks, embeddings */
    pt_overlap_free(o);
    pt_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slices), cmocka_unit_test(test_spread)};
    temp_folder(work);
    for (int p = 0; p < 2; p++) {
        snprintf(rows_file[p], sizeof rows_file[p], "%s/%s.jsonl", work, p ? "pairs" : "rows");
        write_rows(rows_file[p], 33, p == 1);
    }
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    pt_dir_remove(work);
    return bad;
}
