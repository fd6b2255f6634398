#include "checkpoints/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/quant.h"
#include "checkpoints/seal.h"

enum { MAX_SHARDS = 4096 };
static const size_t max_header = 100u << 20; /* the limit of the reference implementation */
static const size_t max_index = 256u << 20;

typedef struct pt_st_file {
    char *path;
    pt_map map;
    json_t *header; /* owns the tensors' names */
} pt_st_file;

/* Spellings of the types, with their size; `ours` false: carried, never read as weights. */
typedef struct type_name {
    const char *name;
    unsigned bytes;
    bool ours;
    pt_dtype type;
} type_name;
static const type_name types[] = {
    {"F32", 4, true, PT_F32},  {"F16", 2, true, PT_F16},     {"BF16", 2, true, PT_BF16},   {"F64", 8, true, PT_F64},
    {"I32", 4, true, PT_I32},  {"U64", 8, true, PT_U64},     {"U8", 1, true, PT_U8},       {"I64", 8, false, PT_U8},
    {"I16", 2, false, PT_U8},  {"I8", 1, false, PT_U8},      {"U32", 4, false, PT_U8},     {"U16", 2, false, PT_U8},
    {"BOOL", 1, false, PT_U8}, {"F8_E4M3", 1, false, PT_U8}, {"F8_E5M2", 1, false, PT_U8},
};

static const type_name *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}

/* "[2, 3]" into text. */
static const char *shape_text(char *text, size_t size, int n, const int64_t *dims)
{
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i <= n && at < size; i++)
        at += (size_t)(i < n ? snprintf(text + at, size - at, "%s%lld", i ? ", " : "[", (long long)dims[i])
                             : snprintf(text + at, size - at, n ? "]" : "[]"));
    return text;
}

static pt_status read_shape(const json_t *shape, pt_st_tensor *t)
{
    if (!json_is_array(shape)) return pt_fail(PT_EFORMAT, "its shape is not a list");
    if (json_array_size(shape) > PT_ST_MAX_DIMS)
        return pt_fail(PT_EFORMAT, "its shape has %zu dimensions; at most %d are read", json_array_size(shape), PT_ST_MAX_DIMS);
    t->n_dims = (int)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->n_dims; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0) return pt_fail(PT_EFORMAT, "dimension %d is no size", i);
        t->dims[i] = json_integer_value(d);
        if (__builtin_mul_overflow(t->count, t->dims[i], &t->count)) return pt_fail(PT_EFORMAT, "its shape overflows");
    }
    return PT_OK;
}

static pt_status read_tensor(const json_t *j, const unsigned char *data, size_t data_bytes, pt_st_tensor *t)
{
    const json_t *at = json_object_get(j, "data_offsets");
    const char *dtype = json_string_value(json_object_get(j, "dtype"));
    size_t size;
    if (!json_is_object(j)) return pt_fail(PT_EFORMAT, "its entry is not an object");
    if (!dtype || strlen(dtype) >= sizeof t->type_name) return pt_fail(PT_EFORMAT, "it has no readable dtype");
    memcpy(t->type_name, dtype, strlen(dtype) + 1);
    PT_RETURN(read_shape(json_object_get(j, "shape"), t));
    const json_t *from = json_array_get(at, 0), *to = json_array_get(at, 1);
    if (json_array_size(at) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return pt_fail(PT_EFORMAT, "its data_offsets are not two integers");
    json_int_t a = json_integer_value(from), b = json_integer_value(to);
    if (a < 0 || b < a || (uint64_t)b > data_bytes)
        return pt_fail(PT_EFORMAT, "its data [%lld, %lld) is outside the %zu bytes of data; the file is damaged or cut off",
                       (long long)a, (long long)b, data_bytes);
    t->data = data + a;
    t->bytes = (size_t)(b - a);
    const type_name *n = find_type(dtype);
    if (!n) return PT_OK;
    t->known = n->ours;
    t->type = n->type;
    char text[192];
    if (!pt_mul_size((size_t)t->count, n->bytes, &size) || size != t->bytes)
        return pt_fail(PT_EFORMAT, "shape %s of %s does not make %zu bytes", shape_text(text, sizeof text, t->n_dims, t->dims),
                       dtype, t->bytes);
    return PT_OK;
}

static int by_address(const void *a, const void *b)
{
    const pt_st_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pt_st_tensor *)a)->name, ((const pt_st_tensor *)b)->name);
}

