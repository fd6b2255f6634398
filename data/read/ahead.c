#include "data/read/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

/* Texts that a batch's records point into. */
typedef struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
} block;
enum { BLOCK = 256 << 10 };

typedef struct batch {
    pt_ahead_item items[PT_AHEAD_RECORDS];
    size_t n, bytes;
    block *blocks;
    json_t **held; /* calls and tools, kept alive */
    size_t n_held, held_cap;
    pt_status rc;
    char *why;
} batch;

struct pt_ahead {
    pt_reader *r;
    const pt_ahead_ops *ops;
    void *user;
    batch *batches;
    int slots;
    int first, n; /* those that are under way or done: first, first + 1 ... round the ring; the one behind them is filled */
    int64_t bad_row;
    bool over; /* a failure was given back: nothing more is taken */
    bool apart; /* there are threads beside this one */
};

/* ---- copies --------------------------------------------------------------------------------------------------------------- */

static pt_status room(batch *b, size_t n, size_t align, void **out)
{
    block *k = b->blocks;
    size_t at = k ? (k->used + align - 1) & ~(align - 1) : 0;
    if (!k || at > k->size || n > k->size - at) {
        size_t size = n > BLOCK ? n : BLOCK;
        k = malloc(sizeof *k + size);
        if (!k) return pt_fail(PT_ENOMEM, "out of memory");
        *k = (block){.next = b->blocks, .size = size};
        b->blocks = k;
        at = 0;
    }
    *out = k->bytes + at;
    k->used = at + n;
    b->bytes += n;
    return PT_OK;
}

/* bytes of a text and a zero. */
static pt_status copy_text(batch *b, const char **text, size_t n)
{
    void *to;
    if (!*text) return PT_OK;
    PT_RETURN(room(b, n + 1, 1, &to));
    memcpy(to, *text, n);
    ((char *)to)[n] = 0;
    *text = to;
    return PT_OK;
}

static pt_status hold(batch *b, const json_t *j)
{
    if (!j) return PT_OK;
    PT_RETURN(pt_reserve(&b->held, &b->held_cap, b->n_held + 1));
    b->held[b->n_held++] = json_incref((json_t *)(uintptr_t)j);
    return PT_OK;
}

static pt_status copy_turn(batch *b, pt_turn *t)
{
    PT_RETURN(copy_text(b, &t->text, t->bytes));
    PT_RETURN(copy_text(b, &t->thought, t->thought_bytes));
    PT_RETURN(copy_text(b, &t->call_text, t->call_bytes));
    PT_RETURN(copy_text(b, &t->role, t->role ? strlen(t->role) : 0));
    PT_RETURN(hold(b, t->calls));
    if (!t->n_spans) return PT_OK;
    void *to;
    PT_RETURN(room(b, t->n_spans * sizeof *t->spans, _Alignof(pt_text_span), &to));
    memcpy(to, t->spans, t->n_spans * sizeof *t->spans);
    t->spans = to;
    return PT_OK;
}

/* like: an earlier answer of the record and its copy, which may share turns with it. */
static pt_status copy_turns(batch *b, const pt_turns *from, pt_turns *to, const pt_turns *like, const pt_turns *like_copy)
{
    PT_RETURN(pt_reserve(&to->turns, &to->cap, from->n));
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        to->turns[i] = from->turns[i];
        if (like && i < like->n && !memcmp(&like->turns[i], &from->turns[i], sizeof from->turns[i])) to->turns[i] = like_copy->turns[i];
        else PT_RETURN(copy_turn(b, &to->turns[i]));
    }
    return PT_OK;
}

static pt_status copy_ids(const pt_answer *from, pt_answer *to)
{
    size_t n = from->ids.n;
    PT_RETURN(pt_reserve(&to->ids.ids, &to->ids.cap, n));
    if (n) memcpy(to->ids.ids, from->ids.ids, n * sizeof *to->ids.ids);
    to->ids.n = n;
    PT_RETURN(pt_reserve(&to->label, &to->label_cap, n));
    if (n && from->label) memcpy(to->label, from->label, n * sizeof *to->label);
    const pt_targets *t = &from->teacher;
    to->teacher.n_tokens = 0;
    for (size_t i = 0; i < t->n_tokens; i++)
        PT_RETURN(pt_targets_add(&to->teacher, t->id + t->start[i], t->p + t->start[i], (size_t)(t->start[i + 1] - t->start[i])));
    return PT_OK;
}

static pt_status copy_record(batch *b, const pt_record *from, pt_record *to)
{
    PT_RETURN(pt_record_clear(to));
    PT_RETURN(pt_record_answers(to, from->n_answers));
    to->kind = from->kind;
    to->n_prompt = from->n_prompt;
    to->columns = from->columns;
    to->scene = from->scene;
    to->role = from->role;
    to->tools = from->tools;
    PT_RETURN(hold(b, from->tools));
    PT_RETURN(copy_text(b, &to->role, from->role ? strlen(from->role) : 0));
    for (size_t k = 0; k < from->n_answers; k++) {
        const pt_answer *a = &from->answers[k];
        pt_answer *z = &to->answers[k];
        PT_RETURN(copy_turns(b, &a->turns, &z->turns, k ? &from->answers[0].turns : NULL, &to->answers[0].turns));
        z->text = a->text;
        z->bytes = a->bytes;
        z->columns = a->columns;
        PT_RETURN(copy_text(b, &z->text, a->bytes));
        PT_RETURN(copy_ids(a, z));
        b->bytes += a->ids.n * 8;
    }
    return PT_OK;
}

