/* How far two texts are from each other. */
#ifndef PT_EVAL_EDIT_DISTANCE_H
#define PT_EVAL_EDIT_DISTANCE_H
#include <stddef.h>

#include "base/err.h"

/* Levenshtein 1966: the fewest characters (code points of UTF-8; a broken byte is one) to insert, remove or replace that make b of a. *longest: characters of
 * the longer one. O(a b) time. PT_ENOMEM. */
pt_status pt_edit_distance(const char *a, const char *b, size_t *distance, size_t *longest);
/* Characters that both begin with. */
size_t pt_same_beginning(const char *a, const char *b);
#endif
