/* Inside of the audit; shared by the files of data/audit. */
#ifndef PT_DATA_AUDIT_AUDIT_PRIV_H
#define PT_DATA_AUDIT_AUDIT_PRIV_H
#include "data/audit/audit.h"
#include "data/audit/minhash.h"
#include "data/audit/script.h"
#include "data/read/ahead.h"

/* In the order in which they are shown. */
typedef enum pt_audit_found {
    PT_FOUND_DOUBLE_BOS,
    PT_FOUND_END_NOT_TRAINED,
    PT_FOUND_TEST_OVERLAP,
    PT_FOUND_MISSING_BOS,
    PT_FOUND_UNSUPERVISED,
    PT_FOUND_UNUSABLE,
    PT_FOUND_TOO_LONG,
    PT_FOUND_CUT_ANSWER,
    PT_FOUND_CUT_TURNS,
    PT_FOUND_CONTROL_IN_TEXT,
    PT_FOUND_CHAT_MARKUP,
    PT_FOUND_UNFILLED_MACRO,
    PT_FOUND_SPEAKS_FOR_USER,
    PT_FOUND_AS_AN_AI,
    PT_FOUND_REFUSAL,
    PT_FOUND_GREETING_ONLY,
    PT_FOUND_EQUAL_PAIR,
    PT_FOUND_NEAR_PAIR,
    PT_FOUND_DUPLICATE,
    PT_FOUND_NEAR_DUPLICATE,
    PT_FOUND_TEST_PROMPT,
    PT_FOUND_TEST_ANSWER,
    PT_FOUND_TEST_NEAR,
    PT_FOUND_VAL_OVERLAP,
    PT_FOUND_VAL_NEAR,
    PT_FOUND_SECRET,
    PT_FOUND_EMAIL,
    PT_FOUND_PHONE,
    PT_FOUND_MOJIBAKE,
    PT_FOUND_HTML,
    PT_FOUND_OTHER_SCRIPT,
    PT_FOUND_CANNED_ANSWER,
    PT_FOUND_UNANSWERED,
    PT_FOUND_KINDS
} pt_audit_found;

typedef struct pt_audit_kind {
    const char *name;
    pt_audit_severity severity;
    const char *what, *todo;
} pt_audit_kind;
const pt_audit_kind *pt_audit_kind_of(pt_audit_found k);

enum { PT_AUDIT_PLACES = 8, PT_AUDIT_EXCERPT = 96 };

/* Where something was found. */
typedef struct pt_audit_place {
    const char *file; /* borrowed from the pack */
    int64_t line;     /* 0 = of no one line */
    char text[PT_AUDIT_EXCERPT], like[PT_AUDIT_EXCERPT];
} pt_audit_place;

typedef struct pt_audit_finding {
    long long n; /* records, or rows */
    int n_places;
    pt_audit_place place[PT_AUDIT_PLACES]; /* the first */
} pt_audit_finding;

/* What is kept of a record whose texts were read. */
typedef struct pt_audit_row {
    uint64_t whole, prompt, answer; /* hashes: everything; what was asked; the last answer. 0 = there is none, or it is too short to tell */
    uint64_t system;                /* and of who is played */
    const char *file;
    int64_t line;
    uint8_t test, validation, script;
    bool asked_so;    /* what is asked explains the answer's script: it is written in it too, or asks for a language or for code */
    uint32_t scripts; /* those that stand in the answer: pt_script_text */
    uint32_t set;
} pt_audit_row;

/* Of tokens: least, 10 %, half, 90 %, 99 %, most. */
enum { PT_AUDIT_QUANTILES = 6 };
typedef struct pt_audit_lengths {
    long long prompt[PT_AUDIT_QUANTILES], answer[PT_AUDIT_QUANTILES];
} pt_audit_lengths;

struct pt_audit {
    const pt_pack_options *options;
    pt_audit_finding found[PT_FOUND_KINDS];
    long long records, validation, test_records, rows_read;
    pt_audit_lengths lengths;
    long long scripts[PT_SCRIPTS];
    struct pt_audit_role { char *name; long long n; } *roles; /* by name; of training */
    size_t n_roles, roles_cap;
    json_t *sets; /* [{path, type, test, rows, limited}] */
    bool limited; /* texts of some rows were not read */
    /* while it runs */
    pt_audit_row *rows;
    size_t n_rows, rows_cap;
    pt_near near, answers; /* what is spoken in a row; of it what is answered */
};

