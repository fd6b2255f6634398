/* export: a run into the formats that others load. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/cli/kept.h"
#include "train/export/export.h"

pt_status pt_cmd_export(pt_cli *c)
{
    static const struct { const char *name; pt_status (*run)(pt_model *, const char *, const pt_export_options *); } kinds[] = {
        {"peft", pt_export_peft}, {"hf", pt_export_hf}, {"gguf", pt_export_gguf}, {"gguf-lora", pt_export_gguf_lora}};
    pt_status rc = PT_OK;
    pt_opened o = {0};
    size_t k = 0;
    pt_guard guard = {0};
    char **names = NULL;
    pt_export_wrote wrote = {0};
    pt_export_options opt = {.type = PT_DTYPE_COUNT};
    PT_CHECK(c->n_args == 1 && c->to && c->out, PT_EARG, "ptrain export RUN --to peft|hf|gguf|gguf-lora --out PATH [--type T]");
    while (k < 4 && strcmp(kinds[k].name, c->to)) k++;
    PT_CHECK(k < 4, PT_EARG, "--to is '%s'; it must be one of: peft, hf, gguf, gguf-lora", c->to);
    PT_CHECK(!c->type || pt_dtype_parse(c->type, &opt.type), PT_EARG, "--type is '%s'; types: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1", c->type);
    PT_TRY(pt_open_named(c, c->args[0], false, &o));
    PT_CHECK(o.adapter || (strcmp(c->to, "peft") && strcmp(c->to, "gguf-lora")), PT_EARG, "%s: there is no adapter in it; use --to hf or gguf", c->args[0]);
    if (!o.base.tok && !strcmp(c->to, "gguf"))
        pt_log(PT_LOG_WARN, "%s has no tokenizer: llama.cpp does not load the file; --tokenizer=PATH gives it one", c->args[0]);
    PT_CHECK(!c->split || !strcmp(c->to, "gguf"), PT_EARG, "--split-max-size is for --to gguf");
    opt.split = c->split;
    opt.wrote = &wrote;
    opt.tok = o.base.tok;
    opt.tmpl = o.base.tmpl;
    opt.base_name = o.cfg->model.base_model;
    PT_TRY(pt_setup_labels(o.cfg, &names, &opt.n_labels));
    opt.labels = names;
    if (o.is_run) {
        opt.problem_type = o.cfg->objective->problem_type;
        opt.pooling = pt_setup_pooling(o.cfg);
        opt.pooling_token = opt.pooling ? o.cfg->data.pooling_token : NULL;
    }
    PT_TRY(pt_guard_export(c, &o, c->out, &guard));
    bool tuned = o.is_run || o.adapter, merged = !strcmp(c->to, "gguf") || !strcmp(c->to, "hf");
    if (tuned && merged) {
        PT_TRY(pt_export_judged(c, &o, &opt, kinds[k].run));
    } else {
        PT_TRY(pt_open_model(&o, 64, 0, 0));
        PT_TRY(kinds[k].run(o.model, c->out, &opt));
    }
    PT_TRY(pt_guard_done(&guard));
    if (wrote.files > 1) printf("wrote %zu files, first %s\n", wrote.files, wrote.path);
    else printf("wrote %s\n", c->out);
done:
    free(wrote.path);
    pt_guard_close(&guard);
    pt_dataset_labels_free(names, opt.n_labels);
    pt_open_close(&o);
    return rc;
}
