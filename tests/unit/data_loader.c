/* The loader: which records make a step, and that no layout changes what is trained. */
#include "loader_seen.h"

static void layouts_train_the_same_rows(void **state)
{
    one_layout(false, PT_EXTRA_NONE);
}
static void layouts_train_the_same_pairs(void **state)
{
    one_layout(true, PT_EXTRA_NONE);
}
/* Both sides of a pair in one micro-batch, chosen first, linked. */
static void pairs_stay_together(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 60, true, 4, 0, 128);
    for (int packing = PT_PACKING_FOREST; packing <= PT_PACKING_OFF; packing++) {
        pt_loader *l = make(pack, (pt_loader_options){.packing = (pt_packing)packing, .batch_rows = 20, .shuffle = true});
        for (int64_t i = 0; i < summary(l).steps; i++) {
            pt_step st = step(l, i);
            for (int m = 0; m < st.n_micro; m++) {
                const pt_batch *b = &st.micro[m];
                assert_int_equal(b->n_groups % 2, 0);
                for (int32_t g = 0; g < b->n_groups; g += 2) {
                    assert_int_equal(b->record_start[g / 2], g);
                    assert_int_equal(b->group_record[g], b->group_record[g + 1]);
                    assert_true(pt_batch_column_get(b, PT_COLUMN_MARGIN)[g] == (float)(b->group_record[g] % 3));
                    assert_null(pt_batch_column_get(b, PT_COLUMN_REFERENCE));
                }
            }
        }
        pt_loader_free(l);
    }
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

/* Every record once an epoch, whatever the settings; the order differs from epoch to epoch and seed decides it. */
static void epochs_cover_every_record(void **state)
{
    static const pt_loader_options ways[] = {
        {.packing = PT_PACKING_FOREST, .shuffle = true, .batch_rows = 7},
        {.packing = PT_PACKING_FOREST, .shuffle = true, .share_group = 4},
        {.packing = PT_PACKING_PLAIN, .shuffle = true, .share_group = 100, .batch_rows = 32},
        {.packing = PT_PACKING_PLAIN, .shuffle = false},
        {.packing = PT_PACKING_OFF, .shuffle = true, .ranks = 1}};
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 100, false, 5, 0, 128);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        pt_loader_options o = ways[w];
        o.epochs = 3;
        pt_loader *l = make(pack, o);
        int count[100] = {0}, epoch = 1;
        int64_t order[3][100], at = 0;
        for (int64_t i = 0; i < summary(l).steps; i++) {
            pt_step st = step(l, i);
            for (int m = 0; m < st.n_micro; m++)
                for (int32_t g = 0; g < st.micro[m].n_groups; g++) {
                    count[st.micro[m].group_record[g]]++;
                    order[epoch - 1][at++ % 100] = st.micro[m].group_record[g];
                }
            for (int r = 0; r < 100; r++) assert_in_range(count[r], epoch - 1, epoch);
            if (st.epoch < epoch) continue;
            assert_true(st.epoch == epoch);
            for (int r = 0; r < 100; r++) assert_int_equal(count[r], epoch);
            epoch++;
        }
        assert_int_equal(epoch, 4);
        assert_int_equal(summary(l).records, 300);
        assert_int_equal(memcmp(order[0], order[1], sizeof order[0]) != 0, o.shuffle);
        pt_loader_free(l);
    }
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

/* Without batch_rows: records are taken while their own tokens fit the budget; not one more would have fitted. The same for
 * every packing mode. */
