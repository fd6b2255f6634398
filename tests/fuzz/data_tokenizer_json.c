/* A Hugging Face tokenizer's folder: tokenizer.json, 0xff, tokenizer_config.json, 0xff, a text, 0xff, generation_config.json, 0xff,
 * special_tokens_map.json, 0xff, added_tokens.json, 0xff, chat_template.jinja. Empty parts have no file. */
/* fuzz: -max_len=8192 */
#include "tests/fuzz/harness.h"

#include "data/text/tokenizer.h"

/* A text through every way in, and its ids through every way out. */
static void use(const pt_tokenizer *t, const char *text, size_t n)
{
    pt_ids ids = {0};
    pt_str out = {0};
    pt_tok_stream s = {0};
    size_t *ends = NULL;
    int32_t vocab = pt_tok_vocab_size(t);
    bool ended;
    for (int how = 0; how < 4; how++) fuzz_clean(pt_tok_encode(t, text, n, how & 1, how & 2, &ids));
    size_t before = ids.n;
    pt_status rc = pt_tok_encode_at(t, text, n, true, PT_TOK_AFTER_CONTROL, &ids, &ends);
    fuzz_clean(rc);
    if (rc == PT_OK) {
        size_t new = ids.n - before;
        for (size_t i = 0; i < new; i++) fuzz_assert(ends[i] <= n && (i == 0 || ends[i - 1] <= ends[i]));
        fuzz_assert(new == 0 || ends[new - 1] == n);
        (void)pt_tok_count_control(t, text, n);
        fuzz_assert(pt_tok_encode_at(t, text, n, true, PT_TOK_AFTER_CONTROL, &ids, NULL) == PT_OK); /* places change no ids */
        fuzz_assert(ids.n == before + 2 * new && (new == 0 || !memcmp(ids.ids + before, ids.ids + before + new, new * sizeof *ids.ids)));
    }
    free(ends);
    fuzz_clean(pt_tok_encode_document(t, text, n, true, &ids, &ended));
    for (size_t i = 0; i < ids.n; i++) {
        fuzz_assert(ids.ids[i] >= 0 && ids.ids[i] < vocab);
        if (i < 4096) fuzz_clean(pt_tok_stream_next(t, &s, ids.ids[i], i % 2, &out));
    }
    fuzz_clean(pt_tok_stream_end(&s, &out));
    fuzz_clean(pt_tok_decode(t, ids.ids, ids.n, false, &out));
    pt_tok_stream_free(&s);
    pt_str_free(&out);
    free(ids.ids);
}

static void look(const pt_tokenizer *t)
{
    int32_t vocab = pt_tok_vocab_size(t), ids[] = {pt_tok_bos(t), pt_tok_eos(t), pt_tok_eot(t), pt_tok_pad(t), pt_tok_unk(t)};
    size_t n;
    for (int i = 0; i < 5; i++) fuzz_assert(ids[i] >= -1 && ids[i] < vocab);
    const int32_t *stops = pt_tok_stops(t, &n);
    for (size_t i = 0; i < n; i++) fuzz_assert(stops[i] >= 0 && stops[i] < vocab);
    for (int32_t id = 0; id < vocab && id < 300; id++) {
        const char *piece = pt_tok_piece(t, id);
        if (piece) (void)pt_tok_find(t, piece);
        (void)pt_tok_is_control(t, id);
        (void)pt_tok_strips(t, id);
    }
    const pt_vocab_spec *spec = pt_tok_spec(t);
    for (size_t i = 0; spec && i < spec->n_tokens && i < 300; i++) fuzz_touch(spec->tokens[i], strlen(spec->tokens[i]) + 1);
    (void)pt_tok_fingerprint(t);
    (void)pt_tok_chat_template(t);
    (void)pt_tok_template_bos(t);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", NULL, "generation_config.json", "special_tokens_map.json",
                                        "added_tokens.json", "chat_template.jinja"};
    static bool there[7];
    fuzz_part part[7];
    pt_tokenizer *t;
    (void)fuzz_split(bytes, n, part, 7);
    for (int i = 0; i < 7; i++) {
        if (!names[i]) continue;
        if (!i || part[i].n) fuzz_put(names[i], part[i].at, part[i].n);
        else if (there[i]) unlink(fuzz_path(names[i]));
        there[i] = part[i].n;
    }
    pt_status rc = pt_tok_open(&t, fuzz_dir());
    fuzz_clean(rc);
    fuzz_assert((t != NULL) == (rc == PT_OK));
    if (!t) return 0;
    fuzz_accepted++;
    look(t);
    use(t, (const char *)part[2].at, part[2].n);
    use(t, "Hello, w\xc3\xb6rld 12345!\n  </s><|im_end|> x", 37);
    fuzz_clean(pt_tok_limit(t, (int32_t)(n % 400)));
    pt_tok_free(t);
    return 0;
}
