/* generate: rows of prompts in, rows with answers out. */
#include <stdlib.h>
#include <string.h>

#include "train/cli/beam_options.h"
#include "train/cli/constrained.h"
#include "train/cli/generation.h"
#include "train/generate/beams.h"

typedef struct job {
    json_t *row;
    pt_ids prompt;
    pt_constraint *constraint; /* what is new must be this; NULL: free */
    bool goes_on; /* an answer that is continued: what is new begins within a text */
} job;

typedef struct jobs {
    job *list;
    size_t n, cap;
    const pt_gen_options *g;
    pt_constrained held;
} jobs;

static void jobs_free(jobs *j)
{
    for (size_t i = 0; i < j->n; i++) {
        json_decref(j->list[i].row);
        free(j->list[i].prompt.ids);
    }
    free(j->list);
    pt_constrained_close(&j->held);
}

/* The ids of a conversation that waits for an answer. */
static pt_status render(const pt_opened *o, const pt_message *m, size_t n, pt_ids *out)
{
    pt_rendered r = {0};
    pt_status rc = pt_template_render(o->base.tmpl, m, n, true, &r);
    if (rc == PT_OK) {
        *out = r.ids;
        r.ids = (pt_ids){0};
    }
    pt_rendered_free(&r);
    return rc;
}

static pt_status render_prompt(pt_cli *c, const pt_opened *o, const char *text, size_t bytes, const char *system, pt_ids *out)
{
    pt_message m[2];
    size_t n = 0;
    if (c->raw) return pt_tok_encode_document(o->base.tok, text, bytes, false, out, NULL);
    if (system) m[n++] = (pt_message){.speaker = PT_SYSTEM, .text = system, .bytes = strlen(system)};
    m[n++] = (pt_message){.speaker = PT_USER, .text = text, .bytes = bytes};
    return render(o, m, n, out);
}

/* Takes row over. */
static pt_status add_job(pt_cli *c, const pt_opened *o, const pt_rows *rows, json_t *row, const char *system, jobs *j)
{
    json_t *messages = json_object_get(row, "messages"), *prompt = json_object_get(row, "prompt");
    pt_status rc = pt_reserve(&j->list, &j->cap, j->n + 1);
    if (rc != PT_OK) {
        json_decref(row);
        return rc;
    }
    job *x = &j->list[j->n++];
    *x = (job){.row = row};
    PT_RETURN(pt_constrained_row(o, j->g, rows, row, &j->held, &x->constraint));
    if (json_is_string(prompt)) return render_prompt(c, o, json_string_value(prompt), json_string_length(prompt), system, &x->prompt);
    if (!messages || c->raw) return pt_rows_fail(rows, c->raw ? "--raw takes rows of {\"prompt\": TEXT}" : "a row has messages or a prompt text");
    pt_chat chat = {0};
    rc = pt_chat_read(rows, row, &chat);
    if (rc == PT_OK) {
        const pt_message *last = &chat.m[chat.n - 1];
        x->goes_on = pt_speaker_is(last->speaker, PT_ASSISTANT) && last->bytes > 0;
        rc = render(o, chat.m, chat.n, &x->prompt);
        if (rc != PT_OK && rc != PT_ENOMEM) rc = pt_rows_fail(rows, "%s", pt_err_msg());
    }
    pt_chat_free(&chat);
    return rc;
}

static bool is_constitution(json_t *row)
{
    return json_is_string(json_object_get(row, "trait")) && json_is_array(json_object_get(row, "questions")) && !json_object_get(row, "prompt") &&
           !json_object_get(row, "messages");
}

/* OpenCharacter's constitutions: a trait and questions that call for it. Each question is a row {trait, prompt}, asked behind the trait, or behind the system
 * text that the command gives. Takes row over. */
