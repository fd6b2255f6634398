/* rank: candidates of which some are relevant: do they stand in front?
 *
 * A row: {"question": TEXT, "candidates": [TEXT, ...], "relevant": N | TEXT | [N | TEXT, ...], "system": TEXT, "group": TEXT}. The text may be called text, input
 * or sentence, candidates options or choices too. A number is a candidate's place, from 0. "grades": [NUMBER, ...] instead of relevant: one for each candidate,
 * 0 = not relevant. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/chooser.h"
#include "eval/stat/places.h"

enum { LIKELIHOOD, SCORE };
enum { BY_SUM, BY_TOKENS, BY_CHARS, BY_BYTES, BY_MUTUAL };
static const char *const methods[] = {"likelihood", "score", NULL}, *const bys[] = {"sum", "tokens", "chars", "bytes", "mutual_info", NULL};

typedef struct state {
    pt_chooser chooser; /* first: pt_chooser_ask finds it there */
    double **gains;     /* [items][2n] as pt_pick.gain */
    size_t cap;
    uint32_t *ranks[2]; /* by side: what picks' ranks point into */
} state;

/* ---- the rows ---- */

static pt_status read_candidates(const json_t *row, pt_choose_item *x)
{
    static const char *const names[] = {"candidates", "options", "choices"};
    const json_t *v = NULL, *one;
    size_t i;
    for (i = 0; !v && i < sizeof names / sizeof *names; i++) v = json_object_get(row, names[i]);
    if (!v) return pt_fail(PT_EFORMAT, "the row has no candidates (nor options, choices)");
    if (!json_is_array(v)) return pt_fail(PT_EFORMAT, "candidates are %s; a list of texts is wanted", pt_json_kind(v));
    PT_RETURN(pt_alloc0(&x->options, json_array_size(v)));
    json_array_foreach (v, i, one) {
        if (!json_is_string(one)) return pt_fail(PT_EFORMAT, "candidate %zu is %s, not a text", i + 1, pt_json_kind(one));
        PT_RETURN(pt_strdup(&x->options[i], json_string_value(one)));
        x->n++;
    }
    return PT_OK;
}

/* One of `relevant`. */
static pt_status mark(const json_t *v, const pt_choose_item *x, double *gain)
{
    const char *text = json_string_value(v);
    json_int_t at = json_is_integer(v) ? json_integer_value(v) : -1;
    for (int k = 0; text && at < 0 && k < x->n; k++)
        if (!strcmp(x->options[k], text)) at = k;
    if (text && at < 0) return pt_fail(PT_EFORMAT, "relevant '%.60s' is none of the candidates", text);
    if (!text && !json_is_integer(v)) return pt_fail(PT_EFORMAT, "relevant is %s; a candidate's place or text is wanted", pt_json_kind(v));
    if (at < 0 || at >= x->n) return pt_fail(PT_EFORMAT, "relevant %lld: there are %d candidates, counted from 0", (long long)json_integer_value(v), x->n);
    gain[at] = 1;
    return PT_OK;
}

static int from_high(const void *a, const void *b)
{
    return -((*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b));
}

/* gain[2n], zero before. */
static pt_status read_gains(const json_t *row, const pt_choose_item *x, double *gain)
{
    const json_t *marked = json_object_get(row, "relevant"), *grades = json_object_get(row, "grades"), *v;
    size_t i;
    if (!marked && !grades) return pt_fail(PT_EFORMAT, "the row has neither relevant nor grades: which candidates are right");
    if (grades && (!json_is_array(grades) || json_array_size(grades) != (size_t)x->n))
        return pt_fail(PT_EFORMAT, "grades: a list of %d numbers is wanted, one for each candidate", x->n);
    json_array_foreach (grades, i, v) {
        if (!json_is_number(v) || json_number_value(v) < 0) return pt_fail(PT_EFORMAT, "grade %zu is no number of 0 or more", i + 1);
        gain[i] = json_number_value(v);
    }
    if (!grades && !json_is_array(marked)) PT_RETURN(mark(marked, x, gain));
    json_array_foreach (grades ? NULL : marked, i, v) PT_RETURN(mark(v, x, gain));
    memcpy(gain + x->n, gain, (size_t)x->n * sizeof *gain);
    qsort(gain + x->n, (size_t)x->n, sizeof *gain, from_high);
    return gain[x->n] > 0 ? PT_OK : pt_fail(PT_EFORMAT, "no candidate is relevant");
}

static pt_status read_item(pt_task *t, state *s, json_t *row, pt_choose_item *x)
{
    PT_RETURN(read_candidates(row, x));
    if (!x->n) return pt_fail(PT_EFORMAT, "there are no candidates");
    PT_RETURN(pt_choose_question(t, row));
    PT_RETURN(pt_reserve(&s->gains, &s->cap, t->items + 1));
    free(s->gains[t->items]); /* of a row that was left out */
    s->gains[t->items] = NULL;
    PT_RETURN(pt_alloc0(&s->gains[t->items], 2 * x->n));
    PT_RETURN(read_gains(row, x, s->gains[t->items]));
    x->gold = -1;
    return pt_choose_item_read(t, row, x);
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    state *s = t->state;
    pt_choose_item x = {0};
    (void)source;
    pt_status rc = read_item(t, s, row, &x);
    if (rc == PT_OK) return pt_chooser_add(t, &s->chooser, &x);
    pt_choose_item_free(&x);
    return rc;
}

