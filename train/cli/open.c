#include "train/cli/open.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/threads.h"
#include "checkpoints/hf.h"
#include "checkpoints/peft.h"
#include "train/cli/yaml.h"
#include "train/export/export.h"

/* The tokenizer that full tuning saved beside its weights is the one it was trained with, wherever the one it was taken from is now; a GGUF
 * base's that has no file form stays where it was. */
static pt_status tokenizer_of_run(const pt_cli *c, const char *run, pt_opened *o)
{
    pt_config *cfg = o->cfg;
    bool saved;
    for (int i = 0; i < c->n_settings; i++)
        if (!strcmp(c->settings[i].key, "tokenizer")) return PT_OK;
    PT_RETURN(pt_tok_folder_has(run, &saved));
    if (!saved && (cfg->model.tokenizer || !o->trained_from || !pt_source_names_gguf(o->trained_from))) return PT_OK;
    free(cfg->model.tokenizer);
    cfg->model.tokenizer = NULL;
    return saved ? PT_OK : pt_strdup(&cfg->model.tokenizer, o->trained_from);
}

/* A RUN says what to open: the adapter in it on the base of its config.yaml, or its own full weights. */
static pt_status config_of_run(pt_cli *c, const char *path, pt_opened *o)
{
    pt_status rc = PT_OK;
    char *yaml = NULL, *adapter = NULL, *weights = NULL, *profiles = NULL;
    PT_TRY(pt_path_join(&yaml, path, "config.yaml"));
    PT_TRY(pt_path_join(&adapter, path, "adapter_model.safetensors"));
    PT_TRY(pt_path_join(&weights, path, "model.safetensors"));
    PT_TRY(pt_path_join(&profiles, path, "profiles.json"));
    PT_TRY(pt_config_load(&o->cfg, yaml, c->settings, (size_t)c->n_settings));
    o->is_run = true;
    o->width = c->base_only ? 0 : pt_objective_width(o->cfg->objective, o->cfg->options);
    o->reward = o->width > 0;
    o->pooling = pt_objective_pooling(o->cfg->objective, o->cfg->options);
    if (pt_file_given(adapter)) {
        if (!c->base_only) PT_TRY(pt_strdup(&o->adapter, path));
    } else if (!c->base_only) {
        PT_CHECK(pt_file_given(weights), PT_EARG, "%s holds neither adapter_model.safetensors nor model.safetensors: the run has not finished (its config with "
                 "--resume_from_checkpoint=auto goes on from the last checkpoint)", path);
        PT_TRY(tokenizer_of_run(c, path, o));
        o->trained_from = o->cfg->model.base_model;
        o->cfg->model.base_model = NULL;
        o->cfg->model.init.random = false;
        o->cfg->model.quantised_wanted = false;
        for (size_t i = 0; i < o->cfg->model.n_added_tokens; i++) free(o->cfg->model.added_tokens[i]); /* its weights and its tokenizer have them */
        o->cfg->model.n_added_tokens = 0;
        for (size_t i = 0; i < o->cfg->model.n_added_tokens_from; i++) free(o->cfg->model.added_tokens_from[i]);
        o->cfg->model.n_added_tokens_from = 0;
        PT_TRY(pt_strdup(&o->cfg->model.base_model, path));
    }
    if (pt_file_given(profiles)) {
        PT_TRY(pt_json_load(&o->profiles, profiles, (size_t)1 << 30, PT_JSON_OBJECT));
    }
done:
    free(yaml);
    free(adapter);
    free(weights);
    free(profiles);
    return rc;
}

/* Folders that are part of something: what to name instead. */
static pt_status check_model(const char *path)
{
    static const char *const part[2] = {"adapter_config.json", "state.json"};
    char *at = NULL;
    bool is[2];
    for (int i = 0; i < 2; i++) {
        PT_RETURN(pt_path_join(&at, path, part[i]));
        is[i] = pt_file_given(at);
        free(at);
    }
    PT_RETURN(pt_path_join(&at, path, "config.json"));
    bool whole = pt_file_given(at);
    free(at);
    if (whole || !(is[0] || is[1])) return PT_OK;
    if (is[0]) return pt_fail(PT_EARG, "%s is an adapter: name its base model, and --adapter %s", path, path);
    return pt_fail(PT_EARG, "%s is a checkpoint to go on from (resume_from_checkpoint): name the run's folder, which holds its weights when it is done", path);
}

