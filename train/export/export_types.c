/* The type that each tensor of a GGUF file gets. */
#include <string.h>

#include "base/log.h"
#include "base/quant.h"
#include "train/export/export_impl.h"

/* Bits of a weight. */
static double bits(pt_dtype t)
{
    const pt_dtype_info *d = pt_dtype_get(t);
    return 8.0 * (double)d->bytes / (double)d->block;
}

/* The base's own type, as long as it can hold a change: few bits round it back to where it was. Where it cannot be written again, q8_0. */
static pt_dtype own_type(const pt_out_tensor *o, const pt_dtype *changed)
{
    pt_dtype t = o->src.data ? o->src.type : PT_F32;
    if (o->a && changed && bits(*changed) > bits(t)) t = *changed;
    else if (o->a && !changed && pt_dtype_quantised(t) && bits(t) < bits(PT_Q8_0)) t = PT_Q8_0;
    if (!pt_out_verbatim(o, t) && !pt_quant_writable(t)) {
        pt_log(PT_LOG_WARN, "%s changed and cannot be written as %s again: q8_0 instead", o->spec->name, pt_dtype_get(t)->name);
        t = PT_Q8_0;
    }
    return o->spec->cols % pt_dtype_get(t)->block ? PT_F16 : t;
}

const pt_mix *pt_export_mix(const pt_export_options *opt)
{
    if (opt->mix) return opt->mix;
    return opt->type == PT_DTYPE_COUNT ? NULL : pt_mix_find(pt_dtype_get(opt->type)->name);
}

static bool has_head(const pt_model *m)
{
    for (size_t i = 0; i < m->n_specs; i++)
        if (m->specs[i].kind == PT_TENSOR_HEAD) return true;
    return false;
}

pt_status pt_type_choice_start(pt_type_choice *c, const pt_model *m, const pt_export_options *opt)
{
    *c = (pt_type_choice){.opt = opt,
                          .mix = pt_export_mix(opt),
                          .model = {.family = m->fam,
                                    .layers = m->cfg.layers,
                                    .heads = m->cfg.heads,
                                    .kv_heads = m->cfg.kv_heads,
                                    .tied = !has_head(m),
                                    .imatrix = opt->imatrix != NULL}};
    if (!c->mix && opt->type != PT_DTYPE_COUNT) return pt_fail(PT_ENOSUP, "a GGUF export has no type %s", pt_dtype_get(opt->type)->name);
    if (c->mix && pt_mix_needs_imatrix(c->mix) && !opt->imatrix)
        return pt_fail(PT_EARG, "%s needs importances, else it is garbage: --imatrix auto, or a file", pt_mix_name(c->mix));
    return opt->imatrix ? pt_imatrix_check(opt->imatrix, m) : PT_OK;
}

pt_status pt_type_choice_next(pt_type_choice *c, const pt_out_tensor *o, const char *name, pt_dtype *out)
{
    if (pt_tensor_is_vector(o->spec)) *out = PT_F32;
    else if (c->mix) *out = pt_mix_type(c->mix, &c->model, &c->walk, name, o->spec->cols);
    else *out = own_type(o, c->opt->changed);
    if (pt_out_verbatim(o, *out) || pt_quant_writable(*out)) return PT_OK;
    return pt_fail(PT_ENOSUP, "%s would be %s, which cannot be written", o->spec->name, pt_dtype_get(*out)->name);
}
