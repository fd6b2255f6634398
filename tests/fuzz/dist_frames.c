/* What ranks send each other once they have met, over sockets in memory. First byte: bit 0, this is rank 1 of 2 (else rank 0 of 3); the rest,
 * how many collectives follow, a byte each (kind; size). Then the bytes that rank 0 sends, or those of ranks 1 and 2, of equal length. */
#include "tests/fuzz/harness.h"

#include <sys/socket.h>

#include "train/dist/tcp.c"

static int end_of_wire(const void *said, size_t n, int *other)
{
    int ends[2];
    fuzz_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    fuzz_assert(pt_wire_setup(ends[0]) == PT_OK && send(ends[1], said, n, MSG_NOSIGNAL) == (ssize_t)n);
    shutdown(ends[1], SHUT_WR);
    *other = ends[1];
    return ends[0];
}

static pt_status collective(pt_comm *c, uint8_t what)
{
    double x[4] = {1, 2, 3, 4};
    int64_t v[4] = {1, -2, 3, -4};
    size_t n = what / 8 % 5;
    switch (what % 8) {
    case 0: return tcp_f64(c, x, n);
    case 1: return tcp_min(c, v, n);
    case 2: return tcp_max(c, v, n);
    case 3: return tcp_barrier(c);
    case 4: return tcp_broadcast(c, v, n * 8, what / 64 % c->size);
    case 5: return sum_chunk(c, n);
    case 6: return tcp_check(c);
    default: return tcp_broadcast(c, x, n, 0);
    }
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static float mine[64];
    static double acc[64];
    struct pollfd watched[3];
    bool left[3] = {0};
    int fds[3] = {-1, -1, -1}, others[3];
    tcp_state s = {.m.fd = fds, .watched = watched, .left = left, .patience = 1, .mine = mine, .acc = acc};
    pt_comm c = {.name = "tcp", .state = &s, .wait_seconds = 1};
    if (!n) return 0;
    c.rank = *bytes & 1;
    c.size = c.rank ? 2 : 3;
    size_t calls = *bytes / 2 % 8, at = 1 + calls, peers = (size_t)c.size - 1;
    if (at > n) return 0;
    size_t each = (n - at) / peers;
    for (size_t k = 0; k < peers; k++) fds[c.rank ? 0 : k + 1] = end_of_wire(bytes + at + k * each, each, &others[k]);
    for (size_t i = 0; i < calls; i++) {
        pt_status rc = collective(&c, bytes[1 + i]);
        fuzz_clean(rc);
        if (rc == PT_OK) fuzz_accepted++;
    }
    for (size_t k = 0; k < peers; k++) close(others[k]), close(fds[c.rank ? 0 : k + 1]);
    return 0;
}
