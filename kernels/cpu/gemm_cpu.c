#include "kernels/cpu/gemm_cpu.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/foreign.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/cpu/product_v.h"
#include "kernels/ops.h"

/* A made product: its key and its oneDNN objects. */
typedef struct made {
    int64_t key[9]; /* type, ta | tb << 1 | beta << 2, m, n, k, lda, ldb, ldc, used */
    dnnl_primitive_t prim;
    dnnl_memory_t a, b, c;
} made;

enum { SLOTS = 1024, MAX_MADE = 512, KEY_BYTES = 8 * sizeof(int64_t) };

struct pt_gemm {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    made slot[SLOTS]; /* open addressing; emptied whole when MAX_MADE are in use */
    int count;
};

static const char library[] = "oneDNN";

static pt_status dnnl_error(dnnl_status_t s, const char *what)
{
    return pt_fail(s == dnnl_out_of_memory ? PT_ENOMEM : s == dnnl_unimplemented ? PT_ENOSUP : PT_EINTERNAL, "oneDNN: %s failed (status %d)", what,
                   (int)s);
}
#define DNNL_TRY(call)                                      \
    do {                                                    \
        pt_foreign_enter(library);                            \
        dnnl_status_t st_ = (call);                         \
        pt_foreign_leave();                                   \
        if (st_ != dnnl_success) {                          \
            rc = dnnl_error(st_, #call);                    \
            goto done;                                      \
        }                                                   \
    } while (0)

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc;
#define DESC_REF(d) (d)
static dnnl_status_t desc_make(desc *d, const dnnl_dims_t dims, dnnl_data_type_t t, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(d, 2, dims, t, strides);
}
static void desc_free(desc *d)
{
    if (*d) dnnl_memory_desc_destroy(*d);
}
static dnnl_status_t pd_make(dnnl_primitive_desc_t *pd, dnnl_engine_t e, desc *a, desc *b, desc *c, dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, e, *a, *b, NULL, *c, attr);
}
static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
}
#else
typedef dnnl_memory_desc_t desc;
#define DESC_REF(d) (&(d))
static dnnl_status_t desc_make(desc *d, const dnnl_dims_t dims, dnnl_data_type_t t, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(d, 2, dims, t, strides);
}
static void desc_free(desc *d)
{
    (void)d; /* a plain struct in v2 */
}
static dnnl_status_t pd_make(dnnl_primitive_desc_t *pd, dnnl_engine_t e, desc *a, desc *b, desc *c, dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t md;
    dnnl_status_t s = dnnl_matmul_desc_init(&md, a, b, NULL, c);
    return s != dnnl_success ? s : dnnl_primitive_desc_create(pd, &md, attr, e, NULL);
}
static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1);
}
#endif

static void made_free(made *m)
{
    if (m->a) dnnl_memory_destroy(m->a);
    if (m->b) dnnl_memory_destroy(m->b);
    if (m->c) dnnl_memory_destroy(m->c);
    if (m->prim) dnnl_primitive_destroy(m->prim);
    *m = (made){0};
}

/* The primitive for key k; m is zeroed. */
static pt_status made_new(pt_gemm *g, made *m, const int64_t *k)
{
    pt_status rc = PT_OK;
    bool ta = k[1] & 1, tb = k[1] & 2, sum = k[1] & 4;
    dnnl_data_type_t t = k[0] == PT_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t da = {k[2], k[4]}, db = {k[4], k[3]}, dc = {k[2], k[3]};
    dnnl_dims_t sa = {ta ? 1 : k[5], ta ? k[5] : 1}, sb = {tb ? 1 : k[6], tb ? k[6] : 1}, sc = {k[7], 1};
    desc ma = {0}, mb = {0}, mc = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_desc_t pd = NULL;
    DNNL_TRY(desc_make(&ma, da, t, sa));
    DNNL_TRY(desc_make(&mb, db, t, sb));
    DNNL_TRY(desc_make(&mc, dc, dnnl_f32, sc));
    DNNL_TRY(dnnl_primitive_attr_create(&attr));
    DNNL_TRY(dnnl_post_ops_create(&ops));
    if (sum) DNNL_TRY(append_sum(ops));
    DNNL_TRY(dnnl_primitive_attr_set_post_ops(attr, ops));
    DNNL_TRY(pd_make(&pd, g->engine, &ma, &mb, &mc, attr));
    DNNL_TRY(dnnl_primitive_create(&m->prim, pd));
    DNNL_TRY(dnnl_memory_create(&m->a, DESC_REF(ma), g->engine, DNNL_MEMORY_NONE));
    DNNL_TRY(dnnl_memory_create(&m->b, DESC_REF(mb), g->engine, DNNL_MEMORY_NONE));
    DNNL_TRY(dnnl_memory_create(&m->c, DESC_REF(mc), g->engine, DNNL_MEMORY_NONE));
    memcpy(m->key, k, KEY_BYTES);
    m->key[8] = 1;
done:
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    desc_free(&ma), desc_free(&mb), desc_free(&mc);
    if (rc != PT_OK) made_free(m);
    return rc;
}

