/* Heap helpers and overflow-safe sizes. Free with free(). */
#ifndef PT_BASE_MEM_H
#define PT_BASE_MEM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* *out = a*b; false (and *out untouched) on overflow. */
static inline bool pt_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool pt_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
/* Rounds x up to a multiple of to (a power of two). */
static inline size_t pt_align_up(size_t x, size_t to) { return (x + to - 1) & ~(to - 1); }

/* n zeroed elements of `size` bytes; *out = NULL and PT_ENOMEM on failure. n = 0 gives a valid pointer. */
pt_status pt_calloc(void *out_ptr, size_t n, size_t size);
#define pt_alloc0(pp, n) pt_calloc((void *)(pp), (size_t)(n), sizeof **(pp))
/* Grows *ptr so that it holds at least `need` elements of `size` bytes; *cap is in elements; new bytes are zero. */
pt_status pt_grow(void *ptr_ptr, size_t *cap, size_t need, size_t size);
#define pt_reserve(pp, cap, need) pt_grow((void *)(pp), (cap), (size_t)(need), sizeof **(pp))

/* `bytes` of memory, 64-byte aligned, not cleared; large blocks begin on a 2 MiB border and ask the system for huge pages, which spares page faults
 * and TLB misses. Free with free(). */
pt_status pt_alloc_pages(void *out_ptr, size_t bytes);
/* True where the system gives huge pages when asked to. */
bool pt_large_pages(void);

/* Owned copy of n bytes plus a terminating zero. */
pt_status pt_strndup(char **out, const char *s, size_t n);
pt_status pt_strdup(char **out, const char *s);
/* printf into an owned string. */
pt_status pt_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* malloc for libraries that drop a failed allocation and go on with what is left (jansson: json_set_alloc_funcs). After the first failure it gives
 * nothing more, so that what was built by halves is neither written nor read, and pt_mem_ended says so; pt_fail then reports
 * PT_ENOMEM whatever the failure looked like. For the rest of the process. Free with free(). */
void *pt_mem_watched(size_t bytes);
bool pt_mem_ended(void);

/* A growing byte string; zero-initialise; text[len] is always 0 once anything was added. Free text. */
typedef struct pt_str {
    char *text;
    size_t len, cap;
} pt_str;
pt_status pt_str_add(pt_str *s, const char *bytes, size_t n);
pt_status pt_str_puts(pt_str *s, const char *text);
pt_status pt_str_printf(pt_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pt_str_free(pt_str *s);
#endif
