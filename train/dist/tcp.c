/* The communicator over TCP: a star around rank 0. Every collective: the others send rank 0 a frame that says which call of
 * which kind and size it is (so that ranks that do different things find out), rank 0 works in rank order and answers. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/threads.h"
#include "train/dist/launch.h"
#include "train/dist/store.h"
#include "train/dist/wire.h"

#define CHUNK ((int64_t)1 << 18) /* floats moved at once */

typedef struct tcp_state {
    pt_members m;
    struct pollfd *watched; /* [size] */
    bool *left;             /* [size]: has said BYE */
    double patience;
    uint64_t seq;
    pt_status failed; /* what every call returns once one has failed */
    pt_wire_last why;
    float *mine;
    double *acc; /* rank 0 */
} tcp_state;

static const char *const kind_name[PT_WIRE_KINDS] = {"?",         "a sum of numbers", "a minimum", "a maximum", "a broadcast",
                                                     "a barrier", "a vector sum",     "an end",    "an end"};

/* ---- failures --------------------------------------------------------------------------------------------------------- */

/* Keeps the message for later calls and for the other ranks. origin: whose failure it is. */
static pt_status fail_as(pt_comm *c, int origin, const char *why)
{
    tcp_state *s = c->state;
    s->failed = PT_EIO;
    s->why.origin = origin;
    snprintf(s->why.why, sizeof s->why.why, "%.*s", (int)sizeof s->why.why - 1, why);
    return pt_fail(PT_EIO, "rank %d failed: %s", origin, s->why.why);
}

static pt_status again(const tcp_state *s)
{
    return pt_fail(s->failed, "rank %d failed: %s", s->why.origin, s->why.why);
}

/* Rank r's connection has ended, or is asked whether it has. */
static pt_status look_at(pt_comm *c, int r)
{
    tcp_state *s = c->state;
    pt_wire_last last;
    if (s->left[r]) return PT_OK;
    switch (pt_wire_look(s->m.fd[r], &last)) {
    case PT_WIRE_OPEN: return PT_OK;
    case PT_WIRE_LEFT: s->left[r] = true; return PT_OK;
    case PT_WIRE_FAILED: return fail_as(c, last.origin, last.why);
    default: return fail_as(c, r, "it is gone without a word (killed, or its machine is)");
    }
}

/* A send to or receive from r did not work: the connection may hold the reason. */
static pt_status lost(pt_comm *c, int r, int kind, bool late)
{
    tcp_state *s = c->state;
    char text[128];
    if (late) {
        snprintf(text, sizeof text, "it did not come to %s (call %llu) within %.0f s", kind_name[kind],
                 (unsigned long long)s->seq, s->patience);
        return fail_as(c, r, text);
    }
    pt_status rc = look_at(c, r);
    return rc != PT_OK ? rc : fail_as(c, r, s->left[r] ? "it left before the others" : pt_err_msg());
}

