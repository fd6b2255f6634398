#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
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

static const char *trunk_of(const pt_source *s)
{
    const pt_family *f = pt_family_of(&s->cfg);
    return f->trunk ? f->trunk : "model.";
}

/* What stands before a tensor of the decoder in this file: the trunk ("model.") of a language model, "" of a bare decoder, more within larger models.
 * Two tensors that every model has tell it, by their names behind the trunk. */
static pt_status find_prefix(pt_source *s)
{
    const pt_family *f = pt_family_of(&s->cfg);
    const char *trunk = trunk_of(s);
    size_t n = strlen(trunk);
    char names[2][96];
    PT_RETURN(pt_part_path(f, PT_PART_EMBED, -1, names[0], sizeof names[0]));
    PT_RETURN(pt_part_path(f, pt_first_norm(&s->cfg), 0, names[1], sizeof names[1]));
    s->prefix = trunk;
    s->prefix_len = n;
    for (int k = 0; k < 2; k++) {
        char end[128];
        const char *hit = NULL;
        size_t hits = 0;
        snprintf(end, sizeof end, "%s.weight", names[k] + n);
        for (size_t i = 0; i < s->st->n_tensors; i++) {
            const char *name = s->st->tensors[i].name;
            if (!ends_with(name, end)) continue;
            if (!strncmp(name, trunk, n) && strlen(name) == n + strlen(end)) return PT_OK;
            hit = name;
            hits++;
        }
        if (hits != 1) continue;
        s->prefix = hit;
        s->prefix_len = strlen(hit) - strlen(end);
        return PT_OK;
    }
    return PT_OK;
}

/* The file's tensor under a name of ours; NULL when there is none. */
static const pt_st_tensor *stored(const pt_source *s, const char *name)
{
    char in_file[512];
    const char *trunk = trunk_of(s);
    size_t n = strlen(trunk);
    if (strncmp(name, trunk, n)) return pt_st_find(s->st, name);
    if (s->prefix_len + strlen(name) - n >= sizeof in_file) return NULL;
    memcpy(in_file, s->prefix, s->prefix_len);
    memcpy(in_file + s->prefix_len, name + n, strlen(name) - n + 1);
    return pt_st_find(s->st, in_file);
}

/* The file's embedding or head. */
static const pt_st_tensor *stored_part(const pt_source *s, int part)
{
    char path[96], name[112];
    if (pt_part_path(pt_family_of(&s->cfg), part, -1, path, sizeof path) != PT_OK) return NULL;
    snprintf(name, sizeof name, "%s.weight", path);
    return stored(s, name);
}

static bool same_weights(const pt_st_tensor *a, const pt_st_tensor *b)
{
    return !strcmp(a->type_name, b->type_name) && a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes);
}

/* Whether embedding and head are one matrix: as config.json says, but for what the file itself shows, as in transformers 5. */
static void decide_ties(pt_source *s)
{
    const pt_st_tensor *embed = stored_part(s, PT_PART_EMBED), *head = stored_part(s, PT_PART_HEAD);
    if (s->cfg.tied && embed && head && !same_weights(embed, head)) {
        s->cfg.tied = false;
        pt_log(PT_LOG_WARN, "%s: tie_word_embeddings is true, but %s differs from the embedding: they are not tied", s->path, head->name);
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
    pt_source_entry *head = NULL;
    for (size_t i = 0; i < s->n_entries && !head; i++)
        if (s->entries[i].spec.kind == PT_TENSOR_HEAD) head = &s->entries[i];
    if (!t || (head && stored_part(s, PT_PART_HEAD))) return;
    if (!head) head = &s->entries[s->n_entries++];
    head->spec = (pt_tensor_spec){.name = "score.weight", .kind = PT_TENSOR_HEAD, .head = PT_HEAD_AT_VALUES, .rows = t->n_dims == 2 ? t->dims[0] : 1,
                                  .cols = pt_config_embed(&s->cfg), .layer = -1, .part = PT_PART_COUNT, .module = -1};
    qsort(s->entries, s->n_entries, sizeof *s->entries, by_name);
}

/* Tensors that the configuration gives no place: transformers leaves them out too, and says so. */
static void tell_unused(const pt_source *s, const bool *used)
{
    const pt_st_tensor *t = s->st->tensors, *head = stored_part(s, PT_PART_HEAD);
    const char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->st->n_tensors; i++) {
        if (used[i] || buffer(t[i].name) || &t[i] == head || !strcmp(t[i].name, "score.weight")) continue;
        if (!n++) first = t[i].name;
    }
    if (n) pt_log(PT_LOG_WARN, "%s: %zu tensors have no place in this %s model and are not used, first %s", s->path, n, s->cfg.family, first);
}

