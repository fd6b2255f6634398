/* The output folder of a run: an earlier run's own files go, other files stay; what the run leaves beside its weights. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "train/loop/manifest.h"
#include "train/loop/run.h"

/* The files that a run may write, beside checkpoints and TensorBoard's. */
typedef enum pt_written { BY_EVERY_RUN, BY_LORA, BY_FULL, WITH_TOKENIZER } pt_written;
static const struct {
    const char *name;
    pt_written when;
} written[] = {{"metrics.jsonl", BY_EVERY_RUN},
               {"config.yaml", BY_EVERY_RUN},
               {"profiles.json", BY_EVERY_RUN},
               {"audit.json", BY_EVERY_RUN},
               {"trained.json", BY_EVERY_RUN},
               {"adapter_model.safetensors", BY_LORA},
               {"adapter_config.json", BY_LORA},
               {"model.safetensors", BY_FULL},
               {"model.safetensors.index.json", BY_FULL},
               {"config.json", BY_FULL},
               {"generation_config.json", WITH_TOKENIZER},
               {"tokenizer.json", WITH_TOKENIZER},
               {"tokenizer_config.json", WITH_TOKENIZER},
               {"tokenizer.model", WITH_TOKENIZER},
               {"special_tokens_map.json", WITH_TOKENIZER},
               {"added_tokens.json", WITH_TOKENIZER},
               {"vocab.json", WITH_TOKENIZER},
               {"merges.txt", WITH_TOKENIZER},
               {"chat_template.jinja", WITH_TOKENIZER}};

static pt_status remove_checkpoints(const char *dir, size_t *count)
{
    pt_status rc = PT_OK;
    pt_state_list l = {0};
    PT_TRY(pt_state_list_read(&l, dir));
    *count = l.n;
    for (size_t i = 0; i < l.n; i++) {
        char *path = NULL;
        PT_TRY(pt_state_folder(&path, dir, l.of[i].step));
        rc = pt_state_remove(path);
        free(path);
        PT_TRY(rc);
    }
    PT_TRY(pt_state_course_saved(dir)); /* the note that a run was taken back */
done:
    pt_state_list_free(&l);
    return rc;
}

/* What models have answered stands under what was asked of whom, and may have cost money: a run that was to go on, and was killed before its first checkpoint, finds it again. */
#define ANSWERS "eval_answers.jsonl"

typedef struct removal {
    const char *dir;
    size_t files;
    bool goes_on, kept; /* resume_from_checkpoint says so; ANSWERS stays */
} removal;

/* Names of the list lead nowhere but into the folder and its runs/. */
static pt_status remove_listed(void *user, const char *name)
{
    removal *r = user;
    const char *file = strncmp(name, "runs/", 5) ? name : name + 5;
    char *path = NULL;
    if (!file[0] || file[0] == '.' || strchr(file, '/')) return PT_OK;
    if (r->goes_on && !strcmp(name, ANSWERS)) {
        r->kept = true;
        return PT_OK;
    }
    PT_RETURN(pt_path_join(&path, r->dir, name));
    pt_status rc = PT_OK;
    if (!unlink(path)) r->files += file == name;
    else if (errno != ENOENT) rc = pt_fail(PT_EIO, "%s: %s", path, strerror(errno));
    free(path);
    return rc;
}

static pt_status remove_earlier(const char *dir, bool goes_on)
{
    pt_status rc = PT_OK;
    removal r = {.dir = dir, .goes_on = goes_on};
    size_t checkpoints = 0;
    pt_manifest m = {0};
    PT_TRY(pt_manifest_read(&m, dir));
    if (!m.there) goto done; /* no run of ours was here: nothing of it is ours to remove */
    PT_TRY(remove_checkpoints(dir, &checkpoints));
    PT_TRY(pt_manifest_each(&m, remove_listed, &r));
    PT_TRY(pt_manifest_remove(dir));
    if (r.kept) PT_TRY(pt_manifest_add(dir, ANSWERS));
    if (checkpoints)
        pt_log(PT_LOG_WARN,
               "%s held an earlier run: its %zu file%s and %zu checkpoint%s were replaced (resume_from_checkpoint: auto would have "
               "gone on from them)",
               dir, r.files, r.files == 1 ? "" : "s", checkpoints, checkpoints == 1 ? "" : "s");
    else if (r.files)
        pt_log(PT_LOG_WARN, "%s held an earlier run: its %zu file%s were replaced", dir, r.files, r.files == 1 ? "" : "s");
done:
    pt_manifest_free(&m);
    return rc;
}

