#include "train/generate/dry.h"

#include <stdlib.h>
#include <string.h>

typedef struct breaker {
    int32_t head;
    int32_t n;
    int32_t tail[PT_DRY_TAIL];
} breaker;

typedef struct breakers {
    breaker *list;
    size_t n, cap;
} breakers;

static int by_head(const void *pa, const void *pb)
{
    const breaker *a = pa, *b = pb;
    if (a->head != b->head) return a->head < b->head ? -1 : 1;
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int32_t i = 0; i < a->n; i++)
        if (a->tail[i] != b->tail[i]) return a->tail[i] < b->tail[i] ? -1 : 1;
    return 0;
}

static pt_status put(breakers *l, int32_t head, const pt_ids *tail)
{
    PT_RETURN(pt_reserve(&l->list, &l->cap, l->n + 1));
    breaker *b = &l->list[l->n++];
    *b = (breaker){.head = head, .n = tail->n < PT_DRY_TAIL ? (int32_t)tail->n : PT_DRY_TAIL};
    if (b->n) memcpy(b->tail, tail->ids, (size_t)b->n * sizeof *b->tail);
    return PT_OK;
}

/* What token `id`, which reads word[len], has of text[n]. */
static pt_status overlap(const pt_tokenizer *tok, int32_t id, const char *word, size_t len, const char *text, size_t n, breakers *l)
{
    pt_status rc = PT_OK;
    pt_ids tail = {0};
    for (size_t at = 0; at < len; at++) {
        size_t same = 0;
        while (same < n && at + same < len && word[at + same] == text[same]) same++;
        if (same == n) {
            tail.n = 0;
            PT_TRY(put(l, id, &tail));
            goto done;
        }
        if (!same || at + same < len) continue;
        tail.n = 0;
        PT_TRY(pt_tok_encode_at(tok, text + same, n - same, false, PT_TOK_CONTINUE, &tail, NULL));
        PT_TRY(put(l, id, &tail));
    }
done:
    free(tail.ids);
    return rc;
}

static pt_status collect(const pt_tokenizer *tok, const char *const *texts, size_t n, breakers *l)
{
    pt_status rc = PT_OK;
    pt_str word = {0};
    for (int32_t id = 0; id < pt_tok_vocab_size(tok); id++) {
        if (!pt_tok_piece(tok, id)) continue;
        word.len = 0;
        PT_TRY(pt_tok_decode(tok, &id, 1, false, &word));
        for (size_t i = 0; i < n; i++) {
            size_t bytes = strlen(texts[i]), most = PT_DRY_LONGEST;
            while (bytes > PT_DRY_LONGEST && ((unsigned char)texts[i][most] & 0xc0) == 0x80) most--; /* whole characters */
            PT_TRY(overlap(tok, id, word.text, word.len, texts[i], bytes > PT_DRY_LONGEST ? most : bytes, l));
        }
    }
done:
    pt_str_free(&word);
    return rc;
}

pt_status pt_dry_breakers_make(pt_dry_breakers **out, const pt_tokenizer *tok, const char *const *texts, size_t n)
{
    pt_status rc = PT_OK;
    breakers l = {0};
    pt_dry_breakers *b = NULL;
    size_t tails = 0;
    *out = NULL;
    if (!n) return PT_OK;
    for (size_t i = 0; i < n; i++) PT_CHECK(*texts[i], PT_EARG, "a sequence breaker of DRY is empty");
    PT_TRY(collect(tok, texts, n, &l));
    if (l.n) qsort(l.list, l.n, sizeof *l.list, by_head);
    PT_TRY(pt_alloc0(&b, 1));
    for (size_t i = 0; i < l.n; i++) tails += (size_t)l.list[i].n;
    PT_TRY(pt_alloc0(&b->head, l.n + 1));
    PT_TRY(pt_alloc0(&b->from, l.n + 1));
    PT_TRY(pt_alloc0(&b->tail, tails + 1));
    for (size_t i = 0; i < l.n; i++) {
        const breaker *x = &l.list[i];
        if (i && !by_head(x, x - 1)) continue;
        b->head[b->n] = x->head;
        memcpy(b->tail + b->from[b->n], x->tail, (size_t)x->n * sizeof *x->tail);
        b->from[b->n + 1] = b->from[b->n] + x->n;
        b->n++;
    }
    *out = b;
    b = NULL;
done:
    pt_dry_breakers_free(b);
    free(l.list);
    return rc;
}

void pt_dry_breakers_free(pt_dry_breakers *b)
{
    if (!b) return;
    free(b->head);
    free(b->from);
    free(b->tail);
    free(b);
}

size_t pt_dry_breakers_find(const pt_dry_breakers *b, int32_t id)
{
    size_t lo = 0, hi = b->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b->head[mid] < id) lo = mid + 1;
        else hi = mid;
    }
    return lo < b->n && b->head[lo] == id ? lo : b->n;
}
