/* A JSON file of one object: {"data": [rows]} under whatever name; a table by columns ({"a": [..], "b": [..]} or pandas' {"a": {"0": ..}}); rows by their
 * names ({"id": {row}, ..}); or one row. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/read/read_scan.h"

/* A member of an object as it stands in the text: key without quotes. */
typedef struct member {
    const char *key, *value;
    size_t key_bytes, value_bytes;
} member;

/* The member at or behind p; false when there is none (the object ends, or is broken). */
static bool next_member(const char **p, const char *end, member *m)
{
    const char *q = pt_scan_space(*p, end);
    if (q < end && (*q == '{' || *q == ',')) q = pt_scan_space(q + 1, end);
    if (q >= end || *q != '"') return false;
    size_t n = pt_scan_extent(q, end);
    if (n < 2) return false;
    m->key = q + 1;
    m->key_bytes = n - 2;
    q = pt_scan_space(q + n, end);
    if (q >= end || *q != ':') return false;
    m->value = pt_scan_space(q + 1, end);
    m->value_bytes = pt_scan_extent(m->value, end);
    *p = m->value + m->value_bytes;
    return m->value_bytes > 0;
}

static bool is_key(const member *m, const char *name)
{
    return name && strlen(name) == m->key_bytes && !memcmp(m->key, name, m->key_bytes);
}

/* Whether a member is one that rows have: then the object is a row itself. A path (a.b) begins with it. */
static bool is_column(const pt_dataset_spec *s, const member *m)
{
    static const char *const names[] = {"messages", "conversations", "conversation", "chosen", "rejected", "prompt", "history", "tools", "completion",
                                        "instruction", "input", "output", "response", "query", "question", "answer", "text", "input_ids", "generated"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_key(m, names[i])) return true;
    const pt_data_type *type = s ? pt_data_type_find(s->type) : NULL;
    for (const char *p = type ? type->fits : NULL; p && *p; p += strcspn(p, " |"), p += *p != 0)
        if (strcspn(p, " |") == m->key_bytes && !memcmp(p, m->key, m->key_bytes)) return true;
    for (const pt_dataset_said *x = s ? s->said : NULL; x && x->key; x++) {
        const pt_data_key *k = pt_data_key_find(x->key);
        if (!k || k->kind != PT_DATA_COLUMN || !x->text) continue;
        if (is_key(m, x->text)) return true;
        if (strlen(x->text) > m->key_bytes && x->text[m->key_bytes] == '.' && !memcmp(m->key, x->text, m->key_bytes)) return true;
    }
    return false;
}

static bool is_one_of(const member *m, const char *const *names)
{
    for (; *names; names++)
        if (is_key(m, *names)) return true;
    return false;
}

/* Whether the object at p has a speaker and a text, by the first `people` names of speakers. */
static bool speaks(const pt_dataset_spec *spec, const char *p, const char *end, size_t people)
{
    static const char *const who[] = {"role", "from", "speaker", "name", "character", "user", NULL},
                             *const said[] = {"content", "value", "text", "message", "utterance", NULL};
    bool speaker = false, text = false;
    member x;
    if (p >= end || *p != '{') return false;
    end = p + pt_scan_extent(p, end);
    while (next_member(&p, end, &x)) {
        for (size_t i = 0; i < people; i++) speaker = speaker || is_key(&x, who[i]);
        speaker = speaker || (spec && is_key(&x, pt_dataset_says(spec, "message_field_role")));
        text = text || is_one_of(&x, said) || (spec && is_key(&x, pt_dataset_says(spec, "message_field_content")));
    }
    return speaker && text;
}

bool pt_scan_is_message(const pt_dataset_spec *spec, const char *p, const char *end)
{
    return speaks(spec, p, end, 2);
}

/* The first element of a list or object, NULL: it has none. */
static const char *first_of(const member *m)
{
    const char *p = pt_scan_space(m->value + 1, m->value + m->value_bytes);
    return p < m->value + m->value_bytes && *p != ']' && *p != '}' ? p : NULL;
}

/* Whether a member is a list of rows: of objects that are no messages (a speaker and a text; under a name that says rows, by role or from alone). */
static bool holds_rows(const pt_dataset_spec *spec, const member *m)
{
    static const char *const rows[] = {"data", "rows", "examples", "instances", "records", "samples", "items", "train", "test", NULL};
    const char *first = *m->value == '[' ? first_of(m) : NULL;
    return first && *first == '{' && !speaks(spec, first, m->value + m->value_bytes, is_one_of(m, rows) ? 2 : 6);
}

/* ---- tables ----------------------------------------------------------------------------------------------------------- */

enum { MOST_COLUMNS = 256 };

