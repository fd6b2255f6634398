#include "train/cli/eval_models.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "eval/http/voice_http.h"
#include "train/cli/config_value.h"

/* ---- who is meant ---- */

static const char *said(const pt_voice_spec *s, const char *key)
{
    const pt_entry_option *o = pt_entry_said(s->options, s->n_options, key);
    return o ? o->value : NULL;
}

static const pt_meeting *meeting_of(const pt_eval_models *m, const char *name)
{
    for (size_t i = 0; i < m->meetings.n; i++)
        if (!strcmp(m->meetings.list[i].name, name)) return &m->meetings.list[i];
    return NULL;
}

static const pt_voice_spec *spec_of(const pt_eval_models *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->specs[i].name, name)) return &m->specs[i];
    return NULL;
}

/* An adapter of the measured base. */
static bool is_adapter(const pt_voice_spec *s)
{
    return !said(s, "path") && said(s, "adapter");
}

/* Before anything is loaded. */
static pt_status check_files(const pt_voice_spec *s)
{
    const pt_entry_option *path = pt_entry_said(s->options, s->n_options, "path"), *adapter = pt_entry_said(s->options, s->n_options, "adapter");
    char *json = NULL;
    if (path && !pt_file_given(path->value) && !pt_dir_exists(path->value))
        return pt_entry_fail(s->file, path->line, path->column, "the model %s: %s is neither a file nor a folder", s->name, path->value);
    if (!adapter) return PT_OK;
    PT_RETURN(pt_path_join(&json, adapter->value, "adapter_config.json"));
    const bool there = pt_file_given(json);
    free(json);
    return there ? PT_OK : pt_entry_fail(s->file, adapter->line, adapter->column, "the model %s: %s holds no adapter (adapter_config.json)", s->name, adapter->value);
}

static bool is_remote(const pt_voice_spec *s)
{
    return said(s, "endpoint") != NULL;
}

pt_status pt_eval_endpoint(const pt_voice_spec *s, pt_answers *answers, pt_voice **out)
{
    pt_http_options o;
    char why[400];
    *out = NULL;
    pt_status rc = pt_models_endpoint(s, &o);
    if (rc == PT_OK) {
        rc = pt_voice_http(out, s->name, &o, o.api_key_env ? getenv(o.api_key_env) : NULL, answers);
        snprintf(why, sizeof why, "%s", rc == PT_OK ? "" : pt_err_msg());
        if (rc == PT_EARG) rc = pt_entry_fail(s->file, s->line, s->column, "the model %s: %s", s->name, why);
        else if (rc != PT_OK) rc = pt_fail_prefix(rc, "the model %s", s->name);
    }
    pt_http_options_free(&o);
    return rc;
}

/* Remote voices live as long as the evaluation: their limits are of all of it. */
static pt_status open_remote(pt_eval_models *m, const pt_voice_spec *s, bool keep)
{
    pt_voice *v;
    PT_RETURN(pt_eval_endpoint(s, m->answers, &v));
    if (keep) return pt_voices_add(&m->remote, v);
    v->close(v);
    return PT_OK;
}

/* On rank 0, which has the keys. */
static pt_status open_remotes(pt_eval_models *m, bool keep)
{
    for (size_t i = 0; i < m->n && !m->c->comm->rank; i++)
        if (meeting_of(m, m->specs[i].name) && is_remote(&m->specs[i])) PT_RETURN(open_remote(m, &m->specs[i], keep));
    return PT_OK;
}