/* One more record of this kind; of the first ones the place is kept. text, like (may be NULL): what stands there; what it is like. */
void pt_audit_put(pt_audit *a, pt_audit_found k, const char *file, int64_t line, const char *text, const char *like);
/* The text around a place of a text, one line, cut to fit. */
void pt_audit_excerpt(char out[PT_AUDIT_EXCERPT], const char *text, size_t bytes, size_t at);

/* ---- audit_view.c: a record as the rules see it ---- */
typedef enum pt_audit_part_kind {
    PT_PART_SYSTEM = 1,
    PT_PART_ASKED = 2,   /* whoever is not trained on: the user, other people, tools, earlier answers that are context */
    PT_PART_ANSWER = 4,  /* what is to be learnt */
    PT_PART_WORSE = 8,   /* an answer that is not to be: rejected, undesirable */
    PT_PART_TEXT = 16,   /* a document */
    PT_PART_SPOKEN = PT_PART_ASKED | PT_PART_ANSWER | PT_PART_WORSE,
    PT_PART_CHAT = PT_PART_SYSTEM | PT_PART_SPOKEN,
    PT_PART_ANY = PT_PART_CHAT | PT_PART_TEXT
} pt_audit_part_kind;

typedef struct pt_audit_part {
    pt_audit_part_kind kind;
    const pt_speaker *speaker; /* NULL of a document */
    const char *text;
    size_t bytes;
} pt_audit_part;

/* Zero-initialise; reused; freed by pt_audit_view_free. */
typedef struct pt_audit_view {
    pt_audit_part *parts;
    size_t n, cap;
    bool persona;   /* somebody is to be played, who is no assistant and no machine as far as the record says */
    bool asks_talk; /* the task is to write what people say to each other */
    bool asks_markup; /* it is about HTML or program text */
    bool asks_language; /* it asks for another language, or for code */
    const char *user_names[8]; /* of named people whose part is the user's */
    int n_user_names;
    const pt_tokenizer *tok;
} pt_audit_view;
pt_status pt_audit_view_fill(pt_audit_view *v, const pt_record *rec, bool verdicts, const pt_tokenizer *tok);
void pt_audit_view_free(pt_audit_view *v);

/* ---- rules: rule_persona.c, rule_private.c, rule_marks.c ---- */
typedef struct pt_audit_hit {
    size_t at, n;
} pt_audit_hit;
typedef bool (*pt_audit_rule_of_part)(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
typedef struct pt_audit_rule {
    pt_audit_found kind;
    unsigned parts; /* pt_audit_part_kind, or'ed */
    pt_audit_rule_of_part finds;
} pt_audit_rule;
bool pt_rule_as_an_ai(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_refusal(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_speaks_for_user(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_secret(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_email(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_phone(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_control(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_markup(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_macro(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_mojibake(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
bool pt_rule_html(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit);
/* Whether a system text, or a profile, speaks of a machine or an assistant, other than by forbidding to. */
bool pt_rule_names_machine(const char *text, size_t bytes);

/* ---- audit_record.c: what one record's texts show, and what is kept of it ---- */
typedef struct pt_audit_look {
    pt_audit *a;
    const pt_audit_side *side;
    bool test;
    size_t set;
    const pt_reader *reader;
    int32_t source; /* of the pack: the set's first file */
    int64_t at;     /* the next record of the pack */
    pt_audit_view view;
    pt_str text, answers; /* spoken parts, for near duplicates; of them those that are answered */
} pt_audit_look;
/* The file that is read, by the pack's name for it: it stands as long as the pack. */
const char *pt_audit_file(const pt_audit_look *l);
/* Whether the record that is read next is in the pack, and where it went; called for each, in order. */
bool pt_audit_in_pack(pt_audit_look *l, const pt_record *rec, int64_t line, bool *validation);
/* What a record's texts show, into l->a. */
pt_status pt_audit_look_at(pt_audit_look *l, const pt_record *rec, int64_t line, bool there, bool validation);

/* ---- audit_ahead.c ---- */
/* Runs a reader whose sink is pt_audit_record and whose user is l. */
pt_status pt_audit_read(pt_audit_look *l, pt_reader *r);
pt_status pt_audit_record(void *look, const pt_record *rec, int64_t line);

/* ---- audit_tokens.c ---- */
/* What the tokens of a pack show. */
pt_status pt_audit_tokens(pt_audit *a, const pt_audit_side *side);
/* What the pack left out, and why. */
void pt_audit_drops(pt_audit *a, const pt_audit_side *side);
pt_status pt_audit_measure(pt_audit *a, const pt_audit_side *side);

/* ---- audit_twins.c ---- */
/* Duplicates, overlaps, near duplicates, canned answers and other scripts among the rows. */
pt_status pt_audit_twins(pt_audit *a);
#endif
