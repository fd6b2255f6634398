/* A tokenizer from a Hugging Face folder: tokenizer.json and the small files beside it. */
#include "data/text/tok_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEMPLATE ((size_t)1 << 20)

/* Numbers that are no ids of this vocabulary stop nothing, here as in transformers. */
static pt_status add_stop(pt_tokenizer *t, const json_t *v)
{
    double id = json_number_value(v);
    if (json_is_null(v)) return PT_OK;
    if (!json_is_number(v) || id != floor(id)) return pt_fail(PT_EFORMAT, "eos_token_id is %s, not a token id", pt_json_kind(v));
    if (!(id >= 0) || id >= t->n) return PT_OK;
    return pt_tok_add_stop(t, (int64_t)id);
}

/* eos_token_id: a number or a list; they end an answer. */
static pt_status read_generation(pt_tokenizer *t, const json_t *o)
{
    const json_t *v = json_object_get(o, "eos_token_id");
    size_t k;
    json_t *id;
    if (json_is_number(v)) return add_stop(t, v);
    json_array_foreach((json_t *)v, k, id) PT_RETURN(add_stop(t, id));
    return PT_OK;
}

static pt_status with_file(pt_tokenizer *t, const char *dir, const char *name,
                           pt_status (*read)(pt_tokenizer *, const json_t *))
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *root = NULL;
    PT_TRY(pt_path_join(&path, dir, name));
    if (!pt_file_given(path)) goto done;
    PT_TRY(pt_tok_json_load(&root, path));
    rc = read(t, root);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s", path);
done:
    json_decref(root);
    free(path);
    return rc;
}

/* The model's own eos_token_id, as transformers takes it where there is no generation_config.json; what is no id there is passed over. */
static pt_status read_model_config(pt_tokenizer *t, const json_t *o)
{
    const json_t *v = json_object_get(o, "eos_token_id");
    if (json_is_integer(v)) return pt_tok_add_stop(t, json_integer_value(v));
    for (size_t k = 0; k < json_array_size(v); k++)
        if (json_is_integer(json_array_get(v, k))) PT_RETURN(pt_tok_add_stop(t, json_integer_value(json_array_get(v, k))));
    return PT_OK;
}

static pt_status read_ends(pt_tokenizer *t, const char *dir)
{
    char *path = NULL;
    PT_RETURN(pt_path_join(&path, dir, "generation_config.json"));
    bool there = pt_file_given(path);
    free(path);
    return there ? with_file(t, dir, "generation_config.json", read_generation) : with_file(t, dir, "config.json", read_model_config);
}

static pt_status read_jinja(pt_tokenizer *t, const char *dir)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    PT_TRY(pt_path_join(&path, dir, "chat_template.jinja"));
    if (!pt_file_given(path)) goto done;
    free(t->chat_template);
    PT_TRY(pt_text_read(&t->chat_template, NULL, path, MAX_TEMPLATE));
done:
    free(path);
    return rc;
}

/* What the files leave open: BOS as tokenizer.json's post-processor puts it, else as llama.cpp takes it. */
static void fill_gaps(pt_tokenizer *t)
{
    if (t->bos < 0) t->bos = t->template_bos;
    if (t->add_bos < 0 && t->template_bos >= 0) t->add_bos = t->template_bos == t->bos;
    if (t->add_bos < 0) t->add_bos = !t->byte_level || t->ignore_merges;
    if (t->bos < 0) t->add_bos = 0;
    if (t->unk >= 0) t->flags[t->unk] |= PT_TOK_UNK;
}

static pt_status guess_ids(pt_tokenizer *t)
{
    static const char *const bos[] = {"<s>", "<|begin_of_text|>", "<bos>"};
    static const char *const eos[] = {"</s>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<eos>", "<|endoftext|>"};
    for (size_t i = 0; t->bos < 0 && i < sizeof bos / sizeof *bos; i++) t->bos = pt_tok_find(t, bos[i]);
    for (size_t i = 0; t->eos < 0 && i < sizeof eos / sizeof *eos; i++) t->eos = pt_tok_find(t, eos[i]);
    return PT_OK;
}

static pt_status open_folder(pt_tokenizer *t, const char *dir)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    PT_TRY(pt_path_join(&path, dir, "tokenizer.json"));
    PT_CHECK(pt_file_given(path), PT_EIO, "%s has no tokenizer.json", dir);
    PT_TRY(pt_tok_json_read(t, path));
    PT_TRY(pt_tok_config_read(t, dir));
    PT_TRY(read_jinja(t, dir));
done:
    free(path);
    return rc;
}

pt_status pt_tok_open(pt_tokenizer **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    bool folder = pt_dir_exists(path);
    *out = NULL;
    PT_TRY(pt_tok_new(&t));
    PT_TRY(pt_strdup(&t->path, path));
    if (folder)
        PT_TRY(open_folder(t, path));
    else
        PT_TRY(pt_tok_json_read(t, path));
    if (!folder) PT_TRY(guess_ids(t)); /* one tokenizer.json does not say which tokens are which */
    fill_gaps(t);
    pt_tok_set_eot(t);
    PT_TRY(pt_tok_add_stop(t, t->eos));
    PT_TRY(pt_tok_add_stop(t, t->eot));
    if (folder) PT_TRY(read_ends(t, path));
    rc = pt_tok_finish(t);
    if (rc != PT_OK) {
        pt_fail_prefix(rc, "%s", path);
        goto done;
    }
    *out = t;
    t = NULL;
done:
    pt_tok_free(t);
    return rc;
}
