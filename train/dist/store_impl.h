/* Inside of the rendezvous, shared by store.c (rank 0's side, the rest), store_find.c (where rank 0 is), listen.c (where it listens)
 * and proof.c (who knows the token). */
#ifndef PT_DIST_STORE_IMPL_H
#define PT_DIST_STORE_IMPL_H
#include "train/dist/store.h"

#define PT_HELLO_MAGIC 0x3130305254534350ull
#define PT_HELLO_VERSION 2u

/* The first words on a connection, each of fixed size: rank 0 asks who connects to prove that it knows the token; the hello proves
 * it, and asks in turn; the welcome proves it too. A proof is HMAC-SHA-256, by the token, of both questions and all words before
 * it, so it is of use on this connection only. */
typedef struct pt_ask {
    uint64_t magic;
    uint32_t version, zero;
    unsigned char nonce[32];
} pt_ask;
typedef struct pt_hello {
    uint64_t magic;
    uint32_t version, size;
    int32_t rank, local_rank; /* -1: not known */
    char machine[64];         /* the same on one machine only */
    unsigned char cpus[128], nonce[32], proof[32];
} pt_hello;
typedef struct pt_welcome {
    uint64_t magic;
    int32_t ok, local_rank, local_size, sharers;
    char why[232];
    unsigned char proof[32]; /* of zeros: from who knows no token, or to such a one */
} pt_welcome;

pt_status pt_ask_make(pt_ask *a);
void pt_hello_sign(pt_hello *h, const pt_ask *a, const char *token);
bool pt_hello_proves(const pt_hello *h, const pt_ask *a, const char *token);
void pt_welcome_sign(pt_welcome *w, const pt_ask *a, const pt_hello *h, const char *token);
bool pt_welcome_proves(const pt_welcome *w, const pt_ask *a, const pt_hello *h, const char *token);

/* Where rank 0 listens. */
typedef struct pt_rank_place {
    char host[256];
    int port;
    char token[PT_TOKEN_BYTES];
} pt_rank_place;
enum { PT_LISTENERS = 8 };
typedef struct pt_ears {
    int fd[PT_LISTENERS], n;
    char where[256]; /* the addresses, for messages */
} pt_ears;

/* This machine's name for pt_hello.machine. */
void pt_store_machine(char out[64]);
/* Listens where the launch says (listen.c); for a file launch on a free port, and writes the file. Sockets are non-blocking. */
pt_status pt_store_listen(const pt_launch *l, pt_ears *ears, pt_rank_place *at);
void pt_store_deaf(pt_ears *ears); /* closes them; safe on a zeroed one */
/* Listens on the addresses of this machine that `host` names, at one port (0: any, *port is which). loopback: also where ranks of
 * this machine look. alone: no rank is elsewhere. */
pt_status pt_listen_at(const char *host, int *port, bool loopback, bool alone, pt_ears *ears);
/* getaddrinfo with our message; freeaddrinfo is due. */
struct addrinfo;
pt_status pt_store_resolve(const char *host, int port, struct addrinfo **out);
/* Where rank 0 is, as known now; PT_EIO while the file is not there or not whole. */
pt_status pt_store_find(const pt_launch *l, pt_rank_place *at);
/* One attempt to connect, of at most some seconds. */
pt_status pt_store_connect(const pt_rank_place *at, double deadline, int *fd);
#endif
