/* The table of speakers. */
#include "data/text/speaker.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"

#define ALSO(...) (const char *const[]){__VA_ARGS__, NULL}

/* New ones at the end: a pack's digest names those of `roles` by their places. */
const pt_speaker pt_speakers[] = {
    [PT_SPEAKER_SYSTEM] = {.name = "system", .also = ALSO("developer")},
    [PT_SPEAKER_USER] = {.name = "user", .also = ALSO("human", "prompter")},
    [PT_SPEAKER_ASSISTANT] = {.name = "assistant", .also = ALSO("gpt", "bot", "model", "chatgpt", "bing", "bard", "ai", "function_call", "tool_call"), .trained = true},
    [PT_SPEAKER_TOOL] = {.name = "tool", .also = ALSO("observation", "function", "tool_response", "ipython")},
};
enum { SPEAKERS = sizeof pt_speakers / sizeof *pt_speakers };

size_t pt_speaker_count(void)
{
    return SPEAKERS;
}

static bool called(const pt_speaker *s, const char *name)
{
    if (!strcasecmp(s->name, name)) return true;
    for (const char *const *also = s->also; also && *also; also++)
        if (!strcasecmp(*also, name)) return true;
    return false;
}

const pt_speaker *pt_speaker_find(const char *name)
{
    for (size_t i = 0; name && i < SPEAKERS; i++)
        if (called(&pt_speakers[i], name)) return &pt_speakers[i];
    return NULL;
}

uint64_t pt_speaker_mark(const pt_speaker *s)
{
    for (size_t i = 0; i < SPEAKERS; i++)
        if (s == &pt_speakers[i]) return i;
    return pt_fnv1a(PT_FNV_START, s->name, strlen(s->name));
}

void pt_speaker_names(char *out, size_t size, const char *last)
{
    size_t n = 0;
    for (size_t i = 0; i < SPEAKERS && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i == 0 ? "" : i + 1 < SPEAKERS ? ", " : last, pt_speakers[i].name);
}

pt_status pt_speaker_weigh(pt_speaker_weights *w, const pt_speaker *s, float weight)
{
    size_t i = 0;
    while (i < w->n && w->list[i].speaker != s) i++;
    PT_RETURN(pt_reserve(&w->list, &w->cap, i + 1));
    w->list[i] = (struct pt_speaker_weight){s, weight};
    if (i == w->n) w->n++;
    return PT_OK;
}

float pt_speaker_weight(const pt_speaker_weights *w, const pt_speaker *s)
{
    const pt_speaker *who[] = {s, s->like};
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < w->n; i++)
            if (w->list[i].speaker == who[k]) return w->list[i].weight;
    return w->rest;
}

pt_status pt_speakers_trained(pt_speaker_weights *w, const char *const *names, size_t n, float rest)
{
    w->n = 0;
    w->rest = rest;
    for (size_t i = 0; !names && i < SPEAKERS; i++)
        if (pt_speakers[i].trained) PT_RETURN(pt_speaker_weigh(w, &pt_speakers[i], 1));
    for (size_t i = 0; names && i < n; i++) {
        const pt_speaker *who = pt_speaker_find(names[i]);
        char known[160];
        pt_speaker_names(known, sizeof known, ", ");
        if (!who) return pt_fail(PT_EARG, "roles_to_train: speaker '%s' is unknown (%s)", names[i], known);
        PT_RETURN(pt_speaker_weigh(w, who, 1));
    }
    return PT_OK;
}
