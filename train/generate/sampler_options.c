#include "train/generate/sampler_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { FLOAT, WHOLE, SEED, ORDER, STOP, BREAKER, BIAS } kind;
typedef struct option {
    const char *names; /* llama.cpp's first, then others, with blanks between */
    kind kind;
    size_t at;         /* in pt_sampler */
    double min, max;
    const char *off, *help;
} option;

#define AT(f) offsetof(pt_sampler, f)
static const option options[] = {
    {"temp temperature", FLOAT, AT(temperature), 0, 100, "0.7", "0 = greedy; 1 = as the model says."},
    {"dynatemp-range", FLOAT, AT(dynatemp_range), 0, 100, "0 (off)", "The temperature moves this far below and above --temp, with the entropy of what is left."},
    {"dynatemp-exp", FLOAT, AT(dynatemp_exponent), 0, 100, "1", "By this power of the entropy's share of its most."},
    {"top-k", WHOLE, AT(top_k), 0, 1 << 24, "0 (off)", "The k likeliest; of equally likely ones those of lower ids."},
    {"top-p", FLOAT, AT(top_p), 1e-6, 1, "1 (off)", "The likeliest until their mass reaches p."},
    {"min-p", FLOAT, AT(min_p), 0, 1, "0 (off)", "Those of at least p times the likeliest's probability."},
    {"typical typical-p", FLOAT, AT(typical_p), 1e-6, 1, "1 (off)", "Those whose surprise is nearest to the entropy, until their mass passes p."},
    {"top-n-sigma top-nsigma", FLOAT, AT(top_n_sigma), 0, 1000, "0 (off)", "Logits within n standard deviations of the largest."},
    {"xtc-probability", FLOAT, AT(xtc_probability), 0, 1, "0 (off)", "With this probability XTC leaves out the likeliest: all that reach the threshold but the last."},
    {"xtc-threshold", FLOAT, AT(xtc_threshold), 1e-6, 1, "0.1", "XTC's; above 0.5 it does nothing."},
    {"repeat-penalty repetition-penalty", FLOAT, AT(repeat_penalty), 0.01, 100, "1 (off)", "Logits of tokens that stood before are divided by it (negative ones: multiplied)."},
    {"presence-penalty", FLOAT, AT(presence_penalty), -100, 100, "0 (off)", "Taken from the logit of a token that stood before."},
    {"frequency-penalty", FLOAT, AT(frequency_penalty), -100, 100, "0 (off)", "Taken from it once for each time."},
    {"repeat-last-n", WHOLE, AT(repeat_last_n), -1, 1 << 24, "-1 (all)", "How many tokens back the penalties look, in prompt and answer; 0: none (llama.cpp's own: 64)."},
    {"dry-multiplier", FLOAT, AT(dry_multiplier), 0, 100, "0 (off)", "DRY: tokens that would lengthen a repetition lose multiplier * base^(length - allowed length)."},
    {"dry-base", FLOAT, AT(dry_base), 1, 100, "1.75", "DRY's."},
    {"dry-allowed-length", WHOLE, AT(dry_allowed_length), 0, 1 << 24, "2", "DRY's: shorter repetitions cost nothing."},
    {"dry-penalty-last-n", WHOLE, AT(dry_penalty_last_n), -1, 1 << 24, "-1 (all)", "How many tokens back DRY looks (llama.cpp's own: 64)."},
    {"dry-sequence-breaker", BREAKER, 0, 0, 0, "\\n : \" *", "A text that DRY's repetitions do not reach over; again for more; instead of the default ones. none: no text."},
    {"mirostat", WHOLE, AT(mirostat), 0, 2, "0 (off)", "Mirostat 1 or 2: the surprise of what is drawn is held; no sampler beside it but --temp and --logit-bias."},
    {"mirostat-ent", FLOAT, AT(mirostat_tau), 0, 100, "5", "Its aim, in bits."},
    {"mirostat-lr", FLOAT, AT(mirostat_eta), 0, 100, "0.1", "How fast it goes there."},
    {"adaptive-target", FLOAT, AT(adaptive_target), -1, 1, "-1 (off)", "Adaptive-p: draws tokens near this probability, and makes up for what it drew before."},
    {"adaptive-decay", FLOAT, AT(adaptive_decay), 0, 0.99, "0.9", "How long it remembers."},
    {"logit-bias", BIAS, 0, 0, 0, "", "ID+1.5 or ID-1.5 changes a token's logit, ID-inf rules it out; several with commas, or again."},
    {"samplers", ORDER, 0, 0, 0, "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature", "Which samplers run, in their order."},
    {"seed", SEED, 0, 0, 0, "42", "Of all draws; they are keyed by seed, prompt, sample and position."},
    {"stop", STOP, 0, 0, 0, "", "A text that ends the answer before it; again for more. \\n, \\t and \\\\ are understood."},
};
enum { N = sizeof options / sizeof *options };

