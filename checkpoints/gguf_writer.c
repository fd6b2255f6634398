/* Writing GGUF version 3, little endian, alignment 32. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/gguf.h"
#include "checkpoints/seal.h"

static const unsigned char zeros[PT_GGUF_ALIGNMENT];

static pt_status put_int(pt_str *s, uint64_t v, unsigned bytes)
{
    char b[8];
    for (unsigned i = 0; i < bytes; i++) b[i] = (char)(unsigned char)(v >> (8 * i));
    return pt_str_add(s, b, bytes);
}

static pt_status put_str(pt_str *s, const char *text, size_t n)
{
    PT_RETURN(put_int(s, n, 8));
    return pt_str_add(s, text, n);
}

static pt_status add_part(pt_gguf_writer *w)
{
    PT_RETURN(pt_reserve(&w->parts, &w->parts_cap, w->n_parts + 1));
    w->parts[w->n_parts] = (pt_gguf_part){.out.fd = -1, .first = (size_t)w->n_tensors};
    pt_seal_start(&w->parts[w->n_parts++].seal);
    return PT_OK;
}

pt_status pt_gguf_writer_open(pt_gguf_writer *w, const char *path)
{
    pt_status rc = PT_OK;
    *w = (pt_gguf_writer){0};
    PT_TRY(pt_strdup(&w->path, path));
    PT_TRY(add_part(w));
    PT_TRY(pt_outfile_open(&w->parts[0].out, path)); /* here, so that what is in the way is said before any work */
    w->seen = json_object();
    PT_CHECK(w->seen, PT_ENOMEM, "out of memory: head of %s", path);
done:
    if (rc != PT_OK) pt_gguf_writer_close(w);
    return rc;
}

void pt_gguf_writer_limit(pt_gguf_writer *w, size_t bytes)
{
    w->limit = bytes;
}

/* Notes a name of kind 'k' (key) or 't' (tensor), which must be new. */
static pt_status note_name(pt_gguf_writer *w, char kind, const char *name)
{
    pt_status rc = PT_OK;
    char *id = NULL;
    PT_CHECK(!w->streaming, PT_ESTATE, "%s: '%s' added after data", w->path, name);
    PT_TRY(pt_asprintf(&id, "%c%s", kind, name));
    PT_CHECK(!json_object_get(w->seen, id), PT_EARG, "%s: '%s' added twice", w->path, name);
    PT_CHECK(name[0] && !json_object_set_new(w->seen, id, json_true()), PT_EARG,
             "%s: the name '%s' is empty or not valid UTF-8", w->path, name);
done:
    free(id);
    return rc;
}

static pt_status put_key(pt_gguf_writer *w, const char *key, pt_gguf_type type)
{
    PT_RETURN(note_name(w, 'k', key));
    PT_RETURN(put_str(&w->kvs, key, strlen(key)));
    w->n_kvs++;
    return put_int(&w->kvs, type, 4);
}

static pt_status put_scalar(pt_gguf_writer *w, const char *key, pt_gguf_type type, uint64_t bits, unsigned bytes)
{
    PT_RETURN(put_key(w, key, type));
    return put_int(&w->kvs, bits, bytes);
}

pt_status pt_gguf_put_u32(pt_gguf_writer *w, const char *key, uint32_t v)
{
    return put_scalar(w, key, PT_GGUF_U32, v, 4);
}

pt_status pt_gguf_put_i32(pt_gguf_writer *w, const char *key, int32_t v)
{
    return put_scalar(w, key, PT_GGUF_I32, (uint32_t)v, 4);
}

pt_status pt_gguf_put_u64(pt_gguf_writer *w, const char *key, uint64_t v)
{
    return put_scalar(w, key, PT_GGUF_U64, v, 8);
}

pt_status pt_gguf_put_f32(pt_gguf_writer *w, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    return put_scalar(w, key, PT_GGUF_F32, bits, 4);
}

pt_status pt_gguf_put_bool(pt_gguf_writer *w, const char *key, bool v)
{
    return put_scalar(w, key, PT_GGUF_BOOL, v, 1);
}

