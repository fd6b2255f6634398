/* The run's settings after parsing: every key of contract.md as a plain field. train/cli fills it from YAML and the command line through its
 * schema table; nothing below cli knows YAML. Strings are owned by the config (pt_config_free in train/cli/config.h); NULL = unset. */
#ifndef PT_LOOP_CONFIG_H
#define PT_LOOP_CONFIG_H
#include "data/read/dataset.h"
#include "train/objective/objective.h"

typedef enum pt_adapter_kind { PT_ADAPTER_NONE, PT_ADAPTER_LORA, PT_ADAPTER_QLORA } pt_adapter_kind;
typedef enum pt_sched { PT_SCHED_CONSTANT, PT_SCHED_LINEAR, PT_SCHED_COSINE } pt_sched;
typedef enum pt_device_kind { PT_DEVICE_AUTO, PT_DEVICE_CPU, PT_DEVICE_CUDA, PT_DEVICE_EMULATED } pt_device_kind;
typedef enum pt_compute_kind { PT_COMPUTE_AUTO, PT_COMPUTE_KIND_F32, PT_COMPUTE_KIND_BF16 } pt_compute_kind;

typedef struct pt_setting_value {
    char *key, *value; /* value: one line of text */
    unsigned effect;   /* pt_effect, or'ed */
} pt_setting_value;

/* init: random: a model from numbers in YAML instead of weights. */
typedef struct pt_init_config {
    bool random;         /* init: random */
    char *family;        /* "llama", "mistral", "qwen2", "qwen3" */
    int hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, vocab_size, sliding_window;
    double rope_theta, rms_norm_eps, initializer_range;
    bool tie_word_embeddings;
    int max_position_embeddings;
} pt_init_config;

typedef struct pt_config {
    char *base_model, *tokenizer;
    bool reinit_weights;         /* base_model's shape and tokenizer, random weights */
    pt_init_config init;
    const pt_objective *objective;
    pt_option_value options[PT_OBJECTIVE_KEYS]; /* by pt_objective_keys */
    pt_dataset_spec *datasets; size_t n_datasets;
    pt_dataset_spec *test_datasets; size_t n_test_datasets;
    double bad_rows;             /* share of unusable rows that a data set may have; in each of them too */
    char *dataset_dir; int max_samples, min_sample_len; bool dataset_exact_deduplication; /* rows read of each set; tokens that a record needs; 0 = all */
    char *chat_template, *default_system_message;
    pt_adapter_kind adapter;
    char *lora_model_dir;
    int lora_r; double lora_alpha, lora_dropout;
    bool lora_r_set, lora_alpha_set;
    char **lora_target_modules; size_t n_lora_target_modules; /* suffixes, paths, or one regular expression */
    bool lora_target_linear, peft_use_rslora;
    int sequence_len;
    pt_packing sample_packing;
    int share_group;
    pt_excess excess_length_strategy;
    int batch_rows;              /* 0 = not given */
    int micro_batch_size, gradient_accumulation_steps;
    double num_epochs; int max_steps; /* max_steps 0 = not given; it wins */
    bool shuffle_merged_datasets, train_on_inputs;
    char **roles_to_train; size_t n_roles_to_train;
    bool lr_quadratic_warmup; double learning_rate, loraplus_lr_ratio, min_lr_ratio; pt_sched lr_scheduler; /* min_lr_ratio: cosine ends there */
    double warmup_steps, warmup_ratio; /* steps (below 1 a share of all) win over ratio; -1 = not given */
    char *optimizer; double weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm; /* max_grad_norm 0 = no clipping */
    pt_val_split val_split_by;
    double val_set_size, eval_steps, save_steps, logging_steps; int save_total_limit; /* steps: below 1 a share of all; 0 = off / unlimited */
    double loss_watchdog_threshold; int loss_watchdog_patience; /* 0 = off; steps in a row */
    bool gradient_checkpointing;
    pt_device_kind device; pt_compute_kind compute;
    uint64_t seed;
    char *output_dir, *resume_from_checkpoint; /* PATH or "auto" */
    int eval_questions, eval_max_new_tokens; double eval_temperature; /* `ptrain eval` */
    /* not keys: what the cli found out */
    char *yaml_text;             /* effective config, as YAML, saved as config.yaml */
    pt_setting_value *settings; size_t n_settings; /* every key that is not free, as text; NULL where no schema made this config */
    char *cache_dir;             /* dataset_prepared_path: packs; default: output_dir/cache */
    /* from axolotl's vocabulary */
    double evals_per_epoch, saves_per_epoch;  /* 0 = not given; turned into steps by the run (steps an epoch / n, at least 1) */
    bool quantised_wanted;       /* load_in_4bit: true, or adapter: qlora: the base must be a quantised one */
    char **special_tokens; size_t n_special_tokens; /* spellings that must be in the vocabulary already: refused otherwise */
    char *config_path;           /* the YAML file, NULL when none */
    int ddp_timeout, ddp_bucket_cap_mb; /* seconds, MiB; 0 = the defaults of train/dist */
    char **special_token_names; /* [n_special_tokens]: pad_token ... */
    int path_line[3], path_column[3]; /* where config_path names base_model, tokenizer, lora_model_dir; 0 = the command line */
} pt_config;
#endif
