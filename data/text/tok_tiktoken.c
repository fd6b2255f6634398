/* tiktoken's files: lines of "base64 rank". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_json.h"
#include "data/text/tok_ranks.h"

/* Special tokens as each family's own code numbers them: behind the ranks, or from `first` on. `more` goes on with a number from `from` to `to`. Not
 * taken where tokenizer_config.json lists them (added_tokens_decoder). */
typedef struct known {
    const char *names, *types, *pre; /* parts of the file's name; model_type of config.json; GGUF's name of how text is split (tok_pre.c) */
    int first; /* 0: behind the ranks */
    const char *specials[12];
    const char *more;
    int from, to;
    const char *bos, *eos;
} known;

static const known table[] = {
    /* Qwen/Qwen-7B: tokenization_qwen.py */
    {"qwen", "qwen", "qwen2", 0, {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}, "<|extra_%d|>", 0, 204, NULL, "<|endoftext|>"},
    /* meta-llama/llama-models: models/llama3/tokenizer.py */
    {"llama3 llama-3", "llama llama4", "llama-bpe", 0,
     {"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|step_id|>",
      "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"},
     "<|reserved_special_token_%d|>", 2, 246, "<|begin_of_text|>", "<|end_of_text|>"},
    /* THUDM/glm-4-9b: tokenization_chatglm.py; all special tokens stand in tokenizer_config.json */
    {"glm4 glm-4", "chatglm glm glm4", "glm4", 0, {0}, NULL, 0, -1, NULL, "<|endoftext|>"},
    /* openai/tiktoken: tiktoken_ext/openai_public.py */
    {"cl100k", "phi3small", "dbrx", 100257, {"<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"}, "<|endofprompt|>", 100276, 100276, NULL,
     "<|endoftext|>"},
    {"o200k", NULL, "gpt-4o", 199999, {"<|endoftext|>"}, "<|endofprompt|>", 200018, 200018, NULL, "<|endoftext|>"},
};

bool pt_tok_is_tiktoken(const char *text, size_t n)
{
    const char *line = memchr(text, '\n', n < 8192 ? n : 8192), *gap = line ? memchr(text, ' ', (size_t)(line - text)) : NULL;
    char bytes[8192];
    size_t got;
    if (!gap || !pt_tok_base64(text, (size_t)(gap - text), bytes, &got)) return false;
    for (const char *p = gap + 1; p < line; p++)
        if ((*p < '0' || *p > '9') && !(*p == '\r' && p + 1 == line)) return false;
    return gap + 1 < line;
}

/* A name of the blank-separated list is a part of `text`; or, with whole, is all of it. */
static bool among(const char *list, const char *text, bool whole)
{
    char one[32];
    for (const char *p = list; p && *p;) {
        size_t n = strcspn(p, " ");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        if (whole ? !strcmp(one, text) : strcasestr(text, one) != NULL) return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

/* A text of a JSON file beside it; NULL when there is none. *has_tokens: the file lists added tokens with their ids. */
static pt_status beside(const char *dir, const char *name, const char *key, char **out, bool *has_tokens)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *root = NULL;
    *out = NULL;
    PT_TRY(pt_path_join(&path, dir, name));
    if (!pt_file_given(path)) goto done;
    PT_TRY(pt_tok_json_load(&root, path));
    if (key && json_is_string(json_object_get(root, key))) PT_TRY(pt_strdup(out, json_string_value(json_object_get(root, key))));
    if (has_tokens) *has_tokens = json_object_size(json_object_get(root, "added_tokens_decoder")) > 0;
done:
    json_decref(root);
    free(path);
    return rc;
}

static const known *find(const char *path, const char *type)
{
    for (size_t i = 0; type && i < sizeof table / sizeof *table; i++)
        if (among(table[i].types, type, true)) return &table[i];
    for (size_t i = 0; !type && i < sizeof table / sizeof *table; i++)
        if (among(table[i].names, pt_path_base(path), false)) return &table[i];
    return NULL;
}

/* n_lines bounds the ranks: a short file asks for no long tables. */
static pt_status read_line(pt_tokenizer *t, const char *s, size_t n, size_t line, size_t n_lines)
{
    char bytes[PT_TOK_RANK_BYTES + 3];
    const char *gap = memchr(s, ' ', n);
    size_t text = gap ? (size_t)(gap - s) : 0, got = 0;
    long long rank = 0;
    bool good = gap && text <= (PT_TOK_RANK_BYTES + 2) / 3 * 4 && pt_tok_base64(s, text, bytes, &got) && gap + 1 < s + n;
    for (const char *p = gap ? gap + 1 : s; good && p < s + n; p++) {
        good = *p >= '0' && *p <= '9' && rank <= PT_TOK_MAX_ID;
        rank = rank * 10 + (*p - '0');
    }
    if (!good) return pt_fail(PT_EFORMAT, "line %zu is not base64 of 1 to %d bytes, a blank and a rank", line, PT_TOK_RANK_BYTES);
    if ((size_t)rank >= n_lines) return pt_fail(PT_EFORMAT, "line %zu: rank %lld in a list of %zu", line, rank, n_lines);
    pt_status rc = pt_tok_ranks_put(t, rank, bytes, got);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "line %zu", line);
}

