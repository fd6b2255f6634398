/* Sockets with deadlines, for tcp.c and store.c. All sockets are non-blocking; times are of pt_seconds. */
#ifndef PT_DIST_WIRE_H
#define PT_DIST_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What goes over a connection once it is accepted: a header, then `bytes` of payload. Little ends and sizes are those of the
 * machine; the magic shows where they differ. */
#define PT_WIRE_MAGIC 0x31525450u /* "PTR1" */
typedef enum pt_wire_kind {
    PT_WIRE_F64 = 1,
    PT_WIRE_MIN,
    PT_WIRE_MAX,
    PT_WIRE_BROADCAST,
    PT_WIRE_BARRIER,
    PT_WIRE_SUM,
    PT_WIRE_ABORT, /* payload: pt_wire_last */
    PT_WIRE_BYE,   /* payload: pt_wire_last; the sender has nothing more to do */
    PT_WIRE_KINDS
} pt_wire_kind;
typedef struct pt_wire_head {
    uint32_t magic, kind;
    uint64_t seq, bytes;
} pt_wire_head;
/* The last thing on a connection that ends in order. */
typedef struct pt_wire_last {
    int32_t origin; /* rank that failed */
    char why[252];
} pt_wire_last;

typedef enum pt_wire_end {
    PT_WIRE_OPEN,   /* the other side is there */
    PT_WIRE_LEFT,   /* said BYE */
    PT_WIRE_FAILED, /* said ABORT: *last is filled */
    PT_WIRE_GONE    /* closed without a word */
} pt_wire_end;

/* Connected socket: no delay, keep-alive, non-blocking. */
pt_status pt_wire_setup(int fd);
/* Waits for events of one socket until the deadline; *ready = false on time-out. */
pt_status pt_wire_poll(int fd, short events, double deadline, bool *ready);
/* All bytes or a failure. PT_EIO; *late (may be NULL) says that it was the deadline. */
pt_status pt_wire_send(int fd, const void *data, size_t bytes, double deadline, bool *late);
pt_status pt_wire_recv(int fd, void *data, size_t bytes, double deadline, bool *late);
/* Whether the other side has ended the connection, without waiting. Reads away what was still under way then. */
pt_wire_end pt_wire_look(int fd, pt_wire_last *last);
/* Says a last word, and ends the connection; both within a second. fd is closed. */
void pt_wire_leave(int fd, pt_wire_kind kind, const pt_wire_last *last);
#endif
