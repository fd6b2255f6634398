#include "train/cli/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* libyaml's own composer has no bounds (a file of "[" keeps it busy for minutes), so the tree is built from its events, and ends at these.
 * MAX_TEXT holds what aliases copy; directives are compared with each other by libyaml before the first event. */
enum { MAX_DEPTH = 32, MAX_NODES = 20000, MAX_TEXT = 16 << 20, MAX_ANCHORS = 1000, MAX_DIRECTIVES = 16,
       MAX_ENTRIES = 4096 }; /* of one mapping: each key is compared with all before it */

typedef struct anchor { char *name; const pt_ynode *node; bool open; } anchor; /* open: its node is still being built */

typedef struct builder {
    yaml_parser_t parser;
    yaml_event_t event; /* the one in hand */
    bool have_event;
    const char *name;
    int n_nodes;
    size_t n_text;
    anchor anchors[MAX_ANCHORS];
    int n_anchors;
} builder;

void pt_yaml_free(pt_ynode *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->n; i++) {
        if (n->keys) free(n->keys[i]);
        if (n->items) pt_yaml_free(n->items[i]);
    }
    free(n->keys);
    free(n->items);
    free(n->key_line);
    free(n->key_column);
    free(n->text);
    free(n);
}

static pt_status fail_at(const builder *b, yaml_mark_t m, const char *what)
{
    return pt_fail(PT_EARG, "%s:%zu:%zu: %s", b->name, m.line + 1, m.column + 1, what);
}

static pt_status next(builder *b)
{
    if (b->have_event) yaml_event_delete(&b->event);
    b->have_event = false;
    if (!yaml_parser_parse(&b->parser, &b->event)) {
        /* some of its allocations end without a word */
        if (b->parser.error == YAML_MEMORY_ERROR || b->parser.error == YAML_NO_ERROR) return pt_fail(PT_ENOMEM, "%s: out of memory", b->name);
        yaml_mark_t m = b->parser.problem_mark;
        return pt_fail(PT_EARG, "%s:%zu:%zu: not valid YAML: %s", b->name, m.line + 1, m.column + 1,
                       b->parser.problem ? b->parser.problem : "unknown problem");
    }
    b->have_event = true;
    return PT_OK;
}

/* One more node, with so many bytes of text. */
static pt_status new_node(builder *b, int depth, int line, int column, size_t text, pt_ynode **out)
{
    b->n_text += text;
    if (depth > MAX_DEPTH) return pt_fail(PT_EARG, "%s:%d:%d: nested more than %d deep", b->name, line, column, MAX_DEPTH);
    if (++b->n_nodes > MAX_NODES || b->n_text > MAX_TEXT)
        return pt_fail(PT_EARG, "%s:%d:%d: more than %d values or %d MiB of text, aliases counted as what they stand for", b->name, line, column, MAX_NODES,
                       MAX_TEXT >> 20);
    PT_RETURN(pt_alloc0(out, 1));
    (*out)->line = line;
    (*out)->column = column;
    return PT_OK;
}

/* Room for one more entry, which the caller fills; n->n counts it at once, so that a failure frees it. */
static pt_status grow(pt_ynode *n, bool map)
{
    size_t cap = n->cap, caps[3] = {cap, cap, cap};
    if (map && n->n == MAX_ENTRIES) return pt_fail(PT_EARG, "a mapping of YAML has more than %d keys", MAX_ENTRIES);
    PT_RETURN(pt_reserve(&n->items, &n->cap, n->n + 1));
    if (map) {
        PT_RETURN(pt_reserve(&n->keys, &caps[0], n->n + 1));
        PT_RETURN(pt_reserve(&n->key_line, &caps[1], n->n + 1));
        PT_RETURN(pt_reserve(&n->key_column, &caps[2], n->n + 1));
        n->keys[n->n] = NULL;
    }
    n->items[n->n++] = NULL;
    return PT_OK;
}

/* ---- anchors and aliases -------------------------------------------------------------------------------------------- */

static anchor *find_anchor(builder *b, const char *name)
{
    for (int i = b->n_anchors; i-- > 0;) /* the last of a name counts */
        if (!strcmp(b->anchors[i].name, name)) return &b->anchors[i];
    return NULL;
}

static pt_status open_anchor(builder *b, const yaml_char_t *name, const pt_ynode *n, int *index)
{
    *index = -1;
    if (!name) return PT_OK;
    if (b->n_anchors == MAX_ANCHORS) return pt_fail(PT_EARG, "%s:%d:%d: more than %d anchors", b->name, n->line, n->column, MAX_ANCHORS);
    anchor *a = &b->anchors[b->n_anchors];
    PT_RETURN(pt_strdup(&a->name, (const char *)name));
    a->node = n;
    a->open = true;
    *index = b->n_anchors++;
    return PT_OK;
}

