/* Activations, gated and plain: ref against finite differences, cpu against ref within twice the error of plain f32 formulas,
 * tails included. */
#include "tests/ops/op_test.h"

static float plain_act(pt_act_kind kind, float x, float *d)
{
    if (kind == PT_ACT_SILU) {
        float s = 1 / (1 + expf(-x));
        *d = s * (1 + x * (1 - s));
        return x * s;
    }
    if (kind == PT_ACT_GELU_ERF) {
        float phi = 0.5f * (1 + erff(x * 0.70710678f));
        *d = phi + x * 0.39894228f * expf(-0.5f * x * x);
        return x * phi;
    }
    if (kind == PT_ACT_RELU || kind == PT_ACT_RELU2) {
        float top = x > 0 ? x : 0;
        *d = kind == PT_ACT_RELU ? (float)(x > 0) : 2 * top;
        return kind == PT_ACT_RELU ? top : top * top;
    }
    if (kind == PT_ACT_GELU_QUICK) {
        float s = 1 / (1 + expf(-1.702f * x));
        *d = s * (1 + 1.702f * x * (1 - s));
        return x * s;
    }
    float t = tanhf(0.79788456f * (x + 0.044715f * x * x * x));
    *d = 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 3 * 0.044715f * x * x);
    return 0.5f * x * (1 + t);
}

/* Of a handful of elements the plain formulas may hit all exactly: there, two units in the last place (2.4e-7). */
static void budget(const char *what, int kind, pt_view got, pt_view plain, pt_view want)
{
    char named[40];
    snprintf(named, sizeof named, "%s, kind %d", what, kind);
    ot_twice(named, ot_error(got, want), ot_error(plain, want), want.rows * want.cols < 64 ? OT_FLOOR_FEW : OT_FLOOR);
}

static const struct {
    int64_t n, f;
} sizes[] = {{1, 1}, {3, 17}, {5, 64}, {40, 1536}, {2, 9001}};

static void against_ref(void **state)
{
    for (int s = 0; s < (int)(sizeof sizes / sizeof *sizes); s++)
        for (int kind = 0; kind < PT_ACT_KINDS; kind++)
            for (int spread = 0; spread < 6; spread++) {
                int64_t n = sizes[s].n, f = sizes[s].f;
                bool gates = spread < 3;
                pt_view g = ot_new(PT_F32, n, f, f), u = ot_new(PT_F32, n, f, f + 2), dy = ot_like(g), y = ot_like(g),
                       dg = ot_like(g), du = ot_like(g);
                pt_view yp = ot_like(g), dgp = ot_like(g), dup = ot_like(g), yc = ot_new(PT_F32, n, f, f + 1),
                       dgc = ot_like(yc), duc = ot_like(yc), yc2 = ot_like(yc);
                ot_fill(g, 1, spread % 3 == 0 ? 1 : spread % 3 == 1 ? 6 : 0.01f);
                ot_fill(u, 2, 1);
                ot_fill(dy, 3, 1);
                pt_gated_args a = {.y = y, .g = g, .u = gates ? u : ot_none(), .kind = (pt_act_kind)kind};
                pt_gated_bwd_args b = {.dg = dg, .du = gates ? du : ot_none(), .dy = dy, .g = g, .u = a.u, .kind = a.kind};
                OT_RUN(&ot.ref, gated, &a);
                OT_RUN(&ot.ref, gated_bwd, &b);
                for (int64_t r = 0; r < n; r++)
                    for (int64_t i = 0; i < f; i++) {
                        float d, act = plain_act((pt_act_kind)kind, ot_f32(g, r)[i], &d);
                        float of = gates ? ot_f32(u, r)[i] : 1;
                        ot_f32(yp, r)[i] = act * of;
                        ot_f32(dgp, r)[i] = ot_f32(dy, r)[i] * of * d;
                        ot_f32(dup, r)[i] = ot_f32(dy, r)[i] * act;
                    }
                for (int i = 0; ot_isa(i); i++) {
                    a.y = yc;
                    OT_RUN(&ot.cpu, gated, &a);
                    budget("y", kind, yc, yp, y);
                    b.dg = dgc, b.du = gates ? duc : ot_none(), b.y = yc2;
                    OT_RUN(&ot.cpu, gated_bwd, &b);
                    budget("dg", kind, dgc, dgp, dg);
                    if (gates) budget("du", kind, duc, dup, du);
                    assert_true(ot_equal_bits(yc2, yc));
                }
                ot_free_all();
            }
}

