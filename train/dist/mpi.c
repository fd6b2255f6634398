/* MPI over the host, by messages between each two ranks, so that a rank that does not come can be told from one that waits like us:
 * every rank sends all that it has for the others before it waits, and who has not sent is who is missing. (A collective of MPI's
 * would wait for ever, and without a name.)
 *
 * The sum of a vector: chunks; in each chunk rank r collects the r-th piece of every rank, adds the pieces in rank order in double,
 * and sends the result to all: 2 n numbers moved a rank, whatever the number of ranks, the same bits everywhere. */
#include "train/dist/comm.h"

#if PT_WITH_MPI
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/threads.h"

#define CHUNK (1u << 20)  /* floats; rounded up to a multiple of the ranks */
#define MESSAGE (1u << 30) /* most bytes of one message */

typedef enum mpi_kind { SUM, NUMBERS, MIN, MAX, BROADCAST, BARRIER } mpi_kind;
static const char *const kind_name[] = {"a vector sum", "a sum of numbers", "a minimum", "a maximum", "a broadcast", "a barrier"};

typedef struct mpi_state {
    float *mine, *theirs, *sum; /* [chunk], [chunk], [piece] */
    size_t chunk, piece;
    void *few; /* numbers of all ranks */
    size_t few_cap;
    MPI_Request *requests; /* [2 size]: what comes from each rank, then what goes to it */
    MPI_Status *statuses;
    unsigned long long seq;
    double patience;
    bool started; /* we called MPI_Init, so we call MPI_Finalize */
    bool failed;  /* messages are still under way: nothing of theirs is freed */
} mpi_state;

static pt_status checked(int code, const char *what)
{
    if (code == MPI_SUCCESS) return PT_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(code, text, &n);
    return pt_fail(PT_EIO, "%s: %s", what, text);
}

/* ---- one exchange ---------------------------------------------------------------------------------------------------------- */

/* Calls of one kind and number meet only each other; the standard grants 15 bits. */
static int tag_of(const mpi_state *s, mpi_kind kind)
{
    return (int)((s->seq % 4096) * 8 + (unsigned)kind);
}

static pt_status give(pt_comm *c, mpi_kind kind, int to, const void *data, size_t bytes)
{
    mpi_state *s = c->state;
    return checked(MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag_of(s, kind), MPI_COMM_WORLD, &s->requests[c->size + to]), "MPI_Isend");
}
static pt_status take(pt_comm *c, mpi_kind kind, int from, void *data, size_t bytes)
{
    mpi_state *s = c->state;
    return checked(MPI_Irecv(data, (int)bytes, MPI_BYTE, from, tag_of(s, kind), MPI_COMM_WORLD, &s->requests[from]), "MPI_Irecv");
}

static pt_status begin(pt_comm *c)
{
    mpi_state *s = c->state;
    if (s->failed) return pt_fail(PT_EIO, "an earlier call between the ranks has failed");
    for (int i = 0; i < 2 * c->size; i++) s->requests[i] = MPI_REQUEST_NULL;
    return PT_OK;
}

/* Which message did not come, or was of another size. */
static pt_status failed(pt_comm *c, mpi_kind kind, int code)
{
    mpi_state *s = c->state;
    int worst = -1;
    s->failed = true;
    for (int i = 0; i < 2 * c->size && worst < 0; i++)
        if (code == MPI_SUCCESS ? s->requests[i] != MPI_REQUEST_NULL
                                : s->statuses[i].MPI_ERROR != MPI_SUCCESS && s->statuses[i].MPI_ERROR != MPI_ERR_PENDING)
            worst = i;
    int rank = worst < 0 ? c->rank : worst % c->size;
    if (code == MPI_SUCCESS)
        return pt_fail(PT_EIO, "rank %d failed: it did not come to %s (call %llu) within %.0f s", rank, kind_name[kind], s->seq, s->patience);
    checked(worst < 0 ? code : s->statuses[worst].MPI_ERROR, kind_name[kind]);
    return pt_fail_prefix(PT_EIO, "rank %d failed in call %llu", rank, s->seq);
}

/* Until everything has come and gone. Other ranks may need our core: after a moment of looking it is offered to them. */
static pt_status complete(pt_comm *c, mpi_kind kind)
{
    mpi_state *s = c->state;
    double deadline = 0;
    for (unsigned turn = 0;; turn++) {
        int done = 0, code = MPI_Testall(2 * c->size, s->requests, &done, s->statuses);
        if (code != MPI_SUCCESS) return failed(c, kind, code);
        if (done) return PT_OK;
        if (turn < 256) continue;
        sched_yield();
        if (turn % 64 || s->patience <= 0) continue;
        double now = pt_seconds();
        if (!deadline) deadline = now + s->patience + (c->rank ? 5 : 0); /* rank 0 notices first: one rank speaks */
        if (now > deadline) return failed(c, kind, MPI_SUCCESS);
    }
}

