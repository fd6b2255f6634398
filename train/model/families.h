/* Families of models. A family is one file in train/model/family: what config.json and GGUF call its keys and tensors, and which switches of
 * pt_model_config it sets. The decoder itself (block.c) knows switches only. docs/families.md adds one as an example.
 *
 * Every family is a decoder of this shape: embedding (+ learned positions), blocks of attention and MLP around a residual stream with norms before
 * them, behind them or both, a norm, a head. */
#ifndef PT_MODEL_FAMILIES_H
#define PT_MODEL_FAMILIES_H
#include "train/model/source.h"

/* The linear layers of a block; LoRA numbers them so, and what is new stands behind (dropout is keyed by the number). A model has those that its
 * switches ask for: q, k, v or qkv; gate, up, or gate_up, or up alone. The last two stand outside of blocks. */
typedef enum pt_module {
    PT_MOD_Q,
    PT_MOD_K,
    PT_MOD_V,
    PT_MOD_O,
    PT_MOD_GATE,
    PT_MOD_UP,
    PT_MOD_DOWN,
    PT_MOD_QKV,
    PT_MOD_GATE_UP,
    PT_MOD_IN,  /* [hidden, embed_width]: from the embedding to the first block */
    PT_MOD_OUT, /* [embed_width, hidden]: from the last norm to the heads */
    PT_MOD_COUNT
} pt_module;

/* What a tensor is in the decoder: a module's weight and bias bear the module's number. */
typedef enum pt_part {
    PT_PART_EMBED = PT_MOD_COUNT,
    PT_PART_POSITIONS, /* learned: [learned_positions + position_offset, hidden] */
    PT_PART_NORM,      /* the last */
    PT_PART_HEAD,
    PT_PART_NORM1, /* before attention */
    PT_PART_POST1, /* on what attention gives */
    PT_PART_NORM2, /* before the MLP */
    PT_PART_POST2, /* on what the MLP gives */
    PT_PART_QNORM,
    PT_PART_KNORM,
    PT_PART_SIDE1, /* NORM1 and NORM2 of parallel blocks with a norm for each; called as these where a family has no name of its own for them */
    PT_PART_SIDE2,
    PT_PART_SUM1, /* NORM1 and NORM2 that stand behind the residual sums, and are called as these */
    PT_PART_SUM2,
    PT_PART_COUNT
} pt_part;

/* How a matrix of ours [out, in] lies in Hugging Face's file. GGUF files hold ours. */
typedef enum pt_layout {
    PT_LAYOUT_ROWS,       /* the same */
    PT_LAYOUT_TRANSPOSED, /* [in, out] (GPT-2's Conv1D) */
    PT_LAYOUT_STACKED,    /* of norms [heads, head_dim]: a tensor for each row (StableLM 2 12B), pt_tensor_row_name */
    PT_LAYOUT_GROUPED     /* rows of qkv by key head: its query heads, then its k, then its v (InternLM2, Falcon); ours: all q, all k, all v */
} pt_layout;

/* Names without ".weight" and without what stands before them: in a block behind the trunk and "layers.0." (GGUF: "blk.0."), outside behind the trunk,
 * a head's as it is. */
typedef struct pt_part_name {
    int part; /* pt_part or pt_module */
    const char *hf, *gguf;
} pt_part_name;

struct pt_hf_reader;
struct pt_gguf_reader;
struct pt_hf;
struct pt_gguf_writer;

