/* cuBLASLt as plain loops: inputs widened to f32, sums in f32, one rounding on store. Types and alignment by cublas_rules.h.
 * The heuristic gives one algorithm that remembers the alignment it was asked for; a product that breaks it is refused, as the
 * library may fault there. */
#include <stdio.h>
#include <string.h>

#include "cublas_rules.h"
#include "cuda_bf16.h"
#include "emu_rt.h"

struct cublasLtContext { int alive; };
namespace {
struct desc { cublasComputeType_t compute; cudaDataType_t scale; cublasOperation_t ta, tb; int device_scalars; };
struct layout { cudaDataType type; int order, batch; uint64_t rows, cols; int64_t ld, stride; };
struct pref { uint64_t workspace; uint32_t align[4]; uint32_t schemes; };
struct algo { uint64_t magic; uint32_t align[4]; uint64_t workspace; };
static_assert(sizeof(desc) <= sizeof(cublasLtMatmulDescOpaque_t) && sizeof(layout) <= sizeof(cublasLtMatrixLayoutOpaque_t) &&
                  sizeof(pref) <= sizeof(cublasLtMatmulPreferenceOpaque_t) && sizeof(algo) <= sizeof(cublasLtMatmulAlgo_t),
              "fits the library's opaque types");
enum : uint64_t { ALGO_MAGIC = 0x656d75616c676f31 };
template <typename T> T *as(void *p) { return (T *)p; }
size_t size_of(cudaDataType t) { return t == CUDA_R_32F ? 4 : t == CUDA_R_64F ? 8 : 2; }

bool types_allowed(const desc *d, const layout *a, const layout *b, const layout *c, const layout *o)
{
    for (const emu_gemm_types &t : emu_gemm_allowed)
        if (t.compute == d->compute && t.scale == d->scale && t.a == a->type && t.b == b->type && t.c == c->type &&
            t.d == o->type)
            return true;
    return false;
}

cublasStatus_t check(const desc *d, const layout *a, const layout *b, const layout *c, const layout *o)
{
    if (!types_allowed(d, a, b, c, o)) return CUBLAS_STATUS_NOT_SUPPORTED;
    const layout *all[] = {a, b, c, o};
    for (const layout *l : all) {
        if (!l->rows || !l->cols || l->ld < (int64_t)(l->order == CUBLASLT_ORDER_ROW ? l->cols : l->rows))
            return CUBLAS_STATUS_INVALID_VALUE;
        if (l->batch != o->batch) return CUBLAS_STATUS_INVALID_VALUE;
    }
    uint64_t m = d->ta == CUBLAS_OP_N ? a->rows : a->cols, k = d->ta == CUBLAS_OP_N ? a->cols : a->rows;
    uint64_t k2 = d->tb == CUBLAS_OP_N ? b->rows : b->cols, n = d->tb == CUBLAS_OP_N ? b->cols : b->rows;
    if (k != k2 || m != o->rows || n != o->cols || m != c->rows || n != c->cols) return CUBLAS_STATUS_INVALID_VALUE;
    return c->order == o->order ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

/* Tells the shadow memory of the vectors (rows or columns, whichever are contiguous) of one matrix. */
void touch(const void *p, const layout *l, int batch, int how, const char *who)
{
    size_t es = size_of(l->type), len = l->order == CUBLASLT_ORDER_ROW ? l->cols : l->rows,
           n = l->order == CUBLASLT_ORDER_ROW ? l->rows : l->cols;
    const char *base = (const char *)p + (size_t)batch * (size_t)l->stride * es;
    emu_need_dev(who, base, ((n - 1) * (size_t)l->ld + len) * es);
    for (size_t i = 0; i < n; i++) emu_shadow_range(base + i * (size_t)l->ld * es, len * es, how, who);
}

float load(const void *p, cudaDataType t, size_t i)
{
    return t == CUDA_R_32F ? ((const float *)p)[i] : __bfloat162float(((const __nv_bfloat16 *)p)[i]);
}
size_t at(const layout *l, size_t r, size_t c)
{
    return l->order == CUBLASLT_ORDER_ROW ? r * (size_t)l->ld + c : c * (size_t)l->ld + r;
}

/* op(matrix) as dense rows of f32. */
std::vector<float> widen(const void *p, const layout *l, cublasOperation_t op, int batch)
{
    const char *base = (const char *)p + (size_t)batch * (size_t)l->stride * size_of(l->type);
    size_t rows = op == CUBLAS_OP_N ? l->rows : l->cols, cols = op == CUBLAS_OP_N ? l->cols : l->rows;
    std::vector<float> v(rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) v[r * cols + c] = load(base, l->type, op == CUBLAS_OP_N ? at(l, r, c) : at(l, c, r));
    return v;
}

__attribute__((always_inline)) inline void multiply_body(const float *a, const float *b, float *c, size_t m, size_t n, size_t k)
{
    for (size_t j0 = 0; j0 < n; j0 += 256) {
        size_t w = n - j0 < 256 ? n - j0 : 256;
        for (size_t i = 0; i < m; i++) {
            float *out = c + i * n + j0;
            for (size_t p = 0; p < k; p++) {
                const float x = a[i * k + p], *row = b + p * n + j0;
#pragma omp simd
                for (size_t j = 0; j < w; j++) out[j] += x * row[j];
            }
        }
    }
}
void multiply_base(const float *a, const float *b, float *c, size_t m, size_t n, size_t k) { multiply_body(a, b, c, m, n, k); }
#if defined(__x86_64__)
__attribute__((target("avx2"))) void multiply_avx2(const float *a, const float *b, float *c, size_t m, size_t n, size_t k)
{
    multiply_body(a, b, c, m, n, k);
}
#endif
void multiply(const float *a, const float *b, float *c, size_t m, size_t n, size_t k)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        multiply_avx2(a, b, c, m, n, k);
        return;
    }
#endif
    multiply_base(a, b, c, m, n, k);
}

