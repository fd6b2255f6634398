/* tokenizer.json: "normalizer". */
#include <string.h>

#include "data/text/tok_json.h"
#include "data/text/tok_spm.h"

static pt_status form(pt_tokenizer *t, const json_t *o, int depth)
{
    static const struct {
        const char *name;
        pt_tok_norm_kind kind;
    } plain[] = {{"NFC", PT_NORM_NFC},   {"NFD", PT_NORM_NFD}, {"NFKC", PT_NORM_NFKC},         {"NFKD", PT_NORM_NFKD}, {"Lowercase", PT_NORM_LOWERCASE},
                 {"Nmt", PT_NORM_NMT}, {"ByteLevel", PT_NORM_ALPHABET}};
    const char *type;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcmp(plain[i].name, type)) return pt_tok_add_norm(t, plain[i].kind, NULL, NULL, NULL);
    return pt_fail(PT_ENOSUP, "normalizer '%s' is not supported", type);
}

static pt_status prepend(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *text;
    PT_RETURN(pt_tok_json_str(o, "prepend", &text));
    return pt_tok_add_norm(t, PT_NORM_PREPEND, NULL, text, NULL);
}

static pt_status replace(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *from, *to;
    bool literal;
    pt_tok_norm *m;
    PT_RETURN(pt_tok_json_pattern(o, &from, &literal));
    PT_RETURN(pt_tok_json_str(o, "content", &to));
    PT_RETURN(pt_tok_add_norm(t, literal ? PT_NORM_REPLACE : PT_NORM_REPLACE_REGEX, from, to, &m));
    return literal ? PT_OK : pt_tok_regex(&m->code, from, false);
}

static pt_status strip(pt_tokenizer *t, const json_t *o, int depth)
{
    pt_tok_norm *m;
    PT_RETURN(pt_tok_add_norm(t, PT_NORM_STRIP, NULL, NULL, &m));
    PT_RETURN(pt_tok_json_bool(o, "strip_left", true, &m->left));
    return pt_tok_json_bool(o, "strip_right", true, &m->right);
}

static pt_status drop(pt_tokenizer *t, pt_tok_class class)
{
    pt_tok_norm *m;
    PT_RETURN(pt_tok_add_norm(t, PT_NORM_DROP, NULL, NULL, &m));
    m->class = class;
    return PT_OK;
}

static pt_status precompiled(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *map;
    pt_tok_norm *m;
    PT_RETURN(pt_tok_json_str(o, "precompiled_charsmap", &map));
    PT_RETURN(pt_tok_add_norm(t, PT_NORM_PRECOMPILED, NULL, NULL, &m));
    PT_RETURN(pt_alloc0(&m->spm, 1));
    return pt_charsmap_base64(&m->spm->map, map);
}

static pt_status strip_accents(pt_tokenizer *t, const json_t *o, int depth)
{
    return drop(t, PT_CLASS_MARK);
}

static pt_status bert(pt_tokenizer *t, const json_t *o, int depth)
{
    bool clean, chinese, lower, accents;
    PT_RETURN(pt_tok_json_bool(o, "clean_text", true, &clean));
    PT_RETURN(pt_tok_json_bool(o, "handle_chinese_chars", true, &chinese));
    PT_RETURN(pt_tok_json_bool(o, "lowercase", true, &lower));
    PT_RETURN(pt_tok_json_bool(o, "strip_accents", lower, &accents));
    if (clean) PT_RETURN(pt_tok_add_norm(t, PT_NORM_CLEAN, NULL, NULL, NULL));
    if (chinese) PT_RETURN(pt_tok_add_norm(t, PT_NORM_CJK, NULL, NULL, NULL));
    if (accents) PT_RETURN(pt_tok_add_norm(t, PT_NORM_NFD, NULL, NULL, NULL));
    if (accents) PT_RETURN(drop(t, PT_CLASS_NONSPACING));
    return lower ? pt_tok_add_norm(t, PT_NORM_LOWERCASE, NULL, NULL, NULL) : PT_OK;
}

static pt_status read(pt_tokenizer *t, const json_t *o, int depth)
{
    static const struct {
        const char *name;
        pt_tok_json_part *read;
    } known[] = {{"Prepend", prepend}, {"Replace", replace},       {"Strip", strip}, {"StripAccents", strip_accents},
                 {"Bert", bert},       {"BertNormalizer", bert},   {"Precompiled", precompiled}};
    const char *type;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > PT_TOK_MAX_DEPTH) return pt_fail(PT_EFORMAT, "normalizers are nested too deeply");
    if (!strcmp(type, "Sequence")) return pt_tok_json_each(t, o, "normalizers", depth, read);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, type)) return known[i].read(t, o, depth);
    return form(t, o, depth);
}

pt_status pt_tok_json_norm(pt_tokenizer *t, const json_t *o)
{
    return read(t, o, 0);
}
