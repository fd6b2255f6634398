#include <math.h>

#include "kernels/cpu/decode_v.h"
#include "kernels/cpu/vec.h"

float PT_V(pt_sample_max)(const float *z, int64_t n, bool *bad)
{
    pt_vf high = pt_vset(-INFINITY), inf = pt_vset(INFINITY);
    pt_vi wrong = {0};
    for (int64_t i = 0; i < n; i += PT_W) {
        pt_vf x = n - i < PT_W ? pt_vload_part(z + i, n - i, -INFINITY) : pt_vload(z + i);
        wrong |= ~(x < inf); /* NaN too */
        high = pt_vpick(x > high, x, high);
    }
    *bad = false;
    for (int i = 0; i < PT_W; i++) *bad = *bad || wrong[i];
    return pt_vtop(high);
}

double PT_V(pt_sample_mass)(const float *z, int64_t n, float max, float factor)
{
    double sum = 0;
    for (int64_t i = 0; i < n;) {
        int64_t end = n - i < 1024 ? n : i + 1024;
        pt_vf part = pt_vset(0);
        for (; i < end; i += PT_W) {
            pt_vf x = end - i < PT_W ? pt_vload_part(z + i, end - i, -INFINITY) : pt_vload(z + i);
            part += pt_vexp((x - pt_vset(max)) * pt_vset(factor));
        }
        for (int k = 0; k < PT_W; k++) sum += part[k];
    }
    return sum;
}

int64_t PT_V(pt_sample_above)(const float *z, int64_t n, float floor, int32_t *ids)
{
    int64_t count = 0, i = 0;
    for (; i + 4 * PT_W <= n; i += 4 * PT_W) {
        pt_vf high = pt_vload(z + i);
        for (int k = 1; k < 4; k++) high = pt_vmax(high, pt_vload(z + i + k * PT_W));
        if (pt_vtop(high) < floor) continue;
        for (int64_t k = i; k < i + 4 * PT_W; k++)
            if (z[k] >= floor) ids[count++] = (int32_t)k;
    }
    for (; i < n; i++)
        if (z[i] >= floor) ids[count++] = (int32_t)i;
    return count;
}
