/* Families whose code lies on the hub and that are Llama in other wrapping: InternLM2 (names, wqkv grouped by key heads) and Baichuan 2 (W_pack, a head whose
 * rows are normed). The same numbers in a llama folder, which t-golden/model_families holds to transformers, must give the same log-probabilities,
 * losses and gradients; an adapter on the one matrix is one on q, k and v with one A. Exports are read again. */
#include "tests/golden/model_fixture.h"

#include <dirent.h>

#include "base/file.h"
#include "tests/scratch.h"
#include "train/export/export.h"
#include "train/model/families.h"
#include "train/model/random_init.h"

enum { HIDDEN = 24, HEADS = 4, DIM = 6, FFN = 20, LAYERS = 2, RANK = 3 };

typedef struct wrapping {
    const char *family, *config; /* what its config.json says besides the sizes */
    int kv_heads, vocab;
    bool grouped, normed;
    const char *embed, *head, *norm1, *qkv, *o, *norm2, *gate, *up, *down;
} wrapping;

static const wrapping wrappings[] = {
    {"internlm2", "\"bias\":false,\"num_key_value_heads\":2,\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}", 2, 64, true, false, "model.tok_embeddings", "output",
     "attention_norm", "attention.wqkv", "attention.wo", "ffn_norm", "feed_forward.w1", "feed_forward.w3", "feed_forward.w2"},
    {"baichuan", "\"z_loss_weight\":0", HEADS, 125696, false, true, "model.embed_tokens", "lm_head", "input_layernorm", "self_attn.W_pack", "self_attn.o_proj",
     "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"},
};
static const pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 64, .rows = 64, .groups = 8};

/* ---- two folders of the same numbers ---------------------------------------------------------------------------------------------- */

/* n numbers of a name; norms lie about 1. */
static float *numbers(const char *name, int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    pt_random_normal(5, PT_RNG_INIT, name, 0.2f, n, x);
    for (int64_t i = 0; strstr(name, "norm") && i < n; i++) x[i] += 1;
    return x;
}

typedef struct folder {
    pt_st_writer w;
    bool declaring;
} folder;

static void put(folder *f, const char *name, int64_t n_rows, int64_t cols, const float *x)
{
    int64_t dims[2] = {n_rows, cols};
    if (f->declaring)
        OK(pt_st_writer_add(&f->w, name, PT_F32, n_rows == 1 ? 1 : 2, n_rows == 1 ? dims + 1 : dims));
    else
        OK(pt_st_writer_write(&f->w, x, (size_t)(n_rows * cols) * 4));
}

/* A tensor under a stem of layer l (l < 0: the whole name), with the numbers of the plain model's name. */
static void same(folder *f, int l, const char *stem, const char *plain, int64_t n_rows, int64_t cols)
{
    char name[128], key[128];
    if (l < 0) snprintf(name, sizeof name, "%s.weight", stem);
    else snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, stem);
    snprintf(key, sizeof key, "%d %s", l, plain);
    float *x = numbers(key, n_rows * cols);
    put(f, name, n_rows, cols, x);
    free(x);
}

/* q, k and v of a layer as one matrix: in our order, or grouped. */
static void put_qkv(folder *f, const wrapping *w, int l, bool fused)
{
    static const char *const parts[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
    const int64_t n_rows[] = {HEADS * DIM, w->kv_heads * DIM, w->kv_heads * DIM}, all = n_rows[0] + n_rows[1] + n_rows[2];
    const pt_model_config c = {.heads = HEADS, .kv_heads = w->kv_heads, .head_dim = DIM};
    char name[128];
    float *ours = malloc((size_t)(all * HIDDEN) * 4), *theirs = malloc((size_t)(all * HIDDEN) * 4);
    for (int64_t k = 0, at = 0; k < 3; at += n_rows[k++]) {
        char key[128];
        snprintf(key, sizeof key, "%d %s", l, parts[k]);
        float *x = numbers(key, n_rows[k] * HIDDEN);
        memcpy(ours + at * HIDDEN, x, (size_t)(n_rows[k] * HIDDEN) * 4);
        free(x);
        if (!fused) same(f, l, parts[k], parts[k], n_rows[k], HIDDEN);
    }
    for (int64_t r = 0; r < all; r++)
        memcpy(theirs + r * HIDDEN, ours + (w->grouped ? pt_row_from(&c, PT_ROWS_TO_GROUPED, r) : r) * HIDDEN, HIDDEN * 4);
    snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, w->qkv);
    if (fused) put(f, name, all, HIDDEN, theirs);
    free(ours);
    free(theirs);
}

