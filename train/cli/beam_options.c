#include "train/cli/beam_options.h"

#include <stdlib.h>
#include <string.h>

/* What the command line has that goes with no beam search; NULL: nothing. */
static const char *beside(const pt_cli *c, const pt_generation *g)
{
    const pt_sampler *s = &g->options.sampler;
    for (int k = 0; k < PT_SAMPLER_KINDS; k++)
        if (k != PT_SAMPLER_TEMPERATURE && pt_sampler_does(s, (pt_sampler_kind)k)) return pt_sampler_name((pt_sampler_kind)k);
    if (s->temperature != 0 && s->temperature != pt_sampler_default().temperature) return "a temperature";
    if (s->dynatemp_range > 0) return "a dynamic temperature";
    if (s->mirostat) return "mirostat";
    if (s->adaptive_target >= 0) return "adaptive-p";
    if (g->drawing.texts.n_bias) return "--logit-bias";
    if (g->drawing.texts.n_stop) return "--stop";
    if (c->samples > 1) return "--n";
    return c->json_schema || c->regex || c->choices ? "a constraint" : NULL;
}

pt_status pt_beam_options_read(const pt_cli *c, const pt_generation *g, pt_beam_options *out)
{
    *out = (pt_beam_options){.beams = c->num_beams > 1 ? c->num_beams : 1, .length_penalty = 1};
    if (out->beams == 1 && (c->length_penalty || c->early_stopping))
        return pt_fail(PT_EARG, "%s has no effect without --num-beams 2 or more", c->length_penalty ? "--length-penalty" : "--early-stopping");
    if (out->beams == 1) return PT_OK;
    const char *other = beside(c, g);
    if (other) return pt_fail(PT_EARG, "--num-beams takes the likeliest answer: %s does not go with it", other);
    if (c->length_penalty) {
        char *end;
        out->length_penalty = strtof(c->length_penalty, &end);
        if (end == c->length_penalty || *end || !(out->length_penalty >= -100 && out->length_penalty <= 100))
            return pt_fail(PT_EARG, "--length-penalty takes a number from -100 to 100, not '%s'", c->length_penalty);
    }
    static const char *const names[] = {"false", "true", "never"};
    for (int i = 0; c->early_stopping && i < 4; i++) {
        if (i == 3) return pt_fail(PT_EARG, "--early-stopping is true, false or never, not '%s'", c->early_stopping);
        if (strcmp(names[i], c->early_stopping)) continue;
        out->early = (pt_early_stopping)i;
        break;
    }
    return PT_OK;
}
