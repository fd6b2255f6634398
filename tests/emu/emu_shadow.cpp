/* Shadow memory of the check build. Kernels are compiled with -fsanitize=thread but without libtsan: the __tsan_* functions are
 * in emu_hooks.cpp and come here. For every 2 bytes of device and shared memory a cell keeps the last writer and the readers.
 *
 * Order inside a block: a vector clock a warp. Time is one counter of the block that every barrier and __syncwarp advances; an
 * access of warp v at time t comes before what warp w does now when t <= seen[w][v]. Lanes of one warp are ordered by
 * __syncwarp alone (a partial mask counts as the whole warp). Shuffles order nothing. Blocks of one launch are not ordered.
 * Operations of streams are ordered by the vector clocks of emu_stream.cpp. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <algorithm>

#include "emu_rt.h"
#if EMU_CHECK

namespace {
enum { TIME_MAX = (1 << 17) - 1, STAMP_MAX = (1 << 30) - 2 };
enum { ONE, LANES, WARPS, BLOCKS }; /* who has read: a thread, lanes of a warp, several warps, several blocks of the launch */
struct who { uint32_t tid : 10, time : 17, mask : 2, atomic : 1, several : 2; };
struct cell { /* 2 bytes of device memory */
    uint32_t wstamp : 30, init : 2;
    who w;
    uint32_t rstamp;
    who r;
};
struct shared_cell { /* 2 bytes of shared memory */
    uint32_t wstamp : 30, init : 2;
    who w;
    uint32_t rstamp, rwarps; /* warps that have read in this block */
};
struct reader { uint32_t time : 17, lane : 5, mask : 2, several : 1; }; /* of one warp, one cell */
struct op_info { uint32_t first, last; int stream; uint64_t seq; };

cell *cells;
shared_cell *shared_cells;
reader *shared_readers; /* of cell i and warp w: [i << warp_shift | w] */
unsigned warp_shift;
uint32_t stamp = 1, op_first, block_first; /* stamps number blocks and operations, in the order they ran */
uint32_t safe;                             /* operations with smaller stamps come before the present one */
std::vector<op_info> ops;                  /* that the host does not know to be done */
std::vector<uint64_t> op_sees;
uint32_t now, seen[32][32];
bool sees_all;
const char *range_who; /* the operation that no kernel is, in messages */
}

