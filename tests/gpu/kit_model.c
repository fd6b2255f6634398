/* Whole models of random weights on the device, without a file of data: what make gpu-kit's script runs of the trainer.
 *
 *   kit_model make SHAPE FILE       a GGUF file of a Llama-shaped model: random blocks as a quantiser leaves them (Q4_K, head Q6_K). SHAPE: small, 8b
 *   kit_model compare FILE          three LoRA steps of 61 tokens: the device in f32 and bf16 against the reference backend
 *   kit_model steps FILE TOKENS N   N LoRA steps (rank 16, all matrices, two documents, every token supervised): losses, seconds, memory against plan,
 *                                   and a digest of losses and adapters: two runs must print the same. A last word `kept`: all weights stand on the device as
 *                                   numbers too, where they fit; else it says so and ends
 *
 * Exit 1: a wrong result, said in the last line. Every line is written at once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/quant.h"
#include "base/rng.h"
#include "checkpoints/gguf.h"
#include "data/batch/loader.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"
#include "train/model/model.h"
#include "train/model/random_init.h"
#include "train/objective/objective.h"
#include "train/optim/optimiser.h"

/* ---- a model file ------------------------------------------------------------------------------------------------------ */

typedef struct shape {
    const char *name;
    int vocab, hidden, ffn, layers, heads, kv;
    float sd; /* of the weights */
} shape;
static const shape shapes[] = {{"small", 1000, 256, 512, 2, 4, 2, 0.06f}, {"8b", 128256, 4096, 14336, 32, 32, 8, 0.02f}};

enum { SAMPLE = 1 << 18 };
typedef struct writer {
    pt_gguf_writer file;
    const shape *z;
    unsigned char *sample[2]; /* so many quantised numbers: q4_k, q6_k */
    uint64_t tensor;
} writer;
static const pt_dtype sample_type[2] = {PT_Q4_K, PT_Q6_K};

static pt_status make_samples(writer *w)
{
    pt_status rc = PT_OK;
    float *f = NULL;
    PT_TRY(pt_alloc0(&f, SAMPLE));
    pt_random_normal(1, PT_RNG_INIT, "gpu-kit", w->z->sd, SAMPLE, f);
    for (int i = 0; i < 2; i++) {
        size_t bytes = 0;
        PT_TRY(pt_dtype_row_bytes(sample_type[i], SAMPLE, &bytes));
        PT_TRY(pt_alloc0(&w->sample[i], bytes));
        PT_TRY(pt_quant_rows(sample_type[i], f, 1, SAMPLE, w->sample[i]));
    }
done:
    free(f);
    return rc;
}

/* Each row is a run of the sample's blocks from a place of its own. */
static pt_status write_blocks(writer *w, int which, int64_t rows, int64_t cols)
{
    size_t row = 0, block = 0;
    PT_RETURN(pt_dtype_row_bytes(sample_type[which], (size_t)cols, &row));
    PT_RETURN(pt_dtype_row_bytes(sample_type[which], 256, &block));
    const uint32_t places = (uint32_t)((SAMPLE - cols) / 256 + 1);
    for (int64_t r = 0; r < rows; r++) {
        uint32_t at = pt_rng_words(2, PT_RNG_TEST, (uint64_t)r, w->tensor).v[0] % places;
        PT_RETURN(pt_gguf_write(&w->file, w->sample[which] + at * block, row));
    }
    return PT_OK;
}

