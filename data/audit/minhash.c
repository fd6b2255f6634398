#include "data/audit/minhash.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/audit/script.h"
#include "data/text/tok_utf8.h"

enum { WORDS = 5 }; /* in a shingle */

/* Moves to the next word and gives its hash; false at the end. */
static bool next_word(const char **at, const char *end, uint64_t *hash)
{
    const char *p = *at;
    size_t len = 0;
    uint32_t c = 0;
    while (p < end && (c = pt_utf8_get(p, &len), pt_utf8_is_py_space(c))) p += len;
    if (p >= end) return false;
    const char *from = p;
    p += len;
    if (!pt_script_unspaced(c))
        while (p < end && (c = pt_utf8_get(p, &len), !pt_utf8_is_py_space(c) && !pt_script_unspaced(c))) p += len;
    *hash = pt_fnv1a(PT_FNV_START, from, (size_t)(p - from));
    *at = p;
    return true;
}

size_t pt_near_words(const char *text, size_t bytes)
{
    size_t n = 0;
    uint64_t h;
    for (const char *at = text; next_word(&at, text + bytes, &h);) n++;
    return n;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Ascending. A turn has tens of shingles: Shell's sort (gaps of Ciura 2001) has them in order before a general one has begun. */
static void sort(uint32_t *v, size_t n)
{
    static const size_t gaps[] = {132, 57, 23, 10, 4, 1};
    if (n > 4096) {
        qsort(v, n, sizeof *v, ascending);
        return;
    }
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
        for (size_t i = gaps[g]; i < n; i++) {
            uint32_t x = v[i];
            size_t k = i;
            for (; k >= gaps[g] && v[k - gaps[g]] > x; k -= gaps[g]) v[k] = v[k - gaps[g]];
            v[k] = x;
        }
}

static void make_orders(pt_near *s)
{
    for (uint64_t k = 0; k < PT_NEAR_MINIMA; k++) {
        uint64_t z = pt_hash_mix(0x6e656172, k);
        s->times[k] = (uint32_t)z | 1;
        s->flip[k] = (uint32_t)(z >> 32);
    }
}

/* The least of each of 80 orders of all 32-bit numbers. */
static void take_minima(const pt_near *s, pt_near_text *t, const uint32_t *shingle)
{
    const uint32_t *times = s->times, *flip = s->flip;
    for (int k = 0; k < PT_NEAR_MINIMA; k++) t->minimum[k] = UINT32_MAX;
    for (uint32_t i = 0; i < t->n; i++) {
        for (int k = 0; k < PT_NEAR_MINIMA; k++) {
            uint32_t v = (shingle[i] ^ flip[k]) * times[k];
            v = (v ^ v >> 15) * 0x2c1b3c6du;
            if (v < t->minimum[k]) t->minimum[k] = v;
        }
    }
}

/* Shingles of a text behind those that are there; *n: how many. */
static pt_status put_shingles(pt_near *s, const char *text, size_t bytes, size_t *n, size_t *words)
{
    const char *at = text;
    uint64_t ring[WORDS] = {0}, h;
    size_t w = 0;
    for (*n = 0; next_word(&at, text + bytes, &h); w++) {
        ring[w % WORDS] = h;
        if (w + 1 < WORDS) continue;
        uint64_t all = 0;
        for (size_t k = 1; k <= WORDS; k++) all = pt_hash_mix(all, ring[(w + k) % WORDS]);
        PT_RETURN(pt_reserve(&s->shingles, &s->shingle_cap, s->n_shingles + *n + 1));
        s->shingles[s->n_shingles + (*n)++] = (uint32_t)(all >> 32);
    }
    *words = w;
    if (!w || w >= WORDS) return PT_OK;
    uint64_t all = w;
    for (size_t k = 0; k < w; k++) all = pt_hash_mix(all, ring[k]);
    PT_RETURN(pt_reserve(&s->shingles, &s->shingle_cap, s->n_shingles + 1));
    s->shingles[s->n_shingles] = (uint32_t)(all >> 32);
    *n = 1;
    return PT_OK;
}

pt_status pt_near_add(pt_near *s, const char *text, size_t bytes, uint32_t id, size_t *words)
{
    size_t n, w, distinct = 0;
    PT_RETURN(put_shingles(s, text, bytes, &n, &w));
    if (words) *words = w;
    if (!n) return PT_OK;
    uint32_t *list = s->shingles + s->n_shingles;
    sort(list, n);
    for (size_t i = 0; i < n; i++)
        if (!i || list[i] != list[distinct - 1]) list[distinct++] = list[i];
    bool sampled = distinct > PT_NEAR_SHINGLES;
    if (sampled) distinct = PT_NEAR_SHINGLES;
    PT_RETURN(pt_reserve(&s->texts, &s->cap, s->n + 1));
    pt_near_text *t = &s->texts[s->n++];
    *t = (pt_near_text){.from = s->n_shingles, .n = (uint32_t)distinct, .id = id, .sampled = sampled};
    if (!s->times[0]) make_orders(s); /* they are odd */
    if (!s->sets_alone) take_minima(s, t, list);
    s->n_shingles += distinct;
    return PT_OK;
}

pt_status pt_near_take(pt_near *s, const pt_near *from, size_t i, uint32_t id)
{
    const pt_near_text *t = &from->texts[i];
    PT_RETURN(pt_reserve(&s->texts, &s->cap, s->n + 1));
    PT_RETURN(pt_reserve(&s->shingles, &s->shingle_cap, s->n_shingles + t->n));
    memcpy(s->shingles + s->n_shingles, from->shingles + t->from, t->n * sizeof *s->shingles);
    s->texts[s->n] = *t;
    s->texts[s->n].from = s->n_shingles;
    s->texts[s->n++].id = id;
    s->n_shingles += t->n;
    return PT_OK;
}

const pt_near_text *pt_near_find(const pt_near *s, uint32_t id)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->texts[mid].id < id) low = mid + 1;
        else high = mid;
    }
    return low < s->n && s->texts[low].id == id ? &s->texts[low] : NULL;
}