typedef struct pt_family {
    const char *name;       /* = Hugging Face's model_type */
    const char *title;      /* for messages: "qwen2 (Qwen 2 and 2.5)" */
    const char *causal;     /* architectures[0] of the language model */
    const char *classifier; /* of the reward model (sequence classification); NULL: transformers has none */
    const char *gguf;       /* general.architecture; NULL: llama.cpp has none */
    const char *trunk, *block; /* before names of Hugging Face's tensors: "model." and "layers."; NULL stands for these */
    const pt_part_name *names; /* where they differ from pt_family_common_names; ends with hf NULL */
    const char *const *reads, *const *reads_gguf; /* keys that change the arithmetic (config_keys.c) and that this family honours; end with NULL */
    bool windowed;          /* has a sliding_window (init: random) */
    double rotated;         /* part of each head that rotates, of a random base; 0 stands for 1. Files say theirs */
    bool permuted;          /* GGUF stores Q and K rows for adjacent rotary pairs */
    pt_layout layout[PT_MOD_COUNT], qk_norm_layout;
    /* Of named mixes (train/export/mix.h): some rules are others; models of so many layers count as of 70 G parameters, but where large_shared is set
     * only those whose key heads are shared. 0: none does. */
    bool mixed_apart, large_shared;
    int large_layers;
    /* The switches that all models of the family have; sizes are not set yet. */
    void (*shape)(pt_model_config *c);
    /* What follows from sizes, where it is 0 still (Gemma's embed_scale); of a random base, and of readers that call it. NULL: nothing. */
    void (*derive)(pt_model_config *c);
    /* config.json and GGUF keys to the rest, and back. NULL stands for pt_family_read_hf and so on (family_io.h), which do all that Llama's files need. */
    pt_status (*from_hf)(pt_model_config *c, const struct pt_hf_reader *r);
    pt_status (*from_gguf)(pt_model_config *c, struct pt_gguf_reader *r);
    pt_status (*to_hf)(struct pt_hf *out, const pt_model_config *c);
    pt_status (*to_gguf)(struct pt_gguf_writer *w, const pt_model_config *c);
    /* Of a GGUF architecture that several families share: whether this file's keys are this one's. NULL: yes. */
    bool (*is_gguf)(const pt_model_config *c);
} pt_family;

/* name NULL: the first one. NULL when there is none. */
const pt_family *pt_family_find(const char *name);
const pt_family *pt_family_by_gguf(const char *arch, size_t n);
/* Of the families with f's GGUF architecture the one that c (read as f) is of: "llama" is also what Mistral is stored as; without a window it reads as
 * family llama (the same arithmetic). */
const pt_family *pt_family_of_gguf(const pt_family *f, const pt_model_config *c);
/* "llama (Llama 2 and 3, SmolLM2, TinyLlama), mistral, ...": for messages; returns out. */
enum { PT_FAMILY_TITLES = 1024 };
const char *pt_family_titles(char out[PT_FAMILY_TITLES]);
const pt_family *pt_family_of(const pt_model_config *c);
extern const pt_part_name pt_family_common_names[];

/* "self_attn.q_proj", of this family */
const char *pt_module_name(const pt_family *f, pt_module m);
/* Whether `name` is the last part of a linear layer's name in any family. */
bool pt_module_known(const char *name);
bool pt_module_on(const pt_model_config *c, pt_module m);
/* Whether a module that is there is layer `layer`'s; -1: outside blocks. */
static inline bool pt_module_in(pt_module m, int layer)
{
    return (m >= PT_MOD_IN) == (layer < 0);
}
/* The norm that a block begins with; PT_PART_POST1 where there is none before attention. */
int pt_first_norm(const pt_model_config *c);
/* Output and input features. */
void pt_module_shape(const pt_model_config *c, pt_module m, int64_t *out, int64_t *in);
/* "model.layers.3.self_attn.q_proj", layer -1: outside blocks. PT_EINTERNAL where it does not fit. */
pt_status pt_part_path(const pt_family *f, int part, int layer, char *out, size_t size);

