/* Rendered records into the pack: sequences, rows, the ids that group them, the validation split, the counts. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/pack/pack_data.h"

pt_status pt_pack_put(pt_pack *p, const pt_built *b, size_t from, size_t n, int32_t end)
{
    const pt_targets *t = b->teacher;
    PT_RETURN(pt_reserve(&p->ids, &p->ids_cap, p->n_tokens + n));
    PT_RETURN(pt_reserve(&p->seq_start, &p->seq_cap, p->n_seqs + 2));
    PT_RETURN(pt_reserve(&p->end, &p->end_cap, p->n_seqs + 1));
    if (b->imitate) PT_RETURN(pt_reserve(&p->imitate, &p->imitate_cap, p->n_tokens + n));
    memcpy(p->ids + p->n_tokens, b->text.ids.ids + from, n * sizeof *p->ids);
    PT_RETURN(pt_pack_weights_put(&p->weights, p->n_tokens, b->text.weight + from, n));
    if (b->imitate) memcpy(p->imitate + p->n_tokens, b->imitate + from, n * sizeof *p->imitate);
    for (size_t i = from; t && i < from + n; i++) {
        bool on = b->text.weight[i] > 0;
        PT_RETURN(pt_targets_add(&p->teacher, t->id + t->start[i], t->p + t->start[i], on ? (size_t)(t->start[i + 1] - t->start[i]) : 0));
    }
    p->n_tokens += n;
    p->end[p->n_seqs] = end;
    p->seq_start[++p->n_seqs] = (int64_t)p->n_tokens;
    return PT_OK;
}

static uint64_t hash_ids(const int32_t *ids, size_t n)
{
    return pt_fnv1a(PT_FNV_START ^ n, ids, n * sizeof *ids);
}

static uint64_t hash_turns(const pt_turns *t, size_t from, size_t to)
{
    uint64_t h = PT_FNV_START;
    for (size_t i = from; i < to; i++) {
        h = pt_fnv1a(h, &t->turns[i].bytes, sizeof t->turns[i].bytes);
        h = pt_fnv1a(h ^ pt_speaker_mark(t->turns[i].speaker), t->turns[i].text, t->turns[i].bytes);
    }
    return h;
}

static size_t first_supervised(const float *weight, size_t n)
{
    size_t i = 0;
    while (i < n && !(weight[i] > 0)) i++;
    return i;
}

static bool says_something(const pt_turn *t)
{
    const char *text = t->text;
    size_t n = t->bytes;
    pt_text_strip(&text, &n);
    return n > 0;
}

/* The turns before the first answer to the user and those before the last answer; neither when nobody asks anything. */
static bool find_prompt(const pt_turns *t, size_t *prompt, size_t *context)
{
    size_t first = 0, last = t->n;
    bool asked = false;
    while (first < t->n && !pt_speaker_is(t->turns[first].speaker, PT_USER)) first++; /* a greeting is no answer */
    for (; first < t->n && !pt_speaker_is(t->turns[first].speaker, PT_ASSISTANT); first++) asked = asked || says_something(&t->turns[first]);
    while (last && !pt_speaker_is(t->turns[last - 1].speaker, PT_ASSISTANT)) last--;
    *prompt = first;
    *context = last ? last - 1 : 0;
    return asked && *context >= first;
}

/* prompt_id: the question (of several answers the prompt; for ids what stands before the first supervised token). context_id: all before the last
 * answer. system_id: the system text, 0 = none. prefix_id: the system text when there is one, else what stands before the first
 * assistant's turn. */
