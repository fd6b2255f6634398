/* Pieces of the LoRA kernels in bf16 (lora.cu): what a launch works on, tiles of 64 in shared memory, products of them. */
#ifndef PT_KERNELS_CUDA_LORA_TILES_CUH
#define PT_KERNELS_CUDA_LORA_TILES_CUH
#include "kernels/cuda/lora.cuh"

namespace
{
constexpr int BLOCK = 128, TILE = 64, PAD = 8, LDS = TILE + PAD,
              LDO = TILE + 4; /* shared rows: no bank conflicts for ldmatrix */
constexpr int MAX_PARTS = 4, MAX_PAIRS = 24, MAX_RUNS = 96, UP_CHUNKS = 4;

struct lora_slot {
    const float *a, *b;
    float *da, *db;
    int ld_a, ld_b, ld_da, ld_db, rank;
    float scale;
};
struct lora_part {
    bf16 *y;
    const bf16 *dy;
    float *t, *dt; /* dt: [N, ld_dt] in the workspace */
    bf16 *fold; /* NULL, or where scale*t (dt backward) goes in bf16 too, with zeros up to the next multiple of 8 columns */
    int64_t ld_y, ld_dy, ld_t, ld_dt, ld_fold;
    int out;
    uint32_t module;
};
struct lora_job { /* by value: below the 4 KB of kernel arguments */
    const bf16 *x;
    bf16 *dx;
    int64_t ld_x, ld_dx;
    pt_lora_drop drop;
    int in, n_parts, n_slots, n_runs;
    lora_part part[MAX_PARTS];
    lora_slot slot[MAX_PAIRS]; /* [part][slot] */
    pt_lora_run run[MAX_RUNS]; /* slot: index among the job's */
};
/* How a launch of lora_staged.cuh cuts its sums. */
struct lora_cut {
    float *sums;        /* of the pieces: [block][64 x 8NT], as the threads hold them */
    unsigned *counters; /* [block], 0 */
    int len, chunks;    /* steps of a piece (gradients: pieces), chunks of 8NT of the rank */
};
static_assert(sizeof(lora_job) + sizeof(lora_cut) < 4000, "kernel arguments");

/* Tile `tile` of the job's runs: its run, first token and number of tokens (0: there is no such tile). */
PT_DEV int tile_of(const lora_job &j, int tile, int *slot, int64_t *n0)
{
    for (int r = 0; r < j.n_runs; r++) {
        int len = j.run[r].end - j.run[r].begin, tiles = (len + TILE - 1) / TILE;
        if (tile < tiles) {
            *slot = j.run[r].slot;
            *n0 = j.run[r].begin + tile * TILE;
            return len - tile * TILE < TILE ? len - tile * TILE : TILE;
        }
        tile -= tiles;
    }
    return 0;
}

PT_DEV void put8(bf16 *p, const float *v)
{
    st16_shared(p, make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7])));
}

/* 8 numbers at p, of which n are there; the others are 0. */
PT_DEV void load8(const bf16 *p, int n, bool wide, float *v)
{
    if (wide && n >= 8) {
        ld_vec<8>(p, v);
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = i < n ? to_f(p[i]) : 0.0f;
    }
}
PT_DEV void load8(const float *p, int n, bool wide, float *v)
{
    if (wide && n >= 8) {
        ld_vec<4>(p, v);
        ld_vec<4>(p + 4, v + 4);
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = i < n ? p[i] : 0.0f;
    }
}