/* The tensors t[n] of one file cover its data exactly. */
static pt_status check_cover(pt_st_tensor *t, size_t n, const unsigned char *data, size_t bytes)
{
    const unsigned char *end = data;
    if (n > 1) qsort(t, n, sizeof *t, by_address);
    for (size_t i = 0; i < n; i++) {
        if (t[i].data < end) return pt_fail(PT_EFORMAT, "tensors '%s' and '%s' overlap", t[i - 1].name, t[i].name);
        if (t[i].data > end)
            return pt_fail(PT_EFORMAT, "%zu bytes before tensor '%s' belong to nothing", (size_t)(t[i].data - end), t[i].name);
        end = t[i].data + t[i].bytes;
    }
    if (end != data + bytes) return pt_fail(PT_EFORMAT, "the last %zu bytes belong to nothing", bytes - (size_t)(end - data));
    return PT_OK;
}

/* Parses f's header and adds its tensors to st. */
static pt_status read_file(pt_st *st, size_t *cap, pt_st_file *f)
{
    pt_status rc = PT_OK;
    uint64_t n = 0;
    const char *name;
    json_t *entry;
    size_t first = st->n_tensors;
    PT_CHECK(f->map.bytes >= 8, PT_EFORMAT, "%zu bytes are too few for a safetensors file", f->map.bytes);
    for (int i = 0; i < 8; i++) n |= (uint64_t)f->map.data[i] << (8 * i);
    PT_CHECK(n <= max_header && n <= f->map.bytes - 8, PT_EFORMAT,
             "a header of %llu bytes does not fit a file of %zu: not a safetensors file, or cut off", (unsigned long long)n,
             f->map.bytes);
    const char *text = (const char *)f->map.data + 8;
    PT_CHECK(n >= 2 && text[0] == '{', PT_EFORMAT, "the header does not start with '{': not a safetensors file");
    PT_TRY(pt_json_parse(&f->header, text, (size_t)n, "header", PT_JSON_OBJECT));
    const unsigned char *data = f->map.data + 8 + n;
    size_t bytes = f->map.bytes - 8 - (size_t)n;
    PT_TRY(pt_reserve(&st->tensors, cap, first + json_object_size(f->header) + 1));
    json_object_foreach(f->header, name, entry)
    {
        pt_st_tensor *t = &st->tensors[st->n_tensors];
        if (!strcmp(name, "__metadata__")) continue;
        *t = (pt_st_tensor){.name = name, .file = f->path};
        rc = read_tensor(entry, data, bytes, t);
        if (rc != PT_OK) pt_fail_prefix(rc, "tensor '%s'", name);
        PT_TRY(rc);
        st->n_tensors++;
    }
    PT_TRY(check_cover(st->tensors + first, st->n_tensors - first, data, bytes));
done:
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "%s", f->path);
}

/* Opens dir/name (or name itself when dir is NULL) as the next file. */
static pt_status add_file(pt_st *st, size_t *cap, const char *dir, const char *name)
{
    pt_st_file *f = &st->files[st->n_files];
    PT_RETURN(dir ? pt_path_join(&f->path, dir, name) : pt_strdup(&f->path, name));
    st->n_files++;
    PT_RETURN(pt_map_open(&f->map, f->path));
    return read_file(st, cap, f);
}

