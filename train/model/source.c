#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/quant.h"
#include "train/model/random_init.h"
#include "train/model/heads.h"
#include "train/model/source_impl.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pt_source_entry *)a)->spec.name, ((const pt_source_entry *)b)->spec.name);
}

static pt_source_entry *find(const pt_source *s, const char *name)
{
    pt_source_entry key;
    size_t n = strlen(name);
    if (n >= sizeof key.spec.name) return NULL;
    memcpy(key.spec.name, name, n + 1);
    return bsearch(&key, s->entries, s->n_entries, sizeof key, by_name);
}

/* The list of tensors that a model of this shape has; score.weight is looked for, never required. */
static pt_status make_entries(pt_source *s)
{
    pt_tensor_spec *specs = NULL;
    size_t n = 0;
    pt_status rc = PT_OK;
    PT_TRY(pt_config_tensors(&s->cfg, PT_HEAD_VOCABULARY, 0, &specs, &n));
    PT_TRY(pt_alloc0(&s->entries, n + 1));
    for (size_t i = 0; i < n; i++) s->entries[i].spec = specs[i];
    s->n_entries = n;
    qsort(s->entries, n, sizeof *s->entries, by_name);
done:
    free(specs);
    return rc;
}

static pt_status shape_error(const char *path, const pt_tensor_spec *w, int64_t rows, int64_t cols)
{
    return pt_fail(PT_ESHAPE, "%s: %s is [%lld, %lld], the configuration asks for [%lld, %lld]", path, w->name, (long long)rows,
                   (long long)cols, (long long)w->rows, (long long)w->cols);
}

/* ---- Hugging Face folder ------------------------------------------------------------------------------------------------ */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

/* Buffers that old checkpoints hold and nothing needs. */
static bool buffer(const char *name)
{
    return ends_with(name, "rotary_emb.inv_freq") || ends_with(name, ".masked_bias") || ends_with(name, ".attn.bias");
}

/* What stands before "layers.0." and "embed_tokens." in this file: "model." of a language model, "" of a bare decoder, more within
 * larger models. */
static void find_prefix(pt_source *s)
{
    static const char *const ends[] = {"embed_tokens.weight", "layers.0.input_layernorm.weight"};
    s->prefix = "model.";
    s->prefix_len = strlen(s->prefix);
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
        const char *hit = NULL;
        size_t hits = 0;
        for (size_t i = 0; i < s->st->n_tensors; i++) {
            const char *name = s->st->tensors[i].name;
            if (!ends_with(name, ends[k])) continue;
            if (!strncmp(name, "model.", 6) && strlen(name) == 6 + strlen(ends[k])) return;
            hit = name;
            hits++;
        }
        if (hits != 1) continue;
        s->prefix = hit;
        s->prefix_len = strlen(hit) - strlen(ends[k]);
        return;
    }
}

/* The file's tensor under a name of ours; NULL when there is none. */
static const pt_st_tensor *stored(const pt_source *s, const char *name)
{
    char in_file[512];
    if (strncmp(name, "model.", 6)) return pt_st_find(s->st, name);
    if (s->prefix_len + strlen(name) - 6 >= sizeof in_file) return NULL;
    memcpy(in_file, s->prefix, s->prefix_len);
    memcpy(in_file + s->prefix_len, name + 6, strlen(name) - 6 + 1);
    return pt_st_find(s->st, in_file);
}

static bool same_weights(const pt_st_tensor *a, const pt_st_tensor *b)
{
    return !strcmp(a->type_name, b->type_name) && a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes);
}

/* Whether embedding and head are one matrix: as config.json says, but for what the file itself shows, as in transformers 5. */
static void decide_ties(pt_source *s)
{
    const pt_st_tensor *embed = stored(s, "model.embed_tokens.weight"), *head = stored(s, "lm_head.weight");
    if (s->cfg.tied && embed && head && !same_weights(embed, head)) {
        s->cfg.tied = false;
        pt_log(PT_LOG_WARN, "%s: tie_word_embeddings is true, but lm_head.weight differs from the embedding: they are not tied", s->path);
    }
    if (!s->cfg.tied && !head && embed && !stored(s, "score.weight")) {
        s->cfg.tied = true;
        pt_log(PT_LOG_WARN, "%s: tie_word_embeddings is false, but there is no lm_head.weight: the embedding is the head", s->path);
    }
}

