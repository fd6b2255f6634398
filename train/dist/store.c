/* The ranks meet: rank 0 collects a hello of every other rank, and answers all when all are there. */
#include "train/dist/store.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/threads.h"
#include "train/dist/store_impl.h"
#include "train/dist/wire.h"

enum { PENDING = 32 };   /* connections that have not said who they are */
#define HELLO_SECONDS 10 /* how long they may take for that */
#define ANSWER_SECONDS 3

typedef struct pending {
    int fd;
    size_t got;
    double until;
    pt_hello hello;
} pending;

/* Rank 0's side of the meeting. */
typedef struct meeting {
    const pt_launch *l;
    pt_place at;
    int listener, here; /* here: ranks that came */
    pending door[PENDING];
    pt_hello *who; /* [size] */
    pt_members *m;
    int strangers;
} meeting;

static void own_hello(const pt_launch *l, const char *token, pt_hello *h)
{
    cpu_set_t set;
    memset(h, 0, sizeof *h);
    h->magic = PT_HELLO_MAGIC;
    h->version = PT_HELLO_VERSION;
    h->size = (uint32_t)l->size;
    h->rank = l->rank;
    h->local_rank = l->local_rank;
    memcpy(h->token, token, sizeof h->token);
    pt_store_machine(h->machine);
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set)) memset(&set, 0xff, sizeof set);
    memcpy(h->cpus, &set, sizeof h->cpus < sizeof set ? sizeof h->cpus : sizeof set);
}

/* Equal, in a time that does not tell where they differ. */
static bool same_token(const char a[64], const char b[64])
{
    unsigned char d = 0;
    for (int i = 0; i < 64; i++) d |= (unsigned char)(a[i] ^ b[i]);
    return d == 0;
}

static void answer(int fd, const pt_welcome *w)
{
    if (pt_wire_send(fd, w, sizeof *w, pt_seconds() + 5, NULL) != PT_OK) pt_err_clear(); /* it will be missed elsewhere */
}

static void refuse(int fd, const char *why)
{
    pt_welcome w = {.magic = PT_HELLO_MAGIC};
    snprintf(w.why, sizeof w.why, "%s", why);
    answer(fd, &w);
    close(fd);
}

/* A whole hello. Strangers are dropped; a rank of this job that does not fit ends the meeting. */
static pt_status admit(meeting *g, pending *p)
{
    pt_hello *h = &p->hello;
    int fd = p->fd;
    const pt_launch *l = g->l;
    p->fd = -1;
    if (h->magic != PT_HELLO_MAGIC || h->version != PT_HELLO_VERSION || !same_token(h->token, g->at.token)) {
        g->strangers++;
        refuse(fd, "this is another job, or another version of ptrain");
        return PT_OK;
    }
    h->machine[sizeof h->machine - 1] = 0;
    pt_status rc = PT_OK;
    if (h->size != (uint32_t)l->size)
        rc = pt_fail(PT_EARG, "rank %d was started as one of %u processes, rank 0 as one of %d", h->rank, h->size, l->size);
    else if (h->rank < 1 || h->rank >= l->size)
        rc = pt_fail(PT_EARG, "a process says that it is rank %d of %d", h->rank, l->size);
    else if (g->m->fd[h->rank] >= 0)
        rc = pt_fail(PT_EARG, "two processes say that they are rank %d", h->rank);
    if (rc != PT_OK) {
        refuse(fd, pt_err_msg());
        return rc;
    }
    g->m->fd[h->rank] = fd;
    g->who[h->rank] = *h;
    g->here++;
    return PT_OK;
}

