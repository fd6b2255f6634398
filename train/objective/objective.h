/* Objectives: what a run minimises. Each is one file, train/objective/NAME_core.h: its mathematics (base/loss_core.h), compiled for hosts and
 * devices, and its declaration, which says everything that anything else needs to know of it. The makefile's list OBJECTIVES names the files;
 * kernels/loss.h runs the cores. Nothing outside this folder may ask which objective it has: only what it needs.
 *
 * To add one: write train/objective/NAME_core.h beside its siblings, add NAME to OBJECTIVES. docs/architecture.md shows the whole way. */
#ifndef PT_OBJECTIVE_OBJECTIVE_H
#define PT_OBJECTIVE_OBJECTIVE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/batch.h"
#include "base/err.h"
#include "base/loss_core.h"
#include "base/setting.h"
#include "train/objective/loss_types.h"

/* What a model is asked for. logp: log-probabilities of the supervised tokens; beside them, where a bit asks for it, sums over the whole vocabulary at
 * their positions: entropy; log_squares, the logarithm of the sum of squared probabilities; kl, the divergence from a reference whose hidden states are kept. At the
 * answers' ends, by a head that is trained: score, one number; values, as many as an option says (classes, a vector). Of these two an objective has
 * one. PT_CHANNEL_ENTROPY << k is sum k of base/loss_core.h. */
enum {
    PT_CHANNEL_LOGP = 1,
    PT_CHANNEL_SCORE = 2,
    PT_CHANNEL_VALUES = 4,
    PT_CHANNEL_ENTROPY = 8,
    PT_CHANNEL_LOG_SQUARES = 16,
    PT_CHANNEL_KL = 32,
    PT_CHANNELS_OF_ROWS = PT_CHANNEL_LOGP | PT_CHANNEL_ENTROPY | PT_CHANNEL_LOG_SQUARES | PT_CHANNEL_KL, /* any of them: there is logp */
};

/* What the loss is a mean over: rows (supervised tokens), answers, or records, each by its weight. */
typedef enum pt_mean { PT_MEAN_ROWS, PT_MEAN_ANSWERS, PT_MEAN_RECORDS } pt_mean;

/* An option is a config key. Its value is a double in pt_core_step.option: a number, 0 or 1, the word's value, a whole number; of a list, which the core
 * sees in pt_core_step.list, how many it holds. */
typedef enum pt_option_kind {
    PT_OPTION_NUMBER,
    PT_OPTION_FLAG,
    PT_OPTION_WORD,
    PT_OPTION_COUNT,
    PT_OPTION_WORDS,   /* one word, or a list of different ones */
    PT_OPTION_NUMBERS, /* a list of numbers */
} pt_option_kind;
typedef struct pt_option {
    const char *key;
    pt_option_kind kind;
    const char *fallback; /* the default as text; NULL = unset, which reads as 0 */
    double min, max;      /* numbers, counts */
    const pt_word *words; /* PT_OPTION_WORD, PT_OPTION_WORDS; values from 1 */
    uint32_t takes;       /* which of them this objective has: bit `value`; 0 = all */
    const char *aliases;  /* space-separated, NULL = none */
    unsigned effect;      /* pt_effect */
    const char *help;
} pt_option;
/* The value that a config holds of one key. */
typedef struct pt_option_value {
    bool set, flag;
    int word; /* of a count: it */
    double number;
    int n; /* of a list: how many */
    int words[PT_CORE_LIST];
    double numbers[PT_CORE_LIST];
    int line, column; /* where it was set; 0 = the command line */
} pt_option_value;

typedef struct pt_loss_metric {
    const char *name; /* in metrics.jsonl; NULL = not shown */
    pt_reduce reduce;
    double (*derive)(const double *metric, int width); /* made of the others when they are brought together; NAN = nothing to show */
    bool zero_at_start; /* must be exactly 0 in the first step, where policy and reference are the same weights */
    const char *fallen; /* a drift from 0 in nats: what it means that it stays low, which the run says once (train/loop/fallen.c); NULL = it may */
} pt_loss_metric;

/* "rl: dpo" of another trainer chooses this objective. */
typedef struct pt_also {
    const char *key, *value;
} pt_also;

/* All records of one step of all ranks, in the order of their numbers. */
typedef struct pt_step_answers {
    const pt_core_answer *answer; /* [start[n]] */
    const int64_t *start;         /* [n + 1] */
    const float *weight;          /* [n] of the records */
    int64_t n;
    float *given[PT_CORE_COLUMNS]; /* [start[n]] out: the columns that the statistics fill, by answer; 0 before */
} pt_step_answers;

