/* Choosing the next token on the device: kernels/sample.h, a block per sequence, without sorting. Every filter and the draw ask
 * for the candidate at which a running sum in descending order of logits (ties: lowest id first) first passes a limit; that is
 * found by radix selection over the bits of the logit, then of the id, with sums of integers: probabilities are fixed-point
 * numbers of 2^-42 of the largest, so sums have no order. A row that holds a NaN or +inf, or nothing but -inf, gets token -1:
 * the caller must look (no op waits for the device). Bytes at least: 4V a row and pass; up to 7 passes a filter (the row stays
 * in L2). */
#include "base/rng.h"
#include "kernels/cuda/op_args.cuh"

namespace
{
/* ---- helpers ---- */
constexpr int BLOCK = 512, MAX_ROWS = 64, MAX_VOCAB = 1 << 20;
typedef unsigned long long u64;

struct sample_job {
    int32_t *token;
    float *z;
    const int32_t *seen;
    int64_t ld_z, ld_seen;
    int vocab, n_seen, top_k;
    float temperature, top_p, min_p, penalty;
    float u[MAX_ROWS]; /* the draws */
};

struct scratch { /* shared */
    u64 sum[256];
    u64 red[32];
    u64 above;
    unsigned bin;
};

/* What is still in the running: logits from `key` on; of those equal to it, ids up to `id`. */
struct bound {
    unsigned key;
    int id;
};

/* Order-preserving bits of a logit; -0 counts as 0. */
PT_DEV unsigned key_of(float z)
{
    unsigned u = __float_as_uint(z + 0.0f);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}
PT_DEV float logit_of(unsigned k)
{
    return __uint_as_float(k & 0x80000000u ? k & 0x7fffffffu : ~k);
}

PT_DEV u64 block_most(u64 v, u64 *red)
{
    for (int o = 16; o > 0; o >>= 1) {
        u64 b = __shfl_xor_sync(PT_FULL, v, o);
        v = b > v ? b : v;
    }
    __syncthreads();
    if (lane_id() == 0) red[warp_id()] = v;
    __syncthreads();
    v = lane_id() < BLOCK / 32 ? red[lane_id()] : 0;
    for (int o = 16; o > 0; o >>= 1) {
        u64 b = __shfl_xor_sync(PT_FULL, v, o);
        v = b > v ? b : v;
    }
    return v;
}

/* Weight of token i: 1 (t 0) or its probability at temperature t in units of 2^-42 of the largest; 0 outside the bound and below
 * min_p, which looks at it before the temperature. */
PT_DEV u64 weight_of(unsigned key, int i, float top, bound b, float min_p, float t)
{
    if (key < b.key || (key == b.key && i > b.id)) return 0;
    if (t <= 0) return 1;
    float d = logit_of(key) - top;
    if (min_p > 0 && expf(d) < min_p) return 0;
    return (u64)(expf(d / t) * 4398046511104.0f);
}

/* The first bin of 256, from the top (down) or the bottom, where the running sum, *above at first, passes `limit`; *above
 * becomes the sum before it. Thread 0 works. */
PT_DEV unsigned choose(scratch *s, u64 limit, bool down, u64 *above)
{
    __syncthreads();
    if (threadIdx.x == 0) {
        u64 sum = *above;
        int at = 0;
        for (; at < 255; at++) {
            u64 w = s->sum[down ? 255 - at : at];
            if (sum + w > limit) break;
            sum += w;
        }
        s->bin = (unsigned)(down ? 255 - at : at);
        s->above = sum;
    }
    __syncthreads();
    *above = s->above;
    return s->bin;
}
PT_DEV void clear(scratch *s)
{
    __syncthreads();
    for (int i = (int)threadIdx.x; i < 256; i += BLOCK) s->sum[i] = 0;
    __syncthreads();
}

/* Of the candidates within b: where the running sum of weights first passes `limit`. */
PT_DEV bound cross(const sample_job &j, const float *z, float top, bound b, float min_p, float t, u64 limit, scratch *s)
{
    unsigned key = 0, mask = 0;
    u64 above = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        clear(s);
        for (int i = (int)threadIdx.x; i < j.vocab; i += BLOCK) {
            unsigned k = key_of(z[i]);
            if ((k & mask) != key) continue;
            u64 w = weight_of(k, i, top, b, min_p, t);
            if (w > 0) atomicAdd(&s->sum[k >> shift & 255], w);
        }
        key |= choose(s, limit, true, &above) << shift;
        mask |= 255u << shift;
    }
    /* the n-th of the ties, in order of ids: all weigh the same */
    u64 each = weight_of(key, 0, top, {key, 0}, min_p, t), n = (limit - above) / (each ? each : 1);
    unsigned id = 0;
    mask = 0;
    above = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        clear(s);
        for (int i = (int)threadIdx.x; i < j.vocab; i += BLOCK) {
            if (((unsigned)i & mask) != id || i > (key == b.key ? b.id : 0x7fffffff) || key_of(z[i]) != key) continue;
            atomicAdd(&s->sum[i >> shift & 255], 1ull);
        }
        id |= choose(s, n, false, &above) << shift;
        mask |= 255u << shift;
    }
    return {key, (int)id};
}