static pt_status config_of_model(pt_cli *c, const char *path, pt_opened *o)
{
    pt_setting *all;
    PT_RETURN(check_model(path));
    PT_RETURN(pt_alloc0(&all, (size_t)c->n_settings + 1));
    all[0] = (pt_setting){"base_model", path};
    if (c->n_settings) memcpy(all + 1, c->settings, (size_t)c->n_settings * sizeof *all);
    pt_str quoted = {0};
    pt_status rc = pt_str_printf(&quoted, "'");
    for (const char *p = path; rc == PT_OK && *p; p++) rc = *p == '\'' ? pt_str_puts(&quoted, "''") : pt_str_add(&quoted, p, 1);
    if (rc == PT_OK) rc = pt_str_puts(&quoted, "'");
    all[0].value = quoted.text;
    if (rc == PT_OK) rc = pt_config_load(&o->cfg, NULL, all, (size_t)c->n_settings + 1);
    pt_str_free(&quoted);
    free(all);
    return rc;
}

/* The labels that a classifier's adapter holds; 0 when it holds no head. */
static pt_status labels_of_adapter(const char *dir, int *labels)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_st *st = NULL;
    const pt_st_tensor *t = NULL;
    PT_TRY(pt_path_join(&path, dir, "adapter_model.safetensors"));
    PT_TRY(pt_st_open(&st, path));
    PT_TRY(pt_peft_find(st, "score.weight", PT_PEFT_SAVED, &t));
    *labels = t && t->n_dims == 2 && t->dims[0] < INT32_MAX ? (int)t->dims[0] : 0;
done:
    pt_st_close(st);
    free(path);
    return rc;
}

/* Where a folder that we exported reads, if not at the last token. */
static pt_status pooling_of_folder(pt_opened *o)
{
    pt_status rc = PT_OK;
    pt_hf *c = NULL;
    const char *word = NULL, *token = NULL;
    PT_TRY(pt_hf_open(&c, pt_source_path(o->base.source), "config.json"));
    PT_TRY(pt_hf_text(c, PT_HF_POOLING, PT_HF_OPTIONAL, &word));
    PT_TRY(pt_hf_text(c, PT_HF_POOLING_TOKEN, PT_HF_OPTIONAL, &token));
    for (const pt_word *w = pt_pooling_words; word && w->word; w++)
        if (!strcmp(w->word, word)) o->pooling = (pt_pooling_word)w->value;
    if (token && !o->cfg->data.pooling_token) PT_TRY(pt_strdup(&o->cfg->data.pooling_token, token));
done:
    pt_hf_close(c);
    return rc;
}

/* A classifier scores, whether a folder of ours or someone else's, or an adapter on any base. */
static pt_status find_reward(const pt_cli *c, pt_opened *o)
{
    pt_status rc = PT_OK;
    pt_peft *p = NULL;
    if (!o->is_run && !o->adapter && pt_source_has(o->base.source, "score.weight")) {
        pt_source_tensor t;
        PT_TRY(pt_source_tensor_get(o->base.source, "score.weight", 0, 0, &t));
        o->reward = true;
        o->width = (int)t.rows;
        if (!pt_source_is_gguf(o->base.source)) PT_TRY(pooling_of_folder(o));
    }
    if (!c->adapter_dir) goto done;
    PT_TRY(pt_peft_read(&p, c->adapter_dir));
    o->reward = p->task_type && !strcmp(p->task_type, "SEQ_CLS");
    if (o->reward) PT_TRY(labels_of_adapter(c->adapter_dir, &o->width));
done:
    pt_peft_free(p);
    return rc;
}

static pt_status open_device(const pt_cli *c, pt_opened *o)
{
    const pt_ctx *like = c->beside;
    if (!like) return pt_setup_device(c->says ? &c->says->device : &o->cfg->device, c->comm, NULL, NULL, &o->ctx, NULL, NULL);
    o->ctx.index = like->index;
    PT_RETURN(like->ops->open(&o->ctx, like->compute));
    o->ctx.ops = like->ops;
    return PT_OK;
}

pt_status pt_open_base(pt_cli *c, const pt_config *cfg, pt_opened *o)
{
    pt_status rc = PT_OK;
    pt_ynode *tree = NULL;
    const char *name = cfg->source.config_path ? cfg->source.config_path : "command line";
    *o = (pt_opened){0};
    PT_TRY(pt_yaml_parse(&tree, cfg->source.yaml_text, strlen(cfg->source.yaml_text), name));
    pt_log_pause(true); /* what is to be said of it was said */
    rc = pt_config_of_tree(&o->cfg, tree, name, NULL, 0);
    pt_log_pause(false);
    PT_TRY(rc);
    PT_TRY(pt_setup_base(o->cfg, NULL, false, &o->base));
    PT_TRY(open_device(c, o));
done:
    pt_yaml_free(tree);
    if (rc != PT_OK) pt_open_close(o);
    return rc;
}