static pt_status check_name(const pt_eval_models *m, const pt_meeting *x)
{
    pt_status rc = PT_OK;
    pt_str known = {0};
    const pt_voice_spec *spec = spec_of(m, x->name);
    if (spec && is_remote(spec) && (x->what & PT_MEET_HELD))
        return pt_entry_fail(x->by->file, x->by->line, x->by->column, "%s: constrain: true holds answers to what can be read, and '%s' is an endpoint, whose answers are held to nothing",
                             x->by->name ? x->by->name : x->by->task, x->name);
    if (!strcmp(x->name, "self") || !strcmp(x->name, "base") || spec) return PT_OK;
    PT_TRY(pt_str_puts(&known, "self, base"));
    for (size_t k = 0; k < m->n; k++) PT_TRY(pt_str_printf(&known, ", %s", m->specs[k].name));
    PT_TRY(pt_entry_fail(x->by->file, x->by->line, x->by->column, "%s names a model '%s', and `models` has none of that name; there are: %s", x->by->name ? x->by->name : x->by->task, x->name, known.text));
done:
    pt_str_free(&known);
    return rc;
}

pt_status pt_eval_models_begin(pt_eval_models *m, const pt_suite *s, size_t n)
{
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_suite_meet(&s[i], &m->meetings));
    for (size_t i = 0; i < m->meetings.n; i++) PT_RETURN(check_name(m, &m->meetings.list[i]));
    if (m->n > PT_OPEN_GUESTS) return pt_fail(PT_EARG, "models: %zu entries, and %d are taken at most", m->n, PT_OPEN_GUESTS);
    for (size_t i = 0; i < m->n; i++)
        if (meeting_of(m, m->specs[i].name)) PT_RETURN(check_files(&m->specs[i]));
    PT_RETURN(open_remotes(m, m->answers != NULL));
    return pt_alloc0(&m->beside, m->n + 1);
}

pt_status pt_eval_models_keep(pt_eval_models *m, pt_answers *answers)
{
    m->answers = answers;
    return open_remotes(m, true);
}

/* ---- memory ---- */

/* within: of a model that is planned for its training too. */
static pt_status room_for(const pt_eval_models *m, const char *name, bool within, pt_model_caps *caps)
{
    const pt_meeting *x = meeting_of(m, name);
    const bool text = x && x->what & PT_MEET_TEXT;
    if (!x) return PT_OK;
    return within ? pt_runner_reserve_within(x->context, text, x->at_once, caps) : pt_runner_reserve(x->context, text, x->at_once, caps);
}

/* Room for the base and its adapters. */
static pt_status room_for_base(const pt_eval_models *m, bool within, pt_model_caps *caps)
{
    PT_RETURN(room_for(m, "base", within, caps));
    for (size_t i = 0; i < m->n; i++)
        if (is_adapter(&m->specs[i])) PT_RETURN(room_for(m, m->specs[i].name, within, caps));
    return PT_OK;
}

pt_status pt_eval_models_guests(pt_eval_models *m, pt_opened *o)
{
    for (size_t i = 0; i < m->n; i++) {
        if (!is_adapter(&m->specs[i]) || !meeting_of(m, m->specs[i].name)) continue;
        if (o->n_guests == sizeof o->guests / sizeof *o->guests) return pt_fail(PT_EARG, "models: more adapters of one base than there are slots (%zu)", o->n_guests);
        m->guest[i] = o->n_guests;
        o->guests[o->n_guests++] = said(&m->specs[i], "adapter");
    }
    return PT_OK;
}

pt_status pt_eval_models_plan(pt_eval_models *m, pt_opened *o, bool is_base, bool fresh, pt_model_caps *caps)
{
    const bool within = m->training != NULL;
    PT_RETURN(room_for(m, "self", within, caps));
    if (!is_base) return PT_OK;
    if (fresh) PT_RETURN(pt_eval_models_guests(m, o));
    return room_for_base(m, within, caps);
}

static pt_status open_named(pt_eval_models *m, const pt_opened *measured, const char *path, const char *adapter, bool base_only, pt_opened *o)
{
    pt_cli like = *m->c; /* its group of ranks, and nothing of what the command line says of the measured model */
    like.adapter_dir = adapter;
    like.base_only = base_only;
    like.n_settings = 0;
    like.beside = &measured->ctx;
    return path ? pt_open_named(&like, path, true, o) : pt_open_base(&like, m->training, o);
}

