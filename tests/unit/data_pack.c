/* Packs: what is supervised, what is cut, what is refused. Texts are compared as `ptrain inspect` shows them: «supervised»
 * between marks. */
#include "data_fixture.h"
#include "base/log.h"

static char dir[64];
static pt_tokenizer *tok;
static pt_template *chatml;

static int setup(void **state)
{
    fixture_dir(dir);
    if (pt_tok_open(&tok, "tests/golden/data/tok_bpe") != PT_OK || pt_template_open(&chatml, "chatml", tok, "") != PT_OK) {
        print_error("%s\n", pt_err_msg());
        return 1;
    }
    return 0;
}

static int teardown(void **state)
{
    pt_template_free(chatml);
    pt_tok_free(tok);
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

static pt_pack_options options(void)
{
    return (pt_pack_options){.tok = tok, .tmpl = chatml, .sequence_len = 4096, .cache_dir = dir, .excess = PT_EXCESS_TRUNCATE};
}

static double bad_rows; /* of the sets built here */

static pt_status build_at(const char *name, pt_pack **p, const char *type, const char *rows, pt_pack_options o, pt_pack_report *r)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(pt_file_write_whole(path, rows, strlen(rows)), PT_OK);
    pt_dataset_spec set = {
        .path = path, .type = (char *)type, .bad_rows = bad_rows, 
        SAYS(SAID("field_weight", "w"), SAID("system_template", strcmp(type, "rolebench") ? NULL : "You are {role}."))};
    return pt_pack_build(p, &set, 1, &o, r);
}

static pt_status build(pt_pack **p, const char *type, const char *rows, pt_pack_options o, pt_pack_report *r)
{
    return build_at("rows.jsonl", p, type, rows, o, r);
}

/* The text of sample i behind its head line. */
static char *shown(const pt_pack *p, int64_t i)
{
    pt_str s = {0};
    if (pt_pack_inspect(p, tok, i, false, &s) != PT_OK) fail_msg("%s", pt_err_msg());
    char *text = strchr(s.text, '\n') + 1, *copy = strdup(text);
    pt_str_free(&s);
    return copy;
}

#define M(r, c) "{\"role\": \"" r "\", \"content\": \"" c "\"}"
#define TALK                                                                                                                   \
    "{\"messages\": [" M("system", "Be kind.") "," M("user", "Hello you") "," M("assistant", "Ho") "," M("user", "Bye") "," M( \
        "assistant", "Hey") "]}\n"

typedef struct shown_case {
    const char *type, *row, *want;
    bool inputs, pairs;
    const char *train;

} shown_case;

