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

void pt_voices_free(pt_voices *v)
{
    for (size_t i = 0; i < v->n; i++) v->at[i]->close(v->at[i]);
    free(v->at);
    *v = (pt_voices){0};
}
