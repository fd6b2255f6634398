/* Files of SentencePiece (tokenizer.model): a row of tok_hf.c's table. */
#ifndef PT_DATA_TOK_SENTENCEPIECE_H
#define PT_DATA_TOK_SENTENCEPIECE_H
#include "data/text/tok_priv.h"

/* What pt_tok_format wants. */
bool pt_tok_sentencepiece_is(const char *bytes, size_t n);
pt_status pt_tok_sentencepiece_read(pt_tokenizer *t, const char *path, const char *dir);
#endif
