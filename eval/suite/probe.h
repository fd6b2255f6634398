/* A few rows of a run's own data, and the loss of a model on them: what an export kept of a training is the loss that came down there. */
#ifndef PT_EVAL_PROBE_H
#define PT_EVAL_PROBE_H
#include "data/read/record.h"
#include "train/model/model.h"

typedef struct pt_probe_seq {
    pt_ids ids;
    float *weight; /* of predicting ids[i]; [ids.n] */
} pt_probe_seq;

typedef struct pt_probe {
    bool pairs; /* seqs 2i chosen, 2i + 1 rejected */
    pt_probe_seq *seqs;
    size_t n, cap;
    size_t tokens, longest, rows;
} pt_probe;

/* How much is read: so many tokens or rows in all, whichever comes first, a row cut to `cut` tokens. */
typedef struct pt_probe_most {
    size_t tokens, rows, cut;
} pt_probe_most;
/* Rows from the front of each data set in turn. Sets whose file is not there give nothing, and no error. tok and tmpl may be NULL: then only rows of
 * ids. */
pt_status pt_probe_read(pt_probe *p, const pt_dataset_spec *sets, size_t n_sets, bool pairs, const pt_tokenizer *tok, const pt_template *tmpl,
                        pt_probe_most most);
/* A sequence of its own: n ids, copied; weight (may be NULL: all 1) of predicting each. */
pt_status pt_probe_add(pt_probe *p, const int32_t *ids, size_t n, const float *weight);
void pt_probe_free(pt_probe *p);
/* Sums of log-probabilities of each sequence, [p->n]: sum weighted, all of every token but the first. The model is planned for p->longest. */
typedef struct pt_probe_sums {
    double *sum, *all;
} pt_probe_sums;
pt_status pt_probe_measure(const pt_probe *p, pt_model *m, int slot, const pt_probe_sums *out);
/* sequences: -sum / weights. pairs: the mean of the objective's loss (its number and options) against the base's sums. */
double pt_probe_loss(const pt_probe *p, const pt_probe_sums *s, const pt_probe_sums *base, int objective, const pt_core_step *step);
/* Nats a token of whole rows, prompts included. */
double pt_probe_nll(const pt_probe *p, const pt_probe_sums *s);
#endif
