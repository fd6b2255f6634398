/* Asks a model everything that tasks want to know, in one pass: what is known already is looked up, the rest is sorted so that what begins alike
 * stands together, and laid out as forests, where a shared beginning is computed once. Generated texts share the work of their prompts likewise. */
#ifndef PT_EVAL_RUNNER_H
#define PT_EVAL_RUNNER_H
#include "eval/answers.h"
#include "train/model/model.h"

typedef struct pt_runner {
    pt_model *model;
    const pt_tokenizer *tok;
    const int32_t *stops; /* [n_stops] ids that end a text */
    size_t n_stops;
    int slot;             /* adapter slot, PT_SLOT_NONE = base */
    pt_model_caps caps;   /* what the model was planned for */
    pt_answers *answers;
    const char *identity; /* of what answers (eval/answers.h) */
    void (*progress)(void *user, const char *what, size_t done, size_t of); /* may be NULL */
    void *user;
    /* counted, over all runs */
    size_t asked, known;                     /* different requests; those of them whose answer was there */
    int64_t tokens_asked, tokens_computed;   /* of LOGP and SCORE requests that were computed: as they stand, and after sharing */
} pt_runner;

/* What the model must be planned for, added to caps (zero-initialised, or of other requests): PT_EARG past 2^24 tokens. */
pt_status pt_runner_needs(const pt_requests *q, pt_model_caps *caps);
/* Batches are made of all requests, answered before or not, and what is known is then left out of them: who is cut off and begins again gets the
 * same bits, and asks again at most what was in flight.
 * SCORE requests want a model whose head of values gives one number.
 * replies[q->n], zero-initialised by the caller, freed with pt_replies_free. PT_ENONFINITE names the request whose log-probability is no number. */
pt_status pt_runner_run(pt_runner *r, const pt_requests *q, pt_reply *replies);
#endif
