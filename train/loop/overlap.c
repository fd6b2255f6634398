#include "train/loop/overlap.h"

#include <stdlib.h>

#include "base/mem.h"

/* The stage after which elements [at, at+n) are whole. */
static int stage_of(const pt_model *m, int64_t at, int64_t n)
{
    const pt_param *p;
    size_t count = pt_model_params(m, &p);
    int stage = 0;
    for (size_t i = 0; i < count; i++) {
        if (p[i].offset + p[i].rows * p[i].cols <= at || p[i].offset >= at + n) continue;
        int s = pt_model_grad_stage(m, &p[i]);
        stage = s > stage ? s : stage;
    }
    return stage;
}

/* Earlier stages first, of one stage the end of the vector first. */
static int by_stage(const void *a, const void *b)
{
    const pt_slice *x = a, *y = b;
    if (x->stage != y->stage) return x->stage < y->stage ? -1 : 1;
    return x->at > y->at ? -1 : x->at < y->at;
}

pt_status pt_overlap_new(pt_overlap **out, pt_comm *comm, pt_model *model, void *stream)
{
    pt_status rc = PT_OK;
    pt_overlap *o = NULL;
    int64_t size = (int64_t)(comm->bucket_bytes / sizeof(float)), count = pt_model_param_count(model);
    *out = NULL;
    PT_CHECK(comm->allreduce_start && size > 0 && count > 0, PT_EINTERNAL, "slices of %lld of %lld gradients", (long long)size,
             (long long)count);
    PT_TRY(pt_alloc0(&o, 1));
    *o = (pt_overlap){.comm = comm, .model = model, .stream = stream, .n = (int)((count + size - 1) / size)};
    PT_TRY(pt_alloc0(&o->list, o->n));
    for (int i = 0; i < o->n; i++) {
        int64_t end = count - i * size, at = end > size ? end - size : 0;
        o->list[i] = (pt_slice){at, end - at, stage_of(model, at, end - at)};
    }
    qsort(o->list, (size_t)o->n, sizeof *o->list, by_stage);
    *out = o;
    o = NULL;
done:
    pt_overlap_free(o);
    return rc;
}

void pt_overlap_free(pt_overlap *o)
{
    if (!o) return;
    free(o->list);
    free(o);
}

/* Starts the slices that are whole after `stage`. */
static pt_status start_whole(void *user, int stage)
{
    pt_overlap *o = user;
    pt_view grad = pt_model_grad_view(o->model);
    for (; o->sent < o->n && o->list[o->sent].stage <= stage; o->sent++) {
        const pt_slice *s = &o->list[o->sent];
        pt_view part = pt_view_cols(grad, s->at, s->n);
        part.ld = s->n;
        PT_RETURN(o->comm->allreduce_start(o->comm, part, o->stream));
    }
    return PT_OK;
}

void pt_overlap_begin(pt_overlap *o)
{
    o->sent = 0;
    pt_model_on_grads(o->model, start_whole, o);
}

pt_status pt_overlap_end(pt_overlap *o)
{
    pt_model_on_grads(o->model, NULL, NULL);
    PT_RETURN(start_whole(o, o->n ? o->list[o->n - 1].stage : 0));
    return o->comm->allreduce_wait(o->comm, o->stream);
}
