/* The list of the files that ptrain wrote into an output folder: OUTPUT_DIR/.ptrain-files, one name a line, relative to the folder. A later
 * run removes or replaces what is listed; everything else in the folder is someone else's, whatever its name. Names are appended before
 * their files are made, each in one write: a kill leaves at most a name too many, or a line without an end, which counts as none. */
#ifndef PT_LOOP_MANIFEST_H
#define PT_LOOP_MANIFEST_H
#include <stdbool.h>

#include "base/file.h"

typedef struct pt_manifest {
    char *text; /* whole lines */
    size_t bytes;
    bool there; /* the list exists: a run of ours wrote here */
} pt_manifest;

pt_status pt_manifest_read(pt_manifest *m, const char *dir);
void pt_manifest_free(pt_manifest *m); /* safe on a zeroed struct */
bool pt_manifest_has(const pt_manifest *m, const char *name);
/* Calls each(user, name) for every name; ends with the first failure. */
pt_status pt_manifest_each(const pt_manifest *m, pt_status (*each)(void *user, const char *name), void *user);
/* Adds a name to the list on disk, unless it is there. */
pt_status pt_manifest_add(const char *dir, const char *name);
/* Removes the list. */
pt_status pt_manifest_remove(const char *dir);
/* DIR/name is about to be written: a file of that name that is not listed is moved aside (announced), and the name is added. */
pt_status pt_manifest_claim(const char *dir, const char *name);
#endif