static const shown_case cases[] = {
    {"messages", TALK,
     "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello you<|im_end|>\n<|im_start|>assistant\n«Ho<|im_end|>»\n"
     "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n«Hey<|im_end|>»\n",
     .inputs = false},
    {"messages",
     "{\"messages\": [" M("user", "Hi") ",{\"role\":\"assistant\",\"content\":\"Ho\",\"train\":false}," M(
         "user", "Bye") ","
                        "{\"role\":\"assistant\",\"content\":\"Hey\",\"weight\":0.5}]}\n",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n"
     "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n«0.5|Hey<|im_end|>»\n",
     .inputs = false},
    {"messages",
     "{\"messages\": [" M("user", "Hi") ",{\"role\":\"assistant\",\"content\":\" Hello you\",\"weight\":0.5,\"train_detail\":["
     "{\"begin_offset\":1,\"end_offset\":2,\"train\":true},{\"begin_offset\":7,\"end_offset\":8,\"weight\":4}]},"
     M("user", "Hi") ",{\"role\":\"assistant\",\"content\":\"Ho\",\"weight\":0}]}\n",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n «0.5|Hell»o«2| you»«0.5|<|im_end|>»\n", .inputs = false},
    {"messages", TALK,
     "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n«Hello you<|im_end|>»\n<|im_start|>assistant\nHo<|im_end|>\n"
     "<|im_start|>user\n«Bye<|im_end|>»\n",
     .train = "human"},
    {"messages", TALK,
     "<|im_start|>system\n«Be kind.<|im_end|>»\n<|im_start|>user\n«Hello "
     "you<|im_end|>»\n<|im_start|>assistant\n«Ho<|im_end|>»\n"
     "<|im_start|>user\n«Bye<|im_end|>»\n<|im_start|>assistant\n«Hey<|im_end|>»\n",
     .inputs = true},
    {"rolebench", "{\"role\":\"Ahab\",\"question\":\" Who? \",\"generated\":[\" Me.\\n\"]}\n",
     "<|im_start|>system\nYou are "
     "Ahab.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n«Me.<|im_end|>»\n",
     .inputs = false},
    {"text", "{\"text\":\"Hello you\"}\n", "H«ello you<|im_end|>»\n", .inputs = false},
    {"preference", "{\"prompt\":\"Hi\",\"chosen\":\"Hey\",\"rejected\":\"Ho\"}\n",
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hey<|im_end|>»\n\n--- rejected  15 tokens, 3 supervised\n"
     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Ho<|im_end|>»\n",
     .pairs = true},
};

static void texts_and_weights(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_pack_options o = options();
        pt_pack_report r;
        pt_pack *p;
        o.pairs = cases[i].pairs;
        o.train_on_inputs = cases[i].inputs;
        o.roles_to_train = cases[i].train ? &cases[i].train : NULL;
        o.n_roles_to_train = cases[i].train ? 1 : 0;
        if (build(&p, cases[i].type, cases[i].row, o, &r) != PT_OK) fail_msg("case %zu: %s", i, pt_err_msg());
        char *text = shown(p, 0), *from = strstr(text, cases[i].pairs ? "tokens" : "");
        if (cases[i].pairs) from = strchr(from, '\n') + 1;
        char *got = from, *reject = strstr(got, "--- rejected"), *want = strstr(cases[i].want, "--- rejected");
        if (reject && want) { /* the counts of the head line are another test's */
            assert_string_equal(strchr(reject, '\n'), strchr(want, '\n'));
            assert_int_equal(reject - got, want - cases[i].want);
            assert_memory_equal(got, cases[i].want, (size_t)(reject - got));
        } else {
            if (strcmp(got, cases[i].want)) print_message("case %zu\n", i);
            assert_string_equal(got, cases[i].want);
        }
        free(text);
        pt_pack_free(p);
    }
}

static long long supervised(const pt_packed_answer *a)
{
    long long n = 0;
    for (int32_t i = 0; i < a->n; i++) n += pt_weight_at(a->weight, (size_t)i) > 0;
    return n;
}

/* Answer k of record i. */
static pt_packed_answer answer(const pt_pack *p, int64_t i, int32_t k)
{
    pt_packed r;
    assert_int_equal(pt_pack_get(p, i, &r), PT_OK);
    assert_in_range(k, 0, r.n_answers - 1);
    return pt_pack_answer(p, &r, k);
}

/* Old rounds go whole, the system turn and the last round stay; then the end is cut, and with it the end token. */
static void long_rows(void **state)
{
    pt_pack_report whole, r;
    pt_pack *p;
    pt_packed_answer x;
    pt_pack_options o = options();
    assert_int_equal(build(&p, "messages", TALK, o, &whole), PT_OK);
    assert_int_equal(whole.end_tokens, 2);
    assert_int_equal(whole.records_cut, 0);
    pt_pack_free(p);
    o.sequence_len = (int)whole.tokens;
    assert_int_equal(build(&p, "messages", TALK, o, &r), PT_OK);
    assert_int_equal(r.tokens, whole.tokens);
    pt_pack_free(p);

    o.sequence_len = (int)whole.tokens - 1;
    for (int way = PT_EXCESS_DROP; way <= PT_EXCESS_RAISE; way++) { /* cutting the first round is enough under every strategy */
        o.excess = (pt_excess)way;
        assert_int_equal(build(&p, "messages", TALK, o, &r), PT_OK);
        char *text = shown(p, 0);
        assert_string_equal(text, "<|im_start|>system\nBe "
                                  "kind.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n«Hey<|im_end|>»\n");
        free(text);
        assert_int_equal(r.records_cut, 1);
        assert_int_equal(r.end_tokens, 1);
        o.sequence_len = (int)r.tokens;
        pt_pack_free(p);
    }
    o.sequence_len -= 3; /* now the last answer's end is cut: a row that cannot end, so the set is refused */
    o.excess = PT_EXCESS_TRUNCATE;
    assert_int_equal(build(&p, "messages", TALK, o, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "end token"));
    const char *both = TALK "{\"messages\": [" M("user", "Hi") "," M("assistant", "Ho") "]}\n";
    assert_int_equal(build(&p, "messages", both, o, &r), PT_OK);
    assert_int_equal(r.records_kept, 2);
    assert_int_equal(r.records_cut, 1);
    assert_int_equal(r.end_tokens, 1);
    x = answer(p, 0, 0);
    assert_int_equal(x.n, o.sequence_len);
    assert_int_equal(x.end, -1);
    assert_true(supervised(&x) > 0);
    x = answer(p, 1, 0);
    assert_int_equal(x.ids[x.end], pt_tok_find(tok, "<|im_end|>"));
    assert_true(pt_weight_at(x.weight, (size_t)x.end) == 1);
    pt_pack_free(p);
    o.excess = PT_EXCESS_DROP;
    assert_int_equal(build(&p, "messages", both, o, &r), PT_OK);
    assert_int_equal(r.records_dropped, 1);
    assert_string_equal(r.dropped[0].reason, "longer than sequence_len");
    pt_pack_free(p);
    o.excess = PT_EXCESS_RAISE;
    assert_int_equal(build(&p, "messages", both, o, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "rows.jsonl:1: "));
}

