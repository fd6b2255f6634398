/* The head: ref against finite differences, cpu against ref, one visit against two, many chunks, instruction sets; sums over the vocabulary. */
#include "tests/ops/op_test.h"

#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status naive_head(pt_ctx *ctx, const pt_head_args *a);
#define double float
#define pt_ref_head naive_head
#include "kernels/ref/head_ref.c"
#undef double
#undef pt_ref_head


static int setup(void **state)
{
    pt_threads_set(1); /* small products on a busy machine: threads would only wait for each other; one test takes three */
    return ot_begin(state);
}
/* Head row h has h % 3 + (h == 0) rows: none, one or two targets on a position. */
static void targets(int64_t hd, int64_t vocab, pt_view *head, pt_view *target)
{
    int32_t *rh = calloc((size_t)(3 * hd + 1), 4), *rt = calloc((size_t)(3 * hd + 1), 4);
    int64_t m = 0;
    for (int64_t h = 0; h < hd; h++)
        for (int64_t k = 0; k < h % 3 + (h == 0); k++, m++) {
            rh[m] = (int32_t)h;
            rt[m] = (int32_t)(pt_rng_words(5, PT_RNG_TEST, (uint64_t)m, 1).v[0] % (uint64_t)vocab);
        }
    if (m) rt[m - 1] = (int32_t)vocab - 1;
    *head = ot_list(rh, m);
    *target = ot_list(rt, m);
    free(rh), free(rt);
}

typedef struct head_case {
    int64_t hd, c, vocab;
    pt_dtype type;
    float temperature, softcap, scale;
    int pad;
} head_case;

static pt_head_args args_of(const head_case *k, bool dw)
{
    pt_head_args a = {.x = ot_rand_ld(k->hd, k->c, k->c + k->pad, 1, k->scale), .w = ot_weight(k->type, k->vocab, k->c, 2, 1), .temperature = k->temperature,
                      .softcap = k->softcap};
    targets(k->hd, k->vocab, &a.row_head, &a.row_target);
    int64_t m = a.row_head.cols;
    a.logp = ot_out(1, m), a.lse = ot_out(1, k->hd), a.entropy = ot_out(1, k->hd), a.argmax = ot_new(PT_I32, 1, k->hd, k->hd);
    a.dx = ot_new(PT_F32, k->hd, k->c, k->c + k->pad);
    a.dlogp = ot_rand(1, m, 3, 1);
    if (dw) a.dw = ot_rand(k->vocab, k->c, 4, 0.1f);
    return a;
}

/* Sums over the vocabulary, one way or the other, and their gradients; the reference is near: hidden states of x and a little more. */
enum { PLAIN, FROM_POLICY, FROM_REFERENCE };
static void add_sums(pt_head_args *a, int sums, float far)
{
    int64_t hd = a->x.rows, c = a->x.cols;
    if (sums == PLAIN) return;
    a->log_squares = ot_out(1, hd), a->kl = ot_out(1, hd);
    a->dentropy = ot_rand(1, hd, 6, 1), a->dlog_squares = ot_rand(1, hd, 7, 1), a->dkl = ot_rand(1, hd, 8, 1);
    a->xr = ot_rand_ld(hd, c, c + 1, 9, far);
    for (int64_t h = 0; h < hd; h++)
        for (int64_t i = 0; i < c; i++) ot_f32(a->xr, h)[i] += ot_f32(a->x, h)[i];
    a->kl_reverse = sums == FROM_REFERENCE;
}

static void compare(const pt_head_args *got, const pt_head_args *naive, const pt_head_args *want)
{
    ot_within("logp", got->logp, naive->logp, want->logp);
    ot_within("lse", got->lse, naive->lse, want->lse);
    ot_within("entropy", got->entropy, naive->entropy, want->entropy);
    if (pt_view_ok(want->log_squares)) ot_within("log_squares", got->log_squares, naive->log_squares, want->log_squares);
    if (pt_view_ok(want->kl)) ot_within("kl", got->kl, naive->kl, want->kl);
    ot_within("dx", got->dx, naive->dx, want->dx);
    if (pt_view_ok(want->dw)) ot_within("dw", got->dw, naive->dw, want->dw);
}

