/* A vocabulary of ranks: a byte that says what the file is (T: tekken.json, Q: qwen.tiktoken, M: tokenizer.model beside config.json), the file, 0xff,
 * config.json, 0xff, a text. In a tekken.json the first '@' stands for the 256 bytes' entries; behind Q and M lines of ranks begin with theirs where the
 * file begins with '@'. */
/* fuzz: -max_len=4096 */
#include "tests/fuzz/harness.h"

#include "data/text/tokenizer.h"

static pt_str bytes_tekken, bytes_tiktoken;

static void make_bytes(void)
{
    static const char sixty[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (bytes_tekken.len) return;
    for (int b = 0; b < 256; b++) {
        char s[5] = {sixty[b >> 2], sixty[(b & 3) << 4], '=', '=', 0};
        fuzz_assert(pt_str_printf(&bytes_tekken, "%s{\"rank\": %d, \"token_bytes\": \"%s\", \"token_str\": null}", b ? "," : "", b, s) == PT_OK);
        fuzz_assert(pt_str_printf(&bytes_tiktoken, "%s %d\n", s, b) == PT_OK);
    }
}

static void use(const pt_tokenizer *t, const char *text, size_t n)
{
    pt_ids ids = {0};
    pt_str out = {0};
    pt_tokenizer *again;
    for (int how = 0; how < 4; how++) fuzz_clean(pt_tok_encode(t, text, n, how & 1, how & 2, &ids));
    for (size_t i = 0; i < ids.n; i++) fuzz_assert(ids.ids[i] >= 0 && ids.ids[i] < pt_tok_vocab_size(t));
    fuzz_clean(pt_tok_decode(t, ids.ids, ids.n, false, &out));
    const pt_vocab_spec *spec = pt_tok_spec(t);
    for (size_t i = 0; i < spec->n_merges && i < 500; i++) fuzz_touch(spec->merges[i], strlen(spec->merges[i]) + 1);
    if (spec->pre) {
        fuzz_clean(pt_tok_from_spec(&again, spec));
        pt_tok_free(again);
    }
    pt_str_free(&out);
    free(ids.ids);
}

/* The file with what '@' stands for. */
static pt_str whole(const fuzz_part *p, char kind)
{
    pt_str out = {0};
    const char *s = (const char *)p->at, *mark = p->n ? memchr(s, '@', kind == 'T' ? p->n : 1) : NULL;
    const pt_str *fill = kind == 'T' ? &bytes_tekken : &bytes_tiktoken;
    size_t before = mark ? (size_t)(mark - s) : p->n;
    fuzz_assert(pt_str_add(&out, s, before) == PT_OK);
    if (mark) fuzz_assert(pt_str_add(&out, fill->text, fill->len) == PT_OK && pt_str_add(&out, mark + 1, p->n - before - 1) == PT_OK);
    return out;
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static const char *const names[] = {"tekken.json", "qwen.tiktoken", "tokenizer.model"};
    fuzz_part part[3];
    pt_tokenizer *t;
    make_bytes();
    if (!n) return 0;
    const char *name = names[bytes[0] == 'T' ? 0 : bytes[0] == 'Q' ? 1 : 2];
    (void)fuzz_split(bytes + 1, n - 1, part, 3);
    pt_str file = whole(&part[0], (char)bytes[0]);
    fuzz_put(name, file.text, file.len);
    if (part[1].n) fuzz_put("config.json", part[1].at, part[1].n);
    pt_status rc = pt_tok_open(&t, fuzz_dir());
    fuzz_clean(rc);
    fuzz_assert((t != NULL) == (rc == PT_OK));
    if (t) {
        fuzz_accepted++;
        use(t, (const char *)part[2].at, part[2].n);
        static const char said[] = "Hello, w\xc3\xb6rld 12345!\n  <s>aaab";
        use(t, said, sizeof said - 1);
        pt_tok_free(t);
    }
    unlink(fuzz_path(name));
    if (part[1].n) unlink(fuzz_path("config.json"));
    pt_str_free(&file);
    return 0;
}
