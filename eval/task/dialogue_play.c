/* Playing scenes: what each speaker sees, what it says, what that sets, and when it is over. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/dialogue.h"

void pt_part_view_free(pt_part_view *v)
{
    for (size_t i = 0; i < v->n; i++) free((char *)v->turns[i].text);
    free(v->turns);
    *v = (pt_part_view){0};
}

/* What open_play makes. */
static void play_free(const pt_dialogue *d, pt_play *x)
{
    for (size_t k = 0; x->called && k < d->n_parts; k++) free(x->called[k]);
    free(x->called);
    json_decref(x->fields);
    json_decref(x->set);
}

void pt_plays_free(const pt_dialogue *d, pt_plays *p)
{
    for (size_t i = 0; i < p->n; i++) {
        pt_play *x = &p->list[i];
        for (size_t k = 0; k < x->n; k++) {
            free(x->lines[k].own);
            free(x->lines[k].heard);
        }
        for (size_t k = 0; p->views && k < d->n_parts; k++) {
            pt_part_view_free(&p->views[i * d->n_parts + k]);
            pt_part_view_free(&p->views[(p->n + i) * d->n_parts + k]);
        }
        if (p->turns) free(p->turns[i]);
        if (p->transcripts) free(p->transcripts[i].views);
        free(x->lines);
        free(x->failure);
        play_free(d, x);
    }
    free(p->list);
    free(p->views);
    free(p->turns);
    free(p->transcripts);
    json_decref(p->voices);
    p->voices = NULL;
    p->list = NULL;
    p->views = NULL;
    p->turns = NULL;
    p->transcripts = NULL;
    p->n = 0;
}

/* ---- views ---- */

/* A turn of its own; text is taken over, on failure too. */
static pt_status add_turn(pt_part_view *v, const pt_speaker *who, char *text)
{
    pt_status rc = pt_reserve(&v->turns, &v->cap, v->n + 1);
    if (rc != PT_OK) {
        free(text);
        return rc;
    }
    v->turns[v->n++] = (pt_message){.speaker = who, .text = text, .bytes = strlen(text)};
    return PT_OK;
}

/* What others say in a row is one turn of the user's. */
static pt_status add_heard(pt_part_view *v, const char *text)
{
    pt_str both = {0};
    pt_message *last = v->n ? &v->turns[v->n - 1] : NULL;
    const bool join = last && pt_speaker_is(last->speaker, PT_USER);
    if (join) PT_RETURN(pt_str_printf(&both, "%s\n", last->text));
    pt_status rc = pt_str_puts(&both, text);
    if (rc != PT_OK || !join) return rc == PT_OK ? add_turn(v, PT_USER, both.text) : (pt_str_free(&both), rc);
    free((char *)last->text);
    last->text = both.text;
    last->bytes = both.len;
    return PT_OK;
}

/* The play's fields and, for this speaker, its persona. Owned. */
static pt_status fields_of(const pt_dialogue *d, const pt_play *p, const pt_part *x, json_t **out)
{
    pt_status rc = PT_OK;
    pt_str name = {0};
    json_t *f = json_copy(p->fields);
    PT_CHECK(f, PT_ENOMEM, "out of memory for a view");
    if (x->persona) {
        PT_TRY(pt_str_puts(&name, ""));
        PT_TRY(pt_task_fill(&name, x->persona, p->fields, NULL));
        json_t *text = json_object_get(d->personas, name.text);
        PT_CHECK(text, PT_EFORMAT, "there is no persona '%s'", name.text);
        PT_CHECK(!json_object_set(f, "persona", text), PT_ENOMEM, "out of memory for a view");
    }
done:
    pt_str_free(&name);
    if (rc != PT_OK) json_decref(f);
    *out = rc == PT_OK ? f : NULL;
    return rc;
}

static pt_status add_filled(pt_part_view *v, const pt_speaker *who, const char *text, const json_t *fields)
{
    pt_str out = {0};
    pt_status rc = pt_str_puts(&out, "");
    if (rc == PT_OK) rc = pt_task_fill(&out, text, fields, NULL);
    if (rc == PT_OK && out.len) return add_turn(v, who, out.text);
    pt_str_free(&out);
    return rc;
}

static pt_status add_line(const pt_play *p, const pt_line *l, const pt_part *x, json_t *fields, pt_part_view *v)
{
    pt_str out = {0};
    if (json_object_set_new(fields, "who", json_string(p->called[l->part])) || json_object_set_new(fields, "text", json_string(l->heard)))
        return pt_fail(PT_ENOMEM, "out of memory for a view");
    pt_status rc = pt_str_puts(&out, "");
    if (rc == PT_OK) rc = pt_task_fill(&out, x->hears, fields, NULL);
    if (rc == PT_OK) rc = add_heard(v, out.text);
    pt_str_free(&out);
    return rc;
}

