/* A PEFT adapter's folder: adapter_config.json, 0xff, adapter_model.safetensors. Without the second part the tensors of the golden adapter
 * stand there. */
#include "tests/fuzz/harness.h"

#include "checkpoints/peft.h"

static void ask(const pt_peft *p)
{
    static const char *const paths[] = {"model.layers.1.self_attn.q_proj", "model.layers.0.mlp.down_proj", "lm_head", ""};
    char digest[17];
    fuzz_clean(pt_peft_digest(p, digest));
    for (int i = 0; i < 4; i++) {
        bool hit;
        int64_t r;
        double alpha, scale;
        fuzz_clean(pt_peft_targets(p, paths[i], &hit));
        pt_status rc = pt_peft_scale(p, paths[i], &r, &alpha, &scale);
        fuzz_clean(rc);
        fuzz_assert(rc != PT_OK || r >= 1);
    }
}

/* What is written reads as the same adapter. */
static void again(const pt_peft *p)
{
    pt_peft *q;
    char a[17], b[17];
    fuzz_assert(pt_dir_make(fuzz_path("out")) == PT_OK);
    pt_status rc = pt_peft_write(p, fuzz_path("out"));
    fuzz_clean(rc);
    if (rc != PT_OK) return;
    rc = pt_peft_read(&q, fuzz_path("out"));
    if (rc != PT_OK) fuzz_fail("%s", pt_err_msg());
    fuzz_clean(pt_peft_digest(p, a));
    fuzz_clean(pt_peft_digest(q, b));
    if (strcmp(a, b)) fuzz_fail("the adapter was written as another");
    pt_peft_free(q);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static char *tensors;
    static size_t tensors_n;
    fuzz_part part[2];
    pt_peft *p;
    pt_st *st;
    if (!tensors) fuzz_assert(pt_file_read(&tensors, &tensors_n, "tests/golden/data/peft_adapter/adapter_model.safetensors", 1 << 20) == PT_OK);
    size_t parts = fuzz_split(bytes, n, part, 2);
    fuzz_put("adapter_config.json", part[0].at, part[0].n);
    pt_status rc = pt_peft_read(&p, fuzz_dir());
    fuzz_clean(rc);
    fuzz_assert((p != NULL) == (rc == PT_OK));
    if (!p) return 0;
    fuzz_accepted++;
    ask(p);
    if (parts > 1) fuzz_put("adapter_model.safetensors", part[1].at, part[1].n);
    else fuzz_put("adapter_model.safetensors", tensors, tensors_n);
    rc = pt_peft_open_tensors(p, &st, fuzz_dir());
    fuzz_clean(rc);
    fuzz_assert((st != NULL) == (rc == PT_OK));
    for (size_t i = 0; st && i < st->n_tensors; i++) {
        char *path;
        const pt_st_tensor *found;
        pt_peft_part what;
        fuzz_assert(pt_peft_parse_name(st->tensors[i].name, &path, &what) == PT_OK);
        fuzz_clean(pt_peft_find(st, path, what, &found));
        free(path);
    }
    pt_st_close(st);
    if (n % 8 == 0) again(p);
    pt_peft_free(p);
    return 0;
}