/* With dw the logits of a chunk are kept, without it dx is gathered as they come. */
static void one_way(const head_case *k, bool dw, int sums)
{
    pt_head_args got = args_of(k, dw), naive = args_of(k, dw), want = args_of(k, dw);
    add_sums(&got, sums, 0.2f), add_sums(&naive, sums, 0.2f), add_sums(&want, sums, 0.2f);
    ot_ok(pt_ref_head(&ot.ref, &want));
    ot_ok(naive_head(&ot.ref, &naive));
    OT_RUN(&ot.cpu, head, &got);
    compare(&got, &naive, &want);
    assert_memory_equal(ot_at(got.argmax), ot_at(want.argmax), (size_t)k->hd * 4);
    if (ot.half.ops) { /* twice the error of operands rounded to bf16, sums in double */
        pt_head_args h = args_of(k, dw), low = args_of(k, dw);
        add_sums(&h, sums, 0.2f), add_sums(&low, sums, 0.2f);
        pt_view w = ot_out(k->vocab, k->c);
        ot_ok(pt_dequant_rows(k->type, ot_at(low.w), k->vocab, k->c, ot_at(w)));
        for (int64_t i = 0; i < k->vocab * k->c; i++) ot_f32(w, 0)[i] = pt_bf16_to_f32(pt_f32_to_bf16(ot_f32(w, 0)[i]));
        for (int64_t i = 0; i < k->hd; i++)
            for (int64_t c = 0; c < k->c; c++) {
                ot_f32(low.x, i)[c] = pt_bf16_to_f32(pt_f32_to_bf16(ot_f32(low.x, i)[c]));
                if (sums) ot_f32(low.xr, i)[c] = pt_bf16_to_f32(pt_f32_to_bf16(ot_f32(low.xr, i)[c]));
            }
        low.w = w;
        ot_ok(pt_ref_head(&ot.ref, &low));
        OT_RUN(&ot.half, head, &h);
        ot_within("bf16 logp", h.logp, low.logp, want.logp);
        if (sums) ot_within("bf16 log_squares", h.log_squares, low.log_squares, want.log_squares);
        if (sums) ot_within("bf16 kl", h.kl, low.kl, want.kl);
        ot_within("bf16 dx", h.dx, low.dx, want.dx);
        if (dw) ot_within("bf16 dw", h.dw, low.dw, want.dw);
    }
    ot_free_all();
}
static void one_case(const head_case *k)
{
    one_way(k, true, PLAIN);
    one_way(k, false, PLAIN);
    if (k->hd < 4) return; /* a single sum's error is luck, a naive one's too */
    one_way(k, true, FROM_POLICY);
    one_way(k, false, FROM_REFERENCE);
}

static void test_against_ref(void **state)
{
        static const head_case cases[] = {
        {1, 32, 33, PT_F32, 1, 0, 1, 0},    {7, 33, 1, PT_F32, 1, 0, 1, 0},      {33, 64, 1025, PT_BF16, 1, 0, 1, 3},
        {20, 64, 2500, PT_Q8_0, 1, 0, 1, 1}, {9, 256, 1300, PT_Q6_K, 1, 0, 0.02f, 0}, {12, 32, 1100, PT_F32, 0.7f, 0, 2, 0},
        {12, 32, 1100, PT_F32, 1.5f, 3, 1, 2}, {5, 32, 129, PT_F16, 1, 30, 4, 0},
    };
    for (int i = 0; ot_isa(i); i++) {
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) one_case(&cases[k]);
    }
}

/* A vocabulary so large that the rows fall into several chunks. */
static void test_many_chunks(void **state)
{
    head_case k = {40, 2, 300000, PT_F32, 1, 0, 1, 0};
    pt_threads_set(3);
    one_way(&k, true, PLAIN);
    one_way(&k, false, PLAIN);
    one_way(&k, true, FROM_POLICY);
    pt_threads_set(1);
}

