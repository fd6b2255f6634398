/* Times of the CUDA backend's ops at the shapes of Llama-3.1-8B with 4096 tokens, each as share of what this GPU reached in a
 * large product (bf16) and a large copy just before: the time that the op's products and its least bytes would take at those
 * peaks, divided by the time it took; beside it what tests/bench/roofline.py predicts for this chip (roofline.tsv), and measured / predicted.
 * make bench-gpu, from the project's root; gpu_bench [tiny] [peaks|more] REPORT (tiny: small shapes, to prove the program on the emulated device: its
 * predictions are an H100's at full shapes; peaks: nothing but these two; more: bench_more.h instead of the op table). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <vector>

extern "C" {
#include "base/mem.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/gemm_cuda.h"
#include "kernels/cuda/ops_cuda.h"
}
#include "objective_list.h"

namespace
{
struct shapes {
    int64_t n, c, f, vocab, head_rows, params, gemm, copy;
    int heads, kv, dim, rank, cache;
};
const shapes full = {4096, 4096, 14336, 128256, 1024, 100 << 20, 8192, 1 << 30, 32, 8, 128, 16, 8192};
const shapes tiny = {64, 256, 512, 1000, 16, 4096, 64, 1 << 20, 4, 2, 64, 8, 128};

#define ID(name) OBJ_##name,
enum { PT_OBJECTIVE_LIST(ID) OBJECTIVES };
pt_loss_channel channel(pt_view value, pt_view dvalue, pt_view start, pt_view rows, pt_view weight)
{
    return {value, dvalue, start, rows, weight};
}

pt_ctx ctx;
std::vector<pt_buf> bufs;
FILE *report;
double gemm_peak, copy_peak; /* FLOP/s, bytes/s */
int failures;
bool quick;
double last_time; /* seconds of what was timed last; < 0: it failed */
std::vector<const char *> timed; /* names of the table's entries */
struct prediction {
    char entry[64];
    double us;
};
std::vector<prediction> predictions; /* of this chip */
int compared;

void say(const char *fmt, ...)
{
    va_list ap;
    for (FILE *f : {stdout, report}) {
        va_start(ap, fmt);
        vfprintf(f, fmt, ap);
        va_end(ap);
        fflush(f);
    }
}

/* The predictions for a device of this name: a line is a part of the name, an entry, microseconds. That of a whole step is the kit's (kit.sh). */
void read_predictions(const char *device)
{
    const char *path = "tests/bench/roofline.tsv";
    char line[256], chip[64];
    FILE *f = fopen(path, "r");
    bool there = f != NULL;
    while (f && fgets(line, sizeof line, f)) {
        prediction p = {};
        if (sscanf(line, "%63[^\t]\t%63[^\t]\t%lf", chip, p.entry, &p.us) == 3 && line[0] != '#' && strstr(device, chip) && strncmp(p.entry, "step,", 5) != 0)
            predictions.push_back(p);
    }
    if (f) fclose(f);
    if (predictions.empty()) say("no predictions: %s\n", there ? "none for this chip in tests/bench/roofline.tsv" : "tests/bench/roofline.tsv cannot be read from here");
}
double predicted(const char *entry)
{
    for (const prediction &p : predictions)
        if (strcmp(p.entry, entry) == 0) return p.us;
    return 0;
}

