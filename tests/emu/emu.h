/* What tests and host code may ask of the emulated device. Plain C. Settings also come from the environment, read at the first
 * CUDA call: EMU_ORDER=fwd|rev|rand:SEED  order of threads and blocks        EMU_LAZY=1      streams run only at syncs, in
 * random order EMU_GUARD=1  device memory is unreadable for the host           EMU_ASYNC=late|early|rand   when cp.async copies
 *   EMU_ARCH=80|86|89|90  limits of this chip (75: one too old)     EMU_MEM=bytes   EMU_DEVICES=n
 *   EMU_COUNT=1  counters (check build)                             EMU_SAMPLE=n    at most n blocks of a launch
 *   EMU_FAIL=launch:N|malloc:N  the N-th call fails                 EMU_SOURCE=0  reports without file and line (faster) */
#ifndef PT_EMU_H
#define PT_EMU_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* "plain", "check" or "asan": the build that is linked. */
const char *emu_build(void);
/* Sets one of the above by its environment name without EMU_ ("ORDER", "rand:7"); false when the value is unknown. */
int emu_setting(const char *name, const char *value);
/* Memory for launches of full size: reads as what it is mapped as (zero), counts as defined, costs only the pages touched. */
void *emu_malloc_sparse(size_t bytes);
/* Priority of the stream that the last collective of this process was given. */
extern int emu_collective_priority;
#ifdef __cplusplus
}
#endif
#endif
