/* Taking a trained model out: PEFT adapter, merged Hugging Face folder, merged GGUF, GGUF LoRA. Files appear whole or not at
 * all. */
#ifndef PT_MODEL_EXPORT_H
#define PT_MODEL_EXPORT_H
#include "data/text/template.h"
#include "train/model/model.h"

/* Keys of config.json where a classifier does not read the last token. */
#define PT_HF_POOLING "ptrain_pooling"
#define PT_HF_POOLING_TOKEN "ptrain_pooling_token"

/* The file that was written, or the first of several; the types of its tensors, in the order of pt_config_tensors. Owned: pt_export_wrote_free. */
typedef struct pt_export_wrote {
    char *path;
    size_t files;
    pt_dtype *types;
    size_t n_types;
} pt_export_wrote;
void pt_export_wrote_free(pt_export_wrote *w);

typedef struct pt_export_options {
    pt_dtype type; /* stored type of matrices: f32, f16, bf16; gguf also the mix of that name; PT_DTYPE_COUNT, gguf: as the base stores them, but
                      what an adapter changed in fewer than 8 bits is q8_0; hf: f32 for a base whose matrices are all f32, or where bf16
                      would keep less than PT_EXPORT_KEEP of what was learnt (pt_export_kept), else bf16 */
    const struct pt_mix *mix; /* gguf: instead of type (train/export/mix.h); NULL = none */
    const struct pt_imatrix *imatrix; /* gguf: importances that quantising weighs errors by (train/export/imatrix.h); NULL = none */
    const pt_dtype *changed; /* gguf, type PT_DTYPE_COUNT: the least type of what an adapter changed; NULL = as said there */
    const pt_template *tmpl; /* the template that was trained; written into the files; may be NULL */
    const pt_tokenizer *tok;
    size_t split;          /* gguf: bytes of tensors a file, at most (pt_gguf_writer_limit); 0 = one file */
    pt_export_wrote *wrote; /* gguf: what came of it; may be NULL */
    const char *base_name; /* base_model_name_or_path in adapter_config.json */
    char *const *labels; size_t n_labels; /* hf: names of a classifier's labels; none, or another number than it has: LABEL_0 ... */
    const char *pooling, *pooling_token; /* hf: where the head reads, if not at the last token: "mean", or "token" and which; kept under names of ours */
    const char *problem_type; /* hf: transformers' word for what they are; NULL = said nowhere */
    uint64_t *trial;       /* hf, peft. Not NULL: everything is done but the weights' data, which are counted here (bytes) and not
                              written: what would fail fails, and the files beside the weights appear */
} pt_export_options;
/* The share of what was learnt that an export is to keep. */
#define PT_EXPORT_KEEP 0.95
/* The gain that a quantised file is to keep: (loss(base in the same types) - loss(file)) / (loss(base) - loss(run)). */
#define PT_EXPORT_GAIN 0.8
/* The share of the change of the weights that is left where they are written as `type`: the written change along the change, over the change
 * squared, on a piece of every changed matrix. 1 = all (rounding in both directions evens out), 0 = rounded back to the base; NAN where
 * nothing changed. gguf: norms and rows as a GGUF file of this family has them; the share is the same either way. */
pt_status pt_export_kept(pt_model *m, bool gguf, pt_dtype type, double *kept);
/* peft and hf also write what stands beside the weights (train/export/export_beside.c): the tokenizer that was trained with, its template, the
 * end tokens. */
pt_status pt_export_peft(pt_model *m, const char *dir, const pt_export_options *opt); /* folder */
pt_status pt_export_hf(pt_model *m, const char *dir,
                       const pt_export_options *opt); /* folder: merged (or fully tuned) weights, config, tokenizer */
pt_status pt_export_gguf(pt_model *m, const char *file, const pt_export_options *opt); /* one file: merged */
pt_status pt_export_gguf_lora(pt_model *m, const char *file, const pt_export_options *opt);
#endif
