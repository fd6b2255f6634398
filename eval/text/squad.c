#include "eval/text/squad.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

#include "eval/text/textstats.h"

static bool word_character(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
    }
}

static bool punctuation(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO) || (c < 0x80 && ispunct((int)c));
}

static pt_status put_char(pt_str *out, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    return pt_str_add(out, (const char *)bytes, (size_t)utf8proc_encode_char(c, bytes));
}

/* Lower case as Python's, but for a sigma at a word's end. */
static pt_status put_lower(pt_str *out, int32_t c)
{
    if (c == 0x130) return pt_str_add(out, "i\xcc\x87", 3); /* a dotted I is i and a combining dot */
    return put_char(out, utf8proc_tolower(c));
}

static pt_status characters(const char *text, pt_str *out)
{
    size_t bytes, first = out->len;
    for (size_t left = strlen(text); left; text += bytes, left -= bytes) {
        int32_t c = pt_char_next(text, left, &bytes);
        if (pt_char_is_space(c) || punctuation(c)) continue;
        if (out->len > first) PT_RETURN(pt_str_add(out, " ", 1));
        PT_RETURN(put_lower(out, c));
    }
    return PT_OK;
}

static bool article(const char *p, size_t n)
{
    return (n == 1 && *p == 'a') || (n == 2 && !memcmp(p, "an", 2)) || (n == 3 && !memcmp(p, "the", 3));
}

/* The run of word characters, or the one other character, that begins at p. */
static size_t run(const char *p, size_t left, bool *word, bool *space)
{
    size_t n = 0, bytes;
    int32_t c = pt_char_next(p, left, &bytes);
    *word = word_character(c);
    *space = pt_char_is_space(c);
    if (!*word) return bytes;
    for (; n < left && word_character(pt_char_next(p + n, left - n, &bytes)); n += bytes) continue;
    return n;
}

static pt_status words(const char *text, pt_str *out)
{
    pt_status rc = PT_OK;
    pt_str low = {0};
    bool gap = false, word, space;
    size_t bytes, first = out->len;
    PT_TRY(pt_str_add(&low, "", 0));
    for (size_t left = strlen(text); left; text += bytes, left -= bytes) {
        int32_t c = pt_char_next(text, left, &bytes);
        if (c >= 0x80 || !ispunct((int)c)) PT_TRY(put_lower(&low, c));
    }
    for (size_t at = 0; at < low.len; at += bytes) {
        bytes = run(low.text + at, low.len - at, &word, &space);
        if (space || (word && article(low.text + at, bytes))) {
            gap = true;
            continue;
        }
        if (gap && out->len > first) PT_TRY(pt_str_add(out, " ", 1));
        gap = false;
        PT_TRY(pt_str_add(out, low.text + at, bytes));
    }
done:
    pt_str_free(&low);
    return rc;
}

pt_status pt_squad_normal(pt_units units, const char *text, pt_str *out)
{
    PT_RETURN(pt_str_add(out, "", 0));
    return units == PT_UNITS_CHARS ? characters(text, out) : words(text, out);
}

static pt_status split(pt_wordbook *b, const char *text, pt_words *w)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        uint32_t id = 0;
        if (n) PT_RETURN(pt_wordbook_number(b, text, n, &id));
        if (n) PT_RETURN(pt_words_add(w, id));
        text += n + (text[n] == ' ');
    }
    return PT_OK;
}

pt_status pt_squad_f1(const char *answer, const char *reference, double *out)
{
    pt_status rc = PT_OK;
    pt_wordbook book = {0};
    pt_words a = {0}, r = {0};
    pt_rouge score;
    PT_TRY(split(&book, answer, &a));
    PT_TRY(split(&book, reference, &r));
    PT_TRY(pt_rouge_n(&r, &a, 1, &score));
    *out = a.n && r.n ? score.f : a.n == r.n;
done:
    pt_words_free(&a);
    pt_words_free(&r);
    pt_wordbook_free(&book);
    return rc;
}
