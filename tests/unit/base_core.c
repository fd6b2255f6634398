/* base/err.h, mem.h, arena.h, utf8.h, log.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/utf8.h"

static pt_status inner(int n)
{
    pt_status rc = PT_OK;
    PT_CHECK(n < 3, PT_ESHAPE, "n is %d", n);
done:
    return rc;
}

static pt_status outer(int n, int *cleaned)
{
    pt_status rc = PT_OK;
    PT_TRY(inner(n));
    PT_RETURN(inner(n - 1));
done:
    (*cleaned)++;
    PT_TRY_KEEP(pt_fail(PT_EIO, "later"));
    return rc;
}

static void messages(void **state)
{
    int cleaned = 0;
    char big[4000];
    pt_err_clear();
    assert_string_equal(pt_err_msg(), "");
    assert_int_equal(outer(5, &cleaned), PT_ESHAPE); /* the first status is kept */
    assert_int_equal(cleaned, 1);
    assert_int_equal(outer(1, &cleaned), PT_EIO);
    assert_int_equal(pt_fail(PT_EFORMAT, "row %d", 7), PT_EFORMAT);
    assert_int_equal(pt_fail_prefix(PT_EFORMAT, "%s", "a.jsonl"), PT_EFORMAT);
    assert_string_equal(pt_err_msg(), "a.jsonl: row 7");
    pt_fail(PT_EFORMAT, "again (%s)", pt_err_msg()); /* the message may be its own argument */
    assert_string_equal(pt_err_msg(), "again (a.jsonl: row 7)");
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    pt_fail(PT_EIO, "%s", big);
    assert_int_equal(strlen(pt_err_msg()), 2047);
    pt_fail_prefix(PT_EIO, "%s", big);
    assert_int_equal(strlen(pt_err_msg()), 2047);
    pt_fail(PT_EIO, "b"); /* nothing of the long one shines through */
    pt_fail_prefix(PT_EIO, "a");
    assert_string_equal(pt_err_msg(), "a: b");
    assert_string_equal(pt_status_name(PT_OK), "PT_OK");
    assert_string_equal(pt_status_name(PT_EINTERNAL), "PT_EINTERNAL");
    assert_string_equal(pt_status_name(PT_EARG), "PT_EARG");
    assert_string_equal(pt_status_name((pt_status)5), "unknown status");
    assert_string_equal(pt_status_name((pt_status)-11), "unknown status");
}

static long resident_pages(void)
{
    long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
    fclose(f);
    return resident;
}

static void memory(void **state)
{
    int *v = NULL;
    size_t cap = 0, n;
    char *s;
    unsigned char *dirt = malloc(4096); /* freed at once: what comes next may get it */
    memset(dirt, 0xa5, 4096);
    __asm__ volatile("" : : "r"(dirt) : "memory");
    free(dirt);
    assert_int_equal(pt_reserve(&v, &cap, 5), PT_OK);
    assert_true(cap >= 5);
    for (size_t i = 0; i < cap; i++) assert_int_equal(v[i], 0);
    v[4] = 9;
    assert_int_equal(pt_reserve(&v, &cap, 1000), PT_OK);
    assert_int_equal(v[4], 9);
    for (size_t i = 16; i < cap; i++) assert_int_equal(v[i], 0);
    assert_int_equal(pt_reserve(&v, &cap, SIZE_MAX / 2), PT_ENOMEM);
    v[999] = 7;
    long before = resident_pages();
    assert_int_equal(pt_reserve(&v, &cap, ((size_t)256 << 20) / sizeof *v), PT_OK); /* large: what is there stays, the rest is zero and takes no memory yet */
    assert_true((resident_pages() - before) * sysconf(_SC_PAGESIZE) < 64 << 20);
    assert_true(v[999] == 7 && v[1000] == 0 && v[cap - 1] == 0);
    assert_int_equal(v[4], 9); /* still there */
    free(v);
    assert_false(pt_mul_size(SIZE_MAX / 2, 3, &n) || pt_add_size(SIZE_MAX, 1, &n));
    assert_true(pt_mul_size(3, 4, &n) && n == 12 && pt_align_up(65, 64) == 128 && pt_align_up(64, 64) == 64 &&
                pt_align_up(0, 64) == 0);
    double *d;
    assert_int_equal(pt_alloc0(&d, SIZE_MAX / 4), PT_ENOMEM);
    assert_null(d);
    assert_int_equal(pt_alloc0(&d, 0), PT_OK);
    assert_non_null(d);
    free(d);
    assert_int_equal(pt_strndup(&s, "abcdef", 3), PT_OK);
    assert_string_equal(s, "abc");
    free(s);
    assert_int_equal(pt_asprintf(&s, "%s-%d", "x", 12), PT_OK);
    assert_string_equal(s, "x-12");
    free(s);
    pt_str t = {0};
    for (int i = 0; i < 200; i++) assert_int_equal(pt_str_printf(&t, "%d,", i), PT_OK);
    assert_int_equal(pt_str_add(&t, "a\0b", 3), PT_OK);
    assert_int_equal(pt_str_puts(&t, ""), PT_OK);
    assert_true(t.len == 10 * 2 + 90 * 3 + 100 * 4 + 3 && !memcmp(t.text, "0,1,2,", 6) && t.text[t.len] == 0);
    pt_str_free(&t);
    assert_null(t.text);
}