/* The distinct shard names of an index, in order of appearance, into st->files. */
static pt_status read_shards(pt_st *st, size_t *cap, const char *dir, const json_t *map)
{
    pt_status rc = PT_OK;
    const char *name, *seen;
    json_t *value, *shards = json_object(), *yes;
    json_object_foreach((json_t *)map, name, value)
    {
        const char *file = json_string_value(value);
        PT_CHECK(file && file[0] && file[0] != '.' && !strchr(file, '/'), PT_EFORMAT,
                 "tensor '%s' names no file of this folder", name);
        json_object_set_new(shards, file, json_true());
    }
    PT_CHECK(json_object_size(shards) > 0 && json_object_size(shards) <= MAX_SHARDS, PT_EFORMAT, "%zu shards; 1 to %d are read",
             json_object_size(shards), MAX_SHARDS);
    PT_TRY(pt_alloc0(&st->files, json_object_size(shards)));
    json_object_foreach(shards, seen, yes) PT_TRY(add_file(st, cap, dir, seen));
done:
    json_decref(shards);
    return rc;
}

/* Of two tensors of one name (neighbours in the sorted list): the one in the shard that the index names, else that of the later
 * file name, which transformers reads last. */
static bool second_counts(const pt_st_tensor *a, const pt_st_tensor *b, const json_t *map)
{
    const char *shard = json_string_value(json_object_get(map, a->name)), *x = pt_path_base(a->file), *y = pt_path_base(b->file);
    if (shard && !strcmp(shard, x) != !strcmp(shard, y)) return !strcmp(shard, y);
    return strcmp(y, x) > 0;
}

/* The index only says which files to open: a name that it puts elsewhere or invents matters to nobody (pt_st_need says what is
 * missing). */
static void sort_tensors(pt_st *st, const json_t *map)
{
    size_t n = 0;
    if (st->n_tensors > 1) qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_name);
    for (size_t i = 0; i < st->n_tensors; i++) {
        pt_st_tensor *last = n ? &st->tensors[n - 1] : NULL, *t = &st->tensors[i];
        if (!last || strcmp(last->name, t->name)) {
            st->tensors[n++] = *t;
            continue;
        }
        if (second_counts(last, t, map)) *last = *t;
        pt_log(PT_LOG_WARN, "%s: tensor '%s' is in two files; that of %s is read", st->path, t->name, pt_path_base(last->file));
    }
    st->n_tensors = n;
}

static pt_status open_index(pt_st *st, size_t *cap, const char *dir, const char *path)
{
    pt_status rc = PT_OK;
    json_t *index = NULL;
    PT_TRY(pt_json_load(&index, path, max_index, PT_JSON_OBJECT));
    const json_t *map = json_object_get(index, "weight_map");
    PT_CHECK(json_is_object(map), PT_EFORMAT, "%s: no weight_map", path);
    PT_TRY(read_shards(st, cap, dir, map));
    sort_tensors(st, map);
done:
    json_decref(index);
    return rc;
}

static pt_status open_folder(pt_st *st, size_t *cap, const char *dir)
{
    pt_status rc = PT_OK;
    char *one = NULL, *index = NULL, *pickle = NULL;
    PT_TRY(pt_path_join(&one, dir, "model.safetensors"));
    PT_TRY(pt_path_join(&index, dir, "model.safetensors.index.json"));
    PT_TRY(pt_path_join(&pickle, dir, "pytorch_model.bin"));
    if (!pt_file_given(one) && pt_file_given(index)) {
        PT_TRY(open_index(st, cap, dir, index));
        goto done;
    }
    PT_CHECK(pt_file_given(one) || !pt_file_given(pickle), PT_ENOSUP,
             "%s holds pytorch_model.bin, which is not read; convert it to model.safetensors", dir);
    PT_CHECK(pt_file_given(one), PT_EIO, "%s holds neither model.safetensors nor model.safetensors.index.json", dir);
    PT_TRY(pt_alloc0(&st->files, 1));
    PT_TRY(add_file(st, cap, NULL, one));
    sort_tensors(st, NULL);
done:
    free(one);
    free(index);
    free(pickle);
    return rc;
}

