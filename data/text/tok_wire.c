#include "data/text/tok_wire.h"

static pt_status varint(pt_wire *w, uint64_t *out)
{
    const unsigned char *from = w->at;
    *out = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (w->at == w->end) return pt_fail(PT_EFORMAT, "a number at byte %zu runs over the end", (size_t)(from - w->begin));
        unsigned char c = *w->at++;
        if (shift < 64) *out |= (uint64_t)(c & 127) << shift;
        if (!(c & 128)) return PT_OK;
    }
    return pt_fail(PT_EFORMAT, "a number at byte %zu has more than ten bytes", (size_t)(from - w->begin));
}

static pt_status fixed(pt_wire *w, unsigned n, uint64_t *out)
{
    if ((size_t)(w->end - w->at) < n) return pt_fail(PT_EFORMAT, "a number at byte %zu runs over the end", (size_t)(w->at - w->begin));
    *out = 0;
    for (unsigned i = 0; i < n; i++) *out |= (uint64_t)*w->at++ << 8 * i;
    return PT_OK;
}

pt_status pt_wire_next(pt_wire *w, pt_wire_field *f, bool *more)
{
    uint64_t tag;
    size_t at = (size_t)(w->at - w->begin);
    *f = (pt_wire_field){0};
    *more = w->at < w->end;
    if (!*more) return PT_OK;
    PT_RETURN(varint(w, &tag));
    if (tag >> 3 == 0 || tag >> 32) return pt_fail(PT_EFORMAT, "the field at byte %zu has no valid number", at);
    f->number = (uint32_t)(tag >> 3);
    f->type = (pt_wire_type)(tag & 7);
    switch (tag & 7) {
    case PT_WIRE_VARINT: return varint(w, &f->value);
    case PT_WIRE_64: return fixed(w, 8, &f->value);
    case PT_WIRE_32: return fixed(w, 4, &f->value);
    case PT_WIRE_BYTES: break;
    default: return pt_fail(PT_EFORMAT, "field %u at byte %zu has wire type %u", f->number, at, (unsigned)(tag & 7));
    }
    PT_RETURN(varint(w, &f->value));
    if (f->value > (uint64_t)(w->end - w->at))
        return pt_fail(PT_EFORMAT, "field %u at byte %zu takes %llu bytes, %zu are left", f->number, at, (unsigned long long)f->value,
                       (size_t)(w->end - w->at));
    f->bytes = w->at;
    f->n = (size_t)f->value;
    w->at += f->n;
    return PT_OK;
}