/* The tensors in the file's order: declared (write false), then written. */
static pt_status norm_of(writer *w, const char *name, bool write)
{
    static float ones[16384];
    int64_t n = w->z->hidden;
    for (int64_t i = 0; i < n; i++) ones[i] = 1;
    return write ? pt_gguf_write(&w->file, ones, (size_t)n * sizeof *ones) : pt_gguf_put_tensor(&w->file, name, PT_F32, 1, &n);
}
static pt_status matrix_of(writer *w, const char *name, int which, int64_t rows, int64_t cols, bool write)
{
    int64_t dims[2] = {cols, rows};
    w->tensor++;
    return write ? write_blocks(w, which, rows, cols) : pt_gguf_put_tensor(&w->file, name, sample_type[which], 2, dims);
}
static pt_status layer_of(writer *w, int l, bool write)
{
    const shape *z = w->z;
    const int64_t c = z->hidden, f = z->ffn, kv = c / z->heads * z->kv;
    const struct {
        const char *stem;
        int64_t rows, cols; /* cols 0: a norm */
    } parts[] = {{"attn_norm", c, 0}, {"attn_q", c, c}, {"attn_k", kv, c}, {"attn_v", kv, c}, {"attn_output", c, c}, {"ffn_norm", c, 0},
                 {"ffn_gate", f, c}, {"ffn_up", f, c}, {"ffn_down", c, f}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.%s.weight", l, parts[i].stem);
        PT_RETURN(parts[i].cols ? matrix_of(w, name, 0, parts[i].rows, parts[i].cols, write) : norm_of(w, name, write));
    }
    return PT_OK;
}
static pt_status tensors_of(writer *w, bool write)
{
    w->tensor = 0;
    PT_RETURN(matrix_of(w, "token_embd.weight", 0, w->z->vocab, w->z->hidden, write));
    for (int l = 0; l < w->z->layers; l++) PT_RETURN(layer_of(w, l, write));
    PT_RETURN(norm_of(w, "output_norm.weight", write));
    return matrix_of(w, "output.weight", 1, w->z->vocab, w->z->hidden, write);
}

static pt_status keys_of(writer *w)
{
    const struct {
        const char *key;
        int v;
    } numbers[] = {{"llama.context_length", 8192}, {"llama.embedding_length", w->z->hidden}, {"llama.feed_forward_length", w->z->ffn},
                   {"llama.block_count", w->z->layers}, {"llama.attention.head_count", w->z->heads}, {"llama.attention.head_count_kv", w->z->kv}};
    PT_RETURN(pt_gguf_put_text(&w->file, "general.architecture", "llama", 5));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) PT_RETURN(pt_gguf_put_u32(&w->file, numbers[i].key, (uint32_t)numbers[i].v));
    PT_RETURN(pt_gguf_put_f32(&w->file, "llama.attention.layer_norm_rms_epsilon", 1e-5f));
    return pt_gguf_put_f32(&w->file, "llama.rope.freq_base", 500000);
}

static pt_status make(const char *name, const char *path)
{
    pt_status rc = PT_OK;
    writer w = {.z = NULL};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(shapes[i].name, name)) w.z = &shapes[i];
    PT_CHECK(w.z, PT_EARG, "shape %s is not small or 8b", name);
    PT_TRY(make_samples(&w));
    PT_TRY(pt_gguf_writer_open(&w.file, path));
    PT_TRY(keys_of(&w));
    PT_TRY(tensors_of(&w, false));
    PT_TRY(tensors_of(&w, true));
    PT_TRY(pt_gguf_writer_commit(&w.file));
    printf("%s: a random model of shape %s\n", path, name);
done:
    pt_gguf_writer_close(&w.file);
    for (int i = 0; i < 2; i++) free(w.sample[i]);
    return rc;
}

/* ---- a run ------------------------------------------------------------------------------------------------------------- */

typedef struct run {
    pt_ctx ctx;
    pt_source *src;
    pt_model *m;
    pt_optim *o;
    const pt_objective *objective;
    pt_batch batch;
    size_t planned; /* bytes on the device */
    bool kept;      /* all weights as numbers too */
    double report[PT_REPORT_SIZE];
    float norm;
} run;

/* Two documents of random ids, together `tokens`. */
static pt_status make_batch(run *r, int32_t tokens)
{
    pt_status rc = PT_OK;
    int32_t *ids = NULL, half = tokens / 2, vocab = pt_source_config(r->src)->vocab;
    PT_TRY(pt_alloc0(&ids, (size_t)tokens));
    for (int32_t i = 0; i < tokens; i++) ids[i] = (int32_t)(pt_rng_words(3, PT_RNG_TEST, (uint64_t)i, 0).v[0] % (uint32_t)vocab);
    pt_seq seq[2] = {{.ids = ids, .n = half, .end_index = -1}, {.ids = ids + half, .n = tokens - half, .end_index = -1}};
    PT_TRY(pt_batch_build(&r->batch, seq, 2, PT_PACKING_OFF));
done:
    free(ids);
    return rc;
}

