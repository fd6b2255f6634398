/* Conversations through chat templates: rows of type messages, 0xff, options, 0xff, a default system text, 0xff, a template's Jinja text.
 * With the last part the template is what that text is recognised as. */
#include "tests/fuzz/harness.h"

#include "data/read/record.h"

typedef struct job {
    const pt_template *t;
    const pt_tokenizer *tok;
    bool generation;
    unsigned pattern; /* of weights */
    pt_thinking thinking;
    pt_span_room room;
    pt_rendered out;
} job;

static void check(const job *k)
{
    const pt_rendered *r = &k->out;
    pt_str text = {0};
    for (size_t i = 0; i < r->ids.n; i++)
        fuzz_assert(r->ids.ids[i] >= 0 && r->ids.ids[i] < pt_tok_vocab_size(k->tok) && r->weight[i] >= 0 && r->weight[i] < 1e38f);
    for (size_t i = 0; i < r->n_turns; i++)
        fuzz_assert(r->turn_start[i] >= 0 && (size_t)r->turn_start[i] <= r->ids.n && (!i || r->turn_start[i - 1] <= r->turn_start[i]));
    for (size_t i = 0; i < r->n_answers; i++)
        fuzz_assert(r->answer_end[i] >= 0 && (size_t)r->answer_end[i] < r->ids.n && r->weight[r->answer_end[i]] > 0);
    fuzz_clean(pt_tok_decode(k->tok, r->ids.ids, r->ids.n, false, &text));
    pt_str_free(&text);
}

/* Where each supervised message is rendered: behind it, and the last of them as itself. */
static void split(job *k, const pt_message *m, size_t n)
{
    size_t until[64];
    pt_rendered r = {0};
    pt_status rc = pt_template_split(k->t, m, n, until);
    fuzz_clean(rc);
    for (size_t i = 0; rc == PT_OK && i < n; i++) fuzz_assert(m[i].weight > 0 ? until[i] > i && until[i] <= n : !until[i]);
    for (size_t i = 0; rc == PT_OK && i < n; i++)
        if (until[i]) {
            pt_rendered_clear(&r);
            fuzz_clean(pt_template_render(k->t, m, until[i], false, &r));
        }
    pt_rendered_free(&r);
}

static pt_status take(void *user, const pt_record *rec, int64_t line)
{
    job *k = user;
    pt_message m[64];
    size_t n = rec->answers[0].turns.n < 64 ? rec->answers[0].turns.n : 64;
    for (size_t i = 0; i < n; i++) {
        const pt_turn *u = &rec->answers[0].turns.turns[i];
        m[i] = pt_turn_message(u, u->has_weight ? u->weight : pt_speaker_is(u->speaker, PT_ASSISTANT) ? (float)(k->pattern >> i % 3 & 1) : 0);
    }
    if (n) m[0].tools = rec->tools;
    fuzz_clean(pt_template_think(k->t, k->thinking, m, n, &k->room));
    pt_rendered_clear(&k->out);
    pt_status rc = pt_template_render(k->t, m, n, k->generation, &k->out);
    fuzz_clean(rc);
    if (!k->generation && n) split(k, m, n);
    if (rc != PT_OK) return PT_OK;
    fuzz_accepted++;
    check(k);
    return PT_OK;
}

/* The golden tokenizers and every template that they can speak, opened once. */
enum { TOKS = 3, STYLES = 32 };
static pt_tokenizer *toks[TOKS];
static pt_template *styles[TOKS][STYLES];
static size_t n_styles;

static void prepare(void)
{
    static const char *const paths[TOKS] = {"tests/golden/data/tok_bpe", "tests/golden/data/tok_spm", "tests/golden/data/tok_named"};
    const char *const *names = pt_template_names();
    while (names[n_styles]) n_styles++;
    fuzz_assert(n_styles <= STYLES);
    for (int k = 0; k < TOKS; k++) {
        fuzz_assert(pt_tok_open(&toks[k], paths[k]) == PT_OK);
        for (size_t i = 0; i < n_styles; i++) fuzz_clean(pt_template_open(&styles[k][i], names[i], toks[k], NULL));
    }
}

/* The template that a text of a model's is. */
static pt_template *recognise(const pt_tokenizer *base, const char *jinja, const char *system, pt_tokenizer **tok)
{
    pt_vocab_spec spec = *pt_tok_spec(base);
    pt_template *t;
    char *scored;
    spec.chat_template = jinja;
    pt_status rc = pt_tok_from_spec(tok, &spec);
    fuzz_clean(rc);
    if (rc != PT_OK) return NULL;
    fuzz_clean(pt_template_open(&t, "tokenizer_default", *tok, system));
    if (!t) return NULL;
    fuzz_assert(pt_template_jinja(t) && pt_template_name(t)[0]);
    fuzz_clean(pt_template_jinja_scored(t, &scored));
    free(scored);
    return t;
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[4];
    pt_tokenizer *own = NULL;
    pt_template *opened = NULL;
    if (!n_styles) prepare();
    size_t parts = fuzz_split(bytes, n, part, 4);
    unsigned which = fuzz_choice(part[1], 0, TOKS), style = fuzz_choice(part[1], 1, (unsigned)n_styles);
    char *system = parts > 2 ? fuzz_text(part[2]) : NULL, *jinja = parts > 3 ? fuzz_text(part[3]) : NULL;
    job k = {.t = styles[which][style], .tok = toks[which], .generation = fuzz_choice(part[1], 2, 2), .pattern = 7 - fuzz_choice(part[1], 3, 8), .thinking = (pt_thinking)fuzz_choice(part[1], 4, 3)};
    if (jinja) {
        k.t = opened = recognise(toks[which], jinja, system, &own);
        k.tok = own;
    } else if (system) {
        fuzz_clean(pt_template_open(&opened, pt_template_names()[style], toks[which], system));
        k.t = opened;
    }
    if (k.t) {
        pt_dataset_spec spec = {.type = "messages", .format = "json", .path = (char *)fuzz_put("rows", part[0].at, part[0].n), .bad_rows = 1};
        pt_reader r = {.spec = &spec, .sink = take, .user = &k};
        fuzz_clean(pt_reader_run(&r));
        pt_reader_free(&r);
    }
    pt_rendered_free(&k.out);
    free(k.room.list);
    pt_template_free(opened);
    pt_tok_free(own);
    free(system);
    free(jinja);
    return 0;
}
