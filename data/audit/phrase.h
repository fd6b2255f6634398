/* Phrases in texts, without regard to the case of ASCII letters; ' is any apostrophe. */
#ifndef PT_DATA_AUDIT_PHRASE_H
#define PT_DATA_AUDIT_PHRASE_H
#include <stdbool.h>
#include <stddef.h>

/* Bytes of text[n] that the phrase (lower case, one kind of space) takes at its beginning; 0 when it does not stand there. Ends of the phrase that are ASCII
 * letters or digits are ends of words: `before` is the byte in front of text, 0 = none. */
size_t pt_phrase_at(const char *text, size_t n, unsigned char before, const char *phrase);
/* The first of phrases (ended by NULL) in text[n]: where and how long; false when there is none. */
bool pt_phrase_find(const char *text, size_t n, const char *const *phrases, size_t *at, size_t *len);
#endif