PT_DEV u64 total_of(const sample_job &j, const float *z, float top, bound b, float min_p, float t, scratch *s)
{
    u64 sum = 0;
    for (int i = (int)threadIdx.x; i < j.vocab; i += BLOCK) sum += weight_of(key_of(z[i]), i, top, b, min_p, t);
    return block_sum(sum, s->red);
}

/* ---- kernels ---- */
/* Dynamic shared memory: a bit per token of the vocabulary when there is a penalty. */
__global__ void __launch_bounds__(BLOCK, 2) sample_k(sample_job j)
{
    PT_SHARED(scratch, s, [1]);
    DYN_SHARED(unsigned, marked);
    float *z = j.z + (int64_t)blockIdx.x * j.ld_z;
    if (j.n_seen > 0) { /* once per token, however often it was seen: the first to set its bit */
        for (int i = (int)threadIdx.x; i < (j.vocab + 31) / 32; i += BLOCK) marked[i] = 0;
        __syncthreads();
        for (int i = (int)threadIdx.x; i < j.n_seen; i += BLOCK) {
            int t = j.seen[(int64_t)blockIdx.x * j.ld_seen + i];
            if (t < 0 || t >= j.vocab) continue;
            unsigned bit = 1u << (t & 31);
            if (atomicOr(&marked[t >> 5], bit) & bit) continue;
            z[t] = z[t] > 0 ? z[t] / j.penalty : z[t] * j.penalty;
        }
        __syncthreads();
    }
    u64 best = 0;
    int bad = 0;
    for (int i = (int)threadIdx.x; i < j.vocab; i += BLOCK) {
        float v = z[i];
        bad |= v != v || v == INFINITY;
        u64 k = (u64)key_of(v) << 32 | (unsigned)(0x7fffffff - i);
        best = k > best ? k : best;
    }
    bad = __syncthreads_or(bad);
    best = block_most(best, s->red);
    float top = logit_of((unsigned)(best >> 32));
    if (bad || top == -INFINITY || j.temperature <= 0) { /* the whole block */
        if (threadIdx.x == 0) j.token[blockIdx.x] = bad || top == -INFINITY ? -1 : 0x7fffffff - (int)(unsigned)best;
        return;
    }
    bound b = {0, 0x7fffffff};
    if (j.top_k > 0 && j.top_k < j.vocab) b = cross(j, z, top, b, 0.0f, 0.0f, (u64)(j.top_k - 1), s);
    if (j.top_p < 1.0f) {
        u64 total = total_of(j, z, top, b, 0.0f, 1.0f, s), want = (u64)ceil((double)j.top_p * (double)total);
        b = cross(j, z, top, b, 0.0f, 1.0f, want > 0 ? want - 1 : 0, s);
    }
    u64 kept = total_of(j, z, top, b, j.min_p, j.temperature, s);
    b = cross(j, z, top, b, j.min_p, j.temperature, (u64)((double)j.u[blockIdx.x] * (double)kept), s);
    if (threadIdx.x == 0) j.token[blockIdx.x] = b.id;
}
} // namespace

