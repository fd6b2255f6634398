/* Packs as hostile files: damaged at any byte, cut anywhere, or whole and lying. An error that names the file; never a crash,
 * never a pack. */
#include <dirent.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/threads.h"
#include "base/log.h"
#include "data/pack/pack_data.h"
#include "data_fixture.h"
#include "pack_seal.h"

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

static void add_tokens(pt_pack *p, size_t n)
{
    p->n_tokens += n;
    p->ids = realloc(p->ids, p->n_tokens * 4);
    memset(p->ids + p->n_tokens - n, 0, 4 * n);
    for (size_t i = p->n_tokens - n; i < p->n_tokens; i++) assert_int_equal(pt_pack_weights_put(&p->weights, i, &(float){0}, 1), PT_OK);
}

static void add_column(pt_pack *p, const char *name, bool of_answers, float value)
{
    pt_pack_column *c;
    assert_int_equal(pt_pack_column_make(p, "plain", of_answers, &c), PT_OK);
    for (size_t i = 0; i < (of_answers ? p->n_seqs : p->n_rows); i++) c->value[i] = value;
    snprintf(c->name, sizeof c->name, "%s", name);
}

enum { LIES = 24 };

static void lie(pt_pack *p, int what, bool pairs)
{
    pt_pack_row *r = &p->rows[3];
    switch (what) {
    case 0: p->ids[7] = -1; break;
    case 1: assert_int_equal(pt_pack_weights_put(&p->weights, 5, &(float){(float)(0.0 / 0.0)}, 1), PT_OK); break;
    case 2: assert_int_equal(pt_pack_weights_put(&p->weights, 5, &(float){-1}, 1), PT_OK); break;
    case 3: p->seq_start[2] = p->seq_start[1]; break;
    case 4: p->seq_start[0] = 1; break;
    case 5: p->seq_start[p->n_seqs] += 5, add_tokens(p, 4); break;
    case 6: r->prefix_len = pairs ? r->prefix_len + 1 : 1000; break;
    case 7: r->role = 0; break;
    case 8: r->source = 1; break;
    case 9: p->end[p->record_start[3]] = 128; break;
    case 10: r->validation = 2; break;
    case 11: p->columns[0].value[2] = (float)(1.0 / 0.0); break;
    case 12: p->n_rows--; break;
    case 13: p->end[p->n_seqs - 1] = -2; break;
    case 14: p->record_start[0] = 1; break;
    case 15: p->record_start[3] = p->record_start[2]; break;
    case 16: p->record_start[4] = p->record_start[5] + 1; break;
    case 17: p->record_start[p->n_rows]++; break;
    case 18: p->record_start[p->n_rows] = (int64_t)1 << 40; break;
    case 19: p->columns[0].value[1] = -1; break; /* weight */
    case 20: add_column(p, "", false, 1); break;
    case 21: add_column(p, "Score", false, 1); break;
    case 22: add_column(p, "weight", true, 1); break; /* of answers, and of records */
    case 23: add_column(p, "score", true, (float)(-1.0 / 0.0)); break;
    }
}

/* The digest is right, the content lies: what a pack made by someone else could hold. */
static void whole_but_wrong(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/liar.h5", dir);
    for (int c = 0; c < 2 * LIES; c++) {
        pt_pack *p = fixture_pack(dir, 8, c >= LIES, 100 + (uint64_t)c, 0, 128);
        assert_string_equal(p->columns[0].name, PT_COLUMN_WEIGHT);
        lie(p, c % LIES, c >= LIES);
        assert_int_equal(pt_pack_write(p, path), PT_OK);
        refuse(path, "case", (size_t)c);
        pt_pack_free(p);
    }
}

