/* Operations of a warp: shuffles, votes, mma, ldmatrix; and cp.async, which copies as late as it may. */
#include <string.h>

#include "emu_rt.h"

namespace {
struct shfl_args { uint64_t v, out; int arg, width, bytes; };
struct vote_args { int64_t v, out; };
struct mma_args { float *d; const uint32_t *a; uint32_t b0, b1; };
struct ldm_args { uint32_t *r; const void *row; int n, trans; const void *pc; };

int source_lane(int kind, int lane, int arg, int width)
{
    int base = lane & ~(width - 1), src;
    switch (kind) {
    case EMU_SHFL_IDX: return base + (arg & (width - 1));
    case EMU_SHFL_UP: src = lane - arg; return src < base ? lane : src;
    case EMU_SHFL_DOWN: src = lane + arg; return src >= base + width ? lane : src;
    default: src = lane ^ arg; return src >= base + width ? lane : src; /* a lower segment may be read, as on the device */
    }
}

template <int KIND> void lead_shfl(void **args, unsigned mask, emu_thread *)
{
    for (unsigned m = mask; m; m &= m - 1) {
        int lane = __builtin_ctz(m);
        shfl_args *a = (shfl_args *)args[lane];
        int src = source_lane(KIND, lane, a->arg, a->width);
        if (src < 0 || src > 31 || !(mask >> src & 1))
            emu_die(97, "%s: lane %d reads lane %d, which is not in mask 0x%08x", emu_warp_kind_name(KIND), lane, src, mask);
        shfl_args *b = (shfl_args *)args[src];
        if (b->bytes != a->bytes || b->width != a->width)
            emu_die(97, "lanes meet with different operations: %s of %d and of %d bytes", emu_warp_kind_name(KIND), a->bytes,
                    b->bytes);
        a->out = b->v;
    }
}

void lead_ballot(void **args, unsigned mask, emu_thread *)
{
    unsigned bits = 0;
    for (unsigned m = mask; m; m &= m - 1)
        if (((vote_args *)args[__builtin_ctz(m)])->v) bits |= m & -m;
    for (unsigned m = mask; m; m &= m - 1) ((vote_args *)args[__builtin_ctz(m)])->out = bits;
}

template <int KIND> void lead_reduce(void **args, unsigned mask, emu_thread *)
{
    int64_t acc = ((vote_args *)args[__builtin_ctz(mask)])->v;
    for (unsigned m = mask & (mask - 1); m; m &= m - 1) {
        int64_t v = ((vote_args *)args[__builtin_ctz(m)])->v;
        acc = KIND == EMU_ADD ? acc + v : KIND == EMU_MIN ? (v < acc ? v : acc) : KIND == EMU_MAX ? (v > acc ? v : acc)
            : KIND == EMU_OR  ? (acc | v) : (acc & v);
    }
    for (unsigned m = mask; m; m &= m - 1) ((vote_args *)args[__builtin_ctz(m)])->out = acc;
}

void lead_sync(void **, unsigned, emu_thread *lane0) { emu_shadow_syncwarp(lane0->warp); }

inline float half_of(uint32_t u, int high)
{
    uint32_t b = high ? u & 0xffff0000u : u << 16;
    float f;
    memcpy(&f, &b, 4);
    return f;
}

void lead_mma(void **args, unsigned mask, emu_thread *)
{
    if (mask != 0xffffffffu) emu_die(97, "mma needs all 32 lanes: mask 0x%08x", mask);
    float a[16][16], b[16][8], c[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const mma_args *m = (const mma_args *)args[lane];
        int g = lane / 4, t = lane % 4;
        for (int h = 0; h < 2; h++) {
            a[g][2 * t + h] = half_of(m->a[0], h);
            a[g + 8][2 * t + h] = half_of(m->a[1], h);
            a[g][2 * t + 8 + h] = half_of(m->a[2], h);
            a[g + 8][2 * t + 8 + h] = half_of(m->a[3], h);
            b[2 * t + h][g] = half_of(m->b0, h);
            b[2 * t + 8 + h][g] = half_of(m->b1, h);
            c[g][2 * t + h] = m->d[h];
            c[g + 8][2 * t + h] = m->d[2 + h];
        }
    }
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 16; k++)
            for (int j = 0; j < 8; j++) c[i][j] += a[i][k] * b[k][j];
    for (int lane = 0; lane < 32; lane++) {
        float *d = ((mma_args *)args[lane])->d;
        int g = lane / 4, t = lane % 4;
        d[0] = c[g][2 * t];
        d[1] = c[g][2 * t + 1];
        d[2] = c[g + 8][2 * t];
        d[3] = c[g + 8][2 * t + 1];
    }
}

void lead_ldmatrix(void **args, unsigned mask, emu_thread *lane0)
{
    if (mask != 0xffffffffu) emu_die(97, "ldmatrix needs all 32 lanes: mask 0x%08x", mask);
    ldm_args *first = (ldm_args *)args[0];
    for (int mat = 0; mat < first->n; mat++) {
        uint16_t e[8][8];
        for (int row = 0; row < 8; row++) {
            ldm_args *a = (ldm_args *)args[8 * mat + row];
            if (a->n != first->n || a->trans != first->trans)
                emu_die(97, "lanes meet with different operations: two forms of ldmatrix");
            if ((uintptr_t)a->row % 16)
                emu_die(97, "ldmatrix: lane %d gives an address that is no multiple of 16", 8 * mat + row);
            if (!emu_in_shared(a->row))
                emu_die(97, "ldmatrix: lane %d gives an address outside of shared memory", 8 * mat + row);
            emu_shadow_access(lane0 + 8 * mat + row, a->row, 16, EMU_READ, a->pc);
            memcpy(e[row], a->row, 16);
        }
        for (int lane = 0; lane < 32; lane++) {
            int i = lane / 4, j = lane % 4 * 2;
            uint32_t lo = first->trans ? e[j][i] : e[i][j], hi = first->trans ? e[j + 1][i] : e[i][j + 1];
            ((ldm_args *)args[lane])->r[mat] = lo | hi << 16;
        }
    }
}

