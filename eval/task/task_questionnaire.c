/* questionnaire: statements that a persona rates on a scale of numbers, and what its sheets score (eval/task/inventory.h, eval/task/sheets.h): every item x persona
 * x prompt x repeat. The answer is the likeliest number, with the expected value beside it, or read from what is written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "eval/task/behind.h"
#include "eval/task/chooser.h"
#include "eval/task/held.h"
#include "eval/task/sheets.h"

enum { LIKELIHOOD, WRITTEN, FILE_MOST = 64 << 20 };

/* A text with a name: a persona, a prompt. */
typedef struct voice {
    char *name, *text;
} voice;

typedef struct voices {
    voice *list;
    size_t n, cap;
} voices;

typedef struct state {
    pt_inventory inventory;
    voices personas, prompts;
    const char **names; /* of the personas */
    bool *asked;        /* [items] */
    size_t kept;        /* how many */
    char *held;         /* what a written answer must be; NULL: anything */
    bool chat;
    pt_sheets sheets;
    pt_answer_end end;  /* of numbers measured through the template */
    double *numbers[2]; /* by side: picked, then expected, then the shares of each number */
} state;

/* ---- opening ---- */

static pt_status add_voice(voices *v, const char *name, const char *text)
{
    PT_RETURN(pt_reserve(&v->list, &v->cap, v->n + 1));
    voice *x = &v->list[v->n++];
    PT_RETURN(pt_strdup(&x->name, name));
    return pt_strdup(&x->text, text);
}

static void free_voices(voices *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->list[i].name);
        free(v->list[i].text);
    }
    free(v->list);
    *v = (voices){0};
}

/* {NAME: TEXT, ...} or [TEXT, ...]. */
static pt_status read_voices(voices *v, const char *path, const char *what)
{
    pt_status rc = PT_OK;
    json_t *root = NULL, *x;
    const char *name;
    char number[24];
    size_t i;
    PT_TRY(pt_json_load(&root, path, FILE_MOST, 0));
    PT_CHECK(json_is_object(root) || json_is_array(root), PT_EFORMAT, "%s: {NAME: TEXT, ...} is wanted, it is %s", path, pt_json_kind(root));
    json_object_foreach (root, name, x) {
        PT_CHECK(json_is_string(x), PT_EFORMAT, "%s: %s '%s' is %s, not a text", path, what, name, pt_json_kind(x));
        PT_TRY(add_voice(v, name, json_string_value(x)));
    }
    json_array_foreach (root, i, x) {
        snprintf(number, sizeof number, "%zu", i + 1);
        PT_CHECK(json_is_string(x), PT_EFORMAT, "%s: %s %zu is %s, not a text", path, what, i + 1, pt_json_kind(x));
        PT_TRY(add_voice(v, number, json_string_value(x)));
    }
    PT_CHECK(v->n, PT_EFORMAT, "%s holds no %s", path, what);
done:
    json_decref(root);
    return rc;
}

static pt_status no_persona(const pt_task *t, const voices *all, const char *name, size_t n)
{
    pt_str known = {0};
    for (size_t i = 0; i < all->n; i++)
        if (pt_str_printf(&known, "%s%s", i ? ", " : "", all->list[i].name) != PT_OK) break;
    pt_status rc = pt_task_fail(t, "%s has no persona '%.*s'; there are: %s", pt_task_text(t, "personas"), (int)n, name, known.text ? known.text : "");
    pt_str_free(&known);
    return rc;
}

/* Those that `persona` names, in its order. */
static pt_status choose_personas(pt_task *t, state *s, const char *said)
{
    pt_status rc = PT_OK;
    voices some = {0};
    while (*said) {
        size_t n = strcspn(said, ","), i, cut;
        const char *name = said + strspn(said, " ");
        cut = (size_t)(name - said) < n ? n - (size_t)(name - said) : 0;
        while (cut && name[cut - 1] == ' ') cut--;
        for (i = 0; i < s->personas.n; i++)
            if (strlen(s->personas.list[i].name) == cut && !strncmp(s->personas.list[i].name, name, cut)) break;
        if (i == s->personas.n) PT_TRY(no_persona(t, &s->personas, name, cut));
        PT_TRY(add_voice(&some, s->personas.list[i].name, s->personas.list[i].text));
        said += n + (said[n] == ',');
    }
    if (!some.n) PT_TRY(pt_task_fail(t, "persona names nobody"));
    free_voices(&s->personas);
    s->personas = some;
    return PT_OK;
done:
    free_voices(&some);
    return rc;
}

