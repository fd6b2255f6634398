/* PEFT adapter: adapter_config.json and adapter_model.safetensors, B's rows in Hugging Face's order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quant.h"
#include "train/export/export_impl.h"

typedef struct peft_out {
    pt_st_writer w;
    pt_dtype type;
    unsigned char *bytes; /* one tensor as stored */
} peft_out;

static pt_status declare(peft_out *o, const char *path, pt_peft_part part, int64_t rows, int64_t cols)
{
    char *name = NULL;
    pt_status rc = PT_OK;
    int64_t dims[2] = {rows, cols};
    PT_TRY(pt_peft_tensor_name(&name, path, part));
    PT_TRY(pt_st_writer_add(&o->w, name, o->type, 2, dims));
done:
    free(name);
    return rc;
}

static pt_status put(peft_out *o, const float *x, int64_t rows, int64_t cols)
{
    size_t row;
    PT_RETURN(pt_dtype_row_bytes(o->type, (size_t)cols, &row));
    PT_RETURN(pt_quant_rows(o->type, x, rows, cols, o->bytes));
    return pt_st_writer_write(&o->w, o->bytes, row * (size_t)rows);
}

static pt_status put_module(peft_out *o, pt_model *m, const pt_lora_module *x)
{
    pt_status rc = PT_OK;
    float *a = NULL, *b = NULL, *turned = NULL;
    PT_TRY(pt_out_adapter(m, x, &a, &b));
    PT_TRY(pt_calloc(&turned, (size_t)(x->out * x->r), sizeof *turned));
    pt_lora_permute_b(m, x->kind, b, turned, x->out, x->r, false);
    PT_TRY(put(o, a, x->r, x->in));
    PT_TRY(put(o, turned, x->out, x->r));
done:
    free(a);
    free(b);
    free(turned);
    return rc;
}

static bool holds(const pt_model *m, int kind)
{
    return pt_head_on(m->opt.heads, kind) && pt_head_at(kind)->saved;
}

static pt_status put_head(peft_out *o, pt_model *m, int kind)
{
    pt_status rc = PT_OK;
    float *host = NULL;
    pt_view w = m->head[kind].w;
    PT_TRY(pt_calloc(&host, (size_t)(w.rows * w.cols), sizeof *host));
    PT_TRY(m->ctx->ops->download(m->ctx, host, w));
    PT_TRY(put(o, host, w.rows, w.cols));
done:
    free(host);
    return rc;
}

static pt_status put_rows(peft_out *o, pt_model *m, int k)
{
    float *host = NULL;
    PT_RETURN(pt_calloc(&host, (size_t)(m->new_rows.n * pt_config_embed(&m->cfg)), sizeof *host));
    pt_status rc = pt_new_rows_get(m, k, host);
    if (rc == PT_OK) rc = put(o, host, m->new_rows.n, pt_config_embed(&m->cfg));
    free(host);
    return rc;
}

static pt_status declare_rows(peft_out *o, pt_model *m, size_t *most)
{
    char module[96];
    const size_t n = (size_t)(m->new_rows.n * pt_config_embed(&m->cfg));
    for (int k = 0; k < PT_ROWS_OF; k++) {
        if (!pt_new_rows_on(m, k)) continue;
        *most = n > *most ? n : *most;
        PT_RETURN(pt_new_rows_path(m, k, module, sizeof module));
        PT_RETURN(declare(o, module, PT_PEFT_ROWS, m->new_rows.n, pt_config_embed(&m->cfg)));
    }
    return PT_OK;
}

/* PEFT's name of a head: its module. */
static pt_status add_saved(pt_peft *p, const char *tensor)
{
    char module[64];
    snprintf(module, sizeof module, "%.*s", (int)(strlen(tensor) - strlen(".weight")), tensor);
    for (size_t i = 0; i < p->modules_to_save.n; i++)
        if (!strcmp(p->modules_to_save.names[i], module)) return PT_OK;
    return pt_peft_list_add(&p->modules_to_save, module);
}

