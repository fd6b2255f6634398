/* judge: what other models (or the measured one) say of answers: a score each, or the better of two. eval/task/judging.h says what they are asked and how they are read.
 *
 * What is judged: the measured model's answers to rows as those of `text`; answers that the rows hold (field_answer), with or without people's scores (field_gold); a
 * dialogue's transcripts (of); of pairs the answers of both sides of an evaluation, or an answer and the row's other one (against). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "eval/task/held.h"
#include "eval/task/judge_state.h"

/* ---- opening ---- */

static bool says(const pt_task *t, const char *key)
{
    for (size_t i = 0; i < t->spec->n_options; i++)
        if (!strcmp(t->spec->options[i].name, key)) return true;
    return false;
}

/* Keys of asking the measured model mean nothing where it is not asked. */
static pt_status check_given(const pt_task *t)
{
    static const char *const idle[] = {"prompt", "system", "personas", "chat", "max_new_tokens", "temperature", "top_p", "sampling", "repeats", "units", "metrics", "dump", "dump_as"};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (says(t, idle[i])) return pt_task_fail(t, "%s says how the measured model is asked; %s and it is not", idle[i], t->source ? "transcripts are judged" : "the rows hold the answers");
    return PT_OK;
}

static pt_status open_template(pt_task *t, pt_judge_state *s)
{
    const char *system = pt_task_text(t, "judge_system");
    pt_status rc = pt_judge_template_load(&s->template, says(t, "template") ? pt_task_text(t, "template") : t->source ? "dialogue" : "rating");
    if (rc == PT_EFORMAT || rc == PT_EARG) return pt_task_fail(t, "template: %s", pt_err_msg());
    PT_RETURN(rc);
    if (system) {
        free(s->template.system);
        s->template.system = NULL;
        PT_RETURN(pt_strdup(&s->template.system, system));
    }
    s->low = says(t, "low") ? pt_task_number(t, "low") : s->template.low;
    s->high = says(t, "high") ? pt_task_number(t, "high") : s->template.high;
    s->orders = s->template.pairs ? 2 : 1;
    if (s->template.pairs && (says(t, "low") || says(t, "high"))) return pt_task_fail(t, "%s judges pairs: its verdicts are A, B and TIE, and have no low and high", s->template.name);
    if (!s->template.pairs && says(t, "against")) return pt_task_fail(t, "against goes with a template of pairs (mode: pairwise), and %s gives scores", s->template.name);
    if (!s->template.pairs && !(s->low < s->high)) return pt_task_fail(t, "low and high are the scale of the scores: neither the template %s nor the entry says both, or low is not below high", s->template.name);
    return PT_OK;
}

/* {NAME: TEXT, ...} or [NAME, ...]; none: one that has no name. */
static pt_status open_criteria(pt_task *t, pt_judge_state *s)
{
    PT_RETURN(pt_task_list(t, "criteria", &s->criteria, &s->n_list));
    s->n_criteria = s->n_list ? s->n_list : 1;
    if (!s->n_list) PT_RETURN(pt_alloc0(&s->criteria, 1));
    PT_RETURN(pt_alloc0(&s->rubrics, s->n_criteria));
    for (size_t i = 0; i < s->n_list; i++) {
        char *equals = strchr(s->criteria[i], '=');
        if (equals) {
            *equals = 0;
            s->rubrics[i] = equals + 1;
        }
        for (size_t k = 0; k < i; k++)
            if (!strcmp(s->criteria[k], s->criteria[i])) return pt_task_fail(t, "criteria: two are called '%.60s'", s->criteria[i]);
    }
    return PT_OK;
}

static pt_status open_judges(pt_task *t, pt_judge_state *s)
{
    PT_RETURN(pt_task_list(t, "judges", &s->judges, &s->n_judges));
    if (!s->n_judges) return pt_task_fail(t, "the task judge needs judges: [NAME, ...], names of `models`, or self, base");
    for (size_t i = 0; i < s->n_judges; i++) {
        for (size_t k = 0; k < i; k++)
            if (!strcmp(s->judges[i], s->judges[k])) return pt_task_fail(t, "judges: %s stands twice", s->judges[i]);
        if (pt_judge_by_sides(s) && !strcmp(s->judges[i], "self")) return pt_task_fail(t, "judges: self is one of the two sides that are judged");
    }
    if (pt_held(t) && s->template.place != PT_JUDGE_LINE) return pt_task_fail(t, "constrain goes with a template whose verdict is a line (verdict: line), and %s says another", s->template.name);
    if (pt_held(t) && !s->template.pairs && (s->low != floor(s->low) || s->high != floor(s->high) || s->high - s->low > 1000))
        return pt_task_fail(t, "constrain holds a score to a whole number from low to high, up to 1,000 apart, and these are %g and %g", s->low, s->high);
    s->repeats = (int)pt_task_number(t, "judge_repeats");
    if (s->repeats > 1 && !(pt_task_number(t, "judge_temperature") > 0)) return pt_task_fail(t, "judge_repeats goes with a judge_temperature above 0: the same verdict would come again");
    return PT_OK;
}

