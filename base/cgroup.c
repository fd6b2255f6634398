#include "base/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* First number of a file; false for "max", or where there is none. */
static bool number(const char *folder, const char *name, unsigned long long *out)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return false;
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool good = fscanf(f, "%llu", out) == 1;
    fclose(f);
    return good;
}

static void less(unsigned long long *least, unsigned long long v)
{
    if (!*least || v < *least) *least = v;
}

/* Version 1 says "no limit" by a number near the largest. */
#define NO_LIMIT (1ull << 60)

/* Used bytes that the system would take back before it refuses any: files read once. */
static unsigned long long caches_of(const char *folder, bool two)
{
    char path[PATH_MAX], line[256];
    unsigned long long v = 0;
    if (snprintf(path, sizeof path, "%s/memory.stat", folder) >= (int)sizeof path) return 0;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, two ? "inactive_file %llu" : "total_inactive_file %llu", &v) == 1) break;
    if (f) fclose(f);
    return v;
}

static void memory_of(const char *folder, bool two, const char *limit, const char *used, pt_cgroup *out)
{
    unsigned long long max, now = 0, caches;
    if (!number(folder, limit, &max) || max >= NO_LIMIT) return;
    if (!number(folder, used, &now)) now = 0;
    caches = caches_of(folder, two);
    now -= caches < now ? caches : now;
    unsigned long long left = max > now ? max - now : 1;
    if (!out->memory || left < out->left) out->left = left;
    less(&out->memory, max ? max : 1);
}

static void cores_of(const char *folder, bool two, pt_cgroup *out)
{
    char path[PATH_MAX];
    unsigned long long quota = 0, period = 0;
    bool good = false;
    if (!two) {
        good = number(folder, "cpu.cfs_quota_us", &quota) && number(folder, "cpu.cfs_period_us", &period) && quota < NO_LIMIT; /* -1 reads as huge */
    } else if (snprintf(path, sizeof path, "%s/cpu.max", folder) < (int)sizeof path) {
        FILE *f = fopen(path, "re");
        good = f && fscanf(f, "%llu %llu", &quota, &period) == 2;
        if (f) fclose(f);
    }
    if (!good || !quota || !period) return;
    double cores = (double)quota / (double)period;
    if (!out->cores || cores < out->cores) out->cores = cores;
}

static void limits_of(const char *folder, bool two, pt_cgroup *out)
{
    cores_of(folder, two, out);
    if (two) {
        memory_of(folder, two, "memory.max", "memory.current", out);
        memory_of(folder, two, "memory.high", "memory.current", out); /* past it the system slows us down rather than ends us */
    } else
        memory_of(folder, two, "memory.limit_in_bytes", "memory.usage_in_bytes", out);
}

/* Whether a comma-separated list holds a word. */
static bool holds(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!strncmp(p, word, n) && (p[n] == ',' || p[n] == 0)) return true;
    return false;
}

/* Path of our group in the hierarchy of a controller ("" = version 2). */
static bool group_of(const char *root, const char *controller, char *out, size_t room)
{
    char path[PATH_MAX], line[PATH_MAX + 256];
    bool found = false;
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path) return false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f)) { /* "4:cpu,cpuacct:/slurm/job_7", "0::/user.slice" */
        line[strcspn(line, "\n")] = 0;
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        found = controller[0] ? holds(list + 1, controller) : !list[1];
        if (found && strlen(group) >= room) found = false;
        else if (found) memcpy(out, group, strlen(group) + 1);
    }
    if (f) fclose(f);
    return found;
}

/* \040 and its like, in place. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        unsigned v;
        if (*s == '\\' && sscanf(s + 1, "%3o", &v) == 1 && v < 256) *to++ = (char)v, s += 3;
        else *to++ = *s;
    }
    *to = 0;
}

/* Where that hierarchy is mounted, and which of its groups is seen there. */
static bool mount_of(const char *root, const char *controller, char *top, char *at)
{
    char path[PATH_MAX], line[3 * PATH_MAX];
    bool found = false;
    if (snprintf(path, sizeof path, "%s/proc/self/mountinfo", root) >= (int)sizeof path) return false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f)) { /* "31 23 0:26 /top /sys/fs/cgroup rw,... - cgroup2 cgroup2 rw" */
        char type[64], options[1024] = "";
        const char *rest = strstr(line, " - ");
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", top, at) != 2 || !rest) continue;
        if (sscanf(rest, " - %63s %*s %1023s", type, options) < 1) continue;
        found = controller[0] ? !strcmp(type, "cgroup") && holds(options, controller) : !strcmp(type, "cgroup2");
    }
    if (f) fclose(f);
    if (!found) return false;
    unescape(top);
    unescape(at);
    return true;
}

/* All groups from ours up to the one that is mounted. */
static void walk(const char *root, const char *controller, pt_cgroup *out)
{
    char group[PATH_MAX], top[PATH_MAX], at[PATH_MAX], folder[2 * PATH_MAX];
    bool two = !controller[0];
    if (!mount_of(root, controller, top, at)) return;
    if (!group_of(root, controller, group, sizeof group)) return;
    size_t n = strcmp(top, "/") ? strlen(top) : 0;
    /* a container without a namespace of its own sees the host's path of its group, and a mount of that very group */
    const char *below = !strncmp(group, top, n) && (group[n] == '/' || !group[n]) ? group + n : "";
    if (strstr(below, "/..")) below = "";
    int base = snprintf(folder, sizeof folder, "%s%s", root, at);
    if (base < 0 || snprintf(folder + base, sizeof folder - (size_t)base, "%s", below) >= (int)(sizeof folder - (size_t)base)) return;
    for (;;) {
        limits_of(folder, two, out);
        char *slash = strrchr(folder + base, '/');
        if (!slash) break;
        *slash = 0;
    }
}

void pt_cgroup_read(const char *root, pt_cgroup *out)
{
    *out = (pt_cgroup){0};
    walk(root, "", out);
    walk(root, "memory", out);
    walk(root, "cpu", out);
}
