/* The language-model head on the device: kernels/head.h. A chunk of rows at a time: logits [rows, V] in f32 by cuBLASLt, one
 * kernel for log-softmax, gather and statistics, one that turns the logits into gradients in place (bf16 over the first half of
 * each row with compute bf16), and cuBLASLt again for dx (all its columns in one product) and dw. A w that does not lie
 * whole as numbers (pt_cuda_whole) becomes them once a call, whole, where dx is wanted; else, and with tight, block by block: of the vocabulary for logits, of columns for dx. Sums over the vocabulary take one kernel more, and the reference's a second matrix of logits and its statistics.
 * Bytes at least of the kernels, a row: 4V (statistics; sums, 8V with a reference); 4V + V*e more (gradient, 8V + V*e with a reference);
 * 4V + V*e (logits). */
#include "kernels/cuda/dequant.cuh"

#include "kernels/cuda/behind_cuda.h"
#include "kernels/cuda/gemm_cuda.h"

namespace
{
/* ---- helpers ---- */
constexpr int BLOCK = 512, V = 4; /* threads of a row, logits that a thread takes together */
constexpr int64_t CHUNK_BYTES = 1280 << 20, TIGHT_BYTES = 160 << 20, MIN_ROWS = 64, MAX_ROWS = 2048; /* of logits */
constexpr int64_t W_ELEMS = 16 << 20, ROW_STEP = 128, COL_STEP = 256;                               /* dequantised w at a time, where it is not whole */

enum { ENTROPY, SQUARES, KL, OVER };

struct head_job {
    float *z;     /* [rows, ld] */
    float *stats; /* [rows]: lse */
    float *zt;    /* [M] */
    const float *zr, *stats_r; /* the reference's logits and lse; NULL without one */
    float *over;  /* [rows, OVER]: sums over the vocabulary, or NULL */
    float *log_squares, *kl;
    const float *dentropy, *dlog_squares, *dkl;
    bool reverse; /* KL(reference||policy) */
    float *logp, *lse, *entropy;
    int32_t *argmax;
    const int32_t *row_head, *row_target;
    const float *dlogp;
    int64_t ld, h0, m;
    int vocab;
    float temperature, softcap;
};

/* What the softmax sees of raw logit s. */
PT_DEV float transform(const head_job &j, float s)
{
    if (j.softcap > 0) s = j.softcap * tanhf(s / j.softcap);
    return j.temperature == 1.0f ? s : s / j.temperature;
}
/* 4 logits, -inf past the end. Rows start at multiples of 128 bytes. */
PT_DEV void load4(const float *z, int n, float *v)
{
    if (n >= V) {
        ld_vec<V>(z, v);
    } else {
#pragma unroll
        for (int e = 0; e < V; e++) v[e] = e < n ? z[e] : -INFINITY;
    }
}
/* First m with row_head[m] >= h. */
PT_DEV int64_t first_row(const int32_t *head, int64_t m, int64_t h)
{
    int64_t lo = 0, hi = m;
    while (lo < hi) {
        int64_t mid = (lo + hi) / 2;
        if (head[mid] < h)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
/* Running log-sum-exp: s = sum of exp(z - top), w = sum of exp(z - top) z. */
struct running {
    float top, s, w;
    int at;
};
PT_DEV running join(running a, running b)
{
    if (b.top == -INFINITY) return a;
    if (a.top == -INFINITY) return b;
    float top = fmaxf(a.top, b.top), fa = expf(a.top - top), fb = expf(b.top - top);
    int at = a.top > b.top || (a.top == b.top && a.at < b.at) ? a.at : b.at;
    return {top, a.s * fa + b.s * fb, a.w * fa + b.w * fb, at};
}
PT_DEV running across(running r)
{
    for (int o = 16; o > 0; o >>= 1) {
        running b = {__shfl_xor_sync(PT_FULL, r.top, o), __shfl_xor_sync(PT_FULL, r.s, o), __shfl_xor_sync(PT_FULL, r.w, o),
                     __shfl_xor_sync(PT_FULL, r.at, o)};
        /* the lower lane's part first: both lanes of a pair get the same bits */
        r = lane_id() & o ? join(b, r) : join(r, b);
    }
    return r;
}

/* ---- kernels ---- */
/* A block per row: one pass, V logits a thread; a NaN anywhere ends up in the sums. */
__global__ void __launch_bounds__(BLOCK) head_stats_k(head_job j)
{
    PT_SHARED(running, part, [BLOCK / 32]);
    int64_t h = blockIdx.x;
    const float *z = j.z + h * j.ld;
    running r = {-INFINITY, 0, 0, 0};
    for (int i = (int)threadIdx.x * V; i < j.vocab; i += BLOCK * V) {
        float v[V], top = -INFINITY, s = 0, w = 0;
        int at = i;
        load4(z + i, j.vocab - i, v);
#pragma unroll
        for (int e = 0; e < V; e++) {
            v[e] = i + e < j.vocab ? transform(j, v[e]) : -INFINITY;
            if (v[e] > top || v[e] != v[e]) top = v[e], at = i + e;
        }
        if (top == -INFINITY) continue;
#pragma unroll
        for (int e = 0; e < V; e++)
            if (i + e < j.vocab && v[e] != -INFINITY) {
                float p = expf(v[e] - top);
                s += p;
                w += p * v[e];
            }
        r = join(r, {top, s, w, at});
    }
    r = across(r);
    if (lane_id() == 0) part[warp_id()] = r;
    __syncthreads();
    r = lane_id() < BLOCK / 32 ? part[lane_id()] : running{-INFINITY, 0, 0, 0};
    r = across(r);
    float lse = r.top + logf(r.s);
    int64_t row = j.h0 + h;
    if (threadIdx.x == 0) {
        j.stats[h] = lse;
        if (j.lse) j.lse[row] = lse;
        if (j.entropy) j.entropy[row] = lse - r.w / r.s;
        if (j.argmax) j.argmax[row] = r.at;
    }
    if (!j.row_head) return;
    for (int64_t m = first_row(j.row_head, j.m, row) + threadIdx.x; m < j.m && j.row_head[m] == row; m += BLOCK) {
        float t = transform(j, z[j.row_target[m]]);
        j.zt[m] = t;
        if (j.logp) j.logp[m] = t - lse;
    }
}

/* j.z = what the softmax sees of raw, which may be j.z itself. */
template <typename T> __global__ void __launch_bounds__(BLOCK) head_logits_k(head_job j, const T *raw, int64_t ld, int64_t rows)
{
    for (int64_t h = blockIdx.y; h < rows; h += gridDim.y)
        for (int e = 0; e < V; e++) {
            int64_t i = ((int64_t)blockIdx.x * V + e) * BLOCK + threadIdx.x;
            if (i < j.vocab) j.z[h * j.ld + i] = transform(j, to_f(raw[h * ld + i]));
        }
}

/* Sum of dlogp over the row's m that aim at token t. */
PT_DEV float aimed(const head_job &j, int64_t m0, int64_t row, int32_t t)
{
    float s = 0;
    for (int64_t m = m0; m < j.m && j.row_head[m] == row; m++)
        if (j.row_target[m] == t) s += j.dlogp[m];
    return s;
}

/* exp(-d) - 1 + d = d^2/2 - d^3/6 ... through d^7, of |d| < NEAR: nothing is lost to cancellation. */
constexpr float NEAR = 0.25f;
PT_DEV float series(float d)
{
    float s = fmaf(-1.0f / 5040, d, 1.0f / 720);
    s = fmaf(s, d, -1.0f / 120);
    s = fmaf(s, d, 1.0f / 24);
    s = fmaf(s, d, -1.0f / 6);
    s = fmaf(s, d, 0.5f);
    return s * d * d;
}
/* a log(a/b) - a + b of a = exp(d) b: the term of a divergence, which is never negative. */
PT_DEV float term(float a, float b, float d)
{
    return fabsf(d) < NEAR ? a * series(d) : b - a + a * d;
}

/* A block per row: the sums over the vocabulary, from its logits and the reference's. */
__global__ void __launch_bounds__(BLOCK) head_sums_k(head_job j)
{
    PT_SHARED(float, red, [32]);
    int64_t h = blockIdx.x, row = j.h0 + h;
    const float *z = j.z + h * j.ld, *zr = j.zr ? j.zr + h * j.ld : nullptr;
    float lse = j.stats[h], lse_r = zr ? j.stats_r[h] : 0.0f, entropy = 0, squares = 0, kl = 0;
    for (int i = (int)threadIdx.x * V; i < j.vocab; i += BLOCK * V) {
        float v[V], r[V];
        load4(z + i, j.vocab - i, v);
        if (zr) load4(zr + i, j.vocab - i, r);
#pragma unroll
        for (int e = 0; e < V; e++) {
            if (i + e >= j.vocab) continue;
            float t = transform(j, v[e]), lp = t - lse, p = expf(lp);
            entropy -= p * lp;
            squares += p * p;
            if (!zr) continue;
            float u = transform(j, r[e]), q = expf(u - lse_r), d = (t - u) - (lse - lse_r);
            kl += j.reverse ? term(q, p, -d) : term(p, q, d);
        }
    }
    entropy = block_sum(entropy, red);
    squares = block_sum(squares, red);
    kl = block_sum(kl, red);
    if (threadIdx.x) return;
    j.over[h * OVER + ENTROPY] = entropy, j.over[h * OVER + SQUARES] = squares, j.over[h * OVER + KL] = kl;
    if (j.log_squares) j.log_squares[row] = logf(squares);
    if (j.kl) j.kl[row] = kl;
}

/* A row's softmax and dL/d of what is made of it. */
struct slopes {
    float lse, total, lse_r, entropy, squares, kl, dentropy, dsquares, dkl;
};
template <bool SUMS> PT_DEV slopes row_slopes(const head_job &j, int64_t h, int64_t row)
{
    slopes s = {};
    s.lse = j.stats[h];
    if constexpr (SUMS) {
        const float *over = j.over + h * OVER;
        s.entropy = over[ENTROPY], s.squares = over[SQUARES], s.kl = over[KL];
        if (j.dentropy) s.dentropy = j.dentropy[row];
        if (j.dlog_squares) s.dsquares = j.dlog_squares[row] / s.squares;
        if (j.zr && j.dkl) s.dkl = j.dkl[row];
        if (j.zr) s.lse_r = j.stats_r[h];
    }
    return s;
}
/* dL/dz of a token with logit t, the reference's u, but for the targets' own. */
template <bool SUMS> PT_DEV float by_logit(const head_job &j, const slopes &s, float t, float u)
{
    float lp = t - s.lse, p = expf(lp);
    if constexpr (!SUMS) return -s.total * p;
    float g = p * (2 * s.dsquares * (p - s.squares) - s.total - s.dentropy * (lp + s.entropy));
    if (!j.zr) return g;
    float q = expf(u - s.lse_r), d = (t - u) - (s.lse - s.lse_r);
    return g + s.dkl * (!j.reverse ? p * (d - s.kl) : fabsf(d) < NEAR ? p * (d - series(d)) : p - q);
}

/* dL/d(raw logit) over the logits, type T. A tile of BLOCK*V is read, then written: its bytes lie at or before what is read. */
template <typename T, bool SUMS> PT_DEV void row_grad(const head_job &j)
{
    int64_t h = blockIdx.x, row = j.h0 + h, m0 = first_row(j.row_head, j.m, row);
    float *z = j.z + h * j.ld;
    const float *zr = SUMS && j.zr ? j.zr + h * j.ld : nullptr;
    slopes s = row_slopes<SUMS>(j, h, row);
    T *dz = reinterpret_cast<T *>(z);
    for (int64_t m = m0; m < j.m && j.row_head[m] == row; m++) s.total += j.dlogp[m];
    float ratio = j.softcap > 0 ? j.temperature / j.softcap : 0.0f, inv = 1.0f / j.temperature;
    for (int i0 = 0; i0 < j.vocab; i0 += BLOCK * V) {
        int i = i0 + (int)threadIdx.x * V;
        float v[V], r[V] = {};
        if (i < j.vocab) load4(z + i, j.vocab - i, v);
        if (zr && i < j.vocab) load4(zr + i, j.vocab - i, r);
        __syncthreads();
        if (i < j.vocab) {
#pragma unroll
            for (int e = 0; e < V; e++) {
                float t = i + e < j.vocab ? transform(j, v[e]) : -INFINITY, u = zr && i + e < j.vocab ? transform(j, r[e]) : 0.0f;
                float slope = j.softcap > 0 ? 1.0f - t * ratio * (t * ratio) : 1.0f;
                v[e] = i + e < j.vocab ? by_logit<SUMS>(j, s, t, u) * inv * slope : 0.0f;
            }
            st_vec<V>(dz + i, v);
        }
    }
    __syncthreads();
    for (int64_t m = m0 + threadIdx.x; m < j.m && j.row_head[m] == row; m += BLOCK) {
        int32_t t = j.row_target[m];
        bool first = true;
        for (int64_t k = m0; k < m; k++) first = first && j.row_target[k] != t;
        if (!first) continue;
        float zt = j.zt[m], slope = j.softcap > 0 ? 1.0f - zt * ratio * (zt * ratio) : 1.0f;
        float other = by_logit<SUMS>(j, s, zt, zr ? transform(j, zr[t]) : 0.0f);
        dz[t] = from_f<T>((aimed(j, m0, row, t) + other) * inv * slope);
    }
}
template <typename T> __global__ void __launch_bounds__(BLOCK) head_grad_k(head_job j)
{
    row_grad<T, false>(j);
}
template <typename T> __global__ void __launch_bounds__(BLOCK) head_sums_grad_k(head_job j)
{
    row_grad<T, true>(j);
}

/* ---- launchers ---- */
struct head_work {
    pt_ctx *ctx;
    const pt_head_args *a;
    int64_t rows, ld;
    size_t elem;
    bool in_place, whole; /* w is used where it lies; w lies dequantised, whole, in the workspace */
    int64_t ldw, columns; /* of w; columns of dx at a time */
    float *z, *stats, *zt;
    float *zr, *stats_r, *over; /* NULL where nothing asks for them */
    unsigned char *w, *scratch;
};

pt_status work_begin(head_work *k, pt_ctx *ctx, const pt_head_args *a)
{
    int64_t hd = a->x.rows, vocab = a->w.rows, c = a->w.cols, m = pt_view_ok(a->row_head) ? a->row_head.cols : 0;
    *k = {};
    pt_cuda_whole_w there;
    k->ctx = ctx, k->a = a, k->elem = pt_dtype_get(ctx->act)->bytes, k->in_place = pt_cuda_whole(ctx, a->w, &there);
    k->whole = !k->in_place && pt_view_ok(a->dx) && !a->tight;
    k->ld = (vocab + 31) / 32 * 32;
    bool other = pt_head_reference(a);
    int64_t most = (a->tight ? TIGHT_BYTES : CHUNK_BYTES) / (other ? 8 : 4) / k->ld / MIN_ROWS * MIN_ROWS;
    most = most < MIN_ROWS ? MIN_ROWS : most > MAX_ROWS ? MAX_ROWS : most;
    k->rows = hd < most ? hd : most;
    int64_t cap = ROW_STEP * c > W_ELEMS ? ROW_STEP * c : W_ELEMS; /* elements of a block of w's rows, or of its columns */
    if (a->tight && pt_view_ok(a->dx) && COL_STEP * vocab > cap) cap = COL_STEP * vocab;
    k->columns = k->in_place || k->whole || c < cap / vocab ? c : cap / vocab / COL_STEP * COL_STEP;
    size_t elems = (size_t)(k->whole || c < cap / vocab ? vocab * c : cap);
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &k->z, (size_t)k->rows * (size_t)k->ld * sizeof(float)));
    PT_RETURN(pt_take(&ws, &k->stats, (size_t)k->rows * sizeof(float)));
    PT_RETURN(pt_take(&ws, &k->zt, (size_t)m * sizeof(float)));
    if (other) PT_RETURN(pt_take(&ws, &k->zr, (size_t)k->rows * (size_t)k->ld * sizeof(float)));
    if (other) PT_RETURN(pt_take(&ws, &k->stats_r, (size_t)k->rows * sizeof(float)));
    if (pt_head_sums(a)) PT_RETURN(pt_take(&ws, &k->over, (size_t)k->rows * OVER * sizeof(float)));
    k->w = there.at, k->ldw = k->in_place ? there.ld : c;
    if (!k->in_place) PT_RETURN(pt_take(&ws, &k->w, elems * k->elem));
    PT_RETURN(pt_take(&ws, &k->scratch, PT_GEMM_SCRATCH));
    pt_ws_done(&ws);
    return PT_OK;
}

void *x_row(const head_work *k, pt_view v, int64_t r)
{
    return pt_ptr<unsigned char>(v) + (size_t)(r * v.ld) * k->elem;
}

/* to = x w^T. */
pt_status logits(const head_work *k, pt_view x, float *to, int64_t h0, int64_t n)
{
    const pt_head_args *a = k->a;
    int64_t vocab = a->w.rows, c = a->w.cols, step = W_ELEMS / (c > 0 ? c : 1) / ROW_STEP * ROW_STEP;
    if (step < ROW_STEP) step = ROW_STEP;
    if (k->in_place || k->whole) step = vocab;
    for (int64_t v0 = 0; v0 < vocab; v0 += step) {
        int64_t now = vocab - v0 < step ? vocab - v0 : step;
        pt_cuda_gemm_args g = {};
        g.type = k->ctx->act, g.ctype = PT_F32, g.tb = true, g.m = n, g.n = now, g.k = c, g.alpha = 1, g.scratch = k->scratch;
        g.a = x_row(k, x, h0), g.lda = x.ld, g.b = k->w, g.ldb = k->ldw;
        g.c = to + v0, g.ldc = k->ld;
        if (!k->in_place && !k->whole) PT_RETURN(pt_cuda_dequant(k->ctx, a->w, v0, now, 0, c, k->ctx->act, k->w, c));
        PT_RETURN(pt_cuda_gemm(k->ctx, &g));
    }
    return PT_OK;
}

/* dx = dz w; no output is rounded twice. */
pt_status input_gradient(const head_work *k, pt_cuda_gemm_args g, int64_t h0, int64_t n)
{
    const pt_head_args *a = k->a;
    const int64_t vocab = a->w.rows, c = a->w.cols;
    g.ctype = k->ctx->act, g.m = n, g.k = vocab, g.b = k->w, g.ldb = k->ldw, g.ldc = a->dx.ld;
    for (int64_t c0 = 0; c0 < c; c0 += k->columns) {
        g.n = c - c0 < k->columns ? c - c0 : k->columns;
        g.c = static_cast<unsigned char *>(x_row(k, a->dx, h0)) + (size_t)c0 * k->elem;
        if (!k->in_place && !k->whole) {
            PT_RETURN(pt_cuda_dequant(k->ctx, a->w, 0, vocab, c0, g.n, k->ctx->act, k->w, g.n));
            g.ldb = g.n;
        }
        PT_RETURN(pt_cuda_gemm(k->ctx, &g));
    }
    return PT_OK;
}

/* And dw += dz^T x. Rows of dz are as far apart as the logits' were. */
pt_status products(const head_work *k, int64_t h0, int64_t n)
{
    const pt_head_args *a = k->a;
    int64_t ld = k->ld * (int64_t)(4 / k->elem);
    pt_cuda_gemm_args g = {};
    g.type = k->ctx->act, g.alpha = 1, g.scratch = k->scratch, g.a = k->z, g.lda = ld;
    if (pt_view_ok(a->dx)) PT_RETURN(input_gradient(k, g, h0, n));
    if (!pt_view_ok(a->dw)) return PT_OK;
    g.ctype = PT_F32, g.ta = true, g.m = a->dw.rows, g.n = a->w.cols, g.k = n, g.beta = 1;
    g.a = (const unsigned char *)k->z + (size_t)a->dw_first * (size_t)k->elem;
    g.b = x_row(k, a->x, h0), g.ldb = a->x.ld, g.c = pt_ptr<void>(a->dw), g.ldc = a->dw.ld;
    return pt_cuda_gemm(k->ctx, &g);
}

/* The reference's logits and their log-sum-exp, by the products and the kernel of the policy's: equal hidden states have equal bits. */
pt_status reference(const head_work *k, int64_t h0, int64_t n, head_job *j)
{
    head_job r = {};
    PT_RETURN(logits(k, k->a->xr, k->zr, h0, n));
    r.z = k->zr, r.stats = k->stats_r, r.ld = j->ld, r.h0 = h0, r.vocab = j->vocab, r.temperature = j->temperature, r.softcap = j->softcap;
    j->zr = k->zr, j->stats_r = k->stats_r;
    return pt_launch(head_stats_k, dim3((unsigned)n), dim3(BLOCK), 0, pt_stream(k->ctx), r);
}

pt_status chunk(const head_work *k, int64_t h0, int64_t n)
{
    const pt_head_args *a = k->a;
    head_job j = {};
    j.z = k->z, j.stats = k->stats, j.zt = k->zt, j.logp = pt_ptr<float>(a->logp), j.lse = pt_ptr<float>(a->lse);
    j.entropy = pt_ptr<float>(a->entropy), j.argmax = pt_ptr<int32_t>(a->argmax), j.row_head = pt_ptr<int32_t>(a->row_head);
    j.row_target = pt_ptr<int32_t>(a->row_target), j.dlogp = pt_ptr<float>(a->dlogp);
    j.ld = k->ld, j.h0 = h0, j.m = j.row_head ? a->row_head.cols : 0, j.vocab = (int)a->w.rows;
    j.temperature = a->temperature, j.softcap = a->softcap;
    dim3 grid((unsigned)n), block(BLOCK);
    PT_RETURN(logits(k, a->x, k->z, h0, n));
    PT_RETURN(pt_launch(head_stats_k, grid, block, 0, pt_stream(k->ctx), j));
    if (k->zr) PT_RETURN(reference(k, h0, n, &j));
    if (k->over) {
        j.over = k->over, j.log_squares = pt_ptr<float>(a->log_squares), j.kl = pt_ptr<float>(a->kl), j.reverse = a->kl_reverse;
        j.dentropy = pt_ptr<float>(a->dentropy), j.dlog_squares = pt_ptr<float>(a->dlog_squares), j.dkl = pt_ptr<float>(a->dkl);
        PT_RETURN(pt_launch(head_sums_k, grid, block, 0, pt_stream(k->ctx), j));
    }
    if (!pt_view_ok(a->dx) && !pt_view_ok(a->dw)) return PT_OK;
    if (k->over && k->elem == 2)
        PT_RETURN(pt_launch(head_sums_grad_k<bf16>, grid, block, 0, pt_stream(k->ctx), j));
    else if (k->over)
        PT_RETURN(pt_launch(head_sums_grad_k<float>, grid, block, 0, pt_stream(k->ctx), j));
    else if (k->elem == 2)
        PT_RETURN(pt_launch(head_grad_k<bf16>, grid, block, 0, pt_stream(k->ctx), j));
    else
        PT_RETURN(pt_launch(head_grad_k<float>, grid, block, 0, pt_stream(k->ctx), j));
    return products(k, h0, n);
}

template <typename T> pt_status launch_logits(pt_ctx *ctx, const pt_head_args *a, pt_view raw)
{
    head_job j = {};
    j.z = pt_ptr<float>(a->logits), j.ld = a->logits.ld, j.vocab = (int)a->w.rows, j.temperature = a->temperature, j.softcap = a->softcap;
    dim3 grid((unsigned)pt_ceil_div(a->w.rows, BLOCK * V), pt_grid_y(raw.rows));
    return pt_launch(head_logits_k<T>, grid, dim3(BLOCK), 0, pt_stream(ctx), j, (const T *)pt_ptr<T>(raw), raw.ld, raw.rows);
}

/* All logits of all rows; of f32 the product may write them where they go. */
pt_status put_logits(pt_ctx *ctx, const pt_head_args *a)
{
    pt_view raw = a->logits;
    pt_buf room = {};
    pt_ws ws = pt_ws_begin(ctx);
    if (ctx->act != PT_F32) {
        raw.type = ctx->act, raw.off = 0, raw.ld = raw.cols, raw.buf = &room;
        room.bytes = (size_t)(raw.rows * raw.cols) * pt_dtype_get(ctx->act)->bytes;
        PT_RETURN(pt_take(&ws, &room.base, room.bytes));
    }
    pt_linear_args product = {};
    product.y = raw, product.x = a->x, product.w = a->w;
    PT_RETURN(pt_cuda_product(&ws, &product, NULL));
    if (ctx->dry || (ctx->act == PT_F32 && a->softcap == 0 && a->temperature == 1)) return PT_OK;
    return PT_BY_ACT(ctx, launch_logits, ctx, a, raw);
}
} // namespace

extern "C" pt_status pt_cuda_head(pt_ctx *ctx, const pt_head_args *a)
{
    head_work k;
    PT_RETURN(pt_check_head(ctx, a));
    if (a->w.rows > INT32_MAX / 2) return pt_fail(PT_ESHAPE, "head: a vocabulary of %lld", (long long)a->w.rows);
    if (a->x.rows == 0) return PT_OK;
    if (pt_view_ok(a->logits)) PT_RETURN(put_logits(ctx, a));
    if (!pt_head_more(a)) return PT_OK;
    PT_RETURN(work_begin(&k, ctx, a));
    if (ctx->dry) return PT_OK;
    if (k.whole) PT_RETURN(pt_cuda_dequant(ctx, a->w, 0, a->w.rows, 0, a->w.cols, ctx->act, k.w, a->w.cols));
    for (int64_t h = 0; h < a->x.rows; h += k.rows) PT_RETURN(chunk(&k, h, a->x.rows - h < k.rows ? a->x.rows - h : k.rows));
    return PT_OK;
}
