#include "eval/text/lexicon.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { FILE_MOST = 64 << 20 };

typedef struct entry {
    size_t list;
    const char *text;
    pt_words words;
    bool begins; /* text is a beginning: word*, of one word */
    char *stem;  /* that, in lower case */
} entry;

struct pt_lexicon {
    char *path;
    json_t *root;
    const char **names; /* [n] */
    size_t n;
    entry *entries;
    size_t n_entries, cap;
    pt_units units;
};

static pt_status read_list(pt_lexicon *x, const char *name, const json_t *list)
{
    size_t i;
    json_t *v;
    if (!json_is_array(list) || !json_array_size(list)) return pt_fail(PT_EFORMAT, "%s: '%s' is %s; a list of words is wanted", x->path, name, json_is_array(list) ? "empty" : pt_json_kind(list));
    json_array_foreach (list, i, v) {
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s: '%s' holds %s, not a word", x->path, name, pt_json_kind(v));
        PT_RETURN(pt_reserve(&x->entries, &x->cap, x->n_entries + 1));
        x->entries[x->n_entries++] = (entry){.list = x->n, .text = json_string_value(v)};
    }
    x->names[x->n++] = name;
    return PT_OK;
}

pt_status pt_lexicon_open(pt_lexicon **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_lexicon *x;
    const char *name;
    json_t *list;
    PT_RETURN(pt_alloc0(out, 1));
    x = *out;
    PT_TRY(pt_strdup(&x->path, path));
    PT_TRY(pt_json_load(&x->root, path, FILE_MOST, 0));
    PT_CHECK(json_is_object(x->root) && json_object_size(x->root), PT_EFORMAT, "%s: {NAME: [WORD, ...], ...} is wanted, it is %s", path,
             json_is_object(x->root) ? "empty" : pt_json_kind(x->root));
    PT_TRY(pt_alloc0(&x->names, json_object_size(x->root)));
    json_object_foreach (x->root, name, list) PT_TRY(read_list(x, name, list));
done:
    if (rc != PT_OK) {
        pt_lexicon_free(x);
        *out = NULL;
    }
    return rc;
}

void pt_lexicon_free(pt_lexicon *x)
{
    if (!x) return;
    for (size_t i = 0; i < x->n_entries; i++) {
        pt_words_free(&x->entries[i].words);
        free(x->entries[i].stem);
    }
    free(x->entries);
    free(x->names);
    free(x->path);
    json_decref(x->root);
    free(x);
}

size_t pt_lexicon_count(const pt_lexicon *x)
{
    return x->n;
}

const char *pt_lexicon_name(const pt_lexicon *x, size_t list)
{
    return x->names[list];
}

pt_status pt_lexicon_split(pt_lexicon *x, pt_wordbook *b, pt_units units)
{
    x->units = units;
    for (size_t i = 0; i < x->n_entries; i++) {
        entry *e = &x->entries[i];
        size_t n = strlen(e->text), len;
        PT_RETURN(pt_words_split(b, units, e->text, &e->words));
        if (!e->words.n) return pt_fail(PT_EFORMAT, "%s: '%s' of %s holds no %s", x->path, e->text, x->names[e->list], units == PT_UNITS_CHARS ? "character" : "word of letters a to z");
        e->begins = units == PT_UNITS_WORDS && e->words.n == 1 && e->text[n - 1] == '*';
        free(e->stem);
        e->stem = NULL;
        const char *word = e->begins ? pt_wordbook_text(b, e->words.id[0], &len) : "";
        PT_RETURN(pt_strndup(&e->stem, word, e->begins ? len : 0));
    }
    return PT_OK;
}

static bool stands_at(const entry *e, const pt_wordbook *b, const pt_words *text, size_t at)
{
    size_t len;
    if (e->begins) {
        const char *word = pt_wordbook_text(b, text->id[at], &len);
        return len >= strlen(e->stem) && !memcmp(word, e->stem, strlen(e->stem));
    }
    return at + e->words.n <= text->n && !memcmp(text->id + at, e->words.id, e->words.n * sizeof *e->words.id);
}

pt_status pt_lexicon_find(const pt_lexicon *x, size_t list, const pt_wordbook *b, const pt_words *text, size_t *out)
{
    uint8_t *in;
    PT_RETURN(pt_alloc0(&in, text->n));
    *out = 0;
    for (size_t i = 0; i < x->n_entries; i++)
        for (size_t at = 0; x->entries[i].list == list && at < text->n; at++)
            if (stands_at(&x->entries[i], b, text, at)) memset(in + at, 1, x->entries[i].words.n);
    for (size_t at = 0; at < text->n; at++) *out += in[at];
    free(in);
    return PT_OK;
}
