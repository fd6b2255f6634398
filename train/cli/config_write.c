/* The effective config as YAML. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/config.h"
#include "train/cli/schema.h"
#include "train/cli/yaml.h"

static pt_status put_text(pt_str *out, const char *indent, const char *key, const char *text)
{
    if (!text) return PT_OK;
    PT_RETURN(pt_str_printf(out, "%s%s: ", indent, key));
    PT_RETURN(pt_yaml_quote(out, text));
    return pt_str_puts(out, "\n");
}

/* The shortest spelling that reads back to the same number. */
static pt_status put_plain(pt_str *out, const char *before, double v)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    return pt_str_printf(out, "%s%s", before, text);
}

static pt_status put_number(pt_str *out, const char *indent, const char *key, double v)
{
    PT_RETURN(pt_str_printf(out, "%s%s", indent, key));
    PT_RETURN(put_plain(out, ": ", v));
    return pt_str_puts(out, "\n");
}

static pt_status put_names(pt_str *out, const char *before, char *const *names, size_t n)
{
    PT_RETURN(pt_str_printf(out, "%s[", before));
    for (size_t i = 0; i < n; i++) {
        if (i) PT_RETURN(pt_str_puts(out, ", "));
        PT_RETURN(pt_yaml_quote(out, names[i]));
    }
    return pt_str_puts(out, "]\n");
}

static pt_status put_lines(pt_str *out, const char *indent, const char *name, const char *text)
{
    PT_RETURN(pt_str_printf(out, "%s%s: [", indent, name));
    for (const char *p = text, *end; *p; p = *end ? end + 1 : end) {
        char *one;
        end = p + strcspn(p, "\n");
        PT_RETURN(pt_strndup(&one, p, (size_t)(end - p)));
        pt_status rc = p > text ? pt_str_puts(out, ", ") : PT_OK;
        if (rc == PT_OK) rc = pt_yaml_quote(out, one);
        free(one);
        PT_RETURN(rc);
    }
    return pt_str_puts(out, "]\n");
}

static pt_status put_one(pt_str *out, const char *indent, const char *name, const pt_data_key *k, const char *text)
{
    if (k->kind == PT_DATA_LIST) return put_lines(out, indent, name, text);
    return k->kind == PT_DATA_FLAG ? pt_str_printf(out, "%s%s: %s\n", indent, name, text) : put_text(out, indent, name, text);
}

/* What is said to the readers: a mapping's members where the first of them stands. */
static pt_status put_said(pt_str *out, const pt_dataset_spec *d, bool files)
{
    for (size_t i = 0; i < pt_data_key_count(); i++) {
        const pt_data_key *k = pt_data_key_at(i), *m;
        const char *text = pt_dataset_says(d, k->key);
        if (!text || (k->kind == PT_DATA_FILE && !files)) continue;
        if (!k->within) PT_RETURN(put_one(out, "    ", k->key, k, text));
        for (size_t j = 0, n = 0; k->within && j < pt_data_key_count(); j++) {
            m = pt_data_key_at(j);
            if (!m->within || strcmp(m->within, k->within) || !(text = pt_dataset_says(d, m->key))) continue;
            if (j < i) break; /* written with that one */
            if (!n++) PT_RETURN(pt_str_printf(out, "    %s:\n", k->within));
            PT_RETURN(put_one(out, "      ", m->as, m, text));
        }
    }
    return PT_OK;
}

/* Speakers and limits of a data set. */
static pt_status put_dataset_rest(pt_str *out, const pt_config *c, const pt_dataset_spec *d)
{
    PT_RETURN(put_text(out, "    ", "system_prompt", d->system_prompt));
    if (d->drop_system) PT_RETURN(pt_str_puts(out, "    drop_system_message: true\n"));
    if (d->n_roles) PT_RETURN(pt_str_puts(out, "    roles:\n"));
    for (size_t s = 0; s < pt_speaker_count(); s++) {
        size_t n = 0;
        for (size_t i = 0; i < d->n_roles; i++) {
            if (d->role_is[i] != &pt_speakers[s]) continue;
            PT_RETURN(n++ ? pt_str_puts(out, ", ") : pt_str_printf(out, "      %s: [", pt_speakers[s].name));
            PT_RETURN(pt_yaml_quote(out, d->role_names[i]));
        }
        if (n) PT_RETURN(pt_str_puts(out, "]\n"));
    }
    if (d->n_roles_to_train) PT_RETURN(put_names(out, "    roles_to_train: ", d->roles_to_train, d->n_roles_to_train));
    return d->bad_rows == c->data.bad_rows ? PT_OK : put_number(out, "    ", "bad_rows", d->bad_rows);
}

