#include "train/export/mix.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* In which layers a rule holds; i of n counted from 0. */
typedef enum layers {
    NOWHERE,
    ALL,
    FIRST_2,
    FIRST_4,
    EIGHTH,          /* i < n / 8 */
    EIGHTH_PLAIN,    /* the same, without importances */
    EIGHTH_WEIGHTED, /* the same, with them */
    SIXTEENTH,
    ENDS_AND_THIRDS, /* the first and last eighth, and of those between every third */
    SHARED           /* everywhere, where four or more query heads share a key head */
} layers;
typedef enum archs { ANY, FALCON, OTHERS } archs;
typedef struct rule {
    layers where;
    pt_dtype type;
    archs of;
} rule;

/* The first rule that holds is taken, else `most`. value: attn_v and fused qkv. */
enum { MOST_RULES = 4 };
struct pt_mix {
    const char *name, *also;
    uint32_t file_type; /* llama_ftype */
    pt_dtype most;
    rule value[MOST_RULES], down[MOST_RULES], output[MOST_RULES];
};

/* By size. */
static const pt_mix mixes[] = {
    {.name = "Q2_K_S", .file_type = 21, .most = PT_Q2_K, .value = {{SHARED, PT_Q4_K, ANY}}, .down = {{EIGHTH, PT_Q4_K, ANY}}},
    {.name = "Q2_K",
     .file_type = 10,
     .most = PT_Q2_K,
     .value = {{SHARED, PT_Q4_K, ANY}, {ALL, PT_Q3_K, ANY}},
     .down = {{ALL, PT_Q3_K, ANY}},
     .output = {{ALL, PT_Q3_K, OTHERS}}},
    {.name = "Q3_K_S", .file_type = 11, .most = PT_Q3_K},
    {.name = "IQ3_S", .file_type = 26, .most = PT_IQ3_S, .value = {{SHARED, PT_Q4_K, ANY}}},
    {.name = "IQ3_M",
     .file_type = 27,
     .most = PT_IQ3_S,
     .value = {{ALL, PT_Q4_K, ANY}},
     .down = {{EIGHTH, PT_Q4_K, ANY}},
     .output = {{ALL, PT_Q4_K, OTHERS}}},
    {.name = "Q3_K_M",
     .also = "Q3_K",
     .file_type = 12,
     .most = PT_Q3_K,
     .value = {{FIRST_2, PT_Q5_K, ANY}, {ALL, PT_Q4_K, ANY}},
     .down = {{SIXTEENTH, PT_Q5_K, ANY}, {ALL, PT_Q4_K, OTHERS}, {ENDS_AND_THIRDS, PT_Q4_K, FALCON}},
     .output = {{ALL, PT_Q4_K, OTHERS}}},
    {.name = "Q3_K_L",
     .file_type = 13,
     .most = PT_Q3_K,
     .value = {{ALL, PT_Q5_K, ANY}},
     .down = {{ALL, PT_Q5_K, OTHERS}, {ALL, PT_Q4_K, FALCON}},
     .output = {{ALL, PT_Q5_K, OTHERS}, {ALL, PT_Q4_K, FALCON}}},
    {.name = "IQ4_XS", .file_type = 30, .most = PT_IQ4_XS, .value = {{SHARED, PT_Q5_K, ANY}}, .down = {{EIGHTH_PLAIN, PT_Q5_K, ANY}}},
    {.name = "IQ4_NL", .file_type = 25, .most = PT_IQ4_NL, .value = {{SHARED, PT_Q5_K, ANY}}, .down = {{EIGHTH_PLAIN, PT_Q5_K, ANY}}},
    {.name = "Q4_0", .file_type = 2, .most = PT_Q4_0, .down = {{EIGHTH_WEIGHTED, PT_Q4_1, ANY}}},
    {.name = "Q4_K_S", .file_type = 14, .most = PT_Q4_K, .value = {{FIRST_4, PT_Q5_K, ANY}}, .down = {{EIGHTH, PT_Q5_K, OTHERS}}},
    {.name = "Q4_K_M",
     .also = "Q4_K",
     .file_type = 15,
     .most = PT_Q4_K,
     .value = {{ENDS_AND_THIRDS, PT_Q6_K, ANY}},
     .down = {{ENDS_AND_THIRDS, PT_Q6_K, OTHERS}, {SIXTEENTH, PT_Q6_K, FALCON}, {ENDS_AND_THIRDS, PT_Q5_K, FALCON}}},
    {.name = "Q4_1", .file_type = 3, .most = PT_Q4_1},
    {.name = "Q5_0", .file_type = 8, .most = PT_Q5_0, .down = {{EIGHTH_WEIGHTED, PT_Q5_1, ANY}}},
    {.name = "Q5_K_S", .file_type = 16, .most = PT_Q5_K},
    {.name = "Q5_K_M",
     .also = "Q5_K",
     .file_type = 17,
     .most = PT_Q5_K,
     .value = {{ENDS_AND_THIRDS, PT_Q6_K, ANY}},
     .down = {{ENDS_AND_THIRDS, PT_Q6_K, ANY}}},
    {.name = "Q5_1", .file_type = 9, .most = PT_Q5_1},
    {.name = "Q6_K", .file_type = 18, .most = PT_Q6_K},
    {.name = "Q8_0", .file_type = 7, .most = PT_Q8_0},
    {.name = "F16", .file_type = 1, .most = PT_F16},
    {.name = "BF16", .file_type = 32, .most = PT_BF16},
    {.name = "F32", .file_type = 0, .most = PT_F32},
};
enum { N_MIXES = sizeof mixes / sizeof *mixes };

