/* Device, streams, staging and memory of the CUDA backend. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cuda/op_args.cuh"
extern "C" {
#include "base/mem.h"
}

#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"
#include "kernels/cuda/target.h"

static pt_cuda_counts counts;
static char owned; /* pt_buf.owner of our memory */

static pt_cuda_device *dev_of(const pt_ctx *ctx)
{
    return static_cast<pt_cuda_device *>(ctx->device);
}

/* ---- the device ---- */
/* A message when device `id` cannot be used; false when it can. */
static bool chip_refused(int id, char *text, size_t size)
{
    int major = 0, minor = 0;
    char code[24];
    cudaDeviceProp p;
    cudaError_t e = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, id);
    if (e == cudaSuccess) e = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, id);
    if (e == cudaSuccess) e = cudaGetDeviceProperties(&p, id);
    if (e != cudaSuccess)
        snprintf(text, size, "GPU %d does not answer: %s", id, cudaGetErrorString(e));
    else if (major < 8)
        snprintf(text, size, "GPU %d (%.63s) has compute capability %d.%d; ptrain needs 8.0 or newer (A100, RTX 30, ...)", id,
                 p.name, major, minor);
    else if (!pt_cuda_target(pt_cuda_archs(), major, minor, code, sizeof code))
        snprintf(text, size, "GPU %d (%.63s) has compute capability %d.%d; this plugin holds code for %s only: make cuda CUDA_ARCHS=%d%d",
                 id, p.name, major, minor, pt_cuda_archs(), major, minor);
    else
        return false;
    return true;
}

static bool none_usable(int *count, char *text, size_t size)
{
    *count = 0;
    cudaError_t e = cudaGetDeviceCount(count);
    if (e == cudaErrorInsufficientDriver) {
        int driver = 0;
        if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
            snprintf(text, size, "no NVIDIA driver is loaded");
        else
            snprintf(text, size, "the NVIDIA driver serves CUDA %d.%d at most, this build needs %d.%d: update the driver",
                     driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    } else if (e == cudaErrorNoDevice || (e == cudaSuccess && *count == 0))
        snprintf(text, size, "no GPU is visible");
    else if (e != cudaSuccess)
        snprintf(text, size, "the NVIDIA driver does not answer: %s", cudaGetErrorString(e));
    else
        return false;
    cudaGetLastError();
    return true;
}

extern "C" const char *pt_cuda_why_not(void)
{
    static char text[256];
    int count;
    return none_usable(&count, text, sizeof text) || chip_refused(0, text, sizeof text) ? text : NULL;
}

/* The GPU of this process: by its rank on the machine, or the only one that it was shown. */
static pt_status pick_device(int index, int *id)
{
    char text[256];
    int count;
    if (none_usable(&count, text, sizeof text)) return pt_fail(PT_ENOSUP, "%s", text);
    if (index < 0 || (index >= count && count > 1))
        return pt_fail(PT_EARG, "process %d of this machine has no GPU: %d are visible; start one process a GPU", index, count);
    *id = index < count ? index : 0;
    return chip_refused(*id, text, sizeof text) ? pt_fail(PT_ENOSUP, "%s", text) : PT_OK;
}

/* ---- staging ---- */
/* Hands over the fetches of a block whose copies are over; block < 0: of all. */
static void deliver(pt_cuda_stage *s, int block)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_fetches; i++) {
        pt_cuda_fetching *f = &s->fetches[i];
        if (block < 0 || f->block == block)
            memcpy(f->to, f->from, f->bytes);
        else
            s->fetches[kept++] = *f;
    }
    s->n_fetches = kept;
}

static pt_status wait_block(pt_cuda_stage *s, int block)
{
    if (!s->pending[block]) return PT_OK;
    cudaError_t e = cudaEventQuery(s->over[block]);
    if (e == cudaErrorNotReady) {
        cudaGetLastError(); /* no error, but remembered as one */
        counts.syncs++;
        e = cudaEventSynchronize(s->over[block]);
    }
    s->pending[block] = false;
    if (e != cudaSuccess) return pt_cuda_failed("cudaEventSynchronize", (int)e);
    deliver(s, block);
    return PT_OK;
}

