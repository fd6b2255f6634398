#include "checkpoints/gguf_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "checkpoints/seal.h"

enum { MAX_NAME = 65535 };

/* What is left of the file while its head is read. */
typedef struct cursor {
    const unsigned char *p, *end;
} cursor;

static bool take(cursor *c, size_t n, const unsigned char **out)
{
    if (n > (size_t)(c->end - c->p)) return false;
    *out = c->p;
    c->p += n;
    return true;
}

static uint64_t load(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static bool take_int(cursor *c, unsigned bytes, uint64_t *out)
{
    const unsigned char *p;
    if (!take(c, bytes, &p)) return false;
    *out = load(p, bytes);
    return true;
}

static bool take_str(cursor *c, const char **s, size_t *n)
{
    uint64_t len;
    const unsigned char *p;
    if (!take_int(c, 8, &len) || len > (uint64_t)(c->end - c->p) || !take(c, (size_t)len, &p)) return false;
    *s = (const char *)p;
    *n = (size_t)len;
    return true;
}

static size_t at_byte(const pt_gguf *g, const cursor *c)
{
    return (size_t)(c->p - g->map.data);
}

static pt_status cut_off(const pt_gguf *g, const cursor *c, const char *what)
{
    return pt_fail(PT_EFORMAT, "%s runs past the end of the file (byte %zu of %zu); the file is damaged or cut off", what,
                   at_byte(g, c), g->map.bytes);
}

/* A key or a tensor's name as an owned string. */
static pt_status take_name(const pt_gguf *g, cursor *c, const char *what, char **out)
{
    const char *s;
    size_t n, at = at_byte(g, c);
    if (!take_str(c, &s, &n)) return cut_off(g, c, what);
    if (n == 0 || n > MAX_NAME || memchr(s, 0, n) || !pt_utf8_valid(s, n))
        return pt_fail(PT_EFORMAT, "%s at byte %zu is empty, too long or not valid UTF-8", what, at);
    return pt_strndup(out, s, n);
}

/* Bytes of a value of a scalar type, 0 for strings and arrays. */
static unsigned scalar_bytes(uint64_t type)
{
    static const unsigned char bytes[PT_GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return bytes[type];
}

/* Skips `count` values of type `type`. */
static bool take_values(cursor *c, uint64_t type, uint64_t count)
{
    const unsigned char *p;
    const char *s;
    size_t n;
    if (type != PT_GGUF_STR)
        return count <= (uint64_t)(c->end - c->p) / scalar_bytes(type) && take(c, (size_t)count * scalar_bytes(type), &p);
    if (count > (uint64_t)(c->end - c->p) / 8) return false;
    while (count--)
        if (!take_str(c, &s, &n)) return false;
    return true;
}

static pt_status read_value(const pt_gguf *g, cursor *c, pt_gguf_kv *kv)
{
    uint64_t type, elem = 0;
    char what[160];
    snprintf(what, sizeof what, "the value of '%.100s'", kv->key);
    if (!take_int(c, 4, &type)) return cut_off(g, c, what);
    if (type >= PT_GGUF_TYPE_COUNT)
        return pt_fail(PT_EFORMAT, "key '%s' has unknown type %llu", kv->key, (unsigned long long)type);
    kv->type = kv->elem = (pt_gguf_type)type;
    kv->count = 1;
    if (type == PT_GGUF_ARRAY) {
        if (!take_int(c, 4, &elem) || !take_int(c, 8, &kv->count)) return cut_off(g, c, what);
        if (elem >= PT_GGUF_TYPE_COUNT || elem == PT_GGUF_ARRAY)
            return pt_fail(PT_EFORMAT, "key '%s' is an array of type %llu, which is not read", kv->key,
                           (unsigned long long)elem);
        kv->elem = (pt_gguf_type)elem;
    }
    kv->data = c->p;
    if (!take_values(c, kv->elem, kv->count)) return cut_off(g, c, what);
    kv->bytes = (size_t)(c->p - kv->data);
    return PT_OK;
}

static pt_status read_tensor(const pt_gguf *g, cursor *c, pt_gguf_tensor *t, uint64_t *offset)
{
    uint64_t n, type, dim;
    char *name;
    PT_RETURN(take_name(g, c, "a tensor's name", &name));
    t->name = name;
    if (!take_int(c, 4, &n)) return cut_off(g, c, "a tensor's entry");
    if (n < 1 || n > PT_GGUF_MAX_DIMS)
        return pt_fail(PT_EFORMAT, "tensor '%s' has %llu dimensions; 1 to 4 are read", name, (unsigned long long)n);
    t->n_dims = (int)n;
    t->rows = 1;
    for (int i = 0; i < PT_GGUF_MAX_DIMS; i++) {
        dim = 1;
        if (i < t->n_dims && !take_int(c, 8, &dim)) return cut_off(g, c, "a tensor's entry");
        if (dim < 1 || dim > INT64_MAX || (i && __builtin_mul_overflow(t->rows, (int64_t)dim, &t->rows)))
            return pt_fail(PT_EFORMAT, "tensor '%s' has dimension %d of %llu", name, i, (unsigned long long)dim);
        t->dims[i] = (int64_t)dim;
    }
    if (!take_int(c, 4, &type) || !take_int(c, 8, offset)) return cut_off(g, c, "a tensor's entry");
    t->type_id = type > INT32_MAX ? -1 : (int)type;
    t->known = pt_dtype_from_ggml(t->type_id, &t->type);
    return PT_OK;
}

static int by_key(const void *a, const void *b, void *g)
{
    const pt_gguf *f = g;
    return strcmp(f->kvs[*(const uint32_t *)a].key, f->kvs[*(const uint32_t *)b].key);
}

static int by_tensor_name(const void *a, const void *b, void *g)
{
    const pt_gguf *f = g;
    return strcmp(f->tensors[*(const uint32_t *)a].name, f->tensors[*(const uint32_t *)b].name);
}

static int by_data(const void *a, const void *b, void *g)
{
    const pt_gguf *f = g;
    const unsigned char *x = f->tensors[*(const uint32_t *)a].data, *y = f->tensors[*(const uint32_t *)b].data;
    return (x > y) - (x < y);
}

static pt_status read_keys(pt_gguf *g, cursor *c, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        char *key;
        PT_RETURN(take_name(g, c, "a key", &key));
        pt_gguf_kv *kv = &g->kvs[g->n_kvs++];
        kv->key = key;
        PT_RETURN(read_value(g, c, kv));
    }
    for (size_t i = 0; i < g->n_kvs; i++) g->kv_order[i] = (uint32_t)i;
    qsort_r(g->kv_order, g->n_kvs, sizeof *g->kv_order, by_key, g);
    for (size_t i = 1; i < g->n_kvs; i++)
        if (!strcmp(g->kvs[g->kv_order[i - 1]].key, g->kvs[g->kv_order[i]].key))
            return pt_fail(PT_EFORMAT, "key '%s' stands twice", g->kvs[g->kv_order[i]].key);
    return PT_OK;
}

/* Sets data and bytes of tensor t, which starts `offset` bytes into the data section. */
static pt_status place_tensor(const pt_gguf *g, pt_gguf_tensor *t, const unsigned char *data, size_t avail, uint64_t offset)
{
    size_t row = 0;
    if (offset % g->alignment) return pt_fail(PT_EFORMAT, "tensor '%s' is not aligned to %zu bytes", t->name, g->alignment);
    if (offset > avail) return pt_fail(PT_EFORMAT, "tensor '%s' starts past the end of the file; the file is cut off", t->name);
    t->data = data + offset;
    if (!t->known) return PT_OK;
    pt_status rc = pt_dtype_row_bytes(t->type, (size_t)t->dims[0], &row);
    if (rc != PT_OK) return pt_fail_prefix(PT_EFORMAT, "tensor '%s'", t->name);
    if (!pt_mul_size(row, (size_t)t->rows, &t->bytes) || t->bytes > avail - offset)
        return pt_fail(PT_EFORMAT, "tensor '%s' runs past the end of the file; the file is damaged or cut off", t->name);
    return PT_OK;
}

pt_status pt_gguf_sort_tensors(pt_gguf *g)
{
    uint32_t *o = g->tensor_order;
    for (size_t i = 0; i < g->n_tensors; i++) o[i] = (uint32_t)i;
    qsort_r(o, g->n_tensors, sizeof *o, by_tensor_name, g);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (!strcmp(g->tensors[o[i - 1]].name, g->tensors[o[i]].name))
            return pt_fail(PT_EFORMAT, "tensor '%s' stands twice", g->tensors[o[i]].name);
    return PT_OK;
}

static pt_status read_tensors(pt_gguf *g, cursor *c, uint64_t count)
{
    pt_status rc = PT_OK;
    uint64_t *offset = NULL;
    PT_TRY(pt_alloc0(&offset, count));
    for (uint64_t i = 0; i < count; i++) {
        g->n_tensors++;
        PT_TRY(read_tensor(g, c, &g->tensors[i], &offset[i]));
    }
    size_t start = pt_align_up(at_byte(g, c), g->alignment);
    PT_CHECK(count == 0 || start <= g->map.bytes, PT_EFORMAT, "the data starts past the end of the file; the file is cut off");
    for (size_t i = 0; i < count; i++)
        PT_TRY(place_tensor(g, &g->tensors[i], g->map.data + start, g->map.bytes - start, offset[i]));
    uint32_t *o = g->tensor_order;
    for (size_t i = 0; i < count; i++) o[i] = (uint32_t)i;
    qsort_r(o, g->n_tensors, sizeof *o, by_data, g);
    for (size_t i = 1; i < count; i++) {
        const pt_gguf_tensor *a = &g->tensors[o[i - 1]], *b = &g->tensors[o[i]];
        PT_CHECK(a->data + a->bytes <= b->data, PT_EFORMAT, "tensors '%s' and '%s' overlap", a->name, b->name);
    }
    PT_TRY(pt_gguf_sort_tensors(g));
done:
    free(offset);
    return rc;
}

static pt_status read_version(pt_gguf *g, cursor *c, uint64_t *tensors, uint64_t *keys)
{
    const unsigned char *magic;
    uint64_t version;
    if (!take(c, 4, &magic) || memcmp(magic, "GGUF", 4))
        return pt_fail(PT_EFORMAT, "not a GGUF file (it does not start with \"GGUF\")");
    if (!take_int(c, 4, &version)) return cut_off(g, c, "the head");
    if ((version & 0xffff) == 0 && version) return pt_fail(PT_ENOSUP, "a big-endian GGUF file; convert it to little endian");
    if (version != 2 && version != 3)
        return pt_fail(PT_ENOSUP, "GGUF version %llu; 2 and 3 are read: convert the model again", (unsigned long long)version);
    g->version = (uint32_t)version;
    if (!take_int(c, 8, tensors) || !take_int(c, 8, keys)) return cut_off(g, c, "the head");
    uint64_t left = (uint64_t)(c->end - c->p); /* the smallest key takes 14 bytes, the smallest tensor entry 33 */
    if (*keys > left / 14 || *tensors > left / 33 || *keys > UINT32_MAX || *tensors > UINT32_MAX)
        return pt_fail(PT_EFORMAT, "%llu keys and %llu tensors do not fit into %zu bytes; the file is damaged or cut off",
                       (unsigned long long)*keys, (unsigned long long)*tensors, g->map.bytes);
    return PT_OK;
}

/* Keys that change how the rest is read. */
static pt_status read_layout(pt_gguf *g)
{
    int64_t v = PT_GGUF_ALIGNMENT;
    if (pt_gguf_find(g, "general.alignment")) PT_RETURN(pt_gguf_int(g, "general.alignment", 1, 1 << 20, &v));
    if (v & (v - 1)) return pt_fail(PT_EFORMAT, "general.alignment is %lld, no power of two", (long long)v);
    g->alignment = (size_t)v;
    return PT_OK;
}

/* One file. */
static pt_status open_file(pt_gguf **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_gguf *g = NULL;
    uint64_t tensors = 0, keys = 0;
    *out = NULL;
    PT_TRY(pt_alloc0(&g, 1));
    PT_TRY(pt_strdup(&g->path, path));
    PT_TRY(pt_map_open(&g->map, path));
    PT_CHECK(g->map.bytes, PT_EFORMAT, "%s: not a GGUF file: it is empty", path);
    cursor c = {g->map.data, g->map.data + g->map.bytes};
    rc = read_version(g, &c, &tensors, &keys);
    if (rc == PT_OK) rc = pt_alloc0(&g->kvs, keys);
    if (rc == PT_OK) rc = pt_alloc0(&g->kv_order, keys);
    if (rc == PT_OK) rc = pt_alloc0(&g->tensors, tensors);
    if (rc == PT_OK) rc = pt_alloc0(&g->tensor_order, tensors);
    if (rc == PT_OK) rc = read_keys(g, &c, keys);
    if (rc == PT_OK) rc = read_layout(g);
    if (rc == PT_OK) rc = read_tensors(g, &c, tensors);
    if (rc != PT_OK && strncmp(pt_err_msg(), path, strlen(path))) pt_fail_prefix(rc, "%s", path);
    PT_TRY(rc);
    g->n_own = g->n_tensors;
    *out = g;
    return PT_OK;
done:
    pt_gguf_close(g);
    return rc;
}

pt_status pt_gguf_open(pt_gguf **out, const char *path)
{
    PT_RETURN(open_file(out, path));
    pt_status rc = pt_gguf_open_parts(*out, open_file);
    if (rc == PT_OK) return PT_OK;
    if (strncmp(pt_err_msg(), path, strlen(path))) pt_fail_prefix(rc, "%s", path);
    pt_gguf_close(*out);
    *out = NULL;
    return rc;
}

void pt_gguf_close(pt_gguf *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->n_kvs; i++) free((void *)g->kvs[i].key);
    for (size_t i = 0; i < (g->parts ? g->n_own : g->n_tensors); i++) free((void *)g->tensors[i].name);
    for (size_t i = 0; i < g->n_parts; i++) pt_gguf_close(g->parts[i]);
    free(g->parts);
    free(g->kvs);
    free(g->kv_order);
    free(g->tensors);
    free(g->tensor_order);
    pt_map_close(&g->map);
    free(g->path);
    free(g);
}