/* More columns than a batch has, and columns of another type or length. */
static void columns_that_are_none(void **state)
{
    char path[128], name[32];
    snprintf(path, sizeof path, "%s/columns.h5", dir);
    for (int what = 0; what < 6; what++) {
        pt_h5 *h;
        bool thin;
        const float one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        const int32_t ids[2] = {1, 2}, zero = 0;
        const int64_t seqs[2] = {0, 2}, records[2] = {0, 1};
        static const char meta[] = "{\"made_from\":\"x\",\"roles\":[],\"sources\":[{\"path\":\"x\"}]}";
        assert_int_equal(pt_h5_begin(&h, true), PT_OK);
        assert_int_equal(pt_h5_set_attr(h, "schema", PT_PACK_SCHEMA), PT_OK);
        assert_int_equal(pt_h5_set_attr(h, "fingerprint", 1), PT_OK);
        assert_int_equal(pt_h5_write(h, "meta", PT_H5_U8, meta, strlen(meta)), PT_OK);
        assert_int_equal(pt_h5_write(h, "tokens", PT_H5_I32, ids, 2), PT_OK);
        assert_int_equal(pt_h5_write(h, "weights", PT_H5_F32, one, 2), PT_OK);
        assert_int_equal(pt_h5_write(h, "seq_start", PT_H5_I64, seqs, 2), PT_OK);
        assert_int_equal(pt_h5_write(h, "end", PT_H5_I32, &zero, 1), PT_OK);
        assert_int_equal(pt_h5_write(h, "record_start", PT_H5_I64, records, 2), PT_OK);
        static const char *const fields[] = {"prefix_len", "role", "source"};
        for (int i = 0; i < 3; i++) assert_int_equal(pt_h5_write(h, fields[i], PT_H5_I32, i == 1 ? &(int32_t){-1} : &zero, 1), PT_OK);
        assert_int_equal(pt_h5_write(h, "prefix_id", PT_H5_U64, records, 1), PT_OK);
        assert_int_equal(pt_h5_write(h, "line", PT_H5_I64, records, 1), PT_OK);
        assert_int_equal(pt_h5_write(h, "validation", PT_H5_U8, records, 1), PT_OK);
        if (what != 1) assert_int_equal(pt_h5_write(h, "weight", what == 2 ? PT_H5_I32 : PT_H5_F32, one, what == 3 ? 2 : 1), PT_OK);
        for (int i = 0; what == 4 && i < PT_BATCH_COLUMNS; i++) {
            snprintf(name, sizeof name, "answer.c%d", i);
            assert_int_equal(pt_h5_write(h, name, PT_H5_F32, one, 1), PT_OK);
        }
        if (what == 5) assert_int_equal(pt_h5_write(h, "record.abcdefghijklmnopqrstuvwx", PT_H5_F32, one, 1), PT_OK);
        assert_int_equal(pt_h5_commit(h, path, &thin), PT_OK);
        pt_h5_close(h);
        pt_pack *p;
        if (what) {
            refuse(path, "columns", (size_t)what);
            continue;
        }
        if (pt_pack_open(&p, path) != PT_OK) fail_msg("%s", pt_err_msg()); /* the others differ from this one by what they name */
        pt_pack_free(p);
    }
}

static pt_status write_file(const char *path, int what)
{
    pt_status rc = PT_OK;
    pt_h5 *file = NULL;
    bool thin;
    const int32_t few[2] = {1, 2};
    PT_TRY(pt_h5_begin(&file, true));
    PT_TRY(pt_h5_set_attr(file, "schema", what == 0 ? 9 : what == 2 ? 1 : PT_PACK_SCHEMA));
    if (what != 1) PT_TRY(pt_h5_set_attr(file, "fingerprint", 1));
    const char *meta = what == 3   ? "{"
                       : what == 4 ? "{}"
                       : what == 5 ? "{\"made_from\":\"x\",\"roles\":[1],\"sources\":[]}"
                                   : "{\"made_from\":\"x\",\"roles\":[],\"sources\":[]}";
    PT_TRY(pt_h5_write(file, "meta", PT_H5_U8, meta, strlen(meta)));
    if (what != 6) PT_TRY(pt_h5_write(file, "tokens", what == 7 ? PT_H5_F32 : PT_H5_I32, few, what == 8 ? 0 : 2));
    PT_TRY(pt_h5_write(file, "weights", PT_H5_F32, few, what == 9 ? 1 : 2));
    PT_TRY(pt_h5_write(file, "seq_start", PT_H5_I64, few, what == 10 ? 0 : 1));
    PT_TRY(pt_h5_commit(file, path, &thin));
done:
    pt_h5_close(file);
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

/* ---- what HDF5 can do and a pack never does ---------------------------------------------------------------------------------- */

enum { SOFT, EXTERNAL_LINK, EXTERNAL_STORAGE, VIRTUAL, CONTIGUOUS, OTHER_FILTER, SPARSE, BOMB, GROUP, MANY, STRINGS, TRICKS };

static void bomb(hid_t file, hid_t props)
{
    enum { PIECE = 1 << 22 };
    hsize_t dim = 80 * (hsize_t)PIECE, chunk = PIECE, at;
    unsigned char *zeros = calloc(PIECE, 4), *small = malloc(PIECE);
    uLongf n = PIECE;
    assert_true(zeros && small && compress2(small, &n, zeros, PIECE * 4, 9) == Z_OK);
    H5Pset_chunk(props, 1, &chunk);
    H5Pset_deflate(props, 9);
    hid_t space = H5Screate_simple(1, &dim, NULL), set = H5Dcreate2(file, "tokens", H5T_STD_I32LE, space, H5P_DEFAULT, props, H5P_DEFAULT);
    for (at = 0; at < dim; at += PIECE) assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, 0, &at, n, small) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    free(zeros);
    free(small);
}

