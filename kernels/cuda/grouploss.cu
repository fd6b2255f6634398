/* The loss of a batch: kernels/loss.h. One block does all: a batch has thousands of rows, and every step needs the one before.
 * Bytes at least, by rows: 12 a row; with a sum over the vocabulary 16 more. */
extern "C" {
#include "kernels/check_loss.h"
}
#include "kernels/cuda/op_args.cuh"

#include "kernels/cuda/ops_cuda.h"

#include "objective_list.h"

namespace
{
constexpr int BLOCK = 512;

/* A kernel bears its objective's name, and so do its budgets. */
#define CORE(name)                                                                                  \
    struct name##_core {                                                                            \
        static constexpr bool rows = pt_##name##_by_rows != 0;                                      \
        static constexpr int metrics = pt_##name##_n_metrics;                                       \
        static __device__ double run(const pt_core_step *s, pt_core_answer *a, int n, double *metric)   \
        {                                                                                           \
            return pt_core_##name(s, a, n, metric);                                                 \
        }                                                                                           \
    };
PT_OBJECTIVE_LIST(CORE)

struct channel {
    const float *value, *weight;
    float *dvalue, *dsum;
    const int32_t *start, *rows;
    int64_t m;
    int width; /* of a row */
};

struct loss_job {
    channel logp, values, vocab[PT_VOCAB_SUMS];
    const float *row_column[PT_CORE_ROW_COLUMNS];
    const float *row_weight, *reference, *reference_sum, *column;
    const int32_t *record_start;
    pt_core_answer *answer;
    double *numbers; /* [groups][2 width]: values and derivatives wider than a score */
    double *metric;  /* [records][metrics], where there are many */
    double *report;
    float *mark;
    int64_t groups, records, columns;
    pt_core_step step;
    unsigned char reduce[PT_CORE_METRICS];
};

/* Of all threads, by `reduce`; thread 0 has it. */
PT_DEV double block_reduce(double v, int reduce, double *red)
{
    if (reduce <= PT_REDUCE_SUM) return block_sum(v, red); /* a NaN is no maximum: the loss tells of it */
    return reduce == PT_REDUCE_MAX ? block_max(v, red) : -block_max(-v, red);
}

/* Metrics that a thread has no registers for: those of records lie in memory, and are brought together when all are there. */
template <typename K> constexpr bool many = K::metrics > 16;

/* What a thread has so far. */
template <typename K> struct sums {
    double loss, metric[K::metrics && !many<K> ? K::metrics : 1];
};
template <typename K> PT_DEV void sums_begin(sums<K> &s, const loss_job &j)
{
    s.loss = 0;
#pragma unroll
    for (int k = 0; k < (many<K> ? 0 : K::metrics); k++)
        s.metric[k] = j.reduce[k] <= PT_REDUCE_SUM ? 0.0 : j.reduce[k] == PT_REDUCE_MAX ? -(double)INFINITY : (double)INFINITY;
}
template <typename K> PT_DEV void sums_add(sums<K> &s, const loss_job &j, double scale, double loss, const double *m)
{
    s.loss += scale * loss;
#pragma unroll
    for (int k = 0; k < (many<K> ? 0 : K::metrics); k++)
        s.metric[k] = pt_reduced(s.metric[k], j.reduce[k] == PT_REDUCE_MEAN ? scale * m[k] : m[k], j.reduce[k]);
}
template <typename K> PT_DEV void sums_report(const sums<K> &s, const loss_job &j, double *red)
{
    double total = block_sum(s.loss, red);
    if (threadIdx.x == 0) {
        j.report[PT_REPORT_LOSS] += total;
        if (j.mark && !isfinite(total)) j.mark[0] = __uint_as_float(0x7fc00000u);
    }
#pragma unroll
    for (int k = 0; k < (many<K> ? 0 : K::metrics); k++) {
        double v = block_reduce(s.metric[k], j.reduce[k], red);
        if (threadIdx.x == 0) j.report[PT_REPORT_METRICS + k] = pt_reduced(j.report[PT_REPORT_METRICS + k], v, j.reduce[k]);
    }
}

/* Sum over answer g by one warp: of weight * value, and of weight. Every lane has both. */
PT_DEV double gather(const channel &c, int64_t g, const float *value, double *tokens)
{
    double s = 0, t = 0;
    for (uint32_t k = (uint32_t)c.start[g] + (uint32_t)lane_id(); k < (uint32_t)c.start[g + 1]; k += 32) {
        double w = (double)c.weight[k];
        t += w;
        if (w != 0) s += w * (double)value[c.rows[k]];
    }
    *tokens = warp_sum(t);
    return warp_sum(s);
}

