/* Keys of other trainers whose values stand for settings of ours. */
#include <string.h>

#include "train/cli/schema.h"

#define EOT "the end token of every supervised turn is supervised (turn); nothing else exists here"
#define STRATEGY "strategies are no, steps, epoch"
#define STAND_IN "adamw, which it comes near in less memory; said as a warning"
#define PREF "of LLaMA-Factory's losses dpo has sigmoid, hinge and ipo"

static const pt_translation plain[] = { /* behind those that the objectives declare */
    {"finetuning_type", "lora", "adapter", "lora", NULL}, {"finetuning_type", "full", "adapter", "none", NULL},
    {"finetuning_type", "*", NULL, NULL, "finetuning types here are full and lora"},
    {"resume_from_checkpoint", "true", "resume_from_checkpoint", "auto", NULL}, {"resume_from_checkpoint", "false", "resume_from_checkpoint", "!auto", NULL},
    {"plugins", "LigerPlugin, CutCrossEntropyPlugin, SwanLabPlugin, OtelPlugin", NULL, NULL, NULL}, {"plugins", "*", NULL, NULL, "plugins are Python"},
    {"lr_scheduler_kwargs", "min_lr_rate: N", "cosine_min_lr_ratio", "N", NULL}, {"lr_scheduler_kwargs", "*", NULL, NULL, "schedules have no other numbers here"},
    {"peft_config", "{name: lora, r: N, ...}", "finetuning_type", "lora, lora_r: N, ...: each entry is a key", NULL},
    {"quant_config", "{quantization_bit: N}", "quantization_bit", "N", NULL},
    {"quantization_bit", "4", "load_in_4bit", "true", NULL}, {"quantization_bit", "8", NULL, NULL, NULL},
    {"quantization_bit", "*", NULL, NULL, "the base stays in its stored type: give a quantised GGUF as base_model"},
    {"use_adam_mini", "true", "optimizer", STAND_IN, NULL}, {"use_galore", "true", "optimizer", STAND_IN, NULL},
    {"use_apollo", "true", "optimizer", STAND_IN, NULL}, {"use_badam", "true", "optimizer", STAND_IN, NULL},
    {"gptq", "true", "load_in_4bit", "true", NULL}, {"gptq", "false", NULL, NULL, NULL},
    {"num_labels", "1", NULL, NULL, NULL}, /* a reward model has one */
    {"pref_loss", "sigmoid", "loss_type", "sigmoid", NULL}, {"pref_loss", "hinge", "loss_type", "hinge", NULL}, {"pref_loss", "ipo", "loss_type", "ipo", NULL},
    {"pref_loss", "*", NULL, NULL, PREF}, {"dpo_norm_loss", "true", "loss_type", "sigmoid_norm", NULL}, {"dpo_norm_loss", "false", NULL, NULL, NULL},
    {"init_lora_weights", "true", NULL, NULL, NULL}, {"init_lora_weights", "*", NULL, NULL, "adapters begin as PEFT's default: A random, B zero"},
    {"peft_init_lora_weights", "true", NULL, NULL, NULL}, {"peft_init_lora_weights", "*", NULL, NULL, "adapters begin as PEFT's default: A random, B zero"},
    {"curriculum_sampling", "true", "shuffle_merged_datasets", "false", NULL}, {"curriculum_sampling", "false", NULL, NULL, NULL},
    {"gradient_checkpointing", "offload", "gradient_checkpointing", "true", NULL}, {"gradient_checkpointing", "offload_disk", "gradient_checkpointing", "true", NULL},
    {"gradient_checkpointing", "unsloth", "gradient_checkpointing", "true", NULL},
    {"disable_gradient_checkpointing", "true", "gradient_checkpointing", "false", NULL}, {"disable_gradient_checkpointing", "false", NULL, NULL, NULL},
    {"chat_template", "qwen_25", "chat_template", "qwen", NULL}, {"chat_template", "qwen3_nothink", "chat_template", "chatml", NULL},
    {"pure_bf16", "true", "compute", "bf16", NULL}, {"pure_bf16", "false", NULL, NULL, NULL},
    {"bf16", "true", "compute", "bf16", NULL}, {"bf16", "full", "compute", "bf16", NULL}, {"bf16", "false", "compute", "f32", NULL},
    {"bf16", "auto", "compute", "auto", NULL}, {"bf16", "*", NULL, NULL, "bf16 takes true, false or auto"},
    {"bfloat16", "true", "compute", "bf16", NULL}, {"bfloat16", "false", "compute", "!bf16", NULL},
    {"bfloat16", "*", NULL, NULL, "bfloat16 takes true or false"},
    {"auto_resume_from_checkpoints", "true", "resume_from_checkpoint", "auto", NULL},
    {"auto_resume_from_checkpoints", "false", "resume_from_checkpoint", "!auto", NULL},
    {"auto_resume_from_checkpoints", "*", NULL, NULL, "auto_resume_from_checkpoints takes true or false"},
    {"train_on_eos", "turn", NULL, NULL, NULL}, {"train_on_eos", "*", NULL, NULL, EOT},
    {"train_on_eot", "turn", NULL, NULL, NULL}, {"train_on_eot", "*", NULL, NULL, EOT},
    {"eval_strategy", "no", "eval_steps", "0", NULL}, {"eval_strategy", "no", "evals_per_epoch", "0", NULL},
    {"eval_strategy", "steps", NULL, NULL, NULL}, {"eval_strategy", "epoch", "evals_per_epoch", "1", NULL},
    {"eval_strategy", "*", NULL, NULL, STRATEGY},
    {"evaluation_strategy", "no", "eval_steps", "0", NULL}, {"evaluation_strategy", "no", "evals_per_epoch", "0", NULL},
    {"evaluation_strategy", "steps", NULL, NULL, NULL}, {"evaluation_strategy", "epoch", "evals_per_epoch", "1", NULL},
    {"evaluation_strategy", "*", NULL, NULL, STRATEGY},
    {"save_strategy", "no", "save_steps", "0", NULL}, {"save_strategy", "no", "saves_per_epoch", "0", NULL},
    {"save_strategy", "steps", NULL, NULL, NULL}, {"save_strategy", "epoch", "saves_per_epoch", "1", NULL},
    {"save_strategy", "best", "save_steps", "0", NULL}, {"save_strategy", "best", "saves_per_epoch", "0", NULL}, /* each new best is saved anyway */
    {"save_strategy", "*", NULL, NULL, STRATEGY ", best"},
};

