/* LoRA's sums over many columns or tokens (lora.cu), staged: t = drop(x) A^T, dt = scale dy B, dB += scale dy^T t, dA += dt^T drop(x).
 *
 * A block has a tile of 64 rows x 8NT ranks and walks over 64 columns or tokens a step. Tiles come by cp.async in 16 bytes, STAGES - 1
 * steps ahead. Of what a thread copied itself it makes the last form before the step's one barrier: masters in f32 become bf16 in one of
 * two tiles, x is masked. Rows must be aligned to 16 bytes; lora.cu has kernels for others.
 *
 * A sum is cut into pieces, a block each, so that the chip is full. Pieces write their sums to the workspace; the block that ends last adds
 * all in the order of the pieces. So the bits depend on the sizes alone. How many pieces: of SMS multiprocessors (an H100's, for every
 * chip), the one with the most to do, EDGE steps being lost a block, shall be done first. */
#ifndef PT_KERNELS_CUDA_LORA_STAGED_CUH
#define PT_KERNELS_CUDA_LORA_STAGED_CUH
#include "kernels/cuda/lora_tiles.cuh"

namespace
{
constexpr int STAGES = 3, SMS = 132, ENOUGH = SMS * 7 / 4, MOST_BLOCKS = 6 * SMS, MOST_GRID = 2 * MOST_BLOCKS, MOST_PIECES = 32, LEAST_STEPS = 2, EDGE = 6;

/* Shared memory of a block. KN: the right operand's rows are steps' columns or tokens, else ranks. */
template <int NT, bool KN> struct lora_stage {
    static constexpr int ld = KN ? 8 * NT + PAD : LDS, left = TILE * LDS, raw = TILE * 8 * NT, right = (KN ? TILE : 8 * NT) * ld;
    static constexpr size_t bytes = STAGES * (2 * left + 4 * raw) + 2 * 2 * right;
};
template <int NT, bool KN> struct lora_shared {
    bf16 *left, *right; /* [STAGES], [2] */
    float *raw;         /* [STAGES] */
};
template <int NT, bool KN> PT_DEV lora_shared<NT, KN> carve(unsigned char *mem)
{
    typedef lora_stage<NT, KN> S;
    return {reinterpret_cast<bf16 *>(mem), reinterpret_cast<bf16 *>(mem + STAGES * (2 * S::left + 4 * S::raw)),
            reinterpret_cast<float *>(mem + STAGES * 2 * S::left)};
}

/* 64 rows of 64 columns from src, zeros past row_n and col_n. */
PT_DEV void left_begin(bf16 *dst, const bf16 *src, int64_t ld, int row_n, int col_n)
{
#pragma unroll
    for (int i = 0; i < TILE * TILE / 8 / BLOCK; i++) {
        int u = (int)threadIdx.x + i * BLOCK, r = u / (TILE / 8), c = u % (TILE / 8) * 8, n = r < row_n ? col_n - c : 0;
        cp_async16_zfill(dst + r * LDS + c, n > 0 ? src + r * ld + c : src, n >= 8 ? 16 : n > 0 ? 2 * n : 0);
    }
}
/* The thread's own part of it, masked. n0: token of the first row; f0: feature of the first column. */
PT_DEV void left_mask(bf16 *tile, const lora_job &j, uint32_t module, int64_t n0, int rows, int f0)
{
#pragma unroll 1
    for (int u = (int)threadIdx.x; u < rows * (TILE / 8); u += BLOCK) {
        int r = u / (TILE / 8), c = u % (TILE / 8) * 8;
        uint64_t key = j.drop.key[n0 + r];
        uint4 v = ld16(tile + r * LDS + c);
        float k[8];
        pt_lora_keep(j.drop, module, key, (uint32_t)(f0 + c) / 4, k);
        pt_lora_keep(j.drop, module, key, (uint32_t)(f0 + c) / 4 + 1, k + 4);
        k[0] *= unpack_lo(v.x), k[1] *= unpack_hi(v.x), k[2] *= unpack_lo(v.y), k[3] *= unpack_hi(v.y);
        k[4] *= unpack_lo(v.z), k[5] *= unpack_hi(v.z), k[6] *= unpack_lo(v.w), k[7] *= unpack_hi(v.w);
        put8(tile + r * LDS + c, k);
    }
}
/* 8NT x 64 (KN: 64 x 8NT) numbers in f32 from src, dense, zeros past row_n and col_n. */
template <int NT, bool KN> PT_DEV void right_begin(float *raw, const float *src, int64_t ld, int row_n, int col_n)
{
    constexpr int per = (KN ? 8 * NT : TILE) / 4;
#pragma unroll
    for (int i = 0; i < NT; i++) {
        int u = (int)threadIdx.x + i * BLOCK, r = u / per, c = u % per * 4, n = r < row_n ? col_n - c : 0;
        cp_async16_zfill(raw + 4 * u, n > 0 ? src + r * ld + c : src, n >= 4 ? 16 : n > 0 ? 4 * n : 0);
    }
}
/* The thread's own part of it as bf16. */
template <int NT, bool KN> PT_DEV void right_end(bf16 *dst, const float *raw)
{
    constexpr int per = (KN ? 8 * NT : TILE) / 4;
#pragma unroll
    for (int i = 0; i < NT; i++) {
        int u = (int)threadIdx.x + i * BLOCK;
        float4 v = vld(reinterpret_cast<const float4 *>(raw + 4 * u));
        vst_shared(reinterpret_cast<uint2 *>(dst + u / per * lora_stage<NT, KN>::ld + u % per * 4), make_uint2(pack_bf16(v.x, v.y), pack_bf16(v.z, v.w)));
    }
}

/* acc += all steps [s0, s1). begin(step, left, raw) issues the copies of a step; mask(step, left) works on the thread's own part of x. */
template <int NT, bool TA, bool KN, typename B, typename M> PT_DEV void sum_steps(float acc[NT][4], int s0, int s1, B begin, M mask)
{
    typedef lora_stage<NT, KN> S;
    DYN_SHARED(unsigned char, mem);
    lora_shared<NT, KN> sh = carve<NT, KN>(mem);
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        if (s0 + i < s1) begin(s0 + i, sh.left + i * S::left, sh.raw + i * S::raw);
        cp_async_commit();
    }
    int at = 0, to = STAGES - 1;
    for (int s = s0; s < s1; s++) {
        bf16 *left = sh.left + at * S::left, *right = sh.right + (s & 1) * S::right;
        cp_async_wait<STAGES - 2>();
        right_end<NT, KN>(right, sh.raw + at * S::raw);
        mask(s, left);
        __syncthreads(); /* the step's tiles are whole; those of the step before are free */
        if (s + STAGES - 1 < s1) begin(s + STAGES - 1, sh.left + to * S::left, sh.raw + to * S::raw);
        cp_async_commit();
        multiply<NT, TA, KN>(acc, left, LDS, right, S::ld, TILE);
        at = at + 1 == STAGES ? 0 : at + 1, to = to + 1 == STAGES ? 0 : to + 1;
    }
    cp_async_wait<0>();
}

