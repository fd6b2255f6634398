#include "eval/ask/sampling.h"

#include <string.h>

/* Lines that begin with a name of one of these. */
static pt_status check_own(const char *lines)
{
    static const char *const own[][2] = {{"temp", "temperature"}, {"temperature", "temperature"}, {"top-p", "top_p"}, {"seed", "seed"}};
    for (const char *p = lines; *p; p += strcspn(p, "\n"), p += *p != 0)
        for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
            const size_t n = strlen(own[i][0]);
            if (!strncmp(p, own[i][0], n) && p[n] == '=') return pt_fail(PT_EARG, "%s is said by a key of its own: %s", own[i][0], own[i][1]);
        }
    return PT_OK;
}

static pt_status take(const pt_sampling *how, pt_drawing *d)
{
    d->sampler = pt_sampler_off();
    if (how->more) PT_RETURN(pt_sampler_options_lines(how->more, &d->sampler, &d->texts));
    d->sampler.temperature = how->temperature;
    d->sampler.top_p = how->top_p;
    d->sampler.seed = how->seed;
    return PT_OK;
}

pt_status pt_sampling_check(const pt_sampling *how)
{
    pt_drawing d = {0};
    if (!how->more) return PT_OK;
    pt_status rc = check_own(how->more);
    if (rc == PT_OK) rc = take(how, &d);
    if (rc == PT_OK) rc = pt_sampler_check(&d.sampler, INT32_MAX); /* the vocabulary is not known yet */
    pt_drawing_free(&d);
    return rc;
}

pt_status pt_sampling_open(const pt_sampling *how, const pt_tokenizer *tok, int64_t vocab, pt_drawing *d)
{
    PT_RETURN(take(how, d));
    return pt_drawing_tie(d, tok, vocab);
}

bool pt_sampling_here(const pt_sampling *how)
{
    pt_drawing d = {0};
    bool here = take(how, &d) == PT_OK && (d.texts.n_bias || !pt_sampler_on_device(&d.sampler));
    pt_drawing_free(&d);
    return here;
}

int pt_sampling_compare(const pt_sampling *a, const pt_sampling *b)
{
    if (a->max_new_tokens != b->max_new_tokens) return a->max_new_tokens < b->max_new_tokens ? -1 : 1;
    if (a->temperature != b->temperature) return a->temperature < b->temperature ? -1 : 1;
    if (a->top_p != b->top_p) return a->top_p < b->top_p ? -1 : 1;
    if (a->seed != b->seed) return a->seed < b->seed ? -1 : 1;
    return a->more == b->more ? 0 : strcmp(a->more ? a->more : "", b->more ? b->more : "");
}