/* before: of the base alone. */
static pt_status open_base(pt_eval_models *m, const pt_opened *measured, const pt_model_caps *before, pt_beside_model *b)
{
    const pt_config_model *model = m->training ? &m->training->model : NULL;
    if (model && (!model->base_model || model->reinit_weights)) return pt_fail(PT_EARG, "the run begins with random weights: there is no base to speak to");
    PT_RETURN(open_named(m, measured, m->training ? NULL : m->base, NULL, m->base_of_run, &b->o));
    if (b->o.cfg->model.init.random) return pt_fail(PT_EARG, "models: %s began with random weights: there is no base to speak to", m->base);
    if (before) b->caps = *before;
    if (before) PT_RETURN(room_for(m, "self", false, &b->caps));
    PT_RETURN(pt_eval_models_guests(m, &b->o));
    PT_RETURN(room_for_base(m, false, &b->caps));
    return pt_open_plan(&b->o, &b->caps);
}

/* The one for an entry, or (spec NULL) for the base; opened and planned when it is new. */
static pt_status beside(pt_eval_models *m, const pt_opened *measured, const pt_voice_spec *spec, const pt_model_caps *before, pt_beside_model **out)
{
    for (size_t i = 0; i < m->n_beside; i++)
        if (m->beside[i].spec == spec) {
            *out = &m->beside[i];
            return PT_OK;
        }
    pt_beside_model *b = &m->beside[m->n_beside++];
    *b = (pt_beside_model){.spec = spec};
    *out = b;
    if (!spec) return open_base(m, measured, before, b);
    pt_status rc = open_named(m, measured, said(spec, "path"), said(spec, "adapter"), false, &b->o);
    if (rc != PT_OK) return spec->line ? pt_fail_prefix(rc, "%s:%d:%d: the model %s", spec->file, spec->line, spec->column, spec->name) : pt_fail_prefix(rc, "the model %s", spec->name);
    PT_RETURN(room_for(m, spec->name, false, &b->caps));
    return pt_open_plan(&b->o, &b->caps);
}

pt_status pt_eval_models_open(pt_eval_models *m, const pt_opened *measured, bool is_base, const pt_model_caps *before)
{
    pt_beside_model *b;
    bool base = before || meeting_of(m, "base");
    for (size_t i = 0; i < m->n; i++) base = base || (is_adapter(&m->specs[i]) && meeting_of(m, m->specs[i].name));
    if (base && !is_base) PT_RETURN(beside(m, measured, NULL, before, &b));
    for (size_t i = 0; i < m->n; i++)
        if (said(&m->specs[i], "path") && meeting_of(m, m->specs[i].name)) PT_RETURN(beside(m, measured, &m->specs[i], NULL, &b));
    return PT_OK;
}

static const char *name_of(const pt_beside_model *b)
{
    return b->spec ? b->spec->name : "the base";
}

static void bytes_of(const pt_beside_model *b, size_t bytes[2])
{
    bytes[0] = bytes[1] = 0;
    for (int i = 0; i < PT_ROLE_COUNT; i++) bytes[i != PT_ROLE_WEIGHTS] += b->o.planned[i];
}

static pt_status make_ready(pt_eval_models *m, pt_beside_model *b)
{
    size_t bytes[2];
    if (b->ready) return PT_OK;
    PT_RETURN(pt_open_commit(&b->o));
    bytes_of(b, bytes);
    if (!m->training)
        pt_log(PT_LOG_INFO, "%s, beside what is measured: %s, %.1f MiB (weights %.1f)", name_of(b), b->o.cfg->model.base_model ? b->o.cfg->model.base_model : "",
               (double)(bytes[0] + bytes[1]) / (1 << 20), (double)bytes[0] / (1 << 20));
    b->content = pt_source_content(b->o.base.source);
    b->ready = true;
    return PT_OK;
}

pt_status pt_eval_models_commit(pt_eval_models *m)
{
    for (size_t i = 0; i < m->n_beside; i++) PT_RETURN(make_ready(m, &m->beside[i]));
    return PT_OK;
}

