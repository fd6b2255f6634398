/* Scenes as their readers fill them: lines and people. */
#include "data/read/scene.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void pt_scene_clear(pt_scene *s)
{
    s->n = s->n_people = 0;
    s->setting = NULL;
    s->row = NULL;
    s->thoughts = false;
}

void pt_scene_free(pt_scene *s)
{
    free(s->lines);
    free(s->people);
    *s = (pt_scene){0};
}

pt_status pt_scene_line_add(pt_scene *s, const char *name, const char *text, size_t bytes)
{
    PT_RETURN(pt_reserve(&s->lines, &s->cap, s->n + 1));
    s->lines[s->n++] = (pt_scene_line){.name = name, .text = text, .bytes = bytes};
    return PT_OK;
}

static pt_scene_person *find(const pt_scene *s, const char *name)
{
    for (size_t i = 0; name && i < s->n_people; i++)
        if (!strcmp(s->people[i].name, name)) return &s->people[i];
    return NULL;
}

const pt_scene_person *pt_scene_person_find(const pt_scene *s, const char *name)
{
    return find(s, name);
}

pt_status pt_scene_person_add(pt_scene *s, const char *name, const char *profile, bool user, bool main)
{
    pt_scene_person *p = find(s, name);
    if (!p) {
        PT_RETURN(pt_reserve(&s->people, &s->people_cap, s->n_people + 1));
        p = &s->people[s->n_people++];
        *p = (pt_scene_person){.name = name};
    }
    if (!p->profile) p->profile = profile;
    p->user |= user;
    p->main |= main;
    return PT_OK;
}
