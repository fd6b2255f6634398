/* Where rank 0 is: by address, or by a file that rank 0 writes. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/threads.h"
#include "base/temp.h"
#include "train/dist/store_impl.h"
#include "train/dist/wire.h"

/* One line of text, without its end; "" where there is none. */
static void line_file(const char *path, char *out, size_t room)
{
    char *text = NULL;
    out[0] = 0;
    if (pt_file_read(&text, NULL, path, 4096) == PT_OK) snprintf(out, room, "%.*s", (int)strcspn(text, "\n"), text);
    else pt_err_clear();
    free(text);
}

/* What two processes share that reach each other by "localhost" and count the same devices: the running kernel (machines of one
 * image may have equal names), its network as this process sees it, and the name (containers of one machine differ in these). */
void pt_store_machine(char out[64])
{
    char boot[64], name[256] = "", net[64] = "", all[512], hex[65];
    line_file("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (gethostname(name, sizeof name - 1) != 0) name[0] = 0;
    ssize_t n = readlink("/proc/self/ns/net", net, sizeof net - 1);
    net[n > 0 ? n : 0] = 0;
    snprintf(all, sizeof all, "%s %s %s", boot, net, name);
    pt_sha256_hex(hex, all, strlen(all));
    memcpy(out, hex, 63);
    out[63] = 0;
}

/* ---- the place --------------------------------------------------------------------------------------------------------- */

static pt_status make_token(char out[PT_TOKEN_BYTES])
{
    unsigned char raw[16];
    memset(out, 0, PT_TOKEN_BYTES);
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw) return pt_fail(PT_EIO, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof raw; i++) snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return PT_OK;
}

/* Lines "key value": host, port, token, machine. Readable by the user alone, and there whole or not at all. */
static pt_status write_file(const char *path, const pt_rank_place *at)
{
    pt_status rc = PT_OK;
    char *tmp = NULL, machine[64], text[1024];
    int fd = -1;
    pt_store_machine(machine);
    int n = snprintf(text, sizeof text, "ptrain-store 1\nhost %s\nport %d\ntoken %s\nmachine %s\n", at->host, at->port,
                     at->token, machine);
    PT_TRY(pt_temp_path(&tmp, path, PT_TEMP_NEW));
    unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    PT_CHECK(fd >= 0, PT_EIO, "%s: %s", tmp, strerror(errno));
    PT_CHECK(write(fd, text, (size_t)n) == n && fsync(fd) == 0, PT_EIO, "%s: %s", tmp, strerror(errno));
    PT_CHECK(rename(tmp, path) == 0, PT_EIO, "%s: %s", path, strerror(errno));
done:
    if (fd >= 0) close(fd);
    if (rc != PT_OK && tmp) unlink(tmp);
    free(tmp);
    return rc;
}

/* Ranks of this machine come by "localhost", the others by its name, or by a number where it has no name that stands for it. */
static pt_status listen_by_file(const pt_launch *l, pt_ears *ears, pt_rank_place *at)
{
    if (gethostname(at->host, sizeof at->host - 1) != 0) return pt_fail(PT_EIO, "gethostname: %s", strerror(errno));
    if (pt_listen_at(at->host, &at->port, true, l->one_machine, ears) != PT_OK) {
        pt_err_clear();
        at->port = 0;
        PT_RETURN(pt_listen_at("localhost", &at->port, true, true, ears));
    }
    PT_RETURN(make_token(at->token));
    return write_file(l->path, at);
}

pt_status pt_store_listen(const pt_launch *l, pt_ears *ears, pt_rank_place *at)
{
    *ears = (pt_ears){0};
    memset(at, 0, sizeof *at);
    if (l->kind == PT_LAUNCH_FILE) return listen_by_file(l, ears, at);
    memcpy(at->host, l->host, sizeof at->host);
    memcpy(at->token, l->token, sizeof at->token);
    at->port = l->port;
    return pt_listen_at(l->host, &at->port, false, l->one_machine, ears);
}

/* ---- finding ---------------------------------------------------------------------------------------------------------- */

/* The value of "key value\n" in text; false when absent or longer than the room. */
static bool line_of(const char *text, const char *key, char *out, size_t room)
{
    size_t k = strlen(key);
    for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, key, k) != 0 || p[k] != ' ') continue;
        size_t n = strcspn(p + k + 1, "\n");
        if (n == 0 || n >= room || p[k + 1 + n] != '\n') return false;
        memset(out, 0, room);
        memcpy(out, p + k + 1, n);
        return true;
    }
    return false;
}

/* Who can write the file can name a rank 0 of his own. */
static pt_status check_owner(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return pt_fail(PT_EIO, "cannot open %s: %s", path, strerror(errno));
    bool ours = st.st_uid == geteuid() || geteuid() == 0; /* root's files may lie under another name on a network's disk */
    if (ours && !(st.st_mode & 022)) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s is not a file that rank 0 wrote: others may write it", path);
}

pt_status pt_store_find(const pt_launch *l, pt_rank_place *at)
{
    pt_status rc = PT_OK;
    char *text = NULL, port[16], machine[64], here[64], version[16], *end = NULL;
    size_t n = 0;
    memset(at, 0, sizeof *at);
    if (l->kind == PT_LAUNCH_TCP) {
        memcpy(at->host, l->host, sizeof at->host);
        memcpy(at->token, l->token, sizeof at->token);
        at->port = l->port;
        return PT_OK;
    }
    PT_TRY(check_owner(l->path));
    PT_TRY(pt_file_read(&text, &n, l->path, 4096));
    PT_CHECK(strlen(text) == n && line_of(text, "ptrain-store", version, sizeof version) && !strcmp(version, "1") &&
                 line_of(text, "host", at->host, sizeof at->host) && line_of(text, "port", port, sizeof port) &&
                 line_of(text, "token", at->token, sizeof at->token) && line_of(text, "machine", machine, sizeof machine),
             PT_EFORMAT, "%s is not a file that rank 0 wrote", l->path);
    long v = strtol(port, &end, 10);
    PT_CHECK(*end == 0 && v > 0 && v < 65536, PT_EFORMAT, "%s: port '%s'", l->path, port);
    at->port = (int)v;
    pt_store_machine(here);
    if (!strcmp(here, machine)) memcpy(at->host, "localhost", sizeof "localhost");
done:
    free(text);
    return rc;
}

static pt_status connect_one(const struct addrinfo *a, double deadline, int *out)
{
    pt_status rc = PT_OK;
    bool ready = false;
    int why = 0;
    socklen_t n = sizeof why;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PT_CHECK(fd >= 0, PT_EIO, "socket: %s", strerror(errno));
    PT_TRY(pt_wire_setup(fd));
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        PT_CHECK(errno == EINPROGRESS, PT_EIO, "%s", strerror(errno));
        PT_TRY(pt_wire_poll(fd, POLLOUT, deadline, &ready));
        PT_CHECK(ready, PT_EIO, "no answer");
        PT_CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 && why == 0, PT_EIO, "%s", strerror(why));
    }
    *out = fd;
    fd = -1;
done:
    if (fd >= 0) close(fd);
    return rc;
}

pt_status pt_store_connect(const pt_rank_place *at, double deadline, int *fd)
{
    struct addrinfo *list = NULL;
    double soon = pt_seconds() + 5;
    pt_status rc = pt_store_resolve(at->host, at->port, &list);
    *fd = -1;
    if (rc != PT_OK) return rc;
    for (const struct addrinfo *a = list; a && *fd < 0; a = a->ai_next)
        rc = connect_one(a, soon < deadline ? soon : deadline, fd);
    freeaddrinfo(list);
    return rc;
}