/* Every tensor of a model of this shape. */
typedef enum pt_tensor_kind {
    PT_TENSOR_MATRIX,
    PT_TENSOR_EMBED,
    PT_TENSOR_HEAD,
    PT_TENSOR_NORM,
    PT_TENSOR_BIAS /* of a linear layer or of a norm */
} pt_tensor_kind;
typedef struct pt_tensor_spec {
    char name[96]; /* Hugging Face's: "model.layers.0.self_attn.q_proj.weight" */
    pt_tensor_kind kind;
    int part;           /* pt_module or pt_part */
    int64_t rows, cols; /* vectors: rows 1, but norms with a weight for each head */
    int layer;          /* -1 outside blocks */
    int module;         /* pt_module of matrices and their biases, else -1 */
    int rotary_heads;   /* heads whose rows a GGUF of a permuted family reorders, 0 = none */
    int head;           /* which kind (train/model/heads.h), of PT_TENSOR_HEAD */
    pt_layout layout;   /* in Hugging Face's file */
} pt_tensor_spec;
static inline bool pt_tensor_is_vector(const pt_tensor_spec *t)
{
    return t->kind == PT_TENSOR_NORM || t->kind == PT_TENSOR_BIAS;
}
/* Owned list in the order of a forward pass; of the heads asked for (PT_HEAD_*) those that are not tied to the embedding. values: width of PT_HEAD_VALUES. */
pt_status pt_config_tensors(const pt_model_config *c, unsigned heads, int values, pt_tensor_spec **out, size_t *n);
/* The name of a matrix that every model of this config has: the first layer's. */
pt_status pt_config_matrix_name(const pt_model_config *c, char *out, size_t size);
/* Hugging Face's name of row r of a PT_LAYOUT_STACKED tensor: "...q_layernorm.weight" is "...q_layernorm.norms.3.weight". */
void pt_tensor_row_name(const pt_tensor_spec *t, int64_t r, char out[128]);
/* The tensor's name in a GGUF file; false where it has none ("score.weight"). */
bool pt_tensor_gguf_name(const pt_family *f, const pt_tensor_spec *t, char *out, size_t size);

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
/* How rows (of a matrix, of LoRA's B; elements of a bias) are set in another order: row r of the new order is row pt_row_from(c, order, r) of the old. */
typedef enum pt_rows_order {
    PT_ROWS_SAME,
    PT_ROWS_FROM_ADJACENT,
    PT_ROWS_TO_ADJACENT,
    PT_ROWS_FROM_GROUPED, /* PT_LAYOUT_GROUPED to ours */
    PT_ROWS_TO_GROUPED
} pt_rows_order;
int64_t pt_row_from(const pt_model_config *c, pt_rows_order order, int64_t r);
/* From what a model of config c holds of a module to Hugging Face's order, or GGUF's; from Hugging Face's to what it holds. */
pt_rows_order pt_rows_to_hf(const pt_model_config *c, int module);
pt_rows_order pt_rows_to_gguf(const pt_model_config *c, int module);
pt_rows_order pt_rows_of_hf(const pt_model_config *c, int module);
/* norm_add of models out of Hugging Face's files. */
float pt_family_norm_add(const pt_family *f);
/* c as its family has it where weights are new: no order or offset of a file is kept. */
void pt_config_forget_file(pt_model_config *c);

/* config.json (as text) or GGUF keys to one config. PT_ENOSUP names what is not supported; PT_EFORMAT what is broken. `where`
 * is the path for messages. rope_kind is as the rows lie: the family's own from Hugging Face, the other where GGUF
 * permutes them (c->permuted). */
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
/* The two tensors of LongRoPE's factors in a GGUF file: declared, then written in the same order. */
pt_status pt_longrope_declare(struct pt_gguf_writer *w, const pt_model_config *c);
pt_status pt_longrope_write(struct pt_gguf_writer *w, const pt_model_config *c);
/* Of layers with PT_LAYER_LOCAL. */
void pt_rope_local_frequencies(const pt_model_config *c, float *inv_freq);
/* slope[heads] of ALiBi: of n = the power of two at or below heads, alibi * 2^(-8 (h+1) / n) for the first n; for the others every second slope
 * of 2n heads (Press et al. 2022, arXiv:2108.12409, and their code). */
void pt_alibi_slopes(const pt_model_config *c, float *slope);
#endif
