/* From texts to requests: conversations by the model's chat template, plain texts as lm-evaluation-harness spells them. */
#ifndef PT_EVAL_SPELL_H
#define PT_EVAL_SPELL_H
#include "data/text/template.h"
#include "eval/ask/request.h"

typedef struct pt_speller {
    const pt_tokenizer *tok;
    const pt_template *tmpl; /* NULL: the model has none; plain texts alone */
} pt_speller;

/* What is left out of an answer that is measured: its end token, where the question is what the answer says and not that it ends. */
typedef enum pt_answer_end { PT_END_LEFT_OUT, PT_END_MEASURED } pt_answer_end;

/* Appends a request: the log-probability of `answer` behind a conversation of n turns, rendered as training renders it. `system` (may be NULL)
 * stands instead of the first turn. PT_EARG where the answer makes no token. */
pt_status pt_spell_answer(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const pt_message *system, const char *answer,
                          size_t bytes, pt_answer_end end);
/* Appends a request: the scalar head's score of the same, read at the answer's end token. */
pt_status pt_spell_scored(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const char *answer, size_t bytes);
/* Appends a request: what the model answers to a conversation. */
pt_status pt_spell_question(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const pt_sampling *how, int repeat);
/* Appends a request: the log-probability of `text` behind `context`, without a template, as lm-evaluation-harness 0.4.13 splits them
 * (lm_eval/api/model.py, _encode_pair): white space at the context's end goes to the text, both are encoded as one, and the ids past the
 * length of the context's own are the text's. An empty context is BOS, or EOS where there is none. */
pt_status pt_spell_continuation(const pt_speller *s, pt_requests *q, const char *context, const char *text);
/* Appends a request: what is generated behind a plain text. */
pt_status pt_spell_text(const pt_speller *s, pt_requests *q, const char *text, const pt_sampling *how, int repeat);

/* Appends a request: what is generated behind the first `prefix` tokens of a text (turns NULL: as a document; else of the answer to n turns, behind them), of
 * how->max_new_tokens tokens. *rest gets what stands there. *enough false, and no request: the text is shorter than both. */
pt_status pt_spell_beginning(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const char *text, int prefix, const pt_sampling *how,
                             pt_str *rest, bool *enough);
/* How many tokens a text has that stands behind another. */
pt_status pt_spell_length(const pt_speller *s, const char *text, int *tokens);

/* A question as tasks ask it. */
typedef struct pt_asked {
    bool chat;                  /* through the template; else the system text stands above the prompt */
    const char *system;         /* NULL or "": none */
    const pt_message *before;   /* [n_before] a conversation that the prompt stands behind, through the template, with its own system text instead of `system`; where it
                                   ends with the user the prompt joins that turn */
    size_t n_before;
    const char *prompt;
    const char *delimiter;      /* without a template: between prompt and answer */
    pt_answer_end end;          /* through the template */
    bool scored;                /* of an answer the scalar head's score, which wants a template */
} pt_asked;
/* The request that was appended last, of a text, is held to a constraint (eval/ask/request.h), which is copied; NULL: to none. */
pt_status pt_spell_constrain(pt_requests *q, const char *constraint);
/* Appends a request: the log-probability (or score) of an answer (through the template without spaces before it); answer NULL: what is
 * generated. */
pt_status pt_spell_asked(const pt_speller *s, pt_requests *q, const pt_asked *x, const char *answer, const pt_sampling *how, int repeat);
#endif
