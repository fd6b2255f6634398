/* Rows of type characterchat. */
/* fuzz: -dict=tests/fuzz/dict/people.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    return rows_run("characterchat", "json", bytes, n);
}