/* ---- collectives ------------------------------------------------------------------------------------------------------------- */

static pt_status sum_chunk(pt_comm *c, size_t n)
{
    mpi_state *s = c->state;
    size_t piece = (n + (size_t)c->size - 1) / (size_t)c->size, bytes = piece * sizeof(float), own = (size_t)c->rank * piece;
    memset(s->mine + n, 0, (piece * (size_t)c->size - n) * sizeof *s->mine);
    s->seq++;
    PT_RETURN(begin(c));
    for (int r = 0; r < c->size; r++)
        if (r != c->rank) PT_RETURN(take(c, SUM, r, s->theirs + (size_t)r * piece, bytes));
    for (int r = 0; r < c->size; r++)
        if (r != c->rank) PT_RETURN(give(c, SUM, r, s->mine + (size_t)r * piece, bytes));
    memcpy(s->theirs + own, s->mine + own, bytes);
    PT_RETURN(complete(c, SUM));
    for (size_t i = 0; i < piece; i++) {
        double sum = 0;
        for (size_t r = 0; r < (size_t)c->size; r++) sum += s->theirs[r * piece + i];
        s->sum[i] = (float)sum;
    }
    s->seq++;
    PT_RETURN(begin(c));
    for (int r = 0; r < c->size; r++)
        if (r != c->rank) PT_RETURN(take(c, SUM, r, s->mine + (size_t)r * piece, bytes));
    for (int r = 0; r < c->size; r++)
        if (r != c->rank) PT_RETURN(give(c, SUM, r, s->sum, bytes));
    memcpy(s->mine + own, s->sum, bytes);
    return complete(c, SUM);
}

static pt_status mpi_sum(pt_comm *c, pt_view v, const pt_comm_io *io)
{
    pt_status rc = PT_OK;
    mpi_state *s = c->state;
    PT_CHECK(v.type == PT_F32 && v.rows == 1, PT_ESHAPE, "allreduce_sum takes a vector of f32");
    for (int64_t at = 0; at < v.cols; at += (int64_t)s->chunk) {
        int64_t n = v.cols - at < (int64_t)s->chunk ? v.cols - at : (int64_t)s->chunk;
        pt_view part = pt_view_cols(v, at, n);
        PT_TRY(io->get(io->user, s->mine, part));
        PT_TRY(sum_chunk(c, (size_t)n));
        PT_TRY(io->put(io->user, part, s->mine));
    }
done:
    return rc;
}

/* n numbers of 8 bytes of every rank in s->few, ours among them. */
static pt_status gather(pt_comm *c, mpi_kind kind, const void *x, size_t n)
{
    mpi_state *s = c->state;
    size_t total, bytes = n * 8;
    if (n > MESSAGE / 8 || !pt_mul_size(n, (size_t)c->size, &total)) return pt_fail(PT_EARG, "%s of %zu numbers", kind_name[kind], n);
    s->seq++;
    PT_RETURN(begin(c));
    PT_RETURN(pt_grow(&s->few, &s->few_cap, total, 8));
    char *all = s->few;
    if (bytes) memcpy(all + (size_t)c->rank * bytes, x, bytes);
    for (int r = 0; r < c->size; r++)
        if (r != c->rank) PT_RETURN(take(c, kind, r, all + (size_t)r * bytes, bytes));
    for (int r = 0; r < c->size; r++)
        if (r != c->rank) PT_RETURN(give(c, kind, r, all + (size_t)c->rank * bytes, bytes));
    return complete(c, kind);
}

static pt_status mpi_f64(pt_comm *c, double *x, size_t n)
{
    PT_RETURN(gather(c, NUMBERS, x, n));
    const double *all = ((mpi_state *)c->state)->few;
    for (size_t i = 0; i < n; i++) {
        x[i] = 0;
        for (size_t r = 0; r < (size_t)c->size; r++) x[i] += all[r * n + i];
    }
    return PT_OK;
}

static pt_status mpi_min(pt_comm *c, int64_t *x, size_t n)
{
    PT_RETURN(gather(c, MIN, x, n));
    const int64_t *all = ((mpi_state *)c->state)->few;
    for (size_t i = 0; i < n * (size_t)c->size; i++) x[i % n] = all[i] < x[i % n] ? all[i] : x[i % n];
    return PT_OK;
}
static pt_status mpi_max(pt_comm *c, int64_t *x, size_t n)
{
    PT_RETURN(gather(c, MAX, x, n));
    const int64_t *all = ((mpi_state *)c->state)->few;
    for (size_t i = 0; i < n * (size_t)c->size; i++) x[i % n] = all[i] > x[i % n] ? all[i] : x[i % n];
    return PT_OK;
}

