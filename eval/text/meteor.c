#include "eval/text/meteor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "eval/text/stem.h"

enum { FREE = UINT32_MAX };

/* A word of the reference that is not matched yet. */
typedef struct spot {
    uint32_t id, at;
} spot;

static int by_word(const void *a, const void *b)
{
    const spot *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Matches what is free on both sides: to[i] is the reference's word of the answer's word i, taken[] which of the reference's are. */
static pt_status match(const pt_words *answer, const pt_words *reference, uint32_t *to, uint8_t *taken)
{
    pt_status rc = PT_OK;
    spot *spots = NULL;
    size_t *left = NULL, n = 0; /* left[where a word begins]: how many of it are free, the first ones */
    PT_TRY(pt_alloc0(&spots, reference->n));
    PT_TRY(pt_alloc0(&left, reference->n));
    for (size_t j = 0; j < reference->n; j++)
        if (!taken[j]) spots[n++] = (spot){reference->id[j], (uint32_t)j};
    if (n) qsort(spots, n, sizeof *spots, by_word);
    for (size_t j = 0, first = 0; j < n; j++) {
        if (spots[j].id != spots[first].id) first = j;
        left[first]++;
    }
    for (size_t i = answer->n; i-- > 0;) {
        size_t lo = 0, hi = n;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            if (spots[mid].id < answer->id[i]) lo = mid + 1;
            else hi = mid;
        }
        if (to[i] != FREE || lo == n || spots[lo].id != answer->id[i] || !left[lo]) continue;
        to[i] = spots[lo + --left[lo]].at;
        taken[to[i]] = 1;
    }
done:
    free(spots);
    free(left);
    return rc;
}

/* Words by their stems, characters by their lower case. */
static pt_status folded(pt_wordbook *b, pt_units units, const pt_words *w, bool stems, pt_words *out)
{
    char *word = NULL;
    pt_status rc = PT_OK;
    out->n = 0;
    for (size_t i = 0; i < w->n; i++) {
        uint32_t id = w->id[i];
        size_t n;
        if (units == PT_UNITS_CHARS) id = (uint32_t)utf8proc_tolower((utf8proc_int32_t)id);
        if (units == PT_UNITS_WORDS && stems) {
            const char *text = pt_wordbook_text(b, id, &n);
            free(word);
            word = NULL;
            PT_TRY(pt_alloc0(&word, n + 2));
            memcpy(word, text, n);
            n = pt_stem(word, n);
            PT_TRY(pt_wordbook_number(b, word, n, &id));
        }
        PT_TRY(pt_words_add(out, id));
    }
done:
    free(word);
    return rc;
}

static double score(const uint32_t *to, size_t answer, size_t reference)
{
    double matches = 0, chunks = 0, p, r;
    for (size_t i = 0; i < answer; i++) {
        if (to[i] == FREE) continue;
        matches++;
        chunks += !(i && to[i - 1] != FREE && to[i] == to[i - 1] + 1);
    }
    if (matches == 0) return 0;
    p = matches / (double)answer;
    r = matches / (double)reference;
    return (1 - 0.5 * pow(chunks / matches, 3)) * (p * r / (0.9 * p + (1 - 0.9) * r));
}

static pt_status single(pt_wordbook *b, pt_units units, const pt_words *reference, const pt_words *answer, double *out)
{
    pt_status rc = PT_OK;
    pt_words side[2] = {{0}};
    uint32_t *to = NULL;
    uint8_t *taken = NULL;
    PT_TRY(pt_alloc0(&to, answer->n));
    PT_TRY(pt_alloc0(&taken, reference->n));
    for (size_t i = 0; i < answer->n; i++) to[i] = FREE;
    for (int stems = 0; stems < (units == PT_UNITS_WORDS ? 2 : 1); stems++) {
        PT_TRY(folded(b, units, answer, stems, &side[0]));
        PT_TRY(folded(b, units, reference, stems, &side[1]));
        PT_TRY(match(&side[0], &side[1], to, taken));
    }
    *out = score(to, answer->n, reference->n);
done:
    free(to);
    free(taken);
    for (int s = 0; s < 2; s++) pt_words_free(&side[s]);
    return rc;
}

pt_status pt_meteor(pt_wordbook *b, pt_units units, const pt_words *references, size_t n, const pt_words *answer, double *out)
{
    if (!n) return pt_fail(PT_EARG, "METEOR without a reference");
    *out = 0;
    for (size_t k = 0; k < n; k++) {
        double one;
        PT_RETURN(single(b, units, &references[k], answer, &one));
        if (one > *out) *out = one;
    }
    return PT_OK;
}
