#include "train/loop/setup.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/threads.h"

static pt_status choose_compute(const pt_config *cfg, pt_comm *comm, pt_choices *took, pt_str *said)
{
    double rates[2] = {0, 0};
    if (cfg->compute != PT_COMPUTE_AUTO) {
        took->compute = cfg->compute == PT_COMPUTE_KIND_BF16 ? PT_COMPUTE_BF16 : PT_COMPUTE_F32;
        return said ? pt_str_printf(said, "compute %s (config)", took->compute == PT_COMPUTE_BF16 ? "bf16" : "f32") : PT_OK;
    }
    if (!comm || comm->rank == 0) PT_RETURN(pt_cpu_measure(&rates[0], &rates[1]));
    took->compute = rates[1] > 1.1 * rates[0] ? PT_COMPUTE_BF16 : PT_COMPUTE_F32;
    if (comm && comm->size > 1) {
        int32_t c = (int32_t)took->compute;
        PT_RETURN(comm->broadcast(comm, &c, sizeof c, 0));
        took->compute = (pt_compute)c;
    }
    if (!said) return PT_OK;
    return pt_str_printf(said, "compute %s (auto: f32 %.0f, bf16 %.0f GF/s)", took->compute == PT_COMPUTE_BF16 ? "bf16" : "f32", rates[0], rates[1]);
}

pt_status pt_setup_device(const pt_config *cfg, pt_comm *comm, const pt_choices *forced, pt_ctx *ctx, pt_choices *took, pt_str *said)
{
    pt_choices t = {0};
    *ctx = (pt_ctx){0};
    if (cfg->device == PT_DEVICE_CUDA || cfg->device == PT_DEVICE_EMULATED)
        return pt_fail(PT_EARG, "device: %s is not in this build; device: cpu is", cfg->device == PT_DEVICE_CUDA ? "cuda" : "emulated");
    t.ranks = comm ? comm->size : 1;
    int sharers = comm && comm->sharers > 0 ? comm->sharers : 1;
    t.threads = forced ? forced->threads : pt_cores_available() / sharers;
    if (t.threads < 1) t.threads = 1;
    pt_threads_set(t.threads);
    if (forced) PT_RETURN(pt_cpu_isa_set(forced->isa));
    strncpy(t.isa, pt_cpu_isa(), sizeof t.isa - 1);
    strncpy(t.device, "cpu", sizeof t.device - 1);
    if (said) PT_RETURN(pt_str_printf(said, "cpu, %d thread%s, %s, ", t.threads, t.threads == 1 ? "" : "s", t.isa));
    if (forced) {
        t.compute = forced->compute;
        if (said) PT_RETURN(pt_str_printf(said, "compute %s (as in the checkpoint)", t.compute == PT_COMPUTE_BF16 ? "bf16" : "f32"));
    } else {
        PT_RETURN(choose_compute(cfg, comm, &t, said));
    }
    if (took) *took = t;
    ctx->ops = &pt_ops_cpu;
    return ctx->ops->open(ctx, t.compute);
}

void pt_setup_device_close(pt_ctx *ctx)
{
    if (ctx->ops && ctx->device) ctx->ops->close(ctx);
    *ctx = (pt_ctx){0};
}