const pt_translation *pt_schema_translations(size_t *n)
{
    static pt_translation table[64 + sizeof plain / sizeof *plain];
    static size_t count;
    if (!count) {
        size_t at = pt_schema_objective_translations(table);
        memcpy(table + at, plain, sizeof plain);
        count = at + sizeof plain / sizeof *plain;
    }
    *n = count;
    return table;
}

/* "rl: dpo is objective: dpo; else refused: ..." */
static pt_status put_row(pt_str *out, const pt_translation *t)
{
    if (t->refusal) return pt_str_printf(out, "any other is refused: %s", t->refusal);
    if (!t->to_key) return pt_str_printf(out, "%s changes nothing", t->value[0] ? t->value : "empty");
    bool not = t->to_value[0] == '!';
    return pt_str_printf(out, "%s is %s: %s%s", t->value, t->to_key, not ? "anything but " : "", t->to_value + not);
}

pt_status pt_schema_translation_text(pt_str *out, const char *name, const char *between, bool *found)
{
    *found = false;
    size_t n;
    const pt_translation *table = pt_schema_translations(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].key, name)) continue;
        if (*found) PT_RETURN(pt_str_puts(out, between));
        PT_RETURN(put_row(out, &table[i]));
        *found = true;
    }
    return PT_OK;
}
