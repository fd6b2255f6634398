/* Training checkpoints: folders OUTPUT_DIR/checkpoint-STEP that appear whole or not at all.
 *
 * A checkpoint holds state.bin (blobs back to back, each at a multiple of 64 bytes), state.json (version, step, scalars, the
 * table of blobs with type, count, offset and digest, the other files with size and digest, and a digest of itself) and any
 * other files the caller puts there (the adapter). Written under a temporary name (base/temp.h), flushed, renamed: a kill at any moment
 * leaves the older checkpoints whole and at most a temporary folder, which pt_state_clean removes. Reading verifies every
 * digest. Digest: 64 bits, four FNV-1a lanes over 8-byte words (digest.h of this folder); it finds damage, not forgery. */
#ifndef PT_CHECKPOINTS_STATE_H
#define PT_CHECKPOINTS_STATE_H
#include "base/dtype.h"
#include "base/file.h"

/* ---- writing */
typedef struct pt_state_writer {
    char *path, *tmp; /* final and temporary folder; write further files into tmp before commit */
    pt_outfile bin;
    void *json; /* state.json under construction */
    void *blob; /* entry of the blob being written */
    void *digest;
    size_t left; /* bytes that the blob still lacks */
} pt_state_writer;
pt_status pt_state_writer_open(pt_state_writer *w, const char *output_dir, int64_t step);
/* Names are distinct among all kinds (PT_EARG). Numbers come back bit for bit; PT_ENONFINITE for NaN and infinity. */
pt_status pt_state_put_int(pt_state_writer *w, const char *name, int64_t v);
pt_status pt_state_put_num(pt_state_writer *w, const char *name, double v);
pt_status pt_state_put_text(pt_state_writer *w, const char *name, const char *v);
/* Announces a blob of count elements; its bytes follow in pieces of any size, before the next blob or commit. */
pt_status pt_state_begin_blob(pt_state_writer *w, const char *name, pt_dtype type, int64_t count);
pt_status pt_state_write(pt_state_writer *w, const void *data, size_t bytes);
/* Both at once. */
pt_status pt_state_put_blob(pt_state_writer *w, const char *name, pt_dtype type, const void *data, int64_t count);
/* After success the checkpoint is there and durable; an older one of the same step is replaced. A folder of that name that is no
 * checkpoint, or holds files that no checkpoint of ours lists, is moved aside (announced). */
pt_status pt_state_writer_commit(pt_state_writer *w);
/* Always call it; removes what was not committed. Safe on a zeroed struct. */
void pt_state_writer_close(pt_state_writer *w);

/* ---- reading */
typedef struct pt_state pt_state;
/* Opens a checkpoint folder and verifies all of it. PT_EFORMAT names the file or blob that is damaged. */
pt_status pt_state_open(pt_state **out, const char *folder);
void pt_state_close(pt_state *s); /* NULL is fine */
int64_t pt_state_step(const pt_state *s);
/* The digest of its state.json: 16 characters, another for every checkpoint that differs in anything. */
const char *pt_state_id(const pt_state *s);
/* PT_EFORMAT, naming it, when the entry is missing or of another type. */
pt_status pt_state_int(const pt_state *s, const char *name, int64_t *out);
pt_status pt_state_num(const pt_state *s, const char *name, double *out);
pt_status pt_state_text(const pt_state *s, const char *name, const char **out); /* lives until close */
bool pt_state_has(const pt_state *s, const char *name);
/* The blob's bytes, aligned to 64, living until close. PT_ESHAPE when the count differs (count < 0: any); *got may be NULL. */
pt_status pt_state_blob(const pt_state *s, const char *name, pt_dtype type, int64_t count, const void **data, int64_t *got);

/* Owned path OUTPUT_DIR/checkpoint-STEP. What else there is to do with a run's folder: state_list.h. */
pt_status pt_state_folder(char **path, const char *output_dir, int64_t step);
#endif
