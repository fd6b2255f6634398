/* What instrumented kernels call: the __tsan_* functions of -fsanitize=thread, atomics, and copies that the compiler made of
 * structs. Accesses are sorted by where they go: shared or device memory to the shadow and the counters, the thread's own stack
 * and constants pass, anything else is host memory that a kernel has no business with. */
#include <link.h>
#include <string.h>

#include "emu_rt.h"

#if EMU_CHECK
namespace {
struct span { const char *from, *to; };
std::vector<span> constants; /* read-only segments of the program and its libraries */
size_t modules;

int add_segments(struct dl_phdr_info *info, size_t, void *)
{
    modules++;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &h = info->dlpi_phdr[i];
        bool ro = h.p_type == PT_LOAD && !(h.p_flags & PF_W);
        if (ro || h.p_type == PT_GNU_RELRO) {
            const char *p = (const char *)info->dlpi_addr + h.p_vaddr;
            constants.push_back({p, p + h.p_memsz});
        }
    }
    return 0;
}

bool is_constant(const char *p)
{
    for (int again = 0; again < 2; again++) {
        for (const span &s : constants)
            if (p >= s.from && p < s.to) return true;
        if (again) break;
        constants.clear(); /* first use, or a library came in since */
        dl_iterate_phdr(add_segments, NULL);
    }
    return false;
}

void elsewhere(const char *p, size_t n, bool write, const void *pc)
{
    if ((size_t)(p - (const char *)&emu_now) < sizeof emu_now && !write) return;
    if ((size_t)(p - emu_kernel->args.data()) < emu_kernel->args.size() && !write) return;
    if (!write && is_constant(p)) return;
    emu_fault_pc = pc;
    bool stack = (size_t)(p - emu_stacks) < emu_stacks_bytes;
    emu_die(97, "%s of %zu bytes at %p: %s", write ? "write" : "read", n, (const void *)p,
            stack ? "a local variable of another thread" : "host memory in a kernel");
}

inline void access(const void *ptr, size_t n, int how, const void *pc, bool aligned)
{
    const char *p = (const char *)ptr;
    if (emu_cur && (size_t)(p - (const char *)emu_cur->ctx.bottom) < emu_cur->ctx.size) return; /* its own stack */
    bool device = emu_is_dev(p);
    if (!emu_cur) {
        if (device) {
            emu_fault_pc = pc;
            emu_die(97, "the host %s device memory at %p", how == EMU_READ ? "reads" : "writes", ptr);
        }
        return;
    }
    if (!device && !emu_in_shared(p)) {
        elsewhere(p, n, how != EMU_READ, pc);
        return;
    }
    if (aligned && (uintptr_t)p % n) {
        emu_fault_pc = pc;
        emu_die(97, "misaligned access of %zu bytes at %p", n, ptr);
    }
    emu_shadow_access(emu_cur, p, n, how, pc);
    if (emu_set.count) emu_count_access(emu_cur, p, n, how, pc);
}
}
#define PC __builtin_return_address(0)
#define HOOK(n)                                                                                        \
    void __tsan_read##n(void *p) { access(p, n, EMU_READ, PC, true); }                                 \
    void __tsan_write##n(void *p) { access(p, n, EMU_WRITE, PC, true); }                               \
    void __tsan_volatile_read##n(void *p) { access(p, n, EMU_READ, PC, true); }                        \
    void __tsan_volatile_write##n(void *p) { access(p, n, EMU_WRITE, PC, true); }                      \
    void __tsan_unaligned_read##n(void *p) { access(p, n, EMU_READ, PC, false); }                      \
    void __tsan_unaligned_write##n(void *p) { access(p, n, EMU_WRITE, PC, false); }                    \
    void __tsan_read_write##n(void *p) { access(p, n, EMU_READ, PC, true), access(p, n, EMU_WRITE, PC, true); } \
    void __tsan_unaligned_read_write##n(void *p) { access(p, n, EMU_READ, PC, false), access(p, n, EMU_WRITE, PC, false); }
#pragma GCC diagnostic ignored "-Wmissing-declarations"
extern "C" {
HOOK(1)
HOOK(2)
HOOK(4)
HOOK(8)
HOOK(16)
void __tsan_read_range(void *p, size_t n) { access(p, n, EMU_READ, PC, false); }
void __tsan_write_range(void *p, size_t n) { access(p, n, EMU_WRITE, PC, false); }
void __tsan_init(void) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void *emu_memcpy(void *d, const void *s, size_t n)
{
    if (emu_cur) access(s, n, EMU_READ, PC, false), access(d, n, EMU_WRITE, PC, false);
    return memcpy(d, s, n);
}
void *emu_memmove(void *d, const void *s, size_t n)
{
    if (emu_cur) access(s, n, EMU_READ, PC, false), access(d, n, EMU_WRITE, PC, false);
    return memmove(d, s, n);
}
void *emu_memset(void *d, int v, size_t n)
{
    if (emu_cur) access(d, n, EMU_WRITE, PC, false);
    return memset(d, v, n);
}
void *__tsan_memcpy(void *d, const void *s, size_t n) { return emu_memcpy(d, s, n); }
void *__tsan_memmove(void *d, const void *s, size_t n) { return emu_memmove(d, s, n); }
void *__tsan_memset(void *d, int v, size_t n) { return emu_memset(d, v, n); }
}

/* ---- undefined behaviour: the data that the compiler passes starts with the place ---- */
namespace {
struct source_place { const char *file; uint32_t line, column; };
void __attribute__((noreturn)) undefined_behaviour(const void *data, const char *what, const void *pc)
{
    const source_place *at = (const source_place *)data;
    emu_fault_pc = pc;
    emu_die(97, "%s at %s:%u", what, at->file ? at->file : "?", at->line);
}
}
#define UB(name, what, ...) \
    void __attribute__((noreturn)) __ubsan_handle_##name##_abort(void *data, __VA_ARGS__) { undefined_behaviour(data, what, PC); }
extern "C" {
UB(out_of_bounds, "index past the end of an array", void *)
UB(add_overflow, "a sum overflows its integer type", void *, void *)
UB(sub_overflow, "a difference overflows its integer type", void *, void *)
UB(mul_overflow, "a product overflows its integer type", void *, void *)
UB(negate_overflow, "a negation overflows its integer type", void *)
UB(divrem_overflow, "a division by zero, or its overflow", void *, void *)
UB(shift_out_of_bounds, "a shift by more than the type has bits", void *, void *)
}

void emu_vec_access(const void *p, int n, int how)
{
    bool shared = emu_in_shared(p), own = emu_cur && (size_t)((const char *)p - (const char *)emu_cur->ctx.bottom) < emu_cur->ctx.size;
    if (how && (shared != (how == 2) || own)) {
        emu_fault_pc = PC;
        emu_die(97, "a store to %s memory at %p, which is none", how == 2 ? "shared" : "global", p);
    }
    access(p, (size_t)n, how ? EMU_WRITE : EMU_READ, PC, true);
}
#endif

void emu_atomic_access(const void *p, int bytes)
{
    if (!emu_is_dev(p) && !emu_in_shared(p)) emu_die(97, "atomic operation on %p: neither device nor shared memory", p);
    if ((uintptr_t)p % (unsigned)bytes) emu_die(97, "misaligned atomic operation of %d bytes at %p", bytes, p);
    emu_shadow_access(emu_cur, p, (size_t)bytes, EMU_ATOMIC, __builtin_return_address(0));
    if (emu_set.count) emu_count_access(emu_cur, p, (size_t)bytes, EMU_ATOMIC, __builtin_return_address(0));
}
