/* Records that all threads work on, and that are taken in the order of the file. A sink puts copies here instead of using them itself; when a batch is
 * full it goes to whatever thread is free, while the reader goes on. What the work made of each record is then taken one by one, in order, by the
 * thread that reads: what comes of it is the same whatever the number of threads. At most pt_ahead_slots() batches of PT_AHEAD_RECORDS records or
 * PT_AHEAD_BYTES are held. */
#ifndef PT_DATA_AHEAD_H
#define PT_DATA_AHEAD_H
#include "data/read/record.h"

enum { PT_AHEAD_RECORDS = 16, PT_AHEAD_BYTES = 1 << 19 };
/* Batches that are held at once by the present number of threads. */
int pt_ahead_slots(void);

typedef struct pt_ahead_item {
    pt_record rec; /* a copy; what it points into stands until it was taken */
    int64_t line, row; /* row: the number among the reader's rows, from 1; several records may come of one. All items are of the reader's present file */
    json_t *json; /* the row, for what is said of bad ones */
    unsigned tag; /* as it was put */
} pt_ahead_item;

typedef struct pt_ahead_ops {
    /* By any thread: items[0..n) of batch `slot` (below pt_ahead_slots(); no other thread works on it). A failure is that of the batch. */
    pt_status (*work)(void *user, int slot, pt_ahead_item *items, size_t n);
    /* By the reading thread, in order: item i of batch `slot`. PT_EFORMAT, PT_ENOSUP: the record cannot be used; its row counts as bad, and no later record
     * of that row is taken. May be NULL. */
    pt_status (*take)(void *user, int slot, size_t i, pt_ahead_item *item);
    /* Behind a batch's last item; may be NULL. */
    pt_status (*taken)(void *user, int slot);
} pt_ahead_ops;

typedef struct pt_ahead pt_ahead;
/* pt_reader_run with a sink that calls pt_ahead_put. r->sink and r->user are set by the caller; r->ahead is there while it runs. */
pt_status pt_ahead_run(pt_reader *r, const pt_ahead_ops *ops, void *user);
pt_status pt_ahead_put(pt_ahead *a, const pt_record *rec, int64_t line, unsigned tag);
/* Takes all that was put: before the reader counts a row of its own as bad, so that rows are judged in order, and before it goes to the next file.
 * *again: the present row is bad already. */
pt_status pt_ahead_settle(pt_ahead *a, bool *again);
#endif
