#include "eval/ask/voice.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

void pt_said_free(pt_said *s, size_t n)
{
    for (size_t i = 0; s && i < n; i++) {
        free(s[i].text);
        free(s[i].failure);
    }
    free(s);
}

static pt_voice *find(const pt_voices *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (!strcmp(v->at[i]->name, name)) return v->at[i];
    return NULL;
}

pt_status pt_voices_add(pt_voices *v, pt_voice *voice)
{
    pt_status rc = find(v, voice->name) ? pt_fail(PT_EARG, "two models are called %s", voice->name) : pt_reserve(&v->at, &v->cap, v->n + 1);
    if (rc == PT_OK) v->at[v->n++] = voice;
    else voice->close(voice);
    return rc;
}

pt_status pt_voices_find(const pt_voices *v, const char *name, pt_voice **out)
{
    pt_str known = {0};
    *out = find(v, name);
    if (*out) return PT_OK;
    for (size_t i = 0; i < v->n; i++)
        if (pt_str_printf(&known, "%s%s", i ? ", " : "", v->at[i]->name) != PT_OK) break;
    pt_status rc = pt_fail(PT_EARG, "no model is called '%s'; there are: %s", name, known.text ? known.text : "none");
    pt_str_free(&known);
    return rc;
}

pt_status pt_voice_account(const pt_voice *v, json_t **out)
{
    *out = NULL;
    return v->account ? v->account(v, out) : PT_OK;
}

/* now -= before, in place. */
static pt_status take_off(json_t *now, const json_t *before, bool causes)
{
    json_t *x;
    const char *key;
    void *next;
    json_object_foreach_safe (now, next, key, x) {
        const json_t *then = json_object_get(before, key);
        if (json_is_object(x)) PT_RETURN(take_off(x, then, true));
        if (!json_is_number(x)) continue;
        const bool whole = json_is_integer(x) && (!then || json_is_integer(then));
        json_t *less = whole ? json_integer(json_integer_value(x) - json_integer_value(then)) : json_real(json_number_value(x) - json_number_value(then));
        const bool none = causes && json_number_value(less) == 0;
        if (json_object_set_new(now, key, less)) return pt_fail(PT_ENOMEM, "out of memory for what a model has cost");
        if (none) json_object_del(now, key);
    }
    return PT_OK;
}

pt_status pt_voice_since(const pt_voice *v, const json_t *before, json_t **out)
{
    PT_RETURN(pt_voice_account(v, out));
    if (!*out) return PT_OK;
    pt_status rc = take_off(*out, before, false);
    if (rc == PT_OK) return rc;
    json_decref(*out);
    *out = NULL;
    return rc;
}

void pt_voices_free(pt_voices *v)
{
    for (size_t i = 0; i < v->n; i++) v->at[i]->close(v->at[i]);
    free(v->at);
    *v = (pt_voices){0};
}
