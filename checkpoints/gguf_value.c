/* Typed reads of GGUF metadata; the lengths were checked when the file was opened. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/gguf.h"

static uint64_t load(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static bool is_integer(pt_gguf_type t)
{
    return t <= PT_GGUF_I32 || t == PT_GGUF_U64 || t == PT_GGUF_I64;
}

static bool is_number(pt_gguf_type t)
{
    return is_integer(t) || t == PT_GGUF_F32 || t == PT_GGUF_F64;
}

static unsigned width(pt_gguf_type t)
{
    if (t <= PT_GGUF_I8 || t == PT_GGUF_BOOL) return 1;
    if (t <= PT_GGUF_I16) return 2;
    return t >= PT_GGUF_U64 ? 8 : 4;
}

/* False when a u64 does not fit. */
static bool load_int(pt_gguf_type t, const unsigned char *p, int64_t *out)
{
    uint64_t v = load(p, width(t));
    if (t == PT_GGUF_I8) *out = (int8_t)v;
    else if (t == PT_GGUF_I16) *out = (int16_t)v;
    else if (t == PT_GGUF_I32) *out = (int32_t)v;
    else *out = (int64_t)v;
    return t != PT_GGUF_U64 || v <= INT64_MAX;
}

static double load_num(pt_gguf_type t, const unsigned char *p)
{
    uint64_t v = load(p, width(t));
    uint32_t low = (uint32_t)v;
    float f;
    double d;
    int64_t i;
    if (t == PT_GGUF_F32) return memcpy(&f, &low, 4), (double)f;
    if (t == PT_GGUF_F64) return memcpy(&d, &v, 8), d;
    return load_int(t, p, &i) ? (double)i : (double)v;
}

static pt_status need(const pt_gguf *g, const char *key, const pt_gguf_kv **out)
{
    *out = pt_gguf_find(g, key);
    return *out ? PT_OK : pt_fail(PT_EFORMAT, "%s: key '%s' is missing", g->path, key);
}

static const char *type_name(pt_gguf_type t)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return names[t];
}

static pt_status wrong(const pt_gguf *g, const pt_gguf_kv *kv, const char *want)
{
    bool array = kv->type == PT_GGUF_ARRAY;
    return pt_fail(PT_EFORMAT, "%s: key '%s' is %s%s, not %s", g->path, kv->key, array ? "an array of " : "of type ",
                   type_name(kv->elem), want);
}

pt_status pt_gguf_int(const pt_gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out)
{
    const pt_gguf_kv *kv;
    int64_t v;
    PT_RETURN(need(g, key, &kv));
    if (!is_integer(kv->type)) return wrong(g, kv, "an integer");
    if (!load_int(kv->type, kv->data, &v) || v < lo || v > hi)
        return pt_fail(PT_EFORMAT, "%s: key '%s' is %.0f; it must lie in %lld..%lld", g->path, key,
                       load_num(kv->type, kv->data), (long long)lo, (long long)hi);
    *out = v;
    return PT_OK;
}

pt_status pt_gguf_num(const pt_gguf *g, const char *key, double *out)
{
    const pt_gguf_kv *kv;
    PT_RETURN(need(g, key, &kv));
    if (!is_number(kv->type)) return wrong(g, kv, "a number");
    double v = load_num(kv->type, kv->data);
    if (!isfinite(v)) return pt_fail(PT_EFORMAT, "%s: key '%s' is not a finite number", g->path, key);
    *out = v;
    return PT_OK;
}

pt_status pt_gguf_bool(const pt_gguf *g, const char *key, bool *out)
{
    const pt_gguf_kv *kv;
    PT_RETURN(need(g, key, &kv));
    if (kv->type != PT_GGUF_BOOL) return wrong(g, kv, "true or false");
    *out = kv->data[0] != 0;
    return PT_OK;
}

pt_status pt_gguf_text(const pt_gguf *g, const char *key, pt_gguf_str *out)
{
    const pt_gguf_kv *kv;
    PT_RETURN(need(g, key, &kv));
    if (kv->type != PT_GGUF_STR) return wrong(g, kv, "a text");
    *out = (pt_gguf_str){(const char *)kv->data + 8, kv->bytes - 8};
    return PT_OK;
}

pt_status pt_gguf_text_dup(const pt_gguf *g, const char *key, char **out)
{
    pt_gguf_str s;
    *out = NULL;
    PT_RETURN(pt_gguf_text(g, key, &s));
    if (memchr(s.s, 0, s.n)) return pt_fail(PT_EFORMAT, "%s: key '%s' holds a zero byte", g->path, key);
    return pt_strndup(out, s.s, s.n);
}

pt_status pt_gguf_texts(const pt_gguf *g, const char *key, pt_gguf_str **out, size_t *n)
{
    const pt_gguf_kv *kv;
    *out = NULL;
    *n = 0;
    PT_RETURN(need(g, key, &kv));
    if (kv->type != PT_GGUF_ARRAY || kv->elem != PT_GGUF_STR) return wrong(g, kv, "a list of texts");
    PT_RETURN(pt_alloc0(out, kv->count));
    const unsigned char *p = kv->data;
    for (uint64_t i = 0; i < kv->count; i++) {
        (*out)[i] = (pt_gguf_str){(const char *)p + 8, (size_t)load(p, 8)};
        p += 8 + (*out)[i].n;
    }
    *n = (size_t)kv->count;
    return PT_OK;
}

pt_status pt_gguf_ints(const pt_gguf *g, const char *key, int64_t **out, size_t *n)
{
    const pt_gguf_kv *kv;
    *out = NULL;
    *n = 0;
    PT_RETURN(need(g, key, &kv));
    if (kv->type != PT_GGUF_ARRAY || !is_integer(kv->elem)) return wrong(g, kv, "a list of integers");
    PT_RETURN(pt_alloc0(out, kv->count));
    for (uint64_t i = 0; i < kv->count; i++) {
        if (load_int(kv->elem, kv->data + i * width(kv->elem), &(*out)[i])) continue;
        free(*out);
        *out = NULL;
        return pt_fail(PT_EFORMAT, "%s: key '%s', element %llu is too large", g->path, key, (unsigned long long)i);
    }
    *n = (size_t)kv->count;
    return PT_OK;
}

pt_status pt_gguf_nums(const pt_gguf *g, const char *key, double **out, size_t *n)
{
    const pt_gguf_kv *kv;
    *out = NULL;
    *n = 0;
    PT_RETURN(need(g, key, &kv));
    if (kv->type != PT_GGUF_ARRAY || !is_number(kv->elem)) return wrong(g, kv, "a list of numbers");
    PT_RETURN(pt_alloc0(out, kv->count));
    for (uint64_t i = 0; i < kv->count; i++) (*out)[i] = load_num(kv->elem, kv->data + i * width(kv->elem));
    *n = (size_t)kv->count;
    return PT_OK;
}
