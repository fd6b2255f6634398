/* DRY ("don't repeat yourself"), as llama.cpp's: a token that would lengthen what stands a second time is made less likely by how long that already is. */
#include <math.h>
#include <string.h>

#include "train/generate/chain_impl.h"
#include "train/generate/dry.h"

typedef struct look {
    const int32_t *past; /* its end is the present */
    int64_t n;
    const pt_dry_breakers *breakers;
} look;

static int32_t back(const look *l, int64_t i) /* 0: the last token */
{
    return l->past[l->n - 1 - i];
}

/* The longest tail of a breaker that begins i tokens back and is whole; -1: none. */
static int32_t broken(const look *l, int64_t i)
{
    int32_t longest = -1;
    if (!l->breakers) return -1;
    for (size_t b = pt_dry_breakers_find(l->breakers, back(l, i)); b < l->breakers->n && l->breakers->head[b] == back(l, i); b++) {
        int32_t n = l->breakers->from[b + 1] - l->breakers->from[b], k = 0;
        if (n <= longest || n > i) continue;
        while (k < n && l->breakers->tail[l->breakers->from[b] + k] == back(l, i - k - 1)) k++;
        if (k == n) longest = n;
    }
    return longest;
}

/* count[n - 1 - k]: how many tokens before the one k back are as the last ones, up to most. The Z-algorithm from the end. */
static void repeats(const look *l, int64_t most, int32_t *count)
{
    int64_t left = 0, right = 0, last = l->n - 1;
    memset(count, 0, (size_t)l->n * sizeof *count);
    for (int64_t k = 1; k < l->n; k++) {
        int64_t n = 0;
        if (k <= right && count[last - (k - left)] < right - k + 1) {
            n = count[last - (k - left)];
        } else {
            int64_t i = k > right ? k : right + 1;
            while (i < l->n && back(l, i) == back(l, i - k)) i++;
            n = i - k;
            if (n > 0) left = k, right = i - 1;
        }
        count[last - k] = (int32_t)(n < most ? n : most);
    }
}

static bool breaks_alone(const pt_dry_breakers *b, int32_t id)
{
    size_t at = b ? pt_dry_breakers_find(b, id) : 0;
    return b && at < b->n && b->from[at] == b->from[at + 1]; /* the shortest tail is first */
}

void pt_chain_dry(pt_chain *c, const pt_sampler *s)
{
    const int64_t n = s->dry_penalty_last_n >= 0 && s->dry_penalty_last_n < c->n_past ? s->dry_penalty_last_n : c->n_past;
    const look l = {c->past + c->n_past - n, n, s->dry_breakers};
    const double most = s->dry_base > 1.000001f ? floor(88.7228391 / log((double)s->dry_base)) : 0; /* no overflow of an f32 */
    int64_t limit = n;
    if (n <= s->dry_allowed_length) return;
    for (int64_t i = 0; i < n; i++) {
        int32_t tail = broken(&l, i);
        if (tail < 0) continue;
        limit = i - tail;
        break;
    }
    if (limit < s->dry_allowed_length) return;
    repeats(&l, limit, c->count);
    for (int64_t i = 0; i < n - 1; i++) /* what stood behind each repeat would lengthen it */
        if (c->count[i] >= s->dry_allowed_length && c->mark[l.past[i + 1]] <= c->count[i]) c->mark[l.past[i + 1]] = c->count[i] + 1;
    for (int64_t i = 0; i < c->n; i++) {
        int32_t length = c->mark[c->c[i].id] - 1;
        if (length < 0 || breaks_alone(s->dry_breakers, c->c[i].id)) continue;
        double over = length - s->dry_allowed_length;
        if (most > 0 && over > most) over = most;
        c->c[i].z -= (float)((double)s->dry_multiplier * pow((double)s->dry_base, over));
    }
    for (int64_t i = 0; i < n; i++) c->mark[l.past[i]] = 0;
    c->ordered = 0;
}
