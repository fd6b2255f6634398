#include "data/text/tok_json_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/text/tok_json.h"

/* A place in the text; `odd` once something is not plain: nothing is then taken. */
typedef struct place {
    char *p, *end;
    bool odd;
} place;

static void space(place *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')) s->p++;
}

/* Whether c stands here; moves behind it. */
static bool take(place *s, char c)
{
    space(s);
    bool is = s->p < s->end && *s->p == c;
    s->p += is;
    return is;
}

static void want(place *s, char c)
{
    if (!s->odd && !take(s, c)) s->odd = true;
}

static unsigned hex4(const place *s, const char *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = p + i < s->end ? (unsigned char)p[i] : 0, d = c - '0' < 10 ? c - '0' : (c | 32) - 'a' < 6 ? (c | 32) - 'a' + 10 : 16;
        if (d > 15) return 0;
        v = v << 4 | d;
    }
    return v;
}

/* Behind a backslash: writes the character at *to, which lies before it. NUL and half pairs are odd. */
static void escape(place *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
    char c = s->p < s->end ? *s->p : 0;
    const char *k = c ? strchr(from, c) : NULL;
    if (k) {
        *(*to)++ = is[k - from];
        s->p++;
        return;
    }
    unsigned u = c == 'u' ? hex4(s, s->p + 1) : 0;
    s->p += 5;
    if (u >= 0xD800 && u < 0xDC00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        unsigned low = hex4(s, s->p + 2);
        u = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00) : 0;
        s->p += 6;
    }
    if (u == 0 || (u >= 0xD800 && u < 0xE000))
        s->odd = true;
    else
        *to += pt_utf8_put(*to, u);
}

/* A string; escapes are undone where it stands. */
static void string(place *s, const char **text, uint32_t *len)
{
    want(s, '"');
    char *from = s->p, *to;
    *text = from;
    *len = 0;
    if (s->odd) return;
    while (s->p < s->end && *s->p != '"' && *s->p != '\\' && (unsigned char)*s->p >= 0x20) s->p++;
    for (to = s->p; !s->odd && s->p < s->end && *s->p != '"';) {
        if ((unsigned char)*s->p < 0x20) {
            s->odd = true;
        } else if (*s->p != '\\') {
            *to++ = *s->p++;
        } else {
            s->p++;
            escape(s, &to);
        }
    }
    if (s->p >= s->end || to - from > INT32_MAX) s->odd = true;
    if (s->odd) return;
    s->p++;
    *len = (uint32_t)(to - from);
}

/* A key that stays in the text: one with escapes was just written over. */
static void key(place *s, const char **text, uint32_t *len)
{
    string(s, text, len);
    if (!s->odd && *text + *len != s->p - 1) s->odd = true;
}

/* A value that is passed over; whoever parses the rest sees to what is in it. Brackets are counted, strings skipped. */
static void skip(place *s)
{
    int depth = 0;
    space(s);
    do {
        if (s->p >= s->end) {
            s->odd = true;
        } else if (*s->p == '"') {
            for (s->p++; s->p < s->end && *s->p != '"'; s->p++) s->p += *s->p == '\\';
            s->p++;
        } else if (*s->p == '{' || *s->p == '[') {
            depth++, s->p++;
        } else if (*s->p == '}' || *s->p == ']') {
            if (depth == 0) return;
            depth--, s->p++;
        } else if (depth == 0) {
            while (s->p < s->end && !strchr(",]} \n\t\r", *s->p)) s->p++;
        } else {
            s->p++;
        }
    } while (depth && !s->odd);
}

/* {"piece": id, ...} */
static pt_status vocab(place *s, pt_tok_lists *l)
{
    want(s, '{');
    if (take(s, '}')) return PT_OK;
    do {
        PT_RETURN(pt_reserve(&l->vocab, &l->vocab_cap, l->n_vocab + 1));
        pt_tok_entry *e = &l->vocab[l->n_vocab++];
        string(s, &e->text, &e->len);
        want(s, ':');
        space(s);
        const char *from = s->p;
        for (e->id = 0; s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - from < 9; s->p++) e->id = e->id * 10 + (*s->p - '0');
        if (s->p == from || (*from == '0' && s->p > from + 1) || (s->p < s->end && *s->p && !strchr(",} \n\t\r", *s->p))) s->odd = true;
    } while (!s->odd && take(s, ','));
    want(s, '}');
    return PT_OK;
}

