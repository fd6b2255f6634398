/* A template over a row's fields: its text, 0xff, the row as JSON. A template that the check refuses is refused for every row, and no other is; every field's
 * path is looked up alone too. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/harness.h"

#include "data/read/record.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    const uint8_t *cut = n ? memchr(bytes, 0xff, n) : NULL;
    size_t text = cut ? (size_t)(cut - bytes) : n;
    json_t *row = NULL;
    char *tmpl, name[300];
    pt_str out = {0}, said = {0};
    fuzz_assert(pt_strndup(&tmpl, (const char *)bytes, text) == PT_OK);
    pt_status checked = pt_row_template_check(tmpl);
    fuzz_clean(checked);
    if (cut) fuzz_clean(pt_json_parse(&row, (const char *)cut + 1, n - text - 1, "row", PT_JSON_NUL | PT_JSON_OBJECT));
    for (const char *at = tmpl; row && checked == PT_OK && pt_row_template_field(&at, name, sizeof name);) {
        json_t *v = pt_row_path(row, name);
        fuzz_assert(*name && pt_row_path_first(row, name) <= strlen(name));
        fuzz_clean(pt_row_path_said(row, name, &said));
        if (v) fuzz_assert(pt_row_kind(v)[0]);
    }
    if (row) {
        pt_status rc = pt_row_format(row, tmpl, &out);
        fuzz_assert((rc == PT_EARG) == (checked == PT_EARG) || rc == PT_EFORMAT);
        if (rc == PT_OK) fuzz_touch(out.text, out.len), fuzz_accepted++;
        fuzz_clean(rc);
    }
    json_decref(row);
    free(tmpl);
    pt_str_free(&out);
    pt_str_free(&said);
    return 0;
}
