/* Scenes to records: whose views are taken, and the turns of one. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/read/macro.h"

/* A line as one view has it. */
typedef struct piece {
    const pt_speaker *who;
    const char *name; /* that stands before the text; NULL = none */
    const char *text;
    size_t bytes;
    float weight;
    bool has_weight;
} piece;

typedef struct view {
    pt_reader *r;
    const pt_scene *s;
    const char *name; /* whose */
    const char *user; /* who {{user}} is; NULL = nobody is */
    bool names, own_thoughts, others_thoughts; /* names before others' lines; [..] stay */
    piece *list;
    size_t n, cap;
    const char **cast; /* names of all who have lines, by their first ones */
    size_t n_cast, cast_cap;
} view;

static void view_free(view *v)
{
    free(v->list);
    free(v->cast);
}

static bool has_cast(const view *v, const char *name)
{
    for (size_t i = 0; i < v->n_cast; i++)
        if (!strcmp(v->cast[i], name)) return true;
    return false;
}

static pt_status view_open(view *v, pt_reader *r, const pt_scene *s)
{
    const char *thoughts = pt_dataset_value(r->spec, "thoughts");
    *v = (view){.r = r, .s = s};
    bool keep = thoughts ? !strcmp(thoughts, "keep") : !s->thoughts, strip = thoughts && !strcmp(thoughts, "strip");
    v->own_thoughts = !strip;
    v->others_thoughts = keep;
    for (size_t i = 0; i < s->n; i++) {
        const pt_scene_line *l = &s->lines[i];
        if (l->as || !l->name || has_cast(v, l->name)) continue;
        PT_RETURN(pt_reserve(&v->cast, &v->cast_cap, v->n_cast + 1));
        v->cast[v->n_cast++] = l->name;
        PT_RETURN(pt_scene_met(r, l->name));
    }
    const char *names = pt_dataset_value(r->spec, "speaker_names");
    v->names = !strcmp(names, "always") || (!strcmp(names, "auto") && v->n_cast > 2);
    return PT_OK;
}

/* The human's part, else the only other one who speaks, else whom the data set names. */
static const char *user_of(const view *v)
{
    for (size_t i = 0; i < v->s->n_people; i++)
        if (v->s->people[i].user && strcmp(v->s->people[i].name, v->name) != 0) return v->s->people[i].name;
    return v->n_cast == 2 ? v->cast[!strcmp(v->cast[0], v->name)] : pt_dataset_says(v->r->spec, "user_name");
}

static void look_from(view *v, const char *name)
{
    v->name = name;
    v->user = user_of(v);
}

/* ---- one view's lines ---------------------------------------------------------------------------------------------- */

static bool is_own(const view *v, const pt_scene_line *l)
{
    return l->as ? pt_speaker_is(l->as, PT_ASSISTANT) : l->name && !strcmp(l->name, v->name);
}

static pt_status add_piece(view *v, const pt_scene_line *l)
{
    bool own = is_own(v, l), people = !l->as && l->name;
    piece p = {.who = own ? PT_ASSISTANT : l->as ? l->as : PT_USER, .name = !own && people && v->names ? l->name : NULL, .text = l->text, .bytes = l->bytes};
    if (own) p.weight = l->weight, p.has_weight = l->has_weight;
    const pt_scene_person *by = people && !own ? pt_scene_person_find(v->s, l->name) : NULL;
    const char *who = people && !own && !(by && by->user) ? l->name : v->name; /* in what the user says {{char}} is whom it is said to */
    if (people && !(own ? v->own_thoughts : v->others_thoughts)) PT_RETURN(pt_scene_without_thoughts(v->r, &p.text, &p.bytes));
    PT_RETURN(pt_text_macros(v->r, p.text, p.bytes, who, v->user, &p.text, &p.bytes));
    pt_text_strip(&p.text, &p.bytes);
    if (!p.bytes) return PT_OK;
    PT_RETURN(pt_reserve(&v->list, &v->cap, v->n + 1));
    v->list[v->n++] = p;
    return PT_OK;
}

/* Lines up to the view's last one; system lines before all others are the system text's. last: what is said in place of the last line; NULL: it stands. */
static pt_status add_pieces(view *v, const pt_scene_line *last)
{
    const pt_scene *s = v->s;
    size_t i = 0;
    v->n = 0;
    while (i < s->n && pt_speaker_is(s->lines[i].as, PT_SYSTEM)) i++;
    for (; i < s->n; i++) PT_RETURN(add_piece(v, last && i + 1 == s->n ? last : &s->lines[i]));
    while (v->n && !pt_speaker_is(v->list[v->n - 1].who, PT_ASSISTANT)) v->n--;
    return PT_OK;
}

/* ---- lines to turns ------------------------------------------------------------------------------------------------ */

static bool joins(const piece *a, const piece *b)
{
    bool sides = pt_speaker_is(a->who, PT_ASSISTANT) || pt_speaker_is(a->who, PT_USER);
    return sides && a->who == b->who;
}

