/* OPT: learned positions of which the first two rows are not used, LayerNorm with a bias, an MLP without a gate, ReLU. OPT-350M has its norms behind the
 * residual sums (do_layer_norm_before: false) and an embedding of another width than its blocks (word_embed_proj_dim). transformers' modeling_opt.py;
 * llama.cpp has none. */
#include "train/model/family_io.h"

enum { POSITION_OFFSET = 2 };

static void shape(pt_model_config *c)
{
    c->norm = PT_NORM_LAYER;
    c->norm_bias = c->qkv_bias = c->o_bias = c->mlp_bias = true;
    c->plain_mlp = true;
    c->act = PT_ACT_RELU;
}

static void derive(pt_model_config *c)
{
    c->learned_positions = c->max_positions;
    c->position_offset = POSITION_OFFSET;
    c->rot = 0;
    c->rope_theta = 0;
}

static const pt_size_keys sizes = {.ffn = "ffn_dim", .kv_heads = "", .head_dim = "", .eps = "", .eps_default = 1e-5, .tied_default = true};

static pt_status read_shapes(pt_model_config *c, const pt_hf_reader *r)
{
    static const struct {
        const char *key;
        bool usual;
    } keys[] = {{"layer_norm_elementwise_affine", true}, {"_remove_final_layer_norm", false}};
    int width;
    bool v, before;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        PT_RETURN(pt_key_bool(r, keys[i].key, keys[i].usual, &v));
        if (v != keys[i].usual) return pt_fail(PT_ENOSUP, "%s: %s: %s is not supported", r->where, keys[i].key, v ? "true" : "false");
    }
    PT_RETURN(pt_key_bool(r, "do_layer_norm_before", true, &before));
    c->sum_norm = !before;
    PT_RETURN(pt_key_int(r, "word_embed_proj_dim", c->hidden, &width));
    if (width < 1) return pt_fail(PT_EFORMAT, "%s: word_embed_proj_dim is %d", r->where, width);
    c->embed_width = width == c->hidden ? 0 : width;
    return PT_OK;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    bool bias;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(read_shapes(c, r));
    PT_RETURN(pt_hf_read_act(c, r, "activation_function", "relu"));
    PT_RETURN(pt_key_num(r->where, r->root, "init_std", 0.02, &c->initializer_range));
    PT_RETURN(pt_key_bool(r, "enable_bias", true, &bias));
    c->qkv_bias = c->o_bias = c->mlp_bias = bias;
    derive(c);
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    if (c->head_dim * c->heads != c->hidden || c->kv_heads != c->heads)
        return pt_fail(PT_ENOSUP, "Hugging Face's opt has as many key heads as heads, of hidden / heads features; this model has %d and %d of %d", c->kv_heads, c->heads,
                       c->head_dim);
    PT_RETURN(pt_hf_write_sizes(out, c, &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "activation_function"));
    PT_RETURN(pt_hf_set_num(out, "init_std", c->initializer_range));
    PT_RETURN(pt_hf_set_int(out, "word_embed_proj_dim", pt_config_embed(c)));
    PT_RETURN(pt_hf_set_bool(out, "do_layer_norm_before", !c->sum_norm));
    return pt_hf_set_bool(out, "enable_bias", c->mlp_bias);
}

static const pt_part_name names[] = {
    {PT_MOD_O, "self_attn.out_proj", NULL},
    {PT_MOD_UP, "fc1", NULL},
    {PT_MOD_DOWN, "fc2", NULL},
    {PT_PART_NORM, "final_layer_norm", NULL},
    {PT_PART_NORM1, "self_attn_layer_norm", NULL},
    {PT_PART_NORM2, "final_layer_norm", NULL},
    {0, NULL, NULL},
};
static const char *const reads[] = {"do_layer_norm_before", "word_embed_proj_dim", NULL};

const pt_family pt_family_opt = {.name = "opt", .title = "opt", .causal = "OPTForCausalLM", .classifier = "OPTForSequenceClassification", .trunk = "model.decoder.",
                                 .names = names, .reads = reads, .shape = shape, .derive = derive, .from_hf = from_hf, .to_hf = to_hf};