static void identify(const pt_record *rec, const int32_t *ids, const float *weight, size_t n, pt_pack_row *row)
{
    const pt_turns *t = &rec->answers[0].turns;
    bool several = rec->n_answers > 1;
    if (rec->kind != PT_RECORD_CHAT) {
        size_t prompt = several ? (size_t)row->prefix_len : first_supervised(weight, n), last = n;
        row->prompt_id = row->prefix_id = row->context_id = hash_ids(ids, prompt > 1 ? prompt : n);
        while (last && !(weight[last - 1] > 0)) last--;
        while (last && weight[last - 1] > 0) last--;
        if (!several && last > prompt && prompt > 1) row->context_id = hash_ids(ids, last);
        return;
    }
    size_t system = 0, lead = 0, prompt, context;
    while (system < t->n && pt_speaker_is(t->turns[system].speaker, PT_SYSTEM)) system++;
    while (lead < t->n && !pt_speaker_is(t->turns[lead].speaker, PT_ASSISTANT)) lead++;
    uint64_t before = hash_turns(t, 0, several ? rec->n_prompt : lead);
    row->system_id = system ? hash_turns(t, 0, system) : 0;
    row->prefix_id = system ? row->system_id : before;
    row->prompt_id = row->context_id = before;
    if (several) {
        bool asked = false;
        for (size_t i = 0; i < rec->n_prompt; i++) asked = asked || (pt_speaker_is(t->turns[i].speaker, PT_USER) && says_something(&t->turns[i]));
        if (!asked) row->prompt_id = row->context_id = hash_turns(t, 0, t->n); /* nobody asks: the first answer is its own prompt */
        return;
    }
    if (!find_prompt(t, &prompt, &context)) prompt = context = t->n;
    row->prompt_id = hash_turns(t, 0, prompt);
    row->context_id = hash_turns(t, 0, context);
}

static pt_status role_index(pt_pack *p, const char *role, int32_t *out)
{
    *out = -1;
    if (!role) return PT_OK;
    for (size_t i = 0; i < p->n_roles; i++)
        if (!strcmp(p->roles[i], role)) {
            *out = (int32_t)i;
            return PT_OK;
        }
    PT_RETURN(pt_reserve(&p->roles, &p->roles_cap, p->n_roles + 1));
    PT_RETURN(pt_strdup(&p->roles[p->n_roles], role));
    *out = (int32_t)p->n_roles++;
    return PT_OK;
}

static void count(pt_packer *pk, const float *weight, size_t n, int32_t ends)
{
    long long supervised = 0;
    for (size_t i = 0; i < n; i++) supervised += weight[i] > 0;
    pk->report->tokens += (long long)n;
    pk->report->supervised_tokens += supervised;
    pk->report->end_tokens += ends;
    pk->set_ends += ends;
    if ((long long)n > pk->report->longest) pk->report->longest = (long long)n;
}

/* Tokens that all answers share. */
static int32_t shared(const pt_built *b, size_t n)
{
    const pt_ids *a = &b[0].text.ids;
    size_t same = a->n;
    for (size_t k = 1; k < n; k++) {
        const pt_ids *z = &b[k].text.ids;
        size_t i = 0;
        while (i < same && i < z->n && a->ids[i] == z->ids[i]) i++;
        same = i;
    }
    return (int32_t)same;
}

/* The record that was built, of so many sequences; the first are n tokens of b from this one on (a piece of all in pretraining). */
static pt_status add_row(pt_packer *pk, const pt_record *rec, size_t seqs, int64_t line, const pt_built *b, size_t from, size_t n, int32_t end, const pt_pack_row *known)
{
    pt_pack *p = pk->pack;
    const int32_t *ids = b->text.ids.ids + from;
    const float *weight = b->text.weight + from;
    PT_RETURN(pt_reserve(&p->rows, &p->rows_cap, p->n_rows + 1));
    PT_RETURN(pt_reserve(&p->record_start, &p->record_cap, p->n_rows + 2));
    pt_pack_row row = known ? *known : (pt_pack_row){.prefix_len = seqs > 1 ? shared(pk->built, seqs) : (int32_t)first_supervised(weight, n)};
    row.source = pk->source + (int32_t)pk->reader->file;
    row.line = line;
    PT_RETURN(role_index(p, rec->role, &row.role));
    PT_RETURN(pt_pack_columns_add(p, rec, seqs));
    PT_RETURN(pt_pack_put(p, b, from, n, end));
    for (size_t k = 1; k < seqs; k++) {
        const pt_built *z = &pk->built[k];
        PT_RETURN(pt_pack_put(p, z, 0, z->text.ids.n, z->end));
    }
    if (!known) identify(rec, ids, weight, n, &row);
    if (rec->scene) row.scene = row.prompt_id = row.context_id = rec->scene;
    p->rows[p->n_rows++] = row;
    p->record_start[p->n_rows] = (int64_t)p->n_seqs;
    pk->report->records_kept++;
    return PT_OK;
}

void pt_pack_identify(const pt_packer *pk, const pt_record *rec, pt_pack_row *row)
{
    const pt_rendered *t = &pk->built[0].text;
    *row = (pt_pack_row){.prefix_len = pk->n_built > 1 ? shared(pk->built, pk->n_built) : (int32_t)first_supervised(t->weight, t->ids.n)};
    identify(rec, t->ids.ids, t->weight, t->ids.n, row);
}