/* A matrix of random numbers below 1 (blocks: finite scales). Views keep a pointer: bufs never grows past its reserve. */
pt_view mat(pt_dtype t, int64_t rows, int64_t cols)
{
    static unsigned char pattern[1 << 20];
    static bool made;
    size_t row = 0, bytes, elem = pt_dtype_get(t)->bytes;
    uint32_t x = 12345;
    for (size_t i = 0; !made && i < sizeof pattern; i++) x = x * 1664525u + 1013904223u, pattern[i] = (unsigned char)(x >> 24);
    made = true;
    pt_dtype_row_bytes(t, (size_t)cols, &row);
    bytes = row * (size_t)rows;
    pt_buf b;
    if (bufs.size() == bufs.capacity() || ctx.ops->alloc(&ctx, &b, bytes + 64) != PT_OK) {
        say("no memory for [%lld, %lld]: %s\n", (long long)rows, (long long)cols, pt_err_msg());
        exit(1);
    }
    bufs.push_back(b);
    std::vector<unsigned char> host(sizeof pattern);
    for (size_t i = 0; i < host.size(); i++) {
        bool top = t == PT_F32 ? i % 4 == 3 : t == PT_BF16 || t == PT_F16 ? i % 2 == 1 : false;
        host[i] = top ? (pattern[i] & 0x80) | 0x3d : t == PT_I32 || t == PT_F64 ? 0 : elem > 4 ? pattern[i] & 0x2f : pattern[i];
    }
    for (size_t at = 0; at < bytes; at += host.size()) {
        size_t now = bytes - at < host.size() ? bytes - at : host.size();
        pt_view v = {};
        v.buf = &bufs.back(), v.off = at, v.type = PT_U8, v.rows = 1, v.cols = v.ld = (int64_t)now;
        if (ctx.ops->upload(&ctx, v, host.data()) != PT_OK) say("upload: %s\n", pt_err_msg());
    }
    pt_view v = {};
    v.buf = &bufs.back(), v.type = t, v.rows = rows, v.cols = v.ld = cols;
    return v;
}
pt_view ids(const std::vector<int32_t> &h)
{
    pt_view v = mat(PT_I32, 1, (int64_t)h.size());
    if (ctx.ops->upload(&ctx, v, h.data()) != PT_OK) say("upload: %s\n", pt_err_msg());
    return v;
}
void drop_all(void)
{
    ctx.ops->sync(&ctx);
    for (pt_buf &b : bufs) ctx.ops->free(&ctx, &b);
    bufs.clear();
}

/* Seconds of one call: the mean of as many as fill a quarter of a second, after three to warm up; < 0: it failed. */
template <typename F> double seconds_of(F op)
{
    cudaStream_t s = (cudaStream_t)ctx.stream;
    cudaEvent_t a, b;
    float ms = 0;
    pt_status rc = PT_OK;
    if (cudaEventCreate(&a) != cudaSuccess || cudaEventCreate(&b) != cudaSuccess) return -1;
    for (int i = 0; i < (quick ? 1 : 3) && rc == PT_OK; i++) rc = op();
    if (rc == PT_OK) rc = ctx.ops->sync(&ctx);
    int reps = 1;
    for (; rc == PT_OK; reps *= 4) {
        cudaEventRecord(a, s);
        for (int i = 0; i < reps && rc == PT_OK; i++) rc = op();
        cudaEventRecord(b, s);
        if (rc == PT_OK) rc = ctx.ops->sync(&ctx);
        if (cudaEventElapsedTime(&ms, a, b) != cudaSuccess || ms > 250 || reps >= 256 || quick) break;
    }
    cudaEventDestroy(a), cudaEventDestroy(b);
    return rc == PT_OK ? (double)ms * 1e-3 / reps : -1;
}

/* flops: of its products; bytes: the least it must move. */
template <typename F> void time_op(const char *what, double flops, double bytes, F op)
{
    pt_buf ws = {};
    ctx.dry = true, ctx.workspace_need = 0;
    pt_status rc = op();
    ctx.dry = false;
    size_t need = ctx.workspace_need;
    if (rc == PT_OK && need) rc = ctx.ops->alloc(&ctx, &ws, need);
    ctx.workspace = pt_view{};
    ctx.workspace.buf = &ws, ctx.workspace.type = PT_U8, ctx.workspace.rows = 1,
    ctx.workspace.cols = ctx.workspace.ld = (int64_t)need;
    double s = rc == PT_OK ? seconds_of(op) : -1;
    last_time = s;
    if (s < 0) {
        failures++;
        say("%-34s FAILED: %s\n", what, pt_err_msg());
    } else {
        double least = flops / gemm_peak > bytes / copy_peak ? flops / gemm_peak : bytes / copy_peak;
        double us = predicted(what);
        say("%-34s %10.1f us %9.1f TFLOP/s %9.1f GB/s  %5.1f %% of the %s peak", what, s * 1e6, flops / s * 1e-12,
            bytes / s * 1e-9, 100 * least / s, flops / gemm_peak > bytes / copy_peak ? "GEMM" : "copy");
        if (us > 0) compared++, say("; predicted %.1f us, measured / predicted %.2f", us, s * 1e6 / us);
        say("\n");
    }
    if (need) ctx.ops->free(&ctx, &ws);
}
#define TIME(what, op, type, flops, bytes, ...)                                                                                \
    timed.push_back(#op), time_op(what, flops, bytes, [&]() -> pt_status {                                                     \
        type a = {};                                                                                                           \
        __VA_ARGS__;                                                                                                           \
        return ctx.ops->op(&ctx, &a);                                                                                          \
    })

