/* LoRA on the device in bf16, grouped: kernels/lora.h. One launch covers all parts, runs and slots (up to MAX_RUNS runs and
 * MAX_PAIRS pairs of part and slot; more take more launches). All products are mma.m16n8k16 over tiles of 64 tokens; masters in
 * f32 become bf16 on their way into shared memory, t and dt are f32 in memory.
 * down and grad are those of lora_staged.cuh; the plain ones here (any) take calls whose rows are not aligned to 16 bytes.
 *
 *   down:  t = drop(x) A^T (forward), dt = scale dy B (backward): a block has 64 tokens x the rank
 *   up:    y += scale t B^T, dx += sum over parts of mask (dt A): 64 tokens x 256 columns a block
 *   grad:  dB += scale dy^T t, dA += dt^T drop(x): 64 rows of one of them a block, which goes over the slot's tokens in order
 *
 * Folded (no dropout, one adapter, the base's product taken along, room behind x and dy): down writes scale*t and dt behind the rows of x and dy too, and linear.cu
 * makes y = [x | scale*t] [w | B]^T and dx = [dy | dt] [w; A]; up does not run.
 *
 * No output has two writers, and sums in pieces are added in their order: the same bits in every order.
 * Bytes at least: forward 2N(I + 2 sum O) + 8N sum r; the gradients read x and dy once a part more; the sums of
 * pieces (lora_staged.cuh), 256 * 8NT of each, are written and read once. Again, from the caches: A
 * and B by every 64 tokens, t and dt by every 64 columns. */
#include "kernels/cuda/lora_staged.cuh"

#include "kernels/cuda/behind_cuda.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/gemm_cuda.h"