/* The same of each number of the values' channel: one after the other by each lane. Derivatives are 0. */
PT_DEV void gather_values(const channel &c, int64_t g, double *numbers)
{
    for (int i = lane_id(); i < c.width; i += 32) {
        double s = 0;
        for (int32_t k = c.start[g]; k < c.start[g + 1]; k++) {
            double w = (double)c.weight[k];
            if (w != 0) s += w * (double)c.value[(int64_t)c.rows[k] * c.width + i];
        }
        numbers[i] = s, numbers[c.width + i] = 0;
    }
}

PT_DEV void load_answer(const loss_job &j, int64_t g)
{
    double logp = 0, tokens = 0, reference = 0, score = 0, t;
    if (j.logp.value) {
        logp = gather(j.logp, g, j.logp.value, &tokens);
        if (j.reference) reference = gather(j.logp, g, j.reference, &t);
        else if (j.reference_sum) reference = (double)j.reference_sum[g];
    }
    double over[PT_VOCAB_SUMS] = {};
#pragma unroll
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (j.vocab[k].value) over[k] = gather(j.vocab[k], g, j.vocab[k].value, &t);
    if (j.values.width == 1) score = gather(j.values, g, j.values.value, &t);
    double *numbers = j.values.width > 1 ? j.numbers + 2 * g * j.values.width : nullptr;
    if (numbers) gather_values(j.values, g, numbers);
    if (lane_id() == 0) {
        pt_core_answer *a = &j.answer[g];
        pt_core_values(a, j.values.width, numbers, numbers ? numbers + j.values.width : nullptr);
        a->logp = logp, a->tokens = tokens, a->length = j.logp.value ? (double)(j.logp.start[g + 1] - j.logp.start[g]) : 0.0, a->reference = reference, a->score = score, a->dlogp = a->dscore = 0;
        a->entropy = over[PT_VOCAB_ENTROPY], a->log_squares = over[PT_VOCAB_LOG_SQUARES], a->kl = over[PT_VOCAB_KL];
        a->dentropy = a->dlog_squares = a->dkl = 0;
        for (int k = 0; k < PT_CORE_COLUMNS; k++) a->column[k] = k + 1 < j.columns ? (double)j.column[(k + 1) * j.groups + g] : 0.0;
    }
}

/* dvalue[r, i] = sum over entries k of row r of weight[k] * dsum[answer of k, i], in order of k: every thread looks through all entries, a tile of
 * shared memory at a time; no atomics. All threads of the block call. */
PT_DEV void spread(const channel &c, int64_t groups, int32_t *row, int32_t *answer)
{
    int64_t end = c.start[groups], elements = c.m * c.width;
    for (int64_t e0 = 0; e0 < elements; e0 += BLOCK) {
        int64_t mine = e0 + threadIdx.x, r = mine / c.width, i = mine % c.width;
        double s = 0;
        for (int64_t k0 = c.start[0]; k0 < end; k0 += BLOCK) {
            int64_t k = k0 + threadIdx.x;
            __syncthreads();
            row[threadIdx.x] = -1;
            if (k < end) {
                int64_t lo = 0, hi = groups - 1; /* the last answer that starts at or before k: it is not empty */
                while (lo < hi) {
                    int64_t mid = (lo + hi + 1) / 2;
                    if (c.start[mid] <= k) lo = mid;
                    else hi = mid - 1;
                }
                row[threadIdx.x] = c.rows[k];
                answer[threadIdx.x] = (int32_t)lo;
            }
            __syncthreads();
            for (int t = 0; t < BLOCK; t++)
                if (row[t] == r) s += (double)(c.weight[k0 + t] * c.dsum[(int64_t)answer[t] * c.width + i]);
        }
        if (mine < elements) c.dvalue[mine] = (float)s;
    }
}

/* By rows: dvalue[h] = sum of dsum over the rows of head h, which stand together. All threads of the block call. */
PT_DEV void rows_to_heads(const channel &c, int64_t rows)
{
    for (int64_t h = threadIdx.x; h < c.m; h += BLOCK) c.dvalue[h] = 0;
    __syncthreads();
    for (int64_t m = threadIdx.x; m < rows; m += BLOCK) {
        if (m > 0 && c.rows[m - 1] == c.rows[m]) continue;
        float s = 0;
        for (int64_t k = m; k < rows && c.rows[k] == c.rows[m]; k++) s += c.dsum[k];
        c.dvalue[c.rows[m]] = s;
    }
}