static pt_status mpi_broadcast(pt_comm *c, void *data, size_t bytes, int root)
{
    mpi_state *s = c->state;
    char *p = data;
    if (root < 0 || root >= c->size) return pt_fail(PT_EARG, "rank %d does not exist: there are %d", root, c->size);
    while (bytes) {
        size_t n = bytes < MESSAGE ? bytes : MESSAGE;
        s->seq++;
        PT_RETURN(begin(c));
        if (c->rank != root) PT_RETURN(take(c, BROADCAST, root, p, n));
        for (int r = 0; c->rank == root && r < c->size; r++)
            if (r != root) PT_RETURN(give(c, BROADCAST, r, p, n));
        PT_RETURN(complete(c, BROADCAST));
        p += n;
        bytes -= n;
    }
    return PT_OK;
}
static pt_status mpi_barrier(pt_comm *c)
{
    return gather(c, BARRIER, NULL, 0);
}
static void mpi_abort(pt_comm *c, int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

static void mpi_close(pt_comm *c)
{
    mpi_state *s = c->state;
    if (s && s->failed) return; /* a rank that does not answer: MPI would wait for it here too */
    if (s) {
        free(s->mine);
        free(s->theirs);
        free(s->sum);
        free(s->few);
        free(s->requests);
        free(s->statuses);
        if (s->started) MPI_Finalize();
    }
    free(s);
    free(c);
}

/* Ranks on this machine, and how many of them may run on cores of ours. */
static pt_status find_neighbours(pt_comm *c)
{
    pt_status rc = PT_OK;
    MPI_Comm local = MPI_COMM_NULL;
    cpu_set_t mine, *all = NULL;
    CPU_ZERO(&mine);
    PT_TRY(checked(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &local),
                   "MPI_Comm_split_type"));
    MPI_Comm_rank(local, &c->local_rank);
    MPI_Comm_size(local, &c->local_size);
    if (sched_getaffinity(0, sizeof mine, &mine)) memset(&mine, 0xff, sizeof mine);
    PT_TRY(pt_alloc0(&all, c->local_size));
    PT_TRY(checked(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, local), "MPI_Allgather"));
    c->sharers = 0;
    for (int r = 0; r < c->local_size; r++) {
        cpu_set_t both;
        CPU_AND(&both, &mine, &all[r]);
        c->sharers += CPU_COUNT(&both) > 0;
    }
    if (c->sharers < 1) c->sharers = 1;
done:
    free(all);
    if (local != MPI_COMM_NULL) MPI_Comm_free(&local);
    return rc;
}

pt_status pt_comm_mpi(double wait_seconds, pt_comm **out)
{
    pt_status rc = PT_OK;
    pt_comm *c = NULL;
    mpi_state *s = NULL;
    int started = 0, level = 0;
    *out = NULL;
    PT_TRY(pt_alloc0(&c, 1));
    PT_TRY(pt_alloc0(&s, 1));
    *c = (pt_comm){.name = "mpi",
                   .state = s,
                   .allreduce_sum = mpi_sum,
                   .allreduce_f64 = mpi_f64,
                   .allreduce_min = mpi_min,
                   .allreduce_max = mpi_max,
                   .broadcast = mpi_broadcast,
                   .barrier = mpi_barrier,
                   .abort = mpi_abort,
                   .close = mpi_close,
                   .abort_exits = true};
    MPI_Initialized(&started);
    if (!started) {
        setenv("CUDA_MODULE_LOADING", "EAGER", 1); /* an MPI that knows CUDA starts it here (kernels/plugin.c says why) */
        PT_CHECK(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) == MPI_SUCCESS, PT_EIO, "MPI does not start");
        s->started = true;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
    PT_TRY(find_neighbours(c));
    s->patience = c->wait_seconds = wait_seconds;
    PT_TRY(pt_alloc0(&s->requests, 2 * (size_t)c->size));
    PT_TRY(pt_alloc0(&s->statuses, 2 * (size_t)c->size));
    s->piece = (CHUNK + (size_t)c->size - 1) / (size_t)c->size;
    s->chunk = s->piece * (size_t)c->size;
    PT_TRY(pt_alloc0(&s->mine, s->chunk));
    PT_TRY(pt_alloc0(&s->theirs, s->chunk));
    PT_TRY(pt_alloc0(&s->sum, s->piece));
    c->staging_bytes = (2 * s->chunk + s->piece) * sizeof(float);
    *out = c;
    c = NULL;
    s = NULL;
done:
    if (c)
        mpi_close(c);
    else
        free(s);
    return rc;
}

bool pt_comm_has_mpi(void)
{
    return true;
}
#else
pt_status pt_comm_mpi(double wait_seconds, pt_comm **out)
{
    *out = NULL;
    return pt_fail(PT_ENOSUP,
                   "this program was built without MPI: build it with `make ptrain WITH_MPI=1` (needs libopenmpi-dev)");
}

bool pt_comm_has_mpi(void)
{
    return false;
}
#endif
