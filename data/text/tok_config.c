/* The files beside a vocabulary, as transformers 5 takes them (tokenization_utils_base.py, tokenization_utils_tokenizers.py):
 *   added_tokens_decoder    tokens, in the order of their ids, that tokenizer.json does not have with these very flags
 *   else (no such key)      special_tokens_map.json overrides tokenizer_config.json, and added_tokens.json holds the tokens
 *   bos_token ...           what is no added token yet becomes one: under its id where the vocabulary has it, else as a new token
 * A new token behind the model's last row is no error here: pt_tok_limit takes it away.
 * Beside a tokenizer.model whose config names code of its own ("auto_map": ChatGLM), tokens have the ids that they are stated with. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/text/tok_json.h"

/* "bos_token": a string or {"content": string}; "" is none. */
static const char *token_name(const json_t *v)
{
    const char *name = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
    return name && *name ? name : NULL;
}

/* Declares what no added token has the text of. */
static pt_status add_missing(pt_tokenizer *t, const json_t *v)
{
    const char *name = token_name(v);
    int32_t id = name ? pt_tok_find(t, name) : -1;
    if (!name || (id >= 0 && (t->flags[id] & PT_TOK_ADDED))) return PT_OK;
    return pt_tok_json_added(t, v, -1, true);
}

