/* Rendezvous: the ranks of a launch find each other. See launch.h. */
#ifndef PT_DIST_STORE_H
#define PT_DIST_STORE_H
#include "train/dist/launch.h"

typedef struct pt_members {
    int *fd; /* [size] connections: rank 0 has one to every other rank, the others have fd[0]; -1 elsewhere. Owned */
    int local_rank, local_size, sharers; /* as pt_comm has them */
} pt_members;

pt_status pt_store_join(const pt_launch *l, pt_members *out);
void pt_store_leave(pt_members *m, int size); /* closes what is open; safe on a zeroed one */
#endif
