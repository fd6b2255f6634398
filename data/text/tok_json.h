/* Reading tokenizer.json; included by data/text/tok_*.c only. Errors name the file. */
#ifndef PT_DATA_TOK_JSON_H
#define PT_DATA_TOK_JSON_H
#include "base/json.h"
#include "data/text/tok_priv.h"

#define PT_TOK_MAX_FILE ((size_t)512 << 20)

/* The JSON object in a file (owned reference), under base/json.h's policy. */
pt_status pt_tok_json_load(json_t **out, const char *path);
pt_status pt_tok_json_str(const json_t *o, const char *key, const char **out);
/* missing: the value when the key is absent or null. */
pt_status pt_tok_json_bool(const json_t *o, const char *key, bool missing, bool *out);
/* One added token: an object {"content", "lstrip", ...} or its text alone. id: as stated, -1 for none; special: whatever the object says. */
pt_status pt_tok_json_added(pt_tokenizer *t, const json_t *o, int64_t id, bool special);
/* tok_config.c: tokenizer_config.json, special_tokens_map.json and added_tokens.json of a folder. */
pt_status pt_tok_config_read(pt_tokenizer *t, const char *dir);
/* Model, added tokens, steps and post-processor into t (pt_tok_finish comes later). */
pt_status pt_tok_json_read(pt_tokenizer *t, const char *path);
/* tok_json_steps.c: normalizer, pre_tokenizer, decoder. */
pt_status pt_tok_json_steps(pt_tokenizer *t, const json_t *root);
#endif
