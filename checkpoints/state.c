/* One checkpoint: writing and reading. */
#include "checkpoints/state.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/digest.h"
#include "checkpoints/folder.h"
#include "checkpoints/json_file.h"
#include "checkpoints/state_list.h"

enum { VERSION = 1, ALIGN = 64 };
static const char bin_name[] = "state.bin", json_name[] = "state.json";

/* ---- digests ------------------------------------------------------------------------------------------------------------ */

static void hex_of(char out[17], uint64_t v)
{
    snprintf(out, 17, "%016" PRIx64, v);
}

static void digest_bytes(char out[17], const void *data, size_t n)
{
    pt_digest d;
    pt_digest_start(&d);
    if (n) pt_digest_add(&d, data, n);
    hex_of(out, pt_digest_end(&d));
}

/* Digest of an object without its own "digest"; the text is the same before writing and after reading, for jansson prints
 * doubles with 17 digits. */
static pt_status digest_json(char out[17], const json_t *j)
{
    json_t *copy = json_copy((json_t *)j);
    json_object_del(copy, "digest");
    char *text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(copy);
    if (!text) return pt_fail(PT_ENOMEM, "out of memory: text of %s", json_name);
    digest_bytes(out, text, strlen(text));
    free(text);
    return PT_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

pt_status pt_state_writer_open(pt_state_writer *w, const char *output_dir, int64_t step)
{
    pt_status rc = PT_OK;
    char *bin = NULL;
    *w = (pt_state_writer){.bin.fd = -1};
    PT_CHECK(step >= 0, PT_EARG, "a checkpoint of step %lld", (long long)step);
    PT_TRY(pt_state_folder(&w->path, output_dir, step));
    PT_TRY(pt_folder_begin(&w->tmp, w->path));
    PT_TRY(pt_path_join(&bin, w->tmp, bin_name));
    PT_TRY(pt_outfile_open(&w->bin, bin));
    w->json = json_pack("{s:i,s:I,s:{},s:{},s:{}}", "version", VERSION, "step", (json_int_t)step, "values", "blobs", "files");
    w->digest = malloc(sizeof(pt_digest));
    PT_CHECK(w->json && w->digest, PT_ENOMEM, "out of memory: head of %s", w->path);
    free(bin);
    return PT_OK;
done:
    free(bin);
    pt_state_writer_close(w);
    return rc;
}

/* Puts v, which is taken over, into the table `where`; the name must be new. */
static pt_status put(pt_state_writer *w, const char *where, const char *name, json_t *v)
{
    if (json_object_get(json_object_get(w->json, "values"), name) || json_object_get(json_object_get(w->json, "blobs"), name)) {
        json_decref(v);
        return pt_fail(PT_EARG, "%s: '%s' is put twice", w->path, name);
    }
    if (json_object_set_new(json_object_get(w->json, where), name, v))
        return pt_fail(PT_EARG, "%s: '%s' is not valid UTF-8", w->path, name);
    return PT_OK;
}

pt_status pt_state_put_int(pt_state_writer *w, const char *name, int64_t v)
{
    return put(w, "values", name, json_integer(v));
}

pt_status pt_state_put_num(pt_state_writer *w, const char *name, double v)
{
    if (!isfinite(v)) return pt_fail(PT_ENONFINITE, "%s: '%s' is %g", w->path, name, v);
    return put(w, "values", name, json_real(v));
}

pt_status pt_state_put_text(pt_state_writer *w, const char *name, const char *v)
{
    return put(w, "values", name, json_string(v));
}

/* Closes the blob being written. */
static pt_status end_blob(pt_state_writer *w)
{
    char hex[17];
    if (!w->blob) return PT_OK;
    if (w->left) return pt_fail(PT_ESTATE, "%s: a blob lacks %zu bytes", w->path, w->left);
    hex_of(hex, pt_digest_end(w->digest));
    json_object_set_new(w->blob, "digest", json_string(hex));
    w->blob = NULL;
    return PT_OK;
}

pt_status pt_state_begin_blob(pt_state_writer *w, const char *name, pt_dtype type, int64_t count)
{
    static const unsigned char zeros[ALIGN];
    size_t bytes;
    PT_RETURN(end_blob(w));
    if (count < 0) return pt_fail(PT_EARG, "%s: '%s' of %lld elements", w->path, name, (long long)count);
    PT_RETURN(pt_dtype_row_bytes(type, (size_t)count, &bytes));
    PT_RETURN(pt_outfile_write(&w->bin, zeros, pt_align_up(w->bin.bytes, ALIGN) - w->bin.bytes));
    json_t *entry = json_pack("{s:s,s:I,s:I}", "type", pt_dtype_get(type)->name, "count", (json_int_t)count, "offset",
                              (json_int_t)w->bin.bytes);
    PT_RETURN(put(w, "blobs", name, entry));
    w->blob = entry;
    w->left = bytes;
    pt_digest_start(w->digest);
    return PT_OK;
}

pt_status pt_state_write(pt_state_writer *w, const void *data, size_t bytes)
{
    if (!w->blob || bytes > w->left)
        return pt_fail(PT_ESTATE, "%s: %zu bytes past the end of a blob", w->path, bytes - w->left);
    if (bytes) pt_digest_add(w->digest, data, bytes);
    w->left -= bytes;
    return pt_outfile_write(&w->bin, data, bytes);
}

pt_status pt_state_put_blob(pt_state_writer *w, const char *name, pt_dtype type, const void *data, int64_t count)
{
    PT_RETURN(pt_state_begin_blob(w, name, type, count));
    return pt_state_write(w, data, w->left);
}

/* Notes size and digest of a file in the temporary folder. */
static pt_status note_file(pt_state_writer *w, const char *name)
{
    pt_status rc = PT_OK;
    char *path = NULL, hex[17];
    pt_map m = {0};
    PT_TRY(pt_path_join(&path, w->tmp, name));
    PT_TRY(pt_map_open(&m, path));
    digest_bytes(hex, m.data, m.bytes);
    json_t *entry = json_pack("{s:I,s:s}", "bytes", (json_int_t)m.bytes, "digest", hex);
    PT_CHECK(!json_object_set_new(json_object_get(w->json, "files"), name, entry), PT_EARG, "%s: the name is not valid UTF-8",
             path);
done:
    pt_map_close(&m);
    free(path);
    return rc;
}

/* The files that the caller put beside ours. */
static pt_status note_files(pt_state_writer *w)
{
    pt_status rc = PT_OK;
    DIR *d = opendir(w->tmp);
    PT_CHECK(d, PT_EIO, "cannot read folder %s: %s", w->tmp, strerror(errno));
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, bin_name)) PT_TRY(note_file(w, e->d_name));
done:
    if (d) closedir(d);
    return rc;
}

