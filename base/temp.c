#include "base/temp.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static char noted[16][PATH_MAX];
static const char *const marks[] = {".ptrain-new-", ".ptrain-old-"};

pt_status pt_temp_path(char **out, const char *path, pt_temp kind)
{
    return pt_asprintf(out, "%s%s%ld", path, marks[kind], (long)getpid());
}

size_t pt_temp_left(const char *file, pt_temp kind)
{
    const char *dot = strrchr(file, '.'), *digits;
    size_t n = strlen(marks[kind]);
    if (!dot || dot == file || strncmp(dot, marks[kind], n)) return 0;
    digits = dot + n;
    n = strspn(digits, "0123456789");
    if (!n || n > 18 || digits[n]) return 0;
    long long pid = strtoll(digits, NULL, 10);
    if (pid != getpid() && pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM)) return 0;
    return (size_t)(dot - file);
}

void pt_temp_note(const char *path)
{
    size_t n = strlen(path);
    if (n >= PATH_MAX) return; /* no system call takes it */
    for (size_t i = 0; i < sizeof noted / sizeof *noted; i++) {
        if (noted[i][0]) continue;
        memcpy(noted[i] + 1, path + 1, n); /* in use by its first byte, which comes last */
        noted[i][0] = path[0];
        return;
    }
}

void pt_temp_forget(const char *path)
{
    for (size_t i = 0; i < sizeof noted / sizeof *noted; i++)
        if (!strcmp(noted[i], path)) noted[i][0] = 0;
}

void pt_temp_sweep(void)
{
    for (size_t i = 0; i < sizeof noted / sizeof *noted; i++)
        if (noted[i][0]) unlink(noted[i]);
}
