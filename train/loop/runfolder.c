/* The output folder of a run: an earlier run's own files go, other files stay; what the run leaves beside its weights. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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
                                  "profiles.json",
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

static pt_status remove_own_files(const char *dir, size_t *count)
{
    for (const char *const *name = own; *name; name++) {
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
    size_t files = 0, checkpoints = 0;
    PT_RETURN(remove_checkpoints(dir, &checkpoints));
    PT_RETURN(remove_own_files(dir, &files));
    PT_RETURN(remove_events(dir));
    if (files + checkpoints)
        pt_log(PT_LOG_WARN,
               "%s held an earlier run: its %zu file%s and %zu checkpoint%s were replaced (resume_from_checkpoint: auto would "
               "go on from it)",
               dir, files, files == 1 ? "" : "s", checkpoints, checkpoints == 1 ? "" : "s");
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

pt_status pt_run_prepare_folder(pt_run *r)
{
    pt_status rc = PT_OK;
    const char *dir = r->cfg->output_dir;
    char *profiles = NULL;
    int left = 0;
    PT_TRY(pt_dir_make(dir));
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
