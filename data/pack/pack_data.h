/* Inside of a pack; shared by data/pack/pack_*.c. */
#ifndef PT_DATA_PACK_DATA_H
#define PT_DATA_PACK_DATA_H
#include "data/pack/pack.h"
#include "data/pack/pack_order.h"
#include "data/pack/pack_show.h"
#include "data/read/ahead.h"

#define PT_PACK_SCHEMA 2 /* of the file */
#define PT_PACK_RENDER 8 /* raised when the same rows give other records: old packs are then made again */

/* What a record is, besides its answers and columns. */
typedef struct pt_pack_row {
    int32_t prefix_len, role, source;
    uint64_t prefix_id;
    uint64_t prompt_id, context_id, system_id, scene; /* for the split alone, not kept: what was asked first; all before the last answer; the system text; of
                                                       * points of view of one conversation, which stay together; 0 = none */
    int64_t line;
    uint8_t validation;
} pt_pack_row;

/* A named number of every record, or of every answer. */
typedef struct pt_pack_column {
    char name[PT_COLUMN_NAME];
    bool of_answers;
    float *value; /* [records or answers] */
    size_t cap;
} pt_pack_column;

/* Weights of tokens (base/token_weights.h): codes until there are more than 256 of them, numbers then. */
typedef struct pt_pack_weights {
    uint8_t *code;
    float *plain;
    size_t code_cap, plain_cap;
    float level[PT_WEIGHT_LEVELS];
    int n_levels;
} pt_pack_weights;

struct pt_pack {
    char *path;
    uint64_t fingerprint;
    int32_t *ids;
    pt_pack_weights weights; /* of all tokens */
    size_t ids_cap, n_tokens;
    float *imitate; /* [tokens] 0 to 1; NULL: the objective does not ask */
    size_t imitate_cap;
    pt_targets teacher; /* of all tokens; n_tokens 0: the objective does not ask */
    int64_t *seq_start; /* [answers + 1] tokens */
    int32_t *end;       /* [answers] index of the end token, -1 = cut or none */
    size_t seq_cap, end_cap, n_seqs;
    int64_t *record_start; /* [records + 1] answers */
    pt_pack_row *rows;
    size_t record_cap, rows_cap, n_rows;
    pt_pack_column columns[PT_BATCH_COLUMNS];
    size_t n_columns;
    char **roles, **sources; /* sources: files */
    size_t roles_cap, n_roles, sources_cap, n_sources;
    int32_t *set_of; /* [sources] the data set of each */
    size_t set_of_cap, n_sets;
    json_t *meta;  /* made_from, sources, roles, profiles, report */
    bool parts;    /* a record's sequences are parts of one conversation (opt.parts, and no record of several answers); in meta too */
    uint64_t ref_key; /* of what the column PT_COLUMN_REFERENCE holds */
    bool has_ref;     /* it was stored or loaded */
};

static inline int32_t pt_pack_seq_len(const pt_pack *p, size_t s)
{
    return (int32_t)(p->seq_start[s + 1] - p->seq_start[s]);
}
/* Answers of record r. */
static inline size_t pt_pack_n_answers(const pt_pack *p, size_t r)
{
    return (size_t)(p->record_start[r + 1] - p->record_start[r]);
}

/* ---- pack_column.c ---- */
/* NULL: there is none. */
const pt_pack_column *pt_pack_column_find(const pt_pack *p, const char *name);
/* The column of this name, made where there is none: every record or answer that is there says nothing in it. PT_EFORMAT: it is one of answers,
 * and this one of records, or the other way; too many; no name of a column. */
pt_status pt_pack_column_make(pt_pack *p, const char *name, bool of_answers, pt_pack_column **out);
/* What the record that is added next, of n sequences, says. */
pt_status pt_pack_columns_add(pt_pack *p, const pt_record *rec, size_t n);
void pt_pack_columns_free(pt_pack *p);

/* One sequence on its way into the pack. */
typedef struct pt_built {
    pt_rendered text; /* ids and weights */
    float *imitate;   /* [ids] where opt->imitate */
    size_t imitate_cap;
    const pt_targets *teacher; /* of the ids, at least; NULL = none */
    int32_t end;      /* index of the last answer's end token, -1 = cut or none */
    int32_t ends;     /* supervised end tokens */
    bool cut, turns_cut; /* at all; of old turns */
} pt_built;

typedef struct pt_packer {
    const pt_pack_options *opt;
    const pt_dataset_spec *spec;
    pt_pack *pack;
    pt_pack_report *report;
    pt_speaker_weights weights; /* of turns that say none themselves */
    pt_built *built; /* [n_built] of the record: its answers, or with opt->parts the parts of its one */
    size_t built_cap, n_built;
    pt_message *messages;
    size_t messages_cap;
    const pt_reader *reader; /* of the present set */
    int32_t source;          /* its first file */
    size_t *until; /* [turns] as of pt_template_split */
    size_t until_cap;
    pt_thinking thinking; /* of the present data set */
    pt_span_room spans;
    struct { uint64_t a, b; } *known; /* [known_cap] records met, for opt->distinct: an open table of 128-bit hashes, 0 = free */
    size_t known_cap, n_known;
    long long set_ends; /* supervised end tokens of the present data set */
    long long noted[PT_NOTES], control_in_text; /* of what was rendered last */
    struct pt_pack_job *jobs; /* [pt_ahead_slots() * PT_AHEAD_RECORDS] what threads render into; NULL in a job's own */
} pt_packer;
void pt_packer_free(pt_packer *pk);