typedef struct shape {
    size_t members, lists, objects, rows; /* rows: lists of rows */
    member first, second, found;          /* found: the list of rows that is read */
    bool column;                          /* a name that rows have stands there */
    bool listed;                          /* `found` is called as the split is */
} shape;

static void look(const pt_scan *s, const char *p, const char *end, shape *o)
{
    const char *said = s->spec && s->spec->split && *s->spec->split ? s->spec->split : "train";
    char split[64]; /* "train[:10%]" is of train */
    member m;
    snprintf(split, sizeof split, "%.*s", (int)strcspn(said, "["), said);
    while (next_member(&p, end, &m)) {
        if (!o->members++) o->first = m;
        else if (o->members == 2) o->second = m;
        o->column = o->column || is_column(s->spec, &m);
        o->lists += *m.value == '[';
        o->objects += *m.value == '{';
        if (!holds_rows(s->spec, &m)) continue;
        if (!o->rows++ || is_key(&m, split)) o->found = m;
    }
    o->listed = o->rows == 1 || (o->rows && is_key(&o->found, split));
}

/* A column of a table: a list of its values, or pandas' object of them by number. */
typedef struct column {
    json_t *key;
    pt_json_in in; /* at the next value */
    bool object;
} column;

/* Behind the value: to the next one; false: the column ends. */
static bool to_next(column *c, bool begun)
{
    pt_json_in *in = &c->in;
    member m;
    if (c->object) {
        const char *p = in->at, *from = p;
        if (!next_member(&p, in->end, &m)) return false;
        for (; (from = memchr(from, '\n', (size_t)(m.value - from))) != NULL; in->begin = ++from) in->line++;
        in->at = m.value;
        return true;
    }
    if (!begun) return pt_json_space(in), in->at < in->end && *in->at != ']';
    pt_json_space(in);
    if (in->at >= in->end || *in->at != ',') return false;
    in->at++;
    pt_json_space(in);
    return true;
}

/* Elements of a list; 0 where it is broken. */
static size_t count_values(const member *m)
{
    const char *end = m->value + m->value_bytes, *p = m->value;
    size_t n = 0;
    for (p = pt_scan_space(p + 1, end); p < end && *p != ']'; n++) {
        size_t k = pt_scan_extent(p, end);
        if (!k) return 0;
        p = pt_scan_space(p + k, end);
        bool more = p < end && *p == ',';
        if (more) p = pt_scan_space(p + 1, end);
        if (p >= end || (*p == ']') == more) return 0;
    }
    return n;
}

static bool is_number(const member *m)
{
    for (size_t i = 0; i < m->key_bytes; i++)
        if (m->key[i] < '0' || m->key[i] > '9') return false;
    return m->key_bytes > 0;
}

/* How many names both objects have, which are the same in the same order; 0 where they are not. *numbers: all are numbers. */
static size_t same_names(const member *a, const member *b, bool *numbers)
{
    const char *p = a->value, *q = b->value;
    size_t n = 0;
    member x, y;
    *numbers = true;
    for (; next_member(&p, a->value + a->value_bytes, &x); n++) {
        if (!next_member(&q, b->value + b->value_bytes, &y) || x.key_bytes != y.key_bytes || memcmp(x.key, y.key, x.key_bytes)) return 0;
        *numbers = *numbers && is_number(&x);
    }
    return next_member(&q, b->value + b->value_bytes, &y) ? 0 : n;
}

/* Whether the object's members are columns, and how many rows they have. A conversation or a list of numbers is no column of such a table by itself, so
 * there is one of texts, and none of messages. */
static bool is_table(const pt_scan *s, const char *p, const char *end, const shape *o, size_t *rows)
{
    member m;
    bool texts = false, by_number = o->objects == o->members, numbers;
    if (o->members < 2 || o->members > MOST_COLUMNS || (o->lists != o->members && !by_number)) return false;
    *rows = by_number ? same_names(&o->first, &o->first, &numbers) : count_values(&o->first);
    if (!*rows) return false;
    while (next_member(&p, end, &m)) {
        const char *first = first_of(&m);
        if (by_number && (same_names(&o->first, &m, &numbers) != *rows || !numbers)) return false;
        if (by_number) continue;
        if (count_values(&m) != *rows || speaks(s->spec, first, m.value + m.value_bytes, 6)) return false;
        if (is_key(&m, "input_ids") && *first != '[') return false; /* ids of one row */
        if (*rows == 1 && *first == '{' && o->column) return false;   /* a row's own list of one object (PersonaChat's utterances) */
        texts = texts || *first == '"';
    }
    return texts || by_number;
}

/* The line that p stands on, of a scanner that stands before it. */
static void lines_to(pt_scan *s, const char *p)
{
    for (const char *c = s->in.at; (c = memchr(c, '\n', (size_t)(p - c))) != NULL; s->in.begin = ++c) s->in.line++;
    s->in.at = p;
}

