/* Threads of a block as fibers: lazily started workers that run thread after thread until one has to wait; barriers; rendezvous
 * of warps; shared memory of the block. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <algorithm>

#include "emu_rt.h"
#if EMU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

emu_public emu_now;
emu_launch_info *emu_kernel;
emu_thread *emu_cur;
emu_thread emu_threads[1024];
unsigned emu_n_threads;
char *emu_shared;
std::vector<emu_range> emu_shared_slots;
char *emu_stacks;
size_t emu_stacks_bytes;
const char *emu_op_name = "";

namespace {
enum { STACK = EMU_ASAN ? 512 << 10 : 192 << 10, MAX_RV = 8 };
struct barrier {
    int arrived, kind, acc, want;
    const char *file;
    int line;
    emu_thread *who[1024];
};
struct rendezvous {
    unsigned mask, arrived;
    int kind;
    void *args[32];
};
struct warp_state {
    unsigned live; /* lanes that have not exited */
    int n_rv;
    rendezvous rv[MAX_RV];
};
struct block_state {
    std::vector<unsigned> order;
    unsigned next_new, live;
    std::vector<emu_thread *> ready; /* ring: [head, size) */
    size_t head;
    std::vector<int> free_stacks;
    barrier bar[16];
    warp_state warp[32];
} blk;
emu_ctx main_ctx, dead_ctx;
size_t static_bytes, static_next;
}

/* ---- switching ---- */
#if defined(__x86_64__)
extern "C" void emu_switch(void **save, void *to);
asm(".text\n.globl emu_switch\n.hidden emu_switch\n.type emu_switch,@function\n"
    "emu_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  popq %rcx\n  jmp *%rcx\n" /* no ret: the return predictor knows another stack */
    ".size emu_switch,.-emu_switch\n");
static void *new_context(char *stack, size_t bytes, void (*entry)(void))
{
    void **sp = (void **)(stack + bytes - 64);
    *--sp = NULL; /* the entry sees a stack of 16n + 8 */
    *--sp = (void *)entry;
    for (int i = 0; i < 6; i++) *--sp = NULL;
    return sp;
}
#else
#include <ucontext.h>
static void emu_switch(void **save, void *to)
{
    ucontext_t here;
    *save = &here;
    swapcontext(&here, (ucontext_t *)to);
}
static void *new_context(char *stack, size_t bytes, void (*entry)(void))
{
    ucontext_t *c = (ucontext_t *)stack; /* lives at the low end of its stack */
    getcontext(c);
    c->uc_stack.ss_sp = stack + sizeof *c;
    c->uc_stack.ss_size = bytes - sizeof *c;
    c->uc_link = NULL;
    makecontext(c, entry, 0);
    return c;
}
#endif

static void switch_to(emu_ctx *from, emu_ctx *to, bool dying)
{
#if EMU_ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake, to->bottom, to->size);
    emu_switch(&from->sp, to->sp);
    const void *bottom;
    size_t size;
    emu_ctx *self = emu_cur ? &emu_cur->ctx : &main_ctx;
    __sanitizer_finish_switch_fiber(self->fake, &bottom, &size);
    (void)bottom;
#else
    (void)dying;
    emu_switch(&from->sp, to->sp);
#endif
}

static void set_current(emu_thread *t)
{
    emu_cur = t;
    if (t) {
        t->state = EMU_RUNNING;
        emu_now.tid = t->tid;
    }
}

static void make_ready(emu_thread *t)
{
    t->state = EMU_READY;
    blk.ready.push_back(t);
}

static emu_thread *take_ready(void)
{
    size_t n = blk.ready.size() - blk.head, pick = blk.head;
    if (n == 0) return NULL;
    if (emu_set.order == 2) pick += emu_random() % n;
    emu_thread *t = blk.ready[pick];
    if (emu_set.order == 2) blk.ready[pick] = blk.ready[blk.head];
    if (++blk.head == blk.ready.size()) {
        blk.ready.clear();
        blk.head = 0;
    }
    return t;
}

