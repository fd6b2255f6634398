#include "train/cli/env.h"

#include <stdlib.h>

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