/* Far out: silu and gelu go to 0 and x, derivatives to 0 and 1, and nothing is NaN; NaN stays NaN. */
static void tails(void **state)
{
    static const float at[] = {-3e38f,   -1e4f, -100,    -88,     -30, -14, -9,  -5,   -1.4143f,
                               -1.4142f, 0,     1.4142f, 1.4143f, 5,   14,  100, 1e4f, 3e38f};
    int64_t n = sizeof at / sizeof *at;
    pt_view g = ot_new(PT_F32, 1, n, n), u = ot_like(g), y = ot_like(g), dg = ot_like(g), du = ot_like(g), yc = ot_like(g),
           dgc = ot_like(g), duc = ot_like(g);
    memcpy(ot_f32(g, 0), at, sizeof at);
    for (int64_t i = 0; i < n; i++) ot_f32(u, 0)[i] = 1;
    for (int kind = 0; kind < PT_ACT_KINDS; kind++)
        for (int v = 0; ot_isa(v); v++) {
            pt_gated_args a = {.y = y, .g = g, .u = kind % 2 ? u : ot_none(), .kind = (pt_act_kind)kind};
            OT_RUN(&ot.ref, gated, &a);
            a.y = yc;
            OT_RUN(&ot.cpu, gated, &a);
            pt_gated_bwd_args b = {.dg = dg, .du = du, .dy = u, .g = g, .u = u, .kind = (pt_act_kind)kind};
            if (kind != PT_ACT_GELU_TANH)
                OT_RUN(&ot.ref, gated_bwd, &b); /* its derivative is 0 * inf in double, too, at 3e38 */
            b.dg = dgc, b.du = duc;
            OT_RUN(&ot.cpu, gated_bwd, &b);
            for (int64_t i = 0; i < n; i++) {
                double want = ot_f32(y, 0)[i], got = ot_f32(yc, 0)[i];
                if (isinf(want)) assert_true(kind == PT_ACT_RELU2 && got == want); /* 3e38 squared */
                else assert_true(fabs(got - want) <= 2.5e-7 * fmax(fabs(at[i]), fabs(want)) + 1e-37);
                if (kind == PT_ACT_GELU_TANH || fabsf(at[i]) > 1e5f) continue;
                assert_true(fabs(ot_f32(dgc, 0)[i] - ot_f32(dg, 0)[i]) <= 1e-6 * fmax(1, fabs(ot_f32(dg, 0)[i])));
            }
            ot_f32(g, 0)[3] = NAN;
            OT_RUN(&ot.cpu, gated, &a);
            assert_true(isnan(ot_f32(yc, 0)[3]) && !isnan(ot_f32(yc, 0)[4]));
            ot_f32(g, 0)[3] = at[3];
        }
    ot_free_all();
}

static void aliases(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    pt_view g = ot_new(PT_F32, 6, 45, 45), u = ot_like(g), dy = ot_like(g), y = ot_like(g), dg = ot_like(g),
           du = ot_like(g), g2 = ot_like(g), u2 = ot_like(g), dy2 = ot_like(g);
    ot_fill(g, 1, 1);
    ot_fill(u, 2, 1);
    ot_fill(dy, 3, 1);
    for (int b = 0; b < 2; b++) {
        pt_gated_bwd_args a = {.dg = dg, .du = du, .y = y, .dy = dy, .g = g, .u = u, .kind = PT_ACT_GELU_TANH};
        OT_RUN(both[b], gated_bwd, &a);
        ot_copy(g2, g);
        ot_copy(u2, u);
        ot_copy(dy2, dy);
        a = (pt_gated_bwd_args){
            .dg = g2, .du = u2, .y = dy2, .dy = dy2, .g = g2, .u = u2, .kind = PT_ACT_GELU_TANH};
        OT_RUN(both[b], gated_bwd, &a);
        assert_true(ot_equal_bits(g2, dg) && ot_equal_bits(u2, du) && ot_equal_bits(dy2, y));
        for (int on_u = 0; on_u < 2; on_u++) {
            ot_copy(g2, g);
            ot_copy(u2, u);
            pt_gated_args f = {.y = on_u ? u2 : g2, .g = g2, .u = u2, .kind = PT_ACT_GELU_TANH};
            OT_RUN(both[b], gated, &f);
            assert_true(ot_equal_bits(on_u ? u2 : g2, y));
        }
    }
    ot_free_all();
}

/* g and u are the halves of one matrix, and so are dg and du, which lie on them; plain in place. Equal to views of their own, bit for bit. */
static void slices(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    const int64_t n = 7, f = 37;
    pt_view all = ot_new(PT_F32, n, 2 * f, 2 * f + 3), g = ot_new(PT_F32, n, f, f), u = ot_like(g), dy = ot_like(g), y = ot_like(g),
            dg = ot_like(g), du = ot_like(g), y2 = ot_like(g), left = pt_view_cols(all, 0, f), right = pt_view_cols(all, f, f);
    ot_fill(g, 1, 1);
    ot_fill(u, 2, 1);
    ot_fill(dy, 3, 1);
    for (int b = 0; b < 2; b++)
        for (int kind = 0; kind < PT_ACT_KINDS; kind++) {
            pt_act_kind k = (pt_act_kind)kind;
            pt_gated_args a = {.y = y, .g = g, .u = u, .kind = k}, as = {.y = y2, .g = left, .u = right, .kind = k};
            pt_gated_bwd_args w = {.dg = dg, .du = du, .dy = dy, .g = g, .u = u, .kind = k},
                              ws = {.dg = left, .du = right, .dy = dy, .g = left, .u = right, .kind = k};
            ot_copy(left, g);
            ot_copy(right, u);
            OT_RUN(both[b], gated, &a);
            OT_RUN(both[b], gated, &as);
            assert_true(ot_equal_bits(y2, y));
            OT_RUN(both[b], gated_bwd, &w);
            OT_RUN(both[b], gated_bwd, &ws);
            assert_true(ot_equal_bits(left, dg) && ot_equal_bits(right, du));
            ot_copy(left, g);
            ot_copy(right, dy);
            a.u = w.u = w.du = ot_none();
            w.y = y2;
            OT_RUN(both[b], gated, &a);
            OT_RUN(both[b], gated_bwd, &w);
            assert_true(ot_equal_bits(y2, y));
            ws = (pt_gated_bwd_args){.dg = left, .y = right, .dy = right, .g = left, .kind = k};
            OT_RUN(both[b], gated_bwd, &ws);
            assert_true(ot_equal_bits(left, dg) && ot_equal_bits(right, y));
            ot_copy(left, g);
            as = (pt_gated_args){.y = left, .g = left, .kind = k};
            OT_RUN(both[b], gated, &as);
            assert_true(ot_equal_bits(left, y));
        }
    ot_free_all();
}

