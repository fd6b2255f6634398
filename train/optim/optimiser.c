#include "train/optim/optimiser.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

struct pt_optim {
    pt_ctx *ctx;
    int64_t count, decayed;
    pt_optim_options opt;
    pt_arena arena;
    pt_view m, v, scalars, acc;
    pt_optim_range *ranges; /* NULL: one */
    size_t n_ranges;
    pt_status (*before_wait)(void *user);
    void *user;
};

static pt_status carve(pt_optim *o)
{
    pt_arena_reset(&o->arena);
    PT_RETURN(pt_arena_carve(&o->arena, PT_F32, 1, o->count, &o->m));
    PT_RETURN(pt_arena_carve(&o->arena, PT_F32, 1, o->count, &o->v));
    PT_RETURN(pt_arena_carve(&o->arena, PT_F32, 1, 4, &o->scalars));
    return pt_arena_carve(&o->arena, PT_F64, 1, 1, &o->acc);
}

pt_status pt_optim_new(pt_optim **out, pt_ctx *ctx, int64_t count, int64_t decayed, const pt_optim_options *opt)
{
    pt_status rc = PT_OK;
    pt_optim *o = NULL;
    *out = NULL;
    PT_CHECK(count > 0 && decayed >= 0 && decayed <= count, PT_ESHAPE, "an optimiser of %lld parameters, %lld of them decayed",
             (long long)count, (long long)decayed);
    PT_TRY(pt_alloc0(&o, 1));
    *o = (pt_optim){.ctx = ctx, .count = count, .decayed = decayed, .opt = *opt};
    pt_arena_init(&o->arena, PT_ROLE_OPTIMISER);
    PT_TRY(carve(o));
    *out = o;
    o = NULL;
done:
    pt_optim_free(o);
    return rc;
}

void pt_optim_free(pt_optim *o)
{
    if (!o) return;
    if (o->arena.buf.base) o->ctx->ops->free(o->ctx, &o->arena.buf);
    free(o->ranges);
    free(o);
}

size_t pt_optim_bytes(const pt_optim *o)
{
    return o->arena.peak;
}

pt_status pt_optim_commit(pt_optim *o)
{
    pt_ctx *c = o->ctx;
    if (o->arena.buf.base) return pt_fail(PT_ESTATE, "the optimiser has its memory already");
    PT_RETURN(c->ops->alloc(c, &o->arena.buf, o->arena.peak));
    o->arena.sealed = true;
    PT_RETURN(carve(o));
    PT_RETURN(c->ops->zero(c, o->m));
    PT_RETURN(c->ops->zero(c, o->v));
    PT_RETURN(c->ops->zero(c, o->scalars));
    return c->ops->zero(c, o->acc);
}

/* One range of the vectors; a range of no elements is nothing. */
static pt_status update(pt_optim *o, pt_view p, pt_view g, int64_t at, int64_t n, float lr, float decay)
{
    if (n == 0) return PT_OK;
    pt_adamw_args a = {.p = pt_view_cols(p, at, n),
                       .m = pt_view_cols(o->m, at, n),
                       .v = pt_view_cols(o->v, at, n),
                       .g = pt_view_cols(g, at, n),
                       .scalars = o->scalars,
                       .lr = lr,
                       .beta1 = o->opt.beta1,
                       .beta2 = o->opt.beta2,
                       .eps = o->opt.eps,
                       .weight_decay = decay};
    /* a range is a vector of its own: dense */
    a.p.ld = a.m.ld = a.v.ld = a.g.ld = n;
    return o->ctx->ops->adamw(o->ctx, &a);
}

pt_status pt_optim_set_ranges(pt_optim *o, const pt_optim_range *ranges, size_t n)
{
    int64_t sum = 0;
    pt_optim_range *copy = NULL;
    for (size_t i = 0; i < n; i++) sum += ranges[i].n;
    if (n && sum != o->count) return pt_fail(PT_ESHAPE, "ranges of %lld of %lld parameters", (long long)sum, (long long)o->count);
    if (n) PT_RETURN(pt_alloc0(&copy, n));
    for (size_t i = 0; i < n; i++) copy[i] = ranges[i];
    free(o->ranges);
    o->ranges = copy;
    o->n_ranges = n;
    return PT_OK;
}

