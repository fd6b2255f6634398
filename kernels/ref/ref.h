/* pt_ops_ref: plain loops, sums in double. The specification that the other backends are tested against; it uses no workspace. */
#ifndef PT_KERNELS_REF_H
#define PT_KERNELS_REF_H
#include "kernels/check.h"
#include "kernels/op_list.h"
#include "kernels/ops.h"

#define PT_REF_DECL(name, args) pt_status pt_ref_##name(pt_ctx *ctx, const args *a);
PT_OP_LIST(PT_REF_DECL)
#undef PT_REF_DECL

pt_status pt_ref_forest_new(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps);
pt_status pt_ref_forest_set(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *d);
size_t pt_ref_forest_bytes(pt_ctx *ctx, const pt_forest_caps *caps);
void pt_ref_forest_free(pt_ctx *ctx, pt_forest *f);

/* Memory functions of the host: shared by ref and cpu. */
pt_status pt_host_alloc(pt_ctx *ctx, pt_buf *buf, size_t bytes);
void pt_host_free(pt_ctx *ctx, pt_buf *buf);
pt_status pt_host_adopt(pt_ctx *ctx, pt_buf *buf, const void *host, size_t bytes);
pt_status pt_host_upload(pt_ctx *ctx, pt_view dst, const void *src);
pt_status pt_host_download(pt_ctx *ctx, void *dst, pt_view src);
pt_status pt_host_zero(pt_ctx *ctx, pt_view v);
pt_status pt_host_sync(pt_ctx *ctx);
/* group_loss of ref and cpu; room for as many answers as there are groups, and pt_group_loss_numbers(). */
pt_status pt_host_group_loss(pt_ctx *ctx, const pt_group_loss_args *a, pt_core_answer *room, double *numbers);
#endif
