/* What calls itself packed by zstd, whatever it is. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/harness.h"

#include "data/read/record.h"

static pt_status take(void *user, json_t *row, int64_t line)
{
    (void)user;
    fuzz_assert(line > 0);
    fuzz_accepted += row != NULL;
    return PT_OK;
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static const char *const formats[] = {"json", "csv", "text"};
    for (int i = 0; i < 3; i++) {
        pt_dataset_spec spec = {.type = "text", .format = (char *)formats[i], .path = (char *)fuzz_put("rows.zst", bytes, n)};
        fuzz_clean(pt_rows_read(spec.path, &spec, take, NULL));
    }
    return 0;
}