static pt_model_options options_of(const run *r, int rank, bool again)
{
    const pt_objective *o = r->objective;
    return (pt_model_options){.lora = {.on = true, .r = rank, .alpha = 2.0 * rank},
                              .heads = PT_HEAD_VOCABULARY,
                              .checkpointing = again,
                              .train = true,
                              .seed = 7,
                              .loss = {.on = true, .objective = pt_objective_index(o), .answers = o->answers, .by_rows = o->by_rows, .linear = o->linear, .logp = true}};
}

/* The model and its optimiser, planned. */
static pt_status plan(run *r, int rank, bool again)
{
    const pt_batch *b = &r->batch;
    const pt_model_options opt = options_of(r, rank, again);
    const pt_model_caps caps = {.tokens = b->n_tokens, .segs = b->n_segs, .heads = b->n_heads, .rows = b->n_rows, .groups = b->n_groups,
                                .group_rows = b->group_row_start[b->n_groups], .ends = b->n_groups};
    const pt_optim_options adam = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .max_norm = 1};
    size_t bytes[PT_ROLE_COUNT];
    pt_optim_free(r->o);
    pt_model_free(r->m);
    r->o = NULL, r->m = NULL;
    PT_RETURN(pt_model_new(&r->m, &r->ctx, r->src, &opt));
    if (r->kept) PT_RETURN(pt_model_keep(r->m, pt_model_keepable(r->m)));
    PT_RETURN(pt_model_plan(r->m, &caps, bytes));
    PT_RETURN(pt_optim_new(&r->o, &r->ctx, pt_model_param_count(r->m), pt_model_param_count(r->m), &adam));
    r->planned = pt_optim_bytes(r->o);
    for (int i = 0; i < PT_ROLE_COUNT; i++) r->planned += i == PT_ROLE_COMM ? 0 : bytes[i];
    return PT_OK;
}

static void close_run(run *r)
{
    pt_batch_free(&r->batch);
    pt_optim_free(r->o);
    pt_model_free(r->m);
    pt_source_free(r->src);
    if (r->ctx.ops) r->ctx.ops->close(&r->ctx);
    *r = (run){.o = NULL};
}

static pt_status open_run(run *r, const pt_ops *ops, pt_compute compute, const char *path, int32_t tokens, int rank, bool kept)
{
    *r = (run){.objective = pt_objective_find("sft"), .kept = kept};
    PT_RETURN(ops->open(&r->ctx, compute));
    PT_RETURN(pt_source_open(&r->src, path));
    pt_source_reach(r->src, tokens);
    PT_RETURN(make_batch(r, tokens));
    return plan(r, rank, false);
}

static pt_status commit(run *r)
{
    PT_RETURN(pt_model_commit(r->m));
    return pt_optim_commit(r->o);
}

static pt_status step(run *r, uint64_t index, float lr)
{
    static const pt_option_value none[PT_OBJECTIVE_KEYS];
    const pt_batch *b = &r->batch;
    pt_core_step core = {.norm = pt_objective_norm(r->objective, b->step_row_weight, b->step_group_weight, b->step_record_weight), .training = 1};
    bool finite = false;
    pt_objective_options(r->objective, none, &core);
    PT_RETURN(pt_model_zero_grad(r->m));
    PT_RETURN(pt_model_report_begin(r->m));
    PT_RETURN(pt_model_load_batch(r->m, b, index, true));
    PT_RETURN(pt_model_load_loss(r->m, b));
    PT_RETURN(pt_model_forward(r->m, PT_SLOT_OWN, true));
    PT_RETURN(pt_model_loss(r->m, &core, true));
    PT_RETURN(pt_model_backward(r->m));
    PT_RETURN(pt_model_report_fetch(r->m, r->report));
    PT_RETURN(pt_optim_step(r->o, pt_model_param_view(r->m), pt_model_grad_view(r->m), lr, &r->norm, &finite));
    if (!finite || !isfinite(r->report[PT_REPORT_LOSS])) return pt_fail(PT_ENONFINITE, "step %llu: loss %g, gradient norm %g", (unsigned long long)index + 1, r->report[PT_REPORT_LOSS], (double)r->norm);
    return PT_OK;
}

