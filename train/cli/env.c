#include "train/cli/env.h"

#include <stdlib.h>
#include <unistd.h>

bool pt_env_under_mpi(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
    for (int i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && (i == 2 || strtol(v, NULL, 10) > 1)) return true;
    }
    return false;
}

bool pt_env_no_colour(void)
{
    const char *v = getenv("NO_COLOR");
    return v && v[0];
}

void pt_env_calm_threads(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "20000", 1) == 0) execv("/proc/self/exe", argv); /* where that fails, we go on as we are */
}
