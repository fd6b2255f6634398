/* Vector kernels: one source, compiled once per instruction set, chosen at run time.
 *
 * Files named *_v.c are compiled with PT_ISA = base, avx2, avx512 (see the Makefile). They define their functions as PT_V(name), and
 * the module's header declares them by PT_V_DECL(ret, name, (args)). Callers in other files write PT_PICK(name)(args).
 * avx512vnni is avx512 with the byte products of digits_v.h and lanes_v.h.
 * Every variant gives results that are correct; bits may differ between variants, so a checkpoint stores the name. */
#ifndef PT_KERNELS_ISA_H
#define PT_KERNELS_ISA_H

#define PT_CAT2_(a, b) a##_##b
#define PT_CAT2(a, b) PT_CAT2_(a, b)
#ifdef PT_ISA
#define PT_V(name) PT_CAT2(name, PT_ISA)
#endif

typedef enum pt_isa { PT_ISA_LEVEL_BASE, PT_ISA_LEVEL_AVX2, PT_ISA_LEVEL_AVX512, PT_ISA_LEVEL_AVX512_VNNI } pt_isa;
/* The level in use: the best one that the processor has, or the forced one (pt_cpu_isa_set). */
pt_isa pt_isa_level(void);
/* The names of the levels, as pt_cpu_isa() says them (kernels/ops.h), the plainest first; NULL past the last. */
const char *pt_cpu_isa_name(int i);

#if defined(__x86_64__)
#define PT_V_DECL(ret, name, args) \
    ret name##_base args;          \
    ret name##_avx2 args;          \
    ret name##_avx512 args
#define PT_PICK(name) \
    (pt_isa_level() >= PT_ISA_LEVEL_AVX512 ? name##_avx512 : pt_isa_level() == PT_ISA_LEVEL_AVX2 ? name##_avx2 : name##_base)
#else
#define PT_V_DECL(ret, name, args) ret name##_base args
#define PT_PICK(name) name##_base
#endif
#endif
