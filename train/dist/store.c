/* The ranks meet: rank 0 collects a hello of every other rank, and answers all when all are there. */
#include "train/dist/store.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
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

enum { PENDING = 128 }; /* connections that have not said who they are */
#define HELLO_SECONDS 5 /* how long they may take for that */
#define ANSWER_SECONDS 3
#define OTHER_SECONDS 5 /* how long a rank goes on asking a rank 0 that knows another token: it may be an earlier job's */

typedef struct pending {
    int fd;
    size_t got;
    double until;
    pt_ask ask;
    pt_hello hello;
} pending;

/* A rank that has come. */
typedef struct member {
    pt_ask ask;
    pt_hello hello;
} member;

/* Rank 0's side of the meeting. */
typedef struct meeting {
    const pt_launch *l;
    pt_rank_place at;
    pt_ears ears;
    int here; /* ranks that came */
    pending door[PENDING];
    struct pollfd watched[PT_LISTENERS + PENDING];
    member *who; /* [size] */
    pt_members *m;
    int strangers;
} meeting;

static pt_status own_hello(const pt_launch *l, pt_hello *h)
{
    cpu_set_t set;
    pt_ask a;
    PT_RETURN(pt_ask_make(&a));
    memset(h, 0, sizeof *h);
    h->magic = PT_HELLO_MAGIC;
    h->version = PT_HELLO_VERSION;
    h->size = (uint32_t)l->size;
    h->rank = l->rank;
    h->local_rank = l->local_rank;
    memcpy(h->nonce, a.nonce, sizeof h->nonce);
    pt_store_machine(h->machine);
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set)) memset(&set, 0xff, sizeof set);
    memcpy(h->cpus, &set, sizeof h->cpus < sizeof set ? sizeof h->cpus : sizeof set);
    return PT_OK;
}

static void answer(int fd, const pt_welcome *w)
{
    if (pt_wire_send(fd, w, sizeof *w, pt_seconds() + 5, NULL) != PT_OK) pt_err_clear(); /* it will be missed elsewhere */
}

/* who: a rank that has proven itself; NULL = a stranger, whom nothing is sworn to and nobody waits for. */
static void refuse(const meeting *g, int fd, const member *who, const char *why)
{
    pt_welcome w = {.magic = PT_HELLO_MAGIC};
    snprintf(w.why, sizeof w.why, "%s", why);
    if (who) {
        pt_welcome_sign(&w, &who->ask, &who->hello, g->at.token);
        answer(fd, &w);
    } else {
        ssize_t n = send(fd, &w, sizeof w, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)n;
    }
    close(fd);
}

static void drop(meeting *g, pending *p)
{
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
}

/* A whole hello. Strangers are dropped; a rank of this job that does not fit ends the meeting. */
static pt_status admit(meeting *g, pending *p)
{
    member m = {.ask = p->ask, .hello = p->hello};
    const pt_hello *h = &m.hello;
    int fd = p->fd;
    const pt_launch *l = g->l;
    pt_wire_last last;
    p->fd = -1;
    if (!pt_hello_proves(h, &m.ask, g->at.token)) {
        g->strangers++;
        refuse(g, fd, NULL, "this is another job, or another version of ptrain: it knows another token");
        return PT_OK;
    }
    m.hello.machine[sizeof h->machine - 1] = 0;
    pt_status rc = PT_OK;
    if (h->size != (uint32_t)l->size)
        rc = pt_fail(PT_EARG, "rank %d was started as one of %u processes, rank 0 as one of %d", h->rank, h->size, l->size);
    else if (h->rank < 1 || h->rank >= l->size)
        rc = pt_fail(PT_EARG, "a process says that it is rank %d of %d", h->rank, l->size);
    else if (g->m->fd[h->rank] >= 0 && pt_wire_look(g->m->fd[h->rank], &last) == PT_WIRE_OPEN)
        rc = pt_fail(PT_EARG, "two processes say that they are rank %d", h->rank);
    if (rc != PT_OK) {
        refuse(g, fd, &m, pt_err_msg());
        return rc;
    }
    if (g->m->fd[h->rank] >= 0) close(g->m->fd[h->rank]); /* started again by its launcher */
    else g->here++;
    g->m->fd[h->rank] = fd;
    g->who[h->rank] = m;
    return PT_OK;
}

