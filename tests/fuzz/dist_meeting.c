/* The meeting of ranks, both sides of it, over sockets in memory. First byte: even, rank 0 hears connections; odd, a rank hears rank 0.
 * Rank 0: second byte, how many processes it wants (1 to 4); then for each connection a byte (odd: the hello is signed, so that what comes
 * behind the proof is reached), its length in one byte times two, its bytes. The other side: second byte odd, the welcome is signed; then
 * question and welcome as they are sent. */
#include "tests/fuzz/harness.h"

#include <sys/socket.h>

/* Questions that repeat, and one connection that is there. */
#define pt_ask_make fuzz_ask
#define pt_store_connect fuzz_connect
#define pt_store_find fuzz_find
#include "train/dist/store.c"

static int wire = -1; /* rank 0's end of the connection that fuzz_connect gives */

pt_status fuzz_ask(pt_ask *a)
{
    *a = (pt_ask){.magic = PT_HELLO_MAGIC, .version = PT_HELLO_VERSION};
    memset(a->nonce, 7, sizeof a->nonce);
    return PT_OK;
}

pt_status fuzz_connect(const pt_rank_place *at, double deadline, int *fd)
{
    *fd = wire;
    wire = -1;
    return pt_wire_setup(*fd);
}

pt_status fuzz_find(const pt_launch *l, pt_rank_place *at)
{
    *at = (pt_rank_place){.host = "memory", .port = 1, .token = "job 7"};
    return PT_OK;
}

/* Two ends; what has been said is said, and no more comes. */
static int connection(const void *said, size_t n, int *other)
{
    int ends[2];
    fuzz_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    fuzz_assert(pt_wire_setup(ends[0]) == PT_OK && send(ends[1], said, n, MSG_NOSIGNAL) == (ssize_t)n);
    shutdown(ends[1], SHUT_WR);
    *other = ends[1];
    return ends[0];
}

static const pt_launch launch = {.kind = PT_LAUNCH_TCP, .local_rank = -1, .host = "memory", .port = 1, .token = "job 7", .join_seconds = 1, .wait_seconds = 1};

/* One connection, from its first byte to its last. */
static pt_status visit(meeting *g, const uint8_t *said, size_t n, bool sign, int *other)
{
    pending *p = &g->door[0];
    pt_hello h;
    pt_status rc = PT_OK;
    *p = (pending){.until = 1e300};
    fuzz_assert(fuzz_ask(&p->ask) == PT_OK);
    if (sign && n >= offsetof(pt_hello, proof)) {
        memset(&h, 0, sizeof h);
        memcpy(&h, said, n < sizeof h ? n : sizeof h);
        pt_hello_sign(&h, &p->ask, "job 7");
        p->fd = connection(&h, sizeof h, other);
    } else {
        p->fd = connection(said, n, other);
    }
    while (rc == PT_OK && p->fd >= 0) rc = hear(g, p);
    fuzz_clean(rc);
    return rc;
}

static void rank0(const uint8_t *bytes, size_t n)
{
    static meeting g;
    pt_launch l = launch;
    pt_members m = {0};
    int others[16], n_others = 0, fds[4] = {-1, -1, -1, -1};
    member who[4] = {0};
    l.size = n ? 1 + bytes[0] % 4 : 1;
    m.fd = fds;
    g = (meeting){.l = &l, .m = &m, .here = 1, .who = who, .at = {.host = "memory", .port = 1, .token = "job 7"}};
    for (int i = 0; i < PENDING; i++) g.door[i].fd = -1;
    fuzz_assert(own_hello(&l, &who[0].hello) == PT_OK);
    for (size_t at = 1; at + 2 <= n && g.here < l.size && n_others < 16;) {
        size_t says = (size_t)bytes[at + 1] * 2;
        if (says > n - at - 2) says = n - at - 2;
        bool sign = bytes[at] & 1;
        if (visit(&g, bytes + at + 2, says, sign, &others[n_others++]) != PT_OK) break;
        at += 2 + says;
    }
    if (g.here < l.size) {
        fuzz_clean(missing(&g));
    } else {
        fuzz_accepted++;
        for (int r = 0; r < l.size; r++) {
            pt_welcome w = neighbours(&g, r);
            fuzz_assert(w.local_size >= 1 && w.local_size <= l.size && w.sharers >= 1 && w.sharers <= l.size && w.local_rank >= 0);
        }
    }
    for (int r = 0; r < 4; r++)
        if (fds[r] >= 0) close(fds[r]);
    drop(&g, &g.door[0]);
    while (n_others) close(others[--n_others]);
}

static void other_rank(const uint8_t *bytes, size_t n)
{
    unsigned char said[sizeof(pt_ask) + sizeof(pt_welcome)] = {0};
    pt_launch l = launch;
    attempt t = {.fd = -1};
    int other;
    bool sign = n && bytes[0] & 1;
    size_t says = n ? n - 1 : 0;
    if (says > sizeof said) says = sizeof said;
    if (says) memcpy(said, bytes + 1, says);
    l.size = 3;
    l.rank = 1;
    if (sign) {
        pt_ask a;
        pt_hello h;
        pt_welcome w;
        memcpy(&a, said, sizeof a);
        memcpy(&w, said + sizeof a, sizeof w);
        fuzz_assert(own_hello(&l, &h) == PT_OK);
        pt_hello_sign(&h, &a, "job 7");
        pt_welcome_sign(&w, &a, &h, "job 7");
        memcpy(said + sizeof a, &w, sizeof w);
        says = sizeof said;
    }
    wire = connection(said, says, &other);
    pt_status rc = try_once(&l, pt_seconds() + 1, &t);
    fuzz_clean(rc);
    if (rc == PT_OK) fuzz_accepted++;
    if (t.fd >= 0) close(t.fd);
    close(other);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    if (!n) return 0;
    if (*bytes & 1) other_rank(bytes + 1, n - 1);
    else rank0(bytes + 1, n - 1);
    return 0;
}
