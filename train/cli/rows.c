/* JSONL in and out for commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/temp.h"
#include "base/threads.h"
#include "train/cli/open.h"

pt_status pt_rows_open(pt_rows *r, const char *path)
{
    *r = (pt_rows){.path = path};
    r->f = !strcmp(path, "-") ? stdin : fopen(path, "r");
    return r->f ? PT_OK : pt_fail(errno == ENOMEM ? PT_ENOMEM : PT_EARG, "cannot open %s: %s", path, strerror(errno));
}

pt_status pt_rows_fail(const pt_rows *r, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!r) return pt_fail(PT_EARG, "%s", text);
    return pt_fail(PT_EARG, "%s:%lld: %s", r->path, r->number, text);
}

pt_status pt_rows_next(pt_rows *r, json_t **row)
{
    ssize_t n;
    *row = NULL;
    while ((n = getline(&r->line, &r->cap, r->f)) >= 0) {
        r->number++;
        if (strspn(r->line, " \t\r\n") == (size_t)n) continue;
        if (r->number == 1) PT_RETURN(pt_file_check_lfs(r->path, r->line, (size_t)n));
        if (r->number == 1 && n >= 2 && !memcmp(r->line, "\x1f\x8b", 2))
            return pt_fail(PT_EARG, "%s is compressed; unpack it: gzip -dc %s | ptrain ... --input -", r->path, r->path);
        if (r->number == 1) PT_RETURN(pt_text_check_utf16(r->path, r->line, (size_t)n));
        bool bom = r->number == 1 && n >= 3 && !memcmp(r->line, "\xef\xbb\xbf", 3);
        pt_json_in in = {.name = r->path, .at = r->line + (bom ? 3 : 0), .end = r->line + n, .begin = r->line, .line = r->number};
        in.flags = PT_JSON_NUL | PT_JSON_OBJECT;
        pt_status rc = pt_json_last(&in, row);
        return rc == PT_EFORMAT ? PT_EARG : rc; /* what the user gave a command: its usage */
    }
    return feof(r->f) ? PT_OK : pt_fail(errno == ENOMEM ? PT_ENOMEM : PT_EIO, "cannot read %s: %s", r->path, strerror(errno));
}

void pt_rows_close(pt_rows *r)
{
    if (r->f && r->f != stdin) fclose(r->f);
    free(r->line);
    *r = (pt_rows){0};
}

#define READER_SECONDS 10

/* A pipe whose reader may still be on its way; one that nobody reads is not waited for for ever. */
static pt_status open_stream(const char *path, FILE **out)
{
    double deadline = pt_seconds() + READER_SECONDS;
    int fd;
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO && pt_seconds() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    if (fd < 0 && errno == ENXIO) return pt_fail(PT_EIO, "%s is a pipe that nobody reads", path);
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    *out = flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0 ? fdopen(fd, "w") : NULL;
    if (*out) return PT_OK;
    pt_status rc = pt_fail(PT_EIO, "cannot open %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return rc;
}

pt_status pt_sink_open(pt_sink *s, const char *path)
{
    struct stat st;
    *s = (pt_sink){.f = stdout, .file.fd = -1};
    if (!path || !strcmp(path, "-")) return PT_OK;
    s->f = NULL;
    s->path = path;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) return pt_outfile_open(&s->file, path);
    /* a device or a pipe is written to, never replaced */
    if (S_ISDIR(st.st_mode)) return pt_fail(PT_EARG, "--output %s is a folder", path);
    return open_stream(path, &s->f);
}

static pt_status cannot_write(const pt_sink *s)
{
    return pt_fail(PT_EIO, "cannot write %s: %s", s->path ? s->path : "standard output", strerror(errno));
}

pt_status pt_sink_line(pt_sink *s, const char *text, size_t bytes)
{
    if (s->f) return fwrite(text, 1, bytes, s->f) == bytes && fputc('\n', s->f) != EOF ? PT_OK : cannot_write(s);
    PT_RETURN(pt_outfile_write(&s->file, text, bytes));
    return pt_outfile_write(&s->file, "\n", 1);
}

pt_status pt_sink_row(pt_sink *s, json_t *row)
{
    char *text = pt_json_dump(row, JSON_COMPACT);
    if (!text) return pt_fail(PT_ENOMEM, "out of memory: a row as JSON");
    pt_status rc = pt_sink_line(s, text, strlen(text));
    free(text);
    return rc;
}

pt_status pt_sink_commit(pt_sink *s)
{
    if (!s->f) return pt_outfile_commit(&s->file);
    if (fflush(s->f)) return cannot_write(s);
    if (!s->path) return PT_OK;
    FILE *f = s->f;
    s->f = NULL;
    return fclose(f) ? cannot_write(s) : PT_OK;
}

void pt_sink_close(pt_sink *s)
{
    if (s->f && s->path) fclose(s->f);
    pt_outfile_close(&s->file);
    *s = (pt_sink){.file.fd = -1};
}

static pt_status keep(void *user, const pt_record *rec, int64_t line)
{
    (void)rec, (void)line;
    *(bool *)user = true;
    return PT_OK;
}

pt_status pt_chat_read(const pt_rows *r, json_t *row, pt_chat *out)
{
    static const pt_dataset_spec spec = {.path = "", .type = "messages"};
    pt_reader *in = &out->reader;
    bool given = false;
    PT_RETURN(pt_record_clear(&in->rec));
    json_array_clear(in->held);
    in->spec = &spec;
    in->sink = keep;
    in->user = &given;
    pt_status rc = pt_read_tools(in, row);
    if (rc == PT_OK) rc = pt_read_messages(in, row);
    if (rc == PT_ENOMEM) return rc;
    if (rc != PT_OK || !given || !in->rec.answers[0].turns.n) return pt_rows_fail(r, "%s", rc != PT_OK ? pt_err_msg() : "the row holds no messages");
    out->n = in->rec.answers[0].turns.n;
    PT_RETURN(pt_reserve(&out->m, &out->cap, out->n));
    for (size_t i = 0; i < out->n; i++) out->m[i] = pt_turn_message(&in->rec.answers[0].turns.turns[i], 0);
    out->m[0].tools = in->rec.tools;
    return PT_OK;
}

void pt_chat_free(pt_chat *c)
{
    pt_reader_free(&c->reader);
    free(c->m);
    *c = (pt_chat){0};
}
