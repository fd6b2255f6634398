/* Samplers with all that they borrow, as options say them. */
#ifndef PT_GENERATE_DRAWING_H
#define PT_GENERATE_DRAWING_H
#include "train/generate/dry.h"
#include "train/generate/sampler_options.h"
#include "train/generate/stop_text.h"

/* sampler and texts are set by options (sampler_options.h); the rest by pt_drawing_tie. Stays where it is while it is used. */
typedef struct pt_drawing {
    pt_sampler sampler;
    pt_sampler_texts texts;
    pt_stop_texts stop; /* n 0: none */
    pt_dry_breakers *breakers;
} pt_drawing;

/* The sampler borrows texts; DRY's breakers are made (llama.cpp's own unless texts say others). PT_EARG: pt_sampler_check, pt_stop_check, breakers without DRY. */
pt_status pt_drawing_tie(pt_drawing *d, const pt_tokenizer *tok, int64_t vocab);
void pt_drawing_free(pt_drawing *d); /* safe on a zeroed struct */
#endif
