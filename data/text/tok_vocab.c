/* Vocabulary tables of a tokenizer while it is built, and the look-ups that everything else uses. */
#include "base/log.h"
#include "data/text/tok_ranks.h"
#include "data/text/tok_spm.h"
#include "data/text/tok_unigram.h"

#include <stdlib.h>
#include <string.h>

uint64_t pt_tok_hash_bytes(const char *s, size_t n)
{
    uint64_t h = n * 0x9E3779B97F4A7C15ull, v;
    while (n >= 8) {
        memcpy(&v, s, 8);
        h = (h ^ v) * 0xD6E8FEB86659FD93ull;
        h ^= h >> 32;
        s += 8;
        n -= 8;
    }
    if (n) {
        v = 0;
        memcpy(&v, s, n);
        h = (h ^ v) * 0xD6E8FEB86659FD93ull;
        h ^= h >> 32;
    }
    h *= 0x9FB21C651E98DF25ull;
    return h ^ h >> 29;
}

/* Where a text stands in the table, or the free slot where it would. */
static pt_tok_slot *hash_slot(const pt_tokenizer *t, const pt_tok_hash *h, const pt_tok_ref *refs, const char *s, size_t n, uint32_t *tag)
{
    *tag = (uint32_t)(pt_tok_hash_bytes(s, n) >> 32);
    for (size_t i = *tag & h->mask;; i = (i + 1) & h->mask) {
        pt_tok_slot *v = &h->slot[i];
        if (v->id1 == 0) return v;
        if (v->tag != *tag) continue;
        pt_tok_ref r = refs[v->id1 - 1];
        if (r.len == n && memcmp(t->blob.text + r.at, s, n) == 0) return v;
    }
}

static int32_t hash_find(const pt_tokenizer *t, const pt_tok_hash *h, const pt_tok_ref *refs, const char *s, size_t n)
{
    uint32_t tag;
    return h->slot ? (int32_t)hash_slot(t, h, refs, s, n, &tag)->id1 - 1 : -1;
}

static pt_status hash_grow(pt_tok_hash *h, size_t slots)
{
    pt_tok_slot *fresh;
    PT_RETURN(pt_alloc0(&fresh, slots));
    for (size_t k = 0; h->slot && k <= h->mask; k++) {
        pt_tok_slot v = h->slot[k];
        size_t i = v.tag & (slots - 1);
        if (v.id1 == 0) continue;
        while (fresh[i].id1) i = (i + 1) & (slots - 1);
        fresh[i] = v;
    }
    free(h->slot);
    *h = (pt_tok_hash){fresh, slots - 1};
    return PT_OK;
}

/* Of equal texts all are kept, the first is found. */
static void hash_put(const pt_tokenizer *t, pt_tok_hash *h, const pt_tok_ref *refs, int32_t id)
{
    pt_tok_ref r = refs[id];
    uint32_t tag = (uint32_t)(pt_tok_hash_bytes(t->blob.text + r.at, r.len) >> 32);
    size_t i = tag & h->mask;
    while (h->slot[i].id1) i = (i + 1) & h->mask;
    h->slot[i] = (pt_tok_slot){(uint32_t)id + 1, tag};
}

pt_status pt_tok_new(pt_tokenizer **out)
{
    PT_RETURN(pt_alloc0(out, 1));
    pt_tokenizer *t = *out;
    t->bos = t->eos = t->eot = t->unk = t->pad = t->model_unk = t->template_bos = -1;
    t->add_bos = t->add_eos = -1;
    return PT_OK;
}

pt_status pt_tok_keep(pt_tokenizer *t, const char *s, size_t n, pt_tok_ref *out)
{
    if (t->blob.len + n + 1 > UINT32_MAX) return pt_fail(PT_EFORMAT, "the vocabulary's texts take more than 4 GB");
    *out = (pt_tok_ref){(uint32_t)t->blob.len, (uint32_t)n};
    PT_RETURN(pt_str_add(&t->blob, s, n));
    return pt_str_add(&t->blob, "", 1);
}

