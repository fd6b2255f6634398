/* Odd values of JSON (base/json.h): how they are kept. Only base/json*.c include this. */
#ifndef PT_BASE_JSON_ODD_H
#define PT_BASE_JSON_ODD_H
#include <jansson.h>

typedef enum pt_json_odd_kind {
    PT_JSON_ODD_NONE,
    PT_JSON_ODD_NAN,
    PT_JSON_ODD_INF,
    PT_JSON_ODD_NINF,
    PT_JSON_ODD_NUL,
    PT_JSON_ODD_SURROGATE
} pt_json_odd_kind;

/* The key of the one member of an odd value's object: {KEY: "<digit of the kind><the bytes of the source>"}. DEL does not occur
 * in keys that people write; a key of this name in a file is left out by the parser, so nobody can forge one. */
#define PT_JSON_ODD_KEY "\x7fodd"

/* NULL when memory ends. */
json_t *pt_json_odd_new(pt_json_odd_kind kind, const char *source, size_t n);
const char *pt_json_odd_name(pt_json_odd_kind kind);
#endif
