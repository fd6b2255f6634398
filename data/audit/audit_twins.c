/* Records that are the same, or nearly, and on which sides they stand; answers that many prompts get; scripts that few answers have. */
#include <stdlib.h>
#include <string.h>

#include "data/audit/audit_priv.h"

#define NONE UINT32_MAX

typedef struct key {
    uint64_t hash;
    uint32_t row;
} key;

static int by_hash(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

typedef enum by { BY_WHOLE, BY_PROMPT, BY_ANSWER } by;

static uint64_t hash_of(const pt_audit_row *r, by what)
{
    return what == BY_WHOLE ? r->whole : what == BY_PROMPT ? r->prompt : r->answer;
}

/* Rows that have such a hash, equal ones together, in the order of reading. */
static pt_status sort_rows(const pt_audit *a, by what, key **out, size_t *n)
{
    *n = 0;
    PT_RETURN(pt_alloc0(out, a->n_rows));
    for (size_t i = 0; i < a->n_rows; i++)
        if (hash_of(&a->rows[i], what)) (*out)[(*n)++] = (key){hash_of(&a->rows[i], what), (uint32_t)i};
    qsort(*out, *n, sizeof **out, by_hash);
    return PT_OK;
}

static void put_like(pt_audit *a, pt_audit_found k, uint32_t row, uint32_t like, double likeness)
{
    const pt_audit_row *r = &a->rows[row], *z = &a->rows[like];
    char text[PT_AUDIT_EXCERPT], file[64];
    const char *slash = strrchr(z->file, '/');
    pt_text_fit(file, sizeof file, slash ? slash + 1 : z->file);
    if (likeness < 1) snprintf(text, sizeof text, "%s:%lld (%.2f)", file, (long long)z->line, likeness);
    else snprintf(text, sizeof text, "%s:%lld", file, (long long)z->line);
    pt_audit_put(a, k, r->file, r->line, NULL, text);
}

/* The first rows of a group on each side. */
typedef struct firsts {
    uint32_t train, validation, test;
} firsts;

static firsts find_firsts(const pt_audit *a, const key *k, size_t n)
{
    firsts f = {NONE, NONE, NONE};
    for (size_t i = 0; i < n; i++) {
        const pt_audit_row *r = &a->rows[k[i].row];
        uint32_t *at = r->test ? &f.test : r->validation ? &f.validation : &f.train;
        if (*at == NONE) *at = k[i].row;
    }
    return f;
}

/* Which row this one is told to be like, for a kind of finding. */
static uint32_t twin_of(const pt_audit *a, uint32_t row, firsts f, pt_audit_found kind)
{
    const pt_audit_row *r = &a->rows[row];
    if (r->test) return NONE;
    switch (kind) {
    case PT_FOUND_DUPLICATE:
        if (!r->validation) return f.train == row ? NONE : f.train;
        return f.train != NONE || f.validation == row ? NONE : f.validation;
    case PT_FOUND_VAL_OVERLAP: return r->validation ? f.train : NONE;
    default: return r->validation ? NONE : f.test;
    }
}

/* told (may be NULL): [rows] those that are told are marked; once: one that is marked is not told again. */
static pt_status find_twins(pt_audit *a, by what, pt_audit_found kind, bool *told, bool once)
{
    pt_status rc = PT_OK;
    key *keys = NULL;
    uint32_t *like = NULL;
    size_t n;
    PT_TRY(sort_rows(a, what, &keys, &n));
    PT_TRY(pt_alloc0(&like, a->n_rows));
    for (size_t i = 0; i < a->n_rows; i++) like[i] = NONE;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && keys[to].hash == keys[from].hash;) to++;
        if (to - from < 2) continue;
        firsts f = find_firsts(a, keys + from, to - from);
        for (size_t i = from; i < to; i++) like[keys[i].row] = twin_of(a, keys[i].row, f, kind);
    }
    for (size_t i = 0; i < a->n_rows; i++) {
        if (like[i] == NONE || (once && told[i])) continue;
        put_like(a, kind, (uint32_t)i, like[i], 1);
        if (told) told[i] = true;
    }
done:
    free(like);
    free(keys);
    return rc;
}

/* ---- near duplicates ---- */

static const double LEAST_LIKENESS = 0.8, LEAST_ANSWERS = 0.5;

typedef struct nearest {
    pt_audit *a;
    const bool *told, *again; /* [rows]: those that were told to be in the test data; to be there twice */
    struct near_row { uint32_t like[3]; float likeness[3]; } *rows; /* near_duplicate, val_near, test_near */
} nearest;

static const pt_audit_found near_kinds[3] = {PT_FOUND_NEAR_DUPLICATE, PT_FOUND_VAL_NEAR, PT_FOUND_TEST_NEAR};

/* A long prompt alone makes no duplicates of those that answer it in their own ways, nor does a row of its own answers. */
static bool answered_alike(const pt_audit *a, uint32_t p, uint32_t q)
{
    const pt_near_text *x = pt_near_find(&a->answers, p), *y = pt_near_find(&a->answers, q);
    return (!x && !y) || (x && y && pt_near_likeness(&a->answers, x, y) >= LEAST_ANSWERS);
}

