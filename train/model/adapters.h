/* What export needs of the adapter bank. */
#ifndef PT_MODEL_ADAPTERS_H
#define PT_MODEL_ADAPTERS_H
#include "checkpoints/peft.h"
#include "train/model/model_impl.h"

/* Rows of a module's B [rows, cols] (or any matrix or vector over its outputs) from Hugging Face's order into the stored one
 * (to_stored) or back; a plain copy where both are the same. src and dst do not overlap. */
void pt_lora_permute_b(const pt_model *m, int kind, const float *src, float *dst, int64_t rows, int64_t cols, bool to_stored);
#endif
