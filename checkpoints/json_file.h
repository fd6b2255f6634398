/* JSON files of this folder: whole reads and writes. */
#ifndef PT_CHECKPOINTS_JSON_FILE_H
#define PT_CHECKPOINTS_JSON_FILE_H
#include <jansson.h>

#include "base/err.h"

/* The object in the file at path (at most 64 MiB): PT_EIO, or PT_EFORMAT as path:line:column: why. A key that stands twice and
 * a value that is no object are errors. Free with json_decref. */
pt_status pt_json_read(json_t **out, const char *path);
/* Writes j, indented, with a final newline, whole or not at all. */
pt_status pt_json_write(const json_t *j, const char *path);
/* "an integer", "a text": what j is, for messages. */
const char *pt_json_kind(const json_t *j);
#endif
