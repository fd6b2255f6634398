/* The list `models`: whom tasks of `evaluations` speak to by name. An entry's keys are those of a model in memory, or, with `endpoint`, those of a remote one. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/http/http_options.h"
#include "train/cli/config_value.h"

static const pt_entry_key in_memory[] = {
    {.name = "path", .kind = PT_ENTRY_FILE, .help = "A run's folder, a Hugging Face folder or a GGUF file: another model in memory, beside the one that is measured."},
    {.name = "adapter", .kind = PT_ENTRY_FILE,
     .help = "A PEFT folder. With path: on that model. Without: on the base of what is measured, in a slot of the same model in memory."},
    {.name = NULL},
};

/* Messages of eval/http hold no value that could be a secret. */
pt_status pt_models_endpoint(const pt_voice_spec *s, pt_http_options *o)
{
    char why[400];
    pt_http_options_start(o);
    for (size_t i = 0; i < s->n_options; i++) {
        const pt_entry_option *x = &s->options[i];
        if (pt_http_option(o, x->name, x->value) == PT_OK) continue;
        snprintf(why, sizeof why, "%s", pt_err_msg());
        return pt_entry_fail(s->file, x->line, x->column, "the model %s: %s", s->name, why);
    }
    if (pt_http_check(o) == PT_OK) return PT_OK;
    snprintf(why, sizeof why, "%s", pt_err_msg());
    return pt_entry_fail(s->file, s->line, s->column, "the model %s: %s", s->name, why);
}

static pt_status check(const pt_voice_spec *s)
{
    static const char *const taken[] = {"self", "base"};
    for (size_t i = 0; s->name && i < 2; i++)
        if (!strcmp(s->name, taken[i]))
            return pt_entry_fail(s->file, s->line, s->column, "%s names %s without an entry: another name is wanted", s->name, i ? "what it was tuned from" : "what is measured");
    if (!s->name || !*s->name) return pt_entry_fail(s->file, s->line, s->column, "a model needs a name, by which tasks speak to it");
    if (pt_entry_said(s->options, s->n_options, "endpoint")) {
        pt_http_options o;
        pt_status rc = pt_models_endpoint(s, &o);
        pt_http_options_free(&o);
        return rc;
    }
    for (size_t i = 0; i < s->n_options; i++) PT_RETURN(pt_entry_check(in_memory, &s->options[i], s->file, "a model in memory", "name, "));
    return s->n_options ? PT_OK : pt_entry_fail(s->file, s->line, s->column, "the model %s has neither path nor adapter nor endpoint", s->name);
}

/* A list as its lines. */
static pt_status lines(pt_place at, const char *key, const pt_ynode *v, char **out)
{
    pt_str text = {0};
    pt_status rc = pt_str_puts(&text, "");
    for (size_t i = 0; i < v->n && rc == PT_OK; i++) {
        const pt_ynode *x = v->items[i];
        if (x->kind != PT_YSCALAR || strchr(x->text, '\n')) rc = pt_place_fail(at, "%s takes a list of texts of one line", key);
        else rc = pt_str_printf(&text, "%s%s", i ? "\n" : "", x->text);
    }
    *out = rc == PT_OK ? text.text : NULL;
    if (rc != PT_OK) pt_str_free(&text);
    return rc;
}

static pt_status option(pt_place at, const char *key, const pt_ynode *v, bool remote, pt_entry_option *o)
{
    const pt_entry_key *k = remote ? NULL : pt_entry_key_of(in_memory, key);
    const pt_http_key *h = remote ? pt_http_key_of(key) : NULL;
    bool on;
    o->line = at.line;
    o->column = at.column;
    PT_RETURN(pt_strdup(&o->name, key));
    if (h && h->kind == PT_HTTP_LIST && v->kind == PT_YSEQ) return lines(at, key, v, &o->value);
    if (v->kind != PT_YSCALAR) return pt_place_fail(at, "%s takes one value", key);
    if ((k && k->kind == PT_ENTRY_FILE) || (h && h->kind == PT_HTTP_FILE)) return pt_value_path(at, key, v, &o->value);
    if (!h || h->kind != PT_HTTP_FLAG) return pt_strdup(&o->value, v->text);
    PT_RETURN(pt_value_bool(at, key, v, &on));
    return pt_strdup(&o->value, on ? "true" : "false");
}

