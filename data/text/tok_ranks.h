/* Vocabularies that are lists of byte strings with ranks: tiktoken's files and Mistral's tekken.json. A word that is in the list is one token; any
 * other is merged from its bytes, always the two neighbours whose union has the lowest rank (leftmost first), as tiktoken does
 * (https://github.com/openai/tiktoken, src/lib.rs). There are no merges in such a file: all ways to make a token of two others are listed here
 * (pt_tok_ranks_merges), ordered by the token's rank and then by the ranks of the two, which is what llama.cpp's and transformers' converters write.
 * Included by data/text/tok_*.c only. */
#ifndef PT_DATA_TOK_RANKS_H
#define PT_DATA_TOK_RANKS_H
#include "data/text/tok_priv.h"

/* Bytes of a base64 text (RFC 4648 with padding) into out (room for n / 4 * 3); false when it is none. */
bool pt_tok_base64(const char *s, size_t n, char *out, size_t *out_n);
/* A token of 1 to PT_TOK_RANK_BYTES bytes. */
enum { PT_TOK_RANK_BYTES = 1024 };
pt_status pt_tok_ranks_put(pt_tokenizer *t, int64_t id, const char *bytes, size_t n);
/* A special token under its own id. */
pt_status pt_tok_ranks_special(pt_tokenizer *t, int64_t id, const char *text);
/* Splits by pattern too (NULL: that is done); what stands in the file is complete: PT_EFORMAT when a byte has no token. */
pt_status pt_tok_ranks_settle(pt_tokenizer *t, const char *pattern);
/* From pt_tok_finish, once raw forms are there. */
pt_status pt_tok_ranks_merges(pt_tokenizer *t);

/* tekken.json, with what stands beside it in the folder dir (NULL: nothing). */
pt_status pt_tok_tekken_read(pt_tokenizer *t, const char *path, const char *dir);
bool pt_tok_is_tekken(const char *text, size_t n);
/* Lines of "base64 rank". Such a file says nothing of how text is split and which special tokens there are: that is known of cl100k, o200k, qwen,
 * llama3 and glm4, by the file's name, or by model_type in the folder's config.json. PT_ENOSUP otherwise. */
pt_status pt_tok_tiktoken_read(pt_tokenizer *t, const char *path, const char *dir);
bool pt_tok_is_tiktoken(const char *text, size_t n);
#endif
