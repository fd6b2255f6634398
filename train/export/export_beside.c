/* What stands beside the weights of a folder that Python reads: the tokenizer that was trained with and its template, and the tokens that end an
 * answer. Whoever loads the folder renders, begins and stops as generation does here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/export/export_impl.h"

static bool from_folder(const pt_model *m)
{
    return !pt_source_is_gguf(m->src) && !m->src->random;
}

/* ---- ids --------------------------------------------------------------------------------------------------------------------------------- */

static bool lists(const int64_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id) return true;
    return false;
}

/* A file of the base, when there is one. */
static pt_status open_base_file(const pt_model *m, const char *name, pt_hf **out)
{
    char *path = NULL;
    *out = NULL;
    if (!from_folder(m)) return PT_OK;
    PT_RETURN(pt_path_join(&path, pt_source_path(m->src), name));
    pt_status rc = pt_file_given(path) ? pt_hf_open(out, pt_source_path(m->src), name) : PT_OK;
    free(path);
    return rc;
}

/* The end tokens that the base states. What is no list of ids there counts for nothing. */
static pt_status base_ends(const pt_model *m, int64_t **ids, size_t *n)
{
    static const char *const names[] = {"generation_config.json", "config.json"};
    for (int i = 0; i < 2 && !*n; i++) {
        pt_hf *c;
        PT_RETURN(open_base_file(m, names[i], &c));
        pt_status rc = c ? pt_hf_ints(c, "eos_token_id", PT_HF_OPTIONAL, ids, n) : PT_OK;
        pt_hf_close(c);
        PT_RETURN(pt_err_forgive(rc));
    }
    return PT_OK;
}

/* An id to pad with that no answer ends in: Hugging Face's classifier reads the score before the first pad at the end. */
static int32_t reward_pad(const pt_model *m, const pt_tokenizer *t, const int64_t *eos, size_t n)
{
    int32_t tries[] = {m->cfg.pad, t ? pt_tok_pad(t) : -1, t ? pt_tok_unk(t) : -1, t ? pt_tok_bos(t) : m->cfg.bos, 0, 1, 2};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        if (tries[i] >= 0 && !lists(eos, n, tries[i]) && tries[i] != m->cfg.eos && tries[i] < m->cfg.vocab &&
            (!t || tries[i] >= pt_tok_vocab_size(t) || pt_tok_piece(t, tries[i])))
            return tries[i];
    return 0;
}

pt_status pt_export_ids_make(const pt_model *m, const pt_export_options *opt, pt_export_ids *out)
{
    pt_status rc = PT_OK;
    size_t n = 0, n_base = 0;
    const pt_tokenizer *t = opt->tok;
    const int32_t *stops = NULL;
    int64_t *base = NULL;
    *out = (pt_export_ids){.known = t != NULL, .bos = -1, .pad = -1};
    const char *path = t ? pt_tok_path(t) : NULL;
    out->of_base = !t || t == m->src->tok || (path && from_folder(m) && !strcmp(path, pt_source_path(m->src)));
    if (t) stops = opt->tmpl ? pt_template_stops(opt->tmpl, &n) : pt_tok_stops(t, &n);
    if (out->of_base) PT_TRY(base_ends(m, &base, &n_base));
    PT_TRY(pt_alloc0(&out->eos, n + n_base + 1));
    for (size_t i = 0; i < n_base; i++)
        if (base[i] >= 0 && !lists(out->eos, out->n_eos, base[i])) out->eos[out->n_eos++] = base[i];
    for (size_t i = 0; i < n; i++)
        if (!lists(out->eos, out->n_eos, stops[i])) out->eos[out->n_eos++] = stops[i];
    if (t) out->bos = pt_tok_bos(t);
    if (t) out->pad = pt_tok_pad(t);
    if (!(m->opt.heads & PT_HEAD_VOCABULARY)) out->pad = reward_pad(m, t, out->eos, out->n_eos);
done:
    free(base);
    return rc;
}

void pt_export_ids_free(pt_export_ids *ids)
{
    free(ids->eos);
    *ids = (pt_export_ids){0};
}