pt_status pt_dialogue_view(const pt_dialogue *d, const pt_play *p, size_t part, pt_part_view *v)
{
    pt_status rc = PT_OK;
    const pt_part *x = &d->parts[part];
    json_t *fields = NULL;
    PT_TRY(fields_of(d, p, x, &fields));
    if (x->system) PT_TRY(add_filled(v, PT_SYSTEM, x->system, fields));
    if (x->start && (!p->n || p->lines[0].part == part)) PT_TRY(add_filled(v, PT_USER, x->start, fields));
    for (size_t i = 0; i < p->n; i++) {
        const pt_line *l = &p->lines[i];
        char *own;
        if (l->part != part) {
            PT_TRY(add_line(p, l, x, fields, v));
            continue;
        }
        PT_TRY(pt_strdup(&own, l->own));
        PT_TRY(add_turn(v, PT_ASSISTANT, own));
    }
done:
    json_decref(fields);
    return rc;
}

/* ---- lines ---- */

static bool blank(const char *text)
{
    size_t n = strlen(text);
    pt_text_strip(&text, &n);
    return !n;
}

static const char *over(const pt_task *t, const pt_dialogue *d, const char *heard)
{
    for (size_t i = 0; i < d->n_stop_texts; i++)
        if (strstr(heard, d->stop_texts[i])) return "text";
    if (d->has_stop_pattern && !regexec(&d->stop_pattern, heard, 0, NULL, 0)) return "pattern";
    return pt_task_flag(t, "stop_empty") && blank(heard) ? "empty" : NULL;
}

static pt_status set_fields(const pt_part *x, pt_play *p, const char *text)
{
    pt_status rc = PT_OK;
    pt_str found = {0};
    bool is;
    for (size_t k = 0; k < x->n_sets; k++) {
        found.len = 0;
        PT_TRY(pt_extract_find(&x->set[k], text, &found, &is));
        if (!is) continue;
        json_t *v = pt_report_text(found.text);
        PT_CHECK(v && !json_object_set(p->fields, x->set_name[k], v) && !json_object_set_new(p->set, x->set_name[k], v), PT_ENOMEM, "out of memory for a field");
    }
done:
    pt_str_free(&found);
    return rc;
}

/* Takes what a speaker says over, on failure too: what it sets, what the others hear, whether it is the last. */
static pt_status add_said(const pt_task *t, const pt_dialogue *d, pt_play *p, size_t part, char *text, bool written, bool stopped)
{
    const pt_part *x = &d->parts[part];
    pt_str heard = {0};
    bool found = false;
    pt_status rc = pt_reserve(&p->lines, &p->cap, p->n + 1);
    if (rc != PT_OK) {
        free(text);
        return rc;
    }
    pt_line *l = &p->lines[p->n++];
    *l = (pt_line){.part = part, .own = text, .written = written, .stopped = stopped};
    if (x->has_says && written) rc = pt_extract_find(&x->says, text, &heard, &found);
    if (rc == PT_OK && !found) heard.len = 0;
    if (rc == PT_OK && !found) rc = pt_str_puts(&heard, text);
    if (rc == PT_OK) l->heard = heard.text;
    else pt_str_free(&heard);
    PT_RETURN(rc);
    if (written) PT_RETURN(set_fields(x, p, text));
    if (!p->stopped) p->stopped = over(t, d, l->heard);
    return PT_OK;
}

static size_t lines_of(const pt_play *p, size_t part)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) n += p->lines[i].part == part;
    return n;
}

/* The next line of its script; *has false: there is none, and a model goes on, or it is over. */
static pt_status say_script(const pt_task *t, const pt_dialogue *d, pt_play *p, size_t part, bool *has)
{
    const pt_part *x = &d->parts[part];
    size_t k = lines_of(p, part);
    pt_str out = {0};
    *has = k < x->n_script;
    if (!*has && !x->model) p->stopped = "script";
    if (!*has) return PT_OK;
    pt_status rc = pt_str_puts(&out, "");
    if (rc == PT_OK) rc = pt_task_fill(&out, x->script[k], p->fields, NULL);
    if (rc == PT_OK) return add_said(t, d, p, part, out.text, false, true);
    pt_str_free(&out);
    return rc;
}

/* ---- turns ---- */

/* Plays that wait for one speaker. */
typedef struct round {
    size_t *play;
    pt_part_view *views;
    pt_talk *talks;
    pt_said *said;
    size_t n;
} round;

