/* The checkpoints of a run's folder: listing, rotation, cleaning. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoints/state.h"

static const char prefix[] = "checkpoint-", old_mark[] = ".old-";

/* A number written as printf does, up to the end of the text. */
static bool plain_number(const char *s, int64_t *out)
{
    size_t n = strspn(s, "0123456789");
    if (!n || n > 18 || s[n] || (s[0] == '0' && n > 1)) return false;
    *out = strtoll(s, NULL, 10);
    return true;
}

static bool step_of(const char *name, int64_t *out)
{
    return !strncmp(name, prefix, sizeof prefix - 1) && plain_number(name + sizeof prefix - 1, out);
}

pt_status pt_state_folder(char **path, const char *output_dir, int64_t step)
{
    const char *slash = output_dir[0] && output_dir[strlen(output_dir) - 1] == '/' ? "" : "/";
    return pt_asprintf(path, "%s%s%s%lld", output_dir[0] ? output_dir : ".", slash, prefix, (long long)step);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

pt_status pt_state_list(int64_t **steps, size_t *n, const char *output_dir)
{
    pt_status rc = PT_OK;
    int64_t *list = NULL, step;
    size_t count = 0, cap = 0;
    char *path = NULL;
    *steps = NULL;
    *n = 0;
    DIR *d = opendir(output_dir);
    PT_CHECK(d || errno == ENOENT, PT_EIO, "cannot read folder %s: %s", output_dir, strerror(errno));
    PT_TRY(pt_reserve(&list, &cap, 1));
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!step_of(e->d_name, &step)) continue;
        PT_TRY(pt_asprintf(&path, "%s/%s/state.json", output_dir, e->d_name));
        bool whole = pt_file_exists(path); /* someone else's checkpoint-N has none */
        free(path);
        path = NULL;
        if (!whole) continue;
        PT_TRY(pt_reserve(&list, &cap, count + 1));
        list[count++] = step;
    }
    qsort(list, count, sizeof *list, ascending);
    *steps = list;
    *n = count;
    list = NULL;
done:
    free(list);
    free(path);
    if (d) closedir(d);
    return rc;
}

pt_status pt_state_latest(char **path, int64_t *step, const char *output_dir)
{
    pt_status rc = PT_OK;
    int64_t *steps = NULL;
    size_t n;
    *path = NULL;
    PT_TRY(pt_state_list(&steps, &n, output_dir));
    if (!n) goto done;
    *step = steps[n - 1];
    PT_TRY(pt_state_folder(path, output_dir, *step));
done:
    free(steps);
    return rc;
}

/* Renames first, so that a kill in the middle leaves no half checkpoint under a final name. */
static pt_status drop(const char *output_dir, int64_t step)
{
    pt_status rc = PT_OK;
    char *path = NULL, *gone = NULL;
    PT_TRY(pt_state_folder(&path, output_dir, step));
    PT_TRY(pt_asprintf(&gone, "%s.tmp-%ld", path, (long)getpid()));
    PT_TRY(pt_dir_remove(gone));
    PT_TRY(pt_rename_durable(path, gone));
    PT_TRY(pt_dir_remove(gone));
done:
    free(path);
    free(gone);
    return rc;
}

pt_status pt_state_rotate(const char *output_dir, int64_t keep)
{
    pt_status rc = PT_OK;
    int64_t *steps = NULL;
    size_t n;
    if (keep < 1) return PT_OK;
    PT_TRY(pt_state_list(&steps, &n, output_dir));
    for (size_t i = 0; n - i > (uint64_t)keep; i++) PT_TRY(drop(output_dir, steps[i]));
done:
    free(steps);
    return rc;
}

/* For NAME.tmp-PID and NAME.old-PID: the length of NAME; 0 for other names and while PID is another living process. */
static size_t stale_stem(const char *name, bool *old)
{
    int64_t pid;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name || (strncmp(dot, ".tmp-", 5) && strncmp(dot, old_mark, 5)) || !plain_number(dot + 5, &pid))
        return 0;
    if (pid != getpid() && pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM)) return 0;
    *old = dot[1] == 'o';
    return (size_t)(dot - name);
}

static pt_status clean_one(const char *output_dir, const char *name, size_t stem, bool old)
{
    pt_status rc = PT_OK;
    char *path = NULL, *final = NULL;
    PT_TRY(pt_asprintf(&path, "%s/%s", output_dir, name));
    PT_TRY(pt_asprintf(&final, "%s/%.*s", output_dir, (int)stem, name));
    if (old && !pt_dir_exists(final)) PT_TRY(pt_rename_durable(path, final));
    else PT_TRY(pt_dir_remove(path));
done:
    free(path);
    free(final);
    return rc;
}

pt_status pt_state_clean(const char *output_dir, int *n)
{
    pt_status rc = PT_OK;
    int count = 0;
    bool old;
    DIR *d = opendir(output_dir);
    PT_CHECK(d || errno == ENOENT, PT_EIO, "cannot read folder %s: %s", output_dir, strerror(errno));
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t stem = stale_stem(e->d_name, &old);
        if (!stem) continue;
        PT_TRY(clean_one(output_dir, e->d_name, stem, old));
        count++;
    }
    if (n) *n = count;
done:
    if (d) closedir(d);
    return rc;
}
