#include "eval/suite/suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/suite/pair_sets.h"
#include "eval/task/convergence.h"

static bool chosen(const pt_task_spec *s, const char *only)
{
    return !only || (s->name && !strcmp(s->name, only)) || (s->task && !strcmp(s->task, only));
}

/* Chosen itself, or what a chosen one is about. */
static bool wanted(const pt_task_spec *specs, size_t n, size_t at, const char *only)
{
    bool yes = chosen(&specs[at], only);
    for (size_t i = 0; i < n && !yes && specs[at].name; i++) {
        const pt_entry_option *of = pt_task_source_of(&specs[i]);
        yes = of && chosen(&specs[i], only) && !strcmp(of->value, specs[at].name);
    }
    return yes;
}

/* What the entry is about, among those that are open. */
static pt_status find_source(const pt_suite *s, const pt_task_spec *spec, const pt_task **source)
{
    const pt_entry_option *of = pt_task_source_of(spec);
    for (size_t i = 0; i < s->n; i++) {
        const pt_task *t = &s->tasks[i];
        if (!t->spec->name || strcmp(t->spec->name, of->value)) continue;
        if (!t->kind || !t->kind->transcripts) return pt_entry_fail(spec->file, of->line, of->column, "%s: %s is no dialogue: it has no transcripts", of->name, of->value);
        *source = t;
        return PT_OK;
    }
    return pt_entry_fail(spec->file, of->line, of->column, "%s: no evaluation is called '%s' (a dialogue's `name`)", of->name, of->value);
}

static pt_status no_entry(const pt_task_spec *specs, size_t n, const char *only)
{
    pt_str known = {0};
    for (size_t i = 0; i < n; i++)
        if (pt_str_printf(&known, "%s%s", known.len ? ", " : "", specs[i].name ? specs[i].name : specs[i].task ? specs[i].task : "?") != PT_OK) break;
    pt_status rc = n ? pt_fail(PT_EARG, "no evaluation is called '%s'; there are: %s", only, known.text ? known.text : "")
                     : pt_fail(PT_EARG, "no evaluation is called '%s': the config has no `evaluations`", only);
    pt_str_free(&known);
    return rc;
}

pt_status pt_suite_open(pt_suite *s, pt_evaluation *data, const pt_task_spec *specs, size_t n, const char *only, int limit, uint64_t seed)
{
    s->data = data;
    pt_report_init(&s->report);
    PT_RETURN(pt_alloc0(&s->tasks, n));
    for (size_t i = 0; i < n; i++)
        if (wanted(specs, n, i, only)) s->tasks[s->n++].spec = &specs[i];
    if (only && !s->n) return no_entry(specs, n, only);
    for (int behind = 0; behind < 2; behind++) /* those that others come after first */
        for (size_t i = 0; i < s->n; i++) {
            pt_task *t = &s->tasks[i];
            const pt_task *source = NULL;
            if ((pt_task_source_of(t->spec) != NULL) != behind) continue;
            if (behind) PT_RETURN(find_source(s, t->spec, &source));
            PT_RETURN(pt_task_open_behind(t, t->spec, seed, source));
            if (limit > 0) t->limit = (size_t)limit;
        }
    return PT_OK;
}

pt_status pt_suite_meet(const pt_suite *s, pt_meetings *m)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->tasks[i].kind->meet) PT_RETURN(s->tasks[i].kind->meet(&s->tasks[i], m));
    return PT_OK;
}

void pt_suite_free(pt_suite *s)
{
    for (size_t i = 0; i < s->n; i++) pt_task_close(&s->tasks[i]);
    for (int i = 0; i < 2; i++) {
        pt_eval_texts_free(&s->texts[i]);
        free(s->pairs[i]);
    }
    free(s->tasks);
    pt_requests_free(&s->requests);
    pt_report_free(&s->report);
    *s = (pt_suite){0};
}

pt_status pt_suite_ask(pt_suite *s, const pt_speller *speller)
{
    pt_requests_free(&s->requests);
    s->speller = *speller;
    if (s->data) PT_RETURN(pt_evaluate_ask(s->data, speller, &s->requests));
    for (size_t i = 0; i < s->n; i++) {
        pt_task *t = &s->tasks[i];
        t->first = s->requests.n;
        if (!t->source) PT_RETURN(t->kind->ask(t, speller, &s->requests));
    }
    return PT_OK;
}

/* Scales of questionnaires, each with those of its own and of those before it. */
static pt_status converge(pt_suite *s, pt_side side)
{
    for (size_t i = 0; i < s->n; i++) {
        PT_RETURN(pt_convergence_find(&s->tasks[i].findings, NULL, NULL, side));
        for (size_t k = 0; k < i; k++) {
            const pt_task_spec *other = s->tasks[k].spec;
            PT_RETURN(pt_convergence_find(&s->tasks[i].findings, &s->tasks[k].findings, other->name ? other->name : other->path ? pt_path_base(other->path) : other->task, side));
        }
    }
    return PT_OK;
}

static const pt_voices nobody;

static pt_status judge_task(pt_suite *s, pt_task *t, const pt_reply *replies, pt_side side, const char *name)
{
    PT_RETURN(pt_report_name(&t->report, side, name));
    if (t->kind->talk) PT_RETURN(t->kind->talk(t, replies, s->voices ? s->voices : &nobody, side));
    PT_RETURN(t->kind->judge(t, replies, side));
    return pt_task_measure(t, side);
}

