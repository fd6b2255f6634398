/* Chat templates: messages -> spans of text and control tokens with weights -> token ids and weights.
 *
 * The loss mask is never found by searching strings: each span carries its weight from the record. Text between two control
 * tokens is encoded as one string; the only extra cut is after the generation prompt (where the answer begins), so that
 * training and generation see the same ids. BOS stands once and is decided here alone. */
#ifndef PT_DATA_TEMPLATE_H
#define PT_DATA_TEMPLATE_H
#include "data/text/speaker.h"
#include "data/text/tokenizer.h"

struct json_t;

/* Bytes [from, to) of a message's text, and the loss weight of their tokens. */
typedef struct pt_text_span {
    size_t from, to;
    float weight;
} pt_text_span;

/* One message of a conversation; everything borrowed. weight: loss weight of this message's tokens (0 = context). What stands
 * beside the text may be absent (zeros). */
typedef struct pt_message {
    const pt_speaker *speaker;
    const char *text;
    size_t bytes;
    float weight;
    const pt_text_span *spans; /* parts of the text with weights of their own, ascending and apart: the text beside them is context; NULL = none */
    size_t n_spans;
    const char *thought; /* an answer's reasoning; NULL = none was given */
    size_t thought_bytes;
    const struct json_t *calls; /* an answer's tool calls: a list of {name, arguments} or {function: {name, arguments}} */
    const char *call_text;      /* the calls as their row spells them: the text, under a template that writes no calls; NULL = none */
    size_t call_bytes;
    const struct json_t *tools; /* of the first message alone: the list of tools that the conversation offers */
    const char *role;           /* a tool result's own role name (ipython, function); NULL = tool */
    bool is_json;               /* a tool result that was given as an object or list: text is its JSON */
    bool thought_masked;        /* the thought, and what the template writes around it, is context whatever the message weighs */
} pt_message;

/* What a rendering left out or wrote otherwise, counted in messages (PT_NOTE_TOOLS: conversations). */
typedef enum pt_note {
    PT_NOTE_THOUGHT,     /* a thought: the template has no place for it */
    PT_NOTE_OLD_THOUGHT, /* a thought of an answer before the last question, which the template leaves out */
    PT_NOTE_CALLS,       /* tool calls: the template has no place for them */
    PT_NOTE_CALL_TEXT,   /* text beside a tool call, which the template leaves out */
    PT_NOTE_TOOLS,       /* a list of tools: the template has no place for it */
    PT_NOTE_SYSTEM,      /* a system text that the model's own template leaves out */
    PT_NOTE_FOLDED,      /* a system text that was put into the user's turn, where the template refuses it */
    PT_NOTE_JOINED,      /* a turn that was joined to the one before, which is the same speaker's */
    PT_NOTE_GREETING,    /* an answer before any question, which a question was put before */
    PT_NOTES
} pt_note;
/* "thoughts the template has no place for" ... */
const char *pt_note_text(pt_note n);

typedef struct pt_template pt_template;

/* What is done with a conversation that a template refuses, in training and in prompts alike. What a template takes is not touched unless it is said.
 * A named template refuses what its style does; the model's own is asked when it is opened. */
typedef enum pt_system_role {
    PT_SYSTEM_AUTO, /* a system text that the template refuses is put into the user turn behind it, a blank line between */
    PT_SYSTEM_FOLD, /* every system text is */
    PT_SYSTEM_KEEP  /* none is: the template may refuse the conversation */
} pt_system_role;
typedef enum pt_alternate {
    PT_ALTERNATE_AUTO, /* messages of one speaker one behind the other become one, a blank line between, where the template refuses such an order; an
                        * answer before any question gets a question put before it, where the template refuses that */
    PT_ALTERNATE_JOIN, /* they become one under every template */
    PT_ALTERNATE_REFUSE /* the template may refuse the conversation */
} pt_alternate;
typedef struct pt_template_policy {
    pt_system_role system_role;
    pt_alternate alternate;
    const char *greeting_prompt; /* the question before a greeting; NULL = empty. Copied */
} pt_template_policy;

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
    size_t noted[PT_NOTES];
    bool rewrites; /* a supervised answer stands here otherwise than where it was the last (pt_template_split), set in a refusal too */
} pt_rendered;
void pt_rendered_free(pt_rendered *r);
void pt_rendered_clear(pt_rendered *r);