static emu_thread *take_new(void)
{
    return blk.next_new < emu_n_threads ? &emu_threads[blk.order[blk.next_new++]] : NULL;
}
/* Shall a fresh thread run next, rather than one that waits for its turn? */
static bool want_new(void)
{
    if (blk.next_new >= emu_n_threads) return false;
    if (emu_set.order != 2 || blk.head == blk.ready.size()) return true;
    return emu_random() & 1;
}

static void leave(emu_ctx *from, bool dying);

static void thread_exit(emu_thread *t)
{
    t->state = EMU_DONE;
    t->async.clear();
    blk.live--;
    warp_state *w = &blk.warp[t->warp];
    w->live &= ~(1u << t->lane);
    for (int i = 0; i < w->n_rv; i++)
        if (w->rv[i].mask >> t->lane & 1)
            emu_die(97, "thread %u exits while lanes 0x%08x of its warp wait in %s with mask 0x%08x that names it", t->id,
                    w->rv[i].arrived, emu_warp_kind_name(w->rv[i].kind), w->rv[i].mask);
    barrier *b = &blk.bar[0];
    if (b->arrived && b->want < 0 && b->arrived == (int)blk.live)
        emu_die(97, "thread %u exits, the other %u wait in a barrier at %s:%d (return before a barrier)", t->id, blk.live,
                b->file, b->line);
}

static void worker_main(void)
{
#if EMU_ASAN
    __sanitizer_finish_switch_fiber(NULL, main_ctx.bottom ? NULL : &main_ctx.bottom, main_ctx.bottom ? NULL : &main_ctx.size);
#endif
    for (;;) {
        emu_kernel->call(emu_kernel->args.data());
        emu_thread *t = emu_cur;
        int stack = t->stack;
        thread_exit(t);
        if (want_new()) {
            emu_thread *n = take_new();
            n->stack = stack;
            n->ctx.bottom = t->ctx.bottom;
            n->ctx.size = t->ctx.size;
            set_current(n);
            continue;
        }
        blk.free_stacks.push_back(stack);
        leave(&dead_ctx, true);
    }
}

static void start_worker(emu_ctx *from, bool dying)
{
    emu_thread *t = take_new();
    if (blk.free_stacks.empty()) emu_die(98, "no free stack");
    t->stack = blk.free_stacks.back();
    blk.free_stacks.pop_back();
    static bool fenced[1024];
    if (!fenced[t->stack]) mprotect(emu_stacks + (size_t)t->stack * STACK, 4096, PROT_NONE);
    fenced[t->stack] = true;
    char *stack = emu_stacks + (size_t)t->stack * STACK + 4096;
#if EMU_ASAN
    if (!dying) __asan_unpoison_memory_region(stack, STACK - 4096);
#endif
    t->ctx.bottom = stack;
    t->ctx.size = STACK - 4096;
    /* Stacks begin at different places of a page: at the same place their tops would share one set of the first cache. */
    t->ctx.sp = new_context(stack, STACK - 4096 - (size_t)(t->stack * 11 % 64) * 64, worker_main);
    set_current(t);
    switch_to(from, &t->ctx, dying);
}

/* Gives the processor away; comes back when the caller's thread runs again (never when dying). */
static void leave(emu_ctx *from, bool dying)
{
    emu_thread *self = dying ? NULL : emu_cur;
    /* a dying worker's stack is on the free list: only a switch to an existing context may follow */
    if (!dying && want_new()) {
        start_worker(from, false);
    } else if (emu_thread *t = take_ready()) {
        if (t == self) {
            set_current(t);
            return;
        }
        set_current(t);
        switch_to(from, &t->ctx, dying);
    } else {
        set_current(NULL);
        switch_to(from, &main_ctx, dying);
    }
}

