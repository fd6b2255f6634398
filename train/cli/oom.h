/* The end of memory inside libraries that cannot report it. */
#ifndef PT_CLI_OOM_H
#define PT_CLI_OOM_H
/* Once, before any library is used. jansson drops failed allocations: they are remembered (pt_mem_watched). C++ libraries throw, which no C caller
 * survives; oneDNN does not look at what posix_memalign gave; HDF5 crashes or leaves (base/foreign.h). There the program ends at once, "error: out of
 * memory ...", exit code 1. Nothing half-written carries an output's name then; a run goes on from its last checkpoint. */
void pt_oom_install(void);
#endif