void emu_shadow_init(void)
{
    shared_cells = (shared_cell *)mmap(NULL, sizeof(shared_cell) * (EMU_SHARED_BYTES / 2), PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    shared_readers = (reader *)mmap(NULL, sizeof(reader) * 32 * (EMU_SHARED_BYTES / 2), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared_cells == MAP_FAILED || shared_readers == MAP_FAILED) emu_die(98, "no addresses for shadow memory");
}

void emu_shadow_alloc(emu_alloc *)
{
    if (cells) return;
    cells = (cell *)mmap(NULL, sizeof(cell) * (emu_dev_bytes / 2 + 1), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cells == MAP_FAILED) emu_die(98, "no addresses for shadow memory");
}

void emu_shadow_free(emu_alloc *a)
{
    char *from = (char *)&cells[(size_t)(a->base - emu_dev) / 2], *to = from + (a->bytes + 1) / 2 * sizeof(cell);
    madvise(from, (size_t)(to - from + 4095) & ~(size_t)4095, MADV_DONTNEED); /* allocations start on chunks, gaps follow */
}

static void next_stamp(void)
{
    if (stamp >= STAMP_MAX) emu_die(98, "more than 2^30 blocks in one process");
    stamp++;
}

/* ---- order of operations ---- */
void emu_shadow_op(int stream, uint64_t seq, const std::vector<uint64_t> &sees)
{
    if (!ops.empty() && ops.back().last == UINT32_MAX) ops.back().last = stamp;
    next_stamp();
    op_first = block_first = stamp;
    op_sees = sees;
    safe = stamp;
    for (const op_info &o : ops)
        if (!((size_t)o.stream < sees.size() && sees[(size_t)o.stream] >= o.seq)) {
            safe = o.first;
            break;
        }
    ops.push_back({stamp, UINT32_MAX, stream, seq});
}

void emu_shadow_host_sees(const std::vector<uint64_t> &sees)
{
    size_t keep = 0;
    for (const op_info &o : ops)
        if (!((size_t)o.stream < sees.size() && sees[(size_t)o.stream] >= o.seq)) ops[keep++] = o;
    ops.resize(keep);
}

static bool earlier_op_ordered(uint32_t s) /* s < op_first */
{
    if (s < safe) return true;
    auto it = std::upper_bound(ops.begin(), ops.end(), s, [](uint32_t v, const op_info &o) { return v < o.first; });
    if (it == ops.begin()) return true;
    --it;
    if (s > it->last) return true; /* of an operation that the host knew done */
    return (size_t)it->stream < op_sees.size() && op_sees[(size_t)it->stream] >= it->seq;
}

/* ---- order inside a block ---- */
void emu_shadow_kernel(void)
{
    for (warp_shift = 0; 32u << warp_shift < emu_n_threads; warp_shift++) {}
}

void emu_shadow_block(void)
{
    next_stamp();
    block_first = stamp;
    now = 1;
    memset(seen, 0, sizeof seen);
    sees_all = false;
}

static void tick(void)
{
    if (++now <= TIME_MAX) return;
    next_stamp(); /* what came before counts as ordered: better silent than a false alarm */
    now = 1;
    memset(seen, 0, sizeof seen);
}

void emu_shadow_barrier(emu_thread **who_, int n, bool all)
{
    unsigned warps = (emu_n_threads + 31) / 32, part = 0;
    if (all) {
        for (unsigned w = 0; w < warps; w++)
            for (unsigned v = 0; v < warps; v++) seen[w][v] = now;
        tick();
        return;
    }
    for (int i = 0; i < n; i++) part |= 1u << who_[i]->warp;
    uint32_t joint[32];
    for (unsigned v = 0; v < warps; v++) {
        joint[v] = 0;
        for (unsigned w = 0; w < warps; w++)
            if (part >> w & 1) joint[v] = std::max(joint[v], part >> v & 1 ? now : seen[w][v]);
    }
    for (unsigned w = 0; w < warps; w++)
        if (part >> w & 1) memcpy(seen[w], joint, sizeof joint);
    tick();
}

void emu_shadow_syncwarp(unsigned warp)
{
    seen[warp][warp] = now;
    tick();
}

static inline bool ordered(const emu_thread *t, const who &a)
{
    return a.tid == t->id || a.time <= seen[t->warp][a.tid >> 5];
}

void emu_block_sees_all(void) { sees_all = true; }

/* ---- reports ---- */
static std::string place(const void *p)
{
    char s[200];
    if (emu_in_shared(p)) {
        size_t at = (size_t)((const char *)p - emu_shared);
        if (at >= EMU_DYN_AT) {
            snprintf(s, sizeof s, "dynamic shared memory, byte %zu of %zu", at - EMU_DYN_AT, emu_kernel ? emu_kernel->smem : 0);
            return s;
        }
        for (const emu_range &r : emu_shared_slots)
            if (at >= r.at && at < r.at + r.bytes + 240) {
                snprintf(s, sizeof s, "shared %s, byte %zu of %zu", r.name, at - r.at, r.bytes);
                return s;
            }
        return "static shared memory";
    }
    emu_alloc *a = emu_find_alloc(p);
    if (!a) return "no allocation";
    snprintf(s, sizeof s, "byte %zu of allocation %zu (%zu bytes)", (size_t)((const char *)p - a->base),
             (size_t)(a - emu_allocs.data()), a->bytes);
    return s;
}

static void __attribute__((noreturn)) report(const void *pc, const void *p, const char *what, const char *extra)
{
    emu_fault_pc = pc;
    emu_die(97, "%s: %s%s%s%s", what, place(p).c_str(), extra, range_who ? " by " : "", range_who ? range_who : "");
}

static void __attribute__((noreturn))
race(const void *pc, const void *p, const emu_thread *t, const char *what, uint32_t s, const who &other)
{
    char extra[160];
    bool same = s >= block_first;
    if (s < op_first) {
        snprintf(extra, sizeof extra, " %s by an operation that no event or sync puts before it", what);
        report(pc, p, "race between streams", extra);
    } else if (!same || other.several == BLOCKS) {
        snprintf(extra, sizeof extra, " %s of another block of this launch", what);
        report(pc, p, "race between blocks", extra);
    }
    snprintf(extra, sizeof extra, ": thread %u %s of thread %u%s", t ? t->id : 0, what, (unsigned)other.tid,
             other.several >= LANES ? " and others" : "");
    report(pc, p, "race", extra);
}

/* ---- the cells ---- */
static inline who me(const emu_thread *t, unsigned mask, int how)
{
    who w = {};
    w.tid = t ? t->id : 0;
    w.time = t ? now : 0;
    w.mask = mask & 3;
    w.atomic = how == EMU_ATOMIC;
    return w;
}

/* Is a former access (stamp s) a conflict for t? Accesses of one thread never are. */
static inline bool conflict(const emu_thread *t, uint32_t s, const who &a)
{
    if (s >= block_first) return s == stamp && t && !ordered(t, a); /* an older stamp of this block: before the clock wrapped */
    if (s >= op_first) return !sees_all;
    return !earlier_op_ordered(s);
}

static inline bool readers_conflict(const emu_thread *t, const cell &c)
{
    if (c.rstamp < block_first) return c.rstamp && conflict(t, c.rstamp, c.r);
    if (c.r.several == BLOCKS) return !sees_all;
    if (c.rstamp != stamp || !t) return false;
    switch (c.r.several) {
    case ONE: return !ordered(t, c.r);
    case LANES: return c.r.time > seen[t->warp][c.r.tid >> 5];
    default:
        for (unsigned v = 0; v < (emu_n_threads + 31) / 32; v++)
            if (c.r.time > seen[t->warp][v]) return true;
        return false;
    }
}

static void device_cell(emu_thread *t, cell &c, unsigned mask, int how, const void *p, const void *pc, bool init_too)
{
    if (how != EMU_WRITE && init_too && (c.init & mask) != mask) report(pc, p, "read of memory that nothing wrote", "");
    if (c.wstamp && (c.w.mask & mask) && !(c.w.atomic && how == EMU_ATOMIC) && conflict(t, c.wstamp, c.w))
        race(pc, p, t, how == EMU_READ ? "reads after an unsynchronised write" : "writes after an unsynchronised write",
             c.wstamp, c.w);
    if (how == EMU_READ) {
        who r = me(t, mask, how);
        if (c.rstamp >= block_first) {
            r.several = c.r.several;
            r.mask |= c.r.mask;
            if (t && c.r.several != BLOCKS && c.r.tid != t->id) {
                unsigned want = (unsigned)c.r.tid >> 5 == t->warp ? LANES : WARPS;
                r.several = std::max((unsigned)c.r.several, want);
            }
        } else if (c.rstamp >= op_first) {
            r.several = BLOCKS;
            r.mask |= c.r.mask;
        }
        c.r = r;
        c.rstamp = stamp;
        return;
    }
    if ((c.r.mask & mask) && readers_conflict(t, c)) race(pc, p, t, "writes after an unsynchronised read", c.rstamp, c.r);
    who w = me(t, mask, how);
    if (c.wstamp == stamp && c.w.tid == w.tid) w.mask |= c.w.mask; /* one thread's bytes of a cell are remembered together */
    c.w = w;
    c.wstamp = stamp & 0x3fffffffu;
    c.init |= mask & 3;
}

static inline void shared_read(emu_thread *t, shared_cell &c, reader &r, unsigned mask)
{
    bool old = c.rwarps >> t->warp & 1;
    r.several = old && (r.several || r.lane != t->lane);
    r.mask = old ? r.mask | mask : mask;
    r.time = now;
    r.lane = t->lane;
    c.rwarps |= 1u << t->warp;
}

static void shared_write(emu_thread *t, shared_cell &c, const reader *readers, unsigned mask, int how, bool live, const void *p,
                         const void *pc)
{
    for (uint32_t m = c.rwarps; m; m &= m - 1) {
        unsigned v = (unsigned)__builtin_ctz(m);
        const reader &r = readers[v];
        if (!(r.mask & mask) || r.time <= seen[t->warp][v] || (!r.several && v == t->warp && r.lane == t->lane)) continue;
        who other = {};
        other.tid = v * 32 + r.lane;
        other.several = r.several ? LANES : ONE;
        race(pc, p, t, "writes after an unsynchronised read", stamp, other);
    }
    who w = me(t, mask, how);
    if (!live) c.init = 0;
    if (live && c.wstamp == stamp && c.w.tid == w.tid) w.mask |= c.w.mask;
    c.w = w;
    c.wstamp = stamp & 0x3fffffffu;
    c.init |= mask & 3;
}

static inline void shared_one(emu_thread *t, size_t i, unsigned mask, int how, const void *pc)
{
    shared_cell &c = shared_cells[i];
    const void *p = emu_shared + 2 * i;
    bool live = c.wstamp >= block_first && c.wstamp <= stamp;
    if (how != EMU_WRITE && (!live || (c.init & mask) != mask))
        report(pc, p, "read of memory that nothing wrote (or a cp.async not waited for)", "");
    if (live && c.wstamp == stamp && (c.w.mask & mask) && !(c.w.atomic && how == EMU_ATOMIC) && !ordered(t, c.w))
        race(pc, p, t, how == EMU_READ ? "reads after an unsynchronised write" : "writes after an unsynchronised write",
             c.wstamp, c.w);
    if (c.rstamp != stamp) {
        c.rstamp = stamp;
        c.rwarps = 0;
    }
    reader *readers = shared_readers + (i << warp_shift);
    if (how == EMU_READ) shared_read(t, c, readers[t->warp], mask);
    else shared_write(t, c, readers, mask, how, live, p, pc);
}

static void check_device(const char *p, size_t n, const void *pc, bool *init_too)
{
    static emu_alloc *last;
    static size_t last_count;
    if (last_count != emu_allocs.size() || !last || (size_t)(p - last->base) >= last->bytes) {
        last = emu_find_alloc(p);
        last_count = emu_allocs.size();
    }
    if (!last) report(pc, p, "out of bounds", "");
    if (!last->live) report(pc, p, "use after free", "");
    size_t off = (size_t)(p - last->base);
    if (off >= last->bytes || n > last->bytes - off) report(pc, p, "out of bounds", "");
    *init_too = !last->sparse;
}

static void check_shared(const char *p, size_t n, const void *pc)
{
    size_t at = (size_t)(p - emu_shared);
    if (!emu_kernel || !emu_cur) report(pc, p, "shared memory used outside of a kernel", "");
    if (at >= EMU_DYN_AT) {
        if (at - EMU_DYN_AT + n > emu_kernel->smem) report(pc, p, "out of bounds", "");
        return;
    }
    for (const emu_range &r : emu_shared_slots)
        if (at >= r.at && at + n <= r.at + r.bytes) return;
    report(pc, p, "out of bounds", "");
}

void emu_shadow_access(emu_thread *t, const void *ptr, size_t n, int how, const void *pc)
{
    const char *p = (const char *)ptr;
    if (n == 0) return;
    if (emu_in_shared(p)) {
        check_shared(p, n, pc);
        size_t at = (size_t)(p - emu_shared);
        for (size_t i = at / 2; i <= (at + n - 1) / 2; i++) {
            unsigned mask = (2 * i >= at ? 1 : 0) | (2 * i + 1 < at + n ? 2 : 0);
            shared_one(t, i, mask, how, pc);
        }
        return;
    }
    bool init_too;
    check_device(p, n, pc, &init_too);
    size_t at = (size_t)(p - emu_dev);
    for (size_t i = at / 2; i <= (at + n - 1) / 2; i++) {
        unsigned mask = (2 * i >= at ? 1 : 0) | (2 * i + 1 < at + n ? 2 : 0);
        device_cell(t, cells[i], mask, how, emu_dev + 2 * i, pc, init_too);
    }
}

void emu_shadow_undefine(emu_thread *, void *p, size_t n, const void *)
{
    size_t at = (size_t)((char *)p - emu_shared);
    for (size_t i = at / 2; i < (at + n) / 2; i++) shared_cells[i].init = 0;
}

void emu_shadow_range(const void *p, size_t n, int how, const char *who_does)
{
    range_who = who_does;
    emu_shadow_access(NULL, p, n, how, NULL);
    range_who = NULL;
}

/* A copy takes undefined bytes along instead of complaining; to = NULL: to the host. */
void emu_shadow_copy(void *to, const void *from, size_t n, const char *who_does)
{
    bool ignored;
    range_who = who_does;
    size_t a = (size_t)((const char *)from - emu_dev), b = to ? (size_t)((char *)to - emu_dev) : 0;
    check_device((const char *)from, n, NULL, &ignored);
    for (size_t i = a / 2; i <= (a + n - 1) / 2; i++) {
        unsigned mask = (2 * i >= a ? 1 : 0) | (2 * i + 1 < a + n ? 2 : 0);
        device_cell(NULL, cells[i], mask, EMU_READ, emu_dev + 2 * i, NULL, false);
    }
    if (to) {
        emu_shadow_access(NULL, to, n, EMU_WRITE, NULL);
        for (size_t i = 0; i < n; i++) {
            unsigned defined = cells[(a + i) / 2].init >> ((a + i) & 1) & 1, bit = 1u << ((b + i) & 1);
            if (!defined) cells[(b + i) / 2].init &= ~bit & 3;
        }
    }
    range_who = NULL;
}

#else
void emu_block_sees_all(void) {}
#endif
