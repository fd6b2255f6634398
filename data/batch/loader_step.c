/* Steps by number, and the thread that prepares the next one while the present one is trained on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/batch/loader_data.h"

pt_status pt_loader_find(const pt_loader *l, int64_t index, int64_t *epoch, size_t *step)
{
    if (index < 0 || index >= l->n_steps)
        return pt_fail(PT_ESTATE, "step %lld of %lld", (long long)index, (long long)l->n_steps);
    size_t lo = 0, hi = l->n_epochs;
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (l->first_step[mid] <= index)
            lo = mid;
        else
            hi = mid;
    }
    *epoch = (int64_t)lo;
    *step = (size_t)(index - l->first_step[lo]);
    return PT_OK;
}

static pt_status add_micro(pt_loader *l, pt_slot *slot)
{
    PT_RETURN(pt_reserve(&slot->micro, &slot->micro_cap, slot->n_micro + 1));
    PT_RETURN(pt_loader_fill(l, &slot->micro[slot->n_micro]));
    slot->n_micro++;
    return PT_OK;
}

/* The shapes of all ranks (their tokens are reported), the arrays of this one. */
static pt_status prepare(pt_loader *l, int64_t index, pt_slot *slot)
{
    int64_t epoch;
    size_t step, n;
    for (size_t i = 0; i < slot->n_micro; i++) pt_batch_free(&slot->micro[i]);
    slot->n_micro = 0;
    PT_RETURN(pt_loader_find(l, index, &epoch, &step));
    PT_RETURN(pt_loader_epoch(l, epoch));
    PT_RETURN(pt_loader_records(l, step, &n));
    pt_step *s = &slot->step;
    *s = (pt_step){.index = index, .epoch = (double)epoch + (double)l->epoch.starts[step + 1] / (double)l->epoch.n_draws};
    pt_loader_totals(l, step, s);
    for (int rank = 0; rank < l->opt.ranks; rank++) {
        size_t from, to, stop;
        pt_loader_share(l, n, rank, &from, &to);
        for (; from < to; from = stop) {
            PT_RETURN(pt_loader_cut(l, from, to, &stop));
            s->tokens += l->lay.tokens;
            if (rank == l->opt.rank) PT_RETURN(add_micro(l, slot));
        }
    }
    for (size_t i = 0; i < slot->n_micro; i++) {
        pt_batch *b = &slot->micro[i];
        b->step_row_weight = s->row_weight;
        b->step_rows = s->rows;
        b->step_group_weight = s->group_weight;
        b->step_record_weight = s->record_weight;
        b->step_records = s->records;
    }
    s->n_micro = (int)slot->n_micro;
    s->micro = slot->micro;
    return PT_OK;
}

static void *work(void *arg)
{
    pt_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (l->want < 0) {
            pthread_cond_wait(&l->wake, &l->lock);
            continue;
        }
        int64_t index = l->want;
        pthread_mutex_unlock(&l->lock);
        pt_status rc = prepare(l, index, &l->ready); /* nobody else touches `ready` or the work space while want >= 0 */
        pthread_mutex_lock(&l->lock);
        l->ready.index = index;
        l->ready.rc = rc;
        snprintf(l->ready.error, sizeof l->ready.error, "%s", rc == PT_OK ? "" : pt_err_msg());
        l->want = -1;
        pthread_cond_broadcast(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static pt_status start(pt_loader *l)
{
    if (l->started) return PT_OK;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    pthread_cond_init(&l->done, NULL);
    if (pthread_create(&l->thread, NULL, work, l) != 0) {
        pthread_cond_destroy(&l->done);
        pthread_cond_destroy(&l->wake);
        pthread_mutex_destroy(&l->lock);
        return pt_fail(PT_ENOMEM, "cannot start the thread that prepares batches");
    }
    l->started = true;
    return PT_OK;
}

void pt_loader_stop(pt_loader *l)
{
    if (!l->started) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->done);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    l->started = false;
}

static void ask(pt_loader *l, int64_t index)
{
    l->ready.index = -1;
    l->want = index;
    pthread_cond_signal(&l->wake);
}

pt_status pt_loader_step(pt_loader *l, int64_t index, pt_step *out)
{
    pt_status rc = PT_OK;
    int64_t epoch;
    size_t step;
    char error[sizeof l->ready.error];
    PT_RETURN(pt_loader_find(l, index, &epoch, &step));
    PT_RETURN(start(l));
    pthread_mutex_lock(&l->lock);
    while (l->want >= 0) pthread_cond_wait(&l->done, &l->lock);
    if (l->ready.index != index) ask(l, index);
    while (l->want >= 0) pthread_cond_wait(&l->done, &l->lock);
    pt_slot given = l->given;
    l->given = l->ready;
    l->ready = given;
    rc = l->given.rc;
    memcpy(error, l->given.error, sizeof error);
    *out = l->given.step;
    if (index + 1 < l->n_steps)
        ask(l, index + 1);
    else
        l->ready.index = -1;
    pthread_mutex_unlock(&l->lock);
    return rc == PT_OK ? rc : pt_fail(rc, "step %lld: %s", (long long)index, error);
}