pt_status pt_tok_reserve_ids(pt_tokenizer *t, int64_t id)
{
    if (id < 0 || id > PT_TOK_MAX_ID) {
        return pt_fail(PT_EFORMAT, "token id %lld is out of range (0 to %d)", (long long)id, PT_TOK_MAX_ID);
    }
    size_t need = (size_t)id + 1;
    PT_RETURN(pt_reserve(&t->spell, &t->cap_spell, need));
    PT_RETURN(pt_reserve(&t->raw, &t->cap_raw, need));
    PT_RETURN(pt_reserve(&t->flags, &t->cap_flags, need));
    PT_RETURN(pt_reserve(&t->score, &t->cap_score, need));
    size_t slots = 64;
    while (slots < need * 2) slots *= 2;
    if (!t->by_spell.slot || slots > t->by_spell.mask + 1) PT_RETURN(hash_grow(&t->by_spell, slots));
    if (t->n < (int32_t)need) t->n = (int32_t)need;
    return PT_OK;
}

void pt_tok_shadow(pt_tokenizer *t, int32_t old, int32_t id)
{
    uint32_t tag;
    pt_tok_ref r = t->spell[old];
    hash_slot(t, &t->by_spell, t->spell, t->blob.text + r.at, r.len, &tag)->id1 = (uint32_t)id + 1;
    t->spell[id] = r;
    t->flags[id] = PT_TOK_HAS;
    t->flags[old] = PT_TOK_HAS;
}

pt_status pt_tok_put(pt_tokenizer *t, int64_t id, const char *spelling, size_t n, unsigned flags)
{
    PT_RETURN(pt_tok_reserve_ids(t, id));
    if (t->flags[id] & PT_TOK_HAS) {
        return pt_fail(PT_EFORMAT, "token id %lld stands twice: '%s' and '%.*s'", (long long)id, pt_tok_text(t, t->spell[id]),
                       (int)(n < 80 ? n : 80), spelling);
    }
    uint32_t tag;
    pt_tok_slot *slot = hash_slot(t, &t->by_spell, t->spell, spelling, n, &tag);
    if (slot->id1) {
        return pt_fail(PT_EFORMAT, "token '%.*s' has two ids: %d and %lld", (int)(n < 80 ? n : 80), spelling, (int32_t)slot->id1 - 1,
                       (long long)id);
    }
    PT_RETURN(pt_tok_keep(t, spelling, n, &t->spell[id]));
    t->flags[id] = (uint16_t)(flags | PT_TOK_HAS);
    *slot = (pt_tok_slot){(uint32_t)id + 1, tag};
    return PT_OK;
}

int32_t pt_tok_find_n(const pt_tokenizer *t, const char *spelling, size_t n)
{
    int32_t id = hash_find(t, &t->by_spell, t->spell, spelling, n);
    return id < t->n ? id : -1; /* cut off by pt_tok_limit */
}

int32_t pt_tok_raw_find(const pt_tokenizer *t, const char *s, size_t n)
{
    int32_t id = hash_find(t, &t->by_raw, t->raw, s, n);
    return id < t->n ? id : -1; /* cut off by pt_tok_limit */
}

/* GPT-2's alphabet: printable bytes stand for themselves, the other 68 for U+0100 and on, in order. */
static int alphabet_byte(uint32_t cp)
{
    if ((cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255)) return (int)cp;
    if (cp < 256 || cp > 323) return -1;
    uint32_t k = cp - 256;
    if (k < 33) return (int)k;
    if (k < 67) return (int)(127 + k - 33);
    return 173;
}

uint32_t pt_tok_alphabet(unsigned char b)
{
    if ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174) return b;
    return 256u + (b < 33 ? b : b < 161 ? b - 127u + 33u : 67u);
}

bool pt_tok_unalphabet(const char *s, size_t n, char *out, size_t *out_n)
{
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        size_t len;
        int b = alphabet_byte(pt_utf8_get(s + i, &len));
        if (b < 0) return false;
        out[k++] = (char)b;
        i += len;
    }
    *out_n = k;
    return true;
}

