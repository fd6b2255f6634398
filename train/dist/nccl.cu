/* The communicator over NCCL. See nccl.h. */
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern "C" {
#include "base/mem.h"
#include "train/dist/nccl.h"
}

/* ---- the library ------------------------------------------------------------------------------------------------------ */

#define NCCL_LIST(X)                                                                                                           \
    X(ncclGetUniqueId)                                                                                                         \
    X(ncclCommInitRankConfig)                                                                                                  \
    X(ncclCommFinalize)                                                                                                        \
    X(ncclCommDestroy)                                                                                                         \
    X(ncclCommAbort)                                                                                                           \
    X(ncclCommGetAsyncError)                                                                                                   \
    X(ncclGetErrorString)                                                                                                      \
    X(ncclGetLastError)                                                                                                        \
    X(ncclAllReduce)

#if NCCL_VERSION_CODE < NCCL_VERSION(2, 14, 0)
#error "NCCL 2.14 or newer is needed: communicators that do not block (CUDA 12 came with 2.16)"
#endif

/* The functions in use, with the prototypes of the header. */
static struct nccl_api {
#define FIELD(fn) decltype(&::fn) fn;
    NCCL_LIST(FIELD)
#undef FIELD
} api;

static pt_status load_library(void)
{
    if (api.ncclAllReduce) return PT_OK;
#ifdef CUDA_EMU /* the stand-in is part of the plugin */
#define FIELD(fn) api.fn = ::fn;
    NCCL_LIST(FIELD)
#undef FIELD
#else
    const char *lack = NULL;
    void *handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!handle) return pt_fail(PT_ENOSUP, "several GPUs need NCCL: %s (install libnccl2, or set LD_LIBRARY_PATH)", dlerror());
#define FIELD(fn)                                                                                                              \
    *(void **)&api.fn = dlsym(handle, #fn);                                                                                    \
    if (!api.fn) lack = #fn;
    NCCL_LIST(FIELD)
#undef FIELD
    if (lack) {
        api = {};
        dlclose(handle);
        return pt_fail(PT_ENOSUP, "libnccl.so.2 is too old: it has no %s", lack);
    }
#endif
    return PT_OK;
}

/* ---- state and failures ----------------------------------------------------------------------------------------------- */

typedef struct nccl_state {
    pt_comm *host;
    ncclComm_t comm; /* NULL once it was aborted */
    cudaStream_t stream;
    pt_buf one;              /* room for the first sum */
    cudaEvent_t ready, done; /* of the caller's stream before a sum; of ours after the last one */
    double patience;
    uint64_t started; /* sums */
    bool pending;     /* some of them were not seen to end */
    bool joined;      /* all ranks are in the communicator */
    pt_status failed;
    char why[512];
    char name[32];
} nccl_state;