static pt_status entry(const char *file, const pt_ynode *n, pt_voice_spec *s)
{
    pt_place here = {file, n->line, n->column};
    if (n->kind != PT_YMAP) return pt_place_fail(here, "a model is {name: NAME, path: MODEL}, {name: NAME, adapter: FOLDER} or {name: NAME, endpoint: URL, model: NAME}");
    s->line = strcmp(file, "command line") ? n->line : 0;
    s->column = n->column;
    PT_RETURN(pt_strdup(&s->file, file));
    PT_RETURN(pt_alloc0(&s->options, n->n));
    for (size_t i = 0; i < n->n; i++) {
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        if (pt_yaml_is_null(n->items[i])) continue;
        if (!strcmp(n->keys[i], "name")) PT_RETURN(pt_value_string(at, "name", n->items[i], &s->name));
        else PT_RETURN(option(at, n->keys[i], n->items[i], pt_yaml_get(n, "endpoint") != NULL, &s->options[s->n_options++]));
    }
    return check(s);
}

void pt_models_free(pt_voice_spec *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pt_entry_options_free(list[i].options, list[i].n_options);
        free(list[i].name);
        free(list[i].file);
    }
    free(list);
}

pt_status pt_value_models(const char *file, const pt_ynode *n, pt_voice_spec **out, size_t *out_n)
{
    size_t count = n->kind == PT_YSEQ ? n->n : 1;
    pt_voice_spec *list;
    pt_status rc = PT_OK;
    PT_RETURN(pt_alloc0(&list, count));
    for (size_t i = 0; i < count && rc == PT_OK; i++) rc = entry(file, n->kind == PT_YSEQ ? n->items[i] : n, &list[i]);
    for (size_t i = 0; i < count && rc == PT_OK; i++)
        for (size_t k = 0; k < i && rc == PT_OK; k++)
            if (!strcmp(list[i].name, list[k].name)) rc = pt_entry_fail(file, list[i].line, list[i].column, "two models are called %s", list[i].name);
    if (rc != PT_OK) {
        pt_models_free(list, count);
        return rc;
    }
    pt_models_free(*out, *out_n);
    *out = list;
    *out_n = count;
    return PT_OK;
}

pt_status pt_config_put_models(pt_str *out, const char *key, const pt_voice_spec *s, size_t n)
{
    if (n) PT_RETURN(pt_str_printf(out, "%s:\n", key));
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(pt_str_puts(out, "  - name: "));
        PT_RETURN(pt_yaml_quote(out, s[i].name));
        for (size_t k = 0; k < s[i].n_options; k++) {
            PT_RETURN(pt_str_printf(out, "\n    %s: ", s[i].options[k].name));
            PT_RETURN(pt_yaml_quote(out, s[i].options[k].value));
        }
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

pt_status pt_schema_models(pt_str *out, bool markdown)
{
    PT_RETURN(pt_str_puts(out, markdown ? "\n#### A model in memory\n\n| key | |\n| --- | --- |\n| `name` | As tasks call it. |\n" : "\na model in memory:\n  name             As tasks call it.\n"));
    for (const pt_entry_key *k = in_memory; k->name; k++) PT_RETURN(pt_str_printf(out, markdown ? "| `%s` | %s |\n" : "  %-16s %s\n", k->name, k->help));
    PT_RETURN(pt_str_puts(out, markdown ? "\n#### A model at an endpoint\n\n| key | default | |\n| --- | --- | --- |\n| `name` | | As tasks call it. |\n"
                                        : "\na model at an endpoint:\n  name             As tasks call it.\n"));
    for (const pt_http_key *k = pt_http_keys; k->name; k++) {
        const char *fallback = k->fallback ? k->fallback : "";
        if (markdown) PT_RETURN(pt_str_printf(out, "| `%s` | %s%s%s | %c%s. |\n", k->name, *fallback ? "`" : "", fallback, *fallback ? "`" : "", toupper((unsigned char)k->help[0]), k->help + 1));
        else PT_RETURN(pt_str_printf(out, "  %-16s %c%s.%s%s%s\n", k->name, toupper((unsigned char)k->help[0]), k->help + 1, *fallback ? " Default: " : "", fallback, *fallback ? "." : ""));
    }
    return PT_OK;
}