/* What a line weighs among others of its turn; one that says nothing is an answer like other. */
static float weight_of(const piece *p)
{
    return p->has_weight ? p->weight : 1;
}

/* Weights of a turn of n lines, each [begin, end) of its text: one for all of it, or a part each where they differ. The end of the turn weighs what its
 * heaviest line does. */
static pt_status weigh(view *v, pt_turn *t, const piece *p, size_t n, const size_t *begin, const size_t *end)
{
    pt_text_span *list;
    bool said = false, same = true;
    float most = 0;
    for (size_t i = 0; i < n; i++) {
        said = said || p[i].has_weight;
        same = same && weight_of(&p[i]) == weight_of(p);
        most = weight_of(&p[i]) > most ? weight_of(&p[i]) : most;
    }
    if (!said) return PT_OK;
    t->weight = most;
    t->has_weight = true;
    if (same) return PT_OK;
    PT_RETURN(pt_calloc(&list, n, sizeof *list));
    PT_RETURN(pt_record_own(&v->r->rec, (char *)list));
    t->spans = list;
    for (size_t i = 0; i < n; i++)
        if (weight_of(&p[i]) > 0) list[t->n_spans++] = (pt_text_span){begin[i], end[i], weight_of(&p[i])};
    return PT_OK;
}

/* Lines [a, b) of one side as a turn. */
static pt_status add_turn(view *v, pt_turns *t, size_t a, size_t b)
{
    pt_status rc = PT_OK;
    const piece *p = &v->list[a];
    size_t n = b - a, *edge = NULL;
    pt_str all = {0};
    PT_TRY(pt_calloc(&edge, 2 * n, sizeof *edge));
    PT_TRY(pt_record_turn(t, p->who, p->text, p->bytes));
    if (n > 1 || p->name) {
        for (size_t i = 0; i < n; i++) {
            if (i) PT_TRY(pt_str_puts(&all, "\n\n"));
            if (p[i].name) PT_TRY(pt_str_printf(&all, "%s: ", p[i].name));
            edge[i] = all.len;
            PT_TRY(pt_str_add(&all, p[i].text, p[i].bytes));
            edge[n + i] = all.len;
        }
        t->turns[t->n - 1].text = all.text;
        t->turns[t->n - 1].bytes = all.len;
        char *text = all.text;
        all = (pt_str){0};
        PT_TRY(pt_record_own(&v->r->rec, text));
    }
    PT_TRY(weigh(v, &t->turns[t->n - 1], p, n, edge, edge + n));
done:
    pt_str_free(&all);
    free(edge);
    return rc;
}

/* Leaves out turns before the `last` ones in front of the answer; what stays begins with what somebody else says. */
static bool cut_history(pt_turns *t, long last)
{
    size_t from = last >= 0 && t->n > (size_t)last + 1 ? t->n - 1 - (size_t)last : 0;
    if (!from) return false;
    while (from + 1 < t->n && pt_speaker_is(t->turns[from].speaker, PT_ASSISTANT)) from++;
    t->n -= from;
    memmove(t->turns, t->turns + from, t->n * sizeof *t->turns);
    return true;
}

static pt_status put_first(pt_turns *t, const char *text, size_t n)
{
    PT_RETURN(pt_record_turn(t, PT_SYSTEM, text, n));
    pt_turn first = t->turns[t->n - 1];
    memmove(t->turns + 1, t->turns, (t->n - 1) * sizeof *t->turns);
    t->turns[0] = first;
    return PT_OK;
}

/* The view's conversation into an answer's turns, which are empty; none where the view says nothing. last: as in add_pieces. */
static pt_status add_turns(view *v, pt_turns *t, const pt_scene_line *last)
{
    long keep;
    const char *field;
    char *system = NULL;
    PT_RETURN(add_pieces(v, last));
    for (size_t a = 0, b; a < v->n; a = b) {
        for (b = a + 1; b < v->n && joins(&v->list[a], &v->list[b]);) b++;
        PT_RETURN(add_turn(v, t, a, b));
    }
    if (!t->n) return PT_OK;
    PT_RETURN(pt_scene_history(pt_dataset_value(v->r->spec, "history"), &keep, &field));
    bool cut = cut_history(t, keep);
    PT_RETURN(pt_scene_system(v->r, v->s, v->name, cut || keep < 0, &system));
    if (system) {
        const char *text;
        size_t n;
        PT_RETURN(pt_record_own(&v->r->rec, system));
        PT_RETURN(pt_text_macros(v->r, system, strlen(system), v->name, v->user, &text, &n));
        if (n) PT_RETURN(put_first(t, text, n));
    }
    if (pt_dataset_says(v->r->spec, "system_template")) return PT_OK;
    return pt_read_system(v->r, (json_t *)v->s->row, t, NULL);
}

/* ---- whose -------------------------------------------------------------------------------------------------------- */

