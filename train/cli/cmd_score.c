/* score and tokenize: what a model and its tokenizer say about given text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/cli/open.h"

typedef struct scored { json_t *row; pt_ids ids; int32_t end; } scored; /* end: where a reward model reads its score */

static pt_status ids_from_json(const pt_rows *r, json_t *list, int32_t vocab, pt_ids *out)
{
    size_t n = json_array_size(list);
    PT_RETURN(pt_reserve(&out->ids, &out->cap, n + 1));
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_array_get(list, i);
        json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || id >= vocab) return pt_rows_fail(r, "input_ids[%zu] is no id below %d", i, vocab);
        out->ids[out->n++] = (int32_t)id;
    }
    return PT_OK;
}

static bool is_among(int32_t id, const int32_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == id) return true;
    return false;
}

/* Where the answer of given text or ids ends: the first end token of what trails behind it (end tokens, padding, white space); the last
 * token where there is no end token. A line break after the end token, and padding, were never trained on. */
static pt_status find_end(const pt_opened *o, const pt_ids *ids, int32_t *end)
{
    const pt_tokenizer *t = o->base.tok;
    size_t n = 0;
    const int32_t *stops = !t ? NULL : o->base.tmpl ? pt_template_stops(o->base.tmpl, &n) : pt_tok_stops(t, &n);
    pt_status rc = PT_OK;
    pt_str text = {0};
    *end = (int32_t)ids->n - 1;
    for (size_t i = ids->n; t && i-- > 0;) {
        if (is_among(ids->ids[i], stops, n)) {
            *end = (int32_t)i;
            continue;
        }
        if (ids->ids[i] == pt_tok_pad(t)) continue;
        text.len = 0;
        if (ids->ids[i] >= pt_tok_vocab_size(t)) break;
        PT_TRY(pt_tok_decode(t, &ids->ids[i], 1, false, &text));
        if (!text.len || strspn(text.text, " \t\r\n") != text.len) break;
    }
done:
    pt_str_free(&text);
    return rc;
}

/* A text or conversation as type labels trains it: what is judged ends with its last turn. */
static bool judged(const pt_opened *o)
{
    const pt_data_type *t = o->is_run && o->reward && o->cfg->data.n_datasets ? pt_data_type_find(o->cfg->data.datasets[0].type) : NULL;
    return t && t->judged;
}

/* A conversation as it is trained: the assistant's turns are encoded apart from their prompts, and what is scored ends in the end token of
 * the last answer. */
static pt_status ids_of_messages(const pt_opened *o, const pt_rows *r, scored *x)
{
    pt_status rc = PT_OK;
    pt_chat chat = {0};
    pt_rendered out = {0};
    PT_TRY(pt_chat_read(r, x->row, &chat));
    pt_message *m = chat.m;
    size_t n = chat.n;
    bool last = judged(o), waits = !last && !pt_speaker_is(m[n - 1].speaker, PT_ASSISTANT);
    for (size_t i = 0; i < n; i++) m[i].weight = last ? i == n - 1 : pt_speaker_is(m[i].speaker, PT_ASSISTANT) && (!o->reward || i == n - 1);
    rc = pt_template_render(o->base.tmpl, m, n, waits, &out);
    if (rc != PT_OK && out.rewrites) { /* earlier answers are not as they were said: context, encoded with what stands before them */
        for (size_t i = 0; i + 1 < n; i++) m[i].weight = 0;
        pt_rendered_clear(&out);
        rc = pt_template_render(o->base.tmpl, m, n, waits, &out);
    }
    PT_TRY(rc);
    while (last && out.ids.n > 1 && !(out.weight[out.ids.n - 1] > 0)) out.ids.n--;
    x->end = !waits && out.n_answers ? out.answer_end[out.n_answers - 1] : (int32_t)out.ids.n - 1;
    if (x->end < 0 || (size_t)x->end >= out.ids.n) x->end = (int32_t)out.ids.n - 1;
    x->ids = out.ids;
    out.ids = (pt_ids){0};
done:
    pt_chat_free(&chat);
    pt_rendered_free(&out);
    return rc;
}

