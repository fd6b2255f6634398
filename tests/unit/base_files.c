/* base/file.h: maps, whole reads, atomic writes, folders, digests (FIPS 180-4 and FNV known answers). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "base/log.h"
#include "base/mapped.h"
#include "tests/scratch.h"

static void maps_and_reads(void **state)
{
    pt_map m;
    char *text;
    size_t n;
    const char *path = scratch_path("a");
    scratch_write(path, "hello\0x", 7);
    assert_int_equal(pt_map_open(&m, path), PT_OK);
    assert_true(m.bytes == 7 && !memcmp(m.data, "hello\0x", 7));
    pt_map_close(&m);
    assert_null(m.data);
    assert_int_equal(pt_file_read(&text, &n, path, 7), PT_OK);
    assert_true(n == 7 && text[7] == 0);
    free(text);
    assert_int_equal(pt_file_read(&text, &n, path, 6), PT_EFORMAT);
    assert_string_equal(scratch_message(), "a has 7 bytes; at most 6 are read");
    assert_null(text);
    scratch_write(path, "", 0);
    assert_int_equal(pt_map_open(&m, path), PT_OK);
    assert_true(m.data != NULL && m.bytes == 0); /* readers count with pointers into it */
    pt_map_close(&m);
    assert_null(m.data);
    assert_int_equal(pt_file_read(&text, &n, path, 0), PT_OK);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(pt_map_open(&m, scratch_path("none")), PT_EIO);
    assert_string_equal(scratch_message(), "cannot open none: No such file or directory");
    assert_int_equal(pt_map_open(&m, scratch_dir), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "is not a regular file"));
}

