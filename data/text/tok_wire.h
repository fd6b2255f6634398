/* Protocol buffers' wire format, read field by field within given bounds (protobuf.dev/programming-guides/encoding). Nothing is copied. */
#ifndef PT_DATA_TOK_WIRE_H
#define PT_DATA_TOK_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

typedef struct pt_wire {
    const unsigned char *begin, *at, *end;
} pt_wire;
static inline pt_wire pt_wire_open(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    return (pt_wire){p, p, p + n};
}

typedef enum pt_wire_type { PT_WIRE_VARINT = 0, PT_WIRE_64 = 1, PT_WIRE_BYTES = 2, PT_WIRE_32 = 5 } pt_wire_type;
typedef struct pt_wire_field {
    uint32_t number; /* 1 .. 2^29 - 1 */
    pt_wire_type type;
    uint64_t value;             /* varint, or the fixed bits */
    const unsigned char *bytes; /* PT_WIRE_BYTES: n of them, inside the message */
    size_t n;
} pt_wire_field;

/* The next field; *more = false at the end of the message. PT_EFORMAT with the byte's place: a field that runs over the end, a varint of more
 * than ten bytes, a field number of 0, a wire type that is none (groups, which proto2 gave up, among them). */
pt_status pt_wire_next(pt_wire *w, pt_wire_field *f, bool *more);
#endif
