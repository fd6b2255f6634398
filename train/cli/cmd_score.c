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
    bool waits = !pt_speaker_is(m[n - 1].speaker, PT_ASSISTANT);
    for (size_t i = 0; i < n; i++) m[i].weight = pt_speaker_is(m[i].speaker, PT_ASSISTANT) && (!o->reward || i == n - 1);
    PT_TRY(pt_template_render(o->base.tmpl, m, n, waits, &out));
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
        PT_RETURN(pt_tok_encode_document(o->base.tok, json_string_value(text), json_string_length(text), false, &x->ids, NULL));
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
static pt_status set_reward(pt_opened *o, const scored *x)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    float *value = NULL;
    int width = pt_model_width(o->model);
    pt_seq seq = {.ids = x->ids.ids, .n = x->end + 1, .end_index = x->end};
    PT_TRY(pt_alloc0(&value, width));
    PT_TRY(pt_batch_build(&b, &seq, 1, PT_PACKING_OFF));
    PT_TRY(pt_model_load_batch(o->model, &b, 0, false));
    PT_TRY(pt_model_forward(o->model, PT_SLOT_OWN, false));
    PT_TRY(pt_model_values(o->model, value));
    PT_TRY(put_values(x->row, value, width));
    json_object_set_new(x->row, "tokens", json_integer((json_int_t)seq.n));
done:
    pt_batch_free(&b);
    free(value);
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

pt_status pt_cmd_score(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_opened o = {0};
    pt_sink sink = {0};
    scored *list = NULL;
    float *logp = NULL;
    size_t n = 0, longest = 0;
    PT_CHECK(c->n_args == 1 && c->input, PT_EARG, "ptrain score RUN|MODEL [--adapter DIR] --input F.jsonl");
    PT_TRY(pt_open_named(c, c->args[0], false, &o));
    PT_TRY(pt_guard_output(c, &o, c->output));
    PT_TRY(read_all(c, &o, &list, &n, &longest));
    PT_CHECK(n, PT_EARG, "%s holds no rows", c->input);
    PT_CHECK(longest < 1 << 22, PT_EARG, "a sequence of %zu tokens", longest);
    PT_TRY(pt_open_model(&o, (int32_t)longest, 0, 0));
    PT_TRY(pt_alloc0(&logp, longest));
    PT_TRY(pt_sink_open(&sink, c->output));
    for (size_t i = 0; i < n; i++) {
        if (o.reward) {
            PT_TRY(set_reward(&o, &list[i]));
        } else {
            PT_TRY(pt_model_token_logps(o.model, list[i].ids.ids, (int32_t)list[i].ids.n, o.adapter ? 0 : PT_SLOT_NONE, logp));
            PT_TRY(set_logprobs(list[i].row, logp, list[i].ids.n));
        }
        PT_TRY(pt_sink_row(&sink, list[i].row));
    }
    PT_TRY(pt_sink_commit(&sink));
done:
    for (size_t i = 0; i < n; i++) {
        json_decref(list[i].row);
        free(list[i].ids.ids);
    }
    free(list);
    free(logp);
    pt_sink_close(&sink);
    pt_open_close(&o);
    return rc;
}

static pt_status open_tokenizer(pt_cli *c, const char *path, pt_tokenizer **tok)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    char *yaml = NULL;
    const char *from = path;
    PT_TRY(pt_path_join(&yaml, path, "config.yaml"));
    if (pt_file_exists(yaml)) { /* a RUN: the tokenizer that it was trained with */
        PT_TRY(pt_config_load(&cfg, yaml, c->settings, (size_t)c->n_settings));
        from = cfg->model.tokenizer ? cfg->model.tokenizer : cfg->model.base_model;
        PT_CHECK(from, PT_EARG, "%s was trained on ids, without a tokenizer", path);
    }
    PT_TRY(pt_source_tokenizer_at(tok, from));
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
