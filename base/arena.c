#include "base/arena.h"

#include "base/mem.h"

const char *pt_role_name(pt_role r)
{
    static const char *const names[PT_ROLE_COUNT] = {"weights",     "weights as numbers", "adapters",      "gradients", "optimiser",
                                                     "activations", "scratch",            "communication", "kv cache"};
    return names[r];
}

void pt_arena_init(pt_arena *a, pt_role role)
{
    *a = (pt_arena){.role = role};
}

pt_status pt_arena_carve(pt_arena *a, pt_dtype type, int64_t rows, int64_t cols, pt_view *out)
{
    size_t row, bytes;
    if (rows < 0 || cols < 0) return pt_fail(PT_ESHAPE, "a view of %lld x %lld", (long long)rows, (long long)cols);
    PT_RETURN(pt_dtype_row_bytes(type, (size_t)cols, &row));
    if (!pt_mul_size(row, (size_t)rows, &bytes) || bytes > SIZE_MAX - 64 - a->used)
        return pt_fail(PT_ESHAPE, "a view of %lld x %lld overflows", (long long)rows, (long long)cols);
    size_t end = a->used + pt_align_up(bytes, 64);
    if (a->sealed && end > a->buf.bytes)
        return pt_fail(PT_ESTATE, "the arena of %s is %zu bytes and would grow to %zu after it was planned", pt_role_name(a->role),
                       a->buf.bytes, end);
    *out = (pt_view){.buf = &a->buf, .off = a->used, .type = type, .rows = rows, .cols = cols, .ld = cols};
    a->used = end;
    if (end > a->peak) a->peak = end;
    return PT_OK;
}
