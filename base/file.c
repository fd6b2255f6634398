#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mapped.h"
#include "base/temp.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

/* In asan builds, reads of the rest of a map's last page are errors: the system fills it with zeros and would hide them. */
static void guard_tail(const pt_map *m, bool on)
{
#ifdef __SANITIZE_ADDRESS__
    size_t page = (size_t)sysconf(_SC_PAGESIZE), tail = pt_align_up(m->bytes, page) - m->bytes;
    if (on) ASAN_POISON_MEMORY_REGION(m->data + m->bytes, tail);
    else ASAN_UNPOISON_MEMORY_REGION(m->data + m->bytes, tail);
#else
    (void)m, (void)on;
#endif
}

/* A regular file: a pipe is refused, not waited for. */
static pt_status open_regular(const char *path, int *fd, struct stat *st)
{
    pt_status rc = PT_OK;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int why = errno;
    bool astray = *fd < 0 && why == ENOENT && lstat(path, st) == 0;
    PT_CHECK(*fd >= 0, PT_EIO, "cannot open %s: %s", path, astray ? "it is a link that leads nowhere" : strerror(why));
    PT_CHECK(fstat(*fd, st) == 0, PT_EIO, "cannot stat %s: %s", path, strerror(errno));
    PT_CHECK(S_ISREG(st->st_mode), PT_EIO, "%s is not a regular file", path);
done:
    return rc;
}

/* What an empty file is mapped to: pointers into it can be counted with. */
static unsigned char nothing[1];

pt_status pt_map_open(pt_map *out, const char *path)
{
    pt_status rc = PT_OK;
    struct stat st;
    int fd;
    *out = (pt_map){0};
    PT_TRY(open_regular(path, &fd, &st));
    if (st.st_size == 0) out->data = nothing;
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        PT_CHECK(p != MAP_FAILED, errno == ENOMEM ? PT_ENOMEM : PT_EIO, "cannot map %s: %s", path, strerror(errno));
        *out = (pt_map){p, (size_t)st.st_size};
        pt_mapped_add(p, out->bytes, path, &st);
        guard_tail(out, true);
        if (out->bytes < 1024) rc = pt_file_check_lfs(path, p, out->bytes);
        if (rc != PT_OK) pt_map_close(out);
    }
done:
    if (fd >= 0) close(fd);
    return rc;
}

void pt_map_close(pt_map *m)
{
    if (m->bytes) {
        guard_tail(m, false);
        pt_mapped_drop(m->data);
        munmap(m->data, m->bytes);
    }
    *m = (pt_map){0};
}

/* By reading, not by mapping: files of /proc and /sys say that they are empty, and others may be cut meanwhile. */
pt_status pt_file_read(char **out, size_t *bytes, const char *path, size_t max_bytes)
{
    pt_status rc = PT_OK;
    struct stat st;
    int fd;
    char *text = NULL;
    size_t cap = 0, n = 0;
    *out = NULL;
    PT_TRY(open_regular(path, &fd, &st));
    PT_CHECK((uint64_t)st.st_size <= max_bytes, PT_EFORMAT, "%s has %zu bytes; at most %zu are read", path, (size_t)st.st_size, max_bytes);
    for (ssize_t got = 1; got;) {
        PT_TRY(pt_reserve(&text, &cap, n + (st.st_size > (off_t)n ? (size_t)st.st_size - n : 4096) + 1));
        got = read(fd, text + n, cap - n - 1);
        if (got < 0 && errno == EINTR) continue;
        PT_CHECK(got >= 0, PT_EIO, "cannot read %s: %s", path, strerror(errno));
        n += (size_t)got;
        PT_CHECK(n <= max_bytes, PT_EFORMAT, "%s has more than %zu bytes; at most so many are read", path, max_bytes);
    }
    if (n < 1024) PT_TRY(pt_file_check_lfs(path, text, n));
    text[n] = 0;
    if (bytes) *bytes = n;
    *out = text;
    text = NULL;
done:
    if (fd >= 0) close(fd);
    free(text);
    return rc;
}

pt_status pt_file_check_lfs(const char *path, const void *data, size_t bytes)
{
    static const char head[] = "version https://git-lfs.github.com/spec/";
    if (bytes < sizeof head || memcmp(data, head, sizeof head - 1) != 0) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s is a pointer of Git LFS, not the file itself; fetch it: git lfs pull (in its repository), or download the file anew",
                   path);
}

