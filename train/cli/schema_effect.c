/* What follows from each key for ranks and for resumed runs, and the settings as text that train/loop compares. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/schema.h"

enum {
    FREE = PT_EFFECT_FREE,
    RANKS = PT_EFFECT_RANKS,
    SAID = PT_EFFECT_RANKS | PT_EFFECT_RESUME,
    DATA = PT_EFFECT_RANKS | PT_EFFECT_DATA,
    BASE = PT_EFFECT_RANKS | PT_EFFECT_BASE,
    LAYOUT = PT_EFFECT_RANKS | PT_EFFECT_LAYOUT,
    SCALE = PT_EFFECT_RANKS | PT_EFFECT_SCALE,
};

static const struct {
    const char *key;
    unsigned effect;
} effects[] = {
    /* names of files and folders: what is in them is compared */
    {"base_model", FREE},
    {"tokenizer", FREE},
    {"lora_model_dir", FREE},
    {"resume_from_checkpoint", FREE},
    {"dataset_prepared_path", FREE},
    {"output_dir", FREE},
    {"init", FREE}, /* model_config stands for it */
    {"model_config", BASE},
    {"objective", LAYOUT},
    {"datasets", DATA}, /* without paths; weights on their own */
    {"test_datasets", RANKS},
    {"dataset_dir", FREE}, /* datasets say what the names stand for */
    {"max_samples", DATA},
    {"pooling_token", DATA},
    {"min_sample_len", DATA},
    {"dataset_exact_deduplication", DATA},
    {"reinit_weights", BASE},
    {"loraplus_lr_ratio", SAID},
    {"chat_template", DATA},
    {"chat_template_jinja", DATA},
    {"chat_template_date", DATA},
    {"default_system_message", DATA},
    {"system_role", DATA},
    {"alternate_roles", DATA},
    {"greeting_prompt", DATA},
    {"train_on_inputs", DATA},
    {"roles_to_train", DATA},
    {"sequence_len", SAID | DATA},
    {"excess_length_strategy", DATA},
    {"sample_packing", SAID},
    {"share_group", SAID},
    {"shuffle_merged_datasets", SAID},
    {"added_tokens", LAYOUT}, /* texts: the packs know the tokenizer */
    {"added_tokens_from", FREE}, /* the base's content has the rows */
    {"special_tokens", RANKS},
    {"val_set_size", DATA},
    {"val_split_by", DATA},
    {"bad_rows", DATA},
    {"audit", RANKS}, /* a run that goes on was looked at when it began */
    {"adapter", LAYOUT},
    {"load_in_4bit", FREE}, /* a check of the base, which has its own digest */
    {"lora_r", LAYOUT | SCALE},
    {"lora_alpha", SCALE},
    {"lora_dropout", SAID},
    {"lora_target_modules", LAYOUT},
    {"lora_target_linear", LAYOUT},
    {"peft_use_rslora", SCALE},
    {"precompute_ref_log_probs", SAID},
    {"sync_ref_model", SAID}, /* and its slot is in the checkpoint */
    {"ref_model_mixup_alpha", SAID},
    {"ref_model_sync_steps", SAID},
    {"batch_rows", SAID},
    {"micro_batch_size", SAID},
    {"gradient_accumulation_steps", SAID},
    {"num_epochs", RANKS}, /* a resumed run is told of its steps, and of the warm-up's, which follow from these four */
    {"max_steps", RANKS},
    {"warmup_steps", RANKS},
    {"warmup_ratio", RANKS},
    {"learning_rate", SAID},
    {"lr_scheduler", SAID},
    {"lr_quadratic_warmup", SAID},
    {"cosine_min_lr_ratio", SAID},
    {"optimizer", FREE}, /* all accepted names are one arithmetic */
    {"weight_decay", SAID},
    {"adam_beta1", SAID},
    {"adam_beta2", SAID},
    {"adam_epsilon", SAID},
    {"max_grad_norm", SAID},
    {"eval_steps", RANKS},
    {"save_steps", RANKS},
    {"evals_per_epoch", RANKS},
    {"saves_per_epoch", RANKS},
    {"save_total_limit", FREE}, /* rank 0 removes alone */
    {"metric_for_best_model", RANKS}, /* a checkpoint keeps by what it chose */
    {"greater_is_better", RANKS},
    {"load_best_model_at_end", RANKS},
    {"early_stopping_patience", SAID},
    {"early_stopping_threshold", SAID},
    {"logging_steps", FREE},
    {"log_token_metrics", RANKS},
    {"loss_watchdog_threshold", RANKS},
    {"loss_watchdog_patience", RANKS},
    {"gradient_checkpointing", SAID},
    {"keep_dequantised", RANKS},
    {"device", RANKS}, /* a checkpoint keeps what was chosen, and is asked where the config leaves the choice */
    {"compute", RANKS},
    {"ddp_timeout", FREE},
    {"ddp_bucket_cap_mb", RANKS},
    {"seed", SAID | DATA | BASE},
    {"stages", FREE}, /* each is a config of its own */
    {"evaluations", FREE},
    {"models", FREE},
    {"eval_data", FREE},
    {"eval_questions", FREE}, /* `ptrain eval` runs alone */
    {"eval_max_new_tokens", FREE},
    {"report_rows", FREE},
    {"eval_temperature", FREE},
    {"eval_sampling", FREE},
    {"samplers", FREE}, /* of chat and generate */
    {"sampling", FREE},
};

