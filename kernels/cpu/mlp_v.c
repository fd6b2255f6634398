#include "kernels/cpu/rows.h"
#include "kernels/cpu/vec.h"

/* 1/(1+exp(-x)) and *rest = 1 minus that, both without cancellation. */
static inline pt_vf sigmoid(pt_vf x, pt_vf *rest)
{
    pt_vf e = pt_vexp(pt_vpick(x > 0, -x, x)), big = 1 / (1 + e), small = e * big;
    *rest = pt_vpick(x > 0, small, big);
    return pt_vpick(x > 0, big, small);
}

static inline pt_vf poly(pt_vf x, const float *c, int n)
{
    pt_vf p = pt_vset(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) p = pt_vfma(p, x, pt_vset(c[i]));
    return p;
}

/* Phi(x) and its density. With a = |x|/sqrt 2: erf(a) = a*P(a^2) for a < 1, else erfc(a) = exp(-a^2)*Q(1/(a+2)). P and Q are
 * our own minimax fits of relative error 1.3e-9 on [0,1] and 6e-10 on [1,10] (past 10 the exponential is 0 in f32). */
static inline pt_vf normal_cdf(pt_vf x, pt_vf *density)
{
    static const float p[] = {1.1283791657266908f,   -0.37612625824093476f,   0.11283585147030681f,  -0.026853811869064208f,
                              0.005188327559893275f, -0.0008010192519633826f, 7.853857702656675e-05f};
    static const float q[] = {2.7489767884339925e-06f, 0.5640157737863338f,  1.1331904363818872f, 1.898012359614369f,
                              3.5968963005953105f,     -2.5030093757260126f, 22.530550203397127f, -70.32432025777078f,
                              79.7981360487355f,       -32.474982990551915f};
    pt_vf z = x * 0.70710678118654752440f, a = pt_vpick(z < 0, -z, z), s = x * x * 0.5f, e = pt_vexp(-s);
    pt_vf near = pt_vfma(z * poly(s, p, 7), pt_vset(0.5f), pt_vset(0.5f));
    pt_vf tail = e * poly(1 / (a + 2), q, 10) * 0.5f;
    *density = e * 0.39894228040143267794f;
    return pt_vpick(a < 1, near, pt_vpick(z < 0, tail, 1 - tail));
}

/* act(x); *dy = its derivative */
static inline pt_vf activate(pt_act_kind kind, pt_vf x, pt_vf *dy)
{
    if (kind == PT_ACT_SILU) {
        pt_vf rest, s = sigmoid(x, &rest);
        *dy = s * (1 + x * rest);
        return x * s;
    }
    if (kind == PT_ACT_GELU_ERF) {
        pt_vf density, phi = normal_cdf(x, &density);
        *dy = phi + x * density;
        return x * phi;
    }
    if (kind == PT_ACT_RELU || kind == PT_ACT_RELU2) { /* NaN is not <= 0: it stays */
        pt_vf zero = pt_vset(0), top = pt_vpick(x <= 0, zero, x);
        *dy = kind == PT_ACT_RELU ? pt_vpick(x <= 0, zero, pt_vset(1)) : 2 * top;
        return kind == PT_ACT_RELU ? top : top * top;
    }
    if (kind == PT_ACT_GELU_QUICK) {
        pt_vf rest, s = sigmoid(1.702f * x, &rest);
        *dy = s * (1 + 1.702f * x * rest);
        return x * s;
    }
    /* 0.5*(1 + tanh(z)) = sigmoid(2z) */
    const float k = 2 * 0.79788456080286535588f;
    pt_vf x2 = x * x, rest, s = sigmoid(k * (x + 0.044715f * x2 * x), &rest);
    *dy = s + x * s * rest * (k * (1 + 3 * 0.044715f * x2));
    return x * s;
}

static inline void gated(float *y, const float *g, const float *u, int64_t n, pt_act_kind kind)
{
    pt_vf d;
    int64_t i = 0;
    for (; i + PT_W <= n; i += PT_W) pt_vstore(y + i, activate(kind, pt_vload(g + i), &d) * pt_vload(u + i));
    if (i < n)
        pt_vstore_part(y + i, activate(kind, pt_vload_part(g + i, n - i, 0), &d) * pt_vload_part(u + i, n - i, 0), n - i);
}

static inline void plain(float *y, const float *g, int64_t n, pt_act_kind kind)
{
    pt_vf d;
    int64_t i = 0;
    for (; i + PT_W <= n; i += PT_W) pt_vstore(y + i, activate(kind, pt_vload(g + i), &d));
    if (i < n) pt_vstore_part(y + i, activate(kind, pt_vload_part(g + i, n - i, 0), &d), n - i);
}

