/* Records, fields of rows, and the table of data types. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/record.h"

void pt_record_clear(pt_record *rec)
{
    for (size_t i = 0; i < rec->n_owned; i++) free(rec->owned[i]);
    rec->n_owned = 0;
    rec->side[0].n = rec->side[1].n = rec->n_prompt = 0;
    rec->ids[0].n = rec->ids[1].n = 0;
    rec->text = rec->role = NULL;
    rec->bytes = 0;
    rec->tools = NULL;
    json_decref(rec->parsed);
    rec->parsed = NULL;
    rec->pair = false;
    rec->kind = PT_RECORD_CHAT;
    rec->weight = 1;
    rec->margin = 0;
}

void pt_record_free(pt_record *rec)
{
    pt_record_clear(rec);
    free(rec->owned);
    for (int i = 0; i < 2; i++) {
        free(rec->side[i].turns);
        free(rec->ids[i].ids);
        free(rec->label[i]);
    }
    *rec = (pt_record){0};
}

pt_status pt_record_turn(pt_turns *t, pt_speaker speaker, const char *text, size_t bytes)
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

static pt_status missing(json_t *row, const char *key)
{
    pt_str names = {0};
    const char *k;
    json_t *v;
    json_object_foreach(row, k, v)
    {
        pt_status rc = names.len < 200 ? pt_str_printf(&names, "%s'%.40s'", names.len ? ", " : "", k) : PT_OK;
        if (rc != PT_OK) {
            pt_str_free(&names);
            return rc;
        }
    }
    pt_fail(PT_EFORMAT, "no field '%s'; the row has %s", key, names.len ? names.text : "no fields");
    pt_str_free(&names);
    return PT_EFORMAT;
}

pt_status pt_row_string(json_t *row, const char *key, bool required, const char **text, size_t *bytes)
{
    json_t *v = json_object_get(row, key);
    *text = NULL;
    *bytes = 0;
    if (!v || (json_is_null(v) && !required)) return required ? missing(row, key) : PT_OK;
    if (json_is_null(v)) return pt_fail(PT_EFORMAT, "field '%s' is null", key);
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a string is wanted", key, pt_row_kind(v));
    *text = json_string_value(v);
    *bytes = json_string_length(v);
    return PT_OK;
}

pt_status pt_row_number(json_t *row, const char *key, double least, float *out)
{
    json_t *v = json_object_get(row, key);
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_number(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a number is wanted", key, pt_row_kind(v));
    double x = json_number_value(v);
    if (!isfinite((float)x) || x < least) return pt_fail(PT_EFORMAT, "field '%s' is %g, which is out of range", key, x);
    *out = (float)x;
    return PT_OK;
}

bool pt_speaker_of(const char *name, pt_speaker *out)
{
    static const struct {
        const char *name;
        pt_speaker speaker;
    } names[] = {{"system", PT_SYSTEM},       {"developer", PT_SYSTEM},        {"user", PT_USER},     {"human", PT_USER},
                 {"assistant", PT_ASSISTANT}, {"gpt", PT_ASSISTANT},           {"bot", PT_ASSISTANT}, {"model", PT_ASSISTANT},
                 {"chatgpt", PT_ASSISTANT},   {"function_call", PT_ASSISTANT}, {"tool", PT_TOOL},     {"observation", PT_TOOL},
                 {"function", PT_TOOL},       {"tool_response", PT_TOOL},      {"ipython", PT_TOOL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name)) continue;
        *out = names[i].speaker;
        return true;
    }
    return false;
}

const char *pt_speaker_name(pt_speaker s)
{
    static const char *const names[] = {"system", "user", "assistant", "tool"};
    return names[s];
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

typedef struct pt_type_entry {
    const char *name, *alias;
    pt_status (*read)(pt_reader *r, json_t *row);
    bool sft, pairs;
} pt_type_entry;

static const pt_type_entry types[] = {
    {"messages", "chat_template", pt_read_messages, true, false},
    {"sharegpt", NULL, pt_read_sharegpt, true, false},
    {"alpaca", NULL, pt_read_alpaca, true, false},
    {"rolebench", NULL, pt_read_rolebench, true, false},
    {"text", "completion", pt_read_text, true, false},
    {"preference", NULL, pt_read_preference, false, true},
    {"mindset", NULL, pt_read_mindset, false, true},
    {"tokens", "", pt_read_tokens, true, true},
};

static const pt_type_entry *find_type(const char *type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, type) || (types[i].alias && !strcmp(types[i].alias, type))) return &types[i];
    return NULL;
}

const char *pt_reader_type(const char *type)
{
    const pt_type_entry *t = find_type(type ? type : "");
    return t ? t->name : NULL;
}

typedef struct pt_row_ctx {
    pt_reader *r;
    const pt_type_entry *type;
} pt_row_ctx;

static pt_status one_row(void *user, json_t *row, int64_t line)
{
    const pt_row_ctx *c = user;
    pt_reader *r = c->r;
    pt_record_clear(&r->rec);
    r->line = line;
    r->rows++;
    PT_RETURN(pt_row_number(row, "weight", 0, &r->rec.weight));
    PT_RETURN(pt_read_tools(row, &r->rec));
    return c->type->read(r, row);
}

pt_status pt_reader_run(pt_reader *r)
{
    const char *name = r->spec->type ? r->spec->type : "";
    const pt_type_entry *t = find_type(name);
    if (!t)
        return pt_fail(
            PT_EARG,
            "%s: no data type '%s'; there are messages, sharegpt, alpaca, rolebench, text, preference, mindset, tokens",
            r->spec->path, name);
    if (r->pairs && !t->pairs)
        return pt_fail(PT_EARG, "%s: type %s has no pairs; this objective takes preference, mindset, tokens", r->spec->path,
                       t->name);
    if (!r->pairs && !t->sft)
        return pt_fail(PT_EARG, "%s: type %s holds pairs; it goes with the objectives dpo and reward", r->spec->path, t->name);
    if (r->spec->split && *r->spec->split && strcmp(r->spec->split, "train"))
        return pt_fail(PT_EARG, "%s: split '%s' of a file; a file is one split, 'train'", r->spec->path, r->spec->split);
    if (t->read == pt_read_rolebench) PT_RETURN(pt_read_rolebench_open(r));
    pt_row_ctx c = {r, t};
    r->rows = 0;
    return pt_rows_read(r->spec->path, one_row, &c);
}

void pt_reader_free(pt_reader *r)
{
    json_decref(r->profiles);
    r->profiles = NULL;
    pt_record_free(&r->rec);
}
