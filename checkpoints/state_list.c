/* Which checkpoints there are, and which are of the run as it stands. */
#include "checkpoints/state_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "checkpoints/json_file.h"

static const char prefix[] = "checkpoint-", note_name[] = "resumed_from.json";
#define BEFORE_SERIALS (-((int64_t)1 << 60)) /* + step: checkpoints of programs that knew no serials */
#define ELSEWHERE INT64_MIN                  /* before everything in this folder */

/* ---- one folder -------------------------------------------------------------------------------------------------------------- */

/* checkpoint-N with N as printf writes it. */
static bool step_of(const char *name, int64_t *out)
{
    if (strncmp(name, prefix, sizeof prefix - 1)) return false;
    const char *s = name + sizeof prefix - 1;
    size_t n = strspn(s, "0123456789");
    if (!n || n > 18 || s[n] || (s[0] == '0' && n > 1)) return false;
    *out = strtoll(s, NULL, 10);
    return true;
}

pt_status pt_state_folder(char **path, const char *output_dir, int64_t step)
{
    const char *slash = output_dir[0] && output_dir[strlen(output_dir) - 1] == '/' ? "" : "/";
    return pt_asprintf(path, "%s%s%s%lld", output_dir[0] ? output_dir : ".", slash, prefix, (long long)step);
}

static int64_t serial_of(const json_t *j, int64_t step)
{
    return json_is_integer(j) && json_integer_value(j) > 0 ? json_integer_value(j) : BEFORE_SERIALS + step;
}

/* What state.json says; a file that cannot be read leaves the entry as it is. newest, went_back: of the newest so far. */
static pt_status read_entry(pt_state_entry *e, const char *path, int64_t *newest, char **went_back)
{
    pt_status rc = PT_OK;
    json_t *j = NULL;
    pt_status read = pt_json_read(&j, path, PT_JSON_OWN);
    if (read == PT_ENOMEM) return read;
    const json_t *values = json_object_get(j, "values");
    const char *id = json_string_value(json_object_get(j, "digest")), *back = json_string_value(json_object_get(values, "went_back"));
    if (read == PT_OK && id && strlen(id) < sizeof e->id) {
        memcpy(e->id, id, strlen(id) + 1);
        e->serial = serial_of(json_object_get(values, "serial"), e->step);
        if (e->serial >= *newest) {
            *newest = e->serial;
            free(*went_back);
            *went_back = NULL;
            PT_TRY(pt_strdup(went_back, back ? back : ""));
        }
    }
done:
    json_decref(j);
    return rc;
}

/* ---- ranges of serials --------------------------------------------------------------------------------------------------------- */

static bool in_ranges(const char *ranges, int64_t serial)
{
    while (*ranges) {
        char *end;
        int64_t from = strtoll(ranges, &end, 10), to = from;
        if (end == ranges) return false;
        if (*end == '-') to = strtoll(end + 1, &end, 10);
        if (from <= serial && serial <= to) return true;
        while (*end == ' ') end++;
        ranges = end;
    }
    return false;
}

static pt_status add_range(char **ranges, int64_t from, int64_t to)
{
    char *more;
    const char *old = *ranges ? *ranges : "";
    PT_RETURN(pt_asprintf(&more, "%s%s%lld-%lld", old, *old ? " " : "", (long long)from, (long long)to));
    free(*ranges);
    *ranges = more;
    return PT_OK;
}

/* ---- the folder of a run --------------------------------------------------------------------------------------------------------- */

static int by_serial(const void *a, const void *b)
{
    const pt_state_entry *x = a, *y = b;
    if (x->serial != y->serial) return x->serial > y->serial ? 1 : -1;
    return (x->step > y->step) - (x->step < y->step);
}

