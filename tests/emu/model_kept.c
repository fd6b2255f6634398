/* Frozen weights kept as numbers on the CUDA backend (pt_model_keep), and the room that adapters get behind weights: steps with the bits of steps without, for
 * every number of kept matrices; memory as planned; which matrices there are. */
#include "train/model/model_impl.h"

#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "emu.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"
#include "train/export/export.h"
#include "train/export/mix.h"

static char tmp[64];
static const pt_model_caps caps = {.tokens = 64, .segs = 4, .heads = 64, .rows = 64, .groups = 4, .group_rows = 64};

static bool plain(void)
{
    return strcmp(emu_build(), "plain") == 0;
}

/* A random model's file, or the model of file `from` again in another type. */
static void base_of(char path[128], const char *name, pt_dtype type, const char *mix, bool tied, const char *from)
{
    pt_model_config c = {.family = "llama", .vocab = 320, .hidden = 256, .ffn = 512, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 64, .rot = 64, .max_positions = 256,
                         .tied = tied, .act = PT_ACT_SILU, .norm_eps = 1e-5f, .rope_theta = 10000, .rope_kind = PT_ROPE_HALF, .bos = -1, .eos = -1, .pad = -1, .initializer_range = 0.1};
    bench b = {.ctx = {.ops = &pt_ops_cpu}};
    pt_export_options o = {.type = type};
    size_t bytes[PT_ROLE_COUNT];
    snprintf(path, 128, "%s/%s.gguf", tmp, name);
    if (access(path, R_OK) == 0) return;
    if (mix) assert_non_null(o.mix = pt_mix_find(mix));
    OK(pt_ops_cpu.open(&b.ctx, PT_COMPUTE_F32));
    OK(from ? pt_source_open(&b.src, from) : pt_source_random(&b.src, &c, 5));
    OK(pt_model_new(&b.m, &b.ctx, b.src, &(pt_model_options){0}));
    OK(pt_model_plan(b.m, &caps, bytes));
    OK(pt_model_commit(b.m));
    OK(pt_export_gguf(b.m, path, &o));
    bench_close(&b);
}

typedef struct outcome {
    size_t role[PT_ROLE_COUNT], keepable, keeps;
    double loss[4];
    uint64_t adapter;
    unsigned long long issued; /* launches and products of the last step */
} outcome;

static rows some_rows(void)
{
    rows r = {0};
    for (int s = 0; s < 2; s++) {
        int32_t n = s ? 29 : 23, *ids = calloc((size_t)n, sizeof *ids);
        float *w = calloc((size_t)n, sizeof *w);
        for (int32_t i = 0; i < n; i++) ids[i] = (int32_t)(pt_rng_words(3, PT_RNG_TEST, (uint64_t)(100 * s + i), 0).v[0] % 320), w[i] = i > 0;
        r.seq[r.n++] = (pt_seq){.ids = ids, .weight = w, .n = n, .end_index = n - 1};
    }
    return r;
}

/* Steps of a model that keeps n matrices; what it holds on the device is what its plan says. */
static outcome steps_of(const char *path, const pt_model_options *opt, pt_compute compute, size_t n)
{
    bench b = {.ctx = {.ops = pt_cuda_ops()}};
    outcome out = {.keeps = 0};
    pt_cuda_counts c, before;
    optimiser o;
    rows r = some_rows();
    size_t sum = 0;
    OK(pt_cuda_ops()->open(&b.ctx, compute));
    OK(pt_source_open(&b.src, path));
    OK(pt_model_new(&b.m, &b.ctx, b.src, opt));
    assert_int_equal(pt_model_keeps(b.m), 0);
    OK(pt_model_keep(b.m, n));
    out.keepable = pt_model_keepable(b.m), out.keeps = pt_model_keeps(b.m);
    OK(pt_model_plan(b.m, &caps, out.role));
    OK(pt_model_commit(b.m));
    assert_int_equal(pt_model_keep(b.m, 0), PT_ESTATE);
    for (int i = 0; i < PT_ROLE_COUNT; i++) sum += out.role[i];
    pt_cuda_counts_get(&c);
    assert_int_equal(c.bytes, sum);
    optimiser_open(&o, &b);
    for (int i = 0; i < (plain() ? 4 : 2); i++) {
        pt_cuda_counts_get(&before);
        out.loss[i] = sft_pass(&b, &r, PT_PACKING_OFF);
        optimiser_step(&o, &b, 1e-2f, 0, 1);
        pt_cuda_counts_get(&c);
        out.issued = c.launches + c.gemms - before.launches - before.gemms;
    }
    const int64_t count = pt_model_param_count(b.m);
    float *p = calloc((size_t)count, sizeof *p);
    OK(b.ctx.ops->download(&b.ctx, p, pt_model_param_view(b.m)));
    out.adapter = pt_fnv1a(14695981039346656037ull, p, (size_t)count * sizeof *p);
    free(p);
    b.ctx.ops->free(&b.ctx, &o.buf);
    bench_close(&b);
    rows_free(&r);
    return out;
}

