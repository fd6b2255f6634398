/* Names of labels that data sets list: how many labels a text has follows from them, and all sets list the same. */
#include <string.h>

#include "data/read/record.h"
#include "train/cli/config_value.h"

pt_status pt_config_labels(pt_config *c, const char *file)
{
    const pt_objective *o = c->objective;
    const char *first = NULL;
    int n = 0;
    for (size_t i = 0; i < c->data.n_datasets + c->data.n_test_datasets; i++) {
        const pt_dataset_spec *d = i < c->data.n_datasets ? &c->data.datasets[i] : &c->data.test_datasets[i - c->data.n_datasets];
        const char *names = pt_dataset_says(d, "labels");
        pt_place at = {file, d->line, d->column};
        if (!names || !*names) continue;
        if (first && strcmp(first, names)) return pt_place_fail(at, "labels: two data sets list different names; all have the same labels in the same order");
        first = names;
        size_t count;
        pt_label_find(d, "", &count);
        n = (int)count;
    }
    if (!first || o->options[o->width_option].kind != PT_OPTION_COUNT) return PT_OK;
    const pt_option *option = &o->options[o->width_option];
    pt_option_value *v = &c->options[pt_objective_key(option->key)];
    if (v->set && v->word != n) return pt_place_fail((pt_place){file, 0, 0}, "%s is %d, and labels of the data set names %d", option->key, v->word, n);
    *v = (pt_option_value){.set = true, .word = n, .number = n};
    return PT_OK;
}