/* text: BOS as the tokenizer adds it; messages: the whole conversation as trained. */
static pt_status ids_of_row(const pt_opened *o, const pt_rows *r, scored *x)
{
    json_t *ids = json_object_get(x->row, "input_ids"), *messages = json_object_get(x->row, "messages"), *text = json_object_get(x->row, "text");
    if (json_is_array(ids)) {
        PT_RETURN(ids_from_json(r, ids, pt_source_config(o->base.source)->vocab, &x->ids));
        return find_end(o, &x->ids, &x->end);
    }
    if (!o->base.tok) return pt_rows_fail(r, "this model has no tokenizer: give input_ids");
    if (json_is_string(text)) {
        PT_RETURN(pt_tok_encode_document(o->base.tok, json_string_value(text), json_string_length(text), judged(o), &x->ids, NULL));
        if (judged(o)) return x->end = (int32_t)x->ids.n - 1, PT_OK;
        return find_end(o, &x->ids, &x->end);
    }
    if (!messages) return pt_rows_fail(r, "a row has input_ids, messages or text");
    if (!o->base.tmpl) return pt_rows_fail(r, "this model has no chat template that is known here; set --chat_template=NAME");
    return ids_of_messages(o, r, x);
}

static pt_status set_logprobs(json_t *row, const float *logp, size_t n)
{
    json_t *list = json_array();
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (!isfinite(logp[i])) {
            json_decref(list);
            return pt_fail(PT_ENONFINITE, "the log-probability of token %zu is not finite: the weights hold a NaN or infinity", i + 2);
        }
        sum += logp[i];
        json_array_append_new(list, json_real(logp[i]));
    }
    json_object_set_new(row, "logprobs", list);
    json_object_set_new(row, "nll", json_real(n > 1 ? -sum / (double)(n - 1) : 0));
    json_object_set_new(row, "tokens", json_integer((json_int_t)n));
    return PT_OK;
}

/* One number is a score; several are a list. */
static pt_status put_values(json_t *row, const float *value, int width)
{
    json_t *list = width > 1 ? json_array() : NULL;
    for (int k = 0; k < width; k++) {
        if (!isfinite(value[k])) {
            json_decref(list);
            return pt_fail(PT_ENONFINITE, "the score is not finite: the weights hold a NaN or infinity");
        }
        if (list) json_array_append_new(list, json_real((double)value[k]));
    }
    if (list) json_object_set_new(row, "scores", list);
    else json_object_set_new(row, "score", json_real((double)value[0]));
    return PT_OK;
}

/* A reward model reads its score at the answer's end token, as in training: what stands behind it is left out. */
static pt_status values_of(pt_opened *o, const scored *x, int32_t token, float *value)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    int32_t end = x->end;
    if (o->pooling == PT_POOL_TOKEN) {
        while (end >= 0 && x->ids.ids[end] != token) end--;
        PT_CHECK(end >= 0, PT_EARG, "a row without '%s', which this model reads", o->cfg->data.pooling_token);
    }
    pt_seq seq = {.ids = x->ids.ids, .n = end + 1, .end_index = end, .pool = o->pooling == PT_POOL_MEAN ? end : 0};
    PT_TRY(pt_batch_build(&b, &seq, 1, PT_PACKING_OFF));
    PT_TRY(pt_model_load_batch(o->model, &b, 0, false));
    PT_TRY(pt_model_forward(o->model, PT_SLOT_OWN, false));
    PT_TRY(pt_model_values(o->model, value));
done:
    pt_batch_free(&b);
    return rc;
}

static pt_status read_all(pt_cli *c, pt_opened *o, scored **out, size_t *n_out, size_t *longest)
{
    pt_status rc = PT_OK;
    pt_rows rows = {0};
    scored *list = NULL;
    size_t n = 0, cap = 0;
    json_t *row;
    PT_TRY(pt_rows_open(&rows, c->input));
    for (;;) {
        PT_TRY(pt_rows_next(&rows, &row));
        if (!row) break;
        rc = pt_reserve(&list, &cap, n + 1);
        if (rc != PT_OK) json_decref(row);
        PT_TRY(rc);
        list[n++] = (scored){.row = row};
        PT_TRY(ids_of_row(o, &rows, &list[n - 1]));
        PT_CHECK(list[n - 1].ids.n > 0, PT_EARG, "%s:%lld: an empty sequence", c->input, rows.number);
        if (list[n - 1].ids.n > *longest) *longest = list[n - 1].ids.n;
    }
done:
    pt_rows_close(&rows);
    *out = list;
    *n_out = n;
    return rc;
}

/* ---- one model, or several that score together ---------------------------------------------------------------------------------- */

enum { MEAN, MINIMUM };
typedef struct ensemble {
    const char *path[2 * PT_CLI_MOST], *adapter[2 * PT_CLI_MOST]; /* [n] */
    int n, how, width;
    float *value[2 * PT_CLI_MOST]; /* [n]: [rows][width] */
    scored *list; /* the rows, by the tokenizer of the model that was opened last */
    size_t rows;
    char **labels; size_t n_labels; /* of the first */
    const char *problem;
} ensemble;

static void free_rows(scored *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_decref(list[i].row);
        free(list[i].ids.ids);
    }
    free(list);
}

