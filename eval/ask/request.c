#include "eval/ask/request.h"

#include <stdlib.h>

void pt_requests_free(pt_requests *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->list[i].ids);
        free(q->list[i].constraint);
    }
    free(q->list);
    *q = (pt_requests){0};
}

void pt_replies_free(pt_reply *r, size_t n)
{
    for (size_t i = 0; r && i < n; i++) free(r[i].text);
    free(r);
}