/* ---- launchers ---- */
/* Has this device room for the marks of a vocabulary in a block's shared memory? */
static pt_status room_for_marks(int64_t vocab, size_t bits)
{
    const size_t own = (sizeof(scratch) + 127) / 128 * 128; /* the marks lie behind it, aligned (DYN_SHARED) */
    int id = 0, most = 0;
    cudaError_t e = cudaGetDevice(&id);
    if (e == cudaSuccess) e = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, id);
    if (e != cudaSuccess) return pt_fail(PT_EINTERNAL, "sample: %s", cudaGetErrorString(e));
    if (bits + own <= (size_t)most) return PT_OK;
    return pt_fail(PT_ESHAPE, "sample: a repetition penalty over a vocabulary of %lld, at most %lld on this device", (long long)vocab,
                   (long long)(((size_t)most - own) / 4 * 32));
}

extern "C" pt_status pt_cuda_sample(pt_ctx *ctx, const pt_sample_args *a)
{
    int64_t n = a->logits.rows, vocab = a->logits.cols;
    PT_RETURN(pt_check_typed("sample", "logits", a->logits, PT_F32, n, vocab));
    PT_RETURN(pt_check_typed("sample", "token", a->token, PT_I32, 1, n));
    if (pt_view_ok(a->seen)) PT_RETURN(pt_check_typed("sample", "seen", a->seen, PT_I32, n, a->seen.cols));
    if (vocab < 1 || vocab > MAX_VOCAB)
        return pt_fail(PT_ESHAPE, "sample: a vocabulary of %lld, at most %d on this device", (long long)vocab, MAX_VOCAB);
    if (!(a->temperature >= 0 && a->temperature < 1e30f))
        return pt_fail(PT_EARG, "sample: temperature %g", (double)a->temperature);
    if (a->top_k < 0 || !(a->top_p > 0 && a->top_p <= 1) || !(a->min_p >= 0 && a->min_p <= 1) || !(a->repetition_penalty > 0))
        return pt_fail(PT_EARG, "sample: top_k %d, top_p %g, min_p %g, repetition_penalty %g", a->top_k, (double)a->top_p,
                       (double)a->min_p, (double)a->repetition_penalty);
    if (!ctx->dry && a->temperature > 0 && n > 0 && (!a->stream || !a->position))
        return pt_fail(PT_EARG, "sample: drawing needs stream and position");
    if (ctx->dry) return PT_OK;
    sample_job j = {};
    j.ld_z = a->logits.ld, j.ld_seen = a->seen.ld, j.vocab = (int)vocab, j.top_k = a->top_k;
    j.n_seen = pt_view_ok(a->seen) && a->repetition_penalty != 1 ? (int)a->seen.cols : 0;
    j.temperature = a->temperature, j.top_p = a->top_p, j.min_p = a->min_p, j.penalty = a->repetition_penalty;
    size_t bits = j.n_seen > 0 ? (size_t)((vocab + 31) / 32) * 4 : 0;
    if (bits > 32 * 1024) PT_RETURN(room_for_marks(vocab, bits));
    for (int64_t r = 0; r < n; r += MAX_ROWS) {
        int now = n - r < MAX_ROWS ? (int)(n - r) : MAX_ROWS;
        j.token = pt_ptr<int32_t>(a->token) + r, j.z = pt_ptr<float>(a->logits) + r * j.ld_z;
        if (j.n_seen > 0) j.seen = pt_ptr<int32_t>(a->seen) + r * j.ld_seen;
        for (int i = 0; i < now; i++)
            j.u[i] = j.temperature > 0
                         ? pt_rng_unit(pt_rng_words(a->seed, PT_RNG_SAMPLE, a->stream[r + i], a->position[r + i]).v[0])
                         : 0;
        PT_RETURN(pt_launch(sample_k, dim3((unsigned)now), dim3(BLOCK), bits, pt_stream(ctx), j));
    }
    return PT_OK;
}