/* Reads what a pending connection has; drops it when it closes, or says what no rank says. */
static pt_status hear(meeting *g, pending *p)
{
    ssize_t n = recv(p->fd, (unsigned char *)&p->hello + p->got, sizeof p->hello - p->got, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return PT_OK;
    if (n <= 0) {
        drop(g, p);
        return PT_OK;
    }
    p->got += (size_t)n;
    size_t head = offsetof(pt_hello, size);
    if (p->got >= head && (p->hello.magic != PT_HELLO_MAGIC || p->hello.version != PT_HELLO_VERSION)) {
        int fd = p->fd;
        p->fd = -1;
        g->strangers++;
        refuse(g, fd, NULL, "this is another job, or another version of ptrain");
        return PT_OK;
    }
    return p->got == sizeof p->hello ? admit(g, p) : PT_OK;
}

/* A new connection is asked for its proof, and takes a free place at the door, or that of the one that has stood there longest. */
static bool let_in(meeting *g, int listener)
{
    pending *at = &g->door[0];
    for (int i = 0; i < PENDING; i++) {
        pending *p = &g->door[i];
        if (at->fd >= 0 && (p->fd < 0 || p->until < at->until)) at = p;
    }
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) drop(g, at); /* room for the next try */
    if (fd < 0) return false;
    drop(g, at);
    *at = (pending){.fd = fd, .until = pt_seconds() + HELLO_SECONDS};
    if (pt_wire_setup(fd) != PT_OK || pt_ask_make(&at->ask) != PT_OK ||
        send(fd, &at->ask, sizeof at->ask, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof at->ask) {
        pt_err_clear();
        drop(g, at);
    }
    return true;
}

static const char *token_from(const pt_launch *l)
{
    return l->kind == PT_LAUNCH_FILE ? l->path : l->token_from[0] ? l->token_from : "its launch";
}

/* "ranks 1, 3 of 4" */
static pt_status missing(const meeting *g)
{
    pt_status rc = PT_OK;
    pt_str s = {0};
    char text[1400] = "";
    int n = 0;
    for (int r = 1; r < g->l->size; r++) {
        if (g->m->fd[r] >= 0) continue;
        if (n++ < 8) PT_TRY(pt_str_printf(&s, "%s%d", n > 1 ? ", " : "", r));
    }
    if (n > 8) PT_TRY(pt_str_puts(&s, ", ..."));
    if (g->strangers)
        snprintf(text, sizeof text, " (%d connection%s that did not know this job's token %s dropped; the token is from %s)", g->strangers,
                 g->strangers > 1 ? "s" : "", g->strangers > 1 ? "were" : "was", token_from(g->l));
    rc = pt_fail(PT_EIO, "rank%s %s of %d did not come to %s:%d within %.0f s%s", n > 1 ? "s" : "", s.text, g->l->size,
                 g->at.host, g->at.port, g->l->join_seconds, text);
done:
    pt_str_free(&s);
    return rc;
}

/* Everything that has come at once. */
static pt_status serve(meeting *g)
{
    struct pollfd *ears = g->watched, *door = g->watched + g->ears.n;
    for (int i = 0; i < PENDING; i++) { /* before new ones take places */
        pending *d = &g->door[i];
        if (d->fd >= 0 && door[i].revents) PT_RETURN(hear(g, d));
    }
    for (int e = 0; e < g->ears.n; e++)
        for (int i = 0; ears[e].revents && i < PENDING / 2 && let_in(g, g->ears.fd[e]); i++) continue;
    return PT_OK;
}

/* Who came and has gone again (killed) is not there: its launcher may start it anew. */
static void recount(meeting *g)
{
    pt_wire_last last;
    for (int r = 1; r < g->l->size; r++) {
        if (g->m->fd[r] < 0 || pt_wire_look(g->m->fd[r], &last) == PT_WIRE_OPEN) continue;
        close(g->m->fd[r]);
        g->m->fd[r] = -1;
        g->here--;
    }
}

static pt_status collect(meeting *g)
{
    double deadline = pt_seconds() + g->l->join_seconds;
    for (;;) {
        if (g->here == g->l->size) recount(g);
        if (g->here == g->l->size) return PT_OK;
        for (int e = 0; e < g->ears.n; e++) g->watched[e] = (struct pollfd){.fd = g->ears.fd[e], .events = POLLIN};
        for (int i = 0; i < PENDING; i++) g->watched[g->ears.n + i] = (struct pollfd){.fd = g->door[i].fd, .events = POLLIN};
        double now = pt_seconds();
        if (now > deadline) {
            recount(g);
            return missing(g);
        }
        int n = poll(g->watched, (nfds_t)(g->ears.n + PENDING), deadline - now < 0.5 ? 50 : 500);
        if (n < 0 && errno != EINTR) return pt_fail(PT_EIO, "poll: %s", strerror(errno));
        if (n > 0) PT_RETURN(serve(g));
        for (int i = 0; i < PENDING; i++)
            if (g->door[i].fd >= 0 && pt_seconds() > g->door[i].until) drop(g, &g->door[i]);
    }
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
        if (strcmp(g->who[q].hello.machine, g->who[r].hello.machine) != 0) continue;
        w.local_size++;
        before += q < r;
        w.sharers += share_cores(&g->who[q].hello, &g->who[r].hello);
    }
    if (w.sharers < 1) w.sharers = 1;
    w.local_rank = g->who[r].hello.local_rank >= 0 && g->who[r].hello.local_rank < PT_LAUNCH_RANKS ? g->who[r].hello.local_rank : before;
    return w;
}

