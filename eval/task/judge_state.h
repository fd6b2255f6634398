/* The task `judge`: what its files share. An entry's answers (the measured model's, the rows' own, transcripts) are judged by each of its judges, by each criterion, of pairs in
 * both orders, perhaps several times: a VOTE each. */
#ifndef PT_EVAL_JUDGE_STATE_H
#define PT_EVAL_JUDGE_STATE_H
#include "eval/stat/ratings.h"
#include "eval/task/judging.h"
#include "eval/task/writing.h"

/* One judged answer. */
typedef struct pt_judge_text {
    json_t *row;
    char *text, *other;                 /* owned; other: of pairs the one it stands against */
    char *question, *system, *reference; /* owned; NULL: none */
    size_t item, scope;
    int repeat;
    uint64_t cluster;
    double gold;                        /* NAN: nobody says */
} pt_judge_text;

/* What became of votes. */
enum { PT_VOTE_READ = PT_JUDGE_READ, PT_VOTE_UNREAD = PT_JUDGE_UNREAD, PT_VOTE_OUTSIDE = PT_JUDGE_OUTSIDE, PT_VOTE_FAILED, PT_VOTE_STATES };

typedef struct pt_judge_side {
    pt_judge_text *texts; /* [n] */
    size_t n;
    double *votes;        /* [n][criteria][judges][orders][repeats]: a score, or how much `text` has won; NAN: none. NULL: not judged */
    size_t (*states)[PT_VOTE_STATES]; /* [judges] */
    json_t *failures;     /* {judge: {why: how often}} */
    json_t *accounts;     /* {judge: what this side cost, as it says itself} */
} pt_judge_side;

/* Of rows with several answers by name: an item is two of a row's (judge_ratings.c). */
typedef struct pt_judge_pair {
    size_t a, b; /* of names */
} pt_judge_pair;
typedef struct pt_judge_named {
    const char *field; /* field_answers; NULL: rows have none */
    char **names;      /* [n] in the order in which rows name them */
    size_t n, cap;
    pt_judge_pair *pair; /* [items] */
    size_t pair_cap;
    pt_ratings ratings[2]; /* by side; n 0: not judged */
} pt_judge_named;

typedef struct pt_judge_state {
    pt_writing writing; /* first: pt_writing_ask finds it there */
    pt_judge_template template;
    char **judges, **criteria, **rubrics; /* criteria: none is said, one that is NULL */
    size_t n_judges, n_criteria, n_list;
    double low, high;
    int repeats, orders; /* of a judge; 2 of pairs */
    bool given;          /* the rows hold the answers; or a dialogue's transcripts are judged: */
    char **told;         /* [n_told] these, as lines WHO: TEXT; NULL: none */
    size_t n_told;
    const char *against; /* of pairs: "before", or the rows' field */
    pt_judge_named named;
    double *gold;        /* [items] */
    size_t gold_cap;
    pt_judge_side side[2];
    struct pt_report_parts parts[2];
    bool unequal;          /* scores: the two sides lack different votes. Then tests are of the texts that have votes on both: */
    size_t shared;         /* so many */
    double shared_score[2];
} pt_judge_state;

static inline size_t pt_judge_votes(const pt_judge_state *s) /* of one text */
{
    return s->n_criteria * s->n_judges * (size_t)(s->orders * s->repeats);
}
static inline size_t pt_judge_vote(const pt_judge_state *s, size_t text, size_t criterion, size_t judge, int order, int repeat)
{
    return (((text * s->n_criteria + criterion) * s->n_judges + judge) * (size_t)s->orders + (size_t)order) * (size_t)s->repeats + (size_t)repeat;
}
/* Of pairs that need both sides: the one that has the verdicts. */
static inline bool pt_judge_by_sides(const pt_judge_state *s)
{
    return s->template.pairs && !s->named.field && !strcmp(s->against, "before");
}

/* A value of the row, at a field or below it (a.b.c); a text. NULL: none. */
const json_t *pt_judge_value(const json_t *row, const char *path);
const char *pt_judge_field(const json_t *row, const char *path);
/* The row as an item, x empty and taken over; cluster: instead of the one that its keys say, NULL: that. PT_EFORMAT. */
pt_status pt_judge_add(pt_task *t, json_t *row, pt_write_item *x, const size_t *cluster);

/* ---- judge_ratings.c ---- */
pt_status pt_judge_named_check(const pt_task *t, const pt_judge_state *s);
/* Items of each two of the row's answers. PT_EFORMAT. */
pt_status pt_judge_named_add(pt_task *t, pt_judge_state *s, json_t *row);
void pt_judge_named_texts(const pt_judge_state *s, size_t item, const char **text, const char **other);
void pt_judge_named_free(pt_judge_named *x);
pt_status pt_judge_find_ratings(pt_task *t, pt_side side);
pt_status pt_judge_named_json(const pt_judge_state *s, json_t *o);
pt_status pt_judge_named_table(const pt_judge_state *s, pt_str *out);
/* Items from the transcripts of t->source, of t->side. */
pt_status pt_judge_hear(pt_task *t);
/* The row's score or preference of people. PT_EFORMAT. */
pt_status pt_judge_gold(const pt_task *t, const pt_judge_state *s, const json_t *row, double *out);
/* s->side[side].texts from the replies; of pairs by sides without the other ones. */
pt_status pt_judge_collect(pt_task *t, const pt_reply *replies, pt_side side);
/* What is asked of a text: by criterion and order (1: turned). Owned texts. PT_EFORMAT: a field that the row lacks. */
pt_status pt_judge_spell(const pt_judge_state *s, uint64_t seed, const pt_judge_text *x, size_t criterion, int order, pt_seal *seal, char **system, char **prompt);
/* Asks every judge for every vote of a side. */
pt_status pt_judge_vote_all(pt_task *t, const pt_voices *voices, pt_side side);
void pt_judge_side_free(pt_judge_side *x);

/* Rows of the table: scores, pairs; agreement of judges and with gold. */
pt_status pt_judge_find_scores(pt_task *t, pt_side side);
pt_status pt_judge_find_pairs(pt_task *t, pt_side side);
pt_status pt_judge_find_agreement(pt_task *t, pt_side side);
/* Mean of a text's votes, of one judge or (SIZE_MAX) of all; NAN: there is none. */
double pt_judge_mean(const pt_judge_state *s, pt_side side, size_t text, size_t judge);
/* A row that is no sum; NAN is shown as "undefined". */
pt_status pt_judge_put(pt_task *t, pt_side side, const char *metric, const char *label, pt_metric_form form, double value, double lo, double hi, size_t n, bool detail);
pt_status pt_judge_json(const pt_task *t, json_t *o);
pt_status pt_judge_table(const pt_task *t, const bool shown[2], pt_str *out);
#endif
