/* What `ptrain chat` and `ptrain generate` hand to pt_generate, as the command line says it. */
#ifndef PT_CLI_GENERATION_H
#define PT_CLI_GENERATION_H
#include "train/cli/open.h"
#include "train/generate/drawing.h"

typedef struct pt_generation {
    pt_gen_options options; /* points into the rest */
    pt_drawing drawing;
} pt_generation;

/* What a run's config says (samplers, sampling). */
pt_status pt_generation_config(const pt_config_generation *g, pt_sampler *s, pt_sampler_texts *t);

/* Samplers as the command line says, else (unless beams are searched) as the run's config does; 128 new tokens unless said; ends where the template's turns end (raw completion: where the tokenizer says that texts end) and before --stop's texts.
 * o: opened, with a tokenizer. Stays where it is while it is used, as
 * does o. Close it after a failure too. */
pt_status pt_generation_open(pt_generation *g, const pt_cli *c, const pt_opened *o);
void pt_generation_close(pt_generation *g);
#endif