static pt_status key_of(const pt_scan *s, const member *m, json_t **out)
{
    pt_json_in in = {.name = s->in.name, .at = m->key - 1, .end = m->key + m->key_bytes + 1, .begin = m->key - 1, .line = s->in.line, .flags = 0};
    PT_RETURN(pt_json_next(&in, out));
    if (json_is_string(*out)) return PT_OK;
    json_decref(*out);
    *out = NULL;
    return pt_fail(PT_EFORMAT, "%s:%lld: a name that is no text", s->in.name, (long long)s->in.line);
}

/* One row of the table. */
static pt_status table_row(column *c, size_t n, bool begun, json_t **row)
{
    *row = json_object();
    if (!*row) return pt_fail(PT_ENOMEM, "out of memory");
    pt_status rc = PT_OK;
    for (size_t k = 0; k < n && rc == PT_OK; k++) {
        json_t *v = NULL;
        if (!to_next(&c[k], begun)) rc = pt_fail(PT_EFORMAT, "%s:%lld: column '%.60s' ends before the others", c[k].in.name, (long long)c[k].in.line, json_string_value(c[k].key));
        if (rc == PT_OK) rc = pt_json_next(&c[k].in, &v);
        if (rc == PT_OK && json_object_set_new(*row, json_string_value(c[k].key), v)) rc = pt_fail(PT_ENOMEM, "out of memory");
    }
    if (rc != PT_OK) json_decref(*row);
    return rc;
}

static pt_status scan_table(pt_scan *s, const char *p, const char *end, const shape *o, size_t rows)
{
    pt_status rc = PT_OK;
    column *c = NULL;
    json_t *row;
    member m;
    size_t n = 0;
    PT_TRY(pt_alloc0(&c, o->members));
    for (; next_member(&p, end, &m); n++) {
        lines_to(s, m.value);
        PT_TRY(key_of(s, &m, &c[n].key));
        c[n].object = *m.value == '{';
        c[n].in = s->in;
        c[n].in.at = m.value + !c[n].object;
        c[n].in.end = m.value + m.value_bytes;
    }
    pt_log(PT_LOG_INFO, "%s: its one object is a table by columns, of %zu rows", s->in.name, rows);
    for (size_t i = 0; i < rows; i++) {
        PT_TRY(table_row(c, n, i > 0, &row));
        PT_TRY(pt_scan_give(s, row, c[0].in.line));
    }
done:
    for (size_t k = 0; c && k < o->members; k++) json_decref(c[k].key);
    free(c);
    return rc;
}

/* ---- rows by their names ---------------------------------------------------------------------------------------------- */

/* Whether the first two members are objects of the same fields: rows, as pandas' orient="index" and files of {id: row} have them. */
static bool is_index(const pt_scan *s, const shape *o)
{
    bool numbers;
    if (o->members < 2 || o->objects != o->members) return false;
    return same_names(&o->first, &o->second, &numbers) && !numbers && !pt_scan_is_message(s->spec, o->first.value, o->first.value + o->first.value_bytes);
}

static pt_status scan_index(pt_scan *s, const char *p, const char *end, size_t rows)
{
    member m;
    pt_log(PT_LOG_INFO, "%s: the rows are the %zu members of its one object; a row's name is its field _id", s->in.name, rows);
    while (next_member(&p, end, &m)) {
        json_t *name, *row = NULL;
        lines_to(s, m.value);
        int64_t line = s->in.line;
        PT_RETURN(key_of(s, &m, &name));
        pt_status rc = pt_json_next(&s->in, &row);
        if (rc == PT_OK && json_is_object(row) && !json_object_get(row, "_id") && json_object_set(row, "_id", name)) rc = pt_fail(PT_ENOMEM, "out of memory");
        json_decref(name);
        if (rc == PT_OK) rc = pt_scan_give(s, row, line);
        else json_decref(row);
        if (rc != PT_OK) return rc;
    }
    return PT_OK;
}

pt_status pt_scan_object(pt_scan *s, size_t n)
{
    const char *p = s->in.at, *end = p + n;
    shape o = {0};
    size_t rows;
    look(s, p, end, &o);
    if (is_table(s, p, end, &o, &rows)) return scan_table(s, p, end, &o, rows);
    if (o.column) return pt_scan_values(s);
    if (o.listed) {
        const member *m = &o.found;
        pt_log(PT_LOG_INFO, "%s: the rows are the list '%.*s' of its one object", s->in.name, m->key_bytes < 60 ? (int)m->key_bytes : 60, m->key);
        lines_to(s, m->value);
        return pt_scan_list(s);
    }
    return is_index(s, &o) ? scan_index(s, p, end, o.members) : pt_scan_values(s);
}
