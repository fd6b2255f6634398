/* Opening what a command names: a RUN (output_dir of a run) or a MODEL (Hugging Face folder, GGUF file), with or without an adapter. */
#ifndef PT_CLI_OPEN_H
#define PT_CLI_OPEN_H
#include "base/file.h"
#include "base/json.h"

#include "data/batch/loader.h"
#include "data/read/record.h"
#include "train/cli/cli.h"
#include "train/loop/setup.h"
#include "train/generate/generate.h"

enum { PT_OPEN_GUESTS = 32 };
typedef struct pt_opened {
    pt_config *cfg;      /* the run's, or defaults around the model */
    bool is_run, reward; /* reward: values at an answer's end instead of text */
    int width;           /* how many */
    pt_pooling_word pooling; /* where they are read; of a named token cfg->data.pooling_token says which */
    char *adapter;       /* PEFT folder in use, NULL = none */
    bool fresh;          /* to be planned alone: an adapter as the config would begin one stands in the place of one that is not there yet */
    const char *guests[2 * PT_CLI_MOST + PT_OPEN_GUESTS]; /* adapters beside it, in slots of their own (borrowed) */
    size_t n_guests;
    size_t planned[PT_ROLE_COUNT]; /* bytes, once the model is open */
    char *trained_from;  /* a run of full tuning: the base it began with, NULL = random */
    pt_base base;
    pt_ctx ctx;
    pt_model *model;
    json_t *profiles;    /* {role: text} of the run, NULL = none */
} pt_opened;

/* Config, source, tokenizer, template (when the model has a known one and `chat`), device; no model yet. */
pt_status pt_open_named(pt_cli *c, const char *path, bool chat, pt_opened *o);
/* The same of the base that a run's config names, while the run has no folder yet; cfg stays the caller's. */
pt_status pt_open_base(pt_cli *c, const pt_config *cfg, pt_opened *o);
/* The model for generation: decode_rows sequences of decode_len positions; or for scoring (decode_rows 0): `tokens` at once. */
pt_status pt_open_model(pt_opened *o, int32_t tokens, int32_t decode_rows, int32_t decode_len);
/* The same with a cache of so many positions (pt_gen_cells; 0: all that the sequences may need). */
pt_status pt_open_generation(pt_opened *o, int32_t tokens, int32_t decode_rows, int32_t decode_len, int32_t decode_cells);
pt_status pt_open_model_caps(pt_opened *o, const pt_model_caps *caps);
/* Its two halves: shapes and o->planned, nothing allocated; then all of it. */
pt_status pt_open_plan(pt_opened *o, const pt_model_caps *caps);
pt_status pt_open_commit(pt_opened *o);
/* The adapter slot of a guest. */
int pt_open_slot(const pt_opened *o, size_t guest);
void pt_open_close(pt_opened *o);
/* The profile of a role; PT_EARG names the known ones. */
pt_status pt_open_profile(const pt_opened *o, const char *role, const char **text);

/* Rows of a JSONL file (or "-" for standard input), one at a time: *row is NULL at the end. Errors: FILE:LINE: what. */
typedef struct pt_rows { FILE *f; const char *path; char *line; size_t cap; long long number; } pt_rows;
pt_status pt_rows_open(pt_rows *r, const char *path);
pt_status pt_rows_next(pt_rows *r, json_t **row);
void pt_rows_close(pt_rows *r);
/* PT_EARG with "FILE:LINE: " before the text. */
pt_status pt_rows_fail(const pt_rows *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Where rows go: --output FILE (appears whole) or standard output. */
typedef struct pt_sink {
    FILE *f;         /* standard output, or a device or pipe (owned); NULL: a file */
    const char *path; /* NULL: standard output */
    pt_outfile file;
} pt_sink;
pt_status pt_sink_open(pt_sink *s, const char *path);
pt_status pt_sink_line(pt_sink *s, const char *text, size_t bytes);
pt_status pt_sink_row(pt_sink *s, json_t *row);
pt_status pt_sink_commit(pt_sink *s);
void pt_sink_close(pt_sink *s);

/* PT_EARG where --output would replace what the command reads (rows, models, data sets, under any name) or a file whose name is a model's,
 * a run's or a configuration's. o may be NULL. */
pt_status pt_guard_output(const pt_cli *c, const pt_opened *o, const char *out);
/* The same for --out of export. A folder: not one that is read, nor a run's, nor one with files of these names, unless it is an earlier
 * export of ours (checkpoints/seal.h). A file: only over an earlier export of its kind. pt_guard_done, after the export, removes the files
 * of an earlier one that this one did not write. */
enum { PT_GUARD_NAMES = 16 };
typedef struct pt_guard {
    const char *out;
    int held[PT_GUARD_NAMES]; /* files as they were before; -1: not there */
} pt_guard;
pt_status pt_guard_imatrix(const pt_cli *c, const pt_opened *o, const char *out);
pt_status pt_guard_export(const pt_cli *c, const pt_opened *o, const char *out, pt_guard *g);
pt_status pt_guard_done(const pt_guard *g);
void pt_guard_close(pt_guard *g); /* always call it; safe on a zeroed struct */

/* A row's conversation, read as training reads the type messages; weights are 0. Zero-initialise; reused from row to row, freed once;
 * valid as long as the row and until the next one is read. */
typedef struct pt_chat {
    pt_reader reader;
    pt_message *m;
    size_t n, cap;
} pt_chat;
pt_status pt_chat_read(const pt_rows *r, json_t *row, pt_chat *out);
void pt_chat_free(pt_chat *c);
#endif