/* An id of the tokenizer's; where it has none, what stands there stays, unless it belongs to another vocabulary. */
static pt_status put_id(const pt_export_ids *ids, pt_hf *c, const char *key, int32_t id)
{
    if (id >= 0) return pt_hf_set_int(c, key, id);
    return ids->of_base ? PT_OK : pt_hf_remove(c, key);
}

pt_status pt_export_put_ids(const pt_export_ids *ids, pt_hf *c)
{
    if (!ids->known) return ids->pad >= 0 ? pt_hf_set_int(c, "pad_token_id", ids->pad) : PT_OK;
    PT_RETURN(put_id(ids, c, "bos_token_id", ids->bos));
    PT_RETURN(put_id(ids, c, "pad_token_id", ids->pad));
    if (ids->n_eos == 1) return pt_hf_set_int(c, "eos_token_id", ids->eos[0]);
    if (ids->n_eos) return pt_hf_set_ints(c, "eos_token_id", ids->eos, ids->n_eos);
    return ids->of_base ? PT_OK : pt_hf_remove(c, "eos_token_id");
}

/* The base's sampling settings, and the ids. */
static pt_status write_generation(const pt_model *m, const char *dir, const pt_export_ids *ids)
{
    static const char name[] = "generation_config.json";
    static const char *const other_vocabulary[] = {"suppress_tokens",      "begin_suppress_tokens", "bad_words_ids",  "forced_bos_token_id",
                                                   "forced_eos_token_id",  "decoder_start_token_id", "sequence_bias", "force_words_ids"};
    pt_status rc = PT_OK;
    pt_hf *base = NULL, *c = NULL;
    PT_TRY(open_base_file(m, name, &base));
    if (!base && !ids->known) goto done;
    PT_TRY(pt_hf_edit(&c, base, name));
    for (size_t i = 0; !ids->of_base && i < sizeof other_vocabulary / sizeof *other_vocabulary; i++) PT_TRY(pt_hf_remove(c, other_vocabulary[i]));
    PT_TRY(pt_export_put_ids(ids, c));
    PT_TRY(pt_hf_write(c, dir, name));
done:
    pt_hf_close(c);
    pt_hf_close(base);
    return rc;
}

/* ---- the tokenizer ----------------------------------------------------------------------------------------------------------------------- */

/* Sets a special token unless the file says so already (a text, or an object whose content is that text). */
static pt_status put_token(pt_hf *c, const char *key, const pt_tokenizer *t, int32_t id)
{
    const char *now = NULL, *piece = id >= 0 && id < pt_tok_vocab_size(t) ? pt_tok_piece(t, id) : NULL;
    char content[64];
    if (!piece) return PT_OK;
    snprintf(content, sizeof content, "%s.content", key);
    PT_RETURN(pt_err_forgive(pt_hf_text(c, pt_hf_has(c, content) ? content : key, PT_HF_OPTIONAL, &now)));
    return now && !strcmp(now, piece) ? PT_OK : pt_hf_set_text(c, key, piece);
}

static pt_status put_tokens(pt_hf *c, const pt_tokenizer *t, const pt_export_ids *ids)
{
    PT_RETURN(put_token(c, "bos_token", t, pt_tok_bos(t)));
    PT_RETURN(put_token(c, "eos_token", t, pt_tok_eos(t)));
    PT_RETURN(put_token(c, "unk_token", t, pt_tok_unk(t)));
    return put_token(c, "pad_token", t, ids->pad);
}

static pt_status new_config(const pt_model *m, pt_hf *c)
{
    PT_RETURN(pt_hf_set_text(c, "tokenizer_class", "PreTrainedTokenizerFast"));
    PT_RETURN(pt_hf_set_bool(c, "clean_up_tokenization_spaces", false));
    return pt_hf_set_int(c, "model_max_length", m->cfg.max_positions);
}

/* A file of dir that may be there already, to be changed. */
static pt_status edit_file(const char *dir, const char *name, bool *there, pt_hf **out)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_hf *c = NULL;
    PT_TRY(pt_path_join(&path, dir, name));
    *there = pt_file_given(path);
    if (*there) PT_TRY(pt_hf_open(&c, dir, name));
    PT_TRY(pt_hf_edit(out, c, name));
