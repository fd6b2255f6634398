#include "eval/task/writing.h"

#include <stdlib.h>
#include <string.h>

#include "eval/task/chooser.h"
#include "eval/task/held.h"

int pt_writing_repeats(const pt_task *t)
{
    return (int)pt_task_number(t, "repeats");
}

/* ---- asking ---- */

pt_sampling pt_writing_sampling(const pt_task *t)
{
    return (pt_sampling){.max_new_tokens = (int)pt_task_number(t, "max_new_tokens"), .temperature = (float)pt_task_number(t, "temperature"),
                         .top_p = (float)pt_task_number(t, "top_p"), .seed = pt_task_text(t, "seed") ? (uint64_t)pt_task_number(t, "seed") : t->seed, .more = pt_task_text(t, "sampling")};
}

/* The references where they are measured, then its answers. */
static pt_status ask_item(const pt_task *t, const pt_writing *w, const pt_speller *s, const pt_write_item *x, pt_requests *q)
{
    const pt_sampling how = pt_writing_sampling(t);
    const pt_asked a = {.chat = w->chat, .system = x->system, .prompt = x->prompt, .delimiter = " "};
    if (x->turns) return pt_writing_ask_turns(t, w, s, x, &how, q);
    for (size_t k = 0; w->measured && k < x->n_references; k++) PT_RETURN(pt_spell_asked(s, q, &a, x->references[k], NULL, 0));
    for (int r = 0; r < pt_writing_repeats(t); r++) {
        PT_RETURN(pt_spell_asked(s, q, &a, NULL, &how, r));
        PT_RETURN(pt_spell_constrain(q, x->held));
    }
    return PT_OK;
}

/* Of items that are held to something a sample, once more and freely. */
static pt_status ask_freely(const pt_task *t, pt_writing *w, const pt_speller *s, pt_requests *q)
{
    const pt_sampling how = pt_writing_sampling(t);
    size_t held = 0, number = 0;
    for (size_t i = 0; i < t->items; i++) held += w->keep[i] && w->items[i].held;
    for (size_t i = 0; i < t->items; i++) {
        pt_write_item *x = &w->items[i];
        const pt_asked a = {.chat = w->chat, .system = x->system, .prompt = x->prompt, .delimiter = " "};
        x->freely = w->keep[i] && x->held && pt_held_sampled(number++, held);
        if (x->freely) PT_RETURN(x->turns ? pt_spell_question(s, q, x->turns, x->n_turns, &how, 0) : pt_spell_asked(s, q, &a, NULL, &how, 0));
    }
    return PT_OK;
}

/* Characters where most items' references (prompts, where they have none) are written so. */
static void choose_units(const pt_task *t, pt_writing *w)
{
    size_t chars = 0;
    int said = pt_task_word(t, "units");
    for (size_t i = 0; i < t->items; i++) {
        const pt_write_item *x = &w->items[i];
        chars += pt_units_pick(x->n_references ? x->references[0] : x->turns ? x->turns[x->n_turns - 1].text : x->prompt) == PT_UNITS_CHARS;
    }
    w->units = said == 2 || (!said && 2 * chars > t->items) ? PT_UNITS_CHARS : PT_UNITS_WORDS;
}

pt_status pt_writing_ask(pt_task *t, const pt_speller *s, pt_requests *q)
{
    pt_status rc = PT_OK;
    pt_writing *w = t->state;
    size_t *scope = NULL;
    PT_TRY(pt_choose_by_chat(t, s, &w->chat));
    PT_TRY(pt_alloc0(&scope, t->items));
    free(w->keep);
    PT_TRY(pt_alloc0(&w->keep, t->items));
    for (size_t i = 0; i < t->items; i++) scope[i] = w->items[i].scope;
    PT_TRY(pt_task_limit(t, scope, w->keep, &w->asked));
    choose_units(t, w);
    for (size_t i = 0; i < t->items; i++) {
        if (!w->keep[i]) continue;
        rc = ask_item(t, w, s, &w->items[i], q);
        if (rc != PT_OK) rc = pt_fail_prefix(rc, "%s: item %zu", t->spec->path, i + 1);
        PT_TRY(rc);
    }
    PT_TRY(ask_freely(t, w, s, q));
done:
    free(scope);
    return rc;
}

/* ---- judging ---- */

