/* What tests of the loader look at: the rows of a step over all its micro-batches and ranks, and that no layout changes them. */
#ifndef PT_TESTS_LOADER_SEEN_H
#define PT_TESTS_LOADER_SEEN_H
#include "data_fixture.h"

typedef struct row_seen {
    int64_t record;
    int side, index;
    uint64_t context; /* hash of the ids and positions that the head token sees */
    int32_t target;
    float weight;
} row_seen;

typedef struct seen {
    row_seen *rows;
    size_t n, cap;
    int64_t records[4096];
    size_t n_records;
} seen;

static int by_row(const void *pa, const void *pb)
{
    const row_seen *a = pa, *b = pb;
    if (a->record != b->record) return a->record < b->record ? -1 : 1;
    if (a->side != b->side) return a->side < b->side ? -1 : 1;
    return a->index - b->index;
}

static int by_number(const void *pa, const void *pb)
{
    const int64_t *a = pa, *b = pb;
    return (*a > *b) - (*a < *b);
}

/* The path of a token, read through seg_parent: an independent way to the same thing as seg_end. */
static uint64_t context_of(const pt_batch *b, int32_t t)
{
    int32_t path[64], n = 0, s = 0;
    while (b->seg_start[s + 1] <= t) s++;
    for (; s >= 0; s = b->seg_parent[s]) path[n++] = s;
    uint64_t h = 1;
    for (int32_t k = n - 1; k >= 0; k--)
        for (int32_t i = b->seg_start[path[k]]; i < b->seg_start[path[k] + 1] && i <= t; i++)
            h = pt_hash_mix(h, (uint64_t)b->tokens[i] << 32 | (uint32_t)b->positions[i]);
    return h;
}

/* Which answer of its record group g is. */
static int answer_of(const pt_batch *b, int32_t g)
{
    int32_t r = 0;
    while (b->record_start[r + 1] <= g) r++;
    return g - b->record_start[r];
}

static void add_batch(seen *s, const pt_batch *b)
{
    const float *weight = pt_batch_column_get(b, PT_COLUMN_WEIGHT);
    for (int32_t r = 0; r < b->n_records; r++) s->records[s->n_records++] = b->group_record[b->record_start[r]];
    double *sum = calloc((size_t)b->n_rows + 1, sizeof *sum);
    for (int32_t g = 0; g < b->n_groups; g++) {
        for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++) {
            int32_t r = b->group_rows[k];
            assert_int_equal(pt_reserve(&s->rows, &s->cap, s->n + 1), PT_OK);
            s->rows[s->n++] = (row_seen){b->group_record[g],        answer_of(b, g),
                                         k - b->group_row_start[g], context_of(b, b->head_token[b->row_head[r]]),
                                         b->row_target[r],          b->group_row_weight[k]};
            sum[r] += (double)(b->group_row_weight[k] * weight[g]);
        }
    }
    for (int32_t r = 0; r < b->n_rows; r++) assert_float_equal(sum[r], b->row_weight[r], 1e-5);
    free(sum);
}

static pt_loader *make(const pt_pack *pack, pt_loader_options o)
{
    pt_loader *l;
    int32_t least, most;
    pt_pack_answers(pack, &least, &most);
    o.answers = least == most ? most : 0;
    if (!o.micro_batch_size) o.micro_batch_size = 2;
    if (!o.gradient_accumulation_steps) o.gradient_accumulation_steps = 2;
    if (!o.sequence_len) o.sequence_len = 128;
    if (!o.ranks) o.ranks = 1;
    if (!o.epochs) o.epochs = 1;
    o.seed = 5;
    if (pt_loader_new(&l, pack, &o) != PT_OK) fail_msg("%s", pt_err_msg());
    return l;
}

static pt_step step(pt_loader *l, int64_t i)
{
    pt_step s;
    if (pt_loader_step(l, i, &s) != PT_OK) fail_msg("%s", pt_err_msg());
    return s;
}

static inline pt_loader_summary summary(const pt_loader *l)
{
    pt_loader_summary s;
    assert_int_equal(pt_loader_summary_get(l, &s), PT_OK);
    return s;
}

/* Everything of step i over all ranks, sorted. */
static void collect(seen *s, const pt_pack *pack, pt_loader_options o, int64_t i, pt_step *first)
{
    *s = (seen){0};
    for (int rank = 0; rank < o.ranks; rank++) {
        o.rank = rank;
        pt_loader *l = make(pack, o);
        pt_step st = step(l, i);
        if (!rank) *first = st;
        assert_true(st.row_weight == first->row_weight);
        assert_int_equal(st.tokens, first->tokens);
        for (int m = 0; m < st.n_micro; m++) {
            add_batch(s, &st.micro[m]);
            assert_true(st.micro[m].step_row_weight == st.row_weight);
            assert_int_equal(st.micro[m].step_rows, st.rows);
            assert_int_equal(st.micro[m].step_records, st.records);
            assert_true(st.micro[m].step_record_weight == st.record_weight && st.micro[m].step_group_weight == st.group_weight);
        }
        pt_loader_free(l);
    }
    if (s->n) qsort(s->rows, s->n, sizeof *s->rows, by_row);
    qsort(s->records, s->n_records, sizeof *s->records, by_number);
}

static inline void one_layout(bool pairs, pt_extra extra)
{
    static const struct {
        pt_packing packing;
        int ranks, micro, accumulation;
    } ways[] = {{PT_PACKING_OFF, 1, 1, 1},    {PT_PACKING_PLAIN, 1, 2, 1}, {PT_PACKING_FOREST, 1, 1, 4},
                {PT_PACKING_FOREST, 1, 8, 1}, {PT_PACKING_OFF, 2, 3, 1},   {PT_PACKING_PLAIN, 3, 1, 1},
                {PT_PACKING_FOREST, 2, 2, 1}, {PT_PACKING_FOREST, 5, 1, 1}};
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 90, pairs, 3, 0, 128);
    for (int64_t i = 0; i < 6; i += 2) {
        static seen base, s;
        pt_step st, base_step;
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            pt_loader_options o = {.packing = ways[w].packing,
                                   .extra = extra,
                                   .ranks = ways[w].ranks,
                                   .micro_batch_size = ways[w].micro,
                                   .shuffle = true,
                                   .gradient_accumulation_steps = ways[w].accumulation,
                                   .batch_rows = 16,
                                   .share_group = 8};
            collect(w ? &s : &base, pack, o, i, w ? &st : &base_step);
            if (!w) continue;
            assert_int_equal(s.n, base.n);
            assert_int_equal(s.n_records, base.n_records);
            assert_memory_equal(s.records, base.records, s.n_records * sizeof *s.records);
            for (size_t k = 0; k < s.n; k++) {
                assert_int_equal(by_row(&s.rows[k], &base.rows[k]), 0);
                assert_true(s.rows[k].context == base.rows[k].context && s.rows[k].weight == base.rows[k].weight);
                assert_int_equal(s.rows[k].target, base.rows[k].target);
            }
            assert_true(st.row_weight == base_step.row_weight);
            assert_int_equal(st.rows, base_step.rows);
            assert_int_equal(st.unshared_tokens, base_step.unshared_tokens);
            if (ways[w].packing == PT_PACKING_FOREST) assert_true(st.tokens < base_step.tokens);
            free(s.rows);
        }
        free(base.rows);
    }
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

#endif
