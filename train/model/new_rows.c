/* Rows of added tokens, trained beside LoRA: what PEFT calls trainable_token_indices. The rows are parameters in f32; before each pass those of its slot
 * are written, in the matrix' own type, over the rows that the embedding and the head read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quant.h"
#include "train/model/adapters.h"

static pt_lin *lin_of(pt_model *m, int k)
{
    return k == PT_ROWS_OF_EMBED ? &m->embed : &m->head[PT_HEAD_AT_VOCABULARY];
}

bool pt_new_rows_on(const pt_model *m, int k)
{
    if (!m->new_rows.n) return false;
    return k == PT_ROWS_OF_EMBED || (!m->cfg.tied && pt_head_on(m->opt.heads, PT_HEAD_AT_VOCABULARY));
}

pt_status pt_new_rows_path(const pt_model *m, int k, char *out, size_t size)
{
    return pt_part_path(m->fam, k == PT_ROWS_OF_EMBED ? PT_PART_EMBED : PT_PART_HEAD, -1, out, size);
}

static pt_status param_name(const pt_model *m, int k, char *out, size_t size)
{
    char path[96];
    PT_RETURN(pt_new_rows_path(m, k, path, sizeof path));
    snprintf(out, size, "%s%s", path, PT_PEFT_ROWS_TAIL);
    return PT_OK;
}

/* The starting adapter trains exactly the rows that this model has for added tokens, or none. */
static pt_status check_start(const pt_model *m, int32_t first, int32_t n)
{
    const pt_peft *p = m->peft;
    bool same = p->n_rows == (size_t)n;
    for (size_t i = 0; i < p->n_rows && same; i++) same = p->rows[i] == first + (int64_t)i;
    if (!p->n_rows || same) return PT_OK;
    if (!n)
        return pt_fail(PT_EARG, "%s was trained with %zu added tokens (trainable_token_indices: %lld ...), and this model has none: give added_tokens as it was trained with", m->start_dir,
                       p->n_rows, (long long)p->rows[0]);
    return pt_fail(PT_EARG, "%s trains the rows of %zu tokens (trainable_token_indices: %lld ...); those of added_tokens are %d to %d: another vocabulary", m->start_dir, p->n_rows,
                   (long long)p->rows[0], first, first + n - 1);
}

pt_status pt_new_rows_add(pt_model *m)
{
    char name[160];
    int32_t first, n = pt_source_grown(m->src, &first);
    if (m->peft) PT_RETURN(check_start(m, first, n));
    if (!m->opt.lora.on || !n) return PT_OK;
    if (m->n_guests) return pt_fail(PT_ENOSUP, "adapters beside one that trains rows of added tokens: they would read its rows; measure them one by one");
    if (m->opt.loss.on && m->opt.loss.vocab >> PT_VOCAB_KL & 1)
        return pt_fail(PT_EARG, "added_tokens with an objective that takes a divergence from a reference: the reference's head would have the trained rows; choose another objective, or leave added_tokens out");
    m->new_rows = (pt_new_rows){.first = first, .n = n};
    for (int k = 0; k < PT_ROWS_OF; k++) {
        if (!pt_new_rows_on(m, k)) continue;
        PT_RETURN(param_name(m, k, name, sizeof name));
        PT_RETURN(pt_param_add(m, name, n, pt_config_embed(&m->cfg), true));
    }
    return PT_OK;
}

pt_status pt_new_rows_carve(pt_model *m)
{
    for (int k = 0; k < PT_ROWS_OF; k++)
        if (pt_new_rows_on(m, k)) PT_RETURN(pt_arena_carve(&m->arena[PT_ROLE_ADAPTERS], PT_F32, m->new_rows.n, pt_config_embed(&m->cfg), &m->new_rows.start[k]));
    return PT_OK;
}

static pt_status part_of(const pt_model *m, int k, pt_view flat, pt_view *out)
{
    char name[160];
    PT_RETURN(param_name(m, k, name, sizeof name));
    *out = pt_param_part(flat, &m->params[pt_param_find(m, name)]);
    return PT_OK;
}

pt_status pt_new_rows_bind(pt_model *m)
{
    for (int k = 0; k < PT_ROWS_OF; k++)
        if (pt_new_rows_on(m, k)) PT_RETURN(part_of(m, k, m->grad, &lin_of(m, k)->dw));
    if (m->new_rows.n && m->cfg.tied && pt_head_on(m->opt.heads, PT_HEAD_AT_VOCABULARY)) m->head[PT_HEAD_AT_VOCABULARY].dw = m->embed.dw;
    return PT_OK;
}

