/* What dialogues came to: of what models said, the measures of texts by speaker; of each dialogue, how long it was and what ended it. And what is written of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/metric/tally.h"
#include "eval/task/dialogue.h"
#include "eval/task/writing.h"

/* ---- texts ---- */

static size_t count_written(const pt_plays *ps)
{
    size_t n = 0;
    for (size_t i = 0; i < ps->n; i++)
        for (size_t k = 0; k < ps->list[i].n; k++) n += ps->list[i].lines[k].written;
    return n;
}

static bool speaks(const pt_plays *ps, size_t part)
{
    bool any = false;
    for (size_t i = 0; i < ps->n; i++)
        for (size_t k = 0; k < ps->list[i].n; k++) any = any || (ps->list[i].lines[k].written && ps->list[i].lines[k].part == part);
    return any;
}

static pt_status find_texts(pt_task *t, const pt_dialogue *d, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_plays *ps = &d->side[side];
    const size_t most = count_written(ps);
    size_t n = 0, chars = 0;
    pt_metric_list list = {.n = 0};
    pt_eval_answer *rows = NULL;
    uint64_t *cluster = NULL;
    if (!most) return PT_OK;
    for (const pt_task_metric *m = t->kind->metrics; m->key; m++) list.at[list.n++] = pt_metric_find(m->key);
    PT_TRY(pt_alloc0(&rows, most));
    PT_TRY(pt_alloc0(&cluster, most));
    for (size_t k = 0; k < d->n_parts; k++) { /* lines of the table in the order of the entry */
        pt_report_role *role;
        if (speaks(ps, k)) PT_TRY(pt_report_role_get(&t->report, d->parts[k].name, &role));
    }
    for (size_t i = 0; i < ps->n; i++)
        for (size_t k = 0; k < ps->list[i].n; k++) {
            const pt_line *l = &ps->list[i].lines[k];
            if (!l->written) continue;
            rows[n] = (pt_eval_answer){.role = d->parts[l->part].name, .answer = l->own, .stopped = l->stopped};
            cluster[n++] = ps->list[i].scene;
            chars += pt_units_pick(l->own) == PT_UNITS_CHARS;
        }
    PT_TRY(pt_scores_fill(&t->report, side, &(pt_scoring){.answers = rows, .n = n, .units = 2 * chars > n ? PT_UNITS_CHARS : PT_UNITS_WORDS, .seed = t->seed,
                                                          .metrics = &list, .clusters = cluster}));
done:
    free(rows);
    free(cluster);
    return rc;
}

/* ---- dialogues ---- */

static const char *const ends[] = {"turns", "text", "pattern", "empty", "script", "failure"};
enum { ENDS = sizeof ends / sizeof *ends, PLAYED = ENDS, LINES, WRITTEN, ECHOED, WIDTH };
enum { TURNS = ENDS, ECHOES, VALUES };

/* Shares of what ended them, turns of one, and the share of models' turns that somebody has said before, word for word. */
static void values_of(const void *user, const double *sums, double *out)
{
    (void)user;
    for (int k = 0; k < ENDS; k++) out[k] = sums[PLAYED] > 0 ? sums[k] / sums[PLAYED] : NAN;
    out[TURNS] = sums[PLAYED] > 0 ? sums[LINES] / sums[PLAYED] : NAN;
    out[ECHOES] = sums[WRITTEN] > 0 ? sums[ECHOED] / sums[WRITTEN] : NAN;
}

static bool ended(const pt_dialogue *d, int by)
{
    bool any = false;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < d->side[s].n; i++) any = any || !strcmp(d->side[s].list[i].stopped, ends[by]);
    return any;
}

/* In the table, what has ended any. */
static pt_status name_rows(const pt_dialogue *d, pt_tally_row **out)
{
    static const char *const names[] = {"ended_by.turns", "ended_by.text", "ended_by.pattern", "ended_by.empty", "ended_by.script", "failed_share", "turns", "echoed_share"};
    static const char *const labels[] = {"ended by their number of turns", "ended by a text", "ended by a pattern", "ended by an empty turn", "ended with a script", "failed",
                                         "turns of a dialogue", "turns that were said before"};
    pt_tally_row *rows;
    PT_RETURN(pt_alloc0(&rows, VALUES));
    *out = rows;
    for (int k = 0; k < VALUES; k++) {
        rows[k].form = k == TURNS ? PT_FORM_SCORE : PT_FORM_SHARE;
        rows[k].detail = k < ENDS && !ended(d, k);
        PT_RETURN(pt_strdup(&rows[k].metric, names[k]));
        PT_RETURN(pt_strdup(&rows[k].label, labels[k]));
    }
    return PT_OK;
}

static void count_lines(const pt_play *p, double *x)
{
    for (size_t k = 0; k < p->n; k++) {
        bool before = false;
        if (!p->lines[k].written) continue;
        for (size_t i = 0; i < k; i++) before = before || !strcmp(p->lines[i].own, p->lines[k].own);
        x[WRITTEN]++;
        x[ECHOED] += before;
    }
}

