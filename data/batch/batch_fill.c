/* Fills a pt_batch from a shape. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/batch/batch_layout.h"

typedef struct pt_filler {
    pt_batch *b;
    const pt_lay *l;
    const pt_lay_seq *const *seqs;
    const int32_t *order;
    size_t n;
    uint8_t *mark;         /* [N] 1 = some sequence predicts this token, 2 = its hidden state is scored */
    int32_t *row_of;       /* [N] row that predicts this token, -1 */
    int32_t *head_of;      /* [N] head at this token, -1 */
    int32_t *child, *next; /* [S] first child, next sibling */
    int32_t *cursor;       /* [G] next free slot of a group's row list */
    int32_t *pooled;       /* [G] likewise of its scored tokens */
} pt_filler;

static pt_status allocate(pt_filler *f)
{
    pt_batch *b = f->b;
    const pt_lay *l = f->l;
    size_t tail = pt_align_up((size_t)l->tokens, PT_TAIL_ROUND) - (size_t)l->tokens;
    b->n_live = (int32_t)l->tokens;
    b->n_tokens = (int32_t)((size_t)l->tokens + tail);
    b->n_segs = (int32_t)(l->n_segs + (tail > 0));
    b->n_groups = (int32_t)f->n;
    size_t N = (size_t)b->n_tokens, S = (size_t)b->n_segs, G = f->n, M = (size_t)l->rows, H = (size_t)l->heads;
    PT_RETURN(pt_alloc0(&b->tokens, N));
    PT_RETURN(pt_alloc0(&b->positions, N));
    PT_RETURN(pt_alloc0(&b->token_key, N));
    PT_RETURN(pt_alloc0(&b->seg_start, S + 1));
    PT_RETURN(pt_alloc0(&b->seg_parent, S));
    PT_RETURN(pt_alloc0(&b->seg_end, S));
    PT_RETURN(pt_alloc0(&b->seg_slot, S));
    PT_RETURN(pt_alloc0(&b->head_token, H));
    PT_RETURN(pt_alloc0(&b->row_head, M));
    PT_RETURN(pt_alloc0(&b->row_target, M));
    PT_RETURN(pt_alloc0(&b->row_weight, M));
    if (f->seqs[0]->imitate) PT_RETURN(pt_alloc0(&b->row_imitate, M));
    if (f->seqs[0]->teacher_start) PT_RETURN(pt_alloc0(&b->row_teacher, M));
    PT_RETURN(pt_alloc0(&b->group_row_start, G + 1));
    PT_RETURN(pt_alloc0(&b->group_rows, l->group_rows));
    PT_RETURN(pt_alloc0(&b->group_row_weight, l->group_rows));
    PT_RETURN(pt_alloc0(&b->group_end_head, G));
    PT_RETURN(pt_alloc0(&b->group_record, G));
    PT_RETURN(pt_alloc0(&b->record_start, G + 1));
    PT_RETURN(pt_alloc0(&f->mark, N));
    PT_RETURN(pt_alloc0(&f->row_of, N));
    PT_RETURN(pt_alloc0(&f->head_of, N));
    PT_RETURN(pt_alloc0(&f->child, S));
    PT_RETURN(pt_alloc0(&f->next, S));
    for (size_t k = 0; k < f->n && !b->group_pool_start; k++) {
        if (!f->seqs[k]->pool) continue;
        PT_RETURN(pt_alloc0(&b->group_pool_start, G + 1));
        PT_RETURN(pt_alloc0(&b->group_pool_head, l->ends));
        PT_RETURN(pt_alloc0(&f->pooled, G));
    }
    return pt_alloc0(&f->cursor, G);
}

/* Tokens, positions, keys, segments. A key continues its parent's last key, so that it depends on the path from the root alone.
 */