/* The smallest of the union are a fair sample of it, where a list was cut. */
double pt_near_likeness(const pt_near *s, const pt_near_text *a, const pt_near_text *b)
{
    const uint32_t *x = s->shingles + a->from, *y = s->shingles + b->from;
    size_t i = 0, k = 0, both = 0, either = 0, most = a->sampled || b->sampled ? PT_NEAR_SHINGLES : SIZE_MAX;
    while ((i < a->n || k < b->n) && either < most) {
        bool left = i < a->n && (k >= b->n || x[i] <= y[k]), right = k < b->n && (i >= a->n || y[k] <= x[i]);
        both += left && right;
        either++;
        i += left;
        k += right;
    }
    return either ? (double)both / (double)either : 0;
}

typedef struct bucketed {
    uint64_t band;
    size_t text;
} bucketed;

static int by_band(const void *a, const void *b)
{
    const bucketed *x = a, *y = b;
    if (x->band != y->band) return x->band < y->band ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

static bool agree(const pt_near_text *a, const pt_near_text *b, int band)
{
    return !memcmp(a->minimum + band * PT_NEAR_ROWS, b->minimum + band * PT_NEAR_ROWS, PT_NEAR_ROWS * sizeof *a->minimum);
}

/* Whether an earlier band has made them candidates. */
static bool met(const pt_near_text *a, const pt_near_text *b, int band)
{
    for (int k = 0; k < band; k++)
        if (agree(a, b, k)) return true;
    return false;
}

/* list[n] is one bucket: each is compared with those close behind it, so that a bucket of any size takes linear time. */
static pt_status bucket(const pt_near *s, const bucketed *list, size_t n, int band, double least,
                        pt_status (*pair)(void *, const pt_near_text *, const pt_near_text *, double), void *user)
{
    for (size_t i = 0; i < n; i++) {
        const pt_near_text *a = &s->texts[list[i].text];
        for (size_t k = i + 1; k < n && k - i <= PT_NEAR_BUCKET; k++) {
            const pt_near_text *b = &s->texts[list[k].text];
            if (!agree(a, b, band) || met(a, b, band)) continue;
            double likeness = pt_near_likeness(s, a, b);
            if (likeness >= least) PT_RETURN(pair(user, a, b, likeness));
        }
    }
    return PT_OK;
}

pt_status pt_near_pairs(const pt_near *s, double least, pt_status (*pair)(void *user, const pt_near_text *a, const pt_near_text *b, double likeness),
                        void *user)
{
    pt_status rc = PT_OK;
    bucketed *list = NULL;
    if (s->sets_alone) return PT_OK;
    PT_TRY(pt_alloc0(&list, s->n));
    for (int band = 0; band < PT_NEAR_BANDS; band++) {
        for (size_t i = 0; i < s->n; i++)
            list[i] = (bucketed){pt_fnv1a(PT_FNV_START, s->texts[i].minimum + band * PT_NEAR_ROWS, PT_NEAR_ROWS * sizeof *s->texts[i].minimum), i};
        qsort(list, s->n, sizeof *list, by_band);
        for (size_t from = 0, to; from < s->n; from = to) {
            for (to = from; to < s->n && list[to].band == list[from].band;) to++;
            PT_TRY(bucket(s, list + from, to - from, band, least, pair, user));
        }
    }
done:
    free(list);
    return rc;
}

void pt_near_free(pt_near *s)
{
    free(s->texts);
    free(s->shingles);
    *s = (pt_near){0};
}
