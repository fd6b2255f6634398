/* The op table of the CUDA backend: every entry, no fallback. */
#include "kernels/cuda/op_args.cuh"

#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"

static void fill(pt_ops &t)
{
#ifdef CUDA_EMU
    t.name = "emulated";
    t.hosted = true;
#else
    t.name = "cuda";
#endif
    t.open = pt_cuda_open;
    t.close = pt_cuda_close;
    t.alloc = pt_cuda_alloc;
    t.free = pt_cuda_free;
    t.adopt = pt_cuda_adopt;
    t.upload = pt_cuda_upload;
    t.download = pt_cuda_download;
    t.zero = pt_cuda_zero;
    t.sync = pt_cuda_sync;
    t.forest_new = pt_cuda_forest_new;
    t.forest_set = pt_cuda_forest_set;
    t.forest_bytes = pt_cuda_forest_bytes;
    t.forest_free = pt_cuda_forest_free;
#define ENTRY(op, args) t.op = pt_cuda_##op;
    PT_OP_LIST(ENTRY)
#undef ENTRY
    t.memory = pt_cuda_memory;
    t.fetch = pt_cuda_fetch;
    t.apart = true;
    t.load = pt_cuda_load;
    t.packed_bytes = pt_cuda_packed_bytes;
    t.pack = pt_cuda_pack;
}

/* Filled anew at each call, with the same values: no guarded initialiser, whose hooks the check build does not have. */
extern "C" const pt_ops *pt_cuda_ops(void)
{
    static pt_ops table;
    fill(table);
    return &table;
}
