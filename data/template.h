/* Chat templates: messages -> spans of text and control tokens with weights -> token ids and weights.
 *
 * The loss mask is never found by searching strings: each span carries its weight from the record. Text between two control
 * tokens is encoded as one string; the only extra cut is after the generation prompt (where the answer begins), so that
 * training and generation see the same ids. BOS stands once and is decided here alone. */
#ifndef PT_DATA_TEMPLATE_H
#define PT_DATA_TEMPLATE_H
#include "data/tokenizer.h"

typedef enum pt_speaker { PT_SYSTEM, PT_USER, PT_ASSISTANT, PT_TOOL } pt_speaker;

/* One message of a conversation; text borrowed. weight: loss weight of this message's tokens (0 = context). */
typedef struct pt_message {
    pt_speaker speaker;
    const char *text;
    size_t bytes;
    float weight;
} pt_message;

typedef struct pt_template pt_template;

/* Ids with weights. weight[i] is the loss weight of PREDICTING ids[i] (0 = context). turn_start lists the index of the first
 * token of every message that was rendered (for cutting old turns whole); answer_end[i] is the index of the end-of-turn token
 * of supervised turn i. */
typedef struct pt_rendered {
    pt_ids ids;
    float *weight;
    size_t weight_cap;
    int32_t *turn_start;
    size_t n_turns, turn_cap; /* with the system turn as turn 0 when there is one */
    int32_t *answer_end;
    size_t n_answers, answer_cap;
    size_t control_in_text; /* control-token spellings met inside a user's text, kept as text */
} pt_rendered;
void pt_rendered_free(pt_rendered *r);
void pt_rendered_clear(pt_rendered *r);

/* By name: chatml, llama2, llama3, mistral, zephyr, qwen, smollm, vicuna, alpaca, plain; or "tokenizer_default": recognised
 * from the model's exact template text (known digests), refused by name otherwise. Refused (PT_ENOSUP) when its control tokens
 * are not single ids here. default_system: replaces the template's own default system prompt; NULL keeps it; "" renders none
 * where the template allows it. */
pt_status pt_template_open(pt_template **out, const char *name, const pt_tokenizer *tok, const char *default_system);
void pt_template_free(pt_template *t);
const char *pt_template_name(const pt_template *t);
/* The list of names, NULL-terminated. */
const char *const *pt_template_names(void);

/* Renders a conversation (appending to a cleared `out`). generation: end with the generation prompt (the last message is not
 * the assistant's). A supervised (weight > 0), uncut assistant turn's end-of-turn token is supervised too, with the turn's
 * weight. A template without a system role folds the system text into the first user turn. PT_EARG with what is wrong for an
 * order of turns that the template cannot express. */
pt_status pt_template_render(const pt_template *t, const pt_message *m, size_t n, bool generation, pt_rendered *out);
/* Ids that end an answer when generating (end of turn, eos, ...): borrowed, n in *n. */
const int32_t *pt_template_stops(const pt_template *t, size_t *n);
/* The Jinja text that says the same, for export into GGUF / tokenizer_config.json (the model's own text when it was
 * recognised). */
const char *pt_template_jinja(const pt_template *t);
uint64_t pt_template_fingerprint(const pt_template *t);
#endif