static pt_status open_personas(pt_task *t, state *s)
{
    const char *path = pt_task_text(t, "personas"), *said = pt_task_text(t, "persona");
    size_t scope;
    if (path && t->source) return pt_task_fail(t, "personas and after: behind a dialogue the speaker is asked as who it was there");
    if (said && !path) return pt_task_fail(t, "persona: %s, but there is no file of personas", said);
    if (!path) PT_RETURN(add_voice(&s->personas, "", ""));
    else PT_RETURN(read_voices(&s->personas, path, "persona"));
    if (said) PT_RETURN(choose_personas(t, s, said));
    PT_RETURN(pt_alloc0(&s->names, s->personas.n));
    for (size_t i = 0; i < s->personas.n; i++) {
        s->names[i] = s->personas.list[i].name;
        PT_RETURN(pt_task_scope(t, s->names[i], &scope));
        if (scope != i) return pt_task_fail(t, "two personas are called %s", s->names[i]);
    }
    return PT_OK;
}

static pt_status check_prompt(const pt_task *t, const char *prompt)
{
    bool turns = strstr(prompt, "{options}") || (strstr(prompt, "{low}") && strstr(prompt, "{high}"));
    if (!strstr(prompt, "{item}")) return pt_task_fail(t, "a prompt has no {item}: '%.60s'", prompt);
    if (pt_task_flag(t, "reverse_scale") && !turns)
        return pt_task_fail(t, "reverse_scale turns {options}, or {low} and {high}: the prompt has neither: '%.60s'", prompt);
    return PT_OK;
}

static pt_status open_prompts(pt_task *t, state *s)
{
    const char *one = pt_task_text(t, "prompt"), *path = pt_task_text(t, "prompts");
    const char *plain = s->inventory.labels ? "{instruction}\n{options}\n\n{item}\n\nAnswer with one number from {low} to {high}.\nAnswer:"
                                            : "{instruction}\n\n{item}\n\nAnswer with one number from {low} to {high}.\nAnswer:";
    if (one && path) return pt_task_fail(t, "prompt and prompts: one of them is wanted");
    if (path) PT_RETURN(read_voices(&s->prompts, path, "prompt"));
    else PT_RETURN(add_voice(&s->prompts, "1", one ? one : plain));
    for (size_t i = 0; i < s->prompts.n; i++) PT_RETURN(check_prompt(t, s->prompts.list[i].text));
    return PT_OK;
}

/* What the entry asks for must be possible together. */
static pt_status check_how(const pt_task *t)
{
    int method = pt_task_word(t, "method");
    if (method == WRITTEN && pt_task_word(t, "score")) return pt_task_fail(t, "score: expected goes with method: likelihood");
    if (pt_task_number(t, "repeats") > 1 && (method != WRITTEN || !(pt_task_number(t, "temperature") > 0)))
        return pt_task_fail(t, "repeats goes with method: written and a temperature above 0: the same answer would come again");
    return PT_OK;
}

static pt_status open_questionnaire(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    PT_RETURN(pt_inventory_read(&s->inventory, t->spec->path, pt_task_text(t, "item_text")));
    PT_RETURN(check_how(t));
    PT_RETURN(open_personas(t, s));
    PT_RETURN(open_prompts(t, s));
    t->items = s->inventory.n_items;
    return PT_OK;
}

static void close_questionnaire(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    pt_inventory_free(&s->inventory);
    free_voices(&s->personas);
    free_voices(&s->prompts);
    free(s->names);
    free(s->asked);
    free(s->held);
    for (int i = 0; i < 2; i++) free(s->numbers[i]);
    free(s);
}

/* ---- asking ---- */

/* s->asked: a limit takes items evenly from the scales (not facets); what belongs to none is a group more. */
static pt_status choose_items(pt_task *t, state *s, size_t *kept)
{
    pt_status rc = PT_OK;
    const pt_inventory *v = &s->inventory;
    size_t *group = NULL;
    pt_task by_scale = *t;
    by_scale.n_scopes = v->n_scales + 1;
    free(s->asked);
    s->asked = NULL;
    PT_TRY(pt_alloc0(&s->asked, v->n_items));
    PT_TRY(pt_alloc0(&group, v->n_items));
    for (size_t i = 0; i < v->n_items; i++) group[i] = v->n_scales;
    for (size_t k = v->n_scales; k-- > 0;)
        for (size_t i = 0; !v->scales[k].domain && i < v->scales[k].n; i++) group[v->scales[k].keyed[i].item] = k;
    PT_TRY(pt_task_limit(&by_scale, group, s->asked, kept));
done:
    free(group);
    return rc;
}

