/* On which addresses rank 0 listens: those of this machine that MASTER_ADDR names, and no others. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "train/dist/store_impl.h"

void pt_store_deaf(pt_ears *ears)
{
    for (int i = 0; i < ears->n; i++) close(ears->fd[i]);
    *ears = (pt_ears){0};
}

pt_status pt_store_resolve(const char *host, int port, struct addrinfo **out)
{
    char service[16];
    struct addrinfo hint = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(service, sizeof service, "%d", port);
    int e = getaddrinfo(host, service, &hint, out);
    return e == 0 ? PT_OK : pt_fail(PT_EIO, "%s: %s", host, gai_strerror(e));
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static bool is_any(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) return ((const struct sockaddr_in *)a)->sin_addr.s_addr == 0;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static void set_port(struct sockaddr *a, int port)
{
    if (a->sa_family == AF_INET) ((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
    if (a->sa_family == AF_INET6) ((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
}

static int port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
}

static void note_place(pt_ears *e, const struct sockaddr *a, socklen_t n)
{
    char text[80];
    size_t at = strlen(e->where);
    if (getnameinfo(a, n, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
        snprintf(e->where + at, sizeof e->where - at, "%s%s", at ? ", " : "", text);
}

/* One more address at *port. 0, or errno. EEXIST: it is one of ours already. */
static int add(pt_ears *e, const struct sockaddr *from, socklen_t n, int *port)
{
    struct sockaddr_storage a = {0};
    int on = 1, why = 0;
    if (e->n == PT_LISTENERS) return ENOBUFS;
    memcpy(&a, from, n);
    set_port((struct sockaddr *)&a, *port);
    for (int i = 0; i < e->n; i++) {
        struct sockaddr_storage have = {0};
        socklen_t m = sizeof have;
        if (getsockname(e->fd[i], (struct sockaddr *)&have, &m) == 0 && m == n && !memcmp(&have, &a, n)) return EEXIST;
    }
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 128) != 0) {
        why = errno;
        close(fd);
        return why;
    }
    *port = port_of(fd);
    note_place(e, (struct sockaddr *)&a, n);
    e->fd[e->n++] = fd;
    return 0;
}

/* The address by which others most likely reach this machine: that of the route to the outside (nothing is sent), else that of the
 * first interface that is up. */
static bool own_address(struct sockaddr_storage *out, socklen_t *n)
{
    struct sockaddr_in outside = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct ifaddrs *list = NULL;
    bool found = false;
    inet_pton(AF_INET, "192.0.2.1", &outside.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *n = sizeof *out;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&outside, sizeof outside) == 0 && getsockname(fd, (struct sockaddr *)out, n) == 0)
        found = !is_loopback((struct sockaddr *)out);
    if (fd >= 0) close(fd);
    if (found || getifaddrs(&list) != 0) return found;
    for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || is_loopback(i->ifa_addr)) continue;
        if (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6) continue;
        *n = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(out, i->ifa_addr, *n);
        found = i->ifa_addr->sa_family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)out)->sin6_addr);
    }
    freeifaddrs(list);
    return found;
}

/* All addresses of a list that are ours. *inner: every one of them is a loopback. 0 where one or more is; else errno. Ranks may try
 * any of them, so a port that another program has on one of them is not free. */
static int add_all(pt_ears *e, const struct addrinfo *list, int *port, bool *inner)
{
    int why = EADDRNOTAVAIL;
    bool some = false;
    *inner = true;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        int one = add(e, a->ai_addr, a->ai_addrlen, port);
        if (one == EADDRINUSE) return one;
        if (one == 0 || one == EEXIST) {
            some = true;
            *inner = *inner && is_loopback(a->ai_addr);
        } else if (one != EAFNOSUPPORT)
            why = one;
    }
    return some ? 0 : why;
}

static bool is_number(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1;
}

/* One try of pt_listen_at; 0 or errno. */
static int hear_at(const char *host, const struct addrinfo *list, int *port, bool loopback, bool alone, pt_ears *ears)
{
    struct sockaddr_storage own;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n;
    bool inner = true;
    int first = loopback ? add(ears, (struct sockaddr *)&local, sizeof local, port) : 0;
    if (first) return first;
    int why = add_all(ears, list, port, &inner);
    /* A name may stand for a loopback address here and for another elsewhere (Debian maps a machine's own name to 127.0.1.1), and
     * an address may be ours only from outside. Where ranks of other machines come, then, the one address that they see is ours. */
    bool local_name = is_number(host) || !strcmp(host, "localhost");
    bool elsewhere = why == EADDRNOTAVAIL || (why == 0 && inner && !local_name && !alone);
    if (elsewhere && own_address(&own, &n)) {
        int more = add(ears, (struct sockaddr *)&own, n, port);
        if (more == 0) pt_log(PT_LOG_INFO, "%s is no outer address of this machine: rank 0 listens on %s", host, ears->where);
        if (why == EADDRNOTAVAIL) why = more == EEXIST ? 0 : more;
    }
    return why == EADDRNOTAVAIL && loopback ? 0 : why;
}

pt_status pt_listen_at(const char *host, int *port, bool loopback, bool alone, pt_ears *ears)
{
    pt_status rc = PT_OK;
    struct addrinfo *list = NULL;
    int asked = *port, why = 0;
    *ears = (pt_ears){0};
    PT_TRY(pt_store_resolve(host, *port, &list));
    PT_CHECK(!is_any(list->ai_addr), PT_EARG, "MASTER_ADDR %s is no address of one machine: give the one by which the ranks reach rank 0", host);
    for (int i = 0; i < 16; i++) { /* a port that is free on one address may be taken on the next */
        *port = asked;
        why = hear_at(host, list, port, loopback, alone, ears);
        if (why == 0 || asked) break;
        pt_store_deaf(ears);
    }
    PT_CHECK(why != EADDRINUSE, PT_EIO, "rank 0 cannot listen on %s:%d: another program has the port; choose another MASTER_PORT", host,
             asked);
    PT_CHECK(why == 0, PT_EIO, "rank 0 cannot listen on %s:%d: %s", host, asked, strerror(why));
done:
    if (list) freeaddrinfo(list);
    if (rc != PT_OK) pt_store_deaf(ears);
    return rc;
}
