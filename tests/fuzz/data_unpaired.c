/* Rows of type unpaired. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    return rows_run("unpaired", "json", bytes, n);
}
