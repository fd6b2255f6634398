#include "checkpoints/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/temp.h"

pt_status pt_folder_begin(char **tmp, const char *path)
{
    pt_status rc = PT_OK;
    char *to = NULL;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    *tmp = NULL;
    PT_CHECK(n > 0, PT_EARG, "an empty path for a folder");
    PT_TRY(pt_strndup(&to, path, n));
    PT_TRY(pt_temp_path(tmp, to, PT_TEMP_NEW));
    PT_TRY(pt_dir_remove(*tmp));
    const char *slash = strrchr(to, '/');
    if (slash && slash > to) {
        to[slash - to] = 0;
        PT_TRY(pt_dir_make(to));
    }
    PT_CHECK(mkdir(*tmp, 0777) == 0, PT_EIO, "cannot make folder %s: %s", *tmp, strerror(errno)); /* ours alone: no link to another */
done:
    free(to);
    if (rc == PT_OK) return rc;
    free(*tmp);
    *tmp = NULL;
    return rc;
}

/* fsync of everything below path, then of path. */
static pt_status sync_tree(const char *path)
{
    pt_status rc = PT_OK;
    char *sub = NULL;
    struct stat st;
    DIR *d = opendir(path);
    PT_CHECK(d, PT_EIO, "cannot read folder %s: %s", path, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        PT_TRY(pt_path_join(&sub, path, e->d_name));
        PT_CHECK(lstat(sub, &st) == 0, PT_EIO, "cannot stat %s: %s", sub, strerror(errno));
        if (S_ISDIR(st.st_mode)) PT_TRY(sync_tree(sub));
        else PT_TRY(pt_fsync_path(sub));
        free(sub);
        sub = NULL;
    }
    PT_TRY(pt_fsync_path(path));
done:
    free(sub);
    if (d) closedir(d);
    return rc;
}

pt_status pt_folder_commit(const char *tmp, const char *path)
{
    pt_status rc = PT_OK;
    char *to = NULL, *old = NULL;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    PT_TRY(pt_strndup(&to, path, n));
    PT_TRY(sync_tree(tmp));
    if (!pt_dir_exists(to)) {
        PT_TRY(pt_rename_durable(tmp, to));
        goto done;
    }
    if (renameat2(AT_FDCWD, tmp, AT_FDCWD, to, RENAME_EXCHANGE) == 0) {
        PT_TRY(pt_dir_remove(tmp));
        goto done;
    }
    PT_TRY(pt_temp_path(&old, to, PT_TEMP_OLD));
    PT_TRY(pt_dir_remove(old));
    PT_TRY(pt_rename_durable(to, old));
    PT_TRY(pt_rename_durable(tmp, to));
    PT_TRY(pt_dir_remove(old));
done:
    free(to);
    free(old);
    return rc;
}

bool pt_folder_empty(const char *path)
{
    DIR *d = opendir(path);
    bool empty = true;
    if (!d) return errno == ENOENT;
    for (struct dirent *e; empty && (e = readdir(d));) empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    closedir(d);
    return empty;
}