/* ---- barriers ---- */
static void release_barrier(barrier *b, emu_thread *self)
{
    emu_shadow_barrier(b->who, b->arrived, b->want < 0);
    for (int i = 0; i < b->arrived; i++) {
        b->who[i]->result = b->acc;
        if (b->who[i] != self) make_ready(b->who[i]);
    }
    b->arrived = 0;
}

int emu_barrier(int id, int count, int kind, int pred, const char *file, int line)
{
    emu_thread *t = emu_cur;
    if (!t) emu_die(97, "__syncthreads outside of a kernel at %s:%d", file, line);
    if (id < 0 || id > 15 || (count >= 0 && (count % 32 || count == 0 || count > (int)emu_n_threads)))
        emu_die(97, "barrier %d of %d threads at %s:%d: ids are 0 to 15, counts multiples of 32 within the block", id, count,
                file, line);
    barrier *b = &blk.bar[id];
    if (b->arrived == 0) {
        b->kind = kind;
        b->acc = kind == 2;
        b->file = file;
        b->line = line;
        b->want = count;
    } else if (b->kind != kind || b->want != count || (id == 0 && (b->line != line || strcmp(b->file, file) != 0))) {
        emu_die(97, "threads meet at different barriers: thread %u at %s:%d, thread %u at %s:%d", t->id, file, line,
                b->who[0]->id, b->file, b->line);
    }
    b->acc = kind == 1 ? b->acc | pred : kind == 2 ? b->acc & pred : b->acc + pred;
    b->who[b->arrived++] = t;
    if (count < 0 && blk.live < emu_n_threads && b->arrived == (int)blk.live)
        emu_die(97, "barrier at %s:%d after %u of %u threads returned", file, line, emu_n_threads - blk.live, emu_n_threads);
    if (b->arrived == (count < 0 ? (int)emu_n_threads : count)) {
        release_barrier(b, t);
        return t->result;
    }
    t->state = EMU_AT_BARRIER;
    t->file = file;
    t->line = line;
    t->bar = id;
    leave(&t->ctx, false);
    return t->result;
}

/* ---- warps ---- */
const char *emu_warp_kind_name(int kind)
{
    static const char *const names[] = {"__syncwarp",        "__shfl_sync",      "__shfl_up_sync",    "__shfl_down_sync",
                                        "__shfl_xor_sync",   "__ballot_sync",    "__reduce_add_sync", "__reduce_min_sync",
                                        "__reduce_max_sync", "__reduce_or_sync", "__reduce_and_sync", "mma",
                                        "ldmatrix"};
    return names[kind];
}

void emu_rendezvous(unsigned mask, int kind, void *args, emu_leader leader)
{
    emu_thread *t = emu_cur;
    if (!t) emu_die(97, "%s outside of a kernel", emu_warp_kind_name(kind));
    warp_state *w = &blk.warp[t->warp];
    if (!(mask >> t->lane & 1))
        emu_die(97, "%s: lane %u is not in its mask 0x%08x", emu_warp_kind_name(kind), t->lane, mask);
    if (mask & ~w->live)
        emu_die(97, "%s: mask 0x%08x names lanes 0x%08x that exited or do not exist", emu_warp_kind_name(kind), mask,
                mask & ~w->live);
    rendezvous *r = NULL;
    for (int i = 0; i < w->n_rv; i++) {
        if (w->rv[i].mask == mask) r = &w->rv[i];
        else if (w->rv[i].mask & mask)
            emu_die(97, "lanes meet with different masks: %s 0x%08x and %s 0x%08x", emu_warp_kind_name(kind), mask,
                    emu_warp_kind_name(w->rv[i].kind), w->rv[i].mask);
    }
    if (!r) {
        if (w->n_rv == MAX_RV) emu_die(98, "more than %d groups of lanes wait in one warp", MAX_RV);
        r = &w->rv[w->n_rv++];
        r->mask = mask;
        r->arrived = 0;
        r->kind = kind;
    }
    if (r->kind != kind)
        emu_die(97, "lanes meet with different operations: %s and %s", emu_warp_kind_name(kind), emu_warp_kind_name(r->kind));
    r->arrived |= 1u << t->lane;
    r->args[t->lane] = args;
    if (r->arrived != mask) {
        t->state = EMU_AT_WARP;
        t->mask = mask;
        t->kind = kind;
        leave(&t->ctx, false);
        return;
    }
    emu_thread *lane0 = &emu_threads[t->warp * 32];
    leader(r->args, mask, lane0);
    *r = w->rv[--w->n_rv];
    for (unsigned m = mask & ~(1u << t->lane); m; m &= m - 1) make_ready(lane0 + __builtin_ctz(m));
}