pt_status pt_judge_gold(const pt_task *t, const pt_judge_state *s, const json_t *row, double *out)
{
    static const char *const sides[] = {"a", "b", "tie"};
    const char *field = pt_task_text(t, "field_gold"), *text;
    char *end;
    *out = NAN;
    const json_t *v = field ? json_object_get(row, field) : NULL;
    if (!v || json_is_null(v)) return PT_OK;
    text = json_string_value(v);
    if (s->template.pairs) {
        for (int i = 0; text && i < 3; i++)
            if (!strcmp(text, sides[i])) *out = i > 1 ? 0.5 : i ? 0 : 1;
        return isnan(*out) ? pt_fail(PT_EFORMAT, "%s is %s; of pairs a, b or tie is wanted (a: the answer that is judged, b: the one it stands against)", field, text ? text : pt_json_kind(v)) : PT_OK;
    }
    *out = json_is_number(v) ? json_number_value(v) : text ? strtod(text, &end) : NAN;
    if (text && (end == text || *end)) *out = NAN;
    return isfinite(*out) ? PT_OK : pt_fail(PT_EFORMAT, "%s is %s, not a number", field, pt_json_kind(v));
}

/* Whether the template finds its fields in the row, before anybody is asked. */
static pt_status try_row(const pt_task *t, const pt_judge_state *s, const pt_write_item *x)
{
    pt_judge_text one = {.row = x->row, .text = (char *)"", .other = (char *)"", .question = (char *)"", .system = x->system, .reference = x->n_references ? x->references[0] : NULL};
    const char *own = pt_task_text(t, "field_answer");
    char *system = NULL, *prompt = NULL;
    pt_seal seal;
    if (own && !pt_judge_field(x->row, own)) return pt_fail(PT_EFORMAT, "the row has no text '%s', which field_answer names", own);
    if (s->template.pairs && !s->named.field && !pt_judge_by_sides(s) && !pt_judge_field(x->row, s->against)) return pt_fail(PT_EFORMAT, "the row has no text '%s', which against names", s->against);
    pt_status rc = pt_judge_spell(s, t->seed, &one, 0, 0, &seal, &system, &prompt);
    free(system);
    free(prompt);
    return rc == PT_EFORMAT ? pt_fail_prefix(rc, "the judge's template %s", s->template.name) : rc;
}

static pt_status read_row(pt_task *t, pt_judge_state *s, json_t *row, pt_write_item *x)
{
    static const char *const names[] = {"references", "reference", "answer", "target", "generated", "response", "output", NULL};
    PT_RETURN(s->given ? pt_writing_place(t, row, x) : pt_writing_read(t, &s->writing, row, names, false, x));
    PT_RETURN(pt_reserve(&s->gold, &s->gold_cap, t->items + 1));
    PT_RETURN(pt_judge_gold(t, s, row, &s->gold[t->items]));
    return try_row(t, s, x);
}

pt_status pt_judge_add(pt_task *t, json_t *row, pt_write_item *x, const size_t *cluster)
{
    pt_judge_state *s = t->state;
    pt_status rc = read_row(t, s, row, x);
    if (rc == PT_OK && cluster) x->cluster = *cluster;
    if (rc == PT_OK) return pt_writing_add(t, &s->writing, x);
    pt_write_item_free(x);
    return rc;
}

static pt_status add_item(pt_task *t, json_t *row)
{
    pt_write_item x = {0};
    return pt_judge_add(t, row, &x, NULL);
}

/* PersonaGym's rows (Samuel et al. 2024), {"persona": TEXT, "questions": {DIMENSION: [TEXT, ...], ...}}: an item for each question. */
static pt_status add_questions(pt_task *t, json_t *row, json_t *questions)
{
    const char *dimension;
    json_t *list, *question;
    size_t i;
    json_object_foreach (questions, dimension, list) {
        if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "questions: %s is %s, not a list of texts", dimension, pt_json_kind(list));
        json_array_foreach (list, i, question) {
            json_t *one = json_pack("{sO ss sO}", "persona", json_object_get(row, "persona"), "dimension", dimension, "question", question);
            if (!one) return pt_fail(PT_ENOMEM, "out of memory reading a row");
            pt_status rc = add_item(t, one);
            json_decref(one);
            PT_RETURN(rc);
        }
    }
    return PT_OK;
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    json_t *questions = json_object_get(row, "questions");
    pt_judge_state *s = t->state;
    (void)source;
    if (s->named.field) return pt_judge_named_add(t, s, row);
    return json_is_object(questions) && json_is_string(json_object_get(row, "persona")) ? add_questions(t, row, questions) : add_item(t, row);
}

