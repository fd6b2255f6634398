/* The stand-ins of the CUDA runtime, cuBLASLt and NCCL: streams and events, memory, products against loops, refusals,
 * collectives of 2 and 4 ranks, and what they must detect. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <functional>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}
#include "cublasLt.h"
#include "cuda_bf16.h"
#include "cuda_runtime.h"
#include "emu.h"
#include "emu_counters.h"
#include "nccl.h"

static uint64_t seed = 7;
static float uniform(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (float)(seed >> 40) / 8388608.0f - 1;
}
#define OK(call) assert_int_equal((call), 0)

/* Runs fn in a child; its exit code, and what it wrote to stderr. */
static int child(std::string *said, const std::function<void()> &fn)
{
    int fd[2], st;
    OK(pipe(fd));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 2);
        close(fd[0]);
        fn();
        _exit(0);
    }
    close(fd[1]);
    char buf[4096];
    said->clear();
    for (ssize_t k; (k = read(fd[0], buf, sizeof buf)) > 0;) said->append(buf, (size_t)k);
    close(fd[0]);
    assert_int_equal(waitpid(pid, &st, 0), pid);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

/* ---- streams ---- */
static void test_order(void **)
{
    /* b waits for a by an event; a chain a -> b -> host must hold in every lazy order; without the wait some order must break
     * it */
    int broken = 0;
    for (int round = 0; round < 40; round++) {
        bool wait = round & 1;
        char order[32];
        snprintf(order, sizeof order, "rand:%d", round);
        std::string said;
        int code = child(&said, [&]() {
            emu_setting("ORDER", order);
            emu_setting("LAZY", "1");
            unsigned char *d, *h;
            cudaStream_t a, b;
            cudaEvent_t e;
            cudaMalloc((void **)&d, 64);
            cudaMallocHost((void **)&h, 64);
            cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
            cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
            cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
            cudaMemset(d, 1, 64);
            cudaDeviceSynchronize();
            cudaMemsetAsync(d, 5, 64, a);
            cudaEventRecord(e, a);
            if (wait) cudaStreamWaitEvent(b, e, 0);
            cudaMemcpyAsync(h, d, 64, cudaMemcpyDeviceToHost, b);
            cudaStreamSynchronize(b);
            _exit(h[0] == 5 ? 0 : 1);
        });
        if (wait) assert_int_equal(code, 0);
        else broken += code != 0;
    }
    assert_true(broken >= (strcmp(emu_build(), "check") == 0 ? 20 : 4));
}

static void test_laziness(void **)
{
    std::string said;
    int code = child(&said, []() {
        emu_setting("LAZY", "1");
        unsigned char *d, *pinned, *back, pageable[4] = {1, 1, 1, 1}, got[4];
        cudaStream_t s;
        cudaMalloc((void **)&d, 8);
        cudaMallocHost((void **)&pinned, 4);
        cudaMallocHost((void **)&back, 8);
        cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
        memset(pinned, 2, 4);
        cudaMemcpyAsync(d, pageable, 4, cudaMemcpyHostToDevice, s); /* staged at once */
        cudaMemcpyAsync(d + 4, pinned, 4, cudaMemcpyHostToDevice, s); /* read when it runs */
        memset(pageable, 9, 4);
        memset(pinned, 9, 4);
        cudaMemcpyAsync(back, d, 8, cudaMemcpyDeviceToHost, s);
        bool early = back[0] == 0xff && cudaStreamQuery(s) == cudaErrorNotReady; /* not there before the sync */
        cudaStreamSynchronize(s);
        bool late = cudaStreamQuery(s) == cudaSuccess && back[0] == 1 && back[3] == 1 && back[4] == 9;
        cudaMemsetAsync(d, 3, 4, s);
        cudaMemcpyAsync(got, d, 4, cudaMemcpyDeviceToHost, s); /* to pageable memory: waits */
        _exit(early && late && got[0] == 3 ? 0 : 1);
    });
    assert_int_equal(code, 0);
}

static void test_default_stream(void **)
{
    for (int round = 0; round < 20; round++) { /* the legacy default stream waits for blocking streams, and they for it */
        char order[32];
        snprintf(order, sizeof order, "rand:%d", round);
        std::string said;
        int code = child(&said, [&]() {
            emu_setting("ORDER", order);
            emu_setting("LAZY", "1");
            unsigned char *d, h[4];
            cudaStream_t s;
            cudaMalloc((void **)&d, 4);
            cudaStreamCreate(&s);
            cudaMemsetAsync(d, 1, 4, s);
            cudaMemset(d, 2, 4);
            cudaMemsetAsync(d + 1, 3, 1, s);
            cudaMemcpy(h, d, 4, cudaMemcpyDeviceToHost);
            _exit(h[0] == 2 && h[1] == 3 ? 0 : 1);
        });
        assert_int_equal(code, 0);
    }
}

