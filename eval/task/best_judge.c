/* Judges as scorers of best_of: they are asked as the task `judge` asks them, and a verdict is a score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/best_judge.h"

static pt_status open_scale(const pt_task *t, pt_judge_state *j)
{
    j->low = pt_task_text(t, "low") ? pt_task_number(t, "low") : j->template.low;
    j->high = pt_task_text(t, "high") ? pt_task_number(t, "high") : j->template.high;
    if (j->template.pairs) return pt_task_fail(t, "template: %s judges pairs; samples are scored one by one (mode: score)", j->template.name);
    return j->low < j->high ? PT_OK : pt_task_fail(t, "low and high are the scale of the scores: neither the template %s nor the entry says both, or low is not below high", j->template.name);
}

pt_status pt_best_judge_open(const pt_task *t, char **names, size_t n, pt_judge_state **out)
{
    pt_judge_state *j;
    PT_RETURN(pt_alloc0(&j, 1));
    *out = j;
    j->judges = names;
    j->n_judges = n;
    j->n_criteria = 1;
    j->repeats = j->orders = 1;
    j->against = "";
    PT_RETURN(pt_alloc0(&j->criteria, 1));
    PT_RETURN(pt_alloc0(&j->rubrics, 1));
    pt_status rc = pt_judge_template_load(&j->template, pt_task_text(t, "template"));
    if (rc == PT_EFORMAT || rc == PT_EARG) return pt_task_fail(t, "template: %s", pt_err_msg());
    PT_RETURN(rc);
    return open_scale(t, j);
}

void pt_best_judge_free(pt_judge_state *j)
{
    if (!j) return;
    for (int k = 0; k < 2; k++) pt_judge_side_free(&j->side[k]);
    pt_judge_template_free(&j->template);
    free(j->criteria);
    free(j->rubrics);
    free(j->gold);
    free(j);
}

pt_status pt_best_judge_try(const pt_task *t, const pt_judge_state *j, const pt_write_item *x)
{
    pt_judge_text one = {.row = x->row, .text = (char *)"", .question = (char *)"", .system = x->system, .reference = x->n_references ? x->references[0] : NULL};
    char *system = NULL, *prompt = NULL;
    pt_seal seal;
    pt_status rc = pt_judge_spell(j, t->seed, &one, 0, 0, &seal, &system, &prompt);
    free(system);
    free(prompt);
    return rc == PT_EFORMAT ? pt_fail_prefix(rc, "the judge's template %s", j->template.name) : rc;
}

/* The texts that say something first, as they stood; at[]: which answer each is. */
static size_t filled_first(pt_judge_side *x, size_t *at)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++) {
        if (pt_text_blank(x->texts[i].text, strlen(x->texts[i].text))) continue;
        const pt_judge_text moved = x->texts[i];
        x->texts[i] = x->texts[n];
        x->texts[n] = moved;
        at[n++] = i;
    }
    return n;
}

pt_status pt_best_judge_ask(const pt_task *t, pt_judge_state *j, const pt_writing *w, const pt_reply *replies, const pt_voices *voices, pt_side side, size_t *at, size_t *n)
{
    pt_task asking = *t; /* the same, as the judges' functions know it */
    pt_judge_side *x = &j->side[side];
    const size_t all = t->items;
    asking.state = j;
    j->writing = *w;
    if (!j->gold) PT_RETURN(pt_alloc0(&j->gold, all));
    for (size_t i = 0; i < all; i++) j->gold[i] = NAN;
    PT_RETURN(pt_judge_collect(&asking, replies, side));
    const size_t texts = x->n;
    *n = filled_first(x, at);
    x->n = *n;
    pt_status rc = pt_judge_vote_all(&asking, voices, side);
    x->n = texts; /* all of them are to be freed */
    j->writing = (pt_writing){0};
    return rc;
}
