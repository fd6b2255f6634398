#include "eval/task/chooser.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/read/record.h"

enum { LIKELIHOOD, LETTER, WRITTEN, SCORE };
enum { CHAT_AUTO, CHAT_YES, CHAT_NO };
const char *const pt_choose_methods[] = {"likelihood", "letter", "written", NULL};
static const char *const all_methods[] = {"likelihood", "letter", "written", "score"};
const char *const pt_choose_chat[] = {"auto", "true", "false", NULL};

/* Kinds have some of them each, or no such key. */
static int method_of(const pt_task *t)
{
    const char *said = pt_task_text(t, "method");
    int m = 0;
    while (said && strcmp(said, all_methods[m])) m++;
    return m;
}

/* Whether each option is measured behind nothing too. */
static bool behind_nothing(const pt_task *t)
{
    return pt_task_flag(t, "mutual_info") || ((const pt_chooser *)t->state)->alone;
}

void pt_choose_item_free(pt_choose_item *i)
{
    for (int k = 0; i->options && k < i->n; k++) free(i->options[k]);
    free(i->options);
    free(i->system);
    json_decref(i->row);
    *i = (pt_choose_item){0};
}

void pt_chooser_free(pt_task *t, pt_chooser *c)
{
    for (size_t i = 0; i < t->items; i++) pt_choose_item_free(&c->items[i]);
    free(c->items);
    free(c->keep);
    *c = (pt_chooser){0};
}

static pt_status check_item(const pt_task *t, const pt_choose_item *x)
{
    const int method = method_of(t), most = method == LIKELIHOOD || method == SCORE ? 1 << 20 : 26;
    const bool one = ((const pt_chooser *)t->state)->one;
    if (x->n < 2 && !one) return pt_fail(PT_EFORMAT, "%d option%s: two are wanted at least", x->n, x->n == 1 ? "" : "s");
    if (x->n > most && !one) return pt_fail(PT_EFORMAT, "%d options: there are letters for 26", x->n);
    for (int i = 0; i < x->n; i++) {
        if (!x->options[i][0]) return pt_fail(PT_EFORMAT, "option %d is empty", i + 1);
        for (int k = 0; k < i; k++)
            if (!strcmp(x->options[i], x->options[k])) return pt_fail(PT_EFORMAT, "options %d and %d are equal: '%.60s'", k + 1, i + 1, x->options[i]);
    }
    return PT_OK;
}

/* Numbers stand for values by a hash of 64 bits: two of them are hardly ever one. */
static pt_status find_cluster(const pt_task *t, pt_choose_item *x)
{
    const char *by = pt_task_text(t, "cluster_by");
    if (!by) {
        x->cluster = t->items;
        return PT_OK;
    }
    if (!strcmp(by, "group")) {
        x->cluster = x->scope;
        return PT_OK;
    }
    const json_t *v = json_object_get(x->row, by);
    if (!v) return pt_fail(PT_EFORMAT, "the row has no field '%s', which cluster_by names", by);
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (!text) return pt_fail(PT_ENOMEM, "out of memory reading an item");
    x->cluster = 0;
    for (const char *p = text; *p; p++) x->cluster = pt_hash_mix(x->cluster, (unsigned char)*p);
    free(text);
    return PT_OK;
}

pt_status pt_chooser_add(pt_task *t, pt_chooser *c, pt_choose_item *item)
{
    pt_status rc = check_item(t, item);
    if (rc == PT_OK) rc = find_cluster(t, item);
    if (rc == PT_OK) rc = pt_reserve(&c->items, &c->cap, t->items + 1);
    if (rc == PT_OK) c->items[t->items++] = *item;
    else pt_choose_item_free(item);
    return rc;
}

pt_status pt_choose_item_read(pt_task *t, json_t *row, pt_choose_item *x)
{
    const char *by = pt_task_text(t, "group_by"), *system = json_string_value(json_object_get(row, "system"));
    const json_t *group = json_object_get(row, by);
    if (system) PT_RETURN(pt_strdup(&x->system, system));
    x->row = json_incref(row);
    if (group && !json_is_string(group)) return pt_fail(PT_EFORMAT, "%s is %s, not a text", by, pt_json_kind(group));
    return pt_task_scope(t, group ? json_string_value(group) : "", &x->scope);
}