static void round_free(round *r)
{
    for (size_t i = 0; r->views && i < r->n; i++) pt_part_view_free(&r->views[i]);
    pt_said_free(r->said, r->n);
    free(r->play);
    free(r->views);
    free(r->talks);
}

static pt_status take_answers(const pt_task *t, const pt_dialogue *d, pt_plays *ps, size_t part, round *r)
{
    for (size_t i = 0; i < r->n; i++) {
        pt_play *p = &ps->list[r->play[i]];
        pt_said *s = &r->said[i];
        if (s->failure) {
            p->failure = s->failure;
            p->stopped = "failure";
            s->failure = NULL;
            continue;
        }
        char *text = s->text;
        s->text = NULL;
        PT_RETURN(add_said(t, d, p, part, text, true, s->stopped));
    }
    return PT_OK;
}

static pt_status play_turn(const pt_task *t, const pt_dialogue *d, pt_plays *ps, size_t part, const pt_voices *voices)
{
    pt_status rc = PT_OK;
    round r = {0};
    pt_voice *v = NULL;
    PT_TRY(pt_alloc0(&r.play, ps->n));
    PT_TRY(pt_alloc0(&r.views, ps->n));
    PT_TRY(pt_alloc0(&r.talks, ps->n));
    for (size_t i = 0; i < ps->n; i++) {
        bool scripted = false;
        pt_play *p = &ps->list[i];
        if (p->stopped) continue;
        PT_TRY(say_script(t, d, p, part, &scripted));
        if (scripted || p->stopped) continue;
        pt_part_view *view = &r.views[r.n];
        r.play[r.n++] = i;
        PT_TRY(pt_dialogue_view(d, p, part, view));
        r.talks[r.n - 1] = (pt_talk){.turns = view->turns, .n = view->n, .how = d->parts[part].how, .repeat = p->repeat};
    }
    if (!r.n) goto done;
    PT_TRY(pt_voices_find(voices, d->parts[part].model, &v));
    PT_TRY(pt_alloc0(&r.said, r.n));
    PT_TRY(v->ask(v, r.talks, r.n, r.said));
    PT_TRY(take_answers(t, d, ps, part, &r));
done:
    round_free(&r);
    return rc;
}

/* ---- a side ---- */

static pt_status open_play(const pt_dialogue *d, pt_play *p, size_t scene, int repeat)
{
    pt_status rc = PT_OK;
    pt_str out = {0};
    *p = (pt_play){.scene = scene, .repeat = repeat, .fields = json_object(), .set = json_object()};
    PT_CHECK(p->fields && p->set, PT_ENOMEM, "out of memory for a scene");
    for (size_t k = 0; k < d->n_parts; k++)
        for (size_t s = 0; s < d->parts[k].n_sets; s++) PT_CHECK(!json_object_set_new(p->fields, d->parts[k].set_name[s], json_string("")), PT_ENOMEM, "out of memory for a scene");
    PT_CHECK(!json_object_update(p->fields, d->scenes[scene].row), PT_ENOMEM, "out of memory for a scene");
    PT_TRY(pt_alloc0(&p->called, d->n_parts));
    for (size_t k = 0; k < d->n_parts; k++) {
        const pt_part *x = &d->parts[k];
        out.len = 0;
        PT_TRY(pt_str_puts(&out, ""));
        if (x->called) PT_TRY(pt_task_fill(&out, x->called, p->fields, NULL));
        else PT_TRY(pt_str_puts(&out, x->name));
        PT_TRY(pt_strdup(&p->called[k], out.text));
    }
done:
    pt_str_free(&out);
    return rc;
}

static pt_status open_plays(const pt_task *t, const pt_dialogue *d, pt_plays *ps)
{
    const size_t repeats = (size_t)pt_task_number(t, "repeats");
    pt_plays_free(d, ps);
    PT_RETURN(pt_alloc0(&ps->list, t->items * repeats));
    for (size_t i = 0; i < t->items; i++)
        for (size_t r = 0; d->keep[i] && r < repeats; r++) PT_RETURN(open_play(d, &ps->list[ps->n++], i, (int)r));
    return PT_OK;
}

/* Each speaker's system text before anybody has spoken. */
static pt_status begin_views(const pt_dialogue *d, const pt_play *p, pt_part_view *v)
{
    pt_status rc = PT_OK;
    pt_play fresh;
    json_t *fields = NULL;
    PT_TRY(open_play(d, &fresh, p->scene, p->repeat));
    for (size_t k = 0; k < d->n_parts; k++) {
        PT_TRY(fields_of(d, &fresh, &d->parts[k], &fields));
        if (d->parts[k].system) PT_TRY(add_filled(&v[k], PT_SYSTEM, d->parts[k].system, fields));
        json_decref(fields);
        fields = NULL;
    }
done:
    json_decref(fields);
    play_free(d, &fresh);
    return rc;
}