pt_status pt_state_writer_commit(pt_state_writer *w)
{
    pt_status rc = PT_OK;
    char *path = NULL, hex[17];
    PT_TRY(end_blob(w));
    json_object_set_new(w->json, "bytes", json_integer((json_int_t)w->bin.bytes));
    PT_TRY(pt_outfile_commit(&w->bin));
    PT_TRY(note_files(w));
    PT_TRY(digest_json(hex, w->json));
    json_object_set_new(w->json, "digest", json_string(hex));
    PT_TRY(pt_path_join(&path, w->tmp, json_name));
    PT_TRY(pt_json_write(w->json, path));
    PT_TRY(pt_state_make_room(w->path));
    PT_TRY(pt_folder_commit(w->tmp, w->path));
    free(w->tmp);
    w->tmp = NULL;
done:
    free(path);
    return rc;
}

void pt_state_writer_close(pt_state_writer *w)
{
    pt_outfile_close(&w->bin);
    if (w->tmp) (void)pt_dir_remove(w->tmp);
    json_decref(w->json);
    free(w->digest);
    free(w->tmp);
    free(w->path);
    *w = (pt_state_writer){.bin.fd = -1};
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

struct pt_state {
    char *path;
    json_t *json;
    pt_map bin;
};

static pt_status damaged(const pt_state *s, const char *what)
{
    return pt_fail(PT_EFORMAT, "%s: %s is damaged; resume from another checkpoint", s->path, what);
}

static pt_status check_blob(const pt_state *s, const char *name, const json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "type")),
               *digest = json_string_value(json_object_get(entry, "digest"));
    json_int_t count = json_integer_value(json_object_get(entry, "count")),
               at = json_integer_value(json_object_get(entry, "offset"));
    pt_dtype t;
    size_t bytes;
    char hex[17], what[160];
    snprintf(what, sizeof what, "'%.100s' in %s", name, bin_name);
    if (!type || !digest || !pt_dtype_parse(type, &t) || count < 0 || at < 0 || at % ALIGN ||
        pt_dtype_row_bytes(t, (size_t)count, &bytes) != PT_OK || (size_t)at > s->bin.bytes || bytes > s->bin.bytes - (size_t)at)
        return damaged(s, what);
    digest_bytes(hex, s->bin.data + at, bytes);
    return strcmp(hex, digest) ? damaged(s, what) : PT_OK;
}

static pt_status check_file(const pt_state *s, const char *name, const json_t *entry)
{
    pt_status rc = PT_OK;
    const char *digest = json_string_value(json_object_get(entry, "digest"));
    char *path = NULL, hex[17];
    pt_map m = {0};
    PT_CHECK(digest && !strchr(name, '/'), PT_EFORMAT, "%s: bad file entry '%s'", s->path, name);
    PT_TRY(pt_path_join(&path, s->path, name));
    PT_TRY(pt_map_open(&m, path));
    digest_bytes(hex, m.data, m.bytes);
    if ((json_int_t)m.bytes != json_integer_value(json_object_get(entry, "bytes")) || strcmp(hex, digest))
        rc = damaged(s, name);
done:
    pt_map_close(&m);
    free(path);
    return rc;
}

