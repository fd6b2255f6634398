#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static _Thread_local char err_text[2048];

const char *pt_status_name(pt_status s)
{
    static const char *const names[] = {"PT_OK",     "PT_ENOMEM", "PT_EIO",  "PT_EFORMAT",    "PT_ESHAPE", "PT_ENOSUP",
                                        "PT_ESTATE", "PT_EARG",   "PT_ENONFINITE", "PT_ESTOP", "PT_EINTERNAL"};
    int i = -(int)s;
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : "unknown status";
}

pt_status pt_fail(pt_status s, const char *fmt, ...)
{
    char text[sizeof err_text]; /* an argument may be the present message */
    bool consequence = s != PT_ENOMEM && pt_mem_ended();
    int n = consequence ? snprintf(text, sizeof text, "out of memory in a library; what it led to: ") : 0;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    if (consequence) s = PT_ENOMEM;
    memcpy(err_text, text, sizeof text);
    return s;
}

pt_status pt_fail_prefix(pt_status s, const char *fmt, ...)
{
    char text[sizeof err_text];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0) n = 0;
    size_t used = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (const char *p = ": "; *p && used < sizeof text - 1; p++) text[used++] = *p;
    for (const char *p = err_text; *p && used < sizeof text - 1; p++) text[used++] = *p;
    text[used] = 0;
    memcpy(err_text, text, used + 1);
    return s;
}

const char *pt_err_msg(void)
{
    return err_text;
}

void pt_err_clear(void)
{
    err_text[0] = 0;
}

pt_status pt_err_forgive(pt_status s)
{
    if (s == PT_ENOMEM) return s;
    pt_err_clear();
    return PT_OK;
}
