/* GGUF files, versions 2 and 3, little endian: reading (memory-mapped) and streaming writing.
 *
 * Format (ggml, docs/gguf.md): "GGUF", u32 version, u64 tensors, u64 keys; the keys (string, u32 type, value); per tensor
 * name, u32 dimensions, u64 sizes (fastest first), u32 type, u64 offset; padding to the alignment; the data. Checked on
 * opening: every length against the bytes left, keys and tensor names distinct and valid UTF-8, dimensions 1..4 and positive,
 * offsets aligned and inside the file, no overlap. A model split over several files (NAME-00001-of-0000N.gguf, as llama-gguf-split writes
 * them) is opened by its first file: keys are that file's, tensors those of all. A tensor of a type that we cannot read is kept by its number and refused by
 * name when asked for (pt_gguf_need). Errors are PT_EFORMAT and name the file and the key or tensor. Everything points into the
 * map and lives until pt_gguf_close. */
#ifndef PT_CHECKPOINTS_GGUF_H
#define PT_CHECKPOINTS_GGUF_H
#include "base/dtype.h"
#include "base/file.h"
#include "checkpoints/seal.h"

typedef enum pt_gguf_type {
    PT_GGUF_U8,
    PT_GGUF_I8,
    PT_GGUF_U16,
    PT_GGUF_I16,
    PT_GGUF_U32,
    PT_GGUF_I32,
    PT_GGUF_F32,
    PT_GGUF_BOOL,
    PT_GGUF_STR,
    PT_GGUF_ARRAY,
    PT_GGUF_U64,
    PT_GGUF_I64,
    PT_GGUF_F64,
    PT_GGUF_TYPE_COUNT
} pt_gguf_type;

enum { PT_GGUF_MAX_DIMS = 4, PT_GGUF_ALIGNMENT = 32 };

typedef struct pt_gguf_kv {
    const char *key;   /* ends with a zero */
    pt_gguf_type type; /* PT_GGUF_ARRAY: `elem` says of what (never arrays) */
    pt_gguf_type elem;
    uint64_t count;            /* elements of an array, else 1 */
    const unsigned char *data; /* the value as stored: of a string its u64 length and bytes; of an array its first element */
    size_t bytes;
} pt_gguf_kv;

/* A string in the file: n bytes, no zero after them, any bytes. */
typedef struct pt_gguf_str {
    const char *s;
    size_t n;
} pt_gguf_str;

typedef struct pt_gguf_tensor {
    const char *name; /* ends with a zero */
    int type_id;      /* ggml_type of the file */
    bool known;       /* type and bytes are valid */
    pt_dtype type;
    int n_dims;
    int64_t dims[PT_GGUF_MAX_DIMS]; /* fastest first (dims[0] = row length); the missing ones are 1 */
    int64_t rows;                   /* product of dims[1..] */
    const unsigned char *data;
    size_t bytes;
} pt_gguf_tensor;

typedef struct pt_gguf {
    char *path;
    pt_map map;
    uint32_t version;
    size_t alignment;
    pt_gguf_kv *kvs; /* in file order */
    size_t n_kvs;
    pt_gguf_tensor *tensors; /* in file order */
    size_t n_tensors;
    uint32_t *kv_order, *tensor_order; /* indices sorted by name */
    struct pt_gguf **parts;            /* of a split model: its further files, open; their tensors are listed here too */
    size_t n_parts, n_own;             /* n_own: the first so many tensors lie in this file */
} pt_gguf;

pt_status pt_gguf_open(pt_gguf **out, const char *path);
void pt_gguf_close(pt_gguf *g); /* NULL is fine */
/* A file of ours is whole (checkpoints/seal.h): PT_EFORMAT when it is damaged, a warning when another program edited it. Reads every byte of it, and of
 * the further files of a split model; a foreign file passes. */
pt_status pt_gguf_verify(const pt_gguf *g);

/* NULL when there is none. */
const pt_gguf_kv *pt_gguf_find(const pt_gguf *g, const char *key);
const pt_gguf_tensor *pt_gguf_find_tensor(const pt_gguf *g, const char *name);
/* The named tensor, of a type that we read. PT_EFORMAT: missing; PT_ENOSUP: its type, by ggml's name. */
pt_status pt_gguf_need(const pt_gguf *g, const char *name, const pt_gguf_tensor **out);
/* PT_ESHAPE, naming tensor and both shapes, unless t is [cols, rows] (rows = 1 also takes one dimension). */
pt_status pt_gguf_check_shape(const pt_gguf *g, const pt_gguf_tensor *t, int64_t rows, int64_t cols);
/* Name of a ggml type number, "type 77" style for unknown ones; static or thread-local text. */
const char *pt_gguf_type_name(int type_id);

/* Typed values. PT_EFORMAT naming file and key when the key is missing, has another kind of type or is out of range. Any
 * integer type serves pt_gguf_int; any integer or float type pt_gguf_num. For optional keys ask pt_gguf_find first. */
