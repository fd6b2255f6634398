/* Launches of one layer, op by op, and of a whole step: a LoRA run of two layers and one of three on the emulated device, by an
 * op table that counts. Prints them as a line of JSON (make gpu-report, tests/bench/roofline.py) and holds them against the
 * budgets below. */
#include "tests/invariant/loop_fixture.h"

#include "emu_counters.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"

/* ---- the counting table ---- */
#define AS_ENUM(name, args) OP_##name,
enum { PT_OP_LIST(AS_ENUM) N_OPS };
#define AS_NAME(name, args) #name,
static const char *const op_names[] = {PT_OP_LIST(AS_NAME)};
typedef struct counted {
    long calls, launches;
} counted;
static counted seen[N_OPS];

static long issued(void) /* kernels and products */
{
    pt_cuda_counts c;
    pt_cuda_counts_get(&c);
    return (long)(c.launches + c.gemms);
}
#define COUNTING(name, args)                                                                                                   \
    static pt_status count_##name(pt_ctx *ctx, const args *a)                                                                  \
    {                                                                                                                          \
        long before = issued();                                                                                                \
        pt_status rc = pt_cuda_ops()->name(ctx, a);                                                                            \
        if (!ctx->dry) seen[OP_##name].calls++;                                                                                \
        seen[OP_##name].launches += issued() - before;                                                                         \
        return rc;                                                                                                             \
    }
PT_OP_LIST(COUNTING)

/* ---- runs ---- */
static char work[64], rows[128];
typedef struct step_counts {
    counted op[N_OPS]; /* of the last step */
    long launches, syncs, copies;
    counted op_before[N_OPS];
    pt_cuda_counts before;
    int steps;
} step_counts;

static void on_step(void *user, const pt_step_report *r)
{
    step_counts *s = user;
    pt_cuda_counts now;
    pt_cuda_counts_get(&now);
    for (int i = 0; i < N_OPS; i++) {
        s->op[i].calls = seen[i].calls - s->op_before[i].calls;
        s->op[i].launches = seen[i].launches - s->op_before[i].launches;
        s->op_before[i] = seen[i];
    }
    s->launches = (long)(now.launches + now.gemms - s->before.launches - s->before.gemms);
    s->syncs = (long)(now.syncs - s->before.syncs);
    s->copies = (long)(now.copies - s->before.copies);
    s->before = now;
    s->steps++;
    (void)r;
}

static step_counts run_of(int layers, bool again, bool kept)
{
    static pt_ops table;
    char out[128];
    pt_dataset_spec spec;
    step_counts s = {.steps = 0};
    snprintf(out, sizeof out, "%s/out", work);
    table = *pt_cuda_ops();
#define REPLACE(name, args) table.name = count_##name;
    PT_OP_LIST(REPLACE)
    memset(seen, 0, sizeof seen);
    pt_config c = small_config(&spec, rows, out);
    c.model.init.num_hidden_layers = layers;
    c.device.compute = PT_COMPUTE_KIND_BF16;
    c.device.gradient_checkpointing = again;
    c.device.keep_dequantised = kept ? PT_KEEP_ALL : PT_KEEP_NONE;
    c.run.max_steps = 2;
    pt_train_hooks hooks = {.user = &s, .ops = &table, .on_step = on_step};
    MUST(pt_train_run(&c, &hooks, NULL));
    assert_int_equal(s.steps, 2);
    MUST(pt_dir_remove(out));
    return s;
}

/* Most launches that a layer's calls of an op may take; weights of another type than bf16 cost a launch a product, the adapter behind a weight another. The
 * base's products are lora's. Numbers only fall. */
static const struct {
    int op;
    long most;
} budget[] = {
    {OP_rmsnorm, 4},   {OP_rmsnorm_bwd, 2}, {OP_rope, 4},          {OP_attention, 1}, {OP_attention_bwd, 2}, {OP_gated, 1},
    {OP_gated_bwd, 1}, {OP_linear, 0},      {OP_linear_bwd_x, 0},  {OP_lora, 25},     {OP_lora_bwd, 29},
};
enum { STEP_MOST = 145, KEPT_LAYER_MOST = 55, KEPT_STEP_MOST = 119 }; /* a step of two layers; one of them guards the loss. Kept: no weight is dequantised */

static void report(bool again, bool kept)
{
    step_counts two = run_of(2, again, kept), three = run_of(3, again, kept);
    assert_int_equal(two.syncs, 1); /* one wait a step */
    print_message("# json {\"checkpointing\": %s, \"kept\": %s, \"step_of_2_layers\": {\"launches\": %ld, \"waits\": %ld, \"copies\": %ld}, "
                  "\"layer\": {",
                  again ? "true" : "false", kept ? "true" : "false", two.launches, two.syncs, two.copies);
    const char *comma = "";
    long layer = 0;
    for (int i = 0; i < N_OPS; i++) {
        long calls = three.op[i].calls - two.op[i].calls, n = three.op[i].launches - two.op[i].launches;
        layer += n;
        if (!calls) continue;
        print_message("%s\"%s\": {\"calls\": %ld, \"launches\": %ld}", comma, op_names[i], calls, n);
        comma = ", ";
    }
    print_message("}}\n");
    print_message("# figure launches %s: %ld of a layer, %ld of a step of 2 layers, 1 wait\n",
                  again ? "with blocks run again" : kept ? "with weights kept as numbers" : "without checkpointing", layer, two.launches);
    for (size_t b = 0; b < sizeof budget / sizeof *budget && !again; b++) {
        long n = three.op[budget[b].op].launches - two.op[budget[b].op].launches;
        if (n > budget[b].most) fail_msg("%s: %ld launches a layer, budget %ld", op_names[budget[b].op], n, budget[b].most);
    }
    if (!again) assert_in_range(two.launches, 1, kept ? KEPT_STEP_MOST : STEP_MOST);
    if (kept) assert_in_range(layer, 1, KEPT_LAYER_MOST);
}
static void test_layer(void **state)
{
    report(false, false);
}
static void test_layer_again(void **state)
{
    report(true, false);
}
static void test_layer_kept(void **state)
{
    report(false, true);
}

static int set_up(void **state)
{
    temp_folder(work);
    snprintf(rows, sizeof rows, "%s/rows.jsonl", work);
    write_rows(rows, 4, false);
    return 0;
}
static int tear_down(void **state)
{
    return pt_dir_remove(work) == PT_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layer), cmocka_unit_test(test_layer_again), cmocka_unit_test(test_layer_kept)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
