/* Packs as hostile files: damaged at any byte, cut anywhere, or whole and lying. An error that names the file; never a crash,
 * never a pack. */
#include <sys/stat.h>

#include "data/pack_data.h"
#include "data_fixture.h"

static char dir[64];

static int setup(void **state)
{
    fixture_dir(dir);
    return 0;
}

static int teardown(void **state)
{
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

static void refuse(const char *path, const char *what, size_t at)
{
    pt_pack *p;
    pt_status rc = pt_pack_open(&p, path);
    if (rc == PT_OK) fail_msg("%s %zu: opened", what, at);
    assert_null(p);
    if (!strstr(pt_err_msg(), path)) fail_msg("%s %zu: '%s' does not name the file", what, at, pt_err_msg());
}

/* Without fsync: hundreds of files. */
static void put(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void damaged_at_any_byte(void **state)
{
    pt_pack *p = fixture_pack(dir, 12, false, 1, 0.2, 128);
    char bad[128], *bytes;
    size_t n;
    assert_int_equal(pt_file_read(&bytes, &n, pt_pack_path(p), 1 << 24), PT_OK);
    pt_pack_free(p);
    snprintf(bad, sizeof bad, "%s/bad.h5", dir);
    put(bad, bytes, n);
    assert_int_equal(pt_pack_open(&p, bad), PT_OK);
    pt_pack_free(p);
    for (size_t at = 0; at < n; at += at < 600 ? 1 : 37) {
        bytes[at] ^= (char)(1 << (at % 8));
        put(bad, bytes, n);
        refuse(bad, "byte", at);
        bytes[at] ^= (char)(1 << (at % 8));
    }
    for (size_t len = 0; len < n; len += 1 + n / 97) {
        put(bad, bytes, len);
        refuse(bad, "length", len);
    }
    bytes = realloc(bytes, n + 1);
    bytes[n] = 0;
    put(bad, bytes, n + 1);
    refuse(bad, "length", n + 1);
    free(bytes);
    refuse("/tmp/ptrain-no-such-pack.h5", "missing", 0);
    refuse(dir, "folder", 0);
}

/* The digest is right, the content lies: what a pack made by someone else could hold. */
static void whole_but_wrong(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/liar.h5", dir);
    for (int c = 0; c < 26; c++) {
        pt_pack *p = fixture_pack(dir, 8, c >= 13, 100 + (uint64_t)c, 0, 128);
        pt_pack_row *r = &p->rows[3];
        switch (c % 13) {
        case 0: p->ids[7] = -1; break;
        case 1: p->weight[5] = (float)(0.0 / 0.0); break;
        case 2: p->weight[5] = -1; break;
        case 3: p->seq_start[2] = p->seq_start[1]; break;
        case 4: p->seq_start[0] = 1; break;
        case 5:
            p->seq_start[p->n_seqs] += 5;
            p->n_tokens += 4;
            p->ids = realloc(p->ids, p->n_tokens * 4);
            p->weight = realloc(p->weight, p->n_tokens * 4);
            memset(p->ids + p->n_tokens - 4, 0, 16);
            memset(p->weight + p->n_tokens - 4, 0, 16);
            break;
        case 6: r->prefix_len = c < 13 ? 1000 : r->prefix_len + 1; break;
        case 7: r->role = 0; break;
        case 8: r->source = 1; break;
        case 9: r->end[0] = 128; break;
        case 10: r->validation = 2; break;
        case 11: r->margin = (float)(1.0 / 0.0); break;
        case 12: p->n_rows--; break;
        }
        assert_int_equal(pt_pack_write(p, path), PT_OK);
        refuse(path, "case", (size_t)c);
        pt_pack_free(p);
    }
}

static pt_status write_file(const char *path, int what)
{
    pt_status rc = PT_OK;
    char *tmp;
    int64_t file;
    const int32_t few[2] = {1, 2};
    PT_TRY(pt_h5_begin(path, &tmp, &file));
    PT_TRY(pt_h5_set_attr(file, "schema", what == 0 ? 9 : PT_PACK_SCHEMA));
    PT_TRY(pt_h5_set_attr(file, "fingerprint", 1));
    if (what != 1) PT_TRY(pt_h5_set_attr(file, "pairs", what == 2 ? 2 : 0));
    const char *meta = what == 3   ? "{"
                       : what == 4 ? "{}"
                       : what == 5 ? "{\"made_from\":\"x\",\"roles\":[1],\"sources\":[]}"
                                   : "{\"made_from\":\"x\",\"roles\":[],\"sources\":[]}";
    PT_TRY(pt_h5_write(file, "meta", PT_H5_U8, meta, strlen(meta)));
    if (what != 6) PT_TRY(pt_h5_write(file, "tokens", what == 7 ? PT_H5_F32 : PT_H5_I32, few, what == 8 ? 0 : 2));
    PT_TRY(pt_h5_write(file, "weights", PT_H5_F32, few, what == 9 ? 1 : 2));
    PT_TRY(pt_h5_write(file, "seq_start", PT_H5_I64, few, what == 10 ? 0 : 1));
    PT_TRY(pt_h5_commit(path, tmp, file));
    free(tmp);
done:
    return rc;
}

/* Well-formed HDF5 of another shape: missing sets, other types, other lengths, broken meta. */
static void other_shapes(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/shape.h5", dir);
    for (int what = 0; what <= 11; what++) {
        if (write_file(path, what) != PT_OK) fail_msg("%s", pt_err_msg());
        refuse(path, "shape", (size_t)what);
    }
}

/* A folder that cannot be written: an error, and nothing left behind. */
static void nothing_half_written(void **state)
{
    char rows[96], sub[96];
    snprintf(rows, sizeof rows, "%s/broken.jsonl", dir);
    snprintf(sub, sizeof sub, "%s/cache", dir);
    assert_int_equal(pt_file_write_whole(rows, "{\"input_ids\": [1, 2], \"labels\": [1, 2]}\n{", 41), PT_OK);
    pt_dataset_spec set = {.path = rows, .type = "tokens"};
    pt_pack_options o = {.sequence_len = 16, .cache_dir = sub};
    pt_pack_report r;
    pt_pack *p;
    assert_int_equal(pt_pack_build(&p, &set, 1, &o, &r), PT_EFORMAT);
    assert_false(pt_dir_exists(sub));
    assert_int_equal(pt_file_write_whole(sub, "x", 1), PT_OK); /* a file where the folder should be */
    assert_int_equal(pt_file_write_whole(rows, "{\"input_ids\": [1, 2], \"labels\": [1, 2]}\n", 40), PT_OK);
    assert_int_equal(pt_pack_build(&p, &set, 1, &o, &r), PT_EIO);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_at_any_byte), cmocka_unit_test(whole_but_wrong),
                                       cmocka_unit_test(other_shapes), cmocka_unit_test(nothing_half_written)};
    return cmocka_run_group_tests_name("data_pack_damage", tests, setup, teardown);
}