/* Shared dst[rows][cols] (row length ld_s) = src[rows][cols] as bf16, zeros past row_n and col_n. cols: a multiple of 8. */
template <typename S> PT_DEV void fill(bf16 *dst, int ld_s, int rows, int cols, const S *src, int64_t ld, int row_n, int col_n)
{
    bool wide = (((uintptr_t)src | (uintptr_t)(ld * (int64_t)sizeof(S))) & 15) == 0;
    int per = cols / 8;
    for (int u = (int)threadIdx.x; u < rows * per; u += BLOCK) {
        int r = u / per, c = u % per * 8;
        float v[8];
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = 0;
        if (r < row_n && c < col_n) load8(src + r * ld + c, col_n - c, wide, v);
        put8(dst + r * ld_s + c, v);
    }
}
/* The same for drop(x) of 64 tokens from n0 and 64 features from f0. */
PT_DEV void fill_x(bf16 *dst, const lora_job &j, uint32_t module, int64_t n0, int rows, int f0)
{
    const bf16 *src = j.x + n0 * j.ld_x + f0;
    if (j.drop.p == 0) {
        fill(dst, LDS, TILE, TILE, src, j.ld_x, rows, j.in - f0);
        return;
    }
    bool wide = (((uintptr_t)src | (uintptr_t)(j.ld_x * 2)) & 15) == 0;
    for (int u = (int)threadIdx.x; u < TILE * TILE / 8; u += BLOCK) {
        int r = u / (TILE / 8), c = u % (TILE / 8) * 8;
        float v[8], keep[8];
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = 0;
        if (r < rows && f0 + c < j.in) {
            uint64_t key = j.drop.key[n0 + r];
            load8(src + r * j.ld_x + c, j.in - f0 - c, wide, v);
            pt_lora_keep(j.drop, module, key, (uint32_t)(f0 + c) / 4, keep);
            pt_lora_keep(j.drop, module, key, (uint32_t)(f0 + c) / 4 + 1, keep + 4);
#pragma unroll
            for (int i = 0; i < 8; i++) v[i] *= keep[i];
        }
        put8(dst + r * LDS + c, v);
    }
}

/* acc[16 x 8NT of this warp] += A[64 x k] B[k x 8NT], k a multiple of 16. A lies as [m][k] (TA false) or [k][m]; B as [n][k]
 * (TB false) or [k][n]. Lane l of ldmatrix gives a row of 8x8 matrix l/8. */
template <int NT, bool TA, bool TB>
PT_DEV void multiply(float acc[NT][4], const bf16 *A, int ld_a, const bf16 *B, int ld_b, int k)
{
    int l = lane_id(), row = l % 8, mat = l / 8, m0 = 16 * warp_id();
    for (int k0 = 0; k0 < k; k0 += 16) {
        uint32_t a[4];
        if constexpr (TA)
            ldmatrix_x4_trans(a, A + (k0 + row + mat / 2 * 8) * ld_a + m0 + mat % 2 * 8);
        else
            ldmatrix_x4(a, A + (m0 + row + mat % 2 * 8) * ld_a + k0 + mat / 2 * 8);
#pragma unroll
        for (int j = 0; j < NT; j += 2) {
            uint32_t b[4];
            if constexpr (TB)
                ldmatrix_x4_trans(b, B + (k0 + row + mat % 2 * 8) * ld_b + 8 * j + mat / 2 * 8);
            else
                ldmatrix_x4(b, B + (8 * j + row + mat / 2 * 8) * ld_b + k0 + mat % 2 * 8);
            mma_bf16_16816(acc[j], a, b[0], b[1]);
            mma_bf16_16816(acc[j + 1], a, b[2], b[3]);
        }
    }
}
template <int NT> PT_DEV void clear(float acc[NT][4])
{
#pragma unroll
    for (int j = 0; j < NT; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) acc[j][i] = 0;
}
/* Row and column in the block's tile of element i of acc[j]. */
PT_DEV int row_of(int i)
{
    return 16 * warp_id() + lane_id() / 4 + i / 2 * 8;
}
PT_DEV int col_of(int j, int i)
{
    return 8 * j + lane_id() % 4 * 2 + i % 2;
}
PT_DEV int round16(int n)
{
    return (n + 15) / 16 * 16;
}
} // namespace
#endif