void peaks(const shapes &z)
{
    int64_t n = z.gemm;
    pt_view a = mat(PT_BF16, n, n), b = mat(PT_BF16, n, n), c = mat(PT_BF16, n, n), from = mat(PT_U8, 1, z.copy),
            to = mat(PT_U8, 1, z.copy);
    pt_view scratch = mat(PT_U8, 1, PT_GEMM_SCRATCH);
    double s = seconds_of([&]() -> pt_status {
        pt_cuda_gemm_args g = {};
        g.type = g.ctype = PT_BF16, g.tb = true, g.m = g.n = g.k = n, g.alpha = 1, g.lda = g.ldb = g.ldc = n;
        g.a = a.buf->base, g.b = b.buf->base, g.c = c.buf->base, g.scratch = scratch.buf->base;
        return pt_cuda_gemm(&ctx, &g);
    });
    gemm_peak = 2.0 * (double)n * (double)n * (double)n / s;
    double t = seconds_of([&]() -> pt_status {
        cudaError_t e =
            cudaMemcpyAsync(to.buf->base, from.buf->base, (size_t)z.copy, cudaMemcpyDeviceToDevice, (cudaStream_t)ctx.stream);
        return e == cudaSuccess ? PT_OK : pt_cuda_failed("cudaMemcpyAsync", (int)e);
    });
    copy_peak = 2.0 * (double)z.copy / t;
    if (s < 0 || t < 0) {
        say("peaks: FAILED: %s\n", pt_err_msg());
        exit(1);
    }
    say("peaks: GEMM %lld^3 bf16 %.1f TFLOP/s; copy %.1f GB/s (read + written)\n", (long long)n, gemm_peak * 1e-12,
        copy_peak * 1e-9);
    drop_all();
}

