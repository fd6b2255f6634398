/* LoRA on the backend under test against ref: ranks past one tile (rsLoRA's 128 and more), widths past one block, many tiles of
 * tokens, frozen slots, runs without an adapter, without dx, backward in two calls, and every gradient of every part and slot at most twice as wrong
 * as a plain program of the same precision. */
#include "tests/ops/op_modes.h"

enum { PARTS = 2, SLOTS = 3, MOST_RANK = 320 };
static const uint64_t SEED = 9, STEP = 4;
typedef struct shape {
    int64_t n, in, out[PARTS];
    int rank[SLOTS];
    float dropout;
    bool with_dx;
    pt_lora_run runs[4];
    int n_runs;
} shape;
typedef struct mats {
    pt_view x, unmade, dx, key, y[PARTS], dy[PARTS], t[PARTS], dt[PARTS], a[PARTS][SLOTS], b[PARTS][SLOTS], da[PARTS][SLOTS], db[PARTS][SLOTS];
} mats;

static bool frozen(int slot)
{
    return slot == 1;
}
static float scale_of(int slot)
{
    return 0.4f - 0.1f * (float)slot;
}
static unsigned module_of(int part)
{
    return 32 + 3 * (unsigned)part;
}
static float keep(const mats *m, const shape *s, int p, int64_t n, int64_t f)
{
    if (s->dropout == 0) return 1;
    uint64_t key = ((const uint64_t *)ot_at(m->key))[n];
    pt_rng4 w = pt_rng_words(SEED, PT_RNG_DROPOUT, pt_hash_mix(key, STEP), (uint64_t)module_of(p) << 32 | (uint64_t)(f / 4));
    return pt_rng_unit(w.v[f % 4]) < s->dropout ? 0 : 1 / (1 - s->dropout);
}

static void make(pt_dtype t, const shape *s, mats *m)
{
    int most = 0;
    for (int rank : s->rank) most = rank > most ? rank : most;
    m->x = ot_in(t, s->n, s->in, s->in + 8, 1, 1), m->unmade = ot_act(t, s->n, s->in, s->in + 8), m->key = ot_act(PT_U64, 1, s->n, s->n);
    m->dx = s->with_dx ? ot_in(t, s->n, s->in, s->in, 2, 1) : ot_none();
    for (int64_t i = 0; i < s->n; i++) ((uint64_t *)ot_at(m->key))[i] = pt_hash_mix(8, (uint64_t)i);
    ot_put(m->key);
    for (int p = 0; p < PARTS; p++) {
        m->y[p] = ot_in(t, s->n, s->out[p], s->out[p], 3 + (uint64_t)p, 1);
        m->dy[p] = ot_in(t, s->n, s->out[p], s->out[p] + 8, 5 + (uint64_t)p, 1);
        m->t[p] = ot_in(PT_F32, s->n, most, most, 7, 1), m->dt[p] = ot_act(PT_F32, s->n, most, most + 4);
        for (int q = 0; q < SLOTS; q++) {
            uint64_t seed = 100 + 10 * (uint64_t)(p * SLOTS + q);
            int r = s->rank[q];
            m->a[p][q] = m->b[p][q] = m->da[p][q] = m->db[p][q] = ot_none();
            if (!r) continue;
            m->a[p][q] = ot_in(PT_F32, r, s->in, s->in, seed, 0.1f),
            m->b[p][q] = ot_in(PT_F32, s->out[p], r, r, seed + 1, 0.1f);
            m->da[p][q] = ot_in(PT_F32, r, s->in, s->in, seed + 2, 1),
            m->db[p][q] = ot_in(PT_F32, s->out[p], r, r, seed + 3, 1);
        }
    }
}
static void arguments(const shape *s, const mats *m, bool backward, pt_lora_args *a, pt_lora_part part[PARTS],
                      pt_lora_slot slot[PARTS][SLOTS])
{
    *a = {};
    a->x = D(m->x), a->n_parts = PARTS, a->parts = part, a->n_runs = s->n_runs, a->runs = s->runs, a->n_slots = SLOTS;
    a->dropout = s->dropout, a->token_key = D(m->key), a->seed = SEED, a->step = STEP;
    if (backward) a->dx = D(m->dx);
    for (int p = 0; p < PARTS; p++) {
        part[p] = {};
        part[p].t = D(m->t[p]), part[p].slots = slot[p], part[p].module = module_of(p);
        if (backward)
            part[p].dy = D(m->dy[p]);
        else
            part[p].y = D(m->y[p]);
        for (int q = 0; q < SLOTS; q++) {
            slot[p][q] = {};
            slot[p][q].rank = s->rank[q], slot[p][q].scale = scale_of(q), slot[p][q].a = D(m->a[p][q]),
            slot[p][q].b = D(m->b[p][q]);
            if (backward && !frozen(q)) slot[p][q].da = D(m->da[p][q]), slot[p][q].db = D(m->db[p][q]);
        }
    }
}