static bool is_taken(const view *v, const char *name)
{
    const char *of = pt_dataset_says(v->r->spec, "view_of");
    const pt_scene_person *p = pt_scene_person_find(v->s, name);
    bool each = of && !strcmp(of, "each"), trained = pt_scene_trained(v->r, name), main = false;
    if (of && !each && !pt_scene_named(of, name)) return false;
    if (pt_scene_trains(v->r)) return trained;
    if (of && !each) return true;
    for (size_t i = 0; i < v->s->n_people; i++) main = main || v->s->people[i].main;
    if (!each && main) return p && p->main;
    return !p || !p->user;
}

/* The text that all views share, so that a split keeps them together. */
static uint64_t mark_of(const pt_scene *s)
{
    uint64_t h = PT_FNV_START;
    for (size_t i = 0; i < s->n; i++) {
        const pt_scene_line *l = &s->lines[i];
        if (l->name) h = pt_fnv1a(h, l->name, strlen(l->name) + 1);
        h = pt_fnv1a(h ^ l->bytes, l->text, l->bytes);
    }
    return h ? h : 1;
}

static pt_status names_of(const view *v, pt_str *out)
{
    for (size_t i = 0; i < v->n_cast && out->len < 200; i++) PT_RETURN(pt_str_printf(out, "%s%.60s", i ? ", " : "", v->cast[i]));
    return v->n_cast ? PT_OK : pt_str_puts(out, "nobody has a name");
}

/* A scene that gives no record: one of those that nobody asked for, or a row that cannot be used. */
static pt_status none_given(const view *v)
{
    pt_str names = {0};
    const char *of = pt_dataset_says(v->r->spec, "view_of");
    if (pt_scene_trains(v->r) || (of && strcmp(of, "each"))) {
        pt_causes_add(&v->r->notes, "scenes in which those of view_of and train_on_speakers say nothing give no record", v->r->line);
        return PT_OK;
    }
    pt_status rc = names_of(v, &names);
    if (rc == PT_OK) rc = pt_fail(PT_EFORMAT, "nobody whose point of view is taken says anything; those who speak: %s", names.text);
    pt_str_free(&names);
    return rc;
}

static pt_status give_views(view *v)
{
    pt_reader *r = v->r;
    size_t taken = 0, given = 0;
    for (size_t i = 0; i < v->n_cast; i++) taken += is_taken(v, v->cast[i]);
    uint64_t mark = taken > 1 ? mark_of(v->s) : 0;
    for (size_t i = 0; i < v->n_cast; i++) {
        if (!is_taken(v, v->cast[i])) continue;
        look_from(v, v->cast[i]);
        PT_RETURN(pt_record_next(&r->rec));
        PT_RETURN(add_turns(v, &r->rec.answers[0].turns, NULL));
        if (!r->rec.answers[0].turns.n) continue;
        r->rec.role = v->name;
        r->rec.scene = mark;
        given++;
        PT_RETURN(r->sink(r->user, &r->rec, r->line));
    }
    return given ? PT_OK : none_given(v);
}

pt_status pt_read_scene(pt_reader *r, const pt_scene *s)
{
    view v;
    if (!s->n) return pt_fail(PT_EFORMAT, "the conversation holds no lines");
    pt_status rc = view_open(&v, r, s);
    if (rc == PT_OK) rc = give_views(&v);
    view_free(&v);
    return rc;
}

static pt_status give_pair(view *v, const char *other, size_t bytes)
{
    pt_reader *r = v->r;
    pt_record *rec = &r->rec;
    pt_scene_line last = v->s->lines[v->s->n - 1];
    if (r->criterion) return pt_fail(PT_EFORMAT, "a scene holds no criterion");
    if (!is_taken(v, last.name)) return PT_OK;
    look_from(v, last.name);
    if (pt_text_blank(last.text, last.bytes) || pt_text_blank(other, bytes)) return pt_fail(PT_EFORMAT, "empty answer");
    PT_RETURN(pt_record_next(&r->rec));
    PT_RETURN(pt_record_answers(rec, 2));
    PT_RETURN(add_turns(v, &rec->answers[0].turns, &last));
    last.text = other;
    last.bytes = bytes;
    PT_RETURN(add_turns(v, &rec->answers[1].turns, &last));
    size_t n = rec->answers[0].turns.n;
    if (!n || n != rec->answers[1].turns.n) return pt_fail(PT_EFORMAT, "empty answer");
    rec->n_prompt = n - 1;
    rec->role = v->name;
    return r->sink(r->user, rec, r->line);
}

pt_status pt_read_scene_pair(pt_reader *r, const pt_scene *s, const char *other, size_t bytes)
{
    view v;
    if (!s->n || s->lines[s->n - 1].as || !s->lines[s->n - 1].name) return pt_fail(PT_EFORMAT, "the last line is nobody's: no answer that could be compared");
    pt_status rc = view_open(&v, r, s);
    if (rc == PT_OK) rc = give_pair(&v, other, bytes);
    view_free(&v);
    return rc;
}