void pt_sampler_texts_free(pt_sampler_texts *t)
{
    for (size_t i = 0; i < t->n_stop; i++) free((char *)t->stop[i]);
    for (size_t i = 0; i < t->n_breakers; i++) free((char *)t->breaker[i]);
    free(t->stop);
    free(t->breaker);
    free(t->bias);
    *t = (pt_sampler_texts){0};
}

pt_sampler pt_sampler_default(void)
{
    pt_sampler s = pt_sampler_off();
    s.temperature = 0.7f;
    s.seed = 42;
    return s;
}

static const option *find(const char *name, size_t n)
{
    for (int i = 0; i < N; i++)
        for (const char *p = options[i].names, *end; *p; p = *end ? end + 1 : end) {
            end = strchr(p, ' ') ? strchr(p, ' ') : p + strlen(p);
            if ((size_t)(end - p) == n && !strncmp(p, name, n)) return &options[i];
        }
    return NULL;
}

bool pt_sampler_option_is(const char *name, size_t n)
{
    return find(name, n);
}

static pt_status set_number(const option *o, const char *value, pt_sampler *s)
{
    char *end;
    double v = strtod(value, &end);
    int names = (int)strcspn(o->names, " ");
    if (end == value || *end || !(v >= o->min && v <= o->max))
        return pt_fail(PT_EARG, "--%.*s takes a number from %g to %g, not '%s'", names, o->names, o->min, o->max, value);
    if (o->kind == WHOLE && v != floor(v)) return pt_fail(PT_EARG, "--%.*s takes a whole number, not '%s'", names, o->names, value);
    if (o->kind == WHOLE) *(int *)((char *)s + o->at) = (int)v;
    else *(float *)((char *)s + o->at) = (float)v;
    return PT_OK;
}

static pt_status set_seed(const char *value, pt_sampler *s)
{
    char *end;
    errno = 0;
    s->seed = strtoull(value, &end, 10);
    if (end == value || *end || errno || value[0] == '-') return pt_fail(PT_EARG, "--seed takes a whole number, not '%s'", value);
    return PT_OK;
}

static pt_status set_order(const char *value, pt_sampler *s)
{
    s->n_order = 0;
    for (const char *p = value; *p;) {
        size_t n = strcspn(p, ";,");
        int k = 0;
        while (k < PT_SAMPLER_KINDS && (strlen(pt_sampler_name((pt_sampler_kind)k)) != n || strncmp(pt_sampler_name((pt_sampler_kind)k), p, n))) k++;
        if (k == PT_SAMPLER_KINDS || s->n_order == PT_SAMPLER_KINDS)
            return pt_fail(PT_EARG, "--samplers takes some of penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature, each once, not '%.*s'", (int)n, p);
        s->order[s->n_order++] = (pt_sampler_kind)k;
        p += n + (p[n] != 0);
    }
    return PT_OK;
}

/* ID+X, ID-X, ID-inf, with commas. */
static pt_status add_bias(const char *value, pt_sampler_texts *t)
{
    const char *p = value;
    do {
        char *end;
        long long id = strtoll(p, &end, 10);
        const char *number = end;
        bool read = end != p && id >= 0 && id <= INT32_MAX && (*number == '+' || *number == '-');
        double x = read ? strtod(number, &end) : 0;
        if (!read || end == number || (*end && *end != ',') || !(x < HUGE_VAL))
            return pt_fail(PT_EARG, "--logit-bias takes a token's id with what is added to its logit, such as 123+1.5, 123-1.5 or 123-inf, not '%s'", value);
        for (size_t i = 0; i < t->n_bias; i++)
            if (t->bias[i].id == id) return pt_fail(PT_EARG, "--logit-bias names token %lld twice", id);
        PT_RETURN(pt_reserve(&t->bias, &t->cap_bias, t->n_bias + 1));
        t->bias[t->n_bias++] = (pt_logit_bias){(int32_t)id, (float)x};
        p = end + 1;
        if (!*end) break;
    } while (true);
    return PT_OK;
}

