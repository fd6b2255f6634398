/* Named mixes of a GGUF file: "Q4_K_M" is a type for most matrices and others for those that few bits hurt more. Which tensor gets which is what
 * llama-quantize of llama.cpp chooses (src/llama-quant.cpp, as of llama-cpp-python 0.3.36), for models without experts. */
#ifndef PT_EXPORT_MIX_H
#define PT_EXPORT_MIX_H
#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "train/model/families.h"

typedef struct pt_mix pt_mix;

/* By name, any case ("q4_k_m"); "Q3_K", "Q4_K" and "Q5_K" are their _M. NULL: unknown. */
const pt_mix *pt_mix_find(const char *name);
const char *pt_mix_name(const pt_mix *m);      /* "Q4_K_M" */
uint32_t pt_mix_file_type(const pt_mix *m);    /* general.file_type */
pt_dtype pt_mix_most(const pt_mix *m);         /* what most matrices are */
bool pt_mix_needs_imatrix(const pt_mix *m);    /* llama-quantize refuses it without */
/* A larger one that keeps more whatever the rows fall back to, to advise; NULL behind Q8_0. */
const pt_mix *pt_mix_larger(const pt_mix *m);
/* "Q2_K, Q2_K_S, ...": for messages; returns out. */
enum { PT_MIX_NAMES = 256 };
const char *pt_mix_names(char out[PT_MIX_NAMES]);

/* What the choice depends on beside a tensor's name. */
typedef struct pt_mix_model {
    const pt_family *family;
    int layers, heads, kv_heads;
    bool tied;    /* there is no output.weight */
    bool imatrix; /* importances are at hand */
} pt_mix_model;

/* Where a walk over the tensors stands; zeros at its start. */
typedef struct pt_mix_walk {
    int values, downs;
} pt_mix_walk;

/* The type of a matrix by its GGUF name ("blk.0.attn_v.weight") and row length. Matrices are asked for in the order of layers, each once: the choice
 * counts them. Rows that are no multiple of a block of 256 get a type of blocks of 32, and f16 where that does not fit either. */
pt_dtype pt_mix_type(const pt_mix *m, const pt_mix_model *model, pt_mix_walk *walk, const char *name, int64_t cols);
#endif
