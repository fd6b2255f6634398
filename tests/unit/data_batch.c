/* The forest against a brute-force reading of it: what a token sees through its segments must be its own record's beginning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "data/batch/loader.h"

enum { MAX_SEQS = 40, MAX_LEN = 120 };

typedef struct fixture {
    int32_t ids[MAX_SEQS][MAX_LEN];
    float weight[MAX_SEQS][MAX_LEN];
    pt_seq seq[MAX_SEQS];
    size_t n;
} fixture;

static uint64_t rnd_state;
static uint32_t rnd(uint32_t n)
{
    pt_rng4 w = pt_rng_words(7, PT_RNG_TEST, rnd_state++, 0);
    return w.v[0] % n;
}

/* Sequences that share beginnings on several levels, some equal, some a beginning of another, some cut. */
static void random_fixture(fixture *f, uint64_t seed, int slots)
{
    rnd_state = seed << 20;
    f->n = 1 + rnd(MAX_SEQS);
    for (size_t k = 0; k < f->n; k++) {
        int32_t n = 1 + (int32_t)rnd(MAX_LEN), keep = 0;
        if (k && rnd(4)) {
            size_t other = rnd((uint32_t)k);
            keep = (int32_t)rnd((uint32_t)f->seq[other].n + 1);
            if (!rnd(5)) n = keep = f->seq[other].n;
            memcpy(f->ids[k], f->ids[other], (size_t)keep * 4);
        }
        n = n > keep ? n : keep;
        for (int32_t i = keep; i < n; i++) f->ids[k][i] = (int32_t)rnd(3);
        for (int32_t i = 0; i < n; i++) f->weight[k][i] = rnd(2) ? 0 : (float)(1 + rnd(3)) / 2;
        f->seq[k] = (pt_seq){.ids = f->ids[k],
                             .weight = f->weight[k],
                             .n = n,
                             .slot = (int32_t)rnd((uint32_t)slots),
                             .end_index = rnd(2) ? -1 : (int32_t)rnd((uint32_t)n)};
    }
}

/* The segment of every token of the batch looked at last. */
static int32_t seg_table[MAX_SEQS * MAX_LEN + 64];
static const pt_batch *table_of;

static int32_t seg_of(const pt_batch *b, int32_t t)
{
    for (int32_t s = 0; table_of != b && s < b->n_segs; s++)
        for (int32_t i = b->seg_start[s]; i < b->seg_start[s + 1]; i++) seg_table[i] = s;
    table_of = b;
    return seg_table[t];
}

/* The tokens that t sees by the rule of base/batch.h, in stream order; returns how many. */
static int32_t visible(const pt_batch *b, int32_t t, int32_t *out)
{
    int32_t n = 0;
    for (int32_t j = 0; j <= t; j++)
        if (t < b->seg_end[seg_of(b, j)]) out[n++] = j;
    return n;
}

static void check_structure(const pt_batch *b)
{
    assert_int_equal(b->n_tokens % 64, 0);
    assert_int_equal(b->seg_start[0], 0);
    assert_int_equal(b->seg_start[b->n_segs], b->n_tokens);
    for (int32_t s = 0; s < b->n_segs; s++) {
        int32_t p = b->seg_parent[s];
        assert_true(b->seg_start[s] < b->seg_start[s + 1] && b->seg_end[s] >= b->seg_start[s + 1]);
        assert_true(p < s);
        if (p < 0) continue;
        assert_true(b->seg_end[s] <= b->seg_end[p]);
        assert_int_equal(b->positions[b->seg_start[s]], b->positions[b->seg_start[p + 1] - 1] + 1);
        assert_int_equal(b->seg_slot[s], b->seg_slot[p]);
    }
    for (int32_t h = 1; h < b->n_heads; h++) assert_true(b->head_token[h - 1] < b->head_token[h]);
    for (int32_t r = 0; r < b->n_rows; r++) assert_in_range(b->row_head[r], 0, b->n_heads - 1);
    for (int32_t r = 1; r < b->n_rows; r++) {
        assert_true(b->row_head[r - 1] <= b->row_head[r]);
        if (b->row_head[r - 1] == b->row_head[r]) assert_true(b->row_target[r - 1] != b->row_target[r]);
    }
    for (int32_t t = b->n_live; t < b->n_tokens; t++) assert_int_equal(seg_of(b, t), b->n_segs - 1);
    for (int32_t h = 0; h < b->n_heads; h++) assert_true(b->head_token[h] < b->n_live);
}

