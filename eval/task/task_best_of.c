/* best_of: several samples to each prompt, a score for each, and from the best and the worst of them preference pairs and answers to learn from.
 *
 * A row: a question as for `text`; references, pattern, json, labels and slots as for `match` where score_by wants them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "data/read/record.h"
#include "eval/metric/tally.h"
#include "eval/metric/wanted.h"
#include "eval/task/best.h"
#include "eval/task/best_judge.h"

/* What a prompt adds to the sums. */
enum { FIRST, FIRST_N, MEAN, BEST, WORST, SCORED_N, MARGIN, PROMPTS, PAIRS, EQUAL, ANSWERS, EMPTY, AGAIN, MISSING, BEST_LENGTH, WORST_LENGTH, WIDTH };
/* What is made of them. */
enum { V_MEAN, V_FIRST, V_BEST, V_WORST, V_SPREAD, V_PAIRS, V_EQUAL, V_UNSCORED, V_MISSING, V_EMPTY, V_AGAIN, V_BEST_LENGTH, V_WORST_LENGTH, VALUES };

static const char *const metrics_by[] = {"model", "rouge_l_f", "rouge_l_recall", "rouge_1_f", "rouge_1_recall", "rouge_2_f", "rouge_2_recall", "rouge_lsum_f", "rouge_lsum_recall",
                                         "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "meteor", "exact_match", "normal_match", "contains_match", "token_f1", "pattern_match",
                                         "json_fields", "json_whole", "span_f1", "length", "length_ratio", "repeated_4grams", "stopped_share", NULL};
static const char *const ensembles[] = {"mean", "minimum", NULL}, *const wishes[] = {"auto", "higher", "lower", NULL};
enum { BY_MODEL };

typedef struct sides {
    double *score;  /* [prompts * n] NAN: none */
    pt_best *best;  /* [prompts] */
    size_t pairs, answers; /* lines written */
    bool written;
} sides;

typedef struct state {
    pt_writing writing; /* first: pt_writing_ask finds it there */
    char **scorers;     /* [n_scorers] names of models */
    size_t n_scorers;
    pt_judge_state *judge; /* the scorers are judges; NULL: reward models */
    int sign;           /* +1: more is better */
    sides side[2];
    struct pt_report_parts sums[2]; /* by side: of prompts */
} state;

static int samples(const pt_task *t)
{
    return pt_writing_repeats(t);
}

/* ---- opening ---- */

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    static const char *const names[] = {"references", "reference", "answer", "answers", "target", "gold", "response", "output", NULL};
    state *s = t->state;
    pt_write_item x = {0};
    pt_wanted *w = NULL;
    (void)source;
    pt_status rc = pt_writing_read(t, &s->writing, row, names, false, &x);
    if (rc == PT_OK && pt_task_word(t, "score_by") != BY_MODEL) rc = pt_wanted_read(row, pt_task_text(t, "pattern"), &w);
    x.extra = w;
    if (rc == PT_OK && s->judge) rc = pt_best_judge_try(t, s->judge, &x);
    if (rc == PT_OK) rc = pt_writing_add(t, &s->writing, &x);
    else pt_write_item_free(&x);
    if (rc != PT_OK) pt_wanted_free(w);
    return rc;
}

/* Keys that only judges take. */
static pt_status open_judges(pt_task *t, state *s)
{
    static const char *const own[] = {"low", "high", "judge_max_new_tokens", "judge_temperature"};
    if (pt_task_text(t, "template") && s->n_scorers) return pt_best_judge_open(t, s->scorers, s->n_scorers, &s->judge);
    if (pt_task_text(t, "template")) return pt_task_fail(t, "template goes with scorer: NAME, a judge");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (pt_entry_said(t->spec->options, t->spec->n_options, own[i])) return pt_task_fail(t, "%s goes with template: FILE, by which judges score", own[i]);
    return PT_OK;
}

