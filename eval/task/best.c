/* Choosing among samples, and writing down what was chosen. */
#include "eval/task/best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char pt_best_begins[] = "{\"best_of\": {";

pt_best pt_best_find(const double *score, int n, int sign, double margin)
{
    pt_best b = {.best = -1, .worst = -1, .first = n && isfinite(score[0]) ? score[0] : NAN, .mean = NAN, .most = NAN, .least = NAN, .margin = NAN};
    double sum = 0;
    for (int i = 0; i < n; i++) {
        if (!isfinite(score[i])) continue;
        if (!b.scored || sign * score[i] > sign * score[b.best]) b.best = i;
        if (!b.scored || sign * score[i] < sign * score[b.worst]) b.worst = i;
        sum += score[i];
        b.scored++;
    }
    if (!b.scored) return b;
    b.mean = sum / b.scored;
    b.most = score[b.best];
    b.least = score[b.worst];
    b.margin = sign * (b.most - b.least);
    b.pair = b.margin > 0 && b.margin >= margin;
    return b;
}

/* ---- records ---- */

/* Takes v over. */
static bool put(json_t *o, const char *key, json_t *v)
{
    return v && json_object_set_new(o, key, v) == 0;
}

static json_t *message(const char *role, const char *text)
{
    return json_pack("{s:s, s:o}", "role", role, "content", pt_report_text(text));
}

/* The conversation that was to be answered. */
static json_t *prompt_of(const pt_write_item *x)
{
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t k = 0; k < x->n_turns && good; k++) good = json_array_append_new(list, message(x->turns[k].speaker->name, x->turns[k].text)) == 0;
    if (!x->turns && x->system && *x->system) good = good && json_array_append_new(list, message("system", x->system)) == 0;
    if (!x->turns) good = good && json_array_append_new(list, message("user", x->prompt)) == 0;
    if (good) return list;
    json_decref(list);
    return NULL;
}

static json_t *answer_of(const char *text)
{
    return json_pack("[o]", message("assistant", text));
}

/* Where a record comes from. rejected -1: of a best answer alone. */
static json_t *origin(const pt_task *t, const pt_best_samples *s, size_t at, const char *model, int chosen, int rejected)
{
    const pt_write_item *x = s->item[at * (size_t)s->n];
    const pt_writing *w = t->state;
    json_t *o = json_object(), *scores = json_array();
    bool good = o && scores && put(o, "item", json_integer((json_int_t)(x - w->items) + 1)) && put(o, "group", pt_report_text(t->scopes[x->scope])) &&
                put(o, "model", pt_report_text(model ? model : "")) && put(o, "seed", json_integer((json_int_t)s->seed)) && put(o, "chosen", json_integer(chosen)) &&
                (rejected < 0 || put(o, "rejected", json_integer(rejected)));
    for (int k = 0; k < s->n && good; k++) {
        double v = s->score[at * (size_t)s->n + (size_t)k];
        good = json_array_append_new(scores, isfinite(v) ? json_real(v) : json_null()) == 0;
    }
    if (good && json_object_set(o, "scores", scores) == 0) {
        json_decref(scores);
        return o;
    }
    json_decref(scores);
    json_decref(o);
    return NULL;
}

/* Takes o over; good: it is whole. */
static pt_status add_line(json_t *o, bool good, pt_str *out)
{
    char *text = good ? json_dumps(o, 0) : NULL;
    pt_status rc = text ? pt_str_printf(out, "%s\n", text) : pt_fail(PT_ENOMEM, "out of memory writing the best answers");
    free(text);
    json_decref(o);
    return rc;
}

pt_status pt_best_pairs(const pt_task *t, const pt_best_samples *s, const char *model, pt_str *out, size_t *lines)
{
    *lines = 0;
    for (size_t i = 0; i < s->prompts; i++) {
        const pt_best *b = &s->best[i];
        const size_t first = i * (size_t)s->n;
        if (!b->pair) continue;
        json_t *o = json_object();
        bool good = o && put(o, "best_of", origin(t, s, i, model, b->best, b->worst)) && put(o, "prompt", prompt_of(s->item[first])) &&
                    put(o, "chosen", answer_of(s->reply[first + (size_t)b->best]->text)) && put(o, "rejected", answer_of(s->reply[first + (size_t)b->worst]->text)) &&
                    put(o, "margin", json_real(b->margin));
        PT_RETURN(add_line(o, good, out));
        ++*lines;
    }
    return PT_OK;
}

pt_status pt_best_answers(const pt_task *t, const pt_best_samples *s, const char *model, pt_str *out, size_t *lines)
{
    *lines = 0;
    for (size_t i = 0; i < s->prompts; i++) {
        const pt_best *b = &s->best[i];
        const size_t first = i * (size_t)s->n;
        if (b->best < 0 || (!isnan(s->enough) && s->sign * b->most < s->sign * s->enough)) continue;
        json_t *o = json_object(), *talk = prompt_of(s->item[first]);
        bool good = json_array_append_new(talk, message("assistant", s->reply[first + (size_t)b->best]->text)) == 0;
        good = good && put(o, "best_of", origin(t, s, i, model, b->best, -1)) && json_object_set(o, "messages", talk) == 0 && put(o, "score", json_real(b->most));
        json_decref(talk);
        PT_RETURN(add_line(o, good, out));
        ++*lines;
    }
    return PT_OK;
}