pt_status pt_gguf_put_text(pt_gguf_writer *w, const char *key, const char *text, size_t n)
{
    PT_RETURN(put_key(w, key, PT_GGUF_STR));
    return put_str(&w->kvs, text, n);
}

pt_status pt_gguf_put_seal(pt_gguf_writer *w)
{
    PT_RETURN(pt_gguf_put_text(w, PT_SEAL_KEY, PT_SEAL_VALUE, sizeof PT_SEAL_VALUE - 1));
    PT_RETURN(pt_gguf_put_text(w, PT_SEAL_DIGEST_KEY, PT_SEAL_BLANK, PT_SEAL_DIGITS));
    w->seal_at.digest = w->kvs.len - PT_SEAL_DIGITS;
    PT_RETURN(pt_gguf_put_text(w, PT_SEAL_TENSORS_KEY, PT_SEAL_TENSORS_BLANK, PT_SEAL_TENSORS_DIGITS));
    w->seal_at.tensors = w->kvs.len - PT_SEAL_TENSORS_DIGITS;
    return PT_OK;
}

static pt_status put_array(pt_gguf_writer *w, const char *key, pt_gguf_type elem, size_t n)
{
    PT_RETURN(put_key(w, key, PT_GGUF_ARRAY));
    PT_RETURN(put_int(&w->kvs, elem, 4));
    return put_int(&w->kvs, n, 8);
}

pt_status pt_gguf_put_texts(pt_gguf_writer *w, const char *key, const pt_gguf_str *texts, size_t n)
{
    PT_RETURN(put_array(w, key, PT_GGUF_STR, n));
    for (size_t i = 0; i < n; i++) PT_RETURN(put_str(&w->kvs, texts[i].s, texts[i].n));
    return PT_OK;
}

pt_status pt_gguf_put_u32s(pt_gguf_writer *w, const char *key, const uint32_t *v, size_t n)
{
    PT_RETURN(put_array(w, key, PT_GGUF_U32, n));
    for (size_t i = 0; i < n; i++) PT_RETURN(put_int(&w->kvs, v[i], 4));
    return PT_OK;
}

pt_status pt_gguf_put_i32s(pt_gguf_writer *w, const char *key, const int32_t *v, size_t n)
{
    PT_RETURN(put_array(w, key, PT_GGUF_I32, n));
    for (size_t i = 0; i < n; i++) PT_RETURN(put_int(&w->kvs, (uint32_t)v[i], 4));
    return PT_OK;
}

pt_status pt_gguf_put_u8s(pt_gguf_writer *w, const char *key, const unsigned char *v, size_t n)
{
    PT_RETURN(put_array(w, key, PT_GGUF_U8, n));
    for (size_t i = 0; i < n; i++) PT_RETURN(put_int(&w->kvs, v[i], 1));
    return PT_OK;
}

pt_status pt_gguf_put_f32s(pt_gguf_writer *w, const char *key, const float *v, size_t n)
{
    PT_RETURN(put_array(w, key, PT_GGUF_F32, n));
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], 4);
        PT_RETURN(put_int(&w->kvs, bits, 4));
    }
    return PT_OK;
}

pt_status pt_gguf_put_copy(pt_gguf_writer *w, const char *key, const pt_gguf_kv *kv)
{
    const char *name = key ? key : kv->key;
    if (kv->type == PT_GGUF_ARRAY) PT_RETURN(put_array(w, name, kv->elem, kv->count));
    else PT_RETURN(put_key(w, name, kv->type));
    return pt_str_add(&w->kvs, (const char *)kv->data, kv->bytes);
}

