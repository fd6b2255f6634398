/* A run's folder with one checkpoint: state.json, 0xff, the note resumed_from.json, 0xff, state.bin. A state.json that begins with '!' gets
 * the digests that fit what it says and what state.bin holds, as someone would who edits a checkpoint: the checks behind them are reached. */
#include "tests/fuzz/harness.h"

#include "base/json.h"
#include "checkpoints/digest.h"
#include "checkpoints/state_list.h"

static void hex_of(char out[17], const void *data, size_t n)
{
    pt_digest d;
    pt_digest_start(&d);
    if (n) pt_digest_add(&d, data, n);
    snprintf(out, 17, "%016llx", (unsigned long long)pt_digest_end(&d));
}

static void mend_blobs(json_t *j, fuzz_part bin)
{
    const char *name;
    json_t *e;
    char hex[17];
    json_object_foreach(json_object_get(j, "blobs"), name, e)
    {
        json_int_t at = json_integer_value(json_object_get(e, "offset")), n = json_integer_value(json_object_get(e, "bytes"));
        const char *type = json_string_value(json_object_get(e, "type"));
        pt_dtype t;
        if (type && pt_dtype_parse(type, &t)) n = json_integer_value(json_object_get(e, "count")) * (t == PT_F32 ? 4 : 1);
        if (!json_is_object(e) || at < 0 || n < 0 || (size_t)at > bin.n || (size_t)n > bin.n - (size_t)at) continue;
        hex_of(hex, bin.n ? bin.at + at : bin.at, (size_t)n);
        json_object_set_new(e, "digest", json_string(hex));
    }
    json_object_set_new(j, "bytes", json_integer((json_int_t)bin.n));
}

static void put_json(const char *path, fuzz_part text, fuzz_part bin)
{
    json_t *j = NULL;
    char hex[17], *out = NULL;
    if (text.n && text.at[0] == '!' && pt_json_parse(&j, (const char *)text.at + 1, text.n - 1, "state", PT_JSON_OBJECT | PT_JSON_OWN) == PT_OK) {
        mend_blobs(j, bin);
        json_object_del(j, "digest");
        char *plain = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
        fuzz_assert(plain);
        hex_of(hex, plain, strlen(plain));
        json_object_set_new(j, "digest", json_string(hex));
        free(plain);
        out = json_dumps(j, 0);
        text = (fuzz_part){(const uint8_t *)out, strlen(out)};
    }
    fuzz_put(path, text.at, text.n);
    json_decref(j);
    free(out);
    pt_err_clear();
}

static void read_state(pt_state *s)
{
    static const char *const names[] = {"loss", "records", "text", "m", "v", "serial", "gone"};
    pt_state_course c = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t v, n;
        double d;
        const char *t;
        const void *data;
        (void)pt_state_has(s, names[i]);
        fuzz_clean(pt_state_int(s, names[i], &v));
        fuzz_clean(pt_state_num(s, names[i], &d));
        fuzz_clean(pt_state_text(s, names[i], &t));
        pt_status rc = pt_state_blob(s, names[i], PT_F32, -1, &data, &n);
        fuzz_clean(rc);
        if (rc == PT_OK) fuzz_touch(data, (size_t)n * 4);
        fuzz_clean(pt_state_blob(s, names[i], PT_F32, 3, &data, NULL));
    }
    fuzz_assert(pt_state_step(s) >= 0 && strlen(pt_state_id(s)) == 16);
    fuzz_clean(pt_state_course_of(&c, s));
    pt_state_course_free(&c);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    static bool made;
    fuzz_part part[3];
    pt_state *s;
    pt_state_list l = {0};
    if (!made) fuzz_assert(pt_dir_make(fuzz_path("checkpoint-3")) == PT_OK && pt_dir_make(fuzz_path("checkpoint-40")) == PT_OK);
    if (!made) fuzz_put("checkpoint-40/state.json", "{}", 2);
    made = true;
    size_t parts = fuzz_split(bytes, n, part, 3);
    fuzz_put("checkpoint-3/state.bin", part[2].at, part[2].n);
    put_json("checkpoint-3/state.json", part[0], part[2]);
    if (parts > 1 && part[1].n) fuzz_put("resumed_from.json", part[1].at, part[1].n);
    else unlink(fuzz_path("resumed_from.json"));
    pt_status rc = pt_state_open(&s, fuzz_path("checkpoint-3"));
    fuzz_clean(rc);
    fuzz_assert((s != NULL) == (rc == PT_OK));
    if (s) {
        fuzz_accepted++;
        read_state(s);
        pt_state_close(s);
    }
    fuzz_clean(pt_state_list_read(&l, fuzz_dir()));
    pt_state_list_free(&l);
    return 0;
}