/* A classifier has score.weight, a row for each of its labels, and no lm_head: then score.weight takes the head's place. */
static void use_score(pt_source *s)
{
    const pt_st_tensor *t = pt_st_find(s->st, "score.weight");
    pt_source_entry *head = find(s, "lm_head.weight");
    if (!t || (head && pt_st_find(s->st, "lm_head.weight"))) return;
    if (!head) head = &s->entries[s->n_entries++];
    head->spec = (pt_tensor_spec){.name = "score.weight", .kind = PT_TENSOR_HEAD, .head = PT_HEAD_AT_VALUES, .rows = t->n_dims == 2 ? t->dims[0] : 1,
                                  .cols = s->cfg.hidden, .layer = -1, .module = -1};
    qsort(s->entries, s->n_entries, sizeof *s->entries, by_name);
}

/* Tensors that the configuration gives no place: transformers leaves them out too, and says so. */
static void tell_unused(const pt_source *s, const bool *used)
{
    const pt_st_tensor *t = s->st->tensors;
    const char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->st->n_tensors; i++) {
        if (used[i] || buffer(t[i].name) || !strcmp(t[i].name, "lm_head.weight") || !strcmp(t[i].name, "score.weight")) continue;
        if (!n++) first = t[i].name;
    }
    if (n) pt_log(PT_LOG_WARN, "%s: %zu tensors have no place in this %s model and are not used, first %s", s->path, n, s->cfg.family, first);
}

static pt_status bind_st(pt_source *s)
{
    pt_status rc = PT_OK;
    bool *used = NULL;
    use_score(s);
    PT_TRY(pt_alloc0(&used, s->st->n_tensors));
    for (size_t i = 0; i < s->n_entries; i++) {
        pt_source_entry *e = &s->entries[i];
        const pt_st_tensor *t = stored(s, e->spec.name);
        if (!t && s->cfg.tied && e->spec.kind == PT_TENSOR_EMBED) t = stored(s, "lm_head.weight"); /* the one matrix, under its other name */
        PT_TRY(pt_st_need(s->st, t ? t->name : e->spec.name, &t));
        int64_t rows = t->n_dims == 2 ? t->dims[0] : 1, cols = t->n_dims >= 1 ? t->dims[t->n_dims - 1] : 1;
        if (t->n_dims < 1 || t->n_dims > 2 || rows != e->spec.rows || cols != e->spec.cols)
            PT_TRY(shape_error(t->file, &e->spec, rows, cols));
        e->t = (pt_source_tensor){t->data, t->bytes, t->type, rows, cols};
        used[t - s->st->tensors] = true;
    }
    tell_unused(s, used);
done:
    free(used);
    return rc;
}

static pt_status open_hf(pt_source *s)
{
    pt_status rc = PT_OK;
    char *config = NULL, *text = NULL;
    size_t bytes;
    PT_TRY(pt_path_join(&config, s->path, "config.json"));
    PT_CHECK(pt_file_given(config), PT_EARG, "%s: no config.json in this folder: it is not a Hugging Face model", s->path);
    PT_TRY(pt_text_read(&text, &bytes, config, 16 << 20));
    PT_TRY(pt_config_from_hf(&s->cfg, text, bytes, config));
    PT_TRY(pt_st_open(&s->st, s->path));
    find_prefix(s);
    decide_ties(s);
    PT_TRY(make_entries(s));
    PT_TRY(bind_st(s));
done:
    free(config);
    free(text);
    return rc;
}

/* ---- GGUF ------------------------------------------------------------------------------------------------------------------
 */

