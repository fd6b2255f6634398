/* Items with options, of which a model takes one: what the kinds share that measure or read one of several (choice, statements, label, value, rank,
 * probability). */
#ifndef PT_EVAL_CHOOSER_H
#define PT_EVAL_CHOOSER_H
#include "eval/task/behind.h"
#include "eval/task/held.h"

typedef struct pt_choose_item {
    size_t scope;
    uint64_t cluster; /* by pt_chooser_add */
    json_t *row;    /* for the prompt's fields */
    char *system;   /* system text; NULL = none */
    char **options; /* [n] */
    int n, gold;    /* gold -1: nobody says which is right */
} pt_choose_item;

typedef struct pt_chooser {
    pt_choose_item *items;
    size_t cap; /* n is the task's items */
    bool *keep; /* after asking: which were asked */
    size_t kept; /* how many */
    bool chat;  /* asked through the chat template */
    pt_answer_end end; /* of options measured through it */
    bool one;   /* options may be any number, and are never listed: they are what an answer is measured by, and no choice */
    bool alone; /* each option is measured behind nothing too, as with mutual_info */
    const char *plain; /* the prompt without a list of options, where none is said; NULL: {question} */
} pt_chooser;

/* Appends an item; what it holds is taken over, even on failure. PT_EFORMAT: fewer than two options, two of equal text, an empty one. */
pt_status pt_chooser_add(pt_task *t, pt_chooser *c, pt_choose_item *item);
/* What rows of all kinds have: x->row, x->system, and x->scope by the field that the key group_by names. */
pt_status pt_choose_item_read(pt_task *t, json_t *row, pt_choose_item *x);
/* The row's text as its field {question}: it may be called text, input or sentence too. PT_EFORMAT: there is none, nor a prompt of the entry's own. */
pt_status pt_choose_question(const pt_task *t, json_t *row);
void pt_chooser_free(pt_task *t, pt_chooser *c);
void pt_choose_item_free(pt_choose_item *i);

/* Keys of kinds that show their options; they may come after a dialogue, whose transcripts are to an item as its repeats are. */
#define PT_CHOOSER_KEYS                                                                                                                             \
    {.name = "method", .kind = PT_TASK_WORD, .fallback = "likelihood", .words = pt_choose_methods,                                                   \
     .help = "likelihood: of each option's text; letter: of each option's letter behind a list of them; written: what the model writes is read."},  \
    {.name = "prompt", .kind = PT_TASK_TEXT, .help = "What is asked: {question}, {options} (the list A. ...), {FIELD} of the row."},               \
    {.name = "system", .kind = PT_TASK_TEXT, .help = "System text; a row's own `system` wins. With fields as in prompt."},                         \
    {.name = "chat", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_choose_chat,                                                              \
     .help = "Whether it is asked through the chat template. auto: where the model has one."},                                                      \
    {.name = "delimiter", .kind = PT_TASK_TEXT, .fallback = " ", .help = "Between prompt and option, without a chat template."},                   \
    PT_BEHIND_KEYS,                                                                                                                                  \
    {.name = "rotate", .kind = PT_TASK_FLAG, .fallback = "false", .help = "Asks with the list in every rotation: measures position bias."},         \
    {.name = "cluster_by", .kind = PT_TASK_TEXT,                                                                                                     \
     .help = "The field of the rows whose equal values intervals and tests keep together, such as persona; group: the group. Unset: each item by itself."},   \
    {.name = "mutual_info", .kind = PT_TASK_FLAG, .fallback = "false", .help = "Measures each option behind nothing too, for acc_mutual_info."},    \
    {.name = "max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "16", .min = 1, .max = 65536, .help = "written: tokens of an answer."},         \
    {.name = "temperature", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 100, .help = "written: 0 = greedy."},                         \
    {.name = "repeats", .kind = PT_TASK_WHOLE, .fallback = "1", .min = 1, .max = 1000, .help = "written: how often each item is asked."},          \
    PT_HELD_KEY
extern const char *const pt_choose_methods[], *const pt_choose_chat[];
/* Whether the entry's key `chat` asks through the template. PT_EARG: there is none. */
pt_status pt_choose_by_chat(const pt_task *t, const pt_speller *s, bool *chat);

/* pt_task_kind.ask and .judge of a task whose state begins with a pt_chooser.
 * The option's text as it is measured: without a template delimiter + text, the delimiter not counted in its length; through the template the
 * text without spaces before it, and without the end token behind it. */
pt_status pt_chooser_ask(pt_task *t, const pt_speller *s, pt_requests *q);
pt_status pt_chooser_judge(pt_task *t, const pt_reply *replies, pt_side side);

/* Which of n options a written answer names: by letter ("B", "(b)", "Answer: B.", "**B**", {"answer": "B"}), else by the text of exactly one of
 * them. options[place] in the order shown. -1: none, or several. */
int pt_choose_read(const char *answer, char *const *options, int n);
#endif
