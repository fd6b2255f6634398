#include "train/generate/sampler.h"

#include <math.h>

static const char *const names[PT_SAMPLER_KINDS] = {"penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"};

const char *pt_sampler_name(pt_sampler_kind k)
{
    return names[k];
}

pt_sampler pt_sampler_off(void)
{
    pt_sampler s = {.dynatemp_exponent = 1, .top_p = 1, .typical_p = 1, .xtc_threshold = 0.1f, .repeat_penalty = 1, .repeat_last_n = -1, .dry_base = 1.75f,
                    .dry_allowed_length = 2, .dry_penalty_last_n = -1, .mirostat_tau = 5, .mirostat_eta = 0.1f, .adaptive_target = -1, .adaptive_decay = 0.9f,
                    .n_order = PT_SAMPLER_KINDS};
    for (int i = 0; i < PT_SAMPLER_KINDS; i++) s.order[i] = (pt_sampler_kind)i;
    return s;
}

/* Whether the settings ask this kind to do something. */
static bool asked(const pt_sampler *s, pt_sampler_kind k)
{
    switch (k) {
    case PT_SAMPLER_PENALTIES: return s->repeat_last_n && (s->repeat_penalty != 1 || s->presence_penalty != 0 || s->frequency_penalty != 0);
    case PT_SAMPLER_DRY: return s->dry_multiplier != 0 && s->dry_penalty_last_n;
    case PT_SAMPLER_TOP_N_SIGMA: return s->top_n_sigma > 0;
    case PT_SAMPLER_TOP_K: return s->top_k > 0;
    case PT_SAMPLER_TYPICAL: return s->typical_p < 1;
    case PT_SAMPLER_TOP_P: return s->top_p < 1;
    case PT_SAMPLER_MIN_P: return s->min_p > 0;
    case PT_SAMPLER_XTC: return s->xtc_probability > 0 && s->xtc_threshold <= 0.5f;
    case PT_SAMPLER_TEMPERATURE: return s->temperature != 1 || s->dynatemp_range > 0;
    case PT_SAMPLER_KINDS: break;
    }
    return false;
}

static bool in_order(const pt_sampler *s, pt_sampler_kind k)
{
    for (int i = 0; i < s->n_order; i++)
        if (s->order[i] == k) return true;
    return false;
}

bool pt_sampler_does(const pt_sampler *s, pt_sampler_kind k)
{
    return asked(s, k) && in_order(s, k) && (!s->mirostat || k == PT_SAMPLER_TEMPERATURE);
}

int64_t pt_sampler_reach(const pt_sampler *s)
{
    const int64_t penalties = pt_sampler_does(s, PT_SAMPLER_PENALTIES) ? s->repeat_last_n : 0, dry = pt_sampler_does(s, PT_SAMPLER_DRY) ? s->dry_penalty_last_n : 0;
    if (penalties < 0 || dry < 0) return INT64_MAX;
    return penalties > dry ? penalties : dry;
}

static pt_status check_number(const char *name, float v, float min, float max)
{
    if (v >= min && v <= max) return PT_OK;
    return pt_fail(PT_EARG, "sampling: %s %g; it goes from %g to %g", name, (double)v, (double)min, (double)max);
}

