/* Hugging Face folder: merged (or fully tuned) weights, config.json, the tokenizer's files. Files are written one by one, each
 * whole or not at all, config.json last; other files of the folder are left alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoints/hf.h"
#include "train/export/export_impl.h"
#include "train/model/family_io.h"

static pt_status put_bytes(void *user, const void *data, size_t bytes)
{
    return pt_st_writer_write(user, data, bytes);
}

/* The tensors of the file that hold one of ours. */
static pt_status declare(pt_st_writer *w, const pt_tensor_spec *t, pt_dtype type)
{
    bool vector = pt_tensor_is_vector(t) && t->rows == 1, turned = t->kind == PT_TENSOR_MATRIX && t->layout == PT_LAYOUT_TRANSPOSED;
    int64_t dims[2] = {turned ? t->cols : t->rows, turned ? t->rows : t->cols};
    char name[128];
    if (t->layout != PT_LAYOUT_STACKED) return pt_st_writer_add(w, t->name, type, vector ? 1 : 2, vector ? dims + 1 : dims);
    for (int64_t r = 0; r < t->rows; r++) {
        pt_tensor_row_name(t, r, name);
        PT_RETURN(pt_st_writer_add(w, name, type, 1, dims + 1));
    }
    return PT_OK;
}

/* trial: the file is begun and given up before its data. */
static pt_status write_tensors(pt_model *m, const char *dir, pt_dtype type, uint64_t *trial)
{
    pt_status rc = PT_OK;
    pt_st_writer w = {0};
    pt_out_tensor o = {0};
    char *path = NULL;
    PT_TRY(pt_path_join(&path, dir, "model.safetensors"));
    PT_TRY(pt_st_writer_open(&w, path));
    for (size_t i = 0; i < m->n_specs; i++) PT_TRY(declare(&w, &m->specs[i], type));
    for (size_t i = 0; i < m->n_specs; i++) {
        PT_TRY(pt_out_open(&o, m, &m->specs[i], PT_OUT_HF));
        if (!trial) PT_TRY(pt_out_write(&o, type, NULL, put_bytes, &w));
        pt_out_close(&o);
    }
    if (trial)
        *trial = w.declared;
    else
        PT_TRY(pt_st_writer_commit(&w));
done:
    pt_out_close(&o);
    pt_st_writer_close(&w);
    free(path);
    return rc;
}

/* A GGUF file's divisors (rope_freqs.weight) have no key in config.json; those of Llama 3's formula are recognised by their
 * values: the largest one is the factor, the original length is a power of two. */
static pt_status name_freqs(const pt_model *m, pt_model_config *c)
{
    pt_status rc = PT_ENOSUP;
    float *f = NULL, mscale;
    int half = c->rot / 2;
    double last = pow(c->rope_theta, -2.0 * (half - 1) / c->rot) / (double)m->inv_freq[0][half - 1];
    PT_RETURN(pt_calloc(&f, (size_t)half, sizeof *f));
    for (c->original_positions = 16; c->original_positions <= 1 << 20; c->original_positions *= 2) {
        double worst = 0;
        c->scaling = PT_ROPE_SCALE_LLAMA3;
        c->scale_factor = round(last * 1e4) / 1e4;
        c->low_freq_factor = 1;
        c->high_freq_factor = 4;
        pt_rope_frequencies(c, NULL, f, &mscale);
        for (int k = 0; k < half; k++) worst = fmax(worst, fabs((double)f[k] / (double)m->inv_freq[0][k] - 1));
        if (!(worst < 1e-5)) continue;
        rc = PT_OK;
        break;
    }
    free(f);
    return rc == PT_OK ? rc
                       : pt_fail(PT_ENOSUP,
                                 "the rope factors of this GGUF file (rope_freqs.weight) cannot be expressed in config.json");
}

/* The whole config, for bases that have none (GGUF, random). */
static pt_status put_shape(pt_hf *c, const pt_model *m)
{
    pt_model_config named = m->cfg;
    if (named.scaling == PT_ROPE_SCALE_FREQS) PT_RETURN(name_freqs(m, &named));
    return m->fam->to_hf ? m->fam->to_hf(c, &named) : pt_family_write_hf(c, &named);
}

/* transformers counts the labels by these, of a base of other labels by that one's. */
static pt_status put_labels(pt_hf *c, int n, const pt_export_options *opt)
{
    char key[32], number[24];
    bool named = opt->n_labels == (size_t)n;
    PT_RETURN(pt_hf_remove(c, PT_HF_POOLING));
    PT_RETURN(pt_hf_remove(c, PT_HF_POOLING_TOKEN));
    if (opt->pooling) {
        PT_RETURN(pt_hf_set_text(c, PT_HF_POOLING, opt->pooling));
        if (opt->pooling_token) PT_RETURN(pt_hf_set_text(c, PT_HF_POOLING_TOKEN, opt->pooling_token));
        if (!opt->trial) pt_log(PT_LOG_WARN, "pooling: %s: transformers' classifiers read the last token, so that this folder is right for ptrain alone", opt->pooling);
    }
    if (opt->problem_type) PT_RETURN(pt_hf_set_text(c, "problem_type", opt->problem_type));
    if (n > 1 || named) {
        PT_RETURN(pt_hf_remove(c, "id2label"));
        PT_RETURN(pt_hf_remove(c, "label2id"));
    }
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "id2label.%d", i);
        snprintf(number, sizeof number, "LABEL_%d", i);
        const char *name = named ? opt->labels[i] : number;
        PT_RETURN(pt_hf_set_text(c, key, name));
        PT_RETURN(pt_hf_set_member(c, "label2id", name, i));
    }
    return PT_OK;
}

