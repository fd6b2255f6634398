#include "train/cli/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { MAX_DEPTH = 32, MAX_NODES = 100000 };

typedef struct builder {
    yaml_document_t doc;
    const char *name;
    int n_nodes;
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

static pt_status build(builder *b, yaml_node_t *y, int depth, pt_ynode **out);

static pt_status build_map(builder *b, yaml_node_t *y, int depth, pt_ynode *n)
{
    size_t count = (size_t)(y->data.mapping.pairs.top - y->data.mapping.pairs.start);
    PT_RETURN(pt_alloc0(&n->keys, count));
    PT_RETURN(pt_alloc0(&n->items, count));
    PT_RETURN(pt_alloc0(&n->key_line, count));
    PT_RETURN(pt_alloc0(&n->key_column, count));
    for (yaml_node_pair_t *p = y->data.mapping.pairs.start; p < y->data.mapping.pairs.top; p++) {
        yaml_node_t *k = yaml_document_get_node(&b->doc, p->key), *v = yaml_document_get_node(&b->doc, p->value);
        int line = (int)k->start_mark.line + 1, column = (int)k->start_mark.column + 1;
        if (k->type != YAML_SCALAR_NODE) return pt_fail(PT_EARG, "%s:%d:%d: a key must be a plain word", b->name, line, column);
        const char *key = (const char *)k->data.scalar.value;
        for (size_t i = 0; i < n->n; i++)
            if (!strcmp(n->keys[i], key))
                return pt_fail(PT_EARG, "%s:%d:%d: %s stands twice (first on line %d)", b->name, line, column, key, n->key_line[i]);
        PT_RETURN(pt_strdup(&n->keys[n->n], key));
        n->key_line[n->n] = line;
        n->key_column[n->n] = column;
        n->n++;
        PT_RETURN(build(b, v, depth + 1, &n->items[n->n - 1]));
    }
    return PT_OK;
}

static pt_status build_seq(builder *b, yaml_node_t *y, int depth, pt_ynode *n)
{
    size_t count = (size_t)(y->data.sequence.items.top - y->data.sequence.items.start);
    PT_RETURN(pt_alloc0(&n->items, count));
    for (yaml_node_item_t *p = y->data.sequence.items.start; p < y->data.sequence.items.top; p++) {
        n->n++;
        PT_RETURN(build(b, yaml_document_get_node(&b->doc, *p), depth + 1, &n->items[n->n - 1]));
    }
    return PT_OK;
}

static pt_status build(builder *b, yaml_node_t *y, int depth, pt_ynode **out)
{
    int line = (int)y->start_mark.line + 1, column = (int)y->start_mark.column + 1;
    if (depth > MAX_DEPTH || ++b->n_nodes > MAX_NODES)
        return pt_fail(PT_EARG, "%s:%d:%d: nested too deeply or too long (an alias inside itself?)", b->name, line, column);
    PT_RETURN(pt_alloc0(out, 1));
    pt_ynode *n = *out;
    n->line = line;
    n->column = column;
    switch (y->type) {
    case YAML_SCALAR_NODE:
        n->kind = PT_YSCALAR;
        n->quoted = y->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (memchr(y->data.scalar.value, 0, y->data.scalar.length))
            return pt_fail(PT_EARG, "%s:%d:%d: a zero byte in the text", b->name, line, column);
        return pt_strndup(&n->text, (const char *)y->data.scalar.value, y->data.scalar.length);
    case YAML_SEQUENCE_NODE: n->kind = PT_YSEQ; return build_seq(b, y, depth, n);
    case YAML_MAPPING_NODE: n->kind = PT_YMAP; return build_map(b, y, depth, n);
    default: return pt_fail(PT_EINTERNAL, "%s:%d:%d: unknown YAML node", b->name, line, column);
    }
}

pt_status pt_yaml_parse(pt_ynode **out, const char *text, size_t bytes, const char *name)
{
    pt_status rc = PT_OK;
    yaml_parser_t parser;
    builder b = {.name = name};
    bool have_doc = false;
    *out = NULL;
    if (!yaml_parser_initialize(&parser)) return pt_fail(PT_ENOMEM, "out of memory for the YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    have_doc = yaml_parser_load(&parser, &b.doc) != 0;
    PT_CHECK(have_doc, PT_EARG, "%s:%zu:%zu: not valid YAML: %s", name, parser.problem_mark.line + 1, parser.problem_mark.column + 1,
             parser.problem ? parser.problem : "unknown problem");
    yaml_node_t *root = yaml_document_get_root_node(&b.doc);
    if (root) PT_TRY(build(&b, root, 0, out));
    if (!root) {
        PT_TRY(pt_alloc0(out, 1));
        (*out)->kind = PT_YMAP;
    }
done:
    if (rc != PT_OK) {
        pt_yaml_free(*out);
        *out = NULL;
    }
    if (have_doc) yaml_document_delete(&b.doc);
    yaml_parser_delete(&parser);
    return rc;
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
