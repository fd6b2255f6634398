/* The seal of a result file: three keys of ours in the file's own metadata, which other programs ignore:
 *   "ptrain"          the seal's version, 2
 *   "ptrain_tensors"  32 hexadecimal digits: the sum over the tensors of the digests (checkpoints/digest.h) of name, type and shape, and that of
 *                     the digests of their bytes; no order, place or metadata goes in
 *   "ptrain_digest"   16 digits: the digest of every byte of the file, the digits of both keys read as zeros, and of those of ptrain_tensors
 * A file that has none is foreign and never checked. Where the whole does not fit, the tensors tell what has happened to a file of ours:
 *   list and bytes as written: the metadata was edited (by a gguf tool, say): a warning, it is taken
 *   list and bytes others:     another program made a file of its own of it (llama-quantize copies all keys): a warning, it is taken
 *   one of both another, or data that no tensor describes: damaged: PT_EFORMAT
 * Version 1, of earlier programs, has no ptrain_tensors: each change is damage. */
#ifndef PT_CHECKPOINTS_SEAL_H
#define PT_CHECKPOINTS_SEAL_H
#include "base/file.h"
#include "checkpoints/digest.h"

#define PT_SEAL_KEY "ptrain"
#define PT_SEAL_VALUE "2"
#define PT_SEAL_DIGEST_KEY "ptrain_digest"
#define PT_SEAL_BLANK "0000000000000000"
#define PT_SEAL_TENSORS_KEY "ptrain_tensors"
#define PT_SEAL_TENSORS_BLANK PT_SEAL_BLANK PT_SEAL_BLANK
enum { PT_SEAL_DIGITS = sizeof PT_SEAL_BLANK - 1, PT_SEAL_TENSORS_DIGITS = 2 * PT_SEAL_DIGITS };

/* Where the digits stand in the file; 0: they do not. */
typedef struct pt_seal_at {
    size_t digest, tensors;
} pt_seal_at;

/* The sums over the tensors; undescribed: the file holds data of no tensor, as no program leaves it. */
typedef struct pt_seal_tensors {
    uint64_t list, data;
    bool undescribed;
} pt_seal_tensors;
/* dims: as the file has them, in its order. */
void pt_seal_list(pt_seal_tensors *t, const char *name, const char *type, int n_dims, const int64_t *dims);
void pt_seal_data(pt_seal_tensors *t, const void *data, size_t bytes);

/* Writing: every byte goes through one of the writes, then pt_seal_close puts the digits into the file. */
typedef struct pt_seal {
    pt_digest all, one; /* of the file, of the tensor under way */
    pt_seal_tensors tensors;
} pt_seal;
void pt_seal_start(pt_seal *s);
pt_status pt_seal_write(pt_seal *s, pt_outfile *out, const void *data, size_t bytes);
/* Bytes of a tensor; last: it ends with them. */
pt_status pt_seal_write_tensor(pt_seal *s, pt_outfile *out, const void *data, size_t bytes, bool last);
pt_status pt_seal_close(pt_seal *s, pt_outfile *out, pt_seal_at at);

/* Reading. PT_EFORMAT, naming the file; a warning where only the metadata differs, or the file is another program's by now. sum adds up the
 * tensors that the file holds. */
pt_status pt_seal_check(const char *path, const unsigned char *data, size_t bytes, pt_seal_at at, void (*sum)(const void *file, pt_seal_tensors *t),
                        const void *file);
#endif
