/* The options of beam search on `ptrain generate`: --num-beams, --length-penalty, --early-stopping, by transformers' names. */
#ifndef PT_CLI_BEAM_OPTIONS_H
#define PT_CLI_BEAM_OPTIONS_H
#include "train/cli/generation.h"
#include "train/generate/beam.h"

/* out->beams is 1 where no beam search is asked for. PT_EARG for a value that cannot be, for one without --num-beams, and for samplers, constraints, stop texts
 * and several answers beside it. */
pt_status pt_beam_options_read(const pt_cli *c, const pt_generation *g, pt_beam_options *out);
#endif
