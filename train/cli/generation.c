#include "train/cli/generation.h"

#include <string.h>

static pt_status open_breakers(pt_generation *g, const pt_opened *o)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"}; /* llama.cpp's */
    const pt_sampler_texts *t = &g->texts;
    const char *const *texts = t->n_breakers ? t->breaker : usual;
    size_t n = t->n_breakers ? t->n_breakers : sizeof usual / sizeof *usual;
    if (n == 1 && !strcmp(texts[0], "none")) n = 0;
    if (pt_sampler_does(&g->options.sampler, PT_SAMPLER_DRY)) PT_RETURN(pt_dry_breakers_make(&g->breakers, o->base.tok, texts, n));
    else if (t->n_breakers) return pt_fail(PT_EARG, "--dry-sequence-breaker has no effect without --dry-multiplier");
    g->options.sampler.dry_breakers = g->breakers;
    return PT_OK;
}

pt_status pt_generation_open(pt_generation *g, const pt_cli *c, const pt_opened *o)
{
    pt_gen_options *to = &g->options;
    *g = (pt_generation){.options = {.max_new_tokens = c->max_new_tokens > 0 ? c->max_new_tokens : 128, .sampler = pt_sampler_default(), .slot = o->adapter ? 0 : PT_SLOT_NONE}};
    if (c->num_beams <= 1) PT_RETURN(pt_sampler_options_config(&o->cfg->generation, &to->sampler, &g->texts));
    PT_RETURN(pt_sampler_options_set(c->samplers, c->n_samplers, &to->sampler, &g->texts));
    to->sampler.bias = g->texts.bias;
    to->sampler.n_bias = g->texts.n_bias;
    g->stop = (pt_stop_texts){.tok = o->base.tok, .text = g->texts.stop, .n = g->texts.n_stop};
    if (g->stop.n) to->stop_texts = &g->stop;
    to->stops = !c->raw && o->base.tmpl ? pt_template_stops(o->base.tmpl, &to->n_stops) : pt_tok_stops(o->base.tok, &to->n_stops);
    PT_RETURN(pt_sampler_check(&to->sampler, pt_source_config(o->base.source)->vocab)); /* before weights are read */
    return open_breakers(g, o);
}

void pt_generation_close(pt_generation *g)
{
    pt_dry_breakers_free(g->breakers);
    pt_sampler_texts_free(&g->texts);
    *g = (pt_generation){0};
}
