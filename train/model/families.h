/* The family table: one row per model family, and the names of tensors in Hugging Face's and GGUF's spelling.
 *
 * A family is a decoder of this shape: embedding, blocks of (RMS norm, attention with RoPE and GQA, residual; RMS norm, gated
 * MLP, residual), RMS norm, head. What differs are switches; adding a family is adding a row. */
#ifndef PT_MODEL_FAMILIES_H
#define PT_MODEL_FAMILIES_H
#include "train/model/source.h"

typedef enum pt_window_rule {
    PT_WINDOW_NEVER,  /* sliding_window is not a key of this family */
    PT_WINDOW_ALWAYS, /* sliding_window (null = none) holds for all layers */
    PT_WINDOW_FLAG    /* use_sliding_window and max_window_layers decide */
} pt_window_rule;

typedef struct pt_family {
    const char *name;       /* = Hugging Face's model_type */
    const char *causal;     /* architectures[0] of the language model */
    const char *classifier; /* of the reward model (sequence classification) */
    const char *gguf;       /* general.architecture */
    bool permuted;          /* GGUF stores Q and K rows for adjacent rotary pairs */
    bool qkv_bias, qk_norm;
    bool reads_attention_bias, reads_mlp_bias; /* keys of this family's config.json; elsewhere nobody reads them */
    pt_window_rule window;
    int default_window;   /* when config.json has no sliding_window key */
    int default_kv_heads; /* when config.json has no num_key_value_heads; 0 = as many as heads */
    int default_head_dim; /* likewise; 0 = hidden / heads */
} pt_family;

/* name NULL: the first one. NULL when there is none. GGUF's "llama" is also what Mistral is stored as: without a window it reads as family llama (the
 * same arithmetic). */
const pt_family *pt_family_find(const char *name);
const pt_family *pt_family_by_gguf(const char *arch, size_t n);
/* The family of the same GGUF architecture whose layers all use a window: what a file with a window key is; f itself when there
 * is none. */
const pt_family *pt_family_windowed(const pt_family *f);
/* "llama, mistral, qwen2, qwen3": for messages. */
const char *pt_family_names(void);

/* The linear layers of a block, in the order that LoRA numbers them. */
typedef enum pt_module { PT_MOD_Q, PT_MOD_K, PT_MOD_V, PT_MOD_O, PT_MOD_GATE, PT_MOD_UP, PT_MOD_DOWN, PT_MOD_COUNT } pt_module;
/* "self_attn.q_proj" */
const char *pt_module_name(pt_module m);
/* Output and input features. */
void pt_module_shape(const pt_model_config *c, pt_module m, int64_t *out, int64_t *in);

/* Every tensor of a model of this shape. */
typedef enum pt_tensor_kind {
    PT_TENSOR_MATRIX,
    PT_TENSOR_EMBED,
    PT_TENSOR_HEAD,
    PT_TENSOR_NORM,
    PT_TENSOR_BIAS
} pt_tensor_kind;
typedef struct pt_tensor_spec {
    char name[96]; /* Hugging Face's: "model.layers.0.self_attn.q_proj.weight" */
    pt_tensor_kind kind;
    int64_t rows, cols; /* vectors: rows 1 */
    int layer;          /* -1 outside blocks */
    int module;         /* pt_module of matrices and biases, else -1 */
    int rotary_heads;   /* heads whose rows a GGUF of a permuted family reorders, 0 = none */
    int head;           /* which kind (train/model/heads.h), of PT_TENSOR_HEAD */
} pt_tensor_spec;
/* Owned list in the order of a forward pass; of the heads asked for (PT_HEAD_*) those that are not tied to the embedding. values: width of PT_HEAD_VALUES. */
pt_status pt_config_tensors(const pt_model_config *c, unsigned heads, int values, pt_tensor_spec **out, size_t *n);

/* Names across the two formats; false when the name is none of this kind of model. "score.weight" has no GGUF name. */
bool pt_name_to_gguf(const char *hf, char *out, size_t size);
bool pt_name_to_hf(const char *gguf, char *out, size_t size);

/* Row of Hugging Face's order that stands at row r of GGUF's (adjacent pairs) order, for heads of `dim` rows: within a head row
 * 2i+s is row s*dim/2+i. And the other way round. */
static inline int64_t pt_row_hf_of_adjacent(int64_t r, int dim)
{
    int64_t head = r / dim, w = r % dim;
    return head * dim + (w % 2) * (dim / 2) + w / 2;
}
static inline int64_t pt_row_adjacent_of_hf(int64_t r, int dim)
{
    int64_t head = r / dim, w = r % dim, half = dim / 2;
    return head * dim + 2 * (w % half) + w / half;
}

/* config.json (as text) or GGUF keys to one config. PT_ENOSUP names what is not supported; PT_EFORMAT what is broken. `where`
 * is the path for messages. rope_kind is HALF from Hugging Face and by family from GGUF. */
pt_status pt_config_from_hf(pt_model_config *c, const char *json, size_t bytes, const char *where);
struct pt_gguf;
pt_status pt_config_from_gguf(pt_model_config *c, const struct pt_gguf *g);
/* Sizes that are positive, fit together and in memory. */
pt_status pt_config_check(const pt_model_config *c, const char *where);

/* Positions that the model is made for: max_position_embeddings, or what its rope scaling makes of the original ones where that is
 * more (configs state either); 0 = not known. */
int64_t pt_config_positions(const pt_model_config *c);
/* inv_freq[rot/2] under c's scaling; `freqs` are GGUF's divisors (rope_freqs.weight) for PT_ROPE_SCALE_FREQS, else NULL.
 * *mscale is what cos and sin are multiplied by. Formulas: Llama 3 (Meta's apply_scaling), YaRN (Peng et al. 2023,
 * arXiv:2309.00071, section 3.4), linear (positions divided by the factor). Equal to transformers' modeling_rope_utils. */
void pt_rope_frequencies(const pt_model_config *c, const float *freqs, float *inv_freq, float *mscale);
#endif
