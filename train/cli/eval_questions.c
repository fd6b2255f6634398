#include "train/cli/eval_questions.h"

pt_status pt_eval_questions(const pt_config *cfg, pt_questions *test, pt_questions *train)
{
    bool pairs = pt_objective_pairs(cfg->objective);
    for (size_t i = 0; i < cfg->data.n_test_datasets; i++) {
        const char *type = cfg->data.test_datasets[i].type;
        const bool gives = pt_reader_gives(type, true) && (pairs || !pt_reader_gives(type, false)); /* what holds nothing but pairs is judged as such */
        char name[PT_DATASET_NAME];
        pt_dataset_name(cfg->data.test_datasets, cfg->data.n_test_datasets, i, name);
        if (gives) PT_RETURN(pt_questions_set(test, name));
        PT_RETURN(pt_questions_add(test, &cfg->data.test_datasets[i], gives));
    }
    for (size_t i = 0; i < cfg->data.n_datasets && !pairs; i++)
        if (!pt_data_type_find(cfg->data.datasets[i].type)->plain && (pt_reader_gives(cfg->data.datasets[i].type, false) || !pt_reader_gives(cfg->data.datasets[i].type, true)))
            PT_RETURN(pt_questions_add(train, &cfg->data.datasets[i], false));
    return test->n || test->n_pairs ? PT_OK : pt_fail(PT_EARG, "the test data sets hold no question with an answer");
}
