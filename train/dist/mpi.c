/* MPI over the host. The sum of a vector: chunks; in each chunk rank r collects the r-th piece of every rank (all-to-all), adds
 * the pieces in rank order in double, and all gather the results: 2 n numbers moved a rank, whatever the number of ranks, the
 * same bits everywhere. */
#include "train/dist/comm.h"

#if PT_WITH_MPI
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK (1u << 20) /* floats; rounded up to a multiple of the ranks */

typedef struct mpi_state {
    float *mine, *theirs, *sum; /* [chunk], [chunk], [piece] */
    size_t chunk, piece;
    bool started; /* we called MPI_Init, so we call MPI_Finalize */
} mpi_state;

static pt_status checked(int code, const char *what)
{
    if (code == MPI_SUCCESS) return PT_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(code, text, &n);
    return pt_fail(PT_EIO, "%s: %s", what, text);
}

static pt_status sum_chunk(pt_comm *c, size_t n)
{
    mpi_state *s = c->state;
    size_t piece = (n + (size_t)c->size - 1) / (size_t)c->size;
    memset(s->mine + n, 0, (piece * (size_t)c->size - n) * sizeof *s->mine);
    PT_RETURN(checked(MPI_Alltoall(s->mine, (int)piece, MPI_FLOAT, s->theirs, (int)piece, MPI_FLOAT, MPI_COMM_WORLD),
                      "MPI_Alltoall"));
    for (size_t i = 0; i < piece; i++) {
        double sum = 0;
        for (size_t r = 0; r < (size_t)c->size; r++) sum += s->theirs[r * piece + i];
        s->sum[i] = (float)sum;
    }
    return checked(MPI_Allgather(s->sum, (int)piece, MPI_FLOAT, s->mine, (int)piece, MPI_FLOAT, MPI_COMM_WORLD),
                   "MPI_Allgather");
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

/* Few numbers: gather all, add in rank order. */
static pt_status mpi_f64(pt_comm *c, double *x, size_t n)
{
    pt_status rc = PT_OK;
    double *all = NULL;
    size_t total;
    PT_CHECK(n <= INT_MAX && pt_mul_size(n, (size_t)c->size, &total), PT_EARG, "allreduce_f64 of %zu numbers", n);
    PT_TRY(pt_alloc0(&all, total));
    PT_TRY(checked(MPI_Allgather(x, (int)n, MPI_DOUBLE, all, (int)n, MPI_DOUBLE, MPI_COMM_WORLD), "MPI_Allgather"));
    for (size_t i = 0; i < n; i++) {
        x[i] = 0;
        for (size_t r = 0; r < (size_t)c->size; r++) x[i] += all[r * n + i];
    }
done:
    free(all);
    return rc;
}

static pt_status reduce_i64(int64_t *x, size_t n, MPI_Op op)
{
    if (n > INT_MAX) return pt_fail(PT_EARG, "allreduce of %zu numbers", n);
    return checked(MPI_Allreduce(MPI_IN_PLACE, x, (int)n, MPI_INT64_T, op, MPI_COMM_WORLD), "MPI_Allreduce");
}
static pt_status mpi_min(pt_comm *c, int64_t *x, size_t n)
{
    return reduce_i64(x, n, MPI_MIN);
}
static pt_status mpi_max(pt_comm *c, int64_t *x, size_t n)
{
    return reduce_i64(x, n, MPI_MAX);
}

static pt_status mpi_broadcast(pt_comm *c, void *data, size_t bytes, int root)
{
    char *p = data;
    while (bytes) {
        size_t n = bytes < (1u << 30) ? bytes : (1u << 30);
        PT_RETURN(checked(MPI_Bcast(p, (int)n, MPI_BYTE, root, MPI_COMM_WORLD), "MPI_Bcast"));
        p += n;
        bytes -= n;
    }
    return PT_OK;
}
static pt_status mpi_barrier(pt_comm *c)
{
    return checked(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier");
}
static void mpi_abort(pt_comm *c, int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

static void mpi_close(pt_comm *c)
{
    mpi_state *s = c->state;
    if (s) {
        free(s->mine);
        free(s->theirs);
        free(s->sum);
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

pt_status pt_comm_mpi(pt_comm **out)
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
        PT_CHECK(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) == MPI_SUCCESS, PT_EIO, "MPI does not start");
        s->started = true;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
    PT_TRY(find_neighbours(c));
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
pt_status pt_comm_mpi(pt_comm **out)
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
