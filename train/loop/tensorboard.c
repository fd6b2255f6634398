#include "train/loop/tensorboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

uint32_t pt_crc32c(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = (c >> 1) ^ (0x82f63b78u & (0u - (c & 1)));
    }
    return ~c;
}

static uint32_t masked(const void *data, size_t bytes)
{
    uint32_t c = pt_crc32c(data, bytes);
    return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

/* ---- protobuf ---------------------------------------------------------------------------------------------------------- */

static pt_status put_bytes(pt_str *s, const void *p, size_t n)
{
    return pt_str_add(s, p, n);
}

static pt_status put_little(pt_str *s, uint64_t v, int n)
{
    char b[8];
    for (int i = 0; i < n; i++) b[i] = (char)(v >> (8 * i));
    return put_bytes(s, b, (size_t)n);
}

static pt_status put_varint(pt_str *s, uint64_t v)
{
    char b[10];
    size_t n = 0;
    for (; v >= 128; v >>= 7) b[n++] = (char)(v | 128);
    b[n++] = (char)v;
    return put_bytes(s, b, n);
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
static pt_status put_tag(pt_str *s, unsigned field, unsigned wire)
{
    return put_varint(s, field << 3 | wire);
}

static pt_status put_field(pt_str *s, unsigned field, const void *p, size_t n)
{
    PT_RETURN(put_tag(s, field, WIRE_BYTES));
    PT_RETURN(put_varint(s, n));
    return put_bytes(s, p, n);
}

/* Event: wall_time = 1 (double), step = 2 (int64). */
static pt_status begin_event(pt_str *s, int64_t step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    union {
        double d;
        uint64_t u;
    } wall = {(double)now.tv_sec + 1e-9 * (double)now.tv_nsec};
    PT_RETURN(put_tag(s, 1, WIRE_64));
    PT_RETURN(put_little(s, wall.u, 8));
    PT_RETURN(put_tag(s, 2, WIRE_VARINT));
    return put_varint(s, (uint64_t)step);
}

static pt_status write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return pt_fail(PT_EIO, "TensorBoard events: %s", strerror(errno));
        p += w;
        n -= (size_t)w;
    }
    return PT_OK;
}

static pt_status write_record(pt_tb *tb, const pt_str *event)
{
    pt_str *r = &tb->record;
    r->len = 0;
    PT_RETURN(put_little(r, event->len, 8));
    PT_RETURN(put_little(r, masked(r->text, 8), 4));
    PT_RETURN(put_bytes(r, event->text, event->len));
    PT_RETURN(put_little(r, masked(event->text, event->len), 4));
    return write_all(tb->fd, r->text, r->len);
}

/* ---- files --------------------------------------------------------------------------------------------------------------- */

/* file_version = 3; session_log = 7 {status = 1: START} with the step from which older files are void. */
static pt_status write_header(pt_tb *tb, int64_t restart_step)
{
    pt_status rc = PT_OK;
    pt_str e = {0};
    PT_TRY(begin_event(&e, 0));
    PT_TRY(put_field(&e, 3, "brain.Event:2", 13));
    PT_TRY(write_record(tb, &e));
    if (restart_step >= 0) {
        e.len = 0;
        PT_TRY(begin_event(&e, restart_step));
        PT_TRY(put_field(&e, 7, "\x08\x01", 2));
        PT_TRY(write_record(tb, &e));
    }
done:
    pt_str_free(&e);
    return rc;
}

pt_status pt_tb_name(char **name)
{
    char host[64] = "host";
    struct timespec now;
    if (gethostname(host, sizeof host - 1)) memcpy(host, "host", 5);
    for (char *c = host; *c; c++)
        if (*c == '/') *c = '_';
    clock_gettime(CLOCK_REALTIME, &now);
    return pt_asprintf(name, "events.out.tfevents.%lld.%s.%ld.%09ld", (long long)now.tv_sec, host, (long)getpid(), now.tv_nsec);
}

pt_status pt_tb_open(pt_tb *tb, const char *dir, const char *name, int64_t restart_step)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    *tb = (pt_tb){.fd = -1};
    PT_TRY(pt_dir_make(dir));
    PT_TRY(pt_path_join(&path, dir, name));
    tb->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    PT_CHECK(tb->fd >= 0, PT_EIO, "%s: %s", path, strerror(errno));
    PT_TRY(write_header(tb, restart_step));
done:
    free(path);
    if (rc != PT_OK) pt_tb_close(tb);
    return rc;
}

/* summary = 5 {value = 1 {tag = 1, simple_value = 2 (float)}} */
pt_status pt_tb_scalar(pt_tb *tb, int64_t step, const char *tag, double value)
{
    pt_status rc = PT_OK;
    pt_str v = {0}, s = {0}, e = {0};
    union {
        float f;
        uint32_t u;
    } x = {(float)value};
    PT_TRY(put_field(&v, 1, tag, strlen(tag)));
    PT_TRY(put_tag(&v, 2, WIRE_32));
    PT_TRY(put_little(&v, x.u, 4));
    PT_TRY(put_field(&s, 1, v.text, v.len));
    PT_TRY(begin_event(&e, step));
    PT_TRY(put_field(&e, 5, s.text, s.len));
    PT_TRY(write_record(tb, &e));
done:
    pt_str_free(&v);
    pt_str_free(&s);
    pt_str_free(&e);
    return rc;
}

void pt_tb_close(pt_tb *tb)
{
    if (tb->fd >= 0) close(tb->fd);
    pt_str_free(&tb->record);
    *tb = (pt_tb){.fd = -1};
}
