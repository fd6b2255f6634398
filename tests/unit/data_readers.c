/* Data sets of personas and conversations of people: what each reader makes of samples of its format (tests/golden/data/formats, three records each, read
 * by a person), and what all readers find in the files of ../shared/data beside a count by other hands (tests/golden/readers.py; skipped without them). */
#include "data_fixture.h"
#include "data/read/record.h"

#include "base/log.h"

#define FORMATS "tests/golden/data/formats/"
#define SHARED "../shared/data/"

/* ---- samples ----------------------------------------------------------------------------------------------------- */

typedef struct sample {
    const char *file, *type, *key[2], *text[2];
} sample;

static const sample samples[] = {
    {.file = "chatharuhi.jsonl", .type = "chatharuhi"},
    {.file = "chatharuhi.jsonl", .type = "chatharuhi", .key = {"view_of"}, .text = {"Otto"}},
    {.file = "haruhi_54k.jsonl", .type = "chatharuhi"},
    {.file = "characterglm.json", .type = "characterglm"},
    {.file = "characterbench.jsonl", .type = "characterbench"},
    {.file = "characterchat.jsonl", .type = "characterchat"},
    {.file = "characterchat.jsonl", .type = "characterchat", .key = {"view_of"}, .text = {"each"}},
    {.file = "characterbox.json", .type = "characterbox"},
    {.file = "charactereval.jsonl", .type = "charactereval", .key = {"profiles"}, .text = {FORMATS "charactereval_profiles.json"}},
    {.file = "character_llm.jsonl", .type = "character_llm"},
    {.file = "coser.json", .type = "coser"},
    {.file = "coser.json", .type = "coser", .key = {"view_of", "thoughts"}, .text = {"Marla", "keep"}},
    {.file = "coser_test.json", .type = "coser"},
    {.file = "convai2.txt", .type = "convai2"},
    {.file = "convai2.txt", .type = "convai2", .key = {"view_of"}, .text = {"partner"}},
    {.file = "convai2.json", .type = "convai2"},
    {.file = "personachat.jsonl", .type = "personachat"},
    {.file = "beyond_dialogue.jsonl", .type = "beyond_dialogue"},
    {.file = "lamp.json", .type = "lamp", .key = {"outputs", "profile_items"}, .text = {FORMATS "lamp_outputs.json", "1"}},
};

/* A record, a turn a line: what is trained on has a star. */
static pt_status print(void *user, const pt_record *r, int64_t line)
{
    FILE *f = user;
    const pt_turns *t = &r->answers[0].turns;
    fprintf(f, "-- line %lld%s%s\n", (long long)line, r->role ? ", " : "", r->role ? r->role : "");
    for (size_t i = 0; i < t->n; i++) {
        const pt_turn *u = &t->turns[i];
        bool on = i >= r->n_prompt && (u->has_weight ? u->weight > PT_WEIGHT_HELD : u->speaker->trained);
        fprintf(f, "%c%s ", "SUAT"[pt_speaker_mark(u->speaker)], on ? "*" : ":");
        for (size_t k = 0; k < u->bytes; k++) {
            fputc(u->text[k], f);
            if (u->text[k] == '\n') fputs("   ", f);
        }
        fputc('\n', f);
    }
    return PT_OK;
}

static void add_key(pt_dataset_spec *s, const char *key, const char *text)
{
    if (key) assert_int_equal(pt_dataset_say(s, key, text, 0, 0), PT_OK);
}

static void formats(void **state)
{
    char *want, *got;
    size_t n_want, n_got;
    FILE *f = open_memstream(&got, &n_got);
    assert_non_null(f);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const sample *s = &samples[i];
        char path[128];
        snprintf(path, sizeof path, FORMATS "%s", s->file);
        pt_dataset_spec spec = {.path = path, .type = (char *)s->type, .bad_rows = 1};
        for (int k = 0; k < 2; k++) add_key(&spec, s->key[k], s->text[k]);
        fprintf(f, "== %s %s%s%s\n", s->type, s->file, s->key[0] ? ", " : "", s->key[0] ? s->key[0] : "");
        pt_reader r = {.spec = &spec, .sink = print, .user = f};
        if (pt_reader_run(&r) != PT_OK) fail_msg("%s: %s", s->file, pt_err_msg());
        for (int k = 0; k < r.bad.n; k++) fprintf(f, "left out: line %lld: %s\n", (long long)r.bad.list[k].line[0], r.bad.list[k].text);
        for (int k = 0; k < r.notes.n; k++) fprintf(f, "noted: line %lld: %s\n", (long long)r.notes.list[k].line[0], r.notes.list[k].text);
        pt_reader_free(&r);
        pt_dataset_clear(&(pt_dataset_spec){.said = spec.said});
    }
    fclose(f);
    const char *keep = getenv("PTRAIN_FORMATS_TO"); /* writes what is to be read before it is committed */
    if (keep) assert_int_equal(pt_file_write_whole(keep, got, n_got), PT_OK);
    assert_int_equal(pt_file_read(&want, &n_want, FORMATS "records.txt", 1 << 20), PT_OK);
    size_t at = 0;
    while (at < n_got && at < n_want && got[at] == want[at]) at++;
    if (at < n_got || at < n_want) fail_msg("records.txt, byte %zu: '%.60s' is not '%.60s'", at, got + at, want + at);
    free(want);
    free(got);
}