/* Runs, or one run or model with several adapters. */
static pt_status find_members(pt_cli *c, ensemble *e)
{
    const char *how = c->ensemble;
    if (c->n_args < 1 || !c->input) return pt_fail(PT_EARG, "ptrain score RUN|MODEL ... [--adapter DIR ...] --input F.jsonl");
    if (c->n_args > 1 && c->adapters.n) return pt_fail(PT_EARG, "several runs, or one with several adapters: not both");
    if (how && strcmp(how, "mean") && strcmp(how, "minimum")) return pt_fail(PT_EARG, "--ensemble is mean or minimum, not '%s'", how);
    e->how = how && !strcmp(how, "minimum") ? MINIMUM : MEAN;
    e->n = c->adapters.n ? c->adapters.n : c->n_args;
    if (how && e->n < 2) return pt_fail(PT_EARG, "--ensemble takes several runs or adapters");
    for (int k = 0; k < e->n; k++) {
        e->path[k] = c->args[c->adapters.n ? 0 : k];
        e->adapter[k] = c->adapters.n ? c->adapters.at[k] : NULL;
    }
    return PT_OK;
}

static pt_status score_rows(ensemble *e, int k, pt_opened *o, pt_sink *sink, float *logp)
{
    pt_status rc = PT_OK;
    int32_t token = -1;
    if (o->reward && o->pooling == PT_POOL_TOKEN) PT_RETURN(pt_setup_pooling_token(o->cfg, o->base.tok, &token));
    if (o->reward) PT_RETURN(pt_alloc0(&e->value[k], e->rows * (size_t)e->width));
    for (size_t i = 0; i < e->rows; i++) {
        scored *x = &e->list[i];
        if (o->reward) {
            rc = values_of(o, x, token, e->value[k] + i * (size_t)e->width);
            if (rc != PT_OK) return pt_fail_prefix(rc, "row %zu", i + 1);
            json_object_set_new(x->row, "tokens", json_integer((json_int_t)x->end + 1));
            continue;
        }
        PT_RETURN(pt_model_token_logps(o->model, x->ids.ids, (int32_t)x->ids.n, o->adapter ? 0 : PT_SLOT_NONE, logp));
        PT_RETURN(set_logprobs(x->row, logp, x->ids.n));
        PT_RETURN(pt_sink_row(sink, x->row));
    }
    return rc;
}

/* What member k says of every row. */
static pt_status score_member(pt_cli *c, ensemble *e, int k, pt_sink *sink)
{
    pt_status rc = PT_OK;
    pt_opened o = {0};
    float *logp = NULL;
    size_t longest = 0;
    c->adapter_dir = e->adapter[k];
    PT_TRY(pt_open_named(c, e->path[k], false, &o));
    if (k == 0) PT_TRY(pt_guard_output(c, &o, c->output));
    PT_CHECK(o.reward || e->n == 1, PT_EARG, "%s gives no scores: an ensemble is of reward models or classifiers", e->adapter[k] ? e->adapter[k] : e->path[k]);
    free_rows(e->list, e->rows);
    e->list = NULL;
    e->rows = 0;
    PT_TRY(read_all(c, &o, &e->list, &e->rows, &longest));
    PT_CHECK(e->rows, PT_EARG, "%s holds no rows", c->input);
    PT_CHECK(longest < 1 << 22, PT_EARG, "a sequence of %zu tokens", longest);
    PT_TRY(pt_open_model(&o, (int32_t)longest, 0, 0));
    int width = o.reward ? pt_model_width(o.model) : 0;
    PT_CHECK(!k || width == e->width, PT_EARG, "%s gives %d numbers a row, and %s gives %d", e->path[k], width, e->path[0], e->width);
    e->width = width;
    if (!k && o.is_run && o.reward) {
        PT_TRY(pt_setup_labels(o.cfg, &e->labels, &e->n_labels));
        e->problem = o.cfg->objective->problem_type;
    }
    PT_TRY(pt_alloc0(&logp, longest));
    if (k == 0) PT_TRY(pt_sink_open(sink, c->output));
    PT_TRY(score_rows(e, k, &o, sink, logp));
done:
    free(logp);
    pt_open_close(&o);
    c->adapter_dir = NULL;
    return rc;
}

/* The names that a classifier's numbers say. */
static void put_predicted(const ensemble *e, json_t *row, const float *v)
{
    bool one = e->problem && !strcmp(e->problem, "single_label_classification"), many = e->problem && !strcmp(e->problem, "multi_label_classification");
    if (!(one || many) || e->n_labels != (size_t)e->width) return;
    json_t *list = many ? json_array() : NULL;
    int best = 0;
    for (int k = 0; k < e->width; k++) {
        if (v[k] > v[best]) best = k;
        if (many && v[k] > 0) json_array_append_new(list, json_string(e->labels[k]));
    }
    json_object_set_new(row, "predicted", many ? list : json_string(e->labels[best]));
}

