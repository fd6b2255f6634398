/* Inside of a chat template; included by data/text/tmpl_*.c only.
 *
 * A style states how messages become text. In its strings a control token stands as its spelling and is found in the vocabulary
 * (a style whose control tokens are not there is refused); PT_TMPL_EOS stands for the tokenizer's end token. */
#ifndef PT_DATA_TMPL_PRIV_H
#define PT_DATA_TMPL_PRIV_H
#include <jansson.h>

#include "base/file.h"
#include "base/json.h"
#include "data/text/jinja.h"
#include "data/text/template.h"

#define PT_TMPL_EOS "\x01"

typedef enum pt_tmpl_kind {
    PT_TMPL_TURNS,  /* every message between its own tags */
    PT_TMPL_FOLDED, /* [INST]: user and assistant alternate, the system text goes into the first user turn */
    PT_TMPL_QWEN25, /* turns, tool results inside user turns */
    PT_TMPL_QWEN3,  /* the same with <think> blocks (rendered without thinking) */
    PT_TMPL_LLAMA31, /* turns behind a system turn with dates */
    PT_TMPL_OWN      /* none of ours: the model's own text is run */
} pt_tmpl_kind;

typedef enum pt_tmpl_bos { PT_BOS_NEVER, PT_BOS_ONCE, PT_BOS_EACH_USER, PT_BOS_AS_TOKENIZER } pt_tmpl_bos;

/* What stands around a speaker's turn. The assistant's `open` is the generation prompt. */
typedef struct pt_tmpl_tags {
    const char *speaker, *open, *close;
} pt_tmpl_tags;

typedef struct pt_tmpl_style {
    const char *name;
    const char *also; /* other names, separated by blanks; NULL = none */
    pt_tmpl_kind kind;
    pt_tmpl_bos bos;
    bool strip;                     /* outer white space of every content is dropped */
    bool keep_system;               /* but of the system text: what it is put before is stripped by itself */
    bool system_anywhere;           /* a system message may stand after the first */
    bool no_system;                 /* the model's own text refuses a system role */
    bool alternate;                 /* user and assistant take turns, beginning with the user */
    bool next_ends;                 /* an answer ends with the token that opens the turn behind it (the user's behind the last) */
    const char *head;               /* behind BOS, before everything; NULL = nothing */
    const pt_tmpl_tags *tags;       /* of the speakers that it knows, ended by a name NULL; user and assistant are among them */
    const char *lead;               /* between the generation prompt and the answer: belongs to the answer */
    const char *default_system;
    const char *controls; /* spellings that must be control tokens of the vocabulary, separated by blanks */
} pt_tmpl_style;

/* What the template does with thoughts: it has a place for those given beside the text; it knows none, and a text with <think> in it stands as it is; it
 * leaves out what stands before </think>. */
typedef enum pt_tmpl_thoughts { PT_THOUGHTS_TEXT, PT_THOUGHTS_FIELD, PT_THOUGHTS_DROPPED } pt_tmpl_thoughts;

/* What a template takes as it is given. */
typedef struct pt_tmpl_takes {
    bool system;   /* a first system message */
    bool late;     /* one behind others */
    bool runs;     /* messages of one speaker one behind the other */
    bool greeting; /* an answer before any question */
} pt_tmpl_takes;

struct pt_template {
    const pt_tmpl_style *style;
    const pt_tokenizer *tok;
    char *system; /* owned: rendered when a conversation brings none; NULL = nothing */
    char *jinja;
    int32_t *stops;
    size_t n_stops, cap_stops;
    bool bos_once, bos_each;
    pt_tmpl_takes takes;
    pt_template_policy policy; /* its text is owned */
    pt_jinja *program; /* of `jinja`, where the style is PT_TMPL_OWN */
    pt_jinja_date date;
    pt_tmpl_thoughts thoughts;
    bool strips; /* a control token of the tokenizer swallows white space beside it */
};

