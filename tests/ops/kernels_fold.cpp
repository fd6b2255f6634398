/* lora and lora_bwd that take the base's product along (kernels/lora.h), against ref: weights of every form, with and without lent columns, tokens
 * that no adapter covers; and whether one product was made of both, which what stands behind x and dy afterwards shows. */
#include "tests/ops/op_modes.h"

enum { MOST = 3, ROOM = 96 };
struct shape {
    int64_t n, in;
    int parts;
    int64_t out[MOST];
    int rank[MOST];
    pt_dtype w;
    bool kept, lent, bias, with_dx; /* kept: w has a second form, with room */
    float beta, dropout;
    pt_lora_run runs[4];
    int n_runs;
    bool folds; /* with bf16 */
};
struct mats {
    pt_view x, dx, key, y[MOST], dy[MOST], t[MOST], a[MOST], b[MOST], da[MOST], db[MOST], w[MOST], second[MOST], bias[MOST];
    float *plain_w[MOST];
};

static float scale_of(int p)
{
    return 0.75f - 0.125f * (float)p;
}
static int64_t columns(const shape *s, int p)
{
    return (s->rank[p] + 7) / 8 * 8;
}
static pt_view own(pt_view v, int64_t cols)
{
    return pt_view_cols(v, 0, cols);
}

/* The second form of w: its numbers, with zeros in the room. */
static pt_view second_form(pt_dtype t, const float *w, int64_t out, int64_t in)
{
    pt_view v = ot_act(t, out + ROOM, in + ROOM, in + ROOM);
    for (int64_t r = 0; r < out + ROOM; r++)
        for (int64_t c = 0; c < in + ROOM; c++) ot_f32(v, r)[c] = r < out && c < in ? w[r * in + c] : 0.0f;
    ot_put(v);
    return v;
}
static void make(pt_dtype t, const shape *s, mats *m)
{
    *m = {};
    m->x = ot_in(t, s->n, s->in + ROOM, s->in + ROOM, 1, 1), m->dx = s->with_dx ? ot_in(t, s->n, s->in, s->in + 8, 2, 1) : ot_none();
    m->key = ot_act(PT_U64, 1, s->n, s->n);
    for (int64_t i = 0; i < s->n; i++) ((uint64_t *)ot_at(m->key))[i] = pt_hash_mix(8, (uint64_t)i);
    ot_put(m->key);
    for (int p = 0; p < s->parts; p++) {
        const uint64_t seed = 10 * (uint64_t)p;
        const int64_t out = s->out[p];
        const int r = s->rank[p];
        m->y[p] = ot_in(t, s->n, out, out + 8, seed + 3, 1), m->dy[p] = ot_in(t, s->n, out + ROOM, out + ROOM, seed + 4, 1);
        m->t[p] = ot_in(PT_F32, s->n, r ? r : 1, r ? r : 1, seed + 5, 1);
        m->w[p] = ot_weight(s->w, out, s->in, seed + 6, 0.1f), m->bias[p] = s->bias ? ot_weight(PT_F32, 1, out, seed + 7, 1) : ot_none();
        m->plain_w[p] = ot_dequantised(m->w[p]);
        for (int64_t i = 0; i < out * s->in; i++) m->plain_w[p][i] = ot_round(t, m->plain_w[p][i]);
        if (s->kept) m->second[p] = second_form(t, m->plain_w[p], out, s->in);
        if (!r) continue;
        m->a[p] = ot_in(PT_F32, r, s->in, s->in, seed + 100, 0.1f), m->b[p] = ot_in(PT_F32, out, r, r, seed + 101, 0.1f);
        m->da[p] = ot_in(PT_F32, r, s->in, s->in, seed + 102, 1), m->db[p] = ot_in(PT_F32, out, r, r, seed + 103, 1);
    }
}
/* w as the backend sees it: with its second form where it has one. */
static pt_view weight_of(const mats *m, int p, pt_buf *buf)
{
    pt_view w = D(m->w[p]), second = D(m->second[p]);
    if (om.host || !second.buf) return w;
    *buf = *w.buf;
    buf->base += w.off, buf->bytes -= w.off;
    buf->packed = second.buf->base + second.off, buf->kept = true, buf->room_cols = buf->room_rows = ROOM;
    w.buf = buf, w.off = 0;
    return w;
}
static void arguments(const shape *s, const mats *m, bool backward, pt_lora_args *a, pt_lora_part part[MOST], pt_lora_slot slot[MOST], pt_buf bufs[MOST])
{
    const int lent = s->lent ? ROOM : 0;
    a->x = own(D(m->x), s->in), a->dx = backward ? D(m->dx) : ot_none(), a->n_parts = s->parts, a->parts = part, a->n_runs = s->n_runs, a->runs = s->runs;
    a->n_slots = 1, a->dropout = s->dropout, a->token_key = D(m->key), a->seed = 9, a->step = 4, a->beta = s->beta, a->x_spare = backward ? 0 : lent;
    for (int p = 0; p < s->parts; p++) {
        part[p] = {}, slot[p] = {};
        part[p].t = D(m->t[p]), part[p].slots = &slot[p], part[p].module = 32 + (uint32_t)p, part[p].w = weight_of(m, p, &bufs[p]);
        if (backward) part[p].dy = own(D(m->dy[p]), s->out[p]), part[p].dy_spare = lent;
        if (!backward) part[p].y = D(m->y[p]), part[p].bias = D(m->bias[p]);
        slot[p].rank = s->rank[p], slot[p].scale = scale_of(p);
        if (!s->rank[p]) continue;
        slot[p].a = D(m->a[p]), slot[p].b = D(m->b[p]);
        if (backward) slot[p].da = D(m->da[p]), slot[p].db = D(m->db[p]);
    }
}

