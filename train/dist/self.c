/* One process: sums are what they are. */
#include <stdlib.h>

#include "base/mem.h"
#include "train/dist/comm.h"

static pt_status self_sum(pt_comm *c, pt_view v, const pt_comm_io *io)
{
    return PT_OK;
}
static pt_status self_f64(pt_comm *c, double *x, size_t n)
{
    return PT_OK;
}
static pt_status self_i64(pt_comm *c, int64_t *x, size_t n)
{
    return PT_OK;
}
static pt_status self_broadcast(pt_comm *c, void *data, size_t bytes, int root)
{
    return root == 0 ? PT_OK : pt_fail(PT_EARG, "rank %d does not exist: there is one process", root);
}
static pt_status self_barrier(pt_comm *c)
{
    return PT_OK;
}
static void self_abort(pt_comm *c, int code) {}
static void self_close(pt_comm *c)
{
    free(c);
}

pt_status pt_comm_self(pt_comm **out)
{
    *out = NULL;
    PT_RETURN(pt_alloc0(out, 1));
    **out = (pt_comm){.name = "self",
                      .size = 1,
                      .local_size = 1,
                      .sharers = 1,
                      .allreduce_sum = self_sum,
                      .allreduce_f64 = self_f64,
                      .allreduce_min = self_i64,
                      .allreduce_max = self_i64,
                      .broadcast = self_broadcast,
                      .barrier = self_barrier,
                      .abort = self_abort,
                      .close = self_close};
    return PT_OK;
}
