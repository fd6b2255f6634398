#include "train/model/families.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/model/heads.h"

static const pt_family families[] = {
    /* name, causal, classifier, gguf, permuted, qkv_bias, qk_norm, reads attention_bias, mlp_bias, window, defaults: window, kv heads,
     * head dim */
    {"llama", "LlamaForCausalLM", "LlamaForSequenceClassification", "llama", true, false, false, true, true, PT_WINDOW_NEVER, 0, 0, 0},
    {"mistral", "MistralForCausalLM", "MistralForSequenceClassification", "llama", true, false, false, false, false, PT_WINDOW_ALWAYS, 4096,
     8, 0},
    {"qwen2", "Qwen2ForCausalLM", "Qwen2ForSequenceClassification", "qwen2", false, true, false, false, false, PT_WINDOW_FLAG, 4096, 32, 0},
    {"qwen3", "Qwen3ForCausalLM", "Qwen3ForSequenceClassification", "qwen3", false, false, true, true, false, PT_WINDOW_FLAG, 4096, 32, 128},
};
enum { N_FAMILIES = sizeof families / sizeof *families };

const pt_family *pt_family_find(const char *name)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (!name || strcmp(families[i].name, name) == 0) return &families[i];
    return NULL;
}

const pt_family *pt_family_by_gguf(const char *arch, size_t n)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (strlen(families[i].gguf) == n && memcmp(families[i].gguf, arch, n) == 0) return &families[i];
    return NULL;
}

const pt_family *pt_family_windowed(const pt_family *f)
{
    if (f->window != PT_WINDOW_NEVER) return f;
    for (int i = 0; i < N_FAMILIES; i++)
        if (strcmp(families[i].gguf, f->gguf) == 0 && families[i].window == PT_WINDOW_ALWAYS) return &families[i];
    return f;
}

const char *pt_family_names(void)
{
    return "llama (Llama 2 and 3, SmolLM2, TinyLlama), mistral, qwen2 (Qwen 2 and 2.5), qwen3";
}

const char *pt_module_name(pt_module m)
{
    static const char *const names[PT_MOD_COUNT] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                    "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                    "mlp.down_proj"};
    return names[m];
}

void pt_module_shape(const pt_model_config *c, pt_module m, int64_t *out, int64_t *in)
{
    int64_t q = (int64_t)c->heads * c->head_dim, kv = (int64_t)c->kv_heads * c->head_dim;
    switch (m) {
    case PT_MOD_Q: *out = q, *in = c->hidden; break;
    case PT_MOD_K:
    case PT_MOD_V: *out = kv, *in = c->hidden; break;
    case PT_MOD_O: *out = c->hidden, *in = q; break;
    case PT_MOD_GATE:
    case PT_MOD_UP: *out = c->ffn, *in = c->hidden; break;
    default: *out = c->hidden, *in = c->ffn; break;
    }
}

typedef struct tensor_list {
    pt_tensor_spec *t;
    size_t n, cap;
} tensor_list;

static pt_status add(tensor_list *l, pt_tensor_kind kind, int layer, int module, int64_t rows, int64_t cols, const char *name)
{
    PT_RETURN(pt_reserve(&l->t, &l->cap, l->n + 1));
    pt_tensor_spec *t = &l->t[l->n++];
    *t = (pt_tensor_spec){.kind = kind, .rows = rows, .cols = cols, .layer = layer, .module = module};
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s", name);
    else
        snprintf(t->name, sizeof t->name, "model.layers.%d.%s", layer, name);
    return PT_OK;
}

static pt_status add_linear(tensor_list *l, const pt_model_config *c, int layer, pt_module m)
{
    char name[64];
    int64_t out, in;
    int rotary = m == PT_MOD_Q ? c->heads : m == PT_MOD_K ? c->kv_heads : 0;
    pt_module_shape(c, m, &out, &in);
    snprintf(name, sizeof name, "%s.weight", pt_module_name(m));
    PT_RETURN(add(l, PT_TENSOR_MATRIX, layer, (int)m, out, in, name));
    l->t[l->n - 1].rotary_heads = rotary;
    if (!c->qkv_bias || m > PT_MOD_V) return PT_OK;
    snprintf(name, sizeof name, "%s.bias", pt_module_name(m));
    PT_RETURN(add(l, PT_TENSOR_BIAS, layer, (int)m, 1, out, name));
    l->t[l->n - 1].rotary_heads = rotary;
    return PT_OK;
}