/* A matrix of which the file has a tensor for each row. It is small: made at once. */
static pt_status bind_stack(pt_source *s, pt_source_entry *e, bool *used)
{
    unsigned char *made = NULL;
    char name[128];
    for (int64_t r = 0; r < e->spec.rows; r++) {
        pt_tensor_row_name(&e->spec, r, name);
        const pt_st_tensor *t = stored(s, name);
        PT_RETURN(pt_st_need(s->st, t ? t->name : name, &t));
        if (t->n_dims != 1 || t->dims[0] != e->spec.cols)
            return pt_fail(PT_ESHAPE, "%s: %s has %lld numbers, the configuration asks for %lld", t->file, name, (long long)t->count, (long long)e->spec.cols);
        if (!made) {
            PT_RETURN(pt_calloc(&made, (size_t)e->spec.rows, t->bytes));
            e->made = made;
            e->t = (pt_source_tensor){made, (size_t)e->spec.rows * t->bytes, t->type, e->spec.rows, e->spec.cols};
        }
        if (t->type != e->t.type) return pt_fail(PT_EFORMAT, "%s: %s is of another type than the norms of other heads", t->file, name);
        memcpy(made + (size_t)r * t->bytes, t->data, t->bytes);
        used[t - s->st->tensors] = true;
    }
    return PT_OK;
}