/* Pieces of sequence_len tokens, each beginning with the last token of the one before, so that every token but the first is
 * predicted once. */
static pt_status add_pieces(pt_packer *pk, const pt_record *rec, int64_t line)
{
    const pt_built *b = &pk->built[0];
    size_t most = (size_t)pk->opt->sequence_len, n = b->text.ids.n, at = 0;
    do {
        size_t take = n - at < most ? n - at : most;
        float *w = b->text.weight + at;
        w[0] = 0;
        if (first_supervised(w, take) < take) {
            bool last = at + take == n;
            PT_RETURN(add_row(pk, rec, 1, line, b, at, take, last && b->end >= 0 ? b->end - (int32_t)at : -1, NULL));
            count(pk, w, take, last ? b->ends : 0);
        }
        if (at + take == n) return PT_OK;
        at += take - 1;
    } while (true);
}

static void insert_known(pt_packer *pk, uint64_t a, uint64_t b, bool *there)
{
    size_t i = (size_t)a & (pk->known_cap - 1);
    while (pk->known[i].a && (pk->known[i].a != a || pk->known[i].b != b)) i = (i + 1) & (pk->known_cap - 1);
    *there = pk->known[i].a != 0;
    if (*there) return;
    pk->known[i].a = a;
    pk->known[i].b = b;
    pk->n_known++;
}

/* What columns say beside what they would anyway. */
static uint64_t hash_values(uint64_t h, const pt_values *v)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct pt_value *x = &v->list[i];
        if (x->value == pt_column_otherwise(x->name)) continue;
        h = pt_fnv1a(h, x->name, strlen(x->name) + 1);
        h = pt_fnv1a(h, &x->value, sizeof x->value);
    }
    return h;
}

static uint64_t hash_teacher(uint64_t h, const pt_targets *t, size_t n)
{
    size_t all = (size_t)t->start[n];
    h = pt_fnv1a(h, t->start, (n + 1) * sizeof *t->start);
    return pt_fnv1a(pt_fnv1a(h, t->id, all * sizeof *t->id), t->p, all * sizeof *t->p);
}

/* Whether a record with the same ids, weights and columns was met before; remembers it otherwise. */
static pt_status met_before(pt_packer *pk, const pt_record *rec, bool *there)
{
    uint64_t h[2] = {PT_FNV_START, ~PT_FNV_START};
    for (int k = 0; k < 2; k++) {
        h[k] = hash_values(h[k], &rec->columns);
        for (size_t s = 0; s < pk->n_built; s++) {
            const pt_rendered *t = &pk->built[s].text;
            uint64_t n = t->ids.n;
            h[k] = pt_fnv1a(h[k], &n, sizeof n);
            h[k] = pt_fnv1a(h[k], t->ids.ids, t->ids.n * sizeof *t->ids.ids);
            h[k] = pt_fnv1a(h[k], t->weight, t->ids.n * sizeof *t->weight);
            if (pk->opt->imitate) h[k] = pt_fnv1a(h[k], pk->built[s].imitate, t->ids.n * sizeof(float));
            if (pk->built[s].teacher) h[k] = hash_teacher(h[k], pk->built[s].teacher, t->ids.n);
            h[k] = hash_values(h[k], &rec->answers[s < rec->n_answers ? s : 0].columns);
        }
    }
    if (2 * (pk->n_known + 1) > pk->known_cap) {
        pt_packer larger = {.known_cap = pk->known_cap ? 2 * pk->known_cap : 1024};
        bool other;
        PT_RETURN(pt_alloc0(&larger.known, larger.known_cap));
        for (size_t i = 0; i < pk->known_cap; i++)
            if (pk->known[i].a) insert_known(&larger, pk->known[i].a, pk->known[i].b, &other);
        free(pk->known);
        pk->known = larger.known;
        pk->known_cap = larger.known_cap;
    }
    insert_known(pk, h[0] ? h[0] : 1, h[1], there);
    return PT_OK;
}

