/* base/rng.h: Philox4x32-10 known answers (Random123's list; tests/golden/quant_numbers.py) and what callers rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static void known_answers(void **state)
{
    static const struct {
        uint64_t seed;
        uint32_t purpose;
        uint64_t c0, c1;
        uint32_t want[4];
    } cases[] = {
        {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0, 0x85a308d3243f6a88, 0x0370734413198a2e, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
        {42, PT_RNG_DROPOUT, 7, 1ull << 33, {0xbe606a17, 0xf4578a8c, 0xde756b68, 0x25b82dc8}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_rng4 got = pt_rng_words(cases[i].seed, cases[i].purpose, cases[i].c0, cases[i].c1);
        assert_memory_equal(got.v, cases[i].want, 16);
    }
}

static void unit_interval(void **state)
{
    double sum = 0, sum2 = 0;
    const int n = 1 << 18;
    assert_true(pt_rng_unit(0) == 0 && pt_rng_unit(UINT32_MAX) < 1 && pt_rng_unit(UINT32_MAX) == 1 - 0x1p-24f);
    for (int i = 0; i < n / 4; i++) {
        pt_rng4 w = pt_rng_words(1, PT_RNG_TEST, (uint64_t)i, 0);
        for (int k = 0; k < 4; k++) {
            double u = (double)pt_rng_unit(w.v[k]);
            sum += u;
            sum2 += u * u;
        }
    }
    /* mean 1/2 and variance 1/12 within five standard errors */
    double mean = sum / n, var = sum2 / n - mean * mean;
    assert_true(mean > 0.5 - 0.0029 && mean < 0.5 + 0.0029);
    assert_true(var > 1.0 / 12 - 0.0008 && var < 1.0 / 12 + 0.0008);
}

static void purposes_are_independent(void **state)
{
    for (uint32_t a = 1; a < 7; a++)
        for (uint32_t b = 1; b < a; b++) {
            int same = 0;
            for (uint64_t i = 0; i < 1000; i++) same += pt_rng_words(9, a, i, 0).v[0] == pt_rng_words(9, b, i, 0).v[0];
            assert_int_equal(same, 0);
        }
}

static void hash_mix_spreads(void **state)
{
    int changed = 0;
    for (int bit = 0; bit < 64; bit++) {
        assert_true(pt_hash_mix(5, 1ull << bit) != pt_hash_mix(5, 0));
        changed += __builtin_popcountll(pt_hash_mix(5, 1ull << bit) ^ pt_hash_mix(5, 0));
    }
    assert_true(changed > 64 * 26 && changed < 64 * 38);
    assert_true(pt_hash_mix(0, 0) == 0xe220a8397b1dcdaf); /* SplitMix64's first output from state 0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(unit_interval),
        cmocka_unit_test(purposes_are_independent),
        cmocka_unit_test(hash_mix_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