static pt_status bind_gguf(pt_source *s)
{
    char name[128];
    for (size_t i = 0; i < s->n_entries; i++) {
        pt_source_entry *e = &s->entries[i];
        const pt_gguf_tensor *t;
        if (!pt_name_to_gguf(e->spec.name, name, sizeof name))
            return pt_fail(PT_EINTERNAL, "no GGUF name for %s", e->spec.name);
        PT_RETURN(pt_gguf_need(s->gguf, name, &t));
        if (t->rows != e->spec.rows || t->dims[0] != e->spec.cols) return shape_error(s->path, &e->spec, t->rows, t->dims[0]);
        e->t = (pt_source_tensor){t->data, t->bytes, t->type, t->rows, t->dims[0]};
    }
    for (size_t i = 0; i < s->gguf->n_tensors; i++) {
        const char *n = s->gguf->tensors[i].name;
        bool known = pt_name_to_hf(n, name, sizeof name) && find(s, name);
        if (!known && strcmp(n, "rope_freqs.weight") != 0)
            return pt_fail(PT_ENOSUP, "%s: tensor %s is no part of a %s model that is supported here", s->path, n,
                           s->cfg.family);
    }
    return PT_OK;
}

static pt_status open_gguf(pt_source *s)
{
    PT_RETURN(pt_gguf_open(&s->gguf, s->path));
    PT_RETURN(pt_config_from_gguf(&s->cfg, s->gguf));
    PT_RETURN(make_entries(s));
    PT_RETURN(bind_gguf(s));
    if (s->cfg.scaling != PT_ROPE_SCALE_FREQS) return PT_OK;
    const pt_gguf_tensor *t;
    PT_RETURN(pt_gguf_need(s->gguf, "rope_freqs.weight", &t));
    PT_RETURN(pt_gguf_check_shape(s->gguf, t, 1, s->cfg.rot / 2));
    if (t->type != PT_F32)
        return pt_fail(PT_ENOSUP, "%s: rope_freqs.weight is %s, not f32", s->path, pt_dtype_get(t->type)->name);
    s->freqs = (pt_source_tensor){t->data, t->bytes, t->type, 1, t->dims[0]};
    return PT_OK;
}

/* ---- opening and asking ------------------------------------------------------------------------------------------------ */

pt_status pt_source_open(pt_source **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_source *s = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&s, 1));
    PT_TRY(pt_strdup(&s->path, path));
    if (pt_dir_exists(path))
        PT_TRY(open_hf(s));
    else {
        PT_CHECK(pt_file_given(path), PT_EIO, "%s: no such model: neither a Hugging Face folder nor a GGUF file", path);
        PT_TRY(open_gguf(s));
    }
    *out = s;
    s = NULL;
done:
    pt_source_free(s);
    return rc;
}

pt_status pt_source_random(pt_source **out, const pt_model_config *cfg, uint64_t seed)
{
    pt_status rc = PT_OK;
    pt_source *s = NULL;
    *out = NULL;
    PT_TRY(pt_config_check(cfg, "init: random"));
    PT_CHECK(pt_family_find(cfg->family), PT_ENOSUP, "init: random: family '%.15s' is not supported; supported: %s",
             cfg->family, pt_family_names());
    PT_CHECK(!cfg->window || pt_family_find(cfg->family)->window != PT_WINDOW_NEVER, PT_EARG,
             "init: random: family %s has no sliding_window (mistral, qwen2 and qwen3 have)", cfg->family);
    PT_TRY(pt_alloc0(&s, 1));
    PT_TRY(pt_strdup(&s->path, "random"));
    s->cfg = *cfg;
    s->cfg.qkv_bias = pt_family_find(cfg->family)->qkv_bias;
    s->cfg.qk_norm = pt_family_find(cfg->family)->qk_norm;
    s->cfg.rope_kind = PT_ROPE_HALF;
    s->random = true;
    s->seed = seed;
    PT_TRY(make_entries(s));
    for (size_t i = 0; i < s->n_entries; i++) {
        pt_source_entry *e = &s->entries[i];
        size_t n;
        PT_CHECK(pt_mul_size((size_t)e->spec.rows, (size_t)e->spec.cols * 4, &n), PT_ESHAPE, "%s overflows", e->spec.name);
        e->t = (pt_source_tensor){NULL, n, PT_F32, e->spec.rows, e->spec.cols};
    }
    *out = s;
    s = NULL;
done:
    pt_source_free(s);
    return rc;
}

