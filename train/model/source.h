/* Where a base model comes from: a Hugging Face folder, one GGUF file, or `init: random`. Opens the files, reads the
 * configuration into one struct of switches, finds tensors by their Hugging Face names, and makes the tokenizer. Weights stay
 * mapped in their stored type. */
#ifndef PT_MODEL_SOURCE_H
#define PT_MODEL_SOURCE_H
#include <math.h>
#include "data/text/tokenizer.h"
#include "kernels/ops.h"

typedef enum pt_rope_scaling {
    PT_ROPE_SCALE_NONE,
    PT_ROPE_SCALE_LINEAR,
    PT_ROPE_SCALE_LLAMA3,
    PT_ROPE_SCALE_YARN,
    PT_ROPE_SCALE_FREQS,
    PT_ROPE_SCALE_LONG /* LongRoPE: one of two lists of divisors, by the length that is planned */
} pt_rope_scaling;

/* Heads (train/model/heads.h). The vocabulary's is lm_head.weight or, tied, the embedding; that of values is score.weight [n,hidden], trained, on an
 * answer's end token: a score, classes, a vector. */
enum { PT_HEAD_VOCABULARY = 1, PT_HEAD_VALUES = 2 };

typedef enum pt_norm_kind { PT_NORM_RMS, PT_NORM_LAYER } pt_norm_kind; /* kernels/norm.h */
/* q and k before the rotation: not normed, over the features of each head by one weight, over the whole row, or over each head by a weight of its own
 * [heads, head_dim]. */
typedef enum pt_qk_norm { PT_QK_NORM_NONE, PT_QK_NORM_HEADS, PT_QK_NORM_ROWS, PT_QK_NORM_EACH } pt_qk_norm;
enum { PT_MAX_LAYERS = 4096, PT_MAX_LONG_FACTORS = 256 };
/* In which way layer l differs from the others; 0 in none. */
enum {
    PT_LAYER_FULL = 1,    /* no window, though the model has one */
    PT_LAYER_LOCAL = 2,   /* rotates by rope_local_theta, without scaling */
    PT_LAYER_NO_ROPE = 4, /* does not rotate */
};

/* One model's shape and switches. A family (train/model/families.h) fills this from config.json or GGUF keys. A switch that is 0 is what Llama does. */
typedef struct pt_model_config {
    char family[16]; /* its name in the list of families */
    int vocab, hidden, ffn, layers, heads, kv_heads, head_dim, max_positions;
    int embed_width; /* of embedding and head where it is not hidden: a matrix leads into the blocks and one out of them (OPT-350M); 0 = hidden */
    /* norms */
    pt_norm_kind norm;
    pt_qk_norm qk_norm;
    bool norm_bias;                /* LayerNorm's bias */
    bool norm_plain;               /* norms have no weights (OLMo 1) */
    bool no_pre_norm;              /* attention and the MLP read the residual stream as it is (OLMo 2) */
    bool post_norm;                /* what they give is normed before it joins the residual stream (Gemma 2, OLMo 2, GLM-4) */
    bool sum_norm;                 /* the norms stand behind the residual sums, and what goes on is normed (OPT-350M): none before the first block, none of its own before the head */
    float norm_eps, norm_add;      /* norm_add: the weight in use is what is stored + this (Gemma: 1 in Hugging Face's files, 0 in GGUF) */
    /* residual stream */
    bool parallel;                 /* h + attention(norm(h)) + mlp(norm(h)) (Wang & Komatsuzaki 2021, GPT-J); else one after the other */
    bool shared_norm;              /* of parallel ones: the MLP reads what attention reads; else it has a norm of its own */
    float embed_scale, residual_scale, logit_scale, attn_scale; /* 0 stands for 1, 1, 1, 1/sqrt(head_dim) */
    bool attn_scale_by_layer;          /* layer l divides its scores by l + 1 besides */
    float attn_softcap, logit_softcap; /* scores, logits are cap * tanh(x / cap); 0 = none */
    /* linear layers */
    bool qkv_bias, o_bias, mlp_bias, tied;
    float clip_qkv;                /* q, k and v, behind their linear layers and before the rotation, are held between -this and this; 0 = they are not */
    bool fused_qkv, fused_gate_up; /* one matrix, rows q k v or gate up: one linear layer to an adapter */
    bool normed_head;              /* rows of the head are divided by their length when they are loaded (Baichuan 2); GGUF files hold them so */
    bool plain_mlp;                /* down(act(up x)); else down(act(gate x) * up x) */
    pt_act_kind act;
    /* which layers differ */
    int window;            /* 0 = none */
    int window_from_layer; /* layers >= this use the window (Qwen2's max_window_layers); 0 = all */
    unsigned char layer[PT_MAX_LAYERS]; /* PT_LAYER_* of each */
    /* positions: rope, learned, ALiBi, or none of them */
    int learned_positions, position_offset; /* rows of the table of learned ones, 0 = none; row of position 0 */
    float alibi;            /* 0 = none; else head h's slope is alibi * 2^(-8 (h + 1) / heads) as Press et al. 2022 have it (families.h) */
    double rope_theta, rope_local_theta;
    int rot;                /* rotary features a head; = head_dim unless partial; 0 = no rope */
    pt_rope_kind rope_kind; /* as the stored Q/K rows need it */
    bool rope_dynamic;      /* angles change beyond max_positions (dynamic NTK): longer sequences are refused */
    bool permuted;          /* stored Q/K rows are in another order than Hugging Face's: pairs adjacent (GGUF arch llama) */
    pt_rope_scaling scaling;
    double scale_factor, low_freq_factor, high_freq_factor, beta_fast, beta_slow, attention_factor;
    int original_positions;
    int bos, eos, pad; /* -1 = none */
    double initializer_range;
    float short_factor[PT_MAX_LONG_FACTORS], long_factor[PT_MAX_LONG_FACTORS]; /* of PT_ROPE_SCALE_LONG, [rot / 2] */
    bool rope_long; /* the long ones are in use: pt_source_reach */
    bool yarn_no_truncate; /* YaRN's ramp between real dimensions instead of whole ones (rope_parameters.truncate: false) */
} pt_model_config;

