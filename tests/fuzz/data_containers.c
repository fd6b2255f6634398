/* JSON files as rows: lines, lists, objects that hold the list. Packed by gzip they give the same rows at the same lines. */
/* fuzz: -dict=tests/fuzz/dict/rows.dict */
#include "tests/fuzz/rows.h"

typedef struct tally {
    uint64_t hash;
    int64_t rows;
} tally;

static pt_status take(void *user, json_t *row, int64_t line)
{
    tally *t = user;
    fuzz_assert(line > 0);
    char *text = row ? pt_json_dump(row, JSON_COMPACT) : NULL;
    t->hash = pt_fnv1a(t->hash, &line, sizeof line);
    if (text) t->hash = pt_fnv1a(t->hash, text, strlen(text));
    t->rows++;
    fuzz_accepted += row != NULL;
    free(text);
    return PT_OK;
}

static void both(const char *type, const uint8_t *bytes, size_t n, const uint8_t *behind)
{
    pt_dataset_spec spec = {.type = (char *)type, .format = "json"};
    tally plain = {PT_FNV_START, 0}, packed = plain;
    pt_status rc = pt_rows_read(fuzz_put("rows", bytes, n), &spec, take, &plain), again;
    fuzz_clean(rc);
    again = pt_rows_read(rows_put((fuzz_part){behind, n + 1}), &spec, take, &packed);
    fuzz_clean(again);
    bool pointer = n > 8 && !memcmp(bytes, "version ", 8); /* of Git LFS: only a plain file can be one */
    bool in_packed = n && (bytes[0] == 0x1f || bytes[0] == 0x28 || (bytes[0] & 0xf0) == 0x50); /* a packed file in a packed file is no text */
    if (n && !in_packed && !pointer) fuzz_assert(rc == again && plain.rows == packed.rows && plain.hash == packed.hash);
}

/* A type that takes lists of messages for rows, and one that does not. */
FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    uint8_t *behind = malloc(n + 1);
    fuzz_assert(behind);
    behind[0] = '!';
    if (n) memcpy(behind + 1, bytes, n);
    both("text", bytes, n, behind);
    both("messages", bytes, n, behind);
    free(behind);
    return 0;
}