/* The plain program, row by row. */
typedef struct plain {
    float *y[PARTS], *dx, *da[PARTS][SLOTS], *db[PARTS][SLOTS];
} plain;
static void plain_row(pt_dtype t, const shape *s, const mats *m, plain *o, int64_t r, int q)
{
    float tv[MOST_RANK], dt[MOST_RANK];
    for (int p = 0; p < PARTS; p++) {
        int64_t width = s->out[p];
        float *y = o->y[p] + r * width;
        for (int k = 0; k < s->rank[q]; k++) {
            float down = 0, up = 0;
            for (int64_t f = 0; f < s->in; f++)
                down += ot_round(t, ot_f32(m->x, r)[f] * keep(m, s, p, r, f)) * ot_round(t, ot_f32(m->a[p][q], k)[f]);
            for (int64_t i = 0; i < width; i++) up += ot_f32(m->dy[p], r)[i] * ot_round(t, ot_f32(m->b[p][q], i)[k]);
            tv[k] = ot_round(t, down), dt[k] = ot_round(t, scale_of(q) * up);
        }
        for (int64_t i = 0; i < width; i++) {
            float sum = 0, g = ot_f32(m->dy[p], r)[i];
            for (int k = 0; k < s->rank[q]; k++) {
                sum += tv[k] * ot_round(t, ot_f32(m->b[p][q], i)[k]);
                o->db[p][q][i * s->rank[q] + k] += scale_of(q) * g * tv[k];
            }
            y[i] = ot_round(t, y[i] + scale_of(q) * sum);
        }
        for (int64_t f = 0; f < s->in; f++) {
            float mask = keep(m, s, p, r, f), x = ot_round(t, mask * ot_f32(m->x, r)[f]);
            for (int k = 0; k < s->rank[q]; k++) {
                if (o->dx) o->dx[r * s->in + f] += mask * dt[k] * ot_round(t, ot_f32(m->a[p][q], k)[f]);
                o->da[p][q][k * s->in + f] += dt[k] * x;
            }
        }
    }
}
static void plain_run(pt_dtype t, const shape *s, const mats *m, plain *o)
{
    *o = {};
    if (s->with_dx) o->dx = ot_floats(m->dx);
    for (int p = 0; p < PARTS; p++) {
        o->y[p] = ot_floats(m->y[p]);
        for (int q = 0; q < SLOTS; q++)
            if (s->rank[q]) o->da[p][q] = ot_floats(m->da[p][q]), o->db[p][q] = ot_floats(m->db[p][q]);
    }
    for (int i = 0; i < s->n_runs; i++)
        for (int64_t r = s->runs[i].begin; r < s->runs[i].end; r++)
            if (s->runs[i].slot >= 0 && s->rank[s->runs[i].slot]) plain_row(t, s, m, o, r, s->runs[i].slot);
    for (int64_t i = 0; o->dx && i < s->n * s->in; i++) o->dx[i] = ot_round(t, o->dx[i]);
}
static void plain_free(plain *o)
{
    free(o->dx);
    for (int p = 0; p < PARTS; p++) {
        free(o->y[p]);
        for (int q = 0; q < SLOTS; q++) free(o->da[p][q]), free(o->db[p][q]);
    }
}

