/* The result of a run: tried before the first step, written after the last. What would keep it from being written is met before anything was
 * spent; what keeps it all the same leaves a checkpoint to finish from. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "train/loop/run.h"

static double mib(uint64_t bytes)
{
    return (double)bytes / 0x1p20;
}

pt_status pt_run_try_result(pt_run *r)
{
    struct statvfs s;
    uint64_t result = 0, state = 3 * sizeof(float) * (uint64_t)pt_model_param_count(r->model); /* parameters and both moments */
    const char *dir = r->cfg->run.output_dir;
    pt_status rc = pt_run_export(r, dir, &result);
    if (rc != PT_OK) return pt_fail_prefix(rc, "the result of this run could not be written");
    if (r->cfg->adapter.kind != PT_ADAPTER_NONE) state += result;
    if (r->watched) state *= 2; /* the best one's beside the newest */
    if (statvfs(dir, &s) || !s.f_blocks) return PT_OK; /* nobody knows */
    uint64_t room = (uint64_t)s.f_bavail * s.f_frsize;
    if (result + state <= room) return PT_OK;
    return pt_fail(PT_EIO, "output_dir %s has %.1f MiB of room; the result takes %.1f MiB and %s %.1f: make room, or give another output_dir",
                   dir, mib(room), mib(result), r->watched ? "two checkpoints (the best, the newest)" : "a checkpoint", mib(state));
}

pt_status pt_run_finish(pt_run *r)
{
    char why[1024], *path = NULL;
    pt_status rc = pt_run_load_best(r), saved = PT_OK;
    const bool exports = rc == PT_OK;
    if (exports) rc = pt_run_export(r, r->cfg->run.output_dir, NULL);
    if (rc == PT_OK) return rc;
    snprintf(why, sizeof why, "%s", pt_err_msg());
    if (exports && r->best_loaded && r->watch.step != r->step) { /* the last step's weights are gone from memory, and the best model's are on disk */
        PT_RETURN(pt_run_best_folder(r, &path));
        rc = pt_fail(rc, "the training is done, its result could not be written: %s; the best model is in %s: mend the cause, then the same command with "
                         "--resume_from_checkpoint=auto goes on from the newest checkpoint", why, path);
        free(path);
        return rc;
    }
    saved = r->saved == r->step ? pt_state_folder(&path, r->cfg->run.output_dir, r->step) : pt_run_save(r, &path);
    if (saved == PT_OK)
        rc = pt_fail(rc, "the training is done, its result could not be written: %s; all of it is in %s: mend the cause, then the same command with "
                         "--resume_from_checkpoint=auto writes the result", why, path);
    else
        rc = pt_fail(rc, "the training is done, its result could not be written: %s; nor could a checkpoint: %s", why, pt_err_msg());
    free(path);
    return rc;
}