static pt_status add_questions(pt_cli *c, const pt_opened *o, const pt_rows *rows, json_t *row, const char *system, jobs *j)
{
    static const char *const lists[] = {"questions", "additional_questions"};
    json_t *trait = json_object_get(row, "trait"), *q;
    size_t i, before = j->n;
    pt_status rc = PT_OK;
    for (int k = 0; k < 2; k++)
        json_array_foreach(json_object_get(row, lists[k]), i, q)
        {
            json_t *one = json_is_string(q) ? json_pack("{s:O, s:O}", "trait", trait, "prompt", q) : NULL;
            PT_CHECK(one, PT_EARG, "%s:%lld: element %zu of '%s' is no question", rows->path, rows->number, i + 1, lists[k]);
            PT_TRY(add_job(c, o, rows, one, system ? system : json_string_value(trait), j));
        }
    PT_CHECK(j->n > before, PT_EARG, "%s:%lld: a trait without a question", rows->path, rows->number);
done:
    json_decref(row);
    return rc;
}

static pt_status collect(pt_cli *c, const pt_opened *o, jobs *j)
{
    pt_status rc = PT_OK;
    pt_rows rows = {0};
    json_t *row = NULL;
    const char *system = c->system;
    if (c->role) PT_TRY(pt_open_profile(o, c->role, &system));
    if (c->prompt) {
        row = json_pack("{s:s}", "prompt", c->prompt);
        PT_CHECK(row, PT_EARG, "--prompt is not valid UTF-8");
        PT_TRY(add_job(c, o, NULL, row, system, j));
        return PT_OK;
    }
    PT_TRY(pt_rows_open(&rows, c->input));
    for (;;) {
        PT_TRY(pt_rows_next(&rows, &row));
        if (!row) break;
        PT_TRY((is_constitution(row) ? add_questions : add_job)(c, o, &rows, row, system, j));
    }
    PT_CHECK(j->n, PT_EARG, "%s holds no rows", c->input);
done:
    pt_rows_close(&rows);
    return rc;
}

/* The new text. What continues a text keeps the space that it begins with. */
static pt_status decode(const pt_opened *o, const job *x, const pt_ids *ids, pt_str *text)
{
    pt_status rc = PT_OK;
    pt_tok_stream s = {.started = true};
    if (!x->goes_on) return pt_tok_decode(o->base.tok, ids->ids, ids->n, true, text);
    for (size_t i = 0; i < ids->n; i++) PT_TRY(pt_tok_stream_next(o->base.tok, &s, ids->ids[i], true, text));
    PT_TRY(pt_tok_stream_end(&s, text));
done:
    pt_tok_stream_free(&s);
    return rc;
}

/* c->samples answers a job, each beside its row. */
static pt_status write_results(pt_cli *c, const pt_opened *o, const pt_generation *g, const jobs *j, const pt_gen_result *results)
{
    pt_status rc = PT_OK;
    pt_sink sink = {0};
    pt_str text = {0};
    PT_TRY(pt_sink_open(&sink, c->output));
    const size_t each = (size_t)c->samples;
    for (size_t i = 0; i < j->n * each; i++) {
        const job *x = &j->list[i / each];
        pt_str_free(&text);
        PT_TRY(pt_str_puts(&text, ""));
        PT_TRY(decode(o, x, &results[i].ids, &text));
        if (g->drawing.stop.n) text.text[text.len = pt_stop_find(&g->drawing.stop, text.text, text.len)] = 0;
        if (c->text_only) {
            PT_TRY(pt_sink_line(&sink, text.text, text.len));
            continue;
        }
        json_t *answer = json_stringn(text.text, text.len);
        if (!answer) answer = json_string(""); /* decode gives valid UTF-8; an empty answer is the only other case */
        json_object_set_new(x->row, "response", answer);
        json_object_set_new(x->row, "finish_reason", json_string(results[i].stopped ? "stop" : "length"));
        if (c->num_beams > 1) json_object_set_new(x->row, "score", json_real((double)results[i].score));
        if (each > 1) json_object_set_new(x->row, "sample", json_integer((json_int_t)(i % each)));
        PT_TRY(pt_sink_row(&sink, x->row));
    }
    PT_TRY(pt_sink_commit(&sink));
done:
    pt_sink_close(&sink);
    pt_str_free(&text);
    return rc;
}