void elements(const shapes &z)
{
    double x = 2.0 * (double)(z.n * z.c), h = 2.0 * (double)(z.n * z.f);
    pt_view a1 = mat(PT_BF16, z.n, z.c), a2 = mat(PT_BF16, z.n, z.c), a3 = mat(PT_BF16, z.n, z.c), a4 = mat(PT_BF16, z.n, z.c),
            w = mat(PT_F32, 1, z.c);
    pt_view rstd = mat(PT_F32, 1, z.n), dw = mat(PT_F32, 1, z.c), tab = mat(PT_F32, z.n, z.dim);
    TIME("rmsnorm + residual add", rmsnorm, pt_rmsnorm_args, 0, 4 * x, a.y = a1, a.rstd = rstd, a.x = a2, a.add = a3, a.h = a4,
         a.w = w, a.eps = 1e-5f);
    TIME("rmsnorm_bwd", rmsnorm_bwd, pt_rmsnorm_bwd_args, 0, 4 * x, a.dx = a1, a.dy = a2, a.dres = a3, a.h = a4, a.rstd = rstd,
         a.w = w);
    TIME("rmsnorm_bwd with dw", rmsnorm_bwd, pt_rmsnorm_bwd_args, 0, 4 * x, a.dx = a1, a.dw = dw, a.dy = a2, a.dres = a3,
         a.h = a4, a.rstd = rstd, a.w = w);
    pt_view mean = mat(PT_F32, 1, z.n), db = mat(PT_F32, 1, z.c), b = mat(PT_F32, 1, z.c);
    TIME("layernorm + residual add", layernorm, pt_layernorm_args, 0, 4 * x, a.y = a1, a.mean = mean, a.rstd = rstd, a.x = a2, a.add = a3, a.h = a4,
         a.w = w, a.b = b, a.eps = 1e-5f);
    TIME("layernorm_bwd", layernorm_bwd, pt_layernorm_bwd_args, 0, 4 * x, a.dx = a1, a.dy = a2, a.dres = a3, a.h = a4, a.mean = mean, a.rstd = rstd,
         a.w = w);
    TIME("layernorm_bwd with dw, db", layernorm_bwd, pt_layernorm_bwd_args, 0, 4 * x, a.dx = a1, a.dw = dw, a.db = db, a.dy = a2, a.dres = a3,
         a.h = a4, a.mean = mean, a.rstd = rstd, a.w = w);
    TIME("rope, q", rope, pt_rope_args, 0, 2 * x + 4.0 * (double)(z.n * z.dim), a.x = a1, a.table = tab,
         a.heads = (int)(z.c / z.dim), a.dim = a.rot = z.dim);
    const int heads = (int)(z.c / z.dim);
    const double angles = 4.0 * (double)(z.n * z.dim);
    pt_view rstds = mat(PT_F32, 1, z.n * heads), hw = mat(PT_F32, 1, z.dim), dhw = mat(PT_F32, 1, z.dim);
    TIME("norm_rope, q", norm_rope, pt_norm_rope_args, 0, 2 * x + angles, a.y = a1, a.rstd = rstds, a.x = a2, a.w = hw, a.table = tab, a.eps = 1e-5f, a.heads = heads,
         a.dim = a.rot = z.dim);
    TIME("norm_rope_bwd, q", norm_rope_bwd, pt_norm_rope_bwd_args, 0, 3 * x + angles, a.dx = a1, a.dy = a1, a.x = a2, a.rstd = rstds, a.w = hw, a.table = tab, a.heads = heads,
         a.dim = a.rot = z.dim);
    TIME("norm_rope_bwd, q, with dw", norm_rope_bwd, pt_norm_rope_bwd_args, 0, 3 * x + angles, a.dx = a1, a.dw = dhw, a.dy = a1, a.x = a2, a.rstd = rstds, a.w = hw, a.table = tab,
         a.heads = heads, a.dim = a.rot = z.dim);
    TIME("axpby", axpby, pt_axpby_args, 0, 3 * x, a.y = a1, a.x = a2, a.alpha = 1, a.beta = 0.5f);
    TIME("clamp", clamp, pt_clamp_args, 0, 2 * x, a.y = a1, a.x = a2, a.limit = 8);
    TIME("clamp_bwd", clamp_bwd, pt_clamp_bwd_args, 0, 3 * x, a.dx = a1, a.dy = a2, a.x = a3, a.limit = 8);
    drop_all();
    pt_view g = mat(PT_BF16, z.n, z.f), u = mat(PT_BF16, z.n, z.f), y = mat(PT_BF16, z.n, z.f), dg = mat(PT_BF16, z.n, z.f);
    TIME("gated", gated, pt_gated_args, 0, 3 * h, a.y = y, a.g = g, a.u = u);
    TIME("gated_bwd", gated_bwd, pt_gated_bwd_args, 0, 6 * h, a.dg = dg, a.du = u, a.y = a.dy = y, a.g = g, a.u = u);
    TIME("gated, plain GELU", gated, pt_gated_args, 0, 2 * h, a.y = y, a.g = g, a.kind = PT_ACT_GELU_TANH);
    TIME("gated_bwd, plain GELU", gated_bwd, pt_gated_bwd_args, 0, 3 * h, a.dg = dg, a.dy = y, a.g = g, a.kind = PT_ACT_GELU_TANH);
    drop_all();
    pt_view p = mat(PT_F32, 1, z.params), m = mat(PT_F32, 1, z.params), v = mat(PT_F32, 1, z.params),
            gr = mat(PT_F32, 1, z.params), s = mat(PT_F32, 1, 4);
    pt_view acc = mat(PT_F64, 1, 1);
    TIME("sumsq", sumsq, pt_sumsq_args, 0, 4.0 * (double)z.params, a.acc = acc, a.x = gr);
    TIME("adamw", adamw, pt_adamw_args, 0, 28.0 * (double)z.params, a.p = p, a.m = m, a.v = v, a.g = gr, a.scalars = s,
         a.lr = 1e-5f, a.beta1 = 0.9f, a.beta2 = 0.999f, a.eps = 1e-8f);
    drop_all();
}

