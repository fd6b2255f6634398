/* An entry of a list of settings whose keys belong to whoever it names (an evaluation to its task, a model to how it is reached): names and values as texts, with
 * their places in the file that says them; and the tables of such keys, by which they are checked, read and documented. */
#ifndef PT_BASE_ENTRY_H
#define PT_BASE_ENTRY_H
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct pt_entry_option {
    char *name, *value;
    int line, column;
} pt_entry_option;

/* One evaluation of `evaluations`. Strings are owned by whoever made the list. */
typedef struct pt_task_spec {
    char *name, *task, *path; /* name: as reports call it; NULL = the kind's */
    char *published;          /* a file below a folder of published sets, measured instead of path where it is there; NULL = none */
    int limit;                /* items at most; 0 = all */
    bool during_training;     /* measured at eval_steps too */
    pt_entry_option *options; /* the task's own keys */
    size_t n_options;
    char *file; /* for errors; NULL: no file */
    int line, column;
} pt_task_spec;

/* One model of `models`, which tasks speak to by its name. Strings likewise. */
typedef struct pt_voice_spec {
    char *name;
    pt_entry_option *options; /* by the keys of a model in memory, or of an endpoint */
    size_t n_options;
    char *file; /* for errors; NULL: no file */
    int line, column;
} pt_voice_spec;

/* What a key takes. Every value is a text. A list is a line for each of its parts, "NAME=TEXT" for those of a mapping; said as one text, it has commas between. What is
 * nested (a list or mapping of mappings) is JSON, its numbers and truth values as texts. */
typedef enum pt_entry_value {
    PT_ENTRY_TEXT, PT_ENTRY_FILE, PT_ENTRY_NUMBER, PT_ENTRY_WHOLE, PT_ENTRY_FLAG, PT_ENTRY_WORD, PT_ENTRY_LIST, PT_ENTRY_NESTED,
    PT_TASK_TEXT = PT_ENTRY_TEXT, PT_TASK_FILE = PT_ENTRY_FILE, PT_TASK_NUMBER = PT_ENTRY_NUMBER, PT_TASK_WHOLE = PT_ENTRY_WHOLE, PT_TASK_FLAG = PT_ENTRY_FLAG, /* as tasks call them */
    PT_TASK_WORD = PT_ENTRY_WORD, PT_TASK_LIST = PT_ENTRY_LIST, PT_TASK_NESTED = PT_ENTRY_NESTED
} pt_entry_value;
typedef struct pt_entry_key {
    const char *name;
    pt_entry_value kind;
    const char *fallback;     /* NULL = unset */
    double min, max;          /* NUMBER, WHOLE */
    const char *const *words; /* WORD: ends with NULL */
    const char *help;
    bool written;             /* FILE: what is written there, not read */
} pt_entry_key;               /* tables of them end with name NULL */

/* NULL: none such, or no table. */
const pt_entry_key *pt_entry_key_of(const pt_entry_key *keys, const char *name);
/* PT_EARG "FILE:LINE:COLUMN: what" (without a file the text alone): an unknown key, a value that is none of its kind or out of bounds. whose: "the task text", for the message;
 * common: keys beside those of the table, "name, path, ". */
pt_status pt_entry_check(const pt_entry_key *keys, const pt_entry_option *o, const char *file, const char *whose, const char *common);
/* PT_EARG at a place, which line 0 or file NULL leave out. */
pt_status pt_entry_fail(const char *file, int line, int column, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The value of a key among n options, or its default; of a key that the table has not: NULL, 0, false, the first word. */
const char *pt_entry_text(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name);
double pt_entry_number(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name);
bool pt_entry_flag(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name);
int pt_entry_word(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name); /* its number among the words */
/* Names, values and the list itself. */
void pt_entry_options_free(pt_entry_option *o, size_t n);
/* The option itself, for its place; NULL: it is not said. */
const pt_entry_option *pt_entry_said(const pt_entry_option *o, size_t n, const char *name);
#endif