/* The numbers as a prompt shows them, from low to high or the other way. */
static pt_status list_answers(pt_str *out, const pt_inventory *v, bool turned)
{
    for (int i = 0; i <= v->high - v->low; i++) {
        int k = turned ? v->high - v->low - i : i;
        if (v->labels) PT_RETURN(pt_str_printf(out, "%s%d = %s", i ? "\n" : "", v->low + k, v->labels[k]));
        else PT_RETURN(pt_str_printf(out, "%s%d", i ? ", " : "", v->low + k));
    }
    return PT_OK;
}

static pt_status fill(const pt_task *t, const state *s, const char *prompt, size_t item, bool turned, pt_str *out)
{
    pt_status rc = PT_OK;
    const pt_inventory *v = &s->inventory;
    const char *said = pt_task_text(t, "instruction");
    pt_str options = {0};
    json_t *row = json_pack("{ss ss si si}", "item", v->items[item].text, "instruction", said ? said : v->instruction, "low", turned ? v->high : v->low, "high",
                            turned ? v->low : v->high);
    PT_CHECK(row, PT_ENOMEM, "out of memory for a question");
    out->len = 0;
    PT_TRY(list_answers(&options, v, turned));
    PT_TRY(pt_task_fill(out, prompt, row, options.text));
done:
    json_decref(row);
    pt_str_free(&options);
    return rc;
}

/* Where one number begins another (1, 10), what comes behind it decides: the answer's end, which only a template marks. */
static pt_status find_end(const pt_task *t, state *s)
{
    const pt_inventory *v = &s->inventory;
    char a[16], b[16];
    s->end = PT_END_LEFT_OUT;
    for (int i = v->low; i <= v->high && pt_task_word(t, "method") == LIKELIHOOD; i++)
        for (int k = v->low; k <= v->high; k++) {
            snprintf(a, sizeof a, "%d", i);
            snprintf(b, sizeof b, "%d", k);
            if (i == k || strncmp(b, a, strlen(a))) continue;
            if (!s->chat) return pt_task_fail(t, "%s takes %d to %d, and %s begins %s: without a chat template nothing tells them apart; method: written reads any", v->name, v->low, v->high, a, b);
            s->end = PT_END_MEASURED;
        }
    return PT_OK;
}

/* One item of one sheet. */
static pt_status ask_item(pt_task *t, const pt_speller *s, pt_requests *q, const pt_asked *x, int repeat)
{
    const state *st = t->state;
    const pt_inventory *v = &st->inventory;
    const pt_sampling how = {.max_new_tokens = (int)pt_task_number(t, "max_new_tokens"), .temperature = (float)pt_task_number(t, "temperature"), .top_p = 1, .seed = t->seed};
    char number[16];
    if (pt_task_word(t, "method") == WRITTEN) {
        PT_RETURN(pt_spell_asked(s, q, x, NULL, &how, repeat));
        return pt_spell_constrain(q, st->held);
    }
    for (int k = v->low; k <= v->high; k++) {
        snprintf(number, sizeof number, "%d", k);
        PT_RETURN(pt_spell_asked(s, q, x, number, &how, 0));
    }
    return PT_OK;
}

/* Whether an item of a sheet, the number-th asked, is asked without the constraint too: a sample of the first sheet. */
static bool freely(const pt_task *t, const state *s, size_t sheet, size_t number)
{
    return pt_held(t) && !sheet && pt_held_sampled(number, s->kept);
}

static pt_status ask_freely(const pt_task *t, const pt_speller *s, pt_requests *q, const pt_asked *x)
{
    const pt_sampling how = {.max_new_tokens = (int)pt_task_number(t, "max_new_tokens"), .temperature = (float)pt_task_number(t, "temperature"), .top_p = 1, .seed = t->seed};
    return pt_spell_asked(s, q, x, NULL, &how, 0);
}

