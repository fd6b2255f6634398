/* Inside of the Jinja interpreter; included by data/text/jinja_*.c only.
 *
 * Values and syntax trees live in arenas that are given back whole. The first error is kept in `rc` (its message in base/err.h's); everything after it is
 * harmless: functions give the undefined value, loops end. Whoever loops over more than a few things asks jinja_tick. */
#ifndef PT_DATA_JINJA_PRIV_H
#define PT_DATA_JINJA_PRIV_H
#include "data/text/jinja.h"

typedef enum jkind {
    J_ABSENT, /* no value was given (an argument) */
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STRING,
    J_LIST,
    J_TUPLE,
    J_ITER,  /* what gives its items once in Python: neither length nor places */
    J_VIEW,  /* keys(), values(), items() */
    J_RANGE, /* made as a list */
    J_DICT,
    J_NAMESPACE,
    J_MACRO,
    J_FUNCTION,
    J_METHOD,
    J_LOOP
} jkind;

struct jlist;
struct jdict;
typedef struct jvalue {
    uint8_t kind;
    bool safe;       /* a string that |safe or |escape made: + escapes what it meets */
    uint32_t origin; /* of all its bytes, unless it has an origin for each */
    uint32_t n;      /* bytes of a string */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s; /* not zero-terminated; of an undefined value: the name that was looked for, zero-terminated, or NULL */
        struct jlist *list;
        struct jdict *dict; /* and namespaces */
        struct jmacro *macro;
        struct jmethod *method;
        struct jloop *loop;
    } u;
    const uint32_t *o; /* an origin a byte; NULL = `origin` */
} jvalue;

typedef struct jlist {
    jvalue *v;
    size_t n, cap;
    const char *view; /* dict_keys ... , of a J_VIEW; what a J_ITER is */
} jlist;
typedef struct jdict {
    jvalue *k, *v;
    size_t n, cap;
} jdict;
typedef struct jmethod {
    jvalue self;
    const char *name;
} jmethod;
typedef struct jloop {
    jlist *items;
    size_t at;
    int depth;
    jvalue changed; /* loop.changed's last arguments */
} jloop;

typedef enum jop {
    /* statements */
    S_TEXT,
    S_PRINT,
    S_IF,
    S_FOR,
    S_SET,
    S_CAPTURE,
    S_MACRO,
    S_CALL,
    S_FILTER,
    S_WITH,
    S_BREAK,
    S_CONTINUE,
    S_GENERATION,
    /* expressions */
    E_CONST,
    E_NAME,
    E_HOLE, /* what stands before a filter block's filter */
    E_LIST,
    E_TUPLE,
    E_DICT, /* key and value nodes by turns */
    E_ATTR,
    E_ITEM,
    E_SLICE,
    E_CALL,
    E_FILTER,
    E_TEST,
    E_COND,
    E_AND,
    E_OR,
    E_NOT,
    E_NEG,
    E_POS,
    E_ADD,
    E_SUB,
    E_MUL,
    E_DIV,
    E_FLOORDIV,
    E_MOD,
    E_POW,
    E_CONCAT,
    E_COMPARE, /* list: operands, each with its operator in `what` */
    E_NSREF,   /* NAME.ATTR as a target */
    E_NAMED    /* an argument NAME=a (what: 1 = *a, 2 = **a), a parameter NAME or NAME=a */
} jop;
typedef enum jcompare { C_EQ, C_NE, C_LT, C_LE, C_GT, C_GE, C_IN, C_NOTIN } jcompare;

typedef struct jnode {
    jop op;
    size_t at;        /* byte of the source */
    const char *name; /* interned: equal names are one pointer */
    const char *attr;
    jvalue value;
    struct jnode *a, *b, *c, *d; /* by op: see the parser */
    struct jnode *list, *next;   /* children; the next sibling */
    int what;                    /* operator; index of a filter or test */
    bool varargs, kwargs, caller; /* a macro whose body names these */
} jnode;

typedef struct jframe {
    struct jframe *parent;
    struct jvar {
        const char *name;
        jvalue v;
    } *vars;
    size_t n, cap;
} jframe;
typedef struct jmacro {
    const jnode *node;
    jframe *frame; /* where it was defined */
} jmacro;

typedef struct jarena {
    struct jchunk *chunks;
    size_t used, limit;
} jarena;

/* A string that grows; origins are kept a byte once they differ. */
typedef struct jbuild {
    char *s;
    uint32_t *o;
    size_t n, cap;
    uint32_t one;
    bool mixed;
} jbuild;