/* m <= PT_W elements; everything is read before anything is written, since outputs may lie on inputs */
static inline void gated_bwd_part(float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t m,
                                  pt_act_kind kind)
{
    pt_vf vg = pt_vload_part(g, m, 0), vu = pt_vload_part(u, m, 0), vdy = pt_vload_part(dy, m, 0), d,
          act = activate(kind, vg, &d);
    pt_vstore_part(dg, vdy * vu * d, m);
    pt_vstore_part(du, vdy * act, m);
    if (y) pt_vstore_part(y, act * vu, m);
}

static inline void gated_bwd(float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t n,
                             pt_act_kind kind)
{
    int64_t i = 0;
    for (; i + PT_W <= n; i += PT_W) gated_bwd_part(dg + i, du + i, y ? y + i : y, dy + i, g + i, u + i, PT_W, kind);
    if (i < n) gated_bwd_part(dg + i, du + i, y ? y + i : y, dy + i, g + i, u + i, n - i, kind);
}

static inline void plain_bwd(float *dg, float *y, const float *dy, const float *g, int64_t n, pt_act_kind kind)
{
    for (int64_t i = 0; i < n; i += PT_W) {
        int64_t m = n - i < PT_W ? n - i : PT_W;
        pt_vf vdy = pt_vload_part(dy + i, m, 0), d, act = activate(kind, pt_vload_part(g + i, m, 0), &d);
        pt_vstore_part(dg + i, vdy * d, m);
        if (y) pt_vstore_part(y + i, act, m);
    }
}

/* A function for each kind, in which the kind is known. */
typedef void forward_fn(float *y, const float *g, const float *u, int64_t n);
typedef void backward_fn(float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t n);
#define KINDS(X) X(SILU) X(GELU_ERF) X(GELU_TANH) X(RELU) X(RELU2) X(GELU_QUICK)
#define FORWARD(k)                                                                                                                          \
    static void gated_##k(float *y, const float *g, const float *u, int64_t n) { gated(y, g, u, n, PT_ACT_##k); }                           \
    static void plain_##k(float *y, const float *g, const float *u, int64_t n) { (void)u, plain(y, g, n, PT_ACT_##k); }
#define BACKWARD(k)                                                                                                                         \
    static void gated_bwd_##k(float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t n)                   \
    {                                                                                                                                       \
        gated_bwd(dg, du, y, dy, g, u, n, PT_ACT_##k);                                                                                      \
    }                                                                                                                                       \
    static void plain_bwd_##k(float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t n)                   \
    {                                                                                                                                       \
        (void)du, (void)u, plain_bwd(dg, y, dy, g, n, PT_ACT_##k);                                                                          \
    }
KINDS(FORWARD)
KINDS(BACKWARD)
#define TABLES(k) [PT_ACT_##k] = {plain_##k, gated_##k},
#define TABLES_BWD(k) [PT_ACT_##k] = {plain_bwd_##k, gated_bwd_##k},

void PT_V(pt_gated_run)(float *y, const float *g, const float *u, int64_t n, pt_act_kind kind)
{
    static forward_fn *const run[PT_ACT_KINDS][2] = {KINDS(TABLES)};
    run[kind][u != NULL](y, g, u, n);
}

void PT_V(pt_gated_bwd_run)(float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t n,
                            pt_act_kind kind)
{
    static backward_fn *const run[PT_ACT_KINDS][2] = {KINDS(TABLES_BWD)};
    run[kind][u != NULL](dg, du, y, dy, g, u, n);
}

void PT_V(pt_axpby_run)(float *y, const float *x, int64_t n, float alpha, float beta)
{
    if (beta == 0)
        for (int64_t i = 0; i < n; i++) y[i] = alpha * x[i];
    else
        for (int64_t i = 0; i < n; i++) y[i] = alpha * x[i] + beta * y[i];
}

void PT_V(pt_clamp_run)(float *y, const float *x, int64_t n, float limit)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] < -limit ? -limit : x[i] > limit ? limit : x[i];
}

void PT_V(pt_clamp_bwd_run)(float *dx, const float *dy, const float *x, int64_t n, float limit)
{
    for (int64_t i = 0; i < n; i++) {
        float d = dy[i];
        dx[i] = x[i] > -limit && x[i] < limit ? d : 0;
    }
}