/* The block's copies are all issued; the next block comes into use. */
static pt_status next_block(pt_cuda_stage *s)
{
    if (s->used == 0) return PT_OK;
    PT_CUDA_RETURN(cudaEventRecord(s->over[s->block], s->stream));
    s->pending[s->block] = true;
    s->block = (s->block + 1) % PT_STAGE_BLOCKS;
    s->used = 0;
    return wait_block(s, s->block);
}

/* Room for up to `bytes` (at least 1 of them, *got) of pinned memory whose copy will be issued to `stream`. */
static pt_status stage_take(pt_cuda_stage *s, cudaStream_t stream, size_t bytes, unsigned char **p, size_t *got)
{
    if (s->stream != stream || PT_STAGE_BYTES - s->used < (bytes < 4096 ? bytes : 4096)) PT_RETURN(next_block(s));
    s->stream = stream;
    *got = bytes < PT_STAGE_BYTES - s->used ? bytes : PT_STAGE_BYTES - s->used;
    *p = s->memory + (size_t)s->block * PT_STAGE_BYTES + s->used;
    s->used += pt_align_up(*got, 64);
    if (s->used > PT_STAGE_BYTES) s->used = PT_STAGE_BYTES;
    return PT_OK;
}

/* Everything issued to the compute stream is over. */
static pt_status wait_compute(pt_cuda_device *d)
{
    counts.syncs++;
    PT_CUDA_RETURN(cudaStreamSynchronize(d->compute));
    deliver(&d->stage, -1);
    return PT_OK;
}

/* Host bytes -> dense device bytes; `from` is free on return. */
static pt_status put(pt_cuda_device *d, cudaStream_t stream, unsigned char *to, const unsigned char *from, size_t bytes)
{
    for (size_t at = 0, n; at < bytes; at += n) {
        unsigned char *p;
        PT_RETURN(stage_take(&d->stage, stream, bytes - at, &p, &n));
        memcpy(p, from + at, n);
        counts.copies++;
        PT_CUDA_RETURN(cudaMemcpyAsync(to + at, p, n, cudaMemcpyHostToDevice, stream));
    }
    return PT_OK;
}

/* n dense host rows of `row` bytes -> rows `pitch` bytes apart: as many at a time as the block has room for. */
static pt_status put_apart(pt_cuda_device *d, cudaStream_t stream, unsigned char *to, size_t pitch, const unsigned char *from, size_t row, size_t n)
{
    for (size_t at = 0, now; at < row * n; at += now) {
        unsigned char *p, *dst = to + at / row * pitch + at % row;
        const size_t left = row - at % row;
        PT_RETURN(stage_take(&d->stage, stream, row * n - at, &p, &now));
        counts.copies++;
        if (left < row || now < row) { /* a part of a row */
            now = now < left ? now : left;
            memcpy(p, from + at, now);
            PT_CUDA_RETURN(cudaMemcpyAsync(dst, p, now, cudaMemcpyHostToDevice, stream));
        } else {
            now = now / row * row;
            memcpy(p, from + at, now);
            PT_CUDA_RETURN(cudaMemcpy2DAsync(dst, pitch, p, row, row, now / row, cudaMemcpyHostToDevice, stream));
        }
    }
    return PT_OK;
}

/* Dense device bytes -> host, delivered later. */
static pt_status fetch(pt_cuda_device *d, unsigned char *to, const unsigned char *from, size_t bytes)
{
    pt_cuda_stage *s = &d->stage;
    for (size_t at = 0, n; at < bytes; at += n) {
        unsigned char *p;
        PT_RETURN(pt_reserve(&s->fetches, &s->fetches_cap, s->n_fetches + 1));
        PT_RETURN(stage_take(s, d->compute, bytes - at, &p, &n));
        counts.copies++;
        PT_CUDA_RETURN(cudaMemcpyAsync(p, from + at, n, cudaMemcpyDeviceToHost, d->compute));
        s->fetches[s->n_fetches++] = pt_cuda_fetching{to + at, p, n, s->block};
    }
    return PT_OK;
}

static pt_status stage_open(pt_cuda_stage *s)
{
    PT_CUDA_RETURN(cudaHostAlloc((void **)&s->memory, (size_t)PT_STAGE_BLOCKS * PT_STAGE_BYTES, cudaHostAllocDefault));
    for (int i = 0; i < PT_STAGE_BLOCKS; i++) PT_CUDA_RETURN(cudaEventCreateWithFlags(&s->over[i], cudaEventDisableTiming));
    return PT_OK;
}