static pt_status check_json(pt_state *s, const char *path)
{
    char hex[17];
    PT_RETURN(pt_json_read(&s->json, path, PT_JSON_OWN));
    const json_t *version = json_object_get(s->json, "version"), *step = json_object_get(s->json, "step");
    const char *digest = json_string_value(json_object_get(s->json, "digest"));
    if (json_is_integer(version) && json_integer_value(version) != VERSION)
        return pt_fail(PT_ENOSUP, "%s: checkpoint version %lld; this program reads %d", path,
                       (long long)json_integer_value(version), VERSION);
    PT_RETURN(digest_json(hex, s->json));
    if (!json_is_integer(version) || !json_is_integer(step) || json_integer_value(step) < 0 || !digest || strcmp(digest, hex))
        return damaged(s, json_name);
    return PT_OK;
}

pt_status pt_state_open(pt_state **out, const char *folder)
{
    pt_status rc = PT_OK;
    char *json = NULL, *bin = NULL;
    const char *name;
    json_t *entry;
    pt_state *s = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&s, 1));
    PT_TRY(pt_strdup(&s->path, folder));
    PT_TRY(pt_path_join(&json, folder, json_name));
    PT_TRY(pt_path_join(&bin, folder, bin_name));
    PT_TRY(check_json(s, json));
    PT_TRY(pt_map_open(&s->bin, bin));
    if ((json_int_t)s->bin.bytes != json_integer_value(json_object_get(s->json, "bytes"))) PT_TRY(damaged(s, bin_name));
    json_object_foreach(json_object_get(s->json, "blobs"), name, entry) PT_TRY(check_blob(s, name, entry));
    json_object_foreach(json_object_get(s->json, "files"), name, entry) PT_TRY(check_file(s, name, entry));
    *out = s;
    s = NULL;
done:
    pt_state_close(s);
    free(json);
    free(bin);
    return rc;
}

void pt_state_close(pt_state *s)
{
    if (!s) return;
    json_decref(s->json);
    pt_map_close(&s->bin);
    free(s->path);
    free(s);
}

int64_t pt_state_step(const pt_state *s)
{
    return json_integer_value(json_object_get(s->json, "step"));
}

const char *pt_state_id(const pt_state *s)
{
    return json_string_value(json_object_get(s->json, "digest"));
}

static const json_t *value(const pt_state *s, const char *name)
{
    return json_object_get(json_object_get(s->json, "values"), name);
}

static pt_status wrong(const pt_state *s, const char *name, const json_t *j, const char *want)
{
    return pt_fail(PT_EFORMAT, "%s: '%s' is %s, not %s", s->path, name, pt_json_kind(j), want);
}

bool pt_state_has(const pt_state *s, const char *name)
{
    return value(s, name) || json_object_get(json_object_get(s->json, "blobs"), name);
}

pt_status pt_state_int(const pt_state *s, const char *name, int64_t *out)
{
    const json_t *j = value(s, name);
    if (!json_is_integer(j)) return wrong(s, name, j, "an integer");
    *out = json_integer_value(j);
    return PT_OK;
}

pt_status pt_state_num(const pt_state *s, const char *name, double *out)
{
    const json_t *j = value(s, name);
    if (!json_is_real(j)) return wrong(s, name, j, "a number");
    *out = json_real_value(j);
    return PT_OK;
}

pt_status pt_state_text(const pt_state *s, const char *name, const char **out)
{
    const json_t *j = value(s, name);
    if (!json_is_string(j)) return wrong(s, name, j, "a text");
    *out = json_string_value(j);
    return PT_OK;
}

pt_status pt_state_blob(const pt_state *s, const char *name, pt_dtype type, int64_t count, const void **data, int64_t *got)
{
    const json_t *entry = json_object_get(json_object_get(s->json, "blobs"), name);
    const char *have = json_string_value(json_object_get(entry, "type"));
    int64_t n = json_integer_value(json_object_get(entry, "count"));
    *data = NULL;
    if (!entry) return pt_fail(PT_EFORMAT, "%s: '%s' is missing", s->path, name);
    if (strcmp(have, pt_dtype_get(type)->name))
        return pt_fail(PT_EFORMAT, "%s: '%s' holds %s, not %s", s->path, name, have, pt_dtype_get(type)->name);
    if (count >= 0 && n != count)
        return pt_fail(PT_ESHAPE, "%s: '%s' has %lld elements; this run has %lld", s->path, name, (long long)n,
                       (long long)count);
    *data = s->bin.data + json_integer_value(json_object_get(entry, "offset"));
    if (got) *got = n;
    return PT_OK;
}