/* Reads what a pending connection has; drops it when it closes. */
static pt_status hear(meeting *g, pending *p)
{
    ssize_t n = recv(p->fd, (unsigned char *)&p->hello + p->got, sizeof p->hello - p->got, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return PT_OK;
    if (n <= 0) {
        close(p->fd);
        p->fd = -1;
        return PT_OK;
    }
    p->got += (size_t)n;
    return p->got == sizeof p->hello ? admit(g, p) : PT_OK;
}

/* A new connection takes a free place at the door, or that of the one that has stood there longest. */
static void let_in(meeting *g)
{
    pending *free_place = &g->door[0];
    int fd = accept(g->listener, NULL, NULL);
    if (fd < 0) return;
    if (pt_wire_setup(fd) != PT_OK) {
        pt_err_clear();
        close(fd);
        return;
    }
    for (int i = 0; i < PENDING; i++) {
        pending *p = &g->door[i];
        if (free_place->fd >= 0 && (p->fd < 0 || p->until < free_place->until)) free_place = p;
    }
    if (free_place->fd >= 0) close(free_place->fd);
    *free_place = (pending){.fd = fd, .until = pt_seconds() + HELLO_SECONDS};
}

/* "ranks 1, 3 of 4" */
static pt_status missing(const meeting *g)
{
    pt_status rc = PT_OK;
    pt_str s = {0};
    int n = 0;
    for (int r = 1; r < g->l->size; r++) {
        if (g->m->fd[r] >= 0) continue;
        if (n++ < 8) PT_TRY(pt_str_printf(&s, "%s%d", n > 1 ? ", " : "", r));
    }
    if (n > 8) PT_TRY(pt_str_puts(&s, ", ..."));
    rc = pt_fail(PT_EIO, "rank%s %s of %d did not come to %s:%d within %.0f s%s", n > 1 ? "s" : "", s.text, g->l->size,
                 g->at.host, g->at.port, g->l->join_seconds, g->strangers ? " (others that are not of this job did)" : "");
done:
    pt_str_free(&s);
    return rc;
}

static pt_status collect(meeting *g)
{
    double deadline = pt_seconds() + g->l->join_seconds;
    while (g->here < g->l->size) {
        struct pollfd p[PENDING + 1] = {{.fd = g->listener, .events = POLLIN}};
        for (int i = 0; i < PENDING; i++) p[i + 1] = (struct pollfd){.fd = g->door[i].fd, .events = POLLIN};
        double now = pt_seconds();
        if (now > deadline) return missing(g);
        int n = poll(p, PENDING + 1, deadline - now < 0.5 ? 50 : 500);
        if (n < 0 && errno != EINTR) return pt_fail(PT_EIO, "poll: %s", strerror(errno));
        if (n > 0 && p[0].revents) let_in(g); /* may replace a place: its events are looked at again next time */
        for (int i = 0; i < PENDING; i++) {
            pending *d = &g->door[i];
            if (n > 0 && d->fd >= 0 && d->fd == p[i + 1].fd && p[i + 1].revents) PT_RETURN(hear(g, d));
            if (d->fd >= 0 && pt_seconds() > d->until) {
                close(d->fd);
                d->fd = -1;
            }
        }
    }
    return PT_OK;
}

static bool share_cores(const pt_hello *a, const pt_hello *b)
{
    for (size_t i = 0; i < sizeof a->cpus; i++)
        if (a->cpus[i] & b->cpus[i]) return true;
    return false;
}

/* Neighbours of rank r: those on the same machine. A rank knows its local rank from its launcher, or gets it by order. */
static pt_welcome neighbours(const meeting *g, int r)
{
    pt_welcome w = {.magic = PT_HELLO_MAGIC, .ok = 1};
    int before = 0;
    for (int q = 0; q < g->l->size; q++) {
        if (strcmp(g->who[q].machine, g->who[r].machine) != 0) continue;
        w.local_size++;
        before += q < r;
        w.sharers += share_cores(&g->who[q], &g->who[r]);
    }
    if (w.sharers < 1) w.sharers = 1;
    w.local_rank = g->who[r].local_rank >= 0 && g->who[r].local_rank < PT_LAUNCH_RANKS ? g->who[r].local_rank : before;
    return w;
}

static pt_status gather_ranks(const pt_launch *l, pt_members *m)
{
    pt_status rc = PT_OK;
    meeting *g = NULL;
    PT_TRY(pt_alloc0(&g, 1));
    g->l = l;
    g->m = m;
    g->listener = -1;
    g->here = 1;
    for (int i = 0; i < PENDING; i++) g->door[i].fd = -1;
    PT_TRY(pt_alloc0(&g->who, l->size));
    PT_TRY(pt_store_listen(l, &g->listener, &g->at));
    own_hello(l, g->at.token, &g->who[0]);
    PT_TRY(collect(g));
    pt_welcome mine = neighbours(g, 0);
    m->local_rank = mine.local_rank;
    m->local_size = mine.local_size;
    m->sharers = mine.sharers;
    for (int r = 1; r < l->size; r++) {
        pt_welcome w = neighbours(g, r);
        answer(m->fd[r], &w);
    }
done:
    if (g) {
        for (int r = 1; rc != PT_OK && r < l->size; r++) { /* who came already learns why it ends */
            if (m->fd[r] >= 0) refuse(m->fd[r], pt_err_msg());
            m->fd[r] = -1;
        }
        for (int i = 0; i < PENDING; i++)
            if (g->door[i].fd >= 0) close(g->door[i].fd);
        if (g->listener >= 0) close(g->listener);
        if (g->at.port && l->kind == PT_LAUNCH_FILE) unlink(l->path);
        free(g->who);
    }
    free(g);
    return rc;
}

/* One attempt: connect, hello, welcome. *again: it may go better later. */
static pt_status try_once(const pt_launch *l, double deadline, pt_place *at, int *fd, pt_welcome *w, bool *again)
{
    pt_hello h;
    *again = true;
    PT_RETURN(pt_store_find(l, at));
    PT_RETURN(pt_store_connect(at, deadline, fd));
    own_hello(l, at->token, &h);
    PT_RETURN(pt_wire_send(*fd, &h, sizeof h, deadline, NULL));
    PT_RETURN(pt_wire_recv(*fd, w, sizeof *w, deadline + ANSWER_SECONDS, NULL)); /* rank 0 knows better who is missing */
    if (w->magic != PT_HELLO_MAGIC) {
        *again = false;
        return pt_fail(PT_EIO, "what answers there is not ptrain");
    }
    w->why[sizeof w->why - 1] = 0;
    if (w->ok) return PT_OK;
    *again = l->kind == PT_LAUNCH_FILE; /* an old file may name another job's port */
    return pt_fail(PT_EIO, "%s", w->why);
}

static pt_status join_rank0(const pt_launch *l, pt_members *m)
{
    double deadline = pt_seconds() + l->join_seconds;
    for (;;) {
        pt_welcome w = {0};
        pt_place at = {0};
        bool again;
        int fd = -1;
        pt_status rc = try_once(l, deadline, &at, &fd, &w, &again);
        if (rc == PT_OK) {
            m->fd[0] = fd;
            m->local_rank = w.local_rank;
            m->local_size = w.local_size > 0 ? w.local_size : 1;
            m->sharers = w.sharers > 0 ? w.sharers : 1;
            return PT_OK;
        }
        if (fd >= 0) close(fd);
        if (!again || pt_seconds() + 0.1 > deadline) {
            if (l->kind == PT_LAUNCH_FILE && !at.port) return pt_fail_prefix(rc, "rank %d waits for %s", l->rank, l->path);
            return pt_fail_prefix(rc, "rank %d cannot join rank 0 at %s:%d (%.0f s)", l->rank, at.host, at.port,
                                  l->join_seconds);
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

pt_status pt_store_join(const pt_launch *l, pt_members *out)
{
    pt_status rc = PT_OK;
    *out = (pt_members){0};
    PT_CHECK(l->kind == PT_LAUNCH_TCP || l->kind == PT_LAUNCH_FILE, PT_EARG, "not a TCP or file launch");
    PT_CHECK(l->size >= 1 && l->size <= PT_LAUNCH_RANKS && l->rank >= 0 && l->rank < l->size, PT_EARG,
             "rank %d of %d processes: ranks go from 0, and there are at most %d", l->rank, l->size, PT_LAUNCH_RANKS);
    if (l->kind == PT_LAUNCH_TCP)
        PT_CHECK(l->host[0] && l->port > 0 && l->port < 65536, PT_EARG,
                 "no address of rank 0: MASTER_ADDR '%s', MASTER_PORT %d", l->host, l->port);
    else
        PT_CHECK(l->path[0], PT_EARG, "no path of the file that rank 0 writes");
    PT_TRY(pt_alloc0(&out->fd, l->size));
    for (int r = 0; r < l->size; r++) out->fd[r] = -1;
    PT_TRY(l->rank == 0 ? gather_ranks(l, out) : join_rank0(l, out));
done:
    if (rc != PT_OK) pt_store_leave(out, l->size);
    return rc;
}

void pt_store_leave(pt_members *m, int size)
{
    for (int r = 0; m->fd && r < size; r++)
        if (m->fd[r] >= 0) close(m->fd[r]);
    free(m->fd);
    *m = (pt_members){0};
}
