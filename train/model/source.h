/* Where a base model comes from: a Hugging Face folder, one GGUF file, or `init: random`. Opens the files, reads the
 * configuration into one struct of switches, finds tensors by their Hugging Face names, and makes the tokenizer. Weights stay
 * mapped in their stored type. */
#ifndef PT_MODEL_SOURCE_H
#define PT_MODEL_SOURCE_H
#include "data/text/tokenizer.h"
#include "kernels/ops.h"

typedef enum pt_rope_scaling {
    PT_ROPE_SCALE_NONE,
    PT_ROPE_SCALE_LINEAR,
    PT_ROPE_SCALE_LLAMA3,
    PT_ROPE_SCALE_YARN,
    PT_ROPE_SCALE_FREQS
} pt_rope_scaling;

/* Heads (train/model/heads.h). The vocabulary's is lm_head.weight or, tied, the embedding; that of values is score.weight [n,hidden], trained, on an
 * answer's end token: a score, classes, a vector. */
enum { PT_HEAD_VOCABULARY = 1, PT_HEAD_VALUES = 2 };

/* One model's shape and switches. Families are rows of one table (train/model/families.c) that fill this from config.json or
 * GGUF keys. */
typedef struct pt_model_config {
    char family[16]; /* "llama", "mistral", "qwen2", "qwen3": a row of the family table */
    int vocab, hidden, ffn, layers, heads, kv_heads, head_dim, max_positions;
    bool qkv_bias, qk_norm, tied;
    pt_act_kind act;
    float norm_eps;
    int window;            /* 0 = none */
    int window_from_layer; /* layers >= this use the window (Qwen2's max_window_layers); 0 = all */
    /* rope */
    double rope_theta;
    int rot;                /* rotary features a head; = head_dim unless partial */
    pt_rope_kind rope_kind; /* as the stored Q/K rows need it: ADJACENT for GGUF arch llama */
    pt_rope_scaling scaling;
    double scale_factor, low_freq_factor, high_freq_factor, beta_fast, beta_slow, attention_factor;
    int original_positions;
    int bos, eos, pad; /* -1 = none */
    double initializer_range;
    float logit_softcap;   /* logits are cap * tanh(logits / cap); 0 = none */
    bool yarn_no_truncate; /* YaRN's ramp between real dimensions instead of whole ones (rope_parameters.truncate: false) */
} pt_model_config;

typedef struct pt_source pt_source;
/* path: a folder with config.json, or a GGUF file. Any family not in the table, any tensor type not listed: refused by name. */
pt_status pt_source_open(pt_source **out, const char *path);
pt_status pt_source_random(pt_source **out, const pt_model_config *cfg, uint64_t seed);
void pt_source_free(pt_source *s);
const pt_model_config *pt_source_config(const pt_source *s);
bool pt_source_is_gguf(const pt_source *s);
/* Whether a tokenizer comes with the weights, good or broken: a folder's tokenizer.json or a file of another format, a GGUF file's vocabulary. */
bool pt_source_has_vocabulary(const pt_source *s);
const char *pt_source_path(const pt_source *s);
/* The tokenizer of the source, owned by the source; PT_EARG when there is none (random, or a folder without a file of a tokenizer). */
pt_status pt_source_tokenizer(pt_source *s, const pt_tokenizer **out);
/* Only the tokenizer of a GGUF file, of any architecture (vocabulary-only files too); owned by the caller. */
pt_status pt_source_vocabulary(const char *gguf_path, pt_tokenizer **out);
/* Whether a path is meant as a GGUF file: it ends in .gguf, or is a file that begins as one. */
bool pt_source_names_gguf(const char *path);
/* The tokenizer alone at a path: a GGUF file's, or that of a tokenizer.json or its folder; owned by the caller. */
pt_status pt_source_tokenizer_at(pt_tokenizer **out, const char *path);
/* A tensor by its Hugging Face name ("model.layers.0.self_attn.q_proj.weight"): pointer into the mapping, type and shape [rows,
 * cols] (vectors: rows 1). PT_EFORMAT when missing or of another shape than asked (rows/cols 0 = any). GGUF Q/K rows are NOT
 * unpermuted: cfg.rope_kind says how they lie. */
typedef struct pt_source_tensor {
    const void *data;
    size_t bytes;
    pt_dtype type;
    int64_t rows, cols;
} pt_source_tensor;
pt_status pt_source_tensor_get(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, pt_source_tensor *out);
bool pt_source_has(const pt_source *s, const char *hf_name);
/* Bytes of all weights as stored; number of parameters. */
uint64_t pt_source_weight_bytes(const pt_source *s);
uint64_t pt_source_parameters(const pt_source *s);
/* Digest of names, types, shapes and every byte of the weights, and of the numbers of the config that the arithmetic reads: guards
 * ranks, resume and reference caches. Where the files lie does not count. Reads all weights once, with all threads (which loading
 * them does too: what is cold now is warm then). Of a random source: its seed instead of weights. */
uint64_t pt_source_content(const pt_source *s);
/* "all linear layers stored quantised?" full tuning of a quantised base is refused by the trainer. */
bool pt_source_quantised(const pt_source *s);
#endif
