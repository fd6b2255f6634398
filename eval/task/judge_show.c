/* What stands beside a judge's rows: which votes are missing and why, what they cost, the votes themselves. */
#include <math.h>
#include <string.h>

#include "eval/task/judge_state.h"

enum { CAUSE_WIDTH = 90 };
static const char *const sides[2] = {"before", "after"};
static const char *const states[PT_VOTE_STATES] = {"read", "unread", "outside", "failed"};

static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) ? pt_fail(PT_ENOMEM, "out of memory writing the report") : PT_OK;
}

static pt_status append(json_t *list, json_t *value)
{
    return json_array_append_new(list, value) ? pt_fail(PT_ENOMEM, "out of memory writing the report") : PT_OK;
}

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* {"name", "side", "n": verdicts asked for, "missing", "read", "unread", "outside", "failed"}, then the numbers that the judge itself counts. */
static pt_status put_judge(const pt_judge_state *s, int side, size_t judge, json_t *list)
{
    const pt_judge_side *x = &s->side[side];
    const size_t *state = x->states[judge], all = x->n * pt_judge_votes(s) / s->n_judges;
    const char *key;
    json_t *o = json_object(), *v;
    PT_RETURN(append(list, o));
    PT_RETURN(put(o, "name", pt_report_text(s->judges[judge])));
    PT_RETURN(put(o, "side", json_string(sides[side])));
    PT_RETURN(put(o, "n", json_integer((json_int_t)all)));
    PT_RETURN(put(o, "missing", json_integer((json_int_t)(all - state[PT_VOTE_READ]))));
    for (int k = 0; k < PT_VOTE_STATES; k++) PT_RETURN(put(o, states[k], json_integer((json_int_t)state[k])));
    json_object_foreach (json_object_get(x->accounts, s->judges[judge]), key, v)
        if (!json_object_get(o, key)) PT_RETURN(put(o, key, json_incref(v)));
    return PT_OK;
}

static pt_status put_failures(const pt_judge_state *s, int side, json_t *list)
{
    const char *judge, *cause;
    json_t *of, *n;
    json_object_foreach (s->side[side].failures, judge, of)
        json_object_foreach (of, cause, n) {
            json_t *o = json_pack("{so so ss sO}", "judge", pt_report_text(judge), "cause", pt_report_text(cause), "side", sides[side], "n", n);
            PT_RETURN(append(list, o));
        }
    return PT_OK;
}

/* Of texts that "answers" has not (the rows' own, transcripts): what each side's was. */
static pt_status put_said(const pt_judge_state *s, size_t i, json_t *o)
{
    json_t *said = json_object();
    PT_RETURN(put(o, "said", said));
    for (int k = 0; k < 2; k++) PT_RETURN(put(said, sides[k], s->side[k].votes && i < s->side[k].n ? pt_report_text(s->side[k].texts[i].text) : json_null()));
    return PT_OK;
}

/* {"item": from 0, "answers": [NAME, NAME] of pairs by name, "repeat", "group", "said": {"before": TEXT | null, "after"} (of the measured model's answers: the task's "answers" at
 * the same place), "gold", "before": {JUDGE: mean of its votes | null} | null, "after"} */
static pt_status put_votes(const pt_task *t, const pt_judge_state *s, json_t *list)
{
    const pt_judge_side *any = &s->side[s->side[1].votes ? 1 : 0];
    for (size_t i = 0; i < any->n; i++) {
        const pt_judge_text *x = &any->texts[i];
        json_t *o = json_object();
        PT_RETURN(append(list, o));
        PT_RETURN(put(o, "item", json_integer((json_int_t)x->item)));
        PT_RETURN(put(o, "repeat", json_integer(x->repeat)));
        PT_RETURN(put(o, "group", pt_report_text(t->scopes[x->scope])));
        if (s->named.field)
            PT_RETURN(put(o, "answers", json_pack("[oo]", pt_report_text(s->named.names[s->named.pair[x->item].a]), pt_report_text(s->named.names[s->named.pair[x->item].b]))));
        if (s->given) PT_RETURN(put_said(s, i, o));
        PT_RETURN(put(o, "gold", number(x->gold)));
        for (int k = 0; k < 2; k++) {
            json_t *votes = s->side[k].votes ? json_object() : json_null();
            PT_RETURN(put(o, sides[k], votes));
            for (size_t j = 0; s->side[k].votes && j < s->n_judges; j++) PT_RETURN(put(votes, s->judges[j], number(pt_judge_mean(s, (pt_side)k, i, j))));
        }
    }
    return PT_OK;
}

