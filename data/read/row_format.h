/* Fields of a row by a path, and texts with fields in them. */
#ifndef PT_DATA_ROW_FORMAT_H
#define PT_DATA_ROW_FORMAT_H
#include "base/json.h"

/* "a.b.0.c": the member b of what stands under a, of its list the first element (-1: the last), of that the member c. A name with dots in it is found
 * where a field has that very name, at every level first. NULL when nothing is there. The value is the row's. */
json_t *pt_row_path(json_t *row, const char *path);
/* Bytes of the first name of a path as this row has it: the whole of it where a field is called so. */
size_t pt_row_path_first(json_t *row, const char *path);
/* Appends how far a path goes: "'a' has 'x', 'y'", "'a.b' is a number"; nothing where not even its first name is there. */
pt_status pt_row_path_said(json_t *row, const char *path, pt_str *out);

/* Appends tmpl with the row's fields in place of "{path}". "{path?}" is nothing where the row has no such field, or null; "{{" and "}}" are braces. A
 * text stands as it is, a list of texts with line breaks between them, any other value as JSON. PT_EFORMAT: a path that is not there, or null;
 * PT_EARG: as pt_row_template_check. */
pt_status pt_row_format(json_t *row, const char *tmpl, pt_str *out);
/* PT_EARG: a brace that is not closed or not opened, a field without a name; with the character where it stands. */
pt_status pt_row_template_check(const char *tmpl);
/* The next field of a template at or behind *at, which moves on: its path without '?' into name[size]; false when there is no other. Of templates
 * that pt_row_template_check accepts. */
bool pt_row_template_field(const char **at, char *name, size_t size);
#endif