/* The head: of the plain model normed already where the other norms it. */
static void put_head(folder *f, const wrapping *w, bool plain)
{
    char name[128];
    float *x = numbers("head", (int64_t)w->vocab * HIDDEN);
    for (int64_t r = 0; w->normed && r < w->vocab; r++) {
        double sum = 0;
        for (int c = 0; c < HIDDEN; c++) sum += (double)x[r * HIDDEN + c] * (double)x[r * HIDDEN + c];
        for (int c = 0; plain && c < HIDDEN; c++) x[r * HIDDEN + c] = (float)((double)x[r * HIDDEN + c] / sqrt(sum));
    }
    snprintf(name, sizeof name, "%s.weight", plain ? "lm_head" : w->head);
    put(f, name, w->vocab, HIDDEN, x);
    free(x);
}

static void make_folder(const wrapping *w, const char *dir, bool plain)
{
    char path[300], config[1024];
    folder f = {.declaring = true};
    OK(pt_dir_make(dir));
    snprintf(config, sizeof config, "{\"model_type\":\"%s\",\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
                                    "\"vocab_size\":%d,\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":false,%s}",
             plain ? "llama" : w->family, HIDDEN, FFN, LAYERS, HEADS, w->vocab, plain ? w->kv_heads == 2 ? "\"num_key_value_heads\":2" : "\"num_key_value_heads\":4" : w->config);
    snprintf(path, sizeof path, "%s/config.json", dir);
    scratch_write(path, config, strlen(config));
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    OK(pt_st_writer_open(&f.w, path));
    for (int pass = 0; pass < 2; pass++, f.declaring = false) {
        same(&f, -1, plain ? "model.embed_tokens" : w->embed, "embed", w->vocab, HIDDEN);
        for (int l = 0; l < LAYERS; l++) {
            same(&f, l, plain ? "input_layernorm" : w->norm1, "norm1", 1, HIDDEN);
            put_qkv(&f, w, l, !plain);
            same(&f, l, plain ? "self_attn.o_proj" : w->o, "o", HIDDEN, HEADS * DIM);
            same(&f, l, plain ? "post_attention_layernorm" : w->norm2, "norm2", 1, HIDDEN);
            same(&f, l, plain ? "mlp.gate_proj" : w->gate, "gate", FFN, HIDDEN);
            same(&f, l, plain ? "mlp.up_proj" : w->up, "up", FFN, HIDDEN);
            same(&f, l, plain ? "mlp.down_proj" : w->down, "down", HIDDEN, FFN);
        }
        same(&f, -1, "model.norm", "norm", 1, HIDDEN);
        put_head(&f, w, plain);
    }
    OK(pt_st_writer_commit(&f.w));
    pt_st_writer_close(&f.w);
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------------------ */

static const int32_t row[] = {1, 8, 54, 13, 11, 36, 41, 52, 61, 39, 49, 12, 24, 30, 29, 53};
enum { ROW = sizeof row / sizeof *row };

static void logps(bench *b, int slot, float *out)
{
    OK(pt_model_token_logps(b->m, row, ROW, slot, out));
}

static void near(const char *what, const float *want, const float *have, int64_t n)
{
    double e = rel_error(have, want, n);
    if (!(e <= 3e-6)) fail_msg("%s: %.2e apart", what, e);
}

/* A parameter's numbers in a flat vector, by the plain model's name or the other's. */
static float *part_of(bench *b, float *flat, int l, const char *stem, const char *end)
{
    char name[160];
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    snprintf(name, sizeof name, "model.layers.%d.%s%s", l, stem, end);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(p[i].name, name)) return flat + p[i].offset;
    fail_msg("no parameter %s", name);
    return NULL;
}

static rows one_row(void)
{
    rows r = {.n = 1};
    int32_t *id = malloc(sizeof row);
    float *weight = malloc(ROW * sizeof *weight);
    memcpy(id, row, sizeof row);
    for (int i = 0; i < ROW; i++) weight[i] = i > 4;
    r.seq[0] = (pt_seq){.ids = id, .weight = weight, .n = ROW, .end_index = ROW - 1};
    return r;
}