pt_status pt_judge_json(const pt_task *t, json_t *o)
{
    const pt_judge_state *s = t->state;
    json_t *judges = json_array(), *failures = json_array(), *votes = json_array();
    PT_RETURN(put(o, "template", pt_report_text(s->template.name)));
    PT_RETURN(put(o, "judges", judges));
    PT_RETURN(put(o, "failures", failures));
    PT_RETURN(put(o, "verdicts", votes));
    if (!s->given) PT_RETURN(pt_writing_json(t, o)); /* the answers themselves */
    if (s->named.field) PT_RETURN(pt_judge_named_json(s, o));
    if (s->unequal) PT_RETURN(put(o, "compared", json_pack("{sI so so}", "texts", (json_int_t)s->shared, "before", number(s->shared_score[0]), "after", number(s->shared_score[1]))));
    for (int k = 0; k < 2; k++) {
        if (!s->side[k].votes) continue;
        for (size_t j = 0; j < s->n_judges; j++) PT_RETURN(put_judge(s, k, j, judges));
        PT_RETURN(put_failures(s, k, failures));
    }
    return put_votes(t, s, votes);
}

/* ---- the table ---- */

/* A line for each cause. */
static pt_status say_failures(const json_t *of, pt_str *out)
{
    const char *cause;
    json_t *n;
    pt_str text = {0};
    pt_status rc = PT_OK;
    json_object_foreach ((json_t *)of, cause, n) {
        text.len = 0;
        PT_TRY(pt_report_cell(&text, cause, CAUSE_WIDTH));
        while (text.len && text.text[text.len - 1] == ' ') text.text[--text.len] = 0;
        PT_TRY(pt_str_printf(out, "  %lld x %s\n", (long long)json_integer_value(n), text.text));
    }
done:
    pt_str_free(&text);
    return rc;
}

static pt_status say_judge(const pt_judge_state *s, int side, size_t judge, const char *which, pt_str *out)
{
    const pt_judge_side *x = &s->side[side];
    const size_t *state = x->states[judge], all = x->n * pt_judge_votes(s) / s->n_judges;
    PT_RETURN(pt_str_printf(out, "%s%s: %zu of %zu verdicts", s->judges[judge], which, state[PT_VOTE_READ], all));
    if (state[PT_VOTE_UNREAD]) PT_RETURN(pt_str_printf(out, "; %zu replies without one at its place", state[PT_VOTE_UNREAD]));
    if (state[PT_VOTE_OUTSIDE]) PT_RETURN(pt_str_printf(out, "; %zu outside the scale", state[PT_VOTE_OUTSIDE]));
    if (state[PT_VOTE_FAILED]) PT_RETURN(pt_str_printf(out, "; %zu without an answer:", state[PT_VOTE_FAILED]));
    PT_RETURN(pt_str_puts(out, "\n"));
    return say_failures(json_object_get(x->failures, s->judges[judge]), out);
}

pt_status pt_judge_table(const pt_task *t, const bool shown[2], pt_str *out)
{
    const pt_judge_state *s = t->state;
    const bool both = s->side[0].votes && s->side[1].votes;
    for (size_t j = 0; j < s->n_judges; j++)
        for (int k = 0; k < 2; k++)
            if (s->side[k].votes) PT_RETURN(say_judge(s, k, j, both ? k ? ", after" : ", before" : "", out));
    if (pt_judge_by_sides(s) && !s->side[PT_AFTER].votes) return pt_str_puts(out, "no verdicts: only one side was measured, and pairs are of both\n");
    if (s->named.field) PT_RETURN(pt_judge_named_table(s, out));
    if (s->unequal && !s->shared) return pt_str_puts(out, "the sides lack different verdicts, and no text has them on both: nothing is compared\n");
    if (s->unequal)
        PT_RETURN(pt_str_printf(out, "the sides lack different verdicts: tests are of the %zu text%s with verdicts on both, %.3f before and %.3f after\n", s->shared,
                                s->shared == 1 ? "" : "s", s->shared_score[0], s->shared_score[1]));
    return PT_OK;
}