static pt_status ask_sheet(pt_task *t, const pt_speller *s, pt_requests *q, size_t sheet, pt_str *prompt)
{
    const state *st = t->state;
    const pt_sheets *sh = &st->sheets;
    const bool turned = sh->turns == 2 && sheet % 2;
    const size_t variant = sheet / sh->turns / sh->repeats % sh->variants % st->prompts.n, persona = sheet / sh->turns / sh->repeats / sh->variants;
    const pt_message *before;
    size_t n_before, number = 0;
    PT_RETURN(pt_behind_view(t, sheet / sh->turns / sh->repeats % sh->variants / st->prompts.n, &before, &n_before));
    for (size_t i = 0; i < st->inventory.n_items; i++) {
        if (!st->asked[i]) continue;
        PT_RETURN(fill(t, st, st->prompts.list[variant].text, i, turned, prompt));
        const pt_asked x = {.chat = st->chat, .system = st->personas.list[persona].text, .before = before, .n_before = n_before, .prompt = prompt->text, .delimiter = pt_task_text(t, "delimiter"), .end = st->end};
        PT_RETURN(ask_item(t, s, q, &x, (int)(sheet / sh->turns % sh->repeats)));
        if (freely(t, st, sheet, number++)) PT_RETURN(ask_freely(t, s, q, &x));
    }
    return PT_OK;
}

static size_t n_sheets(const pt_sheets *s)
{
    return s->personas * s->variants * s->repeats * s->turns;
}

static pt_status ask_questionnaire(pt_task *t, const pt_speller *s, pt_requests *q)
{
    pt_status rc = PT_OK;
    state *st = t->state;
    pt_str prompt = {0};
    PT_TRY(pt_choose_by_chat(t, s, &st->chat));
    PT_TRY(find_end(t, st));
    PT_TRY(choose_items(t, st, &st->kept));
    pt_sheets sheets = st->sheets; /* what a side has said stays, whoever is asked next */
    sheets.v = &st->inventory;
    sheets.asked = st->asked;
    sheets.persona = st->names;
    sheets.personas = st->personas.n;
    sheets.variants = st->prompts.n * pt_behind_count(t); /* a transcript before a question is as another prompt */
    sheets.repeats = (size_t)pt_task_number(t, "repeats");
    sheets.turns = pt_task_flag(t, "reverse_scale") ? 2 : 1;
    sheets.by_expected = pt_task_word(t, "score") == 1;
    sheets.seed = t->seed;
    st->sheets = sheets;
    t->report.questions = st->kept;
    free(st->held);
    st->held = NULL;
    if (pt_held(t)) PT_TRY(pt_held_numbers(st->inventory.low, st->inventory.high, &st->held));
    for (size_t i = 0; i < n_sheets(&st->sheets); i++) PT_TRY(ask_sheet(t, s, q, i, &prompt));
done:
    pt_str_free(&prompt);
    return rc;
}

/* ---- judging ---- */

/* The likeliest number (of equal ones the lowest), the expected one, the share of each. */
static void weigh(const pt_inventory *v, const pt_reply *r, double *picked, double *expected, double *share)
{
    const int n = v->high - v->low + 1;
    double sum = 0, mean = 0;
    int best = 0;
    for (int k = 1; k < n; k++)
        if (r[k].value > r[best].value) best = k;
    for (int k = 0; k < n; k++) {
        share[k] = exp(r[k].value - r[best].value);
        sum += share[k];
        mean += share[k] * (v->low + k);
    }
    for (int k = 0; k < n; k++) share[k] /= sum;
    *picked = v->low + best;
    *expected = mean / sum;
}

static pt_status judge_questionnaire(pt_task *t, const pt_reply *replies, pt_side side)
{
    state *st = t->state;
    const pt_inventory *v = &st->inventory;
    const bool written = pt_task_word(t, "method") == WRITTEN;
    const size_t sheets = n_sheets(&st->sheets), cells = sheets * v->n_items, n = (size_t)(v->high - v->low + 1);
    size_t number = 0;
    double *x;
    t->freely[side].asked = t->freely[side].unread = 0;
    free(st->numbers[side]);
    st->numbers[side] = NULL;
    PT_RETURN(pt_alloc0(&x, (2 + n) * cells));
    st->numbers[side] = x;
    for (size_t c = 0; c < cells; c++) {
        x[c] = x[cells + c] = NAN;
        if (!st->asked[c % v->n_items]) continue;
        double *share = x + 2 * cells + c * n;
        if (written) x[c] = pt_rating_read(v, replies->text);
        else weigh(v, replies, &x[c], &x[cells + c], share);
        if (written && x[c] >= v->low && x[c] <= v->high) share[(int)x[c] - v->low] = 1;
        replies += written ? 1 : n;
        if (!freely(t, st, c / v->n_items, number++)) continue;
        const double said = pt_rating_read(v, (replies++)->text);
        pt_held_count(t, side, !(said >= v->low && said <= v->high));
    }
    st->sheets.shares[side] = x + 2 * cells;
    st->sheets.picked[side] = x;
    st->sheets.expected[side] = written ? NULL : x + cells;
    return pt_sheets_find(&st->sheets, side, &t->findings);
}

