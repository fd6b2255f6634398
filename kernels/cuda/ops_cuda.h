/* The entries of the CUDA backend's op table (ops_cuda.cu), and what the plugin exports. */
#ifndef PT_KERNELS_OPS_CUDA_H
#define PT_KERNELS_OPS_CUDA_H
#include "kernels/op_list.h"
#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif
/* The table; its name is "cuda", or "emulated" in an emulated build. */
const pt_ops *pt_cuda_ops(void);

pt_status pt_cuda_open(pt_ctx *ctx, pt_compute compute);
void pt_cuda_close(pt_ctx *ctx);
pt_status pt_cuda_alloc(pt_ctx *ctx, pt_buf *buf, size_t bytes);
void pt_cuda_free(pt_ctx *ctx, pt_buf *buf);
pt_status pt_cuda_adopt(pt_ctx *ctx, pt_buf *buf, const void *host, size_t bytes);
pt_status pt_cuda_upload(pt_ctx *ctx, pt_view dst, const void *src);
pt_status pt_cuda_download(pt_ctx *ctx, void *dst, pt_view src);
pt_status pt_cuda_zero(pt_ctx *ctx, pt_view v);
pt_status pt_cuda_sync(pt_ctx *ctx);
pt_status pt_cuda_fetch(pt_ctx *ctx, void *dst, pt_view src);
pt_status pt_cuda_memory(pt_ctx *ctx, size_t *free_bytes, size_t *total);
pt_status pt_cuda_forest_new(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps);
pt_status pt_cuda_forest_set(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *d);
size_t pt_cuda_forest_bytes(pt_ctx *ctx, const pt_forest_caps *caps);
void pt_cuda_forest_free(pt_ctx *ctx, pt_forest *f);
pt_status pt_cuda_load(pt_ctx *ctx, pt_view dst, const void *src);
/* dequant.cu */
size_t pt_cuda_packed_bytes(const pt_ctx *ctx, pt_form form, pt_view w);
pt_status pt_cuda_pack(pt_ctx *ctx, pt_view w, void *to);
#define PT_CUDA_DECL(name, args) pt_status pt_cuda_##name(pt_ctx *ctx, const args *a);
PT_OP_LIST(PT_CUDA_DECL)
#undef PT_CUDA_DECL
#ifdef __cplusplus
}
#endif
#endif
