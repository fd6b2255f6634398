/* The speed at which all threads together read memory: 512 MiB once through, the best of seven passes. Prints one number, GB/s (1e9 bytes), for the floor of
 * tests/bench/decode_bench.py. */
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t lanes __attribute__((vector_size(64)));
enum { PASSES = 7, SUMS = 4 };

static uint64_t read_all(const lanes *p, size_t n)
{
    lanes sum[SUMS] = {{0}};
    uint64_t all = 0;
    for (size_t i = 0; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) sum[k] += p[i + (size_t)k];
    for (int k = 0; k < SUMS; k++)
        for (int l = 0; l < 8; l++) all += sum[k][l];
    return all;
}

int main(void)
{
    const size_t bytes = (size_t)512 << 20, n = bytes / sizeof(lanes);
    lanes *p = aligned_alloc(4096, bytes);
    double best = 1e9;
    uint64_t all = 0;
    if (!p) return 1;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < bytes / 4096; i++) memset((char *)p + i * 4096, 1, 4096); /* a thread's pages lie with it */
    for (int k = 0; k < PASSES; k++) {
        double t0 = omp_get_wtime();
#pragma omp parallel reduction(+ : all)
        {
            size_t t = (size_t)omp_get_thread_num(), of = (size_t)omp_get_num_threads();
            all += read_all(p + n * t / of, n * (t + 1) / of - n * t / of);
        }
        double s = omp_get_wtime() - t0;
        if (s < best) best = s;
    }
    printf("%.2f\n", (double)bytes / best * 1e-9);
    free(p);
    return all == 0; /* the sums are used */
}