/* ["left right", ...] or [["left", "right"], ...] */
static pt_status merges(place *s, pt_tok_lists *l)
{
    want(s, '[');
    if (take(s, ']')) return PT_OK;
    do {
        PT_RETURN(pt_reserve(&l->merges, &l->merges_cap, l->n_merges + 1));
        pt_tok_halves *m = &l->merges[l->n_merges++];
        if (take(s, '[')) {
            string(s, &m->left, &m->left_len);
            want(s, ',');
            string(s, &m->right, &m->right_len);
            want(s, ']');
            continue;
        }
        string(s, &m->left, &m->left_len);
        const char *gap = s->odd ? NULL : memchr(m->left, ' ', m->left_len), *end = m->left + m->left_len;
        if (!gap || memchr(gap + 1, ' ', (size_t)(end - gap - 1))) {
            s->odd = true;
            continue;
        }
        m->right = gap + 1;
        m->left_len = (uint32_t)(gap - m->left);
        m->right_len = (uint32_t)(end - gap - 1);
    } while (!s->odd && take(s, ','));
    want(s, ']');
    return PT_OK;
}

/* What stands between the brackets of a list is taken out: [at, to). */
typedef struct hole {
    size_t at, to;
} hole;

static pt_status model(place *s, pt_tok_lists *l, const char *base, hole holes[2], int *n)
{
    want(s, '{');
    if (s->odd || take(s, '}')) return PT_OK;
    do {
        const char *name;
        uint32_t len;
        key(s, &name, &len);
        bool is_vocab = !s->odd && len == 5 && !memcmp(name, "vocab", 5), is_merges = !s->odd && len == 6 && !memcmp(name, "merges", 6);
        want(s, ':');
        space(s);
        char open = s->p < s->end ? *s->p : 0;
        if ((is_vocab && l->has_vocab) || (is_merges && l->has_merges)) s->odd = true; /* one twice */
        if (s->odd) return PT_OK;
        if (!((is_vocab && open == '{') || (is_merges && open == '['))) {
            skip(s);
            continue;
        }
        hole *h = &holes[(*n)++];
        h->at = (size_t)(s->p + 1 - base);
        PT_RETURN(is_vocab ? vocab(s, l) : merges(s, l));
        h->to = (size_t)(s->p - 1 - base);
        l->has_vocab = l->has_vocab || is_vocab;
        l->has_merges = l->has_merges || is_merges;
    } while (!s->odd && take(s, ','));
    want(s, '}');
    return PT_OK;
}

static pt_status find(place *s, pt_tok_lists *l, hole holes[2], int *n)
{
    const char *base = s->p;
    bool seen = false;
    want(s, '{');
    if (s->odd || take(s, '}')) return PT_OK;
    do {
        const char *name;
        uint32_t len;
        key(s, &name, &len);
        bool is = !s->odd && len == 5 && !memcmp(name, "model", 5);
        want(s, ':');
        if (is && seen) s->odd = true;
        seen = seen || is;
        if (s->odd) return PT_OK;
        if (is)
            PT_RETURN(model(s, l, base, holes, n));
        else
            skip(s);
    } while (!s->odd && take(s, ','));
    want(s, '}');
    return PT_OK;
}

/* The text without what the lists hold. */
static pt_status parse_rest(json_t **out, const char *path, const char *text, size_t n, const hole *holes, int n_holes)
{
    pt_str rest = {0};
    pt_status rc = PT_OK;
    size_t at = 0;
    for (int i = 0; i < n_holes; i++) {
        PT_TRY(pt_str_add(&rest, text + at, holes[i].at - at));
        at = holes[i].to;
    }
    PT_TRY(pt_str_add(&rest, text + at, n - at));
    rc = pt_json_parse(out, rest.text, rest.len, path, PT_JSON_OBJECT);
done:
    pt_str_free(&rest);
    return rc;
}

void pt_tok_lists_free(pt_tok_lists *l)
{
    free(l->text);
    free(l->vocab);
    free(l->merges);
    *l = (pt_tok_lists){0};
}

pt_status pt_tok_lists_load(pt_tok_lists *l, json_t **out, const char *path)
{
    pt_status rc = PT_OK;
    hole holes[2];
    size_t n;
    int n_holes = 0;
    *out = NULL;
    PT_RETURN(pt_text_read(&l->text, &n, path, PT_TOK_MAX_FILE));
    place s = {l->text, l->text + n, pt_utf8_check(l->text, n) != n};
    if (!s.odd) PT_TRY(find(&s, l, holes, &n_holes));
    rc = s.odd ? PT_EFORMAT : parse_rest(out, path, l->text, n, holes, n_holes);
done:
    if (rc == PT_OK || rc == PT_ENOMEM) return rc;
    pt_tok_lists_free(l);
    return pt_tok_json_load(out, path);
}
