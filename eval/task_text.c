/* text: what a model writes, against references or by itself.
 *
 * A row: {"question": TEXT, "references": [TEXT, ...], "system": TEXT, "persona": NAME, "group": TEXT}. Other names that are read: prompt, instruction and input
 * for question; reference, answer, target, generated, response and output for references (a text or a list); role for persona. Rows of RoleBench are such rows. */
#include <stdlib.h>

#include "eval/writing.h"

typedef struct state {
    pt_writing writing; /* first: pt_writing_ask finds it there */
} state;

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    static const char *const names[] = {"references", "reference", "answer", "target", "generated", "response", "output", NULL};
    pt_writing *w = &((state *)t->state)->writing;
    pt_write_item x = {0};
    (void)source;
    pt_status rc = pt_writing_read(t, w, row, names, !pt_task_flag(t, "prompts_only"), &x);
    if (rc == PT_OK) return pt_writing_add(t, w, &x);
    pt_write_item_free(&x);
    return rc;
}

static pt_status open_text(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    PT_RETURN(pt_writing_open(t, &s->writing));
    return pt_task_rows(t, add_row);
}

static void close_text(pt_task *t)
{
    if (t->state) pt_writing_free(t, &((state *)t->state)->writing);
    free(t->state);
}

static const char *const smoothings[] = {"epsilon", "add_one", "none", NULL};
static const pt_task_key keys[] = {
    PT_WRITING_KEYS,
    {.name = "prompts_only", .kind = PT_TASK_FLAG, .fallback = "false",
     .help = "Rows may be without references: length, repetition and diversity are measured, and the answers dumped."},
    {.name = "training", .kind = PT_TASK_FILE, .help = "Training answers, in rows as those of path: copies of them are counted."},
    {.name = "bleu_smoothing", .kind = PT_TASK_WORD, .fallback = "epsilon", .words = smoothings,
     .help = "Of BLEU-1 to -4 of single answers, as nltk's method1 (epsilon), method2 (add_one) or method0 (none)."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "rouge_l_f"}, {.key = "bleu"}, {.key = "rouge_1_f"}, {.key = "rouge_2_f"}, {.key = "rouge_lsum_f"},
                                         {.key = "rouge_1_recall"}, {.key = "rouge_2_recall"}, {.key = "rouge_l_recall"},
                                         {.key = "rouge_lsum_recall"}, {.key = "bleu_1"}, {.key = "bleu_2"}, {.key = "bleu_3"}, {.key = "bleu_4"},
                                         {.key = "chrf"}, {.key = "meteor"}, {.key = "perplexity"}, {.key = "nll_own", .label = "nats a token of the references", .better = -1},
                                         {.key = "distinct_1"}, {.key = "distinct_2"}, {.key = "distinct_3"}, {.key = "self_bleu"},
                                         {.key = "repeated_4grams"}, {.key = "copied_share", .label = "answers copied from training", .better = -1}, {.key = "stopped_share"}, {.key = "length"},
                                         {.key = "length_ratio"}, {.key = NULL}};
const pt_task_kind pt_task_kind_text = {.name = "text", .help = "What a model writes, against references or by itself.", .keys = keys, .metrics = metrics, .open = open_text,
                                        .ask = pt_writing_ask, .judge = pt_writing_judge, .close = close_text};
