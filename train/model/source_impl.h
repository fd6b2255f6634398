/* What the other files of train/model may know of a source. */
#ifndef PT_MODEL_SOURCE_IMPL_H
#define PT_MODEL_SOURCE_IMPL_H
#include "checkpoints/gguf.h"
#include "checkpoints/safetensors.h"
#include "train/model/families.h"

typedef struct pt_source_entry {
    pt_tensor_spec spec;
    pt_source_tensor t;      /* data NULL: not made yet (random, or stored in another order or transposed) */
    pt_source_tensor stored; /* the latter, as the file has it: data NULL elsewhere */
    void *made;              /* owned: random numbers, or what was stored set in our order */
} pt_source_entry;

struct pt_source {
    char *path;
    pt_model_config cfg;
    pt_st *st;     /* Hugging Face folder */
    const char *prefix; /* of its decoder's tensors, prefix_len bytes: what stands for the family's trunk, "model." */
    size_t prefix_len;
    pt_gguf *gguf; /* or a GGUF file */
    bool random;
    uint64_t seed;
    pt_source_entry *entries; /* sorted by name */
    size_t n_entries;
    pt_source_tensor freqs; /* GGUF: rope_freqs.weight */
    pt_tokenizer *tok;
    int32_t grown_first, grown_n; /* rows of added tokens (grow.c); 0 = none */
};

/* As pt_source_tensor_get; where data is to be made it stays NULL and nothing is made. */
pt_status pt_source_describe(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, pt_source_tensor *out);
/* rows*cols floats of a tensor, whatever its type; random sources make the numbers here and keep nothing. */
pt_status pt_source_load_f32(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, float *dst);
/* PT_EFORMAT where a file of ours is damaged (checkpoints/seal.h), PT_ENONFINITE naming the first tensor that holds a NaN or an
 * infinity. Reads every weight once, with all threads. */
pt_status pt_source_check_weights(const pt_source *s);
/* Tokenizer from GGUF metadata. */
pt_status pt_gguf_tokenizer(const pt_gguf *g, pt_tokenizer **out);
#endif
