#include "train/cli/env.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "train/dist/secret.h"

bool pt_env_under_mpi(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
    for (int i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && (i == 2 || strtol(v, NULL, 10) > 1)) return true;
    }
    return false;
}

/* ---- launchers --------------------------------------------------------------------------------------------------------- */

/* The first of these variables that is set and not empty; NULL-terminated. */
static const char *first_of(const char *const *names, const char **which)
{
    for (; *names; names++) {
        const char *v = getenv(*names);
        *which = *names;
        if (v && v[0]) return v;
    }
    return NULL;
}

/* A whole number from min to max; *set says whether a variable had one. */
static pt_status number_of(const char *const *names, long min, long max, long *out, bool *set)
{
    const char *which, *v = first_of(names, &which);
    char *end = NULL;
    *set = v != NULL;
    if (!v) return PT_OK;
    errno = 0;
    long n = strtol(v, &end, 10);
    if (errno || end == v || *end || n < min || n > max)
        return pt_fail(PT_EARG, "the environment variable %s is '%.64s', not a whole number from %ld to %ld", which, v, min,
                       max);
    *out = n;
    return PT_OK;
}
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static pt_status text_of(const char *name, const char *v, char *out, size_t room)
{
    if (strlen(v) >= room) return pt_fail(PT_EARG, "the environment variable %s is longer than %zu bytes", name, room - 1);
    memset(out, 0, room);
    memcpy(out, v, strlen(v));
    return PT_OK;
}

/* The first name of a list such as "gpu[003-008,11],login1": every bracket gives its first number. */
static pt_status first_host(const char *list, char *out, size_t room)
{
    size_t n = 0;
    bool inside = false, skip = false;
    memset(out, 0, room);
    for (; *list && (*list != ',' || inside); list++) {
        if (*list == '[' && !inside)
            inside = true;
        else if (*list == ']' && inside)
            inside = skip = false;
        else if (inside && (*list == '-' || *list == ','))
            skip = true;
        else if (!skip && n + 1 < room)
            out[n++] = *list;
        else if (!skip)
            return pt_fail(PT_EARG, "the first host of SLURM_JOB_NODELIST is longer than %zu bytes", room - 1);
    }
    if (inside || n == 0) return pt_fail(PT_EARG, "SLURM_JOB_NODELIST is no list of hosts");
    return PT_OK;
}

/* Folders where the user's state may lie, best first; those that other machines may see too stand first. */
static pt_status state_folders(pt_str room[5], const char *out[6])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *run = getenv("XDG_RUNTIME_DIR");
    const struct passwd *user = getpwuid(geteuid());
    size_t n = 0;
    if (state && state[0] == '/') PT_RETURN(pt_str_puts(&room[n++], state));
    if (home && home[0] == '/' && pt_dir_exists(home)) PT_RETURN(pt_str_printf(&room[n++], "%s/.local/state", home));
    if (user && user->pw_dir && user->pw_dir[0] == '/' && pt_dir_exists(user->pw_dir))
        PT_RETURN(pt_str_printf(&room[n++], "%s/.local/state", user->pw_dir));
    if (run && run[0] == '/' && pt_dir_exists(run)) PT_RETURN(pt_str_puts(&room[n++], run));
    PT_RETURN(pt_str_printf(&room[n++], "/tmp/ptrain-%lu", (unsigned long)geteuid()));
    for (size_t i = 0; i < n; i++) out[i] = room[i].text;
    out[n] = NULL;
    return PT_OK;
}

/* What the ranks of this job know and nobody else: PTRAIN_TOKEN, or the user's secret with the job's number, which sets jobs of one
 * user apart. */
