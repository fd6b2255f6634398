/* A run's folder on resume: metrics.jsonl, 0xff, the list of our files. Lines past the step are cut, whatever the file holds; what is left
 * are whole lines of objects, the same when it is cut again. */
#include "tests/fuzz/harness.h"

#include "base/json.h"
#include "train/loop/manifest.h"
#include "train/loop/metrics.h"

static void read_back(const char *path, char **text, size_t *n)
{
    fuzz_assert(pt_file_read(text, n, path, 1 << 20) == PT_OK);
    for (size_t at = 0; at < *n;) {
        const char *end = memchr(*text + at, '\n', *n - at);
        json_t *j;
        fuzz_assert(end);
        fuzz_assert(pt_json_parse(&j, *text + at, (size_t)(end - *text) - at, "line", PT_JSON_OBJECT) == PT_OK);
        fuzz_assert(json_is_integer(json_object_get(j, "step")) && json_integer_value(json_object_get(j, "step")) <= 5);
        json_decref(j);
        at = (size_t)(end - *text) + 1;
    }
}

static pt_status named(void *user, const char *name)
{
    fuzz_assert(pt_manifest_has(user, name));
    return PT_OK;
}

static bool resume(const char *dir)
{
    pt_metrics *m;
    const char *const again[2] = {"eval", NULL};
    pt_status rc = pt_metrics_open(&m, dir, 5, again);
    fuzz_clean(rc);
    if (rc == PT_OK) fuzz_accepted++;
    pt_metrics_close(m);
    (void)pt_dir_remove(fuzz_path("run/runs"));
    return rc == PT_OK;
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[2];
    pt_manifest m = {0};
    char *first, *second, dir[300];
    size_t n1, n2;
    snprintf(dir, sizeof dir, "%s", fuzz_path("run"));
    fuzz_assert(pt_dir_make(dir) == PT_OK);
    (void)fuzz_split(bytes, n, part, 2);
    fuzz_put("run/metrics.jsonl", part[0].at, part[0].n);
    fuzz_put("run/.ptrain-files", part[1].at, part[1].n);
    pt_status rc = pt_manifest_read(&m, dir);
    fuzz_clean(rc);
    if (rc == PT_OK) fuzz_clean(pt_manifest_each(&m, named, &m));
    pt_manifest_free(&m);
    if (!resume(dir)) return 0;
    read_back(fuzz_path("run/metrics.jsonl"), &first, &n1);
    if (n % 4 == 0) {
        fuzz_assert(resume(dir));
        read_back(fuzz_path("run/metrics.jsonl"), &second, &n2);
        fuzz_assert(n1 == n2 && !memcmp(first, second, n1));
        free(second);
    }
    free(first);
    return 0;
}
