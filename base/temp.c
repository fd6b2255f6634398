#include "base/temp.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

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
