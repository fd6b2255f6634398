#include "checkpoints/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void pt_seal_list(pt_seal_tensors *t, const char *name, const char *type, int n_dims, const int64_t *dims)
{
    pt_digest d;
    pt_digest_start(&d);
    pt_digest_add(&d, name, strlen(name) + 1);
    pt_digest_add(&d, type, strlen(type) + 1);
    for (int i = 0; i < n_dims; i++) {
        unsigned char le[8];
        for (int k = 0; k < 8; k++) le[k] = (unsigned char)((uint64_t)dims[i] >> (8 * k));
        pt_digest_add(&d, le, 8);
    }
    t->list += pt_digest_end(&d);
}

void pt_seal_data(pt_seal_tensors *t, const void *data, size_t bytes)
{
    pt_digest d;
    pt_digest_start(&d);
    pt_digest_add(&d, data, bytes);
    t->data += pt_digest_end(&d);
}

void pt_seal_start(pt_seal *s)
{
    *s = (pt_seal){0};
    pt_digest_start(&s->all);
    pt_digest_start(&s->one);
}

pt_status pt_seal_write(pt_seal *s, pt_outfile *out, const void *data, size_t bytes)
{
    if (bytes) pt_digest_add(&s->all, data, bytes);
    return pt_outfile_write(out, data, bytes);
}

pt_status pt_seal_write_tensor(pt_seal *s, pt_outfile *out, const void *data, size_t bytes, bool last)
{
    if (bytes) pt_digest_add(&s->one, data, bytes);
    if (last) {
        s->tensors.data += pt_digest_end(&s->one);
        pt_digest_start(&s->one);
    }
    return pt_seal_write(s, out, data, bytes);
}

static void digits_of(char out[PT_SEAL_DIGITS + 1], uint64_t v)
{
    snprintf(out, PT_SEAL_DIGITS + 1, "%016" PRIx64, v);
}

pt_status pt_seal_close(pt_seal *s, pt_outfile *out, pt_seal_at at)
{
    char tensors[PT_SEAL_TENSORS_DIGITS + 1], digest[PT_SEAL_DIGITS + 1];
    digits_of(tensors, s->tensors.list);
    digits_of(tensors + PT_SEAL_DIGITS, s->tensors.data);
    pt_digest_add(&s->all, tensors, PT_SEAL_TENSORS_DIGITS);
    digits_of(digest, pt_digest_end(&s->all));
    PT_RETURN(pt_outfile_rewrite(out, at.tensors, tensors, PT_SEAL_TENSORS_DIGITS));
    return pt_outfile_rewrite(out, at.digest, digest, PT_SEAL_DIGITS);
}

/* The digest of the whole, as its writer had it. */
static void digest_whole(char text[PT_SEAL_DIGITS + 1], const unsigned char *data, size_t bytes, pt_seal_at at)
{
    struct {
        size_t at, n;
    } blank[2] = {{at.tensors, at.tensors ? PT_SEAL_TENSORS_DIGITS : 0}, {at.digest, PT_SEAL_DIGITS}};
    pt_digest d;
    size_t done = 0;
    int first = blank[0].at > blank[1].at;
    pt_digest_start(&d);
    for (int i = 0; i < 2; i++) {
        int k = i ? !first : first;
        if (!blank[k].n || blank[k].at < done) continue;
        pt_digest_add(&d, data + done, blank[k].at - done);
        pt_digest_add(&d, PT_SEAL_TENSORS_BLANK, blank[k].n);
        done = blank[k].at + blank[k].n;
    }
    pt_digest_add(&d, data + done, bytes - done);
    if (at.tensors) pt_digest_add(&d, data + at.tensors, PT_SEAL_TENSORS_DIGITS);
    digits_of(text, pt_digest_end(&d));
}

pt_status pt_seal_check(const char *path, const unsigned char *data, size_t bytes, pt_seal_at at, void (*sum)(const void *file, pt_seal_tensors *t),
                        const void *file)
{
    char text[PT_SEAL_DIGITS + 1];
    pt_seal_tensors have = {0};
    if (at.digest && at.digest < bytes && bytes - at.digest >= PT_SEAL_DIGITS) {
        digest_whole(text, data, bytes, at);
        if (!memcmp(text, data + at.digest, PT_SEAL_DIGITS)) return PT_OK;
    }
    if (!at.tensors)
        return pt_fail(PT_EFORMAT, "%s is damaged: its bytes are not those that it was written with (ptrain_digest); take another copy, or make it again",
                       path);
    sum(file, &have);
    digits_of(text, have.list);
    bool list = !memcmp(text, data + at.tensors, PT_SEAL_DIGITS);
    digits_of(text, have.data);
    bool same = !memcmp(text, data + at.tensors + PT_SEAL_DIGITS, PT_SEAL_DIGITS);
    if (list != same || (!list && have.undescribed))
        return pt_fail(PT_EFORMAT,
                       "%s is damaged: %s of its tensors are not those that it was written with (ptrain_tensors); take another copy, or make it again; if "
                       "another program changed them, let it leave out the keys ptrain and ptrain_...",
                       path, list ? "the bytes" : "names, types or shapes");
    if (list) pt_log(PT_LOG_WARN, "%s: its metadata is not what ptrain wrote: edited, or damaged; its tensors are as they were written", path);
    else pt_log(PT_LOG_WARN, "%s: another program has made it of a file of ptrain's: its tensors are that program's, and not checked", path);
    return PT_OK;
}
