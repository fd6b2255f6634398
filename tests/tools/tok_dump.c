/* What a tokenizer makes of texts, for the comparisons with other libraries (tests/golden/tok_real.py --all, tok_spm.py --all).
 *
 *   tok_dump TOKENIZER TEXTS.json ADDED
 *
 * Prints a line "size N" and a JSON list: for each text of the list [ids, decoded, decoded without special tokens]; ADDED 1: control tokens in a text are ids. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "data/text/tokenizer.h"

static pt_status row(const pt_tokenizer *t, const json_t *text, bool added, json_t *out)
{
    pt_status rc = PT_OK;
    pt_ids ids = {0};
    pt_str whole = {0}, plain = {0};
    json_t *list = json_array();
    PT_CHECK(json_is_string(text) && list, PT_EARG, "the texts are a list of strings");
    PT_TRY(pt_tok_encode(t, json_string_value(text), json_string_length(text), added, true, &ids));
    PT_TRY(pt_str_puts(&whole, ""));
    PT_TRY(pt_str_puts(&plain, ""));
    PT_TRY(pt_tok_decode(t, ids.ids, ids.n, false, &whole));
    PT_TRY(pt_tok_decode(t, ids.ids, ids.n, true, &plain));
    for (size_t i = 0; i < ids.n; i++) PT_CHECK(!json_array_append_new(list, json_integer(ids.ids[i])), PT_ENOMEM, "no memory");
    PT_CHECK(!json_array_append_new(out, json_pack("[O, s%, s%]", list, whole.text, whole.len, plain.text, plain.len)), PT_ENOMEM, "no memory");
done:
    json_decref(list);
    pt_str_free(&whole);
    pt_str_free(&plain);
    free(ids.ids);
    return rc;
}

static pt_status run(char **arg)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    json_t *texts = json_load_file(arg[2], 0, NULL), *x, *out = json_array();
    size_t i;
    PT_CHECK(json_is_array(texts), PT_EARG, "%s is no list of texts", arg[2]);
    PT_TRY(pt_tok_open(&t, arg[1]));
    json_array_foreach(texts, i, x) PT_TRY(row(t, x, !strcmp(arg[3], "1"), out));
    printf("size %d\n", pt_tok_vocab_size(t));
    PT_CHECK(!json_dumpf(out, stdout, JSON_COMPACT), PT_EIO, "cannot write");
done:
    json_decref(texts);
    json_decref(out);
    pt_tok_free(t);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 4) return fprintf(stderr, "usage: tok_dump TOKENIZER TEXTS.json 0|1\n"), 2;
    if (run(argv) == PT_OK) return 0;
    fprintf(stderr, "%s\n", pt_err_msg());
    return 1;
}