pt_status pt_tok_put_merge(pt_tokenizer *t, const char *left, size_t ln, const char *right, size_t rn)
{
    char small[256], *both = small;
    pt_status rc = PT_OK;
    size_t k = t->n_merges, cut = t->word_prefix ? strlen(t->word_prefix) : 0;
    PT_CHECK(ln && rn, PT_EFORMAT, "merge %zu has an empty side", k);
    PT_CHECK(rn > cut, PT_EFORMAT, "merge %zu: '%.*s' is not longer than continuing_subword_prefix", k, (int)(rn < 80 ? rn : 80), right);
    if (ln + rn >= sizeof small) PT_TRY(pt_alloc0(&both, ln + rn + 1));
    memcpy(both, left, ln);
    memcpy(both + ln, right + cut, rn - cut);
    both[ln + rn - cut] = 0;
    pt_tok_merge m = {pt_tok_find_n(t, left, ln), pt_tok_find_n(t, right, rn), pt_tok_find_n(t, both, ln + rn - cut)};
    PT_CHECK(m.left >= 0, PT_EFORMAT, "merge %zu: '%.*s' is not in the vocabulary", k, (int)(ln < 80 ? ln : 80), left);
    PT_CHECK(m.right >= 0, PT_EFORMAT, "merge %zu: '%.*s' is not in the vocabulary", k, (int)(rn < 80 ? rn : 80), right);
    PT_CHECK(m.id >= 0, PT_EFORMAT, "merge %zu: '%.80s' is not in the vocabulary", k, both);
    PT_CHECK(k < PT_TOK_NO_RANK, PT_EFORMAT, "too many merges");
    PT_TRY(pt_reserve(&t->merges, &t->cap_merges, k + 1));
    t->merges[t->n_merges++] = m;
done:
    if (both != small) free(both);
    return rc;
}

pt_status pt_tok_add_stop(pt_tokenizer *t, int64_t id)
{
    if (id < 0 || id >= t->n) return PT_OK;
    for (size_t i = 0; i < t->n_stops; i++) {
        if (t->stops[i] == id) return PT_OK;
    }
    PT_RETURN(pt_reserve(&t->stops, &t->cap_stops, t->n_stops + 1));
    t->stops[t->n_stops++] = (int32_t)id;
    return PT_OK;
}

/* Raw bytes of every piece that words can become, and their table. */
static pt_status build_raw(pt_tokenizer *t)
{
    pt_status rc = PT_OK;
    char *buf = NULL;
    size_t longest = 1, count = 0, slots = 64;
    for (int32_t i = 0; i < t->n; i++) {
        if (t->spell[i].len > longest) longest = t->spell[i].len;
        count += (t->flags[i] & PT_TOK_MODEL) != 0;
    }
    t->longest = longest;
    PT_TRY(pt_alloc0(&buf, longest));
    while (slots < count * 2) slots *= 2;
    PT_TRY(hash_grow(&t->by_raw, slots));
    for (int32_t b = 0; b < 256; b++) t->byte_id[b] = -1;
    for (int32_t i = 0; i < t->n; i++) {
        if (!(t->flags[i] & PT_TOK_HAS)) continue;
        t->raw[i] = t->spell[i];
        size_t n = 0;
        if (t->byte_level && (t->flags[i] & PT_TOK_MODEL)) {
            if (!pt_tok_unalphabet(pt_tok_text(t, t->spell[i]), t->spell[i].len, buf, &n)) {
                t->flags[i] &= (uint16_t)~PT_TOK_MODEL; /* spelled outside of the byte alphabet: no word can become it */
                continue;
            }
            if (n != t->spell[i].len || memcmp(buf, pt_tok_text(t, t->spell[i]), n) != 0)
                PT_TRY(pt_tok_keep(t, buf, n, &t->raw[i]));
            if (n == 1) t->byte_id[(unsigned char)buf[0]] = i;
        }
        if (!(t->flags[i] & PT_TOK_MODEL) || t->raw[i].len == 0) continue;
        hash_put(t, &t->by_raw, t->raw, i);
    }
done:
    free(buf);
    return rc;
}

/* <0xNN> pieces of byte fallback. */
static void find_bytes(pt_tokenizer *t)
{
    static const char hex[] = "0123456789ABCDEF";
    t->all_bytes = true;
    for (int b = 0; b < 256; b++) {
        if (!t->byte_level) {
            char name[7] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>', 0};
            t->byte_id[b] = t->byte_fallback ? pt_tok_find_n(t, name, 6) : -1;
            if (t->byte_id[b] >= 0) t->flags[t->byte_id[b]] |= PT_TOK_BYTE;
        }
        if (t->byte_id[b] < 0) t->all_bytes = false;
    }
}

