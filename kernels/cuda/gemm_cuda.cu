/* Products by cuBLASLt: the only file that knows its API. Row-major c = a.b is the library's column-major c^T = b^T.a^T: our b
 * is its first operand. The heuristic's first algorithm is taken, never timed, and remembered with everything that it depends
 * on; so equal calls use equal algorithms in every run on the same chip. */
#include <cublasLt.h>

#include "kernels/cuda/op_args.cuh"

#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/gemm_cuda.h"
extern "C" {
#include "base/mem.h"
}

namespace
{
enum { PLANS = 1024, WAYS = 4, ALIGN = 256, WORKSPACE = PT_GEMM_SCRATCH - ALIGN, TILE = 128, WIDE = 256 };

/* What an algorithm depends on. No padding: compared byte by byte. */
struct plan_key {
    int64_t m, n, k, lda, ldb, ldc;
    int32_t type, ctype, ta, tb, beta, align_a, align_b, align_c;
};
static_assert(sizeof(plan_key) == 6 * 8 + 8 * 4, "no padding");
struct plan {
    plan_key key; /* m = 0: empty */
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
    uint64_t used; /* clock of the last use */
};
unsigned long long products;

int alignment(const void *p)
{
    uintptr_t a = (uintptr_t)p;
    int n = ALIGN;
    while (a % (uintptr_t)n) n /= 2;
    return n;
}
const cudaDataType lt_types[2] = {CUDA_R_32F, CUDA_R_16BF};

pt_status failed(const char *call, cublasStatus_t s, const plan_key *k)
{
    if (!k) return pt_fail(PT_EINTERNAL, "%s: %s", call, cublasLtGetStatusString(s));
    return pt_fail(PT_EINTERNAL, "%s of c[%lld,%lld] = a%s . b%s, k %lld, %s to %s, ld %lld %lld %lld: %s", call,
                   (long long)k->m, (long long)k->n, k->ta ? "^T" : "", k->tb ? "^T" : "", (long long)k->k,
                   pt_dtype_get((pt_dtype)k->type)->name, pt_dtype_get((pt_dtype)k->ctype)->name, (long long)k->lda,
                   (long long)k->ldb, (long long)k->ldc, cublasLtGetStatusString(s));
}
} // namespace

struct pt_cuda_gemms {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t desc[2][2];                    /* [tb][ta] */
    cublasLtMatrixLayout_t first[2], second[2], out[2]; /* of f32 and of bf16; sizes are set anew for each product */
    cublasLtMatmulPreference_t pref;
    uint64_t clock;
    plan plans[PLANS];
};

#define LT(call, key)                                                                                                          \
    do {                                                                                                                       \
        cublasStatus_t lt_rc_ = (call);                                                                                        \
        if (lt_rc_ != CUBLAS_STATUS_SUCCESS) return failed(#call, lt_rc_, (key));                                              \
    } while (0)

static pt_status make_handles(pt_cuda_gemms *g)
{
    size_t workspace = WORKSPACE;
    if (cublasLtCreate(&g->handle) != CUBLAS_STATUS_SUCCESS) return pt_fail(PT_ENOSUP, "cuBLASLt does not start on this GPU");
    for (int tb = 0; tb < 2; tb++)
        for (int ta = 0; ta < 2; ta++) {
            cublasOperation_t first = tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = ta ? CUBLAS_OP_T : CUBLAS_OP_N;
            cublasLtMatmulDesc_t *d = &g->desc[tb][ta];
            LT(cublasLtMatmulDescCreate(d, CUBLAS_COMPUTE_32F, CUDA_R_32F), NULL);
            LT(cublasLtMatmulDescSetAttribute(*d, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first), NULL);
            LT(cublasLtMatmulDescSetAttribute(*d, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second), NULL);
        }
    for (int t = 0; t < 2; t++) {
        LT(cublasLtMatrixLayoutCreate(&g->first[t], lt_types[t], 1, 1, 1), NULL);
        LT(cublasLtMatrixLayoutCreate(&g->second[t], lt_types[t], 1, 1, 1), NULL);
        LT(cublasLtMatrixLayoutCreate(&g->out[t], lt_types[t], 1, 1, 1), NULL);
    }
    LT(cublasLtMatmulPreferenceCreate(&g->pref), NULL);
    LT(cublasLtMatmulPreferenceSetAttribute(g->pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
       NULL);
    return PT_OK;
}

extern "C" pt_status pt_cuda_gemms_new(pt_cuda_gemms **out)
{
    pt_cuda_gemms *g = NULL;
    *out = NULL;
    PT_RETURN(pt_alloc0(&g, 1));
    pt_status rc = make_handles(g);
    if (rc == PT_OK)
        *out = g;
    else
        pt_cuda_gemms_free(g);
    return rc;
}

extern "C" void pt_cuda_gemms_free(pt_cuda_gemms *g)
{
    if (!g) return;
    if (g->pref) cublasLtMatmulPreferenceDestroy(g->pref);
    cublasLtMatrixLayout_t layouts[] = {g->first[0], g->first[1], g->second[0], g->second[1], g->out[0], g->out[1]};
    for (cublasLtMatrixLayout_t l : layouts)
        if (l) cublasLtMatrixLayoutDestroy(l);
    for (int i = 0; i < 4; i++)
        if (g->desc[i / 2][i % 2]) cublasLtMatmulDescDestroy(g->desc[i / 2][i % 2]);
    if (g->handle) cublasLtDestroy(g->handle);
    free(g);
}

extern "C" unsigned long long pt_cuda_gemms_count(void)
{
    return products;
}

static pt_status describe(cublasLtMatrixLayout_t l, int64_t rows, int64_t cols, int64_t ld)
{
    uint64_t r = (uint64_t)rows, c = (uint64_t)cols;
    LT(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_ROWS, &r, sizeof r), NULL);
    LT(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_COLS, &c, sizeof c), NULL);
    LT(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld), NULL);
    return PT_OK;
}

