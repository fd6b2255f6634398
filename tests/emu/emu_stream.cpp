/* Streams, events, copies and launches. Each operation knows what it must follow: its stream, awaited events, the legacy
 * default stream. Eager: it runs when it is issued. Lazy: it runs when the host waits for it, streams taking turns at random,
 * as late as allowed. Either way the operation carries a vector clock over streams, so that the shadow memory sees accesses
 * that no stream order or event separates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <deque>
#include <memory>
#include <set>

#include "emu_rt.h"
#include "emu_counters.h"

bool emu_is_pinned(const void *p);

namespace {
typedef std::vector<uint64_t> clocks;
void join(clocks &a, const clocks &b)
{
    if (a.size() < b.size()) a.resize(b.size());
    for (size_t i = 0; i < b.size(); i++)
        if (a[i] < b[i]) a[i] = b[i];
}
struct op {
    const char *what;
    std::function<void()> fn;
    std::vector<std::shared_ptr<op>> after;
    clocks sees; /* operations of each stream that come before it, itself included */
    int stream;
    uint64_t seq;
    bool done;
};
typedef std::shared_ptr<op> op_ref;
}

struct CUstream_st {
    int index;
    bool legacy, blocking;
    std::deque<op_ref> queue;
    op_ref last;
    std::vector<op_ref> waits; /* events that the next operation awaits */
    uint64_t seq;
    int priority; /* kept and told, no more */
};
struct CUevent_st {
    op_ref at; /* NULL = never recorded */
    double when;
};

static std::vector<cudaStream_t> &streams = *new std::vector<cudaStream_t>; /* lives as long as the process; [0] is the legacy
                                                                               default stream; destroyed ones are NULL */
static std::set<cudaEvent_t> &events = *new std::set<cudaEvent_t>;
static clocks host_sees;
static op *running;
static cudaError_t last_error, sticky;
static unsigned long n_launches;

static cudaStream_t stream_of(cudaStream_t s)
{
    if (streams.empty()) streams.push_back(new CUstream_st{0, true, true, {}, nullptr, {}, 0, 0});
    if (s == NULL || s == cudaStreamLegacy) return streams[0];
    for (cudaStream_t t : streams)
        if (t == s) return s;
    emu_die(97, "%p is no stream (destroyed?)", (void *)s);
}

static void run(op *o)
{
    op *before = running;
    const char *name = emu_op_name;
    running = o;
    emu_op_name = o->what;
    if (o->fn) {
        emu_shadow_op(o->stream, o->seq, o->sees);
        o->fn();
    }
    o->fn = nullptr;
    o->after.clear();
    o->done = true;
    running = before;
    emu_op_name = name;
}

int emu_op_stream(void) { return running ? running->stream : 0; }

static bool may_run(cudaStream_t s)
{
    if (!s || s->queue.empty()) return false;
    for (const op_ref &d : s->queue.front()->after)
        if (!d->done) return false;
    return true;
}

/* Runs the next operation of a stream taken at random. */
static void run_one(void)
{
    std::vector<cudaStream_t> can;
    for (cudaStream_t s : streams)
        if (may_run(s)) can.push_back(s);
    if (can.empty()) emu_die(98, "streams wait for each other");
    cudaStream_t s = can[emu_random() % can.size()];
    op_ref o = s->queue.front();
    s->queue.pop_front();
    run(o.get());
}

static void run_until(const op_ref &until)
{
    while (!until->done) run_one();
}

static void host_waits(const op_ref &o)
{
    if (!o) return;
    run_until(o);
    join(host_sees, o->sees);
    for (cudaStream_t s : streams)
        if (s && !s->queue.empty()) return; /* issued before this wait: what the host knows now is no news to them */
    emu_shadow_host_sees(host_sees);
}

void emu_drain_all(void)
{
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] && streams[i]->last) host_waits(streams[i]->last);
}