static void test_device(void **)
{
    cudaDeviceProp p;
    size_t free0, free1, total;
    void *d;
    OK(cudaGetDeviceProperties(&p, 0));
    assert_int_equal(p.major * 10 + p.minor, 80);
    assert_int_equal(p.sharedMemPerBlockOptin, 163 * 1024);
    OK(cudaMemGetInfo(&free0, &total));
    OK(cudaMalloc(&d, 1000));
    OK(cudaMemGetInfo(&free1, &total));
    assert_int_equal(free0 - free1, 1000);
    OK(cudaFree(d));
    OK(cudaMemGetInfo(&free1, &total));
    assert_int_equal(free0, free1);
    assert_int_equal(cudaMalloc(&d, total + 1), cudaErrorMemoryAllocation);
    assert_int_equal(cudaPeekAtLastError(), cudaErrorMemoryAllocation);
    assert_int_equal(cudaGetLastError(), cudaErrorMemoryAllocation);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    int n;
    emu_setting("DEVICES", "0");
    assert_int_equal(cudaGetDeviceCount(&n), cudaErrorNoDevice);
    emu_setting("DEVICES", "-1");
    assert_int_equal(cudaGetDeviceCount(&n), cudaErrorInsufficientDriver);
    emu_setting("DEVICES", "1");
    OK(cudaGetDeviceCount(&n));
    cudaGetLastError();
    uint64_t before = emu_host_sync_count();
    OK(cudaDeviceSynchronize());
    assert_int_equal(emu_host_sync_count() - before, 1);
}

/* ---- products ---- */
struct product {
    int ta, tb, order, bf, cbf;
    int m, n, k, pad;
    float alpha, beta;
};
static void *to_device(const std::vector<float> &v, bool bf)
{
    void *d;
    size_t es = bf ? 2 : 4;
    std::vector<__nv_bfloat16> h(v.size());
    for (size_t i = 0; i < v.size(); i++) h[i] = __float2bfloat16(v[i]);
    OK(cudaMalloc(&d, v.size() * es));
    OK(cudaMemcpy(d, bf ? (const void *)h.data() : (const void *)v.data(), v.size() * es, cudaMemcpyHostToDevice));
    return d;
}
static std::vector<float> from_device(const void *d, size_t n, bool bf)
{
    std::vector<float> v(n);
    std::vector<__nv_bfloat16> h(n);
    OK(cudaMemcpy(bf ? (void *)h.data() : (void *)v.data(), d, n * (bf ? 2 : 4), cudaMemcpyDeviceToHost));
    for (size_t i = 0; bf && i < n; i++) v[i] = __bfloat162float(h[i]);
    return v;
}
static size_t at(int order, int ld, int r, int c)
{
    return order == CUBLASLT_ORDER_ROW ? (size_t)(r * ld + c) : (size_t)(c * ld + r);
}
static std::vector<float> random_matrix(size_t n, bool bf)
{
    std::vector<float> v(n);
    for (float &f : v) f = bf ? __bfloat162float(__float2bfloat16(uniform())) : uniform();
    return v;
}
static cublasStatus_t multiply(const product &p, const void *a, const void *b, void *c, int lda, int ldb, int ldc,
                               uint32_t align, int k2)
{
    cublasLtHandle_t h;
    cublasLtMatmulDesc_t d;
    cublasLtMatrixLayout_t la, lb, lc;
    cublasLtMatmulPreference_t pref;
    cudaDataType t = p.bf ? CUDA_R_16BF : CUDA_R_32F, tc = p.cbf ? CUDA_R_16BF : CUDA_R_32F;
    cublasOperation_t ta = p.ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p.tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    uint64_t ws_bytes = 8192;
    void *ws;
    OK(cudaMalloc(&ws, ws_bytes));
    OK(cublasLtCreate(&h));
    OK(cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    OK(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta));
    OK(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb));
    OK(cublasLtMatrixLayoutCreate(&la, t, (uint64_t)(p.ta ? p.k : p.m), (uint64_t)(p.ta ? p.m : p.k), lda));
    OK(cublasLtMatrixLayoutCreate(&lb, t, (uint64_t)(p.tb ? p.n : k2), (uint64_t)(p.tb ? k2 : p.n), ldb));
    OK(cublasLtMatrixLayoutCreate(&lc, tc, (uint64_t)p.m, (uint64_t)p.n, ldc));
    for (cublasLtMatrixLayout_t l : {la, lb, lc})
        OK(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_ORDER, &p.order, sizeof p.order));
    OK(cublasLtMatmulPreferenceCreate(&pref));
    OK(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &ws_bytes, sizeof ws_bytes));
    for (int i = 0; i < 4; i++)
        OK(cublasLtMatmulPreferenceSetAttribute(
            pref, (cublasLtMatmulPreferenceAttributes_t)(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i), &align,
            sizeof align));
    cublasLtMatmulHeuristicResult_t res;
    int found;
    cublasStatus_t s = cublasLtMatmulAlgoGetHeuristic(h, d, la, lb, lc, lc, pref, 1, &res, &found);
    if (s == CUBLAS_STATUS_SUCCESS)
        s = cublasLtMatmul(h, d, &p.alpha, a, la, b, lb, &p.beta, c, lc, c, lc, &res.algo, ws, ws_bytes, NULL);
    cudaDeviceSynchronize();
    cublasLtMatmulPreferenceDestroy(pref);
    cublasLtMatrixLayoutDestroy(la);
    cublasLtMatrixLayoutDestroy(lb);
    cublasLtMatrixLayoutDestroy(lc);
    cublasLtMatmulDescDestroy(d);
    cublasLtDestroy(h);
    cudaFree(ws);
    return s;
}

