/* Samplers that leave candidates out, and the temperature. Each as llama.cpp's llama_sampler_*_apply of the name, in its arithmetic; where that counts
 * candidates of no probability, so do these. */
#include <math.h>

#include "train/generate/chain_impl.h"

void pt_chain_top_n_sigma(pt_chain *c, const pt_sampler *s)
{
    float sum = 0, squares = 0;
    if (c->n + c->masked <= 1) return;
    for (int64_t i = 0; i < c->n; i++) sum += c->c[i].z;
    const float mean = sum / (float)c->n;
    for (int64_t i = 0; i < c->n; i++) {
        double d = (double)(c->c[i].z - mean);
        squares = (float)((double)squares + d * d);
    }
    pt_chain_floor(c, pt_chain_top(c) - s->top_n_sigma * sqrtf(squares / (float)c->n), true);
}

void pt_chain_top_k(pt_chain *c, const pt_sampler *s)
{
    pt_chain_cut(c, s->top_k);
}

void pt_chain_top_p(pt_chain *c, const pt_sampler *s)
{
    float mass = 0;
    int64_t i = 0;
    pt_chain_softmax(c, false);
    while (i < c->n && (i == 0 || mass < s->top_p)) {
        pt_chain_order(c, i + 1);
        if (i) pt_chain_near(c, mass - s->top_p);
        mass += c->c[i++].p;
    }
    pt_chain_near(c, mass - s->top_p);
    pt_chain_cut(c, i);
}

void pt_chain_min_p(pt_chain *c, const pt_sampler *s)
{
    pt_chain_floor(c, pt_chain_top(c) + logf(s->min_p), false);
}

/* The first k by key stay, k found by their mass. */
static int64_t typical_mass(pt_chain *c, float want, float *mass, int64_t *ordered)
{
    int64_t kept = 0;
    while (kept < c->n && !(*mass > want)) {
        if (kept == *ordered) {
            int64_t to = *ordered ? 8 * *ordered : 256;
            if (to > c->n / 4) to = c->n;
            pt_candidates_least(c->c + *ordered, c->n - *ordered, to - *ordered, c->spare);
            *ordered = to;
        }
        *mass += c->c[kept++].p;
    }
    return kept;
}

void pt_chain_typical(pt_chain *c, const pt_sampler *s)
{
    float mass = 0;
    int64_t ordered = 0;
    pt_chain_softmax(c, true);
    const float h = pt_chain_entropy(c);
    for (int64_t i = 0; i < c->n; i++) c->c[i].key = c->c[i].p > 0 ? fabsf(-logf(c->c[i].p) - h) : INFINITY;
    const int64_t kept = typical_mass(c, s->typical_p, &mass, &ordered);
    pt_chain_near(c, mass - s->typical_p);
    pt_chain_near(c, mass - c->c[kept - 1].p - s->typical_p);
    for (int64_t i = kept; i < c->n; i++) /* what might as well have been the last */
        if (c->c[i].z == c->c[kept - 1].z) c->tie = true;
        else if (c->c[i].key < INFINITY) pt_chain_near(c, c->c[i].key - c->c[kept - 1].key);
    if (mass > s->typical_p) c->masked = 0;
    c->n = kept;
    c->ordered = 0;
}

void pt_chain_xtc(pt_chain *c, const pt_sampler *s, float chance)
{
    int64_t last = 0;
    if (c->n < 2 || chance > s->xtc_probability) return;
    pt_chain_softmax(c, true);
    for (int64_t i = 0; i < c->n; i++) {
        pt_chain_near(c, c->c[i].p - s->xtc_threshold);
        if (c->c[i].p < s->xtc_threshold) break;
        last = i;
    }
    if (last && c->c[last].z == c->c[last - 1].z) c->tie = true;
    c->c += last;
    c->n -= last;
    c->ordered -= last;
}

/* The largest alone; the lowest id of equal ones. */
static void keep_largest(pt_chain *c)
{
    int64_t at = 0;
    for (int64_t i = 1; i < c->n && !c->ordered; i++)
        if (c->c[i].z > c->c[at].z || (c->c[i].z == c->c[at].z && c->c[i].id < c->c[at].id)) at = i;
    for (int64_t i = 0; i < c->n; i++)
        if (i != at && c->c[i].z == c->c[at].z) c->tie = true;
    c->c[0] = c->c[at];
    c->masked += c->n - 1;
    c->n = c->ordered = 1;
}

void pt_chain_temperature(pt_chain *c, const pt_sampler *s)
{
    float t = s->temperature;
    if (s->dynatemp_range > 0) {
        if (c->n + c->masked <= 1) return;
        const float low = fmaxf(0, t - s->dynatemp_range), high = t + s->dynatemp_range;
        pt_chain_softmax(c, true);
        t = low + (high - low) * powf(pt_chain_entropy(c) / -logf(1.0f / (float)(c->n + c->masked)), s->dynatemp_exponent);
    }
    if (t <= 0) keep_largest(c);
    else
        for (int64_t i = 0; i < c->n; i++) c->c[i].z /= t;
}

/* Those of a surprise up to mu. */
static int64_t within_surprise(pt_chain *c, float mu)
{
    int64_t n = 0;
    while (n < c->n && !(-log2f(c->c[n].p) > mu)) n++;
    for (int64_t i = n ? n - 1 : 0; i < c->n && i <= n; i++) pt_chain_near(c, -log2f(c->c[i].p) - mu);
    return n;
}

/* As many as a Zipf law fitted to the 100 largest gives for the surprise mu. */
static int64_t within_fit(pt_chain *c, float mu)
{
    float tb = 0, tt = 0;
    for (int64_t i = 0; i < 99 && i + 1 < c->n; i++) {
        float t = logf((float)(i + 2) / (float)(i + 1));
        tb += t * logf(c->c[i].p / c->c[i + 1].p);
        tt += t * t;
    }
    if (tt <= 0) return 1; /* a single candidate */
    const float slope = tb / tt, e = slope - 1;
    const float k = powf((e * powf(2, mu)) / (1 - powf((float)c->vocab, -e)), 1 / slope);
    pt_chain_near(c, (k - roundf(k)) / k);
    return !(k >= 1) ? 1 : k < (float)c->n ? (int64_t)k : c->n;
}

void pt_chain_mirostat(pt_chain *c, const pt_sampler *s, const pt_sampler_state *state)
{
    pt_chain_softmax(c, true);
    const int64_t n = s->mirostat == 2 ? within_surprise(c, state->mu) : within_fit(c, state->mu);
    pt_chain_cut(c, n > 1 ? n : 1);
}

/* llama.cpp's constants: logits from a peak of 5 at the aimed probability, quadratic near it and linear far off. */
void pt_chain_adaptive(pt_chain *c, const pt_sampler *s, const pt_sampler_state *state)
{
    const float aim = fminf(fmaxf(2 * s->adaptive_target - state->weighted / state->weight, 0), 1);
    pt_chain_softmax(c, false);
    for (int64_t i = 0; i < c->n; i++) {
        const float far = fabsf((c->c[i].p - aim) * (1 / 0.3f));
        c->c[i].key = c->c[i].p; /* as it was */
        c->c[i].z = 5 - 10 * far * far / (1 + far);
    }
    c->ordered = 0;
}
