/* Names of files and folders under construction: PATH.ptrain-KIND-PID. Nobody else gives such names, so that what a process which was
 * killed left behind can be told from everybody's own files, whatever these are called. */
#ifndef PT_BASE_TEMP_H
#define PT_BASE_TEMP_H
#include "base/err.h"

typedef enum pt_temp { PT_TEMP_NEW, PT_TEMP_OLD } pt_temp; /* "new": being written, or being removed; "old": moved aside for a new one */

/* Owned name beside path, of this process. */
pt_status pt_temp_path(char **out, const char *path, pt_temp kind);
/* The length of NAME when `file` (a name without folders) is NAME.ptrain-KIND-PID of a process that is dead, or of this one; else 0. */
size_t pt_temp_left(const char *file, pt_temp kind);

/* Files that are to be removed when the program has to end at once (train/cli/oom.c, stop.c, fault.c): noted when made, forgotten when they have their name or
 * are gone. Up to 16 at a time, more are not noted. From one thread at a time. */
void pt_temp_note(const char *path);
void pt_temp_forget(const char *path);
/* Removes the files noted. Safe in a signal handler. */
void pt_temp_sweep(void);
#endif