static void empty(batch *b)
{
    for (size_t i = 0; i < b->n; i++) json_decref(b->items[i].json);
    for (size_t i = 0; i < b->n_held; i++) json_decref(b->held[i]);
    while (b->blocks && b->blocks->next) { /* the oldest is kept, unless it was made for one text */
        block *next = b->blocks->next;
        free(b->blocks);
        b->blocks = next;
    }
    if (b->blocks && b->blocks->size > BLOCK) {
        free(b->blocks);
        b->blocks = NULL;
    }
    if (b->blocks) b->blocks->used = 0;
    free(b->why);
    b->why = NULL;
    b->n = b->n_held = b->bytes = 0;
    b->rc = PT_OK;
}

int pt_ahead_slots(void)
{
    int n = 4 * pt_threads_get() + 4;
    return n < 256 ? n : 256;
}

/* ---- the ring -------------------------------------------------------------------------------------------------------------- */

static void work(pt_ahead *a, int slot)
{
    batch *b = &a->batches[slot];
    b->rc = a->ops->work(a->user, slot, b->items, b->n);
    if (b->rc != PT_OK) b->why = strdup(pt_err_msg());
}

/* A record that cannot be used, as pt_reader_run counts the present row's. */
static pt_status bad(pt_ahead *a, const pt_ahead_item *x, pt_status rc)
{
    pt_reader *r = a->r;
    int64_t rows = r->rows;
    a->bad_row = r->rows = x->row; /* as many as were read when that one was */
    if (rc == PT_EFORMAT) pt_row_hint_add(r, x->json);
    rc = pt_reader_bad(r, rc, x->line);
    r->rows = rows;
    return rc;
}

static pt_status take_batch(pt_ahead *a, int slot)
{
    batch *b = &a->batches[slot];
    pt_status rc = b->rc == PT_OK ? PT_OK : pt_fail(b->rc, "%s", b->why ? b->why : "out of memory");
    for (size_t i = 0; rc == PT_OK && a->ops->take && i < b->n; i++) {
        if (b->items[i].row == a->bad_row) continue;
        rc = a->ops->take(a->user, slot, i, &b->items[i]);
        if (rc == PT_EFORMAT || rc == PT_ENOSUP) rc = bad(a, &b->items[i], rc);
        if (rc != PT_OK && rc != PT_ENOMEM) pt_row_place(rc, pt_reader_path(a->r), b->items[i].line);
    }
    if (rc == PT_OK && a->ops->taken) rc = a->ops->taken(a->user, slot);
    empty(b);
    return rc;
}

/* Waits for all that is under way, and takes it. */
static pt_status take_all(pt_ahead *a)
{
    pt_status rc = PT_OK;
#pragma omp taskwait
    for (; a->n; a->n--, a->first = (a->first + 1) % a->slots) {
        if (rc == PT_OK && !a->over) rc = take_batch(a, a->first);
        else empty(&a->batches[a->first]);
    }
    if (rc != PT_OK) a->over = a->r->over = true;
    return rc;
}

/* Gives the batch that was filled to a thread. */
static void send(pt_ahead *a)
{
    int slot = (a->first + a->n) % a->slots;
    a->n++;
    if (!a->apart) {
        work(a, slot);
        return;
    }
#pragma omp task firstprivate(a, slot)
    work(a, slot);
}

static batch *filling(pt_ahead *a)
{
    return &a->batches[(a->first + a->n) % a->slots];
}

pt_status pt_ahead_put(pt_ahead *a, const pt_record *rec, int64_t line, unsigned tag)
{
    batch *b = filling(a);
    if (a->over || a->r->rows == a->bad_row) return PT_OK;
    pt_ahead_item *x = &b->items[b->n];
    x->line = line;
    x->row = a->r->rows;
    x->tag = tag;
    x->json = json_incref(a->r->row);
    b->n++;
    PT_RETURN(copy_record(b, rec, &x->rec));
    if (b->n < PT_AHEAD_RECORDS && b->bytes < PT_AHEAD_BYTES) return PT_OK;
    send(a);
    return a->n == a->slots - 1 ? take_all(a) : PT_OK;
}

pt_status pt_ahead_settle(pt_ahead *a, bool *again)
{
    if (filling(a)->n) send(a);
    pt_status rc = take_all(a);
    *again = a->r->rows == a->bad_row;
    return rc;
}

/* The reader, and behind it what it left; of two failures the earlier row's. */
static pt_status run(pt_ahead *a)
{
    bool again;
    pt_status rc = pt_reader_run(a->r); /* which settles when the files have ended */
    if (a->over || rc == PT_OK) return rc;
    char *why = strdup(pt_err_msg());
    pt_status left = pt_ahead_settle(a, &again);
    if (left == PT_OK) left = pt_fail(rc, "%s", why ? why : "out of memory");
    free(why);
    return left;
}

pt_status pt_ahead_run(pt_reader *r, const pt_ahead_ops *ops, void *user)
{
    pt_ahead a = {.r = r, .ops = ops, .user = user, .slots = pt_ahead_slots(), .bad_row = -1, .apart = pt_threads_get() > 1};
    pt_status rc = PT_OK;
    PT_RETURN(pt_alloc0(&a.batches, a.slots));
    r->ahead = &a;
#pragma omp parallel if (a.apart)
#pragma omp master
    rc = run(&a);
    r->ahead = NULL;
    for (int i = 0; i < a.slots; i++) {
        empty(&a.batches[i]);
        free(a.batches[i].blocks);
        free(a.batches[i].held);
        for (int k = 0; k < PT_AHEAD_RECORDS; k++) pt_record_free(&a.batches[i].items[k].rec);
    }
    free(a.batches);
    return rc;
}