/* Rows moved about: tokens and indices are distinct, so that every row is one of its own. */
void moves(const shapes &z)
{
    const double n = (double)z.n, x = 2.0 * n * (double)z.c;
    std::vector<int32_t> token((size_t)z.n), order((size_t)z.n);
    for (int64_t i = 0; i < z.n; i++) {
        token[(size_t)i] = (int32_t)(i * 7919 % z.vocab);
        order[(size_t)i] = (int32_t)(i * 37 % z.n);
    }
    pt_view y = mat(PT_BF16, z.n, z.c), from = mat(PT_BF16, z.n, z.c), f = mat(PT_F32, z.n, z.c), tokens = ids(token),
            index = ids(order), table = mat(PT_F32, z.n, z.dim), freq = mat(PT_F32, 1, z.dim / 2);
    for (pt_dtype t : {PT_BF16, PT_Q4_K}) {
        size_t row = 0;
        char name[64];
        pt_dtype_row_bytes(t, (size_t)z.c, &row);
        snprintf(name, sizeof name, "embed, %s", pt_dtype_get(t)->name);
        pt_view w = mat(t, z.vocab, z.c);
        TIME(name, embed, pt_embed_args, 0, x + n * (double)row + 4 * n, a.y = y, a.w = w, a.tokens = tokens, a.scale = 1);
    }
    pt_view dw = mat(PT_F32, z.vocab, z.c);
    TIME("embed_bwd", embed_bwd, pt_embed_bwd_args, 0, 5 * x + 4 * n, a.dw = dw, a.dy = y, a.tokens = tokens, a.scale = 1);
    TIME("gather", gather, pt_gather_args, 0, 2 * x + 4 * n, a.y = y, a.x = from, a.index = index);
    TIME("scatter_add", scatter_add, pt_gather_args, 0, 3 * x + 4 * n, a.y = y, a.x = from, a.index = index);
    TIME("cast, f32 to bf16", cast, pt_cast_args, 0, 3 * x, a.y = y, a.x = f);
    TIME("cast, bf16 to f32", cast, pt_cast_args, 0, 3 * x, a.y = f, a.x = y);
    TIME("rope_table", rope_table, pt_rope_table_args, 0, n * (4.0 * z.dim + 4) + 2.0 * z.dim, a.table = table,
         a.positions = tokens, a.inv_freq = freq, a.mscale = 1);
    drop_all();
}

/* Groups of rows and their losses: an answer of 64 tokens is a group, two are a pair; of a reward model's rows each is a group.
 * All are one block, so their times are latency; clip, four numbers, says what a launch takes. */
void losses(const shapes &z)
{
    const int32_t m = (int32_t)(z.n < 256 ? 256 : z.n), groups = m / 64, pairs = groups / 2;
    std::vector<int32_t> at((size_t)m), start, single((size_t)m + 1), two;
    for (int32_t i = 0; i <= m; i++) single[(size_t)i] = i;
    for (int32_t i = 0; i < m; i++) at[(size_t)i] = i;
    for (int32_t g = 0; g <= groups; g++) start.push_back(64 * g);
    for (int32_t i = 0; i <= m / 2; i++) two.push_back(2 * i);
    const double rows = m, g = groups, p = pairs;
    pt_view value = mat(PT_F32, 1, m), dvalue = mat(PT_F32, 1, m), score = pt_view_reshape(value, m, 1), dscore = pt_view_reshape(dvalue, m, 1), weight = mat(PT_F32, 1, m),
            entry = ids(at), begin = ids(start), alone = ids(single), twos = ids(two);
    pt_view scalars = mat(PT_F32, 1, 4), acc = mat(PT_F64, 1, 1);
    pt_view report = mat(PT_F64, 1, PT_REPORT_SIZE), mark = mat(PT_F32, 1, 1), column = mat(PT_F32, 2, groups), of_ones = mat(PT_F32, 2, m);
    TIME("group_loss, sft", group_loss, pt_group_loss_args, 0, 12 * rows, a.objective = OBJ_sft, a.report = report, a.logp.value = value,
         a.row_weight = weight, a.logp.dvalue = dvalue, a.step.norm = rows, a.mark = mark);
    /* values, entries, weights; dvalue; sums, starts and references of groups; records */
    pt_view ref = mat(PT_F32, 1, groups);
    TIME("group_loss, dpo, groups of 64", group_loss, pt_group_loss_args, 0, 16 * rows + 12 * g + 4 * p, a.objective = OBJ_dpo,
         a.report = report, a.logp = channel(value, dvalue, begin, entry, weight), a.reference_sum = ref, a.column = column,
         a.record_start = pt_view_cols(twos, 0, pairs + 1), a.step.option[0] = 0.1, a.step.norm = p);
    TIME("group_loss, reward, groups of 1", group_loss, pt_group_loss_args, 0, 24 * rows + 12 * rows / 2, a.objective = OBJ_reward,
         a.report = report, a.values = channel(score, dscore, alone, entry, weight), a.column = of_ones, a.record_start = twos,
         a.step.norm = rows / 2);
    pt_view sums = mat(PT_F64, 1, PT_TOKEN_SUMS);
    TIME("token_sums", token_sums, pt_token_sums_args, 0, 20 * rows, a.acc = sums, a.weight = weight, a.entropy = value, a.argmax = entry, a.row_head = entry,
         a.row_target = entry);
    TIME("clip (a launch, four numbers)", clip, pt_clip_args, 0, 40, a.scalars = scalars, a.acc = acc, a.max_norm = 1);
    drop_all();
}

