/* Inside of the emulation runtime: what its files share. Compiled three times: EMU_CHECK=1 has the shadow memory, EMU_ASAN=1
 * tells AddressSanitizer of fibers and device memory, neither is the plain build. One OS thread runs everything. */
#ifndef PT_EMU_RT_H
#define PT_EMU_RT_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <functional>
#include <string>
#include <vector>

#include "cuda_emu.h"
#include "emu.h"

#ifndef EMU_CHECK
#define EMU_CHECK 0
#endif
#ifndef EMU_ASAN
#define EMU_ASAN 0
#endif

/* ---- settings, read once from the environment (emu_config.cpp) ---- */
struct emu_settings {
    int order;        /* 0 forward, 1 reverse, 2 random */
    uint64_t seed;    /* of the order and of lazy streams */
    int lazy;         /* streams run at syncs only, in random order */
    int guard;        /* device memory is unreadable for the host */
    int async_mode;   /* cp.async: 0 late, 1 early, 2 random */
    int count;        /* counters on */
    int arch;         /* 80, 86, 89, 90 */
    int devices;
    size_t memory;    /* bytes that cudaMalloc may give */
    long sample;      /* > 0: run at most so many blocks of a launch */
    long fail_launch, fail_malloc; /* > 0: this call from now on fails */
    int source;       /* reports name file and line (addr2line) */
};
extern emu_settings emu_set;
void emu_init(void); /* idempotent */
uint64_t emu_random(void);

/* Prints what is wrong, where, and leaves with the code: 97 a detected error, 98 deadlock or a fatal state, 99 collectives
 * differ. */
void emu_die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
extern const void *emu_fault_pc; /* code address that emu_die names */

/* ---- threads ---- */
enum { EMU_NEW, EMU_READY, EMU_RUNNING, EMU_AT_BARRIER, EMU_AT_WARP, EMU_DONE };
struct emu_async { /* one cp.async under way */
    char *dst;
    const char *src;
    int size, bytes, group;
};
struct emu_ctx {
    void *sp;
    void *fake;         /* AddressSanitizer */
    const void *bottom; /* of its stack */
    size_t size;
};
struct emu_thread {
    uint3 tid;
    unsigned id, lane, warp;
    int state;
    int stack; /* index, -1 none */
    emu_ctx ctx;
    const char *file; /* where it waits */
    int line, bar, result;
    unsigned mask;
    int kind;
    int committed;
    std::vector<emu_async> async;
};
struct emu_launch_info { /* the kernel that runs */
    std::string name;
    dim3 grid, block;
    size_t smem;
    bool opted; /* to more than 48 KB of shared memory, static and dynamic together */
    unsigned long id; /* counts launches from 1 */
    const void *kernel;
    void (*call)(const void *args);
    std::vector<char> args;
};
extern emu_launch_info *emu_kernel; /* NULL on the host side */
extern emu_thread *emu_cur;         /* NULL outside of a kernel's threads */
extern emu_thread emu_threads[1024];
extern unsigned emu_n_threads;
void emu_run_kernel(emu_launch_info *k);
const char *emu_warp_kind_name(int kind);
/* Rendezvous of the lanes of mask; the last arriver runs leader with the lanes' argument pointers. */
typedef void (*emu_leader)(void **args, unsigned mask, emu_thread *warp0);
void emu_rendezvous(unsigned mask, int kind, void *args, emu_leader leader);

/* ---- shared memory of the running block ---- */
struct emu_range { size_t at, bytes; const char *name; };
extern char *emu_shared;                     /* the arena */
extern std::vector<emu_range> emu_shared_slots; /* static ones of this launch; offsets in the arena */
enum { EMU_SHARED_BYTES = 2 << 20, EMU_DYN_AT = 1 << 20 };
static inline bool emu_in_shared(const void *p) { return (size_t)((const char *)p - emu_shared) < EMU_SHARED_BYTES; }
extern char *emu_stacks;
extern size_t emu_stacks_bytes;

