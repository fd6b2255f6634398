/* From a config to an opened base and a model. */
#include "data/read/record.h"
#include "train/loop/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "checkpoints/peft.h"
#include "train/model/families.h"

#define MAX_TEMPLATE ((size_t)1 << 20)

/* ---- the base -------------------------------------------------------------------------------------------------------- */

static pt_status random_source(const pt_config *cfg, pt_source **out)
{
    const pt_init_config *i = &cfg->model.init;
    const pt_family *f = pt_family_find(i->family);
    char titles[PT_FAMILY_TITLES];
    if (!f) return pt_fail(PT_EARG, "model_config: family %s is not one of %s", i->family, pt_family_titles(titles));
    const struct {
        const char *name;
        int v;
    } need[] = {{"vocab_size", i->vocab_size},
                {"hidden_size", i->hidden_size},
                {"intermediate_size", i->intermediate_size},
                {"num_hidden_layers", i->num_hidden_layers},
                {"num_attention_heads", i->num_attention_heads}};
    for (size_t k = 0; k < sizeof need / sizeof *need; k++)
        if (need[k].v <= 0) return pt_fail(PT_EARG, "model_config needs %s", need[k].name);
    pt_model_config c = {.vocab = i->vocab_size,
                         .hidden = i->hidden_size,
                         .ffn = i->intermediate_size,
                         .layers = i->num_hidden_layers,
                         .heads = i->num_attention_heads,
                         .kv_heads = i->num_key_value_heads > 0 ? i->num_key_value_heads : i->num_attention_heads,
                         .head_dim = i->head_dim > 0 ? i->head_dim : i->hidden_size / i->num_attention_heads,
                         .max_positions = i->max_position_embeddings > 0 ? i->max_position_embeddings : cfg->data.sequence_len,
                         .tied = i->tie_word_embeddings,
                         .act = PT_ACT_SILU,
                         .norm_eps = i->rms_norm_eps > 0 ? (float)i->rms_norm_eps : 1e-5f,
                         .window = i->sliding_window,
                         .rope_theta = i->rope_theta > 0 ? i->rope_theta : 10000,
                         .rope_kind = PT_ROPE_HALF,
                         .bos = -1,
                         .eos = -1,
                         .pad = -1,
                         .initializer_range = i->initializer_range > 0 ? i->initializer_range : 0.02};
    if (c.head_dim <= 0 || c.head_dim % 2 || c.heads % c.kv_heads)
        return pt_fail(PT_EARG, "model_config: %d heads of %d features over %d key-value heads do not divide", c.heads,
                       c.head_dim, c.kv_heads);
    c.rot = f->rotated > 0 ? (int)(c.head_dim * f->rotated) / 2 * 2 : c.head_dim;
    memcpy(c.family, f->name, strlen(f->name) + 1);
    if (f->shape) f->shape(&c);
    return pt_source_random(out, &c, cfg->run.seed);
}

static bool ids_only(const pt_data_type *t)
{
    return t->ids || t->judged;
}
static bool texts_only(const pt_data_type *t)
{
    return t->plain || t->judged;
}
static bool instructions_only(const pt_data_type *t)
{
    return t->plain || t->instructions;
}

/* Whether every data set is of such a type (and there is one). */
static bool all_of(const pt_config_data *data, bool (*such)(const pt_data_type *t))
{
    bool all = data->n_datasets > 0;
    for (size_t i = 0; i < data->n_datasets + data->n_test_datasets; i++) {
        const pt_dataset_spec *d = i < data->n_datasets ? &data->datasets[i] : &data->test_datasets[i - data->n_datasets];
        const pt_data_type *t = pt_data_type_find(d->type);
        all &= t && such(t);
    }
    return all;
}

/* A model that a command works on may have weights alone: ids need no tokenizer. A broken or foreign one is still refused. */
static bool weights_alone(const pt_config_data *data, const pt_source *s)
{
    return !data->n_datasets && !pt_source_has_vocabulary(s);
}