/* Elements [at, at + n), of which those before `decayed` decay. */
static pt_status update_range(pt_optim *o, pt_view p, pt_view g, int64_t at, int64_t n, float lr)
{
    int64_t first = o->decayed - at < 0 ? 0 : o->decayed - at > n ? n : o->decayed - at;
    PT_RETURN(update(o, p, g, at, first, lr, o->opt.weight_decay));
    return update(o, p, g, at + first, n - first, lr, 0);
}

static pt_status update_all(pt_optim *o, pt_view p, pt_view g, float lr)
{
    int64_t at = 0;
    if (!o->n_ranges) return update_range(o, p, g, 0, o->count, lr);
    for (size_t i = 0; i < o->n_ranges; at += o->ranges[i++].n) PT_RETURN(update_range(o, p, g, at, o->ranges[i].n, lr * o->ranges[i].rate));
    return PT_OK;
}

pt_status pt_optim_step(pt_optim *o, pt_view p, pt_view g, float lr, float *norm, bool *finite)
{
    pt_status rc = PT_OK;
    pt_ctx *c = o->ctx;
    float s[4];
    PT_CHECK(o->arena.sealed, PT_ESTATE, "the optimiser has no memory yet");
    PT_CHECK(p.cols == o->count && g.cols == o->count, PT_ESHAPE,
             "the optimiser has %lld parameters, the vectors %lld and %lld", (long long)o->count, (long long)p.cols,
             (long long)g.cols);
    PT_TRY(c->ops->sumsq(c, &(pt_sumsq_args){.acc = o->acc, .x = g}));
    PT_TRY(c->ops->clip(c, &(pt_clip_args){.scalars = o->scalars, .acc = o->acc, .max_norm = o->opt.max_norm}));
    PT_TRY(update_all(o, p, g, lr));
    if (o->before_wait) PT_TRY(o->before_wait(o->user));
    PT_TRY(c->ops->download(c, s, o->scalars));
    *norm = s[PT_SCALAR_NORM];
    *finite = s[PT_SCALAR_FINITE] != 0;
done:
    return rc;
}

void pt_optim_before_wait(pt_optim *o, pt_status (*fn)(void *user), void *user)
{
    o->before_wait = fn;
    o->user = user;
}

pt_status pt_optim_sumsq(pt_optim *o, pt_view g, int64_t at, int64_t n, double *out)
{
    pt_ctx *c = o->ctx;
    pt_view part = pt_view_cols(g, at, n);
    part.ld = n;
    PT_RETURN(c->ops->zero(c, o->acc));
    PT_RETURN(c->ops->sumsq(c, &(pt_sumsq_args){.acc = o->acc, .x = part}));
    PT_RETURN(c->ops->download(c, out, o->acc));
    return c->ops->zero(c, o->acc);
}

pt_view pt_optim_m(const pt_optim *o)
{
    return o->m;
}
pt_view pt_optim_v(const pt_optim *o)
{
    return o->v;
}

pt_status pt_optim_applied(pt_optim *o, int64_t *applied)
{
    float s[4];
    PT_RETURN(o->ctx->ops->download(o->ctx, s, o->scalars));
    *applied = (int64_t)s[PT_SCALAR_APPLIED];
    return PT_OK;
}

pt_status pt_optim_set_applied(pt_optim *o, int64_t applied)
{
    float s[4] = {0};
    if (applied < 0 || applied > 1 << 24) return pt_fail(PT_EFORMAT, "a count of %lld applied steps", (long long)applied);
    s[PT_SCALAR_CLIP] = 1;
    s[PT_SCALAR_FINITE] = 1;
    s[PT_SCALAR_APPLIED] = (float)applied;
    return o->ctx->ops->upload(o->ctx, o->scalars, s);
}
