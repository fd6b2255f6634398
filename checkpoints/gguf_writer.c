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

pt_status pt_gguf_writer_open(pt_gguf_writer *w, const char *path)
{
    *w = (pt_gguf_writer){.out.fd = -1};
    PT_RETURN(pt_outfile_open(&w->out, path));
    pt_seal_start(&w->seal);
    w->seen = json_object();
    if (w->seen) return PT_OK;
    pt_gguf_writer_close(w);
    return pt_fail(PT_ENOMEM, "out of memory: head of %s", path);
}

/* Notes a name of kind 'k' (key) or 't' (tensor), which must be new. */
static pt_status note_name(pt_gguf_writer *w, char kind, const char *name)
{
    pt_status rc = PT_OK;
    char *id = NULL;
    PT_CHECK(!w->streaming, PT_ESTATE, "%s: '%s' added after data", w->out.path, name);
    PT_TRY(pt_asprintf(&id, "%c%s", kind, name));
    PT_CHECK(!json_object_get(w->seen, id), PT_EARG, "%s: '%s' added twice", w->out.path, name);
    PT_CHECK(name[0] && !json_object_set_new(w->seen, id, json_true()), PT_EARG,
             "%s: the name '%s' is empty or not valid UTF-8", w->out.path, name);
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
    if (d->ggml < 0) return pt_fail(PT_ENOSUP, "%s: GGUF cannot hold '%s' as %s", w->out.path, name, d->name);
    if (n_dims < 1 || n_dims > PT_GGUF_MAX_DIMS || dims[0] < 1)
        return pt_fail(PT_EARG, "%s: tensor '%s' has no usable shape", w->out.path, name);
    PT_RETURN(pt_dtype_row_bytes(type, (size_t)dims[0], &bytes));
    for (int i = 1; i < n_dims; i++)
        if (dims[i] < 1 || !pt_mul_size(bytes, (size_t)dims[i], &bytes))
            return pt_fail(PT_EARG, "%s: tensor '%s' has no usable shape", w->out.path, name);
    if (!pt_add_size(w->offset, bytes, &end) || end > INT64_MAX)
        return pt_fail(PT_EARG, "%s: tensor '%s' makes the file too large", w->out.path, name);
    PT_RETURN(note_name(w, 't', name));
    PT_RETURN(pt_reserve(&w->sizes, &w->sizes_cap, w->n_tensors + 1));
    PT_RETURN(put_str(&w->infos, name, strlen(name)));
    PT_RETURN(put_int(&w->infos, (uint64_t)n_dims, 4));
    for (int i = 0; i < n_dims; i++) PT_RETURN(put_int(&w->infos, (uint64_t)dims[i], 8));
    PT_RETURN(put_int(&w->infos, (uint64_t)d->ggml, 4));
    PT_RETURN(put_int(&w->infos, w->offset, 8));
    w->sizes[w->n_tensors++] = bytes;
    pt_seal_list(&w->seal.tensors, name, pt_gguf_type_name(d->ggml), n_dims, dims);
    w->offset = pt_align_up(end, PT_GGUF_ALIGNMENT);
    return PT_OK;
}

/* Fills up to the alignment. */
static pt_status pad(pt_gguf_writer *w)
{
    return pt_seal_write(&w->seal, &w->out, zeros, pt_align_up(w->out.bytes, PT_GGUF_ALIGNMENT) - w->out.bytes);
}

static pt_status write_head(pt_gguf_writer *w)
{
    pt_status rc = PT_OK;
    pt_str s = {0};
    PT_TRY(pt_str_add(&s, "GGUF", 4));
    PT_TRY(put_int(&s, 3, 4));
    PT_TRY(put_int(&s, w->n_tensors, 8));
    PT_TRY(put_int(&s, w->n_kvs, 8));
    PT_TRY(pt_seal_write(&w->seal, &w->out, s.text, s.len));
    PT_TRY(pt_seal_write(&w->seal, &w->out, w->kvs.text, w->kvs.len));
    PT_TRY(pt_seal_write(&w->seal, &w->out, w->infos.text, w->infos.len));
    PT_TRY(pad(w));
    if (w->seal_at.digest) w->seal_at.digest += s.len, w->seal_at.tensors += s.len;
    w->streaming = true;
done:
    pt_str_free(&s);
    return rc;
}

pt_status pt_gguf_write(pt_gguf_writer *w, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    if (!w->streaming) PT_RETURN(write_head(w));
    while (bytes) {
        if (w->tensor == w->n_tensors)
            return pt_fail(PT_ESTATE, "%s: %zu bytes more than the tensors have", w->out.path, bytes);
        size_t left = w->sizes[w->tensor] - w->within, n = bytes < left ? bytes : left;
        PT_RETURN(pt_seal_write_tensor(&w->seal, &w->out, p, n, n == left));
        p += n;
        bytes -= n;
        w->within += n;
        if (w->within < w->sizes[w->tensor]) break;
        PT_RETURN(pad(w));
        w->tensor++;
        w->within = 0;
    }
    return PT_OK;
}

pt_status pt_gguf_writer_commit(pt_gguf_writer *w)
{
    if (!w->streaming) PT_RETURN(write_head(w));
    if (w->tensor != w->n_tensors)
        return pt_fail(PT_ESTATE, "%s: the data of %zu tensors is missing", w->out.path, (size_t)w->n_tensors - w->tensor);
    if (w->seal_at.digest) PT_RETURN(pt_seal_close(&w->seal, &w->out, w->seal_at));
    return pt_outfile_commit(&w->out);
}

void pt_gguf_writer_close(pt_gguf_writer *w)
{
    json_decref(w->seen);
    w->seen = NULL;
    pt_str_free(&w->kvs);
    pt_str_free(&w->infos);
    free(w->sizes);
    w->sizes = NULL;
    pt_outfile_close(&w->out);
}
