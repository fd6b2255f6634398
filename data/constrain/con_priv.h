/* Inside of constraints; included by data/constrain only.
 *
 * A constraint is built as a graph: nodes with edges that read a byte, read nothing, or call a rule and go on where it ends. Rules may call
 * themselves, so a text's place is a node and a stack of nodes to return to. The automaton (con_auto.c) makes its states, sets of such places, as
 * texts reach them. All building goes backwards: what a piece needs to know is the node behind it. */
#ifndef PT_DATA_CON_PRIV_H
#define PT_DATA_CON_PRIV_H
#include "data/constrain/constrain.h"

/* ---- con_set.c: sets of code points ---- */
enum { PT_CON_LAST = 0x10FFFF };
typedef struct pt_con_span {
    uint32_t lo, hi;
} pt_con_span;
/* Sorted, apart from each other by at least one, without surrogates; after pt_con_set_tidy. Free with free(span). */
typedef struct pt_con_set {
    pt_con_span *span;
    size_t n, cap;
} pt_con_set;
pt_status pt_con_set_add(pt_con_set *s, uint32_t lo, uint32_t hi);
pt_status pt_con_set_join(pt_con_set *s, const pt_con_set *other);
pt_status pt_con_set_tidy(pt_con_set *s);
/* Tidies, and turns s into all code points that are not in it. */
pt_status pt_con_set_flip(pt_con_set *s);
/* What \d, \w, \s (d, w, s) stand for, and \D, \W, \S: the small letters ASCII alone; the large ones what neither ASCII nor Unicode counts there. */
pt_status pt_con_set_class(pt_con_set *s, char letter);
/* A general category of Unicode, such as L or Lu; PT_EARG for another name. */
pt_status pt_con_set_category(pt_con_set *s, const char *name, size_t n);

/* ---- con_graph.c ---- */
enum { PT_CON_END = 0 }; /* the node where a rule ends */
enum { PT_CON_BYTE, PT_CON_NONE, PT_CON_CALL };
typedef struct pt_con_edge {
    uint8_t kind, lo, hi;
    uint32_t to, rule, next; /* next edge of the node + 1 */
} pt_con_edge;
typedef struct pt_con_rule {
    uint32_t start;
    bool deep; /* counts for PT_CONSTRAINT_DEPTH */
} pt_con_rule;
typedef struct pt_con_kept {
    pt_con_set set;
    bool json;
    uint32_t rule;
} pt_con_kept;
/* A node of a chain of equal pieces: from it and from `base` the same tokens of up to `reach` bytes can follow. base 0: none. */
typedef struct pt_con_chain {
    uint32_t base, reach;
} pt_con_chain;
/* status: the first failure; after it every call does nothing and gives PT_CON_END. */
typedef struct pt_con_graph {
    pt_status status;
    pt_con_edge *edge;
    uint32_t *first; /* [n] first edge of a node + 1 */
    uint8_t *need;   /* [n] deep rules inside each other that it takes at least to end; 255: it cannot */
    pt_con_rule *rule;
    pt_con_kept *kept; /* rules made of sets */
    pt_con_chain *chain; /* [cap_chain], of the first nodes */
    size_t n, n_edges, n_rules, n_kept, cap, cap_edges, cap_rules, cap_kept, cap_need, cap_chain;
    uint32_t jchar; /* rule + 1: a character of a JSON string, however spelled */
    uint32_t start;
} pt_con_graph;
void pt_con_graph_free(pt_con_graph *g);
size_t pt_con_graph_bytes(const pt_con_graph *g);
/* Keeps a failed status. */
void pt_con_fail(pt_con_graph *g, pt_status rc);
uint32_t pt_con_node(pt_con_graph *g);
void pt_con_byte(pt_con_graph *g, uint32_t from, unsigned lo, unsigned hi, uint32_t to);
void pt_con_none(pt_con_graph *g, uint32_t from, uint32_t to);
void pt_con_call(pt_con_graph *g, uint32_t from, uint32_t rule, uint32_t to);
uint32_t pt_con_rule_new(pt_con_graph *g, bool deep);
/* Bytes, then next. */
uint32_t pt_con_text(pt_con_graph *g, const char *s, size_t n, uint32_t next);
/* a or b. */
uint32_t pt_con_either(pt_con_graph *g, uint32_t a, uint32_t b);
/* One code point of a tidy set, then next; json: as it is spelled in a JSON string (itself, or the one escape that json.dumps writes). */
uint32_t pt_con_one(pt_con_graph *g, const pt_con_set *s, bool json, uint32_t next);
/* The rule of a character of a JSON string, with all escapes that stand for a character. */
uint32_t pt_con_jchar(pt_con_graph *g);
/* A rule min to max times (max PT_CON_MANY: without end), then next. */
#define PT_CON_MANY UINT32_MAX
uint32_t pt_con_times(pt_con_graph *g, uint32_t rule, uint32_t min, uint32_t max, uint32_t next);
/* Fills need. has: the bytes that some token has; NULL: all. */
pt_status pt_con_needs(pt_con_graph *g, const bool *has);

