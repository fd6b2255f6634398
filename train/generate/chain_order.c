/* Candidates in order, as far as somebody looks, and their sums. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/generate/chain_impl.h"

static bool before(const pt_candidate *a, const pt_candidate *b)
{
    return a->key < b->key || (!(b->key < a->key) && a->id < b->id);
}

static int by_key(const void *pa, const void *pb)
{
    const pt_candidate *a = pa, *b = pb;
    return before(a, b) ? -1 : before(b, a);
}

static void select_least(pt_candidate *x, int64_t n, int64_t k) /* Hoare's selection */
{
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        pt_candidate pivot = x[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (before(&x[i], &pivot)) i++;
            while (before(&pivot, &x[j])) j--;
            if (i <= j) {
                pt_candidate t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k - 1 <= j) hi = j;
        else if (k - 1 >= i) lo = i;
        else return;
    }
}

/* Bits of a float in its order; -0 counts as 0. */
static uint32_t bits_of(float x)
{
    uint32_t u;
    x += 0.0f;
    memcpy(&u, &x, sizeof u);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/* By key, 11 bits at a time; equal ones stay as they stood. n >= 1. */
static void sort_all(pt_candidate *x, int64_t n, pt_candidate *spare)
{
    static const int shifts[] = {0, 11, 22};
    pt_candidate *from = x, *to = spare;
    for (int pass = 0; pass < 3; pass++) {
        int64_t start[2049] = {0};
        for (int64_t i = 0; i < n; i++) start[(bits_of(from[i].key) >> shifts[pass] & 2047) + 1]++;
        for (int b = 0; b < 2048; b++) start[b + 1] += start[b];
        for (int64_t i = 0; i < n; i++) to[start[bits_of(from[i].key) >> shifts[pass] & 2047]++] = from[i];
        pt_candidate *t = from;
        from = to;
        to = t;
    }
    memcpy(x, spare, (size_t)n * sizeof *x);
}

void pt_candidates_least(pt_candidate *x, int64_t n, int64_t k, pt_candidate *spare)
{
    if (k >= n && n > 256) {
        sort_all(x, n, spare);
        return;
    }
    if (k < n) select_least(x, n, k);
    qsort(x, (size_t)(k < n ? k : n), sizeof *x, by_key);
}

void pt_chain_order(pt_chain *c, int64_t want)
{
    if (want > c->n) want = c->n;
    if (want <= c->ordered) return;
    int64_t at = c->ordered, to = at ? 8 * at : 256;
    if (to < want) to = want;
    if (to > c->n / 4) to = c->n;
    for (int64_t i = at; i < c->n; i++) c->c[i].key = -c->c[i].z;
    pt_candidates_least(c->c + at, c->n - at, to - at, c->spare);
    c->ordered = to;
}

float pt_chain_top(const pt_chain *c)
{
    float top = c->n ? c->c[0].z : -INFINITY;
    for (int64_t i = 1; i < c->n && !c->ordered; i++) top = c->c[i].z > top ? c->c[i].z : top;
    return top;
}

void pt_chain_softmax(pt_chain *c, bool sorted)
{
    float sum = 0;
    if (sorted) pt_chain_order(c, c->n);
    const float top = pt_chain_top(c);
    for (int64_t i = 0; i < c->n; i++) sum += c->c[i].p = expf(c->c[i].z - top);
    for (int64_t i = 0; i < c->n; i++) c->c[i].p /= sum;
}

float pt_chain_entropy(const pt_chain *c)
{
    float h = 0;
    for (int64_t i = 0; i < c->n; i++)
        if (c->c[i].p > 0) h -= c->c[i].p * logf(c->c[i].p);
    return h;
}

void pt_chain_near(pt_chain *c, float distance)
{
    if (fabsf(distance) < c->margin) c->margin = fabsf(distance);
}

void pt_chain_floor(pt_chain *c, float floor, bool masked)
{
    int64_t n = 0, ordered = 0;
    for (int64_t i = 0; i < c->n; i++) {
        if (c->c[i].z > -INFINITY) pt_chain_near(c, c->c[i].z - floor);
        if (!(c->c[i].z >= floor)) continue;
        ordered += i < c->ordered;
        c->c[n++] = c->c[i];
    }
    c->masked = masked ? c->masked + c->n - n : 0;
    c->n = n;
    c->ordered = ordered;
}

void pt_chain_cut(pt_chain *c, int64_t k)
{
    pt_chain_order(c, k + 1);
    if (k < c->n && c->c[k].z == c->c[k - 1].z) c->tie = true;
    c->masked = k <= c->n ? 0 : k - c->n < c->masked ? k - c->n : c->masked;
    if (k < c->n) c->n = k;
    if (c->ordered > c->n) c->ordered = c->n;
}
