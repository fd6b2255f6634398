#include "base/foreign.h"

#include <stddef.h>

static _Thread_local const char *inside;

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