/* 16 at once, with the room that they need when what several begin with is stored once. */
static pt_status open_model(pt_opened *o, const pt_ids *prompts, size_t n, int32_t longest, int32_t fresh, int beams)
{
    if (beams > 1) return pt_open_generation(o, longest, beams, longest + fresh + 1, pt_beam_cells((size_t)longest, beams, fresh));
    const int32_t rows = n < 16 ? (int32_t)n : 16, tokens = longest < 1024 && n > 1 ? 1024 : longest;
    int32_t cells;
    PT_RETURN(pt_gen_cells(prompts, n, rows, fresh, &cells));
    if (cells > rows * (longest + fresh + 1)) cells = 0;
    return pt_open_generation(o, tokens, rows, longest + fresh + 1, cells);
}

pt_status pt_cmd_generate(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_opened o = {0};
    jobs j = {0};
    pt_gen_result *results = NULL;
    pt_ids *prompts = NULL;
    pt_constraint **constraints = NULL;
    pt_generation g = {0};
    pt_beam_options beams;
    uint64_t *streams = NULL;
    uint32_t *samples = NULL;
    size_t longest = 0, n = 0;
    PT_CHECK(c->n_args == 1 && !c->input != !c->prompt, PT_EARG, "ptrain generate RUN|MODEL --input F.jsonl | --prompt TEXT [--raw]");
    PT_TRY(pt_open_named(c, c->args[0], !c->raw, &o));
    PT_TRY(pt_guard_output(c, &o, c->output));
    PT_CHECK(o.base.tok, PT_EARG, "%s has no tokenizer: text cannot be generated", c->args[0]);
    PT_CHECK(!o.reward, PT_EARG, "%s is a reward model: it scores (ptrain score), it does not speak", c->args[0]);
    PT_TRY(pt_generation_open(&g, c, &o));
    PT_TRY(pt_beam_options_read(c, &g, &beams));
    j.g = &g.options;
    PT_TRY(pt_constrained_open(c, &o, &g.options, &j.held));
    PT_TRY(collect(c, &o, &j));
    n = j.n * (size_t)c->samples;
    PT_CHECK(n <= INT32_MAX, PT_EARG, "%zu prompts with %d answers each", j.n, c->samples);
    PT_TRY(pt_alloc0(&prompts, n));
    PT_TRY(pt_alloc0(&constraints, n));
    PT_TRY(pt_alloc0(&results, n));
    PT_TRY(pt_alloc0(&streams, n));
    PT_TRY(pt_alloc0(&samples, n));
    for (size_t i = 0; i < n; i++) {
        const job *x = &j.list[streams[i] = i / (size_t)c->samples];
        samples[i] = (uint32_t)(i % (size_t)c->samples);
        prompts[i] = x->prompt;
        constraints[i] = x->constraint;
        if (prompts[i].n > longest) longest = prompts[i].n;
    }
    g.options.streams = streams;
    g.options.samples = samples;
    g.options.constraints = constraints;
    PT_CHECK(longest < 1 << 24, PT_EARG, "a prompt of %zu tokens", longest);
    PT_TRY(open_model(&o, prompts, n, (int32_t)longest, g.options.max_new_tokens, beams.beams));
    if (beams.beams > 1) {
        g.options.sampler = pt_sampler_off();
        PT_TRY(pt_generate_beams(o.model, prompts, n, &g.options, &beams, results));
    } else
        PT_TRY(pt_generate(o.model, prompts, n, &g.options, results, NULL, NULL));
    PT_TRY(write_results(c, &o, &g, &j, results));
done:
    for (size_t i = 0; results && i < n; i++) free(results[i].ids.ids);
    free(results);
    free(streams);
    free(samples);
    pt_generation_close(&g);
    free(prompts);
    free(constraints);
    jobs_free(&j);
    pt_open_close(&o);
    return rc;
}