/* A pair's old rounds go on both sides alike. */
static void long_pairs(void **state)
{
#define ASK M("user", "one two three") "," M("assistant", "four five") "," M("user", "Bye")
    const char *row = "{\"prompt\":[" ASK "],\"chosen\":\"Hey\",\"rejected\":\"Ho\"}\n";
    pt_pack_options o = options();
    pt_pack_report r;
    pt_pack *p;
    pt_packed r0;
    pt_packed_answer x, y;
    o.pairs = true;
    assert_int_equal(build(&p, "preference", row, o, &r), PT_OK);
    assert_int_equal(pt_pack_get(p, 0, &r0), PT_OK);
    assert_int_equal(r0.n_answers, 2);
    x = answer(p, 0, 0), y = answer(p, 0, 1);
    assert_true(r0.prefix_len > 0 && !memcmp(x.ids, y.ids, (size_t)r0.prefix_len * 4));
    for (int32_t i = 0; i < r0.prefix_len - 1; i++)
        assert_true(pt_weight_at(x.weight, (size_t)i) == 0 && pt_weight_at(y.weight, (size_t)i) == 0); /* the prompt's answer is context */
    o.sequence_len = x.n - 1;
    pt_pack_free(p);
    assert_int_equal(build(&p, "preference", row, o, &r), PT_OK);
    x = answer(p, 0, 0), y = answer(p, 0, 1);
    assert_int_equal(r.records_cut, 1);
    assert_true(x.end >= 0 && y.end >= 0 && x.n <= o.sequence_len && y.n <= o.sequence_len);
    char *text = shown(p, 0);
    assert_null(strstr(text, "four"));
    assert_null(strstr(text, "one"));
    free(text);
    pt_pack_free(p);
    const char *same = "{\"prompt\":\"Hi\",\"chosen\":\"Ho\",\"rejected\":\"Ho\"}\n{\"prompt\":\"Hi\",\"chosen\":\"Ho\","
                       "\"rejected\":\"Hey\"}\n";
    assert_int_equal(build(&p, "preference", same, o, &r), PT_OK);
    assert_int_equal(r.records_dropped, 1);
    assert_string_equal(r.dropped[0].reason, "chosen and rejected are equal");
    assert_string_equal(r.dropped[0].where, "rows.jsonl:1");
    pt_pack_free(p);
}

/* pretrain: pieces of sequence_len that overlap by one token; every token but the first is predicted once, nothing is dropped.
 */
