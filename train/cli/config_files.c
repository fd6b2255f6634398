/* The files that a config names: are they there? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/read/data_key.h"
#include "train/cli/config.h"
#include "train/cli/config_value.h"

static bool there(const char *path)
{
    return !path || pt_file_exists(path) || pt_dir_exists(path) || access(path, F_OK) == 0;
}

/* The config is right, the machine lacks something: PT_EIO. */
static pt_status missing(const pt_config *c, int line, int column, const char *key, const char *path, const char *advice)
{
    pt_place_fail((pt_place){line > 0 && c->source.config_path ? c->source.config_path : "command line", line, column}, "%s: %s: no such file or folder%s", key, path,
                  advice);
    return PT_EIO;
}

/* "owner/name": what the hub of Hugging Face calls its models and data sets. */
static bool hub_name(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash && slash != path && slash[1] && !strchr(slash + 1, '/') && path[0] != '.' && path[0] != '~' && !strstr(path, ".json");
}

pt_status pt_config_check_model(const pt_config *c)
{
    static const char *const keys[3] = {"base_model", "tokenizer", "lora_model_dir"};
    const char *const paths[3] = {c->model.base_model, c->model.tokenizer, c->adapter.lora_model_dir};
    for (int i = 0; i < 3; i++) {
        char advice[320] = "";
        if (there(paths[i])) continue;
        if (hub_name(paths[i]))
            snprintf(advice, sizeof advice, "; nothing is downloaded here: get it (hf download %.100s --local-dir DIR) and give DIR", paths[i]);
        return missing(c, c->source.path_line[i], c->source.path_column[i], keys[i], paths[i], advice);
    }
    return PT_OK;
}

/* The files that readers' keys name. */
static pt_status check_files(const pt_config *c, const pt_dataset_spec *d)
{
    for (size_t k = 0; k < pt_data_key_count(); k++) {
        const pt_data_key *key = pt_data_key_at(k);
        const char *path = key->kind == PT_DATA_FILE ? pt_dataset_says(d, key->key) : NULL;
        if (!there(path)) return missing(c, d->line, d->column, key->key, path, "");
    }
    return PT_OK;
}

static pt_status check_sets(const pt_config *c, const char *key, const pt_dataset_spec *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char advice[600] = "";
        if (there(d[i].path) || strpbrk(d[i].path, "*?[")) { /* of patterns the reader says what to do instead */
            PT_RETURN(check_files(c, &d[i]));
            continue;
        }
        if (hub_name(d[i].path))
            snprintf(advice, sizeof advice,
                     "; nothing is downloaded here: get it (python3 -c \"from datasets import load_dataset; load_dataset('%.100s', "
                     "split='%.60s').to_json('data.jsonl')\") and give data.jsonl",
                     d[i].path, d[i].split && d[i].split[0] ? d[i].split : "train");
        else if (!strpbrk(d[i].path, "/."))
            snprintf(advice, sizeof advice, "; a name is looked up in dataset_info.json of dataset_dir (%.200s)", c->data.dataset_dir ? c->data.dataset_dir : "data");
        return missing(c, d[i].line, d[i].column, key, d[i].path, advice);
    }
    return PT_OK;
}

pt_status pt_config_check_data(const pt_config *c)
{
    PT_RETURN(check_sets(c, "datasets", c->data.datasets, c->data.n_datasets));
    return check_sets(c, "test_datasets", c->data.test_datasets, c->data.n_test_datasets);
}
