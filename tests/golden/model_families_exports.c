/* Every family's exports, read again: merged folder, merged GGUF, PEFT on the folder and on the GGUF file, and a folder made of a GGUF file alone. With
 * PTRAIN_KEEP_EXPORTS=DIR the files stay, with a GGUF adapter beside them, for llama.cpp and transformers (tests/golden/verify_families.py). */
#define FAMILIES_EXPORTED
#define FAMILIES_ON_DEVICE
#include "tests/golden/model_families.c"

#include "checkpoints/gguf.h"
#include "tests/scratch.h"
#include "train/export/export.h"

/* Log-probabilities of a row's tokens in the model at `path`, with the adapter in `peft` (NULL: none). */
static void logps_of(const char *path, const char *peft, const pt_seq *row, float *out)
{
    bench b;
    pt_model_options o = {.seed = 1};
    if (peft) o.lora = (pt_lora_options){.on = true, .start_dir = peft};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path, &o, &caps);
    OK(pt_model_token_logps(b.m, row->ids, row->n, peft ? 0 : PT_SLOT_NONE, out));
    bench_close(&b);
}

static void near(const char *what, const char *family, const float *want, const float *have, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (!(fabsf(want[i] - have[i]) <= 3e-5f)) fail_msg("%s, %s: token %d has %.6f, expected %.6f", family, what, i, (double)have[i], (double)want[i]);
}

/* What GGUF has no word for: that is said, and the rest holds. */
static const struct {
    const char *family, *says;
} no_gguf[] = {
    {"ministral", "llama.cpp has no ministral models"},
    {"qwen3", "a sliding window from layer 2 on has no key in GGUF"},
    {"gemma3_capped", "has no biases"},
    {"cohere_plus", "norms q and k in models of 64 layers and more"},
    {"smollm3_window", "does not rotate every fourth layer"},
    {"gpt2_scale", "has no key for another activation"},
    {"falcon_rw", "falcon has neither ALiBi nor biases"},
    {"opt", "llama.cpp has no opt models"},
    {"opt_350m", "llama.cpp has no opt models"},
};

static bool gguf_wanted(const setup *s, pt_model *m, const char *file, const pt_export_options *o)
{
    pt_status rc = pt_export_gguf(m, file, o);
    for (size_t i = 0; i < sizeof no_gguf / sizeof *no_gguf; i++) {
        if (strcmp(no_gguf[i].family, s->family)) continue;
        assert_int_equal(rc, PT_ENOSUP);
        assert_non_null(strstr(pt_err_msg(), no_gguf[i].says));
        return false;
    }
    OK(rc);
    return true;
}

/* What llama.cpp's converter writes (verify_families.py convert): numbers of keys, rows of matrices, elements of vectors. A name that we read wrong
 * would be written wrong too, and nothing else here would tell. */
static const struct {
    const char *family, *name;
    double v;
} in_gguf[] = {
    {"phi3", "phi3.rope.dimension_count", 6},
    {"phi3", "phi3.rope.scaling.original_context_length", 256},
    {"phi3", "phi3.rope.scaling.attn_factor", 1.1180340051651}, /* sqrt(1 + ln 4 / ln 256) */
    {"phi3", "phi3.attention.sliding_window", 9},
    {"phi3", "rope_factors_short.weight", 3},
    {"phi3", "rope_factors_long.weight", 3},
    {"phi3", "blk.0.attn_qkv.weight", 64},
    {"phi3", "blk.1.ffn_up.weight", 80},
    {"phi3_long", "phi3.attention.sliding_window", 0},
    {"glm", "chatglm.rope.dimension_count", 6},
    {"glm", "blk.0.attn_q.bias", 36},
    {"glm", "blk.1.ffn_up.weight", 80},
    {"glm4", "glm4.rope.dimension_count", 6},
    {"glm4", "blk.0.post_attention_norm.weight", 32},
    {"stablelm_12b", "blk.0.attn_q_norm.weight", 4},
    {"stablelm_12b", "blk.1.attn_k_norm.weight", 2},
    {"glm4", "blk.1.post_ffw_norm.weight", 32},
    {"chatglm", "chatglm.rope.freq_base", 25000},
    {"olmo_clip", "olmo.attention.clamp_kqv", 0.7},
    {"chatglm", "chatglm.context_length", 128},
    {"chatglm", "chatglm.attention.head_count_kv", 2},
    {"chatglm", "blk.0.attn_qkv.bias", 64},
};