static void trick(const char *path, int what)
{
    hsize_t dim = 4, chunk = 4, large = (hsize_t)1 << 40;
    int32_t few[4] = {1, 2, 3, 4};
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS), props = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_userblock(create, 512);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access), space = H5Screate_simple(1, &dim, NULL), set = -1;
    assert_true(file >= 0);
    switch (what) {
    case SOFT: H5Lcreate_soft("/meta", file, "tokens", H5P_DEFAULT, H5P_DEFAULT); break;
    case EXTERNAL_LINK: H5Lcreate_external("/etc/hostname", "/tokens", file, "tokens", H5P_DEFAULT, H5P_DEFAULT); break;
    case EXTERNAL_STORAGE: H5Pset_external(props, "/etc/hostname", 0, sizeof few); break;
    case VIRTUAL: H5Pset_virtual(props, space, "/etc/hostname", "/tokens", space); break;
    case OTHER_FILTER:
        H5Pset_chunk(props, 1, &chunk);
        H5Pset_scaleoffset(props, H5Z_SO_INT, 0);
        break;
    case SPARSE:
        H5Sclose(space);
        space = H5Screate_simple(1, &large, NULL);
        chunk = 1 << 20;
        H5Pset_chunk(props, 1, &chunk);
        break;
    case BOMB: bomb(file, props); break;
    case GROUP: H5Gclose(H5Gcreate2(file, "tokens", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); break;
    }
    hid_t type = what == STRINGS ? H5Tcopy(H5T_C_S1) : H5Tcopy(H5T_STD_I32LE);
    if (what == STRINGS || what == MANY) H5Pset_chunk(props, 1, &chunk);
    char name[32] = "tokens";
    for (int i = 0; what != SOFT && what != EXTERNAL_LINK && what != BOMB && what != GROUP && i < (what == MANY ? 70 : 1); i++) {
        if (i) snprintf(name, sizeof name, "set%d", i);
        set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, props, H5P_DEFAULT);
        if (what == CONTIGUOUS || what == OTHER_FILTER) H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, few);
        if (set < 0) fail_msg("trick %d cannot be made", what);
        H5Dclose(set);
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Pclose(props);
    H5Pclose(access);
    H5Pclose(create);
    assert_true(H5Fclose(file) >= 0);
    seal(path);
}

static void outside_and_bombs(void **state)
{
    static const char *const says[TRICKS] = {
        [SOFT] = "link out of its place",       [EXTERNAL_LINK] = "link out of its place", [EXTERNAL_STORAGE] = "not stored as ptrain",
        [VIRTUAL] = "not stored as ptrain",     [CONTIGUOUS] = "not stored as ptrain",     [OTHER_FILTER] = "not stored as ptrain",
        [SPARSE] = "elements that are not there", [BOMB] = "asks for 1342.2",               [GROUP] = "no data set 'tokens'",
        [MANY] = "links stand in a heap",                [STRINGS] = "another type"};
    char path[128];
    snprintf(path, sizeof path, "%s/trick.h5", dir);
    for (int what = 0; what < TRICKS; what++) {
        trick(path, what);
        refuse(path, "trick", (size_t)what);
        if (!strstr(pt_err_msg(), says[what])) fail_msg("trick %d: '%s' does not say '%s'", what, pt_err_msg(), says[what]);
    }
}

/* ---- links ----------------------------------------------------------------------------------------------------------------------
 * Packs of before 30 November 2026 have schema 1; the first of them keep their links in a heap and a tree of names. */

static void older_packs(void **state)
{
    static const char *const older[] = {"tests/fuzz/corpus/pack/older_tokens", "tests/fuzz/corpus/pack/older_pairs", "tests/fuzz/corpus/pack/older_links"};
    for (size_t i = 0; i < sizeof older / sizeof *older; i++) {
        refuse(older[i], "older", i);
        assert_non_null(strstr(pt_err_msg(), "an older version of ptrain"));
    }
}

/* A pack in the place of the right one, of an older schema: made again, with a line; the same file then. */
static pt_str said;
static void hear(void *user, pt_log_level level, const char *line)
{
    if (level >= PT_LOG_WARN) (void)pt_str_printf(&said, "%s\n", line);
}