static void same(const char *what, const outcome *a, const outcome *b)
{
    if (memcmp(a->loss, b->loss, sizeof a->loss)) fail_msg("%s: losses %.9g and %.9g ...", what, a->loss[0], b->loss[0]);
    if (a->adapter != b->adapter) fail_msg("%s: other adapters", what);
}

static const pt_model_options lora = {.lora = {.on = true, .r = 5, .alpha = 10}, .train = true, .seed = 3};
enum { MATRICES = 15 }; /* seven a layer, and the head */

/* As numbers, with the room of an adapter of rank 5: q, k, v 24 columns (3 x 8), o and down 8, gate and up 16; 8 rows each. */
static size_t numbers_of(size_t n, bool room, size_t elem)
{
    static const size_t shape[7][4] = {{256, 256, 8, 24}, {128, 256, 8, 24}, {128, 256, 8, 24}, {256, 256, 8, 8}, {512, 256, 8, 16}, {512, 256, 8, 16}, {256, 512, 8, 8}};
    size_t sum = n ? 320 * 256 * elem : 0; /* a multiple of 64, as all of them */
    for (size_t i = 0; i + 1 < n; i++) sum += (shape[i % 7][0] + (room ? shape[i % 7][2] : 0)) * (shape[i % 7][1] + (room ? shape[i % 7][3] : 0)) * elem;
    return sum;
}

static void kept_case(const char *name, pt_dtype type, const char *mix, bool tied, pt_compute compute)
{
    char path[128];
    const size_t elem = compute == PT_COMPUTE_BF16 ? 2 : 4, some[] = {0, 1, 4, MATRICES};
    outcome o[4];
    base_of(path, name, type, mix, tied, NULL);
    for (int i = 0; i < 4; i++) {
        o[i] = steps_of(path, &lora, compute, some[i]);
        assert_int_equal(o[i].keepable, MATRICES);
        assert_int_equal(o[i].keeps, some[i]);
        assert_int_equal(o[i].role[PT_ROLE_KEPT], numbers_of(some[i], elem == 2, elem));
        same(name, &o[0], &o[i]);
        assert_true(o[i].role[PT_ROLE_SCRATCH] <= o[0].role[PT_ROLE_SCRATCH] && o[i].role[PT_ROLE_WEIGHTS] == o[0].role[PT_ROLE_WEIGHTS]);
    }
    assert_true(o[3].role[PT_ROLE_SCRATCH] < o[0].role[PT_ROLE_SCRATCH]);
    /* a launch less for each product of the layers (nothing is before the first one's q, k, v that wanted a gradient) and for the head */
    assert_int_equal(o[0].issued - o[3].issued, 2 * 7 * 2 - 3 + 1);
    print_message("# figure kept, %s: %llu launches a step, %llu with all of them kept\n", name, o[0].issued, o[3].issued);
}
static void test_kept(void **state)
{
    kept_case("q4_k", PT_Q4_K, NULL, false, PT_COMPUTE_BF16);
    if (!plain()) return;
    kept_case("q8_0", PT_Q8_0, NULL, false, PT_COMPUTE_BF16);
    kept_case("q4_k_m", PT_Q4_K, "q4_k_m", false, PT_COMPUTE_BF16);
    kept_case("tied", PT_Q8_0, NULL, true, PT_COMPUTE_BF16);
    kept_case("f16", PT_F16, NULL, false, PT_COMPUTE_BF16);
    kept_case("q8_0", PT_Q8_0, NULL, false, PT_COMPUTE_F32);
}

/* Room behind the rows of a bf16 base: the same steps as of the same numbers in f32, which become bf16 in each product. Without it, where a second slot is
 * there, that much less memory. */
static void test_room(void **state)
{
    char path[128], longer[128];
    pt_model_options two = lora;
    outcome o[2];
    two.lora.frozen_copy = true;
    base_of(path, "bf16", PT_BF16, NULL, false, NULL);
    base_of(longer, "f32", PT_F32, NULL, false, path);
    o[0] = steps_of(path, &lora, PT_COMPUTE_BF16, SIZE_MAX);
    o[1] = steps_of(longer, &lora, PT_COMPUTE_BF16, 0);
    same("room", &o[0], &o[1]);
    o[1] = steps_of(path, &two, PT_COMPUTE_BF16, SIZE_MAX);
    assert_int_equal(o[0].keepable + o[0].keeps + o[0].role[PT_ROLE_KEPT], 0);
    assert_int_equal(o[0].role[PT_ROLE_WEIGHTS] - o[1].role[PT_ROLE_WEIGHTS], numbers_of(MATRICES, true, 2) - numbers_of(MATRICES, false, 2) + 10 * 128); /* all but gate and up end in the middle of 256 bytes */
}