pt_status pt_st_open(pt_st **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_st *st = NULL;
    size_t cap = 0;
    *out = NULL;
    PT_TRY(pt_alloc0(&st, 1));
    PT_TRY(pt_strdup(&st->path, path));
    if (pt_dir_exists(path)) {
        PT_TRY(open_folder(st, &cap, path));
    } else {
        PT_TRY(pt_alloc0(&st->files, 1));
        PT_TRY(add_file(st, &cap, NULL, path));
        sort_tensors(st, NULL);
    }
    *out = st;
    return PT_OK;
done:
    pt_st_close(st);
    return rc;
}

void pt_st_close(pt_st *st)
{
    if (!st) return;
    for (size_t i = 0; i < st->n_files; i++) {
        json_decref(st->files[i].header);
        pt_map_close(&st->files[i].map);
        free(st->files[i].path);
    }
    free(st->files);
    free(st->tensors);
    free(st->path);
    free(st);
}

static const char *meta(const pt_st_file *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}

const char *pt_st_meta(const pt_st *st, const char *key)
{
    return st->n_files ? meta(&st->files[0], key) : NULL;
}

/* Where the text of a key of the seal begins in a header of n bytes, if it has so many digits; 0: there is none. */
static size_t digits_at(const unsigned char *p, size_t n, const char *key, size_t digits)
{
    size_t k = strlen(key);
    for (size_t i = 1; i + k < n; i++) {
        if (p[i] != (unsigned char)key[0] || memcmp(p + i, key, k) != 0 || p[i - 1] != '"' || p[i + k] != '"') continue;
        size_t at = i + k + 1;
        while (at < n && strchr(" \t\r\n:", p[at]) && p[at]) at++;
        if (at + digits + 1 < n && p[at] == '"' && p[at + digits + 1] == '"') return at + 1;
    }
    return 0;
}

typedef struct one_file {
    const pt_st *st;
    const pt_st_file *file;
} one_file;

static void sum_tensors(const void *file, pt_seal_tensors *sums)
{
    const one_file *f = file;
    for (size_t i = 0; i < f->st->n_tensors; i++) {
        const pt_st_tensor *t = &f->st->tensors[i];
        if (strcmp(t->file, f->file->path) != 0) continue;
        pt_seal_list(sums, t->name, t->type_name, t->n_dims, t->dims);
        pt_seal_data(sums, t->data, t->bytes);
    }
}

pt_status pt_st_verify(const pt_st *st)
{
    for (size_t i = 0; i < st->n_files; i++) {
        const pt_st_file *f = &st->files[i];
        size_t head = 8;
        if (!meta(f, PT_SEAL_KEY) && !meta(f, PT_SEAL_DIGEST_KEY) && !meta(f, PT_SEAL_TENSORS_KEY)) continue;
        for (int k = 0; k < 8; k++) head += (size_t)f->map.data[k] << (8 * k);
        pt_seal_at at = {.digest = digits_at(f->map.data, head, PT_SEAL_DIGEST_KEY, PT_SEAL_DIGITS),
                         .tensors = digits_at(f->map.data, head, PT_SEAL_TENSORS_KEY, PT_SEAL_TENSORS_DIGITS)};
        PT_RETURN(pt_seal_check(f->path, f->map.data, f->map.bytes, at, sum_tensors, &(one_file){st, f}));
    }
    return PT_OK;
}