/* The window of layer l, 0 where it has none. */
static inline int pt_config_window(const pt_model_config *c, int l)
{
    return c->window && l >= c->window_from_layer && !(c->layer[l] & PT_LAYER_FULL) ? c->window : 0;
}
static inline float pt_config_attn_scale(const pt_model_config *c)
{
    return c->attn_scale > 0 ? c->attn_scale : 1.0f / sqrtf((float)c->head_dim);
}
/* Of layer l. */
static inline float pt_config_layer_scale(const pt_model_config *c, int l)
{
    return pt_config_attn_scale(c) / (float)(c->attn_scale_by_layer ? l + 1 : 1);
}
/* How many positions there are at all: of learned ones, and of angles that change beyond; 0 = no end. */
static inline int pt_config_reach(const pt_model_config *c)
{
    return c->learned_positions ? c->learned_positions : c->rope_dynamic ? c->max_positions : 0;
}
/* Features of an embedding's row, which are a head's. */
static inline int pt_config_embed(const pt_model_config *c)
{
    return c->embed_width ? c->embed_width : c->hidden;
}
/* A scale of which 0 stands for 1. */
static inline float pt_config_scale(float s)
{
    return s > 0 ? s : 1;
}

typedef struct pt_source pt_source;
/* path: a folder with config.json, or a GGUF file. Any family not in the table, any tensor type not listed: refused by name. */
pt_status pt_source_open(pt_source **out, const char *path);
pt_status pt_source_random(pt_source **out, const pt_model_config *cfg, uint64_t seed);
void pt_source_free(pt_source *s);
const pt_model_config *pt_source_config(const pt_source *s);
bool pt_source_is_gguf(const pt_source *s);
/* The longest sequence that is planned. Of LongRoPE it chooses between the two lists of factors as transformers does by each sequence's length: the long ones
 * where positions > original_positions. Chosen once, for training, evaluation and chat alike, before a model is made; without a call: the short ones. Says
 * what it chose (info). Part of pt_source_content. */
void pt_source_reach(pt_source *s, int64_t positions);
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
/* Rows [first, first + n) of the embedding (and of an untied head) are those of added tokens: the vocabulary grows to hold them, rows that are there already are
 * taken first. Their values are the mean of rows [0, first) of their matrix, or of the rows from[i] (of row first + i; NULL: none are named). Both matrices become copies in memory, in their own type, quantised ones as
 * f16. Before a model is made, once; PT_EARG for rows that would leave a gap. Says what it did (info). Part of pt_source_content. */
pt_status pt_source_grow(pt_source *s, int32_t first, int32_t n, const pt_ids *from);
/* How many there are, 0 = none; *first: the row of the first. */
int32_t pt_source_grown(const pt_source *s, int32_t *first);
/* "all linear layers stored quantised?" full tuning of a quantised base is refused by the trainer. */
bool pt_source_quantised(const pt_source *s);
#endif