static void test_products(void **)
{
    for (int i = 0; i < 64; i++) {
        product p = {i & 1,
                     i >> 1 & 1,
                     i >> 2 & 1,
                     i >> 3 & 1,
                     (i >> 3 & 1) && (i >> 4 & 1),
                     1 + i % 19,
                     3 + i % 37,
                     1 + i % 53,
                     i % 3,
                     i % 5 == 0 ? 0.5f : 1.0f,
                     i % 2 ? 1.0f : 0.0f};
        int ar = p.ta ? p.k : p.m, ac = p.ta ? p.m : p.k, br = p.tb ? p.n : p.k, bc = p.tb ? p.k : p.n;
        bool row = p.order == CUBLASLT_ORDER_ROW;
        int lda = (row ? ac : ar) + p.pad, ldb = (row ? bc : br) + p.pad, ldc = (row ? p.n : p.m) + p.pad;
        std::vector<float> a = random_matrix((size_t)(lda * (row ? ar : ac)), p.bf),
                           b = random_matrix((size_t)(ldb * (row ? br : bc)), p.bf);
        std::vector<float> c = random_matrix((size_t)(ldc * (row ? p.m : p.n)), p.cbf);
        void *da = to_device(a, p.bf), *db = to_device(b, p.bf), *dc = to_device(c, p.cbf);
        assert_int_equal(multiply(p, da, db, dc, lda, ldb, ldc, 16, p.k), CUBLAS_STATUS_SUCCESS);
        std::vector<float> g = from_device(dc, c.size(), p.cbf);
        for (int r = 0; r < p.m; r++)
            for (int q = 0; q < p.n; q++) {
                double s = 0;
                for (int k = 0; k < p.k; k++)
                    s += (double)a[p.ta ? at(p.order, lda, k, r) : at(p.order, lda, r, k)] *
                         b[p.tb ? at(p.order, ldb, q, k) : at(p.order, ldb, k, q)];
                double want = p.alpha * s + (double)p.beta * c[at(p.order, ldc, r, q)];
                assert_true(fabs(g[at(p.order, ldc, r, q)] - want) <= (p.cbf ? 1e-2 : 1e-5) * (1 + fabs(want)));
            }
        if (p.pad) assert_true(g[(size_t)ldc - 1] == c[(size_t)ldc - 1]); /* the padding stays */
        cudaFree(da), cudaFree(db), cudaFree(dc);
    }
}

