/* What every communicator must do, called by each of its ranks: sums of vectors whose order of adding shows, sums, minima,
 * maxima, broadcasts, barriers. Prints what was wrong; 0 when nothing was. */
#ifndef PT_TEST_EXERCISE_H
#define PT_TEST_EXERCISE_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/dist/comm.h"

static pt_status get(void *user, float *host, pt_view v)
{
    memcpy(host, v.buf->base + v.off, (size_t)v.cols * sizeof *host);
    return PT_OK;
}
static pt_status put(void *user, pt_view v, const float *host)
{
    memcpy(v.buf->base + v.off, host, (size_t)v.cols * sizeof *host);
    return PT_OK;
}

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "rank %d, line %d: %s\n", c->rank, __LINE__, #x);                                                  \
            return 1;                                                                                                          \
        }                                                                                                                      \
    } while (0)

/* What every rank holds at place i before the sum: of very different sizes, so that the order of adding shows. */
static float part(int rank, size_t i)
{
    return (float)((rank + 1) * ((double)(i % 1000) - 499.5) * (i % 7 == 0 ? 1e6 : 1e-3));
}

/* most: the longest vector */
static int exercise(pt_comm *c, size_t most)
{
    static const size_t sizes[] = {1, 5, 1u << 20, (1u << 20) + 1, 3500000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes && sizes[s] <= most; s++) {
        size_t n = sizes[s];
        float *x = malloc(n * sizeof *x);
        CHECK(x);
        for (size_t i = 0; i < n; i++) x[i] = part(c->rank, i);
        pt_buf buf = {.base = (unsigned char *)x, .bytes = n * sizeof *x};
        pt_view v = {.buf = &buf, .type = PT_F32, .rows = 1, .cols = (int64_t)n, .ld = (int64_t)n};
        pt_comm_io io = {.get = get, .put = put};
        CHECK(c->allreduce_sum(c, v, &io) == PT_OK);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (int r = 0; r < c->size; r++) sum += part(r, i);
            CHECK(x[i] == (float)sum);
        }
        free(x);
    }
    double d[2] = {1.0 / (c->rank + 3), 1e17 * (c->rank % 2 ? -1 : 1)}, want[2] = {0, 0};
    for (int r = 0; r < c->size; r++) {
        want[0] += 1.0 / (r + 3);
        want[1] += 1e17 * (r % 2 ? -1 : 1);
    }
    CHECK(c->allreduce_f64(c, d, 2) == PT_OK && d[0] == want[0] && d[1] == want[1]);
    int64_t lo[2] = {c->rank + 5, -c->rank}, hi[2] = {c->rank + 5, -c->rank};
    CHECK(c->allreduce_min(c, lo, 2) == PT_OK && lo[0] == 5 && lo[1] == 1 - c->size);
    CHECK(c->allreduce_max(c, hi, 2) == PT_OK && hi[0] == c->size + 4 && hi[1] == 0);
    char text[16] = "";
    if (c->rank == 0) memcpy(text, "from rank 0", 12);
    CHECK(c->broadcast(c, text, sizeof text, 0) == PT_OK && !strcmp(text, "from rank 0"));
    if (c->size > 1) {
        if (c->rank == c->size - 1) memcpy(text, "from the last", 14);
        CHECK(c->broadcast(c, text, sizeof text, c->size - 1) == PT_OK && !strcmp(text, "from the last"));
    }
    CHECK(c->barrier(c) == PT_OK);
    CHECK(!c->check || c->check(c) == PT_OK);
    CHECK(c->sharers >= 1 && c->sharers <= c->local_size && c->local_rank < c->local_size && c->local_size <= c->size);
    return 0;
}
#endif
