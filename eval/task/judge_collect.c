/* The answers that are judged, and what a judge is asked of each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "eval/task/judge_state.h"
#include "eval/task/transcript.h"

static void text_free(pt_judge_text *x)
{
    json_decref(x->row);
    free(x->text);
    free(x->other);
    free(x->question);
    free(x->system);
    free(x->reference);
    *x = (pt_judge_text){0};
}

void pt_judge_side_free(pt_judge_side *x)
{
    for (size_t i = 0; i < x->n; i++) text_free(&x->texts[i]);
    free(x->texts);
    free(x->votes);
    free(x->states);
    json_decref(x->failures);
    json_decref(x->accounts);
    *x = (pt_judge_side){0};
}

const json_t *pt_judge_value(const json_t *row, const char *path)
{
    char name[128];
    for (;;) {
        size_t n = strcspn(path, ".");
        const json_t *whole = json_object_get(row, path); /* a name with a dot in it */
        if (whole || n >= sizeof name || !path[n]) return whole;
        memcpy(name, path, n);
        name[n] = 0;
        row = json_object_get(row, name);
        path += n + 1;
    }
}

const char *pt_judge_field(const json_t *row, const char *path)
{
    return json_string_value(pt_judge_value(row, path));
}

/* "WHO: TEXT" of each turn but the system's. */
static pt_status lines_of(const pt_message *turns, size_t n, char **out)
{
    pt_str s = {0};
    pt_status rc = pt_str_puts(&s, "");
    for (size_t i = 0; i < n && rc == PT_OK; i++)
        if (!pt_speaker_is(turns[i].speaker, PT_SYSTEM)) rc = pt_str_printf(&s, "%s%s: %.*s", s.len ? "\n" : "", turns[i].speaker->name, (int)turns[i].bytes, turns[i].text);
    *out = rc == PT_OK ? s.text : NULL;
    if (rc != PT_OK) pt_str_free(&s);
    return rc;
}

/* What a row without a prompt was asked, where it says so. */
static const char *asked_of(const json_t *row)
{
    static const char *const names[] = {"question", "prompt", "instruction", "input", NULL};
    for (const char *const *name = names; *name; name++)
        if (json_is_string(json_object_get(row, *name))) return json_string_value(json_object_get(row, *name));
    return NULL;
}

static pt_status copy_if(char **out, const char *text)
{
    return text ? pt_strdup(out, text) : PT_OK;
}

/* What a pair's answer stands against; of both sides of an evaluation that comes later. */
static const char *other_of(const pt_judge_state *s, size_t item)
{
    const char *text, *other = NULL;
    if (s->named.field) pt_judge_named_texts(s, item, &text, &other);
    else if (s->template.pairs && !pt_judge_by_sides(s)) other = pt_judge_field(s->writing.items[item].row, s->against);
    return other;
}

static pt_status take(const pt_judge_state *s, size_t item, int repeat, const char *answer, pt_judge_text *x)
{
    const pt_write_item *from = &s->writing.items[item];
    x->row = json_incref(from->row);
    x->item = item;
    x->repeat = repeat;
    x->scope = from->scope;
    x->cluster = from->cluster;
    x->gold = s->gold[item];
    PT_RETURN(pt_strdup(&x->text, answer));
    PT_RETURN(copy_if(&x->system, from->system));
    PT_RETURN(copy_if(&x->reference, from->n_references ? from->references[0] : NULL));
    if (from->turns) return lines_of(from->turns, from->n_turns, &x->question);
    PT_RETURN(copy_if(&x->question, from->prompt ? from->prompt : asked_of(from->row)));
    return copy_if(&x->other, other_of(s, item));
}

/* The rows' own answers, or transcripts. */
static pt_status collect_given(pt_task *t, pt_judge_state *s, pt_judge_side *to)
{
    PT_RETURN(pt_alloc0(&to->texts, t->items));
    for (size_t i = 0; i < t->items; i++) {
        const char *text, *other;
        if (s->named.field) pt_judge_named_texts(s, i, &text, &other);
        else text = s->told ? s->told[i] : pt_judge_field(s->writing.items[i].row, pt_task_text(t, "field_answer"));
        if (s->writing.keep[i]) PT_RETURN(take(s, i, 0, text, &to->texts[to->n++]));
    }
    return PT_OK;
}