static pt_status write_tensors(pt_model *m, const char *dir, pt_dtype type, uint64_t *trial)
{
    pt_status rc = PT_OK;
    peft_out o = {.type = type};
    char *path = NULL, digest[17];
    size_t most = (size_t)pt_config_embed(&m->cfg);
    PT_TRY(pt_path_join(&path, dir, "adapter_model.safetensors"));
    PT_TRY(pt_st_writer_open(&o.w, path));
    PT_TRY(pt_peft_digest(m->peft, digest));
    PT_TRY(pt_st_writer_meta(&o.w, PT_PEFT_DIGEST_KEY, digest));
    for (size_t i = 0; i < m->n_modules; i++) {
        const pt_lora_module *x = &m->modules[i];
        size_t n = (size_t)(x->in > x->out ? x->in : x->out) * (size_t)x->r;
        most = n > most ? n : most;
        PT_TRY(declare(&o, x->path, PT_PEFT_A, x->r, x->in));
        PT_TRY(declare(&o, x->path, PT_PEFT_B, x->out, x->r));
    }
    for (int k = 0; k < PT_HEAD_KINDS; k++) {
        pt_view w = m->head[k].w;
        if (!holds(m, k)) continue;
        most = (size_t)(w.rows * w.cols) > most ? (size_t)(w.rows * w.cols) : most;
        PT_TRY(declare(&o, pt_head_at(k)->tensor, PT_PEFT_SAVED, w.rows, w.cols));
    }
    PT_TRY(declare_rows(&o, m, &most));
    PT_TRY(pt_alloc0(&o.bytes, most * 4));
    if (trial) { /* the file is begun and given up before its data */
        *trial = o.w.declared;
        goto done;
    }
    for (size_t i = 0; i < m->n_modules; i++) PT_TRY(put_module(&o, m, &m->modules[i]));
    for (int k = 0; k < PT_HEAD_KINDS; k++)
        if (holds(m, k)) PT_TRY(put_head(&o, m, k));
    for (int k = 0; k < PT_ROWS_OF; k++)
        if (pt_new_rows_on(m, k)) PT_TRY(put_rows(&o, m, k));
    PT_TRY(pt_st_writer_commit(&o.w));
done:
    pt_st_writer_close(&o.w);
    free(o.bytes);
    free(path);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* all-linear is written as the list of names that it means here, sorted: not every reader knows the word. */
static pt_status spell_targets(const pt_model *m)
{
    const char *names[PT_MOD_COUNT];
    size_t n = 0;
    if (!m->peft->all_linear) return PT_OK;
    for (int k = 0; k < PT_MOD_COUNT; k++) {
        const char *path = pt_module_name(m->fam, (pt_module)k), *dot = strrchr(path, '.');
        if (pt_module_on(&m->cfg, (pt_module)k)) names[n++] = dot ? dot + 1 : path;
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1])) PT_RETURN(pt_peft_list_add(&m->peft->targets, names[i])); /* GPT-2 has two of c_proj */
    m->peft->all_linear = false;
    return PT_OK;
}

pt_status pt_export_peft(pt_model *m, const char *dir, const pt_export_options *opt)
{
    pt_dtype type;
    if (!m->committed || m->n_modules == 0)
        return pt_fail(PT_ESTATE, "there is no adapter to export: this model was not trained with LoRA");
    PT_RETURN(pt_export_plain_type(opt->type, PT_F32, &type));
    PT_RETURN(pt_dir_make(dir));
    PT_RETURN(spell_targets(m));
    PT_RETURN(pt_new_rows_say(m));
    PT_RETURN(pt_peft_set_text(&m->peft->task_type, m->opt.heads & PT_HEAD_VOCABULARY ? "CAUSAL_LM" : "SEQ_CLS"));
    PT_RETURN(pt_peft_set_text(&m->peft->base_model, opt->base_name));
    m->peft->fan_in_fan_out = m->fam->layout[m->modules[0].kind] == PT_LAYOUT_TRANSPOSED;
    for (int k = 0; k < PT_HEAD_KINDS; k++)
        if (holds(m, k)) PT_RETURN(add_saved(m->peft, pt_head_at(k)->tensor));
    PT_RETURN(write_tensors(m, dir, type, opt->trial));
    PT_RETURN(pt_export_beside(m, dir, opt));
    return pt_peft_write(m->peft, dir);
}
