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
    for (size_t i = 0; i < n; i++) {
        if (!chosen(&specs[i], only)) continue;
        pt_status rc = pt_task_open(&s->tasks[s->n++], &specs[i], seed);
        if (rc != PT_OK) return rc;
        if (limit > 0) s->tasks[s->n - 1].limit = (size_t)limit;
    }
    return only && !s->n ? no_entry(specs, n, only) : PT_OK;
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
    if (s->data) PT_RETURN(pt_evaluate_ask(s->data, speller, &s->requests));
    for (size_t i = 0; i < s->n; i++) {
        pt_task *t = &s->tasks[i];
        t->first = s->requests.n;
        PT_RETURN(t->kind->ask(t, speller, &s->requests));
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
            PT_RETURN(pt_convergence_find(&s->tasks[i].findings, &s->tasks[k].findings, other->name ? other->name : pt_path_base(other->path), side));
        }
    }
    return PT_OK;
}

static const pt_voices nobody;

static pt_status judge(pt_suite *s, const pt_reply *replies, pt_side side, const char *name)
{
    PT_RETURN(pt_report_name(&s->report, side, name));
    if (s->data && s->data->pairs.n) PT_RETURN(pt_alloc0(&s->pairs[side], s->data->pairs.n));
    if (s->data) PT_RETURN(pt_evaluate_judge(s->data, replies, &s->report, side, &s->texts[side], s->pairs[side]));
    for (size_t i = 0; i < s->n; i++) {
        pt_task *t = &s->tasks[i];
        PT_RETURN(pt_report_name(&t->report, side, name));
        if (t->kind->talk) PT_RETURN(t->kind->talk(t, replies + t->first, s->voices ? s->voices : &nobody, side));
        PT_RETURN(t->kind->judge(t, replies + t->first, side));
        PT_RETURN(pt_task_measure(t, side));
    }
    return converge(s, side);
}

pt_status pt_suite_measure(pt_suite *s, pt_runner *r, pt_side side, const char *name)
{
    pt_status rc = PT_OK;
    pt_reply *replies = NULL;
    PT_TRY(pt_alloc0(&replies, s->requests.n));
    PT_TRY(pt_runner_run(r, &s->requests, replies));
    if (!r->comm || !r->comm->rank) PT_TRY(judge(s, replies, side, name));
done:
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
    json_t *root = NULL, *list = NULL, *task;
    PT_TRY(pt_report_object(&s->report, &root));
    if (s->n) {
        list = json_array();
        PT_CHECK(!json_object_set_new(root, "tasks", list), PT_ENOMEM, "out of memory writing the report");
    }
    for (size_t i = 0; i < s->n; i++) {
        PT_TRY(pt_task_json(&s->tasks[i], &task));
        PT_CHECK(!json_array_append_new(list, task), PT_ENOMEM, "out of memory writing the report");
    }
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