/* More or less: as the entry says, else as the metric does; a model's scores are better high. */
static pt_status open_scores(pt_task *t, state *s)
{
    const int by = pt_task_word(t, "score_by"), wish = pt_task_word(t, "prefer");
    const int metric = by == BY_MODEL ? -1 : pt_metric_find(metrics_by[by]);
    PT_RETURN(pt_task_list(t, "scorer", &s->scorers, &s->n_scorers));
    if (by == BY_MODEL && !s->n_scorers) return pt_task_fail(t, "best_of wants scorer: NAME of a reward model among `models` (of a judge, with template), or score_by: METRIC");
    if (by != BY_MODEL && s->n_scorers) return pt_task_fail(t, "scorer: %s and score_by: %s both say what scores; keep one", s->scorers[0], metrics_by[by]);
    if (by != BY_MODEL && metric < 0) return pt_fail(PT_EINTERNAL, "best_of scores by %s, which is no metric", metrics_by[by]);
    if (s->n_scorers < 2 && pt_task_word(t, "ensemble")) return pt_task_fail(t, "ensemble goes with several models: scorer: [NAME, NAME]");
    s->sign = wish == 1 ? 1 : wish == 2 ? -1 : metric < 0 ? 1 : pt_metric_kind_at(metric)->better;
    return s->sign ? PT_OK : pt_task_fail(t, "score_by: %s says not whether more of it is better: add prefer: higher or lower", metrics_by[by]);
}

static pt_status open_best_of(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    PT_RETURN(open_scores(t, s));
    PT_RETURN(open_judges(t, s));
    PT_RETURN(pt_writing_open(t, &s->writing));
    if (samples(t) < 2) return pt_task_fail(t, "repeats: the best of one is that one: 2 samples at least");
    PT_RETURN(pt_writing_file_check(t, "pairs", pt_best_begins));
    PT_RETURN(pt_writing_file_check(t, "best", pt_best_begins));
    return pt_task_rows(t, add_row);
}

static void sides_free(sides *x)
{
    free(x->score);
    free(x->best);
    *x = (sides){0};
}

static void close_best_of(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    for (size_t i = 0; i < t->items; i++) pt_wanted_free((void *)s->writing.items[i].extra);
    pt_writing_free(t, &s->writing);
    pt_best_judge_free(s->judge);
    for (size_t i = 0; i < s->n_scorers; i++) free(s->scorers[i]);
    free(s->scorers);
    for (int k = 0; k < 2; k++) {
        sides_free(&s->side[k]);
        pt_report_parts_free(&s->sums[k]);
    }
    free(s);
}

static pt_status ask_best_of(pt_task *t, const pt_speller *speller, pt_requests *q)
{
    state *s = t->state;
    PT_RETURN(pt_writing_ask(t, speller, q));
    for (size_t i = 0; i < t->items; i++)
        if (s->writing.items[i].extra) PT_RETURN(pt_wanted_split((void *)s->writing.items[i].extra, s->writing.units));
    return PT_OK;
}

/* ---- scores ---- */

static bool blank(const pt_reply *r)
{
    return !r->text || pt_text_blank(r->text, strlen(r->text));
}

/* What a side's samples are, and room for their scores. Free item and reply. */
static pt_status take_samples(pt_task *t, state *s, const pt_reply *replies, pt_side side, const pt_write_item ***item, const pt_reply ***reply, size_t *n)
{
    sides *x = &s->side[side];
    PT_RETURN(pt_writing_answers(t, &s->writing, replies, item, reply, n));
    if (x->score) return PT_OK;
    PT_RETURN(pt_alloc0(&x->score, *n));
    for (size_t i = 0; i < *n; i++) x->score[i] = NAN;
    return PT_OK;
}

/* The item's conversation; of one without turns in two messages of its own. */
static size_t turns_of(const pt_write_item *x, pt_message own[2], const pt_message **out)
{
    size_t n = 0;
    *out = x->turns ? x->turns : own;
    if (x->turns) return x->n_turns;
    if (x->system && *x->system) own[n++] = (pt_message){.speaker = PT_SYSTEM, .text = x->system, .bytes = strlen(x->system)};
    own[n++] = (pt_message){.speaker = PT_USER, .text = x->prompt, .bytes = strlen(x->prompt)};
    return n;
}

