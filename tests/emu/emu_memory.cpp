/* Device memory: reserved addresses that are handed out once, each allocation on chunks of its own with a gap behind it; the
 * guard that keeps the host from reading them; pinned host memory. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <map>

#include "emu_rt.h"
#if EMU_ASAN
#include <sanitizer/asan_interface.h>
#endif

char *emu_dev;
size_t emu_dev_bytes;
std::vector<emu_alloc> emu_allocs(1);
uint32_t *emu_chunk_alloc;
static size_t next_at, in_use;
static int open_depth;
static std::map<char *, size_t> pinned;
static struct sigaction old_segv;

static void on_segv(int sig, siginfo_t *info, void *ctx)
{
    const char *a = (const char *)info->si_addr;
    if (emu_is_dev(a)) emu_die(97, "the host dereferences device memory at %p", (const void *)a);
    if (emu_stacks && (size_t)(a - emu_stacks) < emu_stacks_bytes) emu_die(97, "a thread's stack overflows");
    sigaction(SIGSEGV, &old_segv, NULL);
    (void)sig;
    (void)ctx;
}

static void reserve(void)
{
    if (emu_dev) return;
    for (size_t gib = EMU_ASAN ? 16 : 256; gib >= 4; gib /= 4) {
        void *p = mmap(NULL, gib << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) continue;
        emu_dev = (char *)(((uintptr_t)p + EMU_CHUNK - 1) & ~(uintptr_t)(EMU_CHUNK - 1));
        emu_dev_bytes = (gib << 30) - EMU_CHUNK;
        break;
    }
    if (!emu_dev) emu_die(98, "no addresses for device memory");
    size_t table = emu_dev_bytes / EMU_CHUNK * sizeof(uint32_t) + 4096;
    emu_chunk_alloc = (uint32_t *)mmap(NULL, table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (emu_chunk_alloc == MAP_FAILED) emu_die(98, "no memory for the table of allocations");
    next_at = EMU_CHUNK;
    static char alt[65536]; /* a thread whose stack overflowed has none for the handler */
    stack_t ss = {};
    ss.ss_sp = alt;
    ss.ss_size = sizeof alt;
    sigaltstack(&ss, NULL);
    struct sigaction sa = {};
    sa.sa_sigaction = on_segv;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &sa, &old_segv);
    open_depth++; /* mapped readable: make the state true, then close as set */
    emu_guard_close();
}

void emu_guard_open(void)
{
    if (open_depth++ == 0 && emu_set.guard && emu_dev) mprotect(emu_dev, next_at, PROT_READ | PROT_WRITE);
}

void emu_guard_close(void)
{
    if (--open_depth == 0 && emu_set.guard && emu_dev) mprotect(emu_dev, next_at, PROT_NONE);
}

emu_alloc *emu_find_alloc(const void *p)
{
    if (!emu_is_dev(p)) return NULL;
    uint32_t id = emu_chunk_alloc[(size_t)((const char *)p - emu_dev) / EMU_CHUNK];
    return id ? &emu_allocs[id] : NULL;
}

void emu_need_dev(const char *who, const void *p, size_t n)
{
    emu_alloc *a = emu_find_alloc(p);
    if (!a) emu_die(97, "%s: %p is no device memory", who, p);
    size_t id = (size_t)(a - emu_allocs.data()), off = (size_t)((const char *)p - a->base);
    if (!a->live) emu_die(97, "%s: use after free, byte %zu of allocation %zu (%zu bytes)", who, off, id, a->bytes);
    if (off > a->bytes || n > a->bytes - off)
        emu_die(97, "%s: out of bounds, bytes %zu to %zu of allocation %zu (%zu bytes)", who, off, off + n, id, a->bytes);
}

static void *allocate(size_t n, bool sparse)
{
    reserve();
    if (n == 0) n = 1;
    size_t chunks = (n + 256 + EMU_CHUNK - 1) / EMU_CHUNK;
    if (n > emu_dev_bytes || next_at + (chunks + 1) * EMU_CHUNK > emu_dev_bytes) return NULL;
    emu_alloc a = {emu_dev + next_at, n, 1, sparse};
    for (size_t c = 0; c < chunks; c++) emu_chunk_alloc[next_at / EMU_CHUNK + c] = (uint32_t)emu_allocs.size();
    next_at += (chunks + 1) * EMU_CHUNK; /* the last chunk belongs to nobody */
    if (emu_set.guard) mprotect(a.base, (chunks + 1) * EMU_CHUNK, PROT_READ | PROT_WRITE);
    emu_allocs.push_back(a);
    if (!sparse) {
        memset(a.base, 0xff, n); /* NaN, and -1 */
        in_use += n;
    }
#if EMU_ASAN
    __asan_poison_memory_region(a.base + n, chunks * EMU_CHUNK - n);
#endif
    emu_shadow_alloc(&emu_allocs.back());
    return a.base;
}

extern "C" {
cudaError_t cudaMalloc(void **p, size_t n)
{
    emu_inside in;
    if (!p) return emu_set_error(cudaErrorInvalidValue);
    *p = NULL;
    if (n == 0) return cudaSuccess;
    if ((emu_set.fail_malloc > 0 && --emu_set.fail_malloc == 0) || n > emu_set.memory - in_use)
        return emu_set_error(cudaErrorMemoryAllocation);
    *p = allocate(n, false);
    return *p ? cudaSuccess : emu_set_error(cudaErrorMemoryAllocation);
}

void *emu_malloc_sparse(size_t bytes)
{
    emu_inside in;
    return allocate(bytes, true);
}

cudaError_t cudaFree(void *p)
{
    emu_inside in;
    if (!p) return cudaSuccess;
    emu_drain_all();
    emu_alloc *a = emu_find_alloc(p);
    if (!a || a->base != p) emu_die(97, "cudaFree: %p is no device memory of its own", p);
    if (!a->live) emu_die(97, "cudaFree: allocation %zu is freed twice", (size_t)(a - emu_allocs.data()));
    a->live = 0;
    if (!a->sparse) in_use -= a->bytes;
    emu_shadow_free(a);
    madvise(a->base, (a->bytes + 4095) & ~(size_t)4095, MADV_DONTNEED);
#if EMU_ASAN
    __asan_poison_memory_region(a->base, a->bytes);
#endif
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    emu_init();
    *free_bytes = emu_set.memory - in_use;
    *total = emu_set.memory;
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **p, size_t n, unsigned int flags)
{
    emu_init();
    (void)flags;
    *p = n ? aligned_alloc(4096, (n + 4095) & ~(size_t)4095) : NULL;
    if (n && !*p) return emu_set_error(cudaErrorMemoryAllocation);
    if (n) {
        memset(*p, 0xff, n);
        pinned[(char *)*p] = n;
    }
    return cudaSuccess;
}
cudaError_t cudaMallocHost(void **p, size_t n) { return cudaHostAlloc(p, n, 0); }

cudaError_t cudaFreeHost(void *p)
{
    if (!p) return cudaSuccess;
    emu_inside in;
    emu_drain_all();
    if (!pinned.erase((char *)p)) emu_die(97, "cudaFreeHost: %p is no pinned memory (freed twice?)", p);
    free(p);
    return cudaSuccess;
}
}

bool emu_is_pinned(const void *p)
{
    auto it = pinned.upper_bound((char *)const_cast<void *>(p));
    if (it == pinned.begin()) return false;
    --it;
    return (size_t)((const char *)p - it->first) < it->second;
}