static void test_full(void **state)
{
    const wrapping *w = *state;
    rows r = one_row();
    bench plain, packed;
    float *gp, *gw;
    char dir[2][256];
    snprintf(dir[0], sizeof dir[0], "%s", scratch_path(w->normed ? "plain-b" : "plain-i"));
    snprintf(dir[1], sizeof dir[1], "%s", scratch_path(w->family));
    make_folder(w, dir[0], true);
    make_folder(w, dir[1], false);
    const pt_model_options full = {.full = true, .train = true, .seed = 1};
    if (w->normed) { /* its gradient would have to go through the norm */
        pt_ctx ctx = {.ops = &pt_ops_cpu};
        pt_source *src;
        pt_model *m;
        OK(ctx.ops->open(&ctx, PT_COMPUTE_F32));
        OK(pt_source_open(&src, dir[1]));
        assert_int_equal(pt_model_new(&m, &ctx, src, &full), PT_ENOSUP);
        assert_non_null(strstr(pt_err_msg(), "head is normed"));
        pt_source_free(src);
        ctx.ops->close(&ctx);
        rows_free(&r);
        return;
    }
    bench_open(&plain, &pt_ops_cpu, PT_COMPUTE_F32, dir[0], &full, &caps);
    bench_open(&packed, &pt_ops_cpu, PT_COMPUTE_F32, dir[1], &full, &caps);
    double want = sft_pass(&plain, &r, PT_PACKING_OFF), have = sft_pass(&packed, &r, PT_PACKING_OFF);
    assert_true(fabs(want - have) <= 1e-6 * want);
    gp = download_grads(&plain);
    gw = download_grads(&packed);
    for (int l = 0; l < LAYERS; l++) {
        int64_t q = HEADS * DIM, kv = w->kv_heads * DIM;
        const float *d = part_of(&packed, gw, l, w->qkv, ".weight");
        near("gradient of q", part_of(&plain, gp, l, "self_attn.q_proj", ".weight"), d, q * HIDDEN);
        near("gradient of k", part_of(&plain, gp, l, "self_attn.k_proj", ".weight"), d + q * HIDDEN, kv * HIDDEN);
        near("gradient of v", part_of(&plain, gp, l, "self_attn.v_proj", ".weight"), d + (q + kv) * HIDDEN, kv * HIDDEN);
        near("gradient of o", part_of(&plain, gp, l, "self_attn.o_proj", ".weight"), part_of(&packed, gw, l, w->o, ".weight"), HIDDEN * q);
        near("gradient of gate", part_of(&plain, gp, l, "mlp.gate_proj", ".weight"), part_of(&packed, gw, l, w->gate, ".weight"), FFN * HIDDEN);
        near("gradient of down", part_of(&plain, gp, l, "mlp.down_proj", ".weight"), part_of(&packed, gw, l, w->down, ".weight"), FFN * HIDDEN);
    }
    free(gp);
    free(gw);
    bench_close(&plain);
    bench_close(&packed);
    rows_free(&r);
}

