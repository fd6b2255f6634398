/* The files of a data set. A path is a file, a pattern (* ? [..] within a name, ** for folders in any depth) or a folder.
 *
 * Of a folder the files whose names end as data files do are taken (of the type, or .jsonl .ndjson .json .csv .tsv, for types that read texts .txt, each
 * also .gz and .zst); hidden ones, folders in it and dataset_info.json are not. Where names in it say splits (train, validation, test and their other
 * spellings as the Hub has them, between other characters than letters), those of the split that is read are taken alone. A pattern takes every file that
 * matches. Both are read in the order of their names' bytes; a list of paths in its own order. */
#ifndef PT_DATA_READ_PATHS_H
#define PT_DATA_READ_PATHS_H
#include "data/read/dataset.h"

typedef struct pt_paths {
    char **list; /* owned */
    size_t n, cap;
    bool split; /* a folder's names said which of them are of the split */
} pt_paths;

/* PT_EIO: no such file, nothing matches; PT_EARG: a folder without such files, by what is there; PT_ENOSUP: one of Parquet or Arrow files, with the command that
 * converts it. */
pt_status pt_paths_of(const pt_dataset_spec *spec, pt_paths *out);
void pt_paths_free(pt_paths *p);
/* Whether a path ends with `ext`, of any case, or with it and .gz or .zst. */
bool pt_path_called(const char *path, const char *ext);
#endif
