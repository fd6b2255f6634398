/* How the records of a step lie in micro-batches and on ranks. Forest: in lexicographic order, so that what begins alike lies
 * together; a micro-batch takes records while the tokens it computes stay within micro_batch_size x sequence_len (one record
 * always fits). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/batch/loader_data.h"

static pt_status make_columns(pt_loader *l)
{
    const pt_pack *p = l->pack;
    for (; l->n_columns < p->n_columns; l->n_columns++) {
        const pt_pack_column *c = &p->columns[l->n_columns];
        l->columns[l->n_columns] = (pt_lay_column){c->name, c->of_answers, c->value};
    }
    for (int k = 0; k < l->opt.n_given; k++) {
        if (l->n_columns == PT_BATCH_COLUMNS) return pt_fail(PT_ESHAPE, "no room for column '%s' in a batch: %d are there", l->opt.given[k], PT_BATCH_COLUMNS);
        l->columns[l->n_columns++] = (pt_lay_column){l->opt.given[k], true, NULL};
    }
    return PT_OK;
}

static pt_status make_seqs(pt_loader *l)
{
    pt_status rc = PT_OK;
    const pt_pack *p = l->pack;
    const float *weight = pt_pack_column_find(p, PT_COLUMN_WEIGHT)->value;
    size_t cap = 0, n = 0;
    PT_TRY(pt_alloc0(&l->own, p->n_seqs));
    PT_TRY(pt_alloc0(&l->seq_rows, p->n_seqs));
    PT_TRY(pt_alloc0(&l->seq_weight, p->n_seqs));
    for (size_t s = 0, r = 0; s < p->n_seqs; s++) {
        size_t before = n;
        pt_weights w = pt_pack_weights_at(&p->weights, (size_t)p->seq_start[s]);
        int32_t len = pt_pack_seq_len(p, s);
        int32_t end = l->opt.reward ? pt_pack_scored_at(p->end[s], len) : -1;
        while ((size_t)p->record_start[r + 1] <= s) r++;
        if (!l->opt.reward || l->opt.rows_too) PT_TRY(pt_lay_runs(w, len, &l->runs, &cap, &n));
        l->own[s] = (pt_lay_seq){.ids = p->ids + p->seq_start[s],
                                  .weight = w,
                                  .imitate = p->imitate ? p->imitate + p->seq_start[s] : NULL,
                                  .teacher_start = p->teacher.n_tokens ? p->teacher.start + p->seq_start[s] : NULL,
                                  .teacher_id = p->teacher.id,
                                  .teacher_p = p->teacher.p,
                                  .n_runs = (int32_t)(n - before),
                                  .n = len,
                                  .end = end,
                                  .pool = l->opt.mean_of_tokens && end > 0 ? end : 0,
                                  .answer = p->parts ? 0 : (int32_t)(s - (size_t)p->record_start[r]),
                                  .record_weight = weight[r],
                                  .record = (int64_t)r,
                                  .number = (int64_t)s};
    }
    n = 0;
    for (size_t s = 0; s < p->n_seqs; s++) {
        pt_lay_seq *q = &l->own[s];
        q->runs = l->runs + n;
        n += (size_t)q->n_runs;
        for (int32_t r = 0; r < q->n_runs; r++) {
            l->seq_rows[s] += q->runs[r].to - q->runs[r].from;
            if (q->teacher_start) q->n_targets += q->teacher_start[q->runs[r].to] - q->teacher_start[q->runs[r].from];
            for (int32_t i = q->runs[r].from; i < q->runs[r].to; i++)
                l->seq_weight[s] += (double)(pt_weight_at(q->weight, (size_t)i) * q->record_weight);
        }
    }
done:
    return rc;
}

/* How far the answers of each record go together: the length of its shortest. */
static void mark_tails(pt_loader *l)
{
    const pt_pack *p = l->pack;
    for (size_t r = 0; r < p->n_rows && l->opt.tail_less != 0; r++) {
        size_t from, to;
        int64_t least = INT32_MAX;
        pt_loader_answers(l, (int32_t)r, &from, &to);
        for (size_t s = from; s < to; s++) least = l->seq_rows[s] < least ? l->seq_rows[s] : least;
        for (size_t s = from; s < to; s++) l->own[s].full = (int32_t)least, l->own[s].tail_less = (float)l->opt.tail_less;
    }
}

