/* tokenizer.json: "pre_tokenizer". */
#include <string.h>

#include "data/text/tok_json.h"

static pt_status behaviour(const json_t *o, bool may_miss, pt_tok_behaviour *out)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *s;
    *out = PT_SPLIT_ISOLATED;
    if (may_miss && !json_object_get(o, "behavior")) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "behavior", &s));
    for (int i = 0; i < 5; i++) {
        if (strcmp(s, names[i]) == 0) {
            *out = (pt_tok_behaviour)i;
            return PT_OK;
        }
    }
    return pt_fail(PT_ENOSUP, "split behaviour '%s' is not supported", s);
}

static pt_status add(pt_tokenizer *t, pt_tok_split step, const char *pattern)
{
    return pt_tok_add_step(t, &step, pattern);
}

static pt_status byte_level(pt_tokenizer *t, const json_t *o, int depth)
{
    bool prefix, regex;
    PT_RETURN(pt_tok_json_bool(o, "add_prefix_space", true, &prefix));
    PT_RETURN(pt_tok_json_bool(o, "use_regex", true, &regex));
    if (prefix) PT_RETURN(add(t, (pt_tok_split){.step = PT_STEP_PREFIX, .prefix = PT_PREFIX_ALWAYS}, NULL));
    if (regex) PT_RETURN(pt_tok_add_split(t, PT_TOK_GPT2, false, PT_SPLIT_ISOLATED, false));
    return add(t, (pt_tok_split){.step = PT_STEP_ALPHABET}, NULL);
}

static pt_status metaspace(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *text, *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
    bool split, old;
    uint32_t cp;
    PT_RETURN(pt_tok_json_char(o, "replacement", &text, &cp));
    PT_RETURN(pt_tok_json_bool(o, "split", true, &split));
    PT_RETURN(pt_tok_json_bool(o, "add_prefix_space", true, &old));
    if (!scheme) scheme = old ? "always" : "never";
    bool always = strcmp(scheme, "always") == 0, first = strcmp(scheme, "first") == 0;
    if (!always && !first && strcmp(scheme, "never") != 0) return pt_fail(PT_ENOSUP, "prepend_scheme '%s' is not supported", scheme);
    pt_tok_prefix p = always ? PT_PREFIX_ALWAYS : first ? PT_PREFIX_FIRST : PT_PREFIX_NONE;
    PT_RETURN(add(t, (pt_tok_split){.step = PT_STEP_META, .prefix = p}, text));
    return split ? pt_tok_add_split(t, text, true, PT_SPLIT_WITH_NEXT, false) : PT_OK;
}

static pt_status digits(pt_tokenizer *t, const json_t *o, int depth)
{
    bool each;
    PT_RETURN(pt_tok_json_bool(o, "individual_digits", false, &each));
    return pt_tok_add_split(t, each ? "\\p{N}" : "\\p{N}+", false, PT_SPLIT_ISOLATED, false);
}

static pt_status punctuation(pt_tokenizer *t, const json_t *o, int depth)
{
    pt_tok_behaviour b;
    PT_RETURN(behaviour(o, true, &b));
    return add(t, (pt_tok_split){.step = PT_STEP_CLASS, .class = PT_CLASS_PUNCT, .behaviour = b}, NULL);
}

static pt_status split(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *text;
    bool literal, invert;
    pt_tok_behaviour b;
    PT_RETURN(pt_tok_json_pattern(o, &text, &literal));
    PT_RETURN(behaviour(o, false, &b));
    PT_RETURN(pt_tok_json_bool(o, "invert", false, &invert));
    return pt_tok_add_split(t, text, literal, b, invert);
}

static pt_status blanks(pt_tokenizer *t, const json_t *o, int depth)
{
    return add(t, (pt_tok_split){.step = PT_STEP_CLASS, .class = PT_CLASS_SPACE, .behaviour = PT_SPLIT_REMOVED}, NULL);
}

static pt_status bert(pt_tokenizer *t, const json_t *o, int depth)
{
    PT_RETURN(blanks(t, o, depth));
    return add(t, (pt_tok_split){.step = PT_STEP_CLASS, .class = PT_CLASS_PUNCT}, NULL);
}

static pt_status words(pt_tokenizer *t, const json_t *o, int depth)
{
    return add(t, (pt_tok_split){.step = PT_STEP_WORDS}, NULL);
}

static pt_status scripts(pt_tokenizer *t, const json_t *o, int depth)
{
    return add(t, (pt_tok_split){.step = PT_STEP_SCRIPTS}, NULL);
}

static pt_status delimiter(pt_tokenizer *t, const json_t *o, int depth)
{
    pt_tok_split s = {.step = PT_STEP_CLASS, .class = PT_CLASS_ONE, .behaviour = PT_SPLIT_REMOVED};
    const char *text;
    PT_RETURN(pt_tok_json_char(o, "delimiter", &text, &s.one));
    return add(t, s, NULL);
}

static pt_status fixed(pt_tokenizer *t, const json_t *o, int depth)
{
    pt_tok_split s = {.step = PT_STEP_FIXED};
    PT_RETURN(pt_tok_json_count(o, "length", 5, &s.length));
    if (s.length == 0) return pt_fail(PT_EFORMAT, "FixedLength of length 0");
    return add(t, s, NULL);
}

static pt_status read(pt_tokenizer *t, const json_t *o, int depth)
{
    static const struct {
        const char *name;
        pt_tok_json_part *read;
    } known[] = {{"ByteLevel", byte_level},    {"Metaspace", metaspace},
                 {"Digits", digits},           {"Punctuation", punctuation},
                 {"Split", split},             {"WhitespaceSplit", blanks},
                 {"BertPreTokenizer", bert},   {"Whitespace", words},
                 {"UnicodeScripts", scripts},  {"CharDelimiterSplit", delimiter},
                 {"Delimiter", delimiter},     {"FixedLength", fixed}};
    const char *type;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > PT_TOK_MAX_DEPTH) return pt_fail(PT_EFORMAT, "pre-tokenizers are nested too deeply");
    if (!strcmp(type, "Sequence")) return pt_tok_json_each(t, o, "pretokenizers", depth, read);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, type)) return known[i].read(t, o, depth);
    return pt_fail(PT_ENOSUP, "pre-tokenizer '%s' is not supported", type);
}

/* Text that only the model sees in GPT-2's alphabet is not spelled in it: a BPE of raw bytes. */
static void settle(pt_tokenizer *t)
{
    size_t spelled = 0;
    for (size_t i = 0; i < t->n_splits; i++) spelled += t->splits[i].step == PT_STEP_ALPHABET;
    for (size_t i = 0; i < t->n_norms; i++) spelled += t->norms[i].kind == PT_NORM_ALPHABET;
    if (spelled != 1 || !t->n_splits || t->splits[t->n_splits - 1].step != PT_STEP_ALPHABET) return;
    if (t->model != PT_MODEL_BPE || t->byte_fallback || t->word_prefix || t->word_suffix) return;
    t->byte_level = true;
    t->n_splits--;
}

pt_status pt_tok_json_pre(pt_tokenizer *t, const json_t *o)
{
    PT_RETURN(read(t, o, 0));
    if (t->n_splits > 64) return pt_fail(PT_ENOSUP, "a pre-tokenizer of %zu steps", t->n_splits);
    settle(t);
    return PT_OK;
}