static void pretrain_pieces(void **state)
{
    pt_pack_options o = options();
    pt_pack_report r;
    pt_pack *p, *whole;
    char rows[4096] = "{\"text\":\"";
    for (int i = 0; i < 60; i++) snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "word%d and ", i);
    snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "\"}\n{\"text\":\"\"}\n");
    assert_int_equal(build(&whole, "text", rows, o, &r), PT_OK);
    assert_int_equal(r.records_kept, 1); /* the empty text is an end token alone: nothing predicts it */
    assert_string_equal(r.dropped[0].reason, "empty text");
    pt_packed_answer w, x;
    w = answer(whole, 0, 0);
    o.sequence_len = w.n - 1; /* without pretrain the end is cut, and the end token with it */
    assert_int_equal(build(&p, "text", rows, o, &r), PT_OK);
    x = answer(p, 0, 0);
    assert_int_equal(x.end, -1);
    assert_int_equal(r.end_tokens, 0);
    assert_int_equal(r.records_cut, 1);
    pt_pack_free(p);
    o.pretrain = true;
    for (o.sequence_len = 2; o.sequence_len < w.n + 2; o.sequence_len += 13) {
        assert_int_equal(build(&p, "text", rows, o, &r), PT_OK);
        int32_t at = 0;
        for (int64_t i = 0; i < pt_pack_count(p); i++) {
            x = answer(p, i, 0);
            assert_true(x.n <= o.sequence_len && x.n >= 2);
            assert_memory_equal(x.ids, w.ids + at, (size_t)x.n * 4);
            assert_int_equal(supervised(&x), x.n - 1);
            assert_int_equal(x.end, at + x.n == w.n ? x.n - 1 : -1);
            at += x.n - 1;
        }
        assert_int_equal(at, w.n - 1);
        assert_int_equal(r.supervised_tokens, w.n - 1);
        assert_int_equal(r.end_tokens, 1);
        pt_pack_free(p);
    }
    pt_pack_free(whole);
    o.sequence_len = 100;
    assert_int_equal(build(&p, "messages", TALK, o, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "this objective learns whole texts"));
}

static void refused_sets(void **state)
{
    static const struct {
        const char *type, *rows, *says;
        pt_status rc;
    } table[] = {
        {"messages", "{\"messages\": [" M("user", "Hi") "]}\n",
         "rows.jsonl:1: no supervised token", PT_EFORMAT},
        {"messages", "{\"messages\": [" M("user", "Hi") ",{\"role\":\"assistant\",\"content\":\"Ho\",\"train\":false}]}\n",
         "no supervised token", PT_EFORMAT},
        {"messages", TALK "{\"messages\": 3}\n", "rows.jsonl:2: a list of messages is wanted", PT_EFORMAT},
        {"tokens", "{\"input_ids\": [1, 100000], \"labels\": [1, 100000]}\n",
         "rows.jsonl:1: id 100000 at token 1; the vocabulary has 772", PT_EFORMAT},
        {"tokens", "{\"input_ids\": [1, 2], \"labels\": [-100, -100]}\n", "no supervised token", PT_EFORMAT},
        {"tokens", "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"w\": 0}\n", "none of 1 rows is left; most recent reason: weight is 0", PT_EARG},
        {"tokens", "[]", "none of 0 rows is left", PT_EARG},
        {"novel", "{}", "no data type 'novel'", PT_EARG},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        pt_pack_report r;
        pt_pack *p;
        pt_status rc = build(&p, table[i].type, table[i].rows, options(), &r);
        if (rc != table[i].rc || !strstr(pt_err_msg(), table[i].says))
            fail_msg("case %zu: %s: %s", i, pt_status_name(rc), pt_err_msg());
        assert_null(p);
    }
    pt_pack_options o = options();
    pt_pack_report r;
    pt_pack *p;
    o.vocab = 800; /* rows of the model, more than the tokenizer has (padded vocabularies) */
    assert_int_equal(build(&p, "tokens", "{\"input_ids\": [1, 799], \"labels\": [1, 799]}\n", o, &r), PT_OK);
    pt_pack_free(p);
    assert_int_equal(build(&p, "tokens", "{\"input_ids\": [1, 800], \"labels\": [1, 800]}\n", o, &r), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "the vocabulary has 800"));
    o = options();
    const char *nobody = "narrator";
    o.roles_to_train = &nobody;
    o.n_roles_to_train = 1;
    assert_int_equal(build(&p, "messages", TALK, o, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "'narrator' is unknown"));
    o = options();
    o.sequence_len = 1;
    assert_int_equal(build(&p, "messages", TALK, o, &r), PT_EARG);
    o = options();
    o.tmpl = NULL;
    assert_int_equal(build(&p, "messages", TALK, o, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "chat template"));
    assert_int_equal(pt_pack_build(&p, NULL, 0, &o, &r), PT_EARG);
}

static int notes;
static void sink(void *user, pt_log_level level, const char *text)
{
    notes += level == PT_LOG_WARN;
}