/* ---- transcripts ---- */

static pt_status told_of(const pt_transcript *x, char **out)
{
    pt_str s = {0};
    pt_status rc = pt_str_puts(&s, "");
    for (size_t i = 0; i < x->n && rc == PT_OK; i++) rc = pt_str_printf(&s, "%s%s: %s", i ? "\n" : "", x->turns[i].speaker, x->turns[i].text);
    *out = rc == PT_OK ? s.text : NULL;
    if (rc != PT_OK) pt_str_free(&s);
    return rc;
}

/* The scene's fields, and over them those that answers have set. */
static pt_status item_of(pt_task *t, const pt_transcript *x, pt_write_item *to)
{
    to->row = json_copy((json_t *)x->row);
    if (!to->row || (x->fields && json_object_update(to->row, (json_t *)x->fields))) return pt_fail(PT_ENOMEM, "out of memory for a transcript");
    to->cluster = x->cluster;
    return pt_task_scope(t, x->group ? x->group : "", &to->scope);
}

pt_status pt_judge_hear(pt_task *t)
{
    pt_judge_state *s = t->state;
    pt_writing *w = &s->writing;
    const pt_transcript *list;
    size_t n;
    PT_RETURN(pt_task_transcripts(t, t->side, &list, &n));
    for (size_t i = 0; i < t->items; i++) pt_write_item_free(&w->items[i]);
    for (size_t i = 0; i < s->n_told; i++) free(s->told[i]);
    free(s->told);
    s->told = NULL;
    s->n_told = t->items = 0;
    PT_RETURN(pt_reserve(&w->items, &w->cap, n));
    PT_RETURN(pt_reserve(&s->gold, &s->gold_cap, n));
    PT_RETURN(pt_alloc0(&s->told, n));
    for (size_t i = 0; i < n; i++, t->items++, s->n_told++) {
        w->items[i] = (pt_write_item){0};
        pt_status rc = item_of(t, &list[i], &w->items[i]);
        if (rc == PT_OK) rc = pt_judge_gold(t, s, w->items[i].row, &s->gold[i]);
        if (rc == PT_OK) rc = told_of(&list[i], &s->told[i]);
        if (rc == PT_OK) continue;
        pt_write_item_free(&w->items[i]);
        return rc;
    }
    return PT_OK;
}

pt_status pt_judge_collect(pt_task *t, const pt_reply *replies, pt_side side)
{
    pt_judge_state *s = t->state;
    pt_judge_side *to = &s->side[side];
    const pt_write_item **item = NULL;
    const pt_reply **reply = NULL;
    size_t n = 0;
    pt_judge_side_free(to);
    if (s->given) return collect_given(t, s, to);
    pt_status rc = pt_writing_answers(t, &s->writing, replies, &item, &reply, &n);
    if (rc == PT_OK) rc = pt_alloc0(&to->texts, n);
    for (size_t i = 0; i < n && rc == PT_OK; i++)
        rc = take(s, (size_t)(item[i] - s->writing.items), (int)(i % (size_t)pt_writing_repeats(t)), reply[i]->text, &to->texts[to->n++]);
    free(item);
    free(reply);
    return rc;
}

pt_status pt_judge_spell(const pt_judge_state *s, uint64_t seed, const pt_judge_text *x, size_t criterion, int order, pt_seal *seal, char **system, char **prompt)
{
    const char *const texts[] = {x->text, x->other, x->question, x->system, x->reference};
    const char *const first = order ? x->other : x->text, *const second = order ? x->text : x->other;
    const uint64_t item = pt_hash_mix(pt_hash_mix(x->item, (uint64_t)x->repeat), 2 * criterion + (uint64_t)order);
    const pt_judge_case c = {.row = x->row, .answer = {first, second}, .criterion = s->criteria[criterion], .rubric = s->rubrics[criterion], .question = x->question,
                             .reference = x->reference, .system = x->system, .low = s->low, .high = s->high};
    pt_seal_draw(seal, seed, item, texts, sizeof texts / sizeof *texts);
    return pt_judge_ask(&s->template, seal, &c, system, prompt);
}