namespace
{
/* ---- kernels ---- */
constexpr int ANY = 8; /* 64 of the rank */

/* grid: tiles, parts, chunks of 64 of the rank */
template <bool BWD> __global__ void __launch_bounds__(BLOCK) lora_down_any_k(lora_job j)
{
    constexpr int NT = ANY;
    PT_SHARED(bf16, As, [TILE * LDS]);
    PT_SHARED(bf16, Bs, [TILE * LDS]);
    int slot = 0, p = (int)blockIdx.y, r0 = (int)blockIdx.z * 8 * NT;
    int64_t n0 = 0;
    int rows = tile_of(j, (int)blockIdx.x, &slot, &n0);
    const lora_part &part = j.part[p];
    const lora_slot &s = j.slot[p * j.n_slots + slot];
    if (rows == 0 || r0 >= s.rank) return; /* the whole block */
    float acc[NT][4];
    clear<NT>(acc);
    int k = BWD ? part.out : j.in;
    for (int k0 = 0; k0 < k; k0 += TILE) {
        __syncthreads();
        if constexpr (BWD) {
            fill(As, LDS, TILE, TILE, part.dy + n0 * part.ld_dy + k0, part.ld_dy, rows, k - k0);
            fill(Bs, 8 * NT + PAD, TILE, 8 * NT, s.b + (int64_t)k0 * s.ld_b + r0, s.ld_b, k - k0, s.rank - r0);
        } else {
            fill_x(As, j, part.module, n0, rows, k0);
            fill(Bs, LDS, 8 * NT, TILE, s.a + (int64_t)r0 * s.ld_a + k0, s.ld_a, s.rank - r0, k - k0);
        }
        __syncthreads();
        multiply<NT, false, BWD>(acc, As, LDS, Bs, BWD ? 8 * NT + PAD : LDS, k - k0 < TILE ? round16(k - k0) : TILE);
    }
    float *out = BWD ? part.dt : part.t, scale = BWD ? s.scale : 1.0f;
    int64_t ld = BWD ? part.ld_dt : part.ld_t;
#pragma unroll
    for (int q = 0; q < NT; q++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (row_of(i) < rows && r0 + col_of(q, i) < s.rank)
                out[(n0 + row_of(i)) * ld + r0 + col_of(q, i)] = scale * acc[q][i];
}

/* out[64 x 64] += tile in shared memory, by rows */
PT_DEV void add_tile(bf16 *out, int64_t ld, const float *tile, int rows, int cols)
{
    bool wide = (((uintptr_t)out | (uintptr_t)(ld * 2)) & 15) == 0;
    for (int u = (int)threadIdx.x; u < TILE * TILE / 8; u += BLOCK) {
        int r = u / (TILE / 8), c = u % (TILE / 8) * 8;
        if (r >= rows || c >= cols) continue;
        const float *t = tile + r * LDO + c;
        bf16 *o = out + r * ld + c;
        if (wide && c + 8 <= cols) {
            float v[8];
            ld_vec<8>(o, v);
#pragma unroll
            for (int i = 0; i < 8; i++) v[i] += t[i];
            st_vec<8>(o, v);
        } else {
            for (int i = 0; i < 8 && c + i < cols; i++) o[i] = from_f<bf16>(to_f(o[i]) + t[i]);
        }
    }
}

/* acc = (acc of one part) masked; total += acc */
template <int NT>
PT_DEV void add_masked(float total[NT][4], const float acc[NT][4], const lora_job &j, uint32_t module, int64_t n0, int rows,
                       int f0)
{
    int t = lane_id() % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int r = row_of(2 * half);
        uint64_t key = r < rows ? j.drop.key[n0 + r] : 0;
#pragma unroll
        for (int q = 0; q < NT; q++) {
            float keep[4];
            pt_lora_keep(j.drop, module, key, (uint32_t)(f0 + 8 * q) / 4 + (uint32_t)(t / 2), keep);
            total[q][2 * half] += acc[q][2 * half] * (t % 2 ? keep[2] : keep[0]);
            total[q][2 * half + 1] += acc[q][2 * half + 1] * (t % 2 ? keep[3] : keep[1]);
        }
    }
}

/* grid: tiles, chunks of UP_CHUNKS*64 columns, parts (forward) or 1 (backward: parts are summed here, dx is read and written
 * once) */
template <bool BWD, bool DROP> __global__ void __launch_bounds__(BLOCK) lora_up_k(lora_job j)
{
    constexpr int NT = TILE / 8;
    PT_SHARED(bf16, As, [TILE * LDS]);
    PT_SHARED(bf16, Bs, [TILE * LDS]);
    PT_SHARED(float, tile, [TILE * LDO]);
    int slot = 0, first = BWD ? 0 : (int)blockIdx.z, last = BWD ? j.n_parts : first + 1, cols = BWD ? j.in : j.part[first].out;
    int64_t n0 = 0;
    int rows = tile_of(j, (int)blockIdx.x, &slot, &n0);
    if (rows == 0) return; /* the whole block */
    for (int c = 0; c < UP_CHUNKS; c++) {
        int c0 = ((int)blockIdx.y * UP_CHUNKS + c) * TILE;
        if (c0 >= cols) break;
        float acc[NT][4], total[DROP ? NT : 1][4];
        clear<NT>(acc);
        if constexpr (DROP) clear<NT>(total);
        for (int p = first; p < last; p++) {
            const lora_part &part = j.part[p];
            const lora_slot &s = j.slot[p * j.n_slots + slot];
            for (int k0 = 0; k0 < s.rank; k0 += TILE) {
                int kn = s.rank - k0 < TILE ? s.rank - k0 : TILE, kr = round16(kn);
                __syncthreads();
                if constexpr (BWD) {
                    fill(As, LDS, TILE, kr, part.dt + n0 * part.ld_dt + k0, part.ld_dt, rows, kn);
                    fill(Bs, LDS, kr, TILE, s.a + (int64_t)k0 * s.ld_a + c0, s.ld_a, kn, cols - c0);
                } else {
                    fill(As, LDS, TILE, kr, part.t + n0 * part.ld_t + k0, part.ld_t, rows, kn);
                    fill(Bs, LDS, TILE, kr, s.b + (int64_t)c0 * s.ld_b + k0, s.ld_b, cols - c0, kn);
                }
                __syncthreads();
                multiply<NT, false, BWD>(acc, As, LDS, Bs, LDS, kr);
            }
            if constexpr (DROP) {
                if (s.rank > 0) add_masked<NT>(total, acc, j, part.module, n0, rows, c0);
                clear<NT>(acc);
            }
        }
        float scale = BWD ? 1.0f : j.slot[first * j.n_slots + slot].scale;
        __syncthreads();
#pragma unroll
        for (int q = 0; q < NT; q++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if constexpr (DROP)
                    tile[row_of(i) * LDO + col_of(q, i)] = total[q][i];
                else
                    tile[row_of(i) * LDO + col_of(q, i)] = scale * acc[q][i];
            }
        __syncthreads();
        if constexpr (BWD)
            add_tile(j.dx + n0 * j.ld_dx + c0, j.ld_dx, tile, rows, cols - c0);
        else
            add_tile(j.part[first].y + n0 * j.part[first].ld_y + c0, j.part[first].ld_y, tile, rows, cols - c0);
    }
}

/* grid: 64 rows of dB, then 64 columns of dA; pairs of part and slot; chunks of 64 of the rank */
__global__ void __launch_bounds__(BLOCK) lora_grad_any_k(lora_job j, int b_tiles)
{
    constexpr int NT = ANY;
    PT_SHARED(bf16, As, [TILE * LDS]);
    PT_SHARED(bf16, Bs, [TILE * LDS]);
    const lora_slot &s = j.slot[blockIdx.y];
    const lora_part &part = j.part[blockIdx.y / j.n_slots];
    bool is_b = (int)blockIdx.x < b_tiles;
    int slot = (int)blockIdx.y % j.n_slots, r0 = (int)blockIdx.z * 8 * NT, m = is_b ? part.out : j.in;
    int m0 = ((int)blockIdx.x - (is_b ? 0 : b_tiles)) * TILE;
    if (r0 >= s.rank || m0 >= m || !(is_b ? s.db : s.da)) return; /* the whole block */
    float acc[NT][4];
    clear<NT>(acc);
    for (int r = 0; r < j.n_runs; r++) {
        if (j.run[r].slot != slot) continue;
        for (int64_t n0 = j.run[r].begin; n0 < j.run[r].end; n0 += TILE) {
            int rows = j.run[r].end - n0 < TILE ? (int)(j.run[r].end - n0) : TILE;
            __syncthreads();
            if (is_b) {
                fill(As, LDS, TILE, TILE, part.dy + n0 * part.ld_dy + m0, part.ld_dy, rows, m - m0);
                fill(Bs, 8 * NT + PAD, TILE, 8 * NT, part.t + n0 * part.ld_t + r0, part.ld_t, rows, s.rank - r0);
            } else {
                fill_x(As, j, part.module, n0, rows, m0);
                fill(Bs, 8 * NT + PAD, TILE, 8 * NT, part.dt + n0 * part.ld_dt + r0, part.ld_dt, rows, s.rank - r0);
            }
            __syncthreads();
            multiply<NT, true, true>(acc, As, LDS, Bs, 8 * NT + PAD, round16(rows));
        }
    }
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

/* ---- launchers ---- */
/* Of an op's call. */
struct lora_call {
    bool backward, wide, wide_grad; /* may down, and the gradients, be staged? */
    pt_lora_half half;
    float *sums;
    unsigned *counters;
    bool fold;
    int slot;      /* folded: the one adapter */
    int64_t cols;  /* and columns behind x */
    int64_t at[MAX_PARTS]; /* of which a part's begin here */
};
struct sizes {
    int tiles, rank, out; /* of the job: tiles of tokens, largest rank and width of a part */
};

template <int NT, bool BWD> pt_status launch_down(pt_ctx *ctx, const lora_job &j, const lora_call &c, sizes z)
{
    int chunks = (int)pt_ceil_div(z.rank, 8 * NT), blocks = 0, len = cut_down(j, BWD, z.tiles, chunks, &blocks);
    lora_cut cut = {c.sums, c.counters, len, chunks};
    return pt_launch(lora_down_k<NT, BWD>, dim3((unsigned)blocks, (unsigned)z.tiles), dim3(BLOCK), lora_stage<NT, BWD>::bytes, pt_stream(ctx), j, cut);
}
template <bool BWD> pt_status down(pt_ctx *ctx, const lora_job &j, const lora_call &c, sizes z)
{
    if (!c.wide) {
        dim3 grid((unsigned)z.tiles, (unsigned)j.n_parts, (unsigned)pt_ceil_div(z.rank, 8 * ANY));
        return pt_launch(lora_down_any_k<BWD>, grid, dim3(BLOCK), 0, pt_stream(ctx), j);
    }
    if (z.rank <= 16) return launch_down<2, BWD>(ctx, j, c, z);
    return z.rank <= 32 ? launch_down<4, BWD>(ctx, j, c, z) : launch_down<8, BWD>(ctx, j, c, z);
}

template <int NT> pt_status launch_grad(pt_ctx *ctx, const lora_job &j, const lora_call &c, sizes z)
{
    int64_t blocks = 0, b_tiles = pt_ceil_div(z.out, TILE), a_tiles = pt_ceil_div(j.in, TILE);
    int most = 0, chunks = (int)pt_ceil_div(z.rank, 8 * NT);
    for (int s = 0; s < j.n_slots; s++) {
        int tiles = 0;
        for (int r = 0; r < j.n_runs; r++) tiles += j.run[r].slot == s ? (int)pt_ceil_div(j.run[r].end - j.run[r].begin, TILE) : 0;
        most = tiles > most ? tiles : most;
        for (int p = 0; p < j.n_parts; p++) {
            const lora_slot *l = &j.slot[p * j.n_slots + s];
            if (tiles) blocks += pt_ceil_div(l->rank, 8 * NT) * ((l->db ? pt_ceil_div(j.part[p].out, TILE) : 0) + (l->da ? a_tiles : 0));
        }
    }
    lora_cut cut = {c.sums, c.counters, cut_grad(blocks, most), chunks};
    dim3 grid((unsigned)(j.n_parts * j.n_slots * chunks * cut.len), (unsigned)(b_tiles + a_tiles));
    /* sums in pieces are numbered by the whole grid */
    if ((int64_t)grid.x * grid.y > MOST_GRID && cut.len > 1) grid.x /= (unsigned)cut.len, cut.len = 1;
    return pt_launch(lora_grad_k<NT>, grid, dim3(BLOCK), lora_stage<NT, true>::bytes, pt_stream(ctx), j, cut, (int)b_tiles);
}
pt_status grad(pt_ctx *ctx, const lora_job &j, const lora_call &c, sizes z)
{
    if (!c.wide_grad) {
        int b_tiles = (int)pt_ceil_div(z.out, TILE);
        dim3 grid((unsigned)(b_tiles + pt_ceil_div(j.in, TILE)), (unsigned)(j.n_parts * j.n_slots), (unsigned)pt_ceil_div(z.rank, 8 * ANY));
        return pt_launch(lora_grad_any_k, grid, dim3(BLOCK), 0, pt_stream(ctx), j, b_tiles);
    }
    if (z.rank <= 16) return launch_grad<2>(ctx, j, c, z);
    return z.rank <= 32 ? launch_grad<4>(ctx, j, c, z) : launch_grad<8>(ctx, j, c, z);
}

pt_status launch(pt_ctx *ctx, const lora_job &j, const lora_call &c)
{
    sizes z = {0, 0, 0};
    bool grads = false;
    for (int r = 0; r < j.n_runs; r++) z.tiles += (j.run[r].end - j.run[r].begin + TILE - 1) / TILE;
    for (int p = 0; p < j.n_parts; p++) {
        z.out = j.part[p].out > z.out ? j.part[p].out : z.out;
        for (int s = 0; s < j.n_slots; s++) {
            const lora_slot *l = &j.slot[p * j.n_slots + s];
            z.rank = l->rank > z.rank ? l->rank : z.rank;
            grads = grads || l->da || l->db;
        }
    }
    if (z.tiles == 0 || z.rank == 0) return PT_OK;
    dim3 up((unsigned)z.tiles, (unsigned)pt_ceil_div(c.backward ? j.in : z.out, UP_CHUNKS * TILE), c.backward ? 1 : (unsigned)j.n_parts);
    if (!c.backward) {
        PT_RETURN(down<false>(ctx, j, c, z));
        if (c.fold) return PT_OK;
        return pt_launch(lora_up_k<false, false>, up, dim3(BLOCK), 0, pt_stream(ctx), j);
    }
    if (c.half != PT_LORA_OWN) PT_RETURN(down<true>(ctx, j, c, z));
    if (grads && c.half != PT_LORA_TO_X) PT_RETURN(grad(ctx, j, c, z));
    if (!j.dx || c.fold) return PT_OK;
    if (j.drop.p > 0) return pt_launch(lora_up_k<true, true>, up, dim3(BLOCK), 0, pt_stream(ctx), j);
    return pt_launch(lora_up_k<true, false>, up, dim3(BLOCK), 0, pt_stream(ctx), j);
}

/* Columns of a part in `spare`: rows stay aligned to 16 bytes. */
int64_t spare_cols(const pt_lora_part *p, int n_slots)
{
    return pt_ceil_div(pt_lora_rank(p, n_slots), 4) * 4;
}

/* Are rows aligned to 16 bytes? Steps of `elems`. */
bool aligned(pt_view v, int elems)
{
    return !pt_view_ok(v) || (((uintptr_t)v.buf->base + v.off) % 16 == 0 && (v.ld % elems == 0 || v.rows == 1));
}
void may_stage(const pt_lora_args *a, lora_call *c)
{
    c->wide = c->backward || aligned(a->x, 8), c->wide_grad = aligned(a->x, 8);
    for (int p = 0; p < a->n_parts; p++) {
        const pt_lora_part *part = &a->parts[p];
        if (c->backward) c->wide = c->wide && aligned(part->dy, 8), c->wide_grad = c->wide_grad && aligned(part->dy, 8) && aligned(part->t, 4) && aligned(part->dt, 4);
        for (int s = 0; s < a->n_slots; s++)
            if (part->slots[s].rank) c->wide = c->wide && aligned(c->backward ? part->slots[s].b : part->slots[s].a, 4);
    }
}

/* Is there room behind v's rows, aligned to 16 bytes? */
bool fold_room(pt_view v, int spare, int64_t cols)
{
    return spare >= cols && v.cols % 8 == 0 && aligned(v, 8);
}
/* May the base's products take the adapter along? Runs of one slot, and room behind what has a rank in it; a part without one is the base's product alone. */
void may_fold(const pt_ctx *ctx, const pt_lora_args *a, lora_call *c)
{
    int slot = -1;
    int64_t cols = 0;
    if (!c->wide || a->dropout > 0 || a->n_parts > MAX_PARTS || a->x.rows <= PT_CUDA_FEW || (c->backward && !pt_view_ok(a->dx))) return;
    for (int r = 0; r < a->n_runs; r++) {
        const pt_lora_run *run = &a->runs[r];
        if (run->slot < 0 || run->begin == run->end) continue;
        if (slot >= 0 && run->slot != slot) return;
        slot = run->slot;
    }
    if (slot < 0) return;
    for (int p = 0; p < a->n_parts; p++) {
        const pt_lora_part *part = &a->parts[p];
        int64_t own = pt_lora_columns(part->slots[slot].rank);
        pt_cuda_whole_w w;
        if (!pt_view_ok(part->w) || (own > 0 && c->backward && !fold_room(part->dy, part->dy_spare, own))) return;
        c->at[p] = cols, cols += own;
        if (c->backward && pt_cuda_whole(ctx, part->w, &w) && w.room_rows < own) return;
    }
    if (cols == 0) return;
    for (int p = 0; p < a->n_parts && !c->backward; p++) {
        pt_cuda_whole_w w;
        if (a->parts[p].slots[slot].rank && pt_cuda_whole(ctx, a->parts[p].w, &w) && w.room_cols < cols) return;
    }
    if (!c->backward && !fold_room(a->x, a->x_spare, cols)) return;
    c->fold = true, c->slot = slot, c->cols = cols;
}

/* Zeros behind the tokens that no run covers. */
pt_status clear_uncovered(pt_ctx *ctx, const pt_lora_args *a, const lora_call &c)
{
    int64_t at = 0;
    for (int r = 0; r < a->n_runs; r++)
        if (a->runs[r].slot >= 0 && a->runs[r].begin == at) at = a->runs[r].end;
    if (at == a->x.rows) return PT_OK;
    for (int p = 0; p < (c.backward ? a->n_parts : 1); p++) {
        pt_view v = c.backward ? a->parts[p].dy : a->x;
        size_t bytes = (size_t)(c.backward ? pt_lora_columns(a->parts[p].slots[c.slot].rank) : c.cols) * sizeof(bf16);
        if (bytes) PT_CUDA_RETURN(cudaMemset2DAsync(pt_ptr<bf16>(v) + v.cols, (size_t)v.ld * sizeof(bf16), 0, bytes, (size_t)v.rows, pt_stream(ctx)));
    }
    return PT_OK;
}

/* Part p's product of the base. behind: NULL, or what it takes along. */
pt_status base_product(const pt_ws *ws, const pt_lora_args *a, int p, bool backward, const pt_cuda_behind *behind)
{
    const pt_lora_part *part = &a->parts[p];
    pt_ws own = *ws; /* products follow one another: they may use the same scratch */
    if (!backward) {
        pt_linear_args l = {part->y, a->x, part->w, part->bias, a->beta};
        return pt_cuda_product(&own, &l, behind);
    }
    pt_linear_bwd_x_args l = {a->dx, part->dy, part->w, p > 0 ? 1.0f : a->beta};
    return pt_cuda_product_back(&own, &l, behind);
}
pt_status folded_products(const pt_ws *ws, const pt_lora_args *a, const lora_call &c)
{
    for (int p = 0; p < a->n_parts; p++) {
        const pt_lora_slot *s = &a->parts[p].slots[c.slot];
        pt_view m = c.backward ? s->a : s->b;
        pt_cuda_behind b = {pt_ptr<float>(m), m.ld, s->rank, c.backward ? 0 : (int)c.at[p], (int)(c.backward ? pt_lora_columns(s->rank) : c.cols)};
        PT_RETURN(base_product(ws, a, p, c.backward, s->rank ? &b : NULL));
    }
    return PT_OK;
}
/* The scratch of products that may be folded. */
pt_status dry_products(const pt_ws *ws, const pt_lora_args *a, bool backward)
{
    for (int p = 0; p < a->n_parts; p++) {
        pt_cuda_behind b = {NULL, 0, 0, 0, backward ? a->parts[p].dy_spare : a->x_spare};
        if (b.n > 0 && pt_view_ok(a->parts[p].w) && (!backward || pt_view_ok(a->dx))) PT_RETURN(base_product(ws, a, p, backward, &b));
    }
    return PT_OK;
}

/* The job's parts [p0, p0 + n_parts) and slots [s0, s0 + n_slots). spare: [N, ranks] f32, dt or a t that the caller does not
 * keep. */
void describe(lora_job *j, const pt_lora_args *a, int p0, int s0, float *spare, int64_t ranks, int64_t at, const lora_call &c)
{
    const bool backward = c.backward;
    for (int p = 0; p < j->n_parts; p++) {
        const pt_lora_part *from = &a->parts[p0 + p];
        lora_part *to = &j->part[p];
        to->y = pt_ptr<bf16>(from->y), to->ld_y = from->y.ld, to->dy = pt_ptr<bf16>(from->dy), to->ld_dy = from->dy.ld;
        to->t = pt_ptr<float>(from->t), to->ld_t = from->t.ld, to->dt = spare + at, to->ld_dt = ranks;
        if (!to->t) to->t = spare + at, to->ld_t = ranks;
        if (a->half != PT_LORA_BOTH) to->dt = pt_ptr<float>(from->dt), to->ld_dt = from->dt.ld;
        to->out = (int)(backward ? from->dy.cols : from->y.cols), to->module = from->module;
        at += spare_cols(from, a->n_slots);
        if (c.fold && backward) to->fold = pt_ptr<bf16>(from->dy) + from->dy.cols, to->ld_fold = from->dy.ld;
        if (c.fold && !backward) to->fold = pt_ptr<bf16>(a->x) + a->x.cols + c.at[p0 + p], to->ld_fold = a->x.ld;
        for (int s = 0; s < j->n_slots; s++) {
            const pt_lora_slot *f = &from->slots[s0 + s];
            lora_slot *t = &j->slot[p * j->n_slots + s];
            *t = {};
            if (f->rank == 0) continue;
            t->a = pt_ptr<float>(f->a), t->b = pt_ptr<float>(f->b), t->ld_a = (int)f->a.ld, t->ld_b = (int)f->b.ld;
            t->rank = f->rank, t->scale = f->scale;
            if (backward)
                t->da = pt_ptr<float>(f->da), t->db = pt_ptr<float>(f->db), t->ld_da = (int)f->da.ld, t->ld_db = (int)f->db.ld;
        }
    }
}

/* All runs of slots [s0, s0 + n_slots), MAX_RUNS a launch. */
pt_status launch_runs(pt_ctx *ctx, const pt_lora_args *a, lora_job *j, int s0, const lora_call &c)
{
    pt_lora_run run;
    j->n_runs = 0;
    for (int i = 0; pt_lora_next(a, &i, &run);) {
        if (run.slot < s0 || run.slot >= s0 + j->n_slots || run.begin == run.end) continue;
        if (j->n_runs == MAX_RUNS) {
            PT_RETURN(launch(ctx, *j, c));
            j->n_runs = 0;
        }
        run.slot -= s0;
        j->run[j->n_runs++] = run;
    }
    return j->n_runs > 0 ? launch(ctx, *j, c) : PT_OK;
}

/* The adapters' own kernels. */
pt_status adapters(pt_ctx *ctx, const pt_lora_args *a, float *spare, int64_t ranks, const lora_call &c)
{
    int64_t at = 0;
    if (c.wide || (c.backward && c.wide_grad))
        PT_CUDA_RETURN(cudaMemsetAsync(c.counters, 0, MOST_GRID * sizeof(unsigned), pt_stream(ctx)));
    for (int p0 = 0; p0 < a->n_parts; p0 += MAX_PARTS) {
        lora_job j = {};
        j.x = pt_ptr<bf16>(a->x), j.ld_x = a->x.ld, j.in = (int)a->x.cols, j.drop = pt_lora_drop_of(a);
        if (c.backward) j.dx = pt_ptr<bf16>(a->dx), j.ld_dx = a->dx.ld;
        j.n_parts = a->n_parts - p0 < MAX_PARTS ? a->n_parts - p0 : MAX_PARTS;
        int most = MAX_PAIRS / j.n_parts;
        for (int s0 = 0; s0 < a->n_slots; s0 += most) {
            j.n_slots = a->n_slots - s0 < most ? a->n_slots - s0 : most;
            describe(&j, a, p0, s0, spare, ranks, at, c);
            PT_RETURN(launch_runs(ctx, a, &j, s0, c));
        }
        for (int p = 0; p < j.n_parts; p++) at += spare_cols(&a->parts[p0 + p], a->n_slots);
    }
    return PT_OK;
}

pt_status lora(pt_ctx *ctx, const pt_lora_args *a, bool backward)
{
    PT_RETURN(pt_check_lora(ctx, a, backward));
    int64_t ranks = 0;
    int most = 0;
    float *spare;
    lora_call c = {};
    c.backward = backward, c.half = a->half;
    for (int p = 0; p < a->n_parts; p++) {
        int rank = pt_lora_rank(&a->parts[p], a->n_slots);
        most = rank > most ? rank : most, ranks += spare_cols(&a->parts[p], a->n_slots);
        if ((backward ? a->parts[p].dy.cols : a->parts[p].y.cols) > INT32_MAX / 2 || a->x.cols > INT32_MAX / 2)
            return pt_fail(PT_ESHAPE, "lora: %lld input features", (long long)a->x.cols);
    }
    if (ctx->act == PT_BF16) may_stage(a, &c), may_fold(ctx, a, &c);
    if (!c.fold || ctx->dry) PT_RETURN(pt_lora_base(ctx, a, backward));
    if (ctx->act == PT_F32) return pt_cuda_lora_f32(ctx, a, backward);
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &spare, (size_t)a->x.rows * (size_t)ranks * sizeof(float)));
    PT_RETURN(pt_take(&ws, &c.sums, ranks ? (size_t)MOST_GRID * TILE * (most <= 16 ? 16 : most <= 32 ? 32 : 64) * sizeof(float) : 0));
    PT_RETURN(pt_take(&ws, &c.counters, MOST_GRID * sizeof(unsigned)));
    pt_ws_done(&ws);
    if (ctx->dry) return dry_products(&ws, a, backward);
    if (a->x.rows == 0 || ranks == 0) return PT_OK;
    if (c.fold) PT_RETURN(clear_uncovered(ctx, a, c));
    PT_RETURN(adapters(ctx, a, spare, ranks, c));
    return c.fold ? folded_products(&ws, a, c) : PT_OK;
}
} // namespace

extern "C" pt_status pt_cuda_lora(pt_ctx *ctx, const pt_lora_args *a)
{
    return lora(ctx, a, false);
}
extern "C" pt_status pt_cuda_lora_bwd(pt_ctx *ctx, const pt_lora_args *a)
{
    return lora(ctx, a, true);
}
