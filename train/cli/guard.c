/* Where a command may write. Nothing that a model, a run or somebody's data is made of is replaced; an earlier export of ours is, as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "checkpoints/gguf.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/seal.h"
#include "data/read/data_key.h"
#include "data/read/read_paths.h"
#include "train/cli/open.h"

/* What an export may leave in a folder, and what readers would take in place of it or together with it. */
static const char *const written[] = {
    "adapter_model.safetensors", "adapter_config.json",    "model.safetensors", "config.json",         "generation_config.json", "tokenizer.json",
    "tokenizer_config.json",     "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "tokenizer.model",        "vocab.json",
    "merges.txt"};
static const char *const rivals[] = {"model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin"};
/* What makes a folder a run's or a checkpoint's. */
static const char *const of_runs[] = {"metrics.jsonl", "state.json"};
/* Names of files that rows never go into. */
static const char *const of_models[] = {"*.safetensors", "*.safetensors.index.json", "*.gguf",     "*.bin",       "*.model",     "*.jinja",
                                        "*.yaml",        "*.yml",                    "config.json", "adapter_config.json", "generation_config.json",
                                        "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
                                        "metrics.jsonl", "profiles.json", "state.json", "*.h5", "*.hdf5"};
#define COUNT(list) (sizeof(list) / sizeof *(list))
_Static_assert(COUNT(written) <= PT_GUARD_NAMES, "pt_guard has a place for each name");

static bool same(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A file that a reader's key names. */
static pt_status look_key(const pt_dataset_spec *d, const pt_data_key *k, pt_status (*look)(void *, const char *, const char *), void *user)
{
    char what[96];
    snprintf(what, sizeof what, "the %s of a data set", k->key);
    return k->kind == PT_DATA_FILE ? look(user, pt_dataset_says(d, k->key), what) : PT_OK;
}

/* A data set's files, where they can be found: reading them says what is wrong. */
static pt_status look_files(const pt_dataset_spec *d, pt_status (*look)(void *, const char *, const char *), void *user)
{
    pt_paths files;
    pt_status rc = look(user, d->path, "a data set");
    if (rc != PT_OK) return rc;
    if (pt_paths_of(d, &files) != PT_OK) return pt_err_forgive(PT_EIO);
    for (size_t i = 0; i < files.n && rc == PT_OK; i++) rc = look(user, files.list[i], "a data set");
    pt_paths_free(&files);
    return rc;
}

/* Every file and folder that the command reads, with a word for it. */
static pt_status each_input(const pt_cli *c, const pt_opened *o, pt_status (*look)(void *, const char *, const char *), void *user)
{
    const pt_config *cfg = o ? o->cfg : NULL;
    for (int i = 0; i < c->n_args; i++) PT_RETURN(look(user, c->args[i], "what the command reads"));
    for (int i = 0; i < c->adapters.n; i++) PT_RETURN(look(user, c->adapters.at[i], "the adapter"));
    PT_RETURN(look(user, c->input, "the input"));
    PT_RETURN(look(user, c->imatrix, "the importances"));
    PT_RETURN(look(user, c->eval_data, "the evaluation data"));
    if (!cfg) return PT_OK;
    PT_RETURN(look(user, cfg->model.base_model, "the base model"));
    PT_RETURN(look(user, o->trained_from, "the base model"));
    PT_RETURN(look(user, cfg->model.tokenizer, "the tokenizer"));
    PT_RETURN(look(user, cfg->adapter.lora_model_dir, "the starting adapter"));
    PT_RETURN(look(user, o->adapter, "the adapter"));
    for (int k = 0; k < 2; k++) {
        const pt_dataset_spec *d = k ? cfg->data.test_datasets : cfg->data.datasets;
        for (size_t i = 0; i < (k ? cfg->data.n_test_datasets : cfg->data.n_datasets); i++) {
            PT_RETURN(look_files(&d[i], look, user));
            for (size_t f = 0; f < pt_data_key_count(); f++) PT_RETURN(look_key(&d[i], pt_data_key_at(f), look, user));
        }
    }
    return PT_OK;
}

static pt_status refuse_same(void *user, const char *path, const char *what)
{
    if (!same(user, path)) return PT_OK;
    return pt_fail(PT_EARG, "%s is %s: it is not overwritten; choose another place", (const char *)user, what);
}

pt_status pt_guard_output(const pt_cli *c, const pt_opened *o, const char *out)
{
    struct stat s;
    if (!out || !strcmp(out, "-") || stat(out, &s) || !S_ISREG(s.st_mode)) return PT_OK;
    PT_RETURN(each_input(c, o, refuse_same, (void *)(uintptr_t)out));
    char *real = realpath(out, NULL); /* a link to a model's file has the name of that file */
    for (size_t i = 0; i < COUNT(of_models); i++)
        if (!fnmatch(of_models[i], pt_path_base(out), 0) || (real && !fnmatch(of_models[i], pt_path_base(real), 0))) {
            free(real);
            return pt_fail(PT_EARG, "%s is a file of a model, a run or a configuration: --output does not replace it", out);
        }
    free(real);
    return PT_OK;
}

/* Whether a weights' file in dir carries our seal; what cannot be read does not. */
static pt_status sealed_st(const char *dir, const char *name, bool *ours)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_st *st = NULL;
    PT_TRY(pt_path_join(&path, dir, name));
    if (!pt_file_exists(path)) goto done;
    PT_TRY(pt_st_open(&st, path));
    if (pt_st_meta(st, PT_SEAL_KEY)) *ours = true;
done:
    pt_st_close(st);
    free(path);
    return pt_err_forgive(rc);
}

