/* AdamW on the device: kernels/adam.h, one launch over all parameters (they lie behind one another in their arena).
 * Bytes at least: 28 n (p, m, v read and written, g read). */
#include "kernels/cuda/op_args.cuh"

namespace
{
constexpr int BLOCK = 256, STEPS = 4;

struct adam {
    float *p, *m, *v;
    const float *g, *scalars;
    int64_t n;
    float lr, b1, b2, eps, wd;
};

/* V consecutive elements, STEPS times. The powers of the betas are taken once a block. */
template <int V> __global__ void __launch_bounds__(BLOCK) adamw_k(adam a)
{
    PT_SHARED(float, fix, [2]);
    if (a.scalars[PT_SCALAR_FINITE] == 0) return; /* the whole grid */
    if (threadIdx.x < 2) {
        double b = threadIdx.x == 0 ? (double)a.b1 : (double)a.b2, c = 1, t = (double)a.scalars[PT_SCALAR_APPLIED];
        for (int64_t e = (int64_t)t; e > 0; e >>= 1, b *= b) c *= e & 1 ? b : 1.0;
        fix[threadIdx.x] = (float)(threadIdx.x == 0 ? (double)a.lr / (1 - c) : 1 / sqrt(1 - c));
    }
    __syncthreads();
    float clip = a.scalars[PT_SCALAR_CLIP], rate = fix[0], root = fix[1], decay = (float)((double)a.lr * (double)a.wd);
    float c1 = (float)(1 - (double)a.b1), c2 = (float)(1 - (double)a.b2);
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        int64_t i = (((int64_t)blockIdx.x * STEPS + k) * BLOCK + threadIdx.x) * V;
        if (i < a.n) {
            float p[V], m[V], v[V], g[V];
            ld_vec<V>(a.p + i, p);
            ld_vec<V>(a.m + i, m);
            ld_vec<V>(a.v + i, v);
            ld_vec<V>(a.g + i, g);
#pragma unroll
            for (int e = 0; e < V; e++) {
                float x = clip * g[e];
                m[e] = a.b1 * m[e] + c1 * x;
                v[e] = a.b2 * v[e] + c2 * x * x;
                p[e] -= decay * p[e];
                p[e] -= rate * m[e] / (sqrtf(v[e]) * root + a.eps);
            }
            st_vec<V>(a.p + i, p);
            st_vec<V>(a.m + i, m);
            st_vec<V>(a.v + i, v);
        }
    }
}
} // namespace

extern "C" pt_status pt_cuda_adamw(pt_ctx *ctx, const pt_adamw_args *a)
{
    PT_RETURN(pt_check_adamw(a));
    int64_t n = a->p.cols;
    if (ctx->dry || n == 0) return PT_OK;
    adam k = {pt_ptr<float>(a->p),
              pt_ptr<float>(a->m),
              pt_ptr<float>(a->v),
              pt_ptr<float>(a->g),
              pt_ptr<float>(a->scalars),
              n,
              a->lr,
              a->beta1,
              a->beta2,
              a->eps,
              a->weight_decay};
    if (pt_steps(a->p, 4) && pt_steps(a->m, 4) && pt_steps(a->v, 4) && pt_steps(a->g, 4))
        return pt_launch(adamw_k<4>, dim3((unsigned)pt_ceil_div(n, 4 * BLOCK * STEPS)), dim3(BLOCK), 0, pt_stream(ctx), k);
    return pt_launch(adamw_k<1>, dim3((unsigned)pt_ceil_div(n, BLOCK * STEPS)), dim3(BLOCK), 0, pt_stream(ctx), k);
}
