/* export: a run into the formats that others load. */
#include <string.h>

#include "base/log.h"
#include "train/cli/importance.h"
#include "train/cli/kept.h"
#include "train/export/export.h"
#include "train/export/mix.h"

/* --type: of GGUF files a mix by its name, of others a type. */
static pt_status parse_type(const pt_cli *c, bool gguf, pt_export_options *opt)
{
    char names[PT_MIX_NAMES];
    if (!c->type) return PT_OK;
    if (gguf) {
        opt->mix = pt_mix_find(c->type);
        return opt->mix ? PT_OK : pt_fail(PT_EARG, "--type is '%s'; types of GGUF files: %s", c->type, pt_mix_names(names));
    }
    if (pt_dtype_parse(c->type, &opt->type) && (opt->type == PT_F32 || opt->type == PT_F16 || opt->type == PT_BF16)) return PT_OK;
    return pt_fail(PT_EARG, "--type is '%s'; types of --to %s: f32, f16, bf16", c->type, c->to);
}

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
    pt_imatrix im = {0};
    pt_export_options opt = {.type = PT_DTYPE_COUNT};
    PT_CHECK(c->n_args == 1 && c->to && c->out, PT_EARG, "ptrain export RUN --to peft|hf|gguf|gguf-lora --out PATH [--type T]");
    while (k < 4 && strcmp(kinds[k].name, c->to)) k++;
    PT_CHECK(k < 4, PT_EARG, "--to is '%s'; it must be one of: peft, hf, gguf, gguf-lora", c->to);
    bool gguf = !strcmp(c->to, "gguf");
    PT_TRY(parse_type(c, gguf, &opt));
    PT_CHECK(!c->imatrix || gguf, PT_EARG, "--imatrix is for --to gguf");
    PT_CHECK(!c->imatrix || (opt.mix && pt_dtype_quantised(pt_mix_most(opt.mix))), PT_EARG, "--imatrix weighs the errors of quantised types: give one by --type (Q4_K_M ...)");
    PT_CHECK(!c->eval_data || gguf || !strcmp(c->to, "hf"), PT_EARG, "--eval-data is for --to gguf and hf");
    PT_TRY(pt_open_named(c, c->args[0], false, &o));
    PT_CHECK(o.adapter || (strcmp(c->to, "peft") && strcmp(c->to, "gguf-lora")), PT_EARG, "%s: there is no adapter in it; use --to hf or gguf", c->args[0]);
    if (!o.base.tok && gguf)
        pt_log(PT_LOG_WARN, "%s has no tokenizer: llama.cpp does not load the file; --tokenizer=PATH gives it one", c->args[0]);
    PT_CHECK(!c->split || gguf, PT_EARG, "--split-max-size is for --to gguf");
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
    if (c->imatrix) {
        PT_TRY(pt_importances_asked(c, &o, &im));
        opt.imatrix = &im;
    }
    bool tuned = o.is_run || o.adapter, merged = gguf || !strcmp(c->to, "hf");
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
    pt_export_wrote_free(&wrote);
    pt_imatrix_free(&im);
    pt_guard_close(&guard);
    pt_dataset_labels_free(names, opt.n_labels);
    pt_open_close(&o);
    return rc;
}
