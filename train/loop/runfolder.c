/* The output folder of a run: an earlier run's own files go, other files stay; what the run leaves beside its weights. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "train/loop/run.h"

/* Files that a run writes, and that a new run in the same folder replaces. */
static const char *const own[] = {"adapter_model.safetensors",
                                  "adapter_config.json",
                                  "model.safetensors",
                                  "model.safetensors.index.json",
                                  "metrics.jsonl",
                                  "config.yaml",
                                  "eval.json",
                                  "profiles.json",
                                  NULL};
/* What stands beside a model.safetensors of ours; without that file they may be someone else's. */
static const char *const beside_model[] = {"config.json",
                                           "generation_config.json",
                                           "tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "chat_template.jinja",
                                           "tokenizer.model",
                                           NULL};

static bool is_events(const char *name)
{
    return !strncmp(name, "events.out.tfevents.", 20);
}

static pt_status remove_events(const char *dir)
{
    pt_status rc = PT_OK;
    char *runs = NULL, *path = NULL;
    PT_TRY(pt_path_join(&runs, dir, "runs"));
    DIR *d = opendir(runs);
    if (!d) goto done;
    for (struct dirent *e; rc == PT_OK && (e = readdir(d));) {
        if (!is_events(e->d_name)) continue;
        rc = pt_path_join(&path, runs, e->d_name);
        if (rc == PT_OK && unlink(path) && errno != ENOENT) rc = pt_fail(PT_EIO, "%s: %s", path, strerror(errno));
        free(path);
        path = NULL;
    }
    closedir(d);
done:
    free(runs);
    return rc;
}

static pt_status remove_checkpoints(const char *dir, size_t *count)
{
    pt_status rc = PT_OK;
    int64_t *steps = NULL;
    PT_TRY(pt_state_list(&steps, count, dir));
    for (size_t i = 0; i < *count; i++) {
        char *path = NULL;
        PT_TRY(pt_state_folder(&path, dir, steps[i]));
        rc = pt_dir_remove(path);
        free(path);
        PT_TRY(rc);
    }
done:
    free(steps);
    return rc;
}

static pt_status remove_files(const char *dir, const char *const *name, size_t *count)
{
    for (; *name; name++) {
        char *path = NULL;
        PT_RETURN(pt_path_join(&path, dir, *name));
        pt_status rc = PT_OK;
        if (!unlink(path))
            ++*count;
        else if (errno != ENOENT)
            rc = pt_fail(PT_EIO, "%s: %s", path, strerror(errno));
        free(path);
        if (rc != PT_OK) return rc;
    }
    return PT_OK;
}

static pt_status remove_earlier(const char *dir)
{
    pt_status rc = PT_OK;
    size_t files = 0, checkpoints = 0;
    char *model = NULL, *metrics = NULL;
    PT_TRY(pt_path_join(&model, dir, "model.safetensors"));
    PT_TRY(pt_path_join(&metrics, dir, "metrics.jsonl"));
    if (!pt_file_exists(metrics)) goto done; /* no run of ours was here: nothing of it is ours to remove */
    PT_TRY(remove_checkpoints(dir, &checkpoints));
    if (pt_file_exists(model)) PT_TRY(remove_files(dir, beside_model, &files));
    PT_TRY(remove_files(dir, own, &files));
    PT_TRY(remove_events(dir));
    if (checkpoints)
        pt_log(PT_LOG_WARN,
               "%s held an earlier run: its %zu file%s and %zu checkpoint%s were replaced (resume_from_checkpoint: auto would have "
               "gone on from them)",
               dir, files, files == 1 ? "" : "s", checkpoints, checkpoints == 1 ? "" : "s");
    else if (files)
        pt_log(PT_LOG_WARN, "%s held an earlier run: its %zu file%s were replaced", dir, files, files == 1 ? "" : "s");
done:
    free(model);
    free(metrics);
    return rc;
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

pt_status pt_run_check_folder(const pt_config *cfg)
{
    if (!cfg->output_dir) return pt_fail(PT_EARG, "no output_dir: say where the run's files go");
    if (same_folder(cfg->output_dir, cfg->base_model))
        return pt_fail(PT_EARG, "output_dir %s is the folder of base_model: the run would overwrite it", cfg->output_dir);
    if (same_folder(cfg->output_dir, cfg->lora_model_dir))
        return pt_fail(PT_EARG, "output_dir %s is the folder of lora_model_dir: the run would overwrite it", cfg->output_dir);
    return PT_OK;
}

static pt_status write_text(const char *dir, const char *name, const char *text)
{
    char *path = NULL;
    PT_RETURN(pt_path_join(&path, dir, name));
    pt_status rc = pt_file_write_whole(path, text, strlen(text));
    free(path);
    return rc;
}

/* Held until the run ends, however it ends. Where the file system knows no such locks nothing is held. */
static pt_status lock_folder(pt_run *r, const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return pt_fail(PT_EIO, "cannot open folder %s: %s", dir, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        r->folder_lock = fd + 1;
        return PT_OK;
    }
    bool taken = errno == EWOULDBLOCK;
    close(fd);
    if (!taken) return PT_OK;
    return pt_fail(PT_ESTATE, "another run is writing into output_dir %s: wait for its end, or give this one another output_dir", dir);
}

pt_status pt_run_prepare_folder(pt_run *r)
{
    pt_status rc = PT_OK;
    const char *dir = r->cfg->output_dir;
    char *profiles = NULL;
    int left = 0;
    PT_TRY(pt_dir_make(dir));
    PT_TRY(lock_folder(r, dir));
    PT_TRY(pt_state_clean(dir, &left));
    if (left) pt_log(PT_LOG_INFO, "%d unfinished file%s of a process that was killed removed", left, left == 1 ? "" : "s");
    if (r->step == 0 && !r->resume_path) PT_TRY(remove_earlier(dir));
    if (r->cfg->yaml_text) PT_TRY(write_text(dir, "config.yaml", r->cfg->yaml_text));
    PT_TRY(pt_pack_profiles(r->pack, &profiles));
    if (profiles) PT_TRY(write_text(dir, "profiles.json", profiles));
done:
    free(profiles);
    return rc;
}
