#include <math.h>

#include "train/model/families.h"

/* The dimension (as a real number) at which a wave turns `rotations` times over the original context. */
static double correction_dim(const pt_model_config *c, double rotations)
{
    return c->rot * log(c->original_positions / (rotations * 2 * M_PI)) / (2 * log(c->rope_theta));
}

static double yarn(const pt_model_config *c, double freq, int i)
{
    double low = correction_dim(c, c->beta_fast), high = correction_dim(c, c->beta_slow);
    if (!c->yarn_no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, c->rot - 1);
    if (low == high) high += 0.001;
    double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
    return freq / c->scale_factor * ramp + freq * (1 - ramp);
}

static double llama3(const pt_model_config *c, double freq)
{
    double wave = 2 * M_PI / freq, low = c->original_positions / c->low_freq_factor,
           high = c->original_positions / c->high_freq_factor;
    if (wave < high) return freq;
    if (wave > low) return freq / c->scale_factor;
    double smooth = (c->original_positions / wave - c->low_freq_factor) / (c->high_freq_factor - c->low_freq_factor);
    return (1 - smooth) * freq / c->scale_factor + smooth * freq;
}

void pt_rope_frequencies(const pt_model_config *c, const float *freqs, float *inv_freq, float *mscale)
{
    *mscale = c->scaling == PT_ROPE_SCALE_YARN || c->scaling == PT_ROPE_SCALE_LONG ? (float)c->attention_factor : 1;
    for (int i = 0; i < c->rot / 2; i++) {
        double f = pow(c->rope_theta, -2.0 * i / c->rot);
        switch (c->scaling) {
        case PT_ROPE_SCALE_LINEAR: f /= c->scale_factor; break;
        case PT_ROPE_SCALE_LLAMA3: f = llama3(c, f); break;
        case PT_ROPE_SCALE_YARN: f = yarn(c, f, i); break;
        case PT_ROPE_SCALE_FREQS: f = freqs ? f / (double)freqs[i] : f; break;
        case PT_ROPE_SCALE_LONG: f /= (double)(c->rope_long ? c->long_factor : c->short_factor)[i]; break;
        default: break;
        }
        inv_freq[i] = (float)f;
    }
}

void pt_rope_local_frequencies(const pt_model_config *c, float *inv_freq)
{
    for (int i = 0; i < c->rot / 2; i++) inv_freq[i] = (float)pow(c->rope_local_theta, -2.0 * i / c->rot);
}

void pt_alibi_slopes(const pt_model_config *c, float *slope)
{
    int n = 1;
    while (2 * n <= c->heads) n *= 2;
    for (int h = 0; h < c->heads; h++) {
        double power = h < n ? -8.0 * (h + 1) / n : -8.0 * (2 * (h - n) + 1) / (2 * n);
        slope[h] = c->alibi * (float)exp2(power);
    }
}

int64_t pt_config_positions(const pt_model_config *c)
{
    double scaled = c->original_positions > 0 ? c->original_positions : c->max_positions;
    if (c->learned_positions) return c->learned_positions;
    bool by_factor = c->scaling == PT_ROPE_SCALE_LINEAR || c->scaling == PT_ROPE_SCALE_YARN || c->scaling == PT_ROPE_SCALE_LLAMA3;
    if (by_factor && c->scale_factor > 1) scaled *= c->scale_factor;
    return !by_factor || scaled < c->max_positions ? c->max_positions : (int64_t)scaled;
}