static nccl_state *state_of(pt_comm *c)
{
    return static_cast<nccl_state *>(c->state);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void nap(long microseconds)
{
    struct timespec t = {0, microseconds * 1000};
    nanosleep(&t, NULL);
}

static pt_status cuda_ok(cudaError_t e, const char *call)
{
    if (e == cudaSuccess) return PT_OK;
    cudaGetLastError();
    return pt_fail(e == cudaErrorMemoryAllocation ? PT_ENOMEM : PT_EINTERNAL, "%s: %s", call, cudaGetErrorString(e));
}
#define CUDA_OK(call) cuda_ok(call, #call)

static pt_status nccl_ok(const nccl_state *s, ncclResult_t r, const char *call)
{
    if (r == ncclSuccess || r == ncclInProgress) return PT_OK;
    const char *more = api.ncclGetLastError(s->comm);
    bool said = more && more[0], shared = r == ncclInvalidUsage && !s->joined;
    return pt_fail(PT_EIO, "%s: %s%s%.300s%s%s", call, api.ncclGetErrorString(r), said ? " (" : "", said ? more : "",
                   said ? ")" : "", shared ? "; each process needs a GPU of its own" : "");
}

/* Ends NCCL's work on this rank: its kernels return, whatever the other ranks do. */
static void stop_nccl(nccl_state *s)
{
    if (s->comm) api.ncclCommAbort(s->comm);
    s->comm = NULL;
    s->pending = false;
}

/* A failure of a sum: the other ranks may know better what it was. Keeps the message for later calls. */
static pt_status give_up(pt_comm *c, pt_status rc)
{
    nccl_state *s = state_of(c);
    char own[sizeof s->why];
    if (s->failed != PT_OK) return pt_fail(s->failed, "%s", s->why);
    snprintf(own, sizeof own, "%.*s", (int)sizeof own - 1, pt_err_msg());
    snprintf(s->why, sizeof s->why, "%s", own);
    for (double end = seconds() + 2; s->host->check && seconds() < end; nap(10000))
        if (s->host->check(s->host) != PT_OK) {
            snprintf(s->why, sizeof s->why, "%.*s", (int)sizeof s->why - 1, pt_err_msg());
            break;
        }
    s->failed = rc;
    stop_nccl(s);
    return pt_fail(rc, "%s", s->why);
}

/* The communicator does not block: waits until NCCL has done what it was asked for (`what`, in which a rank may wait for the
 * others), and looks at everything that can go wrong meanwhile. */
static pt_status await_nccl(pt_comm *c, const char *what)
{
    nccl_state *s = state_of(c);
    double start = seconds();
    for (long pause = 20;; pause = pause < 1000 ? pause + pause / 4 : 1000) {
        ncclResult_t state = ncclSuccess;
        pt_status rc = nccl_ok(s, api.ncclCommGetAsyncError(s->comm, &state), "ncclCommGetAsyncError");
        if (rc == PT_OK && state != ncclInProgress) return nccl_ok(s, state, what);
        if (rc == PT_OK && s->host->check) rc = s->host->check(s->host);
        if (rc == PT_OK && seconds() - start > s->patience)
            rc = pt_fail(PT_EIO, "%s: it has not ended within %.0f s: a rank does not come", what, s->patience);
        if (rc != PT_OK) return rc;
        nap(pause);
    }
}

static pt_status usable(pt_comm *c)
{
    nccl_state *s = state_of(c);
    return s->failed == PT_OK ? PT_OK : pt_fail(s->failed, "%s", s->why);
}

/* ---- sums on the device ----------------------------------------------------------------------------------------------- */

static pt_status nccl_start(pt_comm *c, pt_view v, void *after)
{
    nccl_state *s = state_of(c);
    pt_status rc = usable(c);
    if (rc != PT_OK) return rc;
    if (v.type != PT_F32 || v.rows != 1 || v.cols < 0) return pt_fail(PT_ESHAPE, "allreduce_start takes a vector of f32");
    if (v.cols == 0) return PT_OK;
    unsigned char *p = v.buf->base + v.off;
    s->started++;
    s->pending = true;
    rc = CUDA_OK(cudaEventRecord(s->ready, static_cast<cudaStream_t>(after)));
    if (rc == PT_OK) rc = CUDA_OK(cudaStreamWaitEvent(s->stream, s->ready, 0));
    if (rc == PT_OK) {
        ncclResult_t r = api.ncclAllReduce(p, p, (size_t)v.cols, ncclFloat32, ncclSum, s->comm, s->stream);
        /* in progress: connections are still made, and the sum is not in the stream yet */
        rc = r == ncclInProgress ? await_nccl(c, "ncclAllReduce") : nccl_ok(s, r, "ncclAllReduce");
    }
    return rc == PT_OK ? rc : give_up(c, rc);
}

static pt_status nccl_wait(pt_comm *c, void *stream)
{
    nccl_state *s = state_of(c);
    pt_status rc = usable(c);
    if (rc == PT_OK) rc = CUDA_OK(cudaEventRecord(s->done, s->stream));
    if (rc == PT_OK) rc = CUDA_OK(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), s->done, 0));
    return rc;
}

static pt_status async_error(const nccl_state *s)
{
    ncclResult_t state = ncclSuccess;
    pt_status rc = nccl_ok(s, api.ncclCommGetAsyncError(s->comm, &state), "ncclCommGetAsyncError");
    return rc == PT_OK ? nccl_ok(s, state, "a sum over the GPUs (ncclAllReduce)") : rc;
}

/* One look at everything that can go wrong. */
static pt_status watch(pt_comm *c, double start)
{
    nccl_state *s = state_of(c);
    pt_status rc = async_error(s);
    if (rc == PT_OK && s->host->check) rc = s->host->check(s->host);
    if (rc == PT_OK && seconds() - start > s->patience)
        rc = pt_fail(PT_EIO, "sum %llu over the GPUs has not ended within %.0f s", (unsigned long long)s->started, s->patience);
    return rc;
}

static pt_status nccl_end(pt_comm *c)
{
    nccl_state *s = state_of(c);
    double start = seconds();
    pt_status rc = usable(c);
    if (rc != PT_OK || !s->pending) return rc;
    rc = CUDA_OK(cudaEventRecord(s->done, s->stream));
    for (long pause = 20; rc == PT_OK;) {
        cudaError_t e = cudaEventQuery(s->done);
        if (e == cudaErrorNotReady)
            cudaGetLastError(); /* no error, but remembered as one: others would find it */
        else {
            rc = cuda_ok(e, "cudaEventQuery (sum over the GPUs)");
            if (rc == PT_OK) rc = async_error(s); /* a sum that was broken off ends too */
            break;
        }
        rc = watch(c, start);
        nap(pause);
        pause = pause < 200 ? pause + pause / 4 : 200;
    }
    if (rc != PT_OK) return give_up(c, rc);
    s->pending = false;
    return PT_OK;
}