static pt_status open_tokenizer(const pt_config *cfg, pt_base *b)
{
    pt_status rc = PT_OK;
    if (cfg->model.tokenizer) {
        PT_RETURN(pt_source_tokenizer_at(&b->opened, cfg->model.tokenizer));
        b->tok = b->opened;
        return pt_tok_limit(b->opened, pt_source_config(b->source)->vocab);
    }
    rc = pt_source_tokenizer(b->source, &b->tok);
    if (rc != PT_OK && (all_of(&cfg->data, ids_only) || weights_alone(&cfg->data, b->source))) { /* files of ids need no tokenizer */
        b->tok = NULL;
        rc = pt_err_forgive(rc);
    }
    return rc;
}

/* By its name; or the text of chat_template_jinja; or the model's own. */
static pt_status template_by(const pt_config_model *model, const char *name, pt_base *b)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    const char *said = model->chat_template_jinja;
    bool own = !strcmp(name, "tokenizer_default"), jinja = !strcmp(name, "jinja");
    PT_CHECK(!jinja || said, PT_EARG, "chat_template: jinja needs chat_template_jinja: the file of the template");
    PT_CHECK(!said || own || jinja, PT_EARG, "chat_template: %s and chat_template_jinja are two templates: leave one out", name);
    if (said && !strstr(said, "{{") && !strstr(said, "{%")) PT_TRY(pt_text_read(&text, NULL, said, MAX_TEMPLATE));
    if (own || jinja)
        PT_TRY(pt_template_open_own(&b->tmpl, text ? text : said, b->tok, model->default_system_message, model->chat_template_date));
    else
        PT_TRY(pt_template_open(&b->tmpl, name, b->tok, model->default_system_message));
    pt_template_policy policy = {.system_role = model->system_role, .alternate = model->alternate_roles, .greeting_prompt = model->greeting_prompt};
    PT_TRY(pt_template_set_policy(b->tmpl, &policy));
done:
    free(text);
    return rc;
}

static pt_status open_template(const pt_config *cfg, bool need, pt_base *b)
{
    static const char fallback[] = "tokenizer_default_fallback_";
    const char *name = cfg->model.chat_template ? cfg->model.chat_template : "tokenizer_default";
    need |= cfg->data.n_datasets > 0 && !all_of(&cfg->data, texts_only);
    if (!b->tok)
        return need ? pt_fail(PT_EARG, "this model has no tokenizer: set `tokenizer:` to a folder or a file of a tokenizer") : PT_OK;
    if (need && !strcmp(name, "tokenizer_default") && !pt_tok_chat_template(b->tok) && !cfg->model.chat_template_jinja && cfg->data.n_datasets && all_of(&cfg->data, instructions_only)) {
        pt_log(PT_LOG_WARN, "the model has no chat template: its instructions are written as chat_template: alpaca does");
        name = "alpaca";
    }
    if (!strncmp(name, fallback, sizeof fallback - 1)) /* axolotl's: the tokenizer's own, else that of this name */
        name = pt_tok_chat_template(b->tok) ? "tokenizer_default" : name + sizeof fallback - 1;
    pt_status rc = template_by(&cfg->model, name, b);
    if (rc == PT_OK || need) return rc;
    b->tmpl = NULL;
    return pt_err_forgive(rc);
}

static pt_status check_base(const pt_config_model *model, const pt_base *b)
{
    pt_status rc = PT_OK;
    for (size_t i = 0; i < model->n_special_tokens; i++)
        PT_CHECK(b->tok && pt_tok_find(b->tok, model->special_tokens[i]) >= 0, PT_EARG,
                 "special_tokens: '%s' is not in the vocabulary: name it in added_tokens too", model->special_tokens[i]);
    PT_CHECK(!model->quantised_wanted || pt_source_quantised(b->source), PT_EARG,
             "adapter: qlora (or load_in_4bit) wants a quantised base, and this one is not: convert it to a quantised GGUF "
             "(ptrain export --to gguf --type q8_0), or say adapter: lora");
done:
    return rc;
}

