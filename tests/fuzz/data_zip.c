/* One file out of a ZIP archive. */
#include "tests/fuzz/harness.h"

#include "data/read/zip_file.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    enum { MOST = 1 << 20 };
    char *text = NULL;
    size_t len = 0;
    pt_status rc = pt_zip_file("archive", bytes, n, "card.json", MOST, &text, &len);
    fuzz_clean(rc);
    fuzz_assert(rc != PT_OK || !text || (len <= MOST && !text[len]));
    if (rc == PT_OK && text) {
        fuzz_accepted++;
        fuzz_touch(text, len + 1);
    }
    free(text);
    return 0;
}