static pt_status take_pair(void *user, const pt_near_text *x, const pt_near_text *y, double likeness)
{
    nearest *s = user;
    uint32_t first = x->id < y->id ? x->id : y->id, second = x->id < y->id ? y->id : x->id;
    const pt_audit_row *p = &s->a->rows[first], *q = &s->a->rows[second];
    if (p->whole == q->whole || (p->test && q->test)) return PT_OK;
    int kind = p->test || q->test ? 2 : p->validation != q->validation ? 1 : 0;
    if (kind == 0 && p->system != q->system) return PT_OK; /* one scene as two people see it */
    if (kind == 0 && p->line == q->line && p->file == q->file) return PT_OK; /* several answers of one row */
    if (!answered_alike(s->a, first, second)) return PT_OK;
    uint32_t row = kind == 0 ? second : (kind == 2 ? q->test : p->validation) ? first : second, like = row == first ? second : first;
    const pt_audit_row *r = &s->a->rows[row];
    if (kind == 2 ? r->validation || s->told[row] : kind == 0 && s->again[row]) return PT_OK;
    struct near_row *z = &s->rows[row];
    if (z->like[kind] != NONE && z->like[kind] <= like) return PT_OK; /* the earliest is named */
    z->like[kind] = like;
    z->likeness[kind] = (float)likeness;
    return PT_OK;
}

static pt_status find_near(pt_audit *a, const bool *told, const bool *again)
{
    pt_status rc = PT_OK;
    nearest s = {.a = a, .told = told, .again = again};
    PT_TRY(pt_alloc0(&s.rows, a->n_rows));
    for (size_t i = 0; i < a->n_rows; i++)
        for (int k = 0; k < 3; k++) s.rows[i].like[k] = NONE;
    PT_TRY(pt_near_pairs(&a->near, LEAST_LIKENESS, take_pair, &s));
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < a->n_rows; i++)
            if (s.rows[i].like[k] != NONE) put_like(a, near_kinds[k], (uint32_t)i, s.rows[i].like[k], (double)s.rows[i].likeness[k]);
done:
    free(s.rows);
    return rc;
}

/* ---- answers and scripts ---- */

enum { CANNED = 10, SCRIPT_ROWS = 20 };

static size_t count_prompts(const pt_audit *a, const key *k, size_t n, uint64_t *seen)
{
    size_t distinct = 0;
    for (size_t i = 0; i < n && distinct < CANNED; i++) {
        const pt_audit_row *r = &a->rows[k[i].row];
        size_t j = 0;
        if (r->test) continue;
        while (j < distinct && seen[j] != r->prompt) j++;
        if (j == distinct) seen[distinct++] = r->prompt;
    }
    return distinct;
}

static pt_status find_canned(pt_audit *a)
{
    pt_status rc = PT_OK;
    key *keys = NULL;
    size_t n;
    uint64_t seen[CANNED];
    PT_TRY(sort_rows(a, BY_ANSWER, &keys, &n));
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && keys[to].hash == keys[from].hash;) to++;
        if (to - from < CANNED || count_prompts(a, keys + from, to - from, seen) < CANNED) continue;
        char text[PT_AUDIT_EXCERPT];
        const pt_audit_row *r = &a->rows[keys[from].row];
        snprintf(text, sizeof text, "%zu records with this answer", to - from);
        pt_audit_put(a, PT_FOUND_CANNED_ANSWER, r->file, r->line, NULL, text);
        a->found[PT_FOUND_CANNED_ANSWER].n += (long long)(to - from) - 1;
    }
done:
    free(keys);
    return rc;
}

static void find_scripts(pt_audit *a)
{
    for (size_t from = 0, to; from < a->n_rows; from = to) {
        size_t n[PT_SCRIPTS] = {0}, best = 0;
        for (to = from; to < a->n_rows && a->rows[to].set == a->rows[from].set && a->rows[to].test == a->rows[from].test; to++) n[a->rows[to].script]++;
        for (size_t s = 1; s < PT_SCRIPTS; s++)
            if (n[s] > n[best] || !best) best = s;
        if (a->rows[from].test || to - from < SCRIPT_ROWS || (double)n[best] < 0.95 * (double)(to - from - n[PT_SCRIPT_NONE])) continue;
        for (size_t i = from; i < to; i++) {
            const pt_audit_row *r = &a->rows[i];
            if (r->script != PT_SCRIPT_NONE && !(r->scripts >> best & 1) && !r->asked_so) pt_audit_put(a, PT_FOUND_OTHER_SCRIPT, r->file, r->line, pt_script_name((pt_script)r->script), NULL);
        }
    }
}

pt_status pt_audit_twins(pt_audit *a)
{
    pt_status rc = PT_OK;
    bool *told = NULL, *again = NULL;
    PT_TRY(pt_alloc0(&told, a->n_rows));
    PT_TRY(pt_alloc0(&again, a->n_rows));
    PT_TRY(find_twins(a, BY_WHOLE, PT_FOUND_DUPLICATE, again, false));
    PT_TRY(find_twins(a, BY_WHOLE, PT_FOUND_VAL_OVERLAP, NULL, false));
    PT_TRY(find_twins(a, BY_WHOLE, PT_FOUND_TEST_OVERLAP, told, true));
    PT_TRY(find_twins(a, BY_PROMPT, PT_FOUND_TEST_PROMPT, told, true));
    PT_TRY(find_twins(a, BY_ANSWER, PT_FOUND_TEST_ANSWER, told, true));
    PT_TRY(find_near(a, told, again));
    PT_TRY(find_canned(a));
    find_scripts(a);
done:
    free(again);
    free(told);
    return rc;
}
