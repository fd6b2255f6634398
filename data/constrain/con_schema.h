/* JSON schemas on their way to a graph; included by data/constrain/con_schema*.c only.
 *
 * Every builder gets the schema (an object), what stands behind its value, and gives the node where the value begins. Failures are kept in the graph
 * (con_priv.h), with the JSON pointer of the schema in the message. */
#ifndef PT_DATA_CON_SCHEMA_H
#define PT_DATA_CON_SCHEMA_H
#include "base/json.h"
#include "data/constrain/con_priv.h"

enum {
    PT_CON_NULL = 1,
    PT_CON_BOOLEAN = 2,
    PT_CON_INTEGER = 4,
    PT_CON_NUMBER = 8, /* integers among them */
    PT_CON_STRING = 16,
    PT_CON_ARRAY = 32,
    PT_CON_OBJECT = 64,
    PT_CON_ALL = 127
};
enum { PT_CON_MERGED_MOST = 200000 }; /* members written while schemas are combined */

typedef struct pt_con_target {
    const json_t *schema;
    uint32_t rule;
} pt_con_target;
typedef struct pt_con_schema {
    pt_con_graph *g;
    json_t *root, *owned; /* owned: a list of combined schemas */
    pt_con_target *target;
    size_t n_targets, cap_targets, merged, compared;
    pt_str path; /* JSON pointer of the schema that is built */
    int nested;
    uint32_t any; /* rule + 1 of any JSON value */
} pt_con_schema;

/* Keeps the failure "at POINTER: ..." and gives PT_CON_END. */
uint32_t pt_con_refuse(pt_con_schema *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Counts n comparisons; false and a refusal past 20 million: lists are compared each with each. */
bool pt_con_spend(pt_con_schema *s, size_t n);
/* path grows by a key (key NULL: by a number); the length before, for pt_con_leave. */
size_t pt_con_enter(pt_con_schema *s, const char *key, size_t index);
void pt_con_leave(pt_con_schema *s, size_t before);

/* ---- con_schema.c ---- */
uint32_t pt_con_value(pt_con_schema *s, json_t *schema, uint32_t next);
/* Any JSON value. */
uint32_t pt_con_any(pt_con_schema *s, uint32_t next);
/* Bits of `type`, of const and enum, or of the keywords that say something about one type; PT_CON_ALL when nothing does. */
unsigned pt_con_types(const json_t *schema);
/* A count (minItems ...): fallback where it is missing. */
uint32_t pt_con_count(pt_con_schema *s, const json_t *schema, const char *key, uint32_t fallback);
/* ':' or ',' and a blank that may lack. */
uint32_t pt_con_mark(pt_con_graph *g, char mark, uint32_t next);

/* ---- con_schema_ref.c ---- */
/* What a $ref names; NULL after a failure. */
json_t *pt_con_resolve(pt_con_schema *s, const char *ref);
/* Both schemas at once, borrowed (s->owned keeps it); NULL after a failure. */
json_t *pt_con_merge(pt_con_schema *s, json_t *a, json_t *b);
/* Whether no value satisfies both, as far as it can be seen. */
bool pt_con_apart(pt_con_schema *s, const json_t *a, const json_t *b, int depth);

/* ---- con_schema_literal.c ---- */
/* The value j itself. */
uint32_t pt_con_literal(pt_con_schema *s, const json_t *j, uint32_t next);
/* Of `enum` or `const`: one of the values that are of the types. */
uint32_t pt_con_enum(pt_con_schema *s, const json_t *schema, unsigned types, uint32_t next);
unsigned pt_con_type_of(const json_t *j);
/* A text as it is spelled in JSON, with its quotes. */
pt_status pt_con_spell(pt_str *out, const char *text, size_t n);

/* ---- con_schema_string.c ---- */
uint32_t pt_con_string(pt_con_schema *s, const json_t *schema, uint32_t next);
/* A string that is none of n names (each at most 1,024 bytes), without escapes. */
uint32_t pt_con_other_string(pt_con_schema *s, const char *const *names, size_t n, uint32_t next);
/* Whether a key matches a pattern. */
bool pt_con_matches(pt_con_schema *s, const char *pattern, const char *key);
/* A string that a pattern matches somewhere, with its quotes. */
uint32_t pt_con_pattern(pt_con_schema *s, const char *pattern, uint32_t min, uint32_t max, uint32_t next);

/* ---- con_schema_number.c ---- */
uint32_t pt_con_number(pt_con_schema *s, const json_t *schema, bool integer, uint32_t next);

/* ---- con_schema_object.c ---- */
uint32_t pt_con_object(pt_con_schema *s, json_t *schema, uint32_t next);
uint32_t pt_con_array(pt_con_schema *s, json_t *schema, uint32_t next);
#endif