static void steps_fill_the_token_budget(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 200, false, 6, 0, 128);
    for (int ranks = 1; ranks <= 2; ranks++) {
        pt_loader_options o = {.packing = PT_PACKING_FOREST, .shuffle = true, .ranks = ranks};
        pt_loader *l = make(pack, o);
        int64_t budget = 2 * 2 * 128 * ranks, steps = summary(l).steps;
        for (int64_t i = 0; i < steps; i++) {
            pt_step st = step(l, i);
            assert_true(st.unshared_tokens <= budget);
            if (i + 1 < steps) assert_true(st.unshared_tokens > budget - 128);
        }
        o.packing = PT_PACKING_PLAIN;
        pt_loader *plain = make(pack, o);
        assert_int_equal(summary(plain).steps, steps);
        assert_true(summary(plain).computed_tokens == summary(plain).unshared_tokens);
        assert_true(summary(l).computed_tokens < summary(l).unshared_tokens);
        o.packing = PT_PACKING_OFF;
        pt_loader *off = make(pack, o);
        assert_int_equal(step(off, 0).records, 4 * ranks);
        pt_loader_free(off);
        pt_loader_free(plain);
        pt_loader_free(l);
    }
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

static void same_ints(const int32_t *a, const int32_t *b, int32_t n)
{
    if (n) assert_memory_equal(a, b, (size_t)n * 4);
}

static void same_batch(const pt_batch *a, const pt_batch *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->n_segs, b->n_segs);
    assert_int_equal(a->n_rows, b->n_rows);
    assert_int_equal(a->n_groups, b->n_groups);
    same_ints(a->tokens, b->tokens, a->n_tokens);
    same_ints(a->seg_start, b->seg_start, a->n_segs + 1);
    same_ints(a->row_target, b->row_target, a->n_rows);
    same_ints(a->group_rows, b->group_rows, a->group_row_start[a->n_groups]);
    assert_memory_equal(a->row_weight, b->row_weight, (size_t)a->n_rows * sizeof(float));
    assert_memory_equal(a->group_record, b->group_record, (size_t)a->n_groups * 8);
}

/* Steps asked for in any order are those asked for in line. */
static void any_order_is_the_same(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 120, false, 7, 0, 128);
    pt_loader_options o = {.packing = PT_PACKING_FOREST, .shuffle = true, .share_group = 3, .batch_rows = 9, .epochs = 2.5};
    pt_loader *a = make(pack, o), *b = make(pack, o);
    int64_t steps = summary(a).steps;
    assert_int_equal(steps, 14 + 14 + 7);
    for (int64_t i = 0; i < steps; i++) {
        int64_t other = (i * 17 + 5) % steps;
        step(b, other); /* somewhere else in between */
        pt_step x = step(a, i), y = step(b, i);
        assert_int_equal(x.n_micro, y.n_micro);
        assert_true(x.row_weight == y.row_weight && x.epoch == y.epoch);
        for (int m = 0; m < x.n_micro; m++) same_batch(&x.micro[m], &y.micro[m]);
    }
    pt_step past;
    assert_int_equal(pt_loader_step(a, steps, &past), PT_ESTATE);
    assert_int_equal(pt_loader_step(a, -1, &past), PT_ESTATE);
    pt_loader_free(a);
    pt_loader_free(b);
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

