/* Rows of type characterbox. */
/* fuzz: -dict=tests/fuzz/dict/people.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    return rows_run("characterbox", "json", bytes, n);
}
