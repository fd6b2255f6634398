/* Files that are one JSON object which a type takes apart itself. */
#include <string.h>

#include "data/read/read_feed.h"

pt_status pt_feed_object(pt_feed *f, json_t **out)
{
    const char *p = f->at;
    *out = NULL;
    while (p < f->end && strchr(" \t\r\n", *p)) p++;
    if (p == f->end || *p != '{') return PT_OK;
    while (f->more) PT_RETURN(pt_feed_more(f, f->at));
    pt_status rc = pt_err_forgive(pt_json_parse(out, f->at, (size_t)(f->end - f->at), f->path, PT_JSON_NUL));
    return rc;
}

void pt_feed_find(const pt_feed *f, const char *mark, const char **at, int64_t *line)
{
    size_t n = strlen(mark);
    int64_t lines = 0;
    for (const char *p = *at; p + n <= f->end; p++) {
        lines += *p == '\n';
        if (*p != *mark || memcmp(p, mark, n) != 0) continue;
        *at = p + n;
        *line += lines;
        return;
    }
}