pt_status pt_eval_models_memory(const pt_eval_models *m, size_t *bytes, pt_str *said_of)
{
    *bytes = 0;
    for (size_t i = 0; i < m->n_beside; i++) {
        size_t one[2];
        bytes_of(&m->beside[i], one);
        *bytes += one[0] + one[1];
        PT_RETURN(pt_str_printf(said_of, "%s%s %.1f MiB", i ? ", " : "", name_of(&m->beside[i]), (double)(one[0] + one[1]) / (1 << 20)));
    }
    return PT_OK;
}

pt_status pt_eval_models_base(pt_eval_models *m, const pt_opened *measured, pt_beside_model **out)
{
    PT_RETURN(beside(m, measured, NULL, NULL, out));
    return make_ready(m, *out);
}

/* ---- speaking ---- */

pt_status pt_eval_identity(const pt_opened *o, uint64_t content, const char *adapter, pt_str *out)
{
    pt_status rc = PT_OK;
    char digest[65] = "none", *file = NULL;
    if (adapter) {
        PT_TRY(pt_path_join(&file, adapter, "adapter_model.safetensors"));
        PT_TRY(pt_sha256_file(digest, file));
        digest[16] = 0;
    }
    PT_TRY(pt_str_printf(out, "model %016llx, adapter %s, template %016llx, %s", (unsigned long long)content, digest,
                         o->base.tmpl ? (unsigned long long)pt_template_fingerprint(o->base.tmpl) : 0, o->ctx.compute == PT_COMPUTE_BF16 ? "bf16" : "f32"));
done:
    free(file);
    return rc;
}

pt_runner pt_eval_runner(const pt_opened *o, int slot, const pt_model_caps *caps, pt_answers *answers, const char *identity, pt_comm *comm)
{
    pt_runner r = {.model = o->model, .tok = o->base.tok, .slot = slot, .caps = *caps, .answers = answers, .identity = identity, .comm = comm};
    if (o->base.tmpl) r.stops = pt_template_stops(o->base.tmpl, &r.n_stops);
    else r.stops = pt_tok_stops(o->base.tok, &r.n_stops);
    return r;
}

/* A voice of a model: its runner takes the next place. */
static pt_status add(pt_eval_models *m, const char *name, const pt_opened *o, uint64_t content, int slot, const char *adapter, const pt_model_caps *caps)
{
    pt_status rc = PT_OK;
    pt_str who = {0};
    pt_voice *v;
    size_t at = m->server.n - 1, number;
    const pt_speller speller = {o->base.tok, o->base.tmpl};
    const pt_meeting *x = meeting_of(m, name);
    if ((x->what & PT_MEET_SCORE) && !o->reward) PT_TRY(pt_entry_fail(x->by->file, x->by->line, x->by->column, "%s gives no scores: it is no reward model", name));
    if ((x->what & PT_MEET_TEXT) && o->reward) PT_TRY(pt_entry_fail(x->by->file, x->by->line, x->by->column, "%s is a reward model, which gives scores and no text", name));
    PT_TRY(pt_eval_identity(o, content, adapter, &who));
    m->names[at] = who.text;
    m->runners[at] = pt_eval_runner(o, slot, caps, m->answers, who.text, m->c->comm);
    m->runners[at].progress = m->progress;
    m->runners[at].stop = m->stop;
    m->runners[at].user = m->user;
    who = (pt_str){0};
    PT_TRY(pt_server_add(&m->server, &m->runners[at], &number));
    PT_TRY(pt_voice_local(&v, name, &m->server, number, &speller, o->reward));
    PT_TRY(pt_voices_add(&m->voices, v));
done:
    pt_str_free(&who);
    return rc;
}

