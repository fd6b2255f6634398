/* What is said of a data set's readers' keys. */
#include "data/read/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pt_dataset_said *find(const pt_dataset_spec *s, const char *key)
{
    for (pt_dataset_said *x = s->said; x && x->key; x++)
        if (!strcmp(x->key, key)) return x;
    return NULL;
}

const char *pt_dataset_says(const pt_dataset_spec *s, const char *key)
{
    const pt_dataset_said *x = find(s, key);
    return x ? x->text : NULL;
}

/* One more entry, its key alone. */
static pt_status add(pt_dataset_spec *s, const char *key, pt_dataset_said **out)
{
    size_t n = 0, cap;
    while (s->said && s->said[n].key) n++;
    cap = s->said ? n + 1 : 0;
    PT_RETURN(pt_reserve(&s->said, &cap, n + 2));
    s->said[n] = s->said[n + 1] = (pt_dataset_said){0};
    *out = &s->said[n];
    return pt_strdup(&s->said[n].key, key);
}

pt_status pt_dataset_say(pt_dataset_spec *s, const char *key, const char *text, int line, int column)
{
    char *copy;
    pt_dataset_said *x = find(s, key);
    PT_RETURN(pt_strdup(&copy, text));
    pt_status rc = x ? PT_OK : add(s, key, &x);
    if (rc != PT_OK) {
        free(copy);
        return rc;
    }
    free(x->text);
    x->text = copy;
    x->line = line;
    x->column = column;
    return PT_OK;
}

/* Without regard to other sets. */
static void plain_name(const pt_dataset_spec *s, char out[PT_DATASET_NAME])
{
    const char *text = s->name ? s->name : s->path ? s->path : "";
    const char *end = text + strlen(text), *part = text;
    size_t n = 0;
    for (bool again = !s->name; again;) { /* the last name that is no pattern */
        while (end > text && end[-1] == '/') end--;
        for (part = end; part > text && part[-1] != '/';) part--;
        again = part > text && strcspn(part, "*?[") < (size_t)(end - part);
        if (again) end = part;
    }
    for (text = part; text < end && n + 4 < PT_DATASET_NAME && (s->name || *text != '.'); text++) {
        bool keep = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || *text == '.' || *text == '-';
        out[n++] = keep ? *text : '_';
    }
    if (!n) out[n++] = '_';
    out[n] = 0;
}

void pt_dataset_name(const pt_dataset_spec *sets, size_t n, size_t i, char out[PT_DATASET_NAME])
{
    int same = 1;
    char other[PT_DATASET_NAME];
    plain_name(&sets[i], out);
    for (size_t k = 0; k < i && k < n; k++) {
        plain_name(&sets[k], other);
        same += !strcmp(out, other);
    }
    size_t at = strlen(out);
    if (same > 1) snprintf(out + at, PT_DATASET_NAME - at, "-%d", same);
}

void pt_dataset_clear(pt_dataset_spec *s)
{
    char *texts[] = {s->name, s->format, s->path, s->type, s->split, s->system_prompt};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) free(texts[k]);
    for (pt_dataset_said *x = s->said; x && x->key; x++) {
        free(x->key);
        free(x->text);
    }
    for (size_t k = 0; k < s->n_roles; k++) free(s->role_names[k]);
    for (size_t k = 0; k < s->n_roles_to_train; k++) free(s->roles_to_train[k]);
    for (size_t k = 0; k < s->n_also; k++) free(s->also[k]);
    free(s->also);
    free(s->said);
    free(s->role_names);
    free(s->role_is);
    free(s->roles_to_train);
    *s = (pt_dataset_spec){0};
}
