/* tokenizer.json: the model (BPE) and the added tokens. */
#include "base/log.h"
#include "data/text/tok_json_lists.h"
#include "data/text/tok_json.h"

#include <stdlib.h>
#include <string.h>

pt_status pt_tok_json_load(json_t **out, const char *path)
{
    return pt_json_load(out, path, PT_TOK_MAX_FILE, PT_JSON_OBJECT);
}

pt_status pt_tok_json_str(const json_t *o, const char *key, const char **out)
{
    const json_t *v = json_object_get(o, key);
    *out = json_string_value(v);
    return *out ? PT_OK : pt_fail(PT_EFORMAT, "'%s' is %s, not a string", key, v ? "of another type" : "missing");
}

pt_status pt_tok_json_bool(const json_t *o, const char *key, bool missing, bool *out)
{
    const json_t *v = json_object_get(o, key);
    *out = missing;
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_boolean(v)) return pt_fail(PT_EFORMAT, "'%s' is not true or false", key);
    *out = json_is_true(v);
    return PT_OK;
}

/* A key that only an empty value leaves without meaning. */
static pt_status refuse_unless_empty(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0)) return PT_OK;
    if (json_is_number(v) && json_number_value(v) == 0) return PT_OK;
    return pt_fail(PT_ENOSUP, "model.%s is not supported", key);
}

static pt_status vocab_list(pt_tokenizer *t, const pt_tok_lists *l)
{
    int32_t top = -1;
    for (size_t i = 0; i < l->n_vocab; i++)
        if (l->vocab[i].id > top) top = l->vocab[i].id;
    if (top >= 0) PT_RETURN(pt_tok_reserve_ids(t, top));
    t->n_pieces = l->n_vocab;
    for (size_t i = 0; i < l->n_vocab; i++) PT_RETURN(pt_tok_put(t, l->vocab[i].id, l->vocab[i].text, l->vocab[i].len, PT_TOK_MODEL));
    return PT_OK;
}

static pt_status read_vocab(pt_tokenizer *t, const json_t *vocab, const pt_tok_lists *lists)
{
    const char *piece;
    json_t *id;
    int64_t top = -1;
    if (lists->has_vocab) return vocab_list(t, lists);
    if (!json_is_object(vocab)) return pt_fail(PT_EFORMAT, "model.vocab is not an object");
    json_object_foreach((json_t *)vocab, piece, id)
    {
        if (!json_is_integer(id)) return pt_fail(PT_EFORMAT, "the id of '%.80s' is not an integer", piece);
        if (json_integer_value(id) > top) top = json_integer_value(id);
    }
    if (top >= 0) PT_RETURN(pt_tok_reserve_ids(t, top));
    t->n_pieces = json_object_size(vocab);
    json_object_foreach((json_t *)vocab, piece, id)
    {
        PT_RETURN(pt_tok_put(t, json_integer_value(id), piece, strlen(piece), PT_TOK_MODEL));
    }
    return PT_OK;
}

static pt_status read_merges(pt_tokenizer *t, const json_t *merges, const pt_tok_lists *lists)
{
    size_t k;
    json_t *m;
    if (lists->has_merges) {
        PT_RETURN(pt_reserve(&t->merges, &t->cap_merges, lists->n_merges));
        for (k = 0; k < lists->n_merges; k++) {
            const pt_tok_halves *h = &lists->merges[k];
            PT_RETURN(pt_tok_put_merge(t, h->left, h->left_len, h->right, h->right_len));
        }
        return PT_OK;
    }
    if (!json_is_array(merges)) return pt_fail(PT_EFORMAT, "model.merges is not a list");
    json_array_foreach((json_t *)merges, k, m)
    {
        const char *l, *r;
        size_t ln, rn;
        if (json_is_string(m)) {
            l = json_string_value(m);
            r = strchr(l, ' ');
            if (!r || strchr(r + 1, ' ')) return pt_fail(PT_EFORMAT, "merge %zu '%.80s' is not two pieces", k, l);
            ln = (size_t)(r++ - l);
            rn = strlen(r);
        } else {
            l = json_string_value(json_array_get(m, 0));
            r = json_string_value(json_array_get(m, 1));
            if (!l || !r || json_array_size(m) != 2) return pt_fail(PT_EFORMAT, "merge %zu is not two pieces", k);
            ln = strlen(l);
            rn = strlen(r);
        }
        PT_RETURN(pt_tok_put_merge(t, l, ln, r, rn));
    }
    return PT_OK;
}