static void test_refusals(void **)
{
    product p = {0, 0, CUBLASLT_ORDER_ROW, 1, 1, 8, 8, 8, 0, 1, 0};
    std::vector<float> v = random_matrix(128, true);
    void *a = to_device(v, true), *b = to_device(v, true), *c = to_device(v, true);
    assert_int_equal(multiply(p, a, b, c, 8, 8, 8, 16, 9), CUBLAS_STATUS_INVALID_VALUE); /* inner sizes differ */
    assert_int_equal(multiply(p, a, b, c, 7, 8, 8, 16, 8), CUBLAS_STATUS_INVALID_VALUE); /* rows overlap */
    product half = p;
    half.bf = 0; /* f32 inputs, bf16 output: not in the table */
    assert_int_equal(multiply(half, a, b, c, 8, 8, 8, 16, 8), CUBLAS_STATUS_NOT_SUPPORTED);
    std::string said;
    int code = child(&said, [&]() { multiply(p, (char *)a + 2, b, c, 8, 8, 8, 16, 8); });
    assert_int_equal(code, 97);
    assert_non_null(strstr(said.c_str(), "operand A"));
    code = child(&said, [&]() { multiply(p, a, b, (char *)c + 192, 8, 8, 8, 16, 8); }); /* 128 bytes, 64 are left */
    assert_int_equal(code, 97);
    assert_non_null(strstr(said.c_str(), "out of bounds"));
    if (strcmp(emu_build(), "check") == 0) {
        void *undefined;
        OK(cudaMalloc(&undefined, 256));
        code = child(&said, [&]() { multiply(p, undefined, b, c, 8, 8, 8, 16, 8); });
        assert_int_equal(code, 97);
        assert_non_null(strstr(said.c_str(), "read of memory that nothing wrote"));
    }
}