static pt_status open_judge(pt_task *t)
{
    pt_judge_state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    s->named.field = pt_task_text(t, "field_answers");
    s->writing.as_one = true;
    s->given = pt_task_text(t, "field_answer") || s->named.field || t->source;
    s->against = pt_task_text(t, "against");
    if (s->given) PT_RETURN(check_given(t));
    PT_RETURN(open_template(t, s));
    if (s->named.field) PT_RETURN(pt_judge_named_check(t, s));
    else if (says(t, "prior")) return pt_task_fail(t, "prior is of ratings, which rows with several answers by name give (field_answers)");
    if (t->source && pt_task_text(t, "field_answer")) return pt_task_fail(t, "of and field_answer: either transcripts are judged or what the rows hold");
    if (s->template.pairs && t->source && !pt_judge_by_sides(s)) return pt_task_fail(t, "pairs of transcripts are those of both sides: against: before");
    if (s->given && !t->source && pt_judge_by_sides(s)) return pt_task_fail(t, "field_answer and pairs: against names the field of the other answer");
    PT_RETURN(open_criteria(t, s));
    PT_RETURN(open_judges(t, s));
    PT_RETURN(pt_writing_open(t, &s->writing));
    if (!t->source) return pt_task_rows(t, add_row);
    t->items = t->source->items; /* until there are transcripts */
    return pt_reserve(&s->writing.items, &s->writing.cap, t->items);
}

static void close_judge(pt_task *t)
{
    pt_judge_state *s = t->state;
    if (!s) return;
    for (size_t i = 0; i < s->n_judges; i++) free(s->judges[i]);
    for (size_t i = 0; i < s->n_list; i++) free(s->criteria[i]);
    for (int k = 0; k < 2; k++) {
        pt_judge_side_free(&s->side[k]);
        pt_report_parts_free(&s->parts[k]);
    }
    for (size_t i = 0; i < s->n_told; i++) free(s->told[i]);
    free(s->told);
    free(s->judges);
    free(s->criteria);
    free(s->rubrics);
    free(s->gold);
    pt_judge_named_free(&s->named);
    pt_judge_template_free(&s->template);
    pt_writing_free(t, &s->writing);
    free(s);
}

/* ---- asking ---- */

static pt_status meet_judges(const pt_task *t, pt_meetings *m)
{
    const pt_judge_state *s = t->state;
    const int64_t each = t->source ? (int64_t)pt_task_number(t->source, "repeats") : s->given ? 1 : pt_writing_repeats(t), asked = t->source ? pt_task_asked(t->source) : pt_task_asked(t);
    const int64_t votes = asked * each * (int64_t)s->n_criteria * s->orders * s->repeats;
    for (size_t i = 0; i < s->n_judges; i++) PT_RETURN(pt_meet(t, m, s->judges[i], (int64_t)pt_task_number(t, "judge_context"), votes, PT_MEET_TEXT | (pt_held(t) ? PT_MEET_HELD : 0)));
    return PT_OK;
}

static bool compares(const pt_task *t)
{
    return pt_judge_by_sides(t->state);
}

/* Of rows that hold their answers only which are judged is to be said. */
static pt_status ask_judge(pt_task *t, const pt_speller *speller, pt_requests *q)
{
    pt_judge_state *s = t->state;
    size_t *scope;
    if (!s->given) return pt_writing_ask(t, speller, q);
    if (t->source) PT_RETURN(pt_judge_hear(t));
    free(s->writing.keep);
    s->writing.keep = NULL;
    PT_RETURN(pt_alloc0(&s->writing.keep, t->items));
    PT_RETURN(pt_alloc0(&scope, t->items));
    for (size_t i = 0; i < t->items; i++) scope[i] = s->writing.items[i].scope;
    pt_status rc = pt_task_limit(t, scope, s->writing.keep, &s->writing.asked);
    free(scope);
    return rc;
}

/* Our answers stand against the base's to the same: once both are there. */
static pt_status join_sides(pt_judge_state *s)
{
    pt_judge_side *ours = &s->side[PT_AFTER], *theirs = &s->side[PT_BEFORE];
    if (ours->n != theirs->n) return pt_fail(PT_ESTATE, "pairs: %zu texts of one side and %zu of the other", ours->n, theirs->n);
    for (size_t i = 0; i < ours->n; i++) {
        free(ours->texts[i].other);
        ours->texts[i].other = NULL;
        PT_RETURN(pt_strdup(&ours->texts[i].other, theirs->texts[i].text));
    }
    return PT_OK;
}