static pt_status scan(pt_state_list *l, const char *output_dir, int64_t *newest)
{
    pt_status rc = PT_OK;
    size_t cap = 0;
    int64_t step;
    char *path = NULL;
    DIR *d = opendir(output_dir);
    PT_CHECK(d || errno == ENOENT, PT_EIO, "cannot read folder %s: %s", output_dir, strerror(errno));
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!step_of(e->d_name, &step)) continue;
        free(path);
        path = NULL;
        PT_TRY(pt_asprintf(&path, "%s/%s/state.json", output_dir, e->d_name));
        if (!pt_file_exists(path)) continue; /* someone else's checkpoint-N */
        PT_TRY(pt_reserve(&l->of, &cap, l->n + 1));
        l->of[l->n] = (pt_state_entry){.step = step};
        PT_TRY(read_entry(&l->of[l->n++], path, newest, &l->went_back));
    }
done:
    free(path);
    if (d) closedir(d);
    return rc;
}

/* A checkpoint whose state.json cannot be read stands where its step puts it. */
static void place_unread(pt_state_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        int64_t below = -1;
        if (l->of[i].id[0]) continue;
        l->of[i].serial = BEFORE_SERIALS + l->of[i].step;
        for (size_t k = 0; k < l->n; k++) {
            if (!l->of[k].id[0] || l->of[k].step > l->of[i].step || l->of[k].step < below) continue;
            below = l->of[k].step;
            l->of[i].serial = l->of[k].serial;
        }
    }
}

/* The note counts unless a checkpoint was made after it. */
static pt_status read_note(pt_state_list *l, const char *output_dir, int64_t newest)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *j = NULL;
    PT_TRY(pt_path_join(&path, output_dir, note_name));
    if (!pt_file_exists(path)) goto done;
    pt_status read = pt_json_read(&j, path, PT_JSON_OWN);
    if (read == PT_ENOMEM) PT_TRY(read);
    const char *folder = json_string_value(json_object_get(j, "folder")), *back = json_string_value(json_object_get(j, "went_back"));
    int64_t serial = json_integer_value(json_object_get(j, "serial"));
    if (!folder || !back || serial <= 0) {
        pt_log(PT_LOG_WARN, "%s cannot be read and is passed over", path);
        goto done;
    }
    if (serial < newest) goto done;
    l->serial = serial;
    free(l->went_back);
    l->went_back = NULL;
    PT_TRY(pt_strdup(&l->went_back, back));
    PT_TRY(folder[0] ? pt_path_join(&l->back_to, output_dir, folder) : pt_strdup(&l->back_to, ""));
done:
    json_decref(j);
    free(path);
    return rc;
}

pt_status pt_state_list_read(pt_state_list *l, const char *output_dir)
{
    pt_status rc = PT_OK;
    int64_t newest = INT64_MIN;
    *l = (pt_state_list){0};
    PT_TRY(scan(l, output_dir, &newest));
    l->serial = newest > 0 ? newest : 0;
    PT_TRY(read_note(l, output_dir, newest));
    if (!l->went_back) PT_TRY(pt_strdup(&l->went_back, ""));
    place_unread(l);
    for (size_t i = 0; i < l->n; i++) l->of[i].left = in_ranges(l->went_back, l->of[i].serial);
    if (l->n) qsort(l->of, l->n, sizeof *l->of, by_serial);
done:
    if (rc != PT_OK) pt_state_list_free(l);
    return rc;
}

void pt_state_list_free(pt_state_list *l)
{
    free(l->of);
    free(l->went_back);
    free(l->back_to);
    *l = (pt_state_list){0};
}

/* ---- a run's course ------------------------------------------------------------------------------------------------------------- */