pt_status pt_gguf_put_tensor(pt_gguf_writer *w, const char *name, pt_dtype type, int n_dims, const int64_t *dims)
{
    const pt_dtype_info *d = pt_dtype_get(type);
    size_t bytes, end;
    if (d->ggml < 0) return pt_fail(PT_ENOSUP, "%s: GGUF cannot hold '%s' as %s", w->path, name, d->name);
    if (n_dims < 1 || n_dims > PT_GGUF_MAX_DIMS || dims[0] < 1)
        return pt_fail(PT_EARG, "%s: tensor '%s' has no usable shape", w->path, name);
    PT_RETURN(pt_dtype_row_bytes(type, (size_t)dims[0], &bytes));
    for (int i = 1; i < n_dims; i++)
        if (dims[i] < 1 || !pt_mul_size(bytes, (size_t)dims[i], &bytes))
            return pt_fail(PT_EARG, "%s: tensor '%s' has no usable shape", w->path, name);
    pt_gguf_part *p = &w->parts[w->n_parts - 1];
    if (!pt_add_size(p->data, bytes, &end) || end > INT64_MAX)
        return pt_fail(PT_EARG, "%s: tensor '%s' makes the file too large", w->path, name);
    PT_RETURN(note_name(w, 't', name));
    PT_RETURN(pt_reserve(&w->sizes, &w->sizes_cap, w->n_tensors + 1));
    if (w->limit && p->n_tensors && pt_align_up(end, PT_GGUF_ALIGNMENT) > w->limit) {
        PT_RETURN(add_part(w));
        p = &w->parts[w->n_parts - 1];
        end = bytes;
    }
    PT_RETURN(put_str(&p->infos, name, strlen(name)));
    PT_RETURN(put_int(&p->infos, (uint64_t)n_dims, 4));
    for (int i = 0; i < n_dims; i++) PT_RETURN(put_int(&p->infos, (uint64_t)dims[i], 8));
    PT_RETURN(put_int(&p->infos, (uint64_t)d->ggml, 4));
    PT_RETURN(put_int(&p->infos, p->data, 8));
    p->n_tensors++;
    w->sizes[w->n_tensors++] = bytes;
    pt_seal_list(&p->seal.tensors, name, pt_gguf_type_name(d->ggml), n_dims, dims);
    p->data = pt_align_up(end, PT_GGUF_ALIGNMENT);
    return PT_OK;
}

/* Fills up to the alignment. */
static pt_status pad(pt_gguf_part *p)
{
    return pt_seal_write(&p->seal, &p->out, zeros, pt_align_up(p->out.bytes, PT_GGUF_ALIGNMENT) - p->out.bytes);
}

/* ---- several files ----------------------------------------------------------------------------------------------------------------------- */

/* The keys of part i alone, encoded into a writer of its own. */
static pt_status part_keys(const pt_gguf_writer *w, size_t i, pt_gguf_writer *own)
{
    *own = (pt_gguf_writer){.path = w->path, .seen = json_object()};
    if (!own->seen) return pt_fail(PT_ENOMEM, "out of memory: head of %s", w->path);
    PT_RETURN(put_scalar(own, "split.no", PT_GGUF_U16, i, 2));
    PT_RETURN(put_scalar(own, "split.count", PT_GGUF_U16, w->n_parts, 2));
    PT_RETURN(pt_gguf_put_i32(own, "split.tensors.count", (int32_t)w->n_tensors));
    return i && w->seal_at.digest ? pt_gguf_put_seal(own) : PT_OK;
}

/* The files of a split model take their names once all are known. */
static pt_status name_parts(pt_gguf_writer *w)
{
    if (w->n_parts == 1) return PT_OK;
    if (w->n_parts > UINT16_MAX || w->n_tensors > INT32_MAX)
        return pt_fail(PT_EARG, "%s would be split into %zu files; take a larger limit", w->path, w->n_parts);
    pt_outfile_close(&w->parts[0].out);
    for (size_t i = 0; i < w->n_parts; i++) {
        char *path = NULL;
        w->parts[i].out = (pt_outfile){.fd = -1};
        PT_RETURN(pt_gguf_part_path(&path, w->path, i, w->n_parts));
        pt_status rc = pt_outfile_open(&w->parts[i].out, path);
        free(path);
        PT_RETURN(rc);
    }
    return PT_OK;
}

