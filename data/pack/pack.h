/* Packing: data files -> records -> rendered ids and weights -> one HDF5 file, made once and reused while nothing that decides it changed.
 * The schema of the file is documented at the top of data/pack/pack_store.c. */
#ifndef PT_DATA_PACK_H
#define PT_DATA_PACK_H
#include "data/read/dataset.h"
#include "data/text/template.h"

typedef struct pt_pack pt_pack;

typedef struct pt_pack_options {
    const pt_tokenizer *tok;
    const pt_template *tmpl;      /* may be NULL for text and tokens */
    int32_t vocab;                /* ids of type tokens lie below it (rows of the model: more than the tokenizer has when padded); 0: the tokenizer's size; no tokenizer: any */
    bool pairs;                   /* dpo, reward: preference records are wanted; else sft records */
    bool pretrain;                /* text is split into pieces of sequence_len, never dropped */
    int sequence_len;
    pt_excess excess;
    bool train_on_inputs;
    const char *const *roles_to_train; size_t n_roles_to_train; /* NULL: assistant */
    const char *cache_dir;        /* folder of packs; the file name holds the fingerprint */
    double val_set_size;          /* < 1 a share of the records, >= 1 records; 0 none */
    pt_val_split val_split_by;    /* what stays on one side */
    uint64_t seed;                /* decides the validation split */
    int64_t max_samples;          /* rows read of each set, from its beginning; 0 = all */
    int min_tokens;               /* records of fewer are dropped and counted */
    bool distinct;                /* so is a record whose tokens and weights an earlier one had */
} pt_pack_options;

/* The table shown after packing. Reasons for dropping are counted by name. */
typedef struct pt_pack_report {
    bool reused;                  /* the cache was good */
    long long rows_read, records_kept, records_cut, records_dropped, validation_records;
    long long tokens, supervised_tokens, end_tokens, shared_tokens_saved, prefixes, control_in_text, longest;
    long long noted[PT_NOTES];    /* what the template left out of the records kept or dropped */
    struct { char reason[200]; char where[120]; long long n; } dropped[24]; /* where: "a.jsonl:3, 17, b.jsonl:4 ..." */
    int n_dropped;
    char said[2048];              /* lines on each data set: what its type read, which columns it did not, what was noted */
} pt_pack_report;

/* Builds or reuses. PT_EARG for a set without supervised (end) tokens, PT_EFORMAT "FILE:LINE: ..." for more rows that cannot be
 * used than the data set's bad_rows allows. */
pt_status pt_pack_build(pt_pack **out, const pt_dataset_spec *sets, size_t n_sets, const pt_pack_options *opt, pt_pack_report *report);
pt_status pt_pack_open(pt_pack **out, const char *path);
void pt_pack_free(pt_pack *p);
const char *pt_pack_path(const pt_pack *p);
uint64_t pt_pack_fingerprint(const pt_pack *p);
/* The report as an aligned text table. */
pt_status pt_pack_report_text(const pt_pack_report *r, pt_str *out);
/* Its lines on what was dropped; nothing when nothing was. */
pt_status pt_pack_report_drops(const pt_pack_report *r, pt_str *out);

/* One record: a sequence (sft) or a pair: prompt ++ chosen and prompt ++ rejected share `prefix_len` tokens. Borrowed from the pack. */
typedef struct pt_packed {
    const int32_t *ids; const float *weight; int32_t n;      /* sequence, or the chosen side whole */
    const int32_t *ids2; const float *weight2; int32_t n2;   /* the rejected side whole, n2 = 0 for sft */
    int32_t prefix_len;      /* pairs: tokens that both sides share; sft: tokens before the first supervised one */
    uint64_t prefix_id;      /* equal for records whose prefix before the first supervised token begins alike (role profile): draws sharing groups */
    float record_weight, margin;
    int32_t role;            /* index into pt_pack_role, -1 none */
    int32_t end_index, end_index2; /* index of the answer's end token in ids / ids2, -1 = cut off: see pt_pack_scored_at */
    bool validation;
    int32_t source; int64_t line; /* which file and line it came from */
    float ref_logp, ref_logp2; /* NaN until stored by pt_pack_store_reference */
} pt_packed;
/* The token whose hidden state scores a side of n tokens (reward): its answer's end, or where the answer was cut its last token. */
static inline int32_t pt_pack_scored_at(int32_t end_index, int32_t n)
{
    return end_index >= 0 ? end_index : n - 1;
}
int64_t pt_pack_count(const pt_pack *p);
bool pt_pack_pairs(const pt_pack *p);
pt_status pt_pack_get(const pt_pack *p, int64_t i, pt_packed *out);
const char *pt_pack_role(const pt_pack *p, int32_t role);
const char *pt_pack_source(const pt_pack *p, int32_t source);
/* {role: system text} of the rolebench sets (profiles put through their system_template; every role of the profiles file) as JSON text
 * (owned), NULL when there were none. */
pt_status pt_pack_profiles(const pt_pack *p, char **json);
/* Keeps reference log-probabilities (chosen, rejected, one each a record) beside the pack under `key` (which base and adapter made them). */
pt_status pt_pack_store_reference(pt_pack *p, uint64_t key, const float *chosen, const float *rejected);
bool pt_pack_has_reference(const pt_pack *p, uint64_t key); /* loads them into pt_packed when true */

/* Sample i as text with the weights visible: supervised text in one colour, context in another, control tokens dimmed: ANSI when colour, and
 * then the text is made visible for a terminal (base/visible.h). */
pt_status pt_pack_inspect(const pt_pack *p, const pt_tokenizer *tok, int64_t i, bool colour, pt_str *out);
#endif
