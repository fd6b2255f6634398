/* The seal of a result file: two keys of ours in the file's own metadata, "ptrain" (the seal's version) and "ptrain_digest", 16 hexadecimal
 * digits of checkpoints/digest.h over every byte of the file, its own digits read as zeros. Other programs ignore both keys; a file that has
 * neither is foreign and never checked, a file that has one of them is ours and must fit. */
#ifndef PT_CHECKPOINTS_SEAL_H
#define PT_CHECKPOINTS_SEAL_H
#include "base/file.h"
#include "checkpoints/digest.h"

#define PT_SEAL_KEY "ptrain"
#define PT_SEAL_VALUE "1"
#define PT_SEAL_DIGEST_KEY "ptrain_digest"
#define PT_SEAL_BLANK "0000000000000000"
enum { PT_SEAL_DIGITS = sizeof PT_SEAL_BLANK - 1 };

/* Writing: every byte goes through pt_seal_write, then pt_seal_close puts the digits at `at` of the file. */
pt_status pt_seal_write(pt_digest *d, pt_outfile *out, const void *data, size_t bytes);
pt_status pt_seal_close(pt_digest *d, pt_outfile *out, size_t at);
/* Reading: PT_EFORMAT, naming the file, unless the digits at data + at are the digest of the whole. at >= bytes: there are none. */
pt_status pt_seal_check(const char *path, const unsigned char *data, size_t bytes, size_t at);
#endif
