#include "eval/text/words.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/file.h"

struct pt_wordbook_entry {
    uint64_t hash;
    size_t at, len;
};

void pt_words_free(pt_words *w)
{
    free(w->id);
    *w = (pt_words){0};
}

void pt_wordbook_free(pt_wordbook *b)
{
    free(b->entry);
    free(b->text);
    free(b->slot);
    *b = (pt_wordbook){0};
}

pt_status pt_words_add(pt_words *w, uint32_t id)
{
    PT_RETURN(pt_reserve(&w->id, &w->cap, w->n + 1));
    w->id[w->n++] = id;
    return PT_OK;
}

static pt_status book_rehash(pt_wordbook *b)
{
    size_t slots = b->slots ? 2 * b->slots : 256;
    uint32_t *slot;
    PT_RETURN(pt_alloc0(&slot, slots));
    for (size_t i = 0; i < b->n; i++) {
        size_t s = b->entry[i].hash & (slots - 1);
        while (slot[s]) s = (s + 1) & (slots - 1);
        slot[s] = (uint32_t)i + 1;
    }
    free(b->slot);
    b->slot = slot;
    b->slots = slots;
    return PT_OK;
}

pt_status pt_wordbook_number(pt_wordbook *b, const char *word, size_t len, uint32_t *id)
{
    if (2 * (b->n + 1) > b->slots) PT_RETURN(book_rehash(b));
    uint64_t h = pt_fnv1a(0xcbf29ce484222325ull, word, len);
    h ^= h >> 32;
    size_t s = h & (b->slots - 1);
    for (; b->slot[s]; s = (s + 1) & (b->slots - 1)) {
        const struct pt_wordbook_entry *e = &b->entry[b->slot[s] - 1];
        if (e->hash == h && e->len == len && memcmp(b->text + e->at, word, len) == 0) {
            *id = b->slot[s] - 1;
            return PT_OK;
        }
    }
    if (b->n >= UINT32_MAX - 1) return pt_fail(PT_ENOSUP, "more than 4 billion different words");
    PT_RETURN(pt_reserve(&b->entry, &b->cap, b->n + 1));
    PT_RETURN(pt_reserve(&b->text, &b->text_cap, b->text_len + len));
    memcpy(b->text + b->text_len, word, len);
    b->entry[b->n] = (struct pt_wordbook_entry){.hash = h, .at = b->text_len, .len = len};
    b->text_len += len;
    *id = (uint32_t)b->n;
    b->slot[s] = (uint32_t)++b->n;
    return PT_OK;
}

const char *pt_wordbook_text(const pt_wordbook *b, uint32_t id, size_t *len)
{
    *len = b->entry[id].len;
    return b->text + b->entry[id].at;
}

/* The letter or digit [a-z0-9] that starts at s in lower case, and how many bytes it takes; 0 for a separator (one byte).
 * U+0130 is followed by a combining dot in lower case, which separates: *ends is true then. */
static char word_letter(const unsigned char *s, size_t *bytes, bool *ends)
{
    *bytes = 1;
    *ends = false;
    if ((s[0] >= 'a' && s[0] <= 'z') || (s[0] >= '0' && s[0] <= '9')) return (char)s[0];
    if (s[0] >= 'A' && s[0] <= 'Z') return (char)(s[0] - 'A' + 'a');
    if (s[0] == 0xc4 && s[1] == 0xb0) {
        *bytes = 2;
        *ends = true;
        return 'i';
    }
    if (s[0] == 0xe2 && s[1] == 0x84 && s[2] == 0xaa) {
        *bytes = 3;
        return 'k';
    }
    return 0;
}

static pt_status split_words(pt_wordbook *b, const char *text, pt_words *w)
{
    pt_status rc = PT_OK;
    pt_str word = {0};
    for (const unsigned char *s = (const unsigned char *)text;;) {
        size_t bytes;
        bool ends;
        char c = word_letter(s, &bytes, &ends);
        if (c) PT_TRY(pt_str_add(&word, &c, 1));
        if ((!c || ends) && word.len) {
            uint32_t id = 0;
            PT_TRY(pt_wordbook_number(b, word.text, word.len, &id));
            PT_TRY(pt_words_add(w, id));
            word.len = 0;
        }
        if (!*s) break;
        s += bytes;
    }
done:
    pt_str_free(&word);
    return rc;
}

bool pt_char_is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

int32_t pt_char_next(const char *s, size_t left, size_t *bytes)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)left, &c);
    *bytes = n > 0 ? (size_t)n : 1;
    return n > 0 ? c : 0xfffd;
}

static pt_status split_chars(const char *text, pt_words *w)
{
    size_t left = strlen(text), bytes;
    for (; left; text += bytes, left -= bytes) {
        int32_t c = pt_char_next(text, left, &bytes);
        if (!pt_char_is_space(c)) PT_RETURN(pt_words_add(w, (uint32_t)c));
    }
    return PT_OK;
}

pt_status pt_words_split(pt_wordbook *b, pt_units units, const char *text, pt_words *w)
{
    w->n = 0;
    return units == PT_UNITS_CHARS ? split_chars(text, w) : split_words(b, text, w);
}

static bool char_is_cjk(int32_t c)
{
    return (c >= 0x2e80 && c <= 0x2fdf) || (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

pt_units pt_units_pick(const char *text)
{
    size_t left = strlen(text), bytes, cjk = 0, words = 0;
    bool inside = false;
    for (; left; text += bytes, left -= bytes) {
        int32_t c = pt_char_next(text, left, &bytes);
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter && !inside) words++;
        inside = letter;
        if (char_is_cjk(c)) cjk++;
    }
    return cjk && cjk >= words ? PT_UNITS_CHARS : PT_UNITS_WORDS;
}
