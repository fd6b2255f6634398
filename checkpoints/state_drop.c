/* Removing checkpoints: only what we wrote. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/temp.h"
#include "checkpoints/json_file.h"
#include "checkpoints/state_list.h"

/* ---- what is ours in a checkpoint's folder ------------------------------------------------------------------------------------- */

/* The table of files of a state.json; of one that cannot be read, the names that every checkpoint has. */
static pt_status read_files(json_t **files, const char *folder)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *j = NULL;
    PT_TRY(pt_path_join(&path, folder, "state.json"));
    pt_status read = pt_json_read(&j, path, PT_JSON_OWN);
    if (read == PT_ENOMEM) PT_TRY(read);
    json_t *list = read == PT_OK ? json_object_get(j, "files") : NULL;
    *files = json_is_object(list) ? json_incref(list)
                                  : json_pack("{s:{},s:{},s:{},s:{},s:{},s:{},s:{}}", "adapter_model.safetensors", "adapter_config.json",
                                              "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
                                              "generation_config.json");
    PT_CHECK(*files, PT_ENOMEM, "out of memory: files of %s", folder);
done:
    json_decref(j);
    free(path);
    return rc;
}

static bool is_ours(const json_t *files, const char *name)
{
    return !strcmp(name, "state.json") || !strcmp(name, "state.bin") || json_object_get(files, name);
}

/* The first entry of a folder that is not ours; *name owned, NULL when there is none. */
static pt_status find_other(char **name, const char *folder, const json_t *files)
{
    pt_status rc = PT_OK;
    DIR *d = opendir(folder);
    *name = NULL;
    PT_CHECK(d, PT_EIO, "cannot read folder %s: %s", folder, strerror(errno));
    for (struct dirent *e; !*name && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !is_ours(files, e->d_name)) PT_TRY(pt_strdup(name, e->d_name));
done:
    if (d) closedir(d);
    return rc;
}

static pt_status remove_file(const char *folder, const char *name)
{
    char *path;
    if (strchr(name, '/')) return PT_OK;
    PT_RETURN(pt_path_join(&path, folder, name));
    pt_status rc = unlink(path) && errno != ENOENT ? pt_fail(PT_EIO, "cannot remove %s: %s", path, strerror(errno)) : PT_OK;
    free(path);
    return rc;
}

/* Without its state.json a folder is no checkpoint: that goes first. */
static pt_status remove_ours(const char *folder, const json_t *files)
{
    const char *name;
    json_t *entry;
    PT_RETURN(remove_file(folder, "state.json"));
    PT_RETURN(remove_file(folder, "state.bin"));
    json_object_foreach((json_t *)files, name, entry) PT_RETURN(remove_file(folder, name));
    return PT_OK;
}

pt_status pt_state_remove(const char *folder)
{
    pt_status rc = PT_OK;
    json_t *files = NULL;
    char *other = NULL, *gone = NULL;
    PT_TRY(read_files(&files, folder));
    PT_TRY(find_other(&other, folder, files));
    if (other) {
        pt_log(PT_LOG_WARN, "%s holds %s, which is not ours: the checkpoint goes, that stays", folder, other);
        PT_TRY(remove_ours(folder, files));
        goto done;
    }
    PT_TRY(pt_temp_path(&gone, folder, PT_TEMP_NEW)); /* a kill in the middle leaves no half checkpoint under a final name */
    PT_TRY(pt_dir_remove(gone));
    PT_TRY(pt_rename_durable(folder, gone));
    PT_TRY(pt_dir_remove(gone));
done:
    json_decref(files);
    free(other);
    free(gone);
    return rc;
}

/* ---- moving aside -------------------------------------------------------------------------------------------------------------- */

pt_status pt_move_aside(const char *path, char **to)
{
    pt_status rc = PT_OK;
    char *aside = NULL;
    struct stat st;
    for (int i = 1;; i++) {
        free(aside);
        aside = NULL;
        PT_TRY(pt_asprintf(&aside, "%s.kept-%d", path, i));
        if (lstat(aside, &st) == 0) continue;
        PT_CHECK(errno == ENOENT, PT_EIO, "cannot stat %s: %s", aside, strerror(errno));
        PT_TRY(pt_rename_durable(path, aside));
        break;
    }
    if (to) {
        *to = aside;
        aside = NULL;
    }
done:
    free(aside);
    return rc;
}

pt_status pt_state_make_room(const char *folder)
{
    pt_status rc = PT_OK;
    struct stat st;
    char *json = NULL, *other = NULL, *to = NULL;
    json_t *files = NULL;
    if (lstat(folder, &st) != 0) return PT_OK;
    PT_TRY(pt_path_join(&json, folder, "state.json"));
    bool ours = S_ISDIR(st.st_mode) && pt_file_exists(json);
    if (ours) {
        PT_TRY(read_files(&files, folder));
        PT_TRY(find_other(&other, folder, files));
    }
    if (ours && !other) goto done;
    PT_TRY(pt_move_aside(folder, &to));
    if (other) pt_log(PT_LOG_WARN, "%s holds %s, which is not ours: it was moved to %s before the new checkpoint took its place", folder, other, to);
    else pt_log(PT_LOG_WARN, "%s is no checkpoint of ours: it was moved to %s", folder, to);
done:
    json_decref(files);
    free(json);
    free(other);
    free(to);
    return rc;
}

/* ---- rotation and cleaning ----------------------------------------------------------------------------------------------------- */

static pt_status remove_step(const char *output_dir, int64_t step)
{
    char *path;
    PT_RETURN(pt_state_folder(&path, output_dir, step));
    pt_status rc = pt_state_remove(path);
    free(path);
    return rc;
}

pt_status pt_state_rotate(const char *output_dir, int64_t keep, int64_t best)
{
    pt_status rc = PT_OK;
    pt_state_list l = {0};
    if (keep < 1) return PT_OK;
    PT_TRY(pt_state_list_read(&l, output_dir));
    size_t have = l.n;
    for (int left = 1; left >= 0; left--)
        for (size_t i = 0; i < l.n && have > (uint64_t)keep; i++) {
            if (l.of[i].left != (bool)left || i + 1 == l.n || l.of[i].step == best) continue;
            PT_TRY(remove_step(output_dir, l.of[i].step));
            have--;
        }
done:
    pt_state_list_free(&l);
    return rc;
}

static pt_status clean_one(const char *output_dir, const char *name, size_t stem, bool old)
{
    pt_status rc = PT_OK;
    char *path = NULL, *final = NULL;
    PT_TRY(pt_asprintf(&path, "%s/%s", output_dir, name));
    PT_TRY(pt_asprintf(&final, "%s/%.*s", output_dir, (int)stem, name));
    if (old && !pt_dir_exists(final)) PT_TRY(pt_rename_durable(path, final));
    else PT_TRY(pt_dir_remove(path));
done:
    free(path);
    free(final);
    return rc;
}

pt_status pt_state_clean(const char *output_dir, int *n)
{
    pt_status rc = PT_OK;
    int count = 0;
    DIR *d = opendir(output_dir);
    PT_CHECK(d || errno == ENOENT, PT_EIO, "cannot read folder %s: %s", output_dir, strerror(errno));
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t old = pt_temp_left(e->d_name, PT_TEMP_OLD), new = pt_temp_left(e->d_name, PT_TEMP_NEW);
        if (!old && !new) continue;
        PT_TRY(clean_one(output_dir, e->d_name, old ? old : new, old > 0));
        count++;
    }
    if (n) *n = count;
done:
    if (d) closedir(d);
    return rc;
}
