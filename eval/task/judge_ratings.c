/* Rows that hold several answers by name ({"answers": {NAME: TEXT, ...}}): each two of a row are a pair that is judged, and what comes of it are ratings of the names
 * (eval/stat/ratings.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/visible.h"
#include "eval/stat/ratings.h"
#include "eval/task/judge_state.h"

static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) ? pt_fail(PT_ENOMEM, "out of memory writing the report") : PT_OK;
}

/* Names stand in rows' keys and in a line of the table. */
enum { NAME_MOST = 100 };
static pt_status check_answer(const pt_judge_state *s, const char *name, const json_t *answer)
{
    size_t n = strlen(name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) n = 0;
    if (!n || n > NAME_MOST) return pt_fail(PT_EFORMAT, "'%s' has a name of no bytes, of more than %d, or with a control character", s->named.field, NAME_MOST);
    return json_is_string(answer) ? PT_OK : pt_fail(PT_EFORMAT, "the answer of '%s' in '%s' is not a text", name, s->named.field);
}

/* The number of a name. A table of wins is squared, and each of a thousand draws costs its cube. */
enum { NAMES_MOST = 200 };
static pt_status number_of(pt_judge_named *x, const char *name, size_t *out)
{
    for (*out = 0; *out < x->n; ++*out)
        if (!strcmp(x->names[*out], name)) return PT_OK;
    if (x->n == NAMES_MOST) return pt_fail(PT_EFORMAT, "'%s' has a name more than the %d that are rated beside each other: %s", x->field, NAMES_MOST, name);
    PT_RETURN(pt_reserve(&x->names, &x->cap, x->n + 1));
    PT_RETURN(pt_strdup(&x->names[x->n], name));
    x->n++;
    return PT_OK;
}

pt_status pt_judge_named_check(const pt_task *t, const pt_judge_state *s)
{
    static const char *const others[] = {"field_answer", "field_gold", "against", "of"};
    if (!s->template.pairs) return pt_task_fail(t, "field_answers goes with a template of pairs (mode: pairwise), and %s gives scores", s->template.name);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (size_t k = 0; k < t->spec->n_options; k++)
            if (!strcmp(t->spec->options[k].name, others[i])) return pt_task_fail(t, "field_answers and %s: either the named answers of a row are judged beside each other, or not", others[i]);
    return PT_OK;
}

pt_status pt_judge_named_add(pt_task *t, pt_judge_state *s, json_t *row)
{
    json_t *answers = (json_t *)pt_judge_value(row, s->named.field), *a, *b;
    const size_t first = t->items;
    const char *name, *other;
    if (!json_is_object(answers) || json_object_size(answers) < 2)
        return pt_fail(PT_EFORMAT, "'%s', which field_answers names, is not {NAME: TEXT, ...} of two answers or more", s->named.field);
    json_object_foreach (answers, name, a) {
        void *next = json_object_iter_at(answers, name);
        PT_RETURN(check_answer(s, name, a));
        while ((next = json_object_iter_next(answers, next))) {
            pt_write_item x = {0};
            other = json_object_iter_key(next), b = json_object_iter_value(next);
            PT_RETURN(check_answer(s, other, b));
            PT_RETURN(pt_reserve(&s->named.pair, &s->named.pair_cap, t->items + 1));
            PT_RETURN(number_of(&s->named, name, &s->named.pair[t->items].a));
            PT_RETURN(number_of(&s->named, other, &s->named.pair[t->items].b));
            PT_RETURN(pt_judge_add(t, row, &x, pt_task_text(t, "cluster_by") ? NULL : &first));
        }
    }
    return PT_OK;
}

void pt_judge_named_texts(const pt_judge_state *s, size_t item, const char **text, const char **other)
{
    const json_t *answers = pt_judge_value(s->writing.items[item].row, s->named.field);
    *text = json_string_value(json_object_get(answers, s->named.names[s->named.pair[item].a]));
    *other = json_string_value(json_object_get(answers, s->named.names[s->named.pair[item].b]));
}

void pt_judge_named_free(pt_judge_named *x)
{
    for (size_t i = 0; i < x->n; i++) free(x->names[i]);
    free(x->names);
    free(x->pair);
    for (int k = 0; k < 2; k++) pt_ratings_free(&x->ratings[k]);
    *x = (pt_judge_named){0};
}

/* ---- ratings ---- */