/* b NULL: nothing is counted. */
static pt_status copy(builder *b, const pt_ynode *from, int depth, pt_ynode **out)
{
    if (b) PT_RETURN(new_node(b, depth, from->line, from->column, from->text ? strlen(from->text) : 0, out));
    else PT_RETURN(pt_alloc0(out, 1));
    pt_ynode *n = *out;
    n->line = from->line;
    n->column = from->column;
    n->kind = from->kind;
    n->quoted = from->quoted;
    if (from->text) PT_RETURN(pt_strdup(&n->text, from->text));
    for (size_t i = 0; i < from->n; i++) {
        PT_RETURN(grow(n, n->kind == PT_YMAP));
        if (n->kind == PT_YMAP) {
            if (b) b->n_text += strlen(from->keys[i]);
            PT_RETURN(pt_strdup(&n->keys[i], from->keys[i]));
            n->key_line[i] = from->key_line[i];
            n->key_column[i] = from->key_column[i];
        }
        PT_RETURN(copy(b, from->items[i], depth + 1, &n->items[i]));
    }
    return PT_OK;
}

static pt_status alias(builder *b, int depth, pt_ynode **out)
{
    const char *name = (const char *)b->event.data.alias.anchor;
    yaml_mark_t m = b->event.start_mark;
    const anchor *a = find_anchor(b, name);
    if (!a) return pt_fail(PT_EARG, "%s:%zu:%zu: the alias *%.60s has no anchor &%.60s before it", b->name, m.line + 1, m.column + 1, name, name);
    if (a->open) return pt_fail(PT_EARG, "%s:%zu:%zu: the alias *%.60s stands inside of what it stands for", b->name, m.line + 1, m.column + 1, name);
    return copy(b, a->node, depth, out);
}

/* ---- nodes ---------------------------------------------------------------------------------------------------------- */

/* Tags of YAML itself say what is there anyway, but for !!str and !; others would be another program's instructions. */
static pt_status check_tag(const builder *b, const char *tag, bool *text)
{
    static const char *const known[] = {"str", "int", "float", "bool", "null", "seq", "map", "merge"};
    static const char core[] = "tag:yaml.org,2002:";
    size_t n = sizeof core - 1;
    *text = tag && (!strcmp(tag, "!") || !strcmp(tag, "tag:yaml.org,2002:str"));
    if (!tag || *text) return PT_OK;
    for (size_t i = 0; !strncmp(tag, core, n) && i < sizeof known / sizeof *known; i++)
        if (!strcmp(tag + n, known[i])) return PT_OK;
    yaml_mark_t m = b->event.start_mark;
    return pt_fail(PT_EARG, "%s:%zu:%zu: the tag %.80s means nothing here", b->name, m.line + 1, m.column + 1, tag);
}

static pt_status build(builder *b, int depth, pt_ynode **out);

static pt_status build_scalar(builder *b, pt_ynode *n)
{
    bool text;
    const char *value = (const char *)b->event.data.scalar.value;
    size_t length = b->event.data.scalar.length;
    n->kind = PT_YSCALAR;
    PT_RETURN(check_tag(b, (const char *)b->event.data.scalar.tag, &text));
    n->quoted = text || b->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (memchr(value, 0, length)) return fail_at(b, b->event.start_mark, "a zero byte in the text");
    return pt_strndup(&n->text, value, length);
}

/* The key in hand, as text; n already has room for it. */
static pt_status take_key(builder *b, pt_ynode *n)
{
    size_t at = n->n - 1;
    const char *key = NULL;
    yaml_mark_t m = b->event.start_mark;
    n->key_line[at] = (int)m.line + 1;
    n->key_column[at] = (int)m.column + 1;
    if (b->event.type == YAML_SCALAR_EVENT && !b->event.data.scalar.anchor) key = (const char *)b->event.data.scalar.value;
    if (b->event.type == YAML_ALIAS_EVENT) {
        const anchor *a = find_anchor(b, (const char *)b->event.data.alias.anchor);
        if (a && a->node->kind == PT_YSCALAR) key = a->node->text;
    }
    if (!key || (b->event.type == YAML_SCALAR_EVENT && strlen(key) != b->event.data.scalar.length)) return fail_at(b, m, "a key must be a plain word");
    b->n_text += strlen(key);
    for (size_t i = 0; i < at; i++)
        if (!strcmp(n->keys[i], key) && strcmp(key, "<<"))
            return pt_fail(PT_EARG, "%s:%d:%d: %s stands twice (first on line %d)", b->name, n->key_line[at], n->key_column[at], key, n->key_line[i]);
    return pt_strdup(&n->keys[at], key);
}

