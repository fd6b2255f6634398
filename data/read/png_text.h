/* Texts within a PNG image (ISO/IEC 15948: chunks of length, type, data and CRC; keywords of tEXt, zTXt and iTXt). The picture itself is not looked at. */
#ifndef PT_DATA_PNG_TEXT_H
#define PT_DATA_PNG_TEXT_H
#include "base/mem.h"

/* A packed text that unpacks to more is refused. */
#define PT_PNG_TEXT_MOST ((size_t)64 << 20)

bool pt_png_is(const void *bytes, size_t n);
/* The text under the first of keys[] (ended by NULL; letter case does not count) that the image has, of equal ones the first: *which is its place,
 * -1 = it has none (then *text = NULL), *text on the heap with a zero behind its *bytes. Every chunk up to IEND is checked. PT_EFORMAT: no PNG, cut off, a CRC
 * that is not that of the chunk, a broken text chunk; each with path and offset. */
pt_status pt_png_text(const char *path, const void *bytes, size_t n, const char *const *keys, int *which, char **text, size_t *text_bytes);
#endif
