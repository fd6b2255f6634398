/* Samplers against llama.cpp's: 200 rows x (20 samplers alone, 20 chains with history), and 50 steps a seed of what learns (tests/golden/samplers.py, which
 * says what the files hold). Committed of the model's rows is a compact form; `samplers.py --ours` compares every probability of every row with this file
 * built as a library: gcc -shared -DOURS ... -Wl,--unresolved-symbols=ignore-all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "train/generate/chain.h"
#include "train/generate/dry.h"

enum { V = 49152, ROWS = 200, REAL = 100, TOP = 256, QUANTS = 65, PAST = 96, SETTINGS = 40, SEEDS = 6, STEPS = 50 };
#define FOLDER "tests/golden/data/samplers/"
#define LEAST 1.1754944e-38f

/* ---- what is in the files ---- */

typedef struct compact { uint16_t id[TOP]; int16_t z[TOP], quant[QUANTS]; } compact;
typedef struct told { uint32_t n; uint64_t hash; float weighed, first, second; } told;

static compact real[REAL];
static uint16_t pasts[ROWS][PAST];
static pt_dry_breakers breakers;
static told expected[SETTINGS][ROWS], stepped[SEEDS][STEPS];
static uint16_t drawn[SEEDS][STEPS];

static bool get(FILE *f, void *to, size_t bytes)
{
    return fread(to, 1, bytes, f) == bytes;
}

static bool get_told(FILE *f, told *t)
{
    return get(f, &t->n, 4) && get(f, &t->hash, 8) && get(f, &t->weighed, 4) && get(f, &t->first, 4) && get(f, &t->second, 4);
}

static bool load(void)
{
    FILE *rows = fopen(FOLDER "rows.bin", "rb"), *out = fopen(FOLDER "expected.bin", "rb");
    uint32_t n = 0;
    bool ok = rows && get(rows, real, sizeof real) && get(rows, pasts, sizeof pasts) && get(rows, &n, 4) && n < 100000;
    breakers.head = calloc(n + 1, sizeof *breakers.head);
    breakers.from = calloc(n + 2, sizeof *breakers.from);
    breakers.tail = calloc(n * PT_DRY_TAIL + 1, sizeof *breakers.tail);
    for (uint32_t i = 0; i < n && ok; i++) {
        uint16_t x[2], t;
        ok = get(rows, x, sizeof x) && x[1] <= PT_DRY_TAIL;
        breakers.head[i] = x[0];
        breakers.from[i + 1] = breakers.from[i];
        for (int k = 0; ok && k < x[1]; k++) {
            ok = get(rows, &t, 2);
            breakers.tail[breakers.from[i + 1]++] = t;
        }
    }
    breakers.n = n;
#ifndef OURS
    for (int s = 0; s < SETTINGS; s++)
        for (int r = 0; r < ROWS; r++) ok = ok && out && get_told(out, &expected[s][r]);
    for (int s = 0; s < SEEDS; s++)
        for (int t = 0; t < STEPS; t++) ok = ok && get(out, &drawn[s][t], 2) && get_told(out, &stepped[s][t]);
#endif
    if (rows) fclose(rows);
    if (out) fclose(out);
    return ok;
}

/* ---- rows ---- */

static void fill(int row, float *z)
{
    uint64_t base = pt_hash_mix(20261130, (uint64_t)row);
    for (int i = 0; i < V; i++) {
        uint64_t h = pt_hash_mix(base, (uint64_t)i);
        int64_t normal = (int64_t)(h & 0xffff) + (int64_t)(h >> 16 & 0xffff) + (int64_t)(h >> 32 & 0xffff) + (int64_t)(h >> 48) - 131070, x;
        int kind = row % 10;
        bool minus = false;
        if (row < REAL) {
            int64_t u = (int64_t)(h >> 40), step = u >> 18, part = (u & 0x3ffff) >> 6;
            x = (real[row].quant[step] * (4096 - part) + real[row].quant[step + 1] * part);
            x = (x >> 2) + (int64_t)(h & 1023);
        } else {
            x = normal * (kind == 8 ? 1 : kind == 9 ? 221 : 83);
            if (kind == 1) x = (x >> 18) * (1 << 18);
            if (kind == 2) x = (x >> 20) * (1 << 20);
            if (kind == 3) minus = h % 49 != 0;
            if (kind == 4 || kind == 6) minus = true;
            if (kind == 5) x -= (int64_t)50 << 20;
            if (kind == 9) minus = h % 3 == 0;
        }
        z[i] = minus ? -INFINITY : (float)x * 0x1p-20f;
        if ((kind == 4 || kind == 6) && row >= REAL) z[i] = (float)x * 0x1p-20f; /* which of them stay: below */
    }
    if (row < REAL)
        for (int k = 0; k < TOP; k++) {
            uint64_t h = pt_hash_mix(base, real[row].id[k]);
            z[real[row].id[k]] = (float)(real[row].z[k] * 1024 + (int32_t)(h & 1023)) * 0x1p-20f;
        }
    else if (row % 10 == 4 || row % 10 == 6) {
        float keep[20];
        int at[20], n = row % 10 == 4 ? 20 : 1;
        for (int k = 0; k < n; k++) at[k] = n == 1 ? row * 977 % V : (k * 2311 + row) % V, keep[k] = z[at[k]];
        for (int i = 0; i < V; i++) z[i] = -INFINITY;
        for (int k = 0; k < n; k++) z[at[k]] = keep[k];
    } else if (row % 10 == 7) z[row * 977 % V] = 20;
}

