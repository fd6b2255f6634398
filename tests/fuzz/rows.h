/* Harnesses of the row readers: a data file, 0xff, options (bytes; without them the defaults), 0xff, profiles, 0xff, the template of system
 * texts. A file that begins with '!' is packed by gzip first: what stands behind the '!' is read through the window. */
#ifndef PT_TESTS_FUZZ_ROWS_H
#define PT_TESTS_FUZZ_ROWS_H
#include "tests/fuzz/harness.h"

#include <zlib.h>

#include "data/read/record.h"

static inline void rows_check_turns(const pt_turns *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const pt_turn *u = &t->turns[i];
        fuzz_assert(u->text && pt_speaker_mark(u->speaker) < pt_speaker_count());
        fuzz_touch(u->text, u->bytes);
        if (u->thought) fuzz_touch(u->thought, u->thought_bytes);
        if (u->role) fuzz_touch(u->role, strlen(u->role) + 1);
        if (u->has_weight) fuzz_assert(u->weight >= 0 && u->weight < 1e38f);
        for (size_t k = 0; k < u->n_spans; k++) fuzz_assert(u->spans[k].from <= u->spans[k].to && u->spans[k].to <= u->bytes && u->spans[k].weight > 0 && (!k || u->spans[k].from >= u->spans[k - 1].to));
        (void)pt_turn_message(u, 1);
    }
}

static inline void rows_check_teacher(const pt_targets *t, size_t tokens)
{
    fuzz_assert(!t->n_tokens || (t->n_tokens == tokens && t->start[0] == 0));
    for (size_t i = 0; i < t->n_tokens; i++) {
        double sum = 0;
        for (int64_t k = t->start[i]; k < t->start[i + 1]; k++) sum += t->p[k];
        fuzz_assert(t->start[i + 1] == t->start[i] || (sum > 0.999 && sum < 1.001));
    }
}

static inline pt_status rows_take(void *user, const pt_record *r, int64_t line)
{
    (void)user;
    fuzz_accepted++;
    fuzz_assert(line > 0 && r->n_answers >= 1 && pt_values_get(&r->columns, PT_COLUMN_WEIGHT) >= 0);
    for (size_t i = 0; i < r->columns.n; i++) fuzz_assert(r->columns.list[i].value - r->columns.list[i].value == 0);
    for (size_t s = 0; s < r->n_answers; s++) {
        rows_check_turns(&r->answers[s].turns);
        fuzz_assert(r->kind != PT_RECORD_CHAT || (r->answers[s].turns.n && r->n_prompt <= r->answers[s].turns.n));
        if (r->kind == PT_RECORD_TEXT) fuzz_touch(r->answers[s].text, r->answers[s].bytes);
        for (size_t i = 0; i < r->answers[s].ids.n; i++) fuzz_assert(r->answers[s].ids.ids[i] >= 0 && r->answers[s].label[i] >= 0 && r->answers[s].label[i] < 1e38f);
        rows_check_teacher(&r->answers[s].teacher, r->answers[s].ids.n);
    }
    return PT_OK;
}

static inline const char *rows_put(fuzz_part file)
{
    unsigned char packed[8192];
    z_stream z = {0};
    if (!file.n || file.at[0] != '!') return fuzz_put("rows", file.at, file.n);
    fuzz_assert(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)file.at + 1;
    z.avail_in = (unsigned)file.n - 1;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    fuzz_assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    const char *path = fuzz_put("rows", packed, sizeof packed - z.avail_out);
    deflateEnd(&z);
    return path;
}

static bool rows_views; /* points of view are asked for */

/* What a data set says of them: profiles and a template as of rolebench are the third and fourth part. */
static inline void rows_ask_views(pt_dataset_spec *spec, fuzz_part o)
{
    static const char *const of[] = {"each", "Ann", "Ann\nuser", NULL}, *const names[] = {NULL, "always", "never"}, *const thoughts[] = {NULL, "own", "strip"},
                      *const history[] = {NULL, "last 1", "last 2 s", "s"};
    static char *roles[] = {"Ben", "user"};
    const struct { const char *key, *text; } said[] = {
        {"view_of", of[fuzz_choice(o, 9, 4)]}, {"speaker_names", names[fuzz_choice(o, 10, 3)]}, {"thoughts", thoughts[fuzz_choice(o, 11, 3)]}, {"history", history[fuzz_choice(o, 12, 4)]}};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (said[i].text) fuzz_clean(pt_dataset_say(spec, said[i].key, said[i].text, 0, 0));
    if (!said[0].text) spec->roles_to_train = roles, spec->n_roles_to_train = 2;
}