/* ---- compare ----------------------------------------------------------------------------------------------------------- */

enum { COMPARED_STEPS = 3, COMPARED_TOKENS = 61 };

static pt_status three_steps(const pt_ops *ops, pt_compute compute, const char *path, bool kept, double losses[COMPARED_STEPS], double norms[COMPARED_STEPS])
{
    pt_status rc = PT_OK;
    run r;
    PT_TRY(open_run(&r, ops, compute, path, COMPARED_TOKENS, 8, kept));
    PT_TRY(commit(&r));
    for (int i = 0; i < COMPARED_STEPS; i++) {
        PT_TRY(step(&r, (uint64_t)i, 1e-2f));
        losses[i] = r.report[PT_REPORT_LOSS];
        norms[i] = (double)r.norm;
    }
done:
    close_run(&r);
    return rc;
}

/* The limits of the golden models (tests/golden/model_golden.c, model_steps.h): f32 1e-5 of the loss and 1e-4 of the norm; bf16 2e-2 of the loss,
 * and 1e-2 of the norm (8 times what the emulated device comes to). */
static pt_status compare(const char *path)
{
    double want[COMPARED_STEPS], norm[COMPARED_STEPS];
    PT_RETURN(three_steps(&pt_ops_ref, PT_COMPUTE_F32, path, false, want, norm));
    for (int way = 0; way < 4; way++) {
        const bool half = way & 1, kept = way & 2;
        const char *name = half ? "bf16" : "f32", *also = kept ? ", weights kept as numbers" : "";
        double got[COMPARED_STEPS], n[COMPARED_STEPS];
        PT_RETURN(three_steps(pt_cuda_ops(), half ? PT_COMPUTE_BF16 : PT_COMPUTE_F32, path, kept, got, n));
        for (int i = 0; i < COMPARED_STEPS; i++) {
            double e = fabs(got[i] - want[i]) / want[i], en = fabs(n[i] - norm[i]) / norm[i];
            printf("%s%s, step %d: loss %.7f, reference %.7f, error %.1e; gradient norm %.6g, reference %.6g, error %.1e\n", name, also, i + 1, got[i], want[i], e, n[i], norm[i], en);
            if (!(e <= (half ? 2e-2 : 1e-5) && en <= (half ? 1e-2 : 1e-4)))
                return pt_fail(PT_ENONFINITE, "%s%s, step %d is further from the reference than the golden models may be", name, also, i + 1);
        }
    }
    return PT_OK;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static pt_status digest_of(run *r, uint64_t *h)
{
    pt_status rc = PT_OK;
    float *p = NULL;
    size_t n = (size_t)pt_model_param_count(r->m);
    PT_TRY(pt_alloc0(&p, n));
    PT_TRY(r->ctx.ops->download(&r->ctx, p, pt_model_param_view(r->m)));
    *h = pt_fnv1a(*h, p, n * sizeof *p);
done:
    free(p);
    return rc;
}

/* Blocks run again where their activations do not fit; there is no run of weights kept as numbers where those do not. */
static pt_status fit(run *r, size_t *free_before, bool *there)
{
    size_t total = 0;
    PT_RETURN(r->ctx.ops->memory(&r->ctx, free_before, &total));
    *there = true;
    if (r->planned + ((size_t)512 << 20) <= *free_before) return PT_OK;
    if (r->kept) {
        *there = false;
        printf("not run: %.1f MiB are planned and %.1f free\n", (double)r->planned / (1 << 20), (double)*free_before / (1 << 20));
        return PT_OK;
    }
    printf("%.1f MiB are planned and %.1f free: blocks are run again in backward\n", (double)r->planned / (1 << 20), (double)*free_before / (1 << 20));
    PT_RETURN(plan(r, 16, true));
    if (r->planned > *free_before)
        return pt_fail(PT_ENOMEM, "%.1f MiB are planned and %.1f free: give fewer tokens", (double)r->planned / (1 << 20), (double)*free_before / (1 << 20));
    return PT_OK;
}

static pt_status memory_line(run *r, size_t free_before)
{
    size_t left = 0, total = 0;
    pt_cuda_counts c;
    pt_cuda_counts_get(&c);
    PT_RETURN(r->ctx.ops->memory(&r->ctx, &left, &total));
    double took = (double)free_before - (double)left;
    printf("memory: planned %zu bytes, held %llu; the device has %.1f MiB less free than before: %.1f beyond the plan (libraries and pages; the trainer's plan estimates 362)\n",
           r->planned, c.peak, took / (1 << 20), (took - (double)r->planned) / (1 << 20));
    if (c.peak != r->planned) return pt_fail(PT_ESTATE, "memory: %zu bytes were planned and %llu held", r->planned, c.peak);
    return PT_OK;
}

static pt_status steps(const char *path, int32_t tokens, int n, bool kept)
{
    pt_status rc = PT_OK;
    run r;
    size_t free_before = 0;
    bool there = false;
    double began = now(), fastest = 0;
    uint64_t h = 14695981039346656037ull;
    PT_TRY(open_run(&r, pt_cuda_ops(), PT_COMPUTE_BF16, path, tokens, 16, kept));
    PT_TRY(fit(&r, &free_before, &there));
    if (!there) goto done;
    PT_TRY(commit(&r));
    PT_TRY(r.ctx.ops->sync(&r.ctx));
    printf("loaded in %.1f s\n", now() - began);
    for (int i = 0; i < n; i++) {
        double t = now();
        PT_TRY(step(&r, (uint64_t)i, 1e-4f));
        t = now() - t;
        fastest = i == 0 || t < fastest ? t : fastest;
        printf("step %d: loss %.9f, gradient norm %.9g, %.1f ms\n", i + 1, r.report[PT_REPORT_LOSS], (double)r.norm, 1e3 * t);
        h = pt_fnv1a(h, &r.report[PT_REPORT_LOSS], sizeof(double));
        h = pt_fnv1a(h, &r.norm, sizeof r.norm);
    }
    PT_TRY(digest_of(&r, &h));
    printf("fastest step %.1f ms: %.0f tokens/s\n", 1e3 * fastest, tokens / fastest);
    PT_TRY(memory_line(&r, free_before));
    printf("bits %016llx\n", (unsigned long long)h);
done:
    close_run(&r);
    return rc;
}

int main(int argc, char **argv)
{
    pt_status rc;
    const char *why = pt_cuda_why_not();
    const bool kept = argc == 6 && !strcmp(argv[5], "kept");
    const bool stepping = (argc == 5 || kept) && !strcmp(argv[1], "steps");
    const long tokens = stepping ? strtol(argv[3], NULL, 10) : 0, n = stepping ? strtol(argv[4], NULL, 10) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 4 && !strcmp(argv[1], "make"))
        rc = make(argv[2], argv[3]);
    else if (why)
        rc = pt_fail(PT_ENOSUP, "%s", why);
    else if (argc == 3 && !strcmp(argv[1], "compare"))
        rc = compare(argv[2]);
    else if (stepping && tokens >= 16 && tokens <= 1 << 20 && n > 0 && n <= 1 << 20)
        rc = steps(argv[2], (int)tokens, (int)n, kept);
    else {
        fprintf(stderr, "usage: kit_model make small|8b FILE | compare FILE | steps FILE TOKENS STEPS [kept]\n");
        return 2;
    }
    if (rc != PT_OK) printf("wrong: %s: %s\n", pt_status_name(rc), pt_err_msg());
    return rc == PT_OK ? 0 : 1;
}
