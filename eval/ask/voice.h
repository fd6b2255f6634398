/* Voices: who answers conversations beside, or in the place of, the model that is measured: that model itself, another one in memory, an adapter of the same base, a
 * remote endpoint. Tasks that go on from what was answered (a judge, a dialogue, the best of n) speak to them by name in their `talk` (eval/task/task.h). */
#ifndef PT_EVAL_VOICE_H
#define PT_EVAL_VOICE_H
#include <jansson.h>

#include "data/read/record.h"
#include "eval/ask/request.h"

/* A conversation that waits for its next turn. */
typedef struct pt_talk {
    const pt_message *turns; /* [n]; the last one is to be answered */
    size_t n;
    pt_sampling how;
    const char *constraint;  /* what the answer must be (eval/ask/request.h); NULL: anything. Voices of models in memory alone take one */
    int repeat;              /* sampled: the same once more has another number, and another answer */
} pt_talk;

/* What came back. Either text or failure is there. */
typedef struct pt_said {
    char *text;    /* owned */
    char *failure; /* owned, one line: why there is no answer */
    bool stopped;  /* it ended by itself */
    bool known;    /* it was kept from before */
    int32_t tokens, near; /* eval/ask/request.h */
} pt_said;
void pt_said_free(pt_said *s, size_t n); /* and the list itself */

typedef struct pt_voice pt_voice;
struct pt_voice {
    char *name;     /* owned; as the config calls it: `self` is what is measured, `base` what it was tuned from */
    char *identity; /* owned; what gives the answers, in words without secrets */
    char *limit;    /* owned; a limit of the config that was reached: those asked since have failed for it; NULL = none was */
    void *of;
    /* Answers to n conversations. said[n], zero-initialised by the caller, freed with pt_said_free. One that gets no answer has a failure, and ends nothing. Other
     * statuses end the evaluation: memory, a lost rank, a disk. */
    pt_status (*ask)(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said);
    /* The scalar head's score of an answer to each, value[n]; NULL: it gives none. */
    pt_status (*score)(pt_voice *v, const pt_talk *talks, const char *const *answers, size_t n, double *value);
    /* What it has cost so far, as an object for eval.json (owned by the caller): requests, answers, failures by cause, tokens, cost; NULL: nothing to say. */
    pt_status (*account)(const pt_voice *v, json_t **out);
    void (*close)(pt_voice *v); /* frees what it is made of, and itself */
};

typedef struct pt_voices {
    pt_voice **at; /* [n] owned */
    size_t n, cap;
} pt_voices;
/* Takes it over, on failure too. PT_EARG: there is one of that name. */
pt_status pt_voices_add(pt_voices *v, pt_voice *voice);
/* PT_EARG names those that there are. */
pt_status pt_voices_find(const pt_voices *v, const char *name, pt_voice **out);
/* What a voice has cost until now, and between two such accounts: every number less what it was, those of a list of causes that are 0 then left out; texts as they are.
 * Owned; NULL: it has nothing to say. PT_ENOMEM. */
pt_status pt_voice_account(const pt_voice *v, json_t **out);
pt_status pt_voice_since(const pt_voice *v, const json_t *before, json_t **out);
void pt_voices_free(pt_voices *v);
#endif
