/* NCCL over POSIX shared memory: ranks are processes. Before data moves, the ranks compare what they were asked to do: a
 * difference, which the library would answer by hanging, ends the process with 99, and so does a rank that does not come within
 * 30 s (EMU_NCCL_WAIT). Sums run in rank order in double. A rank that aborts or dies is ncclRemoteError to the others.
 * A communicator that does not block (ncclCommInitRankConfig): joining, finalizing and every third collective are in progress
 * until ncclCommGetAsyncError was asked and says otherwise; another call before that ends the process. As in the library a rank
 * that never joins, or died before, is not noticed: the others stay in progress. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <atomic>
#include <functional>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "emu_rt.h"
#include "nccl.h"

namespace {
enum { RANKS = 16, CHUNK = 1 << 18 };
struct call { uint64_t seq; uint64_t count; int what, type, op, root; };
struct board { /* in shared memory; a new file is all zero */
    std::atomic<int> ranks, joined, aborted;
    std::atomic<uint64_t> at[RANKS]; /* barriers passed by each rank */
    std::atomic<int> pid[RANKS];
    call asked[RANKS];
    alignas(64) unsigned char data[RANKS][CHUNK];
};
const char *const whats[] = {"all-reduce", "broadcast", "reduce", "all-gather", "reduce-scatter"};
enum { ALL_REDUCE, BROADCAST, REDUCE, ALL_GATHER, REDUCE_SCATTER };

double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
double patience(void)
{
    const char *v = getenv("EMU_NCCL_WAIT");
    return v && *v ? strtod(v, NULL) : 30;
}
size_t type_bytes(int t)
{
    static const size_t n[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
    return t >= 0 && t < 10 ? n[t] : 0;
}
}

struct ncclComm {
    board *b;
    int rank, n;
    uint64_t seq, barrier;
    ncclResult_t async;
    char name[NCCL_UNIQUE_ID_BYTES];
    bool blocks;
    uint64_t waits_for;                   /* a barrier that this rank has reached, and others perhaps not; 0 = none */
    std::function<ncclResult_t()> issue;  /* a collective that is not in its stream yet */
};

/* A call on a communicator that has not finished the last one. */
static void need_idle(const ncclComm *c, const char *call)
{
    if (c->waits_for || c->issue)
        emu_die(99, "%s while the communicator's last call is in progress (ncclCommGetAsyncError)", call);
}
static bool arrived(const ncclComm *c, uint64_t goal)
{
    for (int r = 0; r < c->n; r++)
        if (c->b->at[r].load() < goal) return false;
    return true;
}

/* All ranks meet. False: one aborted or died. */
static bool meet(ncclComm *c, const char *what)
{
    board *b = c->b;
    uint64_t goal = ++c->barrier;
    b->at[c->rank].store(goal);
    double start = seconds();
    for (long spin = 0;; spin++) {
        int behind = -1;
        for (int r = 0; r < c->n; r++)
            if (b->at[r].load() < goal) behind = r;
        if (behind < 0) return true;
        if (b->aborted.load()) return false;
        if (spin > 2000) {
            int pid = b->pid[behind].load();
            if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) return false;
            if (seconds() - start > patience())
                emu_die(99, "rank %d waits in %s (collective %llu): rank %d does not come", c->rank, what,
                        (unsigned long long)c->seq, behind);
            usleep(50);
        }
    }
}

