/* A folder of its own for a test program, under build/ of the repository (tests run from its root). */
#ifndef PT_TESTS_SCRATCH_H
#define PT_TESTS_SCRATCH_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static char scratch_dir[64];

static int scratch_setup(void **state)
{
    (void)state;
    snprintf(scratch_dir, sizeof scratch_dir, "build/scratch-XXXXXX");
    return pt_dir_make("build") != PT_OK || !mkdtemp(scratch_dir);
}

static int scratch_teardown(void **state)
{
    (void)state;
    return pt_dir_remove(scratch_dir) != PT_OK;
}

/* Path of a file there; eight may be in use at once. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static int next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", scratch_dir, name);
    return p;
}

static inline void scratch_write(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
        fprintf(stderr, "cannot write %s\n", path);
        abort();
    }
}

/* The message without the scratch folder's name, which differs from run to run. */
static inline const char *scratch_message(void)
{
    static char text[2048];
    const char *m = pt_err_msg();
    size_t n = strlen(scratch_dir), at = 0;
    while (*m && at < sizeof text - 1) {
        if (!strncmp(m, scratch_dir, n) && m[n] == '/') m += n + 1;
        else text[at++] = *m++;
    }
    text[at] = 0;
    return text;
}
#endif
