/* tokenizer.json: normalizer, pre_tokenizer and decoder. A step that cannot be done exactly is refused by name. */
#include "data/text/tok_json.h"

#include <stdlib.h>
#include <string.h>

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define MAX_DEPTH 8

/* {"String": s} or {"Regex": s} */
static pt_status pattern(const json_t *o, const char **text, bool *literal)
{
    const json_t *p = json_object_get(o, "pattern");
    const char *s = json_string_value(json_object_get(p, "String"));
    *literal = s != NULL;
    *text = s ? s : json_string_value(json_object_get(p, "Regex"));
    return *text ? PT_OK : pt_fail(PT_EFORMAT, "'pattern' is neither a String nor a Regex");
}

static pt_status read_norm(pt_tokenizer *t, const json_t *o, int depth);

static pt_status norm_list(pt_tokenizer *t, const json_t *list, int depth)
{
    size_t k;
    json_t *o;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "normalizer Sequence without a list");
    json_array_foreach((json_t *)list, k, o) PT_RETURN(read_norm(t, o, depth + 1));
    return PT_OK;
}

static pt_status read_norm(pt_tokenizer *t, const json_t *o, int depth)
{
    static const struct {
        const char *name;
        pt_tok_norm_kind kind;
    } known[] = {{"NFC", PT_NORM_NFC},
                 {"NFD", PT_NORM_NFD},
                 {"NFKC", PT_NORM_NFKC},
                 {"NFKD", PT_NORM_NFKD},
                 {"Lowercase", PT_NORM_LOWERCASE},
                 {"Prepend", PT_NORM_PREPEND},
                 {"Replace", PT_NORM_REPLACE},
                 {"Strip", PT_NORM_STRIP}};
    const char *type, *from, *to;
    bool literal;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > MAX_DEPTH) return pt_fail(PT_EFORMAT, "normalizers are nested too deeply");
    if (strcmp(type, "Sequence") == 0) return norm_list(t, json_object_get(o, "normalizers"), depth);
    size_t i = 0, n = sizeof known / sizeof *known;
    while (i < n && strcmp(known[i].name, type) != 0) i++;
    if (i == n) return pt_fail(PT_ENOSUP, "normalizer '%s' is not supported", type);
    PT_RETURN(pt_reserve(&t->norms, &t->cap_norms, t->n_norms + 1));
    pt_tok_norm *m = &t->norms[t->n_norms++];
    *m = (pt_tok_norm){.kind = known[i].kind};
    if (m->kind == PT_NORM_PREPEND) {
        PT_RETURN(pt_tok_json_str(o, "prepend", &to));
        return pt_strdup(&m->to, to);
    }
    if (m->kind == PT_NORM_STRIP) {
        PT_RETURN(pt_tok_json_bool(o, "strip_left", true, &m->left));
        return pt_tok_json_bool(o, "strip_right", true, &m->right);
    }
    if (m->kind != PT_NORM_REPLACE) return PT_OK;
    PT_RETURN(pattern(o, &from, &literal));
    PT_RETURN(pt_tok_json_str(o, "content", &to));
    if (!from[0]) return pt_fail(PT_EFORMAT, "normalizer Replace of nothing");
    PT_RETURN(pt_strdup(&m->from, from));
    PT_RETURN(pt_strdup(&m->to, to));
    if (literal) return PT_OK;
    m->kind = PT_NORM_REPLACE_REGEX;
    return pt_tok_regex(&m->code, from, false);
}

static pt_status behaviour(const json_t *o, pt_tok_behaviour *out)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *s;
    PT_RETURN(pt_tok_json_str(o, "behavior", &s));
    for (int i = 0; i < 5; i++) {
        if (strcmp(s, names[i]) == 0) {
            *out = (pt_tok_behaviour)i;
            return PT_OK;
        }
    }
    return pt_fail(PT_ENOSUP, "split behaviour '%s' is not supported", s);
}

static pt_status set_prefix(pt_tokenizer *t, const char *type, pt_tok_prefix p, const char *text)
{
    if (t->n_splits || t->prefix_text) {
        return pt_fail(PT_ENOSUP, "pre-tokenizer '%s' that changes the text after another step is not supported", type);
    }
    t->prefix = p;
    return pt_strdup(&t->prefix_text, text);
}

static pt_status byte_level(pt_tokenizer *t, const json_t *o)
{
    bool prefix, regex;
    PT_RETURN(pt_tok_json_bool(o, "add_prefix_space", true, &prefix));
    PT_RETURN(pt_tok_json_bool(o, "use_regex", true, &regex));
    t->byte_level = true;
    if (prefix) PT_RETURN(set_prefix(t, "ByteLevel", PT_PREFIX_ALWAYS, " "));
    return regex ? pt_tok_add_split(t, GPT2, false, PT_SPLIT_ISOLATED, false) : PT_OK;
}