/* The fused adapter's numbers, and the same as adapters of the plain model. */
static void set_adapters(const wrapping *w, bench *plain, bench *packed)
{
    const char *const pairs[][2] = {{"self_attn.o_proj", w->o}, {"mlp.gate_proj", w->gate}, {"mlp.up_proj", w->up}, {"mlp.down_proj", w->down}};
    const char *const parts[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
    const int64_t q = HEADS * DIM, kv = w->kv_heads * DIM, from[] = {0, q, q + kv}, n[] = {q, kv, kv};
    float *fp = calloc((size_t)pt_model_param_count(plain->m), 4), *fw = numbers("adapter", pt_model_param_count(packed->m));
    for (int l = 0; l < LAYERS; l++) {
        for (int k = 0; k < 4; k++) {
            int64_t in = k == 3 ? FFN : HIDDEN, out = k == 0 || k == 3 ? HIDDEN : FFN;
            memcpy(part_of(plain, fp, l, pairs[k][0], ".lora_A.weight"), part_of(packed, fw, l, pairs[k][1], ".lora_A.weight"), (size_t)(RANK * in) * 4);
            memcpy(part_of(plain, fp, l, pairs[k][0], ".lora_B.weight"), part_of(packed, fw, l, pairs[k][1], ".lora_B.weight"), (size_t)(RANK * out) * 4);
        }
        for (int k = 0; k < 3; k++) {
            memcpy(part_of(plain, fp, l, parts[k], ".lora_A.weight"), part_of(packed, fw, l, w->qkv, ".lora_A.weight"), RANK * HIDDEN * 4);
            memcpy(part_of(plain, fp, l, parts[k], ".lora_B.weight"), part_of(packed, fw, l, w->qkv, ".lora_B.weight") + from[k] * RANK, (size_t)(n[k] * RANK) * 4);
        }
    }
    OK(plain->ctx.ops->upload(&plain->ctx, pt_model_param_view(plain->m), fp));
    OK(packed->ctx.ops->upload(&packed->ctx, pt_model_param_view(packed->m), fw));
    free(fp);
    free(fw);
}

static void check_adapter_grads(const wrapping *w, bench *plain, bench *packed)
{
    const char *const parts[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
    const int64_t q = HEADS * DIM, kv = w->kv_heads * DIM, from[] = {0, q, q + kv}, n[] = {q, kv, kv};
    float *gp = download_grads(plain), *gw = download_grads(packed), a[RANK * HIDDEN];
    for (int l = 0; l < LAYERS; l++) {
        memset(a, 0, sizeof a);
        for (int k = 0; k < 3; k++) {
            const float *da = part_of(plain, gp, l, parts[k], ".lora_A.weight");
            for (int i = 0; i < RANK * HIDDEN; i++) a[i] += da[i];
            near("gradient of B", part_of(plain, gp, l, parts[k], ".lora_B.weight"), part_of(packed, gw, l, w->qkv, ".lora_B.weight") + from[k] * RANK, n[k] * RANK);
        }
        near("gradient of A", a, part_of(packed, gw, l, w->qkv, ".lora_A.weight"), RANK * HIDDEN);
        near("gradient of down's A", part_of(plain, gp, l, "mlp.down_proj", ".lora_A.weight"), part_of(packed, gw, l, w->down, ".lora_A.weight"), RANK * FFN);
    }
    free(gp);
    free(gw);
}

/* Log-probabilities of a path with an adapter. */
static void read_again(const char *what, const char *path, const char *peft, const float *want)
{
    bench b;
    float have[ROW];
    pt_model_options o = {.seed = 1};
    if (peft) o.lora = (pt_lora_options){.on = true, .start_dir = peft};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path, &o, &caps);
    logps(&b, peft ? 0 : PT_SLOT_NONE, have);
    near(what, want, have, ROW - 1);
    bench_close(&b);
}

static void test_lora(void **state)
{
    const wrapping *w = *state;
    rows r = one_row();
    bench plain, packed;
    float want[ROW], have[ROW], bare[ROW];
    char dir[2][256], merged[300], peft[300], gguf[300];
    const pt_model_options o = {.train = true, .seed = 1, .lora = {.on = true, .r = RANK, .alpha = 2 * RANK}};
    const pt_export_options e = {.type = PT_F32, .base_name = w->family};
    snprintf(dir[0], sizeof dir[0], "%s", scratch_path(w->normed ? "plain-b" : "plain-i"));
    snprintf(dir[1], sizeof dir[1], "%s", scratch_path(w->family));
    bench_open(&plain, &pt_ops_cpu, PT_COMPUTE_F32, dir[0], &o, &caps);
    bench_open(&packed, &pt_ops_cpu, PT_COMPUTE_F32, dir[1], &o, &caps);
    logps(&plain, PT_SLOT_NONE, want);
    logps(&packed, PT_SLOT_NONE, bare);
    near("log-probabilities", want, bare, ROW - 1);
    set_adapters(w, &plain, &packed);
    logps(&plain, 0, want);
    logps(&packed, 0, have);
    near("log-probabilities with the adapter", want, have, ROW - 1);
    assert_true(rel_error(want, bare, ROW - 1) > 1e-3);
    double a = sft_pass(&plain, &r, PT_PACKING_OFF), b = sft_pass(&packed, &r, PT_PACKING_OFF);
    assert_true(fabs(a - b) <= 1e-6 * a);
    check_adapter_grads(w, &plain, &packed);
    snprintf(merged, sizeof merged, "%s-merged", dir[1]);
    snprintf(peft, sizeof peft, "%s-peft", dir[1]);
    snprintf(gguf, sizeof gguf, "%s.gguf", dir[1]);
    OK(pt_export_hf(packed.m, merged, &e));
    OK(pt_export_peft(packed.m, peft, &e));
    pt_status rc = pt_export_gguf(packed.m, gguf, &e);
    bench_close(&plain);
    bench_close(&packed);
    read_again("merged folder", merged, NULL, want);
    read_again("PEFT adapter", dir[1], peft, want);
    if (w->normed) { /* llama.cpp's baichuan has 32 layers or 40 */
        assert_int_equal(rc, PT_ENOSUP);
    } else {
        OK(rc);
        read_again("merged GGUF", gguf, NULL, want);
        bench_open(&packed, &pt_ops_cpu, PT_COMPUTE_F32, dir[1], &(pt_model_options){.seed = 1}, &caps);
        OK(pt_export_gguf(packed.m, gguf, &e));
        bench_close(&packed);
        read_again("PEFT adapter on the GGUF file", gguf, peft, want);
        bench_open(&packed, &pt_ops_cpu, PT_COMPUTE_F32, gguf, &(pt_model_options){.seed = 1}, &caps);
        OK(pt_export_hf(packed.m, merged, &e));
        bench_close(&packed);
        read_again("folder of the GGUF file", merged, NULL, bare);
    }
    rows_free(&r);
}

/* Dynamic scaling: what lies beyond the positions is refused. */
static void test_reach(void **state)
{
    const wrapping *w = *state;
    bench b;
    float out[128];
    int32_t ids[70] = {0};
    const pt_model_caps wide = {.tokens = 128, .segs = 8, .heads = 128, .rows = 128, .groups = 8};
    if (w->normed) return;
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, scratch_path(w->family), &(pt_model_options){.seed = 1}, &wide);
    OK(pt_model_token_logps(b.m, ids, 64, PT_SLOT_NONE, out));
    assert_int_equal(pt_model_token_logps(b.m, ids, 70, PT_SLOT_NONE, out), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "positions for 64"));
    bench_close(&b);
}