/* The tokens of added_tokens_from, before the vocabulary grows: from[n_added_tokens], NULL where the key is not set; free_begins. */
static pt_status begins_of(const pt_config_model *model, const pt_tokenizer *tok, pt_ids **from)
{
    const size_t n = model->n_added_tokens_from;
    *from = NULL;
    if (!n) return PT_OK;
    if (n != 1 && n != model->n_added_tokens)
        return pt_fail(PT_EARG, "added_tokens_from: %zu texts for %zu added tokens: give one for each, or one for all", n, model->n_added_tokens);
    PT_RETURN(pt_alloc0(from, model->n_added_tokens));
    for (size_t i = 0; i < model->n_added_tokens; i++) {
        const char *text = model->added_tokens_from[n == 1 ? 0 : i];
        PT_RETURN(pt_tok_encode_at(tok, text, strlen(text), true, PT_TOK_CONTINUE, &(*from)[i], NULL));
        if ((*from)[i].n == 0) return pt_fail(PT_EARG, "added_tokens_from: '%s' has no tokens", text);
    }
    return PT_OK;
}

static void free_begins(pt_ids *from, size_t n)
{
    for (size_t i = 0; from && i < n; i++) free(from[i].ids);
    free(from);
}

/* added_tokens: a tokenizer of this base's own grows, and then its rows. */
static pt_status grow(const pt_config *cfg, const char *path, pt_base *b)
{
    int32_t first;
    const char *file;
    pt_ids *from = NULL;
    if (!cfg->model.n_added_tokens) return cfg->model.n_added_tokens_from ? pt_fail(PT_EARG, "added_tokens_from: there are no added_tokens") : PT_OK;
    if (!b->tok) return pt_fail(PT_EARG, "added_tokens: this model has no tokenizer: set `tokenizer:` to a folder or a file of a tokenizer");
    if (!b->opened) {
        PT_RETURN(pt_source_tokenizer_at(&b->opened, path));
        b->tok = b->opened;
        PT_RETURN(pt_tok_limit(b->opened, pt_source_config(b->source)->vocab));
    }
    file = pt_tok_path(b->opened) ? pt_tok_file(b->opened) : NULL;
    if (file && strcmp(file, "tokenizer.json")) return pt_fail(PT_ENOSUP, "added_tokens: the tokenizer is a %s, to which none are added here: give a folder with a tokenizer.json", file);
    pt_status rc = begins_of(&cfg->model, b->opened, &from);
    if (rc == PT_OK) rc = pt_tok_grow(b->opened, (const char *const *)cfg->model.added_tokens, cfg->model.n_added_tokens, &first);
    if (rc == PT_OK) rc = pt_source_grow(b->source, first, (int32_t)cfg->model.n_added_tokens, from);
    free_begins(from, cfg->model.n_added_tokens);
    return rc;
}

/* reinit_weights: the shape stays. The tokenizer was the source's own. */
static pt_status forget_weights(const pt_config *cfg, pt_base *b)
{
    pt_status rc = PT_OK;
    pt_source *fresh = NULL;
    pt_model_config c = *pt_source_config(b->source);
    pt_config_forget_file(&c);
    PT_TRY(pt_source_random(&fresh, &c, cfg->run.seed));
    if (b->tok && !b->opened) PT_TRY(pt_source_tokenizer_at(&b->opened, cfg->model.base_model));
    b->tok = b->opened;
    pt_source_free(b->source);
    b->source = fresh;
    fresh = NULL;
done:
    pt_source_free(fresh);
    return rc;
}

pt_status pt_setup_base(const pt_config *cfg, const char *path, bool need_template, pt_base *out)
{
    pt_status rc = PT_OK;
    pt_base b = {0};
    *out = b;
    if (!path && !cfg->model.init.random) path = cfg->model.base_model;
    PT_CHECK(path || cfg->model.init.random, PT_EARG, "no base_model: give a Hugging Face folder or a GGUF file");
    if (path)
        PT_TRY(pt_source_open(&b.source, path));
    else
        PT_TRY(random_source(cfg, &b.source));
    PT_TRY(open_tokenizer(cfg, &b));
    if (cfg->model.reinit_weights && cfg->model.base_model && path == cfg->model.base_model) PT_TRY(forget_weights(cfg, &b));
    PT_TRY(grow(cfg, path, &b));
    pt_source_reach(b.source, cfg->data.sequence_len);
    PT_TRY(check_base(&cfg->model, &b));
    PT_TRY(open_template(cfg, need_template, &b));
    *out = b;
    b = (pt_base){0};
done:
    pt_base_free(&b);
    return rc;
}