static pt_status put_scores(ensemble *e, pt_sink *sink)
{
    pt_status rc = PT_OK;
    float *v = NULL;
    size_t width = (size_t)e->width;
    PT_TRY(pt_alloc0(&v, width));
    for (size_t i = 0; i < e->rows; i++) {
        json_t *row = e->list[i].row, *each = e->n > 1 ? json_array() : NULL;
        for (size_t j = 0; j < width; j++) {
            double sum = 0, least = INFINITY;
            for (int k = 0; k < e->n; k++) {
                double x = (double)e->value[k][i * width + j];
                sum += x;
                least = x < least ? x : least;
            }
            v[j] = (float)(e->n == 1 ? sum : e->how == MINIMUM ? least : sum / e->n);
        }
        for (int k = 0; each && k < e->n; k++) {
            json_t *one = width > 1 ? json_array() : NULL;
            for (size_t j = 0; one && j < width; j++) json_array_append_new(one, json_real((double)e->value[k][i * width + j]));
            json_array_append_new(each, one ? one : json_real((double)e->value[k][i]));
        }
        if (each) json_object_set_new(row, "each", each);
        PT_TRY(put_values(row, v, e->width));
        put_predicted(e, row, v);
        PT_TRY(pt_sink_row(sink, row));
    }
done:
    free(v);
    return rc;
}

pt_status pt_cmd_score(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_sink sink = {0};
    ensemble e = {0};
    PT_TRY(find_members(c, &e));
    for (int k = 0; k < e.n; k++) PT_TRY(score_member(c, &e, k, &sink));
    if (e.width) PT_TRY(put_scores(&e, &sink));
    PT_TRY(pt_sink_commit(&sink));
done:
    free_rows(e.list, e.rows);
    for (int k = 0; k < e.n; k++) free(e.value[k]);
    pt_dataset_labels_free(e.labels, e.n_labels);
    pt_sink_close(&sink);
    return rc;
}

static pt_status open_tokenizer(pt_cli *c, const char *path, pt_tokenizer **tok)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    char *yaml = NULL;
    const char *from = path;
    int32_t first;
    PT_TRY(pt_path_join(&yaml, path, "config.yaml"));
    if (pt_file_exists(yaml)) { /* a RUN: the tokenizer that it was trained with */
        PT_TRY(pt_config_load(&cfg, yaml, c->settings, (size_t)c->n_settings));
        from = cfg->model.tokenizer ? cfg->model.tokenizer : cfg->model.base_model;
        PT_CHECK(from, PT_EARG, "%s was trained on ids, without a tokenizer", path);
    }
    PT_TRY(pt_source_tokenizer_at(tok, from));
    if (cfg && cfg->model.n_added_tokens) PT_TRY(pt_tok_grow(*tok, (const char *const *)cfg->model.added_tokens, cfg->model.n_added_tokens, &first));
done:
    pt_config_free(cfg);
    free(yaml);
    return rc;
}

pt_status pt_cmd_tokenize(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_tokenizer *tok = NULL;
    pt_rows rows = {0};
    pt_sink sink = {0};
    pt_ids ids = {0};
    json_t *row = NULL;
    PT_CHECK(c->n_args == 1 && c->input, PT_EARG, "ptrain tokenize MODEL|tokenizer.json --input F.jsonl");
    PT_TRY(pt_guard_output(c, NULL, c->output));
    PT_TRY(open_tokenizer(c, c->args[0], &tok));
    PT_TRY(pt_rows_open(&rows, c->input));
    PT_TRY(pt_sink_open(&sink, c->output));
    for (;;) {
        PT_TRY(pt_rows_next(&rows, &row));
        if (!row) break;
        json_t *text = json_object_get(row, "text"), *list = json_array();
        ids.n = 0;
        rc = json_is_string(text) ? pt_tok_encode(tok, json_string_value(text), json_string_length(text), true, true, &ids)
                                  : pt_rows_fail(&rows, "a row has a text");
        for (size_t i = 0; i < ids.n; i++) json_array_append_new(list, json_integer(ids.ids[i]));
        json_object_set_new(row, "input_ids", list);
        if (rc == PT_OK) rc = pt_sink_row(&sink, row);
        json_decref(row);
        PT_TRY(rc);
    }
    PT_TRY(pt_sink_commit(&sink));
done:
    free(ids.ids);
    pt_sink_close(&sink);
    pt_rows_close(&rows);
    pt_tok_free(tok);
    return rc;
}
