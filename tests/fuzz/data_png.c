/* PNG images and the texts in them. An input that begins with '!' has the CRCs of its chunks mended first: what they guard is reached too. */
#include "tests/fuzz/harness.h"

#include <zlib.h>

#include "data/read/png_text.h"

static uint32_t big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void mend(uint8_t *p, size_t n)
{
    for (size_t at = 8; n >= 12 && at <= n - 12;) {
        size_t len = big(p + at);
        if (len > n - at - 12) return;
        uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), p + at + 4, (uInt)(len + 4));
        for (int i = 0; i < 4; i++) p[at + 8 + len + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + len;
    }
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static const char *const keys[] = {"ccv3", "chara", NULL};
    bool mended = n && bytes[0] == '!';
    int which = 0;
    char *text = NULL;
    size_t len = 0, m = n - mended;
    uint8_t *copy = malloc(m + 1);
    fuzz_assert(copy);
    memcpy(copy, bytes + mended, m);
    if (mended) mend(copy, m);
    pt_status rc = pt_png_text("image", copy, m, keys, &which, &text, &len);
    fuzz_clean(rc);
    fuzz_assert(rc != PT_OK || (which < 2 && (which >= 0) == (text != NULL)));
    if (rc == PT_OK && text) {
        fuzz_accepted++;
        fuzz_touch(text, len + 1);
        fuzz_assert(!text[len]);
    }
    free(text);
    free(copy);
    return 0;
}
