/* How ranks meet over TCP (tests/dist/launch.h starts them): launches by address and by file, what strangers may do to the meeting,
 * ranks that are absent, differ, die before all are there, or lie. */
#include <sys/stat.h>

#include "base/file.h"
#include "base/threads.h"
#include "tests/dist/exercise.h"
#include "tests/dist/launch.h"
#include "train/dist/secret.h"
#include "train/dist/store_impl.h"
#include "train/dist/wire.h"

/* ---- meeting ---- */
static int work(pt_comm *c)
{
    return exercise(c, c->size > 2 ? 2u << 20 : SIZE_MAX);
}
static void test_works(void **state)
{
    outcome o[8];
    for (int size = 1; size <= 4; size++) {
        run_all(by_address(size), work, o);
        for (int r = 0; r < size; r++) assert_int_equal(o[r].code, 0);
    }
    run_all(by_file(3, "meet"), work, o);
    for (int r = 0; r < 3; r++) assert_int_equal(o[r].code, 0);
    char path[512];
    snprintf(path, sizeof path, "%s/meet", scratch_dir);
    assert_int_not_equal(access(path, F_OK), 0); /* taken away once all are there */
}

static int local(pt_comm *c)
{
    return c->local_rank == 2 - c->rank && c->local_size == 3 && c->sharers >= 1 ? 0 : 1;
}
/* A launcher's word on the local rank counts; without one it follows from the machines (exercise checks that). */
static void test_local(void **state)
{
    pt_launch l = by_address(3);
    rank_run r[3];
    for (int i = 0; i < 3; i++) {
        l.local_rank = 2 - i;
        r[i] = begin(l, i, local);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(end(r[i]).code, 0);
}

static int nothing(pt_comm *c)
{
    return c->barrier(c) == PT_OK ? 0 : 91;
}
static void test_absent(void **state)
{
    pt_launch l = by_address(4);
    l.join_seconds = 1;
    double start = pt_seconds();
    rank_run zero = begin(l, 0, nothing), two = begin(l, 2, nothing);
    outcome o = end(zero), p = end(two);
    assert_int_equal(o.code, 90);
    has(o.said, "ranks 1, 3 of 4 did not come to 127.0.0.1:");
    has(o.said, "within 1 s");
    assert_int_equal(p.code, 90);
    has(p.said, "ranks 1, 3 of 4 did not come");
    assert_true(pt_seconds() - start < 10);
    o = end(begin(l, 1, nothing)); /* nobody there: the wrong port, or rank 0 never started */
    assert_int_equal(o.code, 90);
    has(o.said, "rank 1 cannot join rank 0 at 127.0.0.1:");
    has(o.said, "refused");
    l = by_file(2, "never");
    l.join_seconds = 0.5;
    o = end(begin(l, 1, nothing));
    assert_int_equal(o.code, 90);
    has(o.said, "never");
    l = by_address(2);
    pt_ears ears;
    pt_rank_place at;
    assert_int_equal(pt_store_listen(&l, &ears, &at), PT_OK); /* another program has the port, and says nothing */
    l.join_seconds = 0.5;
    o = end(begin(l, 0, nothing));
    assert_int_equal(o.code, 90);
    has(o.said, "another program has the port");
    o = end(begin(l, 1, nothing));
    assert_int_equal(o.code, 90);
    has(o.said, "no answer in time");
    pt_store_deaf(&ears);
}

static void test_usage(void **state)
{
    pt_comm *c;
    pt_launch l = by_address(2);
    l.rank = 2;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l.rank = -1;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l = by_address(PT_LAUNCH_RANKS + 1);
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l = by_address(2);
    l.port = 65536;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l = by_address(2);
    l.host[0] = 0;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l = by_address(2);
    l.token[0] = 0;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l = by_address(2);
    memcpy(l.host, "0.0.0.0", 8);
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    has(pt_err_msg(), "no address of one machine");
    l = by_file(2, "");
    l.path[0] = 0;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
    l.kind = PT_LAUNCH_ONE;
    assert_int_equal(pt_comm_tcp(&l, &c), PT_EARG);
}

static void test_differ(void **state)
{
    pt_launch l = by_address(2), other = l;
    other.size = 3;
    rank_run a = begin(l, 0, nothing), b = begin(other, 1, nothing);
    outcome o = end(a), p = end(b);
    assert_int_equal(o.code, 90);
    has(o.said, "rank 1 was started as one of 3 processes, rank 0 as one of 2");
    assert_int_equal(p.code, 90);
    has(p.said, "was started as one of 3 processes");
    l = by_address(3);
    rank_run r[3] = {begin(l, 0, nothing), begin(l, 1, nothing), begin(l, 1, nothing)};
    for (int i = 0; i < 3; i++) {
        o = end(r[i]);
        assert_int_equal(o.code, 90);
        has(o.said, "two processes say that they are rank 1");
    }
    l = by_address(2);
    other = l;
    memcpy(other.token, "job 8", 6);
    l.join_seconds = other.join_seconds = 1;
    memcpy(other.token_from, "a file", 7);
    a = begin(l, 0, nothing), b = begin(other, 1, nothing);
    o = end(b);
    assert_int_equal(o.code, 90);
    has(o.said, "another job");
    has(o.said, "the token here is from a file");
    has(o.said, "set PTRAIN_TOKEN");
    o = end(a);
    has(o.said, "rank 1 of 2 did not come");
    has(o.said, "that did not know this job's token");
}

/* ---- strangers and liars ---- */
static int dial(const pt_launch *l, pt_rank_place *at)
{
    int fd = -1;
    for (int i = 0; i < 200 && fd < 0; i++) {
        if (pt_store_find(l, at) != PT_OK || pt_store_connect(at, pt_seconds() + 5, &fd) != PT_OK) usleep(20000);
    }
    assert_true(fd >= 0);
    return fd;
}
static void say_to(int fd, const void *data, size_t n)
{
    assert_int_equal(pt_wire_send(fd, data, n, pt_seconds() + 5, NULL), PT_OK);
}

static void test_strangers(void **state)
{
    static unsigned char junk[100000];
    pt_launch l = by_address(3);
    pt_rank_place at;
    l.join_seconds = 6; /* less than a silent stranger may stay */
    rank_run r[3] = {begin(l, 0, work)};
    int silent[200], half, odd, web, old, slow, wrong, again;
    pt_ask ask, second;
    pt_welcome w;
    memset(junk, 0x5a, sizeof junk);
    for (int i = 0; i < 200; i++) silent[i] = dial(&l, &at); /* more than there is room for at the door */
    half = dial(&l, &at);
    say_to(half, junk, 17);
    odd = dial(&l, &at);
    pt_wire_send(odd, junk, sizeof junk, pt_seconds() + 1, NULL); /* may be cut off */
    web = dial(&l, &at);
    say_to(web, "GET / HTTP/1.1\r\n\r\n", 18);
    close(web);
    pt_hello h = {.magic = PT_HELLO_MAGIC, .version = PT_HELLO_VERSION + 1, .size = 3, .rank = 1};
    old = dial(&l, &at);
    say_to(old, &h, sizeof h);
    slow = dial(&l, &at); /* begins well, never ends */
    h.version = PT_HELLO_VERSION;
    say_to(slow, &h, sizeof h - 1);
    wrong = dial(&l, &at); /* says that it is rank 1, and cannot prove it */
    assert_int_equal(pt_wire_recv(wrong, &ask, sizeof ask, pt_seconds() + 5, NULL), PT_OK);
    pt_hello_sign(&h, &ask, "job 8");
    say_to(wrong, &h, sizeof h);
    assert_int_equal(pt_wire_recv(wrong, &w, sizeof w, pt_seconds() + 5, NULL), PT_OK);
    assert_true(!w.ok && !pt_welcome_proves(&w, &ask, &h, l.token));
    again = dial(&l, &at); /* a proof that was heard on another connection */
    assert_int_equal(pt_wire_recv(again, &second, sizeof second, pt_seconds() + 5, NULL), PT_OK);
    assert_true(memcmp(ask.nonce, second.nonce, sizeof ask.nonce) != 0);
    pt_hello_sign(&h, &ask, l.token);
    say_to(again, &h, sizeof h);
    assert_int_equal(pt_wire_recv(again, &w, sizeof w, pt_seconds() + 5, NULL), PT_OK);
    assert_true(!w.ok && !pt_welcome_proves(&w, &second, &h, l.token));
    for (int i = 1; i < 3; i++) r[i] = begin(l, i, work);
    for (int i = 0; i < 3; i++) assert_int_equal(end(r[i]).code, 0);
    for (int i = 0; i < 200; i++) close(silent[i]);
    const int rest[] = {half, odd, old, slow, wrong, again};
    for (int i = 0; i < 6; i++) close(rest[i]);
}

/* A rank that was killed before all were there, and that its launcher started again: at once, and after all others had come. */
static void test_again(void **state)
{
    for (int late = 0; late < 2; late++) {
        pt_launch l = by_address(3);
        rank_run r[3] = {begin(l, 0, work), begin(l, 1, work), {0}};
        usleep(300000);
        kill(r[1].pid, SIGKILL);
        assert_int_equal(end(r[1]).code, 128 + SIGKILL);
        if (late) {
            r[2] = begin(l, 2, work);
            usleep(200000);
        }
        r[1] = begin(l, 1, work);
        if (!late) r[2] = begin(l, 2, work);
        for (int i = 0; i < 3; i++) assert_int_equal(end(r[i]).code, 0);
    }
    /* not started again: it is the one that is missed */
    pt_launch l = by_address(3);
    l.join_seconds = 2;
    rank_run zero = begin(l, 0, work), gone = begin(l, 1, work);
    usleep(300000);
    kill(gone.pid, SIGKILL);
    end(gone);
    rank_run two = begin(l, 2, work);
    outcome o = end(zero), p = end(two);
    assert_int_equal(o.code, 90);
    has(o.said, "rank 1 of 3 did not come");
    assert_int_equal(p.code, 90);
    has(p.said, "rank 1 of 3 did not come");
}

/* Nobody listens where MASTER_ADDR does not point. */
static void test_where(void **state)
{
    char name[256];
    struct sockaddr_storage a = {0};
    pt_ears e;
    int port = 0;
    assert_int_equal(pt_listen_at("127.0.0.1", &port, false, false, &e), PT_OK);
    socklen_t n = sizeof a;
    assert_true(e.n == 1 && getsockname(e.fd[0], (struct sockaddr *)&a, &n) == 0);
    assert_int_equal(ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr), INADDR_LOOPBACK);
    pt_ears other;
    assert_int_equal(pt_listen_at("localhost", &port, false, false, &other), PT_EIO); /* the same port */
    pt_store_deaf(&e);
    assert_int_equal(gethostname(name, sizeof name), 0);
    for (int alone = 0; alone < 2; alone++) {
        port = 0;
        if (pt_listen_at(name, &port, true, alone, &e) != PT_OK) continue; /* a machine without a name */
        for (int i = 0; i < e.n; i++) {
            n = sizeof a;
            assert_int_equal(getsockname(e.fd[i], (struct sockaddr *)&a, &n), 0);
            if (a.ss_family == AF_INET) assert_int_not_equal(((struct sockaddr_in *)&a)->sin_addr.s_addr, 0);
            else assert_false(IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&a)->sin6_addr));
        }
        pt_store_deaf(&e);
    }
}