static pt_status read_ranks(pt_tokenizer *t, const char *text, size_t n)
{
    size_t line = 1, n_lines = 1;
    for (size_t i = 0; i < n; i++) n_lines += text[i] == '\n';
    for (size_t at = 0; at < n; line++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) - at : n - at, body = len;
        if (body && text[at + body - 1] == '\r') body--;
        if (body) PT_RETURN(read_line(t, text + at, body, line, n_lines));
        at += len + 1;
    }
    for (int32_t i = 0; i < t->n; i++)
        if (!(t->flags[i] & PT_TOK_HAS)) return pt_fail(PT_EFORMAT, "no token has rank %d, and later ones are there", i);
    return PT_OK;
}

static pt_status put_specials(pt_tokenizer *t, const known *k)
{
    int64_t id = k->first ? k->first : t->n;
    char name[48];
    for (int i = 0; i < 12 && k->specials[i]; i++) PT_RETURN(pt_tok_ranks_special(t, id++, k->specials[i]));
    for (int i = k->from; i <= k->to; i++) {
        snprintf(name, sizeof name, k->more, i);
        PT_RETURN(pt_tok_ranks_special(t, k->first ? i : id++, name));
    }
    return PT_OK;
}

pt_status pt_tok_tiktoken_read(pt_tokenizer *t, const char *path, const char *dir)
{
    pt_status rc = PT_OK;
    char *text = NULL, *type = NULL, *none = NULL;
    size_t n;
    bool listed = false;
    if (dir) PT_TRY(beside(dir, "config.json", "model_type", &type, NULL));
    if (dir) PT_TRY(beside(dir, "tokenizer_config.json", NULL, &none, &listed));
    const known *k = find(path, type);
    PT_CHECK(k, PT_ENOSUP,
             "%s: ranks alone do not say how text is split (%s%s): name the file qwen.tiktoken, llama3.tiktoken, glm4.tiktoken, cl100k_base.tiktoken or o200k_base.tiktoken, or put a "
             "config.json with that model's model_type, or a tokenizer.json, beside it",
             path, type ? "nothing is known of model_type " : "no config.json beside it, and no known name", type ? type : "");
    PT_TRY(pt_file_read(&text, &n, path, PT_TOK_MAX_FILE));
    rc = read_ranks(t, text, n);
    t->n_pieces = (size_t)t->n;
    if (rc == PT_OK && !listed) rc = put_specials(t, k);
    if (rc == PT_OK) rc = pt_tok_apply_pre(t, k->pre);
    if (rc == PT_OK) rc = pt_tok_ranks_settle(t, NULL);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s", path);
    PT_TRY(rc);
    if (k->bos) t->bos = pt_tok_find(t, k->bos);
    if (k->eos) t->eos = pt_tok_find(t, k->eos);
done:
    free(text);
    free(type);
    free(none);
    return rc;
}
