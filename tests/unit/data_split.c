/* The validation split: what counts as a prompt, what stays together, that no role is lost by accident, what messages say. */
#include "base/log.h"
#include "data_fixture.h"

static char dir[64], said[4096];
static pt_tokenizer *tok;
static pt_template *chatml;

static void sink(void *user, pt_log_level level, const char *text)
{
    snprintf(said + strlen(said), sizeof said - strlen(said), "%d %s\n", (int)level, text);
}

static int setup(void **state)
{
    fixture_dir(dir);
    pt_log_set_sink(sink, NULL);
    return pt_tok_open(&tok, "tests/golden/data/tok_bpe") != PT_OK || pt_template_open(&chatml, "chatml", tok, "") != PT_OK;
}

static int teardown(void **state)
{
    pt_template_free(chatml);
    pt_tok_free(tok);
    pt_log_set_sink(NULL, NULL);
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

typedef struct conv {
    const char *turns[6]; /* "u text", "a text", "s text"; %d = the row's number, %m = number / 2, %o = number % 2 */
    const char *role;     /* rolebench instead: the role; turns[0] is the question, turns[1] the answer */
} conv;

static void put_text(FILE *f, const char *t, int i)
{
    for (; *t; t++) {
        if (*t != '%') fputc(*t, f);
        else if (*++t == 'd') fprintf(f, "%d", i);
        else fprintf(f, "%d", *t == 'm' ? i / 2 : i % 2);
    }
}

static void put_row(FILE *f, const conv *c, int i)
{
    if (c->role) {
        fprintf(f, "{\"role\":\"");
        put_text(f, c->role, i);
        fprintf(f, "\",\"question\":\"");
        put_text(f, c->turns[0], i);
        fprintf(f, "\",\"generated\":\"");
        put_text(f, c->turns[1], i);
        fprintf(f, "\"}\n");
        return;
    }
    fprintf(f, "{\"messages\":[");
    for (int k = 0; k < 6 && c->turns[k]; k++) {
        char who = c->turns[k][0];
        fprintf(f, "%s{\"role\":\"%s\",\"content\":\"", k ? "," : "", who == 'u' ? "user" : who == 'a' ? "assistant" : "system");
        put_text(f, c->turns[k] + 2, i);
        fprintf(f, "\"}");
    }
    fprintf(f, "]}\n");
}

/* rows of c (then of `more` once each); *p is the pack. */
static pt_status build(pt_pack **p, const conv *c, int rows, const conv *more, int n_more, double size, pt_val_split by, pt_pack_report *r)
{
    char path[128];
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < rows; i++) put_row(f, c, i);
    for (int i = 0; i < n_more; i++) put_row(f, &more[i], rows + i);
    assert_int_equal(fclose(f), 0);
    pt_dataset_spec set = {.path = path, .type = c->role ? "rolebench" : "messages", .weight = 1, SAYS(SAID("system_template", "You are {role}."))};
    if (!c->role) set.said = NULL; /* messages have no field of that name */
    pt_pack_options o = {.tok = tok, .tmpl = chatml, .sequence_len = 512, .cache_dir = dir, .val_set_size = size, .val_split_by = by, .seed = 3};
    said[0] = 0;
    return pt_pack_build(p, &set, 1, &o, r);
}

static const conv greeting = {{"a Welcome, traveller %d!", "u q%d", "a a%d"}, NULL}, same_greeting = {{"s Be Mira.", "a Hello!", "u q%d", "a a%d"}, NULL},
                  hi = {{"s Be Mira.", "u Hi", "a Hello!", "u and %d?", "a a%d"}, NULL}, lines = {{"s Be Mira.", "a line %d"}, NULL},
                  blank = {{"u  ", "a text %d"}, NULL}, pairs = {{"u q%m", "a a%d"}, NULL}, one = {{"u Tell a joke", "a joke %d"}, NULL}, same = {{"u Tell a joke", "a no"}, NULL},
                  two = {{"u q%o", "a a%d"}, NULL}, windows = {{"u q%m", "a a", "u more %o", "a b%d"}, NULL};

