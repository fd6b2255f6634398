#include "tests/gpu/slim/cmocka.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const char *filter, *name_now = "outside a test";
static size_t number;
static jmp_buf skipped;

void cmocka_set_test_filter(const char *pattern)
{
    filter = pattern;
}

void print_message(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
}

void slim_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    printf("# %s:%d: ", file, line);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\nnot ok %zu - %s\n", number, name_now);
    fflush(stdout);
    exit(1);
}

void slim_skip(void)
{
    longjmp(skipped, 1);
}

void slim_true(int ok, const char *what, const char *file, int line)
{
    if (!ok) slim_fail(file, line, "%s", what);
}

void slim_equal(unsigned long long a, unsigned long long b, const char *what, const char *file, int line)
{
    if (a != b) slim_fail(file, line, "%s: %lld and %lld", what, (long long)a, (long long)b);
}

void slim_range(unsigned long long v, unsigned long long least, unsigned long long most, const char *what, const char *file, int line)
{
    if (v < least || v > most) slim_fail(file, line, "%s: %llu is not in %llu .. %llu", what, v, least, most);
}

void slim_memory(const void *a, const void *b, size_t n, const char *what, const char *file, int line)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i]) slim_fail(file, line, "%s: byte %zu of %zu is %02x and %02x", what, i, n, x[i], y[i]);
}

static bool taken(const struct CMUnitTest *t)
{
    return !filter || fnmatch(filter, t->name, 0) == 0;
}

static void one(const struct CMUnitTest *t, void *state)
{
    if (t->initial_state) state = t->initial_state;
    if (t->setup_func && t->setup_func(&state)) slim_fail(t->name, 0, "the set-up failed");
    t->test_func(&state);
    if (t->teardown_func && t->teardown_func(&state)) slim_fail(t->name, 0, "the tear-down failed");
}

int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown)
{
    static void *state;
    static size_t i; /* outlive a skip */
    size_t count = 0;
    for (i = 0; i < n; i++) count += (size_t)taken(&tests[i]);
    print_message("# %s\n1..%zu\n", group, count);
    state = NULL;
    if (setup && setup(&state)) slim_fail(group, 0, "the set-up failed");
    for (i = 0, number = 0; i < n; i++) {
        if (!taken(&tests[i])) continue;
        number++;
        name_now = tests[i].name;
        bool skips = setjmp(skipped) != 0;
        if (!skips) one(&tests[i], state);
        print_message("ok %zu - %s%s\n", number, name_now, skips ? " # SKIP" : "");
    }
    if (teardown && teardown(&state)) slim_fail(group, 0, "the tear-down failed");
    return 0;
}
