/* Records, fields of rows, and the way from a file's rows to the sink. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/read/ahead.h"

static void empty(pt_answer *a)
{
    a->turns.n = a->ids.n = a->bytes = a->columns.n = a->teacher.n_tokens = 0;
    a->text = NULL;
}

pt_status pt_record_answers(pt_record *rec, size_t n)
{
    PT_RETURN(pt_reserve(&rec->answers, &rec->answers_cap, n));
    for (size_t i = 0; i < n; i++) empty(&rec->answers[i]);
    rec->n_answers = n;
    return PT_OK;
}

pt_status pt_record_next(pt_record *rec)
{
    rec->n_prompt = 0;
    rec->role = NULL;
    rec->scene = 0;
    rec->kind = PT_RECORD_CHAT;
    return pt_record_answers(rec, 1);
}

static void forget(pt_record *rec)
{
    for (size_t i = 0; i < rec->n_owned; i++) free(rec->owned[i]);
    rec->n_owned = rec->columns.n = 0;
    rec->tools = NULL;
}

pt_status pt_record_clear(pt_record *rec)
{
    forget(rec);
    return pt_record_next(rec);
}

void pt_record_free(pt_record *rec)
{
    forget(rec);
    free(rec->owned);
    for (size_t i = 0; i < rec->answers_cap; i++) {
        free(rec->answers[i].turns.turns);
        free(rec->answers[i].ids.ids);
        free(rec->answers[i].label);
        pt_targets_free(&rec->answers[i].teacher);
    }
    free(rec->answers);
    *rec = (pt_record){0};
}

pt_status pt_values_put(pt_values *v, const char *name, float value)
{
    size_t i = 0;
    if (!pt_column_named(name)) return pt_fail(PT_EARG, "'%s' is no name of a column", name);
    if (!isfinite(value)) return pt_fail(PT_EFORMAT, "column '%s' is not finite", name);
    while (i < v->n && strcmp(v->list[i].name, name)) i++;
    if (i == PT_BATCH_COLUMNS) return pt_fail(PT_EARG, "no room for column '%s': %d are there", name, PT_BATCH_COLUMNS);
    if (i == v->n) memcpy(v->list[v->n++].name, name, strlen(name) + 1);
    v->list[i].value = value;
    return PT_OK;
}

float pt_values_get(const pt_values *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (!strcmp(v->list[i].name, name)) return v->list[i].value;
    return pt_column_otherwise(name);
}

pt_status pt_record_turn(pt_turns *t, const pt_speaker *speaker, const char *text, size_t bytes)
{
    PT_RETURN(pt_reserve(&t->turns, &t->cap, t->n + 1));
    t->turns[t->n++] = (pt_turn){.speaker = speaker, .text = text, .bytes = bytes};
    return PT_OK;
}

pt_status pt_record_own(pt_record *rec, char *text)
{
    pt_status rc = pt_reserve(&rec->owned, &rec->owned_cap, rec->n_owned + 1);
    if (rc == PT_OK)
        rec->owned[rec->n_owned++] = text;
    else
        free(text);
    return rc;
}

const char *pt_row_kind(const json_t *v)
{
    if (!v) return "nothing";
    if (pt_json_odd(v)) return pt_json_kind(v);
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "true or false";
    }
}

pt_status pt_row_string(json_t *row, const char *key, bool required, const char **text, size_t *bytes)
{
    json_t *v = pt_row_path(row, key);
    *text = NULL;
    *bytes = 0;
    if (!v || (json_is_null(v) && !required)) return required ? pt_row_missing(NULL, row, key) : PT_OK;
    if (json_is_null(v)) return pt_fail(PT_EFORMAT, "field '%s' is null", key);
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a string is wanted", key, pt_row_kind(v));
    *text = json_string_value(v);
    *bytes = json_string_length(v);
    return PT_OK;
}

pt_status pt_row_number(json_t *row, const char *key, double least, float *out)
{
    json_t *v = pt_row_path(row, key);
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_number(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a number is wanted", key, pt_row_kind(v));
    double x = json_number_value(v);
    if (!isfinite((float)x) || x < least) return pt_fail(PT_EFORMAT, "field '%s' is %g, which is out of range", key, x);
    *out = (float)x;
    return PT_OK;
}

pt_status pt_row_value(json_t *row, const char *key, double least, const char *column, pt_values *out)
{
    const json_t *v = pt_row_path(row, key);
    float x = 0;
    if (!v || json_is_null(v)) return PT_OK;
    PT_RETURN(pt_row_number(row, key, least, &x));
    return pt_values_put(out, column, x);
}

/* Bytes of the space character that begins at p (0 when none): Python's str.isspace. */
static size_t space_at(const unsigned char *p, size_t n)
{
    if (!n) return 0;
    if ((p[0] >= 9 && p[0] <= 13) || (p[0] >= 0x1c && p[0] <= 0x20)) return 1;
    if (n >= 2 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0)) return 2;
    if (n < 3) return 0;
    uint32_t c = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    bool yes = c == 0xe19a80 || (c >= 0xe28080 && c <= 0xe2808a) || c == 0xe280a8 || c == 0xe280a9 || c == 0xe280af ||
               c == 0xe2819f || c == 0xe38080;
    return yes ? 3 : 0;
}

