/* Which records are for validation: whole units of them (a prompt, a record, a role) in an order that the seed decides.
 *
 * Points of view of one conversation share its text: they are one record and one prompt here.
 * By default the units are prompts: the turns before the first answer to the user. A prompt that more records begin with than
 * validation is to have, and that they do not share to their last answer, is none: dialogues merely begin alike, and each
 * is a unit of its own with those that share everything before its last answer. Where all records are one unit even so, they go one by one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "data/pack/pack_data.h"

#define NO_ROLE UINT32_MAX

typedef struct split_row {
    uint64_t unit;
    uint32_t row;
} split_row;

typedef struct split_unit {
    uint64_t order, id;
    size_t from, n; /* in the rows sorted by unit */
} split_unit;

typedef struct split {
    pt_pack *p;
    split_row *rows;
    split_unit *units;
    uint32_t *role, *left, *whole; /* of each record; records of a role not chosen yet, and in all */
    uint64_t *role_ids;
    size_t n_units, n_roles, want;
} split;

static int by_unit(const void *a, const void *b)
{
    const split_row *x = a, *y = b;
    if (x->unit != y->unit) return x->unit < y->unit ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int by_order(const void *a, const void *b)
{
    const split_unit *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* A role's name, else the system text that stands for it; 0 = neither. */
static uint64_t role_of(const pt_pack_row *r)
{
    return r->role >= 0 ? pt_hash_mix(1, (uint64_t)r->role + 1) : r->system_id;
}

/* Numbers the roles. System texts that differ from record to record are none. */
static pt_status find_roles(split *s)
{
    const pt_pack *p = s->p;
    size_t n = 0, having = 0;
    bool named = false;
    PT_RETURN(pt_alloc0(&s->role_ids, p->n_rows + 1));
    PT_RETURN(pt_alloc0(&s->role, p->n_rows + 1));
    for (size_t i = 0; i < p->n_rows; i++) {
        uint64_t id = role_of(&p->rows[i]);
        if (id) s->role_ids[having++] = id;
        named = named || p->rows[i].role >= 0;
    }
    qsort(s->role_ids, having, sizeof *s->role_ids, by_value);
    for (size_t i = 0; i < having; i++)
        if (!i || s->role_ids[i] != s->role_ids[n - 1]) s->role_ids[n++] = s->role_ids[i];
    s->n_roles = named || having >= 2 * n ? n : 0;
    PT_RETURN(pt_alloc0(&s->left, s->n_roles + 1));
    PT_RETURN(pt_alloc0(&s->whole, s->n_roles + 1));
    for (size_t i = 0; i < p->n_rows; i++) {
        uint64_t id = role_of(&p->rows[i]);
        const uint64_t *at = id ? bsearch(&id, s->role_ids, s->n_roles, sizeof id, by_value) : NULL;
        s->role[i] = at ? (uint32_t)(at - s->role_ids) : NO_ROLE;
        if (at) s->left[s->role[i]]++, s->whole[s->role[i]]++;
    }
    return PT_OK;
}

static pt_status name_units(split *s, pt_val_split by)
{
    const pt_pack *p = s->p;
    size_t without = 0;
    if (!s->rows) PT_RETURN(pt_alloc0(&s->rows, p->n_rows + 1));
    for (size_t i = 0; i < p->n_rows; i++) {
        const pt_pack_row *r = &p->rows[i];
        uint64_t role = by == PT_SPLIT_ROLE ? role_of(r) : 0;
        without += by == PT_SPLIT_ROLE && !role;
        s->rows[i] = (split_row){by == PT_SPLIT_RECORD ? (r->scene ? r->scene : pt_hash_mix(2, i)) : by == PT_SPLIT_ROLE ? role : r->prompt_id, (uint32_t)i};
    }
    if (without)
        return pt_fail(PT_EARG, "val_split_by: role, but %zu of %zu records have neither a role nor a system text; val_split_by: record or prompt",
                       without, p->n_rows);
    qsort(s->rows, p->n_rows, sizeof *s->rows, by_unit);
    for (size_t i = 0, end; by == PT_SPLIT_PROMPT && i < p->n_rows; i = end) {
        for (end = i; end < p->n_rows && s->rows[end].unit == p->rows[s->rows[i].row].prompt_id;) end++;
        if (end - i <= s->want) continue;
        for (size_t k = i; k < end; k++) s->rows[k].unit = p->rows[s->rows[k].row].context_id;
    }
    if (by == PT_SPLIT_PROMPT) qsort(s->rows, p->n_rows, sizeof *s->rows, by_unit);
    return PT_OK;
}

static pt_status make_units(split *s, uint64_t seed)
{
    if (!s->units) PT_RETURN(pt_alloc0(&s->units, s->p->n_rows + 1));
    s->n_units = 0;
    for (size_t i = 0; i < s->p->n_rows; i++) {
        uint64_t id = s->rows[i].unit;
        if (!i || id != s->rows[i - 1].unit) s->units[s->n_units++] = (split_unit){pt_hash_mix(seed, id), id, i, 0};
        s->units[s->n_units - 1].n++;
    }
    qsort(s->units, s->n_units, sizeof *s->units, by_order);
    return PT_OK;
}

static void mark(split *s, const split_unit *u, int validation)
{
    for (size_t k = 0; k < u->n; k++) {
        uint32_t row = s->rows[u->from + k].row, role = s->role[row];
        s->p->rows[row].validation = validation != 0;
        if (role != NO_ROLE) s->left[role] = validation ? s->left[role] - 1 : s->left[role] + 1;
    }
}

static bool took_the_last(const split *s, const split_unit *u)
{
    for (size_t k = 0; k < u->n; k++) {
        uint32_t role = s->role[s->rows[u->from + k].row];
        if (role != NO_ROLE && !s->left[role]) return true;
    }
    return false;
}

/* Units until the wanted number is reached; one that would pass it is left out, and with `careful` one that holds the last records of a
 * role that training would have. */
static size_t take(split *s, bool careful)
{
    size_t have = 0;
    for (size_t i = 0; i < s->n_units && have < s->want; i++) {
        const split_unit *u = &s->units[i];
        if (have + u->n > s->want) continue;
        mark(s, u, 1);
        if (careful && took_the_last(s, u))
            mark(s, u, 0);
        else
            have += u->n;
    }
    return have;
}

static size_t take_smallest(split *s)
{
    size_t least = 0;
    for (size_t i = 1; i < s->n_units; i++)
        if (s->units[i].n < s->units[least].n) least = i;
    mark(s, &s->units[least], 1);
    return s->units[least].n;
}

/* What became of roles, and of the number asked for. */
static void tell(const split *s, size_t have, pt_val_split by, const char *unit)
{
    size_t lost = 0, unseen = 0;
    for (size_t k = 0; k < s->n_roles; k++) {
        lost += !s->left[k];
        unseen += s->left[k] == s->whole[k];
    }
    if (have > s->want + s->want / 2 || have < s->want / 2)
        pt_log(PT_LOG_WARN, "validation has %zu records, %zu were asked for: they go by %s, of which there are %zu; val_split_by: record takes single records",
               have, s->want, unit, s->n_units);
    if (by == PT_SPLIT_ROLE) return;
    if (lost) pt_log(PT_LOG_WARN, "%zu of %zu roles have all their records in validation: they are not trained", lost, s->n_roles);
    if (unseen && s->n_roles > 1) pt_log(PT_LOG_INFO, "validation has no record of %zu of %zu roles", unseen, s->n_roles);
}

static void split_free(split *s)
{
    free(s->rows);
    free(s->units);
    free(s->role);
    free(s->left);
    free(s->whole);
    free(s->role_ids);
}

pt_status pt_pack_split(pt_pack *p, double val_set_size, pt_val_split by, uint64_t seed)
{
    static const char *const units[] = {[PT_SPLIT_PROMPT] = "prompt", [PT_SPLIT_RECORD] = "record", [PT_SPLIT_ROLE] = "role"};
    pt_status rc = PT_OK;
    split s = {.p = p};
    size_t have;
    if (!(val_set_size > 0)) return PT_OK;
    PT_CHECK(isfinite(val_set_size), PT_EARG, "val_set_size is %g", val_set_size);
    PT_CHECK(p->n_rows < UINT32_MAX, PT_EARG, "val_set_size with %zu records; name a file in test_datasets", p->n_rows);
    double wanted = val_set_size < 1 ? floor(val_set_size * (double)p->n_rows + 0.5) : floor(val_set_size + 0.5);
    s.want = wanted < 1 ? 1 : wanted < (double)p->n_rows ? (size_t)wanted : p->n_rows;
    PT_TRY(find_roles(&s));
    PT_TRY(name_units(&s, by));
    PT_TRY(make_units(&s, seed));
    if (by == PT_SPLIT_PROMPT && s.n_units == 1 && s.want < p->n_rows) {
        by = PT_SPLIT_RECORD;
        PT_TRY(name_units(&s, by));
        PT_TRY(make_units(&s, seed));
        if (s.n_units > 1)
            pt_log(PT_LOG_WARN, "all %zu records answer one prompt: validation takes single records, as with val_split_by: record, so that its prompt is trained on too", p->n_rows);
    }
    have = take(&s, by != PT_SPLIT_ROLE);
    if (!have) have = take(&s, false);
    if (!have && s.n_units) have = take_smallest(&s);
    PT_CHECK(have < p->n_rows, PT_EARG,
             "val_set_size %g takes all %zu records (they go by %s, and there are %zu); nothing is left to train on. A smaller val_set_size, "
             "val_split_by: record (rows of one %s may then stand on both sides), or a file in test_datasets instead",
             val_set_size, p->n_rows, units[by], s.n_units, units[by]);
    tell(&s, have, by, units[by]);
done:
    split_free(&s);
    return rc;
}