void pt_loader_order_free(pt_loader *l)
{
    for (int k = 0; l->least && k < l->levels; k++) free(l->least[k]);
    free(l->least);
    free(l->pos);
    free(l->by_pos);
    l->least = NULL;
    l->pos = l->by_pos = NULL;
    l->levels = 0;
}

/* The order of all sequences and a sparse table over its common prefixes, so that any two sequences' is one look-up. */
pt_status pt_loader_order(pt_loader *l)
{
    size_t n = l->n_seqs;
    pt_loader_order_free(l);
    if (l->opt.packing != PT_PACKING_FOREST) return PT_OK;
    PT_RETURN(pt_alloc0(&l->pos, n));
    PT_RETURN(pt_alloc0(&l->by_pos, n));
    while ((size_t)1 << l->levels <= n) l->levels++;
    PT_RETURN(pt_alloc0(&l->least, l->levels));
    PT_RETURN(pt_alloc0(&l->least[0], n));
    PT_RETURN(pt_lay_sort(l->seqs, n, l->by_pos, l->least[0]));
    for (size_t k = 0; k < n; k++) l->pos[l->by_pos[k]] = (int32_t)k;
    for (int k = 1; k < l->levels; k++) {
        size_t half = (size_t)1 << (k - 1);
        PT_RETURN(pt_alloc0(&l->least[k], n));
        for (size_t i = 0; i + 2 * half <= n; i++) {
            int32_t a = l->least[k - 1][i], b = l->least[k - 1][i + half];
            l->least[k][i] = a < b ? a : b;
        }
    }
    return PT_OK;
}

pt_status pt_loader_index(pt_loader *l)
{
    PT_RETURN(make_columns(l));
    PT_RETURN(make_seqs(l));
    mark_tails(l);
    if (l->opt.extra) return PT_OK;
    l->seqs = l->own;
    l->n_seqs = l->pack->n_seqs;
    return pt_loader_order(l);
}

/* Tokens that the sequences at places a <= b share. */
static int32_t common(const pt_loader *l, int32_t a, int32_t b)
{
    if (a == b) return l->seqs[l->by_pos[a]].n;
    int k = 31 - __builtin_clz((unsigned)(b - a));
    int32_t x = l->least[k][a + 1], y = l->least[k][b - (1 << k) + 1];
    return x < y ? x : y;
}

/* The first answer of l->recs[i]. */
static size_t first(const pt_loader *l, size_t i)
{
    size_t from, to;
    pt_loader_laid(l, i, &from, &to);
    return from;
}

typedef struct pt_layout_key {
    int32_t pos, rec, at;
} pt_layout_key;

static int by_pos(const void *pa, const void *pb)
{
    const pt_layout_key *a = pa, *b = pb;
    if (a->pos != b->pos) return a->pos < b->pos ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* The parts of the records of draws [from, from + records). */
static pt_status list_parts(pt_loader *l, size_t from, size_t records, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < records; i++) {
        size_t s, to;
        pt_loader_answers(l, l->epoch.draws[from + i].record, &s, &to);
        PT_RETURN(pt_reserve(&l->recs, &l->recs_cap, *n + (to - s)));
        while (s < to) l->recs[(*n)++] = (int32_t)s++;
    }
    return PT_OK;
}

