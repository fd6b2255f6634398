/* Packed bytes of known bounds, unpacked whole into memory (RFC 1950, RFC 1951). */
#ifndef PT_DATA_INFLATED_H
#define PT_DATA_INFLATED_H
#include "base/mem.h"

/* zlib's frame, or deflate alone as ZIP has it. */
typedef enum pt_inflated_form { PT_INFLATED_ZLIB, PT_INFLATED_DEFLATE } pt_inflated_form;
/* *out on the heap, a zero behind its *bytes. It grows with what is really there. PT_EFORMAT: broken, cut off, something behind its end, or more than `most` bytes. */
pt_status pt_inflated(const void *packed, size_t n, pt_inflated_form form, size_t most, char **out, size_t *bytes);
#endif
