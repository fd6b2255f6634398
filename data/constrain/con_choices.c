/* Lists of texts, as a tree over their bytes: one that begins another is complete, and can go on. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"
#include "data/text/tok_utf8.h"

static int by_bytes(const void *a, const void *b)
{
    const pt_con_word *x = a, *y = b;
    int c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return c ? c : (x->n > y->n) - (x->n < y->n);
}

/* What follows the first `from` bytes of sorted words that share them. */
static uint32_t branch(pt_con_graph *g, const pt_con_word *w, size_t n, size_t from, uint32_t next)
{
    const pt_con_word *last = &w[n - 1];
    size_t same = from, k = 0;
    while (same < w->n && same < last->n && w->s[same] == last->s[same]) same++;
    uint32_t node = next;
    if (w->n != last->n || same < w->n) {
        node = pt_con_node(g);
        while (k < n && w[k].n == same) k++;
        if (k) pt_con_none(g, node, next);
        while (k < n && g->status == PT_OK) {
            size_t m = k + 1;
            while (m < n && w[m].s[same] == w[k].s[same]) m++;
            pt_con_none(g, node, branch(g, w + k, m - k, same, next));
            k = m;
        }
    }
    return pt_con_text(g, w->s + from, same - from, node);
}

uint32_t pt_con_words(pt_con_graph *g, pt_con_word *words, size_t n, uint32_t next)
{
    qsort(words, n, sizeof *words, by_bytes);
    return branch(g, words, n, 0, next);
}

pt_status pt_con_choices_build(pt_con_graph *g, const char *const *choices, size_t n)
{
    pt_status rc = PT_OK;
    pt_con_word *words = NULL;
    size_t bytes = 0;
    PT_CHECK(n, PT_EARG, "a list of choices that is empty");
    PT_CHECK(n <= PT_CONSTRAINT_CHOICES_MOST, PT_EARG, "%zu choices: at most %d are supported", n, PT_CONSTRAINT_CHOICES_MOST);
    PT_TRY(pt_alloc0(&words, n));
    for (size_t i = 0; i < n; i++) {
        words[i] = (pt_con_word){choices[i], strlen(choices[i])};
        bytes += words[i].n;
        PT_CHECK(words[i].n, PT_EARG, "choice %zu is empty", i + 1);
        PT_CHECK(bytes <= PT_CONSTRAINT_TEXT, PT_EARG, "choices of more than %d bytes together", PT_CONSTRAINT_TEXT);
        PT_CHECK(pt_utf8_check(words[i].s, words[i].n) == words[i].n, PT_EARG, "choice %zu is not UTF-8", i + 1);
    }
    g->start = pt_con_words(g, words, n, PT_CON_END);
    rc = g->status;
done:
    free(words);
    return rc;
}