static double get(const unsigned char *p, int type, size_t i)
{
    switch (type) {
    case ncclInt8: return ((const int8_t *)p)[i];
    case ncclUint8: return p[i];
    case ncclInt32: return ((const int32_t *)p)[i];
    case ncclUint32: return ((const uint32_t *)p)[i];
    case ncclFloat32: return ((const float *)p)[i];
    case ncclFloat64: return ((const double *)p)[i];
    case ncclFloat16: return __half2float(__ushort_as_half(((const unsigned short *)p)[i]));
    default: return __bfloat162float(((const __nv_bfloat16 *)p)[i]);
    }
}
static void put(unsigned char *p, int type, size_t i, double v)
{
    switch (type) {
    case ncclInt8: ((int8_t *)p)[i] = (int8_t)v; break;
    case ncclUint8: p[i] = (uint8_t)v; break;
    case ncclInt32: ((int32_t *)p)[i] = (int32_t)v; break;
    case ncclUint32: ((uint32_t *)p)[i] = (uint32_t)v; break;
    case ncclFloat32: ((float *)p)[i] = (float)v; break;
    case ncclFloat64: ((double *)p)[i] = v; break;
    default: ((__nv_bfloat16 *)p)[i] = __float2bfloat16((float)v);
    }
}
template <typename T> static void reduce_int(T *out, board *b, int n, int op, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        T acc = ((const T *)b->data[0])[i];
        for (int r = 1; r < n; r++) {
            T v = ((const T *)b->data[r])[i];
            acc = op == ncclMax    ? (v > acc ? v : acc)
                  : op == ncclMin  ? (v < acc ? v : acc)
                  : op == ncclProd ? (T)(acc * v)
                                   : (T)(acc + v);
        }
        out[i] = acc;
    }
}
static void reduce_chunk(unsigned char *out, board *b, int n, int type, int op, size_t count)
{
    if (type == ncclInt64 || type == ncclUint64) { /* beyond a double's 53 bits */
        if (type == ncclInt64) reduce_int((int64_t *)(void *)out, b, n, op, count);
        else reduce_int((uint64_t *)(void *)out, b, n, op, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double acc = get(b->data[0], type, i);
        for (int r = 1; r < n; r++) {
            double v = get(b->data[r], type, i);
            acc = op == ncclMax    ? (v > acc ? v : acc)
                  : op == ncclMin  ? (v < acc ? v : acc)
                  : op == ncclProd ? acc * v
                                   : acc + v;
        }
        put(out, type, i, op == ncclAvg ? acc / n : acc);
    }
}

static bool compare(ncclComm *c, const call &mine)
{
    memset(&c->b->asked[c->rank], 0, sizeof(call));
    c->b->asked[c->rank] = mine;
    if (!meet(c, whats[mine.what])) return false;
    for (int r = 0; r < c->n; r++) {
        const call &o = c->b->asked[r];
        if (o.what != mine.what || o.count != mine.count || o.type != mine.type || o.op != mine.op || o.root != mine.root ||
            o.seq != mine.seq)
            emu_die(99,
                    "collectives differ: rank %d asks for %s %llu of %llu elements of type %d (op %d, root %d), rank %d for %s "
                    "%llu of %llu of "
                    "type %d (op %d, root %d)",
                    c->rank, whats[mine.what], (unsigned long long)mine.seq, (unsigned long long)mine.count, mine.type, mine.op,
                    mine.root, r, whats[o.what], (unsigned long long)o.seq, (unsigned long long)o.count, o.type, o.op, o.root);
    }
    return meet(c, whats[mine.what]);
}

/* The data of one collective, chunk by chunk through the board. count: elements a rank sends (all-gather, broadcast,
 * reductions), or gets (reduce-scatter). */
static bool transfer(ncclComm *c, const call &k, const unsigned char *send, unsigned char *recv)
{
    size_t es = type_bytes(k.type), step = CHUNK / es, parts = k.what == REDUCE_SCATTER ? (size_t)c->n : 1;
    for (size_t part = 0; part < parts; part++)
        for (size_t at = 0; at < k.count; at += step) {
            size_t n = k.count - at < step ? k.count - at : step, from = (part * k.count + at) * es;
            if (k.what != BROADCAST || c->rank == k.root) memcpy(c->b->data[c->rank], send + from, n * es);
            if (!meet(c, whats[k.what])) return false;
            unsigned char *out = recv + at * es;
            if (k.what == BROADCAST) memcpy(out, c->b->data[k.root], n * es);
            if (k.what == ALL_GATHER)
                for (int r = 0; r < c->n; r++) memcpy(recv + ((size_t)r * k.count + at) * es, c->b->data[r], n * es);
            if (k.what == ALL_REDUCE || (k.what == REDUCE && c->rank == k.root) ||
                (k.what == REDUCE_SCATTER && (int)part == c->rank))
                reduce_chunk(out, c->b, c->n, k.type, k.op, n);
            if (!meet(c, whats[k.what])) return false;
        }
    return true;
}

int emu_collective_priority;

static ncclResult_t collective(int what, const void *send, void *recv, size_t count, int type, int op, int root, ncclComm_t c,
                               cudaStream_t s)
{
    emu_inside in;
    if (!c || !type_bytes(type) || op < 0 || op > 4 || root < 0 || root >= c->n) return ncclInvalidArgument;
    if (c->async != ncclSuccess) return c->async;
    need_idle(c, whats[what]);
    cudaStreamGetPriority(s, &emu_collective_priority);
    size_t es = type_bytes(type), in_n = what == REDUCE_SCATTER ? count * (size_t)c->n : count,
           out_n = what == ALL_GATHER ? count * (size_t)c->n : count;
    bool sends = what != BROADCAST || c->rank == root, gets = what != REDUCE || c->rank == root;
    if (sends && count) emu_need_dev("NCCL (send)", send, in_n * es);
    if (gets && count) emu_need_dev("NCCL (receive)", recv, out_n * es);
    call k = {++c->seq, count, what, type, op, root};
    auto run = [=]() {
        if (c->async != ncclSuccess) return;
        if (sends) emu_shadow_range(send, in_n * es, EMU_READ, whats[what]);
        if (!compare(c, k) || !transfer(c, k, (const unsigned char *)send, (unsigned char *)recv)) {
            c->async = ncclRemoteError;
            if (gets && count) memset(recv, 0xff, out_n * es);
        }
        if (gets) emu_shadow_range(recv, out_n * es, EMU_WRITE, whats[what]);
    };
    auto issue = [=]() { return emu_enqueue(s, whats[what], run) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError; };
    if (c->blocks || c->seq % 3 != 1) return issue();
    c->issue = issue;
    return ncclInProgress;
}

extern "C" {
ncclResult_t ncclGetVersion(int *v)
{
    *v = NCCL_MAJOR * 10000 + NCCL_MINOR * 100;
    return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "/ptrain-emu-%ld-%.0f", (long)getpid(), seconds() * 1e6);
    return ncclSuccess;
}

static ncclResult_t join(ncclComm_t *out, int n, ncclUniqueId id, int rank, bool blocks)
{
    emu_init();
    *out = NULL;
    if (n < 1 || n > RANKS || rank < 0 || rank >= n || id.internal[0] != '/' || !memchr(id.internal, 0, sizeof id.internal))
        return ncclInvalidArgument;
    int fd = shm_open(id.internal, O_CREAT | O_RDWR, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(board)) != 0) return ncclSystemError;
    void *p = mmap(NULL, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED) return ncclSystemError;
    ncclComm *c = new ncclComm{(board *)p, rank, n, 0, 0, ncclSuccess, {0}, blocks, 0, nullptr};
    memcpy(c->name, id.internal, sizeof c->name);
    int zero = 0;
    if (!c->b->ranks.compare_exchange_strong(zero, n) && zero != n)
        emu_die(99, "rank %d makes a group of %d, another rank one of %d", rank, n, zero);
    if (c->b->pid[rank].exchange((int)getpid()) != 0) emu_die(99, "two processes are rank %d", rank);
    if (!blocks) {
        c->waits_for = ++c->barrier;
        c->b->at[rank].store(c->waits_for);
        *out = c;
        return ncclInProgress;
    }
    bool all = meet(c, "ncclCommInitRank");
    if (rank == 0) shm_unlink(c->name); /* everyone has it open, or never will */
    if (!all) {
        delete c;
        return ncclRemoteError;
    }
    *out = c;
    return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t *out, int n, ncclUniqueId id, int rank)
{
    return join(out, n, id, rank, true);
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int n, ncclUniqueId id, int rank, ncclConfig_t *config)
{
    if (config->magic != 0xcafebeef || config->size != sizeof *config) return ncclInvalidArgument;
    return join(out, n, id, rank, config->blocking != 0);
}