static pt_status nccl_sum(pt_comm *c, pt_view v, const pt_comm_io *)
{
    pt_status rc = usable(c);
    if (rc == PT_OK) rc = CUDA_OK(cudaDeviceSynchronize()); /* whatever stream made v */
    int64_t step = (int64_t)(c->bucket_bytes / 4);
    for (int64_t at = 0; at < v.cols && rc == PT_OK; at += step)
        rc = nccl_start(c, pt_view_cols(v, at, v.cols - at < step ? v.cols - at : step), state_of(c)->stream);
    return rc == PT_OK ? nccl_end(c) : rc;
}

/* ---- the rest is the host's ------------------------------------------------------------------------------------------- */

static pt_status nccl_f64(pt_comm *c, double *x, size_t n)
{
    pt_comm *h = state_of(c)->host;
    return h->allreduce_f64(h, x, n);
}
static pt_status nccl_min(pt_comm *c, int64_t *x, size_t n)
{
    pt_comm *h = state_of(c)->host;
    return h->allreduce_min(h, x, n);
}
static pt_status nccl_max(pt_comm *c, int64_t *x, size_t n)
{
    pt_comm *h = state_of(c)->host;
    return h->allreduce_max(h, x, n);
}
static pt_status nccl_broadcast(pt_comm *c, void *data, size_t bytes, int root)
{
    pt_comm *h = state_of(c)->host;
    return h->broadcast(h, data, bytes, root);
}
static pt_status nccl_barrier(pt_comm *c)
{
    pt_comm *h = state_of(c)->host;
    return h->barrier(h);
}
static pt_status nccl_check(pt_comm *c)
{
    nccl_state *s = state_of(c);
    pt_status rc = usable(c);
    return rc == PT_OK && s->host->check ? s->host->check(s->host) : rc;
}
static void nccl_abort(pt_comm *c, int code)
{
    nccl_state *s = state_of(c);
    stop_nccl(s);
    c->broken = true;
    s->host->abort(s->host, code);
}

/* In order: every rank is done. What goes wrong now harms nobody; the message of what the run ended with stays. */
static void leave_nccl(pt_comm *c)
{
    nccl_state *s = state_of(c);
    char said[sizeof s->why];
    snprintf(said, sizeof said, "%.*s", (int)sizeof said - 1, pt_err_msg());
    pt_status rc = nccl_ok(s, api.ncclCommFinalize(s->comm), "ncclCommFinalize");
    if (rc == PT_OK) rc = await_nccl(c, "ncclCommFinalize");
    if (rc != PT_OK) {
        pt_fail(rc, "%s", said);
        stop_nccl(s);
        return;
    }
    api.ncclCommDestroy(s->comm);
    s->comm = NULL;
}

static void nccl_close(pt_comm *c)
{
    nccl_state *s = state_of(c);
    if (s) {
        if (c->broken || s->failed != PT_OK || s->pending || !s->joined) stop_nccl(s);
        if (s->comm) leave_nccl(c);
        cudaFree(s->one.base);
        if (s->ready) cudaEventDestroy(s->ready);
        if (s->done) cudaEventDestroy(s->done);
        if (s->stream) cudaStreamDestroy(s->stream);
    }
    free(s);
    free(c);
}

/* ---- opening ----------------------------------------------------------------------------------------------------------- */

/* What can fail on one rank alone, before the ranks wait for each other inside NCCL. */
static pt_status open_own(nccl_state *s, ncclUniqueId *id)
{
    int least = 0, greatest = 0;
    PT_RETURN(load_library());
    PT_RETURN(CUDA_OK(cudaMalloc((void **)&s->one.base, 256)));
    s->one.bytes = 256;
    /* Before the compute stream's blocks that wait for a place: a sum that starts late on one GPU holds up all of them. */
    PT_RETURN(CUDA_OK(cudaDeviceGetStreamPriorityRange(&least, &greatest)));
    PT_RETURN(CUDA_OK(cudaStreamCreateWithPriority(&s->stream, cudaStreamNonBlocking, greatest)));
    PT_RETURN(CUDA_OK(cudaEventCreateWithFlags(&s->ready, cudaEventDisableTiming)));
    PT_RETURN(CUDA_OK(cudaEventCreateWithFlags(&s->done, cudaEventDisableTiming)));
    return s->host->rank == 0 ? nccl_ok(s, api.ncclGetUniqueId(id), "ncclGetUniqueId") : PT_OK;
}

