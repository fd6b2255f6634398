/* A constraint: its kind by the first byte (schema, expression, choices parted by 0xff), then its text; the last four bytes draw a text by masks. What the masks
 * allow stays a beginning, is whole where an end token comes, and is UTF-8. */
#include "tests/fuzz/harness.h"

#include "base/utf8.h"
#include "data/constrain/constrain.h"

enum { ROWS = 300, STEPS = 24 };
static const char *const more[] = {"ab", "\", \"", "\":", "{\"", "\"}", "12", "]}", "aaaa", "\xc3", "\xa9\x61", "\xe6\xbc", "true", "null", ", ", "\\u", "00"};
static char text[ROWS][8];
static uint32_t length[ROWS];

static pt_constraint_vocab *vocab(void)
{
    static pt_constraint_vocab *v;
    static const char *bytes[ROWS];
    static const int32_t end = ROWS - 1;
    if (v) return v;
    for (int i = 0; i < ROWS; i++) {
        if (i < 256) text[i][0] = (char)i;
        if (i >= 256 && i - 256 < (int)(sizeof more / sizeof *more)) strcpy(text[i], more[i - 256]);
        bytes[i] = text[i];
        length[i] = i < 256 ? 1 : (uint32_t)strlen(text[i]);
    }
    fuzz_clean(pt_constraint_vocab_of(&v, &(pt_constraint_bytes){ROWS, bytes, length, 0}, &end, 1, (size_t)1 << 20));
    fuzz_assert(v);
    return v;
}

static void walk(pt_constraint *c, uint32_t seed)
{
    pt_constraint_state s = {0};
    pt_str whole_text = {0};
    bool whole = false, begins = true;
    fuzz_assert(pt_constraint_begin(c, &s) == PT_OK && pt_str_add(&whole_text, "", 0) == PT_OK);
    for (int step = 0; step < STEPS && !s.ended; step++) {
        const uint64_t *bits;
        int32_t allowed[ROWS];
        uint32_t n = 0;
        pt_status rc = pt_constraint_mask(&s, &bits);
        fuzz_clean(rc);
        if (rc != PT_OK) {
            fuzz_assert(rc == PT_ENOSUP);
            break;
        }
        for (int32_t id = 0; id < ROWS; id++)
            if (bits[id / 64] >> (id % 64) & 1) allowed[n++] = id;
        fuzz_assert(n);
        seed = seed * 1664525u + 1013904223u;
        int32_t id = allowed[(seed >> 8) % n];
        rc = pt_constraint_advance(&s, id);
        fuzz_clean(rc);
        fuzz_assert(rc == PT_OK || rc == PT_ENOSUP);
        if (rc != PT_OK) break;
        if (!s.ended) fuzz_assert(pt_str_add(&whole_text, text[id], length[id]) == PT_OK);
    }
    pt_status rc = pt_constraint_accepts(c, whole_text.text, whole_text.len, &whole, &begins);
    fuzz_clean(rc);
    if (rc == PT_OK) {
        fuzz_assert(begins && (whole || !s.ended));
        if (s.ended) fuzz_assert(pt_utf8_valid(whole_text.text, whole_text.len));
    }
    pt_constraint_state_free(&s);
    pt_str_free(&whole_text);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    pt_constraint_vocab *v = vocab();
    pt_constraint *c = NULL;
    fuzz_part part[9];
    char *list[9] = {0};
    uint32_t seed = 0;
    if (n < 6) return 0;
    memcpy(&seed, bytes + n - 4, 4);
    size_t n_parts = fuzz_split(bytes + 1, n - 5, part, 9);
    for (size_t i = 0; i < n_parts; i++) list[i] = fuzz_text(part[i]);
    pt_constraint_spec s = {.kind = (pt_constraint_kind)(bytes[0] % 3), .text = list[0], .bytes = part[0].n, .choices = (const char *const *)list, .n_choices = n_parts};
    pt_status rc = pt_constraint_open(v, &s, &c);
    fuzz_clean(rc);
    if (rc == PT_OK) {
        walk(c, seed);
        pt_constraint_close(c);
        fuzz_accepted++;
    }
    for (size_t i = 0; i < n_parts; i++) free(list[i]);
    return 0;
}
