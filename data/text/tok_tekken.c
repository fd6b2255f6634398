/* Mistral's tekken.json, as mistral-common 1.13 reads it (tokens/tokenizers/tekken.py): the special tokens have the first ids, a token's id is its rank
 * behind them, and of the vocabulary only as much is used as default_vocab_size says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_json.h"
#include "data/text/tok_ranks.h"

/* Of files up to version v7, which do not list them. */
static const char *const old_specials[] = {"<unk>",  "<s>",   "</s>",        "[INST]",    "[/INST]",  "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",  "[/TOOL_RESULTS]",  "[TOOL_CALLS]",
                                           "[IMG]",  "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",          "[SUFFIX]",           "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"};
enum { N_OLD = sizeof old_specials / sizeof *old_specials, MOST_SPECIALS = 65536 };

bool pt_tok_is_tekken(const char *text, size_t n)
{
    size_t head = n < 4096 ? n : 4096;
    return n && memchr(text, '{', head) && memmem(text, head, "\"default_num_special_tokens\"", 28) && !memmem(text, head, "\"added_tokens\"", 14);
}

static pt_status count(const json_t *config, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(config, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > PT_TOK_MAX_ID)
        return pt_fail(PT_EFORMAT, "config.%s is %s, not a number of tokens", key, json_is_integer(v) ? "out of range" : pt_json_kind(v));
    *out = json_integer_value(v);
    return PT_OK;
}

static pt_status old_list(pt_tokenizer *t, const json_t *config, int64_t n, int64_t *listed)
{
    const char *version = json_string_value(json_object_get(config, "version"));
    /* "v3", "v7m1": one digit */
    if (!version || version[0] != 'v' || version[1] < '1' || version[1] > '7' || (version[2] >= '0' && version[2] <= '9'))
        return pt_fail(PT_EFORMAT, "there is no special_tokens; files of version v7 and older alone may leave it out (config.version is %s)", version ? version : "missing");
    for (int64_t i = 0; i < N_OLD && i < n; i++) PT_RETURN(pt_tok_ranks_special(t, i, old_specials[i]));
    *listed = N_OLD < n ? N_OLD : n;
    return PT_OK;
}

static pt_status specials(pt_tokenizer *t, const json_t *root, const json_t *config, int64_t n)
{
    json_t *list = json_object_get(root, "special_tokens"), *o;
    int64_t listed = 0;
    size_t k;
    if (!list || json_is_null(list)) {
        PT_RETURN(old_list(t, config, n, &listed));
    } else if (!json_is_array(list)) {
        return pt_fail(PT_EFORMAT, "special_tokens is %s, not a list", pt_json_kind(list));
    }
    json_array_foreach(list, k, o)
    {
        const json_t *rank = json_object_get(o, "rank");
        const char *text = json_string_value(json_object_get(o, "token_str"));
        if (!text || !json_is_integer(rank) || json_integer_value(rank) != (json_int_t)k)
            return pt_fail(PT_EFORMAT, "special_tokens[%zu] is not {rank: %zu, token_str: TEXT}", k, k);
        if ((int64_t)k >= n) return pt_fail(PT_EFORMAT, "%zu special tokens, default_num_special_tokens is %lld", json_array_size(list), (long long)n);
        PT_RETURN(pt_tok_ranks_special(t, listed++, text));
    }
    for (; listed < n; listed++) {
        char name[40];
        snprintf(name, sizeof name, "<SPECIAL_%lld>", (long long)listed);
        PT_RETURN(pt_tok_ranks_special(t, listed, name));
    }
    return PT_OK;
}

static pt_status vocabulary(pt_tokenizer *t, const json_t *root, int64_t first, int64_t n)
{
    json_t *list = json_object_get(root, "vocab");
    char bytes[PT_TOK_RANK_BYTES + 3];
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "vocab is %s, not a list", pt_json_kind(list));
    if ((int64_t)json_array_size(list) < n) return pt_fail(PT_EFORMAT, "vocab lists %zu tokens; config wants %lld", json_array_size(list), (long long)n);
    PT_RETURN(pt_tok_reserve_ids(t, first + n > 0 ? first + n - 1 : 0));
    for (int64_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, (size_t)i), *rank = json_object_get(o, "rank"), *text = json_object_get(o, "token_bytes");
        size_t got = 0, len = json_string_length(text);
        if (!json_is_integer(rank) || json_integer_value(rank) != (json_int_t)i) return pt_fail(PT_EFORMAT, "vocab[%lld] has another rank than its place", (long long)i);
        if (!json_is_string(text) || len > (PT_TOK_RANK_BYTES + 2) / 3 * 4 || !pt_tok_base64(json_string_value(text), len, bytes, &got))
            return pt_fail(PT_EFORMAT, "vocab[%lld].token_bytes is not base64 of 1 to %d bytes", (long long)i, PT_TOK_RANK_BYTES);
        if (i < 256 && (got != 1 || (unsigned char)bytes[0] != i)) return pt_fail(PT_EFORMAT, "vocab[%lld] is not the byte %lld", (long long)i, (long long)i);
        PT_RETURN(pt_tok_ranks_put(t, first + i, bytes, got));
    }
    return PT_OK;
}

static pt_status read_root(pt_tokenizer *t, const json_t *root)
{
    const json_t *config = json_object_get(root, "config");
    const char *pattern;
    int64_t all, special;
    if (!json_is_object(config)) return pt_fail(PT_EFORMAT, "config is %s, not an object", pt_json_kind(config));
    PT_RETURN(pt_tok_json_str(config, "pattern", &pattern));
    PT_RETURN(count(config, "default_vocab_size", &all));
    PT_RETURN(count(config, "default_num_special_tokens", &special));
    if (special > MOST_SPECIALS) return pt_fail(PT_EFORMAT, "config.default_num_special_tokens is %lld (at most %d)", (long long)special, MOST_SPECIALS);
    if (special >= all) return pt_fail(PT_EFORMAT, "%lld special tokens in a vocabulary of %lld", (long long)special, (long long)all);
    PT_RETURN(specials(t, root, config, special));
    PT_RETURN(vocabulary(t, root, special, all - special));
    t->bos = pt_tok_find(t, "<s>");
    t->eos = pt_tok_find(t, "</s>");
    t->pad = pt_tok_find(t, "<pad>");
    t->unk = pt_tok_find(t, "<unk>");
    return pt_tok_ranks_settle(t, pattern);
}

pt_status pt_tok_tekken_read(pt_tokenizer *t, const char *path, const char *dir)
{
    pt_status rc = PT_OK;
    json_t *root = NULL;
    PT_TRY(pt_tok_json_load(&root, path));
    rc = read_root(t, root);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s", path);
done:
    json_decref(root);
    return rc;
}