/* By a name of pt_template_names, or another name that its style has; or "tokenizer_default": pt_template_open_own of the model's own
 * text, without a date. Refused (PT_ENOSUP) when its control tokens are not single ids here. default_system: replaces the template's own default system
 * prompt; NULL keeps it; "" renders none where the template allows it. */
pt_status pt_template_open(pt_template **out, const char *name, const pt_tokenizer *tok, const char *default_system);
/* By a Jinja text (NULL: the model's own). One of the known texts (digests, and what pt_template_jinja writes) is the named template that says the same;
 * any other is run as it stands (data/text/jinja.h): the text and the refusals of transformers' apply_chat_template. date: YYYY-MM-DD for a
 * template that asks for it; NULL: such a template is refused where it asks. */
pt_status pt_template_open_own(pt_template **out, const char *text, const pt_tokenizer *tok, const char *default_system, const char *date);
void pt_template_free(pt_template *t);
/* Without it: AUTO, AUTO, an empty question. */
pt_status pt_template_set_policy(pt_template *t, const pt_template_policy *p);
const char *pt_template_name(const pt_template *t);
/* The list of names, NULL-terminated. */
const char *const *pt_template_names(void);

/* Renders a conversation (appending to a cleared `out`). generation: end where the answer begins: with the generation prompt, or,
 * where the last message is the assistant's, behind its text as far as it stands (it is to be continued; it is encoded as the
 * beginning of an answer is). A supervised (weight > 0), uncut assistant turn's end-of-turn token is supervised too, with the
 * turn's weight. A template without a system role folds the system text into the first user turn (pt_template_policy). Thoughts, tool calls, tools and
 * tool results stand as the model's own template writes them; what it has no place for is counted in noted. PT_EARG with what is
 * wrong for an order of turns that the template cannot express and the policies do not mend; PT_EFORMAT for tool calls that it cannot write in a message that
 * says nothing else. */
pt_status pt_template_render(const pt_template *t, const pt_message *m, size_t n, bool generation, pt_rendered *out);
/* Some templates write an answer otherwise once others follow: thoughts are left out, an empty one too, the end token is another. Each supervised
 * message is then trained in the rendering of the conversation's first until[i] messages, where it stands as the model says it; messages that one rendering
 * holds so share its number, and of weight 0 it is 0. until has n elements; n everywhere: the rendering of all serves. Errors as of pt_template_render. */
pt_status pt_template_split(const pt_template *t, const pt_message *m, size_t n, size_t *until);

/* Whether t may be such a template. */
bool pt_template_rewrites(const pt_template *t);

/* Thoughts of answers, given beside the text or as <think>...</think> at its head: as the template writes them; left out; written, and context. */
typedef enum pt_thinking { PT_THINKING_KEEP, PT_THINKING_STRIP, PT_THINKING_MASK } pt_thinking;
/* Room for the parts of texts that pt_template_think makes; zero-initialise, free `list`. */
typedef struct pt_span_room {
    pt_text_span *list;
    size_t cap;
} pt_span_room;
/* Makes the messages such; their spans then lie in `room` until its next use. */
pt_status pt_template_think(const pt_template *t, pt_thinking how, pt_message *m, size_t n, pt_span_room *room);
/* Ids that end an answer when generating (end of turn, eos, ...): borrowed, n in *n. */
const int32_t *pt_template_stops(const pt_template *t, size_t *n);
/* The Jinja text that says the same, for export into GGUF / tokenizer_config.json (the model's own text when it was
 * recognised). */
const char *pt_template_jinja(const pt_template *t);
/* v as the tojson of chat templates writes it: Python's json.dumps(ensure_ascii=False); indent 0 = one line. Appended. */
pt_status pt_text_json(pt_str *out, const struct json_t *v, int indent);
/* The same for a classifier, owned: a conversation ends at the end token of its last answer, where the score is read, without the white space
 * that the template puts behind it. */
pt_status pt_template_jinja_scored(const pt_template *t, char **out);
uint64_t pt_template_fingerprint(const pt_template *t);
#endif
