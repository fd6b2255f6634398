/* Models in memory that answer while rank 0 alone decides what comes next: it says which of them is asked what, the other ranks take part in the asking
 * (eval/ask/runner.h, which is collective), until rank 0 is through. One process: asking is all there is. */
#ifndef PT_EVAL_SERVER_H
#define PT_EVAL_SERVER_H
#include "eval/ask/runner.h"

typedef struct pt_server {
    pt_comm *comm; /* NULL: alone */
    pt_runner **runners; /* [n] borrowed; the same ones in the same order on every rank */
    size_t n, cap;
    char **more; /* [n_more] samplers of requests, of ranks that are told them */
    size_t n_more, cap_more;
    bool lost; /* something ended on this rank alone (memory, a device, another rank): the ranks do not stand at the same place any more */
} pt_server;
pt_status pt_server_add(pt_server *s, pt_runner *r, size_t *number);
void pt_server_free(pt_server *s);

/* Every rank at once, each with the same requests. */
pt_status pt_server_all(pt_server *s, size_t number, const pt_requests *q, pt_reply *replies);
/* Rank 0: asks runner `number`; replies[q->n] as of pt_runner_run. */
pt_status pt_server_run(pt_server *s, size_t number, const pt_requests *q, pt_reply *replies);
/* The other ranks: answers until rank 0 ends it, also where an asking failed on all ranks (PT_ENONFINITE, PT_ESTOP): then with that status. PT_ESTATE: rank 0 ended it for a
 * reason of its own; PT_EIO where it is gone; PT_EARG: it asks what is not there. */
pt_status pt_server_serve(pt_server *s);
/* Rank 0: lets them go; rc: with what it ends. Nothing is sent where the ranks are lost. Returns rc, or why they could not be told. */
pt_status pt_server_end(pt_server *s, pt_status rc);
#endif
