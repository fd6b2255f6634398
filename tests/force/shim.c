/* The N-th call fails. A library to preload into a program (LD_PRELOAD), driven by tests/force/force.bash.
 *
 *   FORCE_KIND=mem|write|short|sync|rename|map|open   which calls; all counted from the start of main
 *   FORCE_AT=N FORCE_MODE=one|from|trap                the N-th (from 1) fails, or it and all after it; trap: it fails after a SIGTRAP, for gdb
 *   FORCE_LIST=FILE                                    fails nothing: writes "KIND total N" and "KIND N PLACE" a line for the first call of every
 *                                                      distinct place, so that each is tried once; PLACE is the same in every run
 * mem: malloc, calloc, realloc, posix_memalign, aligned_alloc, of every library (ENOMEM). write: write, pwrite, writev (ENOSPC), not
 * of the standard streams; short: the same write half of what they were given. sync: fsync, fdatasync (EIO). rename: rename,
 * renameat2, link (EIO). map: mmap (ENOMEM). open: open, openat (EMFILE). */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { MEM, WRITE, SHORT, SYNC, RENAME, MAP, OPEN, KINDS };
static const char *const names[KINDS] = {"mem", "write", "short", "sync", "rename", "map", "open"};
enum { FRAMES = 48, INNER = 2, OWN = 3, PLACES = 1 << 17 };
static uintptr_t text_start, text_end;
static struct place { uint64_t hash; uint32_t at; } places[KINDS][PLACES];
static long counts[KINDS], at;
static int which = -1, from, trap, listing;
static volatile int active;
static __thread int inside __attribute__((tls_model("initial-exec")));

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

/* The range of the program itself: the first object. */
static int find_program(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size, (void)user;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
        text_start = info->dlpi_addr + p->p_vaddr;
        text_end = text_start + p->p_memsz;
    }
    return 1;
}

/* An address as it is in every run: from the start of its object. */
static uintptr_t in_object(void *frame)
{
    static struct { void *frame; uintptr_t at; } known[1 << 12];
    size_t i = ((uintptr_t)frame ^ (uintptr_t)frame >> 12) % (sizeof known / sizeof *known);
    Dl_info in;
    if (known[i].frame == frame) return known[i].at;
    known[i].frame = frame;
    return known[i].at = (uintptr_t)frame - (dladdr(frame, &in) ? (uintptr_t)in.dli_fbase : 0);
}

/* A place: who asked (the innermost callers) and on whose behalf (the innermost callers within the program). */
static void note_place(int kind, long n)
{
    void *frames[FRAMES];
    uint64_t h = 0xcbf29ce484222325u;
    int depth = backtrace(frames, FRAMES), inner = 0, own = 0;
    for (int i = 2; i < depth && own < OWN; i++) {
        bool ours = (uintptr_t)frames[i] >= text_start && (uintptr_t)frames[i] < text_end;
        if (!ours && !own && inner >= INNER) continue;
        h = (h ^ in_object(frames[i])) * 0x100000001b3u;
        if (ours) own++;
        else inner++;
    }
    h |= 1;
    for (size_t i = h >> 20;; i++) {
        struct place *p = &places[kind][i % PLACES];
        if (p->hash == h) return;
        if (p->hash) continue;
        *p = (struct place){h, (uint32_t)n};
        return;
    }
}

/* Counts one call; whether it is to fail. */
static int due(int kind)
{
    if (!active || inside) return 0;
    long n = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_RELAXED);
    if (listing) {
        inside = 1;
        note_place(kind, n);
        inside = 0;
        return 0;
    }
    if (kind == which && n == at && trap) raise(SIGTRAP);
    return kind == which && (n == at || (from && n > at));
}

static void list_out(void)
{
    const char *path = getenv("FORCE_LIST");
    FILE *f = path ? fopen(path, "w") : NULL;
    active = 0;
    if (!f) return;
    for (int k = 0; k < KINDS; k++) {
        fprintf(f, "%s total %ld\n", names[k], counts[k]);
        for (size_t i = 0; i < PLACES; i++)
            if (places[k][i].hash) fprintf(f, "%s %u %016llx\n", names[k], places[k][i].at, (unsigned long long)places[k][i].hash);
    }
    fclose(f);
}