/* Whether all ranks are as far; a rank that is not keeps its own message. */
static pt_status all_well(nccl_state *s, pt_status rc)
{
    char own[512];
    int64_t bad = rc == PT_OK ? s->host->size : s->host->rank;
    snprintf(own, sizeof own, "%.*s", (int)sizeof own - 1, pt_err_msg());
    PT_RETURN(s->host->allreduce_min(s->host, &bad, 1));
    if (bad == s->host->size) return PT_OK;
    PT_RETURN(s->host->broadcast(s->host, own, sizeof own, (int)bad));
    return pt_fail(rc == PT_OK ? PT_EIO : rc, "NCCL on rank %d: %s", (int)bad, own);
}

/* A first sum makes the connections, and shows that they work. A rank that fails here ends, which the others notice. */
static pt_status first_sum(pt_comm *c)
{
    nccl_state *s = state_of(c);
    float one = 1, sum = 0;
    pt_view v = {};
    v.buf = &s->one;
    v.type = PT_F32;
    v.rows = v.cols = v.ld = 1;
    PT_RETURN(CUDA_OK(cudaMemcpyAsync(s->one.base, &one, sizeof one, cudaMemcpyHostToDevice, s->stream)));
    PT_RETURN(nccl_start(c, v, s->stream));
    PT_RETURN(nccl_end(c));
    PT_RETURN(CUDA_OK(cudaMemcpyAsync(&sum, s->one.base, sizeof sum, cudaMemcpyDeviceToHost, s->stream)));
    PT_RETURN(CUDA_OK(cudaStreamSynchronize(s->stream)));
    return sum == (float)c->size ? PT_OK
                                 : pt_fail(PT_EIO, "a first sum of %d ones over the GPUs gave %g", c->size, (double)sum);
}

/* All ranks join. NCCL waits for them on a thread of its own, for as long as it takes; we watch it. */
static pt_status join_nccl(pt_comm *c, ncclUniqueId id)
{
    static const char *const what = "joining the GPUs (ncclCommInitRankConfig)";
    nccl_state *s = state_of(c);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    pt_status rc = nccl_ok(s, api.ncclCommInitRankConfig(&s->comm, c->size, id, c->rank, &config), what);
    if (rc == PT_OK) rc = await_nccl(c, what);
    if (rc != PT_OK) return give_up(c, rc);
    s->joined = true;
    return PT_OK;
}

static void fill(pt_comm *c, const pt_nccl_open_args *a, nccl_state *s)
{
    const pt_comm *h = a->host;
    snprintf(s->name, sizeof s->name, "nccl over %s", h->name);
    c->name = s->name;
    c->rank = h->rank;
    c->size = h->size;
    c->local_rank = h->local_rank;
    c->local_size = h->local_size;
    c->sharers = h->sharers;
    c->state = s;
    c->allreduce_sum = nccl_sum;
    c->allreduce_f64 = nccl_f64;
    c->allreduce_min = nccl_min;
    c->allreduce_max = nccl_max;
    c->broadcast = nccl_broadcast;
    c->barrier = nccl_barrier;
    c->abort = nccl_abort;
    c->close = nccl_close;
    c->allreduce_start = nccl_start;
    c->allreduce_wait = nccl_wait;
    c->allreduce_end = nccl_end;
    c->bucket_bytes = (a->bucket_bytes ? a->bucket_bytes : PT_BUCKET_BYTES) / 64 * 64;
    if (c->bucket_bytes == 0) c->bucket_bytes = 64;
    c->check = nccl_check;
    c->abort_exits = h->abort_exits;
}

extern "C" pt_status pt_nccl_open(const pt_nccl_open_args *a, pt_comm **out)
{
    pt_status rc = PT_OK;
    pt_comm *c = NULL;
    nccl_state *s = NULL;
    ncclUniqueId id;
    memset(&id, 0, sizeof id);
    *out = NULL;
    PT_CHECK(a->host && a->host->size > 1, PT_EARG, "NCCL sums over more than one process");
    PT_TRY(pt_alloc0(&c, 1));
    PT_TRY(pt_alloc0(&s, 1));
    fill(c, a, s);
    s->host = a->host;
    s->patience = a->wait_seconds > 0 ? a->wait_seconds : a->host->wait_seconds > 0 ? a->host->wait_seconds : 1800;
    c->wait_seconds = s->patience;
    PT_TRY(all_well(s, open_own(s, &id)));
    PT_TRY(s->host->broadcast(s->host, &id, sizeof id, 0));
    PT_TRY(join_nccl(c, id));
    PT_TRY(first_sum(c));
    PT_TRY(CUDA_OK(cudaFree(s->one.base))); /* all memory that stays is the plan's */
    s->one.base = NULL;
    PT_TRY(s->host->barrier(s->host));
    *out = c;
    c = NULL;
done:
    if (c) {
        c->broken = true;
        if (s)
            nccl_close(c);
        else
            free(c);
    }
    return rc;
}
