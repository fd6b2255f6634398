/* Text of others, made harmless for a terminal: control characters (C0 but newline and tab, DEL, C1), characters that turn the direction of writing,
 * and bytes that are not UTF-8 become escapes such as \x1b and \u202e. Everything else stays as it is. */
#ifndef PT_BASE_VISIBLE_H
#define PT_BASE_VISIBLE_H
#include "base/mem.h"

/* A character that is cut between two calls waits here. Zero-initialise. */
typedef struct pt_visible {
    unsigned char held[4];
    size_t n;
} pt_visible;

enum { PT_VISIBLE_GROWTH = 4, PT_VISIBLE_MORE = 16 };
/* Writes n bytes of text to out, which has room for PT_VISIBLE_GROWTH * n + PT_VISIBLE_MORE bytes; returns how many were written. */
size_t pt_visible_put(pt_visible *v, const char *text, size_t n, char *out);
/* What still waits; room for PT_VISIBLE_MORE bytes. */
size_t pt_visible_end(pt_visible *v, char *out);
/* The whole text at once. */
pt_status pt_str_visible(pt_str *s, const char *text, size_t n);
#endif