/* ---- pack_ahead.c: records rendered by all threads ---- */
pt_status pt_pack_ahead_open(pt_packer *pk);
/* Reads a data set into the pack. */
pt_status pt_pack_ahead_run(pt_packer *pk, pt_reader *r);
void pt_pack_ahead_close(pt_packer *pk);
/* ---- pack_add.c ---- */
/* Notes are counted whatever becomes of the record. */
void pt_pack_count_notes(pt_pack_report *r, const pt_packer *rendered);
/* What identifies a rendered record that becomes one row of the pack: prefix_len and the hashes of *row. */
void pt_pack_identify(const pt_packer *pk, const pt_record *rec, pt_pack_row *row);
/* Counts what pk->built holds, and appends it unless `drop` says why not. row: as pt_pack_identify made it; NULL: it is made here. */
pt_status pt_pack_take(pt_packer *pk, const pt_record *rec, int64_t line, const char *drop, const pt_pack_row *row);

/* Renders one record into pk->built, an answer or part each, cut to sequence_len. *drop = NULL, or why it must be dropped though nothing
 * is wrong with it. PT_EFORMAT: it cannot be used. */
pt_status pt_pack_render(pt_packer *pk, const pt_record *rec, const char **drop);
/* Sink of the readers: renders, counts, appends. */
pt_status pt_pack_add(void *packer, const pt_record *rec, int64_t line);
/* Appends one sequence: n tokens of b from this one on. */
pt_status pt_pack_put(pt_pack *p, const pt_built *b, size_t from, size_t n, int32_t end);
/* ---- pack_weights.c ---- */
/* The weights of n tokens behind `at` others. */
pt_status pt_pack_weights_put(pt_pack_weights *w, size_t at, const float *weight, size_t n);
/* From token `at` on. */
pt_weights pt_pack_weights_at(const pt_pack_weights *w, size_t at);
/* As numbers: a pt_h5_part. */
void pt_pack_weights_part(void *weights, size_t at, size_t n, void *out);
void pt_pack_weights_free(pt_pack_weights *w);
/* Chooses the validation records. */
pt_status pt_pack_split(pt_pack *p, double val_set_size, pt_val_split by, uint64_t seed);
/* Adds a source. */
pt_status pt_pack_source_add(pt_pack *p, const char *path, int32_t set);
/* n records dropped for a reason at these lines of a file (as many as are known). */
void pt_pack_count_drop(pt_pack_report *r, const char *reason, long long n, const char *path, const int64_t *lines, int n_lines);
/* One more place ("a.jsonl:3") for a list of them, as far as it has room. */
void pt_pack_put_place(char *where, size_t size, const char *path, int64_t line);
/* What the reader of one data set counted and noted, into the report. */
pt_status pt_pack_report_set(pt_pack_report *r, const pt_reader *reader);
/* Sum over all records of what one forest would save, and the number of distinct prefixes. */
pt_status pt_pack_count_sharing(const pt_pack *p, pt_pack_report *r);
void pt_pack_report_from(pt_pack_report *r, const json_t *j);

/* ---- pack_store.c: the file ---- */
pt_status pt_pack_write(pt_pack *p, const char *path);

/* ---- pack_file.c: an HDF5 file behind a 512-byte user block that holds the digest of the rest ---- */
typedef struct pt_h5 pt_h5;
pt_status pt_h5_begin(pt_h5 **out, bool deflate); /* a new one, in memory */
/* Writes it to path, whole or not at all. *thin: nothing was written, because it packs so well that pt_h5_open would not believe it
 * (64 to 1, beyond 256 MiB): make it again without deflate. The caller closes it. */
pt_status pt_h5_commit(pt_h5 *h, const char *path, bool *thin);
/* After checking the digest, and that every member is a list of numbers in the file itself (pack_scan.h). */
pt_status pt_h5_open(pt_h5 **out, const char *path);
void pt_h5_close(pt_h5 *h); /* NULL is fine */
typedef enum pt_h5_type { PT_H5_U8, PT_H5_I32, PT_H5_I64, PT_H5_U64, PT_H5_F32 } pt_h5_type;
size_t pt_h5_size(pt_h5_type t);
pt_status pt_h5_write(pt_h5 *h, const char *name, pt_h5_type type, const void *data, size_t n);
/* The same of a list that is made as it is written: `part` puts elements [at, at + n) into out. */
typedef void (*pt_h5_part)(void *user, size_t at, size_t n, void *out);
pt_status pt_h5_write_parts(pt_h5 *h, const char *name, pt_h5_type type, pt_h5_part part, void *user, size_t n);
/* Number of elements of a one-dimensional data set of exactly this type; PT_EFORMAT otherwise. */
pt_status pt_h5_count(pt_h5 *h, const char *name, pt_h5_type type, size_t *n);
/* Name and type of data set i; NULL past the last. */
const char *pt_h5_name(const pt_h5 *h, size_t i, pt_h5_type *type);
pt_status pt_h5_read(pt_h5 *h, const char *name, pt_h5_type type, void *data, size_t n);
pt_status pt_h5_set_attr(pt_h5 *h, const char *name, uint64_t value);
pt_status pt_h5_get_attr(pt_h5 *h, const char *name, uint64_t *value);
#endif