static void sizes(void **state)
{
    static const struct {
        const conv *c;
        int rows;
        double size;
        pt_val_split by;
        long long want; /* -1: refused */
        const char *says;
    } t[] = {{&greeting, 20, 0.1, PT_SPLIT_PROMPT, 2, NULL},
             {&same_greeting, 20, 0.1, PT_SPLIT_PROMPT, 2, NULL},
             {&hi, 20, 0.1, PT_SPLIT_PROMPT, 2, NULL},
             {&hi, 20, 5, PT_SPLIT_PROMPT, 5, NULL},
             {&lines, 20, 0.1, PT_SPLIT_PROMPT, 2, NULL},
             {&blank, 20, 3, PT_SPLIT_PROMPT, 3, NULL},
             {&pairs, 20, 0.1, PT_SPLIT_PROMPT, 2, NULL},
             {&one, 20, 0.1, PT_SPLIT_PROMPT, 2, "all 20 records answer one prompt"},
             {&same, 20, 0.1, PT_SPLIT_PROMPT, 2, "all 20 records answer one prompt"},
             {&same, 2, 0.1, PT_SPLIT_PROMPT, 1, "all 2 records answer one prompt"},
             {&greeting, 2, 0.1, PT_SPLIT_PROMPT, 1, NULL},
             {&same, 20, 0.1, PT_SPLIT_RECORD, 2, NULL},
             {&greeting, 1, 0.1, PT_SPLIT_PROMPT, -1, "nothing is left to train on"},
             {&hi, 20, 0.1, PT_SPLIT_ROLE, -1, "takes all 20 records"},
             {&one, 20, 0.1, PT_SPLIT_RECORD, 2, NULL},
             {&hi, 20, 30, PT_SPLIT_PROMPT, -1, "test_datasets"},
             {&two, 20, 0.1, PT_SPLIT_PROMPT, 10, "2 were asked for: they go by prompt, of which there are 2; val_split_by: record"},
             {&two, 20, 0.1, PT_SPLIT_RECORD, 2, NULL},
             {&pairs, 20, 0.1, PT_SPLIT_ROLE, -1, "20 of 20 records have neither a role nor a system text"},
             {&hi, 20, 30, PT_SPLIT_PROMPT, -1, "nothing is left to train on"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        pt_pack *p;
        pt_pack_report r;
        pt_status rc = build(&p, t[i].c, t[i].rows, NULL, 0, t[i].size, t[i].by, &r);
        if (t[i].want < 0) {
            if (rc != PT_EARG || !strstr(pt_err_msg(), t[i].says)) fail_msg("case %zu: %s", i, pt_err_msg());
            continue;
        }
        if (rc != PT_OK) fail_msg("case %zu: %s", i, pt_err_msg());
        if (r.validation_records != t[i].want) fail_msg("case %zu: %lld for validation", i, r.validation_records);
        if (t[i].says ? !strstr(said, t[i].says) : said[0]) fail_msg("case %zu: said '%s'", i, said);
        pt_pack_free(p);
    }
}

/* Rows of one prompt stay together, also where they are windows of one conversation. */
static void together(void **state)
{
    const conv *c[] = {&pairs, &windows};
    for (int k = 0; k < 2; k++)
        for (double size = 2; size < 12; size += 3) {
            pt_pack *p;
            pt_pack_report r;
            pt_packed a, b;
            if (build(&p, c[k], 40, NULL, 0, size, PT_SPLIT_PROMPT, &r) != PT_OK) fail_msg("%s", pt_err_msg());
            assert_true(r.validation_records <= (long long)size && r.validation_records >= (long long)size - 1);
            for (int i = 0; i < 40; i += 2) {
                assert_int_equal(pt_pack_get(p, i, &a), PT_OK);
                assert_int_equal(pt_pack_get(p, i + 1, &b), PT_OK);
                assert_int_equal(a.validation, b.validation);
            }
            pt_pack_free(p);
        }
}

/* Pairs that share a prompt stay together; pairs without a question are prompts of their own. */
static void pairs_too(void **state)
{
    for (int k = 0; k < 2; k++) {
        char path[128];
        snprintf(path, sizeof path, "%s/pairs.jsonl", dir);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        for (int i = 0; i < 20; i++) {
            if (k) fprintf(f, "{\"prompt\":[{\"role\":\"system\",\"content\":\"Be Mira.\"},{\"role\":\"user\",\"content\":\" \"}],");
            else fprintf(f, "{\"prompt\":\"q%d\",", i / 2);
            fprintf(f, "\"chosen\":\"c%d\",\"rejected\":\"r%d\"}\n", i, i);
        }
        assert_int_equal(fclose(f), 0);
        pt_dataset_spec set = {.path = path, .type = "preference", .weight = 1};
        pt_pack_options o = {.tok = tok, .tmpl = chatml, .pairs = true, .sequence_len = 512, .cache_dir = dir, .val_set_size = 4, .seed = 5};
        pt_pack *p;
        pt_pack_report r;
        if (pt_pack_build(&p, &set, 1, &o, &r) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(r.validation_records, 4);
        for (int i = 0; i < 20 && !k; i += 2) {
            pt_packed a, b;
            assert_int_equal(pt_pack_get(p, i, &a), PT_OK);
            assert_int_equal(pt_pack_get(p, i + 1, &b), PT_OK);
            assert_int_equal(a.validation, b.validation);
        }
        pt_pack_free(p);
    }
}

static long long in_validation(const pt_pack *p, int from, int to)
{
    long long n = 0;
    pt_packed x;
    for (int i = from; i < to; i++) {
        assert_int_equal(pt_pack_get(p, i, &x), PT_OK);
        n += x.validation;
    }
    return n;
}

/* A role's only record stays in training; where every role has but one, records go and it is said. */
static void roles(void **state)
{
    static const conv many = {{"q%d", "a%d"}, "Ahab"}, rare[] = {{{"who?", "me"}, "Ishmael"}, {{"where?", "here"}, "Starbuck"}},
                      alone = {{"q%d", "a%d"}, "role %d"}, systems = {{"s Be one of %o.", "u q%d", "a a%d"}, NULL},
                      rare_system = {{"s Be rare.", "u q", "a a"}, NULL};
    pt_pack *p;
    pt_pack_report r;
    assert_int_equal(build(&p, &many, 10, rare, 2, 8, PT_SPLIT_PROMPT, &r), PT_OK);
    assert_int_equal(r.validation_records, 8);
    assert_int_equal(in_validation(p, 10, 12), 0);
    assert_non_null(strstr(said, "validation has no record of 2 of 3 roles"));
    pt_pack_free(p);
    assert_int_equal(build(&p, &systems, 10, &rare_system, 1, 9, PT_SPLIT_RECORD, &r), PT_OK);
    assert_int_equal(in_validation(p, 10, 11), 0);
    assert_int_equal(r.validation_records, 8); /* one of each system text stays too */
    pt_pack_free(p);
    assert_int_equal(build(&p, &alone, 10, NULL, 0, 3, PT_SPLIT_PROMPT, &r), PT_OK);
    assert_int_equal(r.validation_records, 3);
    assert_non_null(strstr(said, "3 of 10 roles have all their records in validation"));
    pt_pack_free(p);
    static const conv odd = {{"q%d", "a%d"}, "role %o"};
    assert_int_equal(build(&p, &odd, 10, NULL, 0, 5, PT_SPLIT_ROLE, &r), PT_OK);
    assert_int_equal(r.validation_records, 5);
    pt_packed a, b;
    assert_int_equal(pt_pack_get(p, 0, &a), PT_OK);
    for (int i = 2; i < 10; i += 2) {
        assert_int_equal(pt_pack_get(p, i, &b), PT_OK);
        assert_int_equal(a.validation, b.validation);
    }
    pt_pack_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(together), cmocka_unit_test(pairs_too), cmocka_unit_test(roles)};
    return cmocka_run_group_tests_name("data_split", tests, setup, teardown);
}