pt_status pt_choose_question(const pt_task *t, json_t *row)
{
    static const char *const fields[] = {"text", "input", "sentence"};
    json_t *text = json_object_get(row, "question");
    for (size_t i = 0; !json_is_string(text) && i < sizeof fields / sizeof *fields; i++) text = json_object_get(row, fields[i]);
    if (!json_is_string(text) && pt_task_text(t, "prompt")) return PT_OK;
    if (!json_is_string(text)) return pt_fail(PT_EFORMAT, "the row has no text (nor question, input, sentence), and the task no prompt with other fields");
    return json_object_set(row, "question", text) ? pt_fail(PT_ENOMEM, "out of memory reading an item") : PT_OK;
}

/* ---- asking ---- */

typedef struct asking {
    pt_task *t;
    const pt_chooser *c;
    const pt_speller *s;
    pt_requests *q;
    int method;
    const pt_message *before; /* [n_before] what the questions stand behind */
    size_t n_before;
    pt_sampling how;
    pt_str prompt, system, list;
    char *held; /* what an answer to the item must be; NULL: anything */
    size_t asked; /* items so far */
} asking;

/* "A. first\nB. second": option (place + shift) mod n at each place. */
static pt_status list_options(pt_str *out, const pt_choose_item *x, int shift)
{
    out->len = 0;
    for (int place = 0; place < x->n; place++)
        PT_RETURN(pt_str_printf(out, "%s%c. %s", place ? "\n" : "", 'A' + place, x->options[(place + shift) % x->n]));
    return PT_OK;
}

static const char *prompt_of(const pt_task *t)
{
    const pt_chooser *c = t->state;
    const char *said = pt_task_text(t, "prompt");
    const int method = method_of(t);
    if (said) return said;
    if (method == LETTER || (method == WRITTEN && !c->one)) return "{question}\n{options}\nAnswer:";
    return c->plain ? c->plain : "{question}";
}

/* prompt and system of an item, options turned by shift. */
static pt_status fill(asking *a, const pt_choose_item *x, int shift)
{
    const char *system = x->system ? x->system : pt_task_text(a->t, "system");
    a->prompt.len = a->system.len = 0;
    if (x->n <= 26) PT_RETURN(list_options(&a->list, x, shift));
    PT_RETURN(pt_task_fill(&a->prompt, prompt_of(a->t), x->row, x->n <= 26 ? a->list.text : NULL));
    return system ? pt_task_fill(&a->system, system, x->row, NULL) : PT_OK;
}

static const char *inner(const char *option)
{
    while (*option == ' ') option++;
    return option;
}

static pt_status one(asking *a, const char *option, int repeat)
{
    const pt_asked x = {.chat = a->c->chat, .system = a->system.len ? a->system.text : NULL, .before = a->before, .n_before = a->n_before, .prompt = a->prompt.len ? a->prompt.text : "",
                        .delimiter = pt_task_text(a->t, "delimiter"), .end = a->c->end, .scored = a->method == SCORE};
    return pt_spell_asked(a->s, a->q, &x, option, &a->how, repeat);
}

static pt_status alone(asking *a, const char *option)
{
    pt_str text = {0};
    pt_status rc = pt_str_printf(&text, "%s%s", a->c->chat ? "" : pt_task_text(a->t, "delimiter"), a->c->chat ? inner(option) : option);
    if (rc == PT_OK) rc = pt_spell_continuation(a->s, a->q, "", text.text);
    pt_str_free(&text);
    return rc;
}

/* Of a list its letters, else the options themselves. */
static pt_status hold(asking *a, const pt_choose_item *x)
{
    free(a->held);
    a->held = NULL;
    if (!pt_held(a->t)) return PT_OK;
    if (strstr(prompt_of(a->t), "{options}")) return pt_held_letters(x->n, &a->held);
    return pt_held_texts((const char *const *)x->options, (size_t)x->n, &a->held);
}

static pt_status written(asking *a, int repeat, const char *held)
{
    PT_RETURN(one(a, NULL, repeat));
    return pt_spell_constrain(a->q, held);
}

