/* Sets of code points, and the classes of regular expressions. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "data/constrain/con_priv.h"

pt_status pt_con_set_add(pt_con_set *s, uint32_t lo, uint32_t hi)
{
    PT_RETURN(pt_reserve(&s->span, &s->cap, s->n + 1));
    s->span[s->n++] = (pt_con_span){lo, hi};
    return PT_OK;
}

pt_status pt_con_set_join(pt_con_set *s, const pt_con_set *other)
{
    for (size_t i = 0; i < other->n; i++) PT_RETURN(pt_con_set_add(s, other->span[i].lo, other->span[i].hi));
    return PT_OK;
}

static int by_lo(const void *a, const void *b)
{
    const pt_con_span *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sorted and joined; surrogates stay in. */
static void sort_spans(pt_con_set *s)
{
    size_t k = 0;
    if (s->n) qsort(s->span, s->n, sizeof *s->span, by_lo);
    for (size_t i = 0; i < s->n; i++) {
        pt_con_span x = s->span[i];
        if (k && x.lo <= s->span[k - 1].hi + 1) {
            if (x.hi > s->span[k - 1].hi) s->span[k - 1].hi = x.hi;
        } else {
            s->span[k++] = x;
        }
    }
    s->n = k;
}

pt_status pt_con_set_tidy(pt_con_set *s)
{
    sort_spans(s);
    for (size_t i = 0; i < s->n; i++) {
        pt_con_span x = s->span[i];
        if (x.hi < 0xD800 || x.lo > 0xDFFF) continue;
        PT_RETURN(pt_reserve(&s->span, &s->cap, s->n + 1));
        pt_con_span parts[2] = {{x.lo, 0xD7FF}, {0xE000, x.hi}};
        size_t k = 0;
        bool left = x.lo < 0xD800, right = x.hi > 0xDFFF;
        memmove(s->span + i + left + right, s->span + i + 1, (s->n - i - 1) * sizeof *s->span);
        if (left) s->span[i + k++] = parts[0];
        if (right) s->span[i + k++] = parts[1];
        s->n += k - 1;
        i += k - 1; /* wraps to the one before where nothing is left of it: the loop adds one */
    }
    return PT_OK;
}

pt_status pt_con_set_flip(pt_con_set *s)
{
    pt_con_set out = {0};
    pt_status rc = PT_OK;
    uint32_t from = 0;
    sort_spans(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->span[i].lo > from) PT_TRY(pt_con_set_add(&out, from, s->span[i].lo - 1));
        from = s->span[i].hi + 1;
    }
    if (from <= PT_CON_LAST) PT_TRY(pt_con_set_add(&out, from, PT_CON_LAST));
    PT_TRY(pt_con_set_tidy(&out));
    free(s->span);
    *s = out;
    out = (pt_con_set){0};
done:
    free(out.span);
    return rc;
}

static pt_status ascii(pt_con_set *s, char letter)
{
    switch (letter) {
    case 'd': return pt_con_set_add(s, '0', '9');
    case 's': PT_RETURN(pt_con_set_add(s, '\t', '\r')); return pt_con_set_add(s, ' ', ' ');
    default:
        PT_RETURN(pt_con_set_add(s, '0', '9'));
        PT_RETURN(pt_con_set_add(s, 'A', 'Z'));
        PT_RETURN(pt_con_set_add(s, '_', '_'));
        return pt_con_set_add(s, 'a', 'z');
    }
}

/* Bits of utf8proc's categories. */
static uint32_t categories(const char *name, size_t n)
{
    static const char two[][3] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
                                  "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
    uint32_t bits = 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if ((n == 1 || n == 2) && memcmp(two[i], name, n) == 0) bits |= 1u << i;
    return bits;
}

/* Where the category changes: some 3,400 places, found once a process, for a look at each code point takes milliseconds. */
static struct run {
    uint32_t from;
    uint8_t category;
} runs[8192];
static size_t n_runs;
static pthread_once_t runs_made = PTHREAD_ONCE_INIT;

static void make_runs(void)
{
    for (uint32_t c = 0; c <= PT_CON_LAST; c++) {
        uint8_t is = (uint8_t)utf8proc_category((utf8proc_int32_t)c);
        if ((!n_runs || runs[n_runs - 1].category != is) && n_runs < sizeof runs / sizeof *runs) runs[n_runs++] = (struct run){c, is};
    }
}

static pt_status add_categories(pt_con_set *s, uint32_t bits)
{
    pthread_once(&runs_made, make_runs);
    if (n_runs == sizeof runs / sizeof *runs) return pt_fail(PT_EINTERNAL, "more than %zu runs of Unicode categories", n_runs);
    for (size_t i = 0; i < n_runs; i++)
        if (bits >> runs[i].category & 1) PT_RETURN(pt_con_set_add(s, runs[i].from, i + 1 < n_runs ? runs[i + 1].from - 1 : PT_CON_LAST));
    return PT_OK;
}

pt_status pt_con_set_category(pt_con_set *s, const char *name, size_t n)
{
    uint32_t bits = categories(name, n);
    if (!bits) return pt_fail(PT_EARG, "\\p{%.*s} is not a general category of Unicode (such as L, Lu, Nd)", (int)(n > 40 ? 40 : n), name);
    return add_categories(s, bits);
}

pt_status pt_con_set_class(pt_con_set *s, char letter)
{
    pt_con_set all = {0};
    pt_status rc = PT_OK;
    if (letter == 'd' || letter == 'w' || letter == 's') return ascii(s, letter);
    PT_TRY(ascii(&all, (char)(letter - 'A' + 'a')));
    if (letter == 'D') PT_TRY(add_categories(&all, categories("Nd", 2)));
    if (letter == 'W') PT_TRY(add_categories(&all, categories("L", 1) | categories("M", 1) | categories("N", 1) | categories("Pc", 2)));
    if (letter == 'S') {
        PT_TRY(add_categories(&all, categories("Z", 1)));
        PT_TRY(pt_con_set_add(&all, 0x1C, 0x1F)); /* Python counts these and U+0085 */
        PT_TRY(pt_con_set_add(&all, 0x85, 0x85));
        PT_TRY(pt_con_set_add(&all, 0xFEFF, 0xFEFF)); /* ECMAScript */
    }
    PT_TRY(pt_con_set_flip(&all));
    PT_TRY(pt_con_set_join(s, &all));
done:
    free(all.span);
    return rc;
}
