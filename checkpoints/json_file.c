#include "checkpoints/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const size_t max_bytes = 64u << 20;

pt_status pt_json_read(json_t **out, const char *path, unsigned flags)
{
    return pt_json_load(out, path, max_bytes, flags | PT_JSON_OBJECT);
}

pt_status pt_json_write(const json_t *j, const char *path)
{
    pt_str s = {0};
    char *text = pt_json_dump(j, JSON_INDENT(2));
    if (!text) return pt_fail(PT_ENOMEM, "out of memory: text of %s", path);
    pt_status rc = pt_str_puts(&s, text);
    if (rc == PT_OK) rc = pt_str_puts(&s, "\n");
    if (rc == PT_OK) rc = pt_file_write_whole(path, s.text, s.len);
    pt_str_free(&s);
    free(text);
    return rc;
}