/* Waits until rank r has sent something, with an eye on the others. */
static pt_status await(pt_comm *c, int r, int kind, double deadline)
{
    tcp_state *s = c->state;
    for (;;) {
        double left = deadline - pt_seconds();
        for (int q = 0; q < c->size; q++)
            s->watched[q] =
                (struct pollfd){.fd = s->left[q] && q != r ? -1 : s->m.fd[q], .events = q == r ? POLLIN : POLLRDHUP};
        int n = poll(s->watched, (nfds_t)c->size, left <= 0 ? 0 : left > 60 ? 60000 : (int)(left * 1000) + 1);
        if (n < 0 && errno != EINTR) return fail_as(c, c->rank, strerror(errno));
        if (n > 0 && s->watched[r].revents) return PT_OK;
        for (int q = 0; n > 0 && q < c->size; q++)
            if (s->watched[q].revents) PT_RETURN(look_at(c, q));
        if (n == 0 && left <= 0) return lost(c, r, kind, true);
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------------------ */

static pt_status send_frame(pt_comm *c, int r, int kind, const void *data, size_t bytes)
{
    tcp_state *s = c->state;
    pt_wire_head h = {PT_WIRE_MAGIC, (uint32_t)kind, s->seq, bytes};
    double deadline = pt_seconds() + s->patience;
    bool late = false;
    if (pt_wire_send(s->m.fd[r], &h, sizeof h, deadline, &late) != PT_OK ||
        (bytes && pt_wire_send(s->m.fd[r], data, bytes, deadline, &late) != PT_OK))
        return lost(c, r, kind, late);
    return PT_OK;
}

/* What a frame that is not the expected one means. */
static pt_status wrong_frame(pt_comm *c, int r, int kind, size_t bytes, const pt_wire_head *h)
{
    tcp_state *s = c->state;
    pt_wire_last last;
    char text[232];
    if (h->magic != PT_WIRE_MAGIC || h->kind == 0 || h->kind >= PT_WIRE_KINDS)
        return fail_as(c, r, "what it sends is not ptrain's");
    if (h->kind >= PT_WIRE_ABORT) {
        if (h->bytes != sizeof last || pt_wire_recv(s->m.fd[r], &last, sizeof last, pt_seconds() + 5, NULL) != PT_OK)
            return fail_as(c, r, "it left");
        last.why[sizeof last.why - 1] = 0;
        return h->kind == PT_WIRE_ABORT ? fail_as(c, last.origin, last.why) : fail_as(c, r, "it left before the others");
    }
    snprintf(text, sizeof text,
             "it asks for %s of %llu bytes (call %llu), rank %d for %s of %zu (call %llu): they do different things",
             kind_name[h->kind], (unsigned long long)h->bytes, (unsigned long long)h->seq, c->rank, kind_name[kind], bytes,
             (unsigned long long)s->seq);
    return fail_as(c, r, text);
}

static pt_status recv_frame(pt_comm *c, int r, int kind, void *data, size_t bytes)
{
    tcp_state *s = c->state;
    pt_wire_head h;
    double deadline = pt_seconds() + s->patience;
    bool late = false;
    PT_RETURN(await(c, r, kind, deadline));
    if (pt_wire_recv(s->m.fd[r], &h, sizeof h, deadline, &late) != PT_OK) return lost(c, r, kind, late);
    if (h.magic != PT_WIRE_MAGIC || h.kind != (uint32_t)kind || h.seq != s->seq || h.bytes != bytes)
        return wrong_frame(c, r, kind, bytes, &h);
    if (bytes && pt_wire_recv(s->m.fd[r], data, bytes, deadline, &late) != PT_OK) return lost(c, r, kind, late);
    return PT_OK;
}

/* ---- collectives ------------------------------------------------------------------------------------------------------- */

static void combine_f64(void *acc, const void *x, size_t n)
{
    double *a = acc;
    const double *b = x;
    for (size_t i = 0; i < n; i++) a[i] += b[i];
}
static void combine_min(void *acc, const void *x, size_t n)
{
    int64_t *a = acc;
    const int64_t *b = x;
    for (size_t i = 0; i < n; i++) a[i] = b[i] < a[i] ? b[i] : a[i];
}
static void combine_max(void *acc, const void *x, size_t n)
{
    int64_t *a = acc;
    const int64_t *b = x;
    for (size_t i = 0; i < n; i++) a[i] = b[i] > a[i] ? b[i] : a[i];
}

/* n numbers of 8 bytes: combined in rank order on rank 0, then the same everywhere. */
static pt_status reduce(pt_comm *c, int kind, void *x, size_t n, void (*combine)(void *, const void *, size_t))
{
    pt_status rc = PT_OK;
    tcp_state *s = c->state;
    size_t bytes;
    void *theirs = NULL;
    if (s->failed != PT_OK) return again(s);
    s->seq++;
    PT_CHECK(pt_mul_size(n, 8, &bytes), PT_EARG, "%zu numbers", n);
    if (c->rank) {
        PT_TRY(send_frame(c, 0, kind, x, bytes));
        PT_TRY(recv_frame(c, 0, kind, x, bytes));
        goto done;
    }
    PT_TRY(pt_calloc(&theirs, n, 8));
    for (int r = 1; r < c->size; r++) {
        PT_TRY(recv_frame(c, r, kind, theirs, bytes));
        if (combine) combine(x, theirs, n);
    }
    for (int r = 1; r < c->size; r++) PT_TRY(send_frame(c, r, kind, x, bytes));
done:
    free(theirs);
    return rc;
}

static pt_status tcp_f64(pt_comm *c, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += 0.0; /* as a sum that begins at 0: no -0 */
    return reduce(c, PT_WIRE_F64, x, n, combine_f64);
}
static pt_status tcp_min(pt_comm *c, int64_t *x, size_t n)
{
    return reduce(c, PT_WIRE_MIN, x, n, combine_min);
}
static pt_status tcp_max(pt_comm *c, int64_t *x, size_t n)
{
    return reduce(c, PT_WIRE_MAX, x, n, combine_max);
}
static pt_status tcp_barrier(pt_comm *c)
{
    return reduce(c, PT_WIRE_BARRIER, NULL, 0, NULL);
}

/* The root to rank 0, rank 0 to all but the root. */
static pt_status tcp_broadcast(pt_comm *c, void *data, size_t bytes, int root)
{
    tcp_state *s = c->state;
    if (s->failed != PT_OK) return again(s);
    if (root < 0 || root >= c->size) return pt_fail(PT_EARG, "rank %d does not exist: there are %d", root, c->size);
    s->seq++;
    if (c->rank)
        return c->rank == root ? send_frame(c, 0, PT_WIRE_BROADCAST, data, bytes)
                               : recv_frame(c, 0, PT_WIRE_BROADCAST, data, bytes);
    if (root) PT_RETURN(recv_frame(c, root, PT_WIRE_BROADCAST, data, bytes));
    for (int r = 1; r < c->size; r++)
        if (r != root) PT_RETURN(send_frame(c, r, PT_WIRE_BROADCAST, data, bytes));
    return PT_OK;
}

static pt_status sum_chunk(pt_comm *c, size_t n)
{
    tcp_state *s = c->state;
    size_t bytes = n * sizeof *s->mine;
    if (s->failed != PT_OK) return again(s);
    s->seq++;
    if (c->rank) {
        PT_RETURN(send_frame(c, 0, PT_WIRE_SUM, s->mine, bytes));
        return recv_frame(c, 0, PT_WIRE_SUM, s->mine, bytes);
    }
    for (size_t i = 0; i < n; i++) s->acc[i] = 0.0 + s->mine[i];
    for (int r = 1; r < c->size; r++) {
        PT_RETURN(recv_frame(c, r, PT_WIRE_SUM, s->mine, bytes));
        for (size_t i = 0; i < n; i++) s->acc[i] += s->mine[i];
    }
    for (size_t i = 0; i < n; i++) s->mine[i] = (float)s->acc[i];
    for (int r = 1; r < c->size; r++) PT_RETURN(send_frame(c, r, PT_WIRE_SUM, s->mine, bytes));
    return PT_OK;
}

static pt_status tcp_sum(pt_comm *c, pt_view v, const pt_comm_io *io)
{
    pt_status rc = PT_OK;
    tcp_state *s = c->state;
    PT_CHECK(v.type == PT_F32 && v.rows == 1, PT_ESHAPE, "allreduce_sum takes a vector of f32");
    for (int64_t at = 0; at < v.cols; at += CHUNK) {
        int64_t n = v.cols - at < CHUNK ? v.cols - at : CHUNK;
        pt_view part = pt_view_cols(v, at, n);
        PT_TRY(io->get(io->user, s->mine, part));
        PT_TRY(sum_chunk(c, (size_t)n));
        PT_TRY(io->put(io->user, part, s->mine));
    }
done:
    return rc;
}

static pt_status tcp_check(pt_comm *c)
{
    tcp_state *s = c->state;
    if (s->failed != PT_OK) return again(s);
    for (int r = 0; r < c->size; r++)
        if (s->m.fd[r] >= 0) PT_RETURN(look_at(c, r));
    return PT_OK;
}

/* ---- ends -------------------------------------------------------------------------------------------------------------- */

static void leave(pt_comm *c, pt_wire_kind kind, const pt_wire_last *last)
{
    tcp_state *s = c->state;
    for (int r = 0; s->m.fd && r < c->size; r++) {
        if (s->m.fd[r] >= 0) pt_wire_leave(s->m.fd[r], kind, last);
        s->m.fd[r] = -1;
    }
}

static void tcp_abort(pt_comm *c, int code)
{
    tcp_state *s = c->state;
    char why[2048];
    snprintf(why, sizeof why, "%s", pt_err_msg());
    if (s->failed == PT_OK) fail_as(c, c->rank, why[0] ? why : "it ended the run");
    leave(c, PT_WIRE_ABORT, &s->why);
    pt_fail(s->failed, "%s", why); /* the message stays */
}

static void tcp_close(pt_comm *c)
{
    tcp_state *s = c->state;
    if (s) {
        leave(c, PT_WIRE_BYE, &(pt_wire_last){.origin = c->rank});
        pt_store_leave(&s->m, c->size);
        free(s->watched);
        free(s->left);
        free(s->mine);
        free(s->acc);
    }
    free(s);
    free(c);
}

pt_status pt_comm_tcp(const pt_launch *l, pt_comm **out)
{
    pt_status rc = PT_OK;
    pt_comm *c = NULL;
    tcp_state *s = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&c, 1));
    *c = (pt_comm){.name = "tcp",
                   .rank = l->rank,
                   .size = l->size,
                   .allreduce_sum = tcp_sum,
                   .allreduce_f64 = tcp_f64,
                   .allreduce_min = tcp_min,
                   .allreduce_max = tcp_max,
                   .broadcast = tcp_broadcast,
                   .barrier = tcp_barrier,
                   .abort = tcp_abort,
                   .close = tcp_close,
                   .check = tcp_check};
    PT_TRY(pt_alloc0(&s, 1));
    c->state = s;
    s->patience = l->wait_seconds + (l->rank ? 5 : 0); /* rank 0 notices first, and knows who is missing */
    PT_TRY(pt_store_join(l, &s->m));
    c->wait_seconds = l->wait_seconds;
    c->local_rank = s->m.local_rank;
    c->local_size = s->m.local_size;
    c->sharers = s->m.sharers;
    PT_TRY(pt_alloc0(&s->watched, c->size));
    PT_TRY(pt_alloc0(&s->left, c->size));
    PT_TRY(pt_alloc0(&s->mine, CHUNK));
    c->staging_bytes = (size_t)CHUNK * (c->rank ? 4 : 12);
    if (c->rank == 0) PT_TRY(pt_alloc0(&s->acc, CHUNK));
    *out = c;
    c = NULL;
done:
    if (c) tcp_close(c);
    return rc;
}