/* One, or the list of them. */
static pt_status put_paths(pt_str *out, const pt_dataset_spec *d)
{
    if (!d->n_also) return put_text(out, "  - ", "path", d->path);
    PT_RETURN(pt_str_puts(out, "  - path: ["));
    PT_RETURN(pt_yaml_quote(out, d->path));
    for (size_t i = 0; i < d->n_also; i++) {
        PT_RETURN(pt_str_puts(out, ", "));
        PT_RETURN(pt_yaml_quote(out, d->also[i]));
    }
    return pt_str_puts(out, "]\n");
}

pt_status pt_config_put_datasets(pt_str *out, const pt_config *c, const char *key, const pt_dataset_spec *d, size_t n, bool files)
{
    if (!n) return PT_OK;
    PT_RETURN(pt_str_printf(out, "%s:\n", key));
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(put_paths(out, &d[i]));
        PT_RETURN(put_text(out, "    ", "name", d[i].name));
        PT_RETURN(put_text(out, "    ", "type", d[i].type));
        PT_RETURN(put_text(out, "    ", "ds_type", d[i].format));
        PT_RETURN(put_text(out, "    ", "split", d[i].split));
        if (d[i].weight != 1) PT_RETURN(put_number(out, "    ", "weight", d[i].weight));
        PT_RETURN(put_said(out, &d[i], files));
        PT_RETURN(put_dataset_rest(out, c, &d[i]));
    }
    return PT_OK;
}

static pt_status put_model(pt_str *out, const pt_init_config *c)
{
    if (!c->random) return PT_OK;
    PT_RETURN(pt_str_puts(out, "init: random\nmodel_config:\n"));
    PT_RETURN(put_text(out, "  ", "family", c->family));
    struct { const char *key; int v; } ints[] = {
        {"hidden_size", c->hidden_size}, {"intermediate_size", c->intermediate_size}, {"num_hidden_layers", c->num_hidden_layers},
        {"num_attention_heads", c->num_attention_heads}, {"num_key_value_heads", c->num_key_value_heads}, {"head_dim", c->head_dim},
        {"vocab_size", c->vocab_size}, {"sliding_window", c->sliding_window}, {"max_position_embeddings", c->max_position_embeddings}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) PT_RETURN(pt_str_printf(out, "  %s: %d\n", ints[i].key, ints[i].v));
    PT_RETURN(put_number(out, "  ", "rope_theta", c->rope_theta));
    PT_RETURN(put_number(out, "  ", "rms_norm_eps", c->rms_norm_eps));
    PT_RETURN(put_number(out, "  ", "initializer_range", c->initializer_range));
    return pt_str_printf(out, "  tie_word_embeddings: %s\n", c->tie_word_embeddings ? "true" : "false");
}

static pt_status put_list(pt_str *out, const char *key, char *const *list, size_t n)
{
    if (!n) return PT_OK;
    PT_RETURN(pt_str_printf(out, "%s: [", key));
    for (size_t i = 0; i < n; i++) {
        if (i) PT_RETURN(pt_str_puts(out, ", "));
        PT_RETURN(pt_yaml_quote(out, list[i]));
    }
    return pt_str_puts(out, "]\n");
}

static pt_status put_tokens(pt_str *out, const char *key, char *const *names, char *const *texts, size_t n)
{
    if (!n) return PT_OK;
    PT_RETURN(pt_str_printf(out, "%s: {", key));
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(pt_str_puts(out, i ? ", " : ""));
        PT_RETURN(pt_yaml_quote(out, names[i]));
        PT_RETURN(pt_str_puts(out, ": "));
        PT_RETURN(pt_yaml_quote(out, texts[i]));
    }
    return pt_str_puts(out, "}\n");
}