static op_ref add_op(cudaStream_t s, const char *what, std::function<void()> fn)
{
    op_ref o = std::make_shared<op>();
    o->what = what;
    o->fn = std::move(fn);
    o->stream = s->index;
    o->seq = ++s->seq;
    o->done = false;
    if (s->last) o->after.push_back(s->last);
    for (op_ref &w : s->waits) o->after.push_back(w);
    s->waits.clear();
    if (s->legacy) {
        for (cudaStream_t t : streams)
            if (t && t != s && t->blocking && t->last) o->after.push_back(t->last);
    } else if (s->blocking && streams[0]->last) {
        o->after.push_back(streams[0]->last);
    }
    o->sees = host_sees;
    for (const op_ref &d : o->after) join(o->sees, d->sees);
    if (o->sees.size() <= (size_t)s->index) o->sees.resize((size_t)s->index + 1);
    o->sees[(size_t)s->index] = o->seq;
    s->last = o;
    s->queue.push_back(o);
    if (!emu_set.lazy) run_until(o);
    return o;
}

cudaError_t emu_enqueue(cudaStream_t s, const char *what, std::function<void()> fn)
{
    emu_inside in;
    if (sticky != cudaSuccess) return sticky;
    add_op(stream_of(s), what, std::move(fn));
    return cudaSuccess;
}

cudaError_t emu_set_error(cudaError_t e)
{
    if (e != cudaSuccess) last_error = e;
    return e;
}

/* ---- launches ---- */
static size_t optin(void) { return (emu_set.arch == 90 ? 227 : emu_set.arch == 80 ? 163 : 99) * (size_t)1024; }
static std::vector<std::pair<const void *, int>> opted; /* kernels, and the dynamic shared memory that they asked for */

static cudaError_t check_launch(const void *kernel, dim3 g, dim3 b, size_t smem, bool *asked)
{
    uint64_t threads = (uint64_t)b.x * b.y * b.z;
    if (!g.x || !g.y || !g.z || !threads || threads > 1024 || b.z > 64 || g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535)
        return cudaErrorInvalidConfiguration;
    size_t allowed = 48 * 1024;
    *asked = false;
    for (auto &o : opted)
        if (o.first == kernel) allowed = (size_t)o.second, *asked = true;
    return smem > allowed ? cudaErrorInvalidValue : cudaSuccess;
}

cudaError_t emu_launch(const char *text, const void *kernel, dim3 grid, dim3 block, size_t smem, cudaStream_t s,
                       void (*call)(const void *), const void *args, size_t bytes)
{
    emu_inside in;
    if (sticky != cudaSuccess) return sticky;
    bool asked = false;
    cudaError_t e = check_launch(kernel, grid, block, smem, &asked);
    if (e != cudaSuccess) return emu_set_error(e);
    int n = 0, depth = 0;
    for (; text[n] && (text[n] != ',' || depth); n++)
        depth += (text[n] == '<' || text[n] == '(') - (text[n] == '>' || text[n] == ')');
    emu_launch_info k = {std::string(text, (size_t)n), grid, block, smem, asked, ++n_launches, kernel, call,
                         std::vector<char>((const char *)args, (const char *)args + bytes)};
    bool fails = emu_set.fail_launch > 0 && --emu_set.fail_launch == 0;
    add_op(stream_of(s), "kernel", [k, fails]() mutable {
        if (fails) sticky = last_error = cudaErrorLaunchFailure;
        else emu_run_kernel(&k);
    });
    return emu_set.lazy ? cudaSuccess : sticky;
}

/* ---- copies ---- */
static void copy_rows(char *d, size_t dp, const char *s, size_t sp, size_t w, size_t h, bool to_dev, bool from_dev,
                      const char *what)
{
    for (size_t r = 0; r < h; r++) {
        if (from_dev) emu_shadow_copy(to_dev ? d + r * dp : NULL, s + r * sp, w, what);
        else if (to_dev) emu_shadow_range(d + r * dp, w, EMU_WRITE, what);
        memmove(d + r * dp, s + r * sp, w);
    }
}