template <typename K> PT_DEV void by_rows(const loss_job &j, double *red)
{
    sums<K> s;
    sums_begin(s, j);
    for (int64_t m = threadIdx.x; m < j.logp.m; m += BLOCK) {
        double w = (double)j.row_weight[m];
        float d = 0;
        pt_core_answer t = {};
        if (w != 0) {
            double metric[K::metrics ? K::metrics : 1] = {};
#pragma unroll
            for (int k = 0; k < PT_VOCAB_SUMS; k++)
                if (j.vocab[k].value) *pt_core_sum(&t, k) = (double)j.vocab[k].value[j.vocab[k].rows[m]];
#pragma unroll
            for (int k = 0; k < PT_CORE_ROW_COLUMNS; k++)
                if (j.row_column[k]) t.column[k] = (double)j.row_column[k][m];
            t.logp = (double)j.logp.value[m], t.tokens = t.length = 1, t.reference = j.reference ? (double)j.reference[m] : 0.0;
            double loss = K::run(&j.step, &t, 1, metric);
            sums_add(s, j, w / j.step.norm, loss, metric);
            d = (float)(w * t.dlogp / j.step.norm);
        }
        if (j.logp.dvalue) j.logp.dvalue[m] = d;
#pragma unroll
        for (int k = 0; k < PT_VOCAB_SUMS; k++)
            if (j.vocab[k].dvalue) j.vocab[k].dsum[m] = (float)(w * pt_core_dsum(&t, k) / j.step.norm);
    }
    sums_report(s, j, red);
    __syncthreads();
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (j.vocab[k].dvalue) rows_to_heads(j.vocab[k], j.logp.m);
}

/* All threads of the block call. */
template <typename K> PT_DEV void report_many(const loss_job &j, double *red)
{
    __syncthreads();
    PT_ONE_BY_ONE
    for (int k = 0; k < K::metrics; k++) {
        int reduce = j.reduce[k];
        double v = reduce <= PT_REDUCE_SUM ? 0.0 : reduce == PT_REDUCE_MAX ? -(double)INFINITY : (double)INFINITY;
        for (int64_t r = threadIdx.x; r < j.records; r += BLOCK) {
            double w = (double)j.column[j.record_start[r]], scale = 1.0 / j.step.norm * w, x = j.metric[r * K::metrics + k];
            if (w != 0) v = pt_reduced(v, reduce == PT_REDUCE_MEAN ? scale * x : x, reduce);
        }
        v = block_reduce(v, reduce, red);
        if (threadIdx.x == 0) j.report[PT_REPORT_METRICS + k] = pt_reduced(j.report[PT_REPORT_METRICS + k], v, reduce);
    }
}

template <typename K> PT_DEV void by_records(const loss_job &j, double *red)
{
    PT_SHARED(int32_t, row, [BLOCK]);
    PT_SHARED(int32_t, answer, [BLOCK]);
    for (int64_t g = warp_id(); g < j.groups; g += BLOCK / 32) load_answer(j, g);
    __syncthreads();
    sums<K> s;
    sums_begin(s, j);
    for (int64_t r = threadIdx.x; r < j.records; r += BLOCK) {
        int32_t from = j.record_start[r], to = j.record_start[r + 1];
        double w = (double)j.column[from], scale = 1.0 / j.step.norm * w;
        if (w != 0) {
            if constexpr (many<K>) {
                double *metric = j.metric + r * K::metrics;
                PT_ONE_BY_ONE
                for (int k = 0; k < K::metrics; k++) metric[k] = 0;
                s.loss += scale * K::run(&j.step, j.answer + from, to - from, metric);
            } else {
                double metric[K::metrics ? K::metrics : 1] = {};
                double loss = K::run(&j.step, j.answer + from, to - from, metric);
                sums_add(s, j, scale, loss, metric);
            }
        }
        for (int32_t g = from; g < to; g++) {
            if (j.logp.value) j.logp.dsum[g] = (float)(scale * j.answer[g].dlogp);
#pragma unroll
            for (int k = 0; k < PT_VOCAB_SUMS; k++)
                if (j.vocab[k].dvalue) j.vocab[k].dsum[g] = (float)(scale * pt_core_dsum(&j.answer[g], k));
            for (int i = 0; i < j.values.width; i++) j.values.dsum[(int64_t)g * j.values.width + i] = (float)(scale * j.answer[g].dvalue[i]);
        }
    }
    sums_report(s, j, red);
    if constexpr (many<K>) report_many<K>(j, red);
    __syncthreads();
    if (j.logp.dvalue) spread(j.logp, j.groups, row, answer);
    __syncthreads();
    if (j.values.dvalue) spread(j.values, j.groups, row, answer);
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        __syncthreads();
        if (j.vocab[k].dvalue) spread(j.vocab[k], j.groups, row, answer);
    }
}

