/* AdamW and clipping against torch.optim.AdamW + clip_grad_norm_; schedules against transformers' get_scheduler. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/optim/optimiser.h"
#include "train/optim/schedule.h"

#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "tests/golden/data/objectives.inc"
#include "tests/golden/data/schedules.inc"

static void test_schedules(void **state)
{
    static const pt_schedule_kind kinds[] = {PT_SCHEDULE_CONSTANT, PT_SCHEDULE_LINEAR, PT_SCHEDULE_COSINE};
    int at = 0;
    for (int k = 0; k < 3; k++)
        for (int w = 3; w >= 0; w -= 3)
            for (int i = 0; i < 12; i++, at++) {
                double r = pt_schedule_rate(&(pt_schedule){.kind = kinds[k], .peak = 2e-3, .warmup = w, .total = 12}, i);
                if (fabs(r - rates[at]) > 1e-15)
                    fail_msg("kind %d, warm-up %d, step %d: %.17g instead of %.17g", k, w, i, r, rates[at]);
            }
    at = 0;
    for (double floor = 0.25; floor <= 1; floor += 0.75)
        for (int w = 3; w >= 0; w -= 3)
            for (int i = 0; i < 12; i++, at++) {
                double r = pt_schedule_rate(&(pt_schedule){.kind = PT_SCHEDULE_COSINE, .peak = 2e-3, .floor = floor, .warmup = w, .total = 12}, i);
                if (fabs(r - floor_rates[at]) > 1e-15)
                    fail_msg("floor %g, warm-up %d, step %d: %.17g instead of %.17g", floor, w, i, r, floor_rates[at]);
            }
    for (int i = 0; i < 12; i++) { /* a quadratic warm-up: 0, 1/16, 4/16, 9/16, then as ever */
        pt_schedule s = {.kind = PT_SCHEDULE_LINEAR, .peak = 2e-3, .warmup = 4, .total = 12}, q = s;
        q.quadratic = true;
        double want = i < 4 ? 2e-3 * i * i / 16 : pt_schedule_rate(&s, i);
        assert_true(fabs(pt_schedule_rate(&q, i) - want) < 1e-15);
    }
    assert_int_equal(pt_schedule_warmup(-1, 0.1, 101), 11);
    assert_int_equal(pt_schedule_warmup(-1, 0, 101), 0);
    assert_int_equal(pt_schedule_warmup(7, 0.1, 101), 7);
    assert_int_equal(pt_schedule_warmup(0, 0.1, 101), 0);
}

static void test_adamw(void **state)
{
    const pt_ops *backends[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int b = 0; b < 2; b++) {
        pt_ctx ctx = {.ops = backends[b]};
        pt_arena vec = {0};
        pt_view p, g;
        pt_optim *o;
        assert_int_equal(ctx.ops->open(&ctx, PT_COMPUTE_F32), PT_OK);
        pt_arena_init(&vec, PT_ROLE_ADAPTERS);
        assert_int_equal(pt_arena_carve(&vec, PT_F32, 1, 6, &p), PT_OK);
        assert_int_equal(pt_arena_carve(&vec, PT_F32, 1, 6, &g), PT_OK);
        assert_int_equal(ctx.ops->alloc(&ctx, &vec.buf, vec.peak), PT_OK);
        assert_int_equal(pt_optim_new(&o, &ctx, 6, 4, &(pt_optim_options){0.9f, 0.95f, 1e-8f, 0.1f, 1.0f}), PT_OK);
        assert_true(pt_optim_bytes(o) >= 48 && pt_optim_bytes(o) < 1024);
        assert_int_equal(pt_optim_commit(o), PT_OK);
        assert_int_equal(ctx.ops->upload(&ctx, p, adam_start), PT_OK);
        float norm, got[6], m[6], v[6];
        bool finite;
        int64_t applied;
        for (int s = 0; s < 5; s++) {
            if (s == 2) { /* a bad gradient in between moves nothing and is not counted */
                float bad[6] = {1, 2, 3, NAN, 5, 6}, before[6];
                assert_int_equal(ctx.ops->upload(&ctx, g, bad), PT_OK);
                assert_int_equal(ctx.ops->download(&ctx, before, p), PT_OK);
                assert_int_equal(pt_optim_step(o, p, g, 0.01f, &norm, &finite), PT_OK);
                assert_false(finite);
                assert_int_equal(ctx.ops->download(&ctx, got, p), PT_OK);
                assert_memory_equal(got, before, sizeof got);
                double part;
                assert_int_equal(pt_optim_sumsq(o, g, 0, 3, &part), PT_OK);
                assert_true(part == 14);
                assert_int_equal(pt_optim_sumsq(o, g, 3, 1, &part), PT_OK);
                assert_true(isnan(part));
            }
            if (s == 3) { /* out and in again: nothing changes */
                assert_int_equal(ctx.ops->download(&ctx, m, pt_optim_m(o)), PT_OK);
                assert_int_equal(ctx.ops->download(&ctx, v, pt_optim_v(o)), PT_OK);
                assert_int_equal(pt_optim_applied(o, &applied), PT_OK);
                assert_int_equal(applied, 3);
                pt_optim_free(o);
                assert_int_equal(pt_optim_new(&o, &ctx, 6, 4, &(pt_optim_options){0.9f, 0.95f, 1e-8f, 0.1f, 1.0f}), PT_OK);
                assert_int_equal(pt_optim_commit(o), PT_OK);
                assert_int_equal(ctx.ops->upload(&ctx, pt_optim_m(o), m), PT_OK);
                assert_int_equal(ctx.ops->upload(&ctx, pt_optim_v(o), v), PT_OK);
                assert_int_equal(pt_optim_set_applied(o, applied), PT_OK);
            }
            assert_int_equal(ctx.ops->upload(&ctx, g, adam_grads + 6 * s), PT_OK);
            assert_int_equal(pt_optim_step(o, p, g, (float)(0.01 / (1 + s)), &norm, &finite), PT_OK);
            assert_true(finite);
            assert_true(fabsf(norm - adam_norms[s]) <= 1e-6f * adam_norms[s]);
            assert_int_equal(ctx.ops->download(&ctx, got, p), PT_OK);
            for (int i = 0; i < 6; i++)
                if (!(fabsf(got[i] - adam_params[6 * s + i]) <= 1e-6f))
                    fail_msg("step %d [%d]: %g, torch %g", s, i, got[i], adam_params[6 * s + i]);
        }
        assert_int_equal(pt_optim_set_applied(o, -1), PT_EFORMAT);
        pt_optim_free(o);
        ctx.ops->free(&ctx, &vec.buf);
        ctx.ops->close(&ctx);
    }
}

