/* Options of objectives: lists, what goes together, what the objective does not have, and the variant that they choose. */
#include <stdlib.h>
#include <string.h>

#include "train/cli/config.h"
#include "train/cli/config_value.h"

/* Item i of a list, or the one value. */
static const pt_ynode *item(const pt_ynode *n, size_t i)
{
    return n->kind == PT_YSEQ ? n->items[i] : n;
}

static pt_status count(pt_place at, const pt_key *k, const pt_ynode *n, const char *what, size_t *out)
{
    *out = n->kind == PT_YSEQ ? n->n : 1;
    if (n->kind == PT_YMAP) return pt_place_fail(at, "%s takes %s, not a mapping", k->name, what);
    if (*out < 1 || *out > PT_CORE_LIST) return pt_place_fail(at, "%s has %zu members; it takes 1 to %d", k->name, *out, PT_CORE_LIST);
    return PT_OK;
}

static pt_place place_of(pt_place at, const pt_ynode *n)
{
    return at.line > 0 && n->line > 0 ? (pt_place){at.file, n->line, n->column} : at;
}

pt_status pt_value_words(pt_place at, const pt_key *k, const pt_ynode *n, pt_option_value *out)
{
    size_t members;
    PT_RETURN(count(at, k, n, "a word or a list of words", &members));
    for (size_t i = 0; i < members; i++) {
        pt_place here = place_of(at, item(n, i));
        PT_RETURN(pt_value_enum(here, k->name, item(n, i), k->choices, &out->words[i]));
        for (size_t j = 0; j < i; j++)
            if (out->words[j] == out->words[i]) return pt_place_fail(here, "%s names %s twice", k->name, pt_objective_word(k->choices, out->words[i]));
    }
    out->n = (int)members;
    return PT_OK;
}

pt_status pt_value_numbers(pt_place at, const pt_key *k, const pt_ynode *n, pt_option_value *out)
{
    size_t members;
    PT_RETURN(count(at, k, n, "a list of numbers", &members));
    for (size_t i = 0; i < members; i++) PT_RETURN(pt_value_number(place_of(at, item(n, i)), k->name, item(n, i), k->min, k->max, &out->numbers[i]));
    out->n = (int)members;
    return PT_OK;
}

/* ---- what goes together ------------------------------------------------------------------------------------------------- */

static pt_place said_at(const pt_option_value *v, const char *file)
{
    return v->line > 0 ? (pt_place){file, v->line, v->column} : (pt_place){"command line", 0, 0};
}

/* A list is never its default: that is one word, which says itself. */
static bool is_default(const pt_option *o, const pt_option_value *v)
{
    if (!o->fallback) return false;
    switch (o->kind) {
    case PT_OPTION_NUMBER: return v->number == strtod(o->fallback, NULL);
    case PT_OPTION_COUNT: return v->word == (int)strtod(o->fallback, NULL);
    case PT_OPTION_FLAG: return v->flag == !strcmp(o->fallback, "true");
    case PT_OPTION_WORD: return !strcmp(pt_objective_word(o->words, v->word), o->fallback);
    case PT_OPTION_WORDS: return v->n == 1 && !strcmp(pt_objective_word(o->words, v->words[0]), o->fallback);
    case PT_OPTION_NUMBERS: return false;
    }
    return false;
}

/* What is set and this objective does not have would do nothing. A default says nothing either way: configs that list every key have it. */
static pt_status check_known(const pt_config *c, const char *file)
{
    const pt_option **keys;
    size_t n = pt_objective_keys(&keys);
    for (size_t i = 0; i < n; i++) {
        const pt_option_value *v = &c->options[i];
        if (!v->set || pt_objective_has(c->objective, keys[i]->key) || is_default(keys[i], v)) continue;
        for (size_t k = 0; k < pt_objective_count(); k++) {
            const pt_objective *o = pt_objective_at(k);
            if (o->variant_of && !strcmp(o->variant_of, c->objective->name) && strcmp(o->variant_key, keys[i]->key) && pt_objective_has(o, keys[i]->key))
                return pt_place_fail(said_at(v, file), "%s has no effect without %s%s%s (objective: %s)", keys[i]->key, o->variant_key, o->variant_value ? ": " : "", o->variant_value ? o->variant_value : "", c->objective->name);
        }
        return pt_place_fail(said_at(v, file), "%s is no option of objective: %s; these have it: %s", keys[i]->key, c->objective->variant_of ? c->objective->variant_of : c->objective->name, pt_schema_objectives_with(keys[i]->key));
    }
    return PT_OK;
}

/* "sigmoid, hinge": the words that an objective takes. */
static pt_status words_of(const pt_option *p, pt_str *out)
{
    for (const pt_word *w = p->words; w->word; w++)
        if (p->takes >> w->value & 1) PT_RETURN(pt_str_printf(out, "%s%s", out->len ? ", " : "", w->word));
    return PT_OK;
}