static cudaError_t copy2d(void *dst, size_t dp, const void *src, size_t sp, size_t w, size_t h, cudaMemcpyKind kind,
                          cudaStream_t st, bool wait)
{
    emu_inside in;
    if (sticky != cudaSuccess) return sticky;
    if (w == 0 || h == 0) return cudaSuccess;
    if (h > 1 && (dp < w || sp < w)) return emu_set_error(cudaErrorInvalidValue);
    bool to_dev = emu_is_dev(dst), from_dev = emu_is_dev(src);
    static const int wants[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    if (kind < 0 || kind > 4) return emu_set_error(cudaErrorInvalidMemcpyDirection);
    if (kind != cudaMemcpyDefault && (wants[kind][0] != to_dev || wants[kind][1] != from_dev))
        emu_die(97, "cudaMemcpy: the direction (%d) does not fit the addresses (to %s, from %s)", (int)kind,
                to_dev ? "device" : "host", from_dev ? "device" : "host");
    size_t dspan = (h - 1) * dp + w, sspan = (h - 1) * sp + w;
    if (to_dev) emu_need_dev("cudaMemcpy (destination)", dst, dspan);
    if (from_dev) emu_need_dev("cudaMemcpy (source)", src, sspan);
    const char *what = to_dev ? from_dev ? "copy device to device" : "copy to device" : "copy to host";
    cudaStream_t s = stream_of(st);
    char *d = (char *)dst;
    const char *from = (const char *)src;
    op_ref o;
    if (to_dev && !from_dev && !emu_is_pinned(src)) { /* pageable: read at once, as the driver's staging does */
        std::shared_ptr<std::vector<char>> held = std::make_shared<std::vector<char>>(w * h);
        for (size_t r = 0; r < h; r++) memcpy(held->data() + r * w, from + r * sp, w);
        o = add_op(s, what, [=]() { copy_rows(d, dp, held->data(), w, w, h, to_dev, from_dev, what); });
    } else {
        if (!to_dev && emu_set.lazy)
            for (size_t r = 0; r < h; r++) memset(d + r * dp, 0xff, w); /* not there yet */
        o = add_op(s, what, [=]() { copy_rows(d, dp, from, sp, w, h, to_dev, from_dev, what); });
        if (!to_dev && !emu_is_pinned(dst)) wait = true;
    }
    if (wait) {
        emu_count_host_sync();
        host_waits(o);
    }
    return sticky;
}

static cudaError_t set2d(void *p, size_t pitch, int value, size_t w, size_t h, cudaStream_t st)
{
    emu_inside in;
    if (sticky != cudaSuccess) return sticky;
    if (w == 0 || h == 0) return cudaSuccess;
    emu_need_dev("cudaMemset", p, (h - 1) * pitch + w);
    char *d = (char *)p;
    add_op(stream_of(st), "memset", [=]() {
        for (size_t r = 0; r < h; r++) {
            emu_shadow_range(d + r * pitch, w, EMU_WRITE, "memset");
            memset(d + r * pitch, value, w);
        }
    });
    return cudaSuccess;
}

extern "C" {
cudaError_t cudaMemcpy(void *dst, const void *src, size_t n, enum cudaMemcpyKind kind)
{
    return copy2d(dst, n, src, n, n, 1, kind, NULL, true);
}
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t n, enum cudaMemcpyKind kind, cudaStream_t s)
{
    return copy2d(dst, n, src, n, n, 1, kind, s, false);
}
cudaError_t cudaMemcpy2DAsync(void *dst, size_t dpitch, const void *src, size_t spitch, size_t width, size_t height,
                              enum cudaMemcpyKind kind, cudaStream_t s)
{
    return copy2d(dst, dpitch, src, spitch, width, height, kind, s, false);
}
cudaError_t cudaMemset(void *p, int value, size_t n) { return set2d(p, n, value, n, 1, NULL); }
cudaError_t cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t s) { return set2d(p, n, value, n, 1, s); }
cudaError_t cudaMemset2DAsync(void *p, size_t pitch, int value, size_t width, size_t height, cudaStream_t s)
{
    return set2d(p, pitch, value, width, height, s);
}

