#include "base/threads.h"

#include <math.h>
#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup.h"

static int quota_cores(void)
{
    pt_cgroup g;
    pt_cgroup_read("", &g);
    return (int)ceil(g.cores);
}

int pt_cores_available(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int q = quota_cores();
    if (q > 0 && q < n) n = q;
    return n > 0 ? n : 1;
}

/* A signal's frame has 11 KB where the processor has tile registers. */
static void own_signal_stack(void)
{
    static _Thread_local char stack[64 << 10];
    stack_t old, own = {.ss_sp = stack, .ss_size = sizeof stack};
    if (sigaltstack(NULL, &old) == 0 && old.ss_flags & SS_DISABLE) sigaltstack(&own, NULL);
}

void pt_threads_set(int n)
{
    omp_set_num_threads(n > 0 ? n : 1);
#pragma omp parallel
    own_signal_stack();
}

int pt_threads_get(void)
{
    return omp_get_max_threads();
}

double pt_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

unsigned long long pt_rss_peak(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (unsigned long long)u.ru_maxrss * 1024;
}

static unsigned long long meminfo(const char *key)
{
    FILE *f = fopen("/proc/meminfo", "r");
    char line[256];
    unsigned long long kb = 0;
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), ": %llu", &kb) == 1) break;
    fclose(f);
    return kb * 1024;
}

unsigned long long pt_memory_total(void)
{
    pt_cgroup g;
    unsigned long long m = meminfo("MemTotal");
    pt_cgroup_read("", &g);
    return g.memory && g.memory < m ? g.memory : m;
}

unsigned long long pt_memory_available(void)
{
    pt_cgroup g;
    unsigned long long m = meminfo("MemAvailable");
    pt_cgroup_read("", &g);
    return g.memory && g.left < m ? g.left : m;
}
