/* What the files of train/model/family share: keys of config.json and of GGUF read with checks, and the parts of reading and writing that most
 * families have in common. Errors name the file and the key. */
#ifndef PT_MODEL_FAMILY_IO_H
#define PT_MODEL_FAMILY_IO_H
#include "base/json.h"
#include "checkpoints/gguf.h"
#include "checkpoints/hf.h"
#include "train/model/families.h"

/* ---- config.json ------------------------------------------------------------------------------------------------------------------ */

typedef struct pt_hf_reader {
    json_t *root;
    const char *where; /* the file */
    const pt_family *family;
} pt_hf_reader;

/* The member when it is there and not null. */
json_t *pt_key_get(json_t *o, const char *key);
/* fallback < 0: the key is required. Whole numbers may be spelled as reals (4096.0). 0..2^31-1. */
pt_status pt_key_int(const pt_hf_reader *r, const char *key, int64_t fallback, int *out);
/* A length that only says "at most so far": any number past an int is as good as the largest int (10^30, 2^63). */
pt_status pt_key_reach(const pt_hf_reader *r, const char *key, int64_t fallback, int *out);
/* A finite number in object o. */
pt_status pt_key_num(const char *where, json_t *o, const char *key, double fallback, double *out);
pt_status pt_key_bool(const pt_hf_reader *r, const char *key, bool fallback, bool *out);
/* Borrowed of r; fallback may be NULL. */
pt_status pt_key_text(const pt_hf_reader *r, const char *key, const char *fallback, const char **out);

/* Names and defaults of the sizes. A name NULL: the common one ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
 * "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps"); "": no such key, the default holds. */
typedef struct pt_size_keys {
    const char *vocab, *hidden, *ffn, *layers, *heads, *kv_heads, *head_dim, *positions, *eps;
    int vocab_default, heads_default; /* 0: the key is required */
    int kv_heads_default; /* 0 = as many as heads */
    int head_dim_default; /* 0 = hidden / heads */
    int positions_default; /* 0 = 2048 */
    int ffn_times;        /* without the key, so many times hidden; 0: the key is required */
    double eps_default;   /* 0 = 1e-6 */
    bool tied_default;
} pt_size_keys;
/* Sizes, eps, initializer_range, tie_word_embeddings. NULL: all common. */
pt_status pt_hf_read_sizes(pt_model_config *c, const pt_hf_reader *r, const pt_size_keys *k);
/* An activation by transformers' name. */
pt_status pt_hf_read_act(pt_model_config *c, const pt_hf_reader *r, const char *key, const char *fallback);
/* window: what sliding_window says (0 = none); without layer_types every layer from c->window_from_layer on has it. layer_types names each. */
pt_status pt_hf_read_layer_types(pt_model_config *c, const pt_hf_reader *r, int window);
/* sliding_window (missing: the default), then layer_types. */
pt_status pt_hf_read_window(pt_model_config *c, const pt_hf_reader *r, int window_default);
/* rope_theta, scaling. partial: the family rotates partial_rotary_factor of each head (missing: the default, 0 stands for 1); else that key is not
 * read, as transformers does not. */
pt_status pt_hf_read_rope(pt_model_config *c, const pt_hf_reader *r, bool partial, double partial_default);
/* One scaling object ("rope_type", "factor", ...). */
pt_status pt_hf_read_scaling(pt_model_config *c, json_t *scaling, const pt_hf_reader *r);
/* LongRoPE (train/model/longrope.c): the object of rope scaling after c->rot is known; both lists and attention_factor are read. */
pt_status pt_longrope_from_hf(pt_model_config *c, json_t *scaling, const pt_hf_reader *r);
/* bos, eos, pad. */
void pt_hf_read_ids(pt_model_config *c, const pt_hf_reader *r);
/* Sizes, activation, rope and ids of Llama's spelling. */
pt_status pt_family_read_hf(pt_model_config *c, const pt_hf_reader *r);