/* Forward alone, then backward, equals both at once, bit for bit; absent outputs change nothing. */
/* Some rows of dw: what the whole has there, within a block of the vocabulary and across several; none that w has not. */
static void test_some_rows_of_dw(void **state)
{
    static const int64_t parts[][2] = {{3, 2}, {510, 5}, {100, 1000}, {1098, 2}, {1, 1099}};
    const head_case k = {.hd = 21, .c = 40, .vocab = 1100, .type = PT_F32, .temperature = 1, .scale = 1};
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            pt_head_args whole = args_of(&k, true), part = whole;
            pt_view start = ot_like(whole.dw);
            ot_copy(start, whole.dw);
            part.dw_first = parts[i][0];
            part.dw = ot_new(PT_F32, parts[i][1], k.c, k.c + 3);
            ot_copy(part.dw, pt_view_rows(start, parts[i][0], parts[i][1]));
            OT_RUN(both[b], head, &whole);
            OT_RUN(both[b], head, &part);
            assert_true(ot_error(part.dw, pt_view_rows(whole.dw, parts[i][0], parts[i][1])) < 1e-6);
            part.dw_first = k.vocab - parts[i][1] + 1;
            OT_REFUSE(both[b], head, &part, PT_ESHAPE);
            ot_free_all();
        }
}

static void test_one_visit_is_two(void **state)
{
    head_case k = {70, 32, 100000, PT_Q8_0, 1, 0, 1, 0};
    pt_head_args one = args_of(&k, true), two = args_of(&k, true), first = two, second = two;
    OT_RUN(&ot.cpu, head, &one);
    size_t both = ot.cpu.workspace_need;
    first.dx = first.dw = first.dlogp = PT_NO_VIEW;
    OT_RUN(&ot.cpu, head, &first);
    assert_true(ot.cpu.workspace_need < both / 4);
    assert_true(both < 80u << 20);
    second.logp = second.lse = second.entropy = second.argmax = PT_NO_VIEW;
    OT_RUN(&ot.cpu, head, &second);
    assert_true(ot_equal_bits(two.logp, one.logp));
    assert_true(ot_equal_bits(two.lse, one.lse));
    assert_true(ot_equal_bits(two.entropy, one.entropy));
    assert_true(ot_equal_bits(two.dx, one.dx));
    assert_true(ot_equal_bits(two.dw, one.dw));
    ot_free_all();
}

/* What a head says in all: sum of dL/dchannel * channel. */
static double said(const pt_head_args *a)
{
    const pt_view pair[][2] = {{a->logp, a->dlogp}, {a->entropy, a->dentropy}, {a->log_squares, a->dlog_squares}, {a->kl, a->dkl}};
    double sum = 0;
    for (size_t k = 0; k < sizeof pair / sizeof *pair; k++)
        for (int64_t m = 0; pt_view_ok(pair[k][1]) && m < pair[k][1].cols; m++) sum += (double)ot_f32(pair[k][0], 0)[m] * ot_f32(pair[k][1], 0)[m];
    return sum;
}

/* The reference holds still: where w moves, which is the reference's too, the divergence is left out. */
static void test_differences(void **state)
{
    head_case k = {4, 5, 11, PT_F32, 0.8f, 2, 1, 0};
    for (int round = 0; round < 6; round++) {
        int which = round % 2, sums = round / 2;
        pt_head_args a = args_of(&k, true);
        add_sums(&a, sums, 1);
        if (which) a.kl = a.dkl = PT_NO_VIEW;
        pt_view dw0 = ot_copy_of(a.dw);
        ot_ok(pt_ref_head(&ot.ref, &a));
        pt_head_args f = a;
        f.dx = f.dw = PT_NO_VIEW;
        pt_view at = which ? a.w : a.x, grad = which ? a.dw : a.dx;
        for (int64_t i = 0; i < at.rows * at.cols; i++) {
            double sum[2] = {0, 0}, step = 1e-2;
            float *p = ot_f32(at, 0) + i, keep = *p;
            for (int side = 0; side < 2; side++) {
                *p = (float)(keep + (side ? step : -step));
                ot_ok(pt_ref_head(&ot.ref, &f));
                sum[side] = said(&f);
            }
            *p = keep;
            double got = ot_f32(grad, 0)[i] - (which ? ot_f32(dw0, 0)[i] : 0);
            if (!(fabs((sum[1] - sum[0]) / (2 * step) - got) < 1e-3 * (1 + fabs(got)))) fail_msg("round %d: difference %g, gradient %g", round, (sum[1] - sum[0]) / (2 * step), got);
        }
        ot_free_all();
    }
}

