/* PEFT LoRA adapters: adapter_config.json, which modules it targets, and the names in adapter_model.safetensors.
 *
 * Semantics: PEFT 0.21 (peft/tuners/lora/config.py, tuners_utils.check_target_module_exists, utils.other.get_pattern_key). A
 * module path is that of the Hugging Face model, such as "model.layers.0.self_attn.q_proj". Regular expressions run in PCRE2
 * (UTF, with a match limit), which reads all of Python's `re` that such patterns use. Fields that we cannot honour are
 * PT_ENOSUP by name; broken files are PT_EFORMAT. */
#ifndef PT_CHECKPOINTS_PEFT_H
#define PT_CHECKPOINTS_PEFT_H
#include "checkpoints/safetensors.h"

typedef struct pt_peft_pattern {
    char *text;
    void *code;   /* compiled */
    double value; /* rank or alpha of the modules that match */
} pt_peft_pattern;

typedef struct pt_peft_list {
    char **names;
    size_t n, cap;
} pt_peft_list;

typedef struct pt_peft_patterns {
    pt_peft_pattern *items;
    size_t n, cap;
} pt_peft_patterns;

typedef struct pt_peft {
    int64_t r;
    double alpha, dropout;
    bool rslora;
    bool fan_in_fan_out;          /* the base's matrices are stored transposed (GPT-2's Conv1D). Written; A and B lie as ever, and PEFT itself sets it by the layer */
    pt_peft_list targets;         /* full paths or suffixes after a dot */
    pt_peft_pattern target_regex; /* text NULL unless target_modules is one text: the whole path must match */
    bool all_linear;              /* target_modules: all-linear: every linear but the output head */
    pt_peft_list exclude;
    pt_peft_pattern exclude_regex;
    pt_peft_list modules_to_save;
    int64_t *layers; /* layers_to_transform; NULL = all */
    size_t n_layers;
    pt_peft_list layers_pattern;
    pt_peft_patterns ranks, alphas; /* rank_pattern, alpha_pattern: a key matches at the end of the path, after a dot */
    int64_t *rows; /* trainable_token_indices: rows of the embedding that stand in the adapter whole, not as a difference */
    size_t n_rows;
    pt_peft_list row_modules;       /* of which modules, where that key is a mapping (the same rows of each); none: of the embedding and what is tied to it */
    char *task_type;                /* "CAUSAL_LM", "SEQ_CLS" or NULL */
    char *base_model;               /* base_model_name_or_path, NULL when absent */
} pt_peft;

/* An adapter with r, alpha, no dropout and nothing targeted. Fields may be set directly; lists and patterns by the functions
 * below. */
pt_status pt_peft_new(pt_peft **out, int64_t r, double alpha);
void pt_peft_free(pt_peft *p); /* NULL is fine */
/* Whether a target holds characters that no module path has: then it is meant as a regular expression. */
bool pt_peft_is_regex(const char *target);
/* target_modules as one text: a regular expression, or "all-linear". PT_EARG when it does not compile. */
pt_status pt_peft_set_target_regex(pt_peft *p, const char *regex);
pt_status pt_peft_set_exclude_regex(pt_peft *p, const char *regex);
pt_status pt_peft_list_add(pt_peft_list *l, const char *name);
/* rank_pattern / alpha_pattern entries. */
pt_status pt_peft_patterns_add(pt_peft_patterns *l, const char *regex, double value);
pt_status pt_peft_set_text(char **field, const char *text); /* task_type, base_model; text may be NULL */

/* Reads adapter_config.json of a folder. */
pt_status pt_peft_read(pt_peft **out, const char *folder);
/* Writes folder/adapter_config.json in PEFT's keys (those that PEFT 0.8 and later know), whole or not at all. */
pt_status pt_peft_write(const pt_peft *p, const char *folder);

/* Whether a name of `targets` is the path itself, or its end after a dot. */
bool pt_peft_name_fits(const char *name, const char *path);
/* Is this linear module given an adapter? */
pt_status pt_peft_targets(const pt_peft *p, const char *path, bool *out);
/* Rank, alpha and scale (alpha / r, or alpha / sqrt(r) with rsLoRA) of a targeted module. */
pt_status pt_peft_scale(const pt_peft *p, const char *path, int64_t *r, double *alpha, double *scale);

/* Digest of what decides what the matrices mean (rank, alpha, rsLoRA, patterns, targets), 16 digits: weights keep it under this key. */
#define PT_PEFT_DIGEST_KEY "ptrain_adapter_config"
pt_status pt_peft_digest(const pt_peft *p, char out[17]);

typedef enum pt_peft_part {
    PT_PEFT_A,    /* lora_A.weight [r, in] */
    PT_PEFT_B,    /* lora_B.weight [out, r] */
    PT_PEFT_SAVED, /* a whole tensor of a module in modules_to_save; the path then ends in ".weight" or ".bias" */
    PT_PEFT_ROWS   /* token_adapter.trainable_tokens_delta [n, hidden]: the rows of `rows`, of the embedding or the head at the path */
} pt_peft_part;
#define PT_PEFT_ROWS_TAIL ".token_adapter.trainable_tokens_delta"
/* Tensor name in adapter_model.safetensors, owned: base_model.model.PATH.lora_A.weight; for SAVED base_model.model.PATH. */
pt_status pt_peft_tensor_name(char **out, const char *path, pt_peft_part part);
/* The inverse; ".default" (PEFT's adapter name) may stand before .weight. *path owned. PT_ENOSUP, naming the tensor, for parts
 * that are not LoRA matrices of a linear (lora_embedding_A, lora_magnitude_vector, lora_B.bias ...). */
pt_status pt_peft_parse_name(const char *name, char **path, pt_peft_part *part);
/* The adapter's tensors: opens folder/adapter_model.safetensors and checks that every name parses, every A has its B and both
 * have two dimensions, rank r (PT_ESHAPE, naming them), and that all values are finite (PT_ENONFINITE, naming the tensor). A file of ours is
 * checked against its digest; a configuration other than the one that it was saved with is announced. */
pt_status pt_peft_open_tensors(const pt_peft *p, pt_st **out, const char *folder);
/* The tensor of a path and part, under either spelling; NULL when there is none. */
pt_status pt_peft_find(const pt_st *st, const char *path, pt_peft_part part, const pt_st_tensor **out);
#endif