static pt_status build_items(builder *b, int depth, pt_ynode *n)
{
    bool map = n->kind == PT_YMAP;
    yaml_event_type_t end = map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        PT_RETURN(next(b));
        if (b->event.type == end) return PT_OK;
        PT_RETURN(grow(n, map));
        if (map) {
            PT_RETURN(take_key(b, n));
            PT_RETURN(next(b));
        }
        PT_RETURN(build(b, depth + 1, &n->items[n->n - 1]));
    }
}

/* The node that the event in hand begins. */
static pt_status build(builder *b, int depth, pt_ynode **out)
{
    yaml_event_t *e = &b->event;
    int line = (int)e->start_mark.line + 1, column = (int)e->start_mark.column + 1, at;
    if (e->type == YAML_ALIAS_EVENT) return alias(b, depth, out);
    PT_RETURN(new_node(b, depth, line, column, e->type == YAML_SCALAR_EVENT ? e->data.scalar.length : 0, out));
    pt_ynode *n = *out;
    bool text;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        PT_RETURN(open_anchor(b, e->data.scalar.anchor, n, &at));
        PT_RETURN(build_scalar(b, n));
        break;
    case YAML_SEQUENCE_START_EVENT:
        n->kind = PT_YSEQ;
        PT_RETURN(open_anchor(b, e->data.sequence_start.anchor, n, &at));
        PT_RETURN(check_tag(b, (const char *)e->data.sequence_start.tag, &text));
        PT_RETURN(build_items(b, depth, n));
        break;
    case YAML_MAPPING_START_EVENT:
        n->kind = PT_YMAP;
        PT_RETURN(open_anchor(b, e->data.mapping_start.anchor, n, &at));
        PT_RETURN(check_tag(b, (const char *)e->data.mapping_start.tag, &text));
        PT_RETURN(build_items(b, depth, n));
        break;
    default: return pt_fail(PT_EINTERNAL, "%s:%d:%d: unknown YAML event", b->name, line, column);
    }
    if (at >= 0) b->anchors[at].open = false;
    return PT_OK;
}

/* Takes the entry out; what it held is the caller's. */
static pt_ynode *take_out(pt_ynode *map, size_t i)
{
    pt_ynode *v = map->items[i];
    free(map->keys[i]);
    for (map->n--; i < map->n; i++) {
        map->keys[i] = map->keys[i + 1];
        map->items[i] = map->items[i + 1];
        map->key_line[i] = map->key_line[i + 1];
        map->key_column[i] = map->key_column[i + 1];
    }
    return v;
}

/* ---- merge keys (<<) ------------------------------------------------------------------------------------------------- */

/* Moves the entries of `from` that `to` has not: what stands there itself, and what came first, wins. */
static pt_status take_entries(const builder *b, pt_ynode *to, pt_ynode *from)
{
    if (from->kind != PT_YMAP)
        return pt_fail(PT_EARG, "%s:%d:%d: << takes a mapping or a list of mappings", b->name, from->line, from->column);
    for (size_t i = 0; i < from->n; i++) {
        bool there = false;
        for (size_t k = 0; k < to->n && !there; k++) there = !strcmp(to->keys[k], from->keys[i]);
        if (there) continue;
        PT_RETURN(grow(to, true));
        to->keys[to->n - 1] = from->keys[i];
        to->items[to->n - 1] = from->items[i];
        to->key_line[to->n - 1] = from->key_line[i];
        to->key_column[to->n - 1] = from->key_column[i];
        from->keys[i] = NULL;
        from->items[i] = NULL;
    }
    return PT_OK;
}

static pt_status merge(const builder *b, pt_ynode *n)
{
    pt_status rc = PT_OK;
    for (size_t i = 0; i < n->n; i++) PT_RETURN(merge(b, n->items[i]));
    for (size_t i = 0; n->kind == PT_YMAP && i < n->n;) {
        if (strcmp(n->keys[i], "<<")) {
            i++;
            continue;
        }
        pt_ynode *from = take_out(n, i);
        if (from->kind != PT_YSEQ) rc = take_entries(b, n, from);
        for (size_t k = 0; from->kind == PT_YSEQ && k < from->n && rc == PT_OK; k++) rc = take_entries(b, n, from->items[k]);
        pt_yaml_free(from);
        if (rc != PT_OK) return rc;
    }
    return rc;
}

/* ---- the document ---------------------------------------------------------------------------------------------------- */