pt_status pt_text_check_utf16(const char *path, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    if (bytes < 2 || !((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 %s > %s.utf8", path, path, path);
}

pt_status pt_text_read(char **out, size_t *bytes, const char *path, size_t max_bytes)
{
    size_t n;
    PT_RETURN(pt_file_read(out, &n, path, max_bytes));
    pt_status rc = pt_text_check_utf16(path, *out, n);
    if (rc != PT_OK) {
        free(*out);
        *out = NULL;
        return rc;
    }
    if (n >= 3 && !memcmp(*out, "\xef\xbb\xbf", 3)) {
        n -= 3;
        memmove(*out, *out + 3, n + 1);
    }
    if (bytes) *bytes = n;
    return PT_OK;
}

bool pt_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool pt_file_given(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR) || lstat(path, &st) == 0;
}

bool pt_dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

pt_status pt_dir_make(const char *path)
{
    pt_status rc = PT_OK;
    char *p = NULL;
    PT_TRY(pt_strdup(&p, path));
    for (char *s = p + 1; *p; s++) {
        char c = *s;
        if (c && c != '/') continue;
        *s = 0;
        PT_CHECK(mkdir(p, 0777) == 0 || errno == EEXIST, PT_EIO, "cannot make folder %s: %s", p, strerror(errno));
        *s = c;
        if (!c) break;
    }
    PT_CHECK(pt_dir_exists(path), PT_EIO, "%s is not a folder", path);
done:
    free(p);
    return rc;
}

size_t pt_dir_there(const char *path)
{
    size_t there = 0;
    char *p = NULL;
    if (pt_strdup(&p, path) != PT_OK) return 0;
    for (size_t i = 1, n = strlen(path); n && i <= n; i++) {
        if (path[i] && path[i] != '/') continue;
        p[i] = 0;
        if (access(p, F_OK)) break;
        p[i] = path[i];
        there = i;
    }
    free(p);
    return there;
}

pt_status pt_dir_check(const char *path)
{
    pt_status rc = PT_OK;
    const size_t n = pt_dir_there(path);
    char *p = NULL;
    PT_TRY(n ? pt_strdup(&p, path) : pt_strdup(&p, *path == '/' ? "/" : "."));
    if (n) p[n] = 0;
    PT_CHECK(pt_dir_exists(p), PT_EIO, "%s is not a folder", p);
    PT_CHECK(access(p, W_OK | X_OK) == 0, PT_EIO, "cannot write into folder %s: %s", p, strerror(errno));
done:
    free(p);
    return rc;
}

void pt_dir_drop_empty(const char *path, size_t there)
{
    char *p = NULL;
    if (pt_strdup(&p, path) != PT_OK) return;
    for (size_t n = strlen(p); n > there; n--) {
        if (p[n] && p[n] != '/') continue;
        p[n] = 0;
        if (p[n - 1] != '/' && rmdir(p)) break;
    }
    free(p);
}

/* Removes what the folder holds, with no memory but the stack's: it is also called because memory has ended. */
static pt_status empty_folder(int folder, const char *path)
{
    _Alignas(struct dirent64) char entries[4096];
    bool any = true;
    for (ssize_t n; any; lseek(folder, 0, SEEK_SET)) { /* again until nothing is found: what is removed moves the rest */
        for (any = false; (n = getdents64(folder, entries, sizeof entries)) > 0;)
            for (ssize_t at = 0; at < n;) {
                const struct dirent64 *e = (const struct dirent64 *)(entries + at);
                at += e->d_reclen;
                if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
                any = true;
                if (unlinkat(folder, e->d_name, 0) == 0) continue;
                int why = errno, sub = openat(folder, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (sub < 0) return pt_fail(PT_EIO, "cannot remove %s/%s: %s", path, e->d_name, strerror(errno == ENOTDIR ? why : errno));
                pt_status rc = empty_folder(sub, path);
                close(sub);
                PT_RETURN(rc);
                if (unlinkat(folder, e->d_name, AT_REMOVEDIR)) return pt_fail(PT_EIO, "cannot remove %s/%s: %s", path, e->d_name, strerror(errno));
            }
        if (n < 0) return pt_fail(PT_EIO, "cannot read folder %s: %s", path, strerror(errno));
    }
    return PT_OK;
}

pt_status pt_dir_remove(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? PT_OK : pt_fail(PT_EIO, "cannot remove %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) return unlink(path) == 0 ? PT_OK : pt_fail(PT_EIO, "cannot remove %s: %s", path, strerror(errno));
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return pt_fail(PT_EIO, "cannot read folder %s: %s", path, strerror(errno));
    pt_status rc = empty_folder(folder, path);
    close(folder);
    if (rc == PT_OK && rmdir(path)) rc = pt_fail(PT_EIO, "cannot remove folder %s: %s", path, strerror(errno));
    return rc;
}

pt_status pt_path_join(char **out, const char *a, const char *b)
{
    if (!*a || b[0] == '/') return pt_strdup(out, b);
    return pt_asprintf(out, a[strlen(a) - 1] == '/' ? "%s%s" : "%s/%s", a, b);
}

const char *pt_path_base(const char *path)
{
    const char *s = strrchr(path, '/');
    return s ? s + 1 : path;
}

pt_status pt_fsync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return pt_fail(PT_EIO, "cannot open %s: %s", path, strerror(errno));
    int bad = fsync(fd), why = errno;
    close(fd);
    return bad ? pt_fail(PT_EIO, "cannot flush %s: %s", path, strerror(why)) : PT_OK;
}

pt_status pt_rename_durable(const char *from, const char *to)
{
    pt_status rc = PT_OK;
    char *dir = NULL;
    PT_CHECK(rename(from, to) == 0, PT_EIO, "cannot rename %s to %s: %s", from, to, strerror(errno));
    const char *slash = strrchr(to, '/');
    PT_TRY(slash ? pt_strndup(&dir, to, slash == to ? 1 : (size_t)(slash - to)) : pt_strdup(&dir, "."));
    PT_TRY(pt_fsync_path(dir));
done:
    free(dir);
    return rc;
}

static const char *kind_of(const struct stat *st)
{
    if (S_ISLNK(st->st_mode)) return "a symbolic link";
    if (S_ISDIR(st->st_mode)) return "a folder";
    if (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode)) return "a pipe";
    return S_ISREG(st->st_mode) ? "a file of somebody else" : "a device";
}

pt_status pt_file_create(const char *path, int *fd)
{
    struct stat st;
    for (int i = 0; i < 2; i++) {
        *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (*fd >= 0) return PT_OK;
        int why = errno;
        if (why != EEXIST || lstat(path, &st) != 0) return pt_fail(PT_EIO, "cannot create %s: %s", path, strerror(why));
        bool left = S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1;
        if (!left) return pt_fail(PT_EIO, "cannot create %s: %s is there", path, st.st_nlink > 1 && S_ISREG(st.st_mode) ? "a file with a second name" : kind_of(&st));
        if (unlink(path) != 0) return pt_fail(PT_EIO, "cannot remove %s: %s", path, strerror(errno));
    }
    return pt_fail(PT_EIO, "cannot create %s: somebody else does too", path);
}

pt_status pt_file_append(const char *path, int *fd)
{
    struct stat st;
    /* non-blocking: a pipe is refused, not waited for; it means nothing to a file */
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    int why = errno;
    if (*fd < 0) {
        bool there = lstat(path, &st) == 0 && !S_ISREG(st.st_mode);
        return pt_fail(PT_EIO, "cannot write to %s: %s%s", path, there ? "it is " : "", there ? kind_of(&st) : strerror(why));
    }
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) return PT_OK;
    close(*fd);
    *fd = -1;
    return pt_fail(PT_EIO, "cannot write to %s: it is %s", path, kind_of(&st));
}

pt_status pt_outfile_open(pt_outfile *f, const char *path)
{
    pt_status rc = PT_OK;
    struct stat st;
    char *tmp = NULL;
    *f = (pt_outfile){.fd = -1};
    PT_CHECK(stat(path, &st) != 0 || S_ISREG(st.st_mode), PT_EIO, "%s is %s: it is not replaced by a file", path,
             S_ISDIR(st.st_mode) ? "a folder" : "a device or a pipe");
    PT_TRY(pt_strdup(&f->path, path));
    PT_TRY(pt_temp_path(&tmp, path, PT_TEMP_NEW));
    PT_TRY(pt_file_create(tmp, &f->fd));
    pt_temp_note(tmp);
    f->tmp = tmp;
    return PT_OK;
done:
    free(tmp); /* what is there by that name is not ours to remove */
    pt_outfile_close(f);
    return rc;
}

static pt_status write_at(pt_outfile *f, size_t at, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    while (bytes) {
        ssize_t n = pwrite(f->fd, p, bytes, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return pt_fail(PT_EIO, "cannot write %s: %s", f->tmp, n < 0 ? strerror(errno) : "no progress");
        p += n;
        at += (size_t)n;
        bytes -= (size_t)n;
    }
    return PT_OK;
}

pt_status pt_outfile_write(pt_outfile *f, const void *data, size_t bytes)
{
    PT_RETURN(write_at(f, f->bytes, data, bytes));
    f->bytes += bytes;
    return PT_OK;
}

pt_status pt_outfile_rewrite(pt_outfile *f, size_t at, const void *data, size_t bytes)
{
    if (at > f->bytes || bytes > f->bytes - at) return pt_fail(PT_EARG, "rewrite past the end of %s", f->path);
    return write_at(f, at, data, bytes);
}

pt_status pt_outfile_commit(pt_outfile *f)
{
    pt_status rc = PT_OK;
    PT_CHECK(fsync(f->fd) == 0, PT_EIO, "cannot flush %s: %s", f->tmp, strerror(errno));
    int bad = close(f->fd);
    f->fd = -1;
    PT_CHECK(bad == 0, PT_EIO, "cannot close %s: %s", f->tmp, strerror(errno));
    PT_TRY(pt_rename_durable(f->tmp, f->path));
    pt_temp_forget(f->tmp);
    free(f->tmp);
    f->tmp = NULL;
done:
    return rc;
}

void pt_outfile_close(pt_outfile *f)
{
    if (f->fd > 0) close(f->fd);
    if (f->tmp) {
        unlink(f->tmp);
        pt_temp_forget(f->tmp);
    }
    free(f->tmp);
    free(f->path);
    *f = (pt_outfile){.fd = -1};
}

pt_status pt_file_write_whole(const char *path, const void *data, size_t bytes)
{
    pt_status rc = PT_OK;
    pt_outfile f;
    PT_TRY(pt_outfile_open(&f, path));
    PT_TRY(pt_outfile_write(&f, data, bytes));
    PT_TRY(pt_outfile_commit(&f));
done:
    pt_outfile_close(&f);
    return rc;
}
