#include "train/cli/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "checkpoints/peft.h"

pt_status pt_place_fail(pt_place at, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (at.line <= 0) return pt_fail(PT_EARG, "%s: %s", at.file, text);
    return pt_fail(PT_EARG, "%s:%d:%d: %s", at.file, at.line, at.column, text);
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++) free(list[i]);
    free(list);
}

pt_status pt_value_list(pt_place at, const char *key, const pt_ynode *n, char ***out, size_t *out_n)
{
    if (n->kind == PT_YMAP) return pt_place_fail(at, "%s takes a list, not a mapping", key);
    size_t count = n->kind == PT_YSEQ ? n->n : 1;
    char **list;
    PT_RETURN(pt_alloc0(&list, count));
    pt_status rc = PT_OK;
    for (size_t i = 0; i < count && rc == PT_OK; i++) {
        const pt_ynode *item = n->kind == PT_YSEQ ? n->items[i] : n;
        rc = pt_value_string((pt_place){at.file, item->line, item->column}, key, item, &list[i]);
    }
    if (rc != PT_OK) {
        free_list(list, count);
        return rc;
    }
    free_list(*out, *out_n);
    *out = list;
    *out_n = count;
    return PT_OK;
}

static pt_status check_regex(pt_place at, const char *key, const char *text)
{
    pt_peft *p = NULL;
    PT_RETURN(pt_peft_new(&p, 1, 1));
    pt_status rc = pt_peft_set_target_regex(p, text);
    pt_peft_free(p);
    return rc == PT_EARG ? pt_place_fail(at, "%s: %s", key, pt_err_msg()) : rc; /* memory is no fault of the text */
}

/* LLaMA-Factory writes a list as "q_proj,v_proj"; regular expressions may hold commas too. */
static pt_status split_names(const char *text, char ***list, size_t *n)
{
    pt_status rc = PT_OK;
    size_t cap = 0;
    for (const char *s = text; *s;) {
        size_t len = strcspn(s, ","), skip = strspn(s, " "), end = len;
        while (end > skip && s[end - 1] == ' ') end--;
        if (end > skip) {
            PT_TRY(pt_reserve(list, &cap, *n + 1));
            PT_TRY(pt_strndup(&(*list)[*n], s + skip, end - skip));
            ++*n;
        }
        s += len + (s[len] == ',');
    }
done:
    return rc;
}

pt_status pt_value_targets(pt_place at, const char *key, const pt_ynode *n, char ***out, size_t *out_n)
{
    pt_status rc = PT_OK;
    char **list = NULL;
    size_t count = 0;
    PT_TRY(pt_value_list(at, key, n, &list, &count));
    for (size_t i = 0; i < count; i++) {
        const pt_ynode *item = n->kind == PT_YSEQ ? n->items[i] : n;
        pt_place here = at.line > 0 ? (pt_place){at.file, item->line, item->column} : at;
        if (!pt_peft_is_regex(list[i])) continue;
        if (count == 1) PT_TRY(check_regex(here, key, list[i]));
        else PT_TRY(pt_place_fail(here, "%s: '%s' is no module name, and beside others only names match; a regular expression stands alone", key, list[i]));
    }
    if (n->kind == PT_YSCALAR && !pt_peft_is_regex(n->text) && strchr(n->text, ',')) {
        free_list(list, count);
        list = NULL;
        count = 0;
        PT_TRY(split_names(n->text, &list, &count));
    }
    free_list(*out, *out_n);
    *out = list;
    *out_n = count;
    list = NULL;
    count = 0;
done:
    free_list(list, count);
    return rc;
}

static pt_status add_token(pt_place at, const char *key, const char *name, const pt_ynode *v, char ***names, char ***texts, size_t n)
{
    pt_status rc = PT_OK;
    size_t cap_names = n, cap_texts = n;
    char *copy = NULL, *text = NULL;
    PT_TRY(pt_value_string(at, key, v, &text));
    PT_TRY(pt_strdup(&copy, name));
    PT_TRY(pt_reserve(names, &cap_names, n + 1));
    PT_TRY(pt_reserve(texts, &cap_texts, n + 1));
    (*names)[n] = copy;
    (*texts)[n] = text;
    copy = text = NULL;
done:
    free(copy);
    free(text);
    return rc;
}

pt_status pt_value_tokens(pt_place at, const char *key, const pt_ynode *n, char ***names, char ***texts, size_t *out_n)
{
    pt_status rc = PT_OK;
    if (n->kind != PT_YMAP) return pt_place_fail(at, "%s takes a mapping", key);
    free_list(*names, *out_n);
    free_list(*texts, *out_n);
    *names = *texts = NULL;
    *out_n = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (pt_yaml_is_null(n->items[i])) continue;
        PT_TRY(add_token((pt_place){at.file, n->key_line[i], n->key_column[i]}, key, n->keys[i], n->items[i], names, texts, *out_n));
        ++*out_n;
    }
done:
    return rc;
}

/* ---- model_config ----------------------------------------------------------------------------------------------- */

pt_status pt_value_model(const char *file, const pt_ynode *n, pt_init_config *c)
{
    struct { const char *name; int *field; } ints[] = {
        {"hidden_size", &c->hidden_size}, {"intermediate_size", &c->intermediate_size}, {"num_hidden_layers", &c->num_hidden_layers},
        {"num_attention_heads", &c->num_attention_heads}, {"num_key_value_heads", &c->num_key_value_heads}, {"head_dim", &c->head_dim},
        {"vocab_size", &c->vocab_size}, {"sliding_window", &c->sliding_window}, {"max_position_embeddings", &c->max_position_embeddings}};
    struct { const char *name; double *field; } numbers[] = {
        {"rope_theta", &c->rope_theta}, {"rms_norm_eps", &c->rms_norm_eps}, {"initializer_range", &c->initializer_range}};
    if (n->kind != PT_YMAP) return pt_place_fail((pt_place){file, n->line, n->column}, "model_config takes a mapping");
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        bool found = pt_yaml_is_null(n->items[i]);
        for (size_t k = 0; k < sizeof ints / sizeof *ints && !found; k++)
            if ((found = !strcmp(key, ints[k].name))) PT_RETURN(pt_value_int(at, key, n->items[i], 0, 1 << 28, ints[k].field));
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers && !found; k++)
            if ((found = !strcmp(key, numbers[k].name))) PT_RETURN(pt_value_number(at, key, n->items[i], 1e-12, 1e12, numbers[k].field));
        if (!found && (found = !strcmp(key, "family"))) PT_RETURN(pt_value_string(at, key, n->items[i], &c->family));
        if (!found && (found = !strcmp(key, "tie_word_embeddings"))) PT_RETURN(pt_value_bool(at, key, n->items[i], &c->tie_word_embeddings));
        if (!found) return pt_place_fail(at, "model_config does not know %s; see `ptrain help model_config`", key);
    }
    return PT_OK;
}
