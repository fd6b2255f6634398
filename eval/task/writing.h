/* Items that a model answers in writing, once or several times, and what is made of the answers by metrics of questions: what `text`, `match` and `best_of` share. */
#ifndef PT_EVAL_WRITING_H
#define PT_EVAL_WRITING_H
#include "eval/task/task.h"

typedef struct pt_write_item {
    size_t scope;
    uint64_t cluster;
    json_t *row;
    const char *persona; /* of the personas' file; NULL: none */
    char *system, *prompt;
    pt_message *turns;   /* [n_turns] a conversation instead of a prompt, its system text first; texts are the row's and `system`; NULL: none */
    size_t n_turns;
    char **references;   /* [n_references] */
    size_t n_references;
    const char *held;    /* what an answer must be (eval/ask/request.h), set by the kind before it asks, whose it is; NULL: anything */
    bool freely;         /* after asking: it is asked once more without that, behind all items */
    const void *extra;   /* the kind's own, passed to pt_eval_answer.wanted; whose it is, the kind says */
} pt_write_item;

typedef struct pt_writing {
    pt_write_item *items; /* n is the task's items */
    size_t cap;
    bool *keep;           /* after asking: which were asked */
    size_t asked;
    bool chat, measured;  /* asked through the chat template; the references are measured too */
    json_t *personas;     /* {NAME: system text}, or NULL */
    json_t *training;     /* [text, ...] training answers, or NULL */
    pt_metric_list list;  /* what is measured */
    bool as_one;          /* of all groups together alone: the kind has rows of groups of its own */
    pt_units units;
    pt_str dumped[2];     /* by side: its lines */
    json_t *said[2];      /* by side: the text of each row, or null */
    struct pt_report_parts own[2]; /* by side: of rows that the kind makes itself */
} pt_writing;

/* Keys that these kinds have; how often each item is asked (at least, and where nobody says) and how warm is a kind's own. */
#define PT_WRITING_KEYS PT_WRITING_KEYS_OF("1", 1, "0")
#define PT_WRITING_KEYS_OF(TIMES, LEAST, WARMTH)                                                                                                     \
    {.name = "prompt", .kind = PT_TASK_TEXT, .help = "What is asked, with {FIELD} of the row. Unset: the row's question, prompt, instruction or input."}, \
    {.name = "system", .kind = PT_TASK_TEXT, .help = "System text; a row's own `system` wins, then its persona's. With fields as in prompt."},       \
    {.name = "personas", .kind = PT_TASK_FILE,                                                                                                       \
     .help = "A JSON file {NAME: system text}: a row's `persona` or `role` names one, which is then its group too."},                                \
    {.name = "chat", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_write_chat,                                                               \
     .help = "Whether it is asked through the chat template. auto: where the model has one."},                                                      \
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is an item's group."},                            \
    {.name = "cluster_by", .kind = PT_TASK_TEXT,                                                                                                     \
     .help = "The field of the rows whose equal values intervals and tests keep together, such as persona; group: the group. Unset: each item by itself."}, \
    {.name = "max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "128", .min = 1, .max = 65536, .help = "Tokens of an answer."},                   \
    {.name = "temperature", .kind = PT_TASK_NUMBER, .fallback = WARMTH, .min = 0, .max = 100, .help = "0 = greedy."},                                \
    {.name = "top_p", .kind = PT_TASK_NUMBER, .fallback = "1", .min = 0.000001, .max = 1, .help = "Sampled from the likeliest tokens of this mass; 1 = all."}, \
    {.name = "sampling", .kind = PT_TASK_LIST, .help = PT_SAMPLING_HELP},                                                                            \
    {.name = "repeats", .kind = PT_TASK_WHOLE, .fallback = TIMES, .min = LEAST, .max = 1000, .help = "How often each item is asked."},              \
    {.name = "seed", .kind = PT_TASK_WHOLE, .min = 0, .max = 9007199254740992, .help = "Of sampling. Unset: the run's."},                           \
    {.name = "units", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_write_units,                                                             \
     .help = "What is compared: words ([a-z0-9]+ in lower case) or characters. auto: characters where most references are Chinese, Japanese or Korean."}, \
    {.name = "metrics", .kind = PT_TASK_LIST, .help = "Those wanted, by their keys in eval.json: what is tested together is corrected for. Unset: all."},   \
    {.name = "dump", .kind = PT_TASK_FILE, .written = true, .help = "A JSON Lines file for the answers with their rows, for outside judges; one that is called .json is one list."}, \
    {.name = "dump_as", .kind = PT_TASK_TEXT,                                                                                                        \
     .help = "The dump holds the rows as they are, with the answer in the field of this name: the form that published judges read. Of the tuned model alone."}
