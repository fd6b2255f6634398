/* What a config says about one data set, and the enums that packing needs. Strings are borrowed or owned by whoever made the struct. */
#ifndef PT_DATA_DATASET_H
#define PT_DATA_DATASET_H
#include <stdbool.h>
#include "base/mem.h"
#include "data/text/speaker.h"

typedef enum pt_packing { PT_PACKING_FOREST, PT_PACKING_PLAIN, PT_PACKING_OFF } pt_packing;
/* What goes to validation as a whole: by default a prompt, where prompts are real (data/pack/pack_split.c). Digests of packs hold these numbers. */
typedef enum pt_val_split { PT_SPLIT_PROMPT = 0, PT_SPLIT_RECORD = 1, PT_SPLIT_ROLE = 3 } pt_val_split;
typedef enum pt_excess { PT_EXCESS_DROP, PT_EXCESS_TRUNCATE, PT_EXCESS_RAISE } pt_excess;

/* A key of a reader (data/read/data_key.h) and what the config says of it. */
typedef struct pt_dataset_said {
    char *key, *text; /* text NULL: nothing */
    int line, column; /* where, for errors; 0 = nowhere in a file */
} pt_dataset_said;

/* One entry of `datasets:`. Types: messages (= chat_template), sharegpt, alpaca, rolebench, text (= completion), preference, mindset, tokens (= ""). */
typedef struct pt_dataset_spec {
    char *path, *type, *split;
    char **also; size_t n_also; /* further paths, read behind `path`; each a file, a folder or a pattern (data/read/read_paths.h) */
    char *name;                /* what reports call it; NULL: as its file (pt_dataset_name) */
    char *format;              /* ds_type: json, csv or text; NULL: as the name says */
    double weight;             /* share of its records drawn an epoch: 1 = each once, 0.5 = half (seeded), 2 = each twice */
    pt_dataset_said *said;     /* the readers' keys, ended by a key NULL; NULL = none */
    char **role_names; const pt_speaker **role_is; size_t n_roles; /* roles: what speakers are called in the data, and who each is */
    char **roles_to_train; size_t n_roles_to_train;  /* instead of the config's */
    char *system_prompt;       /* for rows without a system text of their own */
    bool drop_system;          /* drop_system_message: system texts of the rows are left out */
    double bad_rows;           /* share of the rows that may be unusable and are then left out; 0: the first one ends the reading */
    int line, column;          /* where the config says it, for errors */
} pt_dataset_spec;

/* What is said of a reader's key; NULL when nothing is. */
const char *pt_dataset_says(const pt_dataset_spec *s, const char *key);
/* Says it (copies, on the heap), instead of what was said before. */
pt_status pt_dataset_say(pt_dataset_spec *s, const char *key, const char *text, int line, int column);
/* What reports call set i of n: its name, else its file's without what stands behind the first dot; letters, digits, ".", "-" and "_" are kept, others become
 * "_"; a later set of a name that is taken gets "-2", "-3" ... */
enum { PT_DATASET_NAME = 48 };
void pt_dataset_name(const pt_dataset_spec *sets, size_t n, size_t i, char out[PT_DATASET_NAME]);
/* Frees all that s holds; for one whose strings are on the heap. */
void pt_dataset_clear(pt_dataset_spec *s);
#endif