/* ---- shared memory ---- */
static size_t shared_limit(void) /* bytes a block may have with opt-in */
{
    return (emu_set.arch == 90 ? 227 : emu_set.arch == 80 ? 163 : 99) * (size_t)1024;
}

void *emu_static_shared(emu_slot *slot, size_t bytes)
{
    if (!emu_cur) emu_die(97, "shared memory %s used outside of a kernel", slot->name);
    if (slot->launch != emu_kernel->id) {
        slot->launch = emu_kernel->id;
        slot->offset = (unsigned)static_next;
        size_t padded = (bytes + 15) & ~(size_t)15;
        static_next += padded + 240; /* a gap that nothing may touch; 16-byte but no wider alignment */
        static_bytes += padded;
        if (static_bytes > 48 * 1024) emu_die(97, "%zu bytes of static shared memory: 48 KB is the limit", static_bytes);
        size_t own = emu_kernel->smem ? (static_bytes + 127) & ~(size_t)127 : static_bytes; /* DYN_SHARED lies behind it, aligned */
        if (!emu_kernel->opted && own + emu_kernel->smem > 48 * 1024)
            emu_die(97, "%zu bytes of static and %zu of dynamic shared memory: more than 48 KB need the opt-in", own,
                    emu_kernel->smem);
        if (own + emu_kernel->smem > shared_limit())
            emu_die(97, "%zu bytes of shared memory: sm_%d has %zu a block", own + emu_kernel->smem, emu_set.arch,
                    shared_limit());
        emu_shared_slots.push_back({slot->offset, bytes, slot->name});
#if EMU_ASAN
        __asan_unpoison_memory_region(emu_shared + slot->offset, bytes);
#endif
        memset(emu_shared + slot->offset, 0xff, bytes);
    }
    return emu_shared + slot->offset;
}

void *emu_dyn_shared(size_t align)
{
    (void)align;
    if (!emu_cur) emu_die(97, "dynamic shared memory used outside of a kernel");
    return emu_shared + EMU_DYN_AT;
}

/* ---- blocks ---- */
static void deadlock(void)
{
    fprintf(stderr, "emu: no thread can run:\n");
    for (unsigned i = 0; i < emu_n_threads; i++) {
        emu_thread *t = &emu_threads[i];
        if (t->state == EMU_AT_BARRIER)
            fprintf(stderr, "  thread %u waits in barrier %d at %s:%d\n", i, t->bar, t->file, t->line);
        if (t->state == EMU_AT_WARP)
            fprintf(stderr, "  thread %u waits in %s, mask 0x%08x\n", i, emu_warp_kind_name(t->kind), t->mask);
        if (i > 63 && i + 1 < emu_n_threads) continue;
    }
    emu_die(98, "deadlock: %u of %u threads wait", blk.live, emu_n_threads);
}

