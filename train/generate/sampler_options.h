/* Samplers' options by llama.cpp's names: of the command line, of a config's `sampling` and of evaluations' `sampling`. One table for parsing, checks, help and
 * docs/generation.md. */
#ifndef PT_GENERATE_SAMPLER_OPTIONS_H
#define PT_GENERATE_SAMPLER_OPTIONS_H
#include "base/mem.h"
#include "train/generate/sampler.h"

/* Texts and lists; numbers stand in pt_sampler. */
typedef struct pt_sampler_texts {
    const char **stop, **breaker; /* [n] lent; breaker: "none" alone is none */
    pt_logit_bias *bias;
    size_t n_stop, n_breakers, n_bias, cap_stop, cap_breakers, cap_bias;
} pt_sampler_texts;
void pt_sampler_texts_free(pt_sampler_texts *t);

/* What the command line begins with: temperature 0.7, seed 42, all else off. */
pt_sampler pt_sampler_default(void);

/* Whether --NAME (n bytes) is one of them. */
bool pt_sampler_option_is(const char *name, size_t n);
/* One that was said. */
typedef struct pt_sampler_said {
    const char *name, *value;
    size_t n; /* bytes of the name */
} pt_sampler_said;
/* Takes NAME VALUE. PT_EARG with what it takes. */
pt_status pt_sampler_option_set(const pt_sampler_said *said, pt_sampler *s, pt_sampler_texts *t);
/* All of a list, in its order: instead of what t has of the kinds of lists that it names. */
pt_status pt_sampler_options_set(const pt_sampler_said *said, size_t n, pt_sampler *s, pt_sampler_texts *t);
/* The same of texts NAME=VALUE, and of lines of them. */
pt_status pt_sampler_options_list(const char *const *list, size_t n, pt_sampler *s, pt_sampler_texts *t);
pt_status pt_sampler_options_lines(const char *lines, pt_sampler *s, pt_sampler_texts *t);
/* A line each for `ptrain help`; rows of a table for the docs. */
pt_status pt_sampler_options_help(pt_str *out, bool markdown);
#endif