static pt_status find_token(pt_launch *l)
{
    pt_status rc = PT_OK;
    const char *which, *job, *folders[6], *token = first_of(NAMES("PTRAIN_TOKEN"), &which);
    char secret[65], *path = NULL;
    unsigned char raw[32];
    pt_str room[5] = {{0}};
    pt_hmac m;
    if (token) {
        snprintf(l->token_from, sizeof l->token_from, "%s", which);
        return text_of(which, token, l->token, sizeof l->token);
    }
    PT_TRY(state_folders(room, folders));
    PT_TRY(pt_secret_get(folders, secret, &path));
    job = first_of(NAMES("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "SLURM_JOBID"), &which);
    pt_hmac_start(&m, secret, strlen(secret));
    pt_hmac_add(&m, job ? job : "", job ? strlen(job) : 0);
    pt_hmac_end(&m, raw);
    for (size_t i = 0; i < sizeof raw; i++) snprintf(l->token + 2 * i, 3, "%02x", raw[i]);
    snprintf(l->token_from, sizeof l->token_from, "%s%s%.40s", path, job ? " and " : "", job ? which : "");
done:
    for (int i = 0; i < 5; i++) pt_str_free(&room[i]);
    free(path);
    return rc;
}

/* Where rank 0 is: a file, or an address that every launcher may give; else Slurm's first host. */
static pt_status find_place(pt_launch *l, bool slurm)
{
    const char *file = getenv("PTRAIN_STORE"), *host = getenv("MASTER_ADDR"), *agent = getenv("TORCHELASTIC_USE_AGENT_STORE");
    const char *nodes, *which;
    long port = 0, job = 0;
    bool set;
    if (file && file[0]) {
        l->kind = PT_LAUNCH_FILE;
        return text_of("PTRAIN_STORE", file, l->path, sizeof l->path);
    }
    l->kind = PT_LAUNCH_TCP;
    if (host && host[0])
        PT_RETURN(text_of("MASTER_ADDR", host, l->host, sizeof l->host));
    else if (slurm && (nodes = first_of(NAMES("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"), &which)))
        PT_RETURN(first_host(nodes, l->host, sizeof l->host));
    PT_RETURN(number_of(NAMES("MASTER_PORT"), 1, 65535, &port, &set));
    if (set && agent && !strcmp(agent, "True"))
        port = port < 65535 ? port + 1 : 65534; /* torchrun itself listens on MASTER_PORT */
    if (!set && slurm) {                        /* jobs of one machine take different ports */
        PT_RETURN(number_of(NAMES("SLURM_JOB_ID", "SLURM_JOBID"), 0, LONG_MAX, &job, &set));
        port = 20000 + job % 20000;
    }
    l->port = (int)port;
    if (!l->host[0] || !port)
        return pt_fail(
            PT_EARG,
            "this is rank %d of %d, but MASTER_ADDR or MASTER_PORT is not set: where is rank 0? (or set PTRAIN_STORE to a "
            "file that all ranks see)",
            l->rank, l->size);
    return find_token(l);
}

pt_status pt_env_launch(pt_launch *l)
{
    long rank = 0, size = 1, local = -1, nodes = 0;
    bool slurm, set;
    *l = (pt_launch){.size = 1, .local_rank = -1, .join_seconds = PT_JOIN_SECONDS, .wait_seconds = PT_WAIT_SECONDS};
    if (pt_env_under_mpi()) {
        l->kind = PT_LAUNCH_MPI;
        return PT_OK;
    }
    /* torchrun and its like; under Slurm only what srun started: a batch script itself is no rank */
    slurm = !getenv("WORLD_SIZE") && (getenv("SLURM_STEP_ID") || getenv("SLURM_STEPID"));
    PT_RETURN(slurm ? number_of(NAMES("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"), 1, PT_LAUNCH_RANKS, &size, &set)
                    : number_of(NAMES("WORLD_SIZE"), 1, PT_LAUNCH_RANKS, &size, &set));
    if (size == 1) return PT_OK;
    PT_RETURN(slurm ? number_of(NAMES("SLURM_PROCID"), 0, size - 1, &rank, &set)
                    : number_of(NAMES("RANK"), 0, size - 1, &rank, &set));
    if (!set) return pt_fail(PT_EARG, "WORLD_SIZE is %ld, but RANK is not set", size);
    PT_RETURN(slurm ? number_of(NAMES("SLURM_LOCALID"), 0, PT_LAUNCH_RANKS, &local, &set)
                    : number_of(NAMES("LOCAL_RANK"), 0, PT_LAUNCH_RANKS, &local, &set));
    PT_RETURN(slurm ? number_of(NAMES("SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES"), 1, 1 << 20, &nodes, &set)
                    : number_of(NAMES("LOCAL_WORLD_SIZE"), 1, PT_LAUNCH_RANKS, &nodes, &set));
    l->one_machine = set && (slurm ? nodes == 1 : nodes == size);
    l->rank = (int)rank;
    l->size = (int)size;
    l->local_rank = (int)local;
    return find_place(l, slurm);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------------- */

bool pt_env_no_colour(void)
{
    const char *v = getenv("NO_COLOR");
    return v && v[0];
}

void pt_env_calm_threads(char **argv)
{
    char self[4096];
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "20000", 1)) return;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = 0;
        execv(self, argv); /* by its own path, which names the process */
    }
    execv("/proc/self/exe", argv); /* where that fails too, we go on as we are */
}

void pt_env_name_process(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    if (argv0) prctl(PR_SET_NAME, slash ? slash + 1 : argv0);
}
