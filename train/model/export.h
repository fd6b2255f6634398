/* Taking a trained model out: PEFT adapter, merged Hugging Face folder, merged GGUF, GGUF LoRA. Files appear whole or not at
 * all. */
#ifndef PT_MODEL_EXPORT_H
#define PT_MODEL_EXPORT_H
#include "data/template.h"
#include "train/model/model.h"

typedef struct pt_export_options {
    pt_dtype type; /* stored type of matrices: f32, f16, bf16; gguf also q8_0, q4_0...; PT_DTYPE_COUNT = as the base stores them
                      (gguf); f32 for a base whose matrices are all f32, else bf16 (hf) */
    const pt_template *tmpl; /* the template that was trained; written into the files; may be NULL */
    const pt_tokenizer *tok;
    const char *base_name; /* base_model_name_or_path in adapter_config.json */
    uint64_t *trial;       /* hf, peft. Not NULL: everything is done but the weights' data, which are counted here (bytes) and not
                              written: what would fail fails, and the files beside the weights appear */
} pt_export_options;
/* peft and hf also write what stands beside the weights (train/model/export_beside.c): the tokenizer that was trained with, its template, the
 * end tokens. */
pt_status pt_export_peft(pt_model *m, const char *dir, const pt_export_options *opt); /* folder */
pt_status pt_export_hf(pt_model *m, const char *dir,
                       const pt_export_options *opt); /* folder: merged (or fully tuned) weights, config, tokenizer */
pt_status pt_export_gguf(pt_model *m, const char *file, const pt_export_options *opt); /* one file: merged */
pt_status pt_export_gguf_lora(pt_model *m, const char *file, const pt_export_options *opt);
#endif