static void a_fifo_does_not_hang(void **state)
{
    pt_map m;
    const char *path = scratch_path("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(5); /* opening one without a writer would wait for ever */
    assert_int_equal(pt_map_open(&m, path), PT_EIO);
    assert_string_equal(scratch_message(), "fifo is not a regular file");
    alarm(0);
}

/* What the system makes up has no size; what is being written may have another one by now. */
static void reads_what_has_no_size(void **state)
{
    char *text;
    size_t n;
    assert_int_equal(pt_file_read(&text, &n, "/proc/self/stat", 4096), PT_OK);
    assert_true(n > 20 && strtol(text, NULL, 10) == getpid());
    free(text);
    assert_int_equal(pt_file_read(&text, &n, "/proc/self/maps", 100), PT_EFORMAT);
    assert_null(text);
    assert_int_equal(pt_file_read(&text, &n, "/proc/sys/kernel/random/boot_id", 4096), PT_OK);
    assert_int_equal(n, 37);
    free(text);
}

/* Names of ours that somebody else has taken first. */
static void links_and_pipes_in_the_way(void **state)
{
    char path[600], tmp[700], victim[600];
    pt_outfile f;
    struct stat st;
    int fd;
    snprintf(path, sizeof path, "%s/target", scratch_dir);
    snprintf(victim, sizeof victim, "%s/victim", scratch_dir);
    snprintf(tmp, sizeof tmp, "%s.ptrain-new-%ld", path, (long)getpid());
    scratch_write(victim, "precious", 8);
    alarm(10);
    for (int what = 0; what < 4; what++) {
        unlink(tmp);
        if (what == 0) assert_int_equal(symlink(victim, tmp), 0);
        if (what == 1) assert_int_equal(mkfifo(tmp, 0600), 0);
        if (what == 2) assert_int_equal(link(victim, tmp), 0);
        if (what == 3) assert_int_equal(mkdir(tmp, 0700), 0);
        assert_int_equal(pt_outfile_open(&f, path), PT_EIO);
        assert_non_null(strstr(pt_err_msg(), what == 0 ? "a symbolic link is there" : what == 1 ? "a pipe is there" : what == 2 ? "second name" : "a folder"));
        assert_int_equal(lstat(tmp, &st), 0); /* it is not ours to remove */
    }
    assert_int_equal(rmdir(tmp), 0);
    assert_true(stat(victim, &st) == 0 && st.st_size == 8);
    scratch_write(tmp, "left", 4); /* a leftover of ours is replaced */
    assert_int_equal(pt_file_write_whole(path, "new", 3), PT_OK);
    assert_true(stat(path, &st) == 0 && st.st_size == 3);
    /* lines at the end of a file: the same */
    for (int what = 0; what < 3; what++) {
        unlink(tmp);
        if (what == 0) assert_int_equal(symlink(victim, tmp), 0);
        if (what == 1) assert_int_equal(mkfifo(tmp, 0600), 0);
        if (what == 2) assert_int_equal(symlink("nothing", tmp), 0);
        assert_int_equal(pt_file_append(tmp, &fd), PT_EIO);
        assert_non_null(strstr(pt_err_msg(), what == 1 ? "it is a pipe" : "it is a symbolic link"));
    }
    assert_int_equal(unlink(tmp), 0);
    assert_int_equal(pt_file_append(path, &fd), PT_OK);
    assert_int_equal(write(fd, "er", 2), 2);
    close(fd);
    assert_true(stat(path, &st) == 0 && st.st_size == 5);
    alarm(0);
}

static void writes_appear_whole(void **state)
{
    const char *path = scratch_path("out");
    pt_outfile f;
    char *text;
    scratch_write(path, "old", 3);
    assert_int_equal(pt_outfile_open(&f, path), PT_OK);
    assert_int_equal(pt_outfile_write(&f, "0000 new", 8), PT_OK);
    assert_int_equal(pt_outfile_rewrite(&f, 0, "1234", 4), PT_OK);
    assert_int_equal(pt_outfile_rewrite(&f, 6, "1234", 4), PT_EARG);
    assert_int_equal(pt_file_read(&text, NULL, path, 99), PT_OK);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(pt_outfile_commit(&f), PT_OK);
    pt_outfile_close(&f);
    assert_int_equal(pt_file_read(&text, NULL, path, 99), PT_OK);
    assert_string_equal(text, "1234 new");
    free(text);
    /* not committed: the old content stays and no temporary file is left */
    assert_int_equal(pt_outfile_open(&f, path), PT_OK);
    assert_int_equal(pt_outfile_write(&f, "half", 4), PT_OK);
    char tmp[300];
    snprintf(tmp, sizeof tmp, "%s", f.tmp);
    assert_true(pt_file_exists(tmp));
    pt_outfile_close(&f);
    assert_false(pt_file_exists(tmp));
    assert_int_equal(pt_file_read(&text, NULL, path, 99), PT_OK);
    assert_string_equal(text, "1234 new");
    free(text);
    pt_outfile zero = {0}; /* its fd of 0 is not ours to close */
    int had = fcntl(0, F_GETFD);
    pt_outfile_close(&zero);
    assert_int_equal(fcntl(0, F_GETFD), had);
    assert_int_equal(pt_outfile_open(&f, scratch_path("no/such/folder")), PT_EIO);
    assert_int_equal(pt_file_write_whole(scratch_path("no/such/folder"), "x", 1), PT_EIO);
}

static void a_full_device_is_an_error(void **state)
{
    struct rlimit r, small;
    char *text;
    signal(SIGXFSZ, SIG_IGN);
    const char *path = scratch_path("full");
    scratch_write(path, "old", 3);
    getrlimit(RLIMIT_FSIZE, &r);
    small = r;
    small.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char big[300] = {0};
    pt_status rc = pt_file_write_whole(path, big, sizeof big); /* a short write of 100, then an error */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
    assert_int_equal(rc, PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "File too large"));
    assert_int_equal(pt_file_read(&text, NULL, path, 99), PT_OK);
    assert_string_equal(text, "old");
    free(text);
}