static int (*real_main)(int, char **, char **);
static int counted_main(int argc, char **argv, char **env)
{
    active = 1;
    int rc = real_main(argc, argv, env);
    if (listing) list_out();
    return rc;
}

int __libc_start_main(int (*main_fn)(int, char **, char **), int argc, char **argv, int (*init)(int, char **, char **), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(int (*main_fn)(int, char **, char **), int argc, char **argv, int (*init)(int, char **, char **), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    typedef int start_fn(int (*)(int, char **, char **), int, char **, int (*)(int, char **, char **), void (*)(void), void (*)(void), void *);
    start_fn *start = (start_fn *)dlsym(RTLD_NEXT, "__libc_start_main");
    const char *kind = getenv("FORCE_KIND"), *n = getenv("FORCE_AT"), *mode = getenv("FORCE_MODE");
    void *warm[4];
    for (int k = 0; kind && k < KINDS; k++)
        if (!strcmp(names[k], kind)) which = k;
    at = n ? strtol(n, NULL, 10) : 0;
    from = mode && !strcmp(mode, "from");
    trap = mode && !strcmp(mode, "trap");
    listing = getenv("FORCE_LIST") != NULL;
    if (listing) {
        backtrace(warm, 4);
        dl_iterate_phdr(find_program, NULL);
    }
    real_main = main_fn;
    return start(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

void *malloc(size_t n)
{
    return due(MEM) ? (errno = ENOMEM, NULL) : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return due(MEM) ? (errno = ENOMEM, NULL) : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return due(MEM) ? (errno = ENOMEM, NULL) : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return due(MEM) ? (errno = ENOMEM, NULL) : __libc_memalign(align, n);
}

void *memalign(size_t align, size_t n)
{
    return due(MEM) ? (errno = ENOMEM, NULL) : __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    if (due(MEM)) return ENOMEM;
    void *p = __libc_memalign(align, n);
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

static int fails(int kind, int error)
{
    if (!due(kind)) return 0;
    errno = error;
    return 1;
}

/* Of n bytes for fd: -1 = fail, else how many are written. */
static ssize_t room(int fd, size_t n)
{
    if (fd >= 0 && fd <= 2) return (ssize_t)n;
    if (fails(WRITE, ENOSPC)) return -1;
    return due(SHORT) && n > 1 ? (ssize_t)(n / 2) : (ssize_t)n;
}

ssize_t write(int fd, const void *p, size_t n)
{
    ssize_t k = room(fd, n);
    return k < 0 ? -1 : syscall(SYS_write, fd, p, (size_t)k);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t pos)
{
    ssize_t k = room(fd, n);
    return k < 0 ? -1 : syscall(SYS_pwrite64, fd, p, (size_t)k, pos);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t pos)
{
    return pwrite(fd, p, n, pos);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    if (fd > 2 && fails(WRITE, ENOSPC)) return -1;
    return syscall(SYS_writev, fd, v, fd > 2 && n > 1 && due(SHORT) ? 1 : n);
}

int fsync(int fd)
{
    return fails(SYNC, EIO) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fails(SYNC, EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *a, const char *b)
{
    return fails(RENAME, EIO) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0);
}

int renameat2(int ad, const char *a, int bd, const char *b, unsigned flags)
{
    return fails(RENAME, EIO) ? -1 : (int)syscall(SYS_renameat2, ad, a, bd, b, flags);
}

int link(const char *a, const char *b)
{
    return fails(RENAME, EIO) ? -1 : (int)syscall(SYS_linkat, AT_FDCWD, a, AT_FDCWD, b, 0);
}

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t pos)
{
    return fails(MAP, ENOMEM) ? MAP_FAILED : (void *)syscall(SYS_mmap, p, n, prot, flags, fd, pos);
}

void *mmap64(void *p, size_t n, int prot, int flags, int fd, off64_t pos)
{
    return mmap(p, n, prot, flags, fd, pos);
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    return fails(OPEN, EMFILE) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define MODE_OF(last, flags, mode)                                \
    mode_t mode = 0;                                              \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                        \
        va_list ap;                                               \
        va_start(ap, last);                                       \
        mode = va_arg(ap, mode_t);                                \
        va_end(ap);                                               \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags, flags, mode)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, flags, mode)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    MODE_OF(flags, flags, mode)
    return open_at(dir, path, flags, mode);
}
