/* Answers that are right or wrong: against references (exactly, in SQuAD's normal form), by a pattern, field by field, span by span. Of several references the best one. */
#include <math.h>
#include <string.h>

#include "eval/metric/metric.h"
#include "eval/text/squad.h"
#include "eval/metric/wanted.h"

enum { EXACT, NORMAL, CONTAINS, TOKENS };

static bool same_text(const char *a, const char *b)
{
    const char *space = " \t\r\n\v\f";
    size_t n = strlen(a += strspn(a, space)), m = strlen(b += strspn(b, space));
    while (n && strchr(space, a[n - 1])) n--;
    while (m && strchr(space, b[m - 1])) m--;
    return n == m && !memcmp(a, b, n);
}

/* needle, whole words of it. */
static bool holds(const char *text, const char *needle)
{
    size_t n = strlen(needle);
    for (const char *p = n ? strstr(text, needle) : NULL; p; p = strstr(p + 1, needle))
        if ((p == text || p[-1] == ' ') && (!p[n] || p[n] == ' ')) return true;
    return !n && !*text;
}

static pt_status compare(const pt_metric_row *r, int how, const char *reference, double *out)
{
    pt_status rc = PT_OK;
    pt_str said = {0}, wanted = {0};
    if (how == EXACT) {
        *out = same_text(r->answer->answer, reference);
        return PT_OK;
    }
    PT_TRY(pt_squad_normal(r->units, r->answer->answer, &said));
    PT_TRY(pt_squad_normal(r->units, reference, &wanted));
    if (how == NORMAL) *out = !strcmp(said.text, wanted.text);
    else if (how == CONTAINS) *out = holds(said.text, wanted.text);
    else PT_TRY(pt_squad_f1(said.text, wanted.text, out));
done:
    pt_str_free(&said);
    pt_str_free(&wanted);
    return rc;
}

static pt_status best(const pt_metric_row *r, int how, double *sums)
{
    double most = 0, one;
    if (!r->words || !r->answer->n_references) return PT_OK;
    for (size_t k = 0; k < r->answer->n_references; k++) {
        PT_RETURN(compare(r, how, r->answer->references[k], &one));
        if (one > most) most = one;
    }
    sums[0] += most;
    sums[1]++;
    return PT_OK;
}
static pt_status exact_row(const pt_metric_row *r, double *sums)
{
    return best(r, EXACT, sums);
}
static pt_status normal_row(const pt_metric_row *r, double *sums)
{
    return best(r, NORMAL, sums);
}
static pt_status contains_row(const pt_metric_row *r, double *sums)
{
    return best(r, CONTAINS, sums);
}
static pt_status tokens_row(const pt_metric_row *r, double *sums)
{
    return best(r, TOKENS, sums);
}

static pt_status pattern_row(const pt_metric_row *r, double *sums)
{
    const pt_wanted *w = r->answer->wanted;
    if (!r->words || !w || !w->has_pattern) return PT_OK;
    sums[0] += pt_wanted_matched(w, r->answer->answer);
    sums[1]++;
    return PT_OK;
}

/* ---- JSON ---- */

static bool fields(const pt_metric_row *r, pt_wanted_fields *f)
{
    const pt_wanted *w = r->answer->wanted;
    if (!r->words || !w || !w->fields) return false;
    pt_wanted_compare(w, r->answer->answer, f, NULL);
    return true;
}
static pt_status unread_row(const pt_metric_row *r, double *sums)
{
    pt_wanted_fields f;
    if (!fields(r, &f)) return PT_OK;
    sums[0] += !f.read;
    sums[1]++;
    return PT_OK;
}
static pt_status field_row(const pt_metric_row *r, double *sums)
{
    pt_wanted_fields f;
    if (!fields(r, &f)) return PT_OK;
    sums[0] += (double)f.right;
    sums[1] += (double)f.n;
    return PT_OK;
}
static pt_status whole_row(const pt_metric_row *r, double *sums)
{
    pt_wanted_fields f;
    if (!fields(r, &f)) return PT_OK;
    sums[0] += f.right == f.n;
    sums[1]++;
    return PT_OK;
}

/* ---- spans: {found and wanted, found, wanted, rows} ---- */

enum { BOTH, FOUND, WANTED, ROWS, SPAN_SUMS };

static pt_status span_row(const pt_metric_row *r, double *sums)
{
    const pt_wanted *w = r->answer->wanted;
    pt_spans s = {0};
    bool read;
    if (!r->words || !w || !(w->labels || w->slots)) return PT_OK;
    pt_status rc = pt_wanted_find(w, r->units, r->answer->answer, &s, &read);
    for (size_t i = 0; rc == PT_OK && i < s.n; i++) sums[BOTH] += pt_spans_have(&w->spans, &s.list[i]);
    sums[FOUND] += (double)s.n;
    sums[WANTED] += (double)w->spans.n;
    sums[ROWS]++;
    pt_spans_free(&s);
    return rc;
}
static double precision(const double *sums)
{
    return sums[ROWS] > 0 ? sums[FOUND] > 0 ? sums[BOTH] / sums[FOUND] : 0 : NAN;
}
static double recall(const double *sums)
{
    return sums[ROWS] > 0 ? sums[WANTED] > 0 ? sums[BOTH] / sums[WANTED] : 0 : NAN;
}
static double f1(const double *sums)
{
    return sums[ROWS] > 0 ? sums[FOUND] + sums[WANTED] > 0 ? 2 * sums[BOTH] / (sums[FOUND] + sums[WANTED]) : 0 : NAN;
}
static pt_status span_unread_row(const pt_metric_row *r, double *sums)
{
    const pt_wanted *w = r->answer->wanted;
    pt_spans s = {0};
    bool read = false;
    if (!r->words || !w || !(w->labels || w->slots)) return PT_OK;
    pt_status rc = pt_wanted_find(w, r->units, r->answer->answer, &s, &read);
    sums[0] += !read;
    sums[1]++;
    pt_spans_free(&s);
    return rc;
}

#define SHARE(name, key_, label_, better_, row_)                                                                                                     \
    const pt_metric_kind pt_metric_kind_##name = {.key = key_, .label = label_, .form = PT_FORM_SHARE, .better = better_, .of_task = true, .row = row_}
SHARE(exact_match, "exact_match", "exactly a reference", 1, exact_row);
SHARE(normal_match, "normal_match", "a reference in normal form (SQuAD EM)", 1, normal_row);
SHARE(contains_match, "contains_match", "holds a reference in normal form", 1, contains_row);
SHARE(token_f1, "token_f1", "token F1 (SQuAD)", 1, tokens_row);
SHARE(pattern_match, "pattern_match", "the pattern is found", 1, pattern_row);
SHARE(json_unread, "json_parse_failures", "answers without a JSON object", -1, unread_row);
SHARE(json_fields, "json_fields", "JSON fields that are right", 1, field_row);
SHARE(json_whole, "json_whole", "answers with all fields right", 1, whole_row);
SHARE(span_unread, "span_parse_failures", "answers of other form or length", -1, span_unread_row);
#define SPANS(name, label_, value)                                                                                                                   \
    const pt_metric_kind pt_metric_kind_##name = {.key = #name, .label = label_, .form = PT_FORM_SHARE, .better = 1, .of_task = true, .row = span_row,  \
                                                  .sums = SPAN_SUMS, .of_sums = value}
SPANS(span_precision, "spans found that are wanted", precision);
SPANS(span_recall, "spans wanted that are found", recall);
SPANS(span_f1, "F1 of both", f1);
