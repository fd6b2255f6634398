/* tokenizer.json: the file, its added tokens, and helpers that read its parts. */
#include "base/log.h"
#include "data/text/tok_json_lists.h"
#include "data/text/tok_json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COUNT 0x7FFFFFFF

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

pt_status pt_tok_json_count(const json_t *o, const char *key, size_t missing, size_t *out)
{
    const json_t *v = json_object_get(o, key);
    *out = missing;
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0) return pt_fail(PT_EFORMAT, "'%s' is not a count", key);
    *out = json_integer_value(v) < MAX_COUNT ? (size_t)json_integer_value(v) : MAX_COUNT; /* above every text's length */
    return PT_OK;
}

pt_status pt_tok_json_char(const json_t *o, const char *key, const char **out, uint32_t *cp)
{
    size_t len = 0;
    PT_RETURN(pt_tok_json_str(o, key, out));
    if (**out) *cp = pt_utf8_get(*out, &len);
    return len && !(*out)[len] ? PT_OK : pt_fail(PT_EFORMAT, "'%s' is '%.40s', not one character", key, *out);
}

pt_status pt_tok_json_pattern(const json_t *o, const char **text, bool *literal)
{
    const json_t *p = json_object_get(o, "pattern");
    const char *s = json_string_value(json_object_get(p, "String"));
    *literal = s != NULL;
    *text = s ? s : json_string_value(json_object_get(p, "Regex"));
    if (*text && !**text) return pt_fail(PT_ENOSUP, "an empty pattern is not supported");
    return *text ? PT_OK : pt_fail(PT_EFORMAT, "'pattern' is neither a String nor a Regex");
}

pt_status pt_tok_json_each(pt_tokenizer *t, const json_t *o, const char *list, int depth, pt_tok_json_part *read)
{
    const json_t *l = json_object_get(o, list);
    size_t k;
    json_t *q;
    if (!json_is_array(l)) return pt_fail(PT_EFORMAT, "a Sequence without a list '%s'", list);
    json_array_foreach((json_t *)l, k, q) PT_RETURN(read(t, q, depth + 1));
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

/* Lengths are settings of a call there; here the config says them. */
static void note_lengths(const json_t *root, const char *path)
{
    bool cut = json_is_object(json_object_get(root, "truncation")), pad = json_is_object(json_object_get(root, "padding"));
    if (cut || pad)
        pt_log(PT_LOG_INFO, "%s: its %s%s%s not read: nothing is padded here, and sequence_len says where texts end", path, cut ? "truncation" : "",
               cut && pad ? " and " : "", pad ? (cut ? "padding are" : "padding is") : " is");
}

static pt_status read_parts(pt_tokenizer *t, const json_t *root, const pt_tok_lists *lists)
{
    const char *version = json_string_value(json_object_get(root, "version"));
    if (version && strcmp(version, "1.0") != 0) return pt_fail(PT_ENOSUP, "version '%.40s' of the format is not supported (1.0 is)", version);
    PT_RETURN(pt_tok_json_model(t, json_object_get(root, "model"), lists));
    PT_RETURN(read_added(t, json_object_get(root, "added_tokens")));
    PT_RETURN(pt_tok_json_norm(t, json_object_get(root, "normalizer")));
    PT_RETURN(pt_tok_json_pre(t, json_object_get(root, "pre_tokenizer")));
    PT_RETURN(pt_tok_json_decoder(t, json_object_get(root, "decoder")));
    return pt_tok_json_post(t, json_object_get(root, "post_processor"));
}

/* *listed: the long lists were not read as JSON values. */
static pt_status read_file(pt_tokenizer *t, const char *path, bool fast, bool *listed)
{
    pt_status rc = PT_OK;
    json_t *root = NULL;
    pt_tok_lists lists = {0};
    PT_TRY(fast ? pt_tok_lists_load(&lists, &root, path) : pt_tok_json_load(&root, path));
    *listed = lists.has_vocab || lists.has_merges;
    rc = read_parts(t, root, &lists);
    if (rc == PT_OK) note_lengths(root, path);
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
