/* Keys of a data set that its reader alone understands. Each is declared in a table beside the reader that it is for; the config takes them from
 * there (parsing, checks, help, docs), a data set holds them as pairs of key and text (data/read/dataset.h), and a pack's digest covers them. */
#ifndef PT_DATA_DATA_KEY_H
#define PT_DATA_DATA_KEY_H
#include "base/err.h"
#include "data/read/dataset.h"

/* COLUMN: a text that names a column of the rows, or a field by its path ("" = they have none); LIST: names, a line each in the text; TEXT: any other; TEMPLATE: a text with fields of the row in it (data/read/row_format.h); WORD: one of a list; FILE: a path, whose content counts and
 * not its name; FLAG: "true" or "false". */
typedef enum pt_data_key_kind { PT_DATA_COLUMN, PT_DATA_TEXT, PT_DATA_TEMPLATE, PT_DATA_WORD, PT_DATA_FILE, PT_DATA_FLAG, PT_DATA_LIST } pt_data_key_kind;

typedef struct pt_data_key {
    const char *key; /* one name, one meaning: tables of several types may hold the same */
    const char *aliases; /* space-separated; NULL = none */
    const char *help;    /* NULL: not listed, the help of another key names it */
    pt_data_key_kind kind;
    const char *fallback;     /* what holds where a data set says nothing; NULL = nothing */
    const char *const *words; /* PT_DATA_WORD: ended by NULL */
    pt_status (*check)(const char *text); /* PT_EARG for what it cannot be; NULL: any text */
    const char *after;        /* the help lists it behind this key; NULL: behind the one that is declared before it */
    const char *within, *as;  /* also the member `as` of this key's mapping, which is how a config is written; NULL = a key alone */
} pt_data_key;

/* Keys of all types, each once: in the order in which configs and packs are written. */
size_t pt_data_key_count(void);
const pt_data_key *pt_data_key_at(size_t i);
/* The same in the order of the tables. */
const pt_data_key *pt_data_key_declared(size_t i);
/* By name (no alias); NULL when there is none such. */
const pt_data_key *pt_data_key_find(const char *key);
/* What a data set says, else the key's fallback; NULL when there is neither. */
const char *pt_dataset_value(const pt_dataset_spec *s, const char *key);
/* The names that `labels` of a data set lists, in their order: *names [*n] on the heap, NULL = it lists none. */
pt_status pt_dataset_labels(const pt_dataset_spec *s, char ***names, size_t *n);
void pt_dataset_labels_free(char **names, size_t n);
/* PT_EARG "KEY is 'a' or 'b', not 'c'" for a word that is not in the list. */
pt_status pt_data_key_check(const pt_data_key *k, const char *text);
/* The keys that a type has, as they are said: pt_data_key_check of each, and a template that it does not have; the one at fault in *which (may be NULL). */
struct pt_data_type;
pt_status pt_data_keys_check(const struct pt_data_type *t, const pt_dataset_spec *s, const pt_dataset_said **which);
/* Everything that a data set says about its rows, as the text that a pack's digest is made of; of its files' content nothing. type: the reader's own
 * name, or NULL. */
pt_status pt_dataset_digest_text(const pt_dataset_spec *s, const char *type, pt_str *out);
#endif
