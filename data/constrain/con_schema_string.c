/* Strings of a schema: lengths, patterns, formats, keys that are not listed. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_schema.h"
#include "data/text/tok_utf8.h"

enum { NAME_MOST = 1024 };

#define YEAR "(?:[1-9]\\d{3}|0[1-9]\\d{2}|00[1-9]\\d|000[1-9])"
#define LEAP "(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define DATE "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|" LEAP "-02-29)"
#define TIME "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d{2}|[1-9]?\\d)"
#define ATOM "[A-Za-z0-9_%+-]{1,30}"
/* RFC 3339 (without leap seconds), RFC 4122, RFC 2673; e-mail addresses of atoms and host names with a point. */
static const struct {
    const char *name, *re;
} formats[] = {{"date", "^" DATE "$"},
               {"time", "^" TIME "$"},
               {"date-time", "^" DATE "T" TIME "$"},
               {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
               {"ipv4", "^" OCTET "(?:\\." OCTET "){3}$"},
               {"email", "^" ATOM "(?:\\." ATOM "){0,2}@" LABEL "(?:\\." LABEL "){0,3}\\.[A-Za-z]{2,20}$"}};

/* Where the whole pattern is one repeated set between anchors: the part of it. */
static const pt_con_part *repeated_set(const pt_con_regex *r)
{
    const pt_con_part *p = &r->part[r->root - 1];
    p = &r->part[p->child - 1];
    if (p->next || !p->child) return NULL;
    const pt_con_part *a = &r->part[p->child - 1], *b = a->next ? &r->part[a->next - 1] : NULL, *c = b && b->next ? &r->part[b->next - 1] : NULL;
    if (a->kind != PT_CON_BEGIN || !b || b->kind != PT_CON_REPEAT || !c || c->kind != PT_CON_FINISH || c->next) return NULL;
    return r->part[b->child - 1].kind == PT_CON_SET ? b : NULL;
}

uint32_t pt_con_pattern(pt_con_schema *s, const char *pattern, uint32_t min, uint32_t max, uint32_t next)
{
    pt_con_graph *g = s->g;
    pt_con_regex r;
    uint32_t lo, hi, body = 0, close = pt_con_text(g, "\"", 1, next);
    if (pt_con_regex_parse(&r, pattern, strlen(pattern)) != PT_OK) {
        char why[600];
        strncpy(why, pt_err_msg(), sizeof why - 1);
        why[sizeof why - 1] = 0;
        return pt_con_refuse(s, "pattern: %s", why);
    }
    pt_con_regex_length(&r, &lo, &hi, true);
    const pt_con_part *set = repeated_set(&r);
    if (lo >= min && hi <= max) {
        body = pt_con_regex_build(g, &r, true, true, close);
    } else if (set) {
        uint32_t rule = pt_con_rule_new(g, false), one = pt_con_one(g, &r.set[r.part[set->child - 1].set], true, PT_CON_END);
        if (g->status == PT_OK) g->rule[rule].start = one;
        min = min > set->min ? min : set->min;
        max = max < set->max ? max : set->max;
        body = min > max ? pt_con_node(g) : pt_con_times(g, rule, min, max, close);
    } else {
        body = pt_con_regex_counted(g, &r, true, true, min, max, close);
    }
    pt_con_regex_free(&r);
    return pt_con_text(g, "\"", 1, body);
}

uint32_t pt_con_string(pt_con_schema *s, const json_t *schema, uint32_t next)
{
    pt_con_graph *g = s->g;
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    uint32_t min = pt_con_count(s, schema, "minLength", 0), max = pt_con_count(s, schema, "maxLength", PT_CON_MANY);
    if (g->status != PT_OK) return PT_CON_END;
    if (pattern && !json_is_string(pattern)) return pt_con_refuse(s, "'pattern' must be a text, not %s", pt_json_kind(pattern));
    if (format && !json_is_string(format)) return pt_con_refuse(s, "'format' must be a text, not %s", pt_json_kind(format));
    if (format && pattern) return pt_con_refuse(s, "'format' beside 'pattern' is not supported");
    if (pattern) return pt_con_pattern(s, json_string_value(pattern), min, max, next);
    for (size_t i = 0; format && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, json_string_value(format)) == 0) return pt_con_pattern(s, formats[i].re, min, max, next);
    if (format) return pt_con_refuse(s, "the format '%.80s' is not supported (date, time, date-time, uuid, ipv4, email are)", json_string_value(format));
    if (min > max) return pt_con_node(g);
    return pt_con_text(g, "\"", 1, pt_con_times(g, pt_con_jchar(g), min, max, pt_con_text(g, "\"", 1, next)));
}

