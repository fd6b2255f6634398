#include "train/dist/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static const char file_name[] = "ranks.secret";
enum { DIGITS = 64 };

/* FOLDER/ptrain, made when missing; -1 where it cannot be had or is not ours alone to write in. */
static int open_folder(const char *folder, const char *path)
{
    struct stat st;
    if (!pt_dir_exists(folder) && pt_dir_make(folder) != PT_OK) { /* ~/.local/state of a new account */
        pt_err_clear();
        return -1;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* *found: there is one. */
static pt_status read_secret(int folder, const char *path, char out[DIGITS + 1], bool *found)
{
    pt_status rc = PT_OK;
    struct stat st;
    char text[DIGITS + 2];
    int fd = openat(folder, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    *found = fd >= 0 || errno != ENOENT;
    if (!*found) return PT_OK;
    PT_CHECK(fd >= 0 && fstat(fd, &st) == 0, PT_EIO, "cannot open %s/%s: %s", path, file_name, strerror(errno));
    PT_CHECK(S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077), PT_EARG,
             "%s/%s is the secret by which ranks know each other, and others may read or write it: remove it, or set PTRAIN_TOKEN", path,
             file_name);
    ssize_t n = read(fd, text, sizeof text);
    PT_CHECK(n == DIGITS + 1 && text[DIGITS] == '\n' && strspn(text, "0123456789abcdef") == DIGITS, PT_EARG,
             "%s/%s does not hold what ptrain wrote there: remove it", path, file_name);
    memcpy(out, text, DIGITS);
    out[DIGITS] = 0;
done:
    if (fd >= 0) close(fd);
    return rc;
}

/* Whole or not at all; where another process was first, its file stays. */
static bool make_secret(int folder)
{
    unsigned char raw[DIGITS / 2];
    char text[DIGITS + 2], tmp[64];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw) return false;
    for (size_t i = 0; i < sizeof raw; i++) snprintf(text + 2 * i, 3, "%02x", raw[i]);
    text[DIGITS] = '\n';
    snprintf(tmp, sizeof tmp, "%s.tmp-%ld", file_name, (long)getpid());
    unlinkat(folder, tmp, 0);
    int fd = openat(folder, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = write(fd, text, DIGITS + 1) == DIGITS + 1 && fsync(fd) == 0;
    close(fd);
    good = good && (linkat(folder, tmp, folder, file_name, 0) == 0 || errno == EEXIST);
    unlinkat(folder, tmp, 0);
    return good;
}

pt_status pt_secret_get(const char *const *folders, char secret[65], char **path)
{
    pt_status rc = PT_OK;
    pt_str tried = {0};
    char *mine = NULL;
    int folder = -1;
    *path = NULL;
    for (; *folders && !*path; folders++) {
        bool found = false;
        free(mine);
        mine = NULL;
        PT_TRY(pt_path_join(&mine, *folders, "ptrain"));
        folder = open_folder(*folders, mine);
        if (folder >= 0) PT_TRY(read_secret(folder, mine, secret, &found));
        if (folder >= 0 && !found && make_secret(folder)) PT_TRY(read_secret(folder, mine, secret, &found));
        if (found) PT_TRY(pt_path_join(path, mine, file_name));
        if (folder >= 0) close(folder);
        folder = -1;
        PT_TRY(pt_str_printf(&tried, "%s%s", tried.len ? ", " : "", mine));
    }
    PT_CHECK(*path, PT_EIO,
             "no folder of ours to keep the secret by which ranks know each other (tried %s): set PTRAIN_TOKEN to the same text for all ranks",
             tried.len ? tried.text : "none");
done:
    if (folder >= 0) close(folder);
    free(mine);
    pt_str_free(&tried);
    return rc;
}
