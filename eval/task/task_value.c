/* value: a number for each row: the likeliest (or expected) one of a scale, one that is read from what the model writes, or a reward model's score.
 *
 * A row: {"text": TEXT, "value": NUMBER, "response": TEXT, "system": TEXT, "group": TEXT}. The text may be called question, input or sentence too; value (or the
 * field that `field_value` names) may be a text that is a number (CSV). response: the answer that is scored, with method: score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/chooser.h"
#include "eval/task/inventory.h"
#include "eval/stat/places.h"

enum { LIKELIHOOD, WRITTEN, SCORE, VALUES_MOST = 1024 };
static const char *const methods[] = {"likelihood", "written", "score", NULL}, *const scores[] = {"argmax", "expected", NULL};

typedef struct state {
    pt_chooser chooser; /* first: pt_chooser_ask finds it there */
    char **texts;       /* [n] the scale's numbers as they are written, ascending */
    double *values;     /* [n] */
    size_t n;
    double low, high;   /* NAN: nobody says */
    double *wanted;     /* [items] */
    size_t cap;
    double *numbers[2]; /* by side: [choices][2] */
    uint32_t *places[2]; /* likewise */
} state;

/* ---- the scale ---- */

static bool number_of(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end > text && !*end && isfinite(*out);
}

/* A key that is a number or unset: NAN. */
static double bound(const pt_task *t, const char *key)
{
    return pt_task_text(t, key) ? pt_task_number(t, key) : NAN;
}

/* From low to high in whole numbers. */
static pt_status whole_scale(pt_task *t, state *s)
{
    if (s->low != floor(s->low) || s->high - s->low >= VALUES_MOST)
        return pt_task_fail(t, "low: %g and high: %g span no scale of %d whole numbers at most; values: lists any", s->low, s->high, VALUES_MOST);
    PT_RETURN(pt_alloc0(&s->texts, (size_t)(s->high - s->low) + 1));
    for (double v = s->low; v <= s->high; v++) PT_RETURN(pt_asprintf(&s->texts[s->n++], "%.0f", v));
    return PT_OK;
}

static int by_number(const void *a, const void *b)
{
    const double x = strtod(*(char *const *)a, NULL), y = strtod(*(char *const *)b, NULL);
    return (x > y) - (x < y);
}

static pt_status open_scale(pt_task *t, state *s)
{
    const bool listed = pt_task_text(t, "values") != NULL;
    s->low = bound(t, "low");
    s->high = bound(t, "high");
    if (s->low >= s->high) return pt_task_fail(t, "low: %g is not below high: %g", s->low, s->high);
    if (listed) PT_RETURN(pt_task_list(t, "values", &s->texts, &s->n));
    else if (pt_task_word(t, "method") != LIKELIHOOD) return PT_OK;
    else if (isnan(s->low) || isnan(s->high)) return pt_task_fail(t, "method: likelihood wants values: [NUMBER, ...], or low and high");
    else PT_RETURN(whole_scale(t, s));
    if (s->n < 2 || s->n > VALUES_MOST) return pt_task_fail(t, "%zu values: 2 to %d are wanted", s->n, VALUES_MOST);
    PT_RETURN(pt_alloc0(&s->values, s->n));
    for (size_t k = 0; k < s->n; k++)
        if (!number_of(s->texts[k], &s->values[k])) return pt_task_fail(t, "values: '%s' is no number", s->texts[k]);
    qsort(s->texts, s->n, sizeof *s->texts, by_number);
    for (size_t k = 0; k < s->n; k++) {
        s->values[k] = strtod(s->texts[k], NULL);
        if (k && s->values[k] == s->values[k - 1]) return pt_task_fail(t, "values: %s and %s are equal", s->texts[k - 1], s->texts[k]);
    }
    if (isnan(s->low)) s->low = s->values[0];
    if (isnan(s->high)) s->high = s->values[s->n - 1];
    if (s->low > s->values[0] || s->high < s->values[s->n - 1]) return pt_task_fail(t, "values go past low: %g or high: %g", s->low, s->high);
    return PT_OK;
}

/* ---- the rows ---- */

static pt_status value_of(const pt_task *t, const json_t *row, double *out)
{
    const char *field = pt_task_text(t, "field_value"), *text;
    const json_t *v = json_object_get(row, field);
    if (!v || json_is_null(v)) return pt_fail(PT_EFORMAT, "the row has no %s", field);
    text = json_string_value(v);
    if (json_is_number(v)) *out = json_number_value(v);
    else if (!text) return pt_fail(PT_EFORMAT, "%s is %s, not a number", field, pt_json_kind(v));
    else if (!number_of(text, out)) return pt_fail(PT_EFORMAT, "%s is '%.60s', not a number", field, text);
    return PT_OK;
}