static void forget_all(pt_gemm *g)
{
    for (int i = 0; i < SLOTS; i++)
        if (g->slot[i].key[8]) made_free(&g->slot[i]);
    g->count = 0;
}

static pt_status lookup(pt_gemm *g, const int64_t *k, made **out)
{
    uint64_t h = 0;
    for (int i = 0; i < 8; i++) h = (h ^ (uint64_t)k[i]) * 0x9E3779B97F4A7C15ull, h ^= h >> 29;
    int at = (int)(h % SLOTS);
    while (g->slot[at].key[8] && memcmp(g->slot[at].key, k, KEY_BYTES)) at = (at + 1) % SLOTS;
    *out = &g->slot[at];
    if (g->slot[at].key[8]) return PT_OK;
    if (g->count == MAX_MADE) {
        forget_all(g);
        *out = &g->slot[h % SLOTS];
    }
    PT_RETURN(made_new(g, *out, k));
    g->count++;
    return PT_OK;
}

static pt_status run_matmul(pt_gemm *g, const pt_gemm_args *x)
{
    pt_status rc = PT_OK;
    int64_t k[8] = {x->type, (x->ta ? 1 : 0) | (x->tb ? 2 : 0) | (x->beta != 0 ? 4 : 0), x->m, x->n, x->k, x->lda, x->ldb, x->ldc};
    made *m;
    PT_TRY(lookup(g, k, &m));
    DNNL_TRY(dnnl_memory_set_data_handle(m->a, (void *)(uintptr_t)x->a));
    DNNL_TRY(dnnl_memory_set_data_handle(m->b, (void *)(uintptr_t)x->b));
    DNNL_TRY(dnnl_memory_set_data_handle(m->c, x->c));
    dnnl_exec_arg_t args[3] = {{DNNL_ARG_SRC, m->a}, {DNNL_ARG_WEIGHTS, m->b}, {DNNL_ARG_DST, m->c}};
    DNNL_TRY(dnnl_primitive_execute(m->prim, g->stream, 3, args));
    DNNL_TRY(dnnl_stream_wait(g->stream));
done:
    return rc;
}

/* Rows [r0, r1) of the product, on the calling thread when it runs beside others. */
static dnnl_status_t sgemm_rows(const pt_gemm_args *a, int64_t r0, int64_t r1)
{
    pt_foreign_enter(library);
    dnnl_status_t s = dnnl_sgemm(a->ta ? 'T' : 'N', a->tb ? 'T' : 'N', r1 - r0, a->n, a->k, a->alpha, (const float *)a->a + r0 * (a->ta ? 1 : a->lda), a->lda,
                      a->b, a->ldb, a->beta, a->c + r0 * a->ldc, a->ldc);
    pt_foreign_leave();
    return s;
}

/* Many rows for each thread: every thread runs a product of its own on its share of them, which is up to a fifth faster than oneDNN's
 * own division (one barrier instead of several). Shares are multiples of SHARE rows. */
