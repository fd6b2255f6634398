/* Inside of the rendezvous, shared by store.c (rank 0's side, the rest) and store_find.c (where rank 0 is). */
#ifndef PT_DIST_STORE_IMPL_H
#define PT_DIST_STORE_IMPL_H
#include "train/dist/store.h"

#define PT_HELLO_MAGIC 0x3130305254534350ull
#define PT_HELLO_VERSION 1u

/* The first words on a connection, of fixed size: who comes, and the answer. */
typedef struct pt_hello {
    uint64_t magic;
    uint32_t version, size;
    int32_t rank, local_rank; /* -1: not known */
    char token[64];
    char machine[64]; /* the same on one machine only */
    unsigned char cpus[128];
} pt_hello;
typedef struct pt_welcome {
    uint64_t magic;
    int32_t ok, local_rank, local_size, sharers;
    char why[232];
} pt_welcome;

/* Where rank 0 listens. */
typedef struct pt_place {
    char host[256];
    int port;
    char token[64];
} pt_place;

/* This machine's name for pt_hello.machine. */
void pt_store_machine(char out[64]);
/* Listens where the launch says; for a file launch on a free port, and writes the file. */
pt_status pt_store_listen(const pt_launch *l, int *fd, pt_place *at);
/* Where rank 0 is, as known now; PT_EIO while the file is not there or not whole. */
pt_status pt_store_find(const pt_launch *l, pt_place *at);
/* One attempt to connect, of at most some seconds. */
pt_status pt_store_connect(const pt_place *at, double deadline, int *fd);
#endif
