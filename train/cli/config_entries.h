/* Lists of entries whose keys belong to whoever they name (base/entry.h): what `evaluations` and `models` share. Private to train/cli. */
#ifndef PT_CLI_CONFIG_ENTRIES_H
#define PT_CLI_CONFIG_ENTRIES_H
#include "train/cli/config_value.h"

/* Where an entry has what all have. */
typedef struct pt_entry_parts {
    char **name, **file;
    int *line, *column;
    pt_entry_option **options;
    size_t *n_options;
} pt_entry_parts;

/* What a list is made of. */
typedef struct pt_entry_list {
    size_t size;              /* of an entry */
    const char *usage, *many; /* "an evaluation is {...}", "evaluations" */
    pt_entry_parts (*parts)(void *entry);
    /* The table of the keys that become options; NULL: nobody's yet, and check refuses. */
    const pt_entry_key *(*keys)(const pt_ynode *n);
    /* Takes a key of its own beside `name`; *done. NULL: it has none. */
    pt_status (*own)(pt_place at, const char *key, const pt_ynode *v, void *entry, bool *done);
    pt_status (*check)(const void *entry);
    void (*free)(void *list, size_t n);
} pt_entry_list;

/* The list, or one entry, in the place of *out. PT_EARG: what is none, two of one name. */
pt_status pt_value_entries(const pt_entry_list *l, const char *file, const pt_ynode *n, void **out, size_t *out_n);
/* A key's line of help, or row of a Markdown table. */
pt_status pt_schema_entry_key(pt_str *out, bool markdown, const pt_entry_key *k);
#endif