/* {low} and {high} of prompts. */
static pt_status with_bounds(const state *s, json_t *row)
{
    const double v[2] = {s->low, s->high};
    for (int i = 0; i < 2; i++) {
        json_t *x = isnan(v[i]) ? NULL : v[i] == floor(v[i]) && fabs(v[i]) < 1e15 ? json_integer((json_int_t)v[i]) : json_real(v[i]);
        if (!isnan(v[i]) && json_object_set_new(row, i ? "high" : "low", x)) return pt_fail(PT_ENOMEM, "out of memory reading an item");
    }
    return PT_OK;
}

static pt_status read_item(pt_task *t, const state *s, json_t *row, pt_choose_item *x)
{
    const int method = pt_task_word(t, "method");
    const char *response = json_string_value(json_object_get(row, "response"));
    const double wanted = s->wanted[t->items];
    if (method == SCORE && (!response || !*response)) return pt_fail(PT_EFORMAT, "the row has no response, which is what is scored");
    if (wanted < s->low || wanted > s->high) return pt_fail(PT_EFORMAT, "%s %g lies outside %g to %g", pt_task_text(t, "field_value"), wanted, s->low, s->high);
    PT_RETURN(pt_choose_question(t, row));
    PT_RETURN(with_bounds(s, row));
    PT_RETURN(pt_alloc0(&x->options, s->n + 1));
    for (size_t k = 0; k < s->n && method == LIKELIHOOD; k++, x->n++) PT_RETURN(pt_strdup(&x->options[k], s->texts[k]));
    if (method == SCORE) PT_RETURN(pt_strdup(&x->options[x->n++], response));
    x->gold = -1;
    return pt_choose_item_read(t, row, x);
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    state *s = t->state;
    pt_choose_item x = {0};
    (void)source;
    PT_RETURN(pt_reserve(&s->wanted, &s->cap, t->items + 1));
    PT_RETURN(value_of(t, row, &s->wanted[t->items]));
    pt_status rc = read_item(t, s, row, &x);
    if (rc == PT_OK) return pt_chooser_add(t, &s->chooser, &x);
    pt_choose_item_free(&x);
    return rc;
}

static pt_status open_value(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    PT_RETURN(open_scale(t, s));
    if (pt_task_word(t, "score") && pt_task_word(t, "method") != LIKELIHOOD) return pt_task_fail(t, "score: expected goes with method: likelihood");
    s->chooser.one = true;
    s->chooser.plain = pt_task_word(t, "method") == SCORE ? "{question}"
                       : isnan(s->low + s->high) ? "{question}\n\nAnswer with one number.\nAnswer:" : "{question}\n\nAnswer with one number from {low} to {high}.\nAnswer:";
    return pt_task_rows(t, add_row);
}

static void close_value(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    pt_chooser_free(t, &s->chooser);
    for (size_t k = 0; k < s->n; k++) free(s->texts[k]);
    free(s->texts);
    free(s->values);
    free(s->wanted);
    for (int i = 0; i < 2; i++) {
        free(s->numbers[i]);
        free(s->places[i]);
    }
    free(s);
}

/* ---- asking ---- */

/* Where one number begins another ("1", "10"), what comes behind it decides: the answer's end, which only a template marks. */
static pt_status ask_value(pt_task *t, const pt_speller *sp, pt_requests *q)
{
    state *s = t->state;
    bool chat;
    PT_RETURN(pt_choose_by_chat(t, sp, &chat));
    s->chooser.end = PT_END_LEFT_OUT;
    for (size_t i = 0; i < s->n && pt_task_word(t, "method") == LIKELIHOOD; i++)
        for (size_t k = 0; k < s->n; k++) {
            if (k == i || strncmp(s->texts[k], s->texts[i], strlen(s->texts[i]))) continue;
            if (!chat) return pt_task_fail(t, "%s begins %s: without a chat template nothing tells them apart; method: written reads any number", s->texts[i], s->texts[k]);
            s->chooser.end = PT_END_MEASURED;
        }
    return pt_chooser_ask(t, sp, q);
}

/* ---- judging ---- */

static pt_status judge_written(pt_task *t, const pt_reply *replies, pt_side side)
{
    const state *s = t->state;
    const size_t repeats = (size_t)pt_task_number(t, "repeats");
    size_t n = 0;
    PT_RETURN(pt_alloc0(&t->choices[side], t->items * repeats));
    for (size_t i = 0; i < t->items; i++)
        for (size_t r = 0; r < repeats && s->chooser.keep[i]; r++)
            t->choices[side][n++] = (pt_pick){.item = i, .scope = s->chooser.items[i].scope, .cluster = s->chooser.items[i].cluster, .gold = -1};
    t->n_choices[side] = n;
    for (size_t i = 0; i < n; i++) {
        double v = pt_number_read(replies[i].text);
        s->numbers[side][2 * i + 1] = v < s->low || v > s->high || !isfinite(v) ? NAN : v;
    }
    return PT_OK;
}

/* The likeliest number (of equal ones the lowest), the expected one, or the score. */
static double given(const pt_task *t, const state *s, const pt_pick *c)
{
    double mean = 0;
    if (pt_task_word(t, "method") == SCORE) return c->logp[0];
    if (!pt_task_word(t, "score")) return s->values[c->picked];
    for (int k = 0; k < c->n; k++) mean += c->p[k] * s->values[k];
    return mean;
}

