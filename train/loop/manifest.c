#include "train/loop/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "checkpoints/state_list.h"

static const char list_name[] = ".ptrain-files";
#define MAX_LIST ((size_t)64 << 20)

pt_status pt_manifest_read(pt_manifest *m, const char *dir)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    *m = (pt_manifest){0};
    PT_TRY(pt_path_join(&path, dir, list_name));
    if (!pt_file_exists(path)) goto done;
    PT_TRY(pt_file_read(&m->text, &m->bytes, path, MAX_LIST));
    while (m->bytes && m->text[m->bytes - 1] != '\n') m->bytes--;
    m->there = true;
done:
    free(path);
    return rc;
}

void pt_manifest_free(pt_manifest *m)
{
    free(m->text);
    *m = (pt_manifest){0};
}

bool pt_manifest_has(const pt_manifest *m, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = m->text, *end = at + m->bytes; at && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if ((size_t)(stop - at) == n && !memcmp(at, name, n)) return true;
        at = stop + 1;
    }
    return false;
}

pt_status pt_manifest_each(const pt_manifest *m, pt_status (*each)(void *user, const char *name), void *user)
{
    for (const char *at = m->text, *end = at + m->bytes; at && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)(stop - at);
        char *name;
        if (n && !memchr(at, 0, n)) { /* no name has a zero in it, and its beginning is another's */
            PT_RETURN(pt_strndup(&name, at, n));
            pt_status rc = each(user, name);
            free(name);
            if (rc != PT_OK) return rc;
        }
        at = stop + 1;
    }
    return PT_OK;
}

static pt_status append(const char *dir, const char *name)
{
    pt_status rc = PT_OK;
    char *path = NULL, *line = NULL;
    int fd = -1;
    struct stat st;
    char last = '\n';
    PT_TRY(pt_path_join(&path, dir, list_name));
    PT_TRY(pt_file_append(path, &fd));
    PT_CHECK(fstat(fd, &st) == 0, PT_EIO, "%s: %s", path, strerror(errno));
    if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1) last = 0; /* a line that a kill cut off is ended first */
    PT_TRY(pt_asprintf(&line, "%s%s\n", last == '\n' ? "" : "\n", name));
    PT_CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line), PT_EIO, "cannot write %s: %s", path, strerror(errno));
done:
    if (fd >= 0) close(fd);
    free(path);
    free(line);
    return rc;
}

pt_status pt_manifest_add(const char *dir, const char *name)
{
    pt_manifest m;
    PT_RETURN(pt_manifest_read(&m, dir));
    bool has = pt_manifest_has(&m, name);
    pt_manifest_free(&m);
    return has ? PT_OK : append(dir, name);
}

pt_status pt_manifest_remove(const char *dir)
{
    char *path;
    PT_RETURN(pt_path_join(&path, dir, list_name));
    pt_status rc = unlink(path) && errno != ENOENT ? pt_fail(PT_EIO, "cannot remove %s: %s", path, strerror(errno)) : PT_OK;
    free(path);
    return rc;
}

pt_status pt_manifest_claim(const char *dir, const char *name)
{
    pt_status rc = PT_OK;
    pt_manifest m = {0};
    char *path = NULL, *to = NULL;
    struct stat st;
    PT_TRY(pt_manifest_read(&m, dir));
    if (pt_manifest_has(&m, name)) goto done;
    PT_TRY(pt_path_join(&path, dir, name));
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) { /* what is no file is refused by whoever writes */
        PT_TRY(pt_move_aside(path, &to));
        pt_log(PT_LOG_WARN, "%s is not of a run of ptrain: it was moved to %s", path, to);
    }
    PT_TRY(append(dir, name));
done:
    pt_manifest_free(&m);
    free(path);
    free(to);
    return rc;
}