/* tmpl_styles.c */
const pt_tmpl_style *pt_tmpl_by_name(const char *name);
/* A speaker's tags: under its own name, else those of the one whose part it plays; NULL: the template does not know it. */
const pt_tmpl_tags *pt_tmpl_tags_of(const pt_tmpl_style *s, const pt_speaker *who);
/* What stands in the place of a style where the model's own template is run. */
extern const pt_tmpl_style pt_tmpl_own_style;
/* By the digest of a template's text, NULL when it is not known. */
const pt_tmpl_style *pt_tmpl_by_text(const char *text);
/* The styles one after the other: the first for NULL, NULL after the last. */
const pt_tmpl_style *pt_tmpl_each(const pt_tmpl_style *s);
/* Whether BOS stands once, or before each user turn, with this style and tokenizer. */
void pt_tmpl_place_bos(pt_template *t);

/* What pt_tmpl_write_jinja puts before a model's own text (FOLD: one that refuses a system role), and pt_template_jinja_scored around one. */
#define PT_TMPL_NO_THINK "{%- set enable_thinking = false %}"
#define PT_TMPL_SYSTEM_BEFORE "{% if messages[0]['role'] != 'system' %}{% set messages = [{'role': 'system', 'content': "
#define PT_TMPL_SYSTEM_BEHIND "}] + messages %}{% endif %}"
#define PT_TMPL_FOLD_BEFORE                                                                                                            \
    "{% if messages[0]['role'] == 'system' %}{% set ptrain_said = messages[0]['content'] %}{% set messages = messages[1:] %}"           \
    "{% else %}{% set ptrain_said = "
#define PT_TMPL_FOLD_BEHIND                                                                                                            \
    " %}{% endif %}{% if messages and messages[0]['role'] == 'user' %}{% set messages = [{'role': 'user', 'content': "                  \
    "ptrain_said + '\\n\\n' + messages[0]['content']}] + messages[1:] %}{% else %}"                                                      \
    "{% set messages = [{'role': 'user', 'content': ptrain_said}] + messages %}{% endif %}"
#define PT_TMPL_SCORED_BEFORE "{%- set ptrain_text %}"
#define PT_TMPL_SCORED_BEHIND "{%- endset %}{{ ptrain_text if add_generation_prompt else ptrain_text.rstrip() }}"

/* tmpl_known.c: what a text is. style NULL: not known. */
typedef struct pt_tmpl_known {
    const pt_tmpl_style *style;
    char *base;    /* the known text (in it); NULL where the style is written from nothing */
    char *system;  /* replaced: the default system text that stands in it, NULL = none */
    bool replaced; /* a text of ours: `system` counts in place of the style's own */
} pt_tmpl_known;
pt_status pt_tmpl_recognise(const char *text, const pt_tokenizer *tok, pt_tmpl_known *k);
void pt_tmpl_known_free(pt_tmpl_known *k);

/* tmpl_jinja.c: *out = owned Jinja text of the style with this default system text (NULL = none). own: the model's own text, or
 * NULL. */
pt_status pt_tmpl_write_jinja(char **out, const pt_template *t, const char *own, bool system_replaced);

/* A piece of a text, for the parts that a template takes out of a message. */
typedef struct pt_part {
    const char *s;
    size_t n;
} pt_part;

/* ---- tmpl_span.c: spans into ids ---- */
typedef struct pt_tmpl_span {
    size_t from; /* offset in the pending text where this weight begins */
    float weight;
} pt_tmpl_span;
typedef struct pt_tmpl_out {
    const pt_template *t;
    pt_rendered *r;
    pt_str text; /* pending: since the last control token or cut */
    pt_tmpl_span *spans;
    size_t n_spans, cap_spans;
    size_t *turns; /* offsets in the pending text where messages begin */
    size_t n_turns, cap_turns;
    pt_tok_where where;
    bool swallow; /* white space that follows belongs to the last control token */
    const pt_message *unfinished; /* the last answer, when it is to be continued: it has no end */
    const char *system; /* the template's own, for a conversation that brings none; NULL = nothing */
    float owed; /* weight of the token that opens the next turn, which ends an answer (next_ends) */
} pt_tmpl_out;
void pt_tmpl_out_free(pt_tmpl_out *o);
/* A message begins here. */
pt_status pt_tmpl_turn(pt_tmpl_out *o);
/* The template's own text: control tokens in it become ids; answer_end: a control token with weight > 0 closes a supervised
 * turn. */