/* Policy and reference the same: no divergence and none of its gradient, to the bit; one token has no entropy; equal logits have the most. */
static void test_equal(void **state)
{
    head_case k = {9, 64, 1100, PT_Q8_0, 0.7f, 5, 1, 0};
    for (int round = 0; round < 8; round++) {
        pt_ctx *ctx = round / 2 == 0 ? &ot.ref : round / 2 == 3 ? &ot.half : &ot.cpu;
        if (!ctx->ops) continue;
        pt_threads_set(round / 2 == 2 ? 3 : 1);
        pt_head_args a = args_of(&k, round % 4 < 2);
        add_sums(&a, 1 + round % 2, 0);
        pt_view dw0 = pt_view_ok(a.dw) ? ot_copy_of(a.dw) : PT_NO_VIEW;
        a.dentropy = a.dlog_squares = PT_NO_VIEW;
        memset(ot_at(a.dlogp), 0, (size_t)a.dlogp.cols * sizeof(float));
        if (ctx == &ot.ref) ot_ok(pt_ref_head(ctx, &a));
        else OT_RUN(ctx, head, &a);
        for (int64_t h = 0; h < k.hd; h++) {
            assert_true(ot_f32(a.kl, 0)[h] == 0 && ot_f32(a.log_squares, 0)[h] < 0);
            for (int64_t c = 0; c < k.c; c++) assert_true(ot_f32(a.dx, h)[c] == 0);
        }
        if (pt_view_ok(a.dw)) assert_true(ot_equal_bits(a.dw, dw0));
        ot_free_all();
    }
    pt_threads_set(1);
    for (int64_t vocab = 1; vocab < 700; vocab += 599) {
        head_case flat = {2, 4, vocab, PT_F32, 1, 0, 0, 0};
        pt_head_args a = args_of(&flat, true);
        add_sums(&a, FROM_POLICY, 0);
        memset(ot_at(a.dlogp), 0, (size_t)a.dlogp.cols * sizeof(float));
        OT_RUN(&ot.cpu, head, &a);
        for (int64_t h = 0; h < 2; h++) {
            assert_true(fabs(ot_f32(a.log_squares, 0)[h] + log((double)vocab)) < 1e-5 && fabs(ot_f32(a.entropy, 0)[h] - log((double)vocab)) < 1e-5);
            for (int64_t c = 0; c < 4; c++) assert_true(fabsf(ot_f32(a.dx, h)[c]) < 1e-6f);
        }
        ot_free_all();
    }
}

/* A divergence of 1e-6 is no rounding error (a naive sum's is as large); one of distributions far apart is finite, and its gradient. */
static void test_near_and_far(void **state)
{
    head_case k = {6, 32, 1500, PT_F32, 1, 0, 1, 0};
    for (int sums = FROM_POLICY; sums <= FROM_REFERENCE; sums++)
        for (int far = 0; far < 2; far++) {
            pt_head_args got = args_of(&k, false), want = args_of(&k, false);
            add_sums(&got, sums, far ? 300 : 1e-3f), add_sums(&want, sums, far ? 300 : 1e-3f);
            ot_ok(pt_ref_head(&ot.ref, &want));
            OT_RUN(&ot.cpu, head, &got);
            for (int64_t h = 0; h < k.hd; h++) {
                double kl = ot_f32(want.kl, 0)[h], off = fabs(ot_f32(got.kl, 0)[h] - kl);
                if (!(off < 1e-2 * kl) || kl == 0 || (far ? kl < 1 : kl > 1e-4)) fail_msg("divergence %g, off by %g", kl, off);
                for (int64_t c = 0; c < k.c; c++) assert_true(isfinite(ot_f32(got.dx, h)[c]));
            }
            ot_free_all();
        }
}

/* Outputs alone: the same bits as beside gradients; without them nothing that was there changes. */
static void test_sums_alone(void **state)
{
    head_case k = {70, 32, 20000, PT_Q8_0, 1, 0, 1, 0};
    pt_head_args all = args_of(&k, true), plain = all;
    add_sums(&all, FROM_REFERENCE, 0.1f);
    plain.logp = ot_out(1, all.logp.cols), plain.lse = ot_out(1, k.hd), plain.entropy = ot_out(1, k.hd);
    plain.dx = plain.dw = PT_NO_VIEW;
    pt_head_args only = all;
    only.log_squares = ot_out(1, k.hd), only.kl = ot_out(1, k.hd), only.dx = only.dw = only.dlogp = only.dentropy = only.dlog_squares = only.dkl = PT_NO_VIEW;
    OT_RUN(&ot.cpu, head, &plain);
    OT_RUN(&ot.cpu, head, &all);
    OT_RUN(&ot.cpu, head, &only);
    assert_true(ot_equal_bits(only.log_squares, all.log_squares) && ot_equal_bits(only.kl, all.kl));
    assert_true(ot_equal_bits(plain.logp, all.logp) && ot_equal_bits(plain.entropy, all.entropy) && ot_equal_bits(plain.lse, all.lse));
    ot_free_all();
}

