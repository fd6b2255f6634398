/* Readers' records as one line of text, for tests of the readers: speaker:text|..., pairs "prompt => chosen < rejected", and "~ criterion" behind them. */
#ifndef PT_TESTS_READ_SHOW_H
#define PT_TESTS_READ_SHOW_H
#include "data_fixture.h"
#include "data/read/record.h"

static char out_text[4096];
static bool with_criterion; /* pairs are read with one */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    size_t at = strlen(out_text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out_text + at, sizeof out_text - at, fmt, ap);
    va_end(ap);
}

static void say_turns(const pt_turns *t, size_t from)
{
    for (size_t i = from; i < t->n; i++) {
        say("%s%c", i > from ? "|" : "", "SUAT"[pt_speaker_mark(t->turns[i].speaker)]);
        if (t->turns[i].has_weight) say("%g", (double)t->turns[i].weight);
        say(":%.*s", (int)t->turns[i].bytes, t->turns[i].text);
        for (size_t k = 0; k < t->turns[i].n_spans; k++) {
            const pt_text_span *x = &t->turns[i].spans[k];
            say(" [%zu,%zu)", x->from, x->to);
            if (x->weight == PT_WEIGHT_HELD) say("held");
            else say("%g", (double)x->weight);
        }
    }
}

/* A record as one line of text. */
static pt_status show(void *user, const pt_record *r, int64_t line)
{
    if (out_text[0]) say(" // ");
    if (r->role) say("[%s] ", r->role);
    if (r->kind == PT_RECORD_TEXT) say("text:%.*s", (int)r->answers[0].bytes, r->answers[0].text);
    for (size_t s = 1; r->kind == PT_RECORD_TEXT && s < r->n_answers; s++) say(" %c %.*s", s > 1 ? '~' : '<', (int)r->answers[s].bytes, r->answers[s].text);
    if (r->kind == PT_RECORD_CHAT) {
        pt_turns prompt = r->answers[0].turns;
        if (r->n_answers > 1) prompt.n = r->n_prompt;
        say_turns(&prompt, 0);
        if (r->n_answers == 1 && r->n_prompt) say(" (asked %zu)", r->n_prompt);
        for (size_t s = 0; r->n_answers > 1 && s < r->n_answers; s++) {
            say(s > 1 ? " ~ " : s ? " < " : " => ");
            say_turns(&r->answers[s].turns, r->n_prompt);
        }
    }
    for (size_t s = 0; r->kind == PT_RECORD_IDS && s < r->n_answers; s++) {
        if (s) say(s > 1 ? " ~ " : " < ");
        for (size_t i = 0; i < r->answers[s].ids.n; i++) {
            float w = r->answers[s].label[i];
            say("%s%d%s", i ? " " : "", r->answers[s].ids.ids[i], w > 0 ? "*" : "");
            if (w == PT_WEIGHT_HELD) say("held");
            else if (w > 0 && w != 1) say("%g", (double)w);
        }
    }
    for (size_t i = 0; i < r->columns.n; i++) say(" %c%g", r->columns.list[i].name[0], (double)r->columns.list[i].value);
    if (line != 1) say(" @%lld", (long long)line);
    return PT_OK;
}

static inline pt_status read_file(const char *path, pt_dataset_spec spec, bool pairs)
{
    spec.path = (char *)path;
    pt_reader r = {.spec = &spec, .pairs = pairs, .criterion = with_criterion, .sink = show};
    out_text[0] = 0;
    pt_status rc = pt_reader_run(&r);
    pt_reader_free(&r);
    return rc;
}

static char dir[64], path[128], profiles[128];

static inline pt_status read_bytes(const void *bytes, size_t n, pt_dataset_spec spec, bool pairs)
{
    assert_int_equal(pt_file_write_whole(path, bytes, n), PT_OK);
    return read_file(path, spec, pairs);
}

static inline int setup(void **state)
{
    static const char text[] = "{\"Pip\": NaN, \"Ahab\": \" A captain.\\n\", \"李白\": \"诗人\", \"Queequeg\": 7}";
    fixture_dir(dir);
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    snprintf(profiles, sizeof profiles, "%s/profiles.json", dir);
    return pt_file_write_whole(profiles, text, sizeof text - 1) == PT_OK ? 0 : 1;
}

static inline int teardown(void **state)
{
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

#define M(r, c) "{\"role\": \"" r "\", \"content\": \"" c "\"}"
#endif
