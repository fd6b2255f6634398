#include "train/dist/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/threads.h"

pt_status pt_wire_setup(int fd)
{
    int on = 1, idle = 10, every = 5, tries = 6;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return pt_fail(PT_EIO, "a socket cannot be set up: %s", strerror(errno));
    /* without these a connection works too, only slower, or a dead machine is noticed later */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
    return PT_OK;
}

pt_status pt_wire_poll(int fd, short events, double deadline, bool *ready)
{
    *ready = false;
    for (;;) {
        double left = deadline - pt_seconds();
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left <= 0 ? 0 : left > 60 ? 60000 : (int)(left * 1000) + 1);
        if (n < 0 && errno != EINTR) return pt_fail(PT_EIO, "poll: %s", strerror(errno));
        if (n > 0) *ready = true;
        if (n > 0 || (n == 0 && left <= 0)) return PT_OK;
    }
}

/* One direction of both: moves until all is done. */
static pt_status move(int fd, unsigned char *to, const unsigned char *from, size_t bytes, double deadline, bool *late)
{
    size_t done = 0;
    if (late) *late = false;
    while (done < bytes) {
        ssize_t n = to ? recv(fd, to + done, bytes - done, 0) : send(fd, from + done, bytes - done, MSG_NOSIGNAL);
        bool ready;
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n == 0 && to) return pt_fail(PT_EIO, "the connection was closed");
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return pt_fail(PT_EIO, "%s", strerror(errno));
        PT_RETURN(pt_wire_poll(fd, to ? POLLIN : POLLOUT, deadline, &ready));
        if (ready) continue;
        if (late) *late = true;
        return pt_fail(PT_EIO, "no answer in time");
    }
    return PT_OK;
}

pt_status pt_wire_send(int fd, const void *data, size_t bytes, double deadline, bool *late)
{
    return move(fd, NULL, data, bytes, deadline, late);
}
pt_status pt_wire_recv(int fd, void *data, size_t bytes, double deadline, bool *late)
{
    return move(fd, data, NULL, bytes, deadline, late);
}

/* A last word, as it lies on the wire. */
typedef struct last_frame {
    pt_wire_head head;
    pt_wire_last last;
} last_frame;

static pt_wire_end end_of(const unsigned char *tail, pt_wire_last *last)
{
    last_frame f;
    memcpy(&f, tail, sizeof f);
    if (f.head.magic != PT_WIRE_MAGIC || f.head.bytes != sizeof f.last) return PT_WIRE_GONE;
    if (f.head.kind == PT_WIRE_BYE) return PT_WIRE_LEFT;
    if (f.head.kind != PT_WIRE_ABORT) return PT_WIRE_GONE;
    f.last.why[sizeof f.last.why - 1] = 0;
    *last = f.last;
    return PT_WIRE_FAILED;
}

pt_wire_end pt_wire_look(int fd, pt_wire_last *last)
{
    unsigned char tail[sizeof(last_frame)] = {0}, buf[16384];
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) <= 0) return PT_WIRE_OPEN;
    for (size_t total = 0; total < (size_t)1 << 32;) { /* nothing in order comes near that */
        ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        total += (size_t)n;
        if ((size_t)n >= sizeof tail) {
            memcpy(tail, buf + n - sizeof tail, sizeof tail);
        } else {
            memmove(tail, tail + n, sizeof tail - (size_t)n);
            memcpy(tail + sizeof tail - (size_t)n, buf, (size_t)n);
        }
    }
    return end_of(tail, last);
}

void pt_wire_leave(int fd, pt_wire_kind kind, const pt_wire_last *last)
{
    last_frame f = {.head = {PT_WIRE_MAGIC, kind, 0, sizeof f.last}, .last = *last};
    double deadline = pt_seconds() + 1;
    unsigned char away[4096];
    bool ready = true;
    if (pt_wire_send(fd, &f, sizeof f, deadline, NULL) == PT_OK && shutdown(fd, SHUT_WR) == 0 && kind == PT_WIRE_ABORT)
        /* closing with unread bytes would reset the connection and take our last word with it */
        while (pt_wire_poll(fd, POLLIN, deadline, &ready) == PT_OK && ready && recv(fd, away, sizeof away, 0) > 0) continue;
    close(fd);
}