done:
    pt_hf_close(c);
    free(path);
    return rc;
}

/* tokenizer_config.json and special_tokens_map.json: which tokens are which, BOS, the template for readers that know no file of its own. */
static pt_status write_configs(const pt_model *m, const char *dir, const pt_tokenizer *t, const pt_export_ids *ids, const char *jinja)
{
    pt_status rc = PT_OK;
    pt_hf *c = NULL, *map = NULL;
    bool there, stated = false;
    PT_TRY(edit_file(dir, "tokenizer_config.json", &there, &c));
    if (!there) PT_TRY(new_config(m, c));
    PT_TRY(put_tokens(c, t, ids));
    PT_TRY(pt_err_forgive(pt_hf_bool(c, "add_bos_token", PT_HF_OPTIONAL, &stated)));
    bool by_file = pt_tok_template_bos(t) >= 0 && pt_tok_template_bos(t) == pt_tok_bos(t);
    if (!there || stated != pt_tok_add_bos(t) || by_file != pt_tok_add_bos(t)) PT_TRY(pt_hf_set_bool(c, "add_bos_token", pt_tok_add_bos(t)));
    if (jinja) PT_TRY(pt_hf_set_text(c, "chat_template", jinja));
    PT_TRY(pt_hf_write(c, dir, "tokenizer_config.json"));
    PT_TRY(edit_file(dir, "special_tokens_map.json", &there, &map));
    PT_TRY(put_tokens(map, t, ids));
    PT_TRY(pt_hf_write(map, dir, "special_tokens_map.json"));
done:
    pt_hf_close(c);
    pt_hf_close(map);
    return rc;
}

/* The files of the tokenizer itself; *made false when there are none. */
static pt_status write_files(const pt_model *m, const char *dir, const pt_tokenizer *t, bool *made)
{
    pt_hf_folder here = {.path = (char *)(uintptr_t)dir, .tmp = (char *)(uintptr_t)dir};
    const char *path = t ? pt_tok_path(t) : from_folder(m) ? pt_source_path(m->src) : NULL;
    *made = path != NULL;
    if (!path) return t ? pt_export_tokenizer_json(dir, t, made) : PT_OK;
    if (pt_dir_exists(path)) return pt_hf_folder_copy_tokenizer(&here, path, NULL);
    return pt_hf_folder_copy(&here, path, t ? pt_tok_file(t) : "tokenizer.json");
}

static pt_status write_jinja(const char *dir, const char *jinja)
{
    char *path = NULL;
    if (!jinja) return PT_OK;
    PT_RETURN(pt_path_join(&path, dir, "chat_template.jinja"));
    pt_status rc = pt_file_write_whole(path, jinja, strlen(jinja));
    free(path);
    return rc;
}

pt_status pt_export_beside(const pt_model *m, const char *dir, const pt_export_options *opt)
{
    pt_status rc = PT_OK;
    pt_export_ids ids;
    bool made = false;
    int32_t first;
    const pt_tokenizer *t = opt->tok;
    char *scored = NULL;
    const char *jinja = opt->tmpl ? pt_template_jinja(opt->tmpl) : NULL;
    PT_TRY(pt_export_ids_make(m, opt, &ids));
    if (jinja && !(m->opt.heads & PT_HEAD_VOCABULARY)) {
        PT_TRY(pt_template_jinja_scored(opt->tmpl, &scored));
        jinja = scored;
    }
    PT_TRY(write_files(m, dir, t, &made));
    if (t && made) {
        if (!jinja && !pt_tok_path(t)) jinja = pt_tok_chat_template(t); /* a file's own stands in its files */
        PT_TRY(pt_export_tokenizer_bos(dir, t));
        if (pt_source_grown(m->src, &first) && pt_tok_path(t)) PT_TRY(pt_export_tokenizer_added(dir, t, first, pt_source_grown(m->src, &first)));
        PT_TRY(write_configs(m, dir, t, &ids, jinja));
    }
    PT_TRY(write_jinja(dir, jinja));
    PT_TRY(write_generation(m, dir, &ids));
done:
    pt_export_ids_free(&ids);
    free(scored);
    return rc;
}
