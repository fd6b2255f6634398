/* The table of objectives, which the makefile's list makes, and what follows from all of them together. */
#define PT_OBJECTIVE_DECLARE
#include "train/objective/objective.h"

#include "objective_list.h"

#include <stdlib.h>

#define ENTRY(name) &pt_objective_##name,
static const pt_objective *const table[] = {PT_OBJECTIVE_LIST(ENTRY)};
enum { COUNT = sizeof table / sizeof *table };

const pt_word pt_reference_words[] = {{"start", PT_REFERENCE_AT_START}, {"base", PT_REFERENCE_AT_BASE}, {NULL, 0}};
const pt_word pt_loss_type_words[] = {{"sigmoid", PT_LOSS_SIGMOID},
                                      {"hinge", PT_LOSS_HINGE},
                                      {"ipo", PT_LOSS_IPO},
                                      {"robust", PT_LOSS_ROBUST},
                                      {"exo_pair", PT_LOSS_EXO_PAIR},
                                      {"nca_pair", PT_LOSS_NCA_PAIR},
                                      {"bco_pair", PT_LOSS_BCO_PAIR},
                                      {"sppo_hard", PT_LOSS_SPPO_HARD},
                                      {"aot", PT_LOSS_AOT},
                                      {"aot_unpaired", PT_LOSS_AOT_UNPAIRED},
                                      {"apo_zero", PT_LOSS_APO_ZERO},
                                      {"apo_down", PT_LOSS_APO_DOWN},
                                      {"discopop", PT_LOSS_DISCOPOP},
                                      {"sigmoid_norm", PT_LOSS_SIGMOID_NORM},
                                      {"sft", PT_LOSS_SFT},
                                      {"kto", PT_LOSS_KTO},
                                      {"apo_zero_unpaired", PT_LOSS_APO_ZERO_UNPAIRED},
                                      {"simpo", PT_LOSS_SIMPO},
                                      {"alphapo", PT_LOSS_ALPHAPO},
                                      {NULL, 0}};
const pt_word pt_kl_words[] = {{"policy", PT_KL_FROM_POLICY}, {"reference", PT_KL_FROM_REFERENCE}, {NULL, 0}};

const pt_word pt_pooling_words[] = {{"last", PT_POOL_LAST}, {"mean", PT_POOL_MEAN}, {"token", PT_POOL_TOKEN}, {NULL, 0}};
const pt_word pt_problem_words[] = {{"single_label_classification", 1}, {"multi_label_classification", 2}, {NULL, 0}};

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

/* Whether `word` is among space-separated words. */
static bool among(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *w = words; n && w && (w = strstr(w, word)); w += n)
        if ((w == words || w[-1] == ' ') && (!w[n] || w[n] == ' ')) return true;
    return false;
}

static bool chooses(const pt_objective *v, const pt_option *o, const pt_option_value *x)
{
    switch (o->kind) {
    case PT_OPTION_NUMBER: return x->number > 0;
    case PT_OPTION_FLAG: return x->flag;
    case PT_OPTION_COUNT: return x->word > 0;
    case PT_OPTION_WORD: return among(v->variant_value, pt_objective_word(o->words, x->word));
    case PT_OPTION_WORDS:
        for (int i = 0; i < x->n; i++)
            if (among(v->variant_value, pt_objective_word(o->words, x->words[i]))) return true;
        return false;
    case PT_OPTION_NUMBERS: return x->n > 0;
    }
    return false;
}

const pt_objective *pt_objective_variant(const pt_objective *o, const pt_option_value *values)
{
    const pt_option **keys;
    pt_objective_keys(&keys);
    for (size_t i = 0; i < COUNT; i++) {
        const pt_objective *v = table[i];
        int key = v->variant_of && !strcmp(v->variant_of, o->name) ? pt_objective_key(v->variant_key) : -1;
        if (key >= 0 && values[key].set && chooses(v, keys[key], &values[key])) return v;
    }
    return o;
}

bool pt_objective_said(const pt_option_value *values, const char *key)
{
    int k = pt_objective_key(key);
    return k >= 0 && values[k].set;
}

static bool declares(const pt_objective *o, const char *key)
{
    for (int i = 0; o && i < o->n_options; i++)
        if (!strcmp(o->options[i].key, key)) return true;
    return false;
}

bool pt_objective_has(const pt_objective *o, const char *key)
{
    return declares(o, key) || (o->variant_of && declares(pt_objective_find(o->variant_of), key));
}

const char *pt_objective_word(const pt_word *words, int value)
{
    for (const pt_word *w = words; w && w->word; w++)
        if (w->value == value) return w->word;
    return "";
}

double pt_objective_option(const pt_objective *o, int option, const pt_option_value *values)
{
    const pt_option *p = &o->options[option];
    const pt_option_value *v = &values[pt_objective_key(p->key)];
    if (p->kind >= PT_OPTION_WORDS) return v->set ? v->n : p->fallback != NULL;
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

double pt_objective_tail_less(const pt_objective *o, const pt_option_value *values)
{
    return o->tail_option ? 1 - pt_objective_option(o, o->tail_option - 1, values) : 0;
}

/* A list of words as their weights by value, of numbers as it is. Unset: the default, which of words is one. */
static void put_list(const pt_objective *o, const pt_option_value *values, pt_core_step *s)
{
    const pt_option *p = &o->options[o->list_option - 1];
    const pt_option_value *v = &values[pt_objective_key(p->key)];
    const pt_option_value *w = o->list_weights_option ? &values[pt_objective_key(o->options[o->list_weights_option - 1].key)] : NULL;
    memset(s->list, 0, sizeof s->list);
    s->n_list = p->kind == PT_OPTION_WORDS ? PT_CORE_LIST : v->set ? v->n : 0;
    for (int i = 0; v->set && i < v->n; i++) {
        if (p->kind == PT_OPTION_NUMBERS) s->list[i] = v->numbers[i];
        else s->list[v->words[i] - 1] = w && w->set && i < w->n ? w->numbers[i] : 1;
    }
    for (const pt_word *x = p->words; !v->set && p->fallback && x && x->word; x++)
        if (!strcmp(x->word, p->fallback)) s->list[x->value - 1] = 1;
}

pt_pooling_word pt_objective_pooling(const pt_objective *o, const pt_option_value *values)
{
    int word = o->pooling_option ? (int)pt_objective_option(o, o->pooling_option - 1, values) : 0;
    return word ? (pt_pooling_word)word : PT_POOL_LAST;
}

void pt_objective_options(const pt_objective *o, const pt_option_value *values, pt_core_step *s)
{
    for (int i = 0; i < o->n_options; i++) s->option[i] = pt_objective_option(o, i, values);
    if (o->list_option) put_list(o, values, s);
}

pt_status pt_objective_set(pt_option_value *values, const char *key, double v)
{
    int k = pt_objective_key(key);
    if (k < 0) return pt_fail(PT_EARG, "no objective has an option %s", key);
    values[k] = (pt_option_value){.set = true, .flag = v != 0, .word = (int)v, .number = v, .n = 1, .words = {(int)v}, .numbers = {v}};
    return PT_OK;
}