/* ---- settings ---- */

static const struct { const char *name; size_t at; bool whole; } fields[] = {
#define FLOAT(f) {#f, offsetof(pt_sampler, f), false}
#define WHOLE(f) {#f, offsetof(pt_sampler, f), true}
    FLOAT(temperature), FLOAT(dynatemp_range), FLOAT(dynatemp_exponent), WHOLE(top_k), FLOAT(top_p), FLOAT(min_p), FLOAT(typical_p), FLOAT(top_n_sigma),
    FLOAT(xtc_probability), FLOAT(xtc_threshold), FLOAT(repeat_penalty), FLOAT(presence_penalty), FLOAT(frequency_penalty), WHOLE(repeat_last_n),
    FLOAT(dry_multiplier), FLOAT(dry_base), WHOLE(dry_allowed_length), WHOLE(dry_penalty_last_n)};

static pt_logit_bias biases[4];

static void biases_of(const float *z)
{
    int32_t best[6];
    for (int k = 0; k < 6; k++) {
        best[k] = -1;
        for (int32_t i = 0; i < V; i++) {
            bool taken = false;
            for (int j = 0; j < k; j++) taken = taken || best[j] == i;
            if (!taken && (best[k] < 0 || z[i] > z[best[k]])) best[k] = i;
        }
    }
    biases[0] = (pt_logit_bias){best[0], -1.5f};
    biases[1] = (pt_logit_bias){best[1], -INFINITY};
    biases[2] = (pt_logit_bias){best[3], 2.25f};
    biases[3] = (pt_logit_bias){17, 5};
}

static bool setting(const char *line, pt_sampler *s)
{
    char text[512], *save = NULL;
    *s = pt_sampler_off();
    s->temperature = 1;
    size_t n = strlen(line) < sizeof text ? strlen(line) : sizeof text - 1;
    memcpy(text, line, n);
    text[n] = 0;
    for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
        char *v = strchr(w, '=');
        size_t k = 0;
        if (!v) return false;
        *v++ = 0;
        if (!strcmp(w, "breakers")) {
            s->dry_breakers = &breakers;
            continue;
        }
        if (!strcmp(w, "bias")) {
            s->bias = biases, s->n_bias = 4;
            continue;
        }
        if (!strcmp(w, "order")) {
            s->n_order = 0;
            for (char *in = NULL, *one = strtok_r(v, ",", &in); one; one = strtok_r(NULL, ",", &in))
                for (int i = 0; i < PT_SAMPLER_KINDS; i++)
                    if (!strcmp(one, pt_sampler_name((pt_sampler_kind)i))) s->order[s->n_order++] = (pt_sampler_kind)i;
            continue;
        }
        while (k < sizeof fields / sizeof *fields && strcmp(fields[k].name, w)) k++;
        if (k == sizeof fields / sizeof *fields) return false;
        if (fields[k].whole) *(int *)((char *)s + fields[k].at) = atoi(v);
        else *(float *)((char *)s + fields[k].at) = strtof(v, NULL);
    }
    return true;
}

static void run(pt_chain *c, const pt_sampler *s, const float *z, const uint16_t *past)
{
    pt_sampler_state state = {0};
    if (!pt_chain_start(c, z)) abort();
    for (int i = 0; i < PAST; i++) c->past[i] = past[i];
    c->n_past = PAST;
    pt_chain_run(c, s, &state, 0.5f);
}

#ifdef OURS
/* For samplers.py --ours: what is left of a row with its history. */
int64_t ours_run(const char *line, const float *z, const uint16_t *past, int32_t *ids, double *p, double *margin, int *tie)
{
    static pt_chain c;
    pt_sampler s;
    if (!c.all && (!load() || pt_chain_open(&c, V, PAST) != PT_OK)) return -1;
    biases_of(z);
    if (!setting(line, &s) || pt_sampler_check(&s, V) != PT_OK) return -2;
    run(&c, &s, z, past);
    for (int64_t i = 0; i < c.n; i++) ids[i] = c.c[i].id, p[i] = pt_chain_p(&c, i);
    *margin = c.margin;
    *tie = c.tie;
    return c.n;
}
#else

/* ---- comparison ---- */

static told tell(const pt_chain *c)
{
    told t = {0};
    double weighed = 0;
    for (int64_t i = 0; i < c->n; i++) {
        const pt_candidate *x = &c->c[i];
        float p = (float)pt_chain_p(c, i);
        if (p < LEAST) continue;
        t.n++;
        t.hash ^= pt_hash_mix(5, (uint64_t)x->id);
        weighed += pt_chain_p(c, i) * ((double)(pt_hash_mix(99, (uint64_t)x->id) >> 40) * 0x1p-24);
        if (p > t.first) t.second = t.first, t.first = p;
        else if (p > t.second) t.second = p;
    }
    t.weighed = (float)weighed;
    return t;
}

