/* A model's own chat template: Jinja text, 0xff, the variables as JSON. Every byte of what it writes has one origin that is there, and writing it again
 * gives the same. */
#include "tests/fuzz/harness.h"

#include "base/json.h"
#include "data/text/jinja.h"
#include "data/text/tok_utf8.h"

static const pt_jinja_limits small = {.steps = 200000, .depth = 300, .output = 1 << 18, .memory = (size_t)1 << 25};

static void check(const pt_jinja_out *o)
{
    size_t from = 0;
    fuzz_assert(o->text && o->text[o->n] == 0 && pt_utf8_check(o->text, o->n) == o->n);
    for (size_t i = 0; i < o->n_runs; i++) {
        pt_str path = {0};
        uint32_t origin = o->runs[i].origin;
        fuzz_assert(o->runs[i].to > from && (!origin || origin < o->n_origins));
        fuzz_clean(pt_jinja_path(o, origin, &path));
        fuzz_assert(path.len);
        pt_str_free(&path);
        from = o->runs[i].to;
    }
    fuzz_assert(from == o->n);
    for (size_t i = 0; i < o->n_blocks; i++) fuzz_assert(o->blocks[i].from <= o->blocks[i].to && o->blocks[i].to <= o->n);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    const uint8_t *cut = n ? memchr(bytes, 0xff, n) : NULL;
    size_t text = cut ? (size_t)(cut - bytes) : n;
    json_t *given = NULL;
    pt_jinja *t;
    pt_jinja_out a = {0}, b = {0};
    if (cut) fuzz_clean(pt_json_parse(&given, (const char *)cut + 1, n - text - 1, "vars", PT_JSON_NUL | PT_JSON_OBJECT));
    fuzz_clean(pt_jinja_parse(&t, (const char *)bytes, text));
    if (t) {
        pt_jinja_input in = {.given = given, .now = {2025, 7, 10}, .limits = small};
        pt_status rc = pt_jinja_render(t, &in, &a);
        fuzz_clean(rc);
        if (rc == PT_OK) {
            check(&a);
            fuzz_assert(pt_jinja_render(t, &in, &b) == PT_OK && a.n == b.n && !memcmp(a.text, b.text, a.n));
            fuzz_accepted++;
        }
    }
    pt_jinja_out_free(&a);
    pt_jinja_out_free(&b);
    pt_jinja_free(t);
    json_decref(given);
    return 0;
}