/* Logits far apart and large: no overflow, exact zero loss where one target has all the mass. */
static void test_extremes(void **state)
{
    head_case k = {3, 4, 40, PT_F32, 1, 0, 1, 0};
    pt_head_args a = args_of(&k, false);
    for (int64_t h = 0; h < 3; h++)
        for (int64_t c = 0; c < 4; c++) ot_f32(a.x, h)[c] = c == 0 ? 3e18f : 0;
    for (int64_t v = 0; v < 40; v++) ot_f32(a.w, v)[0] = v == 39 ? 3e18f : (float)v;
    OT_RUN(&ot.cpu, head, &a);
    for (int64_t m = 0; m < a.logp.cols; m++)
        assert_true(((int32_t *)ot_at(a.row_target))[m] == 39 ? ot_f32(a.logp, 0)[m] == 0 : isfinite(ot_f32(a.logp, 0)[m]));
    assert_int_equal(((int32_t *)ot_at(a.argmax))[1], 39);
    ot_f32(a.x, 1)[0] = NAN; /* is seen, not swallowed */
    OT_RUN(&ot.cpu, head, &a);
    assert_true(isnan(ot_f32(a.lse, 0)[1]) && isfinite(ot_f32(a.lse, 0)[0]));
    ot_free_all();
}

/* Logits that rise by 26 from block to block of the vocabulary: dx must follow each new maximum. */
static void test_rising(void **state)
{
    head_case k = {5, 4, 2500, PT_F32, 1, 0, 1, 0};
    pt_head_args a[3];
    for (int i = 0; i < 3; i++) {
        a[i] = args_of(&k, false);
        for (int64_t h = 0; h < k.hd; h++) ot_f32(a[i].x, h)[0] = 2;
        for (int64_t v = 0; v < k.vocab; v++) ot_f32(a[i].w, v)[0] = (float)v * 0.025f;
        for (int64_t m = 0; m < a[i].row_target.cols; m++) ((int32_t *)ot_at(a[i].row_target))[m] = 2400 + (int32_t)m;
    }
    ot_ok(pt_ref_head(&ot.ref, &a[2]));
    ot_ok(naive_head(&ot.ref, &a[1]));
    OT_RUN(&ot.cpu, head, &a[0]);
    for (int64_t h = 0; h < k.hd; h++)
        for (int64_t c = 0; c < k.c; c++)
            if (!isfinite(ot_f32(a[0].dx, h)[c])) fail_msg("dx[%d,%d] is not finite", (int)h, (int)c);
    compare(&a[0], &a[1], &a[2]);
    ot_free_all();
}

