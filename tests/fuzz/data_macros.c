/* Macros in texts: the text, 0xff, the character's name, 0xff, the user's. */
#include "tests/fuzz/harness.h"

#include "data/read/macro.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[3];
    size_t parts = fuzz_split(bytes, n, part, 3);
    char *who = parts > 1 ? fuzz_text(part[1]) : NULL, *user = parts > 2 ? fuzz_text(part[2]) : NULL;
    pt_macros m = {.who = who, .user = user}, again = m;
    pt_str one = {0}, two = {0};
    pt_status rc = pt_macros_fill(&m, (const char *)part[0].at, part[0].n, &one);
    fuzz_clean(rc);
    if (rc == PT_OK) {
        fuzz_accepted++;
        fuzz_assert(pt_macros_fill(&again, (const char *)part[0].at, part[0].n, &two) == PT_OK && one.len == two.len && !memcmp(one.text, two.text, one.len));
        fuzz_assert(pt_macros_any((const char *)part[0].at, part[0].n) || (one.len == part[0].n && !memcmp(one.text, part[0].at, one.len)));
    }
    pt_str_free(&one);
    pt_str_free(&two);
    free(who);
    free(user);
    return 0;
}
