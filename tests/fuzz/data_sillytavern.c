/* SillyTavern's chats. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/rows.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    return rows_run("sillytavern", NULL, bytes, n);
}
