/* Whether sizes and switches of a config fit together. */
#include "train/model/families.h"

static pt_status check_switches(const pt_model_config *c, const char *where)
{
    const struct {
        const char *name;
        double v;
    } scales[] = {
        {"logits are capped", (double)c->logit_softcap},      {"attention scores are capped", (double)c->attn_softcap},
        {"embeddings are scaled", (double)c->embed_scale},    {"residual branches are scaled", (double)c->residual_scale},
        {"logits are scaled", (double)c->logit_scale},        {"attention scores are scaled", (double)c->attn_scale},
        {"local rope theta is set", c->rope_local_theta},     {"ALiBi is scaled", (double)c->alibi},
        {"q, k and v are clipped", (double)c->clip_qkv},
    };
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        if (!(scales[i].v >= 0 && scales[i].v < 1e30)) return pt_fail(PT_EFORMAT, "%s: %s at %g", where, scales[i].name, scales[i].v);
    if (c->learned_positions < 0 || c->position_offset < 0 || c->position_offset > 1024)
        return pt_fail(PT_EFORMAT, "%s: %d learned positions behind %d", where, c->learned_positions, c->position_offset);
    if (c->fused_qkv && c->qk_norm) return pt_fail(PT_ENOSUP, "%s: norms of q and k that come out of one matrix are not supported", where);
    if (c->norm == PT_NORM_LAYER && c->qk_norm && c->qk_norm != PT_QK_NORM_EACH)
        return pt_fail(PT_ENOSUP, "%s: LayerNorm over q and k by one weight for all heads is not supported", where);
    if (c->parallel && (c->post_norm || c->no_pre_norm || c->residual_scale > 0))
        return pt_fail(PT_ENOSUP, "%s: a parallel block with norms behind it, without norms before it or with a scaled residual is not supported", where);
    if (c->post_norm && c->residual_scale > 0) return pt_fail(PT_ENOSUP, "%s: norms behind attention and MLP beside a scaled residual are not supported", where);
    if (c->sum_norm && (c->parallel || c->post_norm || c->no_pre_norm || c->residual_scale > 0))
        return pt_fail(PT_ENOSUP, "%s: norms behind the residual sums beside other places of norms, parallel blocks or a scaled residual are not supported", where);
    if (c->norm_plain && (c->sum_norm || c->post_norm || c->no_pre_norm || c->qk_norm || c->norm_bias))
        return pt_fail(PT_ENOSUP, "%s: norms without weights in other places than before attention and MLP are not supported", where);
    if (c->clip_qkv > 0 && (c->fused_qkv || c->qk_norm))
        return pt_fail(PT_ENOSUP, "%s: clipped q, k and v that come out of one matrix or are normed are not supported", where);
    if (c->plain_mlp && c->fused_gate_up) return pt_fail(PT_EINTERNAL, "%s: a plain MLP has no gate", where);
    return PT_OK;
}

pt_status pt_config_check(const pt_model_config *c, const char *where)
{
    const struct {
        const char *name;
        int v, max;
    } sizes[] = {
        {"vocabulary size", c->vocab, 1 << 24}, {"hidden size", c->hidden, 1 << 20}, {"feed-forward size", c->ffn, 1 << 22},
        {"number of layers", c->layers, PT_MAX_LAYERS},  {"number of heads", c->heads, 4096}, {"number of KV heads", c->kv_heads, 4096},
        {"head size", c->head_dim, 1 << 12},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].v < 1 || sizes[i].v > sizes[i].max)
            return pt_fail(PT_EFORMAT, "%s: the %s is %d, not in 1..%d", where, sizes[i].name, sizes[i].v, sizes[i].max);
    if (c->embed_width < 0 || c->embed_width > c->hidden)
        return pt_fail(PT_ENOSUP, "%s: embeddings of %d features for a model of %d: at most as many are supported", where, c->embed_width, c->hidden);
    if (c->heads % c->kv_heads)
        return pt_fail(PT_EFORMAT, "%s: %d heads cannot share %d KV heads", where, c->heads, c->kv_heads);
    if (c->rot < 0 || c->rot % 2 || c->rot > c->head_dim || (c->rot == 0 && c->rope_theta > 0))
        return pt_fail(PT_EFORMAT, "%s: %d rotary features of a head of %d", where, c->rot, c->head_dim);
    if (!(c->norm_eps >= 0) || (c->rot && !(c->rope_theta > 0)))
        return pt_fail(PT_EFORMAT, "%s: norm eps %g, rope theta %g", where, (double)c->norm_eps, c->rope_theta);
    return check_switches(c, where);
}
