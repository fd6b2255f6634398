/* Where HDF5 says that its memory has ended, the process hears of it while HDF5 is still inside its call: nothing of it is used from there on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/foreign.h"
#include "data/pack/pack_data.h"

enum { FELL = 7, N = 1 << 20 };

static void fell(void)
{
    _exit(pt_foreign_library() ? FELL : 8);
}

/* No room for more than what is there. */
static void end_memory(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld", &pages) != 1) _exit(9);
    fclose(f);
    rlim_t all = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (64 << 10);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){all, all})) _exit(9);
}

/* Exit code of a process that writes a list after the end of memory. */
static int write_without(void (*on_fall)(void))
{
    pid_t pid = fork();
    int status;
    assert_true(pid >= 0);
    if (!pid) {
        pt_h5 *h = NULL;
        int64_t *x = calloc(N, sizeof *x);
        if (!x || pt_h5_begin(&h, false) != PT_OK) _exit(9);
        pt_foreign_on_fall(on_fall);
        end_memory();
        _exit(pt_h5_write(h, "line", PT_H5_I64, x, N) == PT_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void test_end(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it needs the address space itself */
#endif
    assert_int_equal(write_without(fell), FELL);
    assert_int_equal(write_without(NULL), 1); /* nobody to tell: an error */
    pt_foreign_on_fall(fell);
    pt_foreign_fell(); /* no library is at work: nothing */
    pt_foreign_on_fall(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