/* What follows in a string that so far is the beginning of these sorted names. */
static uint32_t other(pt_con_graph *g, const char *const *names, size_t n, size_t from, uint32_t loop, uint32_t close)
{
    uint32_t node = pt_con_node(g);
    size_t i = 0;
    pt_con_set rest = {0};
    while (i < n && !names[i][from]) i++;
    if (!i) pt_con_none(g, node, close);
    pt_con_fail(g, pt_con_set_add(&rest, 0, 0x1F));
    pt_con_fail(g, pt_con_set_add(&rest, '"', '"'));
    pt_con_fail(g, pt_con_set_add(&rest, '\\', '\\'));
    while (i < n && g->status == PT_OK) {
        size_t k = i, len, len2;
        uint32_t c = pt_utf8_get(names[i] + from, &len);
        while (k < n && pt_utf8_get(names[k] + from, &len2) == c) k++;
        pt_con_none(g, node, pt_con_text(g, names[i] + from, len, other(g, names + i, k - i, from + len, loop, close)));
        pt_con_fail(g, pt_con_set_add(&rest, c, c));
        i = k;
    }
    pt_con_fail(g, pt_con_set_flip(&rest));
    if (g->status == PT_OK) pt_con_none(g, node, pt_con_one(g, &rest, false, loop));
    free(rest.span);
    return node;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t plain_char(pt_con_graph *g, uint32_t next)
{
    pt_con_set s = {0};
    pt_con_fail(g, pt_con_set_add(&s, ' ', '!'));
    pt_con_fail(g, pt_con_set_add(&s, '#', '['));
    pt_con_fail(g, pt_con_set_add(&s, ']', PT_CON_LAST));
    pt_con_fail(g, pt_con_set_tidy(&s));
    uint32_t from = g->status == PT_OK ? pt_con_one(g, &s, false, next) : 0;
    free(s.span);
    return from;
}

uint32_t pt_con_other_string(pt_con_schema *s, const char *const *names, size_t n, uint32_t next)
{
    pt_con_graph *g = s->g;
    const char **plain = NULL;
    size_t k = 0;
    uint32_t close = pt_con_text(g, "\"", 1, next), loop;
    pt_con_fail(g, pt_alloc0(&plain, n));
    for (size_t i = 0; i < n && g->status == PT_OK; i++) {
        bool escapes = strpbrk(names[i], "\"\\") != NULL; /* a key without escapes is another one anyhow */
        for (const char *p = names[i]; *p; p++) escapes |= (unsigned char)*p < 0x20;
        if (strlen(names[i]) > NAME_MOST) pt_con_refuse(s, "the name of a property is longer than %d bytes, beside properties that are not listed", NAME_MOST);
        if (!escapes) plain[k++] = names[i];
    }
    if (k) qsort(plain, k, sizeof *plain, by_text);
    loop = pt_con_node(g);
    pt_con_none(g, loop, close);
    pt_con_none(g, loop, plain_char(g, loop));
    if (g->status == PT_OK) loop = other(g, plain, k, 0, loop, close);
    free(plain);
    return pt_con_text(g, "\"", 1, loop);
}

bool pt_con_matches(pt_con_schema *s, const char *pattern, const char *key)
{
    pt_con_graph g = {0};
    pt_con_auto a = {0};
    pt_con_regex r = {0};
    int32_t at = PT_CON_DEAD;
    pt_status rc = PT_OK;
    if (!pt_con_spend(s, 500 + 20 * strlen(pattern))) return false;
    PT_TRY(pt_con_regex_parse(&r, pattern, strlen(pattern)));
    g.start = pt_con_regex_build(&g, &r, true, false, PT_CON_END);
    PT_TRY(pt_con_needs(&g, NULL));
    rc = pt_con_auto_make(&a, &g, 0, SIZE_MAX);
    if (rc == PT_EARG) rc = pt_err_forgive(rc); /* a pattern that nothing matches */
    else at = a.start;
    for (; rc == PT_OK && *key && at != PT_CON_DEAD; key++) rc = pt_con_auto_step(&a, at, (unsigned char)*key, &at);
done:
    pt_con_fail(s->g, rc);
    bool is = rc == PT_OK && at != PT_CON_DEAD && a.state[at].accept;
    pt_con_auto_free(&a);
    pt_con_graph_free(&g);
    pt_con_regex_free(&r);
    return is;
}
