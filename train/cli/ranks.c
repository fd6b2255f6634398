/* The ranks of a command that runs in several processes: joining them, and leaving with them. */
#include "train/cli/cli.h"
#include "train/cli/env.h"

pt_status pt_cli_join(const pt_config_ranks *ranks, pt_comm **comm)
{
    pt_launch l;
    *comm = NULL;
    PT_RETURN(pt_env_launch(&l));
    l.wait_seconds = ranks->ddp_timeout;
    if (l.wait_seconds < l.join_seconds) l.join_seconds = l.wait_seconds;
    if (l.kind == PT_LAUNCH_TCP || l.kind == PT_LAUNCH_FILE) return pt_comm_tcp(&l, comm);
    return l.kind == PT_LAUNCH_MPI && pt_comm_has_mpi() ? pt_comm_mpi(ranks->ddp_timeout, comm) : pt_comm_self(comm);
}

pt_status pt_cli_leave(pt_comm *comm, pt_status rc)
{
    if (comm->abort_exits) fprintf(stderr, "error: rank %d: %s\n", comm->rank, pt_err_msg());
    comm->abort(comm, 1);
    return pt_fail_prefix(rc, "rank %d", comm->rank);
}