static bool covered(const shape *s, int64_t r)
{
    for (int i = 0; i < s->n_runs; i++)
        if (s->runs[i].slot >= 0 && r >= s->runs[i].begin && r < s->runs[i].end) return true;
    return false;
}
static float keep(const mats *m, const shape *s, int p, int64_t n, int64_t f)
{
    if (s->dropout == 0) return 1;
    pt_rng4 w = pt_rng_words(9, PT_RNG_DROPOUT, pt_hash_mix(((const uint64_t *)ot_at(m->key))[n], 4), (uint64_t)(32 + p) << 32 | (uint64_t)(f / 4));
    return pt_rng_unit(w.v[f % 4]) < s->dropout ? 0 : 1 / (1 - s->dropout);
}

/* The plain program: one product of both, as the backend's types have it. */
struct plain {
    float *y[MOST], *dx, *da[MOST], *db[MOST], *t[MOST], *dt[MOST]; /* t, dt: scaled, [n, rank] */
};
static void plain_forward(pt_dtype t, const shape *s, const mats *m, plain *o, int p, int64_t r)
{
    const int rank = covered(s, r) ? s->rank[p] : 0;
    float *tv = o->t[p] + r * s->rank[p];
    for (int k = 0; k < rank; k++) {
        float down = 0;
        for (int64_t f = 0; f < s->in; f++) down += ot_round(t, ot_f32(m->x, r)[f] * keep(m, s, p, r, f)) * ot_round(t, ot_f32(m->a[p], k)[f]);
        tv[k] = ot_round(t, scale_of(p) * down);
    }
    for (int64_t i = 0; i < s->out[p]; i++) {
        float *y = o->y[p] + r * s->out[p] + i, sum = s->beta != 0 ? *y : 0;
        for (int64_t f = 0; f < s->in; f++) sum += ot_f32(m->x, r)[f] * m->plain_w[p][i * s->in + f];
        for (int k = 0; k < rank; k++) sum += tv[k] * ot_round(t, ot_f32(m->b[p], i)[k]);
        *y = ot_round(t, sum);
        if (s->bias) *y = ot_round(t, *y + ot_f32(m->bias[p], 0)[i]);
    }
}
static void plain_backward(pt_dtype t, const shape *s, const mats *m, plain *o, int p, int64_t r)
{
    const int rank = covered(s, r) ? s->rank[p] : 0;
    float *dt = o->dt[p] + r * s->rank[p];
    for (int k = 0; k < rank; k++) {
        float up = 0;
        for (int64_t i = 0; i < s->out[p]; i++) up += ot_f32(m->dy[p], r)[i] * ot_round(t, ot_f32(m->b[p], i)[k]);
        dt[k] = ot_round(t, scale_of(p) * up);
        for (int64_t i = 0; i < s->out[p]; i++) o->db[p][i * rank + k] += scale_of(p) * ot_f32(m->dy[p], r)[i] * ot_round(t, ot_f32(m->t[p], r)[k]);
        for (int64_t f = 0; f < s->in; f++) o->da[p][k * s->in + f] += dt[k] * ot_round(t, ot_f32(m->x, r)[f] * keep(m, s, p, r, f));
    }
    for (int64_t f = 0; s->with_dx && f < s->in; f++) {
        float *dx = o->dx + r * s->in + f, sum = p > 0 || s->beta != 0 ? *dx : 0;
        for (int64_t i = 0; i < s->out[p]; i++) sum += ot_f32(m->dy[p], r)[i] * m->plain_w[p][i * s->in + f];
        for (int k = 0; k < rank; k++) sum += dt[k] * keep(m, s, p, r, f) * ot_round(t, ot_f32(m->a[p], k)[f]);
        *dx = ot_round(t, sum);
    }
}
static void plain_new(const shape *s, const mats *m, plain *o)
{
    *o = {};
    if (s->with_dx) o->dx = ot_floats(m->dx);
    for (int p = 0; p < s->parts; p++) {
        o->y[p] = ot_floats(m->y[p]);
        o->t[p] = (float *)calloc((size_t)(s->n * s->rank[p]) + 1, sizeof(float)), o->dt[p] = (float *)calloc((size_t)(s->n * s->rank[p]) + 1, sizeof(float));
        assert_true(o->t[p] && o->dt[p]);
        if (s->rank[p]) o->da[p] = ot_floats(m->da[p]), o->db[p] = ot_floats(m->db[p]);
    }
}

