/* Packs of random token rows for the tests of packs and loaders. */
#ifndef PT_TESTS_DATA_FIXTURE_H
#define PT_TESTS_DATA_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/batch/loader.h"
#include "tests/said.h"

static uint64_t fixture_at;
static inline uint32_t fixture_rnd(uint32_t n)
{
    pt_rng4 w = pt_rng_words(11, PT_RNG_TEST, fixture_at++, 1);
    return w.v[0] % n;
}

static inline void put_ids(FILE *f, const char *key, const int *ids, int n)
{
    fprintf(f, "\"%s\": [", key);
    for (int i = 0; i < n; i++) fprintf(f, "%s%d", i ? ", " : "", ids[i]);
    fprintf(f, "]");
}

/* `rows` rows: one of 5 profiles of 40 tokens, one of 3 questions of 5, an answer of 1 to 30 (ids 0 to 3, so that answers begin
 * alike). */
static inline void write_rows(const char *path, int rows, bool pairs, uint64_t seed)
{
    fixture_at = seed << 32;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int r = 0; r < rows; r++) {
        int ids[200], labels[200], n = 0, profile = (int)fixture_rnd(5), question = (int)fixture_rnd(3);
        for (int i = 0; i < 40; i++) ids[n++] = 10 + (i * (profile + 3)) % 50 + (i > 30 ? profile : 0);
        for (int i = 0; i < 5; i++) ids[n++] = 100 + question * (i + 1);
        int prompt = n;
        if (!pairs) {
            int more = 1 + (int)fixture_rnd(30);
            for (int i = 0; i < more; i++) ids[n++] = (int)fixture_rnd(4);
            for (int i = 0; i < n; i++) labels[i] = i < prompt || (i > prompt && !fixture_rnd(6)) ? -100 : ids[i];
            fprintf(f, "{");
            put_ids(f, "input_ids", ids, n);
            fprintf(f, ", ");
            put_ids(f, "labels", labels, n);
            fprintf(f, ", \"weight\": %g}\n", 0.5 + fixture_rnd(3) / 2.0);
            continue;
        }
        fprintf(f, "{");
        put_ids(f, "prompt_input_ids", ids, n);
        for (int side = 0; side < 2; side++) {
            int answer[40], more = 1 + (int)fixture_rnd(30);
            for (int i = 0; i < more; i++) answer[i] = (int)fixture_rnd(4);
            answer[more++] = 7 + side;
            fprintf(f, ", ");
            put_ids(f, side ? "rejected_input_ids" : "chosen_input_ids", answer, more);
        }
        fprintf(f, ", \"margin\": %d}\n", r % 3);
    }
    assert_int_equal(fclose(f), 0);
}

/* A fresh folder for one test; remove it with pt_dir_remove. */
static inline void fixture_dir(char out[64])
{
    snprintf(out, 64, "/tmp/ptrain-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static inline pt_pack *fixture_pack(const char *dir, int rows, bool pairs, uint64_t seed, double val, int sequence_len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/rows-%llu.jsonl", dir, (unsigned long long)seed);
    write_rows(path, rows, pairs, seed);
    pt_dataset_spec set = {.path = path, .type = "tokens", .weight = 1, SAYS(SAID("field_weight", "weight"), SAID("field_margin", "margin"))};
    pt_pack_options o = {.pairs = pairs,
                         .sequence_len = sequence_len,
                         .excess = PT_EXCESS_TRUNCATE,
                         .cache_dir = dir,
                         .val_set_size = val,
                         .seed = seed};
    pt_pack_report report;
    pt_pack *pack;
    if (pt_pack_build(&pack, &set, 1, &o, &report) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_false(report.reused);
    return pack;
}
#endif