/* The names of this run's files are its own from now on. A run that goes on in its own folder, where a program that kept no list began,
 * finds its files there. */
static pt_status claim_files(const pt_run *r, bool profiles)
{
    const char *dir = r->cfg->run.output_dir;
    pt_manifest m;
    PT_RETURN(pt_manifest_read(&m, dir));
    bool words = r->base.tok || (r->cfg->model.base_model && pt_dir_exists(r->cfg->model.base_model));
    bool adopt = !m.there && r->step > 0 && r->course.inside;
    pt_manifest_free(&m);
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        pt_written when = written[i].when;
        if ((when == BY_LORA || when == BY_FULL) && (when == BY_LORA) != (r->cfg->adapter.kind != PT_ADAPTER_NONE)) continue;
        if (when == WITH_TOKENIZER && !words) continue;
        if (!strcmp(written[i].name, "profiles.json") && !profiles) continue;
        if (!strcmp(written[i].name, "audit.json") && !r->audit) continue;
        if (!strcmp(written[i].name, "config.yaml") && !r->cfg->source.yaml_text) continue;
        PT_RETURN(adopt ? pt_manifest_add(dir, written[i].name) : pt_manifest_claim(dir, written[i].name));
    }
    return PT_OK;
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

pt_status pt_run_check_folder(const pt_config *cfg)
{
    if (!cfg->run.output_dir) return pt_fail(PT_EARG, "no output_dir: say where the run's files go");
    if (same_folder(cfg->run.output_dir, cfg->model.base_model))
        return pt_fail(PT_EARG, "output_dir %s is the folder of base_model: the run would overwrite it", cfg->run.output_dir);
    if (same_folder(cfg->run.output_dir, cfg->adapter.lora_model_dir))
        return pt_fail(PT_EARG, "output_dir %s is the folder of lora_model_dir: the run would overwrite it", cfg->run.output_dir);
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

pt_status pt_folder_take(const char *dir, int *lock)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return pt_fail(PT_EIO, "cannot open folder %s: %s", dir, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *lock = fd + 1;
        return PT_OK;
    }
    int why = errno;
    close(fd);
    if (why != EWOULDBLOCK) {
        pt_log(PT_LOG_WARN, "%s: this file system has no locks (%s): nothing keeps a second run from writing there too", dir, strerror(why));
        return PT_OK;
    }
    return pt_fail(PT_ESTATE, "another run is writing into output_dir %s: wait for its end, or give this one another output_dir", dir);
}

void pt_folder_leave(int *lock)
{
    if (*lock) close(*lock - 1);
    *lock = 0;
}

/* A run that goes on in its own folder leaves what was said when it began. */
static pt_status write_trained(pt_run *r)
{
    char *text = NULL, *path = NULL;
    PT_RETURN(pt_path_join(&path, r->cfg->run.output_dir, "trained.json"));
    bool there = r->resume_path && pt_file_given(path);
    free(path);
    if (there) return PT_OK;
    pt_status rc = pt_run_trained(r, &text);
    if (rc == PT_OK) rc = write_text(r->cfg->run.output_dir, "trained.json", text);
    free(text);
    return rc;
}

pt_status pt_run_prepare_folder(pt_run *r)
{
    pt_status rc = PT_OK;
    const char *dir = r->cfg->run.output_dir;
    char *profiles = NULL;
    int left = 0;
    PT_TRY(pt_dir_make(dir));
    PT_TRY(pt_folder_take(dir, &r->folder_lock)); /* until the run ends, however it ends */
    PT_TRY(pt_state_clean(dir, &left));
    if (left) pt_log(PT_LOG_INFO, "%d unfinished file%s of a process that was killed removed", left, left == 1 ? "" : "s");
    if (!r->resume_path) PT_TRY(remove_earlier(dir, r->cfg->run.resume_from_checkpoint != NULL));
    PT_TRY(pt_state_go_on(&r->course, dir, r->resume_path));
    PT_TRY(pt_pack_profiles(r->pack, &profiles));
    PT_TRY(claim_files(r, profiles != NULL));
    if (r->cfg->source.yaml_text) PT_TRY(write_text(dir, "config.yaml", r->cfg->source.yaml_text));
    if (profiles) PT_TRY(write_text(dir, "profiles.json", profiles));
    if (r->audit) PT_TRY(write_text(dir, "audit.json", r->audit));
    PT_TRY(write_trained(r));
done:
    free(profiles);
    return rc;
}