/* The pieces' sums added in their order: acc holds them in the block for which it is true. first: number of piece 0 among the launch's
 * blocks. */
template <int NT> PT_DEV bool join(float acc[NT][4], const lora_cut &cut, int64_t first, int piece, int pieces, unsigned *flag)
{
    if (pieces == 1) return true;
    float4 *sums = reinterpret_cast<float4 *>(cut.sums) + first * NT * BLOCK + threadIdx.x;
#pragma unroll
    for (int q = 0; q < NT; q++) vst(sums + (piece * NT + q) * BLOCK, make_float4(acc[q][0], acc[q][1], acc[q][2], acc[q][3]));
    if (!pt_last_block(cut.counters + first, (unsigned)pieces, flag)) return false;
    clear<NT>(acc);
#pragma unroll 2
    for (int i = 0; i < pieces; i++)
#pragma unroll
        for (int q = 0; q < NT; q++) {
            float4 v = vld(sums + (i * NT + q) * BLOCK);
            acc[q][0] += v.x, acc[q][1] += v.y, acc[q][2] += v.z, acc[q][3] += v.w;
        }
    return true;
}

/* The tile's scale * acc behind rows of x or dy: 8NT columns of the rank from r0, which are 0 past the rank. */
template <int NT> PT_DEV void put_fold(const lora_part &part, const lora_slot &s, const float acc[NT][4], int64_t n0, int rows, int r0)
{
#pragma unroll
    for (int q = 0; q < NT; q++)
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            int row = row_of(i), col = r0 + col_of(q, i);
            if (row >= rows || col >= (s.rank + 7) / 8 * 8) continue;
            vst(reinterpret_cast<uint32_t *>(part.fold + (n0 + row) * part.ld_fold + col), pack_bf16(s.scale * acc[q][i], s.scale * acc[q][i + 1]));
        }
}

