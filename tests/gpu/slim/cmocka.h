/* The part of cmocka that tests/ops and tests/gpu use, for programs that run where cmocka is not installed (make gpu-kit). The same names; two things
 * differ: the first wrong result ends the program (exit 1), so that nothing runs on after it, and every line is written at once, so that a device that
 * hangs leaves a whole log. Output is TAP. */
#ifndef PT_SLIM_CMOCKA_H
#define PT_SLIM_CMOCKA_H
#include <stddef.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);
struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func, teardown_func;
    void *initial_state;
};
#define cmocka_unit_test(f)                                                                                                                           \
    {                                                                                                                                                 \
        #f, f, NULL, NULL, NULL                                                                                                                       \
    }

/* Runs the tests that the filter takes; returns 0 (a wrong result does not come back). */
int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown);
#define cmocka_run_group_tests_name(group, tests, setup, teardown) _cmocka_run_group_tests(group, tests, sizeof(tests) / sizeof *(tests), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run_group_tests_name(#tests, tests, setup, teardown)
/* `*` and `?` as in file names; NULL takes all. Must stay. */
void cmocka_set_test_filter(const char *pattern);
/* Written at once. */
void print_message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define print_error print_message

/* Ends the program: exit 1. */
void slim_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));
void slim_skip(void) __attribute__((noreturn));
void slim_true(int ok, const char *what, const char *file, int line);
void slim_equal(unsigned long long a, unsigned long long b, const char *what, const char *file, int line);
void slim_range(unsigned long long v, unsigned long long least, unsigned long long most, const char *what, const char *file, int line);
void slim_memory(const void *a, const void *b, size_t n, const char *what, const char *file, int line);

#define fail_msg(...) slim_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip() slim_skip()
#define assert_true(c) slim_true(!!(c), #c, __FILE__, __LINE__)
#define assert_false(c) slim_true(!(c), "not " #c, __FILE__, __LINE__)
#define assert_non_null(p) slim_true((p) != NULL, #p, __FILE__, __LINE__)
#define assert_int_equal(a, b) slim_equal((unsigned long long)(a), (unsigned long long)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_in_range(v, least, most) slim_range((unsigned long long)(v), (unsigned long long)(least), (unsigned long long)(most), #v, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n) slim_memory(a, b, n, #a " == " #b, __FILE__, __LINE__)
#endif
