#include "eval/text/bleu.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/text/textstats.h"

enum { LENGTH, CLOSEST, SHARED, ALL = SHARED + PT_BLEU_ORDER };

static size_t apart(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

/* n-grams of one order that the answer shares with its references. */
static pt_status add_order(const pt_words *answer, const pt_words *references, size_t n, size_t order, double *sums)
{
    pt_status rc = PT_OK;
    pt_ngrams said, other;
    size_t *most = NULL;
    pt_ngrams_init(&said, order);
    pt_ngrams_init(&other, order);
    PT_TRY(pt_ngrams_add(&said, answer));
    PT_TRY(pt_alloc0(&most, said.distinct));
    for (size_t r = 0; r < n; r++) {
        pt_ngrams_free(&other);
        PT_TRY(pt_ngrams_add(&other, &references[r]));
        for (size_t i = 0; i < said.distinct; i++) {
            size_t there = pt_ngrams_count(&other, said.gram + i * order);
            if (there > most[i]) most[i] = there;
        }
    }
    for (size_t i = 0; i < said.distinct; i++) sums[SHARED + order - 1] += (double)(most[i] < said.count[i] ? most[i] : said.count[i]);
    sums[ALL + order - 1] += (double)said.total;
done:
    free(most);
    pt_ngrams_free(&said);
    pt_ngrams_free(&other);
    return rc;
}

pt_status pt_bleu_add(const pt_words *answer, const pt_words *references, size_t n, double sums[PT_BLEU_SUMS])
{
    if (!n) return pt_fail(PT_EARG, "BLEU without a reference");
    size_t closest = references[0].n;
    for (size_t r = 1; r < n; r++) {
        size_t now = apart(references[r].n, answer->n), best = apart(closest, answer->n);
        if (now < best || (now == best && references[r].n < closest)) closest = references[r].n;
    }
    sums[LENGTH] += (double)answer->n;
    sums[CLOSEST] += (double)closest;
    for (size_t order = 1; order <= PT_BLEU_ORDER; order++) PT_RETURN(add_order(answer, references, n, order, sums));
    return PT_OK;
}

static double brevity(const double *sums)
{
    if (sums[LENGTH] >= sums[CLOSEST] && sums[LENGTH] > 0) return 1;
    return sums[LENGTH] > 0 ? exp(1 - sums[CLOSEST] / sums[LENGTH]) : 0;
}

double pt_bleu_corpus(const double *sums)
{
    double logs = 0, half = 1;
    bool any = false;
    for (int n = 0; n < PT_BLEU_ORDER; n++) any = any || sums[SHARED + n] > 0;
    if (!any) return 0;
    for (int n = 0; n < PT_BLEU_ORDER; n++) {
        if (sums[ALL + n] == 0) return 0; /* all answers are shorter than that */
        if (sums[SHARED + n] == 0) half *= 2;
        logs += log(sums[SHARED + n] > 0 ? 100 * sums[SHARED + n] / sums[ALL + n] : 100 / (half * sums[ALL + n]));
    }
    return brevity(sums) * exp(logs / PT_BLEU_ORDER);
}

double pt_bleu_sentence(const double *sums, int order, pt_bleu_smoothing smoothing)
{
    double logs = 0;
    if (sums[SHARED] == 0) return 0;
    for (int n = 0; n < order; n++) {
        double shared = sums[SHARED + n], all = sums[ALL + n] > 0 ? sums[ALL + n] : 1, p = shared / all;
        if (smoothing == PT_BLEU_EPSILON && shared == 0) p = 0.1 / all;
        else if (smoothing == PT_BLEU_ADD_ONE && n) p = (shared + 1) / (all + 1);
        else if (shared == 0) p = DBL_MIN; /* as nltk: all but 0 */
        logs += log(p) / order;
    }
    return brevity(sums) * exp(logs);
}

/* ---- each against all others ---- */

/* The two highest counts of a gram in one answer: the others of whoever has the highest have the second. */
typedef struct peak {
    size_t first, second, holder;
} peak;

static pt_status peaks_of(const pt_words *const *answers, size_t n, size_t order, pt_ngrams *all, peak **out)
{
    pt_status rc = PT_OK;
    pt_ngrams one;
    pt_ngrams_init(&one, order);
    for (size_t i = 0; i < n; i++) PT_TRY(pt_ngrams_add(all, answers[i]));
    PT_TRY(pt_alloc0(out, all->distinct));
    for (size_t i = 0; i < n; i++) {
        pt_ngrams_free(&one);
        PT_TRY(pt_ngrams_add(&one, answers[i]));
        for (size_t k = 0; k < one.distinct; k++) {
            peak *p = *out + (pt_ngrams_at(all, one.gram + k * order) - all->count);
            if (one.count[k] > p->first) *p = (peak){one.count[k], p->first, i};
            else if (one.count[k] > p->second) p->second = one.count[k];
        }
    }
done:
    pt_ngrams_free(&one);
    return rc;
}

static pt_status self_order(const pt_words *const *answers, size_t n, size_t order, double *sums)
{
    pt_status rc = PT_OK;
    pt_ngrams all, one;
    peak *peaks = NULL;
    pt_ngrams_init(&all, order);
    pt_ngrams_init(&one, order);
    PT_TRY(peaks_of(answers, n, order, &all, &peaks));
    for (size_t i = 0; i < n; i++, sums += PT_BLEU_SUMS) {
        pt_ngrams_free(&one);
        PT_TRY(pt_ngrams_add(&one, answers[i]));
        sums[ALL + order - 1] = (double)one.total;
        for (size_t k = 0; k < one.distinct; k++) {
            const peak *p = peaks + (pt_ngrams_at(&all, one.gram + k * order) - all.count);
            size_t there = p->holder == i ? p->second : p->first;
            sums[SHARED + order - 1] += (double)(there < one.count[k] ? there : one.count[k]);
        }
    }
done:
    free(peaks);
    pt_ngrams_free(&all);
    pt_ngrams_free(&one);
    return rc;
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The length closest to `length` in sorted[n] (n > 1), which holds it once too often: itself. */
static size_t closest_other(const size_t *sorted, size_t n, size_t length)
{
    size_t lo = 0, hi = n, best;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (sorted[mid] < length) lo = mid + 1;
        else hi = mid;
    }
    if (lo + 1 < n && sorted[lo + 1] == length) return length;
    best = lo ? sorted[lo - 1] : sorted[lo + 1];
    if (lo + 1 < n && apart(sorted[lo + 1], length) < apart(best, length)) best = sorted[lo + 1];
    return best;
}

pt_status pt_bleu_self(const pt_words *const *answers, size_t n, double *out)
{
    pt_status rc = PT_OK;
    double *sums = NULL;
    size_t *lengths = NULL;
    for (size_t i = 0; i < n; i++) out[i] = NAN;
    if (n < 2) return PT_OK;
    PT_TRY(pt_alloc0(&sums, n * PT_BLEU_SUMS));
    PT_TRY(pt_alloc0(&lengths, n));
    for (size_t i = 0; i < n; i++) lengths[i] = answers[i]->n;
    qsort(lengths, n, sizeof *lengths, by_size);
    for (size_t order = 1; order <= PT_BLEU_ORDER; order++) PT_TRY(self_order(answers, n, order, sums));
    for (size_t i = 0; i < n; i++) {
        sums[i * PT_BLEU_SUMS + LENGTH] = (double)answers[i]->n;
        sums[i * PT_BLEU_SUMS + CLOSEST] = (double)closest_other(lengths, n, answers[i]->n);
        out[i] = pt_bleu_sentence(sums + i * PT_BLEU_SUMS, PT_BLEU_ORDER, PT_BLEU_EPSILON);
    }
done:
    free(sums);
    free(lengths);
    return rc;
}
