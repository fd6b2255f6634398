/* JSON: the one place that reads it, and the one policy. What Python's json module reads, we read:
 *   - NaN, Infinity, -Infinity; numbers past the range of a double (they become infinities); integers of any length (past 63
 *     bits they are reals); half surrogate pairs as \uXXXX and \u0000 in strings; a byte order mark before the text;
 *   - of a key that stands twice the last value counts (at the place of the first);
 *   - lists and objects up to PT_JSON_DEPTH deep.
 * Everything else is refused with line and column (both from 1, columns in characters): text that is not UTF-8, raw control
 * characters in strings, comments, trailing commas, numbers such as 01 or 1.
 *
 * jansson's values cannot hold NaN, infinities and half surrogate pairs, and C strings cannot hold a NUL. Such a value is read as
 * an ODD value: an object of its own kind that is neither number nor string, so that whoever uses it refuses it by its type, and
 * pt_json_kind says what it is; nobody who does not use it is stopped, and pt_json_dump writes it back as it stood. A member whose
 * KEY is of that kind is left out: nothing can ask for it. */
#ifndef PT_BASE_JSON_H
#define PT_BASE_JSON_H
#include <jansson.h>

#include "base/mem.h"
#include "base/version.h"

enum { PT_JSON_DEPTH = 2048 };

enum {
    PT_JSON_NUL = 1,   /* strings may hold NUL: the caller uses json_string_length everywhere */
    PT_JSON_OBJECT = 2, /* anything but an object {...} is PT_EFORMAT */
    PT_JSON_OWN = 4    /* a file that only this program writes: keys that stand twice and odd values are PT_EFORMAT */
};

/* Text with several values, read one at a time (rows of a list). Set by the caller; *at and line move on. */
typedef struct pt_json_in {
    const char *name;     /* for messages: NAME:LINE:COLUMN: why */
    const char *at, *end; /* what is left */
    const char *begin;    /* where line begins (or where the text does) */
    int64_t line;         /* that `at` is on, from 1 */
    unsigned flags;
} pt_json_in;

/* What reads (base/version.h). */
void pt_json_library(char out[PT_LIBRARY_NAME]);
/* Moves over spaces and line ends. */
void pt_json_space(pt_json_in *in);
/* The next value; `at` moves behind it. PT_EFORMAT or PT_ENOMEM. Free with json_decref. */
pt_status pt_json_next(pt_json_in *in, json_t **out);
/* The next value, which must be the last thing but space. */
pt_status pt_json_last(pt_json_in *in, json_t **out);
/* The one value of a text of n bytes. */
pt_status pt_json_parse(json_t **out, const char *text, size_t n, const char *name, unsigned flags);
/* The one value of a file of at most max_bytes. */
pt_status pt_json_load(json_t **out, const char *path, size_t max_bytes, unsigned flags);

/* "an integer", "a text", "NaN", "a text with a NUL character", "missing" (NULL): what j is, for messages. */
const char *pt_json_kind(const json_t *j);
/* An odd value (see above). */
bool pt_json_odd(const json_t *j);
/* j as text (flags are jansson's), odd values as they were read. NULL when memory ends. Free with free(). */
char *pt_json_dump(const json_t *j, size_t flags);
#endif