static void folders(void **state)
{
    char *p;
    assert_int_equal(pt_dir_make(scratch_path("x/y/z")), PT_OK);
    assert_int_equal(pt_dir_make(scratch_path("x/y/z/")), PT_OK);
    assert_true(pt_dir_exists(scratch_path("x/y/z")) && !pt_file_exists(scratch_path("x/y")));
    scratch_write(scratch_path("x/y/f"), "1", 1);
    assert_int_equal(pt_dir_make(scratch_path("x/y/f")), PT_EIO);
    assert_string_equal(scratch_message(), "x/y/f is not a folder");
    assert_int_equal(pt_dir_make(scratch_path("x/y/f/g")), PT_EIO);
    assert_int_equal(pt_dir_check(scratch_path("x/y/f/g")), PT_EIO);
    assert_string_equal(scratch_message(), "x/y/f is not a folder");
    assert_int_equal(pt_dir_check(scratch_path("x/n/m")), PT_OK);
    assert_false(pt_dir_exists(scratch_path("x/n")));
    assert_int_equal(pt_dir_check("none_here/m"), PT_OK);
    assert_int_equal(pt_dir_check("/none_here/m"), access("/", W_OK) ? PT_EIO : PT_OK);
    assert_int_equal(pt_dir_there("none_here/m"), 0);
    const size_t there = pt_dir_there(scratch_path("x/n/m/"));
    assert_int_equal(there, strlen(scratch_path("x")));
    assert_int_equal(pt_dir_make(scratch_path("x/n/m/o")), PT_OK);
    pt_dir_drop_empty(scratch_path("x/n/m/"), there); /* not empty */
    assert_true(pt_dir_exists(scratch_path("x/n/m/o")));
    pt_dir_drop_empty(scratch_path("x/n/m/o/"), there);
    assert_true(!pt_dir_exists(scratch_path("x/n")) && pt_dir_exists(scratch_path("x")));
    assert_int_equal(pt_dir_make(scratch_path("outside")), PT_OK);
    scratch_write(scratch_path("outside/kept"), "1", 1);
    assert_int_equal(symlink("../../outside", scratch_path("x/y/link")), 0);
    assert_int_equal(pt_dir_remove(scratch_path("x")), PT_OK); /* removes the link, not what it points to */
    assert_false(pt_dir_exists(scratch_path("x")));
    assert_true(pt_file_exists(scratch_path("outside/kept")));
    assert_int_equal(pt_dir_remove(scratch_path("x")), PT_OK);
    assert_int_equal(pt_path_join(&p, "a/", "b"), PT_OK);
    assert_string_equal(p, "a/b");
    free(p);
    assert_int_equal(pt_path_join(&p, "", "b"), PT_OK);
    assert_string_equal(p, "b");
    free(p);
    assert_int_equal(pt_path_join(&p, "a", "/b"), PT_OK);
    assert_string_equal(p, "/b");
    free(p);
    assert_string_equal(pt_path_base("a/b.c"), "b.c");
    assert_string_equal(pt_path_base("b.c"), "b.c");
    scratch_write(scratch_path("from"), "1", 1);
    assert_int_equal(pt_rename_durable(scratch_path("from"), scratch_path("to")), PT_OK);
    assert_int_equal(pt_rename_durable(scratch_path("from"), scratch_path("to")), PT_EIO);
    assert_string_equal(scratch_message(), "cannot rename from to to: No such file or directory");
    assert_int_equal(pt_fsync_path(scratch_path("from")), PT_EIO);
}

static void digests(void **state)
{
    static const struct {
        const char *text, *sha;
        uint64_t fnv;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0xcbf29ce484222325},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 0xe71fa2190541574b},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", 0xdd305304cdb45735},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1", 0xf3692984963deb8d},
    };
    char hex[65];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_sha256_hex(hex, cases[i].text, strlen(cases[i].text));
        assert_string_equal(hex, cases[i].sha);
        assert_true(pt_fnv1a(PT_FNV_START, cases[i].text, strlen(cases[i].text)) == cases[i].fnv);
    }
    static char million[1000000];
    memset(million, 'a', sizeof million);
    scratch_write(scratch_path("million"), million, sizeof million);
    assert_int_equal(pt_sha256_file(hex, scratch_path("million")), PT_OK);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    scratch_write(scratch_path("empty"), "", 0);
    assert_int_equal(pt_sha256_file(hex, scratch_path("empty")), PT_OK);
    assert_string_equal(hex, cases[0].sha);
    /* chained = at once */
    assert_true(pt_fnv1a(pt_fnv1a(PT_FNV_START, "ab", 2), "c", 1) == pt_fnv1a(PT_FNV_START, "abc", 3));
}

/* The processor's own instructions, where it has them, beside plain C: any state, any blocks. */
static void test_sha_ways(void **state)
{
    unsigned char bytes[5 * 64];
    uint32_t a[8], b[8], x = 1;
    for (int turn = 0; turn < 200; turn++) {
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
        for (int i = 0; i < 8; i++) a[i] = b[i] = x = x * 1664525u + 1013904223u;
        size_t n = (size_t)turn % 6;
        pt_sha256_blocks_plain(a, bytes, n);
        if (!pt_sha256_blocks_native(b, bytes, n)) skip();
        assert_memory_equal(a, b, sizeof a);
    }
}

static int notes;
static void count_note(void *user, pt_log_level level, const char *text)
{
    (void)user, (void)text;
    notes += level == PT_LOG_WARN;
}

/* Which file an address is of; a mapped file that was cut, written to, replaced. */
static void mapped_files(void **state)
{
    pt_map a, b;
    char path[300];
    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path("mapped"));
    scratch_write(path, "0123456789", 10);
    scratch_write(scratch_path("other"), "abc", 3);
    assert_int_equal(pt_map_open(&a, path), PT_OK);
    assert_int_equal(pt_map_open(&b, scratch_path("other")), PT_OK);
    assert_string_equal(pt_mapped_at(a.data + 9), path);
    assert_null(pt_mapped_at(a.data + 10));
    assert_string_equal(pt_mapped_at(b.data), scratch_path("other"));
    assert_int_equal(pt_mapped_check(), PT_OK);
    pt_log_set_sink(count_note, NULL);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
    assert_int_equal(pt_mapped_check(), PT_OK);
    assert_int_equal(pt_mapped_check(), PT_OK);
    assert_int_equal(notes, 1);
    assert_int_equal(truncate(path, 9), 0);
    assert_int_equal(pt_mapped_check(), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "was cut from 10 to 9 bytes"));
    assert_int_equal(unlink(path), 0);
    scratch_write(path, "0", 1); /* another file of that name */
    assert_int_equal(pt_mapped_check(), PT_OK);
    pt_log_set_sink(NULL, NULL);
    const unsigned char *at = a.data;
    pt_map_close(&a);
    assert_null(pt_mapped_at(at));
    pt_map_close(&b);
}