pt_status pt_tmpl_lit(pt_tmpl_out *o, const char *text, float weight, bool answer_end);
/* A record's text: never a control token. */
pt_status pt_tmpl_text(pt_tmpl_out *o, const char *s, size_t n, float weight);
/* A part of a message's own text, with the weights that the message gives it. */
pt_status pt_tmpl_said(pt_tmpl_out *o, const pt_message *m, const char *s, size_t n);
/* The template's own text without control tokens. */
pt_status pt_tmpl_plain(pt_tmpl_out *o, const char *s, size_t n, float weight);
pt_status pt_tmpl_control(pt_tmpl_out *o, int32_t id, float weight, bool answer_end);
/* Encodes what is pending; what follows is encoded apart. */
pt_status pt_tmpl_cut(pt_tmpl_out *o);
/* The same at the end of the rendering. */
pt_status pt_tmpl_flush(pt_tmpl_out *o);

/* ---- tmpl_render.c: pieces of turns ---- */
pt_part pt_tmpl_content(const pt_template *t, const pt_message *m);
/* One message between its tags, with content c. before: text in front of an answer that belongs to the prompt. */
pt_status pt_tmpl_one(pt_tmpl_out *o, const pt_message *m, pt_part c, const char *before);
/* The parts of an answer: its tag (and the cut behind it), its end. */
pt_status pt_tmpl_begin(pt_tmpl_out *o, const pt_message *m, const char *before);
pt_status pt_tmpl_end(pt_tmpl_out *o, const pt_message *m);
/* The template's own system turn, where the conversation brings none. */
pt_status pt_tmpl_default_system(pt_tmpl_out *o, const pt_message *m, size_t n);

/* ---- tmpl_policy.c: what a template does not take, put otherwise ---- */
/* m[n] are rendered: the conversation as it was given, or its own. Zero-initialise; free. */
typedef struct pt_tmpl_taken {
    const pt_message *m;
    size_t n;
    pt_message *own;
    struct pt_tmpl_put { /* beside each of own: a text that was joined */
        pt_str text;
        pt_text_span *spans;
        size_t n_spans, cap_spans;
        bool parts; /* spans count */
        bool folded; /* it is a system text so far */
    } *put;
    size_t *at; /* [given messages] where each went */
    size_t cap, cap_put, cap_at;
} pt_tmpl_taken;
void pt_tmpl_taken_free(pt_tmpl_taken *k);
/* By t's policy; what was done is counted in r. */
pt_status pt_tmpl_take(const pt_template *t, const pt_message *m, size_t n, pt_rendered *r, pt_tmpl_taken *k);
/* Fills t->takes by asking the model's own template. */
pt_status pt_tmpl_probe(pt_template *t);

/* ---- tmpl_tools.c: templates with a place for tools and thoughts ---- */
/* What Qwen's templates say before and behind the list of tools. */
#define PT_TMPL_QWEN_TOOLS                                                                                                             \
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function "          \
    "signatures within <tools></tools> XML tags:\n<tools>"
#define PT_TMPL_QWEN_CALLS                                                                                                             \
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "                      \
    "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "                              \
    "<args-json-object>}\n</tool_call><|im_end|>\n"
#define PT_TMPL_NO_THOUGHT "<think>\n\n</think>\n\n"
pt_status pt_tmpl_qwen25(pt_tmpl_out *o, const pt_message *m, size_t n);
pt_status pt_tmpl_qwen3(pt_tmpl_out *o, const pt_message *m, size_t n);
pt_status pt_tmpl_llama31(pt_tmpl_out *o, const pt_message *m, size_t n);
/* Whether Qwen 3's rendering of n messages says answer k as that of the first k + 1 does. */
bool pt_tmpl_qwen3_keeps(const pt_message *m, size_t n, size_t k);

/* ---- tmpl_own.c: the model's own template ---- */
pt_status pt_tmpl_own(pt_tmpl_out *o, const pt_message *m, size_t n, bool generation);
/* pt_template_split of it. */
pt_status pt_tmpl_own_split(const pt_template *t, const pt_message *m, size_t n, size_t *until);
/* What it does with thoughts, by renderings of two answers; TEXT where it refuses them. */
pt_status pt_tmpl_own_thoughts(pt_template *t);
#endif
