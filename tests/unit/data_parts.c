/* Conversations whose template writes earlier answers otherwise: a record of several sequences (opt.parts), one record for batch_rows and weights, each
 * supervised token once, the same batch as its sequences would be as rows of their own. */
#include "data/pack/pack_data.h"
#include "loader_seen.h"

static char dir[64];
static pt_tokenizer *tok;
static pt_template *tmpl;

/* Thoughts of all answers but the last are cut off. */
#define CUTS                                                                                                                                          \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% set c = m.content %}{% if m.role == 'assistant' and not loop.last %}{% set c = c.split('</think>')[-1] %}{% endif %}" \
    "{{ c }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}"

static int setup(void **state)
{
    fixture_dir(dir);
    if (pt_tok_open(&tok, "tests/golden/data/tok_bpe") == PT_OK && pt_template_open_own(&tmpl, CUTS, tok, NULL, NULL) == PT_OK) return 0;
    print_error("%s\n", pt_err_msg());
    return 1;
}

static int teardown(void **state)
{
    pt_template_free(tmpl);
    pt_tok_free(tok);
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

static pt_pack_options options(void)
{
    return (pt_pack_options){.tok = tok, .tmpl = tmpl, .sequence_len = 4096, .cache_dir = dir, .excess = PT_EXCESS_TRUNCATE, .parts = true};
}

static pt_status build(pt_pack **p, const char *type, const char *rows, const char *thinking, pt_pack_options o, pt_pack_report *r)
{
    char path[128];
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    assert_int_equal(pt_file_write_whole(path, rows, strlen(rows)), PT_OK);
    pt_dataset_spec set = {.path = path, .type = (char *)type, .weight = 1, SAYS(SAID("thinking", (char *)thinking))};
    return pt_pack_build(p, &set, 1, &o, r);
}

/* n rounds, of which those in `thinking` (bits) have a thought. */
static void talk(pt_str *out, int i, int n, unsigned thinking)
{
    assert_int_equal(pt_str_printf(out, "{\"messages\": [{\"role\": \"system\", \"content\": \"You are the quiet lamp number %d.\"}", i % 2), PT_OK);
    for (int k = 0; k < n; k++) {
        assert_int_equal(pt_str_printf(out, ", {\"role\": \"user\", \"content\": \"question %d of %d\"}, {\"role\": \"assistant\", \"content\": \"%sanswer %d of %d\"}", k, i,
                                       thinking >> k & 1 ? "<think>why</think>" : "", k, i),
                         PT_OK);
    }
    assert_int_equal(pt_str_puts(out, "]}\n"), PT_OK);
}

static const struct {
    int rounds;
    unsigned thinking;
    int parts;
} talks[] = {{1, 0, 1}, {1, 1, 1}, {3, 0, 1}, {3, 3, 3}, {3, 5, 2}, {2, 2, 1}, {4, 8 + 2, 2}, {2, 1, 2}, {3, 7, 3}};
enum { TALKS = sizeof talks / sizeof *talks };

static char *all_talks(void)
{
    pt_str s = {0};
    for (int i = 0; i < TALKS; i++) talk(&s, i, talks[i].rounds, talks[i].thinking);
    return s.text;
}

static long long supervised(const pt_packed_answer *a)
{
    long long n = 0;
    for (int32_t i = 0; i < a->n; i++) n += pt_weight_at(a->weight, (size_t)i) > 0;
    return n;
}

static void counts(void **state)
{
    pt_pack_report r, one;
    pt_pack *p;
    char *rows = all_talks();
    if (build(&p, "messages", rows, NULL, options(), &r) != PT_OK) fail_msg("%s", pt_err_msg());
    long long sum = 0, ends = 0, seqs = 0;
    for (int i = 0; i < TALKS; i++) {
        pt_packed rec;
        assert_int_equal(pt_pack_get(p, i, &rec), PT_OK);
        if (rec.n_answers != talks[i].parts) fail_msg("conversation %d: %d parts", i, rec.n_answers);
        for (int32_t k = 0; k < rec.n_answers; k++) {
            pt_packed_answer a = pt_pack_answer(p, &rec, k);
            sum += supervised(&a);
            assert_true(a.end >= 0 && pt_weight_at(a.weight, (size_t)a.end) == 1 && a.n == a.end + 1); /* each ends with its last answer */
        }
        seqs += rec.n_answers;
        ends += talks[i].rounds;
    }
    assert_int_equal(r.records_kept, TALKS);
    assert_int_equal(r.supervised_tokens, sum);
    assert_int_equal(r.end_tokens, ends);
    assert_int_equal(pt_pack_count(p), TALKS);
    assert_int_equal(pt_pack_count_answers(p), seqs);
    /* each answer counts what it does as the last of a conversation of its own */
    long long alone = 0;
    for (int i = 0; i < TALKS; i++)
        for (int n = 1; n <= talks[i].rounds; n++) {
            pt_str s = {0};
            pt_pack *q;
            talk(&s, i, n, talks[i].thinking);
            for (char *x = s.text, *last = strrchr(s.text, '{'); (x = strstr(x, "\"assistant\"")) && x < last; x += 11) memcpy(x, "\"user\"     ", 11);
            if (build(&q, "messages", s.text, NULL, options(), &one) != PT_OK) fail_msg("%s", pt_err_msg());
            alone += one.supervised_tokens;
            pt_pack_free(q);
            pt_str_free(&s);
        }
    assert_int_equal(sum, alone);
    char holds[64];
    pt_pack_holds(p, holds);
    assert_string_equal(holds, "sequences");
    pt_str s = {0};
    assert_int_equal(pt_pack_inspect(p, tok, 7, false, &s), PT_OK);
    assert_non_null(strstr(s.text, "--- part 1 of 2"));
    assert_non_null(strstr(s.text, "question 0 of 7<|im_end|>\n<|im_start|>assistant\n«<think>why</think>answer 0 of 7<|im_end|>»\n"));
    assert_non_null(strstr(s.text, "assistant\nanswer 0 of 7<|im_end|>\n<|im_start|>user\nquestion 1 of 7<|im_end|>\n<|im_start|>assistant\n«answer 1 of 7<|im_end|>»\n"));
    pt_str_free(&s);
    pt_pack_free(p);
    /* the same again is a cached pack; without parts the rows are refused */
    assert_int_equal(build(&p, "messages", rows, NULL, options(), &r), PT_OK);
    assert_true(r.reused && p->parts);
    pt_pack_free(p);
    pt_pack_options o = options();
    o.parts = false;
    assert_int_equal(build(&p, "messages", rows, NULL, o, &r), PT_ENOSUP);
    assert_non_null(strstr(pt_err_msg(), "the template writes message 3 otherwise once others follow; this objective wants one answer a completion"));
    free(rows);
}

/* The sequences of a pack as rows of type tokens. */
static char *as_tokens(const pt_pack *p)
{
    pt_str s = {0};
    for (int64_t i = 0; i < pt_pack_count(p); i++) {
        pt_packed rec;
        assert_int_equal(pt_pack_get(p, i, &rec), PT_OK);
        for (int32_t k = 0; k < rec.n_answers; k++) {
            pt_packed_answer a = pt_pack_answer(p, &rec, k);
            pt_str ids = {0}, labels = {0};
            for (int32_t t = 0; t < a.n; t++) {
                assert_int_equal(pt_str_printf(&ids, "%s%d", t ? ", " : "", a.ids[t]), PT_OK);
                assert_int_equal(pt_str_printf(&labels, "%s%d", t ? ", " : "", pt_weight_at(a.weight, (size_t)t) > 0 ? a.ids[t] : -100), PT_OK);
            }
            assert_int_equal(pt_str_printf(&s, "{\"input_ids\": [%s], \"labels\": [%s]}\n", ids.text, labels.text), PT_OK);
            pt_str_free(&ids);
            pt_str_free(&labels);
        }
    }
    return s.text;
}

#define SAME(field, n) assert_memory_equal(a->field, b->field, (size_t)(n) * sizeof *a->field)

/* A forest of records in parts is, bit for bit, that of their sequences as rows. */
static void same_forest(void **state)
{
    pt_pack_report r;
    pt_pack *p, *q;
    char *rows = all_talks();
    assert_int_equal(build(&p, "messages", rows, NULL, options(), &r), PT_OK);
    char *tokens = as_tokens(p);
    pt_pack_options o = options();
    if (build(&q, "tokens", tokens, NULL, o, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    for (int packing = PT_PACKING_FOREST; packing <= PT_PACKING_OFF; packing++) {
        pt_loader_options x = {.packing = (pt_packing)packing, .answers = 1, .batch_rows = TALKS, .micro_batch_size = 64, .gradient_accumulation_steps = 1, .sequence_len = 512, .epochs = 1, .ranks = 1};
        pt_loader *l, *k;
        pt_step s, t;
        if (pt_loader_new(&l, p, &x) != PT_OK) fail_msg("%s", pt_err_msg());
        x.batch_rows = (int)pt_pack_count(q);
        if (pt_loader_new(&k, q, &x) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_loader_step(l, 0, &s), PT_OK);
        assert_int_equal(pt_loader_step(k, 0, &t), PT_OK);
        assert_int_equal(s.records, TALKS);
        assert_int_equal(t.records, pt_pack_count(q));
        assert_true(s.rows == t.rows && s.row_weight == t.row_weight && s.tokens == t.tokens && s.unshared_tokens == t.unshared_tokens);
        assert_true(s.n_micro == 1 && t.n_micro == 1);
        const pt_batch *a = s.micro, *b = t.micro;
        assert_true(a->n_tokens == b->n_tokens && a->n_segs == b->n_segs && a->n_heads == b->n_heads && a->n_rows == b->n_rows && a->n_groups == b->n_groups);
        SAME(tokens, a->n_tokens);
        SAME(positions, a->n_tokens);
        SAME(token_key, a->n_tokens);
        SAME(seg_start, a->n_segs + 1);
        SAME(seg_parent, a->n_segs);
        SAME(seg_end, a->n_segs);
        SAME(head_token, a->n_heads);
        SAME(row_head, a->n_rows);
        SAME(row_target, a->n_rows);
        SAME(row_weight, a->n_rows);
        assert_true(a->step_row_weight == b->step_row_weight && a->step_rows == b->step_rows);
        pt_loader_free(l);
        pt_loader_free(k);
    }
    free(tokens);
    free(rows);
    pt_pack_free(p);
    pt_pack_free(q);
}

static int by_context(const void *pa, const void *pb)
{
    const row_seen *a = pa, *b = pb;
    if (a->record != b->record) return a->record < b->record ? -1 : 1;
    if (a->context != b->context) return a->context < b->context ? -1 : 1;
    return (a->target > b->target) - (a->target < b->target);
}

static void sort_rows(seen *s)
{
    qsort(s->rows, s->n, sizeof *s->rows, by_context);
}

/* Records count, whatever their parts: batch_rows, steps, layouts and ranks. */
static void steps(void **state)
{
    static const struct {
        pt_packing packing;
        int ranks, micro;
    } ways[] = {{PT_PACKING_OFF, 1, 1}, {PT_PACKING_PLAIN, 1, 2}, {PT_PACKING_FOREST, 1, 1}, {PT_PACKING_FOREST, 2, 8}, {PT_PACKING_PLAIN, 3, 1}};
    pt_pack_report r;
    pt_pack *p;
    char *rows = all_talks();
    assert_int_equal(build(&p, "messages", rows, NULL, options(), &r), PT_OK);
    long long all[5] = {0};
    for (int64_t i = 0; i < 3; i++) {
        static seen base, s;
        pt_step st = {0};
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            pt_loader_options o = {.packing = ways[w].packing, .ranks = ways[w].ranks, .micro_batch_size = ways[w].micro, .shuffle = true, .batch_rows = 3, .share_group = 2};
            collect(w ? &s : &base, p, o, i, &st);
            assert_int_equal(st.records, 3);
            all[w] += st.rows;
            sort_rows(w ? &s : &base);
            if (!w) continue;
            assert_int_equal(s.n, base.n);
            for (size_t k = 0; k < s.n; k++) assert_true(by_context(&s.rows[k], &base.rows[k]) == 0 && s.rows[k].weight == base.rows[k].weight);
            free(s.rows);
        }
        free(base.rows);
    }
    for (size_t w = 0; w < 5; w++) assert_int_equal(all[w], r.supervised_tokens);
    free(rows);
    pt_pack_free(p);
}

/* Old turns go from the part that is too long alone; thoughts that are left out or masked. */
static void cut_and_think(void **state)
{
    pt_pack_report r, whole;
    pt_pack *p;
    pt_packed rec;
    pt_str s = {0};
    talk(&s, 1, 3, 1);
    pt_pack_options o = options();
    assert_int_equal(build(&p, "messages", s.text, NULL, o, &whole), PT_OK);
    assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
    assert_int_equal(rec.n_answers, 2);
    int32_t first = pt_pack_answer(p, &rec, 0).n, longest = (int32_t)whole.longest;
    assert_true(first < longest);
    pt_pack_free(p);
    o.sequence_len = longest - 1;
    assert_int_equal(build(&p, "messages", s.text, NULL, o, &r), PT_OK);
    assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
    assert_int_equal(rec.n_answers, 2);
    assert_int_equal(pt_pack_answer(p, &rec, 0).n, first);
    assert_in_range(pt_pack_answer(p, &rec, 1).n, 1, longest - 1);
    assert_int_equal(r.records_cut, 1);
    assert_int_equal(r.end_tokens, 3); /* the answer that went stands in the first part */
    pt_pack_free(p);
    /* no thoughts, nothing is rewritten; masked ones leave their record in parts and weigh nothing */
    o = options();
    assert_int_equal(build(&p, "messages", s.text, "strip", o, &r), PT_OK);
    assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
    assert_int_equal(rec.n_answers, 1);
    long long without = r.supervised_tokens;
    pt_pack_free(p);
    assert_int_equal(build(&p, "messages", s.text, "mask", o, &r), PT_OK);
    assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
    assert_int_equal(r.supervised_tokens, without);
    assert_true(without < whole.supervised_tokens);
    pt_pack_free(p);
    assert_int_equal(build(&p, "messages", "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"<think>why</think>\"}]}\n", "strip", o, &r), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "a thought alone"));
    pt_str_free(&s);
}

#define Q(text) "{\"role\": \"user\", \"content\": \"" text "\"}"
#define A(text) "{\"role\": \"assistant\", \"content\": \"<think>why</think>" text "\"}"
/* Pairs of one answer each, after another answer; pairs of two answers each; a judged completion of two. */
#define ONE "{\"prompt\": [" Q("q1") ", " A("a1") ", " Q("q2") "], \"chosen\": [" A("a2") "], \"rejected\": [" A("b2") "]}\n"
#define TWO "{\"prompt\": [" Q("q1") "], \"chosen\": [" A("a1") ", " Q("q2") ", " A("a2") "], \"rejected\": [" A("a1") ", " Q("q2") ", " A("b2") "]}\n"
#define JUDGED "{\"prompt\": [" Q("q1") "], \"completion\": [" A("a1") ", " Q("q2") ", " A("a2") "], \"label\": true}\n"

#define QWEN3 "../shared/data/chat_templates/templates/Qwen-Qwen3-0.6B.jinja"
/* Completions that an objective takes as a whole: one answer is what the model says; several are refused, or the last one is scored. */
static void in_one_piece(void **state)
{
    pt_pack_report r;
    pt_pack *p, *q;
    pt_template *own = tmpl, *qwen3 = NULL;
    pt_str s = {0}, z = {0};
    char *text = NULL;
    if (pt_file_exists(QWEN3)) { /* which is written by a style of ours, and takes several answers */
        assert_int_equal(pt_file_read(&text, NULL, QWEN3, 1 << 20), PT_OK);
        if (pt_template_open_own(&qwen3, text, tok, NULL, NULL) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_string_equal(pt_template_name(qwen3), "qwen3");
    }
    for (int k = 0; k < 1 + (qwen3 != NULL); k++) {
        pt_pack_options o = options();
        o.tmpl = k ? qwen3 : own;
        o.parts = false;
        o.pairs = true;
        if (build(&p, "preference", ONE, NULL, o, &r) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_pack_count_answers(p), 2);
        assert_int_equal(pt_pack_inspect(p, tok, 0, false, &s), PT_OK);
        pt_pack_free(p);
        assert_int_equal(build(&p, "preference", TWO, NULL, o, &r), PT_ENOSUP);
        assert_non_null(strstr(pt_err_msg(), "the template writes message 2 otherwise once others follow; this objective wants one answer a completion"));
        assert_non_null(strstr(pt_err_msg(), "or another chat_template"));
        o.pairs = false, o.verdicts = true;
        assert_int_equal(build(&p, "unpaired", JUDGED, NULL, o, &r), PT_ENOSUP);
        assert_non_null(strstr(pt_err_msg(), "the template writes message 2 otherwise once others follow"));
        /* where a score is read alone, it is the same as if what was said before stood in the prompt */
        o.pairs = true, o.verdicts = false, o.scored = true;
        if (build(&p, "preference", TWO, NULL, o, &r) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(r.end_tokens, 2);
        assert_int_equal(pt_pack_inspect(p, tok, 0, false, &z), PT_OK);
        assert_string_equal(z.text, s.text);
        assert_int_equal(build(&q, "preference", ONE, NULL, o, &r), PT_OK);
        for (int side = 0; side < 2; side++) {
            pt_packed a, b;
            assert_int_equal(pt_pack_get(p, 0, &a), PT_OK);
            assert_int_equal(pt_pack_get(q, 0, &b), PT_OK);
            const pt_packed_answer x = pt_pack_answer(p, &a, side), y = pt_pack_answer(q, &b, side);
            assert_true(x.n == y.n && x.end == y.end && !memcmp(x.ids, y.ids, (size_t)x.n * sizeof *x.ids));
        }
        pt_pack_free(p);
        pt_pack_free(q);
        s.len = z.len = 0;
    }
    pt_template_free(qwen3);
    free(text);
    pt_str_free(&s);
    pt_str_free(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts), cmocka_unit_test(same_forest), cmocka_unit_test(steps), cmocka_unit_test(cut_and_think),
                                       cmocka_unit_test(in_one_piece)};
    return cmocka_run_group_tests_name("data_parts", tests, setup, teardown);
}