/* What others read of it. */
static pt_status close_play(const pt_task *t, const pt_dialogue *d, pt_plays *ps, size_t i)
{
    const pt_play *p = &ps->list[i];
    pt_transcript *x = &ps->transcripts[i];
    *x = (pt_transcript){.scene = p->scene, .repeat = p->repeat, .cluster = p->scene, .group = t->scopes[d->scenes[p->scene].scope], .stopped = p->stopped,
                         .row = d->scenes[p->scene].row, .fields = p->set, .n = p->n, .n_views = d->n_parts};
    PT_RETURN(pt_alloc0(&ps->turns[i], p->n));
    for (size_t k = 0; k < p->n; k++) ps->turns[i][k] = (pt_transcript_turn){p->called[p->lines[k].part], p->lines[k].heard};
    x->turns = ps->turns[i];
    PT_RETURN(pt_alloc0(&x->views, d->n_parts));
    pt_part_view *begin = &ps->views[(ps->n + i) * d->n_parts];
    PT_RETURN(begin_views(d, p, begin));
    for (size_t k = 0; k < d->n_parts; k++) {
        pt_part_view *v = &ps->views[i * d->n_parts + k];
        PT_RETURN(pt_dialogue_view(d, p, k, v));
        x->views[k] = (struct pt_transcript_view){d->parts[k].name, d->parts[k].model, v->turns, v->n, begin[k].turns, begin[k].n};
    }
    return PT_OK;
}

/* {NAME: what each speaking model has cost before}. */
static pt_status count_before(const pt_dialogue *d, const pt_voices *voices, json_t *before)
{
    for (size_t k = 0; k < d->n_parts; k++) {
        const char *name = d->parts[k].model;
        pt_voice *v;
        json_t *account;
        if (!name || json_object_get(before, name)) continue;
        PT_RETURN(pt_voices_find(voices, name, &v));
        PT_RETURN(pt_voice_account(v, &account));
        if (json_object_set_new(before, name, account ? account : json_object())) return pt_fail(PT_ENOMEM, "out of memory for what a model has cost");
    }
    return PT_OK;
}

static pt_status count_since(const json_t *before, const pt_voices *voices, pt_side side, json_t *list)
{
    const char *name;
    json_t *then, *cost;
    json_object_foreach ((json_t *)before, name, then) {
        pt_voice *v;
        PT_RETURN(pt_voices_find(voices, name, &v));
        PT_RETURN(pt_voice_since(v, then, &cost));
        json_t *one = cost ? json_pack("{so ss}", "name", pt_report_text(name), "side", side == PT_BEFORE ? "before" : "after") : NULL;
        const bool bad = cost && (json_array_append_new(list, one) || json_object_update_missing(one, cost));
        json_decref(cost);
        if (bad) return pt_fail(PT_ENOMEM, "out of memory for what a model has cost");
    }
    return PT_OK;
}

static pt_status play_turns(const pt_task *t, pt_dialogue *d, const pt_voices *voices, pt_side side)
{
    pt_status rc = PT_OK;
    pt_plays *ps = &d->side[side];
    const size_t turns = (size_t)pt_task_number(t, "turns");
    json_t *before = json_object();
    ps->voices = json_array();
    PT_CHECK(before && ps->voices, PT_ENOMEM, "out of memory for what a model has cost");
    PT_TRY(count_before(d, voices, before));
    for (size_t turn = 0; turn < turns; turn++) PT_TRY(play_turn(t, d, ps, turn % d->n_parts, voices));
    PT_TRY(count_since(before, voices, side, ps->voices));
done:
    json_decref(before);
    return rc;
}

pt_status pt_dialogue_play(const pt_task *t, pt_dialogue *d, const pt_voices *voices, pt_side side)
{
    pt_plays *ps = &d->side[side];
    PT_RETURN(open_plays(t, d, ps));
    PT_RETURN(play_turns(t, d, voices, side));
    PT_RETURN(pt_alloc0(&ps->transcripts, ps->n));
    PT_RETURN(pt_alloc0(&ps->views, 2 * ps->n * d->n_parts));
    PT_RETURN(pt_alloc0(&ps->turns, ps->n));
    for (size_t i = 0; i < ps->n; i++) {
        if (!ps->list[i].stopped) ps->list[i].stopped = "turns";
        PT_RETURN(close_play(t, d, ps, i));
    }
    return PT_OK;
}