static void begin_block(void)
{
    emu_launch_info *k = emu_kernel;
    unsigned n = emu_n_threads;
    for (unsigned i = 0; i < n; i++) {
        emu_thread *t = &emu_threads[i];
        t->tid.x = i % k->block.x;
        t->tid.y = i / k->block.x % k->block.y;
        t->tid.z = i / (k->block.x * k->block.y);
        t->id = i;
        t->lane = i & 31;
        t->warp = i >> 5;
        t->state = EMU_NEW;
        t->stack = -1;
        t->committed = 0;
        t->async.clear();
        t->ctx = emu_ctx();
    }
    blk.next_new = 0;
    blk.live = n;
    blk.ready.clear();
    blk.head = 0;
    for (int i = 0; i < 16; i++) blk.bar[i].arrived = 0;
    for (unsigned w = 0; w < 32; w++) {
        unsigned lanes = n > w * 32 ? std::min(32u, n - w * 32) : 0;
        blk.warp[w].live = lanes == 32 ? ~0u : (1u << lanes) - 1;
        blk.warp[w].n_rv = 0;
    }
    blk.order.resize(n);
    for (unsigned i = 0; i < n; i++) blk.order[i] = emu_set.order == 1 ? n - 1 - i : i;
    if (emu_set.order == 2)
        for (unsigned i = n; i > 1; i--) std::swap(blk.order[i - 1], blk.order[emu_random() % i]);
    for (const emu_range &r : emu_shared_slots) memset(emu_shared + r.at, 0xff, r.bytes);
    memset(emu_shared + EMU_DYN_AT, 0xff, k->smem);
}

static void run_block(uint64_t index)
{
    emu_launch_info *k = emu_kernel;
    emu_now.block.x = (unsigned)(index % k->grid.x);
    emu_now.block.y = (unsigned)(index / k->grid.x % k->grid.y);
    emu_now.block.z = (unsigned)(index / ((uint64_t)k->grid.x * k->grid.y));
    begin_block();
    emu_shadow_block();
    while (blk.next_new < emu_n_threads || blk.head < blk.ready.size()) {
        if (want_new()) {
            start_worker(&main_ctx, false);
        } else {
            emu_thread *t = take_ready();
            set_current(t);
            switch_to(&main_ctx, &t->ctx, false);
        }
    }
    if (blk.live) deadlock();
    emu_count_block_end();
}

static void init_memory(void)
{
    emu_stacks_bytes = (size_t)STACK * 1024;
    emu_stacks =
        (char *)mmap(NULL, emu_stacks_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    emu_shared =
        (char *)mmap(NULL, EMU_SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (emu_stacks == MAP_FAILED || emu_shared == MAP_FAILED) emu_die(98, "no memory for stacks");
    for (int i = 1023; i >= 0; i--) blk.free_stacks.push_back(i);
}

/* The blocks that run: all, or a random sample with the first and the last. */
static std::vector<uint64_t> choose_blocks(uint64_t total)
{
    std::vector<uint64_t> v;
    if (emu_set.sample > 0 && total > (uint64_t)emu_set.sample) {
        v.push_back(0);
        v.push_back(total - 1);
        while (v.size() < (size_t)emu_set.sample) v.push_back(emu_random() % total);
        std::sort(v.begin(), v.end());
        v.erase(std::unique(v.begin(), v.end()), v.end());
    } else {
        v.resize(total);
        for (uint64_t i = 0; i < total; i++) v[i] = i;
    }
    if (emu_set.order == 1) std::reverse(v.begin(), v.end());
    if (emu_set.order == 2)
        for (size_t i = v.size(); i > 1; i--) std::swap(v[i - 1], v[emu_random() % i]);
    return v;
}

void emu_run_kernel(emu_launch_info *k)
{
    if (!emu_stacks) init_memory();
    emu_kernel = k;
    emu_now.bdim = k->block;
    emu_now.gdim = k->grid;
    emu_n_threads = k->block.x * k->block.y * k->block.z;
    emu_shared_slots.clear();
    static_next = 16;
    static_bytes = 0;
#if EMU_ASAN
    __asan_poison_memory_region(emu_shared, EMU_SHARED_BYTES);
    __asan_unpoison_memory_region(emu_shared + EMU_DYN_AT, k->smem);
#endif
    emu_shadow_kernel();
    emu_count_launch(k);
    for (uint64_t b : choose_blocks((uint64_t)k->grid.x * k->grid.y * k->grid.z)) run_block(b);
    emu_kernel = NULL;
    emu_cur = NULL;
}