/* In two calls x is there for the second alone. */
static void backward_of(const shape *s, mats *m, const plain *o, bool in_two)
{
    pt_lora_part part[PARTS];
    pt_lora_slot slot[PARTS][SLOTS];
    if (!in_two) {
        OT_ON(lora_bwd, pt_lora_args, arguments(s, m, true, &a, part, slot));
        if (s->with_dx) ot_result_within("dx", m->dx, o->dx);
        return;
    }
    OT_ON(lora_bwd, pt_lora_args, arguments(s, m, true, &a, part, slot), a.half = PT_LORA_TO_X, a.x = D(m->unmade), part[0].dt = D(m->dt[0]), part[1].dt = D(m->dt[1]));
    ot_result_within("dx", m->dx, o->dx);
    for (int p = 0; p < PARTS; p++) {
        for (int q = 0; q < SLOTS; q++)
            if (s->rank[q]) ot_near(m->da[p][q], 0, 0), ot_near(m->db[p][q], 0, 0); /* untouched */
        ot_put(m->dt[p]); /* ref's dt for both */
    }
    OT_ON(lora_bwd, pt_lora_args, arguments(s, m, true, &a, part, slot), a.half = PT_LORA_OWN, a.dx = ot_none(), part[0].dt = D(m->dt[0]), part[1].dt = D(m->dt[1]));
}

static void lora_case(pt_dtype t, const shape *s, bool in_two)
{
    mats m;
    plain o;
    pt_lora_part part[PARTS];
    pt_lora_slot slot[PARTS][SLOTS];
    ot_case(t);
    make(t, s, &m);
    plain_run(t, s, &m, &o);
    OT_ON(lora, pt_lora_args, arguments(s, &m, false, &a, part, slot));
    for (int p = 0; p < PARTS; p++) ot_result_within("y", m.y[p], o.y[p]);
    for (int p = 0; p < PARTS; p++) ot_put(m.t[p]); /* ref's t for both */
    backward_of(s, &m, &o, in_two);
    for (int p = 0; p < PARTS; p++)
        for (int q = 0; q < SLOTS; q++) {
            if (!s->rank[q]) continue;
            if (frozen(q)) {
                ot_near(m.da[p][q], 0, 0), ot_near(m.db[p][q], 0, 0); /* untouched */
                continue;
            }
            ot_result_within("da", m.da[p][q], o.da[p][q]), ot_result_within("db", m.db[p][q], o.db[p][q]);
        }
    plain_free(&o);
    ot_free_all();
}

static const shape large_rank =
                       {140, 72, {90, 40}, {130, 20, 70}, 0, true, {{0, 66, 0}, {66, 70, 1}, {70, 100, -1}, {100, 140, 2}}, 4},
                   large_width = {70, 600, {330, 270}, {12, 0, 5}, 0, true, {{0, 40, 0}, {40, 50, 1}, {50, 70, 2}}, 3},
                   no_dx = {66, 40, {24, 24}, {65, 3, 0}, 0, false, {{0, 60, 0}, {60, 66, 1}}, 2},
                   staged_16 = {200, 264, {328, 136}, {16, 12, 4}, 0, true, {{0, 130, 0}, {130, 140, 1}, {140, 150, 2}, {150, 200, 0}}, 4},
                   staged_64 = {100, 136, {264, 72}, {64, 0, 32}, 0, true, {{0, 70, 0}, {70, 80, 1}, {80, 100, 2}}, 3},
                   staged_32 = {70, 136, {136, 72}, {32, 8, 0}, 0, true, {{0, 66, 0}, {66, 70, 1}}, 2},
                   largest = {20, 40, {24, 30}, {320, 8, 0}, 0, true, {{0, 18, 0}, {18, 20, 1}}, 2};
static void both(shape s, bool in_two)
{
    ot_most_passes = 1;
    OT_EACH_ACT(t)
        for (float dropout : {0.0f, 0.3f}) {
            s.dropout = dropout;
            lora_case(t, &s, in_two);
        }
    ot_most_passes = 3;
}
static void test_rank(void **)
{
    both(large_rank, false);
    both(largest, false);
}
static void test_width(void **)
{
    both(large_width, false);
}
/* Aligned rows: copies in stages, and sums in pieces (five steps and more). */
static void test_staged(void **)
{
    both(staged_16, false);
    both(staged_32, false);
    both(staged_64, false);
}
static void test_no_dx(void **)
{
    both(no_dx, false);
}
/* Copies in stages, and rows that are not aligned; ranks of several tiles. */
static void test_two_calls(void **)
{
    both(staged_16, true);
    both(staged_64, true);
    both(largest, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rank), cmocka_unit_test(test_width), cmocka_unit_test(test_staged), cmocka_unit_test(test_no_dx), cmocka_unit_test(test_two_calls)};
    return ot_main("kernels_ranks", tests);
}
