/* One YAML node into one field, with checks that name the place. Private to train/cli. */
#ifndef PT_CLI_CONFIG_VALUE_H
#define PT_CLI_CONFIG_VALUE_H
#include "train/cli/schema.h"
#include "base/entry.h"
#include "train/cli/yaml.h"

/* Where a value stands, for messages. */
typedef struct pt_place { const char *file; int line, column; } pt_place;
pt_status pt_place_fail(pt_place at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

pt_status pt_value_string(pt_place at, const char *key, const pt_ynode *n, char **out);
/* A text whose leading ~ and ${NAME} stand for the home folder and the environment; a variable that is not set is an error. */
pt_status pt_value_path(pt_place at, const char *key, const pt_ynode *n, char **out);
/* Numbers as Python reads them: 2e-4, 1_000, .5, 0x10, in quotes too; false is 0 where that lies in the bounds. */
pt_status pt_value_number(pt_place at, const char *key, const pt_ynode *n, double min, double max, double *out);
/* Whole, or below 1: a share. */
pt_status pt_value_steps(pt_place at, const char *key, const pt_ynode *n, double min, double max, double *out);
pt_status pt_value_int(pt_place at, const char *key, const pt_ynode *n, double min, double max, int *out);
pt_status pt_value_u64(pt_place at, const char *key, const pt_ynode *n, uint64_t *out);
pt_status pt_value_bool(pt_place at, const char *key, const pt_ynode *n, bool *out);
pt_status pt_value_enum(pt_place at, const char *key, const pt_ynode *n, const pt_word *choices, int *out);
pt_status pt_value_list(pt_place at, const char *key, const pt_ynode *n, char ***out, size_t *out_n);
/* lora_target_modules: names, or one regular expression, which must compile; one text with commas is a list of names. Whatever in a list
 * of several is no module name is refused at its place: it would never match. */
pt_status pt_value_targets(pt_place at, const char *key, const pt_ynode *n, char ***out, size_t *out_n);
/* Different words of k->choices, one or a list; numbers within k's bounds, one or a list. */
pt_status pt_value_words(pt_place at, const pt_key *k, const pt_ynode *n, pt_option_value *out);
pt_status pt_value_numbers(pt_place at, const pt_key *k, const pt_ynode *n, pt_option_value *out);
/* A mapping of names to texts; null texts are left out. */
pt_status pt_value_tokens(pt_place at, const char *key, const pt_ynode *n, char ***names, char ***texts, size_t *out_n);
/* The word itself, letter case apart; or both say true, or both false (yes, on, 1; no, off, 0). */
bool pt_value_word_is(const pt_ynode *n, const char *word);
/* An unquoted true, yes, on / false, no, off: no text. */
bool pt_value_is_plain_bool(const pt_ynode *n, bool *value);
/* null, false, 0, "", [] or {}: a switch that is off. */
bool pt_value_is_off(const pt_ynode *n);

/* A number, or a word of k->choices that stands for one. */
pt_status pt_value_worded(pt_place at, const pt_key *k, const pt_ynode *n, double *out);
/* Names in datasets, as a list of data sets: each text, or what dir/dataset_info.json says of its names (LLaMA-Factory's; several after
 * commas); {path: FOLDER, dataset: NAMES, ...}: what that folder's says, with the mapping's other keys in place of the entry's. *out NULL: there are none, v holds
 * as it is. */
pt_status pt_value_named_sets(pt_place at, const char *dir, const pt_ynode *v, pt_ynode **out);
pt_status pt_value_datasets(const char *file, const char *key, const pt_ynode *n, pt_dataset_spec **out, size_t *out_n);
void pt_datasets_free(pt_dataset_spec *d, size_t n);
/* The config's roles_to_train, where they name people, to a set whose rows do and that says none. */
pt_status pt_config_name_people(const pt_config *c, pt_dataset_spec *d);
/* PT_EARG, by its place: a type that does not give what the objective wants (train: it is learnt from); what its reader does not take. */
pt_status pt_config_check_dataset(const pt_config *c, const char *file, const pt_dataset_spec *d, bool train);
/* The list `evaluations`, or one entry; checked against their tasks. */
pt_status pt_value_evaluations(const char *file, const pt_ynode *n, pt_task_spec **out, size_t *out_n);
void pt_evaluations_free(pt_task_spec *list, size_t n);
/* The list `models`, or one entry. */
pt_status pt_value_models(const char *file, const pt_ynode *n, pt_voice_spec **out, size_t *out_n);
/* The options of an entry with `endpoint`; free them, on failure too. PT_EARG at the option's place. */
struct pt_http_options;
pt_status pt_models_endpoint(const pt_voice_spec *s, struct pt_http_options *o);
void pt_models_free(pt_voice_spec *list, size_t n);
/* config_rules.c: rules between keys. lora_target_linear takes the names of lora_target_modules in. */
pt_status pt_config_join_targets(pt_config *c, pt_place at);
/* What precompute_ref_log_probs and sync_ref_model ask of objective and adapter; where the config says each. */
pt_status pt_config_check_tokens(const pt_config *c, pt_place at);
pt_status pt_config_check_reference(const pt_config *c, pt_place precompute, pt_place sync);
/* What load_best_model_at_end, early_stopping_patience and early_stopping_threshold ask of each other; where the config says each. */
/* Whether samplers and sampling can be read and go together. */
pt_status pt_config_check_sampling(const pt_config *c, pt_place samplers, pt_place sampling);
pt_status pt_config_check_eval_sampling(const pt_config *c, pt_place at);
pt_status pt_config_check_best(const pt_config *c, pt_place load, pt_place patience, pt_place threshold);
pt_status pt_value_model(const char *file, const pt_ynode *n, pt_init_config *out);
/* Width options of the objective from `labels` of the data sets (config_labels.c). */
pt_status pt_config_labels(pt_config *c, const char *file);
#endif
