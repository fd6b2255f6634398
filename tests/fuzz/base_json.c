/* base/json.h: text as one value and as several, under every policy; what was read is written, and reads as what it was. */
#include "tests/fuzz/harness.h"

#include "base/json.h"

/* No value of jansson's is looked into that it cannot hold. */
static void walk(const json_t *v)
{
    size_t i;
    const char *key;
    json_t *w;
    fuzz_assert(pt_json_kind(v)[0]);
    if (pt_json_odd(v)) return;
    if (json_is_string(v)) fuzz_touch(json_string_value(v), json_string_length(v) + 1);
    if (json_is_real(v)) fuzz_assert(json_real_value(v) - json_real_value(v) == 0);
    json_array_foreach(v, i, w) walk(w);
    json_object_foreach((json_t *)v, key, w) walk(w);
}

/* As written, it reads as the same text again. */
static void same_again(const json_t *v, unsigned flags)
{
    json_t *again;
    char *text = pt_json_dump(v, JSON_ENCODE_ANY | JSON_COMPACT), *second;
    fuzz_assert(text);
    pt_status rc = pt_json_parse(&again, text, strlen(text), "again", flags);
    if (rc != PT_OK) fuzz_fail("%s\n%s", pt_err_msg(), text);
    second = pt_json_dump(again, JSON_ENCODE_ANY | JSON_COMPACT);
    fuzz_assert(second && !strcmp(text, second));
    json_decref(again);
    free(second);
    free(text);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    json_t *v;
    for (unsigned flags = 0; flags < 8; flags++) {
        pt_status rc = pt_json_parse(&v, (const char *)bytes, n, "a.json", flags);
        fuzz_clean(rc);
        fuzz_assert((v != NULL) == (rc == PT_OK));
        if (!v) continue;
        fuzz_accepted++;
        walk(v);
        if (flags % 3 == 0) same_again(v, flags);
        json_decref(v);
    }
    pt_json_in in = {.name = "rows", .at = (const char *)bytes, .begin = (const char *)bytes, .end = (const char *)bytes + n, .line = 1};
    for (;;) {
        pt_json_space(&in);
        if (in.at == in.end) break;
        const char *from = in.at;
        pt_status rc = pt_json_next(&in, &v);
        fuzz_clean(rc);
        if (rc != PT_OK) break;
        fuzz_assert(in.at > from && in.at <= in.end && in.line >= 1);
        json_decref(v);
    }
    return 0;
}
