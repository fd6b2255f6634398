#include "kernels/cpu/rows.h"

enum { MOST = 1024 }; /* features that are rotated, at most */

static void rotate_half(float *restrict lo, float *restrict hi, const float *restrict c, const float *restrict s, int half)
{
    for (int i = 0; i < half; i++) {
        float u = lo[i], v = hi[i];
        lo[i] = u * c[i] - v * s[i];
        hi[i] = v * c[i] + u * s[i];
    }
}

static void rotate_adjacent(float *restrict x, const float *restrict c, const float *restrict s, int half)
{
    for (int i = 0; i < half; i++) {
        float u = x[2 * i], v = x[2 * i + 1];
        x[2 * i] = u * c[i] - v * s[i];
        x[2 * i + 1] = v * c[i] + u * s[i];
    }
}

void PT_V(pt_rope_row)(float *x, const float *table, int heads, int dim, int rot, pt_rope_kind kind, bool inverse)
{
    float c[MOST / 2], s[MOST / 2];
    int half = rot / 2;
    for (int i = 0; i < half; i++) {
        c[i] = table[2 * i];
        s[i] = inverse ? -table[2 * i + 1] : table[2 * i + 1];
    }
    for (int h = 0; h < heads; h++, x += dim) {
        if (kind == PT_ROPE_HALF)
            rotate_half(x, x + half, c, s, half);
        else
            rotate_adjacent(x, c, s, half);
    }
}
