/* Every op, once, as X(name, type of its arguments): backends declare their functions and fill their tables from it. Not here: memory,
 * transfers and forests, whose functions differ in their arguments (ops.h). */
#ifndef PT_KERNELS_OP_LIST_H
#define PT_KERNELS_OP_LIST_H
#define PT_OP_LIST(X)                         \
    X(embed, pt_embed_args)                   \
    X(embed_bwd, pt_embed_bwd_args)           \
    X(gather, pt_gather_args)                 \
    X(scatter_add, pt_gather_args)            \
    X(cast, pt_cast_args)                     \
    X(axpby, pt_axpby_args)                   \
    X(clamp, pt_clamp_args)                   \
    X(clamp_bwd, pt_clamp_bwd_args)           \
    X(rmsnorm, pt_rmsnorm_args)               \
    X(rmsnorm_bwd, pt_rmsnorm_bwd_args)       \
    X(layernorm, pt_layernorm_args)           \
    X(layernorm_bwd, pt_layernorm_bwd_args)   \
    X(rope_table, pt_rope_table_args)         \
    X(rope, pt_rope_args)                     \
    X(norm_rope, pt_norm_rope_args)           \
    X(norm_rope_bwd, pt_norm_rope_bwd_args)   \
    X(attention, pt_attention_args)           \
    X(attention_bwd, pt_attention_bwd_args)   \
    X(decode_attention, pt_decode_args)       \
    X(gated, pt_gated_args)                   \
    X(gated_bwd, pt_gated_bwd_args)           \
    X(linear, pt_linear_args)                 \
    X(linear_bwd_x, pt_linear_bwd_x_args)     \
    X(linear_bwd_w, pt_linear_bwd_w_args)     \
    X(lora, pt_lora_args)                     \
    X(lora_bwd, pt_lora_args)                 \
    X(head, pt_head_args)                     \
    X(group_loss, pt_group_loss_args)         \
    X(sumsq, pt_sumsq_args)                   \
    X(clip, pt_clip_args)                     \
    X(token_sums, pt_token_sums_args)         \
    X(adamw, pt_adamw_args)                   \
    X(sample, pt_sample_args)
#endif
