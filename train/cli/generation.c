#include "train/cli/generation.h"

#include <stdlib.h>

pt_status pt_generation_config(const pt_config_generation *g, pt_sampler *s, pt_sampler_texts *t)
{
    pt_status rc = PT_OK;
    pt_str order = {0};
    for (size_t i = 0; i < g->n_samplers; i++) PT_TRY(pt_str_printf(&order, "%s%s", i ? ";" : "samplers=", g->samplers[i]));
    if (g->n_samplers) PT_TRY(pt_sampler_options_list(&(const char *){order.text}, 1, s, t));
    PT_TRY(pt_sampler_options_list((const char *const *)g->sampling, g->n_sampling, s, t));
done:
    pt_str_free(&order);
    return rc;
}

pt_status pt_generation_open(pt_generation *g, const pt_cli *c, const pt_opened *o)
{
    pt_gen_options *to = &g->options;
    pt_drawing *d = &g->drawing;
    *g = (pt_generation){.options = {.max_new_tokens = c->max_new_tokens > 0 ? c->max_new_tokens : 128, .slot = o->adapter ? 0 : PT_SLOT_NONE}, .drawing.sampler = pt_sampler_default()};
    if (c->num_beams <= 1) PT_RETURN(pt_generation_config(&o->cfg->generation, &d->sampler, &d->texts));
    PT_RETURN(pt_sampler_options_set(c->samplers, c->n_samplers, &d->sampler, &d->texts));
    to->stops = !c->raw && o->base.tmpl ? pt_template_stops(o->base.tmpl, &to->n_stops) : pt_tok_stops(o->base.tok, &to->n_stops);
    PT_RETURN(pt_drawing_tie(d, o->base.tok, pt_source_config(o->base.source)->vocab)); /* before weights are read */
    to->sampler = d->sampler;
    if (d->stop.n) to->stop_texts = &d->stop;
    return PT_OK;
}

void pt_generation_close(pt_generation *g)
{
    pt_drawing_free(&g->drawing);
    *g = (pt_generation){0};
}
