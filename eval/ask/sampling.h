/* What a request says of its samplers, as generation takes it: temperature, top_p and seed by themselves, all others by lines of train/generate/sampler_options.h. */
#ifndef PT_EVAL_SAMPLING_H
#define PT_EVAL_SAMPLING_H
#include "eval/ask/request.h"
#include "train/generate/drawing.h"

#define PT_SAMPLING_HELP "Other samplers of the models here, as name=value: [min-p=0.05, repeat-penalty=1.1, \"stop=\\nUser:\"] (docs/generation.md)."

/* PT_EARG: an option that is none, or not in its range, or one that has a key of its own here (temperature, top_p, seed), or that goes with none of the others. */
pt_status pt_sampling_check(const pt_sampling *how);
/* d: zeroed; pt_drawing_free, after a failure too. */
pt_status pt_sampling_open(const pt_sampling *how, const pt_tokenizer *tok, int64_t vocab, pt_drawing *d);
/* Whether the host runs its samplers (pt_sampler_on_device); checked before. */
bool pt_sampling_here(const pt_sampling *how);
/* Whether both say the same samplers: -1, 0, 1 as memcmp. */
int pt_sampling_compare(const pt_sampling *a, const pt_sampling *b);
#endif
