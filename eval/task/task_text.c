/* text: what a model writes, against references or by itself.
 *
 * A row: {"question": TEXT, "references": [TEXT, ...], "system": TEXT, "persona": NAME, "group": TEXT}; or "messages": [{"role", "content"}, ...], a conversation, for question.
 * Other names that are read: prompt, instruction and input for question; reference, answer, target, generated, response and output for references (a text or a list); role
 * for persona. Rows of RoleBench are such rows. */
#include <math.h>
#include <stdlib.h>

#include "eval/text/lexicon.h"
#include "eval/metric/tally.h"
#include "eval/task/writing.h"

typedef struct state {
    pt_writing writing; /* first: pt_writing_ask finds it there */
    pt_lexicon *lexicon; /* NULL: none */
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
    if (pt_task_text(t, "lexicon")) PT_RETURN(pt_lexicon_open(&s->lexicon, pt_task_text(t, "lexicon")));
    return pt_task_rows(t, add_row);
}

static void close_text(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    pt_writing_free(t, &s->writing);
    pt_lexicon_free(s->lexicon);
    free(s);
}

static pt_status ask_text(pt_task *t, const pt_speller *speller, pt_requests *q)
{
    state *s = t->state;
    PT_RETURN(pt_writing_ask(t, speller, q));
    return s->lexicon ? pt_lexicon_split(s->lexicon, &t->report.book, s->writing.units) : PT_OK;
}

/* ---- word lists ---- */

static void shares(const void *user, const double *sums, double *out)
{
    const size_t n = *(const size_t *)user;
    for (size_t k = 0; k < n; k++) out[k] = sums[n] > 0 ? sums[k] / sums[n] : NAN;
}

static pt_status find_lists(pt_task *t, state *s, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_lexicon *x = s->lexicon;
    size_t n = pt_lexicon_count(x), words;
    pt_tally_row *rows = NULL;
    struct pt_report_parts *own = s->writing.own;
    PT_TRY(pt_writing_own(t, &s->writing, side, n + 1));
    for (size_t i = 0; i < own[side].n; i++) {
        const pt_words *said = &t->report.parts[side].said[i];
        double *part = own[side].of + i * (n + 1);
        part[n] = (double)said->n;
        for (size_t k = 0; k < n; k++) {
            PT_TRY(pt_lexicon_find(x, k, &t->report.book, said, &words));
            part[k] = (double)words;
        }
    }
    PT_TRY(pt_alloc0(&rows, n));
    for (size_t k = 0; k < n; k++) {
        rows[k].form = PT_FORM_SHARE;
        PT_TRY(pt_asprintf(&rows[k].metric, "lexicon.%s", pt_lexicon_name(x, k)));
        PT_TRY(pt_asprintf(&rows[k].label, "in the list '%s'", pt_lexicon_name(x, k)));
    }
    const pt_tally tally = {.width = n + 1, .values = n, .value = shares, .user = &n, .side = {&own[0], &own[1]}};
    PT_TRY(pt_tally_find(&tally, side, rows, t->scopes, t->n_scopes, t->seed, &t->findings));
done:
    if (rows) pt_tally_rows_free(rows, n);
    return rc;
}

static pt_status judge_text(pt_task *t, const pt_reply *replies, pt_side side)
{
    state *s = t->state;
    PT_RETURN(pt_writing_judge(t, replies, side));
    return s->lexicon ? find_lists(t, s, side) : PT_OK;
}

static const char *const smoothings[] = {"epsilon", "add_one", "none", NULL};
static const pt_task_key keys[] = {
    PT_WRITING_KEYS,
    {.name = "prompts_only", .kind = PT_TASK_FLAG, .fallback = "false",
     .help = "Rows may be without references: length, repetition and diversity are measured, and the answers dumped."},
    {.name = "training", .kind = PT_TASK_FILE, .help = "Training answers, in rows as those of path: copies of them are counted."},
    {.name = "lexicon", .kind = PT_TASK_FILE,
     .help = "A JSON file {NAME: [WORD, ...]}: the share of answers' words that stand in each list. WORD may be several words, or a beginning: happi*."},
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
                                        .ask = ask_text, .judge = judge_text, .json = pt_writing_json, .close = close_text};
