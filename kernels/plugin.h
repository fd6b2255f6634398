/* Backends opened at run time, so that one program runs on machines with and without a driver.
 *
 * A plugin is a shared object, libptrain-cuda.so (nvcc, the real libraries) or libptrain-emulated.so (the same sources on the emulated device,
 * tests/emu), beside the program or in <folder of the program>/../lib/ptrain. It exports
 *
 *   const pt_ops *pt_cuda_ops(void)        the op table
 *   const char *pt_cuda_why_not(void)      NULL when a usable device is there, else why not
 *   const pt_made_for *pt_cuda_made_for(void)   what it shares with the program it was built with: another program refuses it
 *   pt_nccl_open (train/dist/nccl.h)       the communicator of its device
 *
 * and holds no copy of base/ or of the C files of kernels/: those symbols resolve to the program's, which is linked with -rdynamic and keeps every
 * one of them by the table in plugin.c. So errors, logs and checks are shared. A plugin stays open until the process ends. */
#ifndef PT_KERNELS_PLUGIN_H
#define PT_KERNELS_PLUGIN_H
#include "kernels/ops.h"

typedef enum pt_plugin { PT_PLUGIN_CUDA, PT_PLUGIN_EMULATED } pt_plugin;

/* The op table of a plugin whose device can be used. PT_ENOSUP with the reason: not beside the program, does not load (which
 * library is missing), no driver, no GPU, an unsupported chip. May be called again. */
pt_status pt_plugin_open(pt_plugin which, const pt_ops **ops);
/* An exported symbol of the plugin that ops came from; NULL when it has none, or ops is built in. */
void *pt_plugin_symbol(const pt_ops *ops, const char *name);
/* Where to look first, before the places above (tests); NULL = nowhere. The text must stay. */
void pt_plugin_folder(const char *dir);
#endif
