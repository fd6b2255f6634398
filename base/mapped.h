/* The files that are mapped now, by address. A file that is cut short while it is mapped ends the program by SIGBUS at the next read behind
 * its new end, and reads as zeros before that: these say which file it was, and whether one was cut. */
#ifndef PT_BASE_MAPPED_H
#define PT_BASE_MAPPED_H
#include <sys/stat.h>

#include "base/err.h"

/* Called by pt_map_open and pt_map_close. Past 1024 files a map has no name. */
void pt_mapped_add(const void *data, size_t bytes, const char *path, const struct stat *st);
void pt_mapped_drop(const void *data);
/* The bytes will not be read again soon: whole pages of a mapped file among them leave this process's memory, and come back from the file when they are.
 * Nothing where no mapped file is. */
void pt_mapped_forget(const void *data, size_t bytes);
/* The path of the file mapped at an address; NULL = none. May be called by a signal's handler. */
const char *pt_mapped_at(const void *address);
/* PT_EIO, naming it, when a mapped file has become shorter; a note (base/log.h) when one was written to. A file that was replaced by
 * another of its name is still there as it was. */
pt_status pt_mapped_check(void);
#endif