/* The answers of a pair as records of their own; the first is the desirable one. */
static pt_status add_apart(pt_packer *pk, const pt_record *rec, int64_t line)
{
    for (size_t k = 0; k < rec->n_answers; k++) {
        const pt_built *b = &pk->built[k];
        pt_record one = *rec;
        one.answers = rec->answers + k;
        one.n_answers = 1;
        PT_RETURN(pt_values_put(&one.columns, PT_COLUMN_LABEL, k == 0));
        PT_RETURN(add_row(pk, &one, 1, line, b, 0, b->text.ids.n, b->end, NULL));
    }
    return PT_OK;
}

pt_status pt_pack_take(pt_packer *pk, const pt_record *rec, int64_t line, const char *drop, const pt_pack_row *row)
{
    bool again = false;
    if (!drop && pk->built[rec->n_answers > 1 ? 0 : pk->n_built - 1].text.ids.n < (size_t)pk->opt->min_tokens) drop = PT_DROP_SHORT;
    if (!drop && pk->opt->distinct) PT_RETURN(met_before(pk, rec, &again));
    if (again) drop = PT_DROP_AGAIN;
    if (!drop && pt_values_get(&rec->columns, PT_COLUMN_WEIGHT) == 0) drop = PT_DROP_WEIGHTLESS;
    if (drop) {
        pt_pack_count_drop(pk->report, drop, 1, pt_reader_path(pk->reader), &line, 1);
        return PT_OK;
    }
    if (pk->opt->pretrain && rec->kind != PT_RECORD_CHAT) return add_pieces(pk, rec, line);
    const pt_built *b = pk->built;
    bool cut = false, turns_cut = false;
    if (rec->n_answers > 1) pk->pack->parts = false; /* answers beside each other are no parts */
    if (pk->opt->verdicts && rec->n_answers > 1) PT_RETURN(add_apart(pk, rec, line));
    else PT_RETURN(add_row(pk, rec, pk->n_built, line, b, 0, b->text.ids.n, b->end, row));
    for (size_t k = 0; k < pk->n_built; k++) {
        count(pk, b[k].text.weight, b[k].text.ids.n, b[k].ends);
        cut = cut || b[k].cut;
        turns_cut = turns_cut || b[k].turns_cut;
    }
    pk->report->records_cut += cut;
    pk->report->turns_cut += turns_cut;
    if (turns_cut) pt_pack_put_place(pk->report->turns_cut_where, sizeof pk->report->turns_cut_where, pt_reader_path(pk->reader), line);
    return PT_OK;
}

void pt_pack_count_notes(pt_pack_report *r, const pt_packer *rendered)
{
    r->control_in_text += rendered->control_in_text;
    for (int i = 0; i < PT_NOTES; i++) r->noted[i] += rendered->noted[i];
}

pt_status pt_pack_add(void *packer, const pt_record *rec, int64_t line)
{
    pt_packer *pk = packer;
    const char *drop;
    if (pk->reader->ahead) return pt_ahead_put(pk->reader->ahead, rec, line, 0);
    pt_status rc = pt_pack_render(pk, rec, &drop);
    pt_pack_count_notes(pk->report, pk);
    return rc == PT_OK ? pt_pack_take(pk, rec, line, drop, NULL) : rc;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

pt_status pt_pack_count_sharing(const pt_pack *p, pt_pack_report *r)
{
    pt_status rc = PT_OK;
    pt_sequence *seqs = NULL;
    int32_t *order = NULL, *lcp = NULL;
    uint64_t *ids = NULL;
    PT_TRY(pt_alloc0(&seqs, p->n_seqs));
    PT_TRY(pt_alloc0(&order, p->n_seqs));
    PT_TRY(pt_alloc0(&lcp, p->n_seqs));
    PT_TRY(pt_alloc0(&ids, p->n_rows));
    for (size_t s = 0; s < p->n_seqs; s++) seqs[s] = (pt_sequence){.ids = p->ids + p->seq_start[s], .n = pt_pack_seq_len(p, s)};
    PT_TRY(pt_sequence_order(seqs, p->n_seqs, order, lcp));
    for (size_t s = 0; s < p->n_seqs; s++) r->shared_tokens_saved += lcp[s];
    for (size_t i = 0; i < p->n_rows; i++) ids[i] = p->rows[i].prefix_id;
    qsort(ids, p->n_rows, sizeof *ids, by_id);
    for (size_t i = 0; i < p->n_rows; i++) {
        r->prefixes += !i || ids[i] != ids[i - 1];
        r->validation_records += p->rows[i].validation;
    }
done:
    free(ids);
    free(lcp);
    free(order);
    free(seqs);
    return rc;
}
