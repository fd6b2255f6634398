/* Hugging Face folders: config.json as typed values, and export folders that appear whole or not at all. */
#ifndef PT_CHECKPOINTS_HF_H
#define PT_CHECKPOINTS_HF_H
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* One JSON file read (config.json, generation_config.json, tokenizer_config.json ...). Keys are paths of names with dots
 * between: "rope_scaling.factor". A key that is missing or null is "not there". Errors are PT_EFORMAT and read "FILE:
 * rope_scaling.factor is a text, not a number". */
typedef struct pt_hf pt_hf;
pt_status pt_hf_open(pt_hf **out, const char *folder, const char *file);
/* From text (a config written in YAML elsewhere, tests); `name` stands in errors. */
pt_status pt_hf_parse(pt_hf **out, const char *json, size_t n, const char *name);
void pt_hf_close(pt_hf *c); /* NULL is fine */
const char *pt_hf_path(const pt_hf *c);

typedef enum pt_hf_need { PT_HF_OPTIONAL, PT_HF_REQUIRED } pt_hf_need;
/* All: *out keeps its value (the caller's default) when an optional key is not there; a required one is an error. */
bool pt_hf_has(const pt_hf *c, const char *key);
pt_status pt_hf_int(const pt_hf *c, const char *key, pt_hf_need need, int64_t lo, int64_t hi, int64_t *out);
/* Any finite number. */
pt_status pt_hf_num(const pt_hf *c, const char *key, pt_hf_need need, double *out);
pt_status pt_hf_bool(const pt_hf *c, const char *key, pt_hf_need need, bool *out);
/* Lives until pt_hf_close. */
pt_status pt_hf_text(const pt_hf *c, const char *key, pt_hf_need need, const char **out);
/* A list of integers, or one integer (eos_token_id is either); *out owned by the caller, replaced when the key is there. */
pt_status pt_hf_ints(const pt_hf *c, const char *key, pt_hf_need need, int64_t **out, size_t *n);
/* A list of numbers (rope factors); as pt_hf_ints. */
pt_status pt_hf_nums(const pt_hf *c, const char *key, pt_hf_need need, double **out, size_t *n);
/* A list of texts (architectures, layer_types): element i, or PT_HF_REQUIRED's error when i is out of range; *n = length. */
pt_status pt_hf_text_at(const pt_hf *c, const char *key, pt_hf_need need, size_t i, const char **out, size_t *n);

/* Writing: a copy of a config (or an empty one) with keys changed. A path's objects are made where they are missing; an object
 * in the way of another type is replaced. */
pt_status pt_hf_edit(pt_hf **out, const pt_hf *base, const char *name);
pt_status pt_hf_set_int(pt_hf *c, const char *key, int64_t v);
pt_status pt_hf_set_num(pt_hf *c, const char *key, double v);
pt_status pt_hf_set_bool(pt_hf *c, const char *key, bool v);
/* null: "none", where a missing key would stand for a default. */
pt_status pt_hf_set_null(pt_hf *c, const char *key);
pt_status pt_hf_set_text(pt_hf *c, const char *key, const char *v);
/* One-element list, as in architectures. */
pt_status pt_hf_set_texts(pt_hf *c, const char *key, const char *const *v, size_t n);
pt_status pt_hf_set_ints(pt_hf *c, const char *key, const int64_t *v, size_t n);
pt_status pt_hf_set_nums(pt_hf *c, const char *key, const double *v, size_t n);
/* An integer under a name with any characters in the object `key`, which is made where it is missing. */
pt_status pt_hf_set_member(pt_hf *c, const char *key, const char *name, int64_t v);
pt_status pt_hf_remove(pt_hf *c, const char *key);
/* To folder/file, indented, whole or not at all. */
pt_status pt_hf_write(const pt_hf *c, const char *folder, const char *file);

/* Export folders: files are written into pt_hf_folder.tmp; commit flushes them and renames the folder to its final name,
 * replacing a folder of that name (which is moved aside first and removed last). Close without commit removes the temporary
 * folder. */
typedef struct pt_hf_folder {
    char *path, *tmp;
} pt_hf_folder;
/* PT_EARG when path exists and is neither an empty folder nor one that `replace` allows. */
pt_status pt_hf_folder_open(pt_hf_folder *f, const char *path, bool replace);
/* Copies the tokenizer's files of `from` that exist: tokenizer.json, tokenizer_config.json, tokenizer.model,
 * special_tokens_map.json, added_tokens.json, vocab.json, merges.txt, chat_template.jinja; *n = how many (may be NULL). */
pt_status pt_hf_folder_copy_tokenizer(pt_hf_folder *f, const char *from, int *n);
/* Copies the Python files of `from`: the code of models that transformers has not, named by auto_map. */
pt_status pt_hf_folder_copy_code(pt_hf_folder *f, const char *from);
pt_status pt_hf_folder_copy(pt_hf_folder *f, const char *from_path, const char *name);
pt_status pt_hf_folder_commit(pt_hf_folder *f);
void pt_hf_folder_close(pt_hf_folder *f); /* safe on a zeroed struct */
#endif