void pt_source_free(pt_source *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n_entries; i++) free(s->entries[i].made);
    free(s->entries);
    pt_tok_free(s->tok);
    pt_st_close(s->st);
    pt_gguf_close(s->gguf);
    free(s->path);
    free(s);
}

const pt_model_config *pt_source_config(const pt_source *s)
{
    return &s->cfg;
}
bool pt_source_is_gguf(const pt_source *s)
{
    return s->gguf != NULL;
}
const char *pt_source_path(const pt_source *s)
{
    return s->path;
}

bool pt_source_has(const pt_source *s, const char *hf_name)
{
    return find(s, hf_name) != NULL;
}

/* Normal numbers by Box-Muller, keyed by the tensor's name, so that they depend on nothing else; norms are 1, biases 0. */
static void make_random(const pt_source *s, const pt_tensor_spec *w, float *dst)
{
    int64_t n = w->rows * w->cols;
    if (w->kind == PT_TENSOR_NORM || w->kind == PT_TENSOR_BIAS) {
        for (int64_t i = 0; i < n; i++) dst[i] = w->kind == PT_TENSOR_NORM;
        return;
    }
    pt_random_normal(s->seed, PT_RNG_INIT, w->name, (float)s->cfg.initializer_range, n, dst);
}

static pt_status entry_get(const pt_source *s, const char *name, int64_t rows, int64_t cols, pt_source_entry **out)
{
    pt_source_entry *e = find(s, name);
    if (!e) return pt_fail(PT_EFORMAT, "%s: tensor %s is missing", s->path, name);
    if ((rows && rows != e->t.rows) || (cols && cols != e->t.cols))
        return pt_fail(PT_EFORMAT, "%s: %s is [%lld, %lld], asked for [%lld, %lld]", s->path, name, (long long)e->t.rows,
                       (long long)e->t.cols, (long long)rows, (long long)cols);
    *out = e;
    return PT_OK;
}

pt_status pt_source_describe(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, pt_source_tensor *out)
{
    pt_source_entry *e = NULL;
    PT_RETURN(entry_get(s, hf_name, rows, cols, &e));
    *out = e->t;
    return PT_OK;
}

pt_status pt_source_tensor_get(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, pt_source_tensor *out)
{
    pt_source_entry *e = NULL;
    if (strcmp(hf_name, "rope_freqs.weight") == 0 && s->freqs.data) {
        *out = s->freqs;
        return PT_OK;
    }
    PT_RETURN(entry_get(s, hf_name, rows, cols, &e));
    if (!e->t.data) { /* random: made when first asked for, kept as the weight itself */
        PT_RETURN(pt_calloc(&e->made, e->t.bytes / 4, 4));
        make_random(s, &e->spec, e->made);
        e->t.data = e->made;
    }
    *out = e->t;
    return PT_OK;
}

pt_status pt_source_load_f32(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, float *dst)
{
    pt_source_entry *e = NULL;
    PT_RETURN(entry_get(s, hf_name, rows, cols, &e));
    if (e->t.data) return pt_dequant_rows(e->t.type, e->t.data, e->t.rows, e->t.cols, dst);
    make_random(s, &e->spec, dst);
    return PT_OK;
}

uint64_t pt_source_weight_bytes(const pt_source *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_entries; i++) sum += s->entries[i].t.bytes;
    return sum;
}

uint64_t pt_source_parameters(const pt_source *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_entries; i++) sum += (uint64_t)s->entries[i].t.rows * (uint64_t)s->entries[i].t.cols;
    return sum;
}

bool pt_source_quantised(const pt_source *s)
{
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->entries[i].spec.kind == PT_TENSOR_MATRIX && pt_dtype_quantised(s->entries[i].t.type)) return true;
    return false;
}
