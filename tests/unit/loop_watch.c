/* The best so far: ties, NaN, patience, threshold, both directions; names. Expected values by hand from transformers' rules (watch.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "train/loop/watch.h"

/* What each of n evaluations does: 'B' a new best, 'M' a miss, 'G' a new best that gains too little for patience. */
static void play(pt_watch *w, const double *v, const char *want)
{
    for (size_t i = 0; want[i]; i++) {
        const int64_t before = w->misses;
        const bool best = pt_watch_see(w, (int64_t)(i + 1) * 10, v[i]);
        assert_int_equal(best, want[i] != 'M');
        assert_int_equal(w->misses, want[i] == 'B' ? 0 : before + 1);
        if (best) assert_true(w->have && w->step == (int64_t)(i + 1) * 10 && w->value == v[i]);
    }
}

static void test_directions(void **state)
{
    const double v[] = {0.5, 0.5, 0.75, 0.25, 0.75, 1};
    pt_watch up = {.greater = true}, down = {0};
    play(&up, v, "BMBMMB");
    assert_true(up.step == 60 && up.value == 1);
    play(&down, v, "BMMBMM");
    assert_true(down.step == 40 && down.value == 0.25);
}

static void test_none(void **state)
{
    const double v[] = {NAN, -INFINITY, 3, NAN, INFINITY, 2};
    pt_watch w = {.patience = 2};
    play(&w, v, "M");
    assert_true(!w.have && !pt_watch_over(&w));
    play(&w, v + 1, "M");
    assert_true(!w.have && pt_watch_over(&w)); /* two that were none: patience counts them */
    play(&w, v + 2, "BMMB");
    assert_true(w.value == 2 && !pt_watch_over(&w));
}

static void test_patience(void **state)
{
    const double v[] = {1, 1, 2, 1, 1};
    pt_watch w = {.greater = true, .patience = 1}, never = {.greater = true};
    play(&w, v, "B");
    assert_false(pt_watch_over(&w));
    play(&w, v + 1, "M");
    assert_true(pt_watch_over(&w));
    play(&never, v, "BMBMM");
    assert_false(pt_watch_over(&never)); /* 0: to the end */
    assert_int_equal(never.misses, 2);
}

static void test_threshold(void **state)
{
    const double v[] = {1, 1.25, 1.5, 2.25, 2.25};
    pt_watch w = {.greater = true, .patience = 2, .threshold = 0.25};
    play(&w, v, "BGG"); /* better by a quarter each: the best moves, patience does not begin anew */
    assert_true(pt_watch_over(&w) && w.value == 1.5);
    play(&w, v + 3, "BM");
    assert_false(pt_watch_over(&w));
}

static void test_names(void **state)
{
    assert_false(pt_watch_greater("loss") || pt_watch_greater("eval_loss") || pt_watch_greater("eval_unseen_loss"));
    assert_true(pt_watch_greater("who/acc") && pt_watch_greater("eval_rewards/margins") && pt_watch_greater("los") && pt_watch_greater("losses"));
    assert_true(pt_watch_is("loss", "eval_loss") && pt_watch_is("eval_loss", "eval_loss") && pt_watch_is("who/acc", "eval_who/acc"));
    assert_false(pt_watch_is("loss", "test_loss") || pt_watch_is("eval_loss", "loss") || pt_watch_is("oss", "eval_loss"));
    assert_true(pt_watch_is("test_loss", "test_loss"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_directions), cmocka_unit_test(test_none), cmocka_unit_test(test_patience), cmocka_unit_test(test_threshold),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
