/* GGUF's names of pre-tokenizers (tokenizer.ggml.pre) and the split steps that they stand for. The steps are those of each
 * model's tokenizer.json; the defaults that go with a name (ignore_merges, add_bos) are those that llama.cpp takes. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_LIKE(digits)                                                                                                    \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"               \
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TEKKEN                                                                                                                 \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"                                \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"                               \
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define O200K                                                                                                                  \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"   \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"  \
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK3                                                                                                              \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"                          \
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"

#define QWEN35                                                                                                                 \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"                       \
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WESTERN_WORDS " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"

/* The cased letters that DeepSeek LLM's tokenizer.json lists. */
#define DEEPSEEK_LETTERS                                                                                                       \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"                            \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}"             \
    "\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}"                 \
    "\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}"                          \
    "\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}"                          \
    "\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}"                  \
    "\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}"                 \
    "\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}"                  \
    "\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}"                            \
    "\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}"                  \
    "\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"                           \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}"                          \
    "\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}"                    \
    "\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"

#define MAX_STEPS 6
typedef struct pre_row {
    const char *names; /* separated by blanks; the first one is written on export */
    const char *step[MAX_STEPS];
    bool ignore_merges, add_bos, nfc;
} pre_row;

static const pre_row rows[] = {
    {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", {"\\p{N}", GPT2}, false, false, false},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum roberta-bpe mpt olmo jais trillion granite-docling exaone4 modern-bert"
     " jina-v1-en jina-v2-code",
     {GPT2},
     false,
     false,
     false},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", {LLAMA3_LIKE("{1,3}")}, true, true, false},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", {LLAMA3_LIKE("")}, false, false, true},
    {"qwen35", {QWEN35}, false, false, false}, /* llama.cpp's vectors of it are not composed */
    {"qwen35", {QWEN35}, false, false, true},  /* its tokenizer.json composes: found on export alone */
    {"stablelm2 hunyuan solar-open grok-2", {LLAMA3_LIKE("")}, false, false, false},
    {"tekken", {TEKKEN}, true, true, false},
    {"dbrx smaug-bpe chatglm-bpe", {LLAMA3_LIKE("{1,3}")}, false, false, false},
    {"glm4 glm5", {LLAMA3_LIKE("{1,3}")}, true, false, false},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", {O200K}, false, false, false},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {"\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3}, false, false, false},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, false, false, false},
    {"deepseek-coder",
     {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}"},
     false,
     false,
     false},
    {"seed-coder",
     {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"},
     false,
     false,
     false},
    {"bloom poro-chat gpt3-finnish", {WESTERN_WORDS}, false, false, false},
    {"viking", {WESTERN_WORDS, "\\p{N}"}, false, false, false},
    {"deepseek-llm",
     {"[\r\n]", "\\s?[" DEEPSEEK_LETTERS "]+",
      "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+", "\\s+$",
      "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}+"},
     false,
     false,
     false},
    {"default",
     {"[\\p{P}\\$\\+<=>\\^~\\|]+", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"},
     false,
     false,
     false},
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

static const pre_row *find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (has_name(rows[i].names, name)) return &rows[i];
    return NULL;
}

bool pt_tok_pre_of(const char *name, pt_tok_pre *out)
{
    const pre_row *r = find(name);
    if (!r) return false;
    *out = (pt_tok_pre){.steps = r->step, .ignore_merges = r->ignore_merges, .nfc = r->nfc};
    while (out->n < MAX_STEPS && r->step[out->n]) out->n++;
    return true;
}

pt_status pt_tok_apply_pre(pt_tokenizer *t, const char *name)
{
    if (!name || !name[0]) name = "default";
    const pre_row *r = find(name);
    if (!r) return pt_fail(PT_ENOSUP, "the GGUF pre-tokenizer '%s' is not known here", name);
    for (int k = 0; k < MAX_STEPS && r->step[k]; k++) PT_RETURN(pt_tok_add_split(t, r->step[k], false, PT_SPLIT_ISOLATED, false));
    t->ignore_merges = r->ignore_merges;
    if (t->add_bos < 0) t->add_bos = r->add_bos;
    if (r->nfc) PT_RETURN(pt_tok_add_norm(t, PT_NORM_NFC, NULL, NULL, NULL));
    return pt_strdup(&t->pre, name);
}

pt_status pt_tok_guess_pre(const pt_tokenizer *t, char **out)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const pre_row *r = &rows[i];
        size_t n = 0;
        bool same = t->n_norms == (r->nfc ? 1u : 0u) && (!r->nfc || t->norms[0].kind == PT_NORM_NFC);
        while (n < MAX_STEPS && r->step[n]) n++;
        same = same && n == t->n_splits && t->ignore_merges == r->ignore_merges;
        for (size_t k = 0; same && k < n; k++) {
            const pt_tok_split *s = &t->splits[k];
            same = s->step == PT_STEP_PATTERN && s->behaviour == PT_SPLIT_ISOLATED && !s->invert && !s->literal && strcmp(s->pattern, r->step[k]) == 0;
        }
        if (same) return pt_strndup(out, r->names, strcspn(r->names, " "));
    }
    return PT_OK;
}