/* One model's scores into those of an ensemble: of each answer that all of them have scored. */
static void fold(const state *s, const size_t *at, const double *value, size_t n, bool first, bool least, double *score)
{
    for (size_t i = 0; i < n; i++) {
        double *to = &score[at[i]], v = isfinite(value[i]) ? value[i] : NAN;
        if (first) *to = least ? v : v / (double)s->n_scorers;
        else if (least) *to = isnan(*to) || isnan(v) ? NAN : v < *to ? v : *to;
        else *to += v / (double)s->n_scorers;
    }
}

/* Empty answers say nothing that could be scored. */
static pt_status ask_scorers(pt_task *t, state *s, const pt_voices *voices, const pt_write_item **item, const pt_reply **reply, size_t n, double *score)
{
    pt_status rc = PT_OK;
    pt_talk *talks = NULL;
    pt_message(*own)[2] = NULL;
    const char **answers = NULL;
    double *value = NULL;
    size_t *at = NULL, m = 0;
    PT_TRY(pt_alloc0(&talks, n));
    PT_TRY(pt_alloc0(&own, n));
    PT_TRY(pt_alloc0(&answers, n));
    PT_TRY(pt_alloc0(&value, n));
    PT_TRY(pt_alloc0(&at, n));
    for (size_t i = 0; i < n; i++) {
        if (blank(reply[i])) continue;
        talks[m].n = turns_of(item[i], own[m], &talks[m].turns);
        answers[m] = reply[i]->text;
        at[m++] = i;
    }
    for (size_t k = 0; k < s->n_scorers; k++) {
        pt_voice *v;
        PT_TRY(pt_voices_find(voices, s->scorers[k], &v));
        PT_CHECK(v->score, PT_EARG, "scorer: %s gives no scores: a reward model does", s->scorers[k]);
        PT_TRY(v->score(v, talks, answers, m, value));
        fold(s, at, value, m, k == 0, pt_task_word(t, "ensemble") == 1, score);
    }
done:
    free(talks);
    free(own);
    free(answers);
    free(value);
    free(at);
    if (rc == PT_EARG) return pt_task_fail(t, "%s", pt_err_msg());
    return rc;
}

/* Judges' verdicts of one side. */
static pt_status ask_judges(pt_task *t, state *s, const pt_reply *replies, const pt_voices *voices, size_t n, pt_side side, double *score)
{
    pt_status rc = PT_OK;
    size_t *at = NULL, m = 0;
    double *value = NULL;
    PT_TRY(pt_alloc0(&at, n));
    PT_TRY(pt_alloc0(&value, n));
    PT_TRY(pt_best_judge_ask(t, s->judge, &s->writing, replies, voices, side, at, &m));
    for (size_t k = 0; k < s->n_scorers; k++) {
        for (size_t i = 0; i < m; i++) value[i] = pt_judge_mean(s->judge, side, i, k);
        fold(s, at, value, m, k == 0, pt_task_word(t, "ensemble") == 1, score);
    }
done:
    free(at);
    free(value);
    return rc;
}

static pt_status meet_best_of(const pt_task *t, pt_meetings *m)
{
    const state *s = t->state;
    const int64_t context = (int64_t)(pt_task_text(t, "context") ? pt_task_number(t, "context") : s->judge ? 4096 : 1024);
    const int64_t verdicts = s->judge ? pt_task_asked(t) * samples(t) : 1;
    for (size_t k = 0; k < s->n_scorers; k++) PT_RETURN(pt_meet(t, m, s->scorers[k], context, verdicts, s->judge ? PT_MEET_TEXT : PT_MEET_SCORE));
    return PT_OK;
}

static pt_status talk_best_of(pt_task *t, const pt_reply *replies, const pt_voices *voices, pt_side side)
{
    state *s = t->state;
    const pt_write_item **item = NULL;
    const pt_reply **reply = NULL;
    size_t n = 0;
    sides_free(&s->side[side]);
    if (!s->n_scorers) return PT_OK;
    pt_status rc = take_samples(t, s, replies, side, &item, &reply, &n);
    double *score = s->side[side].score;
    if (rc == PT_OK) rc = s->judge ? ask_judges(t, s, replies, voices, n, side, score) : ask_scorers(t, s, voices, item, reply, n, score);
    free(item);
    free(reply);
    return rc;
}

