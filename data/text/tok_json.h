/* Reading tokenizer.json; included by data/text/tok_*.c only. Errors name the file. What is not known is refused by name. */
#ifndef PT_DATA_TOK_JSON_H
#define PT_DATA_TOK_JSON_H
#include "base/json.h"
#include "data/text/tok_priv.h"

#define PT_TOK_MAX_FILE ((size_t)512 << 20)
#define PT_TOK_MAX_DEPTH 8 /* sequences in sequences */
#define PT_TOK_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* The JSON object in a file (owned reference), under base/json.h's policy. */
pt_status pt_tok_json_load(json_t **out, const char *path);
pt_status pt_tok_json_str(const json_t *o, const char *key, const char **out);
/* missing: the value when the key is absent or null. */
pt_status pt_tok_json_bool(const json_t *o, const char *key, bool missing, bool *out);
/* A count of 0 to 2^31; missing likewise. */
pt_status pt_tok_json_count(const json_t *o, const char *key, size_t missing, size_t *out);
/* A string of one character. */
pt_status pt_tok_json_char(const json_t *o, const char *key, const char **out, uint32_t *cp);
/* "pattern": {"String": s} or {"Regex": s}. */
pt_status pt_tok_json_pattern(const json_t *o, const char **text, bool *literal);
/* A list in o of such a name, each part of which goes to read. */
typedef pt_status pt_tok_json_part(pt_tokenizer *t, const json_t *o, int depth);
pt_status pt_tok_json_each(pt_tokenizer *t, const json_t *o, const char *list, int depth, pt_tok_json_part *read);
/* One added token: an object {"content", "lstrip", ...} or its text alone. id: as stated, -1 for none; special: whatever the object says. */
pt_status pt_tok_json_added(pt_tokenizer *t, const json_t *o, int64_t id, bool special);
/* tok_config.c: tokenizer_config.json, special_tokens_map.json and added_tokens.json of a folder. */
pt_status pt_tok_config_read(pt_tokenizer *t, const char *dir);
/* Model, added tokens, steps and post-processor into t (pt_tok_finish comes later). */
pt_status pt_tok_json_read(pt_tokenizer *t, const char *path);
/* One component each; o may be NULL or null. */
struct pt_tok_lists; /* tok_json_lists.h */
pt_status pt_tok_json_model(pt_tokenizer *t, const json_t *o, const struct pt_tok_lists *lists);
pt_status pt_tok_unigram_json(pt_tokenizer *t, const json_t *o); /* a model of type Unigram: tok_unigram_word.c */
pt_status pt_tok_json_norm(pt_tokenizer *t, const json_t *o);
pt_status pt_tok_json_pre(pt_tokenizer *t, const json_t *o);
pt_status pt_tok_json_decoder(pt_tokenizer *t, const json_t *o);
pt_status pt_tok_json_post(pt_tokenizer *t, const json_t *o);
#endif
