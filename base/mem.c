#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_bool mem_ended;

void *pt_mem_watched(size_t bytes)
{
    void *p = mem_ended ? NULL : malloc(bytes ? bytes : 1);
    if (!p) mem_ended = true;
    return p;
}

bool pt_mem_ended(void)
{
    return mem_ended;
}

pt_status pt_calloc(void *out_ptr, size_t n, size_t size)
{
    void **out = out_ptr;
    size_t bytes;
    /* checked here: a sanitizer's calloc aborts on overflow */
    *out = pt_mul_size(n, size, &bytes) ? calloc(n ? n : 1, size ? size : 1) : NULL;
    return *out ? PT_OK : pt_fail(PT_ENOMEM, "out of memory: %zu elements of %zu bytes", n, size);
}

/* Zeroes [from, to). Of much the whole pages are given back to the system, which hands out zeros when they are used: what a list has grown by and does not
 * hold yet takes no memory. */
static void make_zero(char *from, char *to)
{
    enum { LARGE = 4 << 20, PAGE = 1 << 16 }; /* no system has larger ordinary pages */
    char *a = (char *)pt_align_up((uintptr_t)from, PAGE), *z = (char *)((uintptr_t)to & ~(uintptr_t)(PAGE - 1));
    if (to - from < LARGE || madvise(a, (size_t)(z - a), MADV_DONTNEED)) {
        memset(from, 0, (size_t)(to - from));
        return;
    }
    memset(from, 0, (size_t)(a - from));
    memset(z, 0, (size_t)(to - z));
}

pt_status pt_grow(void *ptr_ptr, size_t *cap, size_t need, size_t size)
{
    void **ptr = ptr_ptr;
    if (need <= *cap) return PT_OK;
    size_t n = *cap ? *cap : 16;
    while (n < need && n <= SIZE_MAX / 2) n *= 2;
    size_t bytes;
    if (n < need || !pt_mul_size(n, size, &bytes)) return pt_fail(PT_ENOMEM, "%zu elements of %zu bytes overflow", need, size);
    void *p = realloc(*ptr, bytes);
    if (!p) return pt_fail(PT_ENOMEM, "out of memory: %zu bytes", bytes);
    make_zero((char *)p + *cap * size, (char *)p + bytes);
    *ptr = p;
    *cap = n;
    return PT_OK;
}

pt_status pt_alloc_pages(void *out_ptr, size_t bytes)
{
    enum { HUGE_PAGE = 2 << 20 };
    void **out = out_ptr;
    bool large = bytes >= 2 * (size_t)HUGE_PAGE;
    *out = bytes > SIZE_MAX - HUGE_PAGE ? NULL : aligned_alloc(large ? HUGE_PAGE : 64, pt_align_up(bytes ? bytes : 1, large ? HUGE_PAGE : 64));
    if (!*out) return pt_fail(PT_ENOMEM, "out of memory: %zu bytes asked for", bytes);
    /* whole huge pages only: the rest of the last one stays untouched. A system without them serves as it did */
    if (large) (void)madvise(*out, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return PT_OK;
}

bool pt_large_pages(void)
{
    char line[128] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (!f) return false;
    const bool read = fgets(line, sizeof line, f);
    fclose(f);
    return read && !strstr(line, "[never]");
}

pt_status pt_strndup(char **out, const char *s, size_t n)
{
    *out = malloc(n + 1);
    if (!*out) return pt_fail(PT_ENOMEM, "out of memory: %zu bytes", n + 1);
    if (n) memcpy(*out, s, n);
    (*out)[n] = 0;
    return PT_OK;
}

pt_status pt_strdup(char **out, const char *s)
{
    return pt_strndup(out, s, strlen(s));
}

static pt_status str_vprintf(pt_str *s, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) return pt_fail(PT_EINTERNAL, "bad format '%s'", fmt);
    PT_RETURN(pt_reserve(&s->text, &s->cap, s->len + (size_t)n + 1));
    vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap);
    s->len += (size_t)n;
    return PT_OK;
}

pt_status pt_asprintf(char **out, const char *fmt, ...)
{
    pt_str s = {0};
    va_list ap;
    va_start(ap, fmt);
    pt_status rc = str_vprintf(&s, fmt, ap);
    va_end(ap);
    *out = rc == PT_OK ? s.text : NULL;
    if (rc != PT_OK) free(s.text);
    return rc;
}

pt_status pt_str_add(pt_str *s, const char *bytes, size_t n)
{
    PT_RETURN(pt_reserve(&s->text, &s->cap, s->len + n + 1));
    if (n) memcpy(s->text + s->len, bytes, n);
    s->len += n;
    s->text[s->len] = 0;
    return PT_OK;
}

pt_status pt_str_puts(pt_str *s, const char *text)
{
    return pt_str_add(s, text, strlen(text));
}

pt_status pt_str_printf(pt_str *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pt_status rc = str_vprintf(s, fmt, ap);
    va_end(ap);
    return rc;
}

void pt_str_free(pt_str *s)
{
    free(s->text);
    *s = (pt_str){0};
}