pt_status pt_state_course_of(pt_state_course *c, const pt_state *s)
{
    const char *back = "";
    int64_t serial = 0;
    *c = (pt_state_course){0};
    if (pt_state_has(s, "serial")) PT_RETURN(pt_state_int(s, "serial", &serial));
    if (pt_state_has(s, "went_back")) PT_RETURN(pt_state_text(s, "went_back", &back));
    c->serial = serial > 0 ? serial : BEFORE_SERIALS + pt_state_step(s);
    memcpy(c->id, pt_state_id(s), sizeof c->id);
    return pt_strdup(&c->went_back, back);
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Whether `folder` is a checkpoint of output_dir: *inside = its name there. A copy of one, elsewhere, stands for it. */
static pt_status find_inside(const pt_state_list *l, const char *output_dir, const char *folder, const char *id, char **inside)
{
    for (size_t i = 0; i < l->n; i++) {
        char *path;
        PT_RETURN(pt_state_folder(&path, output_dir, l->of[i].step));
        bool same = same_folder(path, folder), copy = !strcmp(l->of[i].id, id);
        free(path);
        if (same || copy) return pt_asprintf(inside, "%s%lld", prefix, (long long)l->of[i].step);
    }
    return PT_OK;
}

/* folder: a name in output_dir, an absolute path, or "" for the beginning. */
static pt_status write_note(const char *output_dir, const char *folder, const pt_state_course *c)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *j = json_pack("{s:s,s:I,s:s}", "folder", folder, "serial", (json_int_t)c->serial, "went_back", c->went_back);
    PT_CHECK(j, PT_ENOMEM, "out of memory (or %s is not UTF-8)", folder);
    PT_TRY(pt_path_join(&path, output_dir, note_name));
    PT_TRY(pt_json_write(j, path));
done:
    json_decref(j);
    free(path);
    return rc;
}

/* What the run leaves behind that was not left before: everything made after serial `at`. */
static int64_t first_left(const pt_state_list *l, int64_t at, const char *ranges)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < l->n; i++)
        if (l->of[i].serial > at && l->of[i].serial < first && !in_ranges(ranges, l->of[i].serial)) first = l->of[i].serial;
    return first;
}

pt_status pt_state_go_on(pt_state_course *c, const char *output_dir, const char *folder)
{
    pt_status rc = PT_OK;
    pt_state_list l = {0};
    char *where = NULL, *back = NULL;
    PT_TRY(pt_state_list_read(&l, output_dir));
    if (folder) PT_TRY(find_inside(&l, output_dir, folder, c->id, &where));
    bool inside = c->inside = where != NULL, noted = folder && l.back_to && same_folder(l.back_to, folder);
    const char *ranges = noted ? l.went_back : inside ? c->went_back : "";
    int64_t first = first_left(&l, inside ? c->serial : ELSEWHERE, ranges);
    PT_TRY(pt_strdup(&back, ranges));
    free(c->went_back);
    c->went_back = back;
    if (c->serial < l.serial) c->serial = l.serial;
    if (noted || (first == INT64_MAX && !l.back_to && (inside || !folder))) goto done; /* nothing new is left behind, no note says otherwise */
    if (first < INT64_MAX) PT_TRY(add_range(&c->went_back, first, l.serial));
    c->serial = l.serial + 1;
    if (folder && !where) PT_CHECK((where = realpath(folder, NULL)) != NULL, PT_EIO, "%s: %s", folder, strerror(errno));
    PT_TRY(write_note(output_dir, where ? where : "", c));
done:
    pt_state_list_free(&l);
    free(where);
    return rc;
}

pt_status pt_state_put_course(pt_state_writer *w, pt_state_course *c)
{
    c->serial = c->serial > 0 ? c->serial + 1 : 1;
    PT_RETURN(pt_state_put_int(w, "serial", c->serial));
    return pt_state_put_text(w, "went_back", c->went_back ? c->went_back : "");
}

pt_status pt_state_course_saved(const char *output_dir)
{
    char *path;
    PT_RETURN(pt_path_join(&path, output_dir, note_name));
    (void)unlink(path); /* it counts no more: a checkpoint is newer */
    free(path);
    return PT_OK;
}

void pt_state_course_free(pt_state_course *c)
{
    free(c->went_back);
    *c = (pt_state_course){0};
}
