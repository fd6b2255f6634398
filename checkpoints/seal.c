#include "checkpoints/seal.h"

#include <inttypes.h>
#include <stdio.h>

pt_status pt_seal_write(pt_digest *d, pt_outfile *out, const void *data, size_t bytes)
{
    if (bytes) pt_digest_add(d, data, bytes);
    return pt_outfile_write(out, data, bytes);
}

static void digits_of(char out[PT_SEAL_DIGITS + 1], uint64_t v)
{
    snprintf(out, PT_SEAL_DIGITS + 1, "%016" PRIx64, v);
}

pt_status pt_seal_close(pt_digest *d, pt_outfile *out, size_t at)
{
    char text[PT_SEAL_DIGITS + 1];
    digits_of(text, pt_digest_end(d));
    return pt_outfile_rewrite(out, at, text, PT_SEAL_DIGITS);
}

pt_status pt_seal_check(const char *path, const unsigned char *data, size_t bytes, size_t at)
{
    pt_digest d;
    char text[PT_SEAL_DIGITS + 1];
    if (at >= bytes || bytes - at < PT_SEAL_DIGITS)
        return pt_fail(PT_EFORMAT, "%s: its digest (ptrain_digest) is missing: the file is damaged; take another copy, or make it again", path);
    pt_digest_start(&d);
    pt_digest_add(&d, data, at);
    pt_digest_add(&d, PT_SEAL_BLANK, PT_SEAL_DIGITS);
    if (bytes - at > PT_SEAL_DIGITS) pt_digest_add(&d, data + at + PT_SEAL_DIGITS, bytes - at - PT_SEAL_DIGITS);
    digits_of(text, pt_digest_end(&d));
    if (!memcmp(text, data + at, PT_SEAL_DIGITS)) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s is damaged: its bytes have the digest %s, it was written with %.16s; take another copy, or make it again", path,
                   text, (const char *)data + at);
}