static void fill_stream(pt_filler *f)
{
    pt_batch *b = f->b;
    for (int32_t s = 0; s < (int32_t)f->l->n_segs; s++) {
        const pt_lay_seg *g = &f->l->segs[s];
        const int32_t *ids = f->seqs[g->lo]->ids;
        uint64_t key = 0;
        if (g->parent >= 0) {
            const pt_lay_seg *p = &f->l->segs[g->parent];
            key = b->token_key[p->start + (p->to - p->from) - 1];
        }
        for (int32_t i = g->from; i < g->to; i++) {
            int32_t t = g->start + i - g->from;
            key = pt_hash_mix(key, (uint64_t)(uint32_t)ids[i] << 32 | (uint32_t)i);
            b->tokens[t] = ids[i];
            b->positions[t] = i;
            b->token_key[t] = key;
        }
        b->seg_start[s] = g->start;
        b->seg_parent[s] = g->parent;
        b->seg_end[s] = g->start + g->to - g->from;
        b->seg_slot[s] = f->seqs[g->lo]->slot;
    }
    for (int32_t s = (int32_t)f->l->n_segs - 1; s >= 0; s--) {
        int32_t p = b->seg_parent[s];
        if (p >= 0 && b->seg_end[p] < b->seg_end[s]) b->seg_end[p] = b->seg_end[s];
    }
    b->seg_start[b->n_segs] = b->n_tokens;
    if (b->n_tokens == b->n_live) return;
    int32_t last = b->n_segs - 1;
    b->seg_start[last] = b->n_live;
    b->seg_parent[last] = -1;
    b->seg_end[last] = b->n_tokens;
    b->seg_slot[last] = last ? b->seg_slot[last - 1] : 0; /* continues the run of tokens of one slot */
    for (int32_t t = b->n_live; t < b->n_tokens; t++) {
        b->positions[t] = t - b->n_live;
        b->token_key[t] = pt_hash_mix(~0ull, (uint64_t)t);
    }
}

/* The tokens of a segment that a sequence wants scored: none where the first is behind the last. */
static int32_t first_scored(const pt_lay_seq *q, const pt_lay_seg *g)
{
    int32_t from = q->end - q->pool;
    return from > g->from ? from : g->from;
}
static int32_t last_scored(const pt_lay_seq *q, const pt_lay_seg *g)
{
    return q->end < g->to ? q->end : g->to - 1;
}

static void fill_marks(pt_filler *f)
{
    for (int32_t s = (int32_t)f->l->n_segs - 1; s >= 0; s--) {
        const pt_lay_seg *g = &f->l->segs[s];
        f->child[s] = f->next[s] = -1;
        for (int32_t k = g->lo; k < g->hi; k++) {
            const pt_lay_seq *q = f->seqs[k];
            for (int32_t r = 0; r < q->n_runs; r++) {
                int32_t a = q->runs[r].from > g->from ? q->runs[r].from : g->from,
                        z = q->runs[r].to < g->to ? q->runs[r].to : g->to;
                for (int32_t i = a; i < z; i++) f->mark[g->start + i - g->from] |= 1;
            }
            for (int32_t i = first_scored(q, g); i <= last_scored(q, g); i++) f->mark[g->start + i - g->from] |= 2;
        }
    }
    for (int32_t s = (int32_t)f->l->n_segs - 1; s >= 0; s--) {
        int32_t p = f->l->segs[s].parent;
        if (p < 0) continue;
        f->next[s] = f->child[p];
        f->child[p] = s;
    }
}

static void put_row(pt_filler *f, int32_t token, int32_t head)
{
    pt_batch *b = f->b;
    b->row_head[b->n_rows] = head;
    b->row_target[b->n_rows] = b->tokens[token];
    f->row_of[token] = b->n_rows++;
}

