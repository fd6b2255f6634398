/* Sums over GPUs by NCCL: the communicator of a device plugin (kernels/plugin.h). One process a GPU.
 *
 * It stands on a host communicator (MPI or TCP), which carries NCCL's id and every small collective; vectors of gradients are
 * summed on the device, on a stream of their own. NCCL is opened at run time (libnccl.so.2), so a plugin works without it for
 * one process. NCCL adds in an order of its own: f32, the same bits for the same sizes, ranks and machine; not those of a host
 * sum.
 *
 * A sum that does not end: allreduce_end() looks at NCCL's own errors, at the other ranks (host->check), and at the time. On any of
 * them it aborts NCCL, so that the kernels end and later waits of the device return, and says what happened. */
#ifndef PT_DIST_NCCL_H
#define PT_DIST_NCCL_H
#include "train/dist/comm.h"

/* What DistributedDataParallel takes too: large enough for the full rate, small enough that the last one, which nothing hides,
 * is short. */
#define PT_BUCKET_BYTES ((size_t)25 << 20)

typedef struct pt_nccl_open_args {
    pt_comm *host;       /* more than one rank; stays the caller's, and must outlive the communicator */
    double wait_seconds; /* how long a sum may take; 0 = the host's, or 1800 */
    size_t bucket_bytes; /* 0 = PT_BUCKET_BYTES */
} pt_nccl_open_args;

#ifdef __cplusplus
extern "C" {
#endif
/* Collective. Works on the calling thread's current device. PT_ENOSUP without NCCL, PT_EIO when the ranks do not connect; every
 * rank fails when one does. */
typedef pt_status (*pt_nccl_open_fn)(const pt_nccl_open_args *a, pt_comm **out);
pt_status pt_nccl_open(const pt_nccl_open_args *a, pt_comm **out);
#ifdef __cplusplus
}
#endif
#endif