static pt_status write_config(pt_model *m, const char *dir, const pt_export_options *opt, pt_dtype type)
{
    pt_status rc = PT_OK;
    pt_hf *base = NULL, *c = NULL;
    pt_export_ids ids = {0};
    if (m->opt.heads & (m->opt.heads - 1))
        return pt_fail(PT_ENOSUP, "a model with a vocabulary and a scalar head has no class in transformers: train it as an adapter");
    const char *arch = m->opt.heads & PT_HEAD_VOCABULARY ? m->fam->causal : m->fam->classifier;
    if (!arch) return pt_fail(PT_ENOSUP, "transformers has no class for a %s model with a scalar head: train it as an adapter", m->fam->name);
    const char *type_there = NULL;
    int32_t grown;
    bool from_hf = !pt_source_is_gguf(m->src) && !m->src->random;
    if (from_hf) {
        PT_TRY(pt_hf_open(&base, pt_source_path(m->src), "config.json"));
        PT_TRY(pt_hf_text(base, "model_type", PT_HF_OPTIONAL, &type_there));
        from_hf = type_there && !strcmp(type_there, m->cfg.family); /* else this model is a part of what stands there */
    }
    PT_TRY(pt_hf_edit(&c, from_hf ? base : NULL, "config.json"));
    if (!from_hf) PT_TRY(put_shape(c, m));
    if (m->opt.heads & PT_HEAD_VOCABULARY) PT_TRY(pt_hf_set_bool(c, "tie_word_embeddings", m->cfg.tied)); /* as written, whatever the base said */
    if (pt_source_grown(m->src, &grown)) PT_TRY(pt_hf_set_int(c, "vocab_size", m->cfg.vocab));
    PT_TRY(pt_hf_set_texts(c, "architectures", &arch, 1));
    PT_TRY(pt_hf_set_text(c, "torch_dtype", type == PT_F32 ? "float32" : type == PT_F16 ? "float16" : "bfloat16"));
    PT_TRY(pt_hf_remove(c, "dtype")); /* transformers 5's spelling, which would win */
    PT_TRY(pt_export_ids_make(m, opt, &ids));
    PT_TRY(pt_export_put_ids(&ids, c));
    if (!(m->opt.heads & PT_HEAD_VOCABULARY)) PT_TRY(put_labels(c, pt_model_width(m), opt));
    PT_TRY(pt_hf_write(c, dir, "config.json"));
done:
    pt_export_ids_free(&ids);
    pt_hf_close(c);
    pt_hf_close(base);
    return rc;
}

/* What a folder keeps when no type is asked for: f32 where every matrix of the base is f32, so that no bit is lost, and where the changes are too
 * small for bf16; else bf16. Before training there is no change: the larger type is counted with. */
static pt_status own_type(pt_model *m, bool trial, pt_dtype *type)
{
    double kept;
    *type = PT_F32;
    for (size_t i = 0; i < m->n_specs && *type == PT_F32; i++) {
        const pt_tensor_spec *t = &m->specs[i];
        pt_source_tensor src;
        if (t->kind != PT_TENSOR_MATRIX) continue;
        PT_RETURN(pt_source_describe(m->src, t->name, t->rows, t->cols, &src));
        if (src.type != PT_F32) *type = PT_BF16;
    }
    if (*type == PT_F32) return PT_OK;
    PT_RETURN(pt_export_kept(m, false, PT_BF16, &kept));
    if (!trial && !(kept < PT_EXPORT_KEEP)) return PT_OK; /* NAN: nothing changed */
    if (!trial) pt_log(PT_LOG_INFO, "saved as f32: in bf16 %.0f %% of what was learnt would be left, the changes are that small", 100 * kept);
    *type = PT_F32;
    return PT_OK;
}

/* Of models that transformers has not the code lies beside config.json, which names it. */
static pt_status copy_code(const pt_model *m, const char *dir)
{
    pt_hf_folder here = {.path = (char *)(uintptr_t)dir, .tmp = (char *)(uintptr_t)dir};
    return pt_source_is_gguf(m->src) || m->src->random ? PT_OK : pt_hf_folder_copy_code(&here, pt_source_path(m->src));
}

pt_status pt_export_hf(pt_model *m, const char *dir, const pt_export_options *opt)
{
    pt_dtype type = opt->type;
    if (!m->committed) return pt_fail(PT_ESTATE, "export before commit");
    if (type == PT_DTYPE_COUNT) PT_RETURN(own_type(m, opt->trial != NULL, &type));
    PT_RETURN(pt_export_plain_type(type, PT_F32, &type));
    PT_RETURN(pt_dir_make(dir));
    PT_RETURN(write_tensors(m, dir, type, opt->trial));
    PT_RETURN(copy_code(m, dir));
    PT_RETURN(pt_export_beside(m, dir, opt));
    return write_config(m, dir, opt, type);
}
