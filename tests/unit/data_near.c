/* Near duplicates against a count of every pair: which pairs are found, and that what is said of them is right. PTRAIN_NEAR_ROWS: how many texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "data/audit/minhash.h"

enum { SHINGLE = 5, MOST_WORDS = 90, VOCABULARY = 3000 };

typedef struct text {
    int word[MOST_WORDS], n;
    bool chinese;
    uint64_t set[MOST_WORDS]; /* its shingles by the words' numbers: no code of the search has a part in them */
    int n_set;
} text;

static uint64_t at;
static uint32_t rnd(uint32_t n)
{
    return pt_rng_words(21, PT_RNG_TEST, at++, 2).v[0] % n;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void make_set(text *t)
{
    int n = 0;
    for (int i = 0; i + SHINGLE <= t->n || (i == 0 && t->n); i++) {
        uint64_t h = (uint64_t)t->chinese + 1;
        for (int k = 0; k < SHINGLE && i + k < t->n; k++) h = h * 3001 + (uint64_t)t->word[i + k] + 1;
        t->set[n++] = h;
    }
    qsort(t->set, (size_t)n, sizeof *t->set, by_value);
    t->n_set = 0;
    for (int i = 0; i < n; i++)
        if (!i || t->set[i] != t->set[i - 1]) t->set[t->n_set++] = t->set[i];
}

static double likeness(const text *a, const text *b)
{
    int i = 0, k = 0, both = 0;
    while (i < a->n_set && k < b->n_set) {
        if (a->set[i] == b->set[k]) both++, i++, k++;
        else if (a->set[i] < b->set[k]) i++;
        else k++;
    }
    return (double)both / (a->n_set + b->n_set - both);
}

/* Groups of up to six: a text, and copies of it with 0 to 6 words changed, left out or put in. */
static text *make_texts(int n)
{
    text *all = calloc((size_t)n, sizeof *all);
    assert_non_null(all);
    at = 0;
    for (int i = 0; i < n;) {
        text base = {.n = 8 + (int)rnd(70), .chinese = rnd(4) == 0};
        for (int k = 0; k < base.n; k++) base.word[k] = (int)rnd(VOCABULARY);
        for (int copies = 1 + (int)rnd(6); copies && i < n; copies--) {
            text t = base;
            for (int edits = (int)rnd(7) * (copies > 1); edits && t.n > 8; edits--) {
                int where = (int)rnd((uint32_t)t.n), how = (int)rnd(3);
                if (how == 0 || t.n == MOST_WORDS) t.word[where] = (int)rnd(VOCABULARY);
                else if (how == 1) memmove(t.word + where, t.word + where + 1, (size_t)(--t.n - where) * sizeof *t.word);
                else memmove(t.word + where + 1, t.word + where, (size_t)(t.n++ - where) * sizeof *t.word), t.word[where] = (int)rnd(VOCABULARY);
            }
            make_set(&t);
            all[i++] = t;
        }
    }
    return all;
}

/* Words with a space, or characters from U+4E00 on without any. */
static size_t spell(const text *t, char *out)
{
    size_t n = 0;
    for (int k = 0; k < t->n; k++) {
        int c = 0x4e00 + t->word[k];
        if (t->chinese) n += (size_t)sprintf(out + n, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
        else n += (size_t)sprintf(out + n, "%sw%d", k ? k % 7 ? " " : "\n " : "", t->word[k]);
    }
    return n;
}

typedef struct found {
    const text *all;
    int n;
    unsigned char *pair; /* [n][n] */
    long long reported, low;
} found;

static pt_status take(void *user, const pt_near_text *a, const pt_near_text *b, double said)
{
    found *f = user;
    double is = likeness(&f->all[a->id], &f->all[b->id]);
    if (is - said > 1e-9 || said - is > 1e-9) fail_msg("texts %u and %u: said %g, is %g", a->id, b->id, said, is);
    size_t at_pair = a->id < b->id ? (size_t)a->id * (size_t)f->n + b->id : (size_t)b->id * (size_t)f->n + a->id;
    assert_int_equal(f->pair[at_pair], 0); /* each once */
    f->pair[at_pair] = 1;
    f->reported++;
    f->low += is < 0.5;
    return PT_OK;
}

static void every_pair(void **state)
{
    const char *rows = getenv("PTRAIN_NEAR_ROWS");
    int n = rows ? atoi(rows) : 2000;
    text *all = make_texts(n);
    pt_near near = {0};
    found f = {.all = all, .n = n, .pair = calloc((size_t)n * (size_t)n, 1)};
    long long like = 0, hit = 0;
    assert_non_null(f.pair);
    for (int i = 0; i < n; i++) {
        char line[MOST_WORDS * 8];
        size_t words, bytes = spell(&all[i], line);
        assert_int_equal(pt_near_add(&near, line, bytes, (uint32_t)i, &words), PT_OK);
        assert_int_equal(words, all[i].n);
        assert_int_equal(pt_near_words(line, bytes), all[i].n);
    }
    assert_int_equal(near.n, n);
    assert_int_equal(pt_near_pairs(&near, 0.8, take, &f), PT_OK);
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++)
            if (likeness(&all[i], &all[k]) >= 0.8) like++, hit += f.pair[(size_t)i * (size_t)n + (size_t)k];
    printf("# figure: near duplicates: %d texts, %lld pairs of 0.8 or more, %lld of them found (%.2f %%), %lld reported, %lld of them below 0.5\n", n, like, hit,
           100.0 * (double)hit / (double)like, f.reported, f.low);
    assert_true(like > n / 8);
    assert_true((double)hit >= 0.95 * (double)like);
    assert_int_equal(f.low, 0);
    pt_near_free(&near);
    free(f.pair);
    free(all);
}

static pt_status count(void *user, const pt_near_text *a, const pt_near_text *b, double said)
{
    assert_true(a->id != b->id && said == 1);
    ++*(long long *)user;
    return PT_OK;
}

static pt_status stop(void *user, const pt_near_text *a, const pt_near_text *b, double said)
{
    (void)user, (void)a, (void)b, (void)said;
    return pt_fail(PT_ESTATE, "enough");
}

/* Short texts, none at all, many that are one, a long one. */
static void edges(void **state)
{
    pt_near s = {0};
    long long pairs = 0;
    size_t words = 9;
    assert_int_equal(pt_near_add(&s, " \n\t ", 4, 0, &words), PT_OK);
    assert_true(words == 0 && s.n == 0);
    assert_int_equal(pt_near_pairs(&s, 0.8, count, &pairs), PT_OK);
    assert_int_equal(pt_near_add(&s, "so it", 5, 0, &words), PT_OK);
    assert_int_equal(pt_near_add(&s, " so  it\n", 8, 1, NULL), PT_OK);
    assert_int_equal(pt_near_add(&s, "it so", 5, 2, NULL), PT_OK);
    assert_int_equal(pt_near_pairs(&s, 0.8, count, &pairs), PT_OK);
    assert_true(pairs == 1 && words == 2);
    assert_int_equal(pt_near_pairs(&s, 0.8, stop, NULL), PT_ESTATE);
    pt_near_free(&s);
    for (uint32_t i = 0; i < 3000; i++) assert_int_equal(pt_near_add(&s, "all of these are the same text", 30, i, NULL), PT_OK);
    pairs = 0;
    assert_int_equal(pt_near_pairs(&s, 0.8, count, &pairs), PT_OK);
    assert_true(pairs >= 2999 && pairs <= 3000LL * PT_NEAR_BUCKET); /* not the four million that there are */
    pt_near_free(&s);
    char *big[2];
    for (int k = 0; k < 2; k++) { /* 20,000 words; one in a hundred is another: 0.9 and a little more */
        size_t n = 0;
        big[k] = malloc(20000 * 8);
        assert_non_null(big[k]);
        for (int i = 0; i < 20000; i++) n += (size_t)sprintf(big[k] + n, "%s%d ", k && i % 100 == 0 ? "x" : "w", i);
        assert_int_equal(pt_near_add(&s, big[k], n, (uint32_t)k, NULL), PT_OK);
        free(big[k]);
    }
    assert_true(s.texts[0].sampled && s.texts[0].n == PT_NEAR_SHINGLES);
    double is = 19000.0 / 21000, said = pt_near_likeness(&s, &s.texts[0], &s.texts[1]);
    if (said < is - 0.02 || said > is + 0.02) fail_msg("%g, not %g", said, is);
    pt_near_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair), cmocka_unit_test(edges)};
    return cmocka_run_group_tests_name("data_near", tests, NULL, NULL);
}