void run_async(emu_thread *t, const emu_async &c)
{
    emu_shadow_access(t, c.src, (size_t)c.bytes, EMU_READ, NULL);
    emu_shadow_access(t, c.dst, (size_t)c.size, EMU_WRITE, NULL);
    if (c.bytes) memcpy(c.dst, c.src, (size_t)c.bytes);
    memset(c.dst + c.bytes, 0, (size_t)(c.size - c.bytes));
}
}

void emu_syncwarp(unsigned mask) { emu_rendezvous(mask, EMU_SYNCWARP, NULL, lead_sync); }

uint64_t emu_shfl(unsigned mask, int kind, uint64_t v, int arg, int width, int bytes)
{
    static const emu_leader leaders[] = {lead_shfl<EMU_SHFL_IDX>, lead_shfl<EMU_SHFL_UP>, lead_shfl<EMU_SHFL_DOWN>,
                                         lead_shfl<EMU_SHFL_XOR>};
    if (width < 1 || width > 32 || (width & (width - 1)))
        emu_die(97, "%s: width %d is no power of two", emu_warp_kind_name(kind), width);
    shfl_args a = {v, 0, arg, width, bytes};
    emu_rendezvous(mask, kind, &a, leaders[kind - EMU_SHFL_IDX]);
    return a.out;
}

unsigned emu_ballot(unsigned mask, int pred)
{
    vote_args a = {pred, 0};
    emu_rendezvous(mask, EMU_BALLOT, &a, lead_ballot);
    return (unsigned)a.out;
}

int64_t emu_reduce(unsigned mask, int kind, int64_t v)
{
    static const emu_leader leaders[] = {lead_reduce<EMU_ADD>, lead_reduce<EMU_MIN>, lead_reduce<EMU_MAX>, lead_reduce<EMU_OR>,
                                         lead_reduce<EMU_AND>};
    vote_args a = {v, 0};
    emu_rendezvous(mask, kind, &a, leaders[kind - EMU_ADD]);
    return a.out;
}

void emu_mma_16816(float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
    mma_args m = {d, a, b0, b1};
    emu_rendezvous(0xffffffffu, EMU_MMA, &m, lead_mma);
}

void emu_ldmatrix(uint32_t *r, const void *row, int n, int trans)
{
    ldm_args a = {r, row, n, trans, __builtin_return_address(0)};
    emu_count_access(emu_cur, row, 16, EMU_READ, a.pc);
    emu_rendezvous(0xffffffffu, EMU_LDMATRIX, &a, lead_ldmatrix);
}

/* ---- cp.async ---- */
void emu_cp_async(void *shared, const void *global, int size, int bytes)
{
    emu_thread *t = emu_cur;
    const void *pc = __builtin_return_address(0);
    if (!t) emu_die(97, "cp.async outside of a kernel");
    if (bytes < 0 || bytes > size) emu_die(97, "cp.async: %d of %d bytes", bytes, size);
    if ((uintptr_t)shared % (unsigned)size || (uintptr_t)global % (unsigned)size)
        emu_die(97, "cp.async of %d bytes: %s address is not aligned", size,
                (uintptr_t)shared % (unsigned)size ? "the shared" : "the global");
    if (!emu_in_shared(shared)) emu_die(97, "cp.async: the destination is not in shared memory");
    if (bytes && !emu_is_dev(global)) emu_die(97, "cp.async: the source %p is not in device memory", global);
    emu_count_access(t, shared, (size_t)size, EMU_WRITE, pc);
    if (bytes) emu_count_access(t, global, (size_t)bytes, EMU_READ, pc);
    emu_async c = {(char *)shared, (const char *)global, size, bytes, t->committed};
    emu_shadow_access(t, shared, (size_t)size, EMU_WRITE, pc); /* whoever may still read this now is in a race */
    if (bytes) emu_shadow_access(t, global, (size_t)bytes, EMU_READ, pc);
    if (emu_set.async_mode == 1 || (emu_set.async_mode == 2 && (emu_random() & 1))) {
        run_async(t, c);
        emu_shadow_undefine(t, shared, (size_t)size, pc);
        c.bytes = -1; /* done; still undefined until its wait */
    } else {
        memset(shared, 0xff, (size_t)size);
        emu_shadow_undefine(t, shared, (size_t)size, pc);
    }
    t->async.push_back(c);
}

void emu_cp_async_commit(void) { emu_cur->committed++; }

void emu_cp_async_wait(int n)
{
    emu_thread *t = emu_cur;
    size_t keep = 0;
    for (size_t i = 0; i < t->async.size(); i++) {
        const emu_async &c = t->async[i];
        if (c.group < t->committed - n && c.group < t->committed) {
            if (c.bytes < 0) emu_shadow_access(t, c.dst, (size_t)c.size, EMU_WRITE, NULL);
            else run_async(t, c);
        } else {
            t->async[keep++] = c;
        }
    }
    t->async.resize(keep);
}
