/* split: a part of a file's rows in Hugging Face's spelling: train, train[:20%], train[100:500], train[-50:]. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

typedef struct pt_edge {
    bool given, percent;
    long long n;
} pt_edge;

static bool edge(const char **p, pt_edge *e)
{
    char *end;
    *e = (pt_edge){0};
    if (**p == ':' || **p == ']') return true;
    e->n = strtoll(*p, &end, 10);
    if (end == *p || llabs(e->n) > (1ll << 40)) return false;
    e->given = true;
    e->percent = *end == '%';
    *p = end + e->percent;
    return !e->percent || llabs(e->n) <= 100;
}

static pt_status count_row(void *user, json_t *row, int64_t line)
{
    ++*(int64_t *)user;
    return PT_OK;
}

/* The row that an edge stands before; below 0 it counts from the end. Percent are rounded to the nearest row. */
static int64_t place(pt_edge e, int64_t total)
{
    double at = e.percent ? nearbyint((double)total * (double)e.n / 100) : (double)e.n;
    if (at < 0) at += (double)total;
    return at < 0 ? 0 : (int64_t)at;
}

pt_status pt_row_slice(const pt_dataset_spec *spec, const pt_paths *files, int64_t *from, int64_t *to)
{
    const char *path = spec->path, *split = spec->split;
    pt_edge a = {0}, b = {0};
    int64_t total = 0;
    *from = 0;
    *to = INT64_MAX;
    size_t word = split ? strcspn(split, "[") : 0; /* of a folder the files said which split they are of */
    if (!split || !*split || (!split[word] && (files->split || !strcmp(split, "train")))) return PT_OK;
    const char *p = split + word + (split[word] == '[');
    bool good = split[word] && (files->split || !strncmp(split, "train[", 6)) && edge(&p, &a) && *p == ':' && (p++, edge(&p, &b)) && !strcmp(p, "]");
    if (!good)
        return pt_fail(PT_EARG, "%s: split '%s' of a file; a file is one split, 'train', or a part of it: train[:20%%], train[100:500]", path, split);
    bool counted = a.percent || b.percent || a.n < 0 || b.n < 0;
    for (size_t i = 0; counted && i < files->n; i++) PT_RETURN(pt_rows_read(files->list[i], spec, count_row, &total));
    if (a.given) *from = place(a, total);
    if (b.given) *to = place(b, total);
    return *from < *to ? PT_OK : pt_fail(PT_EARG, "%s: split '%s' holds no rows", path, split);
}