static pt_status gather_ranks(const pt_launch *l, pt_members *m)
{
    pt_status rc = PT_OK;
    meeting *g = NULL;
    PT_TRY(pt_alloc0(&g, 1));
    g->l = l;
    g->m = m;
    g->here = 1;
    for (int i = 0; i < PENDING; i++) g->door[i].fd = -1;
    PT_TRY(pt_alloc0(&g->who, l->size));
    PT_TRY(pt_store_listen(l, &g->ears, &g->at));
    PT_TRY(own_hello(l, &g->who[0].hello));
    PT_TRY(collect(g));
    pt_welcome mine = neighbours(g, 0);
    m->local_rank = mine.local_rank;
    m->local_size = mine.local_size;
    m->sharers = mine.sharers;
    for (int r = 1; r < l->size; r++) {
        pt_welcome w = neighbours(g, r);
        pt_welcome_sign(&w, &g->who[r].ask, &g->who[r].hello, g->at.token);
        answer(m->fd[r], &w);
    }
done:
    if (g) {
        for (int r = 1; rc != PT_OK && r < l->size; r++) { /* who came already learns why it ends */
            if (m->fd[r] >= 0) refuse(g, m->fd[r], &g->who[r], pt_err_msg());
            m->fd[r] = -1;
        }
        for (int i = 0; i < PENDING; i++)
            if (g->door[i].fd >= 0) close(g->door[i].fd);
        pt_store_deaf(&g->ears);
        if (g->at.port && l->kind == PT_LAUNCH_FILE) unlink(l->path);
        free(g->who);
    }
    free(g);
    return rc;
}

typedef struct attempt {
    pt_rank_place at;
    int fd;
    pt_welcome w;
    bool proven; /* who answered knows the token */
    bool other;  /* it is a ptrain that does not */
} attempt;