static void reuse(void **state)
{
    pt_pack_options o = options();
    pt_pack_report a, b;
    pt_pack *p;
    const char *other = "{\"messages\": [" M("user", "Hi") "," M("assistant", "Ho") "]}\n";
    const char *two = TALK "{\"messages\": [" M("user", "Hi") "," M("assistant", "Ho") "]}\n";
    o.sequence_len = 777;
    assert_int_equal(build(&p, "messages", TALK, o, &a), PT_OK);
    assert_false(a.reused);
    uint64_t print = pt_pack_fingerprint(p);
    char *path = strdup(pt_pack_path(p));
    pt_pack_free(p);
    assert_int_equal(build(&p, "messages", TALK, o, &b), PT_OK);
    assert_true(b.reused);
    assert_int_equal(b.tokens, a.tokens);
    assert_int_equal(b.rows_read, 1);
    assert_true(pt_pack_fingerprint(p) == print);
    pt_pack_free(p);
    o.seed = 77; /* decides nothing of a pack without validation */
    assert_int_equal(build(&p, "messages", TALK, o, &b), PT_OK);
    assert_true(b.reused);
    pt_pack_free(p);
    o.val_set_size = 0.5;
    assert_int_equal(build(&p, "messages", two, o, &b), PT_OK);
    pt_pack_free(p);
    o.seed = 78;
    assert_int_equal(build(&p, "messages", two, o, &b), PT_OK);
    assert_false(b.reused);
    pt_pack_free(p);
    o.val_set_size = 0;
    assert_int_equal(build_at("moved.jsonl", &p, "messages", TALK, o, &b), PT_OK); /* the same bytes elsewhere */
    assert_true(b.reused && pt_pack_fingerprint(p) == print);
    assert_non_null(strstr(pt_pack_source(p, 0), "moved.jsonl")); /* messages name the new place */
    pt_pack_free(p);
    assert_int_equal(build(&p, "messages", other, o, &b), PT_OK); /* the source changed */
    assert_false(b.reused);
    assert_true(pt_pack_fingerprint(p) != print);
    pt_pack_free(p);
    o.train_on_inputs = true;
    assert_int_equal(build(&p, "messages", TALK, o, &b), PT_OK); /* an option changed */
    assert_false(b.reused);
    pt_pack_free(p);
    o.train_on_inputs = false;
    assert_int_equal(truncate(path, 700), 0); /* the cache is damaged: said, and packed again */
    pt_log_set_sink(sink, NULL);
    notes = 0;
    assert_int_equal(build(&p, "messages", TALK, o, &b), PT_OK);
    pt_log_set_sink(NULL, NULL);
    assert_false(b.reused);
    assert_int_equal(notes, 1);
    assert_true(pt_pack_fingerprint(p) == print);
    pt_pack_free(p);
    free(path);
}