/* ---- device memory ---- */
struct emu_alloc { /* of id 1.. */
    char *base;
    size_t bytes;
    int live, sparse;
};
extern char *emu_dev; /* reserved addresses of the device */
extern size_t emu_dev_bytes;
extern std::vector<emu_alloc> emu_allocs;
enum { EMU_CHUNK = 65536 };
extern uint32_t *emu_chunk_alloc; /* allocation of each chunk */
static inline bool emu_is_dev(const void *p) { return (size_t)((const char *)p - emu_dev) < emu_dev_bytes; }
emu_alloc *emu_find_alloc(const void *p); /* NULL unless p lies in the chunks of one, live or not */
/* Dies unless [p, p+n) lies in one live allocation. */
void emu_need_dev(const char *who, const void *p, size_t n);
void emu_guard_open(void);
void emu_guard_close(void);
struct emu_inside { /* the runtime touches device memory */
    emu_inside() { emu_init(); emu_guard_open(); }
    ~emu_inside() { emu_guard_close(); }
};

/* ---- streams (emu_stream.cpp) ---- */
cudaError_t emu_enqueue(cudaStream_t s, const char *what, std::function<void()> fn);
cudaError_t emu_set_error(cudaError_t e);
void emu_drain_all(void);
extern const char *emu_op_name;      /* of the operation that runs */
int emu_op_stream(void);

/* ---- shadow memory (emu_shadow.cpp; nothing unless EMU_CHECK) ---- */
enum { EMU_READ, EMU_WRITE, EMU_ATOMIC };
#if EMU_CHECK
void emu_shadow_init(void);
void emu_shadow_kernel(void);  /* a kernel begins */
void emu_shadow_block(void);   /* a block begins */
void emu_shadow_barrier(emu_thread **who, int n, bool all);
void emu_shadow_syncwarp(unsigned warp);
void emu_shadow_access(emu_thread *t, const void *p, size_t n, int how, const void *pc);
void emu_shadow_undefine(emu_thread *t, void *p, size_t n, const void *pc); /* a cp.async will write here */
void emu_shadow_alloc(emu_alloc *a);
void emu_shadow_free(emu_alloc *a);
void emu_shadow_op(int stream, uint64_t seq, const std::vector<uint64_t> &sees); /* an operation of a stream begins */
void emu_shadow_range(const void *p, size_t n, int how, const char *who);       /* by an operation that is no kernel */
void emu_shadow_copy(void *to, const void *from, size_t n, const char *who); /* to = NULL: to the host */
void emu_shadow_host_sees(const std::vector<uint64_t> &sees);
#else
static inline void emu_shadow_init(void) {}
static inline void emu_shadow_kernel(void) {}
static inline void emu_shadow_block(void) {}
static inline void emu_shadow_barrier(emu_thread **, int, bool) {}
static inline void emu_shadow_syncwarp(unsigned) {}
static inline void emu_shadow_access(emu_thread *, const void *, size_t, int, const void *) {}
static inline void emu_shadow_undefine(emu_thread *, void *, size_t, const void *) {}
static inline void emu_shadow_alloc(emu_alloc *) {}
static inline void emu_shadow_free(emu_alloc *) {}
static inline void emu_shadow_op(int, uint64_t, const std::vector<uint64_t> &) {}
static inline void emu_shadow_range(const void *, size_t, int, const char *) {}
static inline void emu_shadow_copy(void *, const void *, size_t, const char *) {}
static inline void emu_shadow_host_sees(const std::vector<uint64_t> &) {}
#endif

/* ---- counters (emu_count.cpp) ---- */
void emu_count_launch(const emu_launch_info *k);
void emu_count_access(emu_thread *t, const void *p, size_t n, int how, const void *pc);
void emu_count_block_end(void);
void emu_count_host_sync(void);
#endif
