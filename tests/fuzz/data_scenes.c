/* Conversations of named people, by points of view. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    rows_views = true;
    return rows_run("messages", "json", bytes, n);
}
