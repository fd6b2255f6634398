/* What the audit looks for in texts: two texts, parted by 0xff, as the system text and the answer of a record. */
#include "data/audit/audit_priv.h"
#include "data/text/tok_utf8.h"
#include "tests/fuzz/harness.h"

static const pt_audit_rule_of_part rules[] = {pt_rule_as_an_ai, pt_rule_refusal, pt_rule_speaks_for_user, pt_rule_secret, pt_rule_email, pt_rule_phone,
                                              pt_rule_control,  pt_rule_markup,  pt_rule_macro,           pt_rule_mojibake, pt_rule_html};

static pt_status take(void *user, const pt_near_text *a, const pt_near_text *b, double likeness)
{
    (void)user;
    fuzz_assert(a->id != b->id && likeness >= 0.8 && likeness <= 1);
    return PT_OK;
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[2] = {{0}};
    pt_turn turns[2] = {{.speaker = PT_SYSTEM}, {.speaker = PT_ASSISTANT}};
    pt_answer answer = {.turns = {.turns = turns, .n = 2}};
    pt_record rec = {.answers = &answer, .n_answers = 1};
    pt_audit_view v = {0};
    pt_near near = {0};
    char *copy[2] = {NULL};
    fuzz_split(bytes, n, part, 2);
    for (int k = 0; k < 2; k++) {
        copy[k] = malloc(part[k].n + 1); /* its end is the block's, but for a byte that a text without any has */
        fuzz_assert(copy[k]);
        if (part[k].n) memcpy(copy[k] + 1, part[k].at, part[k].n);
        turns[k].text = copy[k] + 1;
        turns[k].bytes = pt_utf8_check(copy[k] + 1, part[k].n);
        for (size_t i = 0; i < turns[k].bytes; i++)
            if (!copy[k][1 + i]) copy[k][1 + i] = ' '; /* rows have none */
        fuzz_clean(pt_near_add(&near, turns[k].text, turns[k].bytes, (uint32_t)k, NULL));
    }
    fuzz_clean(pt_near_pairs(&near, 0.8, take, NULL));
    fuzz_clean(pt_audit_view_fill(&v, &rec, false, NULL));
    for (size_t i = 0; i < v.n; i++) {
        const pt_audit_part *p = &v.parts[i];
        (void)pt_script_text(p->text, p->bytes, NULL);
        for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
            pt_audit_hit hit = {0};
            char text[PT_AUDIT_EXCERPT];
            if (!rules[r](&v, p, &hit)) continue;
            fuzz_assert(hit.n && hit.at + hit.n <= p->bytes);
            pt_audit_excerpt(text, p->text, p->bytes, hit.at);
            fuzz_assert(strlen(text) < PT_AUDIT_EXCERPT && pt_utf8_check(text, strlen(text)) == strlen(text));
            fuzz_accepted++;
        }
    }
    pt_audit_view_free(&v);
    pt_near_free(&near);
    for (int k = 0; k < 2; k++) free(copy[k]);
    return 0;
}