void linears(const shapes &z)
{
    static const pt_dtype types[] = {PT_BF16, PT_Q8_0, PT_Q4_K, PT_Q6_K};
    for (pt_dtype t : types) {
        size_t row = 0;
        char name[64];
        pt_dtype_row_bytes(t, (size_t)z.c, &row);
        pt_view w = mat(t, z.f, z.c), x = mat(PT_BF16, z.n, z.c), y = mat(PT_BF16, z.n, z.f);
        double flops = 2.0 * (double)z.n * (double)z.f * (double)z.c, wb = (double)row * (double)z.f,
               io = 2.0 * (double)(z.n * (z.f + z.c));
        const char *type = pt_dtype_get(t)->name;
        snprintf(name, sizeof name, "linear, up, %s", type);
        TIME(name, linear, pt_linear_args, flops, wb + io, a.y = y, a.x = x, a.w = w);
        snprintf(name, sizeof name, "linear_bwd_x, up, %s", type);
        TIME(name, linear_bwd_x, pt_linear_bwd_x_args, flops, wb + io, a.dx = x, a.dy = y, a.w = w);
        for (int64_t n : {(int64_t)1, (int64_t)8}) {
            snprintf(name, sizeof name, "linear, up, %s, %d row%s", type, (int)n, n == 1 ? "" : "s");
            pt_view x1 = pt_view_rows(x, 0, n), y1 = pt_view_rows(y, 0, n);
            TIME(name, linear, pt_linear_args, 0, wb, a.y = y1, a.x = x1, a.w = w);
        }
        drop_all();
    }
    pt_view dw = mat(PT_F32, z.f, z.c), x = mat(PT_BF16, z.n, z.c), dy = mat(PT_BF16, z.n, z.f);
    TIME("linear_bwd_w, up", linear_bwd_w, pt_linear_bwd_w_args, 2.0 * (double)z.n * (double)z.f * (double)z.c,
         8.0 * (double)(z.f * z.c), a.dw = dw, a.dy = dy, a.x = x);
    drop_all();
}

void adapters(const shapes &z)
{
    int64_t out[3] = {z.c, (int64_t)z.kv * z.dim, (int64_t)z.kv * z.dim}, wide = out[0] + out[1] + out[2];
    pt_view x = mat(PT_BF16, z.n, z.c), dx = mat(PT_BF16, z.n, z.c);
    pt_lora_part part[3] = {};
    pt_lora_slot slot[3] = {};
    pt_lora_run run = {0, (int32_t)z.n, 0};
    for (int i = 0; i < 3; i++) {
        part[i].y = mat(PT_BF16, z.n, out[i]), part[i].dy = mat(PT_BF16, z.n, out[i]), part[i].t = mat(PT_F32, z.n, z.rank),
        part[i].slots = &slot[i];
        slot[i].a = mat(PT_F32, z.rank, z.c), slot[i].b = mat(PT_F32, out[i], z.rank), slot[i].da = mat(PT_F32, z.rank, z.c),
        slot[i].db = mat(PT_F32, out[i], z.rank);
        slot[i].scale = 2, slot[i].rank = z.rank;
    }
    double flops = 2.0 * (double)z.n * z.rank * (double)(3 * z.c + wide), e = 2.0 * (double)z.n;
    TIME("lora, q k v, r 16", lora, pt_lora_args, flops, e * (double)(z.c + 2 * wide), a.x = x, a.n_parts = 3, a.parts = part,
         a.n_runs = 1, a.runs = &run, a.n_slots = 1);
    TIME("lora_bwd, q k v, r 16", lora_bwd, pt_lora_args, 2 * flops, e * (double)(3 * z.c + wide), a.x = x, a.dx = dx,
         a.n_parts = 3, a.parts = part, a.n_runs = 1, a.runs = &run, a.n_slots = 1);
    drop_all();
}

