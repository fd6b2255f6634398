/* preference: pairs of answers to one conversation, of which a model of the persona prefers the chosen one: by the summed log-probability of each
 * answer, end token included. The same that test_datasets of pairs measure, by pair set and by persona, before and after.
 *
 * Rows: what data sets of pairs are read from (`type`, data/read: prompt, chosen and rejected as texts or conversations ...). The group is the field
 * `group_by` names, else the file's name: a folder of files is one pair set a file. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/chooser.h"
#include "eval/ask/questions.h"

typedef struct state {
    pt_questions set; /* its pairs are the items */
    size_t *scope;    /* [items] */
    size_t scope_cap;
    bool *keep;
} state;

/* ---- reading ---- */

/* Groups of a file's rows by their first lines, in order. */
typedef struct groups {
    pt_task *t;
    const char *by, *path;
    int64_t *line;
    size_t *scope;
    size_t n, line_cap, scope_cap;
} groups;

static pt_status note_group(void *user, json_t *row, int64_t line)
{
    groups *g = user;
    const json_t *v = row ? json_object_get(row, g->by) : NULL;
    if (!row) return pt_fail_prefix(PT_EFORMAT, "%s:%lld", g->path, (long long)line);
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s:%lld: the row has no text in %s, which group_by names", g->path, (long long)line, g->by);
    PT_RETURN(pt_reserve(&g->line, &g->line_cap, g->n + 1));
    PT_RETURN(pt_reserve(&g->scope, &g->scope_cap, g->n + 1));
    g->line[g->n] = line;
    return pt_task_scope(g->t, json_string_value(v), &g->scope[g->n++]);
}

typedef struct taking {
    state *s;
    pt_task *t;
    const groups *g;
    size_t at, scope; /* scope: without group_by */
} taking;

/* A record's pair, and what group it belongs to. */
static pt_status take(void *user, const pt_record *rec, int64_t line)
{
    taking *x = user;
    state *s = x->s;
    size_t n = x->t->items;
    PT_RETURN(pt_reserve(&s->scope, &s->scope_cap, n + 1));
    while (x->at < x->g->n && x->g->line[x->at] < line) x->at++;
    s->scope[n] = x->at < x->g->n ? x->g->scope[x->at] : x->scope;
    PT_RETURN(pt_questions_keep(&s->set, rec));
    x->t->items = s->set.n_pairs;
    return PT_OK;
}

static pt_status read_file(pt_task *t, const char *path, const char *source)
{
    pt_status rc = PT_OK;
    state *s = t->state;
    groups g = {.t = t, .by = pt_task_text(t, "group_by"), .path = path};
    pt_dataset_spec spec = {.path = (char *)path, .type = (char *)pt_task_text(t, "type"), .weight = 1};
    taking x = {.s = s, .t = t, .g = &g};
    pt_reader r = {.spec = &spec, .pairs = true, .sink = take, .user = &x};
    if (g.by) PT_TRY(pt_rows_read(path, NULL, note_group, &g));
    else PT_TRY(pt_task_scope(t, source, &x.scope));
    PT_TRY(pt_reader_run(&r));
done:
    pt_reader_free(&r);
    free(g.line);
    free(g.scope);
    return rc;
}

static pt_status open_preference(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    if (!pt_reader_gives(pt_task_text(t, "type"), true)) return pt_task_fail(t, "type: %s gives no pairs of answers", pt_task_text(t, "type"));
    return pt_task_files(t, read_file);
}

static void close_preference(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    pt_questions_free(&s->set);
    free(s->scope);
    free(s->keep);
    free(s);
}

/* ---- asking, judging ---- */

static pt_status ask_preference(pt_task *t, const pt_speller *s, pt_requests *q)
{
    state *st = t->state;
    size_t kept;
    if (!s->tmpl) return pt_task_fail(t, "pairs are conversations, and the model has no chat template that is known here");
    free(st->keep);
    PT_RETURN(pt_alloc0(&st->keep, t->items));
    PT_RETURN(pt_task_limit(t, st->scope, st->keep, &kept));
    for (size_t i = 0; i < t->items; i++)
        for (int k = 0; k < 2 && st->keep[i]; k++) {
            const pt_question_pair *p = &st->set.pairs[i];
            const pt_message *a = &p->side[k][p->n[k] - 1];
            PT_RETURN(pt_spell_answer(s, q, p->side[k], p->n[k] - 1, NULL, a->text, a->bytes, PT_END_MEASURED));
        }
    return PT_OK;
}

/* What is no higher for the chosen answer is not preferred: of equal ones the rejected one is picked. */
static pt_status judge_preference(pt_task *t, const pt_reply *r, pt_side side)
{
    const state *s = t->state;
    size_t kept = 0;
    double *logp;
    for (size_t i = 0; i < t->items; i++) kept += s->keep[i];
    PT_RETURN(pt_alloc0(&logp, 4 * kept + 3 * kept)); /* their softmax beside them, then 3 x 2 whole numbers each */
    t->numbers[side] = logp;
    PT_RETURN(pt_alloc0(&t->choices[side], kept));
    int32_t *whole = (int32_t *)(logp + 4 * kept);
    for (size_t i = 0; i < t->items; i++) {
        const pt_question_pair *p = &s->set.pairs[i];
        if (!s->keep[i]) continue;
        for (int k = 0; k < 2; k++) {
            const pt_message *a = &p->side[k][p->n[k] - 1];
            logp[k] = r[k].value;
            whole[k] = pt_task_characters(a->text);
            whole[2 + k] = (int32_t)a->bytes;
            whole[4 + k] = r[k].tokens;
        }
        t->choices[side][t->n_choices[side]++] = (pt_pick){.item = i, .scope = s->scope[i], .cluster = i, .n = 2, .gold = 0,
            .picked = logp[0] > logp[1] ? 0 : 1, .logp = logp, .p = logp + 2, .chars = whole, .bytes = whole + 2, .tokens = whole + 4};
        pt_softmax(logp, 2, logp + 2);
        logp += 4;
        whole += 6;
        r += 2;
    }
    return PT_OK;
}

static const pt_task_key keys[] = {
    {.name = "type", .kind = PT_TASK_TEXT, .fallback = "preference", .help = "The type of data that the file holds, as in datasets: one that gives pairs."},
    {.name = "group_by", .kind = PT_TASK_TEXT, .help = "The field whose value is a pair's group, such as persona. Default: the file's name."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{"acc", "chosen answer preferred", 1}, {"acc_tokens", "the same by mean log-probability", 1},
                                         {.key = "margin"}, {"gold_probability", "probability of the chosen one of both", 1}, {.key = NULL}};
const pt_task_kind pt_task_kind_preference = {.name = "preference", .help = "Pairs of answers: which of both a model holds likelier.", .keys = keys,
                                              .metrics = metrics, .open = open_preference, .ask = ask_preference, .judge = judge_preference,
                                              .close = close_preference};