static pt_status build_pairs(pt_tokenizer *t)
{
    size_t slots = 64;
    while (slots < t->n_merges + t->n_merges / 2) slots *= 2;
    PT_RETURN(pt_alloc0(&t->pairs, slots));
    t->pair_mask = slots - 1;
    for (size_t i = 0; i < slots; i++) t->pairs[i].key = UINT64_MAX;
    for (size_t k = 0; k < t->n_merges; k++) {
        pt_tok_merge m = t->merges[k];
        uint64_t key = (uint64_t)(uint32_t)m.left << 32 | (uint32_t)m.right;
        size_t i = (key * 0x9E3779B97F4A7C15ull >> 32) & t->pair_mask;
        while (t->pairs[i].key != UINT64_MAX && t->pairs[i].key != key) i = (i + 1) & t->pair_mask;
        t->pairs[i] =
            (pt_tok_pair){key, t->by_rank ? (uint32_t)m.id : (uint32_t)k, m.id}; /* a merge listed twice counts as the later one, as in the library */
    }
    return PT_OK;
}

static int by_score(const void *a, const void *b, void *score)
{
    float x = ((float *)score)[*(const int32_t *)a], y = ((float *)score)[*(const int32_t *)b];
    return x > y ? -1 : x < y ? 1 : 0;
}

static pt_status build_ranks(pt_tokenizer *t)
{
    int32_t *order = NULL;
    pt_status rc = PT_OK;
    PT_TRY(pt_alloc0(&order, t->n));
    PT_TRY(pt_alloc0(&t->rank, t->n));
    for (int32_t i = 0; i < t->n; i++) order[i] = i;
    qsort_r(order, (size_t)t->n, sizeof *order, by_score, t->score);
    uint32_t rank = 0;
    for (int32_t i = 0; i < t->n; i++) {
        if (i && t->score[order[i]] != t->score[order[i - 1]]) rank = (uint32_t)i;
        t->rank[order[i]] = rank;
    }
done:
    free(order);
    return rc;
}

static void mark_direct(pt_tokenizer *t)
{
    for (int32_t i = 0; t->ignore_merges && i < t->n; i++)
        if ((t->flags[i] & PT_TOK_MODEL) && !(t->flags[i] & PT_TOK_SPECIAL) && t->raw[i].len) t->flags[i] |= PT_TOK_DIRECT;
}

static uint64_t fold(uint64_t h, int64_t v)
{
    return pt_fnv1a(h, &v, sizeof v);
}

static uint64_t fold_str(uint64_t h, const char *s)
{
    return s ? pt_fnv1a(fold(h, 1), s, strlen(s) + 1) : fold(h, 0);
}

static uint64_t fingerprint(const pt_tokenizer *t)
{
    uint64_t h = PT_FNV_START;
    h = fold(h, t->byte_level | t->scored << 1 | t->ignore_merges << 2 | t->byte_fallback << 3 | t->fuse_unk << 4 | t->by_rank << 5 | (int)t->model << 6);
    h = fold(fold(fold(h, t->n), t->model_unk), (int64_t)t->max_chars);
    h = fold_str(fold_str(h, t->word_prefix), t->word_suffix);
    for (int32_t i = 0; i < t->n; i++) {
        h = pt_fnv1a(fold(h, t->flags[i] & ~PT_TOK_DIRECT), pt_tok_text(t, t->spell[i]), t->spell[i].len + 1);
        if (t->scored) h = fold(h, t->rank[i]);
    }
    if (t->n_merges) h = pt_fnv1a(h, t->merges, t->n_merges * sizeof *t->merges);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < t->added[k].n; i++) {
            const pt_tok_added *a = &t->added[k].list[i];
            h = fold(h, (int64_t)a->id << 8 | k << 4 | a->lstrip << 3 | a->rstrip << 2 | a->single_word << 1 | a->special);
        }
    }
    for (size_t i = 0; i < t->n_norms; i++) {
        const pt_tok_norm *m = &t->norms[i];
        h = fold_str(fold_str(fold(h, (int)m->class << 8 | (int)m->kind << 2 | m->left << 1 | m->right), m->from), m->to);
    }
    for (size_t i = 0; i < t->n_norms; i++)
        if (t->norms[i].spm) h = pt_tok_spm_digest(t->norms[i].spm, h);
    if (t->unigram) h = pt_unigram_digest(t->unigram, h);
    for (size_t i = 0; i < t->n_splits; i++) {
        const pt_tok_split *s = &t->splits[i];
        h = fold_str(fold(h, (int)s->step << 12 | (int)s->prefix << 8 | (int)s->behaviour << 2 | s->literal << 1 | s->invert), s->pattern);
        h = fold(fold(h, (int64_t)s->class << 32 | s->one), (int64_t)s->length);
    }
    return h;
}

