/* CSV and TSV, and text of a record a line: the first byte says which ('c', 't', else text). */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    if (!n) return 0;
    if (*bytes == 'c') return rows_run("alpaca", "csv", bytes + 1, n - 1);
    if (*bytes == 't') return rows_run("preference", "tsv", bytes + 1, n - 1);
    return rows_run("text", "text", bytes + 1, n - 1);
}