/* A metric of one answer. */
static pt_status measure_one(pt_task *t, const state *s, const pt_write_item *x, const pt_reply *r, const pt_metric_kind *kind, double *out)
{
    pt_status rc = PT_OK;
    pt_words said = {0}, *references = NULL;
    double sums[PT_METRIC_SUMS] = {0};
    const pt_eval_answer a = {.role = "", .references = (const char *const *)x->references, .n_references = x->n_references, .answer = r->text, .stopped = r->stopped,
                              .wanted = x->extra};
    PT_TRY(pt_alloc0(&references, x->n_references));
    PT_TRY(pt_words_split(&t->report.book, s->writing.units, r->text, &said));
    for (size_t k = 0; k < x->n_references; k++) PT_TRY(pt_words_split(&t->report.book, s->writing.units, x->references[k], &references[k]));
    const pt_metric_row row = {.answer = &a, .words = &said, .references = references, .book = &t->report.book, .units = s->writing.units, .self_bleu = NAN};
    PT_TRY(kind->row(&row, sums));
    *out = kind->of_sums ? kind->of_sums(sums) : sums[1] > 0 ? sums[0] / sums[1] : NAN;
done:
    for (size_t k = 0; references && k < x->n_references; k++) pt_words_free(&references[k]);
    free(references);
    pt_words_free(&said);
    return rc;
}

static pt_status measure_scores(pt_task *t, const state *s, const pt_write_item **item, const pt_reply **reply, size_t n, double *score)
{
    const pt_metric_kind *kind = pt_metric_kind_at(pt_metric_find(metrics_by[pt_task_word(t, "score_by")]));
    for (size_t i = 0; i < n; i++)
        if (!blank(reply[i])) PT_RETURN(measure_one(t, s, item[i], reply[i], kind, &score[i]));
    return PT_OK;
}

/* ---- what the samples of a prompt come to ---- */

static double length_of(const pt_task *t, pt_side side, size_t row)
{
    return (double)t->report.parts[side].said[row].n;
}

static void add_prompt(const pt_task *t, const pt_best *b, const pt_reply *const *reply, const double *score, size_t row, pt_side side, double *sums)
{
    const int n = samples(t);
    sums[PROMPTS] = 1;
    sums[ANSWERS] = n;
    for (int i = 0; i < n; i++) {
        bool again = false;
        sums[EMPTY] += blank(reply[i]);
        sums[MISSING] += !isfinite(score[i]);
        for (int k = 0; k < i && !again && !blank(reply[i]); k++) again = !blank(reply[k]) && !strcmp(reply[i]->text, reply[k]->text);
        sums[AGAIN] += again;
    }
    if (!isnan(b->first)) sums[FIRST] = b->first, sums[FIRST_N] = 1;
    if (b->best < 0) return;
    sums[SCORED_N] = 1;
    sums[MEAN] = b->mean;
    sums[BEST] = b->most;
    sums[WORST] = b->least;
    sums[MARGIN] = b->margin;
    sums[EQUAL] = !(b->margin > 0);
    sums[PAIRS] = b->pair;
    sums[BEST_LENGTH] = b->pair ? length_of(t, side, row + (size_t)b->best) : 0;
    sums[WORST_LENGTH] = b->pair ? length_of(t, side, row + (size_t)b->worst) : 0;
}

static double share(double part, double of)
{
    return of > 0 ? part / of : NAN;
}