/* What stands behind rows of x or dy: the scaled products of the adapter, and zeros, or what stood there. */
static void check_behind(pt_view v, int64_t at, const shape *s, int p, const float *want, int64_t rank, bool folded)
{
    for (int64_t r = 0; r < s->n; r++)
        for (int64_t k = 0; k < columns(s, p); k++) {
            float got = ot_got(v, r, at + k), was = ot_f32(v, r)[at + k], w = k < rank ? want[r * rank + k] : 0;
            if (!folded && got != was) fail_msg("part %d, row %d: column %d behind it was written", p, (int)r, (int)k);
            if (folded && !(fabsf(got - w) <= 0.02f * (fabsf(w) + 0.1f))) fail_msg("part %d, row %d, column %d behind it: %g, not %g", p, (int)r, (int)k, (double)got, (double)w);
        }
}
static void check_forward(pt_dtype t, const shape *s, const mats *m, const plain *o)
{
    int64_t at = s->in;
    for (int p = 0; p < s->parts; p++) {
        ot_result_within("y", m->y[p], o->y[p]);
        check_behind(m->x, at, s, p, o->t[p], s->rank[p], s->folds && t == PT_BF16);
        at += columns(s, p);
    }
}
static void check_backward(pt_dtype t, const shape *s, const mats *m, const plain *o)
{
    if (s->with_dx) ot_result_within("dx", m->dx, o->dx);
    for (int p = 0; p < s->parts; p++) {
        check_behind(m->dy[p], s->out[p], s, p, o->dt[p], s->rank[p], s->folds && s->with_dx && t == PT_BF16);
        if (s->rank[p]) ot_result_within("da", m->da[p], o->da[p]), ot_result_within("db", m->db[p], o->db[p]);
    }
}

static void fold_case(pt_dtype t, const shape *s)
{
    mats m;
    plain o;
    pt_lora_part part[MOST];
    pt_lora_slot slot[MOST];
    pt_buf bufs[MOST];
    ot_case(t);
    make(t, s, &m);
    plain_new(s, &m, &o);
    for (int p = 0; p < s->parts; p++)
        for (int64_t r = 0; r < s->n; r++) plain_forward(t, s, &m, &o, p, r);
    OT_ON(lora, pt_lora_args, arguments(s, &m, false, &a, part, slot, bufs));
    check_forward(t, s, &m, &o);
    for (int p = 0; p < s->parts; p++) ot_put(m.t[p]); /* ref's t for both */
    for (int p = 0; p < s->parts; p++)
        for (int64_t r = 0; r < s->n; r++) plain_backward(t, s, &m, &o, p, r);
    OT_ON(lora_bwd, pt_lora_args, arguments(s, &m, true, &a, part, slot, bufs));
    check_backward(t, s, &m, &o);
    free(o.dx);
    for (int p = 0; p < s->parts; p++) free(o.y[p]), free(o.da[p]), free(o.db[p]), free(o.t[p]), free(o.dt[p]), free(m.plain_w[p]);
    ot_free_all();
}
static void both(shape s)
{
    OT_EACH_ACT(t) fold_case(t, &s);
}

static const shape start = {70, 64, 1, {40}, {16}, PT_F32, false, true, false, true, 0, 0, {{0, 70, 0}}, 1, true};