typedef struct pt_objective {
    const char *name, *help; /* help NULL: not a value of the key `objective` itself */
    unsigned channels;       /* PT_CHANNEL_*, one or several */
    bool by_rows;            /* the core sees supervised tokens one by one; else records */
    int answers;             /* of a record: 1, 2 (the better one first), 3 (and a criterion behind them), 0 = any number */
    pt_extra extra;          /* one more answer behind them, which the loader makes (base/batch.h) */
    bool verdicts;           /* records of one answer that is desirable or not, as their column PT_COLUMN_LABEL says; both kinds must be there */
    pt_mean mean;
    unsigned still;  /* PT_CHANNEL_LOGP: log-probabilities are read, and their gradient is 0: the vocabulary's head does not go backward */
    bool linear;     /* dlogp, dentropy ... depend on no channel: the head goes forward and backward in one visit */
    bool whole_text; /* every token of a record is supervised */
    bool reference;  /* a reference model's log-probabilities are needed */
    int width_option; /* with PT_CHANNEL_VALUES: the count of values, an option of kind PT_OPTION_COUNT */
    int pooling_option; /* 1 + the option whose word is a pt_pooling_word; 0 = the end token */
    const char *problem_type; /* of values: transformers' word for what they are; NULL = it has none */
    int reference_option; /* with reference or PT_CHANNEL_KL: the option whose word is a pt_reference_word */
    int tail_option; /* of records of several answers: the number that tokens past their shortest answer's length weigh; from 1, 0 = they weigh as all */
    int kl_option; /* with PT_CHANNEL_KL: the option whose word is a pt_kl_word */
    const char *data;        /* type of a data set that names none */
    /* this one instead of another: by an option of that one or of its own that is a flag that is on, a number above 0, or a word of variant_value, one or
     * several with spaces between (in a list: among them). The first of the list OBJECTIVES whose option says so. */
    const char *variant_of, *variant_key, *variant_value;
    int list_option, list_weights_option; /* counted from 1, 0 = none: the option that pt_core_step.list holds; of words: the numbers that are their weights */
    /* why these options do not go together, and what to do; NULL: they do. s holds their values; pt_objective_said tells what the config set */
    const char *(*check)(const pt_core_step *s, const pt_option_value *values);
    int n_columns, n_given, n_options, n_metrics, n_also, n_stats, n_state;
    /* names of the answers' columns that the core reads (base/batch.h): n_columns of the data, then n_given that `stats` fills; by rows of columns of
     * rows, PT_CORE_ROW_COLUMNS at most */
    const char *columns[PT_CORE_COLUMNS];
    pt_option options[PT_CORE_OPTIONS];
    pt_loss_metric metrics[PT_CORE_METRICS];
    pt_also also[4];
    /* What is wrong with an answer's columns (in the order of `columns`), and what to do; NULL = nothing. Asked of every answer before training. */
    const char *(*fits)(const double *column, int width, int answers);
    /* n_stats > 0: statistics of the whole step (sums, sorts), from the answers of all micro-batches and ranks, before any gradient; s holds the
     * options and the state. Costs one more forward pass a micro-batch. */
    pt_status (*stats)(const pt_core_step *s, const pt_step_answers *all, double *stat);
    /* n_state > 0: state after a step that was applied, from its statistics and metrics; 0 at the start, kept in checkpoints. */
    void (*advance)(const pt_core_step *s, const double *metric, double *state);
} pt_objective;

/* Words of an option that chooses the reference; unset: the run decides. */
typedef enum pt_reference_word { PT_REFERENCE_AUTO, PT_REFERENCE_AT_START, PT_REFERENCE_AT_BASE } pt_reference_word;
extern const pt_word pt_reference_words[];
/* Words of an option that says which way a divergence goes: KL(policy||reference), the default, or KL(reference||policy). */
typedef enum pt_kl_word { PT_KL_FROM_POLICY = 1, PT_KL_FROM_REFERENCE } pt_kl_word;
extern const pt_word pt_kl_words[];
extern const pt_word pt_loss_type_words[]; /* of enum PT_LOSS_* */

/* Words of an option that says where a head of values reads an answer: its end token (the default), the mean over all tokens up to there, or the last
 * token of the spelling that the config's pooling_token names. */