static void ref_gradients(void **state)
{
    pt_view g = ot_new(PT_F32, 1, 1, 1), u = ot_like(g), dy = ot_like(g), y = ot_like(g), dg = ot_like(g), du = ot_like(g);
    for (int kind = 0; kind < PT_ACT_KINDS; kind++)
        for (float x = -4; x <= 4; x += 0.37f) { /* never 0, where max(x,0) has no slope */
            *ot_f32(u, 0) = 1.5f;
            *ot_f32(dy, 0) = 1;
            *ot_f32(g, 0) = x;
            pt_gated_args a = {.y = y, .g = g, .u = u, .kind = (pt_act_kind)kind};
            pt_gated_bwd_args b = {.dg = dg, .du = du, .dy = dy, .g = g, .u = u, .kind = (pt_act_kind)kind};
            OT_RUN(&ot.ref, gated_bwd, &b);
            OT_RUN(&ot.ref, gated, &a);
            assert_true(fabs(*ot_f32(du, 0) * 1.5 - *ot_f32(y, 0)) < 1e-6);
            *ot_f32(g, 0) = x + 0x1p-7f;
            OT_RUN(&ot.ref, gated, &a);
            double up = *ot_f32(y, 0), width = *ot_f32(g, 0);
            *ot_f32(g, 0) = x - 0x1p-7f;
            OT_RUN(&ot.ref, gated, &a);
            double fd = (up - *ot_f32(y, 0)) / (width - *ot_f32(g, 0));
            assert_true(fabs(fd - *ot_f32(dg, 0)) < 2e-4);
            *ot_f32(g, 0) = x;
            OT_RUN(&ot.ref, gated, &a);
            pt_gated_args p = {.y = du, .g = g, .kind = (pt_act_kind)kind};
            OT_RUN(&ot.ref, gated, &p);
            assert_true(fabs(*ot_f32(du, 0) * 1.5 - *ot_f32(y, 0)) < 1e-6); /* plain is gated by 1 */
            pt_gated_bwd_args q = {.dg = y, .dy = dy, .g = g, .kind = (pt_act_kind)kind};
            OT_RUN(&ot.ref, gated_bwd, &q);
            assert_true(fabs(*ot_f32(y, 0) * 1.5 - *ot_f32(dg, 0)) < 1e-5);
        }
    ot_free_all();
}

static void refusals(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    pt_view g = ot_new(PT_F32, 2, 3, 3), small = ot_new(PT_F32, 2, 2, 2);
    for (int b = 0; b < 2; b++) {
        pt_gated_args a = {.y = g, .g = g, .u = small};
        OT_REFUSE(both[b], gated, &a, PT_ESHAPE);
        a = (pt_gated_args){.y = g, .g = g, .u = g, .kind = (pt_act_kind)9};
        OT_REFUSE(both[b], gated, &a, PT_EARG);
        pt_gated_bwd_args w = {.dg = g, .du = g, .dy = small, .g = g, .u = g};
        OT_REFUSE(both[b], gated_bwd, &w, PT_ESHAPE);
        w = (pt_gated_bwd_args){.dg = g, .du = g, .dy = g, .g = g}; /* du without u, and u without du */
        OT_REFUSE(both[b], gated_bwd, &w, PT_ESHAPE);
        w = (pt_gated_bwd_args){.dg = g, .dy = g, .g = g, .u = g};
        OT_REFUSE(both[b], gated_bwd, &w, PT_ESHAPE);
        a = (pt_gated_args){.y = g, .g = g, .kind = PT_ACT_KINDS};
        OT_REFUSE(both[b], gated, &a, PT_EARG);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ref_gradients), cmocka_unit_test(against_ref), cmocka_unit_test(tails),
                                       cmocka_unit_test(aliases), cmocka_unit_test(slices), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_mlp", tests, ot_begin, ot_end);
}
