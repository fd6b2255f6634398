/* Rows of type convai2. */
/* fuzz: -dict=tests/fuzz/dict/people.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    return rows_run("convai2", "json", bytes, n);
}