static void test_secret(void **state)
{
    char none[600], state_dir[600], open_dir[600], file[700], first[65], second[65], *path;
    snprintf(none, sizeof none, "%s/file/below", scratch_dir); /* cannot be a folder */
    snprintf(state_dir, sizeof state_dir, "%s/state/deep", scratch_dir);
    snprintf(file, sizeof file, "%s/file", scratch_dir);
    assert_int_equal(pt_file_write_whole(file, "x", 1), PT_OK);
    const char *const folders[] = {none, state_dir, NULL}, *const nowhere[] = {none, NULL};
    assert_int_equal(pt_secret_get(folders, first, &path), PT_OK);
    has(path, "/state/deep/ptrain/ranks.secret");
    assert_int_equal(strlen(first), 64);
    struct stat st;
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    free(path);
    assert_int_equal(pt_secret_get(folders, second, &path), PT_OK);
    assert_string_equal(first, second);
    assert_int_equal(chmod(path, 0640), 0); /* somebody may have read it */
    snprintf(file, sizeof file, "%s", path);
    free(path);
    assert_int_equal(pt_secret_get(folders, second, &path), PT_EARG);
    has(pt_err_msg(), "others may read or write it");
    assert_null(path);
    assert_true(unlink(file) == 0 && symlink("/etc/hostname", file) == 0); /* somebody's link */
    assert_int_equal(pt_secret_get(folders, second, &path), PT_EIO);
    assert_true(unlink(file) == 0 && mkfifo(file, 0600) == 0);
    assert_int_equal(pt_secret_get(folders, second, &path), PT_EARG);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(pt_file_write_whole(file, "short\n", 6), PT_OK);
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(pt_secret_get(folders, second, &path), PT_EARG);
    assert_int_equal(pt_secret_get(nowhere, second, &path), PT_EIO);
    has(pt_err_msg(), "set PTRAIN_TOKEN");
    snprintf(open_dir, sizeof open_dir, "%s/open", scratch_dir); /* a folder that others may write in is passed over */
    snprintf(file, sizeof file, "%s/ptrain", open_dir);
    assert_true(mkdir(open_dir, 0700) == 0 && mkdir(file, 0700) == 0 && chmod(file, 0777) == 0);
    const char *const loose[] = {open_dir, NULL};
    assert_int_equal(pt_secret_get(loose, second, &path), PT_EIO);
    /* many at once: one secret */
    const char *fresh[] = {open_dir, NULL};
    assert_int_equal(rmdir(file), 0);
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid[8];
    for (int i = 0; i < 8; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);
        if (pid[i]) continue;
        int code = pt_secret_get(fresh, second, &path) == PT_OK && write(fd[1], second, 64) == 64 ? 0 : 1;
        if (code) fprintf(stderr, "# %s\n", pt_err_msg());
        _exit(code);
    }
    for (int i = 0, status; i < 8; i++) {
        assert_true(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
        assert_int_equal(read(fd[0], i ? second : first, 64), 64);
        if (i) assert_memory_equal(first, second, 64);
    }
    close(fd[0]);
    close(fd[1]);
}