/* All logits, alone and beside the rest, which does not change; of few rows and of many. */
static void test_logits(void **state)
{
    static const head_case cases[] = {{1, 32, 33, PT_F32, 1, 0, 1, 0},     {5, 256, 700, PT_Q4_K, 1, 30, 4, 0}, {20, 64, 1100, PT_Q8_0, 0.7f, 0, 1, 2},
                                      {33, 64, 1025, PT_BF16, 1, 2, 1, 3}, {3, 33, 520, PT_F32, 1.5f, 5, 2, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const head_case *k = &cases[i];
        pt_head_args got = args_of(k, true), naive = args_of(k, true), want = args_of(k, true), plain = args_of(k, true);
        got.logits = ot_new(PT_F32, k->hd, k->vocab, k->vocab + k->pad), naive.logits = ot_out(k->hd, k->vocab), want.logits = ot_out(k->hd, k->vocab);
        ot_ok(pt_ref_head(&ot.ref, &want));
        ot_ok(naive_head(&ot.ref, &naive));
        OT_RUN(&ot.cpu, head, &got);
        OT_RUN(&ot.cpu, head, &plain);
        ot_within("logits", got.logits, naive.logits, want.logits);
        assert_true(ot_equal_bits(got.logp, plain.logp));
        assert_true(ot_equal_bits(got.dx, plain.dx));
        for (int r = 0; r < 2; r++) {
            pt_head_args only = {.logits = ot_out(k->hd, k->vocab), .x = got.x, .w = got.w, .temperature = k->temperature, .softcap = k->softcap};
            if (r) OT_RUN(&ot.cpu, head, &only);
            else ot_ok(pt_ref_head(&ot.ref, &only));
            for (int64_t h = 0; h < k->hd; h++) assert_memory_equal(ot_f32(only.logits, h), ot_f32(r ? got.logits : want.logits, h), (size_t)k->vocab * 4);
        }
        for (int64_t m = 0; m < got.logp.cols; m++) { /* their log-softmax is logp */
            int64_t h = ((int32_t *)ot_at(got.row_head))[m];
            double z = (double)ot_f32(got.logits, h)[((int32_t *)ot_at(got.row_target))[m]] - (double)ot_f32(got.lse, 0)[h];
            assert_true(fabs(z - (double)ot_f32(got.logp, 0)[m]) <= 1e-4 * (1 + fabs(z)));
        }
        ot_free_all();
    }
}

static void test_dry_run_and_refusals(void **state)
{
    size_t last = 0;
    pt_buf none = {0};
    for (int64_t hd = 0; hd < 3000; hd += 97) {
        pt_view act = {&none, 0, PT_F32, hd, 64, 64}, w = {&none, 0, PT_Q8_0, 49152, 64, 64}, m = {&none, 0, PT_I32, 1, hd, hd}, f = {&none, 0, PT_F32, 1, hd, hd};
        size_t need = ot_need(&ot.cpu, head, (&(pt_head_args){.logp = f, .dx = act, .x = act, .w = w, .row_head = m, .row_target = m, .dlogp = f, .temperature = 1}));
        assert_true(need >= last && need < 64u << 20);
        last = need;
    }
    head_case k = {4, 32, 11, PT_F32, 1, 0, 1, 0};
    const pt_ops *all[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int i = 0; i < 2; i++) {
        pt_ctx *ctx = i ? &ot.cpu : &ot.ref;
        pt_head_args a = args_of(&k, true);
        ctx->workspace = ot_new(PT_U8, 1, 1 << 20, 1 << 20);
        ((int32_t *)ot_at(a.row_target))[1] = 11;
        assert_int_equal(all[i]->head(ctx, &a), PT_ESHAPE);
        ((int32_t *)ot_at(a.row_target))[1] = 1;
        ((int32_t *)ot_at(a.row_head))[a.row_head.cols - 1] = 0;
        assert_int_equal(all[i]->head(ctx, &a), PT_ESHAPE);
        a = args_of(&k, true);
        a.temperature = 0;
        assert_int_equal(all[i]->head(ctx, &a), PT_EARG);
        a.temperature = 1;
        a.dlogp = PT_NO_VIEW;
        assert_int_equal(all[i]->head(ctx, &a), PT_ESHAPE);
        a = args_of(&k, true);
        add_sums(&a, FROM_POLICY, 1);
        a.xr = PT_NO_VIEW; /* a divergence from nothing */
        assert_int_equal(all[i]->head(ctx, &a), PT_ESHAPE);
        a.kl = PT_NO_VIEW;
        assert_int_equal(all[i]->head(ctx, &a), PT_ESHAPE);
        a.dkl = PT_NO_VIEW;
        assert_int_equal(all[i]->head(ctx, &a), PT_OK);
        a.dentropy = ot_out(1, 3);
        assert_int_equal(all[i]->head(ctx, &a), PT_ESHAPE);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_ref),  cmocka_unit_test(test_many_chunks), cmocka_unit_test(test_some_rows_of_dw), cmocka_unit_test(test_one_visit_is_two),
        cmocka_unit_test(test_differences), cmocka_unit_test(test_extremes),    cmocka_unit_test(test_rising),
        cmocka_unit_test(test_dry_run_and_refusals), cmocka_unit_test(test_logits),
        cmocka_unit_test(test_equal),        cmocka_unit_test(test_near_and_far), cmocka_unit_test(test_sums_alone),
    };
    return cmocka_run_group_tests(tests, setup, ot_end);
}
