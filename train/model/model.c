#include "train/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "train/model/adapters.h"

static pt_status check_options(const pt_model_options *o, const pt_source *src)
{
    if (o->full && o->lora.on) return pt_fail(PT_EARG, "full fine-tuning and LoRA at once: choose one");
    if (o->full && pt_source_quantised(src))
        return pt_fail(PT_EARG,
                       "%s: full fine-tuning of a quantised base is not possible: use adapter: qlora, or the plain weights",
                       pt_source_path(src));
    if (o->full && pt_source_config(src)->normed_head)
        return pt_fail(PT_ENOSUP, "%s: full fine-tuning of a model whose head is normed is not supported: use adapter: lora", pt_source_path(src));
    if (o->lora.frozen_copy && !o->lora.on) return pt_fail(PT_EARG, "a frozen copy of an adapter without an adapter");
    if (o->lora.n_guests && !o->lora.on) return pt_fail(PT_EARG, "adapters beside an adapter without that one");
    return PT_OK;
}

/* GGUF's divisors, copied: the mapping may be unaligned. */
static pt_status read_freqs(const pt_model *m, float **out)
{
    pt_source_tensor freqs = {0};
    PT_RETURN(pt_source_tensor_get(m->src, "rope_freqs.weight", 0, 0, &freqs));
    PT_RETURN(pt_calloc(out, (size_t)m->cfg.rot / 2, sizeof **out));
    memcpy(*out, freqs.data, (size_t)m->cfg.rot / 2 * sizeof **out);
    return PT_OK;
}

static pt_status make_rope(pt_model *m)
{
    float *freqs = NULL;
    for (int l = 0; l < m->cfg.layers; l++) {
        int k = pt_layer_rope(m, l);
        if (k < 0 || m->inv_freq[k]) continue;
        PT_RETURN(pt_calloc(&m->inv_freq[k], (size_t)m->cfg.rot / 2, sizeof *m->inv_freq[k]));
        if (k) {
            pt_rope_local_frequencies(&m->cfg, m->inv_freq[k]);
            continue;
        }
        if (m->cfg.scaling == PT_ROPE_SCALE_FREQS) PT_RETURN(read_freqs(m, &freqs));
        pt_rope_frequencies(&m->cfg, freqs, m->inv_freq[k], &m->mscale);
        free(freqs);
    }
    return PT_OK;
}

pt_status pt_model_new(pt_model **out, pt_ctx *ctx, pt_source *src, const pt_model_options *opt)
{
    pt_status rc = PT_OK;
    pt_model *m = NULL;
    *out = NULL;
    PT_TRY(check_options(opt, src));
    PT_TRY(pt_alloc0(&m, 1));
    m->ctx = ctx;
    m->src = src;
    m->cfg = *pt_source_config(src);
    m->fam = pt_family_find(m->cfg.family);
    m->opt = *opt;
    if (!m->opt.heads) m->opt.heads = PT_HEAD_VOCABULARY;
    m->opt.lora.targets = NULL;
    m->opt.lora.start_dir = NULL;
    m->opt.lora.guests = NULL;
    m->ws_floor = m->ws_last = ctx->workspace_need;
    PT_TRY(pt_alloc0(&m->blocks, m->cfg.layers + 1));
    PT_TRY(pt_alloc0(&m->states, m->cfg.layers));
    if (opt->train && opt->checkpointing) {
        PT_TRY(pt_alloc0(&m->inputs, m->cfg.layers));
        PT_TRY(pt_alloc0(&m->tdown, m->cfg.layers));
    }
    PT_TRY(pt_alloc0(&m->dec.k, m->cfg.layers));
    PT_TRY(pt_alloc0(&m->dec.v, m->cfg.layers));
    PT_TRY(make_rope(m));
    PT_TRY(pt_model_list_weights(m));
    PT_TRY(pt_lora_resolve(m, &opt->lora));
    PT_TRY(pt_lora_add_params(m));
    PT_TRY(pt_new_rows_add(m));
    PT_TRY(pt_frozen_place(m));
    PT_TRY(pt_param_layout(m));
    *out = m;
    m = NULL;
done:
    pt_model_free(m);
    return rc;
}

static void free_forests(pt_model *m)
{
    for (int w = 0; w < 2; w++) {
        if (m->forest[w]) m->ctx->ops->forest_free(m->ctx, m->forest[w]);
        m->forest[w] = NULL;
    }
}

