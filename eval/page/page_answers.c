/* What models said: answers side by side, with what differs marked; dialogues. From eval.json's "answers" (of the test data, of a task) and "talks". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/page/page_priv.h"

/* Characters of a text that a page shows; of the rest it says how much there is. */
enum { MOST_PROMPT = 2000, MOST_ANSWER = 6000, MOST_SYSTEMS = 200 };

/* The number of a system text among those of the block, from 1; put there when it is new. 0: there is none. */
static pt_status system_of(json_t *systems, json_t *seen, const json_t *text, json_int_t *out)
{
    *out = 0;
    if (!json_string_length(text)) return PT_OK;
    for (size_t i = 0; i < json_array_size(seen) && !*out; i++)
        if (json_equal(json_array_get(seen, i), text)) *out = (json_int_t)i + 1;
    if (*out || json_array_size(seen) == MOST_SYSTEMS) return PT_OK;
    PT_RETURN(pt_page_push(seen, json_incref((json_t *)text)));
    PT_RETURN(pt_page_push(systems, pt_page_cut(text, MOST_PROMPT)));
    *out = (json_int_t)json_array_size(seen);
    return PT_OK;
}

/* Turns, whose speakers are named by the member `who`. */
static pt_status put_turns(json_t *to, const json_t *turns, const char *who, size_t most)
{
    json_t *list = json_array(), *turn;
    size_t i;
    PT_RETURN(pt_page_put(to, "turns", list));
    json_array_foreach((json_t *)turns, i, turn)
    {
        json_t *one = json_object(), *name = json_object_get(turn, who);
        PT_RETURN(pt_page_push(list, one));
        PT_RETURN(pt_page_put(one, "who", json_is_string(name) ? pt_page_cut(name, 80) : json_string("?")));
        PT_RETURN(pt_page_put(one, "text", pt_page_cut(json_object_get(turn, "text"), most)));
    }
    return PT_OK;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    return x == y || json_equal(x, y); /* in neither of them too */
}

/* The same question in another run's list: where it stands in the first, or wherever it is. NULL: nowhere. */
static const json_t *same_question(const json_t *list, size_t at, const json_t *like)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *x = json_array_get(list, (at + k) % json_array_size(list));
        if (same(x, like, "turns") && same(x, like, "system") && same(x, like, "repeat")) return x;
    }
    return NULL;
}

static pt_status add_whole(json_t *said, const json_t *text)
{
    json_t *list = json_array(), *piece = json_array();
    PT_RETURN(pt_page_push(said, list));
    PT_RETURN(pt_page_push(list, piece));
    PT_RETURN(pt_page_push(piece, json_string("=")));
    return pt_page_push(piece, pt_page_cut(text, MOST_ANSWER));
}

/* Of two columns what differs in each; of more, in each against the first. */
static pt_status put_said(const pt_page_sides *s, const json_t *const each[], json_t *row)
{
    json_t *said = json_array(), *text[PT_PAGE_RUNS + 1] = {NULL}, *gone = NULL, *come = NULL;
    pt_status rc = PT_OK;
    PT_TRY(pt_page_put(row, "said", json_incref(said)));
    for (size_t c = 0; c < s->n; c++) {
        const json_t *t = pt_page_side(s, each, c);
        text[c] = json_is_string(t) ? pt_page_cut(t, MOST_ANSWER) : NULL;
        PT_CHECK(text[c] || !json_is_string(t), PT_ENOMEM, "out of memory writing a report");
    }
    for (size_t c = 0; c < s->n; c++) {
        if (!text[c]) PT_TRY(pt_page_push(said, json_null()));
        else if (s->n == 1 || !text[0] || (c == 0 && (s->n > 2 || !text[1]))) PT_TRY(add_whole(said, text[c]));
        else {
            const json_t *a = text[0], *b = text[c ? c : 1];
            PT_TRY(pt_page_diff(json_string_value(a), json_string_length(a), json_string_value(b), json_string_length(b), &gone, &come));
            PT_TRY(pt_page_push(said, json_incref(c ? come : gone)));
            json_decref(gone);
            json_decref(come);
            gone = come = NULL;
        }
    }
done:
    for (size_t c = 0; c < s->n; c++) json_decref(text[c]);
    json_decref(said);
    json_decref(gone);
    json_decref(come);
    return rc;
}

static pt_status add_row(const pt_page_sides *s, json_t *block, json_t *seen, const json_t *const lists[], size_t first, size_t at)
{
    const json_t *like = json_array_get(lists[first], at), *each[PT_PAGE_RUNS] = {NULL}, *group = json_object_get(like, "group");
    json_t *row = json_object(), *references, *v;
    json_int_t system;
    size_t i;
    PT_RETURN(pt_page_push(json_object_get(block, "rows"), row));
    for (size_t k = 0; k < s->tuned; k++) each[k] = k == first ? like : same_question(lists[k], at, like);
    PT_RETURN(pt_page_put(row, "name", pt_page_cut(group, 200)));
    PT_RETURN(system_of(json_object_get(block, "systems"), seen, json_object_get(like, "system"), &system));
    PT_RETURN(pt_page_put(row, "system", json_integer(system)));
    PT_RETURN(put_turns(row, json_object_get(like, "turns"), "role", MOST_PROMPT));
    PT_RETURN(put_said(s, each, row));
    PT_RETURN(pt_page_put(row, "references", references = json_array()));
    json_array_foreach(json_object_get(like, "references"), i, v)
        if (i < 3) PT_RETURN(pt_page_push(references, pt_page_cut(v, MOST_PROMPT)));
    return PT_OK;
}

