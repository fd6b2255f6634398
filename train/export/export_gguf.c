/* One GGUF file with the merged weights, and GGUF LoRA adapters (llama.cpp's convert_hf_to_gguf.py and convert_lora_to_gguf.py
 * say what stands where). Q and K rows are in adjacent-pairs order for architectures that ask for it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/quant.h"
#include "train/export/export_impl.h"
#include "train/model/family_io.h"

static pt_status put_bytes(void *user, const void *data, size_t bytes)
{
    return pt_gguf_write(user, data, bytes);
}

/* general.file_type of a file whose matrices are mostly t (ggml's llama_ftype). */
static uint32_t file_type(pt_dtype t)
{
    switch (t) {
    case PT_F32: return 0;
    case PT_F16: return 1;
    case PT_Q4_0: return 2;
    case PT_Q4_1: return 3;
    case PT_Q8_0: return 7;
    case PT_Q5_0: return 8;
    case PT_Q5_1: return 9;
    case PT_Q2_K: return 10;
    case PT_Q3_K: return 12;
    case PT_Q4_K: return 15;
    case PT_Q5_K: return 17;
    case PT_Q6_K: return 18;
    case PT_IQ4_NL: return 25;
    case PT_IQ3_S: return 26;
    case PT_IQ4_XS: return 30;
    default: return 32; /* bf16 */
    }
}

static pt_status declare(pt_gguf_writer *w, pt_model *m, const pt_tensor_spec *s, pt_type_choice *choice, pt_dtype *type)
{
    pt_status rc = PT_OK;
    pt_out_tensor o = {0};
    char name[128];
    bool vector = pt_tensor_is_vector(s) && s->rows == 1;
    int64_t dims[2] = {s->cols, s->rows};
    PT_CHECK(pt_tensor_gguf_name(m->fam, s, name, sizeof name), PT_ENOSUP, "%s has no name in GGUF", s->name);
    PT_TRY(pt_out_open(&o, m, s, PT_OUT_GGUF));
    PT_TRY(pt_type_choice_next(choice, &o, name, type));
    PT_TRY(pt_gguf_put_tensor(w, name, *type, vector ? 1 : 2, dims));
done:
    pt_out_close(&o);
    return rc;
}

/* Llama 3's scaling travels as divisors of the frequencies. */
static bool wants_freqs(const pt_model_config *c)
{
    return c->scaling == PT_ROPE_SCALE_LLAMA3 || c->scaling == PT_ROPE_SCALE_FREQS;
}

static pt_status write_freqs(pt_gguf_writer *w, const pt_model *m)
{
    float *f = NULL;
    PT_RETURN(pt_calloc(&f, (size_t)m->cfg.rot / 2, sizeof *f));
    for (int i = 0; i < m->cfg.rot / 2; i++)
        f[i] = (float)(pow(m->cfg.rope_theta, -2.0 * i / m->cfg.rot) / (double)m->inv_freq[0][i]);
    pt_status rc = pt_gguf_write(w, f, (size_t)m->cfg.rot / 2 * sizeof *f);
    free(f);
    return rc;
}

/* A reader knows by the word Phi-3 in the name that the tokens of turns take the white space behind them (train/model/source_tok.c). */
static pt_status put_name(pt_gguf_writer *w, const pt_model *m, const pt_export_options *opt)
{
    pt_status rc = PT_OK;
    pt_str name = {0};
    const pt_vocab_spec *v = opt->tok ? pt_tok_spec(opt->tok) : NULL;
    PT_TRY(pt_str_puts(&name, opt->base_name && *opt->base_name ? pt_path_base(opt->base_name) : m->fam->name));
    if (!strcmp(m->fam->gguf, "phi3") && v && v->strips && !pt_gguf_name_strips(name.text)) PT_TRY(pt_str_puts(&name, " (Phi-3)"));
    PT_TRY(pt_gguf_put_text(w, "general.name", name.text, name.len));
done:
    pt_str_free(&name);
    return rc;
}

/* What llama-quantize notes of the importances. */
static pt_status put_imatrix(pt_gguf_writer *w, const pt_imatrix *im)
{
    const char *file = im->path ? pt_path_base(im->path) : "computed";
    PT_RETURN(pt_gguf_put_text(w, "quantize.imatrix.file", file, strlen(file)));
    if (im->data) PT_RETURN(pt_gguf_put_text(w, "quantize.imatrix.dataset", im->data, strlen(im->data)));
    PT_RETURN(pt_gguf_put_u32(w, "quantize.imatrix.entries_count", (uint32_t)im->n));
    return pt_gguf_put_u32(w, "quantize.imatrix.chunks_count", (uint32_t)im->chunks);
}