/* The product's three matrices in the library's terms. */
typedef struct layouts {
    cublasLtMatrixLayout_t first, second, out;
} layouts;
static pt_status describe_all(pt_cuda_gemms *g, const plan_key *k, layouts *l)
{
    int type = k->type == PT_BF16, ctype = k->ctype == PT_BF16;
    *l = {g->first[type], g->second[type], g->out[ctype]};
    PT_RETURN(describe(l->first, k->tb ? k->k : k->n, k->tb ? k->n : k->k, k->ldb));
    PT_RETURN(describe(l->second, k->ta ? k->m : k->k, k->ta ? k->k : k->m, k->lda));
    return describe(l->out, k->n, k->m, k->ldc);
}

/* The set of a key, and in it the key's plan, or the one to replace. */
static plan *find_plan(pt_cuda_gemms *g, const plan_key *k)
{
    uint64_t h = 1469598103934665603ull;
    const unsigned char *b = (const unsigned char *)k;
    for (size_t i = 0; i < sizeof *k; i++) h = (h ^ b[i]) * 1099511628211ull;
    plan *set = &g->plans[(h >> 20) % (PLANS / WAYS) * WAYS], *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (memcmp(&set[i].key, k, sizeof *k) == 0) return &set[i];
        if (set[i].used < oldest->used) oldest = &set[i];
    }
    return oldest;
}

static pt_status make_plan(pt_cuda_gemms *g, const plan_key *k, const layouts *l, plan *p)
{
    cublasLtMatmulHeuristicResult_t found;
    int n = 0;
    uint32_t aa = (uint32_t)k->align_b, ab = (uint32_t)k->align_a, ac = (uint32_t)k->align_c; /* operands swapped, as above */
    LT(cublasLtMatmulPreferenceSetAttribute(g->pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &aa, sizeof aa), NULL);
    LT(cublasLtMatmulPreferenceSetAttribute(g->pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &ab, sizeof ab), NULL);
    LT(cublasLtMatmulPreferenceSetAttribute(g->pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &ac, sizeof ac), NULL);
    LT(cublasLtMatmulPreferenceSetAttribute(g->pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &ac, sizeof ac), NULL);
    cublasStatus_t s = cublasLtMatmulAlgoGetHeuristic(g->handle, g->desc[k->tb][k->ta], l->first, l->second, l->out, l->out,
                                                      g->pref, 1, &found, &n);
    if (s == CUBLAS_STATUS_SUCCESS && n < 1) s = CUBLAS_STATUS_NOT_SUPPORTED;
    if (s != CUBLAS_STATUS_SUCCESS) return failed("cublasLtMatmulAlgoGetHeuristic", s, k);
    p->key = *k;
    p->algo = found.algo;
    p->workspace = found.workspaceSize;
    return PT_OK;
}

