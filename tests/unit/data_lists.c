/* Records of any number of answers, and columns that nobody knows by name: record -> packer -> pack -> file -> loader -> batch. */
#include <math.h>

#include "data/pack/pack_data.h"
#include "data_fixture.h"

enum { RECORDS = 40, MOST = 5 };
static char dir[64];

static int setup(void **state)
{
    fixture_dir(dir);
    return 0;
}

static int teardown(void **state)
{
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

/* What the made-up columns hold: of record i, of its answer k. */
static float novelty_of(int64_t i)
{
    return i % 4 == 3 ? 0 : (float)i / 8 - 2;
}
static float rank_of(int64_t i, int64_t k)
{
    return (float)(10 * i + k) + 0.5f;
}
static int answers_of(int64_t i, int fixed)
{
    return fixed ? fixed : 1 + (int)(i * 7 % MOST);
}

static void put_id(pt_answer *a, int32_t id, bool answer)
{
    assert_int_equal(pt_ids_add(&a->ids, id), PT_OK);
    assert_int_equal(pt_reserve(&a->label, &a->label_cap, a->ids.n), PT_OK);
    a->label[a->ids.n - 1] = answer;
}

/* One of 3 questions of 30 tokens; answers of 2 to 6, the last token names the answer. */
static void make_record(pt_record *rec, int64_t i, int n)
{
    assert_int_equal(pt_record_clear(rec), PT_OK);
    assert_int_equal(pt_record_answers(rec, (size_t)n), PT_OK);
    rec->kind = PT_RECORD_IDS;
    if (i % 4 != 3) assert_int_equal(pt_values_put(&rec->columns, "novelty", novelty_of(i)), PT_OK);
    if (i % 2) assert_int_equal(pt_values_put(&rec->columns, PT_COLUMN_WEIGHT, 0.5f), PT_OK);
    for (int k = 0; k < n; k++) {
        pt_answer *a = &rec->answers[k];
        for (int t = 0; t < 30; t++) put_id(a, 20 + (int32_t)(i % 3) * 40 + t, false);
        for (int t = 0; t < 1 + (i + k) % 5; t++) put_id(a, (int32_t)(i * k + t) % 4, true);
        put_id(a, 1000 + (int32_t)(10 * i + k), true);
        assert_int_equal(pt_values_put(&a->columns, "rank_in_list", rank_of(i, k)), PT_OK);
    }
}

/* Of RECORDS records, each of `fixed` answers (0: of 1 to MOST); written and opened again. */
static pt_pack *make_pack(int fixed)
{
    static const pt_dataset_spec spec = {.path = "lists.jsonl", .type = "tokens"};
    pt_pack_report report = {0};
    pt_pack_options o = {.sequence_len = 128, .excess = PT_EXCESS_TRUNCATE, .distinct = true};
    const pt_reader reader = {.spec = &spec};
    pt_packer pk = {.opt = &o, .spec = &spec, .report = &report, .reader = &reader};
    pt_record rec = {0};
    pt_pack *p;
    char path[128];
    assert_int_equal(pt_alloc0(&pk.pack, 1), PT_OK);
    p = pk.pack;
    assert_int_equal(pt_reserve(&p->seq_start, &p->seq_cap, 1), PT_OK);
    assert_int_equal(pt_reserve(&p->record_start, &p->record_cap, 1), PT_OK);
    for (int64_t i = 0; i < RECORDS; i++)
        for (int twice = 0; twice < 2; twice++) { /* the second one is left out */
            make_record(&rec, i, answers_of(i, fixed));
            if (pt_pack_add(&pk, &rec, i + 1) != PT_OK) fail_msg("%s", pt_err_msg());
        }
    assert_int_equal(report.records_kept, RECORDS);
    assert_int_equal(report.records_dropped, RECORDS);
    assert_int_equal(pt_pack_source_add(p, spec.path, 0), PT_OK);
    p->meta = json_pack("{s:s, s:[], s:[{s:s}]}", "made_from", "x", "roles", "sources", "path", spec.path);
    snprintf(path, sizeof path, "%s/lists-%d.h5", dir, fixed);
    assert_int_equal(pt_pack_write(p, path), PT_OK);
    pt_packer_free(&pk);
    pt_record_free(&rec);
    pt_pack_free(p);
    if (pt_pack_open(&p, path) != PT_OK) fail_msg("%s", pt_err_msg());
    return p;
}

static void check_pack(const pt_pack *p, int fixed)
{
    int64_t all = 0;
    pt_packed r;
    for (int64_t i = 0; i < RECORDS; i++) {
        assert_int_equal(pt_pack_get(p, i, &r), PT_OK);
        assert_int_equal(r.n_answers, answers_of(i, fixed));
        assert_int_equal(r.first, all);
        if (r.n_answers > 1) assert_in_range(r.prefix_len, 30, 34);
        assert_true(pt_pack_value(p, "novelty", &r, 0) == novelty_of(i));
        assert_true(pt_pack_value(p, PT_COLUMN_WEIGHT, &r, 0) == (i % 2 ? 0.5f : 1));
        assert_true(pt_pack_value(p, "nobody", &r, 0) == 0);
        for (int32_t k = 0; k < r.n_answers; k++) {
            pt_packed_answer a = pt_pack_answer(p, &r, k);
            assert_int_equal(a.end, a.n - 1);
            assert_int_equal(a.ids[a.end], 1000 + 10 * i + k);
            assert_true(pt_pack_value(p, "rank_in_list", &r, k) == rank_of(i, k));
        }
        all += r.n_answers;
    }
    assert_int_equal(pt_pack_count_answers(p), all);
}

typedef struct met {
    int records[RECORDS];
    double row_weight, first_weight;
    double tail_less; /* what tokens past the shortest answer's length lose */
    int64_t rows;
} met;

static int32_t length_of(const pt_batch *b, int32_t g)
{
    return b->group_row_start[g + 1] - b->group_row_start[g];
}

/* The weights of a record's answers: 1 as far as the shortest goes. */
static void check_tails(const pt_batch *b, int32_t r, const met *m)
{
    int32_t from = b->record_start[r], to = b->record_start[r + 1], least = length_of(b, from);
    for (int32_t g = from; g < to; g++) least = length_of(b, g) < least ? length_of(b, g) : least;
    for (int32_t g = from; g < to; g++)
        for (int32_t k = 0; k < length_of(b, g); k++)
            assert_true(b->group_row_weight[b->group_row_start[g] + k] == (k < least ? 1 : 1 - (float)m->tail_less));
}

static void check_batch(const pt_batch *b, int fixed, met *m)
{
    const float *novelty = pt_batch_column_get(b, "novelty"), *rank = pt_batch_column_get(b, "rank_in_list"), *weight = pt_batch_column_get(b, PT_COLUMN_WEIGHT);
    const float *reference = pt_batch_column_get(b, PT_COLUMN_REFERENCE);
    assert_true(novelty && rank && weight && reference);
    assert_int_equal(b->record_start[b->n_records], b->n_groups);
    for (int32_t r = 0; r < b->n_records; r++) {
        int64_t i = b->group_record[b->record_start[r]];
        m->records[i]++;
        m->first_weight += (double)(weight[b->record_start[r]] * (float)length_of(b, b->record_start[r]));
        check_tails(b, r, m);
        assert_int_equal(b->record_start[r + 1] - b->record_start[r], answers_of(i, fixed));
        for (int32_t g = b->record_start[r]; g < b->record_start[r + 1]; g++) {
            int32_t k = g - b->record_start[r], last = b->group_row_start[g + 1] - 1;
            assert_int_equal(b->group_record[g], i);
            assert_int_equal(b->row_target[b->group_rows[last]], 1000 + 10 * i + k); /* the answers in their order */
            assert_true(novelty[g] == novelty_of(i) && rank[g] == rank_of(i, k) && weight[g] == (i % 2 ? 0.5f : 1) && reference[g] == -rank_of(i, k));
            m->rows += last + 1 - b->group_row_start[g];
            for (int32_t at = b->group_row_start[g]; at <= last; at++) m->row_weight += (double)(weight[g] * b->group_row_weight[at]);
        }
    }
}

static void check_loader(const pt_pack *p, int fixed, pt_packing packing, int ranks, double tail_less)
{
    int64_t steps = 0;
    double record_weight = 0, group_weight = 0, first_weight = 0, row_weight = 0;
    met m = {.tail_less = tail_less};
    for (int rank = 0; rank < ranks; rank++) {
        pt_loader_options o = {.packing = packing, .answers = fixed, .shuffle = true, .batch_rows = 7, .micro_batch_size = 2, .gradient_accumulation_steps = 2,
                               .sequence_len = 128, .ranks = ranks, .rank = rank, .epochs = 1, .seed = 3, .tail_less = tail_less};
        pt_loader *l;
        pt_loader_summary sum;
        pt_batch_caps caps;
        pt_step st;
        if (pt_loader_new(&l, p, &o) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_loader_summary_get(l, &sum), PT_OK);
        assert_int_equal(pt_loader_caps(l, &caps), PT_OK);
        steps = sum.steps;
        for (int64_t s = 0; s < steps; s++) {
            assert_int_equal(pt_loader_step(l, s, &st), PT_OK);
            for (int k = 0; k < st.n_micro; k++) {
                assert_true(st.micro[k].n_groups <= caps.groups && st.micro[k].n_tokens <= caps.tokens);
                check_batch(&st.micro[k], fixed, &m);
            }
            if (rank) continue;
            record_weight += st.record_weight;
            group_weight += st.group_weight;
            first_weight += st.first_weight;
            row_weight += st.row_weight;
        }
        pt_loader_free(l);
    }
    double records = 0, groups = 0;
    for (int64_t i = 0; i < RECORDS; i++) {
        assert_int_equal(m.records[i], 1);
        records += i % 2 ? 0.5 : 1;
        groups += (i % 2 ? 0.5 : 1) * answers_of(i, fixed);
    }
    assert_true(steps == (RECORDS + 6) / 7 && records == record_weight && groups == group_weight && m.rows > 0 && m.row_weight > 0);
    assert_true(fabs(first_weight - m.first_weight) < 1e-9 && (tail_less != 0 || fabs(row_weight - m.row_weight) < 1e-9));
}

static void lists(void **state)
{
    static const int kinds[] = {0, 1, 2, 3, MOST};
    for (size_t c = 0; c < sizeof kinds / sizeof *kinds; c++) {
        pt_pack *p = make_pack(kinds[c]);
        check_pack(p, kinds[c]);
        float *reference = calloc((size_t)pt_pack_count_answers(p), sizeof *reference);
        for (int64_t i = 0, s = 0; i < RECORDS; i++)
            for (int k = 0; k < answers_of(i, kinds[c]); k++) reference[s++] = -rank_of(i, k);
        assert_int_equal(pt_pack_store_reference(p, 5, reference), PT_OK);
        free(reference);
        for (int packing = PT_PACKING_FOREST; packing <= PT_PACKING_OFF; packing++)
            for (int ranks = 1; ranks <= 3; ranks += 2) check_loader(p, kinds[c], (pt_packing)packing, ranks, 0), check_loader(p, kinds[c], (pt_packing)packing, ranks, 0.75);
        pt_pack_free(p);
    }
}

/* An objective says how many answers it takes. */
static void other_numbers(void **state)
{
    static const char *const holds[] = {"records of 1 to 5 answers", "sequences", "pairs", "records of 3 answers"};
    for (int fixed = 0; fixed < 4; fixed++) {
        pt_pack *p = make_pack(fixed);
        for (int answers = 0; answers < 5; answers++) {
            pt_loader_options o = {.answers = answers, .micro_batch_size = 1, .gradient_accumulation_steps = 1, .sequence_len = 128, .ranks = 1, .epochs = 1};
            pt_loader *l;
            pt_status rc = pt_loader_new(&l, p, &o);
            assert_int_equal(rc, !answers || answers == fixed ? PT_OK : PT_EARG);
            if (rc != PT_OK) assert_non_null(strstr(pt_err_msg(), holds[fixed]));
            pt_loader_free(l);
        }
        pt_pack_free(p);
    }
}

/* Names, numbers and places of columns. */
static void values(void **state)
{
    static const char *const bad[] = {"", "Novelty", "1st", "_x", "a b", "a.b", "a_name_of_24_characters_"};
    pt_values v = {.n = 0};
    char name[16];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(pt_values_put(&v, bad[i], 1), PT_EARG);
    assert_int_equal(pt_values_put(&v, "x", (float)NAN), PT_EFORMAT);
    assert_int_equal(pt_values_put(&v, "x", (float)INFINITY), PT_EFORMAT);
    for (int i = 0; i < PT_BATCH_COLUMNS; i++) {
        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(pt_values_put(&v, name, (float)i), PT_OK);
    }
    assert_int_equal(pt_values_put(&v, "c3", 33), PT_OK);
    assert_int_equal(pt_values_put(&v, "more", 1), PT_EARG);
    assert_true(pt_values_get(&v, "c3") == 33 && pt_values_get(&v, "more") == 0 && pt_values_get(&v, PT_COLUMN_WEIGHT) == 1);

    pt_pack p = {.n_rows = 2, .n_seqs = 5};
    pt_pack_column *c;
    assert_int_equal(pt_pack_column_make(&p, "seen", false, &c), PT_OK);
    assert_int_equal(pt_pack_column_make(&p, "seen", true, &c), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "of records and of answers"));
    pt_pack_columns_free(&p);
}

/* A row's field under a name of the reader's own. */
static void from_rows(void **state)
{
    json_t *row = json_pack("{s:f, s:s, s:n}", "adv", -2.5, "text", "x", "none");
    pt_values v = {.n = 0};
    assert_int_equal(pt_row_value(row, "adv", -1e30, "advantage", &v), PT_OK);
    assert_int_equal(pt_row_value(row, "missing", -1e30, "other", &v), PT_OK);
    assert_int_equal(pt_row_value(row, "none", -1e30, "other", &v), PT_OK);
    assert_true(v.n == 1 && pt_values_get(&v, "advantage") == -2.5f);
    assert_int_equal(pt_row_value(row, "text", -1e30, "other", &v), PT_EFORMAT);
    assert_int_equal(pt_row_value(row, "adv", 0, "other", &v), PT_EFORMAT);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(other_numbers), cmocka_unit_test(values), cmocka_unit_test(from_rows)};
    return cmocka_run_group_tests_name("data_lists", tests, setup, teardown);
}
