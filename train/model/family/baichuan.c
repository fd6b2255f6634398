/* Baichuan 1 and 2: Llama with q, k and v in one matrix (W_pack). The 7B rotate; the 13B have ALiBi (no max_position_embeddings, but model_max_length).
 * Baichuan 2 (vocabulary 125,696) takes logits by a head whose rows have length 1 (NormHead). Its code lies with the models on the hub
 * (modeling_baichuan.py). llama.cpp's baichuan knows 32 layers that rotate and 40 with ALiBi, and a plain head: exports hold the rows normed. */
#include "train/model/family_io.h"

enum { NORMED_VOCABULARY = 125696, ALIBI_LAYERS = 40 };

static const pt_part_name names[] = {{PT_MOD_QKV, "self_attn.W_pack", "attn_qkv"}, {0, NULL, NULL}};

static void shape(pt_model_config *c)
{
    c->fused_qkv = true;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads = "", .head_dim = ""}, sizes_alibi = {.kv_heads = "", .head_dim = "", .positions = "model_max_length"};
    const bool alibi = !pt_key_get(r->root, "max_position_embeddings");
    PT_RETURN(pt_hf_read_sizes(c, r, alibi ? &sizes_alibi : &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    if (alibi)
        c->alibi = 1;
    else
        PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    c->normed_head = c->vocab == NORMED_VOCABULARY;
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    static const pt_size_keys sizes = {.kv_heads = "", .head_dim = ""}, sizes_alibi = {.kv_heads = "", .head_dim = "", .positions = "model_max_length"};
    if (!c->fused_qkv) return pt_fail(PT_ENOSUP, "Baichuan's folders have q, k and v in one matrix, this GGUF file apart: use --to gguf");
    PT_RETURN(pt_hf_write_sizes(out, c, c->alibi > 0 ? &sizes_alibi : &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    return c->alibi > 0 ? PT_OK : pt_hf_write_rope(out, c);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    c->fused_qkv = pt_gguf_find_tensor(r->g, "blk.0.attn_qkv.weight") != NULL;
    if (c->layers != ALIBI_LAYERS) return PT_OK;
    c->alibi = 1;
    c->rot = 0;
    c->rope_theta = 0;
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if ((c->layers == ALIBI_LAYERS) != (c->alibi > 0) || (c->layers != ALIBI_LAYERS && c->layers != 32))
        return pt_fail(PT_ENOSUP, "llama.cpp's baichuan rotates with 32 layers and has ALiBi with %d, this model has %d layers and %s", ALIBI_LAYERS, c->layers,
                       c->alibi > 0 ? "ALiBi" : "rotates");
    if (c->tied) return pt_fail(PT_ENOSUP, "llama.cpp's baichuan has a head of its own, this model's is its embedding");
    PT_RETURN(pt_gguf_write_sizes(w, c));
    if (c->alibi > 0) return pt_gguf_arch_u32(w, c, "rope.dimension_count", (uint32_t)c->head_dim);
    return pt_gguf_write_rope(w, c);
}

const pt_family pt_family_baichuan = {.name = "baichuan", .title = "baichuan (Baichuan 1 and 2)", .causal = "BaichuanForCausalLM", .gguf = "baichuan",
                                      .permuted = true, .names = names, .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf,
                                      .to_gguf = to_gguf};