/* grid: (part, chunk of 8NT of the rank, piece), fast in pieces; tiles of tokens. cut.len: steps of a piece */
template <int NT, bool BWD> __global__ void __launch_bounds__(BLOCK) lora_down_k(lora_job j, lora_cut cut)
{
    PT_SHARED(unsigned, flag, [1]);
    int slot = 0, p = 0, x = (int)blockIdx.x, pieces, steps;
    int64_t n0 = 0;
    for (;; p++) {
        steps = ((BWD ? j.part[p].out : j.in) + TILE - 1) / TILE, pieces = (steps + cut.len - 1) / cut.len;
        if (x < pieces * cut.chunks) break;
        x -= pieces * cut.chunks;
    }
    int piece = x % pieces, r0 = x / pieces * 8 * NT, rows = tile_of(j, (int)blockIdx.y, &slot, &n0);
    const lora_part &part = j.part[p];
    const lora_slot &s = j.slot[p * j.n_slots + slot];
    if (rows == 0 || r0 >= s.rank) return; /* all blocks of the sum */
    float acc[NT][4];
    clear<NT>(acc);
    int s0 = piece * cut.len, s1 = s0 + cut.len < steps ? s0 + cut.len : steps;
    auto begin = [&](int step, bf16 *left, float *raw) {
        int k0 = step * TILE;
        if constexpr (BWD) {
            left_begin(left, part.dy + n0 * part.ld_dy + k0, part.ld_dy, rows, part.out - k0);
            right_begin<NT, BWD>(raw, s.b + (int64_t)k0 * s.ld_b + r0, s.ld_b, part.out - k0, s.rank - r0);
        } else {
            left_begin(left, j.x + n0 * j.ld_x + k0, j.ld_x, rows, j.in - k0);
            right_begin<NT, BWD>(raw, s.a + (int64_t)r0 * s.ld_a + k0, s.ld_a, s.rank - r0, j.in - k0);
        }
    };
    auto mask = [&](int step, bf16 *left) {
        if (!BWD && j.drop.p > 0) left_mask(left, j, part.module, n0, rows, step * TILE);
    };
    sum_steps<NT, false, BWD>(acc, s0, s1, begin, mask);
    int64_t first = (int64_t)blockIdx.y * gridDim.x + blockIdx.x - piece;
    if (!join<NT>(acc, cut, first, piece, pieces, flag)) return;
    float *out = BWD ? part.dt : part.t, scale = BWD ? s.scale : 1.0f;
    int64_t ld = BWD ? part.ld_dt : part.ld_t;
#pragma unroll
    for (int q = 0; q < NT; q++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (row_of(i) < rows && r0 + col_of(q, i) < s.rank) out[(n0 + row_of(i)) * ld + r0 + col_of(q, i)] = scale * acc[q][i];
    if (part.fold) put_fold<NT>(part, s, acc, n0, rows, r0);
}

/* A slot's tokens in tiles of 64, in order. */
struct slot_walk {
    int run;
    int64_t n0;
    int rows; /* 0: past the last */
};
PT_DEV int run_tiles(const lora_job &j, int r, int slot)
{
    return j.run[r].slot == slot ? (j.run[r].end - j.run[r].begin + TILE - 1) / TILE : 0;
}
PT_DEV slot_walk slot_tile(const lora_job &j, int slot, int tile)
{
    for (int r = 0; r < j.n_runs; r++) {
        int tiles = run_tiles(j, r, slot);
        if (tile < tiles) {
            int64_t n0 = j.run[r].begin + (int64_t)tile * TILE, left = j.run[r].end - n0;
            return {r, n0, left < TILE ? (int)left : TILE};
        }
        tile -= tiles;
    }
    return {j.n_runs, 0, 0};
}
PT_DEV void slot_next(const lora_job &j, int slot, slot_walk *w)
{
    w->n0 += TILE;
    while (w->run < j.n_runs && (j.run[w->run].slot != slot || w->n0 >= j.run[w->run].end)) {
        w->run++;
        if (w->run < j.n_runs) w->n0 = j.run[w->run].begin;
    }
    int64_t left = w->run < j.n_runs ? j.run[w->run].end - w->n0 : 0;
    w->rows = left < TILE ? (int)left : TILE;
}

/* grid: (part, slot, chunk of 8NT of the rank, piece), fast in pieces; 64 rows of dB, then 64 columns of dA. A piece: 1/cut.len of the
 * slot's tiles of tokens */
template <int NT> __global__ void __launch_bounds__(BLOCK) lora_grad_k(lora_job j, lora_cut cut, int b_tiles)
{
    PT_SHARED(unsigned, flag, [1]);
    int pieces = cut.len, piece = (int)blockIdx.x % pieces, x = (int)blockIdx.x / pieces, r0 = x % cut.chunks * 8 * NT, pair = x / cut.chunks;
    int slot = pair % j.n_slots, tiles = 0;
    bool is_b = (int)blockIdx.y < b_tiles;
    const lora_slot &s = j.slot[pair];
    const lora_part &part = j.part[pair / j.n_slots];
    int m = is_b ? part.out : j.in, m0 = ((int)blockIdx.y - (is_b ? 0 : b_tiles)) * TILE;
    for (int r = 0; r < j.n_runs; r++) tiles += run_tiles(j, r, slot);
    if (r0 >= s.rank || m0 >= m || tiles == 0 || !(is_b ? s.db : s.da)) return; /* all blocks of the sum */
    float acc[NT][4];
    clear<NT>(acc);
    int s0 = (int)((int64_t)tiles * piece / pieces), s1 = (int)((int64_t)tiles * (piece + 1) / pieces);
    slot_walk ahead = slot_tile(j, slot, s0);
    const bf16 *left_at = is_b ? part.dy + m0 : j.x + m0;
    const float *right_at = (is_b ? part.t : part.dt) + r0;
    int64_t ld_left = is_b ? part.ld_dy : j.ld_x, ld_right = is_b ? part.ld_t : part.ld_dt;
    auto begin = [&](int, bf16 *left, float *raw) {
        left_begin(left, left_at + ahead.n0 * ld_left, ld_left, ahead.rows, m - m0);
        right_begin<NT, true>(raw, right_at + ahead.n0 * ld_right, ld_right, ahead.rows, s.rank - r0);
        slot_next(j, slot, &ahead);
    };
    auto mask = [&](int step, bf16 *left) {
        if (is_b || j.drop.p == 0) return;
        slot_walk now = slot_tile(j, slot, step);
        left_mask(left, j, part.module, now.n0, now.rows, m0);
    };
    sum_steps<NT, true, true>(acc, s0, s1, begin, mask);
    int64_t first = (int64_t)blockIdx.y * gridDim.x + blockIdx.x - piece;
    if (!join<NT>(acc, cut, first, piece, pieces, flag)) return;
#pragma unroll
    for (int q = 0; q < NT; q++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int64_t row = m0 + row_of(i), col = r0 + col_of(q, i);
            if (row >= m || col >= s.rank) continue;
            if (is_b)
                s.db[row * s.ld_db + col] += s.scale * acc[q][i];
            else
                s.da[col * s.ld_da + row] += acc[q][i];
        }
}

/* ---- how sums are cut ---- */
/* Is a choice of `blocks` with `steps` each better than the best so far? */
struct lora_best {
    int64_t blocks, time;
};
inline bool better(lora_best *best, int64_t blocks, int64_t steps)
{
    lora_best now = {blocks, pt_ceil_div(blocks, SMS) * (steps + EDGE)};
    bool enough = blocks >= ENOUGH, was = best->blocks >= ENOUGH;
    if (best->blocks > 0 && (blocks > MOST_BLOCKS || enough < was || (enough == was && (enough ? now.time >= best->time : blocks <= best->blocks))))
        return false;
    *best = now;
    return true;
}
/* Steps of a piece of down; *pieces: blocks of a tile of tokens. */
inline int cut_down(const lora_job &j, bool backward, int64_t tiles, int chunks, int *pieces)
{
    int most = 0, len = 0;
    lora_best best = {0, 0};
    for (int p = 0; p < j.n_parts; p++) {
        int steps = (int)pt_ceil_div(backward ? j.part[p].out : j.in, TILE);
        most = steps > most ? steps : most;
    }
    for (int s = 1; s <= MOST_PIECES; s++) {
        int l = (int)pt_ceil_div(most, s), n = 0;
        if (s > 1 && l < LEAST_STEPS) break;
        for (int p = 0; p < j.n_parts; p++) n += (int)pt_ceil_div(pt_ceil_div(backward ? j.part[p].out : j.in, TILE), l) * chunks;
        if (better(&best, tiles * n, l)) len = l, *pieces = n;
    }
    return len;
}
/* Pieces of a gradient's sum over at most `tiles` tiles of tokens; blocks: how many sums there are. */
inline int cut_grad(int64_t blocks, int64_t tiles)
{
    int pieces = 1;
    lora_best best = {0, 0};
    for (int s = 1; s <= MOST_PIECES; s++) {
        if (s > 1 && pt_ceil_div(tiles, s) < LEAST_STEPS) break;
        if (better(&best, blocks * s, pt_ceil_div(tiles, s))) pieces = s;
    }
    return pieces;
}
} // namespace
#endif