/* Every row of every group: what its head token sees is exactly the record's beginning, at its positions. Weights add up. */
static void check_rows(const pt_batch *b, const fixture *f)
{
    double *sum = calloc((size_t)b->n_rows + 1, sizeof *sum);
    int32_t see[MAX_SEQS * MAX_LEN + 64];
    for (size_t g = 0; g < f->n; g++) {
        const pt_seq *q = &f->seq[g];
        int32_t at = b->group_row_start[g];
        for (int32_t i = 1; i < q->n; i++) {
            if (q->weight[i] == 0) continue;
            int32_t row = b->group_rows[at], head = b->head_token[b->row_head[row]];
            assert_int_equal(b->row_target[row], q->ids[i]);
            assert_true(b->group_row_weight[at] == q->weight[i]);
            int32_t n = visible(b, head, see);
            assert_int_equal(n, i);
            for (int32_t j = 0; j < n; j++) {
                assert_int_equal(b->tokens[see[j]], q->ids[j]);
                assert_int_equal(b->positions[see[j]], j);
            }
            assert_int_equal(b->seg_slot[seg_of(b, head)], q->slot);
            sum[row] += (double)q->weight[i];
            at++;
        }
        assert_int_equal(at, b->group_row_start[g + 1]);
        if (q->end_index < 0) {
            assert_int_equal(b->group_end_head[g], -1);
            continue;
        }
        int32_t end = b->head_token[b->group_end_head[g]], n = visible(b, end, see);
        assert_int_equal(n, q->end_index + 1);
        for (int32_t j = 0; j < n; j++) assert_int_equal(b->tokens[see[j]], q->ids[j]);
    }
    for (int32_t r = 0; r < b->n_rows; r++) assert_true(sum[r] > 0 && sum[r] == (double)b->row_weight[r]);
    free(sum);
}

/* A shared token and its unshared copies have one key; tokens with different paths have different ones. */
static void check_keys(const pt_batch *b, const fixture *f, const pt_batch *plain)
{
    for (size_t g = 0; g < f->n; g++) {
        for (int32_t r = b->group_row_start[g]; r < b->group_row_start[g + 1]; r++) {
            uint64_t x = b->token_key[b->head_token[b->row_head[b->group_rows[r]]]];
            uint64_t y = plain->token_key[plain->head_token[plain->row_head[plain->group_rows[r]]]];
            assert_true(x == y);
        }
    }
    assert_true(b->step_row_weight == plain->step_row_weight);
    assert_int_equal(b->step_rows, plain->step_rows);
}

static void random_forests(void **state)
{
    static fixture f;
    int shared = 0, deep = 0, branch = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        random_fixture(&f, seed, 1 + (int)(seed % 3));
        pt_batch forest, plain, off;
        assert_int_equal(pt_batch_build(&forest, f.seq, f.n, PT_PACKING_FOREST), PT_OK);
        assert_int_equal(pt_batch_build(&plain, f.seq, f.n, PT_PACKING_PLAIN), PT_OK);
        assert_int_equal(pt_batch_build(&off, f.seq, f.n, PT_PACKING_OFF), PT_OK);
        check_structure(&forest);
        check_structure(&plain);
        check_rows(&forest, &f);
        check_rows(&plain, &f);
        check_rows(&off, &f);
        check_keys(&forest, &f, &plain);
        assert_true(forest.n_live <= plain.n_live);
        shared += forest.n_live < plain.n_live;
        for (int32_t s = 0; s < forest.n_segs; s++)
            deep += forest.seg_parent[s] >= 0 && forest.seg_parent[forest.seg_parent[s]] >= 0;
        for (int32_t r = 1; r < forest.n_rows; r++) branch += forest.row_head[r] == forest.row_head[r - 1];
        pt_batch_free(&forest);
        pt_batch_free(&plain);
        pt_batch_free(&off);
        table_of = NULL; /* the next ones stand at the same addresses */
    }
    assert_true(shared > 100 && deep > 100 && branch > 100);
}