static pt_status find_ends(pt_task *t, pt_dialogue *d, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_plays *ps = &d->side[side];
    struct pt_report_parts *own = &d->own[side];
    pt_tally_row *rows = NULL;
    pt_report_parts_free(own);
    PT_TRY(pt_alloc0(&own->of, ps->n * WIDTH));
    PT_TRY(pt_alloc0(&own->role, ps->n));
    PT_TRY(pt_alloc0(&own->cluster, ps->n));
    for (own->n = 0; own->n < ps->n; own->n++) {
        const pt_play *p = &ps->list[own->n];
        double *x = own->of + own->n * WIDTH;
        own->role[own->n] = d->scenes[p->scene].scope;
        own->cluster[own->n] = p->scene;
        for (int k = 0; k < ENDS; k++) x[k] = !strcmp(ends[k], p->stopped);
        x[PLAYED] = 1;
        x[LINES] = (double)p->n;
        count_lines(p, x);
    }
    PT_TRY(name_rows(d, &rows));
    const pt_tally tally = {.width = WIDTH, .values = VALUES, .value = values_of, .side = {&d->own[0], &d->own[1]}};
    PT_TRY(pt_tally_find(&tally, side, rows, t->scopes, t->n_scopes, t->seed, &t->findings));
done:
    if (rows) pt_tally_rows_free(rows, VALUES);
    return rc;
}

pt_status pt_dialogue_find(pt_task *t, pt_dialogue *d, pt_side side)
{
    PT_RETURN(find_texts(t, d, side));
    t->report.questions = d->side[side].n;
    return find_ends(t, d, side);
}

/* ---- what is written ---- */

static const char *const sides[2] = {"before", "after"};

static json_t *turns_of(const pt_plays *ps, size_t i, const char *who, bool raw)
{
    const pt_transcript *x = &ps->transcripts[i];
    json_t *list = json_array();
    bool bad = !list;
    for (size_t k = 0; k < x->n && !bad; k++) {
        json_t *o = json_object();
        const pt_line *l = &ps->list[i].lines[k];
        bad = !o || json_object_set_new(o, who, pt_report_text(x->turns[k].speaker)) || json_object_set_new(o, "text", pt_report_text(x->turns[k].text)) ||
              (raw && strcmp(l->own, l->heard) && json_object_set_new(o, "said", pt_report_text(l->own)));
        bad = json_array_append_new(list, o) || bad;
    }
    if (bad) json_decref(list);
    return bad ? NULL : list;
}

static pt_status dump_line(const pt_task *t, const pt_plays *ps, size_t i, pt_side side, pt_str *out)
{
    const pt_play *p = &ps->list[i];
    json_t *o = json_object();
    bool bad = !o || json_object_set_new(o, "side", json_string(sides[side])) ||
               json_object_set_new(o, "model", t->report.name[side] ? pt_report_text(t->report.name[side]) : json_null()) ||
               json_object_set_new(o, "item", json_integer((json_int_t)p->scene + 1)) || json_object_set_new(o, "repeat", json_integer(p->repeat)) ||
               json_object_set_new(o, "group", pt_report_text(ps->transcripts[i].group)) || json_object_set_new(o, "turns", turns_of(ps, i, "speaker", true)) ||
               json_object_set_new(o, "ended_by", json_string(p->stopped)) || (p->failure && json_object_set_new(o, "failure", pt_report_text(p->failure))) ||
               json_object_set(o, "fields", p->set) || json_object_set(o, "row", (json_t *)ps->transcripts[i].row);
    char *text = bad ? NULL : json_dumps(o, 0);
    pt_status rc = text ? pt_str_printf(out, "%s\n", text) : pt_fail(PT_ENOMEM, "out of memory writing dialogues");
    free(text);
    json_decref(o);
    return rc;
}

pt_status pt_dialogue_dump(const pt_task *t, pt_dialogue *d, pt_side side)
{
    pt_plays *ps = &d->side[side];
    pt_str *const lines[2] = {&d->side[0].dumped, &d->side[1].dumped};
    if (!pt_task_text(t, "dump")) return PT_OK;
    ps->dumped.len = 0;
    for (size_t i = 0; i < ps->n; i++) PT_RETURN(dump_line(t, ps, i, side, &ps->dumped));
    return pt_writing_dump_lines(t, lines);
}

enum { SHOWN = 20 };

pt_status pt_dialogue_json(const pt_task *t, const pt_dialogue *d, json_t *o)
{
    json_t *talks = json_array(), *voices = json_array();
    size_t left = 0;
    bool bad = json_object_set_new(o, "talks", talks) || json_object_set_new(o, "voices", voices);
    for (int s = 0; s < 2; s++) bad = bad || (d->side[s].voices && json_array_extend(voices, d->side[s].voices));
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < d->side[s].n && !bad; i++) {
            const pt_play *p = &d->side[s].list[i];
            pt_str name = {0};
            if (i >= SHOWN) {
                left++;
                continue;
            }
            pt_status rc = pt_str_printf(&name, "%s%sscene %zu", d->side[s].transcripts[i].group, *d->side[s].transcripts[i].group ? ", " : "", p->scene + 1);
            if (rc == PT_OK && p->repeat) rc = pt_str_printf(&name, ", again (%d)", p->repeat);
            if (rc == PT_OK && strcmp(p->stopped, "turns")) rc = pt_str_printf(&name, "; ended by %s%s%s", p->stopped, p->failure ? ": " : "", p->failure ? p->failure : "");
            json_t *x = json_object();
            bad = rc != PT_OK || !x || json_object_set_new(x, "side", json_string(sides[s])) || json_object_set_new(x, "name", pt_report_text(name.text)) ||
                  json_object_set_new(x, "turns", turns_of(&d->side[s], i, "who", false)) || json_object_set(x, "fields", p->set);
            bad = json_array_append_new(talks, x) || bad;
            pt_str_free(&name);
        }
    if (left) bad = bad || json_object_set_new(o, "talks_left_out", json_integer((json_int_t)left));
    return bad ? pt_fail(PT_ENOMEM, "out of memory writing dialogues") : PT_OK;
}