/* A rank 1 that knows the token, and then sends what `frame` holds instead of what is due. */
static outcome liar(const void *frame, size_t n)
{
    pt_launch l = by_address(2);
    pt_rank_place at;
    rank_run zero = begin(l, 0, nothing);
    pt_hello h = {.magic = PT_HELLO_MAGIC, .version = PT_HELLO_VERSION, .size = 2, .rank = 1, .local_rank = -1};
    pt_welcome w;
    pt_ask ask;
    memset(h.machine, 'x', sizeof h.machine); /* not ended by a zero */
    int fd = dial(&l, &at);
    assert_int_equal(pt_wire_recv(fd, &ask, sizeof ask, pt_seconds() + 5, NULL), PT_OK);
    pt_hello_sign(&h, &ask, at.token);
    say_to(fd, &h, sizeof h);
    assert_int_equal(pt_wire_recv(fd, &w, sizeof w, pt_seconds() + 10, NULL), PT_OK);
    assert_true(w.ok && pt_welcome_proves(&w, &ask, &h, at.token));
    if (n)
        say_to(fd, frame, n);
    else
        close(fd);
    outcome o = end(zero);
    if (n) close(fd);
    return o;
}
static void test_liars(void **state)
{
    pt_wire_head h = {PT_WIRE_MAGIC, PT_WIRE_BARRIER, 1, UINT64_MAX};
    outcome o = liar(&h, sizeof h);
    assert_int_equal(o.code, 91);
    has(o.said, "they do different things");
    h = (pt_wire_head){PT_WIRE_MAGIC, 999, 1, 0};
    has(liar(&h, sizeof h).said, "not ptrain's");
    h = (pt_wire_head){0x12345678, PT_WIRE_BARRIER, 1, 0};
    has(liar(&h, sizeof h).said, "not ptrain's");
    h = (pt_wire_head){PT_WIRE_MAGIC, PT_WIRE_ABORT, 1, 1u << 30};
    has(liar(&h, sizeof h).said, "rank 1 failed: it left");
    h = (pt_wire_head){PT_WIRE_MAGIC, PT_WIRE_BARRIER, 2, 0};
    has(liar(&h, sizeof h).said, "call 2");
    has(liar(NULL, 0).said, "gone without a word");
    struct {
        pt_wire_head head;
        pt_wire_last last;
    } f = {.head = {PT_WIRE_MAGIC, PT_WIRE_ABORT, 0, sizeof f.last}, .last.origin = -77};
    memset(f.last.why, 'y', sizeof f.last.why); /* no end */
    o = liar(&f, sizeof f);
    assert_int_equal(o.code, 91);
    has(o.said, "rank -77 failed: yyy");
}

