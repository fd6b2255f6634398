/* The list `models`: whom tasks of `evaluations` speak to by name. An entry's keys are those of a model in memory, or, with `endpoint`, those of a remote one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/http/http_options.h"
#include "train/cli/config_entries.h"

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

static pt_status check(const void *entry)
{
    const pt_voice_spec *s = entry;
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

static const pt_entry_key *keys_of(const pt_ynode *n)
{
    return pt_yaml_get(n, "endpoint") ? pt_http_keys : in_memory;
}

static pt_entry_parts parts_of(void *entry)
{
    pt_voice_spec *s = entry;
    return (pt_entry_parts){&s->name, &s->file, &s->line, &s->column, &s->options, &s->n_options};
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

static void free_list(void *list, size_t n)
{
    pt_models_free(list, n);
}

pt_status pt_value_models(const char *file, const pt_ynode *n, pt_voice_spec **out, size_t *out_n)
{
    static const pt_entry_list kind = {.size = sizeof(pt_voice_spec), .usage = "a model is {name: NAME, path: MODEL}, {name: NAME, adapter: FOLDER} or {name: NAME, endpoint: URL, model: NAME}",
                                       .many = "models", .parts = parts_of, .keys = keys_of, .check = check, .free = free_list};
    void *list = *out;
    pt_status rc = pt_value_entries(&kind, file, n, &list, out_n);
    *out = list;
    return rc;
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
    for (const pt_entry_key *k = pt_http_keys; k->name; k++) PT_RETURN(pt_schema_entry_key(out, markdown, k));
    return PT_OK;
}
