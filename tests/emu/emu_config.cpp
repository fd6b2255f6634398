/* Settings of the emulated device, and how it dies. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu_rt.h"

emu_settings emu_set = {0, 1, 0, 0, 0, 0, 80, 1, 0, 0, 0, 0, 1};
static uint64_t random_state = 1;
static int initialised;

uint64_t emu_random(void) /* SplitMix64 */
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

extern "C" const char *emu_build(void) { return EMU_CHECK ? "check" : EMU_ASAN ? "asan" : "plain"; }

static int choice(const char *v, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(v, names[i]) == 0) return i;
    return -1;
}

static int set_fail(const char *v)
{
    const char *colon = strchr(v, ':');
    if (!colon) return 0;
    long n = strtol(colon + 1, NULL, 10);
    if (strncmp(v, "launch:", 7) == 0) emu_set.fail_launch = n;
    else if (strncmp(v, "malloc:", 7) == 0) emu_set.fail_malloc = n;
    else return 0;
    return n > 0;
}

extern "C" int emu_setting(const char *name, const char *v)
{
    static const char *const orders[] = {"fwd", "rev", NULL}, *const asyncs[] = {"late", "early", "rand", NULL};
    long n = strtol(v, NULL, 10);
    if (strcmp(name, "ORDER") == 0) {
        bool rand = strncmp(v, "rand:", 5) == 0;
        emu_set.order = rand ? 2 : choice(v, orders);
        if (rand) random_state = emu_set.seed = strtoull(v + 5, NULL, 10) * 2654435761u + 1;
        return emu_set.order >= 0;
    }
    if (strcmp(name, "ASYNC") == 0) return (emu_set.async_mode = choice(v, asyncs)) >= 0;
    if (strcmp(name, "LAZY") == 0) emu_set.lazy = (int)n;
    else if (strcmp(name, "GUARD") == 0) emu_set.guard = (int)n;
    else if (strcmp(name, "COUNT") == 0) emu_set.count = (int)n;
    else if (strcmp(name, "ARCH") == 0) emu_set.arch = (int)n;
    else if (strcmp(name, "DEVICES") == 0) emu_set.devices = (int)n;
    else if (strcmp(name, "MEM") == 0) emu_set.memory = strtoull(v, NULL, 10);
    else if (strcmp(name, "SAMPLE") == 0) emu_set.sample = n;
    else if (strcmp(name, "SOURCE") == 0) emu_set.source = (int)n;
    else if (strcmp(name, "FAIL") == 0) return set_fail(v);
    else return 0;
    return strcmp(name, "ARCH") != 0 || n == 75 || n == 80 || n == 86 || n == 89 || n == 90;
}

void emu_init(void)
{
    static const char *const names[] = {"ORDER", "LAZY", "GUARD", "ASYNC", "ARCH", "MEM", "DEVICES", "COUNT", "SAMPLE", "FAIL", "SOURCE"};
    if (initialised) return;
    initialised = 1;
    if (!emu_set.memory) emu_set.memory = (size_t)8 << 30;
    for (const char *n : names) {
        char key[32];
        snprintf(key, sizeof key, "EMU_%s", n);
        const char *v = getenv(key);
        if (v && *v && !emu_setting(n, v)) emu_die(98, "%s=%s is not understood", key, v);
    }
    emu_shadow_init();
}

const void *emu_fault_pc;
static void print_pc(const void *pc) /* function, file:line */
{
    Dl_info info;
    if (!pc || !emu_set.source || !dladdr(pc, &info) || !info.dli_fname) return;
    char addr[32];
    snprintf(addr, sizeof addr, "0x%zx", (size_t)((const char *)pc - 1 - (const char *)info.dli_fbase));
    fprintf(stderr, "    at %s+%s ", info.dli_fname, addr);
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(2, 1);
        execlp("addr2line", "addr2line", "-f", "-C", "-i", "-s", "-p", "-e", info.dli_fname, addr, (char *)NULL);
        _exit(1);
    }
    int st;
    if (pid < 0 || waitpid(pid, &st, 0) < 0 || !WIFEXITED(st) || WEXITSTATUS(st) != 0) fputc('\n', stderr);
}

void emu_die(int code, const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "emu: error: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (emu_kernel) {
        fprintf(stderr, "    in kernel %s, block (%u,%u,%u)", emu_kernel->name.c_str(), emu_now.block.x, emu_now.block.y,
                emu_now.block.z);
        if (emu_cur) fprintf(stderr, ", thread (%u,%u,%u)", emu_cur->tid.x, emu_cur->tid.y, emu_cur->tid.z);
        fputc('\n', stderr);
    }
    fflush(stderr);
    print_pc(emu_fault_pc);
    fflush(stderr);
    _exit(code);
}