void pt_model_free(pt_model *m)
{
    if (!m) return;
    free_forests(m);
    if (m->committed && m->ctx->workspace.buf == &m->arena[PT_ROLE_SCRATCH].buf) m->ctx->workspace = PT_NO_VIEW;
    for (int r = 0; r < PT_ROLE_COUNT; r++)
        if (m->arena[r].buf.base) m->ctx->ops->free(m->ctx, &m->arena[r].buf);
    if (m->weights.base) m->ctx->ops->free(m->ctx, &m->weights);
    for (size_t i = 0; m->fixed && i < m->n_specs; i++)
        if (m->fixed[i].buf.base && !m->fixed[i].at) m->ctx->ops->free(m->ctx, &m->fixed[i].buf);
    pt_guests_free(m);
    pt_peft_free(m->peft);
    free(m->start_dir);
    free(m->fixed);
    free(m->specs);
    free(m->blocks);
    free(m->modules);
    free(m->slot_memory);
    free(m->params);
    free(m->inv_freq[0]);
    free(m->inv_freq[1]);
    free(m->states);
    free(m->inputs);
    free(m->tdown);
    free(m->dec.k);
    free(m->dec.v);
    free(m->loaded.slot_runs);
    free(m->loaded.end_start);
    free(m->loaded.end_head);
    free(m->loaded.end_weight);
    free(m->loaded.dlogp);
    free(m->loaded.entry_head);
    free(m->loaded.head_token);
    free(m->loaded.head_key);
    free(m->loaded.head_runs);
    for (int k = 0; k < PT_VOCAB_SUMS; k++) free(m->loaded.dvocab[k]);
    free(m);
}

static pt_status make_forests(pt_model *m)
{
    pt_forest_caps caps = {m->caps.tokens, m->caps.segs};
    for (int l = 0; l < m->cfg.layers; l++) {
        int w = pt_layer_window(m, l) != 0;
        if (!m->forest[w]) PT_RETURN(m->ctx->ops->forest_new(m->ctx, &m->forest[w], &caps));
    }
    return PT_OK;
}

/* What make_forests takes. */
static size_t forest_bytes(const pt_model *m)
{
    pt_forest_caps caps = {m->caps.tokens, m->caps.segs};
    bool used[2] = {false, false};
    for (int l = 0; l < m->cfg.layers; l++) used[pt_layer_window(m, l) != 0] = true;
    return (size_t)(used[0] + used[1]) * m->ctx->ops->forest_bytes(m->ctx, &caps);
}

/* One pass of everything that will run, at the maxima. */
static pt_status dry_run(pt_model *m)
{
    pt_lora_run one = {0, m->caps.tokens, 0};
    pt_pass p = {.runs = &one, .n_runs = m->n_modules ? 1 : 0};
    m->loaded.n = m->loaded.n_live = m->caps.tokens;
    m->loaded.heads = m->caps.heads;
    m->loaded.rows = m->caps.rows;
    m->loaded.groups = m->loaded.records = m->caps.groups;
    m->loaded.n_entries = m->caps.group_rows;
    m->loaded.n_ends = m->caps.ends;
    m->loaded.train = m->opt.train;
    PT_RETURN(pt_rope_tables(m, m->caps.tokens));
    for (int keep = 0; keep <= (m->opt.train ? 1 : 0); keep++) {
        p.keep = keep;
        PT_RETURN(pt_decoder_forward(m, &p));
        PT_RETURN(pt_heads_forward(m));
    }
    if (m->opt.train) {
        PT_RETURN(pt_heads_backward(m));
        PT_RETURN(pt_decoder_backward(m, &p));
    }
    if (m->opt.loss.on) PT_RETURN(pt_loss_run(m, &(pt_core_step){.norm = 1}, m->opt.train));
    if (!m->caps.decode_rows || !(m->opt.heads & PT_HEAD_VOCABULARY)) return PT_OK;
    one.end = 1;
    PT_RETURN(pt_decode_step(m, 1, &p));
    one.end = m->caps.decode_rows;
    PT_RETURN(pt_decode_step(m, m->caps.decode_rows, &p));
    one.end = pt_decode_chunk(m);
    PT_RETURN(pt_decode_tokens(m, pt_decode_chunk(m), 1, (const int32_t[1]){0}, &p));
    pt_sample_args draw = {.token = m->dec.ids, .logits = m->dec.logits, .seen = m->dec.seen, .top_p = 1, .repetition_penalty = 1};
    return m->ctx->ops->sample(m->ctx, &draw);
}