/* Waves of square tiles that m rows and n columns take; of wide ones, each is two. */
static int64_t waves(int sms, int64_t m, int64_t n)
{
    int64_t tall = pt_ceil_div(m, TILE), square = pt_ceil_div(tall * pt_ceil_div(n, TILE), sms),
            wide = 2 * pt_ceil_div(tall * pt_ceil_div(n, WIDE), sms);
    return square < wide ? square : wide;
}

extern "C" int64_t pt_cuda_piece(int sms, int64_t m, int64_t n, int64_t most)
{
    if (n <= most) return n;
    int64_t best = most, fewest = n / most * waves(sms, m, most) + waves(sms, m, n % most);
    for (int64_t p = (most - 1) / WIDE * WIDE; p > 0; p -= WIDE) {
        int64_t all = n / p * waves(sms, m, p) + waves(sms, m, n % p);
        if (all < fewest) best = p, fewest = all;
    }
    return best;
}

extern "C" int64_t pt_cuda_gemm_piece(const pt_ctx *ctx, int64_t m, int64_t n, int64_t most)
{
    return pt_cuda_piece(static_cast<const pt_cuda_device *>(ctx->device)->sms, m, n, most);
}

static pt_status check(const pt_cuda_gemm_args *a)
{
    if ((a->type != PT_F32 && a->type != PT_BF16) || (a->ctype != PT_F32 && a->ctype != a->type))
        return pt_fail(PT_ENOSUP, "gemm: %s to %s", pt_dtype_get(a->type)->name, pt_dtype_get(a->ctype)->name);
    if (a->m < 0 || a->n < 0 || a->k < 0 || a->lda < (a->ta ? a->m : a->k) || a->ldb < (a->tb ? a->k : a->n) || a->ldc < a->n ||
        (a->beta != 0 && a->beta != 1))
        return pt_fail(PT_ESHAPE, "gemm: c[%lld,%lld], k %lld, ld %lld %lld %lld, beta %g", (long long)a->m, (long long)a->n,
                       (long long)a->k, (long long)a->lda, (long long)a->ldb, (long long)a->ldc, (double)a->beta);
    return PT_OK;
}

static pt_status no_sum(pt_ctx *ctx, const pt_cuda_gemm_args *a)
{
    size_t elem = pt_dtype_get(a->ctype)->bytes;
    if (a->beta == 0)
        PT_CUDA_RETURN(cudaMemset2DAsync(a->c, (size_t)a->ldc * elem, 0, (size_t)a->n * elem, (size_t)a->m, pt_stream(ctx)));
    return PT_OK;
}

extern "C" pt_status pt_cuda_gemm(pt_ctx *ctx, const pt_cuda_gemm_args *a)
{
    PT_RETURN(check(a));
    if (a->m == 0 || a->n == 0) return PT_OK;
    if (a->k == 0) return no_sum(ctx, a);
    if (!ctx->device) return pt_fail(PT_ESTATE, "gemm: the device is not open");
    pt_cuda_gemms *g = static_cast<pt_cuda_device *>(ctx->device)->gemms;
    plan_key key = {a->m,     a->n,  a->k,  a->lda,       a->ldb,          a->ldc,          a->type,
                    a->ctype, a->ta, a->tb, a->beta != 0, alignment(a->a), alignment(a->b), alignment(a->c)};
    layouts l;
    PT_RETURN(describe_all(g, &key, &l));
    plan *p = find_plan(g, &key);
    if (memcmp(&p->key, &key, sizeof key) != 0) PT_RETURN(make_plan(g, &key, &l, p));
    p->used = ++g->clock;
    void *workspace = (void *)pt_align_up((uintptr_t)a->scratch, ALIGN);
    cublasStatus_t s = cublasLtMatmul(g->handle, g->desc[key.tb][key.ta], &a->alpha, a->b, l.first, a->a, l.second, &a->beta,
                                      a->c, l.out, a->c, l.out, &p->algo, workspace, WORKSPACE, pt_stream(ctx));
    if (s != CUBLAS_STATUS_SUCCESS) {
        p->key.m = 0;
        return failed("cublasLtMatmul", s, &key);
    }
    products++;
    return PT_OK;
}
