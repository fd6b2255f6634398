/* YAML files and --key=value settings -> pt_config, through the schema. Errors carry file:line:column. */
#ifndef PT_CLI_CONFIG_H
#define PT_CLI_CONFIG_H
#include "train/loop/config.h"

/* A setting of the command line: key and YAML text of the value. */
typedef struct pt_setting { const char *key, *value; } pt_setting;

struct pt_ynode;
/* The config that a tree says (NULL: defaults), read from the file of that name. */
pt_status pt_config_of_tree(pt_config **out, const struct pt_ynode *root, const char *path, const pt_setting *settings, size_t n_settings);
/* Of a file with `stages` (train/cli/stages.h) that of the last one. path NULL: defaults and settings only. Notes (keys without effect, accepted stand-ins) go to base/log.h. Relative paths inside the file stay as
 * written: they are relative to the working directory, as in axolotl. */
pt_status pt_config_load(pt_config **out, const char *path, const pt_setting *settings, size_t n_settings);
void pt_config_free(pt_config *c);
/* PT_EIO "FILE:LINE:COLUMN: KEY: PATH: no such file" for the first file or folder that the config names and that is not there, with how to get
 * what the hub of Hugging Face has: base_model, tokenizer, lora_model_dir; paths and profiles of data sets. */
pt_status pt_config_check_model(const pt_config *c);
pt_status pt_config_check_data(const pt_config *c);
/* config_options.c: the objective's options and its variant. file: where the config stands. */
pt_status pt_config_check_options(pt_config *c, const char *file);
/* The effective config: every key with its value, as YAML that pt_config_load reads back to the same config. */
pt_status pt_config_yaml(const pt_config *c, pt_str *out);
#endif