static pt_status write_head(pt_gguf_writer *w, size_t i)
{
    pt_status rc = PT_OK;
    pt_gguf_part *p = &w->parts[i];
    pt_gguf_writer own = {0};
    pt_str s = {0};
    if (w->n_parts > 1) PT_TRY(part_keys(w, i, &own));
    PT_TRY(pt_str_add(&s, "GGUF", 4));
    PT_TRY(put_int(&s, 3, 4));
    PT_TRY(put_int(&s, p->n_tensors, 8));
    PT_TRY(put_int(&s, own.n_kvs + (i ? 0 : w->n_kvs), 8));
    if (i && own.seal_at.digest) p->seal_at = (pt_seal_at){own.seal_at.digest + s.len, own.seal_at.tensors + s.len};
    if (!i && w->seal_at.digest) p->seal_at = (pt_seal_at){w->seal_at.digest + s.len, w->seal_at.tensors + s.len};
    PT_TRY(pt_seal_write(&p->seal, &p->out, s.text, s.len));
    if (!i) PT_TRY(pt_seal_write(&p->seal, &p->out, w->kvs.text, w->kvs.len));
    PT_TRY(pt_seal_write(&p->seal, &p->out, own.kvs.text, own.kvs.len));
    PT_TRY(pt_seal_write(&p->seal, &p->out, p->infos.text, p->infos.len));
    PT_TRY(pad(p));
done:
    json_decref(own.seen);
    pt_str_free(&own.kvs);
    pt_str_free(&s);
    return rc;
}

/* ---- data ------------------------------------------------------------------------------------------------------------------------------- */

static pt_status start(pt_gguf_writer *w)
{
    if (w->streaming) return PT_OK;
    PT_RETURN(name_parts(w));
    w->streaming = true;
    return write_head(w, 0);
}

/* The tensor that comes next may be another file's. */
static pt_status next_part(pt_gguf_writer *w)
{
    if (w->part + 1 == w->n_parts || w->tensor < w->parts[w->part + 1].first) return PT_OK;
    return write_head(w, ++w->part);
}

pt_status pt_gguf_write(pt_gguf_writer *w, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    PT_RETURN(start(w));
    while (bytes) {
        if (w->tensor == w->n_tensors)
            return pt_fail(PT_ESTATE, "%s: %zu bytes more than the tensors have", w->path, bytes);
        pt_gguf_part *part = &w->parts[w->part];
        size_t left = w->sizes[w->tensor] - w->within, n = bytes < left ? bytes : left;
        PT_RETURN(pt_seal_write_tensor(&part->seal, &part->out, p, n, n == left));
        p += n;
        bytes -= n;
        w->within += n;
        if (w->within < w->sizes[w->tensor]) break;
        PT_RETURN(pad(part));
        w->tensor++;
        w->within = 0;
        PT_RETURN(next_part(w));
    }
    return PT_OK;
}

pt_status pt_gguf_writer_commit(pt_gguf_writer *w)
{
    PT_RETURN(start(w));
    if (w->tensor != w->n_tensors)
        return pt_fail(PT_ESTATE, "%s: the data of %zu tensors is missing", w->path, (size_t)w->n_tensors - w->tensor);
    for (size_t i = w->n_parts; i-- > 0;) {
        pt_gguf_part *p = &w->parts[i];
        if (p->seal_at.digest) PT_RETURN(pt_seal_close(&p->seal, &p->out, p->seal_at));
    }
    for (size_t i = w->n_parts; i-- > 0;) PT_RETURN(pt_outfile_commit(&w->parts[i].out));
    return PT_OK;
}

void pt_gguf_writer_close(pt_gguf_writer *w)
{
    json_decref(w->seen);
    w->seen = NULL;
    pt_str_free(&w->kvs);
    free(w->sizes);
    w->sizes = NULL;
    for (size_t i = 0; i < w->n_parts; i++) {
        pt_str_free(&w->parts[i].infos);
        pt_outfile_close(&w->parts[i].out);
    }
    free(w->parts);
    free(w->path);
    w->parts = NULL;
    w->path = NULL;
    w->n_parts = w->parts_cap = 0;
}
