/* A SentencePiece file (tokenizer.model), alone and in a folder whose tokenizer_config.json renames a piece and takes the prefix away. */
/* fuzz: -max_len=8192 -dict=tests/fuzz/dict/sentencepiece.dict */
#include "tests/fuzz/harness.h"

#include "data/text/tokenizer.h"

static void use(const pt_tokenizer *t, const char *text, size_t n)
{
    pt_ids ids = {0};
    pt_str out = {0};
    size_t *ends = NULL;
    pt_status rc = pt_tok_encode_at(t, text, n, true, PT_TOK_START, &ids, &ends);
    fuzz_clean(rc);
    for (size_t i = 0; i < ids.n; i++) {
        fuzz_assert(ids.ids[i] >= 0 && ids.ids[i] < pt_tok_vocab_size(t));
        fuzz_assert(i == 0 || ends[i - 1] <= ends[i]);
    }
    free(ends);
    fuzz_clean(pt_tok_encode(t, text, n, false, false, &ids));
    fuzz_clean(pt_tok_decode(t, ids.ids, ids.n, false, &out));
    pt_str_free(&out);
    free(ids.ids);
}

static void look(const pt_tokenizer *t)
{
    const pt_vocab_spec *spec = pt_tok_spec(t);
    int32_t ids[] = {pt_tok_bos(t), pt_tok_eos(t), pt_tok_eot(t), pt_tok_pad(t), pt_tok_unk(t)};
    for (int i = 0; i < 5; i++) fuzz_assert(ids[i] >= -1 && ids[i] < pt_tok_vocab_size(t));
    for (size_t i = 0; i < spec->n_tokens && i < 300; i++) fuzz_touch(spec->tokens[i], strlen(spec->tokens[i]) + 1);
    fuzz_touch(spec->charsmap, spec->charsmap_bytes);
    (void)pt_tok_fingerprint(t);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static const char config[] = "{\"added_tokens_decoder\": {\"3\": {\"content\": \"<x>\", \"special\": true}, \"9\": {\"content\": \"a b\"}}, \"legacy\": false}";
    static const char text[] = "Hello, w\xc3\xb6rld  12!\n \xef\xac\x81 e\xcc\x81 \xe3\x80\x80\xe2\x96\x81 <x> </s>\xf0\x9f\x98\x80 ";
    const char *path = fuzz_put("tokenizer.model", bytes, n);
    if (n % 2) fuzz_put("tokenizer_config.json", config, sizeof config - 1);
    pt_tokenizer *t;
    pt_status rc = pt_tok_open(&t, n % 2 ? fuzz_dir() : path);
    fuzz_clean(rc);
    fuzz_assert((t != NULL) == (rc == PT_OK));
    if (!t) return 0;
    fuzz_accepted++;
    look(t);
    use(t, text, sizeof text - 1);
    use(t, (const char *)bytes, n < 64 ? n : 64);
    rc = pt_tok_limit(t, (int32_t)(n % 400));
    fuzz_clean(rc);
    if (rc == PT_OK) use(t, text, sizeof text - 1);
    pt_tok_free(t);
    return 0;
}
