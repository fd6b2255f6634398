/* Jinja: a bounded interpreter of chat templates, made to say what transformers says.
 *
 * The language is that of transformers' renderer (jinja2 3.1's ImmutableSandboxedEnvironment with trim_blocks, lstrip_blocks, the loop controls,
 * {% generation %}, transformers' tojson, raise_exception, strftime_now). Not in it, each refused by name: inclusion and inheritance, recursive loops,
 * autoescape, numbers past 63 bits, groupby, random, pprint, url filters. Nothing of the host can be reached: a template sees
 * its variables and a date.
 *
 * Every byte of the output has an origin: 0 = the template (its text, and values made by it), else an entry of the table of origins, which names
 * the value of the input it was copied from. Origins go through +, ~, slices, methods, filters, macros and tojson.
 *
 * Errors: "chat template, line L, column C: what". PT_EFORMAT: the template is wrong or fails, a limit is reached; PT_EARG: the template itself refuses
 * its input (raise_exception); PT_ENOSUP: a part of the language that is not here. */
#ifndef PT_DATA_JINJA_H
#define PT_DATA_JINJA_H
#include <jansson.h>

#include "base/mem.h"

typedef struct pt_jinja pt_jinja;

/* Parses n bytes of UTF-8. */
pt_status pt_jinja_parse(pt_jinja **out, const char *text, size_t n);
void pt_jinja_free(pt_jinja *t);
/* Whether the template has {% generation %}, and whether it names strftime_now. */
bool pt_jinja_marks_answers(const pt_jinja *t);
bool pt_jinja_asks_date(const pt_jinja *t);

typedef struct pt_jinja_date {
    int year, month, day; /* month 0 = there is none: strftime_now is refused */
} pt_jinja_date;

/* 0 = the default: 5 million steps, 1000 levels, 8 MiB of output (and of any text), 512 MiB of values made on the way. */
typedef struct pt_jinja_limits {
    uint64_t steps;
    int depth;
    size_t output, memory;
} pt_jinja_limits;

typedef struct pt_jinja_input {
    const json_t *own;   /* variables that count as the template's own words: bos_token, add_generation_prompt ...; may be NULL */
    const json_t *given; /* variables from outside: messages, tools ...; may be NULL */
    pt_jinja_date now;
    pt_jinja_limits limits;
} pt_jinja_input;

/* Where a value of the input stood. */
typedef struct pt_jinja_origin {
    uint32_t parent;  /* the list or object that holds it; 0 = it is a variable */
    const char *key;  /* its name there; NULL: in a list */
    size_t index;     /* its place in a list */
    int32_t message;  /* of the variable `messages`: which; -1 = of none */
} pt_jinja_origin;

typedef struct pt_jinja_run {
    size_t to;       /* the run's end; it begins where the one before ends */
    uint32_t origin; /* 0 = the template */
} pt_jinja_run;

typedef struct pt_jinja_block {
    size_t from, to; /* of the output */
} pt_jinja_block;

/* Zero-initialise; every render begins it anew; free once. */
typedef struct pt_jinja_out {
    const char *text; /* n bytes and a zero */
    size_t n;
    pt_jinja_run *runs;
    size_t n_runs;
    pt_jinja_block *blocks; /* what {% generation %} wrote, in order */
    size_t n_blocks;
    bool hidden_blocks;        /* one ran inside a macro or a captured text: where it went is not known */
    pt_jinja_origin *origins;  /* [1 ..] */
    size_t n_origins;
    void *memory; /* holds all of it */
} pt_jinja_out;
pt_status pt_jinja_render(const pt_jinja *t, const pt_jinja_input *in, pt_jinja_out *out);
void pt_jinja_out_free(pt_jinja_out *o);
/* "messages[2].content", appended. */
pt_status pt_jinja_path(const pt_jinja_out *o, uint32_t origin, pt_str *out);
#endif