static pt_status set_caps(pt_model *m, const pt_model_caps *caps)
{
    pt_model_caps c = *caps;
    if (c.tokens < 0 || c.segs < 0 || c.heads < 0 || c.rows < 0 || c.groups < 0 || c.group_rows < 0 || c.ends < 0 || c.decode_rows < 0 || c.decode_len < 0 || c.decode_cells < 0 ||
        c.tokens > INT32_MAX - 64 || c.segs > INT32_MAX - 2 || c.decode_rows > 1 << 20 ||
        (int64_t)c.decode_rows * c.decode_len > INT32_MAX)
        return pt_fail(PT_EARG, "a plan for %d tokens, %d segments, %d x %d cache positions", c.tokens, c.segs, c.decode_rows,
                       c.decode_len);
    const int reach = pt_config_reach(&m->cfg);
    if (reach && c.decode_len > reach)
        return pt_fail(PT_EARG, "generation over %d positions: this model has positions for %d; ask for fewer tokens", c.decode_len, reach);
    if (c.decode_rows && c.decode_len < 1) return pt_fail(PT_EARG, "a plan for generation without cache positions");
    if (c.decode_rows && c.decode_cells && c.decode_cells < c.decode_len)
        return pt_fail(PT_EARG, "a cache of %d positions for sequences of %d", c.decode_cells, c.decode_len);
    if (!c.decode_cells) c.decode_cells = c.decode_rows * c.decode_len;
    int32_t least = c.decode_rows > 1 ? c.decode_rows : 1;
    if (c.tokens < least) c.tokens = least;
    c.tokens = (c.tokens + 63) / 64 * 64;
    /* n sequences make at most 2n segments; one more for the dead tail */
    c.segs = (c.segs > 2 * c.decode_rows ? c.segs : 2 * c.decode_rows) + 1;
    if (c.heads < least) c.heads = least;
    if (c.groups < least) c.groups = least;
    if (c.ends < c.groups) c.ends = c.groups;
    m->caps = c;
    return PT_OK;
}

pt_status pt_model_plan(pt_model *m, const pt_model_caps *caps, size_t bytes[PT_ROLE_COUNT])
{
    pt_status rc = PT_OK;
    if (m->committed) return pt_fail(PT_ESTATE, "the model is committed: its plan is fixed");
    PT_TRY(set_caps(m, caps));
    if (m->ctx->workspace_need == m->ws_last)
        m->ctx->workspace_need = m->ws_floor; /* forget the last plan of this model */
    else
        m->ws_floor = m->ctx->workspace_need;
    m->ws_bytes = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int r = 0; r < PT_ROLE_COUNT; r++) pt_arena_init(&m->arena[r], (pt_role)r);
        PT_TRY(pt_model_carve(m));
        if (pass == 1) break;
        m->ctx->dry = true;
        PT_TRY(dry_run(m));
        m->ws_last = m->ws_bytes = m->ctx->workspace_need;
    }
    for (int r = 0; r < PT_ROLE_COUNT; r++) bytes[r] = m->arena[r].peak;
    bytes[PT_ROLE_WEIGHTS] += m->weights.bytes;
    bytes[PT_ROLE_WEIGHTS] += pt_frozen_wrapped(m);
    bytes[PT_ROLE_SCRATCH] += forest_bytes(m);
    m->planned = true;
done:
    m->ctx->dry = false;
    m->loaded = (pt_loaded){.slot_runs = m->loaded.slot_runs, .end_start = m->loaded.end_start, .end_head = m->loaded.end_head, .end_weight = m->loaded.end_weight};
    return rc;
}

static pt_status allocate_role(pt_model *m, pt_role role, pt_buf *buf, size_t bytes)
{
    pt_status rc = bytes ? m->ctx->ops->alloc(m->ctx, buf, bytes) : PT_OK;
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "memory for %s", pt_role_name(role));
}