static void arena(void **state)
{
    pt_arena a;
    pt_view v, w;
    static unsigned char block[4096];
    pt_arena_init(&a, PT_ROLE_ACTIVATIONS);
    assert_int_equal(pt_arena_carve(&a, PT_F32, 3, 5, &v), PT_OK); /* 60 bytes -> 64 */
    size_t mark = pt_arena_mark(&a);
    assert_int_equal(pt_arena_carve(&a, PT_Q4_0, 2, 64, &w), PT_OK); /* 72 -> 128 */
    assert_true(w.off == 64 && a.used == 192 && w.rows == 2 && w.ld == 64 && pt_view_row_bytes(w) == 36);
    pt_arena_back(&a, mark);
    assert_int_equal(pt_arena_carve(&a, PT_U8, 1, 1, &w), PT_OK);
    assert_true(w.off == 64 && a.used == 128 && a.peak == 192);
    assert_int_equal(pt_arena_carve(&a, PT_Q4_0, 1, 33, &w), PT_ESHAPE);
    assert_int_equal(pt_arena_carve(&a, PT_F32, -1, 4, &w), PT_ESHAPE);
    assert_int_equal(pt_arena_carve(&a, PT_F32, INT64_MAX, INT64_MAX / 8, &w), PT_ESHAPE);
    /* given real memory of the peak and sealed, it refuses to grow */
    a.buf.base = block;
    a.buf.bytes = a.peak;
    a.sealed = true;
    pt_arena_reset(&a);
    assert_int_equal(pt_arena_carve(&a, PT_U8, 1, 192, &w), PT_OK);
    assert_int_equal(pt_arena_carve(&a, PT_U8, 1, 0, &w), PT_OK);
    assert_int_equal(pt_arena_carve(&a, PT_U8, 1, 1, &w), PT_ESTATE);
    assert_string_equal(pt_err_msg(), "the arena of activations is 192 bytes and would grow to 256 after it was planned");
    assert_int_equal(a.used, 192);
    /* views */
    assert_int_equal(pt_view_rows(v, 1, 2).off, 20);
    assert_int_equal(pt_view_cols(v, 2, 3).off, 8);
    assert_int_equal(pt_view_cols(v, 2, 3).ld, 5);
    assert_int_equal(pt_view_reshape(v, 5, 3).ld, 3);
    assert_false(pt_view_ok(PT_NO_VIEW));
    for (int r = 0; r < PT_ROLE_COUNT; r++) assert_true(pt_role_name((pt_role)r)[0] != 0);
}

static void utf8(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"abc", true},
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc0\x80", false},
        {"\xc1\xbf", false},
        {"\xc2", false},
        {"\xc2 ", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xe4\xb8", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"a\xfe", false},
        {"\xf0\x90\x80", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(pt_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
    /* every code point in its shortest form, and no surrogate */
    for (uint32_t c = 0; c < 0x110000; c += 7) {
        char b[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t k = 0; k < n; k++) b[k] = (char)(0x80 | ((c >> (6 * (n - 1 - k))) & 0x3f));
        b[0] = (char)(n == 1 ? c : lead[n] | (c >> (6 * (n - 1))));
        assert_int_equal(pt_utf8_valid(b, n), c < 0xd800 || c > 0xdfff);
    }
    for (int c = 0x80; c < 0x100; c++) { /* bytes that begin nothing, and characters without an end, far from the end of the text */
        char run[32];
        memset(run, c, sizeof run);
        assert_false(pt_utf8_valid(run, sizeof run));
        memset(run + 1, 0x80, sizeof run - 1);
        assert_false(pt_utf8_valid(run, sizeof run));
    }
}

static char logged[64];
static void sink(void *user, pt_log_level level, const char *text)
{
    snprintf(logged, sizeof logged, "%d %s %s", (int)level, (const char *)user, text);
}

static void log_and_machine(void **state)
{
    pt_log(PT_LOG_INFO, "nowhere");
    pt_log_set_sink(sink, (void *)"me");
    pt_log(PT_LOG_WARN, "%d rows", 5);
    pt_log_set_sink(NULL, NULL);
    pt_log(PT_LOG_WARN, "gone");
    assert_string_equal(logged, "2 me 5 rows");
    assert_true(pt_cores_available() >= 1);
    int before = pt_threads_get();
    pt_threads_set(3);
    assert_int_equal(pt_threads_get(), 3);
    const void *stack[3] = {NULL};
#pragma omp parallel
    {
        stack_t mine;
        if (sigaltstack(NULL, &mine) == 0 && !(mine.ss_flags & SS_DISABLE) && mine.ss_size >= 32 << 10) stack[omp_get_thread_num()] = mine.ss_sp;
    }
    for (int i = 0; i < 3; i++) assert_true(stack[i] && stack[i] != stack[(i + 1) % 3]); /* for handlers: each its own */
    pt_threads_set(0);
    assert_int_equal(pt_threads_get(), 1);
    pt_threads_set(before);
    double t = pt_seconds();
    assert_true(pt_seconds() >= t);
    assert_true(pt_rss_peak() > 1 << 20 && pt_memory_total() > pt_rss_peak() && pt_memory_available() <= pt_memory_total());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages), cmocka_unit_test(memory),          cmocka_unit_test(arena),
        cmocka_unit_test(utf8),     cmocka_unit_test(log_and_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