static pt_status ask_turns(asking *a, const pt_choose_item *x)
{
    int turns = pt_task_flag(a->t, "rotate") ? x->n : 1;
    int repeats = a->method == WRITTEN ? (int)pt_task_number(a->t, "repeats") : 1;
    for (int shift = 0; shift < turns; shift++) {
        PT_RETURN(fill(a, x, shift));
        for (int r = 0; a->method == WRITTEN && r < repeats; r++) PT_RETURN(written(a, r, a->held));
        for (int k = 0; a->method != WRITTEN && k < x->n; k++) {
            char letter[2] = {(char)('A' + (k - shift + x->n) % x->n), 0};
            PT_RETURN(one(a, a->method == LETTER ? letter : x->options[k], 0));
        }
    }
    return PT_OK;
}

/* The same as first asked, without the constraint. */
static pt_status ask_freely(asking *a, const pt_choose_item *x)
{
    PT_RETURN(pt_behind_view(a->t, 0, &a->before, &a->n_before));
    PT_RETURN(fill(a, x, 0));
    return written(a, 0, NULL);
}

static pt_status ask_item(asking *a, const pt_choose_item *x)
{
    PT_RETURN(hold(a, x));
    for (size_t b = 0; b < pt_behind_count(a->t); b++) {
        PT_RETURN(pt_behind_view(a->t, b, &a->before, &a->n_before));
        PT_RETURN(ask_turns(a, x));
    }
    for (int k = 0; behind_nothing(a->t) && k < x->n; k++) PT_RETURN(alone(a, x->options[k]));
    return a->held && pt_held_sampled(a->asked++, a->c->kept) ? ask_freely(a, x) : PT_OK;
}

pt_status pt_choose_by_chat(const pt_task *t, const pt_speller *s, bool *chat)
{
    int said = pt_task_word(t, "chat");
    *chat = said == CHAT_YES || (said == CHAT_AUTO && s->tmpl);
    if (said == CHAT_YES && !s->tmpl) return pt_task_fail(t, "chat: true, but the model has no chat template that is known here");
    return PT_OK;
}

/* What the entry asks for must be possible together. */
static pt_status check_how(pt_task *t, pt_chooser *c, const pt_speller *s)
{
    int method = method_of(t);
    bool list = strstr(prompt_of(t), "{options}") != NULL;
    PT_RETURN(pt_choose_by_chat(t, s, &c->chat));
    if (method == LETTER && !list) return pt_task_fail(t, "method: letter wants {options} in the prompt");
    if (pt_task_flag(t, "rotate") && !list) return pt_task_fail(t, "rotate turns the list of options: the prompt has no {options}");
    if (pt_task_flag(t, "mutual_info") && method != LIKELIHOOD) return pt_task_fail(t, "mutual_info goes with method: likelihood");
    if (pt_task_number(t, "repeats") > 1 && (method != WRITTEN || !(pt_task_number(t, "temperature") > 0)))
        return pt_task_fail(t, "repeats goes with method: written and a temperature above 0: the same answer would come again");
    return PT_OK;
}

pt_status pt_chooser_ask(pt_task *t, const pt_speller *s, pt_requests *q)
{
    pt_status rc = PT_OK;
    pt_chooser *c = t->state;
    size_t *scope = NULL;
    asking a = {.t = t, .c = c, .s = s, .q = q, .method = method_of(t),
                .how = {(int)pt_task_number(t, "max_new_tokens"), (float)pt_task_number(t, "temperature"), 1, t->seed}};
    PT_TRY(check_how(t, c, s));
    PT_TRY(pt_alloc0(&scope, t->items));
    free(c->keep);
    PT_TRY(pt_alloc0(&c->keep, t->items));
    for (size_t i = 0; i < t->items; i++) scope[i] = c->items[i].scope;
    PT_TRY(pt_task_limit(t, scope, c->keep, &c->kept));
    for (size_t i = 0; i < t->items; i++) {
        if (!c->keep[i]) continue;
        rc = ask_item(&a, &c->items[i]);
        if (rc != PT_OK) rc = pt_fail_prefix(rc, "%s: item %zu", t->spec->path, i + 1);
        PT_TRY(rc);
    }
done:
    free(scope);
    free(a.held);
    pt_str_free(&a.prompt);
    pt_str_free(&a.system);
    pt_str_free(&a.list);
    return rc;
}

/* ---- judging ---- */

typedef struct judging {
    pt_task *t;
    const pt_reply *next;
    int method;
    pt_side side;
    size_t judged; /* items so far */
    pt_pick *out;
    double *real; /* where the next numbers go */
    int32_t *whole;
} judging;

static int best(const double *v, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        if (v[i] > v[at]) at = i;
    return at;
}

