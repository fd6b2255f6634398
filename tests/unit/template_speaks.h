/* Tokenizers and templates for the tests of models' own templates. */
#ifndef PT_TESTS_TEMPLATE_SPEAKS_H
#define PT_TESTS_TEMPLATE_SPEAKS_H
#include "tests/unit/template_check.h"

static inline pt_tokenizer *tokenizer(const char *name)
{
    char path[256];
    pt_tokenizer *t;
    snprintf(path, sizeof path, "%s%s", DATA, name);
    if (pt_tok_open(&t, path) != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

static inline pt_template *own_template(const char *text, const pt_tokenizer *tok)
{
    pt_template *t;
    if (pt_template_open_own(&t, text, tok, NULL, "2025-07-10") != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

/* A tokenizer to which every <|word|>, <|...|> and [WORD] of a template is a control token. */
static inline pt_tokenizer *speaks(const char *text, char ***added, size_t *n_added)
{
    pt_tokenizer *base = tokenizer("tok_bpe"), *tok;
    pt_vocab_spec spec = *pt_tok_spec(base);
    char **more = calloc(256, sizeof *more);
    size_t n = 0;
    for (const char *p = text; *p && n < 200; p++) {
        const char *close = !strncmp(p, "<|", 2) ? "|>" : !strncmp(p, "<\xef\xbd\x9c", 4) ? "\xef\xbd\x9c>" : *p == '[' && p[1] >= 'A' && p[1] <= 'Z' ? "]" : NULL;
        const char *end = close ? strstr(p + 2, close) : NULL;
        size_t len = end ? (size_t)(end - p) + strlen(close) : 0;
        bool fits = len > 3 && len < 40 && strcspn(p, " \n'\"") >= len;
        for (size_t i = 0; fits && i < n; i++) fits = strlen(more[i]) != len || memcmp(more[i], p, len);
        if (!fits) continue;
        more[n] = strndup(p, len);
        if (pt_tok_find(base, more[n]) >= 0) {
            free(more[n]);
            continue;
        }
        n++;
    }
    const char **tokens = calloc(spec.n_tokens + n, sizeof *tokens);
    int32_t *types = calloc(spec.n_tokens + n, sizeof *types);
    for (size_t i = 0; i < spec.n_tokens + n; i++) {
        tokens[i] = i < spec.n_tokens ? spec.tokens[i] : more[i - spec.n_tokens];
        types[i] = i < spec.n_tokens ? (spec.types ? spec.types[i] : PT_TOKEN_NORMAL) : PT_TOKEN_CONTROL;
    }
    spec.n_tokens += n;
    spec.tokens = tokens;
    spec.types = types;
    spec.scores = NULL;
    if (pt_tok_from_spec(&tok, &spec) != PT_OK) fail_msg("%s", pt_err_msg());
    free(tokens);
    free(types);
    pt_tok_free(base);
    *added = more;
    *n_added = n;
    return tok;
}
#endif
