/* The table of objectives, which the makefile's list makes, and what follows from all of them together. */
#define PT_OBJECTIVE_DECLARE
#include "train/objective/objective.h"

#include "objective_list.h"

#include <stdlib.h>

#define ENTRY(name) &pt_objective_##name,
static const pt_objective *const table[] = {PT_OBJECTIVE_LIST(ENTRY)};
enum { COUNT = sizeof table / sizeof *table };

const pt_word pt_reference_words[] = {{"start", PT_REFERENCE_AT_START}, {"base", PT_REFERENCE_AT_BASE}, {NULL, 0}};
const pt_word pt_kl_words[] = {{"policy", PT_KL_FROM_POLICY}, {"reference", PT_KL_FROM_REFERENCE}, {NULL, 0}};

size_t pt_objective_count(void)
{
    return COUNT;
}

const pt_objective *pt_objective_at(size_t i)
{
    return i < COUNT ? table[i] : NULL;
}

const pt_objective *pt_objective_find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (!strcmp(table[i]->name, name)) return table[i];
    return NULL;
}

const pt_objective *pt_objective_also(const char *key)
{
    for (size_t i = 0; i < COUNT; i++)
        for (int k = 0; k < table[i]->n_also; k++)
            if (!strcmp(table[i]->also[k].key, key)) return table[i];
    return NULL;
}

int pt_objective_index(const pt_objective *o)
{
    for (int i = 0; i < COUNT; i++)
        if (table[i] == o) return i;
    return -1;
}

size_t pt_objective_keys(const pt_option **keys[])
{
    static const pt_option *all[PT_OBJECTIVE_KEYS];
    size_t n = 0;
    for (size_t i = 0; i < COUNT; i++)
        for (int k = 0; k < table[i]->n_options; k++) {
            size_t j = 0;
            while (j < n && strcmp(all[j]->key, table[i]->options[k].key)) j++;
            if (j == n && n < PT_OBJECTIVE_KEYS) all[n++] = &table[i]->options[k];
        }
    if (keys) *keys = all;
    return n;
}

int pt_objective_key(const char *key)
{
    const pt_option **keys;
    size_t n = pt_objective_keys(&keys);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(keys[i]->key, key)) return (int)i;
    return -1;
}

const pt_objective *pt_objective_variant(const pt_objective *o, const pt_option_value *values)
{
    for (size_t i = 0; i < COUNT; i++) {
        const pt_objective *v = table[i];
        int key = v->variant_of && !strcmp(v->variant_of, o->name) ? pt_objective_key(v->variant_key) : -1;
        if (key >= 0 && values[key].set && values[key].flag) return v;
    }
    return o;
}

double pt_objective_option(const pt_objective *o, int option, const pt_option_value *values)
{
    const pt_option *p = &o->options[option];
    const pt_option_value *v = &values[pt_objective_key(p->key)];
    if (v->set) return p->kind == PT_OPTION_NUMBER ? v->number : p->kind == PT_OPTION_FLAG ? v->flag : v->word;
    if (!p->fallback) return 0;
    if (p->kind == PT_OPTION_NUMBER || p->kind == PT_OPTION_COUNT) return strtod(p->fallback, NULL);
    if (p->kind == PT_OPTION_FLAG) return !strcmp(p->fallback, "true");
    for (const pt_word *w = p->words; w->word; w++)
        if (!strcmp(w->word, p->fallback)) return w->value;
    return 0;
}

int pt_objective_width(const pt_objective *o, const pt_option_value *values)
{
    if (o->channels & PT_CHANNEL_VALUES) return (int)pt_objective_option(o, o->width_option, values);
    return o->channels & PT_CHANNEL_SCORE ? 1 : 0;
}

void pt_objective_options(const pt_objective *o, const pt_option_value *values, pt_core_step *s)
{
    for (int i = 0; i < o->n_options; i++) s->option[i] = pt_objective_option(o, i, values);
}

pt_status pt_objective_set(pt_option_value *values, const char *key, double v)
{
    int k = pt_objective_key(key);
    if (k < 0) return pt_fail(PT_EARG, "no objective has an option %s", key);
    values[k] = (pt_option_value){.set = true, .flag = v != 0, .word = (int)v, .number = v};
    return PT_OK;
}
