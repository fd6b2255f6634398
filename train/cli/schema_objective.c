/* Keys, words and other names that the objectives' own declarations bring into the schema. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "train/cli/schema.h"

/* Appends what fits. */
static void put(char *text, size_t size, const char *more)
{
    size_t n = strlen(text);
    snprintf(text + n, size - n, "%s", more);
}

/* "What is learnt: sft (answers), ..." and how other trainers say it. */
static void describe(char *text, size_t size)
{
    bool first = true;
    put(text, size, "What is learnt: ");
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        if (!o->help) continue;
        put(text, size, first ? "" : ", ");
        put(text, size, o->name);
        put(text, size, " (");
        put(text, size, o->help);
        put(text, size, ")");
        first = false;
    }
    put(text, size, ". Also as");
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        for (int k = 0; k < o->n_also && k < 1; k++) {
            put(text, size, i ? "; " : " ");
            put(text, size, o->also[k].key);
            put(text, size, ": ");
            put(text, size, o->also[k].value);
        }
    }
    put(text, size, ".");
}

static const pt_word *names(void)
{
    static pt_word words[65];
    size_t n = 0;
    for (size_t i = 0; i < pt_objective_count() && n < 64; i++)
        if (pt_objective_at(i)->help) words[n++] = (pt_word){pt_objective_at(i)->name, (int)i};
    return words;
}

size_t pt_schema_objective(pt_key *to)
{
    static char help[1024];
    static const pt_key_kind kinds[] = {[PT_OPTION_NUMBER] = PT_KEY_NUMBER, [PT_OPTION_FLAG] = PT_KEY_BOOL, [PT_OPTION_WORD] = PT_KEY_ENUM, [PT_OPTION_COUNT] = PT_KEY_INT, [PT_OPTION_WORDS] = PT_KEY_WORDS, [PT_OPTION_NUMBERS] = PT_KEY_NUMBERS};
    static const size_t member[] = {[PT_OPTION_NUMBER] = offsetof(pt_option_value, number), [PT_OPTION_FLAG] = offsetof(pt_option_value, flag),
                                    [PT_OPTION_WORD] = offsetof(pt_option_value, word), [PT_OPTION_COUNT] = offsetof(pt_option_value, word), [PT_OPTION_WORDS] = 0, [PT_OPTION_NUMBERS] = 0};
    const pt_option **options;
    size_t n = pt_objective_keys(&options), at = 0;
    describe(help, sizeof help);
    to[at++] = (pt_key){"objective", "Objective", PT_KEY_OBJECTIVE, offsetof(pt_config, objective), 0, pt_objective_at(0)->name, 1, 0, names(), "", help};
    for (size_t i = 0; i < n; i++) {
        const pt_option *o = options[i];
        size_t value = offsetof(pt_config, options) + i * sizeof(pt_option_value);
        bool bounds = o->kind == PT_OPTION_NUMBER || o->kind == PT_OPTION_COUNT || o->kind == PT_OPTION_NUMBERS;
        to[at++] = (pt_key){o->key, "Objective", kinds[o->kind], value + member[o->kind], value + offsetof(pt_option_value, set), o->fallback,
                            bounds ? o->min : 1, bounds ? o->max : 0, o->words, o->aliases ? o->aliases : "", o->help};
    }
    return at;
}

static const char *names_of(char *text, size_t size, int answers, bool verdicts)
{
    text[0] = 0;
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        if (o->answers != answers || o->verdicts != verdicts || !o->help) continue;
        put(text, size, text[0] ? " or " : "");
        put(text, size, o->name);
    }
    return text;
}

const char *pt_schema_objectives_with(const char *key)
{
    static char text[512];
    text[0] = 0;
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i), *shown = o->variant_of ? pt_objective_find(o->variant_of) : o;
        bool there = false;
        for (size_t j = 0; j < i; j++) /* a variant goes by the name of what it varies, once */
            there |= pt_objective_has(pt_objective_at(j), key) && (pt_objective_at(j) == shown || (pt_objective_at(j)->variant_of && pt_objective_find(pt_objective_at(j)->variant_of) == shown));
        if (there || !pt_objective_has(o, key)) continue;
        put(text, sizeof text, text[0] ? ", " : "");
        put(text, sizeof text, shown->name);
    }
    return text;
}

const char *pt_schema_objectives_of(int answers)
{
    static char text[256];
    return names_of(text, sizeof text, answers, false);
}

const char *pt_schema_objectives_verdicts(void)
{
    static char text[256];
    return names_of(text, sizeof text, 1, true);
}

/* ---- other trainers' names -------------------------------------------------------------------------------------------- */

/* "of rl's kinds these exist here: dpo" */
static const char *refusal(const char *key)
{
    static char texts[8][200];
    static int used;
    char *text = texts[used < 8 ? used++ : 7];
    text[0] = 0;
    put(text, sizeof texts[0], key);
    put(text, sizeof texts[0], " takes");
    for (size_t i = 0, n = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        for (int k = 0; k < o->n_also; k++) {
            if (strcmp(o->also[k].key, key)) continue;
            put(text, sizeof texts[0], n++ ? ", " : " ");
            put(text, sizeof texts[0], o->also[k].value);
        }
    }
    put(text, sizeof texts[0], " here");
    return text;
}

static bool key_before(const pt_translation *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].key, key)) return true;
    return false;
}

/* All rows of one key: its values, what is none of them, and of a switch its "false". */
static size_t rows_of(pt_translation *to, const char *key)
{
    static const char list[] = "a list of data sets";
    size_t n = 0;
    bool flag = false, sets = false;
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        for (int k = 0; k < o->n_also; k++) {
            if (strcmp(o->also[k].key, key)) continue;
            to[n++] = (pt_translation){key, o->also[k].value, "objective", o->name, NULL};
            sets |= !strcmp(o->also[k].value, list);
            if (strcmp(o->also[k].value, "true")) continue;
            static char no[8][32];
            static int used;
            char *text = no[used < 8 ? used++ : 7];
            snprintf(text, sizeof no[0], "!%s", o->name);
            to[n++] = (pt_translation){key, "false", "objective", text, NULL};
            flag = true;
        }
    }
    if (sets) return n;
    if (!flag) to[n++] = (pt_translation){key, "", NULL, NULL, NULL};
    to[n++] = (pt_translation){key, "*", NULL, NULL, flag ? "it takes true or false here; base_model names the model" : refusal(key)};
    return n;
}

size_t pt_schema_objective_translations(pt_translation *to)
{
    size_t n = 0;
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        for (int k = 0; k < o->n_also; k++)
            if (!key_before(to, n, o->also[k].key)) n += rows_of(to + n, o->also[k].key);
    }
    return n;
}