typedef enum pt_pooling_word { PT_POOL_LAST = 1, PT_POOL_MEAN, PT_POOL_TOKEN } pt_pooling_word;
extern const pt_word pt_pooling_words[];
#define PT_OPTION_POOLING                                                                                                                            \
    {                                                                                                                                                \
        "pooling", PT_OPTION_WORD, "last", .words = pt_pooling_words, .effect = PT_EFFECT_SAID,                                                    \
        .help = "classify, ordinal, regress, reward: where the head reads a text. last: its last token (an answer's end token); mean: the mean over " \
                "its tokens; token: the last token that pooling_token spells. transformers' classes know last."                                      \
    }
#define PT_OPTION_NUM_LABELS(otherwise)                                                                                                              \
    {                                                                                                                                                \
        "num_labels", PT_OPTION_COUNT, otherwise, 1, 4096, .aliases = "num_classes", .effect = PT_EFFECT_SAID,                                      \
        .help = "classify, ordinal, regress: how many classes, levels or numbers a text has; reward: so many scores (criteria, personas) instead of " \
                "one, and field_head of the data set names the column that says which a pair is about. Default: as many as `labels` of the data "    \
                "sets names."                                                                                                                        \
    }
/* transformers' words for what a classifier learns. */
extern const pt_word pt_problem_words[];

/* All objectives, in the order of OBJECTIVES. */
size_t pt_objective_count(void);
const pt_objective *pt_objective_at(size_t i);
/* By name; NULL when there is none. */
const pt_objective *pt_objective_find(const char *name);
/* The one that this key of another trainer chooses, whatever its value; NULL. */
const pt_objective *pt_objective_also(const char *key);
/* Its place in the list: what kernels/loss.h calls it. */
int pt_objective_index(const pt_objective *o);
/* The variant of o that the flags choose; o itself else. */
const pt_objective *pt_objective_variant(const pt_objective *o, const pt_option_value *values);

/* Option keys of all objectives, each once (PT_OBJECTIVE_KEYS at most); the same key of several objectives has one meaning and may have several
 * defaults. values[i] belongs to key i. */
enum { PT_OBJECTIVE_KEYS = 96 };
size_t pt_objective_keys(const pt_option **keys[]);
int pt_objective_key(const char *key); /* its number, -1 */
/* Values as the core reads them: what the config set, else o's own default. */
double pt_objective_option(const pt_objective *o, int option, const pt_option_value *values);
/* Numbers that a model gives at an answer's end: 0 without such a channel, 1 of a score. */
int pt_objective_width(const pt_objective *o, const pt_option_value *values);
/* What tokens past the length of a record's shortest answer lose of their weight, 0 to 1. */
double pt_objective_tail_less(const pt_objective *o, const pt_option_value *values);
/* Whether the config says something of this key. */
bool pt_objective_said(const pt_option_value *values, const char *key);
/* Whether o, as it stands in the config, has this option: its own, or that of what it is a variant of. */
bool pt_objective_has(const pt_objective *o, const char *key);
/* The word of a value; "" when there is none. */
const char *pt_objective_word(const pt_word *words, int value);
/* Where the values are read; PT_POOL_LAST of an objective that does not say. */
pt_pooling_word pt_objective_pooling(const pt_objective *o, const pt_option_value *values);
/* All options of o into s, its list too. */
void pt_objective_options(const pt_objective *o, const pt_option_value *values, pt_core_step *s);
/* Sets a number by key (tests); PT_EARG when there is no such key. */
pt_status pt_objective_set(pt_option_value *values, const char *key, double v);
/* Sums over the vocabulary that o asks for: bit k is PT_VOCAB_ k. */
static inline unsigned pt_objective_vocab(const pt_objective *o)
{
    return o->channels / PT_CHANNEL_ENTROPY % (1u << PT_VOCAB_SUMS);
}
/* Whether o needs a reference of any kind: log-probabilities, or hidden states. */
static inline bool pt_objective_compares(const pt_objective *o)
{
    return o->reference || o->channels & PT_CHANNEL_KL;
}
/* Whether its records are pairs of answers, with a criterion or without. */
static inline bool pt_objective_pairs(const pt_objective *o)
{
    return o->answers == 2 || o->answers == 3;
}
/* Whether o, by rows, reads this column of rows: the data then gives it. */
static inline bool pt_objective_reads(const pt_objective *o, const char *column)
{
    for (int k = 0; k < o->n_columns && o->by_rows; k++)
        if (!strcmp(o->columns[k], column)) return true;
    return false;
}
/* The normaliser of o's mean in a batch. */
static inline double pt_objective_norm(const pt_objective *o, double rows, double answers, double records)
{
    return o->mean == PT_MEAN_ROWS ? rows : o->mean == PT_MEAN_ANSWERS ? answers : records;
}
#endif
