/* The CUDA backend's state of one context: the device, its streams, pinned staging, and cuBLASLt's plans; and what it counts.
 *
 * - compute: kernels, products and the copies of one step, in order (ctx->stream). copy: weights on their way in; compute waits
 *   for it by an event. The communicator has a stream of its own (train/dist).
 * - Host memory reaches the device through pinned blocks: upload() copies into the block and returns at once; a block is used
 *   again when an event says that its copies are over. Only download(), sync() and a full ring wait.
 * - Device memory: alloc() and adopt() are one cudaMalloc each; nothing else allocates on the device. A model takes one a
 *   role (train/model). */
#ifndef PT_KERNELS_DEVICE_CUDA_H
#define PT_KERNELS_DEVICE_CUDA_H
#include <cuda_runtime_api.h>

#include "kernels/ctx.h"

enum { PT_STAGE_BLOCKS = 4, PT_STAGE_BYTES = 2 << 20 };

/* A fetch under way: its bytes go from the block to the host when its copy is known to be over. */
typedef struct pt_cuda_fetching {
    unsigned char *to;
    const unsigned char *from;
    size_t bytes;
    int block;
} pt_cuda_fetching;

typedef struct pt_cuda_stage {
    unsigned char *memory; /* pinned, PT_STAGE_BLOCKS * PT_STAGE_BYTES */
    cudaEvent_t over[PT_STAGE_BLOCKS];
    bool pending[PT_STAGE_BLOCKS]; /* over[i] was recorded and not waited for */
    int block;                     /* the one being filled */
    size_t used;                   /* bytes of it */
    cudaStream_t stream;           /* that its copies went to; NULL = none yet */
    pt_cuda_fetching *fetches;     /* in order */
    size_t n_fetches, fetches_cap;
} pt_cuda_stage;

typedef struct pt_cuda_gemms pt_cuda_gemms; /* gemm_cuda.cu */

typedef struct pt_cuda_device {
    int id;
    int sms, threads; /* multiprocessors, and threads that one holds */
    char name[64];
    cudaStream_t compute, copy;
    cudaEvent_t copied;
    pt_cuda_stage stage;
    pt_cuda_gemms *gemms;
} pt_cuda_device;

#ifdef __cplusplus
extern "C" {
#endif
/* What the host did since the process began: budgets are differences of two readings. */
typedef struct pt_cuda_counts {
    unsigned long long launches; /* kernels */
    unsigned long long gemms;    /* products by cuBLASLt */
    unsigned long long copies;   /* asynchronous copies and fills */
    unsigned long long syncs;    /* times the host waited for the device */
    unsigned long long allocs;   /* cudaMalloc calls that worked */
    unsigned long long bytes;    /* device memory held now */
    unsigned long long peak;     /* and at most so far */
} pt_cuda_counts;
void pt_cuda_counts_get(pt_cuda_counts *out);
/* Waits after every launch, so that an error is reported by the kernel that made it (make test-gpu). */
void pt_cuda_each_sync(bool on);

/* NULL when a usable GPU is there; else why not, in one line: no driver, no GPU, a chip that is too old. */
const char *pt_cuda_why_not(void);

/* gemm_cuda.cu */
pt_status pt_cuda_gemms_new(pt_cuda_gemms **out);
void pt_cuda_gemms_free(pt_cuda_gemms *g);
unsigned long long pt_cuda_gemms_count(void);

/* error_cuda.cu: sets the message for a failed call: which call, on which device, the kernel launched last when the error may
 * be that kernel's. PT_ENOMEM for memory, else PT_EINTERNAL. */
pt_status pt_cuda_failed(const char *call, int error);
#ifdef __cplusplus
}
#endif
/* Inside functions that return a status. */
#define PT_CUDA_RETURN(call)                                                                                                   \
    do {                                                                                                                       \
        cudaError_t cuda_rc_ = (call);                                                                                         \
        if (cuda_rc_ != cudaSuccess) return pt_cuda_failed(#call, (int)cuda_rc_);                                              \
    } while (0)
#define PT_CUDA_TRY(call)                                                                                                      \
    do {                                                                                                                       \
        cudaError_t cuda_rc_ = (call);                                                                                         \
        if (cuda_rc_ != cudaSuccess) {                                                                                         \
            rc = pt_cuda_failed(#call, (int)cuda_rc_);                                                                         \
            goto done;                                                                                                         \
        }                                                                                                                      \
    } while (0)
#endif
