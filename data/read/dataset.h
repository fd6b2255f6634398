/* What a config says about one data set, and the enums that packing needs. Strings are borrowed or owned by whoever made the struct. */
#ifndef PT_DATA_DATASET_H
#define PT_DATA_DATASET_H
#include <stdbool.h>
#include "base/mem.h"

typedef enum pt_packing { PT_PACKING_FOREST, PT_PACKING_PLAIN, PT_PACKING_OFF } pt_packing;
/* What goes to validation as a whole: by default (AUTO) a prompt, where prompts are real (data/pack/pack_split.c). */
typedef enum pt_val_split { PT_SPLIT_AUTO, PT_SPLIT_RECORD, PT_SPLIT_PROMPT, PT_SPLIT_ROLE } pt_val_split;
typedef enum pt_excess { PT_EXCESS_DROP, PT_EXCESS_TRUNCATE, PT_EXCESS_RAISE } pt_excess;

/* Columns of a row that a config may name (field_*). Without a name the reader's own names hold; "" says that the row has none. A row's weight and
 * margin are read under a name given here only: such names are too common in foreign data. */
typedef enum pt_column {
    PT_COL_SYSTEM, PT_COL_PROMPT, PT_COL_INPUT, PT_COL_OUTPUT, PT_COL_HISTORY, PT_COL_CHOSEN, PT_COL_REJECTED, PT_COL_WEIGHT, PT_COL_MARGIN, PT_COLS
} pt_column;

/* One entry of `datasets:`. Types: messages (= chat_template), sharegpt, alpaca, rolebench, text (= completion), preference, mindset, tokens (= ""). */
typedef struct pt_dataset_spec {
    char *path, *type, *split;
    char *format;              /* ds_type: json, csv or text; NULL: as the name says */
    double weight;             /* share of its records drawn an epoch: 1 = each once, 0.5 = half (seeded), 2 = each twice */
    char *field_messages;      /* default "messages" ("conversations" for sharegpt) */
    char *property_role, *property_content; /* message_property_mappings; defaults role/content, from/value */
    char *field_text;          /* text: default "text" */
    char *profiles;            /* rolebench: FILE {role: text} */
    char *references;          /* rolebench: "first" (default) | "all" */
    char *system_template;     /* rolebench: text with {role} and {profile}; default "{profile}" */
    char *fields[PT_COLS];     /* by pt_column; NULL = the reader's own names */
    char *property_train;      /* message_field_training: a message's own true | false; default: train */
    char **role_names; int *role_is; size_t n_roles; /* roles: speakers' names in the data and the pt_speaker that each is */
    char **roles_to_train; size_t n_roles_to_train;  /* instead of the config's */
    char *system_prompt;       /* for rows without a system text of their own */
    bool drop_system;          /* drop_system_message: system texts of the rows are left out */
    double bad_rows;           /* share of the rows that may be unusable and are then left out; 0: the first one ends the reading */
    int line, column;          /* where the config says it, for errors */
} pt_dataset_spec;
#endif