/* What teachers say of token i, which the head predicts: a row each, of every sequence for itself. */
static void put_targets(pt_filler *f, const pt_lay_seg *g, int32_t i, int32_t head)
{
    pt_batch *b = f->b;
    for (int32_t k = g->lo; k < g->hi; k++) {
        const pt_lay_seq *q = f->seqs[k];
        if (!q->teacher_start || i >= q->n || !(pt_weight_at(q->weight, (size_t)i) > 0)) continue;
        for (int64_t t = q->teacher_start[i]; t < q->teacher_start[i + 1]; t++) {
            b->row_head[b->n_rows] = head;
            b->row_target[b->n_rows] = q->teacher_id[t];
            b->row_weight[b->n_rows] = pt_weight_at(q->weight, (size_t)i) * q->record_weight;
            b->row_teacher[b->n_rows++] = q->teacher_p[t];
        }
    }
}

/* Heads in stream order, and their rows: the next token of the segment, or the first tokens of its children (equal ones are one
 * row). */
static void fill_rows(pt_filler *f)
{
    pt_batch *b = f->b;
    for (int32_t t = 0; t < b->n_tokens; t++) f->row_of[t] = f->head_of[t] = -1;
    for (int32_t s = 0; s < (int32_t)f->l->n_segs; s++) {
        int32_t stop = b->seg_start[s + 1];
        for (int32_t t = b->seg_start[s]; t < stop; t++) {
            int32_t head = b->n_heads, before = b->n_rows;
            if (t + 1 < stop && f->mark[t + 1] & 1) put_row(f, t + 1, head);
            for (int32_t c = t + 1 == stop ? f->child[s] : -1; c >= 0; c = f->next[c]) {
                int32_t first = b->seg_start[c];
                if (!(f->mark[first] & 1)) continue;
                if (b->n_rows > before && b->row_target[b->n_rows - 1] == b->tokens[first])
                    f->row_of[first] = b->n_rows - 1;
                else
                    put_row(f, first, head);
            }
            if (b->n_rows == before && !(f->mark[t] & 2)) continue;
            if (b->row_teacher) put_targets(f, &f->l->segs[s], f->l->segs[s].from + t - b->seg_start[s] + 1, head);
            f->head_of[t] = head;
            b->head_token[b->n_heads++] = t;
        }
    }
}

static pt_status fill_column(pt_filler *f, const pt_lay_column *from)
{
    pt_batch *b = f->b;
    pt_batch_column *c = &b->columns[b->n_columns];
    if (b->n_columns == PT_BATCH_COLUMNS) return pt_fail(PT_ESHAPE, "no room for column '%s' in a batch: %d are there", from->name, PT_BATCH_COLUMNS);
    PT_RETURN(pt_alloc0(&c->value, b->n_groups));
    memcpy(c->name, from->name, strlen(from->name) + 1);
    b->n_columns++;
    for (size_t k = 0; k < f->n; k++) {
        const pt_lay_seq *q = f->seqs[k];
        c->value[f->order ? f->order[k] : (int32_t)k] = from->value ? from->value[from->of_answers ? q->number : q->record] : pt_column_otherwise(c->name);
    }
    return PT_OK;
}

static void fill_groups(pt_filler *f)
{
    pt_batch *b = f->b;
    for (size_t k = 0; k < f->n; k++) {
        const pt_lay_seq *q = f->seqs[k];
        int32_t g = f->order ? f->order[k] : (int32_t)k, rows = 0;
        for (int32_t r = 0; r < q->n_runs; r++) rows += q->runs[r].to - q->runs[r].from;
        b->group_row_start[g + 1] = rows;
        b->group_record[g] = q->record;
        b->record_start[g] = q->answer; /* until the groups are in order */
        b->group_end_head[g] = -1;
        if (b->group_pool_start) b->group_pool_start[g + 1] = q->end >= 0 ? q->pool + 1 : 0;
    }
    for (int32_t g = 0; b->group_pool_start && g < b->n_groups; g++) {
        f->pooled[g] = b->group_pool_start[g];
        b->group_pool_start[g + 1] += b->group_pool_start[g];
    }
    for (int32_t g = 0; g < b->n_groups; g++) {
        b->group_row_start[g + 1] += b->group_row_start[g];
        f->cursor[g] = b->group_row_start[g];
        if (b->record_start[g] == 0) b->record_start[b->n_records++] = g;
    }
    b->record_start[b->n_records] = b->n_groups;
}