/* ---- GGUF ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct pt_gguf_reader {
    const pt_gguf *g;
    const char *arch;
    const pt_family *family;
    char key[128];
} pt_gguf_reader;

/* "llama.rope.freq_base" of "rope.freq_base"; stands in r until the next call. */
const char *pt_meta_key(pt_gguf_reader *r, const char *name);
bool pt_meta_has(pt_gguf_reader *r, const char *name);
/* fallback < 0: required. Of a list of one number a layer all must be equal. */
pt_status pt_meta_int(pt_gguf_reader *r, const char *name, int64_t fallback, int *out);
pt_status pt_meta_num(pt_gguf_reader *r, const char *name, double fallback, double *out);
pt_status pt_meta_bool(pt_gguf_reader *r, const char *name, bool fallback, bool *out);
/* Sizes and eps (RMS or LayerNorm's, by c->norm). */
pt_status pt_gguf_read_sizes(pt_model_config *c, pt_gguf_reader *r);
pt_status pt_gguf_read_rope(pt_model_config *c, pt_gguf_reader *r);
/* Whether the file has lists of factors; reading them with their keys. */
bool pt_longrope_in_gguf(const pt_gguf *g);
pt_status pt_longrope_from_gguf(pt_model_config *c, pt_gguf_reader *r);
/* Layers without the window (c->window is read): by attention.sliding_window_pattern, a flag a layer or "all but every n-th"; missing: n as given. */
pt_status pt_gguf_read_pattern(pt_model_config *c, pt_gguf_reader *r, int n);
/* Sizes, rope, the window and ids of Llama's keys. */
pt_status pt_family_read_gguf(pt_model_config *c, pt_gguf_reader *r);

/* ---- writing: the whole of what from_hf and from_gguf read ------------------------------------------------------------------------------ */

/* For bases that have no config.json (GGUF, random), in the spelling that transformers 4 and 5 read. */
pt_status pt_family_write_hf(struct pt_hf *out, const pt_model_config *c);
/* Its parts: sizes under the names of k (NULL: the common ones), model_type, eps, initializer_range, tie_word_embeddings, ids; the activation; rope. */
pt_status pt_hf_write_sizes(struct pt_hf *out, const pt_model_config *c, const pt_size_keys *k);
pt_status pt_hf_write_act(struct pt_hf *out, const pt_model_config *c, const char *key);
pt_status pt_hf_write_rope(struct pt_hf *out, const pt_model_config *c);
pt_status pt_longrope_to_hf(struct pt_hf *out, const pt_model_config *c);
/* layer_types of the windowed layers. */
pt_status pt_hf_write_layer_types(struct pt_hf *out, const pt_model_config *c);
pt_status pt_family_write_gguf(struct pt_gguf_writer *w, const pt_model_config *c);
/* Its parts. The keys of one architecture: pt_gguf_arch_u32(w, c, "attention.head_count", 4). */
pt_status pt_gguf_arch_u32(struct pt_gguf_writer *w, const pt_model_config *c, const char *name, uint32_t v);
pt_status pt_gguf_arch_f32(struct pt_gguf_writer *w, const pt_model_config *c, const char *name, float v);
pt_status pt_gguf_arch_text(struct pt_gguf_writer *w, const pt_model_config *c, const char *name, const char *v);
pt_status pt_gguf_arch_bool(struct pt_gguf_writer *w, const pt_model_config *c, const char *name, bool v);
pt_status pt_gguf_write_sizes(struct pt_gguf_writer *w, const pt_model_config *c);
/* The window, and where its layers are not all but every n-th, a flag a layer. */
pt_status pt_gguf_write_pattern(struct pt_gguf_writer *w, const pt_model_config *c, int n);
pt_status pt_gguf_write_rope(struct pt_gguf_writer *w, const pt_model_config *c);

/* Keys of LongRoPE, for architectures of which llama.cpp reads the factors. */
pt_status pt_longrope_to_gguf(struct pt_gguf_writer *w, const pt_model_config *c);

/* ---- keys that change the arithmetic (config_keys.c) ------------------------------------------------------------------------------------ */

/* PT_ENOSUP naming the first key that says something and that r->family does not honour. */
pt_status pt_hf_refuse_unknown(const pt_hf_reader *r);
pt_status pt_gguf_refuse_unknown(pt_gguf_reader *r);
/* Whether general.name says that the tokens of turns take the white space behind them (Phi-3; train/model/source_tok.c). */
bool pt_gguf_name_strips(const char *name);
#endif
