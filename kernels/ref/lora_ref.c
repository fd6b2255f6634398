#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

/* The factor of feature f: 0 or 1/(1-p); 1 without dropout. */
static double keep(const pt_lora_args *a, uint32_t module, int64_t n, int64_t f)
{
    if (a->dropout == 0) return 1;
    const uint64_t *key = pt_at(a->token_key);
    pt_rng4 w = pt_rng_words(a->seed, PT_RNG_DROPOUT, pt_hash_mix(key[n], a->step), (uint64_t)module << 32 | (uint64_t)(f / 4));
    return pt_rng_unit(w.v[f % 4]) < a->dropout ? 0 : 1.0 / (1.0 - (double)a->dropout);
}

static void forward_token(const pt_lora_args *a, const pt_lora_part *p, const pt_lora_slot *s, int64_t n, double *t)
{
    const float *x = pt_f32_row(a->x, n);
    for (int k = 0; k < s->rank; k++) t[k] = 0;
    for (int64_t f = 0; f < a->x.cols; f++) {
        double xf = x[f] * keep(a, p->module, n, f);
        for (int k = 0; k < s->rank; k++) t[k] += xf * pt_f32_row(s->a, k)[f];
    }
    if (pt_view_ok(p->t))
        for (int k = 0; k < s->rank; k++) pt_f32_row(p->t, n)[k] = (float)t[k];
    float *y = pt_f32_row(p->y, n);
    for (int64_t o = 0; o < p->y.cols; o++) {
        double sum = 0;
        for (int k = 0; k < s->rank; k++) sum += t[k] * pt_f32_row(s->b, o)[k];
        y[o] = (float)(y[o] + s->scale * sum);
    }
}

static int max_rank(const pt_lora_args *a)
{
    int r = 1;
    for (int p = 0; p < a->n_parts; p++)
        for (int s = 0; s < a->n_slots; s++)
            if (a->parts[p].slots[s].rank > r) r = a->parts[p].slots[s].rank;
    return r;
}

pt_status pt_ref_lora(pt_ctx *ctx, const pt_lora_args *a)
{
    pt_status rc = PT_OK;
    double *t = NULL;
    PT_TRY(pt_check_lora(ctx, a, false));
    PT_TRY(pt_lora_base(ctx, a, false));
    if (ctx->dry) goto done;
    PT_TRY(pt_alloc0(&t, max_rank(a)));
    for (int p = 0; p < a->n_parts; p++)
        for (int r = 0; r < a->n_runs; r++) {
            const pt_lora_run *run = &a->runs[r];
            if (run->slot < 0 || a->parts[p].slots[run->slot].rank == 0) continue;
            for (int64_t n = run->begin; n < run->end; n++) forward_token(a, &a->parts[p], &a->parts[p].slots[run->slot], n, t);
        }
done:
    free(t);
    return rc;
}

/* Adds a run's part of dB, dA and dx. Sums over tokens are double: da and db hold [r,I] and [O,r] sums of this run. */
static void backward_run(const pt_lora_args *a, const pt_lora_part *p, const pt_lora_run *run, double *dt, double *da, double *db)
{
    const pt_lora_slot *s = &p->slots[run->slot];
    const bool own = a->half != PT_LORA_TO_X; /* dA and dB */
    int64_t in = a->x.cols, out = p->dy.cols;
    for (int64_t n = run->begin; n < run->end; n++) {
        const float *dy = pt_f32_row(p->dy, n), *x = pt_f32_row(a->x, n);
        for (int k = 0; k < s->rank; k++) {
            dt[k] = 0;
            for (int64_t o = 0; o < out; o++) {
                dt[k] += (double)s->scale * dy[o] * pt_f32_row(s->b, o)[k];
                if (own && pt_view_ok(s->db)) db[o * s->rank + k] += (double)s->scale * dy[o] * pt_f32_row(p->t, n)[k];
            }
            if (a->half == PT_LORA_TO_X) pt_f32_row(p->dt, n)[k] = (float)dt[k];
            if (a->half == PT_LORA_OWN) dt[k] = pt_f32_row(p->dt, n)[k];
        }
        for (int64_t f = 0; f < in; f++) {
            double m = keep(a, p->module, n, f), dx = 0;
            for (int k = 0; k < s->rank; k++) {
                if (own) da[k * in + f] += dt[k] * m * x[f];
                dx += dt[k] * pt_f32_row(s->a, k)[f];
            }
            if (pt_view_ok(a->dx)) pt_f32_row(a->dx, n)[f] = (float)(pt_f32_row(a->dx, n)[f] + m * dx);
        }
    }
    if (!own) return;
    for (int k = 0; k < s->rank; k++) {
        for (int64_t f = 0; f < in && pt_view_ok(s->da); f++) pt_f32_row(s->da, k)[f] = (float)(pt_f32_row(s->da, k)[f] + da[k * in + f]);
        for (int64_t o = 0; o < out && pt_view_ok(s->db); o++) pt_f32_row(s->db, o)[k] = (float)(pt_f32_row(s->db, o)[k] + db[o * s->rank + k]);
    }
}

pt_status pt_ref_lora_bwd(pt_ctx *ctx, const pt_lora_args *a)
{
    pt_status rc = PT_OK;
    double *dt = NULL, *da = NULL, *db = NULL;
    PT_TRY(pt_check_lora(ctx, a, true));
    PT_TRY(pt_lora_base(ctx, a, true));
    if (ctx->dry) goto done;
    for (int p = 0; p < a->n_parts; p++)
        for (int r = 0; r < a->n_runs; r++) {
            const pt_lora_run *run = &a->runs[r];
            if (run->slot < 0 || a->parts[p].slots[run->slot].rank == 0) continue;
            int64_t rank = a->parts[p].slots[run->slot].rank;
            free(dt), free(da), free(db);
            dt = da = db = NULL;
            PT_TRY(pt_alloc0(&dt, rank));
            PT_TRY(pt_alloc0(&da, rank * a->x.cols));
            PT_TRY(pt_alloc0(&db, rank * a->parts[p].dy.cols));
            backward_run(a, &a->parts[p], run, dt, da, db);
        }
done:
    free(dt);
    free(da);
    free(db);
    return rc;
}
