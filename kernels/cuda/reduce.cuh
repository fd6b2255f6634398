/* A group's gradient to its rows: shared by group_bcast and the losses of groups. */
#ifndef PT_KERNELS_CUDA_REDUCE_CUH
#define PT_KERNELS_CUDA_REDUCE_CUH
#include "kernels/cuda/op_args.cuh"

/* sum over k with rows[k] = mine of weight[k]*dsum[group of k], in order of k: every thread looks through all entries, a tile
 * of shared memory (row, part: THREADS each) at a time; no atomics. All THREADS of the block call. */
template <int THREADS>
PT_DEV double pt_group_spread(int64_t mine, const float *dsum, const int32_t *start, const int32_t *rows, const float *weight,
                              int64_t groups, int32_t *row, float *part)
{
    double s = 0;
    int64_t end = start[groups];
    for (int64_t k0 = start[0]; k0 < end; k0 += THREADS) {
        int64_t k = k0 + threadIdx.x;
        __syncthreads();
        row[threadIdx.x] = -1;
        part[threadIdx.x] = 0;
        if (k < end) {
            int64_t lo = 0, hi = groups - 1; /* the last group that starts at or before k: it is not empty */
            while (lo < hi) {
                int64_t mid = (lo + hi + 1) / 2;
                if (start[mid] <= k) lo = mid;
                else hi = mid - 1;
            }
            row[threadIdx.x] = rows[k];
            part[threadIdx.x] = weight[k] * dsum[lo];
        }
        __syncthreads();
        for (int i = 0; i < THREADS; i++)
            if (row[i] == mine) s += (double)part[i];
    }
    return s;
}
#endif
