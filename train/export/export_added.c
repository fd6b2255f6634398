/* Tokens that a config added, in the files of a Hugging Face tokenizer. */
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/json_file.h"
#include "train/export/export_impl.h"

enum { MAX_FILE = 1 << 28 };

static json_t *token_json(const pt_tokenizer *t, int32_t id)
{
    return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", pt_tok_piece(t, id), "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special",
                     pt_tok_is_control(t, id));
}

/* tokenizer.json: a list of objects that state their id. */
static int enter_list(json_t *root, const pt_tokenizer *t, int32_t first, int32_t n)
{
    int bad = 0;
    json_t *list = json_object_get(root, "added_tokens");
    if (!json_is_array(list)) bad |= json_object_set_new(root, "added_tokens", list = json_array());
    for (int32_t id = first; id < first + n; id++) {
        json_t *o = token_json(t, id);
        bad |= json_object_set_new(o, "id", json_integer(id)) | json_array_append_new(list, o);
    }
    return bad;
}

/* tokenizer_config.json: {id: object}, where it has such a list (else transformers takes tokenizer.json's). */
static int enter_decoder(json_t *root, const pt_tokenizer *t, int32_t first, int32_t n)
{
    int bad = 0;
    char key[16];
    json_t *map = json_object_get(root, "added_tokens_decoder");
    for (int32_t id = first; map && id < first + n; id++) {
        snprintf(key, sizeof key, "%d", id);
        bad |= json_object_set_new(map, key, token_json(t, id));
    }
    return bad;
}

static pt_status enter(const char *dir, const char *name, int (*how)(json_t *, const pt_tokenizer *, int32_t, int32_t), const pt_tokenizer *t, int32_t first, int32_t n)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *root = NULL;
    PT_TRY(pt_path_join(&path, dir, name));
    if (!pt_file_given(path)) goto done;
    PT_TRY(pt_json_load(&root, path, MAX_FILE, PT_JSON_OBJECT));
    PT_CHECK(!how(root, t, first, n), PT_ENOMEM, "out of memory: %s", path);
    PT_TRY(pt_json_write(root, path));
done:
    json_decref(root);
    free(path);
    return rc;
}

pt_status pt_export_tokenizer_added(const char *dir, const pt_tokenizer *t, int32_t first, int32_t n)
{
    PT_RETURN(enter(dir, "tokenizer.json", enter_list, t, first, n));
    return enter(dir, "tokenizer_config.json", enter_decoder, t, first, n);
}
