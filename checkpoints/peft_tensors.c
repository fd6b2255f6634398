/* Names and checks of adapter_model.safetensors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/quant.h"
#include "checkpoints/peft.h"

static const char prefix[] = "base_model.model.";

pt_status pt_peft_tensor_name(char **out, const char *path, pt_peft_part part)
{
    const char *tail = part == PT_PEFT_A ? ".lora_A.weight" : part == PT_PEFT_B ? ".lora_B.weight" : part == PT_PEFT_ROWS ? PT_PEFT_ROWS_TAIL : "";
    return pt_asprintf(out, "%s%s%s", prefix, path, tail);
}

/* Cuts `tail` off a text of n bytes. */
static bool cut_tail(const char *s, size_t *n, const char *tail)
{
    size_t k = strlen(tail);
    if (*n <= k || memcmp(s + *n - k, tail, k)) return false;
    *n -= k;
    return true;
}

/* "score.modules_to_save.default.weight" is "score.weight" in older files. */
static pt_status saved_path(const char *s, size_t n, char **path)
{
    static const char middle[] = ".modules_to_save.default";
    PT_RETURN(pt_strndup(path, s, n));
    char *at = strstr(*path, middle);
    if (at) memmove(at, at + sizeof middle - 1, strlen(at + sizeof middle - 1) + 1);
    return PT_OK;
}

pt_status pt_peft_parse_name(const char *name, char **path, pt_peft_part *part)
{
    size_t n = strlen(name), k = sizeof prefix - 1;
    *path = NULL;
    if (n <= k || memcmp(name, prefix, k)) return pt_fail(PT_ENOSUP, "tensor '%s' does not start with '%s'", name, prefix);
    const char *s = name + k;
    n -= k;
    if (cut_tail(s, &n, ".lora_A.weight") || cut_tail(s, &n, ".lora_A.default.weight")) *part = PT_PEFT_A;
    else if (cut_tail(s, &n, ".lora_B.weight") || cut_tail(s, &n, ".lora_B.default.weight")) *part = PT_PEFT_B;
    else if (cut_tail(s, &n, PT_PEFT_ROWS_TAIL) || cut_tail(s, &n, PT_PEFT_ROWS_TAIL ".default")) *part = PT_PEFT_ROWS;
    else if (strstr(s, "lora_") || strstr(s, ".base_layer.") ||
             (strcmp(s + n - (n < 7 ? n : 7), ".weight") && strcmp(s + n - (n < 5 ? n : 5), ".bias")))
        return pt_fail(PT_ENOSUP, "tensor '%s' is neither a LoRA matrix of a linear layer nor a saved module", name);
    else *part = PT_PEFT_SAVED;
    return *part == PT_PEFT_SAVED ? saved_path(s, n, path) : pt_strndup(path, s, n);
}

pt_status pt_peft_find(const pt_st *st, const char *path, pt_peft_part part, const pt_st_tensor **out)
{
    pt_status rc = PT_OK;
    char *name = NULL, *other = NULL;
    const char *dot = strrchr(path, '.');
    PT_TRY(pt_peft_tensor_name(&name, path, part));
    *out = pt_st_find(st, name);
    if (*out) goto done;
    if (part == PT_PEFT_SAVED)
        PT_TRY(
            pt_asprintf(&other, "%s%.*s.modules_to_save.default%s", prefix, dot ? (int)(dot - path) : 0, path, dot ? dot : ""));
    else if (part == PT_PEFT_ROWS) PT_TRY(pt_asprintf(&other, "%s%s%s.default", prefix, path, PT_PEFT_ROWS_TAIL));
    else PT_TRY(pt_asprintf(&other, "%s%s.lora_%c.default.weight", prefix, path, part == PT_PEFT_A ? 'A' : 'B'));
    *out = pt_st_find(st, other);
done:
    free(name);
    free(other);
    return rc;
}

static pt_status check_finite(const pt_st_tensor *t)
{
    float x[256];
    const size_t size = pt_dtype_get(t->type)->bytes;
    for (int64_t i = 0; i < t->count; i += 256) {
        int64_t n = t->count - i < 256 ? t->count - i : 256;
        PT_RETURN(pt_dequant_rows(t->type, t->data + (size_t)i * size, 1, n, x));
        for (int64_t j = 0; j < n; j++)
            if (!isfinite(x[j]))
                return pt_fail(PT_ENONFINITE, "%s: element %lld of tensor '%s' is %g", t->file, (long long)(i + j), t->name,
                               (double)x[j]);
    }
    return PT_OK;
}

/* Shape of one half of a LoRA pair, and that the other half is there. */
static pt_status check_half(const pt_peft *p, const pt_st *st, const pt_st_tensor *t, const char *path, pt_peft_part part)
{
    const pt_st_tensor *other;
    int64_t r;
    double alpha, scale;
    PT_RETURN(pt_peft_scale(p, path, &r, &alpha, &scale));
    if (t->n_dims != 2 || t->dims[part == PT_PEFT_A ? 0 : 1] != r || t->count == 0)
        return pt_fail(PT_ESHAPE, "%s: tensor '%s' does not have rank %lld, which adapter_config.json gives its module",
                       t->file, t->name, (long long)r);
    PT_RETURN(pt_peft_find(st, path, part == PT_PEFT_A ? PT_PEFT_B : PT_PEFT_A, &other));
    if (!other)
        return pt_fail(PT_EFORMAT, "%s: tensor '%s' has no lora_%c beside it", t->file, t->name, part == PT_PEFT_A ? 'B' : 'A');
    return PT_OK;
}

/* The seal, and the configuration beside it: people edit that one (a new place of the base, another scale), so a difference is only said. */
static pt_status check_ours(const pt_peft *p, const pt_st *st, const char *folder)
{
    char digest[17];
    const char *saved = pt_st_meta(st, PT_PEFT_DIGEST_KEY);
    PT_RETURN(pt_st_verify(st));
    if (!saved) return PT_OK;
    PT_RETURN(pt_peft_digest(p, digest));
    if (strcmp(saved, digest))
        pt_log(PT_LOG_WARN, "%s/adapter_config.json has another rank, alpha or list of modules than the adapter was saved with: edited, or damaged",
               folder);
    return PT_OK;
}

pt_status pt_peft_open_tensors(const pt_peft *p, pt_st **out, const char *folder)
{
    pt_status rc = PT_OK;
    char *file = NULL, *pickle = NULL, *path = NULL;
    pt_st *st = NULL;
    *out = NULL;
    PT_TRY(pt_path_join(&file, folder, "adapter_model.safetensors"));
    PT_TRY(pt_path_join(&pickle, folder, "adapter_model.bin"));
    PT_CHECK(pt_file_given(file) || !pt_file_given(pickle), PT_ENOSUP,
             "%s is not read; load the adapter in PEFT and save it again (safetensors)", pickle);
    PT_TRY(pt_st_open(&st, file));
    PT_TRY(check_ours(p, st, folder));
    for (size_t i = 0; i < st->n_tensors; i++) {
        const pt_st_tensor *t;
        pt_peft_part part;
        PT_TRY(pt_st_need(st, st->tensors[i].name, &t));
        rc = pt_peft_parse_name(t->name, &path, &part);
        if (rc != PT_OK) pt_fail_prefix(rc, "%s", file);
        PT_TRY(rc);
        if (part < PT_PEFT_SAVED) PT_TRY(check_half(p, st, t, path, part));
        PT_TRY(check_finite(t));
        free(path);
        path = NULL;
    }
    *out = st;
    st = NULL;
done:
    pt_st_close(st);
    free(file);
    free(pickle);
    free(path);
    return rc;
}
