/* The op table: everything that runs on a device. One implementation per backend; nothing outside kernels/ and train/dist knows which.
 * Implementations: pt_ops_ref (plain loops in double: the specification), pt_ops_cpu (OpenMP + oneDNN), the CUDA plugin. */
#ifndef PT_KERNELS_OPS_H
#define PT_KERNELS_OPS_H
#include "base/version.h"
#include "kernels/adam.h"
#include "kernels/attention.h"
#include "kernels/clamp.h"
#include "kernels/head.h"
#include "kernels/linear.h"
#include "kernels/lora.h"
#include "kernels/loss.h"
#include "kernels/mlp.h"
#include "kernels/move.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/rope.h"
#include "kernels/sample.h"

/* What a second form of a matrix is for. */
typedef enum pt_form {
    PT_FORM_DECODE,  /* products of few rows */
    PT_FORM_PRODUCTS /* products of many: numbers of ctx->act, dense [rows + room_rows, cols + room_cols] with the rooms of w.buf; pt_buf.kept */
} pt_form;

typedef struct pt_ops {
    const char *name; /* "ref", "cpu", "cuda", "emulated" */
    bool apart;       /* the device has memory of its own: weights are copied to it, and a step should wait for it once only */
    bool hosted;      /* apart, but in this process's memory all the same (emulated) */
    /* where several variants of the kernels and several multiply types are to be chosen from; NULL elsewhere */
    pt_status (*measure)(double *f32_gflops, double *bf16_gflops); /* rates of a product, in about 30 ms; 0: the type is not there */
    const char *(*isa)(void);                /* the variant in use: "avx512", "avx2", "base" */
    pt_status (*isa_set)(const char *name);  /* takes another; PT_EARG when this processor lacks it, NULL = the best */
    /* a second form of a whole frozen matrix: its bytes (0: this backend, type or processor has none, or gains nothing), and what writes it, of the backend's
       one kind (64-byte aligned). pt_buf.packed says where it is; the matrix itself stays for all else. NULL: no second forms */
    size_t (*packed_bytes)(const pt_ctx *ctx, pt_form form, pt_view w);
    pt_status (*pack)(pt_ctx *ctx, pt_view w, void *to);
    /* device and memory */
    pt_status (*open)(pt_ctx *ctx, pt_compute compute); /* fills device, stream, compute, act; PT_ENOSUP says why */
    void (*close)(pt_ctx *ctx);
    pt_status (*alloc)(pt_ctx *ctx, pt_buf *buf, size_t bytes);             /* 64-byte aligned, not cleared */
    void (*free)(pt_ctx *ctx, pt_buf *buf);
    pt_status (*adopt)(pt_ctx *ctx, pt_buf *buf, const void *host, size_t bytes); /* host memory as a read-only buffer: wrapped on the CPU (must
                                                                                outlive buf), copied to the device elsewhere; released by free */
    pt_status (*upload)(pt_ctx *ctx, pt_view dst, const void *src);   /* dense host rows of dst.cols -> view; src is free on return */
    pt_status (*download)(pt_ctx *ctx, void *dst, pt_view src);       /* view -> dense host rows; waits */
    pt_status (*fetch)(pt_ctx *ctx, void *dst, pt_view src);          /* download() that need not wait: dst must stay, and is filled when the next
                                                                         download() or sync() returns */
    pt_status (*load)(pt_ctx *ctx, pt_view dst, const void *src);     /* upload() beside the stream, into memory that nothing issued so far uses;
                                                                         what is issued later waits for it */
    pt_status (*zero)(pt_ctx *ctx, pt_view v);
    pt_status (*sync)(pt_ctx *ctx);
    pt_status (*memory)(pt_ctx *ctx, size_t *free_bytes, size_t *total); /* of a device apart now; NULL elsewhere */
    /* forest tile lists */
    pt_status (*forest_new)(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps);
    pt_status (*forest_set)(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *d);
    size_t (*forest_bytes)(pt_ctx *ctx, const pt_forest_caps *caps);  /* for the plan */
    void (*forest_free)(pt_ctx *ctx, pt_forest *f);
    /* ops */
    pt_status (*embed)(pt_ctx *, const pt_embed_args *);
    pt_status (*embed_bwd)(pt_ctx *, const pt_embed_bwd_args *);
    pt_status (*gather)(pt_ctx *, const pt_gather_args *);
    pt_status (*scatter_add)(pt_ctx *, const pt_gather_args *);
    pt_status (*cast)(pt_ctx *, const pt_cast_args *);
    pt_status (*axpby)(pt_ctx *, const pt_axpby_args *);
    pt_status (*clamp)(pt_ctx *, const pt_clamp_args *);
    pt_status (*clamp_bwd)(pt_ctx *, const pt_clamp_bwd_args *);
    pt_status (*rmsnorm)(pt_ctx *, const pt_rmsnorm_args *);
    pt_status (*rmsnorm_bwd)(pt_ctx *, const pt_rmsnorm_bwd_args *);
    pt_status (*layernorm)(pt_ctx *, const pt_layernorm_args *);
    pt_status (*layernorm_bwd)(pt_ctx *, const pt_layernorm_bwd_args *);
    pt_status (*rope_table)(pt_ctx *, const pt_rope_table_args *);
    pt_status (*rope)(pt_ctx *, const pt_rope_args *);
    pt_status (*norm_rope)(pt_ctx *, const pt_norm_rope_args *);
    pt_status (*norm_rope_bwd)(pt_ctx *, const pt_norm_rope_bwd_args *);
    pt_status (*attention)(pt_ctx *, const pt_attention_args *);
    pt_status (*attention_bwd)(pt_ctx *, const pt_attention_bwd_args *);
    pt_status (*decode_attention)(pt_ctx *, const pt_decode_args *);
    pt_status (*gated)(pt_ctx *, const pt_gated_args *);
    pt_status (*gated_bwd)(pt_ctx *, const pt_gated_bwd_args *);
    pt_status (*linear)(pt_ctx *, const pt_linear_args *);
    pt_status (*linear_bwd_x)(pt_ctx *, const pt_linear_bwd_x_args *);
    pt_status (*linear_bwd_w)(pt_ctx *, const pt_linear_bwd_w_args *);
    pt_status (*lora)(pt_ctx *, const pt_lora_args *);
    pt_status (*lora_bwd)(pt_ctx *, const pt_lora_args *);
    pt_status (*head)(pt_ctx *, const pt_head_args *);
    pt_status (*group_loss)(pt_ctx *, const pt_group_loss_args *);
    pt_status (*sumsq)(pt_ctx *, const pt_sumsq_args *);
    pt_status (*clip)(pt_ctx *, const pt_clip_args *);
    pt_status (*token_sums)(pt_ctx *, const pt_token_sums_args *);
    pt_status (*adamw)(pt_ctx *, const pt_adamw_args *);
    pt_status (*sample)(pt_ctx *, const pt_sample_args *);
} pt_ops;

extern const pt_ops pt_ops_ref, pt_ops_cpu;

/* Measures f32 against bf16 GEMM for about 20 ms and says which is faster (compute: auto); rates in GF/s. CPU backend. */
pt_status pt_cpu_measure(double *f32_gflops, double *bf16_gflops);
/* "avx512", "avx2", "base": the variant of the vector kernels in use. */
const char *pt_cpu_isa(void);
/* What multiplies (base/version.h). */
void pt_cpu_library(char out[PT_LIBRARY_NAME]);
/* Forces a variant for tests and for resuming under the same arithmetic: PT_EARG when this processor lacks it. NULL = the best. */
pt_status pt_cpu_isa_set(const char *name);
#endif
