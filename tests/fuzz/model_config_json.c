/* config.json of a model: the shape and switches that it gives; and as the values that exports read and change. */
#include "tests/fuzz/harness.h"

#include <math.h>

#include "checkpoints/hf.h"
#include "train/model/families.h"

static void rope(const pt_model_config *c)
{
    float *f, scale;
    fuzz_assert(pt_calloc(&f, (size_t)c->rot, sizeof *f) == PT_OK);
    pt_rope_frequencies(c, NULL, f, &scale);
    fuzz_touch(f, (size_t)c->rot / 2 * sizeof *f);
    free(f);
}

static void shape(const pt_model_config *c)
{
    pt_tensor_spec *t;
    size_t n;
    int64_t out, in;
    fuzz_accepted++;
    fuzz_assert(pt_family_find(c->family) && pt_config_check(c, "config.json") == PT_OK && pt_config_positions(c) >= 0);
    for (int m = 0; m < PT_MOD_COUNT; m++) {
        pt_module_shape(c, (pt_module)m, &out, &in);
        fuzz_assert(out > 0 && in > 0);
    }
    if (c->scaling != PT_ROPE_SCALE_FREQS) rope(c);
    if (c->layers > 64) return;
    pt_status rc = pt_config_tensors(c, PT_HEAD_VOCABULARY, 0, &t, &n);
    fuzz_clean(rc);
    for (size_t i = 0; rc == PT_OK && i < n; i++) {
        char name[128];
        fuzz_assert(t[i].rows > 0 && t[i].cols > 0 && (!pt_family_of(c)->gguf || pt_tensor_gguf_name(pt_family_of(c), &t[i], name, sizeof name)));
    }
    free(t);
}

static void values(const char *text, size_t n)
{
    static const char *const keys[] = {"eos_token_id", "rope_scaling.factor", "rope_scaling", "architectures", "model_type", "a.b", "..", ""};
    pt_hf *c, *copy;
    pt_status rc = pt_hf_parse(&c, text, n, "config.json");
    fuzz_clean(rc);
    if (rc != PT_OK) return;
    fuzz_clean(pt_hf_edit(&copy, c, "copy.json"));
    for (size_t i = 0; copy && i < sizeof keys / sizeof *keys; i++) {
        int64_t v, *ints = NULL;
        double d, *nums = NULL;
        bool b;
        const char *s;
        size_t k;
        fuzz_clean(pt_hf_int(copy, keys[i], PT_HF_REQUIRED, 0, 100, &v));
        fuzz_clean(pt_hf_num(copy, keys[i], PT_HF_REQUIRED, &d));
        fuzz_clean(pt_hf_bool(copy, keys[i], PT_HF_REQUIRED, &b));
        fuzz_clean(pt_hf_text(copy, keys[i], PT_HF_REQUIRED, &s));
        fuzz_clean(pt_hf_text_at(copy, keys[i], PT_HF_REQUIRED, 0, &s, &k));
        fuzz_clean(pt_hf_ints(copy, keys[i], PT_HF_OPTIONAL, &ints, &k));
        fuzz_clean(pt_hf_nums(copy, keys[i], PT_HF_OPTIONAL, &nums, &k));
        free(ints);
        free(nums);
        fuzz_clean(i % 2 ? pt_hf_set_int(copy, keys[i], 1) : pt_hf_remove(copy, keys[i]));
    }
    pt_hf_close(copy);
    pt_hf_close(c);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    pt_model_config c;
    pt_status rc = pt_config_from_hf(&c, (const char *)bytes, n, "config.json");
    fuzz_clean(rc);
    if (rc == PT_OK) shape(&c);
    values((const char *)bytes, n);
    return 0;
}
