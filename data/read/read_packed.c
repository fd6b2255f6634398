#include "data/read/read_packed.h"

#define ZLIB_CONST
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct pt_unpack {
    const char *path, *kind;
    const unsigned char *data;
    size_t bytes, at; /* of the file; what is read of it */
    uint64_t given;   /* bytes of text so far */
    z_stream z;
    ZSTD_DCtx *zstd; /* NULL: gzip */
    bool done;
};

static bool is_gzip(const unsigned char *p, size_t n)
{
    return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

/* A frame, or one that decoders skip (pzstd writes such first). */
static bool is_zstd(const unsigned char *p, size_t n)
{
    return n >= 4 && (!memcmp(p, "\x28\xb5\x2f\xfd", 4) || ((p[0] & 0xf0) == 0x50 && !memcmp(p + 1, "\x2a\x4d\x18", 3)));
}

const char *pt_unpack_kind(const void *data, size_t bytes)
{
    return is_gzip(data, bytes) ? "gzip" : is_zstd(data, bytes) ? "zstd" : NULL;
}

static pt_status broken(const pt_unpack *u, const char *why)
{
    return pt_fail(PT_EFORMAT, "%s: broken %s data at byte %zu, behind %llu bytes of text: %s", u->path, u->kind, u->at, (unsigned long long)u->given, why);
}

static pt_status cut_off(const pt_unpack *u)
{
    return pt_fail(PT_EFORMAT, "%s: the %s data is cut off behind %llu bytes of text: the file is not whole", u->path, u->kind, (unsigned long long)u->given);
}

static pt_status foreign(const pt_unpack *u)
{
    return pt_fail(PT_EFORMAT, "%s: something that is not %s stands behind the packed text, at byte %zu", u->path, u->kind, u->at);
}

pt_status pt_unpack_open(pt_unpack **out, const char *path, const void *data, size_t bytes)
{
    pt_status rc = PT_OK;
    pt_unpack *u = NULL;
    const char *kind = pt_unpack_kind(data, bytes);
    *out = NULL;
    if (!kind) return PT_OK;
    PT_TRY(pt_alloc0(&u, 1));
    u->path = path;
    u->kind = kind;
    u->data = data;
    u->bytes = bytes;
    if (is_gzip(data, bytes)) {
        PT_CHECK(inflateInit2(&u->z, 15 + 16) == Z_OK, PT_ENOMEM, "out of memory while unpacking %s", path);
    } else {
        u->zstd = ZSTD_createDCtx();
        PT_CHECK(u->zstd, PT_ENOMEM, "out of memory while unpacking %s", path);
        ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, PT_UNPACK_WINDOW_LOG);
    }
    *out = u;
    u = NULL;
done:
    free(u); /* neither decoder is there */
    return rc;
}

void pt_unpack_close(pt_unpack *u)
{
    if (!u) return;
    if (u->zstd) ZSTD_freeDCtx(u->zstd);
    else inflateEnd(&u->z);
    free(u);
}

/* Behind the end of a part: the file's end (tape blocks are padded with zeros), or another part. */
static pt_status next_member(pt_unpack *u)
{
    size_t at = u->at;
    while (at < u->bytes && !u->data[at]) at++;
    u->done = at == u->bytes;
    if (u->done) return PT_OK;
    u->at = at;
    if (!is_gzip(u->data + at, u->bytes - at) || inflateReset(&u->z) != Z_OK) return foreign(u);
    return PT_OK;
}

static pt_status inflate_some(pt_unpack *u, char *out, size_t room, size_t *got)
{
    z_stream *z = &u->z;
    z->next_out = (unsigned char *)out;
    z->avail_out = room < UINT_MAX ? (unsigned)room : UINT_MAX;
    const unsigned most = z->avail_out;
    while (z->avail_out && !u->done) {
        size_t left = u->bytes - u->at;
        if (!left) return cut_off(u);
        z->next_in = u->data + u->at;
        z->avail_in = left < UINT_MAX ? (unsigned)left : UINT_MAX;
        unsigned before = z->avail_out;
        int rc = inflate(z, Z_NO_FLUSH);
        u->at = (size_t)(z->next_in - u->data);
        u->given += before - z->avail_out;
        if (rc == Z_MEM_ERROR) return pt_fail(PT_ENOMEM, "out of memory while unpacking %s", u->path);
        if (rc == Z_STREAM_END) PT_RETURN(next_member(u));
        else if (rc != Z_OK && rc != Z_BUF_ERROR) return broken(u, z->msg ? z->msg : "no reason given");
    }
    *got = most - z->avail_out;
    return PT_OK;
}

static pt_status zstd_failed(const pt_unpack *u, size_t code)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation: return pt_fail(PT_ENOMEM, "out of memory while unpacking %s", u->path);
    case ZSTD_error_prefix_unknown: return foreign(u);
    case ZSTD_error_frameParameter_windowTooLarge:
        return pt_fail(PT_ENOSUP, "%s: packed with a window of more than %d MiB (zstd --long); unpack it: zstd -d --long=31 %s", u->path,
                       1 << (PT_UNPACK_WINDOW_LOG - 20), u->path);
    case ZSTD_error_dictionary_wrong: return pt_fail(PT_ENOSUP, "%s: packed with a dictionary; unpack it: zstd -d -D DICTIONARY %s", u->path, u->path);
    default: return broken(u, ZSTD_getErrorName(code));
    }
}

static pt_status zstd_some(pt_unpack *u, char *out, size_t room, size_t *got)
{
    ZSTD_outBuffer o = {.dst = out, .size = room};
    while (o.pos < o.size && !u->done) {
        ZSTD_inBuffer in = {.src = u->data, .size = u->bytes, .pos = u->at};
        size_t before = o.pos, hint = ZSTD_decompressStream(u->zstd, &o, &in);
        bool still = in.pos == u->at && o.pos == before;
        u->at = in.pos;
        u->given += o.pos - before;
        if (ZSTD_isError(hint)) return zstd_failed(u, hint);
        u->done = !hint && u->at == u->bytes; /* 0: a frame has ended */
        if (still && !u->done) return cut_off(u);
    }
    *got = o.pos;
    return PT_OK;
}

pt_status pt_unpack_some(pt_unpack *u, char *out, size_t room, size_t *got, bool *more)
{
    *got = 0;
    PT_RETURN(u->zstd ? zstd_some(u, out, room, got) : inflate_some(u, out, room, got));
    *more = !u->done;
    return PT_OK;
}