void attentions(const shapes &z)
{
    int64_t hd = (int64_t)z.heads * z.dim, kd = (int64_t)z.kv * z.dim;
    int32_t n = (int32_t)z.n, start[2] = {0, n}, parent = -1, end = n;
    std::vector<int32_t> pos((size_t)n);
    for (int32_t i = 0; i < n; i++) pos[(size_t)i] = i;
    pt_forest_caps caps = {n, 1};
    pt_forest_desc d = {n, 1, start, &parent, &end, pos.data(), 0};
    pt_forest *forest = NULL;
    if (ctx.ops->forest_new(&ctx, &forest, &caps) != PT_OK || ctx.ops->forest_set(&ctx, forest, &d) != PT_OK) {
        say("forest: FAILED: %s\n", pt_err_msg());
        failures++;
    } else {
        pt_view q = mat(PT_BF16, n, hd), k = mat(PT_BF16, n, kd), v = mat(PT_BF16, n, kd), o = mat(PT_BF16, n, hd),
                lse = mat(PT_F32, z.heads, n);
        pt_view dq = mat(PT_BF16, n, hd), dk = mat(PT_BF16, n, kd), dv = mat(PT_BF16, n, kd), dout = mat(PT_BF16, n, hd);
        double flops = 2.0 * n * (double)n * (double)hd, bytes = 2.0 * n * (double)(2 * hd + 2 * kd);
        float scale = 0.088f;
        TIME("attention", attention, pt_attention_args, flops, bytes, a.o = o, a.lse = lse, a.q = q, a.k = k, a.v = v,
             a.forest = forest, a.n_heads = z.heads, a.n_kv = z.kv, a.dim = z.dim, a.scale = scale);
        TIME("attention_bwd", attention_bwd, pt_attention_bwd_args, 2.5 * flops, 2 * bytes, a.dq = dq, a.dk = dk, a.dv = dv,
             a.dout = dout, a.o = o, a.lse = lse, a.q = q, a.k = k, a.v = v, a.forest = forest, a.n_heads = z.heads,
             a.n_kv = z.kv, a.dim = z.dim, a.scale = scale);
        pt_view slopes = mat(PT_F32, 1, z.heads);
        TIME("attention, softcap and slopes", attention, pt_attention_args, flops, bytes, a.o = o, a.lse = lse, a.q = q, a.k = k,
             a.v = v, a.forest = forest, a.n_heads = z.heads, a.n_kv = z.kv, a.dim = z.dim, a.scale = scale, a.softcap = 50,
             a.slopes = slopes);
        TIME("attention_bwd, softcap and slopes", attention_bwd, pt_attention_bwd_args, 2.5 * flops, 2 * bytes, a.dq = dq,
             a.dk = dk, a.dv = dv, a.dout = dout, a.o = o, a.lse = lse, a.q = q, a.k = k, a.v = v, a.forest = forest,
             a.n_heads = z.heads, a.n_kv = z.kv, a.dim = z.dim, a.scale = scale, a.softcap = 50, a.slopes = slopes);
    }
    if (forest) ctx.ops->forest_free(&ctx, forest);
    pt_view q = mat(PT_BF16, 8, hd), o = mat(PT_BF16, 8, hd), k = mat(PT_BF16, 8 * z.cache, kd),
            v = mat(PT_BF16, 8 * z.cache, kd);
    pt_view lens = ids(std::vector<int32_t>(8, z.cache));
    TIME("decode_attention, 8 sequences", decode_attention, pt_decode_args, 0, 8 * 4.0 * z.cache * (double)kd, a.o = o, a.q = q,
         a.k = k, a.v = v, a.lens = lens, a.max_len = z.cache, a.n_heads = z.heads, a.n_kv = z.kv, a.dim = z.dim,
         a.scale = 0.088f);
    drop_all();
}

