/* Planted bugs: each kernel of planted_kernels.cuh is wrong in one way and the check build must say so, in every thread order,
 * with the right words; and beside each stands the right version, which must pass. A child process runs each, since the device
 * leaves with 97 or 98. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}
#include "planted_runs.cuh"

static const char *const orders[] = {"fwd", "rev", "rand:1", "rand:2"};

enum { PLAIN = 1, CHECK = 2, ASAN = 4, ALL = 7 };
static const struct planted {
    const char *name;
    void (*run)(int bug);
    int where, code; /* builds that must find it; exit code */
    const char *words;
} bugs[] = {
    {"missing __syncthreads", run_barrier, CHECK, 97, ""}, /* a race, or a read of memory that nothing wrote */
    {"missing __syncthreads at the loop's tail", run_tail, CHECK, 97, "race: shared"},
    {"store to global memory at a shared address", run_store_global, CHECK, 97, "a store to global memory"},
    {"store to shared memory at a global address", run_store_shared, CHECK, 97, "a store to shared memory"},
    {"store to global memory at a local address", run_store_local, CHECK, 97, "a store to global memory"},
    {"wrong wait_group", run_wait, CHECK, 97, "cp.async not waited for"},
    {"wait without barrier", run_wait_alone, CHECK, 97, "thread"},
    {"cp.async into a tile still read", run_refill, CHECK, 97, "unsynchronised"},
    {"+= on shared memory", run_shared_sum, CHECK, 97, "race: shared"},
    {"static shared overrun", run_static_overrun, CHECK | ASAN, 97, "past the end of an array"},
    {"dynamic shared overrun", run_dynamic_overrun, CHECK | ASAN, 97, "dynamic shared memory, byte 1024 of 1024"},
    {"no opt-in for 48 KB, static and dynamic together", run_beside_dynamic, ALL, 97, "need the opt-in"},
    {"global overrun", run_global_overrun, CHECK | ASAN, 97, "out of bounds: byte 1024 of allocation 1 (1024 bytes)"},
    {"use after free", run_free, CHECK | ASAN, 97, "use after free"},
    {"host array in a kernel", run_host_pointer, CHECK, 97, "host memory in a kernel"},
    {"host heap in a kernel", run_host_heap, CHECK, 97, "read of 4 bytes"},
    {"kernel writes host heap", run_host_written, CHECK, 97, "write of 4 bytes"},
    {"undefined global memory", run_undefined, CHECK, 97, "read of memory that nothing wrote: byte 1020"},
    {"undefined memory copied on", run_copied_undefined, CHECK, 97, "read of memory that nothing wrote"},
    {"+= from several blocks", run_blocks, CHECK, 97, "race between blocks"},
    {"reads another block's output", run_other_block, CHECK, 97, ""},
    {"tiles of two blocks overlap", run_write_twice, CHECK, 97, "race between blocks"},
    {"missing __syncwarp", run_syncwarp, CHECK, 97, ""},
    {"a shuffle taken for a fence", run_no_fence, CHECK, 97, ""},
    {"divergent __syncthreads", run_divergent, ALL, 97, "threads meet at different barriers"},
    {"return before a barrier", run_early_return, ALL, 97, "return"},
    {"full-mask shuffle of half a warp", run_half_shuffle, ALL, 97, "exit"},
    {"two shuffles meet", run_two_shuffles, ALL, 97, "different operations"},
    {"lane outside of its mask", run_not_in_mask, ALL, 97, "is not in its mask"},
    {"shuffle reads outside of the mask", run_outside_mask, ALL, 97, "which is not in mask"},
    {"mask names an exited lane", run_exited_lane, ALL, 97, "exit"},
    {"misaligned float4", run_misaligned, CHECK | ASAN, 97, "misaligned access of 16 bytes"},
    {"misaligned cp.async", run_misaligned_copy, ALL, 97, "the global address is not aligned"},
    {"misaligned ldmatrix row", run_ldmatrix_row, ALL, 97, "no multiple of 16"},
    {"undefined padding", run_pad, CHECK, 97, "read of memory that nothing wrote"},
    {"another thread's local variable", run_local, CHECK, 97, "a local variable of another thread"},
    {"named barrier of the wrong warps", run_named, CHECK, 97, ""},
    {"two threads write one byte", run_bytes, CHECK, 97, "race: shared"},
    {"register array past its end", run_registers, CHECK | ASAN, 97, "index past the end of an array"},
    {"32-bit index overflows", run_overflow, CHECK | ASAN, 97, "a product overflows its integer type"},
    {"named barrier of too many threads", run_named_count, ALL, 97, "within the block"},
    {"double free", run_double_free, ALL, 97, "freed twice"},
    {"free of an inner address", run_free_inside, ALL, 97, "no device memory of its own"},
    {"copy past the end", run_copy_overrun, ALL, 97, "out of bounds, bytes 0 to 1028 of allocation 1"},
    {"memset past the end", run_set_overrun, ALL, 97, "out of bounds"},
    {"wrong direction", run_direction, ALL, 97, "direction"},
    {"host reads device memory", run_host_reads, CHECK, 97, "the host reads device memory"},
    {"host reads device memory (guard)", run_guard, ALL, 97, "the host dereferences device memory"},
    {"destroyed stream", run_stream_gone, ALL, 97, "is no stream"},
    {"missing event wait", run_event_wait, CHECK, 97, "race between streams"},
    {"event recorded too early", run_event_early, CHECK, 97, "race between streams"},
    {"upload over a tensor in use", run_upload_race, CHECK, 97, "race between streams"},
    {"too much static shared memory", run_static_limit, ALL, 97, "48 KB is the limit"},
    {"stages: one copy too few awaited", run_ring_wait, CHECK, 97, "cp.async not waited for"},
    {"stages: no barrier before the next copy", run_ring_refill, CHECK, 97, ""},
    {"stages: a neighbour's copy made ready", run_ring_neighbour, CHECK, 97, ""},
    {"stages: one ready tile for two steps", run_ring_one, CHECK, 97, "race: shared"},
    {"pieces added by the grid's last block", run_pieces_grid, CHECK, 97, ""},
    {"pieces added before all arrived", run_pieces_early, CHECK, 97, ""},
    {"pieces overlap", run_pieces_overlap, CHECK, 97, "race between blocks"},
    {"pieces read past their end", run_pieces_past, CHECK | ASAN, 97, "out of bounds"},
    {"host stack in a kernel", run_stack, CHECK, 97, "host memory in a kernel"},
    {"pinned memory freed twice", run_pinned_twice, ALL, 97, "freed twice"},
};

