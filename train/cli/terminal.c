#include "train/cli/terminal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/visible.h"

/* By file descriptor. */
static struct screen {
    bool on; /* a terminal */
    int fd;
    bool raw;
    pt_visible state;
} screens[3];

static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static ssize_t show(void *cookie, const char *text, size_t n)
{
    enum { PIECE = 1024 };
    struct screen *s = cookie;
    char out[PT_VISIBLE_GROWTH * PIECE + PT_VISIBLE_MORE];
    if (s->raw) return write_all(s->fd, text, n) ? (ssize_t)n : 0;
    for (size_t at = 0; at < n; at += PIECE)
        if (!write_all(s->fd, out, pt_visible_put(&s->state, text + at, n - at < PIECE ? n - at : PIECE, out))) return 0;
    return (ssize_t)n;
}

static FILE *stand_before(int fd, FILE *f, int mode)
{
    struct screen *s = &screens[fd];
    if (!isatty(fd)) return f;
    FILE *shown = fopencookie(s, "w", (cookie_io_functions_t){.write = show});
    if (!shown) return f;
    *s = (struct screen){.on = true, .fd = fd};
    setvbuf(shown, NULL, mode, BUFSIZ);
    return shown;
}

void pt_terminal_open(void)
{
    stdout = stand_before(STDOUT_FILENO, stdout, _IOLBF);
    stderr = stand_before(STDERR_FILENO, stderr, _IONBF);
}

static int number_of(FILE *f)
{
    return f == stdout ? STDOUT_FILENO : f == stderr ? STDERR_FILENO : fileno(f);
}

bool pt_terminal_is(FILE *f)
{
    return isatty(number_of(f)) != 0;
}

void pt_terminal_raw(FILE *f, const char *text)
{
    int fd = number_of(f);
    struct screen *s = fd >= 0 && fd < 3 && screens[fd].on ? &screens[fd] : NULL;
    if (s) {
        fflush(f);
        s->raw = true;
    }
    fputs(text, f);
    if (s) {
        fflush(f);
        s->raw = false;
    }
}