size_t pt_writing_replies(const pt_task *t, const pt_writing *w, size_t item)
{
    return (w->measured ? w->items[item].n_references : 0) + (size_t)pt_writing_repeats(t);
}

/* Rows of answers: an item's repeats side by side; the likelihood of its references counts once. */
static void fill_rows(const pt_task *t, const pt_writing *w, const pt_reply *next, pt_eval_answer *row, uint64_t *cluster)
{
    for (size_t i = 0; i < t->items; i++) {
        const pt_write_item *x = &w->items[i];
        pt_eval_answer a = {.role = t->scopes[x->scope], .references = (const char *const *)x->references, .n_references = x->n_references, .wanted = x->extra};
        if (!w->keep[i]) continue;
        for (size_t k = 0; w->measured && k < x->n_references; k++, next++) {
            a.nll_own -= next->value;
            a.tokens_own += next->tokens;
        }
        for (int r = 0; r < pt_writing_repeats(t); r++, next++) {
            a.answer = next->text;
            a.stopped = next->stopped;
            *row++ = a;
            *cluster++ = x->cluster;
            a.nll_own = 0;
            a.tokens_own = 0;
        }
    }
}

static pt_status list_training(const pt_writing *w, pt_eval_train **out, size_t *n)
{
    *n = json_array_size(w->training);
    PT_RETURN(pt_alloc0(out, *n));
    for (size_t i = 0; i < *n; i++) (*out)[i] = (pt_eval_train){"", json_string_value(json_array_get(w->training, i))};
    return PT_OK;
}

/* Items, where rows are an item's repeats. */
static void count_items(pt_task *t, const pt_writing *w)
{
    t->report.questions = w->asked;
    for (size_t g = 0; g < t->report.roles; g++) t->report.role[g].questions /= (size_t)pt_writing_repeats(t);
}

pt_status pt_writing_judge(pt_task *t, const pt_reply *replies, pt_side side)
{
    pt_status rc = PT_OK;
    pt_writing *w = t->state;
    size_t n = w->asked * (size_t)pt_writing_repeats(t), n_train = 0;
    pt_eval_answer *rows = NULL;
    pt_eval_train *train = NULL;
    uint64_t *cluster = NULL;
    PT_TRY(pt_alloc0(&rows, n));
    PT_TRY(pt_alloc0(&cluster, n));
    fill_rows(t, w, replies, rows, cluster);
    PT_TRY(list_training(w, &train, &n_train));
    PT_TRY(pt_scores_fill(&t->report, side,
                          &(pt_scoring){.answers = rows, .n = n, .train = train, .n_train = n_train, .units = w->units, .seed = t->seed, .metrics = &w->list, .clusters = cluster,
                                        .smoothing = pt_task_key_of(t->kind, "bleu_smoothing") ? pt_task_word(t, "bleu_smoothing") : 0, .one_role = w->as_one || t->n_scopes == 1}));
    count_items(t, w);
    PT_TRY(pt_writing_keep(t, w, replies, side));
    PT_TRY(pt_writing_dump(t, w, replies, side));
done:
    free(rows);
    free(train);
    free(cluster);
    return rc;
}

pt_status pt_writing_answers(const pt_task *t, const pt_writing *w, const pt_reply *replies, const pt_write_item ***item, const pt_reply ***reply, size_t *n)
{
    size_t repeats = (size_t)pt_writing_repeats(t);
    *n = 0;
    PT_RETURN(pt_alloc0(item, w->asked * repeats));
    PT_RETURN(pt_alloc0(reply, w->asked * repeats));
    for (size_t i = 0; i < t->items; i++) {
        if (!w->keep[i]) continue;
        replies += pt_writing_replies(t, w, i);
        for (size_t r = 0; r < repeats; r++, ++*n) {
            (*item)[*n] = &w->items[i];
            (*reply)[*n] = replies - repeats + r;
        }
    }
    return PT_OK;
}

pt_status pt_writing_own(pt_task *t, pt_writing *w, pt_side side, size_t width)
{
    const struct pt_report_parts *from = &t->report.parts[side];
    struct pt_report_parts *to = &w->own[side];
    pt_report_parts_free(to);
    PT_RETURN(pt_alloc0(&to->of, from->n * width));
    PT_RETURN(pt_alloc0(&to->role, from->n));
    PT_RETURN(pt_alloc0(&to->cluster, from->n));
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        to->role[i] = from->role[i];
        to->cluster[i] = from->cluster[i];
    }
    return PT_OK;
}