void heads(const shapes &z)
{
    std::vector<int32_t> row((size_t)z.head_rows), target((size_t)z.head_rows);
    for (size_t i = 0; i < row.size(); i++) row[i] = (int32_t)i, target[i] = (int32_t)((int64_t)i * 7919 % z.vocab);
    pt_view x = mat(PT_BF16, z.head_rows, z.c), dx = mat(PT_BF16, z.head_rows, z.c), w = mat(PT_BF16, z.vocab, z.c),
            logp = mat(PT_F32, 1, z.head_rows);
    pt_view dl = mat(PT_F32, 1, z.head_rows), rh = ids(row), rt = ids(target);
    double flops = 2.0 * (double)z.head_rows * (double)z.vocab * (double)z.c, wb = 2.0 * (double)(z.vocab * z.c),
           zb = 4.0 * (double)(z.head_rows * z.vocab);
    TIME("head, forward", head, pt_head_args, flops, wb + 2 * zb, a.logp = logp, a.x = x, a.w = w, a.row_head = rh,
         a.row_target = rt, a.temperature = 1);
    TIME("head, forward and backward", head, pt_head_args, 2 * flops, 2 * wb + 4 * zb, a.logp = logp, a.dx = dx, a.x = x,
         a.w = w, a.row_head = rh, a.row_target = rt, a.dlogp = dl, a.temperature = 1);
    pt_view xr = mat(PT_BF16, z.head_rows, z.c), kl = mat(PT_F32, 1, z.head_rows), dkl = mat(PT_F32, 1, z.head_rows);
    TIME("head, forward and backward, kl", head, pt_head_args, 3 * flops, 3 * wb + 9 * zb, a.logp = logp, a.kl = kl, a.dx = dx, a.x = x, a.xr = xr,
         a.w = w, a.row_head = rh, a.row_target = rt, a.dlogp = dl, a.dkl = dkl, a.temperature = 1);
    drop_all();
    pt_view logits = mat(PT_F32, 8, z.vocab), token = mat(PT_I32, 1, 8);
    const uint64_t zero[8] = {0};
    TIME("sample, 8 sequences, greedy", sample, pt_sample_args, 0, 8 * 4.0 * (double)z.vocab, a.token = token,
         a.logits = logits, a.top_p = a.repetition_penalty = 1);
    TIME("sample, 8 sequences, top-p", sample, pt_sample_args, 0, 8 * 4.0 * (double)z.vocab, a.token = token, a.logits = logits,
         a.temperature = 0.8f, a.top_p = 0.9f, a.repetition_penalty = 1, a.stream = zero, a.position = zero);
    drop_all();
}

#include "tests/gpu/bench_more.h"

/* An entry of the table that nothing here times is a failure; so is a prediction of what nothing here is called. */
void all_timed(void)
{
    int here = 0;
    for (const prediction &p : predictions) here += !strstr(p.entry, ", base "); /* those are bench_more.h's */
    if (compared < here) failures++, say("%-34s FAILED: %d of %d predictions have no entry of that name\n", "roofline.tsv", here - compared, here);
#define NAME(op, args) #op,
    static const char *const all[] = {PT_OP_LIST(NAME)};
    for (const char *op : all) {
        bool found = false;
        for (const char *t : timed) found = found || strcmp(t, op) == 0;
        if (!found) failures++, say("%-34s FAILED: not timed\n", op);
    }
#undef NAME
}
} // namespace

int main(int argc, char **argv)
{
    bool small = argc > 2 && strcmp(argv[1], "tiny") == 0;
    const char *part = argc == (small ? 4 : 3) ? argv[small ? 2 : 1] : "", *why = pt_cuda_why_not();
    bool only_peaks = strcmp(part, "peaks") == 0, only_more = strcmp(part, "more") == 0;
    if (argc != (small ? 3 : 2) + (*part != 0) || (*part && !only_peaks && !only_more) || !(report = fopen(argv[argc - 1], "w"))) {
        fprintf(stderr, "usage: gpu_bench [tiny] [peaks|more] REPORT\n");
        return 2;
    }
    if (why) {
        say("skipped: bench-gpu: %s\n", why);
        fclose(report);
        return 0;
    }
    const shapes &z = small ? tiny : full;
    cudaDeviceProp prop;
    bufs.reserve(64);
    quick = small;
    if (pt_cuda_ops()->open(&ctx, PT_COMPUTE_BF16) != PT_OK || cudaGetDeviceProperties(&prop, 0) != cudaSuccess) {
        say("%s\n", pt_err_msg());
        return 1;
    }
    say("%s, sm_%d%d; %lld tokens, width %lld%s\n", prop.name, prop.major, prop.minor, (long long)z.n, (long long)z.c,
        small ? " (tiny: the program is tested, times mean nothing)" : "");
    if (!only_peaks) read_predictions(small ? "H100" : prop.name);
    peaks(z);
    if (only_more) more(z);
    if (!*part) {
        elements(z);
        moves(z);
        losses(z);
        linears(z);
        adapters(z);
        attentions(z);
        heads(z);
        all_timed();
    }
    say("%d failed (report: %s)\n", failures, argv[argc - 1]);
    ctx.ops->close(&ctx);
    fclose(report);
    return failures ? 1 : 0;
}