pt_status pt_loader_records(pt_loader *l, size_t s, size_t *n)
{
    const pt_epoch *e = &l->epoch;
    size_t from = (size_t)e->starts[s];
    *n = (size_t)e->starts[s + 1] - from;
    PT_RETURN(pt_reserve(&l->recs, &l->recs_cap, *n));
    for (size_t i = 0; i < *n; i++) l->recs[i] = l->opt.extra ? (int32_t)i : e->draws[from + i].record;
    if (l->pack->parts && !l->opt.extra) PT_RETURN(list_parts(l, from, *n, n));
    if (l->opt.extra) PT_RETURN(pt_loader_gather(l, s));
    if (l->opt.packing != PT_PACKING_FOREST) return PT_OK;
    pt_layout_key *keys;
    PT_RETURN(pt_alloc0(&keys, *n));
    for (size_t i = 0; i < *n; i++) keys[i] = (pt_layout_key){l->pos[first(l, i)], l->recs[i], (int32_t)i};
    qsort(keys, *n, sizeof *keys, by_pos);
    for (size_t i = 0; i < *n; i++) l->recs[i] = keys[i].rec;
    free(keys);
    return PT_OK;
}

/* What a record adds behind its neighbour: an estimate that balances ranks. */
static int64_t cost(const pt_loader *l, size_t i)
{
    size_t s, to;
    pt_loader_laid(l, i, &s, &to);
    int64_t n = l->seqs[s].n;
    for (size_t k = s + 1; k < to; k++) n += l->seqs[k].n - l->pack->rows[l->seqs[s].record].prefix_len;
    if (l->opt.packing == PT_PACKING_FOREST && i) n -= common(l, l->pos[first(l, i - 1)], l->pos[s]);
    return n;
}

void pt_loader_share(const pt_loader *l, size_t n, int rank, size_t *from, size_t *to)
{
    int64_t total = 0, before = 0;
    *from = *to = 0;
    if (l->opt.packing == PT_PACKING_OFF) {
        *from = n * (size_t)rank / (size_t)l->opt.ranks;
        *to = n * ((size_t)rank + 1) / (size_t)l->opt.ranks;
        return;
    }
    for (size_t i = 0; i < n; i++) total += cost(l, i);
    for (size_t i = 0; i < n; i++) {
        int64_t c = cost(l, i);
        int owner = (int)((2 * before + c) * l->opt.ranks / (2 * total + 1)); /* by the middle of the record */
        if (owner < rank) *from = i + 1;
        if (owner <= rank) *to = i + 1;
        before += c;
    }
}

static size_t insert(pt_loader *l, size_t n, pt_place p)
{
    size_t at = n;
    while (at && l->places[at - 1].pos > p.pos) at--;
    memmove(l->places + at + 1, l->places + at, (n - at) * sizeof p);
    l->places[at] = p;
    return at;
}

static void take_out(pt_loader *l, size_t n, size_t at)
{
    memmove(l->places + at, l->places + at + 1, (n - at - 1) * sizeof *l->places);
}

static pt_status shape(pt_loader *l, size_t n, bool count_rows)
{
    bool forest = l->opt.packing == PT_PACKING_FOREST;
    PT_RETURN(pt_reserve(&l->sorted, &l->sorted_cap, n));
    PT_RETURN(pt_reserve(&l->lcp, &l->lcp_cap, n));
    for (size_t k = 0; k < n; k++) {
        l->sorted[k] = &l->seqs[forest ? l->by_pos[l->places[k].pos] : l->places[k].pos];
        l->lcp[k] = forest && k ? common(l, l->places[k - 1].pos, l->places[k].pos) : 0;
    }
    return pt_lay_shape(&l->lay, l->sorted, l->lcp, n, forest, count_rows);
}

/* Tokens of the answers of a record. */
static int64_t unshared_tokens(const pt_loader *l, size_t from, size_t to)
{
    int64_t n = 0;
    for (size_t s = from; s < to; s++) n += l->seqs[s].n;
    return n;
}

/* Forest: `bound` is the exact count at the last look plus every token added since. A sequence never adds more than its own
 * tokens (it can break at most one shared run below the threshold, and then shares more than was lost), so the shape is
 * computed only where the bound says no. */