/* The answers of each run's list; those that the first with some has not are not asked of it, and not shown. */
static pt_status put_answers(const pt_page_sides *s, json_t *page, const char *title, const json_t *const lists[])
{
    pt_status rc = PT_OK;
    json_t *section, *block, *seen = NULL;
    size_t first = 0, n;
    while (first < s->tuned && !json_array_size(lists[first])) first++;
    if (first == s->tuned) return PT_OK;
    n = json_array_size(lists[first]);
    PT_RETURN(pt_page_section(page, title, &section));
    PT_RETURN(pt_page_block(section, "answers", "", &block));
    PT_RETURN(pt_page_put(block, "columns", json_array()));
    for (size_t c = 0; c < s->n; c++) PT_RETURN(pt_page_push(json_object_get(block, "columns"), pt_page_text(s->name[c], strlen(s->name[c]))));
    PT_RETURN(pt_page_put(block, "systems", json_array()));
    PT_RETURN(pt_page_put(block, "rows", json_array()));
    seen = json_array();
    for (size_t i = 0; i < n && i < (size_t)s->rows; i++) PT_TRY(add_row(s, block, seen, lists, first, i));
    PT_TRY(pt_page_left_out(block, n > (size_t)s->rows ? n - (size_t)s->rows : 0));
done:
    json_decref(seen);
    return rc;
}

/* ---- dialogues ---- */

static pt_status put_talk(json_t *section, const pt_page_run *run, bool several, const json_t *talk)
{
    json_t *block;
    pt_str title = {0};
    const char *name = pt_page_string(talk, "name"), *side = pt_page_string(talk, "side");
    PT_RETURN(pt_page_block(section, "talk", "", &block));
    pt_status rc = pt_str_printf(&title, "%s%s%s%s%s", several ? run->name : "", several && (name[0] || side[0]) ? ": " : "", name, name[0] && side[0] ? ", " : "", side);
    if (rc == PT_OK) rc = pt_page_put(block, "title", pt_page_text(title.text ? title.text : "", title.len));
    pt_str_free(&title);
    PT_RETURN(rc);
    return put_turns(block, json_object_get(talk, "turns"), "who", MOST_ANSWER);
}

static pt_status put_talks(const pt_page_sides *s, json_t *page, const char *title, const json_t *const tasks[])
{
    json_t *section = NULL, *talk;
    size_t i, shown = 0, left = 0;
    for (size_t k = 0; k < s->tuned; k++)
        json_array_foreach(json_object_get(tasks[k], "talks"), i, talk)
        {
            if (!section) PT_RETURN(pt_page_section(page, title, &section));
            if (shown >= (size_t)s->rows && ++left) continue;
            shown++;
            PT_RETURN(put_talk(section, &s->runs[k], s->tuned > 1, talk));
        }
    for (size_t k = 0; k < s->tuned; k++) {
        double out = pt_page_value(tasks[k], "talks_left_out"); /* eval.json has the first of each side */
        if (out > 0 && out < 1e9) left += (size_t)out;
    }
    if (!left || !section) return PT_OK;
    pt_str note = {0};
    pt_status rc = pt_str_printf(&note, "%zu more dialogues are left out (report_rows, ptrain report --rows).", left);
    if (rc == PT_OK) rc = pt_page_note(section, note.text);
    pt_str_free(&note);
    return rc;
}

static pt_status of_task(const pt_page_sides *s, json_t *page, const char *name)
{
    pt_status rc = PT_OK;
    const json_t *tasks[PT_PAGE_RUNS] = {NULL}, *lists[PT_PAGE_RUNS] = {NULL};
    pt_str answers = {0}, talks = {0};
    PT_TRY(pt_str_printf(&answers, "Answers%s: %s", s->how, name));
    PT_TRY(pt_str_printf(&talks, "Dialogues%s: %s", s->how, name));
    for (size_t k = 0; k < s->tuned; k++) {
        tasks[k] = pt_page_task_named(s->runs[k].eval, name);
        lists[k] = json_object_get(tasks[k], "answers");
    }
    PT_TRY(put_answers(s, page, answers.text, lists));
    PT_TRY(put_talks(s, page, talks.text, tasks));
done:
    pt_str_free(&answers);
    pt_str_free(&talks);
    return rc;
}

pt_status pt_page_answers(json_t *page, const pt_page_run *runs, size_t n, const pt_page_options *o, const char *how)
{
    pt_page_sides s;
    const json_t *lists[PT_PAGE_RUNS] = {NULL};
    char title[80];
    pt_page_sides_find(&s, runs, n, o, how);
    snprintf(title, sizeof title, "Answers%s: test data", how);
    for (size_t k = 0; k < n; k++) lists[k] = json_object_get(runs[k].eval, "answers");
    PT_RETURN(put_answers(&s, page, title, lists));
    for (size_t r = 0; r < n; r++) {
        const json_t *tasks = json_object_get(runs[r].eval, "tasks");
        for (size_t i = 0; i < json_array_size(tasks); i++) {
            const char *name = pt_page_string(json_array_get(tasks, i), "name");
            bool had = false;
            for (size_t k = 0; k < r; k++) had = had || pt_page_task_named(runs[k].eval, name);
            if (!had) PT_RETURN(of_task(&s, page, name));
        }
    }
    return PT_OK;
}
