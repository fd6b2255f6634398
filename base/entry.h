/* An entry of a list of settings whose keys belong to whoever it names (an evaluation to its task): names and values as texts, with their places
 * in the file that says them. */
#ifndef PT_BASE_ENTRY_H
#define PT_BASE_ENTRY_H
#include <stddef.h>

typedef struct pt_entry_option {
    char *name, *value;
    int line, column;
} pt_entry_option;

/* One evaluation of `evaluations`. Strings are owned by whoever made the list. */
typedef struct pt_task_spec {
    char *name, *task, *path; /* name: as reports call it; NULL = the kind's */
    char *published;          /* a file below a folder of published sets, measured instead of path where it is there; NULL = none */
    int limit;                /* items at most; 0 = all */
    pt_entry_option *options; /* the task's own keys */
    size_t n_options;
    char *file; /* for errors; NULL: no file */
    int line, column;
} pt_task_spec;
#endif
