/* The environment: the only place that reads it. */
#ifndef PT_CLI_ENV_H
#define PT_CLI_ENV_H
#include <stdbool.h>

#include "train/dist/launch.h"

/* Started by mpirun (or srun with PMI) with more than one process. */
bool pt_env_under_mpi(void);
/* How this process was started beside others; alone without any of these. PT_EARG for variables that make no sense.
 *   mpirun, srun with PMI      MPI does the rest
 *   RANK, WORLD_SIZE           torchrun's names, with LOCAL_RANK, MASTER_ADDR, MASTER_PORT (one more than it when torchrun itself
 *                              listens there: TORCHELASTIC_USE_AGENT_STORE), LOCAL_WORLD_SIZE (all ranks on one machine?)
 *   SLURM_PROCID, ...          inside an srun step: SLURM_STEP_NUM_TASKS or SLURM_NTASKS, SLURM_LOCALID; the first host of
 *                              SLURM_STEP_NODELIST or SLURM_JOB_NODELIST unless MASTER_ADDR is set; a port by the job's number unless
 *                              MASTER_PORT is
 *   PTRAIN_STORE               a file that all ranks see, instead of an address
 *   PTRAIN_TOKEN               what the ranks of one job share, to keep strangers out. Unset: made of a secret of the user
 *                              (train/dist/secret.h: XDG_STATE_HOME, ~/.local/state, XDG_RUNTIME_DIR, /tmp/ptrain-UID) and the job's
 *                              name (TORCHELASTIC_RUN_ID or SLURM_JOB_ID) */
pt_status pt_env_launch(pt_launch *l);
/* NO_COLOR is set (https://no-color.org). */
bool pt_env_no_colour(void);
/* OpenMP's waiting threads spin for long by default, and so take a core from whatever else runs beside (another rank, another
 * program). The library reads its settings before main only: sets a short spin and starts the program anew, once, unless the
 * user has set one. */
void pt_env_calm_threads(char **argv);
/* The name that ps, top and killall show: the last part of argv[0]. */
void pt_env_name_process(const char *argv0);
#endif
