/* Mutated adapter_config.json, adapter tensors and config.json. */
#include "tests/fuzz/mutate.h"

#include "checkpoints/hf.h"
#include "checkpoints/peft.h"

static int opened;
static pt_peft *adapter;

static void run_config(const unsigned char *bytes, size_t n)
{
    static const char *const paths[] = {"model.layers.1.self_attn.q_proj", "model.layers.0.mlp.down_proj", "lm_head", ""};
    pt_peft *p;
    scratch_write(scratch_path("adapter_config.json"), bytes, n);
    pt_status rc = pt_peft_read(&p, scratch_dir);
    fuzz_clean(rc);
    assert_true((p != NULL) == (rc == PT_OK));
    if (!p) return;
    opened++;
    for (int i = 0; i < 4; i++) {
        bool hit;
        int64_t r;
        double alpha, scale;
        fuzz_clean(pt_peft_targets(p, paths[i], &hit));
        fuzz_clean(pt_peft_scale(p, paths[i], &r, &alpha, &scale));
        assert_true(r >= 1);
    }
    if (opened % 8 == 0) fuzz_clean(pt_peft_write(p, scratch_path("out")));
    pt_peft_free(p);
}

static void run_tensors(const unsigned char *bytes, size_t n)
{
    pt_st *st;
    scratch_write(scratch_path("adapter_model.safetensors"), bytes, n);
    pt_status rc = pt_peft_open_tensors(adapter, &st, scratch_dir);
    fuzz_clean(rc);
    assert_true((st != NULL) == (rc == PT_OK));
    opened += st != NULL;
    pt_st_close(st);
}

static void run_hf(const unsigned char *bytes, size_t n)
{
    static const char *const keys[] = {"a",  "a.b", "list", "r", "lora_alpha", "target_modules", "rank_pattern.q_proj",
                                       "..", ""};
    pt_hf *c;
    pt_status rc = pt_hf_parse(&c, (const char *)bytes, n, "config.json");
    fuzz_clean(rc);
    if (rc != PT_OK) return;
    opened++;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t v, *ints = NULL;
        double d, *nums = NULL;
        bool b;
        const char *s;
        size_t k;
        fuzz_clean(pt_hf_int(c, keys[i], PT_HF_REQUIRED, 0, 100, &v));
        fuzz_clean(pt_hf_num(c, keys[i], PT_HF_REQUIRED, &d));
        fuzz_clean(pt_hf_bool(c, keys[i], PT_HF_REQUIRED, &b));
        fuzz_clean(pt_hf_text(c, keys[i], PT_HF_REQUIRED, &s));
        fuzz_clean(pt_hf_text_at(c, keys[i], PT_HF_REQUIRED, 0, &s, &k));
        fuzz_clean(pt_hf_ints(c, keys[i], PT_HF_OPTIONAL, &ints, &k));
        fuzz_clean(pt_hf_nums(c, keys[i], PT_HF_OPTIONAL, &nums, &k));
        free(ints);
        free(nums);
        fuzz_clean(pt_hf_set_int(c, keys[i], 1));
        fuzz_clean(pt_hf_remove(c, keys[i]));
    }
    pt_hf_close(c);
}

static void mutated_configs(void **state)
{
    assert_int_equal(pt_dir_make(scratch_path("out")), PT_OK);
    fuzz_memory_file(scratch_path("adapter_config.json"));
    fuzz_file("tests/golden/data/peft_adapter/adapter_config.json", 1500, run_config);
    assert_true(opened > 10);
}

static void mutated_tensors(void **state)
{
    opened = 0;
    fuzz_memory_file(scratch_path("adapter_model.safetensors"));
    assert_int_equal(pt_peft_read(&adapter, "tests/golden/data/peft_adapter"), PT_OK);
    fuzz_file("tests/golden/data/peft_adapter/adapter_model.safetensors", 2000, run_tensors);
    pt_peft_free(adapter);
    assert_true(opened > 10);
}

static void mutated_json(void **state)
{
    opened = 0;
    fuzz_file("tests/golden/data/peft_adapter/adapter_config.json", 4000, run_hf);
    assert_true(opened > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutated_configs), cmocka_unit_test(mutated_tensors),
                                       cmocka_unit_test(mutated_json)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
