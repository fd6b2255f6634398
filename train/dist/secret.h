/* A secret of the user, made once and kept in a file that nobody else can read. Every rank of a job that finds the same file knows
 * the same secret: on one machine always, on several where they share the home folder. */
#ifndef PT_DIST_SECRET_H
#define PT_DIST_SECRET_H
#include "base/mem.h"

/* The first folder of `folders` (ends with NULL) where ours can be kept: FOLDER/ptrain/ranks.secret, both of ours alone (0700,
 * 0600). Makes it when it is not there; of several processes that do so at once one wins and all read that one.
 * secret: 64 hex digits and a zero. *path: where it lies, owned. PT_EARG where others could read or write a file that is there;
 * PT_EIO, naming all folders, where none serves. */
pt_status pt_secret_get(const char *const *folders, char secret[65], char **path);
#endif