static pt_status read_model(pt_tokenizer *t, const json_t *model, const pt_tok_lists *lists)
{
    static const char *const empty[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!json_is_object(model)) return pt_fail(PT_EFORMAT, "'model' is missing");
    if (!type && json_object_get(model, "merges")) type = "BPE"; /* old files leave it out */
    if (!type) return pt_fail(PT_EFORMAT, "model.type is missing");
    if (strcmp(type, "BPE") != 0) return pt_fail(PT_ENOSUP, "tokenizer model '%s' is not supported (BPE is)", type);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) PT_RETURN(refuse_unless_empty(model, empty[i]));
    PT_RETURN(pt_tok_json_bool(model, "fuse_unk", false, &t->fuse_unk));
    PT_RETURN(pt_tok_json_bool(model, "byte_fallback", false, &t->byte_fallback));
    PT_RETURN(pt_tok_json_bool(model, "ignore_merges", false, &t->ignore_merges));
    PT_RETURN(read_vocab(t, json_object_get(model, "vocab"), lists));
    PT_RETURN(read_merges(t, json_object_get(model, "merges"), lists));
    const json_t *unk = json_object_get(model, "unk_token");
    if (json_is_string(unk)) {
        t->unk = pt_tok_find(t, json_string_value(unk));
        if (t->unk >= 0) t->flags[t->unk] |= PT_TOK_UNK;
        else pt_log(PT_LOG_WARN, "unk_token '%.80s' is not in the vocabulary: characters that it cannot spell are left out", json_string_value(unk));
        t->model_unk = t->unk;
    }
    return PT_OK;
}

pt_status pt_tok_json_added(pt_tokenizer *t, const json_t *o, int64_t id, bool special)
{
    pt_tok_added a = {.special = true};
    const char *content = json_string_value(o);
    if (!content) {
        PT_RETURN(pt_tok_json_str(o, "content", &content));
        PT_RETURN(pt_tok_json_bool(o, "lstrip", false, &a.lstrip));
        PT_RETURN(pt_tok_json_bool(o, "rstrip", false, &a.rstrip));
        PT_RETURN(pt_tok_json_bool(o, "single_word", false, &a.single_word));
        PT_RETURN(pt_tok_json_bool(o, "special", false, &a.special));
        a.special = a.special || special;
        PT_RETURN(pt_tok_json_bool(o, "normalized", !a.special, &a.normalized));
    }
    return pt_tok_put_added(t, &a, id, content, strlen(content));
}

static pt_status read_added(pt_tokenizer *t, const json_t *list)
{
    size_t k;
    json_t *o;
    if (!list || json_is_null(list)) return PT_OK;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "'added_tokens' is not a list");
    json_array_foreach((json_t *)list, k, o)
    {
        const json_t *id = json_object_get(o, "id");
        if (!json_is_integer(id)) return pt_fail(PT_EFORMAT, "added token %zu has no integer id", k);
        PT_RETURN(pt_tok_json_added(t, o, json_integer_value(id), false));
    }
    return PT_OK;
}

/* The post-processor matters for one thing: whether the file itself puts a token before the text. */
static pt_status read_post(pt_tokenizer *t, const json_t *p)
{
    if (!p || json_is_null(p)) return PT_OK;
    const char *type;
    PT_RETURN(pt_tok_json_str(p, "type", &type));
    if (strcmp(type, "Sequence") == 0) {
        size_t k;
        json_t *q;
        json_array_foreach(json_object_get(p, "processors"), k, q) PT_RETURN(read_post(t, q));
    } else if (strcmp(type, "TemplateProcessing") == 0) {
        const json_t *first = json_array_get(json_object_get(p, "single"), 0);
        const char *name = json_string_value(json_object_get(json_object_get(first, "SpecialToken"), "id"));
        if (name) t->template_bos = pt_tok_find(t, name);
    } else if (strcmp(type, "ByteLevel") != 0) {
        return pt_fail(PT_ENOSUP, "post-processor '%s' is not supported", type);
    }
    return PT_OK;
}

/* *listed: the long lists were not read as JSON values. */
static pt_status read_file(pt_tokenizer *t, const char *path, bool fast, bool *listed)
{
    pt_status rc = PT_OK;
    json_t *root = NULL;
    pt_tok_lists lists = {0};
    PT_TRY(fast ? pt_tok_lists_load(&lists, &root, path) : pt_tok_json_load(&root, path));
    *listed = lists.has_vocab || lists.has_merges;
    rc = read_model(t, json_object_get(root, "model"), &lists);
    if (rc == PT_OK) rc = read_added(t, json_object_get(root, "added_tokens"));
    if (rc == PT_OK) rc = pt_tok_json_steps(t, root);
    if (rc == PT_OK) rc = read_post(t, json_object_get(root, "post_processor"));
    if (rc != PT_OK) pt_fail_prefix(rc, "%s", path);
done:
    pt_tok_lists_free(&lists);
    json_decref(root);
    return rc;
}

pt_status pt_tok_json_read(pt_tokenizer *t, const char *path)
{
    bool listed = false;
    pt_status rc = read_file(t, path, true, &listed);
    if (rc == PT_EFORMAT && listed) { /* of a piece that stands twice JSON takes the last */
        PT_RETURN(pt_tok_reset(t));
        rc = read_file(t, path, false, &listed);
    }
    if (rc == PT_OK && t->n_moved)
        pt_log(PT_LOG_WARN, "%s: %zu added tokens have other ids than stated, as in transformers; the first, '%s', is %d", path, t->n_moved,
               pt_tok_text(t, t->spell[t->moved]), t->moved);
    return rc;
}
