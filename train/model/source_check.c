/* NaN and infinity in weights as stored. */
#include <string.h>

#include "train/model/source_impl.h"

/* Bytes of the f16 fields (scales, minima) in a block; -1 ends the list. */
static const int *scale_fields(pt_dtype t)
{
    static const int first[] = {0, -1}, two[] = {0, 2, -1}, q2[] = {80, 82, -1}, q3[] = {108, -1}, q6[] = {208, -1};
    switch (t) {
    case PT_Q4_1:
    case PT_Q5_1:
    case PT_Q4_K:
    case PT_Q5_K: return two;
    case PT_Q2_K: return q2;
    case PT_Q3_K: return q3;
    case PT_Q6_K: return q6;
    default: return first;
    }
}

static bool bad_f32(const unsigned char *p, size_t n)
{
    uint32_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, p + 4 * i, 4);
        u &= 0x7f800000u;
        worst = u > worst ? u : worst;
    }
    return worst == 0x7f800000u;
}

static bool bad_16(const unsigned char *p, size_t n, uint16_t exponent)
{
    uint16_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t u;
        memcpy(&u, p + 2 * i, 2);
        u &= exponent;
        worst = u > worst ? u : worst;
    }
    return worst == exponent;
}

static bool bad_blocks(pt_dtype t, const unsigned char *p, size_t n)
{
    size_t size = pt_dtype_get(t)->bytes;
    bool bad = false;
    for (const int *f = scale_fields(t); *f >= 0; f++)
        for (size_t i = 0; i < n; i++) bad |= (p[i * size + (size_t)*f + 1] & 0x7c) == 0x7c;
    return bad;
}

static bool bad_piece(pt_dtype t, const unsigned char *p, size_t n)
{
    switch (t) {
    case PT_F32: return bad_f32(p, n);
    case PT_F16: return bad_16(p, n, 0x7c00);
    case PT_BF16: return bad_16(p, n, 0x7f80);
    default: return bad_blocks(t, p, n);
    }
}

static bool tensor_bad(const pt_source_tensor *t)
{
    const pt_dtype_info *d = pt_dtype_get(t->type);
    size_t n = t->bytes / d->bytes, piece = 1 << 16;
    bool bad = false;
#pragma omp parallel for reduction(|| : bad) schedule(static) if (n > 4 * piece)
    for (size_t i = 0; i < n; i += piece)
        bad = bad || bad_piece(t->type, (const unsigned char *)t->data + i * d->bytes, n - i < piece ? n - i : piece);
    return bad;
}

pt_status pt_source_check_weights(const pt_source *s)
{
    if (s->st) PT_RETURN(pt_st_verify(s->st));
    if (s->gguf) PT_RETURN(pt_gguf_verify(s->gguf));
    for (size_t i = 0; i < s->n_entries; i++) {
        const pt_source_entry *e = &s->entries[i];
        const pt_source_tensor *t = e->stored.data ? &e->stored : &e->t;
        if (t->data && tensor_bad(t)) return pt_fail(PT_ENONFINITE, "%s: tensor %s holds a NaN or an infinity: the file is damaged", s->path, e->spec.name);
    }
    return PT_OK;
}
