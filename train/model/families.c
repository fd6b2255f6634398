#include "train/model/families.h"

#include <stdio.h>
#include <string.h>

#include "family_list.h"

#define FAMILY(name) extern const pt_family pt_family_##name;
PT_FAMILY_LIST(FAMILY)
#undef FAMILY
#define FAMILY(name) &pt_family_##name,
static const pt_family *const families[] = {PT_FAMILY_LIST(FAMILY)};
#undef FAMILY
enum { N_FAMILIES = sizeof families / sizeof *families };

const pt_family *pt_family_find(const char *name)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (!name || strcmp(families[i]->name, name) == 0) return families[i];
    return NULL;
}

const pt_family *pt_family_of(const pt_model_config *c)
{
    return pt_family_find(c->family);
}

const pt_family *pt_family_by_gguf(const char *arch, size_t n)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (families[i]->gguf && strlen(families[i]->gguf) == n && memcmp(families[i]->gguf, arch, n) == 0) return families[i];
    return NULL;
}

const pt_family *pt_family_of_gguf(const pt_family *f, const pt_model_config *c)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (families[i]->gguf && strcmp(families[i]->gguf, f->gguf) == 0 && families[i]->is_gguf && families[i]->is_gguf(c)) return families[i];
    return f;
}

const char *pt_family_titles(char out[PT_FAMILY_TITLES])
{
    size_t n = 0;
    for (int i = 0; i < N_FAMILIES; i++) {
        int more = snprintf(out + n, PT_FAMILY_TITLES - n, "%s%s", i ? ", " : "", families[i]->title);
        n += more < 0 ? 0 : (size_t)more;
        if (n >= PT_FAMILY_TITLES) break;
    }
    return out;
}

/* ---- names ------------------------------------------------------------------------------------------------------------------ */

const pt_part_name pt_family_common_names[] = {
    {PT_MOD_Q, "self_attn.q_proj", "attn_q"},
    {PT_MOD_K, "self_attn.k_proj", "attn_k"},
    {PT_MOD_V, "self_attn.v_proj", "attn_v"},
    {PT_MOD_O, "self_attn.o_proj", "attn_output"},
    {PT_MOD_GATE, "mlp.gate_proj", "ffn_gate"},
    {PT_MOD_UP, "mlp.up_proj", "ffn_up"},
    {PT_MOD_DOWN, "mlp.down_proj", "ffn_down"},
    {PT_MOD_QKV, "self_attn.qkv_proj", "attn_qkv"},
    {PT_MOD_GATE_UP, "mlp.gate_up_proj", "ffn_up"},
    {PT_MOD_IN, "project_in", NULL},
    {PT_MOD_OUT, "project_out", NULL},
    {PT_PART_EMBED, "embed_tokens", "token_embd"},
    {PT_PART_POSITIONS, "embed_positions", "position_embd"},
    {PT_PART_NORM, "norm", "output_norm"},
    {PT_PART_HEAD, "lm_head", "output"},
    {PT_PART_NORM1, "input_layernorm", "attn_norm"},
    {PT_PART_POST1, "post_attention_layernorm", "post_attention_norm"},
    {PT_PART_NORM2, "post_attention_layernorm", "ffn_norm"},
    {PT_PART_POST2, "post_feedforward_layernorm", "post_ffw_norm"},
    {PT_PART_QNORM, "self_attn.q_norm", "attn_q_norm"},
    {PT_PART_KNORM, "self_attn.k_norm", "attn_k_norm"},
    {0, NULL, NULL},
};

static const pt_part_name *name_of(const pt_family *f, int part)
{
    for (const pt_part_name *n = f->names; n && n->hf; n++)
        if (n->part == part) return n;
    if (part == PT_PART_SIDE1 || part == PT_PART_SUM1) return name_of(f, PT_PART_NORM1);
    if (part == PT_PART_SIDE2 || part == PT_PART_SUM2) return name_of(f, PT_PART_NORM2);
    const pt_part_name *n = pt_family_common_names;
    while (n->part != part) n++;
    return n;
}

const char *pt_module_name(const pt_family *f, pt_module m)
{
    return name_of(f, (int)m)->hf;
}

static bool last_is(const char *path, const char *name)
{
    const char *dot = strrchr(path, '.');
    return strcmp(dot ? dot + 1 : path, name) == 0;
}

bool pt_module_known(const char *name)
{
    for (int i = 0; i < N_FAMILIES; i++)
        for (int m = 0; m < PT_MOD_COUNT; m++)
            if (last_is(pt_module_name(families[i], (pt_module)m), name)) return true;
    return false;
}

pt_status pt_part_path(const pt_family *f, int part, int layer, char *out, size_t size)
{
    const char *trunk = f->trunk ? f->trunk : "model.", *stem = name_of(f, part)->hf;
    int n;
    if (layer >= 0)
        n = snprintf(out, size, "%s%s%d.%s", trunk, f->block ? f->block : "layers.", layer, stem);
    else
        n = snprintf(out, size, "%s%s", part == PT_PART_HEAD ? "" : trunk, stem);
    return n >= 0 && (size_t)n < size ? PT_OK : pt_fail(PT_EINTERNAL, "the name of %s in layer %d is too long", stem, layer);
}

void pt_tensor_row_name(const pt_tensor_spec *t, int64_t r, char out[128])
{
    snprintf(out, 128, "%.*s.norms.%lld.weight", (int)(strlen(t->name) - strlen(".weight")), t->name, (long long)r);
}

bool pt_tensor_gguf_name(const pt_family *f, const pt_tensor_spec *t, char *out, size_t size)
{
    if (t->kind == PT_TENSOR_HEAD && t->part != PT_PART_HEAD) return false;
    const char *stem = name_of(f, t->part)->gguf, *end = t->kind == PT_TENSOR_BIAS ? "bias" : "weight";
    if (!stem) return false;
    if (t->layer < 0) return snprintf(out, size, "%s.%s", stem, end) < (int)size;
    return snprintf(out, size, "blk.%d.%s.%s", t->layer, stem, end) < (int)size;
}
