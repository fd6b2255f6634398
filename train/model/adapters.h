/* What export and guests (guests.c) need of the adapter bank. */
#ifndef PT_MODEL_ADAPTERS_H
#define PT_MODEL_ADAPTERS_H
#include "checkpoints/peft.h"
#include "train/model/model_impl.h"

/* Rows of a module's B [rows, cols] (or any matrix or vector over its outputs) from Hugging Face's order into the stored one
 * (to_stored) or back; a plain copy where both are the same. src and dst do not overlap. */
void pt_lora_permute_b(const pt_model *m, int kind, const float *src, float *dst, int64_t rows, int64_t cols, bool to_stored);
/* The modules of m that an adapter targets, with their ranks and scales: list[(layers + 1) * PT_MOD_COUNT], owned by the caller. Their ranks are noted in m's
 * blocks. dir: its folder, for messages; NULL = a fresh one. PT_EARG where it targets nothing, PT_ENOSUP what we have no place for. */
pt_status pt_lora_list(pt_model *m, const pt_peft *p, const char *dir, pt_lora_module **list, size_t *n);
/* Every LoRA matrix in the file must belong to a module of the list: else it would be lost silently. */
pt_status pt_lora_all_used(const pt_model *m, const pt_st *st, const pt_lora_module *list, size_t n);
/* Modules that read the same input: their A's lie one behind the other. */
bool pt_lora_same_input(const pt_lora_module *x, const pt_lora_module *y);
/* The first and the last of the modules that read what module `kind` reads. */
void pt_lora_group(int kind, int *first, int *last);
/* Elements of the list's largest matrix. */
size_t pt_lora_most(const pt_lora_module *list, size_t n);
/* A and B of a module out of the file to where the slot has them. one, two: [pt_lora_most]. */
pt_status pt_lora_read(const pt_model *m, const pt_st *st, const pt_lora_module *x, const pt_lora_slot *s, float *one, float *two);
#endif