static int source; /* reports with file and line: slow */
/* Runs one in a child; returns its exit code and what it said. */
static int child(const struct planted *b, int bug, const char *order, int lazy, char *said, size_t n)
{
    int fd[2], st;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 2);
        close(fd[0]);
        emu_setting("ORDER", order);
        emu_setting("LAZY", lazy ? "1" : "0");
        emu_setting("SOURCE", source ? "1" : "0");
        if (b->run != run_guard) setup();
        b->run(bug);
        cudaDeviceSynchronize();
        _exit(cudaGetLastError() == cudaSuccess ? 0 : 3);
    }
    close(fd[1]);
    size_t len = 0;
    for (ssize_t k; (k = read(fd[0], said + len, n - 1 - len)) > 0;) len += (size_t)k;
    said[len] = 0;
    close(fd[0]);
    assert_int_equal(waitpid(pid, &st, 0), pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static void test_bugs(void **)
{
    static char said[16384];
    const char *build = emu_build();
    int mine = strcmp(build, "plain") == 0 ? PLAIN : strcmp(build, "check") == 0 ? CHECK : ASAN, found = 0, bad = 0;
    const size_t n_orders = mine == ASAN ? 2 : sizeof orders / sizeof *orders; /* slow to fork */
    for (const struct planted &b : bugs) {
        for (size_t o = 0; o < n_orders; o++) {
            int lazy = o & 1;
            int code = child(&b, 0, orders[o], lazy, said, sizeof said);
            if (code != 0 && !(mine == ASAN && b.run == run_local)) {
                bad++;
                print_message("# %s, right version, %s: exit %d: %s\n", b.name, orders[o], code, said);
            }
            if (!(b.where & mine)) continue;
            code = child(&b, 1, orders[o], lazy, said, sizeof said);
            bool sanitizer = mine == ASAN && (strstr(said, "AddressSanitizer") || strstr(said, "runtime error"));
            if (!sanitizer && (code != b.code || !strstr(said, b.words))) {
                bad++;
                print_message("# %s, %s: exit %d (want %d, \"%s\"): %s\n", b.name, orders[o], code, b.code, b.words, said);
            } else {
                found++;
            }
        }
    }
    print_message("# figure planted bugs found by the %s build: %d of them in %d orders\n", build, found / (int)n_orders,
                  (int)n_orders);
    assert_int_equal(bad, 0);
    assert_true(found > 0);
}

/* A report names the line. */
static void test_source(void **)
{
    static char said[16384];
    if (strcmp(emu_build(), "check") != 0) skip();
    source = 1;
    assert_int_equal(child(&bugs[5], 1, "fwd", 0, said, sizeof said), 97);
    source = 0;
    assert_non_null(strstr(said, "planted_kernels.cuh:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bugs), cmocka_unit_test(test_source)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