/* Forms of w: other types become numbers in the workspace, a second form is used where it lies; w of the activations' type has no room of its own. */
static void test_weights(void **)
{
    for (pt_dtype w : {PT_F32, PT_F16, PT_Q8_0, PT_Q4_K}) {
        shape s = start;
        s.w = w, s.in = w == PT_Q4_K ? 256 : 64;
        both(s);
        s.kept = true;
        both(s);
    }
    shape s = start;
    s.w = PT_BF16, s.folds = false;
    both(s);
}
/* Several parts, ranks that are no multiple of 8 or go past a tile, sums that go on, biases, more pieces of w than one. */
static void test_parts(void **)
{
    shape s = start;
    s.parts = 3, s.out[0] = 136, s.out[1] = 24, s.out[2] = 24, s.rank[0] = 12, s.rank[1] = 16, s.rank[2] = 20, s.beta = 1, s.bias = true;
    both(s);
    s.kept = true, s.w = PT_Q8_0, s.beta = 0;
    both(s);
    shape large = start;
    large.n = 140, large.rank[0] = 72, large.in = 136, large.out[0] = 264, large.bias = true;
    large.runs[0].end = 140;
    both(large);
}
/* A part without an adapter beside one that has: the base's product, in its place in the order of sums. */
static void test_without(void **)
{
    shape s = start;
    s.parts = 2, s.out[1] = 24, s.rank[1] = 0, s.w = PT_Q8_0;
    both(s);
    s.rank[0] = 0, s.rank[1] = 16, s.kept = true;
    both(s);
}
/* Tokens without an adapter, and runs of it with gaps. */
static void test_uncovered(void **)
{
    shape s = start;
    s.n = 150, s.n_runs = 4;
    const pt_lora_run gaps[] = {{0, 10, 0}, {10, 40, -1}, {40, 100, 0}, {120, 140, 0}}, at_once[] = {{0, 60, 0}, {60, 60, -1}, {60, 90, 0}, {90, 150, 0}};
    memcpy(s.runs, gaps, sizeof gaps);
    both(s);
    memcpy(s.runs, at_once, sizeof at_once);
    both(s);
    s.runs[3].end = 149;
    both(s);
}
/* What is made in two: dropout, nothing lent, few rows, rows that are not aligned; without dx no product is there to take dt along. */
static void test_apart(void **)
{
    shape s = start;
    s.folds = false, s.dropout = 0.3f;
    both(s);
    s = start, s.folds = false, s.lent = false;
    both(s);
    s = start, s.folds = false, s.n = 8, s.runs[0].end = 8;
    both(s);
    s = start, s.folds = false, s.in = 60, s.out[0] = 36;
    both(s);
    s = start, s.with_dx = false;
    both(s);
    s = start, s.folds = false, s.n_runs = 0;
    both(s);
}

#if OT_MODE == OT_CUDA
/* One product rounds y once, and each part's share of dx: never worse than two. */
static void test_rounding(void **)
{
    double y[2], dx[2], round;
    for (bool lent : {false, true}) {
        shape s = start;
        mats m;
        pt_lora_part part[MOST];
        pt_lora_slot slot[MOST];
        pt_buf bufs[MOST];
        s.n = s.runs[0].end = 128, s.in = 128, s.out[0] = 128, s.lent = lent;
        ot_case(PT_BF16);
        make(PT_BF16, &s, &m);
        OT_ON(lora, pt_lora_args, arguments(&s, &m, false, &a, part, slot, bufs));
        y[lent] = ot_result_error(m.y[0], &round);
        OT_ON(lora_bwd, pt_lora_args, arguments(&s, &m, true, &a, part, slot, bufs));
        dx[lent] = ot_result_error(m.dx, &round);
        free(m.plain_w[0]);
        ot_free_all();
    }
    print_message("# figure error of y, dx in bf16: apart %.5f, %.5f, in one product %.5f, %.5f\n", y[0], dx[0], y[1], dx[1]);
    assert_true(y[1] > 0 && y[1] < y[0] && dx[1] > 0 && dx[1] < dx[0]);
}

/* A weight that becomes numbers in pieces: two of rows forward, three of columns backward. */
static void test_pieces(void **)
{
    shape s = start;
    if (!ot_plain()) skip(); /* 33 million numbers */
    ot_most_passes = 1;
    s.n = s.runs[0].end = 9, s.in = 131072, s.out[0] = 256, s.w = PT_F16;
    fold_case(PT_BF16, &s);
    ot_most_passes = 3;
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weights), cmocka_unit_test(test_parts), cmocka_unit_test(test_without), cmocka_unit_test(test_uncovered), cmocka_unit_test(test_apart),
#if OT_MODE == OT_CUDA
                                       cmocka_unit_test(test_rounding), cmocka_unit_test(test_pieces),
#endif
    };
    return ot_main("kernels_fold", tests);
}
