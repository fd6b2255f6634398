/* JSON files of this folder: whole reads and writes. */
#ifndef PT_CHECKPOINTS_JSON_FILE_H
#define PT_CHECKPOINTS_JSON_FILE_H
#include "base/json.h"

/* The object in the file at path (at most 64 MiB), under base/json.h's policy and flags: PT_EIO, or PT_EFORMAT as
 * path:line:column: why. Free with json_decref. */
pt_status pt_json_read(json_t **out, const char *path, unsigned flags);
/* Writes j, indented, with a final newline, whole or not at all. */
pt_status pt_json_write(const json_t *j, const char *path);
#endif