static pt_status add_block(tensor_list *l, const pt_model_config *c, int i)
{
    PT_RETURN(add(l, PT_TENSOR_NORM, i, -1, 1, c->hidden, "input_layernorm.weight"));
    for (int m = PT_MOD_Q; m <= PT_MOD_V; m++) PT_RETURN(add_linear(l, c, i, (pt_module)m));
    if (c->qk_norm) {
        PT_RETURN(add(l, PT_TENSOR_NORM, i, -1, 1, c->head_dim, "self_attn.q_norm.weight"));
        PT_RETURN(add(l, PT_TENSOR_NORM, i, -1, 1, c->head_dim, "self_attn.k_norm.weight"));
    }
    PT_RETURN(add_linear(l, c, i, PT_MOD_O));
    PT_RETURN(add(l, PT_TENSOR_NORM, i, -1, 1, c->hidden, "post_attention_layernorm.weight"));
    for (int m = PT_MOD_GATE; m <= PT_MOD_DOWN; m++) PT_RETURN(add_linear(l, c, i, (pt_module)m));
    return PT_OK;
}

pt_status pt_config_tensors(const pt_model_config *c, unsigned heads, int values, pt_tensor_spec **out, size_t *n)
{
    pt_status rc = PT_OK;
    tensor_list l = {0};
    PT_TRY(add(&l, PT_TENSOR_EMBED, -1, -1, c->vocab, c->hidden, "model.embed_tokens.weight"));
    for (int i = 0; i < c->layers; i++) PT_TRY(add_block(&l, c, i));
    PT_TRY(add(&l, PT_TENSOR_NORM, -1, -1, 1, c->hidden, "model.norm.weight"));
    for (int k = 0; k < PT_HEAD_KINDS; k++) {
        const pt_head *h = pt_head_at(k);
        if (!pt_head_on(heads, k) || (h->tied && c->tied)) continue;
        PT_TRY(add(&l, PT_TENSOR_HEAD, -1, -1, h->width(c, values), c->hidden, h->tensor));
        l.t[l.n - 1].head = k;
    }
    *out = l.t;
    *n = l.n;
    return PT_OK;
done:
    free(l.t);
    return rc;
}

/* Outside blocks; and inside them, after "model.layers.N." and "blk.N.". */
static const struct {
    const char *hf, *gguf;
} outer_names[] =
    {
        {"model.embed_tokens.weight", "token_embd.weight"},
        {"model.norm.weight", "output_norm.weight"},
        {"lm_head.weight", "output.weight"},
},
  block_names[] = {
      {"input_layernorm.weight", "attn_norm.weight"},
      {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},
      {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.q_proj.bias", "attn_q.bias"},
      {"self_attn.k_proj.bias", "attn_k.bias"},
      {"self_attn.v_proj.bias", "attn_v.bias"},
      {"self_attn.o_proj.weight", "attn_output.weight"},
      {"self_attn.q_norm.weight", "attn_q_norm.weight"},
      {"self_attn.k_norm.weight", "attn_k_norm.weight"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"},
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"},
};
enum { N_OUTER = sizeof outer_names / sizeof *outer_names, N_BLOCK = sizeof block_names / sizeof *block_names };

/* Reads "PREFIX<digits>." and leaves *rest behind it; -1 when name is not of that form. */
static int block_number(const char *name, const char *prefix, const char **rest)
{
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0) return -1;
    const char *p = name + n;
    int v = 0, digits = 0;
    while (*p >= '0' && *p <= '9' && digits < 6) {
        v = v * 10 + (*p++ - '0');
        digits++;
    }
    if (digits == 0 || *p != '.') return -1;
    *rest = p + 1;
    return v;
}

bool pt_name_to_gguf(const char *hf, char *out, size_t size)
{
    const char *rest;
    int layer = block_number(hf, "model.layers.", &rest);
    if (layer < 0) {
        for (int i = 0; i < N_OUTER; i++)
            if (strcmp(hf, outer_names[i].hf) == 0) return snprintf(out, size, "%s", outer_names[i].gguf) < (int)size;
        return false;
    }
    for (int i = 0; i < N_BLOCK; i++)
        if (strcmp(rest, block_names[i].hf) == 0)
            return snprintf(out, size, "blk.%d.%s", layer, block_names[i].gguf) < (int)size;
    return false;
}

bool pt_name_to_hf(const char *gguf, char *out, size_t size)
{
    const char *rest;
    int layer = block_number(gguf, "blk.", &rest);
    if (layer < 0) {
        for (int i = 0; i < N_OUTER; i++)
            if (strcmp(gguf, outer_names[i].gguf) == 0) return snprintf(out, size, "%s", outer_names[i].hf) < (int)size;
        return false;
    }
    for (int i = 0; i < N_BLOCK; i++)
        if (strcmp(rest, block_names[i].gguf) == 0)
            return snprintf(out, size, "model.layers.%d.%s", layer, block_names[i].hf) < (int)size;
    return false;
}