/* Fills spec by the options; texts of it stand for good. */
static inline void rows_options(pt_dataset_spec *spec, fuzz_part o)
{
    static char *splits[] = {NULL, "train", "train[:50%]", "train[1:]", "train[-1:]"};
    /* the bit of `how` that says each */
    static const struct { const char *key, *text; unsigned bit; } words[] = {
        {"field_system", "s", 1}, {"field_prompt", "q", 1}, {"field_input", "i", 1}, {"field_output", "o", 1}, {"field_history", "h", 1},
        {"field_chosen", "c", 1}, {"field_rejected", "r", 1}, {"field_criterion", "k", 1}, {"field_label", "l", 1}, {"field_weight", "weight", 2}, {"field_margin", "margin", 2},
        {"message_field_role", "from", 4}, {"message_field_content", "value", 4}, {"message_field_training", "train", 4}, {"field_messages", "dialog", 4},
        {"field_text", "content", 16}};
    static char *speakers[] = {"bot", "npc"};
    static const pt_speaker *is[] = {PT_ASSISTANT, PT_USER};
    static const double bad[] = {0, 0.01, 1};
    spec->bad_rows = bad[fuzz_choice(o, 0, 3)];
    spec->split = splits[fuzz_choice(o, 1, 5)];
    unsigned how = fuzz_choice(o, 2, 32);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (how & words[i].bit) fuzz_clean(pt_dataset_say(spec, words[i].key, words[i].text, 0, 0));
    if (how & 8) spec->role_names = speakers, spec->role_is = is, spec->n_roles = 2;
    if (how & 16) spec->system_prompt = "Be kind.";
    spec->drop_system = fuzz_choice(o, 3, 2);
    if (fuzz_choice(o, 4, 2)) fuzz_clean(pt_dataset_say(spec, "references", "all", 0, 0));
    if (fuzz_choice(o, 13, 3)) fuzz_clean(pt_dataset_say(spec, "greeting", fuzz_choice(o, 13, 3) == 1 ? "train" : "drop", 0, 0));
    if (rows_views) rows_ask_views(spec, o);
}

static inline int rows_run(const char *type, const char *format, const uint8_t *bytes, size_t n)
{
    fuzz_part part[4];
    pt_str said = {0};
    size_t parts = fuzz_split(bytes, n, part, 4);
    pt_dataset_spec spec = {.type = (char *)type, .format = (char *)format, .path = (char *)rows_put(part[0])};
    rows_options(&spec, part[1]);
    if (!strcmp(type, "rolebench") || !strcmp(type, "sillytavern") || rows_views) {
        static const char usual[] = "{\"Ahab\": \"A captain.\", \"Bob\": \"B\"}";
        const char *file = parts > 2 && part[2].n ? fuzz_put("profiles", part[2].at, part[2].n) : fuzz_put("profiles", usual, sizeof usual - 1);
        char *tmpl = parts > 3 ? fuzz_text(part[3]) : NULL;
        fuzz_clean(pt_dataset_say(&spec, "profiles", file, 0, 0));
        json_t *text = tmpl ? json_string(tmpl) : NULL; /* a config is UTF-8 */
        if (text) fuzz_clean(pt_dataset_say(&spec, "system_template", tmpl, 0, 0));
        json_decref(text);
        free(tmpl);
    }
    bool pairs = !rows_views && pt_reader_gives(type, true) && (fuzz_choice(part[1], 5, 2) || !pt_reader_gives(type, false));
    bool labels = pt_reader_verdicts(type) && !pt_reader_gives(type, true) && !pt_reader_gives(type, false);
    pt_reader r = {.spec = &spec, .pairs = pairs, .verdicts = labels, .criterion = pairs && fuzz_choice(part[1], 7, 2), .teacher = !strcmp(type, "tokens") && !pairs && fuzz_choice(part[1], 8, 2), .sink = rows_take, .max_rows = fuzz_choice(part[1], 6, 3)};
    fuzz_clean(pt_reader_run(&r));
    fuzz_clean(pt_reader_said(&r, &said));
    pt_str_free(&said);
    pt_reader_free(&r);
    pt_dataset_clear(&(pt_dataset_spec){.said = spec.said}); /* the rest is not on the heap */
    return 0;
}
#endif