/* Where the rows' numbers and those given stand, each among those of both sides; what was not read stands nowhere. */
static pt_status place(pt_task *t, state *s)
{
    pt_status rc = PT_OK;
    const size_t n = t->n_choices[0] + t->n_choices[1];
    double *v = NULL;
    uint32_t *at = NULL, most = 0, places;
    PT_TRY(pt_alloc0(&v, n));
    PT_TRY(pt_alloc0(&at, n));
    for (size_t k = 0; k < 2; k++) {
        size_t m = 0;
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < t->n_choices[side]; i++)
                if (!isnan(s->numbers[side][2 * i + k])) v[m++] = s->numbers[side][2 * i + k];
        PT_TRY(pt_places(v, m, at, &places));
        if (places > most) most = places;
        m = 0;
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < t->n_choices[side]; i++)
                if (!isnan(s->numbers[side][2 * i + k])) s->places[side][2 * i + k] = at[m++];
    }
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < t->n_choices[side]; i++) t->choices[side][i].places = most;
done:
    free(v);
    free(at);
    return rc;
}

static pt_status judge_value(pt_task *t, const pt_reply *replies, pt_side side)
{
    state *s = t->state;
    const bool written = pt_task_word(t, "method") == WRITTEN;
    const size_t most = t->items * (written ? (size_t)pt_task_number(t, "repeats") : 1);
    PT_RETURN(pt_alloc0(&s->numbers[side], 2 * most));
    PT_RETURN(pt_alloc0(&s->places[side], 2 * most));
    PT_RETURN(written ? judge_written(t, replies, side) : pt_chooser_judge(t, replies, side));
    for (size_t i = 0; i < t->n_choices[side]; i++) {
        pt_pick *c = &t->choices[side][i];
        double *number = s->numbers[side] + 2 * i;
        number[0] = s->wanted[c->item];
        if (!written) number[1] = given(t, s, c);
        c->picked = isnan(number[1]) ? -1 : 0;
        c->number = number;
        c->place = s->places[side] + 2 * i;
        c->width = isnan(s->high - s->low) ? 0 : s->high - s->low;
    }
    return place(t, s);
}

static const pt_task_key keys[] = {
    {.name = "method", .kind = PT_TASK_WORD, .fallback = "likelihood", .words = methods,
     .help = "likelihood: of each number of the scale; written: the number is read from what the model writes; score: a reward model's, of the row's response."},
    {.name = "values", .kind = PT_TASK_LIST, .help = "The scale's numbers, as they are written: [0, 0.5, 1]. Unset: the whole numbers from low to high."},
    {.name = "low", .kind = PT_TASK_NUMBER, .min = -1e15, .max = 1e15, .help = "The lowest number there is; what is written below it is no answer."},
    {.name = "high", .kind = PT_TASK_NUMBER, .min = -1e15, .max = 1e15, .help = "The highest one, likewise. NMAPE is measured where both are known."},
    {.name = "score", .kind = PT_TASK_WORD, .fallback = "argmax", .words = scores, .help = "likelihood: the likeliest number, or the expected value."},
    {.name = "field_value", .kind = PT_TASK_TEXT, .fallback = "value", .help = "The field of a row's number."},
    {.name = "prompt", .kind = PT_TASK_TEXT, .help = "What is asked: {question}, {low}, {high}, {FIELD} of the row."},
    {.name = "system", .kind = PT_TASK_TEXT, .help = "System text; a row's own `system` wins. With fields as in prompt."},
    {.name = "chat", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_choose_chat,
     .help = "Whether it is asked through the chat template. auto: where the model has one."},
    {.name = "delimiter", .kind = PT_TASK_TEXT, .fallback = " ", .help = "Between prompt and number, without a chat template."},
    {.name = "cluster_by", .kind = PT_TASK_TEXT,
     .help = "The field of the rows whose equal values intervals and tests keep together, such as persona; group: the group. Unset: each item by itself."},
    {.name = "max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "16", .min = 1, .max = 65536, .help = "written: tokens of an answer."},
    {.name = "temperature", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 100, .help = "written: 0 = greedy."},
    {.name = "repeats", .kind = PT_TASK_WHOLE, .fallback = "1", .min = 1, .max = 1000, .help = "written: how often each item is asked."},
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is an item's group."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "mae"}, {.key = "pearson"}, {.key = "spearman"}, {.key = "kendall"}, {.key = "mse"}, {.key = "rmse"}, {.key = "r2"},
                                         {.key = "nmape"}, {.key = "icc1"}, {.key = "icc2"}, {.key = "icc3"},
                                         {"parse_failures", "answers that give no number", -1}, {.key = NULL}};
const pt_task_kind pt_task_kind_value = {.name = "value", .help = "A number for each row.", .keys = keys, .metrics = metrics, .open = open_value, .ask = ask_value,
                                         .judge = judge_value, .close = close_value};
