#include <stdlib.h>

#include "base/mem.h"
#include "kernels/cpu/packed_v.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/device_cpu.h"
#include "kernels/ref/ref.h"

static void close_cpu(pt_ctx *ctx)
{
    pt_cpu_device *d = ctx->device;
    if (!d) return;
    pt_gemm_free(d->gemm);
    free(d);
    ctx->device = NULL;
}

static pt_status open_cpu(pt_ctx *ctx, pt_compute compute)
{
    pt_status rc = PT_OK;
    pt_cpu_device *d = NULL;
    ctx->ops = &pt_ops_cpu;
    ctx->device = ctx->stream = NULL;
    ctx->compute = compute;
    ctx->act = PT_F32;
    PT_TRY(pt_alloc0(&d, 1));
    PT_TRY(pt_gemm_new(&d->gemm));
    if (compute == PT_COMPUTE_BF16) PT_TRY(pt_gemm_has_bf16(d->gemm));
    ctx->device = d;
    d = NULL;
done:
    if (d) pt_gemm_free(d->gemm);
    free(d);
    return rc;
}

static size_t packed_bytes(const pt_ctx *ctx, pt_form form, pt_view w)
{
    (void)ctx;
    return form == PT_FORM_DECODE ? PT_PICK(pt_vpacked_bytes)(w.type, w.rows, w.cols) : 0;
}

static pt_status pack(pt_ctx *ctx, pt_view w, void *to)
{
    const size_t strip = PT_PICK(pt_vpacked_bytes)(w.type, PT_PACKED_ROWS, w.cols), row = pt_view_row_bytes(w);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < w.rows; r += PT_PACKED_ROWS)
        PT_PICK(pt_vpack)(w.type, (const uint8_t *)pt_at(w) + (size_t)r * row, row, w.rows - r < PT_PACKED_ROWS ? w.rows - r : PT_PACKED_ROWS, w.cols,
                          (uint8_t *)to + (size_t)(r / PT_PACKED_ROWS) * strip);
    (void)ctx;
    return PT_OK;
}

#define PT_CPU_ENTRY(op, args) .op = pt_cpu_##op,
const pt_ops pt_ops_cpu = {
    .name = "cpu",
    .measure = pt_cpu_measure,
    .isa = pt_cpu_isa,
    .isa_set = pt_cpu_isa_set,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .open = open_cpu,
    .close = close_cpu,
    .alloc = pt_host_alloc,
    .free = pt_host_free,
    .adopt = pt_host_adopt,
    .upload = pt_host_upload,
    .download = pt_host_download,
    .zero = pt_host_zero,
    .sync = pt_host_sync,
    .fetch = pt_host_download,
    .load = pt_host_upload,
    .forest_new = pt_cpu_forest_new,
    .forest_set = pt_cpu_forest_set,
    .forest_bytes = pt_cpu_forest_bytes,
    .forest_free = pt_cpu_forest_free,
    PT_OP_LIST(PT_CPU_ENTRY)
};

/* One product; *gflops keeps the best rate seen. */
static pt_status rate(pt_gemm *g, const pt_gemm_args *a, double *gflops)
{
    double t = pt_seconds(), r;
    PT_RETURN(pt_gemm_run(g, a));
    r = 2e-9 * (double)a->m * (double)a->n * (double)a->k / (pt_seconds() - t);
    if (r > *gflops) *gflops = r;
    return PT_OK;
}

pt_status pt_cpu_measure(double *f32_gflops, double *bf16_gflops)
{
    enum { M = 512, N = 1024, K = 576 };
    pt_status rc = PT_OK;
    pt_gemm *g = NULL;
    float *a = NULL, *b = NULL, *c = NULL;
    *f32_gflops = *bf16_gflops = 0;
    PT_TRY(pt_gemm_new(&g));
    PT_TRY(pt_alloc0(&a, M * K));
    PT_TRY(pt_alloc0(&b, N * K));
    PT_TRY(pt_alloc0(&c, M * N));
    pt_gemm_args args = {.type = PT_F32, .tb = true, .m = M, .n = N, .k = K, .alpha = 1, .a = a, .lda = K, .b = b, .ldb = K, .c = c, .ldc = N};
    rc = pt_gemm_has_bf16(g);
    bool has_bf16 = rc == PT_OK;
    PT_TRY(pt_err_forgive(rc));
    double end = pt_seconds() + 30e-3;
    /* in turns, and six of each at least: other work on the machine must not decide */
    for (int i = 0; i < 6 || pt_seconds() < end; i++) {
        args.type = PT_F32;
        PT_TRY(rate(g, &args, f32_gflops));
        args.type = PT_BF16;
        if (has_bf16) PT_TRY(rate(g, &args, bf16_gflops));
    }
done:
    pt_gemm_free(g);
    free(a);
    free(b);
    free(c);
    return rc;
}
