/* The environment: the only place that reads it. */
#ifndef PT_CLI_ENV_H
#define PT_CLI_ENV_H
#include <stdbool.h>
/* Started by mpirun (or srun with PMI) with more than one process. */
bool pt_env_under_mpi(void);
/* NO_COLOR is set (https://no-color.org). */
bool pt_env_no_colour(void);
#endif
