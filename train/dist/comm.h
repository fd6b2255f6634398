/* A group of processes that train together. Implementations: self (one process), MPI, TCP (tcp.c: no library needed), and NCCL
 * (nccl.h: sums on the device, everything else through one of the others).
 *
 * Every function is collective: all ranks call it in the same order with the same sizes. Sums are taken in rank order, so they
 * do not depend on arrival, and every rank receives the same bits. A failing rank cannot be waited for: it reports and calls
 * abort. */
#ifndef PT_DIST_COMM_H
#define PT_DIST_COMM_H
#include <stdint.h>

#include "base/tensor.h"

/* How a communicator that works on the host reaches device memory; a device communicator ignores it. */
typedef struct pt_comm_io {
    void *user;
    pt_status (*get)(void *user, float *host, pt_view src);       /* dense copy to the host; waits */
    pt_status (*put)(void *user, pt_view dst, const float *host); /* and back */
} pt_comm_io;

typedef struct pt_comm pt_comm;
struct pt_comm {
    const char *name; /* "self", "mpi", "tcp", "nccl over tcp" ... */
    int rank, size;
    int local_rank, local_size; /* on this machine */
    int sharers;                /* ranks of this machine that may run on the same cores (1 when each is bound to its own) */
    size_t staging_bytes;       /* host memory that allreduce_sum uses; allocated at opening */
    void *state;
    /* v[1,n] f32 becomes the sum over the ranks. */
    pt_status (*allreduce_sum)(pt_comm *c, pt_view v, const pt_comm_io *io);
    pt_status (*allreduce_f64)(pt_comm *c, double *x, size_t n); /* sums, host */
    pt_status (*allreduce_min)(pt_comm *c, int64_t *x, size_t n);
    pt_status (*allreduce_max)(pt_comm *c, int64_t *x, size_t n);
    pt_status (*broadcast)(pt_comm *c, void *data, size_t bytes, int root);
    pt_status (*barrier)(pt_comm *c);
    void (*abort)(pt_comm *c,
                  int code);   /* ends all ranks; self does nothing. Does not return with MPI. Elsewhere the other
                                  ranks' next call fails with this thread's message (base/err.h); close is still due */
    void (*close)(pt_comm *c); /* frees everything; c is dead */

    /* Sums that run while the device goes on computing; all NULL in a communicator that works on the host. start: v[1,n] f32
     * becomes the sum over the ranks, from when what `after` (a stream of the device) holds now is done; all ranks start the
     * same sums in the same order. wait: what is put into `stream` from now on comes after all started sums; the host goes on.
     * end: the host waits until they have ended, watches for errors of the library and of other ranks meanwhile, and gives
     * up after a time: PT_EIO, and later calls fail too. */
    pt_status (*allreduce_start)(pt_comm *c, pt_view v, void *after);
    pt_status (*allreduce_wait)(pt_comm *c, void *stream);
    pt_status (*allreduce_end)(pt_comm *c);
    size_t bucket_bytes; /* gradients are summed in slices of this size while backward runs; 0 = all at once after it */
    /* Not collective, does not wait: PT_EIO when another rank is known to have failed or left. NULL: cannot tell. */
    pt_status (*check)(pt_comm *c);
    bool abort_exits;    /* abort does not return: say what is to be said before */
    double wait_seconds; /* how long one rank may wait for another where that is watched; 0 = no limit known */
    bool broken;         /* set by a rank that leaves in the middle of its work: close waits for nobody then */
};

/* One process. */
pt_status pt_comm_self(pt_comm **out);
/* MPI_COMM_WORLD; starts MPI when it is not started. PT_ENOSUP when this build has no MPI. Call when launched by mpirun. */
pt_status pt_comm_mpi(double wait_seconds, pt_comm **out); /* how long one rank may wait for another; 0 = for ever */
/* Whether pt_comm_mpi can work in this build. */
bool pt_comm_has_mpi(void);
#endif