static void two_sets_and_roles(void **state)
{
    char a[96], b[96], profiles[96], *json;
    const char *rows = "{\"role\":\"Ahab\",\"question\":\"Who?\",\"generated\":[\"Me.\",\"I.\"]}\n{\"role\":\"Ishmael\","
                       "\"question\":\"Who?\",\"generated\":[\"Call me.\"]}\n";
    const char *text = "{\"Ahab\":\"A captain.\",\"Ishmael\":\"A sailor.\",\"Starbuck\":\"A mate.\"}";
    snprintf(a, sizeof a, "%s/a.jsonl", dir);
    snprintf(b, sizeof b, "%s/b.jsonl", dir);
    snprintf(profiles, sizeof profiles, "%s/profiles.json", dir);
    assert_int_equal(pt_file_write_whole(a, rows, strlen(rows)), PT_OK);
    assert_int_equal(pt_file_write_whole(b, TALK, strlen(TALK)), PT_OK);
    assert_int_equal(pt_file_write_whole(profiles, text, strlen(text)), PT_OK);
    pt_dataset_spec sets[] = {
        {.path = a, .type = "rolebench", SAYS(SAID("profiles", profiles), SAID("references", "all"), SAID("system_template", "{role}: {profile}"))},
        {.path = b, .type = "messages"}};
    pt_pack_options o = options();
    pt_pack_report r;
    pt_pack *p;
    if (pt_pack_build(&p, sets, 2, &o, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(r.rows_read, 3);
    assert_int_equal(pt_pack_count(p), 4);
    pt_packed x[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pt_pack_get(p, i, &x[i]), PT_OK);
    assert_string_equal(pt_pack_role(p, x[0].role), "Ahab");
    assert_string_equal(pt_pack_role(p, x[2].role), "Ishmael");
    assert_null(pt_pack_role(p, x[3].role));
    assert_true(x[0].prefix_id == x[1].prefix_id && x[0].prefix_id != x[2].prefix_id && x[2].prefix_id != x[3].prefix_id);
    assert_string_equal(pt_pack_source(p, x[3].source), b);
    assert_int_equal(x[2].line, 2);
    assert_int_equal(pt_pack_profiles(p, &json), PT_OK);
    assert_non_null(strstr(json, "\"Starbuck\": \"Starbuck: A mate.\""));
    free(json);
    pt_packed none;
    assert_int_equal(pt_pack_get(p, 4, &none), PT_EARG);
    assert_int_equal(pt_pack_get(p, -1, &none), PT_EARG);
    pt_str s = {0};
    assert_int_equal(pt_pack_report_text(&r, &s), PT_OK);
    assert_non_null(strstr(s.text, "records kept                                4"));
    pt_str_free(&s);
    assert_int_equal(pt_pack_inspect(p, tok, 0, true, &s), PT_OK);
    assert_non_null(strstr(s.text, "\033[32m"));
    pt_str_free(&s);
    pt_pack_free(p);
}

/* Records of one prompt stay on one side; the share is met; the seed decides. */
static void split_by_prompt(void **state)
{
    char *rows = calloc(1, 1 << 17), *at = rows;
    for (int i = 0; i < 300; i++)
        at += snprintf(
            at, 200, "{\"messages\": [{\"role\":\"user\",\"content\":\"q%d\"},{\"role\":\"assistant\",\"content\":\"a%d\"}]}\n",
            i % 100, i);
    int first[300], same = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        pt_pack_options o = options();
        pt_pack_report r;
        pt_pack *p;
        pt_packed x;
        o.seed = seed;
        o.val_set_size = seed == 2 ? 30 : 0.1;
        assert_int_equal(build(&p, "messages", rows, o, &r), PT_OK);
        assert_int_equal(r.validation_records, 30);
        int side[100];
        memset(side, -1, sizeof side);
        for (int i = 0; i < 300; i++) {
            assert_int_equal(pt_pack_get(p, i, &x), PT_OK);
            if (side[i % 100] < 0) side[i % 100] = x.validation;
            assert_int_equal(side[i % 100], x.validation);
            if (seed == 1)
                first[i] = x.validation;
            else if (seed == 3)
                same += first[i] && x.validation;
        }
        pt_pack_free(p);
    }
    assert_true(same < 20);
    pt_pack_options o = options();
    pt_pack_report r;
    pt_pack *p;
    o.val_set_size = 300;
    assert_int_equal(build(&p, "messages", rows, o, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "nothing is left to train on"));
    free(rows);
}

static void references(void **state)
{
    pt_pack *p = fixture_pack(dir, 20, true, 99, 0, 128), *again;
    float ref[40];
    for (int i = 0; i < 20; i++) ref[2 * i] = -(float)i, ref[2 * i + 1] = -2 * (float)i;
    pt_packed x;
    assert_int_equal(pt_pack_get(p, 3, &x), PT_OK);
    assert_int_equal(x.first, 6);
    assert_int_equal(pt_pack_count_answers(p), 40);
    assert_true(pt_pack_value(p, PT_COLUMN_REFERENCE, &x, 1) == 0);
    assert_false(pt_pack_has_reference(p, 42));
    assert_int_equal(pt_pack_store_reference(p, 42, ref), PT_OK);
    assert_int_equal(pt_pack_open(&again, pt_pack_path(p)), PT_OK);
    assert_false(pt_pack_has_reference(again, 43));
    assert_true(pt_pack_has_reference(again, 42));
    assert_true(pt_pack_value(again, PT_COLUMN_REFERENCE, &x, 0) == -3 && pt_pack_value(again, PT_COLUMN_REFERENCE, &x, 1) == -6);
    ref[5] = (float)(0.0 / 0.0);
    assert_int_equal(pt_pack_store_reference(p, 44, ref), PT_ENONFINITE);
    assert_false(pt_pack_has_reference(p, 44));
    pt_pack_free(again);
    pt_pack_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_weights),  cmocka_unit_test(long_rows),       cmocka_unit_test(long_pairs),
        cmocka_unit_test(pretrain_pieces),    cmocka_unit_test(refused_sets),    cmocka_unit_test(reuse),
        cmocka_unit_test(two_sets_and_roles), cmocka_unit_test(split_by_prompt), cmocka_unit_test(references)};
    return cmocka_run_group_tests_name("data_pack", tests, setup, teardown);
}