/* ---- collectives ---- */
struct ranks {
    int n;
    std::function<int(int rank, ncclComm_t c, cudaStream_t s)> body;
};
/* Runs n ranks; returns their exit codes. */
static std::vector<int> run_ranks(const ranks &r)
{
    ncclUniqueId id;
    OK(ncclGetUniqueId(&id));
    std::vector<pid_t> pids;
    fflush(NULL);
    for (int rank = 0; rank < r.n; rank++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (freopen("/dev/null", "w", stderr) == NULL) _exit(50);
            emu_setting("LAZY", rank & 1 ? "1" : "0");
            emu_setting("ORDER", rank & 1 ? "rand:3" : "fwd");
            ncclComm_t c;
            cudaStream_t s;
            cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
            if (ncclCommInitRank(&c, r.n, id, rank) != ncclSuccess) _exit(51);
            _exit(r.body(rank, c, s));
        }
        pids.push_back(pid);
    }
    std::vector<int> codes;
    for (pid_t pid : pids) {
        int st;
        waitpid(pid, &st, 0);
        codes.push_back(WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
    }
    return codes;
}
static int collectives(int rank, int n, ncclComm_t c, cudaStream_t s)
{
    const size_t N = 100003; /* more than one chunk of f32 */
    float *d, *e;
    std::vector<float> h(N), g(N * (size_t)n);
    for (size_t i = 0; i < N; i++) h[i] = (float)((i * 7 + (size_t)rank * 13) % 101);
    cudaMalloc((void **)&d, N * 4);
    cudaMalloc((void **)&e, N * 4 * (size_t)n);
    cudaMemcpy(d, h.data(), N * 4, cudaMemcpyHostToDevice);
    ncclAllGather(d, e, N, ncclFloat32, c, s);
    cudaStreamSynchronize(s);
    cudaMemcpy(g.data(), e, N * 4 * (size_t)n, cudaMemcpyDeviceToHost);
    for (int r = 0; r < n; r++)
        for (size_t i = 0; i < N; i++)
            if (g[(size_t)r * N + i] != (float)((i * 7 + (size_t)r * 13) % 101)) return 1;
    ncclReduceScatter(e, e, 1000, ncclFloat32, ncclSum, c, s);
    ncclAllReduce(d, d, N, ncclFloat32, ncclSum, c, s);
    ncclBroadcast(d, d, 1, ncclFloat32, n - 1, c, s);
    cudaStreamSynchronize(s);
    cudaMemcpy(h.data(), d, N * 4, cudaMemcpyDeviceToHost);
    cudaMemcpy(g.data(), e, 4000, cudaMemcpyDeviceToHost);
    for (size_t i = 0; i < N; i++) {
        float want = 0;
        for (int r = 0; r < n; r++) want += (float)((i * 7 + (size_t)r * 13) % 101);
        if (h[i] != want) return 2;
    }
    for (size_t i = 0; i < 1000; i++) { /* every rank gave the same gathered data: n times one of them */
        size_t j = (size_t)rank * 1000 + i;
        if (g[i] != (float)n * (float)((j % N * 7 + j / N * 13) % 101)) return 3;
    }
    uint64_t *u, hu = (1ull << 60) + (uint64_t)rank;
    cudaMalloc((void **)&u, 8);
    cudaMemcpy(u, &hu, 8, cudaMemcpyHostToDevice);
    ncclAllReduce(u, u, 1, ncclUint64, ncclMax, c, s);
    cudaStreamSynchronize(s);
    cudaMemcpy(&hu, u, 8, cudaMemcpyDeviceToHost);
    ncclResult_t err;
    ncclCommGetAsyncError(c, &err);
    if (hu != (1ull << 60) + (uint64_t)n - 1 || err != ncclSuccess) return 4;
    return ncclCommDestroy(c) == ncclSuccess ? 0 : 5;
}
static void test_collectives(void **)
{
    for (int n : {1, 2, 4})
        for (int code : run_ranks({n, [n](int r, ncclComm_t c, cudaStream_t s) { return collectives(r, n, c, s); }}))
            assert_int_equal(code, 0);
}
static void test_collective_bugs(void **)
{
    setenv("EMU_NCCL_WAIT", "1", 1);
    for (int kind = 0; kind < 5; kind++) {
        std::vector<int> codes = run_ranks({2, [kind](int r, ncclComm_t c, cudaStream_t s) {
            float *d;
            cudaMalloc((void **)&d, 4096);
            cudaMemset(d, 0, 4096);
            cudaDeviceSynchronize();
            if (kind == 0) ncclAllReduce(d, d, r ? 9 : 8, ncclFloat32, ncclSum, c, s);                        /* counts */
            if (kind == 1) ncclAllReduce(d, d, 8, r ? ncclFloat32 : ncclBfloat16, ncclSum, c, s);             /* types */
            if (kind == 2)
                r ? ncclBroadcast(d, d, 8, ncclFloat32, 0, c, s) : ncclAllReduce(d, d, 8, ncclFloat32, ncclSum, c, s);
            if (kind == 3 && r == 0) ncclAllReduce(d, d, 8, ncclFloat32, ncclSum, c, s); /* the other never comes */
            if (kind == 4) ncclBroadcast(d, d, 8, ncclFloat32, r, c, s);                                      /* roots */
            if (kind == 3 && r == 1) {
                usleep(1300000);
                return 0;
            }
            cudaStreamSynchronize(s);
            return 0;
        }});
        assert_int_equal(codes[0], 99);
        if (kind != 3) assert_int_equal(codes[1], 99);
    }
    /* an abort, and a death, are an error to the other rank, not a hang */
    for (int dies = 0; dies < 2; dies++) {
        std::vector<int> codes = run_ranks({2, [dies](int r, ncclComm_t c, cudaStream_t s) {
            float *d;
            cudaMalloc((void **)&d, 64);
            cudaMemset(d, 0, 64);
            cudaDeviceSynchronize();
            if (r == 1) {
                if (dies) _exit(7);
                ncclCommAbort(c);
                return 7;
            }
            ncclAllReduce(d, d, 8, ncclFloat32, ncclSum, c, s);
            cudaStreamSynchronize(s);
            ncclResult_t e;
            ncclCommGetAsyncError(c, &e);
            ncclCommAbort(c);
            return e == ncclRemoteError ? 8 : 9;
        }});
        assert_int_equal(codes[1], 7);
        if (!dies) assert_int_equal(codes[0], 8);
        else assert_true(codes[0] == 8 || codes[0] == 99); /* a zombie still has a process id: then the time-out ends it */
    }
    unsetenv("EMU_NCCL_WAIT");
}

static void test_injected_failures(void **)
{
    std::string said;
    int code = child(&said, []() {
        void *d;
        emu_setting("FAIL", "malloc:2");
        bool ok = cudaMalloc(&d, 8) == cudaSuccess && cudaMalloc(&d, 8) == cudaErrorMemoryAllocation &&
                  cudaMalloc(&d, 8) == cudaSuccess;
        _exit(ok ? 0 : 1);
    });
    assert_int_equal(code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_laziness),        cmocka_unit_test(test_default_stream),
        cmocka_unit_test(test_device),      cmocka_unit_test(test_products),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_collectives), cmocka_unit_test(test_collective_bugs), cmocka_unit_test(test_injected_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
