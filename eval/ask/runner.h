/* Asks a model everything that tasks want to know, in one pass: what is known already is looked up, the rest is sorted so that what begins alike
 * stands together, and laid out as forests, where a shared beginning is computed once. Generated texts share the work of their prompts likewise.
 * Several ranks take batches in turn; which these are does not depend on how many ranks there are. */
#ifndef PT_EVAL_RUNNER_H
#define PT_EVAL_RUNNER_H
#include "eval/ask/answers.h"
#include "train/dist/comm.h"
#include "train/model/model.h"

typedef struct pt_runner {
    pt_model *model;
    const pt_tokenizer *tok;
    const int32_t *stops; /* [n_stops] ids that end a text */
    size_t n_stops;
    int slot;             /* adapter slot, PT_SLOT_NONE = base */
    pt_model_caps caps;   /* what the model was planned for */
    pt_answers *answers;
    const char *identity; /* of what answers (eval/ask/answers.h) */
    pt_comm *comm;        /* NULL: alone. Else every rank asks the same with a model of its own; rank 0 has the answers */
    void (*progress)(void *user, const char *what, size_t done, size_t of); /* may be NULL */
    bool (*stop)(void *user); /* asked before each round; any rank's ends all; NULL: nobody stops */
    void *user;
    /* counted, over all runs */
    size_t asked, known;                     /* different requests; those of them whose answer was there */
    int64_t tokens_asked, tokens_computed;   /* of LOGP and SCORE requests that were computed: as they stand, and after sharing */
    /* by rank 0: what rounding may turn (train/generate/near.h) */
    size_t near_likelihoods, likelihoods; /* of questions with several answers whose likelihoods were asked: those whose two likeliest lie within PT_NEAR_GAP */
    size_t near_texts, texts;             /* generated texts; those with a token chosen at a near tie: counted by several ranks */
} pt_runner;

/* What the model must be planned for, added to caps (zero-initialised, or of other requests): PT_EARG past 2^24 tokens. Texts go together as many as there are, up to 16
 * to 64: as many as 8,192 positions of the longest one hold. */
pt_status pt_runner_needs(const pt_requests *q, pt_model_caps *caps);
/* Room in caps for conversations of up to `context` tokens that are known later only, count of them at once (0: nobody knows); text: their answers, which count in context,
 * are written. */
pt_status pt_runner_reserve(int64_t context, bool text, int64_t count, pt_model_caps *caps);
/* The same two of a model that is planned for something else, such as its training, where a token costs much memory: no more tokens at once than caps has already
 * unless the longest request has more, and 16 texts together at most. */
pt_status pt_runner_needs_within(const pt_requests *q, pt_model_caps *caps);
pt_status pt_runner_reserve_within(int64_t context, bool text, int64_t count, pt_model_caps *caps);
/* Batches are made of all requests, answered before or not, and what is known is then left out of them: who is cut off and begins again gets the
 * same bits, and asks again at most what was in flight.
 * SCORE requests want a model whose head of values gives one number.
 * Several ranks: collective. Batches with something to compute go round; after each round rank 0 takes what came out into `answers` and flushes it, so that what a
 * lost rank costs is one round. PT_EARG on every rank where they ask different things; PT_EIO where a rank is gone. Ranks but 0 get no replies.
 * replies[q->n], zero-initialised by the caller, freed with pt_replies_free. PT_ENONFINITE names the request whose log-probability is no number; PT_ESTOP: stop said
 * so. Of these two every rank hears. */
pt_status pt_runner_run(pt_runner *r, const pt_requests *q, pt_reply *replies);
#endif
