#define ZLIB_CONST
#include "data/read/inflated.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 1 << 15 };

static pt_status inflate_all(z_stream *z, size_t most, pt_str *out)
{
    for (int got = Z_OK; got != Z_STREAM_END;) {
        PT_RETURN(pt_reserve(&out->text, &out->cap, out->len + PIECE + 1));
        z->next_out = (Bytef *)out->text + out->len;
        z->avail_out = PIECE;
        got = inflate(z, Z_NO_FLUSH);
        out->len += PIECE - z->avail_out;
        if (out->len > most) return pt_fail(PT_EFORMAT, "unpacks to more than %zu bytes", most);
        if (got == Z_MEM_ERROR) return pt_fail(PT_ENOMEM, "out of memory while unpacking");
        bool whole = got == Z_OK || got == Z_STREAM_END;
        if (!whole && !(got == Z_BUF_ERROR && !z->avail_out)) return pt_fail(PT_EFORMAT, "is broken behind %zu unpacked bytes: %s", out->len, z->msg ? z->msg : "it is cut off");
    }
    if (z->avail_in) return pt_fail(PT_EFORMAT, "has %u bytes behind the end of what is packed", z->avail_in);
    out->text[out->len] = 0;
    return PT_OK;
}

pt_status pt_inflated(const void *packed, size_t n, pt_inflated_form form, size_t most, char **out, size_t *bytes)
{
    z_stream z = {0};
    pt_str s = {0};
    *out = NULL;
    *bytes = 0;
    if (n > UINT_MAX) return pt_fail(PT_EFORMAT, "has more than %u packed bytes", UINT_MAX);
    if (inflateInit2(&z, form == PT_INFLATED_ZLIB ? 15 : -15) != Z_OK) return pt_fail(PT_ENOMEM, "out of memory while unpacking");
    z.next_in = packed;
    z.avail_in = (uInt)n;
    pt_status rc = inflate_all(&z, most, &s);
    inflateEnd(&z);
    if (rc != PT_OK) {
        pt_str_free(&s);
        return rc;
    }
    *out = s.text;
    *bytes = s.len;
    return PT_OK;
}