extern const char *const pt_write_chat[], *const pt_write_units[];

/* Reads what the keys name, before the rows. t->state begins with the pt_writing. */
pt_status pt_writing_open(pt_task *t, pt_writing *w);
/* A row's item: prompt or conversation, system text, persona, group, cluster, and its references by the first of `names` that it has: a text or a list of texts. PT_EFORMAT: what is
 * missing; no reference where `required`. */
pt_status pt_writing_read(pt_task *t, pt_writing *w, json_t *row, const char *const *names, bool required, pt_write_item *x);
/* The same of a row that nobody is asked about: its group and cluster alone. */
pt_status pt_writing_place(pt_task *t, json_t *row, pt_write_item *x);
/* Appends the item; what it holds is taken over, even on failure. */
pt_status pt_writing_add(pt_task *t, pt_writing *w, pt_write_item *x);
void pt_write_item_free(pt_write_item *x);
void pt_writing_free(pt_task *t, pt_writing *w);
/* A row's references, as above, appended to list[*n]. */
pt_status pt_writing_references(json_t *row, const char *const *names, bool required, char ***list, size_t *n);

/* pt_task_kind.ask and .judge. */
pt_status pt_writing_ask(pt_task *t, const pt_speller *s, pt_requests *q);
pt_status pt_writing_judge(pt_task *t, const pt_reply *replies, pt_side side);
/* How the items are sampled. */
pt_sampling pt_writing_sampling(const pt_task *t);
/* Whether the file that a key names may be written, before anything is asked: its folder is there, and what stands there is none but a file of lines that begin so (or a list of
 * such). Unset: PT_OK. PT_EARG. */
pt_status pt_writing_file_check(const pt_task *t, const char *key, const char *begins);
/* Its path; of several side by side the second writes FILE-2.jsonl. Appended to out. */
pt_status pt_writing_file_path(const pt_task *t, const char *path, pt_str *out);
/* pt_task_kind.json: "answers": [{"group", "system": TEXT | null, "turns": [{"role", "text"}], "references": [TEXT], "repeat": its number where that is not 0, "before": TEXT | null,
 * "after"}]. */
pt_status pt_writing_json(const pt_task *t, json_t *o);
/* Of each row (answer) its item and its reply. Free both lists. */
pt_status pt_writing_answers(const pt_task *t, const pt_writing *w, const pt_reply *replies, const pt_write_item ***item, const pt_reply ***reply, size_t *n);
/* After judging: room for `width` sums of each row of the side, in w->own[side], with the rows' groups and clusters (eval/metric/tally.h). t->report.parts[side] has what they say. */
pt_status pt_writing_own(pt_task *t, pt_writing *w, pt_side side, size_t width);

/* ---- for its files ---- */
/* The messages of a row; *last: what the assistant says at their end, which is not asked, or NULL. PT_EFORMAT: a message that is none, nothing to answer. */
pt_status pt_writing_turns(const json_t *list, pt_write_item *x, const char **last);
void pt_writing_system(pt_write_item *x); /* x->system before its turns, where they have none */
pt_status pt_writing_ask_turns(const pt_task *t, const pt_writing *w, const pt_speller *s, const pt_write_item *x, const pt_sampling *how, pt_requests *q);
int pt_writing_repeats(const pt_task *t);
/* Replies to an asked item's requests. */
size_t pt_writing_replies(const pt_task *t, const pt_writing *w, size_t item);
/* Keeps what a side has answered, for pt_writing_json. */
pt_status pt_writing_keep(const pt_task *t, pt_writing *w, const pt_reply *replies, pt_side side);
/* The key `dump`: whether it may be written, before anything is asked; and a side's lines, with those of the other. */
pt_status pt_writing_dump_check(const pt_task *t);
/* Both sides' lines into the file that the key names. */
pt_status pt_writing_dump_lines(const pt_task *t, pt_str *const sides[2]);
pt_status pt_writing_dump(const pt_task *t, pt_writing *w, const pt_reply *replies, pt_side side);
#endif