static void values(const void *user, const double *sums, double *out)
{
    (void)user;
    out[V_MEAN] = share(sums[MEAN], sums[SCORED_N]);
    out[V_FIRST] = share(sums[FIRST], sums[FIRST_N]);
    out[V_BEST] = share(sums[BEST], sums[SCORED_N]);
    out[V_WORST] = share(sums[WORST], sums[SCORED_N]);
    out[V_SPREAD] = share(sums[MARGIN], sums[SCORED_N]);
    out[V_PAIRS] = share(sums[PAIRS], sums[PROMPTS]);
    out[V_EQUAL] = share(sums[EQUAL], sums[PROMPTS]);
    out[V_UNSCORED] = share(sums[PROMPTS] - sums[SCORED_N], sums[PROMPTS]);
    out[V_MISSING] = share(sums[MISSING], sums[ANSWERS]);
    out[V_EMPTY] = share(sums[EMPTY], sums[ANSWERS]);
    out[V_AGAIN] = share(sums[AGAIN], sums[ANSWERS]);
    out[V_BEST_LENGTH] = share(sums[BEST_LENGTH], sums[PAIRS]);
    out[V_WORST_LENGTH] = share(sums[WORST_LENGTH], sums[PAIRS]);
}

static const struct value {
    const char *metric, *label;
    pt_metric_form form;
} names[VALUES] = {
    [V_MEAN] = {"score_mean", "score, mean of the samples", PT_FORM_SCORE},
    [V_FIRST] = {"score_first", "score of the first sample", PT_FORM_SCORE},
    [V_BEST] = {"score_best", "score of the best sample", PT_FORM_SCORE},
    [V_WORST] = {"score_worst", "score of the worst sample", PT_FORM_SCORE},
    [V_SPREAD] = {"score_spread", "best less worst", PT_FORM_SCORE},
    [V_PAIRS] = {"pair_share", "prompts that give a pair", PT_FORM_SHARE},
    [V_EQUAL] = {"equal_share", "prompts with equal scores", PT_FORM_SHARE},
    [V_UNSCORED] = {"unscored_share", "prompts without a score", PT_FORM_SHARE},
    [V_MISSING] = {"missing_share", "answers without a score", PT_FORM_SHARE},
    [V_EMPTY] = {"empty_share", "empty answers", PT_FORM_SHARE},
    [V_AGAIN] = {"again_share", "answers said before to the prompt", PT_FORM_SHARE},
    [V_BEST_LENGTH] = {"length_best", "length of the pairs' best", PT_FORM_SCORE},
    [V_WORST_LENGTH] = {"length_worst", "length of the pairs' worst", PT_FORM_SCORE},
};

static pt_status find_rows(pt_task *t, state *s, pt_side side)
{
    pt_status rc = PT_OK;
    pt_tally_row *rows = NULL;
    PT_TRY(pt_alloc0(&rows, VALUES));
    for (size_t k = 0; k < VALUES; k++) {
        rows[k].form = names[k].form;
        PT_TRY(pt_strdup(&rows[k].metric, names[k].metric));
        PT_TRY(pt_strdup(&rows[k].label, names[k].label));
    }
    const pt_tally tally = {.width = WIDTH, .values = VALUES, .value = values, .side = {&s->sums[0], &s->sums[1]}};
    PT_TRY(pt_tally_find(&tally, side, rows, t->scopes, t->n_scopes, t->seed, &t->findings));
done:
    if (rows) pt_tally_rows_free(rows, VALUES);
    return rc;
}

/* Best and worst of each prompt, and their sums. */
static pt_status find_best(pt_task *t, state *s, pt_side side, const pt_write_item *const *item, const pt_reply *const *reply, size_t n)
{
    sides *x = &s->side[side];
    struct pt_report_parts *sums = &s->sums[side];
    const size_t each = (size_t)samples(t), prompts = n / each;
    pt_report_parts_free(sums);
    PT_RETURN(pt_alloc0(&x->best, prompts));
    PT_RETURN(pt_alloc0(&sums->of, prompts * WIDTH));
    PT_RETURN(pt_alloc0(&sums->role, prompts));
    PT_RETURN(pt_alloc0(&sums->cluster, prompts));
    sums->n = prompts;
    for (size_t i = 0; i < prompts; i++) {
        x->best[i] = pt_best_find(x->score + i * each, (int)each, s->sign, pt_task_number(t, "min_margin"));
        sums->role[i] = item[i * each]->scope;
        sums->cluster[i] = item[i * each]->cluster;
        add_prompt(t, &x->best[i], reply + i * each, x->score + i * each, i * each, side, sums->of + i * WIDTH);
    }
    return PT_OK;
}

