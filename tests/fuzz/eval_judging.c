/* Templates of judges, and their replies: parts between 0xff: which template (a byte), a reply, a template of its own. */
/* fuzz: -dict=tests/fuzz/dict/judging.dict */
#include <math.h>

#include "eval/task/judging.h"
#include "tests/fuzz/harness.h"

static const char *const templates[] = {
    "---\n{answer}\n{verdict}: N", "mode: pairwise\n---\n{answer_a}{answer_b}{verdict}: X", "verdict: json score\n---\n{answer}{verdict}",
    "verdict: json score\nseal: no\n---\n{answer}", "verdict: pattern <{verdict}>([^<]*)<\n---\n{answer}{verdict}", "verdict: pattern \\[\\[([^]]*)\\]\\]\nseal: no\n---\n{answer}",
};

static char *text_of(fuzz_part p)
{
    char *text = malloc(p.n + 1);
    if (!text) abort();
    if (p.n) memcpy(text, p.at, p.n);
    for (size_t i = 0; i < p.n; i++) text[i] = text[i] ? text[i] : ' ';
    text[p.n] = 0;
    return text;
}

/* The seal of the inputs: that of seed 1, item 1, which dict/judging.dict has too. */
static void read_reply(const pt_judge_template *t, const char *reply)
{
    pt_seal seal;
    pt_judge_found found;
    double v;
    pt_seal_draw(&seal, 1, 1, NULL, 0);
    pt_status rc = pt_judge_read(t, &seal, 1, 10, reply, &v, &found);
    fuzz_clean(rc);
    if (rc != PT_OK) return;
    fuzz_assert((found == PT_JUDGE_READ) == !isnan(v));
    fuzz_assert(isnan(v) || (t->pairs ? v == 0 || v == 0.5 || v == 1 : v >= 1 && v <= 10));
    fuzz_assert(t->open || isnan(v) || strstr(reply, seal.seal)); /* no seal, no verdict */
    fuzz_accepted += found == PT_JUDGE_READ;
}

static void ask(const pt_judge_template *t, const char *answer)
{
    pt_seal seal;
    char *system = NULL, *prompt = NULL;
    pt_seal_draw(&seal, 1, 1, &answer, 1);
    fuzz_assert(!strstr(answer, seal.seal) && !strstr(answer, seal.fence));
    fuzz_clean(pt_judge_ask(t, &seal, &(pt_judge_case){.answer = {answer, answer}, .low = 1, .high = 10}, &system, &prompt));
    free(system);
    free(prompt);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[3];
    pt_judge_template t;
    fuzz_split(bytes, n, part, 3);
    char *reply = text_of(part[1]), *own = text_of(part[2]);
    fuzz_assert(pt_judge_template_parse(&t, "built in", templates[fuzz_choice(part[0], 0, 6)]) == PT_OK);
    read_reply(&t, reply);
    ask(&t, reply);
    pt_judge_template_free(&t);
    if (!strstr(own, "pattern")) { /* an expression of the user's own may take as long as it likes */
        pt_status rc = pt_judge_template_parse(&t, "own", own);
        fuzz_clean(rc);
        if (rc == PT_OK) {
            read_reply(&t, reply);
            ask(&t, reply);
        }
        pt_judge_template_free(&t);
    }
    free(reply);
    free(own);
    return 0;
}
