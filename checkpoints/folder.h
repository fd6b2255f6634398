/* Folders that appear whole or not at all: built under a temporary name beside the final one, flushed, renamed. */
#ifndef PT_CHECKPOINTS_FOLDER_H
#define PT_CHECKPOINTS_FOLDER_H
#include <stdbool.h>

#include "base/file.h"

/* Makes the empty folder PATH.ptrain-new-PID (base/temp.h) and the folders above it; *tmp owned. A leftover of that name is removed first. */
pt_status pt_folder_begin(char **tmp, const char *path);
/* Flushes every file below tmp and tmp itself, then renames it to path. A folder already there is exchanged for it in one step
 * where the system can (Linux: renameat2), else moved aside first; then it is removed. The parent folder is flushed. */
pt_status pt_folder_commit(const char *tmp, const char *path);
/* True when the folder is missing or holds nothing. */
bool pt_folder_empty(const char *path);
#endif