/* "scales": [{"scale", "low", "high": what a score can be, "people": {"mean", "deviation", "n"} | null}]. */
static pt_status scales_json(const pt_task *t, json_t *o)
{
    const state *st = t->state;
    const pt_inventory *v = &st->inventory;
    json_t *list = json_array();
    bool fine = !json_object_set_new(o, "scales", list);
    for (size_t k = 0; k < v->n_scales; k++) {
        const pt_scale *x = &v->scales[k];
        const double each = v->sum ? (double)x->n : 1;
        json_t *people = x->norm.n ? json_pack("{s:f, s:f, s:I}", "mean", x->norm.mean, "deviation", x->norm.deviation, "n", (json_int_t)x->norm.n) : json_null();
        fine = fine && !x->domain ? !json_array_append_new(list, json_pack("{s:o, s:f, s:f, s:o}", "scale", pt_report_text(x->name), "low", each * v->low, "high", each * v->high, "people", people))
                                  : (json_decref(people), fine);
    }
    return fine ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static const char *const methods[] = {"likelihood", "written", NULL}, *const scores[] = {"argmax", "expected", NULL};
static const pt_task_key keys[] = {
    {.name = "method", .kind = PT_TASK_WORD, .fallback = "likelihood", .words = methods,
     .help = "likelihood: of each number of the scale; written: the number is read from what the model writes."},
    PT_BEHIND_KEYS,
    PT_HELD_KEY,
    {.name = "personas", .kind = PT_TASK_FILE, .help = "A JSON file {NAME: system text}: each is asked everything, and is a group. Unset: the model as it is."},
    {.name = "persona", .kind = PT_TASK_TEXT, .help = "Names of those to ask, with commas between. Unset: all of the file."},
    {.name = "prompt", .kind = PT_TASK_TEXT, .help = "What is asked: {item}, {instruction}, {low}, {high}, {options} (the scale)."},
    {.name = "prompts", .kind = PT_TASK_FILE, .help = "A JSON file of several, {NAME: prompt} or [prompt, ...]: each is asked everything."},
    {.name = "instruction", .kind = PT_TASK_TEXT, .help = "Instead of the questionnaire's own {instruction}."},
    {.name = "item_text", .kind = PT_TASK_TEXT, .fallback = "origin_en", .help = "The field of an item's text in PsychoBench's files, such as origin_zh."},
    {.name = "chat", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_choose_chat,
     .help = "Whether it is asked through the chat template. auto: where the model has one."},
    {.name = "delimiter", .kind = PT_TASK_TEXT, .fallback = " ", .help = "Between prompt and number, without a chat template."},
    {.name = "reverse_scale", .kind = PT_TASK_FLAG, .fallback = "false",
     .help = "Asks a second time with the scale turned, from {high} to {low}: measures position bias."},
    {.name = "score", .kind = PT_TASK_WORD, .fallback = "argmax", .words = scores, .help = "likelihood: scores of the likeliest numbers, or of expected values; the others stand in eval.json."},
    {.name = "max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "16", .min = 1, .max = 65536, .help = "written: tokens of an answer."},
    {.name = "temperature", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 100, .help = "written: 0 = greedy."},
    {.name = "repeats", .kind = PT_TASK_WHOLE, .fallback = "1", .min = 1, .max = 1000, .help = "written: how often everything is asked."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = NULL}}; /* its rows are findings */
const pt_task_kind pt_task_kind_questionnaire = {.name = "questionnaire", .help = "Statements rated on a scale by personas: scores of the scales and how well they measure.",
                                                 .keys = keys, .metrics = metrics, .by_sheet = true, .open = open_questionnaire, .ask = ask_questionnaire,
                                                 .meet = pt_behind_meet, .judge = judge_questionnaire, .json = scales_json, .close = close_questionnaire};
