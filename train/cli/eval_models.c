#include "train/cli/eval_models.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "eval/http/voice_http.h"
#include "train/cli/config_value.h"
#include "train/cli/schema.h"

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
static pt_status open_remote(pt_eval_models *m, const pt_voice_spec *s)
{
    pt_voice *v;
    PT_RETURN(pt_eval_endpoint(s, m->answers, &v));
    return pt_voices_add(&m->remote, v);
}

pt_status pt_eval_models_begin(pt_eval_models *m, const pt_suite *s)
{
    pt_status rc = PT_OK;
    pt_str known = {0};
    PT_TRY(pt_suite_meet(s, &m->meetings));
    for (size_t i = 0; i < m->meetings.n; i++) {
        const pt_meeting *x = &m->meetings.list[i];
        if (!strcmp(x->name, "self") || !strcmp(x->name, "base") || spec_of(m, x->name)) continue;
        PT_TRY(pt_str_puts(&known, "self, base"));
        for (size_t k = 0; k < m->n; k++) PT_TRY(pt_str_printf(&known, ", %s", m->specs[k].name));
        PT_TRY(pt_entry_fail(x->by->file, x->by->line, x->by->column, "%s names a model '%s', and `models` has none of that name; there are: %s", x->by->name ? x->by->name : x->by->task, x->name, known.text));
    }
    PT_CHECK(m->n <= PT_OPEN_GUESTS, PT_EARG, "models: %zu entries, and %d are taken at most", m->n, PT_OPEN_GUESTS);
    for (size_t i = 0; i < m->n; i++)
        if (meeting_of(m, m->specs[i].name)) PT_TRY(check_files(&m->specs[i]));
    for (size_t i = 0; i < m->n; i++)
        if (meeting_of(m, m->specs[i].name) && is_remote(&m->specs[i]) && !m->c->comm->rank) PT_TRY(open_remote(m, &m->specs[i]));
    PT_TRY(pt_alloc0(&m->beside, m->n + 1));
done:
    pt_str_free(&known);
    return rc;
}

/* ---- memory ---- */

static pt_status room_for(const pt_eval_models *m, const char *name, pt_model_caps *caps)
{
    const pt_meeting *x = meeting_of(m, name);
    return x ? pt_runner_reserve(x->context, (x->what & PT_MEET_TEXT) != 0, caps) : PT_OK;
}

/* Room for the base, and adapters of it that are named as guests of o where fresh. */
static pt_status plan_base(pt_eval_models *m, pt_opened *o, bool fresh, pt_model_caps *caps)
{
    PT_RETURN(room_for(m, "base", caps));
    for (size_t i = 0; i < m->n; i++) {
        if (!is_adapter(&m->specs[i]) || !meeting_of(m, m->specs[i].name)) continue;
        PT_RETURN(room_for(m, m->specs[i].name, caps));
        if (!fresh) continue;
        if (o->n_guests == sizeof o->guests / sizeof *o->guests) return pt_fail(PT_EARG, "models: more adapters of one base than there are slots (%zu)", o->n_guests);
        m->guest[i] = o->n_guests;
        o->guests[o->n_guests++] = said(&m->specs[i], "adapter");
    }
    return PT_OK;
}

pt_status pt_eval_models_plan(pt_eval_models *m, pt_opened *o, bool is_base, bool fresh, pt_model_caps *caps)
{
    PT_RETURN(room_for(m, "self", caps));
    return is_base ? plan_base(m, o, fresh, caps) : PT_OK;
}

/* Device and compute type of the measured model, as settings for another one. texts[2] are owned. */
static pt_status same_device(const pt_opened *o, pt_setting *s, char **texts)
{
    static const char *const keys[2] = {"device", "compute"};
    for (int i = 0; i < 2; i++) {
        pt_str line = {0};
        pt_status rc = pt_config_put_key(&line, o->cfg, pt_schema_find(keys[i]));
        const char *value = rc == PT_OK && line.text ? strchr(line.text, ':') : NULL;
        if (value) rc = pt_strndup(&texts[i], value + 2, strcspn(value + 2, "\n"));
        pt_str_free(&line);
        PT_RETURN(rc);
        s[i] = (pt_setting){keys[i], texts[i] ? texts[i] : "auto"};
    }
    return PT_OK;
}

static pt_status open_named(pt_eval_models *m, const pt_opened *measured, const char *path, const char *adapter, bool base_only, pt_opened *o)
{
    pt_status rc = PT_OK;
    char *texts[2] = {NULL, NULL};
    pt_cli like = *m->c; /* its group of ranks, and nothing of what the command line says of the measured model */
    like.adapter_dir = adapter;
    like.base_only = base_only;
    like.n_settings = 2;
    PT_TRY(same_device(measured, like.settings, texts));
    PT_TRY(pt_open_named(&like, path, true, o));
done:
    free(texts[0]);
    free(texts[1]);
    return rc;
}

static pt_status commit(pt_beside_model *b, const char *name)
{
    double mib[2] = {0, 0};
    PT_RETURN(pt_open_model_caps(&b->o, &b->caps));
    for (int i = 0; i < PT_ROLE_COUNT; i++) mib[i != PT_ROLE_WEIGHTS] += (double)b->o.planned[i] / (1 << 20);
    pt_log(PT_LOG_INFO, "%s, beside what is measured: %s, %.1f MiB (weights %.1f)", name, b->o.cfg->model.base_model ? b->o.cfg->model.base_model : "", mib[0] + mib[1], mib[0]);
    b->content = pt_source_content(b->o.base.source);
    return PT_OK;
}

/* The one for an entry, or (spec NULL) for the base; opened when it is new. */
static pt_status beside(pt_eval_models *m, const pt_opened *measured, const pt_voice_spec *spec, pt_beside_model **out)
{
    for (size_t i = 0; i < m->n_beside; i++)
        if (m->beside[i].spec == spec) {
            *out = &m->beside[i];
            return PT_OK;
        }
    pt_beside_model *b = &m->beside[m->n_beside++];
    *b = (pt_beside_model){.spec = spec};
    *out = b;
    if (!spec) {
        PT_RETURN(open_named(m, measured, m->base, NULL, m->base_of_run, &b->o));
        if (b->o.cfg->model.init.random) return pt_fail(PT_EARG, "models: %s began with random weights: there is no base to speak to", m->base);
        PT_RETURN(plan_base(m, &b->o, true, &b->caps));
        return commit(b, "the base");
    }
    pt_status rc = open_named(m, measured, said(spec, "path"), said(spec, "adapter"), false, &b->o);
    if (rc != PT_OK) return spec->line ? pt_fail_prefix(rc, "%s:%d:%d: the model %s", spec->file, spec->line, spec->column, spec->name) : pt_fail_prefix(rc, "the model %s", spec->name);
    PT_RETURN(room_for(m, spec->name, &b->caps));
    return commit(b, spec->name);
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
                         o->base.tmpl ? (unsigned long long)pt_template_fingerprint(o->base.tmpl) : 0, o->ctx.act == PT_BF16 ? "bf16" : "f32"));
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
        PT_RETURN(beside(m, o, NULL, &b));
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
        PT_RETURN(beside(m, o, s, &b));
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