static pt_status put_general(pt_gguf_writer *w, const pt_model *m, const pt_export_options *opt, pt_dtype most)
{
    PT_RETURN(pt_gguf_put_text(w, "general.architecture", m->fam->gguf, strlen(m->fam->gguf)));
    PT_RETURN(pt_gguf_put_text(w, "general.type", "model", 5));
    PT_RETURN(put_name(w, m, opt));
    const pt_mix *mix = pt_export_mix(opt);
    PT_RETURN(pt_gguf_put_u32(w, "general.file_type", mix ? pt_mix_file_type(mix) : file_type(most)));
    PT_RETURN(pt_gguf_put_u32(w, "general.quantization_version", 2));
    if (opt->imatrix) PT_RETURN(put_imatrix(w, opt->imatrix));
    PT_RETURN(m->fam->to_gguf ? m->fam->to_gguf(w, &m->cfg) : pt_family_write_gguf(w, &m->cfg));
    PT_RETURN(pt_gguf_put_vocab(w, m, opt));
    PT_RETURN(pt_gguf_put_base_keys(w, m, opt));
    return pt_gguf_put_seal(w);
}

static pt_status check_exportable(const pt_model *m)
{
    if (!m->committed) return pt_fail(PT_ESTATE, "export before commit");
    if (!m->fam->gguf) return pt_fail(PT_ENOSUP, "llama.cpp has no %s models: there is no GGUF export; use --to hf or peft", m->fam->name);
    if (m->opt.heads & PT_HEAD_VALUES)
        return pt_fail(PT_ENOSUP,
                       "a reward model cannot be exported as GGUF: llama.cpp has no scalar head; use --to hf or peft");
    return PT_OK;
}

void pt_export_wrote_free(pt_export_wrote *w)
{
    free(w->path);
    free(w->types);
    *w = (pt_export_wrote){0};
}

static pt_status tell(const pt_gguf_writer *w, pt_dtype **types, size_t n, pt_export_wrote *out)
{
    pt_export_wrote_free(out);
    *out = (pt_export_wrote){.files = w->n_parts, .types = *types, .n_types = n};
    *types = NULL;
    return w->n_parts > 1 ? pt_gguf_part_path(&out->path, w->path, 0, w->n_parts) : pt_strdup(&out->path, w->path);
}

static const float *weights_of(const pt_model *m, const pt_tensor_spec *s, const pt_export_options *opt)
{
    char name[128];
    return opt->imatrix && pt_tensor_gguf_name(m->fam, s, name, sizeof name) ? pt_imatrix_mean(opt->imatrix, name, s->cols) : NULL;
}

pt_status pt_export_gguf(pt_model *m, const char *file, const pt_export_options *opt)
{
    pt_status rc = PT_OK;
    pt_gguf_writer w = {0};
    pt_out_tensor o = {0};
    pt_dtype *types = NULL;
    int64_t half = m->cfg.rot / 2;
    size_t matrix = 0;
    pt_type_choice choice;
    PT_TRY(check_exportable(m));
    PT_TRY(pt_type_choice_start(&choice, m, opt));
    PT_TRY(pt_alloc0(&types, m->n_specs));
    PT_TRY(pt_gguf_writer_open(&w, file));
    pt_gguf_writer_limit(&w, opt->split);
    for (size_t i = 0; i < m->n_specs; i++) {
        PT_TRY(declare(&w, m, &m->specs[i], &choice, &types[i]));
        if (m->specs[i].kind == PT_TENSOR_MATRIX) matrix = i;
    }
    if (wants_freqs(&m->cfg)) PT_TRY(pt_gguf_put_tensor(&w, "rope_freqs.weight", PT_F32, 1, &half));
    if (m->cfg.scaling == PT_ROPE_SCALE_LONG) PT_TRY(pt_longrope_declare(&w, &m->cfg));
    PT_TRY(put_general(&w, m, opt, types[matrix]));
    for (size_t i = 0; i < m->n_specs; i++) {
        PT_TRY(pt_out_open(&o, m, &m->specs[i], PT_OUT_GGUF));
        PT_TRY(pt_out_write(&o, types[i], weights_of(m, &m->specs[i], opt), put_bytes, &w));
        pt_out_close(&o);
    }
    if (wants_freqs(&m->cfg)) PT_TRY(write_freqs(&w, m));
    if (m->cfg.scaling == PT_ROPE_SCALE_LONG) PT_TRY(pt_longrope_write(&w, &m->cfg));
    PT_TRY(pt_gguf_writer_commit(&w));
    if (opt->wrote) PT_TRY(tell(&w, &types, m->n_specs, opt->wrote));
done:
    pt_out_close(&o);
    pt_gguf_writer_close(&w);
    free(types);
    return rc;
}