void pt_tok_set_eot(pt_tokenizer *t)
{
    static const char *const known[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>"};
    for (size_t i = 0; t->eot < 0 && i < sizeof known / sizeof *known; i++) {
        int32_t id = pt_tok_find(t, known[i]);
        if (id >= 0 && (t->flags[id] & PT_TOK_SPECIAL)) t->eot = id;
    }
}

/* Jinja reads every line end as one: a template that went through an editor of another system is the same text. */
static void join_lines(char *text)
{
    char *out = text;
    for (const char *s = text; s && *s; s++) {
        if (*s == '\r' && s[1] == '\n') continue;
        *out++ = *s == '\r' ? '\n' : *s;
    }
    if (out) *out = 0;
}

pt_status pt_tok_finish(pt_tokenizer *t)
{
    join_lines(t->chat_template);
    if (t->n == 0) return pt_fail(PT_EFORMAT, "the tokenizer has no tokens");
    PT_RETURN(build_raw(t));
    find_bytes(t);
    if (t->by_rank) PT_RETURN(pt_tok_ranks_merges(t));
    PT_RETURN(build_pairs(t));
    if (t->scored) PT_RETURN(build_ranks(t));
    PT_RETURN(pt_tok_settle_added(t));
    PT_RETURN(pt_tok_matcher_build(t, &t->added[0]));
    PT_RETURN(pt_tok_matcher_build(t, &t->added[1]));
    mark_direct(t);
    PT_RETURN(pt_tok_cuts_build(t));
    PT_RETURN(pt_tok_pool_new(t));
    t->fingerprint = fingerprint(t);
    return pt_tok_build_spec(t);
}

pt_status pt_tok_finish_again(pt_tokenizer *t)
{
    void **made[] = {(void **)&t->spec_merges, (void **)&t->spec_tokens, (void **)&t->spec_types, (void **)&t->spec_scores, (void **)&t->spec_strips,
                     (void **)&t->spec_text,   (void **)&t->added[0].slot, (void **)&t->added[0].lens,
                     (void **)&t->added[1].slot, (void **)&t->added[1].lens};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        free(*made[i]);
        *made[i] = NULL;
    }
    for (int k = 0; k < 2; k++) {
        memset(t->added[k].first, 0, sizeof t->added[k].first);
        PT_RETURN(pt_tok_matcher_build(t, &t->added[k]));
    }
    t->fingerprint = fingerprint(t);
    return pt_tok_build_spec(t);
}

pt_status pt_tok_limit(pt_tokenizer *t, int32_t rows)
{
    int32_t *ids[] = {&t->bos, &t->eos, &t->eot, &t->unk, &t->pad, &t->template_bos, &t->model_unk}, n = t->n;
    if (n <= rows) return PT_OK;
    for (int32_t i = rows; i < n; i++)
        if ((t->flags[i] & PT_TOK_HAS) && !(t->flags[i] & (PT_TOK_ADDED | PT_TOK_VOID)))
            return pt_fail(PT_EARG, "the tokenizer has ids up to %d, the model's vocabulary has %d: they do not belong together", n - 1, rows);
    t->n = rows;
    if (t->unigram) pt_unigram_limit(t->unigram, rows);
    pt_tok_pool_free(t); /* words that calls remember */
    PT_RETURN(pt_tok_pool_new(t));
    for (size_t i = 0; i < t->around.n_before; i++)
        if (t->around.before[i] >= rows) t->around.n_before = 0;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (*ids[i] >= rows) *ids[i] = -1;
    for (int k = 0; k < 2; k++) {
        pt_tok_matcher *m = &t->added[k];
        size_t kept = 0;
        for (size_t i = 0; i < m->n; i++)
            if (m->list[i].id < rows) m->list[kept++] = m->list[i];
        m->n = kept;
    }
    size_t kept = 0;
    for (size_t i = 0; i < t->n_stops; i++)
        if (t->stops[i] < rows) t->stops[kept++] = t->stops[i];
    t->n_stops = kept;
    pt_tok_set_eot(t);
    PT_RETURN(pt_tok_add_stop(t, t->eot));
    pt_log(PT_LOG_WARN, "%s: %d tokens have no row in the model (it has %d), the first is '%s' with id %d: they are read as plain text",
           t->path ? t->path : "the tokenizer", n - rows, rows, (t->flags[rows] & PT_TOK_HAS) ? pt_tok_text(t, t->spell[rows]) : "", rows);
    return pt_tok_finish_again(t);
}

