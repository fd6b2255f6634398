/* Importances of the input columns of a model's matrices ("imatrix"): the mean over tokens of the squared input, by which quantisers weigh their
 * errors. What llama-imatrix of llama.cpp computes, in its files:
 *   GGUF   general.type = "imatrix", imatrix.datasets, .chunk_count, .chunk_size; for each matrix, by its GGUF name, NAME.in_sum2 [columns] (sums
 *          over tokens) and NAME.counts [1] (tokens), f32
 *   .dat   i32 entries; each: i32 length, name, i32 calls, i32 columns, f32 mean * calls; then i32 chunks, i32 length, data's name. Little endian
 * Both are read; GGUF is written. */
#ifndef PT_EXPORT_IMATRIX_H
#define PT_EXPORT_IMATRIX_H
#include "train/model/model.h"

typedef struct pt_imatrix_entry {
    char *name; /* "blk.0.attn_q.weight" */
    int64_t cols;
    double count; /* tokens, or what a .dat calls calls */
    float *mean;  /* [cols] */
} pt_imatrix_entry;

typedef struct pt_imatrix {
    char *path;                /* where it was read; NULL: computed here */
    char *data;                /* what it was computed on; NULL: not known */
    int64_t chunks, chunk_size; /* tokens of a chunk */
    pt_imatrix_entry *entries; /* by name */
    size_t n, cap;
} pt_imatrix;
void pt_imatrix_free(pt_imatrix *im); /* safe on zeros */

/* PT_EFORMAT: damaged, a GGUF file of something else, a number that is negative or not finite, an entry that stands twice. */
pt_status pt_imatrix_read(pt_imatrix *out, const char *path);
pt_status pt_imatrix_write(const pt_imatrix *im, const char *path);

/* The means of a matrix of so many columns; NULL: it has none. */
const float *pt_imatrix_mean(const pt_imatrix *im, const char *name, int64_t cols);
/* PT_EARG, naming file and matrix, unless it is of this model: each matrix of its blocks has an entry of its width, and no entry is of a matrix that it
 * has not. Embedding and head may be without. */
pt_status pt_imatrix_check(const pt_imatrix *im, const pt_model *m);

/* Computing: begin; forward passes of the model (all tokens that are alive in them count); end, which leaves the model and makes the means. *im is
 * zeros before. One at a time. PT_ENOSUP: a family without GGUF names. PT_ENONFINITE: an input is not finite. Sums are double. */
typedef struct pt_imatrix_run pt_imatrix_run;
pt_status pt_imatrix_begin(pt_imatrix_run **out, pt_model *m);
pt_status pt_imatrix_end(pt_imatrix_run *run, pt_imatrix *im);
void pt_imatrix_run_free(pt_imatrix_run *run); /* NULL is fine; after end, or instead of it */
#endif