/* The base, or an adapter in a slot of it. */
static pt_status add_of_base(pt_eval_models *m, pt_opened *o, bool is_base, const pt_runner *r, uint64_t content, const pt_voice_spec *spec)
{
    const char *name = spec ? spec->name : "base", *adapter = spec ? said(spec, "adapter") : NULL;
    const pt_model_caps *caps = &r->caps;
    if (!is_base) {
        pt_beside_model *b;
        PT_RETURN(pt_eval_models_base(m, o, &b));
        o = &b->o;
        caps = &b->caps;
        content = b->content;
    }
    return add(m, name, o, content, spec ? pt_open_slot(o, m->guest[spec - m->specs]) : PT_SLOT_NONE, adapter, caps);
}

pt_status pt_eval_models_speak(pt_eval_models *m, pt_opened *o, bool is_base, pt_runner *r, uint64_t content)
{
    size_t number;
    const pt_speller speller = {o->base.tok, o->base.tmpl};
    pt_voice *self;
    m->server.comm = m->c->comm;
    PT_RETURN(pt_server_add(&m->server, r, &number));
    PT_RETURN(pt_alloc0(&m->runners, m->n + 1));
    PT_RETURN(pt_alloc0(&m->names, m->n + 1));
    PT_RETURN(pt_voice_local(&self, "self", &m->server, number, &speller, o->reward));
    PT_RETURN(pt_voices_add(&m->voices, self));
    if (meeting_of(m, "base")) PT_RETURN(add_of_base(m, o, is_base, r, content, NULL));
    for (size_t i = 0; i < m->n; i++) {
        const pt_voice_spec *s = &m->specs[i];
        pt_beside_model *b;
        if (!meeting_of(m, s->name) || is_remote(s)) continue;
        if (is_adapter(s)) {
            PT_RETURN(add_of_base(m, o, is_base, r, content, s));
            continue;
        }
        PT_RETURN(beside(m, o, s, NULL, &b));
        PT_RETURN(make_ready(m, b));
        PT_RETURN(add(m, s->name, &b->o, b->content, b->o.adapter ? 0 : PT_SLOT_NONE, b->o.adapter, &b->caps));
    }
    PT_RETURN(pt_reserve(&m->voices.at, &m->voices.cap, m->voices.n + m->remote.n));
    for (size_t i = 0; i < m->remote.n; i++) m->voices.at[m->voices.n++] = m->remote.at[i];
    return PT_OK;
}

/* The remote ones are the evaluation's. */
static void lend_back(pt_eval_models *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->voices.n; i++) {
        bool own = true;
        for (size_t k = 0; k < m->remote.n; k++) own = own && m->voices.at[i] != m->remote.at[k];
        if (own) m->voices.at[kept++] = m->voices.at[i];
    }
    m->voices.n = kept;
}

/* The first voice that has reached a limit. Without memory for its words it is named all the same. */
static void note_limit(pt_eval_models *m)
{
    for (size_t i = 0; i < m->voices.n && !m->limit; i++) {
        const pt_voice *v = m->voices.at[i];
        if (v->limit && pt_asprintf(&m->limit, "%s: %s", v->name, v->limit) != PT_OK) pt_err_clear();
    }
}

void pt_eval_models_hush(pt_eval_models *m)
{
    note_limit(m);
    lend_back(m);
    pt_voices_free(&m->voices);
    for (size_t i = 0; m->names && i < m->n + 1; i++) free(m->names[i]);
    free(m->names);
    free(m->runners);
    m->names = NULL;
    m->runners = NULL;
    pt_server_free(&m->server);
}

pt_status pt_eval_models_limit(const pt_eval_models *m)
{
    return m->limit ? pt_fail(PT_ESTATE, "%s", m->limit) : PT_OK;
}

void pt_eval_models_free(pt_eval_models *m)
{
    pt_eval_models_hush(m);
    pt_voices_free(&m->remote);
    for (size_t i = 0; i < m->n_beside; i++) pt_open_close(&m->beside[i].o);
    free(m->beside);
    free(m->limit);
    pt_meetings_free(&m->meetings);
    *m = (pt_eval_models){0};
}
