/* Generation by beam search (beam.h), a prompt after the other. */
#ifndef PT_GENERATE_BEAMS_H
#define PT_GENERATE_BEAMS_H
#include "train/generate/beam.h"
#include "train/generate/generate.h"

/* n prompts -> n results (zero-initialised by the caller; free ids): the best answer of each and its score. opt: lengths, stops and the adapter slot hold; its
 * sampler must be off (pt_sampler_off), and constraints, near and logp are refused. Needs a plan with decode_rows >= o->beams, and decode_cells (0: enough) >= the
 * longest prompt + beams * max_new_tokens. PT_EARG. */
pt_status pt_generate_beams(pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *opt, const pt_beam_options *o, pt_gen_result *results);
/* Positions of such a cache; 0: more than there can be. */
int32_t pt_beam_cells(size_t longest, int beams, int max_new_tokens);
#endif