/* 20 shared tokens, then three answers, two of which begin alike: one segment, three leaves, two targets on the last shared
 * token. */
static void hand_made(void **state)
{
    int32_t ids[3][24];
    float w[24] = {0};
    pt_seq q[3];
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 24; i++) ids[k][i] = i < 20 ? 100 + i : i == 20 ? (k ? 7 : 5) : 10 * k + i;
        q[k] = (pt_seq){.ids = ids[k], .weight = w, .n = 24, .end_index = 23};
    }
    for (int i = 20; i < 24; i++) w[i] = 1;
    pt_batch b;
    assert_int_equal(pt_batch_build(&b, q, 3, PT_PACKING_FOREST), PT_OK);
    assert_int_equal(b.n_live, 20 + 3 * 4);
    assert_int_equal(b.n_tokens, 64);
    assert_int_equal(b.n_segs, 5);
    assert_int_equal(b.seg_end[0], 32);
    assert_int_equal(b.n_rows, 2 + 9);
    assert_int_equal(b.n_heads, 1 + 9 + 3);
    assert_int_equal(b.head_token[0], 19);
    assert_int_equal(b.row_head[1], 0);
    assert_int_equal(b.row_target[0], 5);
    assert_int_equal(b.row_target[1], 7);
    assert_true(b.row_weight[0] == 1 && b.row_weight[1] == 2);
    assert_int_equal(b.group_rows[b.group_row_start[1]], b.group_rows[b.group_row_start[2]]);
    assert_int_equal(b.step_rows, 12);
    pt_batch_free(&b);
    /* three shared tokens are not worth a segment */
    for (int k = 0; k < 3; k++) q[k] = (pt_seq){.ids = ids[k] + 17, .weight = w + 17, .n = 7, .end_index = -1};
    assert_int_equal(pt_batch_build(&b, q, 3, PT_PACKING_FOREST), PT_OK);
    assert_int_equal(b.n_live, 21);
    pt_batch_free(&b);
}

static void refusals(void **state)
{
    int32_t ids[2] = {1, 2}, bad[2] = {1, -2};
    float w[2] = {0, 1}, nan[2] = {0, (float)(0.0 / 0.0)}, neg[2] = {0, -1};
    pt_batch b;
    const pt_seq rows[] = {{.ids = ids, .weight = w, .n = 0},
                           {.ids = bad, .weight = w, .n = 2, .end_index = -1},
                           {.ids = ids, .weight = nan, .n = 2, .end_index = -1},
                           {.ids = ids, .weight = neg, .n = 2, .end_index = -1},
                           {.ids = ids, .weight = w, .n = 2, .end_index = 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(pt_batch_build(&b, &rows[i], 1, PT_PACKING_FOREST), PT_EARG);
    assert_int_equal(pt_batch_build(&b, rows, 0, PT_PACKING_FOREST), PT_EARG);
    const pt_seq all = {.ids = ids, .n = 2, .end_index = -1};
    assert_int_equal(pt_batch_build(&b, &all, 1, PT_PACKING_OFF), PT_OK);
    assert_int_equal(b.n_rows, 1);
    assert_true(b.row_weight[0] == 1);
    pt_batch_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_forests), cmocka_unit_test(hand_made),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("data_batch", tests, NULL, NULL);
}