static pt_status list_duels(const pt_judge_state *s, const pt_judge_side *x, pt_duel **out, size_t *n)
{
    const size_t each = pt_judge_votes(s);
    *n = 0;
    PT_RETURN(pt_alloc0(out, x->n * each));
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < each; k++) {
            const double vote = x->votes[i * each + k];
            const pt_judge_pair *p = &s->named.pair[x->texts[i].item];
            if (!isnan(vote)) (*out)[(*n)++] = (pt_duel){.a = p->a, .b = p->b, .won = vote, .cluster = x->texts[i].cluster};
        }
    return PT_OK;
}

pt_status pt_judge_find_ratings(pt_task *t, pt_side side)
{
    pt_judge_state *s = t->state;
    pt_ratings *r = &s->named.ratings[side];
    pt_duel *duels = NULL;
    size_t n;
    pt_ratings_free(r);
    pt_status rc = list_duels(s, &s->side[side], &duels, &n);
    if (rc == PT_OK) rc = pt_ratings_of(duels, n, s->named.n, pt_task_number(t, "prior"), PT_RESAMPLES, t->seed, r);
    for (size_t i = 0; i < s->named.n && rc == PT_OK; i++) {
        char metric[200], label[200];
        snprintf(metric, sizeof metric, "rating.%s", s->named.names[i]);
        snprintf(label, sizeof label, "rating (Elo), %s", s->named.names[i]);
        rc = pt_judge_put(t, side, metric, label, PT_FORM_SCORE, pt_elo(r->rating[i]), pt_elo(r->ci[i].lo), pt_elo(r->ci[i].hi), (size_t)r->played[i], false);
    }
    free(duels);
    return rc;
}

static json_t *elo(double rating)
{
    return isnan(rating) ? json_null() : json_real(pt_elo(rating));
}

/* "ratings": [{"name", "side", "rating": Elo, "lo", "hi", "wins", "comparisons", "part"}] by rating; part: those of another number cannot be compared with it. */
static pt_status put_ratings(const pt_judge_state *s, int side, json_t *list)
{
    const pt_ratings *r = &s->named.ratings[side];
    uint8_t *done;
    pt_status rc = PT_OK;
    PT_RETURN(pt_alloc0(&done, r->n));
    for (size_t k = 0; k < r->n && rc == PT_OK; k++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < r->n; i++)
            if (!done[i] && (best == SIZE_MAX || r->rating[i] > r->rating[best])) best = i;
        done[best] = 1;
        json_t *o = json_pack("{so ss so so so sf sI sI}", "name", pt_report_text(s->named.names[best]), "side", side ? "after" : "before", "rating", elo(r->rating[best]), "lo",
                              elo(r->ci[best].lo), "hi", elo(r->ci[best].hi), "wins", r->wins[best], "comparisons", (json_int_t)r->played[best], "part", (json_int_t)r->part[best]);
        if (!o || json_array_append_new(list, o)) rc = pt_fail(PT_ENOMEM, "out of memory writing the report");
    }
    free(done);
    return rc;
}

pt_status pt_judge_named_json(const pt_judge_state *s, json_t *o)
{
    json_t *list = json_array();
    PT_RETURN(put(o, "ratings", list));
    for (int k = 0; k < 2; k++) PT_RETURN(put_ratings(s, k, list));
    return PT_OK;
}

/* Which names cannot be compared. */
static pt_status say_parts(const pt_judge_state *s, const pt_ratings *r, pt_str *out)
{
    pt_str line = {0};
    pt_status rc = pt_ratings_why(r, (const char *const *)s->named.names, &line);
    if (rc == PT_OK) rc = pt_str_visible(out, line.text, line.len);
    pt_str_free(&line);
    return rc == PT_OK ? pt_str_puts(out, "\n") : rc;
}

pt_status pt_judge_named_table(const pt_judge_state *s, pt_str *out)
{
    const pt_ratings *r = &s->named.ratings[s->named.ratings[PT_AFTER].n ? PT_AFTER : PT_BEFORE]; /* what rows hold is the same on both sides */
    if (!r->n) return PT_OK;
    if (r->parts > 1) return say_parts(s, r, out);
    if (r->held == r->resamples) return PT_OK;
    return pt_str_printf(out, "ratings: intervals are of %zu of %zu draws of rows; in the others some have only won, or only lost, against the rest\n", r->held, r->resamples);
}