static pt_status random_config(const pt_init_config *in, pt_model_config *c)
{
    *c = (pt_model_config){.vocab = in->vocab_size, .hidden = in->hidden_size, .ffn = in->intermediate_size, .layers = in->num_hidden_layers,
                           .heads = in->num_attention_heads, .kv_heads = in->num_key_value_heads, .head_dim = in->head_dim,
                           .max_positions = in->max_position_embeddings, .tied = in->tie_word_embeddings, .norm_eps = (float)in->rms_norm_eps,
                           .window = in->sliding_window, .rope_theta = in->rope_theta, .rope_kind = PT_ROPE_HALF, .bos = -1, .eos = -1, .pad = -1,
                           .initializer_range = in->initializer_range, .act = PT_ACT_SILU};
    const struct { const char *name; int v; } need[] = {{"vocab_size", c->vocab}, {"hidden_size", c->hidden}, {"intermediate_size", c->ffn},
                                                        {"num_hidden_layers", c->layers}, {"num_attention_heads", c->heads}};
    for (size_t i = 0; i < sizeof need / sizeof *need; i++)
        if (need[i].v <= 0) return pt_fail(PT_EARG, "model_config needs %s", need[i].name);
    if (!c->kv_heads) c->kv_heads = c->heads;
    if (!c->head_dim) c->head_dim = c->hidden / c->heads;
    c->rot = c->head_dim;
    if (c->heads % c->kv_heads || c->head_dim % 2)
        return pt_fail(PT_EARG, "model_config: %d heads of %d over %d key-value heads do not divide", c->heads, c->head_dim, c->kv_heads);
    strncpy(c->family, in->family, sizeof c->family - 1);
    c->qkv_bias = !strcmp(in->family, "qwen2");
    c->qk_norm = !strcmp(in->family, "qwen3");
    return PT_OK;
}

static pt_status open_tokenizer(const pt_config *cfg, pt_base *b)
{
    if (cfg->tokenizer) {
        size_t n = strlen(cfg->tokenizer);
        if (n > 5 && !strcmp(cfg->tokenizer + n - 5, ".gguf")) return pt_source_vocabulary(cfg->tokenizer, &b->own_tok);
        return pt_tok_open(&b->own_tok, cfg->tokenizer);
    }
    return pt_source_tokenizer(b->source, &b->tok);
}

static bool only_tokens(const pt_config *cfg)
{
    for (size_t i = 0; i < cfg->n_datasets; i++)
        if (strcmp(cfg->datasets[i].type, "tokens") && cfg->datasets[i].type[0]) return false;
    return cfg->n_datasets > 0;
}

pt_status pt_setup_base(const pt_config *cfg, bool want_template, pt_base *b)
{
    pt_status rc = PT_OK;
    *b = (pt_base){0};
    if (cfg->init.random) {
        pt_model_config c;
        PT_TRY(random_config(&cfg->init, &c));
        PT_TRY(pt_source_random(&b->source, &c, cfg->seed));
    } else {
        PT_CHECK(cfg->base_model, PT_EARG, "no base_model: give a Hugging Face folder or a GGUF file");
        PT_TRY(pt_source_open(&b->source, cfg->base_model));
    }
    PT_CHECK(!cfg->quantised_wanted || pt_source_quantised(b->source), PT_EARG,
             "adapter: qlora (load_in_4bit) wants a quantised base, and %s is not: convert it to a GGUF such as q4_k_m, or say adapter: lora", cfg->base_model);
    rc = open_tokenizer(cfg, b);
    if (rc != PT_OK && only_tokens(cfg) && !cfg->tokenizer) { /* token files need no tokenizer */
        pt_err_clear();
        return PT_OK;
    }
    PT_TRY(rc);
    if (b->own_tok) b->tok = b->own_tok;
    PT_CHECK(pt_tok_vocab_size(b->tok) <= pt_source_config(b->source)->vocab, PT_EARG, "the tokenizer has ids up to %d, and the model's vocabulary is %d",
             pt_tok_vocab_size(b->tok) - 1, pt_source_config(b->source)->vocab);
    for (size_t i = 0; i < cfg->n_special_tokens; i++)
        PT_CHECK(pt_tok_find(b->tok, cfg->special_tokens[i]) >= 0, PT_EARG,
                 "special_tokens: '%s' is not in the vocabulary, and the vocabulary cannot grow here", cfg->special_tokens[i]);
    if (want_template && !only_tokens(cfg)) PT_TRY(pt_template_open(&b->tmpl, cfg->chat_template, b->tok, cfg->default_system_message));
done:
    if (rc != PT_OK) pt_base_close(b);
    return rc;
}

void pt_base_close(pt_base *b)
{
    pt_template_free(b->tmpl);
    pt_tok_free(b->own_tok);
    pt_source_free(b->source);
    *b = (pt_base){0};
}
