/* A GGUF file as a model and as a tokenizer: its keys as a configuration, its tensors by name, its vocabulary. */
/* fuzz: -max_len=6000 -dict=tests/fuzz/dict/gguf.dict */
#include "tests/fuzz/harness.h"

#include "checkpoints/gguf.h"
#include "data/text/template.h"
#include "train/model/families.h"

static void speak(const pt_tokenizer *t, const char *text, size_t n)
{
    pt_ids ids = {0};
    pt_str out = {0};
    pt_template *tmpl;
    fuzz_clean(pt_tok_encode(t, text, n, true, true, &ids));
    for (size_t i = 0; i < ids.n; i++) fuzz_assert(ids.ids[i] >= 0 && ids.ids[i] < pt_tok_vocab_size(t));
    fuzz_clean(pt_tok_decode(t, ids.ids, ids.n, false, &out));
    fuzz_clean(pt_template_open(&tmpl, "tokenizer_default", t, NULL));
    pt_template_free(tmpl);
    pt_str_free(&out);
    free(ids.ids);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    const char *path = fuzz_put("model.gguf", bytes, n);
    pt_source *s;
    pt_tokenizer *t;
    pt_status rc = pt_source_open(&s, path);
    fuzz_clean(rc);
    fuzz_assert((s != NULL) == (rc == PT_OK));
    if (s) fuzz_accepted++;
    pt_source_free(s);
    rc = pt_source_vocabulary(path, &t);
    fuzz_clean(rc);
    fuzz_assert((t != NULL) == (rc == PT_OK));
    if (!t) return 0;
    fuzz_accepted++;
    speak(t, "Hello, w\xc3\xb6rld 12!\n </s>", 24);
    speak(t, (const char *)bytes, n < 64 ? n : 64);
    pt_tok_free(t);
    return 0;
}
