#include "base/foreign.h"

#include <stddef.h>

static _Thread_local const char *inside;
static void (*on_fall)(void);

void pt_foreign_enter(const char *library)
{
    inside = library;
}

void pt_foreign_leave(void)
{
    inside = NULL;
}

const char *pt_foreign_library(void)
{
    return inside;
}

void pt_foreign_on_fall(void (*fell)(void))
{
    on_fall = fell;
}

void pt_foreign_fell(void)
{
    if (on_fall && inside) on_fall();
}