static bool near_in(float a, float b)
{
    return fabsf(a - b) <= 1e-5f;
}

static bool alike(const told *a, const told *b)
{
    return a->n == b->n && near_in(a->first, b->first) && near_in(a->second, b->second);
}

typedef struct count { int equal, tied, near, none, other; } count;

static void judge(const pt_chain *c, const told *want, const char *what, int row, count *n)
{
    told got = tell(c);
    if (want->n == UINT32_MAX) n->none++;
    else if (alike(&got, want) && got.hash == want->hash && near_in(got.weighed, want->weighed)) n->equal++;
    else if (c->tie && alike(&got, want)) n->tied++;
    else if (c->margin < 1e-6) n->near++;
    else {
        n->other++;
        print_error("%s, row %d: %u tokens (%g, %g), llama.cpp %u (%g, %g); nearest cut %g\n", what, row, got.n, (double)got.first, (double)got.second, want->n,
                    (double)want->first, (double)want->second, c->margin);
    }
}

static void against_llama(void **state)
{
    pt_chain c;
    static float z[V];
    static char lines[SETTINGS][512];
    pt_sampler s[SETTINGS];
    count n = {0};
    int lined = 0;
    FILE *f = fopen(FOLDER "settings.txt", "r");
    assert_non_null(f);
    for (char line[512]; fgets(line, sizeof line, f);)
        if (*line != '#') {
            assert_true(lined < SETTINGS);
            line[strcspn(line, "\n")] = 0;
            strcpy(lines[lined++], line);
        }
    fclose(f);
    assert_int_equal(lined, SETTINGS);
    assert_true(load());
    assert_int_equal(pt_chain_open(&c, V, PAST), PT_OK);
    for (int row = 0; row < ROWS; row++) {
        fill(row, z);
        biases_of(z);
        for (int k = 0; k < SETTINGS; k++) {
            assert_true(setting(lines[k], &s[k]));
            if (pt_sampler_check(&s[k], V) != PT_OK) fail_msg("%s", pt_err_msg());
            run(&c, &s[k], z, pasts[row]);
            judge(&c, &expected[k][row], lines[k], row, &n);
        }
    }
    print_message("# figure: %d rows x %d samplers and chains: %d as llama.cpp, %d but for which of equal logits stayed, %d within 1e-6 of a cut, "
                  "%d where llama.cpp has NaN\n", ROWS, SETTINGS, n.equal, n.tied, n.near, n.none);
    assert_int_equal(n.other, 0);
    assert_true(n.near <= ROWS * SETTINGS / 100);
    pt_chain_close(&c);
}

static int step_row(int seed, int step)
{
    static const int kind[] = {0, 5, 8};
    return step % 3 ? (seed * 37 + step * 13) % 100 : 100 + (seed * 30 + step * 10) % 100 + kind[step / 3 % 3];
}

/* Given the tokens that llama.cpp drew. */
static void what_learns(void **state)
{
    static const struct { int mirostat; float a, b; } seeds[SEEDS] = {{1, 5, 0.1f}, {1, 3, 0.3f}, {2, 5, 0.1f}, {2, 2.5f, 0.2f}, {0, 0.3f, 0.9f}, {0, 0.7f, 0.5f}};
    pt_chain c;
    static float z[V];
    count n = {0};
    assert_int_equal(pt_chain_open(&c, V, PAST), PT_OK);
    for (int k = 0; k < SEEDS; k++) {
        pt_sampler s = pt_sampler_off();
        pt_sampler_state last = {0};
        char what[64];
        s.temperature = 1;
        s.mirostat = seeds[k].mirostat;
        if (s.mirostat) s.mirostat_tau = seeds[k].a, s.mirostat_eta = seeds[k].b;
        else s.adaptive_target = seeds[k].a, s.adaptive_decay = seeds[k].b;
        for (int t = 0; t < STEPS; t++) {
            int64_t at = 0;
            fill(step_row(k, t), z);
            assert_true(pt_chain_start(&c, z));
            pt_chain_run(&c, &s, &last, 0);
            snprintf(what, sizeof what, "seed %d, step %d", k, t);
            judge(&c, &stepped[k][t], what, step_row(k, t), &n);
            while (at < c.n && c.c[at].id != drawn[k][t]) at++;
            assert_true(at < c.n);
            pt_chain_took(&c, &s, &last, at);
        }
    }
    print_message("# figure: mirostat and adaptive-p, %d seeds of %d steps: %d as llama.cpp, %d within 1e-6 of a cut\n", SEEDS, STEPS, n.equal, n.near);
    assert_int_equal(n.other + n.tied, 0);
    assert_true(n.near <= SEEDS * STEPS / 100);
    pt_chain_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_llama), cmocka_unit_test(what_learns)};
    return cmocka_run_group_tests_name("generate_samplers", tests, NULL, NULL);
}
#endif
