#include "kernels/cpu/isa.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "kernels/ops.h"

static const char *const names[] = {"base", "avx2", "avx512", "avx512vnni"};
static _Atomic int level = -1; /* -1 = not looked at yet */

static int best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
        return __builtin_cpu_supports("avx512vnni") ? PT_ISA_LEVEL_AVX512_VNNI : PT_ISA_LEVEL_AVX512;
    /* every processor with AVX2 and FMA also has the rest of x86-64-v3 (bmi, bmi2, f16c, lzcnt, movbe) */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return PT_ISA_LEVEL_AVX2;
#endif
    return PT_ISA_LEVEL_BASE;
}

pt_isa pt_isa_level(void)
{
    int l = atomic_load_explicit(&level, memory_order_relaxed);
    if (l < 0) {
        l = best();
        atomic_store_explicit(&level, l, memory_order_relaxed);
    }
    return (pt_isa)l;
}

const char *pt_cpu_isa(void)
{
    return names[pt_isa_level()];
}

const char *pt_cpu_isa_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

pt_status pt_cpu_isa_set(const char *name)
{
    int l = best(), want = 0, count = (int)(sizeof names / sizeof *names);
    if (!name) {
        atomic_store(&level, l);
        return PT_OK;
    }
    while (want < count && strcmp(names[want], name)) want++;
    if (want == count) return pt_fail(PT_EARG, "unknown instruction set '%s': base, avx2, avx512 or avx512vnni", name);
    if (want > l) return pt_fail(PT_EARG, "this processor has no %s (it has %s)", name, names[l]);
    atomic_store(&level, want);
    return PT_OK;
}