enum { SHARE = 16, ROWS_A_THREAD = 96 };
static dnnl_status_t sgemm_split(const pt_gemm_args *a)
{
    int64_t threads = pt_threads_get(), shares = (a->m + SHARE - 1) / SHARE;
    if (threads < 2 || a->m < threads * ROWS_A_THREAD) return sgemm_rows(a, 0, a->m);
    int failed = 0;
#pragma omp parallel for schedule(static, 1) reduction(max : failed)
    for (int64_t t = 0; t < threads; t++) {
        int64_t r0 = shares * t / threads * SHARE, r1 = shares * (t + 1) / threads * SHARE;
        dnnl_status_t s = sgemm_rows(a, r0, r1 < a->m ? r1 : a->m);
        if (s != dnnl_success) failed = (int)s;
    }
    return (dnnl_status_t)failed;
}

/* Products that go through product_v.h: many rows times a transposed matrix, and any over few k. */
enum { STRIP_ROWS = PT_GEMM_STORED_ROWS, FEW_K = 64, ITEMS_A_THREAD = 4 };
static bool by_strips(const pt_gemm_args *a) { return !a->ta && a->m >= STRIP_ROWS && (a->tb || a->k <= FEW_K); }

/* Strips of columns, and when they are few parts of the rows, taken by whichever thread is free. */
static void run_strips(const pt_gemm_args *a)
{
    pt_product p = {.x = a->a, .w = a->b, .ldx = a->lda, .ldw = a->ldb, .k = a->k, .type = a->stored, .turned = a->tb, .alpha = a->alpha, .y = a->c, .ldy = a->ldc,
                    .beta = a->beta};
    int64_t wide = PT_PRODUCT_COLS * (a->k > FEW_K ? 1 : PT_PRODUCT_DEPTH / ((a->k + 15) / 16 * 16)), strips = (a->n + wide - 1) / wide;
    int64_t want = (int64_t)ITEMS_A_THREAD * pt_threads_get(), most = a->m / STRIP_ROWS, parts = (want + strips - 1) / strips;
    if (parts > most) parts = most;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t i = 0; i < strips * parts; i++) {
        int64_t n0 = i / parts * wide, n1 = n0 + wide, r = i % parts;
        PT_PICK(pt_vproduct)(&p, a->m * r / parts, a->m * (r + 1) / parts, n0, n1 < a->n ? n1 : a->n);
    }
}

pt_status pt_gemm_run(pt_gemm *g, const pt_gemm_args *a)
{
    if (a->m == 0 || a->n == 0) return PT_OK;
    if (a->k == 0) {
        for (int64_t i = 0; i < a->m && a->beta == 0; i++) memset(a->c + i * a->ldc, 0, (size_t)a->n * sizeof *a->c);
        return PT_OK;
    }
    if (a->type == PT_BF16) {
        if (a->alpha != 1) return pt_fail(PT_EINTERNAL, "bf16 product with alpha %g", (double)a->alpha);
        return run_matmul(g, a);
    }
    if (by_strips(a)) {
        run_strips(a);
        return PT_OK;
    }
    if (a->stored != PT_F32) return pt_fail(PT_EINTERNAL, "product of %lld rows with stored weights", (long long)a->m);
    dnnl_status_t s = sgemm_split(a);
    return s == dnnl_success ? PT_OK : dnnl_error(s, "dnnl_sgemm");
}

pt_status pt_gemm_has_bf16(pt_gemm *g)
{
    made *m;
    int64_t k[8] = {PT_BF16, 2, 64, 64, 64, 64, 64, 64};
    pt_status rc = lookup(g, k, &m);
    if (rc == PT_OK || rc == PT_ENOMEM) return rc;
    return pt_fail(PT_ENOSUP, "oneDNN has no bf16 matrix product on this processor: use compute f32");
}

pt_status pt_gemm_new(pt_gemm **out)
{
    pt_status rc = PT_OK;
    pt_gemm *g = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&g, 1));
    DNNL_TRY(dnnl_engine_create(&g->engine, dnnl_cpu, 0));
    DNNL_TRY(dnnl_stream_create(&g->stream, g->engine, dnnl_stream_default_flags));
    *out = g;
    g = NULL;
done:
    pt_gemm_free(g);
    return rc;
}

void pt_gemm_free(pt_gemm *g)
{
    if (!g) return;
    forget_all(g);
    if (g->stream) dnnl_stream_destroy(g->stream);
    if (g->engine) dnnl_engine_destroy(g->engine);
    free(g);
}

void pt_cpu_library(char out[PT_LIBRARY_NAME])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(out, PT_LIBRARY_NAME, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
