/* Records are rendered and turned into tokens by all threads (data/read/ahead.h); into the pack they go in the order of reading, by one. So a pack is
 * the same, byte for byte, whatever the number of threads. */
#include <stdlib.h>
#include <string.h>

#include "data/pack/pack_data.h"

/* What a thread makes of one record; its room is used again. */
typedef struct pt_pack_job {
    pt_packer room;
    pt_status rc;
    char *why;
    const char *drop;
    pt_pack_row row;
    bool known; /* row is */
} pt_pack_job;

pt_status pt_pack_ahead_open(pt_packer *pk)
{
    return pt_alloc0(&pk->jobs, (size_t)pt_ahead_slots() * PT_AHEAD_RECORDS);
}

void pt_pack_ahead_close(pt_packer *pk)
{
    size_t n = pk->jobs ? (size_t)pt_ahead_slots() * PT_AHEAD_RECORDS : 0;
    for (size_t i = 0; i < n; i++) {
        pk->jobs[i].room.weights.list = NULL; /* the packer's */
        pt_packer_free(&pk->jobs[i].room);
        free(pk->jobs[i].why);
    }
    free(pk->jobs);
    pk->jobs = NULL;
}

static void render(const pt_packer *pk, pt_pack_job *j, const pt_record *rec)
{
    const pt_pack_options *o = pk->opt;
    j->room.opt = o;
    j->room.spec = pk->spec;
    j->room.weights = pk->weights;
    j->room.thinking = pk->thinking;
    j->drop = NULL;
    j->rc = pt_pack_render(&j->room, rec, &j->drop);
    bool pieces = o->pretrain && rec->kind != PT_RECORD_CHAT, apart = o->verdicts && rec->n_answers > 1;
    j->known = j->rc == PT_OK && !j->drop && !pieces && !apart;
    if (j->known) pt_pack_identify(&j->room, rec, &j->row);
    if (j->rc != PT_OK) j->why = strdup(pt_err_msg());
}

static pt_status work(void *user, int slot, pt_ahead_item *items, size_t n)
{
    pt_packer *pk = user;
    for (size_t i = 0; i < n; i++) render(pk, &pk->jobs[(size_t)slot * PT_AHEAD_RECORDS + i], &items[i].rec);
    return PT_OK;
}

static void swap_built(pt_packer *a, pt_packer *b)
{
    pt_built *built = a->built;
    size_t cap = a->built_cap, n = a->n_built;
    a->built = b->built, a->built_cap = b->built_cap, a->n_built = b->n_built;
    b->built = built, b->built_cap = cap, b->n_built = n;
}

static pt_status take(void *user, int slot, size_t i, pt_ahead_item *item)
{
    pt_packer *pk = user;
    pt_pack_job *j = &pk->jobs[(size_t)slot * PT_AHEAD_RECORDS + i];
    pt_pack_count_notes(pk->report, &j->room);
    if (j->rc != PT_OK) {
        pt_status rc = pt_fail(j->rc, "%s", j->why ? j->why : "out of memory");
        free(j->why);
        j->why = NULL;
        return rc;
    }
    swap_built(pk, &j->room);
    pt_status rc = pt_pack_take(pk, &item->rec, item->line, j->drop, j->known ? &j->row : NULL);
    swap_built(pk, &j->room);
    return rc;
}

pt_status pt_pack_ahead_run(pt_packer *pk, pt_reader *r)
{
    static const pt_ahead_ops ops = {.work = work, .take = take};
    return pt_ahead_run(r, &ops, pk);
}