/* Ranges: each element moves as it would alone at its own rate; decay ends where it ended. */
static void test_ranges(void **state)
{
    static const float times[6] = {1, 1, 16, 16, 16, 1}; /* a range across the end of the decayed ones */
    const pt_ops *backends[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int b = 0; b < 2; b++) {
        float got[3][6]; /* one rate, 16 times that, ranges */
        for (int way = 0; way < 3; way++) {
            pt_ctx ctx = {.ops = backends[b]};
            pt_arena vec = {0};
            pt_view p, g;
            pt_optim *o;
            float norm;
            bool finite;
            assert_int_equal(ctx.ops->open(&ctx, PT_COMPUTE_F32), PT_OK);
            pt_arena_init(&vec, PT_ROLE_ADAPTERS);
            assert_int_equal(pt_arena_carve(&vec, PT_F32, 1, 6, &p), PT_OK);
            assert_int_equal(pt_arena_carve(&vec, PT_F32, 1, 6, &g), PT_OK);
            assert_int_equal(ctx.ops->alloc(&ctx, &vec.buf, vec.peak), PT_OK);
            assert_int_equal(pt_optim_new(&o, &ctx, 6, 4, &(pt_optim_options){0.9f, 0.95f, 1e-8f, 0.1f, 1.0f}), PT_OK);
            if (way == 2) {
                assert_int_equal(pt_optim_set_ranges(o, (pt_optim_range[]){{2, 1}, {2, 16}}, 2), PT_ESHAPE);
                assert_int_equal(pt_optim_set_ranges(o, (pt_optim_range[]){{2, 1}, {3, 16}, {1, 1}}, 3), PT_OK);
            }
            assert_int_equal(pt_optim_commit(o), PT_OK);
            assert_int_equal(ctx.ops->upload(&ctx, p, adam_start), PT_OK);
            for (int s = 0; s < 3; s++) {
                float grad[6] = {1, -2, 3, -4, 5, -6};
                grad[s] *= 0.5f;
                assert_int_equal(ctx.ops->upload(&ctx, g, grad), PT_OK);
                assert_int_equal(pt_optim_step(o, p, g, way == 1 ? 0.016f : 0.001f, &norm, &finite), PT_OK);
            }
            assert_int_equal(ctx.ops->download(&ctx, got[way], p), PT_OK);
            pt_optim_free(o);
            ctx.ops->free(&ctx, &vec.buf);
            ctx.ops->close(&ctx);
        }
        for (int i = 0; i < 6; i++) assert_true(got[2][i] == got[times[i] > 1][i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_schedules), cmocka_unit_test(test_adamw), cmocka_unit_test(test_ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