static ncclResult_t close_comm(ncclComm_t c)
{
    if (!c->blocks) shm_unlink(c->name); /* of a group that never was whole */
    munmap(c->b, sizeof(board));
    delete c;
    return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t c)
{
    emu_inside in;
    need_idle(c, "ncclCommFinalize");
    emu_drain_all();
    if (c->async != ncclSuccess || c->blocks) return c->async;
    c->waits_for = ++c->barrier;
    c->b->at[c->rank].store(c->waits_for);
    return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t c)
{
    emu_inside in;
    need_idle(c, "ncclCommDestroy");
    emu_drain_all();
    if (!c->blocks) return close_comm(c); /* was finalized */
    if (c->async == ncclSuccess && !meet(c, "ncclCommDestroy")) return close_comm(c);
    return close_comm(c);
}
ncclResult_t ncclCommAbort(ncclComm_t c)
{
    emu_inside in;
    c->b->aborted.store(1);
    c->issue = nullptr;
    c->async = ncclRemoteError; /* operations still queued end at once */
    emu_drain_all();
    return close_comm(c);
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *e)
{
    if (c->async == ncclSuccess && c->b->aborted.load()) c->async = ncclRemoteError;
    *e = c->async;
    if (c->async != ncclSuccess) return ncclSuccess;
    if (c->issue) { /* seen once in progress */
        std::function<ncclResult_t()> issue;
        issue.swap(c->issue);
        c->async = issue();
        *e = ncclInProgress;
    } else if (c->waits_for && !arrived(c, c->waits_for)) {
        *e = ncclInProgress;
    } else if (c->waits_for) {
        if (c->waits_for == 1 && c->rank == 0) shm_unlink(c->name); /* all have it open */
        c->waits_for = 0;
    }
    return ncclSuccess;
}
ncclResult_t ncclCommCount(const ncclComm_t c, int *n)
{
    *n = c->n;
    return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t c, int *r)
{
    *r = c->rank;
    return ncclSuccess;
}
const char *ncclGetErrorString(ncclResult_t r)
{
    static const char *const text[] = {"no error",
                                       "unhandled cuda error",
                                       "unhandled system error",
                                       "internal error",
                                       "invalid argument",
                                       "invalid usage",
                                       "remote process exited or there was a network error",
                                       "NCCL operation in progress"};
    return r >= 0 && r < 8 ? text[r] : "unknown result code";
}
const char *ncclGetLastError(ncclComm_t) { return ""; }
static int groups;
ncclResult_t ncclGroupStart(void)
{
    groups++;
    return ncclSuccess;
}
ncclResult_t ncclGroupEnd(void)
{
    if (groups == 0) return ncclInvalidUsage;
    groups--;
    return ncclSuccess;
}
ncclResult_t ncclAllReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c,
                           cudaStream_t s)
{
    return collective(ALL_REDUCE, send, recv, count, type, op, 0, c, s);
}
ncclResult_t ncclBroadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root, ncclComm_t c,
                           cudaStream_t s)
{
    return collective(BROADCAST, send, recv, count, type, 0, root, c, s);
}
ncclResult_t ncclReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root, ncclComm_t c,
                        cudaStream_t s)
{
    return collective(REDUCE, send, recv, count, type, op, root, c, s);
}
ncclResult_t ncclAllGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t c, cudaStream_t s)
{
    return collective(ALL_GATHER, send, recv, count, type, 0, 0, c, s);
}
ncclResult_t ncclReduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c,
                               cudaStream_t s)
{
    return collective(REDUCE_SCATTER, send, recv, count, type, op, 0, c, s);
}
}
