/* Safetensors files: reading (one file or a sharded Hugging Face folder, memory-mapped) and streaming writing.
 *
 * Format (huggingface/safetensors, "Format"): u64 header length, that many bytes of JSON {name: {dtype, shape, data_offsets}},
 * then the data; offsets count from the end of the header. Checked on opening, before any tensor is used: header length, JSON
 * (base/json.h), offsets inside the file, no overlap, no bytes that nothing describes, shape x size = bytes.
 * Errors are PT_EFORMAT and name the file and the tensor. Tensor data may lie at any address: read it with memcpy or
 * base/quant.h. Tensors point into the maps and live until pt_st_close. */
#ifndef PT_CHECKPOINTS_SAFETENSORS_H
#define PT_CHECKPOINTS_SAFETENSORS_H
#include "base/dtype.h"
#include "base/file.h"
#include "checkpoints/seal.h"

enum { PT_ST_MAX_DIMS = 8 };

typedef struct pt_st_tensor {
    const char *name;
    const char *file;   /* path of the file that holds it */
    char type_name[16]; /* as the file spells it: "BF16" */
    bool known;         /* type is valid; false for types that we only carry (their bytes are not checked) */
    pt_dtype type;
    int n_dims;                   /* 0 = a scalar */
    int64_t dims[PT_ST_MAX_DIMS]; /* outermost first, as PyTorch prints it */
    int64_t count;                /* elements */
    const unsigned char *data;
    size_t bytes;
} pt_st_tensor;

typedef struct pt_st {
    char *path;
    struct pt_st_file *files;
    size_t n_files;
    pt_st_tensor *tensors; /* sorted by name (byte order) */
    size_t n_tensors;
} pt_st;

/* path: a .safetensors file, or a folder with model.safetensors or model.safetensors.index.json and its shards. The index says
 * which shards there are, as in transformers; of a tensor in two shards that of the one it names counts. */
pt_status pt_st_open(pt_st **out, const char *path);
void pt_st_close(pt_st *st); /* NULL is fine */
/* A text of __metadata__ (of the first file); NULL when there is none. */
const char *pt_st_meta(const pt_st *st, const char *key);
/* Files of ours are whole (checkpoints/seal.h): PT_EFORMAT names one that is damaged, a warning one that was edited. Reads every byte of them; foreign files pass. */
pt_status pt_st_verify(const pt_st *st);
/* NULL when there is none. */
const pt_st_tensor *pt_st_find(const pt_st *st, const char *name);
/* The named tensor, which must be F32, F16 or BF16: PT_EFORMAT when it is missing, PT_ENOSUP naming another type. */
pt_status pt_st_need(const pt_st *st, const char *name, const pt_st_tensor **out);
/* PT_ESHAPE, naming tensor and both shapes, unless t is exactly dims[n_dims]. */
pt_status pt_st_check_shape(const pt_st_tensor *t, int n_dims, const int64_t *dims);
/* All elements (t->count) to float. */
pt_status pt_st_to_f32(const pt_st_tensor *t, float *dst);

/* Writing: open; add every tensor; write their bytes in the order added, in pieces of any size; commit. The file appears at
 * commit or not at all. __metadata__ holds {"format": "pt"}, the seal (checkpoints/seal.h), and what pt_st_writer_meta adds. */
typedef struct pt_st_writer {
    pt_outfile out;
    void *header;    /* JSON under construction */
    size_t declared; /* bytes of data declared */
    size_t written;  /* bytes of data written */
    bool streaming;  /* the header is out */
    size_t *sizes;   /* [n_tensors] bytes of each */
    size_t sizes_cap, n_tensors;
    size_t tensor, within; /* position while streaming */
    pt_seal seal;
    pt_seal_at seal_at;
} pt_st_writer;
pt_status pt_st_writer_open(pt_st_writer *w, const char *path);
pt_status pt_st_writer_meta(pt_st_writer *w, const char *key, const char *value);
/* type: f32 f16 bf16 f64 i32 u64 u8. PT_EARG for a name added twice, a negative dimension, or a tensor that would lie
 * unaligned (add wider types first). */
pt_status pt_st_writer_add(pt_st_writer *w, const char *name, pt_dtype type, int n_dims, const int64_t *dims);
pt_status pt_st_writer_write(pt_st_writer *w, const void *data, size_t bytes);
/* PT_ESTATE when bytes are missing. */
pt_status pt_st_writer_commit(pt_st_writer *w);
/* Always call it; removes what was not committed. Safe on a zeroed struct. */
void pt_st_writer_close(pt_st_writer *w);
#endif