/* Every sequence walks its path (segments come ancestors first): its rows in order, its weights added to theirs. */
static void fill_group_rows(pt_filler *f)
{
    pt_batch *b = f->b;
    for (size_t s = 0; s < f->l->n_segs; s++) {
        const pt_lay_seg *g = &f->l->segs[s];
        for (int32_t k = g->lo; k < g->hi; k++) {
            const pt_lay_seq *q = f->seqs[k];
            int32_t group = f->order ? f->order[k] : k;
            for (int32_t r = 0; r < q->n_runs; r++) {
                int32_t a = q->runs[r].from > g->from ? q->runs[r].from : g->from,
                        z = q->runs[r].to < g->to ? q->runs[r].to : g->to;
                for (int32_t i = a; i < z; i++) {
                    float w = pt_weight_at(q->weight, (size_t)i);
                    int32_t row = f->row_of[g->start + i - g->from], at = f->cursor[group]++;
                    b->group_rows[at] = row;
                    b->group_row_weight[at] = at - b->group_row_start[group] < q->full ? w : w * (1 - q->tail_less);
                    b->row_weight[row] += w * q->record_weight;
                    if (b->row_imitate) b->row_imitate[row] += q->imitate[i] * (w * q->record_weight);
                }
            }
            if (q->end >= g->from && q->end < g->to) b->group_end_head[group] = f->head_of[g->start + q->end - g->from];
            for (int32_t i = first_scored(q, g); b->group_pool_start && i <= last_scored(q, g); i++)
                b->group_pool_head[f->pooled[group]++] = f->head_of[g->start + i - g->from];
        }
    }
}

/* Sums by weight to means by weight. */
static void mean_imitate(pt_batch *b)
{
    for (int32_t m = 0; b->row_imitate && m < b->n_rows; m++)
        if (b->row_weight[m] > 0) b->row_imitate[m] = fminf(1, b->row_imitate[m] / b->row_weight[m]);
}

pt_status pt_lay_fill(pt_batch *out, const pt_lay *l, const pt_lay_seq *const *seqs, const int32_t *order, size_t n,
                      const pt_lay_column *columns, size_t n_columns)
{
    pt_status rc = PT_OK;
    pt_filler f = {.b = out, .l = l, .seqs = seqs, .order = order, .n = n};
    *out = (pt_batch){0};
    PT_CHECK(n && l->tokens, PT_EARG, "a batch without tokens");
    PT_TRY(allocate(&f));
    for (size_t i = 0; i < n_columns; i++) PT_TRY(fill_column(&f, &columns[i]));
    fill_stream(&f);
    fill_marks(&f);
    fill_rows(&f);
    PT_CHECK(out->n_rows == l->rows && out->n_heads <= l->heads, PT_EINTERNAL,
             "layout: %d rows and %d heads, the shape said %lld and %lld", out->n_rows, out->n_heads, (long long)l->rows,
             (long long)l->heads);
    fill_groups(&f);
    fill_group_rows(&f);
    mean_imitate(out);
done:
    free(f.mark);
    free(f.row_of);
    free(f.head_of);
    free(f.child);
    free(f.next);
    free(f.cursor);
    free(f.pooled);
    if (rc != PT_OK) pt_batch_free(out);
    return rc;
}

void pt_batch_free(pt_batch *b)
{
    void *all[] = {b->tokens,          b->positions,  b->token_key,        b->seg_start,      b->seg_parent,   b->seg_end,
                   b->seg_slot,        b->head_token,       b->row_head,       b->row_target,   b->row_weight, b->row_imitate, b->row_teacher,
                   b->group_row_start, b->group_rows, b->group_row_weight, b->group_end_head, b->group_record, b->record_start,
                   b->group_pool_start, b->group_pool_head};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    for (int32_t i = 0; i < b->n_columns; i++) free(b->columns[i].value);
    *b = (pt_batch){0};
}