pt_status pt_open_named(pt_cli *c, const char *path, bool chat, pt_opened *o)
{
    pt_status rc = PT_OK;
    char *yaml = NULL;
    *o = (pt_opened){0};
    PT_CHECK(pt_file_given(path) || pt_dir_exists(path), PT_EARG, "%s is neither a file nor a folder", path);
    PT_TRY(pt_path_join(&yaml, path, "config.yaml"));
    if (pt_file_given(yaml)) PT_TRY(config_of_run(c, path, o));
    else PT_TRY(config_of_model(c, path, o));
    if (c->adapter_dir) {
        free(o->adapter);
        o->adapter = NULL;
        PT_TRY(pt_strdup(&o->adapter, c->adapter_dir));
    }
    if (c->ranks && !c->comm) PT_TRY(pt_cli_join(&o->cfg->ranks, &c->comm));
    rc = pt_setup_base(o->cfg, NULL, chat, &o->base);
    const char *base = o->cfg->model.base_model;
    if (rc != PT_OK && o->is_run)
        pt_fail_prefix(rc, base && !pt_file_given(base) && !pt_dir_exists(base) ? "%s (its config.yaml names the base; --base_model=PATH says where it is now)" : "%s",
                       path);
    PT_TRY(rc);
    PT_TRY(find_reward(c, o));
    PT_TRY(open_device(c, o));
done:
    free(yaml);
    if (rc != PT_OK) pt_open_close(o);
    return rc;
}

pt_status pt_open_model(pt_opened *o, int32_t tokens, int32_t decode_rows, int32_t decode_len)
{
    return pt_open_generation(o, tokens, decode_rows, decode_len, 0);
}

pt_status pt_open_generation(pt_opened *o, int32_t tokens, int32_t decode_rows, int32_t decode_len, int32_t decode_cells)
{
    tokens = (tokens + 63) / 64 * 64;
    pt_model_caps caps = {.tokens = tokens, .segs = 2 * decode_rows + 4, .decode_rows = decode_rows, .decode_len = decode_len, .decode_cells = decode_cells};
    caps.heads = caps.rows = decode_rows ? 2 * decode_rows + 2 : tokens;
    caps.groups = decode_rows + 2;
    if (o->width) caps.ends = tokens; /* a mean is over all */
    return pt_open_model_caps(o, &caps);
}

/* Copying costs what some four tokens do and gains up to a third of each (docs/measurements.md); half of what is free stays for all else. */
static bool worth_holding(const pt_opened *o)
{
    return !o->ctx.ops->apart && pt_large_pages() && pt_source_weight_bytes(o->base.source) <= pt_memory_available() / 2;
}

pt_status pt_open_plan(pt_opened *o, const pt_model_caps *caps)
{
    const size_t first = !o->adapter && !o->fresh && o->n_guests; /* without an adapter of its own the first guest stands in its slot */
    pt_model_options opt = {.lora = {.on = o->adapter || first, .start_dir = first ? o->guests[0] : o->adapter, .guests = o->guests + first, .n_guests = o->n_guests - first}, .heads = o->reward ? PT_HEAD_VALUES : PT_HEAD_VOCABULARY, .values = o->width, .seed = o->cfg->run.seed};
    if (o->fresh) {
        const pt_lora_options begun = pt_setup_model_options(o->cfg).lora;
        opt.lora.on = true;
        opt.lora.r = begun.r;
        opt.lora.alpha = begun.alpha;
        opt.lora.targets = begun.targets;
        opt.lora.n_targets = begun.n_targets;
    }
    opt.hold = caps->decode_rows && worth_holding(o);
    PT_RETURN(pt_model_new(&o->model, &o->ctx, o->base.source, &opt));
    return pt_model_plan(o->model, caps, o->planned);
}

pt_status pt_open_commit(pt_opened *o)
{
    return pt_model_commit(o->model);
}

pt_status pt_open_model_caps(pt_opened *o, const pt_model_caps *caps)
{
    PT_RETURN(pt_open_plan(o, caps));
    return pt_open_commit(o);
}

int pt_open_slot(const pt_opened *o, size_t guest)
{
    const bool first = !o->adapter;
    return first && !guest ? 0 : pt_model_guest_slot(o->model, guest - first);
}

void pt_open_close(pt_opened *o)
{
    pt_model_free(o->model);
    pt_setup_device_close(&o->ctx);
    pt_base_free(&o->base);
    json_decref(o->profiles);
    free(o->adapter);
    free(o->trained_from);
    pt_config_free(o->cfg);
    *o = (pt_opened){0};
}

pt_status pt_open_profile(const pt_opened *o, const char *role, const char **text)
{
    pt_str known = {0};
    const char *name;
    json_t *v;
    *text = json_string_value(json_object_get(o->profiles, role));
    if (*text) return PT_OK;
    json_object_foreach (o->profiles, name, v) {
        if (pt_str_printf(&known, "%s%s", known.len ? ", " : "", name) != PT_OK) break;
    }
    pt_status rc = o->profiles ? pt_fail(PT_EARG, "no role '%s' in this run; roles: %s", role, known.text ? known.text : "none")
                               : pt_fail(PT_EARG, "--role needs a run whose data names roles (profiles.json in its folder); use --system TEXT");
    pt_str_free(&known);
    return rc;
}