const pt_st_tensor *pt_st_find(const pt_st *st, const char *name)
{
    size_t lo = 0, hi = st->n_tensors;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(st->tensors[mid].name, name);
        if (c == 0) return &st->tensors[mid];
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

pt_status pt_st_need(const pt_st *st, const char *name, const pt_st_tensor **out)
{
    const pt_st_tensor *t = pt_st_find(st, name);
    *out = NULL;
    if (!t) return pt_fail(PT_EFORMAT, "%s: tensor '%s' is missing", st->path, name);
    if (!t->known || (t->type != PT_F32 && t->type != PT_F16 && t->type != PT_BF16))
        return pt_fail(PT_ENOSUP, "%s: tensor '%s' is stored as %s; weights are read from F32, F16 and BF16", t->file, name,
                       t->type_name);
    *out = t;
    return PT_OK;
}

pt_status pt_st_check_shape(const pt_st_tensor *t, int n_dims, const int64_t *dims)
{
    char want[192], have[192];
    bool same = n_dims == t->n_dims;
    for (int i = 0; same && i < n_dims; i++) same = dims[i] == t->dims[i];
    if (same) return PT_OK;
    return pt_fail(PT_ESHAPE, "%s: tensor '%s' has shape %s, the model asks for %s", t->file, t->name,
                   shape_text(have, sizeof have, t->n_dims, t->dims), shape_text(want, sizeof want, n_dims, dims));
}

pt_status pt_st_to_f32(const pt_st_tensor *t, float *dst)
{
    if (!t->known) return pt_fail(PT_ENOSUP, "%s: tensor '%s' is stored as %s", t->file, t->name, t->type_name);
    return pt_dequant_rows(t->type, t->data, 1, t->count, dst);
}

pt_status pt_st_writer_open(pt_st_writer *w, const char *path)
{
    *w = (pt_st_writer){.out.fd = -1};
    PT_RETURN(pt_outfile_open(&w->out, path));
    pt_seal_start(&w->seal);
    w->header = json_pack("{s:{s:s, s:s, s:s, s:s}}", "__metadata__", "format", "pt", PT_SEAL_KEY, PT_SEAL_VALUE, PT_SEAL_DIGEST_KEY, PT_SEAL_BLANK,
                          PT_SEAL_TENSORS_KEY, PT_SEAL_TENSORS_BLANK);
    if (w->header) return PT_OK;
    pt_st_writer_close(w);
    return pt_fail(PT_ENOMEM, "out of memory: header of %s", path);
}

pt_status pt_st_writer_meta(pt_st_writer *w, const char *key, const char *value)
{
    if (w->streaming) return pt_fail(PT_ESTATE, "%s: metadata after data", w->out.path);
    if (json_object_set_new(json_object_get(w->header, "__metadata__"), key, json_string(value)))
        return pt_fail(PT_EARG, "%s: metadata '%s' is not valid UTF-8", w->out.path, key);
    return PT_OK;
}

pt_status pt_st_writer_add(pt_st_writer *w, const char *name, pt_dtype type, int n_dims, const int64_t *dims)
{
    const type_name *n = NULL;
    size_t bytes, end;
    for (size_t i = 0; i < sizeof types / sizeof *types && !n; i++)
        if (types[i].ours && types[i].type == type) n = &types[i];
    if (!n) return pt_fail(PT_ENOSUP, "%s: safetensors cannot hold '%s' as %s", w->out.path, name, pt_dtype_get(type)->name);
    if (w->streaming) return pt_fail(PT_ESTATE, "%s: tensor '%s' added after data", w->out.path, name);
    if (json_object_get(w->header, name)) return pt_fail(PT_EARG, "%s: tensor '%s' added twice", w->out.path, name);
    if (n_dims < 0 || n_dims > PT_ST_MAX_DIMS)
        return pt_fail(PT_EARG, "%s: tensor '%s' has %d dimensions", w->out.path, name, n_dims);
    bytes = n->bytes;
    json_t *shape = json_array();
    for (int i = 0; i < n_dims; i++) {
        json_array_append_new(shape, json_integer(dims[i]));
        if (dims[i] >= 0 && pt_mul_size(bytes, (size_t)dims[i], &bytes)) continue;
        json_decref(shape);
        return pt_fail(PT_EARG, "%s: tensor '%s' has a dimension of %lld", w->out.path, name, (long long)dims[i]);
    }
    if (!pt_add_size(w->declared, bytes, &end) || end > INT64_MAX || w->declared % n->bytes) {
        json_decref(shape);
        return pt_fail(PT_EARG, "%s: tensor '%s' would be unaligned or too large; add wider types first", w->out.path, name);
    }
    json_t *entry = json_pack("{s:s,s:o,s:[I,I]}", "dtype", n->name, "shape", shape, "data_offsets", (json_int_t)w->declared,
                              (json_int_t)end);
    if (!entry || json_object_set_new(w->header, name, entry))
        return pt_fail(PT_EARG, "%s: tensor name '%s' is not valid UTF-8", w->out.path, name);
    PT_RETURN(pt_reserve(&w->sizes, &w->sizes_cap, w->n_tensors + 1));
    w->sizes[w->n_tensors++] = bytes;
    pt_seal_list(&w->seal.tensors, name, n->name, n_dims, dims);
    w->declared = end;
    return PT_OK;
}

/* Writes the header, padded with spaces so that the data starts at a multiple of 8. */
static pt_status write_header(pt_st_writer *w)
{
    pt_status rc = PT_OK;
    unsigned char size[8];
    char *text = json_dumps(w->header, JSON_COMPACT);
    PT_CHECK(text, PT_ENOMEM, "out of memory: header of %s", w->out.path);
    size_t n = strlen(text), padded = pt_align_up(n, 8);
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    PT_TRY(pt_seal_write(&w->seal, &w->out, size, 8));
    PT_TRY(pt_seal_write(&w->seal, &w->out, text, n));
    PT_TRY(pt_seal_write(&w->seal, &w->out, "        ", padded - n));
    w->seal_at.digest = 8 + digits_at((const unsigned char *)text, n, PT_SEAL_DIGEST_KEY, PT_SEAL_DIGITS);
    w->seal_at.tensors = 8 + digits_at((const unsigned char *)text, n, PT_SEAL_TENSORS_KEY, PT_SEAL_TENSORS_DIGITS);
    w->streaming = true;
done:
    free(text);
    return rc;
}

pt_status pt_st_writer_write(pt_st_writer *w, const void *data, size_t bytes)
{
    if (!w->streaming) PT_RETURN(write_header(w));
    if (bytes > w->declared - w->written)
        return pt_fail(PT_ESTATE, "%s: %zu bytes more than the tensors have", w->out.path, bytes - (w->declared - w->written));
    const unsigned char *p = data;
    while (bytes) {
        size_t left = w->sizes[w->tensor] - w->within, n = bytes < left ? bytes : left;
        PT_RETURN(pt_seal_write_tensor(&w->seal, &w->out, p, n, n == left));
        p += n;
        bytes -= n;
        w->written += n;
        w->within += n;
        if (n < left) break;
        w->tensor++;
        w->within = 0;
    }
    return PT_OK;
}

pt_status pt_st_writer_commit(pt_st_writer *w)
{
    if (!w->streaming) PT_RETURN(write_header(w));
    if (w->written != w->declared)
        return pt_fail(PT_ESTATE, "%s: %zu bytes of tensor data are missing", w->out.path, w->declared - w->written);
    for (; w->tensor < w->n_tensors; w->tensor++) PT_RETURN(pt_seal_write_tensor(&w->seal, &w->out, NULL, 0, true)); /* of no elements */
    PT_RETURN(pt_seal_close(&w->seal, &w->out, w->seal_at));
    return pt_outfile_commit(&w->out);
}

void pt_st_writer_close(pt_st_writer *w)
{
    json_decref(w->header);
    w->header = NULL;
    free(w->sizes);
    w->sizes = NULL;
    pt_outfile_close(&w->out);
}