struct job { desc d; layout la, lb, lc, lo; const void *a, *b, *c; void *out; void *ws; size_t ws_bytes; float alpha, beta; };

/* Sampled launches (EMU_SAMPLE) are of a size that no product here would end: only the extents are looked at. */
void extent(const void *p, const layout *l, const char *who)
{
    size_t es = size_of(l->type), len = l->order == CUBLASLT_ORDER_ROW ? l->cols : l->rows,
           n = l->order == CUBLASLT_ORDER_ROW ? l->rows : l->cols;
    emu_need_dev(who, p, ((n - 1) * (size_t)l->ld + len) * es);
}

void run_job(const job &j)
{
    if (emu_set.sample > 0) {
        extent(j.a, &j.la, "cublasLtMatmul (A)");
        extent(j.b, &j.lb, "cublasLtMatmul (B)");
        extent(j.out, &j.lo, "cublasLtMatmul (D)");
        return;
    }
    size_t m = j.lo.rows, n = j.lo.cols, k = j.d.ta == CUBLAS_OP_N ? j.la.cols : j.la.rows;
    for (int batch = 0; batch < j.lo.batch; batch++) {
        touch(j.a, &j.la, batch, EMU_READ, "cublasLtMatmul (A)");
        touch(j.b, &j.lb, batch, EMU_READ, "cublasLtMatmul (B)");
        if (j.beta != 0) touch(j.c, &j.lc, batch, EMU_READ, "cublasLtMatmul (C)");
        size_t used = j.ws_bytes < 4096 ? j.ws_bytes : 4096; /* enough to see a race; all of it would be slow */
        if (used) emu_need_dev("cublasLtMatmul (workspace)", j.ws, j.ws_bytes);
        if (used) emu_shadow_range(j.ws, used, EMU_WRITE, "cublasLtMatmul (workspace)");
        if (used) memset(j.ws, 0xff, used);
        std::vector<float> a = widen(j.a, &j.la, j.d.ta, batch), b = widen(j.b, &j.lb, j.d.tb, batch), acc(m * n, 0.0f);
        multiply(a.data(), b.data(), acc.data(), m, n, k);
        touch(j.out, &j.lo, batch, EMU_WRITE, "cublasLtMatmul (D)");
        size_t es = size_of(j.lo.type);
        const char *c = (const char *)j.c + (size_t)batch * (size_t)j.lc.stride * es;
        char *out = (char *)j.out + (size_t)batch * (size_t)j.lo.stride * es;
        for (size_t r = 0; r < m; r++)
            for (size_t q = 0; q < n; q++) {
                float v = j.alpha * acc[r * n + q];
                if (j.beta != 0) v += j.beta * load(c, j.lc.type, at(&j.lc, r, q));
                size_t i = at(&j.lo, r, q);
                if (j.lo.type == CUDA_R_32F) ((float *)out)[i] = v;
                else ((__nv_bfloat16 *)out)[i] = __float2bfloat16(v);
            }
    }
}
}

unsigned long emu_gemm_calls, emu_gemm_slow;

