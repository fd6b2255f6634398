#include "checkpoints/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const size_t max_bytes = 64u << 20;

pt_status pt_json_read(json_t **out, const char *path)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    size_t n;
    json_error_t err;
    json_t *j = NULL;
    *out = NULL;
    PT_TRY(pt_file_read(&text, &n, path, max_bytes));
    j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &err);
    PT_CHECK(j, PT_EFORMAT, "%s:%d:%d: %s", path, err.line, err.column, err.text);
    PT_CHECK(json_is_object(j), PT_EFORMAT, "%s: the file holds %s, not an object {...}", path, pt_json_kind(j));
    *out = j;
    j = NULL;
done:
    json_decref(j);
    free(text);
    return rc;
}

pt_status pt_json_write(const json_t *j, const char *path)
{
    pt_str s = {0};
    char *text = json_dumps(j, JSON_INDENT(2));
    if (!text) return pt_fail(PT_ENOMEM, "out of memory: text of %s", path);
    pt_status rc = pt_str_puts(&s, text);
    if (rc == PT_OK) rc = pt_str_puts(&s, "\n");
    if (rc == PT_OK) rc = pt_file_write_whole(path, s.text, s.len);
    pt_str_free(&s);
    free(text);
    return rc;
}

const char *pt_json_kind(const json_t *j)
{
    if (!j) return "missing";
    switch (json_typeof(j)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a text";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}