/* A list of an objective's option; nothing where it is not set and has no default. */
static pt_status put_option_list(pt_str *out, const pt_key *k, const pt_option_value *v)
{
    if (!v->n) return PT_OK;
    PT_RETURN(pt_str_printf(out, "%s: [", k->name));
    for (int i = 0; i < v->n; i++) {
        if (k->kind == PT_KEY_WORDS) PT_RETURN(pt_str_printf(out, "%s%s", i ? ", " : "", pt_objective_word(k->choices, v->words[i])));
        else PT_RETURN(put_plain(out, i ? ", " : "", v->numbers[i]));
    }
    return pt_str_puts(out, "]\n");
}

pt_status pt_config_put_key(pt_str *out, const pt_config *c, const pt_key *k)
{
    const void *f = (const char *)c + k->offset;
    const void *count = (const char *)c + k->offset_n;
    switch (k->kind) {
    case PT_KEY_STRING:
    case PT_KEY_PATH: return put_text(out, "", k->name, *(char *const *)f);
    case PT_KEY_INT: return pt_str_printf(out, "%s: %d\n", k->name, *(const int *)f);
    case PT_KEY_U64: return pt_str_printf(out, "%s: %llu\n", k->name, (unsigned long long)*(const uint64_t *)f);
    case PT_KEY_NUMBER:
    case PT_KEY_STEPS: return put_number(out, "", k->name, *(const double *)f);
    case PT_KEY_BOOL: return pt_str_printf(out, "%s: %s\n", k->name, *(const bool *)f ? "true" : "false");
    case PT_KEY_ENUM:
        for (const pt_word *ch = k->choices; ch->word; ch++)
            if (ch->value == *(const int *)f) return pt_str_printf(out, "%s: %s\n", k->name, ch->word);
        return PT_OK; /* unset */
    case PT_KEY_OBJECTIVE: return pt_str_printf(out, "%s: %s\n", k->name, c->objective->variant_of ? c->objective->variant_of : c->objective->name);
    case PT_KEY_WORDS:
    case PT_KEY_NUMBERS: return put_option_list(out, k, f);
    case PT_KEY_LIST: return put_list(out, k->name, *(char **const *)f, *(const size_t *)count);
    case PT_KEY_STAGES: return PT_OK; /* each is a config of its own */
    case PT_KEY_DATASETS: return pt_config_put_datasets(out, c, k->name, *(pt_dataset_spec *const *)f, *(const size_t *)count, true);
    case PT_KEY_MODEL: return put_model(out, f);
    case PT_KEY_EVALUATIONS: return pt_config_put_evaluations(out, k->name, c->eval.evaluations, c->eval.n_evaluations);
    case PT_KEY_MODELS: return pt_config_put_models(out, k->name, c->eval.models, c->eval.n_models);
    case PT_KEY_TOKENS: return put_tokens(out, k->name, c->model.special_token_names, *(char **const *)f, *(const size_t *)count);
    }
    return PT_OK;
}

pt_status pt_config_yaml(const pt_config *c, pt_str *out)
{
    size_t n;
    const pt_key *k = pt_schema(&n);
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(k[i].name, "init")) continue; /* model_config writes it */
        if (c->adapter.kind == PT_ADAPTER_QLORA && !strcmp(k[i].name, "load_in_4bit")) continue; /* qlora says it */
        if (c->adapter.kind == PT_ADAPTER_NONE && !strncmp(k[i].name, "lora_", 5)) continue; /* they have no effect, and would be warned of */
        if (c->adapter.lora_model_dir && ((!strcmp(k[i].name, "lora_r") && !c->adapter.lora_r_set) || (!strcmp(k[i].name, "lora_alpha") && !c->adapter.lora_alpha_set))) continue;
        int option = pt_objective_key(k[i].name);
        if (option >= 0 && (!pt_objective_has(c->objective, k[i].name) || (!k[i].fallback && !c->options[option].set))) continue;
        PT_RETURN(pt_config_put_key(out, c, &k[i]));
    }
    return PT_OK;
}