/* ---- LoRA ------------------------------------------------------------------------------------------------------------------
 */

/* llama.cpp multiplies by alpha / rank with one alpha a file: rsLoRA and patterns go into alpha, what then still differs into
 * B. */
static double common_alpha(const pt_model *m)
{
    return m->modules[0].scale * m->modules[0].r;
}

static pt_status lora_name(const pt_family *f, const pt_lora_module *x, char c, char *out, size_t size)
{
    char base[128];
    const pt_tensor_spec spec = {.kind = PT_TENSOR_MATRIX, .part = x->kind, .layer = x->layer};
    if (!pt_tensor_gguf_name(f, &spec, base, sizeof base) || snprintf(out, size, "%s.lora_%c", base, c) >= (int)size)
        return pt_fail(PT_EINTERNAL, "%s has no name in GGUF", x->path);
    return PT_OK;
}

static pt_status write_lora(pt_gguf_writer *w, pt_model *m, const pt_lora_module *x, pt_dtype type, double alpha)
{
    pt_status rc = PT_OK;
    float *a = NULL, *b = NULL, *turned = NULL;
    unsigned char *bytes = NULL;
    size_t row;
    const pt_rows_order order = pt_rows_to_gguf(&m->cfg, x->kind);
    double fold = x->scale * x->r / alpha;
    PT_TRY(pt_out_adapter(m, x, &a, &b));
    PT_TRY(pt_calloc(&turned, (size_t)(x->out * x->r), sizeof *turned));
    PT_TRY(pt_alloc0(&bytes, (size_t)(x->in > x->out ? x->in : x->out) * (size_t)x->r * 4));
    for (int64_t r = 0; r < x->out; r++) {
        int64_t from = pt_row_from(&m->cfg, order, r);
        for (int k = 0; k < x->r; k++) turned[r * x->r + k] = (float)(fold * (double)b[from * x->r + k]);
    }
    PT_TRY(pt_dtype_row_bytes(type, (size_t)x->in, &row));
    PT_TRY(pt_quant_rows(type, a, x->r, x->in, bytes));
    PT_TRY(pt_gguf_write(w, bytes, row * (size_t)x->r));
    PT_TRY(pt_dtype_row_bytes(type, (size_t)x->r, &row));
    PT_TRY(pt_quant_rows(type, turned, x->out, x->r, bytes));
    PT_TRY(pt_gguf_write(w, bytes, row * (size_t)x->out));
done:
    free(a);
    free(b);
    free(turned);
    free(bytes);
    return rc;
}

static pt_status declare_lora(pt_gguf_writer *w, const pt_family *f, const pt_lora_module *x, pt_dtype type)
{
    char name[160];
    int64_t a[2] = {x->in, x->r}, b[2] = {x->r, x->out};
    PT_RETURN(lora_name(f, x, 'a', name, sizeof name));
    PT_RETURN(pt_gguf_put_tensor(w, name, type, 2, a));
    PT_RETURN(lora_name(f, x, 'b', name, sizeof name));
    return pt_gguf_put_tensor(w, name, type, 2, b);
}

pt_status pt_export_gguf_lora(pt_model *m, const char *file, const pt_export_options *opt)
{
    pt_status rc = PT_OK;
    pt_gguf_writer w = {0};
    pt_dtype type;
    PT_TRY(check_exportable(m));
    PT_CHECK(!m->new_rows.n, PT_ENOSUP, "a GGUF adapter has no place for the rows of added tokens: use --to gguf, hf or peft");
    PT_CHECK(m->n_modules, PT_ESTATE, "there is no adapter to export: this model was not trained with LoRA");
    PT_TRY(pt_export_plain_type(opt->type, PT_F32, &type));
    PT_TRY(pt_gguf_writer_open(&w, file));
    PT_TRY(pt_gguf_put_text(&w, "general.architecture", m->fam->gguf, strlen(m->fam->gguf)));
    PT_TRY(pt_gguf_put_text(&w, "general.type", "adapter", 7));
    PT_TRY(pt_gguf_put_text(&w, "adapter.type", "lora", 4));
    PT_TRY(pt_gguf_put_f32(&w, "adapter.lora.alpha", (float)common_alpha(m)));
    PT_TRY(pt_gguf_put_u32(&w, "general.file_type", file_type(type)));
    PT_TRY(pt_gguf_put_seal(&w));
    for (size_t i = 0; i < m->n_modules; i++) PT_TRY(declare_lora(&w, m->fam, &m->modules[i], type));
    for (size_t i = 0; i < m->n_modules; i++) PT_TRY(write_lora(&w, m, &m->modules[i], type, common_alpha(m)));
    PT_TRY(pt_gguf_writer_commit(&w));
done:
    pt_gguf_writer_close(&w);
    return rc;
}
