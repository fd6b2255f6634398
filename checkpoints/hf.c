#include "checkpoints/hf.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/folder.h"
#include "checkpoints/json_file.h"

struct pt_hf {
    char *path;
    json_t *root;
};

/* Takes over root. */
static pt_status make(pt_hf **out, const char *path, json_t *root)
{
    pt_status rc = PT_OK;
    pt_hf *c = NULL;
    PT_TRY(pt_alloc0(&c, 1));
    c->root = root;
    PT_TRY(pt_strdup(&c->path, path));
    *out = c;
    return PT_OK;
done:
    if (!c) json_decref(root);
    pt_hf_close(c);
    return rc;
}

pt_status pt_hf_open(pt_hf **out, const char *folder, const char *file)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *root;
    *out = NULL;
    PT_TRY(pt_path_join(&path, folder, file));
    PT_TRY(pt_json_read(&root, path, 0));
    PT_TRY(make(out, path, root));
done:
    free(path);
    return rc;
}

pt_status pt_hf_parse(pt_hf **out, const char *json, size_t n, const char *name)
{
    json_t *root;
    *out = NULL;
    PT_RETURN(pt_json_parse(&root, json, n, name, PT_JSON_OBJECT));
    return make(out, name, root);
}

void pt_hf_close(pt_hf *c)
{
    if (!c) return;
    json_decref(c->root);
    free(c->path);
    free(c);
}

const char *pt_hf_path(const pt_hf *c)
{
    return c->path;
}

enum { MAX_NAME = 128 };

/* Copies the next name of a dotted path (cut at MAX_NAME - 1 bytes; our keys are short); the rest, or NULL after the last. */
static const char *next_name(const char *key, char name[MAX_NAME])
{
    size_t n = strcspn(key, "."), keep = n < MAX_NAME ? n : MAX_NAME - 1;
    memcpy(name, key, keep);
    name[keep] = 0;
    return key[n] ? key + n + 1 : NULL;
}

/* NULL when missing or null. */
static json_t *look_up(const pt_hf *c, const char *key)
{
    json_t *j = c->root;
    char name[MAX_NAME];
    for (const char *rest = key; rest && j;) {
        rest = next_name(rest, name);
        j = json_object_get(j, name);
    }
    return json_is_null(j) ? NULL : j;
}

static pt_status missing(const pt_hf *c, const char *key, pt_hf_need need)
{
    return need == PT_HF_OPTIONAL ? PT_OK : pt_fail(PT_EFORMAT, "%s: %s is missing", c->path, key);
}

static pt_status wrong(const pt_hf *c, const char *key, const json_t *j, const char *want)
{
    return pt_fail(PT_EFORMAT, "%s: %s is %s, not %s", c->path, key, pt_json_kind(j), want);
}

bool pt_hf_has(const pt_hf *c, const char *key)
{
    return look_up(c, key) != NULL;
}

/* Integers, and numbers such as 1e6 that are whole. */
static bool whole(const json_t *j, int64_t *out)
{
    if (json_is_integer(j)) return *out = json_integer_value(j), true;
    double v = json_is_real(j) ? json_real_value(j) : 0.5;
    if (v != floor(v) || fabs(v) > 0x1p53) return false;
    *out = (int64_t)v;
    return true;
}

pt_status pt_hf_int(const pt_hf *c, const char *key, pt_hf_need need, int64_t lo, int64_t hi, int64_t *out)
{
    const json_t *j = look_up(c, key);
    int64_t v;
    if (!j) return missing(c, key, need);
    if (!whole(j, &v)) return wrong(c, key, j, "an integer");
    if (v < lo || v > hi)
        return pt_fail(PT_EFORMAT, "%s: %s is %lld; it must lie in %lld..%lld", c->path, key, (long long)v, (long long)lo,
                       (long long)hi);
    *out = v;
    return PT_OK;
}

pt_status pt_hf_num(const pt_hf *c, const char *key, pt_hf_need need, double *out)
{
    const json_t *j = look_up(c, key);
    if (!j) return missing(c, key, need);
    if (!json_is_number(j)) return wrong(c, key, j, "a number");
    *out = json_number_value(j);
    return PT_OK;
}

pt_status pt_hf_bool(const pt_hf *c, const char *key, pt_hf_need need, bool *out)
{
    const json_t *j = look_up(c, key);
    if (!j) return missing(c, key, need);
    if (!json_is_boolean(j)) return wrong(c, key, j, "true or false");
    *out = json_is_true(j);
    return PT_OK;
}

