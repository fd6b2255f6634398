#include "train/generate/drawing.h"

#include <string.h>

static pt_status open_breakers(pt_drawing *d, const pt_tokenizer *tok)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"}; /* llama.cpp's */
    const pt_sampler_texts *t = &d->texts;
    const char *const *texts = t->n_breakers ? t->breaker : usual;
    size_t n = t->n_breakers ? t->n_breakers : sizeof usual / sizeof *usual;
    if (n == 1 && !strcmp(texts[0], "none")) n = 0;
    if (pt_sampler_does(&d->sampler, PT_SAMPLER_DRY)) PT_RETURN(pt_dry_breakers_make(&d->breakers, tok, texts, n));
    else if (t->n_breakers) return pt_fail(PT_EARG, "--dry-sequence-breaker has no effect without --dry-multiplier");
    d->sampler.dry_breakers = d->breakers;
    return PT_OK;
}

pt_status pt_drawing_tie(pt_drawing *d, const pt_tokenizer *tok, int64_t vocab)
{
    d->sampler.bias = d->texts.bias;
    d->sampler.n_bias = d->texts.n_bias;
    d->stop = (pt_stop_texts){.tok = tok, .text = d->texts.stop, .n = d->texts.n_stop};
    PT_RETURN(pt_sampler_check(&d->sampler, vocab));
    if (d->stop.n) PT_RETURN(pt_stop_check(&d->stop));
    return open_breakers(d, tok);
}

void pt_drawing_free(pt_drawing *d)
{
    pt_dry_breakers_free(d->breakers);
    pt_sampler_texts_free(&d->texts);
    *d = (pt_drawing){0};
}