static pt_status metaspace(pt_tokenizer *t, const json_t *o)
{
    const char *rep = json_string_value(json_object_get(o, "replacement"));
    const char *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
    bool split, old;
    if (rep && strcmp(rep, PT_TOK_META) != 0) return pt_fail(PT_ENOSUP, "Metaspace with replacement '%s'", rep);
    PT_RETURN(pt_tok_json_bool(o, "split", true, &split));
    PT_RETURN(pt_tok_json_bool(o, "add_prefix_space", true, &old));
    if (!scheme) scheme = old ? "always" : "never";
    bool always = strcmp(scheme, "always") == 0, first = strcmp(scheme, "first") == 0;
    if (!always && !first && strcmp(scheme, "never") != 0) return pt_fail(PT_ENOSUP, "prepend_scheme '%s'", scheme);
    PT_RETURN(set_prefix(t, "Metaspace", always ? PT_PREFIX_ALWAYS : first ? PT_PREFIX_FIRST : PT_PREFIX_NONE, PT_TOK_META));
    t->meta_replace = true;
    return split ? pt_tok_add_split(t, PT_TOK_META, true, PT_SPLIT_WITH_NEXT, false) : PT_OK;
}

static pt_status read_pre(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *type, *text;
    bool flag, literal;
    pt_tok_behaviour b;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > MAX_DEPTH) return pt_fail(PT_EFORMAT, "pre-tokenizers are nested too deeply");
    if (t->byte_level) return pt_fail(PT_ENOSUP, "pre-tokenizer '%s' after ByteLevel", type);
    if (strcmp(type, "Sequence") == 0) {
        size_t k;
        json_t *q;
        const json_t *list = json_object_get(o, "pretokenizers");
        if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "pre-tokenizer Sequence without a list");
        json_array_foreach((json_t *)list, k, q) PT_RETURN(read_pre(t, q, depth + 1));
        return PT_OK;
    }
    if (strcmp(type, "ByteLevel") == 0) return byte_level(t, o);
    if (strcmp(type, "Metaspace") == 0) return metaspace(t, o);
    if (strcmp(type, "Digits") == 0) {
        PT_RETURN(pt_tok_json_bool(o, "individual_digits", false, &flag));
        return pt_tok_add_split(t, flag ? "\\p{N}" : "\\p{N}+", false, PT_SPLIT_ISOLATED, false);
    }
    if (strcmp(type, "Punctuation") == 0) {
        PT_RETURN(behaviour(o, &b));
        return pt_tok_add_split(t, "[\\p{P}!-/:-@\\[-`{-~]", false, b, false);
    }
    if (strcmp(type, "Split") != 0) return pt_fail(PT_ENOSUP, "pre-tokenizer '%s' is not supported", type);
    PT_RETURN(pattern(o, &text, &literal));
    PT_RETURN(behaviour(o, &b));
    PT_RETURN(pt_tok_json_bool(o, "invert", false, &flag));
    return pt_tok_add_split(t, text, literal, b, flag);
}

static pt_status read_decoder(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *type, *from, *to;
    bool literal;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > MAX_DEPTH) return pt_fail(PT_EFORMAT, "decoders are nested too deeply");
    if (strcmp(type, "Sequence") == 0) {
        size_t k;
        json_t *q;
        const json_t *list = json_object_get(o, "decoders");
        if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "decoder Sequence without a list");
        json_array_foreach((json_t *)list, k, q) PT_RETURN(read_decoder(t, q, depth + 1));
    } else if (strcmp(type, "ByteLevel") == 0) {
        t->decode.byte_level = true;
    } else if (strcmp(type, "ByteFallback") == 0) {
        t->decode.byte_fallback = true;
    } else if (strcmp(type, "Metaspace") == 0) {
        t->decode.meta_to_space = true;
        t->decode.strip_left = t->prefix == PT_PREFIX_NONE ? 0 : 1;
    } else if (strcmp(type, "Replace") == 0) {
        PT_RETURN(pattern(o, &from, &literal));
        PT_RETURN(pt_tok_json_str(o, "content", &to));
        if (!literal || strcmp(from, PT_TOK_META) != 0 || strcmp(to, " ") != 0) {
            return pt_fail(PT_ENOSUP, "decoder Replace of '%.40s' by '%.40s'", from, to);
        }
        t->decode.meta_to_space = true;
    } else if (strcmp(type, "Strip") == 0) {
        const char *c = json_string_value(json_object_get(o, "content"));
        json_int_t start = json_integer_value(json_object_get(o, "start")),
                   stop = json_integer_value(json_object_get(o, "stop"));
        if (!c || strcmp(c, " ") != 0 || stop != 0 || start < 0 || start > 8)
            return pt_fail(PT_ENOSUP, "decoder Strip of this kind");
        t->decode.strip_left = (unsigned)start;
    } else if (strcmp(type, "Fuse") != 0) {
        return pt_fail(PT_ENOSUP, "decoder '%s' is not supported", type);
    }
    return PT_OK;
}

pt_status pt_tok_json_steps(pt_tokenizer *t, const json_t *root)
{
    PT_RETURN(read_norm(t, json_object_get(root, "normalizer"), 0));
    PT_RETURN(read_pre(t, json_object_get(root, "pre_tokenizer"), 0));
    PT_RETURN(read_decoder(t, json_object_get(root, "decoder"), 0));
    if (t->byte_level && t->byte_fallback) return pt_fail(PT_ENOSUP, "ByteLevel together with byte_fallback");
    if (t->byte_level != t->decode.byte_level) return pt_fail(PT_ENOSUP, "ByteLevel in the pre-tokenizer or the decoder alone");
    return PT_OK;
}
