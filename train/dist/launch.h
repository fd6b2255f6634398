/* How this process was started beside others, and the communicator that needs no library: TCP.
 *
 * Rank 0 listens; every other rank connects to it and says who it is (a star). All collectives go through rank 0, which adds in
 * rank order in double: the bits of train/dist/mpi.c. It serves as host channel under NCCL, and CPU ranks where there is no
 * MPI; rank 0 moves 2 (size - 1) n numbers a sum, so MPI is the better choice for many CPU ranks.
 *
 * What comes from the network is hostile until it has proven, by a question and an answer, that it knows the token of this job;
 * rank 0 proves it too. Whoever does not within some seconds is dropped and disturbs nobody. Rank 0 listens only on the address
 * that MASTER_ADDR names. The proof guards the meeting; what follows is neither encrypted nor signed, so who can change packets
 * on the wire can do harm still: run over several machines inside a network of yours. */
#ifndef PT_DIST_LAUNCH_H
#define PT_DIST_LAUNCH_H
#include "train/dist/comm.h"

typedef enum pt_launch_kind {
    PT_LAUNCH_ONE,  /* alone */
    PT_LAUNCH_MPI,  /* by mpirun, or srun with PMI */
    PT_LAUNCH_TCP,  /* rank 0 listens on host:port */
    PT_LAUNCH_FILE, /* rank 0 listens on a free port and writes where into the file `path`, which all ranks see */
} pt_launch_kind;

#define PT_LAUNCH_RANKS 1024 /* most ranks of a TCP or file launch */

enum { PT_TOKEN_BYTES = 128 };
typedef struct pt_launch {
    pt_launch_kind kind;
    int rank, size;
    int local_rank;      /* -1: by comparing machines */
    char host[256];      /* TCP */
    int port;            /* TCP: 1..65535 */
    char path[1024];     /* file */
    bool one_machine;    /* the launcher says that no rank is elsewhere */
    char token[PT_TOKEN_BYTES]; /* TCP: what the ranks of this job share and nobody else knows; never empty */
    char token_from[256];       /* where it is from, for messages */
    double join_seconds; /* how long ranks may take to come */
    double wait_seconds; /* how long one may wait for another in a collective */
} pt_launch;

#define PT_JOIN_SECONDS 300
#define PT_WAIT_SECONDS 1800

/* Joins the group. PT_EARG for a launch that cannot be; PT_EIO with who is missing, or why not. */
pt_status pt_comm_tcp(const pt_launch *l, pt_comm **out);
#endif