static const char *const named[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
enum { N_NAMED = sizeof named / sizeof *named };

static bool is_named(const char *key)
{
    for (size_t i = 0; i < N_NAMED; i++)
        if (!strcmp(named[i], key)) return true;
    return false;
}

static pt_status add_specials(pt_tokenizer *t, json_t *o)
{
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    const char *key;
    json_t *v;
    size_t k;
    for (size_t i = 0; i < N_NAMED; i++) PT_RETURN(add_missing(t, json_object_get(o, named[i])));
    json_object_foreach(o, key, v)
    {
        size_t n = strlen(key);
        if (n > 6 && !strcmp(key + n - 6, "_token") && !is_named(key)) PT_RETURN(add_missing(t, v)); /* image_token and its like */
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json_t *list = json_object_get(o, lists[i]);
        json_array_foreach(list, k, v) PT_RETURN(add_missing(t, v));
        if (!json_is_object(list) || pt_json_odd(list)) continue;
        json_object_foreach(list, key, v) PT_RETURN(add_missing(t, v));
    }
    return PT_OK;
}

static int32_t id_of(const pt_tokenizer *t, const json_t *o, const char *key)
{
    const char *name = token_name(json_object_get(o, key));
    return name ? pt_tok_find(t, name) : -1;
}

/* What no file says stays as the vocabulary itself has it. */
static void take_id(const pt_tokenizer *t, const json_t *o, const char *key, int32_t *id)
{
    if (json_object_get(o, key)) *id = id_of(t, o, key);
}

/* A string, or a list of {"name", "template"} of which "default" counts. */
static pt_status take_template(pt_tokenizer *t, const json_t *v)
{
    size_t k;
    json_t *o;
    if (json_is_string(v)) return pt_strndup(&t->chat_template, json_string_value(v), json_string_length(v));
    json_array_foreach((json_t *)v, k, o)
    {
        const char *name = json_string_value(json_object_get(o, "name")),
                   *text = json_string_value(json_object_get(o, "template"));
        if (name && text && strcmp(name, "default") == 0) return pt_strdup(&t->chat_template, text);
    }
    return PT_OK;
}

typedef struct stated {
    long long id;
    const char *text; /* added_tokens.json; else NULL */
    const json_t *token;
} stated;

static int by_id(const void *a, const void *b)
{
    const stated *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* added_tokens_decoder {id: token} (decoder) or added_tokens.json {text: id}, sorted by id; owned. */
static pt_status sorted_tokens(json_t *o, bool decoder, stated **out, size_t *n)
{
    const char *key;
    json_t *v;
    PT_RETURN(pt_alloc0(out, json_object_size(o)));
    json_object_foreach(o, key, v)
    {
        char *end;
        if (!decoder) {
            (*out)[(*n)++] = (stated){json_integer_value(v), key, NULL};
            continue;
        }
        (*out)[(*n)++] = (stated){strtoll(key, &end, 10), NULL, v};
        if (*end || end == key || !json_is_object(v)) return pt_fail(PT_EFORMAT, "added_tokens_decoder has '%.40s'", key);
    }
    qsort(*out, *n, sizeof **out, by_id);
    return PT_OK;
}

/* Whether a text is one of the config's special tokens. */
static bool says_special(json_t *config, const char *text)
{
    size_t k;
    json_t *v;
    for (size_t i = 0; i < N_NAMED; i++) {
        const char *name = token_name(json_object_get(config, named[i]));
        if (name && !strcmp(name, text)) return true;
    }
    json_array_foreach(json_object_get(config, "extra_special_tokens"), k, v)
    {
        if (token_name(v) && !strcmp(token_name(v), text)) return true;
    }
    return false;
}

static pt_status take_stated(pt_tokenizer *t, json_t *o, bool decoder, json_t *config)
{
    pt_status rc = PT_OK;
    stated *list = NULL;
    size_t n = 0;
    PT_TRY(sorted_tokens(o, decoder, &list, &n));
    for (size_t i = 0; i < n; i++) {
        pt_tok_added a = {.special = !decoder && says_special(config, list[i].text)};
        a.normalized = !a.special;
        rc = decoder ? pt_tok_json_added(t, list[i].token, t->added_stated ? list[i].id : -1, false) : pt_tok_put_added(t, &a, t->added_stated ? list[i].id : -1, list[i].text, strlen(list[i].text));
        if (rc != PT_OK) pt_fail_prefix(rc, "added token %lld", list[i].id);
        PT_TRY(rc);
    }
done:
    free(list);
    return rc;
}

static pt_status open_beside(json_t **out, const char *dir, const char *name)
{
    char *path = NULL;
    *out = NULL;
    PT_RETURN(pt_path_join(&path, dir, name));
    pt_status rc = pt_file_given(path) ? pt_tok_json_load(out, path) : PT_OK;
    free(path);
    return rc;
}

pt_status pt_tok_config_read(pt_tokenizer *t, const char *dir)
{
    static const char config_name[] = "tokenizer_config.json";
    pt_status rc = PT_OK;
    json_t *config = NULL, *map = NULL, *added = NULL, *decoder;
    PT_TRY(open_beside(&config, dir, config_name));
    if (!config) config = json_object();
    PT_CHECK(config, PT_ENOMEM, "out of memory: %s", config_name);
    decoder = json_object_get(config, "added_tokens_decoder");
    if (json_is_object(decoder) && !pt_json_odd(decoder)) {
        rc = take_stated(t, decoder, true, config);
    } else {
        PT_TRY(open_beside(&map, dir, "special_tokens_map.json"));
        PT_TRY(open_beside(&added, dir, "added_tokens.json"));
        PT_CHECK(!map || !json_object_update(config, map), PT_ENOMEM, "out of memory: %s", config_name);
        rc = take_stated(t, added, false, config);
    }
    if (rc == PT_OK) rc = add_specials(t, config);
    if (rc == PT_OK) rc = take_template(t, json_object_get(config, "chat_template"));
    take_id(t, config, "bos_token", &t->bos);
    take_id(t, config, "eos_token", &t->eos);
    take_id(t, config, "pad_token", &t->pad);
    if (t->unk < 0) t->unk = id_of(t, config, "unk_token");
    const json_t *bos = json_object_get(config, "add_bos_token"), *eos = json_object_get(config, "add_eos_token");
    if (json_is_boolean(bos)) t->add_bos = json_is_true(bos);
    if (json_is_boolean(eos)) t->add_eos = json_is_true(eos);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s/%s", dir, config_name);
done:
    json_decref(config);
    json_decref(map);
    json_decref(added);
    return rc;
}