static pt_status check_ranges(const pt_sampler *s)
{
    const struct { const char *name; float v, min, max; } numbers[] = {
        {"temperature", s->temperature, 0, 1e30f},
        {"dynatemp_range", s->dynatemp_range, 0, 1e30f},
        {"dynatemp_exponent", s->dynatemp_exponent, 0, 1e30f},
        {"top_p", s->top_p, 1e-30f, 1},
        {"min_p", s->min_p, 0, 1},
        {"typical", s->typical_p, 1e-30f, 1},
        {"top_n_sigma", s->top_n_sigma, 0, 1e30f},
        {"xtc_probability", s->xtc_probability, 0, 1},
        {"xtc_threshold", s->xtc_threshold, 0, 1},
        {"repeat_penalty", s->repeat_penalty, 1e-30f, 1e30f},
        {"presence_penalty", s->presence_penalty, -1e30f, 1e30f},
        {"frequency_penalty", s->frequency_penalty, -1e30f, 1e30f},
        {"dry_multiplier", s->dry_multiplier, 0, 1e30f},
        {"dry_base", s->dry_base, 1, 1e30f},
        {"mirostat_ent", s->mirostat_tau, 0, 1e30f},
        {"mirostat_lr", s->mirostat_eta, 0, 1e30f},
        {"adaptive_target", s->adaptive_target, -1, 1},
        {"adaptive_decay", s->adaptive_decay, 0, 0.99f},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) PT_RETURN(check_number(numbers[i].name, numbers[i].v, numbers[i].min, numbers[i].max));
    if (s->top_k < 0 || s->repeat_last_n < -1 || s->dry_allowed_length < 0 || s->dry_penalty_last_n < -1 || s->mirostat < 0 || s->mirostat > 2)
        return pt_fail(PT_EARG, "sampling: top_k %d, repeat_last_n %d, dry_allowed_length %d, dry_penalty_last_n %d, mirostat %d", s->top_k, s->repeat_last_n,
                       s->dry_allowed_length, s->dry_penalty_last_n, s->mirostat);
    return PT_OK;
}

pt_status pt_sampler_check(const pt_sampler *s, int64_t vocab)
{
    unsigned seen = 0;
    PT_RETURN(check_ranges(s));
    for (int i = 0; i < s->n_order; i++) {
        if (seen & 1u << s->order[i]) return pt_fail(PT_EARG, "samplers names %s twice", names[s->order[i]]);
        seen |= 1u << s->order[i];
    }
    for (int k = 0; k < PT_SAMPLER_TEMPERATURE; k++) {
        if (!asked(s, (pt_sampler_kind)k)) continue;
        if (s->mirostat) return pt_fail(PT_EARG, "mirostat chooses candidates by itself: %s has no effect beside it; leave one of them out", names[k]);
        if (!in_order(s, (pt_sampler_kind)k)) return pt_fail(PT_EARG, "%s is set, and samplers does not name it: it would have no effect", names[k]);
    }
    if (s->mirostat && s->dynatemp_range > 0) return pt_fail(PT_EARG, "mirostat goes with a fixed temperature: leave out dynatemp_range or mirostat");
    if (s->mirostat && s->adaptive_target >= 0) return pt_fail(PT_EARG, "mirostat and adaptive_target both draw the token: leave one of them out");
    for (size_t i = 0; i < s->n_bias; i++) {
        if (s->bias[i].id < 0 || s->bias[i].id >= vocab)
            return pt_fail(PT_EARG, "logit_bias: token %d of a vocabulary of %lld", s->bias[i].id, (long long)vocab);
        if (isnan(s->bias[i].bias) || s->bias[i].bias == INFINITY) return pt_fail(PT_EARG, "logit_bias: token %d gets %g", s->bias[i].id, (double)s->bias[i].bias);
    }
    return PT_OK;
}

bool pt_sampler_on_device(const pt_sampler *s)
{
    static const int place[PT_SAMPLER_KINDS] = {[PT_SAMPLER_PENALTIES] = 1, [PT_SAMPLER_TOP_K] = 2, [PT_SAMPLER_TOP_P] = 3, [PT_SAMPLER_MIN_P] = 4,
                                                [PT_SAMPLER_TEMPERATURE] = 5};
    int last = 0;
    if (s->mirostat || s->adaptive_target >= 0 || s->n_bias || s->dynatemp_range > 0 || s->presence_penalty != 0 || s->frequency_penalty != 0) return false;
    for (int i = 0; i < s->n_order; i++) {
        pt_sampler_kind k = s->order[i];
        if (!pt_sampler_does(s, k)) continue;
        if (place[k] <= last) return false;
        last = place[k];
    }
    return true;
}