void pt_text_strip(const char **text, size_t *bytes)
{
    const unsigned char *p = (const unsigned char *)*text;
    size_t n = *bytes, w;
    while ((w = space_at(p, n))) p += w, n -= w;
    for (bool again = true; again;) {
        again = false;
        for (w = 1; w <= 3 && w <= n && !again; w++)
            if (space_at(p + n - w, w) == w) n -= w, again = true;
    }
    *text = (const char *)p;
    *bytes = n;
}

typedef struct pt_row_ctx {
    pt_reader *r;
    pt_status (*read)(pt_reader *r, json_t *row);
} pt_row_ctx;

/* Such names are too common in foreign data to be taken unasked. */
const pt_data_key pt_keys_of_rows[] = {
    {.key = "field_weight", .kind = PT_DATA_COLUMN, .after = "columns",
     .help = "Column of a row's loss weight: the loss is the mean by weight, of pairs too. Without this key no column is taken for one."},
    {.key = "field_replicate", .kind = PT_DATA_COLUMN,
     .help = "Column that says how many times a row's records are drawn an epoch (0 to 1000; 0: the row is left out), times the data set's weight. Validation draws each once."},
    {.key = "field_margin", .kind = PT_DATA_COLUMN, .help = "Column of a pair's margin (reward). Without this key no column is taken for one."},
    {.key = "delimiter", .kind = PT_DATA_TEXT, .after = "ds_type",
     .help = "What separates the fields of a CSV file: one character, or tab. Default: a comma; where the header has none, ';' or a tab."},
    {0}};

static pt_status own_number(pt_reader *r, json_t *row, const char *said, double least, const char *column)
{
    const char *key = pt_dataset_says(r->spec, said);
    if (!key || !*key) return PT_OK;
    pt_row_take(r, row, key);
    return pt_row_value(row, key, least, column, &r->rec.columns);
}

/* How many times the row's records are drawn; *none: not at all. A table spells the number as text. */
static pt_status own_copies(pt_reader *r, json_t *row, bool *none)
{
    const char *key = pt_dataset_says(r->spec, "field_replicate");
    const json_t *v = key && *key ? pt_row_take(r, row, key) : NULL;
    char *end = NULL;
    *none = false;
    if (!pt_row_says(v)) return PT_OK;
    double n = json_is_string(v) ? strtod(json_string_value(v), &end) : json_is_number(v) ? json_number_value(v) : -1;
    if (!(n >= 0 && n <= 1000 && n == floor(n)) || (end && *end)) return pt_fail(PT_EFORMAT, "'%s' is no whole number from 0 to 1000", key);
    *none = n == 0;
    return pt_values_put(&r->rec.columns, PT_COLUMN_REPLICATE, (float)n);
}

/* The head that a pair is about: a name among `labels`, whose place counts from 1, or that number. */
static pt_status own_head(pt_reader *r, json_t *row)
{
    const char *key = pt_dataset_says(r->spec, "field_head");
    json_t *v = key && *key ? pt_row_take(r, row, key) : NULL;
    if (!pt_row_says(v)) return PT_OK;
    if (!json_is_string(v)) return pt_row_value(row, key, 0, "head", &r->rec.columns);
    int at = pt_label_find(r->spec, json_string_value(v), NULL);
    if (at < 0) return pt_fail(PT_EFORMAT, "'%s' is '%.60s', which is none of the names that labels lists", key, json_string_value(v));
    return pt_values_put(&r->rec.columns, "head", (float)(at + 1));
}

static pt_status read_row(pt_row_ctx *c, json_t *row)
{
    pt_reader *r = c->r;
    const char *key;
    json_t *v;
    json_object_foreach(row, key, v)
        if (pt_row_says(v) && !json_object_get(r->columns, key) && json_object_size(r->columns) < 64)
            json_object_set_new(r->columns, key, json_false());
    bool none;
    PT_RETURN(own_copies(r, row, &none));
    if (none) return pt_causes_add(&r->notes, "rows that are to count 0 times are left out", r->line), PT_OK;
    PT_RETURN(own_number(r, row, "field_weight", 0, PT_COLUMN_WEIGHT));
    if (r->pairs) PT_RETURN(own_number(r, row, "field_margin", -1e30, PT_COLUMN_MARGIN));
    if (r->pairs) PT_RETURN(own_head(r, row));
    PT_RETURN(pt_read_tools(r, row));
    return c->read(r, row);
}

/* The present row cannot be used. Records of earlier rows, and earlier ones of this, are judged first. */
static pt_status count_bad(pt_reader *r, pt_status rc, int64_t line)
{
    bool again = false;
    char *why = NULL;
    if (r->ahead) {
        PT_RETURN(pt_strdup(&why, pt_err_msg()));
        pt_status earlier = pt_ahead_settle(r->ahead, &again);
        if (earlier == PT_OK) pt_fail(rc, "%s", why);
        free(why);
        PT_RETURN(earlier);
    }
    return again ? (pt_err_clear(), PT_OK) : pt_reader_bad(r, rc, line);
}