void pt_tok_free(pt_tokenizer *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n_norms; i++) {
        free(t->norms[i].from);
        free(t->norms[i].to);
        pcre2_code_free(t->norms[i].code);
        pt_tok_spm_free(t->norms[i].spm);
    }
    for (size_t i = 0; i < t->n_splits; i++) {
        free(t->splits[i].pattern);
        pcre2_code_free(t->splits[i].code);
    }
    for (size_t i = 0; i < t->n_decoders; i++) {
        free(t->decoders[i].from);
        free(t->decoders[i].to);
        pcre2_code_free(t->decoders[i].code);
    }
    for (int k = 0; k < 2; k++) {
        free(t->added[k].list);
        free(t->added[k].slot);
        free(t->added[k].lens);
    }
    pt_tok_pool_free(t);
    void *owned[] = {t->joint,         t->blob.text,     t->spell,       t->raw,           t->flags, t->score,       t->rank,
                     t->by_spell.slot, t->by_raw.slot, t->merges,        t->pairs, t->norms,       t->splits,
                     t->decoders,      t->stops,       t->chat_template, t->pre,   t->spec_merges, t->spec_tokens,
                     t->spec_types,    t->spec_strips, t->spec_scores, t->spec_text,     t->path,
                     t->word_prefix,   t->word_suffix,   t->around.before,  t->around.after, t->around.type};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    pt_unigram_free(t->unigram);
    free(t);
}

pt_status pt_tok_reset(pt_tokenizer *t)
{
    pt_tokenizer *fresh, old = *t;
    PT_RETURN(pt_tok_new(&fresh));
    *t = *fresh;
    t->path = old.path;
    old.path = NULL;
    *fresh = old;
    pt_tok_free(fresh);
    return PT_OK;
}

int32_t pt_tok_vocab_size(const pt_tokenizer *t)
{
    return t->n;
}
int32_t pt_tok_bos(const pt_tokenizer *t)
{
    return t->bos;
}
int32_t pt_tok_eos(const pt_tokenizer *t)
{
    return t->eos;
}
int32_t pt_tok_eot(const pt_tokenizer *t)
{
    return t->eot;
}
int32_t pt_tok_pad(const pt_tokenizer *t)
{
    return t->pad;
}
int32_t pt_tok_unk(const pt_tokenizer *t)
{
    return t->unk;
}
bool pt_tok_add_bos(const pt_tokenizer *t)
{
    return t->add_bos == 1 && t->bos >= 0;
}
int32_t pt_tok_find(const pt_tokenizer *t, const char *spelling)
{
    return pt_tok_find_n(t, spelling, strlen(spelling));
}
const char *pt_tok_path(const pt_tokenizer *t)
{
    return t->by_rank ? NULL : t->path;
}

const char *pt_tok_file(const pt_tokenizer *t)
{
    return t->file;
}

int32_t pt_tok_template_bos(const pt_tokenizer *t)
{
    return t->template_bos;
}

const char *pt_tok_chat_template(const pt_tokenizer *t)
{
    return t->chat_template;
}
uint64_t pt_tok_fingerprint(const pt_tokenizer *t)
{
    return t->fingerprint;
}
const pt_vocab_spec *pt_tok_spec(const pt_tokenizer *t)
{
    return &t->spec;
}

bool pt_tok_is_control(const pt_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n && (t->flags[id] & (PT_TOK_SPECIAL | PT_TOK_UNK)) != 0;
}

const char *pt_tok_piece(const pt_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n && (t->flags[id] & PT_TOK_HAS) ? pt_tok_text(t, t->spell[id]) : NULL;
}

const int32_t *pt_tok_stops(const pt_tokenizer *t, size_t *n)
{
    *n = t->n_stops;
    return t->stops;
}