unsigned pt_schema_effect(const char *name)
{
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        if (!strcmp(effects[i].key, name)) return effects[i].effect;
    const pt_option **options;
    size_t n = pt_objective_keys(&options);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(options[i]->key, name)) return options[i]->effect;
    return 0;
}

/* "key: value" of YAML as the value alone, on one line. */
static pt_status value_of(const pt_str *yaml, const char *key, char **out)
{
    const char *p = yaml->len ? yaml->text : "";
    size_t k = strlen(key), n = 0;
    if (!strncmp(p, key, k) && p[k] == ':') p += k + 1;
    PT_RETURN(pt_strndup(out, p, strlen(p)));
    char *to = *out;
    for (; *p; p++) {
        bool space = *p == ' ' || *p == '\n';
        if (!space) to[n++] = *p;
        else if (n && to[n - 1] != ' ') to[n++] = ' ';
    }
    while (n && to[n - 1] == ' ') n--;
    to[n] = 0;
    return PT_OK;
}

static pt_status add(pt_config_source *to, size_t *cap, const char *key, unsigned effect, const pt_str *yaml)
{
    pt_setting_value v = {.effect = effect};
    PT_RETURN(pt_reserve(&to->settings, cap, to->n_settings + 1));
    PT_RETURN(value_of(yaml, key, &v.value));
    pt_status rc = pt_strdup(&v.key, key);
    if (rc == PT_OK) to->settings[to->n_settings++] = v;
    else free(v.value);
    return rc;
}

/* Each set on its own, without what names files; the weight, which only decides how often its records are drawn, apart. */
static pt_status add_sets(pt_config *c, size_t *cap, const pt_key *k, unsigned effect)
{
    pt_status rc = PT_OK;
    const pt_dataset_spec *list = *(pt_dataset_spec *const *)((const char *)c + k->offset);
    size_t n = *(const size_t *)((const char *)c + k->offset_n);
    pt_str text = {0};
    char name[64];
    for (size_t i = 0; i < n; i++) {
        pt_dataset_spec d = list[i];
        d.path = (char *)"";
        d.weight = 1;
        text.len = 0;
        PT_TRY(pt_config_put_datasets(&text, c, k->name, &d, 1, false));
        snprintf(name, sizeof name, "%s[%zu]", k->name, i);
        memmove(text.text, text.text + strlen(k->name) + 1, text.len - strlen(k->name)); /* its first line is "key:" */
        text.len -= strlen(k->name) + 1;
        PT_TRY(add(&c->source, cap, name, effect, &text));
        text.len = 0;
        PT_TRY(pt_str_printf(&text, "%.17g", list[i].weight));
        snprintf(name, sizeof name, "%s[%zu].weight", k->name, i);
        PT_TRY(add(&c->source, cap, name, effect & PT_EFFECT_DATA ? SAID : RANKS, &text));
    }
done:
    pt_str_free(&text);
    return rc;
}

pt_status pt_config_settings(pt_config *c)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    size_t n, cap = 0;
    const pt_key *k = pt_schema(&n);
    for (size_t i = 0; i < n; i++) {
        unsigned effect = pt_schema_effect(k[i].name);
        if (effect & PT_EFFECT_FREE) continue;
        if (!effect) effect = SAID; /* rather one word too many */
        if (k[i].kind == PT_KEY_DATASETS) {
            PT_TRY(add_sets(c, &cap, &k[i], effect));
            continue;
        }
        text.len = 0;
        PT_TRY(pt_str_puts(&text, ""));
        PT_TRY(pt_config_put_key(&text, c, &k[i]));
        PT_TRY(add(&c->source, &cap, k[i].name, effect, &text));
    }
done:
    pt_str_free(&text);
    return rc;
}

void pt_config_settings_free(pt_config *c)
{
    for (size_t i = 0; i < c->source.n_settings; i++) {
        free(c->source.settings[i].key);
        free(c->source.settings[i].value);
    }
    free(c->source.settings);
    c->source.settings = NULL;
    c->source.n_settings = 0;
}
