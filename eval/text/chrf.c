#include "eval/text/chrf.h"

#include <string.h>

#include "eval/text/textstats.h"

double pt_chrf_value(const double *sums)
{
    double precision = 0, recall = 0, orders = 0;
    for (int n = 0; n < PT_CHRF_ORDER; n++, sums += 3) {
        if (!(sums[0] > 0 && sums[1] > 0)) continue;
        precision += sums[2] / sums[0];
        recall += sums[2] / sums[1];
        orders++;
    }
    if (!(precision + recall > 0)) return 0;
    precision /= orders;
    recall /= orders;
    return 100 * (5 * precision * recall / (4 * precision + recall));
}

/* An n of which the reference has no gram does not count for the answer either. */
static pt_status count(const pt_words *answer, const pt_words *reference, size_t n, double *sums)
{
    pt_status rc = PT_OK;
    pt_ngrams a, r;
    pt_ngrams_init(&a, n);
    pt_ngrams_init(&r, n);
    PT_TRY(pt_ngrams_add(&a, answer));
    PT_TRY(pt_ngrams_add(&r, reference));
    sums[0] = r.total ? (double)a.total : 0;
    sums[1] = (double)r.total;
    sums[2] = 0;
    for (size_t i = 0; i < a.distinct; i++) {
        size_t there = pt_ngrams_count(&r, a.gram + i * n);
        sums[2] += (double)(there < a.count[i] ? there : a.count[i]);
    }
done:
    pt_ngrams_free(&a);
    pt_ngrams_free(&r);
    return rc;
}

pt_status pt_chrf_add(const pt_words *answer, const pt_words *references, size_t n, double sums[PT_CHRF_SUMS])
{
    double best[PT_CHRF_SUMS], one[PT_CHRF_SUMS];
    if (!n) return pt_fail(PT_EARG, "chrF without a reference");
    for (size_t r = 0; r < n; r++) {
        for (size_t order = 1; order <= PT_CHRF_ORDER; order++) PT_RETURN(count(answer, &references[r], order, one + 3 * (order - 1)));
        if (!r || pt_chrf_value(one) > pt_chrf_value(best)) memcpy(best, one, sizeof best);
    }
    for (int i = 0; i < PT_CHRF_SUMS; i++) sums[i] += best[i];
    return PT_OK;
}
