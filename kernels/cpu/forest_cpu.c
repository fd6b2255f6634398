#include "kernels/cpu/cpu.h"
#include "kernels/forest.h"

pt_status pt_cpu_forest_new(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps)
{
    return pt_forest_host_new(out, caps);
}

pt_status pt_cpu_forest_set(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *d)
{
    return pt_forest_host_set(f, d);
}

size_t pt_cpu_forest_bytes(pt_ctx *ctx, const pt_forest_caps *caps)
{
    return pt_forest_host_bytes(caps);
}

void pt_cpu_forest_free(pt_ctx *ctx, pt_forest *f)
{
    pt_forest_host_free(f);
}
