/* The keys of all types in one list, and what a data set says by them. */
#include "data/read/data_key.h"

#include <stdio.h>
#include <string.h>

#include "data/read/record.h"

enum { MOST = 256 };

/* Keys that the first packs and configs wrote, in this order; every later one follows in the order of the tables. said_as: what a pack's digest calls
 * it, said or not (NULL: a column by its place, or a file by its content). The digests of all packs that there are stand on these names. */
static const struct {
    const char *key, *said_as;
} first[] = {{"field_messages", "messages"}, {"message_field_role", "role"}, {"message_field_content", "content"}, {"field_text", "text"},
             {"profiles", NULL}, {"references", "references"}, {"system_template", "system"}, {"field_system", NULL}, {"field_prompt", NULL},
             {"field_input", NULL}, {"field_output", NULL}, {"field_history", NULL}, {"field_chosen", NULL}, {"field_rejected", NULL},
             {"field_weight", NULL}, {"field_margin", NULL}, {"message_field_training", "train"}};
enum { FIRST = sizeof first / sizeof *first };

static const pt_data_key *declared[MOST], *written[MOST];
static size_t n_keys;

static bool among(const pt_data_key *const *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i]->key, key)) return true;
    return false;
}

static void take(const pt_data_key *table)
{
    for (; table->key && n_keys < MOST; table++)
        if (!among(declared, n_keys, table->key)) declared[n_keys++] = table;
}

static void collect(void)
{
    if (n_keys) return;
    take(pt_keys_of_rows);
    for (size_t i = 0; i < pt_data_type_count(); i++)
        for (const pt_data_key *const *t = pt_data_type_at(i)->keys; t && *t; t++) take(*t);
    size_t n = 0;
    for (size_t k = 0; k < FIRST; k++)
        for (size_t i = 0; i < n_keys; i++)
            if (!strcmp(declared[i]->key, first[k].key)) written[n++] = declared[i];
    for (size_t i = 0; i < n_keys; i++)
        if (!among(written, n, declared[i]->key)) written[n++] = declared[i];
}

size_t pt_data_key_count(void)
{
    collect();
    return n_keys;
}

const pt_data_key *pt_data_key_at(size_t i)
{
    collect();
    return written[i];
}

const pt_data_key *pt_data_key_declared(size_t i)
{
    collect();
    return declared[i];
}

const pt_data_key *pt_data_key_find(const char *key)
{
    collect();
    for (size_t i = 0; i < n_keys; i++)
        if (!strcmp(declared[i]->key, key)) return declared[i];
    return NULL;
}

const char *pt_dataset_value(const pt_dataset_spec *s, const char *key)
{
    const char *text = pt_dataset_says(s, key);
    const pt_data_key *k = text ? NULL : pt_data_key_find(key);
    return k ? k->fallback : text;
}

pt_status pt_data_key_check(const pt_data_key *k, const char *text)
{
    static const char *const flags[] = {"true", "false", NULL};
    const char *const *words = k->kind == PT_DATA_FLAG ? flags : k->kind == PT_DATA_WORD ? k->words : NULL, *const *w = words;
    char known[200] = "";
    if (k->check) return k->check(text);
    if (k->kind == PT_DATA_TEMPLATE) {
        pt_status rc = pt_row_template_check(text);
        return rc == PT_OK ? rc : pt_fail_prefix(rc, "%s", k->key);
    }
    for (; w && *w; w++) {
        size_t n = strlen(known);
        if (!strcmp(*w, text)) return PT_OK;
        snprintf(known + n, sizeof known - n, "%s'%s'", w == words ? "" : w[1] ? ", " : " or ", *w);
    }
    return words ? pt_fail(PT_EARG, "%s is %s, not '%s'", k->key, known, text) : PT_OK;
}

