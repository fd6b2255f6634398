/* GGUF's names of pre-tokenizers (tokenizer.ggml.pre) and the split steps that they stand for. The steps are those of each model's
 * tokenizer.json; the defaults that go with a name (ignore_merges, add_bos) are those that llama.cpp takes. */
#include "data/tok_priv.h"

#include <stdlib.h>
#include <string.h>

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_LIKE(digits)                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" \
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TEKKEN                                                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"       \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"      \
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK3                                                                                      \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" \
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"

typedef struct pre_row {
    const char *names; /* separated by blanks; the first one is written on export */
    const char *step[4];
    bool ignore_merges, add_bos, nfc;
} pre_row;

static const pre_row rows[] = {
    {"smollm starcoder refact command-r codeshell", {"\\p{N}", GPT2}, false, false, false},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum roberta-bpe", {GPT2}, false, false, false},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral", {LLAMA3_LIKE("{1,3}")}, true, true, false},
    {"qwen2 deepseek-r1-qwen", {LLAMA3_LIKE("")}, false, false, true},
    {"tekken", {TEKKEN}, true, true, false},
    {"deepseek-v3", {"\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3}, false, false, false},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, false, false, false},
    {"default",
     {"[\\p{P}\\$\\+<=>\\^~\\|]+", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"},
     false, false, false},
};

static bool has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = names; p; p = strchr(p, ' ')) {
        p += *p == ' ';
        if (n && strncmp(p, name, n) == 0 && (p[n] == ' ' || p[n] == 0)) return true;
    }
    return false;
}

pt_status pt_tok_apply_pre(pt_tokenizer *t, const char *name)
{
    if (!name || !name[0]) name = "default";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const pre_row *r = &rows[i];
        if (!has_name(r->names, name)) continue;
        for (int k = 0; k < 4 && r->step[k]; k++) PT_RETURN(pt_tok_add_split(t, r->step[k], false, PT_SPLIT_ISOLATED, false));
        t->ignore_merges = r->ignore_merges;
        if (t->add_bos < 0) t->add_bos = r->add_bos;
        if (r->nfc) {
            PT_RETURN(pt_reserve(&t->norms, &t->cap_norms, t->n_norms + 1));
            t->norms[t->n_norms++] = (pt_tok_norm){.kind = PT_NORM_NFC};
        }
        return pt_strdup(&t->pre, name);
    }
    return pt_fail(PT_ENOSUP, "the GGUF pre-tokenizer '%s' is not known here", name);
}

pt_status pt_tok_guess_pre(const pt_tokenizer *t, char **out)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const pre_row *r = &rows[i];
        size_t n = 0;
        bool same = t->n_norms == (r->nfc ? 1u : 0u) && (!r->nfc || t->norms[0].kind == PT_NORM_NFC);
        while (n < 4 && r->step[n]) n++;
        same = same && n == t->n_splits && t->ignore_merges == r->ignore_merges && t->prefix == PT_PREFIX_NONE;
        for (size_t k = 0; same && k < n; k++) {
            const pt_tok_split *s = &t->splits[k];
            same = s->behaviour == PT_SPLIT_ISOLATED && !s->invert && !s->literal && strcmp(s->pattern, r->step[k]) == 0;
        }
        if (same) return pt_strndup(out, r->names, strcspn(r->names, " "));
    }
    return PT_OK;
}