/* ---- real files -------------------------------------------------------------------------------------------------- */

typedef struct count {
    long long records, turns[4], letters[4], supervised;
} count;

static long long letters(const pt_turn *t)
{
    long long n = 0;
    for (size_t i = 0; i < t->bytes; i++) n += ((unsigned char)t->text[i] & 0xc0) != 0x80;
    return n;
}

static void count_turn(count *c, const pt_turn *t, bool asked)
{
    size_t who = pt_speaker_mark(t->speaker);
    c->turns[who]++;
    c->letters[who] += letters(t);
    if (!asked && (t->has_weight ? t->weight > PT_WEIGHT_HELD : t->speaker->trained)) c->supervised += letters(t);
}

static pt_status counted(void *user, const pt_record *r, int64_t line)
{
    count *c = user;
    c->records++;
    for (size_t i = 0; i < r->n_prompt; i++) count_turn(c, &r->answers[0].turns.turns[i], true);
    for (size_t k = 0; k < r->n_answers; k++)
        for (size_t i = r->n_prompt; i < r->answers[k].turns.n; i++) count_turn(c, &r->answers[k].turns.turns[i], false);
    return PT_OK;
}

static void check_file(char *row)
{
    char *cell[16], *p = row, path[160], got[256], file[160];
    size_t n = 0, at;
    for (char *c; n < 16 && (c = strsep(&p, "\t")); n++) cell[n] = c;
    assert_int_equal(n, 16);
    snprintf(path, sizeof path, SHARED "%s", cell[0]);
    pt_dataset_spec spec = {.path = path, .type = cell[1], .bad_rows = 1};
    for (char *key = cell[3], *next, *eq; key && (eq = strchr(key, '=')); key = next) {
        next = strchr(eq, ';');
        if (next) *next++ = 0;
        *eq++ = 0;
        snprintf(file, sizeof file, SHARED "%s", eq);
        add_key(&spec, key, !strcmp(key, "profiles") ? file : eq);
    }
    count c = {0};
    pt_reader r = {.spec = &spec, .sink = counted, .user = &c, .pairs = !strcmp(cell[2], "pairs"), .verdicts = !strcmp(cell[2], "verdicts")};
    if (pt_reader_run(&r) != PT_OK) fail_msg("%s: %s", path, pt_err_msg());
    at = (size_t)snprintf(got, sizeof got, "%lld\t%lld\t%lld", (long long)r.rows, c.records, r.bad.total);
    for (int k = 0; k < 4; k++) at += (size_t)snprintf(got + at, sizeof got - at, "\t%lld\t%lld", c.turns[k], c.letters[k]);
    snprintf(got + at, sizeof got - at, "\t%lld", c.supervised);
    for (size_t i = 5; i < n; i++) cell[i][-1] = '\t'; /* the cells as they stood */
    if (strcmp(got, cell[4])) fail_msg("%s (%s)\n  got  %s\n  want %s\n  %s", path, spec.type, got, cell[4], r.bad.n ? r.bad.list[0].text : "");
    pt_reader_free(&r);
    pt_dataset_clear(&(pt_dataset_spec){.said = spec.said});
}

static void quiet(void *user, pt_log_level level, const char *text)
{
}

static void real_files(void **state)
{
    char *table, *p, *row;
    size_t n;
    int files = 0;
    if (!pt_file_exists(SHARED "SOURCES.md")) skip();
    assert_int_equal(pt_file_read(&table, &n, "tests/golden/data/readers.tsv", 1 << 20), PT_OK);
    pt_log_set_sink(quiet, NULL);
    for (p = table; (row = strsep(&p, "\n")) && *row; files++) check_file(row);
    pt_log_set_sink(NULL, NULL);
    printf("%d files are read as they were counted\n", files);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(formats), cmocka_unit_test(real_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
