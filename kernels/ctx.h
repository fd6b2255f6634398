/* The context of every op: which device, where its scratch is, and whether this is a dry run.
 *
 * Conventions of the op table
 * - status op(ctx, args). Arguments are views (base/tensor.h), never bare pointers into device memory; small host tables
 *   (runs, slots) are plain host arrays that the op may read only during the call.
 * - Ops are issued to ctx's stream; results are there for later ops of the same ctx. Only download() and sync() wait.
 * - Activations have ctx->act as element type (f32 on the CPU; f32 or bf16 on a GPU). Weights have their stored type. Gradients
 *   of trained parts, statistics (rstd, lse) and losses are f32. Accumulation is in f32 or better everywhere.
 * - beta 0 overwrites, beta 1 accumulates (beta 0 never reads the output).
 * - Dry run (ctx->dry): the op checks shapes, touches no data, and raises ctx->workspace_need to what the real call would use of
 *   ctx->workspace. That need is a pure function of the args' sizes and grows with them (monotone), so that a dry run
 *   at an epoch's maxima bounds every step.
 * - Deterministic: the same bits for the same args, compute type, instruction set and thread count; attention and reductions
 *   do not depend on the thread count.
 * - N = 0 rows is a no-op. Wrong shapes are PT_ESHAPE, unsupported types PT_ENOSUP. Ops never call ops, but for lora's base product (kernels/lora.h). */
#ifndef PT_KERNELS_CTX_H
#define PT_KERNELS_CTX_H
#include "base/arena.h"

struct pt_ops;

typedef enum pt_compute { PT_COMPUTE_F32, PT_COMPUTE_BF16 } pt_compute; /* multiply type of GEMMs; sums are f32 in both */

typedef struct pt_ctx {
    const struct pt_ops *ops;
    void *device;          /* the backend's own state */
    void *stream;          /* the backend's own */
    pt_compute compute;
    pt_dtype act;          /* element type of activations */
    bool dry;
    pt_view workspace;     /* u8, [1, bytes] */
    size_t workspace_need; /* bytes, raised by dry calls */
    struct pt_profile *profile; /* NULL = off; else seconds, FLOPs and calls an op (kernels/profile.h) */
    int index;                  /* set before open: which of the machine's devices this process takes (its rank on the machine) */
} pt_ctx;
#endif
