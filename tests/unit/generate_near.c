/* Near ties: what rounding may turn is counted, what it cannot is not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "train/generate/near.h"

static bool near_of(const float *z, int64_t n, float temperature, float top_p, float u, int32_t chosen)
{
    bool near = true;
    assert_int_equal(pt_near_tie(z, n, temperature, top_p, u, chosen, &near), PT_OK);
    return near;
}

static void greedy(void **state)
{
    const float clear[] = {1, 3, 2.9f}, close[] = {1, 3, 2.9995f}, equal[] = {3, 1, 3}, low[] = {1, 1, 3};
    assert_false(near_of(clear, 3, 0, 1, 0, 1));
    assert_true(near_of(close, 3, 0, 1, 0, 1));
    assert_true(near_of(equal, 3, 0, 1, 0, 0));
    assert_false(near_of(low, 3, 0, 1, 0, 2)); /* equals that nobody chooses */
    assert_false(near_of(low + 2, 1, 0, 1, 0, 0));
}

/* Shares 0.5, 0.3, 0.2: borders at 0.5 and 0.8. */
static void drawn(void **state)
{
    const float z[] = {logf(0.3f), logf(0.5f), logf(0.2f)};
    assert_false(near_of(z, 3, 1, 1, 0.25f, 1));
    assert_true(near_of(z, 3, 1, 1, 0.49995f, 1));
    assert_true(near_of(z, 3, 1, 1, 0.50005f, 0));
    assert_false(near_of(z, 3, 1, 1, 0.5002f, 0));
    assert_true(near_of(z, 3, 1, 1, 0.79995f, 0));
    assert_true(near_of(z, 3, 1, 1, 0.80005f, 2));
    assert_false(near_of(z, 3, 1, 1, 0.9f, 2));
    /* half the temperature squares the shares: 25, 9, 4 of 38 */
    assert_false(near_of(z, 3, 0.5f, 1, 0.5f, 1));
    assert_true(near_of(z, 3, 0.5f, 1, 25.0f / 38 + 0.00005f, 0));
    /* two of equal share: which stands first may turn */
    const float twins[] = {0, 0, -9};
    assert_true(near_of(twins, 3, 1, 1, 0.25f, 0));
}

/* Of the largest two of 0.5, 0.3, 0.2 the border lies at 5/8. */
static void filtered(void **state)
{
    const float z[] = {logf(0.3f), logf(0.5f), logf(0.2f)};
    assert_true(near_of(z, 3, 1, 0.7f, 0.62504f, 0));
    assert_false(near_of(z, 3, 1, 0.7f, 0.5f, 1));
    assert_true(near_of(z, 3, 1, 0.80005f, 0.3f, 1)); /* the third may stay or go */
    assert_true(near_of(z, 3, 1, 0.79995f, 0.3f, 1));
    assert_false(near_of(z, 3, 1, 0.79f, 0.3f, 1));
    assert_false(near_of(z, 3, 1, 0.4f, 0.3f, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(greedy), cmocka_unit_test(drawn), cmocka_unit_test(filtered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