static pt_status cut_forest(pt_loader *l, size_t from, size_t to, int64_t most, size_t *stop)
{
    int64_t bound = 0;
    size_t n = 0, s, end;
    for (*stop = from; *stop < to; (*stop)++) {
        pt_loader_laid(l, *stop, &s, &end);
        PT_RETURN(pt_reserve(&l->places, &l->places_cap, n + (end - s)));
        PT_RETURN(pt_reserve(&l->taken, &l->taken_cap, end - s));
        for (size_t k = s; k < end; k++, n++) l->taken[k - s] = insert(l, n, (pt_place){l->pos[k], (int32_t)n});
        bound += unshared_tokens(l, s, end);
        if (bound <= most || *stop == from) continue;
        PT_RETURN(shape(l, n, false));
        bound = l->lay.tokens;
        if (bound <= most) continue;
        for (size_t k = end - s; k-- > 0;) take_out(l, n--, l->taken[k]);
        break;
    }
    l->n_places = n;
    return shape(l, n, true);
}

pt_status pt_loader_cut(pt_loader *l, size_t from, size_t to, size_t *stop)
{
    int64_t most = (int64_t)l->opt.micro_batch_size * l->opt.sequence_len, have = 0;
    if (l->opt.packing == PT_PACKING_FOREST) return cut_forest(l, from, to, most, stop);
    size_t n = 0, s, end;
    for (*stop = from; *stop < to; (*stop)++) {
        pt_loader_laid(l, *stop, &s, &end);
        int64_t more = unshared_tokens(l, s, end);
        if (l->opt.packing == PT_PACKING_OFF ? *stop - from == (size_t)l->opt.micro_batch_size
                                             : *stop > from && have + more > most)
            break;
        PT_RETURN(pt_reserve(&l->places, &l->places_cap, n + (end - s)));
        for (; s < end; s++, n++) l->places[n] = (pt_place){(int32_t)s, (int32_t)n};
        have += more;
    }
    l->n_places = n;
    return shape(l, n, true);
}

pt_status pt_loader_fill(pt_loader *l, pt_batch *out)
{
    size_t n = l->n_places;
    PT_RETURN(pt_reserve(&l->order, &l->order_cap, n));
    PT_RETURN(pt_reserve(&l->local, &l->local_cap, n));
    for (size_t k = 0; k < n; k++) {
        l->order[k] = l->places[k].group;
        l->local[k] = *l->sorted[k];
        l->sorted[k] = &l->local[k];
    }
    return pt_lay_fill(out, &l->lay, l->sorted, l->order, n, l->columns, l->n_columns);
}

void pt_loader_totals(const pt_loader *l, size_t step, pt_step *out)
{
    const pt_epoch *e = &l->epoch;
    for (int64_t i = e->starts[step]; i < e->starts[step + 1]; i++) {
        size_t from, to;
        pt_loader_answers(l, e->draws[i].record, &from, &to);
        double weight = (double)l->own[from].record_weight;
        for (size_t s = from; s < to; s++) {
            out->rows += l->seq_rows[s];
            out->row_weight += l->seq_weight[s];
            out->unshared_tokens += l->own[s].n;
        }
        if (l->opt.extra) out->unshared_tokens += l->own[from].n; /* of another's completion: about as many */
        if (l->opt.extra == PT_EXTRA_WHOLE) out->extra_weight += weight * (double)(l->own[from].n - 1);
        out->first_weight += l->seq_weight[from];
        out->groups += (int64_t)(to - from);
        out->record_weight += weight;
        out->group_weight += weight * (double)(to - from);
        for (size_t k = 0; k < l->n_columns; k++) {
            const pt_lay_column *c = &l->columns[k];
            out->columns[k].sum += weight * (double)(c->value ? c->value[c->of_answers ? from : (size_t)e->draws[i].record] : pt_column_otherwise(c->name));
        }
    }
    out->n_columns = (int)l->n_columns;
    for (size_t k = 0; k < l->n_columns; k++) out->columns[k].name = l->columns[k].name;
    out->records = e->starts[step + 1] - e->starts[step];
}