const pt_gguf_kv *pt_gguf_find(const pt_gguf *g, const char *key)
{
    size_t lo = 0, hi = g->n_kvs;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const pt_gguf_kv *kv = &g->kvs[g->kv_order[mid]];
        int c = strcmp(kv->key, key);
        if (c == 0) return kv;
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

const pt_gguf_tensor *pt_gguf_find_tensor(const pt_gguf *g, const char *name)
{
    size_t lo = 0, hi = g->n_tensors;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const pt_gguf_tensor *t = &g->tensors[g->tensor_order[mid]];
        int c = strcmp(t->name, name);
        if (c == 0) return t;
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

const char *pt_gguf_type_name(int id)
{
    static const char *const names[] = {"F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
                                        "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
                                        "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
                                        "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
                                        "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
                                        "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4"};
    static _Thread_local char other[24];
    if (id >= 0 && id < (int)(sizeof names / sizeof *names)) return names[id];
    snprintf(other, sizeof other, "type %d", id);
    return other;
}

pt_status pt_gguf_need(const pt_gguf *g, const char *name, const pt_gguf_tensor **out)
{
    const pt_gguf_tensor *t = pt_gguf_find_tensor(g, name);
    *out = NULL;
    if (!t) return pt_fail(PT_EFORMAT, "%s: tensor '%s' is missing", g->path, name);
    if (!t->known || t->type == PT_I32 || t->type == PT_F64)
        return pt_fail(PT_ENOSUP,
                       "%s: tensor '%s' is stored as %s, which is not read as weights; use a file of another quantisation",
                       g->path, name, pt_gguf_type_name(t->type_id));
    *out = t;
    return PT_OK;
}

pt_status pt_gguf_check_shape(const pt_gguf *g, const pt_gguf_tensor *t, int64_t rows, int64_t cols)
{
    if (t->dims[0] == cols && t->dims[1] == rows && t->dims[2] == 1 && t->dims[3] == 1) return PT_OK;
    return pt_fail(PT_ESHAPE, "%s: tensor '%s' has sizes [%lld, %lld, %lld, %lld], the model asks for [%lld, %lld]", g->path,
                   t->name, (long long)t->dims[0], (long long)t->dims[1], (long long)t->dims[2], (long long)t->dims[3],
                   (long long)cols, (long long)rows);
}

/* Where the digits of a key of the seal stand; 0: there are none. */
static size_t digits_at(const pt_gguf *g, const char *key, size_t digits)
{
    const pt_gguf_kv *kv = pt_gguf_find(g, key);
    return kv && kv->type == PT_GGUF_STR && kv->bytes == 8 + digits ? (size_t)(kv->data - g->map.data) + 8 : 0;
}

static void sum_tensors(const void *file, pt_seal_tensors *sums)
{
    const pt_gguf *g = file;
    size_t first = g->map.bytes, all = 0;
    bool known = true;
    for (size_t i = 0; i < g->n_own; i++) {
        const pt_gguf_tensor *t = &g->tensors[i];
        pt_seal_list(sums, t->name, pt_gguf_type_name(t->type_id), t->n_dims, t->dims);
        known = known && t->known;
        if (!t->known) continue;
        pt_seal_data(sums, t->data, t->bytes);
        size_t at = (size_t)(t->data - g->map.data);
        if (at < first) first = at;
        all += pt_align_up(t->bytes, g->alignment);
    }
    sums->undescribed = known && (g->n_own ? first + all < g->map.bytes : !g->n_parts);
}

pt_status pt_gguf_verify(const pt_gguf *g)
{
    pt_seal_at at = {.digest = digits_at(g, PT_SEAL_DIGEST_KEY, PT_SEAL_DIGITS), .tensors = digits_at(g, PT_SEAL_TENSORS_KEY, PT_SEAL_TENSORS_DIGITS)};
    for (size_t i = 0; i < g->n_parts; i++) PT_RETURN(pt_gguf_verify(g->parts[i]));
    if (!pt_gguf_find(g, PT_SEAL_KEY) && !pt_gguf_find(g, PT_SEAL_DIGEST_KEY) && !pt_gguf_find(g, PT_SEAL_TENSORS_KEY)) return PT_OK;
    return pt_seal_check(g->path, g->map.data, g->map.bytes, at, sum_tensors, g);
}