static void made_again(void **state)
{
    pt_pack *p = fixture_pack(dir, 9, true, 77, 0, 128);
    pt_h5 *h;
    bool thin;
    char rows[128];
    snprintf(rows, sizeof rows, "%s/rows-77.jsonl", dir);
    pt_dataset_spec set = {.path = rows, .type = "tokens", .weight = 1, SAYS(SAID("field_weight", "weight"), SAID("field_margin", "margin"))};
    pt_pack_options o = {.pairs = true, .sequence_len = 128, .excess = PT_EXCESS_TRUNCATE, .cache_dir = dir, .seed = 77};
    pt_pack_report r;
    uint64_t fingerprint = pt_pack_fingerprint(p);
    assert_int_equal(pt_h5_begin(&h, true), PT_OK);
    assert_int_equal(pt_h5_set_attr(h, "schema", 1), PT_OK);
    assert_int_equal(pt_h5_commit(h, pt_pack_path(p), &thin), PT_OK);
    pt_h5_close(h);
    pt_pack_free(p);
    said.len = 0;
    pt_log_set_sink(hear, NULL);
    pt_status rc = pt_pack_build(&p, &set, 1, &o, &r);
    pt_log_set_sink(NULL, NULL);
    assert_int_equal(rc, PT_OK);
    assert_false(r.reused);
    assert_non_null(strstr(said.text, "packing again: pack "));
    assert_non_null(strstr(said.text, "schema 1, of an older version of ptrain; this one reads 2"));
    /* What checkpoints keep of it is that of the older file: runs go on. Another number here: they are refused, as after PT_PACK_RENDER is raised. */
    assert_true(pt_pack_fingerprint(p) == fingerprint);
    assert_true(fingerprint == 0x66e9d67a2a4d6c53);
    pt_pack_free(p);
    assert_int_equal(pt_pack_build(&p, &set, 1, &o, &r), PT_OK);
    assert_true(r.reused);
    pt_pack_free(p);
    pt_str_free(&said);
}

/* What is written now has neither: nothing to walk. */
static void plain_links(void **state)
{
    for (int pairs = 0; pairs < 2; pairs++) {
        pt_pack *p = fixture_pack(dir, 9, pairs, 1, 0.2, 128);
        char *bytes;
        size_t n;
        assert_int_equal(pt_file_read(&bytes, &n, pt_pack_path(p), 1 << 24), PT_OK);
        pt_pack_free(p);
        assert_true(memmem(bytes, n, "OHDR", 4) && !memmem(bytes, n, "FRHP", 4) && !memmem(bytes, n, "BTHD", 4));
        free(bytes);
    }
}

/* What packs better than a reader believes is written again without deflate. */
static void thin_packs(void **state)
{
    char path[128];
    size_t n = (size_t)270 << 20;
    pt_h5 *h;
    bool thin;
    void *zeros = calloc(n, 1);
    snprintf(path, sizeof path, "%s/thin.h5", dir);
    assert_int_equal(pt_h5_begin(&h, true), PT_OK);
    assert_int_equal(pt_h5_write(h, "meta", PT_H5_U8, zeros, n), PT_OK);
    assert_int_equal(pt_h5_commit(h, path, &thin), PT_OK);
    assert_true(thin && !pt_file_exists(path));
    pt_h5_close(h);
    assert_int_equal(pt_h5_begin(&h, false), PT_OK);
    assert_int_equal(pt_h5_write(h, "meta", PT_H5_U8, zeros, 1000000), PT_OK);
    assert_int_equal(pt_h5_commit(h, path, &thin), PT_OK);
    pt_h5_close(h);
    struct stat st;
    assert_true(!thin && stat(path, &st) == 0 && st.st_size > 1000000);
    assert_int_equal(pt_h5_open(&h, path), PT_OK);
    pt_h5_close(h);
    free(zeros);
}

/* A disk that is full: an error, nothing is left behind, and the program ends in order. */
static void full_disk(void **state)
{
    char rows[96], sub[96];
    snprintf(rows, sizeof rows, "%s/full.jsonl", dir);
    snprintf(sub, sizeof sub, "%s/full", dir);
    assert_int_equal(pt_file_write_whole(rows, "{\"input_ids\": [1, 2], \"labels\": [1, 2]}\n", 40), PT_OK);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pt_threads_set(1); /* the parent's threads are not here, and libgomp would wait for them */
        pt_dataset_spec set = {.path = rows, .type = "tokens"};
        pt_pack_options o = {.sequence_len = 16, .cache_dir = sub};
        pt_pack_report r;
        pt_pack *p;
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000})) _exit(9);
        pt_status rc = pt_pack_build(&p, &set, 1, &o, &r);
        exit(rc == PT_EIO && strstr(pt_err_msg(), "File too large") ? 0 : 8); /* through atexit */
    }
    int st;
    assert_true(waitpid(pid, &st, 0) == pid && st == 0);
    DIR *d = opendir(sub);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') fail_msg("%s is left", e->d_name);
    closedir(d);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_at_any_byte), cmocka_unit_test(whole_but_wrong), cmocka_unit_test(other_shapes),      cmocka_unit_test(columns_that_are_none),
        cmocka_unit_test(outside_and_bombs),   cmocka_unit_test(older_packs),     cmocka_unit_test(made_again),      cmocka_unit_test(plain_links),
        cmocka_unit_test(thin_packs),          cmocka_unit_test(full_disk),       cmocka_unit_test(nothing_half_written)};
    return cmocka_run_group_tests_name("data_pack_damage", tests, setup, teardown);
}