/* ---- what is learnt from ---- */

static pt_status write_file(const pt_task *t, const char *key, const pt_best_samples *b, pt_status (*lines)(const pt_task *, const pt_best_samples *, const char *, pt_str *, size_t *),
                            size_t *n)
{
    pt_status rc = PT_OK;
    pt_str text = {0}, path = {0};
    if (!pt_task_text(t, key)) return PT_OK;
    PT_TRY(lines(t, b, t->report.name[PT_AFTER], &text, n));
    PT_TRY(pt_writing_file_path(t, pt_task_text(t, key), &path));
    PT_TRY(pt_file_write_whole(path.text, text.text ? text.text : "", text.len));
    if (!*n) pt_log(PT_LOG_WARN, "%s: %s is empty: no prompt gave a %s", t->spec->name ? t->spec->name : t->kind->name, path.text, key[0] == 'p' ? "pair" : "good answer");
done:
    pt_str_free(&text);
    pt_str_free(&path);
    return rc;
}

static pt_status write_files(pt_task *t, state *s, const pt_write_item *const *item, const pt_reply *const *reply)
{
    sides *x = &s->side[PT_AFTER];
    const pt_best_samples b = {.item = item, .reply = reply, .score = x->score, .best = x->best, .prompts = s->sums[PT_AFTER].n, .n = samples(t), .sign = s->sign,
                               .enough = pt_task_text(t, "min_score") ? pt_task_number(t, "min_score") : NAN, .seed = pt_writing_sampling(t).seed};
    PT_RETURN(write_file(t, "pairs", &b, pt_best_pairs, &x->pairs));
    PT_RETURN(write_file(t, "best", &b, pt_best_answers, &x->answers));
    x->written = true;
    return PT_OK;
}

static pt_status judge_best_of(pt_task *t, const pt_reply *replies, pt_side side)
{
    pt_status rc = PT_OK;
    state *s = t->state;
    const pt_write_item **item = NULL;
    const pt_reply **reply = NULL;
    size_t n = 0;
    PT_TRY(pt_writing_judge(t, replies, side));
    if (!s->n_scorers) sides_free(&s->side[side]);
    PT_TRY(take_samples(t, s, replies, side, &item, &reply, &n));
    if (!s->n_scorers) PT_TRY(measure_scores(t, s, item, reply, n, s->side[side].score));
    PT_TRY(find_best(t, s, side, item, reply, n));
    PT_TRY(find_rows(t, s, side));
    if (side == PT_AFTER) PT_TRY(write_files(t, s, item, reply));
done:
    free(item);
    free(reply);
    return rc;
}

/* ---- what is shown ---- */

static const char *const side_names[2] = {"before", "after"};

static pt_status table_best_of(const pt_task *t, const bool shown[2], pt_str *out)
{
    const state *s = t->state;
    for (int k = 0; k < 2; k++) {
        const struct pt_report_parts *p = &s->sums[k];
        double sums[WIDTH] = {0};
        if (!shown[k] || !p->n) continue;
        for (size_t i = 0; i < p->n * WIDTH; i++) sums[i % WIDTH] += p->of[i];
        PT_RETURN(pt_str_printf(out, "%s: %.0f of %.0f prompts give a pair; %.0f have equal scores, %.0f no score\n", side_names[k], sums[PAIRS], sums[PROMPTS], sums[EQUAL],
                                sums[PROMPTS] - sums[SCORED_N]));
    }
    return PT_OK;
}