/* One connection of a rank 1 to a rank 0 that says `ask` and then, after a hello, `w`. */
static void play_rank0(int listener, const void *ask, size_t n, const pt_welcome *w)
{
    pt_hello h;
    int fd = -1;
    for (int i = 0; i < 500 && fd < 0; i++, usleep(10000)) fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    say_to(fd, ask, n);
    if (w && pt_wire_recv(fd, &h, sizeof h, pt_seconds() + 5, NULL) == PT_OK) say_to(fd, w, sizeof *w);
    usleep(20000);
    close(fd);
}

/* A rank 0 that does not know the token gets nothing of a rank: no welcome of its is believed. */
static void test_false_rank0(void **state)
{
    pt_launch l = by_address(2);
    pt_rank_place at;
    pt_ears ears;
    pt_ask ask;
    pt_welcome w;
    l.join_seconds = 1;
    assert_int_equal(pt_store_listen(&l, &ears, &at), PT_OK);
    rank_run one = begin(l, 1, nothing);
    memset(&w, 0x41, sizeof w);
    for (int i = 0; i < 4; i++) play_rank0(ears.fd[0], &w, sizeof ask, NULL);
    outcome o = end(one);
    assert_int_equal(o.code, 90);
    has(o.said, "rank 1 cannot join rank 0");
    assert_int_equal(pt_ask_make(&ask), PT_OK);
    w.magic = PT_HELLO_MAGIC; /* welcomes it, or refuses it with a text without an end */
    for (w.ok = 0; w.ok < 2; w.ok++) {
        one = begin(l, 1, nothing);
        for (int i = 0; i < 2; i++) play_rank0(ears.fd[0], &ask, sizeof ask, &w);
        o = end(one);
        assert_int_equal(o.code, 90);
        has(o.said, "rank 1 cannot join rank 0");
        assert_null(strstr(o.said, "AAAA"));
    }
    pt_store_deaf(&ears);
}