pt_status pt_hf_text(const pt_hf *c, const char *key, pt_hf_need need, const char **out)
{
    const json_t *j = look_up(c, key);
    if (!j) return missing(c, key, need);
    if (!json_is_string(j)) return wrong(c, key, j, "a text");
    *out = json_string_value(j);
    return PT_OK;
}

pt_status pt_hf_ints(const pt_hf *c, const char *key, pt_hf_need need, int64_t **out, size_t *n)
{
    json_t *j = look_up(c, key);
    int64_t *v = NULL;
    if (!j) return missing(c, key, need);
    size_t count = json_is_array(j) ? json_array_size(j) : 1;
    PT_RETURN(pt_alloc0(&v, count));
    for (size_t i = 0; i < count; i++) {
        const json_t *e = json_is_array(j) ? json_array_get(j, i) : j;
        if (whole(e, &v[i])) continue;
        free(v);
        return wrong(c, key, e, "an integer or a list of integers");
    }
    free(*out);
    *out = v;
    *n = count;
    return PT_OK;
}

pt_status pt_hf_nums(const pt_hf *c, const char *key, pt_hf_need need, double **out, size_t *n)
{
    json_t *j = look_up(c, key);
    double *v = NULL;
    if (!j) return missing(c, key, need);
    if (!json_is_array(j)) return wrong(c, key, j, "a list of numbers");
    PT_RETURN(pt_alloc0(&v, json_array_size(j)));
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *e = json_array_get(j, i);
        v[i] = json_number_value(e);
        if (json_is_number(e)) continue;
        free(v);
        return wrong(c, key, e, "a list of numbers");
    }
    free(*out);
    *out = v;
    *n = json_array_size(j);
    return PT_OK;
}

pt_status pt_hf_text_at(const pt_hf *c, const char *key, pt_hf_need need, size_t i, const char **out, size_t *n)
{
    const json_t *j = look_up(c, key);
    *n = 0;
    if (!j) return missing(c, key, need);
    if (!json_is_array(j)) return wrong(c, key, j, "a list of texts");
    *n = json_array_size(j);
    const json_t *e = json_array_get(j, i);
    if (!e && need == PT_HF_OPTIONAL) return PT_OK;
    if (!e) return pt_fail(PT_EFORMAT, "%s: %s has %zu elements, element %zu is asked for", c->path, key, *n, i);
    if (!json_is_string(e)) return wrong(c, key, e, "a list of texts");
    *out = json_string_value(e);
    return PT_OK;
}

pt_status pt_hf_edit(pt_hf **out, const pt_hf *base, const char *name)
{
    json_t *root = base ? json_deep_copy(base->root) : json_object();
    *out = NULL;
    return root ? make(out, name, root) : pt_fail(PT_ENOMEM, "out of memory: a copy of %s", name);
}

/* Puts v, which is taken over (NULL: it could not be made), at the path. */
static pt_status put(pt_hf *c, const char *key, json_t *v)
{
    json_t *at = c->root;
    char name[MAX_NAME];
    const char *rest = next_name(key, name);
    for (; rest; rest = next_name(rest, name)) {
        json_t *next = json_object_get(at, name);
        if (!json_is_object(next) || pt_json_odd(next)) {
            next = json_object();
            if (json_object_set_new(at, name, next)) break;
        }
        at = next;
    }
    if (!rest && !json_object_set_new(at, name, v)) return PT_OK; /* takes v over, done or not */
    if (rest) json_decref(v);
    return pt_fail(PT_EARG, "%s: cannot set %s (text that is not UTF-8, or out of memory)", c->path, key);
}

pt_status pt_hf_set_int(pt_hf *c, const char *key, int64_t v)
{
    return put(c, key, json_integer(v));
}

pt_status pt_hf_set_num(pt_hf *c, const char *key, double v)
{
    return put(c, key, json_real(v));
}

pt_status pt_hf_set_bool(pt_hf *c, const char *key, bool v)
{
    return put(c, key, json_boolean(v));
}

pt_status pt_hf_set_null(pt_hf *c, const char *key)
{
    return put(c, key, json_null());
}

pt_status pt_hf_set_text(pt_hf *c, const char *key, const char *v)
{
    return put(c, key, json_string(v));
}

pt_status pt_hf_set_texts(pt_hf *c, const char *key, const char *const *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_string(v[i]))) {
            json_decref(list);
            return pt_fail(PT_EARG, "%s: cannot set %s (text that is not UTF-8, or out of memory)", c->path, key);
        }
    return put(c, key, list);
}

