/* What a base model is, whatever it is called and wherever it lies. */
#include <string.h>

#include "base/file.h"
#include "checkpoints/digest.h"
#include "train/model/source_impl.h"

#define PIECE ((size_t)16 << 20)

/* Pieces of fixed size, so that the digest does not depend on the threads. */
static uint64_t bytes_of(uint64_t h, const pt_source_tensor *t)
{
    size_t pieces = (t->bytes + PIECE - 1) / PIECE;
    for (size_t first = 0; first < pieces; first += 64) {
        uint64_t sums[64];
        size_t n = pieces - first < 64 ? pieces - first : 64;
#pragma omp parallel for schedule(dynamic) if (n > 1)
        for (size_t i = 0; i < n; i++) {
            size_t at = (first + i) * PIECE, k = t->bytes - at < PIECE ? t->bytes - at : PIECE;
            pt_digest d;
            pt_digest_start(&d);
            pt_digest_add(&d, (const unsigned char *)t->data + at, k);
            sums[i] = pt_digest_end(&d);
        }
        h = pt_fnv1a(h, sums, n * sizeof *sums);
    }
    return h;
}

/* Switches younger than checkpoints that hold such digests: those that are on, each with its number. */
static uint64_t switches_of(uint64_t h, const pt_model_config *c)
{
    const double v[] = {c->norm, c->norm_bias, c->no_pre_norm, c->post_norm, (double)c->norm_add, c->parallel, c->shared_norm, (double)c->embed_scale,
                        (double)c->residual_scale, (double)c->logit_scale, (double)c->attn_scale, (double)c->attn_softcap, c->o_bias, c->mlp_bias, c->fused_qkv,
                        c->fused_gate_up, c->plain_mlp, c->learned_positions, c->position_offset, (double)c->alibi, c->rope_local_theta, c->rope_long,
                        c->attn_scale_by_layer, c->normed_head, c->sum_norm, c->embed_width, c->norm_plain, (double)c->clip_qkv};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        double one[2] = {(double)i, v[i]};
        if (v[i] != 0) h = pt_fnv1a(h, one, sizeof one);
    }
    for (int l = 0; l < c->layers; l++) {
        int one[2] = {l, c->layer[l]};
        if (c->layer[l]) h = pt_fnv1a(h, one, sizeof one);
    }
    return h;
}

static uint64_t numbers_of(uint64_t h, const pt_model_config *c)
{
    const double v[] = {c->vocab, c->hidden, c->ffn, c->layers, c->heads, c->kv_heads, c->head_dim, c->qkv_bias, c->qk_norm, c->tied,
                        c->act, (double)c->norm_eps, c->window, c->window_from_layer, c->rope_theta, c->rot, c->rope_kind, c->scaling,
                        c->scale_factor, c->low_freq_factor, c->high_freq_factor, c->beta_fast, c->beta_slow, c->attention_factor,
                        c->original_positions, c->initializer_range, c->yarn_no_truncate};
    h = pt_fnv1a(h, c->family, strlen(c->family) + 1);
    h = pt_fnv1a(h, v, sizeof v);
    if (c->logit_softcap != 0) h = pt_fnv1a(h, &c->logit_softcap, sizeof c->logit_softcap);
    if (c->scaling == PT_ROPE_SCALE_LONG) h = pt_fnv1a(h, c->rope_long ? c->long_factor : c->short_factor, (size_t)c->rot / 2 * sizeof(float));
    return switches_of(h, c);
}

uint64_t pt_source_content(const pt_source *s)
{
    uint64_t h = numbers_of(PT_FNV_START, &s->cfg);
    if (s->random) h = pt_fnv1a(h, &s->seed, sizeof s->seed);
    for (size_t i = 0; i < s->n_entries; i++) {
        const pt_source_entry *e = &s->entries[i];
        int64_t shape[3] = {(int64_t)e->t.type, e->t.rows, e->t.cols};
        h = pt_fnv1a(h, e->spec.name, strlen(e->spec.name) + 1);
        h = pt_fnv1a(h, shape, sizeof shape);
        if (!s->random) h = bytes_of(h, e->stored.data ? &e->stored : &e->t);
    }
    if (s->grown_n) h = pt_fnv1a(pt_fnv1a(h, &s->grown_first, sizeof s->grown_first), &s->grown_n, sizeof s->grown_n);
    return s->freqs.data ? bytes_of(h, &s->freqs) : h;
}
