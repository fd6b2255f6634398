/* Character cards: as rows of type card (an image, an archive, JSON), and what their fields say. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/rows.h"

#include "data/read/card.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    json_t *j = NULL;
    pt_card c;
    fuzz_clean(pt_json_parse(&j, (const char *)bytes, n, "card", PT_JSON_NUL));
    if (j) {
        pt_status rc = pt_card_read(j, &c);
        fuzz_clean(rc);
        for (int i = 0; rc == PT_OK && i < 2; i++) {
            char *text = NULL;
            size_t waiting = 0;
            fuzz_clean(pt_card_profile(&c, i, &text, &waiting));
            if (text) fuzz_accepted++, fuzz_touch(text, strlen(text) + 1);
            free(text);
        }
    }
    json_decref(j);
    return rows_run("card", NULL, bytes, n);
}
