/* What a config says about one data set, and the enums that packing needs. Strings are borrowed or owned by whoever made the struct. */
#ifndef PT_DATA_DATASET_H
#define PT_DATA_DATASET_H
#include <stdbool.h>
#include "base/mem.h"

typedef enum pt_packing { PT_PACKING_FOREST, PT_PACKING_PLAIN, PT_PACKING_OFF } pt_packing;
typedef enum pt_excess { PT_EXCESS_DROP, PT_EXCESS_TRUNCATE, PT_EXCESS_RAISE } pt_excess;

/* One entry of `datasets:`. Types: messages (= chat_template), sharegpt, alpaca, rolebench, text (= completion), preference, mindset, tokens (= ""). */
typedef struct pt_dataset_spec {
    char *path, *type, *split;
    double weight;             /* share of its records drawn an epoch: 1 = each once, 0.5 = half (seeded), 2 = each twice */
    char *field_messages;      /* default "messages" ("conversations" for sharegpt) */
    char *property_role, *property_content; /* message_property_mappings; defaults role/content, from/value */
    char *field_text;          /* text: default "text" */
    char *profiles;            /* rolebench: FILE {role: text} */
    char *references;          /* rolebench: "first" (default) | "all" */
    char *system_template;     /* rolebench: text with {role} and {profile}; default "{profile}" */
    int line, column;          /* where the config says it, for errors */
} pt_dataset_spec;
#endif