/* The tensors of the first block and those outside of blocks, sorted, ":b" a bias; llama.cpp has loaded each of these files (verify_families.py llama). */
static const struct {
    const char *family, *names;
} tensors_of[] = {
    {"chatglm", "attn_norm attn_output attn_qkv attn_qkv:b ffn_down ffn_norm ffn_up output output_norm token_embd"},
    {"cohere", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_up output_norm token_embd"},
    {"cohere2", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_up output_norm token_embd"},
    {"falcon", "attn_norm attn_norm:b attn_output attn_qkv ffn_down ffn_up output_norm output_norm:b token_embd"},
    {"falcon_new", "attn_norm attn_norm:b attn_norm_2 attn_norm_2:b attn_output attn_qkv ffn_down ffn_up output output_norm output_norm:b token_embd"},
    {"gemma", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_norm ffn_up output_norm token_embd"},
    {"gemma2", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_norm ffn_up output_norm post_attention_norm post_ffw_norm token_embd"},
    {"gemma3_text", "attn_k attn_k_norm attn_norm attn_output attn_q attn_q_norm attn_v ffn_down ffn_gate ffn_norm ffn_up output_norm post_attention_norm post_ffw_norm token_embd"},
    {"glm", "attn_k attn_k:b attn_norm attn_output attn_q attn_q:b attn_v attn_v:b ffn_down ffn_norm ffn_up output output_norm token_embd"},
    {"glm4", "attn_k attn_k:b attn_norm attn_output attn_q attn_q:b attn_v attn_v:b ffn_down ffn_norm ffn_up output output_norm post_attention_norm post_ffw_norm token_embd"},
    {"gpt2", "attn_norm attn_norm:b attn_output attn_output:b attn_qkv attn_qkv:b ffn_down ffn_down:b ffn_norm ffn_norm:b ffn_up ffn_up:b output_norm output_norm:b position_embd token_embd"},
    {"granite", "attn_k attn_k:b attn_norm attn_output attn_output:b attn_q attn_q:b attn_v attn_v:b ffn_down ffn_down:b ffn_gate ffn_gate:b ffn_norm ffn_up ffn_up:b output output_norm token_embd"},
    {"llama", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_norm ffn_up output output_norm rope_freqs token_embd"},
    {"mistral", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_norm ffn_up output output_norm token_embd"},
    {"olmo", "attn_k attn_output attn_q attn_v ffn_down ffn_gate ffn_up output token_embd"},
    {"olmo_clip", "attn_k attn_output attn_q attn_v ffn_down ffn_gate ffn_up output token_embd"},
    {"olmo2", "attn_k attn_k_norm attn_output attn_q attn_q_norm attn_v ffn_down ffn_gate ffn_up output output_norm post_attention_norm post_ffw_norm token_embd"},
    {"phi3", "attn_norm attn_output attn_qkv ffn_down ffn_norm ffn_up output output_norm rope_factors_long rope_factors_short token_embd"},
    {"phi3_long", "attn_norm attn_output attn_qkv ffn_down ffn_norm ffn_up output_norm rope_factors_long rope_factors_short token_embd"},
    {"smollm3", "attn_k attn_norm attn_output attn_q attn_v ffn_down ffn_gate ffn_norm ffn_up output_norm token_embd"},
    {"stablelm", "attn_k attn_k:b attn_norm attn_norm:b attn_output attn_q attn_q:b attn_v attn_v:b ffn_down ffn_gate ffn_norm ffn_norm:b ffn_up output output_norm output_norm:b token_embd"},
    {"stablelm_12b", "attn_k attn_k_norm attn_norm attn_norm:b attn_output attn_q attn_q_norm attn_v ffn_down ffn_gate ffn_up output output_norm output_norm:b token_embd"},
    {"stablelm_parallel", "attn_k attn_k:b attn_norm attn_norm:b attn_output attn_q attn_q:b attn_v attn_v:b ffn_down ffn_gate ffn_up output output_norm output_norm:b token_embd"},
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_tensors(const pt_gguf *g, const char *family)
{
    char kept[64][40], text[1024] = "";
    const char *sorted[64], *want = NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const char *name = g->tensors[i].name;
        if (strncmp(name, "blk.0.", 6) == 0) name += 6;
        if (strncmp(name, "blk.", 4) == 0) continue;
        const char *end = strrchr(name, '.');
        assert_true(n < 64 && end);
        snprintf(kept[n], sizeof kept[n], "%.*s%s", (int)(end - name), name, strcmp(end, ".bias") ? "" : ":b");
        sorted[n] = kept[n];
        n++;
    }
    qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 0; i < n; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", sorted[i]);
    for (size_t i = 0; i < sizeof tensors_of / sizeof *tensors_of; i++)
        if (!strcmp(tensors_of[i].family, family)) want = tensors_of[i].names;
    if (!want || strcmp(want, text)) fail_msg("%s: the GGUF file holds %s, expected %s", family, text, want ? want : "a row of tensors_of");
}

static void check_names(const char *family, const char *file)
{
    pt_gguf *g;
    OK(pt_gguf_open(&g, file));
    check_tensors(g, family);
    for (size_t i = 0; i < sizeof in_gguf / sizeof *in_gguf; i++) {
        const char *name = in_gguf[i].name;
        const pt_gguf_tensor *t = pt_gguf_find_tensor(g, name);
        double v = t ? (double)(t->n_dims > 1 ? t->rows : t->dims[0]) : NAN;
        if (strcmp(family, in_gguf[i].family)) continue;
        if (!t && pt_gguf_find(g, name)) OK(pt_gguf_num(g, name, &v));
        if (!(fabs(v - in_gguf[i].v) <= 1e-6 * in_gguf[i].v)) fail_msg("%s: %s is %g, expected %g", family, name, v, in_gguf[i].v);
    }
    pt_gguf_close(g);
}

static void test_exports(void **state)
{
    const setup *s = *state;
    static char dir[256], adapter[256], merged[300], peft[300], gguf[300], base[300], again[300];
    const char *keep = getenv("PTRAIN_KEEP_EXPORTS");
    json_t *golden = json_at(file_of(s, "golden.json"));
    rows r = rows_sft(golden);
    const pt_seq *row = &r.seq[2];
    const pt_export_options o = {.type = PT_F32, .base_name = s->family};
    float want[128], plain[128], have[128];
    bench b;
    snprintf(dir, sizeof dir, "%s/%s", keep ? keep : scratch_dir, s->family);
    if (keep) OK(pt_dir_make(keep));
    OK(pt_dir_make(dir));
    snprintf(adapter, sizeof adapter, "%s", file_of(s, "adapter"));
    snprintf(merged, sizeof merged, "%s/merged", dir);
    snprintf(peft, sizeof peft, "%s/peft", dir);
    snprintf(gguf, sizeof gguf, "%s/merged.gguf", dir);
    snprintf(base, sizeof base, "%s/base.gguf", dir);
    bench_open(&b, s->ops, PT_COMPUTE_F32, file_of(s, ""), &(pt_model_options){.lora = {.on = true, .start_dir = adapter}, .seed = 1}, &caps);
    OK(pt_model_token_logps(b.m, row->ids, row->n, 0, want));
    OK(pt_model_token_logps(b.m, row->ids, row->n, PT_SLOT_NONE, plain));
    OK(pt_export_hf(b.m, merged, &o));
    OK(pt_export_peft(b.m, peft, &o));
    const bool has_gguf = gguf_wanted(s, b.m, gguf, &o);
    snprintf(again, sizeof again, "%s/lora.gguf", dir);
    if (has_gguf) OK(pt_export_gguf_lora(b.m, again, &o));
    snprintf(again, sizeof again, "%s/of_gguf", dir);
    bench_close(&b);
    logps_of(merged, NULL, row, have);
    near("merged folder", s->family, want, have, row->n - 1);
    logps_of(file_of(s, ""), peft, row, have);
    near("PEFT adapter", s->family, want, have, row->n - 1);
    if (has_gguf) {
        check_names(s->family, gguf);
        logps_of(gguf, NULL, row, have);
        near("merged GGUF", s->family, want, have, row->n - 1);
        bench_open(&b, s->ops, PT_COMPUTE_F32, file_of(s, ""), &(pt_model_options){.seed = 1}, &caps);
        OK(pt_export_gguf(b.m, base, &o));
        bench_close(&b);
        logps_of(base, peft, row, have);
        near("PEFT adapter on the GGUF file", s->family, want, have, row->n - 1);
        bench_open(&b, s->ops, PT_COMPUTE_F32, base, &(pt_model_options){.seed = 1}, &caps);
        OK(pt_export_hf(b.m, again, &o));
        bench_close(&b);
        logps_of(again, NULL, row, have);
        near("folder of the GGUF file", s->family, plain, have, row->n - 1);
    }
    snprintf(again, sizeof again, "%s/converted.gguf", dir); /* llama.cpp's converter of the golden folder, where verify_families.py has run it */
    if (pt_file_exists(again)) {
        check_names(s->family, again);
        logps_of(again, NULL, row, have);
        near("file of llama.cpp's converter", s->family, plain, have, row->n - 1);
        print_message("# %s: llama.cpp's converted file read\n", s->family);
    }
    rows_free(&r);
    json_decref(golden);
}

int main(void)
{
    for (int f = 0; f < N_FAMILIES; f++) {
        setup *s = &setups[n_setups++];
        *s = (setup){families[f], &pt_ops_cpu};
        snprintf(names[n_list], sizeof names[n_list], "%s: exports are read again", families[f]);
        list[n_list] = (struct CMUnitTest){names[n_list], test_exports, NULL, NULL, s};
        n_list++;
    }
    return _cmocka_run_group_tests("exports of model families", list, n_list, scratch_setup, scratch_teardown);
}