/* Into `host`: the base's rows, or those of the starting adapter. */
static pt_status read_rows(const pt_model *m, int k, const pt_st *st, float *host)
{
    char path[96], name[112];
    const pt_st_tensor *t;
    const pt_new_rows *x = &m->new_rows;
    int64_t dims[2] = {x->n, pt_config_embed(&m->cfg)};
    PT_RETURN(pt_new_rows_path(m, k, path, sizeof path));
    if (st) {
        PT_RETURN(pt_peft_find(st, path, PT_PEFT_ROWS, &t));
        if (!t) return pt_fail(PT_EFORMAT, "%s: no rows of added tokens of %s, which trainable_token_indices names", st->path, path);
        PT_RETURN(pt_st_check_shape(t, 2, dims));
        return pt_st_to_f32(t, host);
    }
    pt_source_tensor w;
    size_t bytes;
    snprintf(name, sizeof name, "%s.weight", path);
    PT_RETURN(pt_source_tensor_get(m->src, name, m->cfg.vocab, pt_config_embed(&m->cfg), &w));
    PT_RETURN(pt_dtype_row_bytes(w.type, (size_t)w.cols, &bytes));
    return pt_dequant_rows(w.type, (const unsigned char *)w.data + (size_t)x->first * bytes, x->n, w.cols, host);
}

pt_status pt_new_rows_load(pt_model *m, const pt_st *st)
{
    pt_status rc = PT_OK;
    float *host = NULL;
    if (!m->new_rows.n) return PT_OK;
    PT_TRY(pt_calloc(&host, (size_t)(m->new_rows.n * pt_config_embed(&m->cfg)), sizeof *host));
    for (int k = 0; k < PT_ROWS_OF; k++) {
        pt_view now;
        if (!pt_new_rows_on(m, k)) continue;
        PT_TRY(part_of(m, k, m->flat, &now));
        PT_TRY(read_rows(m, k, NULL, host));
        PT_TRY(m->ctx->ops->upload(m->ctx, m->new_rows.start[k], host));
        if (st && m->peft->n_rows) PT_TRY(read_rows(m, k, st, host));
        PT_TRY(m->ctx->ops->upload(m->ctx, now, host));
    }
done:
    free(host);
    return rc;
}

pt_status pt_new_rows_put(pt_model *m, int slot)
{
    for (int k = 0; k < PT_ROWS_OF; k++) {
        pt_view from = m->new_rows.start[k];
        if (!pt_new_rows_on(m, k)) continue;
        if (slot >= 0) PT_RETURN(part_of(m, k, slot == 0 ? m->flat : m->frozen, &from));
        PT_RETURN(m->ctx->ops->cast(m->ctx, &(pt_cast_args){.y = pt_view_rows(lin_of(m, k)->w, m->new_rows.first, m->new_rows.n), .x = from}));
    }
    return PT_OK;
}

pt_status pt_new_rows_get(const pt_model *m, int k, float *host)
{
    pt_view now;
    PT_RETURN(part_of(m, k, m->flat, &now));
    return m->ctx->ops->download(m->ctx, host, now);
}

pt_status pt_new_rows_say(pt_model *m)
{
    char path[96];
    pt_peft *p = m->peft;
    if (!m->new_rows.n) return PT_OK;
    if (!p->n_rows) {
        PT_RETURN(pt_calloc(&p->rows, (size_t)m->new_rows.n, sizeof *p->rows));
        for (int64_t i = 0; i < m->new_rows.n; i++) p->rows[p->n_rows++] = m->new_rows.first + i;
    }
    for (int k = 0; k < PT_ROWS_OF && !p->row_modules.n; k++) {
        if (!pt_new_rows_on(m, PT_ROWS_OF_HEAD)) break; /* the embedding alone: PEFT's short form, a list */
        for (int j = 0; j < PT_ROWS_OF; j++) {
            PT_RETURN(pt_new_rows_path(m, j, path, sizeof path));
            const char *dot = strrchr(path, '.');
            PT_RETURN(pt_peft_list_add(&p->row_modules, dot ? dot + 1 : path));
        }
    }
    return PT_OK;
}