const pt_mix *pt_mix_find(const char *name)
{
    for (int i = 0; i < N_MIXES; i++)
        if (!strcasecmp(mixes[i].name, name) || (mixes[i].also && !strcasecmp(mixes[i].also, name))) return &mixes[i];
    return NULL;
}

const char *pt_mix_name(const pt_mix *m)
{
    return m->name;
}

uint32_t pt_mix_file_type(const pt_mix *m)
{
    return m->file_type;
}

pt_dtype pt_mix_most(const pt_mix *m)
{
    return m->most;
}

bool pt_mix_needs_imatrix(const pt_mix *m)
{
    return !strcmp(m->name, "Q2_K_S");
}

const pt_mix *pt_mix_larger(const pt_mix *m)
{
    static const char *const steps[] = {"Q4_K_M", "Q6_K", "Q8_0"}; /* Q5_K_M may be worse than Q4_K_M where rows fall back (docs/exports.md) */
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const pt_mix *next = pt_mix_find(steps[i]);
        if (next > m) return next;
    }
    return NULL;
}

const char *pt_mix_names(char out[PT_MIX_NAMES])
{
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < N_MIXES && n < PT_MIX_NAMES; i++) n += (size_t)snprintf(out + n, PT_MIX_NAMES - n, "%s%s", i ? ", " : "", mixes[i].name);
    return out;
}

static bool in_layers(layers where, const pt_mix_model *m, int i, int n)
{
    switch (where) {
    case ALL: return true;
    case FIRST_2: return i < 2;
    case FIRST_4: return i < 4;
    case EIGHTH: return i < n / 8;
    case EIGHTH_PLAIN: return i < n / 8 && !m->imatrix;
    case EIGHTH_WEIGHTED: return i < n / 8 && m->imatrix;
    case SIXTEENTH: return i < n / 16;
    case ENDS_AND_THIRDS: return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case SHARED: return m->kv_heads > 0 && m->heads / m->kv_heads >= 4;
    default: return false;
    }
}

static pt_dtype by_rules(const pt_mix *mix, const rule *rules, const pt_mix_model *m, int i)
{
    archs of = m->family->mixed_apart ? FALCON : OTHERS;
    for (int k = 0; k < MOST_RULES; k++)
        if ((rules[k].of == ANY || rules[k].of == of) && in_layers(rules[k].where, m, i, m->layers)) return rules[k].type;
    return mix->most;
}

/* Models that llama.cpp counts as of 70 G parameters: a value matrix is small beside the others there. */
static bool is_70b(const pt_mix_model *m)
{
    return m->layers > 0 && m->layers == m->family->large_layers && (m->heads != m->kv_heads || !m->family->large_shared);
}

static pt_dtype of_values(const pt_mix *mix, const pt_mix_model *m, int i)
{
    pt_dtype t = by_rules(mix, mix->value, m, i);
    return is_70b(m) && (t == PT_Q3_K || t == PT_Q4_K) ? PT_Q5_K : t;
}

/* The head, or the embedding that is one. */
static pt_dtype of_head(const pt_mix *mix, const pt_mix_model *m, int64_t cols)
{
    if (m->family->mixed_apart || cols % pt_dtype_get(mix->most)->block || mix->most == PT_Q8_0) return PT_Q8_0;
    return PT_Q6_K;
}

/* Where rows do not fit the block. */
static pt_dtype fitting(pt_dtype t, int64_t cols)
{
    static const struct { pt_dtype from, to; } smaller[] = {{PT_IQ3_S, PT_IQ4_NL}, {PT_IQ4_XS, PT_IQ4_NL}, {PT_Q2_K, PT_Q4_0}, {PT_Q3_K, PT_Q4_0},
                                                            {PT_Q4_K, PT_Q5_0},    {PT_Q5_K, PT_Q5_1},     {PT_Q6_K, PT_Q8_0}};
    if (cols % pt_dtype_get(t)->block == 0) return t;
    for (size_t i = 0; i < sizeof smaller / sizeof *smaller; i++)
        if (smaller[i].from == t) t = smaller[i].to;
    return cols % pt_dtype_get(t)->block ? PT_F16 : t;
}

pt_dtype pt_mix_type(const pt_mix *m, const pt_mix_model *model, pt_mix_walk *walk, const char *name, int64_t cols)
{
    if (!strcmp(name, "position_embd.weight")) return PT_F32; /* learned positions are never rounded */
    if (!pt_dtype_quantised(m->most)) return m->most;
    bool head = !strcmp(name, "output.weight") || (model->tied && !strcmp(name, "token_embd.weight"));
    pt_dtype t = m->most;
    if (head)
        t = of_head(m, model, cols);
    else if (strstr(name, ".attn_v.weight") || strstr(name, ".attn_qkv.weight"))
        t = of_values(m, model, walk->values++);
    else if (strstr(name, ".ffn_down.weight"))
        t = by_rules(m, m->down, model, walk->downs++);
    else if (strstr(name, ".attn_output.weight"))
        t = by_rules(m, m->output, model, 0);
    return fitting(t, cols);
}