/* A key of points of view, said of a type that has none. */
static pt_status check_people(const pt_data_type *t, const char *key)
{
    for (const pt_data_key *k = pt_keys_of_scenes; k->key && !pt_data_type_people(t); k++)
        if (!strcmp(k->key, key)) return pt_fail(PT_EARG, "%s goes with types whose rows name their speakers (messages, sharegpt ...), not with type %s", key, t->name);
    return PT_OK;
}

pt_status pt_data_keys_check(const pt_data_type *t, const pt_dataset_spec *s, const pt_dataset_said **which)
{
    for (const pt_dataset_said *x = s->said; x && x->key; x++) {
        const pt_data_key *is = NULL, *any = pt_data_key_find(x->key);
        if (!x->text) continue;
        if (which) *which = x;
        PT_RETURN(check_people(t, x->key));
        for (const pt_data_key *const *table = t->keys; table && *table; table++)
            for (const pt_data_key *k = *table; k->key; k++)
                if (!strcmp(k->key, x->key)) is = k;
        for (const pt_data_key *k = pt_keys_of_templates; k->key && pt_data_type_people(t); k++) /* who has people makes their system texts */
            if (!strcmp(k->key, x->key)) is = k;
        if (is) PT_RETURN(pt_data_key_check(is, x->text));
        else if (any && any->kind == PT_DATA_TEMPLATE) return pt_fail(PT_EARG, "%s is no key of type %s, whose rows it would not change", x->key, t->name);
    }
    return PT_OK;
}

static const char *or_dash(const char *s)
{
    return s && *s ? s : "-";
}

/* What later keys say: a line each; of a file that there is one. */
static pt_status later(const pt_dataset_spec *s, pt_str *out)
{
    for (size_t i = 0; i < pt_data_key_count(); i++) {
        const pt_data_key *k = pt_data_key_at(i);
        const char *text = pt_dataset_says(s, k->key);
        bool old = false;
        for (size_t f = 0; f < FIRST; f++) old |= !strcmp(first[f].key, k->key);
        if (old || !text) continue;
        PT_RETURN(pt_str_printf(out, "says %s=%s\n", k->key, k->kind == PT_DATA_FILE ? "" : text));
    }
    return PT_OK;
}

pt_status pt_dataset_digest_text(const pt_dataset_spec *s, const char *type, pt_str *out)
{
    PT_RETURN(pt_str_printf(out, "set %s %s", or_dash(type), or_dash(s->split)));
    for (size_t f = 0; f + 1 < FIRST; f++)
        if (first[f].said_as) PT_RETURN(pt_str_printf(out, " %s=%s", first[f].said_as, or_dash(pt_dataset_says(s, first[f].key))));
    PT_RETURN(pt_str_puts(out, "\n"));
    if (s->format) PT_RETURN(pt_str_printf(out, "format %s\n", s->format));
    PT_RETURN(pt_str_puts(out, "columns"));
    for (size_t f = 0; f < FIRST; f++) {
        const pt_data_key *k = pt_data_key_find(first[f].key);
        const char *text = pt_dataset_says(s, first[f].key);
        if (first[f].said_as || !k || k->kind != PT_DATA_COLUMN) continue;
        PT_RETURN(pt_str_printf(out, " %s%s", text ? "=" : "-", text ? text : ""));
    }
    PT_RETURN(pt_str_printf(out, "\n%s=%s prompt=%s drop_system=%d bad_rows=%.17g\n", first[FIRST - 1].said_as,
                            or_dash(pt_dataset_says(s, first[FIRST - 1].key)), or_dash(s->system_prompt), s->drop_system, s->bad_rows));
    for (size_t i = 0; i < s->n_roles; i++) PT_RETURN(pt_str_printf(out, "role %s %llu\n", s->role_names[i], (unsigned long long)pt_speaker_mark(s->role_is[i])));
    for (size_t i = 0; i < s->n_roles_to_train; i++) PT_RETURN(pt_str_printf(out, "trains %s\n", s->roles_to_train[i]));
    return later(s, out);
}