/* One set of likelihoods. */
static void judge_measured(judging *j, const pt_choose_item *x, pt_pick *o)
{
    const pt_chooser *c = j->t->state;
    double *logp = j->real, *p = logp + x->n;
    int32_t *chars = j->whole, *bytes = chars + x->n, *tokens = bytes + x->n;
    j->real += 2 * x->n;
    j->whole += 3 * x->n;
    for (int k = 0; k < x->n; k++) {
        const char *text = c->chat ? inner(x->options[k]) : x->options[k];
        logp[k] = j->next->value;
        tokens[k] = (j->next++)->tokens;
        chars[k] = pt_task_characters(text);
        bytes[k] = (int32_t)strlen(text);
    }
    pt_softmax(logp, x->n, p);
    o->logp = logp;
    o->p = p;
    o->picked = best(logp, x->n);
    if (j->method == LETTER) return; /* letters are all of one length */
    o->chars = chars;
    o->bytes = bytes;
    o->tokens = tokens;
}

/* What a reply picks of options that were shown turned; -1: none. */
static pt_status judge_written(judging *j, const pt_choose_item *x, int shift, int *picked)
{
    char **shown;
    PT_RETURN(pt_alloc0(&shown, x->n));
    for (int place = 0; place < x->n; place++) shown[place] = x->options[(place + shift) % x->n];
    int place = pt_choose_read((j->next++)->text, shown, x->n);
    *picked = place < 0 ? -1 : (place + shift) % x->n;
    free(shown);
    return PT_OK;
}

static pt_status judge_freely(judging *j, const pt_choose_item *x)
{
    int picked;
    if (!pt_held(j->t) || !pt_held_sampled(j->judged++, ((const pt_chooser *)j->t->state)->kept)) return PT_OK;
    PT_RETURN(judge_written(j, x, 0, &picked));
    pt_held_count(j->t, j->side, picked < 0);
    return PT_OK;
}

static pt_status judge_item(judging *j, const pt_choose_item *x, size_t number)
{
    int turns = pt_task_flag(j->t, "rotate") ? x->n : 1;
    int repeats = j->method == WRITTEN ? (int)pt_task_number(j->t, "repeats") : 1;
    const int sets = (int)pt_behind_count(j->t) * turns * repeats; /* behind each transcript, turned, again */
    pt_pick *first = j->out;
    for (int k = 0; k < sets; k++, j->out++) {
        const int shift = k / repeats % turns;
        *j->out = (pt_pick){.item = number, .scope = x->scope, .cluster = x->cluster, .n = x->n, .gold = x->gold, .shift = shift};
        if (j->method == WRITTEN) PT_RETURN(judge_written(j, x, shift, &j->out->picked));
        else judge_measured(j, x, j->out);
    }
    if (!behind_nothing(j->t)) return judge_freely(j, x);
    for (int k = 0; k < x->n; k++) j->real[k] = (j->next++)->value;
    for (pt_pick *o = first; o < j->out; o++) o->alone = j->real;
    j->real += x->n;
    return judge_freely(j, x);
}

pt_status pt_chooser_judge(pt_task *t, const pt_reply *replies, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_chooser *c = t->state;
    size_t choices = 0, reals = 0, wholes = 0;
    int repeats = method_of(t) == WRITTEN ? (int)pt_task_number(t, "repeats") : 1;
    double *numbers = NULL;
    for (size_t i = 0; i < t->items; i++) {
        if (!c->keep[i]) continue;
        size_t n = (size_t)c->items[i].n, sets = pt_behind_count(t) * (pt_task_flag(t, "rotate") ? n : 1) * (size_t)repeats;
        choices += sets;
        reals += (2 * sets + 1) * n;
        wholes += 3 * sets * n;
    }
    PT_TRY(pt_alloc0(&numbers, reals + (wholes + 1) / 2));
    t->numbers[side] = numbers;
    PT_TRY(pt_alloc0(&t->choices[side], choices));
    t->n_choices[side] = choices;
    t->freely[side].asked = t->freely[side].unread = 0;
    judging j = {.t = t, .next = replies, .method = method_of(t), .side = side, .out = t->choices[side], .real = numbers, .whole = (int32_t *)(numbers + reals)};
    for (size_t i = 0; i < t->items; i++)
        if (c->keep[i]) PT_TRY(judge_item(&j, &c->items[i], i));
done:
    return rc;
}
