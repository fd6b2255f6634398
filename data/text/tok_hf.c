/* A tokenizer from files: one that holds a vocabulary, and in a Hugging Face folder the small ones beside it. */
#include "data/text/tok_format.h"
#include "data/text/tok_json.h"
#include "data/text/tok_ranks.h"
#include "data/text/tok_sentencepiece.h"

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
    t->bos = t->template_bos;
    for (size_t i = 0; t->bos < 0 && i < sizeof bos / sizeof *bos; i++) t->bos = pt_tok_find(t, bos[i]);
    for (size_t i = 0; t->eos < 0 && i < sizeof eos / sizeof *eos; i++) t->eos = pt_tok_find(t, eos[i]);
    return PT_OK;
}

static pt_status json_file(pt_tokenizer *t, const char *path, const char *dir)
{
    (void)dir; /* what stands beside it is read afterwards */
    return pt_tok_json_read(t, path);
}

static bool json_is(const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && strchr("\xEF\xBB\xBF \t\r\n", bytes[i]) && bytes[i]) i++;
    return i < n && bytes[i] == '{' && !pt_tok_is_tekken(bytes, n);
}

/* In the order in which a folder is searched. */
static const pt_tok_format formats[] = {
    {"tokenizer.json", json_is, json_file},
    {"tekken.json", pt_tok_is_tekken, pt_tok_tekken_read},
    {"qwen.tiktoken", pt_tok_is_tiktoken, pt_tok_tiktoken_read},
    {"cl100k_base.tiktoken", pt_tok_is_tiktoken, pt_tok_tiktoken_read},
    {"o200k_base.tiktoken", pt_tok_is_tiktoken, pt_tok_tiktoken_read},
    {"tokenizer.model", pt_tok_is_tiktoken, pt_tok_tiktoken_read},
    {"tokenizer.model", pt_tok_sentencepiece_is, pt_tok_sentencepiece_read},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

/* The row whose name is `name` (NULL: any) and whose mark the file's bytes bear; else, so that the reader says what is wrong, the last of that
 * name. Any was asked for, and no mark is there: tokenizer.json's for a file that is called *.json, else NULL. */
static pt_status find_format(const char *path, const char *name, const pt_tok_format **out)
{
    pt_map m;
    *out = &formats[0];
    PT_RETURN(pt_map_open(&m, path));
    bool found = false;
    for (size_t i = 0; i < N_FORMATS && !found; i++) {
        if (name && strcmp(formats[i].name, name) != 0) continue;
        *out = &formats[i];
        found = formats[i].is((const char *)m.data, m.bytes);
    }
    size_t n = strlen(path);
    if (!found && !name) *out = n > 5 && !strcmp(path + n - 5, ".json") ? &formats[0] : NULL;
    pt_map_close(&m);
    return PT_OK;
}

/* *path (owned): the first file of a vocabulary in a folder; NULL when there is none. */
static pt_status find_file(const char *dir, char **path, const char **name)
{
    *path = NULL;
    for (size_t i = 0; i < N_FORMATS; i++) {
        *name = formats[i].name;
        PT_RETURN(pt_path_join(path, dir, *name));
        if (pt_file_given(*path)) return PT_OK;
        free(*path);
        *path = NULL;
    }
    return PT_OK;
}

pt_status pt_tok_folder_has(const char *dir, bool *has)
{
    char *path;
    const char *name;
    *has = false;
    PT_RETURN(find_file(dir, &path, &name));
    *has = path != NULL;
    free(path);
    return PT_OK;
}

static pt_status open_folder(pt_tokenizer *t, const char *dir)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    const char *name;
    const pt_tok_format *f;
    PT_TRY(find_file(dir, &path, &name));
    PT_CHECK(path, PT_EIO, "%s has no tokenizer.json and no tokenizer.model", dir);
    PT_TRY(find_format(path, name, &f));
    t->file = f->name;
    PT_TRY(f->read(t, path, dir));
    PT_TRY(pt_tok_config_read(t, dir));
    PT_TRY(read_jinja(t, dir));
done:
    free(path);
    return rc;
}

static pt_status open_file(pt_tokenizer *t, const char *path)
{
    const pt_tok_format *f;
    PT_RETURN(find_format(path, NULL, &f));
    if (!f) return pt_fail(PT_ENOSUP, "%s is none of the tokenizer files that can be read: tokenizer.json, tekken.json, tokenizer.model (of SentencePiece or tiktoken), *.tiktoken", path);
    t->file = f->name;
    PT_RETURN(f->read(t, path, NULL));
    return guess_ids(t); /* a file alone does not say which tokens are which */
}

pt_status pt_tok_open(pt_tokenizer **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    bool folder = pt_dir_exists(path);
    *out = NULL;
    PT_TRY(pt_tok_new(&t));
    PT_TRY(pt_strdup(&t->path, path));
    PT_TRY(folder ? open_folder(t, path) : open_file(t, path));
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