/* What is forgotten comes back from the file; memory that no file is mapped to is left alone. */
static void mapped_pages_are_forgotten(void **state)
{
    enum { PAGES = 5 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *bytes;
    pt_map m;
    assert_int_equal(pt_alloc_pages(&bytes, PAGES * page), PT_OK);
    for (size_t i = 0; i < PAGES * page; i++) bytes[i] = (unsigned char)(i / page + 1);
    scratch_write(scratch_path("pages"), (const char *)bytes, PAGES * page);
    pt_mapped_forget(bytes, PAGES * page);
    assert_int_equal(bytes[3 * page], 4);
    assert_int_equal(pt_map_open(&m, scratch_path("pages")), PT_OK);
    for (size_t i = 0; i < PAGES; i++) assert_int_equal(m.data[i * page], i + 1);
    pt_mapped_forget(m.data + 1, 3 * page); /* whole pages: the second and the third */
    for (size_t i = 0; i < PAGES; i++) assert_int_equal(m.data[i * page], i + 1);
    pt_map_close(&m);
    free(bytes);
}

/* More entries than one read of the folder gives, folders in folders, a link to a folder outside. */
static void folders_go_whole(void **state)
{
    char name[64];
    assert_int_equal(pt_dir_make(scratch_path("keep")), PT_OK);
    scratch_write(scratch_path("keep/me"), "1", 1);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "tree/%d/a-long-name-for-a-folder", i % 20);
        assert_int_equal(pt_dir_make(scratch_path(name)), PT_OK);
        snprintf(name, sizeof name, "tree/%d/a-long-name-for-a-file-%d", i % 2, i);
        scratch_write(scratch_path(name), "1", 1);
    }
    char *to;
    assert_int_equal(pt_strdup(&to, scratch_path("keep")), PT_OK);
    assert_int_equal(symlink(to, scratch_path("tree/0/link")), 0);
    free(to);
    assert_int_equal(pt_dir_remove(scratch_path("tree")), PT_OK);
    assert_false(pt_dir_exists(scratch_path("tree")));
    assert_true(pt_file_exists(scratch_path("keep/me")));
    assert_int_equal(pt_dir_remove(scratch_path("tree")), PT_OK); /* is not there */
    assert_int_equal(pt_dir_remove(scratch_path("keep")), PT_OK);
}

/* What somebody gave and nobody can read is not the same as what was left out. */
static void given_or_left_out(void **state)
{
    char *text;
    scratch_write(scratch_path("given"), "1", 1);
    assert_int_equal(symlink("../nowhere", scratch_path("astray")), 0);
    assert_int_equal(symlink("round", scratch_path("round")), 0);
    assert_int_equal(pt_dir_make(scratch_path("folder")), PT_OK);
    assert_true(pt_file_given(scratch_path("given")) && pt_file_given(scratch_path("astray")) && pt_file_given(scratch_path("round")) &&
                pt_file_given(scratch_path("folder")));
    assert_false(pt_file_given(scratch_path("absent")) || pt_file_given(scratch_path("given/below")));
    assert_false(pt_file_exists(scratch_path("astray")) || pt_file_exists(scratch_path("folder")));
    assert_int_equal(pt_file_read(&text, NULL, scratch_path("astray"), 9), PT_EIO);
    assert_string_equal(scratch_message(), "cannot open astray: it is a link that leads nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_go_whole),
        cmocka_unit_test(given_or_left_out),
        cmocka_unit_test(mapped_files), cmocka_unit_test(mapped_pages_are_forgotten),
        cmocka_unit_test(maps_and_reads),
        cmocka_unit_test(a_fifo_does_not_hang),
        cmocka_unit_test(reads_what_has_no_size),
        cmocka_unit_test(links_and_pipes_in_the_way),
        cmocka_unit_test(writes_appear_whole),
        cmocka_unit_test(a_full_device_is_an_error),
        cmocka_unit_test(folders),
        cmocka_unit_test(digests), cmocka_unit_test(test_sha_ways),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
