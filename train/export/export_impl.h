/* Shared by the exports: a model's tensors, merged, in pieces of rows. */
#ifndef PT_MODEL_EXPORT_IMPL_H
#define PT_MODEL_EXPORT_IMPL_H
#include "checkpoints/hf.h"
#include "train/model/adapters.h"
#include "train/export/export.h"
#include "train/export/imatrix.h"
#include "train/export/mix.h"

/* One tensor on its way out. Pieces are whole heads where rows are reordered, so that no more than a piece lies in memory. */
typedef struct pt_out_tensor {
    pt_model *m;
    const pt_tensor_spec *spec;
    pt_source_tensor src; /* as the base stores it; data NULL for trained weights */
    pt_view trained;      /* full tuning, scalar head: part of the flat vector */
    float *fresh;         /* rows of added tokens that were trained beside LoRA, [n, cols] of those from m->new_rows.first on; NULL = none */
    float *a, *b;         /* the adapter of this matrix: [r,in], [out,r] in the stored row order; NULL = none */
    int r;
    float scale;
    pt_rows_order order; /* of rows, or of a bias's elements */
    bool transposed;     /* to [in, out]; the piece is the whole matrix */
    float shift;         /* added to each number: what a norm's weight in use has that the stored one has not */
    float *rows, *turned; /* a piece; turned: NULL where rows keep their order */
    int64_t piece;        /* rows of one */
} pt_out_tensor;
typedef enum pt_out_format { PT_OUT_HF, PT_OUT_GGUF } pt_out_format;
pt_status pt_out_open(pt_out_tensor *o, pt_model *m, const pt_tensor_spec *spec, pt_out_format format);
void pt_out_close(pt_out_tensor *o);
/* Rows [r0, r0+n) in the target's order as floats; r0 a multiple of o->piece, n <= o->piece. Of a transposed
 * matrix: all rows at once, as [cols, rows]. */
pt_status pt_out_rows(pt_out_tensor *o, int64_t r0, int64_t n, const float **rows);
/* True when the stored bytes can be copied as they are into `type`. */
bool pt_out_verbatim(const pt_out_tensor *o, pt_dtype type);
/* Writes the whole tensor as `type` through put(user, bytes, n). weights: of its columns (pt_quant_rows_weighted), NULL = none. */
typedef pt_status (*pt_out_put)(void *user, const void *data, size_t bytes);
pt_status pt_out_write(pt_out_tensor *o, pt_dtype type, const float *weights, pt_out_put put, void *user);
/* Types of a GGUF file's tensors, asked for in the order of m->specs. start: PT_EARG where importances are missing or of another model. */
typedef struct pt_type_choice {
    const pt_export_options *opt;
    const pt_mix *mix; /* NULL: as the base stores them */
    pt_mix_model model;
    pt_mix_walk walk;
} pt_type_choice;
const pt_mix *pt_export_mix(const pt_export_options *opt);
pt_status pt_type_choice_start(pt_type_choice *c, const pt_model *m, const pt_export_options *opt);
pt_status pt_type_choice_next(pt_type_choice *c, const pt_out_tensor *o, const char *name, pt_dtype *out);
/* Downloads A and B of slot 0 of a module; B in the stored order. Owned. */
pt_status pt_out_adapter(pt_model *m, const pt_lora_module *x, float **a, float **b);
const pt_lora_module *pt_lora_module_at(const pt_model *m, int layer, int kind);
/* f32, f16 and bf16 for safetensors: PT_ENOSUP else; COUNT takes `fallback`. */
pt_status pt_export_plain_type(pt_dtype asked, pt_dtype fallback, pt_dtype *out);
/* Hugging Face's tokenizer.json for a tokenizer that came from GGUF metadata; *made false: its pre-tokenizer has no exact counterpart there,
 * which is noted (log). */
pt_status pt_export_tokenizer_json(const char *dir, const pt_tokenizer *t, bool *made);
/* Makes dir/tokenizer.json put BOS before a text where t does, and nowhere else. */
pt_status pt_export_tokenizer_bos(const char *dir, const pt_tokenizer *t);
/* Enters the tokens [first, first + n) of t, which config added, into the tokenizer's files that were copied to dir from its own folder. */
pt_status pt_export_tokenizer_added(const char *dir, const pt_tokenizer *t, int32_t first, int32_t n);
/* Token ids that the files of a folder agree on. */
typedef struct pt_export_ids {
    bool known, of_base; /* known: there is a tokenizer; of_base: it is the base's, whose files may keep what they say besides */
    int32_t bos, pad; /* -1: the tokenizer has none */
    int64_t *eos;     /* every token that ends an answer: the base's list, then what generation stops at here; owned */
    size_t n_eos;
} pt_export_ids;
pt_status pt_export_ids_make(const pt_model *m, const pt_export_options *opt, pt_export_ids *out);
void pt_export_ids_free(pt_export_ids *ids);
/* bos_token_id, eos_token_id, pad_token_id of config.json or generation_config.json. */
pt_status pt_export_put_ids(const pt_export_ids *ids, pt_hf *c);
/* The files beside the weights of a folder: tokenizer, template, generation_config.json. */
pt_status pt_export_beside(const pt_model *m, const char *dir, const pt_export_options *opt);
/* GGUF keys of the tokenizer; w was opened. */
/* Keys of a GGUF base that stay true of what was made of it; after pt_gguf_put_vocab. */
pt_status pt_gguf_put_base_keys(pt_gguf_writer *w, const pt_model *m, const pt_export_options *opt);
pt_status pt_gguf_put_vocab(pt_gguf_writer *w, const pt_model *m, const pt_export_options *opt);
#endif