extern "C" {
size_t cublasLtGetVersion(void) { return 130000; }
const char *cublasLtGetStatusString(cublasStatus_t s)
{
    switch (s) {
    case CUBLAS_STATUS_SUCCESS: return "the operation completed successfully";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
    case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality requested is not supported";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the GPU program failed to execute";
    default: return "an internal operation failed";
    }
}
const char *cublasGetStatusString(cublasStatus_t s) { return cublasLtGetStatusString(s); }
cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
    emu_init();
    if (emu_set.devices <= 0) return CUBLAS_STATUS_NOT_INITIALIZED;
    *h = new cublasLtContext{1};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h)
{
    delete h;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t scale)
{
    *d = new cublasLtMatmulDescOpaque_t();
    *as<desc>(*d) = {compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, 0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    delete d;
    return CUBLAS_STATUS_SUCCESS;
}
#define TAKE(dst) (n == sizeof(dst) ? (memcpy(&(dst), buf, n), CUBLAS_STATUS_SUCCESS) : CUBLAS_STATUS_INVALID_VALUE)
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t h, cublasLtMatmulDescAttributes_t a, const void *buf,
                                              size_t n)
{
    desc *d = as<desc>(h);
    int32_t v = 0;
    switch (a) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return TAKE(d->ta);
    case CUBLASLT_MATMUL_DESC_TRANSB: return TAKE(d->tb);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
    case CUBLASLT_MATMUL_DESC_TRANSC:
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
        if (TAKE(v) != CUBLAS_STATUS_SUCCESS) return CUBLAS_STATUS_INVALID_VALUE;
        return v == (a == CUBLASLT_MATMUL_DESC_EPILOGUE ? CUBLASLT_EPILOGUE_DEFAULT : 0) ? CUBLAS_STATUS_SUCCESS
                                                                                         : CUBLAS_STATUS_NOT_SUPPORTED;
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld)
{
    *l = new cublasLtMatrixLayoutOpaque_t();
    *as<layout>(*l) = {type, CUBLASLT_ORDER_COL, 1, rows, cols, ld, 0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    delete l;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t h, cublasLtMatrixLayoutAttribute_t a, const void *buf,
                                                size_t n)
{
    layout *l = as<layout>(h);
    switch (a) {
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return TAKE(l->order);
    case CUBLASLT_MATRIX_LAYOUT_ROWS: return TAKE(l->rows);
    case CUBLASLT_MATRIX_LAYOUT_COLS: return TAKE(l->cols);
    case CUBLASLT_MATRIX_LAYOUT_LD: return TAKE(l->ld);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return TAKE(l->batch);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return TAKE(l->stride);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    *p = new cublasLtMatmulPreferenceOpaque_t();
    *as<pref>(*p) = {0, {EMU_GEMM_DEFAULT_ALIGN, EMU_GEMM_DEFAULT_ALIGN, EMU_GEMM_DEFAULT_ALIGN, EMU_GEMM_DEFAULT_ALIGN}, 7};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    delete p;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t h, cublasLtMatmulPreferenceAttributes_t a,
                                                    const void *buf, size_t n)
{
    pref *p = as<pref>(h);
    if (a == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return TAKE(p->workspace);
    if (a == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return TAKE(p->schemes);
    int i = a - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    return i >= 0 && i < 4 ? TAKE(p->align[i]) : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
                                              cublasLtMatmulPreference_t p, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found)
{
    *found = 0;
    if (!h || wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    cublasStatus_t s = check(as<desc>(d), as<layout>(a), as<layout>(b), as<layout>(c), as<layout>(o));
    if (s != CUBLAS_STATUS_SUCCESS) return s;
    const pref *pr = as<pref>(p);
    algo al = {
        ALGO_MAGIC, {pr->align[0], pr->align[1], pr->align[2], pr->align[3]}, pr->workspace < 4096 ? pr->workspace : 4096};
    memset(&results[0], 0, sizeof results[0]);
    memcpy(&results[0].algo, &al, sizeof al);
    results[0].workspaceSize = al.workspace;
    results[0].wavesCount = 1;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t la, const void *b, cublasLtMatrixLayout_t lb, const void *beta,
                              const void *c, cublasLtMatrixLayout_t lc, void *out, cublasLtMatrixLayout_t lo,
                              const cublasLtMatmulAlgo_t *al, void *ws, size_t ws_bytes, cudaStream_t s)
{
    emu_inside in;
    if (!h || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
    job j = {*as<desc>(d), *as<layout>(la), *as<layout>(lb), *as<layout>(lc), *as<layout>(lo), a, b, c, out, ws, 0,
             *(const float *)alpha, *(const float *)beta};
    cublasStatus_t st = check(&j.d, &j.la, &j.lb, &j.lc, &j.lo);
    if (st != CUBLAS_STATUS_SUCCESS) return st;
    algo want = {ALGO_MAGIC, {16, 16, 16, 16}, 0}; /* without an algorithm the library asks its heuristic for these pointers */
    if (al) memcpy(&want, al, sizeof want);
    if (want.magic != ALGO_MAGIC) return CUBLAS_STATUS_INVALID_VALUE;
    const void *ptr[] = {a, b, j.beta != 0 ? c : out, out};
    for (int i = 0; al && i < 4; i++)
        if ((uintptr_t)ptr[i] % want.align[i])
            emu_die(97, "cublasLtMatmul: operand %c at %p is not aligned to %u bytes, which its algorithm was chosen for",
                    "ABCD"[i], ptr[i], want.align[i]);
    if (want.workspace > ws_bytes || (want.workspace && (uintptr_t)ws % EMU_GEMM_WORKSPACE_ALIGN))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (want.workspace) emu_need_dev("cublasLtMatmul (workspace)", ws, want.workspace);
    j.ws_bytes = want.workspace;
    emu_gemm_calls++;
    const layout *l3[] = {&j.la, &j.lb, &j.lo};
    for (const layout *l : l3)
        if ((size_t)l->ld * size_of(l->type) % EMU_GEMM_FAST_ALIGN) {
            emu_gemm_slow++;
            break;
        }
    if (out == a || out == b) emu_die(97, "cublasLtMatmul: D is also an input");
    return emu_enqueue(s, "cublasLtMatmul", [j]() { run_job(j); }) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                                                  : CUBLAS_STATUS_EXECUTION_FAILED;
}
}