static pt_status check_words(const pt_config *c, const pt_option *p, const char *file)
{
    const pt_option_value *v = &c->options[pt_objective_key(p->key)];
    int n = p->kind == PT_OPTION_WORD ? 1 : v->n;
    if (!v->set || !p->takes || (p->kind != PT_OPTION_WORD && p->kind != PT_OPTION_WORDS)) return PT_OK;
    for (int i = 0; i < n; i++) {
        int word = p->kind == PT_OPTION_WORD ? v->word : v->words[i];
        if (p->takes >> word & 1) continue;
        pt_str words = {0};
        pt_status rc = words_of(p, &words);
        if (rc == PT_OK) rc = pt_place_fail(said_at(v, file), "%s: %s is none of objective %s's: %s", p->key, pt_objective_word(p->words, word), c->objective->variant_of ? c->objective->variant_of : c->objective->name, words.text ? words.text : "");
        pt_str_free(&words);
        return rc;
    }
    return PT_OK;
}

/* As many weights as words, and not all of them 0. */
static pt_status check_weights(const pt_config *c, const char *file)
{
    const pt_objective *o = c->objective;
    if (!o->list_option || !o->list_weights_option) return PT_OK;
    const pt_option *p = &o->options[o->list_option - 1], *q = &o->options[o->list_weights_option - 1];
    const pt_option_value *v = &c->options[pt_objective_key(p->key)], *w = &c->options[pt_objective_key(q->key)];
    int words = v->set ? v->n : 1, other = 0;
    if (!w->set) return PT_OK;
    if (w->n != words) return pt_place_fail(said_at(w, file), "%s has %d numbers and %s %d words; each word takes one", q->key, w->n, p->key, words);
    for (int i = 0; i < w->n; i++) other += w->numbers[i] != 0;
    return other ? PT_OK : pt_place_fail(said_at(w, file), "%s: all weights are 0, so there is nothing to learn", q->key);
}

/* Unset ones take the objective's own defaults. */
static void fill(pt_config *c, const pt_objective *o)
{
    for (int i = 0; i < o->n_options; i++) {
        pt_option_value *v = &c->options[pt_objective_key(o->options[i].key)];
        double x = pt_objective_option(o, i, c->options);
        if (v->set) continue;
        *v = (pt_option_value){.flag = x != 0, .word = (int)x, .number = x};
        for (const pt_word *w = o->options[i].words; o->options[i].kind == PT_OPTION_WORDS && o->options[i].fallback && w->word; w++)
            if (!strcmp(w->word, o->options[i].fallback)) v->n = 1, v->words[0] = w->value;
    }
}

/* A key of one objective alone, with its variants. */
static bool of_one(const char *key)
{
    int n = 0;
    for (size_t i = 0; i < pt_objective_count(); i++) n += !pt_objective_at(i)->variant_of && pt_objective_has(pt_objective_at(i), key);
    return n < 2;
}

/* Where the config says the first option that a refusal names; the file, where it says none of them. */
static pt_place blamed(const pt_config *c, const char *file, const char *why)
{
    const pt_objective *o = c->objective;
    const char *first = NULL;
    pt_place at = {file, 0, 0};
    for (int i = 0; i < o->n_options; i++) {
        const pt_option_value *v = &c->options[pt_objective_key(o->options[i].key)];
        const char *named = strstr(why, o->options[i].key);
        if (!v->set || !named || (first && named > first)) continue;
        first = named;
        at = said_at(v, file);
    }
    return at;
}

pt_status pt_config_check_options(pt_config *c, const char *file)
{
    pt_core_step s = {0};
    const pt_option **keys;
    pt_objective_keys(&keys);
    PT_RETURN(pt_config_labels(c, file));
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *v = pt_objective_at(i), *base = v->variant_of ? pt_objective_find(v->variant_of) : NULL;
        const char *chooser = v->variant_value ? v->variant_value : base && keys[pt_objective_key(v->variant_key)]->kind == PT_OPTION_FLAG ? "true" : NULL;
        if (base && base != c->objective && of_one(v->variant_key) && pt_objective_variant(base, c->options) == v && !pt_objective_has(c->objective, v->variant_key))
            return pt_place_fail(said_at(&c->options[pt_objective_key(v->variant_key)], file), "%s%s%s needs objective: %s", v->variant_key, chooser ? ": " : "", chooser ? chooser : "", v->variant_of);
    }
    fill(c, c->objective);
    c->objective = pt_objective_variant(c->objective, c->options);
    fill(c, c->objective);
    PT_RETURN(check_known(c, file));
    for (int i = 0; i < c->objective->n_options; i++) PT_RETURN(check_words(c, &c->objective->options[i], file));
    PT_RETURN(check_weights(c, file));
    pt_objective_options(c->objective, c->options, &s);
    const char *why = c->objective->check ? c->objective->check(&s, c->options) : NULL;
    return why ? pt_place_fail(blamed(c, file, why), "%s", why) : PT_OK;
}