static pt_status allocate(pt_model *m)
{
    PT_RETURN(allocate_role(m, PT_ROLE_WEIGHTS, &m->weights, m->weights.bytes));
    for (int r = 0; r < PT_ROLE_COUNT; r++) {
        pt_arena *a = &m->arena[r];
        if (a->peak == 0) continue;
        PT_RETURN(allocate_role(m, a->role, &a->buf, a->peak));
        a->sealed = true;
    }
    pt_frozen_bind(m);
    PT_RETURN(pt_model_carve(m));
    PT_RETURN(make_forests(m));
    PT_RETURN(pt_calloc(&m->loaded.slot_runs, (size_t)m->caps.segs, sizeof *m->loaded.slot_runs));
    PT_RETURN(pt_alloc0(&m->loaded.end_start, m->caps.groups + 1));
    PT_RETURN(pt_alloc0(&m->loaded.end_head, m->caps.ends));
    PT_RETURN(pt_alloc0(&m->loaded.end_weight, m->caps.ends));
    if (m->cfg.embed_width) {
        PT_RETURN(pt_alloc0(&m->loaded.head_token, m->caps.heads));
        PT_RETURN(pt_alloc0(&m->loaded.head_key, m->caps.heads));
        PT_RETURN(pt_alloc0(&m->loaded.head_runs, m->caps.segs));
    }
    if (m->opt.loss.on && m->opt.loss.vocab && !m->opt.loss.by_rows) PT_RETURN(pt_calloc(&m->loaded.entry_head, (size_t)m->caps.group_rows, sizeof *m->loaded.entry_head));
    for (int k = 0; m->opt.loss.linear && k < PT_VOCAB_SUMS; k++)
        if (pt_vocab_on(m, k)) PT_RETURN(pt_calloc(&m->loaded.dvocab[k], (size_t)m->caps.heads, sizeof *m->loaded.dvocab[k]));
    return m->opt.loss.linear ? pt_calloc(&m->loaded.dlogp, (size_t)m->caps.rows, sizeof *m->loaded.dlogp) : PT_OK;
}

/* What is the same for every batch. */
static pt_status upload_tables(pt_model *m)
{
    const pt_ops *ops = m->ctx->ops;
    float *slopes = NULL;
    for (int k = 0; k < 2; k++)
        if (m->inv_freq[k]) PT_RETURN(ops->upload(m->ctx, m->tab.inv_freq[k], m->inv_freq[k]));
    if (!(m->cfg.alibi > 0)) return PT_OK;
    PT_RETURN(pt_calloc(&slopes, (size_t)m->cfg.heads, sizeof *slopes));
    pt_alibi_slopes(&m->cfg, slopes);
    pt_status rc = ops->upload(m->ctx, m->tab.slopes, slopes);
    free(slopes);
    return rc;
}

pt_status pt_model_commit(pt_model *m)
{
    const pt_ops *ops = m->ctx->ops;
    if (!m->planned || m->committed)
        return pt_fail(PT_ESTATE, m->committed ? "the model is committed already" : "commit before plan");
    if (m->ctx->workspace_need > m->ws_bytes)
        return pt_fail(PT_ESTATE, "an op needs %zu bytes of workspace, the plan has %zu: plan again", m->ctx->workspace_need,
                       m->ws_bytes);
    PT_RETURN(allocate(m));
    m->committed = true;
    m->ctx->workspace = m->workspace;
    PT_RETURN(upload_tables(m));
    if (m->n_flat) PT_RETURN(ops->zero(m->ctx, m->flat));
    PT_RETURN(pt_model_load_weights(m));
    PT_RETURN(pt_lora_load(m));
    PT_RETURN(pt_guests_load(m));
    return pt_model_zero_grad(m);
}

const pt_model_config *pt_model_config_get(const pt_model *m)
{
    return &m->cfg;
}
int64_t pt_model_param_count(const pt_model *m)
{
    return m->n_flat;
}
pt_view pt_model_param_view(const pt_model *m)
{
    return m->flat;
}
pt_view pt_model_grad_view(const pt_model *m)
{
    return m->grad;
}

size_t pt_model_params(const pt_model *m, const pt_param **list)
{
    *list = m->params;
    return m->n_params;
}

pt_status pt_model_zero_grad(pt_model *m)
{
    return pt_view_ok(m->grad) ? m->ctx->ops->zero(m->ctx, m->grad) : PT_OK;
}