void pt_base_free(pt_base *b)
{
    pt_template_free(b->tmpl);
    pt_tok_free(b->opened);
    pt_source_free(b->source);
    *b = (pt_base){0};
}

/* ---- the model ------------------------------------------------------------------------------------------------------- */

pt_reference pt_setup_reference(const pt_config *cfg)
{
    const pt_objective *o = cfg->objective;
    if (!pt_objective_compares(o)) return PT_REFERENCE_NONE;
    if (cfg->adapter.kind == PT_ADAPTER_NONE) return PT_REFERENCE_BASE;
    if (cfg->reference.sync) return PT_REFERENCE_START; /* what moves needs a place of its own */
    /* a fresh adapter adds nothing: where the run starts is the base itself */
    if (!cfg->adapter.lora_model_dir || pt_objective_option(o, o->reference_option, cfg->options) == PT_REFERENCE_AT_BASE) return PT_REFERENCE_BASE;
    return PT_REFERENCE_START;
}

bool pt_setup_reference_stored(const pt_config *cfg)
{
    return cfg->objective->reference && (cfg->adapter.kind == PT_ADAPTER_NONE || cfg->reference.precompute);
}

static pt_loss_spec loss_spec(const pt_config *cfg)
{
    const pt_objective *o = cfg->objective;
    bool stored = pt_setup_reference_stored(cfg);
    pt_loss_spec s = {.on = true,
                      .objective = pt_objective_index(o),
                      .answers = o->extra ? o->answers + 1 : o->answers,
                      .by_rows = o->by_rows,
                      .linear = o->linear,
                      .tokens = cfg->run.log_token_metrics,
                      .logp = o->channels & PT_CHANNELS_OF_ROWS,
                      .logp_still = o->still & PT_CHANNEL_LOGP,
                      .vocab = pt_objective_vocab(o),
                      .kl_reverse = o->channels & PT_CHANNEL_KL && pt_objective_option(o, o->kl_option, cfg->options) == PT_KL_FROM_REFERENCE,
                      .width = pt_objective_width(o, cfg->options),
                      .reference = o->reference && !stored,
                      .reference_stored = stored,
                      .n_columns = o->n_columns + o->n_given,
                      .columns = o->columns};
    for (int k = 0; k < o->n_metrics; k++) s.reduce[k] = (unsigned char)o->metrics[k].reduce;
    return s;
}

pt_model_options pt_setup_model_options(const pt_config *cfg)
{
    bool lora = cfg->adapter.kind != PT_ADAPTER_NONE;
    pt_model_options o = {.full = !lora,
                          .loss = loss_spec(cfg),
                          .checkpointing = cfg->device.gradient_checkpointing,
                          .train = true,
                          .seed = cfg->run.seed};
    o.values = o.loss.width;
    o.heads = (o.loss.logp ? PT_HEAD_VOCABULARY : 0u) | (o.loss.width ? PT_HEAD_VALUES : 0u);
    if (!lora) return o;
    o.lora = (pt_lora_options){.on = true,
                               .r = cfg->adapter.lora_r,
                               .alpha = cfg->adapter.lora_alpha,
                               .rslora = cfg->adapter.peft_use_rslora,
                               .dropout = (float)cfg->adapter.lora_dropout,
                               .start_dir = cfg->adapter.lora_model_dir,
                               .frozen_copy = pt_setup_reference(cfg) == PT_REFERENCE_START && !pt_setup_reference_stored(cfg)};
    if (cfg->adapter.n_lora_target_modules && !cfg->adapter.lora_target_linear) {
        o.lora.targets = (const char *const *)cfg->adapter.lora_target_modules;
        o.lora.n_targets = cfg->adapter.n_lora_target_modules;
    }
    return o;
}