/* ---- con_regex.c, con_regex_build.c ---- */
typedef enum pt_con_part_kind { PT_CON_EMPTY, PT_CON_SET, PT_CON_CAT, PT_CON_ALT, PT_CON_REPEAT, PT_CON_BEGIN, PT_CON_FINISH } pt_con_part_kind;
/* A piece of an expression; children of CAT and ALT are a list by `next`. Indices + 1, 0 = none. */
typedef struct pt_con_part {
    pt_con_part_kind kind;
    uint32_t child, next;
    uint32_t min, max; /* REPEAT */
    uint32_t set;      /* SET: index */
} pt_con_part;
typedef struct pt_con_regex {
    pt_con_part *part;
    pt_con_set *set;
    size_t n, cap, n_sets, cap_sets;
    uint32_t root;
} pt_con_regex;
/* PT_EARG: what is wrong or not supported, and at which byte. */
pt_status pt_con_regex_parse(pt_con_regex *r, const char *text, size_t n);
void pt_con_regex_free(pt_con_regex *r);
/* Then next. search: a match anywhere in the text (JSON schema's pattern), unless ^ and $ say otherwise; json: in a JSON string. */
uint32_t pt_con_regex_build(pt_con_graph *g, const pt_con_regex *r, bool search, bool json, uint32_t next);
/* The same, of min to max code points. */
uint32_t pt_con_regex_counted(pt_con_graph *g, const pt_con_regex *r, bool search, bool json, uint32_t min, uint32_t max, uint32_t next);
/* Fewest and most code points (PT_CON_MANY: no limit) of a text that matches wholly. */
void pt_con_regex_length(const pt_con_regex *r, uint32_t *min, uint32_t *max, bool search);

/* ---- con_choices.c ---- */
typedef struct pt_con_word {
    const char *s;
    size_t n;
} pt_con_word;
/* One of n texts, then next; sorts them. */
uint32_t pt_con_words(pt_con_graph *g, pt_con_word *words, size_t n, uint32_t next);
/* The whole graph. */
pt_status pt_con_choices_build(pt_con_graph *g, const char *const *choices, size_t n);

