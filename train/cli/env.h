/* The environment: the only place that reads it. */
#ifndef PT_CLI_ENV_H
#define PT_CLI_ENV_H
#include <stdbool.h>
/* Started by mpirun (or srun with PMI) with more than one process. */
bool pt_env_under_mpi(void);
/* NO_COLOR is set (https://no-color.org). */
bool pt_env_no_colour(void);
/* OpenMP's waiting threads spin for long by default, and so take a core from whatever else runs beside (another rank, another program). The
 * library reads its settings before main only: sets a short spin and starts the program anew, once, unless the user has set one. */
void pt_env_calm_threads(char **argv);
#endif