static void stage_close(pt_cuda_stage *s)
{
    for (int i = 0; i < PT_STAGE_BLOCKS; i++)
        if (s->over[i]) cudaEventDestroy(s->over[i]);
    if (s->memory) cudaFreeHost(s->memory);
    free(s->fetches);
}

/* ---- opening ---- */
extern "C" void pt_cuda_close(pt_ctx *ctx)
{
    pt_cuda_device *d = dev_of(ctx);
    if (!d) return;
    if (d->compute) cudaStreamSynchronize(d->compute); /* an error was reported by the call that met it */
    pt_cuda_gemms_free(d->gemms);
    stage_close(&d->stage);
    if (d->copied) cudaEventDestroy(d->copied);
    if (d->copy) cudaStreamDestroy(d->copy);
    if (d->compute) cudaStreamDestroy(d->compute);
    free(d);
    ctx->device = ctx->stream = NULL;
}

static pt_status open_parts(pt_cuda_device *d, int index)
{
    cudaDeviceProp p;
    PT_RETURN(pick_device(index, &d->id));
    PT_CUDA_RETURN(cudaSetDevice(d->id));
    PT_CUDA_RETURN(cudaGetDeviceProperties(&p, d->id));
    snprintf(d->name, sizeof d->name, "%.63s", p.name);
    d->sms = p.multiProcessorCount, d->threads = p.maxThreadsPerMultiProcessor;
    PT_CUDA_RETURN(cudaStreamCreateWithFlags(&d->compute, cudaStreamNonBlocking));
    PT_CUDA_RETURN(cudaStreamCreateWithFlags(&d->copy, cudaStreamNonBlocking));
    PT_CUDA_RETURN(cudaEventCreateWithFlags(&d->copied, cudaEventDisableTiming));
    PT_RETURN(stage_open(&d->stage));
    return pt_cuda_gemms_new(&d->gemms);
}

extern "C" pt_status pt_cuda_open(pt_ctx *ctx, pt_compute compute)
{
    pt_cuda_device *d = NULL;
    ctx->ops = pt_cuda_ops();
    ctx->device = ctx->stream = NULL;
    ctx->compute = compute;
    ctx->act = compute == PT_COMPUTE_BF16 ? PT_BF16 : PT_F32;
    PT_RETURN(pt_alloc0(&d, 1));
    ctx->device = d;
    pt_status rc = open_parts(d, ctx->index);
    if (rc != PT_OK)
        pt_cuda_close(ctx);
    else
        ctx->stream = d->compute;
    return rc;
}

/* ---- memory ---- */
extern "C" pt_status pt_cuda_memory(pt_ctx *ctx, size_t *free_bytes, size_t *total)
{
    PT_CUDA_RETURN(cudaMemGetInfo(free_bytes, total));
    return PT_OK;
}

extern "C" pt_status pt_cuda_alloc(pt_ctx *ctx, pt_buf *buf, size_t bytes)
{
    void *p = NULL;
    *buf = pt_buf{};
    cudaError_t e = cudaMalloc(&p, bytes ? bytes : 1);
    if (e == cudaErrorMemoryAllocation) {
        size_t have = 0, total = 0;
        cudaGetLastError();
        cudaMemGetInfo(&have, &total);
        return pt_fail(PT_ENOMEM, "%s: %.1f MiB of device memory asked for, %.1f of %.1f MiB are free", dev_of(ctx)->name,
                       (double)bytes / 1048576.0, (double)have / 1048576.0, (double)total / 1048576.0);
    }
    if (e != cudaSuccess) return pt_cuda_failed("cudaMalloc", (int)e);
    *buf = pt_buf{};
    buf->base = static_cast<unsigned char *>(p), buf->bytes = bytes, buf->owner = &owned;
    counts.allocs++;
    counts.bytes += bytes;
    if (counts.bytes > counts.peak) counts.peak = counts.bytes;
    return PT_OK;
}

extern "C" void pt_cuda_free(pt_ctx *ctx, pt_buf *buf)
{
    if (buf->owner == &owned) {
        cudaFree(buf->base);
        counts.bytes -= buf->bytes;
    }
    *buf = pt_buf{};
}