static pt_status refuse_name(const char *dir, const char *name, const char *why)
{
    struct stat s;
    char *path = NULL;
    PT_RETURN(pt_path_join(&path, dir, name));
    bool there = !lstat(path, &s);
    free(path);
    return there ? pt_fail(PT_EARG, "%s holds %s%s; choose another folder", dir, name, why) : PT_OK;
}

static pt_status check_folder(const pt_cli *c, const pt_opened *o, const char *out)
{
    struct stat s;
    if (stat(out, &s)) return PT_OK;
    if (!S_ISDIR(s.st_mode)) return pt_fail(PT_EARG, "%s is a file; --to %s writes a folder", out, c->to);
    PT_RETURN(each_input(c, o, refuse_same, (void *)(uintptr_t)out));
    for (size_t i = 0; i < COUNT(of_runs); i++) PT_RETURN(refuse_name(out, of_runs[i], ": it is a run's own folder"));
    bool ours = false;
    PT_RETURN(sealed_st(out, "model.safetensors", &ours));
    PT_RETURN(sealed_st(out, "adapter_model.safetensors", &ours));
    if (ours) return PT_OK;
    for (size_t i = 0; i < COUNT(written); i++) PT_RETURN(refuse_name(out, written[i], ", which is not an earlier export's"));
    return PT_OK;
}

/* A GGUF file of ours of this kind (general.type). */
static pt_status sealed_gguf(const char *path, const char *kind, bool *ours)
{
    pt_status rc = PT_OK;
    pt_gguf *g = NULL;
    pt_gguf_str type;
    PT_TRY(pt_gguf_open(&g, path));
    *ours = pt_gguf_find(g, PT_SEAL_KEY) && pt_gguf_text(g, "general.type", &type) == PT_OK && type.n == strlen(kind) && !memcmp(type.s, kind, type.n);
done:
    pt_gguf_close(g);
    return pt_err_forgive(rc);
}

static pt_status check_file(const pt_cli *c, const pt_opened *o, const char *out, const char *kind)
{
    struct stat s;
    if (stat(out, &s) || !S_ISREG(s.st_mode)) return PT_OK; /* what is no regular file is refused where it is opened */
    PT_RETURN(each_input(c, o, refuse_same, (void *)(uintptr_t)out));
    bool ours = false;
    PT_RETURN(sealed_gguf(out, kind, &ours));
    if (ours) return PT_OK;
    return pt_fail(PT_EARG, "%s exists and is no earlier export of a GGUF %s: it is not overwritten; remove it or choose another name", out, kind);
}

pt_status pt_guard_imatrix(const pt_cli *c, const pt_opened *o, const char *out)
{
    return check_file(c, o, out, "imatrix");
}

/* Several files called after out: how many there will be is not known yet, so none that are there may be mixed up with them. */
static pt_status check_parts(const char *out)
{
    const char *name = pt_path_base(out);
    size_t dir = (size_t)(name - out), n = strlen(name) - (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".gguf") ? 5 : 0);
    char *folder = NULL;
    pt_status rc = PT_OK;
    PT_RETURN(dir ? pt_strndup(&folder, out, dir) : pt_strdup(&folder, "."));
    DIR *d = opendir(folder);
    for (struct dirent *e; d && rc == PT_OK && (e = readdir(d));)
        if (!strncmp(e->d_name, name, n) && !fnmatch("-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].gguf", e->d_name + n, 0))
            rc = pt_fail(PT_EARG, "%s%s%s is there, a file of a split model of that name: remove its files or choose another name", dir ? folder : "",
                         dir ? "" : "./", e->d_name);
    if (d) closedir(d);
    free(folder);
    return rc;
}

/* The i-th file as it is before the export, if it is there. While it is held no new file has its number. */
static pt_status hold(pt_guard *g, size_t i)
{
    char *path = NULL;
    PT_RETURN(pt_path_join(&path, g->out, written[i]));
    g->held[i] = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int why = errno;
    free(path);
    if (g->held[i] >= 0 || why == ENOENT || why == ENOTDIR) return PT_OK;
    return pt_fail(PT_EIO, "%s/%s of an earlier export: %s", g->out, written[i], strerror(why));
}

pt_status pt_guard_export(const pt_cli *c, const pt_opened *o, const char *out, pt_guard *g)
{
    *g = (pt_guard){.out = out};
    for (size_t i = 0; i < COUNT(written); i++) g->held[i] = -1;
    if (c->split) PT_RETURN(check_parts(out));
    if (strcmp(c->to, "hf") && strcmp(c->to, "peft")) return check_file(c, o, out, strcmp(c->to, "gguf-lora") ? "model" : "adapter");
    PT_RETURN(check_folder(c, o, out));
    for (size_t i = 0; i < COUNT(rivals); i++) PT_RETURN(refuse_name(out, rivals[i], ", which would be read beside what is written"));
    for (size_t i = 0; i < COUNT(written); i++) PT_RETURN(hold(g, i));
    return PT_OK;
}

pt_status pt_guard_done(const pt_guard *g)
{
    for (size_t i = 0; i < COUNT(written); i++) {
        char *path = NULL;
        struct stat was, is;
        if (g->held[i] < 0) continue;
        PT_RETURN(pt_path_join(&path, g->out, written[i]));
        bool left = !fstat(g->held[i], &was) && !lstat(path, &is) && was.st_dev == is.st_dev && was.st_ino == is.st_ino;
        int bad = left ? unlink(path) : 0, why = errno; /* else it was written anew */
        free(path);
        if (bad) return pt_fail(PT_EIO, "%s/%s of an earlier export: %s", g->out, written[i], strerror(why));
    }
    return PT_OK;
}

void pt_guard_close(pt_guard *g)
{
    for (size_t i = 0; i < COUNT(written) && g->out; i++)
        if (g->held[i] >= 0) close(g->held[i]);
    *g = (pt_guard){0};
}