pt_status pt_hf_set_ints(pt_hf *c, const char *key, const int64_t *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_integer(v[i]))) {
            json_decref(list);
            return pt_fail(PT_ENOMEM, "out of memory: %s of %s", key, c->path);
        }
    return put(c, key, list);
}

pt_status pt_hf_set_nums(pt_hf *c, const char *key, const double *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_real(v[i]))) {
            json_decref(list);
            return pt_fail(PT_ENOMEM, "out of memory, or not finite: %s of %s", key, c->path);
        }
    return put(c, key, list);
}

pt_status pt_hf_set_member(pt_hf *c, const char *key, const char *name, int64_t v)
{
    json_t *at = json_object_get(c->root, key);
    if (!json_is_object(at)) {
        PT_RETURN(put(c, key, json_object()));
        at = json_object_get(c->root, key);
    }
    return json_object_set_new(at, name, json_integer(v)) ? pt_fail(PT_EFORMAT, "%s of %s: '%s' is no valid UTF-8, or memory is out", key, c->path, name) : PT_OK;
}

pt_status pt_hf_remove(pt_hf *c, const char *key)
{
    json_t *at = c->root;
    char name[MAX_NAME];
    const char *rest = next_name(key, name);
    for (; rest && at; rest = next_name(rest, name)) at = json_object_get(at, name);
    if (json_object_get(at, name)) json_object_del(at, name);
    return PT_OK;
}

pt_status pt_hf_write(const pt_hf *c, const char *folder, const char *file)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    PT_TRY(pt_path_join(&path, folder, file));
    PT_TRY(pt_json_write(c->root, path));
done:
    free(path);
    return rc;
}

pt_status pt_hf_folder_open(pt_hf_folder *f, const char *path, bool replace)
{
    pt_status rc = PT_OK;
    *f = (pt_hf_folder){0};
    PT_CHECK(!pt_file_exists(path), PT_EARG, "%s is a file; choose another folder", path);
    PT_CHECK(replace || pt_folder_empty(path), PT_EARG, "%s exists and is not empty; choose another folder", path);
    PT_TRY(pt_strdup(&f->path, path));
    PT_TRY(pt_folder_begin(&f->tmp, path));
    return PT_OK;
done:
    pt_hf_folder_close(f);
    return rc;
}

pt_status pt_hf_folder_copy(pt_hf_folder *f, const char *from_path, const char *name)
{
    pt_status rc = PT_OK;
    pt_map m = {0};
    char *to = NULL;
    PT_TRY(pt_map_open(&m, from_path));
    PT_TRY(pt_path_join(&to, f->tmp, name));
    PT_TRY(pt_file_write_whole(to, m.data, m.bytes));
done:
    pt_map_close(&m);
    free(to);
    return rc;
}

pt_status pt_hf_folder_copy_tokenizer(pt_hf_folder *f, const char *from, int *n)
{
    static const char *const names[] = {"tokenizer.json",    "tokenizer_config.json",
                                        "tokenizer.model",   "special_tokens_map.json",
                                        "added_tokens.json", "vocab.json",
                                        "merges.txt",        "chat_template.jinja"};
    pt_status rc = PT_OK;
    char *path = NULL;
    int count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PT_TRY(pt_path_join(&path, from, names[i]));
        if (pt_file_given(path)) {
            PT_TRY(pt_hf_folder_copy(f, path, names[i]));
            count++;
        }
        free(path);
        path = NULL;
    }
    if (n) *n = count;
done:
    free(path);
    return rc;
}

pt_status pt_hf_folder_copy_code(pt_hf_folder *f, const char *from)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    DIR *d = opendir(from);
    PT_CHECK(d, PT_EIO, "%s: cannot be listed: %s", from, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcmp(e->d_name + n - 3, ".py")) continue;
        free(path);
        path = NULL;
        PT_TRY(pt_path_join(&path, from, e->d_name));
        PT_TRY(pt_hf_folder_copy(f, path, e->d_name));
    }
done:
    if (d) closedir(d);
    free(path);
    return rc;
}

pt_status pt_hf_folder_commit(pt_hf_folder *f)
{
    PT_RETURN(pt_folder_commit(f->tmp, f->path));
    free(f->tmp);
    f->tmp = NULL;
    return PT_OK;
}

void pt_hf_folder_close(pt_hf_folder *f)
{
    if (f->tmp) (void)pt_dir_remove(f->tmp);
    free(f->tmp);
    free(f->path);
    *f = (pt_hf_folder){0};
}