static pt_status talk_judge(pt_task *t, const pt_reply *replies, const pt_voices *voices, pt_side side)
{
    pt_judge_state *s = t->state;
    PT_RETURN(pt_judge_collect(t, replies, side));
    if (!pt_judge_by_sides(s)) return pt_judge_vote_all(t, voices, side);
    if (!s->side[0].n || !s->side[1].n) return PT_OK;
    PT_RETURN(join_sides(s));
    return pt_judge_vote_all(t, voices, PT_AFTER);
}

static pt_status judge_judge(pt_task *t, const pt_reply *replies, pt_side side)
{
    pt_judge_state *s = t->state;
    const pt_side of = pt_judge_by_sides(s) ? PT_AFTER : side;
    if (!s->given) PT_RETURN(pt_writing_judge(t, replies, side));
    t->report.questions = s->writing.asked;
    if (!s->side[of].votes) return PT_OK;
    PT_RETURN(s->template.pairs ? pt_judge_find_pairs(t, of) : pt_judge_find_scores(t, of));
    if (s->named.field) PT_RETURN(pt_judge_find_ratings(t, of));
    return pt_judge_find_agreement(t, of);
}

static const pt_task_key keys[] = {
    PT_WRITING_KEYS,
    {.name = "judges", .kind = PT_TASK_LIST, .help = "Who judges: names of `models`, self (the measured model), base."},
    {.name = "template", .kind = PT_TASK_FILE,
     .help = "What a judge is asked: a file (docs/evaluation.md, \"judge\"), or one that is built in: rating (a score from 1 to 10), pair (the better of two), dialogue (a score of a transcript). Unset: rating, of "
             "transcripts dialogue."},
    {.name = "judge_system", .kind = PT_TASK_TEXT, .help = "The judge's system text, with fields; instead of the template's."},
    {.name = "criteria", .kind = PT_TASK_LIST, .help = "{NAME: TEXT, ...}: each answer is judged by each of them: {criterion} and {rubric} of the template."},
    {.name = "low", .kind = PT_TASK_NUMBER, .min = -1e9, .max = 1e9, .help = "The lowest score. Unset: the template's."},
    {.name = "high", .kind = PT_TASK_NUMBER, .min = -1e9, .max = 1e9, .help = "The highest score. Unset: the template's."},
    {.name = "against", .kind = PT_TASK_TEXT, .fallback = "before",
     .help = "Of pairs: what the answer stands against: before, the base's answer to the same; or a field of the row (reference, response.b)."},
    {.name = "field_answer", .kind = PT_TASK_TEXT, .help = "The field of the rows that holds the answer to judge; below another one with a dot. Unset: the measured model answers."},
    {.name = "field_answers", .kind = PT_TASK_TEXT,
     .help = "Of pairs: the field of the rows that holds several answers by name, {NAME: TEXT, ...}: each two are judged, and each name gets a rating (Bradley-Terry, on Elo's scale)."},
    {.name = "prior", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 1e6,
     .help = "Of ratings: so many wins of each name against each are added. 0: names of which some have only won, or only lost, against the others get no rating."},
    {.name = "field_gold", .kind = PT_TASK_TEXT, .help = "The field of what people say: a score, of pairs a, b or tie. Judges are compared with it."},
    {.name = "of", .kind = PT_TASK_TEXT, .help = "A dialogue's name: its transcripts are judged, {answer}; fields are those of its scenes. No path then."},
    {.name = "judge_context", .kind = PT_TASK_WHOLE, .fallback = "4096", .min = 64, .max = 1048576,
     .help = "Tokens of what a judge in memory is asked, with its reply, at most: it is planned for. What is longer gets no verdict."},
    {.name = "judge_max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "256", .min = 1, .max = 65536, .help = "Tokens of a judge's reply."},
    {.name = "judge_temperature", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 100, .help = "0 = greedy."},
    PT_HELD_KEY,
    {.name = "judge_repeats", .kind = PT_TASK_WHOLE, .fallback = "1", .min = 1, .max = 100, .help = "How often each judge is asked each thing."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "stopped_share"}, {.key = "length"}, {.key = "repeated_4grams"}, {.key = NULL}};
const pt_task_kind pt_task_kind_judge = {.name = "judge", .help = "What judges say of answers: scores, or the better of two; several judges, beside people's scores.", .keys = keys, .metrics = metrics,
                                         .open = open_judge, .ask = ask_judge, .meet = meet_judges, .talk = talk_judge, .judge = judge_judge, .compares = compares, .json = pt_judge_json, .table = pt_judge_table, .close = close_judge};
