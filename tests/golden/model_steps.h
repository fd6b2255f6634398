/* Ten steps of AdamW against a golden.json (tests/golden/models.py, families.py): its "rows", "lr", "weight_decay", "max_grad_norm", and under a key "losses"
 * and "norms". */
#ifndef TESTS_MODEL_STEPS_H
#define TESTS_MODEL_STEPS_H
#include "tests/golden/model_fixture.h"

/* Losses within 1e-5, norms within 1e-4; returns the error of the loss. */
static inline double golden_step(json_t *golden, const char *key, size_t step, double loss, double norm)
{
    json_t *o = json_object_get(golden, key);
    double want = json_number_value(json_array_get(json_object_get(o, "losses"), step)), wn = json_number_value(json_array_get(json_object_get(o, "norms"), step));
    double e = fabs(loss - want) / fabs(want);
    if (!(e <= 1e-5)) fail_msg("%s, step %zu: loss %.9f, expected %.9f", key, step, loss, want);
    if (!(fabs(norm - wn) <= 1e-4 * wn)) fail_msg("%s, step %zu: gradient norm %.9f, expected %.9f", key, step, norm, wn);
    return e;
}

/* SFT on the rows from an open model; returns the largest error of a loss. */
static inline double golden_sft_steps(bench *b, json_t *golden, const char *key)
{
    rows r = rows_sft(golden);
    optimiser o;
    double worst = 0;
    assert_int_equal(json_array_size(json_object_get(json_object_get(golden, key), "losses")), 10);
    optimiser_open(&o, b);
    for (size_t i = 0; i < 10; i++) {
        double loss = sft_pass(b, &r, PT_PACKING_FOREST);
        optimiser_step(&o, b, (float)json_num(golden, "lr"), (float)json_num(golden, "weight_decay"), (float)json_num(golden, "max_grad_norm"));
        double e = golden_step(golden, key, i, loss, norm_of(b, &o));
        worst = e > worst ? e : worst;
    }
    b->ctx.ops->free(&b->ctx, &o.buf);
    rows_free(&r);
    return worst;
}
#endif