/* PTRAIN_PACKED=DIR: every folder of DIR (tests/golden/verify_packed.py makes them) becomes DIR/NAME.gguf, with our log-probabilities of the row in
 * DIR/NAME.txt; where the script has converted it too (DIR/NAME-converted.gguf), that file must give the same. */
static void test_beside_llama_cpp(void **state)
{
    (void)state;
    const char *root = getenv("PTRAIN_PACKED");
    struct dirent *e;
    DIR *d = root ? opendir(root) : NULL;
    if (!d) skip();
    while ((e = readdir(d))) {
        char folder_path[512], path[560], text[ROW * 16] = "";
        bench b;
        float want[ROW];
        snprintf(folder_path, sizeof folder_path, "%s/%s", root, e->d_name);
        if (e->d_name[0] == '.' || !pt_dir_exists(folder_path)) continue;
        bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, folder_path, &(pt_model_options){.seed = 1}, &caps);
        logps(&b, PT_SLOT_NONE, want);
        snprintf(path, sizeof path, "%s.gguf", folder_path);
        OK(pt_export_gguf(b.m, path, &(pt_export_options){.type = PT_F32, .base_name = "packed"}));
        bench_close(&b);
        read_again("our GGUF", path, NULL, want);
        snprintf(path, sizeof path, "%s-converted.gguf", folder_path);
        if (pt_file_exists(path)) read_again("converted GGUF", path, NULL, want);
        for (int i = 0; i + 1 < ROW; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%.6f\n", (double)want[i]);
        snprintf(path, sizeof path, "%s.txt", folder_path);
        scratch_write(path, text, strlen(text));
    }
    closedir(d);
}

int main(void)
{
    struct CMUnitTest tests[7];
    static const struct {
        const char *name;
        CMUnitTestFunction f;
    } kinds[] = {{"full tuning", test_full}, {"adapters and exports", test_lora}, {"positions", test_reach}};
    static char names[6][64];
    for (int i = 0; i < 6; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s", wrappings[i / 3].family, kinds[i % 3].name);
        tests[i] = (struct CMUnitTest){names[i], kinds[i % 3].f, NULL, NULL, (void *)(uintptr_t)&wrappings[i / 3]};
    }
    tests[6] = (struct CMUnitTest){"beside llama.cpp", test_beside_llama_cpp, NULL, NULL, NULL};
    return _cmocka_run_group_tests("packed families", tests, 7, scratch_setup, scratch_teardown);
}
