/* Formats of files that hold a vocabulary: a row of tok_hf.c's table each; included by data/text/tok_*.c only. */
#ifndef PT_DATA_TOK_FORMAT_H
#define PT_DATA_TOK_FORMAT_H
#include "data/text/tok_priv.h"

typedef struct pt_tok_format {
    const char *name; /* of the file in a folder; two formats may have one name */
    /* Whether these are a file's bytes (all of them), by their beginning. */
    bool (*is)(const char *bytes, size_t n);
    /* Fills t up to what pt_tok_finish makes. dir: the folder that the file was found in, whose other files are read afterwards; NULL for a file
     * that was named by itself. Errors name the path. */
    pt_status (*read)(pt_tokenizer *t, const char *path, const char *dir);
} pt_tok_format;
#endif
