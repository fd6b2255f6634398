/* Memory, limits and errors of the Jinja interpreter, and strings that grow. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/jinja_priv.h"

enum { CHUNK = 1 << 16 };
struct jchunk {
    struct jchunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void jinja_place(const char *source, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && source[i]; i++) {
        if (source[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)source[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

jvalue jinja_fail(jinja *J, pt_status s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    if (J->rc != PT_OK) return jv_undefined(NULL);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t line, column;
    jinja_place(J->source ? J->source : "", J->at, &line, &column);
    J->rc = pt_fail(s, "chat template, line %zu, column %zu: %s", line, column, text);
    return jv_undefined(NULL);
}

bool jinja_tick(jinja *J, uint64_t n)
{
    if (J->rc != PT_OK) return false;
    J->steps += n;
    if (J->steps <= J->max_steps) return true;
    jinja_fail(J, PT_EFORMAT, "more than %llu steps: does it end?", (unsigned long long)J->max_steps);
    return false;
}

bool jinja_enter(jinja *J)
{
    if (!jinja_tick(J, 1)) return false;
    if (++J->depth <= J->max_depth) return true;
    J->depth--;
    jinja_fail(J, PT_EFORMAT, "nested or recursive deeper than %d levels", J->max_depth);
    return false;
}

void jinja_leave(jinja *J)
{
    J->depth--;
}

void *jinja_alloc(jinja *J, size_t bytes)
{
    jarena *a = &J->mem;
    bytes = (bytes + 15) & ~(size_t)15;
    if (J->rc != PT_OK) return NULL;
    if (!a->chunks || a->chunks->size - a->chunks->used < bytes) {
        size_t size = bytes > CHUNK ? bytes : CHUNK;
        if (size > a->limit - a->used) {
            jinja_fail(J, PT_EFORMAT, "its values need more than %zu bytes", a->limit);
            return NULL;
        }
        struct jchunk *c = calloc(1, sizeof *c + size);
        if (!c) {
            J->rc = pt_fail(PT_ENOMEM, "out of memory");
            return NULL;
        }
        c->size = size;
        c->next = a->chunks;
        a->chunks = c;
        a->used += size;
    }
    void *p = a->chunks->bytes + a->chunks->used;
    a->chunks->used += bytes;
    return p;
}

void *jinja_grow(jinja *J, void *p, size_t *cap, size_t need, size_t size)
{
    size_t bytes, now = *cap * 2 > need ? *cap * 2 : need < 8 ? 8 : need;
    if (need <= *cap) return J->rc == PT_OK ? p : NULL;
    if (!pt_mul_size(now, size, &bytes)) bytes = SIZE_MAX / 4;
    void *fresh = jinja_alloc(J, bytes);
    if (!fresh) return NULL;
    if (*cap) memcpy(fresh, p, *cap * size);
    *cap = now;
    return fresh;
}

void jinja_arena_free(jarena *a)
{
    for (struct jchunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *a = (jarena){0};
}

/* ---- strings that grow ---- */

static bool room(jinja *J, jbuild *b, size_t n)
{
    size_t cap = b->cap;
    if (!jinja_tick(J, 1 + n / 64)) return false;
    if (n > J->max_output || b->n + n > J->max_output) {
        jinja_fail(J, PT_EFORMAT, "a text of more than %zu bytes", J->max_output);
        return false;
    }
    char *s = jinja_grow(J, b->s, &cap, b->n + n, 1);
    if (!s) return false;
    if (cap != b->cap && b->mixed) {
        uint32_t *o = jinja_alloc(J, cap * sizeof *o);
        if (!o) return false;
        memcpy(o, b->o, b->n * sizeof *o);
        b->o = o;
    }
    b->s = s;
    b->cap = cap;
    return true;
}

static bool mix(jinja *J, jbuild *b)
{
    if (b->mixed) return true;
    b->o = jinja_alloc(J, b->cap * sizeof *b->o);
    if (!b->o) return false;
    for (size_t i = 0; i < b->n; i++) b->o[i] = b->one;
    b->mixed = true;
    return true;
}

void jbuild_bytes(jinja *J, jbuild *b, const char *s, size_t n, uint32_t origin)
{
    if (!n || !room(J, b, n)) return;
    if (!b->n) b->one = origin;
    if (origin != b->one && !mix(J, b)) return;
    memcpy(b->s + b->n, s, n);
    for (size_t i = 0; b->mixed && i < n; i++) b->o[b->n + i] = origin;
    b->n += n;
}

void jbuild_part(jinja *J, jbuild *b, jvalue s, size_t from, size_t n)
{
    if (!s.o) {
        jbuild_bytes(J, b, s.u.s + from, n, s.origin);
        return;
    }
    if (!n || !room(J, b, n) || !mix(J, b)) return;
    memcpy(b->s + b->n, s.u.s + from, n);
    memcpy(b->o + b->n, s.o + from, n * sizeof *b->o);
    b->n += n;
}

void jbuild_str(jinja *J, jbuild *b, jvalue s)
{
    if (s.kind == J_STRING) jbuild_part(J, b, s, 0, s.n);
}

void jbuild_puts(jinja *J, jbuild *b, const char *s, uint32_t origin)
{
    jbuild_bytes(J, b, s, strlen(s), origin);
}

jvalue jbuild_done(jbuild *b)
{
    jvalue v = jv_text(b->n ? b->s : "", b->n, b->one);
    if (b->mixed) v.o = b->o;
    return v;
}
