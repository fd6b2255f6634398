/* Columns of a pack: named numbers of its records and answers. */
#include <stdlib.h>
#include <string.h>

#include "data/pack/pack_data.h"

const pt_pack_column *pt_pack_column_find(const pt_pack *p, const char *name)
{
    for (size_t i = 0; i < p->n_columns; i++)
        if (!strcmp(p->columns[i].name, name)) return &p->columns[i];
    return NULL;
}

/* The column says nothing of what begins at `from` and ends before `to`. */
static pt_status extend(pt_pack_column *c, size_t from, size_t to)
{
    PT_RETURN(pt_reserve(&c->value, &c->cap, to + 1));
    for (size_t i = from; i < to; i++) c->value[i] = pt_column_otherwise(c->name);
    return PT_OK;
}

pt_status pt_pack_column_make(pt_pack *p, const char *name, bool of_answers, pt_pack_column **out)
{
    pt_pack_column *c = (pt_pack_column *)pt_pack_column_find(p, name);
    *out = c;
    if (c && c->of_answers != of_answers)
        return pt_fail(PT_EFORMAT, "column '%s' is one of %s and of %s", name, of_answers ? "records" : "answers", of_answers ? "answers" : "records");
    if (c) return PT_OK;
    if (!pt_column_named(name)) return pt_fail(PT_EFORMAT, "'%s' is no name of a column", name);
    if (p->n_columns == PT_BATCH_COLUMNS) return pt_fail(PT_EFORMAT, "no room for column '%s': %d are there", name, PT_BATCH_COLUMNS);
    c = &p->columns[p->n_columns];
    memcpy(c->name, name, strlen(name) + 1);
    c->of_answers = of_answers;
    PT_RETURN(extend(c, 0, of_answers ? p->n_seqs : p->n_rows));
    p->n_columns++;
    *out = c;
    return PT_OK;
}

static pt_status make_all(pt_pack *p, const pt_values *v, bool of_answers)
{
    pt_pack_column *c;
    for (size_t i = 0; i < v->n; i++) PT_RETURN(pt_pack_column_make(p, v->list[i].name, of_answers, &c));
    return PT_OK;
}

static void put_values(pt_pack *p, const pt_values *v, size_t at)
{
    for (size_t i = 0; i < v->n; i++) pt_pack_column_find(p, v->list[i].name)->value[at] = v->list[i].value;
}

pt_status pt_pack_columns_add(pt_pack *p, const pt_record *rec, size_t n)
{
    pt_pack_column *weight;
    PT_RETURN(pt_pack_column_make(p, PT_COLUMN_WEIGHT, false, &weight));
    PT_RETURN(make_all(p, &rec->columns, false));
    for (size_t k = 0; k < rec->n_answers; k++) PT_RETURN(make_all(p, &rec->answers[k].columns, true));
    for (size_t i = 0; i < p->n_columns; i++) {
        size_t from = p->columns[i].of_answers ? p->n_seqs : p->n_rows;
        PT_RETURN(extend(&p->columns[i], from, from + (p->columns[i].of_answers ? n : 1)));
    }
    put_values(p, &rec->columns, p->n_rows);
    for (size_t k = 0; k < n; k++) put_values(p, &rec->answers[k < rec->n_answers ? k : 0].columns, p->n_seqs + k);
    return PT_OK;
}

void pt_pack_columns_free(pt_pack *p)
{
    for (size_t i = 0; i < PT_BATCH_COLUMNS; i++) free(p->columns[i].value);
}