typedef struct jinja {
    pt_status rc;
    jarena mem;
    const char *source; /* for places in messages */
    size_t at;          /* of the node that is at work */
    int depth, max_depth;
    uint64_t steps, max_steps;
    size_t max_output;
    const pt_jinja_input *in;
    jframe *frame, *root;
    jbuild *out;
    uint64_t defined; /* macros so far: they hold frames */
    int captured; /* outputs that are inside others */
    int leaving;  /* 0, S_BREAK or S_CONTINUE on its way to the loop */
    int loops;
    jvalue hole;
    pt_jinja_origin *origins;
    size_t n_origins, cap_origins;
    pt_jinja_block *blocks;
    size_t n_blocks, cap_blocks;
    bool hidden_blocks;
} jinja;

struct pt_jinja {
    jinja j; /* the parser's own: memory of the tree, the normalised source */
    jnode *body;
    bool marks, dates;
};

typedef struct jargs {
    jvalue *v;
    size_t n;
    const char **names;
    jvalue *named;
    size_t n_named;
} jargs;

/* ---- jinja_memory.c ---- */
/* Sets the error (the first one counts), at J->at; gives the undefined value. */
jvalue jinja_fail(jinja *J, pt_status s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* n steps of work: false when there is an error or the steps are used up. */
bool jinja_tick(jinja *J, uint64_t n);
/* Zeroed; NULL (and the error) when memory or its limit ends. */
void *jinja_alloc(jinja *J, size_t bytes);
void *jinja_grow(jinja *J, void *p, size_t *cap, size_t need, size_t size);
void jinja_arena_free(jarena *a);
bool jinja_enter(jinja *J);
void jinja_leave(jinja *J);
/* Line and column (both from 1, columns in characters) of a byte of the source. */
void jinja_place(const char *source, size_t at, size_t *line, size_t *column);
void jbuild_bytes(jinja *J, jbuild *b, const char *s, size_t n, uint32_t origin);
void jbuild_part(jinja *J, jbuild *b, jvalue s, size_t from, size_t n);
void jbuild_str(jinja *J, jbuild *b, jvalue s);
void jbuild_puts(jinja *J, jbuild *b, const char *s, uint32_t origin);
jvalue jbuild_done(jbuild *b);

/* ---- jinja_lex.c ---- */
typedef enum jtoken_kind { T_TEXT, T_PRINT, T_PRINT_END, T_BLOCK, T_BLOCK_END, T_NAME, T_STRING, T_INT, T_FLOAT, T_OP, T_END } jtoken_kind;
typedef struct jtoken {
    jtoken_kind kind;
    size_t at;
    const char *s; /* text; an operator's own, zero-terminated and static */
    size_t n;
    jvalue value; /* literals */
} jtoken;
/* J->source is the normalised text. */
jtoken *jinja_lex(jinja *J, size_t n, size_t *n_tokens);
size_t jinja_space(const char *s, size_t n, size_t at); /* bytes of the white-space character at s + at; 0 = it is none */

/* ---- jinja_parse.c, jinja_expr.c ---- */
typedef struct jparser {
    jinja *J;
    pt_jinja *t;
    jtoken *tokens;
    size_t at;
    const char **names;
    size_t n_names, cap_names;
    bool soft; /* inside an if: a filter that is not there fails when it runs */
    const jnode *unknown;
    jnode *macro;
    int loops;
} jparser;
const char *jparse_intern(jparser *p, const char *s, size_t n);
jnode *jparse_node(jparser *p, jop op);
bool jparse_is(const jparser *p, jtoken_kind kind, const char *text);
bool jparse_skip(jparser *p, jtoken_kind kind, const char *text);
void jparse_expect(jparser *p, jtoken_kind kind, const char *text);
/* Fails for a filter or test that is not there. */
void jparse_known(jparser *p);
jnode *jparse_expr(jparser *p, bool cond);
/* Several expressions make a tuple. */
jnode *jparse_tuple(jparser *p, bool cond);
jnode *jparse_primary(jparser *p);
jnode *jparse_postfix(jparser *p, jnode *n);
jnode *jparse_filters(jparser *p, jnode *n);
/* A filter's name and arguments, behind | or {% filter. */
jnode *jparse_filter(jparser *p, jnode *in);
jnode *jparse_target(jparser *p, bool namespaced);
jnode *jparse_params(jparser *p);

/* ---- jinja_value.c ---- */
jvalue jv_none(void);
jvalue jv_bool(bool b);
jvalue jv_int(int64_t i);
jvalue jv_float(double f);
jvalue jv_undefined(const char *name);
jvalue jv_text(const char *s, size_t n, uint32_t origin);
jvalue jv_lit(const char *s);
jvalue jv_list(jinja *J, jkind kind);
void jlist_add(jinja *J, jvalue list, jvalue v);
jvalue jv_dict(jinja *J);
void jdict_put(jinja *J, jdict *d, jvalue k, jvalue v);
bool jdict_get(jinja *J, const jdict *d, jvalue k, jvalue *out);
bool jdict_named(const jdict *d, const char *name, jvalue *out);
bool jv_is_list(jvalue v); /* anything that holds items in a jlist */
bool jv_number(jvalue v);  /* bools are numbers */
double jv_real(jvalue v);
bool jv_true(jinja *J, jvalue v);
bool jv_equal(jinja *J, jvalue a, jvalue b);
/* < 0, 0, > 0; an error where Python has no order. */
int jv_order(jinja *J, jvalue a, jvalue b, const char *op);
bool jv_in(jinja *J, jvalue a, jvalue b);
bool jv_says(jvalue s, const char *text);
/* The items as Python iterates over v; an error when it does not. */
jlist *jv_items(jinja *J, jvalue v);
const char *jv_type(jvalue v);
jvalue jv_import(jinja *J, const json_t *j, uint32_t origin);
uint32_t jinja_origin(jinja *J, uint32_t parent, const char *key, size_t index);

/* ---- jinja_print.c ---- */
/* str(v) */
jvalue jv_str(jinja *J, jvalue v);
void jv_repr(jinja *J, jbuild *b, jvalue v);
size_t jv_real_text(double x, char out[48], bool json);
jvalue jinja_tojson(jinja *J, jvalue v, int indent, bool sort, bool ascii);
jvalue jinja_format(jinja *J, jvalue fmt, const jargs *a);  /* Python's % */
jvalue jinja_strftime(jinja *J, jvalue fmt);

/* ---- jinja_string.c: strings in characters ---- */
size_t jstr_len(jvalue s);
jvalue jstr_sub(jvalue s, size_t from, size_t n); /* bytes */
/* count characters from character `from` on, by steps. */
jvalue jstr_slice(jinja *J, jvalue s, int64_t from, int64_t step, int64_t count);
jvalue jstr_strip(jinja *J, jvalue s, jvalue chars, bool left, bool right);
jvalue jstr_replace(jinja *J, jvalue s, jvalue old, jvalue by, int64_t count);
typedef enum jcase { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITAL, CASE_WORDS, CASE_SWAP } jcase;
jvalue jstr_case(jinja *J, jvalue s, jcase how);
jvalue jstr_escape(jinja *J, jvalue s);
jvalue jstr_lines(jinja *J, jvalue s, bool keep);
jvalue jstr_pad(jinja *J, jvalue s, int64_t width, int side, char with); /* side < 0: text left, 0 centre, > 0 right */
jvalue jstr_join(jinja *J, jvalue by, const jlist *l);
size_t jstr_find(jvalue s, jvalue what, size_t from); /* bytes; SIZE_MAX = no */

/* ---- jinja_method.c ---- */
/* The bound method, or absent. An error for one of Python's that is not here. */
jvalue jinja_method(jinja *J, jvalue self, const char *name);
jvalue jinja_call_method(jinja *J, const jmethod *m, const jargs *a);

/* ---- jinja_filter.c, jinja_lists.c, jinja_tests.c ---- */
typedef struct jfilter {
    const char *name;
    jvalue (*run)(jinja *J, jvalue in, const jargs *a);
} jfilter;
extern const jfilter jinja_list_filters[]; /* ended by a name NULL */
const jfilter *jinja_filter(int index);
int jinja_filter_find(const char *name); /* -1 = none */
int jinja_test_find(const char *name);
bool jinja_test(jinja *J, int index, jvalue v, const jargs *a);
/* Arguments by the names in `spec` (blank-separated), as Python binds them; out[i].kind J_ABSENT = not given. At least `least`. */
bool jinja_take(jinja *J, const jargs *a, const char *what, const char *spec, size_t least, jvalue *out);
int64_t jinja_take_int(jinja *J, jvalue v, int64_t otherwise);

/* ---- jinja_eval.c, jinja_run.c ---- */
jvalue jinja_eval(jinja *J, const jnode *n);
void jinja_args(jinja *J, const jnode *list, jargs *out);
jvalue jinja_attr(jinja *J, jvalue v, const char *name); /* a.name */
jvalue jinja_item(jinja *J, jvalue v, jvalue key);       /* a[key] */
jvalue jinja_call(jinja *J, jvalue f, const jargs *a);
jvalue jinja_add(jinja *J, jvalue a, jvalue b);
void jinja_run(jinja *J, const jnode *n);
jvalue jinja_run_macro(jinja *J, const jmacro *m, const jargs *a);
void jinja_set(jinja *J, const char *name, jvalue v);
void jinja_assign(jinja *J, const jnode *target, jvalue v);
#endif
