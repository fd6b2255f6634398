/* Which words of two texts differ: the longest common subsequence of their words (Hunt and McIlroy 1976), what both begin and end with first. */
#include <stdlib.h>
#include <string.h>

#include "eval/page/page_priv.h"

/* Cells of the table; beyond that all between the common beginning and the common end counts as changed. */
enum { MOST_CELLS = 1 << 22 };

typedef struct word {
    const char *text;
    size_t lead, core, whole; /* bytes: white space before the first word; what is compared; all with the white space behind */
} word;

typedef struct words {
    word *at;
    size_t n, cap;
} words;

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Bytes of a character of a script that is written without spaces (CJK, kana, hangul: U+2E80 to U+D7FF, U+F900 on); 0: it is none. */
static size_t single(const unsigned char *p, size_t n)
{
    if (n >= 3 && p[0] >= 0xE2 && p[0] <= 0xEF && !(p[0] == 0xE2 && p[1] < 0xBA) && p[0] != 0xEE && !(p[0] == 0xEF && p[1] < 0xA4)) return 3;
    return n >= 4 && p[0] >= 0xF0 ? 4 : 0;
}

/* A word with the white space behind it; what stands before the first one belongs to it. */
static pt_status split(const char *text, size_t n, words *out)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, from = 0, lead, core; i < n; from = i) {
        while (i < n && is_space(p[i])) i++;
        lead = i;
        if (i < n && single(p + i, n - i)) i += single(p + i, n - i);
        else
            while (i < n && !is_space(p[i]) && !single(p + i, n - i)) i++;
        for (core = i; i < n && is_space(p[i]); i++) continue;
        PT_RETURN(pt_reserve(&out->at, &out->cap, out->n + 1));
        out->at[out->n++] = (word){text + from, lead - from, core - lead, i - from};
    }
    return PT_OK;
}

static bool same(const word *a, const word *b)
{
    return a->core == b->core && !memcmp(a->text + a->lead, b->text + b->lead, a->core);
}

/* changed[i], of each side: not in the longest common subsequence of the n x m words between. */
static pt_status mark(const word *a, size_t n, const word *b, size_t m, bool *gone, bool *come)
{
    uint16_t *len;
    for (size_t i = 0; i < n; i++) gone[i] = true;
    for (size_t k = 0; k < m; k++) come[k] = true;
    if (!n || !m || n > MOST_CELLS / m) return PT_OK;
    PT_RETURN(pt_alloc0(&len, (n + 1) * (m + 1)));
    for (size_t i = n; i-- > 0;)
        for (size_t k = m; k-- > 0;) {
            uint16_t down = len[(i + 1) * (m + 1) + k], right = len[i * (m + 1) + k + 1];
            len[i * (m + 1) + k] = same(&a[i], &b[k]) ? (uint16_t)(len[(i + 1) * (m + 1) + k + 1] + 1) : down > right ? down : right;
        }
    for (size_t i = 0, k = 0; i < n && k < m;) {
        if (same(&a[i], &b[k])) gone[i++] = come[k++] = false;
        else if (len[(i + 1) * (m + 1) + k] >= len[i * (m + 1) + k + 1]) i++;
        else k++;
    }
    free(len);
    return PT_OK;
}

/* ["=" | sign, TEXT], neighbours of one mark together. */
static pt_status pieces(const words *w, const bool *changed, const char *sign, json_t **out)
{
    *out = json_array();
    if (!*out) return pt_fail(PT_ENOMEM, "out of memory writing a report");
    for (size_t i = 0, k; i < w->n; i = k) {
        size_t bytes = 0;
        for (k = i; k < w->n && changed[k] == changed[i]; k++) bytes += w->at[k].whole;
        json_t *piece = json_array();
        PT_RETURN(pt_page_push(*out, piece));
        PT_RETURN(pt_page_push(piece, json_string(changed[i] ? sign : "=")));
        PT_RETURN(pt_page_push(piece, pt_page_text(w->at[i].text, bytes)));
    }
    return PT_OK;
}

pt_status pt_page_diff(const char *a, size_t na, const char *b, size_t nb, json_t **before, json_t **after)
{
    pt_status rc = PT_OK;
    words x = {0}, y = {0};
    bool *gone = NULL, *come = NULL;
    size_t head = 0, tail = 0;
    *before = *after = NULL;
    PT_TRY(split(a, na, &x));
    PT_TRY(split(b, nb, &y));
    PT_TRY(pt_alloc0(&gone, x.n));
    PT_TRY(pt_alloc0(&come, y.n));
    while (head < x.n && head < y.n && same(&x.at[head], &y.at[head])) head++;
    while (tail < x.n - head && tail < y.n - head && same(&x.at[x.n - 1 - tail], &y.at[y.n - 1 - tail])) tail++;
    PT_TRY(mark(x.at + head, x.n - head - tail, y.at + head, y.n - head - tail, gone + head, come + head));
    PT_TRY(pieces(&x, gone, "-", before));
    PT_TRY(pieces(&y, come, "+", after));
done:
    free(x.at);
    free(y.at);
    free(gone);
    free(come);
    if (rc != PT_OK) {
        json_decref(*before);
        json_decref(*after);
        *before = *after = NULL;
    }
    return rc;
}