/* It is alone on its processor: all registers are its own. */
template <typename K> __global__ void __launch_bounds__(BLOCK, 1) group_loss_k(const __grid_constant__ loss_job j)
{
    PT_SHARED(double, red, [32]);
    if constexpr (K::rows) by_rows<K>(j, red);
    else by_records<K>(j, red);
}

channel view_channel(const pt_loss_channel *c, float *dsum, int64_t rows, int64_t width)
{
    return {pt_ptr<float>(c->value), pt_ptr<float>(c->weight), pt_ptr<float>(c->dvalue), dsum, pt_ptr<int32_t>(c->start), pt_ptr<int32_t>(c->rows),
            rows, pt_view_ok(c->value) ? (int)width : 0};
}

template <typename K> pt_status launch(pt_ctx *ctx, const pt_group_loss_args *a)
{
    float *dlogp, *dvalues, *dvocab[PT_VOCAB_SUMS] = {};
    double *numbers, *metric = NULL;
    pt_core_answer *answer;
    size_t groups = K::rows ? 0 : (size_t)a->column.cols, width = pt_view_ok(a->values.value) ? (size_t)a->values.value.cols : 1;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_group_loss(a, K::rows));
    PT_RETURN(pt_take(&ws, &answer, groups * sizeof(pt_core_answer)));
    PT_RETURN(pt_take(&ws, &dlogp, groups * sizeof(float)));
    PT_RETURN(pt_take(&ws, &dvalues, groups * width * sizeof(float)));
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (pt_view_ok(a->vocab[k].dvalue)) PT_RETURN(pt_take(&ws, &dvocab[k], (K::rows ? (size_t)a->logp.value.cols : groups) * sizeof(float)));
    PT_RETURN(pt_take(&ws, &numbers, (size_t)pt_group_loss_numbers(a) * sizeof(double)));
    if (many<K>) PT_RETURN(pt_take(&ws, &metric, groups * K::metrics * sizeof(double)));
    pt_ws_done(&ws);
    if (ctx->dry) return PT_OK;
    loss_job j = {};
    j.metric = metric;
    j.logp = view_channel(&a->logp, dlogp, a->logp.value.cols, 1);
    j.values = view_channel(&a->values, dvalues, a->values.value.rows, a->values.value.cols);
    for (int k = 0; k < PT_VOCAB_SUMS; k++) j.vocab[k] = view_channel(&a->vocab[k], dvocab[k], a->vocab[k].value.cols, 1);
    for (int k = 0; k < PT_CORE_ROW_COLUMNS; k++) j.row_column[k] = pt_ptr<float>(a->row_column[k]);
    j.row_weight = pt_ptr<float>(a->row_weight), j.reference = pt_ptr<float>(a->reference), j.reference_sum = pt_ptr<float>(a->reference_sum);
    j.column = pt_ptr<float>(a->column), j.record_start = pt_ptr<int32_t>(a->record_start), j.answer = answer, j.numbers = numbers;
    j.report = pt_ptr<double>(a->report), j.mark = pt_ptr<float>(a->mark);
    j.groups = (int64_t)groups, j.records = K::rows ? 0 : a->record_start.cols - 1, j.columns = a->column.rows, j.step = a->step;
    for (int k = 0; k < PT_CORE_METRICS; k++) j.reduce[k] = a->reduce[k];
    return pt_launch(group_loss_k<K>, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), j);
}
} // namespace

extern "C" pt_status pt_cuda_group_loss(pt_ctx *ctx, const pt_group_loss_args *a)
{
    int k = 0;
#define CASE(name) \
    if (a->objective == k++) return launch<name##_core>(ctx, a);
    PT_OBJECTIVE_LIST(CASE)
    return pt_fail(PT_EARG, "group_loss: objective %d", a->objective);
}

extern "C" const pt_made_for *pt_cuda_made_for(void)
{
    static const pt_made_for made_for = PT_MADE_FOR;
    return &made_for;
}