/* What is asked about transcripts, or after them, is known now. */
static pt_status judge_behind(pt_suite *s, pt_server *server, pt_side side, const char *name)
{
    pt_status rc = PT_OK;
    pt_requests q = {0};
    pt_reply *replies = NULL;
    const pt_model_caps *caps = &server->runners[0]->caps;
    for (size_t i = 0; i < s->n; i++) {
        pt_task *t = &s->tasks[i];
        if (!t->source) continue;
        t->side = side;
        t->first = q.n;
        PT_TRY(t->kind->ask(t, &s->speller, &q));
        for (size_t k = t->first; k < q.n; k++) {
            const pt_request *r = &q.list[k];
            const long long has = r->ask == PT_ASK_TEXT ? (long long)r->n + r->sampling.max_new_tokens + 1 : r->to, room = r->ask == PT_ASK_TEXT ? caps->decode_len : caps->tokens;
            if (has > room) PT_TRY(pt_task_fail(t, "behind a transcript a question has %lld tokens, and %lld are planned for: `context` says how long it may become", has, room));
        }
    }
    PT_TRY(pt_alloc0(&replies, q.n));
    if (q.n) PT_TRY(pt_server_run(server, 0, &q, replies));
    for (size_t i = 0; i < s->n; i++)
        if (s->tasks[i].source) PT_TRY(judge_task(s, &s->tasks[i], replies + s->tasks[i].first, side, name));
done:
    pt_replies_free(replies, q.n);
    pt_requests_free(&q);
    return rc;
}

/* Rank 0 alone. */
static pt_status judge(pt_suite *s, pt_server *server, const pt_reply *replies, pt_side side, const char *name)
{
    PT_RETURN(pt_report_name(&s->report, side, name));
    if (s->data && s->data->pairs.n) PT_RETURN(pt_alloc0(&s->pairs[side], s->data->pairs.n));
    if (s->data) PT_RETURN(pt_evaluate_judge(s->data, replies, &s->report, side, &s->texts[side], s->pairs[side]));
    for (size_t i = 0; i < s->n; i++)
        if (!s->tasks[i].source) PT_RETURN(judge_task(s, &s->tasks[i], replies + s->tasks[i].first, side, name));
    PT_RETURN(judge_behind(s, server, side, name));
    return converge(s, side);
}

pt_status pt_suite_measure(pt_suite *s, pt_runner *r, pt_side side, const char *name)
{
    pt_status rc = PT_OK;
    pt_reply *replies = NULL;
    pt_server alone = {.comm = r->comm}, *server = s->server ? s->server : &alone;
    size_t number;
    if (!s->server) PT_TRY(pt_server_add(&alone, r, &number));
    PT_TRY(pt_alloc0(&replies, s->requests.n));
    PT_TRY(pt_server_all(server, 0, &s->requests, replies));
    if (r->comm && r->comm->rank) rc = pt_server_serve(server);
    else rc = pt_server_end(server, judge(s, server, replies, side, name));
done:
    pt_server_free(&alone);
    pt_replies_free(replies, s->requests.n);
    return rc;
}

pt_status pt_suite_table(const pt_suite *s, pt_str *out)
{
    if (s->data) PT_RETURN(pt_report_table(&s->report, out));
    else PT_RETURN(pt_report_names(&s->report, out));
    PT_RETURN(pt_pair_sets_table(s, 1, out));
    for (size_t i = 0; i < s->n; i++) PT_RETURN(pt_task_table(&s->tasks[i], out));
    return PT_OK;
}

pt_status pt_suite_object(const pt_suite *s, json_t **out)
{
    pt_status rc = PT_OK;
    json_t *root = NULL, *list = NULL, *task, *answers = NULL;
    PT_TRY(pt_report_object(&s->report, &root));
    if (s->n) {
        list = json_array();
        PT_CHECK(!json_object_set_new(root, "tasks", list), PT_ENOMEM, "out of memory writing the report");
    }
    for (size_t i = 0; i < s->n; i++) {
        PT_TRY(pt_task_json(&s->tasks[i], &task));
        PT_CHECK(!json_array_append_new(list, task), PT_ENOMEM, "out of memory writing the report");
    }
    PT_TRY(pt_suite_answers(s, &answers));
    PT_CHECK(!answers || !json_object_set_new(root, "answers", answers), PT_ENOMEM, "out of memory writing the report");
done:
    if (rc != PT_OK) json_decref(root);
    *out = rc == PT_OK ? root : NULL;
    return rc;
}

pt_status pt_suite_json(const pt_suite *s, char **out)
{
    json_t *root, *pairs;
    *out = NULL;
    PT_RETURN(pt_suite_object(s, &root));
    pt_status rc = pt_pair_sets_object(s, 1, &pairs);
    if (rc == PT_OK && pairs && json_object_set_new(root, "pairs", pairs)) rc = pt_fail(PT_ENOMEM, "out of memory writing the report");
    if (rc != PT_OK) {
        json_decref(root);
        return rc;
    }
    *out = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    json_decref(root);
    return *out ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}
