/* What the control groups of this process allow it: version 2, version 1, both mounted beside each other, and every group above ours
 * (a limit of any of them holds). A container sees its own group as the root; a Slurm step, a systemd unit or a nested container lies
 * several groups deep. */
#ifndef PT_BASE_CGROUP_H
#define PT_BASE_CGROUP_H
#include <stdbool.h>

typedef struct pt_cgroup {
    unsigned long long memory; /* least limit in bytes (memory.max, memory.high; memory.limit_in_bytes); 0 = none */
    unsigned long long left;   /* least of limit - used (without files read once: inactive_file) over the groups with a limit; means nothing without memory */
    double cores;              /* least CPU quota over its period; 0 = none */
} pt_cgroup;

/* root: "" = the system; else a folder that holds proc/self/cgroup, proc/self/mountinfo and what they name (tests). What cannot be
 * read limits nothing. */
void pt_cgroup_read(const char *root, pt_cgroup *out);
#endif
