/* Counters of the emulated device. Launches and host syncs are always counted; memory traffic a kernel with EMU_COUNT=1 in the
 * check build. Plain C. */
#ifndef PT_EMU_COUNTERS_H
#define PT_EMU_COUNTERS_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct emu_kernel_counts {
    const char *name;           /* EMU_COUNT=1: as the compiler calls the instance: "norm_k<bf16, 8>"; else, and in a stripped
                                   program, as written at the launch */
    uint64_t launches, blocks;  /* blocks that ran */
    uint64_t read_bytes, write_bytes;     /* of global memory, as the threads asked */
    uint64_t read_sectors, write_sectors; /* 32-byte sectors, counted once per access of a warp */
    uint64_t unique_read_sectors, unique_write_sectors; /* distinct sectors of each launch, summed over launches */
    uint64_t accesses;          /* of warps to global memory */
    uint64_t shared_accesses;   /* of warps to shared memory, in phases of at most 128 bytes */
    uint64_t shared_cycles;     /* phases weighted with their bank conflicts: equal to shared_accesses when there are none */
    uint64_t shared_worst;      /* the worst phase: 1 = no conflict */
    uint64_t atomics;           /* of threads to global memory */
    uint64_t threads, dynamic;  /* of a block, and its dynamic shared memory: the most seen */
    uint64_t least_grid;        /* blocks of the smallest launch, whether all ran or not (EMU_SAMPLE) */
} emu_kernel_counts;
/* The kernels seen since the last reset; *n entries, valid until the next launch or reset. */
const emu_kernel_counts *emu_counts(size_t *n);
/* NULL when no kernel of this name ran. `name` may leave out the template arguments: then the first that fits. */
const emu_kernel_counts *emu_counts_of(const char *name);
uint64_t emu_launch_count(void);
uint64_t emu_host_sync_count(void);
/* EMU_COUNT_FILE=path: before a reset and at exit, the kernels' lines are added to that file (tests/emu/gpu_report.sh). */
void emu_counts_reset(void);
#ifdef __cplusplus
}
#endif
#endif
