/* Whom the tasks of an evaluation speak to (`models`): the measured model itself, what it was tuned from, adapters of that in slots of one model, other models opened
 * beside it. Those alone that a task names are opened. */
#ifndef PT_CLI_EVAL_MODELS_H
#define PT_CLI_EVAL_MODELS_H
#include "eval/ask/voice_local.h"
#include "eval/suite/suite.h"
#include "train/cli/open.h"

/* A model that is opened beside the measured one. */
typedef struct pt_beside_model {
    const pt_voice_spec *spec; /* NULL: the base itself, which is another model than the one that is measured */
    pt_opened o;
    pt_model_caps caps;
    bool ready; /* it is in memory, not only planned */
    uint64_t content;
} pt_beside_model;

/* Zero-initialise; the first part is the caller's, and stays. */
typedef struct pt_eval_models {
    pt_cli *c;
    const pt_voice_spec *specs; /* [n] of the config */
    size_t n;
    pt_answers *answers;
    const char *base;           /* what is measured, or what it is tuned from: a path for pt_open_named */
    bool base_of_run;           /* base is a run, whose base is meant */
    const pt_config *training;  /* the measured model is in training by this config, which names its base; NULL: it is not */
    void (*progress)(void *user, const char *what, size_t done, size_t of);
    bool (*stop)(void *user);
    void *user;

    pt_meetings meetings;       /* whom tasks name */
    pt_beside_model *beside;    /* [n_beside] of n + 1, which stay where they are */
    size_t n_beside;
    size_t guest[PT_OPEN_GUESTS]; /* of adapters of the base, in the order of specs: which guest of the model that holds the base it is */
    pt_voices remote;           /* of endpoints; rank 0's, of all sides */
    pt_voices voices;           /* of the side that is measured, remote ones among them */
    pt_server server;
    pt_runner *runners;         /* [server.n - 1] behind the measured one's */
    char *limit;                /* of a voice, in words; owned; NULL: none was reached */
    char **names;               /* [server.n - 1] their identities */
} pt_eval_models;

/* Whom the tasks of n suites name; PT_EARG at an entry's place for a name that there is none of. Without m->answers yet endpoints are only tried: pt_eval_models_keep
 * opens them. */
pt_status pt_eval_models_begin(pt_eval_models *m, const pt_suite *s, size_t n);
/* Where answers are kept from now on, borrowed. */
pt_status pt_eval_models_keep(pt_eval_models *m, pt_answers *answers);
/* Before the model that holds the base's weights is made: adapters of the base become guests of it. */
pt_status pt_eval_models_guests(pt_eval_models *m, pt_opened *o);
/* Before the measured model is planned: its room for what it is asked as itself and, where it holds the base's weights, as the base and its adapters; fresh: that
 * model is made now, with them as guests. */
pt_status pt_eval_models_plan(pt_eval_models *m, pt_opened *o, bool is_base, bool fresh, pt_model_caps *caps);
/* All that stands beside the measured model is opened and planned, and nothing of it allocated. before: what the base is asked as a side of its own, where it is another
 * model than the measured one; NULL: nothing. Without this call pt_eval_models_speak does it. */
pt_status pt_eval_models_open(pt_eval_models *m, const pt_opened *measured, bool is_base, const pt_model_caps *before);
/* What is planned is allocated. */
pt_status pt_eval_models_commit(pt_eval_models *m);
/* Bytes of what is planned beside the measured model; said: each of them in words, behind commas. */
pt_status pt_eval_models_memory(const pt_eval_models *m, size_t *bytes, pt_str *said);
/* The base where it is a model of its own, in memory. */
pt_status pt_eval_models_base(pt_eval_models *m, const pt_opened *measured, pt_beside_model **out);
/* The voices of one side and what answers for them: `self` is r, of o, whose content that is. Opens what is not open yet, and says what memory it takes. */
pt_status pt_eval_models_speak(pt_eval_models *m, pt_opened *o, bool is_base, pt_runner *r, uint64_t content);
/* After a side. */
void pt_eval_models_hush(pt_eval_models *m);
/* PT_ESTATE names a voice that has reached a limit of the config. */
pt_status pt_eval_models_limit(const pt_eval_models *m);
void pt_eval_models_free(pt_eval_models *m);

/* The voice of an entry with `endpoint`, with the key of its environment variable; answers are borrowed. PT_EARG at the entry's place: what does not go together, no such variable. */
pt_status pt_eval_endpoint(const pt_voice_spec *spec, pt_answers *answers, pt_voice **out);

/* What gives the answers, in words: weights, adapter (a folder; NULL: none), template, compute type. content: pt_source_content. */
pt_status pt_eval_identity(const pt_opened *o, uint64_t content, const char *adapter, pt_str *out);
/* Who asks an opened model. */
pt_runner pt_eval_runner(const pt_opened *o, int slot, const pt_model_caps *caps, pt_answers *answers, const char *identity, pt_comm *comm);
#endif
