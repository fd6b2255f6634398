#include "eval/metric/canned.h"

pt_status pt_canned_best(const pt_words *train, size_t train_count, const pt_question_refs *questions, size_t question_count,
                         pt_canned *out)
{
    *out = (pt_canned){.f = -1};
    if (!train_count || !question_count) return pt_fail(PT_EARG, "a canned answer needs a training answer and a question");
    for (size_t k = 0; k < train_count; k++) {
        double f = 0, recall = 0;
        for (size_t q = 0; q < question_count; q++) {
            pt_rouge r;
            PT_RETURN(pt_rouge_l_max(questions[q].references, questions[q].n, &train[k], &r, NULL));
            f += r.f;
            recall += r.recall;
        }
        f /= (double)question_count;
        if (f > out->f) *out = (pt_canned){.train = k, .f = f, .recall = recall / (double)question_count};
    }
    return PT_OK;
}