/* A text of a shell's line: \n, \t, \\ for what is hard to type. */
static pt_status add_text(const char *name, const char *value, const char ***list, size_t *n, size_t *cap)
{
    char *text, *to;
    if (!*value) return pt_fail(PT_EARG, "--%s is empty", name);
    PT_RETURN(pt_reserve(list, cap, *n + 1));
    PT_RETURN(pt_strndup(&text, value, strlen(value)));
    to = text;
    for (const char *p = value; *p; p++) {
        char next = *p == '\\' ? p[1] : 0;
        if (next == 'n' || next == 't' || next == '\\') *to++ = next == 'n' ? '\n' : next == 't' ? '\t' : '\\', p++;
        else *to++ = *p;
    }
    *to = 0;
    (*list)[(*n)++] = text;
    return PT_OK;
}

pt_status pt_sampler_option_set(const pt_sampler_said *said, pt_sampler *s, pt_sampler_texts *t)
{
    const option *o = find(said->name, said->n);
    if (!o) return pt_fail(PT_EARG, "'%.*s' is no option of samplers (ptrain help generate)", (int)said->n, said->name);
    switch (o->kind) {
    case FLOAT:
    case WHOLE: return set_number(o, said->value, s);
    case SEED: return set_seed(said->value, s);
    case ORDER: return set_order(said->value, s);
    case BIAS: return add_bias(said->value, t);
    case STOP: return add_text("stop", said->value, &t->stop, &t->n_stop, &t->cap_stop);
    case BREAKER: return add_text("dry-sequence-breaker", said->value, &t->breaker, &t->n_breakers, &t->cap_breakers);
    }
    return PT_OK;
}

static void clear_texts(const char **list, size_t *n)
{
    while (*n > 0) free((char *)list[--*n]);
}

pt_status pt_sampler_options_set(const pt_sampler_said *said, size_t n, pt_sampler *s, pt_sampler_texts *t)
{
    for (size_t i = 0; i < n; i++) {
        const option *o = find(said[i].name, said[i].n);
        if (o && o->kind == STOP) clear_texts(t->stop, &t->n_stop);
        if (o && o->kind == BREAKER) clear_texts(t->breaker, &t->n_breakers);
        if (o && o->kind == BIAS) t->n_bias = 0;
    }
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_sampler_option_set(&said[i], s, t));
    return PT_OK;
}

pt_status pt_sampler_options_list(const char *const *list, size_t n, pt_sampler *s, pt_sampler_texts *t)
{
    pt_status rc = PT_OK;
    pt_sampler_said *said = NULL;
    PT_TRY(pt_alloc0(&said, n + 1));
    for (size_t i = 0; i < n; i++) {
        const char *is = strchr(list[i], '=');
        PT_CHECK(is, PT_EARG, "name=value, not '%s'", list[i]);
        said[i] = (pt_sampler_said){list[i], is + 1, (size_t)(is - list[i])};
    }
    PT_TRY(pt_sampler_options_set(said, n, s, t));
done:
    free(said);
    return rc;
}

pt_status pt_sampler_options_lines(const char *lines, pt_sampler *s, pt_sampler_texts *t)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    const char **list = NULL;
    size_t n = 0, cap = 0;
    PT_TRY(pt_strdup(&text, lines));
    for (char *p = text, *next; *p; p = next) {
        next = p + strcspn(p, "\n");
        if (*next) *next++ = 0;
        if (!*p) continue;
        PT_TRY(pt_reserve(&list, &cap, n + 1));
        list[n++] = p;
    }
    PT_TRY(pt_sampler_options_list(list, n, s, t));
done:
    free(list);
    free(text);
    return rc;
}

static pt_status put_names(pt_str *out, const char *names, bool markdown)
{
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        PT_RETURN(pt_str_printf(out, markdown ? "%s`--%.*s`" : "%s--%.*s", p == names ? "" : ", ", (int)n, p));
        p += n + (p[n] != 0);
    }
    return PT_OK;
}

pt_status pt_sampler_options_help(pt_str *out, bool markdown)
{
    PT_RETURN(pt_str_puts(out, markdown ? "| option | default | meaning |\n|---|---|---|\n" : "Samplers, by llama.cpp's names (docs/generation.md):\n"));
    for (int i = 0; i < N; i++) {
        const option *o = &options[i];
        PT_RETURN(pt_str_puts(out, markdown ? "| " : "  "));
        PT_RETURN(put_names(out, o->names, markdown));
        if (markdown) PT_RETURN(pt_str_printf(out, *o->off ? " | `%s` | %s |\n" : " |%s | %s |\n", o->off, o->help));
        else PT_RETURN(pt_str_printf(out, *o->off ? "  [%s]  %s\n" : "%s  %s\n", o->off, o->help));
    }
    return PT_OK;
}