/* lora_target_linear asks for an adapter on every linear layer of the blocks: the starting one must have them. */
static pt_status check_all_linear(const pt_config_adapter *adapter, const pt_base *base, const pt_peft *p)
{
    const pt_model_config *c = pt_source_config(base->source);
    for (int i = -1; i < c->layers; i++)
        for (int k = 0; k < PT_MOD_COUNT; k++) {
            char path[128];
            bool on;
            if (!pt_module_on(c, (pt_module)k) || !pt_module_in((pt_module)k, i)) continue;
            PT_RETURN(pt_part_path(pt_family_of(c), k, i, path, sizeof path));
            PT_RETURN(pt_peft_targets(p, path, &on));
            if (!on)
                return pt_fail(PT_EARG,
                               "lora_target_linear: true, but the adapter in lora_model_dir %s has nothing on %s: leave "
                               "lora_target_linear out",
                               adapter->lora_model_dir, path);
        }
    return PT_OK;
}

/* The starting adapter's own numbers rule; a different one in the config would be ignored, so it is refused. */
static pt_status check_start(const pt_config_adapter *adapter, const pt_base *base)
{
    pt_status rc = PT_OK;
    pt_peft *p = NULL;
    PT_TRY(pt_peft_read(&p, adapter->lora_model_dir));
    PT_CHECK(!adapter->lora_r_set || adapter->lora_r == p->r, PT_EARG,
             "lora_r: %d, but the adapter in lora_model_dir %s has r %lld: leave lora_r out", adapter->lora_r, adapter->lora_model_dir,
             (long long)p->r);
    PT_CHECK(!adapter->lora_alpha_set || adapter->lora_alpha == p->alpha, PT_EARG,
             "lora_alpha: %g, but the adapter in lora_model_dir %s has alpha %g: leave lora_alpha out", adapter->lora_alpha,
             adapter->lora_model_dir, p->alpha);
    PT_CHECK(!adapter->peft_use_rslora || p->rslora, PT_EARG,
             "peft_use_rslora: true, but the adapter in lora_model_dir %s is scaled by alpha / r: leave peft_use_rslora out",
             adapter->lora_model_dir);
    PT_CHECK(adapter->n_lora_target_modules == 0, PT_EARG,
             "lora_target_modules: the adapter in lora_model_dir %s brings its own: leave lora_target_modules out",
             adapter->lora_model_dir);
    if (adapter->lora_target_linear) PT_TRY(check_all_linear(adapter, base, p));
done:
    pt_peft_free(p);
    return rc;
}

pt_status pt_setup_model(const pt_config *cfg, pt_ctx *ctx, const pt_base *base, const char *const *guests, size_t n_guests, pt_model **out)
{
    *out = NULL;
    if (cfg->adapter.kind == PT_ADAPTER_NONE && pt_source_quantised(base->source))
        return pt_fail(PT_EARG,
                       "full tuning of a quantised base is not possible: say adapter: lora, or take the unquantised model");
    if (cfg->adapter.kind == PT_ADAPTER_NONE && cfg->adapter.lora_model_dir)
        return pt_fail(PT_EARG, "lora_model_dir is given, but adapter is none: say adapter: lora");
    if (cfg->adapter.kind == PT_ADAPTER_NONE && cfg->objective->channels & PT_CHANNEL_KL)
        return pt_fail(PT_EARG, "objective %s takes a divergence from a reference that full tuning does not keep: say adapter: lora", cfg->objective->name);
    if (cfg->objective->extra && pt_setup_reference_stored(cfg))
        return pt_fail(PT_EARG, "objective %s compares answers that the data does not hold with a reference, and one that is kept beforehand (adapter: none, precompute_ref_log_probs) has those "
                                "of the data alone: say adapter: lora without precompute_ref_log_probs", cfg->objective->name);
    if (cfg->adapter.lora_model_dir) PT_RETURN(check_start(&cfg->adapter, base));
    pt_model_options o = pt_setup_model_options(cfg);
    o.lora.guests = guests;
    o.lora.n_guests = n_guests;
    return pt_model_new(out, ctx, base->source, &o);
}
