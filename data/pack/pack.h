/* Packing: data files -> records -> rendered ids and weights -> one HDF5 file, made once and reused while nothing that decides it changed.
 * The schema of the file is documented at the top of data/pack/pack_store.c. */
#ifndef PT_DATA_PACK_H
#define PT_DATA_PACK_H
#include "base/batch.h"
#include "base/token_weights.h"
#include "base/version.h"
#include "data/read/dataset.h"
#include "data/text/template.h"

typedef struct pt_pack pt_pack;

typedef struct pt_pack_options {
    const pt_tokenizer *tok;
    const pt_template *tmpl;      /* may be NULL for text and tokens */
    int32_t vocab;                /* ids of type tokens lie below it (rows of the model: more than the tokenizer has when padded); 0: the tokenizer's size; no tokenizer: any */
    bool pairs;                   /* dpo, reward: preference records are wanted; else sft records */
    bool criterion;               /* with pairs: of three answers, the third a criterion */
    bool verdicts;                /* answers with labels are wanted (data/read/record.h): a pair becomes two records, the chosen one's label 1, the other's 0 */
    bool imitate;                 /* loss weights say which share of a token is imitated, 0 to 1: the column imitate; each such token weighs 1 */
    bool teacher;                 /* rows bring a teacher's log-probabilities (type tokens) */
    bool parts;                   /* tokens are learnt one by one: an answer that a conversation writes otherwise later may stand in a sequence of its own */
    bool scored;                  /* a score is read at an answer's end, and no token is learnt: of an answer in several turns the last one counts where the template
                                   * writes earlier ones otherwise */
    bool pretrain;                /* text is split into pieces of sequence_len, never dropped */
    int32_t end_token;            /* 1 + the id that an answer is scored at, where it stands last; 0: the answer's own end */
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

/* Why a record that nothing is wrong with is left out, and the one cause of a bad row that others ask for. */
#define PT_DROP_LONG "longer than sequence_len"
#define PT_DROP_CUT_UNSUPERVISED "nothing supervised within sequence_len"
#define PT_DROP_UNSUPERVISED "no supervised token"
#define PT_DROP_EQUAL_PAIR "chosen and rejected are equal"
#define PT_DROP_SHORT "fewer tokens than min_sample_len"
#define PT_DROP_AGAIN "the same as an earlier record"
#define PT_DROP_WEIGHTLESS "weight is 0"

/* The table shown after packing. Reasons for dropping are counted by name. */
typedef struct pt_pack_report {
    bool reused;                  /* the cache was good */
    long long rows_read, records_kept, records_cut, records_dropped, validation_records;
    long long tokens, supervised_tokens, end_tokens, shared_tokens_saved, prefixes, control_in_text, longest;
    long long turns_cut;          /* records_cut that lost old turns */
    char turns_cut_where[120];    /* "a.jsonl:3, 17 ..." */
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

/* One record: a list of answers, each a sequence. */
typedef struct pt_packed {
    int64_t record, first;   /* its number in the pack; that of its first answer: they lie together */
    int32_t n_answers;       /* >= 1; pairs: prompt ++ chosen, prompt ++ rejected, and where one is wanted prompt ++ criterion; with opt.parts: the
                              * sequences of one conversation, of which each supervised token stands in one; nothing asks them to lie together */
    int32_t prefix_len;      /* several sequences: tokens that all share; one: tokens before the first supervised one */
    uint64_t prefix_id;      /* equal for records whose prefix before the first supervised token begins alike (role profile): draws sharing groups */
    int32_t role;            /* index into pt_pack_role, -1 none */
    bool validation;
    int32_t source; int64_t line; /* which file and line it came from; pt_pack_set says whose file it is */
} pt_packed;
/* An answer's sequence, borrowed from the pack. */
typedef struct pt_packed_answer {
    const int32_t *ids;
    pt_weights weight;
    const float *imitate;         /* NULL where the pack has none */
    const int64_t *teacher_start; /* [n + 1] into teacher_id and teacher_p: what a teacher says of each token; NULL where the pack has none */
    const int32_t *teacher_id;
    const float *teacher_p;
    int32_t n;
    int32_t end;             /* index of the answer's end token, -1 = cut off: see pt_pack_scored_at */
} pt_packed_answer;
/* The token whose hidden state scores an answer of n tokens (reward): its end, or where it was cut its last token. */
static inline int32_t pt_pack_scored_at(int32_t end, int32_t n)
{
    return end >= 0 ? end : n - 1;
}
int64_t pt_pack_count(const pt_pack *p);
int64_t pt_pack_count_answers(const pt_pack *p);
/* The fewest and the most answers that a record has. */
void pt_pack_answers(const pt_pack *p, int32_t *least, int32_t *most);
/* "sequences", "pairs" or "records of 1 to 4 answers". */
void pt_pack_holds(const pt_pack *p, char text[64]);
pt_status pt_pack_get(const pt_pack *p, int64_t i, pt_packed *out);
/* Answer k of n_answers. */
pt_packed_answer pt_pack_answer(const pt_pack *p, const pt_packed *rec, int32_t k);
/* A column's value (base/batch.h) of a record, or of its answer k; pt_column_otherwise where there is none. */
float pt_pack_value(const pt_pack *p, const char *column, const pt_packed *rec, int32_t k);
const char *pt_pack_role(const pt_pack *p, int32_t role);
const char *pt_pack_source(const pt_pack *p, int32_t source);
/* The data set that a file belongs to, and how many sets there are. */
int32_t pt_pack_set(const pt_pack *p, int32_t source);
size_t pt_pack_sets(const pt_pack *p);
/* {role: system text} of the rolebench sets (profiles put through their system_template; every role of the profiles file) as JSON text
 * (owned), NULL when there were none. */
pt_status pt_pack_profiles(const pt_pack *p, char **json);
/* Keeps the reference log-probabilities of all answers beside the pack under `key` (which base and adapter made them). They are its column
 * PT_COLUMN_REFERENCE from then on. */
pt_status pt_pack_store_reference(pt_pack *p, uint64_t key, const float *reference);
bool pt_pack_has_reference(const pt_pack *p, uint64_t key); /* loads them when true; a warning names a file that cannot be used */

/* What writes packs (base/version.h). */
void pt_pack_library(char out[PT_LIBRARY_NAME]);
/* Sample i as text with the weights visible: supervised text in one colour, context in another, control tokens dimmed: ANSI when colour, and
 * then the text is made visible for a terminal (base/visible.h). */
pt_status pt_pack_inspect(const pt_pack *p, const pt_tokenizer *tok, int64_t i, bool colour, pt_str *out);
#endif