static pt_status check_directives(const char *text, size_t bytes, const char *name)
{
    int n = 0, line = 1;
    for (const char *p = text, *end = text + bytes; p < end; line++) {
        if (*p == '%' && ++n > MAX_DIRECTIVES) return pt_fail(PT_EARG, "%s:%d:1: more than %d lines begin with %%", name, line, MAX_DIRECTIVES);
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    return PT_OK;
}

static pt_status document(builder *b, pt_ynode **out)
{
    PT_RETURN(next(b)); /* the stream's start */
    PT_RETURN(next(b));
    if (b->event.type == YAML_STREAM_END_EVENT) {
        PT_RETURN(pt_alloc0(out, 1));
        (*out)->kind = PT_YMAP;
        return PT_OK;
    }
    PT_RETURN(next(b));
    PT_RETURN(build(b, 0, out));
    PT_RETURN(next(b)); /* the document's end */
    PT_RETURN(next(b));
    if (b->event.type != YAML_STREAM_END_EVENT) return fail_at(b, b->event.start_mark, "a second document starts here; a config is one document");
    return merge(b, *out);
}

pt_status pt_yaml_parse(pt_ynode **out, const char *text, size_t bytes, const char *name)
{
    pt_status rc = PT_OK;
    builder *b = NULL;
    bool open = false;
    *out = NULL;
    PT_TRY(check_directives(text, bytes, name));
    PT_TRY(pt_alloc0(&b, 1));
    b->name = name;
    open = yaml_parser_initialize(&b->parser) != 0;
    PT_CHECK(open, PT_ENOMEM, "out of memory for the YAML parser");
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)text, bytes);
    PT_TRY(document(b, out));
done:
    if (rc != PT_OK) {
        pt_yaml_free(*out);
        *out = NULL;
    }
    for (int i = 0; b && i < b->n_anchors; i++) free(b->anchors[i].name);
    if (b && b->have_event) yaml_event_delete(&b->event);
    if (open) yaml_parser_delete(&b->parser);
    free(b);
    return rc;
}

static size_t find(const pt_ynode *map, const char *key)
{
    size_t i = 0;
    while (i < map->n && strcmp(map->keys[i], key)) i++;
    return i;
}

pt_ynode *pt_yaml_get(const pt_ynode *map, const char *key)
{
    size_t i = map->kind == PT_YMAP ? find(map, key) : map->n;
    return i < map->n ? map->items[i] : NULL;
}

pt_status pt_yaml_copy(pt_ynode **out, const pt_ynode *n)
{
    *out = NULL;
    pt_status rc = copy(NULL, n, 0, out);
    if (rc != PT_OK) {
        pt_yaml_free(*out);
        *out = NULL;
    }
    return rc;
}

void pt_yaml_drop(pt_ynode *map, const char *key)
{
    size_t i = find(map, key);
    if (i < map->n) pt_yaml_free(take_out(map, i));
}

pt_status pt_yaml_put(pt_ynode *map, const char *key, const char *text)
{
    pt_yaml_drop(map, key);
    PT_RETURN(grow(map, true));
    size_t i = map->n - 1;
    map->key_line[i] = map->line;
    map->key_column[i] = map->column;
    PT_RETURN(pt_strdup(&map->keys[i], key));
    PT_RETURN(pt_alloc0(&map->items[i], 1));
    map->items[i]->line = map->line;
    map->items[i]->column = map->column;
    map->items[i]->quoted = true;
    return pt_strdup(&map->items[i]->text, text);
}

pt_status pt_yaml_take(pt_ynode *map, const pt_ynode *from, size_t i)
{
    pt_yaml_drop(map, from->keys[i]);
    PT_RETURN(grow(map, true));
    size_t at = map->n - 1;
    map->key_line[at] = from->key_line[i];
    map->key_column[at] = from->key_column[i];
    PT_RETURN(pt_strdup(&map->keys[at], from->keys[i]));
    return pt_yaml_copy(&map->items[at], from->items[i]);
}

bool pt_yaml_is_null(const pt_ynode *n)
{
    if (n->kind != PT_YSCALAR || n->quoted) return false;
    return !n->text[0] || !strcmp(n->text, "~") || !strcasecmp(n->text, "null");
}

pt_status pt_yaml_quote(pt_str *out, const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "~", ""};
    bool plain = true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) plain = plain && strcasecmp(text, words[i]);
    for (const char *p = text; *p; p++)
        plain = plain && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9' && p != text) || strchr("_./", *p) ||
                          (*p == '-' && p != text));
    if (plain) return pt_str_puts(out, text);
    PT_RETURN(pt_str_puts(out, "\""));
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') PT_RETURN(pt_str_printf(out, "\\%c", *p));
        else if (*p == '\n') PT_RETURN(pt_str_puts(out, "\\n"));
        else if (*p < 32 || *p == 127) PT_RETURN(pt_str_printf(out, "\\x%02x", *p));
        else PT_RETURN(pt_str_add(out, (const char *)p, 1));
    }
    return pt_str_puts(out, "\"");
}