/* One attempt: connect, question, hello, welcome. */
static pt_status try_once(const pt_launch *l, double deadline, attempt *t)
{
    pt_hello h;
    pt_ask a;
    double soon = pt_seconds() + HELLO_SECONDS;
    PT_RETURN(pt_store_find(l, &t->at));
    PT_RETURN(pt_store_connect(&t->at, deadline, &t->fd));
    PT_RETURN(pt_wire_recv(t->fd, &a, sizeof a, soon < deadline ? soon : deadline, NULL));
    if (a.magic != PT_HELLO_MAGIC) return pt_fail(PT_EIO, "what answers there is not ptrain");
    PT_RETURN(own_hello(l, &h));
    pt_hello_sign(&h, &a, t->at.token);
    PT_RETURN(pt_wire_send(t->fd, &h, sizeof h, deadline, NULL));
    PT_RETURN(pt_wire_recv(t->fd, &t->w, sizeof t->w, deadline + ANSWER_SECONDS, NULL)); /* rank 0 knows better who is missing */
    if (t->w.magic != PT_HELLO_MAGIC) return pt_fail(PT_EIO, "what answers there is not ptrain");
    t->proven = pt_welcome_proves(&t->w, &a, &h, t->at.token);
    t->other = !t->proven;
    t->w.why[sizeof t->w.why - 1] = 0;
    if (t->proven) return t->w.ok ? PT_OK : pt_fail(PT_EIO, "%s", t->w.why[0] ? t->w.why : "it refuses, and does not say why");
    return pt_fail(PT_EIO,
                   "what answers there is another job or another version of ptrain, or its token is another; the token here is from %s: on "
                   "several machines without a common home folder set PTRAIN_TOKEN to the same secret text for all ranks",
                   token_from(l));
}

static pt_status join_rank0(const pt_launch *l, pt_members *m)
{
    double now = pt_seconds(), deadline = now + l->join_seconds, others = deadline;
    char other[1400] = ""; /* what is said last may be only that the time was up */
    for (;;) {
        attempt t = {.fd = -1};
        pt_status rc = try_once(l, deadline, &t);
        if (rc == PT_OK) {
            m->fd[0] = t.fd;
            m->local_rank = t.w.local_rank;
            m->local_size = t.w.local_size > 0 ? t.w.local_size : 1;
            m->sharers = t.w.sharers > 0 ? t.w.sharers : 1;
            return PT_OK;
        }
        if (t.fd >= 0) close(t.fd);
        now = pt_seconds();
        if (t.other) snprintf(other, sizeof other, "%s", pt_err_msg());
        else others = deadline;
        if (t.other && others > now + OTHER_SECONDS && l->kind == PT_LAUNCH_TCP) others = now + OTHER_SECONDS; /* an old file is written anew */
        if (t.proven || now + 0.1 > deadline || (t.other && now > others)) {
            if (l->kind == PT_LAUNCH_FILE && !t.at.port) return pt_fail_prefix(rc, "rank %d waits for %s", l->rank, l->path);
            if (!t.proven && other[0]) rc = pt_fail(rc, "%s", other);
            return pt_fail_prefix(rc, "rank %d cannot join rank 0 at %s:%d (%.0f s)", l->rank, t.at.host, t.at.port,
                                  l->join_seconds);
        }
        nanosleep(&(struct timespec){.tv_nsec = t.other ? 500000000 : 50000000}, NULL);
    }
}

pt_status pt_store_join(const pt_launch *l, pt_members *out)
{
    pt_status rc = PT_OK;
    *out = (pt_members){0};
    PT_CHECK(l->kind == PT_LAUNCH_TCP || l->kind == PT_LAUNCH_FILE, PT_EARG, "not a TCP or file launch");
    PT_CHECK(l->size >= 1 && l->size <= PT_LAUNCH_RANKS && l->rank >= 0 && l->rank < l->size, PT_EARG,
             "rank %d of %d processes: ranks go from 0, and there are at most %d", l->rank, l->size, PT_LAUNCH_RANKS);
    if (l->kind == PT_LAUNCH_TCP) {
        PT_CHECK(l->host[0] && l->port > 0 && l->port < 65536, PT_EARG,
                 "no address of rank 0: MASTER_ADDR '%s', MASTER_PORT %d", l->host, l->port);
        PT_CHECK(l->token[0], PT_EARG, "a TCP launch without a token: strangers could join it");
    } else
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