/* ---- streams ---- */
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned int flags)
{
    emu_init();
    stream_of(NULL);
    *s = new CUstream_st{(int)streams.size(), false, flags != cudaStreamNonBlocking, {}, nullptr, {}, 0, 0};
    streams.push_back(*s);
    return cudaSuccess;
}
enum { GREATEST_PRIORITY = -5 };
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = GREATEST_PRIORITY;
    return cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t s, int *priority)
{
    *priority = stream_of(s)->priority;
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *s) { return cudaStreamCreateWithFlags(s, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned int flags, int priority)
{
    cudaError_t e = cudaStreamCreateWithFlags(s, flags);
    if (e == cudaSuccess) (*s)->priority = priority > 0 ? 0 : priority < GREATEST_PRIORITY ? (int)GREATEST_PRIORITY : priority;
    return e;
}

cudaError_t cudaStreamSynchronize(cudaStream_t st)
{
    emu_inside in;
    emu_count_host_sync();
    cudaStream_t s = stream_of(st);
    host_waits(s->last);
    for (op_ref &w : s->waits) host_waits(w);
    return sticky;
}

cudaError_t cudaStreamDestroy(cudaStream_t st)
{
    emu_inside in;
    cudaStream_t s = stream_of(st);
    if (s->legacy) return emu_set_error(cudaErrorInvalidResourceHandle);
    if (s->last) run_until(s->last);
    streams[(size_t)s->index] = NULL;
    delete s;
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t st)
{
    emu_inside in;
    cudaStream_t s = stream_of(st);
    if (sticky != cudaSuccess) return sticky;
    if (s->last && !s->last->done) {
        run_one(); /* so that polling ends */
        return emu_set_error(cudaErrorNotReady);
    }
    if (s->last) host_waits(s->last);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
    emu_inside in;
    emu_count_host_sync();
    emu_drain_all();
    return sticky;
}

/* ---- events ---- */
static cudaEvent_t event_of(cudaEvent_t e)
{
    if (!events.count(e)) emu_die(97, "%p is no event (destroyed?)", (void *)e);
    return e;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned int)
{
    emu_init();
    *e = new CUevent_st{nullptr, 0};
    events.insert(*e);
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *e) { return cudaEventCreateWithFlags(e, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    events.erase(event_of(e));
    delete e;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t ev, cudaStream_t s)
{
    emu_inside in;
    cudaEvent_t e = event_of(ev);
    e->at = add_op(stream_of(s), "event", nullptr);
    return sticky;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t st, cudaEvent_t ev, unsigned int)
{
    emu_inside in;
    cudaEvent_t e = event_of(ev);
    if (e->at) stream_of(st)->waits.push_back(e->at);
    return sticky;
}
cudaError_t cudaEventSynchronize(cudaEvent_t ev)
{
    emu_inside in;
    emu_count_host_sync();
    host_waits(event_of(ev)->at);
    return sticky;
}
cudaError_t cudaEventQuery(cudaEvent_t ev)
{
    emu_inside in;
    cudaEvent_t e = event_of(ev);
    if (sticky != cudaSuccess) return sticky;
    if (e->at && !e->at->done) {
        run_one();
        return emu_set_error(cudaErrorNotReady); /* as the runtime does: cudaGetLastError finds it */
    }
    if (e->at) host_waits(e->at);
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b)
{
    if (!event_of(a)->at || !event_of(b)->at) return emu_set_error(cudaErrorInvalidResourceHandle);
    if (!a->at->done || !b->at->done) return cudaErrorNotReady;
    *ms = 1.0f; /* time is not emulated */
    return cudaSuccess;
}

/* ---- errors and attributes ---- */
cudaError_t cudaGetLastError(void)
{
    cudaError_t e = sticky != cudaSuccess ? sticky : last_error;
    last_error = cudaSuccess;
    return e;
}
cudaError_t cudaPeekAtLastError(void) { return sticky != cudaSuccess ? sticky : last_error; }
cudaError_t cudaFuncSetAttribute(const void *f, enum cudaFuncAttribute attr, int value)
{
    emu_init();
    if (attr == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
    if (attr != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || (size_t)value > optin())
        return emu_set_error(cudaErrorInvalidValue);
    for (auto &o : opted)
        if (o.first == f) {
            o.second = value;
            return cudaSuccess;
        }
    opted.push_back({f, value});
    return cudaSuccess;
}
}
