/* Answers that the loader adds to those of the data, and sums of a step that need no forward pass. */
#include "loader_seen.h"

#define MUST_BE(call) assert_int_equal(call, PT_OK)

/* One more answer a record, the same in every layout. */
static void layouts_add_the_same(void **state)
{
    one_layout(false, PT_EXTRA_MISMATCHED);
    one_layout(true, PT_EXTRA_WHOLE);
}

/* Ids of group g, read along its segments. */
static int32_t ids_of(const pt_batch *b, int32_t g, int32_t *ids)
{
    int32_t last = b->group_rows[b->group_row_start[g + 1] - 1], path[64], n = 0, s = 0, at = 0, t = b->head_token[b->row_head[last]];
    while (b->seg_start[s + 1] <= t) s++;
    for (; s >= 0; s = b->seg_parent[s]) path[n++] = s;
    while (n--)
        for (int32_t i = b->seg_start[path[n]]; i < b->seg_start[path[n] + 1] && i <= t; i++) ids[at++] = b->tokens[i];
    ids[at++] = b->row_target[last];
    return at;
}

/* The added answer is the record's prompt with the completion of the record before it, cut to sequence_len; steps of one record look at the epoch's draw
 * before them. */
static void mismatched_answers(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 31, false, 6, 0, 60);
    pt_loader *l = make(pack, (pt_loader_options){.packing = PT_PACKING_OFF, .extra = PT_EXTRA_MISMATCHED, .batch_rows = 6, .sequence_len = 50, .micro_batch_size = 6});
    pt_loader *f = make(pack, (pt_loader_options){.packing = PT_PACKING_FOREST, .extra = PT_EXTRA_MISMATCHED, .batch_rows = 6, .sequence_len = 60, .shuffle = true});
    int64_t record = 0;
    int cut = 0;
    assert_int_equal(summary(l).steps, 6);
    for (int64_t i = 0; i < 6; i++) {
        pt_step st = step(l, i);
        int64_t first = record, n = st.records;
        assert_int_equal(st.groups, st.records);
        assert_int_equal(n, i < 5 ? 6 : 1);
        for (int32_t r = 0; r < n; r++, record++) {
            pt_packed own, other;
            const pt_batch *b = &st.micro[0];
            int32_t ids[128], g = b->record_start[r];
            assert_true(b->record_start[r + 1] - g == 2 && b->group_record[g] == record && b->group_record[g + 1] == record);
            MUST_BE(pt_pack_get(pack, record, &own));
            MUST_BE(pt_pack_get(pack, n == 1 ? record - 1 : r ? record - 1 : first + n - 1, &other));
            pt_packed_answer x = pt_pack_answer(pack, &own, 0), y = pt_pack_answer(pack, &other, 0);
            int32_t want = own.prefix_len + y.n - other.prefix_len, have = ids_of(b, g + 1, ids);
            if (want > 50) want = 50, cut++;
            while (want > own.prefix_len && !(pt_weight_at(y.weight, (size_t)(other.prefix_len + want - 1 - own.prefix_len)) > 0)) want--; /* ids_of ends with the last row */
            assert_int_equal(have, want);
            assert_memory_equal(ids, x.ids, (size_t)own.prefix_len * sizeof *ids);
            assert_memory_equal(ids + own.prefix_len, y.ids + other.prefix_len, (size_t)(want - own.prefix_len) * sizeof *ids);
        }
        pt_step shuffled = step(f, i);
        for (int m = 0; m < shuffled.n_micro; m++)
            for (int32_t r = 0; r < shuffled.micro[m].n_records; r++) assert_int_equal(shuffled.micro[m].record_start[r + 1] - shuffled.micro[m].record_start[r], 2);
    }
    assert_true(cut > 0);
    pt_loader_free(l);
    pt_loader_free(f);
    pt_loader_options alone = {.answers = 1, .extra = PT_EXTRA_MISMATCHED, .batch_rows = 1, .sequence_len = 60, .micro_batch_size = 1, .gradient_accumulation_steps = 1, .ranks = 1, .epochs = 1};
    assert_int_equal(pt_loader_new(&l, pack, &alone), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "every step has one record"));
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

/* Sums of a step that are known before any forward pass. */
static void sums_of_steps(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 20, true, 9, 0, 128);
    pt_loader *l = make(pack, (pt_loader_options){.packing = PT_PACKING_FOREST, .extra = PT_EXTRA_WHOLE, .batch_rows = 20});
    pt_step st = step(l, 0);
    double tokens[3] = {0}, margin = 0;
    for (int64_t i = 0; i < 20; i++) {
        pt_packed rec;
        MUST_BE(pt_pack_get(pack, i, &rec));
        for (int32_t k = 0; k < 2; k++)
            for (int32_t t = 1; t < pt_pack_answer(pack, &rec, k).n; t++) tokens[k] += pt_weight_at(pt_pack_answer(pack, &rec, k).weight, (size_t)t);
        tokens[2] += pt_pack_answer(pack, &rec, 0).n - 1;
        margin += pt_pack_value(pack, PT_COLUMN_MARGIN, &rec, 0);
    }
    assert_true(st.first_weight == tokens[0] && st.extra_weight == tokens[2]);
    for (int k = 0; k < st.n_columns; k++)
        if (!strcmp(st.columns[k].name, PT_COLUMN_MARGIN)) assert_true(st.columns[k].sum == margin && margin > 0);
    assert_true(st.n_columns >= 2);
    pt_loader_free(l);
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layouts_add_the_same), cmocka_unit_test(mismatched_answers), cmocka_unit_test(sums_of_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
