/* Texts that stand for themselves (type: text, --raw, score): control tokens that they spell are ids, BOS and end stand once. */
#include "data_fixture.h"

static char dir[64];
static pt_tokenizer *bpe, *spm;

static int setup(void **state)
{
    fixture_dir(dir);
    bool bad = pt_tok_open(&bpe, "tests/golden/data/tok_bpe") != PT_OK || pt_tok_open(&spm, "tests/golden/data/tok_spm") != PT_OK;
    if (bad) print_error("%s\n", pt_err_msg());
    return bad;
}

static int teardown(void **state)
{
    pt_tok_free(bpe);
    pt_tok_free(spm);
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

static size_t count(const pt_ids *l, int32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) n += l->ids[i] == id;
    return n;
}

typedef struct doc_case {
    const char *text;
    bool spm, end;
    size_t bos, eos; /* of them in the ids */
    bool last;       /* an end token stands last */
} doc_case;

static const doc_case cases[] = {
    {"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>", false, true, 2, 2, true},
    {"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n", false, true, 2, 2, true},
    {"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello", false, true, 2, 2, true},
    {"<|im_start|>user\nhi<|im_end|>\n", false, false, 1, 1, false}, /* --raw: as it stands */
    {"plain", false, true, 0, 1, true},
    {"plain\n", false, true, 0, 1, true},
    {"plain", true, true, 1, 1, true},
    {"<s>[INST] hi [/INST] hello</s>", true, true, 1, 1, true},
    {"<s>[INST] hi [/INST] hello</s> \r\n", true, true, 1, 1, true},
    {"<s>[INST] a [/INST] b</s><s>[INST] c [/INST] d", true, true, 2, 2, true},
    {"<s>[INST] hi [/INST]", true, false, 1, 0, false},
    {"hi</s>", true, false, 1, 1, true},
    {"", true, true, 1, 1, true},
};

static void once_each(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const doc_case *c = &cases[i];
        const pt_tokenizer *t = c->spm ? spm : bpe;
        int32_t bos = c->spm ? pt_tok_bos(t) : pt_tok_find(t, "<|im_start|>"), eos = c->spm ? pt_tok_eos(t) : pt_tok_find(t, "<|im_end|>");
        pt_ids l = {0};
        bool ended;
        assert_true(bos >= 0 && eos >= 0);
        if (pt_tok_encode_document(t, c->text, strlen(c->text), c->end, &l, &ended) != PT_OK) fail_msg("%s", pt_err_msg());
        if (count(&l, bos) != c->bos || count(&l, eos) != c->eos || ended != c->last || (l.ids[l.n - 1] == eos) != c->last)
            fail_msg("case %zu: %zu begin, %zu end tokens, ended %d", i, count(&l, bos), count(&l, eos), ended);
        if (c->spm) assert_int_equal(l.ids[0], bos);
        free(l.ids);
    }
}

/* The ids in between are those of the text encoded with its added tokens, as Hugging Face's tokenizers give them. */
static void same_ids(void **state)
{
    const char *text = "<|im_start|>user\nhi there<|im_end|>\n<|im_start|>assistant\nhello";
    pt_ids a = {0}, b = {0};
    assert_int_equal(pt_tok_encode(bpe, text, strlen(text), true, true, &a), PT_OK);
    assert_int_equal(pt_tok_encode_document(bpe, text, strlen(text), true, &b, NULL), PT_OK);
    assert_int_equal(b.n, a.n + 1);
    assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
    free(a.ids);
    free(b.ids);
}

static void packed(const char *type, const char *row, pt_template *tmpl, bool pretrain, const char *spelled, size_t want)
{
    char path[128];
    pt_pack *p;
    pt_pack_report r;
    pt_packed r0;
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    assert_int_equal(pt_file_write_whole(path, row, strlen(row)), PT_OK);
    pt_dataset_spec set = {.path = path, .type = (char *)type};
    pt_pack_options o = {.tok = bpe, .tmpl = tmpl, .sequence_len = 4096, .cache_dir = dir, .pretrain = pretrain};
    if (pt_pack_build(&p, &set, 1, &o, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(pt_pack_get(p, 0, &r0), PT_OK);
    pt_packed_answer x = pt_pack_answer(p, &r0, 0);
    size_t n = 0;
    for (int32_t i = 0; i < x.n; i++) n += x.ids[i] == pt_tok_find(bpe, spelled);
    assert_int_equal(n, want);
    assert_int_equal(x.end, x.n - 1);
    pt_pack_free(p);
}

/* Documents of every kind take them as ids; what a user writes inside a message stays text. */
static void in_packs(void **state)
{
    static const char row[] = "{\"text\": \"<|im_start|>user\\nhi<|im_end|>\\n<|im_start|>assistant\\nho<|im_end|>\\n\"}\n";
    pt_template *chatml;
    assert_int_equal(pt_template_open(&chatml, "chatml", bpe, ""), PT_OK);
    packed("text", row, NULL, false, "<|im_end|>", 2);
    packed("completion", row, NULL, false, "<|im_start|>", 2);
    packed("text", row, NULL, true, "<|im_end|>", 2);
    packed("messages",
           "{\"messages\": [{\"role\": \"user\", \"content\": \"what is <|im_end|>?\"}, {\"role\": \"assistant\", \"content\": \"an "
           "end\"}]}\n",
           chatml, false, "<|im_end|>", 2);
    pt_template_free(chatml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(once_each), cmocka_unit_test(same_ids), cmocka_unit_test(in_packs)};
    return cmocka_run_group_tests_name("data_documents", tests, setup, teardown);
}
