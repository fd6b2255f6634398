/* Which modules an adapter targets, and with what scale. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/peft_pattern.h"

enum { MATCH_LIMIT = 1000000 };

pt_status pt_peft_pattern_set(pt_peft_pattern *p, const char *before, const char *regex, const char *after, double value)
{
    pt_status rc = PT_OK;
    pt_peft_pattern made = {.value = value};
    char *full = NULL;
    PCRE2_UCHAR why[128] = {0};
    int code;
    size_t at;
    PT_TRY(pt_strdup(&made.text, regex));
    PT_TRY(pt_asprintf(&full, "%s%s%s", before, regex, after));
    made.code = pcre2_compile((PCRE2_SPTR)full, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code,
                              &at, NULL);
    if (!made.code) {
        pcre2_get_error_message(code, why, sizeof why);
        PT_FAIL(PT_EARG, "the regular expression '%s' does not compile: %s", regex, (const char *)why);
    }
    pt_peft_pattern_free(p);
    *p = made;
    made = (pt_peft_pattern){0};
done:
    pt_peft_pattern_free(&made);
    free(full);
    return rc;
}

void pt_peft_pattern_free(pt_peft_pattern *p)
{
    pcre2_code_free(p->code);
    free(p->text);
    *p = (pt_peft_pattern){0};
}

pt_status pt_peft_pattern_match(const pt_peft_pattern *p, const char *text, bool *out)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(p->code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int n = PCRE2_ERROR_NOMEMORY;
    if (data && limits) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        n = pcre2_match(p->code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, limits);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    *out = n >= 0;
    if (n >= 0 || n == PCRE2_ERROR_NOMATCH) return PT_OK;
    return pt_fail(PT_EFORMAT, "the regular expression '%s' takes too long on '%s'; write it without nested repeats", p->text,
                   text);
}

typedef enum list_hit { MISS, SUFFIX, EXACT } list_hit;

bool pt_peft_name_fits(const char *name, const char *path)
{
    size_t n = strlen(path), k = strlen(name);
    return k <= n && strcmp(path + n - k, name) == 0 && (k == n || path[n - k - 1] == '.');
}

static list_hit in_list(const pt_peft_list *l, const char *path)
{
    list_hit best = MISS;
    for (size_t i = 0; i < l->n && best != EXACT; i++)
        if (pt_peft_name_fits(l->names[i], path)) best = strcmp(l->names[i], path) == 0 ? EXACT : SUFFIX;
    return best;
}

/* A module to save, or inside one: its name stands in the path between dots. */
static bool saved(const pt_peft *p, const char *path)
{
    for (size_t i = 0; i < p->modules_to_save.n; i++) {
        const char *name = p->modules_to_save.names[i];
        size_t k = strlen(name);
        for (const char *s = path; (s = strstr(s, name)); s++)
            if ((s == path || s[-1] == '.') && (!s[k] || s[k] == '.')) return true;
    }
    return false;
}

/* The layer number: the first part of the path that is a number, has two parts before it and one after it. */
static bool layer_number(const char *path, int64_t *out)
{
    int part = 0;
    for (const char *s = path; s; part++) {
        size_t n = strcspn(s, "."), d = strspn(s, "0123456789");
        if (part >= 2 && n == d && n > 0 && n < 10 && s[n]) return *out = strtoll(s, NULL, 10), true;
        s = s[n] ? s + n + 1 : NULL;
    }
    return false;
}

/* With layers_pattern: the number after the first of its names, with a part after it. */
static pt_status named_layer(const pt_peft *p, const char *path, bool *found, int64_t *out)
{
    pt_status rc = PT_OK;
    pt_peft_pattern q = {0};
    *found = false;
    for (size_t i = 0; i < p->layers_pattern.n && !*found; i++) {
        for (const char *s = path; s && !*found;) {
            size_t n = strcspn(s, "."), d = n && s[n] ? strspn(s + n + 1, "0123456789") : 0;
            char *part = NULL;
            PT_TRY(pt_strndup(&part, s, n));
            rc = pt_peft_pattern_set(&q, "", p->layers_pattern.names[i], "", 0);
            if (rc == PT_OK) rc = pt_peft_pattern_match(&q, part, found);
            free(part);
            PT_TRY(rc);
            *found = *found && d > 0 && d < 10 && s[n + 1 + d] == '.';
            if (*found) *out = strtoll(s + n + 1, NULL, 10);
            s = s[n] ? s + n + 1 : NULL;
        }
    }
done:
    pt_peft_pattern_free(&q);
    return rc;
}

static pt_status in_layers(const pt_peft *p, const char *path, bool *out)
{
    int64_t layer = -1;
    if (p->layers_pattern.n) PT_RETURN(named_layer(p, path, out, &layer));
    else *out = layer_number(path, &layer);
    if (!*out) return PT_OK;
    *out = false;
    for (size_t i = 0; i < p->n_layers; i++) *out = *out || p->layers[i] == layer;
    return PT_OK;
}

static bool is_head(const char *path)
{
    static const char *const names[] = {"lm_head", "score", "classifier"};
    const char *dot = strrchr(path, '.'), *last = dot ? dot + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], last)) return true;
    return false;
}

pt_status pt_peft_targets(const pt_peft *p, const char *path, bool *out)
{
    bool spared = in_list(&p->exclude, path) != MISS || saved(p, path);
    *out = false;
    if (!spared && p->exclude_regex.text) PT_RETURN(pt_peft_pattern_match(&p->exclude_regex, path, &spared));
    if (spared) return PT_OK;
    if (p->target_regex.text) return pt_peft_pattern_match(&p->target_regex, path, out);
    list_hit found = p->all_linear ? (is_head(path) ? MISS : SUFFIX) : in_list(&p->targets, path);
    *out = found != MISS;
    if (found == SUFFIX && p->n_layers)
        return in_layers(p, path, out); /* a full path wins over layers_to_transform, as in PEFT */
    return PT_OK;
}

/* The value of the first pattern that matches the end of the path. */
static pt_status first_match(const pt_peft_patterns *l, const char *path, double *out)
{
    for (size_t i = 0; i < l->n; i++) {
        bool hit;
        PT_RETURN(pt_peft_pattern_match(&l->items[i], path, &hit));
        if (!hit) continue;
        *out = l->items[i].value;
        return PT_OK;
    }
    return PT_OK;
}

pt_status pt_peft_scale(const pt_peft *p, const char *path, int64_t *r, double *alpha, double *scale)
{
    double rank = (double)p->r;
    *alpha = p->alpha;
    PT_RETURN(first_match(&p->ranks, path, &rank));
    PT_RETURN(first_match(&p->alphas, path, alpha));
    *r = (int64_t)rank;
    *scale = *alpha / (p->rslora ? sqrt(rank) : rank);
    return PT_OK;
}