pt_status pt_gguf_int(const pt_gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out);
pt_status pt_gguf_num(const pt_gguf *g, const char *key, double *out);
pt_status pt_gguf_bool(const pt_gguf *g, const char *key, bool *out);
pt_status pt_gguf_text(const pt_gguf *g, const char *key, pt_gguf_str *out);
/* Owned copy with a zero at the end; PT_EFORMAT when the text holds a zero byte. */
pt_status pt_gguf_text_dup(const pt_gguf *g, const char *key, char **out);
/* Arrays, as owned memory (free); *n elements. */
pt_status pt_gguf_texts(const pt_gguf *g, const char *key, pt_gguf_str **out, size_t *n);
pt_status pt_gguf_ints(const pt_gguf *g, const char *key, int64_t **out, size_t *n);
pt_status pt_gguf_nums(const pt_gguf *g, const char *key, double **out, size_t *n);

/* Writing: open; put keys; declare tensors; write their bytes in the order declared, in pieces of any size (padding is added
 * between tensors); commit. Version 3, alignment 32. The file appears at commit or not at all. A key put twice is PT_EARG.
 *
 * With a limit (pt_gguf_writer_limit) tensors are dealt over files as llama-gguf-split --split-max-size does: a file takes the next tensor while the
 * data of all in it, padded, is no more than the limit; one that is larger has a file of its own. One file keeps the path; several are
 * called NAME-00001-of-0000N.gguf (the path without .gguf), the first with all keys, each with split.no, split.count and split.tensors.count. They
 * appear at commit, the first of them last. */
typedef struct pt_gguf_part { /* a file */
    pt_outfile out;
    pt_str infos;                  /* its tensors, encoded */
    size_t first, n_tensors, data; /* data: bytes, padded */
    pt_seal seal;
    pt_seal_at seal_at; /* in the file; zeros = no seal */
} pt_gguf_part;
typedef struct pt_gguf_writer {
    char *path;
    pt_str kvs; /* encoded */
    uint64_t n_kvs, n_tensors;
    void *seen;    /* JSON object used as a set of names */
    size_t *sizes; /* bytes of each tensor */
    size_t sizes_cap;
    pt_gguf_part *parts; /* at least one */
    size_t n_parts, parts_cap, limit;
    size_t part, tensor, within; /* position while streaming */
    bool streaming;
    pt_seal_at seal_at; /* in kvs; zeros = no seal */
} pt_gguf_writer;
pt_status pt_gguf_writer_open(pt_gguf_writer *w, const char *path);
/* Bytes of tensors a file, at most; before the first tensor is declared. */
void pt_gguf_writer_limit(pt_gguf_writer *w, size_t bytes);
/* Owned: the path of file i of n of the writer's path. */
pt_status pt_gguf_part_path(char **out, const char *path, size_t i, size_t n);
pt_status pt_gguf_put_u32(pt_gguf_writer *w, const char *key, uint32_t v);
pt_status pt_gguf_put_i32(pt_gguf_writer *w, const char *key, int32_t v);
pt_status pt_gguf_put_u64(pt_gguf_writer *w, const char *key, uint64_t v);
pt_status pt_gguf_put_f32(pt_gguf_writer *w, const char *key, float v);
pt_status pt_gguf_put_bool(pt_gguf_writer *w, const char *key, bool v);
pt_status pt_gguf_put_text(pt_gguf_writer *w, const char *key, const char *text, size_t n);
pt_status pt_gguf_put_texts(pt_gguf_writer *w, const char *key, const pt_gguf_str *texts, size_t n);
pt_status pt_gguf_put_i32s(pt_gguf_writer *w, const char *key, const int32_t *v, size_t n);
pt_status pt_gguf_put_u32s(pt_gguf_writer *w, const char *key, const uint32_t *v, size_t n);
pt_status pt_gguf_put_u8s(pt_gguf_writer *w, const char *key, const unsigned char *v, size_t n);
pt_status pt_gguf_put_f32s(pt_gguf_writer *w, const char *key, const float *v, size_t n);
/* The keys of checkpoints/seal.h; the digest is filled in by the commit. */
pt_status pt_gguf_put_seal(pt_gguf_writer *w);
/* The value of another file, verbatim, under `key` (NULL = its own). */
pt_status pt_gguf_put_copy(pt_gguf_writer *w, const char *key, const pt_gguf_kv *kv);
/* dims fastest first. PT_ENOSUP: a type that GGUF does not know; PT_ESHAPE: dims[0] is no multiple of the block. */
pt_status pt_gguf_put_tensor(pt_gguf_writer *w, const char *name, pt_dtype type, int n_dims, const int64_t *dims);
pt_status pt_gguf_write(pt_gguf_writer *w, const void *data, size_t bytes);
/* PT_ESTATE when bytes are missing. */
pt_status pt_gguf_writer_commit(pt_gguf_writer *w);
/* Always call it; removes what was not committed. Safe on a zeroed struct. */
void pt_gguf_writer_close(pt_gguf_writer *w);
#endif