static void test_files(void **state)
{
    static const char *const bad[] = {"",
                                      "hello",
                                      "ptrain-store 2\nhost a\nport 1\ntoken t\nmachine m\n",
                                      "ptrain-store 1\nhost a\nport 99999\ntoken t\nmachine m\n",
                                      "ptrain-store 1\nhost a\nport 1x\ntoken t\nmachine m\n",
                                      "ptrain-store 1\nhost \nport 1\ntoken t\nmachine m\n",
                                      "ptrain-store 1\nhost a\nport 1\nmachine m\n",
                                      "ptrain-store 1\nhost a\nport 1\ntoken t\nmachine m"};
    pt_launch l = by_file(2, "bad");
    pt_rank_place at;
    char text[600];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FILE *f = fopen(l.path, "w");
        assert_true(f && fputs(bad[i], f) >= 0 && fclose(f) == 0);
        assert_int_equal(pt_store_find(&l, &at), PT_EFORMAT);
    }
    memset(text, 'h', sizeof text);
    memcpy(text, "ptrain-store 1\nhost ", 20);
    memcpy(text + 500, "\nport 1\ntoken t\nmachine m\n", 27); /* a host longer than its place */
    FILE *f = fopen(l.path, "w");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
    assert_int_equal(pt_store_find(&l, &at), PT_EFORMAT);
    /* an old file that names a port where nobody, or another job, is: the ranks wait for the new one */
    pt_launch other = by_address(2);
    pt_ears ears;
    assert_int_equal(pt_store_listen(&other, &ears, &at), PT_OK);
    pt_store_deaf(&ears);
    snprintf(text, sizeof text, "ptrain-store 1\nhost 127.0.0.1\nport %d\ntoken t\nmachine m\n", other.port);
    f = fopen(l.path, "w");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
    rank_run one = begin(l, 1, work);
    usleep(200000);
    rank_run zero = begin(l, 0, work);
    assert_int_equal(end(one).code, 0);
    assert_int_equal(end(zero).code, 0);
    assert_int_equal(pt_store_listen(&l, &ears, &at), PT_OK); /* nobody else may read the token */
    struct stat st;
    assert_true(stat(l.path, &st) == 0 && (st.st_mode & 0777) == 0600);
    assert_int_equal(strlen(at.token), 32);
    pt_store_deaf(&ears);
    assert_int_equal(chmod(l.path, 0666), 0); /* somebody else may have written it */
    assert_int_equal(pt_store_find(&l, &at), PT_EFORMAT);
    has(pt_err_msg(), "others may write it");
    snprintf(l.path, sizeof l.path, "%s/no/such/folder/f", scratch_dir);
    assert_int_equal(pt_store_listen(&l, &ears, &at), PT_EIO);
    pt_store_deaf(&ears);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RANK_TEST(test_works), RANK_TEST(test_local), RANK_TEST(test_absent), RANK_TEST(test_usage),
        RANK_TEST(test_differ), RANK_TEST(test_strangers), RANK_TEST(test_again), RANK_TEST(test_where),
        RANK_TEST(test_secret), RANK_TEST(test_liars), RANK_TEST(test_false_rank0), RANK_TEST(test_files)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