static pt_status bind_st(pt_source *s)
{
    pt_status rc = PT_OK;
    bool *used = NULL;
    use_score(s);
    PT_TRY(pt_alloc0(&used, s->st->n_tensors));
    for (size_t i = 0; i < s->n_entries; i++) {
        pt_source_entry *e = &s->entries[i];
        if (e->spec.layout == PT_LAYOUT_STACKED) {
            PT_TRY(bind_stack(s, e, used));
            continue;
        }
        const pt_st_tensor *t = stored(s, e->spec.name);
        if (!t && s->cfg.tied && e->spec.part == PT_PART_EMBED) t = stored_part(s, PT_PART_HEAD); /* the one matrix, under its other name */
        PT_TRY(pt_st_need(s->st, t ? t->name : e->spec.name, &t));
        bool turned = e->spec.kind == PT_TENSOR_MATRIX && e->spec.layout == PT_LAYOUT_TRANSPOSED;
        int64_t rows = t->n_dims == 2 ? t->dims[0] : 1, cols = t->n_dims >= 1 ? t->dims[t->n_dims - 1] : 1;
        if (t->n_dims < 1 || t->n_dims > 2 || rows != (turned ? e->spec.cols : e->spec.rows) || cols != (turned ? e->spec.rows : e->spec.cols))
            PT_TRY(shape_error(t->file, &e->spec, rows, cols));
        e->t = (pt_source_tensor){t->data, t->bytes, t->type, e->spec.rows, e->spec.cols};
        if (s->cfg.normed_head && e->spec.part == PT_PART_HEAD) {
            e->stored = e->t;
            e->t.data = NULL;
        }
        if (e->spec.layout != PT_LAYOUT_ROWS && (turned || e->spec.layout == PT_LAYOUT_GROUPED)) {
            e->stored = e->t;
            e->t.data = NULL;
        }
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
    PT_TRY(find_prefix(s));
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

/* A tensor of the file that belongs to nothing of ours: left out it would change the model. */
static pt_status refuse_unused(const pt_source *s)
{
    pt_status rc = PT_OK;
    json_t *known = json_object();
    char name[128];
    PT_CHECK(known, PT_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->n_entries; i++)
        if (pt_tensor_gguf_name(pt_family_of(&s->cfg), &s->entries[i].spec, name, sizeof name)) json_object_set_new(known, name, json_true());
    for (size_t i = 0; i < s->gguf->n_tensors; i++) {
        const char *n = s->gguf->tensors[i].name;
        bool rope = strcmp(n, "rope_freqs.weight") == 0 || (s->cfg.scaling == PT_ROPE_SCALE_LONG && strncmp(n, "rope_factors_", 13) == 0);
        PT_CHECK(json_object_get(known, n) || rope, PT_ENOSUP, "%s: tensor %s is no part of a %s model that is supported here",
                 s->path, n, s->cfg.family);
    }
done:
    json_decref(known);
    return rc;
}

static pt_status bind_gguf(pt_source *s)
{
    const pt_family *f = pt_family_of(&s->cfg);
    char name[128];
    for (size_t i = 0; i < s->n_entries; i++) {
        pt_source_entry *e = &s->entries[i];
        const pt_gguf_tensor *t;
        if (!pt_tensor_gguf_name(f, &e->spec, name, sizeof name))
            return pt_fail(PT_EINTERNAL, "no GGUF name for %s", e->spec.name);
        PT_RETURN(pt_gguf_need(s->gguf, name, &t));
        if (t->rows != e->spec.rows || t->dims[0] != e->spec.cols) return shape_error(s->path, &e->spec, t->rows, t->dims[0]);
        e->t = (pt_source_tensor){t->data, t->bytes, t->type, t->rows, t->dims[0]};
    }
    return refuse_unused(s);
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
    const pt_family *f = pt_family_find(cfg->family);
    char titles[PT_FAMILY_TITLES];
    PT_TRY(pt_config_check(cfg, "init: random"));
    PT_CHECK(f, PT_ENOSUP, "init: random: family '%.15s' is not supported; supported: %s", cfg->family, pt_family_titles(titles));
    PT_CHECK(!cfg->window || f->windowed, PT_EARG, "init: random: models of family %s have no sliding_window", cfg->family);
    PT_TRY(pt_alloc0(&s, 1));
    PT_TRY(pt_strdup(&s->path, "random"));
    s->cfg = *cfg;
    pt_config_forget_file(&s->cfg);
    if (f->shape) f->shape(&s->cfg);
    if (f->derive) f->derive(&s->cfg);
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

/* Normal numbers by Box-Muller, keyed by the tensor's name, so that they depend on nothing else; norms in use are 1, biases 0. */
static void make_random(const pt_source *s, const pt_tensor_spec *w, float *dst)
{
    int64_t n = w->rows * w->cols;
    if (pt_tensor_is_vector(w)) {
        for (int64_t i = 0; i < n; i++) dst[i] = w->kind == PT_TENSOR_NORM ? 1 - s->cfg.norm_add : 0;
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

/* Rows of length 1, in the stored type; a row of zeros stays (torch's normalize, eps 1e-12). */
static pt_status set_normed(const pt_source *s, const pt_source_entry *e, unsigned char *dst)
{
    pt_status rc = PT_OK;
    float *row = NULL;
    size_t bytes;
    PT_CHECK(!pt_dtype_quantised(e->t.type), PT_ENOSUP, "%s: %s is to be normed and is quantised", s->path, e->spec.name);
    PT_TRY(pt_dtype_row_bytes(e->t.type, (size_t)e->t.cols, &bytes));
    PT_TRY(pt_calloc(&row, (size_t)e->t.cols, sizeof *row));
    for (int64_t r = 0; r < e->t.rows; r++) {
        double sum = 0;
        pt_dequant_run(e->t.type, (const unsigned char *)e->stored.data + (size_t)r * bytes, e->t.cols, row);
        for (int64_t c = 0; c < e->t.cols; c++) sum += (double)row[c] * (double)row[c];
        for (int64_t c = 0; c < e->t.cols; c++) row[c] = (float)((double)row[c] / fmax(sqrt(sum), 1e-12));
        PT_TRY(pt_quant_rows(e->t.type, row, 1, e->t.cols, dst + (size_t)r * bytes));
    }
done:
    free(row);
    return rc;
}

/* What the file holds in another order or transposed, as a decoder reads it: elements stay as they are stored. */
static pt_status set_in_order(const pt_source *s, const pt_source_entry *e, unsigned char *dst)
{
    const unsigned char *src = e->stored.data;
    const int64_t rows = e->t.rows, cols = e->t.cols;
    const bool turned = e->spec.kind == PT_TENSOR_MATRIX && e->spec.layout == PT_LAYOUT_TRANSPOSED, vector = rows == 1;
    const size_t size = e->t.bytes / (size_t)(rows * cols);
    size_t row = vector ? size : size * (size_t)cols;
    if (pt_dtype_quantised(e->t.type)) return pt_fail(PT_ENOSUP, "%s: %s is stored in another order and quantised", s->path, e->spec.name);
    if (!turned) {
        for (int64_t r = 0; r < (vector ? cols : rows); r++)
            memcpy(dst + (size_t)r * row, src + (size_t)pt_row_from(&s->cfg, PT_ROWS_FROM_GROUPED, r) * row, row);
        return PT_OK;
    }
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) memcpy(dst + (size_t)(r * cols + c) * size, src + (size_t)(c * rows + r) * size, size);
    return PT_OK;
}

void pt_source_reach(pt_source *s, int64_t positions)
{
    pt_model_config *c = &s->cfg;
    if (c->scaling != PT_ROPE_SCALE_LONG) return;
    c->rope_long = positions > c->original_positions;
    pt_log(PT_LOG_INFO, "%s: rope factors for %s %d positions (longrope): sequences of up to %lld are planned", s->path,
           c->rope_long ? "more than" : "up to", c->original_positions, (long long)positions);
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
    if (!e->t.data) { /* made when first asked for, kept as the weight itself */
        unsigned char *made = NULL;
        PT_RETURN(pt_alloc0(&made, e->t.bytes + 4));
        e->made = made;
        if (e->stored.data)
            PT_RETURN(e->spec.part == PT_PART_HEAD ? set_normed(s, e, made) : set_in_order(s, e, made));
        else
            make_random(s, &e->spec, e->made);
        e->t.data = made;
    }
    *out = e->t;
    return PT_OK;
}

pt_status pt_source_load_f32(const pt_source *s, const char *hf_name, int64_t rows, int64_t cols, float *dst)
{
    pt_source_entry *e = NULL;
    PT_RETURN(entry_get(s, hf_name, rows, cols, &e));
    if (!e->t.data && !e->stored.data) {
        make_random(s, &e->spec, dst);
        return PT_OK;
    }
    pt_source_tensor t;
    PT_RETURN(pt_source_tensor_get(s, hf_name, rows, cols, &t));
    return pt_dequant_rows(t.type, t.data, t.rows, t.cols, dst);
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