/* ---- con_auto.c ---- */
enum { PT_CON_DEAD = -1, PT_CON_UNKNOWN = -2 };
typedef struct pt_con_place {
    uint32_t node, stack;
} pt_con_place;
/* Stacks are numbered; 0 is the empty one, the others stand for a node to return to and the stack below. */
typedef struct pt_con_frame {
    uint32_t back, under, depth;
} pt_con_frame;
typedef struct pt_con_state {
    uint32_t first, n; /* places */
    bool accept, more; /* complete; something can follow */
    struct pt_con_mask *mask;
} pt_con_state;
typedef struct pt_con_auto {
    const pt_con_graph *g;
    pt_con_state *state;
    pt_con_place *place;
    int32_t *next; /* [states][classes] */
    pt_con_frame *frame;
    uint32_t *state_slot, *frame_slot; /* open addressing, index + 1 */
    size_t n, n_places, n_frames, cap, cap_places, cap_next, cap_frames, state_mask, frame_mask;
    uint8_t class_of[256], byte_of[256];
    unsigned classes, lead;
    int32_t start;
    uint64_t generation; /* grows when it begins anew */
    size_t work, most_bytes; /* of the present call */
    /* of a closure */
    pt_con_place *todo, *seen;
    size_t n_todo, cap_todo, n_seen, cap_seen, cap_seen_slot;
    uint32_t *seen_slot;
} pt_con_auto;
pt_status pt_con_auto_make(pt_con_auto *a, const pt_con_graph *g, unsigned lead, size_t most_bytes);
void pt_con_auto_free(pt_con_auto *a);
/* Forgets all states. */
pt_status pt_con_auto_reset(pt_con_auto *a);
size_t pt_con_auto_bytes(const pt_con_auto *a);
/* The state behind one that reads a byte: PT_CON_DEAD when it cannot. PT_ENOSUP: past the limits of a call. */
pt_status pt_con_auto_step(pt_con_auto *a, int32_t state, unsigned char byte, int32_t *to);
/* A state with the same tokens of up to *reach bytes behind it, one for many; the state itself where there is none. */
pt_status pt_con_auto_base(pt_con_auto *a, int32_t state, int32_t *base, uint32_t *reach);
static inline int32_t pt_con_auto_known(const pt_con_auto *a, int32_t state, unsigned char byte)
{
    return a->next[(size_t)state * a->classes + a->class_of[byte]];
}

/* ---- con_vocab.c, con_mask.c, con_open.c ---- */
typedef struct pt_con_tree {
    uint32_t skip;   /* the node behind its subtree */
    uint32_t token;  /* order[token .. token of the next node): tokens that end here */
    uint16_t depth, longest; /* bytes up to here, from 1; of the longest token in its subtree */
    uint8_t byte;
} pt_con_tree;
typedef struct pt_con_mask {
    struct pt_con_mask *older, *newer;
    pt_constraint *owner;
    int32_t state;
    uint64_t used;
    uint64_t bits[];
} pt_con_mask;
struct pt_constraint_vocab {
    int32_t rows;
    size_t words;
    char *bytes;
    uint32_t *at; /* [rows+1] into bytes */
    pt_con_tree *tree;
    size_t n_tree;
    uint32_t *order;
    int32_t *path; /* states along a branch; [longest+1] */
    size_t longest;
    unsigned lead;
    bool has[256]; /* bytes that some token has */
    uint64_t *ends; /* mask of end tokens */
    int32_t *end;   /* [n_ends] */
    size_t n_ends;
    pt_constraint *all; /* list */
    pt_con_mask *oldest, *newest;
    uint64_t clock;
    pt_constraint_cache cache;
};
struct pt_constraint {
    pt_constraint_vocab *v;
    pt_constraint *next;
    int refs;
    uint64_t used;
    size_t counted; /* bytes of it in the cache's sum */
    pt_constraint_kind kind;
    char *key; /* what it was made of */
    size_t key_bytes;
    pt_con_graph g;
    pt_con_auto a;
};
/* The mask of a state, made where it is not held. */
pt_status pt_con_mask_of(pt_constraint *c, int32_t state, const uint64_t **bits);
void pt_con_mask_drop_all(pt_constraint *c);
/* Counts what c takes now; makes room by the oldest masks and constraints nobody has open. keep: not that mask. */
void pt_con_cache_settle(pt_constraint_vocab *v, pt_constraint *c, const pt_con_mask *keep);
void pt_con_constraint_free(pt_constraint *c);
/* Before a call: its limits, and room for new states. */
pt_status pt_con_prepare(pt_constraint *c);

/* ---- con_schema*.c ---- */
pt_status pt_con_schema_build(pt_con_graph *g, const char *text, size_t n);
#endif