/* "best_of": {side: {"prompts", "samples", "pairs", "equal", "unscored", "too_close", of judges "failures", "accounts"}, "written": {"pairs": lines, "best": lines}} */
static pt_status json_best_of(const pt_task *t, json_t *o)
{
    const state *s = t->state;
    PT_RETURN(pt_writing_json(t, o));
    json_t *all = json_object(), *written = json_object();
    bool good = all && written;
    for (int k = 0; k < 2 && good; k++) {
        const struct pt_report_parts *p = &s->sums[k];
        double sums[WIDTH] = {0};
        if (!p->n) continue;
        for (size_t i = 0; i < p->n * WIDTH; i++) sums[i % WIDTH] += p->of[i];
        const long long prompts = (long long)sums[PROMPTS], scored = (long long)sums[SCORED_N], pairs = (long long)sums[PAIRS], equal = (long long)sums[EQUAL];
        good = json_object_set_new(all, side_names[k],
                                   json_pack("{s:I, s:i, s:I, s:I, s:I, s:I}", "prompts", prompts, "samples", samples(t), "pairs", pairs, "equal", equal, "unscored", prompts - scored,
                                             "too_close", scored - equal - pairs)) == 0;
    }
    if (good && s->side[PT_AFTER].written && pt_task_text(t, "pairs")) good = json_object_set_new(written, "pairs", json_integer((json_int_t)s->side[PT_AFTER].pairs)) == 0;
    if (good && s->side[PT_AFTER].written && pt_task_text(t, "best")) good = json_object_set_new(written, "best", json_integer((json_int_t)s->side[PT_AFTER].answers)) == 0;
    for (int k = 0; k < 2 && good && s->judge; k++) {
        const pt_judge_side *x = &s->judge->side[k];
        json_t *of = json_object_get(all, side_names[k]);
        if (of && x->failures && json_object_size(x->failures)) good = json_object_set(of, "failures", x->failures) == 0;
        if (good && of && x->accounts) good = json_object_set(of, "accounts", x->accounts) == 0;
    }
    good = good && json_object_set(all, "written", written) == 0 && json_object_set(o, "best_of", all) == 0;
    json_decref(written);
    json_decref(all);
    return good ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static const pt_task_key keys[] = {
    PT_WRITING_KEYS_OF("8", 2, "0.8"),
    {.name = "scorer", .kind = PT_TASK_LIST, .help = "The model among `models` that scores the samples: a reward model, or with `template` a judge; a list of several is an ensemble."},
    {.name = "ensemble", .kind = PT_TASK_WORD, .fallback = "mean", .words = ensembles, .help = "Of several: the mean of their scores, or the lowest."},
    {.name = "context", .kind = PT_TASK_WHOLE, .min = 8, .max = 16777216,
     .help = "Tokens of what a scorer in memory reads, a prompt with an answer (with a judge's reply), at most; what is longer has no score. Unset: 1024, of judges 4096."},
    PT_BEST_JUDGE_KEYS,
    {.name = "score_by", .kind = PT_TASK_WORD, .fallback = "model", .words = metrics_by, .help = "Instead of a model: a metric of one answer, against the row's references, pattern and so on."},
    {.name = "prefer", .kind = PT_TASK_WORD, .fallback = "auto", .words = wishes, .help = "Which score is better. auto: a model's higher one, a metric's as it is meant."},
    {.name = "pattern", .kind = PT_TASK_TEXT, .help = "score_by: pattern_match: a POSIX extended regular expression, of rows without one."},
    {.name = "min_margin", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 1e15, .help = "A pair's scores differ by at least this. 0: by anything."},
    {.name = "min_score", .kind = PT_TASK_NUMBER, .min = -1e15, .max = 1e15, .help = "best: an answer's score is at least this (at most, where less is better). Unset: any."},
    {.name = "pairs", .kind = PT_TASK_FILE, .written = true, .help = "A JSON Lines file for the pairs, best against worst with their margin, of the tuned model: datasets of type preference."},
    {.name = "best", .kind = PT_TASK_FILE, .written = true, .help = "One for the best answers, likewise: data sets of type messages."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "length"}, {.key = "stopped_share"}, {.key = "repeated_4grams"}, {.key = "distinct_1"}, {.key = "distinct_2"}, {.key = "rouge_l_f"},
                                         {.key = NULL}};
const pt_task_kind pt_task_kind_best_of = {.name = "best_of", .help = "Several samples to each prompt, scored: the best and the worst are pairs to learn from.", .keys = keys,
                                           .metrics = metrics, .open = open_best_of, .ask = ask_best_of, .meet = meet_best_of, .talk = talk_best_of, .judge = judge_best_of, .json = json_best_of,
                                           .table = table_best_of, .close = close_best_of};