static int32_t most(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* The maxima are those of the run: never passed, and reached. Micro-batches keep to their token limit. */
static void caps_are_the_maxima(void **state)
{
    char dir[64];
    fixture_dir(dir);
    for (int c = 0; c < 8; c++) {
        bool pairs = c & 1;
        pt_pack *pack = fixture_pack(dir, 150, pairs, 8 + (uint64_t)c, 0, 128);
        pt_loader_options o = {.packing = c & 2 ? PT_PACKING_PLAIN : PT_PACKING_FOREST,
                               .shuffle = true,
                               .share_group = 6,
                               .epochs = 2,
                               .micro_batch_size = 1 + c % 3,
                               .reward = pairs && c >= 4,
                               .ranks = 2};
        pt_batch_caps got = {0}, want;
        int64_t tokens = 0;
        for (o.rank = 0; o.rank < 2; o.rank++) {
            pt_loader *l = make(pack, o);
            assert_int_equal(pt_loader_caps(l, &want), PT_OK);
            for (int64_t i = 0; i < summary(l).steps; i++) {
                pt_step st = step(l, i);
                got.micro_batches = most(got.micro_batches, st.n_micro);
                for (int m = 0; m < st.n_micro; m++) {
                    const pt_batch *b = &st.micro[m];
                    got.tokens = most(got.tokens, b->n_tokens);
                    got.segs = most(got.segs, b->n_segs);
                    got.heads = most(got.heads, b->n_heads);
                    got.rows = most(got.rows, b->n_rows);
                    got.groups = most(got.groups, b->n_groups);
                    got.group_rows = most(got.group_rows, b->group_row_start[b->n_groups]);
                    tokens += b->n_live;
                    assert_true(b->n_live <= o.micro_batch_size * 128 || b->n_records == 1);
                }
            }
            assert_true(o.rank == 0 || tokens == summary(l).computed_tokens);
            pt_loader_free(l);
        }
        assert_int_equal(got.tokens, want.tokens);
        assert_int_equal(got.segs, want.segs);
        assert_int_equal(got.heads, want.heads);
        assert_int_equal(got.rows, want.rows);
        assert_int_equal(got.groups, want.groups);
        assert_int_equal(got.group_rows, want.group_rows);
        assert_int_equal(got.micro_batches, want.micro_batches);
        pt_pack_free(pack);
    }
    pt_dir_remove(dir);
}

static void share_groups_lie_together(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 150, false, 20, 0, 128);
    const int group[3] = {1, 2, 10};
    double sharing[3];
    for (int k = 0; k < 3; k++) {
        pt_loader *l =
            make(pack,
                 (pt_loader_options){.packing = PT_PACKING_FOREST, .shuffle = true, .share_group = group[k], .batch_rows = 10});
        sharing[k] = summary(l).prefixes_a_step;
        pt_loader_free(l);
    }
    assert_true(sharing[0] > 6.5 && sharing[1] < 5.5 && sharing[1] > 4 && sharing[2] < 3); /* 15 prompts, 10 records a step */
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

/* Two sources, weights 2 and 0.25: exactly 2 x 40 and 20 draws an epoch, others in the next. */
static void weights_of_data_sets(void **state)
{
    char dir[64], a[96], b[96];
    fixture_dir(dir);
    snprintf(a, sizeof a, "%s/a.jsonl", dir);
    snprintf(b, sizeof b, "%s/b.jsonl", dir);
    write_rows(a, 40, false, 1);
    write_rows(b, 80, false, 2);
    pt_dataset_spec sets[2] = {{.path = a, .type = "", SAYS(SAID("field_weight", "weight"))},
                               {.path = b, .type = "tokens", SAYS(SAID("field_weight", "weight"))}};
    pt_pack_options po = {.sequence_len = 128, .cache_dir = dir};
    pt_pack_report report;
    pt_pack *pack;
    assert_int_equal(pt_pack_build(&pack, sets, 2, &po, &report), PT_OK);
    double w[2] = {2, 0.25};
    pt_loader *l = make(pack, (pt_loader_options){.packing = PT_PACKING_PLAIN,
                                                  .shuffle = true,
                                                  .batch_rows = 10,
                                                  .epochs = 2,
                                                  .dataset_weight = w,
                                                  .n_dataset_weight = 2});
    assert_int_equal(summary(l).steps, 20);
    int count[2][120] = {{0}}, differ = 0;
    for (int64_t i = 0; i < 20; i++) {
        pt_step st = step(l, i);
        for (int m = 0; m < st.n_micro; m++)
            for (int32_t g = 0; g < st.micro[m].n_groups; g++) count[i / 10][st.micro[m].group_record[g]]++;
    }
    for (int e = 0; e < 2; e++) {
        int extra = 0;
        for (int r = 0; r < 120; r++) {
            if (r < 40)
                assert_int_equal(count[e][r], 2);
            else
                extra += count[e][r];
            assert_true(r < 40 || count[e][r] <= 1);
        }
        assert_int_equal(extra, 20);
    }
    for (int r = 40; r < 120; r++) differ += count[0][r] != count[1][r];
    assert_true(differ > 10);
    w[0] = -1;
    pt_loader *bad;
    pt_loader_options o = {.micro_batch_size = 1,
                           .gradient_accumulation_steps = 1,
                           .sequence_len = 128,
                           .ranks = 1,
                           .epochs = 1,
                           .dataset_weight = w,
                           .n_dataset_weight = 2};
    assert_int_equal(pt_loader_new(&bad, pack, &o), PT_EARG);
    w[0] = w[1] = 0;
    assert_int_equal(pt_loader_new(&bad, pack, &o), PT_EARG);
    o.n_dataset_weight = 1;
    assert_int_equal(pt_loader_new(&bad, pack, &o), PT_EARG);
    pt_loader_free(l);
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

/* reward: no rows, one head an answer, at its last token. */
static void reward_reads_the_end(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 30, true, 30, 0, 128);
    pt_loader *l = make(pack, (pt_loader_options){.packing = PT_PACKING_FOREST, .batch_rows = 30, .reward = true});
    pt_step st = step(l, 0);
    for (int m = 0; m < st.n_micro; m++) {
        const pt_batch *b = &st.micro[m];
        assert_int_equal(b->n_rows, 0);
        for (int32_t g = 0; g < b->n_groups; g++)
            assert_int_equal(b->tokens[b->head_token[b->group_end_head[g]]], answer_of(b, g) == 0 ? 7 : 8);
    }
    pt_loader_free(l);
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

static void validation_is_one_pass(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 200, false, 31, 0.3, 128);
    pt_loader *v = make(
        pack,
        (pt_loader_options){.packing = PT_PACKING_FOREST, .validation = true, .shuffle = true, .batch_rows = 8, .epochs = 7});
    pt_loader *t = make(pack, (pt_loader_options){.packing = PT_PACKING_FOREST, .shuffle = true, .batch_rows = 8});
    assert_int_equal(summary(v).records + summary(t).records, 200);
    assert_in_range(summary(v).records, 45, 60);
    for (int64_t i = 0; i < summary(v).steps; i++) {
        pt_step st = step(v, i);
        for (int m = 0; m < st.n_micro; m++)
            for (int32_t g = 0; g < st.micro[m].n_groups; g++) {
                pt_packed p;
                assert_int_equal(pt_pack_get(pack, st.micro[m].group_record[g], &p), PT_OK);
                assert_true(p.validation);
            }
    }
    pt_loader_free(v);
    pt_loader_free(t);
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

static void refusals(void **state)
{
    char dir[64];
    fixture_dir(dir);
    pt_pack *pack = fixture_pack(dir, 10, false, 32, 0, 128);
    const pt_loader_options good = {
        .micro_batch_size = 1, .gradient_accumulation_steps = 1, .sequence_len = 128, .ranks = 1, .epochs = 1};
    pt_loader_options bad[8];
    for (int i = 0; i < 8; i++) bad[i] = good;
    bad[0].micro_batch_size = 0;
    bad[1].gradient_accumulation_steps = -1;
    bad[2].sequence_len = 0;
    bad[3].rank = 1;
    bad[4].epochs = 0;
    bad[5].answers = 2;
    bad[6].validation = true; /* the pack has no validation records */
    bad[7].batch_rows = -1;
    pt_loader *l;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pt_loader_new(&l, pack, &bad[i]), PT_EARG);
        assert_null(l);
    }
    assert_int_equal(pt_loader_new(&l, pack, &good), PT_OK);
    pt_loader_free(l);
    pt_pack_free(pack);
    pt_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_train_the_same_rows), cmocka_unit_test(layouts_train_the_same_pairs),
        cmocka_unit_test(pairs_stay_together),         cmocka_unit_test(epochs_cover_every_record),
        cmocka_unit_test(steps_fill_the_token_budget), cmocka_unit_test(any_order_is_the_same),
        cmocka_unit_test(caps_are_the_maxima),         cmocka_unit_test(share_groups_lie_together),
        cmocka_unit_test(weights_of_data_sets),        cmocka_unit_test(reward_reads_the_end),
        cmocka_unit_test(validation_is_one_pass),     cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("data_loader", tests, NULL, NULL);
}