static bench open_only(const char *path, const pt_ops *ops, pt_compute compute, const pt_model_options *opt)
{
    bench b = {.ctx = {.ops = ops}};
    OK(ops->open(&b.ctx, compute));
    OK(pt_source_open(&b.src, path));
    if (bench_grown.n) OK(pt_source_grow(b.src, bench_grown.first, bench_grown.n, NULL));
    OK(pt_model_new(&b.m, &b.ctx, b.src, opt));
    return b;
}

/* Where adapters are, and only there; not with dropout, which changes what they read. */
static void test_where_room_is(void **state)
{
    static const char *const some[] = {"q_proj", "v_proj"};
    char path[128];
    pt_model_options opt = lora;
    base_of(path, "bf16", PT_BF16, NULL, false, NULL);
    opt.lora.targets = some, opt.lora.n_targets = 2;
    for (int dropout = 0; dropout < 2; dropout++) {
        opt.lora.dropout = dropout ? 0.1f : 0;
        bench b = open_only(path, pt_cuda_ops(), PT_COMPUTE_BF16, &opt);
        const pt_lin *l = pt_block_at(b.m, 1)->lin;
        assert_int_equal(l[PT_MOD_Q].w.buf->room_cols, dropout ? 0 : 16); /* 2 x 5 */
        assert_int_equal(l[PT_MOD_Q].w.buf->room_rows, dropout ? 0 : 8);
        assert_int_equal(l[PT_MOD_Q].w.ld, dropout ? 256 : 256 + 16);
        assert_int_equal(l[PT_MOD_V].w.buf->room_cols, dropout ? 0 : 16);
        assert_int_equal(l[PT_MOD_V].w.buf->kept, !dropout);
        const int none[] = {PT_MOD_K, PT_MOD_O, PT_MOD_GATE, PT_MOD_UP, PT_MOD_DOWN};
        for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
            pt_view w = l[none[i]].w;
            assert_true(w.ld == w.cols && !w.buf->room_cols && !w.buf->room_rows && !w.buf->kept);
        }
        assert_true(b.m->head[PT_HEAD_AT_VOCABULARY].w.ld == 256);
        bench_close(&b);
    }
}

/* What is never kept: trained weights, an embedding whose rows are trained, and all of it on the CPU or without training. */
static void test_not_kept(void **state)
{
    char path[128], plain_path[128];
    base_of(path, "q4_k", PT_Q4_K, NULL, false, NULL);
    base_of(plain_path, "f16", PT_F16, NULL, false, NULL);
    const struct {
        const char *path;
        const pt_ops *ops;
        pt_model_options opt;
        int32_t grown;
        size_t want;
    } cases[] = {
        {path, pt_cuda_ops(), lora, 0, MATRICES},
        {path, pt_cuda_ops(), lora, 2, MATRICES - 1}, /* the head's rows are written */
        {path, &pt_ops_cpu, lora, 0, 0},
        {path, pt_cuda_ops(), {.lora = lora.lora, .seed = 3}, 0, 0},
        {plain_path, pt_cuda_ops(), {.full = true, .train = true}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_grown.first = 300, bench_grown.n = cases[i].grown;
        bench b = open_only(cases[i].path, cases[i].ops, cases[i].ops->apart ? PT_COMPUTE_BF16 : PT_COMPUTE_F32, &cases[i].opt);
        if (pt_model_keepable(b.m) != cases[i].want) fail_msg("case %zu: %zu can be kept, expected %zu", i, pt_model_keepable(b.m), cases[i].want);
        OK(pt_model_keep(b.m, SIZE_MAX));
        assert_int_equal(pt_model_keeps(b.m), cases[i].want);
        bench_close(&b);
    }
    bench_grown.n = 0;
}

static int make_tmp(void **state)
{
    snprintf(tmp, sizeof tmp, "/tmp/ptrain-kept-XXXXXX");
    return mkdtemp(tmp) ? 0 : -1;
}
static int drop_tmp(void **state)
{
    OK(pt_dir_remove(tmp));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_room), cmocka_unit_test(test_where_room_is), cmocka_unit_test(test_not_kept)};
    return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