/* ---- moving ---- */
/* Bytes of a dense row of v, and how many such rows the memory has: a dense view is one. */
static pt_status rows_of(const char *op, pt_view v, size_t *row, int64_t *n)
{
    PT_RETURN(pt_check_view(op, "the view", v, v.rows, v.cols));
    PT_RETURN(pt_dtype_row_bytes(v.type, (size_t)v.cols, row));
    *n = *row ? v.rows : 0;
    if (v.ld == v.cols && *n > 1) {
        *row *= (size_t)*n;
        *n = 1;
    }
    return PT_OK;
}

/* Rows of the view from dense host rows, on `stream`. */
static pt_status put_rows(pt_ctx *ctx, cudaStream_t stream, pt_view dst, const void *src)
{
    size_t row;
    int64_t n;
    PT_RETURN(rows_of("upload", dst, &row, &n));
    if (ctx->dry || n == 0) return PT_OK;
    const unsigned char *from = static_cast<const unsigned char *>(src);
    if (n == 1) return put(dev_of(ctx), stream, pt_ptr<unsigned char>(dst), from, row);
    return put_apart(dev_of(ctx), stream, pt_ptr<unsigned char>(dst), pt_view_row_bytes(dst), from, row, (size_t)n);
}

extern "C" pt_status pt_cuda_upload(pt_ctx *ctx, pt_view dst, const void *src)
{
    return put_rows(ctx, dev_of(ctx)->compute, dst, src);
}

extern "C" pt_status pt_cuda_load(pt_ctx *ctx, pt_view dst, const void *src)
{
    pt_cuda_device *d = dev_of(ctx);
    PT_RETURN(put_rows(ctx, d->copy, dst, src));
    if (ctx->dry) return PT_OK;
    PT_CUDA_RETURN(cudaEventRecord(d->copied, d->copy));
    PT_CUDA_RETURN(cudaStreamWaitEvent(d->compute, d->copied, 0));
    return PT_OK;
}

extern "C" pt_status pt_cuda_adopt(pt_ctx *ctx, pt_buf *buf, const void *host, size_t bytes)
{
    PT_RETURN(pt_cuda_alloc(ctx, buf, bytes));
    pt_view all = {buf, 0, PT_U8, 1, (int64_t)bytes, (int64_t)bytes};
    pt_status rc = pt_cuda_load(ctx, all, host);
    if (rc != PT_OK) pt_cuda_free(ctx, buf);
    return rc;
}

extern "C" pt_status pt_cuda_fetch(pt_ctx *ctx, void *dst, pt_view src)
{
    size_t row;
    int64_t n;
    PT_RETURN(rows_of("download", src, &row, &n));
    for (int64_t r = 0; r < n && !ctx->dry; r++)
        PT_RETURN(fetch(dev_of(ctx), static_cast<unsigned char *>(dst) + (size_t)r * row,
                        pt_ptr<unsigned char>(src) + (size_t)r * pt_view_row_bytes(src), row));
    return PT_OK;
}

extern "C" pt_status pt_cuda_download(pt_ctx *ctx, void *dst, pt_view src)
{
    PT_RETURN(pt_cuda_fetch(ctx, dst, src));
    return ctx->dry ? PT_OK : wait_compute(dev_of(ctx));
}

extern "C" pt_status pt_cuda_zero(pt_ctx *ctx, pt_view v)
{
    size_t row;
    int64_t n;
    PT_RETURN(rows_of("zero", v, &row, &n));
    if (ctx->dry || n == 0) return PT_OK;
    counts.copies++;
    if (n == 1)
        PT_CUDA_RETURN(cudaMemsetAsync(pt_ptr<void>(v), 0, row, pt_stream(ctx)));
    else
        PT_CUDA_RETURN(cudaMemset2DAsync(pt_ptr<void>(v), pt_view_row_bytes(v), 0, row, (size_t)n, pt_stream(ctx)));
    return PT_OK;
}

extern "C" pt_status pt_cuda_sync(pt_ctx *ctx)
{
    return wait_compute(dev_of(ctx));
}

extern "C" void pt_cuda_counts_get(pt_cuda_counts *out)
{
    *out = counts;
    out->launches = pt_launches.count;
    out->gemms = pt_cuda_gemms_count();
}
