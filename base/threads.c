#include "base/threads.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int quota_cores(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    long long quota = 0, period = 0;
    if (!f) return 0;
    int n = fscanf(f, "%lld %lld", &quota, &period);
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int pt_cores_available(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int q = quota_cores();
    if (q > 0 && q < n) n = q;
    return n > 0 ? n : 1;
}

void pt_threads_set(int n)
{
    omp_set_num_threads(n > 0 ? n : 1);
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

static unsigned long long cgroup_number(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned long long v = 0;
    if (!f) return 0;
    if (fscanf(f, "%llu", &v) != 1) v = 0; /* "max" */
    fclose(f);
    return v;
}

unsigned long long pt_memory_total(void)
{
    unsigned long long m = meminfo("MemTotal"), c = cgroup_number("/sys/fs/cgroup/memory.max");
    return c && c < m ? c : m;
}

unsigned long long pt_memory_available(void)
{
    unsigned long long m = meminfo("MemAvailable"), limit = cgroup_number("/sys/fs/cgroup/memory.max");
    unsigned long long used = cgroup_number("/sys/fs/cgroup/memory.current");
    if (limit && limit > used && limit - used < m) return limit - used;
    return m;
}
