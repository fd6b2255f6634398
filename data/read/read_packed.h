/* Packed bytes (gzip, RFC 1952; zstd, RFC 8878) to text, piece by piece: parts one behind the other are one text, as gzip -d and zstd -d have it. */
#ifndef PT_DATA_READ_PACKED_H
#define PT_DATA_READ_PACKED_H
#include "base/mem.h"

/* The largest window that a zstd frame may ask for (zstd's own limit without --long). */
#define PT_UNPACK_WINDOW_LOG 27

typedef struct pt_unpack pt_unpack;

/* "gzip" or "zstd" for bytes that begin as such a file does, else NULL. */
const char *pt_unpack_kind(const void *data, size_t bytes);
/* A stream over bytes that stay where they are; NULL for a kind that is not packed. path: for messages, borrowed. */
pt_status pt_unpack_open(pt_unpack **out, const char *path, const void *data, size_t bytes);
/* Up to `room` bytes of text into out. *more: text may be behind them. PT_EFORMAT: broken, cut off, something else behind the packed text: by the byte of
 * the file and of the text. */
pt_status pt_unpack_some(pt_unpack *u, char *out, size_t room, size_t *got, bool *more);
void pt_unpack_close(pt_unpack *u); /* NULL is fine */
#endif
