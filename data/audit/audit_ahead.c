/* Texts of records are looked at by all threads (data/read/ahead.h): each batch has an audit of its own, and those are joined in the order of reading, so
 * that what is found, counted and shown does not depend on the threads. */
#include <stdlib.h>
#include <string.h>

#include "data/audit/audit_priv.h"

enum { IN_PACK = 1, VALIDATION = 2 };

/* What one batch works with. */
typedef struct lane {
    pt_audit found;
    pt_audit_look look;
} lane;

typedef struct watch {
    pt_audit_look *look; /* of the reading thread */
    lane *lanes;
} watch;

pt_status pt_audit_record(void *look, const pt_record *rec, int64_t line)
{
    pt_audit_look *l = look;
    bool validation = false, there = pt_audit_in_pack(l, rec, line, &validation);
    return pt_ahead_put(l->reader->ahead, rec, line, (there ? IN_PACK : 0u) | (validation ? VALIDATION : 0u));
}

static pt_status work(void *user, int slot, pt_ahead_item *items, size_t n)
{
    watch *w = user;
    lane *k = &w->lanes[slot];
    const pt_audit_look *l = w->look;
    k->look.a = &k->found;
    k->look.side = l->side;
    k->look.test = l->test;
    k->look.set = l->set;
    k->look.reader = l->reader;
    k->look.source = l->source;
    k->found.options = l->a->options;
    k->found.answers.sets_alone = l->a->answers.sets_alone;
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_audit_look_at(&k->look, &items[i].rec, items[i].line, items[i].tag & IN_PACK, items[i].tag & VALIDATION));
    return PT_OK;
}

static void join_findings(pt_audit *a, pt_audit *part)
{
    for (int k = 0; k < PT_FOUND_KINDS; k++) {
        pt_audit_finding *to = &a->found[k], *from = &part->found[k];
        to->n += from->n;
        for (int i = 0; i < from->n_places && to->n_places < PT_AUDIT_PLACES; i++) to->place[to->n_places++] = from->place[i];
        from->n = from->n_places = 0;
    }
    for (int i = 0; i < PT_SCRIPTS; i++) {
        a->scripts[i] += part->scripts[i];
        part->scripts[i] = 0;
    }
}

/* Of a text that finds no place any more its answers have none either. */
static pt_status join_near(pt_audit *a, const pt_audit *part)
{
    size_t k = 0;
    for (size_t i = 0; i < part->near.n && a->near.n < PT_AUDIT_NEAR; i++) {
        uint32_t id = part->near.texts[i].id, first = (uint32_t)a->n_rows;
        PT_RETURN(pt_near_take(&a->near, &part->near, i, first + id));
        while (k < part->answers.n && part->answers.texts[k].id < id) k++;
        if (k < part->answers.n && part->answers.texts[k].id == id) PT_RETURN(pt_near_take(&a->answers, &part->answers, k, first + id));
    }
    return PT_OK;
}

static pt_status taken(void *user, int slot)
{
    watch *w = user;
    pt_audit *a = w->look->a, *part = &w->lanes[slot].found;
    join_findings(a, part);
    PT_RETURN(join_near(a, part));
    PT_RETURN(pt_reserve(&a->rows, &a->rows_cap, a->n_rows + part->n_rows));
    if (part->n_rows) memcpy(a->rows + a->n_rows, part->rows, part->n_rows * sizeof *a->rows);
    a->n_rows += part->n_rows;
    part->n_rows = part->near.n = part->near.n_shingles = part->answers.n = part->answers.n_shingles = 0;
    return PT_OK;
}

pt_status pt_audit_read(pt_audit_look *l, pt_reader *r)
{
    static const pt_ahead_ops ops = {.work = work, .taken = taken};
    watch w = {.look = l};
    int n = pt_ahead_slots();
    PT_RETURN(pt_alloc0(&w.lanes, n));
    pt_status rc = pt_ahead_run(r, &ops, &w);
    for (int i = 0; i < n; i++) {
        lane *k = &w.lanes[i];
        free(k->found.rows);
        pt_near_free(&k->found.near);
        pt_near_free(&k->found.answers);
        pt_audit_view_free(&k->look.view);
        pt_str_free(&k->look.text);
        pt_str_free(&k->look.answers);
    }
    free(w.lanes);
    return rc;
}
