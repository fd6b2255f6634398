/* Marks that are no words: control tokens, markup of templates, macros, broken encodings, HTML. */
#include <string.h>

#include "data/audit/audit_priv.h"
#include "data/audit/phrase.h"
#include "data/text/tok_utf8.h"

/* The first of some exact spellings. */
static bool spelled(const pt_audit_part *p, const char *const *list, pt_audit_hit *hit)
{
    bool first[256] = {0};
    for (const char *const *s = list; *s; s++) first[(unsigned char)(*s)[0]] = true;
    for (size_t i = 0; i < p->bytes; i++) {
        if (!first[(unsigned char)p->text[i]]) continue;
        for (const char *const *s = list; *s; s++) {
            size_t n = strlen(*s);
            if (n > p->bytes - i || memcmp(p->text + i, *s, n)) continue;
            *hit = (pt_audit_hit){i, n};
            return true;
        }
    }
    return false;
}

bool pt_rule_control(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    size_t at, end;
    if (!v->tok || pt_tok_next_control(v->tok, p->text, p->bytes, 0, &at, &end) < 0) return false;
    *hit = (pt_audit_hit){at, end - at};
    return true;
}

bool pt_rule_markup(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    static const char *const marks[] = {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>", "<|end_of_text|>",
                                        "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<|end_of_turn|>",
                                        "\n\nHuman:", "\n\nAssistant:", "\n### Response:", "\n### Instruction:", NULL};
    pt_audit_hit control;
    return !pt_rule_control(v, p, &control) && spelled(p, marks, hit);
}

bool pt_rule_macro(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    static const char *const macros[] = {"{{char}}", "{{user}}", "{{name}}", "{{author}}", "{{bot}}", "{{persona}}", "{{description}}", "{{scenario}}", "{{personality}}", "{{original}}", "{{mesexamples}}",
                                         "{{charname}}", "{{username}}", "{{ char }}", "{{ user }}", NULL};
    static const char *const exact[] = {"<USER>", "<BOT>", "<CHAR>", "<START>", NULL};
    (void)v;
    return pt_phrase_find(p->text, p->bytes, macros, &hit->at, &hit->n) || spelled(p, exact, hit);
}

/* The byte that windows-1252 (WHATWG) reads as this character; 0 for one that no byte from 0x80 to 0xbf gives. */
static unsigned char continuation(uint32_t c)
{
    static const uint16_t high[32] = {0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
                                      0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};
    if (c >= 0x80 && c <= 0xbf) return (unsigned char)c;
    for (int i = 0; i < 32; i++)
        if (high[i] == c) return (unsigned char)(0x80 + i);
    return 0;
}

/* How many characters a lead byte announces; 0: it is none that such texts show. */
static size_t announced(uint32_t c)
{
    return c == 0xc2 || c == 0xc3 ? 1 : c >= 0xe2 && c <= 0xe9 ? 2 : c == 0xf0 ? 3 : 0;
}

/* Whether character k behind the lead can be its byte: of marks (\u2019 ...) and small pictures the first one is known; of letters (Chinese) the quotes and
 * dashes of windows-1252 are left out, which stand behind accented letters in good texts too. */
static bool belongs(uint32_t lead, size_t k, uint32_t c)
{
    unsigned char b = continuation(c);
    if (lead == 0xe2 && k == 0) return b == 0x80 || b == 0x84;
    if (lead == 0xf0 && k == 0) return b == 0x9f;
    return b && (lead < 0xe3 || lead > 0xe9 || c < 0x100);
}

/* U+FFFD, and characters that are the bytes of UTF-8 read as windows-1252. */
bool pt_rule_mojibake(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    (void)v;
    for (size_t i = 0, len; i < p->bytes; i += len) {
        uint32_t c = pt_utf8_get(p->text + i, &len);
        if (c < 0x80) continue;
        size_t want = announced(c), at = i + len, k = 0;
        while (k < want && at < p->bytes) {
            size_t step;
            if (!belongs(c, k, pt_utf8_get(p->text + at, &step))) break;
            at += step;
            k++;
        }
        bool fits = want && k == want;
        if (!fits && c != 0xfffd) continue;
        *hit = (pt_audit_hit){i, fits ? at - i : len};
        return true;
    }
    return false;
}

bool pt_rule_html(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    static const char *const entities[] = {"&amp;", "&quot;", "&#39;", "&lt;", "&gt;", "&nbsp;", "&apos;", "<br>", "<br/>", "<br />", NULL};
    return !v->asks_markup && spelled(p, entities, hit);
}