static pt_status open_rank(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    if (pt_task_word(t, "by") && pt_task_word(t, "method") == SCORE) return pt_task_fail(t, "by goes with method: likelihood");
    s->chooser.alone = pt_task_word(t, "by") == BY_MUTUAL;
    return pt_task_rows(t, add_row);
}

static void close_rank(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    for (size_t i = 0; i < s->cap; i++) free(s->gains[i]);
    pt_chooser_free(t, &s->chooser);
    free(s->gains);
    for (int i = 0; i < 2; i++) free(s->ranks[i]);
    free(s);
}

/* ---- judging ---- */

static double worth(const pt_pick *c, int by, int k)
{
    switch (by) {
    case BY_TOKENS: return c->logp[k] / c->tokens[k];
    case BY_CHARS: return c->logp[k] / c->chars[k];
    case BY_BYTES: return c->logp[k] / c->bytes[k];
    case BY_MUTUAL: return c->logp[k] - c->alone[k];
    default: return c->logp[k];
    }
}

static pt_status judge_rank(pt_task *t, const pt_reply *replies, pt_side side)
{
    pt_status rc = PT_OK;
    state *s = t->state;
    size_t all = 0, most = 0;
    double *v = NULL;
    PT_TRY(pt_chooser_judge(t, replies, side));
    for (size_t i = 0; i < t->n_choices[side]; i++) {
        const size_t n = (size_t)t->choices[side][i].n;
        all += n;
        if (n > most) most = n;
    }
    PT_TRY(pt_alloc0(&s->ranks[side], 2 * all));
    PT_TRY(pt_alloc0(&v, most));
    uint32_t *to = s->ranks[side];
    for (size_t i = 0; i < t->n_choices[side]; i++) {
        pt_pick *c = &t->choices[side][i];
        for (int k = 0; k < c->n; k++) v[k] = worth(c, pt_task_word(t, "by"), k);
        PT_TRY(pt_places_from_top(v, (size_t)c->n, to));
        c->gain = s->gains[c->item];
        c->rank = to;
        c->cut = (int)pt_task_number(t, "k");
        to += 2 * c->n;
    }
done:
    free(v);
    return rc;
}

/* Which k it is: once, where several are measured. */
static pt_status say_k(const pt_task *t, const bool shown[2], pt_str *out)
{
    (void)shown;
    return pt_task_text(t, "k") && !t->column ? pt_str_printf(out, "k = %d\n", (int)pt_task_number(t, "k")) : PT_OK;
}

static pt_status put_k(const pt_task *t, json_t *o)
{
    if (!pt_task_text(t, "k")) return PT_OK;
    return json_object_set_new(o, "k", json_integer((json_int_t)pt_task_number(t, "k"))) ? pt_fail(PT_ENOMEM, "out of memory writing the report") : PT_OK;
}

static const pt_task_key keys[] = {
    {.name = "method", .kind = PT_TASK_WORD, .fallback = "likelihood", .words = methods,
     .help = "likelihood: of each candidate behind the text; score: a reward model's, of each as an answer."},
    {.name = "by", .kind = PT_TASK_WORD, .fallback = "sum", .words = bys,
     .help = "likelihood: the sum, by token, character or byte, or less that of the candidate behind nothing."},
    {.name = "k", .kind = PT_TASK_WHOLE, .min = 1, .max = 1000000, .help = "Shows hits@k, recall@k and NDCG@k of this k too."},
    {.name = "prompt", .kind = PT_TASK_TEXT, .help = "What is asked: {question}, {FIELD} of the row."},
    {.name = "system", .kind = PT_TASK_TEXT, .help = "System text; a row's own `system` wins. With fields as in prompt."},
    {.name = "chat", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_choose_chat,
     .help = "Whether it is asked through the chat template. auto: where the model has one."},
    {.name = "delimiter", .kind = PT_TASK_TEXT, .fallback = " ", .help = "Between text and candidate, without a chat template."},
    {.name = "cluster_by", .kind = PT_TASK_TEXT,
     .help = "The field of the rows whose equal values intervals and tests keep together, such as persona; group: the group. Unset: each item by itself."},
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is an item's group."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "hits_1"}, {.key = "mrr"}, {.key = "hits_3"}, {.key = "hits_5"}, {.key = "hits_10"}, {.key = "hits_k"}, {.key = "recall_k"},
                                         {.key = "map"}, {.key = "ndcg"}, {.key = "ndcg_k"}, {.key = NULL}};
const pt_task_kind pt_task_kind_rank = {.name = "rank", .help = "Candidates, of which the relevant ones should stand in front.", .keys = keys, .metrics = metrics,
                                        .open = open_rank, .ask = pt_chooser_ask, .judge = judge_rank, .json = put_k, .table = say_k, .close = close_rank};
