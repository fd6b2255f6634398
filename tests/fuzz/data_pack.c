/* Packs of tokens (HDF5). The digest and the length in front are made to fit, so that what stands behind that check sees what was changed. */
/* fuzz: -max_len=16384 -malloc_limit_mb=64 */
#include "tests/fuzz/harness.h"

#include "data/batch/loader.h"

static const char *put_fitting(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n + 1);
    char hex[65];
    fuzz_assert(copy);
    if (n) memcpy(copy, bytes, n);
    if (n > 512) {
        pt_sha256_hex(hex, copy + 512, n - 512);
        memcpy(copy + 24, hex, 64);
        for (int i = 0; i < 8; i++) copy[16 + i] = (uint8_t)((uint64_t)n >> (8 * i));
    }
    const char *path = fuzz_put("pack.h5", copy, n);
    free(copy);
    return path;
}

static void load(const pt_pack *p, pt_packing packing)
{
    pt_loader_options o = {.packing = packing, .micro_batch_size = 1, .gradient_accumulation_steps = 1,
                           .sequence_len = 64, .ranks = 1, .epochs = 1, .max_steps = 2};
    pt_loader *l;
    pt_step s;
    fuzz_clean(pt_loader_new(&l, p, &o));
    if (l) fuzz_clean(pt_loader_step(l, 0, &s));
    pt_loader_free(l);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    pt_pack *p;
    pt_packed r;
    pt_status rc = pt_pack_open(&p, put_fitting(bytes, n));
    fuzz_clean(rc);
    fuzz_assert((p != NULL) == (rc == PT_OK));
    if (!p) return 0;
    fuzz_accepted++;
    for (int64_t i = 0; i < pt_pack_count(p); i++) {
        fuzz_assert(pt_pack_get(p, i, &r) == PT_OK);
        fuzz_assert(r.n_answers >= 1 && r.first + r.n_answers <= pt_pack_count_answers(p));
        for (int32_t k = 0; k < r.n_answers; k++) {
            pt_packed_answer a = pt_pack_answer(p, &r, k);
            fuzz_assert(a.n >= 1 && a.end < a.n && r.prefix_len <= a.n);
            fuzz_touch(a.ids, (size_t)a.n * sizeof *a.ids);
            for (int32_t t = 0; t < a.n; t++) fuzz_assert(pt_weight_at(a.weight, (size_t)t) >= 0);
            fuzz_assert(pt_pack_value(p, PT_COLUMN_WEIGHT, &r, k) >= 0);
        }
        fuzz_assert(pt_pack_source(p, r.source));
        (void)pt_pack_role(p, r.role);
    }
    char *profiles;
    fuzz_clean(pt_pack_profiles(p, &profiles));
    free(profiles);
    if (n % 4 == 0) load(p, (pt_packing)(n / 4 % 3));
    pt_pack_free(p);
    return 0;
}
