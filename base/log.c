#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static pt_log_sink log_sink;
static void *log_user;
static int log_paused;

void pt_log_set_sink(pt_log_sink sink, void *user)
{
    log_sink = sink;
    log_user = user;
}

void pt_log_pause(bool on)
{
    log_paused += on ? 1 : -1;
}

void pt_log(pt_log_level level, const char *fmt, ...)
{
    if (!log_sink || log_paused) return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_sink(log_user, level, text);
}