static pt_status one_row(void *user, json_t *row, int64_t line)
{
    pt_row_ctx *c = user;
    pt_reader *r = c->r;
    int64_t at = r->seen++;
    if (at < r->from || at >= r->to) return PT_OK;
    PT_RETURN(pt_record_clear(&r->rec));
    json_array_clear(r->held);
    r->line = line;
    r->rows++;
    r->row = row;
    pt_status rc = row ? read_row(c, row) : PT_EFORMAT;
    if (r->over) return rc;
    if (rc == PT_EFORMAT && row) pt_row_hint_add(r, row);
    if (rc == PT_EFORMAT || rc == PT_ENOSUP) rc = count_bad(r, rc, line);
    return rc == PT_OK && r->rows == r->max_rows ? PT_ESTOP : rc; /* pt_rows_read ends there */
}

static pt_status check_type(const pt_reader *r, const pt_data_type *t)
{
    const pt_dataset_spec *s = r->spec;
    const char *advice = t ? NULL : pt_reader_type_advice(s->type);
    if (!t) return pt_fail(PT_EARG, "%s: no data type '%s'; %s%s", s->path, s->type ? s->type : "", advice ? "write " : "there are ", advice ? advice : pt_reader_types());
    if (r->verdicts && !t->verdicts)
        return pt_fail(PT_EARG, "%s: type %s has no labels; this objective takes unpaired (or preference, messages, sharegpt, alpaca with a label, or with "
                                "chosen and rejected), tokens",
                       s->path, t->name);
    if (r->pairs && !t->pairs)
        return pt_fail(PT_EARG, "%s: type %s has no pairs; this objective takes preference (or messages, sharegpt, alpaca with chosen and "
                                "rejected), mindset, tokens",
                       s->path, t->name);
    if (!r->verdicts && !r->pairs && !t->sft)
        return pt_fail(PT_EARG, "%s: type %s holds %s", s->path, t->name,
                       t->pairs ? "pairs; it goes with an objective of pairs" : "answers with labels; it goes with an objective of those");
    if (r->pairs && pt_dataset_says(s, "answer_template"))
        return pt_fail(PT_EARG, "%s: answer_template makes one answer; this objective takes pairs (field_chosen, field_rejected)", s->path);
    if (r->teacher && !t->ids)
        return pt_fail(PT_EARG, "%s: this objective learns from a teacher's log-probabilities, which stand beside token ids: type tokens with prompt_logprobs, or "
                                "target_token_ids and target_logprobs; not type %s",
                       s->path, t->name);
    pt_status rc = pt_data_keys_check(t, s, NULL);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "%s", s->path);
}

const char *pt_reader_path(const pt_reader *r)
{
    return r->files && r->file < r->files->n ? r->files->list[r->file] : r->spec->path;
}

/* All files, until there are enough rows. */
static pt_status read_files(pt_reader *r, pt_row_ctx *c)
{
    for (r->file = 0; r->file < r->files->n; r->file++) {
        r->bad.file = r->notes.file = r->file;
        bool again;
        PT_RETURN(pt_rows_read(r->files->list[r->file], r->spec, one_row, c));
        if (r->ahead) PT_RETURN(pt_ahead_settle(r->ahead, &again));
        if (r->file + 1 == r->files->n || (r->max_rows && r->rows >= r->max_rows) || r->seen >= r->to) return PT_OK;
    }
    return PT_OK;
}

pt_status pt_reader_run(pt_reader *r)
{
    const pt_data_type *t = pt_data_type_find(r->spec->type);
    PT_RETURN(check_type(r, t));
    if (!r->files) {
        PT_RETURN(pt_paths_of(r->spec, &r->found));
        r->files = &r->found;
    }
    if (pt_data_type_people(t)) PT_RETURN(pt_scenes_open(r));
    if (t->open) PT_RETURN(t->open(r));
    pt_row_ctx c = {r, r->verdicts ? t->verdicts : r->pairs ? t->pairs : t->sft};
    r->rows = r->seen = 0;
    PT_RETURN(pt_row_slice(r->spec, r->files, &r->from, &r->to));
    json_decref(r->columns);
    json_decref(r->held);
    r->columns = json_object();
    r->held = json_array();
    if (!r->columns || !r->held) return pt_fail(PT_ENOMEM, "out of memory");
    PT_RETURN(read_files(r, &c));
    pt_reader_warn_near(r);
    PT_RETURN(pt_reader_judge(r));
    return pt_data_type_people(t) ? pt_scenes_judge(r) : PT_OK;
}

void pt_reader_free(pt_reader *r)
{
    json_decref(r->profiles);
    json_decref(r->columns);
    json_decref(r->held);
    json_decref(r->met);
    json_decref(r->cards);
    r->cards = r->profiles = r->columns = r->held = r->met = NULL;
    pt_scene_free(&r->scene);
    if (r->files == &r->found) r->files = NULL;
    pt_paths_free(&r->found);
    free(r->prompt.turns);
    r->prompt = (pt_turns){0};
    pt_record_free(&r->rec);
}
