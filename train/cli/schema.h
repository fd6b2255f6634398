/* The schema: one table of every config key. Parsing, defaults, aliases, checks, `ptrain help KEY` and docs/config.md come from it.
 * A second table names the keys of other trainers (axolotl first) that have no effect here or are refused, each with the reason. */
#ifndef PT_CLI_SCHEMA_H
#define PT_CLI_SCHEMA_H
#include "data/read/data_key.h"
#include "train/loop/config.h"

typedef enum pt_key_kind {
    PT_KEY_STRING, PT_KEY_PATH, PT_KEY_INT, PT_KEY_U64, PT_KEY_NUMBER, PT_KEY_STEPS, PT_KEY_BOOL, PT_KEY_ENUM, PT_KEY_LIST, /* list of strings; a scalar is a list of one */
    PT_KEY_DATASETS, PT_KEY_MODEL, /* nested */
    PT_KEY_TOKENS, /* special_tokens: a mapping of names to spellings */
    PT_KEY_EVALUATIONS, /* tasks with keys of their own */
    PT_KEY_WORDS, PT_KEY_NUMBERS, /* options of objectives that are lists: the whole pt_option_value */
    PT_KEY_OBJECTIVE, /* one of train/objective */
    PT_KEY_MODELS, /* whom tasks speak to, with keys of their own */
    PT_KEY_STAGES /* a list of configs (train/cli/stages.h) */
} pt_key_kind;

struct pt_translation;
typedef struct pt_key {
    const char *name, *section;
    pt_key_kind kind;
    size_t offset;             /* of the field in pt_config; of the count for lists: offset_n */
    size_t offset_n;           /* options of objectives: of their `set` */
    const char *fallback;      /* the default as YAML text; NULL = unset */
    double min, max;           /* numbers; min > max = no bound */
    const pt_word *choices;  /* enums; numbers: words that stand for one */
    const char *aliases;       /* space-separated; each means the same */
    const char *help;          /* one or two sentences */
} pt_key;

/* Keys of this program, and behind `objective` the options of all objectives. */
const pt_key *pt_schema(size_t *n);
/* "dpo, kto": the objectives that have this option. */
const char *pt_schema_objectives_with(const char *key);
/* schema_objective.c: the key `objective` and the objectives' options, PT_OBJECTIVE_KEYS + 1 at most; how many. */
size_t pt_schema_objective(pt_key *to);
/* Rows of the objectives' other names (rl: dpo), then one that refuses each key's other values; how many of at most 64. */
size_t pt_schema_objective_translations(struct pt_translation *to);
/* "dpo or reward": the objectives whose records hold that many answers. */
const char *pt_schema_objectives_of(int answers);
/* Of those whose answers have labels. */
const char *pt_schema_objectives_verdicts(void);
/* By name or alias. */
const pt_key *pt_schema_find(const char *name);

/* What follows from a key (pt_effect, or'ed); 0 = nobody has said it yet: tests/unit/cli_config fails then. */
unsigned pt_schema_effect(const char *name);
/* Fills c->source.settings from what is in c; freed by pt_config_settings_free. */
pt_status pt_config_settings(pt_config *c);
void pt_config_settings_free(pt_config *c);
/* "key: value" lines of one key as YAML (config_write.c); nothing for an unset one. */
pt_status pt_config_put_key(pt_str *out, const pt_config *c, const pt_key *k);
/* files: with the files that readers' keys name. */
pt_status pt_config_put_evaluations(pt_str *out, const char *key, const pt_task_spec *s, size_t n);
pt_status pt_config_put_models(pt_str *out, const char *key, const pt_voice_spec *s, size_t n);
/* The keys of an entry of `models`. */
pt_status pt_schema_models(pt_str *out, bool markdown);
/* What the tasks of `evaluations` are, and their keys. */
pt_status pt_schema_tasks(pt_str *out, bool markdown);
pt_status pt_config_put_datasets(pt_str *out, const pt_config *c, const char *key, const pt_dataset_spec *d, size_t n, bool files);

typedef struct pt_foreign_key { const char *name; bool refused; const char *why; } pt_foreign_key;
const pt_foreign_key *pt_schema_foreign(size_t *n);
/* Longest match wins; entries ending in '*' match by prefix. */
const pt_foreign_key *pt_schema_foreign_find(const char *name);

/* Keys of one data set. */
typedef struct pt_dataset_key {
    const char *name, *aliases;
    const char *help;          /* NULL: not listed */
    const char *refused;       /* why, or NULL */
    const pt_data_key *reader; /* who declares it; NULL: a key of every set */
} pt_dataset_key;
const pt_dataset_key *pt_schema_dataset(size_t *n);
const pt_dataset_key *pt_schema_dataset_find(const char *name);
pt_status pt_schema_dataset_help(pt_str *out);
pt_status pt_schema_dataset_markdown(pt_str *out);

/* A key of other trainers whose value is a setting of ours: rl: dpo -> objective: dpo. */
typedef struct pt_translation {
    const char *key, *value;      /* value "*": any that no row above names; letter case does not count */
    const char *to_key, *to_value; /* NULL: accepted, changes nothing. "!x": it disagrees with to_key: x, and changes nothing */
    const char *refusal;          /* the value is refused: why */
} pt_translation;
const pt_translation *pt_schema_translations(size_t *n);
/* What each value of `name` is, rows separated by `between`; *found false when no row has it. */
pt_status pt_schema_translation_text(pt_str *out, const char *name, const char *between, bool *found);

/* The known key nearest to `name` by edit distance, NULL when none is near. */
const char *pt_schema_nearest(const char *name);
/* The page of objectives, with places for what their files say (schema_pages.c, tests/tools/objectives_md.sh). */
pt_status pt_schema_objectives_page(pt_str *out);
/* The reference page (Markdown). */
pt_status pt_schema_markdown(pt_str *out);
/* Help for one key; PT_EARG when unknown. */
pt_status pt_schema_help(pt_str *out, const char *name);
#endif
